/* Path walking: path_resolution(7), the limits, mounts, a changed root, magic links, openat2's RESOLVE_ flags. */
#include "tests/unit/fstest.h"

static int walk(const char *path, unsigned flags)
{
	struct path out;
	int r = path_walk(NULL, path, flags, &out);

	if (!r)
		path_put(&out);
	return r;
}

/* The path as path_string() gives it. */
static const char *where(const char *path)
{
	static char buf[600];
	struct path out;
	char *at;
	int r = path_walk(NULL, path, WALK_FOLLOW, &out);

	if (!r) {
		r = path_string(&out, buf, sizeof(buf), &at, false);
		path_put(&out);
	}
	if (!r)
		return at;
	snprintf(buf, sizeof(buf), "E%d", -r);
	return buf;
}

static void cd(const char *path)
{
	struct path *cwd = current_proc()->fs->cwd, to;

	OK(t_lookup(path, &to));
	path_put(cwd);
	*cwd = to;
}

static void change_root(const char *path)
{
	struct path *root = current_proc()->fs->root, to;

	OK(t_lookup(path, &to));
	path_put(root);
	*root = to;
}

static void setup(void)
{
	fs_setup();
	OK(t_mkdir("/a", 0755));
	OK(t_mkdir("/a/b", 0755));
	OK(t_mkdir("/a/b/c", 0755));
	OK(t_create("/a/file"));
}

START_TEST(plain_components)
{
	ck_assert_str_eq(where("/"), "/");
	ck_assert_str_eq(where("//"), "/");
	ck_assert_str_eq(where("/a/b/c"), "/a/b/c");
	ck_assert_str_eq(where("//a///b//c//"), "/a/b/c");
	ck_assert_str_eq(where("/a/./b/../b/c/../.."), "/a");
	ck_assert_str_eq(where("/../../a"), "/a");
	ck_assert_str_eq(where("a/b"), "/a/b");
	cd("/a/b");
	ck_assert_str_eq(where("c"), "/a/b/c");
	ck_assert_str_eq(where("."), "/a/b");
	ck_assert_str_eq(where(".."), "/a");
	ck_assert_str_eq(where("../file"), "/a/file");
	ERR(ENOENT, walk("", 0));
	OK(walk("", WALK_EMPTY));
	ERR(ENOENT, walk("/a/none", 0));
	ERR(ENOENT, walk("/none/b", 0));
	ERR(ENOTDIR, walk("/a/file/b", 0));
	ERR(ENOTDIR, walk("/a/file/", 0));
	ERR(ENOTDIR, walk("/a/file/.", 0));
	ERR(ENOTDIR, walk("/a/file/..", 0));
	ERR(ENOTDIR, walk("/a/file", WALK_DIRECTORY));
	OK(walk("/a/b/", WALK_DIRECTORY));
}
END_TEST

START_TEST(names_and_lengths)
{
	char path[PATH_MAX + 100];

	path[0] = '/';
	memset(path + 1, 'n', 255);
	path[256] = 0;
	ERR(ENOENT, walk(path, 0));
	OK(t_mkdir(path, 0755));
	OK(walk(path, 0));
	path[256] = 'n';
	path[257] = 0;
	ERR(ENAMETOOLONG, walk(path, 0));
	strcpy(path + 257, "/x");
	ERR(ENAMETOOLONG, walk(path, 0));
	/* The first problem counts. */
	strcpy(path, "/a/none/");
	memset(path + 8, 'n', 256);
	path[264] = 0;
	ERR(ENOENT, walk(path, 0));
	/* Deep is no problem. */
	memset(path, '/', PATH_MAX);
	for (unsigned i = 1; i + 2 < PATH_MAX; i += 2)
		path[i] = '.';
	strcpy(path + 2001, "a/b");
	ck_assert_str_eq(where(path), "/a/b");
}
END_TEST

