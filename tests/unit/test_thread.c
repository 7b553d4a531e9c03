/* Threads: what a new one looks like, ids, references, and allocations that fail. */
#include "core/main.h"
#include "core/mm/page.h"
#include "tests/unit/filetest.h"
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

#define RAM (16ul << 20)

static struct proc *p;

static void setup(void)
{
	fake_boot(RAM);
	p = current_proc();
}

static void teardown(void)
{
	ck_assert_uint_eq(p->nthreads, 1);
	fake_check_leaks();
#ifdef __SANITIZE_ADDRESS__
	/* A thread that ended has left the redzones of its last frames on a stack that is free pages now. */
	__asan_unpoison_memory_region(plat_direct_map() + FAKE_RAM_BASE, RAM);
#endif
}

static struct thread *new_thread(void)
{
	struct thread *t;

	ck_assert_int_eq(thread_new(p, &t), 0);
	return t;
}

static void drop(struct thread *t)
{
	list_remove(&t->proc_link);
	p->nthreads--;
	thread_put(t);
}

START_TEST(a_new_thread)
{
	struct thread *t = new_thread();

	ck_assert_int_eq(t->state, THREAD_BLOCKED);
	ck_assert(list_empty(&t->run_link));
	ck_assert_uint_eq(t->refs, 1);
	ck_assert_ptr_eq(t->proc, p);
	ck_assert_uint_eq(p->nthreads, 2);
	ck_assert_ptr_eq(list_entry(p->threads.prev, struct thread, proc_link), t);
	ck_assert_uint_eq(*(uint64_t *)t->kstack, KSTACK_CANARY);
	ck_assert_uint_eq(t->sig_pending | t->sig_mask | t->utime | t->stime, 0);
	ck_assert_ptr_nonnull(t->fpu);
	ck_assert_uint_eq((uint64_t)t->fpu % 64, 0);
	ck_assert(!timer_armed(&t->timer));
	drop(t);
}
END_TEST

START_TEST(application_frame)
{
	struct thread *t = new_thread();
	struct regs *r = thread_regs(t);

	ck_assert_ptr_eq(r + 1, t->kstack + KSTACK_SIZE);
	ck_assert_uint_eq(r->cs, USER_CS);
	ck_assert_uint_eq(r->ss, USER_SS);
	ck_assert_uint_eq(r->rflags, RFLAGS_IF);
	ck_assert_uint_eq(r->orig_rax, ~0ul); /* no system call to restart */
	ck_assert_uint_eq(r->rip | r->rsp | r->rax | r->rdi | r->rsi | r->rdx | r->rcx | r->r8 | r->r15 | r->rbp, 0);
	drop(t);
}
END_TEST

/* What context_switch() pops: six registers and where to continue, below the application's frame. */
START_TEST(switch_frame)
{
	struct thread *t = new_thread();
	uint64_t *sp = (uint64_t *)t->ksp;

	ck_assert((char *)(sp + 7) <= (char *)thread_regs(t));
	ck_assert_uint_eq((uint64_t)(sp + 7) % 16, 0);
	ck_assert_uint_eq(sp[6], (uint64_t)thread_entry_trampoline);
	ck_assert_uint_ne(sp[4], 0);           /* rbx: the function */
	ck_assert_uint_eq(sp[3], (uint64_t)t); /* r12: its argument */
	ck_assert_uint_eq(sp[0] | sp[1] | sp[2] | sp[5], 0);
	drop(t);
}
END_TEST

static void noop(void *arg) {}

START_TEST(main_thread_starts_in_the_kernel)
{
	struct thread *t;

	ck_assert_int_eq(thread_new_main(p, noop, &t), 0);
	ck_assert_uint_eq(((uint64_t *)t->ksp)[4], (uint64_t)noop);
	drop(t);
}
END_TEST

START_TEST(ids)
{
	struct thread *a = new_thread(), *b = new_thread();
	int id = tid_alloc();

	ck_assert_int_eq(current_thread()->tid, p->pid); /* the first has its process's */
	ck_assert_int_gt(a->tid, p->pid);
	ck_assert_int_eq(b->tid, a->tid + 1);
	ck_assert_int_eq(id, b->tid + 1);
	ck_assert_ptr_eq(thread_by_tid(a->tid), a);
	ck_assert_ptr_eq(thread_by_tid(b->tid), b);
	ck_assert_ptr_eq(thread_by_tid(p->pid), current_thread());
	ck_assert_ptr_null(thread_by_tid(id));
	ck_assert_ptr_null(thread_by_tid(0));
	ck_assert_ptr_null(thread_by_tid(-1));
	id = a->tid;
	drop(a);
	ck_assert_ptr_null(thread_by_tid(id));
	drop(b);
}
END_TEST

START_TEST(references)
{
	struct page_stats before, after;
	struct thread *t = new_thread();

	page_stats(&before);
	ck_assert_ptr_eq(thread_get(t), t);
	thread_put(t);
	page_stats(&after);
	ck_assert_uint_eq(before.free, after.free);
	plat_cpu()->fpu_owner = t; /* its state is in the registers */
	drop(t);
	ck_assert_ptr_null(plat_cpu()->fpu_owner); /* and nobody's now */
	page_stats(&after);
	ck_assert_uint_gt(after.free, before.free);
}
END_TEST

START_TEST(memory_is_short)
{
	FAKE_EACH_FAILURE(n) {
		struct thread *t;
		int r = thread_new(p, &t);

		ck_assert_int_eq(r, fake_failed() ? -ENOMEM : 0);
		ck_assert_uint_eq(p->nthreads, r ? 1 : 2);
		if (!r)
			drop(t);
		fake_check_leaks();
	}
	FAKE_EACH_FAILURE(n) {
		struct thread *t;
		int r = thread_new_main(p, noop, &t);

		ck_assert_int_eq(r, fake_failed() ? -ENOMEM : 0);
		if (!r)
			drop(t);
	}
	for (unsigned n = 1; n <= 2; n++) {
		fake_fail_after(n);
		ck_assert_int_eq(thread_new_kernel("k", noop, NULL, NULL), -ENOMEM);
		ck_assert(fake_failed());
	}
	fake_fail_after(0);
}
END_TEST

START_TEST(kernel_thread)
{
	struct thread *t;

	ck_assert_int_eq(thread_new_kernel("a name that is too long", noop, NULL, &t), 0);
	ck_assert_str_eq(t->comm, "a name that is ");
	ck_assert_ptr_null(t->proc);
	ck_assert_ptr_null(t->fpu);
	ck_assert_int_eq(t->state, THREAD_READY);
	ck_assert_int_gt(t->tid, 0);
	thread_get(t);
	sched_give_way();
	ck_assert_int_eq(t->state, THREAD_DEAD);
	ck_assert_uint_eq(t->refs, 1);
	thread_put(t);
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *suite = unit_suite_new("thread", &tc, setup, teardown);

	tcase_add_test(tc, a_new_thread);
	tcase_add_test(tc, application_frame);
	tcase_add_test(tc, switch_frame);
	tcase_add_test(tc, main_thread_starts_in_the_kernel);
	tcase_add_test(tc, ids);
	tcase_add_test(tc, references);
	tcase_add_test(tc, memory_is_short);
	tcase_add_test(tc, kernel_thread);
	return suite;
}
