/* The tracer's printers for processes, signals and time. */
#include "core/lib/string.h"
#include "core/proc/signal.h"
#include "shim/abi/futex.h"
#include "shim/abi/resource.h"
#include "shim/abi/signal.h"
#include "shim/abi/structs.h"
#include "shim/abi/time.h"
#include "shim/trace.h"

/* ---- times ---- */

/* sub: "nsec" or "usec". */
void trace_timespec_of(struct trace *t, const struct timespec64 *ts, const char *sub)
{
	trace_put(t, "{tv_sec=%ld, tv_%s=%ld}", ts->sec, sub, ts->nsec);
}

static void put_time(struct trace *t, uptr_t addr, const char *sub)
{
	struct timespec64 ts;

	if (trace_fetch(t, &ts, addr, sizeof(ts)))
		trace_timespec_of(t, &ts, sub);
}

void trace_timespec(struct trace *t, uint64_t v, const struct trace_names *names) { put_time(t, v, "nsec"); }
void trace_timeval(struct trace *t, uint64_t v, const struct trace_names *names) { put_time(t, v, "usec"); }

/* What is left of a sleep is written only when a signal ended it. */
void trace_remain(struct trace *t, uint64_t v, const struct trace_names *names)
{
	struct timespec64 ts;

	if (t->ret == -EINTR && v && !copyin(&ts, v, sizeof(ts)))
		trace_timespec_of(t, &ts, "nsec");
	else
		trace_ptr_of(t, v);
}

/* A point in time, with the date as a remark. */
static void put_dated(struct trace *t, const struct timespec64 *ts, const char *sub)
{
	trace_timespec_of(t, ts, sub);
	trace_put(t, " /* ");
	trace_date_of(t, ts->sec, ts->nsec, *sub == 'u' ? 6 : 9);
	trace_put(t, " */");
}

/* utimensat's two times. */
void trace_timespec2(struct trace *t, uint64_t v, const struct trace_names *names)
{
	struct timespec64 ts[2];

	if (!trace_fetch(t, ts, v, sizeof(ts)))
		return;
	for (int i = 0; i < 2; i++) {
		trace_put(t, "%s", i ? ", " : "[");
		if (ts[i].nsec == UTIME_NOW)
			trace_put(t, "UTIME_NOW");
		else if (ts[i].nsec == UTIME_OMIT)
			trace_put(t, "UTIME_OMIT");
		else
			put_dated(t, &ts[i], "nsec");
	}
	trace_put(t, "]");
}

static void put_two_times(struct trace *t, uptr_t addr, const char *format_a, const char *format_b, const char *sub)
{
	struct timespec64 ts[2];

	if (!trace_fetch(t, ts, addr, sizeof(ts)))
		return;
	trace_put(t, "%s", format_a);
	trace_timespec_of(t, &ts[0], sub);
	trace_put(t, "%s", format_b);
	trace_timespec_of(t, &ts[1], sub);
	trace_put(t, "}");
}

void trace_timeval2(struct trace *t, uint64_t v, const struct trace_names *names)
{
	struct timespec64 tv[2];

	if (!trace_fetch(t, tv, v, sizeof(tv)))
		return;
	trace_put(t, "[");
	put_dated(t, &tv[0], "usec");
	trace_put(t, ", ");
	put_dated(t, &tv[1], "usec");
	trace_put(t, "]");
}

void trace_itimerval(struct trace *t, uint64_t v, const struct trace_names *names)
{
	put_two_times(t, v, "{it_interval=", ", it_value=", "usec");
}

void trace_itimerspec(struct trace *t, uint64_t v, const struct trace_names *names)
{
	put_two_times(t, v, "{it_interval=", ", it_value=", "nsec");
}

void trace_utimbuf(struct trace *t, uint64_t v, const struct trace_names *names)
{
	int64_t secs[2];

	if (!trace_fetch(t, secs, v, sizeof(secs)))
		return;
	trace_put(t, "{actime=%ld /* ", secs[0]);
	trace_date_of(t, secs[0], 0, 0);
	trace_put(t, " */, modtime=%ld /* ", secs[1]);
	trace_date_of(t, secs[1], 0, 0);
	trace_put(t, " */}");
}

