/* The page cache's tree, against an array that says which indexes are taken and which are dirty. */
#include <string.h>

#include "core/mm/page.h"
#include "core/mm/radix.h"
#include "core/mm/slab.h"
#include "shim/abi/errno.h"
#include "tests/unit/unit.h"

#define N 3000

static struct radix tree;
static struct page pages[N];
static bool taken[N], dirty[N];

static void setup(void)
{
	fake_boot(1ul << 20);
	memset(&tree, 0, sizeof(tree));
	memset(pages, 0, sizeof(pages));
	memset(taken, 0, sizeof(taken));
	memset(dirty, 0, sizeof(dirty));
}

static void teardown(void)
{
	ck_assert_ptr_null(tree.root);
	ck_assert_uint_eq(tree.height, 0);
	fake_check_leaks();
}

static void mark(unsigned i, bool on)
{
	dirty[i] = on;
	pages[i].flags = on ? PG_DIRTY : 0;
	radix_mark(&tree, i * 5ul, on);
}

static void put(unsigned i)
{
	ck_assert_int_eq(radix_insert(&tree, i * 5ul, &pages[i]), 0);
	taken[i] = true;
}

static void take(unsigned i)
{
	if (dirty[i])
		mark(i, false);
	radix_remove(&tree, i * 5ul);
	taken[i] = false;
}

static void check(unsigned from)
{
	unsigned i = from, d = from;

	while (i < N && !taken[i])
		i++;
	while (d < N && !dirty[d])
		d++;
	ck_assert_ptr_eq(radix_next(&tree, from * 5ul, false), i < N ? &pages[i] : NULL);
	ck_assert_ptr_eq(radix_next(&tree, from * 5ul, true), d < N ? &pages[d] : NULL);
	ck_assert_ptr_eq(radix_lookup(&tree, from * 5ul), taken[from] ? &pages[from] : NULL);
	ck_assert_ptr_null(radix_lookup(&tree, from * 5ul + 1));
}

START_TEST(random_changes_agree_with_an_array)
{
	uint64_t seed = 42 + (uint64_t)_i;

	for (unsigned k = 0; k < unit_rounds(30000); k++) {
		unsigned i = unit_random(&seed) % N;
		/* Now sparse, now dense. */
		bool grow = unit_random(&seed) % 8 < (k / 5000 % 2 ? 2 : 6);
		if (!taken[i] && grow)
			put(i);
		else if (taken[i] && !grow)
			take(i);
		else if (taken[i])
			mark(i, unit_random(&seed) & 1);
		check(unit_random(&seed) % N);
	}
	for (unsigned i = 0; i < N; i++) {
		if (taken[i])
			take(i);
	}
}
END_TEST

START_TEST(one_page_needs_no_node)
{
	size_t before = kmalloc_live();

	put(0);
	ck_assert_uint_eq(kmalloc_live(), before);
	mark(0, true);
	check(0);
	put(1000); /* the mark moves into the new nodes */
	ck_assert_ptr_eq(radix_next(&tree, 0, true), &pages[0]);
	take(0);
	take(1000);
}
END_TEST

START_TEST(the_largest_index)
{
	uint64_t last = UINT64_MAX >> PAGE_SHIFT;

	ck_assert_int_eq(radix_insert(&tree, last, &pages[1]), 0);
	ck_assert_int_eq(radix_insert(&tree, 0, &pages[0]), 0);
	ck_assert_ptr_eq(radix_next(&tree, 1, false), &pages[1]);
	ck_assert_ptr_eq(radix_lookup(&tree, last), &pages[1]);
	radix_remove(&tree, 0);
	ck_assert_ptr_eq(radix_next(&tree, 0, false), &pages[1]);
	radix_remove(&tree, last);
}
END_TEST

START_TEST(each_allocation_failure_leaves_the_tree_as_it_was)
{
	static const uint64_t at[] = { 7, 100, 70000, 1ul << 40, 1ul << 51 };

	FAKE_EACH_FAILURE(n) {
		bool in[ARRAY_SIZE(at)];
		for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
			int r = radix_insert(&tree, at[i], &pages[i]);
			ck_assert(r == 0 || r == -ENOMEM);
			in[i] = r == 0;
		}
		for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
			ck_assert_ptr_eq(radix_lookup(&tree, at[i]), in[i] ? &pages[i] : NULL);
			if (in[i])
				radix_remove(&tree, at[i]);
		}
		ck_assert_ptr_null(tree.root);
	}
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("radix", &tc, setup, teardown);

	tcase_add_loop_test(tc, random_changes_agree_with_an_array, 0, 3);
	tcase_add_test(tc, one_page_needs_no_node);
	tcase_add_test(tc, the_largest_index);
	tcase_add_test(tc, each_allocation_failure_leaves_the_tree_as_it_was);
	return s;
}
