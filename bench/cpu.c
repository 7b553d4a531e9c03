/* Pure computation for two seconds or so: the control that no kernel should slow down. */
#include <stdint.h>
#include <stdio.h>

int main(void)
{
	uint64_t x = 88172645463325252u, sum = 0;

	for (long i = 0; i < 1400000000; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		sum += x & 0xff;
	}
	printf("%lu\n", (unsigned long)sum);
	return 0;
}
