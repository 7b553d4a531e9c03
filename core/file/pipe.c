/* Pipes and FIFOs: pipe(7), fifo(7).
 *
 * A ring of `slots` buffers of one page each. A write that fits goes behind the last buffer's bytes if the whole of
 * it fits there, else into fresh pages; so a write of up to PIPE_BUF bytes always lies in one page, is copied in one
 * step and is atomic. Full means that every slot is used, as on Linux. A buffer read empty gives its page to `spare`,
 * so that small messages back and forth allocate nothing.
 *
 * Nothing is locked: bytes become visible (and are taken) only after a copy that did not sleep. A user page that is
 * missing ends the copy; the page is faulted in with the pipe left consistent, and the pipe is looked at afresh.
 *
 * The pipe belongs to its files; a FIFO's inode points at it in `special` while any is open.
 * Missing: vmsplice and tee by reference (splice copies through file_copy), the per-user page limits. */
#include "core/file/file.h"
#include "core/lib/string.h"
#include "core/mm/page.h"
#include "core/mm/slab.h"
#include "core/printf.h"
#include "core/proc/cred.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/ioctl.h"
#include "shim/abi/poll.h"
#include "shim/abi/stat.h"

#define PIPE_SLOTS 16           /* 64 KiB: F_GETPIPE_SZ of a new pipe */
#define PIPE_SIZE_MAX (1u << 20) /* /proc/sys/fs/pipe-max-size: more takes privilege */

struct pipe_buf {
	struct page *page;
	uint16_t off, len;
	bool packet; /* O_DIRECT: read(2) takes this buffer whole and no other */
};

struct pipe {
	unsigned files;            /* open files that refer to it */
	unsigned readers, writers; /* of these, by access mode */
	unsigned reads_opened, writes_opened; /* ever: what an open(2) of the other end waits for */
	struct pipe_buf *bufs;     /* [slots]; index modulo slots, a power of two */
	unsigned head, tail;       /* next to fill; first filled */
	unsigned slots;
	struct page *spare;
	struct waitq rd, wr;       /* readers wait for bytes, writers for room; open(2) on both */
	struct inode *fifo;        /* whose `special` this is, or NULL */
};

static const struct file_ops pipe_ops, fifo_ops;

bool file_is_pipe(const struct file *f) { return (f->ops == &pipe_ops || f->ops == &fifo_ops) && f->priv; }

static bool pipe_is_empty(const struct pipe *p) { return p->head == p->tail; }
static bool pipe_is_full(const struct pipe *p) { return p->head - p->tail >= p->slots; }
static struct pipe_buf *buf_at(struct pipe *p, unsigned i) { return &p->bufs[i & (p->slots - 1)]; }

/* ---- life ---- */

static struct pipe *pipe_alloc(void)
{
	struct pipe *p = kzalloc(sizeof(*p));

	if (!p)
		return NULL;
	p->bufs = kzalloc(PIPE_SLOTS * sizeof(*p->bufs));
	if (!p->bufs) {
		kfree(p);
		return NULL;
	}
	p->slots = PIPE_SLOTS;
	waitq_init(&p->rd);
	waitq_init(&p->wr);
	return p;
}

static void pipe_free(struct pipe *p)
{
	if (p->fifo)
		p->fifo->special = NULL;
	for (; p->tail != p->head; p->tail++)
		page_put(buf_at(p, p->tail)->page);
	if (p->spare)
		page_put(p->spare);
	kfree(p->bufs);
	kfree(p);
}

static struct page *page_take(struct pipe *p)
{
	struct page *page = p->spare;

	if (likely(page)) {
		p->spare = NULL;
		return page;
	}
	return page_alloc(0, 0);
}

static void page_give(struct pipe *p, struct page *page)
{
	if (likely(!p->spare))
		p->spare = page;
	else
		page_put(page);
}

/* ---- reading ---- */

static void tail_drop(struct pipe *p)
{
	page_give(p, buf_at(p, p->tail)->page);
	p->tail++;
}

static void buf_consume(struct pipe *p, struct pipe_buf *b, size_t n)
{
	b->off += (uint16_t)n;
	b->len -= (uint16_t)n;
	if (!b->len)
		tail_drop(p);
}

