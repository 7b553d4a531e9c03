/* stat family: types, modes, sizes, links, statx, errors. */
#include "t.h"
#include <sys/sysmacros.h>
static void show(const char *p)
{
	struct stat st;

	if (lstat(p, &st)) {
		printf("%s: %s\n", p, strerrorname_np(errno));
		return;
	}
	printf("%s: mode %o nlink %lu size %ld blksize %ld%s\n", p, st.st_mode, (long)st.st_nlink,
	       S_ISDIR(st.st_mode) ? 0 : (long)st.st_size, (long)st.st_blksize, st.st_ino ? "" : " NO INODE");
}
int main(void)
{
	struct stat a, b;
	struct statx x;

	t_tmpdir();
	umask(0);
	t_write("f", "12345");
	chmod("f", 04755);
	link("f", "g");
	symlink("f", "l");
	mkdir("d", 01777);
	mkfifo("p", 0600);
	show("f"), show("g"), show("l"), show("p"), show("none");
	stat("d", &a);
	printf("d %o\n", a.st_mode);
	stat("f", &a), stat("g", &b);
	FACT(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	stat("l", &b);
	FACT(a.st_ino == b.st_ino);
	lstat("l", &b);
	FACT(S_ISLNK(b.st_mode) && a.st_ino != b.st_ino);
	FACT(a.st_uid == getuid() && a.st_gid == getgid());
	int fd = open("f", O_RDONLY);
	SHOW(fstat(fd, &b));
	FACT(a.st_ino == b.st_ino);
	SHOW(fstatat(fd, "", &b, AT_EMPTY_PATH));
	SHOW(fstatat(fd, "", &b, 0));
	SHOW(fstatat(AT_FDCWD, "l", &b, AT_SYMLINK_NOFOLLOW));
	SHOW(fstatat(AT_FDCWD, "l", &b, 0x8000));
	SHOW(fstatat(fd, "x", &b, 0));
	SHOW(stat("f", BAD_PTR));
	SHOW(stat(BAD_PTR, &b));
	SHOW(stat("", &b));
	SHOW(fstat(999, &b));
	SHOW(statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS, &x));
	FACT((x.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS && x.stx_size == 5 && x.stx_ino == a.st_ino);
	SHOW(statx(AT_FDCWD, "f", 0x10000, STATX_SIZE, &x));
	SHOW(statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &x));
	stat("/dev/null", &a);
	printf("null: %o %u:%u\n", a.st_mode, major(a.st_rdev), minor(a.st_rdev));
	stat("/dev/zero", &a);
	printf("zero: %o %u:%u\n", a.st_mode, major(a.st_rdev), minor(a.st_rdev));
	unlink("f"), unlink("g"), unlink("l"), rmdir("d"), unlink("p");
	t_done();
	return 0;
}
