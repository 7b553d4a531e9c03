/* The dentry cache: names of inodes in a tree, and known absences.
 *
 * A dentry holds a reference to its inode and its parent, so a path is alive as long as its last dentry is. Entries
 * that nobody refers to stay in the hash table until the reclaimer wants their memory: it takes the oldest that was
 * not used since its last round. An entry that is in no hash table is freed with its last reference.
 *
 * Invariants: all changes to the entries of a directory happen with that directory's inode locked, so that between a
 * miss and the insertion nobody else inserts. `unlinked` entries are unhashed. A referenced entry may sit on the LRU
 * list; the reclaimer takes it off, and the last dentry_put() puts it back.
 *
 * Missing: more than one name for a directory; case folding. */
#include "core/fs/vfs.h"
#include "core/fs/walk.h"
#include "core/lib/util.h"
#include "core/mm/page.h"
#include "core/mm/slab.h"
#include "core/printf.h"
#include "shim/abi/errno.h"

#define BUCKETS_FIRST 256u
#define LRU_MIN       1024 /* unused entries that are kept in any case */
#define LRU_SHARE     8    /* else at most one for this many pages of RAM */
#define TRIM_BATCH    64

static struct list first_table[BUCKETS_FIRST];
static struct list unset_bucket = LIST_INIT(unset_bucket); /* until the first insertion */
struct list *dcache_table = &unset_bucket;
unsigned dcache_mask;
static unsigned hashed_count;

static struct list lru = LIST_INIT(lru);
static size_t lru_count, lru_max;

/* ---- hash table ---- */

static void table_use(struct list *table, unsigned buckets)
{
	for (unsigned i = 0; i < buckets; i++)
		list_init(&table[i]);
	dcache_table = table;
	dcache_mask = buckets - 1;
}

static void table_grow(void)
{
	unsigned n = dcache_mask + 1;
	struct list *old = dcache_table, *new = kmalloc(2 * (size_t)n * sizeof(*new));

	if (!new)
		return;
	table_use(new, 2 * n);
	for (unsigned i = 0; i < n; i++)
		list_each_safe(p, &old[i]) {
			struct dentry *d = list_entry(p, struct dentry, hash_link);

			list_remove(p);
			list_push(&dcache_table[dcache_bucket(d->parent, d->hash)], p);
		}
	if (old != first_table)
		kfree(old);
}

static bool dentry_hashed(const struct dentry *d) { return !list_empty(&d->hash_link); }

static void dentry_hash(struct dentry *d)
{
	if (dcache_table == &unset_bucket)
		table_use(first_table, BUCKETS_FIRST);
	list_push(&dcache_table[dcache_bucket(d->parent, d->hash)], &d->hash_link);
	hashed_count++;
}

static void dentry_unhash(struct dentry *d)
{
	struct list *table = dcache_table;

	if (!dentry_hashed(d))
		return;
	list_remove(&d->hash_link);
	if (--hashed_count || table == first_table)
		return;
	table_use(first_table, BUCKETS_FIRST);
	kfree(table);
}

/* Its super lets names be remembered: any, or only existing ones. */
static bool dentry_cacheable(const struct dentry *d)
{
	return !d->super->no_dcache && !(d->super->no_negative && !d->inode) && !d->parent->unlinked;
}

/* ---- life ---- */

static struct dentry *dentry_alloc(struct dentry *parent, struct super *s, const struct name *n)
{
	struct dentry *d = kmalloc(sizeof(*d) + n->len + 1);

	if (!d)
		return NULL;
	*d = (struct dentry){ .super = s, .refs = 1, .hash = n->hash, .name_len = n->len };
	d->parent = parent ? dentry_get(parent) : d;
	list_init(&d->hash_link);
	list_init(&d->children);
	list_init(&d->sibling);
	list_init(&d->lru_link);
	d->name = d->inline_name;
	memcpy(d->name, n->s, n->len);
	d->name[n->len] = 0;
	if (parent)
		list_push(&parent->children, &d->sibling);
	return d;
}

