/* What the tests of open files share: reading and writing through a file, and the other side of a sleep. */
#ifndef TESTS_UNIT_FILETEST_H
#define TESTS_UNIT_FILETEST_H

#include <string.h>

#include "core/file/file.h"
#include "core/proc/proc.h"
#include "core/proc/thread.h"
#include "core/sched.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/poll.h"
#include "shim/abi/signal.h"
#include "tests/unit/unit.h"

static inline long f_read(struct file *f, void *buf, size_t n)
{
	struct uio u;

	uio_kernel(&u, buf, n, true);
	return file_read(f, &u);
}

static inline long f_write(struct file *f, const void *buf, size_t n)
{
	struct uio u;

	uio_kernel(&u, (void *)buf, n, false);
	return file_write(f, &u);
}

/* Through a user address. */
static inline long f_read_user(struct file *f, uptr_t buf, size_t n)
{
	struct uio u;

	uio_user(&u, buf, n, true);
	return file_read(f, &u);
}

static inline long f_write_user(struct file *f, uptr_t buf, size_t n)
{
	struct uio u;

	uio_user(&u, buf, n, false);
	return file_write(f, &u);
}

/* Signal signo is pending for the current thread (and is taken away), by whoever it was sent to. */
static inline bool took_signal(int signo)
{
	uint64_t bit = 1ul << (signo - 1), *t = &current_thread()->sig_pending, *p = &current_proc()->sig_pending;
	bool had = (*t | *p) & bit;

	*t &= ~bit;
	*p &= ~bit;
	return had;
}

/* The other side of a sleep: called once when the thread has nothing to do but wait. Whoever sleeps without one that
 * helps panics ("deadlock"). */
static void (*other_side)(void);

static bool run_other_side(void)
{
	void (*fn)(void) = other_side;

	other_side = NULL;
	if (!fn)
		return false;
	fn();
	return true;
}

static inline void meanwhile(void (*fn)(void))
{
	other_side = fn;
	fake_idle_hook = run_other_side;
}

/* A signal comes while the thread sleeps. */
static inline void interrupt(void)
{
	signal_send_thread(current_thread(), &(struct siginfo){ .signo = SIGTERM });
}

#define ck_interrupted(call) do { \
	meanwhile(interrupt); \
	ck_assert_int_eq((call), -EINTR); \
	ck_assert(took_signal(SIGTERM)); \
} while (0)

#endif