static void put_ticks(struct trace *t, const char *what, int64_t ticks)
{
	trace_put(t, "%s%ld", what, ticks);
	if (ticks)
		trace_put(t, " /* %ld.%02ld s */", ticks / 100, ticks % 100);
}

void trace_tms(struct trace *t, uint64_t v, const struct trace_names *names)
{
	struct abi_tms tms;

	if (!trace_fetch(t, &tms, v, sizeof(tms)))
		return;
	put_ticks(t, "{tms_utime=", tms.utime);
	put_ticks(t, ", tms_stime=", tms.stime);
	put_ticks(t, ", tms_cutime=", tms.cutime);
	put_ticks(t, ", tms_cstime=", tms.cstime);
	trace_put(t, "}");
}

/* ---- limits, usage, the system ---- */

static void put_limit(struct trace *t, uint64_t v)
{
	if (v == RLIM_INFINITY)
		trace_put(t, "RLIM64_INFINITY");
	else if (v > 1024 && v % 1024 == 0)
		trace_put(t, "%lu*1024", v / 1024);
	else
		trace_put(t, "%lu", v);
}

void trace_rlimit(struct trace *t, uint64_t v, const struct trace_names *names)
{
	struct rlimit l;

	if (!trace_fetch(t, &l, v, sizeof(l)))
		return;
	trace_put(t, "{rlim_cur=");
	put_limit(t, l.cur);
	trace_put(t, ", rlim_max=");
	put_limit(t, l.max);
	trace_put(t, "}");
}

void trace_rusage(struct trace *t, uint64_t v, const struct trace_names *names)
{
	struct abi_rusage u;

	if (t->nr == NR_wait4 && t->ret <= 0) /* no child, no usage */
		trace_ptr_of(t, v);
	else if (trace_fetch(t, &u, v, sizeof(u)))
		trace_put(t, "{ru_utime={tv_sec=%ld, tv_usec=%ld}, ru_stime={tv_sec=%ld, tv_usec=%ld}, ...}",
			u.utime.sec,
			  u.utime.usec, u.stime.sec, u.stime.usec);
}

void trace_utsname(struct trace *t, uint64_t v, const struct trace_names *names)
{
	struct abi_utsname u;

	if (!trace_fetch(t, &u, v, sizeof(u)))
		return;
	trace_put(t, "{sysname=");
	trace_quote(t, u.sysname, strnlen(u.sysname, UTSNAME_LEN), UTSNAME_LEN, false);
	trace_put(t, ", nodename=");
	trace_quote(t, u.nodename, strnlen(u.nodename, UTSNAME_LEN), UTSNAME_LEN, false);
	trace_put(t, ", ...}");
}

void trace_sysinfo(struct trace *t, uint64_t v, const struct trace_names *names)
{
	struct abi_sysinfo si;

	if (!trace_fetch(t, &si, v, sizeof(si)))
		return;
	trace_put(t,
		"{uptime=%ld, loads=[%lu, %lu, %lu], totalram=%lu, freeram=%lu, sharedram=%lu, bufferram=%lu, ",
		  si.uptime,
		  si.loads[0], si.loads[1], si.loads[2], si.totalram, si.freeram, si.sharedram, si.bufferram);
	trace_put(t, "totalswap=%lu, freeswap=%lu, procs=%u, totalhigh=%lu, freehigh=%lu, mem_unit=%u}", si.totalswap,
		  si.freeswap, si.procs, si.totalhigh, si.freehigh, si.mem_unit);
}

/* ---- processes ---- */

void trace_envp(struct trace *t, uint64_t v, const struct trace_names *names)
{
	unsigned n = 0;
	uptr_t p;

	trace_ptr_of(t, v);
	while (v && !copyin(&p, v + n * sizeof(p), sizeof(p)) && p)
		n++;
	if (v)
		trace_put(t, " /* %u var%s */", n, n == 1 ? "" : "s");
}

/* strace's order of clone's arguments: stack, flags, parent_tid, tls, child_tid. */
void trace_clone_flags(struct trace *t, uint64_t v, const struct trace_names *names)
{
	uint64_t flags = v & ~0xfful;

	trace_put(t, "child_stack=");
	trace_ptr_of(t, t->args[1]);
	trace_put(t, ", flags=");
	if (flags || !(v & 0xff))
		trace_flags_of(t, flags, &names_clone);
	if (v & 0xff) {
		trace_put(t, flags ? "|" : "");
		trace_signo_of(t, (int)(v & 0xff));
	}
}

