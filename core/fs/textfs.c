/* Inodes, lookups and open files of procfs and sysfs. See textfs.h.
 *
 * Inode numbers come from the names on the way, so that readdir and stat agree without a table. An open file keeps
 * its text in f->priv. Writing replaces: each write(2) is one whole value.
 *
 * Missing: notification of changes by poll (mounts, sysfs attributes). */
#include "core/fs/textfs.h"
#include "core/file/file.h"
#include "core/lib/string.h"
#include "core/lib/util.h"
#include "core/mm/slab.h"
#include "core/printf.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/stat.h"

#define STORE_MAX 4096 /* bytes of one write */

static const struct inode_ops text_inode_ops, link_inode_ops, magic_inode_ops;
static const struct file_ops text_file_ops;

uint64_t text_ino(uint64_t dir, const char *name, size_t len)
{
	return (hash_bytes(name, len) ^ dir * 0x9e3779b97f4a7c15ul) >> 32 | 1u << 31;
}

int text_number(const char *name, size_t len)
{
	int n = 0;

	if (len == 0 || len > 9 || (name[0] == '0' && len > 1))
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (name[i] < '0' || name[i] > '9')
			return -1;
		n = n * 10 + (name[i] - '0');
	}
	return n;
}

struct inode *text_inode_new(struct super *s, const struct text_node *node, uint64_t ino, int pid, int tid, int fd)
{
	const struct text_super *ts = s->priv;
	struct text_inode *t = kmalloc(sizeof(*t));
	struct inode *inode = t ? inode_new(s, ino, node->mode, false) : NULL;

	if (!inode) {
		kfree(t);
		return NULL;
	}
	*t = (struct text_inode){ node, pid, tid, fd };
	inode->priv = t;
	inode->ops = &text_inode_ops;
	inode->blocks = BLOCKS_NONE;
	if (S_ISREG(node->mode)) {
		inode->fops = node->fops ? node->fops : &text_file_ops;
		inode->size = ts->size;
	} else if (S_ISLNK(node->mode)) {
		inode->ops = node->follow ? &magic_inode_ops : &link_inode_ops;
		inode->size = node->text ? strlen(node->text) : node->follow ? 64 : 0;
	} else {
		inode->nlink = 2;
		for (const struct text_node *c = node->children; c && c->name; c++)
			inode->nlink += S_ISDIR(c->mode);
	}
	if (ts->own)
		ts->own(inode);
	return inode;
}

/* ---- directories ---- */

static int text_lookup(struct inode *dir, const struct name *n, struct inode **out)
{
	const struct text_inode *t = text_of(dir);
	const struct text_node *c;

	for (c = t->node->children; c && c->name; c++) {
		if (strlen(c->name) == n->len && memcmp(c->name, n->s, n->len) == 0)
			break;
	}
	if (!c || !c->name)
		return t->node->dir ? t->node->dir->lookup(dir, n->s, n->len, out) : -ENOENT;
	*out = text_inode_new(dir->super, c, text_ino(dir->ino, c->name, n->len), t->pid, t->tid, t->fd);
	return *out ? 0 : -ENOMEM;
}

static int text_readdir(struct inode *dir, struct file *f, struct dir_ctx *ctx)
{
	const struct text_inode *t = text_of(dir);
	int64_t pos = 2;

	for (const struct text_node *c = t->node->children; c && c->name; c++, pos++) {
		size_t len = strlen(c->name);
		if (pos < ctx->pos)
			continue;
		if (!dir_emit(ctx, c->name, len, text_ino(dir->ino, c->name, len), mode_dtype(c->mode), pos + 1))
			return 0;
	}
	if (!t->node->dir)
		return 0;
	ctx->pos = MAX(ctx->pos, (int64_t)TEXT_DYNAMIC);
	return t->node->dir->readdir(dir, ctx);
}

/* ---- links ---- */

int text_copy(char *buf, size_t size, const char *text)
{
	size_t n = MIN(strlen(text), size);

	memcpy(buf, text, n);
	return (int)n;
}

static int text_readlink(struct inode *inode, char *buf, size_t size)
{
	const struct text_inode *t = text_of(inode);

	return t->node->readlink ? t->node->readlink(t, buf, size) : text_copy(buf, size, t->node->text);
}

static int text_follow(struct inode *inode, struct path *out)
{
	return text_of(inode)->node->follow(text_of(inode), out);
}

