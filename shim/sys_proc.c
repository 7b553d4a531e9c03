/* System calls on processes: identity, process groups and sessions, limits, usage, scheduling parameters, waiting, the
 * end.
 *
 * Identities are replaced, never changed: a copy is made, changed and put in the process. uid 0 holds every privilege
 * and no other uid holds any (there are no separate capabilities). Scheduling policies and priorities are kept and
 * reported; there is one CPU and one queue.
 *
 * Missing: clone, fork, execve, ptrace, namespaces; children, so that waiting always answers ECHILD. */
#include "core/cpu.h"
#include "core/lib/string.h"
#include "core/mm/page.h"
#include "core/mm/space.h"
#include "core/proc/itimer.h"
#include "shim/abi/resource.h"
#include "shim/abi/signal.h"
#include "shim/abi/structs.h"
#include "shim/shim.h"

/* ---- who am I ---- */

KEEPS_REGS long sys_getpid(void)
{
	return kstack_thread()->proc->pid;
}

long sys_gettid(void)
{
	return current_thread()->tid;
}

KEEPS_REGS long sys_getppid(void)
{
	return kstack_thread()->proc->parent->pid;
}

long sys_getuid(void)
{
	return cred_current()->ruid;
}

long sys_geteuid(void)
{
	return cred_current()->euid;
}

long sys_getgid(void)
{
	return cred_current()->rgid;
}

long sys_getegid(void)
{
	return cred_current()->egid;
}

struct proc *proc_arg(int pid)
{
	return pid ? proc_by_pid(pid) : current_proc();
}

struct thread *thread_arg(int tid)
{
	return tid ? thread_by_tid(tid) : current_thread();
}

struct proc *task_arg(int tid)
{
	struct thread *t = thread_arg(tid);

	return t && t->proc ? t->proc : proc_by_pid(tid);
}

/* ---- groups and sessions ---- */

static bool group_in_session(int pgid, int sid)
{
	list_each(l, &proc_all) {
		struct proc *p = list_entry(l, struct proc, all_link);

		if (p->pgid == pgid && p->sid == sid && !p->zombie)
			return true;
	}
	return false;
}

long sys_setpgid(int pid, int pgid)
{
	struct proc *self = current_proc(), *p;

	if (pgid < 0)
		return -EINVAL;
	p = proc_arg(pid);
	if (!p || (p != self && p->parent != self))
		return -ESRCH;
	if (p != self && p->sid != self->sid)
		return -EPERM;
	if (p->sid == p->pid)
		return -EPERM;
	if (!pgid)
		pgid = p->pid;
	if (pgid != p->pid && !group_in_session(pgid, self->sid))
		return -EPERM;
	p->pgid = pgid;
	return 0;
}

long sys_getpgid(int pid)
{
	struct proc *p = proc_arg(pid);

	return p ? p->pgid : -ESRCH;
}

long sys_getpgrp(void)
{
	return current_proc()->pgid;
}

long sys_setsid(void)
{
	struct proc *self = current_proc();

	list_each(l, &proc_all)
		if (list_entry(l, struct proc, all_link)->pgid == self->pid)
			return -EPERM;
	self->sid = self->pgid = self->pid;
	return self->pid;
}

long sys_getsid(int pid)
{
	struct proc *p = proc_arg(pid);

	return p ? p->sid : -ESRCH;
}

/* ---- identities: credentials(7) ---- */

#define KEEP UINT32_MAX /* an id of -1: as it is */

static void cred_install(struct cred *c)
{
	struct proc *p = current_proc();
	struct cred *old = p->cred;

	/* A changed identity may not be inspected by others (prctl(2), PR_SET_DUMPABLE). */
	if (old->euid != c->euid || old->egid != c->egid || old->fsuid != c->fsuid || old->fsgid != c->fsgid)
		p->dumpable = 0;
	p->cred = c;
	cred_put(old);
}

/* The new real, effective and saved ids of either kind; the file system id follows the effective one. */
static int uids_set(uint32_t r, uint32_t e, uint32_t s)
{
	struct cred *c = cred_copy(cred_current());

	if (!c)
		return -ENOMEM;
	c->ruid = r;
	c->euid = c->fsuid = e;
	c->suid = s;
	cred_install(c);
	return 0;
}

