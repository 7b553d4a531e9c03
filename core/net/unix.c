/* AF_UNIX sockets: connected pairs of stream, datagram and sequenced-packet type (unix(7), socketpair(2)).
 *
 * A socket's receive queue holds messages, each with its sender, its bytes and what travels beside them. Stream data is
 * cut into chunks and small writes join the last chunk; records stay whole. A message is charged to its sender until it
 * is received; a sender waits while its charge is at or above sndbuf, which is all the flow control there is.
 *
 * Files in flight are references of the message. Letting go of a queue full of sockets whose queues are full of sockets
 * would recurse, so messages with files are put on one list that one thread empties (graveyard).
 *
 * Missing: bind, listen, connect, accept (names); MSG_OOB; collecting sockets that are reachable only through their own
 * queues (unix(7) garbage collection). */
#include "core/net/unix.h"
#include "core/lib/string.h"
#include "core/mm/slab.h"
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
#include "shim/abi/stat.h"

#define BUF_DEFAULT 212992u /* net.core.wmem_default, and wmem_max */
#define SNDBUF_MIN 4608u    /* of setsockopt, after doubling */
#define RCVBUF_MIN 2304u
#define CHARGE_MIN 768u     /* what the smallest message costs its sender */
#define STREAM_CHUNK (8 * PAGE_SIZE - sizeof(struct msg))
#define STREAM_SMALL (PAGE_SIZE - sizeof(struct msg)) /* room that a short stream write leaves for the next ones */

struct usock {
	unsigned refs;        /* its file, its peer, messages that it sent */
	int type;             /* SOCK_ */
	struct usock *peer;   /* reference held; NULL: disconnected */
	struct list rcvq;     /* of struct msg */
	size_t charged;       /* bytes of mine in others' queues */
	size_t sndbuf, rcvbuf;
	bool closed;          /* its file is gone */
	bool shut_rd, shut_wr;
	bool passcred;
	int err;              /* SO_ERROR: told once */
	int rcvlowat;
	struct waitq rd, wr;  /* poll waits on both */
	uint64_t rcvtimeo, sndtimeo; /* ns; TIME_NEVER */
	int pid;              /* who made the pair: SO_PEERCRED of the other end */
	uint32_t uid, gid;
};

struct msg {
	struct list link;
	struct usock *from;   /* reference held */
	size_t charge;
	size_t cap, off, len; /* bytes of data; first one not received; end */
	struct unix_scm scm;
	char data[];
};

static const struct file_ops unix_ops;

bool file_is_unix(const struct file *f) { return f->ops == &unix_ops; }

/* ---- life of sockets and messages ---- */

static void usock_put(struct usock *s)
{
	if (!s || --s->refs)
		return;
	kassert(list_empty(&s->rcvq));
	kfree(s);
}

static struct usock *usock_new(int type)
{
	struct usock *s = kzalloc(sizeof(*s));

	if (!s)
		return NULL;
	s->refs = 1;
	s->type = type;
	s->sndbuf = s->rcvbuf = BUF_DEFAULT;
	s->rcvlowat = 1;
	s->rcvtimeo = s->sndtimeo = TIME_NEVER;
	list_init(&s->rcvq);
	waitq_init(&s->rd);
	waitq_init(&s->wr);
	s->pid = current_proc()->pid;
	s->uid = cred_current()->euid;
	s->gid = cred_current()->egid;
	return s;
}

void unix_scm_free(struct unix_scm *scm)
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
		unix_scm_free(&m->scm);
		kfree(m);
	}
	busy = false;
}

static bool writable(const struct usock *s) { return s->charged * 4 <= s->sndbuf; }

