/* /dev: its tree, and what its devices do. */
#include <string.h>

#include "core/file/file.h"
#include "core/fs/devfs.h"
#include "core/fs/walk.h"
#include "core/mm/slab.h"
#include "core/mm/uio.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/poll.h"
#include "shim/abi/stat.h"
#include "tests/unit/unit.h"

#define USER_BUF 0x200000ul

static struct super *dev;

static void setup(void)
{
	fake_boot(8ul << 20);
	ck_assert_int_eq(devfs_new(&dev), 0);
}

static void teardown(void)
{
	super_free(dev);
	fake_check_leaks();
}

static struct inode *node(const char *name)
{
	struct name n = name_make(name, strlen(name));
	struct inode *root = dev->root->inode, *i = NULL;
	int err;

	mutex_lock(&root->lock);
	err = root->ops->lookup(root, &n, &i);
	mutex_unlock(&root->lock);
	ck_assert_msg(err == 0, "%s: %d", name, err);
	return i;
}

static struct file *open_dev(const char *name, int flags)
{
	struct inode *i = node(name);
	struct path p;
	struct file *f;

	ck_assert_int_eq(path_anon(i, name, &p), 0);
	ck_assert_int_eq(file_new_path(&p, flags, &f), 0);
	path_put(&p);
	ck_assert_int_eq(chrdev_open(i, f), 0);
	inode_put(i);
	return f;
}

static long rd(struct file *f, void *buf, size_t n)
{
	struct uio u;

	uio_kernel(&u, buf, n, true);
	return file_read(f, &u);
}

static long wr(struct file *f, const void *buf, size_t n)
{
	struct uio u;

	uio_kernel(&u, (void *)buf, n, false);
	return file_write(f, &u);
}

START_TEST(the_usual_nodes_are_there)
{
	static const struct {
		const char *name;
		uint32_t mode;
		uint64_t rdev;
	} want[] = {
		{ "null", S_IFCHR | 0666, DEV_MAKE(1, 3) },   { "zero", S_IFCHR | 0666, DEV_MAKE(1, 5) },
		{ "full", S_IFCHR | 0666, DEV_MAKE(1, 7) },   { "random", S_IFCHR | 0666, DEV_MAKE(1, 8) },
		{ "urandom", S_IFCHR | 0666, DEV_MAKE(1, 9) }, { "tty", S_IFCHR | 0666, DEV_MAKE(5, 0) },
		{ "console", S_IFCHR | 0600, DEV_MAKE(5, 1) }, { "fd", S_IFLNK | 0777, 0 },
		{ "stdin", S_IFLNK | 0777, 0 },		       { "shm", S_IFDIR | 01777, 0 },
		{ "pts", S_IFDIR | 0755, 0 },
	};

	ck_assert_str_eq(dev->type, "devtmpfs");
	for (size_t k = 0; k < ARRAY_SIZE(want); k++) {
		struct inode *i = node(want[k].name);
		ck_assert_msg(i->mode == want[k].mode, "%s: mode %o", want[k].name, i->mode);
		ck_assert_msg(i->rdev == want[k].rdev, "%s: rdev %lx", want[k].name, i->rdev);
		ck_assert_uint_eq(i->uid, 0);
		inode_put(i);
	}
}
END_TEST

START_TEST(programs_may_add_to_it)
{
	struct inode *root = dev->root->inode, *i;
	struct name n = name_make("log", 3);

	mutex_lock(&root->lock);
	ck_assert_int_eq(root->ops->mknod(root, &n, S_IFREG | 0600, 0, &i), 0);
	mutex_unlock(&root->lock);
	inode_put(i);
	inode_put(node("log"));
}
END_TEST

START_TEST(null_swallows_and_is_empty)
{
	struct file *f = open_dev("null", O_RDWR);
	char b[10] = "unchanged";

	ck_assert_int_eq(rd(f, b, 10), 0);
	ck_assert_str_eq(b, "unchanged");
	ck_assert_int_eq(wr(f, b, 10), 10);
	ck_assert_int_eq(wr(f, b, 0), 0);
	ck_assert_int_eq(file_seek(f, 1000, SEEK_SET), 0);
	ck_assert_int_eq(file_seek(f, -5, SEEK_END), 0);
	ck_assert_uint_eq(file_poll(f, NULL), POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM);
	ck_assert_ptr_null(f->ops->mmap); /* ENODEV */
	/* Even from where there is nothing to read: null(4) does not look. */
	struct uio u;
	uio_user(&u, USER_BUF, 100, false);
	ck_assert_int_eq(file_write(f, &u), 100);
	file_put(f);
}
END_TEST

