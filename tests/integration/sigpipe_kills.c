/* Writing to a pipe without readers kills with SIGPIPE (exit status 141 by way of the shell's convention). */
#include "t.h"
int main(void)
{
	int p[2];

	pipe(p);
	close(p[0]);
	printf("before\n");
	fflush(stdout);
	write(p[1], "x", 1);
	printf("after\n");
	return 0;
}