void trace_clone_parent(struct trace *t, uint64_t v, const struct trace_names *names)
{
	if (!(t->args[0] & (CLONE_PARENT_SETTID | CLONE_PIDFD)))
		return;
	trace_put(t, "parent_tid=");
	trace_int_at(t, v, NULL);
}

void trace_clone_child(struct trace *t, uint64_t v, const struct trace_names *names)
{
	bool tls = t->args[0] & CLONE_SETTLS, child = t->args[0] & (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID);

	if (tls)
		trace_put(t, "tls=%#lx%s", t->args[4], child ? ", " : "");
	if (child) {
		trace_put(t, "child_tidptr=");
		trace_ptr_of(t, v);
	}
}

static void put_member(struct trace *t, const char *name, uint64_t v)
{
	trace_put(t, ", %s=", name);
	trace_ptr_of(t, v);
}

void trace_clone_args(struct trace *t, uint64_t v, const struct trace_names *names)
{
	struct abi_clone_args a;

	if (!trace_fetch(t, &a, v, sizeof(a)))
		return;
	trace_put(t, "{flags=");
	trace_flags_of(t, a.flags, &names_clone);
	if (a.flags & CLONE_PIDFD)
		put_member(t, "pidfd", a.pidfd);
	if (a.flags & (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID))
		put_member(t, "child_tid", a.child_tid);
	if (a.flags & CLONE_PARENT_SETTID)
		put_member(t, "parent_tid", a.parent_tid);
	trace_put(t, ", exit_signal=");
	trace_signo_of(t, (int)a.exit_signal);
	put_member(t, "stack", a.stack);
	trace_put(t, ", stack_size=%#lx", a.stack_size);
	if (a.flags & CLONE_SETTLS)
		put_member(t, "tls", a.tls);
	trace_put(t, "}");
}

/* wait4's status, by the macros that take it apart. */
void trace_wait_status(struct trace *t, uint64_t v, const struct trace_names *names)
{
	int s, sig;

	if (t->ret <= 0) {
		trace_ptr_of(t, v);
		return;
	}
	if (!trace_fetch(t, &s, v, sizeof(s)))
		return;
	sig = s & 0x7f;
	if (!sig) {
		trace_put(t, "[{WIFEXITED(s) && WEXITSTATUS(s) == %d}]", s >> 8 & 0xff);
		return;
	}
	if (s == 0xffff) {
		trace_put(t, "[{WIFCONTINUED(s)}]");
		return;
	}
	trace_put(t, sig == 0x7f ? "[{WIFSTOPPED(s) && WSTOPSIG(s) == " : "[{WIFSIGNALED(s) && WTERMSIG(s) == ");
	trace_signo_of(t, sig == 0x7f ? s >> 8 & 0xff : sig);
	trace_put(t, sig != 0x7f && (s & 0x80) ? " && WCOREDUMP(s)}]" : "}]");
}

/* ---- identity, scheduling ---- */

void trace_sched_param(struct trace *t, uint64_t v, const struct trace_names *names)
{
	int priority;

	if (trace_fetch(t, &priority, v, sizeof(priority)))
		trace_put(t, "[%d]", priority);
}

/* [0 1 …]: the numbers of the set bits in the first words. */
void trace_cpuset(struct trace *t, uint64_t v, const struct trace_names *names)
{
	size_t len = t->out && t->ret > 0 ? (size_t)t->ret : t->args[t->arg - 1];
	uint8_t set[128] = { 0 };
	const char *sep = "";

	len = MIN(len, sizeof(set));
	if (!trace_fetch(t, set, v, len))
		return;
	trace_put(t, "[");
	for (unsigned i = 0; i < len * 8; i++)
		if (set[i / 8] >> (i % 8) & 1) {
			trace_put(t, "%s%u", sep, i);
			sep = " ";
		}
	trace_put(t, "]");
}

void trace_groups(struct trace *t, uint64_t v, const struct trace_names *names)
{
	long n = t->out ? t->ret : (int)t->args[0];
	uint32_t gid;

	if (n < 0 || !v || (t->out && !t->args[0])) {
		trace_ptr_of(t, v);
		return;
	}
	trace_put(t, "[");
	for (long i = 0; i < n; i++) {
		trace_put(t, "%s", i ? ", " : "");
		if (i == ARRAY_MAX || copyin(&gid, v + (uint64_t)i * sizeof(gid), sizeof(gid))) {
			trace_put(t, "...");
			break;
		}
		trace_put(t, "%u", gid);
	}
	trace_put(t, "]");
}

