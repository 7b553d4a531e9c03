/* Open files: making and releasing them, and the way of read(2), write(2) and their kin to an object's operations.
 *
 * Everything that holds for all objects is done here and nowhere else: access modes (EBADF), missing operations, the
 * largest transfer, offsets that overflow, the file position and its lock, O_APPEND, RLIMIT_FSIZE, O_SYNC, FIONBIO.
 * Objects see only transfers that are allowed.
 *
 * A nameless file has an inode of the anonymous super. Objects with a type (pipes, sockets) get one each; those without
 * (eventfd, epoll…) share one, as on Linux. Order of release: epoll registrations, locks, the object, path, inode.
 *
 * Missing: SIGIO (O_ASYNC is kept but nothing is sent). */
#include "core/file/file.h"
#include "core/mm/page.h"
#include "core/mm/slab.h"
#include "core/printf.h"
#include "core/proc/cred.h"
#include "core/proc/proc.h"
#include "core/proc/signal.h"
#include "core/proc/thread.h"
#include "core/sched.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/ioctl.h"
#include "shim/abi/poll.h"
#include "shim/abi/resource.h"
#include "shim/abi/signal.h"
#include "shim/abi/stat.h"

#define MAX_RW_COUNT 0x7ffff000ul /* read(2): the most that one call transfers */
#define FILES_MAX (1ul << 20)     /* in the whole system: ENFILE */
#define ANON_MAGIC 0x09041934ul   /* statfs f_type of anonymous inodes */
#define COPY_ORDER 4              /* file_copy()'s buffer: 64 KiB, or one page when RAM is short */

static size_t files_open;

size_t file_count(void) { return files_open; }

/* ---- the anonymous super ---- */

static int anon_setattr(struct inode *inode, const struct iattr *a)
{
	if (a->valid & ATTR_SIZE)
		return -EINVAL;
	inode_apply(inode, a);
	return 0;
}

static int anon_statfs(struct super *s, struct statfs_k *out)
{
	*out = (struct statfs_k){ .type = s->magic, .bsize = PAGE_SIZE, .frsize = PAGE_SIZE, .namelen = NAME_MAX };
	return 0;
}

static const struct inode_ops anon_inode_ops = { .setattr = anon_setattr };
static const struct super_ops anon_super_ops = { .statfs = anon_statfs };
static struct super *anon_super;
static struct inode *anon_shared; /* for objects without a type */

static struct inode *anon_inode_new(uint32_t mode)
{
	struct inode *inode;

	if (!anon_super) {
		anon_super = super_new("anon_inodefs", &anon_super_ops, ANON_MAGIC);
		if (!anon_super)
			return NULL;
	}
	inode = inode_new(anon_super, ++anon_super->next_ino, mode, false);
	if (!inode)
		return NULL;
	inode->ops = &anon_inode_ops;
	inode->nlink = 1;
	inode_init_owner(inode, NULL);
	return inode;
}

static struct inode *anon_inode(uint32_t mode)
{
	if (mode & S_IFMT)
		return anon_inode_new(mode);
	if (!anon_shared) {
		anon_shared = anon_inode_new(0600);
		if (!anon_shared)
			return NULL;
		anon_shared->uid = anon_shared->gid = 0;
	}
	return inode_get(anon_shared);
}

/* ---- making and releasing ---- */

static const struct file_ops no_ops; /* O_PATH, and kinds whose open has not set any yet */

static struct file *file_alloc(const struct file_ops *ops, int flags)
{
	struct file *f = kzalloc(sizeof(*f));

	if (!f)
		return NULL;
	f->ops = ops;
	f->refs = 1;
	f->flags = flags & ~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC);
	mutex_init(&f->pos_lock);
	list_init(&f->epoll_items);
	files_open++;
	return f;
}

