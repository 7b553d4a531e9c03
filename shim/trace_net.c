/* The tracer's printers for poll, select, epoll and sockets. */
#include "core/file/file.h"
#include "core/lib/string.h"
#include "core/lib/util.h"
#include "shim/abi/poll.h"
#include "shim/abi/socket.h"
#include "shim/abi/structs.h"
#include "shim/trace.h"

/* ---- poll ---- */

void trace_pollfds(struct trace *t, uint64_t v, const struct trace_names *names)
{
	unsigned n = (unsigned)t->args[t->arg + 1];
	struct pollfd_k p;

	if (!v || (n && copyin(&p, v, sizeof(p)))) {
		trace_ptr_of(t, v);
		return;
	}
	trace_put(t, "[");
	for (unsigned i = 0; i < n; i++) {
		trace_put(t, "%s", i ? ", " : "");
		if (i == ARRAY_MAX || copyin(&p, v + i * sizeof(p), sizeof(p))) {
			trace_put(t, "...");
			break;
		}
		trace_put(t, "{fd=%d", p.fd);
		if (p.fd >= 0) {
			trace_put(t, ", events=");
			trace_flags_of(t, (uint16_t)p.events, &names_poll);
		}
		trace_put(t, "}");
	}
	trace_put(t, "]");
}

/* Printers write to the line: what belongs behind the result is made there and moved. */
static size_t aux_begin(struct trace *t) { return t->line.len; }

static void aux_end(struct trace *t, size_t mark)
{
	if (t->line.len > mark)
		seqbuf_put(&t->aux, t->line.data + mark, t->line.len - mark);
	t->line.len = mark;
}

static void put_left(struct trace *t, uptr_t addr, const char *sub)
{
	struct timespec64 ts;

	if (addr && !copyin(&ts, addr, sizeof(ts))) {
		trace_put(t, ", left ");
		trace_timespec_of(t, &ts, sub);
	}
}

void trace_poll_result(struct trace *t)
{
	unsigned n = (unsigned)t->args[1];
	size_t mark = aux_begin(t);
	const char *sep = "";
	struct pollfd_k p;

	if (t->ret == 0) {
		seqbuf_str(&t->aux, "Timeout");
		return;
	}
	trace_put(t, "[");
	for (unsigned i = 0; i < n && !copyin(&p, t->args[0] + i * sizeof(p), sizeof(p)); i++) {
		if (!p.revents)
			continue;
		trace_put(t, "%s{fd=%d, revents=", sep, p.fd);
		trace_flags_of(t, (uint16_t)p.revents, &names_poll);
		trace_put(t, "}");
		sep = ", ";
	}
	trace_put(t, "]");
	if (t->nr == NR_ppoll)
		put_left(t, t->args[2], "nsec");
	aux_end(t, mark);
}

/* ---- select ---- */

/* [3 5]: the descriptors in the set at addr, of those below n. */
static bool put_fdset(struct trace *t, uptr_t addr, unsigned n)
{
	const char *sep = "";
	uint8_t byte;
	bool any = false;

	trace_put(t, "[");
	for (unsigned fd = 0; fd < MIN(n, 1024u); fd++) { /* FD_SETSIZE */
		if (fd % 8 == 0 && copyin(&byte, addr + fd / 8, 1))
			break;
		if (!(byte >> (fd % 8) & 1))
			continue;
		trace_put(t, "%s%u", sep, fd);
		sep = " ";
		any = true;
	}
	trace_put(t, "]");
	return any;
}

static unsigned select_n(const struct trace *t)
{
	int n = (int)t->args[0];

	return n < 0 ? 0 : (unsigned)MIN(n, 1024);
}

void trace_fdset(struct trace *t, uint64_t v, const struct trace_names *names)
{
	uint8_t byte;

	if (!v || (select_n(t) && copyin(&byte, v, 1)))
		trace_ptr_of(t, v);
	else
		put_fdset(t, v, select_n(t));
}

void trace_select_result(struct trace *t)
{
	static const char *const what[] = { "in ", "out ", "except " };
	size_t mark = aux_begin(t);
	const char *sep = "";

	if (t->ret == 0) {
		seqbuf_str(&t->aux, "Timeout");
		return;
	}
	for (unsigned i = 0; i < 3; i++) {
		size_t before = t->line.len;

		if (!t->args[i + 1])
			continue;
		trace_put(t, "%s%s", sep, what[i]);
		if (put_fdset(t, t->args[i + 1], select_n(t)))
			sep = ", ";
		else
			t->line.len = before;
	}
	put_left(t, t->args[4], t->nr == NR_select ? "usec" : "nsec");
	aux_end(t, mark);
}

/* ---- epoll ---- */

