/* Signals. Until handlers arrive, delivery takes the default action: terminate (128+n for the host) or ignore; actions and
 * masks are kept as the program sets them, so that what it asks back is right. */
#ifndef CORE_PROC_SIGNAL_H
#define CORE_PROC_SIGNAL_H

#include "core/types.h"

struct proc;
struct thread;
struct regs;

#define NSIG 64
#define SIG_DFL 0ul
#define SIG_IGN 1ul

/* As rt_sigaction(2)'s kernel structure. */
struct sigaction_k {
	uint64_t handler;
	uint64_t flags;
	uint64_t restorer;
	uint64_t mask;
};

struct sigactions {
	unsigned refs;
	struct sigaction_k action[NSIG]; /* [n-1] */
};

struct siginfo {
	int signo, code, err;
	int pid; uint32_t uid;
	uint64_t addr;
	int64_t value;
};

/* Sends to a process or thread: 0, -EINVAL. Wakes it when it sleeps interruptibly. */
int signal_send_proc(struct proc *p, const struct siginfo *si);
int signal_send_thread(struct thread *t, const struct siginfo *si);

/* A fault of the current thread: cannot be blocked or ignored. */
void signal_force(const struct siginfo *si);

/* True when the current thread has a signal that would end a sleep (unblocked and not ignored), or was killed. */
bool signal_pending(void);

/* From trap_return(): takes the default action of what is pending. May not return. */
void signal_deliver(struct regs *r);

const char *signal_name(int sig); /* "SIGINT" */

#endif