/* Gives the sender its charge back. */
static void msg_discharge(struct msg *m)
{
	struct usock *from = m->from;

	from->charged -= m->charge;
	m->from = NULL;
	if (writable(from))
		waitq_wake_all(&from->wr, POLLOUT | POLLWRNORM | POLLWRBAND);
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

static void queue_purge(struct usock *s)
{
	while (!list_empty(&s->rcvq))
		msg_free(list_first(&s->rcvq, struct msg, link));
}

#define POLL_ALL (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM | POLLWRBAND | POLLRDHUP | POLLHUP | POLLERR)

static void wake_both(struct usock *s)
{
	waitq_wake_all(&s->rd, POLL_ALL);
	waitq_wake_all(&s->wr, POLL_ALL);
}

static void unix_release(struct file *f)
{
	struct usock *s = f->priv, *peer = s->peer;

	s->closed = s->shut_rd = s->shut_wr = true;
	s->peer = NULL;
	if (peer && s->type != SOCK_DGRAM) {
		peer->shut_rd = peer->shut_wr = true;
		if (!list_empty(&s->rcvq))
			peer->err = ECONNRESET;
	}
	queue_purge(s);
	if (peer && s->type != SOCK_DGRAM)
		wake_both(peer); /* a datagram socket learns it by sending */
	usock_put(peer);
	usock_put(s);
}

/* ---- sending ---- */

static int take_err(struct usock *s)
{
	int err = s->err;

	s->err = 0;
	return -err;
}

static uint64_t timeout_deadline(uint64_t timeo) { return timeo == TIME_NEVER ? TIME_NEVER : clock_mono() + timeo; }

/* Why nothing can be sent now; 0 when it can. A datagram socket whose peer is gone learns it once and is alone then. */
static int send_state(struct usock *s)
{
	struct usock *peer = s->peer;

	if (s->shut_wr)
		return -EPIPE;
	if (!peer)
		return -ENOTCONN;
	if (peer->closed) {
		s->peer = NULL;
		usock_put(peer);
		queue_purge(s);
		return -ECONNREFUSED;
	}
	if (peer->shut_rd)
		return -EPIPE;
	return 0;
}

/* Sleeps for room: 0 (or the reason that ends the waiting: see send_state), -EAGAIN, -EINTR. */
static int await_room(struct usock *s, bool nonblock, uint64_t deadline)
{
	int r;

	if (s->charged < s->sndbuf)
		return 0;
	if (nonblock)
		return -EAGAIN;
	r = wait_event(&s->wr, s->charged < s->sndbuf || s->shut_wr || !s->peer || s->peer->closed, deadline);
	return r == -ETIMEDOUT ? -EAGAIN : r;
}

/* Hands m over to the peer, with what travels beside the bytes. */
static void msg_deliver(struct usock *s, struct msg *m, struct unix_scm *scm)
{
	struct usock *peer = s->peer;

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
	list_append(&peer->rcvq, &m->link);
	waitq_wake(&peer->rd, POLLIN | POLLRDNORM);
}

/* Puts bytes of a short stream write behind the last message. Bytes moved; 0: a new message is needed. */
static size_t stream_join(struct usock *s, struct uio *u, const struct unix_scm *scm)
{
	struct list *q = &s->peer->rcvq;
	struct msg *m = list_empty(q) ? NULL : list_entry(q->prev, struct msg, link);
	size_t n, want;

	if (!m || m->from != s || m->scm.nfiles || m->scm.pid != current_proc()->pid)
		return 0;
	if (scm && (scm->nfiles || scm->pid))
		return 0;
	want = MIN(u->resid, m->cap - m->len);
	n = uio_take(u, m->data + m->len, want);
	if (n < want) {
		uio_rewind(u, n); /* a page is missing: what may sleep is done with a message of its own */
		return 0;
	}
	m->len += n;
	if (n)
		waitq_wake(&s->peer->rd, POLLIN | POLLRDNORM);
	return n;
}

/* One message of up to n bytes: bytes sent or -errno. */
static long send_one(struct usock *s, struct uio *u, size_t n, size_t cap, struct unix_scm *scm)
{
	struct msg *m = msg_new(s, cap);
	int r;

	if (!m)
		return -ENOMEM;
	r = uio_take_all(u, m->data, n);
	if (r)
		goto out_free;
	m->len = n;
	r = send_state(s); /* the copy may have slept */
	if (r)
		goto out_free;
	msg_deliver(s, m, scm);
	return (long)n;

out_free:
	msg_free(m);
	return r;
}

static long send_stream(struct usock *s, struct uio *u, bool nonblock, struct unix_scm *scm)
{
	uint64_t deadline = timeout_deadline(s->sndtimeo);
	size_t done = 0;
	long r = s->shut_wr ? -EPIPE : 0; /* said even to a write of nothing */

	while (u->resid) {
		size_t n = MIN(u->resid, STREAM_CHUNK);

		r = send_state(s);
		if (!r && s->err)
			r = take_err(s);
		if (!r)
			r = await_room(s, nonblock, deadline);
		if (r)
			break;
		if (!s->peer || s->shut_wr)
			continue; /* it slept: send_state says why */
		r = (long)stream_join(s, u, scm);
		if (!r)
			r = send_one(s, u, n, MAX(n, STREAM_SMALL), scm);
		if (r < 0)
			break;
		done += (size_t)r;
	}
	return done ? (long)done : r;
}

static long send_record(struct usock *s, struct uio *u, bool nonblock, struct unix_scm *scm)
{
	uint64_t deadline = timeout_deadline(s->sndtimeo);
	int r;

	if (s->type == SOCK_SEQPACKET && s->err)
		return take_err(s);
	if (u->resid > s->sndbuf - 32)
		return -EMSGSIZE;
	if (s->err)
		return take_err(s);
	if (s->shut_wr)
		return -EPIPE;
	r = await_room(s, nonblock, deadline);
	if (r)
		return r;
	r = send_state(s);
	if (!r)
		return send_one(s, u, u->resid, u->resid, scm);
	waitq_wake_all(&s->wr, POLLOUT | POLLWRNORM); /* an edge to epoll: on Linux the unsent message's room is back */
	return r;
}

long unix_send(struct file *f, struct uio *u, int flags, bool has_dest, struct unix_scm *scm)
{
	struct usock *s = f->priv;
	bool nonblock = file_nonblock(f) || (flags & MSG_DONTWAIT);
	long r;

	if (flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (s->type != SOCK_STREAM)
		return has_dest && s->type == SOCK_DGRAM ? -ENOENT : send_record(s, u, nonblock, scm);
	if (has_dest)
		return -EISCONN;
	r = send_stream(s, u, nonblock, scm);
	if (r == -EPIPE && !(flags & MSG_NOSIGNAL))
		return file_broken_pipe();
	return r;
}

/* ---- receiving ---- */

/* Sleeps for a message: 1; 0 at the end of the stream; -errno. */
static int await_msg(struct usock *s, bool nonblock, uint64_t deadline)
{
	int r;

	for (;;) {
		if (s->err && s->type != SOCK_STREAM)
			return take_err(s); /* a record comes after it, a stream's bytes before */
		if (!list_empty(&s->rcvq))
			return 1;
		if (s->err)
			return take_err(s);
		if (s->shut_rd && !(nonblock && s->type == SOCK_DGRAM))
			return 0;
		if (nonblock)
			return -EAGAIN;
		r = wait_event_flags(&s->rd, !list_empty(&s->rcvq) || s->err || s->shut_rd, deadline, true, true);
		if (r)
			return r == -ETIMEDOUT ? -EAGAIN : r;
	}
}

/* What travelled with m goes to the caller: the files themselves, or (peek) references of their own. */
static int take_scm(struct msg *m, struct unix_scm *scm, bool peek, unsigned *out_flags)
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
		if (!peek)
			unix_scm_free(&m->scm);
		return 0;
	}
	if (!peek) {
		scm->files = m->scm.files;
		scm->nfiles = m->scm.nfiles;
		m->scm.files = NULL;
		m->scm.nfiles = 0;
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
			waitq_wake(&s->rd, POLLIN | POLLRDNORM);
		}
	}
	if (!peek)
		msg_free(m);
	return r;
}

