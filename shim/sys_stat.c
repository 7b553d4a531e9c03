/* System calls that tell about files: stat and its kin, statx, statfs, directory entries, extended attributes, mounts.
 *
 * Attributes are the inode's, refreshed by vfs_getattr(). Extended attributes can be read where a file system has them
 * and listed as none; nothing sets them. */
#include "core/file/file.h"
#include "core/fs/procfs.h"
#include "core/lib/string.h"
#include "core/lib/util.h"
#include "core/main.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/resource.h"
#include "shim/abi/stat.h"
#include "shim/abi/structs.h"
#include "shim/shim.h"

/* st_blksize: how much programs read at once. procfs has Linux's 1024. */
static int64_t block_size(const struct inode *i)
{
	return i->super && i->super->magic == 0x9fa0 ? 1024 : 4096;
}

/* ---- stat ---- */

static long stat_out(struct inode *i, uptr_t dst)
{
	struct abi_stat st;
	int r = vfs_getattr(i);

	if (r)
		return r;
	st = (struct abi_stat){
		.dev = i->super ? i->super->dev : 0, .ino = i->ino, .nlink = i->nlink,
		.mode = i->mode, .uid = i->uid, .gid = i->gid, .rdev = i->rdev,
		.size = (int64_t)i->size, .blksize = block_size(i), .blocks = (int64_t)inode_blocks(i),
		.atime = i->atime.sec, .atime_nsec = i->atime.nsec,
		.mtime = i->mtime.sec, .mtime_nsec = i->mtime.nsec,
		.ctime = i->ctime.sec, .ctime_nsec = i->ctime.nsec,
	};
	return copyout(dst, &st, sizeof(st));
}

long sys_fstat(int fd, uptr_t dst)
{
	struct file *f;
	long r = fd_get_path(fd, &f);

	if (r)
		return r;
	r = stat_out(f->inode, dst);
	file_put(f);
	return r;
}

/* AT_EMPTY_PATH with an empty path: the descriptor itself, without a walk (glibc's fstat() comes this way). */
static bool names_fd(int dirfd, uptr_t upath, int flags)
{
	char first;

	return (flags & AT_EMPTY_PATH) && dirfd >= 0 && !copyin(&first, upath, 1) && !first;
}

long sys_newfstatat(int dirfd, uptr_t upath, uptr_t dst, int flags)
{
	struct path p;
	long r;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE))
		return -EINVAL;
	if (names_fd(dirfd, upath, flags))
		return sys_fstat(dirfd, dst);
	r = lookup_in(dirfd, upath, flags & (AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH), &p);
	if (r)
		return r;
	r = stat_out(p.dentry->inode, dst);
	path_put(&p);
	return r;
}

long sys_stat(uptr_t upath, uptr_t dst)
{
	return sys_newfstatat(AT_FDCWD, upath, dst, 0);
}

long sys_lstat(uptr_t upath, uptr_t dst)
{
	return sys_newfstatat(AT_FDCWD, upath, dst, AT_SYMLINK_NOFOLLOW);
}

/* ---- statx ---- */

#define STATX_RESERVED 0x80000000u
#define STATX_ATTR_MOUNT_ROOT 0x2000u

static struct abi_statx_time statx_time(const struct timespec64 *t)
{
	return (struct abi_statx_time){ .sec = t->sec, .nsec = (uint32_t)t->nsec };
}

