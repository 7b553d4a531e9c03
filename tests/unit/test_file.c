/* What core/file/file.c does for every object: modes, defaults, limits, positions, O_APPEND, copies, release. */
#include "core/mm/page.h"
#include "core/mm/slab.h"
#include "shim/abi/ioctl.h"
#include "shim/abi/resource.h"
#include "shim/abi/stat.h"
#include "tests/unit/filetest.h"

#define RAM (16ul << 20)
#define MAX_RW 0x7ffff000ul

/* An object that remembers what it was asked, over 1,000 bytes of storage. */
#define STORE 1000
static struct {
	char data[STORE];
	int64_t pos;
	size_t resid, step;
	unsigned reads, writes, syncs, releases;
	bool data_only;
	long fail;
	int sync_fail;
} obj;

static long obj_read(struct file *f, struct uio *u, int64_t *pos)
{
	size_t n = *pos < STORE ? MIN(u->resid, (size_t)(STORE - *pos)) : 0;

	obj.reads++;
	obj.pos = *pos;
	obj.resid = u->resid;
	if (obj.fail)
		return obj.fail;
	if (obj.step)
		n = MIN(n, obj.step);
	n = uio_put(u, obj.data + *pos, n);
	*pos += (int64_t)n;
	return (long)n;
}

static long obj_write(struct file *f, struct uio *u, int64_t *pos)
{
	size_t n = MIN(u->resid, (size_t)(*pos < STORE ? STORE - *pos : 0));

	obj.writes++;
	obj.pos = *pos;
	obj.resid = u->resid;
	if (obj.fail)
		return obj.fail;
	if (obj.step)
		n = MIN(n, obj.step);
	n = uio_take(u, obj.data + *pos, n);
	*pos += (int64_t)n;
	if ((uint64_t)*pos > f->inode->size)
		f->inode->size = (uint64_t)*pos;
	return n ? (long)n : u->resid ? -ENOSPC : 0;
}

static int64_t obj_seek(struct file *f, int64_t off, int whence) { return file_seek_size(f, off, whence, STORE); }

static int obj_fsync(struct file *f, bool data_only)
{
	obj.syncs++;
	obj.data_only = data_only;
	return obj.sync_fail;
}

static void obj_release(struct file *f) { obj.releases++; }

static int obj_readdir(struct file *f, struct dir_ctx *c)
{
	c->pos += 3;
	return 0;
}

static const struct file_ops obj_ops = {
	.read = obj_read, .write = obj_write, .seek = obj_seek, .fsync = obj_fsync, .release = obj_release,
	.readdir = obj_readdir,
};
static const struct file_ops bare_ops;

static struct file *f;
static char buf[4096];

static void open_obj(int flags)
{
	if (f)
		file_put(f);
	ck_assert_int_eq(file_new_anon(&obj_ops, S_IFREG | 0644, flags, NULL, &f), 0);
}

static void setup(void)
{
	fake_boot(RAM);
	memset(&obj, 0, sizeof(obj));
	for (int i = 0; i < STORE; i++)
		obj.data[i] = (char)('a' + i % 26);
	f = NULL;
	open_obj(O_RDWR);
}

static void teardown(void)
{
	current_proc()->rlimits[RLIMIT_FSIZE].cur = RLIM_INFINITY;
	if (f)
		file_put(f);
	f = NULL;
	fake_check_leaks();
}

START_TEST(access_modes)
{
	open_obj(O_RDONLY);
	ck_assert_int_eq(f_read(f, buf, 10), 10);
	ck_assert_int_eq(f_write(f, buf, 10), -EBADF);
	open_obj(O_WRONLY);
	ck_assert_int_eq(f_read(f, buf, 10), -EBADF);
	ck_assert_int_eq(f_write(f, buf, 10), 10);
	open_obj(3); /* for ioctl only */
	ck_assert_int_eq(f_read(f, buf, 10), -EBADF);
	ck_assert_int_eq(f_write(f, buf, 10), -EBADF);
}
END_TEST

START_TEST(missing_operations_have_one_default)
{
	struct dir_ctx c = { NULL, 0 };
	struct file *b;

	ck_assert_int_eq(file_new_anon(&bare_ops, 0, O_RDWR, NULL, &b), 0);
	ck_assert_int_eq(f_read(b, buf, 1), -EINVAL);
	ck_assert_int_eq(f_write(b, buf, 1), -EINVAL);
	ck_assert_int_eq(file_seek(b, 0, 0), -ESPIPE);
	ck_assert_int_eq(file_ioctl(b, TCGETS, buf), -ENOTTY);
	ck_assert_int_eq(file_readdir(b, &c), -ENOTDIR);
	ck_assert_int_eq(file_fsync(b, false), -EINVAL);
	ck_assert_uint_eq(file_poll(b, NULL), POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM);
	file_put(b);
}
END_TEST

