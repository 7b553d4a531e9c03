/* cpio archives: what is unpacked, and every way in which an archive can be wrong. */
#include "core/fs/cpio.h"
#include "tests/unit/fstest.h"

#define ARCHIVE_MAX 65536

static char archive[ARCHIVE_MAX];
static size_t archive_len;

/* ---- making archives ---- */

struct entry {
	const char *name;
	uint32_t mode;
	const char *data;
	size_t size;
	uint32_t ino, nlink, uid, gid, major, minor;
};

static void pad(void)
{
	while (archive_len % 4)
		archive[archive_len++] = 0;
}

static void put(const struct entry *e)
{
	const unsigned fields[] = {
		e->ino, e->mode, e->uid, e->gid, e->nlink ? e->nlink : 1, 1234567, (unsigned)e->size, 8, 1,
		e->major, e->minor, (unsigned)strlen(e->name) + 1, 0
	};

	archive_len += (size_t)sprintf(archive + archive_len, "070701");
	for (unsigned i = 0; i < ARRAY_SIZE(fields); i++)
		archive_len += (size_t)sprintf(archive + archive_len, "%08x", fields[i]);
	strcpy(archive + archive_len, e->name);
	archive_len += strlen(e->name) + 1;
	pad();
	if (e->size)
		memcpy(archive + archive_len, e->data, e->size);
	archive_len += e->size;
	pad();
}

static void put_file(const char *name, const char *text)
{
	put(&(struct entry){ .name = name, .mode = S_IFREG | 0644, .data = text, .size = strlen(text) });
}

static void put_dir(const char *name, uint32_t mode) { put(&(struct entry){ .name = name, .mode = S_IFDIR | mode }); }

static void put_trailer(void) { put(&(struct entry){ .name = "TRAILER!!!" }); }

static int unpack(void) { return cpio_unpack(mount_root()->super, archive, archive_len); }

static void setup(void)
{
	fs_setup();
	archive_len = 0;
}

/* ---- tests ---- */

START_TEST(all_kinds)
{
	static char big[10000];
	struct inode *i;

	memset(big, 'b', sizeof(big));
	put_dir(".", 0711);
	put_dir("bin", 0755);
	put(&(struct entry){ .name = "bin/tool", .mode = S_IFREG | 04755, .data = big, .size = sizeof(big), .uid = 3,
			     .gid = 4 });
	put(&(struct entry){ .name = "bin/link", .mode = S_IFLNK | 0777, .data = "tool", .size = 4 });
	put(&(struct entry){ .name = "./dev/null", .mode = S_IFCHR | 0666, .major = 1, .minor = 3 });
	put(&(struct entry){ .name = "run/pipe", .mode = S_IFIFO | 0600 });
	put(&(struct entry){ .name = "run/sock", .mode = S_IFSOCK | 0600 });
	put_file("empty", "");
	put_dir("etc/", 0700);
	put_trailer();
	OK(unpack());
	ck_assert_str_eq(t_ls("/"), "bin dev empty etc run");
	ck_assert_uint_eq(t_inode("/")->mode, S_IFDIR | 0711);
	ck_assert_uint_eq(t_inode("/dev")->mode, S_IFDIR | 0755); /* was missing */
	ck_assert_uint_eq(t_inode("/etc")->mode, S_IFDIR | 0700);
	i = t_inode("/bin/tool");
	ck_assert_uint_eq(i->mode, S_IFREG | 04755);
	ck_assert_uint_eq(i->uid, 3);
	ck_assert_uint_eq(i->gid, 4);
	ck_assert_uint_eq(i->size, sizeof(big));
	ck_assert_int_eq(i->mtime.sec, 1234567);
	ck_assert_uint_eq(i->cache.pages, 0); /* nothing is copied before it is read */
	ck_assert_uint_eq(strspn(t_read("/bin/link"), "b"), 8191);
	ck_assert_uint_eq(t_inode("/dev/null")->rdev, DEV_MAKE(1, 3));
	ck_assert_uint_eq(t_inode("/run/pipe")->mode, S_IFIFO | 0600);
	ck_assert_uint_eq(t_inode("/run/sock")->mode, S_IFSOCK | 0600);
	ck_assert_str_eq(t_read("/empty"), "");
	/* Directories have their entries' times, whatever came into them. */
	ck_assert_int_eq(t_inode("/bin")->mtime.sec, 1234567);
	ck_assert_int_eq(t_inode("/")->mtime.sec, 1234567);
}
END_TEST

