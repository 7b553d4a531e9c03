/* The 9P client and its file system, against a 9P2000.L server in this file: a small tree in memory that checks what
 * it is asked, counts messages, and can have its replies spoilt byte by byte. Like QEMU's, it goes by names: a fid
 * that is not opened is of no use once its file has none. */
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
	uint32_t mode, version;
	uint64_t ino, size, rdev, mtime;
	uint32_t nlink;
	uint8_t *data; /* file content or link target */
};

#define SFIDS 4096
static struct sfid {
	struct snode *node;
	bool used, opened;
} sfids[SFIDS];
static struct snode *sroot;
static uint64_t next_ino;
static uint32_t server_msize;
static uint32_t server_iounit;
static unsigned counts[256];
static unsigned total_calls;
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

static struct sfid *get_fid(uint32_t num)
{
	return num < SFIDS && sfids[num].used ? &sfids[num] : NULL;
}

static struct sfid *new_fid(uint32_t num, struct snode *n)
{
	ck_assert_msg(num < SFIDS && (spoil || !sfids[num].used), "fid %u is in use", num);
	sfids[num] = (struct sfid){ n, true, false };
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
	p9_put_u32(&rp, 1000);
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
	uint32_t valid = p9_get_u32(&rq), mode = p9_get_u32(&rq);
	uint64_t size;

	if (n->nlink == 0)
		return ENOENT;
	p9_get_u64(&rq); /* uid, gid */
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

static int do_read(struct sfid *f, uint8_t *reply, size_t max)
{
	uint64_t off = p9_get_u64(&rq);
	uint32_t count = p9_get_u32(&rq);
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
		uint32_t major = p9_get_u32(&rq);
		n->rdev = DEV_MAKE(major, p9_get_u32(&rq));
	}
	if (target) {
		n->data = (uint8_t *)strndup(target, tlen);
		n->size = tlen;
	}
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
		f->used = false;
		return 0;
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
}

