/* The runner's 9P2000.L server: exports, versions, walks and qids, want of descriptors, and that no message, however wrong,
 * brings it down. */
#include "tests/unit/p9srvtest.h"

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
		{ 8, 4 }, { 12, 8 }, { 14, 18 }, { 16, 14 }, { 18, 22 }, { 20, 10 }, { 22, 4 }, { 24, 12 }, { 26, 60 }, { 30, 10 }, { 32, 18 },
		{ 40, 16 },
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
	tcase_add_test(tc, files_of_different_devices_differ);
	tcase_add_test(tc, deep_trees_and_few_descriptors);
	tcase_add_test(tc, messages_that_cannot_be_answered);
	tcase_add_test(tc, every_message_cut_short_is_an_error);
	tcase_add_test(tc, random_messages_do_no_harm);
	return s;
}
