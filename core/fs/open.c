/* open(2), openat2(2): from a name to an open file.
 *
 * A walk finds the object or, with O_CREAT, makes it in the locked parent directory; then may_open() asks for the
 * rights that the flags need, and open_object() makes the struct file by the kind of object: the page cache's
 * operations for regular files and directories, fifo_open(), the inode's own operations for everything else. A file
 * that was just made is not asked for rights, and is not truncated.
 *
 * Missing: O_CREAT of the file system's own in one step (a lookup and a creation are two requests); leases. */
#include "core/file/file.h"
#include "core/fs/devfs.h"
#include "core/fs/walk.h"
#include "core/proc/cred.h"
#include "core/proc/proc.h"
#include "core/sched.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/stat.h"

#define TMPFILE_BIT (O_TMPFILE & ~O_DIRECTORY)
#define PATH_FLAGS  (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static unsigned open_rights(int flags)
{
	static const unsigned char rights[4] = { MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE, MAY_READ | MAY_WRITE };
	unsigned may = rights[flags & O_ACCMODE];

	return flags & O_TRUNC ? may | MAY_WRITE : may;
}

/* Combinations that open(2) refuses. */
static int open_flags(int *flags)
{
	int f = *flags;

	if (f & O_PATH) {
		*flags = f & PATH_FLAGS;
		return 0;
	}
	if (f & TMPFILE_BIT) {
		if ((f & (O_TMPFILE | O_CREAT)) != O_TMPFILE || (f & O_ACCMODE) == O_RDONLY)
			return -EINVAL;
		return 0;
	}
	return (f & (O_CREAT | O_DIRECTORY)) == (O_CREAT | O_DIRECTORY) ? -EINVAL : 0;
}

/* ---- an existing object ---- */

static int may_open(const struct path *p, int flags)
{
	const struct inode *i = p->dentry->inode;
	unsigned may = open_rights(flags);
	int r;

	if (S_ISLNK(i->mode))
		return -ELOOP;
	if (S_ISDIR(i->mode) && (may & MAY_WRITE))
		return -EISDIR;
	if ((may & MAY_WRITE) && S_ISREG(i->mode) && path_readonly(p))
		return -EROFS;
	r = inode_permission(i, may);
	if (!r && (flags & O_NOATIME))
		r = inode_owner_check(i);
	return r;
}

/* What a file is left with when its object's open failed: nothing of it is called. */
static const struct file_ops failed_ops;

static int open_kind(struct inode *i, struct file *f)
{
	if (S_ISFIFO(i->mode) && !i->fops && !i->ops->open)
		return fifo_open(i, f);
	if (i->ops->open)
		return i->ops->open(i, f);
	if (i->fops)
		return 0;
	if (S_ISCHR(i->mode))
		return chrdev_open(i, f);
	return S_ISBLK(i->mode) ? -ENXIO : 0;
}

static int open_object(const struct path *p, int flags, bool truncate, struct file **out)
{
	struct inode *i = p->dentry->inode;
	struct file *f;
	int r;

	if (flags & O_PATH)
		return file_new_path(p, flags & ~O_CLOEXEC, out);
	if (S_ISSOCK(i->mode))
		return -ENXIO;
	if (unlikely(i->deny_write) && (open_rights(flags) & MAY_WRITE))
		return -ETXTBSY;
	r = file_new_path(p, flags | O_LARGEFILE, &f);
	if (r)
		return r;
	r = open_kind(i, f);
	if (unlikely(r)) {
		f->ops = &failed_ops;
		file_put(f);
		return r;
	}
	/* Objects of other kinds (a file of /proc) ignore O_TRUNC. */
	if (truncate && S_ISREG(i->mode) && i->ops->setattr) {
		r = vfs_truncate(i, 0);
		if (r) {
			file_put(f);
			return r;
		}
	}
	*out = f;
	return 0;
}

int vfs_open_path(const struct path *p, int flags, struct file **out)
{
	int r = open_flags(&flags);

	if (!r && !(flags & O_PATH))
		r = may_open(p, flags);
	if (!r && (flags & O_DIRECTORY) && !S_ISDIR(p->dentry->inode->mode))
		r = -ENOTDIR;
	return r ? r : open_object(p, flags, (flags & O_TRUNC) != 0, out);
}

