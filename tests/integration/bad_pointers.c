/* Every pointer argument of many calls, bad in three ways: EFAULT (or another error), never a crash. */
#include "t.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/uio.h>
static const void *const bad[] = { (void *)0x10, (void *)0xffffffff80000000ul, (void *)0x8000000000000000ul, (void *)-8l };
static const struct {
	const char *name;
	long nr, a[6];
	int mask; /* which arguments are pointers */
} calls[] = {
	{ "stat", SYS_stat, { 0, 0 }, 3 },           { "open", SYS_open, { 0, 0 }, 1 },
	{ "getcwd", SYS_getcwd, { 0, 100 }, 1 },     { "uname", SYS_uname, { 0 }, 1 },
	{ "gettimeofday", SYS_gettimeofday, { 0, 0 }, 3 }, { "clock_gettime", SYS_clock_gettime, { 1, 0 }, 2 },
	{ "nanosleep", SYS_nanosleep, { 0, 0 }, 1 }, { "getrlimit", SYS_getrlimit, { 7, 0 }, 2 },
	{ "getrusage", SYS_getrusage, { 0, 0 }, 2 }, { "sysinfo", SYS_sysinfo, { 0 }, 1 },
	{ "times", SYS_times, { 0 }, 1 },            { "pipe", SYS_pipe, { 0 }, 1 },
	{ "poll", SYS_poll, { 0, 3, 0 }, 1 },        { "readv", SYS_readv, { 0, 0, 2 }, 2 },
	{ "writev", SYS_writev, { 1, 0, 2 }, 2 },    { "readlink", SYS_readlink, { 0, 0, 10 }, 1 },
	{ "symlink", SYS_symlink, { 0, 0 }, 3 },     { "rename", SYS_rename, { 0, 0 }, 3 },
	{ "mkdir", SYS_mkdir, { 0, 0755 }, 1 },      { "unlink", SYS_unlink, { 0 }, 1 },
	{ "chdir", SYS_chdir, { 0 }, 1 },            { "access", SYS_access, { 0, 0 }, 1 },
	{ "rt_sigprocmask", SYS_rt_sigprocmask, { 0, 0, 0, 8 }, 6 }, { "rt_sigaction", SYS_rt_sigaction, { 10, 0, 0, 8 }, 6 },
	{ "getrandom", SYS_getrandom, { 0, 16, 0 }, 1 }, { "statfs", SYS_statfs, { 0, 0 }, 3 },
	{ "sched_getaffinity", SYS_sched_getaffinity, { 0, 128, 0 }, 4 }, { "getgroups", SYS_getgroups, { 0, 0 }, 0 },
	{ "getresuid", SYS_getresuid, { 0, 0, 0 }, 7 }, { "prlimit64", SYS_prlimit64, { 0, 7, 0, 0 }, 12 },
	{ "statx", SYS_statx, { -100, 0, 0, 0x7ff, 0 }, 18 }, { "utimensat", SYS_utimensat, { -100, 0, 0, 0 }, 6 },
	{ "select", SYS_select, { 4, 0, 0, 0, 0 }, 30 }, { "truncate", SYS_truncate, { 0, 5 }, 1 },
	{ "eventfd-read", SYS_read, { 0, 0, 8 }, 2 }, { "memfd_create", SYS_memfd_create, { 0, 0 }, 1 },
	{ "prctl-name", SYS_prctl, { 15, 0 }, 2 },   { "getitimer", SYS_getitimer, { 0, 0 }, 2 },
	{ "socketpair", SYS_socketpair, { 1, 1, 0, 0 }, 8 }, { "sendfile", SYS_sendfile, { 1, 0, 0, 5 }, 4 },
};
int main(void)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		for (int arg = 0; arg < 6; arg++) {
			if (!(calls[i].mask >> arg & 1))
				continue;
			printf("%s %d:", calls[i].name, arg);
			for (int b = 0; b < 4; b++) {
				long a[6];

				for (int k = 0; k < 6; k++)
					a[k] = calls[i].a[k];
				/* the other pointers: a valid path or buffer would have effects; NULL has none */
				a[arg] = (long)bad[b];
				long r = syscall(calls[i].nr, a[0], a[1], a[2], a[3], a[4], a[5]);
				printf(" %s", r < 0 ? strerrorname_np(errno) : "ok");
			}
			printf("\n");
		}
	return 0;
}
