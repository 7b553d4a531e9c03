/* AF_UNIX stream and seqpacket sockets with names: bind, listen, connect, accept, their errors, poll, options. */
#include "t.h"
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_un un(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	strncpy(a.sun_path, path, sizeof(a.sun_path));
	return a;
}

static int bind_to(int s, const char *path)
{
	struct sockaddr_un a = un(path);

	return bind(s, (struct sockaddr *)&a, sizeof(a));
}

static int connect_to(int s, const char *path)
{
	struct sockaddr_un a = un(path);

	return connect(s, (struct sockaddr *)&a, sizeof(a));
}

static void show_events(const char *what, int fd)
{
	struct pollfd p = { fd, POLLIN | POLLOUT | POLLRDHUP, 0 };

	poll(&p, 1, 0);
	printf("%s: events %x\n", what, p.revents);
}

static void show_name(const char *what, int fd, int peer)
{
	struct sockaddr_un a = { 0 };
	socklen_t len = sizeof(a);
	int r = peer ? getpeername(fd, (struct sockaddr *)&a, &len) : getsockname(fd, (struct sockaddr *)&a, &len);

	if (r)
		printf("%s: %s\n", what, strerrorname_np(errno));
	else
		printf("%s: family %d length %u \"%s\"\n", what, a.sun_family, len, len > 2 ? a.sun_path : "");
}

static int option(int fd, int opt)
{
	int v = -99;
	socklen_t len = sizeof(v);

	return getsockopt(fd, SOL_SOCKET, opt, &v, &len) ? -errno : v;
}

static void names(void)
{
	struct sockaddr_un a = un("named");
	struct stat st;
	int s = socket(AF_UNIX, SOCK_STREAM, 0), t = socket(AF_UNIX, SOCK_STREAM, 0);
	char path[120];

	show_name("before bind", s, 0);
	SHOW(bind(s, (struct sockaddr *)&a, 1));
	SHOW(bind(s, (struct sockaddr *)&a, 129));
	SHOW(bind(s, (struct sockaddr *)&a, 111));
	SHOW(bind(s, BAD_PTR, sizeof(a)));
	a.sun_family = AF_INET;
	SHOW(bind(s, (struct sockaddr *)&a, sizeof(a)));
	SHOW(bind_to(s, "missing/x"));
	umask(027);
	SHOW(bind_to(s, "named"));
	umask(022);
	show_name("bound", s, 0);
	SHOW(stat("named", &st));
	printf("mode %o\n", st.st_mode);
	SHOW(bind_to(t, "named"));
	SHOW(bind_to(s, "named"));
	SHOW(bind_to(s, "other"));
	SHOW(access("other", F_OK));
	SHOW(open("named", O_RDWR));
	SHOW(rename("named", "moved"));
	SHOW(connect_to(t, "named"));
	SHOW(connect_to(t, "moved"));
	SHOW(listen(t, 1));
	SHOW(listen(s, 5));
	SHOW(connect_to(t, "moved"));
	show_name("client", t, 0);
	show_name("its peer", t, 1);
	SHOW(symlink("moved", "link"));
	close(t);
	t = socket(AF_UNIX, SOCK_STREAM, 0);
	SHOW(connect_to(t, "link"));
	SHOW(connect_to(t, "link"));
	SHOW(unlink("link"));
	close(s);
	close(t);
	t = socket(AF_UNIX, SOCK_STREAM, 0);
	SHOW(connect_to(t, "moved"));
	SHOW(bind_to(t, "moved"));
	SHOW(unlink("moved"));
	SHOW(bind_to(t, "moved"));
	SHOW(unlink("moved"));
	close(t);
	t_write("plain", "");
	t = socket(AF_UNIX, SOCK_STREAM, 0);
	SHOW(connect_to(t, "plain"));
	SHOW(connect_to(t, "."));
	SHOW(connect_to(t, "plain/x"));
	SHOW(unlink("plain"));
	memset(path, 'p', sizeof(path));
	path[108] = 0; /* fills sun_path */
	SHOW(bind_to(t, path));
	show_name("longest", t, 0);
	SHOW(unlink(path));
	close(t);
}

