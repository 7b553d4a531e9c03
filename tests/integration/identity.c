/* Identity, limits, names: get*id, set*id, getrlimit, prctl, uname, sysinfo. */
#include "t.h"
#include <grp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
int main(void)
{
	char name[32] = "";
	struct rlimit rl;
	struct utsname u;
	struct sysinfo si;
	uid_t r, e, s;

	FACT(getpid() > 0 && getppid() >= 0 && syscall(SYS_gettid) == getpid());
	FACT(getuid() == geteuid() && getgid() == getegid());
	SHOW(getresuid(&r, &e, &s));
	FACT(r == getuid() && e == r && s == r);
	SHOW(prctl(PR_SET_NAME, "a-rather-long-name"));
	SHOW(prctl(PR_GET_NAME, name));
	puts(name);
	SHOW(prctl(PR_GET_DUMPABLE) >= 0);
	SHOW(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	SHOW(prctl(12345));
	SHOW(getrlimit(RLIMIT_NOFILE, &rl));
	FACT(rl.rlim_cur > 0 && rl.rlim_cur <= rl.rlim_max);
	rl.rlim_cur = 100;
	SHOW(setrlimit(RLIMIT_NOFILE, &rl));
	SHOW(getrlimit(RLIMIT_NOFILE, &rl));
	SHOW(rl.rlim_cur);
	rl.rlim_cur = rl.rlim_max + 1;
	SHOW(setrlimit(RLIMIT_NOFILE, &rl));
	SHOW(getrlimit(99, &rl));
	SHOW(syscall(SYS_prlimit64, 0, RLIMIT_CORE, NULL, &rl));
	SHOW(uname(&u));
	puts(u.sysname), puts(u.machine);
	SHOW(uname(BAD_PTR));
	SHOW(sysinfo(&si));
	FACT(si.totalram > 0 && si.freeram <= si.totalram && si.mem_unit >= 1);
	cpu_set_t set;
	WORKS(sched_getaffinity(0, sizeof(set), &set));
	FACT(CPU_COUNT(&set) >= 1);
	SHOW(sched_yield());
	WORKS(getpriority(PRIO_PROCESS, 0)); /* the host's niceness stays there */
	SHOW(setpriority(PRIO_PROCESS, 0, 19));
	SHOW(getpriority(PRIO_PROCESS, 0));
	SHOW(getpriority(99, 0));
	/* the parent is a process like others */
	WORKS(sched_getscheduler(getppid()));
	WORKS(sched_getaffinity(getppid(), sizeof(set), &set));
	WORKS(getpriority(PRIO_PROCESS, getppid()));
	WORKS(syscall(SYS_ioprio_get, 1, getppid()));
	WORKS(kill(getppid(), 0));
	SHOW(getsid(0) >= 0); /* 0: the leader is outside this PID namespace */
	SHOW(getsid(-1));
	if (getuid() == 0) {
		SHOW(setgroups(0, NULL));
		SHOW(setresgid(1000, 1000, 1000));
		SHOW(setresuid(1000, 1000, 0));
		SHOW(geteuid());
		SHOW(seteuid(0));
		SHOW(setuid(1234));
		SHOW(getuid());
		SHOW(setuid(0));
		SHOW(setgid(0));
		SHOW(open("/etc/shadow", O_RDONLY));
		SHOW(setgroups(0, NULL));
	}
	return 0;
}
