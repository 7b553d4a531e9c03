/* Interval timers: setitimer(2), timer_create(2), and the clocks of clock_gettime(2).
 *
 * Timers on CPU time have no event of their own: a monotonic timer is set for the earliest moment at which the CPU
 * time can have been used up, which looks then, and tries again after what is still missing. ITIMER_VIRTUAL and
 * ITIMER_PROF are posix timers with ids that the program cannot name.
 *
 * An expiration whose signal is still pending is counted as an overrun (signals are sets so far, so the first of
 * several is the only one delivered). Interval timers keep their phase. */
#include "core/proc/itimer.h"
#include "core/mm/slab.h"
#include "core/proc/proc.h"
#include "core/proc/signal.h"
#include "core/proc/thread.h"
#include "core/sched.h"
#include "core/timer.h"
#include "shim/abi/errno.h"
#include "shim/abi/resource.h"
#include "shim/abi/signal.h"
#include "shim/abi/time.h"

#define COARSE_NS 4000000ul /* resolution that the coarse clocks announce */
#define CPU_LOOK_MIN (4 * NSEC_PER_MSEC) /* CPU time is looked at no more often */
#define DELAYTIMER_MAX 0x7fffffff

enum { ID_VIRTUAL = -1, ID_PROF = -2 };

struct posix_timer {
	struct list link;    /* in proc->posix_timers */
	struct timer timer;
	struct proc *proc;
	int id;
	int clock;
	int signo;           /* 0: SIGEV_NONE */
	int64_t value;       /* sigval */
	int tid;             /* 0: to the process */
	bool absolute;       /* last armed for a wall-clock time, which `when` is */
	uint64_t when;       /* next expiration, on the timer's own clock; 0: disarmed */
	uint64_t interval;
	int overrun;         /* of the expiration delivered last; and what has gathered since */
	int overrun_next;
};

/* ---- clocks ---- */

/* Dynamic CPU clock ids: clock_getcpuclockid(3), pthread_getcpuclockid(3): the complement of the id above three bits.
 */
#define CPUCLOCK_ID(clock)     (~((clock) >> 3))
#define CPUCLOCK_IS_THREAD(clock) (((clock) & 4) != 0)
#define CPUCLOCK_KIND(clock)   ((clock) & 3) /* 0 user and system, 1 user, 2 scheduler time, 3 a device: not ours */

/* A thread that sleeps stays `current` while the CPU is idle, and that time is nobody's (pick_next() takes it out
 * afterwards): timers that go off meanwhile must not see it. */
static uint64_t running_since_stamp(const struct thread *t)
{
	return t == current_thread() && t->state == THREAD_RUNNING ? clock_mono() - t->last_stamp : 0;
}

uint64_t thread_cpu_time(struct thread *t) { return t->utime + t->stime + running_since_stamp(t); }

static uint64_t proc_cpu_time(struct proc *p, bool user_only)
{
	uint64_t ns = p->dead_utime + (user_only ? 0 : p->dead_stime);

	list_each(l, &p->threads) {
		struct thread *t = list_entry(l, struct thread, proc_link);

		ns += thread_cpu_time(t) - (user_only ? t->stime : 0);
	}
	return ns;
}

static int cpuclock_read(struct proc *self, int clock, uint64_t *ns)
{
	int id = CPUCLOCK_ID(clock), kind = CPUCLOCK_KIND(clock);

	if (kind == 3)
		return -EINVAL;
	if (CPUCLOCK_IS_THREAD(clock)) {
		struct thread *t = id ? thread_by_tid(id) : current_thread();

		/* Of the own process only, as on Linux. */
		if (!t || t->proc != self)
			return -EINVAL;
		*ns = kind == 1 ? thread_cpu_time(t) - t->stime : thread_cpu_time(t);
		return 0;
	}
	self = id ? proc_by_pid(id) : self;
	if (!self)
		return -EINVAL;
	*ns = proc_cpu_time(self, kind == 1);
	return 0;
}

static int clock_read_for(struct proc *p, int clock, uint64_t *ns)
{
	if (clock < 0)
		return cpuclock_read(p, clock, ns);
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_REALTIME_ALARM:
	case CLOCK_TAI: /* no leap seconds are known, as on a Linux that nobody told */
		*ns = clock_wall();
		return 0;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME: /* the machine never sleeps */
	case CLOCK_BOOTTIME_ALARM:
		*ns = clock_mono();
		return 0;
	case CLOCK_PROCESS_CPUTIME_ID:
		*ns = proc_cpu_time(p, false);
		return 0;
	case CLOCK_THREAD_CPUTIME_ID:
		*ns = thread_cpu_time(current_thread());
		return 0;
	}
	return -EINVAL;
}