static void mount_it(bool readonly)
{
	ck_assert_int_eq(p9_new("test", readonly, &super), 0);
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

/* ---- reading ---- */

START_TEST(mount_and_attributes)
{
	struct inode *i;

	mount_it(true);
	ck_assert(S_ISDIR(root->mode));
	ck_assert(super->flags & MS_RDONLY);
	i = get(root, "hello");
	ck_assert_uint_eq(i->mode, S_IFREG | 0644);
	ck_assert_uint_eq(i->size, 13);
	ck_assert_uint_eq(i->uid, 1000);
	ck_assert_uint_eq(i->gid, 100);
	ck_assert_uint_eq(i->nlink, 1);
	ck_assert_int_eq(i->mtime.sec, 1000);
	ck_assert_int_eq(i->mtime.nsec, 5);
	ck_assert_uint_eq(total_calls, 2); /* walk, getattr */
	inode_put(i);
	ck_assert_int_eq(get_err(root, "nothing"), -ENOENT);
	ck_assert_int_eq(p9_new("test", true, &super), -EBUSY);
	ck_assert_int_eq(p9_new("other", true, &super), -ENODEV);
}
END_TEST

START_TEST(files_are_read_in_batches)
{
	static uint8_t buf[sizeof(big)];
	struct inode *i;

	mount_it(true);
	i = get(root, "big");
	ck_assert_int_eq(read_at(i, 0, buf, sizeof(buf)), sizeof(buf));
	ck_assert_mem_eq(buf, big, sizeof(big));
	ck_assert_uint_le(counts[P9_TREAD], 3); /* 128 KiB each */
	ck_assert_uint_eq(counts[P9_TLOPEN], 1);
	ck_assert_uint_eq(counts[P9_TWALK], 1); /* the fid of the lookup was opened */
	inode_put(i);
	i = get(root, "empty");
	ck_assert_int_eq(read_at(i, 0, buf, 10), 0);
	inode_put(i);
}
END_TEST

START_TEST(small_messages_and_short_answers)
{
	static uint8_t buf[sizeof(big)];
	struct inode *i;

	server_msize = 8192;
	mount_it(true);
	i = get(root, "big");
	ck_assert_int_eq(read_at(i, 100, buf, sizeof(buf)), sizeof(big) - 100);
	ck_assert_mem_eq(buf, big + 100, sizeof(big) - 100);
	inode_put(i);
	umount_it();
	server_msize = 1u << 20;
	server_iounit = 5000; /* not a multiple of anything */
	mount_it(true);
	i = get(root, "big");
	memset(buf, 0, sizeof(buf));
	ck_assert_int_eq(read_at(i, 0, buf, sizeof(buf)), sizeof(big));
	ck_assert_mem_eq(buf, big, sizeof(big));
	pagecache_invalidate(&i->cache, 0, 1000, true);
	stingy = true;
	ck_assert_int_eq(read_at(i, 0, buf, 20000), 20000);
	ck_assert_mem_eq(buf, big, 20000);
	inode_put(i);
}
END_TEST

START_TEST(file_shorter_than_it_said_reads_as_zeroes)
{
	uint8_t buf[13];
	struct inode *i;

	mount_it(true);
	i = get(root, "hello");
	sfind(sroot, "hello", 5)->size = 5;
	ck_assert_int_eq(read_at(i, 0, buf, 13), 13);
	ck_assert_mem_eq(buf, "hello\0\0\0\0\0\0\0\0", 13);
	inode_put(i);
}
END_TEST

START_TEST(symlinks)
{
	char buf[64];
	struct inode *i;

	mount_it(true);
	i = get(root, "link");
	ck_assert_int_eq(i->ops->readlink(i, buf, sizeof(buf)), 10);
	ck_assert_mem_eq(buf, "dir/target", 10);
	ck_assert_str_eq(i->link, "dir/target"); /* the VFS does not ask again */
	ck_assert_int_eq(i->ops->readlink(i, buf, 3), 3);
	inode_put(i);
}
END_TEST

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

START_TEST(directories_are_listed_once_and_answer_lookups)
{
	struct listing l = { .c.pos = 2 };

	mount_it(true);
	ck_assert_int_eq(list_some(root, NULL, &l, 2), 0);
	ck_assert_uint_eq(l.n, 2);
	ck_assert_int_eq(list_some(root, NULL, &l, 100), 0);
	ck_assert_str_eq(l.names, "dir link empty big hello ");
	ck_assert_int_eq(list_some(root, NULL, &l, 100), 0);
	ck_assert_uint_eq(l.n, 5);
	ck_assert_uint_eq(counts[P9_TREADDIR], 2); /* the names, the end */
	total_calls = 0;
	ck_assert_int_eq(get_err(root, "absent"), -ENOENT);
	ck_assert_uint_eq(total_calls, 0);
	ck_assert_int_eq(get_err(root, "hello"), 0);
	ck_assert_uint_le(total_calls, 3);
}
END_TEST

START_TEST(many_misses_fetch_the_listing)
{
	char name[32];

	mount_it(true);
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "absent%d", i);
		ck_assert_int_eq(get_err(root, name), -ENOENT);
	}
	ck_assert_uint_le(total_calls, 15);
}
END_TEST

START_TEST(large_directories)
{
	static struct listing l = { .c.pos = 2 };
	struct snode *d = snode_new(sroot, "large", S_IFDIR | 0755);
	struct inode *dir;
	char name[64];

	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "entry-number-%d-of-a-large-directory", i);
		sfile(d, name, "", 0);
	}
	mount_it(true);
	dir = get(root, "large");
	struct listing count = { .c.pos = 2 };
	while (list_some(dir, NULL, &count, 50) == 0 && count.n % 50 == 0 && count.n < 3000)
		count.names[0] = 0;
	ck_assert_uint_eq(count.n, 3000);
	ck_assert_int_eq(get_err(dir, "entry-number-2999-of-a-large-directory"), 0);
	ck_assert_int_eq(get_err(dir, "entry-number-3000-of-a-large-directory"), -ENOENT);
	inode_put(dir);
	(void)l;
}
END_TEST

/* ---- fids ---- */

static struct inode *walk_down(int levels, struct inode **chain)
{
	struct inode *at = get(root, "dir");

	chain[0] = at;
	for (int i = 0; i < levels; i++) {
		char name[64];
		snprintf(name, sizeof(name), "level-%02d-with-a-rather-long-name-of-its-own", i);
		at = chain[i + 1] = get(at, name);
	}
	return at;
}