static long recv_record(struct usock *s, struct uio *u, int flags, bool nonblock, unsigned *out_flags,
			struct unix_scm *scm)
{
	bool peek = flags & MSG_PEEK;
	struct msg *m;
	size_t len, n;
	long r = await_msg(s, nonblock, timeout_deadline(s->rcvtimeo));

	if (r <= 0)
		return r;
	m = list_first(&s->rcvq, struct msg, link);
	len = m->len;
	n = MIN(len, u->resid);
	if (len > u->resid)
		*out_flags |= MSG_TRUNC;
	r = take_scm(m, scm, peek, out_flags);
	if (r)
		return r;
	r = record_out(s, m, u, n, peek);
	if (r) {
		if (scm)
			unix_scm_free(scm);
		return r;
	}
	return (long)(flags & MSG_TRUNC ? len : n);
}

/* Copies from the stream's first message, after `skip` bytes of the queue (MSG_PEEK): bytes, 0 when a page of the
 * user's is missing, or -ENODATA when the queue ends or the next message must not join those before it. */
static long stream_step(struct usock *s, struct uio *u, size_t skip, bool peek, bool first, struct unix_scm *scm,
			unsigned *out_flags)
{
	struct msg *m = NULL;
	size_t got;

	list_each(p, &s->rcvq) {
		m = list_entry(p, struct msg, link);
		if (skip < m->len - m->off)
			break;
		skip -= m->len - m->off;
		m = NULL;
	}
	if (!m)
		return -ENODATA;
	if (!first && (m->scm.nfiles || (scm && (scm->nfiles || (s->passcred && scm->pid != m->scm.pid)))))
		return -ENODATA;
	got = uio_put(u, m->data + m->off + skip, MIN(u->resid, m->len - m->off - skip));
	if (!got && u->resid)
		return 0;
	if (first) {
		int r = take_scm(m, scm, peek, out_flags);

		if (r) {
			uio_rewind(u, got);
			return r;
		}
	}
	if (!peek) {
		m->off += got;
		if (m->off == m->len)
			msg_free(m);
	}
	return (long)got;
}

