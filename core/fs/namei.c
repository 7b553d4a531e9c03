/* Changes of the tree: mknod(2), mkdir(2), symlink(2), link(2), unlink(2), rmdir(2), rename(2); and readlink(2).
 *
 * Each resolves the parent, locks it, looks the last component up and checks, in Linux's order, so that the errors
 * agree: what kind of name it is, whether the file system may be written, whether the entry exists, the caller's
 * rights, the kinds of objects. Then the file system acts, and the dentries follow.
 *
 * Locks: a rename takes the super's rename_lock, then both directories (an ancestor first), then a directory that it
 * replaces; rmdir takes the directory and then its victim. Since only one rename runs at a time, and nobody else
 * locks two directories that are not parent and child, no cycle can form.
 *
 * Missing: the restrictions of /proc/sys/fs/protected_hardlinks; RENAME_WHITEOUT. */
#include "core/fs/walk.h"
#include "core/proc/cred.h"
#include "core/proc/proc.h"
#include "core/sched.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/stat.h"

#define NLINK_MAX 0x7fffffffu

/* ---- rules ---- */

uint32_t inode_new_mode(const struct inode *dir, uint32_t mode)
{
	struct proc *p = current_proc();
	const struct cred *c = cred_current();

	if (p && p->fs)
		mode &= ~(uint32_t)(p->fs->umask & 0777);
	if (!(dir->mode & S_ISGID))
		return mode;
	if (S_ISDIR(mode))
		return mode | S_ISGID;
	/* Only a member of the group may make setgid programs of it. */
	if ((mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && c->fsuid != 0 && !cred_in_group(c, dir->gid))
		mode &= ~(uint32_t)S_ISGID;
	return mode;
}

static int may_create(const struct dentry *dir)
{
	return dir->unlinked ? -ENOENT : inode_permission(dir->inode, MAY_WRITE | MAY_EXEC);
}

/* The sticky bit of a directory lets only the owners remove (inode(7)). */
static bool sticky_denies(const struct inode *dir, const struct inode *victim)
{
	uint32_t uid = cred_current()->fsuid;

	return (dir->mode & S_ISVTX) && uid != 0 && uid != victim->uid && uid != dir->uid;
}

/* May the entry d go from dir? want_dir: it must be a directory, or must not be one. */
static int may_delete(const struct dentry *dir, const struct dentry *d, bool want_dir)
{
	int r = inode_permission(dir->inode, MAY_WRITE | MAY_EXEC);

	if (r)
		return r;
	if (sticky_denies(dir->inode, d->inode))
		return -EPERM;
	if (want_dir != S_ISDIR(d->inode->mode))
		return want_dir ? -ENOTDIR : -EISDIR;
	return dir->unlinked ? -ENOENT : 0;
}

/* ---- making entries ---- */

struct create {
	struct path parent; /* locked */
	struct dentry *d;   /* negative */
	struct name last;
};

static int create_check(const struct create *c, bool slash, bool want_dir)
{
	if (c->d->inode)
		return -EEXIST;
	if (slash && !want_dir)
		return -ENOENT;
	if (path_readonly(&c->parent))
		return -EROFS;
	return may_create(c->parent.dentry);
}

static int parent_of(int dirfd, const char *path, struct path *parent, struct name *last, bool *slash)
{
	struct path start;
	int r = walk_start(dirfd, path, &start);

	if (r)
		return r;
	r = path_walk_parent(&start, path, 0, parent, last, slash);
	path_put(&start);
	return r;
}

/* On success the parent is locked; create_end() unlocks it. */
static int create_begin(int dirfd, const char *path, bool want_dir, struct create *c)
{
	bool slash;
	int r = parent_of(dirfd, path, &c->parent, &c->last, &slash);

	if (r)
		return r;
	if (!name_is_normal(&c->last)) {
		path_put(&c->parent);
		return -EEXIST;
	}
	mutex_lock(&c->parent.dentry->inode->lock);
	r = dentry_lookup_locked(c->parent.dentry, &c->last, &c->d);
	if (!r) {
		r = create_check(c, slash, want_dir);
		if (r)
			dentry_put(c->d);
	}
	if (r) {
		mutex_unlock(&c->parent.dentry->inode->lock);
		path_put(&c->parent);
	}
	return r;
}

static int create_end(struct create *c, int r, struct inode *inode)
{
	if (!r)
		dentry_instantiate(c->d, inode);
	mutex_unlock(&c->parent.dentry->inode->lock);
	dentry_put(c->d);
	path_put(&c->parent);
	return r;
}

/* mknod(2): regular files, FIFOs and sockets by anybody, devices by root. */
static int mknod_check(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
	case S_IFIFO:
	case S_IFSOCK:
	case S_IFCHR:
	case S_IFBLK:
		return 0;
	case S_IFDIR:
		return -EPERM;
	}
	return -EINVAL;
}

