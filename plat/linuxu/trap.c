/* linuxu: host signals become syscalls, faults and interrupts.
 *
 * The handlers run on one signal stack. Those of faults and syscalls block no signal (SA_NODEFER, empty mask), because a
 * handler that concerns the application is never returned from. Those of signals that only report something block each
 * other, or a flood of signals would overflow the stack; they unblock them when they do not return. signal_dispatch() decides by whom the signal hit:
 *   the application (its code or a trampoline): the frame goes to the thread's kernel stack, and the kernel is entered;
 *   the runner: faults go to trap_kernel_fault(); everything else only sets bits in cpu_state.in_kernel;
 *   one of the two exit sequences in entry.S: as the runner, and it is sent back to its start, which tests these bits.
 * application_runs (entry.S) tells the two apart. A fault is the application's whenever it is set: a program that jumps
 * into the runner's memory dies of it. Only if it gets to run the runner's code, all bets are off.
 * Nothing here sleeps while it is on the signal stack. What the program does with its own signals never reaches the
 * host. */
#include "plat/linuxu/linuxu.h"
#include "core/lib/string.h"
#include "shim/abi/errno.h"
#include "shim/abi/resource.h"
#include "shim/abi/signal.h"

_Static_assert(SYSCALL_MAX == 512 && SYSCALL_REGS == 2, "entry.S has these numbers too");

#define SIGNAL_STACK_SIZE (128 * 1024)
static char signal_stack[SIGNAL_STACK_SIZE] __attribute__((aligned(64)));

/* The application's last exception, from signal_dispatch() to user_fault(), between which nothing else runs. */
static struct {
	unsigned vec;
	uint64_t err, addr;
} fault;

static const uint8_t reports[] = { SIGALRM, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH, SIGHUP, SIGINT, SIGQUIT };
#define SIGNAL_BIT(sig) (1ul << ((sig) - 1))

static unsigned kernel_faults; /* nesting: a fault in the handling of a kernel fault */

/* ---- where was it? ---- */

static bool in_range(uint64_t a, const void *start, const void *end)
{
	return a >= HP(start) && a < HP(end);
}

static struct regs *application_frame(void)
{
	return (struct regs *)cpu_state.kstack_top - 1;
}

static void frame_from_host(struct regs *r, const struct host_ucontext *uc)
{
	r->r15 = uc->r15;
	r->r14 = uc->r14;
	r->r13 = uc->r13;
	r->r12 = uc->r12;
	r->rbp = uc->rbp;
	r->rbx = uc->rbx;
	r->r11 = uc->r11;
	r->r10 = uc->r10;
	r->r9 = uc->r9;
	r->r8 = uc->r8;
	r->rax = uc->rax;
	r->rcx = uc->rcx;
	r->rdx = uc->rdx;
	r->rsi = uc->rsi;
	r->rdi = uc->rdi;
	r->orig_rax = (uint64_t)-1;
	r->rip = uc->rip;
	r->cs = USER_CS;
	r->rflags = uc->rflags;
	r->rsp = uc->rsp;
	r->ss = USER_SS;
}

static void frame_to_host(struct host_ucontext *uc, const struct regs *r)
{
	uc->r15 = r->r15;
	uc->r14 = r->r14;
	uc->r13 = r->r13;
	uc->r12 = r->r12;
	uc->rbp = r->rbp;
	uc->rbx = r->rbx;
	uc->r11 = r->r11;
	uc->r10 = r->r10;
	uc->r9 = r->r9;
	uc->r8 = r->r8;
	uc->rax = r->rax;
	uc->rcx = r->rcx;
	uc->rdx = r->rdx;
	uc->rsi = r->rsi;
	uc->rdi = r->rdi;
	uc->rip = r->rip;
	uc->rflags = r->rflags;
	uc->rsp = r->rsp;
}

/* ---- interrupts ---- */

