/* The page cache: reading with read-ahead, writing, write-back, truncation and reclaim of the pages of an inode,
 * which are in a radix tree (core/mm/radix.c).
 *
 * Invariants:
 * - The tree changes only between sleeps; an allocation may reclaim pages of this very tree.
 * - A clean, up-to-date page of an inode with read_pages is on the LRU list; any other page is on no list. A page of
 *   an inode without read_pages exists nowhere else and is never reclaimed.
 * - A cache with backing store and dirty pages is on dirty_caches and holds a reference to its inode. Eviction is
 *   first in, first out with a second chance for pages used twice and for mapped ones, which are unmapped on the
 *   first encounter so that a use shows as a fault.
 *
 * Missing: read-ahead is synchronous; there is no flusher thread (data goes out at close, fsync, balance and exit). */
#include "core/mm/pagecache.h"
#include "core/fs/vfs.h"
#include "core/lib/string.h"
#include "core/mm/slab.h"
#include "core/mm/space.h"
#include "core/printf.h"
#include "core/sched.h"
#include "shim/abi/errno.h"

#define RA_START  4  /* pages for the first read of a run; doubles up to PAGECACHE_BATCH */
#define RA_AROUND 32 /* pages read around a fault, which then maps 16 of them; half when RAM is short */

#define RA_LRU_MIN (4 * PAGECACHE_BATCH)

#define INDEX_MAX (UINT64_MAX >> PAGE_SHIFT)
#define PG_CACHE_FLAGS (PG_UPTODATE | PG_DIRTY | PG_BUSY | PG_YOUNG | PG_MAPPED | PG_USED)

static struct list lru = LIST_INIT(lru); /* oldest first */
static size_t lru_pages;
static struct list dirty_caches = LIST_INIT(dirty_caches);
static size_t pages_total, dirty_total;
bool pagecache_lost;

/* ---- the tree ---- */

/* Puts p, which nobody else knows yet, in its place, with a reference for the tree. 0 or -ENOMEM. */
static int tree_insert(struct pagecache *c, uint64_t index, struct page *p)
{
	int err = radix_insert(&c->tree, index, p);

	if (err)
		return err;
	page_get(p);
	p->cache = c;
	p->index = index;
	c->pages++;
	pages_total++;
	return 0;
}

/* Takes p, which is clean, out. The tree's reference becomes the caller's. */
static void tree_remove(struct pagecache *c, struct page *p)
{
	radix_remove(&c->tree, p->index);
	p->cache = NULL;
	c->pages--;
	pages_total--;
}

/* ---- page states ---- */

static bool cache_reclaimable(const struct pagecache *c)
{
	return c->inode->ops && c->inode->ops->read_pages;
}

static void lru_add(struct page *p)
{
	if (cache_reclaimable(p->cache) && list_empty(&p->link)) {
		list_append(&lru, &p->link);
		lru_pages++;
	}
}

static void lru_del(struct page *p)
{
	if (!list_empty(&p->link)) {
		list_remove(&p->link);
		lru_pages--;
	}
}

static void page_touch(struct pagecache *c, struct page *p)
{
	if (!(p->flags & PG_USED))
		p->flags |= PG_USED;
	else if (p->index != c->last_touch)
		p->flags |= PG_YOUNG;
	c->last_touch = p->index;
}

void pagecache_dirty(struct page *p)
{
	struct pagecache *c = p->cache;

	if (!c || (p->flags & PG_DIRTY))
		return;
	p->flags |= PG_DIRTY;
	lru_del(p);
	radix_mark(&c->tree, p->index, true);
	c->dirty++;
	if (c->memory_only)
		return;
	dirty_total++;
	if (c->dirty == 1) {
		list_append(&dirty_caches, &c->dirty_link);
		inode_get(c->inode);
	}
}

/* The page's bytes are on their way to the file system, or not wanted any more. The caller has its own reference to the
 * inode. Does not sleep for that reason. */
static void page_clean(struct page *p)
{
	struct pagecache *c = p->cache;

	if (!(p->flags & PG_DIRTY))
		return;
	p->flags &= (uint16_t)~PG_DIRTY;
	radix_mark(&c->tree, p->index, false);
	c->dirty--;
	if (c->memory_only)
		return;
	dirty_total--;
	if (c->dirty == 0) {
		list_remove(&c->dirty_link);
		inode_put(c->inode);
	}
}

