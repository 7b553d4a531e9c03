/* What stdio.c and hostfile.c, the two kinds of standard stream that are no device, need of each other. */
#ifndef CORE_FILE_HOSTFILE_H
#define CORE_FILE_HOSTFILE_H

#include "core/file/file.h"

/* Descriptor fd of the platform, a PLAT_STDIO_FILE, as an open file. -ENOMEM, -ENFILE. */
int hostfile_new(int fd, struct file **out);
/* IRQ_STDIO arrived. */
void hostfile_irq(void);

/* A buffer for a transfer of `want` bytes: up to 64 KiB, one page when RAM is short; page_put() it. NULL: not even that. */
struct page *bounce_get(size_t want, size_t *size);

#endif
