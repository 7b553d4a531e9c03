/* A model of a file tree, simple enough to be right, and random operations on it and on the real file system side by
 * side: each must give the same result. Names are few and short, so that operations meet.
 *
 * Symbolic links in the model point nowhere: they are objects to be renamed and removed. */
#ifndef TESTS_UNIT_FSMODEL_H
#define TESTS_UNIT_FSMODEL_H

#include "tests/unit/fstest.h"

#define M_NAMES  5         /* "a" … "e", sometimes longer */
#define M_FILE   40000     /* largest file */
#define M_TARGET "/nowhere/at/all"

struct m_node {
	char type; /* 'd', 'f', 'l' */
	unsigned nlink, refs;
	uint64_t ino;     /* 0: not seen yet */
	uint32_t size, mode;
	uint8_t *data;    /* [M_FILE], 'f' */
	struct m_node *child[M_NAMES];
};

static const char *const m_names[M_NAMES] = { "a", "b", "c", "d-is-a-longer-name-that-needs-another-block", "e" };

struct m_path {
	unsigned n;
	unsigned name[5];
	char text[300];
};

static struct m_node *m_root;
static uint64_t m_seed;

static inline unsigned m_rand(unsigned n) { return unit_random(&m_seed) % n; }

static inline struct m_node *m_new(char type)
{
	struct m_node *n = calloc(1, sizeof(*n));

	n->type = type;
	n->nlink = type == 'd' ? 2 : 1;
	n->mode = type == 'd' ? 0755 : type == 'f' ? 0644 : 0777;
	n->size = type == 'l' ? (uint32_t)strlen(M_TARGET) : 0;
	if (type == 'f')
		n->data = calloc(1, M_FILE);
	return n;
}

static inline void m_free(struct m_node *n)
{
	if (!n || (n->type != 'd' && --n->nlink))
		return;
	for (unsigned i = 0; i < M_NAMES; i++)
		m_free(n->child[i]);
	free(n->data);
	free(n);
}

/* A copy of a tree with its hard links (two passes are not needed: `refs` numbers files in the order of visits). */
static inline struct m_node *m_copy(struct m_node *n, struct m_node **seen, unsigned *nseen)
{
	struct m_node *c;

	if (!n)
		return NULL;
	if (n->refs)
		return seen[n->refs];
	c = calloc(1, sizeof(*c));
	*c = *n;
	if (n->type != 'd') {
		n->refs = ++*nseen;
		seen[n->refs] = c;
	}
	if (n->data) {
		c->data = malloc(M_FILE);
		memcpy(c->data, n->data, M_FILE);
	}
	for (unsigned i = 0; i < M_NAMES; i++)
		c->child[i] = m_copy(n->child[i], seen, nseen);
	return c;
}

static inline void m_path_random(struct m_path *p)
{
	char *at = p->text;

	p->n = 1 + m_rand(4);
	if (p->n == 4 && m_rand(2))
		p->n = 2;
	for (unsigned i = 0; i < p->n; i++) {
		p->name[i] = m_rand(M_NAMES);
		at += sprintf(at, "%s/%s", m_rand(9) ? "" : "/.", m_names[p->name[i]]);
	}
}

/* The parent directory: 0 or -errno as a walk gives it. */
static inline int m_parent(const struct m_path *p, struct m_node **out)
{
	struct m_node *n = m_root;

	for (unsigned i = 0; i + 1 < p->n; i++) {
		n = n->child[p->name[i]];
		if (!n || n->type == 'l')
			return -ENOENT;
		if (n->type != 'd')
			return -ENOTDIR;
	}
	*out = n;
	return 0;
}

static inline struct m_node **m_slot(const struct m_path *p, struct m_node *parent)
{
	return &parent->child[p->name[p->n - 1]];
}

static inline bool m_empty(const struct m_node *d)
{
	for (unsigned i = 0; i < M_NAMES; i++)
		if (d->child[i])
			return false;
	return true;
}

