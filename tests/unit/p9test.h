/* A 9P2000.L server for tests of the client: a small tree in memory that checks what it is asked, counts messages, and can
 * have its replies spoilt byte by byte. Like QEMU's, it goes by names: a fid that is not opened is of no use once its file
 * has none. Included by the tests that use it; not every one uses all of it. */
#ifndef TESTS_UNIT_P9TEST_H
#define TESTS_UNIT_P9TEST_H

#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-variable"

#include <stdio.h>
#include <string.h>

#include "core/fs/p9_node.h"
#include "core/fs/walk.h"
#include "core/file/file.h"
#include "core/mm/page.h"
#include "core/mm/slab.h"
#include "core/mm/uio.h"
#include "core/sched.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/resource.h"
#include "shim/abi/stat.h"
#include "tests/unit/unit.h"

#define RAM (8ul << 20)

/* ---- the server ---- */

struct snode {
	struct snode *parent, *children, *next;
	char name[256];
	uint32_t mode, version, uid;
	uint64_t ino, size, rdev, mtime;
	uint32_t nlink;
	uint8_t *data; /* file content or link target */
	struct sxattr {
		char name[64], value[9000];
		uint32_t size;
		bool used;
	} *xattrs;     /* [SXATTRS] */
};
#define SXATTRS 4

#define SFIDS 4096
static struct sfid {
	struct snode *node;
	bool used, opened;
	struct sxattr *xattr; /* its value is read, or (set) written and taken over by the clunk */
	bool set;
	uint32_t flags, got;
} sfids[SFIDS];
static struct snode *sroot;
static uint64_t next_ino;
static uint32_t server_msize;
static bool server_may_give;   /* it is root's: it can change owners */
static uint32_t made_gid;      /* the group that the last new file was asked for */
static bool server_no_special; /* it makes no special files, as QEMU does */
static uint32_t server_iounit;
static unsigned counts[256];
static unsigned total_calls;
static unsigned refuse_rename;          /* the n-th Trenameat from now fails */
static bool stingy;                     /* reads and writes are short */
static struct snode *graveyard;         /* removed nodes */

/* What happens to replies. */
static int spoil_type;                  /* only to requests of this type */
static int (*spoil)(uint8_t *reply, size_t len, size_t max); /* returns the new length */

static struct snode *snode_new(struct snode *dir, const char *name, uint32_t mode)
{
	struct snode *n = calloc(1, sizeof(*n));

	strcpy(n->name, name);
	n->mode = mode;
	n->uid = 1000;
	n->ino = ++next_ino;
	n->nlink = S_ISDIR(mode) ? 2 : 1;
	n->mtime = 1000;
	n->parent = dir ? dir : n;
	if (dir) {
		n->next = dir->children;
		dir->children = n;
	}
	return n;
}

static struct snode *sfile(struct snode *dir, const char *name, const void *data, size_t len)
{
	struct snode *n = snode_new(dir, name, S_IFREG | 0644);

	n->data = malloc(len + 1);
	memcpy(n->data, data, len);
	n->size = len;
	return n;
}

static struct snode *slink(struct snode *dir, const char *name, const char *target)
{
	struct snode *n = snode_new(dir, name, S_IFLNK | 0777);

	n->data = (uint8_t *)strdup(target);
	n->size = strlen(target);
	return n;
}

static struct snode *sfind(struct snode *dir, const char *name, size_t len)
{
	for (struct snode *n = dir->children; n; n = n->next) {
		if (strlen(n->name) == len && memcmp(n->name, name, len) == 0)
			return n;
	}
	return NULL;
}

static void sdetach(struct snode *n)
{
	struct snode **l = &n->parent->children;

	while (*l != n)
		l = &(*l)->next;
	*l = n->next;
	n->next = NULL;
}

static void sunlink(struct snode *n)
{
	sdetach(n);
	n->nlink = 0;
	n->next = graveyard;
	graveyard = n;
}

