/* The standard streams: what the platform gives, blocking and polling, end of file, broken pipes, forwarded signals. */
#include "core/mm/slab.h"
#include "shim/abi/ioctl.h"
#include "shim/abi/stat.h"
#include "tests/unit/filetest.h"

#define RAM (16ul << 20)
#define IN  (POLLIN | POLLRDNORM)
#define OUT (POLLOUT | POLLWRNORM)

static struct fdtable *t;
static char buf[300000], big[300000];

/* Descriptor 0, 1 or 2 without a reference. */
static struct file *fd(int n) { return t->files[n]; }

static void start(enum plat_stdio_kind a, enum plat_stdio_kind b, enum plat_stdio_kind c)
{
	if (t)
		fdtable_put(t);
	fake_stdio_kind[0] = a;
	fake_stdio_kind[1] = b;
	fake_stdio_kind[2] = c;
	ck_assert_int_eq(fdtable_new(&t), 0);
	ck_assert_int_eq(stdio_init(t), 0);
}

static void setup(void)
{
	fake_boot(RAM);
	t = NULL;
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 11 + i / 257);
	start(PLAT_STDIO_STREAM, PLAT_STDIO_STREAM, PLAT_STDIO_STREAM);
}

/* At end of input the stream lets go of its buffer. */
static void finish_input(void)
{
	fake_stdin_eof();
	if (fd(0) && fake_stdio_kind[0] == PLAT_STDIO_STREAM)
		while (f_read(fd(0), buf, sizeof(buf)) > 0)
			;
}

static void teardown(void)
{
	finish_input();
	fdtable_put(t);
	t = NULL;
	fake_check_leaks();
}

START_TEST(streams_look_like_fifos)
{
	for (int i = 0; i < 3; i++) {
		ck_assert_uint_eq(fd(i)->inode->mode, S_IFIFO | 0600);
		ck_assert_int_eq(file_ioctl(fd(i), TCGETS, buf), -ENOTTY);
		ck_assert_int_eq(file_seek(fd(i), 0, SEEK_CUR), -ESPIPE);
	}
	ck_assert_int_eq(fd(0)->flags & O_ACCMODE, O_RDONLY);
	ck_assert_int_eq(fd(1)->flags & O_ACCMODE, O_WRONLY);
	ck_assert_int_eq(f_write(fd(0), "x", 1), -EBADF);
	ck_assert_int_eq(f_read(fd(1), buf, 1), -EBADF);
}
END_TEST

START_TEST(input)
{
	int n;

	fake_stdin_put("hello world", 11);
	ck_assert_int_eq(f_read(fd(0), buf, 5), 5);
	ck_assert_int_eq(f_read(fd(0), buf + 5, 100), 6);
	ck_assert_mem_eq(buf, "hello world", 11);
	fd(0)->flags |= O_NONBLOCK;
	ck_assert_int_eq(f_read(fd(0), buf, 1), -EAGAIN);
	ck_assert_int_eq(f_read(fd(0), buf, 0), 0);
	ck_assert_uint_eq(file_poll(fd(0), NULL), 0);
	fake_stdin_put("abc", 3);
	ck_assert_uint_eq(file_poll(fd(0), NULL), IN);
	ck_assert_int_eq(f_read(fd(0), buf, 100), 3); /* the byte that poll took, and the rest */
	ck_assert_mem_eq(buf, "abc", 3);
	fake_stdin_put(big, 1000);
	ck_assert_int_eq(file_ioctl(fd(0), FIONREAD, &n), 0);
	ck_assert_int_eq(n, 1000);
	ck_assert_int_eq(f_read(fd(0), buf, 2000), 1000);
	fake_stdin_eof();
	ck_assert_uint_eq(file_poll(fd(0), NULL), POLLHUP);
	ck_assert_int_eq(f_read(fd(0), buf, 100), 0);
	ck_assert_int_eq(f_read(fd(0), buf, 100), 0);
}
END_TEST

/* What the program does not ask for stays with the host. */
START_TEST(nothing_is_read_ahead)
{
	char rest[10];

	fake_stdin_put("line\nrest", 9);
	ck_assert_int_eq(f_read(fd(0), buf, 5), 5);
	ck_assert_int_eq(plat_stdio_read(rest, 10), 4);
}
END_TEST

static void type_abc(void) { fake_stdin_put("abc", 3); }
static void end_input(void) { fake_stdin_eof(); }

