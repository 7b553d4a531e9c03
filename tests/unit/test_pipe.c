/* Pipes and FIFOs: merging, capacity, atomicity, blocking, poll bits, packets, sizes, errors. */
#include "core/mm/page.h"
#include "core/mm/slab.h"
#include "core/mm/space.h"
#include "shim/abi/ioctl.h"
#include "shim/abi/mman.h"
#include "shim/abi/stat.h"
#include "tests/unit/filetest.h"

#define RAM (16ul << 20)
#define CAPACITY 65536u
#define IN  (POLLIN | POLLRDNORM)
#define OUT (POLLOUT | POLLWRNORM)

static struct file *rd, *wr;
static char buf[CAPACITY + 4096], buf2[CAPACITY + 4096];

static void setup(void)
{
	fake_boot(RAM);
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (char)(i * 7 + i / 251);
	memset(buf2, 0, sizeof(buf2));
	ck_assert_int_eq(pipe_new(0, &rd, &wr), 0);
}

static void teardown(void)
{
	if (rd)
		file_put(rd);
	if (wr)
		file_put(wr);
	rd = wr = NULL;
	fake_check_leaks();
}

static void close_rd(void)
{
	file_put(rd);
	rd = NULL;
}

static void close_wr(void)
{
	file_put(wr);
	wr = NULL;
}

static void nonblock(struct file *f) { f->flags |= O_NONBLOCK; }

static int queued(struct file *f)
{
	int n = -1;

	ck_assert_int_eq(file_ioctl(f, FIONREAD, &n), 0);
	return n;
}

START_TEST(bytes_come_out_in_order)
{
	for (size_t i = 0; i < 1000; i++)
		ck_assert_int_eq(f_write(wr, buf + i, 1), 1);
	ck_assert_int_eq(queued(rd), 1000);
	ck_assert_int_eq(queued(wr), 1000);
	ck_assert_int_eq(f_read(rd, buf2, 300), 300);
	ck_assert_int_eq(f_read(rd, buf2 + 300, sizeof(buf2) - 300), 700);
	ck_assert_mem_eq(buf, buf2, 1000);
	ck_assert_int_eq(queued(rd), 0);
}
END_TEST

START_TEST(small_messages_allocate_nothing)
{
	char c = 'x';

	ck_assert_int_eq(f_write(wr, &c, 1), 1);
	ck_assert_int_eq(f_read(rd, &c, 1), 1);
	fake_fail_after(1);
	for (int i = 0; i < 10000; i++) {
		ck_assert_int_eq(f_write(wr, &c, 1), 1);
		ck_assert_int_eq(f_read(rd, &c, 1), 1);
	}
	ck_assert(!fake_failed());
}
END_TEST

START_TEST(capacity_is_64_kib_of_single_bytes)
{
	size_t n = 0;

	nonblock(wr);
	while (f_write(wr, buf + n, 1) == 1)
		n++;
	ck_assert_uint_eq(n, CAPACITY);
	ck_assert_int_eq(f_write(wr, buf, 1), -EAGAIN);
	ck_assert_int_eq(f_read(rd, buf2, sizeof(buf2)), CAPACITY);
	ck_assert_mem_eq(buf, buf2, CAPACITY);
}
END_TEST

/* As on Linux, a write that does not fit behind the last one takes a page of its own. */
START_TEST(capacity_of_odd_writes_is_counted_in_pages)
{
	size_t n = 0;

	nonblock(wr);
	while (f_write(wr, buf, 3000) == 3000)
		n++;
	ck_assert_uint_eq(n, 16);
}
END_TEST

START_TEST(nonblocking_write_is_partial_beyond_pipe_buf)
{
	nonblock(wr);
	ck_assert_int_eq(f_write(wr, buf, CAPACITY + 100), CAPACITY);
	ck_assert_int_eq(f_write(wr, buf, 4096), -EAGAIN);
	ck_assert_int_eq(f_read(rd, buf2, 4096), 4096);
	ck_assert_int_eq(f_write(wr, buf, 8192), 4096);
}
END_TEST