static void abstract_names(void)
{
	struct sockaddr_un a = { AF_UNIX, "\0doppel-test" };
	socklen_t len = offsetof(struct sockaddr_un, sun_path) + 12;
	int s = socket(AF_UNIX, SOCK_STREAM, 0), t = socket(AF_UNIX, SOCK_SEQPACKET, 0), u = socket(AF_UNIX, SOCK_STREAM, 0);

	SHOW(bind(s, (struct sockaddr *)&a, len));
	SHOW(bind(s, (struct sockaddr *)&a, len));
	SHOW(bind(u, (struct sockaddr *)&a, len));
	SHOW(bind(t, (struct sockaddr *)&a, len));
	SHOW(listen(s, 5));
	SHOW(connect(u, (struct sockaddr *)&a, len - 1));
	SHOW(connect(u, (struct sockaddr *)&a, len));
	close(s);
	SHOW(connect(u, (struct sockaddr *)&a, len));
	close(u);
	close(t);
	s = socket(AF_UNIX, SOCK_STREAM, 0);
	SHOW(bind(s, (struct sockaddr *)&a, len));
	u = socket(AF_UNIX, SOCK_STREAM, 0);
	SHOW(bind(u, (struct sockaddr *)&a, 2)); /* a name of the kernel's choice */
	len = sizeof(a);
	SHOW(getsockname(u, (struct sockaddr *)&a, &len));
	printf("length %u, starts with %d\n", len, a.sun_path[0]);
	SHOW(bind(u, (struct sockaddr *)&a, 2));
	close(s);
	close(u);
}

static void connections(int type)
{
	struct sockaddr_un a;
	struct ucred cred;
	socklen_t len;
	char buf[64];
	int s = socket(AF_UNIX, type | SOCK_NONBLOCK, 0), c = socket(AF_UNIX, type, 0), d, e, f, n;

	printf("type %d\n", type);
	show_events("new", s);
	SHOW(listen(s, 0));
	SHOW(accept(s, NULL, NULL));
	SHOW(bind_to(s, "server"));
	SHOW(accept(s, NULL, NULL));
	SHOW(listen(s, 0));
	show_events("listening", s);
	SHOW(option(s, SO_ACCEPTCONN));
	SHOW(accept(s, NULL, NULL));
	SHOW(send(s, "x", 1, 0));
	SHOW(recv(s, buf, 1, 0));
	SHOW(ioctl(s, FIONREAD, &n));
	SHOW(send(c, "x", 1, 0));
	SHOW(recv(c, buf, 1, 0));
	show_name("not connected", c, 1);
	SHOW(bind_to(c, "client"));
	SHOW(connect_to(c, "server"));
	show_events("with one waiting", s);
	show_events("connected", c);
	SHOW(send(c, "early", 5, 0));
	d = socket(AF_UNIX, type | SOCK_NONBLOCK, 0);
	SHOW(connect_to(d, "server"));
	SHOW(connect_to(s, "server"));
	len = sizeof(a);
	memset(&a, 0, sizeof(a));
	WORKS(e = accept4(s, (struct sockaddr *)&a, &len, SOCK_CLOEXEC | SOCK_NONBLOCK));
	printf("from %u \"%s\"\n", len, a.sun_path);
	SHOW(fcntl(e, F_GETFD));
	SHOW(fcntl(e, F_GETFL) & O_NONBLOCK);
	SHOW(connect_to(c, "server"));
	show_name("accepted", e, 0);
	show_name("its peer", e, 1);
	show_name("client's peer", c, 1);
	SHOW(recv(e, buf, sizeof(buf), 0));
	SHOW(recv(e, buf, sizeof(buf), 0));
	SHOW(send(e, "answer", 6, 0));
	len = sizeof(a);
	memset(&a, 0, sizeof(a));
	SHOW(recvfrom(c, buf, sizeof(buf), 0, (struct sockaddr *)&a, &len));
	printf("from %u \"%s\"\n", len, a.sun_path);
	a = un("server");
	SHOW(sendto(c, "x", 1, 0, (struct sockaddr *)&a, sizeof(a)));
	SHOW(sendto(d, "x", 1, 0, (struct sockaddr *)&a, sizeof(a)));
	len = sizeof(cred);
	SHOW(getsockopt(c, SOL_SOCKET, SO_PEERCRED, &cred, &len));
	FACT(cred.pid == getpid() && cred.uid == getuid() && cred.gid == getgid());
	SHOW(getsockopt(d, SOL_SOCKET, SO_PEERCRED, &cred, &len));
	SHOW(cred.pid + (int)cred.uid);
	/* The client leaves before it is accepted. */
	SHOW(connect_to(d, "server"));
	f = accept(s, BAD_PTR, &len);
	printf("accept to a bad address: %s\n", f < 0 ? strerrorname_np(errno) : "?");
	while ((f = accept(s, NULL, NULL)) >= 0)
		close(f);
	close(d);
	d = socket(AF_UNIX, type | SOCK_NONBLOCK, 0);
	SHOW(connect_to(d, "server"));
	SHOW(send(d, "bye", 3, 0));
	close(d);
	len = sizeof(a);
	WORKS(f = accept(s, (struct sockaddr *)&a, &len));
	printf("from %u\n", len);
	SHOW(recv(f, buf, sizeof(buf), 0));
	SHOW(recv(f, buf, sizeof(buf), 0));
	show_events("left by its client", f);
	SHOW(send(f, "x", 1, MSG_NOSIGNAL));
	close(f);
	/* The server ends with a connection that it has not accepted. */
	d = socket(AF_UNIX, type | SOCK_NONBLOCK, 0);
	SHOW(connect_to(d, "server"));
	SHOW(shutdown(s, SHUT_RD));
	show_events("listener shut", s);
	f = socket(AF_UNIX, type | SOCK_NONBLOCK, 0);
	SHOW(connect_to(f, "server"));
	close(f);
	close(s);
	show_events("client of a server that ended", d);
	SHOW(option(d, SO_ERROR));
	SHOW(option(d, SO_ERROR));
	SHOW(send(d, "x", 1, MSG_NOSIGNAL));
	SHOW(recv(d, buf, 1, 0));
	SHOW(unlink("server"));
	SHOW(unlink("client"));
	close(c);
	SHOW(recv(e, buf, 1, 0));
	close(d);
	close(e);
}