static void sfree(struct snode *n)
{
	while (n) {
		struct snode *next = n->next;
		sfree(n->children);
		free(n->data);
		free(n->xattrs);
		free(n);
		n = next;
	}
}

static void sresize(struct snode *n, uint64_t size)
{
	n->data = realloc(n->data, size + 1);
	if (size > n->size)
		memset(n->data + n->size, 0, size - n->size);
	n->size = size;
	n->version++;
	n->mtime++;
}

static struct p9_in rq;
static struct p9_out rp;

static void put_qid(const struct snode *n)
{
	p9_put_u8(&rp, S_ISDIR(n->mode) ? P9_QTDIR : S_ISLNK(n->mode) ? P9_QTSYMLINK : 0);
	p9_put_u32(&rp, n->version);
	p9_put_u64(&rp, n->ino);
}

/* A fid that is not opened stands for a name: whatever has it now. */
static struct sfid *get_fid(uint32_t num)
{
	struct sfid *f = num < SFIDS && sfids[num].used ? &sfids[num] : NULL;
	struct snode *now;

	if (f && !f->opened && f->node->nlink == 0) {
		now = sfind(f->node->parent, f->node->name, strlen(f->node->name));
		f->node = now ? now : f->node;
	}
	return f;
}

static struct sfid *new_fid(uint32_t num, struct snode *n)
{
	ck_assert_msg(num < SFIDS && (spoil || !sfids[num].used), "fid %u is in use", num);
	free(sfids[num].xattr);
	sfids[num] = (struct sfid){ .node = n, .used = true };
	return &sfids[num];
}

static int do_walk(void)
{
	struct sfid *f = get_fid(p9_get_u32(&rq));
	uint32_t newfid = p9_get_u32(&rq);
	unsigned n = p9_get_u16(&rq), got = 0;
	struct snode *at;

	if (!f)
		return EBADF;
	ck_assert_msg(!f->opened || n == 0 || spoil, "walk from an opened fid");
	ck_assert_uint_le(n, 16);
	at = f->node;
	size_t count_at = rp.len;
	p9_put_u16(&rp, 0);
	for (; got < n; got++) {
		uint16_t len;
		const char *name = p9_get_str(&rq, &len);
		struct snode *next = sfind(at, name, len);
		if (!next)
			break;
		at = next;
		put_qid(at);
	}
	if (n && got == 0)
		return ENOENT;
	rp.buf[count_at] = (uint8_t)got;
	if (got == n)
		new_fid(newfid, at);
	return 0;
}

static int do_getattr(struct sfid *f)
{
	struct snode *n = f->node;

	if (n->nlink == 0 && !f->opened)
		return ENOENT;
	p9_put_u64(&rp, P9_GETATTR_BASIC);
	put_qid(n);
	p9_put_u32(&rp, n->mode);
	p9_put_u32(&rp, n->uid);
	p9_put_u32(&rp, 100);
	p9_put_u64(&rp, n->nlink);
	p9_put_u64(&rp, n->rdev);
	p9_put_u64(&rp, n->size);
	p9_put_u64(&rp, 4096);
	p9_put_u64(&rp, (n->size + 511) / 512);
	for (int i = 0; i < 4; i++) {
		p9_put_u64(&rp, i == 1 ? n->mtime : 900);
		p9_put_u64(&rp, 5);
	}
	p9_put_u64(&rp, 0);
	p9_put_u64(&rp, 0);
	return 0;
}

static int do_setattr(struct sfid *f)
{
	struct snode *n = f->node;
	uint32_t valid = p9_get_u32(&rq), mode = p9_get_u32(&rq), uid = p9_get_u32(&rq);
	uint64_t size;

	if (n->nlink == 0)
		return ENOENT;
	if (valid & P9_SETATTR_UID) {
		if (!server_may_give)
			return EPERM;
		n->uid = uid;
	}
	p9_get_u32(&rq); /* gid */
	size = p9_get_u64(&rq);
	p9_get_u64(&rq);
	p9_get_u64(&rq);
	if (valid & P9_SETATTR_MODE)
		n->mode = (n->mode & S_IFMT) | mode;
	if (valid & P9_SETATTR_SIZE)
		sresize(n, size);
	if (valid & P9_SETATTR_MTIME_SET)
		n->mtime = p9_get_u64(&rq);
	return 0;
}

