/* System calls on processes, identities, limits, scheduling, signals, times, futexes and the system, decoded with the real
 * core below. */
#include "tests/unit/shimtest.h"
#include "shim/abi/futex.h"
#include "shim/abi/signal.h"
#include "shim/abi/structs.h"
#include "shim/abi/time.h"

#define BIT(sig) (1ul << ((sig)-1))

START_TEST(identity_of_root)
{
	uint32_t groups[3] = { 5, 6, 7 };

	ck_assert_int_eq(CALL(NR_getpid), 2);
	ck_assert_int_eq(CALL(NR_gettid), 2);
	ck_assert_int_eq(CALL(NR_getppid), 1);
	ck_assert_int_eq(CALL(NR_getuid), 0);
	ck_assert_int_eq(CALL(NR_setgroups, 3, u_put(0, groups, sizeof(groups))), 0);
	ck_assert_int_eq(CALL(NR_getgroups, 0, 0), 3);
	ck_assert_int_eq(CALL(NR_getgroups, 2, U), -EINVAL);
	ck_assert_int_eq(CALL(NR_getgroups, -1, U), -EINVAL);
	ck_assert_int_eq(CALL(NR_getgroups, 3, NOWHERE), -EFAULT);
	ck_assert_int_eq(CALL(NR_getgroups, 5, U + 0x100), 3);
	ck_assert_mem_eq(u_mem + 0x100, groups, sizeof(groups));
	ck_assert_int_eq(CALL(NR_setgroups, 65537, U), -EINVAL);
	ck_assert_int_eq(CALL(NR_setgroups, 3, NOWHERE), -EFAULT);
	ck_assert_int_eq(CALL(NR_setuid, -1), -EINVAL);
	ck_assert_int_eq(CALL(NR_setresuid, -1, 1000, -1), 0);
	ck_assert_int_eq(CALL(NR_geteuid), 1000);
	ck_assert_int_eq(CALL(NR_setgroups, 0, 0), -EPERM);
	ck_assert_int_eq(CALL(NR_setfsuid, -1), 1000);
	ck_assert_int_eq(CALL(NR_setresuid, -1, 0, -1), 0);
	ck_assert_int_eq(CALL(NR_getresuid, U, U + 4, U + 8), 0);
	ck_assert_mem_eq(u_mem, ((uint32_t[3]){ 0, 0, 0 }), 12);
	ck_assert_int_eq(CALL(NR_getresuid, U, NOWHERE, U + 8), -EFAULT);
}
END_TEST

START_TEST(root_is_given_up)
{
	ck_assert_int_eq(CALL(NR_setgid, 100), 0);
	ck_assert_int_eq(CALL(NR_setuid, 1000), 0);
	ck_assert_int_eq(CALL(NR_getresuid, U, U + 4, U + 8), 0);
	ck_assert_mem_eq(u_mem, ((uint32_t[3]){ 1000, 1000, 1000 }), 12);
	ck_assert_int_eq(CALL(NR_setuid, 0), -EPERM);
	ck_assert_int_eq(CALL(NR_setuid, 1000), 0);
	ck_assert_int_eq(CALL(NR_setgid, 0), -EPERM);
	ck_assert_int_eq(CALL(NR_setresuid, 1001, -1, -1), -EPERM);
	ck_assert_int_eq(CALL(NR_setreuid, -1, 0), -EPERM);
	ck_assert_int_eq(CALL(NR_setfsuid, 0), 1000);
	ck_assert_int_eq(CALL(NR_setfsuid, 1000), 1000);
	ck_assert_int_eq(CALL(NR_sethostname, U, 1), -EPERM);
	ck_assert_int_eq(CALL(NR_reboot, 0xfee1dead, 672274793, 0x4321fedc), -EPERM);
	ck_assert_int_eq(CALL(NR_settimeofday, 0, 0), -EPERM);
}
END_TEST