/* Sleeps until there are bytes (1) or never will be any (0: every writer is gone); else -EAGAIN or -EINTR. */
static int await_bytes(struct file *f, struct pipe *p)
{
	int r;

	if (likely(!pipe_is_empty(p)))
		return 1;
	if (!p->writers)
		return 0;
	if (file_nonblock(f))
		return -EAGAIN;
	r = wait_event_flags(&p->rd, !pipe_is_empty(p) || !p->writers, TIME_NEVER, true, true);
	return r ? r : !pipe_is_empty(p);
}

/* Moves n bytes between a page and the uio in one step. When a user page is missing it is faulted in and nothing has
 * moved: -ERESTARTSYS, the caller looks at the pipe again, since that may have slept; -EFAULT when there is no such
 * page. */
static int move_whole(struct uio *u, struct page *page, size_t at, size_t n)
{
	char *p = (char *)page_va(page) + at;
	size_t got = u->to_user ? uio_put(u, p, n) : uio_take(u, p, n);
	int r;

	if (likely(got == n))
		return 0;
	r = uio_fault_in(u, n - got);
	uio_rewind(u, got);
	return r ? -EFAULT : -ERESTARTSYS;
}

/* Reads from the first buffer: bytes, or an error of move_whole(). *last: read(2) ends here. */
static long take_buf(struct pipe *p, struct uio *u, bool *last)
{
	struct pipe_buf *b = buf_at(p, p->tail);
	size_t n = MIN((size_t)b->len, u->resid);
	int r = move_whole(u, b->page, b->off, n);

	if (unlikely(r))
		return r;
	*last = b->packet || !u->resid;
	buf_consume(p, b, b->packet ? b->len : n); /* what of a packet did not fit is discarded */
	return (long)n;
}

/* Writers are told when the pipe was full, the next reader when this one had slept (and so had perhaps taken its turn);
 * other wake-ups would be edges to epoll that Linux does not show. */
static long pipe_read(struct file *f, struct uio *u, int64_t *pos)
{
	struct pipe *p = f->priv;
	bool last = u->resid == 0, was_full = false, slept = false;
	size_t done = 0;
	long r = 0;

	while (!last) {
		slept |= pipe_is_empty(p);
		r = done ? !pipe_is_empty(p) : await_bytes(f, p);
		if (r <= 0)
			break;
		was_full |= pipe_is_full(p);
		r = take_buf(p, u, &last);
		if (r > 0)
			done += (size_t)r;
		else if (r != -ERESTARTSYS)
			break;
	}
	if (was_full && done)
		waitq_wake(&p->wr, POLLOUT | POLLWRNORM);
	if (slept && !pipe_is_empty(p))
		waitq_wake(&p->rd, POLLIN | POLLRDNORM);
	return done ? (long)done : r;
}

long pipe_peek(struct file *f, void *buf, size_t len)
{
	struct pipe *p = f->priv;
	size_t done = 0;
	long r;

	if (!file_is_pipe(f))
		return -EINVAL;
	if (!len)
		return 0;
	r = await_bytes(f, p);
	if (r <= 0)
		return r;
	for (unsigned i = p->tail; i != p->head && done < len; i++) {
		struct pipe_buf *b = buf_at(p, i);
		size_t n = MIN((size_t)b->len, len - done);

		memcpy((char *)buf + done, (char *)page_va(b->page) + b->off, n);
		done += n;
	}
	return (long)done;
}

void pipe_skip(struct file *f, size_t n)
{
	struct pipe *p = f->priv;
	bool was_full = pipe_is_full(p);

	while (n && !pipe_is_empty(p)) {
		struct pipe_buf *b = buf_at(p, p->tail);
		size_t part = MIN((size_t)b->len, n);

		buf_consume(p, b, part);
		n -= part;
	}
	if (was_full)
		waitq_wake(&p->wr, POLLOUT | POLLWRNORM);
}

/* ---- writing ---- */

/* Appends the odd bytes of a write (its length modulo the page size) to the last buffer if all of them fit. */
static long merge(struct pipe *p, struct uio *u, size_t n)
{
	struct pipe_buf *b;
	size_t end;
	int r;

	if (!n || pipe_is_empty(p))
		return 0;
	b = buf_at(p, p->head - 1);
	end = (size_t)b->off + b->len;
	if (b->packet || end + n > PAGE_SIZE)
		return 0;
	r = move_whole(u, b->page, end, n);
	if (unlikely(r))
		return r;
	b->len += (uint16_t)n;
	return (long)n;
}

