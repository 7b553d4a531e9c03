/* mprotect, madvise, mremap, mincore, mlock. */
#include "t.h"
int main(void)
{
	char *p = mmap(NULL, 12 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char vec[10];
	int null = open("/dev/null", O_WRONLY), zero = open("/dev/zero", O_RDONLY);

	munmap(p + 10 * 4096, 2 * 4096);
	memset(p, 'x', 10 * 4096);
	SHOW(mprotect(p + 4096, 4096, PROT_READ));
	SHOW(read(zero, p + 4096, 1));
	SHOW(read(zero, p, 8192));
	SHOW(mprotect(p + 4096, 4096, PROT_NONE));
	int pp[2];
	pipe(pp);
	SHOW(write(pp[1], p + 4096, 1));
	SHOW(mprotect(p + 4096, 4096, PROT_READ | PROT_WRITE));
	SHOW(p[4096]);
	SHOW(mprotect(p + 1, 4096, PROT_READ));
	SHOW(mprotect(p, 11 * 4096, PROT_READ));
	SHOW(mprotect(p, 10 * 4096, PROT_READ | PROT_WRITE));
	SHOW(mprotect(p, 4096, 0x80));
	SHOW(mprotect(p, 0, PROT_READ));
	SHOW(madvise(p, 4096, MADV_DONTNEED));
	SHOW(p[0]);
	SHOW(p[4096 * 2]);
	SHOW(madvise(p, 4096, MADV_WILLNEED));
	SHOW(madvise(p, 4096, 12345));
	SHOW(madvise(p + 1, 4096, MADV_DONTNEED));
	SHOW(mincore(p, 2 * 4096, vec));
	SHOW(mincore(p + 1, 4096, vec));
	SHOW(mincore(p, 4096, BAD_PTR));
	strcpy(p + 9 * 4096, "tail");
	char *q = mremap(p, 10 * 4096, 40 * 4096, MREMAP_MAYMOVE);
	FACT(q != MAP_FAILED);
	printf("%s %d\n", q + 9 * 4096, q[39 * 4096]);
	q = mremap(q, 40 * 4096, 10 * 4096, 0);
	printf("%s\n", q + 9 * 4096);
	SHOW(write(pp[1], q + 10 * 4096, 1));
	char *t = mmap(NULL, 4096 * 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FACT(mremap(q, 10 * 4096, 10 * 4096, MREMAP_MAYMOVE | MREMAP_FIXED, t) == t);
	printf("%s\n", t + 9 * 4096);
	SHOW(mremap(t + 1, 4096, 8192, MREMAP_MAYMOVE));
	SHOW(mremap(t, 4096, 0, MREMAP_MAYMOVE));
	SHOW(mremap(t, 4096, 8192, 64));
	SHOW(mremap((void *)0x1000, 4096, 8192, MREMAP_MAYMOVE));
	SHOW(mlock(t, 4096));
	SHOW(munlock(t, 4096));
	SHOW(write(null, t, 4096));
	/* many protections split one area into many, and back */
	for (int i = 0; i < 10; i += 2)
		mprotect(t + i * 4096, 4096, PROT_READ);
	SHOW(mprotect(t, 10 * 4096, PROT_READ | PROT_WRITE));
	memset(t, 1, 10 * 4096);
	SHOW(t[9 * 4096]);
	void *cur = sbrk(0);
	SHOW(brk((char *)cur + 100000));
	memset(cur, 5, 100000);
	SHOW(brk(cur));
	SHOW(brk((char *)cur + 100000));
	SHOW(((char *)cur)[50000]);
	return 0;
}
