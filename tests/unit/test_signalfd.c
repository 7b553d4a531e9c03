/* signalfd: which signals are read, in which order, and waiting for one. */
#include "core/lib/seqbuf.h"
#include "core/mm/slab.h"
#include "tests/unit/filetest.h"

#define RAM (16ul << 20)
#define BIT(n) (1ul << ((n) - 1))
#define RECORD 128

static struct file *f;
static uint32_t rec[4 * RECORD / 4];

static void setup(void)
{
	fake_boot(RAM);
	ck_assert_int_eq(signalfd_new(NULL, BIT(SIGUSR1) | BIT(SIGUSR2) | BIT(SIGKILL) | BIT(SIGSTOP), 04000, &f), 0);
	/* As programs do: blocked, so that the signals stay pending. */
	current_thread()->sig_mask = BIT(SIGUSR1) | BIT(SIGUSR2) | BIT(SIGHUP);
	memset(rec, 0xff, sizeof(rec));
}

static void teardown(void)
{
	current_thread()->sig_mask = current_thread()->sig_pending = current_proc()->sig_pending = 0;
	file_put(f);
	fake_check_leaks();
}

static void to_proc(int sig) { signal_send_proc(current_proc(), &(struct siginfo){ .signo = sig }); }
static void to_thread(int sig) { signal_send_thread(current_thread(), &(struct siginfo){ .signo = sig }); }

START_TEST(reads_what_is_pending_in_the_mask)
{
	ck_assert_int_eq(f_read(f, rec, sizeof(rec)), -EAGAIN);
	to_proc(SIGUSR2);
	to_thread(SIGUSR1);
	to_proc(SIGHUP); /* not asked for */
	ck_assert_uint_eq(file_poll(f, NULL), POLLIN);
	ck_assert_int_eq(f_read(f, rec, sizeof(rec)), 2 * RECORD);
	ck_assert_uint_eq(rec[0], SIGUSR1);
	ck_assert_uint_eq(rec[RECORD / 4], SIGUSR2);
	ck_assert_int_eq(f_read(f, rec, sizeof(rec)), -EAGAIN);
	ck_assert_uint_eq(file_poll(f, NULL), 0);
	ck_assert(took_signal(SIGHUP));
}
END_TEST

START_TEST(room_for_one)
{
	to_proc(SIGUSR1);
	to_proc(SIGUSR2);
	ck_assert_int_eq(f_read(f, rec, RECORD - 1), -EINVAL);
	ck_assert_int_eq(f_read(f, rec, 2 * RECORD - 1), RECORD);
	ck_assert_uint_eq(rec[0], SIGUSR1);
	ck_assert_int_eq(f_read(f, rec, RECORD), RECORD);
	ck_assert_uint_eq(rec[0], SIGUSR2);
	to_proc(SIGUSR1);
	ck_assert_int_eq(f_read_user(f, 0, RECORD), -EFAULT);
}

START_TEST(shown_in_fdinfo)
{
	struct seqbuf b;

	seqbuf_init(&b);
	f->ops->fdinfo(f, &b);
	seqbuf_put(&b, "", 1);
	ck_assert_str_eq(b.data, "sigmask:\t0000000000000a00\n");
	seqbuf_free(&b);
}
END_TEST

START_TEST(kill_and_stop_cannot_be_read)
{
	current_proc()->sig_pending |= BIT(SIGKILL) | BIT(SIGSTOP);
	ck_assert_uint_eq(file_poll(f, NULL), 0);
}
END_TEST

START_TEST(mask_can_be_changed)
{
	struct file *same, *e;

	to_proc(SIGHUP);
	ck_assert_int_eq(signalfd_new(f, BIT(SIGHUP), 0, &same), 0);
	ck_assert_ptr_eq(same, f);
	ck_assert_int_eq(f_read(f, rec, RECORD), RECORD);
	ck_assert_uint_eq(rec[0], SIGHUP);
	ck_assert_int_eq(eventfd_new(0, 0, &e), 0);
	ck_assert_int_eq(signalfd_new(e, 0, 0, &same), -EINVAL);
	ck_assert_int_eq(signalfd_new(NULL, 0, 1, &same), -EINVAL);
	file_put(e);
}
END_TEST

static void send_usr1(void)
{
	to_proc(SIGUSR1);
	signalfd_notify();
}

START_TEST(reader_waits)
{
	f->flags &= ~O_NONBLOCK;
	meanwhile(send_usr1);
	ck_assert_int_eq(f_read(f, rec, RECORD), RECORD);
	ck_assert_uint_eq(rec[0], SIGUSR1);
	ck_interrupted(f_read(f, rec, RECORD));
}
END_TEST

START_TEST(each_allocation_fails)
{
	FAKE_EACH_FAILURE(n) {
		struct file *g;
		int r = signalfd_new(NULL, 1, 0, &g);

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
	Suite *s = unit_suite_new("signalfd", &tc, setup, teardown);

	tcase_add_test(tc, reads_what_is_pending_in_the_mask);
	tcase_add_test(tc, room_for_one);
	tcase_add_test(tc, shown_in_fdinfo);
	tcase_add_test(tc, kill_and_stop_cannot_be_read);
	tcase_add_test(tc, mask_can_be_changed);
	tcase_add_test(tc, reader_waits);
	tcase_add_test(tc, each_allocation_fails);
	return s;
}
