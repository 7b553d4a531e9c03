/* /init of the Linux guest that the benchmarks compare with: mounts what a program expects, runs the command given after
 * `--` on the kernel command line's run= word (a file /run.args, one argument per line), powers off.
 *
 * Prints a line before and after on the console, so that the host can stamp them. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	static char text[65536];
	char *argv[256];
	int n = 0, status;

	mkdir("/proc", 0755), mkdir("/dev", 0755), mkdir("/sys", 0755), mkdir("/tmp", 01777);
	mount("proc", "/proc", "proc", 0, "");
	mount("dev", "/dev", "devtmpfs", 0, "");
	mount("tmp", "/tmp", "tmpfs", 0, "");
	int fd = open("/dev/ttyS0", O_RDWR);

	if (fd >= 0)
		dup2(fd, 0), dup2(fd, 1), dup2(fd, 2);
	fd = open("/run.args", O_RDONLY);
	ssize_t len = read(fd, text, sizeof(text) - 1);

	for (char *p = strtok(len > 0 ? text : (char *)"", "\n"); p && n < 255; p = strtok(NULL, "\n"))
		argv[n++] = p;
	argv[n] = NULL;
	if (!fork()) {
		int in = open("/run.stdin", O_RDONLY);

		if (in >= 0)
			dup2(in, 0);
		setenv("PATH", "/usr/bin:/bin", 1);
		execv(argv[0], argv);
		_exit(127);
	}
	wait(&status);
	printf("guest-exit %d\n", WEXITSTATUS(status));
	fflush(stdout);
	reboot(RB_AUTOBOOT);
	return 0;
}
