/* Rights and attributes: permission classes, chmod(2), chown(2), utimensat(2), access(2), setuid bits, file size
 * limits. */
#include "core/proc/signal.h"
#include "core/proc/thread.h"
#include "shim/abi/signal.h"
#include "tests/unit/fstest.h"

static void setup(void)
{
	fs_setup();
	ck_assert_int_eq(t_write("/f", "data", 0), 4);
	OK(t_chown("/f", 1000, 100));
}

static void teardown(void)
{
	struct cred *c = current_proc()->cred;

	c->ngroups = 0;
	c->groups = NULL;
	current_proc()->rlimits[RLIMIT_FSIZE].cur = RLIM_INFINITY;
	fs_teardown();
}

static int access_as(uint32_t uid, uint32_t gid, unsigned may)
{
	int r;

	be(uid, gid);
	r = inode_permission(t_inode("/f"), may);
	be_root();
	return r;
}

/* Every mode's three bits for every class: the class that fits decides alone. */
START_TEST(permission_classes)
{
	struct inode *i = t_inode("/f");
	uint32_t group[] = { 7, 100 };

	for (unsigned may = 1; may < 8; may++)
		for (unsigned bits = 0; bits < 8; bits++) {
			int want = (may & ~bits) ? -EACCES : 0;

			i->mode = S_IFREG | bits << 6 | (~bits & 7) << 3 | (~bits & 7);
			ck_assert_int_eq(access_as(1000, 100, may), want);
			i->mode = S_IFREG | (~bits & 7) << 6 | bits << 3 | (~bits & 7);
			ck_assert_int_eq(access_as(1001, 100, may), want);
			i->mode = S_IFREG | (~bits & 7) << 6 | (~bits & 7) << 3 | bits;
			ck_assert_int_eq(access_as(1001, 101, may), want);
			/* root: everything but the execution of what nobody may execute */
			i->mode = S_IFREG | bits;
			ck_assert_int_eq(access_as(0, 0, may), (may & MAY_EXEC) && !(bits & 1) ? -EACCES : 0);
		}
	/* a further group */
	i->mode = S_IFREG | 0040;
	current_proc()->cred->groups = group;
	current_proc()->cred->ngroups = 2;
	OK(access_as(1001, 101, MAY_READ));
	current_proc()->cred->ngroups = 1;
	ERR(EACCES, access_as(1001, 101, MAY_READ));
	/* a directory is searched by root in any case */
	ck_assert_int_eq(t_mkdir("/d", 0), 0);
	OK(inode_permission(t_inode("/d"), MAY_READ | MAY_WRITE | MAY_EXEC));
}
END_TEST

START_TEST(access_by_real_ids)
{
	struct cred *c = current_proc()->cred;
	struct path p;

	OK(t_chmod("/f", 0640));
	OK(t_lookup("/f", &p));
	be(0, 0);
	c->ruid = 1001;
	c->rgid = 101;
	ERR(EACCES, vfs_access(&p, MAY_READ, true));
	OK(vfs_access(&p, MAY_READ, false));
	OK(vfs_access(&p, 0, true));
	c->rgid = 100;
	OK(vfs_access(&p, MAY_READ, true));
	ERR(EACCES, vfs_access(&p, MAY_WRITE, true));
	c->ruid = 1000;
	OK(vfs_access(&p, MAY_WRITE | MAY_READ, true));
	ERR(EACCES, vfs_access(&p, MAY_EXEC, true));
	be(1001, 101);
	c->ruid = 0;
	OK(vfs_access(&p, MAY_WRITE | MAY_READ, true));
	ERR(EACCES, vfs_access(&p, MAY_EXEC, true));
	ERR(EACCES, vfs_access(&p, MAY_READ, false));
	be_root();
	path_put(&p);
}
END_TEST