START_TEST(zero_reads_as_zeroes)
{
	static uint8_t b[200000], zeroes[200000];
	struct file *f = open_dev("zero", O_RDWR);
	struct uio u;

	memset(b, 1, sizeof(b));
	ck_assert_int_eq(rd(f, b, sizeof(b)), sizeof(b));
	ck_assert_mem_eq(b, zeroes, sizeof(b));
	ck_assert_int_eq(wr(f, b, sizeof(b)), sizeof(b));
	ck_assert_ptr_nonnull(f->ops->mmap);
	uio_user(&u, USER_BUF, 100, true);
	ck_assert_int_eq(file_read(f, &u), -EFAULT);
	memset(fake_user_map(USER_BUF, 100), 1, 100);
	uio_user(&u, USER_BUF, 150, true);
	ck_assert_int_eq(file_read(f, &u), 100); /* as far as the buffer goes */
	ck_assert_mem_eq(fake_user_ptr(USER_BUF), zeroes, 100);
	file_put(f);
}
END_TEST

START_TEST(full_is_full)
{
	struct file *f = open_dev("full", O_RDWR);
	char b[4] = "abc";

	ck_assert_int_eq(wr(f, b, 3), -ENOSPC);
	ck_assert_int_eq(rd(f, b, 3), 3);
	ck_assert_mem_eq(b, "\0\0", 3);
	file_put(f);
}
END_TEST

START_TEST(random_is_random)
{
	static uint8_t a[70000], b[70000];
	struct file *f = open_dev("random", O_RDWR), *g = open_dev("urandom", O_RDONLY);
	unsigned ones = 0;
	uint64_t arg = 0;
	struct uio u;

	ck_assert_int_eq(rd(f, a, sizeof(a)), sizeof(a));
	ck_assert_int_eq(rd(g, b, sizeof(b)), sizeof(b));
	ck_assert(memcmp(a, b, sizeof(a)) != 0);
	for (size_t i = 0; i < sizeof(a); i++)
		ones += (unsigned)__builtin_popcount(a[i]);
	ck_assert_uint_gt(ones, sizeof(a) * 8 * 49 / 100);
	ck_assert_uint_lt(ones, sizeof(a) * 8 * 51 / 100);
	ck_assert_int_eq(wr(f, "seed", 4), 4);
	ck_assert_int_eq(file_ioctl(f, 0x80045200u, &arg), 0);
	ck_assert_uint_eq(arg, 256);
	ck_assert_int_eq(file_ioctl(f, 0x1234, &arg), -EINVAL);
	uio_user(&u, USER_BUF, 1000, true);
	ck_assert_int_eq(file_read(g, &u), -EFAULT);
	fake_user_map(USER_BUF, 300);
	uio_user(&u, USER_BUF, 1000, true);
	ck_assert_int_eq(file_read(g, &u), 300);
	uio_user(&u, USER_BUF, 1000, false);
	ck_assert_int_eq(file_write(f, &u), 300);
	file_put(f);
	file_put(g);
}
END_TEST

START_TEST(unknown_numbers)
{
	struct inode *root = dev->root->inode, *i;
	struct name n = name_make("odd", 3);
	struct file f = { 0 };

	mutex_lock(&root->lock);
	ck_assert_int_eq(root->ops->mknod(root, &n, S_IFCHR | 0600, DEV_MAKE(99, 1), &i), 0);
	mutex_unlock(&root->lock);
	ck_assert_int_eq(chrdev_open(i, &f), -ENXIO);
	inode_put(i);
	i = node("tty");
	ck_assert_int_eq(chrdev_open(i, &f), -ENXIO); /* no terminal */
	inode_put(i);
}
END_TEST

START_TEST(each_allocation_failure_is_survived)
{
	struct super *s;

	FAKE_EACH_FAILURE(n) {
		int err = devfs_new(&s);
		if (err)
			ck_assert_int_eq(err, -ENOMEM);
		else
			super_free(s);
	}
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("devfs", &tc, setup, teardown);

	tcase_add_test(tc, the_usual_nodes_are_there);
	tcase_add_test(tc, programs_may_add_to_it);
	tcase_add_test(tc, null_swallows_and_is_empty);
	tcase_add_test(tc, zero_reads_as_zeroes);
	tcase_add_test(tc, full_is_full);
	tcase_add_test(tc, random_is_random);
	tcase_add_test(tc, unknown_numbers);
	tcase_add_test(tc, each_allocation_failure_is_survived);
	return s;
}
