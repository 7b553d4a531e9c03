/* dup, dup2, dup3, fcntl: lowest free number, flags, close-on-exec, limits. */
#include "t.h"
#include <sys/resource.h>
int main(void)
{
	int fd = open("/dev/null", O_RDWR);

	SHOW(fd);
	SHOW(dup(fd));
	SHOW(dup(fd));
	SHOW(close(4));
	SHOW(dup(fd));
	SHOW(dup2(fd, 10));
	SHOW(dup2(fd, fd));
	SHOW(dup2(-1, 5));
	SHOW(dup2(99, 99));
	SHOW(dup2(fd, -1));
	SHOW(dup2(fd, 1 << 30));
	SHOW(dup3(fd, fd, 0));
	SHOW(dup3(fd, 11, O_CLOEXEC));
	SHOW(dup3(fd, 11, O_APPEND));
	SHOW(fcntl(11, F_GETFD));
	SHOW(fcntl(10, F_GETFD));
	SHOW(fcntl(10, F_SETFD, FD_CLOEXEC));
	SHOW(fcntl(10, F_GETFD));
	SHOW(fcntl(fd, F_DUPFD, 20));
	SHOW(fcntl(fd, F_DUPFD_CLOEXEC, 20));
	SHOW(fcntl(21, F_GETFD));
	SHOW(fcntl(fd, F_DUPFD, -1));
	SHOW(fcntl(fd, F_DUPFD, 1 << 30));
	SHOW(fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK | O_APPEND));
	SHOW(fcntl(fd, F_SETFL, O_NONBLOCK | O_APPEND));
	SHOW(fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK | O_APPEND));
	SHOW(fcntl(dup(fd), F_GETFL) & (O_ACCMODE | O_NONBLOCK | O_APPEND));
	SHOW(fcntl(fd, 9999));
	SHOW(fcntl(999, F_GETFD));
	SHOW(close_range(20, 30, 0));
	SHOW(fcntl(21, F_GETFD));
	SHOW(close_range(5, 4, 0));
	SHOW(close_range(5, 6, 64));
	struct rlimit rl = { 16, 16 };
	SHOW(setrlimit(RLIMIT_NOFILE, &rl));
	int n = 0;
	while (dup(fd) >= 0)
		n++;
	printf("%s after filling\n", strerrorname_np(errno));
	SHOW(open("/dev/null", O_RDONLY));
	SHOW(fcntl(fd, F_DUPFD, 16));
	SHOW(dup2(fd, 16));
	int p[2] = { -7, -7 };
	SHOW(pipe(p));
	return 0;
}
