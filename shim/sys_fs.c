/* System calls on names: open, create, link, rename, remove, attributes, working directory, mounts.
 *
 * Every one copies its paths in, turns its flags into the VFS's and hands on. The older calls without dirfd are the
 * *at calls with AT_FDCWD. Permission checks are the VFS's; read-only mounts are checked here for changes of
 * attributes, since only a path knows its mount.
 *
 * Missing: extended attributes other than a file system's own, mounts of anything but memory file systems, umount. */
#include "core/file/file.h"
#include "core/lib/string.h"
#include "core/lib/util.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/resource.h"
#include "shim/abi/stat.h"
#include "shim/abi/time.h"
#include "shim/shim.h"

bool caller_is_root(void)
{
	return cred_is_root(cred_current());
}

/* ---- open ---- */

#define OPEN_KNOWN (O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_DSYNC | O_ASYNC | \
		    O_DIRECT | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_SYNC | O_PATH | O_TMPFILE)
#define OPEN_WITH_PATH (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define TMPFILE_BIT (O_TMPFILE & ~O_DIRECTORY)

/* open(2) ignores flags that it does not know; combinations that make no sense are EINVAL. */
static int open_flags(int *flags)
{
	*flags &= OPEN_KNOWN;
	if (*flags & O_PATH) {
		*flags &= OPEN_WITH_PATH;
		return 0;
	}
	if (*flags & TMPFILE_BIT) {
		if ((*flags & O_TMPFILE) != O_TMPFILE || !(*flags & (O_WRONLY | O_RDWR)) || (*flags & O_CREAT))
			return -EINVAL;
	} else if ((*flags & (O_CREAT | O_DIRECTORY)) == (O_CREAT | O_DIRECTORY)) {
		return -EINVAL;
	}
	*flags |= O_LARGEFILE;
	return 0;
}

static long open_at(int dirfd, uptr_t upath, int flags, uint32_t mode, unsigned resolve)
{
	struct file *f;
	char *path;
	int r = copyin_path(&path, upath);

	if (r < 0)
		return r;
	r = vfs_open(dirfd, path, flags & ~O_CLOEXEC, mode, resolve, &f);
	kfree(path);
	return r ? r : fd_publish(f, (flags & O_CLOEXEC) != 0);
}

long sys_openat(int dirfd, uptr_t upath, int flags, uint32_t mode)
{
	int r = open_flags(&flags);

	return r ? r : open_at(dirfd, upath, flags, mode & MODE_BITS, 0);
}

long sys_open(uptr_t upath, int flags, uint32_t mode)
{
	return sys_openat(AT_FDCWD, upath, flags, mode);
}