START_TEST(reader_waits)
{
	meanwhile(type_abc);
	ck_assert_int_eq(f_read(fd(0), buf, 100), 3);
	ck_interrupted(f_read(fd(0), buf, 100));
	meanwhile(end_input);
	ck_assert_int_eq(f_read(fd(0), buf, 100), 0);
}
END_TEST

START_TEST(large_input)
{
	size_t got = 0;

	fake_stdin_put(big, sizeof(big));
	while (got < sizeof(big)) {
		long r = f_read(fd(0), buf + got, sizeof(big) - got);

		ck_assert_int_gt(r, 0);
		got += (size_t)r;
	}
	ck_assert_mem_eq(buf, big, sizeof(big));
}
END_TEST

START_TEST(output)
{
	size_t n;

	ck_assert_int_eq(f_write(fd(1), "out", 3), 3);
	ck_assert_int_eq(f_write(fd(2), "err", 3), 3);
	ck_assert_str_eq(fake_out_data(1, NULL), "out");
	ck_assert_str_eq(fake_out_data(2, NULL), "err");
	fake_out_reset(1);
	ck_assert_int_eq(f_write(fd(1), big, sizeof(big)), sizeof(big));
	ck_assert_mem_eq(fake_out_data(1, &n), big, sizeof(big));
	ck_assert_uint_eq(n, sizeof(big));
	ck_assert_int_eq(f_write(fd(1), "", 0), 0);
}
END_TEST

static void accept_all(void) { fake_out_room(1, SIZE_MAX); }

START_TEST(host_does_not_take_it)
{
	size_t n;

	fake_out_room(1, 1000);
	ck_assert_uint_eq(file_poll(fd(1), NULL), OUT);
	fd(1)->flags |= O_NONBLOCK;
	ck_assert_int_eq(f_write(fd(1), big, 5000), 1000);
	ck_assert_int_eq(f_write(fd(1), big, 1), -EAGAIN);
	ck_assert_uint_eq(file_poll(fd(1), NULL), 0);
	fake_out_room(1, 10);
	plat_poll();
	ck_assert_uint_eq(file_poll(fd(1), NULL), OUT);
	fd(1)->flags &= ~O_NONBLOCK;
	meanwhile(accept_all);
	ck_assert_int_eq(f_write(fd(1), big + 1000, 200000), 200000);
	ck_assert_mem_eq(fake_out_data(1, &n), big, 201000);
	fake_out_room(1, 0);
	ck_interrupted(f_write(fd(1), big, 1));
	fake_out_room(1, 100);
	meanwhile(interrupt);
	ck_assert_int_eq(f_write(fd(1), big, 200), 100); /* what went out before the signal counts */
	ck_assert(took_signal(SIGTERM));
}
END_TEST

START_TEST(host_reader_is_gone)
{
	fake_out_close(1);
	ck_assert_int_eq(f_write(fd(1), "x", 1), -EPIPE);
	ck_assert(took_signal(SIGPIPE));
	ck_assert_uint_eq(file_poll(fd(1), NULL) & POLLERR, POLLERR);
	ck_assert_int_eq(f_write(fd(2), "x", 1), 1);
}
END_TEST

START_TEST(polling_waits)
{
	struct fdtable *saved = current_proc()->files;
	struct pollfd_k p = { 0, POLLIN, 0 };

	current_proc()->files = t;
	meanwhile(type_abc);
	ck_assert_int_eq(poll_fds(&p, 1, TIME_NEVER), 1);
	ck_assert_int_eq(p.revents, POLLIN);
	f_read(fd(0), buf, 10);
	meanwhile(end_input);
	ck_assert_int_eq(poll_fds(&p, 1, TIME_NEVER), 1);
	ck_assert_int_eq(p.revents, POLLHUP);
	current_proc()->files = saved;
}
END_TEST