static void put_epoll_event(struct trace *t, const struct epoll_event_k *e)
{
	trace_put(t, "{events=");
	trace_flags_of(t, e->events, &names_epoll);
	trace_put(t, ", data={u32=%u, u64=%lu}}", (uint32_t)e->data, (uint64_t)e->data);
}

void trace_epoll_event(struct trace *t, uint64_t v, const struct trace_names *names)
{
	struct epoll_event_k e;

	if ((int)t->args[1] == EPOLL_CTL_DEL)
		trace_ptr_of(t, v);
	else if (trace_fetch(t, &e, v, sizeof(e)))
		put_epoll_event(t, &e);
}

void trace_epoll_events(struct trace *t, uint64_t v, const struct trace_names *names)
{
	struct epoll_event_k e;

	if (t->ret < 0) {
		trace_ptr_of(t, v);
		return;
	}
	trace_put(t, "[");
	for (long i = 0; i < t->ret; i++) {
		trace_put(t, "%s", i ? ", " : "");
		if (i == ARRAY_MAX || copyin(&e, v + (uint64_t)i * sizeof(e), sizeof(e))) {
			trace_put(t, "...");
			break;
		}
		put_epoll_event(t, &e);
	}
	trace_put(t, "]");
}

/* ---- sockets ---- */

void trace_sock_type(struct trace *t, uint64_t v, const struct trace_names *names)
{
	struct trace_names bare = names_sock;
	uint64_t flags = v & ~0xful;

	trace_value_of(t, v & 0xf, &names_sock_type);
	if (!flags)
		return;
	bare.unknown = flags & (SOCK_CLOEXEC | SOCK_NONBLOCK) ? NULL : "SOCK_???";
	trace_put(t, "|");
	trace_flags_of(t, flags, &bare);
}

void trace_sock_proto(struct trace *t, uint64_t v, const struct trace_names *names)
{
	int domain = (int)t->args[0];
	const char *name = NULL;

	if (domain == AF_INET || domain == AF_INET6)
		name = v == 0 ? "IPPROTO_IP" : v == 1 ? "IPPROTO_ICMP" : v == 6 ? "IPPROTO_TCP" : v == 17 ?
			"IPPROTO_UDP" : NULL;
	else if (domain == AF_NETLINK)
		name = v == 0 ? "NETLINK_ROUTE" : NULL;
	if (name)
		trace_put(t, "%s", name);
	else
		trace_put(t, "%d", (int)v);
}

void trace_sock_opt(struct trace *t, uint64_t v, const struct trace_names *names)
{
	if ((int)t->args[1] == SOL_SOCKET)
		trace_value_of(t, v, &names_so);
	else
		trace_put(t, "%#x", (unsigned)v);
}

static void put_ucred(struct trace *t, const int *w)
{
	trace_put(t, "{pid=%d, uid=%d, gid=%d}", w[0], w[1], w[2]);
}

/* Options of an int are shown as [value], for getsockopt, too, whose length is behind a pointer. */
void trace_sockopt(struct trace *t, uint64_t v, const struct trace_names *names)
{
	int len = (int)t->args[4], opt = (int)t->args[1] == SOL_SOCKET ? (int)t->args[2] : -1, w[3];

	if (t->nr == NR_getsockopt && copyin(&len, t->args[4], sizeof(len)))
		len = 0;
	if (opt == SO_LINGER && len == 8 && trace_fetch(t, w, v, 8)) {
		trace_put(t, "{l_onoff=%d, l_linger=%d}", w[0], w[1]);
		return;
	}
	if (opt == SO_PEERCRED && len == 12 && trace_fetch(t, w, v, 12)) {
		put_ucred(t, w);
		return;
	}
	if (opt == SO_ERROR && len == 4 && t->ret >= 0 && !copyin(w, v, 4) && errno_name(w[0])) {
		trace_put(t, "[%s]", errno_name(w[0]));
		return;
	}
	if (t->ret < 0 && t->nr == NR_getsockopt) {
		trace_ptr_of(t, v);
		return;
	}
	if (len == sizeof(int))
		trace_int_at(t, v, NULL);
	else
		trace_user_bytes(t, v, len < 0 ? 0 : (size_t)len);
}

#define SOCKADDR_SHOWN 126

static unsigned be16(const uint8_t *p) { return (unsigned)p[0] << 8 | p[1]; }

