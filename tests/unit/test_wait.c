/* Wait queues, waitq_sleep(), wait_event() and the sleeping mutex, alone and between real kernel threads. */
#include "core/timer.h"
#include "core/wait.h"
#include "tests/unit/filetest.h"
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

#define RAM (16ul << 20)
#define MS NSEC_PER_MSEC

static struct waitq q;
static struct mutex m;
static char order[32]; /* who did something, in order */
static size_t order_len;
static bool cond;
static unsigned looked; /* how often the condition was evaluated */

static void setup(void)
{
	fake_boot(RAM);
	waitq_init(&q);
	mutex_init(&m);
	memset(order, 0, sizeof(order));
	order_len = looked = 0;
	cond = false;
	current_thread()->last_stamp = clock_mono();
}

static void teardown(void)
{
	ck_assert(waitq_empty(&q));
	ck_assert_ptr_null(m.owner);
	fake_check_leaks();
#ifdef __SANITIZE_ADDRESS__
	/* Threads that ended have left the redzones of their last frames on stacks that are free pages now. */
	__asan_unpoison_memory_region(plat_direct_map() + FAKE_RAM_BASE, RAM);
#endif
}

static void note(char who) { order[order_len++] = who; }

/* ---- waiters ---- */

struct noted {
	struct waiter w;
	char name;
	bool takes, leaves;
	unsigned events;
};

static bool note_wake(struct waiter *w, unsigned events)
{
	struct noted *n = container_of(w, struct noted, w);

	note(n->name);
	n->events = events;
	if (n->leaves)
		waitq_remove(w);
	return n->takes;
}

static void put(struct noted *n, char name, bool exclusive)
{
	*n = (struct noted){ .w = { .wake = note_wake, .exclusive = exclusive }, .name = name, .takes = true };
	waitq_add(&q, &n->w);
}

static void forget(void)
{
	memset(order, 0, sizeof(order));
	order_len = 0;
}

START_TEST(order_of_waiters)
{
	struct noted n[5];

	put(&n[0], 'x', true);
	put(&n[1], 'a', false);
	put(&n[2], 'y', true);
	put(&n[3], 'b', false);
	put(&n[4], 'z', true);
	ck_assert_uint_eq(waitq_wake_nr(&q, POLLIN, ~0u), 3);
	ck_assert_str_eq(order, "baxyz"); /* the exclusive ones last, first come, first served */
	for (int i = 0; i < 5; i++) {
		ck_assert_uint_eq(n[i].events, POLLIN);
		waitq_remove(&n[i].w);
		waitq_remove(&n[i].w); /* harmless */
	}
	ck_assert_uint_eq(waitq_wake_nr(&q, 0, 1), 0);
}
END_TEST

START_TEST(exclusive_counts)
{
	struct noted n[4];

	for (int i = 0; i < 3; i++)
		put(&n[i], (char)('x' + i), true);
	put(&n[3], 'a', false);
	ck_assert_uint_eq(waitq_wake_nr(&q, 0, 0), 0);
	ck_assert_str_eq(order, "a"); /* the others are woken in any case */
	forget();
	ck_assert_uint_eq(waitq_wake_nr(&q, 0, 2), 2);
	ck_assert_str_eq(order, "axy");
	forget();
	waitq_wake(&q, 0);
	ck_assert_str_eq(order, "ax");
	forget();
	n[0].takes = false; /* does not use the wake-up: it goes on to the next */
	ck_assert_uint_eq(waitq_wake_nr(&q, 0, 1), 1);
	ck_assert_str_eq(order, "axy");
	forget();
	waitq_wake_all(&q, 0);
	ck_assert_str_eq(order, "axyz");
	for (int i = 0; i < 4; i++)
		waitq_remove(&n[i].w);
}
END_TEST

START_TEST(waiters_leave_when_woken)
{
	struct noted n[3];

	for (int i = 0; i < 3; i++) {
		put(&n[i], (char)('x' + i), true);
		n[i].leaves = true;
	}
	ck_assert_uint_eq(waitq_wake_nr(&q, 0, 2), 2);
	ck_assert_uint_eq(waitq_wake_nr(&q, 0, 2), 1);
	ck_assert_str_eq(order, "xyz");
}
END_TEST

START_TEST(removing_a_waiter_never_added)
{
	struct waiter w = { .wake = note_wake };

	waitq_remove(&w);
	ck_assert(waitq_empty(&q));
}
END_TEST

/* ---- sleeping alone ---- */

static bool look(void)
{
	looked++;
	return cond;
}

static void wake_false(void) { waitq_wake(&q, 0); }

static void wake_true(void)
{
	cond = true;
	waitq_wake(&q, 0);
}

static void false_alarm(void)
{
	wake_false();
	meanwhile(wake_true);
}