/* Takes p out of its cache and drops the cache's reference. */
static void page_drop(struct page *p)
{
	struct pagecache *c = p->cache;

	page_clean(p);
	lru_del(p);
	tree_remove(c, p);
	p->flags &= (uint16_t)~PG_CACHE_FLAGS;
	page_put(p);
}

/* Sleeps until p is not busy; p stays alive meanwhile, but may have left the cache. */
static void page_wait(struct pagecache *c, struct page *p)
{
	page_get(p);
	wait_event_uninterruptible(&c->busy, !(p->flags & PG_BUSY));
	page_put(p);
}

/* A page that is not in the tree yet, with one reference; NULL when RAM is short. */
static struct page *page_new(unsigned alloc_flags, unsigned flags)
{
	struct page *p = page_alloc(0, alloc_flags);

	if (p) {
		list_init(&p->link);
		p->cache = NULL;
		p->flags = (uint16_t)((p->flags & ~(PG_ZERO | PG_CACHE_FLAGS)) | flags);
	}
	return p;
}

void pagecache_init(struct pagecache *c, struct inode *inode)
{
	memset(c, 0, sizeof *c);
	c->inode = inode;
	list_init(&c->vmas);
	list_init(&c->dirty_link);
	waitq_init(&c->busy);
	c->last_touch = UINT64_MAX;
}

void pagecache_destroy(struct pagecache *c)
{
	struct page *p;

	kassert(c->memory_only || c->dirty == 0);
	while ((p = radix_next(&c->tree, 0, false))) {
		kassert(!(p->flags & PG_BUSY));
		page_drop(p);
	}
}

/* Dirty pages beyond the share of RAM that they may have. */
static size_t dirty_excess(void)
{
	struct page_stats st;
	size_t limit;

	if (dirty_total <= 2 * PAGECACHE_BATCH)
		return 0;
	page_stats(&st);
	limit = MAX(st.total / 5, (size_t)2 * PAGECACHE_BATCH);
	return dirty_total > limit ? dirty_total - limit / 2 : 0;
}

/* ---- reading ---- */

static uint64_t size_pages(const struct pagecache *c)
{
	return (c->inode->size >> PAGE_SHIFT) + ((c->inode->size & PAGE_MASK) != 0);
}

static uint64_t around_size(void)
{
	struct page_stats st;

	page_stats(&st);
	return st.free > st.total / 4 ? RA_AROUND : RA_AROUND / 2;
}

/* How far to read for a miss at index, when `want` pages from there are asked for: *start and the count. */
static unsigned ra_window(struct pagecache *c, uint64_t index, unsigned want, bool around, uint64_t *start)
{
	uint64_t n = want;

	*start = index;
	if (!c->ra_random) {
		if (index == c->ra_next && index != 0) {
			c->ra_size = MAX(c->ra_size * 2, (uint64_t)RA_START);
			c->ra_size = MIN(c->ra_size, (uint64_t)PAGECACHE_BATCH);
			n = MAX(n, c->ra_size);
		} else if (around) {
			c->ra_size = around_size();
			*start = ALIGN_DOWN(index, c->ra_size);
			n = MAX(n, *start + c->ra_size - index);
		} else {
			c->ra_size = index == 0 ? MAX(n, (uint64_t)RA_START) : n;
			n = c->ra_size;
		}
	}
	/* Read around: begin behind the last page before index that is there already. */
	for (uint64_t i = index; i > *start; i--) {
		if (radix_lookup(&c->tree, i - 1)) {
			*start = i;
			break;
		}
	}
	n = MIN(n + (index - *start), (uint64_t)PAGECACHE_BATCH);
	n = MIN(n, size_pages(c) - *start);
	return (unsigned)n;
}

/* Inserts busy pages at [start, start + n) as far as RAM and what is there already allow; returns how many. Those
 * outside of [index, index + want) nobody has asked for yet: they may push out old pages, but not the few that are
 * left when most of RAM cannot be had. */
static unsigned batch_insert(struct pagecache *c, struct page **pages, uint64_t start, unsigned n, uint64_t index,
			     unsigned want)
{
	unsigned i, file = cache_reclaimable(c) ? PA_FILE : 0;

	for (i = 0; i < n && !radix_lookup(&c->tree, start + i); i++) {
		bool asked = start + i >= index && start + i < index + want;
		pages[i] = page_new(asked || lru_pages >= RA_LRU_MIN ? file : PA_NORECLAIM, PG_BUSY);
		if (!pages[i])
			break;
		if (tree_insert(c, start + i, pages[i])) {
			page_put(pages[i]);
			break;
		}
	}
	return i;
}

