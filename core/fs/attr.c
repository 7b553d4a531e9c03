/* Attributes of inodes and their rules: chmod(2), chown(2), utimensat(2), truncate(2), fallocate(2), access(2).
 *
 * Checks that need only the inode are here; those that need a path (read-only mounts) see the super, which a mount
 * makes read-only as a whole. File systems get changes that have passed all checks.
 *
 * Missing: immutable and append-only flags, access control lists, project quotas. */
#include "core/file/file.h"
#include "core/fs/walk.h"
#include "core/proc/cred.h"
#include "core/proc/proc.h"
#include "core/proc/signal.h"
#include "core/sched.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/resource.h"
#include "shim/abi/signal.h"
#include "shim/abi/stat.h"

#define ATTR_TIMES (ATTR_ATIME | ATTR_MTIME | ATTR_ATIME_NOW | ATTR_MTIME_NOW)

int vfs_getattr(struct inode *inode) { return inode->ops->getattr ? inode->ops->getattr(inode) : 0; }

static bool readonly(const struct inode *i) { return (i->super->flags & MS_RDONLY) != 0; }

/* The caller is in the group, or root: it may have the setgid bit. */
static bool group_ok(uint32_t gid)
{
	const struct cred *c = cred_current();

	return c->fsuid == 0 || cred_in_group(c, gid);
}

/* ---- setattr ---- */

static int chown_check(const struct inode *i, const struct iattr *a)
{
	const struct cred *c = cred_current();

	if (c->fsuid == 0)
		return 0;
	if ((a->valid & ATTR_UID) && (c->fsuid != i->uid || a->uid != i->uid))
		return -EPERM;
	if ((a->valid & ATTR_GID) && (c->fsuid != i->uid || (a->gid != i->gid && !cred_in_group(c, a->gid))))
		return -EPERM;
	return 0;
}

/* Both times set to now needs only write permission: utimensat(2). */
static int utimes_check(const struct inode *i, const struct iattr *a)
{
	bool touch = (a->valid & (ATTR_ATIME_NOW | ATTR_MTIME_NOW)) == (ATTR_ATIME_NOW | ATTR_MTIME_NOW);

	if (!inode_owner_check(i))
		return 0;
	return touch ? inode_permission(i, MAY_WRITE) : -EPERM;
}

/* What is left of the mode when somebody else may have changed the contents or the owner. */
static uint32_t mode_without_privileges(const struct inode *i)
{
	uint32_t mode = i->mode & ~(uint32_t)S_ISUID;

	if ((mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) || !group_ok(i->gid))
		mode &= ~(uint32_t)S_ISGID;
	return mode;
}

static int setattr_check(const struct inode *i, const struct iattr *a)
{
	int r = 0;

	if (readonly(i))
		return -EROFS;
	if ((a->valid & ATTR_MODE) && S_ISLNK(i->mode))
		return -EOPNOTSUPP;
	if (a->valid & (ATTR_UID | ATTR_GID))
		r = chown_check(i, a);
	if (!r && (a->valid & ATTR_MODE))
		r = inode_owner_check(i);
	if (!r && (a->valid & ATTR_TIMES))
		r = utimes_check(i, a);
	return r;
}

/* The file system and then the inode. Locked. */
static int setattr_do(struct inode *i, const struct iattr *a)
{
	int r = i->ops->setattr ? i->ops->setattr(i, a) : -EPERM;

	if (!r)
		inode_apply(i, a);
	return r;
}

int vfs_setattr(struct inode *inode, struct iattr *a)
{
	int r = setattr_check(inode, a);

	if (r)
		return r;
	if (a->valid & ATTR_ATIME_NOW)
		a->valid |= ATTR_ATIME;
	if (a->valid & ATTR_MTIME_NOW)
		a->valid |= ATTR_MTIME;
	if (a->valid & (ATTR_ATIME_NOW | ATTR_MTIME_NOW)) {
		struct timespec64 now = timespec_now();

		if (a->valid & ATTR_ATIME_NOW)
			a->atime = now;
		if (a->valid & ATTR_MTIME_NOW)
			a->mtime = now;
	}
	mutex_lock(&inode->lock);
	if (a->valid & ATTR_MODE) {
		a->mode = (inode->mode & S_IFMT) | (a->mode & 07777);
		if (!group_ok(a->valid & ATTR_GID ? a->gid : inode->gid))
			a->mode &= ~(uint32_t)S_ISGID;
	} else if ((a->valid & (ATTR_UID | ATTR_GID | ATTR_CHOWN)) && !S_ISDIR(inode->mode)) {
		/* chown(2): a new owner does not inherit setuid, not even from root or when it is the old one. */
		a->mode = mode_without_privileges(inode);
		if (a->mode != inode->mode) {
			a->valid |= ATTR_MODE;
			r = inode_owner_check(inode);
		}
	}
	if (!r)
		r = setattr_do(inode, a);
	mutex_unlock(&inode->lock);
	return r;
}

