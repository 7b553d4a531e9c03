/* System calls on clocks and timers, and the shim's conversions of times.
 *
 * Inside the kernel times are nanoseconds; here they become and come from the structures of the system calls. A
 * timespec's nanoseconds must be in 0…999,999,999 and its seconds not negative (clock_nanosleep(2), EINVAL). */
#include "core/file/file.h"
#include "core/main.h"
#include "core/proc/itimer.h"
#include "core/proc/signal.h"
#include "shim/abi/poll.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/signal.h"
#include "shim/abi/structs.h"
#include "shim/abi/time.h"
#include "shim/shim.h"

/* ---- conversions ---- */

#define SEC_MAX ((int64_t)(INT64_MAX / NSEC_PER_SEC)) /* longer intervals are this long */

int timespec_in(struct timespec64 *ts, uptr_t src)
{
	if (copyin(ts, src, sizeof(*ts)))
		return -EFAULT;
	return ts->sec < 0 || ts->nsec < 0 || ts->nsec >= (int64_t)NSEC_PER_SEC ? -EINVAL : 0;
}

int timeval_in(struct timespec64 *ts, uptr_t src)
{
	if (copyin(ts, src, sizeof(*ts)))
		return -EFAULT;
	if (ts->sec < 0 || ts->nsec < 0 || ts->nsec >= 1000000)
		return -EINVAL;
	ts->nsec *= (int64_t)NSEC_PER_USEC;
	return 0;
}

struct timespec64 timespec_of_ns(uint64_t ns)
{
	return (struct timespec64){ (int64_t)(ns / NSEC_PER_SEC), (int64_t)(ns % NSEC_PER_SEC) };
}

uint64_t timespec_ns(const struct timespec64 *ts)
{
	if (ts->sec >= SEC_MAX)
		return (uint64_t)INT64_MAX;
	return (uint64_t)ts->sec * NSEC_PER_SEC + (uint64_t)ts->nsec;
}

int timespec_out(uptr_t dst, uint64_t ns)
{
	struct timespec64 ts = timespec_of_ns(ns);

	return copyout(dst, &ts, sizeof(ts));
}

int timeval_out(uptr_t dst, uint64_t ns)
{
	struct abi_timeval tv = { (int64_t)(ns / NSEC_PER_SEC), (int64_t)(ns % NSEC_PER_SEC / NSEC_PER_USEC) };

	return copyout(dst, &tv, sizeof(tv));
}

int deadline_in(uint64_t *deadline, uptr_t src)
{
	struct timespec64 ts;
	int r;

	*deadline = TIME_NEVER;
	if (!src)
		return 0;
	r = timespec_in(&ts, src);
	if (!r)
		*deadline = clock_mono() + timespec_ns(&ts);
	return r;
}

uint64_t deadline_ms(int64_t ms)
{
	return ms < 0 ? TIME_NEVER : clock_mono() + (uint64_t)ms * NSEC_PER_MSEC;
}

/* ---- clocks ---- */

long sys_clock_gettime(int clock, uptr_t dst)
{
	uint64_t ns;
	int r;

	vdso_renew();
	r = clock_read(clock, &ns);
	return r ? r : timespec_out(dst, ns);
}

long sys_clock_getres(int clock, uptr_t dst)
{
	uint64_t ns;
	int r = clock_resolution(clock, &ns);

	return r || !dst ? r : timespec_out(dst, ns);
}

/* Wall time is root's to set. */
static long wall_set(const struct timespec64 *ts)
{
	if (!caller_is_root())
		return -EPERM;
	clock_wall_set(timespec_ns(ts));
	return 0;
}

long sys_clock_settime(int clock, uptr_t src)
{
	struct timespec64 ts;
	uint64_t now;
	int r;

	if (clock != CLOCK_REALTIME)
		return clock_read(clock, &now) ? -EINVAL : clock < 0 ? -EPERM : -EINVAL;
	r = timespec_in(&ts, src);
	return r ? r : wall_set(&ts);
}

long sys_gettimeofday(uptr_t tv, uptr_t tz)
{
	int32_t utc[2] = { 0, 0 };

	vdso_renew();
	if (tv && timeval_out(tv, clock_wall()))
		return -EFAULT;
	return tz ? copyout(tz, utc, sizeof(utc)) : 0;
}

long sys_settimeofday(uptr_t tv, uptr_t tz)
{
	struct timespec64 ts;
	int32_t zone[2];
	int r;

	if (tv) {
		r = timeval_in(&ts, tv);
		if (r)
			return r;
	}
	if (tz && copyin(zone, tz, sizeof(zone)))
		return -EFAULT;
	if (!caller_is_root())
		return -EPERM;
	return tv ? wall_set(&ts) : 0;
}

