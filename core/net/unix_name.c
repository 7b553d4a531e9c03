/* AF_UNIX sockets: names and connections (unix(7), bind(2), listen(2), connect(2), accept(2)).
 *
 * A path's inode points to the socket bound to it (inode->special) for as long as that is open; the name itself stays until
 * it is unlinked. Abstract names, a space for each type, are looked for among all sockets.
 *
 * connect() makes the server's end of the connection and queues it with the listener, so both sides may send before it is
 * accepted; only then does it get a file. */
#include "core/lib/seqbuf.h"
#include "core/lib/string.h"
#include "core/lib/util.h"
#include "core/mm/slab.h"
#include "core/net/unix_impl.h"
#include "core/proc/cred.h"
#include "core/timer.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/poll.h"
#include "shim/abi/socket.h"

#define SUN_PATH 2          /* where the name begins */
#define SUN_MAX (SUN_PATH + 108)
#define BACKLOG_MAX 4096    /* net.core.somaxconn */
#define AUTO_NAMES (1u << 20)

/* ---- names ---- */

void uaddr_put(struct uaddr *a)
{
	if (a && !--a->refs)
		kfree(a);
}

static int addr_check(const struct sockaddr_k *a)
{
	return a->len <= SUN_PATH || a->len > SUN_MAX || a->family != AF_UNIX ? -EINVAL : 0;
}

static struct uaddr *uaddr_new(const struct sockaddr_k *a)
{
	struct uaddr *n = kmalloc(sizeof(*n));

	if (!n)
		return NULL;
	n->refs = 1;
	n->a = *a;
	if (a->data[0]) /* a path's length tells of its terminator, which need not have been given */
		n->a.len = SUN_PATH + 1 + (unsigned)strnlen(a->data, SUN_MAX - SUN_PATH);
	return n;
}

static struct usock *find_abstract(const struct sockaddr_k *a, int type)
{
	list_each(p, &unix_all) {
		struct usock *s = list_entry(p, struct usock, all);

		if (s->bound && s->sk.type == type && s->addr->a.len == a->len && !memcmp(s->addr->a.data, a->data, a->len - SUN_PATH))
			return s;
	}
	return NULL;
}

static int find_path(const char *path, int type, struct usock **out)
{
	struct path found;
	struct inode *inode;
	int r = vfs_lookup(AT_FDCWD, path, 0, &found);

	if (r)
		return r;
	inode = found.dentry->inode;
	r = inode_permission(inode, MAY_WRITE);
	*out = S_ISSOCK(inode->mode) ? inode->special : NULL;
	if (!r && !*out)
		r = -ECONNREFUSED;
	if (!r && (*out)->sk.type != type)
		r = -EPROTOTYPE;
	if (!r)
		(*out)->refs++;
	path_put(&found);
	return r;
}

int unix_find(const struct sockaddr_k *a, int type, struct usock **out)
{
	int r = addr_check(a);

	if (r)
		return r;
	if (a->data[0])
		return find_path(a->data, type, out);
	*out = find_abstract(a, type);
	if (!*out)
		return -ECONNREFUSED;
	(*out)->refs++;
	return 0;
}

/* ---- bind ---- */

static int bind_path(struct usock *s, struct uaddr *n, uint32_t mode)
{
	struct inode *inode;
	int r = vfs_mknod(AT_FDCWD, n->a.data, S_IFSOCK | (mode & 07777), 0, &inode);

	if (r)
		return r == -EEXIST ? -EADDRINUSE : r;
	if (s->addr) { /* only now, as on Linux: a name in use is worse */
		inode_put(inode);
		vfs_unlink(AT_FDCWD, n->a.data, false);
		return -EINVAL;
	}
	s->inode = inode;
	inode->special = s;
	return 0;
}

static int bind_abstract(struct usock *s, struct uaddr *n)
{
	if (s->addr)
		return -EINVAL;
	return find_abstract(&n->a, s->sk.type) ? -EADDRINUSE : 0;
}

int unix_autobind(struct usock *s, bool passcred_only)
{
	static unsigned next;
	struct sockaddr_k a = { .len = SUN_PATH + 6, .family = AF_UNIX };

	if (s->addr || (passcred_only && !socket_flag(&s->sk, SO_PASSCRED)))
		return 0;
	for (unsigned i = 0; i < AUTO_NAMES; i++) {
		ksnprintf(a.data + 1, 6, "%05x", next++ % AUTO_NAMES);
		if (find_abstract(&a, s->sk.type))
			continue;
		s->addr = uaddr_new(&a);
		s->bound = s->addr != NULL;
		return s->addr ? 0 : -ENOMEM;
	}
	return -ENOSPC;
}

int unix_bind(struct file *f, const struct sockaddr_k *a)
{
	struct usock *s = f->priv;
	struct uaddr *n;
	int r;

	if (a->len == SUN_PATH && a->family == AF_UNIX)
		return unix_autobind(s, false);
	r = addr_check(a);
	if (r)
		return r;
	n = uaddr_new(a);
	if (!n)
		return -ENOMEM;
	r = a->data[0] ? bind_path(s, n, f->inode->mode) : bind_abstract(s, n);
	if (r) {
		uaddr_put(n);
		return r;
	}
	s->addr = n;
	s->bound = true;
	return 0;
}

int unix_name(struct file *f, bool peer, struct sockaddr_k *out)
{
	struct usock *s = f->priv;

	if (peer)
		s = s->peer;
	if (!s)
		return -ENOTCONN;
	if (s->addr)
		*out = s->addr->a;
	else
		*out = (struct sockaddr_k){ .len = SUN_PATH, .family = AF_UNIX };
	return 0;
}

/* ---- listen, accept ---- */