/* Up to PIPE_BUF bytes go in whole or not at all. */
START_TEST(small_write_is_never_split)
{
	nonblock(wr);
	ck_assert_int_eq(f_write(wr, buf, 15 * 4096), 15 * 4096);
	ck_assert_int_eq(f_write(wr, buf, 4000), 4000);
	ck_assert_int_eq(f_write(wr, buf, 97), -EAGAIN);
	ck_assert_int_eq(f_write(wr, buf, 96), 96);
}
END_TEST

START_TEST(end_of_file_and_broken_pipe)
{
	char c;

	ck_assert_int_eq(f_write(wr, "abc", 3), 3);
	close_wr();
	ck_assert_int_eq(f_read(rd, &c, 1), 1);
	ck_assert_int_eq(f_read(rd, buf2, 10), 2);
	ck_assert_int_eq(f_read(rd, buf2, 10), 0);
}
END_TEST

START_TEST(write_without_reader_is_epipe_and_sigpipe)
{
	close_rd();
	ck_assert_int_eq(f_write(wr, "a", 1), -EPIPE);
	ck_assert(took_signal(SIGPIPE));
	ck_assert_int_eq(f_write(wr, "a", 0), 0);
	ck_assert(!took_signal(SIGPIPE));
}
END_TEST

START_TEST(wrong_end_is_ebadf_and_there_is_no_position)
{
	struct uio u;

	ck_assert_int_eq(f_read(wr, buf2, 1), -EBADF);
	ck_assert_int_eq(f_write(rd, buf, 1), -EBADF);
	ck_assert_int_eq(file_seek(rd, 0, 0), -ESPIPE);
	ck_assert_int_eq(file_seek(rd, 0, 9), -EINVAL);
	uio_kernel(&u, buf2, 1, true);
	ck_assert_int_eq(file_pread(rd, &u, 0), -ESPIPE);
	ck_assert_int_eq(file_pread(rd, &u, -1), -EINVAL);
	ck_assert_int_eq(file_pwrite(rd, &u, 0), -ESPIPE);
	ck_assert_int_eq(file_fsync(rd, false), -EINVAL);
	ck_assert_int_eq(file_ioctl(rd, TCGETS, buf2), -ENOTTY);
	ck_assert_int_eq(f_read(rd, buf2, (size_t)-1), -EINVAL);
}
END_TEST

START_TEST(empty_transfers_do_not_wait)
{
	ck_assert_int_eq(f_read(rd, buf2, 0), 0);
	ck_assert_int_eq(f_write(wr, buf, 0), 0);
	ck_assert_int_eq(queued(rd), 0);
}
END_TEST

static void write_three(void) { ck_assert_int_eq(f_write(wr, "xyz", 3), 3); }
static void read_two_pages(void) { ck_assert_int_eq(f_read(rd, buf2, 8192), 8192); }
static void skip_page(void) { pipe_skip(rd, 4096); }
static void read_page(void) { ck_assert_int_eq(f_read(rd, buf2, 4096), 4096); }

START_TEST(reader_sleeps_for_bytes)
{
	nonblock(rd);
	ck_assert_int_eq(f_read(rd, buf2, 10), -EAGAIN);
	rd->flags &= ~O_NONBLOCK;
	meanwhile(write_three);
	ck_assert_int_eq(f_read(rd, buf2, 10), 3);
	ck_assert_mem_eq(buf2, "xyz", 3);
	meanwhile(write_three);
	ck_assert_int_eq(f_read(rd, buf2, 1), 1);
	ck_assert_int_eq(f_read(rd, buf2, 10), 2);
	ck_interrupted(f_read(rd, buf2, 10));
	meanwhile(close_wr);
	ck_assert_int_eq(f_read(rd, buf2, 10), 0);
}
END_TEST