static int gids_set(uint32_t r, uint32_t e, uint32_t s)
{
	struct cred *c = cred_copy(cred_current());

	if (!c)
		return -ENOMEM;
	c->rgid = r;
	c->egid = c->fsgid = e;
	c->sgid = s;
	cred_install(c);
	return 0;
}

static bool one_of(uint32_t id, uint32_t a, uint32_t b, uint32_t c)
{
	return id == a || id == b || id == c;
}

long sys_setuid(uint32_t uid)
{
	const struct cred *c = cred_current();

	if (uid == KEEP)
		return -EINVAL;
	if (cred_is_root(c))
		return uids_set(uid, uid, uid);
	return one_of(uid, c->ruid, c->suid, c->ruid) ? uids_set(c->ruid, uid, c->suid) : -EPERM;
}

long sys_setgid(uint32_t gid)
{
	const struct cred *c = cred_current();

	if (gid == KEEP)
		return -EINVAL;
	if (cred_is_root(c))
		return gids_set(gid, gid, gid);
	return one_of(gid, c->rgid, c->sgid, c->rgid) ? gids_set(c->rgid, gid, c->sgid) : -EPERM;
}

/* setreuid(2): the saved id follows when the real one is set, or the effective one to other than the real one was. */
long sys_setreuid(uint32_t r, uint32_t e)
{
	const struct cred *c = cred_current();
	bool root = cred_is_root(c), saves;

	if (!root && ((r != KEEP && !one_of(r, c->ruid, c->euid, c->ruid)) ||
		      (e != KEEP && !one_of(e, c->ruid, c->euid, c->suid))))
		return -EPERM;
	saves = r != KEEP || (e != KEEP && e != c->ruid);
	r = r == KEEP ? c->ruid : r;
	e = e == KEEP ? c->euid : e;
	return uids_set(r, e, saves ? e : c->suid);
}

long sys_setregid(uint32_t r, uint32_t e)
{
	const struct cred *c = cred_current();
	bool root = cred_is_root(c), saves;

	if (!root && ((r != KEEP && !one_of(r, c->rgid, c->egid, c->rgid)) ||
		      (e != KEEP && !one_of(e, c->rgid, c->egid, c->sgid))))
		return -EPERM;
	saves = r != KEEP || (e != KEEP && e != c->rgid);
	r = r == KEEP ? c->rgid : r;
	e = e == KEEP ? c->egid : e;
	return gids_set(r, e, saves ? e : c->sgid);
}

static bool res_allowed(uint32_t id, uint32_t r, uint32_t e, uint32_t s)
{
	return id == KEEP || one_of(id, r, e, s);
}

long sys_setresuid(uint32_t r, uint32_t e, uint32_t s)
{
	const struct cred *c = cred_current();

	if (!cred_is_root(c) && !(res_allowed(r, c->ruid, c->euid, c->suid) && res_allowed(e, c->ruid, c->euid,
		c->suid) &&
				  res_allowed(s, c->ruid, c->euid, c->suid)))
		return -EPERM;
	return uids_set(r == KEEP ? c->ruid : r, e == KEEP ? c->euid : e, s == KEEP ? c->suid : s);
}

long sys_setresgid(uint32_t r, uint32_t e, uint32_t s)
{
	const struct cred *c = cred_current();

	if (!cred_is_root(c) && !(res_allowed(r, c->rgid, c->egid, c->sgid) && res_allowed(e, c->rgid, c->egid,
		c->sgid) &&
				  res_allowed(s, c->rgid, c->egid, c->sgid)))
		return -EPERM;
	return gids_set(r == KEEP ? c->rgid : r, e == KEEP ? c->egid : e, s == KEEP ? c->sgid : s);
}

static long three_ids_out(uptr_t a, uint32_t x, uptr_t b, uint32_t y, uptr_t c, uint32_t z)
{
	if (copyout(a, &x, sizeof(x)) || copyout(b, &y, sizeof(y)) || copyout(c, &z, sizeof(z)))
		return -EFAULT;
	return 0;
}

