/* Inodes and supers: the objects that every file system is made of.
 *
 * An inode lives as long as somebody holds a reference: a dentry, an open file, a mapping (through its file), the
 * file system itself, or the page cache while it has pages to write back. With the last reference the file system's
 * evict() frees what is its own, then the cached pages and the inode go. An inode that is being evicted is in no
 * table any more: a lookup of the same file that happens while evict() sleeps makes a new one.
 *
 * Supers keep their inodes in a hash table by number, which doubles when it is crowded; when RAM is short it stays as
 * it is and only gets slower.
 *
 * Missing: quotas; attributes that need a journal. */
#include "core/fs/vfs.h"
#include "core/file/file.h"
#include "core/lib/string.h"
#include "core/mm/slab.h"
#include "core/printf.h"
#include "core/proc/cred.h"
#include "core/timer.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/resource.h"
#include "shim/abi/stat.h"

#define INODE_BUCKETS 16
#define FIRST_DEV_MINOR 20 /* st_dev of the first super: major 0, like every file system without a device */

static struct list supers = LIST_INIT(supers);
static unsigned next_dev = FIRST_DEV_MINOR;

/* ---- time ---- */

struct timespec64 timespec_now(void)
{
	uint64_t ns = clock_wall();

	return (struct timespec64){ (int64_t)(ns / NSEC_PER_SEC), (int64_t)(ns % NSEC_PER_SEC) };
}

void inode_now(struct inode *i, unsigned attrs)
{
	struct timespec64 now = timespec_now();

	if (attrs & ATTR_ATIME)
		i->atime = now;
	if (attrs & ATTR_MTIME)
		i->mtime = now;
	if (attrs & ATTR_CTIME)
		i->ctime = now;
}

/* ---- the table of inodes ---- */

static unsigned inode_bucket(const struct super *s, uint64_t ino)
{
	return (unsigned)((ino * 0x9e3779b97f4a7c15ul) >> 32) & (s->inode_buckets - 1);
}

static struct list *buckets_new(unsigned n)
{
	struct list *b = kmalloc(n * sizeof(*b));

	if (b)
		for (unsigned i = 0; i < n; i++)
			list_init(&b[i]);
	return b;
}

static void inodes_grow(struct super *s)
{
	unsigned n = s->inode_buckets;
	struct list *old = s->inodes, *new = buckets_new(n * 2);

	if (!new)
		return;
	s->inodes = new;
	s->inode_buckets = n * 2;
	for (unsigned i = 0; i < n; i++)
		list_each_safe(p, &old[i]) {
			struct inode *inode = list_entry(p, struct inode, hash_link);

			list_remove(p);
			list_push(&new[inode_bucket(s, inode->ino)], p);
		}
	kfree(old);
}

struct inode *inode_new(struct super *s, uint64_t ino, uint32_t mode, bool hash)
{
	static const struct inode_ops no_ops;
	struct inode *i = kzalloc(sizeof(*i));

	if (!i)
		return NULL;
	i->ops = &no_ops;
	i->super = s;
	i->refs = 1;
	i->ino = ino;
	i->mode = mode;
	i->nlink = 1;
	i->atime = i->mtime = i->ctime = i->btime = timespec_now();
	mutex_init(&i->lock);
	pagecache_init(&i->cache, i);
	list_init(&i->hash_link);
	s->inode_count++;
	if (hash) {
		if (s->inode_count > 2 * s->inode_buckets)
			inodes_grow(s);
		list_push(&s->inodes[inode_bucket(s, ino)], &i->hash_link);
	}
	return i;
}

struct inode *inode_find(struct super *s, uint64_t ino)
{
	list_each(p, &s->inodes[inode_bucket(s, ino)]) {
		struct inode *i = list_entry(p, struct inode, hash_link);

		if (i->ino == ino)
			return inode_get(i);
	}
	return NULL;
}

struct inode *inode_get(struct inode *i)
{
	i->refs++;
	return i;
}

