/* What gdb looks at: a pipe, written and read by one process. */
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int fd[2];
	char buf[16] = "";

	if (argc != 1 || !*argv || pipe(fd) || write(fd[1], "hello", 5) != 5 || read(fd[0], buf, sizeof(buf) - 1) != 5)
		return 1;
	printf("piped: %s\n", buf);
	return 0;
}