static struct sxattr *sxattr_find(struct snode *n, const char *name, size_t len)
{
	for (unsigned i = 0; n->xattrs && i < SXATTRS; i++)
		if (n->xattrs[i].used && strlen(n->xattrs[i].name) == len && !memcmp(n->xattrs[i].name, name, len))
			return &n->xattrs[i];
	return NULL;
}

static int do_xattrwalk(struct sfid *f)
{
	uint32_t num = p9_get_u32(&rq);
	uint16_t len;
	const char *name = p9_get_str(&rq, &len);
	struct sxattr *x = calloc(1, sizeof(*x)), *have = sxattr_find(f->node, name, len);

	if (len && !have) {
		free(x);
		return ENODATA;
	}
	if (len)
		*x = *have;
	for (unsigned i = 0; !len && f->node->xattrs && i < SXATTRS; i++)
		if (f->node->xattrs[i].used) {
			strcpy(x->value + x->size, f->node->xattrs[i].name);
			x->size += (uint32_t)strlen(f->node->xattrs[i].name) + 1;
		}
	new_fid(num, f->node)->xattr = x;
	p9_put_u64(&rp, x->size);
	return 0;
}

static int do_xattrcreate(struct sfid *f)
{
	uint16_t len;
	const char *name = p9_get_str(&rq, &len);
	uint64_t size = p9_get_u64(&rq);

	ck_assert(spoil || (!f->opened && !f->xattr));
	free(f->xattr);
	if (size > sizeof(f->xattr->value))
		return ENOSPC;
	f->xattr = calloc(1, sizeof(*f->xattr));
	memcpy(f->xattr->name, name, len);
	f->xattr->size = (uint32_t)size;
	f->flags = p9_get_u32(&rq);
	f->set = true;
	return 0;
}

static int do_clunk(struct sfid *f)
{
	struct sxattr *x = f->xattr, *have = x ? sxattr_find(f->node, x->name, strlen(x->name)) : NULL;
	int err = 0;

	f->used = false;
	f->xattr = NULL;
	if (!x || !f->set) {
		free(x);
		return 0;
	}
	ck_assert(spoil || f->got == x->size);
	if (!f->node->xattrs)
		f->node->xattrs = calloc(SXATTRS, sizeof(*x));
	if ((f->flags & 2 || !x->size) && !have)
		err = ENODATA;
	else if (f->flags & 1 && have)
		err = EEXIST;
	for (unsigned i = 0; !have && i < SXATTRS; i++)
		if (!f->node->xattrs[i].used)
			have = &f->node->xattrs[i];
	if (!err) {
		*have = *x;
		have->used = x->size != 0;
	}
	free(x);
	return err;
}

static int do_read(struct sfid *f, uint8_t *reply, size_t max)
{
	uint64_t off = p9_get_u64(&rq);
	uint32_t count = p9_get_u32(&rq);

	if (f->xattr && !f->set && off <= f->xattr->size) {
		count = MIN(count, f->xattr->size - (uint32_t)off);
		count = stingy ? MIN(count, 1000u) : count;
		p9_put_u32(&rp, count);
		ck_assert_uint_le(rp.len + count, max);
		memcpy(reply + rp.len, f->xattr->value + off, count);
		rp.len += count;
		return 0;
	}
	uint64_t left = off < f->node->size ? f->node->size - off : 0;

	if (spoil && !f->opened)
		return EBADF;
	ck_assert_msg(f->opened, "read of a fid that is not open");
	ck_assert_uint_le(count + P9_IOHDR, server_msize);
	if (stingy && count > 1000)
		count = 1000;
	count = count < left ? count : (uint32_t)left;
	p9_put_u32(&rp, count);
	ck_assert_uint_le(rp.len + count, max);
	if (count)
		memcpy(reply + rp.len, f->node->data + off, count);
	rp.len += count;
	return 0;
}