long sys_time(uptr_t dst)
{
	int64_t now = (int64_t)(clock_wall() / NSEC_PER_SEC);

	return dst && copyout(dst, &now, sizeof(now)) ? -EFAULT : now;
}

/* struct timex, adjtimex(2): nothing is ever adjusted, so reading gives the fields of a free-running clock. */
struct abi_timex {
	uint32_t modes, pad0;
	int64_t offset, freq, maxerror, esterror;
	int32_t status, pad1;
	int64_t constant, precision, tolerance;
	struct abi_timeval time;
	int64_t tick, ppsfreq, jitter;
	int32_t shift, pad2;
	int64_t stabil, jitcnt, calcnt, errcnt, stbcnt;
	int32_t tai, pad3[11];
};
_Static_assert(sizeof(struct abi_timex) == 208, "struct timex");

#define ADJ_OFFSET_SS_READ 0xa001u
#define STA_UNSYNC 0x40
#define TIME_ERROR 5

long sys_adjtimex(uptr_t ubuf)
{
	struct abi_timex t;
	uint64_t now = clock_wall();

	if (copyin(&t, ubuf, sizeof(t)))
		return -EFAULT;
	if (t.modes && t.modes != ADJ_OFFSET_SS_READ)
		return -EPERM;
	t = (struct abi_timex){
		.modes = t.modes, .maxerror = 16000000, .esterror = 16000000, .status = STA_UNSYNC, .constant = 2,
		.precision = 1, .tolerance = 32768000, .tick = 10000,
		.time = { (int64_t)(now / NSEC_PER_SEC), (int64_t)(now % NSEC_PER_SEC / NSEC_PER_USEC) },
	};
	return copyout(ubuf, &t, sizeof(t)) ? -EFAULT : TIME_ERROR;
}

long sys_clock_adjtime(int clock, uptr_t ubuf)
{
	uint64_t now;

	if (clock == CLOCK_REALTIME)
		return sys_adjtimex(ubuf);
	return clock_read(clock, &now) ? -EINVAL : -EOPNOTSUPP;
}

/* ---- sleeping ---- */

/* Sleeps until the deadline. When a signal ends it: -EINTR, with what was left of it in urem if that is not 0. */
static long sleep_until(uint64_t deadline, uptr_t urem)
{
	struct waitq never;
	uint64_t now;

	waitq_init(&never);
	if (wait_event(&never, false, deadline) == -ETIMEDOUT)
		return 0;
	now = clock_mono();
	if (urem && timespec_out(urem, deadline > now ? deadline - now : 0))
		return -EFAULT;
	return -EINTR;
}

long sys_nanosleep(uptr_t ureq, uptr_t urem)
{
	struct timespec64 ts;
	int r = timespec_in(&ts, ureq);

	return r ? r : sleep_until(clock_mono() + timespec_ns(&ts), urem);
}

long sys_clock_nanosleep(int clock, int flags, uptr_t ureq, uptr_t urem)
{
	struct timespec64 ts;
	uint64_t deadline, now;
	int r;

	if (clock == CLOCK_THREAD_CPUTIME_ID || clock_read(clock, &now))
		return -EINVAL;
	if (clock == CLOCK_MONOTONIC_RAW || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE)
		return -EOPNOTSUPP;
	r = timespec_in(&ts, ureq);
	if (r)
		return r;
	r = clock_deadline(clock, (flags & TIMER_ABSTIME) != 0, &ts, &deadline);
	if (r)
		return r;
	return sleep_until(deadline, flags & TIMER_ABSTIME ? 0 : urem);
}

/* ---- interval timers ---- */

static long itimerval_out(uptr_t dst, uint64_t value, uint64_t interval)
{
	struct timespec64 v = timespec_of_ns(value), i = timespec_of_ns(interval);
	struct abi_itimerval it = {
		.interval = { i.sec, i.nsec / (int64_t)NSEC_PER_USEC }, .value = { v.sec,
			v.nsec / (int64_t)NSEC_PER_USEC },
	};

	return copyout(dst, &it, sizeof(it));
}

long sys_getitimer(int which, uptr_t dst)
{
	uint64_t value, interval;
	int r;

	if (which < ITIMER_REAL || which > ITIMER_PROF)
		return -EINVAL;
	r = itimer_get(current_proc(), which, &value, &interval);
	return r ? r : itimerval_out(dst, value, interval);
}

long sys_setitimer(int which, uptr_t src, uptr_t uold)
{
	struct timespec64 interval = { 0 }, value = { 0 };
	uint64_t old_value, old_interval;
	int r;

	/* setitimer(2): a NULL new value disarms, as Linux always has it. */
	if (src) {
		r = timeval_in(&interval, src);
		if (!r)
			r = timeval_in(&value, src + sizeof(struct abi_timeval));
		if (r)
			return r;
	}
	if (which < ITIMER_REAL || which > ITIMER_PROF)
		return -EINVAL;
	r = itimer_set(current_proc(), which, timespec_ns(&value), timespec_ns(&interval), &old_value, &old_interval);
	return r || !uold ? r : itimerval_out(uold, old_value, old_interval);
}

