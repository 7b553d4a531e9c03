/* alarm(2) in a program that only computes: SIGALRM's default action ends it. */
#include "t.h"
#include <sys/time.h>
int main(void)
{
	struct itimerval it = { { 0, 0 }, { 1000, 50000 } }, old;

	SHOW(alarm(100));
	FACT(alarm(0) > 90);
	SHOW(setitimer(ITIMER_REAL, &it, &old));
	SHOW(getitimer(ITIMER_REAL, &old));
	FACT(old.it_value.tv_sec > 900 && old.it_value.tv_sec <= 1000);
	SHOW(setitimer(99, &it, NULL));
	it.it_value.tv_usec = 1000000;
	SHOW(setitimer(ITIMER_REAL, &it, NULL));
	fflush(stdout);
	it.it_value = (struct timeval){ 0, 50000 };
	setitimer(ITIMER_REAL, &it, NULL);
	for (volatile unsigned long i = 0;; i++)
		;
}
