/* Path walking: path_resolution(7), symlink(7), and the RESOLVE_ flags of openat2(2).
 *
 * A walk goes from directory to directory by components. Its position holds references, so it may sleep at every
 * step; a step to a cached entry costs a hash lookup and two counters. The text of a symlink is walked in place of
 * its name: what follows the name is pushed on a small stack, unless nothing does. Links in memory (inode->link) are
 * not copied.
 *
 * Who may search a directory is asked before each of its components is looked at, "." and ".." too, so that errors
 * come in Linux's order.
 *
 * Missing: the restrictions of /proc/sys/fs/protected_symlinks; automounts. */
#include "core/fs/walk.h"
#include "core/file/file.h"
#include "core/lib/util.h"
#include "core/mm/slab.h"
#include "core/proc/cred.h"
#include "core/proc/proc.h"
#include "core/sched.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/stat.h"

struct path walk_root(void)
{
	struct proc *p = current_proc();
	struct mount *m;

	if (likely(p && p->fs && p->fs->root->dentry))
		return *p->fs->root;
	m = mount_root();
	return (struct path){ m, m ? m->super->root : NULL };
}

struct path walk_cwd(void)
{
	struct proc *p = current_proc();

	if (likely(p && p->fs && p->fs->cwd->dentry))
		return *p->fs->cwd;
	return walk_root();
}

/* For dentries whose last reference this hardly is: a child of it, or a mount on it, is held. */
static inline void put_parent(struct dentry *d)
{
	if (likely(d->refs > 1))
		d->refs--;
	else
		dentry_put(d);
}

/* A link's absolute text. */
static int jump_root(struct walk *w)
{
	if (w->flags & WALK_BENEATH)
		return -EXDEV;
	if ((w->flags & WALK_NO_XDEV) && w->cur.mnt != w->root.mnt)
		return -EXDEV;
	dentry_get(w->root.dentry);
	dentry_put(w->cur.dentry);
	w->cur = w->root;
	return 0;
}

int walk_begin(struct walk *w, const struct path *start, const char *path, unsigned flags)
{
	if (flags & (WALK_BENEATH | WALK_IN_ROOT)) {
		w->cur = start && start->dentry ? *start : walk_cwd();
		w->root = w->cur;
	} else {
		w->root = walk_root();
		if (*path == '/')
			w->cur = w->root;
		else
			w->cur = start && start->dentry ? *start : walk_cwd();
	}
	w->flags = flags;
	w->links = 0;
	w->p = path;
	w->buf = NULL;
	w->inode = NULL;
	w->last.len = 0;
	w->slash = false;
	w->depth = 0;
	if (unlikely(!w->cur.dentry))
		return -ENOENT;
	dentry_get(w->cur.dentry);
	dentry_get(w->root.dentry);
	if (unlikely(!*path))
		return flags & WALK_EMPTY ? 0 : -ENOENT;
	return *path == '/' && (flags & WALK_BENEATH) ? -EXDEV : 0;
}

static void text_put(char *buf, struct inode *inode)
{
	kfree(buf);
	inode_put(inode);
}

void walk_end(struct walk *w, struct path *out)
{
	if (unlikely(w->buf || w->inode))
		text_put(w->buf, w->inode);
	while (unlikely(w->depth)) {
		struct walk_body *b = &w->body[--w->depth];

		text_put(b->buf, b->inode);
	}
	if (likely(w->root.dentry))
		put_parent(w->root.dentry);
	if (out)
		*out = w->cur;
	else
		path_put(&w->cur);
	w->buf = NULL;
	w->inode = NULL;
	w->cur = (struct path){ NULL, NULL };
}

static int enter_mounts(struct walk *w, struct dentry **d)
{
	while ((*d)->mounted) {
		struct mount *m = (*d)->mounted;

		if (w->flags & WALK_NO_XDEV) {
			dentry_put(*d);
			return -EXDEV;
		}
		w->cur.mnt = m;
		dentry_get(m->super->root);
		put_parent(*d);
		*d = m->super->root;
	}
	return 0;
}

static inline int enter(struct walk *w, struct dentry *d)
{
	struct dentry *old = w->cur.dentry;

	if (unlikely(d->mounted)) {
		int r = enter_mounts(w, &d);

		if (r)
			return r;
	}
	w->cur.dentry = d;
	put_parent(old);
	return 0;
}

int walk_enter(struct walk *w, struct dentry *d) { return enter(w, d); }

/* To the parent directory; at the root of the walk nothing happens. */
static int walk_up(struct walk *w)
{
	struct path to = w->cur;

	if (path_equal(&to, &w->root))
		return w->flags & WALK_BENEATH ? -EXDEV : 0;
	while (to.dentry == to.mnt->super->root && to.mnt->parent) {
		if (w->flags & WALK_NO_XDEV)
			return -EXDEV;
		to = (struct path){ to.mnt->parent, to.mnt->point };
		if (path_equal(&to, &w->root))
			break;
	}
	if (!path_equal(&to, &w->root))
		to.dentry = to.dentry->parent;
	while (unlikely(to.dentry->mounted)) {
		to.mnt = to.dentry->mounted;
		to.dentry = to.mnt->super->root;
	}
	dentry_get(to.dentry);
	dentry_put(w->cur.dentry);
	w->cur = to;
	return 0;
}