static int do_write(struct sfid *f)
{
	uint64_t off = p9_get_u64(&rq);
	uint32_t count = p9_get_u32(&rq);

	if (f->xattr && f->set) {
		if (spoil && off + count > f->xattr->size)
			return ENOSPC;
		ck_assert_uint_le(off + count, f->xattr->size);
		count = stingy ? MIN(count, 1000u) : count;
		memcpy(f->xattr->value + off, rq.buf + rq.pos, count);
		f->got += count;
		p9_put_u32(&rp, count);
		return 0;
	}
	if (spoil && !f->opened)
		return EBADF;
	ck_assert_msg(f->opened, "write of a fid that is not open");
	ck_assert_uint_eq(count, rq.len - rq.pos);
	if (stingy && count > 1000)
		count = 1000;
	if (off + count > f->node->size)
		sresize(f->node, off + count);
	memcpy(f->node->data + off, rq.buf + rq.pos, count);
	f->node->version++;
	f->node->mtime++;
	p9_put_u32(&rp, count);
	return 0;
}

static int do_readdir(struct sfid *f, size_t max)
{
	uint64_t off = p9_get_u64(&rq), k = 2;
	uint32_t count = p9_get_u32(&rq);
	size_t start;

	if (spoil && !f->opened)
		return EBADF;
	ck_assert_msg(f->opened, "readdir of a fid that is not open");
	p9_put_u32(&rp, 0);
	start = rp.len;
	static const char *const dots[] = { ".", ".." };
	for (uint64_t d = off; d < 2; d++) {
		put_qid(d ? f->node->parent : f->node);
		p9_put_u64(&rp, d + 1);
		p9_put_u8(&rp, DT_DIR);
		p9_put_str(&rp, dots[d], d + 1);
	}
	for (struct snode *n = f->node->children; n; n = n->next, k++) {
		if (k < off)
			continue;
		if (rp.len - start + 24 + strlen(n->name) > count || rp.len + 24 + strlen(n->name) > max)
			break;
		put_qid(n);
		p9_put_u64(&rp, k + 1);
		p9_put_u8(&rp, (uint8_t)mode_dtype(n->mode));
		p9_put_str(&rp, n->name, strlen(n->name));
	}
	size_t len = rp.len;
	rp.len = start - 4;
	p9_put_u32(&rp, (uint32_t)(len - start));
	rp.len = len;
	return 0;
}

static int do_make(struct sfid *f, uint8_t type)
{
	uint16_t len, tlen = 0;
	const char *name = p9_get_str(&rq, &len), *target = NULL;
	char text[256];
	uint32_t mode = 0, flags = 0;
	struct snode *n;

	if (f->node->nlink == 0)
		return ENOENT;
	if (type == P9_TMKNOD && server_no_special)
		return ENXIO;
	if (sfind(f->node, name, len))
		return EEXIST;
	memcpy(text, name, len);
	text[len] = 0;
	if (type == P9_TSYMLINK)
		target = p9_get_str(&rq, &tlen);
	else if (type == P9_TLCREATE)
		flags = p9_get_u32(&rq);
	if (type != P9_TSYMLINK)
		mode = p9_get_u32(&rq);
	n = snode_new(f->node, text, type == P9_TSYMLINK ? S_IFLNK | 0777 : type == P9_TMKDIR ? S_IFDIR | mode
				     : type == P9_TLCREATE ? S_IFREG | mode : mode);
	if (type == P9_TMKNOD) {
		uint32_t major = p9_get_u32(&rq), minor = p9_get_u32(&rq);
		n->rdev = DEV_MAKE(major, minor);
	}
	if (target) {
		n->data = (uint8_t *)strndup(target, tlen);
		n->size = tlen;
	}
	made_gid = p9_get_u32(&rq);
	put_qid(n);
	if (type == P9_TLCREATE) {
		ck_assert_uint_eq(flags & O_EXCL, O_EXCL);
		p9_put_u32(&rp, 0);
		f->node = n;
		f->opened = true;
	}
	return 0;
}