/* Fills the next slot: bytes moved, an error of move_whole(), -ENOMEM. */
static long fill_slot(struct pipe *p, struct uio *u, bool packet)
{
	size_t n = MIN(u->resid, PAGE_SIZE);
	struct page *page = page_take(p);
	int r;

	if (!page)
		return -ENOMEM;
	r = move_whole(u, page, 0, n);
	if (unlikely(r)) {
		page_give(p, page);
		return r;
	}
	*buf_at(p, p->head++) = (struct pipe_buf){ .page = page, .len = (uint16_t)n, .packet = packet };
	return (long)n;
}

/* Sleeps for a free slot. What was written so far is announced first. */
static int await_room(struct file *f, struct pipe *p)
{
	if (file_nonblock(f))
		return -EAGAIN;
	waitq_wake(&p->rd, POLLIN | POLLRDNORM);
	return wait_event_flags(&p->wr, !pipe_is_full(p) || !p->readers, TIME_NEVER, true, true);
}

static long pipe_write(struct file *f, struct uio *u, int64_t *pos)
{
	struct pipe *p = f->priv;
	bool packet = (f->flags & O_DIRECT) != 0;
	size_t total = u->resid, odd = total & PAGE_MASK;
	bool merged = packet; /* packets never merge; others try once, before anything else */
	bool slept = false;
	long r = 0;

	while (u->resid) {
		if (unlikely(!p->readers)) {
			r = file_broken_pipe();
			break;
		}
		if (!merged) {
			r = merge(p, u, odd);
			merged = r >= 0;
		} else if (unlikely(pipe_is_full(p))) {
			slept = true;
			r = await_room(f, p);
		} else {
			r = fill_slot(p, u, packet);
		}
		if (unlikely(r < 0 && r != -ERESTARTSYS))
			break;
	}
	if (unlikely(u->resid == total))
		return r;
	waitq_wake(&p->rd, POLLIN | POLLRDNORM);
	if (slept && !pipe_is_full(p))
		waitq_wake(&p->wr, POLLOUT | POLLWRNORM); /* the next writer */
	return (long)(total - u->resid);
}

/* ---- poll, ioctl, size ---- */

static unsigned pipe_poll(struct file *f, struct poll_table *pt)
{
	struct pipe *p = f->priv;
	unsigned ev = 0;

	if (file_readable(f)) {
		poll_wait(pt, &p->rd);
		if (!pipe_is_empty(p))
			ev |= POLLIN | POLLRDNORM;
		/* A FIFO that no writer has opened yet (f->pos: how many had when f was opened) is not hung up. */
		if (!p->writers && f->pos != (int64_t)p->writes_opened)
			ev |= POLLHUP;
	}
	if (file_writable(f)) {
		poll_wait(pt, &p->wr);
		if (!pipe_is_full(p))
			ev |= POLLOUT | POLLWRNORM;
		if (!p->readers)
			ev |= POLLERR;
	}
	return ev;
}

static long pipe_ioctl(struct file *f, unsigned cmd, void *arg)
{
	struct pipe *p = f->priv;
	int n = 0;

	if (cmd != FIONREAD)
		return -ENOTTY;
	for (unsigned i = p->tail; i != p->head; i++)
		n += buf_at(p, i)->len;
	*(int *)arg = n;
	return 0;
}

long pipe_splice_room(struct file *f)
{
	return file_is_pipe(f) ? (long)(((struct pipe *)f->priv)->slots * PAGE_SIZE) : -EBADF;
}

int pipe_set_size(struct file *f, unsigned size)
{
	struct pipe *p = f->priv;
	struct pipe_buf *bufs;
	unsigned slots = 1, used;

	if (!file_is_pipe(f))
		return -EBADF;
	if (size > 1u << 31)
		return -EINVAL;
	while (slots * PAGE_SIZE < size)
		slots *= 2;
	if (slots > p->slots && slots * PAGE_SIZE > PIPE_SIZE_MAX && !cred_is_root(cred_current()))
		return -EPERM;
	used = p->head - p->tail;
	if (used > slots)
		return -EBUSY;
	bufs = kzalloc(slots * sizeof(*bufs));
	if (!bufs)
		return -ENOMEM;
	for (unsigned i = 0; i < used; i++)
		bufs[i] = *buf_at(p, p->tail + i);
	kfree(p->bufs);
	p->bufs = bufs;
	p->slots = slots;
	p->tail = 0;
	p->head = used;
	waitq_wake(&p->wr, 0); /* there may be more room now */
	return (int)(slots * PAGE_SIZE);
}

