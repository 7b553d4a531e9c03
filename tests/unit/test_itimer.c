/* Interval timers and clocks: setitimer, posix timers and their overruns, CPU time, clock ids, deadlines. */
#include "core/mm/slab.h"
#include "core/proc/itimer.h"
#include "core/timer.h"
#include "shim/abi/resource.h"
#include "shim/abi/time.h"
#include "tests/unit/filetest.h"

#define RAM (16ul << 20)
#define MS NSEC_PER_MSEC
#define S  NSEC_PER_SEC
#define ALL (~0ul)

static struct proc *p;

static void setup(void)
{
	fake_boot(RAM);
	clock_wall_set(plat_time_wall());
	p = current_proc();
	fake_time_set(10 * S);
	current_thread()->sig_mask = ALL; /* signals stay pending, so that they can be looked at */
	current_thread()->utime = 0;
	current_thread()->last_stamp = clock_mono();
}

static void teardown(void)
{
	timer_cancel(&p->itimer_real);
	p->itimer_interval = 0;
	posix_timers_free(p);
	p->sig_pending = current_thread()->sig_pending = current_thread()->sig_mask = 0;
	fake_check_leaks();
}

static struct timespec64 ts(uint64_t ns) { return (struct timespec64){ (int64_t)(ns / S), (int64_t)(ns % S) }; }

/* ---- setitimer ---- */

static void set(int which, uint64_t value, uint64_t interval)
{
	uint64_t v, i;

	ck_assert_int_eq(itimer_set(p, which, value, interval, &v, &i), 0);
}

static uint64_t left(int which)
{
	uint64_t v, i;

	ck_assert_int_eq(itimer_get(p, which, &v, &i), 0);
	return v;
}

START_TEST(real_timer)
{
	uint64_t v, i;

	ck_assert_uint_eq(left(ITIMER_REAL), 0);
	set(ITIMER_REAL, 10 * MS, 0);
	fake_time_advance(4 * MS);
	ck_assert_uint_eq(left(ITIMER_REAL), 6 * MS);
	ck_assert_int_eq(itimer_set(p, ITIMER_REAL, 20 * MS, 5 * MS, &v, &i), 0);
	ck_assert_uint_eq(v, 6 * MS);
	ck_assert_uint_eq(i, 0);
	fake_time_advance(19 * MS);
	ck_assert(!took_signal(SIGALRM));
	fake_time_advance(MS);
	ck_assert(took_signal(SIGALRM));
	ck_assert_uint_eq(left(ITIMER_REAL), 5 * MS);
	fake_time_advance(5 * MS);
	ck_assert(took_signal(SIGALRM));
	set(ITIMER_REAL, 0, 0);
	fake_time_advance(100 * MS);
	ck_assert(!took_signal(SIGALRM));
	ck_assert_int_eq(itimer_get(p, 3, &v, &i), -EINVAL);
	ck_assert_int_eq(itimer_set(p, -1, 1, 1, &v, &i), -EINVAL);
}
END_TEST

/* The thread computes for ns: time passes that is charged to it, with interrupts. */
static void compute(uint64_t ns)
{
	fake_time_advance(ns);
}

/* Or sleeps with the CPU idle: the same without the charge, which is only put right afterwards. */
static void idle(uint64_t ns)
{
	struct thread *t = current_thread();

	t->state = THREAD_BLOCKED;
	fake_time_advance(ns);
	t->state = THREAD_RUNNING;
	t->last_stamp += ns;
}

START_TEST(cpu_timers)
{
	set(ITIMER_VIRTUAL, 50 * MS, 20 * MS);
	set(ITIMER_PROF, 100 * MS, 0);
	idle(500 * MS);
	ck_assert(!took_signal(SIGVTALRM));
	ck_assert_uint_eq(left(ITIMER_VIRTUAL), 50 * MS);
	compute(40 * MS);
	ck_assert(!took_signal(SIGVTALRM));
	compute(15 * MS);
	ck_assert(took_signal(SIGVTALRM));
	ck_assert(!took_signal(SIGPROF));
	compute(50 * MS);
	ck_assert(took_signal(SIGVTALRM));
	ck_assert(took_signal(SIGPROF));
	ck_assert_uint_eq(left(ITIMER_PROF), 0);
	set(ITIMER_VIRTUAL, 0, 0);
	compute(100 * MS);
	ck_assert(!took_signal(SIGVTALRM));
}
END_TEST

/* ---- posix timers ---- */

static int create(int clock, int signo)
{
	int id = posix_timer_create(p, clock, signo, 0x1234, 0);

	ck_assert_int_ge(id, 0);
	return id;
}

