/* Extended attributes of files in memory: xattr(7), the user namespace (who asks, and for what, is the syscall's to check).
 *
 * An inode has a list of its own, or, in an overlay and until the first change, shows those of its lower inode. */
#include "core/fs/memfs.h"
#include "core/lib/string.h"
#include "core/mm/slab.h"
#include "shim/abi/errno.h"
#include "shim/abi/xattr.h"

#define XATTRS_MAX (2 * XATTR_SIZE_MAX) /* bytes of names and values of one inode */

static struct xattr **xattr_find(struct memfs_node *node, const char *name)
{
	struct xattr **p = &node->xattrs;

	while (*p && strcmp((*p)->name, name))
		p = &(*p)->next;
	return p;
}

/* Value and name in one piece. */
static struct xattr *xattr_new(const char *name, size_t size)
{
	size_t len = strlen(name) + 1;
	struct xattr *x = kmalloc(sizeof(*x) + size + len);

	if (!x)
		return NULL;
	x->size = (uint32_t)size;
	x->next = NULL;
	x->name = memcpy(x->value + size, name, len);
	return x;
}

static void xattrs_free(struct xattr *x)
{
	while (x) {
		struct xattr *next = x->next;

		kfree(x);
		x = next;
	}
}

void memfs_xattrs_free(struct memfs_node *node) { xattrs_free(node->xattrs); }

static struct inode *below(struct memfs_node *node)
{
	return node->own_xattrs || !node->lower || !node->lower->ops->getxattr ? NULL : node->lower;
}

static long list(const struct xattr *x, char *buf, size_t size)
{
	size_t at = 0;

	for (; x; x = x->next) {
		size_t n = strlen(x->name) + 1;

		if (size && at + n > size)
			return -ERANGE;
		if (size)
			memcpy(buf + at, x->name, n);
		at += n;
	}
	return (long)at;
}

long memfs_getxattr(struct inode *inode, const char *name, void *buf, size_t size)
{
	struct memfs_node *node = memfs_node(inode);
	struct inode *lower = below(node);
	const struct xattr *x;

	if (lower)
		return lower->ops->getxattr(lower, name, buf, size);
	if (!*name)
		return list(node->xattrs, buf, size);
	x = *xattr_find(node, name);
	if (!x)
		return -ENODATA;
	if (size && x->size > size)
		return -ERANGE;
	if (size)
		memcpy(buf, x->value, x->size);
	return (long)x->size;
}

/* One attribute of the lower inode, or an error that is no sign of a change below. */
static int fetch(struct inode *lower, const char *name, struct xattr **out)
{
	long n = lower->ops->getxattr(lower, name, NULL, 0);
	struct xattr *x;

	if (n < 0)
		return (int)n;
	x = xattr_new(name, (size_t)n);
	if (!x)
		return -ENOMEM;
	if (n) /* cannot be longer; shorter it may have become */
		n = lower->ops->getxattr(lower, name, x->value, (size_t)n);
	if (n < 0) {
		kfree(x);
		return (int)n;
	}
	x->size = (uint32_t)n;
	*out = x;
	return 0;
}

int memfs_xattrs_own(struct inode *inode)
{
	struct memfs_node *node = memfs_node(inode);
	struct inode *lower = below(node);
	struct xattr *all = NULL, *x = NULL;
	char *names = NULL;
	long n = lower ? lower->ops->getxattr(lower, "", NULL, 0) : 0;
	int r = 0;

	if (n > 0) {
		names = kmalloc((size_t)n);
		n = names ? lower->ops->getxattr(lower, "", names, (size_t)n) : -ENOMEM;
	}
	/* A file system below without any has none to lose. */
	if (n < 0 && n != -EOPNOTSUPP)
		r = (int)n;
	for (long at = 0; !r && at < n; at += (long)strlen(names + at) + 1) {
		if (strncmp(names + at, XATTR_USER, sizeof(XATTR_USER) - 1))
			continue;
		r = fetch(lower, names + at, &x);
		if (!r) {
			x->next = all;
			all = x;
		}
	}
	kfree(names);
	if (r) {
		xattrs_free(all);
		return r;
	}
	if (lower)
		node->xattrs = all;
	node->own_xattrs = true;
	return 0;
}

int memfs_setxattr(struct inode *inode, const char *name, const void *value, size_t size, unsigned flags)
{
	struct memfs_node *node = memfs_node(inode);
	struct xattr **p, *old, *x = NULL;
	size_t total = size;
	int r = memfs_xattrs_own(inode);

	if (r)
		return r;
	for (x = node->xattrs; x; x = x->next)
		total += x->size + strlen(x->name);
	if (value && total > XATTRS_MAX)
		return -ENOSPC;
	p = xattr_find(node, name);
	old = *p;
	if (!old && (!value || (flags & XATTR_REPLACE)))
		return -ENODATA;
	if (old && (flags & XATTR_CREATE))
		return -EEXIST;
	if (value) {
		x = xattr_new(name, size);
		if (!x)
			return -ENOMEM;
		memcpy(x->value, value, size);
		x->next = old ? old->next : NULL;
		p = xattr_find(node, name); /* allocations may sleep, but the inode is locked */
	}
	*p = value ? x : old->next;
	kfree(old);
	inode_now(inode, ATTR_CTIME);
	memfs_change(node);
	return 0;
}
