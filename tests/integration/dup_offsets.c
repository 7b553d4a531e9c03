/* Descriptors that share an open file share its position and flags; separate opens do not. */
#include "t.h"
int main(void)
{
	char c[4] = "";

	t_tmpdir();
	t_write("f", "abcdefgh");
	int a = open("f", O_RDONLY), b = dup(a), x = open("f", O_RDONLY), self;
	char path[64];
	read(a, c, 2);
	SHOW(lseek(b, 0, SEEK_CUR));
	SHOW(lseek(x, 0, SEEK_CUR));
	sprintf(path, "/proc/self/fd/%d", a);
	self = open(path, O_RDONLY);
	SHOW(lseek(self, 0, SEEK_CUR));
	fcntl(a, F_SETFL, O_NONBLOCK);
	SHOW((fcntl(b, F_GETFL) & O_NONBLOCK) != 0);
	SHOW((fcntl(x, F_GETFL) & O_NONBLOCK) != 0);
	close(a);
	SHOW(read(b, c, 2));
	printf("%.2s\n", c);
	unlink("f");
	SHOW(open(path, O_RDONLY) == -1);
	t_done();
	return 0;
}