START_TEST(position_moves_with_transfers)
{
	struct uio u;

	ck_assert_int_eq(f_read(f, buf, 10), 10);
	ck_assert_int_eq(f_write(f, "0123456789", 10), 10);
	ck_assert_int_eq(f->pos, 20);
	ck_assert_mem_eq(obj.data + 10, "0123456789", 10);
	uio_kernel(&u, buf, 5, true);
	ck_assert_int_eq(file_pread(f, &u, 12), 5);
	ck_assert_mem_eq(buf, "23456", 5);
	uio_kernel(&u, buf, 5, false);
	ck_assert_int_eq(file_pwrite(f, &u, 500), 5);
	ck_assert_int_eq(f->pos, 20);
	ck_assert_mem_eq(obj.data + 500, "23456", 5);
}
END_TEST

START_TEST(seeking)
{
	ck_assert_int_eq(file_seek(f, 5, SEEK_SET), 5);
	ck_assert_int_eq(file_seek(f, 5, SEEK_CUR), 10);
	ck_assert_int_eq(file_seek(f, -1, SEEK_END), STORE - 1);
	ck_assert_int_eq(file_seek(f, -STORE - 1, SEEK_END), -EINVAL);
	ck_assert_int_eq(f->pos, STORE - 1);
	ck_assert_int_eq(file_seek(f, INT64_MAX, SEEK_SET), INT64_MAX);
	ck_assert_int_eq(file_seek(f, 1, SEEK_CUR), -EINVAL);
	ck_assert_int_eq(file_seek(f, 10, SEEK_DATA), 10);
	ck_assert_int_eq(file_seek(f, 10, SEEK_HOLE), STORE);
	ck_assert_int_eq(file_seek(f, STORE, SEEK_DATA), -ENXIO);
	ck_assert_int_eq(file_seek(f, -1, SEEK_HOLE), -ENXIO);
	ck_assert_int_eq(file_seek(f, 0, 5), -EINVAL);
	ck_assert_int_eq(file_seek(f, 0, -1), -EINVAL);
}
END_TEST

START_TEST(lengths_and_offsets_are_checked)
{
	struct uio u;

	ck_assert_int_eq(f_read(f, buf, (size_t)INT64_MAX + 1), -EINVAL);
	ck_assert_int_eq(f_write(f, buf, (size_t)-1), -EINVAL);
	ck_assert_uint_eq(obj.reads + obj.writes, 0);
	uio_kernel(&u, buf, 4, true);
	ck_assert_int_eq(file_pread(f, &u, -1), -EINVAL);
	ck_assert_int_eq(file_pread(f, &u, INT64_MAX), -EINVAL);
	ck_assert_int_eq(file_pread(f, &u, INT64_MAX - 4), 0);
	ck_assert_int_eq(file_pwrite(f, &u, -1), -EINVAL);
	obj.fail = -EIO;
	uio_user(&u, USER_MIN, 1ul << 33, true);
	ck_assert_int_eq(file_pread(f, &u, 0), -EIO);
	ck_assert_uint_eq(obj.resid, MAX_RW);
}
END_TEST

START_TEST(append_starts_at_the_end)
{
	struct uio u;

	open_obj(O_RDWR | O_APPEND);
	f->inode->size = 100;
	ck_assert_int_eq(f_write(f, "xyz", 3), 3);
	ck_assert_int_eq(obj.pos, 100);
	ck_assert_int_eq(f->pos, 103);
	uio_kernel(&u, buf, 1, false);
	ck_assert_int_eq(file_pwrite(f, &u, 5), 1); /* pwrite(2), BUGS */
	ck_assert_int_eq(obj.pos, 103);
	ck_assert_int_eq(f->pos, 103);
	f->pos = 7;
	ck_assert_int_eq(f_write(f, "", 0), 0);
	ck_assert_int_eq(f->pos, 7);
}
END_TEST

START_TEST(file_size_limit)
{
	struct uio u;

	current_proc()->rlimits[RLIMIT_FSIZE].cur = 50;
	ck_assert_int_eq(f_write(f, buf, 40), 40);
	ck_assert_int_eq(f_write(f, buf, 40), 10);
	ck_assert(!took_signal(SIGXFSZ));
	ck_assert_int_eq(f_write(f, buf, 1), -EFBIG);
	ck_assert(took_signal(SIGXFSZ));
	ck_assert_int_eq(f_write(f, buf, 0), 0);
	ck_assert(!took_signal(SIGXFSZ));
	current_proc()->rlimits[RLIMIT_FSIZE].cur = RLIM_INFINITY;
	uio_kernel(&u, buf, 0, false);
	ck_assert_int_eq(file_pwrite(f, &u, INT64_MAX), 0);
}
END_TEST

