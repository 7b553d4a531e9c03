/* The runner's 9P2000.L server: open files, their data, listings, locks. */
#include "tests/unit/p9srvtest.h"

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
	ck_assert_int_eq(walk(0, 3, 1, "dir"), 0);
	ck_assert_int_eq(lcreate(3, "privileged", O_RDWR | O_EXCL, 06751), 0);
	ck_assert_int_eq(getattr(3, &b), 0);
	ck_assert_uint_eq(b.mode, S_IFREG | 06751);
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

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("p9srv_file", &tc, setup, teardown);

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, reading);
	tcase_add_test(tc, data_goes_straight_to_the_segments);
	tcase_add_test(tc, creating_and_writing);
	tcase_add_test(tc, special_files_are_not_opened);
	tcase_add_test(tc, directories_are_listed_whatever_the_buffer);
	tcase_add_test(tc, locks_are_granted);
	return s;
}
