/* The runner's 9P2000.L server on a directory of its own: what each message does, and that no message, however wrong,
 * leads out of the export or brings the server down. */
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

/* ---- exports and versions ---- */

START_TEST(exports_are_found_by_tag)
{
	ck_assert_int_eq(p9srv_find("root"), dev);
	ck_assert_int_eq(p9srv_find("other"), -ENODEV);
	ck_assert_int_eq(p9srv_export("root", root, false), -EINVAL);
	ck_assert_int_eq(p9srv_export("", root, false), -EINVAL);
	ck_assert_int_eq(p9srv_export("x", "/nonexistent", false), -ENOENT);
	ck_assert_int_eq(p9srv_export("x", path_of(root, "file"), false), -ENOTDIR);
	ck_assert_int_eq(p9srv_export("a-tag-of-more-than-thirty-one-characters", root, false), -EINVAL);
}
END_TEST

START_TEST(other_versions_are_unknown)
{
	begin(100);
	put(1 << 30, 4);
	put_str("9P2000.u");
	ck_assert_int_eq(call(), 0);
	ck_assert_uint_eq(get(4), P9SRV_MSIZE);
	ck_assert_uint_eq(get(2), 7);
	ck_assert_mem_eq(rep + rep_pos, "unknown", 7);
	ck_assert_uint_eq(p9srv_fids(), 0); /* a version ends the session */
	begin(100);
	put(100, 4);
	put_str("9P2000.L");
	ck_assert_int_eq(call(), EINVAL);
}
END_TEST

/* ---- walking ---- */

START_TEST(walking)
{
	struct attr a, b;

	ck_assert_int_eq(walk(0, 1, 2, "dir", "inner"), 0);
	ck_assert_uint_eq(get(2), 2);
	ck_assert_int_eq(getattr(1, &a), 0);
	ck_assert_uint_eq(a.size, 5);
	ck_assert_int_eq(walk(1, 2, 0), 0); /* a clone */
	ck_assert_int_eq(getattr(2, &b), 0);
	ck_assert_uint_eq(a.path, b.path);
	ck_assert_int_eq(walk(0, 3, 1, "nothing"), ENOENT);
	ck_assert_int_eq(getattr(3, &a), EBADF);
	ck_assert_int_eq(walk(0, 3, 2, "dir", "nothing"), 0); /* as far as it goes */
	ck_assert_uint_eq(get(2), 1);
	ck_assert_int_eq(getattr(3, &a), EBADF);
	ck_assert_int_eq(walk(0, 3, 2, "file", "x"), 0);
	ck_assert_uint_eq(get(2), 1);
	ck_assert_int_eq(walk(1, 3, 1, "x"), ENOTDIR);
	ck_assert_int_eq(walk(0, 2, 1, "dir"), EINVAL); /* in use */
	ck_assert_int_eq(walk(99, 3, 0), EBADF);
	ck_assert_int_eq(walk(0, 0xffffffff, 0), EINVAL);
	ck_assert_int_eq(walk(2, 2, 0), 0); /* onto itself */
	ck_assert_int_eq(clunk(1), 0);
	ck_assert_int_eq(clunk(1), EBADF);
	ck_assert_int_eq(clunk(2), 0);
	ck_assert_uint_eq(p9srv_fids(), 1);
}
END_TEST

START_TEST(dot_dot_stops_at_the_root)
{
	struct attr top, a;

	ck_assert_int_eq(getattr(0, &top), 0);
	ck_assert_int_eq(walk(0, 1, 4, "..", "..", "dir", ".."), 0);
	ck_assert_uint_eq(get(2), 4);
	ck_assert_int_eq(getattr(1, &a), 0);
	ck_assert_uint_eq(a.path, top.path);
	ck_assert_int_eq(walk(1, 2, 3, "..", basename(outside), "secret"), 0);
	ck_assert_uint_eq(get(2), 1);
	ck_assert_int_eq(walk(0, 2, 1, basename(outside)), ENOENT);
}
END_TEST

