/* File system calls decoded, with the real core below: bad flags, bad pointers, boundary sizes, and that nothing leaks. */
#include "tests/unit/shimtest.h"
#include "shim/abi/ioctl.h"
#include "shim/abi/poll.h"
#include "shim/abi/socket.h"
#include "shim/abi/structs.h"
#include "shim/abi/time.h"

static int t_open_fd(const char *path, int flags)
{
	return (int)CALL(NR_openat, AT_FDCWD, u_str(0xf000, path), flags, 0644);
}

START_TEST(open_decodes_flags)
{
	int fd = t_open_fd("/a", O_RDWR | O_CREAT | O_CLOEXEC);

	ck_assert_int_eq(fd, 0);
	ck_assert_int_eq(CALL(NR_fcntl, fd, F_GETFL), O_RDWR | O_LARGEFILE);
	ck_assert_int_eq(CALL(NR_fcntl, fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(CALL(NR_fcntl, fd, F_SETFD, 0), 0);
	ck_assert_int_eq(CALL(NR_fcntl, fd, F_GETFD), 0);
	/* Unknown bits are ignored by open, refused by openat2. */
	ck_assert_int_eq(CALL(NR_open, u_str(0, "/a"), 0x80000000u, 0), 1);
	ck_assert_int_eq(t_open_fd("/a", O_CREAT | O_DIRECTORY), -EINVAL);
	ck_assert_int_eq(t_open_fd("/", O_TMPFILE), -EINVAL);
	ck_assert_int_eq(t_open_fd("/", O_TMPFILE | O_RDWR), 2);
	ck_assert_int_eq(t_open_fd("/a", O_PATH | O_RDWR), 3);
	ck_assert_int_eq(CALL(NR_fcntl, 3, F_GETFL), O_PATH);
	ck_assert_int_eq(CALL(NR_read, 3, U, 1), -EBADF);
	ck_assert_int_eq(CALL(NR_openat, AT_FDCWD, NOWHERE, 0), -EFAULT);
	ck_assert_int_eq(CALL(NR_openat, 99, u_str(0, "rel"), 0), -EBADF);
	ck_assert_int_eq(t_open_fd("", 0), -ENOENT);
	memset(u_mem, 'a', PATH_MAX);
	u_mem[PATH_MAX] = 0;
	ck_assert_int_eq(CALL(NR_openat, AT_FDCWD, U, 0), -ENAMETOOLONG);
}
END_TEST

START_TEST(openat2_is_strict)
{
	uint64_t how[4] = { O_RDONLY, 0, 0, 0 };
	uptr_t p;

	ck_assert_int_eq(t_open_fd("/a", O_CREAT | O_RDWR), 0);
	p = u_str(0x100, "/a");
	u_put(0, how, 32);
	ck_assert_int_eq(CALL(NR_openat2, AT_FDCWD, p, U, 24), 1);
	ck_assert_int_eq(CALL(NR_openat2, AT_FDCWD, p, U, 32), 2);
	ck_assert_int_eq(CALL(NR_openat2, AT_FDCWD, p, U, 23), -EINVAL);
	ck_assert_int_eq(CALL(NR_openat2, AT_FDCWD, p, U, PAGE_SIZE + 1), -E2BIG);
	ck_assert_int_eq(CALL(NR_openat2, AT_FDCWD, p, NOWHERE, 24), -EFAULT);
	how[3] = 1;
	u_put(0, how, 32);
	ck_assert_int_eq(CALL(NR_openat2, AT_FDCWD, p, U, 32), -E2BIG);
	how[0] = 1ul << 40;
	u_put(0, how, 32);
	ck_assert_int_eq(CALL(NR_openat2, AT_FDCWD, p, U, 24), -EINVAL);
	how[0] = 0;
	how[1] = 0644;
	u_put(0, how, 32);
	ck_assert_int_eq(CALL(NR_openat2, AT_FDCWD, p, U, 24), -EINVAL);
	how[1] = 0;
	how[2] = RESOLVE_BENEATH | RESOLVE_IN_ROOT;
	u_put(0, how, 32);
	ck_assert_int_eq(CALL(NR_openat2, AT_FDCWD, p, U, 24), -EINVAL);
	how[2] = 0x40;
	u_put(0, how, 32);
	ck_assert_int_eq(CALL(NR_openat2, AT_FDCWD, p, U, 24), -EINVAL);
	how[2] = RESOLVE_BENEATH;
	u_put(0, how, 32);
	ck_assert_int_eq(CALL(NR_openat2, AT_FDCWD, p, U, 24), -EXDEV);
}
END_TEST

START_TEST(read_and_write)
{
	struct abi_iovec iov[2];
	int fd = t_open_fd("/f", O_CREAT | O_RDWR);

	ck_assert_int_eq(CALL(NR_write, fd, u_str(0, "hello world"), 11), 11);
	ck_assert_int_eq(CALL(NR_lseek, fd, 0, SEEK_SET), 0);
	ck_assert_int_eq(CALL(NR_read, fd, U + 100, 5), 5);
	ck_assert_int_eq(memcmp(u_mem + 100, "hello", 5), 0);
	ck_assert_int_eq(CALL(NR_read, fd, NOWHERE, 5), -EFAULT);
	ck_assert_int_eq(CALL(NR_read, fd, NOWHERE, 0), 0);
	/* Ranges that cannot be memory are refused before anything moves, the mode is looked at first. */
	ck_assert_int_eq(CALL(NR_read, fd, U, ~0ul), -EFAULT);
	ck_assert_int_eq(CALL(NR_read, fd, USER_MAX - 1, 5), -EFAULT);
	ck_assert_int_eq(CALL(NR_write, fd, U, 1ul << 63), -EFAULT);
	ck_assert_int_eq(t_open_fd("/f", O_WRONLY), 1);
	ck_assert_int_eq(CALL(NR_read, 1, U, ~0ul), -EBADF);
	ck_assert_int_eq(CALL(NR_pread64, fd, U, 5, -1), -EINVAL);
	ck_assert_int_eq(CALL(NR_pread64, 99, U, 5, -1), -EINVAL);
	ck_assert_int_eq(CALL(NR_pread64, 99, U, 5, 0), -EBADF);
	ck_assert_int_eq(CALL(NR_pread64, fd, U, 5, 6), 5);
	ck_assert_int_eq(memcmp(u_mem, "world", 5), 0);
	iov[0] = (struct abi_iovec){ U + 0x100, 3 };
	iov[1] = (struct abi_iovec){ U + 0x200, 100 };
	u_put(0, iov, sizeof(iov));
	ck_assert_int_eq(CALL(NR_preadv, fd, U, 2, 0), 11);
	ck_assert_int_eq(memcmp(u_mem + 0x200, "lo world", 8), 0);
	ck_assert_int_eq(CALL(NR_readv, fd, U, -1), -EINVAL);
	ck_assert_int_eq(CALL(NR_readv, fd, U, 1025), -EINVAL);
	ck_assert_int_eq(CALL(NR_readv, fd, NOWHERE, 0), 0);
	ck_assert_int_eq(CALL(NR_readv, fd, NOWHERE, 1), -EFAULT);
	iov[1].len = 1ul << 63;
	u_put(0, iov, sizeof(iov));
	ck_assert_int_eq(CALL(NR_preadv, fd, U, 2, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_preadv, fd, U, 1, -1), -EINVAL);
	ck_assert_int_eq(CALL(NR_preadv2, fd, U, 1, -2, 0, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_preadv2, fd, U, 1, 0, 0, 0x100), -EOPNOTSUPP);
	ck_assert_int_eq(CALL(NR_preadv2, fd, U, 1, 0, 0, RWF_APPEND), -EOPNOTSUPP);
	u_str(0x100, "XYZ");
	ck_assert_int_eq(CALL(NR_pwritev2, fd, U, 1, 0, 0, RWF_APPEND | RWF_DSYNC), 3);
	ck_assert_str_eq(t_read("/f"), "hello worldXYZ");
}
END_TEST

START_TEST(duplicates)
{
	int fd = t_open_fd("/f", O_CREAT | O_RDWR);

	ck_assert_int_eq(CALL(NR_dup, fd), 1);
	ck_assert_int_eq(CALL(NR_dup, 99), -EBADF);
	ck_assert_int_eq(CALL(NR_dup2, fd, fd), fd);
	ck_assert_int_eq(CALL(NR_dup2, 99, 99), -EBADF);
	ck_assert_int_eq(CALL(NR_dup2, fd, 64), -EBADF);
	ck_assert_int_eq(CALL(NR_dup2, fd, -1), -EBADF);
	ck_assert_int_eq(CALL(NR_dup2, fd, 63), 63);
	ck_assert_int_eq(CALL(NR_dup3, fd, fd, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_dup3, fd, 5, O_NONBLOCK), -EINVAL);
	ck_assert_int_eq(CALL(NR_dup3, fd, 5, O_CLOEXEC), 5);
	ck_assert_int_eq(CALL(NR_fcntl, 5, F_GETFD), 1);
	ck_assert_int_eq(CALL(NR_fcntl, fd, F_DUPFD, 64), -EINVAL);
	ck_assert_int_eq(CALL(NR_fcntl, fd, F_DUPFD, -1), -EINVAL);
	ck_assert_int_eq(CALL(NR_fcntl, fd, F_DUPFD, 10), 10);
	ck_assert_int_eq(CALL(NR_fcntl, fd, F_DUPFD_CLOEXEC, 10), 11);
	ck_assert_int_eq(CALL(NR_close_range, 5, 3, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_close_range, 3, 5, 1), -EINVAL);
	ck_assert_int_eq(CALL(NR_close_range, 5, ~0u, 0), 0);
	ck_assert_int_eq(CALL(NR_close, 63), -EBADF);
}
END_TEST

START_TEST(fcntl_rules)
{
	struct flock_k fl = { .type = F_WRLCK, .whence = SEEK_SET };
	int fd = t_open_fd("/f", O_CREAT | O_RDONLY);

	ck_assert_int_eq(CALL(NR_fcntl, fd, 12345, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_fcntl, fd, F_SETLK, u_put(0, &fl, sizeof(fl))), -EBADF);
	fl.type = F_RDLCK;
	ck_assert_int_eq(CALL(NR_fcntl, fd, F_SETLK, u_put(0, &fl, sizeof(fl))), 0);
	ck_assert_int_eq(CALL(NR_fcntl, fd, F_SETLK, NOWHERE), -EFAULT);
	fl.type = 7;
	ck_assert_int_eq(CALL(NR_fcntl, fd, F_SETLK, u_put(0, &fl, sizeof(fl))), -EINVAL);
	fl.type = F_UNLCK;
	ck_assert_int_eq(CALL(NR_fcntl, fd, F_GETLK, u_put(0, &fl, sizeof(fl))), -EINVAL);
	fl.type = F_RDLCK;
	fl.pid = 1;
	ck_assert_int_eq(CALL(NR_fcntl, fd, F_OFD_SETLK, u_put(0, &fl, sizeof(fl))), -EINVAL);
	ck_assert_int_eq(CALL(NR_fcntl, fd, F_SETFL, O_APPEND | O_RDWR | O_CREAT), 0);
	ck_assert_int_eq(CALL(NR_fcntl, fd, F_GETFL), O_APPEND | O_LARGEFILE);
	ck_assert_int_eq(CALL(NR_fcntl, fd, F_GETPIPE_SZ), -EBADF);
	ck_assert_int_eq(CALL(NR_fcntl, fd, F_GET_SEALS), -EINVAL);
	ck_assert_int_eq(CALL(NR_fcntl, fd, F_SETOWN, INT32_MIN), -EINVAL);
	ck_assert_int_eq(CALL(NR_fcntl, fd, F_SETOWN, 9999), -ESRCH);
	ck_assert_int_eq(CALL(NR_fcntl, fd, F_SETOWN, 2), 0);
	ck_assert_int_eq(CALL(NR_fcntl, fd, F_GETOWN), 2);
	ck_assert_int_eq(CALL(NR_flock, fd, LOCK_EX | LOCK_SH), -EINVAL);
	ck_assert_int_eq(CALL(NR_flock, fd, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_flock, fd, LOCK_EX | LOCK_NB), 0);
}
END_TEST

START_TEST(pipes_and_splices)
{
	int fds[2], f = t_open_fd("/f", O_CREAT | O_RDWR);

	ck_assert_int_eq(CALL(NR_pipe2, U, 0x1), -EINVAL);
	ck_assert_int_eq(CALL(NR_pipe2, NOWHERE, 0), -EFAULT);
	ck_assert_int_eq(CALL(NR_pipe2, U, O_NONBLOCK | O_CLOEXEC), 0);
	memcpy(fds, u_mem, sizeof(fds));
	ck_assert_int_eq(fds[0], 1);
	ck_assert_int_eq(fds[1], 2);
	ck_assert_int_eq(CALL(NR_fcntl, 2, F_GETFL), O_WRONLY | O_NONBLOCK);
	ck_assert_int_eq(CALL(NR_write, 2, u_str(0, "abcdef"), 6), 6);
	ck_assert_int_eq(CALL(NR_tee, 1, 2, 5, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_splice, 1, U, f, 0, 5, 0), -ESPIPE);
	ck_assert_int_eq(CALL(NR_splice, f, 0, f, 0, 5, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_splice, 1, 0, 2, 0, 5, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_splice, 1, 0, f, 0, 5, 0x10), -EINVAL);
	ck_assert_int_eq(CALL(NR_splice, 1, 0, f, 0, 4, 0), 4);
	ck_assert_str_eq(t_read("/f"), "abcd");
	ck_assert_int_eq(CALL(NR_sendfile, 2, 1, 0, 5), -EINVAL);
	memcpy(u_mem, &(int64_t){ -1 }, 8);
	ck_assert_int_eq(CALL(NR_sendfile, 2, f, U, 5), -EINVAL);
	memcpy(u_mem, &(int64_t){ 1 }, 8);
	ck_assert_int_eq(CALL(NR_sendfile, 2, f, U, 100), 3);
	ck_assert_int_eq(*(int64_t *)u_mem, 4);
	ck_assert_int_eq(CALL(NR_copy_file_range, f, 0, 2, 0, 5, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_copy_file_range, f, 0, f, 0, 5, 1), -EINVAL);
	ck_assert_int_eq(CALL(NR_fcntl, 1, F_SETPIPE_SZ, 1ul << 40), -EINVAL);
	ck_assert_int_ge(CALL(NR_fcntl, 1, F_GETPIPE_SZ), 4096);
	ck_assert_int_eq(CALL(NR_ioctl, 1, FIONREAD, U), 0);
	ck_assert_int_eq(*(int *)u_mem, 5);
	ck_assert_int_eq(CALL(NR_ioctl, 1, FIONREAD, NOWHERE), -EFAULT);
	ck_assert_int_eq(CALL(NR_ioctl, 1, 0x1234, 0), -ENOTTY);
	ck_assert_int_eq(CALL(NR_ioctl, 1, FIONCLEX), 0);
	ck_assert_int_eq(CALL(NR_fcntl, 1, F_GETFD), 0);
	memcpy(u_mem, &(int){ 0 }, 4);
	ck_assert_int_eq(CALL(NR_ioctl, 1, FIONBIO, U), 0);
	ck_assert_int_eq(CALL(NR_fcntl, 1, F_GETFL), 0);
}
END_TEST

START_TEST(attributes)
{
	struct abi_stat *st = (struct abi_stat *)(u_mem + 0x100);
	struct abi_statx *sx = (struct abi_statx *)(u_mem + 0x100);
	int fd = t_open_fd("/f", O_CREAT | O_RDWR);
	uptr_t p = u_str(0, "/f"), e = u_str(0x20, "");

	ck_assert_int_eq(CALL(NR_ftruncate, fd, 5000), 0);
	ck_assert_int_eq(CALL(NR_fstat, fd, U + 0x100), 0);
	ck_assert_uint_eq(st->mode, S_IFREG | 0644);
	ck_assert_int_eq(st->size, 5000);
	ck_assert_uint_eq(st->nlink, 1);
	memset(st, 0, sizeof(*st));
	ck_assert_int_eq(CALL(NR_newfstatat, fd, e, U + 0x100, AT_EMPTY_PATH), 0);
	ck_assert_int_eq(st->size, 5000);
	ck_assert_int_eq(CALL(NR_newfstatat, fd, e, U + 0x100, 0), -ENOENT);
	ck_assert_int_eq(CALL(NR_newfstatat, AT_FDCWD, p, U + 0x100, 0x10000), -EINVAL);
	ck_assert_int_eq(CALL(NR_stat, p, NOWHERE), -EFAULT);
	ck_assert_int_eq(CALL(NR_stat, NOWHERE, U), -EFAULT);
	ck_assert_int_eq(CALL(NR_statx, AT_FDCWD, p, 0, STATX_BASIC_STATS, U + 0x100), 0);
	ck_assert_uint_eq(sx->mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
	ck_assert_uint_eq(sx->size, 5000);
	ck_assert_int_eq(CALL(NR_statx, AT_FDCWD, p, 0, 0x80000000u, U + 0x100), -EINVAL);
	ck_assert_int_eq(CALL(NR_statx, AT_FDCWD, p, 0x6000, 0, U + 0x100), -EINVAL);
	ck_assert_int_eq(CALL(NR_statfs, p, U + 0x100), 0);
	ck_assert_uint_eq(((struct abi_statfs *)(u_mem + 0x100))->type, 0x01021994);
	ck_assert_int_eq(CALL(NR_fchmodat, AT_FDCWD, p, 07600), 0);
	ck_assert_int_eq(CALL(NR_fchownat, AT_FDCWD, p, 1, 2, 0x2), -EINVAL);
	ck_assert_int_eq(CALL(NR_fchownat, AT_FDCWD, p, 1, -1, 0), 0);
	ck_assert_int_eq(CALL(NR_fstat, fd, U + 0x100), 0);
	ck_assert_uint_eq(st->uid, 1);
	ck_assert_uint_eq(st->gid, 0);
	ck_assert_int_eq(CALL(NR_truncate, p, -1), -EINVAL);
	ck_assert_int_eq(CALL(NR_truncate, u_str(0x40, "/"), 0), -EISDIR);
	ck_assert_int_eq(CALL(NR_ftruncate, fd, -1), -EINVAL);
	ck_assert_int_eq(t_open_fd("/f", O_RDONLY), 1);
	ck_assert_int_eq(CALL(NR_ftruncate, 1, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_access, p, 8), -EINVAL);
	ck_assert_int_eq(CALL(NR_faccessat2, AT_FDCWD, p, 0, 0x1), -EINVAL);
	ck_assert_int_eq(CALL(NR_access, p, R_OK | W_OK), 0);
}
END_TEST

START_TEST(extended_attributes)
{
	uptr_t p = u_str(0, "/f"), d = u_str(0x20, "/d"), x = u_str(0x60, "user.x"), v = u_str(0x80, "value");
	int fd = t_open_fd("/f", O_CREAT | O_RDONLY);
	struct inode *i = t_inode("/f");

	ck_assert_int_eq(CALL(NR_mkdir, d, 01777), 0);
	ck_assert_int_eq(CALL(NR_chmod, d, 01777), 0);
	ck_assert_int_eq(CALL(NR_listxattr, p, 0, 0), 0);
	ck_assert_int_eq(CALL(NR_getxattr, p, u_str(0xa0, ""), U + 0x100, 10), -ERANGE);
	ck_assert_int_eq(CALL(NR_getxattr, p, x, U + 0x100, 10), -ENODATA);
	ck_assert_int_eq(CALL(NR_setxattr, p, x, v, 1, 4), -EINVAL);
	ck_assert_int_eq(CALL(NR_setxattr, p, x, v, 65537, 0), -E2BIG);
	ck_assert_int_eq(CALL(NR_setxattr, p, x, NOWHERE, 5, 0), -EFAULT);
	ck_assert_int_eq(CALL(NR_setxattr, p, NOWHERE, v, 5, 0), -EFAULT);
	ck_assert_int_eq(CALL(NR_setxattr, p, u_str(0xa0, "security.x"), v, 5, 0), -EOPNOTSUPP);
	ck_assert_int_eq(CALL(NR_setxattr, p, u_str(0xa0, "user."), v, 5, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_setxattr, p, x, v, 5, 0), 0);
	ck_assert_int_eq(CALL(NR_fsetxattr, fd, u_str(0xa0, "user.empty"), 0, 0, 0), 0); /* the file is open for reading only */
	ck_assert_int_eq(CALL(NR_getxattr, p, x, U + 0x100, 4), -ERANGE);
	ck_assert_int_eq(CALL(NR_getxattr, p, x, NOWHERE, 10), -EFAULT);
	ck_assert_int_eq(CALL(NR_fgetxattr, fd, x, U + 0x100, 10), 5);
	ck_assert_mem_eq(u_mem + 0x100, "value", 5);
	/* Names of other kinds, which a host's file may have, are not shown. */
	mutex_lock(&i->lock);
	ck_assert_int_eq(i->ops->setxattr(i, "security.capability", "x", 1, 0), 0);
	mutex_unlock(&i->lock);
	ck_assert_int_eq(CALL(NR_listxattr, p, 0, 0), 7 + 11);
	ck_assert_int_eq(CALL(NR_listxattr, p, U + 0x100, 17), -ERANGE);
	ck_assert_int_eq(CALL(NR_flistxattr, fd, U + 0x100, 18), 18);
	ck_assert_int_eq(CALL(NR_listxattr, p, NOWHERE, 18), -EFAULT);
	/* Rights are those to the contents; in a sticky directory that everybody writes only the owner sets any. */
	i->mode = S_IFREG | 0604;
	be(1, 1);
	ck_assert_int_eq(CALL(NR_setxattr, p, x, v, 5, 0), -EACCES);
	ck_assert_int_eq(CALL(NR_removexattr, p, x), -EACCES);
	ck_assert_int_eq(CALL(NR_getxattr, p, x, 0, 0), 5);
	ck_assert_int_eq(CALL(NR_setxattr, d, x, v, 5, 0), -EPERM);
	i->mode = S_IFREG | 0600;
	ck_assert_int_eq(CALL(NR_getxattr, p, x, 0, 0), -EACCES);
	be_root();
	ck_assert_int_eq(CALL(NR_lremovexattr, p, x), 0);
	ck_assert_int_eq(CALL(NR_fremovexattr, fd, x), -ENODATA);
}
END_TEST

START_TEST(file_times)
{
	struct timespec64 t[2] = { { 100, 5 }, { 0, UTIME_OMIT } };
	int fd = t_open_fd("/f", O_CREAT | O_RDWR);
	uptr_t p = u_str(0x100, "/f"), ut = u_put(0, t, sizeof(t));
	struct inode *i = t_inode("/f");

	i->mtime.sec = 77;
	ck_assert_int_eq(CALL(NR_utimensat, AT_FDCWD, p, ut, 0), 0);
	ck_assert_int_eq(i->atime.sec, 100);
	ck_assert_int_eq(i->atime.nsec, 5);
	ck_assert_int_eq(i->mtime.sec, 77);
	ck_assert_int_eq(CALL(NR_utimensat, AT_FDCWD, p, ut, 0x1), -EINVAL);
	ck_assert_int_eq(CALL(NR_utimensat, fd, 0, ut, 0), 0);
	ck_assert_int_eq(CALL(NR_utimensat, fd, 0, ut, AT_SYMLINK_NOFOLLOW), -EINVAL);
	ck_assert_int_eq(CALL(NR_utimensat, AT_FDCWD, 0, ut, 0), -EFAULT);
	t[0].nsec = 1000000000;
	ck_assert_int_eq(CALL(NR_utimensat, AT_FDCWD, p, u_put(0, t, sizeof(t)), 0), -EINVAL);
	t[0].nsec = UTIME_OMIT;
	ck_assert_int_eq(CALL(NR_utimensat, 99, NOWHERE, u_put(0, t, sizeof(t)), 0x7777), 0);
	t[0] = t[1] = (struct timespec64){ 3, 1000000 };
	ck_assert_int_eq(CALL(NR_utimes, p, u_put(0, t, sizeof(t))), -EINVAL);
	t[0].nsec = t[1].nsec = 999999;
	ck_assert_int_eq(CALL(NR_utimes, p, u_put(0, t, sizeof(t))), 0);
	ck_assert_int_eq(i->mtime.nsec, 999999000);
}
END_TEST

START_TEST(directories)
{
	uint16_t reclen;
	int fd;

	OK(t_mkdir("/d", 0755));
	OK(t_create("/d/name"));
	fd = t_open_fd("/d", O_RDONLY | O_DIRECTORY);
	ck_assert_int_eq(CALL(NR_getdents64, fd, U, 10), -EINVAL);
	ck_assert_int_eq(CALL(NR_getdents64, fd, NOWHERE, 1000), -EFAULT);
	ck_assert_int_eq(CALL(NR_getdents64, fd, U, 24), 24);
	memcpy(&reclen, u_mem + 16, 2);
	ck_assert_uint_eq(reclen, 24);
	ck_assert_int_eq(u_mem[18], DT_DIR);
	ck_assert_str_eq(u_mem + 19, ".");
	ck_assert_int_eq(CALL(NR_getdents64, fd, U, 1000), 48);
	ck_assert_str_eq(u_mem + 24 + 19, "name");
	ck_assert_int_eq(CALL(NR_getdents64, fd, U, 1000), 0);
	ck_assert_int_eq(CALL(NR_lseek, fd, 0, SEEK_SET), 0);
	ck_assert_int_eq(CALL(NR_getdents, fd, U, 1000), 72);
	ck_assert_int_eq(u_mem[23], DT_DIR);
	ck_assert_str_eq(u_mem + 18, ".");
	ck_assert_int_eq(t_open_fd("/d/name", O_RDONLY), 1);
	ck_assert_int_eq(CALL(NR_getdents64, 1, U, 1000), -ENOTDIR);
	ck_assert_int_eq(CALL(NR_chdir, u_str(0, "/d/name")), -ENOTDIR);
	ck_assert_int_eq(CALL(NR_fchdir, 1), -ENOTDIR);
	ck_assert_int_eq(CALL(NR_fchdir, fd), 0);
	ck_assert_int_eq(CALL(NR_getcwd, U, 2), -ERANGE);
	ck_assert_int_eq(CALL(NR_getcwd, U, 3), 3);
	ck_assert_str_eq(u_mem, "/d");
	ck_assert_int_eq(CALL(NR_getcwd, NOWHERE, 100), -EFAULT);
	ck_assert_int_eq(CALL(NR_readlinkat, AT_FDCWD, u_str(0, "name"), U, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_readlinkat, AT_FDCWD, u_str(0, "name"), U, 10), -EINVAL);
	OK(t_symlink("target", "/d/l"));
	ck_assert_int_eq(CALL(NR_readlink, u_str(0x100, "l"), U, 3), 3);
	ck_assert_int_eq(memcmp(u_mem, "tar", 3), 0);
	ck_assert_int_eq(CALL(NR_readlink, u_str(0x100, "l"), NOWHERE, 3), -EFAULT);
	ck_assert_int_eq(CALL(NR_umask, 0777777), 022);
	ck_assert_int_eq(CALL(NR_umask, 022), 0777);
	ck_assert_int_eq(CALL(NR_chdir, u_str(0, "/")), 0);
}
END_TEST

START_TEST(names)
{
	uptr_t a = u_str(0, "/a"), b = u_str(0x100, "/b");

	ck_assert_int_eq(CALL(NR_mknod, a, S_IFREG | 0600, 0), 0);
	ck_assert_int_eq(CALL(NR_mknod, b, S_IFDIR | 0600, 0), -EPERM);
	ck_assert_int_eq(CALL(NR_mknod, b, S_IFLNK | 0600, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_linkat, AT_FDCWD, a, AT_FDCWD, b, 0x100), -EINVAL);
	ck_assert_int_eq(CALL(NR_link, a, b), 0);
	ck_assert_int_eq(CALL(NR_renameat2, AT_FDCWD, a, AT_FDCWD, b, 8), -EINVAL);
	ck_assert_int_eq(CALL(NR_renameat2, AT_FDCWD, a, AT_FDCWD, b, RENAME_NOREPLACE | RENAME_EXCHANGE), -EINVAL);
	ck_assert_int_eq(CALL(NR_renameat2, AT_FDCWD, a, AT_FDCWD, b, RENAME_NOREPLACE), -EEXIST);
	ck_assert_int_eq(CALL(NR_rename, a, NOWHERE), -EFAULT);
	ck_assert_int_eq(CALL(NR_unlinkat, AT_FDCWD, a, 1), -EINVAL);
	ck_assert_int_eq(CALL(NR_unlink, a), 0);
	ck_assert_int_eq(CALL(NR_rmdir, b), -ENOTDIR);
	ck_assert_int_eq(CALL(NR_symlink, u_str(0x200, ""), a), -ENOENT);
	be(1000, 1000);
	ck_assert_int_eq(CALL(NR_mknod, a, S_IFCHR | 0600, 0x103), -EPERM);
	ck_assert_int_eq(CALL(NR_linkat, AT_FDCWD, u_str(0x200, ""), AT_FDCWD, a, AT_EMPTY_PATH), -ENOENT);
	ck_assert_int_eq(CALL(NR_chroot, u_str(0x200, "/")), -EPERM);
	ck_assert_int_eq(CALL(NR_mount, 0, a, a, 0, 0), -EPERM);
	be_root();
}
END_TEST

START_TEST(mounting)
{
	uptr_t dir = u_str(0, "/m"), type = u_str(0x40, "tmpfs");

	OK(t_mkdir("/m", 0755));
	OK(t_create("/file"));
	ck_assert_int_eq(CALL(NR_mount, 0, dir, u_str(0x80, "ext4"), 0, 0), -ENODEV);
	ck_assert_int_eq(CALL(NR_mount, 0, dir, NOWHERE, 0, 0), -EFAULT);
	ck_assert_int_eq(CALL(NR_mount, 0, dir, type, MS_BIND, 0), -EPERM);
	ck_assert_int_eq(CALL(NR_mount, 0, u_str(0x80, "/none"), type, 0, 0), -ENOENT);
	ck_assert_int_eq(CALL(NR_mount, 0, u_str(0x80, "/file"), type, 0, 0), -ENOTDIR);
	FAKE_EACH_FAILURE(n) {
		long r = CALL(NR_mount, 0, dir, type, MS_NOSUID, 0);

		ck_assert(r == 0 || r == -ENOMEM);
		if (!r) {
			fake_fail_after(0);
			break;
		}
	}
	OK(t_create("/m/x"));
	ck_assert_int_eq(CALL(NR_chmod, u_str(0x80, "/m/x"), 0600), 0);
	ck_assert_int_eq(CALL(NR_umount2, dir, 0), -EPERM);
}
END_TEST

START_TEST(polling)
{
	struct pollfd_k p[2] = { { 0, POLLIN, 0 }, { 99, POLLIN, 0 } };
	uint64_t bits = 1;
	struct abi_timeval tv = { 0, 5000 };

	ck_assert_int_eq(CALL(NR_pipe2, U, 0), 0);
	u_put(0, p, sizeof(p));
	ck_assert_int_eq(CALL(NR_poll, U, 65, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_poll, NOWHERE, 1, 0), -EFAULT);
	ck_assert_int_eq(CALL(NR_poll, U, 1, 0), 0);
	ck_assert_int_eq(CALL(NR_poll, U, 2, -1), 1);
	ck_assert_int_eq(((struct pollfd_k *)u_mem)[1].revents, POLLNVAL);
	ck_assert_int_eq(CALL(NR_ppoll, U, 1, 0, U, 4), -EINVAL);
	u_put(0x100, &bits, 8);
	ck_assert_int_eq(CALL(NR_select, -1, U + 0x100, 0, 0, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_select, 1, NOWHERE, 0, 0, 0), -EFAULT);
	ck_assert_int_eq(CALL(NR_select, 1, U + 0x100, 0, 0, u_put(0x200, &tv, 16)), 0);
	ck_assert_uint_eq(*(uint64_t *)(u_mem + 0x100), 0);
	ck_assert_int_eq(((struct abi_timeval *)(u_mem + 0x200))->usec, 0);
	tv.sec = -1;
	ck_assert_int_eq(CALL(NR_select, 0, 0, 0, 0, u_put(0x200, &tv, 16)), -EINVAL);
	bits = 2;
	u_put(0x100, &bits, 8);
	ck_assert_int_eq(CALL(NR_select, 2, 0, U + 0x100, 0, 0), 1);
	ck_assert_uint_eq(*(uint64_t *)(u_mem + 0x100), 2);
	bits = 1ul << 40;
	u_put(0x100, &bits, 8);
	ck_assert_int_eq(CALL(NR_select, 41, U + 0x100, 0, 0, 0), -EBADF);
	ck_assert_int_eq(CALL(NR_epoll_create, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_epoll_create1, 1), -EINVAL);
	ck_assert_int_eq(CALL(NR_epoll_create1, 0), 2);
	ck_assert_int_eq(CALL(NR_epoll_ctl, 2, EPOLL_CTL_ADD, 0, NOWHERE), -EFAULT);
	ck_assert_int_eq(CALL(NR_epoll_wait, 2, U, 0, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_epoll_wait, 2, U, INT32_MAX, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_epoll_wait, 0, U, 1, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_eventfd2, 0, 0x10), -EINVAL);
	ck_assert_int_eq(CALL(NR_signalfd4, -1, U, 4, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_signalfd4, 0, U, 8, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_timerfd_create, 5, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_timerfd_create, CLOCK_MONOTONIC, 1), -EINVAL);
	ck_assert_int_eq(CALL(NR_timerfd_settime, 0, 0, u_put(0, (char[32]){ 0 }, 32), 0), -EINVAL);
}
END_TEST

START_TEST(descriptors_pass_through_sockets)
{
	struct abi_msghdr m = { .iov = U + 0x100, .iovlen = 1, .control = U + 0x200, .controllen = 24 };
	struct abi_cmsghdr *c = (struct abi_cmsghdr *)(u_mem + 0x200);
	struct abi_iovec iov = { U + 0x300, 5 };
	int f = t_open_fd("/f", O_CREAT | O_RDWR);

	ck_assert_int_eq(CALL(NR_socketpair, AF_INET, SOCK_STREAM, 0, U), -EOPNOTSUPP);
	ck_assert_int_eq(CALL(NR_socketpair, 99, SOCK_STREAM, 0, U), -EAFNOSUPPORT);
	ck_assert_int_eq(CALL(NR_socketpair, AF_UNIX, 99, 0, U), -EINVAL);
	ck_assert_int_eq(CALL(NR_socketpair, AF_UNIX, SOCK_STREAM, 9, U), -EPROTONOSUPPORT);
	ck_assert_int_eq(CALL(NR_socketpair, AF_UNIX, SOCK_STREAM, 0, NOWHERE), -EFAULT);
	ck_assert_int_eq(CALL(NR_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, U), 0);
	ck_assert_int_eq(CALL(NR_socket, AF_INET, SOCK_STREAM, 0), -EAFNOSUPPORT);
	ck_assert_int_eq(CALL(NR_sendto, f, U, 1, 0, 0, 0), -ENOTSOCK);
	*c = (struct abi_cmsghdr){ .len = 20, .level = SOL_SOCKET, .type = SCM_RIGHTS };
	*(int *)(c + 1) = f;
	u_put(0x100, &iov, sizeof(iov));
	u_put(0, &m, sizeof(m));
	ck_assert_int_eq(CALL(NR_sendmsg, 1, U, 0), 5);
	memset(c, 0, 24);
	ck_assert_int_eq(CALL(NR_recvmsg, 2, U, MSG_CMSG_CLOEXEC), 5);
	ck_assert_uint_eq(c->len, 20);
	ck_assert_int_eq(c->type, SCM_RIGHTS);
	ck_assert_int_eq(*(int *)(c + 1), 3);
	ck_assert_int_eq(CALL(NR_fcntl, 3, F_GETFD), 1);
	ck_assert_int_eq(CALL(NR_write, 3, u_str(0x300, "via"), 3), 3);
	ck_assert_str_eq(t_read("/f"), "via");
	/* Without room for it, the descriptor is closed and the message says so. */
	*c = (struct abi_cmsghdr){ .len = 20, .level = SOL_SOCKET, .type = SCM_RIGHTS };
	*(int *)(c + 1) = f;
	u_put(0, &m, sizeof(m));
	ck_assert_int_eq(CALL(NR_sendmsg, 1, U, 0), 5);
	m.controllen = 0;
	u_put(0, &m, sizeof(m));
	ck_assert_int_eq(CALL(NR_recvmsg, 2, U, 0), 5);
	ck_assert_uint_eq(((struct abi_msghdr *)u_mem)->flags, MSG_CTRUNC);
	/* Bad control messages. */
	m.controllen = 24;
	c->len = 8;
	u_put(0, &m, sizeof(m));
	ck_assert_int_eq(CALL(NR_sendmsg, 1, U, 0), -EINVAL);
	c->len = 20;
	*(int *)(c + 1) = 99;
	ck_assert_int_eq(CALL(NR_sendmsg, 1, U, 0), -EBADF);
	m.controllen = 1 << 20;
	u_put(0, &m, sizeof(m));
	ck_assert_int_eq(CALL(NR_sendmsg, 1, U, 0), -ENOBUFS);
	m.iovlen = 1025;
	u_put(0, &m, sizeof(m));
	ck_assert_int_eq(CALL(NR_sendmsg, 1, U, 0), -EMSGSIZE);
	ck_assert_int_eq(CALL(NR_connect, 1, U, 110), -EINVAL); /* no AF_UNIX */
	u_put(0, "\1\0\0nobody", 9);
	ck_assert_int_eq(CALL(NR_connect, 1, U, 9), -ECONNREFUSED);
	ck_assert_int_eq(CALL(NR_connect, 1, U, 129), -EINVAL);
	ck_assert_int_eq(CALL(NR_connect, 1, 0, 9), -EFAULT);
	ck_assert_int_eq(CALL(NR_accept4, 1, 0, 0, 1), -EINVAL);
}
END_TEST

/* Each allocation in turn fails: ENOMEM or success, nothing lost (the teardown looks). */
START_TEST(no_memory)
{
	FAKE_EACH_FAILURE(n) {
		long fd = CALL(NR_openat, AT_FDCWD, u_str(0, "/f"), O_CREAT | O_RDWR, 0644);

		ck_assert_msg(fd >= 0 || fd == -ENOMEM, "%ld", fd);
		if (fd < 0)
			continue;
		CALL(NR_write, fd, U, 100);
		CALL(NR_pipe2, U, 0);
		CALL(NR_getdents64, fd, U, 1000);
		CALL(NR_socketpair, AF_UNIX, SOCK_STREAM, 0, U);
		CALL(NR_epoll_create1, 0);
		CALL(NR_eventfd2, 0, 0);
		CALL(NR_getcwd, U, 1000);
		CALL(NR_readlink, u_str(0x100, "/f"), U, 100);
		CALL(NR_select, 60, u_put(0x200, (char[8]){ 0 }, 8), 0, 0, u_put(0x300, (char[16]){ 0 }, 16));
		CALL(NR_setgroups, 3, U);
		CALL(NR_setresuid, -1, -1, -1);
		fd_close_range(0, ~0u, 0);
	}
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("shim_file", &tc, shim_setup, shim_teardown);

	tcase_add_test(tc, open_decodes_flags);
	tcase_add_test(tc, openat2_is_strict);
	tcase_add_test(tc, read_and_write);
	tcase_add_test(tc, duplicates);
	tcase_add_test(tc, fcntl_rules);
	tcase_add_test(tc, pipes_and_splices);
	tcase_add_test(tc, attributes);
	tcase_add_test(tc, extended_attributes);
	tcase_add_test(tc, file_times);
	tcase_add_test(tc, directories);
	tcase_add_test(tc, names);
	tcase_add_test(tc, mounting);
	tcase_add_test(tc, polling);
	tcase_add_test(tc, descriptors_pass_through_sockets);
	tcase_add_test(tc, no_memory);
	return s;
}
