/* timerfd: clocks, absolute and relative times, intervals and their counts, the clock being set. */
#include "core/lib/seqbuf.h"
#include "core/timer.h"
#include "shim/abi/time.h"
#include "tests/unit/filetest.h"

#define RAM (16ul << 20)
#define MS NSEC_PER_MSEC

static struct file *f;

static void setup(void)
{
	fake_boot(RAM);
	clock_wall_set(plat_time_wall());
	fake_time_set(5 * NSEC_PER_SEC);
	ck_assert_int_eq(timerfd_new(CLOCK_MONOTONIC, TFD_NONBLOCK, &f), 0);
}

static void teardown(void)
{
	file_put(f);
	fake_check_leaks();
}

static struct timespec64 ts(uint64_t ns)
{
	return (struct timespec64){ (int64_t)(ns / NSEC_PER_SEC), (int64_t)(ns % NSEC_PER_SEC) };
}

static int set(uint64_t value, uint64_t interval, int flags)
{
	struct itimerspec64 v = { ts(interval), ts(value) };

	return timerfd_set(f, flags, &v, NULL);
}

static uint64_t left(void)
{
	struct itimerspec64 v;

	ck_assert_int_eq(timerfd_get(f, &v), 0);
	return (uint64_t)v.value.sec * NSEC_PER_SEC + (uint64_t)v.value.nsec;
}

/* Unread expirations; 0: none. */
static uint64_t ticks(void)
{
	uint64_t n = 0;
	long r = f_read(f, &n, sizeof(n));

	if (r == -EAGAIN)
		return 0;
	ck_assert_int_eq(r, 8);
	ck_assert_uint_ne(n, 0);
	return n;
}

static void use_clock(int clock)
{
	file_put(f);
	ck_assert_int_eq(timerfd_new(clock, TFD_NONBLOCK, &f), 0);
}

START_TEST(fires_once)
{
	ck_assert_int_eq(set(10 * MS, 0, 0), 0);
	ck_assert_uint_eq(left(), 10 * MS);
	fake_time_advance(9 * MS);
	ck_assert_uint_eq(ticks(), 0);
	ck_assert_uint_eq(file_poll(f, NULL), 0);
	ck_assert_uint_eq(left(), 1 * MS);
	fake_time_advance(1 * MS);
	ck_assert_uint_eq(file_poll(f, NULL), POLLIN);
	ck_assert_uint_eq(left(), 0);
	ck_assert_uint_eq(ticks(), 1);
	ck_assert_uint_eq(ticks(), 0);
	fake_time_advance(1000 * MS);
	ck_assert_uint_eq(ticks(), 0);
}
END_TEST

START_TEST(interval_counts_what_was_missed)
{
	ck_assert_int_eq(set(10 * MS, 3 * MS, 0), 0);
	fake_time_advance(10 * MS);
	ck_assert_uint_eq(ticks(), 1);
	fake_time_advance(3 * MS);
	ck_assert_uint_eq(ticks(), 1);
	fake_time_advance(31 * MS); /* ten more, and 1 ms into the next */
	ck_assert_uint_eq(left(), 2 * MS);
	ck_assert_uint_eq(ticks(), 10);
	fake_time_advance(2 * MS);
	ck_assert_uint_eq(ticks(), 1);
}
END_TEST

/* A timer that nobody reads costs one event, however short its interval. */
START_TEST(unread_interval_is_silent)
{
	uint64_t start = clock_mono();

	ck_assert_int_eq(set(1, 1, 0), 0);
	fake_time_set(start + 1000000000);
	ck_assert_uint_eq(ticks(), 1000000000);
}
END_TEST

/* The expiration is seen by a reader before its interrupt has come: the next one must not be lost. */
START_TEST(read_before_the_interrupt)
{
	uint64_t n;

	ck_assert_int_eq(set(clock_mono(), 10 * MS, TFD_TIMER_ABSTIME), 0);
	ck_assert_uint_eq(ticks(), 1);
	plat_poll();
	f->flags &= ~O_NONBLOCK;
	ck_assert_int_eq(f_read(f, &n, 8), 8);
	ck_assert_uint_eq(n, 1);
}
END_TEST

