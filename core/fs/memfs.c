/* Directories, names and links of file systems in memory; tmpfs.c and overlay.c are made of them, memfs_data.c has
 * the files' contents.
 *
 * Invariants:
 * - An entry is in its directory's order list, sorted by cookie, in its hash table once there is one, and in its
 *   inode's list of names.
 * - Hard entries hold their inode; `origin` entries hold their directory's inode, so that a known lower name keeps
 *   the way up to the root known. A whiteout lives as long as its directory.
 * - Nothing that has begun to change the tree can fail: memory is taken first. An allocation may run the dentry
 *   reclaimer, which may end unpinned inodes and so remove weak entries: entries are looked up after the last
 *   allocation.
 * Directories are locked by the VFS; what has no sleep in it needs no lock. */
#include "core/fs/memfs.h"
#include "core/fs/walk.h"
#include "core/mm/page.h"
#include "core/mm/slab.h"
#include "core/printf.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/stat.h"

#define TABLE_FIRST  16 /* buckets, once a directory has more entries than that */
#define FIRST_COOKIE 2  /* 0 and 1 are "." and ".." */

/* ---- file system ---- */

struct memfs *memfs_new(const char *type, const struct super_ops *ops, uint64_t magic, uint64_t max_bytes)
{
	struct memfs *fs = kzalloc(sizeof(*fs));

	if (!fs)
		return NULL;
	fs->super = super_new(type, ops, magic);
	if (!fs->super) {
		kfree(fs);
		return NULL;
	}
	fs->super->priv = fs;
	fs->max = ALIGN_UP(max_bytes, PAGE_SIZE) >> PAGE_SHIFT;
	list_init(&fs->nodes);
	return fs;
}

int memfs_set_root(struct memfs *fs, struct inode *root)
{
	fs->root = inode_get(root);
	fs->super->root = dentry_root(root);
	return fs->super->root ? 0 : -ENOMEM;
}

/* ---- entries ---- */

static struct list *entry_bucket(const struct memfs_node *dir, uint32_t hash)
{
	return &dir->table[hash & dir->table_mask];
}

/* Without memory for a larger table the old one stays. */
static void table_grow(struct memfs_node *dir)
{
	unsigned n = dir->table ? 2 * (dir->table_mask + 1) : TABLE_FIRST;
	struct list *table = kmalloc(n * sizeof(*table));

	if (!table)
		return;
	for (unsigned i = 0; i < n; i++)
		list_init(&table[i]);
	kfree(dir->table);
	dir->table = table;
	dir->table_mask = n - 1;
	list_each(p, &dir->order) {
		struct memfs_entry *e = list_entry(p, struct memfs_entry, order_link);

		list_push(entry_bucket(dir, e->hash), &e->hash_link);
	}
}

static bool entry_is(const struct memfs_entry *e, const struct name *n)
{
	return e->hash == n->hash && e->len == n->len && name_equal(e->name, n->s, n->len);
}

struct memfs_entry *memfs_find(struct memfs_node *dir, const struct name *n)
{
	if (!dir->table) {
		list_each(p, &dir->order) {
			struct memfs_entry *e = list_entry(p, struct memfs_entry, order_link);

			if (entry_is(e, n))
				return e;
		}
		return NULL;
	}
	list_each(p, entry_bucket(dir, n->hash)) {
		struct memfs_entry *e = list_entry(p, struct memfs_entry, hash_link);

		if (entry_is(e, n))
			return e;
	}
	return NULL;
}

struct memfs_entry *memfs_entry_new(struct memfs_node *dir, const struct name *n)
{
	struct memfs_entry *e = kmalloc(sizeof(*e) + n->len + 1);