START_TEST(fids_are_bounded_and_come_back)
{
	struct inode *chain[41], *files[600], *bottom;
	char name[32], buf[32];

	for (int i = 0; i < 600; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		sfile(sroot, name, name, strlen(name));
	}
	mount_it(true);
	walk_down(40, chain);
	for (int i = 0; i < 600; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		files[i] = get(root, name);
		ck_assert_int_eq(read_at(files[i], 0, buf, sizeof(buf)), (long)strlen(name));
	}
	ck_assert_uint_le(server_fids(), P9_FID_SOFT + 8);
	/* All of the chain was given back; it is had again from the root, 16 names (or what fits) at a time. */
	counts[P9_TWALK] = 0;
	bottom = get(chain[40], "bottom");
	ck_assert_uint_le(counts[P9_TWALK], 5);
	ck_assert_int_eq(read_at(bottom, 0, buf, 9), 9);
	ck_assert_mem_eq(buf, "deep down", 9);
	inode_put(bottom);
	for (int i = 0; i < 600; i++) {
		pagecache_invalidate(&files[i]->cache, 0, 10, true);
		snprintf(name, sizeof(name), "f%d", i);
		ck_assert_int_eq(read_at(files[i], 0, buf, sizeof(buf)), (long)strlen(name));
		ck_assert_mem_eq(buf, name, strlen(name));
		inode_put(files[i]);
	}
	for (int i = 0; i <= 40; i++)
		inode_put(chain[i]);
}
END_TEST

START_TEST(nodes_outlive_the_inodes_on_the_way)
{
	struct inode *chain[41];
	char buf[16];
	struct inode *bottom;

	mount_it(true);
	walk_down(40, chain);
	bottom = get(chain[40], "bottom");
	for (int i = 0; i <= 40; i++)
		inode_put(chain[i]);
	ck_assert_uint_eq(server_fids(), 2);
	ck_assert_int_eq(read_at(bottom, 0, buf, 9), 9);
	p9_fid_drop(p9_node_of(bottom)->c, &p9_node_of(bottom)->rd);
	pagecache_invalidate(&bottom->cache, 0, 10, true);
	ck_assert_int_eq(read_at(bottom, 0, buf, 9), 9);
	inode_put(bottom);
}
END_TEST

START_TEST(another_file_under_the_same_name_is_stale)
{
	struct inode *i;
	char buf[16];

	mount_it(true);
	i = get(root, "hello");
	sfind(sroot, "hello", 5)->ino = 9999;
	p9_fid_drop(p9_node_of(i)->c, &p9_node_of(i)->walk);
	ck_assert_int_eq(read_at(i, 0, buf, 5), -ESTALE);
	inode_put(i);
}
END_TEST

/* ---- writing ---- */

START_TEST(write_goes_to_the_server_at_close)
{
	struct inode *i;
	struct file *f;

	mount_it(false);
	i = get(root, "hello");
	f = open_file(i, O_RDWR);
	ck_assert_int_eq(write_at(i, 7, "there", 5), 5);
	ck_assert_uint_eq(counts[P9_TWRITE], 0);
	ck_assert_int_eq(write_at(i, 12, " and more", 9), 9);
	close_file(f);
	ck_assert_uint_eq(counts[P9_TWRITE], 1);
	struct snode *s = sfind(sroot, "hello", 5);
	ck_assert_uint_eq(s->size, 21);
	ck_assert_mem_eq(s->data, "hello, there and more", 21);
	inode_put(i);
}
END_TEST

START_TEST(large_writes_with_short_answers)
{
	struct inode *i;
	struct snode *s;

	mount_it(false);
	stingy = true;
	ck_assert_int_eq(make(root, "new", S_IFREG | 0640, &i), 0);
	s = sfind(sroot, "new", 3);
	ck_assert_uint_eq(s->mode, S_IFREG | 0640);
	ck_assert_int_eq(write_at(i, 0, big, 50000), 50000);
	ck_assert_int_eq(i->ops->fsync(i, false), 0);
	ck_assert_uint_eq(s->size, 50000);
	ck_assert_mem_eq(s->data, big, 50000);
	ck_assert_uint_eq(counts[P9_TFSYNC], 1);
	inode_put(i);
}
END_TEST

START_TEST(write_errors_reach_the_writer)
{
	struct inode *i;

	mount_it(false);
	sfind(sroot, "hello", 5)->mode = S_IFREG | 0444;
	i = get(root, "hello");
	ck_assert_int_eq(write_at(i, 0, "x", 1), 1);
	ck_assert_int_eq(pagecache_sync(&i->cache, 0, 10), -EACCES);
	ck_assert_uint_eq(i->cache.dirty, 0);
	inode_put(i);
}
END_TEST

