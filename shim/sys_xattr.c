/* Extended attributes: xattr(7), getxattr(2), listxattr(2), setxattr(2), removexattr(2) and their kin.
 *
 * What may be asked and changed is decided here, how it is kept by the file system. There is only the user namespace:
 * nothing here acts on the others, and what the host's files have in them is not shown. */
#include "core/file/file.h"
#include "core/fs/walk.h"
#include "core/lib/util.h"
#include "core/mm/slab.h"
#include "core/proc/cred.h"
#include "core/sched.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/stat.h"
#include "shim/abi/xattr.h"
#include "shim/shim.h"

/* A name that may be asked for: 0, -ERANGE, -EFAULT. */
static int xattr_name_in(char name[XATTR_NAME_MAX + 1], uptr_t uname)
{
	long n = copyin_str(name, uname, XATTR_NAME_MAX + 1);

	if (n == -ENAMETOOLONG || n == 0)
		return -ERANGE;
	return n < 0 ? (int)n : 0;
}

/* Attributes of the user namespace are for regular files and directories, like their contents; in a sticky directory only
 * the owner makes any. There is no other namespace here. */
static int xattr_permission(const struct inode *i, const char *name, unsigned may)
{
	bool change = may == MAY_WRITE;
	int r;

	if (strncmp(name, XATTR_USER, sizeof(XATTR_USER) - 1))
		return -EOPNOTSUPP;
	if (!S_ISREG(i->mode) && !S_ISDIR(i->mode))
		return change ? -EPERM : -ENODATA;
	r = change && S_ISDIR(i->mode) && (i->mode & S_ISVTX) ? inode_owner_check(i) : 0;
	if (!r)
		r = inode_permission(i, may);
	return r ? r : name[sizeof(XATTR_USER) - 1] ? 0 : -EINVAL;
}

static long xattr_get(struct inode *i, const char *name, uptr_t dst, size_t size)
{
	char *buf = NULL;
	long r = xattr_permission(i, name, MAY_READ);

	if (r)
		return r;
	if (!i->ops->getxattr)
		return -EOPNOTSUPP;
	size = MIN(size, (size_t)XATTR_SIZE_MAX);
	if (size && !(buf = kmalloc(size)))
		return -ENOMEM;
	r = i->ops->getxattr(i, name, buf, size);
	if (r > 0 && size && copyout(dst, buf, (size_t)r))
		r = -EFAULT;
	kfree(buf);
	return r;
}

/* Only names that can be asked for. */
static long xattr_list(struct inode *i, uptr_t dst, size_t size)
{
	long r = i->ops && i->ops->getxattr ? i->ops->getxattr(i, "", NULL, 0) : 0, n = 0;
	char *buf;

	if (r <= 0)
		return r == -EOPNOTSUPP ? 0 : r;
	buf = kmalloc((size_t)r);
	if (!buf)
		return -ENOMEM;
	r = i->ops->getxattr(i, "", buf, (size_t)r);
	for (long at = 0, len; at < r; at += len) {
		len = (long)strlen(buf + at) + 1;
		if (!strncmp(buf + at, XATTR_USER, sizeof(XATTR_USER) - 1)) {
			memmove(buf + n, buf + at, (size_t)len);
			n += len;
		}
	}
	if (r >= 0)
		r = n;
	if (r > 0 && size)
		r = (size_t)n > size ? -ERANGE : copyout(dst, buf, (size_t)n) ? -EFAULT : n;
	kfree(buf);
	return r;
}

/* value 0 and size 0 for a removal. */
static long xattr_change(struct inode *i, const char *name, bool remove, uptr_t uvalue, size_t size, unsigned flags)
{
	char *buf = NULL;
	long r;

	if (size > XATTR_SIZE_MAX)
		return -E2BIG;
	if (!remove && !(buf = kmalloc(size + 1)))
		return -ENOMEM;
	r = size && copyin(buf, uvalue, size) ? -EFAULT : xattr_permission(i, name, MAY_WRITE);
	if (!r && !i->ops->setxattr)
		r = -EOPNOTSUPP;
	if (!r) {
		mutex_lock(&i->lock);
		r = i->ops->setxattr(i, name, buf, size, flags);
		mutex_unlock(&i->lock);
	}
	kfree(buf);
	return r;
}

