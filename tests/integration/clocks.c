/* Clocks and sleeping. */
#include "t.h"
#include <sys/time.h>
#include <sys/times.h>
#include <sys/resource.h>
#include <time.h>
static double now(clockid_t c)
{
	struct timespec t;

	clock_gettime(c, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}
int main(void)
{
	struct timespec t, rem, a, b;
	struct timeval tv;

	double m = now(CLOCK_MONOTONIC), w = now(CLOCK_REALTIME);
	FACT(w > 1.6e9 && w < 5e9);
	t = (struct timespec){ 0, 20000000 };
	SHOW(nanosleep(&t, &rem));
	FACT(now(CLOCK_MONOTONIC) - m >= 0.02 && now(CLOCK_REALTIME) - w >= 0.0199);
	t = (struct timespec){ 0, -1 };
	SHOW(nanosleep(&t, NULL));
	t = (struct timespec){ -1, 0 };
	SHOW(nanosleep(&t, NULL));
	SHOW(nanosleep(BAD_PTR, NULL));
	clock_gettime(CLOCK_MONOTONIC, &t);
	SHOW(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL));
	SHOW(clock_nanosleep(99, 0, &t, NULL));
	int back = 0;
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < 200000; i++) {
		clock_gettime(CLOCK_MONOTONIC, &b);
		back += b.tv_sec < a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec < a.tv_nsec);
		if (i % 1000 == 0 && syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &a) == 0)
			back += a.tv_sec < b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec < b.tv_nsec);
		else
			a = b;
	}
	SHOW(back);
	SHOW(gettimeofday(&tv, NULL));
	FACT(tv.tv_sec - (long)w < 5);
	FACT(time(NULL) - (long)w < 5);
	SHOW(clock_gettime(99, &t));
	SHOW(syscall(SYS_clock_gettime, CLOCK_REALTIME, BAD_PTR));
	SHOW(clock_getres(CLOCK_MONOTONIC, &t));
	FACT(t.tv_sec == 0 && t.tv_nsec >= 1);
	SHOW(clock_getres(99, &t));
	SHOW(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t));
	SHOW(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t));
	double c = now(CLOCK_PROCESS_CPUTIME_ID);
	for (volatile int i = 0; i < 20000000; i++)
		;
	FACT(now(CLOCK_PROCESS_CPUTIME_ID) > c);
	struct rusage ru;
	SHOW(getrusage(RUSAGE_SELF, &ru));
	SHOW(getrusage(99, &ru));
	FACT(ru.ru_utime.tv_sec * 1000000 + ru.ru_utime.tv_usec > 0);
	struct tms tms;
	FACT(times(&tms) != (clock_t)-1);
	SHOW(clock_gettime(CLOCK_BOOTTIME, &t));
	SHOW(clock_gettime(CLOCK_MONOTONIC_COARSE, &t));
	SHOW(clock_gettime(CLOCK_TAI, &t));
	return 0;
}
