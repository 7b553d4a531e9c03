/* System calls on signals: actions, masks, pending sets, sending, and waiting for them.
 *
 * Actions and masks are kept and reported as the program sets them; core/proc/signal.c delivers. Linux's raw calls
 * work on sets of 64 bits whose size is passed along and must be 8. SIGKILL and SIGSTOP can be neither blocked nor
 * caught.
 *
 * Missing: rt_sigreturn does nothing useful until handlers are called; queued siginfo, so that sigtimedwait tells only
 * the number and real-time signals do not queue. */
#include "core/lib/string.h"
#include "core/cpu.h"
#include "core/proc/signal.h"
#include "shim/abi/signal.h"
#include "shim/abi/structs.h"
#include "shim/shim.h"

#define SIG_BIT(n) (1ul << ((n)-1))
#define UNBLOCKABLE (SIG_BIT(SIGKILL) | SIG_BIT(SIGSTOP))
#define SA_EXPOSE_TAGBITS 0x800
#define SA_KNOWN (SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_EXPOSE_TAGBITS | SA_RESTORER | SA_ONSTACK | \
		   SA_RESTART | \
		  SA_NODEFER | SA_RESETHAND)

static bool sig_valid(int sig)
{
	return sig >= 1 && sig <= NSIG;
}

/* Signals whose default action is to do nothing: signal(7). */
static bool ignored_by_default(int sig)
{
	return sig == SIGCHLD || sig == SIGCONT || sig == SIGURG || sig == SIGWINCH;
}

/* A signal set to be ignored is dropped if it is pending: sigaction(2), "Signal disposition". */
static void drop_pending(struct proc *p, int sig)
{
	p->sig_pending &= ~SIG_BIT(sig);
	list_each(l, &p->threads)
		list_entry(l, struct thread, proc_link)->sig_pending &= ~SIG_BIT(sig);
}

long sys_rt_sigaction(int sig, uptr_t uact, uptr_t uold, size_t size)
{
	struct proc *p = current_proc();
	struct sigaction_k act = { 0 }, old;

	if (size != SIGSET_SIZE)
		return -EINVAL;
	if (uact && copyin(&act, uact, sizeof(act)))
		return -EFAULT;
	if (!sig_valid(sig) || (uact && (SIG_BIT(sig) & UNBLOCKABLE)))
		return -EINVAL;
	old = p->sigactions->action[sig - 1];
	if (uact) {
		act.flags &= SA_KNOWN;
		act.mask &= ~UNBLOCKABLE;
		p->sigactions->action[sig - 1] = act;
		if (act.handler == SIG_IGN || (act.handler == SIG_DFL && ignored_by_default(sig)))
			drop_pending(p, sig);
	}
	return uold ? copyout(uold, &old, sizeof(old)) : 0;
}

/* ---- masks ---- */

/* A signal that has become deliverable is to be taken before the program goes on. */
static void mask_set(struct thread *t, uint64_t mask)
{
	t->sig_mask = mask & ~UNBLOCKABLE;
	if (signal_pending())
		plat_cpu()->work |= WORK_SIGNAL;
}

long sys_rt_sigprocmask(int how, uptr_t uset, uptr_t uold, size_t size)
{
	struct thread *t = current_thread();
	uint64_t set, old = t->sig_mask;

	if (size != SIGSET_SIZE)
		return -EINVAL;
	if (uset) {
		if (copyin(&set, uset, sizeof(set)))
			return -EFAULT;
		switch (how) {
		case SIG_BLOCK:
			set |= old;
			break;
		case SIG_UNBLOCK:
			set = old & ~set;
			break;
		case SIG_SETMASK:
			break;
		default:
			return -EINVAL;
		}
		mask_set(t, set);
	}
	return uold ? copyout(uold, &old, sizeof(old)) : 0;
}

int sigmask_swap(struct sigmask_save *save, uptr_t src, size_t size)
{
	struct thread *t = current_thread();
	uint64_t set;

	save->swapped = false;
	if (!src)
		return 0;
	if (size != SIGSET_SIZE)
		return -EINVAL;
	if (copyin(&set, src, sizeof(set)))
		return -EFAULT;
	save->old = t->sig_mask;
	save->swapped = true;
	mask_set(t, set);
	return 0;
}

void sigmask_restore(const struct sigmask_save *save)
{
	struct thread *t = current_thread();

	if (!save->swapped)
		return;
	if (signal_pending())
		signal_deliver(thread_regs(t));
	mask_set(t, save->old);
}

