/* System calls on sockets. Today only connected AF_UNIX pairs exist (core/net/unix.c), so socket(2) refuses every
 * domain and calls on a pair that need a name fail as Linux has them fail on a connected socket.
 *
 * Control messages are turned here into struct unix_scm and back: SCM_RIGHTS (descriptors become file references) and
 * SCM_CREDENTIALS. Missing: AF_INET, AF_INET6, AF_NETLINK, names of AF_UNIX sockets, MSG_OOB. */
#include "core/lib/string.h"
#include "core/net/unix.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/socket.h"
#include "shim/abi/structs.h"
#include "shim/shim.h"

#define SOCKADDR_MAX 128 /* sizeof(struct sockaddr_storage) */
#define CONTROL_MAX  20480 /* as net.core.optmem_max */

/* ---- making ---- */

static int type_check(int type)
{
	if (type & ~(0xf | SOCK_NONBLOCK | SOCK_CLOEXEC))
		return -EINVAL;
	type &= 0xf;
	return type < SOCK_STREAM || type > 10 ? -EINVAL : 0;
}

long sys_socket(int domain, int type, int protocol)
{
	int r = type_check(type);

	return r ? r : -EAFNOSUPPORT;
}

long sys_socketpair(int domain, int type, int protocol, uptr_t out)
{
	struct file *a, *b;
	int r = type_check(type), kind = type & 0xf;

	if (r)
		return r;
	if (domain != AF_UNIX)
		return domain == AF_INET || domain == AF_INET6 || domain == AF_NETLINK ? -EOPNOTSUPP : -EAFNOSUPPORT;
	if (protocol && protocol != AF_UNIX)
		return -EPROTONOSUPPORT;
	if (kind == SOCK_RAW) /* as Linux has it for AF_UNIX */
		kind = SOCK_DGRAM;
	if (kind != SOCK_STREAM && kind != SOCK_DGRAM && kind != SOCK_SEQPACKET)
		return -ESOCKTNOSUPPORT;
	r = unix_pair(kind, type & SOCK_NONBLOCK, &a, &b);
	return r ? r : fd_pair_publish(a, b, (type & SOCK_CLOEXEC) != 0, out);
}

/* The socket of a descriptor, with a reference: 0, -EBADF, -ENOTSOCK. */
static int socket_get(int fd, struct file **out)
{
	int r = fd_get(fd, out);

	if (r || file_is_unix(*out))
		return r;
	file_put(*out);
	return -ENOTSOCK;
}

/* An address that the program passes. */
static int sockaddr_check(uptr_t addr, int len)
{
	uint8_t buf[SOCKADDR_MAX];

	if (len < 0 || len > SOCKADDR_MAX)
		return -EINVAL;
	return len && copyin(buf, addr, (size_t)len) ? -EFAULT : 0;
}

static long named_call(int fd, uptr_t addr, int len, int answer)
{
	struct file *f;
	int r = socket_get(fd, &f);

	if (r)
		return r;
	file_put(f);
	r = sockaddr_check(addr, len);
	if (r)
		return r;
	return len < 2 ? -EINVAL : answer;
}

long sys_bind(int fd, uptr_t addr, int len)
{
	return named_call(fd, addr, len, -EOPNOTSUPP);
}

long sys_connect(int fd, uptr_t addr, int len)
{
	return named_call(fd, addr, len, -EISCONN);
}

long sys_listen(int fd, int backlog)
{
	struct file *f;
	int r = socket_get(fd, &f);

	if (r)
		return r;
	file_put(f);
	return -EINVAL;
}

long sys_accept4(int fd, uptr_t addr, uptr_t len, int flags)
{
	struct file *f;
	int r;

	if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	r = socket_get(fd, &f);
	if (r)
		return r;
	file_put(f);
	return -EINVAL;
}

long sys_accept(int fd, uptr_t addr, uptr_t len)
{
	return sys_accept4(fd, addr, len, 0);
}

/* ---- names and options ---- */

/* As much of the address as there is room for; *ulen becomes its true length. */
static long sockaddr_out(const void *addr, int len, uptr_t uaddr, uptr_t ulen)
{
	int room;

	if (copyin(&room, ulen, sizeof(room)))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	if (copyout(uaddr, addr, (size_t)MIN(room, len)) || copyout(ulen, &len, sizeof(len)))
		return -EFAULT;
	return 0;
}

