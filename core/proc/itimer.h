/* Interval timers of a process: setitimer(2), alarm(2), timer_create(2). Expiry sends the signal through signal.h. */
#ifndef CORE_PROC_ITIMER_H
#define CORE_PROC_ITIMER_H

#include "core/file/file.h"

struct proc;
struct thread;
struct siginfo;

/* which: ITIMER_REAL, _VIRTUAL, _PROF. Values in ns; 0 disarms. old values through *old_value, *old_interval. */
int itimer_set(struct proc *p, int which, uint64_t value, uint64_t interval, uint64_t *old_value,
	       uint64_t *old_interval);
int itimer_get(struct proc *p, int which, uint64_t *value, uint64_t *interval);

/* timer_create(2): signo 0 for SIGEV_NONE; value: sigval; tid != 0 for SIGEV_THREAD_ID. The new id ≥ 0, -EAGAIN,
 * -EINVAL. */
int posix_timer_create(struct proc *p, int clock, int signo, int64_t value, int tid);
int posix_timer_settime(struct proc *p, int id, int flags, const struct itimerspec64 *val, struct itimerspec64 *old);
int posix_timer_gettime(struct proc *p, int id, struct itimerspec64 *out);
int posix_timer_getoverrun(struct proc *p, int id);
int posix_timer_delete(struct proc *p, int id);
/* The process ends (or executes a program: every timer but ITIMER_REAL goes): frees them all. */
void posix_timers_free(struct proc *p);

/* The wall clock was set: absolute CLOCK_REALTIME timers move. To be called by clock_wall_set(). */
void itimer_clock_was_set(void);
/* What the process CPU clocks say of one thread, ns. */
uint64_t thread_cpu_time(struct thread *t);

/* Current value of any clock id of clock_gettime(2) for the current thread, ns; -EINVAL. */
int clock_read(int clock, uint64_t *ns);
/* Resolution, ns; -EINVAL. */
int clock_resolution(int clock, uint64_t *ns);
/* A deadline on `clock` (abs) or an interval from now as a monotonic deadline; clamps at TIME_NEVER. -EINVAL for a bad
 * clock or timespec (nsec out of 0…999,999,999, negative sec). */
int clock_deadline(int clock, bool absolute, const struct timespec64 *ts, uint64_t *deadline);

#endif
