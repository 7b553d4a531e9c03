/* poll, ppoll, select, pselect: readiness, time-outs, errors. */
#include "t.h"
#include <poll.h>
#include <sys/select.h>
#include <time.h>
static long ms_since(struct timespec a)
{
	struct timespec b;

	clock_gettime(CLOCK_MONOTONIC, &b);
	return (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
}
int main(void)
{
	int p[2];
	struct timespec start, ts = { 0, 30000000 }, bad = { 0, 1000000000 };
	struct timeval tv = { 0, 30000 };
	fd_set r, w;

	pipe(p);
	struct pollfd f[3] = { { p[0], POLLIN, 9 }, { p[1], POLLOUT, 9 }, { 99, POLLIN, 9 } };
	SHOW(poll(f, 2, 0));
	printf("%x %x\n", f[0].revents, f[1].revents);
	SHOW(poll(f, 3, 0));
	printf("%x\n", f[2].revents);
	f[2].fd = -1;
	SHOW(poll(f, 3, 0));
	printf("%x\n", f[2].revents);
	clock_gettime(CLOCK_MONOTONIC, &start);
	SHOW(poll(f, 1, 30));
	FACT(ms_since(start) >= 29);
	SHOW(ppoll(f, 1, &ts, NULL));
	SHOW(ppoll(f, 1, &bad, NULL));
	SHOW(poll(BAD_PTR, 1, 0));
	SHOW(poll(NULL, 0, 10));
	SHOW(poll(f, 1 << 30, 0));
	write(p[1], "x", 1);
	SHOW(poll(f, 1, -1));
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_SET(p[0], &r);
	FD_SET(p[1], &w);
	SHOW(select(p[1] + 1, &r, &w, NULL, NULL));
	FACT(FD_ISSET(p[0], &r) && FD_ISSET(p[1], &w));
	char c;
	read(p[0], &c, 1);
	SHOW(select(p[1] + 1, &r, NULL, NULL, &tv));
	FACT(!FD_ISSET(p[0], &r));
	FD_ZERO(&r);
	FD_SET(50, &r);
	SHOW(select(60, &r, NULL, NULL, &tv));
	SHOW(select(-1, NULL, NULL, NULL, &tv));
	tv = (struct timeval){ -1, 0 };
	SHOW(select(0, NULL, NULL, NULL, &tv));
	SHOW(pselect(0, NULL, NULL, NULL, &ts, NULL));
	int file = open("/etc/passwd", O_RDONLY);
	f[0] = (struct pollfd){ file, POLLIN | POLLOUT, 0 };
	SHOW(poll(f, 1, -1));
	printf("%x\n", f[0].revents);
	close(p[1]);
	f[0] = (struct pollfd){ p[0], 0, 0 };
	SHOW(poll(f, 1, -1));
	printf("%x\n", f[0].revents);
	return 0;
}
