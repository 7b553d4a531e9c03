/* The page allocator: whole memory out and back, merging, holes and odd regions, zeroing, reclaim, random stress.
 *
 * Includes the file under test, so that its free lists can be checked and reclaim be played by the test. */
#define pagecache_reclaim test_reclaim
#define pagecache_reclaimable test_reclaimable
#define dcache_reclaim test_reclaim_dentries
#define slab_reclaim test_reclaim_slabs
#include "core/mm/page.c"
#undef pagecache_reclaim
#undef pagecache_reclaimable
#undef dcache_reclaim
#undef slab_reclaim
#include "tests/unit/unit.h"

size_t test_reclaimable(void) { return SIZE_MAX; } /* always more than those that are kept */

static struct list held = LIST_INIT(held); /* pages that reclaim may have */
static unsigned reclaim_calls;

static size_t give(size_t want)
{
	size_t n = 0;

	reclaim_calls++;
	for (; n < want && !list_empty(&held); n++) {
		struct page *p = list_entry(held.next, struct page, link);

		list_remove(&p->link);
		page_put(p);
	}
	return n;
}

size_t test_reclaim(size_t want)
{
	/* Code called from the allocator may free, and even fail to allocate, but not reclaim again. */
	while (list_empty(&held) && page_alloc(PAGE_MAX_ORDER, 0))
		ck_abort_msg("there was memory");
	return give(want);
}

size_t test_reclaim_dentries(size_t want)
{
	return 0;
}

size_t test_reclaim_slabs(void)
{
	return 0;
}

static void setup(void)
{
	fake_ram_regions(NULL, 0);
	fake_ram_zeroed(true);
	list_init(&held);
	reclaim_calls = 0;
}

static void teardown(void)
{
	setup();
}

/* Every rule of the free lists. */
static void check_lists(void)
{
	size_t sum = hot_count;

	for (unsigned o = 0; o <= PAGE_MAX_ORDER; o++) {
		ck_fast(!list_empty(&free_lists[o]) == ((free_mask >> o) & 1));
		list_each(l, &free_lists[o]) {
			struct page *p = list_entry(l, struct page, link);
			paddr_t pa = page_to_pa(p), buddy = pa ^ block_size(o);
			struct region *r = region_of(p);

			ck_fast(p->refs == 0);
			ck_fast(p->order == o);
			ck_fast(p->flags & PG_FREE);
			ck_fast((pa & (block_size(o) - 1)) == 0);
			ck_fast(pa >= r->start);
			ck_fast(pa + block_size(o) <= r->fresh);
			if (p->flags & PG_ZERO) {
				const char *c = page_va(p);

				for (size_t i = 0; i < block_size(o); i += 512)
					ck_fast(c[i] == 0);
			}
			/* Two free buddies would have been merged. */
			if (o < PAGE_MAX_ORDER && buddy >= r->start && buddy + block_size(o) <= r->fresh) {
				struct page *b = region_page(r, buddy);

				ck_fast(!((b->flags & PG_FREE) && b->order == o));
			}
			sum += (size_t)1 << o;
		}
	}
	for (struct region *r = regions; r < regions + nregions; r++)
		sum += (r->end - r->fresh) >> PAGE_SHIFT;
	ck_fast(sum == free_pages);
}

START_TEST(boot_touches_little)
{
	struct page_stats st;

	fake_boot(1ul << 30);
	page_stats(&st);
	ck_assert_uint_eq(st.total, st.free);
	/* One percent for struct pages; all but what boot itself allocated is fresh. */
	ck_assert_uint_gt(st.total, (1ul << 30) / PAGE_SIZE * 98 / 100);
	ck_assert_uint_eq(regions[0].fresh, regions[0].start);
	ck_assert_uint_eq(regions[0].map[0].refs, 0);
}
END_TEST

/* Takes all memory in blocks of one order, checks that they are apart, and gives it back. */
static void take_all(unsigned order, bool zero)
{
	size_t n = 0, max = free_pages >> order, all = free_pages;
	struct page **p = calloc(max + 1, sizeof(*p));

	while ((p[n] = page_alloc(order, zero ? PA_ZERO : 0))) {
		char *c = page_va(p[n]);

		ck_fast(p[n]->refs == 1);
		ck_fast(p[n]->flags == 0);
		ck_fast((page_to_pa(p[n]) & (block_size(order) - 1)) == 0);
		ck_fast(pa_to_page(page_to_pa(p[n])) == p[n]);
		ck_fast(va_to_page(c) == p[n]);
		for (size_t i = 0; zero && i < block_size(order); i += 64)
			ck_fast(c[i] == 0);
		memset(c, 0x5a, block_size(order));
		n++;
	}
	ck_fast(n <= max);
	if (order == 0)
		ck_fast(n == max);
	/* Nobody wrote over anybody. */
	for (size_t i = 0; i < n; i++) {
		*(size_t *)page_va(p[i]) = i;
		ck_fast(((char *)page_va(p[i]))[block_size(order) - 1] == 0x5a);
	}
	for (size_t i = 0; i < n; i++)
		ck_fast(*(size_t *)page_va(p[i]) == i);
	for (size_t i = 0; i < n; i++)
		page_put(p[n & 1 ? i : n - 1 - i]);
	ck_fast(free_pages == all);
	drain_hot();
	check_lists();
	free(p);
}

