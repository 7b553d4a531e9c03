/* AF_UNIX sockets: messages between stream, datagram and sequenced-packet sockets (unix(7)). How they get names and find
 * each other is in unix_name.c.
 *
 * A socket's receive queue holds messages, each with its sender, its bytes and what travels beside them. Stream data is
 * cut into chunks and small writes join the last chunk; records stay whole. A message is charged to its sender until it
 * is received; a sender waits while its charge is at or above sndbuf. A datagram socket's queue is also limited in length,
 * but for the one that it is connected to itself.
 *
 * Files in flight are references of the message. Letting go of a queue full of sockets whose queues are full of sockets
 * would recurse, so messages with files are put on one list that one thread empties (graveyard).
 *
 * A stream's urgent byte (MSG_OOB) is a message of its own, and a mark: reading stops in front of it, and takes or drops it
 * only as the first thing. Taken by MSG_OOB, it leaves an empty message as the mark. Missing: SIGURG. */
#include "core/lib/string.h"
#include "core/mm/slab.h"
#include "core/net/unix_impl.h"
#include "core/printf.h"
#include "core/proc/cred.h"
#include "core/proc/proc.h"
#include "core/sched.h"
#include "core/timer.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/ioctl.h"
#include "shim/abi/poll.h"
#include "shim/abi/socket.h"

#define CHARGE_MIN 768u     /* what the smallest message costs its sender */
#define STREAM_CHUNK (8 * PAGE_SIZE - sizeof(struct msg))
#define STREAM_SMALL (PAGE_SIZE - sizeof(struct msg)) /* room that a short stream write leaves for the next ones */
#define DGRAM_BACKLOG 512   /* net.unix.max_dgram_qlen */

struct list unix_all = LIST_INIT(unix_all);
unsigned unix_passing;

/* ---- life of sockets and messages ---- */

void usock_put(struct usock *s)
{
	if (!s || --s->refs)
		return;
	kassert(list_empty(&s->rcvq));
	list_remove(&s->all);
	uaddr_put(s->addr);
	kfree(s);
}

struct ucred_k ucred_now(void)
{
	return (struct ucred_k){ current_proc()->pid, cred_current()->euid, cred_current()->egid };
}

struct usock *usock_new(int type)
{
	struct usock *s = kzalloc(sizeof(*s));

	if (!s)
		return NULL;
	socket_init(&s->sk, &unix_socket_ops, type);
	s->refs = 1;
	s->backlog = DGRAM_BACKLOG;
	s->cred = (struct ucred_k){ 0, UINT32_MAX, UINT32_MAX };
	list_init(&s->rcvq);
	list_init(&s->pending);
	waitq_init(&s->room);
	list_append(&unix_all, &s->all);
	return s;
}

void scm_free(struct scm *scm)
{
	for (unsigned i = 0; i < scm->nfiles; i++)
		file_put(scm->files[i]);
	kfree(scm->files);
	scm->files = NULL;
	scm->nfiles = 0;
}

static struct list graveyard = LIST_INIT(graveyard);

/* Frees a message that is on no queue: its files may be sockets with messages. */
static void msg_bury(struct msg *m)
{
	static bool busy;

	list_append(&graveyard, &m->link);
	if (busy)
		return;
	busy = true;
	while (!list_empty(&graveyard)) {
		m = list_first(&graveyard, struct msg, link);
		list_remove(&m->link);
		scm_free(&m->scm);
		kfree(m);
	}
	busy = false;
}

static bool writable(const struct usock *s) { return s->charged * 4 <= s->sk.sndbuf; }

/* Gives the sender its charge back. */
static void msg_discharge(struct msg *m)
{
	struct usock *from = m->from;

	from->charged -= m->charge;
	m->from = NULL;
	if (writable(from))
		waitq_wake_all(&from->sk.wr, POLLOUT | POLLWRNORM | POLLWRBAND);
	usock_put(from);
}

static void msg_free(struct msg *m)
{
	list_remove(&m->link);
	if (m->from)
		msg_discharge(m);
	if (m->scm.nfiles)
		msg_bury(m);
	else
		kfree(m);
}

/* The same for a message of a queue. */
static void msg_done(struct usock *s, struct msg *m)
{
	bool full = usock_full(s);

	if (s->oob == m)
		s->oob = NULL;
	s->qlen--;
	unix_passing -= m->scm.nfiles != 0;
	msg_free(m);
	if (full && s->sk.type == SOCK_DGRAM && !usock_full(s))
		usock_room(s);
}

