/* Copies between descriptors that stay in the kernel: sendfile, copy_file_range, splice, vmsplice.
 *
 * All of them move bytes by core's file_copy(); splice(2) is thereby a copy as well, which its interface allows. tee(2)
 * would need a pipe's bytes to be shared and answers EINVAL, as for descriptors that are no pipes. */
#include "core/file/file.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/stat.h"
#include "shim/shim.h"

static bool is_pipe(const struct file *f) { return S_ISFIFO(f->inode->mode); }
static bool seekable(const struct file *f) { return S_ISREG(f->inode->mode) || S_ISBLK(f->inode->mode); }

/* A position argument: *pos is set when the program passed one. 0, -EFAULT, -EINVAL. */
static int pos_in(int64_t *pos, uptr_t src)
{
	if (!src)
		return 0;
	if (copyin(pos, src, sizeof(*pos)))
		return -EFAULT;
	return *pos < 0 ? -EINVAL : 0;
}

static long pos_out(long n, const int64_t *pos, uptr_t dst)
{
	if (n < 0 || !dst)
		return n;
	return copyout(dst, pos, sizeof(*pos)) ? -EFAULT : n;
}

/* Both ends of a copy, with references. */
static int ends_find(int in_fd, int out_fd, struct file **in, struct file **out)
{
	int r = fd_get(in_fd, in);

	if (r)
		return r;
	r = fd_get(out_fd, out);
	if (r)
		file_put(*in);
	return r;
}

static int ends_check(struct file *in, struct file *out)
{
	return file_readable(in) && file_writable(out) ? 0 : -EBADF;
}

/* In readable and out writable, too. */
static int ends_get(int in_fd, int out_fd, struct file **in, struct file **out)
{
	int r = ends_find(in_fd, out_fd, in, out);

	if (r)
		return r;
	r = ends_check(*in, *out);
	if (r) {
		file_put(*out);
		file_put(*in);
	}
	return r;
}

long sys_sendfile(int out_fd, int in_fd, uptr_t upos, size_t len)
{
	struct file *in, *out;
	int64_t pos = 0;
	long n;
	int r = pos_in(&pos, upos);

	if (r == -EFAULT)
		return r;
	n = ends_get(in_fd, out_fd, &in, &out);
	if (n)
		return n;
	if (upos && !seekable(in))
		n = -ESPIPE;
	else if (r || (int64_t)len < 0 || is_pipe(in) || (out->flags & O_APPEND))
		n = -EINVAL;
	else if (S_ISDIR(in->inode->mode))
		n = -EINVAL;
	else
		n = len ? file_copy(in, upos ? &pos : NULL, out, NULL, MIN(len, RW_MAX)) : 0;
	n = pos_out(n, &pos, upos);
	file_put(out);
	file_put(in);
	return n;
}

/* copy_file_range(2): both regular files; the ranges of one file must not overlap. *len becomes what the input has: a copy
 * within one file must not go on with what it has just written. */
static long range_check(struct file *in, int64_t in_pos, struct file *out, int64_t out_pos, size_t *len)
{
	int64_t n = (int64_t)*len, size;

	if (S_ISDIR(in->inode->mode) || S_ISDIR(out->inode->mode))
		return -EISDIR;
	if (!S_ISREG(in->inode->mode) || !S_ISREG(out->inode->mode))
		return -EINVAL;
	if (ends_check(in, out) || (out->flags & O_APPEND))
		return -EBADF;
	if (n < 0 || in_pos > INT64_MAX - n || out_pos > INT64_MAX - n)
		return -EOVERFLOW;
	size = (int64_t)in->inode->size;
	n = in_pos >= size ? 0 : MIN(n, size - in_pos);
	*len = (size_t)n;
	return in->inode == out->inode && in_pos < out_pos + n && out_pos < in_pos + n ? -EINVAL : 0;
}

