/* MSG_OOB on AF_UNIX streams: one urgent byte, the mark that it leaves, SO_OOBINLINE, SIOCATMARK and POLLPRI. */
#include "t.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

static int a, b;

static void make(int inline_too)
{
	int fds[2];

	close(a);
	close(b);
	socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds);
	a = fds[0];
	b = fds[1];
	SHOW(setsockopt(b, SOL_SOCKET, SO_OOBINLINE, &inline_too, sizeof(inline_too)));
}

static void put(const char *text, int flags)
{
	long n = send(a, text, strlen(text), flags);

	printf("send \"%s\"%s: %s\n", text, flags & MSG_OOB ? " urgent" : "", n < 0 ? strerrorname_np(errno) : n == (long)strlen(text) ? "all" : "some");
}

/* What b gets, where it stands then, and what it is ready for. */
static void get(size_t n, int flags)
{
	char buf[64] = "";
	struct iovec iov = { buf, n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct pollfd p = { b, POLLIN | POLLPRI, 0 };
	long r = recvmsg(b, &m, flags);
	int mark = sockatmark(b);

	poll(&p, 1, 0);
	printf("recv %zu%s%s%s: ", n, flags & MSG_OOB ? " urgent" : "", flags & MSG_PEEK ? " peek" : "", flags & MSG_WAITALL ? " all" : "");
	if (r < 0)
		printf("%s", strerrorname_np(errno));
	else
		printf("%ld \"%.*s\" flags %x", r, (int)r, buf, m.msg_flags);
	printf(", mark %d, events %x\n", mark, p.revents);
}

static void basics(void)
{
	int n = 0;

	make(0);
	get(1, MSG_OOB);
	put("hello", MSG_OOB);
	FACT(!ioctl(b, FIONREAD, &n) && n == 5);
	get(0, 0);
	get(10, MSG_PEEK);
	get(10, MSG_WAITALL);
	get(10, MSG_OOB | MSG_PEEK);
	get(10, MSG_OOB);
	get(1, MSG_OOB);
	get(10, 0);
	puts("-- peeked at");
	put("a", MSG_OOB);
	get(10, MSG_PEEK);
	put("bc", 0);
	get(10, MSG_PEEK);
	get(1, MSG_OOB);
	get(10, MSG_PEEK);
	put("d", MSG_OOB);
	put("e", 0);
	get(10, MSG_PEEK);
	get(10, 0);
	get(10, 0);
	puts("-- read past the mark");
	put("ab", 0);
	put("c", MSG_OOB);
	put("de", 0);
	get(1, 0);
	get(10, 0);
	get(10, 0);
	get(1, MSG_OOB);
	puts("-- taken before the mark is reached");
	put("abc", MSG_OOB);
	put("de", 0);
	get(1, MSG_OOB);
	get(10, 0);
	get(10, 0);
	puts("-- a taken one's mark in front of the next");
	put("a", MSG_OOB);
	get(1, MSG_OOB);
	put("b", MSG_OOB);
	get(0, 0);
	get(10, MSG_PEEK);
	get(10, MSG_OOB);
	puts("-- two of them: the first becomes data");
	put("a", MSG_OOB);
	put("b", MSG_OOB);
	get(10, 0);
	get(10, MSG_OOB);
	get(10, 0);
}

static void inlined(void)
{
	make(1);
	put("abc", MSG_OOB);
	put("de", 0);
	get(10, MSG_OOB);
	get(10, 0);
	get(1, 0);
	get(10, 0);
	puts("-- peeked at");
	put("a", MSG_OOB);
	put("b", 0);
	get(10, MSG_PEEK);
	get(1, 0);
	put("c", MSG_OOB);
	get(10, MSG_PEEK);
	get(10, 0);
	get(10, 0);
	puts("-- read across");
	put("x", MSG_OOB);
	put("yz", 0);
	get(10, 0);
}

static void others(void)
{
	int d[2], one = 1, zero = 0, e = epoll_create1(0), n;
	struct epoll_event ev = { .events = EPOLLPRI | EPOLLET };

	make(0);
	SHOW(send(a, "", 0, MSG_OOB));
	epoll_ctl(e, EPOLL_CTL_ADD, b, &ev);
	SHOW(epoll_wait(e, &ev, 1, 0));
	put("a", 0);
	SHOW(epoll_wait(e, &ev, 1, 0));
	put("b", MSG_OOB);
	SHOW(epoll_wait(e, &ev, 1, 0));
	FACT(ev.events == EPOLLPRI);
	SHOW(recv(b, BAD_PTR, 1, MSG_OOB | MSG_PEEK));
	setsockopt(b, SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one));
	get(1, MSG_OOB);
	setsockopt(b, SOL_SOCKET, SO_OOBINLINE, &zero, sizeof(zero));
	get(1, MSG_OOB);
	SHOW(shutdown(b, SHUT_RD));
	SHOW(send(a, "x", 1, MSG_OOB | MSG_NOSIGNAL));
	/* Nothing but a byte that was taken: no reset. */
	make(0);
	put("b", MSG_OOB);
	get(1, MSG_OOB);
	close(b);
	SHOW(recv(a, &n, 1, 0));
	make(0);
	put("b", MSG_OOB);
	close(b);
	SHOW(recv(a, &n, 1, 0));
	socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, d);
	SHOW(send(d[0], "x", 1, MSG_OOB));
	SHOW(recv(d[1], &n, 1, MSG_OOB));
	socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, d);
	SHOW(send(d[0], "x", 1, MSG_OOB));
	SHOW(recv(d[1], &n, 1, MSG_OOB));
	d[0] = socket(AF_UNIX, SOCK_STREAM, 0);
	SHOW(send(d[0], "x", 1, MSG_OOB));
	SHOW(recv(d[0], &n, 1, MSG_OOB));
	SHOW(sockatmark(d[0]));
}

int main(void)
{
	a = b = -1;
	basics();
	inlined();
	others();
	return 0;
}
