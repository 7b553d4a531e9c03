/* atexit, buffers and the status: what exit(3) and _exit(2) do with 8 bits. */
#include "t.h"
static void bye(void) { puts("atexit ran"); }
int main(void)
{
	atexit(bye);
	printf("buffered");
	exit(0x1ff);
}
