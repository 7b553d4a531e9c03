/* Encoding and decoding of 9P2000.L messages. Pure functions on buffers, so that a fuzzer can feed the decoders
 * bytes.
 *
 * A reader that meets the end of its buffer, or an impossible value, turns bad: it yields zeroes from then on, and
 * the parse functions answer -EIO. They check everything that later code relies on: types, sizes that fit an off_t,
 * names that are names. */
#include "core/fs/p9_msg.h"
#include "core/lib/string.h"
#include "shim/abi/errno.h"
#include "shim/abi/stat.h"

/* ---- writing ---- */

static void out_bytes(struct p9_out *o, const void *p, size_t n)
{
	if (n > o->cap - o->len) {
		o->overflow = true;
		return;
	}
	memcpy(o->buf + o->len, p, n);
	o->len += n;
}

static void out_int(struct p9_out *o, uint64_t v, size_t n)
{
	uint8_t b[8];

	for (size_t k = 0; k < n; k++)
		b[k] = (uint8_t)(v >> (8 * k));
	out_bytes(o, b, n);
}

void p9_put_u8(struct p9_out *o, uint8_t v) { out_int(o, v, 1); }
void p9_put_u16(struct p9_out *o, uint16_t v) { out_int(o, v, 2); }
void p9_put_u32(struct p9_out *o, uint32_t v) { out_int(o, v, 4); }
void p9_put_u64(struct p9_out *o, uint64_t v) { out_int(o, v, 8); }

void p9_put_str(struct p9_out *o, const char *s, size_t len)
{
	if (len > UINT16_MAX) {
		o->overflow = true;
		return;
	}
	p9_put_u16(o, (uint16_t)len);
	out_bytes(o, s, len);
}

void p9_out_begin(struct p9_out *o, void *buf, size_t cap, uint8_t type, uint16_t tag)
{
	*o = (struct p9_out){ .buf = buf, .cap = cap };
	p9_put_u32(o, 0);
	p9_put_u8(o, type);
	p9_put_u16(o, tag);
}

bool p9_out_end(struct p9_out *o, size_t extra)
{
	size_t len = o->len, total = len + extra;

	if (o->overflow || total > UINT32_MAX)
		return false;
	o->len = 0;
	p9_put_u32(o, (uint32_t)total);
	o->len = len;
	return true;
}

/* ---- reading ---- */

void p9_in_init(struct p9_in *i, const void *buf, size_t len)
{
	*i = (struct p9_in){ .buf = buf, .len = len };
}

bool p9_in_done(const struct p9_in *i) { return !i->bad && i->pos == i->len; }

static const uint8_t *in_bytes(struct p9_in *i, size_t n)
{
	const uint8_t *p = i->buf + i->pos;

	if (i->bad || n > i->len - i->pos) {
		i->bad = true;
		return NULL;
	}
	i->pos += n;
	return p;
}

static uint64_t in_int(struct p9_in *i, size_t n)
{
	const uint8_t *p = in_bytes(i, n);
	uint64_t v = 0;

	for (size_t k = 0; p && k < n; k++)
		v |= (uint64_t)p[k] << (8 * k);
	return v;
}

uint8_t p9_get_u8(struct p9_in *i) { return (uint8_t)in_int(i, 1); }
uint16_t p9_get_u16(struct p9_in *i) { return (uint16_t)in_int(i, 2); }
uint32_t p9_get_u32(struct p9_in *i) { return (uint32_t)in_int(i, 4); }
uint64_t p9_get_u64(struct p9_in *i) { return in_int(i, 8); }

const char *p9_get_str(struct p9_in *i, uint16_t *len)
{
	uint16_t n = p9_get_u16(i);
	const uint8_t *p = in_bytes(i, n);

	*len = 0;
	if (p && n && memchr(p, 0, n))
		i->bad = true;
	if (!p || i->bad)
		return "";
	*len = n;
	return (const char *)p;
}

struct p9_qid p9_get_qid(struct p9_in *i)
{
	struct p9_qid q;

	q.type = p9_get_u8(i);
	q.version = p9_get_u32(i);
	q.path = p9_get_u64(i);
	return q;
}