START_TEST(names_are_single_components)
{
	static const char *const bad[] = { "dir/inner", "/", "/etc/passwd", "../x", "", "." };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ck_assert_int_eq(walk(0, 1, 1, bad[i]), EINVAL);
		ck_assert_int_eq(mkdir_at(0, bad[i]), EINVAL);
		ck_assert_int_eq(unlink_at(0, bad[i], 0), EINVAL);
		ck_assert_int_eq(lcreate(0, bad[i], O_RDWR, 0644), EINVAL);
		ck_assert_int_eq(renameat_(0, bad[i], 0, "x"), EINVAL);
		ck_assert_int_eq(renameat_(0, "file", 0, bad[i]), EINVAL);
	}
	ck_assert_int_eq(unlink_at(0, "..", 0x200), EINVAL);
	ck_assert_int_eq(mkdir_at(0, ".."), EINVAL);
	begin(110); /* a NUL in a name */
	put(0, 4), put(1, 4), put(1, 2), put(5, 2), put_bytes("fi\0le", 5);
	ck_assert_int_eq(call(), EINVAL);
	char name[300];
	memset(name, 'n', sizeof(name));
	name[256] = 0;
	ck_assert_int_eq(mkdir_at(0, name), ENAMETOOLONG);
	name[255] = 0;
	ck_assert_int_eq(mkdir_at(0, name), 0);
}
END_TEST

START_TEST(links_are_read_not_followed)
{
	struct attr a;

	ck_assert_int_eq(walk(0, 1, 1, "link"), 0);
	ck_assert_uint_eq(get(2), 1);
	ck_assert_uint_eq(get(1), 2); /* QTSYMLINK */
	ck_assert_int_eq(getattr(1, &a), 0);
	ck_assert(S_ISLNK(a.mode));
	ck_assert_int_eq(fid_call(22, 1), 0);
	ck_assert_uint_eq(get(2), strlen(outside));
	ck_assert_mem_eq(rep + rep_pos, outside, strlen(outside));
	ck_assert_int_eq(walk(1, 2, 1, "secret"), ENOTDIR);
	ck_assert_int_eq(walk(0, 2, 3, "dir", "slash", "etc"), 0);
	ck_assert_uint_eq(get(2), 2);
	ck_assert_int_eq(lopen(1, O_RDONLY), ELOOP);
	ck_assert_int_eq(mkdir_at(1, "new"), ENOTDIR);
	ck_assert(!exists(outside, "new"));
	ck_assert_int_eq(setattr(1, 0x8, 0, 0, 0), EINVAL);
	ck_assert_int_ne(setattr(1, 0x1, 0600, 0, 0), 0);
	ck_assert_int_eq(lcreate(0, "link", O_WRONLY | O_TRUNC, 0644), ELOOP);
	ck_assert_int_eq(walk(0, 3, 1, "file"), 0);
	ck_assert_int_eq(fid_call(22, 3), EINVAL);
}
END_TEST

START_TEST(a_directory_that_becomes_a_link_leads_nowhere)
{
	struct attr a;

	/* Known to the server, but without a descriptor: as after the cache was emptied. */
	ck_assert_int_eq(walk(0, 1, 2, "dir", "inner"), 0);
	p9srv_reset();
	dev = p9srv_export("root", root, false);
	attach();
	ck_assert_int_eq(walk(0, 1, 1, "dir"), 0);
	ck_assert_int_eq(rename(path_of(root, "dir"), path_of(root, "was")), 0);
	ck_assert_int_eq(symlink(outside, path_of(root, "dir")), 0);
	ck_assert_int_eq(walk(1, 2, 1, "secret"), ENOTDIR);
	ck_assert_int_eq(getattr(1, &a), 0);
	ck_assert(S_ISLNK(a.mode));
}
END_TEST

/* ---- data ---- */

START_TEST(reading)
{
	ck_assert_int_eq(walk(0, 1, 1, "file"), 0);
	ck_assert_int_eq(read_at(1, 0, 10), EBADF); /* not opened */
	ck_assert_int_eq(lopen(1, O_RDONLY), 0);
	ck_assert_int_eq(lopen(1, O_RDONLY), EINVAL);
	ck_assert_int_eq(read_at(1, 7, 100), 0);
	ck_assert_uint_eq(get(4), 5);
	ck_assert_mem_eq(rep + rep_pos, "world", 5);
	ck_assert_int_eq(read_at(1, 12, 100), 0);
	ck_assert_uint_eq(get(4), 0);
	ck_assert_int_eq(read_at(1, UINT64_MAX, 1), EINVAL);
	ck_assert_int_eq(write_at(1, 0, "x"), EBADF);
	ck_assert_int_eq(walk(0, 2, 1, "dir"), 0);
	ck_assert_int_eq(lopen(2, O_RDONLY), 0);
	ck_assert_int_eq(read_at(2, 0, 10), EISDIR);
}
END_TEST

