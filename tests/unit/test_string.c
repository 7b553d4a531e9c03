/* The kernel's own mem* and str* against the host's, under other names: the kernel's file is included with them renamed. */
#include "core/main.h"
#include "tests/unit/unit.h"

/* The references, before the names change. */
static void *(*const ref_memmove)(void *, const void *, size_t) = memmove;
static int (*const ref_memcmp)(const void *, const void *, size_t) = memcmp;
static void *(*const ref_memset)(void *, int, size_t) = memset;

#define memcpy k_memcpy
#define memmove k_memmove
#define memset k_memset
#define memcmp k_memcmp
#define memchr k_memchr
#define strlen k_strlen
#define strnlen k_strnlen
#define strcmp k_strcmp
#define strncmp k_strncmp
#undef strchr
#define strchr k_strchr
#define strrchr k_strrchr
#define strstr k_strstr
#undef CORE_LIB_STRING_H
#include "core/lib/string.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef memchr
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp
#undef strchr
#undef strrchr
#undef strstr

#define ROOM 1200

static char a[ROOM], b[ROOM];

static void setup(void)
{
	copy_fsrm = (uint8_t)0;
}

static void teardown(void)
{
	copy_fsrm = 0;
}

static void fill(uint64_t seed)
{
	for (size_t i = 0; i < ROOM; i++)
		a[i] = b[i] = (char)unit_random(&seed);
}

static const size_t lengths[] = { 0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 23, 31, 32, 33, 47, 63, 64, 65, 95, 96, 97, 127, 128, 129,
				  200, 255, 256, 257, 300, 511, 512, 513 };

static void check_moves(void)
{
	for (size_t l = 0; l < ARRAY_SIZE(lengths); l++) {
		for (size_t from = 500; from < 517; from++) {
			for (size_t to = 460; to < 560; to++) {
				size_t n = lengths[l];

				fill(l + from + to);
				ck_fast(k_memmove(a + to, a + from, n) == a + to);
				ref_memmove(b + to, b + from, n);
				ck_fast(ref_memcmp(a, b, ROOM) == 0);
			}
		}
	}
}

static void check_copies_and_sets(void)
{
	for (size_t l = 0; l < ARRAY_SIZE(lengths); l++) {
		for (size_t off = 0; off < 17; off++) {
			size_t n = lengths[l];

			fill(l + off);
			ck_fast(k_memcpy(a + 600 + off, a + 3, n) == a + 600 + off);
			ref_memmove(b + 600 + off, b + 3, n);
			ck_fast(ref_memcmp(a, b, ROOM) == 0);
			ck_fast(k_memset(a + off, 0x1a5, n) == a + off);
			ref_memset(b + off, 0x1a5, n);
			ck_fast(ref_memcmp(a, b, ROOM) == 0);
		}
	}
}

START_TEST(moves)
{
	check_moves();
	check_copies_and_sets();
	copy_fsrm = 1;
	check_copies_and_sets();
	check_moves();
}
END_TEST

static int sign(int x)
{
	return (x > 0) - (x < 0);
}

START_TEST(compares)
{
	uint64_t seed = 3;

	for (int round = 0; round < 20000; round++) {
		size_t n = unit_random(&seed) % 40, at = unit_random(&seed) % 40;

		fill((uint64_t)round + 1);
		b[at] = (char)unit_random(&seed);
		ck_fast(sign(k_memcmp(a, b, n)) == sign(ref_memcmp(a, b, n)));
	}
}
END_TEST

START_TEST(strings)
{
	static const char *const s[] = { "", "a", "b", "ab", "abc", "abcabd", "\x80", "\xff""a", "aaaaab", "needle", "aab", "hay needle",
					 "/usr/lib/x86_64-linux-gnu", "/" };

	for (size_t i = 0; i < ARRAY_SIZE(s); i++) {
		ck_fast(k_strlen(s[i]) == strlen(s[i]));
		for (size_t n = 0; n < 12; n++)
			ck_fast(k_strnlen(s[i], n) == strnlen(s[i], n));
		for (int c = 0; c < 256; c++) {
			ck_fast(k_strchr(s[i], c) == strchr(s[i], c));
			ck_fast(k_strrchr(s[i], c) == strrchr(s[i], c));
			ck_fast(k_memchr(s[i], c, strlen(s[i])) == memchr(s[i], c, strlen(s[i])));
		}
		for (size_t j = 0; j < ARRAY_SIZE(s); j++) {
			ck_fast(sign(k_strcmp(s[i], s[j])) == sign(strcmp(s[i], s[j])));
			ck_fast(k_strstr(s[i], s[j]) == strstr(s[i], s[j]));
			for (size_t n = 0; n < 8; n++)
				ck_fast(sign(k_strncmp(s[i], s[j], n)) == sign(strncmp(s[i], s[j], n)));
		}
	}
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("string", &tc, setup, teardown);

	tcase_add_test(tc, moves);
	tcase_add_test(tc, compares);
	tcase_add_test(tc, strings);
	return s;
}