long sys_creat(uptr_t upath, uint32_t mode)
{
	return sys_openat(AT_FDCWD, upath, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

/* openat2(2)'s struct open_how: may be longer than we know, if the rest is zero; -E2BIG otherwise. */
struct open_how {
	uint64_t flags, mode, resolve;
};

int struct_in(void *dst, size_t known, uptr_t src, size_t size)
{
	uint8_t byte;

	memset(dst, 0, known);
	if (copyin(dst, src, MIN(size, known)))
		return -EFAULT;
	for (size_t i = known; i < size; i++) {
		if (copyin(&byte, src + i, 1))
			return -EFAULT;
		if (byte)
			return -E2BIG;
	}
	return 0;
}

#define RESOLVE_KNOWN (RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | \
		   RESOLVE_IN_ROOT | \
		       RESOLVE_CACHED)
#define RESOLVE_ONE (RESOLVE_BENEATH | RESOLVE_IN_ROOT) /* not both */

static int open_how_check(const struct open_how *how)
{
	int flags = (int)how->flags;

	if (how->flags & ~(uint64_t)OPEN_KNOWN || how->mode & ~(uint64_t)MODE_BITS)
		return -EINVAL;
	if ((flags & O_PATH) && (flags & ~OPEN_WITH_PATH))
		return -EINVAL;
	if (how->mode && !(flags & (O_CREAT | TMPFILE_BIT)))
		return -EINVAL;
	if (how->resolve & ~(uint64_t)RESOLVE_KNOWN || (how->resolve & RESOLVE_ONE) == RESOLVE_ONE)
		return -EINVAL;
	return 0;
}

long sys_openat2(int dirfd, uptr_t upath, uptr_t uhow, size_t size)
{
	struct open_how how;
	int flags, r;

	if (size < sizeof(how))
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	r = struct_in(&how, sizeof(how), uhow, size);
	if (!r)
		r = open_how_check(&how);
	flags = (int)how.flags;
	if (!r)
		r = open_flags(&flags);
	return r ? r : open_at(dirfd, upath, flags, (uint32_t)how.mode, (unsigned)how.resolve);
}

/* ---- making and removing names ---- */

long sys_mkdirat(int dirfd, uptr_t upath, uint32_t mode)
{
	char *path;
	int r = copyin_path(&path, upath);

	if (r < 0)
		return r;
	r = vfs_mkdir(dirfd, path, mode & (S_IRWXU | S_IRWXG | S_IRWXO | S_ISVTX));
	kfree(path);
	return r;
}

long sys_mkdir(uptr_t upath, uint32_t mode)
{
	return sys_mkdirat(AT_FDCWD, upath, mode);
}

/* mknod(2): device nodes need root; no type means a regular file. */
static int mknod_check(uint32_t *mode)
{
	switch (*mode & S_IFMT) {
	case 0:
		*mode |= S_IFREG;
		return 0;
	case S_IFREG: case S_IFIFO: case S_IFSOCK:
		return 0;
	case S_IFCHR: case S_IFBLK:
		return caller_is_root() ? 0 : -EPERM;
	case S_IFDIR:
		return -EPERM;
	}
	return -EINVAL;
}

long sys_mknodat(int dirfd, uptr_t upath, uint32_t mode, uint64_t dev)
{
	char *path;
	int r = mknod_check(&mode);

	if (r)
		return r;
	r = copyin_path(&path, upath);
	if (r < 0)
		return r;
	r = vfs_mknod(dirfd, path, mode & (S_IFMT | MODE_BITS), dev & UINT32_MAX, NULL);
	kfree(path);
	return r;
}

long sys_mknod(uptr_t upath, uint32_t mode, uint64_t dev)
{
	return sys_mknodat(AT_FDCWD, upath, mode, dev);
}

/* Both paths of a call that takes two. */
static int two_paths(char **a, uptr_t ua, char **b, uptr_t ub)
{
	int r = copyin_path(a, ua);

	if (r < 0)
		return r;
	r = copyin_path(b, ub);
	if (r < 0) {
		kfree(*a);
		return r;
	}
	return 0;
}

long sys_symlinkat(uptr_t utarget, int dirfd, uptr_t upath)
{
	char *target, *path;
	int r = two_paths(&target, utarget, &path, upath);

	if (r)
		return r;
	r = *target ? vfs_symlink(target, dirfd, path) : -ENOENT;
	kfree(path);
	kfree(target);
	return r;
}

long sys_symlink(uptr_t utarget, uptr_t upath)
{
	return sys_symlinkat(utarget, AT_FDCWD, upath);
}

long sys_linkat(int odirfd, uptr_t uold, int ndirfd, uptr_t unew, int flags)
{
	char *old, *new;
	int r;

	if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	/* An open descriptor is no proof that its name could be reached. */
	if ((flags & AT_EMPTY_PATH) && !caller_is_root())
		return -ENOENT;
	r = two_paths(&old, uold, &new, unew);
	if (r)
		return r;
	r = vfs_link(odirfd, old, ndirfd, new, flags);
	kfree(new);
	kfree(old);
	return r;
}

long sys_link(uptr_t uold, uptr_t unew)
{
	return sys_linkat(AT_FDCWD, uold, AT_FDCWD, unew, 0);
}

long sys_renameat2(int odirfd, uptr_t uold, int ndirfd, uptr_t unew, uint32_t flags)
{
	char *old, *new;
	int r;

	if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return -EINVAL;
	if ((flags & RENAME_EXCHANGE) && (flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)))
		return -EINVAL;
	if (flags & RENAME_WHITEOUT)
		return caller_is_root() ? -EINVAL : -EPERM;
	r = two_paths(&old, uold, &new, unew);
	if (r)
		return r;
	r = vfs_rename(odirfd, old, ndirfd, new, flags);
	kfree(new);
	kfree(old);
	return r;
}

