/* read(2), write(2): success, boundaries, errors, bad pointers. */
#include "t.h"
int main(void)
{
	char buf[64];

	t_tmpdir();
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	SHOW(write(fd, "hello, world", 12));
	SHOW(write(fd, "x", 0));
	SHOW(read(fd, buf, sizeof(buf)));
	SHOW(lseek(fd, 7, SEEK_SET));
	SHOW(read(fd, buf, 3));
	printf("%.3s\n", buf);
	SHOW(read(fd, buf, sizeof(buf)));
	SHOW(read(fd, buf, 0));
	SHOW(read(fd, BAD_PTR, 4));
	SHOW(lseek(fd, 0, SEEK_SET));
	SHOW(read(fd, BAD_PTR, 4));
	SHOW(read(fd, KERNEL_PTR, 4));
	SHOW(read(fd, NONCANON_PTR, 4));
	SHOW(read(fd, NULL, 4));
	SHOW(write(fd, BAD_PTR, 4));
	SHOW(write(fd, KERNEL_PTR, 4));
	SHOW(syscall(SYS_write, fd, buf, (size_t)-1));
	SHOW(syscall(SYS_read, fd, buf, (size_t)-1) >= 0);
	SHOW(read(-1, buf, 1));
	SHOW(read(12345, buf, 1));
	SHOW(write(-1, buf, 1));
	int ro = open("f", O_RDONLY), wo = open("f", O_WRONLY);
	SHOW(write(ro, "x", 1));
	SHOW(read(wo, buf, 1));
	SHOW(read(open(".", O_RDONLY), buf, 1));
	SHOW(write(open("/", O_RDONLY), buf, 1));
	SHOW(close(fd));
	SHOW(close(fd));
	SHOW(close(-1));
	unlink("f");
	t_done();
	return 0;
}