START_TEST(symlinks)
{
	OK(t_symlink("b/c", "/a/rel"));
	OK(t_symlink("/a/b", "/abs"));
	OK(t_symlink("../abs/c", "/a/two"));
	OK(t_symlink("file", "/a/tofile"));
	OK(t_symlink("none", "/a/dangling"));
	OK(t_symlink("b/", "/a/slash"));
	OK(t_symlink("file/", "/a/fileslash"));
	OK(t_symlink(".", "/a/dot"));
	OK(t_symlink("..", "/a/b/up"));
	ck_assert_str_eq(where("/a/rel"), "/a/b/c");
	ck_assert_str_eq(where("/abs/c"), "/a/b/c");
	ck_assert_str_eq(where("/a/two"), "/a/b/c");
	ck_assert_str_eq(where("/a/two/../.."), "/a");
	ck_assert_str_eq(where("/a/tofile"), "/a/file");
	ck_assert_str_eq(where("/a/dot/dot/./dot/rel"), "/a/b/c");
	ck_assert_str_eq(where("/a/b/up/file"), "/a/file");
	ck_assert_str_eq(where("/abs/up/rel/../../two/"), "/a/b/c");
	ERR(ENOENT, walk("/a/dangling", WALK_FOLLOW));
	OK(walk("/a/dangling", 0));
	ERR(ENOENT, walk("/a/dangling/x", 0));
	OK(walk("/a/slash", WALK_FOLLOW));
	ERR(ENOTDIR, walk("/a/fileslash", WALK_FOLLOW));
	ERR(ENOTDIR, walk("/a/tofile/", 0));
	/* A slash behind a link follows it. */
	ck_assert(S_ISLNK(t_inode("/abs")->mode));
	ck_assert(S_ISDIR(t_inode("/abs/")->mode));
	ERR(ENOTDIR, walk("/abs", WALK_DIRECTORY));
	OK(walk("/abs", WALK_DIRECTORY | WALK_FOLLOW));
}
END_TEST

START_TEST(symlink_loops)
{
	char name[16], target[16];

	OK(t_symlink("self", "/self"));
	OK(t_symlink("pong", "/ping"));
	OK(t_symlink("ping", "/pong"));
	ERR(ELOOP, walk("/self", WALK_FOLLOW));
	OK(walk("/self", 0));
	ERR(ELOOP, walk("/self/x", 0));
	ERR(ELOOP, walk("/ping", WALK_FOLLOW));
	/* 40 links are followed, 41 are not: one after the other, or nested. */
	OK(t_symlink("/a", "/l0"));
	for (unsigned i = 1; i <= 40; i++) {
		snprintf(name, sizeof(name), "/l%u", i);
		snprintf(target, sizeof(target), i % 2 ? "l%u" : "/l%u", i - 1);
		OK(t_symlink(target, name));
	}
	ck_assert_str_eq(where("/l39"), "/a");
	ck_assert_str_eq(where("/l39/b"), "/a/b");
	ERR(ELOOP, walk("/l40", WALK_FOLLOW));
	ERR(ELOOP, walk("/l40/b", 0));
	/* With something behind every link, so that each is remembered. */
	OK(t_symlink("/a", "/m0"));
	OK(t_symlink(".", "/a/x"));
	for (unsigned i = 1; i <= 20; i++) {
		snprintf(name, sizeof(name), "/m%u", i);
		snprintf(target, sizeof(target), "m%u/x", i - 1);
		OK(t_symlink(target, name));
	}
	ck_assert_str_eq(where("/m19"), "/a"); /* 20 links to /m0, 19 "x" */
	ERR(ELOOP, walk("/m20/x/x", WALK_FOLLOW));
}
END_TEST

START_TEST(search_permission)
{
	OK(t_mkdir("/closed", 0700));
	OK(t_mkdir("/closed/in", 0755));
	OK(t_mkdir("/readable", 0744));
	OK(t_create("/readable/f"));
	be(1000, 1000);
	ERR(EACCES, walk("/closed/in", 0));
	ERR(EACCES, walk("/closed/none", 0));
	ERR(EACCES, walk("/closed/.", 0));
	ERR(EACCES, walk("/closed/..", 0));
	OK(walk("/closed", 0));
	OK(walk("/closed/", 0));
	ERR(EACCES, walk("/readable/f", 0));
	be_root();
	OK(walk("/closed/in", 0));
	OK(walk("/readable/f", 0));
}
END_TEST

static void mount_at(const char *where_to)
{
	struct super *s;
	struct path at;

	OK(tmpfs_new(&s, 0, 0755));
	OK(t_lookup(where_to, &at));
	OK(mount_add(s, &at, 0, "x"));
	path_put(&at);
}

