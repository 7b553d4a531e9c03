/* epoll(7).
 *
 * An item registers once on its file's queues and stays there; a wake-up puts it on the ready list, so that waiting
 * costs what is ready, not what is watched. Taking an item from the ready list asks its file again: an event that has
 * gone by then is not reported. Level-triggered items that were reported go to the end of the list (every file gets
 * its turn), to be asked again by the next call; edge-triggered and one-shot ones leave it.
 *
 * Items are keyed by file and descriptor and hold no reference: file_put() drops those of a file that goes away
 * (epoll_forget_file), so closing the last descriptor of a file removes it everywhere. Nothing in here sleeps but
 * epoll_collect() itself.
 *
 * epoll files may watch epoll files, without cycles and at most NEST_MAX deep. */
#include "core/file/file.h"
#include "core/lib/rbtree.h"
#include "core/lib/seqbuf.h"
#include "core/mm/slab.h"
#include "core/printf.h"
#include "core/timer.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/poll.h"

#define NEST_MAX 5 /* epoll files in a chain: epoll_change(2), ELOOP */
#define PRIVATE_BITS (EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE)
#define EXCLUSIVE_OK (POLLIN | POLLOUT | POLLERR | POLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE)

struct epoll {
	struct file *file;      /* its own; no reference */
	struct rb_root items;   /* by file, then descriptor */
	struct list ready;      /* items that may have events, in order */
	struct waitq waiters;   /* epoll_collect() sleeps here, */
	struct waitq pollers;   /* and those who poll the epoll file itself wait here */
	uint64_t walk;          /* nests_too_deep()'s notes */
	unsigned depth;
};

/* A waiter on one queue of the watched file. */
struct hook {
	struct waiter w;
	struct hook *next;
};

struct item {
	struct rb_node node;
	struct list ready_link; /* in epoll->ready; points at itself when not */
	struct list file_link;  /* in file->epoll_items */
	struct epoll *ep;
	struct file *file;
	int fd;
	uint32_t events;        /* with PRIVATE_BITS; only those left: disarmed by EPOLLONESHOT */
	uint64_t data;
	struct hook first;      /* nearly all files have one queue, */
	struct hook *more;      /* some have two */
	unsigned nhooks;
	bool failed;            /* a hook could not be had */
};

static const struct file_ops epoll_ops;

static struct epoll *file_epoll(const struct file *f) { return f->ops == &epoll_ops ? f->priv : NULL; }

/* ---- the ready list ---- */

static unsigned item_events(struct item *it)
{
	return file_poll(it->file, NULL) & it->events & ~PRIVATE_BITS;
}

/* True when a sleeper was woken. */
static bool item_ready(struct item *it)
{
	struct epoll *ep = it->ep;
	unsigned woken;

	if (list_empty(&it->ready_link))
		list_append(&ep->ready, &it->ready_link);
	woken = waitq_wake_nr(&ep->waiters, 0, 1);
	if (!waitq_empty(&ep->pollers)) {
		waitq_wake_all(&ep->pollers, POLLIN | POLLRDNORM);
		woken = 1;
	}
	return woken != 0;
}

static bool item_wake(struct waiter *w, unsigned events)
{
	struct item *it = w->owner;

	if (!(it->events & ~PRIVATE_BITS))
		return false;
	if (events && !(events & it->events))
		return false;
	return item_ready(it);
}

/* ---- items ---- */

struct item_table {
	struct poll_table pt;
	struct item *item;
};

static void item_hook(struct poll_table *pt, struct waitq *q)
{
	struct item *it = container_of(pt, struct item_table, pt)->item;
	struct hook *h = &it->first;

	if (it->nhooks) {
		h = kmalloc(sizeof(*h));
		if (!h) {
			it->failed = true;
			return;
		}
		h->next = it->more;
		it->more = h;
	}
	it->nhooks++;
	h->w = (struct waiter){ .wake = item_wake, .owner = it, .exclusive = it->events & EPOLLEXCLUSIVE };
	waitq_add(q, &h->w);
}

static void item_unhook(struct item *it)
{
	if (it->nhooks)
		waitq_remove(&it->first.w);
	while (it->more) {
		struct hook *h = it->more;

		it->more = h->next;
		waitq_remove(&h->w);
		kfree(h);
	}
	it->nhooks = 0;
}

static int item_compare(const struct item *it, const struct file *file, int fd)
{
	if (it->file != file)
		return (uintptr_t)file < (uintptr_t)it->file ? -1 : 1;
	return fd < it->fd ? -1 : fd > it->fd;
}

