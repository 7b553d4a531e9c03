/* Signals: pending sets, masks and actions, with default actions on delivery.
 *
 * Handlers arrive with their own frames later; until then a caught signal whose action is a handler acts as its default
 * does, so that a program is never silently deaf to SIGTERM. Stop signals are ignored: there is no job control yet. */
#include "core/proc/signal.h"
#include "core/cpu.h"
#include "core/file/file.h"
#include "core/printf.h"
#include "core/proc/proc.h"
#include "core/proc/thread.h"
#include "core/sched.h"
#include "plat/plat.h"
#include "shim/abi/errno.h"
#include "shim/abi/signal.h"

#define SIG_BIT(n) (1ul << ((n)-1))

static const char *const names[] = {
	"SIG0",    "SIGHUP",  "SIGINT",  "SIGQUIT", "SIGILL",    "SIGTRAP", "SIGABRT", "SIGBUS",
	"SIGFPE",  "SIGKILL", "SIGUSR1", "SIGSEGV", "SIGUSR2",   "SIGPIPE", "SIGALRM", "SIGTERM",
	"SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG",
	"SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO", "SIGPWR", "SIGSYS",
};

const char *signal_name(int sig)
{
	if (sig > 0 && (size_t)sig < sizeof(names) / sizeof(names[0]))
		return names[sig];
	return "SIGRT";
}

/* signal(7)'s table: what happens by default. Stops count as ignored. */
static bool default_ignored(int sig)
{
	switch (sig) {
	case SIGCHLD: case SIGCONT: case SIGURG: case SIGWINCH:
	case SIGSTOP: case SIGTSTP: case SIGTTIN: case SIGTTOU:
		return true;
	}
	return false;
}

static bool ignored(const struct proc *p, int sig)
{
	uint64_t handler = p->sigactions->action[sig - 1].handler;

	if (sig == SIGKILL)
		return false;
	return handler == SIG_IGN || default_ignored(sig);
}

/* The pending signals that would be acted on now. */
static uint64_t deliverable(const struct thread *t)
{
	uint64_t set = (t->sig_pending | t->proc->sig_pending) & (~t->sig_mask | t->sig_wait);

	if ((t->sig_pending | t->proc->sig_pending) & SIG_BIT(SIGKILL))
		set |= SIG_BIT(SIGKILL);
	return set;
}

static void notify(struct thread *t)
{
	signalfd_notify();
	if (!deliverable(t))
		return;
	if (t == current_thread() || t->state == THREAD_RUNNING)
		plat_cpu()->work |= WORK_SIGNAL;
	if (t->interruptible)
		sched_wake(t); /* waitq_sleep() returns -EINTR and leaves its queue */
}

int signal_send_thread(struct thread *t, const struct siginfo *si)
{
	if (si->signo < 0 || si->signo > NSIG)
		return -EINVAL;
	if (!si->signo || !t->proc)
		return 0;
	if (ignored(t->proc, si->signo) && !((t->sig_mask | t->sig_wait) & SIG_BIT(si->signo)))
		return 0;
	t->sig_pending |= SIG_BIT(si->signo);
	notify(t);
	return 0;
}

/* t would take the signal now, or sleeps in rt_sigtimedwait for it. */
static bool wants(const struct thread *t, int sig)
{
	return (~t->sig_mask | t->sig_wait) & SIG_BIT(sig);
}

int signal_send_proc(struct proc *p, const struct siginfo *si)
{
	struct thread *target = NULL;

	if (si->signo < 0 || si->signo > NSIG)
		return -EINVAL;
	if (!si->signo || p->pid == 1)
		return 0;
	list_each(l, &p->threads) {
		struct thread *t = list_entry(l, struct thread, proc_link);

		if (!target || wants(t, si->signo))
			target = t;
		if (wants(t, si->signo))
			break;
	}
	if (!target)
		return 0;
	if (ignored(p, si->signo) && !((target->sig_mask | target->sig_wait) & SIG_BIT(si->signo)))
		return 0;
	p->sig_pending |= SIG_BIT(si->signo);
	notify(target);
	return 0;
}

void signal_force(const struct siginfo *si)
{
	struct thread *t = current_thread();
	struct sigaction_k *a = &t->proc->sigactions->action[si->signo - 1];

	if (a->handler == SIG_IGN || (t->sig_mask & SIG_BIT(si->signo)))
		a->handler = SIG_DFL; /* sigaction(2): the default action, even if there is a handler */
	t->sig_mask &= ~SIG_BIT(si->signo);
	t->sig_pending |= SIG_BIT(si->signo);
	plat_cpu()->work |= WORK_SIGNAL;
}

bool signal_pending(void)
{
	struct thread *t = current_thread();

	if (t->killed)
		return true;
	return t->proc && t->proc->pid != 1 && deliverable(t);
}

void signal_deliver(struct regs *r)
{
	struct thread *t = current_thread();
	uint64_t set;

	plat_cpu()->work &= ~(uint32_t)WORK_SIGNAL;
	if (t->killed)
		proc_exit_group(t->proc->exit_status);
	while ((set = deliverable(t))) {
		int sig = set & SIG_BIT(SIGKILL) ? SIGKILL : __builtin_ctzl(set) + 1;

		t->sig_pending &= ~SIG_BIT(sig);
		t->proc->sig_pending &= ~SIG_BIT(sig);
		if (!ignored(t->proc, sig))
			proc_exit_group(sig);
	}
}
