/* Signals: pending sets, masks, what is ignored, forced signals, default actions and their wait status. */
#include "core/cpu.h"
#include "tests/unit/filetest.h"

#define RAM (16ul << 20)
#define BIT(n) (1ul << ((n) - 1))

static struct thread *t;
static struct proc *p;

static void setup(void)
{
	fake_boot(RAM);
	t = current_thread();
	p = current_proc();
}

static void teardown(void)
{
	t->sig_pending = t->sig_mask = t->sig_wait = p->sig_pending = 0;
	t->killed = p->exiting = false;
	p->exit_status = 0;
	plat_cpu()->work = 0;
	memset(p->sigactions->action, 0, sizeof(p->sigactions->action));
	if (!p->files) /* the process ended */
		ck_assert_int_eq(fdtable_new(&p->files), 0);
	fake_check_leaks();
}

static int to_thread(int sig) { return signal_send_thread(t, &(struct siginfo){ .signo = sig }); }
static int to_proc(int sig) { return signal_send_proc(p, &(struct siginfo){ .signo = sig }); }
static void force(int sig) { signal_force(&(struct siginfo){ .signo = sig }); }
static void set_handler(int sig, uint64_t h) { p->sigactions->action[sig - 1].handler = h; }

START_TEST(names)
{
	ck_assert_str_eq(signal_name(SIGHUP), "SIGHUP");
	ck_assert_str_eq(signal_name(SIGKILL), "SIGKILL");
	ck_assert_str_eq(signal_name(SIGTERM), "SIGTERM");
	ck_assert_str_eq(signal_name(31), "SIGSYS");
	ck_assert_str_eq(signal_name(34), "SIGRT");
	ck_assert_str_eq(signal_name(0), "SIGRT");
	ck_assert_str_eq(signal_name(-5), "SIGRT");
}
END_TEST

START_TEST(numbers)
{
	ck_assert_int_eq(to_thread(-1), -EINVAL);
	ck_assert_int_eq(to_thread(65), -EINVAL);
	ck_assert_int_eq(to_proc(-1), -EINVAL);
	ck_assert_int_eq(to_proc(65), -EINVAL);
	ck_assert_int_eq(to_thread(0), 0);
	ck_assert_int_eq(to_proc(0), 0);
	ck_assert(!signal_pending());
	ck_assert_int_eq(to_thread(64), 0);
	ck_assert_uint_eq(t->sig_pending, 1ul << 63);
	ck_assert(signal_pending());
}
END_TEST

START_TEST(pending_where_it_was_sent)
{
	ck_assert(!signal_pending());
	ck_assert_int_eq(to_thread(SIGTERM), 0);
	ck_assert_uint_eq(t->sig_pending, BIT(SIGTERM));
	ck_assert_uint_eq(p->sig_pending, 0);
	ck_assert_int_eq(to_proc(SIGINT), 0);
	ck_assert_uint_eq(p->sig_pending, BIT(SIGINT));
	ck_assert(signal_pending());
	ck_assert_uint_eq(plat_cpu()->work & WORK_SIGNAL, WORK_SIGNAL);
}
END_TEST

START_TEST(masked)
{
	t->sig_mask = BIT(SIGTERM);
	to_thread(SIGTERM);
	to_proc(SIGTERM);
	ck_assert_uint_eq(t->sig_pending & p->sig_pending, BIT(SIGTERM));
	ck_assert(!signal_pending());
	ck_assert_uint_eq(plat_cpu()->work & WORK_SIGNAL, 0);
	signal_deliver(NULL); /* comes back */
	ck_assert_uint_eq(t->sig_pending & p->sig_pending, BIT(SIGTERM));
	t->sig_mask = 0;
	ck_assert(signal_pending());
}
END_TEST

START_TEST(kill_cannot_be_masked)
{
	t->sig_mask = ~0ul;
	set_handler(SIGKILL, SIG_IGN);
	to_proc(SIGKILL);
	ck_assert(signal_pending());
	ck_assert_exit(signal_deliver(NULL), SIGKILL);
}
END_TEST

START_TEST(ignored_by_default)
{
	static const int sigs[] = { SIGCHLD, SIGURG, SIGWINCH, SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU };

	for (size_t i = 0; i < ARRAY_SIZE(sigs); i++) {
		to_thread(sigs[i]);
		to_proc(sigs[i]);
		ck_assert(!signal_pending());
	}
	ck_assert_uint_eq(t->sig_pending | p->sig_pending, 0);
}
END_TEST

START_TEST(ignored_by_choice)
{
	set_handler(SIGTERM, SIG_IGN);
	to_thread(SIGTERM);
	to_proc(SIGTERM);
	ck_assert_uint_eq(t->sig_pending | p->sig_pending, 0);
	t->sig_mask = BIT(SIGTERM); /* blocked: kept, for the action may change before it is unblocked */
	to_thread(SIGTERM);
	to_proc(SIGTERM);
	ck_assert_uint_eq(t->sig_pending & p->sig_pending, BIT(SIGTERM));
	t->sig_mask = 0;
	signal_deliver(NULL); /* thrown away */
	ck_assert_uint_eq(t->sig_pending | p->sig_pending, 0);
}
END_TEST

/* rt_sigtimedwait: what it waits for ends the sleep, blocked or ignored as it may be. */
START_TEST(waited_for)
{
	t->sig_mask = t->sig_wait = BIT(SIGUSR1);
	to_thread(SIGUSR1);
	ck_assert(signal_pending());
	t->sig_wait = 0;
	ck_assert(!signal_pending());
	t->sig_pending = 0;
	t->sig_wait = BIT(SIGCHLD);
	to_proc(SIGCHLD);
	ck_assert_uint_eq(p->sig_pending, BIT(SIGCHLD));
	ck_assert(signal_pending());
}
END_TEST

