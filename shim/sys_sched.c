/* System calls on scheduling: policies, priorities, affinity, nice values, I/O priorities.
 *
 * There is one CPU and one queue without priorities: what a program sets is checked as on Linux, kept in its process
 * and reported back. */
#include "core/lib/string.h"
#include "shim/abi/resource.h"
#include "shim/abi/structs.h"
#include "shim/shim.h"

#define RT_PRIO_MAX 99
#define TIME_SLICE  (4 * NSEC_PER_MSEC) /* sched_rr_get_interval(2) of an ordinary thread */
#define RR_SLICE    (100 * NSEC_PER_MSEC)

long sys_sched_yield(void)
{
	sched_give_way();
	return 0;
}

/* The attributes of the thread `pid` names: 0, -EINVAL, -ESRCH. */
static int sched_target(int pid, struct proc **out)
{
	if (pid < 0)
		return -EINVAL;
	*out = task_arg(pid);
	return *out ? 0 : -ESRCH;
}

/* The caller may change processes of its own identity, root all. */
static bool may_change(const struct proc *p)
{
	const struct cred *c = cred_current();

	return cred_is_root(c) || (p->cred && (p->cred->euid == c->euid || p->cred->ruid == c->euid));
}

static bool is_realtime(int policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

static bool policy_known(int policy)
{
	return is_realtime(policy) || policy == SCHED_OTHER || policy == SCHED_BATCH || policy == SCHED_IDLE;
}

/* policy -1: as it is. */
static long sched_set(int pid, int policy, int priority)
{
	struct proc *p;
	int r = sched_target(pid, &p);

	if (r)
		return r;
	if (policy < 0)
		policy = p->attrs.sched_policy;
	policy &= ~SCHED_RESET_ON_FORK;
	if (!policy_known(policy) || priority < 0 || priority > RT_PRIO_MAX || is_realtime(policy) != (priority != 0))
		return -EINVAL;
	if (!may_change(p))
		return -EPERM;
	if (is_realtime(policy) && !caller_is_root() && (uint64_t)priority > p->rlimits[RLIMIT_RTPRIO].cur)
		return -EPERM;
	p->attrs.sched_policy = policy;
	p->attrs.sched_priority = priority;
	return 0;
}

long sys_sched_setscheduler(int pid, int policy, uptr_t param)
{
	int priority;

	if (policy < 0 || pid < 0 || !param)
		return -EINVAL;
	return copyin(&priority, param, sizeof(priority)) ? -EFAULT : sched_set(pid, policy, priority);
}

long sys_sched_setparam(int pid, uptr_t param)
{
	int priority;

	if (pid < 0 || !param)
		return -EINVAL;
	return copyin(&priority, param, sizeof(priority)) ? -EFAULT : sched_set(pid, -1, priority);
}

long sys_sched_getscheduler(int pid)
{
	struct proc *p;
	int r = sched_target(pid, &p);

	return r ? r : p->attrs.sched_policy;
}

long sys_sched_getparam(int pid, uptr_t param)
{
	struct proc *p;
	int r;

	if (!param)
		return -EINVAL;
	r = sched_target(pid, &p);
	return r ? r : copyout(param, &p->attrs.sched_priority, sizeof(int));
}

long sys_sched_get_priority_max(int policy)
{
	if (policy == SCHED_DEADLINE)
		return 0;
	return policy_known(policy) ? (is_realtime(policy) ? RT_PRIO_MAX : 0) : -EINVAL;
}

long sys_sched_get_priority_min(int policy)
{
	if (policy == SCHED_DEADLINE)
		return 0;
	return policy_known(policy) ? is_realtime(policy) : -EINVAL;
}

long sys_sched_rr_get_interval(int pid, uptr_t dst)
{
	struct proc *p;
	int r = sched_target(pid, &p);

	if (r)
		return r;
	switch (p->attrs.sched_policy) {
	case SCHED_FIFO:
		return timespec_out(dst, 0);
	case SCHED_RR:
		return timespec_out(dst, RR_SLICE);
	}
	return timespec_out(dst, TIME_SLICE);
}

long sys_sched_setattr(int pid, uptr_t uattr, uint64_t flags)
{
	struct abi_sched_attr a;
	uint32_t size;
	struct proc *p;
	int r;

	if (!uattr || pid < 0 || flags)
		return -EINVAL;
	if (copyin(&size, uattr, sizeof(size)))
		return -EFAULT;
	if (!size)
		size = sizeof(a);
	if (size < sizeof(a) || size > PAGE_SIZE)
		return -E2BIG;
	r = struct_in(&a, sizeof(a), uattr, size);
	if (r)
		return r;
	if ((int)a.policy < 0 || a.policy == SCHED_DEADLINE || (a.flags & ~1ul))
		return -EINVAL;
	r = (int)sched_set(pid, (int)a.policy, (int)a.priority);
	if (r || is_realtime((int)a.policy) || sched_target(pid, &p))
		return r;
	if (a.nice < p->attrs.nice && !caller_is_root())
		return -EPERM;
	p->attrs.nice = a.nice < -20 ? -20 : a.nice > 19 ? 19 : a.nice;
	return 0;
}

long sys_sched_getattr(int pid, uptr_t uattr, uint32_t size, uint64_t flags)
{
	struct abi_sched_attr a = { .size = sizeof(a) };
	struct proc *p;
	int r;

	if (!uattr || pid < 0 || size < sizeof(a) || size > PAGE_SIZE || flags)
		return -EINVAL;
	r = sched_target(pid, &p);
	if (r)
		return r;
	a.policy = (uint32_t)p->attrs.sched_policy;
	a.priority = (uint32_t)p->attrs.sched_priority;
	a.nice = is_realtime(p->attrs.sched_policy) ? 0 : p->attrs.nice;
	return copyout(uattr, &a, sizeof(a));
}

/* ---- affinity: one CPU, number 0 ---- */

long sys_sched_setaffinity(int pid, uint32_t len, uptr_t mask)
{
	uint8_t first = 0;
	struct proc *p;

	if (len && copyin(&first, mask, 1))
		return -EFAULT;
	p = task_arg(pid);
	if (!p)
		return -ESRCH;
	if (!may_change(p))
		return -EPERM;
	return first & 1 ? 0 : -EINVAL;
}

/* Returns the bytes written: one word, as a kernel with at most 64 CPUs does. */
long sys_sched_getaffinity(int pid, uint32_t len, uptr_t mask)
{
	uint64_t cpus = 1;

	if (len * 8ul < 1 || (len & 7))
		return -EINVAL;
	if (!task_arg(pid))
		return -ESRCH;
	return copyout(mask, &cpus, sizeof(cpus)) ? -EFAULT : (long)sizeof(cpus);
}

long sys_getcpu(uptr_t cpu, uptr_t node, uptr_t unused)
{
	uint32_t zero = 0;

	if ((cpu && copyout(cpu, &zero, sizeof(zero))) || (node && copyout(node, &zero, sizeof(zero))))
		return -EFAULT;
	return 0;
}

/* ---- nice values ---- */

static bool prio_selects(const struct proc *p, int which, int who)
{
	const struct proc *self = current_proc();

	if (p->zombie)
		return false;
	switch (which) {
	case PRIO_PROCESS:
		return who ? p->pid == who : p == self;
	case PRIO_PGRP:
		return p->pgid == (who ? who : self->pgid);
	}
	return p->cred && p->cred->ruid == (who ? (uint32_t)who : cred_current()->ruid);
}

/* The raw call answers 40 to 1 for -20 to 19, the most favourable of those selected. */
long sys_getpriority(int which, int who)
{
	long best = -ESRCH;

	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	list_each(l, &proc_all) {
		struct proc *p = list_entry(l, struct proc, all_link);

		if (prio_selects(p, which, who))
			best = MAX(best, 20l - p->attrs.nice);
	}
	return best;
}

long sys_setpriority(int which, int who, int nice)
{
	long r = -ESRCH;

	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	nice = nice < -20 ? -20 : nice > 19 ? 19 : nice;
	list_each(l, &proc_all) {
		struct proc *p = list_entry(l, struct proc, all_link);

		if (!prio_selects(p, which, who))
			continue;
		if (!may_change(p)) {
			r = -EPERM;
		} else if (nice < p->attrs.nice && !caller_is_root() &&
			   (uint64_t)(20 - nice) > p->rlimits[RLIMIT_NICE].cur) {
			r = -EACCES;
		} else {
			p->attrs.nice = nice;
			r = r == -ESRCH ? 0 : r;
		}
	}
	return r;
}

/* ---- I/O priorities: ioprio_set(2) ---- */

long sys_ioprio_set(int which, int who, int prio)
{
	int class = prio >> 13;

	if (which < 1 || which > 3 || class < 0 || class > 3 || (class && (prio & 0x1fff) > 7) || (!class &&
		(prio & 0x1fff)))
		return -EINVAL;
	if (class == 1 && !caller_is_root())
		return -EPERM;
	return which == 1 && !task_arg(who) ? -ESRCH : 0;
}

long sys_ioprio_get(int which, int who)
{
	if (which < 1 || which > 3)
		return -EINVAL;
	return which == 1 && !task_arg(who) ? -ESRCH : 0;
}
