/* Descriptor tables: lowest free descriptor, growth, limits, replacing, ranges, copies. */
#include "core/mm/slab.h"
#include "shim/abi/resource.h"
#include "shim/abi/stat.h"
#include "tests/unit/filetest.h"

#define RAM (16ul << 20)

static unsigned flushed, released;

static int obj_flush(struct file *f)
{
	flushed++;
	return *(int *)f->priv;
}

static void obj_release(struct file *f) { released++; }

static const struct file_ops ops = { .flush = obj_flush, .release = obj_release };
static int flush_result;
static struct fdtable *saved;

static struct proc *me(void) { return current_proc(); }

static void setup(void)
{
	fake_boot(RAM);
	flushed = released = 0;
	flush_result = 0;
	saved = me()->files;
	ck_assert_int_eq(fdtable_new(&me()->files), 0);
}

static void teardown(void)
{
	fdtable_put(me()->files);
	me()->files = saved;
	me()->rlimits[RLIMIT_NOFILE].cur = 1024;
	fake_check_leaks();
}

static struct file *new_file(int flags)
{
	struct file *f;

	ck_assert_int_eq(file_new_anon(&ops, 0, flags, &flush_result, &f), 0);
	return f;
}

static int open_one(int min)
{
	struct file *f = new_file(O_RDWR);
	int fd = fd_install(f, min, false);

	if (fd < 0)
		file_put(f);
	return fd;
}

START_TEST(lowest_free_descriptor)
{
	for (int i = 0; i < 200; i++)
		ck_assert_int_eq(open_one(0), i);
	ck_assert_int_eq(fd_close(63), 0);
	ck_assert_int_eq(fd_close(5), 0);
	ck_assert_int_eq(fd_close(128), 0);
	ck_assert_int_eq(open_one(0), 5);
	ck_assert_int_eq(open_one(100), 128);
	ck_assert_int_eq(open_one(0), 63);
	ck_assert_int_eq(open_one(0), 200);
	ck_assert_int_eq(open_one(500), 500);
	ck_assert_int_eq(open_one(500), 501);
	ck_assert_int_eq(open_one(0), 201);
}
END_TEST

START_TEST(limits)
{
	me()->rlimits[RLIMIT_NOFILE].cur = 4;
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(open_one(0), i);
	ck_assert_int_eq(open_one(0), -EMFILE);
	ck_assert_int_eq(open_one(3), -EMFILE);
	ck_assert_int_eq(open_one(4), -EINVAL); /* F_DUPFD */
	ck_assert_int_eq(open_one(-1), -EINVAL);
	fd_close(1);
	ck_assert_int_eq(open_one(1), 1);
}
END_TEST

START_TEST(get_and_close)
{
	struct file *f, *g;
	int fd = open_one(0);

	ck_assert_int_eq(fd_get(fd, &f), 0);
	ck_assert_int_eq(fd_get(fd, &g), 0);
	ck_assert_ptr_eq(f, g);
	ck_assert_uint_eq(f->refs, 3);
	file_put(g);
	ck_assert_int_eq(fd_close(fd), 0);
	ck_assert_uint_eq(released, 0); /* f is still in use */
	file_put(f);
	ck_assert_uint_eq(released, 1);
	ck_assert_uint_eq(flushed, 1);
	ck_assert_int_eq(fd_close(fd), -EBADF);
	ck_assert_int_eq(fd_get(fd, &f), -EBADF);
	ck_assert_int_eq(fd_get(-1, &f), -EBADF);
	ck_assert_int_eq(fd_get(1 << 30, &f), -EBADF);
	ck_assert_int_eq(fd_close(-1), -EBADF);
}
END_TEST

START_TEST(close_reports_what_flush_says_and_closes_all_the_same)
{
	int fd = open_one(0);

	flush_result = -EIO;
	ck_assert_int_eq(fd_close(fd), -EIO);
	ck_assert_int_eq(fd_close(fd), -EBADF);
	ck_assert_uint_eq(released, 1);
}
END_TEST

START_TEST(path_descriptors)
{
	struct file *f = new_file(O_PATH), *g;

	ck_assert_int_eq(fd_install(f, 0, false), 0);
	ck_assert_int_eq(fd_get(0, &g), -EBADF);
	ck_assert_int_eq(fd_get_path(0, &g), 0);
	file_put(g);
	ck_assert_int_eq(fd_get_path(1, &g), -EBADF);
}
END_TEST

START_TEST(replacing)
{
	struct file *f = new_file(O_RDWR);

	ck_assert_int_eq(open_one(0), 0);
	ck_assert_int_eq(fd_install_at(file_get(f), 0, true), 0);
	ck_assert_uint_eq(released, 1);
	ck_assert_int_eq(fd_cloexec_get(0), 1);
	ck_assert_int_eq(fd_install_at(file_get(f), 300, false), 300);
	ck_assert_int_eq(fd_cloexec_get(300), 0);
	ck_assert_int_eq(open_one(0), 1);
	ck_assert_int_eq(fd_install_at(f, 1024, false), -EBADF);
	ck_assert_int_eq(fd_install_at(f, -1, false), -EBADF);
	file_put(f);
}
END_TEST

