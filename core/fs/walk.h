/* What path.c, open.c, namei.c and dentry.c share: the state of a path walk, and the dentry cache's inner functions. */
#ifndef CORE_FS_WALK_H
#define CORE_FS_WALK_H

#include "core/fs/vfs.h"
#include "core/lib/string.h"

#define SYMLINKS_MAX 40 /* followed in one resolution: path_resolution(7) */

/* The hash of a name, a byte at a time (FNV-1a, 32 bits). */
#define NAME_HASH_START 0x811c9dc5u
static inline uint32_t name_hash_step(uint32_t h, char c) { return (h ^ (uint8_t)c) * 0x01000193u; }

static inline struct name name_make(const char *s, size_t len)
{
	struct name n = { s, (uint32_t)len, NAME_HASH_START };

	for (size_t i = 0; i < len; i++)
		n.hash = name_hash_step(n.hash, s[i]);
	return n;
}

static inline bool name_is_dot(const struct name *n) { return n->len == 1 && n->s[0] == '.'; }
static inline bool name_is_dotdot(const struct name *n) { return n->len == 2 && n->s[0] == '.' && n->s[1] == '.'; }
/* Neither "", "." nor "..": names an entry of the parent. */
static inline bool name_is_normal(const struct name *n) { return n->len && !name_is_dot(n) && !name_is_dotdot(n); }

/* ---- dentry cache ---- */
extern struct list *dcache_table;
extern unsigned dcache_mask;

static inline unsigned dcache_bucket(const struct dentry *dir, uint32_t hash)
{
	return (hash ^ (uint32_t)((uintptr_t)dir >> 5) * 0x9e3779b1u) & dcache_mask;
}

/* Names of one length: eight bytes at a time, the last ones overlapping. */
static inline bool name_equal(const char *a, const char *b, size_t len)
{
	uint64_t x, y;
	uint32_t v, w;

	if (len < 8) {
		if (len >= 4) {
			memcpy(&v, a, 4);
			memcpy(&w, b, 4);
			if (v != w)
				return false;
			memcpy(&v, a + len - 4, 4);
			memcpy(&w, b + len - 4, 4);
			return v == w;
		}
		for (; len; len--)
			if (a[len - 1] != b[len - 1])
				return false;
		return true;
	}
	for (size_t i = 0; i + 8 < len; i += 8) {
		memcpy(&x, a + i, 8);
		memcpy(&y, b + i, 8);
		if (x != y)
			return false;
	}
	memcpy(&x, a + len - 8, 8);
	memcpy(&y, b + len - 8, 8);
	return x == y;
}

/* The cached entry, without a reference; NULL. Never sleeps. */
static inline struct dentry *dcache_find(const struct dentry *dir, const struct name *n)
{
	struct list *head = &dcache_table[dcache_bucket(dir, n->hash)];

	list_each(p, head) {
		struct dentry *d = list_entry(p, struct dentry, hash_link);

		if (d->hash == n->hash && d->parent == dir && d->name_len == n->len &&
		    name_equal(d->name, n->s, n->len)) {
			d->young = true;
			return d;
		}
	}
	return NULL;
}

/* A negative entry of a locked directory becomes inode (whose reference it takes). */
void dentry_instantiate(struct dentry *d, struct inode *inode);
/* An entry of a locked directory has been removed. */
void dentry_unlink(struct dentry *d);
/* d and its parents are found by lookups even if their super does not cache names: something is mounted on d. */
void dentry_remember(struct dentry *d);
/* A nameless child of dir, never looked up, marked unlinked (O_TMPFILE); consumes the inode reference. NULL: no RAM. */
struct dentry *dentry_nameless(struct dentry *dir, struct inode *inode);
/* Renames: the memory for a new name is taken first (NULL *spare: the old one's place is enough), so that the move
 * itself cannot fail. dentry_move() consumes spare. */
int dentry_move_prepare(struct dentry *d, const struct name *n, char **spare);
void dentry_move(struct dentry *d, struct dentry *dir, const struct name *n, char *spare);
void dentry_spare_free(char *spare);

/* The mode of a new object in dir: less the umask, setgid as inode(7) has it. mode holds the type. */
uint32_t inode_new_mode(const struct inode *dir, uint32_t mode);

/* ---- walking ---- */

/* A symlink's text that is being walked. */
struct walk_body {
	const char *rest;     /* what follows it in the text around it */
	char *buf;            /* owner of the text around it: kmalloc'ed, */
	struct inode *inode;  /* or an inode's link; or neither: the caller's path */
};

struct walk {
	struct path cur;      /* a directory, or the result; with reference */
	struct path root;     /* of the process, or the start (WALK_BENEATH, WALK_IN_ROOT); with reference */
	unsigned flags;
	unsigned links;       /* followed so far */
	const char *p;        /* text not yet walked */
	char *buf;            /* owner of that text, as in walk_body */
	struct inode *inode;
	struct name last;     /* the last component, for walk_last() */
	bool slash;           /* a slash followed it: it must be a directory */
	unsigned depth;
	struct walk_body body[SYMLINKS_MAX];
};

/* Begins at start (NULL fields: the working directory). 0, -ENOENT (empty path without WALK_EMPTY), -ENAMETOOLONG,
 * -EXDEV. */
int walk_begin(struct walk *w, const struct path *start, const char *path, unsigned flags);
/* Goes on to the directory of the last component (w->cur), whose name is then in w->last; len 0 when there is none, and
 * w->cur is the result. */
int walk_parent(struct walk *w);
/* Steps from w->cur by w->last, which may be "." or "..", without following a symlink: w->cur is the result. */
int walk_last(struct walk *w);
/* d is a symlink in w->cur: continues with its text; walk_parent() comes next. Magic links change w->cur at once, and
 * w->last is empty. */
int walk_link(struct walk *w, struct dentry *d);
/* Moves to the (positive) entry d of w->cur and onto what is mounted there. Consumes d's reference. */
int walk_enter(struct walk *w, struct dentry *d);
/* One lookup in w->cur (a directory, with search permission): *out with a reference, perhaps negative. */
int walk_lookup(struct walk *w, const struct name *n, struct dentry **out);
/* Drops everything but, if out is not NULL, w->cur, which goes there. */
void walk_end(struct walk *w, struct path *out);
/* Everything up to the last component, followed as flags say. */
int walk_all(struct walk *w);

/* The current process's root and working directory; the first mount before there is a process. No references. */
struct path walk_root(void);
struct path walk_cwd(void);

static inline bool path_equal(const struct path *a, const struct path *b)
{
	return a->dentry == b->dentry && a->mnt == b->mnt;
}

static inline bool path_readonly(const struct path *p)
{
	return ((p->mnt->flags | p->dentry->super->flags) & 1) != 0; /* MS_RDONLY */
}

#endif
