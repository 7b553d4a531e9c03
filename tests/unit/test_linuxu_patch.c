/* The instruction side of linuxu's patching: which syscall sites may become jumps, and what is written there. */
#include <string.h>

#include "plat/linuxu/patch.h"
#include "tests/unit/unit.h"

/* ---- P1: the instruction before the syscall ---- */

static bool can_move(const uint8_t *tail, size_t len, uint32_t nr)
{
	uint8_t code[PATCH_BACK];

	memset(code, 0x90, sizeof(code));
	memcpy(code + sizeof(code) - len, tail, len);
	return patch_can_move(code, nr);
}

START_TEST(a_mov_of_the_number_can_be_moved)
{
	static const uint8_t mov[] = { 0xb8, 0x27, 0, 0, 0 };

	ck_assert(can_move(mov, sizeof(mov), 39));
	ck_assert(!can_move(mov, sizeof(mov), 38)); /* not the number that was trapped: somebody jumped to the syscall */
}
END_TEST

START_TEST(a_mov_with_a_rex_prefix_is_another_one)
{
	uint8_t mov[] = { 0, 0xb8, 0x27, 0, 0, 0 };

	for (unsigned b = 0; b < 256; b++) {
		mov[0] = (uint8_t)b;
		/* 41 b8 is mov $imm,%r8d */
		ck_assert_msg(can_move(mov, sizeof(mov), 39) == !(b >= 0x40 && b <= 0x4f), "byte %02x", b);
	}
}
END_TEST

START_TEST(other_instructions_stay)
{
	static const uint8_t edi[] = { 0xbf, 0x27, 0, 0, 0 };
	static const uint8_t rax[] = { 0x48, 0xc7, 0xc0, 0x27, 0, 0, 0 };
	static const uint8_t store[] = { 0x4c, 0x89, 0x5c, 0x24, 0x08 };

	ck_assert(!can_move(edi, sizeof(edi), 39));
	ck_assert(!can_move(rax, sizeof(rax), 39));
	ck_assert(!can_move(store, sizeof(store), 39));
}
END_TEST

START_TEST(musls_cancellation_point_is_known)
{
	uint8_t code[] = { 0x48, 0x89, 0xf0, 0x48, 0x89, 0xd7, 0x48, 0x89, 0xce, 0x4c, 0x89, 0xc2, 0x4d, 0x89, 0xca, 0x4c,
			   0x8b, 0x44, 0x24, 0x08, 0x4c, 0x8b, 0x4c, 0x24, 0x10, 0x4c, 0x89, 0x5c, 0x24, 0x08 };

	ck_assert(can_move(code, sizeof(code), 0));
	ck_assert(can_move(code, sizeof(code), 1));
	code[12] ^= 1;
	ck_assert(!can_move(code, sizeof(code), 1));
}
END_TEST

/* ---- instruction lengths ---- */