START_TEST(closed_and_null)
{
	start(PLAT_STDIO_CLOSED, PLAT_STDIO_NULL, PLAT_STDIO_CLOSED);
	ck_assert_ptr_null(fd(0));
	ck_assert_ptr_null(fd(2));
	ck_assert_uint_eq(t->open[0], 2);
	ck_assert_int_eq(f_write(fd(1), big, 100), 100);
	ck_assert(S_ISCHR(fd(1)->inode->mode));
	ck_assert_uint_eq(fd(1)->inode->rdev, DEV_MAKE(1, 3));
	start(PLAT_STDIO_NULL, PLAT_STDIO_STREAM, PLAT_STDIO_STREAM);
	ck_assert_int_eq(f_read(fd(0), buf, 100), 0);
	start(PLAT_STDIO_ZERO, PLAT_STDIO_FULL, PLAT_STDIO_STREAM);
	ck_assert_uint_eq(fd(0)->inode->rdev, DEV_MAKE(1, 5));
	ck_assert_int_eq(f_read(fd(0), buf, 100), 100);
	ck_assert_int_eq(buf[99], 0);
	ck_assert_int_eq(f_write(fd(1), big, 100), -ENOSPC);
}
END_TEST

START_TEST(one_terminal_for_all)
{
	start(PLAT_STDIO_TTY, PLAT_STDIO_TTY, PLAT_STDIO_STREAM);
	ck_assert_ptr_eq(fd(0), fd(1));
	ck_assert_uint_eq(fd(0)->refs, 2);
	ck_assert_ptr_ne(fd(2), fd(1));
	ck_assert(S_ISCHR(fd(0)->inode->mode));
	ck_assert_int_eq(file_ioctl(fd(0), TCGETS, buf), 0);
	ck_assert_int_eq(file_ioctl(fd(2), TCGETS, buf), -ENOTTY);
	ck_assert_int_eq(f_write(fd(1), "hi\n", 3), 3);
	ck_assert_str_eq(fake_out_data(1, NULL), "hi\r\n");
}
END_TEST

START_TEST(signals_are_forwarded)
{
	fake_signal(SIGTERM);
	fake_signal(SIGHUP);
	plat_poll();
	ck_assert(took_signal(SIGTERM));
	ck_assert(took_signal(SIGHUP));
}
END_TEST

START_TEST(opened_again)
{
	struct file *f;
	struct path p;

	ck_assert_int_eq(path_anon(fd(1)->inode, "pipe:[1]", &p), 0);
	ck_assert_int_eq(file_new_path(&p, O_WRONLY, &f), 0);
	ck_assert_int_eq(p.dentry->inode->ops->open(p.dentry->inode, f), 0);
	ck_assert_int_eq(f_write(f, "again", 5), 5);
	ck_assert_str_eq(fake_out_data(1, NULL), "again");
	file_put(f);
	path_put(&p);
}
END_TEST

#define UBASE 0x10000000ul

START_TEST(bad_user_buffers)
{
	memcpy(fake_user_map(UBASE, 10), "0123456789", 10);
	ck_assert_int_eq(f_write_user(fd(1), 0, 10), -EFAULT);
	ck_assert_int_eq(f_write_user(fd(1), UBASE + 5, 10), 5);
	fake_stdin_put("abcdef", 6);
	ck_assert_int_eq(f_read_user(fd(0), 0, 10), -EFAULT);
	ck_assert_int_eq(f_read_user(fd(0), UBASE + 7, 10), 3);
	ck_assert_int_eq(f_read(fd(0), buf, 10), 3);
}
END_TEST

START_TEST(each_allocation_fails)
{
	fdtable_put(t);
	ck_assert_int_eq(fdtable_new(&t), 0);
	FAKE_EACH_FAILURE(n) {
		int r = stdio_init(t);
		long w;

		ck_assert(r == 0 || r == -ENOMEM);
		if (!r) {
			w = f_write(fd(1), big, 100000);
			ck_assert(w == 100000 || w == -ENOMEM);
		}
		fdtable_put(t);
		if (fdtable_new(&t))
			ck_assert_int_eq(fdtable_new(&t), 0);
	}
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("stdio", &tc, setup, teardown);

	tcase_add_test(tc, streams_look_like_fifos);
	tcase_add_test(tc, input);
	tcase_add_test(tc, nothing_is_read_ahead);
	tcase_add_test(tc, reader_waits);
	tcase_add_test(tc, large_input);
	tcase_add_test(tc, output);
	tcase_add_test(tc, host_does_not_take_it);
	tcase_add_test(tc, host_reader_is_gone);
	tcase_add_test(tc, polling_waits);
	tcase_add_test(tc, closed_and_null);
	tcase_add_test(tc, one_terminal_for_all);
	tcase_add_test(tc, signals_are_forwarded);
	tcase_add_test(tc, opened_again);
	tcase_add_test(tc, bad_user_buffers);
	tcase_add_test(tc, each_allocation_fails);
	return s;
}
