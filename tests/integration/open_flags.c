/* open(2): creation, exclusivity, truncation, directories, links, names. */
#include "t.h"
int main(void)
{
	char longname[300], longpath[5000];

	memset(longname, 'n', 299), longname[299] = 0;
	memset(longpath, '/', 4999), longpath[4999] = 0;
	t_tmpdir();
	umask(022);
	WORKS(open("new", O_RDWR | O_CREAT | O_EXCL, 0666));
	SHOW(open("new", O_RDWR | O_CREAT | O_EXCL, 0666));
	struct stat st;
	stat("new", &st);
	printf("mode %o\n", st.st_mode);
	t_write("new", "content");
	WORKS(open("new", O_RDONLY | O_TRUNC) >= 0);
	WORKS(open("new", O_WRONLY | O_TRUNC));
	stat("new", &st);
	SHOW(st.st_size);
	SHOW(open("none", O_RDONLY));
	SHOW(open("none/x", O_RDONLY | O_CREAT, 0600));
	SHOW(open("new/x", O_RDONLY));
	SHOW(open("", O_RDONLY));
	SHOW(open(longname, O_RDONLY));
	SHOW(open(longname, O_RDWR | O_CREAT, 0600));
	SHOW(open(longpath, O_RDONLY) >= 0);
	mkdir("dir", 0755);
	SHOW(open("dir", O_WRONLY));
	SHOW(open("dir", O_RDWR));
	WORKS(open("dir", O_RDONLY | O_DIRECTORY));
	SHOW(open("new", O_RDONLY | O_DIRECTORY));
	SHOW(open("dir", O_RDONLY | O_CREAT, 0600));
	SHOW(open("dir/", O_RDONLY | O_CREAT, 0600));
	SHOW(open("new/", O_RDONLY));
	WORKS(open("dir/", O_RDONLY));
	symlink("new", "link");
	symlink("nowhere", "dangling");
	symlink("loop2", "loop1"), symlink("loop1", "loop2");
	WORKS(open("link", O_RDONLY));
	SHOW(open("link", O_RDONLY | O_NOFOLLOW));
	SHOW(open("dangling", O_RDONLY));
	SHOW(open("dangling", O_RDWR | O_CREAT | O_EXCL, 0600));
	WORKS(open("dangling", O_RDWR | O_CREAT, 0600));
	SHOW(access("nowhere", F_OK));
	SHOW(open("loop1", O_RDONLY));
	int path = open("new", O_PATH);
	SHOW(read(path, &st, 1));
	SHOW(fstat(path, &st));
	SHOW(fchmod(path, 0600));
	int dfd = open("dir", O_RDONLY);
	WORKS(openat(dfd, "in", O_RDWR | O_CREAT, 0600));
	SHOW(openat(path, "in", O_RDONLY));
	SHOW(openat(999, "in", O_RDONLY));
	SHOW(openat(999, "/", O_RDONLY) > 0);
	int app = open("new", O_WRONLY | O_APPEND);
	write(app, "1", 1), lseek(app, 0, SEEK_SET), write(app, "2", 1);
	t_cat("new");
	WORKS(open(".", O_RDWR | O_TMPFILE, 0600));
	SHOW(open("dir/in", O_RDWR | O_TMPFILE, 0600));
	unlink("dir/in"), rmdir("dir"), unlink("new"), unlink("link"), unlink("dangling"), unlink("nowhere");
	unlink("loop1"), unlink("loop2");
	t_done();
	return 0;
}