int p9_reply(struct p9_in *i, const void *buf, size_t buf_len, size_t in_len, uint8_t type, uint16_t tag)
{
	uint32_t size, err;
	uint8_t got;

	p9_in_init(i, buf, MIN(buf_len, in_len));
	size = p9_get_u32(i);
	got = p9_get_u8(i);
	if (p9_get_u16(i) != tag || i->bad || size != in_len)
		return -EIO;
	if (got == P9_RLERROR) {
		err = p9_get_u32(i);
		return p9_in_done(i) && err > 0 && err < 4096 ? -(int)err : -EIO;
	}
	return got == type + 1 ? 0 : -EIO;
}

int p9_parse_version(struct p9_in *i, uint32_t *msize)
{
	const char *s;
	uint16_t len;

	*msize = p9_get_u32(i);
	s = p9_get_str(i, &len);
	if (!p9_in_done(i) || len != strlen(P9_VERSION) || memcmp(s, P9_VERSION, len))
		return -EIO;
	return 0;
}

int p9_parse_walk(struct p9_in *i, struct p9_qid *qids, unsigned max, unsigned *n)
{
	*n = p9_get_u16(i);
	if (i->bad || *n > max)
		return -EIO;
	for (unsigned k = 0; k < *n; k++)
		qids[k] = p9_get_qid(i);
	return p9_in_done(i) ? 0 : -EIO;
}

/* The type bits of mode must be a type, and the qid must agree about directories and symlinks. */
static bool mode_sane(uint32_t mode, uint8_t qtype)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return (qtype & P9_QTDIR) != 0;
	case S_IFLNK:
	case S_IFREG:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		return !(qtype & P9_QTDIR);
	}
	return false;
}

int p9_parse_attr(struct p9_in *i, struct p9_attr *a)
{
	a->valid = p9_get_u64(i);
	a->qid = p9_get_qid(i);
	a->mode = p9_get_u32(i);
	a->uid = p9_get_u32(i);
	a->gid = p9_get_u32(i);
	a->nlink = p9_get_u64(i);
	a->rdev = p9_get_u64(i);
	a->size = p9_get_u64(i);
	a->blksize = p9_get_u64(i);
	a->blocks = p9_get_u64(i);
	a->atime_sec = p9_get_u64(i);
	a->atime_nsec = p9_get_u64(i);
	a->mtime_sec = p9_get_u64(i);
	a->mtime_nsec = p9_get_u64(i);
	a->ctime_sec = p9_get_u64(i);
	a->ctime_nsec = p9_get_u64(i);
	a->btime_sec = p9_get_u64(i);
	a->btime_nsec = p9_get_u64(i);
	p9_get_u64(i); /* generation */
	p9_get_u64(i); /* data version */
	if (!p9_in_done(i) || (a->valid & P9_GETATTR_BASIC) != P9_GETATTR_BASIC || !mode_sane(a->mode, a->qid.type))
		return -EIO;
	if (a->size > INT64_MAX || a->nlink > UINT32_MAX || a->atime_nsec >= NSEC_PER_SEC ||
	    a->mtime_nsec >= NSEC_PER_SEC || a->ctime_nsec >= NSEC_PER_SEC)
		return -EIO;
	if (a->btime_nsec >= NSEC_PER_SEC)
		a->btime_nsec = 0;
	return 0;
}

int p9_parse_statfs(struct p9_in *i, struct p9_statfs *s)
{
	s->type = p9_get_u32(i);
	s->bsize = p9_get_u32(i);
	s->blocks = p9_get_u64(i);
	s->bfree = p9_get_u64(i);
	s->bavail = p9_get_u64(i);
	s->files = p9_get_u64(i);
	s->ffree = p9_get_u64(i);
	s->fsid = p9_get_u64(i);
	s->namelen = p9_get_u32(i);
	return p9_in_done(i) ? 0 : -EIO;
}

int p9_parse_open(struct p9_in *i, struct p9_qid *qid, uint32_t *iounit)
{
	*qid = p9_get_qid(i);
	*iounit = p9_get_u32(i);
	return p9_in_done(i) ? 0 : -EIO;
}

int p9_parse_dirent(struct p9_in *i, struct p9_dirent *d)
{
	if (!i->bad && i->pos == i->len)
		return 0;
	d->qid = p9_get_qid(i);
	d->offset = p9_get_u64(i);
	d->type = p9_get_u8(i);
	d->name = p9_get_str(i, &d->name_len);
	if (i->bad || d->name_len == 0 || d->name_len > 255 || memchr(d->name, '/', d->name_len))
		return -EIO;
	return 1;
}
