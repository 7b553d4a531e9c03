/* The page cache: the pages of one inode by index, shared by read, write and MAP_SHARED. For tmpfs and the overlay it is
 * the storage itself (pages stay dirty). */
#ifndef CORE_MM_PAGECACHE_H
#define CORE_MM_PAGECACHE_H

#include "core/mm/page.h"
#include "core/mm/radix.h"
#include "core/mm/uio.h"
#include "core/wait.h"

struct inode;

struct pagecache {
	struct inode *inode;
	struct radix tree;   /* of struct page by index */
	size_t pages;        /* in the tree */
	size_t dirty;        /* of these, PG_DIRTY */
	struct list vmas;    /* VMAs that map this inode */
	struct waitq busy;   /* waiters for PG_BUSY to clear */
	bool memory_only;    /* no backing store: dirty pages cannot be written back (tmpfs) */
	struct list dirty_link; /* caches with dirty pages to write back */
	uint64_t ra_next, ra_size; /* sequential read-ahead: next index expected, pages to read */
	uint64_t last_touch; /* index used last: using it again at once is no second use */
	unsigned writing;    /* write_pages calls under way */
	int wb_error;        /* a write-back failed, and no write or pagecache_sync() has said so yet */
	bool ra_random;      /* posix_fadvise(POSIX_FADV_RANDOM): read what is asked for and no more */
};

#define PAGECACHE_BATCH 32 /* most pages in one read_pages or write_pages call */
#define PG_USED (1u << 15) /* page cache: used once since it was read; the next use makes it PG_YOUNG */

void pagecache_init(struct pagecache *c, struct inode *inode);

/* Who owns what. A page in the tree is the cache's (one reference). PG_BUSY without PG_UPTODATE: being read, its content is
 * nobody's business; PG_BUSY with PG_UPTODATE: being written back, it may be read and changed (and is dirty again then).
 * A page that left the tree (truncate, invalidate, reclaim) has page->cache == NULL; whoever slept since it got the page
 * looks at that before mapping it. read_pages() provides all bytes below inode->size, zeroes where its source is shorter;
 * the cache clears what lies beyond. Clean pages of caches with read_pages are reclaimable; dirty ones of a cache with
 * backing hold a reference to the inode until they are written. */

/* The up-to-date page at index with a reference for the caller, read through inode->ops->read_pages if missing (with
 * read-ahead for sequential access). Pages beyond the file's end: -ENXIO (SIGBUS, EOF). -EIO, -ENOMEM, -EINTR never.
 * May sleep. */
int pagecache_get(struct pagecache *c, uint64_t index, struct page **out);

/* The page if it is there and up to date, with a reference; NULL otherwise. Never sleeps. */
struct page *pagecache_find(struct pagecache *c, uint64_t index);

/* For writing: as pagecache_get, but a page that will be overwritten wholly, or lies beyond the end, is not read.
 * The page is not dirty yet: call pagecache_dirty() once bytes changed. */
int pagecache_get_write(struct pagecache *c, uint64_t index, bool whole, struct page **out);
void pagecache_dirty(struct page *p);

/* read(2) and write(2) of a cached regular file at *pos (advanced). Sizes come from inode->size, which a write may grow.
 * Return bytes or -errno; may sleep. The caller holds the inode's lock for writes. */
long pagecache_read(struct inode *inode, struct uio *u, int64_t *pos);
long pagecache_write(struct inode *inode, struct uio *u, int64_t *pos);

/* The file is now `size` bytes long: drops pages beyond it and zeroes the tail of the last one (and unmaps them). */
void pagecache_truncate(struct pagecache *c, uint64_t size);
/* Drops clean (all: every) pages of [first, last], e.g. when the file changed behind us or a hole is punched. Both wait
 * for transfers of the pages concerned, so they may sleep. */
void pagecache_invalidate(struct pagecache *c, uint64_t first, uint64_t last, bool all);

/* Writes dirty pages back (inode->ops->write_pages) and waits: 0 or the first error. */
int pagecache_sync(struct pagecache *c, uint64_t first, uint64_t last);
int pagecache_sync_all(void);
/* An error that pagecache_sync() said came where no program could be told of it: the end of the machine will (vfs_shutdown()). */
extern bool pagecache_lost;

/* Frees every page; the inode is going away. */
void pagecache_destroy(struct pagecache *c);

/* Frees up to `want` clean, unreferenced pages; returns how many. Never sleeps. Called by page_alloc(). */
size_t pagecache_reclaim(size_t want);
size_t pagecache_reclaimable(void); /* pages that are in question for it */

/* Writes back at least `want` dirty pages of any cache, if there are so many, and waits; returns how many became clean.
 * For callers that may sleep, hold no page busy and met -ENOMEM. */
size_t pagecache_writeback(size_t want);

/* All pages in page caches, and of these the dirty ones that have a backing store. */
void pagecache_stats(size_t *pages, size_t *dirty);

/* Sleeps to write back when too much of RAM is dirty; called after write(2)s, holding nothing. */
void pagecache_balance(void);

#endif