/* setreuid(2): when the saved id follows. */
START_TEST(saved_ids)
{
	ck_assert_int_eq(CALL(NR_setreuid, -1, 1000), 0); /* e becomes other than r was: saved follows */
	CALL(NR_getresuid, U, U + 4, U + 8);
	ck_assert_mem_eq(u_mem, ((uint32_t[3]){ 0, 1000, 1000 }), 12);
	ck_assert_int_eq(CALL(NR_setreuid, -1, 0), 0); /* e becomes r: it stays */
	CALL(NR_getresuid, U, U + 4, U + 8);
	ck_assert_mem_eq(u_mem, ((uint32_t[3]){ 0, 0, 1000 }), 12);
	ck_assert_int_eq(CALL(NR_setregid, 7, -1), 0); /* r is set: saved becomes e */
	CALL(NR_getresgid, U, U + 4, U + 8);
	ck_assert_mem_eq(u_mem, ((uint32_t[3]){ 7, 0, 0 }), 12);
}
END_TEST

START_TEST(limits)
{
	struct rlimit l = { 10, 5 };

	ck_assert_int_eq(CALL(NR_getrlimit, 16, U), -EINVAL);
	ck_assert_int_eq(CALL(NR_getrlimit, RLIMIT_NOFILE, NOWHERE), -EFAULT);
	ck_assert_int_eq(CALL(NR_setrlimit, RLIMIT_NOFILE, u_put(0, &l, sizeof(l))), -EINVAL);
	ck_assert_int_eq(CALL(NR_setrlimit, 16, U), -EINVAL);
	l = (struct rlimit){ 5, 2000000 };
	ck_assert_int_eq(CALL(NR_setrlimit, RLIMIT_NOFILE, u_put(0, &l, sizeof(l))), -EPERM);
	l.max = 100;
	ck_assert_int_eq(CALL(NR_prlimit64, 0, RLIMIT_NOFILE, u_put(0, &l, sizeof(l)), U + 0x100), 0);
	ck_assert_uint_eq(((struct rlimit *)(u_mem + 0x100))->max, 128);
	ck_assert_int_eq(CALL(NR_prlimit64, 9999, RLIMIT_NOFILE, 0, 0), -ESRCH);
	CALL(NR_setresuid, -1, 1000, -1);
	l.max = 101;
	ck_assert_int_eq(CALL(NR_setrlimit, RLIMIT_NOFILE, u_put(0, &l, sizeof(l))), -EPERM);
	l.max = 99;
	ck_assert_int_eq(CALL(NR_setrlimit, RLIMIT_NOFILE, u_put(0, &l, sizeof(l))), 0);
}
END_TEST

