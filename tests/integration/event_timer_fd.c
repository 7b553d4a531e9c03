/* eventfd(2), timerfd_create(2). */
#include "t.h"
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
int main(void)
{
	uint64_t v;
	int e = eventfd(3, EFD_NONBLOCK), s = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);

	SHOW(read(e, &v, 8));
	SHOW(v);
	SHOW(read(e, &v, 8));
	SHOW(read(e, &v, 4));
	v = 5;
	SHOW(write(e, &v, 8));
	SHOW(write(e, &v, 8));
	SHOW(read(e, &v, 100));
	SHOW(v);
	v = UINT64_MAX;
	SHOW(write(e, &v, 8));
	v = UINT64_MAX - 1;
	SHOW(write(e, &v, 8));
	v = 1;
	SHOW(write(e, &v, 8));
	struct pollfd f = { e, POLLIN | POLLOUT, 0 };
	SHOW(poll(&f, 1, 0));
	printf("%x\n", f.revents);
	SHOW(read(s, &v, 8));
	SHOW(v);
	SHOW(read(s, &v, 8));
	SHOW(read(s, &v, 8));
	SHOW(eventfd(0, 0x1000));
	SHOW(write(s, BAD_PTR, 8));
	int t = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), b = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC);
	struct itimerspec its = { { 0, 5000000 }, { 0, 5000000 } }, old;
	SHOW(read(t, &v, 8));
	SHOW(timerfd_settime(t, 0, &its, NULL));
	SHOW(timerfd_gettime(t, &old));
	FACT(old.it_interval.tv_nsec == 5000000 && old.it_value.tv_nsec > 0);
	f = (struct pollfd){ t, POLLIN, 0 };
	SHOW(poll(&f, 1, -1));
	SHOW(read(t, &v, 8));
	FACT(v >= 1);
	its = (struct itimerspec){ { 0, 0 }, { 0, 0 } };
	SHOW(timerfd_settime(t, 0, &its, &old));
	SHOW(poll(&f, 1, 15));
	its.it_value.tv_nsec = 1000000000;
	SHOW(timerfd_settime(t, 0, &its, NULL));
	SHOW(timerfd_settime(e, 0, &its, NULL));
	SHOW(timerfd_create(99, 0));
	SHOW(timerfd_create(CLOCK_MONOTONIC, 0x1000));
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	its = (struct itimerspec){ { 0, 0 }, { now.tv_sec, now.tv_nsec } };
	SHOW(timerfd_settime(b, TFD_TIMER_ABSTIME, &its, NULL));
	SHOW(read(b, &v, 8));
	SHOW(v);
	SHOW(read(b, &v, 7));
	return 0;
}
