/* link, symlink, readlink, unlink. */
#include "t.h"
int main(void)
{
	char buf[64];
	struct stat st;

	t_tmpdir();
	t_write("f", "data");
	SHOW(link("f", "g"));
	SHOW(link("f", "g"));
	SHOW(link("none", "h"));
	SHOW(link("f", "none/h"));
	SHOW(link(".", "h"));
	SHOW(link("f", "/dev/shm/h"));
	stat("f", &st);
	SHOW(st.st_nlink);
	SHOW(symlink("f", "s"));
	SHOW(symlink("f", "s"));
	SHOW(symlink("", "e"));
	SHOW(symlink("a/b/c", "t"));
	SHOW(readlink("t", buf, sizeof(buf)));
	SHOW(readlink("t", buf, 3));
	SHOW(readlink("t", buf, 0));
	SHOW(readlink("f", buf, sizeof(buf)));
	SHOW(readlink("none", buf, sizeof(buf)));
	SHOW(readlink("t", BAD_PTR, 10));
	SHOW(linkat(AT_FDCWD, "s", AT_FDCWD, "s2", 0));
	lstat("s2", &st);
	FACT(S_ISLNK(st.st_mode));
	SHOW(linkat(AT_FDCWD, "s", AT_FDCWD, "f2", AT_SYMLINK_FOLLOW));
	lstat("f2", &st);
	FACT(S_ISREG(st.st_mode));
	SHOW(st.st_nlink);
	SHOW(linkat(AT_FDCWD, "f", AT_FDCWD, "z", 0x8000));
	SHOW(unlink("f2"));
	SHOW(unlink("f2"));
	SHOW(unlink("f/"));
	SHOW(unlink("s/"));
	SHOW(unlinkat(AT_FDCWD, "g", AT_REMOVEDIR));
	SHOW(unlinkat(AT_FDCWD, "g", 0x8000));
	int fd = open("f", O_RDONLY);
	SHOW(unlink("f"));
	SHOW(unlink("g"));
	fstat(fd, &st);
	SHOW(st.st_nlink);
	SHOW(read(fd, buf, 10));
	unlink("s"), unlink("s2"), unlink("t");
	t_done();
	return 0;
}