static struct msg *msg_new(struct usock *from, size_t cap)
{
	struct msg *m = kmalloc(sizeof(*m) + cap);

	if (!m)
		return NULL;
	*m = (struct msg){ .from = from, .cap = cap, .charge = MAX(sizeof(*m) + cap, (size_t)CHARGE_MIN) };
	list_init(&m->link);
	from->refs++;
	from->charged += m->charge;
	return m;
}

void usock_purge(struct usock *s)
{
	if (s->sk.state == SS_LISTENING) {
		while (!list_empty(&s->rcvq)) {
			struct usock *c = list_first(&s->rcvq, struct usock, pending);

			list_remove(&c->pending);
			s->qlen--;
			usock_close(c, true);
		}
		return;
	}
	while (!list_empty(&s->rcvq))
		msg_done(s, list_first(&s->rcvq, struct msg, link));
}

#define POLL_ALL (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM | POLLWRBAND | POLLRDHUP | POLLHUP | POLLERR)

void usock_wake(struct usock *s)
{
	waitq_wake_all(&s->sk.rd, POLL_ALL);
	waitq_wake_all(&s->sk.wr, POLL_ALL);
}

void usock_room(struct usock *s)
{
	waitq_wake_all(&s->room, POLLOUT);
	list_each(p, &unix_all) {
		struct usock *o = list_entry(p, struct usock, all);

		if (o->peer == s)
			waitq_wake_all(&o->sk.wr, POLLOUT | POLLWRNORM | POLLWRBAND);
	}
}

/* Bytes on the queue; of datagrams, the next one's. */
static size_t queued(const struct usock *s)
{
	size_t n = 0;

	list_each(p, &s->rcvq) {
		struct msg *m = list_entry(p, struct msg, link);

		n += m->len - m->off;
		if (s->sk.type == SOCK_DGRAM)
			break;
	}
	return n;
}

void usock_close(struct usock *s, bool embryo)
{
	struct usock *peer = s->peer;
	bool records = s->sk.type == SOCK_DGRAM;

	s->closed = s->shut_rd = s->shut_wr = true;
	s->bound = false;
	s->file = NULL;
	s->peer = NULL;
	if (s->inode) {
		s->inode->special = NULL;
		inode_put(s->inode);
		s->inode = NULL;
	}
	if (peer && !records) {
		peer->shut_rd = peer->shut_wr = true;
		if (embryo || queued(s))
			peer->sk.err = ECONNRESET;
	}
	usock_purge(s);
	if (records || s->sk.state == SS_LISTENING)
		usock_room(s);
	if (peer && !records)
		usock_wake(peer); /* a datagram socket learns it by sending */
	usock_put(peer);
	usock_put(s);
}

static void unix_release(struct file *f)
{
	usock_close(f->priv, false);
	if (unix_passing)
		unix_collect();
}

void usock_disconnected(struct usock *s, struct usock *old)
{
	usock_purge(s);
	if (!old->closed && old->peer == s) {
		old->sk.err = ECONNRESET;
		usock_wake(old);
	}
	waitq_wake_all(&s->sk.wr, POLLOUT | POLLWRNORM);
}

/* ---- sending ---- */

/* Why nothing can be sent to `to` now; 0 when it can. A datagram socket whose peer is gone learns it once and is alone
 * then. */
static int send_state(struct usock *s, struct usock *to)
{
	if (s->shut_wr)
		return -EPIPE;
	if (!to)
		return -ENOTCONN;
	if (to->closed) {
		if (s->peer == to) {
			s->peer = NULL;
			usock_purge(s);
			usock_put(to);
		}
		return -ECONNREFUSED;
	}
	if (s->sk.type == SOCK_DGRAM && to->peer && to->peer != s)
		return -EPERM;
	return to->shut_rd ? -EPIPE : 0;
}

/* Sleeps for room: 0 (or the reason that ends the waiting: see send_state), -EAGAIN, -EINTR. */
static int await_room(struct usock *s, bool nonblock, uint64_t deadline)
{
	int r;

	if (s->charged < s->sk.sndbuf)
		return 0;
	if (nonblock)
		return -EAGAIN;
	r = wait_event(&s->sk.wr, s->charged < s->sk.sndbuf || s->shut_wr || (s->peer && s->peer->closed), deadline);
	return r == -ETIMEDOUT ? -EAGAIN : r;
}

