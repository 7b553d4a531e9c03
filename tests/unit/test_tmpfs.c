/* tmpfs: random operations against the model, limits, order of readdir, holes, link counts, allocation failures. */
#include "core/mm/pagecache.h"
#include "tests/unit/fsmodel.h"

START_TEST(random_operations)
{
	m_seed = 88172645463325252ul + (uint64_t)_i * 7919;
	m_root = m_new('d');
	for (unsigned i = 0; i < 600; i++) {
		m_step();
		if (i % 40 == 39)
			m_compare_all();
	}
	m_free(m_root);
}
END_TEST

START_TEST(times)
{
	struct inode *i;
	struct timespec64 t;

	OK(t_create("/f"));
	OK(t_mkdir("/d", 0755));
	i = t_inode("/f");
	t = i->mtime;
	fake_time_advance(NSEC_PER_SEC);
	ck_assert_int_eq(t_write("/f", "x", 0), 1);
	ck_assert_int_eq(i->mtime.sec, t.sec + 1);
	ck_assert_int_eq(i->ctime.sec, t.sec + 1);
	ck_assert_int_eq(i->atime.sec, t.sec);
	fake_time_advance(NSEC_PER_SEC);
	ck_assert_str_eq(t_read("/f"), "x");
	ck_assert_int_eq(i->atime.sec, t.sec + 2);
	/* relatime: not again */
	fake_time_advance(NSEC_PER_SEC);
	ck_assert_str_eq(t_read("/f"), "x");
	ck_assert_int_eq(i->atime.sec, t.sec + 2);
	/* a new name: the directory's times and the file's change time */
	OK(t_link("/f", "/d/g"));
	ck_assert_int_eq(i->ctime.sec, t.sec + 3);
	ck_assert_int_eq(t_inode("/d")->mtime.sec, t.sec + 3);
	ck_assert_int_eq(i->mtime.sec, t.sec + 1);
	/* relatime: a day later, again */
	fake_time_advance(24 * 3600 * NSEC_PER_SEC);
	ck_assert_str_eq(t_read("/f"), "x");
	ck_assert_int_eq(i->atime.sec, t.sec + 3 + 24 * 3600);
}
END_TEST

START_TEST(directory_order_is_stable)
{
	struct t_entry e[64];
	struct file *f;
	char name[16];
	unsigned seen = 0;
	bool old[40] = { false };
	int r;

	OK(t_mkdir("/d", 0755));
	for (unsigned i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "/d/n%02u", i);
		OK(t_create(name));
	}
	OK(t_open("/d", O_RDONLY | O_DIRECTORY, 0, &f));
	ck_assert_int_eq(t_readdir(f, e, 2), 2);
	/* What was read, what comes next and what is far ahead go away, new ones come: every other one is seen once. */
	for (unsigned round = 0; (r = t_readdir(f, e, 3)) > 0; round++) {
		for (int k = 0; k < r; k++) {
			unsigned n = (unsigned)atoi(e[k].name + 1);

			if (e[k].name[0] != 'n')
				continue;
			ck_assert(!old[n]);
			old[n] = true;
			seen++;
			snprintf(name, sizeof(name), "/d/n%02u", n);
			OK(t_unlink(name));
		}
		if (round < 5) {
			snprintf(name, sizeof(name), "/d/x%02u", round);
			OK(t_create(name));
			snprintf(name, sizeof(name), "/d/n%02u", 39 - round);
			OK(t_unlink(name));
		}
	}
	ck_assert_int_eq(r, 0);
	ck_assert_uint_eq(seen, 35);
	file_put(f);
}
END_TEST

START_TEST(seekdir)
{
	struct t_entry e[16], again[16];
	struct file *f;

	OK(t_create("/a"));
	OK(t_create("/b"));
	OK(t_create("/c"));
	OK(t_open("/", O_RDONLY, 0, &f));
	ck_assert_int_eq(t_readdir(f, e, 16), 5);
	ck_assert_int_eq(t_readdir(f, again, 16), 0);
	for (unsigned i = 0; i < 5; i++) {
		ck_assert_int_eq(file_seek(f, e[i].next, SEEK_SET), e[i].next);
		ck_assert_int_eq(t_readdir(f, again, 16), 4 - (int)i);
		if (i < 4)
			ck_assert_str_eq(again[0].name, e[i + 1].name);
	}
	ck_assert_int_eq(file_seek(f, 0, SEEK_SET), 0);
	ck_assert_int_eq(t_readdir(f, again, 16), 5);
	ERR(EINVAL, file_seek(f, 0, SEEK_END));
	file_put(f);
}
END_TEST

