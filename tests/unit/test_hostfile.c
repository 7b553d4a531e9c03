/* Standard streams that are files of the host: every operation against what the host's file shows afterwards. */
#include <sys/stat.h>
#include <sys/types.h>

#include "core/mm/slab.h"
#include "plat/stdfile.h"
#include "shim/abi/ioctl.h"
#include "shim/abi/resource.h"
#include "shim/abi/signal.h"
#include "tests/unit/filetest.h"

/* <unistd.h> has some of the kernel's names. */
ssize_t pread(int fd, void *b, size_t n, off_t at);
ssize_t pwrite(int fd, const void *b, size_t n, off_t at);
off_t lseek(int fd, off_t off, int whence);
long syscall(long nr, ...);
void (*signal(int sig, void (*handler)(int)))(int);

#define RAM   (16ul << 20)
#define UBASE 0x10000000ul

static struct fdtable *t;
static char buf[300000], big[300000];

static struct file *fd(int n) { return t->files[n]; }

static void start(void)
{
	if (t)
		fdtable_put(t);
	ck_assert_int_eq(fdtable_new(&t), 0);
	ck_assert_int_eq(stdio_init(t), 0);
}

/* What the host's file holds. */
#define ck_assert_host(h_, text) do { \
	size_t n_ = strlen(text); \
	char is_[1000] = ""; \
	ck_assert_int_eq(pread((h_), is_, sizeof(is_) - 1, 0), n_); \
	ck_assert_str_eq(is_, (text)); \
} while (0)
#define ck_assert_host_at(h_, pos) ck_assert_int_eq(lseek((h_), 0, SEEK_CUR), (pos))

static void setup(void)
{
	fake_boot(RAM);
	t = NULL;
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 11 + i / 257);
}

static void teardown(void)
{
	fdtable_put(t);
	t = NULL;
	fake_check_leaks();
}

static long f_pread(struct file *f, void *b, size_t n, int64_t pos)
{
	struct uio u;

	uio_kernel(&u, b, n, true);
	return file_pread(f, &u, pos);
}

static long f_pwrite(struct file *f, const void *b, size_t n, int64_t pos)
{
	struct uio u;

	uio_kernel(&u, (void *)b, n, false);
	return file_pwrite(f, &u, pos);
}

START_TEST(it_is_a_regular_file)
{
	struct stdfile_stat st;
	int host = fake_file(0, O_RDONLY, "hello world", 11), n;

	ck_assert_int_eq(fchmod(host, 0640), 0);
	lseek(host, 3, SEEK_SET);
	start();
	ck_assert(S_ISREG(fd(0)->inode->mode));
	ck_assert_int_eq(fd(0)->flags & (O_ACCMODE | O_APPEND), O_RDONLY);
	ck_assert_int_eq(vfs_getattr(fd(0)->inode), 0);
	ck_assert_int_eq(fstat(host, (void *)&st), 0);
	ck_assert_uint_eq(fd(0)->inode->mode, S_IFREG | 0640);
	ck_assert_uint_eq(fd(0)->inode->size, 11);
	ck_assert_uint_eq(fd(0)->inode->ino, st.ino);
	ck_assert_uint_eq(fd(0)->inode->uid, st.uid);
	ck_assert_int_eq(fd(0)->inode->mtime.sec, st.mtime);
	ck_assert_int_eq(fd(0)->inode->mtime.nsec, st.mtime_nsec);
	ck_assert_int_eq(fd(0)->pos, 3); /* the host's */
	ck_assert_int_eq(file_ioctl(fd(0), FIONREAD, &n), 0);
	ck_assert_int_eq(n, 8);
	ck_assert_uint_eq(file_poll(fd(0), NULL), POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM);
	ck_assert_int_eq(file_ioctl(fd(0), TCGETS, buf), -ENOTTY);
	ck_assert_int_eq(f_write(fd(0), "x", 1), -EBADF);
}
END_TEST

