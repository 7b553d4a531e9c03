/* System calls that wait for descriptors: poll, select, epoll, and the descriptors made to be waited for.
 *
 * select is poll with its sets turned into a list of descriptors and back. A temporary signal mask holds from before
 * the first look to the end of the wait. The timeouts of select, pselect6 and ppoll are written back with what is
 * left, as Linux does. */
#include "core/file/file.h"
#include "core/lib/string.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/poll.h"
#include "shim/abi/resource.h"
#include "shim/abi/structs.h"
#include "shim/shim.h"

/* ---- poll ---- */

static long poll_user(uptr_t ufds, unsigned n, uint64_t deadline)
{
	struct pollfd_k few[16], *fds = few;
	size_t size = n * sizeof(*fds);
	long r;

	if (n > proc_rlimit(RLIMIT_NOFILE))
		return -EINVAL;
	if (n > ARRAY_SIZE(few)) {
		fds = kmalloc(size);
		if (!fds)
			return -ENOMEM;
	}
	r = -EFAULT;
	if (size && copyin(fds, ufds, size))
		goto out;
	r = poll_fds(fds, n, deadline);
	if (r >= 0 && size && copyout(ufds, fds, size))
		r = -EFAULT;
out:
	if (fds != few)
		kfree(fds);
	return r;
}

long sys_poll(uptr_t ufds, uint32_t n, int timeout)
{
	return poll_user(ufds, n, deadline_ms(timeout));
}

static uint64_t time_left(uint64_t deadline)
{
	uint64_t now = clock_mono();

	return deadline > now ? deadline - now : 0;
}

long sys_ppoll(uptr_t ufds, uint32_t n, uptr_t utimeout, uptr_t umask, size_t size)
{
	struct sigmask_save save;
	uint64_t deadline;
	long r = deadline_in(&deadline, utimeout);

	if (!r)
		r = sigmask_swap(&save, umask, size);
	if (r)
		return r;
	r = poll_user(ufds, n, deadline);
	sigmask_restore(&save);
	/* The time left is a courtesy: where it cannot be written, the result stands. */
	if (utimeout)
		(void)timespec_out(utimeout, time_left(deadline));
	return r;
}

/* ---- select ---- */

enum { SET_READ, SET_WRITE, SET_EXCEPT, SETS };

#define READ_EVENTS   (POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR)
#define WRITE_EVENTS  (POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR)
#define EXCEPT_EVENTS POLLPRI

static const unsigned set_events[SETS] = { READ_EVENTS, WRITE_EVENTS, EXCEPT_EVENTS };

/* The sets of one call in one allocation: three bitmaps of `words`, and the list for poll. */
struct select {
	uptr_t user[SETS];
	uint64_t *bits[SETS];
	size_t words;
	struct pollfd_k *fds;
	unsigned nfds;
};

static bool bit_get(const uint64_t *bits, unsigned n) { return bits[n / 64] >> (n % 64) & 1; }
static void bit_set(uint64_t *bits, unsigned n) { bits[n / 64] |= 1ul << (n % 64); }

static int select_in(struct select *s, unsigned n, const uptr_t *user)
{
	uint64_t *mem;

	s->words = (n + 63) / 64;
	s->nfds = 0;
	mem = kzalloc((SETS * s->words + n + 1) * 8);
	if (!mem)
		return -ENOMEM;
	s->fds = (struct pollfd_k *)(mem + SETS * s->words);
	for (int i = 0; i < SETS; i++) {
		s->user[i] = user[i];
		s->bits[i] = mem + (size_t)i * s->words;
		if (user[i] && copyin(s->bits[i], user[i], s->words * 8)) {
			kfree(mem);
			return -EFAULT;
		}
	}
	for (unsigned fd = 0; fd < n; fd++) {
		unsigned want = 0;

		for (int i = 0; i < SETS; i++)
			want |= bit_get(s->bits[i], fd) ? set_events[i] : 0;
		if (want)
			s->fds[s->nfds++] = (struct pollfd_k){ .fd = (int)fd, .events = (short)want };
	}
	return 0;
}

