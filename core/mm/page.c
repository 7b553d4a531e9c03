/* The page allocator: a buddy system over the platform's RAM regions.
 *
 * Each region begins with its own array of struct page; what lies before region->fresh has been handed to the buddy
 * system, what lies behind it has never been touched, neither the pages nor their struct pages. Blocks are taken from
 * there, low addresses first, when the free lists cannot serve a request.
 *
 * Invariants:
 * - Blocks of order n are aligned to 2^n pages of physical address and lie within one region.
 * - A free block is on the list of its order and only its head's struct page says so (PG_FREE). The struct page at the
 *   start of a block's buddy is initialised whenever the buddy lies below `fresh`: blocks begin where pieces were taken
 *   or split. So merging needs no initialised inner pages.
 * - PG_ZERO on a free block: all of it reads as zeroes. Merging keeps it only if both halves have it.
 * Up to HOT_MAX single pages that were freed last are kept out of the buddy system, since the next allocation most often
 * wants one; they are merged when a larger block is missing.
 *
 * Missing: nothing is given back to the host by plat_ram_discard() yet. */
#include "core/mm/page.h"
#include "core/fs/vfs.h"
#include "core/lib/string.h"
#include "core/mm/pagecache.h"
#include "core/mm/slab.h"
#include "core/printf.h"

#define MAX_REGIONS 32
#define FRESH_ORDER 6   /* taken from a region at a time; more would soon lose its PG_ZERO in a merge */
#define HOT_MAX     64
#define USED_FEW    128 /* free pages that were used and need not be handed out before fresh ones */
#define RECLAIM_MIN 32  /* pages per round */
#define EASY_ORDER  3   /* larger requests give up after RECLAIM_ROUNDS instead of emptying the cache */
#define RECLAIM_ROUNDS 64

struct region {
	paddr_t start, end; /* of the pages; the map lies below start */
	paddr_t fresh;
	struct page *map;   /* of the page at start */
	size_t map_size;    /* bytes */
	char *va;           /* of the page at start */
};

static struct region regions[MAX_REGIONS];
static size_t nregions;
static struct list free_lists[PAGE_MAX_ORDER + 1];
static unsigned free_mask; /* bit n: free_lists[n] is not empty */
static struct list hot;
static unsigned hot_count;
static size_t total_pages, free_pages; /* free: on lists, hot and fresh */
static size_t used_free;               /* of these, pages on the lists that may hold something */
static bool ram_zeroed, reclaiming;

static size_t block_size(unsigned order)
{
	return PAGE_SIZE << order;
}

/* ---- addresses ---- */

static struct region *region_of(const struct page *p)
{
	for (struct region *r = regions; r < regions + nregions; r++) {
		if ((uintptr_t)p - (uintptr_t)r->map < r->map_size)
			return r;
	}
	panic("not a struct page: %p", (const void *)p);
}

static paddr_t region_pa(const struct region *r, const struct page *p)
{
	return r->start + ((paddr_t)(p - r->map) << PAGE_SHIFT);
}

static struct page *region_page(const struct region *r, paddr_t pa)
{
	return r->map + ((pa - r->start) >> PAGE_SHIFT);
}

paddr_t page_to_pa(const struct page *p)
{
	return region_pa(region_of(p), p);
}

struct page *pa_to_page(paddr_t pa)
{
	for (struct region *r = regions; r < regions + nregions; r++) {
		if (pa >= r->start && pa < r->end)
			return region_page(r, pa);
	}
	return NULL;
}

void *page_va(const struct page *p)
{
	const struct region *r = region_of(p);

	return r->va + ((size_t)(p - r->map) << PAGE_SHIFT);
}

paddr_t va_to_pa(const void *va)
{
	return (paddr_t)((const char *)va - plat_direct_map());
}

struct page *va_to_page(const void *va)
{
	return pa_to_page(va_to_pa(va));
}

/* ---- the buddy system ---- */

static void list_block(struct page *p, unsigned order, bool zero)
{
	used_free += zero ? 0 : 1ul << order;
	p->refs = 0;
	p->order = (uint8_t)order;
	p->flags = PG_FREE | (zero ? PG_ZERO : 0);
	list_push(&free_lists[order], &p->link);
	free_mask |= 1u << order;
}