START_TEST(mounts)
{
	struct path at;

	OK(t_create("/a/b/hidden"));
	mount_at("/a/b");
	ck_assert_str_eq(where("/a/b"), "/a/b");
	ERR(ENOENT, walk("/a/b/hidden", 0));
	OK(t_mkdir("/a/b/m", 0755));
	ck_assert_str_eq(where("/a/b/m/.."), "/a/b");
	ck_assert_str_eq(where("/a/b/m/../.."), "/a");
	ck_assert_str_eq(where("/a/b/../b/../file"), "/a/file");
	cd("/a/b/m");
	ck_assert_str_eq(where("../../file"), "/a/file");
	ck_assert_str_eq(where(".."), "/a/b");
	/* One over another: seen from below and from above. */
	mount_at("/a/b");
	ERR(ENOENT, walk("/a/b/m", 0));
	OK(t_mkdir("/a/b/n", 0755));
	ck_assert_str_eq(where("/a/b/n/../.."), "/a");
	cd("/");
	/* What is mounted on cannot be removed or renamed, nor made again. */
	ERR(EBUSY, t_rmdir("/a/b"));
	ERR(EBUSY, t_rename("/a/b", "/a/x"));
	ERR(EBUSY, t_rename2("/a/b", "/a/file", RENAME_EXCHANGE));
	ERR(EEXIST, t_mkdir("/a/b", 0755));
	ERR(EXDEV, t_rename("/a/file", "/a/b/file"));
	ERR(EXDEV, t_link("/a/file", "/a/b/file"));
	/* A file can be covered by a file only. */
	OK(t_lookup("/a/file", &at));
	ERR(ENOTDIR, mount_add(mount_root()->super, &at, 0, "x"));
	path_put(&at);
	ERR(EXDEV, vfs_open(AT_FDCWD, "a/b/n", O_RDONLY, 0, RESOLVE_NO_XDEV, &(struct file *){ NULL }));
}
END_TEST

START_TEST(changed_root)
{
	static char buf[100];
	struct path out;
	char *at;

	OK(t_symlink("/b/c", "/a/abs"));
	cd("/a/b");
	change_root("/a");
	ck_assert_str_eq(where("/"), "/");
	ck_assert_str_eq(where("/.."), "/");
	ck_assert_str_eq(where("/b/../../../b/c"), "/b/c");
	ck_assert_str_eq(where("/abs"), "/b/c");
	ck_assert_str_eq(where("."), "/b");
	ck_assert_str_eq(where("../../../.."), "/");
	/* A directory outside of the root: getcwd(2) says so. */
	mount_root_path(&out);
	OK(path_string(&out, buf, sizeof(buf), &at, false));
	ck_assert_str_eq(at, "(unreachable)");
	path_put(&out);
}
END_TEST

START_TEST(strings)
{
	char buf[64], *at;
	struct path p;

	OK(t_lookup("/a/b/c", &p));
	OK(path_string(&p, buf, sizeof(buf), &at, false));
	ck_assert_str_eq(at, "/a/b/c");
	OK(path_string(&p, buf, 7, &at, false));
	ck_assert_str_eq(at, "/a/b/c");
	ERR(ENAMETOOLONG, path_string(&p, buf, 6, &at, false));
	ERR(ENAMETOOLONG, path_string(&p, buf, 0, &at, false));
	OK(t_rename("/a/b", "/a/another-name"));
	OK(path_string(&p, buf, sizeof(buf), &at, false));
	ck_assert_str_eq(at, "/a/another-name/c");
	OK(t_rmdir("/a/another-name/c"));
	ERR(ENOENT, path_string(&p, buf, sizeof(buf), &at, false));
	OK(path_string(&p, buf, sizeof(buf), &at, true));
	ck_assert_str_eq(at, "/a/another-name/c (deleted)");
	ERR(ENAMETOOLONG, path_string(&p, buf, 8, &at, true));
	path_put(&p);
}
END_TEST

/* ---- magic links ---- */

static struct path magic_target;

static int magic_follow(struct inode *inode, struct path *out)
{
	if (!magic_target.dentry)
		return -ENOENT;
	*out = magic_target;
	path_get(out);
	return 0;
}

static const struct inode_ops magic_ops = { .follow = magic_follow };

