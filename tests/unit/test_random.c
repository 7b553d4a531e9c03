/* The random generator. The source is included, so that its block function can be given the key of a test vector. */
#include <string.h>

#include "core/random.c"
#include "tests/unit/unit.h"

#define RAM (16ul << 20)

/* As at boot. */
static void reset(void)
{
	memset(key, 0, sizeof(key));
	memset(pool, 0, sizeof(pool));
	pool_used = sizeof(pool);
	refills = 0;
	seeded = false;
}

static void setup(void)
{
	fake_boot(RAM);
	reset();
}

static void teardown(void) { fake_check_leaks(); }

/* RFC 8439, appendix A.1, test vectors 1 to 3: nonce 0, as ours is. */
static const unsigned char vector1[64] = {
	0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90, 0x40, 0x5d, 0x6a, 0xe5, 0x53, 0x86, 0xbd, 0x28,
	0xbd, 0xd2, 0x19, 0xb8, 0xa0, 0x8d, 0xed, 0x1a, 0xa8, 0x36, 0xef, 0xcc, 0x8b, 0x77, 0x0d, 0xc7,
	0xda, 0x41, 0x59, 0x7c, 0x51, 0x57, 0x48, 0x8d, 0x77, 0x24, 0xe0, 0x3f, 0xb8, 0xd8, 0x4a, 0x37,
	0x6a, 0x43, 0xb8, 0xf4, 0x15, 0x18, 0xa1, 0x1c, 0xc3, 0x87, 0xb6, 0x69, 0xb2, 0xee, 0x65, 0x86,
};
static const unsigned char vector2[64] = {
	0x9f, 0x07, 0xe7, 0xbe, 0x55, 0x51, 0x38, 0x7a, 0x98, 0xba, 0x97, 0x7c, 0x73, 0x2d, 0x08, 0x0d,
	0xcb, 0x0f, 0x29, 0xa0, 0x48, 0xe3, 0x65, 0x69, 0x12, 0xc6, 0x53, 0x3e, 0x32, 0xee, 0x7a, 0xed,
	0x29, 0xb7, 0x21, 0x76, 0x9c, 0xe6, 0x4e, 0x43, 0xd5, 0x71, 0x33, 0xb0, 0x74, 0xd8, 0x39, 0xd5,
	0x31, 0xed, 0x1f, 0x28, 0x51, 0x0a, 0xfb, 0x45, 0xac, 0xe1, 0x0a, 0x1f, 0x4b, 0x79, 0x4d, 0x6f,
};
static const unsigned char vector3[64] = { /* key …01 */
	0x3a, 0xeb, 0x52, 0x24, 0xec, 0xf8, 0x49, 0x92, 0x9b, 0x9d, 0x82, 0x8d, 0xb1, 0xce, 0xd4, 0xdd,
	0x83, 0x20, 0x25, 0xe8, 0x01, 0x8b, 0x81, 0x60, 0xb8, 0x22, 0x84, 0xf3, 0xc9, 0x49, 0xaa, 0x5a,
	0x8e, 0xca, 0x00, 0xbb, 0xb4, 0xa7, 0x3b, 0xda, 0xd1, 0x92, 0xb5, 0xc4, 0x2f, 0x73, 0xf2, 0xfd,
	0x4e, 0x27, 0x36, 0x44, 0xc8, 0xb3, 0x61, 0x25, 0xa6, 0x4a, 0xdd, 0xeb, 0x00, 0x6c, 0x13, 0xa0,
};

START_TEST(rfc8439_blocks)
{
	unsigned char out[64];

	chacha_block(0, out);
	ck_assert_mem_eq(out, vector1, 64);
	chacha_block(1, out);
	ck_assert_mem_eq(out, vector2, 64);
	key[7] = 0x01000000;
	chacha_block(1, out);
	ck_assert_mem_eq(out, vector3, 64);
}
END_TEST

/* RFC 8439, 2.1.1. */
START_TEST(rfc8439_quarter_round)
{
	uint32_t x[4] = { 0x11111111, 0x01020304, 0x9b8d6f43, 0x01234567 };

	quarter(x, 0, 1, 2, 3);
	ck_assert_uint_eq(x[0], 0xea2a92f4);
	ck_assert_uint_eq(x[1], 0xcb1cf8ce);
	ck_assert_uint_eq(x[2], 0x4581472e);
	ck_assert_uint_eq(x[3], 0x5881c4bb);
}
END_TEST

START_TEST(lengths)
{
	static const size_t lens[] = { 0, 1, 7, 31, 32, 63, 64, 223, 224, 225, 256, 1000, 4096 };
	unsigned char buf[4096 + 2];

	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		unsigned same = 0;

		memset(buf, 0x5a, sizeof(buf));
		random_bytes(buf + 1, lens[i]);
		ck_assert_uint_eq(buf[0], 0x5a);
		ck_assert_uint_eq(buf[1 + lens[i]], 0x5a);
		for (size_t k = 0; k < lens[i]; k++)
			same += buf[1 + k] == 0x5a;
		ck_assert_uint_le(same, 1 + lens[i] / 32); /* it was all written */
	}
}
END_TEST