START_TEST(writer_sleeps_for_room)
{
	ck_assert_int_eq(f_write(wr, buf, CAPACITY), CAPACITY);
	meanwhile(read_page);
	ck_assert_int_eq(f_write(wr, buf, 4096), 4096);
	meanwhile(skip_page);
	ck_assert_int_eq(f_write(wr, buf, 4096), 4096);
	meanwhile(read_two_pages);
	ck_assert_int_eq(f_write(wr, buf, 4096), 4096);
	ck_assert_int_eq(f_write(wr, buf, 4096), 4096);
	ck_interrupted(f_write(wr, buf, 1));
	/* What was written before the signal counts. */
	ck_assert_int_eq(f_read(rd, buf2, 4096), 4096);
	meanwhile(interrupt);
	ck_assert_int_eq(f_write(wr, buf, 8192), 4096);
	ck_assert(took_signal(SIGTERM));
}
END_TEST

START_TEST(reader_leaves_a_sleeping_writer)
{
	ck_assert_int_eq(f_write(wr, buf, CAPACITY), CAPACITY);
	meanwhile(close_rd);
	ck_assert_int_eq(f_write(wr, buf, 1), -EPIPE);
	ck_assert(took_signal(SIGPIPE));
}
END_TEST

START_TEST(poll_bits)
{
	ck_assert_uint_eq(file_poll(rd, NULL), 0);
	ck_assert_uint_eq(file_poll(wr, NULL), OUT);
	nonblock(wr);
	ck_assert_int_eq(f_write(wr, buf, CAPACITY), CAPACITY);
	ck_assert_uint_eq(file_poll(rd, NULL), IN);
	ck_assert_uint_eq(file_poll(wr, NULL), 0);
	ck_assert_int_eq(f_read(rd, buf2, 4095), 4095);
	ck_assert_uint_eq(file_poll(wr, NULL), 0);
	ck_assert_int_eq(f_read(rd, buf2, 1), 1);
	ck_assert_uint_eq(file_poll(wr, NULL), OUT);
	close_wr();
	ck_assert_uint_eq(file_poll(rd, NULL), IN | POLLHUP);
	ck_assert_int_eq(f_read(rd, buf2, sizeof(buf2)), CAPACITY - 4096);
	ck_assert_uint_eq(file_poll(rd, NULL), POLLHUP);
}
END_TEST

START_TEST(poll_bits_without_reader)
{
	close_rd();
	ck_assert_uint_eq(file_poll(wr, NULL), OUT | POLLERR);
}
END_TEST

START_TEST(packets)
{
	wr->flags |= O_DIRECT;
	ck_assert_int_eq(f_write(wr, "hello", 5), 5);
	ck_assert_int_eq(f_write(wr, "world!", 6), 6);
	ck_assert_int_eq(f_read(rd, buf2, 3), 3); /* the rest of the packet is discarded */
	ck_assert_int_eq(f_read(rd, buf2, 100), 6);
	ck_assert_mem_eq(buf2, "world!", 6);
	ck_assert_int_eq(f_write(wr, buf, 4097), 4097); /* two packets */
	ck_assert_int_eq(f_read(rd, buf2, 5000), 4096);
	ck_assert_int_eq(f_read(rd, buf2, 5000), 1);
}
END_TEST

START_TEST(a_packet_is_not_joined_by_a_plain_write)
{
	wr->flags |= O_DIRECT;
	ck_assert_int_eq(f_write(wr, "ab", 2), 2);
	wr->flags &= ~O_DIRECT;
	ck_assert_int_eq(f_write(wr, "cd", 2), 2);
	ck_assert_int_eq(f_read(rd, buf2, 10), 2);
	ck_assert_int_eq(f_read(rd, buf2, 10), 2);
}
END_TEST