static uint64_t pending_set(const struct thread *t)
{
	return t->sig_pending | t->proc->sig_pending;
}

long sys_rt_sigpending(uptr_t dst, size_t size)
{
	struct thread *t = current_thread();
	uint64_t set = pending_set(t) & t->sig_mask;

	if (size > SIGSET_SIZE)
		return -EINVAL;
	return copyout(dst, &set, size);
}

/* Sleeps until a signal is to be taken. */
static void wait_for_signal(uint64_t deadline)
{
	struct waitq never;

	waitq_init(&never);
	(void)wait_event(&never, false, deadline);
}

long sys_rt_sigsuspend(uptr_t uset, size_t size)
{
	struct sigmask_save save;
	int r;

	if (size != SIGSET_SIZE)
		return -EINVAL;
	if (!uset)
		return -EFAULT;
	r = sigmask_swap(&save, uset, size);
	if (r)
		return r;
	wait_for_signal(TIME_NEVER);
	sigmask_restore(&save);
	return -EINTR;
}

long sys_pause(void)
{
	wait_for_signal(TIME_NEVER);
	return -EINTR;
}

/* Takes the lowest pending signal of the set, or 0. */
static int signal_take(struct thread *t, uint64_t set)
{
	uint64_t ready = pending_set(t) & set;
	int sig;

	if (!ready)
		return 0;
	sig = __builtin_ctzl(ready) + 1;
	if (t->sig_pending & SIG_BIT(sig))
		t->sig_pending &= ~SIG_BIT(sig);
	else
		t->proc->sig_pending &= ~SIG_BIT(sig);
	return sig;
}

static long siginfo_out(int sig, uptr_t dst)
{
	struct abi_siginfo si = { .signo = sig, .code = SI_USER, .pid = current_proc()->pid,
		.uid = cred_current()->ruid };

	return dst && copyout(dst, &si, sizeof(si)) ? -EFAULT : sig;
}

/* The set ends the sleep, blocked or not; what arrives is taken before anything delivers it. */
long sys_rt_sigtimedwait(uptr_t uset, uptr_t uinfo, uptr_t utimeout, size_t size)
{
	struct thread *t = current_thread();
	uint64_t set, deadline;
	int r, sig;

	if (size != SIGSET_SIZE)
		return -EINVAL;
	if (copyin(&set, uset, sizeof(set)))
		return -EFAULT;
	r = deadline_in(&deadline, utimeout);
	if (r)
		return r;
	set &= ~UNBLOCKABLE;
	sig = signal_take(t, set);
	if (!sig) {
		t->sig_wait = set;
		wait_for_signal(deadline);
		t->sig_wait = 0;
		sig = signal_take(t, set);
	}
	if (sig)
		return siginfo_out(sig, uinfo);
	return signal_pending() ? -EINTR : -EAGAIN;
}

/* ---- sending ---- */

/* kill(2): root, or the sender's real or effective uid is the target's real or saved one; SIGCONT within a session. */
static bool may_signal(const struct proc *p, int sig)
{
	const struct cred *c = cred_current(), *t = p->cred;

	if (cred_is_root(c) || p == current_proc())
		return true;
	if (t && (c->euid == t->ruid || c->euid == t->suid || c->ruid == t->ruid || c->ruid == t->suid))
		return true;
	return sig == SIGCONT && p->sid == current_proc()->sid;
}

static struct siginfo info_from_self(int sig, int code)
{
	return (struct siginfo){ .signo = sig, .code = code, .pid = current_proc()->pid, .uid = cred_current()->ruid };
}

/* To every process that `pick` names (pgid; -1: all but init and the caller). */
static long kill_many(int pgid, const struct siginfo *si)
{
	long r = -ESRCH;

	list_each(l, &proc_all) {
		struct proc *p = list_entry(l, struct proc, all_link);

		if (pgid == -1 ? p->pid == 1 || p == current_proc() : p->pgid != pgid)
			continue;
		if (si->signo && !sig_valid(si->signo))
			return -EINVAL;
		if (!may_signal(p, si->signo)) {
			r = r == -ESRCH ? -EPERM : r;
			continue;
		}
		if (si->signo)
			signal_send_proc(p, si);
		r = 0;
	}
	return r;
}

long sys_kill(int pid, int sig)
{
	struct siginfo si = info_from_self(sig, SI_USER);
	struct proc *p;

	if (pid == INT32_MIN)
		return -ESRCH;
	if (pid <= 0)
		return kill_many(pid == 0 ? current_proc()->pgid : pid == -1 ? -1 : -pid, &si);
	p = proc_by_pid(pid);
	if (!p)
		return -ESRCH;
	if (sig && !sig_valid(sig))
		return -EINVAL;
	if (!may_signal(p, sig))
		return -EPERM;
	return sig ? signal_send_proc(p, &si) : 0;
}