int clock_read(int clock, uint64_t *ns) { return clock_read_for(current_proc(), clock, ns); }

int clock_resolution(int clock, uint64_t *ns)
{
	uint64_t now;
	int r = clock_read(clock, &now);

	*ns = clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE ? COARSE_NS : 1;
	return r;
}

static bool is_wall(int clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_ALARM || clock == CLOCK_TAI;
}

static bool is_cpu(int clock)
{
	return clock < 0 || clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID;
}

static uint64_t add_clamped(uint64_t a, uint64_t b) { return a + b < a ? TIME_NEVER : a + b; }

/* Times beyond 292 years are TIME_NEVER. */
static int timespec_ns(const struct timespec64 *ts, uint64_t *ns)
{
	if (ts->sec < 0 || ts->nsec < 0 || ts->nsec >= (int64_t)NSEC_PER_SEC)
		return -EINVAL;
	*ns = TIME_NEVER;
	if ((uint64_t)ts->sec < INT64_MAX / NSEC_PER_SEC)
		*ns = (uint64_t)ts->sec * NSEC_PER_SEC + (uint64_t)ts->nsec;
	return 0;
}

static struct timespec64 ns_timespec(uint64_t ns)
{
	return (struct timespec64){ (int64_t)(ns / NSEC_PER_SEC), (int64_t)(ns % NSEC_PER_SEC) };
}

/* CPU clocks: not before that much more of it can have been used. */
int clock_deadline(int clock, bool absolute, const struct timespec64 *ts, uint64_t *deadline)
{
	uint64_t now, ns;
	int r = clock_read(clock, &now);

	if (!r)
		r = timespec_ns(ts, &ns);
	if (r)
		return r;
	if (absolute && ns != TIME_NEVER)
		ns = ns > now ? ns - now : 0;
	*deadline = add_clamped(clock_mono(), ns);
	return 0;
}

/* ---- ITIMER_REAL ---- */

static void itimer_real_fire(struct timer *t)
{
	struct proc *p = container_of(t, struct proc, itimer_real);
	struct siginfo si = { .signo = SIGALRM, .code = SI_KERNEL };
	uint64_t now = clock_mono();

	/* timer_run() disarmed it: the phase is kept from now on, ticks that were missed are not made up for. */
	if (p->itimer_interval)
		timer_arm(t, add_clamped(now, p->itimer_interval));
	signal_send_proc(p, &si);
}

static void real_get(struct proc *p, uint64_t *value, uint64_t *interval)
{
	uint64_t now = clock_mono(), at = p->itimer_real.deadline;

	*interval = p->itimer_interval;
	/* Armed but due: getitimer(2) never says 0 for a timer that is to fire. */
	*value = at == TIME_NEVER ? 0 : at > now ? at - now : NSEC_PER_USEC;
}

/* ---- posix timers ---- */

static bool signal_still_pending(const struct posix_timer *t)
{
	uint64_t bit = 1ul << (t->signo - 1);
	struct thread *target = t->tid ? thread_by_tid(t->tid) : NULL;

	return ((target ? target->sig_pending : t->proc->sig_pending) & bit) != 0;
}

static void timer_signal(struct posix_timer *t, uint64_t expirations)
{
	struct siginfo si = { .signo = t->signo, .code = SI_TIMER, .pid = t->id, .value = t->value };
	struct thread *target = t->tid ? thread_by_tid(t->tid) : NULL;

	if (!t->signo)
		return;
	if (t->id < 0)
		si.code = SI_KERNEL;
	if (signal_still_pending(t)) {
		t->overrun_next = (int)MIN((uint64_t)t->overrun_next + expirations, (uint64_t)DELAYTIMER_MAX);
		return;
	}
	t->overrun = (int)MIN((uint64_t)t->overrun_next + expirations - 1, (uint64_t)DELAYTIMER_MAX);
	t->overrun_next = 0;
	if (target)
		signal_send_thread(target, &si);
	else if (!t->tid)
		signal_send_proc(t->proc, &si);
}