static void unlist_block(struct page *p)
{
	list_remove(&p->link);
	if (list_empty(&free_lists[p->order]))
		free_mask &= ~(1u << p->order);
	p->flags &= (uint16_t)~PG_FREE;
	used_free -= p->flags & PG_ZERO ? 0 : 1ul << p->order;
}

/* Puts a block on the free lists, merged with its buddy as far as that is free, too. */
static void free_block(struct region *r, paddr_t pa, unsigned order, bool zero)
{
	for (; order < PAGE_MAX_ORDER; order++) {
		paddr_t buddy = pa ^ block_size(order);
		struct page *b;

		if (buddy < r->start || buddy + block_size(order) > r->fresh)
			break;
		b = region_page(r, buddy);
		if (!(b->flags & PG_FREE) || b->order != order)
			break;
		unlist_block(b);
		zero = zero && (b->flags & PG_ZERO);
		region_page(r, MAX(pa, buddy))->flags = 0;
		pa = MIN(pa, buddy);
	}
	list_block(region_page(r, pa), order, zero);
}

/* The first block of a list, split to size. */
static struct page *split_block(unsigned have, unsigned order)
{
	struct page *p = list_entry(free_lists[have].next, struct page, link);

	unlist_block(p);
	while (have > order) {
		have--;
		list_block(p + (1u << have), have, p->flags & PG_ZERO);
	}
	return p;
}

/* A block from the lists; NULL when there is none large enough. */
static struct page *take_block(unsigned order)
{
	unsigned mask = free_mask >> order;

	return mask ? split_block(order + (unsigned)__builtin_ctz(mask), order) : NULL;
}

/* The largest order that a block at pa, ending by `end`, can have. */
static unsigned fitting_order(paddr_t pa, paddr_t end)
{
	unsigned order = PAGE_MAX_ORDER;

	while (order && ((pa & (block_size(order) - 1)) || end - pa < block_size(order)))
		order--;
	return order;
}

/* Moves memory that was never used to the free lists until there is a block of this order among it. */
static bool grow(unsigned order)
{
	unsigned chunk = MAX(order, (unsigned)FRESH_ORDER);

	for (struct region *r = regions; r < regions + nregions; r++) {
		while (r->fresh < r->end) {
			paddr_t pa = r->fresh;
			unsigned fits = fitting_order(pa, r->end);
			unsigned take = MIN(fits, chunk);

			r->fresh += block_size(take);
			free_block(r, pa, take, ram_zeroed);
			if (fits >= order)
				return true;
		}
	}
	return false;
}

static void drain_hot(void)
{
	while (hot_count) {
		struct page *p = list_entry(hot.next, struct page, link);
		struct region *r = region_of(p);

		list_remove(&p->link);
		hot_count--;
		free_block(r, region_pa(r, p), 0, false);
	}
}

/* ---- allocation ---- */

/* The last pages of files stay, unless for another one: they hold what the program executes, and without them it would
 * not come to the failed call, or the kill, that ends the shortage, but fault for ever. */
#define FILE_PAGES_KEPT 64

static size_t file_pages_to_take(size_t want, unsigned flags)
{
	size_t there = pagecache_reclaimable(), kept = flags & PA_FILE ? 0 : MIN((size_t)FILE_PAGES_KEPT, total_pages / 128);

	return there > kept ? MIN(want, there - kept) : 0;
}

/* Frees something that can be had again, without sleeping. False: there is nothing (or this is a nested call). */
static bool reclaim(unsigned order, unsigned flags)
{
	size_t want = MAX((size_t)1 << order, (size_t)RECLAIM_MIN), n;

	if (reclaiming)
		return false;
	reclaiming = true;
	n = slab_reclaim();
	if (!n)
		n = pagecache_reclaim(file_pages_to_take(want, flags));
	if (!n)
		n = dcache_reclaim(want);
	reclaiming = false;
	return n != 0;
}

static struct page *find_block(unsigned order)
{
	struct page *p = take_block(order);

	if (!p && hot_count) {
		drain_hot();
		p = take_block(order);
	}
	if (!p && grow(order))
		p = take_block(order);
	return p;
}

/* A block that was never used, as long as that is the greater part of RAM and little else is free. */
static struct page *fresh_block(unsigned order)
{
	size_t left = 0;