START_TEST(synchronous_writes)
{
	ck_assert_int_eq(f_write(f, buf, 1), 1);
	ck_assert_uint_eq(obj.syncs, 0);
	open_obj(O_RDWR | O_SYNC);
	ck_assert_int_eq(f_write(f, buf, 1), 1);
	ck_assert_uint_eq(obj.syncs, 1);
	ck_assert(!obj.data_only);
	open_obj(O_RDWR | O_DSYNC);
	ck_assert_int_eq(f_write(f, buf, 1), 1);
	ck_assert_uint_eq(obj.syncs, 2);
	ck_assert(obj.data_only);
	obj.sync_fail = -EIO;
	ck_assert_int_eq(f_write(f, buf, 1), -EIO);
}
END_TEST

START_TEST(flags_and_ioctls)
{
	int on = 1, off = 0, n = 0;

	open_obj(O_RDWR | O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC | O_NOCTTY);
	ck_assert_int_eq(f->flags, O_RDWR); /* what F_GETFL shows */
	ck_assert_int_eq(file_ioctl(f, FIONBIO, &on), 0);
	ck_assert(file_nonblock(f));
	ck_assert_int_eq(file_ioctl(f, FIONBIO, &off), 0);
	ck_assert(!file_nonblock(f));
	ck_assert_int_eq(file_ioctl(f, FIOASYNC, &on), 0);
	ck_assert_int_eq(f->flags, O_RDWR | O_ASYNC);
	ck_assert_int_eq(file_ioctl(f, FIOASYNC, &off), 0);
	ck_assert_int_eq(f->flags, O_RDWR);
	f->inode->size = 700;
	f->pos = 100;
	ck_assert_int_eq(file_ioctl(f, FIONREAD, &n), 0);
	ck_assert_int_eq(n, 600);
}
END_TEST

START_TEST(readdir_position_is_the_files)
{
	struct dir_ctx c = { NULL, 99 };

	ck_assert_int_eq(file_readdir(f, &c), 0);
	ck_assert_int_eq(file_readdir(f, &c), 0);
	ck_assert_int_eq(f->pos, 6);
}
END_TEST

START_TEST(release_at_the_last_reference)
{
	size_t before = file_count();
	struct file *g = file_get(f);

	file_put(f);
	ck_assert_uint_eq(obj.releases, 0);
	file_put(g);
	f = NULL;
	ck_assert_uint_eq(obj.releases, 1);
	ck_assert_uint_eq(file_count(), before - 1);
}
END_TEST

START_TEST(nameless_inodes)
{
	struct file *a, *b, *c;
	struct statfs_k st;

	ck_assert_int_eq(file_new_anon(&bare_ops, 0, O_RDWR, NULL, &a), 0);
	ck_assert_int_eq(file_new_anon(&bare_ops, 0, O_RDWR, NULL, &b), 0);
	ck_assert_int_eq(file_new_anon(&bare_ops, S_IFSOCK | 0777, O_RDWR, NULL, &c), 0);
	ck_assert_ptr_eq(a->inode, b->inode);
	ck_assert_uint_eq(a->inode->mode, 0600);
	ck_assert_ptr_ne(c->inode, a->inode);
	ck_assert_uint_eq(c->inode->mode, S_IFSOCK | 0777);
	/* fchmod, fchown work on them; ftruncate does not. */
	ck_assert_int_eq(c->inode->ops->setattr(c->inode, &(struct iattr){ .valid = ATTR_MODE, .mode = 0600 }), 0);
	ck_assert_uint_eq(c->inode->mode, S_IFSOCK | 0600);
	ck_assert_int_eq(c->inode->ops->setattr(c->inode, &(struct iattr){ .valid = ATTR_SIZE }), -EINVAL);
	ck_assert_int_eq(c->inode->super->ops->statfs(c->inode->super, &st), 0);
	ck_assert_uint_eq(st.bsize, PAGE_SIZE);
	file_put(a);
	file_put(b);
	file_put(c);
}
END_TEST

/* ---- file_copy ---- */

static struct file *other, *rd, *wr;

static void copy_setup(void)
{
	ck_assert_int_eq(file_new_anon(&obj_ops, S_IFREG | 0644, O_RDWR, NULL, &other), 0);
	ck_assert_int_eq(pipe_new(O_NONBLOCK, &rd, &wr), 0);
}

