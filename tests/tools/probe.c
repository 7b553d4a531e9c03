/* What the command line's tests run inside: one program, many small jobs, each printing what it sees.
 *
 *   probe exit N | kill SIG | args … | env [NAME] | isatty | size | both | where | sum | gen BYTES | cat | lines | raw | winch N
 *         wait | ignore | spin | ticks | textbusy | groups | closed | crash | hog MIB | nosys | clock
 *         append | copyrange | lost FILE HOW */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* FNV-1a */
static uint64_t hash(uint64_t h, const void *p, size_t n)
{
	const unsigned char *c = p;

	while (n--)
		h = (h ^ *c++) * 0x100000001b3;
	return h;
}

#define HASH_START 0xcbf29ce484222325

static void strings_sum(char **v)
{
	size_t n = 0, bytes = 0;
	uint64_t h = HASH_START;

	for (; *v; v++, n++) {
		bytes += strlen(*v) + 1;
		h = hash(h, *v, strlen(*v) + 1);
	}
	printf("%zu strings, %zu bytes, %016llx\n", n, bytes, (unsigned long long)h);
}

static int sum(void)
{
	static char buf[65536];
	uint64_t h = HASH_START;
	unsigned long long total = 0;
	ssize_t n;

	while ((n = read(0, buf, sizeof(buf))) > 0) {
		h = hash(h, buf, (size_t)n);
		total += (unsigned long long)n;
	}
	if (n < 0)
		printf("read: %s\n", strerror(errno));
	printf("%llu %016llx\n", total, (unsigned long long)h);
	return n < 0;
}

/* A pattern without a short period. */
static int gen(uint64_t bytes)
{
	static uint64_t buf[8192];
	uint64_t x = 88172645463325252ull;

	while (bytes) {
		size_t n = bytes < sizeof(buf) ? bytes : sizeof(buf), done = 0;

		for (size_t i = 0; i < 8192; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			buf[i] = x;
		}
		while (done < n) {
			ssize_t w = write(1, (char *)buf + done, n - done);

			if (w < 0) {
				fprintf(stderr, "write: %s\n", strerror(errno));
				return 1;
			}
			done += (size_t)w;
		}
		bytes -= n;
	}
	return 0;
}

static int copy(void)
{
	static char buf[65536];
	ssize_t n;

	while ((n = read(0, buf, sizeof(buf))) > 0)
		for (ssize_t done = 0, w; done < n; done += w)
			if ((w = write(1, buf + done, (size_t)(n - done))) < 0)
				return 1;
	return n < 0;
}

static void size_print(void)
{
	struct winsize w;

	if (ioctl(0, TIOCGWINSZ, &w) && ioctl(1, TIOCGWINSZ, &w))
		printf("no size: %s\n", strerror(errno));
	else
		printf("%u rows %u columns\n", w.ws_row, w.ws_col);
}

/* Single bytes as they are typed, until q. Leaves the terminal raw. */
static int raw(void)
{
	struct termios t;
	unsigned char c;

	if (tcgetattr(0, &t))
		return 2;
	cfmakeraw(&t);
	tcsetattr(0, TCSANOW, &t);
	printf("ready\r\n");
	fflush(stdout);
	while (read(0, &c, 1) == 1) {
		printf("<%02x>\r\n", c);
		fflush(stdout);
		if (c == 'q')
			return 0;
	}
	return 1;
}

/* Prints the size whenever it is another, n times. */
static int winch(int n)
{
	struct winsize w, last = { 0 };

	while (n > 0) {
		if (ioctl(0, TIOCGWINSZ, &w))
			return 1;
		if (w.ws_row != last.ws_row || w.ws_col != last.ws_col) {
			size_print();
			fflush(stdout);
			last = w;
			n--;
		}
		nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	}
	return 0;
}

static int ready_then(const char *what)
{
	if (!strcmp(what, "ignore"))
		for (int s = 1; s < 32; s++)
			signal(s, SIG_IGN);
	if (!strcmp(what, "ticks"))
		timerfd_settime(timerfd_create(CLOCK_MONOTONIC, 0), 0, &(struct itimerspec){ { 0, 30000 }, { 0, 30000 } }, NULL);
	puts("ready");
	fflush(stdout);
	for (volatile unsigned long i = 0; !strcmp(what, "spin");)
		i++;
	while (!strcmp(what, "ticks")) {
		static char pages[1 << 20];

		for (size_t i = 0; i < sizeof(pages); i += 3 * 4096)
			pages[i]++;
		madvise(pages, sizeof(pages), MADV_DONTNEED);
	}
	if (!strcmp(what, "ignore")) {
		char c;

		return read(0, &c, 1) == 1 ? 7 : 8;
	}
	for (;;)
		pause();
}

static int where(char **argv)
{
	int local;

	printf("code %p stack %p heap %p argv %p libc %p\n", (void *)(uintptr_t)where, (void *)&local, malloc(10), (void *)argv,
	       (void *)(uintptr_t)puts);
	return 0;
}

