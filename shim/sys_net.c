/* System calls on sockets: addresses, options and control messages are copied in and out here, the rest is the family's
 * (core/net/socket.h). Control messages are turned into struct scm and back: SCM_RIGHTS (descriptors become file references)
 * and SCM_CREDENTIALS. Missing: AF_INET, AF_INET6, AF_NETLINK. */
#include "core/lib/string.h"
#include "core/net/socket.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/socket.h"
#include "shim/abi/structs.h"
#include "shim/shim.h"

#define AF_MAX       46
#define SOCK_MAX     11
#define CONTROL_MAX  20480 /* as net.core.optmem_max */

/* ---- making ---- */

static int type_check(int domain, int type)
{
	if (type & ~(0xf | SOCK_NONBLOCK | SOCK_CLOEXEC))
		return -EINVAL;
	if (domain < 0 || domain >= AF_MAX)
		return -EAFNOSUPPORT;
	return (type & 0xf) >= SOCK_MAX ? -EINVAL : 0;
}

long sys_socket(int domain, int type, int protocol)
{
	struct file *f;
	int r = type_check(domain, type);

	if (!r)
		r = socket_new(domain, type & 0xf, protocol, type & SOCK_NONBLOCK, &f);
	return r ? r : fd_publish(f, (type & SOCK_CLOEXEC) != 0);
}

long sys_socketpair(int domain, int type, int protocol, uptr_t out)
{
	struct file *a, *b;
	int r = type_check(domain, type);

	if (!r && (domain == AF_INET || domain == AF_INET6 || domain == AF_NETLINK))
		return -EOPNOTSUPP;
	if (!r)
		r = socket_pair(domain, type & 0xf, protocol, type & SOCK_NONBLOCK, &a, &b);
	return r ? r : fd_pair_publish(a, b, (type & SOCK_CLOEXEC) != 0, out);
}

/* The socket of a descriptor, with a reference: 0, -EBADF, -ENOTSOCK. */
static int socket_get(int fd, struct file **out)
{
	int r = fd_get(fd, out);

	if (r || file_is_socket(*out))
		return r;
	file_put(*out);
	return -ENOTSOCK;
}

/* An address that the program passes. */
static int sockaddr_in(struct sockaddr_k *a, uptr_t addr, int len)
{
	if (len < 0 || len > SOCKADDR_MAX)
		return -EINVAL;
	memset(a, 0, sizeof(*a));
	a->len = (unsigned)len;
	return len && copyin(&a->family, addr, (size_t)len) ? -EFAULT : 0;
}

/* bind and connect. */
static long named_call(int fd, uptr_t addr, int len, bool connects)
{
	struct sockaddr_k a;
	struct file *f;
	int r = socket_get(fd, &f);

	if (r)
		return r;
	r = sockaddr_in(&a, addr, len);
	if (!r)
		r = connects ? socket_of(f)->ops->connect(f, &a) : socket_of(f)->ops->bind(f, &a);
	file_put(f);
	return r;
}

long sys_bind(int fd, uptr_t addr, int len)
{
	return named_call(fd, addr, len, false);
}

long sys_connect(int fd, uptr_t addr, int len)
{
	return named_call(fd, addr, len, true);
}

long sys_listen(int fd, int backlog)
{
	struct file *f;
	int r = socket_get(fd, &f);

	if (r)
		return r;
	r = socket_of(f)->ops->listen(f, backlog);
	file_put(f);
	return r;
}

/* As much of the address as there is room for; *ulen becomes its true length. */
static long sockaddr_out(const struct sockaddr_k *a, uptr_t uaddr, uptr_t ulen)
{
	int room, len = (int)a->len;

	if (copyin(&room, ulen, sizeof(room)))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	if (copyout(uaddr, &a->family, (size_t)MIN(room, len)) || copyout(ulen, &len, sizeof(len)))
		return -EFAULT;
	return 0;
}

/* A connection whose peer's address cannot be told is lost, as on Linux. */
static long accept_from(struct file *f, uptr_t addr, uptr_t len, int flags)
{
	struct sockaddr_k peer;
	struct file *c;
	long r = socket_of(f)->ops->accept(f, flags & SOCK_NONBLOCK, &c);

	if (r)
		return r;
	if (addr) {
		r = socket_of(c)->ops->name(c, true, &peer);
		if (!r)
			r = sockaddr_out(&peer, addr, len);
	}
	if (!r)
		return fd_publish(c, (flags & SOCK_CLOEXEC) != 0);
	file_put(c);
	return r;
}