static int do_rename(struct sfid *f)
{
	uint16_t len, nlen;
	const char *name = p9_get_str(&rq, &len);
	struct sfid *to = get_fid(p9_get_u32(&rq));
	const char *new_name = p9_get_str(&rq, &nlen);
	struct snode *n = sfind(f->node, name, len), *old;

	if (refuse_rename && !--refuse_rename)
		return EIO;
	if (!to || !n)
		return ENOENT;
	old = sfind(to->node, new_name, nlen);
	if (old && old != n)
		sunlink(old);
	sdetach(n);
	memcpy(n->name, new_name, nlen);
	n->name[nlen] = 0;
	n->parent = to->node;
	n->next = to->node->children;
	to->node->children = n;
	return 0;
}

static int do_unlink(struct sfid *f)
{
	uint16_t len;
	const char *name = p9_get_str(&rq, &len);
	uint32_t flags = p9_get_u32(&rq);
	struct snode *n = sfind(f->node, name, len);

	if (!n)
		return ENOENT;
	if (S_ISDIR(n->mode) != (flags == AT_REMOVEDIR))
		return S_ISDIR(n->mode) ? EISDIR : ENOTDIR;
	if (n->children)
		return ENOTEMPTY;
	sunlink(n);
	return 0;
}

static int do_open(struct sfid *f)
{
	uint32_t flags = p9_get_u32(&rq);

	if (spoil && f->opened) /* the client was told that the first attempt failed */
		return EBADF;
	ck_assert_msg(!f->opened, "a fid is opened twice");
	if (f->node->nlink == 0)
		return ENOENT;
	if ((flags & O_ACCMODE) != O_RDONLY && !(f->node->mode & 0200))
		return EACCES;
	if ((flags & O_ACCMODE) != O_WRONLY && !(f->node->mode & 0400))
		return EACCES;
	f->opened = true;
	put_qid(f->node);
	p9_put_u32(&rp, server_iounit);
	return 0;
}

static int dispatch(uint8_t type, uint8_t *reply, size_t max)
{
	struct sfid *f;
	uint16_t len;

	if (type == P9_TVERSION) {
		uint32_t msize = p9_get_u32(&rq);
		const char *v = p9_get_str(&rq, &len);
		ck_assert(len == 8 && !memcmp(v, P9_VERSION, 8));
		p9_put_u32(&rp, server_msize = server_msize < msize ? server_msize : msize);
		p9_put_str(&rp, P9_VERSION, 8);
		return 0;
	}
	if (type == P9_TATTACH) {
		put_qid(new_fid(p9_get_u32(&rq), sroot)->node);
		return 0;
	}
	if (type == P9_TWALK)
		return do_walk();
	f = get_fid(p9_get_u32(&rq));
	if (!f)
		return EBADF;
	switch (type) {
	case P9_TCLUNK:
		return do_clunk(f);
	case P9_TXATTRWALK:
		return do_xattrwalk(f);
	case P9_TXATTRCREATE:
		return do_xattrcreate(f);
	case P9_TGETATTR:
		return do_getattr(f);
	case P9_TSETATTR:
		return do_setattr(f);
	case P9_TLOPEN:
		return do_open(f);
	case P9_TREAD:
		return do_read(f, reply, max);
	case P9_TWRITE:
		return do_write(f);
	case P9_TREADDIR:
		return do_readdir(f, max);
	case P9_TLCREATE: case P9_TMKDIR: case P9_TMKNOD: case P9_TSYMLINK:
		return do_make(f, type);
	case P9_TRENAMEAT:
		return do_rename(f);
	case P9_TUNLINKAT:
		return do_unlink(f);
	case P9_TREADLINK:
		p9_put_str(&rp, (const char *)f->node->data, f->node->size);
		return 0;
	case P9_TLINK:
		return EOPNOTSUPP;
	case P9_TFSYNC:
		return 0;
	case P9_TSTATFS:
		p9_put_u32(&rp, 0xef53);
		p9_put_u32(&rp, 4096);
		for (uint64_t i = 1; i <= 6; i++)
			p9_put_u64(&rp, i * 100);
		p9_put_u32(&rp, 255);
		return 0;
	}
	ck_abort_msg("the server knows no message %u", type);
}

