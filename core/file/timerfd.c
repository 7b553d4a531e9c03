/* timerfd_create(2): a timer whose expirations are read as a count.
 *
 * Of an interval timer only the first unread expiration is a timer event; the further ones are counted when somebody
 * looks, and the timer is armed again then. So a timer with a short interval that nobody reads costs nothing.
 * An absolute CLOCK_REALTIME timer keeps its wall-clock time and is moved when the clock is set. */
#include "core/file/file.h"
#include "core/lib/seqbuf.h"
#include "core/mm/slab.h"
#include "core/proc/cred.h"
#include "core/proc/itimer.h"
#include "core/timer.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/poll.h"
#include "shim/abi/time.h"

struct timerfd {
	struct timer timer;   /* armed: the next expiration is to come */
	struct list all_link; /* timerfd_all */
	struct waitq q;
	int clock;
	int flags;            /* of the last timerfd_settime */
	uint64_t deadline;    /* monotonic, of the last expiration accounted for or the next; TIME_NEVER: disarmed */
	uint64_t wall;        /* absolute CLOCK_REALTIME timers: the wall time of `deadline` */
	uint64_t interval;    /* ns; 0: once */
	uint64_t ticks;       /* expirations not read yet */
	bool cancelled;       /* the clock was set: the next read says ECANCELED */
};

static struct list timerfd_all = LIST_INIT(timerfd_all);

static bool follows_wall(const struct timerfd *t)
{
	return (t->flags & TFD_TIMER_ABSTIME) && (t->clock == CLOCK_REALTIME || t->clock == CLOCK_REALTIME_ALARM);
}

/* Counts what has expired by now: the timer event may still be on its way. */
static void timerfd_update(struct timerfd *t)
{
	uint64_t now, n;

	if (t->deadline == TIME_NEVER)
		return;
	now = clock_mono();
	if (t->deadline > now)
		return;
	timer_cancel(&t->timer); /* its event may not have come yet, and is not wanted any more */
	if (!t->interval) {
		t->ticks++;
		t->deadline = TIME_NEVER;
		return;
	}
	n = (now - t->deadline) / t->interval + 1;
	t->ticks += n;
	t->deadline += n * t->interval;
	t->wall += n * t->interval;
}

/* Once somebody has looked, the next expiration is an event again. */
static void timerfd_rearm(struct timerfd *t)
{
	if (t->deadline != TIME_NEVER && !timer_armed(&t->timer))
		timer_arm(&t->timer, t->deadline);
}

static void timerfd_fire(struct timer *timer)
{
	struct timerfd *t = container_of(timer, struct timerfd, timer);

	timerfd_update(t);
	waitq_wake_all(&t->q, POLLIN);
}

static bool timerfd_ready(struct timerfd *t)
{
	timerfd_update(t);
	return t->ticks || t->cancelled;
}

static long timerfd_read(struct file *f, struct uio *u, int64_t *pos)
{
	struct timerfd *t = f->priv;
	uint64_t ticks;
	int r;

	if (u->resid < sizeof(ticks))
		return -EINVAL;
	if (!timerfd_ready(t) && file_nonblock(f))
		return -EAGAIN;
	r = wait_event(&t->q, timerfd_ready(t), TIME_NEVER);
	if (r)
		return r;
	if (t->cancelled) {
		t->cancelled = false;
		t->ticks = 0;
		return -ECANCELED;
	}
	ticks = t->ticks;
	t->ticks = 0;
	timerfd_rearm(t);
	return uio_put_all(u, &ticks, sizeof(ticks)) ? -EFAULT : (long)sizeof(ticks);
}

static unsigned timerfd_poll(struct file *f, struct poll_table *pt)
{
	struct timerfd *t = f->priv;

	poll_wait(pt, &t->q);
	return timerfd_ready(t) ? POLLIN : 0;
}

static struct timespec64 timespec_of(uint64_t ns)
{
	return (struct timespec64){ (int64_t)(ns / NSEC_PER_SEC), (int64_t)(ns % NSEC_PER_SEC) };
}

static void timerfd_value(struct timerfd *t, struct itimerspec64 *out)
{
	uint64_t left = 0;

	timerfd_update(t);
	timerfd_rearm(t);
	if (t->deadline != TIME_NEVER)
		left = t->deadline - clock_mono();
	out->value = timespec_of(left);
	out->interval = timespec_of(t->interval);
}

