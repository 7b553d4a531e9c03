/* The runner's 9P2000.L server: attributes, making, renaming and removing names. */
#include "tests/unit/p9srvtest.h"

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

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("p9srv_attr", &tc, setup, teardown);

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, attributes);
	tcase_add_test(tc, an_open_file_survives_its_name);
	tcase_add_test(tc, renames_carry_everything_below_along);
	tcase_add_test(tc, links_directories_and_removal);
	tcase_add_test(tc, read_only_means_read_only);
	return s;
}