START_TEST(sizes_and_times_are_set_after_the_data)
{
	struct inode *i;
	struct snode *s;
	struct iattr a = { .valid = ATTR_MTIME, .mtime = { 77, 0 } };

	mount_it(false);
	i = get(root, "hello");
	s = sfind(sroot, "hello", 5);
	ck_assert_int_eq(write_at(i, 0, "H", 1), 1);
	mutex_lock(&i->lock);
	ck_assert_int_eq(i->ops->setattr(i, &a), 0);
	inode_apply(i, &a);
	mutex_unlock(&i->lock);
	ck_assert_uint_eq(s->mtime, 77);
	ck_assert_uint_eq(s->data[0], 'H');
	ck_assert_int_eq(set_size(i, 5), 0);
	ck_assert_uint_eq(s->size, 5);
	ck_assert_int_eq(set_size(i, 50), 0);
	ck_assert_uint_eq(s->size, 50);
	uint8_t buf[50];
	ck_assert_int_eq(read_at(i, 0, buf, 50), 50);
	ck_assert_mem_eq(buf, "Hello\0\0\0", 8);
	inode_put(i);
}
END_TEST

START_TEST(changes_at_the_host_are_seen_at_open)
{
	struct inode *i;
	struct snode *s = sfind(sroot, "hello", 5);
	char buf[32];

	mount_it(false);
	i = get(root, "hello");
	ck_assert_int_eq(read_at(i, 0, buf, 32), 13);
	memcpy(s->data, "HELLO", 5);
	s->version++;
	fake_time_advance(10 * NSEC_PER_MSEC);
	ck_assert_int_eq(i->ops->revalidate(i), 0);
	ck_assert_int_eq(read_at(i, 0, buf, 32), 13);
	ck_assert_mem_eq(buf, "HELLO", 5);
	sresize(s, 3);
	ck_assert_int_eq(i->ops->revalidate(i), 0);
	ck_assert_uint_eq(i->size, 3);
	ck_assert_int_eq(read_at(i, 0, buf, 32), 3);
	/* Nothing has changed: the pages stay. */
	unsigned n = counts[P9_TREAD];
	ck_assert_int_eq(i->ops->revalidate(i), 0);
	ck_assert_int_eq(read_at(i, 0, buf, 32), 3);
	ck_assert_uint_eq(counts[P9_TREAD], n);
	inode_put(i);
}
END_TEST

START_TEST(own_writes_do_not_drop_the_pages)
{
	struct inode *i;
	char buf[32];

	mount_it(false);
	i = get(root, "hello");
	ck_assert_int_eq(write_at(i, 13, "more", 4), 4);
	ck_assert_int_eq(i->ops->getattr(i), 0);
	ck_assert_uint_eq(i->size, 17); /* the server's 13 do not count yet */
	ck_assert_int_eq(pagecache_sync(&i->cache, 0, 10), 0);
	fake_time_advance(10 * NSEC_PER_MSEC);
	unsigned n = counts[P9_TREAD];
	ck_assert_int_eq(i->ops->revalidate(i), 0);
	ck_assert_uint_eq(i->size, 17);
	ck_assert_int_eq(read_at(i, 0, buf, 32), 17);
	ck_assert_mem_eq(buf, "hello, world\nmore", 17);
	ck_assert_uint_eq(counts[P9_TREAD], n);
	inode_put(i);
}
END_TEST

START_TEST(open_asks_the_server_where_it_may_refuse)
{
	struct inode *i;
	struct path p;
	struct file *f;

	sfind(sroot, "hello", 5)->mode = S_IFREG | 0200;
	mount_it(true);
	i = get(root, "hello");
	ck_assert_int_eq(path_anon(i, "x", &p), 0);
	ck_assert_int_eq(file_new_path(&p, O_RDONLY, &f), 0);
	path_put(&p);
	ck_assert_int_eq(i->ops->open(i, f), -EACCES);
	file_put(f);
	inode_put(i);
}
END_TEST