static int lookup_missing(struct walk *w, const struct name *n, struct dentry **out)
{
	if (w->flags & WALK_CACHED)
		return -EAGAIN;
	return dentry_lookup(w->cur.dentry, n, out);
}

static inline int lookup(struct walk *w, const struct name *n, struct dentry **out)
{
	struct dentry *d = dcache_find(w->cur.dentry, n);

	if (unlikely(!d))
		return lookup_missing(w, n, out);
	*out = dentry_get(d);
	return 0;
}

int walk_lookup(struct walk *w, const struct name *n, struct dentry **out) { return lookup(w, n, out); }

static int follow_magic(struct walk *w, struct inode *inode)
{
	struct path to;
	int r;

	if (w->flags & WALK_NO_MAGICLINKS)
		return -ELOOP;
	r = inode->ops->follow(inode, &to);
	if (r)
		return r;
	if ((w->flags & (WALK_BENEATH | WALK_IN_ROOT)) || ((w->flags & WALK_NO_XDEV) && to.mnt != w->cur.mnt)) {
		path_put(&to);
		return -EXDEV;
	}
	path_put(&w->cur);
	w->cur = to;
	return 0;
}

/* The link's text becomes what is walked next. */
static int follow_text(struct walk *w, struct inode *inode)
{
	char *buf = NULL;
	long len;

	if (!inode->link) {
		buf = kmalloc(PATH_MAX);
		if (!buf)
			return -ENOMEM;
		len = inode->ops->readlink ? inode->ops->readlink(inode, buf, PATH_MAX - 1) : -EINVAL;
		if (len < 0) {
			kfree(buf);
			return (int)len;
		}
		buf[len] = 0;
	}
	if (*w->p)
		w->body[w->depth++] = (struct walk_body){ w->p, w->buf, w->inode };
	else
		text_put(w->buf, w->inode);
	w->buf = buf;
	w->inode = buf ? NULL : inode_get(inode);
	w->p = buf ? buf : inode->link;
	if (!*w->p)
		return -ENOENT;
	return *w->p == '/' ? jump_root(w) : 0;
}

int walk_link(struct walk *w, struct dentry *d)
{
	struct inode *inode = d->inode;
	int r;

	if ((w->flags & WALK_NO_SYMLINKS) || w->links++ >= SYMLINKS_MAX)
		r = -ELOOP;
	else
		r = inode->ops->follow ? follow_magic(w, inode) : follow_text(w, inode);
	dentry_put(d);
	return r;
}

/* Takes the next component off the text. False when the text is at its end. */
static inline bool next_component(struct walk *w, struct name *n, bool *slash)
{
	const char *p = w->p;
	uint32_t h = NAME_HASH_START;

	while (*p == '/')
		p++;
	n->s = p;
	/* One comparison for most characters: few of a name are below '/'. */
	for (uint8_t c = (uint8_t)*p; c > '/' || (c && c != '/'); c = (uint8_t)*++p)
		h = name_hash_step(h, (char)c);
	n->len = (uint32_t)(p - n->s);
	n->hash = h;
	*slash = *p == '/';
	while (*p == '/')
		p++;
	w->p = p;
	return n->len != 0;
}

/* May the caller search this directory? Most directories let everybody. */
static inline int may_search(const struct inode *dir)
{
	if (unlikely(!S_ISDIR(dir->mode)))
		return -ENOTDIR;
	if (likely((dir->mode & 0111) == 0111))
		return 0;
	return inode_permission(dir, MAY_EXEC);
}

/* A component that is not the last. */
static inline int walk_component(struct walk *w, const struct name *n)
{
	struct dentry *d;
	int r;

	if (unlikely(n->s[0] == '.')) {
		if (n->len == 1)
			return 0;
		if (name_is_dotdot(n))
			return walk_up(w);
	}
	r = lookup(w, n, &d);
	if (unlikely(r))
		return r;
	if (unlikely(!d->inode)) {
		dentry_put(d);
		return -ENOENT;
	}
	if (unlikely(S_ISLNK(d->inode->mode)))
		return walk_link(w, d);
	return enter(w, d);
}

int walk_parent(struct walk *w)
{
	struct name n;
	bool slash;
	int r;

	for (;;) {
		if (!next_component(w, &n, &slash)) {
			if (!w->depth) {
				w->last.len = 0;
				return 0;
			}
			struct walk_body *b = &w->body[--w->depth];

			text_put(w->buf, w->inode);
			w->p = b->rest;
			w->buf = b->buf;
			w->inode = b->inode;
			continue;
		}
		r = may_search(w->cur.dentry->inode);
		if (unlikely(r))
			return r;
		if (!*w->p && !w->depth) {
			w->last = n;
			w->slash |= slash;
			return 0;
		}
		r = walk_component(w, &n);
		if (unlikely(r))
			return r;
	}
}

