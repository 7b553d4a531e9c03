/* timer_create(2): state, errors; expiry kills by default. */
#include "t.h"
#include <signal.h>
#include <time.h>
int main(void)
{
	timer_t t;
	struct sigevent none = { .sigev_notify = SIGEV_NONE };
	struct itimerspec its = { { 0, 0 }, { 100, 0 } }, old;

	SHOW(timer_create(CLOCK_MONOTONIC, &none, &t));
	SHOW(timer_settime(t, 0, &its, NULL));
	SHOW(timer_gettime(t, &old));
	FACT(old.it_value.tv_sec >= 99);
	SHOW(timer_getoverrun(t));
	its.it_value.tv_nsec = -1;
	SHOW(timer_settime(t, 0, &its, NULL));
	SHOW(timer_delete(t));
	SHOW(syscall(SYS_timer_gettime, 12345, &old));
	SHOW(syscall(SYS_timer_delete, 12345));
	SHOW(timer_create(99, &none, &t));
	SHOW(timer_create(CLOCK_REALTIME, NULL, &t));
	its = (struct itimerspec){ { 0, 0 }, { 0, 20000000 } };
	SHOW(timer_settime(t, 0, &its, NULL));
	fflush(stdout);
	for (;;)
		pause();
}