static const struct {
	uint8_t code[15];
	unsigned len;
	enum insn_kind kind;
} insns[] = {
	{ { 0xc3 }, 1, INSN_LEAVES },
	{ { 0xf3, 0xc3 }, 2, INSN_LEAVES },
	{ { 0xc2, 0x08, 0x00 }, 3, INSN_LEAVES },
	{ { 0xeb, 0x10 }, 2, INSN_LEAVES },
	{ { 0xe9, 1, 2, 3, 4 }, 5, INSN_LEAVES },
	{ { 0xff, 0xe0 }, 2, INSN_LEAVES },                         /* jmp *%rax */
	{ { 0xff, 0x25, 1, 2, 3, 4 }, 6, INSN_LEAVES },             /* jmp *x(%rip) */
	{ { 0xff, 0xd0 }, 2, INSN_PLAIN },                          /* call *%rax */
	{ { 0xf4 }, 1, INSN_LEAVES },                               /* hlt */
	{ { 0x0f, 0x0b }, 2, INSN_LEAVES },                         /* ud2 */
	{ { 0x90 }, 1, INSN_PADDING },
	{ { 0x66, 0x90 }, 2, INSN_PADDING },
	{ { 0xcc }, 1, INSN_PADDING },
	{ { 0x0f, 0x1f, 0x00 }, 3, INSN_PADDING },
	{ { 0x0f, 0x1f, 0x40, 0x00 }, 4, INSN_PADDING },
	{ { 0x0f, 0x1f, 0x44, 0x00, 0x00 }, 5, INSN_PADDING },
	{ { 0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00 }, 6, INSN_PADDING },
	{ { 0x0f, 0x1f, 0x80, 0, 0, 0, 0 }, 7, INSN_PADDING },
	{ { 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0 }, 10, INSN_PADDING },
	{ { 0xf3, 0x90 }, 2, INSN_PLAIN },                          /* pause */
	{ { 0x41, 0x90 }, 2, INSN_PLAIN },                          /* xchg %r8,%rax */
	{ { 0xf3, 0x0f, 0x1e, 0xfa }, 4, INSN_PLAIN },              /* endbr64 */
	{ { 0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff }, 6, INSN_PLAIN },  /* cmp $imm32,%rax */
	{ { 0x66, 0x3d, 0x01, 0x00 }, 4, INSN_PLAIN },              /* cmp $imm16,%ax */
	{ { 0x73, 0x01 }, 2, INSN_PLAIN },                          /* jae */
	{ { 0x0f, 0x83, 1, 2, 3, 4 }, 6, INSN_PLAIN },              /* jae rel32 */
	{ { 0x48, 0x8b, 0x0d, 1, 2, 3, 4 }, 7, INSN_PLAIN },        /* mov x(%rip),%rcx */
	{ { 0xf7, 0xd8 }, 2, INSN_PLAIN },                          /* neg %eax */
	{ { 0xf7, 0xc0, 1, 2, 3, 4 }, 6, INSN_PLAIN },              /* test $imm32,%eax */
	{ { 0xf6, 0xc1, 0x01 }, 3, INSN_PLAIN },                    /* test $imm8,%cl */
	{ { 0x64, 0x89, 0x01 }, 3, INSN_PLAIN },                    /* mov %eax,%fs:(%rcx) */
	{ { 0x48, 0x83, 0xc8, 0xff }, 4, INSN_PLAIN },              /* or $-1,%rax */
	{ { 0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8 }, 10, INSN_PLAIN }, /* movabs */
	{ { 0x66, 0xb8, 1, 2 }, 4, INSN_PLAIN },
	{ { 0x48, 0xa1, 1, 2, 3, 4, 5, 6, 7, 8 }, 10, INSN_PLAIN },
	{ { 0x48, 0x8d, 0x84, 0x24, 1, 2, 3, 4 }, 8, INSN_PLAIN },  /* lea disp32(%rsp),%rax */
	{ { 0x8b, 0x04, 0x85, 1, 2, 3, 4 }, 7, INSN_PLAIN },        /* mov disp32(,%rax,4),%eax */
	{ { 0x0f, 0x29, 0x44, 0x24, 0x10 }, 5, INSN_PLAIN },        /* movaps */
	{ { 0x66, 0x0f, 0x3a, 0x0f, 0xc1, 0x08 }, 6, INSN_PLAIN },  /* palignr */
	{ { 0xc5, 0xf8, 0x77 }, 0, INSN_PLAIN },                    /* vzeroupper: not known */
	{ { 0x62, 0xf1, 0x7c, 0x48, 0x11, 0x07 }, 0, INSN_PLAIN },
	{ { 0x06 }, 0, INSN_PLAIN },                                /* invalid in 64-bit mode */
};

START_TEST(insn_lengths_and_kinds)
{
	enum insn_kind kind;

	ck_assert_uint_eq(patch_insn_len(insns[_i].code, 15, &kind), insns[_i].len);
	if (insns[_i].len) {
		ck_assert_int_eq(kind, insns[_i].kind);
		/* Cut off anywhere, it is not known. */
		for (size_t n = 0; n < insns[_i].len; n++)
			ck_assert_uint_eq(patch_insn_len(insns[_i].code, n, &kind), 0);
	}
}
END_TEST

/* ---- P4: padding in reach ---- */

#define NOPW10 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0

/* Functions at even addresses are said to return. */
static bool odd_crashes(void *arg, vaddr_t function)
{
	return function & 1;
}

static long find(const uint8_t *code, size_t len, vaddr_t at, size_t *pad)
{
	uint8_t window[PATCH_WINDOW];

	memset(window, 0x06, sizeof(window)); /* what nothing matches */
	memcpy(window, code, len);
	*pad = 0;
	return patch_find_padding(window, sizeof(window), at, odd_crashes, NULL, pad);
}

START_TEST(padding_after_a_return)
{
	/* at 0x1001: cmp $-4095,%rax; ret; padding to 0x1010 */
	static const uint8_t code[] = { 0x48, 0x3d, 1, 0xf0, 0xff, 0xff, 0xc3, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0, 0x55 };
	size_t pad;

	ck_assert_int_eq(find(code, sizeof(code), 0x1001, &pad), 7);
	ck_assert_uint_eq(pad, 8);
}
END_TEST

