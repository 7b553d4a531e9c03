/* rename(2), renameat2(2): replacement, kinds, subtrees, flags. */
#include "t.h"
int main(void)
{
	struct stat st;

	t_tmpdir();
	t_write("a", "A"), t_write("b", "B");
	SHOW(rename("a", "c"));
	SHOW(access("a", F_OK));
	SHOW(rename("c", "b"));
	t_cat("b");
	SHOW(rename("none", "x"));
	SHOW(rename("b", ""));
	SHOW(rename("b", "none/x"));
	mkdir("d1", 0755), mkdir("d2", 0755), mkdir("d1/sub", 0755);
	SHOW(rename("b", "d1"));
	SHOW(rename("d1", "b"));
	SHOW(rename("d2", "d1"));
	SHOW(rename("d1", "d2"));
	SHOW(access("d2/sub", F_OK));
	SHOW(rename("d2", "d2/sub/x"));
	SHOW(rename("d2", "d2"));
	SHOW(rename("d2/.", "d3"));
	SHOW(rename("d2/..", "d3"));
	SHOW(rename(".", "d3"));
	SHOW(rename("b", "b/"));
	SHOW(rename("d2", "d4/"));
	link("b", "hard");
	SHOW(rename("b", "hard"));
	stat("b", &st);
	SHOW(st.st_nlink);
	t_write("x", "X"), t_write("y", "Y");
	SHOW(renameat2(AT_FDCWD, "x", AT_FDCWD, "y", RENAME_NOREPLACE));
	SHOW(renameat2(AT_FDCWD, "x", AT_FDCWD, "y", RENAME_EXCHANGE));
	t_cat("x");
	SHOW(renameat2(AT_FDCWD, "x", AT_FDCWD, "nope", RENAME_EXCHANGE));
	SHOW(renameat2(AT_FDCWD, "x", AT_FDCWD, "y", RENAME_EXCHANGE | RENAME_NOREPLACE));
	SHOW(renameat2(AT_FDCWD, "x", AT_FDCWD, "y", 64));
	SHOW(rename("x", "/proc/x"));
	/* an open file keeps working under its new name, and a replaced one without any */
	int fd = open("y", O_RDWR);
	SHOW(rename("x", "y"));
	SHOW(write(fd, "z", 1));
	fstat(fd, &st);
	SHOW(st.st_nlink);
	t_cat("y");
	unlink("b"), unlink("hard"), unlink("y"), rmdir("d4/sub"), rmdir("d4"), rmdir("d1");
	t_done();
	return 0;
}
