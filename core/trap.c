/* Upcalls from the platform's entry code: faults, interrupts, and the work before the application goes on.
 *
 * A fault that the address space can resolve is retried by returning; every other one becomes the signal that Linux sends
 * for it (arch/x86 semantics: signal(7), sigaction(2) si_code). */
#include "core/cpu.h"
#include "core/main.h"
#include "core/mm/space.h"
#include "core/printf.h"
#include "core/proc/proc.h"
#include "core/proc/signal.h"
#include "core/proc/thread.h"
#include "core/sched.h"
#include "core/timer.h"
#include "core/file/file.h"
#include "plat/plat.h"
#include "shim/abi/errno.h"
#include "shim/abi/mman.h"
#include "shim/abi/signal.h"

/* Vector → signal and si_code for everything but page faults. */
static const struct {
	uint8_t sig;
	int8_t code;
} fault_signals[32] = {
	[VEC_DE] = { SIGFPE, FPE_INTDIV },  [VEC_DB] = { SIGTRAP, TRAP_TRACE }, [VEC_BP] = { SIGTRAP, TRAP_BRKPT },
	[VEC_OF] = { SIGSEGV, SEGV_MAPERR }, [VEC_BR] = { SIGSEGV, SEGV_MAPERR }, [VEC_UD] = { SIGILL, ILL_ILLOPN },
	[VEC_NM] = { SIGSEGV, SEGV_MAPERR }, [VEC_TS] = { SIGSEGV, SEGV_MAPERR }, [VEC_NP] = { SIGBUS, BUS_ADRALN },
	[VEC_SS] = { SIGBUS, BUS_ADRALN },  [VEC_GP] = { SIGSEGV, SEGV_MAPERR }, [VEC_MF] = { SIGFPE, FPE_FLTINV },
	[VEC_AC] = { SIGBUS, BUS_ADRALN },  [VEC_XM] = { SIGFPE, FPE_FLTINV },
};

static void out_of_memory(vaddr_t addr)
{
	struct proc *p = current_proc();

	kprintf("doppel: %s (pid %d) killed: no memory left for address 0x%lx; give the guest more with -m\n", p->comm, p->pid,
		addr);
	signal_force(&(struct siginfo){ .signo = SIGKILL });
}

static void page_fault(struct regs *r, uint64_t err, vaddr_t addr)
{
	unsigned access = err & PF_INSTR ? PROT_EXEC : err & PF_WRITE ? PROT_WRITE : PROT_READ;
	int e = addr < USER_MAX ? space_fault(current_proc()->space, addr, access) : -EFAULT;
	struct siginfo si = { .signo = SIGSEGV, .code = SEGV_MAPERR, .addr = addr };

	switch (e) {
	case 0:
		return;
	case -ENOMEM:
		out_of_memory(addr);
		return;
	case -EACCES:
		si.code = SEGV_ACCERR;
		break;
	case -EIO:
		si.signo = SIGBUS;
		si.code = BUS_ADRERR;
		break;
	}
	signal_force(&si);
}

void trap_fault(struct regs *r, unsigned vec, uint64_t err, uint64_t addr)
{
	r->orig_rax = (uint64_t)-1;
	if (vec == VEC_PF) {
		page_fault(r, err, addr);
		return;
	}
	if (vec >= 32 || !fault_signals[vec].sig)
		panic("unexpected exception %u in the application at rip 0x%lx", vec, r->rip);
	signal_force(&(struct siginfo){ .signo = fault_signals[vec].sig, .code = fault_signals[vec].code, .addr = r->rip });
}

bool trap_kernel_fault(struct regs *r, unsigned vec, uint64_t err, uint64_t addr)
{
	uint64_t fixup = vec == VEC_PF || vec == VEC_GP ? copy_fixup(r->rip) : 0;

	if (fixup) {
		r->rip = fixup;
		return true;
	}
	panic_regs(r, vec, err, addr);
}

void trap_irq(unsigned irqs)
{
	if (irqs & IRQ_TIMER)
		timer_run();
	if (irqs & IRQ_9P)
		p9_irq();
	if (irqs & (IRQ_STDIO | IRQ_SIGNAL))
		stdio_irq(irqs);
}

void trap_return(struct regs *r)
{
	struct cpu *cpu = plat_cpu();

	while (cpu->work) {
		if (cpu->work & WORK_RESCHED)
			sched_give_way();
		if (cpu->work & WORK_SIGNAL)
			signal_deliver(r);
	}
}

paddr_t core_page_get(void)
{
	struct page *p = page_alloc(0, PA_ZERO);

	return p ? page_to_pa(p) : 0;
}

void core_page_put(paddr_t pa) { page_put(pa_to_page(pa)); }