static void options(void)
{
	int s = socket(AF_UNIX, SOCK_STREAM, 0), on = 5, lg[2] = { 3, 7 };
	socklen_t len = sizeof(lg);

	SHOW(option(s, SO_TYPE));
	SHOW(option(s, SO_DOMAIN));
	SHOW(option(s, SO_PROTOCOL));
	SHOW(option(s, SO_ACCEPTCONN));
	SHOW(option(s, SO_KEEPALIVE));
	SHOW(setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)));
	SHOW(option(s, SO_KEEPALIVE));
	SHOW(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	SHOW(option(s, SO_REUSEADDR));
	SHOW(setsockopt(s, SOL_SOCKET, SO_PRIORITY, &on, sizeof(on)));
	SHOW(option(s, SO_PRIORITY));
	SHOW(setsockopt(s, SOL_SOCKET, SO_LINGER, lg, 4));
	SHOW(setsockopt(s, SOL_SOCKET, SO_LINGER, lg, 8));
	SHOW(getsockopt(s, SOL_SOCKET, SO_LINGER, lg, &len));
	printf("%d %d\n", lg[0], lg[1]);
	SHOW(setsockopt(s, SOL_SOCKET, SO_TYPE, &on, sizeof(on)));
	SHOW(setsockopt(s, SOL_SOCKET, SO_PEERCRED, &on, sizeof(on)));
	SHOW(setsockopt(s, 6, 1, &on, sizeof(on)));
	SHOW(option(s, 999));
	close(s);
	SHOW(socket(AF_UNIX, 0, 0));
	SHOW(socket(AF_UNIX, SOCK_RDM, 0));
	SHOW(socket(AF_UNIX, 11, 0));
	SHOW(socket(AF_UNIX, SOCK_STREAM, 2));
	SHOW(socket(AF_UNIX, SOCK_STREAM | 0x1000, 0));
	SHOW(socket(999, SOCK_STREAM, 0));
	SHOW(socket(0, SOCK_STREAM, 0));
	SHOW(accept4(0, NULL, NULL, 077));
	SHOW(accept(0, NULL, NULL));
	SHOW(listen(99, 0));
	/* What connect and SO_SNDTIMEO have to do with each other: a full backlog. */
	s = socket(AF_UNIX, SOCK_STREAM, 0);
	bind_to(s, "full");
	listen(s, 0);
	struct timeval tv = { 0, 10000 };
	int c = socket(AF_UNIX, SOCK_STREAM, 0), d = socket(AF_UNIX, SOCK_STREAM, 0);
	SHOW(connect_to(c, "full"));
	SHOW(setsockopt(d, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)));
	SHOW(connect_to(d, "full"));
	SHOW(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	int e = accept(s, NULL, NULL);
	FACT(e >= 0);
	SHOW(accept(s, NULL, NULL));
	SHOW(unlink("full"));
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	t_tmpdir();
	names();
	abstract_names();
	connections(SOCK_STREAM);
	connections(SOCK_SEQPACKET);
	options();
	t_done();
	return 0;
}
