/* --trace: representative calls of every kind of argument, in strace's exact words. The handlers behind the tracer are the
 * test's: what they return and what they fill in is set beforehand. */
#include "tests/unit/shimtest.h"
#include "shim/abi/futex.h"
#include "shim/abi/ioctl.h"
#include "shim/abi/mman.h"
#include "shim/abi/poll.h"
#include "shim/abi/signal.h"
#include "shim/abi/shm.h"
#include "shim/abi/socket.h"
#include "shim/abi/structs.h"
#include "shim/abi/time.h"

static long result;
static size_t fill_off, fill_len; /* what the call leaves behind at U + fill_off */
static char fill_data[512];

static long real(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
	memcpy(u_mem + fill_off, fill_data, fill_len);
	fill_len = 0;
	return result;
}

static syscall_fn *table[SYSCALL_MAX];

static void setup(void)
{
	shim_setup();
	for (int i = 0; i < SYSCALL_MAX; i++)
		table[i] = real;
	memcpy(syscall_active, trace_table(table), sizeof(syscall_active));
	result = 0;
	fill_len = 0;
}

static void fills(size_t off, const void *data, size_t len)
{
	fill_off = off;
	fill_len = len;
	memcpy(fill_data, data, len);
}

static size_t seen;

/* The text printed since the last look. */
static const char *text(void)
{
	const char *p = fake_log() + seen;

	seen += strlen(p);
	return p;
}

