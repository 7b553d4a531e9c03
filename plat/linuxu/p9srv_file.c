/* The 9P server's open files: open, create, read, write, directory listings, sync, locks. */
#include "core/lib/string.h"
#include "plat/linuxu/p9srv_int.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/stat.h"

#define READ_HEAD 11u  /* size type tag count[4]; the data follows */
#define WRITE_HEAD 23u /* size type tag fid[4] offset[8] count[4] */
#define MAX_IOV (PLAT_9P_SEGS + 1)
#define DIRENT_HEAD 24u /* qid[13] offset[8] type[1] and the name's length[2] */

/* The flags of Tlopen and Tlcreate are open(2)'s. These reach the host; O_APPEND does not, because Twrite says
 * where. */
#define PASSED_FLAGS (O_ACCMODE | O_TRUNC | O_EXCL | O_DIRECTORY | O_SYNC | O_DSYNC)

/* Regular files and directories only: what is a FIFO, socket or device on the host is one of the program's kernel's
 * own. */
static int check_opened(struct srv_fid *f, int fd, struct host_stat *st, uint32_t flags)
{
	int r = (int)host_fstat(fd, st);

	if (r == 0 && !S_ISREG(st->mode) && !S_ISDIR(st->mode))
		r = -ENXIO;
	if (r < 0) {
		host_close(fd);
		return r;
	}
	f->fd = fd;
	f->is_dir = S_ISDIR(st->mode);
	f->writable = (flags & O_ACCMODE) != O_RDONLY;
	f->dir_pos = 0;
	return 0;
}

int srv_lopen(struct srv_req *r)
{
	struct srv_fid *f = fid_find(r->dev, (uint32_t)srv_get(&r->in, 4));
	uint32_t flags = (uint32_t)srv_get(&r->in, 4);
	struct host_stat st;
	const char *name;
	int dirfd, err, fd;

	if (r->in.bad)
		return -EINVAL;
	if (!f)
		return -EBADF;
	if (f->fd >= 0 || f->xattr)
		return -EINVAL;
	if (r->ex->ro && ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC)))
		return -EROFS;
	err = node_at(f->node, &dirfd, &name);
	if (!err)
		err = node_stat(f->node, &st); /* before the open: that of a device may do something */
	if (!err && !S_ISREG(st.mode) && !S_ISDIR(st.mode))
		err = S_ISLNK(st.mode) ? -ELOOP : -ENXIO;
	if (!err)
		err = node_at(f->node, &dirfd, &name);
	if (err)
		return err;
	fd = srv_openat(dirfd, *name ? name : ".", (int)(flags & PASSED_FLAGS & ~(uint32_t)O_EXCL), 0);
	if (fd < 0)
		return fd;
	err = check_opened(f, fd, &st, flags);
	if (err)
		return err;
	srv_put_qid(&r->out, &st);
	srv_put(&r->out, 0, 4); /* iounit: as much as a message carries */
	return 0;
}

int srv_lcreate(struct srv_req *r)
{
	struct srv_fid *f = fid_find(r->dev, (uint32_t)srv_get(&r->in, 4));
	struct srv_name name;
	int err = srv_get_name(&r->in, &name), dirfd, fd;
	uint32_t flags = (uint32_t)srv_get(&r->in, 4), mode = (uint32_t)srv_get(&r->in, 4), gid;
	struct srv_node *node;
	struct host_stat st;

	gid = (uint32_t)srv_get(&r->in, 4);
	if (r->in.bad || err)
		return err ? err : -EINVAL;
	if (!f)
		return -EBADF;
	if (f->fd >= 0 || f->xattr)
		return -EINVAL;
	if (r->ex->ro)
		return -EROFS;
	dirfd = node_dirfd(f->node);
	if (dirfd < 0)
		return dirfd;
	fd = srv_openat(dirfd, name.s, (int)(flags & PASSED_FLAGS & ~(uint32_t)O_DIRECTORY) | O_CREAT, mode & 07777);
	if (fd < 0)
		return fd;
	node = node_child(f->node, name.s, name.len);
	if (!node) {
		host_close(fd);
		return -ENOMEM;
	}
	if (host_call3(HOST_geteuid, 0, 0, 0) == 0) {
		host_call3(HOST_fchown, (uint64_t)fd, f->uid, gid);
		if ((flags & O_EXCL) && (mode & (S_ISUID | S_ISGID))) /* which fchown(2) took away */
			host_call3(HOST_fchmod, (uint64_t)fd, mode & 07777, 0);
	}
	err = check_opened(f, fd, &st, flags);
	if (err) {
		node_put(node);
		return err;
	}
	node_put(f->node);
	f->node = node; /* the fid is the new file's now */
	srv_put_qid(&r->out, &st);
	srv_put(&r->out, 0, 4);
	return 0;
}

