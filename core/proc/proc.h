/* A process: what its threads share. Pid 1 is the kernel's reaper, the program is pid 2. */
#ifndef CORE_PROC_PROC_H
#define CORE_PROC_PROC_H

#include "core/lib/list.h"
#include "core/proc/cred.h"
#include "core/proc/signal.h"
#include "core/timer.h"
#include "core/wait.h"

struct space;
struct fdtable;
struct inode;
struct path;

#define RLIM_NLIMITS 16
#define RLIM_INFINITY (~0ul)

struct rlimit {
	uint64_t cur, max;
};

/* Working directory, root and umask (CLONE_FS will share it). */
struct fs_info {
	unsigned refs;
	struct path *cwd, *root; /* references held */
	unsigned umask;
};

/* What the program sets and asks back without further effect: prctl(2), nice(2), sched_setscheduler(2), membarrier(2).
 * Kept by shim/; all zeroes at first. */
struct proc_attrs {
	int nice, sched_policy, sched_priority;
	int pdeathsig;
	uint32_t securebits;
	uint64_t timerslack; /* ns; 0: the default */
	unsigned membarrier; /* registered commands */
	bool no_new_privs, keepcaps, child_subreaper, thp_disable;
};

struct proc {
	int pid, pgid, sid;
	unsigned refs;
	struct proc *parent;
	struct list children, sibling;
	struct list all_link;
	struct list threads;
	unsigned nthreads;
	struct waitq child_exit; /* wait4 */
	bool zombie, exiting;
	int exit_status;         /* wait(2) status word */

	struct space *space;
	struct fdtable *files;
	struct fs_info *fs;
	struct cred *cred;       /* immutable once shared; replaced, not changed */
	struct sigactions *sigactions;
	uint64_t sig_pending;    /* of the process */
	struct rlimit rlimits[RLIM_NLIMITS];

	struct path *exe;        /* /proc/self/exe; reference held */
	char comm[16];
	uint64_t start_time;     /* ns, monotonic */
	struct timer itimer_real; uint64_t itimer_interval;
	struct list posix_timers;
	uint64_t dead_utime, dead_stime; /* of threads that have ended */
	unsigned personality;
	int dumpable;
	struct proc_attrs attrs;
};

/* Ids of processes and threads come from one counter. */
int tid_alloc(void);

void fs_info_put(struct fs_info *fs); /* NULL is fine */
void proc_release(struct proc *p);    /* lets go of files, memory, timers, paths; part of proc_exit */

int proc_new(struct proc *parent, struct proc **out);
struct proc *proc_get(struct proc *p);
void proc_put(struct proc *p);
struct proc *proc_by_pid(int pid); /* no reference taken; NULL */
extern struct list proc_all;       /* of all_link, by pid */

/* Ends the process: closes files, frees the space, reparents children, tells the parent. When it is the program (pid 2),
 * ends the machine with the status once every other process has ended. Called on its last thread. */
void proc_exit(struct proc *p, int status);

/* Ends all threads of the current process; the current one does not return. */
_Noreturn void proc_exit_group(int status);

/* CPU time used so far by all threads, ns. */
void proc_times(struct proc *p, uint64_t *utime, uint64_t *stime);

uint64_t proc_rlimit(unsigned which); /* soft limit of the current process */

#endif
