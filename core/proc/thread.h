/* A thread: a kernel stack, the registers of the application's thread, and what it waits for. */
#ifndef CORE_PROC_THREAD_H
#define CORE_PROC_THREAD_H

#include "core/lib/list.h"
#include "core/timer.h"
#include "core/wait.h"
#include "core/x86_64/regs.h"

struct proc;

#define KSTACK_ORDER 2 /* 16 KiB */
#define KSTACK_SIZE  (PAGE_SIZE << KSTACK_ORDER)
#define KSTACK_CANARY 0x6b636174736c656bul

/* The lowest words of a kernel stack, which is aligned to its size. */
struct kstack {
	uint64_t canary;
	struct thread *thread; /* whose stack it is */
};

enum thread_state { THREAD_RUNNING, THREAD_READY, THREAD_BLOCKED, THREAD_DEAD };

struct thread {
	/* scheduler */
	enum thread_state state;
	struct list run_link;   /* in the run queue when READY */
	uint64_t ksp;           /* saved kernel stack pointer while not running (switch.S) */
	char *kstack;           /* lowest address; struct kstack is there; NULL: the platform's boot stack */
	struct waiter waiter;   /* what waitq_sleep() sleeps on */
	struct timer timer;     /* and its deadline */
	int wake_reason;        /* result of waitq_sleep */
	bool interruptible;     /* sleeping so that a signal ends it */

	/* identity */
	int tid;
	struct proc *proc;      /* NULL for kernel threads */
	struct list proc_link;
	char comm[16];
	unsigned refs;

	/* application state that the entry frame does not hold */
	uint64_t fs_base, gs_base;
	void *fpu;              /* XSAVE area, 64-byte aligned; NULL: never used */
	bool fpu_valid;         /* fpu holds the state (else it is in the registers, or initial) */
	uptr_t clear_child_tid; /* set_tid_address */
	uptr_t robust_list;
	uint64_t robust_list_len;

	/* signals (core/proc/signal.h) */
	uint64_t sig_pending, sig_mask; /* bit n-1 is signal n */
	uint64_t sig_wait;      /* rt_sigtimedwait sleeps for these, blocked and ignored ones too */
	bool killed;            /* must unwind and exit */
	uint64_t altstack_sp, altstack_size; int altstack_flags;

	/* CPU time */
	uint64_t utime, stime, last_stamp;
	unsigned long voluntary_switches, involuntary_switches;
	uint64_t slice_end;
};

/* The application frame at the top of t's kernel stack. */
static inline struct regs *thread_regs(struct thread *t)
{
	return (struct regs *)(t->kstack + KSTACK_SIZE) - 1;
}

/* The thread whose kernel stack this code runs on: current_thread() in fewer instructions and fewer registers, for system
 * calls that do next to nothing else. Not for boot code and interrupts, which have stacks of the platform's. Hosted unit
 * tests run on the host's stack. */
#ifdef __SSE__
#define kstack_thread() current_thread()
#else
static inline struct thread *kstack_thread(void)
{
	uint64_t sp;

	__asm__("mov %%rsp, %0" : "=r"(sp));
	return ((struct kstack *)(sp & ~(KSTACK_SIZE - 1)))->thread;
}
#endif

/* A new kernel thread that runs fn(arg) and then exits. Runnable at once. */
int thread_new_kernel(const char *name, void (*fn)(void *), void *arg, struct thread **out);
/* A new application thread of p; its frame is zeroed; not runnable yet. */
int thread_new(struct proc *p, struct thread **out);
/* The first thread of the program: starts in the kernel with fn(NULL) on its own stack, which then enters the application. */
int thread_new_main(struct proc *p, void (*fn)(void *), struct thread **out);
/* Runs t in the application for the first time, from *thread_regs(t). */
void thread_start(struct thread *t);
struct thread *thread_get(struct thread *t);
void thread_put(struct thread *t);
struct thread *thread_by_tid(int tid); /* no reference taken; NULL */

/* Ends the current thread; the last one of a process ends that with `status` (a wait status). */
_Noreturn void thread_exit(int status);

/* core/x86_64/switch.S: saves callee-saved registers on the stack and rsp in *save, loads rsp and continues there. */
void context_switch(uint64_t *save, uint64_t load);
extern char thread_entry_trampoline[];
void thread_first_run(void (*fn)(void *), void *arg); /* called by it */

#endif