START_TEST(contents_are_copied_when_they_change)
{
	char was[ARCHIVE_MAX];
	struct file *f;
	char buf[8];

	put_file("f", "contents of a file");
	put_trailer();
	memcpy(was, archive, sizeof(was));
	OK(unpack());
	ck_assert_int_eq(t_write("/f", "C", 0), 1);
	ck_assert_str_eq(t_read("/f"), "Contents of a file");
	OK(t_truncate("/f", 4));
	OK(t_truncate("/f", 8));
	fs_objects();
	OK(t_open("/f", O_RDONLY, 0, &f));
	ck_assert_int_eq(f_pread(f, buf, 8, 0), 8);
	ck_assert(!memcmp(buf, "Cont\0\0\0\0", 8));
	file_put(f);
	ck_assert(!memcmp(was, archive, sizeof(was)));
}
END_TEST

START_TEST(hard_links)
{
	struct entry e = { .mode = S_IFREG | 0644, .ino = 77, .nlink = 3 };

	e.name = "a/one";
	put(&e);
	e.name = "two";
	put(&e);
	e.name = "b/three";
	e.data = "shared";
	e.size = 6;
	put(&e);
	/* Another file with the same data, a number of its own. */
	e = (struct entry){ .name = "other", .mode = S_IFREG | 0644, .ino = 78, .nlink = 2, .data = "x", .size = 1 };
	put(&e);
	put_trailer();
	OK(unpack());
	ck_assert_str_eq(t_read("/a/one"), "shared");
	ck_assert(t_inode("/a/one") == t_inode("/two") && t_inode("/two") == t_inode("/b/three"));
	ck_assert_uint_eq(t_inode("/two")->nlink, 3);
	ck_assert_uint_eq(t_inode("/other")->nlink, 1);
}
END_TEST

START_TEST(later_entries_replace)
{
	put_dir("d", 0755);
	put_file("d/f", "old");
	put_file("x", "old");
	put_dir("d", 0700);
	put_file("d/f", "new");
	put_dir("x", 0755);
	put_file("x/in", "in");
	put_trailer();
	OK(unpack());
	ck_assert_str_eq(t_read("/d/f"), "new");
	ck_assert_uint_eq(t_inode("/d")->mode, S_IFDIR | 0700);
	ck_assert_str_eq(t_read("/x/in"), "in");
}
END_TEST

START_TEST(several_archives)
{
	put_file("a", "1");
	put_trailer();
	memset(archive + archive_len, 0, 512);
	archive_len += 512;
	put_file("b", "2");
	put_trailer();
	memset(archive + archive_len, 0, 300);
	archive_len += 300;
	OK(unpack());
	ck_assert_str_eq(t_ls("/"), "a b");
}
END_TEST