long sys_getresuid(uptr_t r, uptr_t e, uptr_t s)
{
	const struct cred *c = cred_current();

	return three_ids_out(r, c->ruid, e, c->euid, s, c->suid);
}

long sys_getresgid(uptr_t r, uptr_t e, uptr_t s)
{
	const struct cred *c = cred_current();

	return three_ids_out(r, c->rgid, e, c->egid, s, c->sgid);
}

/* setfsuid(2) has no way to fail: it returns what was before. */
long sys_setfsuid(uint32_t uid)
{
	const struct cred *c = cred_current();
	uint32_t old = c->fsuid;
	struct cred *n;

	if (uid == KEEP || uid == old || !(cred_is_root(c) || one_of(uid, c->ruid, c->euid, c->suid)))
		return old;
	n = cred_copy(c);
	if (n) {
		n->fsuid = uid;
		cred_install(n);
	}
	return old;
}

long sys_setfsgid(uint32_t gid)
{
	const struct cred *c = cred_current();
	uint32_t old = c->fsgid;
	struct cred *n;

	if (gid == KEEP || gid == old || !(cred_is_root(c) || one_of(gid, c->rgid, c->egid, c->sgid)))
		return old;
	n = cred_copy(c);
	if (n) {
		n->fsgid = gid;
		cred_install(n);
	}
	return old;
}

#define NGROUPS_MAX 65536

long sys_getgroups(int size, uptr_t list)
{
	const struct cred *c = cred_current();

	if (size < 0 || (size && (uint32_t)size < c->ngroups))
		return -EINVAL;
	if (size && c->ngroups && copyout(list, c->groups, c->ngroups * sizeof(*c->groups)))
		return -EFAULT;
	return c->ngroups;
}

long sys_setgroups(int size, uptr_t list)
{
	uint32_t *groups = NULL;
	struct cred *c;

	if (!caller_is_root())
		return -EPERM;
	if (size < 0 || size > NGROUPS_MAX)
		return -EINVAL;
	if (size) {
		groups = kmalloc((size_t)size * sizeof(*groups));
		if (!groups)
			return -ENOMEM;
		if (copyin(groups, list, (size_t)size * sizeof(*groups))) {
			kfree(groups);
			return -EFAULT;
		}
	}
	c = cred_copy(cred_current());
	if (!c) {
		kfree(groups);
		return -ENOMEM;
	}
	kfree(c->groups);
	c->groups = groups;
	c->ngroups = (uint32_t)size;
	cred_install(c);
	return 0;
}

/* ---- limits ---- */

/* setrlimit(2): the hard limit may be raised by root only. */
static int rlimit_set(struct proc *p, unsigned which, const struct rlimit *new)
{
	struct rlimit *l = &p->rlimits[which];

	if (new->cur > new->max)
		return -EINVAL;
	if (which == RLIMIT_NOFILE && new->max > NR_OPEN_MAX)
		return -EPERM;
	if (new->max > l->max && !caller_is_root())
		return -EPERM;
	*l = *new;
	return 0;
}

/* The caller's, or a process of the same identity: prlimit(2). */
static int rlimit_target(int pid, struct proc **out)
{
	const struct cred *c = cred_current(), *t;
	struct proc *p = proc_arg(pid);

	if (!p)
		return -ESRCH;
	*out = p;
	if (p == current_proc() || cred_is_root(c))
		return 0;
	t = p->cred;
	if (t && t->ruid == c->ruid && t->euid == c->ruid && t->suid == c->ruid && t->rgid == c->rgid &&
	    t->egid == c->rgid && t->sgid == c->rgid)
		return 0;
	return -EPERM;
}

long sys_prlimit64(int pid, uint32_t which, uptr_t unew, uptr_t uold)
{
	struct rlimit new, old;
	struct proc *p;
	int r;

	if (which >= RLIM_NLIMITS)
		return -EINVAL;
	if (unew && copyin(&new, unew, sizeof(new)))
		return -EFAULT;
	r = rlimit_target(pid, &p);
	if (r)
		return r;
	old = p->rlimits[which];
	if (unew) {
		r = rlimit_set(p, which, &new);
		if (r)
			return r;
	}
	return uold ? copyout(uold, &old, sizeof(old)) : 0;
}

