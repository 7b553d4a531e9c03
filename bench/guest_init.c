/* /init of the Linux guest that the benchmarks compare with: mounts what a program expects, runs the commands of
 * /run.list one after the other, resets the machine (QEMU ends there with -no-reboot).
 *
 * /run.list: an argument a line, an empty line ends a command. Each command is framed on the console by `guest-begin N`
 * and `guest-end N STATUS`, so that the host can stamp it with its own clocks. */
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

#define MAX_ARGS 63

static char text[65536];

static void setup(void)
{
	mkdir("/proc", 0755), mkdir("/dev", 0755), mkdir("/sys", 0755), mkdir("/tmp", 01777);
	mount("proc", "/proc", "proc", 0, "");
	mount("dev", "/dev", "devtmpfs", 0, "");
	mount("tmp", "/tmp", "tmpfs", 0, "");
	int tty = open("/dev/ttyS0", O_RDWR);

	if (tty >= 0)
		dup2(tty, 0), dup2(tty, 1), dup2(tty, 2);
	setenv("PATH", "/usr/bin:/bin", 1);
	setenv("LC_ALL", "C", 1);
	setenv("HOME", "/", 1);
}

static int run(char **argv)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		execv(argv[0], argv);
		perror(argv[0]);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 126;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Takes the next command off *at; its number of arguments, 0 at the end. */
static int next_command(char **at, char **argv)
{
	int n = 0;

	while (**at == '\n')
		++*at;
	while (**at && **at != '\n') {
		char *line = *at, *end = strchrnul(line, '\n');

		*at = *end ? end + 1 : end;
		*end = 0;
		if (n < MAX_ARGS)
			argv[n++] = line;
	}
	argv[n] = NULL;
	return n;
}

int main(void)
{
	char *argv[MAX_ARGS + 1], *at = text;

	setup();
	int fd = open("/run.list", O_RDONLY);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		printf("guest: /run.list cannot be read\n");
	for (int i = 0; next_command(&at, argv); i++) {
		printf("guest-begin %d\n", i);
		fflush(stdout);
		printf("guest-end %d %d\n", i, run(argv));
		fflush(stdout);
	}
	reboot(RB_AUTOBOOT);
	return 1;
}