START_TEST(data_goes_straight_to_the_segments)
{
	uint8_t head[11], a[3], b[20];
	struct plat_9p_seg in[4] = { { head, 11 }, { a, 3 }, { NULL, 0 }, { b, 20 } }, out = { req, 0 };

	ck_assert_int_eq(walk(0, 1, 1, "file"), 0);
	ck_assert_int_eq(lopen(1, O_RDWR), 0);
	begin(116);
	put(1, 4), put(0, 8), put(4096, 4);
	out.len = req_len;
	req[0] = (uint8_t)req_len;
	memset(b, '#', sizeof(b));
	ck_assert_uint_eq(p9srv_call(dev, &out, 1, in, 4), 11 + 12);
	ck_assert_uint_eq(head[7], 12);
	ck_assert_mem_eq(a, "hel", 3);
	ck_assert_mem_eq(b, "lo, world###########", 20);

	/* A write whose data lies in segments of its own, cut in odd places. */
	begin(118);
	put(1, 4), put(2, 8), put(6, 4);
	struct plat_9p_seg parts[4] = { { req, 5 }, { req + 5, req_len - 5 }, { (void *)"AB", 2 }, { (void *)"CDEF", 4 } };
	struct plat_9p_seg reply = { rep, sizeof(rep) };
	req[0] = (uint8_t)(req_len + 6);
	ck_assert_uint_eq(p9srv_call(dev, parts, 4, &reply, 1), 11);
	ck_assert_uint_eq(rep[7], 6);
	ck_assert_int_eq(read_at(1, 0, 100), 0);
	ck_assert_mem_eq(rep + 11, "heABCDEForld", 12);
}
END_TEST

START_TEST(creating_and_writing)
{
	struct attr a, b;

	ck_assert_int_eq(walk(0, 1, 1, "dir"), 0);
	ck_assert_int_eq(lcreate(1, "new", O_RDWR | O_EXCL | O_APPEND, 0640), 0);
	ck_assert_int_eq(write_at(1, 0, "12345"), 0);
	ck_assert_uint_eq(get(4), 5);
	ck_assert_int_eq(getattr(1, &a), 0);
	ck_assert_int_eq(write_at(1, 2, "xyz-"), 0); /* where it says, whatever O_APPEND wants */
	ck_assert_int_eq(getattr(1, &b), 0);
	ck_assert_uint_eq(b.size, 6);
	ck_assert_uint_eq(b.mode, S_IFREG | 0640);
	ck_assert_uint_ne(a.version, b.version);
	ck_assert_uint_eq(a.path, b.path);
	ck_assert_int_eq(fid_call(50, 1), 0); /* Tfsync */
	ck_assert_int_eq(walk(0, 2, 1, "dir"), 0);
	ck_assert_int_eq(lcreate(2, "new", O_RDWR | O_EXCL, 0640), EEXIST);
	ck_assert_int_eq(lcreate(2, "new", O_RDWR | O_TRUNC, 0640), 0);
	ck_assert_int_eq(getattr(2, &b), 0);
	ck_assert_uint_eq(b.size, 0);
}
END_TEST

START_TEST(special_files_are_not_opened)
{
	ck_assert_int_eq(mkfifo(path_of(root, "fifo"), 0600), 0);
	ck_assert_int_eq(walk(0, 1, 1, "fifo"), 0);
	ck_assert_int_eq(lopen(1, O_RDONLY), ENXIO);
	ck_assert_int_eq(walk(0, 2, 0), 0);
	ck_assert_int_eq(lcreate(2, "fifo", O_RDWR, 0600), ENXIO);
	begin(18); /* Tmknod of one more */
	put(0, 4), put_str("fifo2"), put(S_IFIFO | 0600, 4), put(0, 4), put(0, 4), put(getgid(), 4);
	ck_assert_int_eq(call(), 0);
	ck_assert(exists(root, "fifo2"));
}
END_TEST