/* /a/magic becomes a magic link. */
static const struct inode_ops *make_magic(struct inode **inode)
{
	const struct inode_ops *was;

	OK(t_symlink("text", "/a/magic"));
	*inode = t_inode("/a/magic");
	was = (*inode)->ops;
	(*inode)->ops = &magic_ops;
	return was;
}

static int open2(const char *path, int flags, unsigned resolve)
{
	struct file *f;
	int r = vfs_open(AT_FDCWD, path, flags, 0644, resolve, &f);

	if (!r)
		file_put(f);
	return r;
}

START_TEST(magic_links)
{
	struct inode *magic, *nameless;
	const struct inode_ops *was = make_magic(&magic);
	struct file *f;

	ERR(ENOENT, walk("/a/magic", WALK_FOLLOW));
	OK(walk("/a/magic", 0));
	OK(t_lookup("/a/b", &magic_target));
	ck_assert_str_eq(where("/a/magic"), "/a/b");
	ck_assert_str_eq(where("/a/magic/c"), "/a/b/c");
	ck_assert_str_eq(where("/a/magic/.."), "/a");
	ck_assert_str_eq(where("/a/magic/"), "/a/b");
	OK(open2("/a/magic", O_RDONLY, 0));
	ERR(EISDIR, open2("/a/magic", O_RDWR | O_CREAT, 0));
	ERR(ELOOP, open2("/a/magic", O_RDONLY, RESOLVE_NO_MAGICLINKS));
	ERR(ELOOP, open2("/a/magic/c", O_RDONLY, RESOLVE_NO_SYMLINKS));
	ERR(EXDEV, open2("a/magic", O_RDONLY, RESOLVE_BENEATH));
	ERR(EXDEV, open2("a/magic", O_RDONLY, RESOLVE_IN_ROOT));
	path_put(&magic_target);
	/* A nameless file: a link to it can be opened, and a new name can be made from it. */
	OK(tmpfs_file(mount_root()->super, S_IFREG | 0600, &nameless));
	OK(path_anon(nameless, "/memfd:x (deleted)", &magic_target));
	inode_put(nameless);
	OK(open2("/a/magic", O_RDWR | O_CREAT, 0));
	OK(t_open("/a/magic", O_RDWR, 0, &f));
	ck_assert(f->inode == nameless);
	file_put(f);
	ck_assert_str_eq(where("/a/magic"), "/memfd:x (deleted)");
	ERR(ENOTDIR, walk("/a/magic/", WALK_FOLLOW));
	ERR(ENOTDIR, walk("/a/magic/x", 0));
	path_put(&magic_target);
	magic->ops = was;
}
END_TEST

START_TEST(resolve_flags)
{
	OK(t_symlink("b", "/a/in"));
	OK(t_symlink("/a/b", "/a/abs"));
	OK(t_symlink("../../a", "/a/b/out"));
	cd("/a");
	OK(open2("b/c", O_RDONLY, RESOLVE_BENEATH));
	OK(open2("b/../b", O_RDONLY, RESOLVE_BENEATH));
	OK(open2("in/c", O_RDONLY, RESOLVE_BENEATH));
	ERR(EXDEV, open2("..", O_RDONLY, RESOLVE_BENEATH));
	ERR(EXDEV, open2("b/../../a", O_RDONLY, RESOLVE_BENEATH));
	ERR(EXDEV, open2("/a/b", O_RDONLY, RESOLVE_BENEATH));
	ERR(EXDEV, open2("abs", O_RDONLY, RESOLVE_BENEATH));
	ERR(EXDEV, open2("b/out", O_RDONLY, RESOLVE_BENEATH));
	OK(open2("../../b", O_RDONLY, RESOLVE_IN_ROOT));
	OK(open2("/b/c", O_RDONLY, RESOLVE_IN_ROOT));
	ERR(ENOENT, open2("/a", O_RDONLY, RESOLVE_IN_ROOT));
	ERR(ENOENT, open2("abs", O_RDONLY, RESOLVE_IN_ROOT));
	ERR(ELOOP, open2("in", O_RDONLY, RESOLVE_NO_SYMLINKS));
	ERR(ELOOP, open2("in/c", O_RDONLY, RESOLVE_NO_SYMLINKS));
	OK(open2("in", O_PATH | O_NOFOLLOW, RESOLVE_NO_SYMLINKS));
	OK(open2("in", O_RDONLY, RESOLVE_NO_MAGICLINKS));
	/* Only what is cached, and nothing that changes. */
	OK(open2("b/c", O_RDONLY, RESOLVE_CACHED));
	fs_objects();
	ERR(EAGAIN, open2("b/c", O_RDONLY, RESOLVE_CACHED));
	ERR(EAGAIN, open2("b/new", O_RDWR | O_CREAT, RESOLVE_CACHED));
	ERR(EAGAIN, open2("file", O_RDWR | O_TRUNC, RESOLVE_CACHED));
}
END_TEST

