/* The overlay: a read-only lower tree seen through a tree in memory that takes all changes.
 *
 * An overlay inode is made when a lower one is looked up, and is the file's one identity: device and inode number
 * (the lower one's), page cache, open files and mappings stay the same when the file is written, renamed or loses its
 * name. There is no copying up: attributes are in the overlay inode from the beginning, and of the data only the
 * pages that are written become its own; the others are read from the lower inode, straight into the overlay inode's
 * cache, and may be reclaimed and read again. Directories show what their lower one has, less whiteouts, and what was
 * made here. What differs from below is pinned (core/fs/memfs.h); everything else may be forgotten and looked up
 * again.
 *
 * The lower tree is taken as immutable. Hard links below share one overlay inode, found by its number.
 *
 * Positions in a merged directory: the lower file system's own first, then UPPER plus the cookie of an entry made
 * here. Both are stable while entries come and go.
 *
 * Missing: new names below (whiteouts and opaque directories in a lower tree that was itself
 * saved from an overlay are ordinary files). */
#include "core/file/file.h"
#include "core/fs/memfs.h"
#include "core/fs/walk.h"
#include "core/mm/page.h"
#include "core/mm/slab.h"
#include "core/printf.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/stat.h"

#define OVERLAY_MAGIC 0x794c7630
#define UPPER         (1l << 40) /* positions of entries made here, in a merged directory */
#define NEW_INO       (1ul << 56) /* numbers of inodes made here: far from those of host files */
#define DIR_SIZE      4096        /* of a directory made here, as on a disk */

static const struct inode_ops overlay_ops, overlay_lower_file_ops;

/* ---- inodes ---- */

static uint64_t new_ino(struct super *s)
{
	struct inode *taken;

	do {
		taken = inode_find(s, NEW_INO + ++s->next_ino);
		inode_put(taken);
	} while (taken);
	return NEW_INO + s->next_ino;
}

static struct inode *overlay_inode(struct super *s, const struct inode *dir, uint32_t mode)
{
	struct inode *i = memfs_inode(memfs_of(s), new_ino(s), mode, true);

	if (!i)
		return NULL;
	i->ops = &overlay_ops;
	i->nlink = 0;
	inode_init_owner(i, dir);
	if (S_ISDIR(mode)) {
		i->size = DIR_SIZE;
		i->blocks = DIR_SIZE / 512;
	}
	return i;
}

static void take_attributes(struct inode *i, const struct inode *lower)
{
	i->uid = lower->uid;
	i->gid = lower->gid;
	i->nlink = lower->nlink;
	i->rdev = lower->rdev;
	i->size = lower->size;
	i->blocks = inode_blocks(lower);
	i->atime = lower->atime;
	i->mtime = lower->mtime;
	i->ctime = lower->ctime;
	i->btime = lower->btime;
}

/* The overlay's inode for a lower one, whose reference is consumed. */
static int from_lower(struct super *s, struct inode *lower, struct inode **out)
{
	struct inode *i = inode_find(s, lower->ino);
	uint64_t ino = lower->ino;

	if (i && memfs_node(i)->lower == lower) {
		inode_put(lower);
		*out = i;
		return 0;
	}
	if (i) { /* the number belongs to an inode made here, or to two files below */
		inode_put(i);
		ino = new_ino(s);
	}
	i = memfs_inode(memfs_of(s), ino, lower->mode, true);
	if (!i) {
		inode_put(lower);
		return -ENOMEM;
	}
	memfs_node(i)->lower = lower;
	take_attributes(i, lower);
	i->ops = &overlay_ops;
	if (S_ISREG(i->mode)) {
		i->ops = &overlay_lower_file_ops;
		memfs_node(i)->limit = lower->size;
	}
	*out = i;
	return 0;
}

/* ---- names ---- */

static int lookup_lower(struct inode *lower, const struct name *n, struct inode **out)
{
	int r;

	if (!lower->ops->lookup)
		return -ENOENT;
	mutex_lock(&lower->lock);
	r = lower->ops->lookup(lower, n, out);
	mutex_unlock(&lower->lock);
	return r;
}