START_TEST(directories_are_listed_whatever_the_buffer)
{
	unsigned seen = 0, dots = 0;
	uint64_t off = 0;

	for (int i = 0; i < 300; i++) {
		char name[32];
		snprintf(name, sizeof(name), "dir/entry-%03d", i);
		make_file(root, name, "");
	}
	ck_assert_int_eq(walk(0, 1, 1, "dir"), 0);
	ck_assert_int_eq(lopen(1, O_RDONLY | O_DIRECTORY), 0);
	for (;;) {
		begin(40);
		put(1, 4), put(off, 8), put(100, 4);
		ck_assert_int_eq(call(), 0);
		size_t n = get(4), end = rep_pos + n;
		ck_assert_uint_le(n, 100);
		if (!n)
			break;
		while (rep_pos < end) {
			get(1), get(4), get(8);
			off = get(8);
			get(1);
			size_t len = get(2);
			if (rep[rep_pos] == '.')
				dots++;
			else
				seen++;
			rep_pos += len;
		}
		ck_assert_uint_eq(rep_pos, end);
	}
	ck_assert_uint_eq(seen, 302); /* inner and slash, too */
	ck_assert_uint_eq(dots, 2);
	begin(40); /* from the start again, with no room for anything */
	put(1, 4), put(0, 8), put(10, 4);
	ck_assert_int_eq(call(), EINVAL);
	ck_assert_int_eq(walk(0, 2, 1, "file"), 0);
	ck_assert_int_eq(lopen(2, O_RDONLY), 0);
	begin(40);
	put(2, 4), put(0, 8), put(1000, 4);
	ck_assert_int_eq(call(), ENOTDIR);
}
END_TEST

/* ---- attributes and names ---- */

START_TEST(attributes)
{
	struct attr a;

	ck_assert_int_eq(walk(0, 1, 1, "file"), 0);
	ck_assert_int_eq(setattr(1, 0x1 | 0x8 | 0x20 | 0x100, 04755, 5, 1000000000), 0);
	ck_assert_int_eq(getattr(1, &a), 0);
	ck_assert_uint_eq(a.mode, S_IFREG | 04755);
	ck_assert_uint_eq(a.size, 5);
	ck_assert_uint_eq(a.mtime, 1000000000);
	ck_assert_uint_eq(a.mtime_nsec, 5);
	ck_assert_int_eq(setattr(1, 0x8, 0, UINT64_MAX, 0), EINVAL);
	ck_assert_int_eq(setattr(0, 0x8, 0, 0, 0), EISDIR);
	ck_assert_int_eq(setattr(0, 0x1, 0700, 0, 0), 0); /* the root itself */
	ck_assert_int_eq(fid_call(8, 1), 0); /* Tstatfs */
	ck_assert_uint_eq(rep_len, 67);
	ck_assert_int_eq(fid_call(30, 1), EOPNOTSUPP); /* Txattrwalk */
}
END_TEST

START_TEST(an_open_file_survives_its_name)
{
	struct attr a;

	ck_assert_int_eq(walk(0, 1, 1, "file"), 0);
	ck_assert_int_eq(walk(0, 2, 1, "file"), 0);
	ck_assert_int_eq(lopen(1, O_RDWR), 0);
	ck_assert_int_eq(unlink_at(0, "file", 0), 0);
	ck_assert_int_eq(read_at(1, 0, 5), 0);
	ck_assert_int_eq(getattr(1, &a), 0);
	ck_assert_uint_eq(a.nlink, 0);
	ck_assert_int_eq(setattr(1, 0x1 | 0x8, 0600, 1, 0), 0);
	ck_assert_int_eq(getattr(2, &a), ENOENT);
	/* A new file of that name is not the old one. */
	make_file(root, "file", "another");
	ck_assert_int_eq(getattr(2, &a), ENOENT);
	ck_assert_int_eq(lopen(2, O_RDONLY), ENOENT);
	ck_assert_int_eq(walk(0, 3, 1, "file"), 0);
	ck_assert_int_eq(getattr(3, &a), 0);
	ck_assert_uint_eq(a.size, 7);
}
END_TEST