long sys_renameat(int odirfd, uptr_t uold, int ndirfd, uptr_t unew)
{
	return sys_renameat2(odirfd, uold, ndirfd, unew, 0);
}

long sys_rename(uptr_t uold, uptr_t unew)
{
	return sys_renameat2(AT_FDCWD, uold, AT_FDCWD, unew, 0);
}

long sys_unlinkat(int dirfd, uptr_t upath, int flags)
{
	char *path;
	int r;

	if (flags & ~AT_REMOVEDIR)
		return -EINVAL;
	r = copyin_path(&path, upath);
	if (r < 0)
		return r;
	r = vfs_unlink(dirfd, path, (flags & AT_REMOVEDIR) != 0);
	kfree(path);
	return r;
}

long sys_unlink(uptr_t upath)
{
	return sys_unlinkat(AT_FDCWD, upath, 0);
}

long sys_rmdir(uptr_t upath)
{
	return sys_unlinkat(AT_FDCWD, upath, AT_REMOVEDIR);
}

long sys_readlinkat(int dirfd, uptr_t upath, uptr_t buf, size_t usize)
{
	char *path, *target;
	int size = (int)usize, r;

	if (size <= 0)
		return -EINVAL;
	r = copyin_path(&path, upath);
	if (r < 0)
		return r;
	target = kmalloc(PATH_MAX);
	if (!target) {
		r = -ENOMEM;
		goto out_path;
	}
	r = vfs_readlink(dirfd, path, target, (size_t)MIN(size, PATH_MAX));
	if (r > 0 && copyout(buf, target, (size_t)r))
		r = -EFAULT;
	kfree(target);
out_path:
	kfree(path);
	return r;
}

long sys_readlink(uptr_t upath, uptr_t buf, size_t size)
{
	return sys_readlinkat(AT_FDCWD, upath, buf, size);
}

/* ---- objects by name or descriptor ---- */

int lookup_in(int dirfd, uptr_t upath, int at_flags, struct path *out)
{
	char *path;
	int r = copyin_path(&path, upath);

	if (r < 0)
		return r;
	r = vfs_lookup(dirfd, path, at_flags, out);
	kfree(path);
	return r;
}

static bool path_readonly(const struct path *p)
{
	return p->mnt && ((p->mnt->flags | p->mnt->super->flags) & MS_RDONLY);
}

static long path_setattr(struct path *p, struct iattr *a)
{
	long r = path_readonly(p) ? -EROFS : vfs_setattr(p->dentry->inode, a);

	path_put(p);
	return r;
}

static long fd_setattr(int fd, struct iattr *a, bool path_ok)
{
	struct file *f;
	long r = path_ok ? fd_get_path(fd, &f) : fd_get(fd, &f);

	if (r)
		return r;
	r = path_readonly(&f->path) ? -EROFS : vfs_setattr(f->inode, a);
	file_put(f);
	return r;
}

static long setattr_at(int dirfd, uptr_t upath, int at_flags, struct iattr *a)
{
	struct path p;
	long r = lookup_in(dirfd, upath, at_flags, &p);

	return r ? r : path_setattr(&p, a);
}

long sys_fchmodat(int dirfd, uptr_t upath, uint32_t mode)
{
	struct iattr a = { .valid = ATTR_MODE, .mode = mode & MODE_BITS };

	return setattr_at(dirfd, upath, 0, &a);
}

long sys_chmod(uptr_t upath, uint32_t mode)
{
	return sys_fchmodat(AT_FDCWD, upath, mode);
}

long sys_fchmod(int fd, uint32_t mode)
{
	struct iattr a = { .valid = ATTR_MODE, .mode = mode & MODE_BITS };

	return fd_setattr(fd, &a, false);
}

/* An id of -1 stays as it is. */
static struct iattr chown_attr(uint32_t uid, uint32_t gid)
{
	struct iattr a = { .valid = ATTR_CTIME | ATTR_CHOWN, .uid = uid, .gid = gid };

	if (uid != UINT32_MAX)
		a.valid |= ATTR_UID;
	if (gid != UINT32_MAX)
		a.valid |= ATTR_GID;
	return a;
}