START_TEST(all_memory_comes_back)
{
	fake_boot(24ul << 20);
	for (unsigned o = 0; o <= PAGE_MAX_ORDER; o++) {
		take_all(o, false);
		take_all(o, true);
	}
	/* Everything has merged again: the largest blocks are there. */
	ck_assert(page_alloc(PAGE_MAX_ORDER, 0) != NULL);
}
END_TEST

START_TEST(tiny_machine)
{
	fake_boot(4ul << 20);
	ck_assert_uint_ge(free_pages, 1012);
	take_all(0, true);
	take_all(3, true);
	fake_boot(2 * PAGE_SIZE); /* one for the struct pages */
	ck_assert_uint_eq(free_pages, 1);
	take_all(0, true);
}
END_TEST

START_TEST(no_memory_panics)
{
	fake_boot(1 << 20);
	fake_ram_regions(&(struct plat_region){ FAKE_RAM_BASE, FAKE_RAM_BASE + PAGE_SIZE }, 1);
	ck_assert_panic(page_init(), "no usable RAM");
}
END_TEST

START_TEST(odd_regions)
{
	static const struct plat_region r[] = {
		{ 0x100000, 0x103000 }, { 0x105000, 0x106000 }, { 0x107000, 0x1fd000 }, { 0x200000, 0x201000 },
		{ 0x203000, 0x9fe000 }, { 0xa00000, 0xa00000 }, { 0xa01000, 0xbff000 },
	};

	fake_ram_regions(r, ARRAY_SIZE(r));
	fake_boot(16ul << 20);
	for (unsigned o = 0; o <= 9; o++)
		take_all(o, o & 1);
	ck_assert_ptr_eq(pa_to_page(0), NULL);
	ck_assert_ptr_eq(pa_to_page(0x104000), NULL);
	ck_assert_ptr_eq(pa_to_page(0x100000), NULL); /* struct pages are no pages */
	ck_assert_ptr_eq(pa_to_page(0xbff000), NULL);
	ck_assert_ptr_ne(pa_to_page(0xbfefff), NULL);
	ck_assert_panic(page_to_pa((struct page *)&r), "not a struct page");
}
END_TEST

START_TEST(rubbish_in_ram)
{
	/* Struct pages are not read before they are made, and PA_ZERO really zeroes. */
	fake_ram_zeroed(false);
	fake_boot(16ul << 20);
	for (unsigned o = 0; o <= 9; o++)
		take_all(o, true);
}
END_TEST

START_TEST(fresh_only)
{
	struct page *p, *q, *big[64];
	struct page_stats st;
	unsigned n = 0;

	fake_boot(16ul << 20);
	p = page_alloc(4, PA_FRESH);
	ck_assert_ptr_nonnull(p);
	memset(page_va(p), 1, 16 * PAGE_SIZE);
	page_put(p);
	q = page_alloc(4, PA_FRESH); /* not the one that was used */
	ck_assert_ptr_nonnull(q);
	ck_assert_ptr_ne(q, p);
	for (size_t i = 0; i < 16 * PAGE_SIZE; i += 8)
		ck_assert_int_eq(((char *)page_va(q))[i], 0);
	page_put(q);
	/* Used pages are not left idle in heaps. */
	p = page_alloc(8, 0);
	page_put(p);
	ck_assert_ptr_null(page_alloc(0, PA_FRESH));
	p = page_alloc(8, 0);
	q = page_alloc(4, PA_FRESH);
	ck_assert_ptr_nonnull(q);
	page_put(q);
	/* When the greater part of RAM has been used, there is none. */
	for (page_stats(&st); st.free > st.total * 4 / 10; page_stats(&st))
		big[n++] = page_alloc(6, 0);
	ck_assert_ptr_null(page_alloc(0, PA_FRESH));
	while (n)
		page_put(big[--n]);
	page_put(p);
	/* Nor where RAM does not begin as zeroes. */
	fake_ram_zeroed(false);
	fake_boot(16ul << 20);
	ck_assert_ptr_null(page_alloc(0, PA_FRESH));
}
END_TEST

