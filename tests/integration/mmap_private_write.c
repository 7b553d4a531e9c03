/* Private file pages: written ones are ours, others follow the file; writes to the file after copy do not show. */
#include "t.h"
int main(void)
{
	t_tmpdir();
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	ftruncate(fd, 64 * 4096);
	for (int i = 0; i < 64; i++)
		pwrite(fd, &(char){ (char)('a' + i % 26) }, 1, i * 4096);
	char *p = mmap(NULL, 64 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	int sum = 0;
	for (int i = 0; i < 64; i += 2)
		p[i * 4096 + 1] = 'W';
	for (int i = 0; i < 64; i++)
		sum += p[i * 4096];
	SHOW(sum);
	pwrite(fd, "ZZ", 2, 0), pwrite(fd, "ZZ", 2, 4096);
	printf("%c%c %c%c\n", p[0], p[1], p[4096], p[4097] ? p[4097] : '-');
	char back[2];
	pread(fd, back, 2, 2 * 4096);
	SHOW(back[1]);
	SHOW(madvise(p, 8192, MADV_DONTNEED));
	printf("%c%c\n", p[0], p[1]);
	int zero = open("/dev/zero", O_RDONLY);
	SHOW(read(zero, p + 3 * 4096 - 2, 4));
	SHOW(p[3 * 4096]);
	pread(fd, back, 1, 3 * 4096);
	SHOW(back[0]);
	munmap(p, 64 * 4096);
	unlink("f");
	t_done();
	return 0;
}