int vfs_mknod(int dirfd, const char *path, uint32_t mode, uint64_t rdev, struct inode **made)
{
	struct create c;
	struct inode *dir, *inode = NULL;
	int r;

	if (!(mode & S_IFMT))
		mode |= S_IFREG;
	r = mknod_check(mode);
	if (!r)
		r = create_begin(dirfd, path, false, &c);
	if (r)
		return r;
	dir = c.parent.dentry->inode;
	if ((S_ISCHR(mode) || S_ISBLK(mode)) && cred_current()->fsuid != 0)
		r = -EPERM;
	else if (!dir->ops->mknod)
		r = -EPERM;
	else
		r = dir->ops->mknod(dir, &c.last, inode_new_mode(dir, mode & (S_IFMT | 07777)), rdev, &inode);
	if (!r && made)
		*made = inode_get(inode);
	return create_end(&c, r, inode);
}

int vfs_mkdir(int dirfd, const char *path, uint32_t mode)
{
	struct create c;
	struct inode *dir, *inode = NULL;
	int r = create_begin(dirfd, path, true, &c);

	if (r)
		return r;
	dir = c.parent.dentry->inode;
	mode = inode_new_mode(dir, S_IFDIR | (mode & (0777 | S_ISVTX)));
	r = dir->ops->mknod ? dir->ops->mknod(dir, &c.last, mode, 0, &inode) : -EPERM;
	return create_end(&c, r, inode);
}

int vfs_symlink(const char *target, int dirfd, const char *path)
{
	struct create c;
	struct inode *dir, *inode = NULL;
	int r;

	if (!*target)
		return -ENOENT;
	if (strnlen(target, PATH_MAX) == PATH_MAX)
		return -ENAMETOOLONG;
	r = create_begin(dirfd, path, false, &c);
	if (r)
		return r;
	dir = c.parent.dentry->inode;
	r = dir->ops->symlink ? dir->ops->symlink(dir, &c.last, target, &inode) : -EPERM;
	return create_end(&c, r, inode);
}

static int link_check(const struct path *old, const struct create *c)
{
	const struct inode *i = old->dentry->inode;

	if (!c->parent.dentry->inode->ops->link || S_ISDIR(i->mode))
		return -EPERM;
	if (i->nlink == 0 && !i->linkable)
		return -ENOENT;
	return i->nlink >= NLINK_MAX ? -EMLINK : 0;
}

int vfs_link(int odirfd, const char *opath, int ndirfd, const char *npath, int flags)
{
	struct create c;
	struct path old;
	struct inode *dir, *inode;
	int at, r;

	if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	at = (flags & AT_EMPTY_PATH) | (flags & AT_SYMLINK_FOLLOW ? 0 : AT_SYMLINK_NOFOLLOW);
	r = vfs_lookup(odirfd, opath, at, &old);
	if (r)
		return r;
	r = create_begin(ndirfd, npath, false, &c);
	if (r)
		goto out_old;
	dir = c.parent.dentry->inode;
	inode = old.dentry->inode;
	r = old.mnt != c.parent.mnt || inode->super != dir->super ? -EXDEV : link_check(&old, &c);
	if (!r)
		r = dir->ops->link(dir, &c.last, inode);
	if (!r)
		inode->linkable = false;
	r = create_end(&c, r, r ? NULL : inode_get(inode));
out_old:
	path_put(&old);
	return r;
}

/* ---- removing ---- */

static int unlink_locked(struct dentry *dir, struct dentry *d, const struct name *n, bool rmdir)
{
	struct inode *di = dir->inode, *victim = d->inode;
	int r = may_delete(dir, d, rmdir);

	if (r)
		return r;
	if (d->mounted)
		return -EBUSY;
	if (!rmdir) {
		r = di->ops->unlink ? di->ops->unlink(di, n, victim) : -EPERM;
	} else {
		/* Nobody makes entries in it meanwhile. */
		mutex_lock(&victim->lock);
		r = di->ops->rmdir ? di->ops->rmdir(di, n, victim) : -EPERM;
		if (!r)
			dentry_unlink(d);
		mutex_unlock(&victim->lock);
	}
	if (!r)
		dentry_unlink(d);
	return r;
}

