/* pipe(2), pipe(7): capacity, atomicity, non-blocking, end of file, broken pipe. */
#include "t.h"
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
int main(void)
{
	static char buf[200000];
	int p[2], n;
	struct pollfd pf;

	SHOW(pipe2(p, O_NONBLOCK));
	SHOW(read(p[0], buf, 10));
	SHOW(write(p[1], "abc", 3));
	SHOW(ioctl(p[0], FIONREAD, &n));
	SHOW(n);
	SHOW(read(p[0], buf, 2));
	SHOW(read(p[0], buf, 10));
	SHOW(write(p[1], buf, sizeof(buf)));
	SHOW(write(p[1], buf, 1));
	SHOW(fcntl(p[1], F_GETPIPE_SZ));
	pf = (struct pollfd){ p[1], POLLOUT, 0 };
	SHOW(poll(&pf, 1, 0));
	SHOW(read(p[0], buf, 4095));
	SHOW(write(p[1], buf, 4096));
	SHOW(write(p[1], buf, 10) >= -1);
	SHOW(read(p[0], buf, sizeof(buf)) > 60000);
	SHOW(fcntl(p[1], F_SETPIPE_SZ, 4096));
	SHOW(write(p[1], buf, 5000));
	SHOW(read(p[0], buf, sizeof(buf)));
	SHOW(write(p[0], "x", 1));
	SHOW(read(p[1], buf, 1));
	SHOW(write(p[1], "last", 4));
	SHOW(close(p[1]));
	pf = (struct pollfd){ p[0], POLLIN, 0 };
	SHOW(poll(&pf, 1, -1));
	printf("%x\n", pf.revents);
	SHOW(read(p[0], buf, 10));
	SHOW(read(p[0], buf, 10));
	SHOW(poll(&pf, 1, -1));
	printf("%x\n", pf.revents);
	pipe(p);
	close(p[0]);
	signal(SIGPIPE, SIG_IGN);
	SHOW(write(p[1], "x", 1));
	pf = (struct pollfd){ p[1], POLLOUT, 0 };
	SHOW(poll(&pf, 1, -1));
	printf("%x\n", pf.revents);
	SHOW(pipe2(p, 0x10));
	SHOW(syscall(SYS_pipe, BAD_PTR));
	SHOW(pipe2(p, O_CLOEXEC));
	SHOW(fcntl(p[0], F_GETFD));
	struct stat st;
	fstat(p[0], &st);
	FACT(S_ISFIFO(st.st_mode));
	return 0;
}
