/* Processes: making, finding and releasing them, what they inherit, CPU time, and allocations that fail. */
#include "core/proc/proc.h"
#include "shim/abi/resource.h"
#include "tests/unit/filetest.h"

#define RAM (16ul << 20)
#define MS NSEC_PER_MSEC

static struct proc *p;

static void setup(void)
{
	fake_boot(RAM);
	p = current_proc();
	current_thread()->last_stamp = clock_mono();
}

static void teardown(void) { fake_check_leaks(); }

/* As a parent does that has waited for it. */
static void reap(struct proc *c)
{
	proc_release(c);
	list_remove(&c->all_link);
	list_remove(&c->sibling);
	proc_put(c);
}

static struct proc *child(void)
{
	struct proc *c;

	ck_assert_int_eq(proc_new(p, &c), 0);
	return c;
}

START_TEST(a_new_process)
{
	struct proc *c;

	fake_time_advance(5 * MS);
	c = child();
	ck_assert_uint_eq(c->refs, 1);
	ck_assert_ptr_eq(c->parent, p);
	ck_assert_ptr_eq(list_entry(p->children.prev, struct proc, sibling), c);
	ck_assert(list_empty(&c->children));
	ck_assert(list_empty(&c->threads));
	ck_assert_uint_eq(c->nthreads, 0);
	ck_assert_ptr_nonnull(c->files);
	ck_assert_ptr_ne(c->files, p->files);
	ck_assert_ptr_null(c->space);
	ck_assert(!c->zombie && !c->exiting);
	ck_assert_uint_eq(c->sig_pending, 0);
	ck_assert_uint_eq(c->start_time, 5 * MS);
	ck_assert_int_eq(c->dumpable, 1);
	ck_assert(!timer_armed(&c->itimer_real));
	reap(c);
}
END_TEST

START_TEST(inherited)
{
	struct rlimit saved = p->rlimits[RLIMIT_NOFILE];
	unsigned refs = p->cred->refs, mask = p->fs->umask;
	struct proc *c;

	p->rlimits[RLIMIT_NOFILE] = (struct rlimit){ 17, 99 };
	p->fs->umask = 077;
	c = child();
	ck_assert_mem_eq(c->rlimits, p->rlimits, sizeof(p->rlimits));
	ck_assert_uint_eq(c->rlimits[RLIMIT_NOFILE].cur, 17);
	ck_assert_int_eq(c->pgid, p->pgid);
	ck_assert_int_eq(c->sid, p->sid);
	ck_assert_ptr_eq(c->cred, p->cred);
	ck_assert_uint_eq(p->cred->refs, refs + 1);
	ck_assert_uint_eq(c->fs->umask, 077);
	ck_assert_ptr_ne(c->fs, p->fs);
	c->rlimits[RLIMIT_NOFILE].cur = 5; /* its own */
	ck_assert_uint_eq(p->rlimits[RLIMIT_NOFILE].cur, 17);
	reap(c);
	ck_assert_uint_eq(p->cred->refs, refs);
	p->rlimits[RLIMIT_NOFILE] = saved;
	p->fs->umask = mask;
}
END_TEST

START_TEST(without_a_parent)
{
	struct proc *c;

	ck_assert_int_eq(proc_new(NULL, &c), 0);
	ck_assert_ptr_null(c->parent);
	ck_assert_int_eq(c->pgid, c->pid);
	ck_assert_int_eq(c->sid, c->pid);
	ck_assert(cred_is_root(c->cred));
	ck_assert_uint_eq(c->fs->umask, 022);
	ck_assert_uint_eq(c->rlimits[RLIMIT_STACK].cur, 8ul << 20);
	ck_assert_uint_eq(c->rlimits[RLIMIT_NOFILE].cur, 1024);
	ck_assert_uint_eq(c->rlimits[RLIMIT_CORE].cur, 0);
	ck_assert_uint_eq(c->rlimits[RLIMIT_AS].cur, RLIM_INFINITY);
	for (unsigned i = 0; i < RLIM_NLIMITS; i++)
		ck_assert_uint_le(c->rlimits[i].cur, c->rlimits[i].max);
	reap(c);
}
END_TEST