static size_t server(const uint8_t *req, size_t len, uint8_t *reply, size_t max)
{
	uint8_t type;
	uint16_t tag;
	int err;

	p9_in_init(&rq, req, len);
	ck_assert_uint_eq(p9_get_u32(&rq), len);
	type = p9_get_u8(&rq);
	tag = p9_get_u16(&rq);
	counts[type]++;
	total_calls++;
	p9_out_begin(&rp, reply, max, (uint8_t)(type + 1), tag);
	err = dispatch(type, reply, max);
	if (type != P9_TWRITE && type != P9_TSETATTR && !err)
		ck_assert(!rq.bad);
	if (err) {
		p9_out_begin(&rp, reply, max, P9_RLERROR, tag);
		p9_put_u32(&rp, (uint32_t)err);
	}
	ck_assert(!rp.overflow);
	p9_out_end(&rp, 0);
	if (spoil && (spoil_type == type || spoil_type == 0))
		return (size_t)spoil(reply, rp.len, max);
	return rp.len;
}

static unsigned server_fids(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SFIDS; i++)
		n += sfids[i].used;
	return n;
}

/* ---- fixture ---- */

static struct super *super;
static struct inode *root;
static uint8_t big[300000];

static void server_start(void)
{
	struct snode *dir, *deep;

	memset(sfids, 0, sizeof(sfids));
	memset(counts, 0, sizeof(counts));
	spoil = NULL;
	spoil_type = 0;
	stingy = false;
	server_msize = 1u << 20;
	server_may_give = true;
	server_no_special = false;
	server_iounit = 0;
	next_ino = 0;
	graveyard = NULL;
	sroot = snode_new(NULL, "", S_IFDIR | 0755);
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)(i * 13 + i / 4096);
	sfile(sroot, "hello", "hello, world\n", 13);
	sfile(sroot, "big", big, sizeof(big));
	sfile(sroot, "empty", "", 0);
	slink(sroot, "link", "dir/target");
	dir = snode_new(sroot, "dir", S_IFDIR | 0755);
	sfile(dir, "a", "A", 1);
	sfile(dir, "b", "BB", 2);
	deep = dir;
	for (int i = 0; i < 40; i++) {
		char name[64];
		snprintf(name, sizeof(name), "level-%02d-with-a-rather-long-name-of-its-own", i);
		deep = snode_new(deep, name, S_IFDIR | 0755);
	}
	sfile(deep, "bottom", "deep down", 9);
	fake_9p("test", server, false);
}

static void server_stop(void)
{
	sfree(sroot);
	sfree(graveyard);
	sroot = graveyard = NULL;
	for (unsigned i = 0; i < SFIDS; i++) {
		free(sfids[i].xattr);
		sfids[i].xattr = NULL;
	}
}

static void mount_it(bool readonly)
{
	ck_assert_int_eq(p9_new("test", NULL, readonly, &super), 0);
	root = super->root->inode;
	memset(counts, 0, sizeof(counts));
	total_calls = 0;
}

static void umount_it(void)
{
	super_free(super);
	super = NULL;
}

static void setup(void)
{
	fake_boot(RAM);
	server_start();
	super = NULL;
}

static void teardown(void)
{
	/* A test that failed half-way still holds inodes: unmounting would wait for them for ever. */
	ck_assert_msg(!super || super->inode_count == 1, "inodes are still in use");
	if (super) {
		umount_it();
		ck_assert_uint_eq(server_fids(), 0);
	}
	server_stop();
	fake_check_leaks();
}