START_TEST(scheduling)
{
	struct abi_sched_attr a = { .size = sizeof(a), .policy = SCHED_BATCH, .nice = 5 };

	ck_assert_int_eq(CALL(NR_sched_getaffinity, 0, 128, U), 8);
	ck_assert_uint_eq(*(uint64_t *)u_mem, 1);
	ck_assert_int_eq(CALL(NR_sched_getaffinity, 0, 4, U), -EINVAL);
	ck_assert_int_eq(CALL(NR_sched_getaffinity, 0, 0, U), -EINVAL);
	ck_assert_int_eq(CALL(NR_sched_getaffinity, 9999, 8, U), -ESRCH);
	ck_assert_int_eq(CALL(NR_sched_getaffinity, 0, 8, NOWHERE), -EFAULT);
	ck_assert_int_eq(CALL(NR_sched_setaffinity, 0, 8, U), 0);
	*(uint64_t *)u_mem = 2;
	ck_assert_int_eq(CALL(NR_sched_setaffinity, 0, 8, U), -EINVAL);
	ck_assert_int_eq(CALL(NR_sched_setaffinity, 0, 0, 0), -EINVAL);
	*(int *)u_mem = 0;
	ck_assert_int_eq(CALL(NR_sched_setscheduler, 0, SCHED_OTHER, U), 0);
	ck_assert_int_eq(CALL(NR_sched_setscheduler, 0, SCHED_FIFO, U), -EINVAL);
	ck_assert_int_eq(CALL(NR_sched_setscheduler, 0, 4, U), -EINVAL);
	ck_assert_int_eq(CALL(NR_sched_setscheduler, 0, 0, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_sched_setscheduler, 0, 0, NOWHERE), -EFAULT);
	*(int *)u_mem = 50;
	ck_assert_int_eq(CALL(NR_sched_setscheduler, 0, SCHED_RR, U), 0);
	ck_assert_int_eq(CALL(NR_sched_getscheduler, 0), SCHED_RR);
	ck_assert_int_eq(CALL(NR_sched_getparam, 0, U + 8), 0);
	ck_assert_int_eq(*(int *)(u_mem + 8), 50);
	ck_assert_int_eq(CALL(NR_sched_get_priority_max, SCHED_FIFO), 99);
	ck_assert_int_eq(CALL(NR_sched_get_priority_min, SCHED_FIFO), 1);
	ck_assert_int_eq(CALL(NR_sched_get_priority_max, 4), -EINVAL);
	ck_assert_int_eq(CALL(NR_sched_setattr, 0, u_put(0, &a, sizeof(a)), 1), -EINVAL);
	ck_assert_int_eq(CALL(NR_sched_setattr, 0, U, 0), 0);
	ck_assert_int_eq(CALL(NR_sched_getattr, 0, U + 0x100, 48, 0), 0);
	ck_assert_mem_eq(u_mem + 0x100, &a, sizeof(a));
	ck_assert_int_eq(CALL(NR_sched_getattr, 0, U + 0x100, 47, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_getpriority, PRIO_PROCESS, 0), 15);
	ck_assert_int_eq(CALL(NR_setpriority, PRIO_PROCESS, 0, 100), 0);
	ck_assert_int_eq(CALL(NR_getpriority, PRIO_PROCESS, 2), 1);
	ck_assert_int_eq(CALL(NR_getpriority, 3, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_getpriority, PRIO_PROCESS, 9999), -ESRCH);
	CALL(NR_setresuid, -1, 1000, -1);
	ck_assert_int_eq(CALL(NR_setpriority, PRIO_PROCESS, 0, 0), -EACCES);
	CALL(NR_setresuid, -1, 0, -1);
	ck_assert_int_eq(CALL(NR_setpriority, PRIO_PROCESS, 0, 0), 0);
	*(int *)u_mem = 0;
	ck_assert_int_eq(CALL(NR_sched_setscheduler, 0, SCHED_OTHER, U), 0);
}
END_TEST