static void copy_done(void)
{
	file_put(other);
	file_put(rd);
	file_put(wr);
}

START_TEST(copy_from_file_to_pipe)
{
	int64_t pos = 10;

	copy_setup();
	ck_assert_int_eq(file_copy(f, NULL, wr, NULL, 26), 26);
	ck_assert_int_eq(f->pos, 26);
	ck_assert_int_eq(f_read(rd, buf, 100), 26);
	ck_assert_mem_eq(buf, "abcdefghijklmnopqrstuvwxyz", 26);
	ck_assert_int_eq(file_copy(f, &pos, wr, NULL, 1 << 20), STORE - 10);
	ck_assert_int_eq(pos, STORE);
	ck_assert_int_eq(f->pos, 26);
	ck_assert_int_eq(file_copy(f, &pos, wr, NULL, 10), 0);
	copy_done();
}
END_TEST

/* What the output does not take is not lost from the input. */
START_TEST(copy_stops_where_the_output_does)
{
	char big[8192];

	copy_setup();
	memset(big, 1, sizeof(big));
	while (f_write(wr, big, 4096) == 4096)
		;
	ck_assert_int_eq(f_read(rd, big, 4096), 4096);
	ck_assert_int_eq(f_write(wr, big, 3900), 3900); /* room for 196 bytes in the last page */
	ck_assert_int_eq(file_copy(f, NULL, wr, NULL, 500), -EAGAIN);
	ck_assert_int_eq(f->pos, 0);
	obj.step = 100;
	ck_assert_int_eq(file_copy(f, NULL, wr, NULL, 500), 100);
	ck_assert_int_eq(f->pos, 100);
	copy_done();
}
END_TEST

START_TEST(copy_from_pipe_keeps_what_is_not_written)
{
	copy_setup();
	ck_assert_int_eq(f_write(wr, "hello, world", 12), 12);
	obj.fail = -EIO;
	ck_assert_int_eq(file_copy(rd, NULL, f, NULL, 100), -EIO);
	obj.fail = 0;
	ck_assert_int_eq(file_copy(rd, NULL, f, NULL, 100), 12);
	ck_assert_mem_eq(obj.data, "hello, world", 12);
	ck_assert_int_eq(file_copy(rd, NULL, f, NULL, 100), -EAGAIN);
	ck_assert_int_eq(f_write(wr, "rest", 4), 4);
	f->pos = STORE - 2;
	ck_assert_int_eq(file_copy(rd, NULL, f, NULL, 100), 2);
	ck_assert_int_eq(f_read(rd, buf, 10), 2);
	ck_assert_mem_eq(buf, "st", 2);
	copy_done();
}
END_TEST

START_TEST(copy_between_files)
{
	int64_t in = 3, out = 900;

	copy_setup();
	ck_assert_int_eq(file_copy(f, &in, other, &out, 10), 10);
	ck_assert_mem_eq(obj.data + 900, "defghijklm", 10);
	ck_assert_int_eq(in, 13);
	ck_assert_int_eq(out, 910);
	f->pos = 0;
	ck_assert_int_eq(file_copy(f, NULL, f, NULL, 10), 10); /* one lock, not twice */
	ck_assert_int_eq(file_copy(other, NULL, f, NULL, 10), 10);
	obj.step = 7;
	f->pos = 0;
	ck_assert_int_eq(file_copy(f, NULL, other, NULL, 100), 100);
	copy_done();
}
END_TEST

START_TEST(copy_errors)
{
	int64_t neg = -1, zero = 0;

	copy_setup();
	ck_assert_int_eq(file_copy(wr, NULL, f, NULL, 1), -EBADF);
	ck_assert_int_eq(file_copy(f, NULL, rd, NULL, 1), -EBADF);
	ck_assert_int_eq(file_copy(rd, &zero, f, NULL, 1), -ESPIPE);
	ck_assert_int_eq(file_copy(f, NULL, wr, &zero, 1), -ESPIPE);
	ck_assert_int_eq(file_copy(f, &neg, wr, NULL, 1), -EINVAL);
	ck_assert_int_eq(file_copy(f, NULL, wr, NULL, (size_t)-1), -EINVAL);
	ck_assert_int_eq(file_copy(f, NULL, wr, NULL, 0), 0);
	ck_assert_int_eq(file_copy(rd, NULL, wr, NULL, 1), -EINVAL); /* into itself */
	copy_done();
}
END_TEST

