/* RLIMIT_FSIZE: a short write up to the limit, then SIGXFSZ kills. */
#include "t.h"
#include <sys/resource.h>
int main(void)
{
	char buf[100] = "";
	struct rlimit rl = { 250, 1000 };

	int fd = open("/tmp", O_RDWR | O_TMPFILE, 0600);
	FACT(fd >= 0);
	SHOW(setrlimit(RLIMIT_FSIZE, &rl));
	SHOW(write(fd, buf, 100));
	SHOW(write(fd, buf, 100));
	SHOW(write(fd, buf, 100));
	fflush(stdout);
	write(fd, buf, 100);
	puts("not reached");
	return 0;
}