static long statx_out(struct inode *i, const struct path *p, uptr_t dst)
{
	bool mount_root = p->mnt && p->dentry == p->mnt->super->root;
	uint64_t dev = i->super ? i->super->dev : 0;
	struct abi_statx st;
	int r = vfs_getattr(i);

	if (r)
		return r;
	st = (struct abi_statx){
		.mask = STATX_BASIC_STATS, .blksize = (uint32_t)block_size(i), .nlink = i->nlink, .uid = i->uid, .gid = i->gid,
		.mode = (uint16_t)i->mode, .ino = i->ino, .size = i->size, .blocks = inode_blocks(i),
		.attributes = mount_root ? STATX_ATTR_MOUNT_ROOT : 0, .attributes_mask = STATX_ATTR_MOUNT_ROOT,
		.atime = statx_time(&i->atime), .btime = statx_time(&i->btime),
		.ctime = statx_time(&i->ctime), .mtime = statx_time(&i->mtime),
		.rdev_major = DEV_MAJOR(i->rdev), .rdev_minor = DEV_MINOR(i->rdev),
		.dev_major = DEV_MAJOR(dev), .dev_minor = DEV_MINOR(dev),
	};
	if (i->btime.sec || i->btime.nsec)
		st.mask |= STATX_BTIME;
	if (p->mnt) {
		st.mask |= STATX_MNT_ID;
		st.mnt_id = procfs_mount_id(p->mnt);
	}
	return copyout(dst, &st, sizeof(st));
}

long sys_statx(int dirfd, uptr_t upath, int flags, uint32_t mask, uptr_t dst)
{
	struct file *f;
	struct path p;
	long r;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE))
		return -EINVAL;
	if ((flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE || (mask & STATX_RESERVED))
		return -EINVAL;
	if (names_fd(dirfd, upath, flags)) {
		r = fd_get_path(dirfd, &f);
		if (r)
			return r;
		r = statx_out(f->inode, &f->path, dst);
		file_put(f);
		return r;
	}
	r = lookup_in(dirfd, upath, flags & (AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH), &p);
	if (r)
		return r;
	r = statx_out(p.dentry->inode, &p, dst);
	path_put(&p);
	return r;
}

/* ---- statfs ---- */

static long statfs_out(const struct path *p, struct super *s, uptr_t dst)
{
	struct statfs_k k = { 0 };
	struct abi_statfs st;
	int r;

	if (p->dentry)
		r = vfs_statfs(p, &k);
	else
		r = s && s->ops && s->ops->statfs ? s->ops->statfs(s, &k) : -ENOSYS;
	if (r)
		return r;
	st = (struct abi_statfs){
		.type = k.type, .bsize = k.bsize, .blocks = k.blocks, .bfree = k.bfree, .bavail = k.bavail,
		.files = k.files, .ffree = k.ffree, .namelen = k.namelen, .frsize = k.frsize ? k.frsize : k.bsize,
		.flags = k.flags | ST_VALID, .fsid = { s ? (int32_t)s->dev : 0, 0 },
	};
	return copyout(dst, &st, sizeof(st));
}

long sys_statfs(uptr_t upath, uptr_t dst)
{
	struct path p;
	long r = lookup_in(AT_FDCWD, upath, 0, &p);

	if (r)
		return r;
	r = statfs_out(&p, p.mnt ? p.mnt->super : p.dentry->super, dst);
	path_put(&p);
	return r;
}

long sys_fstatfs(int fd, uptr_t dst)
{
	struct file *f;
	long r = fd_get_path(fd, &f);

	if (r)
		return r;
	r = statfs_out(&f->path, f->inode->super, dst);
	file_put(f);
	return r;
}

/* ---- directory entries ---- */

#define DIRENT_BUF 32768u /* entries are gathered in the kernel, then copied out: the directory is locked meanwhile */

struct dirent_ctx {
	struct dir_ctx dir;
	char *buf;
	size_t size, len;
	bool old;   /* getdents: d_type is the record's last byte */
	bool short_buf; /* not even one entry fits */
};

/* linux_dirent64: ino, off, reclen, type, name; linux_dirent: ino, off, reclen, name, …, type at the end. */
static bool dirent_emit(struct dir_ctx *c, const char *name, size_t len, uint64_t ino, unsigned dtype, int64_t next_pos)
{
	struct dirent_ctx *d = container_of(c, struct dirent_ctx, dir);
	size_t head = d->old ? 18 : 19;
	size_t reclen = ALIGN_UP(head + len + 1 + (d->old ? 1 : 0), 8);
	uint16_t reclen16 = (uint16_t)reclen;
	char *p = d->buf + d->len;

	if (reclen > d->size - d->len) {
		if (!d->len)
			d->short_buf = true;
		return false;
	}
	memset(p, 0, reclen);
	memcpy(p, &ino, 8);
	memcpy(p + 8, &next_pos, 8);
	memcpy(p + 16, &reclen16, 2);
	if (d->old)
		p[reclen - 1] = (char)dtype;
	else
		p[18] = (char)dtype;
	memcpy(p + head, name, len);
	d->len += reclen;
	return true;
}