START_TEST(sizes)
{
	ck_assert_int_eq(pipe_splice_room(rd), CAPACITY);
	ck_assert_int_eq(f_write(wr, buf, 9000), 9000);
	ck_assert_int_eq(pipe_set_size(rd, 8192), -EBUSY);
	ck_assert_int_eq(pipe_set_size(rd, 8193), 16384);
	ck_assert_int_eq(f_read(rd, buf2, 9000), 9000);
	ck_assert_mem_eq(buf, buf2, 9000);
	ck_assert_int_eq(pipe_set_size(wr, 0), 4096);
	nonblock(wr);
	ck_assert_int_eq(f_write(wr, buf, 9000), 4096);
	ck_assert_int_eq(pipe_set_size(wr, 1 << 20), 1 << 20);
	ck_assert_int_eq(f_write(wr, buf, 9000), 9000);
	ck_assert_int_eq(pipe_set_size(wr, 1u << 20), 1 << 20);
	ck_assert_int_eq(f_read(rd, buf2, sizeof(buf2)), 13096);
	ck_assert_mem_eq(buf, buf2 + 4096, 9000);
	ck_assert_int_eq(pipe_set_size(wr, 0x80000001u), -EINVAL);
}
END_TEST

START_TEST(more_than_the_maximum_takes_privilege)
{
	struct cred *c = cred_new(), *root = current_proc()->cred;

	c->euid = c->fsuid = 1000;
	current_proc()->cred = c;
	ck_assert_int_eq(pipe_set_size(wr, 2u << 20), -EPERM);
	current_proc()->cred = root;
	cred_put(c);
	ck_assert_int_eq(pipe_set_size(wr, 2u << 20), 2 << 20);
}
END_TEST

START_TEST(peek_leaves_and_skip_takes)
{
	ck_assert_int_eq(f_write(wr, buf, 5000), 5000);
	ck_assert_int_eq(pipe_peek(rd, buf2, 100), 100);
	ck_assert_int_eq(pipe_peek(rd, buf2, 10000), 5000);
	ck_assert_mem_eq(buf, buf2, 5000);
	pipe_skip(rd, 4500);
	ck_assert_int_eq(f_read(rd, buf2, 10000), 500);
	ck_assert_mem_eq(buf + 4500, buf2, 500);
	ck_assert(file_is_pipe(rd));
}
END_TEST

/* ---- user memory ---- */

#define UBASE 0x10000000ul

/* Two pages, the second of which is missing: the write fails whole; the pipe stays as it was. */
START_TEST(bad_user_buffers)
{
	fake_user_map(UBASE, 4096);
	ck_assert_int_eq(f_write_user(wr, UBASE + 4000, 200), -EFAULT);
	ck_assert_int_eq(queued(rd), 0);
	ck_assert_int_eq(f_write_user(wr, UBASE, 100), 100);
	ck_assert_int_eq(f_write_user(wr, UBASE + 4000, 200), -EFAULT); /* would join the last buffer */
	ck_assert_int_eq(queued(rd), 100);
	ck_assert_int_eq(f_write_user(wr, UBASE, 4097), 1); /* the odd byte joined; the page after it is not whole */
	ck_assert_int_eq(f_read_user(rd, UBASE + 4090, 100), -EFAULT);
	ck_assert_int_eq(f_read_user(rd, 0, 100), -EFAULT);
	ck_assert_int_eq(queued(rd), 101); /* nothing was lost */
	ck_assert_int_eq(f_read_user(rd, UBASE + 4090, 6), 6);
}
END_TEST

