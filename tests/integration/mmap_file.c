/* File mappings: private copies, shared coherence with read and write, end of file, protections. */
#include "t.h"
int main(void)
{
	char buf[16];

	t_tmpdir();
	int fd = open("f", O_RDWR | O_CREAT, 0600), ro = open("f", O_RDONLY), wo = open("f", O_WRONLY);
	for (int i = 0; i < 3 * 4096; i += 8)
		dprintf(fd, "%07d\n", i);
	char *p = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	char *s = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	printf("%.7s %.7s\n", p + 4096, s + 8192);
	p[4096] = 'P';
	s[0] = 'S';
	SHOW(pread(fd, buf, 8, 0));
	printf("%.7s\n", buf);
	SHOW(pread(fd, buf, 8, 4096));
	printf("%.7s\n", buf);
	SHOW(pwrite(fd, "W", 1, 8192));
	printf("%.7s %.7s %.7s\n", s + 8192, p + 8192, p + 4096);
	SHOW(msync(s, 4096, MS_SYNC));
	SHOW(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, ro, 0));
	WORKS(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, ro, 0));
	SHOW(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, wo, 0));
	char *r = mmap(NULL, 4096, PROT_READ, MAP_SHARED, ro, 0);
	SHOW(mprotect(r, 4096, PROT_READ | PROT_WRITE));
	SHOW(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, open(".", O_RDONLY), 0));
	SHOW(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 999, 0));
	char *off = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 4096);
	printf("%.7s\n", off);
	/* the rest of the last page reads as zero and is not written */
	ftruncate(fd, 5000);
	SHOW(s[5000]);
	SHOW(s[4999] != 0);
	ftruncate(fd, 12288);
	SHOW(s[5001]);
	SHOW(s[8192]);
	close(fd);
	s[100] = 'Q';
	lseek(ro, 100, SEEK_SET);
	SHOW(read(ro, buf, 1));
	SHOW(buf[0]);
	unlink("f");
	SHOW(s[101] != 0);
	t_done();
	return 0;
}