START_TEST(directories_the_host_hides)
{
	struct inode *i;
	struct path p;
	struct file *f;

	sfind(sroot, "dir", 3)->mode = S_IFDIR | 0300;
	mount_it(true);
	i = get(root, "dir");
	ck_assert_int_eq(path_anon(i, "x", &p), 0);
	ck_assert_int_eq(file_new_path(&p, O_RDONLY | O_DIRECTORY, &f), 0);
	path_put(&p);
	ck_assert_int_eq(i->ops->open(i, f), -EACCES);
	file_put(f);
	inode_put(i);
	/* Hidden from most, but not from us: the listing that was the proof is kept. */
	sfind(sroot, "dir", 3)->mode = S_IFDIR | 0700;
	umount_it();
	mount_it(true);
	i = get(root, "dir");
	f = open_file(i, O_RDONLY | O_DIRECTORY);
	struct listing l = { .c.pos = 2 };
	unsigned n = counts[P9_TREADDIR];
	ck_assert_int_eq(list_some(i, f, &l, 100), 0);
	ck_assert_uint_eq(l.n, 3);
	ck_assert_uint_eq(counts[P9_TREADDIR], n);
	close_file(f);
	inode_put(i);
}
END_TEST

/* ---- names ---- */

START_TEST(names_can_be_made_and_removed)
{
	struct name n = name_make("sym", 3);
	struct inode *dir, *i;

	mount_it(false);
	ck_assert(super->no_dcache);
	ck_assert_int_eq(make(root, "newdir", S_IFDIR | 0700, &dir), 0);
	ck_assert(S_ISDIR(dir->mode));
	ck_assert_int_eq(make(root, "newdir", S_IFDIR | 0700, &i), -EEXIST);
	ck_assert_int_eq(make(dir, "fifo", S_IFIFO | 0600, &i), 0);
	ck_assert(S_ISFIFO(i->mode));
	ck_assert_int_eq(drop(root, "newdir", dir), -ENOTEMPTY);
	ck_assert_int_eq(drop(dir, "fifo", i), 0);
	ck_assert_uint_eq(i->nlink, 0);
	inode_put(i);
	ck_assert_int_eq(make(dir, "dev", S_IFCHR | 0600, &i), 0);
	ck_assert_uint_eq(i->rdev, DEV_MAKE(3, 4));
	ck_assert_int_eq(drop(dir, "dev", i), 0);
	inode_put(i);
	mutex_lock(&dir->lock);
	char target[PATH_MAX];
	memset(target, 't', sizeof(target) - 1);
	target[sizeof(target) - 1] = 0;
	ck_assert_int_eq(dir->ops->symlink(dir, &n, target, &i), 0);
	mutex_unlock(&dir->lock);
	char buf[PATH_MAX];
	ck_assert_int_eq(i->ops->readlink(i, buf, sizeof(buf)), PATH_MAX - 1);
	ck_assert_mem_eq(buf, target, PATH_MAX - 1);
	ck_assert_int_eq(drop(dir, "sym", i), 0);
	inode_put(i);
	ck_assert_int_eq(drop(root, "newdir", dir), 0);
	ck_assert_int_eq(make(dir, "late", S_IFREG | 0600, &i), -ENOENT);
	inode_put(dir);
	ck_assert_int_eq(get_err(root, "newdir"), -ENOENT);
}
END_TEST

START_TEST(rename_takes_the_way_along)
{
	struct inode *dir, *a, *target;
	struct name on = name_make("dir", 3), nn = name_make("moved", 5);
	struct name na = name_make("a", 1), nh = name_make("hello", 5);
	char buf[16];

	mount_it(false);
	dir = get(root, "dir");
	a = get(dir, "a");
	mutex_lock(&root->lock);
	ck_assert_int_eq(root->ops->rename(root, &on, dir, root, &nn, NULL, RENAME_EXCHANGE), -EINVAL);
	ck_assert_int_eq(root->ops->rename(root, &on, dir, root, &nn, NULL, 0), 0);
	mutex_unlock(&root->lock);
	/* Every fid is lost, and had again by the new names. */
	p9_fid_drop(p9_node_of(a)->c, &p9_node_of(a)->walk);
	p9_fid_drop(p9_node_of(a)->c, &p9_node_of(dir)->walk);
	ck_assert_int_eq(read_at(a, 0, buf, 16), 1);
	target = get(root, "hello");
	mutex_lock(&root->lock);
	ck_assert_int_eq(dir->ops->rename(dir, &na, a, root, &nh, target, 0), 0);
	mutex_unlock(&root->lock);
	ck_assert_uint_eq(target->nlink, 0);
	ck_assert_int_eq(get_err(dir, "a"), -ENOENT);
	struct inode *again = get(root, "hello");
	ck_assert_ptr_eq(again, a);
	inode_put(again);
	inode_put(target);
	inode_put(a);
	inode_put(dir);
}
END_TEST