static struct item *item_find(struct epoll *ep, const struct file *file, int fd)
{
	struct rb_node *n = ep->items.node;

	while (n) {
		struct item *it = rb_entry(n, struct item, node);
		int c = item_compare(it, file, fd);

		if (!c)
			return it;
		n = c < 0 ? n->left : n->right;
	}
	return NULL;
}

static void item_link(struct epoll *ep, struct item *it)
{
	struct rb_node **link = &ep->items.node, *parent = NULL;

	while (*link) {
		int c;

		parent = *link;
		c = item_compare(rb_entry(parent, struct item, node), it->file, it->fd);
		link = c < 0 ? &parent->left : &parent->right;
	}
	rb_insert(&ep->items, &it->node, parent, link);
	list_append(&it->file->epoll_items, &it->file_link);
}

static void item_free(struct item *it)
{
	item_unhook(it);
	list_remove(&it->ready_link);
	list_remove(&it->file_link);
	rb_remove(&it->ep->items, &it->node);
	kfree(it);
}

static int item_add(struct epoll *ep, struct file *file, int fd, const struct epoll_event_k *ev)
{
	struct item *it = kzalloc(sizeof(*it));
	struct item_table table = { { item_hook, 0 }, it };
	unsigned events;

	if (!it)
		return -ENOMEM;
	list_init(&it->ready_link);
	list_init(&it->file_link);
	it->ep = ep;
	it->file = file;
	it->fd = fd;
	it->events = ev->events | POLLERR | POLLHUP;
	it->data = ev->data;
	item_link(ep, it);
	table.pt.events = it->events;
	events = file_poll(file, &table.pt) & it->events & ~PRIVATE_BITS;
	if (it->failed) {
		item_free(it);
		return -ENOMEM;
	}
	if (events)
		item_ready(it);
	return 0;
}

static void item_modify(struct item *it, const struct epoll_event_k *ev)
{
	it->events = ev->events | POLLERR | POLLHUP;
	it->data = ev->data;
	if (item_events(it))
		item_ready(it);
}

void epoll_forget_file(struct file *f)
{
	list_each_safe(p, &f->epoll_items)
		item_free(list_entry(p, struct item, file_link));
}

/* ---- nesting ---- */

/* One walk over the graph visits each epoll file once: `walk` numbers the walks, ep->walk and ep->depth remember. The
 * graph has no cycles, so the walks end. */
static uint64_t walk;

/* How many epoll files lie in the longest chain from ep downwards, itself included; beyond NEST_MAX if target is below.
 */
static unsigned depth_below(struct epoll *ep, const struct epoll *target)
{
	unsigned depth = 1;

	if (ep == target)
		return NEST_MAX + 1;
	if (ep->walk == walk)
		return ep->depth;
	for (struct rb_node *n = rb_first(&ep->items); n; n = rb_next(n)) {
		struct epoll *sub = file_epoll(rb_entry(n, struct item, node)->file);

		if (sub)
			depth = MAX(depth, 1 + depth_below(sub, target));
	}
	ep->walk = walk;
	ep->depth = depth;
	return depth;
}

/* The same upwards, to those that watch ep. */
static unsigned depth_above(struct epoll *ep)
{
	unsigned depth = 1;

	if (ep->walk == walk)
		return ep->depth;
	list_each(p, &ep->file->epoll_items)
		depth = MAX(depth, 1 + depth_above(list_entry(p, struct item, file_link)->ep));
	ep->walk = walk;
	ep->depth = depth;
	return depth;
}

static bool nests_too_deep(struct epoll *ep, struct epoll *sub)
{
	unsigned below;

	walk++;
	below = depth_below(sub, ep);
	walk++;
	return below + depth_above(ep) > NEST_MAX;
}

/* ---- epoll_ctl ---- */

static int add(struct epoll *ep, struct file *target, int fd, const struct epoll_event_k *ev)
{
	struct epoll *sub = file_epoll(target);

	if (item_find(ep, target, fd))
		return -EEXIST;
	if (sub && nests_too_deep(ep, sub))
		return -ELOOP;
	return item_add(ep, target, fd, ev);
}