#define TRACED(line, ret, nr, ...) do { \
	seen = strlen(fake_log()); \
	result = (ret); \
	ck_assert_int_eq(CALL(nr, ##__VA_ARGS__), (ret)); \
	ck_assert_str_eq(text(), line "\n"); \
} while (0)

START_TEST(columns_and_results)
{
	TRACED("getpid()                                = 2", 2, NR_getpid);
	TRACED("close(3)                                = 0", 0, NR_close, 3);
	TRACED("close(-1)                               = -1 EBADF (Bad file descriptor)", -EBADF, NR_close, -1);
	TRACED("dup2(7, 50)                             = 50", 50, NR_dup2, 7, 50);
	TRACED("umask(022)                              = 000", 0, NR_umask, 022);
	TRACED("umask(000)                              = 0777", 0777, NR_umask, 0);
	TRACED("brk(NULL)                               = 0x5000", 0x5000, NR_brk, 0);
	TRACED("personality(0xffffffff)                 = 0 (PER_LINUX)", 0, NR_personality, 0xffffffff);
	TRACED("syscall_0x190(0x1, 0, 0x3, 0, 0, 0)     = -1 ENOSYS (Function not implemented)", -ENOSYS, 400, 1, 0, 3);
	TRACED("getpid()                                = -1 ERRNO_600", -600, NR_getpid);
	TRACED("time(NULL)                              = 1795419282 (2026-11-23T07:34:42+0000)", 1795419282, NR_time, 0);
	TRACED("sync_file_range(8, 4096, 0, SYNC_FILE_RANGE_WAIT_BEFORE|SYNC_FILE_RANGE_WRITE|0x8) = -1 EINVAL (Invalid argument)", -EINVAL,
	       NR_sync_file_range, 8, 4096, 0, 11);
	TRACED("prctl(PR_GET_DUMPABLE)                  = 1 (SUID_DUMP_USER)", 1, NR_prctl, 3);
}
END_TEST

START_TEST(open_and_paths)
{
	uptr_t p = u_str(0, "/etc/ld.so.cache");

	TRACED("openat(AT_FDCWD, \"/etc/ld.so.cache\", O_RDONLY|O_CLOEXEC) = 3", 3, NR_openat, AT_FDCWD, p, O_CLOEXEC);
	TRACED("openat(5, \"/etc/ld.so.cache\", O_RDWR|O_CREAT|O_TRUNC|O_APPEND|O_NOFOLLOW|O_CLOEXEC, 0644) = 3", 3, NR_openat, 5, p,
	       O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0644);
	TRACED("openat(AT_FDCWD, \"/etc/ld.so.cache\", O_RDWR|O_TMPFILE, 0600) = 3", 3, NR_openat, AT_FDCWD, p, O_RDWR | O_TMPFILE,
	       0600);
	TRACED("openat(AT_FDCWD, NULL, O_RDONLY)        = -1 EFAULT (Bad address)", -EFAULT, NR_openat, AT_FDCWD, 0, 0);
	TRACED("openat(AT_FDCWD, 0x1, O_RDONLY|0x80000000) = -1 EFAULT (Bad address)", -EFAULT, NR_openat, AT_FDCWD, 1,
	       0x80000000u);
	TRACED("access(\"/etc/ld.so.cache\", F_OK)        = 0", 0, NR_access, p, 0);
	TRACED("access(\"/etc/ld.so.cache\", R_OK|W_OK|X_OK|0x8) = -1 EINVAL (Invalid argument)", -EINVAL, NR_access, p, 15);
	TRACED("mkdir(\"/etc/ld.so.cache\", 0755)         = 0", 0, NR_mkdir, p, 0755);
	TRACED("mknodat(AT_FDCWD, \"/etc/ld.so.cache\", S_IFIFO|0600) = 0", 0, NR_mknodat, AT_FDCWD, p, S_IFIFO | 0600, 0);
	TRACED("mknodat(AT_FDCWD, \"/etc/ld.so.cache\", S_IFCHR|0600, makedev(0x1, 0x3)) = 0", 0, NR_mknodat, AT_FDCWD, p,
	       S_IFCHR | 0600, 0x103);
	TRACED("chown(\"/etc/ld.so.cache\", -1, 0)        = 0", 0, NR_chown, p, -1, 0);
	TRACED("unlinkat(AT_FDCWD, \"/etc/ld.so.cache\", AT_REMOVEDIR) = 0", 0, NR_unlinkat, AT_FDCWD, p, AT_REMOVEDIR);
	TRACED("renameat2(AT_FDCWD, \"/etc/ld.so.cache\", AT_FDCWD, \"/etc/ld.so.cache\", RENAME_NOREPLACE) = 0", 0, NR_renameat2,
	       AT_FDCWD, p, AT_FDCWD, p, RENAME_NOREPLACE);
}
END_TEST

/* Paths are shown whole, other strings up to 32 characters. */
START_TEST(long_strings)
{
	char path[101];

	memset(path, 'a', 100);
	path[100] = 0;
	TRACED("chdir(\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\") = 0", 0,
	       NR_chdir, u_str(0, path));
	TRACED("memfd_create(\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"..., MFD_CLOEXEC) = 4", 4, NR_memfd_create, u_str(0, path), 1);
	path[32] = 0;
	TRACED("memfd_create(\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\", 0) = 4", 4, NR_memfd_create, u_str(0, path), 0);
	/* A string that runs off the end of memory. */
	memset(u_mem + U_SIZE - 8, 'x', 8);
	TRACED("chdir(0x10fff8)                         = -1 EFAULT (Bad address)", -EFAULT, NR_chdir, U + U_SIZE - 8);
	u_mem[U_SIZE - 1] = 0;
	TRACED("chdir(\"xxxxxxx\")                        = 0", 0, NR_chdir, U + U_SIZE - 8);
}
END_TEST

START_TEST(buffers)
{
	uptr_t p = u_put(0, "hello\n\t\"q\\\033\001\3779\0011 long string more than thirty two", 50);

	TRACED("write(3, \"hello\\n\\t\\\"q\\\\\\33\\1\\3779\\0011 long string mor\"..., 50) = 50", 50, NR_write, 3, p, 50);
	TRACED("write(1, NULL, 5)                       = -1 EFAULT (Bad address)", -EFAULT, NR_write, 1, 0, 5);
	TRACED("write(1, 0x50000000, 5)                 = -1 EFAULT (Bad address)", -EFAULT, NR_write, 1, NOWHERE, 5);
	TRACED("write(77, \"\", 0)                        = 0", 0, NR_write, 77, p, 0);
	fills(100, "abc\r\v\f\177z", 8);
	TRACED("read(0, \"abc\\r\\v\\f\\177z\", 512)          = 8", 8, NR_read, 0, U + 100, 512);
	TRACED("read(0, 0x100064, 512)                  = -1 EIO (Input/output error)", -EIO, NR_read, 0, U + 100, 512);
	TRACED("read(0, \"\", 512)                        = 0", 0, NR_read, 0, U + 100, 512);
	TRACED("pread64(3, \"hello\", 5, 7)               = 5", 5, NR_pread64, 3, p, 5, 7);
	fills(0, "tgt", 3);
	TRACED("readlink(\"/ln\", \"tgt\", 300)             = 3", 3, NR_readlink, u_str(200, "/ln"), p, 300);
	fills(0, "/tmp", 5);
	TRACED("getcwd(\"/tmp\", 100)                     = 5", 5, NR_getcwd, p, 100);
	TRACED("getcwd(0x100000, 1)                     = -1 ERANGE (Numerical result out of range)", -ERANGE, NR_getcwd, p, 1);
	fills(0, "\x7a\x05", 2);
	TRACED("getrandom(\"\\x7a\\x05\", 2, GRND_NONBLOCK) = 2", 2, NR_getrandom, p, 2, 1);
}
END_TEST

START_TEST(vectors)
{
	struct abi_iovec iov[3] = { { U + 100, 3 }, { U + 200, 40 }, { U, 0 } };
	uptr_t v = u_put(0, iov, sizeof(iov));

	u_str(100, "abc");
	u_str(200, "defghijklmnopqrstuvwxyz0123456789ABCDEFGHIJ");
	TRACED("writev(3, [{iov_base=\"abc\", iov_len=3}, {iov_base=\"defghijklmnopqrstuvwxyz012345678\"..., iov_len=40}, "
	       "{iov_base=\"\", iov_len=0}], 3) = 43", 43, NR_writev, 3, v, 3);
	TRACED("preadv(3, [{iov_base=\"abc\", iov_len=3}, {iov_base=\"d\", iov_len=40}], 2, 1) = 4", 4, NR_preadv, 3, v, 2, 1);
	TRACED("readv(-1, [{iov_base=0x100064, iov_len=3}, {iov_base=0x1000c8, iov_len=40}], 2) = -1 EBADF (Bad file descriptor)",
	       -EBADF, NR_readv, -1, v, 2);
	TRACED("writev(3, 0x8, 1)                       = -1 EFAULT (Bad address)", -EFAULT, NR_writev, 3, 8, 1);
	TRACED("preadv2(3, [{iov_base=\"ab\", iov_len=3}], 1, 1, RWF_HIPRI) = 2", 2, NR_preadv2, 3, v, 1, 1, 0, RWF_HIPRI);
}
END_TEST

START_TEST(attributes)
{
	struct abi_stat st = { .mode = S_IFREG | 0644, .size = 50 };
	struct abi_statx sx = { .mask = 0x17ff, .mode = S_IFDIR | 0755, .size = 4096 };
	struct abi_statfs sf = { .type = 0x01021994, .bsize = 4096, .blocks = 3, .bfree = 2, .bavail = 1, .namelen = 255,
				 .frsize = 4096, .flags = 0x1020, .fsid = { 0x15, 0 } };

	fills(0x100, &st, sizeof(st));
	TRACED("newfstatat(3, \"\", {st_mode=S_IFREG|0644, st_size=50, ...}, AT_EMPTY_PATH) = 0", 0, NR_newfstatat, 3, u_str(0, ""),
	       U + 0x100, AT_EMPTY_PATH);
	st.mode = S_IFCHR | S_ISVTX | 0666;
	st.rdev = DEV_MAKE(1, 3);
	fills(0x100, &st, sizeof(st));
	TRACED("fstat(0, {st_mode=S_IFCHR|S_ISVTX|0666, st_rdev=makedev(0x1, 0x3), ...}) = 0", 0, NR_fstat, 0, U + 0x100);
	TRACED("stat(\"/zzz\", 0x100100)                  = -1 ENOENT (No such file or directory)", -ENOENT, NR_stat, u_str(0, "/zzz"),
	       U + 0x100);
	fills(0x100, &sx, sizeof(sx));
	TRACED("statx(AT_FDCWD, \"/\", AT_STATX_SYNC_AS_STAT|AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, "
	       "{stx_mask=STATX_BASIC_STATS|STATX_MNT_ID, stx_attributes=0, stx_mode=S_IFDIR|0755, stx_size=4096, ...}) = 0",
	       0, NR_statx, AT_FDCWD, u_str(0, "/"), AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, U + 0x100);
	fills(0x100, &sf, sizeof(sf));
	TRACED("statfs(\"/\", {f_type=TMPFS_MAGIC, f_bsize=4096, f_blocks=3, f_bfree=2, f_bavail=1, f_files=0, f_ffree=0, "
	       "f_fsid={val=[0x15, 0]}, f_namelen=255, f_frsize=4096, f_flags=ST_VALID|ST_RELATIME}) = 0", 0, NR_statfs,
	       u_str(0, "/"), U + 0x100);
}
END_TEST

START_TEST(processes)
{
	struct abi_clone_args args = { 0x3d0f00, 0, U, U + 8, 0, 0x7000, 0x2000, 0x9000 };
	struct abi_rusage usage = { .utime = { 1, 2 }, .stime = { 3, 4 } };
	struct abi_siginfo child = { .signo = SIGCHLD, .code = CLD_EXITED, .pid = 9, .uid = 1, .value = 3 };
	uint64_t envp[3] = { U + 0x80, U + 0x84, 0 }, argv[2] = { U + 0x80, 0 };
	int status = 3 << 8, tid = 77;

	u_put(0x200, &tid, sizeof(tid));
	TRACED("clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x100200) = 77", 77,
	       NR_clone, 0x1200011, 0, 0, U + 0x200, 0);
	TRACED("clone(child_stack=0x7000, flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM|"
	       "CLONE_SETTLS|CLONE_PARENT_SETTID|CLONE_CHILD_CLEARTID, parent_tid=[77], tls=0x9000, child_tidptr=0x100200) = 77", 77,
	       NR_clone, 0x3d0f00, 0x7000, U + 0x200, U + 0x200, 0x9000);
	TRACED("clone(child_stack=NULL, flags=0)        = -1 ENOSYS (Function not implemented)", -ENOSYS, NR_clone, 0, 0, 0, 0, 0);
	TRACED("clone(child_stack=NULL, flags=SIGCHLD)  = 5", 5, NR_clone, SIGCHLD, 0, 0, 0, 0);
	TRACED("clone3({flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM|CLONE_SETTLS|CLONE_PARENT_SETTID|"
	       "CLONE_CHILD_CLEARTID, child_tid=0x100000, parent_tid=0x100008, exit_signal=0, stack=0x7000, stack_size=0x2000, "
	       "tls=0x9000}, 88) = -1 ENOSYS (Function not implemented)", -ENOSYS, NR_clone3, u_put(0x100, &args, sizeof(args)), 88);
	TRACED("unshare(CLONE_FS|CLONE_NEWNS)           = 0", 0, NR_unshare, 0x20200);
	u_put(0x200, &status, sizeof(status));
	u_put(0x300, &usage, sizeof(usage));
	TRACED("wait4(9, [{WIFEXITED(s) && WEXITSTATUS(s) == 3}], 0, {ru_utime={tv_sec=1, tv_usec=2}, ru_stime={tv_sec=3, tv_usec=4}, "
	       "...}) = 9", 9, NR_wait4, 9, U + 0x200, 0, U + 0x300);
	TRACED("wait4(-1, 0x100200, WNOHANG, 0x100300)  = 0", 0, NR_wait4, -1, U + 0x200, 1, U + 0x300);
	TRACED("wait4(-1, NULL, 0, NULL)                = -1 ECHILD (No child processes)", -ECHILD, NR_wait4, -1, 0, 0, 0);
	status = SIGKILL;
	u_put(0x200, &status, sizeof(status));
	TRACED("wait4(9, [{WIFSIGNALED(s) && WTERMSIG(s) == SIGKILL}], 0, NULL) = 9", 9, NR_wait4, 9, U + 0x200, 0, 0);
	status = SIGSEGV | 0x80;
	u_put(0x200, &status, sizeof(status));
	TRACED("wait4(9, [{WIFSIGNALED(s) && WTERMSIG(s) == SIGSEGV && WCOREDUMP(s)}], 0, NULL) = 9", 9, NR_wait4, 9, U + 0x200, 0, 0);
	status = SIGSTOP << 8 | 0x7f;
	u_put(0x200, &status, sizeof(status));
	TRACED("wait4(9, [{WIFSTOPPED(s) && WSTOPSIG(s) == SIGSTOP}], 0, NULL) = 9", 9, NR_wait4, 9, U + 0x200, 0, 0);
	TRACED("waitid(P_PID, 9, {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=9, si_uid=1, si_status=3, si_utime=0, si_stime=0}, "
	       "WEXITED, NULL) = 0", 0, NR_waitid, 1, 9, u_put(0x200, &child, sizeof(child)), 4, 0);
	child.signo = 0;
	TRACED("waitid(P_ALL, 0, {}, WNOHANG|WEXITED, NULL) = 0", 0, NR_waitid, 0, 0, u_put(0x200, &child, sizeof(child)), 5, 0);
	u_put(0x80, "A=1", 4);
	u_put(0x84, "B=2", 4);
	u_put(0x90, argv, sizeof(argv));
	u_put(0xa0, envp, sizeof(envp));
	TRACED("execve(\"A=1\", [\"A=1\"], 0x1000a0 /* 2 vars */) = -1 ENOENT (No such file or directory)", -ENOENT, NR_execve, U + 0x80,
	       U + 0x90, U + 0xa0);
	TRACED("execve(\"A=1\", NULL, NULL)               = 0", 0, NR_execve, U + 0x80, 0, 0);
}
END_TEST

/* The program's own start has no caller: what it was, and the stack that it begins with. */
START_TEST(start_of_the_program)
{
	char *argv[40] = { (char *)"prog", (char *)"two words that are more than thirty-two characters" };
	uint64_t stack[] = { 2, U, U, 0, U, U, U, 0 };

	thread_regs(current_thread())->rsp = u_put(0x400, stack, sizeof(stack));
	seen = strlen(fake_log());
	shim_exec_trace("/usr/bin/prog", argv);
	ck_assert_str_eq(text(), "execve(\"/usr/bin/prog\", [\"prog\", \"two words that are more than thi\"...], "
			 "0x100420 /* 3 vars */) = 0\n");
	for (int i = 1; i < 36; i++)
		argv[i] = (char *)"x";
	seen = strlen(fake_log());
	shim_exec_trace("/p", argv);
	ck_assert_ptr_nonnull(strstr(text(), ", \"x\", ...], 0x100420"));
}
END_TEST

START_TEST(descriptors)
{
	struct flock_k fl = { .type = F_WRLCK, .whence = SEEK_SET };
	int pair[2] = { 3, 4 }, word = 9;

	TRACED("fcntl(3, F_GETFL)                       = 0x8402 (flags O_RDWR|O_APPEND|O_LARGEFILE)", 0x8402, NR_fcntl, 3, F_GETFL);
	TRACED("fcntl(3, F_SETFL, O_RDONLY|O_NONBLOCK)  = 0", 0, NR_fcntl, 3, F_SETFL, O_NONBLOCK);
	TRACED("fcntl(3, F_GETFD)                       = 0", 0, NR_fcntl, 3, F_GETFD);
	TRACED("fcntl(3, F_GETFD)                       = 0x1 (flags FD_CLOEXEC)", 1, NR_fcntl, 3, F_GETFD);
	TRACED("fcntl(3, F_DUPFD_CLOEXEC, 20)           = 20", 20, NR_fcntl, 3, F_DUPFD_CLOEXEC, 20);
	TRACED("fcntl(3, 0x3e7 /* F_??? */, 0x1)        = -1 EINVAL (Invalid argument)", -EINVAL, NR_fcntl, 3, 999, 1);
	TRACED("fcntl(3, F_SETLK, {l_type=F_WRLCK, l_whence=SEEK_SET, l_start=0, l_len=0}) = 0", 0, NR_fcntl, 3, F_SETLK,
	       u_put(0, &fl, sizeof(fl)));
	fl.type = F_UNLCK;
	fills(0, &fl, sizeof(fl));
	TRACED("fcntl(3, F_GETLK, {l_type=F_UNLCK, l_whence=SEEK_SET, l_start=0, l_len=0, l_pid=0}) = 0", 0, NR_fcntl, 3, F_GETLK, U);
	TRACED("flock(3, LOCK_EX|LOCK_NB)               = 0", 0, NR_flock, 3, LOCK_EX | LOCK_NB);
	fills(0, pair, sizeof(pair));
	TRACED("pipe2([3, 4], O_NONBLOCK|O_CLOEXEC)     = 0", 0, NR_pipe2, U, O_NONBLOCK | O_CLOEXEC);
	TRACED("pipe2(0x100000, 0)                      = -1 EMFILE (Too many open files)", -EMFILE, NR_pipe2, U, 0);
	TRACED("lseek(1, -1, 0x9 /* SEEK_??? */)        = -1 EINVAL (Invalid argument)", -EINVAL, NR_lseek, 1, -1, 9);
	TRACED("close_range(60, 4294967295, 0)          = 0", 0, NR_close_range, 60, ~0u, 0);
	fills(0, &word, sizeof(word));
	TRACED("ioctl(3, FIONREAD, [9])                 = 0", 0, NR_ioctl, 3, FIONREAD, U);
	TRACED("ioctl(3, SIOCATMARK, [9])               = 0", 0, NR_ioctl, 3, SIOCATMARK, U);
	TRACED("ioctl(3, FIOCLEX)                       = 0", 0, NR_ioctl, 3, FIOCLEX);
	TRACED("ioctl(0, TCGETS, 0x100000)              = -1 ENOTTY (Inappropriate ioctl for device)", -ENOTTY, NR_ioctl, 0, TCGETS, U);
	TRACED("ioctl(3, _IOC(_IOC_NONE, 0x45, 0x67, 0x123), 0x5) = -1 ENOTTY (Inappropriate ioctl for device)", -ENOTTY, NR_ioctl, 3,
	       0x1234567, 5);
}
END_TEST

START_TEST(offsets_before_and_after)
{
	int64_t pos = 3;
	int len = 2;

	memcpy(u_mem, &(int64_t){ 2 }, 8);
	fills(0, &pos, sizeof(pos));
	TRACED("sendfile(1, 3, [2] => [3], 1)           = 1", 1, NR_sendfile, 1, 3, U, 1);
	TRACED("sendfile(1, 3, [3], 0)                  = 0", 0, NR_sendfile, 1, 3, U, 0);
	TRACED("sendfile(1, 3, [3], 1)                  = -1 EBADF (Bad file descriptor)", -EBADF, NR_sendfile, 1, 3, U, 1);
	TRACED("sendfile(1, 3, NULL, 1)                 = 1", 1, NR_sendfile, 1, 3, 0, 1);
	memcpy(u_mem, &(int){ 128 }, 4);
	memcpy(u_mem + 16, &(uint16_t){ AF_UNIX }, 2);
	fills(0, &len, sizeof(len));
	TRACED("getsockname(17, {sa_family=AF_UNIX}, [128 => 2]) = 0", 0, NR_getsockname, 17, U + 16, U);
	TRACED("getsockname(0, NULL, NULL)              = -1 ENOTSOCK (Socket operation on non-socket)", -ENOTSOCK, NR_getsockname, 0, 0,
	       0);
}
END_TEST

START_TEST(termios)
{
	uint32_t t[9] = { ICRNL | IXON, OPOST | ONLCR, B38400 | CS8 | CREAD, ISIG | ICANON | ECHO };
	uint16_t ws[4] = { 24, 80, 0, 0 };

	fills(0, t, sizeof(t));
	TRACED("ioctl(0, TCGETS, {c_iflag=ICRNL|IXON, c_oflag=NL0|CR0|TAB0|BS0|VT0|FF0|OPOST|ONLCR, c_cflag=B38400|CS8|CREAD, "
	       "c_lflag=ISIG|ICANON|ECHO, ...}) = 0", 0, NR_ioctl, 0, TCGETS, U);
	fills(0, ws, sizeof(ws));
	TRACED("ioctl(1, TIOCGWINSZ, {ws_row=24, ws_col=80, ws_xpixel=0, ws_ypixel=0}) = 0", 0, NR_ioctl, 1, TIOCGWINSZ, U);
}
END_TEST

START_TEST(memory)
{
	TRACED("mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7000", 0x7000, NR_mmap, 0, 4096,
	       PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TRACED("mmap(0x10000, 8192, PROT_NONE, MAP_PRIVATE|MAP_FIXED|MAP_DENYWRITE, 3, 0x26000) = 0x10000", 0x10000, NR_mmap, 0x10000,
	       8192, 0, MAP_PRIVATE | MAP_FIXED | MAP_DENYWRITE, 3, 0x26000);
	TRACED("mprotect(0x7000, 4096, PROT_READ|PROT_EXEC|0x10) = -1 EINVAL (Invalid argument)", -EINVAL, NR_mprotect, 0x7000, 4096,
	       0x15);
	TRACED("mremap(0x7000, 8192, 4096, MREMAP_MAYMOVE) = 0x7000", 0x7000, NR_mremap, 0x7000, 8192, 4096, MREMAP_MAYMOVE, 5);
	TRACED("mremap(0x7000, 8192, 4096, MREMAP_MAYMOVE|MREMAP_FIXED, 0x9000) = 0x9000", 0x9000, NR_mremap, 0x7000, 8192, 4096,
	       MREMAP_MAYMOVE | MREMAP_FIXED, 0x9000);
	TRACED("madvise(0x7000, 4096, MADV_DONTNEED)    = 0", 0, NR_madvise, 0x7000, 4096, MADV_DONTNEED);
	fills(0, "\1\0\1", 3);
	TRACED("mincore(0x7000, 12288, [1, 0, 1])       = 0", 0, NR_mincore, 0x7000, 12288, U);
}
END_TEST

START_TEST(polling)
{
	struct pollfd_k p[2] = { { 8, POLLOUT, 0 }, { 7, POLLIN, 0 } };
	struct timespec64 ts = { 0, 1000 };
	struct epoll_event_k ev = { EPOLLET | POLLIN, 7 };
	uint64_t rd = 1 << 7, wr = 1 << 1 | 1ul << 8, none = 0;

	u_put(0x100, &ts, sizeof(ts));
	u_put(0, p, sizeof(p));
	TRACED("poll([{fd=8, events=POLLOUT}, {fd=7, events=POLLIN}], 2, 0) = 0 (Timeout)", 0, NR_poll, U, 2, 0);
	p[0].revents = POLLOUT;
	fills(0, p, sizeof(p));
	TRACED("poll([{fd=8, events=POLLOUT}, {fd=7, events=POLLIN}], 2, -1) = 1 ([{fd=8, revents=POLLOUT}])", 1, NR_poll, U, 2, -1);
	TRACED("ppoll([{fd=8, events=POLLOUT}, {fd=7, events=POLLIN}], 2, {tv_sec=0, tv_nsec=1000}, NULL, 8) = 1 "
	       "([{fd=8, revents=POLLOUT}], left {tv_sec=0, tv_nsec=1000})", 1, NR_ppoll, U, 2, U + 0x100, 0, 8);
	TRACED("poll(NULL, 0, 1)                        = 0 (Timeout)", 0, NR_poll, 0, 0, 1);
	u_put(0x200, &rd, 8);
	u_put(0x208, &wr, 8);
	fills(0x200, &none, 8);
	TRACED("select(9, [7], [1 8], NULL, {tv_sec=0, tv_usec=1000}) = 2 (out [1 8], left {tv_sec=0, tv_usec=1000})", 2, NR_select, 9,
	       U + 0x200, U + 0x208, 0, U + 0x100);
	TRACED("pselect6(0, NULL, NULL, NULL, {tv_sec=0, tv_nsec=1000}, NULL) = 0 (Timeout)", 0, NR_pselect6, 0, 0, 0, 0, U + 0x100, 0);
	TRACED("epoll_ctl(12, EPOLL_CTL_ADD, 7, {events=EPOLLIN|EPOLLET, data={u32=7, u64=7}}) = 0", 0, NR_epoll_ctl, 12,
	       EPOLL_CTL_ADD, 7, u_put(0x300, &ev, sizeof(ev)));
	TRACED("epoll_ctl(12, EPOLL_CTL_DEL, 8, NULL)   = 0", 0, NR_epoll_ctl, 12, EPOLL_CTL_DEL, 8, 0);
	ev = (struct epoll_event_k){ POLLOUT, 0x100000002 };
	fills(0x300, &ev, sizeof(ev));
	TRACED("epoll_wait(12, [{events=EPOLLOUT, data={u32=2, u64=4294967298}}], 4, 0) = 1", 1, NR_epoll_wait, 12, U + 0x300, 4, 0);
	TRACED("epoll_wait(12, [], 4, 0)                = 0", 0, NR_epoll_wait, 12, U + 0x300, 4, 0);
}
END_TEST

START_TEST(signals)
{
	struct sigaction_k a = { .handler = SIG_IGN, .flags = SA_RESTORER | SA_RESTART, .restorer = 0x1234, .mask = 1ul << 9 };
	uint64_t few = 1ul << (SIGINT - 1) | 1ul << (SIGCHLD - 1), most = ~(3ul << 31), all = ~0ul, rt = 1ul << 9 | 1ul << 33;
	struct abi_stack ss = { .sp = 0x2000, .size = 8192 };

	TRACED("rt_sigaction(SIGPIPE, {sa_handler=SIG_IGN, sa_mask=[USR1], sa_flags=SA_RESTORER|SA_RESTART, sa_restorer=0x1234}, "
	       "NULL, 8) = 0", 0, NR_rt_sigaction, SIGPIPE, u_put(0, &a, sizeof(a)), 0, 8);
	memset(&a, 0, sizeof(a));
	fills(0x40, &a, sizeof(a));
	TRACED("rt_sigaction(SIGRT_2, NULL, {sa_handler=SIG_DFL, sa_mask=[], sa_flags=0}, 8) = 0", 0, NR_rt_sigaction, 34, 0, U + 0x40,
	       8);
	TRACED("rt_sigprocmask(SIG_BLOCK, [INT CHLD], NULL, 8) = 0", 0, NR_rt_sigprocmask, SIG_BLOCK, u_put(0, &few, 8), 0, 8);
	u_put(0, &most, 8);
	fills(8, &few, 8);
	TRACED("rt_sigprocmask(SIG_SETMASK, ~[RTMIN RT_1], [INT CHLD], 8) = 0", 0, NR_rt_sigprocmask, SIG_SETMASK, U, U + 8, 8);
	TRACED("rt_sigprocmask(SIG_SETMASK, ~[], NULL, 8) = 0", 0, NR_rt_sigprocmask, SIG_SETMASK, u_put(0, &all, 8), 0, 8);
	TRACED("rt_sigtimedwait([USR1 RT_2], 0x100040, NULL, 8) = -1 EAGAIN (Resource temporarily unavailable)", -EAGAIN,
	       NR_rt_sigtimedwait, u_put(0, &rt, 8), U + 0x40, 0, 8);
	TRACED("kill(1234, SIGTERM)                     = 0", 0, NR_kill, 1234, SIGTERM);
	TRACED("kill(1234, 0)                           = 0", 0, NR_kill, 1234, 0);
	TRACED("kill(-1, 99)                            = -1 EINVAL (Invalid argument)", -EINVAL, NR_kill, -1, 99);
	TRACED("sigaltstack({ss_sp=0x2000, ss_flags=0, ss_size=8192}, NULL) = 0", 0, NR_sigaltstack, u_put(0, &ss, sizeof(ss)), 0);
}
END_TEST

START_TEST(times)
{
	struct timespec64 ts[2] = { { 1, 2 }, { 0, UTIME_NOW } };
	struct rlimit l = { 8192 * 1024, RLIM_INFINITY };
	int64_t itv[4] = { 0, 0, 100, 1 };

	u_put(0, ts, sizeof(ts));
	TRACED("nanosleep({tv_sec=1, tv_nsec=2}, NULL)  = 0", 0, NR_nanosleep, U, 0);
	TRACED("clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, {tv_sec=1, tv_nsec=2}, 0x100100) = 0", 0, NR_clock_nanosleep, 1, 1, U,
	       U + 0x100);
	fills(0x100, &ts[0], 16);
	TRACED("nanosleep({tv_sec=1, tv_nsec=2}, {tv_sec=1, tv_nsec=2}) = -1 EINTR (Interrupted system call)", -EINTR, NR_nanosleep, U,
	       U + 0x100);
	TRACED("clock_gettime(0x4d /* CLOCK_??? */, 0x100100) = -1 EINVAL (Invalid argument)", -EINVAL, NR_clock_gettime, 77, U + 0x100);
	TRACED("utimensat(AT_FDCWD, \"x\", [{tv_sec=1, tv_nsec=2} /* 1970-01-01T00:00:01.000000002+0000 */, UTIME_NOW], 0) = 0", 0,
	       NR_utimensat, AT_FDCWD, u_str(0x200, "x"), U, 0);
	u_put(0, itv, sizeof(itv));
	TRACED("setitimer(ITIMER_REAL, {it_interval={tv_sec=0, tv_usec=0}, it_value={tv_sec=100, tv_usec=1}}, NULL) = 0", 0,
	       NR_setitimer, 0, U, 0);
	fills(0, &l, sizeof(l));
	TRACED("prlimit64(0, RLIMIT_STACK, NULL, {rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}) = 0", 0, NR_prlimit64, 0, 3, 0, U);
	TRACED("futex(0x100000, FUTEX_WAKE_PRIVATE, 1)  = 0", 0, NR_futex, U, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, 77, 88, 99);
	u_put(0, ts, sizeof(ts));
	TRACED("futex(0x100040, FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME, 1, {tv_sec=1, tv_nsec=2}, FUTEX_BITSET_MATCH_ANY) = -1 "
	       "ETIMEDOUT (Connection timed out)", -ETIMEDOUT, NR_futex, U + 0x40,
	       FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME, 1, U, 5, -1);
	TRACED("futex(0x100000, FUTEX_CMP_REQUEUE_PRIVATE, 1, 1, 0x100008, 2) = 1", 1, NR_futex, U,
	       FUTEX_CMP_REQUEUE | FUTEX_PRIVATE_FLAG, 1, 1, U + 8, 2);
}
END_TEST

START_TEST(sockets)
{
	static const uint8_t in[16] = { AF_INET, 0, 0, 80, 127, 0, 0, 1 };
	uint8_t un[110] = { AF_UNIX, 0 };

	strcpy((char *)un + 2, "/run/x");
	TRACED("socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0) = 3", 3, NR_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	TRACED("socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP) = 3", 3, NR_socket, AF_INET, SOCK_DGRAM, 17);
	TRACED("connect(3, {sa_family=AF_UNIX, sun_path=\"/run/x\"}, 110) = -1 ECONNREFUSED (Connection refused)", -ECONNREFUSED,
	       NR_connect, 3, u_put(0, un, sizeof(un)), 110);
	TRACED("bind(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr(\"127.0.0.1\")}, 16) = 0", 0, NR_bind, 3,
	       u_put(0, in, sizeof(in)), 16);
	TRACED("sendto(3, \"hi\", 2, MSG_NOSIGNAL, NULL, 0) = 2", 2, NR_sendto, 3, u_str(0, "hi"), 2, MSG_NOSIGNAL, 0, 0);
	TRACED("shutdown(3, SHUT_WR)                    = 0", 0, NR_shutdown, 3, 1);
	TRACED("connect(3, {sa_family=AF_UNSPEC, sa_data=\"\\0\\0\"}, 4) = 0", 0, NR_connect, 3, u_put(0, "\0\0\0", 4), 4);
}
END_TEST

START_TEST(socket_options)
{
	uptr_t val = u_put(0, (int[]){ 1, 7, -1 }, 12), len = u_put(64, &(int){ 8 }, 4);

	TRACED("setsockopt(3, SOL_SOCKET, SO_LINGER, {l_onoff=1, l_linger=7}, 8) = 0", 0, NR_setsockopt, 3, 1, 13, val, 8);
	TRACED("getsockopt(3, SOL_SOCKET, SO_LINGER, {l_onoff=1, l_linger=7}, [8]) = 0", 0, NR_getsockopt, 3, 1, 13, val, len);
	u_put(64, &(int){ 12 }, 4);
	TRACED("getsockopt(3, SOL_SOCKET, SO_PEERCRED, {pid=1, uid=7, gid=-1}, [12]) = 0", 0, NR_getsockopt, 3, 1, 17, val, len);
	u_put(64, &(int){ 4 }, 4);
	u_put(0, &(int){ 104 }, 4);
	TRACED("getsockopt(3, SOL_SOCKET, SO_ERROR, [ECONNRESET], [4]) = 0", 0, NR_getsockopt, 3, 1, 4, val, len);
	TRACED("getsockopt(3, SOL_SOCKET, SO_TYPE, [104], [4]) = 0", 0, NR_getsockopt, 3, 1, 3, val, len);
	TRACED("setsockopt(3, SOL_SOCKET, SO_PRIORITY, [104], 4) = 0", 0, NR_setsockopt, 3, 1, 12, val, 4);
}
END_TEST

START_TEST(shared_memory_and_keys)
{
	struct abi_shmid_ds d = { .uid = 1, .gid = 2, .mode = 0600, .segsz = 5, .nattch = 3 };
	uptr_t at = u_put(0, &d, sizeof(d));

	TRACED("shmget(IPC_PRIVATE, 5000, IPC_CREAT|0600) = 0", 0, NR_shmget, 0, 5000, IPC_CREAT | 0600);
	TRACED("shmget(0x5, 1, 000)                     = -1 ENOENT (No such file or directory)", -ENOENT, NR_shmget, 5, 1, 0);
	TRACED("shmat(0, NULL, SHM_RDONLY|SHM_RND)      = 0x10000000", 0x10000000, NR_shmat, 0, 0, SHM_RDONLY | SHM_RND);
	TRACED("shmctl(0, IPC_RMID, NULL)               = 0", 0, NR_shmctl, 0, IPC_RMID, 0);
	TRACED("shmctl(0, IPC_SET, {shm_perm={uid=1, gid=2, mode=0600}}) = 0", 0, NR_shmctl, 0, IPC_SET, at);
	TRACED("shmctl(0, IPC_STAT, {shm_perm={uid=1, gid=2, mode=0600, key=0, cuid=0, cgid=0}, shm_segsz=5, shm_cpid=0, shm_lpid=0, "
	       "shm_nattch=3, shm_atime=0, shm_dtime=0, shm_ctime=0}) = 0", 0, NR_shmctl, 0, IPC_STAT, at);
	TRACED("pkey_alloc(0, PKEY_DISABLE_WRITE)       = -1 ENOSPC (No space left on device)", -ENOSPC, NR_pkey_alloc, 0, 2);
}
END_TEST

START_TEST(ends)
{
	seen = strlen(fake_log());
	CALL(NR_exit_group, 263);
	shim_exit_trace(7 << 8);
	ck_assert_str_eq(text(), "exit_group(263)                         = ?\n+++ exited with 7 +++\n");
	shim_exit_trace(SIGSEGV);
	ck_assert_str_eq(text(), "+++ killed by SIGSEGV +++\n");
	shim_exit_trace(35);
	ck_assert_str_eq(text(), "+++ killed by SIGRT_3 +++\n");
}
END_TEST

START_TEST(injected_answers_are_marked)
{
	char word[] = "1:9:1:0:0:0:0xffffffffffffffda:0";

	ck_assert_int_eq(inject_parse(word), 0);
	memcpy(syscall_active, trace_table(inject_table(table)), sizeof(syscall_active));
	TRACED("read(0, 0x100000, 5)                    = -1 ENOSYS (Function not implemented) (INJECTED)", -ENOSYS, NR_read, 0, U, 5);
	TRACED("close(5)                                = 0", 0, NR_close, 5);
}
END_TEST

/* Every signature, with every argument bad in some way: prints something, never fails. */
START_TEST(any_argument)
{
	static const uint64_t values[] = { 0, 1, U, U + U_SIZE - 1, NOWHERE, 0xdeadbeefdeadbeef, ~0ul, 1ul << 63, U + 3 };
	static const long rets[] = { 0, 1, 100000, -EINVAL, -4095 };
	uint64_t state = 12345;

	memset(u_mem, 0xa5, U_SIZE);
	for (unsigned nr = 0; nr < SYSCALL_MAX; nr++)
		for (int i = 0; i < 20; i++) {
			uint64_t a[6];

			for (int k = 0; k < 6; k++)
				a[k] = values[unit_random(&state) % (sizeof(values) / sizeof(values[0]))];
			result = rets[unit_random(&state) % (sizeof(rets) / sizeof(rets[0]))];
			ck_assert_int_eq(call6(nr, a[0], a[1], a[2], a[3], a[4], a[5]), result);
		}
}
END_TEST

/* Without memory the line is short or missing, but the call is made. */
START_TEST(no_memory)
{
	uptr_t p = u_str(0, "/some/path");

	result = 5;
	FAKE_EACH_FAILURE(n)
		ck_assert_int_eq(CALL(NR_openat, AT_FDCWD, p, O_CREAT, 0644), 5);
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("trace", &tc, setup, shim_teardown);

	tcase_add_test(tc, columns_and_results);
	tcase_add_test(tc, open_and_paths);
	tcase_add_test(tc, long_strings);
	tcase_add_test(tc, buffers);
	tcase_add_test(tc, vectors);
	tcase_add_test(tc, attributes);
	tcase_add_test(tc, processes);
	tcase_add_test(tc, start_of_the_program);
	tcase_add_test(tc, descriptors);
	tcase_add_test(tc, offsets_before_and_after);
	tcase_add_test(tc, termios);
	tcase_add_test(tc, memory);
	tcase_add_test(tc, polling);
	tcase_add_test(tc, signals);
	tcase_add_test(tc, times);
	tcase_add_test(tc, sockets);
	tcase_add_test(tc, socket_options);
	tcase_add_test(tc, shared_memory_and_keys);
	tcase_add_test(tc, ends);
	tcase_add_test(tc, injected_answers_are_marked);
	tcase_add_test(tc, any_argument);
	tcase_add_test(tc, no_memory);
	return s;
}
