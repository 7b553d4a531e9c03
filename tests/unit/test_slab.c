/* The kernel heap itself (other tests use the host's): the file under test is included under other names. */
#define kmalloc t_kmalloc
#define kzalloc t_kzalloc
#define krealloc t_krealloc
#define kfree t_kfree
#define kstrdup t_kstrdup
#define kmalloc_usable t_kmalloc_usable
#define kmalloc_live t_kmalloc_live
#define slab_pages t_slab_pages
#define slab_reclaim t_slab_reclaim
#include "core/mm/slab.c"
#include "tests/unit/unit.h"

static size_t free_at_start;

static size_t free_now(void)
{
	struct page_stats st;

	page_stats(&st);
	return st.free;
}

static void setup(void)
{
	fake_boot(16ul << 20);
	memset(classes, 0, sizeof(classes));
	live = pages = 0;
	free_at_start = free_now();
}

static void teardown(void)
{
	ck_assert_uint_eq(live, 0);
	slab_reclaim();
	ck_assert_uint_eq(pages, 0);
	ck_assert_uint_eq(free_now(), free_at_start);
}

START_TEST(every_size)
{
	for (size_t n = 0; n <= 3 * PAGE_SIZE; n += n < 300 ? 1 : 61) {
		char *a = kmalloc(n), *b = kmalloc(n);

		ck_fast(a != NULL);
		ck_fast((uintptr_t)a % 16 == 0);
		ck_fast((uintptr_t)a % (n >= PAGE_SIZE ? PAGE_SIZE : 16) == 0);
		ck_fast(kmalloc_usable(a) >= n);
		if (n > 32 && n <= SLAB_MAX) /* little is wasted */
			ck_fast(kmalloc_usable(a) <= n * 3 / 2 + 16);
		memset(a, 1, kmalloc_usable(a));
		memset(b, 2, kmalloc_usable(b));
		ck_fast(a[0] == 1);
		ck_fast(n == 0 || a[n - 1] == 1);
		ck_fast(kmalloc_live() == 2);
		kfree(a);
		kfree(b);
	}
	kfree(NULL);
	ck_fast(kmalloc((PAGE_SIZE << PAGE_MAX_ORDER) + 1) == NULL);
	ck_fast(kmalloc(~0ul) == NULL);
}
END_TEST

START_TEST(zero_and_strings)
{
	char *a = kmalloc(100), *b;

	memset(a, 0xff, 100);
	kfree(a);
	b = kzalloc(100);
	ck_assert_ptr_eq(a, b); /* the object freed last */
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(b[i], 0);
	kfree(b);
	a = kstrdup("text");
	ck_assert_str_eq(a, "text");
	kfree(a);
}
END_TEST

START_TEST(resizing)
{
	size_t sizes[] = { 1, 16, 17, 100, 2048, 2049, 5000, 40000, 5000, 300, 20, 0 };
	unsigned char *a = krealloc(NULL, 1);

	a[0] = 7;
	for (size_t i = 1; i < ARRAY_SIZE(sizes); i++) {
		a = krealloc(a, sizes[i]);
		ck_assert_ptr_ne(a, NULL);
		ck_assert_uint_ge(kmalloc_usable(a), sizes[i]);
		if (sizes[i])
			ck_assert_uint_eq(a[0], 7);
	}
	kfree(a);
	/* A failed growth leaves the object as it was; a failed shrink succeeds in place. */
	a = kmalloc(3000);
	a[2999] = 9;
	fake_fail_after(1);
	ck_assert_ptr_eq(krealloc(a, 100000), NULL);
	ck_assert(fake_failed());
	ck_assert_uint_eq(a[2999], 9);
	slab_reclaim(); /* no page of that class is left */
	fake_fail_after(1);
	ck_assert_ptr_eq(krealloc(a, 10), a);
	fake_fail_after(0);
	kfree(a);
}
END_TEST

START_TEST(runs_out_and_recovers)
{
	size_t n = 0;
	void *list = NULL, *p;

	while ((p = kmalloc(1000))) {
		*(void **)p = list;
		list = p;
		n++;
	}
	ck_fast(n >= (free_at_start - 1) * 3);
	ck_fast(list != NULL);
	while (list) {
		p = list;
		list = *(void **)p;
		kfree(p);
	}
	ck_fast(pages == 1);
}
END_TEST

START_TEST(bad_frees_panic)
{
	ck_assert_panic(kfree((void *)0x1000), "assertion");
}
END_TEST

START_TEST(random_stress)
{
	struct { unsigned char *p; size_t n; } o[500] = { 0 };
	uint64_t seed = 5 + (uint64_t)_i;

	for (int round = 0; round < 60000; round++) {
		unsigned k = unit_random(&seed) % 500;

		if (o[k].p) {
			for (size_t i = 0; i < o[k].n; i += 13)
				ck_fast(o[k].p[i] == (unsigned char)k);
			if (unit_random(&seed) % 4) {
				kfree(o[k].p);
				o[k].p = NULL;
				continue;
			}
		}
		size_t n = unit_random(&seed) % (unit_random(&seed) % 8 ? 300 : 6000);
		unsigned char *p = krealloc(o[k].p, n);

		ck_fast(p != NULL);
		for (size_t i = 0; o[k].p && i < MIN(n, o[k].n); i += 13)
			ck_fast(p[i] == (unsigned char)k);
		memset(p, (int)k, n);
		o[k].p = p;
		o[k].n = n;
	}
	for (unsigned k = 0; k < 500; k++)
		kfree(o[k].p);
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("slab", &tc, setup, teardown);

	tcase_add_test(tc, every_size);
	tcase_add_test(tc, zero_and_strings);
	tcase_add_test(tc, resizing);
	tcase_add_test(tc, runs_out_and_recovers);
	tcase_add_test(tc, bad_frees_panic);
	tcase_add_loop_test(tc, random_stress, 0, 3);
	return s;
}