long sys_copy_file_range(int in_fd, uptr_t in_upos, int out_fd, uptr_t out_upos, size_t len, uint64_t flags)
{
	struct file *in, *out;
	int64_t in_pos, out_pos;
	long n = ends_find(in_fd, out_fd, &in, &out);

	if (n)
		return n;
	n = vfs_getattr(in->inode); /* a file of the host may have changed, and its position moved */
	in_pos = in->pos;
	out_pos = out->pos;
	if (!n)
		n = pos_in(&in_pos, in_upos);
	if (!n)
		n = pos_in(&out_pos, out_upos);
	if (!n && flags)
		n = -EINVAL;
	if (!n)
		n = range_check(in, in_pos, out, out_pos, &len);
	if (!n && len)
		n = file_copy(in, in_upos ? &in_pos : NULL, out, out_upos ? &out_pos : NULL, MIN(len, RW_MAX));
	n = pos_out(n, &in_pos, in_upos);
	n = pos_out(n, &out_pos, out_upos);
	file_put(out);
	file_put(in);
	return n;
}

#define SPLICE_ALL (SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT)

static long splice_check(struct file *in, uptr_t in_pos, struct file *out, uptr_t out_pos)
{
	if (!is_pipe(in) && !is_pipe(out))
		return -EINVAL;
	if ((is_pipe(in) && in_pos) || (is_pipe(out) && out_pos))
		return -ESPIPE;
	if ((in_pos && !seekable(in)) || (out_pos && !seekable(out)))
		return -EINVAL;
	if (!is_pipe(out) && (out->flags & O_APPEND))
		return -EINVAL;
	if (is_pipe(in) && is_pipe(out) && in->inode == out->inode)
		return -EINVAL;
	return 0;
}

long sys_splice(int in_fd, uptr_t in_upos, int out_fd, uptr_t out_upos, size_t len, uint32_t flags)
{
	int64_t in_pos = 0, out_pos = 0;
	struct file *in, *out, *pipe;
	int saved;
	long n;

	if (!len)
		return 0;
	if (flags & ~(unsigned)SPLICE_ALL)
		return -EINVAL;
	n = ends_get(in_fd, out_fd, &in, &out);
	if (n)
		return n;
	n = splice_check(in, in_upos, out, out_upos);
	if (!n)
		n = pos_in(&in_pos, in_upos);
	if (!n)
		n = pos_in(&out_pos, out_upos);
	if (n)
		goto out_put;
	/* SPLICE_F_NONBLOCK is about the pipe's end only; the flag is the file's for the length of the call. */
	pipe = is_pipe(in) ? in : out;
	saved = pipe->flags & O_NONBLOCK;
	if (flags & SPLICE_F_NONBLOCK)
		pipe->flags |= O_NONBLOCK;
	n = file_copy(in, in_upos ? &in_pos : NULL, out, out_upos ? &out_pos : NULL, MIN(len, RW_MAX));
	if (flags & SPLICE_F_NONBLOCK)
		pipe->flags = (pipe->flags & ~O_NONBLOCK) | saved;
	n = pos_out(n, &in_pos, in_upos);
	n = pos_out(n, &out_pos, out_upos);
out_put:
	file_put(out);
	file_put(in);
	return n;
}

long sys_tee(int in_fd, int out_fd, size_t len, uint32_t flags)
{
	struct file *in, *out;
	long n;

	if (flags & ~(unsigned)SPLICE_ALL)
		return -EINVAL;
	if (!len)
		return 0;
	n = ends_get(in_fd, out_fd, &in, &out);
	if (n)
		return n;
	file_put(out);
	file_put(in);
	return -EINVAL;
}

long sys_vmsplice(int fd, uptr_t iov, size_t count, uint32_t flags)
{
	struct file *f;
	bool pipe;
	long r;

	if (flags & ~(unsigned)SPLICE_ALL)
		return -EINVAL;
	r = fd_get(fd, &f);
	if (r)
		return r;
	pipe = is_pipe(f);
	r = file_writable(f);
	file_put(f);
	if (!pipe)
		return -EBADF;
	if (count > IOV_MAX)
		return -EINVAL;
	return r ? sys_writev(fd, iov, (int)count) : sys_readv(fd, iov, (int)count);
}