START_TEST(padding_that_is_executed_is_left_alone)
{
	/* mov %rax,%rbx ends in the byte of a ret; the loop after the padding is fallen into */
	static const uint8_t code[] = { 0x48, 0x89, 0xc3, NOPW10, 0xeb, 0xfe };
	size_t pad;

	ck_assert_int_eq(find(code, sizeof(code), 0x1003, &pad), -1);
}
END_TEST

START_TEST(padding_must_end_at_a_boundary)
{
	/* ret, then a patchable function entry that is no padding: the boundary comes later */
	static const uint8_t code[] = { 0xc3, 0x0f, 0x1f, 0x44, 0, 0, 0x55, 0x48, 0x89, 0xe5, 0x5d, 0xc3 };
	size_t pad;

	ck_assert_int_eq(find(code, sizeof(code), 0x1000, &pad), -1);
}
END_TEST

START_TEST(a_nop_at_a_function_start_is_no_padding)
{
	/* ret at …f, then at the boundary a function that begins with a five-byte nop, and ends without padding */
	static const uint8_t code[] = { 0xc3, 0x0f, 0x1f, 0x44, 0, 0, 0x31, 0xc0, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
					0x90, 0x90, 0xc3 };
	size_t pad;

	ck_assert_int_eq(find(code, sizeof(code), 0x100f, &pad), -1);
}
END_TEST

START_TEST(padding_too_small_or_too_far)
{
	static const uint8_t small[] = { 0xc3, 0x0f, 0x1f, 0x40, 0 }; /* four bytes to the boundary */
	uint8_t far[PATCH_WINDOW];
	size_t pad;

	ck_assert_int_eq(find(small, sizeof(small), 0x100b, &pad), -1);
	/* 126 one-byte pops, a ret: the padding begins at offset 127 */
	memset(far, 0x58, sizeof(far));
	far[126] = 0xc3;
	memset(far + 127, 0xcc, 16);
	ck_assert_int_eq(patch_find_padding(far, sizeof(far), 0x1000 - 127, odd_crashes, NULL, &pad), -1); /* none before the boundary */
	ck_assert_int_eq(patch_find_padding(far, sizeof(far), 0x1008 - 127, odd_crashes, NULL, &pad), 127);
	memmove(far + 127, far + 126, 17);
	far[126] = 0x58;
	ck_assert_int_eq(patch_find_padding(far, sizeof(far), 0x1008 - 128, odd_crashes, NULL, &pad), -1);
}
END_TEST

START_TEST(what_the_first_site_left_serves_a_second)
{
	/* ret; our jump; int3 to the boundary */
	static const uint8_t code[] = { 0xc3, 0xe9, 1, 2, 3, 4, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0x55 };
	size_t pad;

	ck_assert_int_eq(find(code, sizeof(code), 0x1004, &pad), 6);
	ck_assert_uint_eq(pad, 6);
}
END_TEST

START_TEST(padding_after_a_call_that_does_not_return)
{
	/* call 0x2001, then call 0x2000: padding in both cases to 0x1010 */
	static const uint8_t crash[] = { 0xe8, 0xfc, 0x0f, 0, 0, NOPW10, 0x90 }, plain[] = { 0xe8, 0xfb, 0x0f, 0, 0, NOPW10, 0x90 };
	size_t pad;

	ck_assert_int_eq(find(crash, sizeof(crash), 0x1000, &pad), 5);
	ck_assert_uint_eq(pad, 11);
	ck_assert_int_eq(find(plain, sizeof(plain), 0x1000, &pad), -1);
}
END_TEST

START_TEST(functions_that_crash_at_once)
{
	static const uint8_t hlt[] = { 0xf4, 0xc3 }, frame[] = { 0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x48, 0x89, 0xe5, 0x0f, 0x0b };
	static const uint8_t ret[] = { 0xc3, 0xf4 }, rep_ret[] = { 0xf3, 0xc3, 0xf4 }, test[] = { 0x85, 0xff, 0x75, 0x01, 0xc3, 0xf4 };

	ck_assert(patch_crashes(hlt, sizeof(hlt)));
	ck_assert(patch_crashes(frame, sizeof(frame)));
	ck_assert(!patch_crashes(frame, 8));
	ck_assert(!patch_crashes(ret, sizeof(ret)));
	ck_assert(!patch_crashes(rep_ret, sizeof(rep_ret)));
	ck_assert(!patch_crashes(test, sizeof(test)));
	ck_assert(!patch_crashes(hlt, 0));
}
END_TEST