static int overlay_lookup(struct inode *dir, const struct name *n, struct inode **out)
{
	struct memfs_node *d = memfs_node(dir);
	struct memfs_entry *e = memfs_find(d, n);
	struct inode *lower, *i;
	int r;

	if (e) {
		if (!e->inode)
			return -ENOENT;
		*out = inode_get(e->inode);
		return 0;
	}
	if (!d->lower)
		return -ENOENT;
	r = lookup_lower(d->lower, n, &lower);
	if (!r)
		r = from_lower(dir->super, lower, &i);
	if (r)
		return r;
	e = memfs_entry_new(d, n);
	if (!e) {
		inode_put(i);
		return -ENOMEM;
	}
	memfs_entry_lower(e, i);
	*out = i;
	return 0;
}

/* A lower symlink's text, which is kept. */
static int overlay_readlink(struct inode *inode, char *buf, size_t size)
{
	struct memfs_node *node = memfs_node(inode);
	struct inode *lower = node->lower;
	char *text;
	int len;

	if (!lower || !S_ISLNK(inode->mode))
		return -EINVAL;
	if (!lower->link) {
		if (!lower->ops->readlink)
			return -EINVAL;
		len = lower->ops->readlink(lower, buf, size);
		if (len < 0 || lower->link || inode->link || (size_t)len >= size)
			return len;
		text = kmalloc((size_t)len + 1);
		if (text) {
			memcpy(text, buf, (size_t)len);
			text[len] = 0;
			node->target = text;
			inode->link = text;
		}
		return len;
	}
	inode->link = lower->link; /* lives as long as the lower inode, which is ours */
	len = (int)MIN(strlen(inode->link), size);
	memcpy(buf, inode->link, (size_t)len);
	return len;
}

/* ---- directory listings ---- */

/* Goes through the lower directory's entries that show: those without a whiteout, or something else, in their place. */
struct merge {
	struct dir_ctx ctx; /* what the lower file system fills */
	struct memfs_node *dir;
	struct dir_ctx *to; /* NULL: entries are only counted */
	unsigned count;
	bool full;
};

static bool merge_emit(struct dir_ctx *c, const char *name, size_t len, uint64_t ino, unsigned dtype, int64_t next)
{
	struct merge *m = container_of(c, struct merge, ctx);
	struct name n = name_make(name, len);
	struct memfs_entry *e = memfs_find(m->dir, &n);

	if (name_is_normal(&n) && (!e || e->origin)) {
		m->count++;
		/* Its number is the lower one's, unless that was taken. */
		if (m->to && !dir_emit(m->to, name, len, e ? e->inode->ino : ino, dtype, next)) {
			m->full = true;
			return false;
		}
	} else if (m->to) {
		m->to->pos = next;
	}
	m->ctx.pos = next;
	return m->to || !m->count;
}

static int merge_run(struct merge *m)
{
	struct inode *lower = m->dir->lower;
	struct file f = { .inode = lower, .ops = &directory_file_ops, .refs = 1, .flags = O_RDONLY | O_DIRECTORY };
	int64_t before;
	int r = 0;

	if (!lower->ops->readdir)
		return 0;
	mutex_init(&f.pos_lock);
	list_init(&f.epoll_items);
	mutex_lock(&lower->lock);
	do {
		before = m->ctx.pos;
		r = lower->ops->readdir(lower, &f, &m->ctx);
	} while (!r && !m->full && m->ctx.pos != before && (m->to || !m->count));
	mutex_unlock(&lower->lock);
	kassert(m->ctx.pos < UPPER);
	return r;
}

static int lower_entries(struct memfs_node *dir)
{
	struct merge m = { .ctx = { merge_emit, 2 }, .dir = dir };
	int r = merge_run(&m);

	return r ? r : (int)m.count;
}

/* Entries made here, whose positions are shifted by UPPER. */
struct shifted {
	struct dir_ctx ctx, *to;
};

static bool shifted_emit(struct dir_ctx *c, const char *name, size_t len, uint64_t ino, unsigned dtype, int64_t next)
{
	struct shifted *s = container_of(c, struct shifted, ctx);

	return dir_emit(s->to, name, len, ino, dtype, next + UPPER);
}

static int overlay_readdir(struct inode *dir, struct file *f, struct dir_ctx *c)
{
	struct memfs_node *node = memfs_node(dir);
	struct shifted s = { { shifted_emit, 0 }, c };
	int r;

	if (!node->lower)
		return memfs_readdir(dir, f, c);
	if (c->pos < UPPER) {
		struct merge m = { .ctx = { merge_emit, c->pos }, .dir = node, .to = c };

		r = merge_run(&m);
		if (r || m.full)
			return r;
		c->pos = UPPER;
	}
	s.ctx.pos = c->pos - UPPER;
	return memfs_readdir(dir, f, &s.ctx);
}

