/* Wait queues, waitq_sleep() and the sleeping mutex.
 *
 * A waiter sits on one queue. Waking calls its function, which may unlink it; the walk therefore always looks at the
 * successor before it calls. poll and epoll put waiters of their own on many queues; a sleeping thread uses its own one.
 * Fairness: exclusive waiters queue behind the others, first come, first served. */
#include "core/wait.h"
#include "core/cpu.h"
#include "core/printf.h"
#include "core/proc/signal.h"
#include "core/proc/thread.h"
#include "core/sched.h"
#include "shim/abi/errno.h"

void waitq_init(struct waitq *q) { list_init(&q->waiters); }

void waitq_add(struct waitq *q, struct waiter *w)
{
	if (w->exclusive)
		list_append(&q->waiters, &w->link);
	else
		list_push(&q->waiters, &w->link);
}

void waitq_remove(struct waiter *w)
{
	if (w->link.next)
		list_remove(&w->link);
}

unsigned waitq_wake_nr(struct waitq *q, unsigned events, unsigned nr)
{
	unsigned woken = 0;

	list_each_safe(p, &q->waiters) {
		struct waiter *w = list_entry(p, struct waiter, link);
		bool exclusive = w->exclusive;

		if (exclusive && woken == nr)
			break;
		if (w->wake(w, events) && exclusive)
			woken++;
	}
	return woken;
}

static bool wake_thread(struct waiter *w, unsigned events)
{
	struct thread *t = w->owner;

	list_remove(&w->link);
	t->wake_reason = 0;
	sched_wake(t);
	return true;
}

/* The deadline of a sleeping thread has come. One that was woken and only has not run yet keeps its reason: the wake-up,
 * which may have been an exclusive one, was spent on it. */
static void sleep_timeout(struct timer *timer)
{
	struct thread *t = container_of(timer, struct thread, timer);

	if (t->state != THREAD_BLOCKED)
		return;
	waitq_remove(&t->waiter);
	t->wake_reason = -ETIMEDOUT;
	sched_wake(t);
}

int waitq_sleep(struct waitq *q, uint64_t deadline, bool interruptible, bool exclusive)
{
	struct thread *t = current_thread();

	if (interruptible && signal_pending())
		return -EINTR;
	if (deadline != TIME_NEVER && clock_mono() >= deadline)
		return -ETIMEDOUT;
	t->waiter.wake = wake_thread;
	t->waiter.owner = t;
	t->waiter.exclusive = exclusive;
	waitq_add(q, &t->waiter);
	if (deadline != TIME_NEVER) {
		t->timer.fire = sleep_timeout;
		timer_arm(&t->timer, deadline);
	}
	t->interruptible = interruptible;
	t->wake_reason = -EINTR; /* unless a waker or the timer says otherwise */
	t->state = THREAD_BLOCKED;
	sched_block();
	t->interruptible = false;
	waitq_remove(&t->waiter);
	timer_cancel(&t->timer);
	return t->wake_reason;
}

void mutex_init(struct mutex *m)
{
	m->owner = NULL;
	waitq_init(&m->waiters);
}

bool mutex_trylock(struct mutex *m)
{
	if (m->owner)
		return false;
	m->owner = current_thread();
	return true;
}

/* Kept out of the way of the usual case. */
static __attribute__((noinline)) void lock_contended(struct mutex *m)
{
	struct thread *t = current_thread();

	kassert(m->owner != t);
	/* Ownership is handed over by mutex_unlock(), so a woken waiter owns the mutex already. */
	wait_event_flags(&m->waiters, m->owner == t, TIME_NEVER, false, true);
}

void mutex_lock(struct mutex *m)
{
	if (likely(!m->owner))
		m->owner = current_thread();
	else
		lock_contended(m);
}

static __attribute__((noinline)) void unlock_contended(struct mutex *m)
{
	kassert(m->owner == current_thread());
	struct waiter *w = list_entry(m->waiters.waiters.next, struct waiter, link);

	m->owner = w->owner;
	waitq_wake_nr(&m->waiters, 0, 1);
}

void mutex_unlock(struct mutex *m)
{
	if (likely(m->owner == current_thread() && list_empty(&m->waiters.waiters)))
		m->owner = NULL;
	else
		unlock_contended(m);
}
