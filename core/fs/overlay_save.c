/* Saving an overlay's changes (--save) to a directory of a writable file system, in the form of an OCI image layer:
 * changed and new files whole, `.wh.NAME` for a removed name, `.wh..wh..opq` in a directory that hides the lower one
 * of its name.
 *
 * Only what is pinned is visited, from the root down. A lower directory that was moved is written out whole, lower
 * files too, for nothing at its new place says where it came from. What an earlier save left under the same names is
 * replaced. Calls the file systems directly: rights were asked for when the program made its changes. An error (a
 * device node that the host's user may not make) does not end the saving; the first one is returned.
 *
 * Missing: names of lower files with several links under which they were never looked up keep the old contents. */
#include "core/fs/memfs.h"
#include "core/fs/walk.h"
#include "core/mm/slab.h"
#include "core/proc/thread.h"
#include "core/sched.h"
#include "shim/abi/errno.h"
#include "shim/abi/stat.h"

#define WHITEOUT ".wh."
#define OPAQUE   ".wh..wh..opq"

/* A directory that is being saved. */
struct level {
	struct level *up;
	struct inode *from, *to; /* references held */
	uint64_t cookie;         /* of the next entry */
	bool whole;              /* unchanged lower entries, too */
};

/* A file with several names that has been saved under one. */
struct saved {
	struct saved *next;
	const struct inode *from;
	struct inode *to; /* reference held */
};

struct save {
	struct level *top;
	struct saved *links;
	int error;
};

static void note(struct save *s, int r)
{
	if (r && !s->error)
		s->error = r;
}

/* ---- the target ---- */

static int target_lookup(struct inode *dir, const struct name *n, struct inode **out)
{
	int r;

	mutex_lock(&dir->lock);
	r = dir->ops->lookup ? dir->ops->lookup(dir, n, out) : -ENOENT;
	mutex_unlock(&dir->lock);
	return r;
}

/* Removes what is there under this name, unless it is a directory and one is wanted: then *out is it. */
static int target_clear(struct inode *dir, const struct name *n, bool want_dir, struct inode **out)
{
	struct inode *old;
	int r = target_lookup(dir, n, &old);

	*out = NULL;
	if (r)
		return r == -ENOENT ? 0 : r;
	if (want_dir && S_ISDIR(old->mode)) {
		*out = old;
		return 0;
	}
	mutex_lock(&dir->lock);
	if (S_ISDIR(old->mode))
		r = dir->ops->rmdir ? dir->ops->rmdir(dir, n, old) : -EPERM;
	else
		r = dir->ops->unlink ? dir->ops->unlink(dir, n, old) : -EPERM;
	mutex_unlock(&dir->lock);
	inode_put(old);
	return r;
}

static int target_mknod(struct inode *dir, const struct name *n, uint32_t mode, uint64_t rdev, struct inode **out)
{
	int r;

	mutex_lock(&dir->lock);
	r = dir->ops->mknod ? dir->ops->mknod(dir, n, mode, rdev, out) : -EPERM;
	mutex_unlock(&dir->lock);
	return r;
}

static int target_setattr(struct inode *i, const struct iattr *a)
{
	int r;

	mutex_lock(&i->lock);
	r = i->ops->setattr ? i->ops->setattr(i, a) : -EPERM;
	if (!r)
		inode_apply(i, a);
	mutex_unlock(&i->lock);
	return r;
}

/* The owner may be somebody that the host's user cannot give files to; the rest is worth having all the same. */
static void copy_attributes(const struct inode *from, struct inode *to)
{
	struct iattr owner = { .valid = ATTR_UID | ATTR_GID, .uid = from->uid, .gid = from->gid };
	struct iattr rest = { .valid = ATTR_MODE | ATTR_ATIME | ATTR_MTIME, .mode = from->mode & 07777,
			      .atime = from->atime, .mtime = from->mtime };

	if (to->uid != from->uid || to->gid != from->gid)
		(void)target_setattr(to, &owner);
	if (S_ISLNK(from->mode))
		rest.valid &= ~(unsigned)ATTR_MODE;
	(void)target_setattr(to, &rest);
}

/* As far as they can be had, and the target has any. */
static void copy_xattrs(struct inode *from, struct inode *to)
{
	mutex_lock(&from->lock);
	if (to->ops->setxattr && !memfs_xattrs_own(from)) {
		mutex_lock(&to->lock);
		for (struct xattr *x = memfs_node(from)->xattrs; x; x = x->next)
			(void)to->ops->setxattr(to, x->name, x->value, x->size, 0);
		mutex_unlock(&to->lock);
	}
	mutex_unlock(&from->lock);
}

