/* eventfd: counter and semaphore, limits, blocking, poll bits. */
#include "core/lib/seqbuf.h"
#include "core/mm/slab.h"
#include "tests/unit/filetest.h"

#define RAM (16ul << 20)
#define MOST (UINT64_MAX - 1)

static struct file *f;

static void setup(void)
{
	fake_boot(RAM);
	ck_assert_int_eq(eventfd_new(0, 0, &f), 0);
}

static void teardown(void)
{
	file_put(f);
	fake_check_leaks();
}

static long add(uint64_t v) { return f_write(f, &v, sizeof(v)); }

static uint64_t take(void)
{
	uint64_t v = 0;

	ck_assert_int_eq(f_read(f, &v, sizeof(v)), 8);
	return v;
}

static void renew(unsigned initval, int flags)
{
	file_put(f);
	ck_assert_int_eq(eventfd_new(initval, flags, &f), 0);
}

START_TEST(counts)
{
	ck_assert_int_eq(add(3), 8);
	ck_assert_int_eq(add(4), 8);
	ck_assert_int_eq(add(0), 8);
	ck_assert_uint_eq(take(), 7);
	renew(~0u, 0);
	ck_assert_uint_eq(take(), ~0u);
}
END_TEST

START_TEST(semaphore)
{
	renew(2, EFD_SEMAPHORE | EFD_NONBLOCK);
	ck_assert_uint_eq(take(), 1);
	ck_assert_uint_eq(take(), 1);
	ck_assert_int_eq(f_read(f, &(uint64_t){ 0 }, 8), -EAGAIN);
}
END_TEST

START_TEST(lengths)
{
	uint64_t v[2] = { 5, 6 };
	char small[7];

	ck_assert_int_eq(f_read(f, small, 7), -EINVAL);
	ck_assert_int_eq(f_read(f, small, 0), -EINVAL);
	ck_assert_int_eq(f_write(f, small, 7), -EINVAL);
	ck_assert_int_eq(f_write(f, v, 16), 8); /* the rest is ignored */
	ck_assert_int_eq(f_read(f, v, 16), 8);
	ck_assert_uint_eq(v[0], 5);
	ck_assert_uint_eq(v[1], 6);
	ck_assert_int_eq(add(UINT64_MAX), -EINVAL);
	ck_assert_int_eq(f_write_user(f, 0, 8), -EFAULT);
}
END_TEST

static void add_two(void) { add(2); }
static void drain(void) { take(); }

START_TEST(reader_waits)
{
	meanwhile(add_two);
	ck_assert_uint_eq(take(), 2);
	ck_interrupted(f_read(f, &(uint64_t){ 0 }, 8));
	f->flags |= O_NONBLOCK;
	ck_assert_int_eq(f_read(f, &(uint64_t){ 0 }, 8), -EAGAIN);
}
END_TEST

START_TEST(writer_waits)
{
	ck_assert_int_eq(add(MOST), 8);
	meanwhile(drain);
	ck_assert_int_eq(add(1), 8);
	ck_assert_int_eq(add(MOST - 1), 8);
	ck_interrupted(add(1));
	ck_assert_int_eq(add(0), 8);
	f->flags |= O_NONBLOCK;
	ck_assert_int_eq(add(1), -EAGAIN);
	ck_assert_uint_eq(take(), MOST);
}
END_TEST

START_TEST(poll_bits)
{
	ck_assert_uint_eq(file_poll(f, NULL), POLLOUT);
	add(1);
	ck_assert_uint_eq(file_poll(f, NULL), POLLIN | POLLOUT);
	add(MOST - 1);
	ck_assert_uint_eq(file_poll(f, NULL), POLLIN);
}
END_TEST

START_TEST(looks)
{
	struct seqbuf b;

	ck_assert_int_eq(file_seek(f, 5, SEEK_SET), 0);
	ck_assert_int_eq(eventfd_new(0, 2, &(struct file *){ NULL }), -EINVAL);
	add(0x10);
	seqbuf_init(&b);
	f->ops->fdinfo(f, &b);
	seqbuf_put(&b, "", 1);
	ck_assert_ptr_nonnull(strstr(b.data, "eventfd-count:               10\n"));
	seqbuf_free(&b);
	ck_assert_str_eq(f->ops->anon_name, "anon_inode:[eventfd]");
}
END_TEST

START_TEST(each_allocation_fails)
{
	FAKE_EACH_FAILURE(n) {
		struct file *g;
		int r = eventfd_new(0, 0, &g);

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
	Suite *s = unit_suite_new("eventfd", &tc, setup, teardown);

	tcase_add_test(tc, counts);
	tcase_add_test(tc, semaphore);
	tcase_add_test(tc, lengths);
	tcase_add_test(tc, reader_waits);
	tcase_add_test(tc, writer_waits);
	tcase_add_test(tc, poll_bits);
	tcase_add_test(tc, looks);
	tcase_add_test(tc, each_allocation_fails);
	return s;
}