void trace_cap_header(struct trace *t, uint64_t v, const struct trace_names *names)
{
	struct abi_cap_header h;

	if (!trace_fetch(t, &h, v, sizeof(h)))
		return;
	trace_put(t, "{version=");
	trace_value_of(t, h.version, &names_cap);
	trace_put(t, ", pid=%d}", h.pid);
}

static void put_caps(struct trace *t, uint64_t set)
{
	const char *sep = "";

	if (!set)
		trace_put(t, "0");
	for (unsigned i = 0; i < 64; i++)
		if (set >> i & 1) {
			trace_put(t, "%s1<<", sep);
			trace_value_of(t, i, &names_caps);
			sep = "|";
		}
}

void trace_cap_data(struct trace *t, uint64_t v, const struct trace_names *names)
{
	struct abi_cap_data d[2] = { 0 };
	struct abi_cap_header h;
	size_t n = copyin(&h, t->args[0], sizeof(h)) || h.version == CAP_VERSION_1 ? 1 : 2;

	if (!trace_fetch(t, d, v, n * sizeof(d[0])))
		return;
	trace_put(t, "{effective=");
	put_caps(t, d[0].effective | (uint64_t)d[1].effective << 32);
	trace_put(t, ", permitted=");
	put_caps(t, d[0].permitted | (uint64_t)d[1].permitted << 32);
	trace_put(t, ", inheritable=");
	put_caps(t, d[0].inheritable | (uint64_t)d[1].inheritable << 32);
	trace_put(t, "}");
}

/* ---- prctl, arch_prctl ---- */

/* How many arguments an option takes beside itself. */
static unsigned prctl_args(int option)
{
	switch (option) {
	case PR_GET_DUMPABLE: case PR_GET_KEEPCAPS: case PR_GET_SECCOMP: case PR_GET_TIMERSLACK: case PR_GET_SECUREBITS:
		return 0;
	case PR_SET_PDEATHSIG: case PR_GET_PDEATHSIG: case PR_SET_DUMPABLE: case PR_SET_KEEPCAPS: case PR_SET_NAME:
	case PR_GET_NAME: case PR_CAPBSET_READ: case PR_CAPBSET_DROP: case PR_GET_TSC: case PR_SET_TSC:
	case PR_SET_SECUREBITS: case PR_SET_TIMERSLACK: case PR_SET_CHILD_SUBREAPER: case PR_GET_CHILD_SUBREAPER:
	case PR_GET_TID_ADDRESS: case PR_SET_PTRACER:
		return 1;
	}
	return 4;
}

void trace_prctl_arg(struct trace *t, uint64_t v, const struct trace_names *names)
{
	int option = (int)t->args[0];
	char name[16];

	if (!prctl_args(option))
		return;
	switch (option) {
	case PR_SET_NAME:
		trace_str(t, v, NULL);
		break;
	case PR_GET_NAME:
		if (trace_fetch(t, name, v, sizeof(name)))
			trace_quote(t, name, strnlen(name, sizeof(name)), sizeof(name), false);
		break;
	case PR_SET_PDEATHSIG:
		trace_signo_of(t, (int)v);
		break;
	case PR_GET_PDEATHSIG: case PR_GET_CHILD_SUBREAPER: case PR_GET_TSC:
		trace_int_at(t, v, NULL);
		break;
	case PR_SET_DUMPABLE:
		trace_value_of(t, v, &names_dumpable);
		break;
	case PR_CAPBSET_READ: case PR_CAPBSET_DROP:
		trace_value_of(t, v, &names_caps);
		break;
	case PR_GET_TID_ADDRESS:
		trace_ptr_at(t, v, NULL);
		break;
	case PR_SET_NO_NEW_PRIVS: case PR_GET_NO_NEW_PRIVS: case PR_SET_THP_DISABLE: case PR_GET_THP_DISABLE:
	case PR_SET_CHILD_SUBREAPER: case PR_SET_KEEPCAPS: case PR_SET_TIMERSLACK:
		trace_put(t, "%lu", v);
		break;
	default:
		trace_hex(t, v, NULL);
	}
}

