/* Timers: order, moving, cancelling, what a timer's function may do, and that the platform waits for the earliest. */
#include "core/main.h"
#include "core/timer.h"
#include "tests/unit/filetest.h"

#define RAM (16ul << 20)
#define MS NSEC_PER_MSEC

struct noted {
	struct timer t;
	char name;
};

static struct noted a, b, c;
static char order[32];
static size_t order_len;
static uint64_t fired_at; /* the last one */

static void note(struct timer *t)
{
	order[order_len++] = container_of(t, struct noted, t)->name;
	fired_at = clock_mono();
}

static void noted_init(struct noted *n, char name)
{
	timer_init(&n->t, note);
	n->name = name;
}

static void setup(void)
{
	fake_boot(RAM);
	clock_wall_set(plat_time_wall());
	noted_init(&a, 'a');
	noted_init(&b, 'b');
	noted_init(&c, 'c');
	memset(order, 0, sizeof(order));
	order_len = 0;
	fired_at = TIME_NEVER;
}

static void teardown(void)
{
	timer_cancel(&a.t);
	timer_cancel(&b.t);
	timer_cancel(&c.t);
	ck_assert_panic(plat_idle(), "deadlock"); /* the platform's timer is not armed either */
	fake_check_leaks();
}

START_TEST(fires_once_at_its_time)
{
	ck_assert(!timer_armed(&a.t));
	timer_arm(&a.t, 5 * MS);
	ck_assert(timer_armed(&a.t));
	fake_time_set(5 * MS - 1);
	ck_assert_str_eq(order, "");
	fake_time_set(5 * MS);
	ck_assert_str_eq(order, "a");
	ck_assert(!timer_armed(&a.t));
	fake_time_set(50 * MS);
	ck_assert_str_eq(order, "a");
}
END_TEST

START_TEST(by_deadline_then_by_age)
{
	timer_arm(&a.t, 3 * MS);
	timer_arm(&b.t, 2 * MS);
	timer_arm(&c.t, 3 * MS);
	fake_time_set(2 * MS);
	ck_assert_str_eq(order, "b");
	fake_time_set(3 * MS);
	ck_assert_str_eq(order, "bac");
}
END_TEST

/* plat_idle() advances the clock to what the platform's timer is armed for. */
START_TEST(platform_waits_for_the_earliest)
{
	timer_arm(&a.t, 9 * MS);
	timer_arm(&b.t, 4 * MS);
	timer_arm(&c.t, 6 * MS);
	plat_idle();
	ck_assert_uint_eq(clock_mono(), 4 * MS);
	timer_cancel(&c.t);
	plat_idle();
	ck_assert_uint_eq(clock_mono(), 9 * MS);
	ck_assert_str_eq(order, "ba");
}
END_TEST

START_TEST(earliest_is_cancelled)
{
	timer_arm(&a.t, 2 * MS);
	timer_arm(&b.t, 8 * MS);
	timer_cancel(&a.t);
	timer_cancel(&a.t); /* harmless */
	plat_idle();
	ck_assert_uint_eq(clock_mono(), 8 * MS);
	ck_assert_str_eq(order, "b");
}
END_TEST

START_TEST(moved)
{
	timer_arm(&a.t, 2 * MS);
	timer_arm(&b.t, 5 * MS);
	timer_arm(&a.t, 8 * MS); /* later */
	plat_idle();
	ck_assert_uint_eq(clock_mono(), 5 * MS);
	timer_arm(&a.t, 6 * MS); /* earlier */
	plat_idle();
	ck_assert_uint_eq(clock_mono(), 6 * MS);
	ck_assert_str_eq(order, "ba");
	timer_arm(&a.t, 7 * MS);
	timer_arm(&a.t, TIME_NEVER); /* disarms */
	ck_assert(!timer_armed(&a.t));
}
END_TEST

START_TEST(past_deadline)
{
	fake_time_set(10 * MS);
	timer_arm(&a.t, 3 * MS);
	timer_arm(&b.t, 10 * MS); /* now */
	timer_arm(&c.t, 0);
	ck_assert_str_eq(order, ""); /* not from within timer_arm() */
	plat_poll();
	ck_assert_str_eq(order, "cab");
	ck_assert_uint_eq(clock_mono(), 10 * MS);
}
END_TEST

START_TEST(late_interrupt_takes_all_that_is_due)
{
	fake_time_set(MS);
	timer_arm(&a.t, 2 * MS);
	timer_arm(&b.t, 3 * MS);
	timer_run(); /* early: nothing is due, and the platform stays armed */
	ck_assert_str_eq(order, "");
	plat_idle();
	ck_assert_uint_eq(clock_mono(), 2 * MS);
	plat_idle();
	ck_assert_uint_eq(clock_mono(), 3 * MS);
	ck_assert_str_eq(order, "ab");
}
END_TEST

/* ---- what a timer's function may do ---- */

