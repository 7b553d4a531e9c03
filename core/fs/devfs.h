/* Character devices by number, for every file system that has device nodes. */
#ifndef CORE_FS_DEVFS_H
#define CORE_FS_DEVFS_H

#include "core/types.h"

struct file;
struct inode;

/* Opens the character device inode->rdev: sets f->ops and f->priv. 0; -ENXIO: no such device; or the device's error.
 * For the VFS, when an inode without an open operation of its own is S_ISCHR. May sleep. */
int chrdev_open(struct inode *inode, struct file *f);

#endif
