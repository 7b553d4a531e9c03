/* sendfile(2), copy_file_range(2), splice. */
#include "t.h"
#include <sys/sendfile.h>
int main(void)
{
	int p[2];
	char buf[64];
	off_t off = 2;
	loff_t a = 1, b = 20;

	t_tmpdir();
	t_write("in", "0123456789");
	int in = open("in", O_RDONLY), out = open("out", O_RDWR | O_CREAT, 0600), app = open("out", O_WRONLY | O_APPEND);
	SHOW(sendfile(out, in, NULL, 4));
	SHOW(sendfile(out, in, &off, 100));
	SHOW(off);
	SHOW(lseek(in, 0, SEEK_CUR));
	t_cat("out");
	SHOW(sendfile(out, in, &off, 10));
	SHOW(sendfile(in, out, NULL, 10));
	SHOW(sendfile(99, in, NULL, 10));
	off = -1;
	SHOW(sendfile(out, in, &off, 10));
	SHOW(sendfile(out, in, BAD_PTR, 10));
	pipe(p);
	SHOW(sendfile(p[1], in, NULL, 3));
	SHOW(read(p[0], buf, 64));
	SHOW(sendfile(out, p[0], NULL, 3));
	SHOW(copy_file_range(in, &a, out, &b, 5, 0));
	SHOW(a + b);
	SHOW(copy_file_range(in, NULL, out, NULL, 5, 1));
	SHOW(copy_file_range(in, NULL, app, NULL, 5, 0));
	int dir = open(".", O_RDONLY); /* what it is counts before how it was opened */
	SHOW(copy_file_range(in, NULL, dir, NULL, 5, 0));
	SHOW(copy_file_range(app, NULL, dir, NULL, 5, 0));
	SHOW(copy_file_range(app, NULL, p[0], NULL, 5, 0));
	SHOW(copy_file_range(app, NULL, out, NULL, 5, 0));
	SHOW(copy_file_range(in, NULL, in, NULL, 1, 0));
	int self = open("in", O_RDWR);
	a = 4, b = 20;
	SHOW(copy_file_range(self, &a, self, &b, 100, 0)); /* up to the end that the file had */
	a = 10, b = 12;
	SHOW(copy_file_range(self, &a, self, &b, 5, 0));
	a = 100, b = 102;
	SHOW(copy_file_range(self, &a, self, &b, 5, 0));
	t_cat("in");
	struct stat st;
	fstat(out, &st);
	SHOW(st.st_size);
	unlink("in"), unlink("out");
	t_done();
	return 0;
}
