/* Physical pages: struct page for every frame, and the buddy allocator.
 *
 * No struct page is initialised before its block is first taken from a region, so a large RAM costs nothing at boot.
 * Allocation never sleeps: when RAM is short it reclaims clean page-cache pages and unused dentries, then fails. */
#ifndef CORE_MM_PAGE_H
#define CORE_MM_PAGE_H

#include "core/lib/list.h"
#include "plat/plat.h"

#define PAGE_MAX_ORDER 10 /* 4 MiB blocks */

struct pagecache;

/* Who may touch what: the allocator owns link and order while the page is free (refs == 0); the page cache owns cache,
 * index and the PG_ flags of cached pages; mappings hold references. */
struct page {
	uint32_t refs;      /* owners: page cache, page-table entries, kernel users */
	uint16_t flags;     /* PG_ */
	uint8_t order;      /* of the block this page heads */
	uint8_t slab_class; /* slab pages: core/mm/slab.c */
	struct list link;   /* free list, slab list, or the cache's LRU list */
	struct pagecache *cache;
	uint64_t index;     /* page index in its cache */
};

enum {
	PG_ZERO = 1 << 0,     /* free or fresh, and known to read as zeroes */
	PG_SLAB = 1 << 1,
	PG_UPTODATE = 1 << 2, /* page cache: holds the file's data */
	PG_DIRTY = 1 << 3,    /* page cache: newer than the file system's copy */
	PG_BUSY = 1 << 4,     /* page cache: being read or written; wait on the cache's queue */
	PG_YOUNG = 1 << 5,    /* page cache: used since the reclaimer last looked */
	PG_SHORT = 1 << 6,
	PG_FREE = 1 << 7,     /* heads a block on a free list */
	PG_MAPPED = 1 << 8,   /* page cache: some page table may name it */
};

/* Allocation flags. */
enum {
	PA_ZERO = 1 << 0,      /* zeroed */
	PA_NORECLAIM = 1 << 1, /* fail rather than reclaim */
	PA_FILE = 1 << 2,      /* for a file's page that can be read again: may take the place of the last of its kind */
	PA_FRESH = 1 << 3,     /* never used: zeroed, and the host has not provided it yet. Fails when most of RAM has been used,
	                        * or used pages wait for an owner */
};

/* Takes over the platform's RAM. */
void page_init(void);

/* 2^order physically contiguous pages, aligned to their size, refs = 1 on the first; NULL when RAM is short. */
struct page *page_alloc(unsigned order, unsigned flags);

static inline void page_get(struct page *p) { p->refs++; }
void page_put(struct page *p); /* frees the block at the last reference */

/* Turns a block with one reference into 2^order single pages with one reference each. */
void page_split(struct page *p, unsigned order);

paddr_t page_to_pa(const struct page *p);
struct page *pa_to_page(paddr_t pa); /* NULL when pa is no RAM of ours */
void *page_va(const struct page *p); /* in the direct map */
static inline void *pa_va(paddr_t pa) { return plat_direct_map() + pa; }
struct page *va_to_page(const void *va);
paddr_t va_to_pa(const void *va);

/* In pages. */
struct page_stats {
	size_t total, free, cache, dirty, slab;
};
void page_stats(struct page_stats *out);
void page_zero(void *va); /* one page, as fast as the CPU allows without FPU registers */
void page_copy(void *dst, const void *src);

#endif
