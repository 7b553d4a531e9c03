/* tmpfs(5): a file system whose names are in memory and whose files are their page caches.
 *
 * Everything is memfs.c's and memfs_data.c's; here are the operations' tables and the making of inodes. Files that came
 * with an archive (cpio.c) read the pages that are not cached from there.
 *
 * Missing: quotas, huge pages, mount options beyond size and mode. */
#include "core/fs/tmpfs.h"
#include "core/fs/memfs.h"
#include "core/fs/walk.h"
#include "core/mm/slab.h"
#include "shim/abi/errno.h"
#include "shim/abi/stat.h"

#define TMPFS_MAGIC 0x01021994

static const struct inode_ops tmpfs_ops, tmpfs_archive_ops;

static struct inode *tmpfs_inode(struct super *s, const struct inode *dir, uint32_t mode)
{
	struct inode *i = memfs_inode(memfs_of(s), ++s->next_ino, mode, false);

	if (!i)
		return NULL;
	i->ops = &tmpfs_ops;
	i->nlink = 0;
	inode_init_owner(i, dir);
	if (S_ISDIR(mode))
		i->size = MEMFS_DIR_SIZE;
	return i;
}

static int tmpfs_lookup(struct inode *dir, const struct name *n, struct inode **out)
{
	struct memfs_entry *e = memfs_find(memfs_node(dir), n);

	if (!e)
		return -ENOENT;
	*out = inode_get(e->inode);
	return 0;
}

int tmpfs_file(struct super *s, uint32_t mode, struct inode **out)
{
	struct inode *i = tmpfs_inode(s, NULL, mode);

	if (!i)
		return -ENOMEM;
	*out = i;
	return 0;
}

void tmpfs_file_data(struct inode *inode, const void *data, size_t len)
{
	struct memfs_node *node = memfs_node(inode);

	node->data = data;
	node->limit = len;
	inode->size = len;
	inode->ops = &tmpfs_archive_ops;
}

#define TMPFS_OPS \
	.lookup = tmpfs_lookup, .mknod = memfs_mknod, .symlink = memfs_symlink, .link = memfs_link, \
	.unlink = memfs_unlink, .rmdir = memfs_rmdir, .rename = memfs_rename, .setattr = memfs_setattr, \
	.readdir = memfs_readdir, .fallocate = memfs_fallocate, .tmpfile = memfs_tmpfile, \
	.reserve = memfs_reserve, .seek_data = memfs_seek_data, .getxattr = memfs_getxattr, .setxattr = memfs_setxattr, \
	.evict = memfs_evict

static const struct inode_ops tmpfs_ops = { TMPFS_OPS };
static const struct inode_ops tmpfs_archive_ops = { TMPFS_OPS, .read_pages = memfs_read_pages };

static const struct super_ops tmpfs_super_ops = { .statfs = memfs_statfs, .umount = memfs_umount };

int tmpfs_new(struct super **out, uint64_t max_bytes, uint32_t root_mode)
{
	struct memfs *fs = memfs_new("tmpfs", &tmpfs_super_ops, TMPFS_MAGIC, max_bytes);
	struct inode *root;
	int r = -ENOMEM;

	if (!fs)
		return -ENOMEM;
	fs->super->evict_nosleep = true;
	fs->new_inode = tmpfs_inode;
	root = tmpfs_inode(fs->super, NULL, S_IFDIR | (root_mode & 07777));
	if (root) {
		root->nlink = 2;
		r = memfs_set_root(fs, root);
	}
	if (r) {
		super_free(fs->super);
		return r;
	}
	*out = fs->super;
	return 0;
}