static void arm(int id, uint64_t value, uint64_t interval, int flags)
{
	struct itimerspec64 v = { ts(interval), ts(value) };

	ck_assert_int_eq(posix_timer_settime(p, id, flags, &v, NULL), 0);
}

static uint64_t remaining(int id)
{
	struct itimerspec64 v;

	ck_assert_int_eq(posix_timer_gettime(p, id, &v), 0);
	return (uint64_t)v.value.sec * S + (uint64_t)v.value.nsec;
}

START_TEST(ids_are_the_lowest_free)
{
	ck_assert_int_eq(create(CLOCK_MONOTONIC, SIGUSR1), 0);
	ck_assert_int_eq(create(CLOCK_MONOTONIC, SIGUSR1), 1);
	ck_assert_int_eq(create(CLOCK_REALTIME, 0), 2);
	ck_assert_int_eq(posix_timer_delete(p, 1), 0);
	ck_assert_int_eq(posix_timer_delete(p, 1), -EINVAL);
	ck_assert_int_eq(create(CLOCK_BOOTTIME, SIGUSR1), 1);
	ck_assert_int_eq(create(CLOCK_BOOTTIME, SIGUSR1), 3);
}
END_TEST

START_TEST(single_and_periodic)
{
	int id = create(CLOCK_MONOTONIC, SIGUSR1);
	struct itimerspec64 old;

	arm(id, 10 * MS, 0, 0);
	ck_assert_uint_eq(remaining(id), 10 * MS);
	fake_time_advance(10 * MS);
	ck_assert(took_signal(SIGUSR1));
	ck_assert_uint_eq(remaining(id), 0);
	ck_assert_int_eq(posix_timer_getoverrun(p, id), 0);
	arm(id, 10 * MS, 4 * MS, 0);
	ck_assert_int_eq(posix_timer_settime(p, id, 0, &(struct itimerspec64){ ts(4 * MS), ts(10 * MS) }, &old), 0);
	ck_assert_int_eq(old.value.nsec, 10 * (int64_t)MS);
	ck_assert_int_eq(old.interval.nsec, 4 * (int64_t)MS);
	fake_time_advance(10 * MS);
	ck_assert(took_signal(SIGUSR1));
	fake_time_advance(4 * MS);
	ck_assert(took_signal(SIGUSR1));
	arm(id, 0, 0, 0);
	fake_time_advance(100 * MS);
	ck_assert(!took_signal(SIGUSR1));
}
END_TEST

START_TEST(overruns)
{
	int id = create(CLOCK_MONOTONIC, SIGUSR1);

	arm(id, 10 * MS, 10 * MS, 0);
	fake_time_advance(10 * MS);
	ck_assert_int_eq(posix_timer_getoverrun(p, id), 0);
	fake_time_advance(30 * MS); /* still pending: three more are lost */
	ck_assert(took_signal(SIGUSR1));
	fake_time_advance(10 * MS);
	ck_assert(took_signal(SIGUSR1));
	ck_assert_int_eq(posix_timer_getoverrun(p, id), 3);
	ck_assert_int_eq(posix_timer_getoverrun(p, 77), -EINVAL);
}
END_TEST

START_TEST(absolute_and_wall_clock)
{
	int id = create(CLOCK_REALTIME, SIGUSR1);
	uint64_t wall = clock_wall();

	arm(id, wall + 100 * MS, 0, TIMER_ABSTIME);
	ck_assert_uint_eq(remaining(id), 100 * MS);
	clock_wall_set(wall + 90 * MS);
	itimer_clock_was_set();
	ck_assert_uint_eq(remaining(id), 10 * MS);
	fake_time_advance(10 * MS);
	ck_assert(took_signal(SIGUSR1));
	arm(id, 50 * MS, 0, 0); /* relative: the clock may be set as one likes */
	clock_wall_set(wall + 10000 * MS);
	itimer_clock_was_set();
	ck_assert_uint_eq(remaining(id), 50 * MS);
	fake_time_advance(50 * MS);
	ck_assert(took_signal(SIGUSR1));
	id = create(CLOCK_MONOTONIC, SIGUSR2);
	arm(id, 1, 0, TIMER_ABSTIME); /* long past */
	plat_poll();
	ck_assert(took_signal(SIGUSR2));
}
END_TEST

START_TEST(cpu_clock_timer)
{
	int id = create(CLOCK_PROCESS_CPUTIME_ID, SIGUSR1), id2 = create(CLOCK_THREAD_CPUTIME_ID, SIGUSR2);

	arm(id, 20 * MS, 0, 0);
	arm(id2, 20 * MS, 0, 0);
	idle(100 * MS);
	ck_assert(!took_signal(SIGUSR1));
	ck_assert(!took_signal(SIGUSR2));
	compute(25 * MS);
	ck_assert(took_signal(SIGUSR1));
	ck_assert(took_signal(SIGUSR2));
}
END_TEST