START_TEST(renames_carry_everything_below_along)
{
	struct attr before, a;

	ck_assert_int_eq(mkdir_at(0, "other"), 0);
	ck_assert_int_eq(walk(0, 1, 2, "dir", "inner"), 0);
	ck_assert_int_eq(walk(0, 2, 1, "other"), 0);
	ck_assert_int_eq(walk(0, 4, 1, "dir"), 0);
	ck_assert_int_eq(getattr(1, &before), 0);
	ck_assert_int_eq(renameat_(0, "dir", 2, "a-rather-longer-name"), 0);
	ck_assert_int_eq(getattr(1, &a), 0);
	ck_assert_uint_eq(a.path, before.path);
	ck_assert_int_eq(walk(1, 3, 2, "..", ".."), 0); /* by the new way up */
	ck_assert_int_eq(getattr(3, &a), 0);
	ck_assert_int_eq(getattr(2, &before), 0);
	ck_assert_uint_eq(a.path, before.path);
	/* Over an existing file: its fid loses the file. */
	ck_assert_int_eq(walk(0, 5, 1, "file"), 0);
	ck_assert_int_eq(renameat_(4, "inner", 0, "file"), 0);
	ck_assert_int_eq(getattr(5, &a), ENOENT);
	ck_assert_int_eq(getattr(1, &a), 0);
	ck_assert_uint_eq(a.size, 5);
	begin(20); /* Trename: fid, directory, name */
	put(1, 4), put(2, 4), put_str("moved");
	ck_assert_int_eq(call(), 0);
	ck_assert(exists(root, "other/moved"));
	begin(20);
	put(0, 4), put(2, 4), put_str("root");
	ck_assert_int_eq(call(), EBUSY);
	ck_assert_int_eq(renameat_(0, "other", 4, "into-itself"), EINVAL);
	ck_assert_int_eq(getattr(2, &a), 0);
}
END_TEST

START_TEST(links_directories_and_removal)
{
	struct attr a;

	begin(16);
	put(0, 4), put_str("sym"), put_str("any/where"), put(getgid(), 4);
	ck_assert_int_eq(call(), 0);
	ck_assert_int_eq(walk(0, 1, 1, "file"), 0);
	begin(70);
	put(0, 4), put(1, 4), put_str("hard");
	ck_assert_int_eq(call(), 0);
	ck_assert_int_eq(getattr(1, &a), 0);
	ck_assert_uint_eq(a.nlink, 2);
	ck_assert_int_eq(mkdir_at(0, "dir"), EEXIST);
	ck_assert_int_eq(unlink_at(0, "dir", 0), EISDIR);
	ck_assert_int_eq(unlink_at(0, "dir", 0x200), ENOTEMPTY);
	ck_assert_int_eq(unlink_at(0, "file", 0x200), ENOTDIR);
	ck_assert_int_eq(unlink_at(0, "file", 0x1000), EINVAL);
	ck_assert_int_eq(fid_call(122, 1), 0); /* Tremove */
	ck_assert(!exists(root, "file"));
	ck_assert_int_eq(clunk(1), EBADF);
	ck_assert_int_eq(walk(0, 1, 1, "dir"), 0);
	ck_assert_int_eq(fid_call(122, 1), ENOTEMPTY);
	ck_assert_int_eq(clunk(1), EBADF); /* gone all the same */
	ck_assert_int_eq(walk(0, 1, 0), 0);
	ck_assert_int_eq(fid_call(122, 1), EBUSY);
}
END_TEST

START_TEST(read_only_means_read_only)
{
	struct attr a;

	dev = p9srv_export("ro", root, true);
	attach();
	ck_assert_int_eq(walk(0, 1, 1, "file"), 0);
	ck_assert_int_eq(walk(0, 2, 1, "dir"), 0);
	ck_assert_int_eq(lopen(1, O_RDWR), EROFS);
	ck_assert_int_eq(lopen(1, O_WRONLY), EROFS);
	ck_assert_int_eq(lopen(1, O_RDONLY | O_TRUNC), EROFS);
	ck_assert_int_eq(lcreate(0, "new", O_RDONLY, 0644), EROFS);
	ck_assert_int_eq(mkdir_at(0, "new"), EROFS);
	ck_assert_int_eq(unlink_at(0, "file", 0), EROFS);
	ck_assert_int_eq(renameat_(0, "file", 2, "x"), EROFS);
	ck_assert_int_eq(setattr(1, 0x1, 0600, 0, 0), EROFS);
	begin(20), put(1, 4), put(2, 4), put_str("x");
	ck_assert_int_eq(call(), EROFS);
	begin(70), put(0, 4), put(1, 4), put_str("x");
	ck_assert_int_eq(call(), EROFS);
	begin(16), put(0, 4), put_str("x"), put_str("y"), put(0, 4);
	ck_assert_int_eq(call(), EROFS);
	begin(18), put(0, 4), put_str("x"), put(S_IFIFO, 4), put(0, 8), put(0, 4);
	ck_assert_int_eq(call(), EROFS);
	ck_assert_int_eq(lopen(1, O_RDONLY), 0);
	ck_assert_int_eq(getattr(1, &a), 0);
	ck_assert_uint_eq(a.size, 12);
	ck_assert_int_eq(walk(0, 3, 1, "file"), 0);
	ck_assert_int_eq(fid_call(122, 3), EROFS);
	ck_assert(exists(root, "file"));
}
END_TEST