START_TEST(reading_moves_the_hosts_position)
{
	int host = fake_file(0, O_RDONLY, "hello world", 11);

	fake_file_slow = _i;
	start();
	ck_assert_int_eq(f_read(fd(0), buf, 5), 5);
	ck_assert_mem_eq(buf, "hello", 5);
	ck_assert_host_at(host, 5);
	ck_assert_int_eq(f_pread(fd(0), buf, 3, 8), 3);
	ck_assert_mem_eq(buf, "rld", 3);
	ck_assert_host_at(host, 5);
	ck_assert_int_eq(file_seek(fd(0), 1, SEEK_CUR), 6);
	ck_assert_host_at(host, 6);
	ck_assert_int_eq(lseek(host, -2, SEEK_CUR), 4); /* somebody else's move is seen */
	ck_assert_int_eq(file_seek(fd(0), 0, SEEK_CUR), 4);
	ck_assert_int_eq(f_read(fd(0), buf, 100), 7);
	ck_assert_mem_eq(buf, "o world", 7);
	ck_assert_int_eq(f_read(fd(0), buf, 100), 0);
	ck_assert_int_eq(file_seek(fd(0), -5, SEEK_END), 6);
	ck_assert_int_eq(file_seek(fd(0), -1, SEEK_SET), -EINVAL);
	ck_assert_host_at(host, 6);
	ck_assert_int_eq(pwrite(host, "!!", 2, 11), 2); /* it grows: the end was not for good */
	ck_assert_int_eq(f_read(fd(0), buf, 100), 7);
	fake_file_fail = -EIO;
	ck_assert_int_eq(f_read(fd(0), buf, 100), -EIO);
}
END_TEST

START_TEST(large_transfers)
{
	int host = fake_file(1, O_RDWR, "", 0);

	fake_file_slow = _i;
	start();
	ck_assert_int_eq(f_write(fd(1), big, sizeof(big)), sizeof(big));
	ck_assert_host_at(host, sizeof(big));
	ck_assert_int_eq(file_seek(fd(1), 0, SEEK_SET), 0);
	ck_assert_int_eq(f_read(fd(1), buf, sizeof(buf)), sizeof(buf));
	ck_assert_mem_eq(buf, big, sizeof(big));
	ck_assert_int_eq(f_pwrite(fd(1), big, 200000, 7), 200000);
	ck_assert_int_eq(f_pread(fd(1), buf, sizeof(buf), 7), sizeof(buf) - 7);
	ck_assert_mem_eq(buf, big, 200000);
	ck_assert_host_at(host, sizeof(big));
}
END_TEST

START_TEST(writing)
{
	int host = fake_file(1, O_WRONLY, "0123456789", 10);

	start();
	ck_assert_int_eq(f_write(fd(1), "abc", 3), 3);
	ck_assert_host(host, "abc3456789");
	ck_assert_int_eq(f_pwrite(fd(1), "XY", 2, 8), 2);
	ck_assert_host(host, "abc34567XY");
	ck_assert_host_at(host, 3);
	ck_assert_int_eq(vfs_truncate(fd(1)->inode, 5), 0);
	ck_assert_host(host, "abc34");
	ck_assert_int_eq(vfs_getattr(fd(1)->inode), 0);
	ck_assert_uint_eq(fd(1)->inode->size, 5);
	ck_assert_int_eq(file_fsync(fd(1), false), 0);
	ck_assert_int_eq(f_read(fd(1), buf, 1), -EBADF);
	ck_assert_int_eq(f_write(fd(1), "d", 1), 1);
	ck_assert_host(host, "abcd4");
	fake_file_fail = -ENOSPC;
	ck_assert_int_eq(f_write(fd(1), "d", 1), -ENOSPC);
	ck_assert_int_eq(f_write(fd(1), "", 0), 0);
}
END_TEST

START_TEST(attributes)
{
	struct iattr a = { .valid = ATTR_MODE, .mode = 0604 };
	struct stdfile_stat st;
	int host = fake_file(1, O_RDWR, "0123", 4);

	start();
	ck_assert_int_eq(vfs_setattr(fd(1)->inode, &a), 0);
	a = (struct iattr){ .valid = ATTR_ATIME | ATTR_MTIME, .atime = { 1000, 5 }, .mtime = { 2000, 7 } };
	ck_assert_int_eq(vfs_setattr(fd(1)->inode, &a), 0);
	a = (struct iattr){ .valid = ATTR_ATIME | ATTR_ATIME_NOW };
	ck_assert_int_eq(vfs_setattr(fd(1)->inode, &a), 0);
	ck_assert_int_eq(fstat(host, (void *)&st), 0);
	ck_assert_uint_eq(st.mode, S_IFREG | 0604);
	ck_assert_int_gt(st.atime, 1000);
	ck_assert_int_eq(st.mtime, 2000);
	ck_assert_int_eq(st.mtime_nsec, 7);
	a = (struct iattr){ .valid = ATTR_UID | ATTR_CHOWN, .uid = st.uid };
	ck_assert_int_eq(vfs_setattr(fd(1)->inode, &a), 0);
	fake_file_fail = -EPERM;
	a = (struct iattr){ .valid = ATTR_MODE, .mode = 0600 };
	ck_assert_int_eq(vfs_setattr(fd(1)->inode, &a), -EPERM);
	ck_assert_int_eq(vfs_fallocate(fd(1), 0, 2, 98), 0);
	ck_assert_uint_eq(fd(1)->inode->size, 100);
	ck_assert_int_eq(vfs_fallocate(fd(1), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1, 2), 0);
	ck_assert_int_eq(pread(host, buf, 200, 0), 100);
	ck_assert_mem_eq(buf, "0\0\0003\0", 5);
}
END_TEST