START_TEST(fresh_zero_is_free)
{
	struct page *p;

	fake_boot(16ul << 20);
	p = page_alloc(0, PA_ZERO);
	/* Neighbours that were not handed out are still known to be zero. */
	ck_assert(free_mask != 0);
	list_each(l, &free_lists[0])
		ck_assert(list_entry(l, struct page, link)->flags & PG_ZERO);
	memset(page_va(p), 1, PAGE_SIZE);
	page_put(p);
	p = page_alloc(0, PA_ZERO);
	ck_assert_int_eq(*(char *)page_va(p), 0);
	page_put(p);
}
END_TEST

START_TEST(references)
{
	struct page *p;

	fake_boot(8ul << 20);
	p = page_alloc(2, 0);
	page_get(p);
	page_put(p);
	ck_assert_uint_eq(p->refs, 1);
	page_split(p, 2);
	for (int i = 0; i < 4; i++) {
		ck_assert_uint_eq(p[i].refs, 1);
		ck_assert_uint_eq(p[i].order, 0);
		page_put(&p[i]);
	}
	ck_assert_uint_eq(free_pages, total_pages);
	ck_assert_panic(page_put(p), "refs > 0");
}
END_TEST

START_TEST(reclaims)
{
	struct page *p;
	size_t n = 0;

	fake_boot(8ul << 20);
	while ((p = page_alloc(0, PA_NORECLAIM))) {
		list_append(&held, &p->link);
		n++;
	}
	ck_assert_uint_eq(reclaim_calls, 0);
	p = page_alloc(0, 0);
	ck_assert_ptr_ne(p, NULL);
	ck_assert_uint_eq(reclaim_calls, 1);
	page_put(p);
	p = page_alloc(5, 0);
	ck_assert_ptr_ne(p, NULL);
	page_put(p);
	/* Everything can be had again, in blocks. */
	for (unsigned k = 0; k < 8; k++)
		ck_assert_ptr_ne(page_alloc(6, 0), NULL);
	/* One that cannot be served gives up. */
	give(~0ul);
	reclaim_calls = 0;
	while (page_alloc(0, PA_NORECLAIM))
		;
	ck_assert_ptr_eq(page_alloc(0, 0), NULL);
	ck_assert_uint_eq(reclaim_calls, 1);
}
END_TEST

START_TEST(random_stress)
{
	struct page *p[300] = { NULL };
	unsigned order[300];
	uint64_t seed = 31 + (uint64_t)_i;

	fake_ram_zeroed(_i & 1);
	fake_boot(12ul << 20);
	for (int round = 0; round < 20000; round++) {
		unsigned k = unit_random(&seed) % 300;

		if (p[k]) {
			size_t *c = page_va(p[k]);

			ck_fast(c[0] == k);
			ck_fast(c[(block_size(order[k]) >> 3) - 1] == k);
			page_put(p[k]);
			p[k] = NULL;
		} else {
			unsigned flags = unit_random(&seed) & 1 ? PA_ZERO : 0;

			order[k] = unit_random(&seed) % 4 ? 0 : unit_random(&seed) % 6;
			p[k] = page_alloc(order[k], flags);
			if (!p[k])
				continue;
			size_t *c = page_va(p[k]);

			if (flags)
				ck_fast((c[0] | c[(block_size(order[k]) >> 3) - 1] | c[7]) == 0);
			c[0] = c[(block_size(order[k]) >> 3) - 1] = k;
			c[7] = 7;
		}
		if (round % 1000 == 0) {
			drain_hot();
			check_lists();
		}
	}
	for (int k = 0; k < 300; k++) {
		if (p[k])
			page_put(p[k]);
	}
	ck_fast(free_pages == total_pages);
	take_all(0, true);
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("page", &tc, setup, teardown);

	tcase_add_test(tc, boot_touches_little);
	tcase_add_test(tc, all_memory_comes_back);
	tcase_add_test(tc, tiny_machine);
	tcase_add_test(tc, no_memory_panics);
	tcase_add_test(tc, odd_regions);
	tcase_add_test(tc, rubbish_in_ram);
	tcase_add_test(tc, fresh_only);
	tcase_add_test(tc, fresh_zero_is_free);
	tcase_add_test(tc, references);
	tcase_add_test(tc, reclaims);
	tcase_add_loop_test(tc, random_stress, 0, 4);
	return s;
}
