/* chmod, chown, utimensat, access, umask, truncate. */
#include "t.h"
#include <sys/time.h>
int main(void)
{
	struct stat st;

	t_tmpdir();
	umask(0);
	t_write("f", "0123456789");
	SHOW(chmod("f", 0640));
	stat("f", &st);
	printf("%o\n", st.st_mode);
	SHOW(chmod("f", 07777));
	stat("f", &st);
	printf("%o\n", st.st_mode);
	SHOW(chmod("none", 0600));
	SHOW(fchmodat(AT_FDCWD, "f", 0600, 0));
	SHOW(chown("f", -1, -1));
	SHOW(chown("none", 0, 0));
	for (int gid = -1; gid <= 0; gid++) { /* whose owner does not change loses the bits, too */
		SHOW(chmod("f", 07757));
		SHOW(chown("f", -1, gid < 0 ? -1 : (int)getgid()));
		stat("f", &st);
		printf("%o\n", st.st_mode);
	}
	int made = open("privileged", O_RDWR | O_CREAT, 06751);
	fstat(made, &st);
	printf("%o\n", st.st_mode);
	close(made), unlink("privileged");
	struct timespec ts[2] = { { 1000000000, 123456789 }, { 2000000000, 5 } };
	SHOW(utimensat(AT_FDCWD, "f", ts, 0));
	stat("f", &st);
	printf("%ld.%09ld %ld.%09ld\n", st.st_atim.tv_sec, st.st_atim.tv_nsec, st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	ts[0].tv_nsec = UTIME_OMIT, ts[1].tv_nsec = UTIME_NOW;
	SHOW(utimensat(AT_FDCWD, "f", ts, 0));
	stat("f", &st);
	FACT(st.st_atim.tv_sec == 1000000000 && st.st_mtim.tv_sec > 1600000000 && st.st_mtim.tv_sec != 2000000000);
	ts[0].tv_nsec = -1;
	SHOW(utimensat(AT_FDCWD, "f", ts, 0));
	SHOW(utimensat(AT_FDCWD, "none", NULL, 0));
	SHOW(access("f", R_OK | W_OK));
	SHOW(access("f", 8));
	SHOW(access("none", F_OK));
	printf("umask %o\n", umask(027));
	printf("umask %o\n", umask(07777));
	printf("umask %o\n", umask(0));
	SHOW(truncate("f", 4));
	t_cat("f");
	SHOW(truncate("f", 8));
	stat("f", &st);
	SHOW(st.st_size);
	SHOW(truncate("f", -1));
	SHOW(truncate("none", 0));
	SHOW(truncate(".", 0));
	int fd = open("f", O_RDONLY);
	SHOW(ftruncate(fd, 0));
	int wr = open("f", O_RDWR);
	SHOW(ftruncate(wr, 0));
	SHOW(ftruncate(wr, 100000));
	char c = 'x';
	SHOW(pread(wr, &c, 1, 99999));
	SHOW(c);
	SHOW(fallocate(wr, 0, 0, 200000));
	fstat(wr, &st);
	SHOW(st.st_size);
	SHOW(fallocate(wr, FALLOC_FL_KEEP_SIZE, 0, 300000));
	SHOW(fallocate(wr, 0, 0, 0));
	SHOW(fallocate(wr, 0, -1, 10));
	SHOW(fallocate(fd, 0, 0, 10));
	SHOW(posix_fadvise(wr, 0, 0, POSIX_FADV_SEQUENTIAL));
	SHOW(posix_fadvise(wr, 0, 0, 77));
	SHOW(fsync(wr));
	SHOW(fdatasync(wr));
	SHOW(fsync(999));
	unlink("f");
	t_done();
	return 0;
}
