/* Identity of a process, and the permission checks of path_resolution(7) and chmod(2). uid 0 passes all of them. */
#ifndef CORE_PROC_CRED_H
#define CORE_PROC_CRED_H

#include "core/types.h"

struct inode;

struct cred {
	unsigned refs;
	uint32_t ruid, euid, suid, fsuid;
	uint32_t rgid, egid, sgid, fsgid;
	uint32_t ngroups;
	uint32_t *groups; /* owned */
};

struct cred *cred_new(void); /* root, no groups; NULL when RAM is short */
struct cred *cred_copy(const struct cred *c);
struct cred *cred_get(struct cred *c);
void cred_put(struct cred *c);
const struct cred *cred_current(void);
bool cred_in_group(const struct cred *c, uint32_t gid);
bool cred_is_root(const struct cred *c);

#define MAY_EXEC 1u
#define MAY_WRITE 2u
#define MAY_READ 4u
/* 0 or -EACCES, by fsuid, fsgid and groups. */
int inode_permission(const struct inode *inode, unsigned may);
/* By the real ids, for access(2) and faccessat2 without AT_EACCESS. */
int inode_permission_real(const struct inode *inode, unsigned may);
/* 0, or -EPERM unless the caller owns the inode or is root. */
int inode_owner_check(const struct inode *inode);

#endif
