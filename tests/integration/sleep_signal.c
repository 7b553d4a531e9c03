/* A blocked signal does not end a sleep; an ignored one neither; SIGTERM by a timer does. */
#include "t.h"
#include <signal.h>
#include <sys/time.h>
#include <time.h>
int main(void)
{
	sigset_t set;
	struct timespec ts = { 0, 60000000 }, rem;
	struct itimerval it = { { 0, 0 }, { 0, 10000 } };

	sigemptyset(&set), sigaddset(&set, SIGALRM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	SHOW(setitimer(ITIMER_REAL, &it, NULL));
	SHOW(nanosleep(&ts, &rem));
	SHOW(sigpending(&set));
	FACT(sigismember(&set, SIGALRM));
	siginfo_t si;
	struct timespec zero = { 0, 0 };
	SHOW(sigtimedwait(&set, &si, &zero));
	signal(SIGALRM, SIG_IGN);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	SHOW(setitimer(ITIMER_REAL, &it, NULL));
	SHOW(nanosleep(&ts, &rem));
	signal(SIGALRM, SIG_DFL);
	SHOW(setitimer(ITIMER_REAL, &it, NULL));
	fflush(stdout);
	ts.tv_sec = 100;
	nanosleep(&ts, NULL);
	puts("not reached");
	return 0;
}