long sys_accept4(int fd, uptr_t addr, uptr_t len, int flags)
{
	struct file *f;
	long r;

	if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	r = socket_get(fd, &f);
	if (r)
		return r;
	r = fd_room(); /* before a connection is taken */
	if (!r)
		r = accept_from(f, addr, len, flags);
	file_put(f);
	return r;
}

long sys_accept(int fd, uptr_t addr, uptr_t len)
{
	return sys_accept4(fd, addr, len, 0);
}

/* ---- names and options ---- */

static long getname(int fd, bool peer, uptr_t uaddr, uptr_t ulen)
{
	struct sockaddr_k a;
	struct file *f;
	int r = socket_get(fd, &f);

	if (r)
		return r;
	r = socket_of(f)->ops->name(f, peer, &a);
	file_put(f);
	return r ? r : sockaddr_out(&a, uaddr, ulen);
}

long sys_getsockname(int fd, uptr_t addr, uptr_t len)
{
	return getname(fd, false, addr, len);
}

long sys_getpeername(int fd, uptr_t addr, uptr_t len)
{
	return getname(fd, true, addr, len);
}

#define SOCKOPT_MAX 256

long sys_getsockopt(int fd, int level, int opt, uptr_t uval, uptr_t ulen)
{
	uint8_t val[SOCKOPT_MAX] = { 0 };
	struct file *f;
	unsigned len;
	int room;
	long r = socket_get(fd, &f);

	if (r)
		return r;
	if (copyin(&room, ulen, sizeof(room))) {
		r = -EFAULT;
		goto out;
	}
	if (room < 0) {
		r = -EINVAL;
		goto out;
	}
	len = (unsigned)MIN(room, SOCKOPT_MAX);
	r = socket_getsockopt(f, level, opt, val, &len);
	if (!r && (copyout(uval, val, MIN(len, (unsigned)room)) || copyout(ulen, &len, sizeof(len))))
		r = -EFAULT;
out:
	file_put(f);
	return r;
}

long sys_setsockopt(int fd, int level, int opt, uptr_t uval, int len)
{
	uint8_t val[SOCKOPT_MAX];
	struct file *f;
	long r = socket_get(fd, &f);

	if (r)
		return r;
	if (len < 0)
		r = -EINVAL;
	else if (copyin(val, uval, (size_t)MIN(len, SOCKOPT_MAX)))
		r = -EFAULT;
	else
		r = socket_setsockopt(f, level, opt, val, (unsigned)MIN(len, SOCKOPT_MAX));
	file_put(f);
	return r;
}

long sys_shutdown(int fd, int how)
{
	struct file *f;
	long r = socket_get(fd, &f);

	if (r)
		return r;
	r = socket_of(f)->ops->shutdown(f, how);
	file_put(f);
	return r;
}

/* ---- bytes ---- */

long sys_sendto(int fd, uptr_t buf, size_t len, int flags, uptr_t addr, int addrlen)
{
	struct sockaddr_k to = { 0 };
	struct file *f;
	struct uio u;
	long r = socket_get(fd, &f);

	if (r)
		return r;
	if (user_range_bad(buf, len)) {
		r = -EFAULT;
	} else if (!addr || !(r = sockaddr_in(&to, addr, addrlen))) {
		uio_user(&u, buf, MIN(len, RW_MAX), false);
		r = socket_of(f)->ops->send(f, &u, flags, to.len ? &to : NULL, NULL);
	}
	file_put(f);
	return r;
}

long sys_recvfrom(int fd, uptr_t buf, size_t len, int flags, uptr_t addr, uptr_t addrlen)
{
	struct sockaddr_k from = { 0 };
	unsigned out_flags = 0;
	struct file *f;
	struct uio u;
	long r = socket_get(fd, &f);

	if (r)
		return r;
	if (user_range_bad(buf, len)) {
		r = -EFAULT;
	} else {
		uio_user(&u, buf, MIN(len, RW_MAX), true);
		r = socket_of(f)->ops->recv(f, &u, flags, &out_flags, &from, NULL);
		if (r >= 0 && addr) {
			long err = sockaddr_out(&from, addr, addrlen);

			r = err ? err : r;
		}
	}
	file_put(f);
	return r;
}

/* ---- control messages: cmsg(3), unix(7) ---- */

struct abi_ucred {
	int32_t pid;
	uint32_t uid, gid;
};

#define CMSG_ALIGN(len) ALIGN_UP((size_t)(len), 8)

