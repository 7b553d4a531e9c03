/* socketpair(2): stream, datagram and sequenced packets; messages, shutdown, errors. */
#include "t.h"
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
int main(void)
{
	int s[2], d[2];
	char buf[64];
	int val, len = sizeof(val);

	SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	SHOW(write(s[0], "hello", 5));
	SHOW(send(s[0], "world", 5, 0));
	SHOW(recv(s[1], buf, 7, MSG_PEEK));
	SHOW(recv(s[1], buf, 64, 0));
	printf("%.10s\n", buf);
	SHOW(recv(s[1], buf, 64, MSG_DONTWAIT));
	SHOW(shutdown(s[0], SHUT_WR));
	SHOW(recv(s[1], buf, 64, 0));
	signal(SIGPIPE, SIG_IGN);
	SHOW(write(s[0], "x", 1));
	SHOW(send(s[1], "back", 4, MSG_NOSIGNAL));
	SHOW(read(s[0], buf, 64));
	struct pollfd f = { s[1], POLLIN | POLLOUT | POLLRDHUP, 0 };
	SHOW(poll(&f, 1, 0));
	printf("%x\n", f.revents);
	close(s[0]);
	SHOW(poll(&f, 1, 0));
	printf("%x\n", f.revents);
	SHOW(send(s[1], "x", 1, MSG_NOSIGNAL));
	SHOW(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, d));
	SHOW(send(d[0], "one", 3, 0));
	SHOW(send(d[0], "", 0, 0));
	SHOW(send(d[0], "three", 5, 0));
	SHOW(recv(d[1], buf, 2, MSG_TRUNC));
	SHOW(recv(d[1], buf, 64, 0));
	SHOW(recv(d[1], buf, 64, 0));
	SHOW(recv(d[1], buf, 64, 0));
	SHOW(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, d));
	SHOW(fcntl(d[0], F_GETFD));
	SHOW(send(d[0], "packet", 6, 0));
	SHOW(send(d[0], "next", 4, 0));
	SHOW(recv(d[1], buf, 64, 0));
	SHOW(getsockopt(d[0], SOL_SOCKET, SO_TYPE, &val, (socklen_t *)&len));
	SHOW(val);
	SHOW(getsockopt(d[0], SOL_SOCKET, SO_ERROR, &val, (socklen_t *)&len));
	SHOW(val);
	SHOW(socketpair(AF_UNIX, 77, 0, d));
	SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, BAD_PTR));
	SHOW(socketpair(AF_INET, SOCK_STREAM, 0, d) == -1);
	SHOW(recv(0, buf, 1, 0));
	SHOW(send(99, buf, 1, 0));
	struct iovec iov[2] = { { "ab", 2 }, { "cd", 2 } };
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2 };
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	SHOW(sendmsg(s[0], &mh, 0));
	iov[0] = (struct iovec){ buf, 3 }, iov[1] = (struct iovec){ buf + 10, 10 };
	SHOW(recvmsg(s[1], &mh, 0));
	printf("%.3s %.1s\n", buf, buf + 10);
	return 0;
}