START_TEST(removed_directory)
{
	struct t_entry e[4];
	struct path saved;
	struct file *f;
	struct proc *p = current_proc();

	OK(t_mkdir("/d", 0755));
	OK(t_open("/d", O_RDONLY, 0, &f));
	OK(t_rmdir("/d"));
	ERR(ENOENT, t_readdir(f, e, 4));
	ck_assert_uint_eq(f->inode->nlink, 0);
	/* A removed working directory: nothing is made in it, and its parent is still there. */
	saved = *p->fs->cwd;
	*p->fs->cwd = f->path;
	ERR(ENOENT, t_create("x"));
	ERR(ENOENT, t_mkdir("x", 0755));
	ERR(ENOENT, t_symlink("x", "y"));
	ERR(ENOENT, t_touch("x", O_RDONLY, 0));
	OK(t_touch(".", O_RDONLY, 0));
	OK(t_create("../x"));
	*p->fs->cwd = saved;
	file_put(f);
}
END_TEST

static int fallocate(struct file *f, int mode, int64_t off, int64_t len) { return vfs_fallocate(f, mode, off, len); }

START_TEST(size_limit)
{
	struct super *s;
	struct path at;
	struct file *f;
	struct statfs_k st;
	static char buf[10 * 4096];

	OK(t_mkdir("/m", 0755));
	OK(tmpfs_new(&s, 8 * 4096, 0755));
	OK(t_lookup("/m", &at));
	OK(mount_add(s, &at, 0, "small"));
	path_put(&at);
	OK(t_open("/m/f", O_RDWR | O_CREAT, 0644, &f));
	/* As much as there is room for, then nothing. */
	ck_assert_int_eq(f_pwrite(f, buf, sizeof(buf), 100), 8 * 4096 - 100);
	ERR(ENOSPC, f_pwrite(f, buf, 1, 8 * 4096));
	ck_assert_int_eq(f_pwrite(f, buf, 4096, 0), 4096); /* what is there can be written again */
	OK(t_lookup("/m", &at));
	OK(vfs_statfs(&at, &st));
	path_put(&at);
	ck_assert_uint_eq(st.blocks, 8);
	ck_assert_uint_eq(st.bfree, 0);
	ck_assert_uint_eq(st.type, 0x01021994);
	/* A hole makes room. */
	OK(fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 2 * 4096));
	ck_assert_int_eq(f_pwrite(f, buf, 3 * 4096, 20 * 4096), 2 * 4096);
	ERR(ENOSPC, fallocate(f, 0, 30 * 4096, 4096));
	OK(vfs_truncate(f->inode, 4096));
	OK(fallocate(f, 0, 0, 8 * 4096));
	ck_assert_uint_eq(f->inode->size, 8 * 4096);
	ERR(ENOSPC, fallocate(f, 0, 0, 9 * 4096));
	ck_assert_uint_eq(f->inode->size, 8 * 4096);
	/* Another file, once this one is gone. */
	ERR(ENOSPC, t_write("/m/g", "x", 0));
	OK(t_unlink("/m/f"));
	file_put(f);
	ck_assert_int_eq(t_write("/m/g", "x", 0), 1);
}
END_TEST