	if (!e)
		return NULL;
	if (dir->entries >= (dir->table ? 2 * (dir->table_mask + 1) : TABLE_FIRST))
		table_grow(dir);
	*e = (struct memfs_entry){ .dir = dir, .hash = n->hash, .len = (uint8_t)n->len, .kind = ENT_WHITEOUT };
	e->cookie = dir->next_cookie++;
	memcpy(e->name, n->s, n->len);
	e->name[n->len] = 0;
	list_init(&e->hash_link);
	list_init(&e->name_link);
	list_append(&dir->order, &e->order_link);
	if (dir->table)
		list_push(entry_bucket(dir, e->hash), &e->hash_link);
	dir->entries++;
	return e;
}

/* An entry without inode leaves its directory. */
static void entry_free(struct memfs_entry *e)
{
	struct memfs_node *dir = e->dir;

	if (dir->cursor == e)
		dir->cursor = memfs_after(dir, e);
	list_remove(&e->hash_link);
	list_remove(&e->order_link);
	dir->entries--;
	kfree(e);
}

/* Behind everything a reader has seen: a whiteout's name is made again. */
static void entry_renew(struct memfs_entry *e)
{
	struct memfs_node *dir = e->dir;

	if (dir->cursor == e)
		dir->cursor = memfs_after(dir, e);
	list_remove(&e->order_link);
	e->cookie = dir->next_cookie++;
	list_append(&dir->order, &e->order_link);
}

static void orphan_found(struct memfs_node *node)
{
	if (node->orphan) {
		node->orphan = false;
		inode_put(node->inode); /* never the last: the caller has one */
	}
}

void memfs_entry_hard(struct memfs_entry *e, struct inode *inode)
{
	struct memfs_node *node = memfs_node(inode);

	kassert(!e->inode);
	e->inode = inode_get(inode);
	e->kind = ENT_HARD;
	e->origin = false;
	e->dir->fresh++;
	list_append(&node->names, &e->name_link);
	memfs_pin(node);
	memfs_pin(e->dir);
	orphan_found(node);
}

void memfs_entry_lower(struct memfs_entry *e, struct inode *inode)
{
	struct memfs_node *node = memfs_node(inode);

	e->inode = inode;
	e->kind = ENT_WEAK;
	e->origin = e->covers = true;
	inode_get(e->dir->inode);
	list_append(&node->names, &e->name_link);
	if (node->pinned) {
		node->pinned = false; /* so that the new way up is pinned, too */
		memfs_pin(node);
	}
	orphan_found(node);
}

/* The entry does not name its inode any more, and stays as a whiteout without one. References that it held go: the
 * caller has its own to both inodes. */
static void entry_unname(struct memfs_entry *e)
{
	struct inode *inode = e->inode;
	bool hard = e->kind == ENT_HARD, origin = e->origin;

	if (hard && !origin)
		e->dir->fresh--;
	list_remove(&e->name_link);
	e->inode = NULL;
	e->kind = ENT_WHITEOUT;
	e->origin = false;
	if (hard)
		inode_put(inode);
	if (origin)
		inode_put(e->dir->inode);
}

/* A name is removed: from now on it is absent, also below. */
static void entry_remove(struct memfs_entry *e)
{
	struct memfs_node *node = memfs_node(e->inode);

	memfs_pin(node); /* the count of links differs */
	memfs_pin(e->dir);
	entry_unname(e);
	if (!e->covers)
		entry_free(e);
}

static void entry_make_hard(struct memfs_entry *e)
{
	if (e->kind == ENT_WEAK) {
		inode_get(e->inode);
		e->kind = ENT_HARD;
	}
}

void memfs_pin(struct memfs_node *node)
{
	if (node->pinned)
		return;
	node->pinned = true;
	list_each(p, &node->names) {
		struct memfs_entry *e = list_entry(p, struct memfs_entry, name_link);

		entry_make_hard(e);
		/* A directory has one name, so the way up is a loop. */
		for (struct memfs_node *d = e->dir; !d->pinned;) {
			d->pinned = true;
			e = list_first(&d->names, struct memfs_entry, name_link);
			if (!e)
				break;
			entry_make_hard(e);
			d = e->dir;
		}
	}
}

