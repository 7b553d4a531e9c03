/* kvsnprintf against the host's snprintf, number parsing, copying and hashing. */
#include <stdio.h>

#include "core/lib/util.h"
#include "shim/abi/errno.h"
#include "tests/unit/unit.h"

static void setup(void)
{
}

static void teardown(void)
{
}

/* The same text and the same length from both formatters. */
#define SAME(...) do { \
	char a_[256], b_[256]; \
	int n_ = snprintf(b_, sizeof(b_), __VA_ARGS__), m_ = ksnprintf(a_, sizeof(a_), __VA_ARGS__); \
	ck_assert_str_eq(a_, b_); \
	ck_assert_int_eq(m_, n_); \
} while (0)

#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-overflow"
#pragma GCC diagnostic ignored "-Wformat-truncation"

START_TEST(integers)
{
	static const long values[] = { 0, 1, -1, 7, 42, -42, 255, 65536, 2147483647, -2147483647 - 1, 4294967295,
				       INT64_MAX, INT64_MIN, 0x123456789abcdef };
	static const char *const flags[] = { "", "-", "0", "+", " ", "#", "-#", "0#", "+0", " 0", "-+", "0-" };
	static const char *const sizes[] = { "", "1", "8", "20", ".0", ".1", ".5", "8.5", "5.8", "20.10" };
	static const char *const lengths[] = { "hh", "h", "", "l", "ll", "z", "t", "j" };
	static const char convs[] = "diuxXo";
	char fmt[32];

	for (size_t v = 0; v < ARRAY_SIZE(values); v++)
		for (size_t f = 0; f < ARRAY_SIZE(flags); f++)
			for (size_t s = 0; s < ARRAY_SIZE(sizes); s++)
				for (size_t l = 0; l < ARRAY_SIZE(lengths); l++)
					for (const char *c = convs; *c; c++) {
						snprintf(fmt, sizeof(fmt), "<%%%s%s%s%c>", flags[f], sizes[s], lengths[l], *c);
						SAME(fmt, values[v]);
					}
}
END_TEST

START_TEST(text_and_others)
{
	SAME("plain");
	SAME("%%");
	SAME("%s|%10s|%-10s|%.2s|%10.2s|%-10.1s|", "abc", "abc", "abc", "abc", "abc", "abc");
	SAME("%.*s|%*s|%*s|", 2, "abcdef", 6, "ab", -6, "ab");
	SAME("%c|%5c|%-5c|", 'x', 'y', 'z');
	SAME("%p", (void *)0x1234abcd);
	SAME("%.3s", "ab");
	SAME("%*d|%.*d", 8, 5, 3, 7);
	SAME("%lu %zu %s %#lx", 1ul, (size_t)2, "three", 4ul);
}
END_TEST

START_TEST(not_ours)
{
	char b[32];

	ksnprintf(b, sizeof(b), "%s", (char *)NULL);
	ck_assert_str_eq(b, "(null)");
	ksnprintf(b, sizeof(b), "a%kb");
	ck_assert_str_eq(b, "a%kb");
	ksnprintf(b, sizeof(b), "a%");
	ck_assert_str_eq(b, "a%");
	ksnprintf(b, sizeof(b), "%-08.3");
	ck_assert_str_eq(b, "%-08.3");
}
END_TEST

START_TEST(cut_off)
{
	for (size_t size = 0; size < 12; size++) {
		char a[16], b[16];

		memset(a, '!', sizeof(a));
		memset(b, '!', sizeof(b));
		ck_assert_int_eq(ksnprintf(a, size, "%s-%d", "hello", 1234), snprintf(b, size, "%s-%d", "hello", 1234));
		ck_assert_mem_eq(a, b, sizeof(a));
	}
	ck_assert_int_eq(ksnprintf(NULL, 0, "%5d", 1), 5);
}
END_TEST

START_TEST(numbers)
{
	static const struct { const char *s; bool ok; uint64_t v; } t[] = {
		{ "0", true, 0 }, { "1", true, 1 }, { "18446744073709551615", true, UINT64_MAX },
		{ "18446744073709551616", false, 0 }, { "99999999999999999999", false, 0 }, { "", false, 0 },
		{ "-1", false, 0 }, { "+1", false, 0 }, { " 1", false, 0 }, { "1 ", false, 0 }, { "12a", false, 0 },
		{ "0x", false, 0 }, { "0x0", true, 0 }, { "0xff", true, 255 }, { "0XFF", true, 255 },
		{ "0xffffffffffffffff", true, UINT64_MAX }, { "0x10000000000000000", false, 0 }, { "0xg", false, 0 },
		{ "010", true, 10 }, { "a", false, 0 }, { ":", false, 0 }, { "@", false, 0 }, { "0x`", false, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		uint64_t v = 77;

		ck_assert_msg(str_to_u64(t[i].s, &v) == t[i].ok, "%s", t[i].s);
		ck_assert_uint_eq(v, t[i].ok ? t[i].v : 77);
	}
}
END_TEST

START_TEST(copying)
{
	char b[6];

	ck_assert_int_eq(str_copy(b, "hello", 6), 0);
	ck_assert_str_eq(b, "hello");
	ck_assert_int_eq(str_copy(b, "hello!", 6), -ENAMETOOLONG);
	ck_assert_str_eq(b, "hello");
	ck_assert_int_eq(str_copy(b, "", 1), 0);
	ck_assert_int_eq(str_copy(b, "x", 1), -ENAMETOOLONG);
	ck_assert_str_eq(b, "");
	b[0] = 'q';
	ck_assert_int_eq(str_copy(b, "x", 0), -ENAMETOOLONG);
	ck_assert_int_eq(b[0], 'q');
}
END_TEST

START_TEST(hashing)
{
	/* Test vectors of FNV-1a, 64 bits. */
	ck_assert_uint_eq(hash_bytes("", 0), 0xcbf29ce484222325ul);
	ck_assert_uint_eq(hash_bytes("a", 1), 0xaf63dc4c8601ec8cul);
	ck_assert_uint_eq(hash_bytes("foobar", 6), 0x85944171f73967e8ul);
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("util", &tc, setup, teardown);

	tcase_add_test(tc, integers);
	tcase_add_test(tc, text_and_others);
	tcase_add_test(tc, not_ours);
	tcase_add_test(tc, cut_off);
	tcase_add_test(tc, numbers);
	tcase_add_test(tc, copying);
	tcase_add_test(tc, hashing);
	return s;
}