START_TEST(close_on_exec)
{
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(open_one(0), i);
	ck_assert_int_eq(fd_cloexec_get(7), 0);
	ck_assert_int_eq(fd_cloexec_set(7, true), 0);
	ck_assert_int_eq(fd_cloexec_get(7), 1);
	ck_assert_int_eq(fd_cloexec_set(99, true), 0);
	ck_assert_int_eq(fd_cloexec_set(99, false), 0);
	ck_assert_int_eq(fd_cloexec_set(100, true), -EBADF);
	ck_assert_int_eq(fd_cloexec_get(-1), -EBADF);
	fdtable_close_on_exec(me()->files);
	ck_assert_uint_eq(released, 1);
	ck_assert_int_eq(open_one(0), 7);
	ck_assert_int_eq(fd_cloexec_get(7), 0);
}
END_TEST

START_TEST(ranges)
{
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(open_one(0), i);
	ck_assert_int_eq(fd_close_range(5, 4, 0), -EINVAL);
	ck_assert_int_eq(fd_close_range(0, 1, 1), -EINVAL);
	ck_assert_int_eq(fd_close_range(10, 19, CLOSE_RANGE_CLOEXEC), 0);
	ck_assert_int_eq(fd_cloexec_get(9), 0);
	ck_assert_int_eq(fd_cloexec_get(10), 1);
	ck_assert_int_eq(fd_cloexec_get(19), 1);
	ck_assert_int_eq(fd_cloexec_get(20), 0);
	ck_assert_int_eq(fd_close_range(90, ~0u, 0), 0);
	ck_assert_uint_eq(released, 10);
	ck_assert_int_eq(fd_close_range(3, 3, 0), 0);
	ck_assert_int_eq(open_one(0), 3);
	ck_assert_int_eq(open_one(0), 90);
	ck_assert_int_eq(fd_close_range(5000, 6000, 0), 0);
}
END_TEST

START_TEST(range_of_a_shared_table)
{
	struct fdtable *shared = me()->files;

	open_one(0);
	open_one(0);
	shared->refs++;
	ck_assert_int_eq(fd_close_range(1, ~0u, CLOSE_RANGE_UNSHARE), 0);
	ck_assert_ptr_ne(me()->files, shared);
	ck_assert_uint_eq(shared->refs, 1);
	ck_assert_ptr_nonnull(shared->files[1]);
	ck_assert_ptr_null(me()->files->files[1]);
	ck_assert_ptr_eq(me()->files->files[0], shared->files[0]);
	fdtable_put(shared);
}
END_TEST

START_TEST(copies)
{
	struct fdtable *copy;

	for (int i = 0; i < 130; i++)
		open_one(0);
	fd_cloexec_set(129, true);
	fd_close(2);
	ck_assert_int_eq(fdtable_copy(me()->files, &copy), 0);
	fdtable_put(me()->files);
	ck_assert_uint_eq(released, 1);
	me()->files = copy;
	ck_assert_int_eq(fd_cloexec_get(129), 1);
	ck_assert_int_eq(open_one(0), 2);
	ck_assert_int_eq(open_one(0), 130);
}
END_TEST

START_TEST(each_allocation_fails)
{
	struct file *f = new_file(O_RDWR);

	FAKE_EACH_FAILURE(n) {
		struct fdtable *t;
		int r = fdtable_copy(me()->files, &t);

		if (r)
			ck_assert_int_eq(r, -ENOMEM);
		else
			fdtable_put(t);
		r = fd_install_at(file_get(f), 700, false);
		if (r != 700) {
			ck_assert_int_eq(r, -ENOMEM);
			file_put(f);
		}
		r = fd_install(file_get(f), 999, false);
		if (r < 0) {
			ck_assert_int_eq(r, -ENOMEM);
			file_put(f);
		}
		fdtable_put(me()->files);
		if (fdtable_new(&me()->files)) /* the failure is used up now */
			ck_assert_int_eq(fdtable_new(&me()->files), 0);
	}
	file_put(f);
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("fdtable", &tc, setup, teardown);

	tcase_add_test(tc, lowest_free_descriptor);
	tcase_add_test(tc, limits);
	tcase_add_test(tc, get_and_close);
	tcase_add_test(tc, close_reports_what_flush_says_and_closes_all_the_same);
	tcase_add_test(tc, path_descriptors);
	tcase_add_test(tc, replacing);
	tcase_add_test(tc, close_on_exec);
	tcase_add_test(tc, ranges);
	tcase_add_test(tc, range_of_a_shared_table);
	tcase_add_test(tc, copies);
	tcase_add_test(tc, each_allocation_fails);
	return s;
}
