/* AF_UNIX datagram sockets with names: sendto and recvfrom, connecting and disconnecting, a receiver's full queue, poll. */
#include "t.h"
#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_un un(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	strncpy(a.sun_path, path, sizeof(a.sun_path));
	return a;
}

static int bound(const char *path)
{
	struct sockaddr_un a = un(path);
	int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	if (bind(s, (struct sockaddr *)&a, sizeof(a)))
		printf("bind %s: %s\n", path, strerrorname_np(errno));
	return s;
}

static int connect_to(int s, const char *path)
{
	struct sockaddr_un a = un(path);

	return connect(s, (struct sockaddr *)&a, sizeof(a));
}

static int disconnect(int s)
{
	struct sockaddr a = { .sa_family = AF_UNSPEC };

	return connect(s, &a, sizeof(a));
}

static ssize_t send_to(int s, const char *text, const char *path)
{
	struct sockaddr_un a = un(path);

	return sendto(s, text, strlen(text), 0, (struct sockaddr *)&a, sizeof(a));
}

static void receive(int s)
{
	struct sockaddr_un a = { 0 };
	socklen_t len = sizeof(a);
	char buf[100];
	ssize_t n = recvfrom(s, buf, sizeof(buf), 0, (struct sockaddr *)&a, &len);

	if (n < 0)
		printf("recvfrom: %s\n", strerrorname_np(errno));
	else
		printf("recvfrom: \"%.*s\" from %u \"%s\"\n", (int)n, buf, len, len > 2 ? a.sun_path : "");
}

static int events(int fd)
{
	struct pollfd p = { fd, POLLIN | POLLOUT | POLLRDHUP, 0 };

	poll(&p, 1, 0);
	return p.revents;
}

static int error_of(int fd)
{
	int v = -99;
	socklen_t len = sizeof(v);

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &v, &len);
	return v;
}

static void messages(int a, int b)
{
	struct sockaddr_un to = un("b"), from;
	struct iovec iov[2] = { { "scattered", 9 }, { " words", 6 } };
	struct msghdr m = { .msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = iov, .msg_iovlen = 2 };
	struct mmsghdr many[2] = { { .msg_hdr = m }, { .msg_hdr = m } };
	char buf[100], buf2[100];
	int n;

	SHOW(send_to(a, "hello", "b"));
	SHOW(send_to(a, "", "b"));
	SHOW(sendmsg(a, &m, 0));
	SHOW(sendmmsg(a, many, 2, 0));
	SHOW(ioctl(b, FIONREAD, &n));
	SHOW(n);
	receive(b);
	receive(b);
	memset(&from, 0, sizeof(from));
	m = (struct msghdr){ .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = iov, .msg_iovlen = 1 };
	iov[0] = (struct iovec){ buf, 5 };
	SHOW(recvmsg(b, &m, MSG_PEEK));
	SHOW(recvmsg(b, &m, MSG_TRUNC));
	printf("%.5s from %u \"%s\" flags %x\n", buf, m.msg_namelen, from.sun_path, m.msg_flags);
	m.msg_namelen = 4; /* less than there is to say */
	memset(&from, 0, sizeof(from));
	SHOW(recvmsg(b, &m, 0));
	printf("from %u \"%s\" flags %x\n", m.msg_namelen, from.sun_path, m.msg_flags);
	m.msg_name = NULL;
	m.msg_namelen = 77;
	iov[0] = (struct iovec){ buf2, 100 };
	SHOW(recvmsg(b, &m, 0));
	SHOW(m.msg_namelen);
	receive(b);
	SHOW(send_to(a, "x", "nowhere"));
	SHOW(sendto(a, "x", 1, 0, (struct sockaddr *)&to, 2));
	SHOW(sendto(a, "x", 1, 0, (struct sockaddr *)&to, 0));
	SHOW(sendto(a, "x", 1, 0, (struct sockaddr *)&to, 129));
	SHOW(sendto(a, "x", 1, 0, BAD_PTR, sizeof(to)));
	SHOW(send(a, "x", 1, 0));
	SHOW(listen(a, 1));
	SHOW(accept(a, NULL, NULL));
	n = socket(AF_UNIX, SOCK_DGRAM, 0);
	SHOW(send_to(n, "nameless", "b"));
	receive(b);
	close(n);
	n = socket(AF_UNIX, SOCK_STREAM, 0);
	SHOW(connect_to(n, "b"));
	close(n);
	SHOW(send_to(a, "to myself", "a"));
	receive(a);
}