START_TEST(setting_again_forgets)
{
	struct itimerspec64 old, v = { ts(0), ts(0) };

	ck_assert_int_eq(set(10 * MS, 7 * MS, 0), 0);
	fake_time_advance(12 * MS);
	ck_assert_int_eq(timerfd_set(f, 0, &v, &old), 0);
	ck_assert_int_eq(old.value.nsec, 5 * (int64_t)MS);
	ck_assert_int_eq(old.interval.nsec, 7 * (int64_t)MS);
	ck_assert_uint_eq(ticks(), 0);
	fake_time_advance(1000 * MS);
	ck_assert_uint_eq(ticks(), 0);
	ck_assert_uint_eq(left(), 0);
}
END_TEST

START_TEST(absolute_times)
{
	ck_assert_int_eq(set(clock_mono() + 4 * MS, 0, TFD_TIMER_ABSTIME), 0);
	ck_assert_uint_eq(left(), 4 * MS);
	fake_time_advance(4 * MS);
	ck_assert_uint_eq(ticks(), 1);
	/* One in the past has expired at once, before any interrupt. */
	ck_assert_int_eq(set(clock_mono() - 10 * MS, 4 * MS, TFD_TIMER_ABSTIME), 0);
	ck_assert_uint_eq(file_poll(f, NULL), POLLIN);
	ck_assert_uint_ge(ticks(), 1);
}
END_TEST

START_TEST(all_clocks)
{
	static const int good[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME_ALARM,
				    CLOCK_BOOTTIME_ALARM };
	static const int bad[] = { CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW, CLOCK_TAI, 12, -1 };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		use_clock(good[i]);
		ck_assert_int_eq(set(MS, 0, 0), 0);
		fake_time_advance(MS);
		ck_assert_uint_eq(ticks(), 1);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_int_eq(timerfd_new(bad[i], 0, &(struct file *){ NULL }), -EINVAL);
	ck_assert_int_eq(timerfd_new(CLOCK_MONOTONIC, 1, &(struct file *){ NULL }), -EINVAL);
}
END_TEST

START_TEST(wall_clock_is_followed)
{
	uint64_t wall = clock_wall();

	use_clock(CLOCK_REALTIME);
	ck_assert_int_eq(set(wall + 100 * MS, 0, TFD_TIMER_ABSTIME), 0);
	ck_assert_uint_eq(left(), 100 * MS);
	clock_wall_set(wall + 60 * MS);
	timerfd_clock_was_set();
	ck_assert_uint_eq(left(), 40 * MS);
	fake_time_advance(40 * MS);
	ck_assert_uint_eq(ticks(), 1);
	/* A relative one is not moved. */
	ck_assert_int_eq(set(50 * MS, 0, 0), 0);
	clock_wall_set(wall + 1000 * MS);
	timerfd_clock_was_set();
	ck_assert_uint_eq(left(), 50 * MS);
}
END_TEST

START_TEST(cancelled_when_the_clock_is_set)
{
	uint64_t wall = clock_wall(), n;

	use_clock(CLOCK_REALTIME);
	ck_assert_int_eq(set(wall + 100 * MS, 0, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET), 0);
	clock_wall_set(wall + MS);
	timerfd_clock_was_set();
	ck_assert_uint_eq(file_poll(f, NULL), POLLIN);
	ck_assert_int_eq(f_read(f, &n, 8), -ECANCELED);
	ck_assert_int_eq(f_read(f, &n, 8), -EAGAIN);
}
END_TEST

START_TEST(reader_sleeps_until_it_fires)
{
	uint64_t n, start = clock_mono();

	f->flags &= ~O_NONBLOCK;
	ck_assert_int_eq(set(30 * MS, 0, 0), 0);
	ck_assert_int_eq(f_read(f, &n, 8), 8);
	ck_assert_uint_eq(n, 1);
	ck_assert_uint_eq(clock_mono(), start + 30 * MS);
	ck_interrupted(f_read(f, &n, 8));
}
END_TEST