/* What a mapping does to the file: the pages of its cache are written and read as a fault would. */
START_TEST(mapped_pages)
{
	struct page *p;
	int host = fake_file(1, O_RDWR, big, 200000);

	fake_file_slow = _i;
	start();
	fd(1)->inode->mode = S_IFDIR | 0755;
	ck_assert_int_eq(fd(1)->ops->mmap(fd(1), NULL), -ENODEV);
	fd(1)->inode->mode = S_IFREG | 0644;
	ck_assert_int_eq(fd(1)->ops->mmap(fd(1), NULL), 0);
	ck_assert_int_eq(pagecache_get(&fd(1)->inode->cache, 48, &p), 0); /* the last one */
	ck_assert_mem_eq(page_va(p), big + 48 * PAGE_SIZE, 200000 - 48 * PAGE_SIZE);
	ck_assert_int_eq(((char *)page_va(p))[PAGE_SIZE - 1], 0);
	memcpy((char *)page_va(p) + 5, "HELLO", 5);
	pagecache_dirty(p);
	ck_assert_int_eq(f_pread(fd(1), buf, 5, 48 * PAGE_SIZE + 5), 5); /* read(2) sees it, and the host */
	ck_assert_mem_eq(buf, "HELLO", 5);
	ck_assert_int_eq(pread(host, buf, sizeof(buf), 0), 200000); /* no longer than it was */
	ck_assert_mem_eq(buf + 48 * PAGE_SIZE + 5, "HELLO", 5);
	page_put(p);
	ck_assert_int_eq(f_pwrite(fd(1), "BYE", 3, 48 * PAGE_SIZE), 3); /* and a mapping what is written */
	ck_assert_int_eq(pagecache_get(&fd(1)->inode->cache, 48, &p), 0);
	ck_assert_mem_eq(page_va(p), "BYE", 3);
	page_put(p);
	ck_assert_int_eq(pwrite(host, "new", 3, 48 * PAGE_SIZE + 100), 3); /* by somebody else: at the next fstat(2) */
	ck_assert_int_eq(pwrite(host, "!", 1, 200000), 1);
	ck_assert_int_eq(vfs_getattr(fd(1)->inode), 0);
	ck_assert_int_eq(pagecache_get(&fd(1)->inode->cache, 48, &p), 0);
	ck_assert_mem_eq((char *)page_va(p) + 100, "new", 3);
	memcpy(page_va(p), "dirty", 5);
	pagecache_dirty(p);
	page_put(p);
	fd(1)->flags |= O_APPEND;
	ck_assert_int_eq(f_write(fd(1), "end", 3), 3);
	ck_assert_int_eq(pagecache_get(&fd(1)->inode->cache, 0, &p), 0);
	memcpy(page_va(p), "first", 5);
	pagecache_dirty(p);
	page_put(p);
	fdtable_put(t); /* at the latest now, in its place in spite of O_APPEND */
	ck_assert_int_eq(fdtable_new(&t), 0);
	ck_assert_int_eq(pread(host, buf, sizeof(buf), 0), 200004);
	ck_assert_mem_eq(buf, "first", 5);
	ck_assert_mem_eq(buf + 48 * PAGE_SIZE, "dirty", 5);
	ck_assert_mem_eq(buf + 200000, "!end", 4);
}
END_TEST

