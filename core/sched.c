/* The scheduler: one run queue, first in first out.
 *
 * A thread that blocks waits for interrupts on its own stack when nobody else can run, so a program that sleeps alone
 * never switches stacks. Application code is preempted when its slice is over and another thread waits (WORK_RESCHED);
 * kernel code never is. A thread that ended is freed by whoever runs next. */
#include "core/sched.h"
#include "core/cpu.h"
#include "core/lib/string.h"
#include "core/main.h"
#include "core/mm/page.h"
#include "core/mm/space.h"
#include "core/printf.h"
#include "core/proc/proc.h"
#include "core/proc/thread.h"
#include "plat/plat.h"
#include "shim/abi/errno.h"

#define SLICE_NS (10 * NSEC_PER_MSEC)

struct cpu *cpu_all[1]; /* debuggers find the current thread here (tools/gdb/doppel.py) */

static struct list run_queue = LIST_INIT(run_queue);
static struct timer slice_timer;
static struct thread boot_thread; /* runs core_main() on the platform's boot stack */
static struct thread *ended;      /* to be put once its stack is no longer in use */

struct proc *current_proc(void) { return current_thread()->proc; }

static void slice_over(struct timer *t)
{
	if (!list_empty(&run_queue))
		plat_cpu()->work |= WORK_RESCHED;
}

void sched_init(void)
{
	struct thread *t = &boot_thread;

	list_init(&t->run_link);
	list_init(&t->proc_link);
	list_init(&t->waiter.link);
	timer_init(&t->timer, NULL);
	timer_init(&slice_timer, slice_over);
	t->state = THREAD_RUNNING;
	t->refs = 1;
	memcpy(t->comm, "init", 5);
	t->last_stamp = clock_mono();
	cpu_all[0] = plat_cpu();
	cpu_all[0]->current = t;
}

void sched_wake(struct thread *t)
{
	if (t->state != THREAD_BLOCKED)
		return;
	t->state = THREAD_READY;
	list_append(&run_queue, &t->run_link);
	if (!timer_armed(&slice_timer) && plat_cpu()->current->state == THREAD_RUNNING)
		timer_arm(&slice_timer, clock_mono() + SLICE_NS);
}

/* The next thread to run; waits for interrupts until there is one. The time spent here is nobody's. */
static struct thread *pick_next(struct thread *from)
{
	struct thread *t;

	if (list_empty(&run_queue)) {
		uint64_t start = clock_mono();

		do
			plat_idle();
		while (list_empty(&run_queue));
		from->last_stamp += clock_mono() - start;
	}
	t = list_first(&run_queue, struct thread, run_link);
	list_remove(&t->run_link);
	return t;
}

static void account(struct thread *from, struct thread *to)
{
	uint64_t now = clock_mono();

	from->utime += now - from->last_stamp;
	to->last_stamp = now;
}

static void switch_to(struct thread *from, struct thread *to)
{
	struct cpu *cpu = plat_cpu();

	account(from, to);
	if (from->kstack)
		kassert(((struct kstack *)from->kstack)->canary == KSTACK_CANARY);
	cpu->current = to;
	cpu->kstack_top = (uint64_t)(to->kstack + KSTACK_SIZE);
	cpu->kstack_sp = (uint64_t)thread_regs(to) - 8;
	if (to->proc && to->proc->space && (!from->proc || from->proc->space != to->proc->space))
		space_activate(to->proc->space);
	if (from->proc) {
		from->fs_base = plat_fs_get();
		from->gs_base = plat_gs_get();
	}
	fpu_switch(to);
	if (to->proc) {
		plat_fs_set(to->fs_base);
		plat_gs_set(to->gs_base);
		cpu->work |= WORK_SIGNAL; /* it may have been sent one while it did not run */
	}
	context_switch(&from->ksp, to->ksp);
}

/* Runs on the new thread's stack after every switch. */
static void after_switch(void)
{
	struct thread *dead = ended;

	ended = NULL;
	if (dead)
		thread_put(dead);
}

void thread_first_run(void (*fn)(void *), void *arg)
{
	after_switch();
	fn(arg);
	thread_exit(0);
}

/* Takes the next thread off the queue, with a slice of its own if others wait. */
static struct thread *start_next(struct thread *from)
{
	struct thread *to = pick_next(from);

	plat_cpu()->work &= ~(uint32_t)WORK_RESCHED;
	to->state = THREAD_RUNNING;
	if (!list_empty(&run_queue))
		timer_arm(&slice_timer, clock_mono() + SLICE_NS);
	else
		timer_cancel(&slice_timer);
	return to;
}

static void run_next(struct thread *from)
{
	struct thread *to = start_next(from);

	if (to == from)
		return;
	switch_to(from, to);
	after_switch();
}

void sched_block(void)
{
	struct thread *t = current_thread();

	t->voluntary_switches++;
	if (t->state == THREAD_RUNNING) /* woken before it went to sleep */
		return;
	run_next(t);
}

void sched_give_way(void)
{
	struct thread *t = current_thread();

	plat_cpu()->work &= ~(uint32_t)WORK_RESCHED;
	if (list_empty(&run_queue))
		return;
	t->involuntary_switches++;
	t->state = THREAD_READY;
	list_append(&run_queue, &t->run_link);
	run_next(t);
}

/* The current thread is dead and gives up the CPU for good; its last reference goes once its stack is free. */
_Noreturn void sched_end(void)
{
	struct thread *t = current_thread();

	t->state = THREAD_DEAD;
	struct thread *to = start_next(t);

	kassert(!ended);
	ended = t;
	switch_to(t, to);
	panic("a dead thread was resumed");
}

int sched_point(void)
{
	struct thread *t = current_thread();

	plat_poll();
	if (plat_cpu()->work & WORK_RESCHED)
		sched_give_way();
	return t->killed ? -EINTR : 0;
}