START_TEST(locks_are_granted)
{
	ck_assert_int_eq(walk(0, 1, 1, "file"), 0);
	ck_assert_int_eq(lopen(1, O_RDWR), 0);
	begin(52), put(1, 4), put(1, 1), put(0, 4), put(0, 8), put(0, 8), put(5, 4), put_str("me");
	ck_assert_int_eq(call(), 0);
	ck_assert_uint_eq(get(1), 0);
	begin(54), put(1, 4), put(1, 1), put(3, 8), put(4, 8), put(5, 4), put_str("me");
	ck_assert_int_eq(call(), 0);
	ck_assert_uint_eq(get(1), F_UNLCK);
	ck_assert_uint_eq(get(8), 3);
	ck_assert_uint_eq(get(8), 4);
}
END_TEST

/* ---- want of descriptors ---- */

START_TEST(deep_trees_and_few_descriptors)
{
	struct rlimit old, few = { 48, 0 };
	struct attr a;
	char name[16];

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	few.rlim_max = old.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	ck_assert_int_eq(walk(0, 1, 0), 0);
	for (int i = 0; i < 400; i++) { /* longer than any path */
		snprintf(name, sizeof(name), "d%d", i);
		ck_assert_int_eq(mkdir_at(1, name), 0);
		ck_assert_int_eq(walk(1, 1, 1, name), 0);
		ck_assert_uint_le(p9srv_open_dirs(), 48);
	}
	ck_assert_int_eq(getattr(1, &a), 0);
	for (int i = 0; i < 399; i++)
		ck_assert_int_eq(walk(1, 1, 1, ".."), 0);
	ck_assert_int_eq(walk(1, 2, 16, "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9", "d10", "d11", "d12", "d13", "d14",
			      "d15", "d16"), 0);
	ck_assert_uint_eq(get(2), 16);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	/* Many directories: the cache stays bounded. */
	for (uint32_t i = 0; i < 400; i++) {
		snprintf(name, sizeof(name), "w%u", i);
		ck_assert_int_eq(mkdir_at(0, name), 0);
		ck_assert_int_eq(walk(0, 1000 + i, 1, name), 0);
		ck_assert_int_eq(mkdir_at(1000 + i, "x"), 0);
	}
	ck_assert_uint_le(p9srv_open_dirs(), 256);
	for (uint32_t i = 0; i < 400; i++)
		ck_assert_int_eq(unlink_at(1000 + i, "x", 0x200), 0);
}
END_TEST

/* ---- malformed messages ---- */

START_TEST(messages_that_cannot_be_answered)
{
	struct plat_9p_seg in = { rep, sizeof(rep) }, tiny = { rep, 10 }, out = { req, 0 };

	begin(120);
	put(0, 4);
	for (size_t n = 0; n < req_len; n++) {
		out.len = n;
		req[0] = (uint8_t)req_len; /* says more than there is */
		ck_assert_uint_eq(p9srv_call(dev, &out, 1, &in, 1), 0);
	}
	out.len = req_len;
	req[0] = 6;
	ck_assert_uint_eq(p9srv_call(dev, &out, 1, &in, 1), 0);
	req[0] = (uint8_t)req_len;
	ck_assert_uint_eq(p9srv_call(dev, &out, 1, &tiny, 1), 0);
	ck_assert_uint_eq(p9srv_call(dev + 1, &out, 1, &in, 1), 0);
	ck_assert_uint_eq(p9srv_call(-1, &out, 1, &in, 1), 0);
	ck_assert_uint_eq(p9srv_call(dev, &out, 0, &in, 1), 0);
}
END_TEST