/* The same for the queue of the receiver of a datagram. */
static int await_queue(struct usock *s, struct usock *to, bool nonblock, uint64_t deadline)
{
	int r;

	if (s->sk.type != SOCK_DGRAM || to == s || to->peer == s || !usock_full(to))
		return 0;
	if (nonblock)
		return -EAGAIN;
	r = wait_event(&to->room, !usock_full(to) || to->closed || to->shut_rd || s->shut_wr, deadline);
	return r == -ETIMEDOUT ? -EAGAIN : r;
}

/* Hands m over, with what travels beside the bytes. */
static void msg_deliver(struct usock *to, struct msg *m, struct scm *scm)
{
	m->scm.pid = current_proc()->pid;
	m->scm.uid = cred_current()->ruid;
	m->scm.gid = cred_current()->rgid;
	if (scm) {
		if (scm->pid) {
			m->scm.pid = scm->pid;
			m->scm.uid = scm->uid;
			m->scm.gid = scm->gid;
		}
		m->scm.files = scm->files;
		m->scm.nfiles = scm->nfiles;
		scm->files = NULL;
		scm->nfiles = 0;
	}
	list_append(&to->rcvq, &m->link);
	to->qlen++;
	unix_passing += m->scm.nfiles != 0;
	waitq_wake(&to->sk.rd, POLLIN | POLLRDNORM);
}

/* Puts up to n bytes of a short stream write behind the last message. Bytes moved; 0: a new message is needed. */
static size_t stream_join(struct usock *s, struct uio *u, size_t n, const struct scm *scm)
{
	struct list *q = &s->peer->rcvq;
	struct msg *m = list_empty(q) ? NULL : list_entry(q->prev, struct msg, link);
	size_t want;

	if (!m || m->from != s || m->scm.nfiles || m->scm.pid != current_proc()->pid)
		return 0;
	if (scm && (scm->nfiles || scm->pid))
		return 0;
	want = MIN(n, m->cap - m->len);
	n = uio_take(u, m->data + m->len, want);
	if (n < want) {
		uio_rewind(u, n); /* a page is missing: what may sleep is done with a message of its own */
		return 0;
	}
	m->len += n;
	if (n)
		waitq_wake(&s->peer->sk.rd, POLLIN | POLLRDNORM);
	return n;
}

/* One message of up to n bytes: bytes sent or -errno. */
static long send_one(struct usock *s, struct usock *to, struct uio *u, size_t n, size_t cap, struct scm *scm)
{
	struct msg *m = msg_new(s, cap);
	int r;

	if (!m)
		return -ENOMEM;
	r = uio_take_all(u, m->data, n);
	if (r)
		goto out_free;
	m->len = n;
	r = send_state(s, to); /* the copy may have slept */
	if (r)
		goto out_free;
	msg_deliver(to, m, scm);
	return (long)n;

out_free:
	msg_free(m);
	return r;
}

/* oob: the last byte is urgent. */
static long send_stream(struct usock *s, struct uio *u, bool nonblock, bool oob, struct scm *scm)
{
	uint64_t deadline = socket_deadline(s->sk.sndtimeo);
	size_t done = 0;
	long r = s->shut_wr ? -EPIPE : 0; /* said even to a write of nothing */

	while (u->resid) {
		bool urgent = oob && u->resid == 1;
		size_t n = MIN(u->resid - (oob && !urgent), STREAM_CHUNK);

		r = send_state(s, s->peer);
		if (!r && s->sk.err)
			r = socket_take_err(&s->sk);
		if (!r)
			r = await_room(s, nonblock, deadline);
		if (r)
			break;
		if (!s->peer || s->shut_wr)
			continue; /* it slept: send_state says why */
		r = urgent ? 0 : (long)stream_join(s, u, n, scm);
		if (!r)
			r = send_one(s, s->peer, u, n, urgent ? 1 : MAX(n, STREAM_SMALL), scm);
		if (r < 0)
			break;
		if (urgent) {
			s->peer->oob = list_entry(s->peer->rcvq.prev, struct msg, link);
			waitq_wake_all(&s->peer->sk.rd, POLLPRI);
		}
		done += (size_t)r;
	}
	return done ? (long)done : r;
}