long sys_getrlimit(uint32_t which, uptr_t uold)
{
	if (which >= RLIM_NLIMITS)
		return -EINVAL;
	return copyout(uold, &current_proc()->rlimits[which], sizeof(struct rlimit));
}

long sys_setrlimit(uint32_t which, uptr_t unew)
{
	struct rlimit new;

	if (copyin(&new, unew, sizeof(new)))
		return -EFAULT;
	return which >= RLIM_NLIMITS ? -EINVAL : rlimit_set(current_proc(), which, &new);
}

/* ---- usage ---- */

static struct abi_timeval timeval_of(uint64_t ns)
{
	return (struct abi_timeval){ (int64_t)(ns / NSEC_PER_SEC), (int64_t)(ns % NSEC_PER_SEC / NSEC_PER_USEC) };
}

long sys_getrusage(int who, uptr_t dst)
{
	struct thread *t = current_thread();
	struct proc *p = t->proc;
	struct abi_rusage u = { 0 };
	uint64_t ut = 0, st = 0;

	switch (who) {
	case RUSAGE_SELF:
		proc_times(p, &ut, &st);
		break;
	case RUSAGE_THREAD:
		st = t->stime;
		ut = thread_cpu_time(t) - st;
		break;
	case RUSAGE_CHILDREN:
		return copyout(dst, &u, sizeof(u));
	default:
		return -EINVAL;
	}
	u.utime = timeval_of(ut);
	u.stime = timeval_of(st);
	u.maxrss = (int64_t)((p->space->rss_anon + p->space->rss_file) << PAGE_SHIFT >> 10);
	u.minflt = (int64_t)p->space->faults_minor;
	u.majflt = (int64_t)p->space->faults_major;
	u.nvcsw = (int64_t)t->voluntary_switches;
	u.nivcsw = (int64_t)t->involuntary_switches;
	return copyout(dst, &u, sizeof(u));
}

#define TICK (NSEC_PER_SEC / 100) /* of times(2): sysconf(_SC_CLK_TCK) is 100 */

long sys_times(uptr_t dst)
{
	uint64_t ut, st;
	struct abi_tms t = { 0 };

	if (dst) {
		proc_times(current_proc(), &ut, &st);
		t.utime = (int64_t)(ut / TICK);
		t.stime = (int64_t)(st / TICK);
		if (copyout(dst, &t, sizeof(t)))
			return -EFAULT;
	}
	return (long)(clock_mono() / TICK);
}

/* ---- waiting ---- */

#define WAIT4_FLAGS  (WNOHANG | WUNTRACED | WCONTINUED | WAIT_NOTHREAD | WAIT_ALL | (int)WAIT_CLONE)
#define WAITID_FLAGS (WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | WAIT_NOTHREAD | WAIT_ALL | (int)WAIT_CLONE)

long sys_wait4(int pid, uptr_t status, int flags, uptr_t usage)
{
	if (flags & ~WAIT4_FLAGS)
		return -EINVAL;
	return pid == INT32_MIN ? -ESRCH : -ECHILD;
}

long sys_waitid(int type, int id, uptr_t info, int flags, uptr_t usage)
{
	if (flags & ~WAITID_FLAGS || !(flags & (WEXITED | WSTOPPED | WCONTINUED)))
		return -EINVAL;
	switch (type) {
	case P_ALL:
		return -ECHILD;
	case P_PID:
		return id <= 0 ? -EINVAL : -ECHILD;
	case P_PGID:
		return id < 0 ? -EINVAL : -ECHILD;
	case P_PIDFD:
		return id < 0 ? -EINVAL : -EBADF;
	}
	return -EINVAL;
}

/* ---- the end ---- */

long sys_exit(int code)
{
	thread_exit((code & 0xff) << 8);
}

long sys_exit_group(int code)
{
	proc_exit_group((code & 0xff) << 8);
}