START_TEST(an_unknown_instruction_ends_the_search)
{
	static const uint8_t code[] = { 0xc5, 0xf8, 0x77, 0xc3, NOPW10 };
	size_t pad;

	ck_assert_int_eq(find(code, sizeof(code), 0x1002, &pad), -1);
}
END_TEST

START_TEST(random_bytes_do_no_harm)
{
	uint8_t code[PATCH_WINDOW];
	uint64_t state = 88172645463325252ul;
	size_t pad;

	for (int round = 0; round < 20000; round++) {
		size_t len = unit_random(&state) % (sizeof(code) + 1);
		uint8_t *exact = malloc(len + 1); /* so that sanitizers see a read beyond */
		long off;

		ck_assert_ptr_nonnull(exact);
		for (size_t i = 0; i < len; i++)
			exact[i] = (uint8_t)unit_random(&state);
		off = patch_find_padding(exact, len, unit_random(&state), odd_crashes, NULL, &pad);
		if (off >= 0) {
			ck_assert_int_le(off, PATCH_REACH);
			ck_assert_uint_ge(pad, 5);
			ck_assert_uint_le((size_t)off + pad, len);
		}
		free(exact);
	}
}
END_TEST

/* ---- what is written ---- */

START_TEST(jumps_reach_both_ways)
{
	static const uint8_t forward[5] = { 0xe9, 0xfb, 0x0f, 0, 0 }, back[5] = { 0xe9, 0xfb, 0xef, 0xff, 0xff };
	uint8_t out[5];

	patch_jump_code(out, 0x1000, 0x2000);
	ck_assert_mem_eq(out, forward, 5);
	patch_jump_code(out, 0x2000, 0x1000);
	ck_assert_mem_eq(out, back, 5);
}
END_TEST

START_TEST(a_trampoline_starts_again_where_it_began)
{
	static const uint8_t mov[5] = { 0xb8, 0x27, 0, 0, 0 };
	static const uint8_t expect[24] = { 0xb8, 0x27, 0, 0, 0, 0x48, 0x8d, 0x0d, 0x07, 0x91, 0x3f, 0, 0xff, 0x25, 0xde, 0xff,
					    0xff, 0xff, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc };
	uint8_t code[24];

	/* lea 0x3f9107(%rip): 0x701c + 0x3f9107 = 0x400123; jmp *-0x22(%rip): 0x7022 - 0x22 = 0x7000 */
	patch_tramp_code(code, 0x7010, 0x7000, 0x400123, mov);
	ck_assert_mem_eq(code, expect, sizeof(code));
	ck_assert_uint_eq(patch_tramp_restart(code, 0x7010), 0x400123 - 7);

	patch_tramp_code(code, 0x7010, 0x7000, 0x123, NULL);
	ck_assert_uint_eq(patch_tramp_restart(code, 0x7010), 0x123 - 2);

	memset(code, 0xcc, sizeof(code));
	ck_assert_uint_eq(patch_tramp_restart(code, 0x7010), 0);
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("linuxu_patch", &tc, NULL, NULL);

	tcase_add_test(tc, a_mov_of_the_number_can_be_moved);
	tcase_add_test(tc, a_mov_with_a_rex_prefix_is_another_one);
	tcase_add_test(tc, other_instructions_stay);
	tcase_add_test(tc, musls_cancellation_point_is_known);
	tcase_add_loop_test(tc, insn_lengths_and_kinds, 0, (int)ARRAY_SIZE(insns));
	tcase_add_test(tc, padding_after_a_return);
	tcase_add_test(tc, padding_that_is_executed_is_left_alone);
	tcase_add_test(tc, padding_must_end_at_a_boundary);
	tcase_add_test(tc, a_nop_at_a_function_start_is_no_padding);
	tcase_add_test(tc, padding_too_small_or_too_far);
	tcase_add_test(tc, what_the_first_site_left_serves_a_second);
	tcase_add_test(tc, padding_after_a_call_that_does_not_return);
	tcase_add_test(tc, functions_that_crash_at_once);
	tcase_add_test(tc, an_unknown_instruction_ends_the_search);
	tcase_add_test(tc, random_bytes_do_no_harm);
	tcase_add_test(tc, jumps_reach_both_ways);
	tcase_add_test(tc, a_trampoline_starts_again_where_it_began);
	return s;
}