/* One record to `to`, a reference that it consumes. */
static long send_record_to(struct usock *s, struct usock *to, struct uio *u, bool nonblock, uint64_t deadline, struct scm *scm)
{
	long r = send_state(s, to);

	if (!r)
		r = await_queue(s, to, nonblock, deadline);
	if (!r)
		r = send_state(s, to);
	if (!r)
		r = send_one(s, to, u, u->resid, u->resid, scm);
	else
		waitq_wake_all(&s->sk.wr, POLLOUT | POLLWRNORM); /* an edge to epoll: on Linux the unsent message's room is back */
	usock_put(to);
	return r;
}

static long send_record(struct usock *s, struct uio *u, bool nonblock, const struct sockaddr_k *a, struct scm *scm)
{
	uint64_t deadline = socket_deadline(s->sk.sndtimeo);
	struct usock *to = NULL;
	int r;

	if (s->sk.type == SOCK_SEQPACKET) {
		if (s->sk.err)
			return socket_take_err(&s->sk);
		if (s->sk.state != SS_CONNECTED)
			return -ENOTCONN;
		a = NULL;
	}
	if (!a && !s->peer)
		return -ENOTCONN;
	r = unix_autobind(s, true);
	if (r)
		return r;
	if (u->resid > s->sk.sndbuf - 32)
		return -EMSGSIZE;
	if (s->sk.err)
		return socket_take_err(&s->sk);
	if (s->shut_wr)
		return -EPIPE;
	r = await_room(s, nonblock, deadline);
	if (!r && a)
		r = unix_find(a, s->sk.type, &to);
	if (r)
		return r;
	if (!a && s->peer) {
		to = s->peer;
		to->refs++;
	}
	return send_record_to(s, to, u, nonblock, deadline, scm);
}

static long unix_send(struct file *f, struct uio *u, int flags, const struct sockaddr_k *to, struct scm *scm)
{
	struct usock *s = f->priv;
	bool nonblock = file_nonblock(f) || (flags & MSG_DONTWAIT);
	long r;

	if ((flags & MSG_OOB) && (s->sk.type != SOCK_STREAM || !u->resid))
		return -EOPNOTSUPP;
	if (s->sk.type != SOCK_STREAM)
		return send_record(s, u, nonblock, to, scm);
	if (to)
		return s->sk.state == SS_CONNECTED ? -EISCONN : -EOPNOTSUPP;
	if (!s->peer)
		return -ENOTCONN;
	r = send_stream(s, u, nonblock, flags & MSG_OOB, scm);
	if (r == -EPIPE && !(flags & MSG_NOSIGNAL))
		return file_broken_pipe();
	return r;
}

/* ---- receiving ---- */

/* The message that holds what a stream's reader gets after `*done` bytes of this call, of which the *done that are left then
 * are in front of it in the message: NULL at the end and at a mark. Marks that nothing was read in front of go (peek: stay). */
static struct msg *stream_next(struct usock *s, size_t *done, bool peek, bool first)
{
	bool inlined = socket_flag(&s->sk, SO_OOBINLINE);

	list_each_safe(p, &s->rcvq) {
		struct msg *m = list_entry(p, struct msg, link);
		bool urgent = m == s->oob;

		if (!first && (urgent || (m->off == m->len && !s->oob)))
			return NULL;
		if (urgent && !peek)
			s->oob = NULL;
		if (m->off == m->len || (urgent && !inlined)) {
			if (!peek)
				msg_done(s, m);
			continue;
		}
		if (*done < m->len - m->off)
			return m;
		*done -= m->len - m->off;
		first = false;
	}
	return NULL;
}

static bool has_msg(struct usock *s)
{
	return s->sk.type == SOCK_STREAM ? stream_next(s, &(size_t){ 0 }, true, true) != NULL : !list_empty(&s->rcvq);
}

/* Sleeps for a message: 1; 0 at the end of the stream; -errno. */
static int await_msg(struct usock *s, bool nonblock, uint64_t deadline)
{
	int r;

	for (;;) {
		if (s->sk.err && s->sk.type != SOCK_STREAM)
			return socket_take_err(&s->sk); /* a record comes after it, a stream's bytes before */
		if (has_msg(s))
			return 1;
		if (s->sk.err)
			return socket_take_err(&s->sk);
		if (s->shut_rd && !(nonblock && s->sk.type == SOCK_DGRAM))
			return 0;
		if (nonblock)
			return -EAGAIN;
		r = wait_event_flags(&s->sk.rd, has_msg(s) || s->sk.err || s->shut_rd, deadline, true, true);
		if (r)
			return r == -ETIMEDOUT ? -EAGAIN : r;
	}
}