/* An empty file whose name says something. */
static int put_mark(struct inode *dir, const char *prefix, const char *name, size_t len)
{
	char text[NAME_MAX + 1];
	size_t plen = strlen(prefix);
	struct inode *i;
	struct name n;
	int r;

	if (plen + len > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(text, prefix, plen);
	memcpy(text + plen, name, len);
	n = name_make(text, plen + len);
	r = target_clear(dir, &n, false, &i);
	if (!r)
		r = target_mknod(dir, &n, S_IFREG | 0600, 0, &i);
	if (!r)
		inode_put(i);
	return r;
}

/* An earlier save may have said that this name is gone. */
static void clear_mark(struct inode *dir, const struct name *n)
{
	char text[NAME_MAX + 1];
	struct inode *none;
	struct name mark;

	if (n->len + sizeof(WHITEOUT) - 1 > NAME_MAX)
		return;
	memcpy(text, WHITEOUT, sizeof(WHITEOUT) - 1);
	memcpy(text + sizeof(WHITEOUT) - 1, n->s, n->len);
	mark = name_make(text, sizeof(WHITEOUT) - 1 + n->len);
	(void)target_clear(dir, &mark, false, &none);
}

/* ---- files ---- */

/* One page's bytes from off on; how many, or -errno. */
static long copy_page(struct inode *from, struct inode *to, uint64_t off)
{
	size_t in = off & PAGE_MASK, n = MIN(PAGE_SIZE - in, from->size - off);
	int64_t pos = (int64_t)off;
	struct page *p;
	struct uio u;
	long r = pagecache_get(&from->cache, off >> PAGE_SHIFT, &p);

	if (r)
		return r;
	uio_kernel(&u, (char *)page_va(p) + in, n, false);
	mutex_lock(&to->lock);
	r = pagecache_write(to, &u, &pos);
	mutex_unlock(&to->lock);
	page_put(p);
	return r;
}

static int copy_data(struct inode *from, struct inode *to)
{
	uint64_t off = 0;

	while (off < from->size) {
		int64_t data = memfs_seek_data(from, off, false);
		long r;

		if (data < 0)
			break;
		off = (uint64_t)data;
		r = copy_page(from, to, off);
		if (r <= 0)
			return r ? (int)r : -EIO;
		off += (uint64_t)r;
		pagecache_balance();
	}
	if (to->size != from->size) {
		int r = target_setattr(to, &(struct iattr){ .valid = ATTR_SIZE, .size = from->size });

		if (r)
			return r;
	}
	return pagecache_sync(&to->cache, 0, UINT64_MAX >> PAGE_SHIFT);
}

static int copy_symlink(struct inode *from, struct inode *dir, const struct name *n, struct inode **out)
{
	char *buf = kmalloc(PATH_MAX);
	int len, r;

	if (!buf)
		return -ENOMEM;
	if (from->link) {
		r = strlen(from->link) < PATH_MAX ? 0 : -ENAMETOOLONG;
		if (!r)
			memcpy(buf, from->link, strlen(from->link) + 1);
	} else {
		len = from->ops->readlink(from, buf, PATH_MAX - 1);
		r = len < 0 ? len : 0;
		if (!r)
			buf[len] = 0;
	}
	if (!r) {
		mutex_lock(&dir->lock);
		r = dir->ops->symlink ? dir->ops->symlink(dir, n, buf, out) : -EPERM;
		mutex_unlock(&dir->lock);
	}
	kfree(buf);
	return r;
}

/* Another name for a file that has been saved? 1: done. */
static int save_link(struct save *s, const struct inode *from, struct inode *dir, const struct name *n)
{
	for (struct saved *l = s->links; l; l = l->next)
		if (l->from == from && dir->ops->link) {
			int r;

			mutex_lock(&dir->lock);
			r = dir->ops->link(dir, n, l->to);
			mutex_unlock(&dir->lock);
			return !r;
		}
	return 0;
}

static void remember_link(struct save *s, const struct inode *from, struct inode *to)
{
	struct saved *l = kmalloc(sizeof(*l));

	if (!l)
		return; /* the next name becomes a file of its own */
	*l = (struct saved){ s->links, from, inode_get(to) };
	s->links = l;
}

static int save_file(struct save *s, struct inode *from, struct inode *dir, const struct name *n)
{
	struct inode *to;
	int r = target_clear(dir, n, false, &to);

	if (r)
		return r;
	if (from->nlink > 1 && save_link(s, from, dir, n))
		return 0;
	if (S_ISLNK(from->mode))
		r = copy_symlink(from, dir, n, &to);
	else
		r = target_mknod(dir, n, S_ISREG(from->mode) ? S_IFREG | 0600 : from->mode, from->rdev, &to);
	if (r)
		return r;
	if (S_ISREG(from->mode))
		r = copy_data(from, to);
	copy_xattrs(from, to);
	copy_attributes(from, to);
	if (from->nlink > 1)
		remember_link(s, from, to);
	inode_put(to);
	return r;
}

/* ---- directories ---- */

/* Names of the directory that have not been looked up are, and all are pinned: then every entry is there to be
 * visited. */
struct collect {
	struct dir_ctx ctx;
	char *names; /* terminated names, one after the other */
	size_t len, cap;
	bool failed;
};

static bool collect_name(struct dir_ctx *c, const char *name, size_t len, uint64_t ino, unsigned dtype, int64_t next)
{
	struct collect *l = container_of(c, struct collect, ctx);

	if (l->len + len + 1 > l->cap) {
		size_t cap = MAX(2 * l->cap, (size_t)PAGE_SIZE);
		char *p = krealloc(l->names, cap);

		if (!p) {
			l->failed = true;
			return false;
		}
		l->names = p;
		l->cap = cap;
	}
	memcpy(l->names + l->len, name, len);
	l->names[l->len + len] = 0;
	l->len += len + 1;
	return true;
}

static int look_all_up(struct inode *dir)
{
	struct collect l = { .ctx = { collect_name, 2 } };
	struct inode *i;
	int r;

	mutex_lock(&dir->lock);
	r = dir->ops->readdir(dir, NULL, &l.ctx);
	if (!r && l.failed)
		r = -ENOMEM;
	for (size_t at = 0; !r && at < l.len;) {
		struct name n = name_make(l.names + at, strlen(l.names + at));

		r = dir->ops->lookup(dir, &n, &i);
		if (!r) {
			memfs_pin(memfs_node(i));
			inode_put(i);
		}
		at += n.len + 1;
	}
	mutex_unlock(&dir->lock);
	kfree(l.names);
	return r;
}

/* Goes down into a directory; it comes off again in save_level(). Consumes the reference to `to`. */
static int push(struct save *s, struct inode *from, struct inode *to, bool whole)
{
	struct level *l = kmalloc(sizeof(*l));
	int r = 0;

	if (!l) {
		inode_put(to);
		return -ENOMEM;
	}
	*l = (struct level){ s->top, inode_get(from), to, 0, whole };
	s->top = l;
	if (whole)
		r = look_all_up(from);
	return r;
}

static int save_dir(struct save *s, const struct memfs_entry *e, struct inode *from, struct inode *dir,
		    const struct name *n)
{
	bool whole = s->top->whole || (!e->origin && memfs_node(from)->lower);
	bool opaque = !e->origin && e->covers;
	struct inode *to;
	int r = target_clear(dir, n, true, &to);

	if (!r && !to)
		r = target_mknod(dir, n, S_IFDIR | 0700, 0, &to);
	if (!r && opaque)
		note(s, put_mark(to, OPAQUE, "", 0));
	return r ? r : push(s, from, to, whole);
}

static bool differs(const struct memfs_entry *e)
{
	const struct memfs_node *node = memfs_node(e->inode);

	if (S_ISDIR(e->inode->mode))
		return true;
	return (!e->origin || node->changed || e->inode->cache.dirty) && !mount_covers(e->inode);
}

/* Saves one entry. The entry itself may go while the target sleeps, so that what is needed is taken out of it first. */
static void save_entry(struct save *s, struct memfs_entry *e)
{
	struct inode *from = e->inode, *to = s->top->to, *none;
	struct memfs_entry was = *e;
	char text[NAME_MAX + 1];
	struct name n;
	int r;

	memcpy(text, e->name, e->len);
	n = name_make(text, e->len);
	if (!from) {
		r = target_clear(to, &n, false, &none);
		note(s, r ? r : put_mark(to, WHITEOUT, text, n.len));
		return;
	}
	if (e->kind != ENT_HARD || (!s->top->whole && !differs(e)))
		return;
	inode_get(from);
	clear_mark(to, &n);
	note(s, S_ISDIR(from->mode) ? save_dir(s, &was, from, to, &n) : save_file(s, from, to, &n));
	inode_put(from);
}

/* The next entry of the innermost directory, or its end. */
static void save_step(struct save *s)
{
	struct level *l = s->top;
	struct memfs_entry *e = memfs_next(memfs_node(l->from), l->cookie);

	if (e) {
		l->cookie = e->cookie + 1;
		memfs_node(l->from)->cursor = memfs_after(memfs_node(l->from), e);
		save_entry(s, e);
		return;
	}
	s->top = l->up;
	if (l->up) {
		copy_xattrs(l->from, l->to);
		copy_attributes(l->from, l->to);
	}
	inode_put(l->from);
	inode_put(l->to);
	kfree(l);
}

int overlay_save(struct super *overlay, const struct path *to)
{
	struct save s = { NULL, NULL, 0 };
	struct thread *t = current_thread();
	bool killed = t->killed;

	/* The program is over, its last thread perhaps killed; that shall not interrupt what is done here. */
	t->killed = false;
	note(&s, push(&s, overlay->root->inode, inode_get(to->dentry->inode), false));
	while (s.top)
		save_step(&s);
	while (s.links) {
		struct saved *l = s.links;

		s.links = l->next;
		inode_put(l->to);
		kfree(l);
	}
	t->killed = killed;
	return s.error;
}
