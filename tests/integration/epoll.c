/* epoll(7): level and edge triggering, one-shot, nesting, errors. */
#include "t.h"
#include <sys/epoll.h>
int main(void)
{
	int p[2], q[2], ep = epoll_create1(0), inner = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event e = { EPOLLIN, { .u64 = 42 } }, out[8];
	char c;

	pipe(p), pipe(q);
	SHOW(epoll_create(0));
	SHOW(epoll_create1(1));
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e));
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e));
	SHOW(epoll_ctl(ep, EPOLL_CTL_MOD, q[0], &e));
	SHOW(epoll_ctl(ep, EPOLL_CTL_DEL, q[0], NULL));
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, ep, &e));
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, 99, &e));
	SHOW(epoll_ctl(99, EPOLL_CTL_ADD, p[0], &e));
	SHOW(epoll_ctl(p[0], EPOLL_CTL_ADD, p[1], &e));
	SHOW(epoll_ctl(ep, 7, q[0], &e));
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, q[0], BAD_PTR));
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, open("/etc/passwd", O_RDONLY), &e));
	SHOW(epoll_wait(ep, out, 8, 0));
	SHOW(epoll_wait(ep, out, 0, 0));
	SHOW(epoll_wait(ep, BAD_PTR, 8, 0) <= 0);
	write(p[1], "ab", 2);
	SHOW(epoll_wait(ep, out, 8, -1));
	printf("%x %lu\n", out[0].events, out[0].data.u64);
	SHOW(epoll_wait(ep, out, 8, 0));
	e.events = EPOLLIN | EPOLLET;
	SHOW(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &e));
	SHOW(epoll_wait(ep, out, 8, 0));
	SHOW(epoll_wait(ep, out, 8, 0));
	write(p[1], "c", 1);
	SHOW(epoll_wait(ep, out, 8, 0));
	SHOW(epoll_wait(ep, out, 8, 0));
	e.events = EPOLLIN | EPOLLONESHOT;
	SHOW(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &e));
	SHOW(epoll_wait(ep, out, 8, 0));
	SHOW(epoll_wait(ep, out, 8, 0));
	SHOW(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &e));
	SHOW(epoll_wait(ep, out, 8, 0));
	e.events = EPOLLIN;
	SHOW(epoll_ctl(inner, EPOLL_CTL_ADD, q[0], &e));
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, inner, &e));
	SHOW(epoll_ctl(inner, EPOLL_CTL_ADD, ep, &e));
	write(q[1], "z", 1);
	SHOW(epoll_wait(ep, out, 8, -1));
	read(q[0], &c, 1);
	SHOW(epoll_wait(ep, out, 8, 20));
	SHOW(epoll_ctl(ep, EPOLL_CTL_DEL, inner, NULL));
	close(q[1]);
	SHOW(epoll_wait(inner, out, 8, 0));
	printf("%x\n", out[0].events);
	close(q[0]);
	SHOW(epoll_wait(inner, out, 8, 0));
	SHOW(epoll_pwait(inner, out, 8, 5, NULL));
	return 0;
}