/* ---- files ---- */

/* The host may refuse to open what the mode allows; open(2) is where the program expects to hear of it. */
static int overlay_open(struct inode *inode, struct file *f)
{
	struct memfs_node *node = memfs_node(inode);
	struct inode *lower = node->lower;
	struct file lf = { .inode = lower, .ops = &regular_file_ops, .refs = 1, .flags = O_RDONLY };
	int r;

	if (!node->limit || !lower->ops->open)
		return 0;
	r = lower->ops->open(lower, &lf);
	/* Write-only callers of a file that cannot be read may overwrite it. */
	return r == -EACCES && !file_readable(f) ? 0 : r;
}

#define OVERLAY_OPS \
	.lookup = overlay_lookup, .mknod = memfs_mknod, .symlink = memfs_symlink, .link = memfs_link, \
	.unlink = memfs_unlink, .rmdir = memfs_rmdir, .rename = memfs_rename, .setattr = memfs_setattr, \
	.readdir = overlay_readdir, .fallocate = memfs_fallocate, .tmpfile = memfs_tmpfile, \
	.reserve = memfs_reserve, .seek_data = memfs_seek_data, .getxattr = memfs_getxattr, .setxattr = memfs_setxattr, \
	.readlink = overlay_readlink, .evict = memfs_evict

static const struct inode_ops overlay_ops = { OVERLAY_OPS };
static const struct inode_ops overlay_lower_file_ops = {
	OVERLAY_OPS, .open = overlay_open, .read_pages = memfs_read_pages
};

static const struct super_ops overlay_super_ops = { .statfs = memfs_statfs, .umount = memfs_umount };

/* Three quarters of RAM may hold changes: a full overlay is ENOSPC before RAM is exhausted. */
static uint64_t overlay_limit(void)
{
	struct page_stats st;

	page_stats(&st);
	return (uint64_t)st.total * 3 / 4 << PAGE_SHIFT;
}

int overlay_new(struct super *lower, struct super **out)
{
	struct memfs *fs = memfs_new("overlay", &overlay_super_ops, OVERLAY_MAGIC, overlay_limit());
	struct inode *root;
	int r;

	if (!fs)
		return -ENOMEM;
	fs->lower = lower; /* from here on the overlay's: super_free() takes both */
	fs->lower_entries = lower_entries;
	fs->new_inode = overlay_inode;
	fs->super->evict_nosleep = lower->evict_nosleep;
	r = from_lower(fs->super, inode_get(lower->root->inode), &root);
	if (!r) {
		memfs_node(root)->pinned = true;
		r = memfs_set_root(fs, root);
	}
	if (r) {
		fs->lower = NULL; /* stays the caller's */
		super_free(fs->super);
		return r;
	}
	*out = fs->super;
	return 0;
}

/* ---- what has changed ---- */

/* What was made to mount something on it, and the directories on the way there, are no change of the program's. */
static bool newly_named(const struct memfs_node *node)
{
	bool named = false;

	list_each(p, &node->names) {
		const struct memfs_entry *e = list_entry(p, struct memfs_entry, name_link);

		named |= e->kind == ENT_HARD && !e->origin;
	}
	return named && !mount_covers(node->inode);
}

static unsigned whiteouts(const struct memfs_node *dir)
{
	unsigned n = 0;

	if (!dir->inode->nlink)
		return 0; /* removed itself */
	list_each(p, &dir->order)
		n += list_entry(p, struct memfs_entry, order_link)->kind == ENT_WHITEOUT;
	return n;
}

void overlay_changes(struct super *overlay, uint64_t *files, uint64_t *bytes)
{
	struct memfs *fs = memfs_of(overlay);

	*files = *bytes = 0;
	list_each(p, &fs->nodes) {
		const struct memfs_node *node = list_entry(p, struct memfs_node, link);
		const struct inode *i = node->inode;

		if (S_ISDIR(i->mode)) {
			*files += whiteouts(node) + newly_named(node);
		} else if (!list_empty(&node->names) && (i->cache.dirty || node->changed || newly_named(node))) {
			++*files;
			*bytes += MIN(i->cache.dirty << PAGE_SHIFT, i->size);
		}
	}
}
