/* The dentry cache, over a file system that counts what it is asked. */
#include "tests/unit/fstest.h"

static struct super *fake;
static unsigned lookups, evictions, revalidations;
static int lookup_error, revalidate_result;
static uint64_t generation; /* of the files' inode numbers */

static const struct inode_ops dir_ops, file_ops;

/* Names beginning with 'd' are directories, with 'n' absent; everything else is a file. */
static int fake_lookup(struct inode *dir, const struct name *n, struct inode **out)
{
	uint64_t ino = n->hash + generation;
	struct inode *i;

	lookups++;
	ck_assert(dir->lock.owner == current_thread());
	if (lookup_error)
		return lookup_error;
	if (n->s[0] == 'n')
		return -ENOENT;
	i = inode_find(dir->super, ino);
	if (!i) {
		i = inode_new(dir->super, ino, n->s[0] == 'd' ? S_IFDIR | 0755 : S_IFREG | 0644, true);
		if (!i)
			return -ENOMEM;
		i->ops = n->s[0] == 'd' ? &dir_ops : &file_ops;
	}
	*out = i;
	return 0;
}

static void fake_evict(struct inode *i) { evictions++; }

static int fake_revalidate(struct inode *i)
{
	revalidations++;
	return revalidate_result;
}

static int fake_mknod(struct inode *dir, const struct name *n, uint32_t mode, uint64_t rdev, struct inode **out)
{
	*out = inode_new(dir->super, ++generation << 40, mode, true);
	if (!*out)
		return -ENOMEM;
	(*out)->ops = S_ISDIR(mode) ? &dir_ops : &file_ops;
	return 0;
}

static int fake_remove(struct inode *dir, const struct name *n, struct inode *i) { return 0; }

static const struct inode_ops dir_ops = {
	.lookup = fake_lookup, .mknod = fake_mknod, .unlink = fake_remove, .rmdir = fake_remove, .evict = fake_evict,
	.revalidate = fake_revalidate
};
static const struct inode_ops file_ops = { .evict = fake_evict, .revalidate = fake_revalidate };

static void setup(void)
{
	struct inode *root;

	fake_boot(FS_RAM);
	lookups = evictions = revalidations = 0;
	lookup_error = revalidate_result = 0;
	generation = 0;
	fake = super_new("fake", NULL, 1);
	ck_assert(fake != NULL);
	fake->evict_nosleep = true;
	root = inode_new(fake, 1, S_IFDIR | 0755, true);
	root->ops = &dir_ops;
	fake->root = dentry_root(root);
	fs_mount(fake);
}

static int look(const char *path)
{
	struct path p;
	int r = t_lookup(path, &p);

	if (!r)
		path_put(&p);
	return r;
}

START_TEST(each_name_is_asked_for_once)
{
	OK(look("/da/db/file"));
	ck_assert_uint_eq(lookups, 3);
	OK(look("/da/db/file"));
	OK(look("/da/db/../db/file"));
	ck_assert_uint_eq(lookups, 3);
	OK(look("/da/other"));
	ck_assert_uint_eq(lookups, 4);
	/* Absence is remembered, too. */
	ERR(ENOENT, look("/da/none"));
	ERR(ENOENT, look("/da/none"));
	ck_assert_uint_eq(lookups, 5);
}
END_TEST

START_TEST(errors_are_not_remembered)
{
	lookup_error = -EIO;
	ERR(EIO, look("/da/x"));
	lookup_error = -ENOMEM;
	ERR(ENOMEM, look("/da/x"));
	lookup_error = 0;
	OK(look("/da/x"));
	lookup_error = -EIO;
	OK(look("/da/x"));
}
END_TEST

START_TEST(no_negative_entries)
{
	fake->no_negative = true;
	ERR(ENOENT, look("/none"));
	ERR(ENOENT, look("/none"));
	ck_assert_uint_eq(lookups, 2);
	OK(look("/file"));
	OK(look("/file"));
	ck_assert_uint_eq(lookups, 3);
	/* What is made by us is known. */
	OK(t_mkdir("/new", 0755));
	lookups = 0;
	OK(look("/new"));
	ck_assert_uint_eq(lookups, 0);
	ERR(EEXIST, t_mkdir("/new", 0755));
}
END_TEST

START_TEST(no_dcache)
{
	struct path p;
	char buf[32], *at;

	fake->no_dcache = true;
	OK(look("/da/file"));
	OK(look("/da/file"));
	ck_assert_uint_eq(lookups, 4);
	ck_assert_uint_eq(fake->inode_count, 1);
	OK(t_lookup("/da/db/file", &p));
	OK(path_string(&p, buf, sizeof(buf), &at, false));
	ck_assert_str_eq(at, "/da/db/file");
	ck_assert_uint_eq(fake->inode_count, 4);
	path_put(&p);
	ck_assert_uint_eq(fake->inode_count, 1);
}
END_TEST

/* Deep enough to exhaust a kernel stack, if freeing were recursive. */
START_TEST(deep_and_uncached)
{
	struct path p, next;

	fake->no_dcache = true;
	mount_root_path(&p);
	for (unsigned i = 0; i < unit_rounds(200000); i++) {
		OK(path_walk(&p, "d", 0, &next));
		path_put(&p);
		p = next;
	}
	path_put(&p);
	ck_assert_uint_eq(fake->inode_count, 1);
}
END_TEST

START_TEST(mount_on_uncached_names)
{
	struct super *s;
	struct path at;

	fake->no_dcache = true;
	OK(t_lookup("/da/db", &at));
	OK(tmpfs_new(&s, 0, 0755));
	OK(mount_add(s, &at, 0, "x"));
	path_put(&at);
	OK(t_mkdir("/da/db/in", 0755));
	ck_assert(t_inode("/da/db/in")->super == s);
	ck_assert(t_inode("/da/db/..")->super == fake);
}
END_TEST

