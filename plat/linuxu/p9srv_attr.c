/* The 9P server's names and attributes: getattr, setattr, links, directories, rename, removal. */
#include "core/lib/string.h"
#include "core/lib/util.h"
#include "plat/linuxu/p9srv_int.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/stat.h"
#include "shim/abi/time.h"

#define GETATTR_BASIC 0x7ffu
#define GETATTR_BTIME 0x800u
enum {
	SET_MODE = 0x1, SET_UID = 0x2, SET_GID = 0x4, SET_SIZE = 0x8, SET_ATIME = 0x10, SET_MTIME = 0x20,
	SET_ATIME_TO = 0x80, SET_MTIME_TO = 0x100,
};
#define TARGET_MAX 4096

static struct srv_fid *get_fid(struct srv_req *r)
{
	return fid_find(r->dev, (uint32_t)srv_get(&r->in, 4));
}

/* ---- reading ---- */

int srv_statfs(struct srv_req *r)
{
	struct srv_fid *f = get_fid(r);
	struct host_statfs st;
	int fd;
	long err;

	if (r->in.bad)
		return -EINVAL;
	if (!f)
		return -EBADF;
	fd = f->fd;
	if (fd < 0) /* the directory it is in serves as well, and can always be opened */
		fd = node_dirfd(f->node->parent ? f->node->parent : f->node);
	if (fd < 0)
		return fd;
	err = host_call3(HOST_fstatfs, (uint64_t)fd, HP(&st), 0);
	if (err < 0)
		return (int)err;
	srv_put(&r->out, (uint64_t)st.type, 4);
	srv_put(&r->out, (uint64_t)st.bsize, 4);
	srv_put(&r->out, st.blocks, 8);
	srv_put(&r->out, st.bfree, 8);
	srv_put(&r->out, st.bavail, 8);
	srv_put(&r->out, st.files, 8);
	srv_put(&r->out, st.ffree, 8);
	srv_put(&r->out, (uint32_t)st.fsid[0] | (uint64_t)(uint32_t)st.fsid[1] << 32, 8);
	srv_put(&r->out, (uint64_t)st.namelen, 4);
	return 0;
}

static void put_time(struct srv_out *m, const struct host_timespec *t)
{
	srv_put(m, (uint64_t)t->sec, 8);
	srv_put(m, (uint64_t)t->nsec, 8);
}

/* The time of birth, where the host tells. */
static bool birth_time(struct srv_fid *f, struct host_timespec *out)
{
	struct host_statx sx;
	const char *name = "";
	int dirfd = f->fd;

	if (dirfd < 0 && node_at(f->node, &dirfd, &name))
		return false;
	if (host_call5(HOST_statx, (uint64_t)(int64_t)dirfd, HP(name), AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_BTIME,
		       HP(&sx)) < 0 || !(sx.mask & STATX_BTIME))
		return false;
	*out = (struct host_timespec){ sx.btime.sec, sx.btime.nsec };
	return true;
}

int srv_getattr(struct srv_req *r)
{
	struct srv_fid *f = get_fid(r);
	uint64_t mask = srv_get(&r->in, 8), valid = GETATTR_BASIC;
	struct host_timespec btime = { 0 };
	struct host_stat st;
	int err;

	if (r->in.bad)
		return -EINVAL;
	if (!f)
		return -EBADF;
	err = fid_stat(f, &st);
	if (err)
		return err;
	if ((mask & GETATTR_BTIME) && birth_time(f, &btime))
		valid |= GETATTR_BTIME;
	srv_put(&r->out, valid, 8);
	srv_put_qid(&r->out, &st);
	srv_put(&r->out, st.mode, 4);
	srv_put(&r->out, st.uid, 4);
	srv_put(&r->out, st.gid, 4);
	srv_put(&r->out, st.nlink, 8);
	srv_put(&r->out, st.rdev, 8);
	srv_put(&r->out, (uint64_t)st.size, 8);
	srv_put(&r->out, (uint64_t)st.blksize, 8);
	srv_put(&r->out, (uint64_t)st.blocks, 8);
	put_time(&r->out, &st.atime);
	put_time(&r->out, &st.mtime);
	put_time(&r->out, &st.ctime);
	put_time(&r->out, &btime);
	srv_put(&r->out, 0, 8); /* generation */
	srv_put(&r->out, 0, 8); /* data version */
	return 0;
}