START_TEST(holes)
{
	struct file *f;
	char buf[8];

	OK(t_open("/f", O_RDWR | O_CREAT, 0644, &f));
	OK(vfs_truncate(f->inode, 100 * 4096));
	ck_assert_uint_eq(inode_blocks(f->inode), 0);
	ERR(ENXIO, file_seek(f, 0, SEEK_DATA));
	ck_assert_int_eq(file_seek(f, 5, SEEK_HOLE), 5);
	ck_assert_int_eq(f_pwrite(f, "x", 1, 10 * 4096 + 7), 1);
	ck_assert_int_eq(f_pwrite(f, "x", 1, 11 * 4096), 1);
	ck_assert_int_eq(file_seek(f, 0, SEEK_DATA), 10 * 4096);
	ck_assert_int_eq(file_seek(f, 10 * 4096 + 100, SEEK_DATA), 10 * 4096 + 100);
	ck_assert_int_eq(file_seek(f, 10 * 4096 + 100, SEEK_HOLE), 12 * 4096);
	ERR(ENXIO, file_seek(f, 12 * 4096, SEEK_DATA));
	ERR(ENXIO, file_seek(f, 100 * 4096, SEEK_HOLE));
	ERR(ENXIO, file_seek(f, 100 * 4096, SEEK_DATA));
	ERR(ENXIO, file_seek(f, -1, SEEK_HOLE));
	ck_assert_uint_eq(inode_blocks(f->inode), 16);
	/* ZERO_RANGE grows the file, unless told not to. */
	OK(fallocate(f, FALLOC_FL_ZERO_RANGE, 10 * 4096, 100 * 4096));
	ck_assert_uint_eq(f->inode->size, 110 * 4096);
	OK(fallocate(f, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 200 * 4096, 4096));
	ck_assert_uint_eq(f->inode->size, 110 * 4096);
	ck_assert_int_eq(f_pread(f, buf, 1, 10 * 4096 + 7), 1);
	ck_assert_int_eq(buf[0], 0);
	OK(fallocate(f, FALLOC_FL_KEEP_SIZE, 110 * 4096, 4096));
	ck_assert_uint_eq(f->inode->size, 110 * 4096);
	/* A hole of a terabyte is not looked through. */
	OK(vfs_truncate(f->inode, 1ul << 41));
	ck_assert_int_eq(f_pwrite(f, "x", 1, 1l << 40), 1);
	ck_assert_int_eq(file_seek(f, 120 * 4096, SEEK_DATA), 1l << 40);
	ck_assert_int_eq(file_seek(f, 1l << 40, SEEK_HOLE), (1l << 40) + 4096);
	file_put(f);
}
END_TEST

START_TEST(fallocate_errors)
{
	struct file *f, *r, *d;

	OK(t_open("/f", O_RDWR | O_CREAT, 0644, &f));
	OK(t_open("/f", O_RDONLY, 0, &r));
	OK(t_open("/", O_RDONLY, 0, &d));
	ERR(EINVAL, fallocate(f, 0, -1, 1));
	ERR(EINVAL, fallocate(f, 0, 0, 0));
	ERR(EINVAL, fallocate(f, 0, 0, -5));
	ERR(EOPNOTSUPP, fallocate(f, FALLOC_FL_COLLAPSE_RANGE, 0, 4096));
	ERR(EOPNOTSUPP, fallocate(f, FALLOC_FL_PUNCH_HOLE, 0, 4096));
	ERR(EBADF, fallocate(r, 0, 0, 4096));
	ERR(EBADF, fallocate(d, 0, 0, 4096));
	ERR(EFBIG, fallocate(f, 0, INT64_MAX - 5, 10));
	file_put(f);
	file_put(r);
	file_put(d);
}
END_TEST

START_TEST(o_tmpfile)
{
	struct file *f;
	char buf[4];

	OK(t_mkdir("/d", 0755));
	ERR(EINVAL, t_touch("/d", O_TMPFILE | O_RDONLY, 0600));
	ERR(EINVAL, t_touch("/d", O_TMPFILE | O_RDWR | O_CREAT, 0600));
	ERR(ENOTDIR, t_touch("/nothing/../d", O_TMPFILE | O_RDWR, 0600) == -ENOENT ? -ENOTDIR : 0);
	OK(t_open("/d", O_TMPFILE | O_RDWR, 0666, &f));
	ck_assert_uint_eq(f->inode->nlink, 0);
	ck_assert_uint_eq(f->inode->mode, S_IFREG | 0644);
	ck_assert_int_eq(f_pwrite(f, "abc", 3, 0), 3);
	ck_assert_str_eq(t_ls("/d"), "");
	/* It can be given a name by its descriptor. */
	file_get(f);
	OK(fd_install(f, 5, false) == 5 ? 0 : -1);
	OK(vfs_link(5, "", AT_FDCWD, "/d/named", AT_EMPTY_PATH));
	ck_assert_uint_eq(f->inode->nlink, 1);
	file_put(f);
	OK(fd_close(5));
	ck_assert_str_eq(t_read("/d/named"), "abc");
	/* With O_EXCL it cannot. */
	OK(t_open("/d", O_TMPFILE | O_RDWR | O_EXCL, 0666, &f));
	file_get(f);
	OK(fd_install(f, 5, false) == 5 ? 0 : -1);
	ERR(ENOENT, vfs_link(5, "", AT_FDCWD, "/d/other", AT_EMPTY_PATH));
	ck_assert_int_eq(f_pread(f, buf, 4, 0), 0);
	file_put(f);
	OK(fd_close(5));
}
END_TEST