void trace_prctl_rest(struct trace *t, uint64_t v, const struct trace_names *names)
{
	if (t->arg <= prctl_args((int)t->args[0]))
		trace_hex(t, v, NULL);
}

void trace_arch_arg(struct trace *t, uint64_t v, const struct trace_names *names)
{
	if (t->args[0] == ARCH_GET_FS || t->args[0] == ARCH_GET_GS)
		trace_ptr_at(t, v, NULL);
	else
		trace_ptr_of(t, v);
}

/* ---- futex, membarrier ---- */

static int futex_cmd(const struct trace *t) { return (int)t->args[1] & FUTEX_CMD_MASK; }

static bool futex_has_timeout(int cmd)
{
	return cmd == FUTEX_WAIT || cmd == FUTEX_WAIT_BITSET || cmd == FUTEX_LOCK_PI || cmd == FUTEX_LOCK_PI2 ||
	       cmd == FUTEX_WAIT_REQUEUE_PI;
}

static bool futex_has_addr2(int cmd)
{
	return cmd == FUTEX_REQUEUE || cmd == FUTEX_CMP_REQUEUE || cmd == FUTEX_WAKE_OP ||
		cmd == FUTEX_WAIT_REQUEUE_PI ||
	       cmd == FUTEX_CMP_REQUEUE_PI;
}

void trace_futex_op(struct trace *t, uint64_t v, const struct trace_names *names)
{
	const char *name = trace_name_of((uint64_t)futex_cmd(t), &names_futex);

	if (!name) {
		trace_put(t, "%#x /* FUTEX_??? */", (unsigned)v);
		return;
	}
	trace_put(t, "%s%s%s", name, v & FUTEX_PRIVATE_FLAG ? "_PRIVATE" : "", v & FUTEX_CLOCK_REALTIME ?
		"|FUTEX_CLOCK_REALTIME" : "");
}

void trace_futex_arg(struct trace *t, uint64_t v, const struct trace_names *names)
{
	int cmd = futex_cmd(t);

	if (futex_has_timeout(cmd))
		trace_timespec(t, v, NULL);
	else if (futex_has_addr2(cmd))
		trace_put(t, "%u", (unsigned)v);
}

void trace_futex_addr2(struct trace *t, uint64_t v, const struct trace_names *names)
{
	if (futex_has_addr2(futex_cmd(t)))
		trace_ptr_of(t, v);
}

void trace_futex_val3(struct trace *t, uint64_t v, const struct trace_names *names)
{
	int cmd = futex_cmd(t);

	if (cmd == FUTEX_WAIT_BITSET || cmd == FUTEX_WAKE_BITSET)
		trace_put(t, (uint32_t)v == FUTEX_BITSET_MATCH_ANY ? "FUTEX_BITSET_MATCH_ANY" : "%#x", (unsigned)v);
	else if (cmd == FUTEX_CMP_REQUEUE || cmd == FUTEX_CMP_REQUEUE_PI)
		trace_put(t, "%u", (unsigned)v);
	else if (cmd == FUTEX_WAKE_OP)
		trace_put(t, "%#x", (unsigned)v);
}

void trace_membarrier_cpu(struct trace *t, uint64_t v, const struct trace_names *names)
{
	if (t->args[1])
		trace_put(t, "%d", (int)v);
}

/* ---- signals ---- */

/* Real-time signals: RTMIN is the kernel's 32. */
static void put_signal(struct trace *t, int sig, const char *prefix)
{
	const char *name = sig > 0 ? trace_name_of((uint64_t)sig, &names_signal) : NULL;

	if (name)
		trace_put(t, "%s%s", prefix, name + 3);
	else if (sig == 32)
		trace_put(t, "%sRTMIN", prefix);
	else if (sig > 32 && sig <= NSIG)
		trace_put(t, "%sRT_%d", prefix, sig - 32);
	else
		trace_put(t, "%d", sig);
}

void trace_signo_of(struct trace *t, int sig) { put_signal(t, sig, "SIG"); }
void trace_signo(struct trace *t, uint64_t v, const struct trace_names *names) { trace_signo_of(t, (int)v); }