/* What travelled with m goes to the caller: the files themselves, or (peek) references of their own. */
static int take_scm(struct msg *m, struct scm *scm, bool peek, unsigned *out_flags)
{
	if (scm) {
		scm->pid = m->scm.pid;
		scm->uid = m->scm.uid;
		scm->gid = m->scm.gid;
	}
	if (!m->scm.nfiles)
		return 0;
	if (!scm) {
		*out_flags |= MSG_CTRUNC;
		if (!peek) {
			unix_passing--;
			scm_free(&m->scm);
		}
		return 0;
	}
	if (!peek) {
		scm->files = m->scm.files;
		scm->nfiles = m->scm.nfiles;
		m->scm.files = NULL;
		m->scm.nfiles = 0;
		unix_passing--;
		return 0;
	}
	scm->files = kmalloc(m->scm.nfiles * sizeof(struct file *));
	if (!scm->files)
		return -ENOMEM;
	for (unsigned i = 0; i < m->scm.nfiles; i++)
		scm->files[i] = file_get(m->scm.files[i]);
	scm->nfiles = m->scm.nfiles;
	return 0;
}

/* Copies n bytes of the first message out and takes it off the queue, or (peek) leaves it there. When a page of the
 * user's is missing the copy sleeps, with the message away from the queue, so that nobody else takes it. */
static int record_out(struct usock *s, struct msg *m, struct uio *u, size_t n, bool peek)
{
	size_t got = uio_put(u, m->data, n);
	int r = 0;

	if (got < n) {
		list_remove(&m->link);
		r = uio_put_all(u, m->data + got, n - got);
		if (peek) {
			list_push(&s->rcvq, &m->link);
			waitq_wake(&s->sk.rd, POLLIN | POLLRDNORM);
		}
	}
	if (!peek)
		msg_done(s, m);
	return r;
}

/* The sender's name as it is now. */
static void msg_name(const struct msg *m, struct sockaddr_k *from)
{
	if (from && m->from->addr)
		*from = m->from->addr->a;
}

static long recv_record(struct usock *s, struct uio *u, int flags, bool nonblock, unsigned *out_flags,
			struct sockaddr_k *from, struct scm *scm)
{
	bool peek = flags & MSG_PEEK;
	struct msg *m;
	size_t len, n;
	long r = await_msg(s, nonblock, socket_deadline(s->sk.rcvtimeo));

	if (r <= 0)
		return r;
	m = list_first(&s->rcvq, struct msg, link);
	len = m->len;
	n = MIN(len, u->resid);
	if (len > u->resid)
		*out_flags |= MSG_TRUNC;
	msg_name(m, from);
	r = take_scm(m, scm, peek, out_flags);
	if (r)
		return r;
	r = record_out(s, m, u, n, peek);
	if (r) {
		if (scm)
			scm_free(scm);
		return r;
	}
	return (long)(flags & MSG_TRUNC ? len : n);
}

/* Copies from the stream's first message, after `skip` bytes of the queue (MSG_PEEK): bytes, 0 when a page of the
 * user's is missing, or -ENODATA when the queue ends or the next message must not join those before it. */
static long stream_step(struct usock *s, struct uio *u, size_t skip, bool peek, bool first, struct sockaddr_k *from,
			struct scm *scm, unsigned *out_flags)
{
	struct msg *m = stream_next(s, &skip, peek, peek || first);
	size_t got;

	if (!m)
		return -ENODATA;
	if (!first && (m->scm.nfiles || (scm && (scm->nfiles || (socket_flag(&s->sk, SO_PASSCRED) && scm->pid != m->scm.pid)))))
		return -ENODATA;
	got = uio_put(u, m->data + m->off + skip, MIN(u->resid, m->len - m->off - skip));
	if (!got && u->resid)
		return 0;
	if (first) {
		int r = take_scm(m, scm, peek, out_flags);

		msg_name(m, from);
		if (r) {
			uio_rewind(u, got);
			return r;
		}
	}
	if (!peek) {
		m->off += got;
		if (m->off == m->len)
			msg_done(s, m);
	}
	return (long)got;
}

