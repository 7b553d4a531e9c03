/* The 9P2000.L server: messages, fids, and the requests that deal with fids alone.
 *
 * The protocol: 9P2000 (Plan 9 manual, section 5) with the .L extension as the Linux client speaks it. Nothing in a
 * request is trusted: a malformed one is answered with an error, one that cannot even be answered with length 0.
 * Requests are handled one at a time and to the end, so there is nothing for Tflush to do. Authentication is not
 * offered. */
#include "core/lib/string.h"
#include "plat/linuxu/p9srv_int.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/stat.h"

#define HEAD 7                /* size[4] type[1] tag[2] */
#define META_MAX (64 * 1024u) /* everything but file data fits: 16 names, a path, a directory listing */
#define MSIZE_MIN 512u
#define WALK_MAX 16
#define FID_BUCKETS 256

static struct srv_export exports[P9SRV_EXPORTS];
static int nexports;
static struct srv_fid *fids[P9SRV_EXPORTS][FID_BUCKETS];
static size_t fid_count;
static uint8_t request_buf[META_MAX], reply_buf[META_MAX];

/* ---- encoding ---- */

uint64_t srv_get(struct srv_in *m, unsigned bytes)
{
	uint64_t v = 0;

	if ((size_t)(m->end - m->p) < bytes) {
		m->bad = true;
		m->p = m->end;
		return 0;
	}
	for (unsigned i = 0; i < bytes; i++)
		v |= (uint64_t)*m->p++ << (8 * i);
	return v;
}

int srv_get_string(struct srv_in *m, char *buf, size_t size, size_t *len)
{
	size_t n = srv_get(m, 2);

	if (m->bad || (size_t)(m->end - m->p) < n) {
		m->bad = true;
		return -EINVAL;
	}
	*len = MIN(n, size - 1);
	memcpy(buf, m->p, *len);
	buf[*len] = 0;
	m->p += n;
	if (n >= size)
		return -ENAMETOOLONG;
	return memchr(buf, 0, n) ? -EINVAL : 0;
}

int srv_get_name(struct srv_in *m, struct srv_name *n)
{
	size_t len = 0;
	int r = srv_get_string(m, n->s, sizeof(n->s), &len);

	n->len = (uint16_t)len;
	if (r)
		return r;
	if (len == 0 || memchr(n->s, '/', len) || strcmp(n->s, ".") == 0 || strcmp(n->s, "..") == 0)
		return -EINVAL;
	return 0;
}

void srv_put(struct srv_out *m, uint64_t v, unsigned bytes)
{
	if (m->cap - m->len < bytes) {
		m->overflow = true;
		return;
	}
	for (unsigned i = 0; i < bytes; i++)
		m->buf[m->len++] = (uint8_t)(v >> (8 * i));
}

void srv_put_string(struct srv_out *m, const char *s, size_t len)
{
	srv_put(m, len, 2);
	if (m->cap - m->len < len) {
		m->overflow = true;
		return;
	}
	memcpy(m->buf + m->len, s, len);
	m->len += len;
}

/* The version changes whenever the file does: it is a hash of the two change times and the size. */
void srv_put_qid(struct srv_out *m, const struct host_stat *st)
{
	uint64_t v = (uint64_t)st->mtime.sec * NSEC_PER_SEC + (uint64_t)st->mtime.nsec;

	v = v * 31 + (uint64_t)st->ctime.sec * NSEC_PER_SEC + (uint64_t)st->ctime.nsec;
	v = (v * 31 + (uint64_t)st->size) * 0x9e3779b97f4a7c15ul;
	srv_put(m, S_ISDIR(st->mode) ? 0x80 : S_ISLNK(st->mode) ? 0x02 : 0, 1);
	srv_put(m, v >> 32, 4);
	srv_put(m, srv_qid_path(st->dev, st->ino), 8);
}

/* ---- fids ---- */

struct srv_fid *fid_find(int dev, uint32_t num)
{
	struct srv_fid *f = fids[dev][num % FID_BUCKETS];

