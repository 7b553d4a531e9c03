/* Extended attributes over 9P2000.L. A Txattrwalk makes a fid whose data is the value, or with an empty name the list; a
 * Txattrcreate turns one into a place for the new value, which takes effect, and may fail, when it is clunked.
 *
 * Missing: an empty value, which to the server means that the attribute goes. */
#include "core/fs/p9_node.h"
#include "core/lib/string.h"
#include "core/mm/slab.h"
#include "shim/abi/errno.h"
#include "shim/abi/xattr.h"

/* All of f's data, size bytes, from or (type P9_TWRITE) to the server; the memory is physically contiguous (kmalloc). */
static int move_all(struct p9_client *c, struct p9_fid *f, uint8_t type, uint8_t *buf, size_t size)
{
	size_t max = p9_data_max(c, 0), at = 0;
	int err = 0;

	while (!err && at < size) {
		struct p9_slot *s = p9_begin(c, type);
		size_t n = MIN(size - at, max);

		p9_put_u32(&s->out, f->num);
		p9_put_u64(&s->out, at);
		p9_put_u32(&s->out, (uint32_t)n);
		if (type == P9_TWRITE)
			p9_add_out(s, buf + at, n);
		else
			p9_add_in(s, P9_HDR + 4, buf + at, n);
		err = p9_call(c, s);
		if (!err) {
			uint32_t moved = p9_get_u32(&s->in);

			if (!p9_in_done(&s->in) || !moved || moved > n ||
			    (type == P9_TREAD && moved > s->req.in_len - P9_HDR - 4))
				err = -EIO;
			at += moved;
		}
		p9_end(c, s);
	}
	return err;
}

long p9_getxattr(struct inode *inode, const char *name, void *buf, size_t size)
{
	struct p9_client *c = p9_node_of(inode)->c;
	struct p9_fid *from, *f;
	struct p9_slot *s;
	uint64_t len = 0;
	int err = p9_fid_new(c, &f);

	if (err)
		return err;
	err = p9_node_any_fid(p9_node_of(inode), &from);
	if (err) {
		p9_fid_discard(c, f);
		return err;
	}
	s = p9_begin(c, P9_TXATTRWALK);
	p9_put_u32(&s->out, from->num);
	p9_put_u32(&s->out, f->num);
	p9_put_str(&s->out, name, strlen(name));
	err = p9_call(c, s);
	if (!err) {
		len = p9_get_u64(&s->in);
		if (!p9_in_done(&s->in) || len > XATTR_SIZE_MAX)
			err = -EIO;
	}
	p9_end(c, s);
	p9_fid_put(c, from);
	if (err) {
		p9_fid_clunk(c, f);
		return err;
	}
	if (size && len > size)
		err = -ERANGE;
	else if (size)
		err = move_all(c, f, P9_TREAD, buf, len);
	if (!err && !*name && size && len && ((char *)buf)[len - 1])
		err = -EIO; /* a list of names ends with the end of one */
	p9_fid_clunk(c, f);
	return err ? err : (long)len;
}

int p9_setxattr(struct inode *inode, const char *name, const void *value, size_t size, unsigned flags)
{
	struct p9_node *n = p9_node_of(inode);
	struct p9_client *c = n->c;
	struct p9_fid *f;
	struct p9_slot *s;
	int err, clunked;

	if (value && !size)
		return -EOPNOTSUPP;
	err = p9_node_clone(n, &f);
	if (err)
		return err;
	s = p9_begin(c, P9_TXATTRCREATE);
	p9_put_u32(&s->out, f->num);
	p9_put_str(&s->out, name, strlen(name));
	p9_put_u64(&s->out, size);
	p9_put_u32(&s->out, flags);
	err = p9_call_end(c, s);
	if (!err)
		err = move_all(c, f, P9_TWRITE, (uint8_t *)value, size);
	/* The fid is gone whatever the answer is. */
	s = p9_begin(c, P9_TCLUNK);
	p9_put_u32(&s->out, f->num);
	clunked = p9_call_end(c, s);
	p9_fid_discard(c, f);
	n->changes++;
	n->fresh = false;
	return err ? err : clunked;
}
