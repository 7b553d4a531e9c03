/* poll: immediate answers, waiting, timeouts, signals, many descriptors. */
#include "core/mm/slab.h"
#include "core/timer.h"
#include "shim/abi/resource.h"
#include "tests/unit/filetest.h"

#define RAM (16ul << 20)
#define MS NSEC_PER_MSEC
#define MANY 300

static struct fdtable *saved;
static struct file *rd, *wr, *ev;
static int rfd, wfd, efd;

static void setup(void)
{
	fake_boot(RAM);
	saved = current_proc()->files;
	ck_assert_int_eq(fdtable_new(&current_proc()->files), 0);
	ck_assert_int_eq(pipe_new(0, &rd, &wr), 0);
	ck_assert_int_eq(eventfd_new(0, 0, &ev), 0);
	rfd = fd_install(rd, 0, false);
	wfd = fd_install(wr, 0, false);
	efd = fd_install(ev, 0, false);
}

static void teardown(void)
{
	fdtable_put(current_proc()->files);
	current_proc()->files = saved;
	fake_check_leaks();
}

START_TEST(answers_at_once)
{
	struct pollfd_k p[5] = { { rfd, POLLIN, 7 }, { wfd, POLLOUT, 7 }, { -1, POLLIN, 7 }, { 77, POLLIN, 7 },
				 { efd, POLLIN | POLLOUT, 7 } };

	ck_assert_int_eq(poll_fds(p, 5, 0), 3);
	ck_assert_int_eq(p[0].revents, 0);
	ck_assert_int_eq(p[1].revents, POLLOUT);
	ck_assert_int_eq(p[2].revents, 0);
	ck_assert_int_eq(p[3].revents, POLLNVAL);
	ck_assert_int_eq(p[4].revents, POLLOUT);
	ck_assert_int_eq(poll_fds(p, 5, TIME_NEVER), 3);
	ck_assert_int_eq(poll_fds(p, 1, 0), 0);
	ck_assert_int_eq(poll_fds(NULL, 0, 0), 0);
}
END_TEST

START_TEST(errors_and_hangups_are_always_told)
{
	struct pollfd_k p = { rfd, 0, 0 };

	fd_close(wfd);
	ck_assert_int_eq(poll_fds(&p, 1, TIME_NEVER), 1);
	ck_assert_int_eq(p.revents, POLLHUP);
}
END_TEST

static void write_one(void) { f_write(wr, "x", 1); }
static void write_event(void) { f_write(ev, &(uint64_t){ 1 }, 8); }
static void close_writer(void) { fd_close(wfd); }

START_TEST(waits_for_an_event)
{
	struct pollfd_k p[2] = { { rfd, POLLIN, 0 }, { efd, POLLIN, 0 } };

	meanwhile(write_event);
	ck_assert_int_eq(poll_fds(p, 2, TIME_NEVER), 1);
	ck_assert_int_eq(p[0].revents, 0);
	ck_assert_int_eq(p[1].revents, POLLIN);
	ck_assert(waitq_empty(&current_thread()->proc->child_exit));
	f_read(ev, &(uint64_t){ 0 }, 8);
	meanwhile(write_one);
	ck_assert_int_eq(poll_fds(p, 2, TIME_NEVER), 1);
	ck_assert_int_eq(p[0].revents, POLLIN);
	f_read(rd, &(char){ 0 }, 1);
	meanwhile(close_writer);
	ck_assert_int_eq(poll_fds(p, 2, TIME_NEVER), 1);
	ck_assert_int_eq(p[0].revents, POLLHUP);
}
END_TEST

/* The descriptor that is being waited for is closed: the file stays until the wait ends. */
static void close_reader_and_write(void)
{
	fd_close(rfd);
	write_event();
}

START_TEST(files_outlive_the_wait)
{
	struct pollfd_k p[2] = { { rfd, POLLIN, 0 }, { efd, POLLIN, 0 } };

	meanwhile(close_reader_and_write);
	ck_assert_int_eq(poll_fds(p, 2, TIME_NEVER), 2);
	ck_assert_int_eq(p[0].revents, POLLNVAL);
	ck_assert_int_eq(p[1].revents, POLLIN);
}
END_TEST

START_TEST(timeout_and_signal)
{
	struct pollfd_k p = { rfd, POLLIN, 0 };
	uint64_t start = clock_mono();

	ck_assert_int_eq(poll_fds(&p, 1, start + 20 * MS), 0);
	ck_assert_uint_eq(clock_mono(), start + 20 * MS);
	ck_assert_int_eq(poll_fds(&p, 1, start), 0); /* long past */
	ck_assert_int_eq(poll_fds(NULL, 0, start + 30 * MS), 0);
	ck_assert_uint_eq(clock_mono(), start + 30 * MS);
	ck_interrupted(poll_fds(&p, 1, TIME_NEVER));
}
END_TEST

START_TEST(other_events_do_not_end_the_wait)
{
	struct pollfd_k p = { efd, POLLIN, 0 };
	uint64_t start = clock_mono();

	f_write(ev, &(uint64_t){ UINT64_MAX - 1 }, 8);
	f_read(ev, &(uint64_t){ 0 }, 8);
	ck_assert_int_eq(poll_fds(&p, 1, start + 5 * MS), 0);
}
END_TEST

START_TEST(many_descriptors)
{
	struct pollfd_k p[MANY];

	for (int i = 0; i < MANY; i++)
		p[i] = (struct pollfd_k){ i % 2 ? rfd : efd, POLLIN, 0 };
	meanwhile(write_one);
	ck_assert_int_eq(poll_fds(p, MANY, TIME_NEVER), MANY / 2);
	ck_assert_int_eq(p[MANY - 1].revents, POLLIN);
	ck_assert_int_eq(p[MANY - 2].revents, 0);
	ck_assert_uint_eq(rd->refs, 1);
	ck_assert_uint_eq(ev->refs, 1);
}
END_TEST

START_TEST(each_allocation_fails)
{
	struct pollfd_k p[MANY];

	for (int i = 0; i < MANY; i++)
		p[i] = (struct pollfd_k){ i % 2 ? rfd : efd, POLLIN, 0 };
	FAKE_EACH_FAILURE(n) {
		int r = poll_fds(p, MANY, clock_mono() + MS);

		ck_assert(r == 0 || r == -ENOMEM);
		ck_assert_uint_eq(rd->refs, 1);
	}
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("poll", &tc, setup, teardown);

	tcase_add_test(tc, answers_at_once);
	tcase_add_test(tc, errors_and_hangups_are_always_told);
	tcase_add_test(tc, waits_for_an_event);
	tcase_add_test(tc, files_outlive_the_wait);
	tcase_add_test(tc, timeout_and_signal);
	tcase_add_test(tc, other_events_do_not_end_the_wait);
	tcase_add_test(tc, many_descriptors);
	tcase_add_test(tc, each_allocation_fails);
	return s;
}
