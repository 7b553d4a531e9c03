/* The scheduler, with real kernel threads: round robin, blocking and waking, idling, slices, ended threads. */
#include "core/mm/page.h"
#include "core/sched.h"
#include "core/timer.h"
#include "core/wait.h"
#include "tests/unit/filetest.h"
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

#define RAM (16ul << 20)
#define MS NSEC_PER_MSEC
#define SLICE (10 * MS)

static struct waitq q;
static char order[64];
static size_t order_len;

static void setup(void)
{
	fake_boot(RAM);
	waitq_init(&q);
	memset(order, 0, sizeof(order));
	order_len = 0;
	current_thread()->last_stamp = clock_mono();
	plat_cpu()->work = 0;
}

/* Threads that ended have left the redzones of their last frames on stacks that are free pages now. */
static void forget_redzones(void)
{
#ifdef __SANITIZE_ADDRESS__
	__asan_unpoison_memory_region(plat_direct_map() + FAKE_RAM_BASE, RAM);
#endif
}

static void teardown(void)
{
	ck_assert_int_eq(current_thread()->state, THREAD_RUNNING);
	fake_check_leaks();
	forget_redzones();
}

static struct thread *spawn(void (*fn)(void *), const char *name)
{
	struct thread *t;

	ck_assert_int_eq(thread_new_kernel(name, fn, (void *)name, &t), 0);
	return t;
}

static void run_others(void)
{
	for (int i = 0; i < 16; i++)
		sched_give_way();
}

static void note(void *arg) { order[order_len++] = *(const char *)arg; }

static void note_thrice(void *arg)
{
	for (int i = 0; i < 3; i++) {
		note(arg);
		sched_give_way();
	}
}

START_TEST(round_robin)
{
	spawn(note_thrice, "a");
	spawn(note_thrice, "b");
	spawn(note_thrice, "c");
	ck_assert_str_eq(order, ""); /* nobody is preempted by a new thread */
	for (int i = 0; i < 4; i++) {
		note("m");
		sched_give_way();
	}
	ck_assert_str_eq(order, "mabcmabcmabcm");
}
END_TEST

START_TEST(yield_alone)
{
	unsigned long before = current_thread()->involuntary_switches;

	plat_cpu()->work |= WORK_RESCHED;
	sched_give_way();
	ck_assert_uint_eq(plat_cpu()->work & WORK_RESCHED, 0);
	ck_assert_uint_eq(current_thread()->involuntary_switches, before);
	ck_assert_uint_eq(fake_idle_calls, 0);
}
END_TEST

static void look_at_myself(void *arg)
{
	struct thread *t = current_thread();

	ck_assert_str_eq(t->comm, (const char *)arg);
	ck_assert_ptr_null(current_proc());
	ck_assert_int_eq(t->state, THREAD_RUNNING);
	ck_assert((char *)&t > t->kstack && (char *)&t < t->kstack + KSTACK_SIZE);
	ck_assert_uint_eq(plat_cpu()->kstack_top, (uint64_t)(t->kstack + KSTACK_SIZE));
	ck_assert_uint_eq((uint64_t)__builtin_frame_address(0) % 16, 0); /* the ABI's alignment */
	note(arg);
}

START_TEST(a_thread_is_current_on_its_own_stack)
{
	struct thread *me = current_thread();

	spawn(look_at_myself, "a");
	run_others();
	ck_assert_str_eq(order, "a");
	ck_assert_ptr_eq(current_thread(), me);
}
END_TEST

static void sleep_and_note(void *arg)
{
	waitq_sleep(&q, TIME_NEVER, false, false);
	note(arg);
}

START_TEST(blocking_and_waking)
{
	struct thread *t = spawn(sleep_and_note, "a");

	ck_assert_int_eq(t->state, THREAD_READY);
	sched_wake(t); /* no-op */
	run_others();
	ck_assert_int_eq(t->state, THREAD_BLOCKED);
	ck_assert_str_eq(order, "");
	waitq_wake(&q, 0);
	sched_wake(t); /* no-op */
	ck_assert_int_eq(t->state, THREAD_READY);
	sched_wake(current_thread()); /* runs already: not queued twice */
	run_others();
	ck_assert_str_eq(order, "a");
}
END_TEST

static void wake_and_note(void *arg)
{
	waitq_wake(&q, 0);
	note(arg);
}

START_TEST(main_blocks_for_another)
{
	unsigned long before = current_thread()->voluntary_switches;

	spawn(wake_and_note, "a");
	sleep_and_note("m");
	ck_assert_str_eq(order, "am");
	ck_assert_uint_eq(current_thread()->voluntary_switches, before + 1);
	ck_assert_uint_eq(fake_idle_calls, 0); /* somebody could run all the time */
}
END_TEST

static void sleep_until(void *arg)
{
	uint64_t ms = (uint64_t)(*(const char *)arg - '0');

	ck_assert_int_eq(waitq_sleep(&q, ms * MS, false, false), -ETIMEDOUT);
	ck_assert_uint_eq(clock_mono(), ms * MS);
	note(arg);
}