/* ---- opening and closing ---- */

static void pipe_opened(struct pipe *p, struct file *f)
{
	p->files++;
	if (file_readable(f)) {
		p->readers++;
		p->reads_opened++;
	}
	if (file_writable(f)) {
		p->writers++;
		p->writes_opened++;
	}
	f->priv = p;
}

static void pipe_release(struct file *f)
{
	struct pipe *p = f->priv;

	if (!p)
		return; /* a FIFO whose open failed */
	if (file_readable(f))
		p->readers--;
	if (file_writable(f))
		p->writers--;
	f->priv = NULL;
	if (!--p->files) {
		pipe_free(p);
		return;
	}
	/* All of them: what they wait for may never come now. */
	if (!p->writers)
		waitq_wake_all(&p->rd, POLLIN | POLLRDNORM | POLLHUP | POLLERR);
	if (!p->readers)
		waitq_wake_all(&p->wr, POLLOUT | POLLWRNORM | POLLERR | POLLHUP);
}

int pipe_new(int flags, struct file **rd, struct file **wr)
{
	struct pipe *p = pipe_alloc();
	struct file *r, *w;
	int err;

	if (!p)
		return -ENOMEM;
	err = file_new_anon(&pipe_ops, S_IFIFO | 0600, O_RDONLY | (flags & O_NONBLOCK), NULL, &r);
	if (err)
		goto out_pipe;
	err = file_new_anon(&pipe_ops, 0, O_WRONLY | (flags & (O_NONBLOCK | O_DIRECT)), NULL, &w);
	if (err)
		goto out_read;
	/* Both ends are the same inode to fstat(2). */
	inode_put(w->inode);
	w->inode = inode_get(r->inode);
	/* open("/proc/self/fd/N") gets a new file on the same pipe, as with a FIFO. */
	p->fifo = r->inode;
	p->fifo->special = p;
	pipe_opened(p, r);
	pipe_opened(p, w);
	*rd = r;
	*wr = w;
	return 0;

out_read:
	file_put(r);
out_pipe:
	pipe_free(p);
	return err;
}

/* Sleeps until the other end has been opened since: fifo(7). */
static int await_partner(struct waitq *q, const unsigned *opened)
{
	unsigned before = *opened;

	return wait_event(q, *opened != before, TIME_NEVER);
}

int fifo_open(struct inode *inode, struct file *f)
{
	struct pipe *p = inode->special;
	bool reads = file_readable(f), writes = file_writable(f);
	int r = 0;

	if (!reads && !writes)
		return -EINVAL;
	if (writes && !reads && file_nonblock(f) && (!p || !p->readers))
		return -ENXIO;
	if (!p) {
		p = pipe_alloc();
		if (!p)
			return -ENOMEM;
		p->fifo = inode;
		inode->special = p;
	}
	f->ops = &fifo_ops;
	pipe_opened(p, f);
	if (reads)
		waitq_wake_all(&p->wr, 0);
	if (writes)
		waitq_wake_all(&p->rd, 0);
	if (reads && !writes && !p->writers) {
		f->pos = p->writes_opened;
		if (!file_nonblock(f))
			r = await_partner(&p->rd, &p->writes_opened);
	} else if (writes && !reads && !p->readers) {
		r = await_partner(&p->wr, &p->reads_opened);
	}
	if (r)
		pipe_release(f);
	return r;
}

static const struct file_ops pipe_ops = {
	.read = pipe_read,
	.write = pipe_write,
	.poll = pipe_poll,
	.ioctl = pipe_ioctl,
	.release = pipe_release,
	.anon_name = "pipe",
};

static const struct file_ops fifo_ops = {
	.read = pipe_read,
	.write = pipe_write,
	.poll = pipe_poll,
	.ioctl = pipe_ioctl,
	.release = pipe_release,
};