static inline bool m_below(const struct m_node *n, const struct m_node *d)
{
	if (n == d)
		return true;
	for (unsigned i = 0; d->type == 'd' && i < M_NAMES; i++)
		if (d->child[i] && d->child[i]->type == 'd' && m_below(n, d->child[i]))
			return true;
	return false;
}

/* ---- operations: model and file system must agree ---- */

static inline int m_add(const struct m_path *p, char type)
{
	struct m_node *parent, **slot;
	int r = m_parent(p, &parent);

	if (r)
		return r;
	slot = m_slot(p, parent);
	if (*slot)
		return -EEXIST;
	*slot = m_new(type);
	parent->nlink += type == 'd';
	return 0;
}

static inline void op_create(void)
{
	struct m_path p;

	m_path_random(&p);
	ck_assert_int_eq(t_create(p.text), m_add(&p, 'f'));
}

static inline void op_mkdir(void)
{
	struct m_path p;

	m_path_random(&p);
	ck_assert_int_eq(t_mkdir(p.text, 0777), m_add(&p, 'd'));
}

static inline void op_symlink(void)
{
	struct m_path p;

	m_path_random(&p);
	ck_assert_int_eq(t_symlink(M_TARGET, p.text), m_add(&p, 'l'));
}

static inline int m_link(const struct m_path *o, const struct m_path *n)
{
	struct m_node *op, *np, *node;
	int r = m_parent(o, &op);

	if (r)
		return r;
	node = *m_slot(o, op);
	if (!node)
		return -ENOENT;
	r = m_parent(n, &np);
	if (r)
		return r;
	if (*m_slot(n, np))
		return -EEXIST;
	if (node->type == 'd')
		return -EPERM;
	node->nlink++;
	*m_slot(n, np) = node;
	return 0;
}

static inline void op_link(void)
{
	struct m_path o, n;

	m_path_random(&o);
	m_path_random(&n);
	ck_assert_int_eq(t_link(o.text, n.text), m_link(&o, &n));
}

static inline int m_remove(const struct m_path *p, bool rmdir)
{
	struct m_node *parent, **slot;
	int r = m_parent(p, &parent);

	if (r)
		return r;
	slot = m_slot(p, parent);
	if (!*slot)
		return -ENOENT;
	if (rmdir != ((*slot)->type == 'd'))
		return rmdir ? -ENOTDIR : -EISDIR;
	if (rmdir && !m_empty(*slot))
		return -ENOTEMPTY;
	parent->nlink -= rmdir;
	m_free(*slot);
	*slot = NULL;
	return 0;
}

static inline void op_unlink(void)
{
	struct m_path p;

	m_path_random(&p);
	ck_assert_int_eq(t_unlink(p.text), m_remove(&p, false));
}

static inline void op_rmdir(void)
{
	struct m_path p;

	m_path_random(&p);
	ck_assert_int_eq(t_rmdir(p.text), m_remove(&p, true));
}

static inline int m_rename_kinds(struct m_node *o, struct m_node *n, struct m_node *op, struct m_node *np,
				 unsigned flags)
{
	bool exchange = flags & RENAME_EXCHANGE;

	if (!o)
		return -ENOENT;
	if ((flags & RENAME_NOREPLACE) && n)
		return -EEXIST;
	if (exchange && !n)
		return -ENOENT;
	if (o->type == 'd' && m_below(np, o))
		return -EINVAL;
	if (n && n->type == 'd' && m_below(op, n))
		return exchange ? -EINVAL : -ENOTEMPTY;
	if (o == n || exchange || !n)
		return 0;
	if (o->type == 'd' && n->type != 'd')
		return -ENOTDIR;
	if (o->type != 'd' && n->type == 'd')
		return -EISDIR;
	return n->type == 'd' && !m_empty(n) ? -ENOTEMPTY : 0;
}