START_TEST(to_a_thread_or_to_nobody)
{
	int id = posix_timer_create(p, CLOCK_MONOTONIC, SIGUSR1, 0, current_thread()->tid);

	arm(id, MS, 0, 0);
	fake_time_advance(MS);
	ck_assert_uint_eq(p->sig_pending, 0);
	ck_assert(took_signal(SIGUSR1));
	id = create(CLOCK_MONOTONIC, 0);
	arm(id, MS, 0, 0);
	fake_time_advance(MS);
	ck_assert_uint_eq(p->sig_pending | current_thread()->sig_pending, 0);
	ck_assert_uint_eq(remaining(id), 0);
	ck_assert_int_eq(posix_timer_create(p, CLOCK_MONOTONIC, SIGUSR1, 0, 99999), -EINVAL);
}
END_TEST

START_TEST(timer_errors)
{
	struct itimerspec64 v = { ts(0), ts(1) };
	int id = create(CLOCK_MONOTONIC, SIGUSR1);

	ck_assert_int_eq(posix_timer_create(p, 12, SIGUSR1, 0, 0), -EINVAL);
	ck_assert_int_eq(posix_timer_create(p, CLOCK_MONOTONIC, 65, 0, 0), -EINVAL);
	ck_assert_int_eq(posix_timer_create(p, CLOCK_MONOTONIC_RAW, SIGUSR1, 0, 0), -EOPNOTSUPP);
	ck_assert_int_eq(posix_timer_settime(p, 5, 0, &v, NULL), -EINVAL);
	ck_assert_int_eq(posix_timer_settime(p, -1, 0, &v, NULL), -EINVAL);
	ck_assert_int_eq(posix_timer_gettime(p, -2, &v), -EINVAL);
	v.value = (struct timespec64){ 0, 1000000000 };
	ck_assert_int_eq(posix_timer_settime(p, id, 0, &v, NULL), -EINVAL);
	v.value = (struct timespec64){ -1, 0 };
	ck_assert_int_eq(posix_timer_settime(p, id, 0, &v, NULL), -EINVAL);
	v.value = (struct timespec64){ INT64_MAX, 999999999 };
	v.interval = v.value;
	ck_assert_int_eq(posix_timer_settime(p, id, 0, &v, NULL), 0);
	fake_time_advance(1000 * S);
	ck_assert(!took_signal(SIGUSR1));
}
END_TEST

START_TEST(number_is_limited)
{
	struct rlimit old = p->rlimits[RLIMIT_SIGPENDING];

	p->rlimits[RLIMIT_SIGPENDING].cur = 3;
	for (int i = 0; i < 3; i++)
		create(CLOCK_MONOTONIC, SIGUSR1);
	ck_assert_int_eq(posix_timer_create(p, CLOCK_MONOTONIC, SIGUSR1, 0, 0), -EAGAIN);
	p->rlimits[RLIMIT_SIGPENDING] = old;
}
END_TEST

/* ---- clocks ---- */

static uint64_t now(int clock)
{
	uint64_t ns = 0;

	ck_assert_int_eq(clock_read(clock, &ns), 0);
	return ns;
}

START_TEST(clock_ids)
{
	uint64_t ns;

	ck_assert_uint_eq(now(CLOCK_MONOTONIC), 10 * S);
	ck_assert_uint_eq(now(CLOCK_BOOTTIME), 10 * S);
	ck_assert_uint_eq(now(CLOCK_MONOTONIC_RAW), 10 * S);
	ck_assert_uint_eq(now(CLOCK_MONOTONIC_COARSE), 10 * S);
	ck_assert_uint_eq(now(CLOCK_REALTIME), clock_wall());
	ck_assert_uint_eq(now(CLOCK_REALTIME_COARSE), clock_wall());
	ck_assert_uint_eq(now(CLOCK_TAI), clock_wall());
	ck_assert_int_eq(clock_read(10, &ns), -EINVAL);
	ck_assert_int_eq(clock_read(12, &ns), -EINVAL);
	ck_assert_int_eq(clock_read(100, &ns), -EINVAL);
	ck_assert_int_eq(clock_resolution(CLOCK_MONOTONIC, &ns), 0);
	ck_assert_uint_eq(ns, 1);
	ck_assert_int_eq(clock_resolution(CLOCK_REALTIME_COARSE, &ns), 0);
	ck_assert_uint_eq(ns, 4 * MS);
	ck_assert_int_eq(clock_resolution(77, &ns), -EINVAL);
}
END_TEST

