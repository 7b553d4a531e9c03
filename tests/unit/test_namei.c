/* open(2) with all its flags, and the errors of calls that change the tree. */
#include "tests/unit/fstest.h"

static void setup(void)
{
	fs_setup();
	OK(t_mkdir("/d", 0755));
	OK(t_mkdir("/d/sub", 0755));
	ck_assert_int_eq(t_write("/f", "data", 0), 4);
	OK(t_symlink("f", "/l"));
	OK(t_symlink("none", "/dangling"));
}

static void readonly(bool on)
{
	struct super *s = mount_root()->super;

	s->flags = on ? s->flags | MS_RDONLY : s->flags & ~(unsigned)MS_RDONLY;
}

/* ---- open ---- */

START_TEST(open_existing)
{
	struct file *f;

	OK(t_open("/f", O_RDONLY, 0, &f));
	ck_assert_int_eq(f->flags, O_RDONLY | O_LARGEFILE);
	ck_assert_uint_eq(f->inode->writers, 0);
	file_put(f);
	OK(t_open("/f", O_RDWR | O_APPEND | O_CLOEXEC | O_NOCTTY, 0, &f));
	ck_assert_int_eq(f->flags, O_RDWR | O_APPEND | O_LARGEFILE);
	ck_assert_uint_eq(f->inode->writers, 1);
	file_put(f);
	ck_assert_uint_eq(t_inode("/f")->writers, 0);
	ERR(ENOENT, t_touch("", O_RDONLY, 0));
	ERR(ENOENT, t_touch("/none", O_RDONLY, 0));
	ERR(ENOENT, t_touch("/dangling", O_RDONLY, 0));
	ERR(ENOTDIR, t_touch("/f/x", O_RDONLY, 0));
	ERR(ENOTDIR, t_touch("/f/", O_RDONLY, 0));
	ERR(ENOTDIR, t_touch("/f", O_RDONLY | O_DIRECTORY, 0));
	OK(t_touch("/d/", O_RDONLY, 0));
	ERR(EISDIR, t_touch("/d", O_WRONLY, 0));
	ERR(EISDIR, t_touch("/d", O_RDWR, 0));
	ERR(EISDIR, t_touch("/d", O_RDONLY | O_TRUNC, 0));
	ERR(ELOOP, t_touch("/l", O_RDONLY | O_NOFOLLOW, 0));
	ERR(ENOTDIR, t_touch("/l", O_RDONLY | O_NOFOLLOW | O_DIRECTORY, 0));
	OK(t_touch("/l", O_RDONLY, 0));
}
END_TEST

START_TEST(open_create)
{
	struct file *f;

	OK(t_open("/new", O_WRONLY | O_CREAT, 0666, &f));
	ck_assert_uint_eq(f->inode->mode, S_IFREG | 0644); /* umask */
	ck_assert_uint_eq(f->inode->nlink, 1);
	file_put(f);
	OK(t_touch("/new", O_WRONLY | O_CREAT, 0666));
	ERR(EEXIST, t_touch("/new", O_WRONLY | O_CREAT | O_EXCL, 0666));
	ERR(EEXIST, t_touch("/d", O_RDONLY | O_CREAT | O_EXCL, 0666));
	ERR(EEXIST, t_touch("/l", O_WRONLY | O_CREAT | O_EXCL, 0666));
	ERR(EEXIST, t_touch("/dangling", O_WRONLY | O_CREAT | O_EXCL, 0666));
	ERR(EEXIST, t_touch("/", O_RDONLY | O_CREAT | O_EXCL, 0666));
	ERR(EEXIST, t_touch("/d/.", O_RDONLY | O_CREAT | O_EXCL, 0666));
	ERR(ELOOP, t_touch("/l", O_WRONLY | O_CREAT | O_NOFOLLOW, 0666));
	ERR(EISDIR, t_touch("/d", O_RDONLY | O_CREAT, 0666));
	ERR(EISDIR, t_touch("/d/..", O_RDONLY | O_CREAT, 0666));
	ERR(EISDIR, t_touch("/", O_RDONLY | O_CREAT, 0666));
	ERR(EISDIR, t_touch("/none/", O_RDONLY | O_CREAT, 0666));
	ERR(EISDIR, t_touch("/f/", O_RDONLY | O_CREAT, 0666));
	ERR(EINVAL, t_touch("/none", O_RDONLY | O_CREAT | O_DIRECTORY, 0666));
	ERR(ENOENT, t_touch("/none/x", O_WRONLY | O_CREAT, 0666));
	ERR(ENOTDIR, t_touch("/f/x", O_WRONLY | O_CREAT, 0666));
	/* A dangling link shows where to make the file. */
	OK(t_touch("/dangling", O_WRONLY | O_CREAT, 0600));
	ck_assert_uint_eq(t_inode("/none")->mode, S_IFREG | 0600);
	/* The mode of a new file does not bind the one who makes it. */
	be(1000, 1000);
	ERR(EACCES, t_touch("/other", O_WRONLY | O_CREAT, 0666));
	be_root();
	OK(t_chmod("/d", 0777));
	be(1000, 1000);
	OK(t_touch("/d/unreadable", O_RDWR | O_CREAT, 0));
	ERR(EACCES, t_touch("/d/unreadable", O_RDONLY | O_CREAT, 0));
	ck_assert_uint_eq(t_inode("/d/unreadable")->uid, 1000);
}
END_TEST