START_TEST(descriptors)
{
	struct file *f;
	struct path p;

	OK(t_open("/a", O_RDONLY, 0, &f));
	ck_assert_int_eq(fd_install(f, 3, false), 3);
	OK(t_open("/a/file", O_RDONLY, 0, &f));
	ck_assert_int_eq(fd_install(f, 4, false), 4);
	OK(vfs_lookup(3, "b/c", 0, &p));
	path_put(&p);
	ERR(ENOTDIR, vfs_lookup(4, "b", 0, &p));
	ERR(EBADF, vfs_lookup(5, "b", 0, &p));
	OK(vfs_lookup(5, "/a", 0, &p)); /* an absolute path does not look at it */
	path_put(&p);
	ERR(ENOENT, vfs_lookup(4, "", 0, &p));
	OK(vfs_lookup(4, "", AT_EMPTY_PATH, &p));
	ck_assert(p.dentry->inode == f->inode);
	path_put(&p);
	OK(vfs_mkdir(3, "new", 0755));
	OK(vfs_unlink(3, "new", true));
	OK(vfs_lookup(AT_FDCWD, "", AT_EMPTY_PATH, &p));
	ck_assert(p.dentry == mount_root()->super->root);
	path_put(&p);
	OK(fd_close(3));
	OK(fd_close(4));
}
END_TEST

/* ---- allocation failures ---- */

/* A link whose text is not kept in memory. */
static int far_readlink(struct inode *inode, char *buf, size_t size)
{
	const char *text = inode->size == 1 ? "far2/c" : "b";

	ck_assert(strlen(text) < size);
	memcpy(buf, text, strlen(text));
	return (int)strlen(text);
}

static const struct inode_ops far_ops = { .readlink = far_readlink };

/* /a/far leads over /a/far2 into /a/b/c: both texts are held at once. */
START_TEST(each_allocation_fails)
{
	static const char *const names[2] = { "/a/far", "/a/far2" };
	const struct inode_ops *was[2];
	struct inode *inode[2];
	const char *text[2];
	size_t before;

	for (int i = 0; i < 2; i++) {
		OK(t_symlink("text", names[i]));
		inode[i] = t_inode(names[i]);
		was[i] = inode[i]->ops;
		text[i] = inode[i]->link;
		inode[i]->ops = &far_ops;
		inode[i]->link = NULL;
		inode[i]->size = (uint64_t)i + 1;
	}
	before = fs_objects();
	FAKE_EACH_FAILURE(n) {
		int r = walk("/a/far/../c", WALK_FOLLOW);

		ck_assert_msg(r == (fake_failed() ? -ENOMEM : 0), "allocation %u: %d", n, r);
		fake_fail_after(0);
		if (r)
			ck_assert_uint_eq(fs_objects(), before);
		else
			ck_assert_uint_ge(n, 3); /* both texts were refused once */
	}
	for (int i = 0; i < 2; i++) {
		inode[i]->ops = was[i];
		inode[i]->link = (char *)text[i];
		inode[i]->size = 4;
	}
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("path", &tc, setup, fs_teardown);

	tcase_add_test(tc, plain_components);
	tcase_add_test(tc, names_and_lengths);
	tcase_add_test(tc, symlinks);
	tcase_add_test(tc, symlink_loops);
	tcase_add_test(tc, search_permission);
	tcase_add_test(tc, mounts);
	tcase_add_test(tc, changed_root);
	tcase_add_test(tc, strings);
	tcase_add_test(tc, magic_links);
	tcase_add_test(tc, resolve_flags);
	tcase_add_test(tc, descriptors);
	tcase_add_test(tc, each_allocation_fails);
	return s;
}