/* ---- by name ---- */

struct open {
	int flags;
	uint32_t mode;
	unsigned walk;   /* WALK_ */
	bool created;
};

/* The file system may know that the name has come to mean something else: -ESTALE, and it is looked up again. */
static int open_revalidate(struct walk *w, int flags)
{
	struct inode *i = w->cur.dentry->inode;
	int r;

	if (likely(!i->ops->revalidate) || (flags & O_PATH))
		return 0;
	r = i->ops->revalidate(i);
	if (r == -ESTALE)
		dentry_drop(w->cur.dentry);
	return r;
}

/* Makes the file in w->cur, whose entry d is locked and negative. */
static int create_in(struct walk *w, struct dentry *d, const struct open *o)
{
	struct inode *dir = w->cur.dentry->inode, *inode;
	int r;

	if (path_readonly(&w->cur))
		return -EROFS;
	if (w->cur.dentry->unlinked)
		return -ENOENT;
	r = inode_permission(dir, MAY_WRITE | MAY_EXEC);
	if (r)
		return r;
	if (!dir->ops->mknod)
		return -EACCES;
	r = dir->ops->mknod(dir, &w->last, inode_new_mode(dir, S_IFREG | (o->mode & 07777)), 0, &inode);
	if (!r)
		dentry_instantiate(d, inode);
	return r;
}

/* The entry for w->last, made when it is missing: *out with a reference. */
static int lookup_or_create(struct walk *w, struct open *o, struct dentry **out)
{
	struct inode *dir = w->cur.dentry->inode;
	struct dentry *d = dcache_find(w->cur.dentry, &w->last);
	int r;

	if (d && d->inode) {
		*out = dentry_get(d);
		return 0;
	}
	mutex_lock(&dir->lock);
	r = dentry_lookup_locked(w->cur.dentry, &w->last, &d);
	if (!r && !d->inode) {
		r = create_in(w, d, o);
		o->created = !r;
		if (r)
			dentry_put(d);
	}
	mutex_unlock(&dir->lock);
	*out = d;
	return r;
}

/* In a sticky directory that everybody writes, O_CREAT does not open what somebody else has put there in place of a
 * plain file (the kernel's check for /proc/sys/fs/protected_*, whose settings for regular files and FIFOs are off
 * here). */
static bool sticky_refuses(const struct inode *dir, const struct inode *i)
{
	return (dir->mode & (S_ISVTX | S_IWOTH)) == (S_ISVTX | S_IWOTH) && !S_ISREG(i->mode) && !S_ISFIFO(i->mode) &&
	       !S_ISDIR(i->mode) && i->uid != dir->uid && i->uid != cred_current()->fsuid;
}

/* Walks to the object, which is made when it is missing; w->cur is the result. */
static int walk_create(struct walk *w, struct open *o)
{
	struct dentry *d;
	int r;

	for (;;) {
		r = walk_parent(w);
		if (r)
			return r;
		if (!name_is_normal(&w->last)) {
			r = walk_last(w);
			break;
		}
		if (w->slash)
			return -EISDIR;
		r = lookup_or_create(w, o, &d);
		if (r)
			return r;
		if (!o->created && (o->flags & O_EXCL)) {
			dentry_put(d);
			return -EEXIST;
		}
		if (!S_ISLNK(d->inode->mode) || (o->flags & O_NOFOLLOW)) {
			if (!o->created && sticky_refuses(w->cur.dentry->inode, d->inode)) {
				dentry_put(d);
				return -EACCES;
			}
			r = walk_enter(w, d);
			break;
		}
		r = walk_link(w, d);
		if (r)
			return r;
	}
	if (!r && (o->flags & O_EXCL) && !o->created)
		r = -EEXIST;
	if (!r && S_ISDIR(w->cur.dentry->inode->mode))
		r = -EISDIR;
	return r;
}