/* A descriptor that is not open is an error, not an event: every one asked for is looked at before the wait. */
static int select_check(const struct select *s)
{
	for (unsigned i = 0; i < s->nfds; i++) {
		struct file *f;

		if (fd_get(s->fds[i].fd, &f))
			return -EBADF;
		file_put(f);
	}
	return 0;
}

/* Turns revents into the sets: how many bits are set. */
static long select_result(struct select *s)
{
	long count = 0;

	for (unsigned i = 0; i < s->nfds; i++) {
		unsigned fd = (unsigned)s->fds[i].fd, ready = (unsigned short)s->fds[i].revents;

		for (int k = 0; k < SETS; k++) {
			bool wanted = bit_get(s->bits[k], fd);

			s->bits[k][fd / 64] &= ~(1ul << (fd % 64));
			if (wanted && (ready & set_events[k])) {
				bit_set(s->bits[k], fd);
				count++;
			}
		}
	}
	return count;
}

static long select_user(int n, const uptr_t *user, uint64_t deadline)
{
	struct select s;
	unsigned most = MAX(current_proc()->files->size, 64u);
	long r;

	if (n < 0)
		return -EINVAL;
	/* Descriptors beyond the table cannot be open: select(2) looks at none of them. */
	n = (int)MIN((unsigned)n, most);
	r = select_in(&s, (unsigned)n, user);
	if (r)
		return r;
	r = select_check(&s);
	if (!r)
		r = poll_fds(s.fds, s.nfds, deadline);
	if (r < 0)
		goto out;
	r = select_result(&s);
	for (int i = 0; i < SETS; i++)
		if (s.user[i] && copyout(s.user[i], s.bits[i], s.words * 8))
			r = -EFAULT;
out:
	kfree(s.bits[0]);
	return r;
}

long sys_select(int n, uptr_t rd, uptr_t wr, uptr_t ex, uptr_t utimeout)
{
	uptr_t user[SETS] = { rd, wr, ex };
	uint64_t deadline = TIME_NEVER;
	struct abi_timeval tv;
	long r;

	if (utimeout) {
		if (copyin(&tv, utimeout, sizeof(tv)))
			return -EFAULT;
		/* Linux lets whole seconds sit in the microseconds. */
		struct timespec64 ts = { tv.sec + tv.usec / 1000000, tv.usec % 1000000 * (int64_t)NSEC_PER_USEC };

		if (ts.sec < 0 || ts.nsec < 0)
			return -EINVAL;
		deadline = clock_mono() + timespec_ns(&ts);
	}
	r = select_user(n, user, deadline);
	if (utimeout)
		(void)timeval_out(utimeout, time_left(deadline));
	return r;
}

/* pselect6's last argument: where the mask is, and its size. */
struct sigset_arg {
	uptr_t set;
	uint64_t size;
};

long sys_pselect6(int n, uptr_t rd, uptr_t wr, uptr_t ex, uptr_t utimeout, uptr_t uarg)
{
	uptr_t user[SETS] = { rd, wr, ex };
	struct sigset_arg arg = { 0, 0 };
	struct sigmask_save save;
	uint64_t deadline;
	long r;

	if (uarg && copyin(&arg, uarg, sizeof(arg)))
		return -EFAULT;
	r = deadline_in(&deadline, utimeout);
	if (!r)
		r = sigmask_swap(&save, arg.set, arg.size);
	if (r)
		return r;
	r = select_user(n, user, deadline);
	sigmask_restore(&save);
	if (utimeout)
		(void)timespec_out(utimeout, time_left(deadline));
	return r;
}

/* ---- epoll ---- */

long sys_epoll_create1(int flags)
{
	struct file *f;
	int r;

	if (flags & ~EPOLL_CLOEXEC)
		return -EINVAL;
	r = epoll_new(0, &f);
	return r ? r : fd_publish(f, (flags & EPOLL_CLOEXEC) != 0);
}

long sys_epoll_create(int size)
{
	return size <= 0 ? -EINVAL : sys_epoll_create1(0);
}

