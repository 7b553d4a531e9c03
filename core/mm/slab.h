/* Kernel heap. Sizes to 2 KiB come from slabs of power-of-two and mid-step classes, larger ones from whole pages.
 * Memory is 16-byte aligned (page aligned when ≥ PAGE_SIZE). NULL when RAM is short. Never sleeps. */
#ifndef CORE_MM_SLAB_H
#define CORE_MM_SLAB_H

#include "core/types.h"

void *kmalloc(size_t size);
void *kzalloc(size_t size);
void *krealloc(void *p, size_t size); /* keeps min(old, new) bytes; p may be NULL; on failure p stays valid */
void kfree(const void *p);            /* NULL is fine */
char *kstrdup(const char *s);
size_t kmalloc_usable(const void *p);

/* Unit tests: objects alive now. */
size_t kmalloc_live(void);

/* Pages in slabs, empty ones that wait for reuse included; and giving those back: how many. For page.c. */
size_t slab_pages(void);
size_t slab_reclaim(void);

#endif
