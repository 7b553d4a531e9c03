/* Page tables: walking, scanning, splitting and pruning, against a plain list of what was set. */
#include "core/mm/pt.h"
#include "core/mm/page.h"
#include "tests/unit/unit.h"

#define FRAME 0x123000ul

static paddr_t root;

static void setup(void)
{
	fake_boot(8ul << 20);
	root = pt_new();
	ck_assert_uint_ne(root, 0);
}

static void teardown(void)
{
	pt_free(root);
	fake_check_leaks();
}

static pte_t *set(vaddr_t va, pte_t e)
{
	bool huge;
	pte_t *p = pt_walk(root, va, true, &huge);

	ck_assert_ptr_ne(p, NULL);
	ck_assert(!huge);
	*p = e;
	return p;
}

START_TEST(walk)
{
	bool huge = true;
	pte_t *e;

	ck_assert_ptr_eq(pt_walk(root, USER_MIN, false, &huge), NULL);
	ck_assert(!huge);
	e = set(USER_MIN, FRAME | PTE_P);
	ck_assert_ptr_eq(pt_walk(root, USER_MIN + 77, false, &huge), e);
	ck_assert_ptr_eq(pt_walk(root, USER_MIN + PAGE_SIZE, false, &huge), e + 1);
	ck_assert_ptr_ne(set(USER_MAX - PAGE_SIZE, FRAME | PTE_P), e);
	ck_assert_ptr_eq(pt_walk(root, USER_MAX - (1ul << 30), false, &huge), NULL);
	FAKE_EACH_FAILURE(n) {
		e = pt_walk(root, 0x200000000000ul, true, &huge);
		ck_assert_int_eq(e == NULL, fake_failed());
	}
}
END_TEST

START_TEST(scan)
{
	static const vaddr_t at[] = { USER_MIN, USER_MIN + PAGE_SIZE, 0x1ff000, 0x200000, 0x3fffffff000, 0x40000000000,
				      0x200000000000, USER_MAX - 2 * PAGE_SIZE, USER_MAX - PAGE_SIZE };
	vaddr_t va = 0;
	bool huge;
	size_t i;
	pte_t *e;

	ck_assert_ptr_eq(pt_next(root, 0, USER_MAX, &va, &huge), NULL);
	for (i = 0; i < ARRAY_SIZE(at); i++)
		set(at[i], FRAME | (i & 1 ? PTE_P : PTE_NONE));
	i = 0;
	for (e = pt_next(root, 0, USER_MAX, &va, &huge); e; e = pt_step(root, e, &va, USER_MAX), i++) {
		ck_assert_uint_eq(va, at[i]);
		ck_assert(!huge);
	}
	ck_assert_uint_eq(i, ARRAY_SIZE(at));
	i = 0;
	for (va = 0; (e = pt_next(root, va, ~0ul, &va, &huge)); va += PAGE_SIZE)
		ck_assert_uint_eq(va, at[i++]);
	ck_assert_uint_eq(i, ARRAY_SIZE(at));
	/* Bounds are exact. */
	ck_assert_ptr_eq(pt_next(root, at[1] + PAGE_SIZE, at[2], &va, &huge), NULL);
	e = pt_next(root, at[1] + 1, at[2] + 1, &va, &huge);
	ck_assert_ptr_ne(e, NULL);
	ck_assert_uint_eq(va, at[1] + 1);
	e = pt_next(root, 0, at[1], &va, &huge);
	ck_assert_ptr_eq(pt_step(root, e, &va, at[1]), NULL);
	ck_assert_ptr_eq(pt_next(root, at[3], at[3], &va, &huge), NULL);
}
END_TEST

START_TEST(prune)
{
	struct page_stats a, b;

	page_stats(&a);
	set(0x40000000, FRAME | PTE_P);
	set(0x40200000, FRAME | PTE_P);
	page_stats(&b);
	ck_assert_uint_eq(a.free - b.free, 4); /* two leaf tables below one directory below one */
	*set(0x40000000, 0) = 0;
	pt_prune(root, 0x40000000, 0x40001000, 0x40000000, 0x401ff000); /* the neighbour at 0x401ff000 is someone's */
	page_stats(&b);
	ck_assert_uint_eq(a.free - b.free, 4);
	pt_prune(root, 0x40000000, 0x40001000, 0, 0x40200000);
	page_stats(&b);
	ck_assert_uint_eq(a.free - b.free, 3);
	*set(0x40200000, 0) = 0;
	pt_prune(root, 0x40200000, 0x40201000, 0, USER_MAX);
	page_stats(&b);
	ck_assert_uint_eq(a.free, b.free);
}
END_TEST

START_TEST(split_huge)
{
	struct page *block = page_alloc(9, 0);
	vaddr_t va = 0x40000000, at;
	bool huge;
	pte_t *e;
	size_t n = 0;

	set(va, 0);
	/* The entry of the level above, by hand. */
	pte_t *top = (pte_t *)pa_va(root) + (va >> 39), *mid = (pte_t *)pa_va(pte_pa(*top)) + (va >> 30 & 511);
	pte_t *dir = (pte_t *)pa_va(pte_pa(*mid)) + (va >> 21 & 511);

	page_put(pa_to_page(pte_pa(*dir)));
	*dir = page_to_pa(block) | PTE_P | PTE_U | PTE_W | PTE_HUGE | PTE_ANON | PTE_NX;
	e = pt_walk(root, va + 0x12345, true, &huge);
	ck_assert(huge && e == dir);
	ck_assert_ptr_eq(pt_next(root, va + 0x5000, USER_MAX, &at, &huge), dir);
	ck_assert(huge);
	ck_assert_uint_eq(at, va);
	fake_fail_after(1);
	ck_assert_int_ne(pt_split(root, va), 0);
	ck_assert_int_eq(pt_split(root, va + 0x3000), 0);
	ck_assert_int_eq(pt_split(root, va), 0);
	for (e = pt_next(root, 0, USER_MAX, &at, &huge); e; e = pt_step(root, e, &at, USER_MAX)) {
		ck_assert(!huge);
		ck_assert_uint_eq(at, va + n * PAGE_SIZE);
		ck_assert_uint_eq(pte_pa(*e), page_to_pa(block) + n * PAGE_SIZE);
		ck_assert_uint_eq(*e & ~PTE_ADDR, PTE_P | PTE_U | PTE_W | PTE_ANON | PTE_NX);
		page_put(pa_to_page(pte_pa(*e)));
		*e = 0;
		n++;
	}
	ck_assert_uint_eq(n, 512);
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("pt", &tc, setup, teardown);

	tcase_add_test(tc, walk);
	tcase_add_test(tc, scan);
	tcase_add_test(tc, prune);
	tcase_add_test(tc, split_huge);
	return s;
}