static void lru_remove(struct dentry *d)
{
	if (!list_empty(&d->lru_link)) {
		list_remove(&d->lru_link);
		lru_count--;
	}
}

static void lru_append(struct dentry *d)
{
	if (list_empty(&d->lru_link)) {
		list_append(&lru, &d->lru_link);
		lru_count++;
	}
}

/* Frees an unused dentry; its reference to the parent, which is returned, is the caller's (NULL: a root). Everything
 * that others could find is undone before the inode goes, which may sleep. */
static struct dentry *dentry_free_one(struct dentry *d)
{
	struct dentry *parent = d->parent == d ? NULL : d->parent;

	kassert(d->refs == 0 && list_empty(&d->children));
	dentry_unhash(d);
	lru_remove(d);
	list_remove(&d->sibling);
	inode_put(d->inode);
	if (d->name != d->inline_name)
		kfree(d->name);
	kfree(d);
	return parent;
}

/* A loop, for directories can be nested as deeply as one likes. */
void dentry_put(struct dentry *d)
{
	while (d) {
		kassert(d->refs > 0);
		if (--d->refs)
			return;
		if (dentry_hashed(d)) {
			lru_append(d);
			return;
		}
		d = dentry_free_one(d);
	}
}

static void dentry_free(struct dentry *d) { dentry_put(dentry_free_one(d)); }

struct dentry *dentry_root(struct inode *root)
{
	struct name n = name_make("", 0);
	struct dentry *d = dentry_alloc(NULL, root->super, &n);

	if (d)
		d->inode = root;
	else
		inode_put(root);
	return d;
}

struct dentry *dentry_nameless(struct dentry *dir, struct inode *inode)
{
	char text[24];
	struct name n = name_make(text, (size_t)ksnprintf(text, sizeof(text), "#%lu", inode->ino));
	struct dentry *d = dentry_alloc(dir, dir->super, &n);

	if (!d) {
		inode_put(inode);
		return NULL;
	}
	d->inode = inode;
	d->unlinked = true;
	return d;
}

int path_anon(struct inode *inode, const char *name, struct path *out)
{
	static struct super nowhere = { .type = "none" };
	static struct mount mount = { .super = &nowhere };
	struct name n = name_make(name, strlen(name));
	struct dentry *d = dentry_alloc(NULL, inode->super, &n);

	if (!d)
		return -ENOMEM;
	d->inode = inode_get(inode);
	*out = (struct path){ &mount, d };
	return 0;
}

void path_get(struct path *p)
{
	if (p->dentry)
		dentry_get(p->dentry);
}

void path_put(struct path *p)
{
	struct dentry *d = p->dentry;

	p->mnt = NULL;
	p->dentry = NULL;
	dentry_put(d);
}

/* ---- reclaim ---- */

static bool free_may_sleep(const struct dentry *d)
{
	const struct inode *i = d->inode;

	return i && i->refs == 1 && i->ops->evict && !i->super->evict_nosleep;
}

static size_t lru_shrink(size_t n, bool may_sleep)
{
	size_t freed = 0;

	for (size_t look = 2 * lru_count; look && freed < n && !list_empty(&lru); look--) {
		struct dentry *d = list_entry(lru.next, struct dentry, lru_link);

		lru_remove(d);
		if (d->refs)
			continue;
		if (d->young || (!may_sleep && free_may_sleep(d))) {
			d->young = false;
			lru_append(d);
			continue;
		}
		dentry_free(d);
		freed++;
	}
	return freed;
}

size_t dcache_reclaim(size_t n) { return lru_shrink(n, false); }

/* Keeps the cache from growing for ever. Called where sleeping is allowed, before anything is locked. */
static void dcache_trim(void)
{
	if (likely(lru_count < LRU_MIN))
		return;
	if (!lru_max) {
		struct page_stats st;

		page_stats(&st);
		lru_max = MAX(st.total / LRU_SHARE, (size_t)LRU_MIN);
	}
	if (lru_count > lru_max)
		lru_shrink(TRIM_BATCH, true);
}

