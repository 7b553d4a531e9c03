/* The standard streams: what the host gave the program as descriptors 0, 1 and 2.
 *
 * A host pipe, device or socket is a byte stream here: it looks like a FIFO to fstat(2), whatever it is on the host. A
 * regular file is one (hostfile.c). A terminal is the console terminal (tty.c), opened once and shared by the descriptors,
 * as a login shell's are. /dev/null, zero and full on the host are the guest's. A stream opened again through /proc/self/fd
 * is the same stream. Descriptors that are one open file on the host are one here.
 *
 * The platform can hand input over but not say whether it has any, so poll(2) takes one byte, which the next read(2)
 * returns first; nothing else is read ahead, so what the program leaves unread stays with the host. Both directions
 * copy through a bounce buffer of up to 64 KiB.
 *
 * Also here: signals that the host forwards, since they come by the same interrupt. */
#include "core/file/hostfile.h"
#include "core/fs/devfs.h"
#include "core/lib/string.h"
#include "core/mm/page.h"
#include "core/printf.h"
#include "core/proc/proc.h"
#include "core/proc/signal.h"
#include "plat/plat.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/ioctl.h"
#include "shim/abi/poll.h"
#include "shim/abi/signal.h"
#include "shim/abi/stat.h"

#define PROGRAM_PID  2
#define BOUNCE_ORDER 4   /* 64 KiB; one page when RAM is short */
#define BOUNCE_SMALL 512 /* up to here the stack will do */

struct stream {
	int fd;          /* the platform's name for it */
	struct waitq q;  /* readers of the input, writers of an output */
	struct page *ahead; /* input not yet read: bytes [off, len); NULL: not needed so far */
	size_t size, off, len;
	bool eof;
	bool full;       /* output: the host took nothing last time, and no interrupt has come since */
	bool broken;     /* output: nobody reads it any more */
};

static struct stream streams[3];

struct page *bounce_get(size_t want, size_t *size)
{
	unsigned order = BOUNCE_ORDER;
	struct page *page;

	while (order && (PAGE_SIZE << (order - 1)) >= want)
		order--;
	page = page_alloc(order, order ? PA_NORECLAIM : 0);
	if (!page && order) {
		order = 0;
		page = page_alloc(0, 0);
	}
	*size = PAGE_SIZE << order;
	return page;
}

/* ---- input ---- */

static int input_buffer(struct stream *s)
{
	if (!s->ahead)
		s->ahead = bounce_get(PAGE_SIZE << BOUNCE_ORDER, &s->size);
	return s->ahead ? 0 : -ENOMEM;
}

/* Makes sure that some input is in `ahead`, and takes up to `want` bytes from the host if there is none: how many there
 * are, 0 at the end, -EAGAIN, -EIO, -ENOMEM. Never sleeps. */
static long input_look(struct stream *s, size_t want)
{
	long r;

	if (s->off < s->len)
		return (long)(s->len - s->off);
	if (s->eof)
		return 0;
	r = input_buffer(s);
	if (r)
		return r;
	r = plat_stdio_read(page_va(s->ahead), MIN(want, s->size));
	s->off = 0;
	s->len = r > 0 ? (size_t)r : 0;
	if (r == 0) {
		s->eof = true;
		page_put(s->ahead);
		s->ahead = NULL;
	}
	return r;
}

/* Sleeps for input: as input_look(), or -EINTR. */
static long input_await(struct file *f, struct stream *s, size_t want)
{
	long r = input_look(s, want);
	int err;

	if (r != -EAGAIN || file_nonblock(f))
		return r;
	err = wait_event(&s->q, (r = input_look(s, want)) != -EAGAIN, TIME_NEVER);
	return err ? err : r;
}

static long stream_read(struct file *f, struct uio *u, int64_t *pos)
{
	struct stream *s = f->priv;
	size_t done = 0;
	long r = 0;

	if (s->fd != 0)
		return -EBADF;
	while (u->resid) {
		size_t n;

		r = done ? input_look(s, u->resid) : input_await(f, s, u->resid);
		if (r <= 0)
			break;
		n = uio_put(u, (char *)page_va(s->ahead) + s->off, s->len - s->off);
		s->off += n;
		done += n;
		if (!n) {
			r = uio_fault_in(u, PAGE_SIZE);
			if (r)
				break;
		}
	}
	return done ? (long)done : r;
}

/* ---- output ---- */

static long output_try(struct stream *s, const char *buf, size_t n)
{
	long r = plat_stdio_write(s->fd, buf, n);

	s->full = r == -EAGAIN;
	s->broken = r == -EPIPE;
	return r;
}