static void periodic(struct timer *t)
{
	ck_assert(!timer_armed(t)); /* it has gone off */
	note(t);
	if (order_len < 3)
		timer_arm(t, clock_mono() + 2 * MS);
}

START_TEST(rearms_itself)
{
	a.t.fire = periodic;
	timer_arm(&a.t, MS);
	fake_time_set(100 * MS);
	ck_assert_str_eq(order, "aaa");
	ck_assert_uint_eq(fired_at, 5 * MS);
}
END_TEST

static void rearm_in_the_past(struct timer *t)
{
	note(t);
	if (order_len < 3)
		timer_arm(t, 0);
}

START_TEST(rearms_itself_in_the_past)
{
	a.t.fire = rearm_in_the_past;
	timer_arm(&a.t, MS);
	timer_arm(&b.t, 2 * MS);
	fake_time_set(MS);
	ck_assert_str_eq(order, "aaa");
	plat_idle();
	ck_assert_str_eq(order, "aaab");
}
END_TEST

static void cancel_b(struct timer *t)
{
	note(t);
	timer_cancel(t); /* its own: harmless */
	timer_cancel(&b.t);
}

START_TEST(cancels_another_that_is_due)
{
	a.t.fire = cancel_b;
	timer_arm(&a.t, MS);
	timer_arm(&b.t, MS);
	timer_arm(&c.t, MS);
	fake_time_set(MS);
	ck_assert_str_eq(order, "ac");
	ck_assert(!timer_armed(&b.t));
}
END_TEST

static void arm_b_and_move_c(struct timer *t)
{
	note(t);
	timer_arm(&b.t, clock_mono());
	timer_arm(&c.t, clock_mono() + MS);
}

START_TEST(arms_and_moves_others)
{
	a.t.fire = arm_b_and_move_c;
	timer_arm(&a.t, MS);
	timer_arm(&c.t, MS);
	fake_time_set(MS);
	ck_assert_str_eq(order, "ab");
	plat_idle();
	ck_assert_uint_eq(clock_mono(), 2 * MS);
	ck_assert_str_eq(order, "abc");
}
END_TEST

/* ---- many, at random, against a list ---- */

#define MANY 200

static struct timer many[MANY];
static uint64_t last;
static unsigned nfired;

static void in_order(struct timer *t)
{
	ck_fast(clock_mono() >= last && clock_mono() < 1000);
	last = clock_mono();
	nfired++;
}

START_TEST(many_timers)
{
	uint64_t rnd = 7;
	unsigned left = 0;

	last = nfired = 0;
	for (unsigned i = 0; i < MANY; i++)
		timer_init(&many[i], in_order);
	for (unsigned i = 0; i < 10 * MANY; i++) {
		struct timer *t = &many[unit_random(&rnd) % MANY];

		if (unit_random(&rnd) % 3)
			timer_arm(t, 1 + unit_random(&rnd) % 999);
		else
			timer_cancel(t);
	}
	for (unsigned i = 0; i < MANY; i++)
		left += timer_armed(&many[i]);
	ck_assert_uint_gt(left, 0);
	while (nfired < left) {
		uint64_t next = TIME_NEVER;

		for (unsigned i = 0; i < MANY; i++)
			next = MIN(next, many[i].deadline);
		plat_idle();
		ck_fast(clock_mono() == next);
	}
	ck_assert_uint_eq(nfired, left);
}
END_TEST

START_TEST(wall_clock)
{
	uint64_t wall = clock_wall();

	fake_time_advance(5 * MS);
	ck_assert_uint_eq(clock_wall(), wall + 5 * MS);
	clock_wall_set(1000);
	ck_assert_uint_eq(clock_wall(), 1000);
	ck_assert_uint_eq(clock_mono(), 5 * MS); /* not moved */
	fake_time_advance(MS);
	ck_assert_uint_eq(clock_wall(), 1000 + MS);
	clock_wall_set(plat_time_wall() + NSEC_PER_SEC);
	ck_assert_uint_eq(clock_wall(), plat_time_wall() + NSEC_PER_SEC);
	clock_wall_set(plat_time_wall());
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *suite = unit_suite_new("timer", &tc, setup, teardown);

	tcase_add_test(tc, fires_once_at_its_time);
	tcase_add_test(tc, by_deadline_then_by_age);
	tcase_add_test(tc, platform_waits_for_the_earliest);
	tcase_add_test(tc, earliest_is_cancelled);
	tcase_add_test(tc, moved);
	tcase_add_test(tc, past_deadline);
	tcase_add_test(tc, late_interrupt_takes_all_that_is_due);
	tcase_add_test(tc, rearms_itself);
	tcase_add_test(tc, rearms_itself_in_the_past);
	tcase_add_test(tc, cancels_another_that_is_due);
	tcase_add_test(tc, arms_and_moves_others);
	tcase_add_test(tc, many_timers);
	tcase_add_test(tc, wall_clock);
	return suite;
}