/* What is wrong with a last component that names no entry. */
static int unlink_special(const struct name *last, bool rmdir)
{
	if (!rmdir)
		return -EISDIR;
	if (!last->len)
		return -EBUSY;
	return name_is_dot(last) ? -EINVAL : -ENOTEMPTY;
}

int vfs_unlink(int dirfd, const char *path, bool rmdir)
{
	struct path parent;
	struct name last;
	struct dentry *d;
	bool slash;
	int r = parent_of(dirfd, path, &parent, &last, &slash);

	if (r)
		return r;
	if (!name_is_normal(&last))
		r = unlink_special(&last, rmdir);
	else if (path_readonly(&parent))
		r = -EROFS;
	if (r)
		goto out_parent;
	mutex_lock(&parent.dentry->inode->lock);
	r = dentry_lookup_locked(parent.dentry, &last, &d);
	if (!r) {
		if (!d->inode)
			r = -ENOENT;
		else if (slash && !rmdir)
			r = S_ISDIR(d->inode->mode) ? -EISDIR : -ENOTDIR;
		else
			r = unlink_locked(parent.dentry, d, &last, rmdir);
	} else {
		d = NULL;
	}
	mutex_unlock(&parent.dentry->inode->lock);
	dentry_put(d);
out_parent:
	path_put(&parent);
	return r;
}

/* ---- rename ---- */

struct rename {
	struct path odir, ndir;
	struct name on, nn;
	bool oslash, nslash;
	struct dentry *od, *nd;
	unsigned flags;
};

/* By inode: a file system without cached names may have two dentries for one directory. */
static bool is_ancestor(const struct dentry *a, const struct dentry *d)
{
	while (d->inode != a->inode && d->parent != d)
		d = d->parent;
	return d->inode == a->inode;
}

static void rename_lock(const struct rename *r)
{
	struct inode *o = r->odir.dentry->inode, *n = r->ndir.dentry->inode;

	if (o == n) {
		mutex_lock(&o->lock);
		return;
	}
	if (is_ancestor(r->ndir.dentry, r->odir.dentry)) {
		mutex_lock(&n->lock);
		mutex_lock(&o->lock);
	} else {
		mutex_lock(&o->lock);
		mutex_lock(&n->lock);
	}
}

static void rename_unlock(const struct rename *r)
{
	struct inode *o = r->odir.dentry->inode, *n = r->ndir.dentry->inode;

	mutex_unlock(&o->lock);
	if (n != o)
		mutex_unlock(&n->lock);
}

/* The kinds of the two objects, their slashes, and that no directory moves into itself. */
static int rename_check_kinds(const struct rename *r)
{
	bool exchange = (r->flags & RENAME_EXCHANGE) != 0;

	if (!r->od->inode)
		return -ENOENT;
	if ((r->flags & RENAME_NOREPLACE) && r->nd->inode)
		return -EEXIST;
	if (exchange && !r->nd->inode)
		return -ENOENT;
	if (exchange && !S_ISDIR(r->nd->inode->mode) && r->nslash)
		return -ENOTDIR;
	if (!S_ISDIR(r->od->inode->mode) && (r->oslash || (!exchange && r->nslash)))
		return -ENOTDIR;
	if (is_ancestor(r->od, r->ndir.dentry))
		return -EINVAL;
	if (is_ancestor(r->nd, r->odir.dentry))
		return exchange ? -EINVAL : -ENOTEMPTY;
	return 0;
}

static int rename_check_rights(const struct rename *r)
{
	bool exchange = (r->flags & RENAME_EXCHANGE) != 0, odir = S_ISDIR(r->od->inode->mode);
	int err = may_delete(r->odir.dentry, r->od, odir);

	if (!err && !r->nd->inode)
		err = may_create(r->ndir.dentry);
	else if (!err)
		err = may_delete(r->ndir.dentry, r->nd, exchange ? S_ISDIR(r->nd->inode->mode) : odir);
	if (err)
		return err;
	if (!r->odir.dentry->inode->ops->rename)
		return -EPERM;
	/* A directory's ".." changes. */
	if (r->odir.dentry != r->ndir.dentry) {
		if (odir)
			err = inode_permission(r->od->inode, MAY_WRITE);
		if (!err && exchange && S_ISDIR(r->nd->inode->mode))
			err = inode_permission(r->nd->inode, MAY_WRITE);
	}
	if (!err && (r->od->mounted || r->nd->mounted))
		err = -EBUSY;
	return err;
}

