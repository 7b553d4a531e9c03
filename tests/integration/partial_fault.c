/* A transfer that runs into an unmapped page: what was moved before counts. */
#include "t.h"
int main(void)
{
	/* Far from where libraries and buffers go, for one of those would fill the hole. */
	char *p = mmap((void *)0x20000000, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fds[2];

	munmap(p + 4096, 4096);
	memset(p, 'a', 4096);
	t_tmpdir();
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	SHOW(write(fd, p + 4000, 96));
	SHOW(write(fd, p + 4000, 200) >= -1);
	SHOW(write(fd, p + 4096, 1));
	ftruncate(fd, 10000);
	lseek(fd, 0, SEEK_SET);
	SHOW(read(fd, p + 4096, 10));
	SHOW(pipe(fds));
	SHOW(write(fds[1], p + 4096, 10));
	SHOW(write(fds[1], "0123456789", 10));
	SHOW(read(fds[0], p + 4096, 10));
	SHOW(read(fds[0], p + 4090, 6));
	SHOW(syscall(SYS_getcwd, p + 4090, 4096));
	SHOW(stat("f", (struct stat *)(p + 4096)));
	SHOW(open((char *)p + 4096, O_RDONLY));
	memset(p, 'x', 4096);
	SHOW(open(p, O_RDONLY));
	unlink("f");
	t_done();
	return 0;
}