START_TEST(chmod_rules)
{
	struct inode *i = t_inode("/f");
	struct iattr a = { .valid = ATTR_MODE, .mode = 0600 };

	OK(t_chmod("/f", 06777));
	ck_assert_uint_eq(i->mode, S_IFREG | 06777);
	be(1001, 100);
	ERR(EPERM, t_chmod("/f", 0600));
	be(1000, 1);
	OK(t_chmod("/f", 02755)); /* not in the file's group: no setgid */
	ck_assert_uint_eq(i->mode, S_IFREG | 0755);
	be(1000, 100);
	OK(t_chmod("/f", 02755));
	ck_assert_uint_eq(i->mode, S_IFREG | 02755);
	OK(t_chmod("/f", S_IFDIR | 0700)); /* the type is not its business */
	ck_assert_uint_eq(i->mode, S_IFREG | 0700);
	be_root();
	OK(t_symlink("f", "/l"));
	ERR(EOPNOTSUPP, vfs_setattr(t_inode("/l"), &a));
}
END_TEST

START_TEST(chown_rules)
{
	struct inode *i = t_inode("/f");
	uint32_t groups[] = { 200 };

	OK(t_chmod("/f", 06755));
	OK(t_chown("/f", 5, 6));
	ck_assert_uint_eq(i->uid, 5);
	ck_assert_uint_eq(i->gid, 6);
	ck_assert_uint_eq(i->mode, S_IFREG | 0755); /* root, too */
	OK(t_chmod("/f", 06745)); /* setgid without execution for the group: kept by those who may set it */
	OK(t_chown("/f", 1000, 100));
	ck_assert_uint_eq(i->mode, S_IFREG | 02745);
	be(1001, 100);
	ERR(EPERM, t_chown("/f", 1001, ~0u));
	ERR(EPERM, t_chown("/f", ~0u, 100));
	be(1000, 100);
	ERR(EPERM, t_chown("/f", 1001, ~0u));
	OK(t_chown("/f", 1000, 100));
	ERR(EPERM, t_chown("/f", ~0u, 200));
	current_proc()->cred->groups = groups;
	current_proc()->cred->ngroups = 1;
	OK(t_chown("/f", ~0u, 200));
	ck_assert_uint_eq(i->gid, 200);
	be_root();
	OK(t_mkdir("/d", 0755));
	OK(t_chmod("/d", 02755));
	OK(t_chown("/d", 1, 1));
	ck_assert_uint_eq(t_inode("/d")->mode, S_IFDIR | 02755); /* directories keep it */
}
END_TEST

static int utimes(unsigned valid, int64_t at, int64_t mt)
{
	struct iattr a = { .valid = valid, .atime = { at, 1 }, .mtime = { mt, 2 } };

	return vfs_setattr(t_inode("/f"), &a);
}

START_TEST(utimes_rules)
{
	struct inode *i = t_inode("/f");
	int64_t now = timespec_now().sec;

	OK(t_chmod("/f", 0646));
	OK(utimes(ATTR_ATIME | ATTR_MTIME, 100, 200));
	ck_assert_int_eq(i->atime.sec, 100);
	ck_assert_int_eq(i->atime.nsec, 1);
	ck_assert_int_eq(i->mtime.sec, 200);
	ck_assert_int_eq(i->ctime.sec, now);
	OK(utimes(ATTR_MTIME, 5, 6));
	ck_assert_int_eq(i->atime.sec, 100);
	ck_assert_int_eq(i->mtime.sec, 6);
	be(1001, 101);
	ERR(EPERM, utimes(ATTR_ATIME | ATTR_MTIME, 1, 2));
	ERR(EPERM, utimes(ATTR_ATIME_NOW, 1, 2));
	OK(utimes(ATTR_ATIME_NOW | ATTR_MTIME_NOW, 1, 2)); /* may write */
	ck_assert_int_eq(i->atime.sec, now);
	ck_assert_int_eq(i->mtime.sec, now);
	be(1001, 100);
	ERR(EACCES, utimes(ATTR_ATIME_NOW | ATTR_MTIME_NOW, 1, 2));
	be(1000, 1);
	OK(utimes(ATTR_ATIME | ATTR_MTIME, 1, 2));
	OK(utimes(ATTR_ATIME_NOW | ATTR_MTIME, 1, 3));
	ck_assert_int_eq(i->atime.sec, now);
	ck_assert_int_eq(i->mtime.sec, 3);
}
END_TEST