static int closed(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			printf("%d is closed\n", fd), fprintf(stderr, "%d is closed\n", fd);
	return 0;
}

static int groups(void)
{
	gid_t g[64];
	int n = getgroups(64, g);

	printf("uid %d %d gid %d %d groups", getuid(), geteuid(), getgid(), getegid());
	for (int i = 0; i < n; i++)
		printf(" %d", g[i]);
	puts("");
	return 0;
}

/* 200000 bytes for a disk that has not so many, and an end that does not ask what became of them. */
static int lost(const char *file, const char *how)
{
	static char buf[200000];
	int fd = open(file, O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *map;

	if (!strcmp(how, "map")) {
		ftruncate(fd, sizeof(buf));
		map = mmap(NULL, sizeof(buf), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		close(fd);
		memset(map, 'x', sizeof(buf));
		return 0;
	}
	if (write(fd, buf, sizeof(buf)) != sizeof(buf))
		return 1;
	if (!strcmp(how, "sync")) {
		sync();
		return close(fd) && errno == ENOSPC ? 2 : 1;
	}
	if (!strcmp(how, "dup"))
		return dup2(1, fd) != fd;
	return 0;
}

int main(int argc, char **argv)
{
	const char *job = argc > 1 ? argv[1] : "", *arg = argc > 2 ? argv[2] : "";

	if (!strcmp(job, "exit"))
		return atoi(arg);
	if (!strcmp(job, "kill"))
		return kill(getpid(), atoi(arg)), 99;
	if (!strcmp(job, "args"))
		return strings_sum(argv + 2), 0;
	if (!strcmp(job, "env"))
		return *arg ? (void)puts(getenv(arg) ? getenv(arg) : "(unset)") : strings_sum(environ), 0;
	if (!strcmp(job, "isatty"))
		return printf("%d%d%d\n", isatty(0), isatty(1), isatty(2)), 0;
	if (!strcmp(job, "size"))
		return size_print(), 0;
	if (!strcmp(job, "both"))
		return puts("to stdout"), fflush(stdout), fputs("to stderr\n", stderr), 0;
	if (!strcmp(job, "where"))
		return where(argv);
	if (!strcmp(job, "sum"))
		return sum();
	if (!strcmp(job, "gen"))
		return gen(strtoull(arg, NULL, 10));
	if (!strcmp(job, "cat"))
		return copy();
	if (!strcmp(job, "lines")) /* cat, but says when it listens */
		return write(2, "ready\n", 6), copy();
	if (!strcmp(job, "raw"))
		return raw();
	if (!strcmp(job, "winch"))
		return winch(atoi(arg));
	if (!strcmp(job, "wait") || !strcmp(job, "ignore") || !strcmp(job, "spin") || !strcmp(job, "ticks"))
		return ready_then(job);
	if (!strcmp(job, "textbusy"))
		return printf("%s\n", open("/proc/self/exe", O_WRONLY) < 0 ? strerror(errno) : "opened"), 0;
	if (!strcmp(job, "groups"))
		return groups();
	if (!strcmp(job, "closed"))
		return closed();
	if (!strcmp(job, "crash"))
		return *(volatile int *)8;
	if (!strcmp(job, "nosys")) { /* a number that no Linux has given away */
		bool first = syscall(400) < 0 && errno == ENOSYS, second = syscall(400) < 0 && errno == ENOSYS;

		return puts(first && second ? "twice ENOSYS" : "?"), 0;
	}
	/* without an fstat(2) before, as the first thing that is done with the files */
	if (!strcmp(job, "append"))
		return pwritev2(1, &(struct iovec){ "end", 3 }, 1, -1, RWF_APPEND) != 3 || lseek(1, 0, SEEK_CUR) != lseek(1, 0, SEEK_END);
	if (!strcmp(job, "copyrange"))
		return copy_file_range(0, NULL, 1, NULL, 1000, 0) != 1000 || copy_file_range(0, &(off_t){ 5 }, 1, &(off_t){ 0 }, 7, 0) != 7;
	if (!strcmp(job, "lost"))
		return lost(arg, argv[3]);
	if (!strcmp(job, "clock")) { /* asks the time for two seconds, then ten thousand times more */
		struct timespec from, now;

		clock_gettime(CLOCK_MONOTONIC, &from);
		do
			clock_gettime(CLOCK_MONOTONIC, &now);
		while (now.tv_sec - from.tv_sec < 2);
		for (int i = 0; i < 10000; i++)
			clock_gettime(CLOCK_REALTIME, &now);
		return puts("done"), 0;
	}
	if (!strcmp(job, "hog")) { /* touches ARG MiB */
		for (int i = 0; i < atoi(arg); i++) {
			char *p = malloc(1 << 20);

			if (!p)
				return puts("refused"), 3;
			memset(p, 1, 1 << 20);
		}
		return puts("all there"), 0;
	}
	fprintf(stderr, "probe: no job '%s'\n", job);
	return 98;
}