START_TEST(errors)
{
	struct itimerspec64 v = { ts(0), ts(MS) };
	struct file *e;
	char small[7];

	ck_assert_int_eq(f_read(f, small, 7), -EINVAL);
	ck_assert_int_eq(f_write(f, small, 7), -EINVAL);
	ck_assert_int_eq(timerfd_set(f, 4, &v, NULL), -EINVAL);
	v.value.nsec = NSEC_PER_SEC;
	ck_assert_int_eq(timerfd_set(f, 0, &v, NULL), -EINVAL);
	v.value.nsec = -1;
	ck_assert_int_eq(timerfd_set(f, 0, &v, NULL), -EINVAL);
	v.value = (struct timespec64){ -1, 0 };
	ck_assert_int_eq(timerfd_set(f, 0, &v, NULL), -EINVAL);
	v.value = ts(1);
	v.interval.nsec = 1000000000;
	ck_assert_int_eq(timerfd_set(f, 0, &v, NULL), -EINVAL);
	ck_assert_int_eq(eventfd_new(0, 0, &e), 0);
	ck_assert_int_eq(timerfd_set(e, 0, &v, NULL), -EINVAL);
	ck_assert_int_eq(timerfd_get(e, &v), -EINVAL);
	file_put(e);
}
END_TEST

START_TEST(far_future)
{
	struct itimerspec64 v = { { 0, 0 }, { INT64_MAX, 999999999 } };

	ck_assert_int_eq(timerfd_set(f, 0, &v, NULL), 0);
	ck_assert_uint_eq(file_poll(f, NULL), 0);
	ck_assert_int_eq(timerfd_set(f, TFD_TIMER_ABSTIME, &v, NULL), 0);
	ck_assert_uint_eq(file_poll(f, NULL), 0);
	v.interval = v.value;
	v.value = ts(1);
	ck_assert_int_eq(timerfd_set(f, 0, &v, NULL), 0);
	fake_time_advance(1);
	ck_assert_uint_eq(ticks(), 1);
	ck_assert_uint_eq(ticks(), 0);
}
END_TEST

START_TEST(shown_in_fdinfo)
{
	struct seqbuf b;

	set(10 * MS, 7 * MS, 0);
	seqbuf_init(&b);
	f->ops->fdinfo(f, &b);
	seqbuf_put(&b, "", 1);
	ck_assert_str_eq(b.data, "clockid: 1\nticks: 0\nsettime flags: 00\nit_value: (0, 10000000)\nit_interval: (0, 7000000)\n");
	seqbuf_free(&b);
}
END_TEST

START_TEST(each_allocation_fails)
{
	FAKE_EACH_FAILURE(n) {
		struct file *g;
		int r = timerfd_new(CLOCK_REALTIME, 0, &g);

		if (r)
			ck_assert_int_eq(r, -ENOMEM);
		else
			file_put(g);
	}
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("timerfd", &tc, setup, teardown);

	tcase_add_test(tc, fires_once);
	tcase_add_test(tc, interval_counts_what_was_missed);
	tcase_add_test(tc, unread_interval_is_silent);
	tcase_add_test(tc, read_before_the_interrupt);
	tcase_add_test(tc, setting_again_forgets);
	tcase_add_test(tc, absolute_times);
	tcase_add_test(tc, all_clocks);
	tcase_add_test(tc, wall_clock_is_followed);
	tcase_add_test(tc, cancelled_when_the_clock_is_set);
	tcase_add_test(tc, reader_sleeps_until_it_fires);
	tcase_add_test(tc, errors);
	tcase_add_test(tc, far_future);
	tcase_add_test(tc, shown_in_fdinfo);
	tcase_add_test(tc, each_allocation_fails);
	return s;
}