/* Of several threads, the one that would take it is woken, a waiting one too. */
START_TEST(the_thread_that_wants_it)
{
	struct thread *second;

	ck_assert_int_eq(thread_new(p, &second), 0);
	second->interruptible = true; /* as if asleep */
	t->sig_mask = BIT(SIGUSR1) | BIT(SIGUSR2);
	second->sig_mask = BIT(SIGUSR1);
	to_proc(SIGUSR1); /* nobody */
	ck_assert_int_eq(second->state, THREAD_BLOCKED);
	p->sig_pending = 0;
	second->sig_wait = BIT(SIGUSR1);
	to_proc(SIGUSR1);
	ck_assert_int_eq(second->state, THREAD_READY);
	list_remove(&second->run_link);
	second->state = THREAD_BLOCKED;
	second->sig_wait = 0;
	p->sig_pending = 0;
	plat_cpu()->work = 0;
	to_proc(SIGUSR2);
	ck_assert_int_eq(second->state, THREAD_READY);
	ck_assert_uint_eq(plat_cpu()->work & WORK_SIGNAL, 0);
	list_remove(&second->run_link);
	second->state = THREAD_BLOCKED;
	second->interruptible = false; /* a sleep that nothing ends */
	to_proc(SIGUSR2);
	ck_assert_int_eq(second->state, THREAD_BLOCKED);
	list_remove(&second->proc_link);
	p->nthreads--;
	thread_put(second);
	sched_give_way(); /* drops the slice that the wake-up began */
	fake_time_advance(NSEC_PER_SEC);
}
END_TEST

START_TEST(the_kernels_process_gets_none)
{
	struct proc *init = p->parent;

	ck_assert_int_eq(init->pid, 1);
	ck_assert_int_eq(signal_send_proc(init, &(struct siginfo){ .signo = SIGKILL }), 0);
	ck_assert_uint_eq(init->sig_pending, 0);
}
END_TEST

START_TEST(forced)
{
	t->sig_mask = ~0ul;
	set_handler(SIGSEGV, SIG_IGN);
	force(SIGSEGV);
	ck_assert(signal_pending());
	ck_assert_uint_eq(t->sig_mask, ~BIT(SIGSEGV));
	ck_assert_uint_eq(p->sigactions->action[SIGSEGV - 1].handler, SIG_DFL);
	ck_assert_exit(signal_deliver(NULL), SIGSEGV);
}
END_TEST

START_TEST(forced_resets_a_blocked_handler)
{
	set_handler(SIGFPE, 0x401000);
	force(SIGFPE);
	ck_assert_uint_eq(p->sigactions->action[SIGFPE - 1].handler, 0x401000); /* not blocked: it may run */
	t->sig_pending = 0;
	t->sig_mask = BIT(SIGFPE);
	force(SIGFPE);
	ck_assert_uint_eq(p->sigactions->action[SIGFPE - 1].handler, SIG_DFL);
}
END_TEST

/* signal(7): every other signal ends the process; no core is written, so the status is the number alone. */
START_TEST(default_actions)
{
	bool thread = _i % 2;

	static int sig; /* survives the jump out of the exit */

	for (sig = 1; sig <= NSIG; sig++) {
		if (sig == SIGCHLD || sig == SIGCONT || sig == SIGURG || sig == SIGWINCH || (sig >= SIGSTOP && sig <= SIGTTOU))
			continue;
		if (thread)
			to_thread(sig);
		else
			to_proc(sig);
		ck_assert_exit(signal_deliver(NULL), sig);
		ck_assert_int_eq(p->exit_status, sig);
		ck_assert(t->killed);
		t->killed = p->exiting = false;
		ck_assert_int_eq(fdtable_new(&p->files), 0);
	}
}
END_TEST

START_TEST(lowest_number_first_but_kill_before_all)
{
	to_thread(SIGTERM);
	to_proc(SIGINT);
	ck_assert_exit(signal_deliver(NULL), SIGINT);
	t->killed = p->exiting = false;
	ck_assert_int_eq(fdtable_new(&p->files), 0);
	to_proc(SIGKILL);
	to_proc(SIGHUP);
	ck_assert_exit(signal_deliver(NULL), SIGKILL);
}
END_TEST

START_TEST(killed_threads_end)
{
	t->killed = true;
	t->sig_mask = ~0ul;
	p->exiting = true;
	p->exit_status = 3 << 8;
	ck_assert(signal_pending());
	ck_assert_exit(signal_deliver(NULL), 3 << 8);
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *suite = unit_suite_new("signal", &tc, setup, teardown);

	tcase_add_test(tc, names);
	tcase_add_test(tc, numbers);
	tcase_add_test(tc, pending_where_it_was_sent);
	tcase_add_test(tc, masked);
	tcase_add_test(tc, kill_cannot_be_masked);
	tcase_add_test(tc, ignored_by_default);
	tcase_add_test(tc, ignored_by_choice);
	tcase_add_test(tc, waited_for);
	tcase_add_test(tc, the_thread_that_wants_it);
	tcase_add_test(tc, the_kernels_process_gets_none);
	tcase_add_test(tc, forced);
	tcase_add_test(tc, forced_resets_a_blocked_handler);
	tcase_add_loop_test(tc, default_actions, 0, 2);
	tcase_add_test(tc, lowest_number_first_but_kill_before_all);
	tcase_add_test(tc, killed_threads_end);
	return suite;
}
