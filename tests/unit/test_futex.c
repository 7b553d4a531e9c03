/* futex: wait and wake, bit sets, requeueing, wake-op, PI locks, robust lists, keys. */
#include "core/cpu.h"
#include "core/mm/space.h"
#include "core/proc/futex.h"
#include "core/timer.h"
#include "shim/abi/futex.h"
#include "shim/abi/mman.h"
#include "shim/abi/stat.h"
#include "tests/unit/filetest.h"

#define RAM (32ul << 20)
#define A 0x10000000ul
#define B (A + 64)
#define BAD 0x20000000ul
#define MS NSEC_PER_MSEC
#define ANY FUTEX_BITSET_MATCH_ANY

static struct space *s;
static int result;

static void setup(void)
{
	fake_boot(RAM);
	s = fake_space();
	ck_assert_int_eq(space_mmap(s, A, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				    NULL, 0, NULL), (long)A);
	result = -1;
}

static void teardown(void)
{
	fake_space_drop();
	fake_check_leaks();
}

static void put32(uptr_t at, uint32_t v) { ck_assert_int_eq(copyout(at, &v, 4), 0); }

static uint32_t get32(uptr_t at)
{
	uint32_t v;

	ck_assert_int_eq(copyin(&v, at, 4), 0);
	return v;
}

static void wake_a(void) { result = futex_wake(A, false, 1, ANY); }
static void wake_b(void) { result = futex_wake(B, false, 1, ANY); }

START_TEST(wait_and_wake)
{
	put32(A, 5);
	ck_assert_int_eq(futex_wait(A, false, 6, TIME_NEVER, ANY), -EAGAIN);
	meanwhile(wake_a);
	ck_assert_int_eq(futex_wait(A, false, 5, TIME_NEVER, ANY), 0);
	ck_assert_int_eq(result, 1);
	ck_assert_int_eq(futex_wake(A, false, 10, ANY), 0);
}
END_TEST

START_TEST(ends_of_a_wait)
{
	uint64_t start = clock_mono();

	ck_assert_int_eq(futex_wait(A, false, 0, start + 5 * MS, ANY), -ETIMEDOUT);
	ck_assert_uint_eq(clock_mono(), start + 5 * MS);
	ck_interrupted(futex_wait(A, false, 0, TIME_NEVER, ANY));
	ck_assert_int_eq(futex_wake(A, false, 10, ANY), 0); /* nobody is left behind */
}
END_TEST

START_TEST(bad_addresses)
{
	ck_assert_int_eq(futex_wait(BAD, false, 0, TIME_NEVER, ANY), -EFAULT);
	ck_assert_int_eq(futex_wait(0, false, 0, TIME_NEVER, ANY), -EFAULT);
	ck_assert_int_eq(futex_wake(BAD, false, 1, ANY), 0); /* nobody can wait there */
	ck_assert_int_eq(futex_wake(BAD, true, 1, ANY), -EFAULT);
	ck_assert_int_eq(futex_wake(USER_MAX, false, 1, ANY), -EFAULT);
	ck_assert_int_eq(futex_requeue(BAD, A, false, 1, 1, true, 0), -EFAULT);
	ck_assert_int_eq(futex_wake_op(A, BAD, false, 1, 1, 0), -EFAULT);
	ck_assert_int_eq(futex_lock_pi(BAD, false, TIME_NEVER, false), -EFAULT);
	ck_assert_int_eq(futex_unlock_pi(BAD, false), -EFAULT);
}
END_TEST

static void wake_wrong_bits(void)
{
	result = futex_wake(A, false, 1, 4);
	ck_assert_int_eq(result, 0);
	result = futex_wake(A, false, 1, 6);
}

START_TEST(bit_sets)
{
	meanwhile(wake_wrong_bits);
	ck_assert_int_eq(futex_wait(A, false, 0, TIME_NEVER, 2), 0);
	ck_assert_int_eq(result, 1);
}
END_TEST

static void requeue_then_wake(void)
{
	result = futex_requeue(A, B, false, 0, 5, true, 0);
	ck_assert_int_eq(result, 1);
	ck_assert_int_eq(futex_wake(A, false, 1, ANY), 0);
	wake_b();
}

static void requeue_one_awake(void) { result = futex_requeue(A, B, false, 1, 5, false, 0); }

