/* chroot(2): the new root bounds absolute paths and "..". */
#include "t.h"
int main(void)
{
	char buf[64];

	if (getuid())
		return 0;
	t_tmpdir();
	mkdir("jail", 0755), mkdir("jail/in", 0755), t_write("jail/file", "inside"), t_write("outside", "x");
	SHOW(chroot("none"));
	SHOW(chroot("outside"));
	int out = open(".", O_RDONLY);
	SHOW(chroot("jail"));
	SHOW(chdir("/"));
	t_cat("/file");
	t_cat("../../../file");
	SHOW(access("/etc/passwd", F_OK));
	SHOW(syscall(SYS_getcwd, buf, sizeof(buf)));
	puts(buf);
	SHOW(fchdir(out));
	FACT(syscall(SYS_getcwd, buf, sizeof(buf)) > 13); /* from the host's own root, which may be another */
	printf("%.13s\n", buf);
	SHOW(chroot("."));
	unlink("jail/file"), rmdir("jail/in"), rmdir("jail"), unlink("outside");
	return 0;
}