START_TEST(every_message_cut_short_is_an_error)
{
	/* Type and the length of a good message's body. */
	static const struct { uint8_t type, len; } msgs[] = {
		{ 8, 4 }, { 12, 8 }, { 14, 18 }, { 16, 14 }, { 18, 22 }, { 20, 10 }, { 22, 4 }, { 24, 12 }, { 26, 60 }, { 40, 16 },
		{ 52, 4 }, { 54, 27 }, { 70, 10 }, { 72, 14 }, { 74, 12 }, { 76, 10 }, { 100, 6 }, { 104, 12 }, { 108, 2 },
		{ 110, 10 }, { 116, 16 }, { 118, 16 }, { 120, 4 }, { 122, 4 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(msgs); i++) {
		for (unsigned len = 0; len < msgs[i].len; len++) {
			begin(msgs[i].type);
			put_bytes((uint8_t[64]){ 0 }, len);
			ck_assert_msg(call() != 0, "type %u with %u bytes", msgs[i].type, len);
		}
	}
	begin(118); /* a count that the message does not hold */
	put(0, 4), put(0, 8), put(1000, 4), put_bytes("abc", 3);
	ck_assert_int_eq(call(), EINVAL);
	begin(110); /* more names than allowed */
	put(0, 4), put(1, 4), put(17, 2);
	ck_assert_int_eq(call(), EINVAL);
	begin(110); /* a string longer than the message */
	put(0, 4), put(1, 4), put(1, 2), put(60000, 2), put_bytes("dir", 3);
	ck_assert_int_eq(call(), EINVAL);
	for (unsigned type = 0; type < 256; type++) {
		begin((uint8_t)type);
		ck_assert_int_ne(call(), 0);
	}
}
END_TEST

START_TEST(random_messages_do_no_harm)
{
	static const uint8_t types[] = { 8, 12, 14, 16, 20, 22, 24, 40, 50, 70, 72, 74, 76, 110, 116, 118, 120, 122 };
	uint64_t state = 88172645463325252ul;

	for (int round = 0; round < 30000; round++) {
		size_t n = unit_random(&state) % 48;

		begin(types[unit_random(&state) % sizeof(types)]);
		put(unit_random(&state) % 4, 4);
		for (size_t i = 0; i < n; i++) {
			uint32_t r = unit_random(&state);
			put(r & 0x300 ? r % 5 : r, 1);
		}
		call();
		if (round % 500 == 0)
			attach();
	}
	ck_assert(exists(outside, "secret"));
}
END_TEST

/* ---- qids ---- */

START_TEST(files_of_different_devices_differ)
{
	struct stat a, b;
	struct attr x, y;

	ck_assert_int_eq(stat("/proc/self", &b), 0);
	ck_assert_int_eq(stat(root, &a), 0);
	ck_assert_uint_ne(a.st_dev, b.st_dev);
	ck_assert_int_eq(getattr(0, &x), 0);
	dev = p9srv_export("proc", "/proc", true);
	attach();
	ck_assert_int_eq(getattr(0, &y), 0);
	ck_assert_uint_ne(x.path >> 48, y.path >> 48);
	ck_assert_uint_eq(x.path & 0xffffffffffff, a.st_ino & 0xffffffffffff);
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("p9srv", &tc, setup, teardown);

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, exports_are_found_by_tag);
	tcase_add_test(tc, other_versions_are_unknown);
	tcase_add_test(tc, walking);
	tcase_add_test(tc, dot_dot_stops_at_the_root);
	tcase_add_test(tc, names_are_single_components);
	tcase_add_test(tc, links_are_read_not_followed);
	tcase_add_test(tc, a_directory_that_becomes_a_link_leads_nowhere);
	tcase_add_test(tc, reading);
	tcase_add_test(tc, data_goes_straight_to_the_segments);
	tcase_add_test(tc, creating_and_writing);
	tcase_add_test(tc, special_files_are_not_opened);
	tcase_add_test(tc, directories_are_listed_whatever_the_buffer);
	tcase_add_test(tc, attributes);
	tcase_add_test(tc, an_open_file_survives_its_name);
	tcase_add_test(tc, renames_carry_everything_below_along);
	tcase_add_test(tc, links_directories_and_removal);
	tcase_add_test(tc, read_only_means_read_only);
	tcase_add_test(tc, locks_are_granted);
	tcase_add_test(tc, deep_trees_and_few_descriptors);
	tcase_add_test(tc, messages_that_cannot_be_answered);
	tcase_add_test(tc, every_message_cut_short_is_an_error);
	tcase_add_test(tc, random_messages_do_no_harm);
	tcase_add_test(tc, files_of_different_devices_differ);
	return s;
}
