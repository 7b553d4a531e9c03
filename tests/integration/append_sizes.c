/* O_APPEND, sparse files, sizes over page boundaries, O_TRUNC with an open mapping, overwrite patterns. */
#include "t.h"
int main(void)
{
	static char big[70000], back[70000];

	t_tmpdir();
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 31 + i / 4096);
	int fd = open("f", O_RDWR | O_CREAT, 0600), app = open("f", O_WRONLY | O_APPEND);
	for (long at = 4090; at < 4100; at++)
		if (pwrite(fd, big + at, 1, at) != 1)
			puts("short");
	SHOW(pwrite(fd, big, sizeof(big), 0));
	SHOW(pread(fd, back, sizeof(back), 0));
	SHOW(memcmp(big, back, sizeof(big)));
	for (int i = 0; i < 1000; i++) {
		size_t off = (size_t)(i * 7919) % 69000, len = (size_t)(i * 104729) % 900 + 1;

		memset(big + off, i, len);
		pwrite(fd, big + off, len, (off_t)off);
	}
	SHOW(pread(fd, back, sizeof(back), 0));
	SHOW(memcmp(big, back, sizeof(big)));
	SHOW(write(app, "end", 3));
	SHOW(lseek(app, 0, SEEK_CUR));
	SHOW(pwrite(app, "END", 3, 0));
	struct stat st;
	fstat(fd, &st);
	SHOW(st.st_size);
	SHOW(ftruncate(fd, 5));
	SHOW(ftruncate(fd, 4097));
	SHOW(pread(fd, back, 100, 4090));
	SHOW(back[0]);
	SHOW(pwrite(fd, "far", 3, 5l << 30));
	fstat(fd, &st);
	SHOW(st.st_size);
	FACT(st.st_blocks < 1000);
	SHOW(pread(fd, back, 10, (5l << 30) - 5));
	printf("%d %.3s\n", back[0], back + 5);
	SHOW(pwrite(fd, "x", 1, INT64_MAX));
	unlink("f");
	t_done();
	return 0;
}