START_TEST(cpu_clocks)
{
	int tid = current_thread()->tid, before = (int)now(CLOCK_PROCESS_CPUTIME_ID);
	uint64_t ns;

	compute(7 * MS);
	ck_assert_uint_eq(now(CLOCK_PROCESS_CPUTIME_ID) - (uint64_t)before, 7 * MS);
	ck_assert_uint_eq(now(CLOCK_THREAD_CPUTIME_ID), thread_cpu_time(current_thread()));
	ck_assert_uint_eq(now(~p->pid * 8 | 2), now(CLOCK_PROCESS_CPUTIME_ID));
	ck_assert_uint_eq(now(~0 * 8 | 2), now(CLOCK_PROCESS_CPUTIME_ID));
	ck_assert_uint_eq(now(~tid * 8 | 4 | 2), now(CLOCK_THREAD_CPUTIME_ID));
	ck_assert_uint_eq(now(~0 * 8 | 4 | 2), now(CLOCK_THREAD_CPUTIME_ID));
	ck_assert_int_eq(clock_read(~9999 * 8 | 2, &ns), -EINVAL);
	ck_assert_int_eq(clock_read(~9999 * 8 | 6, &ns), -EINVAL);
	ck_assert_int_eq(clock_read(~p->pid * 8 | 3, &ns), -EINVAL);
}
END_TEST

START_TEST(deadlines)
{
	struct timespec64 v = ts(2 * S + 5);
	uint64_t d;

	ck_assert_int_eq(clock_deadline(CLOCK_MONOTONIC, false, &v, &d), 0);
	ck_assert_uint_eq(d, 12 * S + 5);
	ck_assert_int_eq(clock_deadline(CLOCK_MONOTONIC, true, &v, &d), 0);
	ck_assert_uint_le(d, 10 * S); /* past */
	v = ts(15 * S);
	ck_assert_int_eq(clock_deadline(CLOCK_MONOTONIC, true, &v, &d), 0);
	ck_assert_uint_eq(d, 15 * S);
	v = ts(clock_wall() + 3 * S);
	ck_assert_int_eq(clock_deadline(CLOCK_REALTIME, true, &v, &d), 0);
	ck_assert_uint_eq(d, 13 * S);
	v = (struct timespec64){ INT64_MAX, 0 };
	ck_assert_int_eq(clock_deadline(CLOCK_MONOTONIC, false, &v, &d), 0);
	ck_assert_uint_eq(d, TIME_NEVER);
	ck_assert_int_eq(clock_deadline(CLOCK_REALTIME, true, &v, &d), 0);
	ck_assert_uint_eq(d, TIME_NEVER);
	ck_assert_int_eq(clock_deadline(99, false, &v, &d), -EINVAL);
	v = (struct timespec64){ -1, 0 };
	ck_assert_int_eq(clock_deadline(CLOCK_MONOTONIC, false, &v, &d), -EINVAL);
	v = (struct timespec64){ 0, -1 };
	ck_assert_int_eq(clock_deadline(CLOCK_MONOTONIC, false, &v, &d), -EINVAL);
	v = (struct timespec64){ 0, 1000000000 };
	ck_assert_int_eq(clock_deadline(CLOCK_MONOTONIC, false, &v, &d), -EINVAL);
}
END_TEST

START_TEST(each_allocation_fails)
{
	FAKE_EACH_FAILURE(n) {
		uint64_t v, i;
		int id = posix_timer_create(p, CLOCK_MONOTONIC, SIGUSR1, 0, 0), r;

		ck_assert(id >= 0 || id == -EAGAIN);
		r = itimer_set(p, ITIMER_PROF, S, 0, &v, &i);
		ck_assert(r == 0 || r == -ENOMEM);
		posix_timers_free(p);
	}
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("itimer", &tc, setup, teardown);

	tcase_add_test(tc, real_timer);
	tcase_add_test(tc, cpu_timers);
	tcase_add_test(tc, ids_are_the_lowest_free);
	tcase_add_test(tc, single_and_periodic);
	tcase_add_test(tc, overruns);
	tcase_add_test(tc, absolute_and_wall_clock);
	tcase_add_test(tc, cpu_clock_timer);
	tcase_add_test(tc, to_a_thread_or_to_nobody);
	tcase_add_test(tc, timer_errors);
	tcase_add_test(tc, number_is_limited);
	tcase_add_test(tc, clock_ids);
	tcase_add_test(tc, cpu_clocks);
	tcase_add_test(tc, deadlines);
	tcase_add_test(tc, each_allocation_fails);
	return s;
}
