/* The host under linuxu: raw system calls and the kernel's own structures, without any host header.
 *
 * Only plat/linuxu includes this. Names are host_<call>; results are a count or -errno as the kernel returns them.
 * Constants that the host shares with what we offer to programs (PROT_, O_, S_IF…) come from shim/abi. The numbers and
 * layouts here are those of the x86-64 system call interface: man 2 of each call, and signal(7) for the frames. */
#ifndef PLAT_LINUXU_HOST_H
#define PLAT_LINUXU_HOST_H

#include "core/types.h"

enum {
	HOST_read = 0, HOST_write = 1, HOST_close = 3, HOST_fstat = 5, HOST_poll = 7, HOST_lseek = 8, HOST_mmap = 9,
	HOST_mprotect = 10, HOST_munmap = 11, HOST_rt_sigaction = 13, HOST_rt_sigprocmask = 14, HOST_rt_sigreturn = 15,
	HOST_ioctl = 16, HOST_pread64 = 17, HOST_madvise = 28, HOST_getpid = 39, HOST_setxattr = 188,
	HOST_getxattr = 191, HOST_listxattr = 194, HOST_removexattr = 197, HOST_kill = 62, HOST_fcntl = 72,
	HOST_fsync = 74, HOST_fdatasync = 75, HOST_ftruncate = 77, HOST_fchmod = 91, HOST_fchown = 93, HOST_umask = 95,
	HOST_geteuid = 107, HOST_getppid = 110, HOST_sigaltstack = 131, HOST_fstatfs = 138, HOST_prctl = 157,
	HOST_arch_prctl = 158, HOST_getdents64 = 217, HOST_timer_create = 222, HOST_timer_settime = 223,
	HOST_clock_gettime = 228, HOST_exit_group = 231, HOST_openat = 257, HOST_mkdirat = 258, HOST_mknodat = 259,
	HOST_fchownat = 260, HOST_newfstatat = 262, HOST_unlinkat = 263, HOST_renameat = 264, HOST_linkat = 265,
	HOST_symlinkat = 266, HOST_readlinkat = 267, HOST_fchmodat = 268, HOST_ppoll = 271, HOST_utimensat = 280,
	HOST_fallocate = 285, HOST_preadv = 295, HOST_pwritev = 296, HOST_prlimit64 = 302, HOST_seccomp = 317,
	HOST_getrandom = 318, HOST_memfd_create = 319, HOST_statx = 332, HOST_close_range = 436, HOST_openat2 = 437,
	HOST_fchmodat2 = 452, HOST_pwrite64 = 18, HOST_kcmp = 312,
};

