/* What tests of the runner's 9P2000.L server share: a client that says exactly what it is told to, and an export of a
 * directory of its own, beside one that no message may lead to. Included by the tests that use it; not every one uses all of
 * it. */
#ifndef TESTS_UNIT_P9SRVTEST_H
#define TESTS_UNIT_P9SRVTEST_H

#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-variable"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plat/linuxu/p9srv.h"
#include "tests/unit/unit.h"

#define MSG_MAX 65536

static char root[64], outside[64]; /* outside/secret must never be seen */
static int dev;
static size_t live; /* blocks of host_alloc */

void *host_alloc(size_t size)
{
	void *p = calloc(1, size);

	live += p != NULL;
	return p;
}

void host_free(void *p, size_t size)
{
	live -= p != NULL;
	free(p);
}

/* ---- messages ---- */

static uint8_t req[MSG_MAX], rep[MSG_MAX];
static size_t req_len, rep_len, rep_pos;

static void put(uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		req[req_len++] = (uint8_t)(v >> (8 * i));
}

static void put_bytes(const void *p, size_t n)
{
	memcpy(req + req_len, p, n);
	req_len += n;
}

static void put_str(const char *s)
{
	put(strlen(s), 2);
	put_bytes(s, strlen(s));
}

static void begin(uint8_t type)
{
	req_len = 0;
	put(0, 4);
	put(type, 1);
	put(77, 2);
}

static uint64_t get(unsigned bytes)
{
	uint64_t v = 0;

	ck_assert_uint_le(rep_pos + bytes, rep_len);
	for (unsigned i = 0; i < bytes; i++)
		v |= (uint64_t)rep[rep_pos++] << (8 * i);
	return v;
}

static size_t send_raw(void)
{
	struct plat_9p_seg out = { req, req_len }, in = { rep, sizeof(rep) };

	return rep_len = p9srv_call(dev, &out, 1, &in, 1);
}

/* Sends what was put: 0 with rep_pos behind the header, or the error. */
static int call(void)
{
	uint8_t type = req[4];
	size_t n = req_len;

	req_len = 0;
	put(n, 4);
	req_len = n;
	ck_assert_uint_ge(send_raw(), 7);
	rep_pos = 0;
	ck_assert_uint_eq(get(4), rep_len);
	uint8_t got = (uint8_t)get(1);
	ck_assert_uint_eq(get(2), 77);
	if (got == 7)
		return (int)get(4);
	ck_assert_uint_eq(got, type + 1u);
	return 0;
}

/* ---- calls ---- */

static int walk(uint32_t from, uint32_t to, unsigned n, ...)
{
	va_list ap;

	begin(110);
	put(from, 4);
	put(to, 4);
	put(n, 2);
	va_start(ap, n);
	for (unsigned i = 0; i < n; i++)
		put_str(va_arg(ap, const char *));
	va_end(ap);
	return call();
}

static int fid_call(uint8_t type, uint32_t fid)
{
	begin(type);
	put(fid, 4);
	return call();
}

static int clunk(uint32_t fid) { return fid_call(120, fid); }

static int lopen(uint32_t fid, uint32_t flags)
{
	begin(12);
	put(fid, 4);
	put(flags, 4);
	return call();
}

static int lcreate(uint32_t fid, const char *name, uint32_t flags, uint32_t mode)
{
	begin(14);
	put(fid, 4);
	put_str(name);
	put(flags, 4);
	put(mode, 4);
	put(getgid(), 4);
	return call();
}

static int named(uint8_t type, uint32_t fid, const char *name, uint32_t arg)
{
	begin(type);
	put(fid, 4);
	put_str(name);
	put(arg, 4);
	if (type == 72)
		put(getgid(), 4);
	return call();
}

static int mkdir_at(uint32_t fid, const char *name) { return named(72, fid, name, 0755); }
static int unlink_at(uint32_t fid, const char *name, uint32_t flags) { return named(76, fid, name, flags); }

static int renameat_(uint32_t odir, const char *oname, uint32_t ndir, const char *nname)
{
	begin(74);
	put(odir, 4);
	put_str(oname);
	put(ndir, 4);
	put_str(nname);
	return call();
}