int file_new_inode(const struct file_ops *ops, struct inode *inode, int flags, void *priv, struct file **out)
{
	struct file *f;

	if (files_open >= FILES_MAX)
		return -ENFILE;
	f = file_alloc(ops, flags);
	if (!f)
		return -ENOMEM;
	f->inode = inode_get(inode);
	f->priv = priv;
	*out = f;
	return 0;
}

int file_new_anon(const struct file_ops *ops, uint32_t mode, int flags, void *priv, struct file **out)
{
	struct inode *inode = anon_inode(mode);
	int r;

	if (!inode)
		return -ENOMEM;
	r = file_new_inode(ops, inode, flags, priv, out);
	inode_put(inode);
	return r;
}

static const struct file_ops *inode_file_ops(const struct inode *inode, int flags)
{
	if (flags & O_PATH)
		return &no_ops;
	if (inode->fops)
		return inode->fops;
	if (S_ISREG(inode->mode))
		return &regular_file_ops;
	if (S_ISDIR(inode->mode))
		return &directory_file_ops;
	return &no_ops;
}

/* Counted in inode->writers, which exec looks at (ETXTBSY). */
static bool counts_as_writer(const struct file *f)
{
	return file_writable(f) && !(f->flags & O_PATH) && f->path.dentry && S_ISREG(f->inode->mode);
}

int file_new_path(const struct path *p, int flags, struct file **out)
{
	struct inode *inode = p->dentry->inode;
	struct file *f;

	if (files_open >= FILES_MAX)
		return -ENFILE;
	f = file_alloc(inode_file_ops(inode, flags), flags);
	if (!f)
		return -ENOMEM;
	f->path = *p;
	path_get(&f->path);
	f->inode = inode_get(inode);
	if (counts_as_writer(f))
		inode->writers++;
	*out = f;
	return 0;
}

void file_free(struct file *f)
{
	struct inode *inode = f->inode;

	kassert(f->refs == 0);
	epoll_forget_file(f);
	lock_release(f);
	if (f->ops->release)
		f->ops->release(f);
	if (counts_as_writer(f))
		inode->writers--;
	path_put(&f->path);
	inode_put(inode);
	kassert(f->pos_lock.owner == NULL);
	kfree(f);
	files_open--;
}

/* ---- user buffers ---- */

void uio_rewind(struct uio *u, size_t n)
{
	u->resid += n;
	if (!u->iov) {
		u->kbuf -= n;
		return;
	}
	while (u->off < n) {
		n -= u->off;
		u->iov--;
		u->iovcnt++;
		u->off = u->iov->len;
	}
	u->off -= n;
}

int uio_put_all(struct uio *u, const void *src, size_t n)
{
	for (;;) {
		size_t done = uio_put(u, src, n);

		if (done == n)
			return 0;
		src = (const char *)src + done;
		n -= done;
		if (uio_fault_in(u, n))
			return -EFAULT;
	}
}

int uio_take_all(struct uio *u, void *dst, size_t n)
{
	for (;;) {
		size_t done = uio_take(u, dst, n);

		if (done == n)
			return 0;
		dst = (char *)dst + done;
		n -= done;
		if (uio_fault_in(u, n))
			return -EFAULT;
	}
}

/* ---- read and write ---- */

static bool has_position(const struct file *f)
{
	return f->ops->seek && f->ops->seek != file_seek_noop;
}

/* read(2) and write(2) hold the position of regular files while they run, and of nothing else, as on Linux: a device
 * that sleeps may be read by two threads at once. */
static bool shares_position(const struct file *f) { return S_ISREG(f->inode->mode); }

/* The length as an argument, and the offset it would end at (lseek and pread allow no offsets beyond 2^63 - 1). */
static int clip(struct uio *u, int64_t pos)
{
	if ((int64_t)u->resid < 0 || (int64_t)((uint64_t)pos + u->resid) < 0)
		return -EINVAL;
	if (unlikely(u->resid > MAX_RW_COUNT))
		u->resid = MAX_RW_COUNT;
	return 0;
}

