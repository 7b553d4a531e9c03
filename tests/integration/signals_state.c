/* Signal state without handlers: actions, masks, pending signals, kill to oneself. */
#include "t.h"
#include <signal.h>
#include <time.h>
int main(void)
{
	struct sigaction sa = { .sa_handler = SIG_IGN }, old;
	sigset_t set, got;

	SHOW(sigaction(SIGUSR1, &sa, &old));
	FACT(old.sa_handler == SIG_DFL);
	SHOW(sigaction(SIGUSR1, NULL, &old));
	FACT(old.sa_handler == SIG_IGN);
	SHOW(sigaction(SIGKILL, &sa, NULL));
	SHOW(sigaction(0, &sa, NULL));
	SHOW(sigaction(65, &sa, NULL));
	SHOW(kill(getpid(), SIGUSR1));
	SHOW(kill(getpid(), 0));
	SHOW(kill(99999, 0));
	SHOW(kill(getpid(), 99));
	sigemptyset(&set), sigaddset(&set, SIGUSR2), sigaddset(&set, SIGTERM);
	SHOW(sigprocmask(SIG_BLOCK, &set, NULL));
	SHOW(sigprocmask(SIG_BLOCK, NULL, &got));
	FACT(sigismember(&got, SIGUSR2) && sigismember(&got, SIGTERM) && !sigismember(&got, SIGHUP));
	SHOW(sigprocmask(77, &set, NULL));
	SHOW(kill(getpid(), SIGUSR2));
	SHOW(sigpending(&got));
	FACT(sigismember(&got, SIGUSR2) && !sigismember(&got, SIGTERM));
	siginfo_t si;
	struct timespec zero = { 0, 0 };
	SHOW(sigtimedwait(&set, &si, &zero));
	FACT(si.si_signo == SIGUSR2 && si.si_pid == getpid());
	SHOW(sigtimedwait(&set, &si, &zero));
	SHOW(raise(SIGCHLD));
	SHOW(raise(SIGWINCH));
	raise(SIGTERM);
	printf("still here\n");
	fflush(stdout);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	printf("not reached\n");
	return 0;
}