/* Sets the monotonic timer for the next moment at which there may be something to do. */
static void timer_schedule(struct posix_timer *t)
{
	uint64_t now, left;

	if (!t->when || clock_read_for(t->proc, t->clock, &now)) {
		timer_cancel(&t->timer);
		return;
	}
	left = t->when > now ? t->when - now : 0;
	if (is_cpu(t->clock))
		left = MAX(left, CPU_LOOK_MIN);
	timer_arm(&t->timer, MIN(add_clamped(clock_mono(), left), TIME_NEVER - 1));
}

static void posix_timer_fire(struct timer *timer)
{
	struct posix_timer *t = container_of(timer, struct posix_timer, timer);
	uint64_t now, n = 1;

	if (clock_read_for(t->proc, t->clock, &now))
		return;
	if (t->when > now) {
		timer_schedule(t); /* CPU time not used up yet */
		return;
	}
	if (t->interval) {
		n = (now - t->when) / t->interval + 1;
		t->when += n * t->interval;
	} else {
		t->when = 0;
	}
	timer_schedule(t);
	timer_signal(t, n);
}

static struct posix_timer *timer_find(struct proc *p, int id)
{
	list_each(l, &p->posix_timers) {
		struct posix_timer *t = list_entry(l, struct posix_timer, link);

		if (t->id == id)
			return t;
	}
	return NULL;
}

/* The lowest id that is free, and where in the list (kept in order of ids) it goes. */
static int lowest_id(struct proc *p, struct list **pos)
{
	int id = 0;

	*pos = &p->posix_timers;
	list_each(l, &p->posix_timers) {
		struct posix_timer *t = list_entry(l, struct posix_timer, link);

		if (t->id < 0)
			continue;
		if (t->id != id) {
			*pos = l;
			break;
		}
		id++;
	}
	return id;
}

static struct posix_timer *timer_alloc(struct proc *p, int clock, int signo, int id)
{
	struct posix_timer *t = kzalloc(sizeof(*t));

	if (!t)
		return NULL;
	timer_init(&t->timer, posix_timer_fire);
	t->proc = p;
	t->clock = clock;
	t->signo = signo;
	t->id = id;
	return t;
}

/* A dynamic clock id of the caller names it by 0; the timer outlives the moment, so the id is made explicit. */
static int timer_clock(int clock)
{
	if (clock == CLOCK_THREAD_CPUTIME_ID)
		return ~current_thread()->tid * 8 | 4 | 2;
	if (clock >= 0 || CPUCLOCK_ID(clock))
		return clock;
	return ~(CPUCLOCK_IS_THREAD(clock) ? current_thread()->tid : current_proc()->pid) * 8 | (clock & 7);
}

int posix_timer_create(struct proc *p, int clock, int signo, int64_t value, int tid)
{
	struct posix_timer *t;
	struct list *pos;
	uint64_t now;
	int id;

	if (clock == CLOCK_MONOTONIC_RAW || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE)
		return -EOPNOTSUPP;
	if (clock_read_for(p, clock, &now) || signo < 0 || signo > NSIG)
		return -EINVAL;
	if (tid) {
		struct thread *target = thread_by_tid(tid);

		if (!target || target->proc != p)
			return -EINVAL;
	}
	id = lowest_id(p, &pos);
	if ((uint64_t)id >= p->rlimits[RLIMIT_SIGPENDING].cur)
		return -EAGAIN;
	t = timer_alloc(p, timer_clock(clock), signo, id);
	if (!t)
		return -EAGAIN;
	t->value = value;
	t->tid = tid;
	list_insert_before(pos, &t->link);
	return id;
}

static void timer_get(struct posix_timer *t, uint64_t *value, uint64_t *interval)
{
	uint64_t now;

	*value = 0;
	*interval = t->interval;
	if (!t->when || clock_read_for(t->proc, t->clock, &now))
		return;
	/* timer_gettime(2): 1 ns rather than 0 while it is armed. A SIGEV_NONE timer that has run out says 0. */
	if (t->when > now)
		*value = t->when - now;
	else if (t->interval)
		*value = t->interval - (now - t->when) % t->interval;
	else
		*value = t->signo ? 1 : 0;
}

static void timer_set(struct posix_timer *t, bool absolute, uint64_t value, uint64_t interval)
{
	uint64_t now = 0;

	t->interval = MIN(interval, (uint64_t)INT64_MAX);
	t->overrun = t->overrun_next = 0;
	t->absolute = absolute && is_wall(t->clock);
	if (value && !absolute) {
		clock_read_for(t->proc, t->clock, &now);
		value = add_clamped(now, value);
	}
	t->when = value;
	timer_schedule(t);
}