START_TEST(true_condition_does_not_sleep)
{
	cond = true;
	ck_assert_int_eq(wait_event(&q, look(), 0), 0); /* though the deadline has passed */
	current_thread()->sig_pending = 1ul << (SIGTERM - 1);
	ck_assert_int_eq(wait_event(&q, look(), TIME_NEVER), 0);
	ck_assert(took_signal(SIGTERM));
	ck_assert_uint_eq(looked, 2);
	ck_assert_uint_eq(fake_idle_calls, 0);
}
END_TEST

START_TEST(one_sleep)
{
	meanwhile(wake_false);
	ck_assert_int_eq(waitq_sleep(&q, TIME_NEVER, true, false), 0);
	meanwhile(wake_false);
	ck_assert_int_eq(waitq_sleep(&q, TIME_NEVER, false, true), 0);
	ck_assert_uint_eq(fake_idle_calls, 2);
}
END_TEST

START_TEST(condition_is_looked_at_again)
{
	meanwhile(false_alarm);
	ck_assert_int_eq(wait_event(&q, look(), TIME_NEVER), 0);
	ck_assert_uint_eq(looked, 3);
}
END_TEST

START_TEST(deadline)
{
	uint64_t start = clock_mono();

	ck_assert_int_eq(wait_event(&q, look(), start + 7 * MS), -ETIMEDOUT);
	ck_assert_uint_eq(clock_mono(), start + 7 * MS);
	ck_assert(waitq_empty(&q));
	ck_assert(!timer_armed(&current_thread()->timer));
	ck_assert_int_eq(wait_event(&q, look(), start), -ETIMEDOUT); /* in the past */
	ck_assert_int_eq(waitq_sleep(&q, clock_mono(), false, false), -ETIMEDOUT);
	ck_assert_uint_eq(clock_mono(), start + 7 * MS);
}
END_TEST

START_TEST(wake_before_the_deadline)
{
	meanwhile(wake_true);
	ck_assert_int_eq(wait_event(&q, look(), clock_mono() + 7 * MS), 0);
	ck_assert_uint_eq(clock_mono(), 0);
	ck_assert(!timer_armed(&current_thread()->timer));
}
END_TEST

static void late_condition(struct timer *t) { cond = true; }

START_TEST(condition_and_deadline_together)
{
	struct timer t;

	timer_init(&t, late_condition); /* does not wake the queue */
	timer_arm(&t, 7 * MS);
	ck_assert_int_eq(wait_event(&q, look(), 7 * MS), 0);
}
END_TEST

/* A wake-up that was given to a thread is not taken back when its deadline passes before it runs. */
static void wake_then_deadline(void)
{
	ck_assert_uint_eq(waitq_wake_nr(&q, 0, 1), 1);
	fake_time_advance(10 * MS);
}

START_TEST(wake_then_deadline_is_a_wake)
{
	meanwhile(wake_then_deadline);
	ck_assert_int_eq(waitq_sleep(&q, 5 * MS, true, true), 0);
}
END_TEST

static void deadline_then_wake(void)
{
	fake_time_advance(10 * MS);
	ck_assert_uint_eq(waitq_wake_nr(&q, 0, 1), 0); /* it must go to somebody else */
}

START_TEST(deadline_then_wake_is_a_timeout)
{
	meanwhile(deadline_then_wake);
	ck_assert_int_eq(waitq_sleep(&q, 5 * MS, true, true), -ETIMEDOUT);
}
END_TEST

START_TEST(signals)
{
	ck_interrupted(wait_event(&q, look(), TIME_NEVER));
	ck_assert(waitq_empty(&q));
	interrupt();
	ck_assert_int_eq(wait_event(&q, look(), TIME_NEVER), -EINTR); /* pending before */
	ck_assert(took_signal(SIGTERM));
	ck_assert_uint_eq(fake_idle_calls, 1);
}
END_TEST

static void interrupt_then_wake(void)
{
	interrupt();
	meanwhile(wake_true);
}

START_TEST(uninterruptible)
{
	meanwhile(interrupt_then_wake);
	wait_event_uninterruptible(&q, look());
	ck_assert(cond);
	ck_assert(took_signal(SIGTERM));
	current_thread()->killed = true;
	ck_assert_int_eq(wait_event(&q, !look(), TIME_NEVER), -EINTR);
	current_thread()->killed = false;
}
END_TEST

static void interrupt_and_wake(void)
{
	interrupt();
	wake_true();
}

START_TEST(condition_and_signal_together)
{
	meanwhile(interrupt_and_wake);
	ck_assert_int_eq(wait_event(&q, look(), TIME_NEVER), 0);
	ck_assert(took_signal(SIGTERM));
}
END_TEST

/* ---- between threads ---- */

static void spawn(void (*fn)(void *), const char *name)
{
	ck_assert_int_eq(thread_new_kernel(name, fn, (void *)name, NULL), 0);
}