START_TEST(found_by_pid)
{
	struct proc *a = child(), *b = child();
	int pid = a->pid;

	ck_assert_int_eq(b->pid, a->pid + 1);
	ck_assert_ptr_eq(proc_by_pid(a->pid), a);
	ck_assert_ptr_eq(proc_by_pid(b->pid), b);
	ck_assert_ptr_eq(proc_by_pid(p->pid), p);
	ck_assert_int_eq(proc_by_pid(1)->pid, 1);
	ck_assert_ptr_null(proc_by_pid(b->pid + 1));
	ck_assert_ptr_null(proc_by_pid(0));
	ck_assert_ptr_null(proc_by_pid(-1));
	ck_assert_uint_eq(a->refs, 1); /* finding takes none */
	reap(a);
	ck_assert_ptr_null(proc_by_pid(pid));
	reap(b);
}
END_TEST

START_TEST(references)
{
	struct proc *c = child();

	ck_assert_ptr_eq(proc_get(c), c);
	reap(c);
	ck_assert_uint_eq(c->refs, 1);
	ck_assert_ptr_null(c->files); /* let go of at once, whoever still looks at it */
	ck_assert_ptr_null(c->fs);
	proc_put(c);
}
END_TEST

START_TEST(release_disarms_timers)
{
	struct proc *c = child();

	timer_arm(&c->itimer_real, 5 * MS);
	proc_release(c);
	ck_assert(!timer_armed(&c->itimer_real));
	list_remove(&c->all_link);
	list_remove(&c->sibling);
	proc_put(c);
}
END_TEST

START_TEST(memory_is_short)
{
	unsigned refs = p->cred->refs;

	FAKE_EACH_FAILURE(n) {
		struct proc *c;
		struct list *last = p->children.prev, *last_all = proc_all.prev;
		int r = proc_new(p, &c);

		ck_assert_int_eq(r, fake_failed() ? -ENOMEM : 0);
		if (!r)
			reap(c);
		ck_assert_uint_eq(p->cred->refs, refs);
		ck_assert_ptr_eq(p->children.prev, last);
		ck_assert_ptr_eq(proc_all.prev, last_all);
		fake_check_leaks();
	}
	FAKE_EACH_FAILURE(n) {
		struct proc *c;
		int r = proc_new(NULL, &c);

		ck_assert_int_eq(r, fake_failed() ? -ENOMEM : 0);
		if (!r)
			reap(c);
		fake_check_leaks();
	}
}
END_TEST

START_TEST(cpu_times)
{
	struct thread other = { .utime = 30, .stime = 5 };
	uint64_t u0, s0, u, s;

	proc_times(p, &u0, &s0);
	fake_time_advance(4 * MS); /* since the current thread was switched to */
	proc_times(p, &u, &s);
	ck_assert_uint_eq(u - u0, 4 * MS);
	ck_assert_uint_eq(s, s0);
	list_append(&p->threads, &other.proc_link);
	p->dead_utime += 200;
	p->dead_stime += 100;
	proc_times(p, &u, &s);
	ck_assert_uint_eq(u - u0, 4 * MS + 230);
	ck_assert_uint_eq(s - s0, 105);
	list_remove(&other.proc_link);
	p->dead_utime -= 200;
	p->dead_stime -= 100;
}
END_TEST

START_TEST(limits_of_the_current_process)
{
	struct rlimit saved = p->rlimits[RLIMIT_FSIZE];

	p->rlimits[RLIMIT_FSIZE] = (struct rlimit){ 1, 2 };
	ck_assert_uint_eq(proc_rlimit(RLIMIT_FSIZE), 1);
	p->rlimits[RLIMIT_FSIZE] = saved;
	current_thread()->proc = NULL; /* a kernel thread has none */
	ck_assert_uint_eq(proc_rlimit(RLIMIT_FSIZE), RLIM_INFINITY);
	current_thread()->proc = p;
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *suite = unit_suite_new("proc", &tc, setup, teardown);

	tcase_add_test(tc, a_new_process);
	tcase_add_test(tc, inherited);
	tcase_add_test(tc, without_a_parent);
	tcase_add_test(tc, found_by_pid);
	tcase_add_test(tc, references);
	tcase_add_test(tc, release_disarms_timers);
	tcase_add_test(tc, memory_is_short);
	tcase_add_test(tc, cpu_times);
	tcase_add_test(tc, limits_of_the_current_process);
	return suite;
}
