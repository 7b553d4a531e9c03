/* lseek(2) on files, holes, pipes; positions beyond the end. */
#include "t.h"
int main(void)
{
	int p[2];
	char buf[8];

	t_tmpdir();
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	SHOW(write(fd, "0123456789", 10));
	SHOW(lseek(fd, -3, SEEK_END));
	SHOW(read(fd, buf, 8));
	SHOW(lseek(fd, -11, SEEK_END));
	SHOW(lseek(fd, -1, SEEK_SET));
	SHOW(lseek(fd, 0, 99));
	SHOW(lseek(fd, 1 << 20, SEEK_SET));
	SHOW(read(fd, buf, 8));
	SHOW(write(fd, "end", 3));
	SHOW(lseek(fd, 0, SEEK_END));
	SHOW(lseek(fd, 100, SEEK_DATA) >= 100);
	SHOW(lseek(fd, 0, SEEK_HOLE) >= 10);
	SHOW(lseek(fd, 2 << 20, SEEK_DATA));
	SHOW(lseek(fd, 2 << 20, SEEK_HOLE));
	SHOW(pread(fd, buf, 3, 1 << 20));
	SHOW(pread(fd, buf, 3, -1));
	SHOW(pwrite(fd, buf, 3, -1));
	SHOW(pread(fd, buf, 8, 1000) == 8 && !buf[0]);
	SHOW(pipe(p));
	SHOW(lseek(p[0], 0, SEEK_CUR));
	SHOW(pread(p[0], buf, 1, 0));
	SHOW(lseek(777, 0, SEEK_CUR));
	SHOW(lseek(fd, INT64_MAX, SEEK_SET) == INT64_MAX || errno == EINVAL);
	unlink("f");
	t_done();
	return 0;
}