static long recv_stream(struct usock *s, struct uio *u, int flags, bool nonblock, unsigned *out_flags,
			struct unix_scm *scm)
{
	bool peek = flags & MSG_PEEK;
	uint64_t deadline = timeout_deadline(s->rcvtimeo);
	size_t done = 0, target = flags & MSG_WAITALL ? u->resid : 1;
	bool slept = false;
	long r;

	do {
		r = stream_step(s, u, peek ? done : 0, peek, !done, scm, out_flags);
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
		waitq_wake(&s->rd, POLLIN | POLLRDNORM); /* the next reader: this one may have taken its turn */
	if (done || r == -ENODATA)
		return (long)done;
	return r;
}

long unix_recv(struct file *f, struct uio *u, int flags, unsigned *out_flags, struct unix_scm *scm)
{
	struct usock *s = f->priv;
	bool nonblock = file_nonblock(f) || (flags & MSG_DONTWAIT);
	unsigned ignored = 0;

	if (!out_flags)
		out_flags = &ignored;
	if (flags & MSG_OOB)
		return s->type == SOCK_STREAM ? -EINVAL : -EOPNOTSUPP;
	if (s->type == SOCK_STREAM)
		return recv_stream(s, u, flags, nonblock, out_flags, scm);
	return recv_record(s, u, flags, nonblock, out_flags, scm);
}

static long unix_read(struct file *f, struct uio *u, int64_t *pos)
{
	return u->resid ? unix_recv(f, u, 0, NULL, NULL) : 0;
}

static long unix_write(struct file *f, struct uio *u, int64_t *pos) { return unix_send(f, u, 0, false, NULL); }

/* ---- poll, shutdown, options, names ---- */

static unsigned unix_poll(struct file *f, struct poll_table *pt)
{
	struct usock *s = f->priv;
	unsigned ev = 0;

	poll_wait(pt, &s->rd);
	poll_wait(pt, &s->wr);
	if (s->err)
		ev |= POLLERR;
	if (s->shut_rd && s->shut_wr)
		ev |= POLLHUP;
	if (s->shut_rd)
		ev |= POLLRDHUP | POLLIN | POLLRDNORM;
	if (!list_empty(&s->rcvq))
		ev |= POLLIN | POLLRDNORM;
	if (writable(s))
		ev |= POLLOUT | POLLWRNORM | POLLWRBAND;
	return ev;
}

int unix_shutdown(struct file *f, int how)
{
	struct usock *s = f->priv;

	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	if (how != SHUT_WR)
		s->shut_rd = true;
	if (how != SHUT_RD)
		s->shut_wr = true;
	wake_both(s);
	if (s->peer && s->type != SOCK_DGRAM) {
		s->peer->shut_wr |= how != SHUT_WR;
		s->peer->shut_rd |= how != SHUT_RD;
		wake_both(s->peer);
	}
	return 0;
}

static long unix_ioctl(struct file *f, unsigned cmd, void *arg)
{
	struct usock *s = f->priv;
	int n = 0;

	switch (cmd) {
	case FIONREAD: /* SIOCINQ: all bytes there are, of datagrams the next one's */
		list_each(p, &s->rcvq) {
			struct msg *m = list_entry(p, struct msg, link);

			n += (int)(m->len - m->off);
			if (s->type == SOCK_DGRAM)
				break;
		}
		break;
	case TIOCOUTQ: /* SIOCOUTQ */
		n = (int)s->charged;
		break;
	default:
		return -ENOTTY;
	}
	*(int *)arg = n;
	return 0;
}

struct ucred_k { int pid; uint32_t uid, gid; };
struct timeval_k { int64_t sec, usec; };

static int put_opt(void *val, unsigned *len, const void *src, unsigned size)
{
	*len = MIN(*len, size);
	memcpy(val, src, *len);
	return 0;
}

static int get_timeo(uint64_t ns, void *val, unsigned *len)
{
	struct timeval_k tv = { 0, 0 };

	if (ns != TIME_NEVER)
		tv = (struct timeval_k){ (int64_t)(ns / NSEC_PER_SEC), (int64_t)(ns % NSEC_PER_SEC / NSEC_PER_USEC) };
	return put_opt(val, len, &tv, sizeof(tv));
}

/* Options that Linux takes for AF_UNIX and that change nothing there. */
static bool without_meaning(int opt)
{
	const uint64_t opts = 1ul << SO_KEEPALIVE | 1ul << SO_DEBUG | 1ul << SO_REUSEADDR | 1ul << SO_REUSEPORT |
			      1ul << SO_BROADCAST | 1ul << SO_OOBINLINE | 1ul << SO_PRIORITY | 1ul << SO_DONTROUTE |
			      1ul << SO_TIMESTAMP;

	return opt >= 0 && opt < 64 && (opts >> opt & 1);
}

int unix_getsockopt(struct file *f, int level, int opt, void *val, unsigned *len)
{
	struct usock *s = f->priv;
	int v = 0;

	if (level != SOL_SOCKET)
		return -EOPNOTSUPP;
	switch (opt) {
	case SO_TYPE: v = s->type; break;
	case SO_ERROR: v = -take_err(s); break;
	case SO_SNDBUF: v = (int)s->sndbuf; break;
	case SO_RCVBUF: v = (int)s->rcvbuf; break;
	case SO_DOMAIN: v = AF_UNIX; break;
	case SO_PASSCRED: v = s->passcred; break;
	case SO_RCVLOWAT: v = s->rcvlowat; break;
	case SO_LINGER:
		return put_opt(val, len, (int[2]){ 0, 0 }, 8);
	case SO_RCVTIMEO:
		return get_timeo(s->rcvtimeo, val, len);
	case SO_SNDTIMEO:
		return get_timeo(s->sndtimeo, val, len);
	case SO_PEERCRED:
		return put_opt(val, len, &(struct ucred_k){ s->pid, s->uid, s->gid }, sizeof(struct ucred_k));
	case SO_PROTOCOL: case SO_ACCEPTCONN: break;
	default:
		if (!without_meaning(opt))
			return -ENOPROTOOPT;
	}
	return put_opt(val, len, &v, sizeof(v));
}

static int set_timeo(uint64_t *out, const void *val, unsigned len)
{
	const struct timeval_k *tv = val;

	if (len < sizeof(*tv))
		return -EINVAL;
	if (tv->usec < 0 || tv->usec >= 1000000)
		return -EDOM;
	*out = TIME_NEVER;
	if (tv->sec < 0)
		*out = 0;
	else if ((tv->sec || tv->usec) && tv->sec < INT64_MAX / (int64_t)NSEC_PER_SEC)
		*out = (uint64_t)tv->sec * NSEC_PER_SEC + (uint64_t)tv->usec * NSEC_PER_USEC;
	return 0;
}

/* socket(7): the kernel doubles what is asked for. */
static size_t buf_size(int v, size_t min)
{
	size_t size = 2 * (size_t)MIN((unsigned)v, BUF_DEFAULT);

	return MAX(size, min);
}

int unix_setsockopt(struct file *f, int level, int opt, const void *val, unsigned len)
{
	struct usock *s = f->priv;
	int v;

	if (level != SOL_SOCKET)
		return -EOPNOTSUPP;
	if (opt == SO_RCVTIMEO)
		return set_timeo(&s->rcvtimeo, val, len);
	if (opt == SO_SNDTIMEO)
		return set_timeo(&s->sndtimeo, val, len);
	if (len < sizeof(v))
		return -EINVAL;
	memcpy(&v, val, sizeof(v));
	switch (opt) {
	case SO_SNDBUF: case SO_SNDBUFFORCE:
		s->sndbuf = buf_size(v, SNDBUF_MIN);
		waitq_wake_all(&s->wr, POLLOUT | POLLWRNORM);
		return 0;
	case SO_RCVBUF: case SO_RCVBUFFORCE:
		s->rcvbuf = buf_size(v, RCVBUF_MIN);
		return 0;
	case SO_PASSCRED:
		s->passcred = v != 0;
		return 0;
	case SO_RCVLOWAT:
		s->rcvlowat = v > 0 ? v : 1;
		return 0;
	case SO_LINGER:
		return 0;
	}
	return without_meaning(opt) ? 0 : -ENOPROTOOPT;
}

int unix_getname(struct file *f, bool peer, void *addr, unsigned max)
{
	struct usock *s = f->priv;
	uint16_t family = AF_UNIX;

	if (peer && !s->peer)
		return -ENOTCONN;
	memcpy(addr, &family, MIN(max, (unsigned)sizeof(family)));
	return sizeof(family);
}

bool unix_passcred(struct file *f) { return ((struct usock *)f->priv)->passcred; }

static const struct file_ops unix_ops = {
	.read = unix_read,
	.write = unix_write,
	.poll = unix_poll,
	.ioctl = unix_ioctl,
	.release = unix_release,
	.anon_name = "socket",
};

int unix_pair(int type, int flags, struct file **a, struct file **b)
{
	struct usock *s, *t;
	struct file *fa, *fb;
	int r = -ENOMEM;

	if (type == SOCK_RAW)
		type = SOCK_DGRAM; /* as Linux does */
	if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_SEQPACKET)
		return -ESOCKTNOSUPPORT;
	s = usock_new(type);
	t = usock_new(type);
	if (!s || !t)
		goto out_socks;
	flags = O_RDWR | (flags & SOCK_NONBLOCK);
	r = file_new_anon(&unix_ops, S_IFSOCK | 0777, flags, s, &fa);
	if (r)
		goto out_socks;
	r = file_new_anon(&unix_ops, S_IFSOCK | 0777, flags, t, &fb);
	if (r) {
		usock_put(t);
		file_put(fa); /* with s */
		return r;
	}
	s->peer = t;
	t->peer = s;
	s->refs++;
	t->refs++;
	*a = fa;
	*b = fb;
	return 0;

out_socks:
	usock_put(s);
	usock_put(t);
	return r;
}