/* Where a page goes out in part, the error of the rest is not lost. */
START_TEST(a_page_written_in_part)
{
	struct rlimit old, limit; /* the host's RLIMIT_FSIZE: prlimit64(2) */
	struct page *p;
	int host = fake_file(1, O_RDWR, big, 2 * PAGE_SIZE);

	start();
	ck_assert_int_eq(fd(1)->ops->mmap(fd(1), NULL), 0);
	ck_assert_int_eq(pagecache_get(&fd(1)->inode->cache, 1, &p), 0);
	memset(page_va(p), 'x', PAGE_SIZE);
	pagecache_dirty(p);
	signal(SIGXFSZ, (void (*)(int))SIG_IGN);
	ck_assert_int_eq(syscall(302, 0, RLIMIT_FSIZE, NULL, &old), 0);
	limit = (struct rlimit){ PAGE_SIZE + 100, old.max };
	ck_assert_int_eq(syscall(302, 0, RLIMIT_FSIZE, &limit, NULL), 0);
	ck_assert_int_eq(file_fsync(fd(1), false), -EFBIG);
	ck_assert_int_eq(syscall(302, 0, RLIMIT_FSIZE, &old, NULL), 0);
	ck_assert_int_eq(file_fsync(fd(1), false), 0); /* told once */
	ck_assert_int_eq(syscall(302, 0, RLIMIT_FSIZE, &limit, NULL), 0);
	pagecache_dirty(p);
	page_put(p);
	pagecache_writeback(1); /* where nobody waits for it: told afterwards */
	ck_assert_int_eq(syscall(302, 0, RLIMIT_FSIZE, &old, NULL), 0);
	ck_assert_int_eq(file_fsync(fd(1), false), -EFBIG);
	ck_assert_int_eq(file_fsync(fd(1), false), 0);
	ck_assert_int_eq(pread(host, buf, 100, PAGE_SIZE), 100);
	ck_assert_int_eq(buf[99], 'x');
}
END_TEST

START_TEST(appending)
{
	struct file *f;
	int host = fake_file(1, O_WRONLY, "0123", 4);

	start();
	fd(1)->flags |= O_APPEND; /* fcntl(2) */
	ck_assert_int_eq(f_write(fd(1), "ab", 2), 2);
	ck_assert_host(host, "0123ab");
	ck_assert_int_eq(file_seek(fd(1), 1, SEEK_SET), 1);
	ck_assert_int_eq(f_write(fd(1), "cd", 2), 2);
	ck_assert_host(host, "0123abcd");
	ck_assert_int_eq(file_seek(fd(1), 0, SEEK_CUR), 8);
	fd(1)->flags &= ~O_APPEND;
	ck_assert_int_eq(file_seek(fd(1), 1, SEEK_SET), 1);
	ck_assert_int_eq(f_write(fd(1), "-", 1), 1);
	ck_assert_host(host, "0-23abcd");
	/* Two more open files: each writes where its own O_APPEND says, the host's is as it was. */
	fd(1)->flags |= O_APPEND;
	ck_assert_int_eq(f_write(fd(1), "e", 1), 1);
	ck_assert_int_eq(file_new_path(&fd(1)->path, O_WRONLY, &f), 0);
	ck_assert_int_eq(f->inode->ops->open(f->inode, f), 0);
	ck_assert_int_eq(f_write(f, "**", 2), 2);
	f->flags |= O_APPEND;
	ck_assert_int_eq(f_write(f, "f", 1), 1);
	file_put(f);
	ck_assert_int_eq(f_write(fd(1), "g", 1), 1);
	ck_assert_host(host, "**23abcdefg");
}
END_TEST

START_TEST(one_open_file_for_two_descriptors)
{
	int host = fake_file(1, O_WRONLY, "", 0);

	fake_file(2, O_WRONLY, "", 0);
	fake_stdio_same[2] = 1;
	start();
	ck_assert_ptr_eq(fd(1), fd(2));
	ck_assert_int_eq(f_write(fd(2), "err ", 4), 4);
	ck_assert_int_eq(f_write(fd(1), "out", 3), 3);
	ck_assert_host(host, "err out");
	fake_stdio_kind[1] = fake_stdio_kind[2] = PLAT_STDIO_STREAM;
	start();
	ck_assert_ptr_eq(fd(1), fd(2));
	fake_stdio_kind[0] = PLAT_STDIO_STREAM; /* a socket, say: read here, written there */
	fake_stdio_same[1] = fake_stdio_same[2] = 0;
	start();
	ck_assert_ptr_ne(fd(0), fd(1));
}
END_TEST

/* sendfile(2) to an output that takes only some: the rest is still in the input, also for the host. */
START_TEST(what_was_not_used_goes_back)
{
	struct file *rd, *wr;
	int host = fake_file(0, O_RDONLY, big, sizeof(big));

	start();
	ck_assert_int_eq(pipe_new(O_NONBLOCK, &rd, &wr), 0);
	ck_assert_int_eq(file_copy(fd(0), NULL, wr, NULL, 200000), 65536);
	ck_assert_int_eq(file_copy(fd(0), NULL, wr, NULL, 200000), -EAGAIN);
	ck_assert_int_eq(f_read(rd, buf, 1000), 1000);
	fdtable_put(t); /* the last operation is soon enough */
	ck_assert_int_eq(fdtable_new(&t), 0);
	ck_assert_host_at(host, 65536);
	file_put(rd);
	file_put(wr);
}
END_TEST