int srv_readlink(struct srv_req *r)
{
	struct srv_fid *f = get_fid(r);
	char target[TARGET_MAX];
	const char *name;
	int dirfd, err;
	long n;

	if (r->in.bad)
		return -EINVAL;
	if (!f)
		return -EBADF;
	err = node_at(f->node, &dirfd, &name);
	if (err)
		return err;
	if (!*name)
		return -EINVAL;
	n = host_call4(HOST_readlinkat, (uint64_t)dirfd, HP(name), HP(target), sizeof(target));
	if (n < 0)
		return (int)n;
	srv_put_string(&r->out, target, (size_t)n);
	return 0;
}

/* ---- changing attributes ---- */

int srv_object_fd(struct srv_fid *f, bool *own)
{
	const char *name;
	int dirfd, err;

	*own = false;
	if (f->fd >= 0)
		return f->fd;
	err = node_at(f->node, &dirfd, &name);
	if (err || !*name)
		return err ? err : dirfd;
	*own = true;
	return srv_openat(dirfd, name, O_PATH, 0);
}

/* chmod through an O_PATH descriptor: fchmodat2 (Linux 6.6), or the link in /proc. */
static long set_mode(int fd, uint32_t mode)
{
	char path[40];
	long r = host_call4(HOST_fchmodat2, (uint64_t)fd, HP(""), mode & 07777, AT_EMPTY_PATH);

	if (r != -ENOSYS && r != -EPERM)
		return r;
	ksnprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return host_call3(HOST_fchmodat, (uint64_t)AT_FDCWD, HP(path), mode & 07777);
}

static long set_times(int fd, const struct host_timespec t[2])
{
	char path[40];
	long r = host_call4(HOST_utimensat, (uint64_t)fd, HP(""), HP(t), AT_EMPTY_PATH);

	if (r != -EINVAL && r != -ENOENT) /* before Linux 5.8 */
		return r;
	ksnprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return host_call4(HOST_utimensat, (uint64_t)AT_FDCWD, HP(path), HP(t), 0);
}

static long set_size(struct srv_fid *f, uint64_t size)
{
	const char *name;
	int dirfd, err, fd;
	long r;

	if (size > INT64_MAX)
		return -EINVAL;
	if (f->fd >= 0 && f->writable)
		return host_call3(HOST_ftruncate, (uint64_t)f->fd, size, 0);
	err = node_at(f->node, &dirfd, &name);
	if (err)
		return err;
	fd = srv_openat(dirfd, *name ? name : ".", O_WRONLY, 0);
	if (fd < 0)
		return fd == -ELOOP || fd == -ENXIO ? -EINVAL : fd;
	r = host_call3(HOST_ftruncate, (uint64_t)fd, size, 0);
	host_close(fd);
	return r;
}

static void get_time(struct srv_in *m, struct host_timespec *t, bool change, bool given)
{
	t->sec = (int64_t)srv_get(m, 8);
	t->nsec = (int64_t)srv_get(m, 8);
	if (!change)
		t->nsec = UTIME_OMIT;
	else if (!given)
		t->nsec = UTIME_NOW;
}

