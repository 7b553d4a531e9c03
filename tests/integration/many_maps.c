/* Thousands of mappings with holes between them, then all gone; every page keeps its own bytes. */
#include "t.h"
#define N 3000
int main(void)
{
	static char *p[N];
	int bad = 0;

	for (int i = 0; i < N; i++) {
		p[i] = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		munmap(p[i] + 4096, 4096);
		*(int *)p[i] = i;
	}
	for (int i = 0; i < N; i++)
		bad += *(int *)p[i] != i;
	SHOW(bad);
	for (int i = 0; i < N; i += 2)
		mprotect(p[i], 4096, PROT_READ);
	for (int i = 1; i < N; i += 2)
		munmap(p[i], 4096);
	for (int i = 0; i < N; i += 2)
		bad += *(int *)p[i] != i;
	SHOW(bad);
	char *big = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 64; i++)
		big[i << 20] = (char)i;
	for (int i = 0; i < 64; i++)
		bad += big[i << 20] != (char)i || big[(i << 20) + 5000];
	SHOW(bad);
	SHOW(munmap(big, 64 << 20));
	return 0;
}
