/* eventfd(2): a 64-bit counter. Reading takes it (or one, as a semaphore) and waits while it is zero; writing adds and
 * waits while the sum would exceed 2^64 - 2. */
#include "core/file/file.h"
#include "core/lib/seqbuf.h"
#include "core/mm/slab.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/poll.h"

struct eventfd {
	uint64_t count;
	bool semaphore;
	unsigned id;     /* for fdinfo */
	struct waitq q;  /* readers and writers */
};

#define COUNT_MAX (UINT64_MAX - 1)

/* Taken before it is copied out, so that two readers never get the same count; a bad buffer loses it, as on Linux. */
static long eventfd_read(struct file *f, struct uio *u, int64_t *pos)
{
	struct eventfd *e = f->priv;
	uint64_t value;
	int r;

	if (u->resid < sizeof(value))
		return -EINVAL;
	if (!e->count && file_nonblock(f))
		return -EAGAIN;
	r = wait_event(&e->q, e->count, TIME_NEVER);
	if (r)
		return r;
	value = e->semaphore ? 1 : e->count;
	e->count -= value;
	waitq_wake_all(&e->q, POLLOUT);
	return uio_put_all(u, &value, sizeof(value)) ? -EFAULT : (long)sizeof(value);
}

static long eventfd_write(struct file *f, struct uio *u, int64_t *pos)
{
	struct eventfd *e = f->priv;
	uint64_t value;
	int r;

	if (u->resid < sizeof(value))
		return -EINVAL;
	if (uio_take_all(u, &value, sizeof(value)))
		return -EFAULT;
	if (value > COUNT_MAX)
		return -EINVAL;
	if (COUNT_MAX - e->count < value && file_nonblock(f))
		return -EAGAIN;
	r = wait_event(&e->q, COUNT_MAX - e->count >= value, TIME_NEVER);
	if (r)
		return r;
	e->count += value;
	waitq_wake_all(&e->q, POLLIN);
	return sizeof(value);
}

static unsigned eventfd_poll(struct file *f, struct poll_table *pt)
{
	struct eventfd *e = f->priv;
	unsigned ev = 0;

	poll_wait(pt, &e->q);
	if (e->count)
		ev |= POLLIN;
	if (e->count < COUNT_MAX)
		ev |= POLLOUT;
	return ev;
}

static void eventfd_fdinfo(struct file *f, struct seqbuf *out)
{
	struct eventfd *e = f->priv;

	seqbuf_printf(out, "eventfd-count: %16llx\neventfd-id: %u\n", (unsigned long long)e->count, e->id);
}

static void eventfd_release(struct file *f) { kfree(f->priv); }

static const struct file_ops eventfd_ops = {
	.read = eventfd_read,
	.write = eventfd_write,
	.seek = file_seek_noop,
	.poll = eventfd_poll,
	.release = eventfd_release,
	.fdinfo = eventfd_fdinfo,
	.anon_name = "anon_inode:[eventfd]",
};

int eventfd_new(unsigned initval, int flags, struct file **out)
{
	static unsigned next_id;
	struct eventfd *e;
	int r;

	if (flags & ~(EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK))
		return -EINVAL;
	e = kmalloc(sizeof(*e));
	if (!e)
		return -ENOMEM;
	*e = (struct eventfd){ .count = initval, .semaphore = flags & EFD_SEMAPHORE, .id = next_id++ };
	waitq_init(&e->q);
	r = file_new_anon(&eventfd_ops, 0, O_RDWR | (flags & EFD_NONBLOCK), e, out);
	if (r)
		kfree(e);
	return r;
}
