/* Who may do what to an inode: path_resolution(7) and chmod(2).
 *
 * The class that applies is the first that fits: owner, group, others; a class that denies is not mended by a later
 * one. uid 0 reads and writes everything, searches every directory, and executes a file that anybody may execute.
 *
 * Missing: capabilities apart from uid 0, access control lists. */
#include "core/fs/vfs.h"
#include "core/proc/cred.h"
#include "shim/abi/errno.h"
#include "shim/abi/stat.h"

static bool root_may(const struct inode *inode, unsigned may)
{
	return !(may & MAY_EXEC) || S_ISDIR(inode->mode) || (inode->mode & 0111);
}

static int class_check(uint32_t bits, unsigned may)
{
	return (may & ~bits & 7) ? -EACCES : 0;
}

int inode_permission(const struct inode *inode, unsigned may)
{
	const struct cred *c = cred_current();
	uint32_t mode = inode->mode;

	if (c->fsuid == 0)
		return root_may(inode, may) ? 0 : -EACCES;
	if (c->fsuid == inode->uid)
		mode >>= 6;
	else if (cred_in_group(c, inode->gid))
		mode >>= 3;
	return class_check(mode, may);
}

static bool real_in_group(const struct cred *c, uint32_t gid)
{
	if (c->rgid == gid)
		return true;
	for (uint32_t i = 0; i < c->ngroups; i++)
		if (c->groups[i] == gid)
			return true;
	return false;
}

int inode_permission_real(const struct inode *inode, unsigned may)
{
	const struct cred *c = cred_current();
	uint32_t mode = inode->mode;

	if (c->ruid == 0)
		return root_may(inode, may) ? 0 : -EACCES;
	if (c->ruid == inode->uid)
		mode >>= 6;
	else if (real_in_group(c, inode->gid))
		mode >>= 3;
	return class_check(mode, may);
}

int inode_owner_check(const struct inode *inode)
{
	const struct cred *c = cred_current();

	return c->fsuid == 0 || c->fsuid == inode->uid ? 0 : -EPERM;
}