enum xattr_what { XATTR_GET, XATTR_LIST, XATTR_SET, XATTR_REMOVE };

static long xattr_on(const struct path *p, struct inode *i, enum xattr_what what, uptr_t uname, uptr_t buf, size_t size,
	uint64_t flags)
{
	char name[XATTR_NAME_MAX + 1];
	long r;

	if (what == XATTR_LIST)
		return xattr_list(i, buf, size);
	if (what != XATTR_GET && p->mnt && path_readonly(p))
		return -EROFS;
	if (flags & ~(uint64_t)(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	r = xattr_name_in(name, uname);
	if (r)
		return r;
	return what == XATTR_GET ? xattr_get(i, name, buf, size)
				 : xattr_change(i, name, what == XATTR_REMOVE, buf, size, (unsigned)flags);
}

static long xattr_path(uptr_t upath, int at_flags, enum xattr_what what, uptr_t uname, uptr_t buf, size_t size,
	uint64_t flags)
{
	struct path p;
	long r = lookup_in(AT_FDCWD, upath, at_flags, &p);

	if (r)
		return r;
	r = xattr_on(&p, p.dentry->inode, what, uname, buf, size, flags);
	path_put(&p);
	return r;
}

static long xattr_fd(int fd, enum xattr_what what, uptr_t uname, uptr_t buf, size_t size, uint64_t flags)
{
	struct file *f;
	long r = fd_get(fd, &f);

	if (r)
		return r;
	r = xattr_on(&f->path, f->inode, what, uname, buf, size, flags);
	file_put(f);
	return r;
}

long sys_setxattr(uptr_t path, uptr_t name, uptr_t val, size_t size, uint64_t flags)
{
	return xattr_path(path, 0, XATTR_SET, name, val, size, flags);
}

long sys_lsetxattr(uptr_t path, uptr_t name, uptr_t val, size_t size, uint64_t flags)
{
	return xattr_path(path, AT_SYMLINK_NOFOLLOW, XATTR_SET, name, val, size, flags);
}

long sys_fsetxattr(int fd, uptr_t name, uptr_t val, size_t size, uint64_t flags)
{
	return xattr_fd(fd, XATTR_SET, name, val, size, flags);
}

long sys_getxattr(uptr_t path, uptr_t name, uptr_t buf, size_t size)
{
	return xattr_path(path, 0, XATTR_GET, name, buf, size, 0);
}

long sys_lgetxattr(uptr_t path, uptr_t name, uptr_t buf, size_t size)
{
	return xattr_path(path, AT_SYMLINK_NOFOLLOW, XATTR_GET, name, buf, size, 0);
}

long sys_fgetxattr(int fd, uptr_t name, uptr_t buf, size_t size)
{
	return xattr_fd(fd, XATTR_GET, name, buf, size, 0);
}

long sys_listxattr(uptr_t path, uptr_t buf, size_t size)
{
	return xattr_path(path, 0, XATTR_LIST, 0, buf, size, 0);
}

long sys_llistxattr(uptr_t path, uptr_t buf, size_t size)
{
	return xattr_path(path, AT_SYMLINK_NOFOLLOW, XATTR_LIST, 0, buf, size, 0);
}

long sys_flistxattr(int fd, uptr_t buf, size_t size)
{
	return xattr_fd(fd, XATTR_LIST, 0, buf, size, 0);
}

long sys_removexattr(uptr_t path, uptr_t name)
{
	return xattr_path(path, 0, XATTR_REMOVE, name, 0, 0, 0);
}

long sys_lremovexattr(uptr_t path, uptr_t name)
{
	return xattr_path(path, AT_SYMLINK_NOFOLLOW, XATTR_REMOVE, name, 0, 0, 0);
}

long sys_fremovexattr(int fd, uptr_t name)
{
	return xattr_fd(fd, XATTR_REMOVE, name, 0, 0, 0);
}