	while (f && f->num != num)
		f = f->next;
	return f;
}

struct srv_fid *fid_new(int dev, uint32_t num, struct srv_node *node, uint32_t uid)
{
	struct srv_fid *f = host_alloc(sizeof(*f));

	if (!f) {
		node_put(node);
		return NULL;
	}
	f->num = num;
	f->node = node;
	f->uid = uid;
	f->fd = -1;
	f->next = fids[dev][num % FID_BUCKETS];
	fids[dev][num % FID_BUCKETS] = f;
	fid_count++;
	return f;
}

static void fid_drop(int dev, struct srv_fid *f)
{
	struct srv_fid **p = &fids[dev][f->num % FID_BUCKETS];

	while (*p != f)
		p = &(*p)->next;
	*p = f->next;
	if (f->fd >= 0)
		host_close(f->fd);
	srv_xattr_free(f->xattr);
	node_put(f->node);
	host_free(f, sizeof(*f));
	fid_count--;
}

static void fids_drop_all(int dev)
{
	for (unsigned i = 0; i < FID_BUCKETS; i++)
		while (fids[dev][i])
			fid_drop(dev, fids[dev][i]);
}

int fid_stat(struct srv_fid *f, struct host_stat *st)
{
	return f->fd >= 0 ? (int)host_fstat(f->fd, st) : node_stat(f->node, st);
}

size_t p9srv_fids(void)
{
	return fid_count;
}

/* ---- exports ---- */