static void connecting(int a, int b)
{
	int c = bound("c"), d;

	SHOW(connect_to(a, "nowhere"));
	SHOW(connect_to(a, "b"));
	SHOW(send(a, "connected", 9, 0));
	receive(b);
	SHOW(send_to(a, "elsewhere", "c"));
	receive(c);
	SHOW(connect_to(b, "a"));
	SHOW(send(b, "back", 4, 0));
	SHOW(send_to(c, "not allowed", "b"));
	SHOW(connect_to(c, "b"));
	receive(a);
	SHOW(send_to(b, "old", "a"));
	SHOW(connect_to(a, "c")); /* forgets what the old peer sent */
	receive(a);
	SHOW(error_of(b));
	SHOW(error_of(b));
	SHOW(send(b, "x", 1, 0));
	SHOW(disconnect(b));
	SHOW(disconnect(b));
	SHOW(send(b, "x", 1, 0));
	SHOW(send_to(c, "allowed", "b"));
	receive(b);
	/* The receiver ends, and another one takes its place. */
	SHOW(connect_to(a, "c"));
	close(c);
	SHOW(events(a));
	SHOW(send(a, "x", 1, 0));
	SHOW(send(a, "x", 1, 0));
	SHOW(send_to(a, "x", "c"));
	SHOW(connect_to(a, "c"));
	SHOW(unlink("c"));
	d = bound("c");
	SHOW(send_to(a, "new", "c"));
	receive(d);
	SHOW(shutdown(d, SHUT_RD));
	SHOW(send_to(a, "x", "c"));
	SHOW(shutdown(a, 3));
	close(d);
	SHOW(unlink("c"));
}

/* How many messages a queue takes differs; that it ends, and what happens then, does not. */
static void full_queue(int b)
{
	struct epoll_event e = { .events = EPOLLOUT | EPOLLET };
	int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0), t = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0), ep;
	struct timeval tv = { 0, 10000 };
	int sent = 0, by_t = 0, got = 0;
	char buf[10];

	SHOW(connect_to(s, "b"));
	SHOW(connect_to(t, "b"));
	SHOW(events(s));
	ep = epoll_create1(0);
	epoll_ctl(ep, EPOLL_CTL_ADD, s, &e);
	SHOW(epoll_wait(ep, &e, 1, 0));
	while (send(s, "x", 1, 0) == 1)
		sent++;
	printf("%s\n", strerrorname_np(errno));
	FACT(sent > 5);
	while (send(t, "x", 1, 0) == 1)
		by_t++;
	printf("%s\n", strerrorname_np(errno));
	SHOW(events(s));
	SHOW(events(t));
	fcntl(s, F_SETFL, 0);
	setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	SHOW(send(s, "x", 1, 0));
	while (recv(b, buf, sizeof(buf), 0) == 1)
		got++;
	FACT(got == sent + by_t);
	SHOW(events(s));
	SHOW(epoll_wait(ep, &e, 1, 0));
	SHOW(send(s, "x", 1, 0));
	SHOW(recv(b, buf, sizeof(buf), 0));
	close(s);
	close(t);
	close(ep);
}

int main(void)
{
	int a, b;
	char *big = calloc(1, 300000);

	t_tmpdir();
	a = bound("a");
	b = bound("b");
	SHOW(events(a));
	messages(a, b);
	connecting(a, b);
	full_queue(b);
	SHOW(connect_to(a, "b"));
	SHOW(send(a, big, 300000, 0));
	SHOW(send(a, big, 100000, 0));
	SHOW(recv(b, big, 300000, 0));
	SHOW(unlink("a"));
	SHOW(unlink("b"));
	t_done();
	return 0;
}