static void text_evict(struct inode *inode)
{
	kfree(inode->priv);
	inode->priv = NULL;
}

/* chmod, chown, truncate and utimes succeed where their owner asks, and last as long as the inode does. */
static int text_setattr(struct inode *inode, const struct iattr *a)
{
	return a->valid & (ATTR_MODE | ATTR_UID | ATTR_GID) ? -EPERM : 0;
}

static const struct inode_ops text_inode_ops = {
	.lookup = text_lookup, .readdir = text_readdir, .setattr = text_setattr, .evict = text_evict
};
static const struct inode_ops link_inode_ops = { .readlink = text_readlink, .evict = text_evict };
static const struct inode_ops magic_inode_ops = {
	.readlink = text_readlink, .follow = text_follow, .evict = text_evict
};

/* ---- open files ---- */

static void text_drop(struct file *f)
{
	struct seqbuf *b = f->priv;

	f->priv = NULL;
	if (b) {
		seqbuf_free(b);
		kfree(b);
	}
}

static int text_make(struct file *f)
{
	const struct text_inode *t = text_of(f->inode);
	struct seqbuf *b = kmalloc(sizeof(*b));
	int err = 0;

	if (!b)
		return -ENOMEM;
	seqbuf_init(b);
	if (t->node->text)
		seqbuf_str(b, t->node->text);
	else if (t->node->show)
		err = t->node->show(t, b);
	if (!err && b->failed)
		err = -ENOMEM;
	text_drop(f); /* another reader may have made one while show slept */
	f->priv = b;
	if (err)
		text_drop(f);
	return err;
}

static long text_read(struct file *f, struct uio *u, int64_t *pos)
{
	size_t n, done = 0;
	int err;

	if (*pos == 0 || !f->priv) {
		err = text_make(f);
		if (err)
			return err;
	}
	/* A fault may sleep, and another read may replace the text meanwhile: it is looked at anew each time. */
	for (;;) {
		struct seqbuf *b = f->priv;
		if (!b || (uint64_t)*pos >= b->len || !u->resid)
			return (long)done;
		n = uio_put(u, b->data + *pos, MIN(u->resid, b->len - (size_t)*pos));
		*pos += (int64_t)n;
		done += n;
		if (n)
			continue;
		err = uio_fault_in(u, u->resid);
		if (err)
			return done ? (long)done : err;
	}
}

static long text_write(struct file *f, struct uio *u, int64_t *pos)
{
	const struct text_inode *t = text_of(f->inode);
	size_t n = MIN(u->resid, (size_t)STORE_MAX);
	char *text;
	int err;

	if (!t->node->store)
		return -EINVAL;
	text = kmalloc(n + 1);
	if (!text)
		return -ENOMEM;
	err = uio_take_all(u, text, n);
	text[n] = 0;
	if (!err)
		err = t->node->store(t, text, n);
	kfree(text);
	if (err)
		return err;
	*pos += (int64_t)n;
	return (long)n;
}

int64_t text_seek(struct file *f, int64_t off, int whence)
{
	return whence == SEEK_SET || whence == SEEK_CUR ? file_seek_size(f, off, whence, 0) : -EINVAL;
}

static const struct file_ops text_file_ops = {
	.read = text_read, .write = text_write, .seek = text_seek, .release = text_drop
};

/* ---- super ---- */

static int text_statfs(struct super *s, struct statfs_k *out)
{
	*out = (struct statfs_k){ .type = s->magic, .bsize = PAGE_SIZE, .frsize = PAGE_SIZE, .namelen = NAME_MAX };
	return 0;
}

static void text_umount(struct super *s)
{
	kfree(s->priv);
	s->priv = NULL;
}

static const struct super_ops text_super_ops = { .statfs = text_statfs, .umount = text_umount };

int text_super_new(const char *type, uint64_t magic, const struct text_node *root, struct super **out)
{
	struct text_super *ts = kzalloc(sizeof(*ts));
	struct super *s = ts ? super_new(type, &text_super_ops, magic) : NULL;
	struct inode *inode;

	if (!s) {
		kfree(ts);
		return -ENOMEM;
	}
	ts->root = root;
	s->priv = ts;
	s->no_dcache = s->no_negative = true;
	s->evict_nosleep = true;
	inode = text_inode_new(s, root, 1, 0, 0, 0);
	s->root = inode ? dentry_root(inode) : NULL;
	if (!s->root) {
		super_free(s);
		return -ENOMEM;
	}
	*out = s;
	return 0;
}