START_TEST(open_files_survive_their_names)
{
	struct inode *i;
	struct file *f;
	char buf[64];

	mount_it(false);
	i = get(root, "hello");
	f = open_file(i, O_RDONLY); /* nothing read yet */
	ck_assert_int_eq(drop(root, "hello", i), 0);
	ck_assert_int_eq(read_at(i, 0, buf, 64), 13);
	ck_assert_mem_eq(buf, "hello, world\n", 13);
	ck_assert_int_eq(i->ops->getattr(i), 0);
	ck_assert_uint_eq(i->nlink, 0);
	close_file(f);
	inode_put(i);

	ck_assert_int_eq(make(root, "tmp", S_IFREG | 0600, &i), 0);
	f = open_file(i, O_RDWR);
	ck_assert_int_eq(write_at(i, 0, "0123456789", 10), 10);
	ck_assert_int_eq(pagecache_sync(&i->cache, 0, 10), 0);
	ck_assert_int_eq(drop(root, "tmp", i), 0);
	ck_assert_int_eq(write_at(i, 4, "x", 1), 1);
	ck_assert_int_eq(pagecache_sync(&i->cache, 0, 10), 0);
	/* The server cannot cut it any more. */
	ck_assert_int_eq(set_size(i, 6), 0);
	ck_assert_int_eq(set_size(i, 12), 0);
	pagecache_reclaim(1000);
	ck_assert_int_eq(read_at(i, 0, buf, 64), 12);
	ck_assert_mem_eq(buf, "0123x5\0\0\0\0\0\0", 12);
	ck_assert_int_eq(write_at(i, 8, "end", 3), 3);
	pagecache_reclaim(1000);
	ck_assert_int_eq(read_at(i, 0, buf, 64), 12);
	ck_assert_mem_eq(buf, "0123x5\0\0end\0", 12);
	close_file(f);
	inode_put(i);
}
END_TEST

START_TEST(a_reused_number_is_another_file)
{
	struct inode *i, *j;
	struct snode *s = sfind(sroot, "hello", 5);
	uint64_t ino = s->ino;

	mount_it(false);
	i = get(root, "hello");
	sunlink(s);
	s = snode_new(sroot, "hello", S_IFDIR | 0755);
	s->ino = ino;
	j = get(root, "hello");
	ck_assert_ptr_ne(i, j);
	ck_assert(S_ISDIR(j->mode));
	inode_put(i);
	inode_put(j);
}
END_TEST

START_TEST(statfs_passes_through)
{
	struct statfs_k st = { 0 };

	mount_it(true);
	ck_assert_int_eq(super->ops->statfs(super, &st), 0);
	ck_assert_uint_eq(st.type, 0xef53);
	ck_assert_uint_eq(st.blocks, 100);
	ck_assert_uint_eq(st.ffree, 500);
	ck_assert_uint_eq(st.namelen, 255);
}
END_TEST

START_TEST(replies_that_come_later)
{
	struct inode *i;
	char buf[16];

	fake_9p("test", server, true);
	mount_it(false);
	i = get(root, "hello");
	ck_assert_int_eq(read_at(i, 0, buf, 16), 13);
	ck_assert_int_eq(write_at(i, 0, "J", 1), 1);
	ck_assert_int_eq(pagecache_sync(&i->cache, 0, 1), 0);
	inode_put(i);
	ck_assert_uint_eq(get_err(root, "none"), -ENOENT);
}
END_TEST

/* ---- hostile servers ---- */

static unsigned spoil_at, spoil_how;
static bool spoil_hit;

static int spoil_byte(uint8_t *reply, size_t len, size_t max)
{
	static const uint8_t values[] = { 0x00, 0xff, 0x7f, 0x80 };

	if (spoil_at >= len)
		return (int)len;
	spoil_hit = true;
	switch (spoil_how) {
	case 4:
		return (int)spoil_at; /* cut */
	case 5:
		reply[spoil_at] ^= 1;
		break;
	case 6: { /* a field's worth of ones */
		for (size_t i = spoil_at; i < len && i < spoil_at + 4; i++)
			reply[i] = 0xff;
		break;
	}
	default:
		reply[spoil_at] = values[spoil_how];
	}
	return (int)len;
}