unsigned irq_take(void)
{
	unsigned irqs = __atomic_exchange_n(&cpu_state.in_kernel, 0, __ATOMIC_RELAXED);

	if ((irqs & IRQ_TIMER) && !time_timer_fired())
		irqs &= ~(unsigned)IRQ_TIMER;
	if (streams_waiting() && streams_check())
		irqs |= IRQ_STDIO;
	return irqs;
}

/* Pending work before the application goes on; called again until there is none. */
void user_return(struct regs *r)
{
	if (cpu_state.in_kernel) {
		unsigned irqs = irq_take();

		if (streams_waiting())
			streams_tick();
		if (irqs)
			trap_irq(irqs);
	}
	if (cpu_state.work)
		trap_return(r);
}

/* The signal hit a handler's last instructions, with the flag set again: where that one was going to return to. */
static struct host_ucontext *outer_context(const struct host_ucontext *uc)
{
	if (!in_range(uc->rsp, signal_stack, signal_stack + sizeof(signal_stack)))
		return NULL;
	if (in_range(uc->rip, signal_leave, signal_leave_end))
		return (struct host_ucontext *)(uintptr_t)(uc->rsp + 8);
	if (in_range(uc->rip, __restore_rt, __restore_rt_end))
		return (struct host_ucontext *)(uintptr_t)uc->rsp;
	return NULL;
}

/* A signal that only reports something has hit `uc`; application: application_runs was set then. */
static int interrupted(struct host_ucontext *uc, bool application)
{
	struct host_ucontext *outer = application ? outer_context(uc) : NULL;

	if (outer) {
		int leave = interrupted(outer, true);

		uc->fpstate = outer->fpstate; /* signal_entry loads it from here */
		return leave == LEAVE_IRQ ? leave : LEAVE_RESUME;
	}
	if (in_range(uc->rip, exit_syscall, exit_syscall_end)) {
		uc->rip = HP(exit_syscall);
		uc->rsp = HP(application_frame()) - 8;
		return LEAVE_REWOUND;
	}
	if (in_range(uc->rip, exit_full, exit_full_end)) {
		uc->rip = HP(exit_full);
		uc->rsp = HP(application_frame()) - 8;
		return LEAVE_REWOUND;
	}
	if (!application) {
		if (in_range(uc->rip, idle_wait_begin, idle_wait_end))
			uc->rip = HP(idle_wait_out);
		return LEAVE_RESUME;
	}
	if (in_range(uc->rip, entry_syscall, entry_syscall_taken) || in_range(uc->rip, signal_entry, signal_entry_taken))
		return LEAVE_RESUME;
	frame_from_host(application_frame(), uc);
	patch_rewind(application_frame());
	return LEAVE_IRQ;
}

static int forwarded(int sig, struct host_ucontext *uc, bool application)
{
	signal_forward(sig);
	irq_raise(IRQ_SIGNAL);
	return interrupted(uc, application);
}

/* ---- syscalls ---- */

static int trapped(const struct host_siginfo *si, struct host_ucontext *uc)
{
	struct regs *r = application_frame();

	if (si->sys.arch != HOST_ARCH_X86_64) { /* int 0x80: no 32-bit interface here */
		uc->rax = (uint64_t)-ENOSYS;
		return LEAVE_RESUME;
	}
	frame_from_host(r, uc);
	r->orig_rax = (uint64_t)(int64_t)si->sys.syscall;
	return LEAVE_SYSCALL;
}

/* On the kernel stack now. The caller then makes the call from the frame. */
void user_syscall_trapped(struct regs *r)
{
	patch_site(r);
}

/* For an application that runs with odd flags, and for SYSCALL_REGS: the frame is made complete, and exit_full
 * follows. */
void user_syscall_slow(struct regs *r)
{
	uint32_t nr = (uint32_t)r->orig_rax;
	syscall_fn *fn = nr < SYSCALL_MAX ? syscall_active[nr] : syscall_unknown;

	r->orig_rax = nr;
	r->rax = nr;
	r->rflags &= ~(uint64_t)RFLAGS_TF;
	r->rcx = r->rip;
	r->r11 = r->rflags;
	r->cs = USER_CS;
	r->ss = USER_SS;
	r->rax = (uint64_t)fn(r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9);
}