static void run_others(void)
{
	for (int i = 0; i < 16; i++)
		sched_give_way();
}

static void sleep_exclusively(void *arg)
{
	ck_assert_int_eq(waitq_sleep(&q, TIME_NEVER, false, true), 0);
	note(*(const char *)arg);
}

START_TEST(sleepers_are_woken_in_order)
{
	spawn(sleep_exclusively, "a");
	spawn(sleep_exclusively, "b");
	spawn(sleep_exclusively, "c");
	run_others();
	ck_assert_uint_eq(waitq_wake_nr(&q, 0, 1), 1);
	ck_assert_str_eq(order, ""); /* waking does not switch */
	run_others();
	ck_assert_str_eq(order, "a");
	waitq_wake_all(&q, 0);
	run_others();
	ck_assert_str_eq(order, "abc");
}
END_TEST

static void wait_for_cond(void *arg)
{
	ck_assert_int_eq(wait_event(&q, cond, TIME_NEVER), 0);
	note(*(const char *)arg);
}

START_TEST(one_thread_wakes_another)
{
	spawn(wait_for_cond, "a");
	run_others();
	wake_false();
	run_others();
	ck_assert_str_eq(order, "");
	wake_true();
	run_others();
	ck_assert_str_eq(order, "a");
}
END_TEST

static void lock_and_note(void *arg)
{
	mutex_lock(&m);
	note(*(const char *)arg);
	sched_give_way(); /* the others cannot get in */
	note(*(const char *)arg);
	mutex_unlock(&m);
}

START_TEST(mutex_alone)
{
	mutex_lock(&m);
	ck_assert_ptr_eq(m.owner, current_thread());
	ck_assert(!mutex_trylock(&m));
	ck_assert_panic(mutex_lock(&m), "");
	mutex_unlock(&m);
	ck_assert_ptr_null(m.owner);
	ck_assert(mutex_trylock(&m));
	mutex_unlock(&m);
	ck_assert_panic(mutex_unlock(&m), "");
}
END_TEST

START_TEST(mutex_excludes)
{
	spawn(lock_and_note, "a");
	spawn(lock_and_note, "b");
	spawn(lock_and_note, "c");
	run_others();
	ck_assert_str_eq(order, "aabbcc");
}
END_TEST

/* Ownership goes straight to the first waiter: whoever comes later, even the last owner, queues behind. */
START_TEST(mutex_is_handed_over)
{
	mutex_lock(&m);
	spawn(lock_and_note, "a");
	spawn(lock_and_note, "b");
	run_others();
	ck_assert_str_eq(order, "");
	mutex_unlock(&m);
	ck_assert_ptr_nonnull(m.owner);
	ck_assert_ptr_ne(m.owner, current_thread());
	ck_assert(!mutex_trylock(&m));
	spawn(lock_and_note, "c");
	mutex_lock(&m);
	ck_assert_str_eq(order, "aabb");
	mutex_unlock(&m);
	run_others();
	ck_assert_str_eq(order, "aabbcc");
}
END_TEST

static void lock_often(void *arg)
{
	for (int i = 0; i < 4; i++) {
		mutex_lock(&m);
		note(*(const char *)arg);
		sched_give_way();
		mutex_unlock(&m);
	}
}

START_TEST(mutex_is_fair)
{
	spawn(lock_often, "a");
	spawn(lock_often, "b");
	run_others();
	ck_assert_str_eq(order, "abababab");
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *suite = unit_suite_new("wait", &tc, setup, teardown);

	tcase_add_test(tc, order_of_waiters);
	tcase_add_test(tc, exclusive_counts);
	tcase_add_test(tc, waiters_leave_when_woken);
	tcase_add_test(tc, removing_a_waiter_never_added);
	tcase_add_test(tc, true_condition_does_not_sleep);
	tcase_add_test(tc, one_sleep);
	tcase_add_test(tc, condition_is_looked_at_again);
	tcase_add_test(tc, deadline);
	tcase_add_test(tc, wake_before_the_deadline);
	tcase_add_test(tc, condition_and_deadline_together);
	tcase_add_test(tc, wake_then_deadline_is_a_wake);
	tcase_add_test(tc, deadline_then_wake_is_a_timeout);
	tcase_add_test(tc, signals);
	tcase_add_test(tc, uninterruptible);
	tcase_add_test(tc, condition_and_signal_together);
	tcase_add_test(tc, sleepers_are_woken_in_order);
	tcase_add_test(tc, one_thread_wakes_another);
	tcase_add_test(tc, mutex_alone);
	tcase_add_test(tc, mutex_excludes);
	tcase_add_test(tc, mutex_is_handed_over);
	tcase_add_test(tc, mutex_is_fair);
	return suite;
}