struct memfs_entry *memfs_after(struct memfs_node *dir, struct memfs_entry *e)
{
	struct list *next = e->order_link.next;

	return next == &dir->order ? NULL : list_entry(next, struct memfs_entry, order_link);
}

struct memfs_entry *memfs_next(struct memfs_node *dir, uint64_t cookie)
{
	struct memfs_entry *e = dir->cursor;

	/* The cursor serves a reader that goes on; any other begins at the front. */
	if (!e || e->cookie > cookie)
		e = list_first(&dir->order, struct memfs_entry, order_link);
	while (e && e->cookie < cookie)
		e = memfs_after(dir, e);
	return e;
}

/* ---- inodes ---- */

struct inode *memfs_inode(struct memfs *fs, uint64_t ino, uint32_t mode, bool hash)
{
	struct memfs_node *node = kzalloc(sizeof(*node));
	struct inode *i;

	if (!node)
		return NULL;
	i = inode_new(fs->super, ino, mode, hash);
	if (!i) {
		kfree(node);
		return NULL;
	}
	i->priv = node;
	i->cache.memory_only = true;
	node->inode = i;
	node->fs = fs;
	node->next_cookie = FIRST_COOKIE;
	node->pinned = !fs->lower; /* tmpfs has nothing to go back to */
	list_init(&node->names);
	list_init(&node->order);
	list_append(&fs->nodes, &node->link);
	return i;
}

void memfs_evict(struct inode *inode)
{
	struct memfs_node *node = memfs_node(inode);

	/* Names of lower files: nothing differs, so they need not be remembered. */
	list_each_safe(p, &node->names) {
		struct memfs_entry *e = list_entry(p, struct memfs_entry, name_link);
		struct inode *dir = e->dir->inode;

		kassert(e->kind == ENT_WEAK);
		list_remove(&e->name_link);
		entry_free(e);
		inode_put(dir);
	}
	list_each_safe(p, &node->order) {
		struct memfs_entry *e = list_entry(p, struct memfs_entry, order_link);

		kassert(e->kind == ENT_WHITEOUT);
		entry_free(e);
	}
	kfree(node->table);
	kfree(node->target);
	memfs_xattrs_free(node);
	node->fs->used -= node->charged;
	list_remove(&node->link);
	inode->priv = NULL;
	inode->link = NULL;
	inode_put(node->lower);
	kfree(node);
}

/* The tree holds itself together by references in both directions. First every inode is held, so that none goes while
 * the entries are taken out; then all go. */
void memfs_umount(struct super *s)
{
	struct memfs *fs = memfs_of(s);

	list_each(p, &fs->nodes)
		inode_get(list_entry(p, struct memfs_node, link)->inode);
	list_each(p, &fs->nodes) {
		struct memfs_node *node = list_entry(p, struct memfs_node, link);

		list_each_safe(q, &node->order) {
			struct memfs_entry *e = list_entry(q, struct memfs_entry, order_link);

			if (e->inode)
				entry_unname(e);
			entry_free(e);
		}
		if (node->orphan)
			orphan_found(node);
	}
	inode_put(fs->root);
	while (!list_empty(&fs->nodes)) {
		struct inode *i = list_entry(fs->nodes.next, struct memfs_node, link)->inode;

		kassert(i->refs == 1);
		inode_put(i);
	}
	if (fs->lower)
		super_free(fs->lower);
	kfree(fs);
	s->priv = NULL;
}

/* ---- operations on names ---- */

/* tmpfs counts the entries in a directory's size; a directory from below keeps what it has. */
static void dir_resize(struct memfs_node *dir)
{
	if (!dir->fs->lower)
		dir->inode->size = MEMFS_DIR_SIZE + (uint64_t)MEMFS_ENTRY_SIZE * dir->fresh;
}

static void dir_changed(struct memfs_node *dir)
{
	inode_now(dir->inode, ATTR_MTIME | ATTR_CTIME);
	dir->changed = true;
	dir_resize(dir);
}