/* The read of these pages is over. Drops the caller's references; failed pages leave the tree. */
static void batch_finish(struct pagecache *c, struct page **pages, unsigned n, uint64_t size, int err)
{
	size = MIN(size, c->inode->size);
	for (unsigned i = 0; i < n; i++) {
		struct page *p = pages[i];
		p->flags &= (uint16_t)~PG_BUSY;
		if (p->cache == c && err) {
			page_drop(p);
		} else if (p->cache == c) {
			uint64_t at = p->index << PAGE_SHIFT;
			uint64_t valid = at < size ? MIN(size - at, PAGE_SIZE) : 0;
			if (valid < PAGE_SIZE)
				memset((char *)page_va(p) + valid, 0, PAGE_SIZE - valid);
			p->flags |= PG_UPTODATE;
			lru_add(p);
		}
		page_put(p);
	}
	waitq_wake_all(&c->busy, 0);
}

/* Reads the missing page at index and its neighbours. 0: look again; -errno. */
static int batch_read(struct pagecache *c, uint64_t index, unsigned want, bool around)
{
	struct page *pages[PAGECACHE_BATCH];
	struct inode *inode = c->inode;
	uint64_t start, size = inode->size;
	unsigned n = ra_window(c, index, want, around, &start);
	int err;

	n = batch_insert(c, pages, start, n, index, want);
	if (start + n <= index && start < index) {
		/* RAM ended before the page that matters: give the others back and take it alone. */
		batch_finish(c, pages, n, size, -ENOMEM);
		start = index;
		n = batch_insert(c, pages, start, 1, index, 1);
	}
	if (n == 0)
		return -ENOMEM;
	c->ra_next = start + n;
	err = inode->ops->read_pages(inode, pages, start, n);
	batch_finish(c, pages, n, size, err < 0 ? err : 0);
	if (err < 0 && n > 1) {
		/* The error may be of a page nobody asked for. */
		start = index;
		size = inode->size;
		if (index >= size_pages(c) || radix_lookup(&c->tree, index))
			return 0;
		n = batch_insert(c, pages, start, 1, index, 1);
		if (n == 0)
			return -ENOMEM;
		err = inode->ops->read_pages(inode, pages, start, 1);
		batch_finish(c, pages, 1, size, err < 0 ? err : 0);
	}
	return err < 0 ? err : 0;
}

/* A page of zeroes that no backing store knows, in the tree. */
static int page_add_zero(struct pagecache *c, uint64_t index, struct page **out)
{
	struct page *p = page_new(PA_ZERO, PG_UPTODATE);

	if (!p)
		return -ENOMEM;
	if (tree_insert(c, index, p)) {
		page_put(p);
		return -ENOMEM;
	}
	lru_add(p);
	*out = p;
	return 0;
}

static int page_obtain(struct pagecache *c, uint64_t index, unsigned want, bool around, bool write, struct page **out)
{
	bool retried = false, balanced = false;

	for (;;) {
		struct page *p = radix_lookup(&c->tree, index);
		int err;
		if (p && (p->flags & PG_UPTODATE)) {
			page_touch(c, p);
			page_get(p);
			*out = p;
			return 0;
		}
		if (p) {
			page_wait(c, p);
			continue;
		}
		bool beyond = index >= size_pages(c);
		if (beyond && !write)
			return -ENXIO;
		if (!balanced && !c->memory_only) {
			/* What mappings write is bounded here: their misses need the room. */
			balanced = true;
			if (dirty_excess()) {
				pagecache_balance();
				continue;
			}
		}
		if (beyond || !cache_reclaimable(c)) {
			err = page_add_zero(c, index, out);
			if (!err)
				return 0;
		} else {
			err = batch_read(c, index, want, around);
		}
		if (err == -ENOMEM && !retried) {
			retried = true;
			if (pagecache_writeback(PAGECACHE_BATCH))
				continue;
		}
		if (err)
			return err;
	}
}

int pagecache_get(struct pagecache *c, uint64_t index, struct page **out)
{
	return page_obtain(c, index, 1, true, false, out);
}

