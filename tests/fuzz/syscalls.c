/* Random system calls from a hostile program: syscalls SEED CALLS, everything decided by SEED.
 *
 * Which arguments a call takes comes from shim/syscalls.def, so that each argument is mostly of the right kind: a descriptor,
 * a path, a pointer to such a structure, flags of the real set; and now and then anything at all. Pointers lead into an
 * arena, up to the edge of a page with nothing behind it, to read-only memory, into a region whose mappings come and go,
 * outside the application's range, to nowhere. One call in eight is made with odd registers: rsp and the callee-saved ones
 * anything, DF and AC set; what the kernel must not touch is compared afterwards (exit status 99 when it did).
 * A seed ends with exit status 7, or with a fault that its last step provokes, or when a call took away what the program
 * stands on. SIGALRM ends it when it sleeps for long. Free standing: no libc whose state a random call could spoil.
 *
 * Left out: what ends the machine or the program by design (exit, reboot, signals other than 0), what makes processes, and
 * what waits without a timeout. It refuses to run on any other kernel than Doppel's, whose files it would damage. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include "shim/syscall_flags.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define ARENA      0x10000000ul /* plain memory for structures and data */
#define ARENA_SIZE 0x200000ul
#define EDGE       0x18000000ul /* a page, a hole, a read-only page, a hole, a PROT_NONE page */
#define CHAOS      0x20000000ul /* comes and goes */
#define CHAOS_SIZE 0x4000000ul
#define ALARM_S    2

/* ---- the generator, and a few functions that libc would have ---- */

static uint64_t state;

static uint64_t rnd(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1dul;
}

static uint64_t below(uint64_t n) { return (rnd() >> 16) % n; }
static int chance(unsigned n) { return below(n) == 0; }

void *memset(void *p, int c, size_t n);
void *memset(void *p, int c, size_t n)
{
	for (volatile char *b = p; n--; b++)
		*b = (char)c;
	return p;
}

void *memcpy(void *to, const void *from, size_t n);
void *memcpy(void *to, const void *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((volatile char *)to)[i] = ((const char *)from)[i];
	return to;
}

static int same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static uint64_t number(const char *s)
{
	uint64_t n = 0;

	while (*s >= '0' && *s <= '9')
		n = n * 10 + (uint64_t)(*s++ - '0');
	return n;
}