void inode_put(struct inode *i)
{
	if (!i)
		return;
	kassert(i->refs > 0);
	if (--i->refs)
		return;
	list_remove(&i->hash_link);
	i->super->inode_count--;
	if (i->ops->evict)
		i->ops->evict(i);
	kassert(i->refs == 0 && !i->lock.owner);
	pagecache_destroy(&i->cache);
	kfree(i);
}

/* ---- attributes ---- */

void inode_apply(struct inode *i, const struct iattr *a)
{
	struct timespec64 now = timespec_now();

	if (a->valid & ATTR_SIZE) {
		/* The cache compares with the old size; it stores a smaller one itself. */
		pagecache_truncate(&i->cache, a->size);
		i->size = a->size;
	}
	if (a->valid & ATTR_MODE)
		i->mode = (i->mode & S_IFMT) | (a->mode & 07777);
	if (a->valid & ATTR_UID)
		i->uid = a->uid;
	if (a->valid & ATTR_GID)
		i->gid = a->gid;
	if (a->valid & ATTR_ATIME_NOW)
		i->atime = now;
	else if (a->valid & ATTR_ATIME)
		i->atime = a->atime;
	if (a->valid & ATTR_MTIME_NOW)
		i->mtime = now;
	else if (a->valid & ATTR_MTIME)
		i->mtime = a->mtime;
	i->ctime = now;
}

void inode_init_owner(struct inode *i, const struct inode *dir)
{
	const struct cred *c = cred_current();

	i->uid = c->fsuid;
	i->gid = dir && (dir->mode & S_ISGID) ? dir->gid : c->fsgid;
}

int inode_write_get(struct inode *i)
{
	if (i->deny_write)
		return -ETXTBSY;
	i->writers++;
	return 0;
}

int inode_deny_write(struct inode *i)
{
	if (i->writers)
		return -ETXTBSY;
	i->deny_write++;
	return 0;
}

/* ---- supers ---- */

struct super *super_new(const char *type, const struct super_ops *ops, uint64_t magic)
{
	struct super *s = kzalloc(sizeof(*s));

	if (!s)
		return NULL;
	s->inodes = buckets_new(INODE_BUCKETS);
	if (!s->inodes) {
		kfree(s);
		return NULL;
	}
	s->inode_buckets = INODE_BUCKETS;
	s->type = type;
	s->ops = ops;
	s->magic = magic;
	s->dev = DEV_MAKE(0, next_dev);
	next_dev++;
	mutex_init(&s->rename_lock);
	list_append(&supers, &s->link);
	return s;
}

void super_free(struct super *s)
{
	struct dentry *root;

	if (!s)
		return;
	root = s->root;
	dcache_drop_super(s);
	if (root) {
		kassert(root->refs == 1);
		s->root = NULL;
		dentry_put(root);
	}
	if (s->ops && s->ops->umount)
		s->ops->umount(s);
	kassert(s->inode_count == 0);
	list_remove(&s->link);
	kfree(s->inodes);
	kfree(s);
}

int vfs_statfs(const struct path *p, struct statfs_k *out)
{
	struct super *s = p->dentry->super;

	*out = (struct statfs_k){ .type = s->magic, .bsize = PAGE_SIZE, .frsize = PAGE_SIZE, .namelen = NAME_MAX };
	if (s->ops && s->ops->statfs) {
		int r = s->ops->statfs(s, out);

		if (r)
			return r;
	}
	/* ST_VALID, and the mount's own flags: ST_RDONLY… have the values of MS_RDONLY… */
	out->flags |= 0x20 | ((s->flags | p->mnt->flags) & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC));
	return 0;
}

int vfs_syncfs(struct super *s)
{
	int r = pagecache_sync_all(), r2 = s->ops && s->ops->sync ? s->ops->sync(s) : 0;

	return r ? r : r2;
}

int vfs_sync(void)
{
	int r = pagecache_sync_all();

	list_each(p, &supers) {
		struct super *s = list_entry(p, struct super, link);
		int r2 = s->ops && s->ops->sync ? s->ops->sync(s) : 0;

		if (!r)
			r = r2;
	}
	return r;
}