START_TEST(idling_advances_the_clock)
{
	uint64_t before = current_thread()->utime;

	spawn(sleep_until, "7");
	spawn(sleep_until, "3");
	sleep_until("5");
	ck_assert_str_eq(order, "35");
	sleep_until("9");
	ck_assert_str_eq(order, "3579");
	ck_assert_uint_gt(fake_idle_calls, 0);
	ck_assert_uint_eq(current_thread()->utime, before); /* idle time is nobody's */
}
END_TEST

static void compute(void *arg)
{
	fake_time_advance(4 * MS);
	note(arg);
}

START_TEST(cpu_time_is_the_runners)
{
	uint64_t before = current_thread()->utime;
	struct thread *t = thread_get(spawn(compute, "a"));

	fake_time_advance(2 * MS);
	run_others();
	ck_assert_uint_eq(t->utime, 4 * MS);
	ck_assert_uint_eq(current_thread()->utime - before, 2 * MS);
	thread_put(t);
}
END_TEST

/* ---- slices ---- */

START_TEST(slice_ends_when_another_waits)
{
	fake_time_advance(5 * SLICE);
	ck_assert_uint_eq(plat_cpu()->work & WORK_RESCHED, 0); /* alone */
	spawn(note, "a");
	fake_time_advance(SLICE - 1);
	ck_assert_uint_eq(plat_cpu()->work & WORK_RESCHED, 0);
	ck_assert_int_eq(sched_point(), 0);
	ck_assert_str_eq(order, "");
	fake_time_advance(1);
	ck_assert_uint_eq(plat_cpu()->work & WORK_RESCHED, WORK_RESCHED);
	ck_assert_str_eq(order, ""); /* kernel code goes on until it asks */
	ck_assert_int_eq(sched_point(), 0);
	ck_assert_str_eq(order, "a");
	ck_assert_uint_eq(plat_cpu()->work & WORK_RESCHED, 0);
	fake_time_advance(5 * SLICE);
	ck_assert_uint_eq(plat_cpu()->work & WORK_RESCHED, 0); /* alone again */
}
END_TEST

START_TEST(sched_point_takes_interrupts)
{
	ck_assert_int_eq(sched_point(), 0);
	current_thread()->killed = true;
	ck_assert_int_eq(sched_point(), -EINTR);
	current_thread()->killed = false;
	fake_signal(SIGTERM); /* raises an interrupt */
	ck_assert_int_eq(sched_point(), 0);
	ck_assert(took_signal(SIGTERM));
}
END_TEST

static void hog(void *arg)
{
	note(arg);
	fake_time_advance(SLICE);
	ck_assert_uint_eq(plat_cpu()->work & WORK_RESCHED, WORK_RESCHED);
}

static bool wake_all(void)
{
	waitq_wake_all(&q, 0);
	return true;
}

static void sleep_then_hog(void *arg)
{
	waitq_sleep(&q, TIME_NEVER, false, true);
	hog(arg);
}

/* A thread ended and nobody could run; then two are woken at once. The first must have a slice too. */
START_TEST(slice_after_a_thread_ended)
{
	spawn(sleep_then_hog, "a");
	run_others();
	spawn(note, "b");
	fake_idle_hook = wake_all;
	ck_assert_int_eq(waitq_sleep(&q, TIME_NEVER, false, true), 0);
	ck_assert_str_eq(order, "ba");
}
END_TEST

/* ---- the end ---- */

static void end_early(void *arg)
{
	note(arg);
	thread_exit(0);
	note("!");
}

START_TEST(ended_threads_are_freed)
{
	struct page_stats before, after;

	page_stats(&before);
	for (int i = 0; i < 20; i++) {
		spawn(end_early, "a");
		spawn(note, "b");
		run_others();
		forget_redzones();
	}
	page_stats(&after);
	ck_assert_uint_eq(before.free, after.free);
	ck_assert_uint_eq(order_len, 40);
	ck_assert_ptr_null(strchr(order, '!'));
}
END_TEST

START_TEST(a_reference_keeps_an_ended_thread)
{
	struct thread *t = thread_get(spawn(note, "a"));

	run_others();
	ck_assert_int_eq(t->state, THREAD_DEAD);
	ck_assert_uint_eq(t->refs, 1);
	sched_wake(t); /* a dead one is not woken */
	run_others();
	ck_assert_str_eq(order, "a");
	thread_put(t);
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *suite = unit_suite_new("sched", &tc, setup, teardown);

	tcase_add_test(tc, round_robin);
	tcase_add_test(tc, yield_alone);
	tcase_add_test(tc, a_thread_is_current_on_its_own_stack);
	tcase_add_test(tc, blocking_and_waking);
	tcase_add_test(tc, main_blocks_for_another);
	tcase_add_test(tc, idling_advances_the_clock);
	tcase_add_test(tc, cpu_time_is_the_runners);
	tcase_add_test(tc, slice_ends_when_another_waits);
	tcase_add_test(tc, sched_point_takes_interrupts);
	tcase_add_test(tc, slice_after_a_thread_ended);
	tcase_add_test(tc, ended_threads_are_freed);
	tcase_add_test(tc, a_reference_keeps_an_ended_thread);
	return suite;
}