START_TEST(actions_and_masks)
{
	struct sigaction_k a = { .handler = 0x1000, .flags = 0x400 | SA_RESTART, .mask = ~0ul }, old;
	struct thread *t = current_thread();
	uint64_t set = ~0ul;

	ck_assert_int_eq(CALL(NR_rt_sigaction, SIGUSR1, u_put(0, &a, sizeof(a)), 0, 4), -EINVAL);
	ck_assert_int_eq(CALL(NR_rt_sigaction, SIGKILL, U, 0, 8), -EINVAL);
	ck_assert_int_eq(CALL(NR_rt_sigaction, SIGKILL, 0, U + 0x100, 8), 0);
	ck_assert_int_eq(CALL(NR_rt_sigaction, 0, 0, 0, 8), -EINVAL);
	ck_assert_int_eq(CALL(NR_rt_sigaction, 65, 0, 0, 8), -EINVAL);
	ck_assert_int_eq(CALL(NR_rt_sigaction, SIGUSR1, NOWHERE, 0, 8), -EFAULT);
	ck_assert_int_eq(CALL(NR_rt_sigaction, SIGUSR1, U, 0, 8), 0);
	ck_assert_int_eq(CALL(NR_rt_sigaction, SIGUSR1, 0, U + 0x100, 8), 0);
	memcpy(&old, u_mem + 0x100, sizeof(old));
	ck_assert_uint_eq(old.handler, 0x1000);
	ck_assert_uint_eq(old.flags, SA_RESTART);
	ck_assert_uint_eq(old.mask, ~(BIT(SIGKILL) | BIT(SIGSTOP)));
	ck_assert_int_eq(CALL(NR_rt_sigprocmask, SIG_SETMASK, u_put(0, &set, 8), 0, 8), 0);
	ck_assert_uint_eq(t->sig_mask, ~(BIT(SIGKILL) | BIT(SIGSTOP)));
	ck_assert_int_eq(CALL(NR_rt_sigprocmask, 9, U, 0, 8), -EINVAL);
	ck_assert_int_eq(CALL(NR_rt_sigprocmask, 9, 0, U + 8, 8), 0);
	ck_assert_int_eq(CALL(NR_rt_sigprocmask, SIG_SETMASK, U, 0, 16), -EINVAL);
	ck_assert_int_eq(CALL(NR_kill, 2, SIGUSR1), 0);
	ck_assert_int_eq(CALL(NR_tgkill, 2, 2, 34), 0);
	ck_assert_int_eq(CALL(NR_rt_sigpending, U + 8, 8), 0);
	ck_assert_uint_eq(*(uint64_t *)(u_mem + 8), BIT(SIGUSR1) | BIT(34));
	ck_assert_int_eq(CALL(NR_rt_sigpending, U + 8, 9), -EINVAL);
	/* Ignoring drops what is pending. */
	a.handler = SIG_IGN;
	ck_assert_int_eq(CALL(NR_rt_sigaction, SIGUSR1, u_put(0, &a, sizeof(a)), 0, 8), 0);
	ck_assert_int_eq(CALL(NR_rt_sigpending, U + 8, 8), 0);
	ck_assert_uint_eq(*(uint64_t *)(u_mem + 8), BIT(34));
	set = BIT(34);
	ck_assert_int_eq(CALL(NR_rt_sigtimedwait, u_put(0, &set, 8), U + 0x100, 0, 8), 34);
	ck_assert_int_eq(((struct abi_siginfo *)(u_mem + 0x100))->signo, 34);
	ck_assert_int_eq(CALL(NR_rt_sigtimedwait, U, 0, u_put(0x200, (char[16]){ 0 }, 16), 8), -EAGAIN);
	ck_assert_uint_eq(t->sig_mask, ~(BIT(SIGKILL) | BIT(SIGSTOP)));
	a.handler = SIG_DFL;
	CALL(NR_rt_sigaction, SIGUSR1, u_put(0, &a, sizeof(a)), 0, 8);
}
END_TEST

START_TEST(killing)
{
	ck_assert_int_eq(CALL(NR_kill, 2, 0), 0);
	ck_assert_int_eq(CALL(NR_kill, 9999, SIGTERM), -ESRCH);
	ck_assert_int_eq(CALL(NR_kill, 9999, 99), -ESRCH);
	ck_assert_int_eq(CALL(NR_kill, 2, 65), -EINVAL);
	ck_assert_int_eq(CALL(NR_kill, 2, -1), -EINVAL);
	ck_assert_int_eq(CALL(NR_kill, INT32_MIN, 0), -ESRCH);
	ck_assert_int_eq(CALL(NR_kill, -1, 0), -ESRCH);
	ck_assert_int_eq(CALL(NR_tkill, 0, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_tkill, 2, 0), 0);
	ck_assert_int_eq(CALL(NR_tgkill, 1, 2, 0), -ESRCH);
	ck_assert_int_eq(CALL(NR_tgkill, 2, 2, 65), -EINVAL);
	ck_assert_int_eq(CALL(NR_tgkill, 2, 9999, 0), -ESRCH);
	memset(u_mem, 0, 128);
	ck_assert_int_eq(CALL(NR_rt_sigqueueinfo, 9999, SIGTERM, U), -EPERM);
	((struct abi_siginfo *)u_mem)->code = -1;
	ck_assert_int_eq(CALL(NR_rt_sigqueueinfo, 9999, SIGTERM, U), -ESRCH);
	ck_assert_int_eq(CALL(NR_rt_sigqueueinfo, 2, SIGTERM, NOWHERE), -EFAULT);
	CALL(NR_setresuid, 1000, 1000, 1000);
	ck_assert_int_eq(CALL(NR_kill, 1, 0), -EPERM);
}
END_TEST