/* O_TMPFILE: w->cur is the directory and becomes the nameless file. */
static int walk_tmpfile(struct walk *w, struct open *o)
{
	struct inode *dir, *inode;
	bool linkable = !(o->flags & O_EXCL);
	struct dentry *d;
	int r = walk_all(w);

	if (r)
		return r;
	dir = w->cur.dentry->inode;
	if (path_readonly(&w->cur))
		return -EROFS;
	r = inode_permission(dir, MAY_WRITE | MAY_EXEC);
	if (r)
		return r;
	if (!dir->ops->tmpfile)
		return -EOPNOTSUPP;
	mutex_lock(&dir->lock);
	r = dir->ops->tmpfile(dir, inode_new_mode(dir, S_IFREG | (o->mode & 07777)), linkable, &inode);
	mutex_unlock(&dir->lock);
	if (r)
		return r;
	inode->linkable = linkable;
	d = dentry_nameless(w->cur.dentry, inode);
	if (!d)
		return -ENOMEM;
	o->created = true;
	dentry_put(w->cur.dentry);
	w->cur.dentry = d;
	return 0;
}

static int open_walk(const struct path *start, const char *path, struct open *o, struct path *out)
{
	struct walk w;
	int r = walk_begin(&w, start, path, o->walk);

	if (likely(!r)) {
		if (likely(!(o->flags & (O_CREAT | TMPFILE_BIT))))
			r = walk_all(&w);
		else if (o->flags & O_CREAT)
			r = walk_create(&w, o);
		else
			r = walk_tmpfile(&w, o);
	}
	if (likely(!r) && !o->created)
		r = open_revalidate(&w, o->flags);
	walk_end(&w, r ? NULL : out);
	return r;
}

static unsigned walk_flags(int flags, unsigned resolve)
{
	static const struct {
		unsigned resolve, walk;
	} map[] = {
		{ RESOLVE_BENEATH, WALK_BENEATH },
		{ RESOLVE_NO_SYMLINKS, WALK_NO_SYMLINKS },
		{ RESOLVE_NO_MAGICLINKS, WALK_NO_MAGICLINKS },
		{ RESOLVE_IN_ROOT, WALK_IN_ROOT },
		{ RESOLVE_NO_XDEV, WALK_NO_XDEV },
		{ RESOLVE_CACHED, WALK_CACHED },
	};
	unsigned walk = flags & O_NOFOLLOW ? 0 : WALK_FOLLOW;

	if (flags & O_DIRECTORY)
		walk |= WALK_DIRECTORY;
	for (unsigned i = 0; resolve && i < ARRAY_SIZE(map); i++)
		if (resolve & map[i].resolve)
			walk |= map[i].walk;
	return walk;
}

static int open_from(const struct path *start, const char *path, struct open *o, struct file **out)
{
	struct path p;
	int r = open_walk(start, path, o, &p);

	if (unlikely(r == -ESTALE))
		r = open_walk(start, path, o, &p);
	if (unlikely(r))
		return r;
	if (!o->created && !(o->flags & O_PATH))
		r = may_open(&p, o->flags);
	if (likely(!r))
		r = open_object(&p, o->flags, (o->flags & O_TRUNC) && !o->created, out);
	path_put(&p);
	return r;
}

int vfs_open(int dirfd, const char *path, int flags, uint32_t mode, unsigned resolve, struct file **out)
{
	struct open o = { .mode = mode };
	struct path start = { NULL, NULL };
	int r = open_flags(&flags);

	if (r)
		return r;
	if ((resolve & RESOLVE_CACHED) && (flags & (O_CREAT | O_TRUNC | TMPFILE_BIT)))
		return -EAGAIN;
	if (!*path)
		return -ENOENT;
	if (*path == '/' && (resolve & RESOLVE_BENEATH))
		return -EXDEV;
	o.flags = flags;
	o.walk = walk_flags(flags, resolve);
	/* A scoped walk begins at dirfd even when the path is absolute. */
	if ((*path != '/' && dirfd != AT_FDCWD) || (resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT))) {
		r = walk_start(dirfd, *path == '/' ? "." : path, &start);
		if (r)
			return r;
	}
	r = open_from(&start, path, &o, out);
	path_put(&start);
	return r;
}

int vfs_lookup(int dirfd, const char *path, int at_flags, struct path *out)
{
	unsigned flags = at_flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW;
	struct path start = { NULL, NULL };
	int r;

	if (at_flags & AT_EMPTY_PATH)
		flags |= WALK_EMPTY;
	if (*path != '/' && dirfd != AT_FDCWD) {
		r = walk_start(dirfd, path, &start);
		if (r)
			return r;
	}
	r = path_walk(&start, path, flags, out);
	path_put(&start);
	return r;
}