static long getdents(int fd, uptr_t dst, size_t size, bool old)
{
	struct dirent_ctx d = { .dir.emit = dirent_emit, .size = MIN(size, DIRENT_BUF), .old = old };
	struct file *f;
	int64_t pos;
	long r = fd_get(fd, &f);

	if (r)
		return r;
	d.buf = kmalloc(MAX(d.size, 1ul));
	if (!d.buf) {
		r = -ENOMEM;
		goto out_file;
	}
	pos = f->pos;
	r = file_readdir(f, &d.dir);
	if (d.len) {
		r = (long)d.len;
		if (copyout(dst, d.buf, d.len)) {
			f->pos = pos;
			r = -EFAULT;
		}
	} else if (!r && d.short_buf) {
		r = -EINVAL;
	}
	kfree(d.buf);
out_file:
	file_put(f);
	return r;
}

long sys_getdents64(int fd, uptr_t dst, size_t size)
{
	return getdents(fd, dst, (unsigned)size, false);
}

long sys_getdents(int fd, uptr_t dst, uint32_t size)
{
	return getdents(fd, dst, size, true);
}

/* ---- mounts ---- */

static int super_make(const char *type, struct super **out)
{
	if (!strcmp(type, "tmpfs") || !strcmp(type, "ramfs"))
		return tmpfs_new(out, 0, S_IFDIR | 01777);
	if (!strcmp(type, "proc"))
		return procfs_new(out);
	if (!strcmp(type, "sysfs"))
		return sysfs_new(out);
	if (!strcmp(type, "devtmpfs"))
		return devfs_new(out);
	return -ENODEV;
}

/* mount(2) for the file systems that live in memory; moving, binding and remounting are refused. */
long sys_mount(uptr_t usource, uptr_t utarget, uptr_t utype, uint64_t flags, uptr_t data)
{
	char type[32], source[64] = "none";
	struct super *s;
	struct path p;
	long r;

	if (!caller_is_root())
		return -EPERM;
	if (flags & ~(uint64_t)(MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_SILENT | MS_RELATIME |
		MS_NOATIME | MS_STRICTATIME))
		return -EPERM;
	r = copyin_str(type, utype, sizeof(type));
	if (r < 0)
		return r == -ENAMETOOLONG ? -ENODEV : r;
	if (usource && (r = copyin_str(source, usource, sizeof(source))) == -EFAULT)
		return r;
	source[sizeof(source) - 1] = '\0';
	r = lookup_in(AT_FDCWD, utarget, 0, &p);
	if (r)
		return r;
	r = S_ISDIR(p.dentry->inode->mode) ? super_make(type, &s) : -ENOTDIR;
	if (!r) {
		r = mount_add(s, &p, (unsigned)flags, source);
		if (r)
			super_free(s);
	}
	path_put(&p);
	return r;
}

long sys_umount2(uptr_t target, int flags)
{
	return -EPERM;
}

long sys_pivot_root(uptr_t new_root, uptr_t put_old)
{
	return -EPERM;
}

long sys_swapon(uptr_t path, uint64_t flags)
{
	return -EPERM;
}

long sys_swapoff(uptr_t path)
{
	return -EPERM;
}

long sys_name_to_handle_at(int dirfd, uptr_t path, uptr_t handle, uptr_t mount_id, int flags)
{
	return flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) ? -EINVAL : -EOPNOTSUPP;
}

long sys_open_by_handle_at(int dirfd, uptr_t handle, int flags)
{
	return caller_is_root() ? -EOPNOTSUPP : -EPERM;
}