static long recv_stream(struct usock *s, struct uio *u, int flags, bool nonblock, unsigned *out_flags,
			struct sockaddr_k *from, struct scm *scm)
{
	bool peek = flags & MSG_PEEK;
	uint64_t deadline = socket_deadline(s->sk.rcvtimeo);
	size_t done = 0, target = flags & MSG_WAITALL ? u->resid : 1;
	bool slept = false;
	long r;

	do {
		r = stream_step(s, u, peek ? done : 0, peek, !done, from, scm, out_flags);
		if (r > 0) {
			done += (size_t)r;
		} else if (r == 0) {
			r = uio_fault_in(u, MIN(u->resid, PAGE_SIZE));
		} else if (r == -ENODATA) {
			if (done >= target || (peek && done) || (done && !list_empty(&s->rcvq)))
				break;
			slept = true;
			r = await_msg(s, nonblock, deadline);
			if (r == 0)
				break;
		}
	} while (r >= 0 && u->resid);
	if (slept && !list_empty(&s->rcvq) && !peek)
		waitq_wake(&s->sk.rd, POLLIN | POLLRDNORM); /* the next reader: this one may have taken its turn */
	if (done || r == -ENODATA)
		return (long)done;
	return r;
}

static long recv_oob(struct usock *s, struct uio *u, bool peek, unsigned *out_flags)
{
	struct msg *m = s->oob;
	int r;

	if (s->sk.type != SOCK_STREAM)
		return -EOPNOTSUPP;
	if (!m || socket_flag(&s->sk, SO_OOBINLINE))
		return -EINVAL;
	if (!peek) {
		m->off = 1;
		s->oob = NULL;
	}
	*out_flags |= MSG_OOB;
	r = u->resid ? uio_put_all(u, &(char){ m->data[0] }, 1) : -EFAULT;
	return r ? r : 1;
}

static long unix_recv(struct file *f, struct uio *u, int flags, unsigned *out_flags, struct sockaddr_k *from, struct scm *scm)
{
	struct usock *s = f->priv;
	bool nonblock = file_nonblock(f) || (flags & MSG_DONTWAIT);
	unsigned ignored = 0;

	if (!out_flags)
		out_flags = &ignored;
	if (s->sk.type != SOCK_DGRAM && s->sk.state != SS_CONNECTED)
		return s->sk.type == SOCK_STREAM ? -EINVAL : -ENOTCONN;
	if (flags & MSG_OOB)
		return recv_oob(s, u, flags & MSG_PEEK, out_flags);
	if (s->sk.type == SOCK_STREAM)
		return recv_stream(s, u, flags, nonblock, out_flags, from, scm);
	return recv_record(s, u, flags, nonblock, out_flags, from, scm);
}

static long unix_read(struct file *f, struct uio *u, int64_t *pos)
{
	return u->resid ? unix_recv(f, u, 0, NULL, NULL, NULL) : 0;
}

static long unix_write(struct file *f, struct uio *u, int64_t *pos) { return unix_send(f, u, 0, NULL, NULL); }

/* ---- poll, shutdown, options, names ---- */

/* A datagram would have to wait for its receiver. */
static bool peer_full(const struct usock *s)
{
	return s->sk.type == SOCK_DGRAM && s->peer && s->peer->peer != s && usock_full(s->peer);
}

static unsigned unix_poll(struct file *f, struct poll_table *pt)
{
	struct usock *s = f->priv;
	unsigned ev = 0;

	poll_wait(pt, &s->sk.rd);
	poll_wait(pt, &s->sk.wr);
	if (s->sk.err)
		ev |= POLLERR;
	if ((s->shut_rd && s->shut_wr) || (s->sk.type != SOCK_DGRAM && s->sk.state == SS_CLOSED))
		ev |= POLLHUP;
	if (s->shut_rd)
		ev |= POLLRDHUP | POLLIN | POLLRDNORM;
	if (!list_empty(&s->rcvq))
		ev |= POLLIN | POLLRDNORM;
	if (writable(s) && s->sk.state != SS_LISTENING && !peer_full(s))
		ev |= POLLOUT | POLLWRNORM | POLLWRBAND;
	if (s->oob)
		ev |= POLLPRI;
	return ev;
}

