/* What travels beside messages between named AF_UNIX sockets: descriptors and credentials; descriptors that nobody receives
 * are closed, also when sockets are only reachable through their own queues. */
#include "t.h"
#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_un address = { AF_UNIX, "server" };

static ssize_t pass(int s, const int *fds, int n)
{
	union { char buf[CMSG_SPACE(4 * 10)]; struct cmsghdr h; } c = { 0 };
	struct iovec iov = { "x", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = c.buf, .msg_controllen = CMSG_SPACE(4u * n) };

	c.h = (struct cmsghdr){ CMSG_LEN(4u * n), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(&c.h), fds, 4u * n);
	return sendmsg(s, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* The first descriptor that comes, or -1; says what came. */
static int receive(int s, size_t room, int flags)
{
	union { char buf[200]; struct cmsghdr h; } c;
	char data[10];
	struct iovec iov = { data, sizeof(data) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = c.buf, .msg_controllen = room };
	ssize_t n = recvmsg(s, &m, MSG_DONTWAIT | flags);
	int fd = -1;

	if (n < 0) {
		printf("recvmsg: %s\n", strerrorname_np(errno));
		return -1;
	}
	printf("recvmsg: %zd bytes, control %zu, flags %x\n", n, (size_t)m.msg_controllen, (unsigned)m.msg_flags);
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
		struct ucred u;

		if (h->cmsg_type == SCM_CREDENTIALS) {
			memcpy(&u, CMSG_DATA(h), sizeof(u));
			printf("credentials: %s\n", u.pid == getpid() && u.uid == getuid() && u.gid == getgid() ? "mine" : "OTHERS");
		} else {
			printf("%zu descriptors\n", (size_t)(h->cmsg_len - CMSG_LEN(0)) / 4);
			memcpy(&fd, CMSG_DATA(h), 4);
		}
	}
	return fd;
}

/* Whether the writing end of a pipe still exists somewhere. */
static const char *state(int rd)
{
	char c;

	return read(rd, &c, 1) == 0 ? "closed" : strerrorname_np(errno);
}

static int lowest_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

static void descriptors(int c, int s)
{
	int p[2], on = 1, fd;

	pipe2(p, O_NONBLOCK);
	SHOW(pass(c, (int[]){ p[1], p[1] }, 2));
	fd = receive(s, 200, MSG_CMSG_CLOEXEC);
	SHOW(fcntl(fd, F_GETFD));
	SHOW(write(fd, "through", 7));
	SHOW(read(p[0], (char[10]){ 0 }, 10));
	close(fd);
	close(fd + 1);
	SHOW(pass(c, (int[]){ p[1], 99 }, 2));
	SHOW(pass(c, (int[]){ p[1], p[1], p[1] }, 3));
	close(receive(s, CMSG_SPACE(4), 0)); /* one fits (and on Linux the padding takes another) */
	for (int i = 3; i < 40; i++) /* whatever came: only p[0], c and s stay */
		if (i != p[0] && i != c && i != s)
			close(i);
	printf("pipe %s\n", state(p[0]));
	close(p[0]);
	pipe2(p, O_NONBLOCK);
	SHOW(pass(c, &p[1], 1));
	fd = receive(s, 200, MSG_PEEK);
	close(fd);
	SHOW(read(s, (char[10]){ 0 }, 10)); /* drops what came along */
	close(p[1]);
	printf("pipe %s\n", state(p[0]));
	close(p[0]);
	SHOW(setsockopt(s, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
	SHOW(write(c, "who?", 4));
	receive(s, 200, 0);
	SHOW(pass(c, &s, 1));
	close(receive(s, 200, 0));
}

static void unreceived(int listener)
{
	int p[2], c = socket(AF_UNIX, SOCK_STREAM, 0), pair[2], before;

	pipe2(p, O_NONBLOCK);
	SHOW(connect(c, (struct sockaddr *)&address, sizeof(address)));
	SHOW(pass(c, &p[1], 1));
	close(c); /* not accepted yet: still there */
	close(p[1]);
	printf("in an accepted queue: pipe %s\n", state(p[0]));
	c = accept(listener, NULL, NULL);
	printf("accepted: pipe %s\n", state(p[0]));
	close(c);
	printf("closed: pipe %s\n", state(p[0]));
	close(p[0]);
	/* Only reachable through its own queue. */
	before = lowest_fd();
	pipe2(p, O_NONBLOCK);
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	SHOW(pass(pair[0], (int[]){ pair[1], p[1] }, 2));
	close(p[1]);
	close(pair[1]);
	printf("in a cycle with one end open: pipe %s\n", state(p[0]));
	close(pair[0]);
	for (int i = 0; i < 100 && !strcmp(state(p[0]), "EAGAIN"); i++) { /* Linux collects later, when another socket ends */
		close(socket(AF_UNIX, SOCK_STREAM, 0));
		usleep(10000);
	}
	printf("cycle let go: pipe %s\n", state(p[0]));
	close(p[0]);
	/* Two that hold each other, and a listener that holds itself. */
	int a[2], b[2], l = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un self = { AF_UNIX, "\0doppel-cycle" };

	pipe2(p, O_NONBLOCK);
	socketpair(AF_UNIX, SOCK_DGRAM, 0, a);
	socketpair(AF_UNIX, SOCK_SEQPACKET, 0, b);
	SHOW(pass(a[0], (int[]){ b[1], p[1] }, 2));
	SHOW(pass(b[0], (int[]){ a[1] }, 1));
	SHOW(bind(l, (struct sockaddr *)&self, 15));
	SHOW(listen(l, 1));
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	SHOW(connect(c, (struct sockaddr *)&self, 15));
	SHOW(pass(c, (int[]){ l, p[1] }, 2));
	close(p[1]);
	close(l);
	close(a[1]);
	close(b[1]);
	close(a[0]);
	close(b[0]);
	close(c);
	for (int i = 0; i < 100 && !strcmp(state(p[0]), "EAGAIN"); i++) {
		close(socket(AF_UNIX, SOCK_STREAM, 0));
		usleep(10000);
	}
	printf("cycles let go: pipe %s\n", state(p[0]));
	close(p[0]);
	SHOW(lowest_fd() == before);
}

int main(void)
{
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0), s;

	t_tmpdir();
	SHOW(bind(l, (struct sockaddr *)&address, sizeof(address)));
	SHOW(listen(l, 3));
	SHOW(connect(c, (struct sockaddr *)&address, sizeof(address)));
	s = accept(l, NULL, NULL);
	dup2(l, 50);
	close(l);
	descriptors(c, s);
	close(c);
	close(s);
	unreceived(50);
	SHOW(unlink("server"));
	t_done();
	return 0;
}