int p9srv_export(const char *tag, const char *dir, bool ro)
{
	size_t n = strlen(tag);
	struct srv_export *e = &exports[nexports];
	long fd;

	if (nexports == P9SRV_EXPORTS)
		return -ENOSPC;
	if (n == 0 || n > P9SRV_TAG_MAX || p9srv_find(tag) >= 0)
		return -EINVAL;
	fd = host_openat(AT_FDCWD, dir, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		return (int)fd;
	e->root = node_root_new((int)fd);
	if (!e->root) {
		host_close((int)fd);
		return -ENOMEM;
	}
	memcpy(e->tag, tag, n + 1);
	e->ro = ro;
	return nexports++;
}

int p9srv_find(const char *tag)
{
	for (int i = 0; i < nexports; i++)
		if (strcmp(exports[i].tag, tag) == 0)
			return i;
	return -ENODEV;
}

void p9srv_reset(void)
{
	while (nexports > 0) {
		nexports--;
		fids_drop_all(nexports);
		node_put(exports[nexports].root);
	}
	node_table_free();
}

/* ---- requests about fids ---- */

static int srv_version(struct srv_req *r)
{
	uint32_t msize = (uint32_t)srv_get(&r->in, 4);
	char version[32];
	size_t len;
	int err = srv_get_string(&r->in, version, sizeof(version), &len);
	bool ours = err == 0 && strcmp(version, "9P2000.L") == 0;

	if (r->in.bad || msize < MSIZE_MIN)
		return -EINVAL;
	fids_drop_all(r->dev);
	srv_put(&r->out, MIN(msize, P9SRV_MSIZE), 4);
	srv_put_string(&r->out, ours ? "9P2000.L" : "unknown", ours ? 8 : 7);
	return 0;
}

static int srv_attach(struct srv_req *r)
{
	uint32_t num = (uint32_t)srv_get(&r->in, 4), afid = (uint32_t)srv_get(&r->in, 4), uid;
	struct host_stat st;
	char text[256];
	size_t len;
	int err;

	srv_get_string(&r->in, text, sizeof(text), &len); /* user's name: n_uname counts */
	srv_get_string(&r->in, text, sizeof(text), &len); /* the one tree of this device, whatever it is called */
	uid = (uint32_t)srv_get(&r->in, 4);
	if (r->in.bad || afid != SRV_NOFID || num == SRV_NOFID || fid_find(r->dev, num))
		return -EINVAL;
	err = node_stat(r->ex->root, &st);
	if (err)
		return err;
	if (!fid_new(r->dev, num, node_get(r->ex->root), uid))
		return -ENOMEM;
	srv_put_qid(&r->out, &st);
	return 0;
}

/* One step: *node is replaced by what the name leads to; *st describes it. */
static int walk_step(struct srv_node **node, const char *name, size_t len, struct host_stat *st)
{
	struct srv_node *n = *node, *next;
	int dirfd, r;

	if (len == 0 || memchr(name, '/', len) || strcmp(name, ".") == 0)
		return -EINVAL;
	if (strcmp(name, "..") == 0) {
		next = node_get(n->parent ? n->parent : n);
		r = node_stat(next, st);
	} else {
		dirfd = node_dirfd(n);
		r = dirfd < 0 ? dirfd : (int)host_fstatat(dirfd, name, st, AT_SYMLINK_NOFOLLOW);
		next = r < 0 ? NULL : node_child(n, name, len);
		if (r == 0 && !next)
			r = -ENOMEM;
	}
	if (r < 0) {
		node_put(next);
		return r;
	}
	node_put(n);
	*node = next;
	return 0;
}

static int srv_walk(struct srv_req *r)
{
	struct srv_fid *f = fid_find(r->dev, (uint32_t)srv_get(&r->in, 4));
	uint32_t num = (uint32_t)srv_get(&r->in, 4);
	unsigned n = (unsigned)srv_get(&r->in, 2), done = 0;
	size_t count_at = r->out.len, end;
	struct srv_node *node;
	int err = 0;

	if (r->in.bad || n > WALK_MAX || num == SRV_NOFID)
		return -EINVAL;
	if (!f)
		return -EBADF;
	if (f->xattr || (num == f->num ? f->fd >= 0 : fid_find(r->dev, num) != NULL))
		return -EINVAL;
	srv_put(&r->out, 0, 2);
	node = node_get(f->node);
	while (done < n) {
		struct host_stat st;
		struct srv_name name;
		size_t len;

		err = srv_get_string(&r->in, name.s, sizeof(name.s), &len);
		if (!err)
			err = walk_step(&node, name.s, len, &st);
		if (err)
			break;
		srv_put_qid(&r->out, &st);
		done++;
	}
	if (r->in.bad || (err && done == 0)) {
		node_put(node);
		return r->in.bad ? -EINVAL : err;
	}
	end = r->out.len;
	r->out.len = count_at;
	srv_put(&r->out, done, 2);
	r->out.len = end;
	if (done < n) {
		node_put(node); /* the new fid stays unknown */
		return 0;
	}
	if (num == f->num) {
		node_put(f->node);
		f->node = node;
		return 0;
	}
	return fid_new(r->dev, num, node, f->uid) ? 0 : -ENOMEM;
}

static int srv_clunk(struct srv_req *r)
{
	struct srv_fid *f = fid_find(r->dev, (uint32_t)srv_get(&r->in, 4));
	int err;

	if (r->in.bad)
		return -EINVAL;
	if (!f)
		return -EBADF;
	err = srv_xattr_end(f);
	fid_drop(r->dev, f);
	return err;
}

/* Clunks the fid even when the removal fails. */
static int srv_remove(struct srv_req *r)
{
	struct srv_in again = r->in;
	int err = srv_remove_node(r), gone;

	r->in = again;
	gone = srv_clunk(r);
	return err ? err : gone;
}

static int srv_flush(struct srv_req *r)
{
	srv_get(&r->in, 2);
	return r->in.bad ? -EINVAL : 0;
}

static int srv_unsupported(struct srv_req *r)
{
	return -EOPNOTSUPP;
}

/* ---- dispatch ---- */

static srv_op *op_of(uint8_t type)
{
	switch (type) {
	case TSTATFS: return srv_statfs;
	case TLOPEN: return srv_lopen;
	case TLCREATE: return srv_lcreate;
	case TSYMLINK: return srv_symlink;
	case TMKNOD: return srv_mknod;
	case TRENAME: return srv_rename;
	case TREADLINK: return srv_readlink;
	case TGETATTR: return srv_getattr;
	case TSETATTR: return srv_setattr;
	case TXATTRWALK: return srv_xattrwalk;
	case TXATTRCREATE: return srv_xattrcreate;
	case TREADDIR: return srv_readdir;
	case TFSYNC: return srv_fsync;
	case TLOCK: return srv_lock;
	case TGETLOCK: return srv_getlock;
	case TLINK: return srv_link;
	case TMKDIR: return srv_mkdir;
	case TRENAMEAT: return srv_renameat;
	case TUNLINKAT: return srv_unlinkat;
	case TVERSION: return srv_version;
	case TATTACH: return srv_attach;
	case TFLUSH: return srv_flush;
	case TWALK: return srv_walk;
	case TREAD: return srv_read;
	case TWRITE: return srv_write;
	case TCLUNK: return srv_clunk;
	case TREMOVE: return srv_remove;
	default: return srv_unsupported;
	}
}

static size_t segs_total(const struct plat_9p_seg *segs, unsigned n)
{
	size_t total = 0;

	for (unsigned i = 0; i < n; i++)
		total += segs[i].len;
	return total;
}

static size_t gather(uint8_t *dst, size_t max, const struct plat_9p_seg *segs, unsigned n)
{
	size_t done = 0;

	for (unsigned i = 0; i < n && done < max; i++) {
		size_t k = MIN(segs[i].len, max - done);

		memcpy(dst + done, segs[i].base, k);
		done += k;
	}
	return done;
}

static void scatter(const struct plat_9p_seg *segs, unsigned n, const uint8_t *src, size_t len)
{
	size_t done = 0;

	for (unsigned i = 0; i < n && done < len; i++) {
		size_t k = MIN(segs[i].len, len - done);

		memcpy(segs[i].base, src + done, k);
		done += k;
	}
}

static void reply_head(struct srv_out *m, uint8_t type, uint16_t tag)
{
	m->len = 0;
	m->overflow = false;
	srv_put(m, 0, 4);
	srv_put(m, type, 1);
	srv_put(m, tag, 2);
}

size_t p9srv_call(int dev, const struct plat_9p_seg *out, unsigned nout, const struct plat_9p_seg *in, unsigned nin)
{
	size_t have = gather(request_buf, sizeof(request_buf), out, nout), total;
	struct srv_req r = { .dev = dev, .out_segs = out, .nout = nout, .in_segs = in, .nin = nin };
	uint8_t type;
	uint16_t tag;
	int err;

	r.in = (struct srv_in){ request_buf, request_buf + have, false };
	r.msg_len = srv_get(&r.in, 4);
	type = (uint8_t)srv_get(&r.in, 1);
	tag = (uint16_t)srv_get(&r.in, 2);
	r.room = MIN(segs_total(in, nin), P9SRV_MSIZE);
	if (r.in.bad || dev < 0 || dev >= nexports || r.msg_len < HEAD || r.msg_len > segs_total(out, nout) ||
	    r.room < HEAD + 4)
		return 0;
	r.ex = &exports[dev];
	r.in.end = request_buf + MIN(have, r.msg_len);
	r.out = (struct srv_out){ .buf = reply_buf, .cap = MIN(sizeof(reply_buf), r.room) };
	reply_head(&r.out, (uint8_t)(type + 1), tag);
	if (r.msg_len > have && type != TWRITE)
		err = -EMSGSIZE;
	else
		err = op_of(type)(&r);
	if (!err && r.out.overflow)
		err = -EMSGSIZE;
	if (err) {
		r.data_len = 0;
		reply_head(&r.out, RLERROR, tag);
		srv_put(&r.out, (uint64_t)-err, 4);
	}
	total = r.out.len + r.data_len;
	r.out.len = 0;
	srv_put(&r.out, total, 4);
	scatter(in, nin, reply_buf, total - r.data_len);
	return total;
}
