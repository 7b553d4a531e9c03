/* The stack grows by itself to 6 MiB of the usual 8, and its pages are zero until used. */
#include "t.h"
static int deep(int n)
{
	volatile char frame[1024];

	frame[0] = (char)n;
	if (n == 0)
		return 0;
	return deep(n - 1) + (frame[0] == (char)n);
}
int main(void)
{
	SHOW(deep(5000));
	volatile char big[2 << 20];
	big[0] = 1;
	big[sizeof(big) - 1] = 2;
	SHOW(big[0] + big[sizeof(big) - 1]);
	return 0;
}
