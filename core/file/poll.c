/* poll(2): waiting for any of many files. select(2) is made of it in the shim.
 *
 * Each file's queues get a waiter that wakes this call's own queue. Files are asked once; the registering ends at the
 * first one that is ready, and nothing is registered when the caller does not want to wait. After a wake-up all are
 * asked again. References are held to every file a waiter sits on. The first few waiters live on the stack. */
#include "core/file/file.h"
#include "core/mm/slab.h"
#include "core/timer.h"
#include "shim/abi/errno.h"
#include "shim/abi/poll.h"

#define HOOKS_INLINE 8
#define HOOKS_CHUNK  32

/* A waiter on one queue of one file. */
struct hook {
	struct waiter w;
	struct file *file; /* reference held */
	unsigned events;   /* that matter; others do not wake */
};

struct hook_chunk {
	struct hook_chunk *next;
	struct hook hooks[HOOKS_CHUNK];
};

struct poller {
	struct poll_table pt;
	struct poll_table *active; /* &pt while waiters are being registered, else NULL */
	struct file *file;         /* being asked */
	struct waitq q;            /* the sleeping caller */
	bool triggered;
	int err;                   /* -ENOMEM: a waiter could not be had */
	unsigned nhooks, nchunk;   /* used of the inline ones, of the newest chunk */
	struct hook_chunk *chunks;
	struct hook inline_hooks[HOOKS_INLINE];
};

static bool poller_wake(struct waiter *w, unsigned events)
{
	struct hook *h = container_of(w, struct hook, w);
	struct poller *p = w->owner;

	if (events && !(events & h->events))
		return false;
	p->triggered = true;
	waitq_wake_all(&p->q, 0);
	return true;
}

static struct hook *hook_new(struct poller *p)
{
	if (p->nhooks < HOOKS_INLINE)
		return &p->inline_hooks[p->nhooks++];
	if (!p->chunks || p->nchunk == HOOKS_CHUNK) {
		struct hook_chunk *c = kmalloc(sizeof(*c));

		if (!c)
			return NULL;
		c->next = p->chunks;
		p->chunks = c;
		p->nchunk = 0;
	}
	return &p->chunks->hooks[p->nchunk++];
}

static void poller_add(struct poll_table *pt, struct waitq *q)
{
	struct poller *p = container_of(pt, struct poller, pt);
	struct hook *h = hook_new(p);

	if (!h) {
		p->err = -ENOMEM;
		return;
	}
	h->w = (struct waiter){ .wake = poller_wake, .owner = p };
	h->file = file_get(p->file);
	h->events = pt->events;
	waitq_add(q, &h->w);
}

static void poller_init(struct poller *p, bool wait)
{
	p->pt.add = poller_add;
	p->active = wait ? &p->pt : NULL;
	waitq_init(&p->q);
	p->triggered = false;
	p->err = 0;
	p->nhooks = p->nchunk = 0;
	p->chunks = NULL;
}

static void hook_drop(struct hook *h)
{
	waitq_remove(&h->w);
	file_put(h->file);
}

static void poller_done(struct poller *p)
{
	for (unsigned i = 0; i < p->nhooks; i++)
		hook_drop(&p->inline_hooks[i]);
	while (p->chunks) {
		struct hook_chunk *c = p->chunks;

		for (unsigned i = 0; i < p->nchunk; i++)
			hook_drop(&c->hooks[i]);
		p->chunks = c->next;
		p->nchunk = HOOKS_CHUNK;
		kfree(c);
	}
}

/* The events of `fd` among those wanted; POLLNVAL for a bad descriptor. */
static unsigned poller_ask(struct poller *p, int fd, unsigned wanted)
{
	unsigned ev;

	if (fd_get(fd, &p->file))
		return POLLNVAL;
	wanted |= POLLERR | POLLHUP;
	p->pt.events = wanted;
	ev = file_poll(p->file, p->active) & wanted;
	file_put(p->file);
	if (ev)
		p->active = NULL; /* nobody will sleep any more */
	return ev;
}

/* One round of questions is over and found nothing. Sleeps for the next: 0, or why there is none. */
static int poller_wait(struct poller *p, uint64_t deadline)
{
	int r;

	if (p->err)
		return p->err;
	p->active = NULL;
	r = wait_event(&p->q, p->triggered, deadline);
	p->triggered = false;
	return r;
}

static int poll_round(struct poller *p, struct pollfd_k *fds, unsigned n)
{
	int count = 0;

	for (unsigned i = 0; i < n; i++) {
		fds[i].revents = 0;
		if (fds[i].fd >= 0)
			fds[i].revents = (short)poller_ask(p, fds[i].fd, (unsigned short)fds[i].events);
		count += fds[i].revents != 0;
	}
	return count;
}

int poll_fds(struct pollfd_k *fds, unsigned n, uint64_t deadline)
{
	bool wait = deadline && (deadline == TIME_NEVER || deadline > clock_mono());
	struct poller p;
	int r;

	poller_init(&p, wait);
	for (;;) {
		r = poll_round(&p, fds, n);
		if (r || !wait)
			break;
		r = poller_wait(&p, deadline);
		if (r) {
			/* What became ready together with the deadline or a signal counts; an error of ours does not.
			 */
			if (r != -ENOMEM) {
				int late = poll_round(&p, fds, n);

				r = late ? late : r == -ETIMEDOUT ? 0 : r;
			}
			break;
		}
	}
	poller_done(&p);
	return r;
}