int pagecache_get_write(struct pagecache *c, uint64_t index, bool whole, struct page **out)
{
	if (whole && !radix_lookup(&c->tree, index)) {
		int err = page_add_zero(c, index, out);
		if (err != -ENOMEM)
			return err;
	}
	return page_obtain(c, index, 1, true, true, out);
}

struct page *pagecache_find(struct pagecache *c, uint64_t index)
{
	struct page *p = radix_lookup(&c->tree, index);

	if (!p || !(p->flags & PG_UPTODATE))
		return NULL;
	page_touch(c, p);
	page_get(p);
	return p;
}

/* One page's worth of read(2). Bytes moved, 0 when the user's page is missing, -errno. */
static long read_page(struct inode *inode, struct uio *u, uint64_t pos, size_t n)
{
	struct pagecache *c = &inode->cache;
	uint64_t index = pos >> PAGE_SHIFT;
	size_t off = pos & PAGE_MASK;
	struct page *p;

	if (!cache_reclaimable(c) && !radix_lookup(&c->tree, index))
		return (long)uio_put_zero(u, n); /* a hole in a file that lives here */
	uint64_t left = ((off + u->resid - 1) >> PAGE_SHIFT) + 1;
	int err = page_obtain(c, index, (unsigned)MIN(left, (uint64_t)PAGECACHE_BATCH), false, false, &p);
	if (err)
		return err;
	n = uio_put(u, (char *)page_va(p) + off, n);
	page_put(p);
	return (long)n;
}

long pagecache_read(struct inode *inode, struct uio *u, int64_t *pos)
{
	size_t done = 0, since = 0;
	long r = 0;

	while (u->resid && *pos >= 0 && (uint64_t)*pos < inode->size) {
		size_t n = MIN(PAGE_SIZE - ((uint64_t)*pos & PAGE_MASK), u->resid);
		n = MIN(n, inode->size - (uint64_t)*pos);
		r = read_page(inode, u, (uint64_t)*pos, n);
		if (r == 0) {
			r = uio_fault_in(u, n);
			if (r == 0)
				continue;
		}
		if (r == -ENXIO) { /* truncated while the page was being read */
			r = 0;
			break;
		}
		if (r < 0)
			break;
		*pos += r;
		done += (size_t)r;
		since += (size_t)r;
		if (since >= 256 * 1024) {
			since = 0;
			if (sched_point())
				break;
		}
	}
	return done ? (long)done : MIN(r, 0L);
}

/* ---- writing ---- */

/* Bytes behind the old end of the file may have been written through a mapping; they must read as zeroes once the file
 * grows over them. */
static void zero_tail(struct pagecache *c, uint64_t size)
{
	struct page *p;

	if ((size & PAGE_MASK) == 0)
		return;
	while ((p = radix_lookup(&c->tree, size >> PAGE_SHIFT)) && !(p->flags & PG_UPTODATE))
		page_wait(c, p);
	if (p)
		memset((char *)page_va(p) + (size & PAGE_MASK), 0, PAGE_SIZE - (size & PAGE_MASK));
}

/* Fills a page that is not in the cache and whose old bytes do not matter. It becomes visible only when all n bytes
 * have arrived, for then it is true; else nothing has happened. Bytes moved, 0 when user memory is missing, -ENOMEM. */
static long write_fresh(struct pagecache *c, struct uio *u, uint64_t index, size_t n)
{
	struct page *p = page_new(n < PAGE_SIZE ? PA_ZERO : 0, PG_UPTODATE | PG_USED);
	struct uio saved = *u;
	long r = 0;

	if (!p)
		return -ENOMEM;
	if (uio_take(u, page_va(p), n) == n) {
		r = tree_insert(c, index, p);
		if (r == 0) {
			pagecache_dirty(p);
			r = (long)n;
		}
	}
	if (r <= 0)
		*u = saved;
	page_put(p);
	return r;
}

/* One page's worth of write(2). Bytes moved, 0 when user memory is missing, -errno. */
static long write_page(struct inode *inode, struct uio *u, uint64_t pos, size_t n, bool fresh)
{
	struct pagecache *c = &inode->cache;
	uint64_t index = pos >> PAGE_SHIFT;
	size_t off = pos & PAGE_MASK;
	bool whole = off == 0 && (n == PAGE_SIZE || pos + n >= inode->size);
	struct page *p;

	if (fresh && whole && !radix_lookup(&c->tree, index)) {
		long r = write_fresh(c, u, index, n);
		if (r != -ENOMEM || !pagecache_writeback(PAGECACHE_BATCH))
			return r;
	}
	int err = page_obtain(c, index, 1, false, true, &p);
	if (err)
		return err;
	n = uio_take(u, (char *)page_va(p) + off, n);
	if (n)
		pagecache_dirty(p);
	page_put(p);
	return (long)n;
}