/* The file system's part, with a directory that is replaced locked; then the dentries'. */
static int rename_act(struct rename *r, char *ospare, char *nspare)
{
	struct inode *odir = r->odir.dentry->inode, *ndir = r->ndir.dentry->inode, *target = r->nd->inode;
	bool exchange = (r->flags & RENAME_EXCHANGE) != 0;
	bool lock = target && !exchange && S_ISDIR(target->mode);
	int err;

	if (lock)
		mutex_lock(&target->lock);
	err = odir->ops->rename(odir, &r->on, r->od->inode, ndir, &r->nn, target, r->flags);
	if (!err && target && !exchange)
		dentry_unlink(r->nd);
	if (lock)
		mutex_unlock(&target->lock);
	if (err)
		return err;
	if (exchange)
		dentry_move(r->nd, r->odir.dentry, &r->on, nspare);
	else
		dentry_drop(r->nd);
	dentry_move(r->od, r->ndir.dentry, &r->nn, ospare);
	return 0;
}

static int rename_dentries(struct rename *r)
{
	char *ospare, *nspare = NULL;
	int err = rename_check_kinds(r);

	/* Two names of one object: nothing happens, whatever the rights (rename(2)). */
	if (err || r->od->inode == r->nd->inode)
		return err;
	err = rename_check_rights(r);
	if (err)
		return err;
	err = dentry_move_prepare(r->od, &r->nn, &ospare);
	if (err)
		return err;
	if (r->flags & RENAME_EXCHANGE)
		err = dentry_move_prepare(r->nd, &r->on, &nspare);
	if (!err)
		err = rename_act(r, ospare, nspare);
	if (err) {
		dentry_spare_free(ospare);
		dentry_spare_free(nspare);
	}
	return err;
}

static int rename_locked(struct rename *r)
{
	int err = dentry_lookup_locked(r->odir.dentry, &r->on, &r->od);

	if (err)
		return err;
	err = dentry_lookup_locked(r->ndir.dentry, &r->nn, &r->nd);
	if (!err) {
		err = rename_dentries(r);
		dentry_put(r->nd);
	}
	dentry_put(r->od);
	return err;
}

static int rename_paths(struct rename *r)
{
	struct super *s = r->odir.dentry->super;
	int err;

	if (r->odir.mnt != r->ndir.mnt)
		return -EXDEV;
	if (!name_is_normal(&r->on))
		return -EBUSY;
	if (!name_is_normal(&r->nn))
		return r->flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	if (path_readonly(&r->odir))
		return -EROFS;
	mutex_lock(&s->rename_lock);
	rename_lock(r);
	err = rename_locked(r);
	rename_unlock(r);
	mutex_unlock(&s->rename_lock);
	return err;
}

int vfs_rename(int odirfd, const char *opath, int ndirfd, const char *npath, unsigned flags)
{
	struct rename r = { .flags = flags };
	int err;

	if ((flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE)) ||
	    flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	err = parent_of(odirfd, opath, &r.odir, &r.on, &r.oslash);
	if (err)
		return err;
	err = parent_of(ndirfd, npath, &r.ndir, &r.nn, &r.nslash);
	if (!err) {
		err = rename_paths(&r);
		path_put(&r.ndir);
	}
	path_put(&r.odir);
	return err;
}

/* ---- readlink ---- */

static int link_text(struct inode *inode, char *buf, size_t size)
{
	size_t len;

	if (!inode->link)
		return inode->ops->readlink ? inode->ops->readlink(inode, buf, size) : -EINVAL;
	len = MIN(strlen(inode->link), size);
	memcpy(buf, inode->link, len);
	return (int)len;
}

int vfs_readlink(int dirfd, const char *path, char *buf, size_t size)
{
	struct path p;
	int r = vfs_lookup(dirfd, path, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, &p);

	if (r)
		return r;
	/* An empty path means an O_PATH descriptor of a symlink: readlinkat in readlink(2). */
	if (!S_ISLNK(p.dentry->inode->mode))
		r = *path ? -EINVAL : -ENOENT;
	else
		r = link_text(p.dentry->inode, buf, size);
	path_put(&p);
	return r;
}