/* Pages that are only not there yet are faulted in, in the middle of a buffer. */
START_TEST(user_pages_are_faulted_in)
{
	struct space *s = fake_space();
	long at = space_mmap(s, UBASE, 32 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
			     NULL, 0, NULL);

	ck_assert_int_eq(at, (long)UBASE);
	ck_assert_int_eq(f_write_user(wr, UBASE + 100, 5000), 5000);
	ck_assert_int_eq(f_read_user(rd, UBASE + 5 * PAGE_SIZE - 7, 5000), 5000);
	ck_assert_int_eq(f_write_user(wr, UBASE + 10 * PAGE_SIZE - 3, 10), 10);
	ck_assert_int_eq(f_read_user(rd, UBASE + 20 * PAGE_SIZE - 3, 10), 10);
	ck_assert_int_eq(space_munmap(s, UBASE + 30 * PAGE_SIZE, 2 * PAGE_SIZE), 0);
	ck_assert_int_eq(f_write_user(wr, UBASE + 30 * PAGE_SIZE - 5, 10), -EFAULT);
	wr->flags |= O_DIRECT;
	ck_assert_int_eq(f_write_user(wr, UBASE + 25 * PAGE_SIZE - 5, 10), 10);
	ck_assert_int_eq(f_read_user(rd, UBASE + 27 * PAGE_SIZE - 5, 10), 10);
	fake_space_drop();
}
END_TEST

/* ---- FIFOs ---- */

static struct inode *fifo;
static struct file *late;

static int open_fifo(int flags, struct file **out)
{
	static const struct file_ops none;
	struct file *f;
	int r = file_new_inode(&none, fifo, flags, NULL, &f);

	ck_assert_int_eq(r, 0);
	r = fifo_open(fifo, f);
	if (r)
		file_put(f);
	else
		*out = f;
	return r;
}

static void fifo_setup(void)
{
	fifo = inode_get(rd->inode); /* any inode will do once its own pipe is gone */
	close_rd();
	close_wr();
	ck_assert_ptr_null(fifo->special);
	late = NULL;
}

static void fifo_done(void)
{
	if (late)
		file_put(late);
	ck_assert_ptr_null(fifo->special);
	inode_put(fifo);
}

static void open_late_writer(void) { ck_assert_int_eq(open_fifo(O_WRONLY | O_NONBLOCK, &late), 0); }
static void open_late_reader(void) { ck_assert_int_eq(open_fifo(O_RDONLY | O_NONBLOCK, &late), 0); }

static void open_late_and_close(void)
{
	open_late_writer();
	file_put(late);
	late = NULL;
}

START_TEST(fifo_open_waits_for_the_other_end)
{
	fifo_setup();
	meanwhile(open_late_writer);
	ck_assert_int_eq(open_fifo(O_RDONLY, &rd), 0);
	ck_assert_int_eq(f_write(late, "hi", 2), 2);
	ck_assert_int_eq(f_read(rd, buf2, 5), 2);
	close_rd();
	file_put(late);
	meanwhile(open_late_reader);
	ck_assert_int_eq(open_fifo(O_WRONLY, &wr), 0);
	close_wr();
	fifo_done();
}
END_TEST

START_TEST(fifo_open_is_not_fooled_by_a_short_visit)
{
	fifo_setup();
	meanwhile(open_late_and_close);
	ck_assert_int_eq(open_fifo(O_RDONLY, &rd), 0);
	ck_assert_int_eq(f_read(rd, buf2, 5), 0);
	close_rd();
	fifo_done();
}
END_TEST

START_TEST(fifo_open_interrupted_or_nonblocking)
{
	fifo_setup();
	ck_interrupted(open_fifo(O_RDONLY, &rd));
	ck_interrupted(open_fifo(O_WRONLY, &wr));
	ck_assert_int_eq(open_fifo(O_WRONLY | O_NONBLOCK, &wr), -ENXIO);
	ck_assert_ptr_null(fifo->special);
	ck_assert_int_eq(open_fifo(O_RDONLY | O_NONBLOCK, &rd), 0);
	/* No writer so far: end of file to read, but no hang-up to poll. */
	ck_assert_uint_eq(file_poll(rd, NULL), 0);
	ck_assert_int_eq(f_read(rd, buf2, 1), 0);
	ck_assert_int_eq(open_fifo(O_WRONLY | O_NONBLOCK, &wr), 0);
	ck_assert_int_eq(f_read(rd, buf2, 1), -EAGAIN);
	close_wr();
	ck_assert_uint_eq(file_poll(rd, NULL), POLLHUP);
	close_rd();
	ck_assert_int_eq(open_fifo(O_RDWR, &rd), 0);
	ck_assert_int_eq(f_write(rd, "x", 1), 1);
	ck_assert_uint_eq(file_poll(rd, NULL), IN | OUT);
	ck_assert_int_eq(f_read(rd, buf2, 1), 1);
	close_rd();
	fifo_done();
}
END_TEST