static void ignore(struct inode *i)
{
	if (i)
		inode_put(i);
}

static struct inode *try(struct inode *dir, const char *name)
{
	struct name n = name_make(name, strlen(name));
	struct inode *i = NULL;

	if (!dir || !dir->ops->lookup)
		return NULL;
	mutex_lock(&dir->lock);
	if (dir->ops->lookup(dir, &n, &i))
		i = NULL;
	mutex_unlock(&dir->lock);
	return i;
}

/* A bit of everything; whatever it answers, it must end, and leave nothing behind. */
static void scenario(bool readonly)
{
	struct listing l = { .c.pos = 2 };
	struct statfs_k st;
	struct inode *i, *j;
	char buf[300];

	if (p9_new("test", readonly, &super)) {
		super = NULL;
		return;
	}
	root = super->root->inode;
	i = try(root, "hello");
	if (i && i->ops->read_pages && i->size < (1ul << 40))
		(void)read_at(i, 0, buf, sizeof(buf));
	if (i && !readonly && S_ISREG(i->mode) && i->size < (1ul << 40)) {
		(void)write_at(i, 0, "x", 1);
		(void)pagecache_sync(&i->cache, 0, 1000);
		(void)i->ops->revalidate(i);
	}
	ignore(i);
	i = try(root, "link");
	if (i && i->ops->readlink)
		(void)i->ops->readlink(i, buf, sizeof(buf));
	ignore(i);
	i = try(root, "dir");
	j = try(i, "a");
	ignore(j);
	ignore(i);
	(void)list_some(root, NULL, &l, 20);
	if (!readonly) {
		i = NULL;
		if (make(root, "new", S_IFREG | 0600, &i) == 0)
			(void)drop(root, "new", i);
		ignore(i);
	}
	(void)super->ops->statfs(super, &st);
	umount_it();
}

/* Every byte of every kind of reply, spoilt in seven ways. */
START_TEST(spoilt_replies_do_no_harm)
{
	static const int types[] = {
		P9_TVERSION, P9_TATTACH, P9_TWALK, P9_TGETATTR, P9_TLOPEN, P9_TREAD, P9_TREADDIR, P9_TREADLINK,
		P9_TCLUNK, P9_TSTATFS, P9_TWRITE, P9_TLCREATE, P9_TUNLINKAT,
	};

	for (spoil_how = 0; spoil_how < 7; spoil_how++) {
		spoil_hit = true;
		for (spoil_at = 0; spoil_hit && spoil_at < 400; spoil_at++) {
			server_stop();
			server_start();
			spoil = spoil_byte;
			spoil_type = types[_i];
			spoil_hit = false;
			scenario(true);
			server_stop();
			server_start();
			spoil = spoil_byte;
			spoil_type = types[_i];
			scenario(false);
		}
	}
	spoil = NULL;
}
END_TEST

static uint64_t noise_seed;

static int noise(uint8_t *reply, size_t len, size_t max)
{
	unsigned n = unit_random(&noise_seed) % 4;

	for (unsigned i = 0; i < n; i++)
		reply[unit_random(&noise_seed) % len] = (uint8_t)unit_random(&noise_seed);
	return (int)(unit_random(&noise_seed) % 16 ? len : unit_random(&noise_seed) % (max + 1));
}

START_TEST(noise_does_no_harm)
{
	noise_seed = 0x9876543 + (uint64_t)_i * 77;
	for (int k = 0; k < 300; k++) {
		server_stop();
		server_start();
		spoil = noise;
		scenario(k & 1);
	}
}
END_TEST

START_TEST(directory_in_a_circle)
{
	struct inode *dir, *inner;

	/* The server says that dir/loop is dir itself, on a writable export, where names follow what was found. */
	mount_it(false);
	struct snode *d = sfind(sroot, "dir", 3), *c = snode_new(d, "loop", S_IFDIR | 0755);
	c->ino = d->ino;
	dir = get(root, "dir");
	inner = get(dir, "loop");
	ck_assert_ptr_eq(inner, dir);
	p9_fid_drop(p9_node_of(dir)->c, &p9_node_of(dir)->walk);
	ck_assert_int_eq(get_err(dir, "x"), -ENOENT);
	inode_put(inner);
	inode_put(dir);
}
END_TEST

