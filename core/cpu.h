/* Per-CPU state. One CPU today; everything that SMP would multiply is in here from the start.
 *
 * The platform owns the memory (plat_cpu()) and may embed the structure in a larger one of its own. Entry assembly uses
 * the CPU_ offsets. */
#ifndef CORE_CPU_H
#define CORE_CPU_H

#define CPU_SELF 0       /* its own address (kvm: %gs:0) */
#define CPU_KSTACK 8     /* top of the current thread's kernel stack: a struct regs lies right below */
#define CPU_USER_RSP 16  /* scratch: the application's stack pointer during entry */
#define CPU_KSTACK_SP 24 /* 8 below that struct regs: what rsp is while C runs for the application */
#define CPU_WORK 32      /* 32 bits: non-zero means trap_return() must run before the application goes on */
#define CPU_IN_KERNEL 36 /* 32 bits: for the platform's use */

#ifndef __ASSEMBLER__
#include "core/types.h"

struct thread;

/* Reasons in cpu->work. */
enum {
	WORK_RESCHED = 1 << 0, /* another thread should run */
	WORK_SIGNAL = 1 << 1,  /* the current thread may have a signal to take, or must die */
};

struct cpu {
	struct cpu *self;
	uint64_t kstack_top;
	uint64_t user_rsp;
	uint64_t kstack_sp;
	uint32_t work;
	uint32_t in_kernel;
	struct thread *current;
	struct thread *idle;
	struct thread *fpu_owner; /* whose FPU state is in the registers */
	uint32_t id;
};
_Static_assert(offsetof(struct cpu, kstack_top) == CPU_KSTACK, "CPU_KSTACK");
_Static_assert(offsetof(struct cpu, user_rsp) == CPU_USER_RSP, "CPU_USER_RSP");
_Static_assert(offsetof(struct cpu, kstack_sp) == CPU_KSTACK_SP, "CPU_KSTACK_SP");
_Static_assert(offsetof(struct cpu, work) == CPU_WORK, "CPU_WORK");

#endif
#endif