static void send_self(int signo)
{
	struct siginfo si = { .signo = signo, .code = SI_USER };

	if (!current_proc())
		return;
	si.pid = current_proc()->pid;
	signal_send_thread(current_thread(), &si);
}

long file_broken_pipe(void)
{
	send_self(SIGPIPE);
	return -EPIPE;
}

/* setrlimit(2): a write at the limit is refused with SIGXFSZ, one across it is cut. */
static int write_limits(struct uio *u, int64_t pos)
{
	uint64_t limit;

	if (pos == INT64_MAX)
		return -EFBIG;
	limit = proc_rlimit(RLIMIT_FSIZE);
	if (likely(limit >= INT64_MAX))
		return 0;
	if ((uint64_t)pos >= limit) {
		send_self(SIGXFSZ);
		return -EFBIG;
	}
	u->resid = MIN(u->resid, limit - (uint64_t)pos);
	return 0;
}

static long write_at(struct file *f, struct uio *u, int64_t *pos)
{
	bool regular = S_ISREG(f->inode->mode);
	long r;

	if (regular) {
		if (!u->resid)
			return 0; /* not even O_APPEND's position */
		if (f->flags & O_APPEND) {
			/* The end matters here only to the limit: others may have moved it (hostfile.c). */
			r = proc_rlimit(RLIMIT_FSIZE) < INT64_MAX ? vfs_getattr(f->inode) : 0;
			if (r)
				return r;
			*pos = (int64_t)f->inode->size;
		}
		r = write_limits(u, *pos);
		if (r)
			return r;
	}
	r = f->ops->write(f, u, pos);
	if (r > 0 && regular && (f->flags & O_DSYNC) && f->ops->fsync) {
		int err = f->ops->fsync(f, (f->flags & O_SYNC) == O_DSYNC);

		if (err)
			return err;
	}
	return r;
}

/* Of their own, so that transfers without a position do not pay for them. */
static __attribute__((noinline)) long read_locked(struct file *f, struct uio *u)
{
	long r;

	mutex_lock(&f->pos_lock);
	r = clip(u, f->pos);
	if (likely(!r))
		r = f->ops->read(f, u, &f->pos);
	mutex_unlock(&f->pos_lock);
	return r;
}

static __attribute__((noinline)) long write_locked(struct file *f, struct uio *u)
{
	long r;

	mutex_lock(&f->pos_lock);
	r = clip(u, f->pos);
	if (likely(!r))
		r = write_at(f, u, &f->pos);
	mutex_unlock(&f->pos_lock);
	return r;
}

long file_read(struct file *f, struct uio *u)
{
	long r;

	if (unlikely(!file_readable(f)))
		return -EBADF;
	if (unlikely(!f->ops->read))
		return -EINVAL;
	if (shares_position(f))
		return read_locked(f, u);
	r = clip(u, 0);
	return unlikely(r) ? r : f->ops->read(f, u, &f->pos);
}

long file_write(struct file *f, struct uio *u)
{
	long r;

	if (unlikely(!file_writable(f)))
		return -EBADF;
	if (unlikely(!f->ops->write))
		return -EINVAL;
	if (shares_position(f))
		return write_locked(f, u);
	r = clip(u, 0);
	return unlikely(r) ? r : f->ops->write(f, u, &f->pos);
}

/* pread(2) and pwrite(2) answer in this order: a bad offset, no position, the wrong mode. */
long file_pread(struct file *f, struct uio *u, int64_t pos)
{
	long r;

	if (pos < 0)
		return -EINVAL;
	if (!has_position(f))
		return -ESPIPE;
	if (!file_readable(f))
		return -EBADF;
	if (!f->ops->read)
		return -EINVAL;
	r = clip(u, pos);
	return r ? r : f->ops->read(f, u, &pos);
}