static int scm_rights_in(struct scm *scm, const int *fds, unsigned n)
{
	struct file **files;
	int r;

	if (scm->nfiles + n > SCM_MAX_FD)
		return -EINVAL;
	if (!n)
		return 0;
	files = krealloc(scm->files, (scm->nfiles + n) * sizeof(*files));
	if (!files)
		return -ENOMEM;
	scm->files = files;
	for (unsigned i = 0; i < n; i++) {
		r = fd_get_path(fds[i], &files[scm->nfiles]);
		if (r)
			return r;
		scm->nfiles++;
	}
	return 0;
}

/* Credentials may be stated only if they are one's own, but for root. */
static int scm_cred_in(struct scm *scm, const struct abi_ucred *u)
{
	const struct cred *c = cred_current();

	if (!cred_is_root(c) && (u->pid != current_proc()->pid ||
				 (u->uid != c->ruid && u->uid != c->euid && u->uid != c->suid) ||
				 (u->gid != c->rgid && u->gid != c->egid && u->gid != c->sgid)))
		return -EPERM;
	scm->pid = u->pid;
	scm->uid = u->uid;
	scm->gid = u->gid;
	return 0;
}

static int scm_parse(struct scm *scm, const char *control, size_t len)
{
	size_t at = 0;
	int r = 0;

	while (!r && len - at >= sizeof(struct abi_cmsghdr)) {
		const struct abi_cmsghdr *h = (const void *)(control + at);
		size_t body;

		if (h->len < sizeof(*h) || h->len > len - at)
			return -EINVAL;
		body = h->len - sizeof(*h);
		if (h->level == SOL_SOCKET && h->type == SCM_RIGHTS)
			r = scm_rights_in(scm, (const int *)(h + 1), (unsigned)(body / sizeof(int)));
		else if (h->level == SOL_SOCKET && h->type == SCM_CREDENTIALS && body == sizeof(struct abi_ucred))
			r = scm_cred_in(scm, (const struct abi_ucred *)(h + 1));
		else if (h->level == SOL_SOCKET)
			r = -EINVAL;
		at += MIN(CMSG_ALIGN(h->len), len - at);
	}
	return r;
}

static int scm_in(struct scm *scm, const struct abi_msghdr *m)
{
	char *control;
	int r;

	if (!m->control || !m->controllen)
		return 0;
	if (m->controllen > CONTROL_MAX)
		return -ENOBUFS;
	control = kmalloc(m->controllen);
	if (!control)
		return -ENOMEM;
	r = copyin(control, m->control, m->controllen);
	if (!r)
		r = scm_parse(scm, control, m->controllen);
	kfree(control);
	return r;
}

/* Where received control messages go: *left bytes of room at `at`. */
struct control_out {
	uptr_t at;
	size_t left, used;
	unsigned flags; /* MSG_CTRUNC when something did not fit */
};

/* One message: its body may be cut to what fits. The bytes of the body that fit, or -EFAULT. */
static long control_put(struct control_out *c, int type, const void *body, size_t len)
{
	struct abi_cmsghdr h = { .level = SOL_SOCKET, .type = type };
	size_t fit, step;

	if (c->left < sizeof(h)) {
		c->flags |= MSG_CTRUNC;
		return 0;
	}
	fit = MIN(len, c->left - sizeof(h));
	if (fit < len)
		c->flags |= MSG_CTRUNC;
	h.len = sizeof(h) + fit;
	if (copyout(c->at, &h, sizeof(h)) || copyout(c->at + sizeof(h), body, fit))
		return -EFAULT;
	step = MIN(CMSG_ALIGN(h.len), c->left);
	c->at += step;
	c->used += step;
	c->left -= step;
	return (long)fit;
}

/* Received files become descriptors, as many as there is room to tell of. */
static int rights_out(struct control_out *c, struct scm *scm, bool cloexec)
{
	size_t room = c->left > sizeof(struct abi_cmsghdr) ? (c->left - sizeof(struct abi_cmsghdr)) / sizeof(int) : 0;
	unsigned n = (unsigned)MIN((size_t)scm->nfiles, room), got = 0;
	int fds[SCM_MAX_FD], r = 0;

	while (got < n) {
		int fd = fd_install(file_get(scm->files[got]), 0, cloexec);

		if (fd < 0) {
			file_put(scm->files[got]);
			break;
		}
		fds[got++] = fd;
	}
	if (got < scm->nfiles)
		c->flags |= MSG_CTRUNC;
	if (got && control_put(c, SCM_RIGHTS, fds, got * sizeof(int)) < 0)
		r = -EFAULT;
	return r;
}

static int scm_out(struct control_out *c, struct file *f, struct scm *scm, bool cloexec)
{
	struct abi_ucred u = { scm->pid, scm->uid, scm->gid };

	if (socket_flag(socket_of(f), SO_PASSCRED) && control_put(c, SCM_CREDENTIALS, &u, sizeof(u)) < 0)
		return -EFAULT;
	return scm->nfiles ? rights_out(c, scm, cloexec) : 0;
}