static inline long host_call6(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;
	register uint64_t r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline long host_call5(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
	return ret;
}

static inline long host_call4(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	register uint64_t r10 __asm__("r10") = d;
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
	return ret;
}

static inline long host_call3(long nr, uint64_t a, uint64_t b, uint64_t c)
{
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return ret;
}

#define HP(p) ((uint64_t)(uintptr_t)(p))

/* ---- structures ---- */

struct host_timespec {
	int64_t sec, nsec;
};

struct host_itimerspec {
	struct host_timespec interval, value;
};

struct host_stat {
	uint64_t dev, ino, nlink;
	uint32_t mode, uid, gid, pad0;
	uint64_t rdev;
	int64_t size, blksize, blocks;
	struct host_timespec atime, mtime, ctime;
	int64_t unused[3];
};
_Static_assert(sizeof(struct host_stat) == 144, "struct stat");

struct host_statx_time {
	int64_t sec;
	uint32_t nsec;
	int32_t pad;
};

struct host_statx {
	uint32_t mask, blksize;
	uint64_t attributes;
	uint32_t nlink, uid, gid;
	uint16_t mode, pad0;
	uint64_t ino, size, blocks, attributes_mask;
	struct host_statx_time atime, btime, ctime, mtime;
	uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
	uint64_t spare[14];
};
_Static_assert(sizeof(struct host_statx) == 256, "struct statx");

struct host_statfs {
	int64_t type, bsize;
	uint64_t blocks, bfree, bavail, files, ffree;
	int32_t fsid[2];
	int64_t namelen, frsize, flags, spare[4];
};
_Static_assert(sizeof(struct host_statfs) == 120, "struct statfs");

struct host_dirent { /* getdents64(2) */
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

struct host_iovec {
	void *base;
	size_t len;
};

struct host_pollfd {
	int32_t fd;
	int16_t events, revents;
};

struct host_rlimit {
	uint64_t cur, max;
};

struct host_open_how {
	uint64_t flags, mode, resolve;
};

struct host_winsize {
	uint16_t row, col, xpixel, ypixel;
};

struct host_sigaction {
	void (*handler)(void);
	uint64_t flags;
	void (*restorer)(void);
	uint64_t mask;
};

struct host_stack {
	void *sp;
	int32_t flags, pad;
	uint64_t size;
};

/* What a handler gets; only the members that are used. */
struct host_siginfo {
	int32_t signo, err, code, pad;
	union {
		struct {
			uint64_t call_addr;
			int32_t syscall;
			uint32_t arch;
		} sys;
		uint64_t addr;
		uint64_t fill[14];
	};
};
_Static_assert(sizeof(struct host_siginfo) == 128, "siginfo_t");

struct host_ucontext {
	uint64_t flags, link;
	struct host_stack stack;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
	uint16_t cs, gs, fs, ss;
	uint64_t err, trapno, oldmask, cr2;
	void *fpstate;
	uint64_t reserved[8];
	uint64_t sigmask;
};
_Static_assert(offsetof(struct host_ucontext, rip) == 168, "ucontext rip");
_Static_assert(offsetof(struct host_ucontext, fpstate) == 224, "ucontext fpstate");

struct host_sigevent {
	uint64_t value;
	int32_t signo, notify;
	uint64_t fill[6];
};
_Static_assert(sizeof(struct host_sigevent) == 64, "struct sigevent");

#define HOST_SI_TKILL_MAX 0      /* si_code at or below: sent by a process, not by the CPU */
#define HOST_SYS_SECCOMP 1       /* si_code of SIGSYS */
#define HOST_SYS_USER_DISPATCH 2
#define HOST_ARCH_X86_64 0xc000003eu

/* ---- calls ---- */

static inline long host_read(int fd, void *buf, size_t n) { return host_call3(HOST_read, fd, HP(buf), n); }
static inline long host_write(int fd, const void *buf, size_t n) { return host_call3(HOST_write, fd, HP(buf), n); }
static inline long host_close(int fd) { return host_call3(HOST_close, fd, 0, 0); }
static inline long host_fstat(int fd, struct host_stat *st) { return host_call3(HOST_fstat, fd, HP(st), 0); }
static inline long host_ioctl(int fd, uint64_t cmd, void *arg) { return host_call3(HOST_ioctl, fd, cmd, HP(arg)); }
static inline long host_fcntl(int fd, int cmd, uint64_t arg) { return host_call3(HOST_fcntl, fd, cmd, arg); }
static inline long host_mprotect(uint64_t va, size_t n, int prot) { return host_call3(HOST_mprotect, va, n, prot); }
static inline long host_munmap(uint64_t va, size_t n) { return host_call3(HOST_munmap, va, n, 0); }
static inline long host_madvise(uint64_t va, size_t n, int advice) { return host_call3(HOST_madvise, va, n, advice); }

static inline long host_mmap(uint64_t va, size_t n, int prot, int flags, int fd, uint64_t off)
{
	return host_call6(HOST_mmap, va, n, prot, flags, (uint64_t)(int64_t)fd, off);
}

static inline bool host_failed(long r) { return r < 0 && r >= -4095; }

static inline long host_openat(int dirfd, const char *path, int flags, unsigned mode)
{
	return host_call4(HOST_openat, (uint64_t)(int64_t)dirfd, HP(path), flags, mode);
}

static inline long host_fstatat(int dirfd, const char *path, struct host_stat *st, int flags)
{
	return host_call4(HOST_newfstatat, (uint64_t)(int64_t)dirfd, HP(path), HP(st), flags);
}

static inline long host_ppoll(struct host_pollfd *fds, unsigned n, const struct host_timespec *ts)
{
	return host_call5(HOST_ppoll, HP(fds), n, HP(ts), 0, 8);
}

static inline long host_clock_gettime(int clock, struct host_timespec *ts)
{
	return host_call3(HOST_clock_gettime, clock, HP(ts), 0);
}

static inline long host_prctl(int op, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return host_call5(HOST_prctl, op, a, b, c, d);
}

static inline _Noreturn void host_exit(int code)
{
	for (;;)
		host_call3(HOST_exit_group, (uint64_t)code, 0, 0);
}

#endif