static int unix_shutdown(struct file *f, int how)
{
	struct usock *s = f->priv;

	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	if (how != SHUT_WR)
		s->shut_rd = true;
	if (how != SHUT_RD)
		s->shut_wr = true;
	usock_wake(s);
	if (s->peer && s->sk.type != SOCK_DGRAM) {
		s->peer->shut_wr |= how != SHUT_WR;
		s->peer->shut_rd |= how != SHUT_RD;
		usock_wake(s->peer);
	} else if (how != SHUT_WR) {
		usock_room(s);
	}
	return 0;
}

static long unix_ioctl(struct file *f, unsigned cmd, void *arg)
{
	struct usock *s = f->priv;
	int n = 0;

	if (s->sk.state == SS_LISTENING && cmd == FIONREAD)
		return -EINVAL;
	switch (cmd) {
	case FIONREAD: /* SIOCINQ: all bytes there are, of datagrams the next one's */
		n = (int)queued(s);
		break;
	case TIOCOUTQ: /* SIOCOUTQ */
		n = (int)s->charged;
		break;
	case SIOCATMARK:
		if (s->sk.state == SS_CONNECTED && !list_empty(&s->rcvq)) {
			struct msg *m = list_first(&s->rcvq, struct msg, link);

			n = m == s->oob || (m->off == m->len && (!s->oob || m->link.next == &s->oob->link));
		}
		break;
	default:
		return -ENOTTY;
	}
	*(int *)arg = n;
	return 0;
}

static int unix_getsockopt(struct file *f, int level, int opt, void *val, unsigned *len)
{
	struct usock *s = f->priv;

	if (level != SOL_SOCKET)
		return -EOPNOTSUPP;
	if (opt == SO_PROTOCOL)
		return socket_put_opt(val, len, &(int){ 0 }, sizeof(int));
	if (opt != SO_PEERCRED)
		return -ENOPROTOOPT;
	return socket_put_opt(val, len, &s->cred, sizeof(s->cred));
}

static int unix_setsockopt(struct file *f, int level, int opt, const void *val, unsigned len)
{
	return level == SOL_SOCKET ? -ENOPROTOOPT : -EOPNOTSUPP;
}

/* ---- making ---- */

const struct file_ops unix_file_ops = {
	.read = unix_read,
	.write = unix_write,
	.poll = unix_poll,
	.ioctl = unix_ioctl,
	.release = unix_release,
	.anon_name = "socket",
};

/* The file of s, which it takes over, or frees. */
int usock_file(struct usock *s, int flags, struct file **out)
{
	int r = file_new_anon(&unix_file_ops, S_IFSOCK | 0777, O_RDWR | flags, s, out);

	if (r)
		usock_close(s, true);
	else
		s->file = *out;
	return r;
}

static int unix_create(int type, int protocol, int flags, struct file **out)
{
	struct usock *s;

	if (protocol && protocol != AF_UNIX)
		return -EPROTONOSUPPORT;
	if (type == SOCK_RAW)
		type = SOCK_DGRAM; /* as Linux does */
	if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_SEQPACKET)
		return -ESOCKTNOSUPPORT;
	s = usock_new(type);
	return s ? usock_file(s, flags, out) : -ENOMEM;
}

static int unix_pair(int type, int protocol, int flags, struct file **a, struct file **b)
{
	struct usock *s, *t;
	int r = unix_create(type, protocol, flags, a);

	if (r)
		return r;
	r = unix_create(type, protocol, flags, b);
	if (r) {
		file_put(*a);
		return r;
	}
	s = (*a)->priv;
	t = (*b)->priv;
	s->peer = t;
	t->peer = s;
	s->refs++;
	t->refs++;
	s->cred = t->cred = ucred_now();
	s->sk.state = t->sk.state = SS_CONNECTED;
	return 0;
}

const struct socket_ops unix_socket_ops = {
	.family = AF_UNIX,
	.create = unix_create,
	.pair = unix_pair,
	.bind = unix_bind,
	.connect = unix_connect,
	.listen = unix_listen,
	.accept = unix_accept,
	.name = unix_name,
	.send = unix_send,
	.recv = unix_recv,
	.shutdown = unix_shutdown,
	.getsockopt = unix_getsockopt,
	.setsockopt = unix_setsockopt,
};
