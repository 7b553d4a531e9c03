/* System calls on open descriptors: reading, writing, positions, duplication, fcntl, pipes, and copies between files.
 *
 * Each takes its references from the descriptor table, decodes and hands on to core/file; nothing here knows what kind
 * of object a file is, except where a man page makes the kind part of the rule. */
#include "core/file/file.h"
#include "core/lib/util.h"
#include "core/mm/pagecache.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/resource.h"
#include "shim/abi/stat.h"
#include "shim/shim.h"

long fd_publish(struct file *f, bool cloexec)
{
	long fd = fd_install(f, 0, cloexec);

	if (fd < 0)
		file_put(f);
	return fd;
}

/* ---- read and write ---- */

/* A buffer that cannot be application memory: EFAULT, unless the descriptor's mode forbids the transfer anyway. */
static long range_error(const struct file *f, bool reading)
{
	return (reading ? file_readable(f) : file_writable(f)) ? -EFAULT : -EBADF;
}

long sys_read(int fd, uptr_t buf, size_t len)
{
	struct file *f;
	struct uio u;
	long n = fd_get(fd, &f);

	if (n)
		return n;
	if (unlikely(user_range_bad(buf, len))) {
		n = range_error(f, true);
	} else {
		uio_user(&u, buf, MIN(len, RW_MAX), true);
		n = file_read(f, &u);
	}
	file_put(f);
	return n;
}

long sys_write(int fd, uptr_t buf, size_t len)
{
	struct file *f;
	struct uio u;
	long n = fd_get(fd, &f);

	if (n)
		return n;
	if (unlikely(user_range_bad(buf, len))) {
		n = range_error(f, false);
	} else {
		uio_user(&u, buf, MIN(len, RW_MAX), false);
		n = file_write(f, &u);
	}
	file_put(f);
	return n;
}

long sys_pread64(int fd, uptr_t buf, size_t len, int64_t pos)
{
	struct file *f;
	struct uio u;
	long n;

	if (pos < 0)
		return -EINVAL;
	n = fd_get(fd, &f);
	if (n)
		return n;
	if (user_range_bad(buf, len)) {
		n = range_error(f, true);
	} else {
		uio_user(&u, buf, MIN(len, RW_MAX), true);
		n = file_pread(f, &u, pos);
	}
	file_put(f);
	return n;
}

long sys_pwrite64(int fd, uptr_t buf, size_t len, int64_t pos)
{
	struct file *f;
	struct uio u;
	long n;

	if (pos < 0)
		return -EINVAL;
	n = fd_get(fd, &f);
	if (n)
		return n;
	if (user_range_bad(buf, len)) {
		n = range_error(f, false);
	} else {
		uio_user(&u, buf, MIN(len, RW_MAX), false);
		n = file_pwrite(f, &u, pos);
	}
	file_put(f);
	return n;
}

/* pos of a vectored transfer: where the file's own position is meant. */
#define POS_OWN -1

static long vector_transfer(int fd, uptr_t iov, uint64_t count, int64_t pos, bool reading, int flags)
{
	struct abi_iovec *heap = NULL;
	struct file *f;
	struct uio u;
	bool append;
	long n = fd_get(fd, &f);

	if (n)
		return n;
	if (reading ? !file_readable(f) : !file_writable(f)) {
		n = -EBADF;
		goto out_file;
	}
	n = -EINVAL;
	if (count > IOV_MAX)
		goto out_file;
	n = uio_iovec(&u, iov, (unsigned)count, reading, &heap);
	if (n < 0)
		goto out_file;
	append = (flags & RWF_APPEND) && S_ISREG(f->inode->mode);
	if (append) {
		n = vfs_getattr(f->inode); /* others may have moved the end */
		if (!n)
			n = file_pwrite(f, &u, (int64_t)f->inode->size);
	} else if (pos == POS_OWN) {
		n = reading ? file_read(f, &u) : file_write(f, &u);
	} else {
		n = reading ? file_pread(f, &u, pos) : file_pwrite(f, &u, pos);
	}
	/* The position moves only when the own one was named: preadv2(2), RWF_APPEND. */
	if (append && pos == POS_OWN && n > 0)
		f->pos = (int64_t)f->inode->size;
	if (n > 0 && !reading && (flags & (RWF_SYNC | RWF_DSYNC))) {
		int r = file_fsync(f, !(flags & RWF_SYNC));

		if (r)
			n = r;
	}
	kfree(heap);
out_file:
	file_put(f);
	return n;
}