START_TEST(open_truncate)
{
	struct file *f;

	OK(t_touch("/f", O_RDONLY, 0));
	OK(t_touch("/f", O_WRONLY, 0));
	ck_assert_str_eq(t_read("/f"), "data");
	OK(t_touch("/f", O_WRONLY | O_TRUNC, 0));
	ck_assert_str_eq(t_read("/f"), "");
	ck_assert_int_eq(t_write("/f", "more", 0), 4);
	OK(t_touch("/f", O_RDONLY | O_TRUNC, 0)); /* as Linux has it */
	ck_assert_str_eq(t_read("/f"), "");
	ck_assert_int_eq(t_write("/f", "more", 0), 4);
	OK(t_chmod("/f", 0444));
	be(1000, 1000);
	ERR(EACCES, t_touch("/f", O_RDONLY | O_TRUNC, 0));
	be_root();
	ck_assert_str_eq(t_read("/f"), "more");
	/* Two open files: the one sees what the other cuts. */
	OK(t_open("/f", O_RDONLY, 0, &f));
	OK(t_touch("/f", O_WRONLY | O_TRUNC, 0));
	ck_assert_uint_eq(f->inode->size, 0);
	file_put(f);
}
END_TEST

START_TEST(open_path_only)
{
	struct file *f;
	char buf[4];

	OK(t_chmod("/f", 0));
	be(1000, 1000);
	OK(t_open("/f", O_PATH | O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0, &f));
	ck_assert_int_eq(f->flags, O_PATH);
	ck_assert_uint_eq(f->inode->size, 4);
	ck_assert_uint_eq(f->inode->writers, 0);
	file_put(f);
	OK(t_open("/l", O_PATH | O_NOFOLLOW, 0, &f));
	ck_assert(S_ISLNK(f->inode->mode));
	ck_assert_int_eq(fd_install(f, 3, false), 3);
	ck_assert_int_eq(vfs_readlink(3, "", buf, 4), 1);
	ck_assert_int_eq(buf[0], 'f');
	ERR(ENOENT, vfs_readlink(AT_FDCWD, "", buf, 4));
	ERR(EINVAL, vfs_readlink(AT_FDCWD, "/f", buf, 4));
	OK(fd_close(3));
	ERR(ENOENT, t_touch("/none", O_PATH | O_CREAT, 0666));
	ERR(ENOTDIR, t_touch("/f", O_PATH | O_DIRECTORY, 0));
	be_root();
	OK(t_mknod("/sock", S_IFSOCK | 0600, 0));
	OK(t_touch("/sock", O_PATH, 0));
	ERR(ENXIO, t_touch("/sock", O_RDWR, 0));
	OK(t_mknod("/blk", S_IFBLK | 0600, DEV_MAKE(8, 0)));
	ERR(ENXIO, t_touch("/blk", O_RDONLY, 0));
	OK(t_mknod("/chr", S_IFCHR | 0600, DEV_MAKE(200, 200)));
	ERR(ENXIO, t_touch("/chr", O_RDONLY, 0));
	OK(t_mknod("/zero", S_IFCHR | 0600, DEV_MAKE(1, 5)));
	OK(t_touch("/zero", O_RDONLY | O_TRUNC, 0));
}
END_TEST