int srv_setattr(struct srv_req *r)
{
	struct srv_fid *f = get_fid(r);
	uint32_t valid = (uint32_t)srv_get(&r->in, 4), mode = (uint32_t)srv_get(&r->in, 4);
	uint32_t uid = (uint32_t)srv_get(&r->in, 4), gid = (uint32_t)srv_get(&r->in, 4);
	uint64_t size = srv_get(&r->in, 8);
	struct host_timespec t[2];
	bool own;
	long err = 0;
	int fd;

	get_time(&r->in, &t[0], valid & SET_ATIME, valid & SET_ATIME_TO);
	get_time(&r->in, &t[1], valid & SET_MTIME, valid & SET_MTIME_TO);
	if (r->in.bad)
		return -EINVAL;
	if (!f)
		return -EBADF;
	if (r->ex->ro)
		return -EROFS;
	fd = srv_object_fd(f, &own);
	if (fd < 0)
		return fd;
	if (valid & (SET_UID | SET_GID)) /* first: it takes set-user-ID bits away */
		err = host_call5(HOST_fchownat, (uint64_t)fd, HP(""), valid & SET_UID ? uid : UINT64_MAX,
				 valid & SET_GID ? gid : UINT64_MAX, AT_EMPTY_PATH);
	if (!err && (valid & SET_MODE))
		err = set_mode(fd, mode);
	if (!err && (valid & SET_SIZE))
		err = set_size(f, size);
	if (!err && (valid & (SET_ATIME | SET_MTIME)))
		err = set_times(fd, t);
	if (own)
		host_close(fd);
	return (int)err;
}

/* ---- making and removing names ---- */

/* What was made at (dirfd, name) belongs to the user who asked, as far as the host lets us; its qid is the reply. */
static int put_made(struct srv_req *r, struct srv_fid *dir, int dirfd, const char *name, uint32_t gid)
{
	struct host_stat st;
	int err;

	if (host_call3(HOST_geteuid, 0, 0, 0) == 0)
		host_call5(HOST_fchownat, (uint64_t)dirfd, HP(name), dir->uid, gid, AT_SYMLINK_NOFOLLOW);
	err = (int)host_fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW);
	if (!err)
		srv_put_qid(&r->out, &st);
	return err;
}

/* What all calls that change a directory check first: its descriptor, or -errno. */
static int changeable(struct srv_req *r, struct srv_fid *dir, int err)
{
	if (r->in.bad || err)
		return err ? err : -EINVAL;
	if (!dir)
		return -EBADF;
	return r->ex->ro ? -EROFS : node_dirfd(dir->node);
}

int srv_symlink(struct srv_req *r)
{
	struct srv_fid *dir = get_fid(r);
	char target[TARGET_MAX];
	struct srv_name name;
	uint32_t gid;
	size_t len;
	int err = srv_get_name(&r->in, &name), err2, dirfd;
	long made;

	err2 = srv_get_string(&r->in, target, sizeof(target), &len);
	gid = (uint32_t)srv_get(&r->in, 4);
	dirfd = changeable(r, dir, err ? err : err2);
	if (dirfd < 0)
		return dirfd;
	made = host_call3(HOST_symlinkat, HP(target), (uint64_t)dirfd, HP(name.s));
	return made < 0 ? (int)made : put_made(r, dir, dirfd, name.s, gid);
}

int srv_mknod(struct srv_req *r)
{
	struct srv_fid *dir = get_fid(r);
	struct srv_name name;
	int err = srv_get_name(&r->in, &name), dirfd;
	uint32_t mode = (uint32_t)srv_get(&r->in, 4), major = (uint32_t)srv_get(&r->in, 4);
	uint32_t minor = (uint32_t)srv_get(&r->in, 4), gid = (uint32_t)srv_get(&r->in, 4);
	long made;

	dirfd = changeable(r, dir, err);
	if (dirfd < 0)
		return dirfd;
	made = host_call4(HOST_mknodat, (uint64_t)dirfd, HP(name.s), mode, DEV_MAKE(major, minor));
	return made < 0 ? (int)made : put_made(r, dir, dirfd, name.s, gid);
}

int srv_mkdir(struct srv_req *r)
{
	struct srv_fid *dir = get_fid(r);
	struct srv_name name;
	int err = srv_get_name(&r->in, &name), dirfd;
	uint32_t mode = (uint32_t)srv_get(&r->in, 4), gid = (uint32_t)srv_get(&r->in, 4);
	long made;

	dirfd = changeable(r, dir, err);
	if (dirfd < 0)
		return dirfd;
	made = host_call3(HOST_mkdirat, (uint64_t)dirfd, HP(name.s), mode & 07777);
	return made < 0 ? (int)made : put_made(r, dir, dirfd, name.s, gid);
}

