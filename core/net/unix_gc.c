/* Sockets passed through sockets: a socket whose every reference is in a message on a queue that nobody can read any more
 * would live for ever (unix(7), SCM_RIGHTS). Looked for when sockets are closed while files are in flight.
 *
 * A socket is alive when its file has other references than messages on queues; when a message on the queue of a live one
 * carries it; when it waits to be accepted by a live one. What is not alive loses its queue, and with that its references. */
#include "core/net/unix_impl.h"

/* Calls fn for every socket that is reached through s's queue: those that messages carry, or those not accepted yet. */
static void each_reached(struct usock *s, void (*fn)(struct usock *))
{
	list_each(p, &s->rcvq) {
		struct msg *m = list_entry(p, struct msg, link);

		if (s->sk.state == SS_LISTENING) {
			fn(list_entry(p, struct usock, pending));
			continue;
		}
		for (unsigned i = 0; i < m->scm.nfiles; i++)
			if (m->scm.files[i]->ops == &unix_file_ops)
				fn(m->scm.files[i]->priv);
	}
}

static void count(struct usock *s) { s->inflight++; }

/* From those in doubt to the end of unix_all, where its own queue will be looked at. */
static void revive(struct usock *s)
{
	if (!s->doubt)
		return;
	s->doubt = false;
	list_remove(&s->all);
	list_append(&unix_all, &s->all);
}

/* Leaves in unix_all what is alive and moves the rest to `doubt`. */
static void find_dead(struct list *doubt)
{
	struct usock *s;

	list_each(p, &unix_all)
		list_entry(p, struct usock, all)->inflight = 0;
	list_each(p, &unix_all)
		each_reached(list_entry(p, struct usock, all), count);
	while (!list_empty(&unix_all)) {
		s = list_first(&unix_all, struct usock, all);
		s->doubt = true;
		list_remove(&s->all);
		list_append(doubt, &s->all);
	}
	list_each_safe(p, doubt) {
		s = list_entry(p, struct usock, all);
		if (s->file && s->file->refs > s->inflight)
			revive(s);
	}
	list_each(p, &unix_all)
		each_reached(list_entry(p, struct usock, all), revive);
}

/* Looking costs as much as there are sockets, so many of them must be closed before the next look. */
static bool worth_it(void)
{
	static unsigned closed, next;

	if (++closed < next)
		return false;
	closed = next = 0;
	list_each(p, &unix_all)
		next++;
	next /= 8;
	return true;
}

void unix_collect(void)
{
	static bool busy;
	struct list doubt = LIST_INIT(doubt);
	struct usock *s;

	if (busy || !worth_it())
		return;
	busy = true;
	find_dead(&doubt);
	while (!list_empty(&doubt)) {
		s = list_first(&doubt, struct usock, all);
		s->refs++;
		revive(s);
		usock_purge(s);
		usock_put(s);
	}
	busy = false;
}