START_TEST(open_fifo)
{
	struct file *rd, *wr;
	struct path p;

	OK(t_mknod("/p", S_IFIFO | 0644, 0));
	ERR(ENXIO, t_touch("/p", O_WRONLY | O_NONBLOCK, 0));
	OK(t_open("/p", O_RDONLY | O_NONBLOCK, 0, &rd));
	OK(t_open("/p", O_WRONLY, 0, &wr));
	file_put(rd);
	file_put(wr);
	/* Sealing does not stop opening again by path. */
	OK(t_lookup("/p", &p));
	OK(vfs_open_path(&p, O_RDWR, &rd));
	file_put(rd);
	path_put(&p);
	be(1000, 1000);
	ERR(EACCES, t_touch("/p", O_WRONLY | O_NONBLOCK, 0));
}
END_TEST

START_TEST(open_noatime)
{
	OK(t_chmod("/f", 0666));
	OK(t_touch("/f", O_RDONLY | O_NOATIME, 0));
	be(1000, 1000);
	ERR(EPERM, t_touch("/f", O_RDONLY | O_NOATIME, 0));
	be_root();
	OK(t_chown("/f", 1000, 1000));
	be(1000, 1000);
	OK(t_touch("/f", O_RDONLY | O_NOATIME, 0));
}
END_TEST

START_TEST(text_file_busy)
{
	struct inode *i = t_inode("/f");
	struct file *f;

	OK(t_open("/f", O_WRONLY, 0, &f));
	ERR(ETXTBSY, inode_deny_write(i));
	file_put(f);
	OK(inode_deny_write(i));
	ERR(ETXTBSY, t_touch("/f", O_WRONLY, 0));
	ERR(ETXTBSY, t_touch("/f", O_RDWR | O_CREAT, 0644));
	ERR(ETXTBSY, t_touch("/f", O_RDONLY | O_TRUNC, 0));
	ERR(ETXTBSY, t_truncate("/f", 0));
	OK(t_touch("/f", O_RDONLY, 0));
	OK(t_unlink("/l"));
	inode_allow_write(i);
	OK(t_touch("/f", O_WRONLY, 0));
}
END_TEST

START_TEST(read_only)
{
	struct iattr a = { .valid = ATTR_MODE, .mode = 0600 };
	struct path p;

	OK(t_mknod("/p", S_IFIFO | 0644, 0));
	readonly(true);
	ERR(EROFS, t_touch("/f", O_WRONLY, 0));
	ERR(EROFS, t_touch("/f", O_RDONLY | O_TRUNC, 0));
	OK(t_touch("/f", O_RDONLY | O_CREAT, 0644));
	ERR(EROFS, t_touch("/new", O_RDONLY | O_CREAT, 0644));
	ERR(EROFS, t_touch("/d", O_RDWR | O_TMPFILE, 0644));
	ERR(EROFS, t_mkdir("/new", 0755));
	ERR(EEXIST, t_mkdir("/d", 0755));
	ERR(EROFS, t_symlink("x", "/new"));
	ERR(EROFS, t_mknod("/new", S_IFIFO | 0600, 0));
	ERR(EROFS, t_link("/f", "/new"));
	ERR(EROFS, t_unlink("/f"));
	ERR(EROFS, t_unlink("/none"));
	ERR(EROFS, t_rmdir("/d"));
	ERR(EROFS, t_rename("/f", "/g"));
	ERR(EROFS, t_truncate("/f", 0));
	OK(t_lookup("/f", &p));
	ERR(EROFS, vfs_setattr(p.dentry->inode, &a));
	ERR(EROFS, vfs_access(&p, MAY_WRITE, false));
	OK(vfs_access(&p, MAY_READ, false));
	path_put(&p);
	/* What is no data of the file system may be written to. */
	OK(t_touch("/p", O_RDWR, 0));
	OK(t_lookup("/p", &p));
	OK(vfs_access(&p, MAY_WRITE, true));
	path_put(&p);
	readonly(false);
}
END_TEST

/* ---- making ---- */

