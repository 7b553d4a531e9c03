/* core/x86_64/copy.S itself, on real memory with real faults. The fake platform has its own user copy; this one is linked
 * with every symbol prefixed by real_ (objcopy --prefix-symbols=real_). */
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <valgrind/valgrind.h>

#include "core/types.h"
#include "tests/unit/unit.h"

#define EFAULT_ 14
#define AREA 0x200000000000ul /* two accessible pages, then a hole, then a read-only page */
#define HOLE (AREA + 2 * PAGE_SIZE)
#define READONLY (AREA + 3 * PAGE_SIZE)

size_t real_user_copy_in(void *dst, uptr_t src, size_t len);
size_t real_user_copy_out(uptr_t dst, const void *src, size_t len);
size_t real_user_zero(uptr_t dst, size_t len);
int real_user_load32(uptr_t src, uint32_t *out);
int real_user_cmpxchg32(uptr_t dst, uint32_t old, uint32_t new_val, uint32_t *seen);
uint64_t real_copy_fixup(uint64_t rip);
void real_copy_init(void);
extern uint8_t real_copy_fsrm, real_copy_smap;

static struct sigaction old_segv;
static unsigned faults;

static void on_fault(int sig, siginfo_t *si, void *context)
{
	greg_t *rip = &((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
	uint64_t fix = real_copy_fixup((uint64_t)*rip);

	faults++;
	if (!fix)
		abort();
	*rip = (greg_t)fix;
}

static void setup(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };

	sigaction(SIGSEGV, &sa, &old_segv);
	ck_assert(mmap((void *)AREA, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
		  (void *)AREA);
	munmap((void *)HOLE, PAGE_SIZE);
	mprotect((void *)READONLY, PAGE_SIZE, PROT_READ);
	real_copy_fsrm = (uint8_t)0;
	faults = 0;
}

static void teardown(void)
{
	munmap((void *)AREA, 4 * PAGE_SIZE);
	sigaction(SIGSEGV, &old_segv, NULL);
	real_copy_fsrm = 0;
}

static char at(size_t i)
{
	return (char)(i * 7 + 1);
}

static const size_t lengths[] = { 0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 33, 40, 48, 63, 64, 65, 80, 127, 128, 129,
				  191, 192, 200, 255, 256, 257, 300, 511, 1000, 4096, 5000 };

/* Every length, ending at every distance before and beyond the last accessible byte. */
static void check_bounds(void)
{
	static char buf[6000], before[6000];

	for (size_t l = 0; l < ARRAY_SIZE(lengths); l++) {
		size_t n = lengths[l];

		for (size_t beyond = 0; beyond <= 70; beyond++) {
			size_t ok = n > beyond ? n - beyond : 0;
			char *user = (char *)HOLE - ok;

			if (ok > 2 * PAGE_SIZE)
				continue;
			for (size_t i = 0; i < ok; i++)
				user[i] = at(i);
			user[-1] = 0x77;
			memset(buf, 0, n + 1);
			ck_fast(real_user_copy_in(buf, (uptr_t)user, n) == n - ok);
			for (size_t i = 0; i < ok; i++)
				ck_fast(buf[i] == at(i));
			ck_fast(buf[n] == 0);

			for (size_t i = 0; i < n; i++)
				buf[i] = (char)(at(i) ^ 0x55);
			memcpy(before, buf, n);
			ck_fast(real_user_copy_out((uptr_t)user, buf, n) == n - ok);
			ck_assert_mem_eq(user, before, ok);
			ck_assert_mem_eq(buf, before, n);
			ck_fast(user[-1] == 0x77);

			ck_fast(real_user_zero((uptr_t)user, n) == n - ok);
			for (size_t i = 0; i < ok; i++)
				ck_fast(user[i] == 0);
			ck_fast(user[-1] == 0x77);
		}
	}
}

/* Nothing but the bytes asked for is touched, at any alignment. */
static void check_inside(void)
{
	static char buf[600];
	char *page = (char *)AREA;

	for (size_t l = 0; l < ARRAY_SIZE(lengths) && lengths[l] < 520; l++) {
		for (size_t off = 1; off < 18; off++) {
			size_t n = lengths[l];

			memset(page, 0x11, 600);
			memset(buf, 0x22, sizeof(buf));
			ck_fast(real_user_copy_out(AREA + off, buf + 3, n) == 0);
			for (size_t i = 0; i < 600; i++)
				ck_fast(page[i] == (i >= off && i < off + n ? 0x22 : 0x11));
			ck_fast(real_user_zero(AREA + off, n) == 0);
			for (size_t i = 0; i < 600; i++)
				ck_fast(page[i] == (i >= off && i < off + n ? 0 : 0x11));
			ck_fast(real_user_copy_in(buf + off, AREA, n) == 0);
			for (size_t i = 0; i < 600; i++)
				ck_fast(i < off || i >= off + n ? buf[i] == 0x22 : buf[i] == page[i - off]);
		}
	}
	ck_fast(faults == 0);
}

START_TEST(inside)
{
	check_inside();
	real_copy_fsrm = 1;
	check_inside();
}
END_TEST

START_TEST(page_ends)
{
	check_bounds();
	real_copy_fsrm = 1;
	check_bounds();
}
END_TEST

START_TEST(read_only_page)
{
	char buf[100] = { 0 };
	uint32_t seen;

	ck_assert_uint_eq(real_user_copy_in(buf, READONLY, 100), 0);
	ck_assert_uint_eq(real_user_copy_out(READONLY, buf, 100), 100);
	ck_assert_uint_eq(real_user_zero(READONLY, 100), 100);
	ck_assert_int_eq(real_user_load32(READONLY, &seen), 0);
	ck_assert_int_eq(real_user_cmpxchg32(READONLY, 0, 1, &seen), -EFAULT_);
	ck_assert_int_eq(real_user_cmpxchg32(READONLY, 5, 1, &seen), -EFAULT_);
}
END_TEST

START_TEST(address_limits)
{
	static const uptr_t bad[] = { 0, 1, USER_MIN - 1, USER_MAX, USER_MAX + 1, 0x7fffffffe000, 0x800000000000, 0xffff800000000000,
				      ~0ul - 4, ~0ul };
	uint32_t seen = 0;
	char buf[64];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		for (size_t n = 0; n < 64; n += 7) {
			ck_fast(real_user_copy_in(buf, bad[i], n) == n);
			ck_fast(real_user_copy_out(bad[i], buf, n) == n);
			ck_fast(real_user_zero(bad[i], n) == n);
		}
		ck_fast(real_user_zero(bad[i], ~0ul) == ~0ul);
		ck_fast(real_user_copy_in(buf, bad[i], ~0ul) == ~0ul);
		ck_fast((real_user_load32(bad[i], &seen)) == -EFAULT_);
		ck_fast((real_user_cmpxchg32(bad[i], 0, 1, &seen)) == -EFAULT_);
	}
	ck_fast((real_user_load32(USER_MAX - 3, &seen)) == -EFAULT_);
	/* A length that reaches beyond the end is cut there, a huge one does not wrap. */
	ck_fast(mmap((void *)(USER_MAX - PAGE_SIZE), PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == (void *)(USER_MAX - PAGE_SIZE));
	ck_fast(real_user_copy_in(buf, USER_MAX - 10, 64) == 54);
	ck_fast(real_user_copy_out(USER_MAX - 10, buf, 64) == 54);
	ck_fast(real_user_zero(USER_MAX - 10, 64) == 54);
	ck_fast(real_user_zero(USER_MAX - 10, ~0ul) == ~0ul - 10);
	ck_fast(real_user_zero(USER_MAX - 10, 10) == 0);
	ck_fast((real_user_load32(USER_MAX - 4, &seen)) == 0);
	munmap((void *)(USER_MAX - PAGE_SIZE), PAGE_SIZE);
}
END_TEST

START_TEST(atomics)
{
	uint32_t *p = (uint32_t *)AREA, seen = 0;

	*p = 42;
	ck_assert_int_eq(real_user_load32(AREA, &seen), 0);
	ck_assert_uint_eq(seen, 42);
	ck_assert_int_eq(real_user_cmpxchg32(AREA, 41, 1, &seen), 0);
	ck_assert_uint_eq(seen, 42);
	ck_assert_uint_eq(*p, 42);
	ck_assert_int_eq(real_user_cmpxchg32(AREA, 42, 1, &seen), 0);
	ck_assert_uint_eq(seen, 42);
	ck_assert_uint_eq(*p, 1);
	ck_assert_int_eq(real_user_load32(HOLE, &seen), -EFAULT_);
	ck_assert_int_eq(real_user_load32(HOLE - 2, &seen), -EFAULT_);
	ck_assert_int_eq(real_user_cmpxchg32(HOLE, 0, 1, &seen), -EFAULT_);
}
END_TEST

START_TEST(no_other_code_is_fixed_up)
{
	ck_assert_uint_eq(real_copy_fixup(0), 0);
	ck_assert_uint_eq(real_copy_fixup(~0ul), 0);
	ck_assert_uint_eq(real_copy_fixup((uint64_t)real_copy_fixup), 0);
	ck_assert_uint_eq(real_copy_fixup((uint64_t)on_fault), 0);
	real_copy_init();
	ck_assert_uint_le(real_copy_fsrm, 1);
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("copy", &tc, setup, teardown);

	tcase_add_test(tc, inside);
	tcase_add_test(tc, no_other_code_is_fixed_up);
	if (RUNNING_ON_VALGRIND) /* which reports the faults, and does not give the handler exact registers */
		return s;
	tcase_add_test(tc, page_ends);
	tcase_add_test(tc, read_only_page);
	tcase_add_test(tc, address_limits);
	tcase_add_test(tc, atomics);
	return s;
}
