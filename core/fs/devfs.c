/* /dev: a tmpfs with the usual nodes, links and directories in it (mode, numbers and links as on Linux: null(4),
 * full(4), random(4), tty(4), fd(4)), and the character devices behind them. A device belongs to its number, not to
 * this file system: mknod(2) elsewhere works as well.
 *
 * Missing: pseudo terminals (ptmx, pts), kmsg, block devices. */
#include "core/fs/devfs.h"
#include "core/file/file.h"
#include "core/fs/walk.h"
#include "core/mm/space.h"
#include "core/random.h"
#include "core/sched.h"
#include "core/proc/signal.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/poll.h"
#include "shim/abi/stat.h"

#define DEVFS_BYTES (1ul << 20) /* for what programs put here; /dev/shm is another file system */
#define STEP (64 * 1024ul)      /* between looks at the signals */
#define RNDGETENTCNT 0x80045200u

/* ---- null, zero, full ---- */

static long null_read(struct file *f, struct uio *u, int64_t *pos) { return 0; }

static long null_write(struct file *f, struct uio *u, int64_t *pos)
{
	size_t n = u->resid;

	u->resid = 0; /* whose bytes these were nobody asks any more */
	return (long)n;
}

/* Every lseek succeeds and ends at 0. */
static int64_t null_seek(struct file *f, int64_t off, int whence) { return 0; }

static long zero_read(struct file *f, struct uio *u, int64_t *pos)
{
	size_t done = 0, n;
	int err;

	while (u->resid) {
		n = uio_put_zero(u, MIN(u->resid, STEP));
		done += n;
		if (!u->resid)
			break;
		err = n ? sched_point() : uio_fault_in(u, MIN(u->resid, STEP));
		if (err || (n && signal_pending()))
			return done ? (long)done : err;
	}
	return (long)done;
}

static long full_write(struct file *f, struct uio *u, int64_t *pos) { return -ENOSPC; }

static const struct file_ops null_ops = { .read = null_read, .write = null_write, .seek = null_seek };
static const struct file_ops zero_ops = {
	.read = zero_read, .write = null_write, .seek = null_seek, .mmap = space_mmap_zero
};
static const struct file_ops full_ops = { .read = zero_read, .write = full_write, .seek = null_seek };

/* ---- random ---- */

static long random_read(struct file *f, struct uio *u, int64_t *pos)
{
	uint8_t buf[256];
	size_t done = 0, n, want;
	int err = 0;

	while (u->resid && !err) {
		want = MIN(u->resid, sizeof(buf));
		random_bytes(buf, want);
		n = uio_put(u, buf, want);
		done += n;
		if (n < want)
			err = uio_fault_in(u, want - n);
		else if (done % STEP == 0 && (sched_point() || signal_pending()))
			break;
	}
	return done ? (long)done : err;
}

static long random_write(struct file *f, struct uio *u, int64_t *pos)
{
	uint8_t buf[256];
	size_t done = 0, n, want;
	int err = 0;

	while (u->resid && !err) {
		want = MIN(u->resid, sizeof(buf));
		n = uio_take(u, buf, want);
		random_mix(buf, n);
		done += n;
		if (n < want)
			err = uio_fault_in(u, want - n);
		else if (done % STEP == 0 && (sched_point() || signal_pending()))
			break;
	}
	return done ? (long)done : err;
}

static unsigned random_poll(struct file *f, struct poll_table *pt)
{
	return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
}

static long random_ioctl(struct file *f, unsigned cmd, void *arg)
{
	if (cmd != RNDGETENTCNT)
		return -EINVAL;
	*(int *)arg = 256; /* bits; the pool is always full: random(4) */
	return 0;
}

static const struct file_ops random_ops = {
	.read = random_read, .write = random_write, .seek = file_seek_noop, .poll = random_poll, .ioctl = random_ioctl
};

/* ---- by number ---- */

static const struct chrdev {
	const char *name; /* NULL: no node of this name */
	unsigned major, minor;
	uint32_t mode;
	const struct file_ops *ops; /* NULL: the terminal */
} chrdevs[] = {
	{ "null", 1, 3, 0666, &null_ops },
	{ "zero", 1, 5, 0666, &zero_ops },
	{ "full", 1, 7, 0666, &full_ops },
	{ "random", 1, 8, 0666, &random_ops },
	{ "urandom", 1, 9, 0666, &random_ops },
	{ "tty", 5, 0, 0666, NULL },
	{ "console", 5, 1, 0600, NULL },
};

int chrdev_open(struct inode *inode, struct file *f)
{
	for (size_t i = 0; i < ARRAY_SIZE(chrdevs); i++) {
		const struct chrdev *d = &chrdevs[i];
		if (inode->rdev != DEV_MAKE(d->major, d->minor))
			continue;
		if (!d->ops)
			return tty_open(f);
		f->ops = d->ops;
		return 0;
	}
	return -ENXIO;
}

/* ---- the tree ---- */

static const struct {
	const char *name, *target; /* target NULL: a directory */
	uint32_t mode;
} links_and_dirs[] = {
	{ "fd", "/proc/self/fd", 0 },
	{ "stdin", "/proc/self/fd/0", 0 },
	{ "stdout", "/proc/self/fd/1", 0 },
	{ "stderr", "/proc/self/fd/2", 0 },
	{ "shm", NULL, 01777 },
	{ "pts", NULL, 0755 },
};

/* Everything belongs to root, whoever is current. */
static void own(struct inode *inode, uint32_t perm)
{
	inode->uid = inode->gid = 0;
	inode->mode = (inode->mode & S_IFMT) | perm;
	inode_put(inode);
}

static int fill(struct inode *root)
{
	struct inode *inode;
	struct name n;
	int err;

	for (size_t i = 0; i < ARRAY_SIZE(chrdevs); i++) {
		const struct chrdev *d = &chrdevs[i];
		n = name_make(d->name, strlen(d->name));
		err = root->ops->mknod(root, &n, S_IFCHR | d->mode, DEV_MAKE(d->major, d->minor), &inode);
		if (err)
			return err;
		own(inode, d->mode);
	}
	for (size_t i = 0; i < ARRAY_SIZE(links_and_dirs); i++) {
		const char *target = links_and_dirs[i].target;
		n = name_make(links_and_dirs[i].name, strlen(links_and_dirs[i].name));
		err = target ? root->ops->symlink(root, &n, target, &inode)
			     : root->ops->mknod(root, &n, S_IFDIR | links_and_dirs[i].mode, 0, &inode);
		if (err)
			return err;
		own(inode, target ? 0777 : links_and_dirs[i].mode);
	}
	return 0;
}

int devfs_new(struct super **out)
{
	struct super *s;
	int err = tmpfs_new(&s, DEVFS_BYTES, 0755);

	if (err)
		return err;
	s->type = "devtmpfs";
	mutex_lock(&s->root->inode->lock);
	err = fill(s->root->inode);
	mutex_unlock(&s->root->inode->lock);
	if (err)
		super_free(s);
	else
		*out = s;
	return err;
}
