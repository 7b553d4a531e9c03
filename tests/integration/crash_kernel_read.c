/* Not in ring 0, where this is allowed. A fault without a handler takes its default action: the signal kills, and the status says which. */
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
	printf("%d\n", *(volatile int *)0xffffffff80100000ul);
	printf("after\n");
	return 0;
}