/* Until no more come free: a child's end may make its parent unused. */
void dcache_drop_super(struct super *s)
{
	bool again = true;

	while (again) {
		again = false;
		list_each(p, &lru) {
			struct dentry *d = list_entry(p, struct dentry, lru_link);

			if (d->refs == 0 && d->super == s) {
				dentry_free(d);
				again = true; /* the list may have changed all over */
				break;
			}
		}
	}
}

/* ---- lookup and change ---- */

int dentry_lookup_locked(struct dentry *dir, const struct name *n, struct dentry **out)
{
	struct inode *di = dir->inode;
	struct dentry *d = dcache_find(dir, n);
	int r = -ENOENT;

	if (d) {
		*out = dentry_get(d);
		return 0;
	}
	if (n->len > NAME_MAX)
		return -ENAMETOOLONG;
	d = dentry_alloc(dir, dir->super, n);
	if (!d)
		return -ENOMEM;
	if (di->ops->lookup)
		r = di->ops->lookup(di, n, &d->inode);
	if (r && (r != -ENOENT || dir->super->no_new)) {
		d->inode = NULL;
		dentry_put(d);
		return r;
	}
	if (r)
		d->inode = NULL;
	if (dentry_cacheable(d)) {
		dentry_hash(d);
		if (hashed_count > dcache_mask + 1)
			table_grow();
	}
	*out = d;
	return 0;
}

int dentry_lookup(struct dentry *dir, const struct name *n, struct dentry **out)
{
	struct dentry *d = dcache_find(dir, n);
	int r;

	if (d) {
		*out = dentry_get(d);
		return 0;
	}
	dcache_trim();
	mutex_lock(&dir->inode->lock);
	r = dentry_lookup_locked(dir, n, out);
	mutex_unlock(&dir->inode->lock);
	return r;
}

void dentry_remember(struct dentry *d)
{
	for (; d->parent != d; d = d->parent)
		if (!dentry_hashed(d) && !d->unlinked)
			dentry_hash(d);
}

void dentry_drop(struct dentry *d) { dentry_unhash(d); }

void dentry_instantiate(struct dentry *d, struct inode *inode)
{
	kassert(!d->inode);
	d->inode = inode;
	if (!dentry_hashed(d) && dentry_cacheable(d))
		dentry_hash(d);
}

void dentry_unlink(struct dentry *d)
{
	dentry_unhash(d);
	d->unlinked = true;
	/* A removed directory has only known absences below it; they would keep it alive. */
	if (!list_empty(&d->children)) {
		list_each_safe(p, &d->children) {
			struct dentry *child = list_entry(p, struct dentry, sibling);

			if (child->refs == 0 && !child->inode)
				dentry_free(child);
		}
	}
}

int dentry_move_prepare(struct dentry *d, const struct name *n, char **spare)
{
	*spare = NULL;
	if (n->len <= d->name_len)
		return 0;
	*spare = kmalloc(n->len + 1);
	return *spare ? 0 : -ENOMEM;
}

void dentry_spare_free(char *spare) { kfree(spare); }

void dentry_move(struct dentry *d, struct dentry *dir, const struct name *n, char *spare)
{
	struct dentry *old = d->parent;
	bool hashed = dentry_hashed(d);

	dentry_unhash(d);
	if (spare) {
		if (d->name != d->inline_name)
			kfree(d->name);
		d->name = spare;
	}
	memmove(d->name, n->s, n->len);
	d->name[n->len] = 0;
	d->name_len = n->len;
	d->hash = n->hash;
	d->parent = dentry_get(dir);
	list_remove(&d->sibling);
	list_push(&dir->children, &d->sibling);
	if (hashed)
		dentry_hash(d);
	dentry_put(old);
}