static long getname(int fd, bool peer, uptr_t uaddr, uptr_t ulen)
{
	uint8_t addr[SOCKADDR_MAX];
	struct file *f;
	int r = socket_get(fd, &f);

	if (r)
		return r;
	r = unix_getname(f, peer, addr, sizeof(addr));
	file_put(f);
	return r < 0 ? r : sockaddr_out(addr, r, uaddr, ulen);
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
	r = unix_getsockopt(f, level, opt, val, &len);
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
		r = unix_setsockopt(f, level, opt, val, (unsigned)MIN(len, SOCKOPT_MAX));
	file_put(f);
	return r;
}

long sys_shutdown(int fd, int how)
{
	struct file *f;
	long r = socket_get(fd, &f);

	if (r)
		return r;
	r = unix_shutdown(f, how);
	file_put(f);
	return r;
}

/* ---- bytes ---- */

long sys_sendto(int fd, uptr_t buf, size_t len, int flags, uptr_t addr, int addrlen)
{
	struct file *f;
	struct uio u;
	long r = socket_get(fd, &f);

	if (r)
		return r;
	if (user_range_bad(buf, len)) {
		r = -EFAULT;
	} else if (!addr || !(r = sockaddr_check(addr, addrlen))) {
		uio_user(&u, buf, MIN(len, RW_MAX), false);
		r = unix_send(f, &u, flags, addr != 0, NULL);
	}
	file_put(f);
	return r;
}

/* The sender of a pair has no name: an empty address. */
static int no_address(uptr_t addr, uptr_t ulen)
{
	int zero = 0;

	return addr && copyout(ulen, &zero, sizeof(zero)) ? -EFAULT : 0;
}

long sys_recvfrom(int fd, uptr_t buf, size_t len, int flags, uptr_t addr, uptr_t addrlen)
{
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
		r = unix_recv(f, &u, flags, &out_flags, NULL);
		if (r >= 0 && no_address(addr, addrlen))
			r = -EFAULT;
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

static int scm_rights_in(struct unix_scm *scm, const int *fds, unsigned n)
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
static int scm_cred_in(struct unix_scm *scm, const struct abi_ucred *u)
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

static int scm_parse(struct unix_scm *scm, const char *control, size_t len)
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

static int scm_in(struct unix_scm *scm, const struct abi_msghdr *m)
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
static int rights_out(struct control_out *c, struct unix_scm *scm, bool cloexec)
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

static int scm_out(struct control_out *c, struct file *f, struct unix_scm *scm, bool cloexec)
{
	struct abi_ucred u = { scm->pid, scm->uid, scm->gid };

	if (unix_passcred(f) && control_put(c, SCM_CREDENTIALS, &u, sizeof(u)) < 0)
		return -EFAULT;
	return scm->nfiles ? rights_out(c, scm, cloexec) : 0;
}

/* ---- messages ---- */

static long send_message(struct file *f, uptr_t umsg, int flags)
{
	struct unix_scm scm = { 0 };
	struct abi_iovec *heap = NULL;
	struct abi_msghdr m;
	struct uio u;
	long r;

	if (copyin(&m, umsg, sizeof(m)))
		return -EFAULT;
	if (m.name && m.namelen) {
		r = sockaddr_check(m.name, (int)MIN(m.namelen, (uint32_t)SOCKADDR_MAX));
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
		r = unix_send(f, &u, flags, m.name && m.namelen, &scm);
	if (r < 0)
		unix_scm_free(&scm);
	kfree(heap);
	return r;
}

static long recv_message(struct file *f, uptr_t umsg, int flags)
{
	struct unix_scm scm = { 0 };
	struct abi_iovec *heap = NULL;
	unsigned out_flags = 0;
	struct control_out c;
	struct abi_msghdr m;
	struct uio u;
	long n;

	if (copyin(&m, umsg, sizeof(m)))
		return -EFAULT;
	if (m.iovlen > IOV_MAX)
		return -EMSGSIZE;
	n = uio_iovec(&u, m.iov, (unsigned)m.iovlen, true, &heap);
	if (n < 0)
		return n;
	n = unix_recv(f, &u, flags, &out_flags, &scm);
	if (n >= 0) {
		c = (struct control_out){ .at = m.control, .left = m.control ? m.controllen : 0 };
		if (scm_out(&c, f, &scm, (flags & MSG_CMSG_CLOEXEC) != 0))
			n = -EFAULT;
		m.namelen = 0;
		m.controllen = c.used;
		m.flags = out_flags | c.flags | ((unsigned)flags & MSG_CMSG_CLOEXEC);
		if (copyout(umsg, &m, sizeof(m)))
			n = -EFAULT;
		unix_scm_free(&scm);
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
