/* Threads: making them, finding them by id, ending them.
 *
 * References: one for being alive (dropped by sched_end's successor, when the kernel stack is no longer in use), one for
 * each pointer kept elsewhere. Ids of threads and processes come from one counter, as on Linux. */
#include "core/proc/thread.h"
#include "core/cpu.h"
#include "core/lib/string.h"
#include "core/lib/util.h"
#include "core/main.h"
#include "core/mm/page.h"
#include "core/mm/slab.h"
#include "core/mm/uio.h"
#include "core/printf.h"
#include "core/proc/futex.h"
#include "core/proc/proc.h"
#include "core/sched.h"
#include "shim/abi/errno.h"

/* What context_switch pops: r15 r14 r13 r12 rbx rbp and the return address; the
 * stack is then 16-byte aligned at the trampoline's call. */
enum { FRAME_ARG = 3, FRAME_FN = 4, FRAME_RETURN = 6, FRAME_WORDS = 7 };

static int next_tid = 1;

int tid_alloc(void) { return next_tid++; }

static int thread_alloc(void (*fn)(void *), void *arg, struct thread **out)
{
	struct thread *t = kzalloc(sizeof(*t));
	struct page *stack;

	if (!t)
		return -ENOMEM;
	stack = page_alloc(KSTACK_ORDER, 0);
	if (!stack) {
		kfree(t);
		return -ENOMEM;
	}
	t->kstack = page_va(stack);
	kassert(!((uint64_t)t->kstack & (KSTACK_SIZE - 1)));
	*(struct kstack *)t->kstack = (struct kstack){ KSTACK_CANARY, t };
	t->refs = 1;
	t->state = THREAD_BLOCKED;
	list_init(&t->run_link);
	list_init(&t->proc_link);
	list_init(&t->waiter.link);
	timer_init(&t->timer, NULL);

	uint64_t *sp = (uint64_t *)ALIGN_DOWN((uint64_t)thread_regs(t), 16) - FRAME_WORDS;

	memset(sp, 0, FRAME_WORDS * sizeof(*sp));
	sp[FRAME_ARG] = (uint64_t)arg;
	sp[FRAME_FN] = (uint64_t)fn;
	sp[FRAME_RETURN] = (uint64_t)thread_entry_trampoline;
	t->ksp = (uint64_t)sp;
	*out = t;
	return 0;
}

int thread_new_kernel(const char *name, void (*fn)(void *), void *arg, struct thread **out)
{
	struct thread *t;
	int r = thread_alloc(fn, arg, &t);

	if (r)
		return r;
	str_copy(t->comm, name, sizeof(t->comm));
	t->tid = tid_alloc();
	if (out)
		*out = t;
	sched_wake(t);
	return 0;
}

static void enter_application(void *arg) { plat_user_enter(thread_regs(arg)); }

int thread_new(struct proc *p, struct thread **out)
{
	struct thread *t;
	int r = thread_alloc(enter_application, NULL, &t);

	if (r)
		return r;
	((uint64_t *)t->ksp)[FRAME_ARG] = (uint64_t)t;
	r = fpu_alloc(t);
	if (r) {
		thread_put(t);
		return r;
	}
	*thread_regs(t) = (struct regs){ .orig_rax = (uint64_t)-1, .cs = USER_CS, .ss = USER_SS, .rflags = RFLAGS_IF };
	t->tid = p->nthreads ? tid_alloc() : p->pid;
	t->proc = p;
	list_append(&p->threads, &t->proc_link);
	p->nthreads++;
	*out = t;
	return 0;
}

int thread_new_main(struct proc *p, void (*fn)(void *), struct thread **out)
{
	int r = thread_new(p, out);

	if (!r)
		((uint64_t *)(*out)->ksp)[FRAME_FN] = (uint64_t)fn;
	return r;
}

void thread_start(struct thread *t) { sched_wake(t); }

struct thread *thread_get(struct thread *t)
{
	t->refs++;
	return t;
}

void thread_put(struct thread *t)
{
	kassert(t->refs > 0);
	if (--t->refs)
		return;
	fpu_free(t);
	if (t->kstack)
		page_put(va_to_page(t->kstack));
	kfree(t);
}

struct thread *thread_by_tid(int tid)
{
	list_each(p, &proc_all) {
		struct proc *proc = list_entry(p, struct proc, all_link);

		list_each(l, &proc->threads) {
			struct thread *t = list_entry(l, struct thread, proc_link);

			if (t->tid == tid)
				return t;
		}
	}
	return NULL;
}

/* CLONE_CHILD_CLEARTID and the robust futexes: both touch user memory, and an address gone bad is the program's affair. */
static void release_user_state(struct thread *t)
{
	uint32_t zero = 0;

	futex_exit_robust(t);
	if (t->clear_child_tid && t->proc->nthreads > 1 && copyout(t->clear_child_tid, &zero, sizeof(zero)) == 0)
		futex_wake(t->clear_child_tid, true, 1, ~0u);
	t->clear_child_tid = 0;
}

_Noreturn void thread_exit(int status)
{
	struct thread *t = current_thread();
	struct proc *p = t->proc;

	if (p) {
		if (p->space)
			release_user_state(t);
		t->utime += clock_mono() - t->last_stamp;
		t->last_stamp = clock_mono();
		if (p->nthreads == 1)
			proc_exit(p, status);
		p->dead_utime += t->utime;
		p->dead_stime += t->stime;
		list_remove(&t->proc_link);
		p->nthreads--;
		t->proc = NULL;
	}
	sched_end();
}