START_TEST(alternate_stack)
{
	struct abi_stack ss = { .sp = 0x2000, .size = 8192 };

	ck_assert_int_eq(CALL(NR_sigaltstack, 0, U), 0);
	ck_assert_int_eq(((struct abi_stack *)u_mem)->flags, SS_DISABLE);
	ck_assert_int_eq(CALL(NR_sigaltstack, NOWHERE, 0), -EFAULT);
	ss.size = 2047;
	ck_assert_int_eq(CALL(NR_sigaltstack, u_put(0, &ss, sizeof(ss)), 0), -ENOMEM);
	ss.size = 2048;
	ss.flags = 8;
	ck_assert_int_eq(CALL(NR_sigaltstack, u_put(0, &ss, sizeof(ss)), 0), -EINVAL);
	ss.flags = 0;
	ck_assert_int_eq(CALL(NR_sigaltstack, u_put(0, &ss, sizeof(ss)), 0), 0);
	thread_regs(current_thread())->rsp = 0x2100;
	ck_assert_int_eq(CALL(NR_sigaltstack, 0, U + 0x100), 0);
	ck_assert_int_eq(((struct abi_stack *)(u_mem + 0x100))->flags, SS_ONSTACK);
	ck_assert_int_eq(CALL(NR_sigaltstack, U, 0), -EPERM);
	thread_regs(current_thread())->rsp = 0x2800;
	ss.flags = SS_DISABLE;
	ck_assert_int_eq(CALL(NR_sigaltstack, u_put(0, &ss, sizeof(ss)), U + 0x100), 0);
	ck_assert_uint_eq(((struct abi_stack *)(u_mem + 0x100))->sp, 0x2000);
	ck_assert_int_eq(CALL(NR_sigaltstack, 0, U), 0);
	ck_assert_int_eq(((struct abi_stack *)u_mem)->flags, SS_DISABLE);
}
END_TEST

static bool send_term(void)
{
	signal_send_proc(current_proc(), &(struct siginfo){ .signo = SIGUSR2 });
	return true;
}

START_TEST(waiting_for_signals)
{
	uint64_t set = BIT(SIGUSR2);

	CALL(NR_rt_sigprocmask, SIG_SETMASK, u_put(0, &set, 8), 0, 8);
	fake_idle_hook = send_term;
	ck_assert_int_eq(CALL(NR_rt_sigtimedwait, U, 0, 0, 8), SIGUSR2);
	ck_assert_uint_eq(current_proc()->sig_pending, 0);
	fake_idle_hook = NULL;
	ck_assert_int_eq(CALL(NR_rt_sigsuspend, U, 4), -EINVAL);
	ck_assert_int_eq(CALL(NR_rt_sigsuspend, NOWHERE, 8), -EFAULT);
}
END_TEST

START_TEST(clocks_and_sleep)
{
	struct timespec64 ts = { 2, 500 }, *out = (struct timespec64 *)(u_mem + 0x100);
	uint64_t before = plat_time_mono();

	ck_assert_int_eq(CALL(NR_nanosleep, u_put(0, &ts, 16), 0), 0);
	ck_assert_uint_eq(plat_time_mono() - before, 2000000500ul);
	ck_assert_int_eq(CALL(NR_clock_gettime, CLOCK_MONOTONIC, U + 0x100), 0);
	ck_assert_uint_eq((uint64_t)out->sec * NSEC_PER_SEC + (uint64_t)out->nsec, plat_time_mono());
	ck_assert_int_eq(CALL(NR_clock_gettime, 77, U + 0x100), -EINVAL);
	ck_assert_int_eq(CALL(NR_clock_gettime, 0, NOWHERE), -EFAULT);
	ck_assert_int_eq(CALL(NR_clock_getres, CLOCK_MONOTONIC, 0), 0);
	ck_assert_int_eq(CALL(NR_clock_getres, 77, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, U, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_clock_nanosleep, CLOCK_MONOTONIC_RAW, 0, U, 0), -EOPNOTSUPP);
	ck_assert_int_eq(CALL(NR_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, U, 0), 0);
	ts.nsec = 1000000000;
	ck_assert_int_eq(CALL(NR_nanosleep, u_put(0, &ts, 16), 0), -EINVAL);
	ts.nsec = -1;
	ck_assert_int_eq(CALL(NR_nanosleep, u_put(0, &ts, 16), 0), -EINVAL);
	ts = (struct timespec64){ -1, 0 };
	ck_assert_int_eq(CALL(NR_nanosleep, u_put(0, &ts, 16), 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_nanosleep, NOWHERE, 0), -EFAULT);
	ts = (struct timespec64){ 1000, 0 };
	ck_assert_int_eq(CALL(NR_clock_settime, CLOCK_REALTIME, u_put(0, &ts, 16)), 0);
	ck_assert_int_eq(CALL(NR_time, U), 1000);
	ck_assert_int_eq(CALL(NR_clock_settime, CLOCK_MONOTONIC, U), -EINVAL);
	ck_assert_int_eq(CALL(NR_gettimeofday, U, U + 0x40), 0);
	ck_assert_int_eq(((int64_t *)u_mem)[0], 1000);
	ck_assert_int_eq(CALL(NR_times, 0), plat_time_mono() / 10000000);
}
END_TEST

