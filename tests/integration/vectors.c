/* readv, writev, preadv, pwritev and their limits. */
#include "t.h"
#include <limits.h>
#include <sys/uio.h>
int main(void)
{
	char a[4] = "abcd", b[4] = "efgh", c[8] = { 0 }, d[8] = { 0 };
	struct iovec w[3] = { { a, 4 }, { NULL, 0 }, { b, 4 } }, r[2] = { { c, 3 }, { d, 8 } };
	struct iovec bad[2] = { { a, 4 }, { BAD_PTR, 4 } }, neg = { a, (size_t)-1 };

	t_tmpdir();
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	SHOW(writev(fd, w, 3));
	SHOW(lseek(fd, 0, SEEK_SET));
	SHOW(readv(fd, r, 2));
	printf("%.3s|%.5s\n", c, d);
	SHOW(preadv(fd, r, 2, 2));
	SHOW(pwritev(fd, w, 3, 100));
	SHOW(lseek(fd, 0, SEEK_END));
	SHOW(writev(fd, w, 0));
	SHOW(writev(fd, w, -1));
	SHOW(writev(fd, w, IOV_MAX + 1));
	SHOW(writev(fd, BAD_PTR, 2));
	SHOW(writev(fd, bad, 2));
	SHOW(writev(fd, &neg, 1));
	SHOW(preadv(fd, r, 2, -1));
	SHOW(preadv2(fd, r, 2, 0, 0));
	SHOW(preadv2(fd, r, 2, 0, 0x40000000));
	unlink("f");
	t_done();
	return 0;
}