int walk_last(struct walk *w)
{
	struct dentry *d;
	int r;

	if (!w->last.len || name_is_dot(&w->last))
		return 0;
	if (name_is_dotdot(&w->last))
		return walk_up(w);
	r = walk_lookup(w, &w->last, &d);
	if (r)
		return r;
	if (!d->inode) {
		dentry_put(d);
		return -ENOENT;
	}
	return walk_enter(w, d);
}

int walk_all(struct walk *w)
{
	struct dentry *d;
	int r;

	for (;;) {
		r = walk_parent(w);
		if (unlikely(r))
			return r;
		if (unlikely(!name_is_normal(&w->last))) {
			r = walk_last(w);
			break;
		}
		r = lookup(w, &w->last, &d);
		if (unlikely(r))
			return r;
		if (unlikely(!d->inode)) {
			dentry_put(d);
			return -ENOENT;
		}
		if (!S_ISLNK(d->inode->mode) || !((w->flags & WALK_FOLLOW) || w->slash)) {
			r = enter(w, d);
			break;
		}
		r = walk_link(w, d);
		if (unlikely(r))
			return r;
	}
	if (!r && (w->slash || (w->flags & WALK_DIRECTORY)) && !S_ISDIR(w->cur.dentry->inode->mode))
		r = -ENOTDIR;
	return r;
}

int path_walk(const struct path *start, const char *path, unsigned flags, struct path *out)
{
	struct walk w;
	int r = walk_begin(&w, start, path, flags);

	if (likely(!r))
		r = walk_all(&w);
	walk_end(&w, r ? NULL : out);
	return r;
}

int path_walk_parent(const struct path *start, const char *path, unsigned flags, struct path *parent, struct name *last,
		     bool *slash)
{
	struct walk w;
	int r = walk_begin(&w, start, path, flags);

	if (likely(!r))
		r = walk_parent(&w);
	*last = w.last;
	*slash = w.slash;
	walk_end(&w, r ? NULL : parent);
	return r;
}

int walk_start(int dirfd, const char *path, struct path *out)
{
	struct file *f;
	int r;

	if (*path == '/' || dirfd == AT_FDCWD) {
		*out = walk_cwd();
		if (!out->dentry)
			return -ENOENT;
		path_get(out);
		return 0;
	}
	r = fd_get_path(dirfd, &f);
	if (r)
		return r;
	if (*path && !S_ISDIR(f->inode->mode))
		r = -ENOTDIR;
	else if (f->path.dentry)
		path_get(&f->path);
	else
		r = path_anon(f->inode, f->ops->anon_name ? f->ops->anon_name : "", out);
	if (!r && f->path.dentry)
		*out = f->path;
	file_put(f);
	return r;
}

/* ---- from a dentry to text ---- */

static bool prepend(char **at, const char *buf, const char *s, size_t len)
{
	if ((size_t)(*at - buf) < len)
		return false;
	*at -= len;
	memcpy(*at, s, len);
	return true;
}

static bool prepend_str(char **at, const char *buf, const char *s) { return prepend(at, buf, s, strlen(s)); }

/* The names from p up to root, each with its slash before it. */
static int prepend_names(struct path p, const struct path *root, char *buf, char **at)
{
	char *end = *at;

	while (!path_equal(&p, root)) {
		struct dentry *d = p.dentry;

		if (d == p.mnt->super->root) {
			if (!p.mnt->parent) /* outside of a changed root: getcwd(2) */
				return prepend_str(at, buf, "(unreachable)") ? 0 : -ENAMETOOLONG;
			p = (struct path){ p.mnt->parent, p.mnt->point };
			continue;
		}
		if (d->parent == d) /* nameless objects have no place in the tree */
			return prepend(at, buf, d->name, d->name_len) ? 0 : -ENAMETOOLONG;
		if (!prepend(at, buf, d->name, d->name_len) || !prepend(at, buf, "/", 1))
			return -ENAMETOOLONG;
		p.dentry = d->parent;
	}
	if (*at == end && !prepend(at, buf, "/", 1))
		return -ENAMETOOLONG;
	return 0;
}

int path_string(const struct path *p, char *buf, size_t size, char **start, bool mark_deleted)
{
	struct path root = walk_root();
	char *at = buf + size, *end;
	int r;

	if (p->dentry->unlinked && !mark_deleted)
		return -ENOENT;
	if (!prepend(&at, buf, "", 1))
		return -ENAMETOOLONG;
	if (p->dentry->unlinked && !prepend_str(&at, buf, " (deleted)"))
		return -ENAMETOOLONG;
	end = at;
	r = prepend_names(*p, &root, buf, &end);
	if (r)
		return r;
	*start = end;
	return 0;
}