int posix_timer_settime(struct proc *p, int id, int flags, const struct itimerspec64 *val, struct itimerspec64 *old)
{
	struct posix_timer *t = id < 0 ? NULL : timer_find(p, id);
	uint64_t value, interval;

	if (!t || timespec_ns(&val->value, &value) || timespec_ns(&val->interval, &interval))
		return -EINVAL;
	if (old)
		posix_timer_gettime(p, id, old);
	timer_set(t, flags & TIMER_ABSTIME, value, interval);
	return 0;
}

int posix_timer_gettime(struct proc *p, int id, struct itimerspec64 *out)
{
	struct posix_timer *t = id < 0 ? NULL : timer_find(p, id);
	uint64_t value, interval;

	if (!t)
		return -EINVAL;
	timer_get(t, &value, &interval);
	out->value = ns_timespec(value);
	out->interval = ns_timespec(interval);
	return 0;
}

int posix_timer_getoverrun(struct proc *p, int id)
{
	struct posix_timer *t = id < 0 ? NULL : timer_find(p, id);

	return t ? t->overrun : -EINVAL;
}

static void timer_free(struct posix_timer *t)
{
	timer_cancel(&t->timer);
	list_remove(&t->link);
	kfree(t);
}

int posix_timer_delete(struct proc *p, int id)
{
	struct posix_timer *t = id < 0 ? NULL : timer_find(p, id);

	if (!t)
		return -EINVAL;
	timer_free(t);
	return 0;
}

void posix_timers_free(struct proc *p)
{
	while (!list_empty(&p->posix_timers))
		timer_free(list_first(&p->posix_timers, struct posix_timer, link));
}

void itimer_clock_was_set(void)
{
	list_each(l, &proc_all) {
		struct proc *p = list_entry(l, struct proc, all_link);

		list_each(k, &p->posix_timers) {
			struct posix_timer *t = list_entry(k, struct posix_timer, link);
			uint64_t now;

			/* A relative one runs on: its time on the wall clock moves with the clock. */
			if (!is_wall(t->clock) || !t->when)
				continue;
			if (!t->absolute && timer_armed(&t->timer)) {
				uint64_t mono = clock_mono();

				now = clock_wall();
				t->when = add_clamped(now, t->timer.deadline > mono ? t->timer.deadline - mono : 0);
			}
			timer_schedule(t);
		}
	}
}

/* ---- setitimer ---- */

/* The CPU time timers, made at their first use. */
static struct posix_timer *cpu_itimer(struct proc *p, int which, bool create)
{
	int id = which == ITIMER_VIRTUAL ? ID_VIRTUAL : ID_PROF;
	int clock = (~p->pid * 8) | (which == ITIMER_VIRTUAL ? 1 : 0);
	struct posix_timer *t = timer_find(p, id);

	if (t || !create)
		return t;
	t = timer_alloc(p, clock, which == ITIMER_VIRTUAL ? SIGVTALRM : SIGPROF, id);
	if (t)
		list_append(&p->posix_timers, &t->link);
	return t;
}

int itimer_get(struct proc *p, int which, uint64_t *value, uint64_t *interval)
{
	struct posix_timer *t;

	if (which == ITIMER_REAL) {
		real_get(p, value, interval);
		return 0;
	}
	if (which != ITIMER_VIRTUAL && which != ITIMER_PROF)
		return -EINVAL;
	*value = *interval = 0;
	t = cpu_itimer(p, which, false);
	if (t)
		timer_get(t, value, interval);
	return 0;
}

int itimer_set(struct proc *p, int which, uint64_t value, uint64_t interval, uint64_t *old_value,
	       uint64_t *old_interval)
{
	struct posix_timer *t;
	int r = itimer_get(p, which, old_value, old_interval);

	if (r)
		return r;
	if (which == ITIMER_REAL) {
		p->itimer_real.fire = itimer_real_fire;
		p->itimer_interval = interval;
		timer_arm(&p->itimer_real, value ? MIN(add_clamped(clock_mono(), value), TIME_NEVER - 1) : TIME_NEVER);
		return 0;
	}
	t = cpu_itimer(p, which, value != 0);
	if (t)
		timer_set(t, false, value, interval);
	return t || !value ? 0 : -ENOMEM;
}