long sys_readv(int fd, uptr_t iov, int count)
{
	return vector_transfer(fd, iov, (uint64_t)(int64_t)count, POS_OWN, true, 0);
}

long sys_writev(int fd, uptr_t iov, int count)
{
	return vector_transfer(fd, iov, (uint64_t)(int64_t)count, POS_OWN, false, 0);
}

long sys_preadv(int fd, uptr_t iov, uint64_t count, int64_t pos, uint64_t high)
{
	return pos < 0 ? -EINVAL : vector_transfer(fd, iov, count, pos, true, 0);
}

long sys_pwritev(int fd, uptr_t iov, uint64_t count, int64_t pos, uint64_t high)
{
	return pos < 0 ? -EINVAL : vector_transfer(fd, iov, count, pos, false, 0);
}

/* preadv2(2): RWF_HIPRI is a hint; what cannot be promised is EOPNOTSUPP. */
static int rwf_check(int flags, int64_t pos, bool reading)
{
	int known = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | (reading ? 0 : RWF_APPEND);

	if (flags & ~known)
		return -EOPNOTSUPP;
	return pos < POS_OWN ? -EINVAL : 0;
}

long sys_preadv2(int fd, uptr_t iov, uint64_t count, int64_t pos, uint64_t high, int flags)
{
	int r = rwf_check(flags, pos, true);

	return r ? r : vector_transfer(fd, iov, count, pos, true, flags);
}

long sys_pwritev2(int fd, uptr_t iov, uint64_t count, int64_t pos, uint64_t high, int flags)
{
	int r = rwf_check(flags, pos, false);

	return r ? r : vector_transfer(fd, iov, count, pos, false, flags);
}

long sys_lseek(int fd, int64_t off, int whence)
{
	struct file *f;
	long r = fd_get(fd, &f);

	if (r)
		return r;
	r = whence < SEEK_SET || whence > SEEK_HOLE ? -EINVAL : file_seek(f, off, whence);
	file_put(f);
	return r;
}

/* ---- descriptors ---- */

long sys_close(int fd)
{
	return fd_close(fd);
}

long sys_close_range(unsigned first, unsigned last, unsigned flags)
{
	if (flags & ~(unsigned)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) || first > last)
		return -EINVAL;
	return fd_close_range(first, last, flags);
}

static long dup_min(int fd, int min, bool cloexec)
{
	struct file *f;
	long r = fd_get_path(fd, &f);

	if (r)
		return r;
	r = fd_install(f, min, cloexec);
	if (r < 0)
		file_put(f);
	return r;
}

static long dup_to(int fd, int to, bool cloexec)
{
	struct file *f;
	long r;

	if (to < 0 || (uint64_t)to >= proc_rlimit(RLIMIT_NOFILE))
		return -EBADF;
	r = fd_get_path(fd, &f);
	if (r)
		return r;
	r = fd_install_at(f, to, cloexec);
	if (r < 0)
		file_put(f);
	return r < 0 ? r : to;
}

long sys_dup(int fd)
{
	return dup_min(fd, 0, false);
}

long sys_dup2(int fd, int to)
{
	struct file *f;
	int r;

	if (fd != to)
		return dup_to(fd, to, false);
	r = fd_get_path(fd, &f);
	if (r)
		return r;
	file_put(f);
	return to;
}

long sys_dup3(int fd, int to, int flags)
{
	if ((flags & ~O_CLOEXEC) || fd == to)
		return -EINVAL;
	return dup_to(fd, to, (flags & O_CLOEXEC) != 0);
}

long fd_pair_publish(struct file *a, struct file *b, bool cloexec, uptr_t out)
{
	int fds[2];
	int r = fd_install(a, 0, cloexec);

	if (r < 0)
		goto out_put;
	fds[0] = r;
	r = fd_install(b, 0, cloexec);
	if (r < 0) {
		fd_close(fds[0]);
		file_put(b);
		return r;
	}
	fds[1] = r;
	r = copyout(out, fds, sizeof(fds));
	if (r) {
		fd_close(fds[0]);
		fd_close(fds[1]);
	}
	return r;
out_put:
	file_put(a);
	file_put(b);
	return r;
}