static int read_at(uint32_t fid, uint64_t off, uint32_t count)
{
	begin(116);
	put(fid, 4);
	put(off, 8);
	put(count, 4);
	return call();
}

static int write_at(uint32_t fid, uint64_t off, const char *text)
{
	begin(118);
	put(fid, 4);
	put(off, 8);
	put(strlen(text), 4);
	put_bytes(text, strlen(text));
	return call();
}

struct attr {
	uint32_t mode, uid, gid, version;
	uint64_t nlink, rdev, size, path;
	uint64_t mtime, mtime_nsec;
};

static int getattr(uint32_t fid, struct attr *a)
{
	int err;

	begin(24);
	put(fid, 4);
	put(0x7ff, 8);
	err = call();
	if (err)
		return err;
	ck_assert_uint_eq(rep_len, 160);
	ck_assert_uint_eq(get(8) & 0x7ff, 0x7ff);
	get(1);
	a->version = (uint32_t)get(4);
	a->path = get(8);
	a->mode = (uint32_t)get(4);
	a->uid = (uint32_t)get(4);
	a->gid = (uint32_t)get(4);
	a->nlink = get(8);
	a->rdev = get(8);
	a->size = get(8);
	get(8), get(8), get(8), get(8);
	a->mtime = get(8);
	a->mtime_nsec = get(8);
	return 0;
}

static int setattr(uint32_t fid, uint32_t valid, uint32_t mode, uint64_t size, uint64_t mtime)
{
	begin(26);
	put(fid, 4);
	put(valid, 4);
	put(mode, 4);
	put(0, 4);
	put(0, 4);
	put(size, 8);
	put(0, 8);
	put(0, 8);
	put(mtime, 8);
	put(5, 8);
	return call();
}

/* ---- the directory ---- */

static const char *path_of(const char *dir, const char *name)
{
	static char buf[4][PATH_MAX];
	static int i;

	i = (i + 1) % 4;
	snprintf(buf[i], sizeof(buf[i]), "%s/%s", dir, name);
	return buf[i];
}

static void make_file(const char *dir, const char *name, const char *text)
{
	FILE *f = fopen(path_of(dir, name), "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

static bool exists(const char *dir, const char *name)
{
	struct stat st;

	return lstat(path_of(dir, name), &st) == 0;
}

static void attach(void)
{
	begin(100);
	put(8192, 4);
	put_str("9P2000.L");
	ck_assert_int_eq(call(), 0);
	ck_assert_uint_eq(get(4), 8192);
	ck_assert_uint_eq(get(2), 8);
	begin(104);
	put(0, 4);
	put(0xffffffff, 4);
	put_str("me");
	put_str("");
	put(getuid(), 4);
	ck_assert_int_eq(call(), 0);
	ck_assert_uint_eq(get(1), 0x80);
}

static void setup(void)
{
	strcpy(root, "/tmp/p9srv.XXXXXX");
	strcpy(outside, "/tmp/p9out.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	ck_assert_ptr_nonnull(mkdtemp(outside));
	make_file(outside, "secret", "secret");
	make_file(root, "file", "hello, world");
	ck_assert_int_eq(mkdir(path_of(root, "dir"), 0755), 0);
	make_file(root, "dir/inner", "inner");
	ck_assert_int_eq(symlink(outside, path_of(root, "link")), 0);
	ck_assert_int_eq(symlink("/", path_of(root, "dir/slash")), 0);
	dev = p9srv_export("root", root, false);
	ck_assert_int_ge(dev, 0);
	attach();
}

static void remove_tree(const char *dir)
{
	char cmd[PATH_MAX];

	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	ck_assert_int_eq(system(cmd), 0);
}

static void teardown(void)
{
	p9srv_reset();
	ck_assert_uint_eq(p9srv_fids(), 0);
	ck_assert_uint_eq(p9srv_nodes(), 0);
	ck_assert_uint_eq(p9srv_open_dirs(), 0);
	ck_assert_uint_eq(live, 0);
	remove_tree(root);
	remove_tree(outside);
}

#endif