static long call(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	long r;

	__asm__ volatile("syscall" : "=a"(r) : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return r;
}

#define CALL(...)  CALL_(__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define CALL_(nr, a, b, c, d, e, f, ...) \
	call(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static void say(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	CALL(SYS_write, 2, s, n);
}

static _Noreturn void quit(int status)
{
	for (;;)
		CALL(SYS_exit_group, status);
}

/* ---- calls with odd registers ---- */

/* In: rax, rdi, rsi, rdx, r10, r8, r9, rbx, rbp, r12…r15, rsp, flags. The same after the call. */
struct odd {
	uint64_t rax, rdi, rsi, rdx, r10, r8, r9, rbx, rbp, r12, r13, r14, r15, rsp, flags;
};

void odd_syscall(struct odd *o);
uint64_t odd_frame[2]; /* our own rsp, and o */
__asm__(".globl odd_syscall\n"
	"odd_syscall:\n"
	"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
	"	mov %rsp, odd_frame(%rip)\n"
	"	mov %rdi, odd_frame+8(%rip)\n"
	"	mov %rdi, %rax\n"
	"	push 112(%rax)\n"
	"	popf\n"
	"	mov 8(%rax), %rdi\n	mov 16(%rax), %rsi\n	mov 24(%rax), %rdx\n	mov 32(%rax), %r10\n"
	"	mov 40(%rax), %r8\n	mov 48(%rax), %r9\n	mov 56(%rax), %rbx\n	mov 64(%rax), %rbp\n"
	"	mov 72(%rax), %r12\n	mov 80(%rax), %r13\n	mov 88(%rax), %r14\n	mov 96(%rax), %r15\n"
	"	mov 104(%rax), %rsp\n	mov (%rax), %rax\n"
	"	syscall\n"
	"	mov odd_frame+8(%rip), %rcx\n"
	"	mov %rax, (%rcx)\n	mov %rsp, 104(%rcx)\n"
	"	mov odd_frame(%rip), %rsp\n"
	"	pushf\n	pop 112(%rcx)\n"
	"	push $0x202\n	popf\n"
	"	mov %rdi, 8(%rcx)\n	mov %rsi, 16(%rcx)\n	mov %rdx, 24(%rcx)\n	mov %r10, 32(%rcx)\n"
	"	mov %r8, 40(%rcx)\n	mov %r9, 48(%rcx)\n	mov %rbx, 56(%rcx)\n	mov %rbp, 64(%rcx)\n"
	"	mov %r12, 72(%rcx)\n	mov %r13, 80(%rcx)\n	mov %r14, 88(%rcx)\n	mov %r15, 96(%rcx)\n"
	"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
	"	ret\n");

static uint64_t any_value(void)
{
	static const uint64_t corners[] = {
		0, 1, 7, 4095, 4096, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x3ffffffff000, 0x3fffffffffff,
		0x400000000000, 0x5fffffffffff, 0x600000000000, 0x600000001000, 0x7fffffffe000, 0x7ffffffff000, 0x7fffffffffff,
		0x800000000000, 0xffff800000000000, 0xffffffff80000000, 0xffffffffff600000, 0x7fffffffffffffff,
		0x8000000000000000, 0xfffffffffffff000, 0xffffffffffffffff
	};

	switch (below(4)) {
	case 0: return rnd();
	case 1: return rnd() >> below(64);
	case 2: return corners[below(COUNT(corners))] + below(3) - 1;
	default: return corners[below(COUNT(corners))];
	}
}

#define FLAGS_KEPT 0x40400 /* AC and DF; linuxu's fast way back does not keep the arithmetic flags, which compilers never expect */

static _Noreturn void changed(long nr, size_t which)
{
	static const char names[] = "rax rdi rsi rdx r10 r8  r9  rbx rbp r12 r13 r14 r15 rsp flags";
	char text[] = "system call 000 changed     \n";

	for (int i = 14; i > 11; i--, nr /= 10)
		text[i] = (char)('0' + nr % 10);
	memcpy(text + 24, names + 4 * which, 4);
	say(text);
	quit(99);
}

static long odd_call(long nr, const long *a)
{
	struct odd o = { (uint64_t)nr, (uint64_t)a[0], (uint64_t)a[1], (uint64_t)a[2], (uint64_t)a[3], (uint64_t)a[4],
			 (uint64_t)a[5], any_value(), any_value(), rnd(), rnd(), any_value(), rnd(), any_value(), 0x202 };
	struct odd was;

	o.flags |= (chance(2) ? 0x400 : 0) | (chance(4) ? 0x40000 : 0) | (chance(2) ? 0x8d5 : 0);
	was = o;
	odd_syscall(&o);
	was.rax = o.rax;
	o.flags &= FLAGS_KEPT;
	was.flags &= FLAGS_KEPT;
	for (size_t i = 0; i < sizeof(o) / 8; i++)
		if (((uint64_t *)&o)[i] != ((uint64_t *)&was)[i])
			changed(nr, i);
	return (long)o.rax;
}

/* ---- paths, descriptors, pointers ---- */

static const char *const paths[] = {
	"a", "b", "c", "d", "e", "dir", "dir/a", "dir/b", "dir/dir", "dir/dir/a", "dir/../a", "./a", "../fz/a", "a/", "dir/",
	"a/b", "link", "loop", "dangling", "fifo", "", ".", "..", "/", "//", "dir/./dir/..", "nowhere/a", "/proc/self",
	"/proc/self/maps", "/proc/self/fd", "/proc/self/fd/3", "/proc/self/fd/5", "/proc/self/exe", "/proc/self/cwd",
	"/proc/self/root", "/proc/self/stat", "/proc/self/status", "/proc/self/smaps", "/proc/self/mem", "/proc/1/fd",
	"/proc/self/task", "/proc/meminfo", "/proc/mounts", "/proc/cpuinfo", "/proc/99999/maps", "/proc/sys/kernel/hostname",
	"/proc/self/environ", "/proc/self/cmdline", "/proc/self/auxv", "/proc/self/comm", "/proc", "/dev/null", "/dev/zero",
	"/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/stdin", "/dev/fd/4", "/dev/shm", "/dev/shm/x", "/dev",
	"/sys", "/sys/devices/system/cpu/online", "/etc", "/etc/passwd", "/bin", "/tmp", "/usr/lib", "/fz9p", "/fz9p/a", "/fz9p/b",
	"/fz9p/dir", "/fz9p/dir/a", "/fz9p/link", "/fz9p/dir/../a", "/fz9p/..",
};

static uint64_t arena_at(size_t len, size_t align)
{
	return len >= ARENA_SIZE ? ARENA : (ARENA + below(ARENA_SIZE - len)) & ~(align - 1);
}

/* An address with room for len bytes, or less, or none. */
static uint64_t pointer(size_t len)
{
	switch (below(24)) {
	case 0: return EDGE + 4096 - len % 4096;
	case 1: return EDGE + 4096 - below(len + 2) % 4096;
	case 2: return EDGE + 2 * 4096 + below(4096);
	case 3: return EDGE + below(6 * 4096);
	case 4: return CHAOS + below(CHAOS_SIZE);
	case 5: return (CHAOS + below(CHAOS_SIZE)) & ~4095ul;
	case 6: return chance(2) ? 0 : any_value();
	case 7: return arena_at(len, 1);
	default: return arena_at(len, 8);
	}
}

/* A copy of a structure where pointer() says, as far as memory is there. */
static long structure(const void *from, size_t len)
{
	uint64_t p = chance(12) ? pointer(len) : arena_at(len, 8);

	if (p >= ARENA && p < ARENA + ARENA_SIZE - len)
		memcpy((void *)p, from, len);
	else if (p >= EDGE && p + len <= EDGE + 4096)
		memcpy((void *)p, from, len);
	return (long)p;
}

static int fds[32];

static long descriptor(void)
{
	switch (below(16)) {
	case 0: return (long)any_value();
	case 1: return (long)below(1100);
	case 2: return -1;
	case 3: case 4: return (long)below(24);
	default: return fds[below(COUNT(fds))];
	}
}

static long path(void)
{
	static char name[5000];
	const char *s = paths[below(chance(3) ? COUNT(paths) : 22)];
	size_t n = 0;

	if (chance(60)) {
		size_t len = chance(2) ? below(300) : 4080 + below(40);

		for (; n < len; n++)
			name[n] = (char)(chance(20) ? '/' : 1 + below(255));
		name[n++] = 0;
		return structure(name, n);
	}
	while (s[n])
		n++;
	return structure(s, n + 1);
}

static size_t length(void)
{
	switch (below(16)) {
	case 0: return any_value();
	case 1: return 0;
	case 2: return 1;
	case 3: return ARENA_SIZE + below(ARENA_SIZE);
	case 4: case 5: return below(0x40000);
	case 6: return 4096;
	case 7: return 4096 * below(20);
	default: return below(600);
	}
}

static long buffer(void) { return (long)pointer(length() & 0xfff); }

static long offset(void)
{
	switch (below(8)) {
	case 0: return (long)any_value();
	case 1: return 0;
	case 2: return (long)(4096 * below(64));
	case 3: return (long)below(1ul << 40);
	default: return (long)below(20000);
	}
}

/* ---- the kinds of argument of shim/syscalls.def ---- */

static long g_iovec(void)
{
	struct iovec v[12];

	for (unsigned i = 0; i < COUNT(v); i++)
		v[i] = (struct iovec){ (void *)pointer(200), length() };
	return structure(v, sizeof(v));
}

static long g_sockaddr(void)
{
	struct { uint16_t family; char path[108]; } a = { (uint16_t)(chance(8) ? rnd() : 1), "s" };

	a.path[0] = chance(2) ? 0 : 's';
	a.path[1] = (char)('0' + below(6));
	if (chance(20))
		memset(a.path, 'x', sizeof(a.path));
	return structure(&a, sizeof(a));
}

static long g_msghdr(void)
{
	struct msghdr m = {
		.msg_name = (void *)(chance(2) ? (long)pointer(110) : g_sockaddr()), .msg_namelen = (unsigned)(chance(4) ? rnd() : chance(2) ? 4 : below(130)),
		.msg_iov = (void *)g_iovec(), .msg_iovlen = chance(10) ? any_value() : below(12),
		.msg_controllen = chance(10) ? any_value() : below(200), .msg_flags = (int)rnd(),
	};
	uint64_t control[32];

	for (unsigned i = 0; i < COUNT(control); i++)
		control[i] = chance(3) ? rnd() : below(40);
	*(struct cmsghdr *)control = (struct cmsghdr){ chance(4) ? any_value() : 16 + 4 * below(20), SOL_SOCKET, chance(3) ? 2 : 1 };
	for (unsigned i = 4; i < COUNT(control) * 2; i++)
		((int *)control)[i] = (int)descriptor();
	m.msg_control = (void *)structure(control, sizeof(control));
	if (chance(3))
		m.msg_control = NULL;
	return structure(&m, sizeof(m));
}

/* Short, or wrong: a sleep must end. */
static struct timespec short_time(void)
{
	switch (below(8)) {
	case 0: return (struct timespec){ (long)any_value() & (1l << 63 | 0xff00), (long)(rnd() | 1l << 63) };
	case 1: return (struct timespec){ 0, 1000000000 + (long)below(9) };
	case 2: return (struct timespec){ -1 - (long)below(5), 0 };
	default: return (struct timespec){ 0, (long)below(300000) };
	}
}

static long g_time(void)
{
	struct timespec t[2] = { short_time(), short_time() };

	uint64_t p = arena_at(sizeof(t), 8);

	memcpy((void *)p, t, sizeof(t));
	return chance(20) ? (long)EDGE + 4096 : (long)p; /* never NULL: that would wait for ever */
}

static long g_timeval(void)
{
	struct timespec t[2] = { short_time(), short_time() };

	t[0].tv_nsec /= 1000;
	t[1].tv_nsec /= 1000;
	uint64_t p = arena_at(sizeof(t), 8);

	memcpy((void *)p, t, sizeof(t));
	return (long)p;
}

static long g_sigset(void)
{
	uint64_t set = chance(3) ? 0 : rnd() & rnd();

	set &= ~(1ul << (SIGALRM - 1));
	return structure(&set, sizeof(set));
}

static long g_pollfds(void)
{
	struct pollfd p[10];

	for (unsigned i = 0; i < COUNT(p); i++)
		p[i] = (struct pollfd){ (int)descriptor(), (short)rnd(), 0 };
	return structure(p, sizeof(p));
}

static long g_words(void)
{
	uint64_t w[16];

	for (unsigned i = 0; i < COUNT(w); i++)
		w[i] = chance(2) ? below(64) : any_value();
	return structure(w, sizeof(w));
}

static long g_ints(void)
{
	uint32_t w[16];

	for (unsigned i = 0; i < COUNT(w); i++)
		w[i] = chance(2) ? (uint32_t)below(256) : (uint32_t)any_value();
	return structure(w, sizeof(w));
}

static long g_epoll_event(void)
{
	struct epoll_event e = { .events = (uint32_t)(chance(2) ? rnd() : below(64)), .data.u64 = rnd() };

	return structure(&e, sizeof(e));
}

static long g_strv(void)
{
	uint64_t v[6];

	for (unsigned i = 0; i < COUNT(v); i++)
		v[i] = (uint64_t)path();
	v[below(6)] = 0;
	return structure(v, sizeof(v));
}

static long g_chaos(void)
{
	if (chance(200))
		return (long)any_value();
	return (long)((CHAOS + below(CHAOS_SIZE)) & (chance(12) ? ~0ul : ~4095ul));
}

static long g_size(void) { return (long)length(); }
static long g_any(void) { return chance(2) ? (long)below(16) : (long)any_value(); }
static long g_small(void) { return chance(6) ? (long)any_value() : (long)below(8); }
static long g_mode(void) { return (long)(chance(8) ? rnd() : below(01000)); }
static long g_uid(void) { return chance(3) ? (long)any_value() : 0; }
static long g_dirfd(void) { return chance(3) ? descriptor() : AT_FDCWD; }
static long g_pid(void) { return chance(3) ? (long)any_value() : 0; }

static const unsigned open_flags[] = { O_RDWR, O_WRONLY, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW, O_CLOEXEC,
				       O_PATH, O_TMPFILE, O_DIRECT, O_SYNC, O_NOATIME, O_NOCTTY, O_ASYNC };

static long g_open_flags(void)
{
	unsigned f = chance(12) ? 0 : O_NONBLOCK;

	for (unsigned n = (unsigned)below(4); n--;)
		f |= open_flags[below(COUNT(open_flags))];
	return chance(3) ? (long)(f | O_RDWR | O_CREAT) : chance(40) ? (long)rnd() : (long)f;
}

static long g_open_how(void)
{
	uint64_t how[4] = { (uint64_t)g_open_flags(), chance(2) ? 0 : below(01000), chance(2) ? 0 : below(64), 0 };

	return structure(how, sizeof(how));
}

static long g_o_flags(void) { return chance(10) ? (long)rnd() : O_NONBLOCK | (chance(2) ? O_CLOEXEC : 0); }
static long g_bits(void) { return chance(5) ? (long)any_value() : (long)(1u << below(16) | (chance(2) ? 1u << below(16) : 0)); }
static long g_at_flags(void) { return chance(2) ? 0 : chance(4) ? (long)rnd() : (long)(0x100u << below(6)); }
static long g_prot(void) { return chance(20) ? (long)rnd() : chance(3) ? (long)below(8) : 3; }

static long g_mmap_flags(void)
{
	static const unsigned more[] = { MAP_NORESERVE, MAP_POPULATE, MAP_GROWSDOWN, MAP_STACK, MAP_LOCKED, MAP_32BIT,
					 MAP_FIXED_NOREPLACE, MAP_DENYWRITE };
	unsigned f = (chance(2) ? MAP_PRIVATE : MAP_SHARED) | MAP_FIXED;

	if (chance(2))
		f |= MAP_ANONYMOUS;
	if (chance(6))
		f |= more[below(COUNT(more))];
	return chance(40) ? (long)rnd() : (long)f;
}

static long g_ioctl(void)
{
	static const unsigned cmds[] = { 0x5401, 0x5402, 0x5403, 0x5404, 0x5405, 0x540b, 0x540e, 0x540f, 0x5410, 0x5411, 0x5413,
					 0x5414, 0x541b, 0x5421, 0x5429, 0x5450, 0x5451, 0x5452, 0x8901, 0x8905, 0x40049409 };

	return chance(4) ? (long)rnd() : (long)cmds[below(COUNT(cmds))];
}

static long g_fcntl(void)
{
	/* No F_SETLKW, which may wait for ever. */
	static const unsigned cmds[] = { 0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 15, 16, 36, 37, 1024, 1025, 1026, 1030, 1031, 1032, 1033,
					 1034, 1035, 1036, 1037, 1038 };

	return chance(10) ? (long)(rnd() | 64) : (long)cmds[below(COUNT(cmds))];
}

static long g_fcntl_arg(void)
{
	struct flock l = { .l_type = (short)below(4), .l_whence = (short)below(4), .l_start = offset(), .l_len = offset() };

	return chance(3) ? (long)(below(2048) | O_NONBLOCK) : chance(3) ? (long)any_value() : structure(&l, sizeof(l));
}

static long g_futex_op(void) { return (long)(below(14) | (chance(2) ? FUTEX_PRIVATE_FLAG : 0) | (chance(3) ? FUTEX_CLOCK_REALTIME : 0)); }
static long g_flock(void) { return chance(5) ? (long)rnd() : (long)(below(9) | 4); }
static long g_signo(void) { return chance(3) ? (long)(any_value() | 128) : 0; }
static long g_msec(void) { return (long)below(3); }

static long g_shmget(void) { return (long)((chance(20) ? rnd() : chance(2) ? 01000 : 0) | 0600); }
static long g_shm_cmd(void) { return chance(10) ? (long)rnd() : (long)below(17); }

static const struct {
	const char *kind;
	long (*make)(void);
} kinds[] = {
	{ "FD", descriptor }, { "DIRFD", g_dirfd }, { "PATH", path }, { "STR", path }, { "STRV", g_strv }, { "SIZE", g_size },
	{ "BUF_IN", buffer }, { "BUF_OUT", buffer }, { "BUF_RANDOM", buffer }, { "DIRENTS_OUT", buffer }, { "PTR", buffer },
	{ "IOVEC_IN", g_iovec }, { "IOVEC_OUT", g_iovec }, { "MSGHDR_IN", g_msghdr }, { "MSGHDR_OUT", g_msghdr },
	{ "TIMESPEC_IN", g_time }, { "TIMESPEC2_IN", g_time }, { "TIMEVAL_IN", g_timeval }, { "TIMEVAL2_IN", g_timeval },
	{ "ITIMERVAL_IN", g_words }, { "ITIMERSPEC_IN", g_words }, { "SIGSET_IN", g_sigset }, { "SIGSET_ARG", g_words },
	{ "POLLFDS", g_pollfds }, { "FDSET", g_words }, { "SOCKADDR_IN", g_sockaddr }, { "EPOLL_EVENT_IN", g_epoll_event },
	{ "EPOLL_OP", g_small }, { "OPEN_FLAGS", g_open_flags }, { "OPEN_HOW", g_open_how }, { "O_FLAGS", g_o_flags },
	{ "OPEN_MODE", g_mode }, { "MODE", g_mode }, { "AT_FLAGS", g_at_flags }, { "UNLINK_FLAGS", g_at_flags },
	{ "STATX_FLAGS", g_at_flags }, { "FACCESS_FLAGS", g_at_flags }, { "ACCESS_MODE", g_small }, { "UID", g_uid },
	{ "PID", g_pid }, { "OFF", offset }, { "OFF_INOUT", g_words }, { "LEN_INOUT", g_ints }, { "INT", g_small },
	{ "UINT", g_small }, { "ULONG", g_small }, { "LONG", g_small }, { "CLOCK", g_small }, { "CLONE_FLAGS", g_any },
	{ "PROT", g_prot }, { "MMAP_FLAGS", g_mmap_flags }, { "MREMAP_FLAGS", g_small }, { "MREMAP_ADDR", g_chaos },
	{ "MSYNC_FLAGS", g_small }, { "IOCTL_CMD", g_ioctl }, { "IOCTL_ARG", g_words }, { "FCNTL_CMD", g_fcntl },
	{ "FCNTL_ARG", g_fcntl_arg }, { "FUTEX_OP", g_futex_op }, { "FUTEX_ARG", g_time }, { "FUTEX_ADDR2", g_words },
	{ "FLOCK_OP", g_flock }, { "SIGNO", g_signo }, { "SOCK_DOMAIN", g_small }, { "SOCK_TYPE", g_small }, { "MSG_FLAGS", g_bits },
	{ "SOCK_FLAGS", g_o_flags }, { "EFD_FLAGS", g_o_flags }, { "SFD_FLAGS", g_o_flags }, { "TFD_FLAGS", g_o_flags },
	{ "RLIMIT_RES", g_small }, { "MKNOD_MODE", g_any }, { "WHENCE", g_small }, { "SCHED_PARAM_IN", g_ints },
	{ "STAT_OUT", buffer }, { "GROUPS_IN", g_ints }, { "CAP_HEADER", g_ints }, { "SIGEVENT_IN", g_words },
	{ "IPC_KEY", g_small }, { "SHMGET_FLAGS", g_shmget }, { "SHMAT_FLAGS", g_bits }, { "SHM_CMD", g_shm_cmd },
	{ "SOCKOPT_IN", g_ints }, { "CPUSET_IN", g_words }, { "RLIMIT_IN", g_words }, { "STACK_IN", g_words },
};

/* ---- the calls ---- */

struct sys {
	int nr, n, memory;
	const char *args; /* "(FD, BUF_OUT, SIZE)" */
};

static const struct sys table[] = {
#define SYSCALL(nr, name, status, flags, n, args, note) { nr, n, !!((flags) & C_MEM), #args },
#include "shim/syscalls.def"
#undef SYSCALL
};

static int excluded(int nr)
{
	switch (nr) {
	case SYS_exit: case SYS_exit_group: case SYS_reboot: case SYS_pause: case SYS_rt_sigsuspend: case SYS_rt_sigreturn:
	case SYS_fork: case SYS_vfork: case SYS_clone: case SYS_clone3: case SYS_execve: case SYS_execveat: case SYS_alarm:
	case SYS_ptrace: case SYS_seccomp:
		return 1;
	}
	return 0;
}

static long argument(const struct sys *s, unsigned which)
{
	const char *p = s->args + 1;
	char word[24];
	size_t n = 0;

	if (which >= (unsigned)s->n)
		return (long)any_value();
	for (; which; which--) {
		while (*p != ',')
			p++;
		p += 2;
	}
	for (; *p != ',' && *p != ')' && n < sizeof(word) - 1; p++)
		word[n++] = *p;
	word[n] = 0;
	if (s->memory && same(word, "PTR"))
		return g_chaos();
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (same(word, kinds[i].kind))
			return kinds[i].make();
	if (n > 4 && same(word + n - 4, "_OUT"))
		return buffer();
	return g_any();
}

/* What must be right for a call not to last for ever or end the program at once. */
static int tame(const struct sys *s, long *a)
{
	switch (s->nr) {
	case SYS_poll: a[2] = g_msec(); break;
	case SYS_epoll_wait: case SYS_epoll_pwait: a[3] = g_msec(); break;
	case SYS_select: a[0] = (long)below(70); break;
	case SYS_setitimer: a[0] = 1 + (long)below(8); break;
	case SYS_rt_sigaction: a[0] = chance(3) ? (long)any_value() : (long)below(66); return a[0] != SIGALRM;
	case SYS_kill: case SYS_tkill: case SYS_rt_sigqueueinfo: a[1] = g_signo(); break;
	case SYS_tgkill: case SYS_rt_tgsigqueueinfo: a[2] = g_signo(); break;
	case SYS_ppoll: case SYS_pselect6: return a[s->nr == SYS_ppoll ? 2 : 4] != 0;
	case SYS_setrlimit: case SYS_prlimit64: return chance(10);
	case SYS_chroot: case SYS_close_range: case SYS_setuid: case SYS_setresuid: case SYS_setreuid: return chance(30);
	case SYS_arch_prctl: a[0] = 0x1001 + (long)below(6); break;
	case SYS_fcntl: return a[1] != 7 && a[1] != 38 && a[1] != 8;
	case SYS_creat: return 0; /* opens a FIFO, and waits */
	case SYS_read: case SYS_readv: case SYS_write: case SYS_writev: case SYS_pread64: case SYS_splice: case SYS_sendfile:
	case SYS_recvfrom: case SYS_recvmsg: case SYS_recvmmsg: case SYS_sendto: case SYS_sendmsg: case SYS_sendmmsg:
	case SYS_preadv2: case SYS_pwritev2: case SYS_vmsplice: case SYS_accept: case SYS_accept4: case SYS_copy_file_range:
	case SYS_connect:
		if (!chance(40))
			CALL(SYS_fcntl, a[0], F_SETFL, O_NONBLOCK);
		if (s->nr == SYS_connect && !chance(8))
			a[2] = chance(20) ? 110 : 4;
		if (s->nr == SYS_sendto && chance(2))
			a[5] = 4;
		if (s->nr == SYS_splice)
			CALL(SYS_fcntl, a[2], F_SETFL, O_NONBLOCK);
		break;
	case SYS_bind: a[2] = chance(8) ? g_small() : chance(20) ? 110 : 4; break;
	case SYS_shmget: a[1] = chance(20) ? a[1] : (long)below(0x100000); break;
	case SYS_chdir: case SYS_fchdir: return chance(8);
	case SYS_munmap: case SYS_mprotect: case SYS_madvise: case SYS_mremap: case SYS_mmap: case SYS_mlock:
		if (!chance(100))
			a[1] &= 0xfffffff;
		if (s->nr == SYS_mmap && !chance(50))
			a[0] = (long)((CHAOS + below(CHAOS_SIZE - 0x400000)) & ~4095ul), a[1] &= 0x3fffff;
		break;
	}
	return 1;
}

static void keep_fd(long fd)
{
	if (fd >= 0)
		fds[below(COUNT(fds))] = (int)fd;
}

static void random_call(void)
{
	const struct sys *s = &table[below(COUNT(table))];
	static struct sys unknown = { 0, 0, 0, "()" };
	long a[6], r, nr = s->nr;

	if (chance(100)) {
		nr = (long)any_value();
		s = &unknown;
	}
	if (excluded((int)nr) || (s == &unknown && (unsigned long)nr < 512))
		return;
	for (unsigned i = 0; i < 6; i++)
		a[i] = argument(s, i);
	if (s != &unknown && !tame(s, a))
		return;
	r = chance(8) && nr != SYS_brk ? odd_call(nr, a) : call(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (r >= 3 && r < 1024 && chance(2))
		keep_fd(r);
}

/* A listener and a client that it has not accepted. */
static void connected(int *pair)
{
	int type = (chance(2) ? SOCK_STREAM : SOCK_SEQPACKET) | SOCK_NONBLOCK;
	long name = g_sockaddr();

	pair[0] = (int)CALL(SYS_socket, 1, type, 0);
	pair[1] = (int)CALL(SYS_socket, 1, type, 0);
	CALL(SYS_bind, pair[0], name, 4);
	CALL(SYS_listen, pair[0], below(3));
	CALL(SYS_connect, pair[1], name, 4);
	if (chance(2))
		keep_fd(CALL(SYS_accept4, pair[0], 0, 0, SOCK_NONBLOCK));
}

/* New descriptors of all kinds, so that there is something to work with. */
static void make_object(void)
{
	int pair[2] = { -1, -1 };

	switch (below(17)) {
	case 9: pair[0] = (int)CALL(SYS_socket, 1, (chance(2) ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK, 0); break;
	case 10: case 11: connected(pair); break;
	case 0: CALL(SYS_pipe2, pair, O_NONBLOCK); break;
	case 1: CALL(SYS_socketpair, 1, (1 + below(2) * 4) | SOCK_NONBLOCK, 0, pair); break;
	case 2: pair[0] = (int)CALL(SYS_eventfd2, below(4), O_NONBLOCK | below(2)); break;
	case 3: pair[0] = (int)CALL(SYS_timerfd_create, below(2), O_NONBLOCK); break;
	case 4: pair[0] = (int)CALL(SYS_epoll_create1, 0); break;
	case 5: pair[0] = (int)CALL(SYS_memfd_create, "memfd", below(4)); break;
	case 6: pair[0] = (int)CALL(SYS_signalfd4, -1, g_sigset(), 8, O_NONBLOCK); break;
	case 7: pair[0] = (int)CALL(SYS_open, "dir", O_RDONLY | O_DIRECTORY); break;
	case 8: pair[0] = (int)CALL(SYS_open, "/proc/self/maps", O_RDONLY); break;
	default: pair[0] = (int)CALL(SYS_open, paths[below(chance(3) ? COUNT(paths) : 10)], O_RDWR | O_CREAT | O_NONBLOCK, 0666); break;
	}
	keep_fd(pair[0]);
	keep_fd(pair[1]);
}

/* Touches the region, as far as it can be done without a fault: through the kernel. */
static void touch_chaos(void)
{
	static int p[2] = { -1, -1 };

	if (p[0] < 0)
		CALL(SYS_pipe2, p, O_NONBLOCK);
	for (unsigned i = 0; i < 8; i++) {
		CALL(SYS_write, p[1], CHAOS + below(CHAOS_SIZE), below(9000));
		CALL(SYS_read, p[0], CHAOS + below(CHAOS_SIZE), below(9000));
	}
}

static void step(void)
{
	if (chance(20))
		make_object();
	if (chance(50))
		touch_chaos();
	if (chance(200))
		for (unsigned i = 0; i < 40; i++)
			CALL(SYS_close, 3 + below(200));
	if (chance(300)) {
		CALL(SYS_chdir, "/tmp/fz");
		CALL(SYS_mkdir, "dir", 0777);
	}
	if (chance(400))
		__asm__ volatile("ldmxcsr %0" : : "m"((unsigned){ 0x1f80u & (unsigned)rnd() }));
	random_call();
}

/* ---- the end ---- */

/* One instruction that the machine should answer with a signal, or with nothing. */
static void finale(void)
{
	uint64_t v = any_value();

	switch (below(22)) {
	case 0: ((void (*)(void))v)(); break;
	case 1: *(volatile uint64_t *)v = 1; break;
	case 2: __asm__ volatile("ud2"); break;
	case 3: __asm__ volatile("hlt"); break;
	case 4: __asm__ volatile("int3"); break;
	case 5: __asm__ volatile("in $0x60, %%al" : : : "rax"); break;
	case 6: __asm__ volatile("cli"); break;
	case 7: __asm__ volatile("mov %0, %%rsp; push %%rax" : : "r"(v)); break;
	case 8: __asm__ volatile("mov %0, %%rsp; ud2" : : "r"(v)); break;
	case 9: __asm__ volatile("mov %0, %%rsp; int3" : : "r"(v)); break;
	case 10: __asm__ volatile("divl %0" : : "r"(0) : "rax", "rdx"); break;
	case 11: __asm__ volatile("pushf; orq $0x100, (%%rsp); popf; nop; nop" : : : "memory", "cc"); break;
	case 12: __asm__ volatile("pushf; orq $0x100, (%%rsp); popf; mov $39, %%eax; syscall; nop" : : : "rax", "rcx", "r11", "memory"); break;
	case 13: __asm__ volatile("xor %%eax, %%eax; mov %%eax, %%gs; mov %%eax, %%fs; mov %%eax, %%ds; mov %%eax, %%es" : : : "rax"); break;
	case 14: __asm__ volatile("mov $0x7f, %%eax; mov %%eax, %%gs" : : : "rax"); break;
	case 15: __asm__ volatile("int $0x2e"); break;
	case 16: __asm__ volatile("int $14"); break;
	case 17: __asm__ volatile("mov %%cr0, %%rax" : : : "rax"); break;
	case 18: __asm__ volatile("iretq"); break;
	case 19: __asm__ volatile("mov %0, %%rsp; mov $231, %%eax; mov $9, %%edi; syscall" : : "r"(v)); break;
	case 20: CALL(SYS_exit, below(256)); break;
	default: break;
	}
}

/* The robust list is only read when the thread ends. */
static void bad_robust_list(void)
{
	static uint64_t list[3];

	list[0] = chance(2) ? (uint64_t)list : pointer(24);
	list[1] = any_value();
	list[2] = any_value();
	CALL(SYS_set_robust_list, chance(2) ? (uint64_t)list : any_value(), 24);
	CALL(SYS_set_tid_address, pointer(4));
}

/* The directory is there only in our own runs (-v), never on the host. */
static void check_kernel(void)
{
	struct stat st;

	if (CALL(SYS_stat, "/fz9p", &st)) {
		say("syscalls: to be run by tests/fuzz/run-syscalls\n");
		quit(2);
	}
}

static void prepare(void)
{
	struct { uint64_t handler, flags, restorer, mask; } ignore = { 1, 0, 0, 0 };

	CALL(SYS_mmap, ARENA, ARENA_SIZE, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CALL(SYS_mmap, EDGE, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CALL(SYS_mmap, EDGE + 2 * 4096, 4096, 1, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CALL(SYS_mmap, EDGE + 4 * 4096, 4096, 0, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CALL(SYS_mmap, CHAOS, CHAOS_SIZE / 2, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
	for (unsigned i = 0; i < ARENA_SIZE / 8; i++)
		((uint64_t *)ARENA)[i] = i % 3 ? rnd() : below(64);
	for (int sig = 1; sig < 65; sig++)
		if (sig != SIGALRM && sig != SIGSEGV && sig != SIGBUS && sig != SIGILL && sig != SIGFPE && sig != SIGTRAP)
			CALL(SYS_rt_sigaction, sig, &ignore, 0, 8);
	CALL(SYS_alarm, ALARM_S);
	CALL(SYS_mkdir, "/tmp/fz", 0777);
	CALL(SYS_chdir, "/tmp/fz");
	CALL(SYS_mkdir, "dir", 0777);
	CALL(SYS_mkdir, "dir/dir", 0777);
	CALL(SYS_symlink, "dir/a", "link");
	CALL(SYS_symlink, "loop", "loop");
	CALL(SYS_symlink, "/nowhere/at/all", "dangling");
	CALL(SYS_mknod, "fifo", S_IFIFO | 0666, 0);
	for (unsigned i = 0; i < COUNT(fds); i++)
		make_object();
}

void start(const uint64_t *sp);
void start(const uint64_t *sp)
{
	if (sp[0] < 3)
		quit(2);
	check_kernel();
	state = number((const char *)sp[2]) * 0x9e3779b97f4a7c15ul + 88172645463325252ul;
	uint64_t n = number((const char *)sp[3]);

	prepare();
	while (n--)
		step();
	if (chance(4))
		bad_robust_list();
	if (chance(2))
		finale();
	quit(7);
}

__asm__(".globl _start\n_start:\n	mov %rsp, %rdi\n	and $-16, %rsp\n	call start\n");
