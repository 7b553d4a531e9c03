/* What cpio.c needs of tmpfs beyond core/fs/vfs.h. */
#ifndef CORE_FS_TMPFS_H
#define CORE_FS_TMPFS_H

#include "core/fs/vfs.h"

/* The (new, empty) file's contents are len bytes at data, which stays valid and unchanged for ever. */
void tmpfs_file_data(struct inode *inode, const void *data, size_t len);

#endif