/* Up to len bytes of the segments behind the first `skip`, as an iovec. */
static unsigned make_iov(struct host_iovec *iov, const struct plat_9p_seg *segs, unsigned n, size_t skip, size_t len)
{
	unsigned count = 0;

	for (unsigned i = 0; i < n && len; i++) {
		size_t from = MIN(skip, segs[i].len), take = MIN(segs[i].len - from, len);

		skip -= from;
		len -= take;
		if (take)
			iov[count++] = (struct host_iovec){ (char *)segs[i].base + from, take };
	}
	return count;
}

static long file_io(int call, int fd, const struct host_iovec *iov, unsigned n, uint64_t off)
{
	long r;

	do
		r = host_call5(call, (uint64_t)fd, HP(iov), n, off, 0);
	while (r == -EINTR);
	return r;
}

int srv_read(struct srv_req *r)
{
	struct srv_fid *f = fid_find(r->dev, (uint32_t)srv_get(&r->in, 4));
	uint64_t off = srv_get(&r->in, 8);
	size_t count = srv_get(&r->in, 4);
	struct host_iovec iov[MAX_IOV];
	unsigned n;
	long got;

	if (r->in.bad)
		return -EINVAL;
	if (!f || (f->fd < 0 && !f->xattr))
		return -EBADF;
	if (f->is_dir)
		return -EISDIR;
	if (off > INT64_MAX)
		return -EINVAL;
	count = MIN(count, r->room - READ_HEAD);
	n = make_iov(iov, r->in_segs, r->nin, READ_HEAD, count);
	got = f->xattr ? srv_xattr_io(f->xattr, off, r->in_segs, r->nin, READ_HEAD, count, false)
		       : file_io(HOST_preadv, f->fd, iov, n, off);
	if (got < 0)
		return (int)got;
	srv_put(&r->out, (uint64_t)got, 4);
	r->data_len = (size_t)got;
	return 0;
}

int srv_write(struct srv_req *r)
{
	struct srv_fid *f = fid_find(r->dev, (uint32_t)srv_get(&r->in, 4));
	uint64_t off = srv_get(&r->in, 8);
	size_t count = srv_get(&r->in, 4);
	struct host_iovec iov[MAX_IOV];
	unsigned n;
	long put;

	if (r->in.bad || count > r->msg_len - WRITE_HEAD || off > INT64_MAX)
		return -EINVAL;
	if (!f || (f->fd < 0 && !f->xattr))
		return -EBADF;
	n = make_iov(iov, r->out_segs, r->nout, WRITE_HEAD, count);
	put = f->xattr ? srv_xattr_io(f->xattr, off, r->out_segs, r->nout, WRITE_HEAD, count, true)
		       : file_io(HOST_pwritev, f->fd, iov, n, off);
	if (put < 0)
		return (int)put;
	srv_put(&r->out, (uint64_t)put, 4);
	return 0;
}