static inline int m_rename(const struct m_path *o, const struct m_path *n, unsigned flags)
{
	struct m_node *op, *np, *on, *nn;
	int r = m_parent(o, &op);

	if (!r)
		r = m_parent(n, &np);
	if (r)
		return r;
	on = *m_slot(o, op);
	nn = *m_slot(n, np);
	r = m_rename_kinds(on, nn, op, np, flags);
	if (r || on == nn)
		return r;
	op->nlink -= on->type == 'd';
	np->nlink += on->type == 'd';
	if (nn)
		np->nlink -= nn->type == 'd';
	if (flags & RENAME_EXCHANGE) {
		op->nlink += nn->type == 'd';
		*m_slot(o, op) = nn;
	} else {
		*m_slot(o, op) = NULL;
		m_free(nn);
	}
	*m_slot(n, np) = on;
	return 0;
}

static inline void op_rename(void)
{
	static const unsigned flags[] = { 0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE };
	unsigned f = flags[m_rand(ARRAY_SIZE(flags))];
	struct m_path o, n;
	int want;

	m_path_random(&o);
	m_path_random(&n);
	want = m_rename(&o, &n, f);
	ck_assert_msg(t_rename2(o.text, n.text, f) == want, "rename %s %s (%u): want %d", o.text, n.text, f, want);
}

/* A regular file to read or write: 0 or -errno as open(2) gives it. */
static inline int m_open(const struct m_path *p, bool write, struct m_node **out)
{
	struct m_node *parent;
	int r = m_parent(p, &parent);

	*out = NULL;
	if (r)
		return r;
	*out = *m_slot(p, parent);
	if (!*out || (*out)->type == 'l')
		return -ENOENT;
	return (*out)->type == 'd' && write ? -EISDIR : 0;
}

static inline void op_write(void)
{
	static uint8_t buf[M_FILE];
	unsigned off = m_rand(M_FILE - 1), len = 1 + m_rand(m_rand(3) ? 200 : M_FILE - off);
	struct m_path p;
	struct m_node *n;
	struct file *f;
	int r;

	len = MIN(len, M_FILE - off);
	m_path_random(&p);
	r = m_open(&p, true, &n);
	ck_assert_int_eq(t_open(p.text, O_RDWR, 0, &f), r);
	if (r)
		return;
	for (unsigned i = 0; i < len; i++)
		buf[i] = (uint8_t)unit_random(&m_seed);
	memcpy(n->data + off, buf, len);
	n->size = MAX(n->size, off + len);
	ck_assert_int_eq(f_pwrite(f, buf, len, off), len);
	file_put(f);
}

static inline void op_truncate(void)
{
	struct m_path p;
	struct m_node *n;
	unsigned size = m_rand(M_FILE);
	int r;

	m_path_random(&p);
	r = m_open(&p, true, &n);
	ck_assert_int_eq(t_truncate(p.text, size), r);
	if (r)
		return;
	if (size < n->size)
		memset(n->data + size, 0, n->size - size);
	n->size = size;
}

/* Bytes [off, end) become zeroes; some of them may become a hole. */
static inline void op_punch(void)
{
	unsigned off = m_rand(M_FILE), end = off + 1 + m_rand(M_FILE - off);
	struct m_path p;
	struct m_node *n;
	struct file *f;
	int r;

	m_path_random(&p);
	r = m_open(&p, true, &n);
	ck_assert_int_eq(t_open(p.text, O_RDWR, 0, &f), r);
	if (r)
		return;
	OK(vfs_fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, end - off));
	file_put(f);
	if (off < n->size)
		memset(n->data + off, 0, MIN(end, n->size) - off);
}

static inline void op_chmod(void)
{
	struct m_path p;
	struct m_node *n;
	uint32_t mode = 0700 | m_rand(0100);
	int r;

	m_path_random(&p);
	r = m_open(&p, false, &n);
	ck_assert_int_eq(t_chmod(p.text, mode), r);
	if (!r)
		n->mode = mode;
}

