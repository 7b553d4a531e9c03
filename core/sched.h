/* The scheduler: one run queue, first in first out, with a time slice for threads that compute in application code.
 * Kernel code is never preempted. */
#ifndef CORE_SCHED_H
#define CORE_SCHED_H

#include "core/cpu.h"
#include "plat/plat.h"

struct thread;

extern struct cpu *cpu_all[1];

void sched_init(void);

/* Makes t runnable (no-op when it is). */
void sched_wake(struct thread *t);

/* Gives up the CPU: the current thread stays runnable (yield) or not (block; its state was set by the caller). */
void sched_give_way(void);
void sched_block(void);

/* The current thread is dead: runs the others, never returns. Its last reference goes once its stack is free. */
_Noreturn void sched_end(void);

/* Called in loops whose length the caller of a syscall chooses, at least every 256 KiB of work: takes pending interrupts
 * and lets other threads run. May sleep. Returns -EINTR when the current thread has been killed and should unwind. */
int sched_point(void);

/* The current thread. Never NULL after sched_init(). */
static inline struct thread *current_thread(void) { return plat_cpu_fast()->current; }
struct proc *current_proc(void);

#endif
