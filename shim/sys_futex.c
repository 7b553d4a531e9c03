/* futex(2): the operations decoded. core/proc/futex.c waits and wakes.
 *
 * Timeouts are intervals for FUTEX_WAIT, and points in time for the others: on CLOCK_MONOTONIC or, with
 * FUTEX_CLOCK_REALTIME and for FUTEX_LOCK_PI always, on CLOCK_REALTIME. Missing: FUTEX_FD (gone from Linux too),
 * requeueing to PI futexes. */
#include "core/proc/futex.h"
#include "core/proc/itimer.h"
#include "shim/abi/futex.h"
#include "shim/abi/time.h"
#include "shim/shim.h"

static bool takes_realtime(int cmd)
{
	return cmd == FUTEX_WAIT || cmd == FUTEX_WAIT_BITSET || cmd == FUTEX_LOCK_PI2 || cmd == FUTEX_WAIT_REQUEUE_PI;
}

static int futex_deadline(int cmd, bool realtime, uptr_t utimeout, uint64_t *deadline)
{
	struct timespec64 ts;
	int clock = realtime || cmd == FUTEX_LOCK_PI ? CLOCK_REALTIME : CLOCK_MONOTONIC;
	int r;

	*deadline = TIME_NEVER;
	if (!utimeout)
		return 0;
	r = timespec_in(&ts, utimeout);
	/* An interval is the same on either clock. */
	if (!r && cmd == FUTEX_WAIT)
		*deadline = clock_mono() + timespec_ns(&ts);
	else if (!r)
		r = clock_deadline(clock, true, &ts, deadline);
	return r;
}

static int address_check(uptr_t uaddr)
{
	if (uaddr & 3)
		return -EINVAL;
	return user_range_bad(uaddr, 4) ? -EFAULT : 0;
}

/* The operations that wait, which read `arg` as a timeout. */
static long futex_waits(int cmd, uptr_t uaddr, bool shared, uint32_t val, uint64_t deadline, uint32_t bitset)
{
	switch (cmd) {
	case FUTEX_WAIT:
		return futex_wait(uaddr, shared, val, deadline, FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAIT_BITSET:
		return bitset ? futex_wait(uaddr, shared, val, deadline, bitset) : -EINVAL;
	}
	return futex_lock_pi(uaddr, shared, deadline, false);
}

/* The others, which read it as a count. */
static long futex_wakes(int cmd, uptr_t uaddr, bool shared, uint32_t val, uint64_t arg, uptr_t uaddr2, uint32_t val3)
{
	int nr_wake = (int)val, nr_requeue = (int)arg, r;

	switch (cmd) {
	case FUTEX_WAKE:
		return futex_wake(uaddr, shared, MAX(nr_wake, 1), FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAKE_BITSET:
		return val3 ? futex_wake(uaddr, shared, MAX(nr_wake, 1), val3) : -EINVAL;
	case FUTEX_TRYLOCK_PI:
		return futex_lock_pi(uaddr, shared, TIME_NEVER, true);
	case FUTEX_UNLOCK_PI:
		return futex_unlock_pi(uaddr, shared);
	}
	r = address_check(uaddr2);
	if (r)
		return r;
	if (cmd == FUTEX_WAKE_OP)
		return futex_wake_op(uaddr, uaddr2, shared, MAX(nr_wake, 1), MAX(nr_requeue, 1), val3);
	if (nr_wake < 0 || nr_requeue < 0)
		return -EINVAL;
	return futex_requeue(uaddr, uaddr2, shared, (unsigned)nr_wake, (unsigned)nr_requeue,
		cmd == FUTEX_CMP_REQUEUE, val3);
}

long sys_futex(uptr_t uaddr, int op, uint32_t val, uptr_t arg, uptr_t uaddr2, uint32_t val3)
{
	bool shared = !(op & FUTEX_PRIVATE_FLAG), realtime = (op & FUTEX_CLOCK_REALTIME) != 0;
	int cmd = op & FUTEX_CMD_MASK, r;
	uint64_t deadline;

	if (realtime && !takes_realtime(cmd))
		return -ENOSYS;
	switch (cmd) {
	case FUTEX_WAIT: case FUTEX_WAIT_BITSET: case FUTEX_LOCK_PI: case FUTEX_LOCK_PI2:
		r = futex_deadline(cmd, realtime, arg, &deadline);
		if (!r)
			r = address_check(uaddr);
		return r ? r : futex_waits(cmd, uaddr, shared, val, deadline, val3);
	case FUTEX_WAKE: case FUTEX_WAKE_BITSET: case FUTEX_TRYLOCK_PI: case FUTEX_UNLOCK_PI:
	case FUTEX_WAKE_OP: case FUTEX_REQUEUE: case FUTEX_CMP_REQUEUE:
		r = address_check(uaddr);
		return r ? r : futex_wakes(cmd, uaddr, shared, val, arg, uaddr2, val3);
	}
	return -ENOSYS;
}

/* ---- what a thread leaves behind for futexes: get_robust_list(2), set_tid_address(2) ---- */

#define ROBUST_HEAD_SIZE 24

long sys_set_robust_list(uptr_t head, size_t size)
{
	struct thread *t = current_thread();

	if (size != ROBUST_HEAD_SIZE)
		return -EINVAL;
	t->robust_list = head;
	t->robust_list_len = size;
	return 0;
}

long sys_get_robust_list(int tid, uptr_t uhead, uptr_t usize)
{
	struct thread *t = thread_arg(tid);
	uint64_t size = ROBUST_HEAD_SIZE;

	if (!t || !t->proc)
		return -ESRCH;
	if (t->proc != current_proc() && !caller_is_root())
		return -EPERM;
	if (copyout(usize, &size, sizeof(size)) || copyout(uhead, &t->robust_list, sizeof(t->robust_list)))
		return -EFAULT;
	return 0;
}

long sys_set_tid_address(uptr_t addr)
{
	struct thread *t = current_thread();

	t->clear_child_tid = addr;
	return t->tid;
}