START_TEST(make_errors)
{
	char name[300];

	ERR(EEXIST, t_mkdir("/d", 0755));
	ERR(EEXIST, t_mkdir("/f", 0755));
	ERR(EEXIST, t_mkdir("/l", 0755));
	ERR(EEXIST, t_mkdir("/dangling", 0755));
	ERR(EEXIST, t_mkdir("/", 0755));
	ERR(EEXIST, t_mkdir("/d/.", 0755));
	ERR(EEXIST, t_mkdir("/d/..", 0755));
	ERR(ENOENT, t_mkdir("", 0755));
	ERR(ENOENT, t_mkdir("/none/x", 0755));
	ERR(ENOTDIR, t_mkdir("/f/x", 0755));
	OK(t_mkdir("/slash/", 0777));
	ck_assert_uint_eq(t_inode("/slash")->mode, S_IFDIR | 0755);
	ERR(ENOENT, t_symlink("", "/x"));
	ERR(ENOENT, t_symlink("x", ""));
	ERR(ENOENT, t_symlink("x", "/none/"));
	ERR(EEXIST, t_symlink("x", "/d/"));
	ERR(EEXIST, t_symlink("x", "/l"));
	ERR(ENOENT, t_mknod("/none/", S_IFREG | 0600, 0));
	ERR(EPERM, t_mknod("/x", S_IFDIR | 0600, 0));
	ERR(EINVAL, t_mknod("/x", S_IFLNK | 0600, 0));
	ERR(EINVAL, t_mknod("/x", 0170000, 0));
	OK(t_mknod("/plain", 0600, 0));
	ck_assert(S_ISREG(t_inode("/plain")->mode));
	OK(t_chmod("/d", 0777));
	be(1000, 1000);
	ERR(EACCES, t_mkdir("/x", 0755));
	ERR(EPERM, t_mknod("/d/x", S_IFCHR | 0600, DEV_MAKE(1, 3)));
	OK(t_mknod("/d/x", S_IFIFO | 0600, 0));
	memset(name, 'x', sizeof(name));
	name[0] = '/';
	name[257] = 0;
	ERR(ENAMETOOLONG, t_mkdir(name, 0755));
}
END_TEST

START_TEST(symlink_length)
{
	static char target[PATH_MAX + 2], back[PATH_MAX + 2];

	memset(target, 'x', PATH_MAX + 1);
	ERR(ENAMETOOLONG, t_symlink(target, "/x"));
	target[PATH_MAX] = 0;
	ERR(ENAMETOOLONG, t_symlink(target, "/x"));
	target[PATH_MAX - 1] = 0;
	OK(t_symlink(target, "/x"));
	ck_assert_int_eq(vfs_readlink(AT_FDCWD, "/x", back, sizeof(back)), PATH_MAX - 1);
	ck_assert(!memcmp(target, back, PATH_MAX - 1));
	ck_assert_uint_eq(t_inode("/x")->size, PATH_MAX - 1);
	ERR(ENAMETOOLONG, t_touch("/x", O_RDONLY, 0));
}
END_TEST

START_TEST(umask_and_setgid_directories)
{
	current_proc()->fs->umask = 027;
	OK(t_mkdir("/m", 07777));
	ck_assert_uint_eq(t_inode("/m")->mode, S_IFDIR | S_ISVTX | 0750);
	OK(t_touch("/m/f", O_CREAT | O_RDWR, 07777));
	ck_assert_uint_eq(t_inode("/m/f")->mode, S_IFREG | 07750);
	current_proc()->fs->umask = 0;
	OK(t_mkdir("/sg", 0777));
	OK(t_chown("/sg", 5, 50));
	OK(t_chmod("/sg", 02777));
	be(1000, 1000);
	OK(t_mkdir("/sg/d", 0755));
	ck_assert_uint_eq(t_inode("/sg/d")->mode, S_IFDIR | S_ISGID | 0755);
	ck_assert_uint_eq(t_inode("/sg/d")->gid, 50);
	ck_assert_uint_eq(t_inode("/sg/d")->uid, 1000);
	OK(t_touch("/sg/f", O_CREAT | O_RDWR, 02775));
	ck_assert_uint_eq(t_inode("/sg/f")->mode, S_IFREG | 0775); /* not in the group */
	ck_assert_uint_eq(t_inode("/sg/f")->gid, 50);
	be(1000, 50);
	OK(t_touch("/sg/g", O_CREAT | O_RDWR, 02775));
	ck_assert_uint_eq(t_inode("/sg/g")->mode, S_IFREG | 02775);
}
END_TEST

START_TEST(link_errors)
{
	ERR(EPERM, t_link("/d", "/x"));
	ERR(ENOENT, t_link("/none", "/x"));
	ERR(EEXIST, t_link("/f", "/d"));
	ERR(ENOENT, t_link("/f", "/none/x"));
	ERR(ENOENT, t_link("/f", "/x/"));
	ERR(ENOTDIR, t_link("/f/", "/x"));
	ERR(EINVAL, vfs_link(AT_FDCWD, "/f", AT_FDCWD, "/x", AT_REMOVEDIR));
	ERR(ENOENT, vfs_link(AT_FDCWD, "", AT_FDCWD, "/x", 0));
	/* A symbolic link itself, or what it names. */
	OK(vfs_link(AT_FDCWD, "/l", AT_FDCWD, "/x", 0));
	ck_assert(t_inode("/x") == t_inode("/l"));
	OK(vfs_link(AT_FDCWD, "/l", AT_FDCWD, "/y", AT_SYMLINK_FOLLOW));
	ck_assert(t_inode("/y") == t_inode("/f"));
	ck_assert_uint_eq(t_inode("/f")->nlink, 2);
	OK(t_unlink("/f"));
	ck_assert_uint_eq(t_inode("/y")->nlink, 1);
	ck_assert_str_eq(t_read("/y"), "data");
}
END_TEST