long sys_epoll_ctl(int epfd, int op, int fd, uptr_t uevent)
{
	struct epoll_event_k ev = { 0 };
	struct file *ep, *target;
	long r;

	if (op != EPOLL_CTL_DEL && copyin(&ev, uevent, sizeof(ev)))
		return -EFAULT;
	r = fd_get(epfd, &ep);
	if (r)
		return r;
	r = fd_get(fd, &target);
	if (r)
		goto out_ep;
	r = epoll_change(ep, op, fd, target, &ev);
	file_put(target);
out_ep:
	file_put(ep);
	return r;
}

#define EPOLL_MAX_EVENTS (INT32_MAX / (int)sizeof(struct epoll_event_k))
#define EPOLL_CHUNK 256 /* events handed over by one call at most: fewer than asked for is allowed */

static long epoll_wait_user(int epfd, uptr_t uevents, int max, uint64_t deadline)
{
	struct epoll_event_k few[8], *events = few;
	struct file *ep;
	long r;

	if (max <= 0 || max > EPOLL_MAX_EVENTS)
		return -EINVAL;
	if (user_range_bad(uevents, (size_t)max * sizeof(*events)))
		return -EFAULT;
	r = fd_get(epfd, &ep);
	if (r)
		return r;
	max = MIN(max, EPOLL_CHUNK);
	if (max > (int)ARRAY_SIZE(few)) {
		events = kmalloc((size_t)max * sizeof(*events));
		if (!events) {
			r = -ENOMEM;
			goto out_ep;
		}
	}
	r = epoll_collect(ep, events, max, deadline);
	if (r > 0 && copyout(uevents, events, (size_t)r * sizeof(*events)))
		r = -EFAULT;
	if (events != few)
		kfree(events);
out_ep:
	file_put(ep);
	return r;
}

long sys_epoll_wait(int epfd, uptr_t uevents, int max, int timeout)
{
	return epoll_wait_user(epfd, uevents, max, deadline_ms(timeout));
}

static long epoll_wait_masked(int epfd, uptr_t uevents, int max, uint64_t deadline, uptr_t umask, size_t size)
{
	struct sigmask_save save;
	long r = sigmask_swap(&save, umask, size);

	if (r)
		return r;
	r = epoll_wait_user(epfd, uevents, max, deadline);
	sigmask_restore(&save);
	return r;
}

long sys_epoll_pwait(int epfd, uptr_t uevents, int max, int timeout, uptr_t umask, size_t size)
{
	return epoll_wait_masked(epfd, uevents, max, deadline_ms(timeout), umask, size);
}

long sys_epoll_pwait2(int epfd, uptr_t uevents, int max, uptr_t utimeout, uptr_t umask, size_t size)
{
	uint64_t deadline;
	int r = deadline_in(&deadline, utimeout);

	return r ? r : epoll_wait_masked(epfd, uevents, max, deadline, umask, size);
}

/* ---- eventfd, signalfd ---- */

long sys_eventfd2(uint32_t initval, int flags)
{
	struct file *f;
	int r;

	if (flags & ~(EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK))
		return -EINVAL;
	r = eventfd_new(initval, flags & ~EFD_CLOEXEC, &f);
	return r ? r : fd_publish(f, (flags & EFD_CLOEXEC) != 0);
}

long sys_eventfd(uint32_t initval)
{
	return sys_eventfd2(initval, 0);
}

long sys_signalfd4(int fd, uptr_t umask, size_t size, int flags)
{
	struct file *old, *f;
	uint64_t mask;
	long r;

	if (size != SIGSET_SIZE || (flags & ~(O_CLOEXEC | O_NONBLOCK)))
		return -EINVAL;
	if (copyin(&mask, umask, sizeof(mask)))
		return -EFAULT;
	if (fd == -1) {
		r = signalfd_new(NULL, mask, flags & O_NONBLOCK, &f);
		return r ? r : fd_publish(f, (flags & O_CLOEXEC) != 0);
	}
	r = fd_get(fd, &old);
	if (r)
		return r;
	r = signalfd_new(old, mask, 0, &f);
	file_put(old);
	return r ? r : fd;
}

long sys_signalfd(int fd, uptr_t umask, size_t size)
{
	return sys_signalfd4(fd, umask, size, 0);
}