void inode_drop_privileges(struct inode *i)
{
	struct iattr a = { .valid = ATTR_MODE };

	if (likely(!(i->mode & (S_ISUID | S_ISGID))) || cred_current()->fsuid == 0)
		return;
	a.mode = mode_without_privileges(i);
	if (a.mode != i->mode)
		(void)setattr_do(i, &a); /* the write stands even so */
}

/* ---- size ---- */

/* RLIMIT_FSIZE holds for growing: setrlimit(2). */
static int size_limit(const struct inode *i, uint64_t size)
{
	if (size > INT64_MAX)
		return -EINVAL;
	if (size <= i->size || size <= proc_rlimit(RLIMIT_FSIZE))
		return 0;
	signal_send_thread(current_thread(), &(struct siginfo){ .signo = SIGXFSZ });
	return -EFBIG;
}

int vfs_truncate(struct inode *inode, uint64_t size)
{
	struct iattr a = { .valid = ATTR_SIZE | ATTR_MTIME | ATTR_MTIME_NOW, .size = size };
	int r;

	if (S_ISDIR(inode->mode))
		return -EISDIR;
	if (!S_ISREG(inode->mode))
		return -EINVAL;
	if (readonly(inode))
		return -EROFS;
	if (inode->deny_write)
		return -ETXTBSY;
	a.mtime = timespec_now();
	mutex_lock(&inode->lock);
	r = size_limit(inode, size);
	if (!r && (inode->mode & (S_ISUID | S_ISGID)) && cred_current()->fsuid != 0) {
		a.mode = mode_without_privileges(inode);
		a.valid |= ATTR_MODE;
	}
	if (!r)
		r = setattr_do(inode, &a);
	mutex_unlock(&inode->lock);
	return r;
}

#define FALLOC_KNOWN (FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)

static int fallocate_check(struct file *f, int mode, int64_t off, int64_t len)
{
	const struct inode *i = f->inode;

	if (off < 0 || len <= 0)
		return -EINVAL;
	if (mode & ~FALLOC_KNOWN)
		return -EOPNOTSUPP;
	if ((mode & FALLOC_FL_PUNCH_HOLE) && mode != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	if (!file_writable(f))
		return -EBADF;
	if (S_ISFIFO(i->mode))
		return -ESPIPE;
	if (S_ISDIR(i->mode))
		return -EISDIR;
	if (!S_ISREG(i->mode))
		return -ENODEV;
	if (off > INT64_MAX - len)
		return -EFBIG;
	return i->ops->fallocate ? 0 : -EOPNOTSUPP;
}

int vfs_fallocate(struct file *f, int mode, int64_t off, int64_t len)
{
	struct inode *i = f->inode;
	int r = fallocate_check(f, mode, off, len);

	if (r)
		return r;
	mutex_lock(&i->lock);
	if (!(mode & FALLOC_FL_KEEP_SIZE))
		r = size_limit(i, (uint64_t)(off + len));
	if (!r)
		r = i->ops->fallocate(i, mode, (uint64_t)off, (uint64_t)len);
	if (!r) {
		inode_now(i, ATTR_MTIME | ATTR_CTIME);
		inode_drop_privileges(i);
	}
	mutex_unlock(&i->lock);
	return r;
}

/* ---- access ---- */

int vfs_access(const struct path *p, unsigned may, bool real_ids)
{
	const struct inode *i = p->dentry->inode;

	if ((may & MAY_WRITE) && path_readonly(p) && (S_ISREG(i->mode) || S_ISDIR(i->mode) || S_ISLNK(i->mode)))
		return -EROFS;
	if (!may)
		return 0;
	return real_ids ? inode_permission_real(i, may) : inode_permission(i, may);
}