/* ---- faults ---- */

static void out_of_host_memory(const struct host_siginfo *si, const struct host_ucontext *uc)
{
	if (si->signo == SIGBUS && uc->trapno == VEC_PF)
		host_die("the host has no memory left for this program's RAM", 0);
}

/* What the exit sequences jump to is not canonical: as if the application had got there. */
static bool exit_faulted(const struct host_ucontext *uc)
{
	struct regs *r = application_frame();

	if (in_range(uc->rip, exit_syscall, exit_syscall_end)) {
		frame_from_host(r, uc);
		r->rip = uc->rcx;
	} else if (in_range(uc->rip, exit_full, exit_full_end)) {
		r->cs = USER_CS; /* all the rest is in place */
		r->ss = USER_SS;
	} else {
		return false;
	}
	fault.vec = VEC_GP;
	fault.err = fault.addr = 0;
	return true;
}

static int application_fault(const struct host_siginfo *si, struct host_ucontext *uc)
{
	unsigned access = uc->err & (PF_WRITE | PF_INSTR);
	bool present = false;

	if (exit_faulted(uc))
		return LEAVE_FAULT;
	fault.vec = (unsigned)uc->trapno;
	fault.err = fault.addr = 0;
	if (uc->rip >= USER_MAX) {
		/* Whatever happened there (the runner's own code, the host's vsyscall page with no trap number of its
		 * own): to the program, nothing is mapped. */
		fault.vec = VEC_PF;
		fault.err = PF_INSTR | PF_USER;
		fault.addr = uc->rip;
	} else if (fault.vec == VEC_PF) {
		out_of_host_memory(si, uc);
		if (mem_allowed(uc->cr2, access, &present) && mem_fill(uc->cr2, access, uc->rip))
			return LEAVE_RESUME;
		fault.err = access | PF_USER | (present ? PF_PRESENT : 0);
		fault.addr = uc->cr2;
	} else if (fault.vec == VEC_GP) {
		fault.err = uc->err;
	}
	frame_from_host(application_frame(), uc);
	return LEAVE_FAULT;
}

void user_fault(struct regs *r)
{
	trap_fault(r, fault.vec, fault.err, fault.addr);
}

static int kernel_fault(const struct host_siginfo *si, struct host_ucontext *uc)
{
	unsigned access = uc->err & (PF_WRITE | PF_INSTR);
	unsigned vec = (unsigned)uc->trapno;
	struct regs r;
	bool present;

	if (vec == VEC_PF) {
		out_of_host_memory(si, uc);
		/* The user copy met a page whose mapping the mirror does not hold (yet). */
		if (uc->cr2 < USER_MAX && !(access & PF_INSTR) && mem_allowed(uc->cr2, access, &present) &&
		    mem_fill(uc->cr2, access, uc->rip))
			return LEAVE_RESUME;
	}
	if (kernel_faults >= 3)
		host_die("a fault while handling a kernel fault", 0);
	kernel_faults++;
	frame_from_host(&r, uc);
	if (!trap_kernel_fault(&r, vec, vec == VEC_PF ? access : uc->err, vec == VEC_PF ? uc->cr2 : 0))
		plat_crash();
	kernel_faults--;
	frame_to_host(uc, &r);
	return LEAVE_RESUME;
}

static void unblock_signals(void)
{
	uint64_t none = 0;

	host_call4(HOST_rt_sigprocmask, SIG_SETMASK, HP(&none), 0, 8);
}

static int dispatch(int sig, struct host_siginfo *si, struct host_ucontext *uc, bool application)
{
	switch (sig) {
	case SIGSYS:
		if (si->code == HOST_SYS_USER_DISPATCH || si->code == HOST_SYS_SECCOMP)
			return trapped(si, uc);
		return LEAVE_RESUME;
	case SIGSEGV:
	case SIGBUS:
	case SIGILL:
	case SIGFPE:
	case SIGTRAP:
		if (si->code <= HOST_SI_TKILL_MAX)
			return forwarded(sig, uc, application);
		return application ? application_fault(si, uc) : kernel_fault(si, uc);
	case SIGALRM:
		if (si->code != SI_TIMER)
			return forwarded(sig, uc, application);
		irq_raise(IRQ_TIMER);
		return interrupted(uc, application);
	default:
		return forwarded(sig, uc, application);
	}
}

