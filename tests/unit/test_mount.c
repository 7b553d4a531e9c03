/* Boot: the root and the mounts as the command line asks for them, and what is said when that cannot be. */
#include "core/boot.h"
#include "core/fs/cpio.h"
#include "tests/unit/fstest.h"

static struct {
	struct boot_blob head;
	char strings[256];
} blob;

static char archive[4096];
static size_t archive_len;

static void put_entry(const char *name, uint32_t mode, const char *data)
{
	size_t size = strlen(data);
	const unsigned fields[] = { 0, mode, 0, 0, 1, 0, (unsigned)size, 0, 0, 0, 0, (unsigned)strlen(name) + 1, 0 };

	archive_len += (size_t)sprintf(archive + archive_len, "070701");
	for (unsigned i = 0; i < ARRAY_SIZE(fields); i++)
		archive_len += (size_t)sprintf(archive + archive_len, "%08x", fields[i]);
	archive_len += (size_t)sprintf(archive + archive_len, "%s", name) + 1;
	archive_len = ALIGN_UP(archive_len, 4ul);
	memcpy(archive + archive_len, data, size);
	archive_len = ALIGN_UP(archive_len + size, 4ul);
}

static void make_archive(const char *dir)
{
	memset(archive, 0, sizeof(archive));
	archive_len = 0;
	put_entry("hello", S_IFREG | 0755, "program");
	if (dir)
		put_entry(dir, S_IFDIR | 0755, "");
	put_entry("TRAILER!!!", 0, "");
	fake_initrd(archive, archive_len);
}

/* A blob with this working directory. */
static void make_blob(const char *cwd)
{
	char *p = blob.strings;

	memset(&blob, 0, sizeof(blob));
	p += sprintf(p, "/hello") + 1;
	p += sprintf(p, "hello") + 1;
	p += sprintf(p, "%s", cwd) + 1;
	blob.head = (struct boot_blob){ .magic = BOOT_BLOB_MAGIC, .size = sizeof(blob), .argc = 1 };
	fake_boot_blob(&blob, sizeof(blob));
	boot_parse();
	kfree(boot_params()->argv);
	kfree(boot_params()->envp);
}

static void setup(void)
{
	fake_boot(FS_RAM);
	fake_initrd(NULL, 0);
	fake_cmdline = "";
	make_blob("/");
	be_root();
	fake_mark_leaks();
}

static void teardown(void)
{
	struct proc *p = current_proc();

	be_root();
	path_put(p->fs->root);
	path_put(p->fs->cwd);
	mount_drop_all();
	fake_check_leaks();
}

/* The machine would have ended: what was taken until then is nobody's. */
static void after_refusal(void)
{
	struct proc *p = current_proc();

	path_put(p->fs->root);
	path_put(p->fs->cwd);
	mount_drop_all();
	fake_mark_leaks();
}

static const char *type_at(const char *path)
{
	struct inode *i = t_inode(path);

	return i ? i->super->type : "none";
}

START_TEST(empty_root)
{
	fake_cmdline = "root=tmpfs";
	vfs_init();
	ck_assert_str_eq(t_ls("/"), "dev proc run sys tmp");
	ck_assert_str_eq(type_at("/"), "tmpfs");
	ck_assert_str_eq(type_at("/proc"), "proc");
	ck_assert_str_eq(type_at("/sys"), "sysfs");
	ck_assert_str_eq(type_at("/dev"), "devtmpfs");
	ck_assert_str_eq(type_at("/dev/shm"), "tmpfs");
	ck_assert(t_inode("/dev/shm")->super != t_inode("/")->super);
	ck_assert_uint_eq(t_inode("/dev/shm")->mode, S_IFDIR | 01777);
	ck_assert_uint_eq(t_inode("/tmp")->mode, S_IFDIR | 01777);
	OK(t_touch("/dev/null", O_RDWR, 0));
	ck_assert(current_proc()->fs->cwd->dentry == mount_root()->super->root);
	OK(t_create("/dev/shm/x"));
	ERR(EBUSY, t_rmdir("/proc"));
}
END_TEST

START_TEST(archive_root)
{
	make_archive("srv");
	make_blob("/srv");
	fake_cmdline = "root=cpio ro";
	vfs_init();
	ck_assert_str_eq(t_read("/hello"), "program");
	ck_assert(current_proc()->fs->cwd->dentry->inode == t_inode("/srv"));
	ERR(EROFS, t_create("/x"));
	ERR(EROFS, t_touch("/hello", O_WRONLY, 0));
	OK(t_create("/run/x"));
	OK(t_create("/dev/shm/x"));
}
END_TEST