static struct inode *get(struct inode *dir, const char *name)
{
	struct name n = name_make(name, strlen(name));
	struct inode *i = NULL;
	int err;

	mutex_lock(&dir->lock);
	err = dir->ops->lookup(dir, &n, &i);
	mutex_unlock(&dir->lock);
	ck_assert_msg(err == 0, "lookup of %s: %d", name, err);
	return i;
}

static int get_err(struct inode *dir, const char *name)
{
	struct name n = name_make(name, strlen(name));
	struct inode *i = NULL;
	int err;

	mutex_lock(&dir->lock);
	err = dir->ops->lookup(dir, &n, &i);
	mutex_unlock(&dir->lock);
	if (!err)
		inode_put(i);
	return err;
}

static long read_at(struct inode *i, uint64_t pos, void *buf, size_t n)
{
	struct uio u;
	int64_t p = (int64_t)pos;

	uio_kernel(&u, buf, n, true);
	return pagecache_read(i, &u, &p);
}

static long write_at(struct inode *i, uint64_t pos, const void *buf, size_t n)
{
	struct uio u;
	int64_t p = (int64_t)pos;
	long r;

	uio_kernel(&u, (void *)buf, n, false);
	mutex_lock(&i->lock);
	r = pagecache_write(i, &u, &p);
	mutex_unlock(&i->lock);
	return r;
}

static int set_size(struct inode *i, uint64_t size)
{
	struct iattr a = { .valid = ATTR_SIZE, .size = size };
	int err;

	mutex_lock(&i->lock);
	err = i->ops->setattr(i, &a);
	if (!err)
		inode_apply(i, &a);
	mutex_unlock(&i->lock);
	return err;
}

static int make(struct inode *dir, const char *name, uint32_t mode, struct inode **out)
{
	struct name n = name_make(name, strlen(name));
	int err;

	mutex_lock(&dir->lock);
	err = dir->ops->mknod(dir, &n, mode, DEV_MAKE(3, 4), out);
	mutex_unlock(&dir->lock);
	return err;
}

static int drop(struct inode *dir, const char *name, struct inode *i)
{
	struct name n = name_make(name, strlen(name));
	int err;

	mutex_lock(&dir->lock);
	err = (S_ISDIR(i->mode) ? dir->ops->rmdir : dir->ops->unlink)(dir, &n, i);
	mutex_unlock(&dir->lock);
	return err;
}

/* An open file as the VFS makes it, on a dentry of our own. */
static struct file *open_file(struct inode *i, int flags)
{
	struct path p;
	struct file *f;

	ck_assert_int_eq(path_anon(i, "x", &p), 0);
	ck_assert_int_eq(file_new_path(&p, flags, &f), 0);
	path_put(&p);
	if (i->ops->open) {
		int err = i->ops->open(i, f);
		ck_assert_msg(err == 0, "open: %d", err);
	}
	return f;
}

static void close_file(struct file *f)
{
	if (f->ops->flush)
		ck_assert_int_eq(f->ops->flush(f), 0);
	file_put(f);
}

struct listing {
	struct dir_ctx c;
	char names[4096];
	unsigned n, max;
};

static bool emit(struct dir_ctx *c, const char *name, size_t len, uint64_t ino, unsigned dtype, int64_t next)
{
	struct listing *l = container_of(c, struct listing, c);

	if (l->n == l->max)
		return false;
	strncat(l->names, name, len);
	strcat(l->names, " ");
	l->n++;
	ck_assert_int_gt(next, c->pos);
	return true;
}

static int list_some(struct inode *dir, struct file *f, struct listing *l, unsigned max)
{
	int err;

	l->c.emit = emit;
	l->max = l->n + max;
	mutex_lock(&dir->lock);
	err = dir->ops->readdir(dir, f, &l->c);
	mutex_unlock(&dir->lock);
	return err;
}

#endif