START_TEST(writing_drops_setuid)
{
	struct inode *i = t_inode("/f");

	OK(t_chmod("/f", 06777));
	ck_assert_int_eq(t_write("/f", "x", 0), 1);
	ck_assert_uint_eq(i->mode, S_IFREG | 06777); /* not for root */
	be(1001, 101);
	ck_assert_int_eq(t_write("/f", "x", 0), 1);
	ck_assert_uint_eq(i->mode, S_IFREG | 0777);
	be_root();
	OK(t_chmod("/f", 06777));
	be(1001, 101);
	OK(t_truncate("/f", 1));
	ck_assert_uint_eq(i->mode, S_IFREG | 0777);
	be_root();
	OK(t_chmod("/f", 02767)); /* mandatory locking's bit, not setgid */
	be(1001, 100);
	ck_assert_int_eq(t_write("/f", "x", 0), 1);
	ck_assert_uint_eq(i->mode, S_IFREG | 02767);
}
END_TEST

static bool took_sigxfsz(void)
{
	struct thread *t = current_thread();
	bool had = t->sig_pending & (1ul << (SIGXFSZ - 1));

	t->sig_pending = 0;
	return had;
}

START_TEST(truncate_rules)
{
	OK(t_mkdir("/d", 0755));
	OK(t_mknod("/p", S_IFIFO | 0600, 0));
	ERR(EISDIR, t_truncate("/d", 0));
	ERR(EINVAL, t_truncate("/p", 0));
	ERR(EINVAL, t_truncate("/f", 1ul << 63));
	OK(t_truncate("/f", INT64_MAX));
	ck_assert_uint_eq(t_inode("/f")->size, INT64_MAX);
	OK(t_truncate("/f", 2));
	ck_assert_str_eq(t_read("/f"), "da");
	OK(t_truncate("/f", 4));
	ck_assert_uint_eq(t_inode("/f")->size, 4);
	ck_assert_str_eq(t_read("/f"), "da");
	/* RLIMIT_FSIZE holds for growing only. */
	current_proc()->rlimits[RLIMIT_FSIZE].cur = 3;
	ERR(EFBIG, t_truncate("/f", 5));
	ck_assert(took_sigxfsz());
	OK(t_truncate("/f", 4));
	OK(t_truncate("/f", 1));
	OK(t_truncate("/f", 3));
	ck_assert(!took_sigxfsz());
}
END_TEST

START_TEST(appending)
{
	struct file *a, *b;
	char buf[16];

	OK(t_open("/f", O_WRONLY | O_APPEND, 0, &a));
	OK(t_open("/f", O_RDWR | O_APPEND, 0, &b));
	ck_assert_int_eq(f_pwrite(a, "1", 1, 0), 1); /* pwrite appends, too: its BUGS */
	ck_assert_int_eq(f_pwrite(b, "22", 2, 0), 2);
	ck_assert_int_eq(f_pwrite(a, "3", 1, 0), 1);
	ck_assert_int_eq(f_pread(b, buf, 16, 0), 8);
	ck_assert(!memcmp(buf, "data1223", 8));
	file_put(a);
	file_put(b);
}
END_TEST

START_TEST(seeking)
{
	struct file *f;

	OK(t_open("/f", O_RDONLY, 0, &f));
	ck_assert_int_eq(file_seek(f, 0, SEEK_END), 4);
	ck_assert_int_eq(file_seek(f, -1, SEEK_CUR), 3);
	ck_assert_int_eq(file_seek(f, 100, SEEK_CUR), 103);
	ERR(EINVAL, file_seek(f, -104, SEEK_CUR));
	ERR(EINVAL, file_seek(f, -1, SEEK_SET));
	ERR(EINVAL, file_seek(f, 0, 9));
	ck_assert_int_eq(file_seek(f, INT64_MAX, SEEK_SET), INT64_MAX);
	ERR(EINVAL, file_seek(f, 1, SEEK_CUR));
	file_put(f);
	OK(t_open("/", O_RDONLY, 0, &f));
	ERR(EISDIR, f_pread(f, &(char){ 0 }, 1, 0));
	OK(file_fsync(f, false));
	file_put(f);
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("attr", &tc, setup, teardown);

	tcase_add_test(tc, permission_classes);
	tcase_add_test(tc, access_by_real_ids);
	tcase_add_test(tc, chmod_rules);
	tcase_add_test(tc, chown_rules);
	tcase_add_test(tc, utimes_rules);
	tcase_add_test(tc, writing_drops_setuid);
	tcase_add_test(tc, truncate_rules);
	tcase_add_test(tc, appending);
	tcase_add_test(tc, seeking);
	return s;
}