static void timerfd_fdinfo(struct file *f, struct seqbuf *out)
{
	struct timerfd *t = f->priv;
	struct itimerspec64 v;

	timerfd_value(t, &v);
	seqbuf_printf(out, "clockid: %d\nticks: %lu\nsettime flags: 0%o\n", t->clock, t->ticks, (unsigned)t->flags);
	seqbuf_printf(out, "it_value: (%ld, %ld)\nit_interval: (%ld, %ld)\n", v.value.sec, v.value.nsec, v.interval.sec,
		      v.interval.nsec);
}

static void timerfd_release(struct file *f)
{
	struct timerfd *t = f->priv;

	timer_cancel(&t->timer);
	list_remove(&t->all_link);
	kfree(t);
}

static const struct file_ops timerfd_ops = {
	.read = timerfd_read,
	.seek = file_seek_noop,
	.poll = timerfd_poll,
	.release = timerfd_release,
	.fdinfo = timerfd_fdinfo,
	.anon_name = "anon_inode:[timerfd]",
};

static bool timespec_valid(const struct timespec64 *ts)
{
	return ts->sec >= 0 && ts->nsec >= 0 && ts->nsec < (int64_t)NSEC_PER_SEC;
}

int timerfd_new(int clock, int flags, struct file **out)
{
	struct timerfd *t;
	int r;

	if (flags & ~(TFD_CLOEXEC | TFD_NONBLOCK))
		return -EINVAL;
	switch (clock) {
	case CLOCK_REALTIME_ALARM:
	case CLOCK_BOOTTIME_ALARM:
		if (!cred_is_root(cred_current()))
			return -EPERM;
		break;
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
		break;
	default:
		return -EINVAL;
	}
	t = kzalloc(sizeof(*t));
	if (!t)
		return -ENOMEM;
	timer_init(&t->timer, timerfd_fire);
	waitq_init(&t->q);
	t->clock = clock;
	t->deadline = TIME_NEVER;
	r = file_new_anon(&timerfd_ops, 0, O_RDWR | (flags & TFD_NONBLOCK), t, out);
	if (r) {
		kfree(t);
		return r;
	}
	list_append(&timerfd_all, &t->all_link);
	return 0;
}

/* Beyond 292 years all times are the same, so that sums of two do not overflow. */
static uint64_t timespec_ns(const struct timespec64 *ts)
{
	if ((uint64_t)ts->sec >= INT64_MAX / NSEC_PER_SEC)
		return INT64_MAX;
	return (uint64_t)ts->sec * NSEC_PER_SEC + (uint64_t)ts->nsec;
}

int timerfd_set(struct file *f, int flags, const struct itimerspec64 *val, struct itimerspec64 *old)
{
	struct timerfd *t = f->priv;
	uint64_t deadline = TIME_NEVER;

	if (f->ops != &timerfd_ops || (flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)))
		return -EINVAL;
	if (!timespec_valid(&val->value) || !timespec_valid(&val->interval))
		return -EINVAL;
	if (old)
		timerfd_value(t, old);
	if (val->value.sec || val->value.nsec) {
		int r = clock_deadline(t->clock, flags & TFD_TIMER_ABSTIME, &val->value, &deadline);

		if (r)
			return r;
		deadline = MIN(deadline, TIME_NEVER - 1);
	}
	timer_cancel(&t->timer);
	t->flags = flags;
	t->interval = timespec_ns(&val->interval);
	t->deadline = deadline;
	t->wall = follows_wall(t) ? timespec_ns(&val->value) : 0;
	t->ticks = 0;
	t->cancelled = false;
	timerfd_rearm(t);
	return 0;
}

int timerfd_get(struct file *f, struct itimerspec64 *out)
{
	if (f->ops != &timerfd_ops)
		return -EINVAL;
	timerfd_value(f->priv, out);
	return 0;
}

void timerfd_clock_was_set(void)
{
	list_each(l, &timerfd_all) {
		struct timerfd *t = list_entry(l, struct timerfd, all_link);
		struct timespec64 wall = timespec_of(t->wall);

		if (!follows_wall(t))
			continue;
		if (t->flags & TFD_TIMER_CANCEL_ON_SET) {
			t->cancelled = true;
			waitq_wake_all(&t->q, POLLIN);
		}
		if (t->deadline == TIME_NEVER || clock_deadline(CLOCK_REALTIME, true, &wall, &t->deadline))
			continue;
		t->deadline = MIN(t->deadline, TIME_NEVER - 1);
		timer_cancel(&t->timer);
		timerfd_rearm(t);
	}
}
