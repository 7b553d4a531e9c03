/* Extended attributes of files in memory, and of an overlay's files, whose own begin with the first change. */
#include "core/fs/memfs.h"
#include "shim/abi/xattr.h"
#include "tests/unit/fstest.h"

static struct super *lower, *overlay;

static void setup(void)
{
	fake_boot(FS_RAM);
	OK(tmpfs_new(&lower, 0, 0755));
	fs_mount(lower);
	overlay = NULL;
}

static void teardown(void) { fs_teardown(); }

static int set(const char *path, const char *name, const char *value, unsigned flags)
{
	struct inode *i = t_inode(path);

	return i->ops->setxattr(i, name, value, value ? strlen(value) : 0, flags);
}

static int drop(const char *path, const char *name) { return set(path, name, NULL, 0); }

static const char *get(const char *path, const char *name)
{
	static char buf[256];
	struct inode *i = t_inode(path);
	long n = i->ops->getxattr(i, name, buf, sizeof(buf) - 1), len = i->ops->getxattr(i, name, NULL, 0);

	ck_assert_int_eq(n, len);
	if (n < 0)
		return n == -ENODATA ? "none" : "error";
	buf[n] = 0;
	return buf;
}

/* How many names, and whether this is one of them. */
static unsigned count(const char *path, const char *name)
{
	static char buf[1024];
	struct inode *i = t_inode(path);
	long n = i->ops->getxattr(i, "", buf, sizeof(buf));
	unsigned names = 0;
	bool found = !name;

	ck_assert_int_eq(n, i->ops->getxattr(i, "", NULL, 0));
	for (long at = 0; at < n; at += (long)strlen(buf + at) + 1, names++)
		found |= name && !strcmp(buf + at, name);
	ck_assert_int_ge(n, 0);
	ck_assert(found);
	return names;
}

/* The lower tree becomes that of an overlay. */
static void cover(void)
{
	struct proc *p = current_proc();

	path_put(p->fs->root);
	path_put(p->fs->cwd);
	dcache_drop_super(lower);
	OK(overlay_new(mount_release_root(), &overlay));
	fs_mount(overlay);
}

START_TEST(set_get_list_remove)
{
	struct inode *i;
	char buf[4];

	OK(t_create("/f"));
	ck_assert_uint_eq(count("/f", NULL), 0);
	ck_assert_str_eq(get("/f", "user.a"), "none");
	ERR(ENODATA, drop("/f", "user.a"));
	ERR(ENODATA, set("/f", "user.a", "1", XATTR_REPLACE));
	OK(set("/f", "user.a", "1", XATTR_CREATE));
	ERR(EEXIST, set("/f", "user.a", "2", XATTR_CREATE));
	OK(set("/f", "user.b", "", 0));
	OK(set("/f", "user.a", "a longer one", XATTR_REPLACE));
	ck_assert_str_eq(get("/f", "user.a"), "a longer one");
	ck_assert_str_eq(get("/f", "user.b"), "");
	ck_assert_uint_eq(count("/f", "user.b"), 2);
	i = t_inode("/f");
	ck_assert_int_eq(i->ops->getxattr(i, "user.a", buf, sizeof(buf)), -ERANGE);
	ck_assert_int_eq(i->ops->getxattr(i, "", buf, sizeof(buf)), -ERANGE);
	OK(drop("/f", "user.a"));
	ck_assert_uint_eq(count("/f", "user.b"), 1);
	OK(t_unlink("/f"));
	OK(t_mkdir("/d", 0755));
	OK(set("/d", "user.d", "dir", 0));
	ck_assert_str_eq(get("/d", "user.d"), "dir");
}
END_TEST

START_TEST(bounded)
{
	static char value[XATTR_SIZE_MAX];
	struct inode *i;

	OK(t_create("/f"));
	i = t_inode("/f");
	OK(i->ops->setxattr(i, "user.a", value, sizeof(value), 0));
	ck_assert_int_eq(i->ops->setxattr(i, "user.b", value, sizeof(value), 0), -ENOSPC);
	OK(i->ops->setxattr(i, "user.b", value, 1000, 0));
	OK(i->ops->setxattr(i, "user.a", NULL, 0, 0));
	ck_assert_uint_eq(count("/f", "user.b"), 1);
}
END_TEST