/* Hands n kernel bytes to the host: how many it took before it would have to wait (non-blocking), or an error that came
 * before the first. */
static long output_all(struct file *f, struct stream *s, const char *buf, size_t n)
{
	size_t done = 0;

	while (done < n) {
		long r = output_try(s, buf + done, n - done);

		if (r == -EAGAIN && !file_nonblock(f)) {
			int err = wait_event(&s->q, !s->full, TIME_NEVER);

			if (!err)
				continue;
			r = err;
		}
		if (r == -EPIPE)
			r = file_broken_pipe();
		if (r <= 0)
			return done ? (long)done : r;
		done += (size_t)r;
	}
	return (long)done;
}

/* Moves the uio's bytes out through a bounce buffer; what the host did not take is stepped back over. */
static long output_uio(struct file *f, struct stream *s, struct uio *u, char *bounce, size_t size)
{
	size_t total = u->resid;
	long r = 0;

	while (u->resid) {
		size_t n = uio_take(u, bounce, MIN(u->resid, size));

		if (!n) {
			r = uio_fault_in(u, MIN(u->resid, size));
			if (r)
				break;
			continue;
		}
		r = output_all(f, s, bounce, n);
		if (r != (long)n) {
			uio_rewind(u, n - (size_t)MAX(r, 0l));
			break;
		}
	}
	return u->resid < total ? (long)(total - u->resid) : r;
}

static long stream_write(struct file *f, struct uio *u, int64_t *pos)
{
	struct stream *s = f->priv;
	struct page *page;
	size_t size;
	long r;

	if (s->fd == 0)
		return -EBADF;
	if (u->resid <= BOUNCE_SMALL) {
		char bounce[BOUNCE_SMALL];

		return output_uio(f, s, u, bounce, sizeof(bounce));
	}
	page = bounce_get(u->resid, &size);
	if (!page)
		return -ENOMEM;
	r = output_uio(f, s, u, page_va(page), size);
	page_put(page);
	return r;
}

/* ---- the rest of a stream ---- */

static unsigned stream_poll(struct file *f, struct poll_table *pt)
{
	struct stream *s = f->priv;

	poll_wait(pt, &s->q);
	if (s->fd == 0) {
		long r = input_look(s, 1);

		return r == 0 ? POLLHUP : r == -EAGAIN ? 0 : POLLIN | POLLRDNORM;
	}
	return (s->full ? 0 : POLLOUT | POLLWRNORM) | (s->broken ? POLLERR : 0);
}

static long stream_ioctl(struct file *f, unsigned cmd, void *arg)
{
	struct stream *s = f->priv;
	long n = 0;

	if (cmd != FIONREAD)
		return -ENOTTY;
	if (s->fd == 0)
		n = input_look(s, PAGE_SIZE);
	*(int *)arg = (int)MAX(n, 0l);
	return 0;
}

static const struct file_ops stream_ops = {
	.read = stream_read,
	.write = stream_write,
	.poll = stream_poll,
	.ioctl = stream_ioctl,
	.anon_name = "pipe",
};

/* open("/proc/self/fd/N") gives another open file on the same stream. */
static int stream_open(struct inode *inode, struct file *f)
{
	f->ops = &stream_ops;
	f->priv = inode->priv;
	return 0;
}

static const struct inode_ops stream_inode_ops = { .open = stream_open };

static int stream_new(int fd, struct file **out)
{
	struct stream *s = &streams[fd];
	int r = file_new_anon(&stream_ops, S_IFIFO | 0600, fd ? O_WRONLY : O_RDONLY, s, out);

	if (r)
		return r;
	(*out)->inode->ops = &stream_inode_ops;
	(*out)->inode->priv = s;
	return 0;
}

/* ---- devices by name ---- */

/* A file on the device node itself, so that ttyname(3) finds it; permissions do not matter, since the caller of
 * `doppel run` has it open already. -ENOENT where the root has no such device. */
static int device_open(const char *path, uint64_t rdev, int flags, struct file **out)
{
	struct path root, p;
	int r;

	if (!mount_root())
		return -ENOENT;
	mount_root_path(&root);
	r = path_walk(&root, path, WALK_FOLLOW, &p);
	path_put(&root);
	if (r)
		return r;
	r = -ENOENT;
	if (p.dentry->inode && S_ISCHR(p.dentry->inode->mode) && p.dentry->inode->rdev == rdev)
		r = file_new_path(&p, flags, out);
	path_put(&p);
	return r;
}

