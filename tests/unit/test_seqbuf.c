/* The growing text buffer: growth at every boundary, and running out of memory. */
#include "core/lib/seqbuf.h"
#include "core/mm/slab.h"
#include "tests/unit/unit.h"

static struct seqbuf b;

static void setup(void)
{
	fake_boot(1 << 20);
	seqbuf_init(&b);
}

static void teardown(void)
{
	seqbuf_free(&b);
	fake_check_leaks();
}

START_TEST(appends)
{
	seqbuf_str(&b, "one ");
	seqbuf_put(&b, "two!", 3);
	seqbuf_put(&b, NULL, 0);
	seqbuf_printf(&b, " %s %d", "three", 4);
	ck_assert_uint_eq(b.len, 15);
	ck_assert_mem_eq(b.data, "one two three 4", 15);
	ck_assert(!b.failed);
	ck_assert_ptr_ne(b.data, NULL);
}
END_TEST

START_TEST(every_length)
{
	/* A text of each length up to beyond two doublings, formatted behind another of each small length. */
	static char text[1200];

	memset(text, 'x', sizeof(text));
	for (int n = 0; n < 1100; n++) {
		seqbuf_str(&b, "head");
		seqbuf_printf(&b, "%.*s%s", n, text, "tail");
		ck_assert_uint_eq(b.len, (size_t)n + 8);
		ck_assert_mem_eq(b.data, "head", 4);
		ck_assert_mem_eq(b.data + 4, text, (size_t)n);
		ck_assert_mem_eq(b.data + 4 + n, "tail", 4);
		seqbuf_free(&b);
	}
}
END_TEST

START_TEST(fails_as_a_whole)
{
	FAKE_EACH_FAILURE(n) {
		seqbuf_free(&b);
		for (int i = 0; i < 200; i++)
			seqbuf_printf(&b, "line %d\n", i);
		ck_assert_int_eq(b.failed, fake_failed());
		if (b.failed) {
			ck_assert_ptr_eq(b.data, NULL);
			ck_assert_uint_eq(b.len, 0);
		}
	}
	ck_assert(!b.failed);
	ck_assert_uint_eq(b.len, 10 * 7 + 90 * 8 + 100 * 9);
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("seqbuf", &tc, setup, teardown);

	tcase_add_test(tc, appends);
	tcase_add_test(tc, every_length);
	tcase_add_test(tc, fails_as_a_whole);
	return s;
}