long sys_alarm(uint32_t seconds)
{
	uint64_t left, interval;

	itimer_set(current_proc(), ITIMER_REAL, seconds * NSEC_PER_SEC, 0, &left, &interval);
	/* alarm(2) rounds; only an alarm that is not set gives 0. */
	if (!left)
		return 0;
	return (long)MAX((left + NSEC_PER_SEC / 2) / NSEC_PER_SEC, 1ul);
}

/* ---- timers of timer_create(2) ---- */

/* Who is told, and how: 0 or -EINVAL. */
static int sigevent_check(const struct abi_sigevent *e, int *signo, int *tid)
{
	struct thread *t;

	*tid = 0;
	*signo = e->signo;
	switch (e->notify) {
	case SIGEV_NONE:
		*signo = 0;
		return 0;
	case SIGEV_THREAD_ID:
		t = thread_by_tid(e->tid);
		if (!t || t->proc != current_proc())
			return -EINVAL;
		*tid = e->tid;
		break;
	case SIGEV_SIGNAL: case SIGEV_THREAD:
		break;
	default:
		return -EINVAL;
	}
	return e->signo < 1 || e->signo > NSIG ? -EINVAL : 0;
}

long sys_timer_create(int clock, uptr_t uevent, uptr_t uid)
{
	struct abi_sigevent e = { .signo = SIGALRM };
	int signo, tid, id, r;

	if (uevent && copyin(&e, uevent, sizeof(e)))
		return -EFAULT;
	r = sigevent_check(&e, &signo, &tid);
	if (r)
		return r;
	id = posix_timer_create(current_proc(), clock, signo, (int64_t)e.value, tid);
	if (id < 0)
		return id;
	if (!copyout(uid, &id, sizeof(id)))
		return 0;
	posix_timer_delete(current_proc(), id);
	return -EFAULT;
}

/* Both times of an itimerspec. */
static int itimerspec_in(struct itimerspec64 *its, uptr_t src)
{
	int r = timespec_in(&its->interval, src);

	return r ? r : timespec_in(&its->value, src + sizeof(struct timespec64));
}

long sys_timer_settime(int id, int flags, uptr_t src, uptr_t uold)
{
	struct itimerspec64 its, old;
	int r;

	if (!src)
		return -EINVAL;
	r = itimerspec_in(&its, src);
	if (r)
		return r;
	r = posix_timer_settime(current_proc(), id, flags, &its, &old);
	return r || !uold ? r : copyout(uold, &old, sizeof(old));
}

long sys_timer_gettime(int id, uptr_t dst)
{
	struct itimerspec64 its;
	int r = posix_timer_gettime(current_proc(), id, &its);

	return r ? r : copyout(dst, &its, sizeof(its));
}

long sys_timer_getoverrun(int id)
{
	return posix_timer_getoverrun(current_proc(), id);
}

long sys_timer_delete(int id)
{
	return posix_timer_delete(current_proc(), id);
}

/* ---- timer descriptors ---- */

long sys_timerfd_create(int clock, int flags)
{
	struct file *f;
	int r;

	if (flags & ~(TFD_CLOEXEC | TFD_NONBLOCK))
		return -EINVAL;
	switch (clock) {
	case CLOCK_REALTIME: case CLOCK_MONOTONIC: case CLOCK_BOOTTIME:
		break;
	case CLOCK_REALTIME_ALARM: case CLOCK_BOOTTIME_ALARM:
		if (!caller_is_root())
			return -EPERM;
		break;
	default:
		return -EINVAL;
	}
	r = timerfd_new(clock, flags & O_NONBLOCK, &f);
	return r ? r : fd_publish(f, (flags & TFD_CLOEXEC) != 0);
}

long sys_timerfd_settime(int fd, int flags, uptr_t src, uptr_t uold)
{
	struct itimerspec64 its, old;
	struct file *f;
	int r;

	if (copyin(&its, src, sizeof(its)))
		return -EFAULT;
	if (flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET) || itimerspec_in(&its, src))
		return -EINVAL;
	r = fd_get(fd, &f);
	if (r)
		return r;
	r = timerfd_set(f, flags, &its, &old);
	file_put(f);
	return r || !uold ? r : copyout(uold, &old, sizeof(old));
}

long sys_timerfd_gettime(int fd, uptr_t dst)
{
	struct itimerspec64 its;
	struct file *f;
	int r = fd_get(fd, &f);

	if (r)
		return r;
	r = timerfd_get(f, &its);
	file_put(f);
	return r ? r : copyout(dst, &its, sizeof(its));
}