int unix_listen(struct file *f, int backlog)
{
	struct usock *s = f->priv;

	if (s->sk.type == SOCK_DGRAM)
		return -EOPNOTSUPP;
	if (!s->addr || s->sk.state == SS_CONNECTED)
		return -EINVAL;
	s->backlog = MIN((unsigned)backlog, (unsigned)BACKLOG_MAX);
	s->sk.state = SS_LISTENING;
	s->cred = ucred_now();
	waitq_wake_all(&s->room, 0);
	return 0;
}

int unix_accept(struct file *f, int flags, struct file **out)
{
	struct usock *s = f->priv, *c;
	int r;

	if (s->sk.type == SOCK_DGRAM)
		return -EOPNOTSUPP;
	if (s->sk.state != SS_LISTENING)
		return -EINVAL;
	if (list_empty(&s->rcvq) && !s->shut_rd && file_nonblock(f))
		return -EAGAIN;
	r = wait_event_flags(&s->sk.rd, !list_empty(&s->rcvq) || s->shut_rd, socket_deadline(s->sk.rcvtimeo), true, true);
	if (r)
		return r == -ETIMEDOUT ? -EAGAIN : r;
	if (list_empty(&s->rcvq))
		return -EINVAL;
	c = list_first(&s->rcvq, struct usock, pending);
	list_remove(&c->pending);
	s->qlen--;
	waitq_wake_all(&s->room, 0);
	return usock_file(c, flags, out);
}

/* ---- connect ---- */

/* Sleeps until `to` takes connections: 0 with *out, -EAGAIN, -EINTR, or why there is none. */
static int await_listener(struct usock *s, const struct sockaddr_k *a, bool nonblock, struct usock **out)
{
	uint64_t deadline = socket_deadline(s->sk.sndtimeo);

	for (;;) {
		struct usock *to;
		int r = unix_find(a, s->sk.type, &to);

		if (r)
			return r;
		if (to->sk.state != SS_LISTENING || to->shut_rd) {
			r = -ECONNREFUSED;
		} else if (!usock_full(to)) {
			*out = to;
			return 0;
		} else if (nonblock) {
			r = -EAGAIN;
		} else {
			r = wait_event(&to->room, !usock_full(to) || to->shut_rd, deadline);
		}
		usock_put(to);
		if (r)
			return r == -ETIMEDOUT ? -EAGAIN : r;
	}
}

static int connect_stream(struct usock *s, const struct sockaddr_k *a, bool nonblock)
{
	struct usock *c = usock_new(s->sk.type), *to;
	int r = c ? await_listener(s, a, nonblock, &to) : -ENOMEM;

	if (r)
		goto out;
	r = s->sk.state == SS_CONNECTED ? -EISCONN : s->sk.state == SS_LISTENING ? -EINVAL : 0;
	if (!r) {
		c->addr = to->addr;
		c->addr->refs++;
		c->cred = ucred_now();
		s->cred = to->cred;
		c->peer = s;
		s->peer = c;
		s->refs++;
		c->refs++;
		c->sk.state = s->sk.state = SS_CONNECTED;
		list_append(&to->rcvq, &c->pending);
		to->qlen++;
		waitq_wake(&to->sk.rd, POLLIN | POLLRDNORM);
		c = NULL;
	}
	usock_put(to);
out:
	usock_put(c);
	return r;
}

static int connect_dgram(struct usock *s, const struct sockaddr_k *a)
{
	struct usock *to = NULL, *old;
	int r = 0;

	if (a->family != AF_UNSPEC)
		r = unix_find(a, s->sk.type, &to);
	if (r)
		return r;
	if (to && (to->closed || (to->peer && to->peer != s))) {
		r = to->closed ? -ECONNREFUSED : -EPERM;
		usock_put(to);
		return r;
	}
	old = s->peer;
	s->peer = to;
	if (old && old != to)
		usock_disconnected(s, old);
	usock_put(old);
	return 0;
}

int unix_connect(struct file *f, const struct sockaddr_k *a)
{
	struct usock *s = f->priv;
	int r = 0;

	if (a->len < SUN_PATH)
		return -EINVAL;
	if (s->sk.type != SOCK_DGRAM || a->family != AF_UNSPEC)
		r = addr_check(a);
	if (!r)
		r = a->family == AF_UNSPEC ? 0 : unix_autobind(s, true);
	if (r)
		return r;
	return s->sk.type == SOCK_DGRAM ? connect_dgram(s, a) : connect_stream(s, a, file_nonblock(f));
}

/* ---- /proc/net/unix ---- */

/* The columns of proc(5). References are counted as Linux does, which has one for the table; embryos have no file yet. */
static void print_one(struct seqbuf *b, const struct usock *s)
{
	bool connected = s->sk.state == SS_CONNECTED || (s->sk.type == SOCK_DGRAM && s->peer);

	seqbuf_printf(b, "%016x: %08X %08X %08X %04X %02X %5lu", 0, s->refs + 1, 0, s->sk.state == SS_LISTENING ? 1 << 16 : 0,
		      s->sk.type, !s->file ? 2 : connected ? 3 : 1, s->file ? s->file->inode->ino : 0);
	if (s->addr) {
		unsigned n = s->addr->a.len - SUN_PATH - (s->addr->a.data[0] != 0);

		seqbuf_str(b, " ");
		for (unsigned i = 0; i < n; i++)
			seqbuf_put(b, s->addr->a.data[i] ? &s->addr->a.data[i] : "@", 1);
	}
	seqbuf_str(b, "\n");
}

void unix_print(struct seqbuf *b)
{
	seqbuf_str(b, "Num       RefCount Protocol Flags    Type St Inode Path\n");
	list_each(p, &unix_all)
		if (!list_entry(p, struct usock, all)->closed)
			print_one(b, list_entry(p, struct usock, all));
}