/* ---- removing ---- */

START_TEST(remove_errors)
{
	ERR(EISDIR, t_unlink("/d"));
	ERR(EISDIR, t_unlink("/d/"));
	ERR(EISDIR, t_unlink("/"));
	ERR(EISDIR, t_unlink("/d/."));
	ERR(EISDIR, t_unlink("/d/.."));
	ERR(ENOENT, t_unlink("/none"));
	ERR(ENOENT, t_unlink("/none/"));
	ERR(ENOENT, t_unlink(""));
	ERR(ENOTDIR, t_unlink("/f/"));
	ERR(ENOTDIR, t_unlink("/l/"));
	ERR(ENOTDIR, t_rmdir("/f"));
	ERR(ENOTDIR, t_rmdir("/l"));
	ERR(ENOTEMPTY, t_rmdir("/d"));
	ERR(ENOTEMPTY, t_rmdir("/d/sub/.."));
	ERR(EINVAL, t_rmdir("/d/sub/."));
	ERR(EBUSY, t_rmdir("/"));
	ERR(ENOENT, t_rmdir("/none"));
	OK(t_rmdir("/d/sub/"));
	OK(t_rmdir("/d"));
}
END_TEST

START_TEST(sticky_directory)
{
	OK(t_chmod("/d", 01777));
	be(1000, 1000);
	OK(t_create("/d/mine"));
	OK(t_mkdir("/d/mydir", 0755));
	be(1001, 1001);
	ERR(EPERM, t_unlink("/d/mine"));
	ERR(EPERM, t_rmdir("/d/mydir"));
	ERR(EPERM, t_rename("/d/mine", "/d/x"));
	OK(t_create("/d/his"));
	ERR(EPERM, t_rename("/d/his", "/d/mine"));
	be(1000, 1000);
	OK(t_unlink("/d/mine"));
	OK(t_rmdir("/d/mydir"));
	be_root();
	OK(t_unlink("/d/his"));
	/* The directory's owner may, too. */
	OK(t_create("/d/roots"));
	OK(t_chown("/d", 1000, 1000));
	be(1000, 1000);
	OK(t_unlink("/d/roots"));
}
END_TEST

/* ---- rename ---- */

START_TEST(rename_errors)
{
	struct inode *f = t_inode("/f");

	ERR(EINVAL, t_rename2("/f", "/x", RENAME_NOREPLACE | RENAME_EXCHANGE));
	ERR(EINVAL, t_rename2("/f", "/x", RENAME_WHITEOUT));
	ERR(EINVAL, t_rename2("/f", "/x", 64));
	ERR(ENOENT, t_rename("/none", "/x"));
	ERR(ENOENT, t_rename("/f", "/none/x"));
	ERR(ENOENT, t_rename2("/f", "/none", RENAME_EXCHANGE));
	ERR(EEXIST, t_rename2("/f", "/l", RENAME_NOREPLACE));
	ERR(EISDIR, t_rename("/f", "/d"));
	ERR(ENOTDIR, t_rename("/d", "/f"));
	ERR(ENOTDIR, t_rename("/f/", "/x"));
	ERR(ENOTDIR, t_rename("/f", "/x/"));
	ERR(EBUSY, t_rename("/", "/x"));
	ERR(EBUSY, t_rename("/f", "/d/.."));
	ERR(EBUSY, t_rename("/d/.", "/x"));
	ERR(EEXIST, t_rename2("/f", "/d/.", RENAME_NOREPLACE));
	ERR(EINVAL, t_rename("/d", "/d/sub/x"));
	ERR(EINVAL, t_rename("/d", "/d/x"));
	ERR(ENOTEMPTY, t_rename("/d/sub", "/d"));
	OK(t_create("/d/sub/x"));
	ERR(ENOTEMPTY, t_rename("/d/sub/x", "/d"));
	OK(t_mkdir("/e", 0755));
	ERR(ENOTEMPTY, t_rename("/e", "/d"));
	ERR(EINVAL, t_rename2("/d/sub", "/d", RENAME_EXCHANGE));
	/* Two names of one file: nothing happens. */
	OK(t_link("/f", "/g"));
	OK(t_rename("/f", "/g"));
	ck_assert(t_inode("/f") == f && t_inode("/g") == f);
	OK(t_rename("/f", "/f"));
	/* A directory with a slash is fine. */
	OK(t_rename("/e/", "/e2/"));
	OK(t_rename("/e2", "/d/sub2"));
	ck_assert_uint_eq(t_inode("/d")->nlink, 4);
	OK(t_rename("/d/sub2", "/e"));
	ck_assert_uint_eq(t_inode("/d")->nlink, 3);
}
END_TEST