/* Converts host entries into the reply until one does not fit; f->dir_pos is where the next listing goes on. */
static bool put_entries(struct srv_req *r, struct srv_fid *f, const char *buf, size_t len, uint64_t dev, size_t limit)
{
	for (size_t i = 0; i < len;) {
		const struct host_dirent *d = (const struct host_dirent *)(buf + i);
		size_t n = strlen(d->name);
		uint8_t type = d->type == 4 /* DT_DIR */ ? 0x80 : d->type == 10 /* DT_LNK */ ? 0x02 : 0;

		if (r->out.len + DIRENT_HEAD + n > limit)
			return false;
		srv_put(&r->out, type, 1);
		srv_put(&r->out, 0, 4);
		srv_put(&r->out, srv_qid_path(dev, d->ino), 8);
		srv_put(&r->out, (uint64_t)d->off, 8);
		srv_put(&r->out, d->type, 1);
		srv_put_string(&r->out, d->name, n);
		f->dir_pos = (uint64_t)d->off;
		i += d->reclen;
	}
	return true;
}

/* Offsets are the host's directory positions; 0 begins. An entry's qid is that of the name, so that of a mount point
 * is not its root's, as d_ino on the host. */
int srv_readdir(struct srv_req *r)
{
	struct srv_fid *f = fid_find(r->dev, (uint32_t)srv_get(&r->in, 4));
	uint64_t off = srv_get(&r->in, 8);
	size_t count = srv_get(&r->in, 4), count_at = r->out.len, limit, end;
	static char buf[16 * 1024] __attribute__((aligned(8)));
	struct host_stat st;
	bool room = true;
	long n = 0;

	if (r->in.bad)
		return -EINVAL;
	if (!f || f->fd < 0)
		return -EBADF;
	if (!f->is_dir)
		return -ENOTDIR;
	n = host_fstat(f->fd, &st);
	if (n < 0)
		return (int)n;
	srv_put(&r->out, 0, 4);
	limit = MIN(r->out.len + count, r->out.cap);
	n = host_call3(HOST_lseek, (uint64_t)f->fd, off, SEEK_SET);
	while (room && n >= 0) {
		n = host_call3(HOST_getdents64, (uint64_t)f->fd, HP(buf), sizeof(buf));
		if (n <= 0)
			break;
		room = put_entries(r, f, buf, (size_t)n, st.dev, limit);
	}
	end = r->out.len;
	if (n < 0 && end == count_at + 4)
		return (int)n;
	if (!room && end == count_at + 4)
		return -EINVAL; /* not even one entry fits */
	r->out.len = count_at;
	srv_put(&r->out, end - count_at - 4, 4);
	r->out.len = end;
	return 0;
}

int srv_fsync(struct srv_req *r)
{
	struct srv_fid *f = fid_find(r->dev, (uint32_t)srv_get(&r->in, 4));
	bool data_only = r->in.p < r->in.end && srv_get(&r->in, 4); /* older clients do not send it */

	if (r->in.bad)
		return -EINVAL;
	if (!f || f->fd < 0)
		return -EBADF;
	return (int)host_call3(data_only ? HOST_fdatasync : HOST_fsync, (uint64_t)f->fd, 0, 0);
}

/* Locks among the programs of one kernel are that kernel's; towards the host every one is granted. */
int srv_lock(struct srv_req *r)
{
	struct srv_fid *f = fid_find(r->dev, (uint32_t)srv_get(&r->in, 4));

	if (r->in.bad)
		return -EINVAL;
	if (!f)
		return -EBADF;
	srv_put(&r->out, 0 /* P9_LOCK_SUCCESS */, 1);
	return 0;
}

int srv_getlock(struct srv_req *r)
{
	struct srv_fid *f = fid_find(r->dev, (uint32_t)srv_get(&r->in, 4));
	uint64_t start, len;
	uint32_t pid;
	char id[256];
	size_t n;
	int err;

	srv_get(&r->in, 1);
	start = srv_get(&r->in, 8);
	len = srv_get(&r->in, 8);
	pid = (uint32_t)srv_get(&r->in, 4);
	err = srv_get_string(&r->in, id, sizeof(id), &n);
	if (err)
		return err;
	if (!f)
		return -EBADF;
	srv_put(&r->out, F_UNLCK, 1);
	srv_put(&r->out, start, 8);
	srv_put(&r->out, len, 8);
	srv_put(&r->out, pid, 4);
	srv_put_string(&r->out, id, n);
	return 0;
}