START_TEST(archive_is_the_default)
{
	make_archive(NULL);
	fake_cmdline = "";
	vfs_init();
	ck_assert_str_eq(t_read("/hello"), "program");
	OK(t_create("/x"));
}
END_TEST

START_TEST(missing_working_directory)
{
	fake_cmdline = "root=tmpfs";
	make_blob("/nowhere/at/all");
	ck_assert_exit(vfs_init(), 126 << 8);
	ck_assert(strstr(fake_log(), "doppel: /nowhere/at/all: no such directory in the guest's root; "
				     "add -v or --root\n"));
}
END_TEST

START_TEST(working_directory_is_a_file)
{
	make_archive(NULL);
	make_blob("/hello");
	ck_assert_exit(vfs_init(), 126 << 8);
	ck_assert(strstr(fake_log(), "doppel: /hello: is not a directory"));
}
END_TEST

START_TEST(bad_words)
{
	fake_cmdline = "root=nfs:x";
	ck_assert_refusal(vfs_init(), "root=nfs:x: not 9p:TAG, cpio or tmpfs");
	fake_cmdline = "root=9p:tag";
	ck_assert_refusal(vfs_init(), "9p:tag: the host exports nothing under this tag");
	fake_cmdline = "root=cpio";
	ck_assert_refusal(vfs_init(), "root=cpio: there is no archive");
	make_archive(NULL);
	archive[5] = 'x';
	ck_assert_refusal(vfs_init(), "root=cpio: the archive is unusable");
	ck_assert(strstr(fake_log(), "cpio archive: bad magic number") != NULL);
	after_refusal();
}
END_TEST

START_TEST(bad_mount_words)
{
	fake_cmdline = "root=tmpfs mount=9p:tag:relative";
	ck_assert_refusal(vfs_init(), "mount=9p:tag:relative: not 9p:TAG[/FILE]:PATH[:ro]");
	after_refusal();
	fake_cmdline = "root=tmpfs mount=9p:none:/mnt";
	ck_assert_refusal(vfs_init(), "9p:none: the host exports nothing under this tag");
	after_refusal();
}
END_TEST

START_TEST(mount_point_is_no_directory)
{
	archive_len = 0;
	memset(archive, 0, sizeof(archive));
	put_entry("run", S_IFREG | 0644, "a file");
	put_entry("TRAILER!!!", 0, "");
	fake_initrd(archive, archive_len);
	ck_assert_exit(vfs_init(), 125 << 8);
	ck_assert(strstr(fake_log(), "doppel: /run: not a directory in the guest\n"));
	after_refusal();
}
END_TEST

START_TEST(mount_rules)
{
	struct super *s;
	struct path at;

	fake_cmdline = "root=tmpfs";
	vfs_init();
	OK(tmpfs_new(&s, 0, 0755));
	ERR(EBUSY, mount_add(s, NULL, 0, "second root"));
	OK(t_create("/file"));
	OK(t_lookup("/file", &at));
	ERR(ENOTDIR, mount_add(s, &at, 0, "x"));
	path_put(&at);
	OK(t_mkdir("/m", 0755));
	OK(t_lookup("/m", &at));
	fake_fail_after(1);
	ERR(ENOMEM, mount_add(s, &at, 0, "x"));
	OK(mount_add(s, &at, MS_RDONLY, "a source with a name that is much longer than the sixty-three characters"));
	ERR(EBUSY, mount_add(s, &at, 0, "x"));
	path_put(&at);
	ERR(EROFS, t_create("/m/x"));
	OK(t_lookup("/m", &at));
	struct statfs_k st;

	OK(vfs_statfs(&at, &st));
	ck_assert_uint_eq(st.flags & MS_RDONLY, MS_RDONLY);
	ck_assert_uint_eq(strlen(at.mnt->source), 63);
	path_put(&at);
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("mount", &tc, setup, teardown);

	tcase_add_test(tc, empty_root);
	tcase_add_test(tc, archive_root);
	tcase_add_test(tc, archive_is_the_default);
	tcase_add_test(tc, missing_working_directory);
	tcase_add_test(tc, working_directory_is_a_file);
	tcase_add_test(tc, bad_words);
	tcase_add_test(tc, bad_mount_words);
	tcase_add_test(tc, mount_point_is_no_directory);
	tcase_add_test(tc, mount_rules);
	return s;
}