START_TEST(bad_user_buffers)
{
	int host = fake_file(1, O_RDWR, "abcdef", 6);

	start();
	memcpy(fake_user_map(UBASE, 10), "0123456789", 10);
	ck_assert_int_eq(f_read_user(fd(1), 0, 10), -EFAULT);
	ck_assert_host_at(host, 0);
	ck_assert_int_eq(f_read_user(fd(1), UBASE + 7, 10), 3);
	ck_assert_host_at(host, 3);
	ck_assert_int_eq(f_write_user(fd(1), 0, 10), -EFAULT);
	ck_assert_int_eq(f_write_user(fd(1), UBASE + 5, 10), 5);
	ck_assert_host(host, "abc56abc");
}
END_TEST

START_TEST(opened_again)
{
	struct file *f;
	struct path p;
	int host = fake_file(1, O_RDWR, "0123456789", 10);

	start();
	ck_assert_int_eq(f_write(fd(1), "ab", 2), 2);
	ck_assert_int_eq(path_anon(fd(1)->inode, "file:[1]", &p), 0);
	ck_assert_int_eq(file_new_path(&p, O_RDWR, &f), 0);
	ck_assert_int_eq(p.dentry->inode->ops->open(p.dentry->inode, f), 0);
	ck_assert_int_eq(f_read(f, buf, 4), 4); /* from the start */
	ck_assert_mem_eq(buf, "ab23", 4);
	ck_assert_int_eq(f_write(f, "x", 1), 1);
	ck_assert_host(host, "ab23x56789");
	ck_assert_host_at(host, 2);
	ck_assert_int_eq(file_seek(f, -1, SEEK_END), 9);
	f->flags |= O_APPEND;
	ck_assert_int_eq(f_write(f, "!", 1), 1);
	ck_assert_host(host, "ab23x56789!");
	file_put(fd(1));
	t->files[1] = NULL;
	t->open[0] &= ~2ul;
	ck_assert_int_eq(f_pread(f, buf, 100, 8), 3); /* outlives the other */
	file_put(f);
	path_put(&p);
	fake_file(0, O_RDONLY, "", 0);
	start();
	ck_assert_int_eq(path_anon(fd(0)->inode, "file:[1]", &p), 0);
	ck_assert_int_eq(file_new_path(&p, O_WRONLY, &f), 0);
	fake_file_fail = -EACCES;
	ck_assert_int_eq(p.dentry->inode->ops->open(p.dentry->inode, f), -EACCES);
	ck_assert_int_eq(p.dentry->inode->ops->open(p.dentry->inode, f), 0); /* the host lets us */
	ck_assert_int_eq(f_write(f, "x", 1), 1);
	file_put(f);
	path_put(&p);
}
END_TEST

START_TEST(each_allocation_fails)
{
	fake_file(0, O_RDONLY, big, 10000);
	fake_file(1, O_WRONLY, "", 0);
	start();
	fdtable_put(t);
	ck_assert_int_eq(fdtable_new(&t), 0);
	FAKE_EACH_FAILURE(n) {
		int r = stdio_init(t);
		long w;

		ck_assert(r == 0 || r == -ENOMEM);
		if (!r) {
			w = f_write(fd(1), big, 100000);
			ck_assert(w == 100000 || w == -ENOMEM);
			w = f_read(fd(0), buf, 100);
			ck_assert(w == 100 || w == -ENOMEM);
			ck_assert_int_eq(vfs_getattr(fd(1)->inode), 0);
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
	Suite *s = unit_suite_new("hostfile", &tc, setup, teardown);

	tcase_add_test(tc, it_is_a_regular_file);
	tcase_add_loop_test(tc, reading_moves_the_hosts_position, 0, 2);
	tcase_add_loop_test(tc, large_transfers, 0, 2);
	tcase_add_test(tc, writing);
	tcase_add_test(tc, attributes);
	tcase_add_loop_test(tc, mapped_pages, 0, 2);
	tcase_add_test(tc, a_page_written_in_part);
	tcase_add_test(tc, appending);
	tcase_add_test(tc, one_open_file_for_two_descriptors);
	tcase_add_test(tc, what_was_not_used_goes_back);
	tcase_add_test(tc, bad_user_buffers);
	tcase_add_test(tc, opened_again);
	tcase_add_test(tc, each_allocation_fails);
	return s;
}