long pagecache_write(struct inode *inode, struct uio *u, int64_t *pos)
{
	size_t done = 0, since = 0;
	unsigned misses = 0;
	long r = 0;

	if (u->resid && (uint64_t)*pos > inode->size)
		zero_tail(&inode->cache, inode->size);
	while (u->resid) {
		size_t n = MIN(PAGE_SIZE - ((uint64_t)*pos & PAGE_MASK), u->resid);
		/* What cannot be written back (a full disk) must not go on without end: told once, by the call that comes next. */
		if ((r = inode->cache.wb_error)) {
			inode->cache.wb_error = done ? (int)r : 0;
			break;
		}
		/* A buffer whose second half is missing for good never fills a fresh page: after two attempts the bytes
		 * there are go into the page as the file system has it. */
		r = write_page(inode, u, (uint64_t)*pos, n, misses < 2);
		if (r == 0) {
			misses++;
			r = uio_fault_in(u, n);
			if (r == 0)
				continue;
		}
		if (r < 0)
			break;
		misses = 0;
		*pos += r;
		if ((uint64_t)*pos > inode->size)
			inode->size = (uint64_t)*pos;
		done += (size_t)r;
		since += (size_t)r;
		if (since >= 256 * 1024) {
			since = 0;
			pagecache_balance();
			if (sched_point())
				break;
		}
	}
	return done ? (long)done : r;
}

/* ---- write-back ---- */

/* Collects the run of dirty pages that starts with p, up to `last`: they are busy, referenced and clean afterwards. */
static unsigned run_collect(struct pagecache *c, struct page *p, uint64_t last, struct page **run)
{
	unsigned n = 0;
	bool mapped = false;
	uint64_t first = p->index;

	while (p && n < PAGECACHE_BATCH && (p->flags & (PG_DIRTY | PG_BUSY)) == PG_DIRTY) {
		page_get(p);
		p->flags |= PG_BUSY;
		mapped |= (p->flags & PG_MAPPED) != 0;
		run[n++] = p;
		p = first + n <= last ? radix_lookup(&c->tree, first + n) : NULL;
	}
	if (mapped)
		space_clean_inode(c->inode, first, first + n - 1);
	for (unsigned i = 0; i < n; i++)
		page_clean(run[i]);
	return n;
}

/* Writes one run and waits. Its pages leave the dirty state even on an error, which is reported and kept for fsync, as
 * Linux does: a file system that is full must not fill RAM as well. */
static int run_write(struct pagecache *c, struct page **run, unsigned n)
{
	struct inode *inode = c->inode;
	uint64_t first = run[0]->index;
	int err;

	c->writing++;
	err = inode->ops->write_pages ? inode->ops->write_pages(inode, run, first, n) : -EROFS;
	c->writing--;
	for (unsigned i = 0; i < n; i++) {
		run[i]->flags &= (uint16_t)~PG_BUSY;
		if (run[i]->cache == c && !(run[i]->flags & PG_DIRTY))
			lru_add(run[i]);
		page_put(run[i]);
	}
	waitq_wake_all(&c->busy, 0);
	return err < 0 ? err : 0;
}

/* Writes dirty pages of [first, last], at most `max` of them; returns how many. The first error goes to *error. The
 * caller holds a reference to the inode. */
static size_t cache_write(struct pagecache *c, uint64_t first, uint64_t last, size_t max, int *error)
{
	struct page *run[PAGECACHE_BATCH];
	size_t written = 0;

	while (written < max) {
		struct page *p = radix_next(&c->tree, first, true);
		if (!p || p->index > last)
			break;
		if (p->flags & PG_BUSY) { /* being written, and changed since */
			page_wait(c, p);
			continue;
		}
		uint64_t index = p->index;
		unsigned n = run_collect(c, p, last, run);
		int err = run_write(c, run, n);
		if (err && !*error)
			*error = err;
		written += n;
		first = index + n;
		(void)sched_point(); /* killed or not: what was begun is written */
	}
	return written;
}