int srv_link(struct srv_req *r)
{
	struct srv_fid *dir = get_fid(r), *f = get_fid(r);
	struct srv_name name;
	int err = srv_get_name(&r->in, &name), dirfd = changeable(r, dir, err), from;
	const char *old;

	if (dirfd < 0)
		return dirfd;
	if (!f)
		return -EBADF;
	err = node_at(f->node, &from, &old);
	if (err || !*old)
		return err ? err : -EPERM;
	dirfd = node_dirfd(dir->node);
	return dirfd < 0 ? dirfd
			 : (int)host_call5(HOST_linkat, (uint64_t)from, HP(old), (uint64_t)dirfd, HP(name.s), 0);
}

static int rename_node(struct srv_node *odir, const struct srv_name *oname, struct srv_node *ndir,
		       const struct srv_name *nname)
{
	int from = node_dirfd(odir), to = node_dirfd(ndir);
	long r;

	if (from < 0 || to < 0)
		return from < 0 ? from : to;
	r = host_call4(HOST_renameat, (uint64_t)from, HP(oname->s), (uint64_t)to, HP(nname->s));
	if (r == 0)
		node_renamed(odir, oname, ndir, nname);
	return (int)r;
}

int srv_renameat(struct srv_req *r)
{
	struct srv_fid *odir = get_fid(r), *ndir;
	struct srv_name oname, nname;
	int err = srv_get_name(&r->in, &oname), err2;

	ndir = get_fid(r);
	err2 = srv_get_name(&r->in, &nname);
	err = changeable(r, odir, err ? err : err2);
	if (err < 0)
		return err;
	return ndir ? rename_node(odir->node, &oname, ndir->node, &nname) : -EBADF;
}

/* A node's own name, where it has one that can be changed. */
static int own_name(struct srv_node *n, struct srv_name *out)
{
	if (n->gone)
		return -ENOENT;
	if (!n->parent)
		return -EBUSY;
	memcpy(out->s, n->name, n->len + 1u);
	out->len = n->len;
	return 0;
}

int srv_rename(struct srv_req *r)
{
	struct srv_fid *f = get_fid(r), *ndir = get_fid(r);
	struct srv_name oname, nname;
	int err = changeable(r, ndir, srv_get_name(&r->in, &nname));

	if (err < 0)
		return err;
	if (!f)
		return -EBADF;
	err = own_name(f->node, &oname);
	return err ? err : rename_node(f->node->parent, &oname, ndir->node, &nname);
}

static int remove_name(struct srv_node *dir, const struct srv_name *name, uint32_t flags)
{
	int dirfd = node_dirfd(dir);
	long r;

	if (dirfd < 0)
		return dirfd;
	r = host_call3(HOST_unlinkat, (uint64_t)dirfd, HP(name->s), flags);
	if (r == 0)
		node_removed(dir, name->s, name->len);
	return (int)r;
}

int srv_unlinkat(struct srv_req *r)
{
	struct srv_fid *dir = get_fid(r);
	struct srv_name name;
	int err = srv_get_name(&r->in, &name);
	uint32_t flags = (uint32_t)srv_get(&r->in, 4);

	err = changeable(r, dir, err);
	if (err < 0)
		return err;
	if (flags & ~(uint32_t)AT_REMOVEDIR)
		return -EINVAL;
	return remove_name(dir->node, &name, flags);
}

/* Tremove without the clunk. */
int srv_remove_node(struct srv_req *r)
{
	struct srv_fid *f = get_fid(r);
	struct srv_name name;
	struct host_stat st;
	int err;

	if (r->in.bad)
		return -EINVAL;
	if (!f)
		return -EBADF;
	if (r->ex->ro)
		return -EROFS;
	err = own_name(f->node, &name);
	if (!err)
		err = node_stat(f->node, &st);
	return err ? err : remove_name(f->node->parent, &name, S_ISDIR(st.mode) ? AT_REMOVEDIR : 0);
}