/* ---- messages ---- */

static long send_message(struct file *f, uptr_t umsg, int flags)
{
	struct sockaddr_k to = { 0 };
	struct scm scm = { 0 };
	struct abi_iovec *heap = NULL;
	struct abi_msghdr m;
	struct uio u;
	long r;

	if (copyin(&m, umsg, sizeof(m)))
		return -EFAULT;
	if (m.name && m.namelen) {
		r = sockaddr_in(&to, m.name, MIN((int)m.namelen, SOCKADDR_MAX));
		if (r)
			return r;
	}
	if (m.iovlen > IOV_MAX)
		return -EMSGSIZE;
	r = uio_iovec(&u, m.iov, (unsigned)m.iovlen, false, &heap);
	if (r < 0)
		return r;
	r = scm_in(&scm, &m);
	if (!r)
		r = socket_of(f)->ops->send(f, &u, flags, to.len ? &to : NULL, &scm);
	if (r < 0)
		scm_free(&scm);
	kfree(heap);
	return r;
}

static long recv_message(struct file *f, uptr_t umsg, int flags)
{
	struct sockaddr_k from = { 0 };
	struct scm scm = { 0 };
	struct abi_iovec *heap = NULL;
	unsigned out_flags = 0;
	struct control_out c;
	struct abi_msghdr m;
	struct uio u;
	long n;

	if (copyin(&m, umsg, sizeof(m)))
		return -EFAULT;
	if (m.name && (int)m.namelen < 0)
		return -EINVAL;
	if (m.iovlen > IOV_MAX)
		return -EMSGSIZE;
	n = uio_iovec(&u, m.iov, (unsigned)m.iovlen, true, &heap);
	if (n < 0)
		return n;
	n = socket_of(f)->ops->recv(f, &u, flags, &out_flags, &from, &scm);
	if (n >= 0) {
		c = (struct control_out){ .at = m.control, .left = m.control ? m.controllen : 0 };
		if (scm_out(&c, f, &scm, (flags & MSG_CMSG_CLOEXEC) != 0))
			n = -EFAULT;
		if (m.name) {
			if (copyout(m.name, &from.family, MIN(m.namelen, from.len)))
				n = -EFAULT;
			m.namelen = from.len;
		}
		m.controllen = c.used;
		m.flags = out_flags | c.flags | ((unsigned)flags & MSG_CMSG_CLOEXEC);
		if (copyout(umsg, &m, sizeof(m)))
			n = -EFAULT;
		scm_free(&scm);
	}
	kfree(heap);
	return n;
}

long sys_sendmsg(int fd, uptr_t umsg, int flags)
{
	struct file *f;
	long r = socket_get(fd, &f);

	if (r)
		return r;
	r = send_message(f, umsg, flags);
	file_put(f);
	return r;
}

long sys_recvmsg(int fd, uptr_t umsg, int flags)
{
	struct file *f;
	long r = socket_get(fd, &f);

	if (r)
		return r;
	r = recv_message(f, umsg, flags);
	file_put(f);
	return r;
}

/* Several messages: the count, or the first one's error. */
static long many(int fd, uptr_t uvec, unsigned n, int flags, bool sending, uint64_t deadline)
{
	struct file *f;
	long r = socket_get(fd, &f);
	unsigned done = 0;

	if (r)
		return r;
	n = MIN(n, (unsigned)IOV_MAX);
	while (done < n) {
		uptr_t um = uvec + done * sizeof(struct abi_mmsghdr);
		uint32_t len;

		r = sending ? send_message(f, um, flags) : recv_message(f, um, flags & ~MSG_WAITFORONE);
		if (r < 0)
			break;
		len = (uint32_t)r;
		if (copyout(um + offsetof(struct abi_mmsghdr, len), &len, sizeof(len))) {
			r = -EFAULT;
			break;
		}
		done++;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		if (clock_mono() >= deadline || sched_point())
			break;
	}
	file_put(f);
	return done ? (long)done : r < 0 ? r : 0;
}

long sys_sendmmsg(int fd, uptr_t uvec, uint32_t n, int flags)
{
	return many(fd, uvec, n, flags, true, TIME_NEVER);
}

/* recvmmsg(2): the timeout is looked at only after each message, as its man page admits. */
long sys_recvmmsg(int fd, uptr_t uvec, uint32_t n, int flags, uptr_t utimeout)
{
	uint64_t deadline;
	int r = deadline_in(&deadline, utimeout);

	return r ? r : many(fd, uvec, n, flags, false, deadline);
}