long file_pwrite(struct file *f, struct uio *u, int64_t pos)
{
	long r;

	if (pos < 0)
		return -EINVAL;
	if (!has_position(f))
		return -ESPIPE;
	if (!file_writable(f))
		return -EBADF;
	if (!f->ops->write)
		return -EINVAL;
	r = clip(u, pos);
	return r ? r : write_at(f, u, &pos);
}

/* ---- position ---- */

int64_t file_seek_noop(struct file *f, int64_t off, int whence) { return f->pos; }

int64_t file_seek_size(struct file *f, int64_t off, int whence, uint64_t size)
{
	int64_t base = 0, pos;

	switch (whence) {
	case SEEK_SET:
		break;
	case SEEK_CUR:
		base = f->pos;
		break;
	case SEEK_END:
		base = (int64_t)size;
		break;
	case SEEK_DATA:
	case SEEK_HOLE:
		if (off < 0 || (uint64_t)off >= size)
			return -ENXIO;
		return whence == SEEK_DATA ? off : (int64_t)size;
	default:
		return -EINVAL;
	}
	if (__builtin_add_overflow(base, off, &pos) || pos < 0)
		return -EINVAL;
	return pos;
}

int64_t file_seek(struct file *f, int64_t off, int whence)
{
	int64_t r;

	if (whence < SEEK_SET || whence > SEEK_HOLE)
		return -EINVAL;
	if (!f->ops->seek)
		return -ESPIPE;
	mutex_lock(&f->pos_lock);
	r = f->ops->seek(f, off, whence);
	if (r >= 0)
		f->pos = r;
	mutex_unlock(&f->pos_lock);
	return r;
}

int file_readdir(struct file *f, struct dir_ctx *c)
{
	int r;

	if (!f->ops->readdir)
		return -ENOTDIR;
	mutex_lock(&f->pos_lock);
	c->pos = f->pos;
	r = f->ops->readdir(f, c);
	f->pos = c->pos;
	mutex_unlock(&f->pos_lock);
	return r;
}

/* ---- the rest ---- */

unsigned file_poll(struct file *f, struct poll_table *pt)
{
	if (!f->ops->poll)
		return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
	return f->ops->poll(f, pt);
}

int file_fsync(struct file *f, bool data_only) { return f->ops->fsync ? f->ops->fsync(f, data_only) : -EINVAL; }

static void flag_set(struct file *f, int flag, bool on) { f->flags = on ? f->flags | flag : f->flags & ~flag; }

long file_ioctl(struct file *f, unsigned cmd, void *arg)
{
	int *value = arg;

	switch (cmd) {
	case FIONBIO:
		flag_set(f, O_NONBLOCK, *value != 0);
		return 0;
	case FIOASYNC:
		flag_set(f, O_ASYNC, *value != 0);
		return 0;
	case FIONREAD:
		if (!S_ISREG(f->inode->mode))
			break;
		(void)vfs_getattr(f->inode); /* the host's file may have grown */
		*value = (int)((int64_t)f->inode->size - f->pos);
		return 0;
	}
	return f->ops->ioctl ? f->ops->ioctl(f, cmd, arg) : -ENOTTY;
}

/* ---- copies inside the kernel ---- */

struct copy {
	struct file *in, *out;
	int64_t *in_pos, *out_pos;
	char *buf;
	size_t size;
};

/* Writes buf[0…n) out: how much of it went, or the error when nothing did. */
static long copy_out_chunk(struct copy *c, size_t n)
{
	size_t done = 0;

	while (done < n) {
		struct uio u;
		long r;

		uio_kernel(&u, c->buf + done, n - done, false);
		r = write_at(c->out, &u, c->out_pos);
		if (r <= 0)
			return done ? (long)done : r;
		done += (size_t)r;
	}
	return (long)done;
}

/* As on Linux, eventfd and its like (without a type) take no part. */
static bool can_splice(const struct file *f) { return (f->inode->mode & S_IFMT) != 0; }

static bool is_broken_pipe(struct file *f) { return file_is_pipe(f) && (file_poll(f, NULL) & POLLERR); }