START_TEST(bad_names)
{
	static const struct {
		const char *name, *why;
	} cases[] = {
		{ "/etc/passwd", "absolute" }, { "..", "\"..\"" },	{ "a/../b", "\"..\"" },	{ "../x", "\"..\"" },
		{ "a//b", "empty" },	       { "a/./b", "empty" },	{ "a//", "empty" },	{ ".//../x", "\"..\"" },
	};
	char name[PATH_MAX + 10];

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		archive_len = 0;
		put_file(cases[i].name, "x");
		put_trailer();
		ERR(EINVAL, unpack());
		ck_assert_msg(strstr(fake_log(), cases[i].why) != NULL, "%s: %s", cases[i].name, fake_log());
	}
	memset(name, 'n', sizeof(name));
	name[256] = 0;
	archive_len = 0;
	put_file(name, "x");
	put_trailer();
	ERR(EINVAL, unpack());
	for (unsigned i = 1; i < sizeof(name); i += 2)
		name[i] = '/';
	name[256] = 'n';
	name[PATH_MAX + 1] = 0;
	archive_len = 0;
	put_file(name, "x");
	put_trailer();
	ERR(EINVAL, unpack());
	ck_assert_str_eq(t_ls("/"), "");
}
END_TEST

START_TEST(bad_headers)
{
	put_file("f", "data");
	put_trailer();
	archive[5] = '9';
	ERR(EINVAL, unpack());
	ck_assert(strstr(fake_log(), "magic") != NULL);
	memcpy(archive, "070707", 6);
	ERR(EINVAL, unpack());
	ck_assert(strstr(fake_log(), "old format") != NULL);
	memcpy(archive, "\x1f\x8b\x08", 3);
	ERR(EINVAL, unpack());
	ck_assert(strstr(fake_log(), "compressed") != NULL);
	memcpy(archive, "070701", 6);
	archive[20] = 'g';
	ERR(EINVAL, unpack());
	ck_assert(strstr(fake_log(), "bad digit") != NULL);
	archive[20] = '0';
	memcpy(archive + 6 + 8 * 6, "ffffffff", 8); /* size */
	ERR(EINVAL, unpack());
	ck_assert(strstr(fake_log(), "contents beyond") != NULL);
	memcpy(archive + 6 + 8 * 6, "00000004", 8);
	memcpy(archive + 6 + 8 * 11, "FFFFFFFF", 8); /* length of the name */
	ERR(EINVAL, unpack());
	ck_assert(strstr(fake_log(), "name beyond") != NULL);
	memcpy(archive + 6 + 8 * 11, "00000000", 8);
	ERR(EINVAL, unpack());
	memcpy(archive + 6 + 8 * 11, "00000003", 8);
	ERR(EINVAL, unpack());
	ck_assert(strstr(fake_log(), "not terminated") != NULL);
	memcpy(archive + 6 + 8 * 11, "00000002", 8);
	memcpy(archive + 6 + 8, "0000c1ff", 8); /* mode: socket and more; then none at all */
	OK(unpack());
	memcpy(archive + 6 + 8, "000001ff", 8);
	ERR(EINVAL, unpack());
	ck_assert(strstr(fake_log(), "no known type") != NULL);
}
END_TEST

START_TEST(bad_contents)
{
	put(&(struct entry){ .name = "l", .mode = S_IFLNK | 0777 });
	put_trailer();
	ERR(EINVAL, unpack());
	archive_len = 0;
	put(&(struct entry){ .name = "l", .mode = S_IFLNK | 0777, .data = "a\0b", .size = 3 });
	put_trailer();
	ERR(EINVAL, unpack());
	ck_assert(strstr(fake_log(), "bad symbolic link") != NULL);
	archive_len = 0;
	put_file("f", "x");
	put_file("f/g", "x");
	put_trailer();
	ERR(EINVAL, unpack());
	ck_assert(strstr(fake_log(), "used as a directory") != NULL);
	archive_len = 0;
	put_file("d/g", "x");
	put_file("d", "x");
	put_trailer();
	ERR(EINVAL, unpack());
	ck_assert(strstr(fake_log(), "not empty") != NULL);
}
END_TEST