static long thread_kill(int tgid, int tid, const struct siginfo *si)
{
	struct thread *t = thread_by_tid(tid);

	if (!t || !t->proc || (tgid > 0 && t->proc->pid != tgid))
		return -ESRCH;
	if (si->signo && !sig_valid(si->signo))
		return -EINVAL;
	if (!may_signal(t->proc, si->signo))
		return -EPERM;
	return si->signo ? signal_send_thread(t, si) : 0;
}

long sys_tgkill(int tgid, int tid, int sig)
{
	struct siginfo si = info_from_self(sig, SI_TKILL);

	return tgid <= 0 || tid <= 0 ? -EINVAL : thread_kill(tgid, tid, &si);
}

long sys_tkill(int tid, int sig)
{
	struct siginfo si = info_from_self(sig, SI_TKILL);

	return tid <= 0 ? -EINVAL : thread_kill(0, tid, &si);
}

/* Only the kernel may say that a signal came from kill(2) or itself: si_code must be negative, but for oneself. */
static int queue_info_in(struct siginfo *si, uptr_t uinfo, int sig, int pid)
{
	struct abi_siginfo in;

	if (copyin(&in, uinfo, sizeof(in)))
		return -EFAULT;
	if ((in.code >= 0 || in.code == SI_TKILL) && pid != current_proc()->pid)
		return -EPERM;
	*si = (struct siginfo){ .signo = sig, .code = in.code, .err = in.err, .pid = in.pid, .uid = in.uid,
				.value = (int64_t)in.value };
	return 0;
}

long sys_rt_sigqueueinfo(int pid, int sig, uptr_t uinfo)
{
	struct siginfo si;
	struct proc *p;
	int r = queue_info_in(&si, uinfo, sig, pid);

	if (r)
		return r;
	p = pid > 0 ? proc_by_pid(pid) : NULL;
	if (!p)
		return -ESRCH;
	if (sig && !sig_valid(sig))
		return -EINVAL;
	if (!may_signal(p, sig))
		return -EPERM;
	return sig ? signal_send_proc(p, &si) : 0;
}

long sys_rt_tgsigqueueinfo(int tgid, int tid, int sig, uptr_t uinfo)
{
	struct siginfo si;
	int r;

	if (tgid <= 0 || tid <= 0)
		return -EINVAL;
	r = queue_info_in(&si, uinfo, sig, tgid);
	return r ? r : thread_kill(tgid, tid, &si);
}

/* ---- the alternate stack; returning from a handler ---- */

static bool on_altstack(const struct thread *t)
{
	uint64_t sp = thread_regs(current_thread())->rsp;

	return t->altstack_size && sp - t->altstack_sp < t->altstack_size;
}

static int altstack_set(struct thread *t, const struct abi_stack *ss)
{
	int mode = ss->flags & ~(int)SS_AUTODISARM;

	if (on_altstack(t))
		return -EPERM;
	if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
		return -EINVAL;
	if (mode == SS_DISABLE) {
		t->altstack_sp = t->altstack_size = 0;
		t->altstack_flags = ss->flags;
		return 0;
	}
	if (ss->size < MINSIGSTKSZ)
		return -ENOMEM;
	t->altstack_sp = ss->sp;
	t->altstack_size = ss->size;
	t->altstack_flags = ss->flags & (int)SS_AUTODISARM;
	return 0;
}

long sys_sigaltstack(uptr_t uss, uptr_t uold)
{
	struct thread *t = current_thread();
	struct abi_stack ss, old = { .sp = t->altstack_sp, .size = t->altstack_size, .flags = t->altstack_flags };
	int r;

	if (!t->altstack_size)
		old.flags |= SS_DISABLE;
	else if (on_altstack(t))
		old.flags |= SS_ONSTACK;
	if (uss) {
		if (copyin(&ss, uss, sizeof(ss)))
			return -EFAULT;
		r = altstack_set(t, &ss);
		if (r)
			return r;
	}
	return uold ? copyout(uold, &old, sizeof(old)) : 0;
}

/* Nothing has pushed a frame that this could undo: what Linux does with a bad one. */
long sys_rt_sigreturn(void)
{
	struct siginfo si = { .signo = SIGSEGV, .code = SI_KERNEL };

	signal_force(&si);
	return -EINTR;
}
