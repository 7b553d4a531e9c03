/* Anonymous memory: zeroes, hints, fixed mappings, errors. */
#include "t.h"
int main(void)
{
	char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int sum = 0;

	for (int i = 0; i < 1 << 20; i += 512)
		sum += p[i];
	SHOW(sum);
	memset(p, 1, 1 << 20);
	SHOW(munmap(p + 4096, 8192));
	FACT(mmap(p + 4096, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == p + 4096);
	SHOW(p[4096]);
	FACT(mmap(p, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p);
	SHOW(p[0]);
	SHOW(mmap(p, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
	SHOW(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	SHOW(mmap(NULL, 4096, PROT_READ, MAP_ANONYMOUS, -1, 0));
	SHOW(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, -1, 0));
	SHOW(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 0, 4095));
	SHOW(mmap((void *)123, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	SHOW(mmap(NULL, (size_t)-1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	SHOW(mmap(NULL, 1ul << 60, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
	SHOW(munmap(p, 0));
	SHOW(munmap(p + 1, 4096));
	SHOW(munmap(NULL, 4096));
	SHOW(munmap((void *)-4096, 4096));
	void *big = mmap(NULL, 64ul << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	FACT(big != MAP_FAILED);
	SHOW(mprotect((char *)big + (32ul << 30), 8192, PROT_READ | PROT_WRITE));
	strcpy((char *)big + (32ul << 30) + 4090, "across pages");
	printf("%s\n", (char *)big + (32ul << 30) + 4090);
	SHOW(munmap(big, 64ul << 30));
	void *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	FACT((uintptr_t)low < 1ul << 31);
	/* shared anonymous */
	char *s = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	SHOW(s[5000]);
	s[5000] = 7;
	SHOW(s[5000]);
	SHOW(msync(s, 8192, MS_SYNC));
	SHOW(msync(s, 8192, MS_SYNC | MS_ASYNC));
	SHOW(msync(s + 1, 8192, MS_SYNC));
	SHOW(munmap(s, 8192));
	SHOW(msync(s, 8192, MS_SYNC));
	return 0;
}