START_TEST(a_pipe_can_be_opened_again_by_its_inode)
{
	struct file *again;

	fifo = rd->inode;
	ck_assert_int_eq(open_fifo(O_WRONLY, &again), 0);
	close_wr();
	ck_assert_int_eq(f_write(again, "a", 1), 1);
	ck_assert_int_eq(f_read(rd, buf2, 1), 1);
	file_put(again);
	ck_assert_int_eq(f_read(rd, buf2, 1), 0);
}
END_TEST

/* ---- allocation failures ---- */

START_TEST(each_allocation_fails)
{
	close_rd();
	close_wr();
	FAKE_EACH_FAILURE(n) {
		int r = pipe_new(0, &rd, &wr);
		long w;

		if (r) {
			ck_assert_int_eq(r, -ENOMEM);
			rd = wr = NULL;
			continue;
		}
		w = f_write(wr, buf, 10000);
		ck_assert(w == 10000 || w == 8192 || w == 4096 || w == -ENOMEM);
		if (w > 0)
			ck_assert_int_eq(f_read(rd, buf2, 10000), w);
		r = pipe_set_size(rd, 8192);
		ck_assert(r == 8192 || r == -ENOMEM);
		close_rd();
		close_wr();
	}
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("pipe", &tc, setup, teardown);

	tcase_add_test(tc, bytes_come_out_in_order);
	tcase_add_test(tc, small_messages_allocate_nothing);
	tcase_add_test(tc, capacity_is_64_kib_of_single_bytes);
	tcase_add_test(tc, capacity_of_odd_writes_is_counted_in_pages);
	tcase_add_test(tc, nonblocking_write_is_partial_beyond_pipe_buf);
	tcase_add_test(tc, small_write_is_never_split);
	tcase_add_test(tc, end_of_file_and_broken_pipe);
	tcase_add_test(tc, write_without_reader_is_epipe_and_sigpipe);
	tcase_add_test(tc, wrong_end_is_ebadf_and_there_is_no_position);
	tcase_add_test(tc, empty_transfers_do_not_wait);
	tcase_add_test(tc, reader_sleeps_for_bytes);
	tcase_add_test(tc, writer_sleeps_for_room);
	tcase_add_test(tc, reader_leaves_a_sleeping_writer);
	tcase_add_test(tc, poll_bits);
	tcase_add_test(tc, poll_bits_without_reader);
	tcase_add_test(tc, packets);
	tcase_add_test(tc, a_packet_is_not_joined_by_a_plain_write);
	tcase_add_test(tc, sizes);
	tcase_add_test(tc, more_than_the_maximum_takes_privilege);
	tcase_add_test(tc, peek_leaves_and_skip_takes);
	tcase_add_test(tc, bad_user_buffers);
	tcase_add_test(tc, user_pages_are_faulted_in);
	tcase_add_test(tc, fifo_open_waits_for_the_other_end);
	tcase_add_test(tc, fifo_open_is_not_fooled_by_a_short_visit);
	tcase_add_test(tc, fifo_open_interrupted_or_nonblocking);
	tcase_add_test(tc, a_pipe_can_be_opened_again_by_its_inode);
	tcase_add_test(tc, each_allocation_fails);
	return s;
}