	for (struct region *r = regions; r < regions + nregions; r++)
		left += (r->end - r->fresh) >> PAGE_SHIFT;
	if (!ram_zeroed || left <= total_pages / 2 || used_free + hot_count > USED_FEW)
		return NULL;
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned have = order; have <= PAGE_MAX_ORDER; have++) {
			struct list *l = &free_lists[have];

			if (!list_empty(l) && (list_entry(l->next, struct page, link)->flags & PG_ZERO))
				return split_block(have, order);
		}
		grow(order);
	}
	return NULL;
}

struct page *page_alloc(unsigned order, unsigned flags)
{
	struct page *p;

	kassert(order <= PAGE_MAX_ORDER);
	if (flags & PA_FRESH) {
		p = fresh_block(order);
		if (!p)
			return NULL;
	} else if (order == 0 && hot_count) {
		p = list_entry(hot.next, struct page, link);
		list_remove(&p->link);
		hot_count--;
	} else {
		p = find_block(order);
		for (unsigned round = 0; !p && !(flags & PA_NORECLAIM); round++) {
			if ((order > EASY_ORDER && round == RECLAIM_ROUNDS) || !reclaim(order, flags))
				break;
			p = find_block(order);
		}
		if (!p)
			return NULL;
	}
	if ((flags & PA_ZERO) && !(p->flags & PG_ZERO))
		memset(page_va(p), 0, block_size(order));
	p->refs = 1;
	p->flags = 0;
	p->order = (uint8_t)order;
	p->cache = NULL;
	p->index = 0;
	list_init(&p->link);
	free_pages -= (size_t)1 << order;
	return p;
}

void page_put(struct page *p)
{
	struct region *r;

	kassert(p->refs > 0);
	if (--p->refs)
		return;
	free_pages += (size_t)1 << p->order;
	p->flags = 0;
	if (p->order == 0 && hot_count < HOT_MAX) {
		list_push(&hot, &p->link);
		hot_count++;
		return;
	}
	r = region_of(p);
	free_block(r, region_pa(r, p), p->order, false);
}

void page_split(struct page *p, unsigned order)
{
	kassert(p->refs == 1 && p->order == order);
	for (size_t i = 0; i < (size_t)1 << order; i++) {
		p[i] = (struct page){ .refs = 1 };
		list_init(&p[i].link);
	}
}

/* ---- boot, statistics ---- */

/* Takes over one region: its struct pages come first, then the pages. */
static void add_region(const struct plat_region *pr)
{
	struct region *r = &regions[nregions];
	size_t pages = (pr->end - pr->start) >> PAGE_SHIFT;
	size_t map_size = ALIGN_UP(pages * sizeof(struct page), PAGE_SIZE);

	if (pr->end <= pr->start || map_size >= pages << PAGE_SHIFT)
		return;
	r->map = pa_va(pr->start);
	r->start = r->fresh = pr->start + map_size;
	r->end = pr->end;
	r->va = pa_va(r->start);
	pages = (r->end - r->start) >> PAGE_SHIFT;
	r->map_size = pages * sizeof(struct page);
	nregions++;
	free_pages += pages;
}

void page_init(void)
{
	struct plat_region found[MAX_REGIONS];
	size_t n = plat_ram(found, MAX_REGIONS);

	for (unsigned i = 0; i <= PAGE_MAX_ORDER; i++)
		list_init(&free_lists[i]);
	list_init(&hot);
	free_mask = hot_count = 0;
	nregions = free_pages = used_free = 0;
	reclaiming = false;
	ram_zeroed = plat_ram_is_zeroed();
	for (size_t i = 0; i < n; i++)
		add_region(&found[i]);
	total_pages = free_pages;
	if (total_pages == 0)
		panic("the platform reports no usable RAM");
}

void page_stats(struct page_stats *out)
{
	out->total = total_pages;
	out->free = free_pages;
	pagecache_stats(&out->cache, &out->dirty);
	out->slab = slab_pages();
}

void page_zero(void *va)
{
	memset(va, 0, PAGE_SIZE);
}

void page_copy(void *dst, const void *src)
{
	memcpy(dst, src, PAGE_SIZE);
}
