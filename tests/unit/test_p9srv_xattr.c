/* The runner's 9P2000.L server: extended attributes of the user namespace. */
#include <sys/xattr.h>

#include "tests/unit/p9srvtest.h"

static int xattrwalk(uint32_t fid, uint32_t to, const char *name)
{
	begin(30);
	put(fid, 4);
	put(to, 4);
	put_str(name);
	return call();
}

static int xattrcreate(uint32_t fid, const char *name, uint64_t size, uint32_t flags)
{
	begin(32);
	put(fid, 4);
	put_str(name);
	put(size, 8);
	put(flags, 4);
	return call();
}

/* The whole way of a value. */
static int set(const char *file, const char *name, const char *value, uint32_t flags)
{
	int err;

	ck_assert_int_eq(file ? walk(0, 9, 1, file) : walk(0, 9, 0), 0);
	err = xattrcreate(9, name, strlen(value), flags);
	if (!err && *value)
		err = write_at(9, 0, value);
	if (err) {
		clunk(9);
		return err;
	}
	return clunk(9);
}

/* What the host's file system has; the tests need one with attributes. */
static const char *host_value(const char *file, const char *name)
{
	static char buf[256];
	ssize_t n = lgetxattr(path_of(root, file), name, buf, sizeof(buf) - 1);

	if (n < 0)
		return strerrorname_np(errno);
	buf[n] = 0;
	return buf;
}

static void xattr_setup(void)
{
	setup();
	if (setxattr(path_of(root, "file"), "user.first", "one", 3, 0))
		_exit(0); /* nothing to test with */
}

START_TEST(values_are_read)
{
	ck_assert_int_eq(walk(0, 1, 1, "file"), 0);
	ck_assert_int_eq(xattrwalk(1, 2, "user.first"), 0);
	ck_assert_uint_eq(get(8), 3);
	ck_assert_int_eq(read_at(2, 1, 100), 0);
	ck_assert_uint_eq(get(4), 2);
	ck_assert_mem_eq(rep + rep_pos, "ne", 2);
	ck_assert_int_eq(read_at(2, 4, 100), EINVAL);
	ck_assert_int_eq(write_at(2, 0, "x"), EINVAL);
	ck_assert_int_eq(clunk(2), 0);
	ck_assert_int_eq(xattrwalk(1, 2, "user.none"), ENODATA);
	ck_assert_int_eq(xattrwalk(1, 2, "security.capability"), EOPNOTSUPP);
	ck_assert_int_eq(xattrwalk(1, 0, "user.first"), EINVAL); /* that fid is taken */
	ck_assert_int_eq(clunk(2), EBADF);
	/* By an open file, too. */
	ck_assert_int_eq(lopen(1, O_RDONLY), 0);
	ck_assert_int_eq(xattrwalk(1, 2, "user.first"), 0);
	ck_assert_uint_eq(get(8), 3);
}
END_TEST

START_TEST(names_are_listed)
{
	ck_assert_int_eq(setxattr(path_of(root, "file"), "user.second", "", 0, 0), 0);
	ck_assert_int_eq(walk(0, 1, 1, "file"), 0);
	ck_assert_int_eq(xattrwalk(1, 2, ""), 0);
	ck_assert_uint_eq(get(8), sizeof("user.first") + sizeof("user.second"));
	ck_assert_int_eq(read_at(2, 0, 100), 0);
	ck_assert_uint_eq(get(4), sizeof("user.first") + sizeof("user.second"));
	ck_assert(memmem(rep, rep_len, "user.second", sizeof("user.second")));
	ck_assert_int_eq(xattrwalk(0, 3, ""), 0);
	ck_assert_uint_eq(get(8), 0);
}
END_TEST

START_TEST(values_are_set_when_the_fid_is_clunked)
{
	ck_assert_int_eq(walk(0, 1, 1, "file"), 0);
	ck_assert_int_eq(xattrcreate(1, "user.new", 6, 0), 0);
	ck_assert_int_eq(read_at(1, 0, 6), EINVAL);
	ck_assert_int_eq(lopen(1, O_RDONLY), EINVAL);
	ck_assert_int_eq(walk(1, 2, 0), EINVAL);
	ck_assert_int_eq(write_at(1, 0, "abc"), 0);
	ck_assert_int_eq(write_at(1, 3, "def"), 0);
	ck_assert_int_eq(write_at(1, 6, "g"), ENOSPC);
	ck_assert_str_eq(host_value("file", "user.new"), "ENODATA");
	ck_assert_int_eq(clunk(1), 0);
	ck_assert_int_eq(clunk(1), EBADF);
	ck_assert_str_eq(host_value("file", "user.new"), "abcdef");
	ck_assert_int_eq(set("file", "user.new", "again", XATTR_CREATE), EEXIST);
	ck_assert_int_eq(set("file", "user.newer", "x", XATTR_REPLACE), ENODATA);
	ck_assert_int_eq(set("file", "user.new", "z", XATTR_REPLACE), 0);
	ck_assert_str_eq(host_value("file", "user.new"), "z");
	ck_assert_int_eq(set("dir", "user.d", "D", 0), 0);
	ck_assert_str_eq(host_value("dir", "user.d"), "D");
	ck_assert_int_eq(set(NULL, "user.r", "R", 0), 0); /* the export itself */
	ck_assert_str_eq(host_value(".", "user.r"), "R");
	/* No bytes: it goes. */
	ck_assert_int_eq(set("file", "user.new", "", 0), 0);
	ck_assert_str_eq(host_value("file", "user.new"), "ENODATA");
	ck_assert_int_eq(set("file", "user.new", "", 0), ENODATA);
}
END_TEST

START_TEST(what_is_refused)
{
	ck_assert_int_eq(walk(0, 1, 1, "file"), 0);
	ck_assert_int_eq(xattrcreate(1, "user.x", 65537, 0), E2BIG);
	ck_assert_int_eq(xattrcreate(1, "user.x", UINT64_MAX, 0), E2BIG);
	ck_assert_int_eq(xattrcreate(1, "user.x", 1, 4), EINVAL);
	ck_assert_int_eq(xattrcreate(1, "trusted.x", 1, 0), EOPNOTSUPP);
	ck_assert_int_eq(xattrcreate(5, "user.x", 1, 0), EBADF);
	ck_assert_int_eq(xattrcreate(1, "user.x", 10, 0), 0);
	ck_assert_int_eq(write_at(1, 0, "half"), 0);
	ck_assert_int_eq(clunk(1), EINVAL); /* not all there */
	ck_assert_str_eq(host_value("file", "user.x"), "ENODATA");
	/* A symbolic link is not followed, and has none itself. */
	ck_assert_int_eq(set("link", "user.x", "1", 0), EPERM);
	ck_assert_int_lt(getxattr(outside, "user.x", NULL, 0), 0);
	dev = p9srv_export("ro", root, true);
	attach();
	ck_assert_int_eq(walk(0, 1, 1, "file"), 0);
	ck_assert_int_eq(xattrcreate(1, "user.x", 1, 0), EROFS);
	ck_assert_int_eq(xattrwalk(1, 2, "user.first"), 0);
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("p9srv_xattr", &tc, xattr_setup, teardown);

	tcase_add_test(tc, values_are_read);
	tcase_add_test(tc, names_are_listed);
	tcase_add_test(tc, values_are_set_when_the_fid_is_clunked);
	tcase_add_test(tc, what_is_refused);
	return s;
}