static inline void op_forget(void)
{
	dcache_reclaim(1000);
	pagecache_reclaim(1000);
}

/* ---- comparison of everything ---- */

static inline void m_compare_file(const struct m_node *n, const char *path)
{
	static uint8_t buf[M_FILE + 1];
	struct file *f;
	long r;

	OK(t_open(path, O_RDONLY, 0, &f));
	r = f_pread(f, buf, sizeof(buf), 0);
	file_put(f);
	ck_assert_msg(r == (long)n->size, "%s: %ld bytes, want %u", path, r, n->size);
	ck_assert_msg(!memcmp(buf, n->data, n->size), "%s: contents", path);
}

static inline void m_compare_node(struct m_node *n, const char *path, const struct t_entry *e)
{
	static const uint32_t types[] = { ['d'] = S_IFDIR, ['f'] = S_IFREG, ['l'] = S_IFLNK };
	struct inode *i = t_inode(path);
	char text[64];

	ck_assert_msg(i != NULL, "%s is missing", path);
	OK(vfs_getattr(i));
	ck_assert_msg(i->mode == (types[(int)n->type] | n->mode), "%s: mode %o", path, i->mode);
	ck_assert_msg(i->nlink == n->nlink, "%s: nlink %u, want %u", path, i->nlink, n->nlink);
	ck_assert_msg(!n->ino || n->ino == i->ino, "%s: inode number changed", path);
	ck_assert_msg(!e || (e->ino == i->ino && e->dtype == i->mode >> 12), "%s: d_ino, d_type", path);
	n->ino = i->ino;
	if (n->type != 'd')
		ck_assert_msg(i->size == n->size, "%s: size %lu, want %u", path, i->size, n->size);
	if (n->type == 'f')
		m_compare_file(n, path);
	if (n->type == 'l') {
		ck_assert_int_eq(vfs_readlink(AT_FDCWD, path, text, sizeof(text)), strlen(M_TARGET));
		ck_assert(!memcmp(text, M_TARGET, strlen(M_TARGET)));
	}
}

static inline void m_compare(struct m_node *d, const char *path)
{
	struct t_entry e[M_NAMES + 3];
	unsigned n = 0, found = 0;
	struct file *f;
	char child[600];
	int r;

	OK(t_open(*path ? path : "/", O_RDONLY | O_DIRECTORY, 0, &f));
	while ((r = t_readdir(f, e + n, 1 + m_rand(3))) > 0)
		ck_assert_msg((n += (unsigned)r) <= M_NAMES + 2, "%s: too many entries", path);
	OK(r);
	file_put(f);
	ck_assert_str_eq(e[0].name, ".");
	ck_assert_str_eq(e[1].name, "..");
	for (unsigned i = 0; i < M_NAMES; i++) {
		if (!d->child[i])
			continue;
		unsigned k = 2;

		while (k < n && strcmp(e[k].name, m_names[i]))
			k++;
		ck_assert_msg(k < n, "%s: no entry for %s", path, m_names[i]);
		found++;
		snprintf(child, sizeof(child), "%s/%s", path, m_names[i]);
		m_compare_node(d->child[i], child, &e[k]);
		if (d->child[i]->type == 'd')
			m_compare(d->child[i], child);
	}
	ck_assert_msg(found + 2 == n, "%s: %u entries, want %u", path, n - 2, found);
}

static inline void m_compare_all(void)
{
	m_compare_node(m_root, "/", NULL);
	m_compare(m_root, "");
}

static inline void m_step(void)
{
	static void (*const ops[])(void) = {
		op_create, op_create, op_mkdir, op_mkdir, op_symlink, op_link, op_unlink, op_rmdir, op_rename,
		op_rename, op_rename, op_write, op_write, op_truncate, op_punch, op_chmod, op_forget
	};

	ops[m_rand(ARRAY_SIZE(ops))]();
}

#endif