START_TEST(each_allocation_failure_is_survived)
{
	FAKE_EACH_FAILURE(n) {
		server_stop();
		server_start();
		scenario(n & 1);
		ck_assert_uint_eq(server_fids(), 0);
	}
	FAKE_EACH_FAILURE(n) {
		server_stop();
		server_start();
		scenario(!(n & 1));
		ck_assert_uint_eq(server_fids(), 0);
	}
}
END_TEST

/* ---- messages alone ---- */

START_TEST(readers_stop_at_the_end)
{
	uint8_t b[4] = { 1, 2, 3, 4 };
	struct p9_in i;
	uint16_t len;

	p9_in_init(&i, b, 4);
	ck_assert_uint_eq(p9_get_u16(&i), 0x0201);
	ck_assert_uint_eq(p9_get_u32(&i), 0);
	ck_assert(i.bad);
	ck_assert_uint_eq(p9_get_u8(&i), 0);
	ck_assert(!p9_in_done(&i));
	uint8_t s[] = { 3, 0, 'a', 0, 'b' };
	p9_in_init(&i, s, sizeof(s));
	p9_get_str(&i, &len);
	ck_assert(i.bad); /* a NUL inside */
	ck_assert_uint_eq(len, 0);
}
END_TEST

START_TEST(writers_notice_overflow)
{
	uint8_t b[16];
	struct p9_out o;

	p9_out_begin(&o, b, sizeof(b), P9_TWALK, 7);
	p9_put_u64(&o, 1);
	ck_assert(!o.overflow);
	p9_put_u16(&o, 1);
	ck_assert(o.overflow);
	ck_assert(!p9_out_end(&o, 0));
	p9_out_begin(&o, b, sizeof(b), P9_TWALK, 7);
	p9_put_u8(&o, 9);
	ck_assert(p9_out_end(&o, 100));
	ck_assert_mem_eq(b, "\x6c\0\0\0\x6e\x07\0\x09", 8);
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("p9", &tc, setup, teardown);

	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, mount_and_attributes);
	tcase_add_test(tc, files_are_read_in_batches);
	tcase_add_test(tc, small_messages_and_short_answers);
	tcase_add_test(tc, file_shorter_than_it_said_reads_as_zeroes);
	tcase_add_test(tc, symlinks);
	tcase_add_test(tc, directories_are_listed_once_and_answer_lookups);
	tcase_add_test(tc, many_misses_fetch_the_listing);
	tcase_add_test(tc, large_directories);
	tcase_add_test(tc, fids_are_bounded_and_come_back);
	tcase_add_test(tc, nodes_outlive_the_inodes_on_the_way);
	tcase_add_test(tc, another_file_under_the_same_name_is_stale);
	tcase_add_test(tc, write_goes_to_the_server_at_close);
	tcase_add_test(tc, large_writes_with_short_answers);
	tcase_add_test(tc, write_errors_reach_the_writer);
	tcase_add_test(tc, sizes_and_times_are_set_after_the_data);
	tcase_add_test(tc, changes_at_the_host_are_seen_at_open);
	tcase_add_test(tc, own_writes_do_not_drop_the_pages);
	tcase_add_test(tc, open_asks_the_server_where_it_may_refuse);
	tcase_add_test(tc, directories_the_host_hides);
	tcase_add_test(tc, names_can_be_made_and_removed);
	tcase_add_test(tc, rename_takes_the_way_along);
	tcase_add_test(tc, open_files_survive_their_names);
	tcase_add_test(tc, a_reused_number_is_another_file);
	tcase_add_test(tc, statfs_passes_through);
	tcase_add_test(tc, replies_that_come_later);
	tcase_add_loop_test(tc, spoilt_replies_do_no_harm, 0, 13);
	tcase_add_loop_test(tc, noise_does_no_harm, 0, 4);
	tcase_add_test(tc, directory_in_a_circle);
	tcase_add_test(tc, each_allocation_failure_is_survived);
	tcase_add_test(tc, readers_stop_at_the_end);
	tcase_add_test(tc, writers_notice_overflow);
	return s;
}