static void make_lower(void)
{
	OK(t_create("/f"));
	OK(set("/f", "user.a", "one", 0));
	OK(set("/f", "user.b", "two", 0));
	OK(set("/f", "security.x", "not shown", 0));
	OK(t_create("/plain"));
	cover();
}

START_TEST(overlay_shows_what_is_below)
{
	uint64_t files, bytes;

	make_lower();
	ck_assert_str_eq(get("/f", "user.a"), "one");
	ck_assert_uint_eq(count("/f", "user.b"), 3);
	ck_assert_str_eq(get("/plain", "user.a"), "none");
	overlay_changes(overlay, &files, &bytes);
	ck_assert_uint_eq(files, 0);
}
END_TEST

START_TEST(overlay_takes_changes)
{
	uint64_t files, bytes;
	struct path p;

	make_lower();
	OK(set("/f", "user.a", "changed", XATTR_REPLACE));
	OK(set("/f", "user.c", "three", XATTR_CREATE));
	OK(drop("/f", "user.b"));
	OK(set("/plain", "user.p", "first", 0));
	dcache_reclaim(1000); /* nothing of it may be forgotten */
	ck_assert_str_eq(get("/f", "user.a"), "changed");
	ck_assert_str_eq(get("/f", "user.b"), "none");
	ck_assert_str_eq(get("/f", "user.c"), "three");
	ck_assert_uint_eq(count("/f", "user.a"), 2);
	ck_assert_str_eq(get("/plain", "user.p"), "first");
	overlay_changes(overlay, &files, &bytes);
	ck_assert_uint_eq(files, 2);
	/* Below nothing has changed. */
	OK(t_lookup("/f", &p));
	struct inode *below = memfs_node(p.dentry->inode)->lower;
	char buf[8];

	ck_assert_int_eq(below->ops->getxattr(below, "user.a", buf, 8), 3);
	ck_assert_mem_eq(buf, "one", 3);
	path_put(&p);
	/* The last one gone is not the lower ones again. */
	OK(drop("/f", "user.a"));
	OK(drop("/f", "user.c"));
	ck_assert_uint_eq(count("/f", NULL), 0);
}
END_TEST

START_TEST(saved_with_the_file)
{
	struct super *to;
	struct name n = name_make("f", 1);
	struct inode *i;
	char buf[8];

	make_lower();
	OK(set("/f", "user.c", "three", 0));
	OK(tmpfs_new(&to, 0, 0755));
	struct mount m = { .super = to };
	struct path at = { &m, to->root };

	OK(overlay_save(overlay, &at));
	mutex_lock(&to->root->inode->lock);
	OK(to->root->inode->ops->lookup(to->root->inode, &n, &i));
	mutex_unlock(&to->root->inode->lock);
	ck_assert_int_eq(i->ops->getxattr(i, "user.c", buf, 8), 5);
	ck_assert_int_eq(i->ops->getxattr(i, "user.b", buf, 8), 3);
	inode_put(i);
	super_free(to);
}
END_TEST

START_TEST(failing_allocations)
{
	bool failed = true;

	make_lower();
	for (unsigned n = 1; failed; n++) {
		(void)t_inode("/f"); /* looked up before */
		fake_fail_after(n);
		int r = set("/f", "user.c", "three", 0);
		failed = fake_failed();
		fake_fail_after(0);
		ck_assert(r == (failed ? -ENOMEM : 0));
		ck_assert_str_eq(get("/f", "user.a"), "one");
		ck_assert_str_eq(get("/f", "user.c"), failed ? "none" : "three");
	}
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("xattr", &tc, setup, teardown);

	tcase_add_test(tc, set_get_list_remove);
	tcase_add_test(tc, bounded);
	tcase_add_test(tc, overlay_shows_what_is_below);
	tcase_add_test(tc, overlay_takes_changes);
	tcase_add_test(tc, saved_with_the_file);
	tcase_add_test(tc, failing_allocations);
	return s;
}