int pagecache_sync(struct pagecache *c, uint64_t first, uint64_t last)
{
	int err = 0;

	if (c->memory_only)
		return 0;
	inode_get(c->inode);
	cache_write(c, first, last, SIZE_MAX, &err);
	wait_event_uninterruptible(&c->busy, c->writing == 0);
	if (!err)
		err = c->wb_error;
	c->wb_error = 0;
	inode_put(c->inode);
	return err;
}

/* Writes up to `want` pages, going through the caches in the order in which they became dirty. */
static size_t writeback(size_t want, int *error)
{
	size_t done = 0;

	/* A cache that another thread refills all the time goes to the end, so each gets its turn; the number of
	 * turns is bounded by the pages that are dirty now. */
	want = MIN(want, dirty_total);
	while (done < want && !list_empty(&dirty_caches)) {
		struct pagecache *c = list_entry(dirty_caches.next, struct pagecache, dirty_link);
		struct inode *inode = inode_get(c->inode);
		int err = 0;
		list_remove(&c->dirty_link);
		list_append(&dirty_caches, &c->dirty_link);
		size_t n = cache_write(c, 0, INDEX_MAX, want - done, &err);
		if (err) {
			c->wb_error = err;
			if (!*error)
				*error = err;
		}
		inode_put(inode);
		if (n == 0)
			break;
		done += n;
	}
	return done;
}

int pagecache_sync_all(void)
{
	int err = 0;

	writeback(SIZE_MAX, &err);
	return err;
}

size_t pagecache_writeback(size_t want)
{
	int err = 0;

	return writeback(want, &err);
}

void pagecache_balance(void)
{
	size_t excess = dirty_excess();

	if (excess)
		pagecache_writeback(excess);
}

/* ---- truncation and invalidation ---- */

void pagecache_truncate(struct pagecache *c, uint64_t size)
{
	uint64_t first = (size >> PAGE_SHIFT) + ((size & PAGE_MASK) != 0);
	struct page *p;

	if (size > c->inode->size)
		zero_tail(c, c->inode->size);
	else
		c->inode->size = size; /* from here on no page beyond it appears */
	if (!list_empty(&c->vmas))
		space_unmap_inode(c->inode, first, INDEX_MAX, true);
	while ((p = radix_next(&c->tree, first, false))) {
		/* A write under way would make the file long again after the file system has cut it. */
		if (p->flags & PG_BUSY) {
			page_wait(c, p);
			continue;
		}
		page_drop(p);
	}
	zero_tail(c, size);
}

void pagecache_invalidate(struct pagecache *c, uint64_t first, uint64_t last, bool all)
{
	struct page *p;
	uint64_t next = first;

	if (!list_empty(&c->vmas))
		space_unmap_inode(c->inode, first, last, false);
	while ((p = radix_next(&c->tree, next, false)) && p->index <= last) {
		if (p->flags & PG_BUSY) {
			page_wait(c, p);
			continue;
		}
		next = p->index + 1;
		if (all || !(p->flags & PG_DIRTY))
			page_drop(p);
		if (next == 0)
			break;
	}
}

/* ---- reclaim ---- */

/* Can p go now? Otherwise it has had its chance and stays for another round. */
static bool page_evictable(struct page *p)
{
	bool chance = (p->flags & (PG_YOUNG | PG_MAPPED)) != 0;

	if (p->flags & PG_BUSY)
		return false;
	if (p->flags & PG_MAPPED) {
		space_unmap_inode(p->cache->inode, p->index, p->index, false);
		p->flags &= (uint16_t)~PG_MAPPED;
	}
	p->flags &= (uint16_t)~PG_YOUNG;
	return !chance && p->refs == 1 && !(p->flags & PG_DIRTY);
}

size_t pagecache_reclaim(size_t want)
{
	size_t freed = 0;

	for (size_t look = 2 * lru_pages; look > 0 && freed < want && !list_empty(&lru); look--) {
		struct page *p = list_entry(lru.next, struct page, link);
		if (page_evictable(p)) {
			page_drop(p);
			freed++;
		} else if (!list_empty(&p->link)) {
			list_remove(&p->link);
			list_append(&lru, &p->link);
		}
	}
	return freed;
}

size_t pagecache_reclaimable(void) { return lru_pages; }

void pagecache_stats(size_t *pages, size_t *dirty)
{
	*pages = pages_total;
	*dirty = dirty_total;
}