long sys_fchownat(int dirfd, uptr_t upath, uint32_t uid, uint32_t gid, int flags)
{
	struct iattr a = chown_attr(uid, gid);

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	return setattr_at(dirfd, upath, flags, &a);
}

long sys_chown(uptr_t upath, uint32_t uid, uint32_t gid)
{
	return sys_fchownat(AT_FDCWD, upath, uid, gid, 0);
}

long sys_lchown(uptr_t upath, uint32_t uid, uint32_t gid)
{
	return sys_fchownat(AT_FDCWD, upath, uid, gid, AT_SYMLINK_NOFOLLOW);
}

long sys_fchown(int fd, uint32_t uid, uint32_t gid)
{
	struct iattr a = chown_attr(uid, gid);

	return fd_setattr(fd, &a, false);
}

/* ---- times of files ---- */

static bool utime_valid(const struct timespec64 *t)
{
	return (t->nsec >= 0 && t->nsec < (int64_t)NSEC_PER_SEC) || t->nsec == UTIME_NOW || t->nsec == UTIME_OMIT;
}

/* times: NULL, or two that are valid; path 0: the descriptor itself. */
static long utimes_at(int dirfd, uptr_t upath, const struct timespec64 *times, int flags)
{
	struct iattr a = { .valid = ATTR_ATIME_NOW | ATTR_MTIME_NOW };

	if (times) {
		a.valid = 0;
		if (times[0].nsec == UTIME_NOW)
			a.valid |= ATTR_ATIME_NOW;
		else if (times[0].nsec != UTIME_OMIT)
			a.valid |= ATTR_ATIME;
		if (times[1].nsec == UTIME_NOW)
			a.valid |= ATTR_MTIME_NOW;
		else if (times[1].nsec != UTIME_OMIT)
			a.valid |= ATTR_MTIME;
		a.atime = times[0];
		a.mtime = times[1];
	}
	if (!upath && dirfd != AT_FDCWD)
		return flags ? -EINVAL : fd_setattr(dirfd, &a, false);
	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	return setattr_at(dirfd, upath, flags, &a);
}

long sys_utimensat(int dirfd, uptr_t upath, uptr_t utimes, int flags)
{
	struct timespec64 t[2];

	if (!utimes)
		return utimes_at(dirfd, upath, NULL, flags);
	if (copyin(t, utimes, sizeof(t)))
		return -EFAULT;
	if (t[0].nsec == UTIME_OMIT && t[1].nsec == UTIME_OMIT)
		return 0;
	if (!utime_valid(&t[0]) || !utime_valid(&t[1]))
		return -EINVAL;
	return utimes_at(dirfd, upath, t, flags);
}

long sys_futimesat(int dirfd, uptr_t upath, uptr_t utimes)
{
	struct timespec64 t[2];

	if (!utimes)
		return utimes_at(dirfd, upath, NULL, 0);
	if (copyin(t, utimes, sizeof(t)))
		return -EFAULT;
	for (int i = 0; i < 2; i++) {
		if (t[i].nsec < 0 || t[i].nsec >= 1000000)
			return -EINVAL;
		t[i].nsec *= (int64_t)NSEC_PER_USEC;
	}
	return utimes_at(dirfd, upath, t, 0);
}

long sys_utimes(uptr_t upath, uptr_t utimes)
{
	return sys_futimesat(AT_FDCWD, upath, utimes);
}

long sys_utime(uptr_t upath, uptr_t ubuf)
{
	int64_t secs[2];
	struct timespec64 t[2];

	if (!ubuf)
		return utimes_at(AT_FDCWD, upath, NULL, 0);
	if (copyin(secs, ubuf, sizeof(secs)))
		return -EFAULT;
	t[0] = (struct timespec64){ secs[0], 0 };
	t[1] = (struct timespec64){ secs[1], 0 };
	return utimes_at(AT_FDCWD, upath, t, 0);
}

/* ---- size ---- */