/* The guest's own node if it has one; else a nameless character device that works the same. ops NULL: its number's. */
static int device_file(const char *path, uint64_t rdev, const struct file_ops *ops, int flags, struct file **out)
{
	int r = device_open(path, rdev, flags, out);

	if (r == -ENOMEM || r == -ENFILE)
		return r;
	if (r)
		r = file_new_anon(ops, S_IFCHR | 0620, flags, NULL, out);
	if (r)
		return r;
	(*out)->inode->rdev = rdev;
	if (!ops)
		return chrdev_open((*out)->inode, *out);
	(*out)->ops = ops;
	return 0;
}

/* ---- boot ---- */

static struct proc *owner_of(const struct fdtable *t)
{
	list_each(p, &proc_all)
		if (list_entry(p, struct proc, all_link)->files == t)
			return list_entry(p, struct proc, all_link);
	return NULL;
}

/* One open file for all descriptors that are the terminal. It belongs to the user, as after a login. */
static int terminal_new(struct fdtable *t, struct file **out)
{
	struct proc *p = owner_of(t);
	int out_fd = plat_stdio_kind(1) == PLAT_STDIO_TTY ? 1 : plat_stdio_kind(2) == PLAT_STDIO_TTY ? 2 : 0;
	int r;

	tty_init(out_fd, plat_stdio_kind(0) == PLAT_STDIO_TTY);
	r = device_file("dev/console", DEV_MAKE(5, 1), &tty_file_ops, O_RDWR, out);
	if (r || !p)
		return r;
	tty_attach(p);
	(*out)->inode->uid = p->cred->euid;
	(*out)->inode->mode = S_IFCHR | 0620;
	return 0;
}

static void install(struct fdtable *t, unsigned fd, struct file *f)
{
	kassert(fd < t->size && !t->files[fd]);
	t->files[fd] = f;
	t->open[0] |= 1ul << fd;
}

/* The open file that descriptor fd has in common with a lower one, or NULL. A stream is read or written, never both. */
static struct file *shared_with(const struct fdtable *t, int fd)
{
	int same = plat_stdio_same(fd);

	return same < fd && (same || plat_stdio_kind(fd) == PLAT_STDIO_FILE) ? t->files[same] : NULL;
}

int stdio_init(struct fdtable *t)
{
	struct file *tty = NULL, *f;
	int r = 0;

	for (int fd = 0; fd < 3 && !r; fd++) {
		streams[fd] = (struct stream){ .fd = fd };
		waitq_init(&streams[fd].q);
		f = shared_with(t, fd);
		if (f) {
			install(t, (unsigned)fd, file_get(f));
			continue;
		}
		switch (plat_stdio_kind(fd)) {
		case PLAT_STDIO_CLOSED:
			continue;
		case PLAT_STDIO_STREAM:
			r = stream_new(fd, &f);
			break;
		case PLAT_STDIO_FILE:
			r = hostfile_new(fd, &f);
			break;
		case PLAT_STDIO_NULL:
			r = device_file("dev/null", DEV_MAKE(1, 3), NULL, fd ? O_WRONLY : O_RDONLY, &f);
			break;
		case PLAT_STDIO_ZERO:
			r = device_file("dev/zero", DEV_MAKE(1, 5), NULL, fd ? O_WRONLY : O_RDONLY, &f);
			break;
		case PLAT_STDIO_FULL:
			r = device_file("dev/full", DEV_MAKE(1, 7), NULL, fd ? O_WRONLY : O_RDONLY, &f);
			break;
		case PLAT_STDIO_TTY:
			r = tty ? 0 : terminal_new(t, &tty);
			f = tty ? file_get(tty) : NULL;
			break;
		}
		if (!r)
			install(t, (unsigned)fd, f);
	}
	if (tty)
		file_put(tty); /* the descriptors hold theirs */
	return r;
}

/* Signals that the host side forwards go to the program, as `kill` would send them; the terminal's own come from tty.c.
 */
static void forward_signals(void)
{
	struct proc *p = proc_by_pid(PROGRAM_PID);
	int sig;

	while ((sig = plat_signal_next())) {
		struct siginfo si = { .signo = sig, .code = SI_USER };

		if (sig == SIGWINCH)
			tty_resized();
		else if (p)
			signal_send_proc(p, &si);
	}
}

void stdio_irq(unsigned irqs)
{
	if (irqs & IRQ_SIGNAL) {
		forward_signals();
		tty_resized();
	}
	if (!(irqs & IRQ_STDIO))
		return;
	tty_irq();
	hostfile_irq();
	for (int fd = 0; fd < 3; fd++) {
		if (!streams[fd].q.waiters.next)
			continue; /* before stdio_init() */
		streams[fd].full = false;
		waitq_wake_all(&streams[fd].q, 0);
	}
}