int signal_dispatch(int sig, struct host_siginfo *si, struct host_ucontext *uc, uint32_t application)
{
	int leave = dispatch(sig, si, uc, application);

	/* Another signal may have come in meanwhile, and found the runner at work. */
	if (leave == LEAVE_RESUME && application && cpu_state.in_kernel)
		leave = interrupted(uc, true);
	if (leave == LEAVE_IRQ)
		unblock_signals();
	return leave;
}

/* ---- setting it up ---- */

static void catch_signal(int sig, uint64_t mask)
{
	struct host_sigaction sa = {
		.handler = signal_entry,
		.flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTORER,
		.restorer = __restore_rt,
		.mask = mask,
	};
	long r = host_call4(HOST_rt_sigaction, (uint64_t)sig, HP(&sa), 0, 8);

	if (r < 0)
		host_die("rt_sigaction", r);
}

static void catch_reports(void)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < sizeof(reports); i++)
		mask |= SIGNAL_BIT(reports[i]);
	for (size_t i = 0; i < sizeof(reports); i++)
		catch_signal(reports[i], mask);
}

static void ignore_signal(int sig)
{
	struct host_sigaction sa = { .handler = (void (*)(void))1 };

	host_call4(HOST_rt_sigaction, (uint64_t)sig, HP(&sa), 0, 8);
}

struct sock_filter_host {
	uint16_t code;
	uint8_t jt, jf;
	uint32_t k;
};

/* Hosts without Syscall User Dispatch (before 5.11): a seccomp filter that traps by the instruction pointer's upper
 * half. It makes the runner's own calls a third slower. */
static long trap_by_seccomp(void)
{
	static const struct sock_filter_host filter[] = {
		{ 0x20, 0, 0, 12 },                            /* A = upper half of instruction_pointer */
		{ 0x35, 1, 0, (uint32_t)(USER_MAX >> 32) },    /* if (A >= …) skip one */
		{ 0x06, 0, 0, 0x00030000 },                    /* SECCOMP_RET_TRAP */
		{ 0x06, 0, 0, 0x7fff0000 },                    /* SECCOMP_RET_ALLOW */
	};
	struct {
		uint16_t len;
		const struct sock_filter_host *filter;
	} prog = { ARRAY_SIZE(filter), filter };
	long r = host_prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);

	return r < 0 ? r : host_prctl(PR_SET_SECCOMP, 2, HP(&prog), 0, 0);
}

void trap_init(void)
{
	static const uint8_t faults[] = { SIGSYS, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP };
	struct host_stack ss = { .sp = signal_stack, .size = sizeof(signal_stack) };
	long r = host_call3(HOST_sigaltstack, HP(&ss), 0, 0);

	if (r < 0)
		host_die("sigaltstack", r);
	ignore_signal(SIGPIPE);
	ignore_signal(SIGXFSZ);
	for (size_t i = 0; i < sizeof(faults); i++)
		catch_signal(faults[i], 0);
	catch_reports();
	unblock_signals();

	r = -ENOSYS;
	if (!options.no_sud)
		r = host_prctl(59 /* PR_SET_SYSCALL_USER_DISPATCH */, 1, USER_MAX, 0x3fffffffffff, 0);
	if (r < 0)
		r = trap_by_seccomp();
	if (r < 0)
		host_die("neither Syscall User Dispatch nor seccomp works on this host", r);
}

_Noreturn void plat_user_enter(struct regs *r)
{
	struct regs *f = application_frame();

	if (r != f)
		memmove(f, r, sizeof(*f));
	user_enter_frame();
}
