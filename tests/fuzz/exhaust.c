/* Takes all there is of one thing: exhaust WHAT. Every kind must end with a right errno, which is printed, or with a kill
 * whose message names -m; never with a panic. By hand, in a small machine:
 * doppel run -m 32M -v EMPTY_DIRECTORY:/fz9p -- exhaust WHAT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

static void more_files(void)
{
	struct rlimit r = { 1 << 20, 1 << 20 };

	setrlimit(RLIMIT_NOFILE, &r);
}

static long count;

static int one_of(const char *what)
{
	int p[2];

	if (!strcmp(what, "open"))
		return open("/dev/null", O_RDONLY);
	if (!strcmp(what, "pipe"))
		return pipe(p);
	if (!strcmp(what, "fullpipe")) {
		static char buf[65536];
		return pipe2(p, O_NONBLOCK) ? -1 : write(p[1], buf, sizeof(buf)) > 0 ? 0 : -1;
	}
	if (!strcmp(what, "socket")) {
		static char buf[65536];
		return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p) ? -1 : write(p[1], buf, sizeof(buf)) > 0 ? 0 : -1;
	}
	if (!strcmp(what, "eventfd"))
		return eventfd(0, 0);
	if (!strcmp(what, "timerfd"))
		return timerfd_create(CLOCK_MONOTONIC, 0);
	if (!strcmp(what, "epoll")) {
		static int last = -1;
		struct epoll_event e = { EPOLLIN, { 0 } };
		int fd = epoll_create1(0);
		if (fd >= 0 && last >= 0 && count % 4)
			epoll_ctl(fd, EPOLL_CTL_ADD, last, &e);
		last = fd;
		return fd;
	}
	if (!strcmp(what, "memfd")) {
		int fd = memfd_create("m", 0);
		return fd < 0 ? -1 : ftruncate(fd, 1 << 20) ? -1 : write(fd, "x", 1) == 1 ? 0 : -1;
	}
	if (!strcmp(what, "mmap"))
		return mmap(NULL, 1ul << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0;
	if (!strcmp(what, "vmas")) {
		char *a = mmap(NULL, 8192, count & 1 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		return a == MAP_FAILED ? -1 : 0;
	}
	if (!strcmp(what, "lock")) {
		static int fd = -1;
		struct flock l = { .l_type = F_WRLCK, .l_start = count * 2, .l_len = 1 };
		if (fd < 0)
			fd = open("lockfile", O_RDWR | O_CREAT, 0666);
		return fcntl(fd, F_SETLK, &l);
	}
	if (!strcmp(what, "file")) {
		static char buf[65536];
		static int fd = -1;
		if (fd < 0)
			fd = open("big", O_RDWR | O_CREAT, 0666);
		return write(fd, buf, sizeof(buf)) > 0 ? 0 : -1;
	}
	if (!strcmp(what, "files")) {
		char name[32];
		sprintf(name, "f%ld", count);
		int fd = open(name, O_RDWR | O_CREAT, 0666);
		if (fd < 0)
			return -1;
		int r = write(fd, name, 10) == 10 ? 0 : -1, e = errno;
		close(fd);
		errno = e;
		return r;
	}
	if (!strcmp(what, "dirs"))
		return count < 60000 ? mkdir("deeper", 0777) || chdir("deeper") : (errno = 0, -1);
	if (!strcmp(what, "symlinks")) {
		char a[32], b[32];
		sprintf(a, "l%ld", count), sprintf(b, "l%ld", count + 1);
		if (count == 20000)
			return access("l0", F_OK);
		return symlink(b, a);
	}
	if (!strcmp(what, "touch")) {
		static char *a;
		if (!a)
			a = mmap(NULL, 1ul << 34, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (a == MAP_FAILED)
			return -1;
		a[count * 4096] = 1;
		return 0;
	}
	if (!strcmp(what, "tables")) { /* page tables alone: a page read in every 2 MiB */
		static volatile char *a;
		if (!a)
			a = mmap(NULL, 1ul << 44, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (a == MAP_FAILED)
			return -1;
		(void)a[count << 21];
		return 0;
	}
	if (!strcmp(what, "populate"))
		return mmap(NULL, 1ul << 26, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0) == MAP_FAILED ? -1 : 0;
	if (!strcmp(what, "brk"))
		return sbrk(1 << 20) == (void *)-1 ? -1 : (memset((char *)sbrk(0) - (1 << 20), 1, 1 << 20), 0);
	if (!strcmp(what, "shared"))  {
		static char *a;
		if (!a) {
			int fd = memfd_create("s", 0);
			if (ftruncate(fd, 1ul << 34))
				return -1;
			a = mmap(NULL, 1ul << 34, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		}
		if (a == MAP_FAILED)
			return -1;
		a[count * 4096] = 1;
		return 0;
	}
	fprintf(stderr, "exhaust: what is %s?\n", what);
	exit(2);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	more_files();
	if (access("/fz9p", F_OK) || mkdir("/tmp/fz", 0777) || chdir("/tmp/fz"))
		return 2;
	while (count < 5000000 && one_of(argv[1]) >= 0)
		count++;
	int e = errno;
	printf("%s: %ld, then %s\n", argv[1], count, strerror(e));
	return 0;
}
