/* The 9P server's extended attributes: those of the user namespace. A fid for one holds the value in memory, to be read or,
 * when it is clunked, to be set. */
#include "core/lib/string.h"
#include "core/lib/util.h"
#include "plat/linuxu/p9srv_int.h"
#include "shim/abi/errno.h"
#include "shim/abi/xattr.h"

/* The object under a path of the host's own: an O_PATH descriptor has no other way to its attributes. */
static int object_path(struct srv_fid *f, char path[40], int *fd, bool *own)
{
	*fd = srv_object_fd(f, own);
	if (*fd < 0)
		return *fd;
	ksnprintf(path, 40, "/proc/self/fd/%d", *fd);
	return 0;
}

static long fetch(const char *path, const char *name, void *buf, size_t size)
{
	return *name ? host_call4(HOST_getxattr, HP(path), HP(name), HP(buf), size)
		     : host_call3(HOST_listxattr, HP(path), HP(buf), size);
}

static struct srv_xattr *xattr_new(const char *name, size_t size)
{
	struct srv_xattr *x = host_alloc(sizeof(*x) + size);

	if (!x)
		return NULL;
	memset(x, 0, sizeof(*x));
	memcpy(x->name, name, strlen(name) + 1);
	x->size = size;
	return x;
}

void srv_xattr_free(struct srv_xattr *x)
{
	if (x)
		host_free(x, sizeof(*x) + x->size);
}

static int read_value(struct srv_fid *f, const char *name, struct srv_xattr **out)
{
	char path[40];
	struct srv_xattr *x;
	bool own;
	int fd, err = object_path(f, path, &fd, &own);
	long n;

	if (err)
		return err;
	n = fetch(path, name, NULL, 0);
	x = n < 0 ? NULL : xattr_new(name, (size_t)n);
	if (n > 0 && x) {
		n = fetch(path, name, x->data, x->size);
		if (n >= 0)
			x->len = (size_t)n;
	}
	if (own)
		host_close(fd);
	if (n < 0 || !x) {
		srv_xattr_free(x);
		return n < 0 ? (int)n : -ENOMEM;
	}
	*out = x;
	return 0;
}

static bool user_name(const char *name) { return !strncmp(name, XATTR_USER, sizeof(XATTR_USER) - 1); }

int srv_xattrwalk(struct srv_req *r)
{
	struct srv_fid *f = fid_find(r->dev, (uint32_t)srv_get(&r->in, 4)), *to;
	uint32_t num = (uint32_t)srv_get(&r->in, 4);
	char name[XATTR_NAME_MAX + 1];
	struct srv_xattr *x = NULL;
	size_t len;
	int err = srv_get_string(&r->in, name, sizeof(name), &len);

	if (r->in.bad || err)
		return err ? err : -EINVAL;
	if (!f)
		return -EBADF;
	if (num == SRV_NOFID || fid_find(r->dev, num) || f->xattr)
		return -EINVAL;
	if (len && !user_name(name))
		return -EOPNOTSUPP;
	err = read_value(f, name, &x);
	if (err)
		return err;
	to = fid_new(r->dev, num, node_get(f->node), f->uid);
	if (!to) {
		srv_xattr_free(x);
		return -ENOMEM;
	}
	to->xattr = x;
	srv_put(&r->out, x->len, 8);
	return 0;
}

int srv_xattrcreate(struct srv_req *r)
{
	struct srv_fid *f = fid_find(r->dev, (uint32_t)srv_get(&r->in, 4));
	char name[XATTR_NAME_MAX + 1];
	size_t len, size;
	int err = srv_get_string(&r->in, name, sizeof(name), &len);
	uint32_t flags;

	size = srv_get(&r->in, 8);
	flags = (uint32_t)srv_get(&r->in, 4);
	if (r->in.bad || err)
		return err ? err : -EINVAL;
	if (!f)
		return -EBADF;
	if (f->fd >= 0 || f->xattr || (flags & ~(XATTR_CREATE | XATTR_REPLACE)))
		return -EINVAL;
	if (r->ex->ro)
		return -EROFS;
	if (size > XATTR_SIZE_MAX)
		return -E2BIG;
	if (!user_name(name))
		return -EOPNOTSUPP;
	f->xattr = xattr_new(name, size);
	if (!f->xattr)
		return -ENOMEM;
	f->xattr->create = true;
	f->xattr->flags = flags;
	return 0;
}

/* Bytes at an offset of the value, between it and the segments behind a message's first `skip` bytes. */
long srv_xattr_io(struct srv_xattr *x, uint64_t off, const struct plat_9p_seg *segs, unsigned n, size_t skip, size_t count,
		  bool write)
{
	size_t end = write ? x->size : x->len, done = 0;

	if (write != x->create || off > end || (write && count > end - off))
		return write && x->create ? -ENOSPC : -EINVAL;
	count = MIN(count, end - off);
	for (unsigned i = 0; i < n && done < count; i++) {
		size_t from = MIN(skip, segs[i].len), k = MIN(segs[i].len - from, count - done);
		uint8_t *at = (uint8_t *)segs[i].base + from, *value = x->data + off + done;

		skip -= from;
		memcpy(write ? value : at, write ? at : value, k);
		done += k;
	}
	if (write)
		x->len = MAX(x->len, (size_t)off + done);
	return (long)done;
}

/* What a Tclunk does to the object. An incomplete value is none; an empty one means that the attribute goes. */
int srv_xattr_end(struct srv_fid *f)
{
	struct srv_xattr *x = f->xattr;
	char path[40];
	bool own;
	int fd, err;
	long done;

	if (!x || !x->create)
		return 0;
	if (x->len != x->size)
		return -EINVAL;
	err = object_path(f, path, &fd, &own);
	if (err)
		return err;
	done = x->size ? host_call5(HOST_setxattr, HP(path), HP(x->name), HP(x->data), x->size, x->flags)
		       : host_call3(HOST_removexattr, HP(path), HP(x->name), 0);
	if (own)
		host_close(fd);
	return (int)done;
}
