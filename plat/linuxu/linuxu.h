/* What the files of plat/linuxu call each other for. See plat/plat.h for what core calls.
 *
 * The host process's addresses: the application below USER_MAX; the mirror's bookkeeping at MIRROR_BASE; the boot blob
 * and the runner's heap at BLOB_BASE and HEAP_BASE; the runner at 0x600000000000; RAM's direct map at DIRECT_MAP. The host puts
 * its own stack and vDSO at 0x7f…, and nothing else may be left to its choice: with the legacy layout (ulimit -s unlimited,
 * setarch -L) it chooses addresses of the application's. */
#ifndef PLAT_LINUXU_LINUXU_H
#define PLAT_LINUXU_LINUXU_H

#define MIRROR_BASE 0x500000000000
#define BLOB_BASE 0x510000000000
#define HEAP_BASE 0x520000000000
#define RUNNER_BASE 0x600000000000
#define DIRECT_MAP 0x610000000000

/* What signal_dispatch() tells signal_entry to do with the interrupted code. */
#define LEAVE_RESUME 0  /* go on where it was: sigreturn */
#define LEAVE_REWOUND 1 /* the same, but it was on its way to the application, and no longer is */
#define LEAVE_SYSCALL 2 /* the application's frame is on its kernel stack: it made a syscall, */
#define LEAVE_FAULT 3   /* it faulted (struct fault has the rest), */
#define LEAVE_IRQ 4     /* or it was interrupted */

#ifndef __ASSEMBLER__
#include "core/cpu.h"
#include "core/mm/pt.h"
#include "core/x86_64/regs.h"
#include "plat/linuxu/host.h"
#include "plat/plat.h"

/* The one CPU. work and in_kernel are tested together by the exit code: in_kernel holds the IRQ_ bits that came in
 * and have not been delivered. Signal handlers set bits in it at any moment, so it is only touched by atomic
 * instructions. */
extern struct cpu cpu_state;
_Static_assert(CPU_IN_KERNEL == CPU_WORK + 4 && CPU_WORK % 8 == 0, "work and in_kernel form one aligned word");
_Static_assert(offsetof(struct cpu, in_kernel) == CPU_IN_KERNEL, "CPU_IN_KERNEL");

static inline void irq_raise(unsigned irqs)
{
	__atomic_fetch_or(&cpu_state.in_kernel, irqs, __ATOMIC_RELAXED);
}

static inline bool cpu_has(unsigned leaf, unsigned reg, unsigned bit)
{
	unsigned r[4];

	__asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf & 0x80000000u), "c"(0));
	if (r[0] < leaf)
		return false;
	__asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(0));
	return (r[reg] >> bit) & 1;
}

/* ---- options (main.c) ---- */
struct options {
	const char *cmdline;
	uint64_t ram;
	int blob_fd, initrd_fd, trace_fd, log_fd;
	bool tty, no_sud, no_patch;
};
extern struct options options;
_Noreturn void host_die(const char *what, long err); /* a line on the log, then exit status 125 */

/* ---- entry.S ---- */
void _start(void);
void signal_entry(void);
void __restore_rt(void);
void entry_syscall(void);
extern uint32_t application_runs;
extern char entry_syscall_taken[], signal_entry_taken[], signal_leave[], signal_leave_end[], __restore_rt_end[];
extern char exit_syscall[], exit_syscall_end[], exit_full[], exit_full_end[];
extern char idle_wait_begin[], idle_wait_end[], idle_wait_out[];
_Noreturn void user_enter_frame(void); /* leaves to the application by the frame at the top of the kernel stack */
/* Waits in ppoll unless an interrupt is pending; an interrupt ends it with -EINTR, without a race. */
long idle_wait(struct host_pollfd *fds, unsigned n, const struct host_timespec *timeout);
extern char __runner_start[], __runner_end[]; /* linker: the whole image */

/* ---- trap.c ---- */
void trap_init(void);
int signal_dispatch(int sig, struct host_siginfo *si, struct host_ucontext *uc, uint32_t application);
void user_return(struct regs *r);
void user_fault(struct regs *r);
void user_syscall_trapped(struct regs *r);
void user_syscall_slow(struct regs *r);
/* Takes what is pending, drops what turns out to be nothing, and returns the rest for trap_irq(). */
unsigned irq_take(void);

/* ---- mem.c ---- */
struct patch_state;
struct plat_space {
	paddr_t root;
	struct patch_state *patch; /* in the same page */
};
/* Maps RAM and, behind it, the initrd (options.initrd_fd); returns the latter's address in the direct map. */
const void *mem_init(uint64_t ram, size_t initrd_len);
uint64_t mem_ram_size(void);
bool mem_in_direct_map(uint64_t va);
struct plat_space *mem_current(void);
/* The entry for addr in the current space allows access (PF_WRITE, PF_INSTR; 0 is a read). */
bool mem_allowed(uint64_t addr, unsigned access, bool *present);
/* Brings the mirror in line with the page table around addr. True when that can have cured the fault. */
bool mem_fill(uint64_t addr, unsigned access, uint64_t rip);

/* ---- patch.c ---- */
#define PATCH_STATE_OFFSET 64 /* of struct patch_state in the page of its struct plat_space */
void patch_init(bool enabled);
void patch_state_init(struct patch_state *st);
void patch_site(struct regs *r); /* the syscall at r->rip - 2 trapped: makes it a jump if that is worth it; may sleep */
void patch_rewind(struct regs *r); /* if r was interrupted in a trampoline: back to the syscall it stands for */

/* ---- time.c ---- */
void time_init(bool fsgsbase);
bool time_timer_fired(void); /* the host's timer came: true when the deadline has passed; else arms again */
/* A second deadline, for plat/linuxu itself; an earlier one stays. TIME_NEVER: none. */
void time_tick(uint64_t at);

/* ---- stdio.c ---- */
bool trace_error(void); /* the trace file did not take all, which a line on the log has said */
void streams_init(void);
bool streams_waiting(void); /* somebody wants to hear when a stream is ready */
bool streams_check(void);   /* asks the host now: true when something that is waited for is ready */
void streams_tick(void);    /* asks again in a while, should the program be computing then */
void signal_forward(int sig); /* for plat_signal_next(); called by handlers */

#endif
#endif
