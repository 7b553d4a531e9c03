/* Owner and mode checks for a user who is not root. */
#include "t.h"
#include <grp.h>
int main(void)
{
	if (getuid())
		return 0;
	t_tmpdir();
	chmod(".", 0755);
	umask(0);
	t_write("root-only", "secret"), chmod("root-only", 0600);
	t_write("readable", "text"), chmod("readable", 0644);
	t_write("grouped", "group"), chmod("grouped", 0640), chown("grouped", 0, 1234);
	t_write("mine", "mine"), chown("mine", 1000, 1000), chmod("mine", 0400);
	mkdir("closed", 0700), t_write("closed/f", "x");
	mkdir("sticky", 01777), t_write("sticky/other", "x");
	mkdir("open", 0777);
	chmod("open", 0777), chmod("sticky", 01777);
	setgroups(1, (gid_t[]){ 1234 });
	setresgid(1000, 1000, 1000), setresuid(1000, 1000, 1000);
	SHOW(open("root-only", O_RDONLY));
	WORKS(open("readable", O_RDONLY));
	SHOW(open("readable", O_WRONLY));
	SHOW(open("readable", O_RDONLY | O_TRUNC));
	WORKS(open("grouped", O_RDONLY));
	SHOW(open("grouped", O_RDWR));
	SHOW(open("mine", O_WRONLY));
	SHOW(chmod("mine", 0600));
	WORKS(open("mine", O_WRONLY));
	SHOW(chmod("readable", 0666));
	SHOW(chown("mine", 0, 0));
	SHOW(chown("mine", -1, 1234));
	SHOW(chown("mine", -1, 77));
	SHOW(open("closed/f", O_RDONLY));
	SHOW(chdir("closed"));
	SHOW(open("new", O_WRONLY | O_CREAT, 0600));
	SHOW(mkdir("new", 0700));
	SHOW(unlink("readable"));
	SHOW(unlink("sticky/other"));
	SHOW(rename("sticky/other", "open/x"));
	WORKS(open("open/made", O_RDWR | O_CREAT, 0640));
	SHOW(unlink("open/made"));
	SHOW(access("root-only", R_OK));
	SHOW(access("mine", R_OK | W_OK));
	SHOW(truncate("readable", 0));
	SHOW(utimensat(AT_FDCWD, "readable", NULL, 0));
	struct timespec ts[2] = { { 1, 0 }, { 1, 0 } };
	SHOW(utimensat(AT_FDCWD, "readable", ts, 0));
	SHOW(link("readable", "open/l") == 0 || errno == EPERM);
	SHOW(chroot("/"));
	SHOW(mknod("open/dev", S_IFCHR | 0600, 0x103));
	SHOW(sethostname("x", 1));
	SHOW(setuid(0));
	return 0;
}
