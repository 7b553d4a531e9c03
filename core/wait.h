/* Sleeping: wait queues, wait_event(), and the sleeping mutex.
 *
 * The kernel is a monitor: code runs until it sleeps, so a condition cannot change between looking at it and sleeping on
 * it, and no lock protects a queue. State that must survive a sleep needs a mutex, a busy bit or a reference. */
#ifndef CORE_WAIT_H
#define CORE_WAIT_H

#include "core/lib/list.h"

struct thread;

struct waitq {
	struct list waiters; /* of struct waiter, in order of arrival */
};

/* One waiter on one queue. wake(w, events) is called by waitq_wake(); it may unlink w. Returns true when it used up an
 * exclusive wake-up. poll, epoll and sleeping threads all are waiters. */
struct waiter {
	struct list link;
	bool (*wake)(struct waiter *w, unsigned events);
	void *owner;
	bool exclusive; /* waitq_wake stops after `nr` exclusive waiters have returned true */
};

#define WAITQ_INIT(q) { LIST_INIT((q).waiters) }

void waitq_init(struct waitq *q);
static inline bool waitq_empty(const struct waitq *q) { return list_empty(&q->waiters); }
void waitq_add(struct waitq *q, struct waiter *w); /* exclusive ones go to the end, others to the front */
void waitq_remove(struct waiter *w);               /* harmless when w is not queued */

/* Calls wake() of every waiter, and of at most nr exclusive ones; events are POLL… bits telling what happened (0: any).
 * Returns how many exclusive waiters were woken. */
unsigned waitq_wake_nr(struct waitq *q, unsigned events, unsigned nr);
static inline void waitq_wake(struct waitq *q, unsigned events)
{
	if (!waitq_empty(q))
		waitq_wake_nr(q, events, 1);
}
static inline void waitq_wake_all(struct waitq *q, unsigned events) { waitq_wake_nr(q, events, ~0u); }

/* Sleeps until q is woken (0), the monotonic deadline passes (-ETIMEDOUT) or a signal is pending (-EINTR). One sleep:
 * the caller looks at its condition again. wait_event() is the way to use it. */
int waitq_sleep(struct waitq *q, uint64_t deadline, bool interruptible, bool exclusive);

/* Sleeps until cond is true: 0, -EINTR or -ETIMEDOUT. cond is evaluated first, so a true one never sleeps; a condition
 * that became true together with the deadline or a signal counts as true. */
#define wait_event_flags(q, cond, deadline, intr, excl) ({ \
	int wait_r_ = 0; \
	while (!(cond)) { \
		if (wait_r_) \
			break; \
		wait_r_ = waitq_sleep((q), (deadline), (intr), (excl)); \
		if (wait_r_ && (cond)) { \
			wait_r_ = 0; \
			break; \
		} \
	} \
	wait_r_; \
})
#define wait_event(q, cond, deadline) wait_event_flags(q, cond, deadline, true, false)
/* For what cannot be abandoned (a disk or 9P reply): no signal ends it. */
#define wait_event_uninterruptible(q, cond) ((void)wait_event_flags(q, cond, TIME_NEVER, false, false))

/* Sleeping mutex: first come, first served. Not recursive. Not interruptible. */
struct mutex {
	struct thread *owner;
	struct waitq waiters;
};

void mutex_init(struct mutex *m);
void mutex_lock(struct mutex *m);
bool mutex_trylock(struct mutex *m);
void mutex_unlock(struct mutex *m);

#endif