START_TEST(interval_timers)
{
	int64_t it[4] = { 0, 0, 5, 500000 };

	ck_assert_int_eq(CALL(NR_setitimer, 3, u_put(0, it, 32), 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_setitimer, 0, NOWHERE, 0), -EFAULT);
	ck_assert_int_eq(CALL(NR_setitimer, 0, U, 0), 0);
	ck_assert_int_eq(CALL(NR_getitimer, 0, U + 0x100), 0);
	ck_assert_mem_eq(u_mem + 0x100, it, 32);
	ck_assert_int_eq(CALL(NR_alarm, 0), 6); /* rounded */
	ck_assert_int_eq(CALL(NR_alarm, 0), 0);
	it[3] = 1000000;
	ck_assert_int_eq(CALL(NR_setitimer, 0, u_put(0, it, 32), 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_timer_create, CLOCK_MONOTONIC, 0, U), 0);
	ck_assert_int_eq(CALL(NR_timer_gettime, *(int *)u_mem, U + 0x100), 0);
	ck_assert_int_eq(CALL(NR_timer_settime, *(int *)u_mem, 0, 0, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_timer_delete, *(int *)u_mem), 0);
	ck_assert_int_eq(CALL(NR_timer_delete, 77), -EINVAL);
	ck_assert_int_eq(CALL(NR_timer_create, CLOCK_MONOTONIC, 0, NOWHERE), -EFAULT);
	memset(u_mem, 0, 64);
	((struct abi_sigevent *)u_mem)->notify = 9;
	ck_assert_int_eq(CALL(NR_timer_create, CLOCK_MONOTONIC, U, U + 0x100), -EINVAL);
	((struct abi_sigevent *)u_mem)->notify = SIGEV_SIGNAL;
	ck_assert_int_eq(CALL(NR_timer_create, CLOCK_MONOTONIC, U, U + 0x100), -EINVAL);
	((struct abi_sigevent *)u_mem)->notify = SIGEV_NONE;
	ck_assert_int_eq(CALL(NR_timer_create, CLOCK_MONOTONIC, U, U + 0x100), 0);
	ck_assert_int_eq(CALL(NR_timer_delete, *(int *)(u_mem + 0x100)), 0);
}
END_TEST