/* What is read in one piece and in many is the same stream. */
START_TEST(pieces_make_the_same_stream)
{
	unsigned char whole[1000], parts[1000];

	fake_boot(RAM);
	random_bytes(whole, sizeof(whole));
	fake_boot(RAM);
	reset();
	for (size_t at = 0, n = 1; at < sizeof(parts); at += n, n = n * 2 + 1)
		random_bytes(parts + at, n = MIN(n, sizeof(parts) - at));
	ck_assert_mem_eq(whole, parts, sizeof(whole));
}
END_TEST

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

START_TEST(no_repetition)
{
	static uint64_t v[20000];
	unsigned ones = 0;

	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		v[i] = random_u64();
		ones += (unsigned)__builtin_popcountl(v[i]);
	}
	qsort(v, ARRAY_SIZE(v), sizeof(*v), by_value);
	for (size_t i = 1; i < ARRAY_SIZE(v); i++)
		ck_fast(v[i] != v[i - 1]);
	/* 64 · 20,000 fair coins: 640,000 heads, standard deviation 566. The seed is fixed, so this cannot fail by chance. */
	ck_assert_uint_gt(ones, 637000);
	ck_assert_uint_lt(ones, 643000);
}
END_TEST

START_TEST(mixing_changes_the_output)
{
	uint64_t plain[2], mixed[2], other[2];

	fake_boot(RAM);
	plain[0] = random_u64();
	plain[1] = random_u64();
	fake_boot(RAM);
	reset();
	mixed[0] = random_u64();
	ck_assert_uint_eq(mixed[0], plain[0]);
	random_mix("x", 1);
	mixed[1] = random_u64();
	ck_assert_uint_ne(mixed[1], plain[1]);
	fake_boot(RAM);
	reset();
	other[0] = random_u64();
	random_mix("y", 1);
	other[1] = random_u64();
	ck_assert_uint_ne(other[1], mixed[1]);
	ck_assert_uint_ne(other[1], plain[1]);
}
END_TEST

/* Nobody can mix the host's seed away: mixed first, or with more bytes than the key has. */
START_TEST(mixing_keeps_the_seed)
{
	unsigned char junk[100];
	uint64_t a;

	memset(junk, 0, sizeof(junk));
	random_mix(junk, 0);
	random_mix(junk, sizeof(junk));
	a = random_u64();
	reset(); /* the fake host answers with other bytes now */
	random_mix(junk, 0);
	random_mix(junk, sizeof(junk));
	ck_assert_uint_ne(random_u64(), a);
	memset(junk, 0xa7, sizeof(junk));
	for (unsigned i = 0; i < 200; i++)
		random_mix(junk, sizeof(junk));
	ck_assert_uint_ne(random_u64(), 0);
}
END_TEST

/* What was handed out is gone from the state, and so is the key that made it. */
START_TEST(output_is_erased)
{
	unsigned char out[100];
	uint32_t before[8];

	random_bytes(out, sizeof(out));
	for (size_t i = 0; i < pool_used; i++)
		ck_fast(pool[i] == 0);
	memcpy(before, key, sizeof(key));
	random_bytes(out, sizeof(out)); /* the next refill */
	random_bytes(out, sizeof(out));
	ck_assert_mem_ne(before, key, sizeof(key));
}
END_TEST

START_TEST(host_is_asked_again)
{
	unsigned char block[sizeof(pool) - sizeof(key)];
	unsigned char a[sizeof(block)], expected[64];
	uint32_t next_key[8];

	for (int i = 0; i < 64; i++)
		random_bytes(block, sizeof(block));
	ck_assert_uint_eq(refills, 64);
	chacha_block(1, expected); /* what would come without a new seed */
	memcpy(next_key, key, sizeof(key));
	random_bytes(a, sizeof(a));
	ck_assert_uint_eq(refills, 65);
	ck_assert_mem_ne(a + 32, expected, 64);
	memcpy(key, next_key, sizeof(key)); /* and without: as expected */
	refills = 1;
	random_bytes(a, sizeof(a));
	ck_assert_mem_eq(a + 32, expected, 64);
}
END_TEST

/* A seed from the boot blob: the platform is not asked for the first bytes, and still is for the 64th refill. */
START_TEST(seed_of_the_blob)
{
	unsigned char seed[RANDOM_SEED], block[sizeof(pool) - sizeof(key)], first[sizeof(block)], expected[64];

	memset(seed, 0x5e, sizeof(seed));
	random_seed(seed);
	chacha_block(1, expected);
	random_bytes(first, sizeof(first));
	ck_assert_mem_eq(first + 32, expected, sizeof(expected));
	for (int i = 1; i < 64; i++)
		random_bytes(block, sizeof(block));
	chacha_block(1, expected);
	random_bytes(block, sizeof(block));
	ck_assert_mem_ne(block + 32, expected, sizeof(expected));
	reset();
	seed[0]++;
	random_seed(seed);
	random_bytes(block, sizeof(block));
	ck_assert_mem_ne(block, first, sizeof(first));
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *suite = unit_suite_new("random", &tc, setup, teardown);

	tcase_add_test(tc, rfc8439_blocks);
	tcase_add_test(tc, rfc8439_quarter_round);
	tcase_add_test(tc, lengths);
	tcase_add_test(tc, pieces_make_the_same_stream);
	tcase_add_test(tc, no_repetition);
	tcase_add_test(tc, mixing_changes_the_output);
	tcase_add_test(tc, mixing_keeps_the_seed);
	tcase_add_test(tc, output_is_erased);
	tcase_add_test(tc, host_is_asked_again);
	tcase_add_test(tc, seed_of_the_blob);
	return suite;
}