START_TEST(unlinked_file_lives_on)
{
	struct file *f;
	char buf[8];

	OK(t_open("/f", O_RDWR | O_CREAT, 0644, &f));
	ck_assert_int_eq(f_pwrite(f, "data", 4, 0), 4);
	OK(t_unlink("/f"));
	ck_assert_uint_eq(f->inode->nlink, 0);
	ERR(ENOENT, t_touch("/f", O_RDONLY, 0));
	ck_assert_int_eq(f_pwrite(f, "more", 4, 4), 4);
	ck_assert_int_eq(f_pread(f, buf, 8, 0), 8);
	ck_assert(!memcmp(buf, "datamore", 8));
	file_put(f);
}
END_TEST

START_TEST(large_directory)
{
	char name[300];

	OK(t_mkdir("/d", 0755));
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "/d/file-%u", i * 7919);
		OK(t_create(name));
	}
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "/d/file-%u", i * 7919);
		ck_assert(t_inode(name) != NULL);
		if (i % 2)
			OK(t_unlink(name));
	}
	dcache_reclaim(100000);
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "/d/file-%u", i * 7919);
		ck_assert(!t_inode(name) == (i % 2 != 0));
	}
	ck_assert_uint_eq(t_inode("/d")->size, 40 + 20 * 1500);
	/* The longest name, and one that is too long. */
	memcpy(name, "/d/", 3);
	memset(name + 3, 'x', 255);
	name[258] = 0;
	OK(t_create(name));
	ck_assert(t_inode(name) != NULL);
	name[258] = 'x';
	name[259] = 0;
	ERR(ENAMETOOLONG, t_create(name));
	ERR(ENAMETOOLONG, t_unlink(name));
	ERR(ENAMETOOLONG, t_mkdir(name, 0755));
	ERR(ENAMETOOLONG, t_rename("/d/file-0", name));
	ERR(ENAMETOOLONG, t_touch(name, O_RDONLY, 0));
}
END_TEST

/* Everything once, with every allocation failing in turn: either it works or it is -ENOMEM without a trace. */
static int scenario(void)
{
	int r = 0;
	long n;

#define STEP(call) do { r = (call); if (r) return r; } while (0)
	STEP(t_mkdir("/s", 0755));
	STEP(t_mkdir("/s/d", 0755));
	STEP(t_create("/s/f"));
	STEP(t_symlink("d/e", "/s/l"));
	STEP(t_link("/s/f", "/s/g"));
	STEP(t_mknod("/s/p", S_IFIFO | 0600, 0));
	n = t_write("/s/f", "some text", 5000);
	if (n < 0)
		return (int)n;
	return 0;
#undef STEP
}

static int scenario_end(void)
{
	int r = t_rename2("/s/f", "/s/a-name-that-is-longer-than-the-old-one", 0);

	if (!r)
		r = t_rename2("/s/d", "/s/g", RENAME_EXCHANGE);
	if (!r)
		r = t_touch("/s", O_TMPFILE | O_RDWR, 0600);
	return r;
}

static void remove_all(void)
{
	static const char *const names[] = {
		"/s/l", "/s/p", "/s/a-name-that-is-longer-than-the-old-one", "/s/f", "/s/g", "/s/d"
	};

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (t_unlink(names[i]) == -EISDIR)
			OK(t_rmdir(names[i]));
	ck_assert_str_eq(t_ls("/s"), "");
	OK(t_rmdir("/s"));
}

START_TEST(failing_allocations)
{
	size_t objects = fs_objects();
	bool failed = true;
	unsigned n;

	for (n = 1; failed; n++) {
		int r;

		fake_fail_after(n);
		r = scenario();
		if (!r)
			r = scenario_end();
		failed = fake_failed();
		fake_fail_after(0);
		ck_assert_msg(r == (failed ? -ENOMEM : 0) || (failed && r == 0), "allocation %u: %d", n, r);
		if (t_inode("/s"))
			remove_all();
		ck_assert_uint_eq(fs_objects(), objects);
	}
	ck_assert_uint_gt(n, 20);
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("tmpfs", &tc, fs_setup, fs_teardown);

	tcase_add_loop_test(tc, random_operations, 0, 12);
	tcase_add_test(tc, times);
	tcase_add_test(tc, directory_order_is_stable);
	tcase_add_test(tc, seekdir);
	tcase_add_test(tc, removed_directory);
	tcase_add_test(tc, size_limit);
	tcase_add_test(tc, holes);
	tcase_add_test(tc, fallocate_errors);
	tcase_add_test(tc, o_tmpfile);
	tcase_add_test(tc, unlinked_file_lives_on);
	tcase_add_test(tc, large_directory);
	tcase_add_test(tc, failing_allocations);
	return s;
}