int epoll_change(struct file *epf, int op, int fd, struct file *target, const struct epoll_event_k *ev)
{
	struct epoll *ep = file_epoll(epf);
	struct item *it;

	if (!target->ops->poll)
		return -EPERM;
	if (!ep || target == epf)
		return -EINVAL;
	if (op != EPOLL_CTL_DEL && (ev->events & EPOLLEXCLUSIVE)) {
		if (op == EPOLL_CTL_MOD || file_epoll(target) || (ev->events & ~EXCLUSIVE_OK))
			return -EINVAL;
	}
	if (op == EPOLL_CTL_ADD)
		return add(ep, target, fd, ev);
	if (op != EPOLL_CTL_DEL && op != EPOLL_CTL_MOD)
		return -EINVAL;
	it = item_find(ep, target, fd);
	if (!it)
		return -ENOENT;
	if (op == EPOLL_CTL_DEL) {
		item_free(it);
		return 0;
	}
	if (it->events & EPOLLEXCLUSIVE)
		return -EINVAL;
	item_modify(it, ev);
	return 0;
}

/* ---- epoll_wait ---- */

/* Reports up to max events. Items that stay ready are collected apart, so that none is reported twice in one call. */
static int collect(struct epoll *ep, struct epoll_event_k *events, int max)
{
	struct list again = LIST_INIT(again);
	int n = 0;

	while (n < max && !list_empty(&ep->ready)) {
		struct item *it = list_first(&ep->ready, struct item, ready_link);
		unsigned ev;

		list_remove(&it->ready_link);
		ev = item_events(it);
		if (!ev)
			continue;
		events[n++] = (struct epoll_event_k){ ev, it->data };
		if (it->events & EPOLLONESHOT)
			it->events &= PRIVATE_BITS;
		else if (!(it->events & EPOLLET))
			list_append(&again, &it->ready_link);
	}
	list_each_safe(p, &again) {
		list_remove(p);
		list_append(&ep->ready, p);
	}
	return n;
}

int epoll_collect(struct file *epf, struct epoll_event_k *events, int max, uint64_t deadline)
{
	struct epoll *ep = file_epoll(epf);
	int n, r;

	if (!ep || max <= 0)
		return -EINVAL;
	for (;;) {
		n = collect(ep, events, max);
		if (n || deadline == 0)
			break;
		r = wait_event_flags(&ep->waiters, !list_empty(&ep->ready), deadline, true, true);
		if (r)
			return r == -ETIMEDOUT ? 0 : r;
	}
	if (!list_empty(&ep->ready))
		waitq_wake(&ep->waiters, 0); /* there is more: for the next sleeper */
	return n;
}

/* ---- the epoll file ---- */

static unsigned epoll_poll(struct file *f, struct poll_table *pt)
{
	struct epoll *ep = f->priv;

	poll_wait(pt, &ep->pollers);
	while (!list_empty(&ep->ready)) {
		struct item *it = list_first(&ep->ready, struct item, ready_link);

		if (item_events(it))
			return POLLIN | POLLRDNORM;
		list_remove(&it->ready_link);
	}
	return 0;
}

static void epoll_fdinfo(struct file *f, struct seqbuf *out)
{
	struct epoll *ep = f->priv;

	for (struct rb_node *n = rb_first(&ep->items); n; n = rb_next(n)) {
		struct item *it = rb_entry(n, struct item, node);
		struct inode *i = it->file->inode;

		seqbuf_printf(out, "tfd: %8d events: %8x data: %16lx  pos:%ld ino:%lx sdev:%lx\n", it->fd, it->events,
			      it->data, it->file->pos, i->ino, i->super->dev);
	}
}

static void epoll_release(struct file *f)
{
	struct epoll *ep = f->priv;

	while (ep->items.node)
		item_free(rb_entry(rb_first(&ep->items), struct item, node));
	kassert(waitq_empty(&ep->waiters) && waitq_empty(&ep->pollers));
	kfree(ep);
}

static const struct file_ops epoll_ops = {
	.seek = file_seek_noop,
	.poll = epoll_poll,
	.release = epoll_release,
	.fdinfo = epoll_fdinfo,
	.anon_name = "anon_inode:[eventpoll]",
};

int epoll_new(int flags, struct file **out)
{
	struct epoll *ep;
	int r;

	if (flags & ~EPOLL_CLOEXEC)
		return -EINVAL;
	ep = kzalloc(sizeof(*ep));
	if (!ep)
		return -ENOMEM;
	list_init(&ep->ready);
	waitq_init(&ep->waiters);
	waitq_init(&ep->pollers);
	r = file_new_anon(&epoll_ops, 0, O_RDWR, ep, out);
	if (r)
		kfree(ep);
	else
		ep->file = *out;
	return r;
}