/* Some file systems below do not count directories in their parent's links (1 for all). */
static void dir_links(struct inode *dir, int by)
{
	if (dir->nlink >= 2)
		dir->nlink += (uint32_t)by;
}

/* A name for inode: a whiteout's place is taken again. */
static int name_add(struct memfs_node *dir, const struct name *n, struct inode *inode)
{
	struct memfs_entry *e = memfs_find(dir, n);

	if (e) {
		kassert(e->kind == ENT_WHITEOUT);
		entry_renew(e);
	} else {
		e = memfs_entry_new(dir, n);
		if (!e)
			return -ENOMEM;
	}
	memfs_entry_hard(e, inode);
	dir_changed(dir);
	return 0;
}

int memfs_add(struct inode *dir, const struct name *n, struct inode *inode)
{
	int r = name_add(memfs_node(dir), n, inode);

	if (r)
		return r;
	if (S_ISDIR(inode->mode)) {
		inode->nlink = 2;
		dir_links(dir, 1);
	} else {
		inode->nlink = 1;
	}
	return 0;
}

int memfs_link(struct inode *dir, const struct name *n, struct inode *inode)
{
	int r = name_add(memfs_node(dir), n, inode);

	if (r)
		return r;
	inode->nlink++;
	inode_now(inode, ATTR_CTIME);
	return 0;
}

/* A file has lost a name. Without any known one left it must be remembered all the same: it may have others below. */
static void link_lost(struct inode *inode)
{
	struct memfs_node *node = memfs_node(inode);

	if (inode->nlink)
		inode->nlink--;
	inode_now(inode, ATTR_CTIME);
	if (inode->nlink && list_empty(&node->names) && !node->orphan) {
		node->orphan = true;
		inode_get(inode);
	}
}

static void dir_gone(struct inode *dir, struct inode *victim)
{
	victim->nlink = 0;
	inode_now(victim, ATTR_CTIME);
	dir_links(dir, -1);
}

int memfs_unlink(struct inode *dir, const struct name *n, struct inode *inode)
{
	struct memfs_entry *e = memfs_find(memfs_node(dir), n);

	kassert(e && e->inode == inode);
	entry_remove(e);
	link_lost(inode);
	dir_changed(memfs_node(dir));
	return 0;
}

/* 0, or -ENOTEMPTY, or why the lower directory could not be read. */
static int dir_check_empty(struct memfs_node *dir)
{
	int r = 0;

	if (dir->fresh)
		return -ENOTEMPTY;
	if (dir->lower)
		r = dir->fs->lower_entries(dir);
	return r > 0 ? -ENOTEMPTY : r;
}

int memfs_rmdir(struct inode *dir, const struct name *n, struct inode *inode)
{
	struct memfs_entry *e;
	int r = dir_check_empty(memfs_node(inode));

	if (r)
		return r;
	e = memfs_find(memfs_node(dir), n);
	kassert(e && e->inode == inode);
	entry_remove(e);
	dir_gone(dir, inode);
	dir_changed(memfs_node(dir));
	return 0;
}

static void exchange(struct memfs_entry *a, struct memfs_entry *b)
{
	struct inode *ia = inode_get(a->inode), *ib = inode_get(b->inode);
	struct inode *da = a->dir->inode, *db = b->dir->inode;

	memfs_pin(memfs_node(ia));
	memfs_pin(memfs_node(ib));
	entry_unname(a);
	entry_unname(b);
	memfs_entry_hard(a, ib);
	memfs_entry_hard(b, ia);
	if (S_ISDIR(ia->mode) != S_ISDIR(ib->mode)) {
		dir_links(S_ISDIR(ia->mode) ? da : db, -1);
		dir_links(S_ISDIR(ia->mode) ? db : da, 1);
	}
	inode_now(ia, ATTR_CTIME);
	inode_now(ib, ATTR_CTIME);
	inode_put(ia);
	inode_put(ib);
}