/* Moves up to n bytes. What was read but not written goes back: a pipe's bytes are only looked at until they are out, a
 * position moves back. */
static long copy_chunk(struct copy *c, size_t n)
{
	bool pipe = file_is_pipe(c->in);
	struct uio u;
	long got, put;

	/* splice(2): a pipe that nobody reads is broken even when there is nothing to put into it, but an input pipe
	 * that would have to be waited for is told first. */
	if (!pipe && is_broken_pipe(c->out))
		return file_broken_pipe();
	if (pipe && !can_splice(c->out))
		return -EINVAL;
	uio_kernel(&u, c->buf, n, true);
	got = pipe ? pipe_peek(c->in, c->buf, n) : c->in->ops->read(c->in, &u, c->in_pos);
	if (pipe && got >= 0 && is_broken_pipe(c->out))
		return file_broken_pipe();
	if (got <= 0)
		return got;
	put = can_splice(c->out) ? copy_out_chunk(c, (size_t)got) : -EINVAL;
	if (pipe && put > 0)
		pipe_skip(c->in, (size_t)put);
	else if (has_position(c->in))
		*c->in_pos -= got - MAX(put, 0l);
	return put;
}

static long copy_loop(struct copy *c, size_t len)
{
	size_t done = 0;
	long r = 0;

	while (done < len) {
		size_t want = MIN(len - done, c->size);

		r = copy_chunk(c, want);
		if (r <= 0)
			break;
		done += (size_t)r;
		/* A stream's next byte may be long in coming: what is there is enough. */
		if (!has_position(c->in) || ((size_t)r < want && !S_ISREG(c->in->inode->mode)))
			break;
		r = sched_point();
		if (r || signal_pending())
			break;
	}
	return done ? (long)done : r;
}

/* Locks the positions that are the files' own. One order for all: by address. */
static void copy_lock(struct file *a, struct file *b)
{
	if (a == b)
		b = NULL;
	if (a && b && a > b) {
		struct file *t = a;

		a = b;
		b = t;
	}
	if (a)
		mutex_lock(&a->pos_lock);
	if (b)
		mutex_lock(&b->pos_lock);
}

static void copy_unlock(struct file *a, struct file *b)
{
	if (a)
		mutex_unlock(&a->pos_lock);
	if (b && b != a)
		mutex_unlock(&b->pos_lock);
}

long file_copy(struct file *in, int64_t *in_pos, struct file *out, int64_t *out_pos, size_t len)
{
	struct copy c = { in, out, in_pos ? in_pos : &in->pos, out_pos ? out_pos : &out->pos, NULL, 0 };
	struct file *lock_in = !in_pos && has_position(in) ? in : NULL;
	struct file *lock_out = !out_pos && has_position(out) ? out : NULL;
	unsigned order = COPY_ORDER;
	struct page *page;
	long r;

	if (!file_readable(in) || !file_writable(out))
		return -EBADF;
	if (!len)
		return 0;
	if (!in->ops->read || !out->ops->write || !can_splice(in) || S_ISDIR(in->inode->mode) ||
	    (file_is_pipe(in) && in->inode == out->inode))
		return -EINVAL;
	if ((in_pos && !has_position(in)) || (out_pos && !has_position(out)))
		return -ESPIPE;
	if ((in_pos && *in_pos < 0) || (out_pos && *out_pos < 0) || (int64_t)len < 0)
		return -EINVAL;
	page = page_alloc(order, PA_NORECLAIM);
	if (!page) {
		order = 0;
		page = page_alloc(order, 0);
	}
	if (!page)
		return -ENOMEM;
	c.buf = page_va(page);
	c.size = PAGE_SIZE << order;
	copy_lock(lock_in, lock_out);
	r = copy_loop(&c, MIN(len, MAX_RW_COUNT));
	copy_unlock(lock_in, lock_out);
	page_put(page);
	return r;
}