long sys_pipe2(uptr_t out, int flags)
{
	struct file *rd, *wr;
	int r;

	if (flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
		return -EINVAL;
	r = pipe_new(flags & ~O_CLOEXEC, &rd, &wr);
	return r ? r : fd_pair_publish(rd, wr, (flags & O_CLOEXEC) != 0, out);
}

long sys_pipe(uptr_t out)
{
	return sys_pipe2(out, 0);
}

/* ---- fcntl ---- */

#define SETFL_MASK (O_APPEND | O_ASYNC | O_DIRECT | O_NOATIME | O_NONBLOCK)

static long fcntl_setfl(struct file *f, int flags)
{
	if ((flags & O_NOATIME) && !(f->flags & O_NOATIME)) {
		int r = inode_owner_check(f->inode);

		if (r)
			return r;
	}
	f->flags = (f->flags & ~SETFL_MASK) | (flags & SETFL_MASK);
	return 0;
}

/* F_GETLK and relatives: struct flock of fcntl(2) has the layout of struct flock_k. */
static long fcntl_lock(struct file *f, int cmd, uptr_t arg)
{
	bool get = cmd == F_GETLK || cmd == F_OFD_GETLK;
	struct flock_k fl;
	int r = copyin(&fl, arg, sizeof(fl));

	if (r)
		return r;
	if (fl.type != F_RDLCK && fl.type != F_WRLCK && (get || fl.type != F_UNLCK))
		return -EINVAL;
	if (cmd >= F_OFD_GETLK && fl.pid)
		return -EINVAL;
	if (!get && ((fl.type == F_RDLCK && !file_readable(f)) || (fl.type == F_WRLCK && !file_writable(f))))
		return -EBADF;
	r = lock_posix(f, cmd, &fl);
	return r < 0 || !get ? r : copyout(arg, &fl, sizeof(fl));
}

static long fcntl_setown(struct file *f, int64_t who)
{
	if (who == INT32_MIN)
		return -EINVAL;
	if (who > 0 && !proc_by_pid((int)who))
		return -ESRCH;
	f->owner_pid = (int)who;
	return 0;
}

/* struct f_owner_ex */
struct owner_ex {
	int type, pid;
};

static long fcntl_owner_ex(struct file *f, int cmd, uptr_t arg)
{
	int who = f->owner_pid;
	struct owner_ex o = { who < 0 ? F_OWNER_PGRP : who ? F_OWNER_PID : F_OWNER_TID, who < 0 ? -who : who };
	int r;

	if (cmd == F_GETOWN_EX)
		return copyout(arg, &o, sizeof(o));
	r = copyin(&o, arg, sizeof(o));
	if (r)
		return r;
	if (o.type < F_OWNER_TID || o.type > F_OWNER_PGRP || o.pid < 0)
		return -EINVAL;
	return fcntl_setown(f, o.type == F_OWNER_PGRP ? -(int64_t)o.pid : o.pid);
}

static long fcntl_other(struct file *f, int cmd, uint64_t arg)
{
	uint64_t hint = 0;

	switch (cmd) {
	case F_GETLK: case F_SETLK: case F_SETLKW:
	case F_OFD_GETLK: case F_OFD_SETLK: case F_OFD_SETLKW:
		return fcntl_lock(f, cmd, arg);
	case F_SETFL:
		return fcntl_setfl(f, (int)arg);
	case F_SETOWN:
		return fcntl_setown(f, (int)arg);
	case F_GETOWN:
		return f->owner_pid;
	case F_SETOWN_EX: case F_GETOWN_EX:
		return fcntl_owner_ex(f, cmd, arg);
	case F_SETSIG:
		return arg > NSIG ? -EINVAL : 0;
	case F_GETSIG:
		return 0;
	case F_GETLEASE:
		return F_UNLCK;
	case F_GETPIPE_SZ:
		return S_ISFIFO(f->inode->mode) ? pipe_splice_room(f) : -EBADF;
	case F_SETPIPE_SZ:
		if (!S_ISFIFO(f->inode->mode))
			return -EBADF;
		return arg > UINT32_MAX / 2 ? -EINVAL : pipe_set_size(f, (unsigned)arg);
	case F_ADD_SEALS:
		if (arg & ~(uint64_t)(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
			return -EINVAL;
		return memfd_add_seals(f, (unsigned)arg);
	case F_GET_SEALS:
		return memfd_get_seals(f);
	case F_GET_RW_HINT: case F_GET_FILE_RW_HINT:
		return copyout(arg, &hint, sizeof(hint));
	case F_SET_RW_HINT: case F_SET_FILE_RW_HINT:
		if (copyin(&hint, arg, sizeof(hint)))
			return -EFAULT;
		return hint > 5 ? -EINVAL : 0;
	}
	return -EINVAL;
}

long sys_fcntl(int fd, int cmd, uint64_t arg)
{
	struct file *f;
	long r = fd_get_path(fd, &f);

	if (r)
		return r;
	switch (cmd) {
	case F_DUPFD: case F_DUPFD_CLOEXEC:
		r = arg >= proc_rlimit(RLIMIT_NOFILE) ? -EINVAL : dup_min(fd, (int)arg, cmd == F_DUPFD_CLOEXEC);
		break;
	case F_GETFD:
		r = fd_cloexec_get(fd) > 0 ? FD_CLOEXEC : 0;
		break;
	case F_SETFD:
		r = fd_cloexec_set(fd, (arg & FD_CLOEXEC) != 0);
		break;
	case F_GETFL:
		r = f->flags;
		break;
	default:
		r = f->flags & O_PATH ? -EBADF : fcntl_other(f, cmd, arg);
	}
	file_put(f);
	return r;
}

long sys_flock(int fd, int op)
{
	struct file *f;
	int kind = op & ~LOCK_NB, r;

	if (kind != LOCK_SH && kind != LOCK_EX && kind != LOCK_UN)
		return -EINVAL;
	r = fd_get(fd, &f);
	if (r)
		return r;
	r = lock_flock(f, op);
	file_put(f);
	return r;
}

/* ---- to the disk ---- */

static long sync_fd(int fd, bool data_only)
{
	struct file *f;
	long r = fd_get(fd, &f);

	if (r)
		return r;
	r = file_fsync(f, data_only);
	file_put(f);
	return r;
}

long sys_fsync(int fd)
{
	return sync_fd(fd, false);
}

long sys_fdatasync(int fd)
{
	return sync_fd(fd, true);
}

long sys_sync(void)
{
	vfs_sync();
	return 0;
}

long sys_syncfs(int fd)
{
	struct file *f;
	long r = fd_get(fd, &f);

	if (r)
		return r;
	r = vfs_syncfs(f->inode->super);
	file_put(f);
	return r;
}

long sys_sync_file_range(int fd, int64_t off, int64_t len, uint64_t flags)
{
	struct file *f;
	uint64_t last;
	long r;
	const uint64_t known = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;

	if ((flags & ~known) || off < 0 || len < 0 || off > INT64_MAX - len)
		return -EINVAL;
	r = fd_get(fd, &f);
	if (r)
		return r;
	last = len ? ((uint64_t)off + (uint64_t)len - 1) >> PAGE_SHIFT : UINT64_MAX >> PAGE_SHIFT;
	if (S_ISREG(f->inode->mode) || S_ISBLK(f->inode->mode) || S_ISDIR(f->inode->mode) || S_ISLNK(f->inode->mode))
		r = flags ? pagecache_sync(&f->inode->cache, (uint64_t)off >> PAGE_SHIFT, last) : 0;
	else
		r = -ESPIPE;
	file_put(f);
	return r;
}

/* posix_fadvise(2): DONTNEED drops clean pages that lie wholly in the range; the others steer read-ahead. */
long sys_fadvise64(int fd, int64_t off, size_t len, int advice)
{
	struct file *f;
	uint64_t first, end;
	long r = fd_get(fd, &f);

	if (r)
		return r;
	r = -ESPIPE;
	if (S_ISFIFO(f->inode->mode))
		goto out;
	r = -EINVAL;
	if ((int64_t)len < 0 || advice < POSIX_FADV_NORMAL || advice > POSIX_FADV_NOREUSE)
		goto out;
	r = 0;
	if (!S_ISREG(f->inode->mode))
		goto out;
	if (advice <= POSIX_FADV_SEQUENTIAL) {
		f->ra_flags = (unsigned)advice;
		f->inode->cache.ra_random = advice == POSIX_FADV_RANDOM;
	}
	if (advice != POSIX_FADV_DONTNEED || off < 0)
		goto out;
	end = len && (uint64_t)off + len > (uint64_t)off ? (uint64_t)off + len : UINT64_MAX;
	first = ((uint64_t)off + PAGE_MASK) >> PAGE_SHIFT;
	if (end >> PAGE_SHIFT > first)
		pagecache_invalidate(&f->inode->cache, first, (end >> PAGE_SHIFT) - 1, false);
out:
	file_put(f);
	return r;
}

long sys_readahead(int fd, int64_t off, size_t len)
{
	struct file *f;
	long r = fd_get(fd, &f);

	if (r)
		return r;
	if (!file_readable(f))
		r = -EBADF;
	else if (!S_ISREG(f->inode->mode))
		r = -EINVAL;
	file_put(f);
	return r;
}