/* The entry at the new name, without inode: a new one, a whiteout, or what the target leaves. */
static struct memfs_entry *rename_place(struct inode *ndir, const struct name *nn, struct inode *target)
{
	struct memfs_entry *e = memfs_find(memfs_node(ndir), nn);

	if (!e)
		return memfs_entry_new(memfs_node(ndir), nn);
	kassert(e->inode == target);
	if (!target) {
		entry_renew(e);
		return e;
	}
	memfs_pin(memfs_node(target));
	entry_unname(e);
	if (S_ISDIR(target->mode))
		dir_gone(ndir, target);
	else
		link_lost(target);
	return e;
}

int memfs_rename(struct inode *odir, const struct name *on, struct inode *inode, struct inode *ndir,
		 const struct name *nn, struct inode *target, unsigned flags)
{
	struct memfs_node *od = memfs_node(odir), *nd = memfs_node(ndir);
	struct memfs_entry *from, *to;
	int r;

	if (flags & RENAME_EXCHANGE) {
		exchange(memfs_find(od, on), memfs_find(nd, nn));
		goto out;
	}
	if (target && S_ISDIR(target->mode)) {
		r = dir_check_empty(memfs_node(target));
		if (r)
			return r;
	}
	to = rename_place(ndir, nn, target);
	if (!to)
		return -ENOMEM;
	from = memfs_find(od, on);
	kassert(from && from->inode == inode);
	memfs_entry_hard(to, inode);
	entry_remove(from);
	if (S_ISDIR(inode->mode)) {
		dir_links(odir, -1);
		dir_links(ndir, 1);
	}
	inode_now(inode, ATTR_CTIME);
out:
	dir_changed(od);
	if (nd != od)
		dir_changed(nd);
	return 0;
}

/* Entries that are not the lower directory's: positions are cookies. */
int memfs_readdir(struct inode *dir, struct file *f, struct dir_ctx *c)
{
	struct memfs_node *node = memfs_node(dir);
	struct memfs_entry *e = memfs_next(node, (uint64_t)c->pos);

	for (; e; e = memfs_after(node, e)) {
		if (e->kind != ENT_HARD || e->origin)
			continue;
		if (!dir_emit(c, e->name, e->len, e->inode->ino, mode_dtype(e->inode->mode), (int64_t)e->cookie + 1))
			break;
	}
	node->cursor = e;
	return 0;
}

/* ---- new files ---- */

/* Enters a new inode, whose reference goes to *out or away. */
static int enter_new(struct inode *dir, const struct name *n, struct inode *i, struct inode **out)
{
	int r = memfs_add(dir, n, i);

	if (r)
		inode_put(i);
	else
		*out = i;
	return r;
}

int memfs_mknod(struct inode *dir, const struct name *n, uint32_t mode, uint64_t rdev, struct inode **out)
{
	struct inode *i = memfs_of(dir->super)->new_inode(dir->super, dir, mode);

	if (!i)
		return -ENOMEM;
	i->rdev = S_ISCHR(mode) || S_ISBLK(mode) ? rdev : 0;
	return enter_new(dir, n, i, out);
}

int memfs_symlink(struct inode *dir, const struct name *n, const char *target, struct inode **out)
{
	struct inode *i = memfs_of(dir->super)->new_inode(dir->super, dir, S_IFLNK | 0777);
	char *text;

	if (!i)
		return -ENOMEM;
	text = kstrdup(target);
	if (!text) {
		inode_put(i);
		return -ENOMEM;
	}
	memfs_node(i)->target = text;
	i->link = text;
	i->size = strlen(text);
	return enter_new(dir, n, i, out);
}

int memfs_tmpfile(struct inode *dir, uint32_t mode, bool linkable, struct inode **out)
{
	struct inode *i = memfs_of(dir->super)->new_inode(dir->super, dir, mode);

	if (!i)
		return -ENOMEM;
	*out = i;
	return 0;
}