/* [INT CHLD]; a set that lacks few is shown by what it lacks: ~[…]. */
void trace_sigset_of(struct trace *t, uint64_t set)
{
	bool invert = __builtin_popcountl(set) >= NSIG * 2 / 3;
	const char *sep = "";

	trace_put(t, invert ? "~[" : "[");
	for (int sig = 1; sig <= NSIG; sig++)
		if ((set >> (sig - 1) & 1) != invert) {
			trace_put(t, "%s", sep);
			put_signal(t, sig, "");
			sep = " ";
		}
	trace_put(t, "]");
}

void trace_sigset(struct trace *t, uint64_t v, const struct trace_names *names)
{
	uint64_t set;

	if (trace_fetch(t, &set, v, sizeof(set)))
		trace_sigset_of(t, set);
}

/* pselect6's sixth argument. */
void trace_sigset_arg(struct trace *t, uint64_t v, const struct trace_names *names)
{
	uint64_t arg[2];

	if (!trace_fetch(t, arg, v, sizeof(arg)))
		return;
	trace_put(t, "{sigmask=");
	trace_sigset(t, arg[0], NULL);
	trace_put(t, ", sigsetsize=%lu}", arg[1]);
}

void trace_sigaction(struct trace *t, uint64_t v, const struct trace_names *names)
{
	struct sigaction_k a;

	if (!trace_fetch(t, &a, v, sizeof(a)))
		return;
	trace_put(t, "{sa_handler=");
	if (a.handler > SIG_IGN)
		trace_put(t, "%#lx", a.handler);
	else
		trace_put(t, a.handler == SIG_IGN ? "SIG_IGN" : "SIG_DFL");
	trace_put(t, ", sa_mask=");
	trace_sigset_of(t, a.mask);
	trace_put(t, ", sa_flags=");
	trace_flags_of(t, a.flags, &names_sa);
	if (a.flags & SA_RESTORER) {
		trace_put(t, ", sa_restorer=");
		trace_ptr_of(t, a.restorer);
	}
	trace_put(t, "}");
}

void trace_siginfo(struct trace *t, uint64_t v, const struct trace_names *names)
{
	struct abi_siginfo si;

	if (!trace_fetch(t, &si, v, sizeof(si)))
		return;
	if (!si.signo) { /* waitid without a child */
		trace_put(t, "{}");
		return;
	}
	trace_put(t, "{si_signo=");
	trace_signo_of(t, si.signo);
	trace_put(t, ", si_code=");
	trace_value_of(t, (uint32_t)si.code, si.signo == SIGCHLD && si.code > 0 ? &names_cld : &names_si_code);
	trace_put(t, ", si_pid=%d, si_uid=%u", si.pid, si.uid);
	if (si.signo == SIGCHLD && si.code > 0) {
		trace_put(t, ", si_status=");
		if (si.code == CLD_EXITED)
			trace_put(t, "%d", (int)si.value);
		else
			trace_signo_of(t, (int)si.value);
		trace_put(t, ", si_utime=0, si_stime=0"); /* as wait(2) leaves them here */
	}
	trace_put(t, "}");
}

void trace_sigevent(struct trace *t, uint64_t v, const struct trace_names *names)
{
	struct abi_sigevent e;

	if (!trace_fetch(t, &e, v, sizeof(e)))
		return;
	trace_put(t, "{");
	if (e.value)
		trace_put(t, "sigev_value={sival_int=%d, sival_ptr=%#lx}, ", (int)e.value, e.value);
	trace_put(t, "sigev_signo=");
	trace_signo_of(t, e.signo);
	trace_put(t, ", sigev_notify=");
	trace_value_of(t, (uint32_t)e.notify, &names_sigev);
	if (e.notify == SIGEV_THREAD_ID)
		trace_put(t, ", sigev_notify_thread_id=%d", e.tid);
	trace_put(t, "}");
}

void trace_stack(struct trace *t, uint64_t v, const struct trace_names *names)
{
	struct abi_stack ss;

	if (!trace_fetch(t, &ss, v, sizeof(ss)))
		return;
	trace_put(t, "{ss_sp=");
	trace_ptr_of(t, ss.sp);
	trace_put(t, ", ss_flags=");
	trace_flags_of(t, (uint32_t)ss.flags, &names_ss);
	trace_put(t, ", ss_size=%lu}", ss.size);
}