START_TEST(requeueing)
{
	ck_assert_int_eq(futex_requeue(A, B, false, 1, 1, true, 7), -EAGAIN);
	meanwhile(requeue_then_wake);
	ck_assert_int_eq(futex_wait(A, false, 0, TIME_NEVER, ANY), 0);
	ck_assert_int_eq(result, 1);
	ck_assert_int_eq(futex_requeue(A, B, false, 1, 1, false, 0), 0);
	meanwhile(requeue_one_awake);
	ck_assert_int_eq(futex_wait(A, false, 0, TIME_NEVER, ANY), 0);
	ck_assert_int_eq(result, 1);
}
END_TEST

/* ---- FUTEX_WAKE_OP ---- */

static uint32_t op(unsigned o, unsigned c, int oparg, int cmparg)
{
	return o << 28 | c << 24 | ((uint32_t)oparg & 0xfff) << 12 | ((uint32_t)cmparg & 0xfff);
}

START_TEST(wake_op_arithmetic)
{
	static const struct { unsigned op; int arg; uint32_t before, after; } cases[] = {
		{ 0, 5, 1, 5 }, { 0, -1, 1, 0xffffffff }, { 1, 5, 1, 6 }, { 1, -2, 1, 0xffffffff }, { 2, 6, 9, 15 },
		{ 3, 6, 7, 1 }, { 4, 6, 5, 3 }, { 8 | 2, 4, 1, 17 }, { 8 | 1, 31, 0, 0x80000000 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		put32(B, cases[i].before);
		ck_assert_int_eq(futex_wake_op(A, B, false, 1, 1, op(cases[i].op, 0, cases[i].arg, 0)), 0);
		ck_assert_uint_eq(get32(B), cases[i].after);
	}
	ck_assert_int_eq(futex_wake_op(A, B, false, 1, 1, op(5, 0, 0, 0)), -ENOSYS);
	ck_assert_int_eq(futex_wake_op(A, B, false, 1, 1, op(0, 6, 0, 0)), -ENOSYS);
}
END_TEST

static unsigned cmp_kind;
static int cmp_arg;

static void wake_op_on_b(void)
{
	result = futex_wake_op(A, B, false, 1, 1, op(1, cmp_kind, 1, cmp_arg));
	if (!result)
		wake_b();
	else
		ck_assert_int_eq(result, 1);
}

START_TEST(wake_op_compares_the_old_value)
{
	static const struct { unsigned kind; int arg; bool yes; } cases[] = {
		{ 0, 5, true }, { 0, 6, false }, { 1, 5, false }, { 1, 4, true }, { 2, 6, true }, { 2, 5, false },
		{ 3, 5, true }, { 3, 4, false }, { 4, 4, true }, { 4, 5, false }, { 5, 5, true }, { 5, 6, false },
		{ 4, -1, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		put32(B, 5);
		cmp_kind = cases[i].kind;
		cmp_arg = cases[i].arg;
		meanwhile(wake_op_on_b);
		ck_assert_int_eq(futex_wait(B, false, 5, TIME_NEVER, ANY), 0);
		ck_assert_int_eq(result, 1);
		ck_assert_uint_eq(get32(B), 6);
	}
}
END_TEST

/* ---- keys ---- */

static uptr_t other_mapping;

static void wake_other_mapping(void)
{
	result = futex_wake(other_mapping, false, 1, ANY);
	ck_assert_int_eq(result, 0); /* private: another address is another futex */
	result = futex_wake(other_mapping, true, 1, ANY);
}

START_TEST(shared_file_mappings_meet)
{
	struct file *f;
	uptr_t m1 = 0x30000000, m2 = 0x40000000;

	ck_assert_int_eq(memfd_new("warm", 0, &f), 0);
	ck_assert_int_eq(vfs_truncate(f->inode, 2 * PAGE_SIZE), 0);
	ck_assert_int_eq(space_mmap(s, m1, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, f, 0, NULL),
			 (long)m1);
	ck_assert_int_eq(space_mmap(s, m2, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, f, 1, NULL), (long)m2);
	other_mapping = m2 + 12;
	meanwhile(wake_other_mapping);
	ck_assert_int_eq(futex_wait(m1 + PAGE_SIZE + 12, true, 0, TIME_NEVER, ANY), 0);
	ck_assert_int_eq(result, 1);
	ck_assert_int_eq(space_munmap(s, m1, 2 * PAGE_SIZE), 0);
	ck_assert_int_eq(space_munmap(s, m2, PAGE_SIZE), 0);
	file_put(f);
}
END_TEST

static void wake_shared(void) { result = futex_wake(A, true, 1, ANY); }

START_TEST(private_memory_has_one_key)
{
	meanwhile(wake_shared);
	ck_assert_int_eq(futex_wait(A, false, 0, TIME_NEVER, ANY), 0);
	ck_assert_int_eq(result, 1);
}
END_TEST

/* ---- PI ---- */

static struct thread *peer; /* another thread of the process, which never runs */

static void with_peer(void) { ck_assert_int_eq(thread_new(current_proc(), &peer), 0); }

static void without_peer(void)
{
	list_remove(&peer->proc_link);
	current_proc()->nthreads--;
	thread_put(peer);
}

static void as_peer(int (*fn)(void))
{
	struct thread *me = plat_cpu()->current;

	plat_cpu()->current = peer;
	result = fn();
	plat_cpu()->current = me;
}

static int unlock_a(void) { return futex_unlock_pi(A, false); }
static void peer_unlocks(void) { as_peer(unlock_a); }

START_TEST(pi_without_contention)
{
	uint32_t tid = (uint32_t)current_thread()->tid;

	ck_assert_int_eq(futex_lock_pi(A, false, TIME_NEVER, false), 0);
	ck_assert_uint_eq(get32(A), tid);
	ck_assert_int_eq(futex_lock_pi(A, false, TIME_NEVER, false), -EDEADLK);
	ck_assert_int_eq(futex_lock_pi(A, false, TIME_NEVER, true), -EDEADLK);
	ck_assert_int_eq(futex_unlock_pi(A, false), 0);
	ck_assert_uint_eq(get32(A), 0);
	ck_assert_int_eq(futex_unlock_pi(A, false), -EPERM);
	put32(A, FUTEX_OWNER_DIED);
	ck_assert_int_eq(futex_lock_pi(A, false, TIME_NEVER, true), 0);
	ck_assert_uint_eq(get32(A), tid | FUTEX_OWNER_DIED);
}
END_TEST

START_TEST(pi_hands_over)
{
	uint32_t tid = (uint32_t)current_thread()->tid;

	with_peer();
	put32(A, (uint32_t)peer->tid);
	ck_assert_int_eq(futex_lock_pi(A, false, TIME_NEVER, true), -EAGAIN);
	ck_assert_int_eq(futex_lock_pi(A, false, clock_mono() + MS, false), -ETIMEDOUT);
	meanwhile(peer_unlocks);
	ck_assert_int_eq(futex_lock_pi(A, false, TIME_NEVER, false), 0);
	ck_assert_int_eq(result, 0);
	ck_assert_uint_eq(get32(A), tid);
	put32(A, 0x3ffffff);
	ck_assert_int_eq(futex_lock_pi(A, false, TIME_NEVER, false), -ESRCH);
	without_peer();
}
END_TEST

static void wake_pi(void)
{
	ck_assert_int_eq(futex_wake(A, false, 1, ANY), -EINVAL);
	peer_unlocks();
}

START_TEST(plain_wake_of_a_pi_waiter_is_an_error)
{
	with_peer();
	put32(A, (uint32_t)peer->tid);
	meanwhile(wake_pi);
	ck_assert_int_eq(futex_lock_pi(A, false, TIME_NEVER, false), 0);
	without_peer();
}
END_TEST

/* ---- robust lists ---- */

#define HEAD (A + 1024)
#define NODE(i) (A + 2048 + 64 * (uptr_t)(i))
#define OFFSET 16

static void put64(uptr_t at, uint64_t v) { ck_assert_int_eq(copyout(at, &v, 8), 0); }

static void robust_list(unsigned n, uptr_t pending)
{
	put64(HEAD, n ? NODE(0) : HEAD);
	put64(HEAD + 8, OFFSET);
	put64(HEAD + 16, pending);
	for (unsigned i = 0; i < n; i++)
		put64(NODE(i), i + 1 < n ? NODE(i + 1) : HEAD);
	current_thread()->robust_list = HEAD;
}

START_TEST(owner_dies)
{
	uint32_t tid = (uint32_t)current_thread()->tid;

	robust_list(3, 0);
	put32(NODE(0) + OFFSET, tid);
	put32(NODE(1) + OFFSET, tid | FUTEX_WAITERS);
	put32(NODE(2) + OFFSET, tid + 1); /* somebody else's */
	futex_exit_robust(current_thread());
	ck_assert_uint_eq(get32(NODE(0) + OFFSET), FUTEX_OWNER_DIED);
	ck_assert_uint_eq(get32(NODE(1) + OFFSET), FUTEX_OWNER_DIED | FUTEX_WAITERS);
	ck_assert_uint_eq(get32(NODE(2) + OFFSET), tid + 1);
	ck_assert_uint_eq(current_thread()->robust_list, 0);
}
END_TEST

START_TEST(operation_was_pending)
{
	robust_list(0, NODE(5));
	put32(NODE(5) + OFFSET, (uint32_t)current_thread()->tid);
	futex_exit_robust(current_thread());
	ck_assert_uint_eq(get32(NODE(5) + OFFSET), FUTEX_OWNER_DIED);
}
END_TEST

static void pending_release_of_a(void)
{
	robust_list(0, A);
	put32(A + OFFSET, 0); /* unlocked already, but whoever waits has not been told */
	futex_exit_robust(current_thread());
}

START_TEST(pending_unlock_wakes)
{
	put32(A + OFFSET, 1);
	meanwhile(pending_release_of_a);
	ck_assert_int_eq(futex_wait(A + OFFSET, false, 1, TIME_NEVER, ANY), 0);
}
END_TEST

START_TEST(bad_robust_lists_end)
{
	robust_list(2, BAD);
	put64(NODE(1), NODE(0)); /* a circle without the head */
	put32(NODE(0) + OFFSET, (uint32_t)current_thread()->tid);
	futex_exit_robust(current_thread());
	ck_assert_uint_eq(get32(NODE(0) + OFFSET), FUTEX_OWNER_DIED);
	robust_list(1, 0);
	put64(NODE(0), BAD);
	futex_exit_robust(current_thread());
	current_thread()->robust_list = BAD;
	futex_exit_robust(current_thread());
	current_thread()->robust_list = 0;
}
END_TEST

static void die_with_it(void)
{
	struct thread *me = plat_cpu()->current;

	robust_list(1, 0);
	put64(HEAD, NODE(0) | 1); /* a PI futex */
	put32(NODE(0) + OFFSET, (uint32_t)peer->tid | FUTEX_WAITERS);
	peer->robust_list = HEAD;
	me->robust_list = 0;
	plat_cpu()->current = peer;
	futex_exit_robust(peer);
	plat_cpu()->current = me;
}

START_TEST(pi_owner_dies)
{
	with_peer();
	put32(NODE(0) + OFFSET, (uint32_t)peer->tid);
	meanwhile(die_with_it);
	ck_assert_int_eq(futex_lock_pi(NODE(0) + OFFSET, false, TIME_NEVER, false), 0);
	ck_assert_uint_eq(get32(NODE(0) + OFFSET), (uint32_t)current_thread()->tid | FUTEX_OWNER_DIED);
	without_peer();
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *suite = unit_suite_new("futex", &tc, setup, teardown);

	tcase_add_test(tc, wait_and_wake);
	tcase_add_test(tc, ends_of_a_wait);
	tcase_add_test(tc, bad_addresses);
	tcase_add_test(tc, bit_sets);
	tcase_add_test(tc, requeueing);
	tcase_add_test(tc, wake_op_arithmetic);
	tcase_add_test(tc, wake_op_compares_the_old_value);
	tcase_add_test(tc, shared_file_mappings_meet);
	tcase_add_test(tc, private_memory_has_one_key);
	tcase_add_test(tc, pi_without_contention);
	tcase_add_test(tc, pi_hands_over);
	tcase_add_test(tc, plain_wake_of_a_pi_waiter_is_an_error);
	tcase_add_test(tc, owner_dies);
	tcase_add_test(tc, operation_was_pending);
	tcase_add_test(tc, pending_unlock_wakes);
	tcase_add_test(tc, bad_robust_lists_end);
	tcase_add_test(tc, pi_owner_dies);
	return suite;
}
