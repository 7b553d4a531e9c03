/* FIFOs: fifo(7)'s rules for opening, in one process. */
#include "t.h"
int main(void)
{
	char buf[8];

	t_tmpdir();
	SHOW(mkfifo("p", 0600));
	SHOW(mkfifo("p", 0600));
	SHOW(open("p", O_WRONLY | O_NONBLOCK));
	int r = open("p", O_RDONLY | O_NONBLOCK);
	FACT(r >= 0);
	SHOW(read(r, buf, 8));
	int w = open("p", O_WRONLY | O_NONBLOCK);
	FACT(w >= 0);
	SHOW(read(r, buf, 8));
	SHOW(write(w, "abc", 3));
	SHOW(read(r, buf, 8));
	close(w);
	SHOW(read(r, buf, 8));
	close(r);
	int rw = open("p", O_RDWR);
	SHOW(write(rw, "x", 1));
	SHOW(read(rw, buf, 8));
	SHOW(lseek(rw, 0, SEEK_SET));
	SHOW(mknod("q", S_IFIFO | 0600, 0));
	SHOW(mknod("r", S_IFREG | 0600, 0));
	SHOW(mknod("s", 0170000, 0));
	SHOW(unlink("q"));
	SHOW(unlink("r"));
	unlink("p");
	t_done();
	return 0;
}