START_TEST(rename_moves_what_is_open)
{
	struct file *f;
	struct path saved = *current_proc()->fs->cwd;
	char buf[64], *at;

	OK(t_open("/d/sub", O_RDONLY, 0, &f));
	*current_proc()->fs->cwd = f->path;
	OK(t_create("x"));
	OK(t_rename("/d/sub", "/a-rather-long-name-for-a-directory"));
	OK(path_string(&f->path, buf, sizeof(buf), &at, false));
	ck_assert_str_eq(at, "/a-rather-long-name-for-a-directory");
	ck_assert_str_eq(t_ls("."), "x");
	OK(t_create("../y"));
	ck_assert(t_inode("/y") != NULL);
	OK(t_rename("/a-rather-long-name-for-a-directory", "/s"));
	OK(t_rename("/s", "/another-rather-long-name"));
	ck_assert_str_eq(t_ls("/another-rather-long-name"), "x");
	*current_proc()->fs->cwd = saved;
	file_put(f);
}
END_TEST

START_TEST(rename_replaces)
{
	struct file *f;
	char buf[4];

	ck_assert_int_eq(t_write("/g", "old", 0), 3);
	OK(t_open("/g", O_RDONLY, 0, &f));
	OK(t_rename("/f", "/g"));
	ck_assert_str_eq(t_read("/g"), "data");
	ck_assert_str_eq(t_read("/f"), "E2");
	ck_assert_uint_eq(f->inode->nlink, 0);
	ck_assert_int_eq(f_pread(f, buf, 4, 0), 3);
	ck_assert(f->path.dentry->unlinked);
	file_put(f);
	OK(t_mkdir("/e", 0755));
	OK(t_open("/e", O_RDONLY, 0, &f));
	OK(t_rename("/d", "/e"));
	ck_assert_uint_eq(f->inode->nlink, 0);
	ck_assert_str_eq(t_ls("/e"), "sub");
	file_put(f);
	OK(t_rename2("/e", "/g", RENAME_EXCHANGE));
	ck_assert_str_eq(t_read("/e"), "data");
	ck_assert_str_eq(t_ls("/g"), "sub");
}
END_TEST

START_TEST(rename_rights)
{
	OK(t_mkdir("/his", 0777));
	OK(t_chmod("/his", 0777));
	OK(t_mkdir("/his/dir", 0755));
	OK(t_create("/his/file"));
	OK(t_chmod("/d", 0777));
	be(1000, 1000);
	OK(t_rename("/his/file", "/d/file"));
	/* A directory's ".." would change, which is writing to it. */
	ERR(EACCES, t_rename("/his/dir", "/d/dir"));
	OK(t_rename("/his/dir", "/his/dir2"));
	ERR(EACCES, t_rename("/f", "/d/f"));
	ERR(EACCES, t_rename("/d/file", "/file"));
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("namei", &tc, setup, fs_teardown);

	tcase_add_test(tc, open_existing);
	tcase_add_test(tc, open_create);
	tcase_add_test(tc, open_truncate);
	tcase_add_test(tc, open_path_only);
	tcase_add_test(tc, open_fifo);
	tcase_add_test(tc, open_noatime);
	tcase_add_test(tc, text_file_busy);
	tcase_add_test(tc, read_only);
	tcase_add_test(tc, make_errors);
	tcase_add_test(tc, symlink_length);
	tcase_add_test(tc, umask_and_setgid_directories);
	tcase_add_test(tc, link_errors);
	tcase_add_test(tc, remove_errors);
	tcase_add_test(tc, sticky_directory);
	tcase_add_test(tc, rename_errors);
	tcase_add_test(tc, rename_moves_what_is_open);
	tcase_add_test(tc, rename_replaces);
	tcase_add_test(tc, rename_rights);
	return s;
}