START_TEST(reclaim)
{
	struct path held;
	char name[32];

	OK(t_lookup("/da/db/held", &held));
	for (unsigned i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "/da/f%u", i);
		OK(look(name));
	}
	evictions = 0;
	/* Used entries get a second chance; then the oldest go first. */
	ck_assert_uint_eq(dcache_reclaim(50), 50);
	ck_assert_uint_eq(evictions, 50);
	lookups = 0;
	OK(look("/da/f199"));
	ck_assert_uint_eq(lookups, 0);
	OK(look("/da/f0"));
	ck_assert_uint_eq(lookups, 1);
	while (dcache_reclaim(1000))
		;
	/* What is held, and the way to it, stays. */
	ck_assert_uint_eq(fake->inode_count, 4);
	lookups = 0;
	OK(look("/da/db/held"));
	ck_assert_uint_eq(lookups, 0);
	path_put(&held);
	while (dcache_reclaim(1000))
		;
	ck_assert_uint_eq(fake->inode_count, 1);
}
END_TEST

START_TEST(reclaim_does_not_sleep)
{
	OK(look("/da/file"));
	ERR(ENOENT, look("/none"));
	fake->evict_nosleep = false;
	evictions = 0;
	while (dcache_reclaim(1000))
		;
	ck_assert_uint_eq(evictions, 0);
	lookups = 0;
	ERR(ENOENT, look("/none")); /* this one could go */
	ck_assert_uint_eq(lookups, 1);
	OK(look("/da/file"));
	ck_assert_uint_eq(lookups, 1);
	fake->evict_nosleep = true;
}
END_TEST

START_TEST(the_cache_is_bounded)
{
	struct page_stats st;
	char name[32];

	page_stats(&st);
	for (unsigned i = 0; i < st.total / 8 + 5000; i++) {
		snprintf(name, sizeof(name), "/f%u", i);
		OK(look(name));
	}
	ck_assert_uint_gt(evictions, 4000);
	ck_assert_uint_le(fake->inode_count, st.total / 8 + 1000);
}
END_TEST

START_TEST(stale_names_are_looked_up_again)
{
	struct file *f, *g;

	OK(t_open("/file", O_RDONLY, 0, &f));
	ck_assert_uint_eq(revalidations, 1);
	/* Something else has the name now. */
	revalidate_result = -ESTALE;
	generation = 1ul << 40;
	ERR(ESTALE, t_open("/file", O_RDONLY, 0, &g)); /* and that is stale, too */
	ck_assert_uint_eq(revalidations, 3);
	revalidate_result = 0;
	OK(t_open("/file", O_RDONLY, 0, &g));
	ck_assert(g->inode != f->inode);
	file_put(f);
	file_put(g);
	revalidate_result = -EIO;
	ERR(EIO, t_touch("/file", O_RDONLY, 0));
	OK(t_touch("/file", O_PATH, 0));
}
END_TEST

START_TEST(removed_names)
{
	struct path p;

	OK(t_lookup("/da/file", &p));
	OK(t_unlink("/da/file"));
	ck_assert(p.dentry->unlinked);
	path_put(&p);
	lookups = 0;
	OK(look("/da/file")); /* the file system is asked; this one says yes */
	ck_assert_uint_eq(lookups, 1);
	/* Known absences below a removed directory do not keep it. */
	ERR(ENOENT, look("/da/none"));
	fs_objects();
	ERR(ENOENT, look("/da/none"));
	OK(t_rmdir("/da"));
	ck_assert_uint_eq(fake->inode_count, 1);
}
END_TEST

START_TEST(failing_allocations)
{
	size_t objects = fs_objects();
	bool failed = true;

	for (unsigned n = 1; failed; n++) {
		int r;

		fake_fail_after(n);
		r = look("/da/db/file");
		failed = fake_failed();
		fake_fail_after(0);
		ck_assert_int_eq(r, failed ? -ENOMEM : 0);
		ck_assert_uint_eq(fs_objects(), objects);
	}
}
END_TEST

START_TEST(many_inodes)
{
	struct inode *i[1000];

	for (unsigned n = 0; n < 1000; n++) {
		i[n] = inode_new(fake, n * 64 + 2, S_IFREG, true);
		ck_assert(i[n] != NULL);
	}
	ck_assert_uint_gt(fake->inode_buckets, 256);
	for (unsigned n = 0; n < 1000; n++) {
		ck_assert(inode_find(fake, n * 64 + 2) == i[n]);
		inode_put(i[n]);
		inode_put(i[n]);
		ck_assert(inode_find(fake, n * 64 + 2) == NULL);
	}
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("dentry", &tc, setup, fs_teardown);

	tcase_add_test(tc, each_name_is_asked_for_once);
	tcase_add_test(tc, errors_are_not_remembered);
	tcase_add_test(tc, no_negative_entries);
	tcase_add_test(tc, no_dcache);
	tcase_add_test(tc, deep_and_uncached);
	tcase_add_test(tc, mount_on_uncached_names);
	tcase_add_test(tc, reclaim);
	tcase_add_test(tc, reclaim_does_not_sleep);
	tcase_add_test(tc, the_cache_is_bounded);
	tcase_add_test(tc, stale_names_are_looked_up_again);
	tcase_add_test(tc, removed_names);
	tcase_add_test(tc, failing_allocations);
	tcase_add_test(tc, many_inodes);
	return s;
}
