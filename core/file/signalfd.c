/* signalfd(2): reads the pending signals of the reading thread and its process.
 *
 * Pending signals are sets today, so a record tells the signal's number and little more; with queued signals (their own
 * issue) signal_take() becomes the queue's. One wait queue serves all signalfds: signals are rare, and whose they are
 * is decided by the reader. signal_send_…() calls signalfd_notify(). */
#include "core/file/file.h"
#include "core/lib/seqbuf.h"
#include "core/lib/string.h"
#include "core/mm/slab.h"
#include "core/proc/proc.h"
#include "core/proc/signal.h"
#include "core/proc/thread.h"
#include "core/sched.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/poll.h"
#include "shim/abi/signal.h"

#define SFD_CLOEXEC 02000000
#define SFD_NONBLOCK 04000

struct signalfd {
	uint64_t mask; /* bit n-1 is signal n */
};

/* signalfd(2): struct signalfd_siginfo, the head of its 128 bytes. */
struct siginfo_record {
	uint32_t signo;
	int32_t err, code;
	uint32_t pid, uid;
	int32_t fd;
	uint32_t tid, band, overrun, trapno;
	int32_t status, value_int;
	uint64_t value_ptr, utime, stime, addr;
	char reserved[48];
};
_Static_assert(sizeof(struct siginfo_record) == 128, "struct signalfd_siginfo");

static struct waitq readers = WAITQ_INIT(readers);

void signalfd_notify(void) { waitq_wake_all(&readers, POLLIN); }

/* The pending signals of the current thread that the mask asks for. */
static uint64_t pending(const struct signalfd *s)
{
	struct thread *t = current_thread();

	return t->proc ? (t->sig_pending | t->proc->sig_pending) & s->mask : 0;
}

/* Takes the lowest one; the thread's own before the process's. */
static int signal_take(const struct signalfd *s)
{
	struct thread *t = current_thread();
	uint64_t *set = t->sig_pending & s->mask ? &t->sig_pending : &t->proc->sig_pending;
	int sig = __builtin_ctzl(*set & s->mask) + 1;

	*set &= ~(1ul << (sig - 1));
	return sig;
}

static long signalfd_read(struct file *f, struct uio *u, int64_t *pos)
{
	struct signalfd *s = f->priv;
	size_t room = u->resid / sizeof(struct siginfo_record), n = 0;
	int r;

	if (!room)
		return -EINVAL;
	if (!pending(s) && file_nonblock(f))
		return -EAGAIN;
	r = wait_event(&readers, pending(s), TIME_NEVER);
	if (r)
		return r;
	while (n < room && pending(s)) {
		struct siginfo_record rec = { .signo = (uint32_t)signal_take(s), .code = SI_USER };

		if (uio_put_all(u, &rec, sizeof(rec)))
			return n ? (long)(n * sizeof(rec)) : -EFAULT;
		n++;
	}
	return (long)(n * sizeof(struct siginfo_record));
}

static unsigned signalfd_poll(struct file *f, struct poll_table *pt)
{
	poll_wait(pt, &readers);
	return pending(f->priv) ? POLLIN : 0;
}

static void signalfd_fdinfo(struct file *f, struct seqbuf *out)
{
	struct signalfd *s = f->priv;

	seqbuf_printf(out, "sigmask:\t%016llx\n", (unsigned long long)s->mask);
}

static void signalfd_release(struct file *f) { kfree(f->priv); }

static const struct file_ops signalfd_ops = {
	.read = signalfd_read,
	.seek = file_seek_noop,
	.poll = signalfd_poll,
	.release = signalfd_release,
	.fdinfo = signalfd_fdinfo,
	.anon_name = "anon_inode:[signalfd]",
};

int signalfd_new(struct file *existing, uint64_t mask, int flags, struct file **out)
{
	struct signalfd *s;
	int r;

	if (flags & ~(SFD_CLOEXEC | SFD_NONBLOCK))
		return -EINVAL;
	mask &= ~((1ul << (SIGKILL - 1)) | (1ul << (SIGSTOP - 1)));
	if (existing) {
		if (existing->ops != &signalfd_ops)
			return -EINVAL;
		((struct signalfd *)existing->priv)->mask = mask;
		signalfd_notify();
		*out = existing;
		return 0;
	}
	s = kmalloc(sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->mask = mask;
	r = file_new_anon(&signalfd_ops, 0, O_RDWR | (flags & SFD_NONBLOCK), s, out);
	if (r)
		kfree(s);
	return r;
}