/* Every prefix of an archive, in memory that ends right behind it. */
START_TEST(truncated)
{
	size_t whole, need;
	unsigned log_lines = 0;

	put_file("file", "some data here");
	put_dir("dir", 0755);
	need = archive_len;
	put_trailer();
	whole = archive_len;
	for (size_t len = 0; len < whole; len++) {
		struct cpio_reader r;
		struct cpio_entry e;
		char *copy = malloc(len ? len : 1);
		int n;

		memcpy(copy, archive, len);
		cpio_init(&r, copy, len);
		while ((n = cpio_next(&r, &e)) > 0)
			;
		/* The trailer's own padding is not needed. */
		ck_assert_int_eq(n, len >= need + 110 + 11 ? 0 : -EINVAL);
		ck_assert(n == 0 || r.error != NULL);
		free(copy);
	}
	archive_len = need;
	ERR(EINVAL, unpack());
	for (const char *p = fake_log(); *p; p++)
		log_lines += *p == '\n';
	ck_assert_uint_eq(log_lines, 1);
	ck_assert(strstr(fake_log(), "no trailer") != NULL);
}
END_TEST

/* Rubbish of all sorts: an error or not, but no harm. */
START_TEST(random_damage)
{
	uint64_t seed = 77 + (uint64_t)_i;

	for (unsigned round = 0; round < 300; round++) {
		struct super *s;
		char *copy;

		archive_len = 0;
		put_dir("d", 0755);
		put_file("d/f", "data data data");
		put(&(struct entry){ .name = "l", .mode = S_IFLNK | 0777, .data = "d/f", .size = 3 });
		put(&(struct entry){ .name = "h", .mode = S_IFREG, .ino = 3, .nlink = 2, .data = "h", .size = 1 });
		put(&(struct entry){ .name = "d/h", .mode = S_IFREG, .ino = 3, .nlink = 2 });
		put_trailer();
		for (unsigned k = 1 + unit_random(&seed) % 4; k; k--) {
			static const char likely[] = "0123456789abcdef/.\0";
			size_t at = unit_random(&seed) % archive_len;

			archive[at] = unit_random(&seed) % 3 ? likely[unit_random(&seed) % sizeof(likely)]
							      : (char)unit_random(&seed);
		}
		copy = malloc(archive_len);
		memcpy(copy, archive, archive_len);
		OK(tmpfs_new(&s, 0, 0755));
		int r = cpio_unpack(s, copy, archive_len);

		ck_assert(r == 0 || r == -EINVAL);
		super_free(s);
		free(copy);
	}
}
END_TEST

START_TEST(failing_allocations)
{
	bool failed = true;
	size_t objects = fs_objects();
	unsigned n;

	put_file("d/e/f", "data");
	put(&(struct entry){ .name = "l", .mode = S_IFLNK | 0777, .data = "d/f", .size = 3 });
	put(&(struct entry){ .name = "h", .mode = S_IFREG, .ino = 3, .nlink = 2, .data = "h", .size = 1 });
	put(&(struct entry){ .name = "d/h", .mode = S_IFREG, .ino = 3, .nlink = 2 });
	put_trailer();
	for (n = 1; failed; n++) {
		struct super *s;
		int r;

		OK(tmpfs_new(&s, 0, 0755));
		fake_fail_after(n);
		r = cpio_unpack(s, archive, archive_len);
		failed = fake_failed();
		fake_fail_after(0);
		ck_assert_int_eq(r, failed ? -ENOMEM : 0);
		super_free(s);
		ck_assert_uint_eq(fs_objects(), objects);
	}
	ck_assert_uint_gt(n, 10);
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("cpio", &tc, setup, fs_teardown);

	tcase_add_test(tc, all_kinds);
	tcase_add_test(tc, contents_are_copied_when_they_change);
	tcase_add_test(tc, hard_links);
	tcase_add_test(tc, later_entries_replace);
	tcase_add_test(tc, several_archives);
	tcase_add_test(tc, bad_names);
	tcase_add_test(tc, bad_headers);
	tcase_add_test(tc, bad_contents);
	tcase_add_test(tc, truncated);
	tcase_add_loop_test(tc, random_damage, 0, 5);
	tcase_add_test(tc, failing_allocations);
	return s;
}