/* Objects without a type take no part, but the end of the input comes before that. */
START_TEST(copy_to_eventfd)
{
	struct file *e;

	copy_setup();
	ck_assert_int_eq(eventfd_new(0, 0, &e), 0);
	ck_assert_int_eq(file_copy(f, NULL, e, NULL, 8), -EINVAL);
	ck_assert_int_eq(f->pos, 0);
	f->pos = STORE;
	ck_assert_int_eq(file_copy(f, NULL, e, NULL, 8), 0);
	ck_assert_int_eq(file_copy(rd, NULL, e, NULL, 8), -EINVAL);
	ck_assert_int_eq(file_copy(e, NULL, wr, NULL, 8), -EINVAL);
	file_put(e);
	copy_done();
}
END_TEST

START_TEST(copy_to_broken_pipe)
{
	struct file *rd2, *wr2;

	copy_setup();
	ck_assert_int_eq(pipe_new(O_NONBLOCK, &rd2, &wr2), 0);
	file_put(rd2);
	ck_assert_int_eq(file_copy(f, NULL, wr2, NULL, 8), -EPIPE);
	ck_assert(took_signal(SIGPIPE));
	ck_assert_int_eq(f->pos, 0);
	ck_assert_int_eq(file_copy(rd, NULL, wr2, NULL, 8), -EAGAIN);
	f_write(wr, "abc", 3);
	ck_assert_int_eq(file_copy(rd, NULL, wr2, NULL, 8), -EPIPE);
	ck_assert(took_signal(SIGPIPE));
	ck_assert_int_eq(f_read(rd, buf, 10), 3);
	file_put(wr2);
	copy_done();
}
END_TEST

START_TEST(each_allocation_fails)
{
	copy_setup();
	FAKE_EACH_FAILURE(n) {
		struct file *g;
		long r = file_new_anon(&obj_ops, S_IFIFO | 0600, O_RDWR, NULL, &g);

		if (r)
			ck_assert_int_eq(r, -ENOMEM);
		else
			file_put(g);
		f->pos = 0;
		r = file_copy(f, NULL, wr, NULL, 26);
		ck_assert(r == 26 || r == -ENOMEM);
		if (r > 0)
			ck_assert_int_eq(f_read(rd, buf, 100), r);
	}
	copy_done();
}
END_TEST

/* ---- stepping back ---- */

START_TEST(rewind_over_vectors)
{
	struct abi_iovec v[3] = { { 0x10000000, 3 }, { 0x10001000, 0 }, { 0x10002000, 5 } };
	struct uio u = { .iov = v, .iovcnt = 3, .resid = 8 };

	memcpy(fake_user_map(0x10000000, 3), "abc", 3);
	memcpy(fake_user_map(0x10002000, 5), "defgh", 5);
	for (size_t n = 0; n <= 8; n++) {
		ck_assert_uint_eq(uio_take(&u, buf, n), n);
		uio_rewind(&u, n);
		ck_assert_uint_eq(u.resid, 8);
		ck_assert_uint_eq(uio_take(&u, buf, 8), 8);
		ck_assert_mem_eq(buf, "abcdefgh", 8);
		uio_rewind(&u, 8);
	}
	uio_kernel(&u, buf, 8, false);
	ck_assert_uint_eq(uio_take(&u, buf + 100, 8), 8);
	uio_rewind(&u, 3);
	ck_assert_uint_eq(uio_take(&u, buf + 200, 8), 3);
	ck_assert_mem_eq(buf + 200, "fgh", 3);
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("file", &tc, setup, teardown);

	tcase_add_test(tc, access_modes);
	tcase_add_test(tc, missing_operations_have_one_default);
	tcase_add_test(tc, position_moves_with_transfers);
	tcase_add_test(tc, seeking);
	tcase_add_test(tc, lengths_and_offsets_are_checked);
	tcase_add_test(tc, append_starts_at_the_end);
	tcase_add_test(tc, file_size_limit);
	tcase_add_test(tc, synchronous_writes);
	tcase_add_test(tc, flags_and_ioctls);
	tcase_add_test(tc, readdir_position_is_the_files);
	tcase_add_test(tc, release_at_the_last_reference);
	tcase_add_test(tc, nameless_inodes);
	tcase_add_test(tc, copy_from_file_to_pipe);
	tcase_add_test(tc, copy_stops_where_the_output_does);
	tcase_add_test(tc, copy_from_pipe_keeps_what_is_not_written);
	tcase_add_test(tc, copy_between_files);
	tcase_add_test(tc, copy_errors);
	tcase_add_test(tc, copy_to_eventfd);
	tcase_add_test(tc, copy_to_broken_pipe);
	tcase_add_test(tc, each_allocation_fails);
	tcase_add_test(tc, rewind_over_vectors);
	return s;
}