static void put_sockaddr(struct trace *t, const uint8_t *a, size_t len)
{
	unsigned family = a[0] | (unsigned)a[1] << 8;

	trace_put(t, "{sa_family=");
	trace_value_of(t, family, &names_domain);
	if (family == AF_UNIX && len > 2 && a[2]) {
		trace_put(t, ", sun_path=");
		trace_quote(t, (const char *)a + 2, strnlen((const char *)a + 2, len - 2), 108, false);
	} else if (family == AF_UNIX && len > 3) {
		trace_put(t, ", sun_path=@");
		trace_quote(t, (const char *)a + 3, len - 3, 108, false);
	} else if (family == AF_INET && len >= 8) {
		trace_put(t, ", sin_port=htons(%u), sin_addr=inet_addr(\"%u.%u.%u.%u\")", be16(a + 2), a[4], a[5],
			a[6], a[7]);
	} else if (family == AF_INET6 && len >= 24) {
		trace_put(t, ", sin6_port=htons(%u), sin6_addr=\"", be16(a + 2));
		for (int i = 0; i < 8; i++)
			trace_put(t, i ? ":%x" : "%x", be16(a + 8 + 2 * i));
		trace_put(t, "\"");
	} else if (len > 2 && family != AF_UNIX) {
		trace_put(t, ", sa_data=");
		trace_quote(t, (const char *)a + 2, len - 2, SOCKADDR_SHOWN, false);
	}
	trace_put(t, "}");
}

static void user_sockaddr(struct trace *t, uptr_t addr, int len)
{
	uint8_t buf[128] = { 0 };
	size_t n = len < 0 ? 0 : MIN((size_t)len, sizeof(buf));

	if (n < 2 || !addr || copyin(buf, addr, n))
		trace_ptr_of(t, addr);
	else
		put_sockaddr(t, buf, n);
}

void trace_sockaddr(struct trace *t, uint64_t v, const struct trace_names *names)
{
	int len = (int)t->args[t->arg + 1];

	if (t->out && (t->ret < 0 || !t->args[t->arg + 1] || copyin(&len, t->args[t->arg + 1], sizeof(len))))
		trace_ptr_of(t, v);
	else
		user_sockaddr(t, v, len);
}

/* Lengths are the program's and may be anything: what is printed is bounded. */
#define CONTROL_MAX 32

static void put_rights(struct trace *t, uptr_t addr, size_t n)
{
	int fd;

	for (size_t i = 0; i < n; i++, addr += sizeof(fd)) {
		if (i == CONTROL_MAX || copyin(&fd, addr, sizeof(fd))) {
			trace_put(t, i ? ", ..." : "...");
			break;
		}
		trace_put(t, i ? ", %d" : "%d", fd);
	}
}

static void put_control(struct trace *t, uptr_t addr, size_t len)
{
	struct abi_cmsghdr h;
	size_t at = 0;

	trace_put(t, "[");
	for (unsigned n = 0; n < CONTROL_MAX && len - at >= sizeof(h) && !copyin(&h, addr + at, sizeof(h)) && h.len >= sizeof(h) &&
	     h.len <= len - at; n++) {
		trace_put(t, "%s{cmsg_len=%lu, cmsg_level=", at ? ", " : "", h.len);
		trace_value_of(t, (uint32_t)h.level, &names_sol);
		trace_put(t, ", cmsg_type=");
		trace_value_of(t, (uint32_t)h.type, &names_scm);
		if (h.level == SOL_SOCKET && h.type == SCM_RIGHTS) {
			trace_put(t, ", cmsg_data=[");
			put_rights(t, addr + at + sizeof(h), (h.len - sizeof(h)) / sizeof(int));
			trace_put(t, "]");
		} else if (h.level == SOL_SOCKET && h.type == SCM_CREDENTIALS && h.len == sizeof(h) + 12) {
			int w[3];

			if (!copyin(w, addr + at + sizeof(h), sizeof(w))) {
				trace_put(t, ", cmsg_data=");
				put_ucred(t, w);
			}
		}
		trace_put(t, "}");
		at += MIN(ALIGN_UP((size_t)h.len, 8), len - at);
	}
	trace_put(t, "]");
}

static void put_msghdr(struct trace *t, uptr_t addr)
{
	struct abi_msghdr m;

	if (!trace_fetch(t, &m, addr, sizeof(m)))
		return;
	trace_put(t, "{msg_name=");
	user_sockaddr(t, m.name, (int)m.namelen);
	trace_put(t, ", msg_namelen=%d, msg_iov=", (int)m.namelen);
	trace_iovecs(t, m.iov, m.iovlen, t->out ? (uint64_t)t->ret : UINT64_MAX);
	trace_put(t, ", msg_iovlen=%lu", m.iovlen);
	if (m.controllen) {
		trace_put(t, ", msg_control=");
		put_control(t, m.control, m.controllen);
	}
	trace_put(t, ", msg_controllen=%lu, msg_flags=", m.controllen);
	trace_flags_of(t, m.flags, &names_msg);
	trace_put(t, "}");
}

void trace_msghdr(struct trace *t, uint64_t v, const struct trace_names *names) { put_msghdr(t, v); }