long sys_truncate(uptr_t upath, int64_t size)
{
	struct path p;
	struct inode *inode;
	long r;

	if (size < 0)
		return -EINVAL;
	r = lookup_in(AT_FDCWD, upath, 0, &p);
	if (r)
		return r;
	inode = p.dentry->inode;
	if (S_ISDIR(inode->mode))
		r = -EISDIR;
	else if (!S_ISREG(inode->mode))
		r = -EINVAL;
	else
		r = vfs_access(&p, MAY_WRITE, false);
	if (!r)
		r = path_readonly(&p) ? -EROFS : vfs_truncate(inode, (uint64_t)size);
	path_put(&p);
	return r;
}

long sys_ftruncate(int fd, int64_t size)
{
	struct file *f;
	long r;

	if (size < 0)
		return -EINVAL;
	r = fd_get(fd, &f);
	if (r)
		return r;
	if (!S_ISREG(f->inode->mode) || !file_writable(f))
		r = -EINVAL;
	else
		r = vfs_truncate(f->inode, (uint64_t)size);
	file_put(f);
	return r;
}

long sys_fallocate(int fd, int mode, int64_t off, int64_t len)
{
	struct file *f;
	long r = fd_get(fd, &f);

	if (r)
		return r;
	r = vfs_fallocate(f, mode, off, len);
	file_put(f);
	return r;
}

/* ---- access ---- */

long sys_faccessat2(int dirfd, uptr_t upath, int mode, int flags)
{
	struct path p;
	long r;

	if ((mode & ~(R_OK | W_OK | X_OK)) || (flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)))
		return -EINVAL;
	r = lookup_in(dirfd, upath, flags & ~AT_EACCESS, &p);
	if (r)
		return r;
	r = mode ? vfs_access(&p, (unsigned)mode, !(flags & AT_EACCESS)) : 0;
	path_put(&p);
	return r;
}

long sys_faccessat(int dirfd, uptr_t upath, int mode)
{
	return sys_faccessat2(dirfd, upath, mode, 0);
}

long sys_access(uptr_t upath, int mode)
{
	return sys_faccessat2(AT_FDCWD, upath, mode, 0);
}

/* ---- working directory, root, umask ---- */

/* getcwd(2), the raw call: the length with its NUL. */
long sys_getcwd(uptr_t ubuf, size_t size)
{
	char *buf = kmalloc(PATH_MAX), *start;
	size_t len;
	long r;

	if (!buf)
		return -ENOMEM;
	r = path_string(current_proc()->fs->cwd, buf, PATH_MAX, &start, false);
	if (r < 0)
		goto out;
	len = strlen(start) + 1;
	if (len > size)
		r = -ERANGE;
	else
		r = copyout(ubuf, start, len) ? -EFAULT : (long)len;
out:
	kfree(buf);
	return r;
}

/* Takes over p's references when it succeeds. */
static int dir_set(struct path *where, struct path *p)
{
	struct path old = *where;
	int r;

	if (!S_ISDIR(p->dentry->inode->mode))
		return -ENOTDIR;
	r = vfs_access(p, MAY_EXEC, false);
	if (r)
		return r;
	*where = *p;
	path_put(&old);
	return 0;
}

long sys_chdir(uptr_t upath)
{
	struct path p;
	long r = lookup_in(AT_FDCWD, upath, 0, &p);

	if (r)
		return r;
	r = dir_set(current_proc()->fs->cwd, &p);
	if (r)
		path_put(&p);
	return r;
}

long sys_fchdir(int fd)
{
	struct file *f;
	struct path p;
	long r = fd_get_path(fd, &f);

	if (r)
		return r;
	r = -ENOTDIR;
	if (f->path.dentry) {
		p = f->path;
		path_get(&p);
		r = dir_set(current_proc()->fs->cwd, &p);
		if (r)
			path_put(&p);
	}
	file_put(f);
	return r;
}

long sys_chroot(uptr_t upath)
{
	struct path p;
	long r = lookup_in(AT_FDCWD, upath, 0, &p);

	if (r)
		return r;
	if (!S_ISDIR(p.dentry->inode->mode))
		r = -ENOTDIR;
	else
		r = caller_is_root() ? dir_set(current_proc()->fs->root, &p) : -EPERM;
	if (r)
		path_put(&p);
	return r;
}

long sys_umask(uint32_t mask)
{
	struct fs_info *fs = current_proc()->fs;
	unsigned old = fs->umask;

	fs->umask = mask & 0777;
	return old;
}