START_TEST(futex_arguments)
{
	struct timespec64 ts = { 0, 1000 };
	uint64_t before = plat_time_mono();

	u_put(0x100, &ts, 16);
	ck_assert_int_eq(CALL(NR_futex, U + 1, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1), -EINVAL);
	ck_assert_int_eq(CALL(NR_futex, USER_MAX, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1), -EFAULT);
	ck_assert_int_eq(CALL(NR_futex, U, 99, 1), -ENOSYS);
	ck_assert_int_eq(CALL(NR_futex, U, FUTEX_FD, 1), -ENOSYS);
	ck_assert_int_eq(CALL(NR_futex, U, FUTEX_WAKE | FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME, 1), -ENOSYS);
	ck_assert_int_eq(CALL(NR_futex, U, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 1, 0), -EAGAIN);
	ck_assert_int_eq(CALL(NR_futex, NOWHERE, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 1, 0), -EFAULT);
	ck_assert_int_eq(CALL(NR_futex, U, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, U + 0x100), -ETIMEDOUT);
	ck_assert_uint_eq(plat_time_mono() - before, 1000);
	ck_assert_int_eq(CALL(NR_futex, U, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, NOWHERE), -EFAULT);
	ck_assert_int_eq(CALL(NR_futex, U, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, 0, 0, 0, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_futex, U, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, 0, U + 0x100, 0, 1), -ETIMEDOUT);
	ck_assert_int_eq(CALL(NR_futex, U, FUTEX_REQUEUE | FUTEX_PRIVATE_FLAG, -1, 1, U + 8), -EINVAL);
	ck_assert_int_eq(CALL(NR_futex, U, FUTEX_REQUEUE | FUTEX_PRIVATE_FLAG, 1, 1, U + 7), -EINVAL);
	ck_assert_int_eq(CALL(NR_futex, U, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1), 0);
	ck_assert_int_eq(CALL(NR_set_robust_list, U, 23), -EINVAL);
	ck_assert_int_eq(CALL(NR_set_robust_list, U + 8, 24), 0);
	ck_assert_int_eq(CALL(NR_get_robust_list, 0, U + 0x40, U + 0x48), 0);
	ck_assert_uint_eq(*(uint64_t *)(u_mem + 0x40), U + 8);
	ck_assert_int_eq(CALL(NR_set_tid_address, U), 2);
	CALL(NR_set_robust_list, 0, 24);
	CALL(NR_set_tid_address, 0);
}
END_TEST

START_TEST(the_system)
{
	struct abi_cap_header h = { 0, 0 };

	ck_assert_int_eq(CALL(NR_uname, U), 0);
	ck_assert_str_eq(u_mem, "Linux");
	ck_assert_str_eq(u_mem + 4 * UTSNAME_LEN, "x86_64");
	ck_assert_int_eq(CALL(NR_uname, NOWHERE), -EFAULT);
	ck_assert_int_eq(CALL(NR_sysinfo, U), 0);
	ck_assert_int_eq(CALL(NR_getrandom, U, 1000, 0), 1000);
	ck_assert_int_eq(CALL(NR_getrandom, U, 10, 8), -EINVAL);
	ck_assert_int_eq(CALL(NR_getrandom, U, 10, 6), -EINVAL);
	ck_assert_int_eq(CALL(NR_getrandom, NOWHERE, 10, 0), -EFAULT);
	ck_assert_int_eq(CALL(NR_getrandom, U + U_SIZE - 256, 1000, 0), 256);
	ck_assert_int_eq(CALL(NR_getrandom, NOWHERE, 0, 0), 0);
	ck_assert_int_eq(CALL(NR_capget, u_put(0, &h, 8), 0), 0);
	ck_assert_uint_eq(((struct abi_cap_header *)u_mem)->version, CAP_VERSION_3);
	ck_assert_int_eq(CALL(NR_capget, U, U + 0x100), 0);
	ck_assert_uint_eq(*(uint32_t *)(u_mem + 0x100), ~0u);
	ck_assert_uint_eq(*(uint32_t *)(u_mem + 0x100 + 12), 0x1ff);
	ck_assert_int_eq(CALL(NR_capget, u_put(0, &h, 8), U + 0x100), -EINVAL);
	ck_assert_int_eq(CALL(NR_sethostname, u_str(0, "box"), 65), -EINVAL);
	ck_assert_int_eq(CALL(NR_sethostname, U, 3), 0);
	ck_assert_str_eq(hostname_get(), "box");
	ck_assert_int_eq(CALL(NR_personality, 0xffffffff), 0);
	ck_assert_int_eq(CALL(NR_personality, 0x40000), 0);
	ck_assert_int_eq(CALL(NR_personality, 0), 0x40000);
	ck_assert_int_eq(CALL(NR_reboot, 0, 0, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_wait4, -1, 0, 0, 0), -ECHILD);
	ck_assert_int_eq(CALL(NR_wait4, -1, 0, 0x100, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_waitid, 0, 0, 0, 1, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_waitid, 9, 0, 0, 4, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_waitid, 0, 0, 0, 4, 0), -ECHILD);
	ck_assert_int_eq(CALL(NR_restart_syscall), -EINTR);
	ck_assert_int_eq(CALL(NR_membarrier, 0, 0, 0), 0x7f);
	ck_assert_int_eq(CALL(NR_membarrier, 8, 0, 0), -EPERM);
	ck_assert_int_eq(CALL(NR_membarrier, 16, 0, 0), 0);
	ck_assert_int_eq(CALL(NR_membarrier, 8, 0, 0), 0);
	ck_assert_int_eq(CALL(NR_membarrier, 3, 0, 0), -EINVAL);
}
END_TEST

