/* A fault without a handler takes its default action: the signal kills, and the status says which. */
#include "t.h"
int recurse(int n);
int recurse(int n)
{
	volatile char pad[4096];

	pad[0] = (char)n;
	return n ? recurse(n + 1) + pad[0] : 0;
}
int main(void)
{
	printf("before\n");
	fflush(stdout);
	{ int fd = memfd_create("m", 0); volatile char *p = mmap(NULL, 4096, 3, MAP_SHARED, fd, 0); p[0] = 1; }
	printf("after\n");
	return 0;
}