START_TEST(prctl_keeps_and_tells)
{
	ck_assert_int_eq(CALL(NR_prctl, PR_SET_NAME, u_str(0, "a-name-that-is-too-long")), 0);
	ck_assert_int_eq(CALL(NR_prctl, PR_GET_NAME, U), 0);
	ck_assert_str_eq(u_mem, "a-name-that-is-");
	ck_assert_int_eq(CALL(NR_prctl, PR_SET_NAME, NOWHERE), -EFAULT);
	ck_assert_int_eq(CALL(NR_prctl, PR_SET_DUMPABLE, 2), -EINVAL);
	ck_assert_int_eq(CALL(NR_prctl, PR_SET_DUMPABLE, 0), 0);
	ck_assert_int_eq(CALL(NR_prctl, PR_GET_DUMPABLE), 0);
	ck_assert_int_eq(CALL(NR_prctl, PR_SET_DUMPABLE, 1), 0);
	ck_assert_int_eq(CALL(NR_prctl, PR_SET_PDEATHSIG, 65), -EINVAL);
	ck_assert_int_eq(CALL(NR_prctl, PR_SET_PDEATHSIG, SIGTERM), 0);
	ck_assert_int_eq(CALL(NR_prctl, PR_GET_PDEATHSIG, U), 0);
	ck_assert_int_eq(*(int *)u_mem, SIGTERM);
	ck_assert_int_eq(CALL(NR_prctl, PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(CALL(NR_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	ck_assert_int_eq(CALL(NR_prctl, PR_GET_TIMERSLACK), 50000);
	ck_assert_int_eq(CALL(NR_prctl, PR_SET_TIMERSLACK, 7), 0);
	ck_assert_int_eq(CALL(NR_prctl, PR_GET_TIMERSLACK), 7);
	ck_assert_int_eq(CALL(NR_prctl, PR_CAPBSET_READ, 40), 1);
	ck_assert_int_eq(CALL(NR_prctl, PR_CAPBSET_READ, 41), -EINVAL);
	ck_assert_int_eq(CALL(NR_prctl, 9999), -EINVAL);
	ck_assert_int_eq(CALL(NR_arch_prctl, 0x1002, 1ul << 60), -EPERM);
	ck_assert_int_eq(CALL(NR_arch_prctl, 0x1002, 0x5000), 0);
	ck_assert_int_eq(CALL(NR_arch_prctl, 0x1003, U), 0);
	ck_assert_uint_eq(*(uint64_t *)u_mem, 0x5000);
	ck_assert_int_eq(CALL(NR_arch_prctl, 0x9999, 0), -EINVAL);
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("shim_proc", &tc, shim_setup, shim_teardown);

	tcase_add_test(tc, identity_of_root);
	tcase_add_test(tc, root_is_given_up);
	tcase_add_test(tc, saved_ids);
	tcase_add_test(tc, limits);
	tcase_add_test(tc, scheduling);
	tcase_add_test(tc, actions_and_masks);
	tcase_add_test(tc, killing);
	tcase_add_test(tc, alternate_stack);
	tcase_add_test(tc, waiting_for_signals);
	tcase_add_test(tc, clocks_and_sleep);
	tcase_add_test(tc, interval_timers);
	tcase_add_test(tc, futex_arguments);
	tcase_add_test(tc, the_system);
	tcase_add_test(tc, prctl_keeps_and_tells);
	return s;
}
