/* What integration programs share: every line they print must be the same on Linux and on Doppel, so values that differ by
 * nature (addresses, inode numbers, times) are reduced to facts about them before they are printed. */
#ifndef T_H
#define T_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* Prints the call's text and its result: the number, or the errno's name. */
#define SHOW(call) \
	do { \
		errno = 0; \
		long show_r = (long)(call); \
		if (show_r == -1 && errno) \
			printf("%s: %s\n", #call, strerrorname_np(errno)); \
		else \
			printf("%s = %ld\n", #call, show_r); \
	} while (0)

/* Only whether it worked: for calls whose number differs by nature. */
#define WORKS(call) \
	do { \
		errno = 0; \
		long works_r = (long)(call); \
		printf("%s: %s\n", #call, works_r == -1 && errno ? strerrorname_np(errno) : "ok"); \
	} while (0)

#define FACT(cond) printf("%s: %s\n", #cond, (cond) ? "yes" : "NO")

/* Pointers that no syscall may accept. */
#define BAD_PTR ((void *)0x10)
#define KERNEL_PTR ((void *)0xffffffff80000000ul)
#define NONCANON_PTR ((void *)0x8000000000000000ul)

/* A fresh working directory, removed by t_done() when it is empty; what natively stays tests/integration/run knows by the mark. */
static char t_dir[64];
__attribute__((unused)) static void t_tmpdir(void)
{
	const char *mark = getenv("T_MARK");

	snprintf(t_dir, sizeof(t_dir), "/tmp/doppel-t.%.20s.XXXXXX", mark ? mark : "0");
	if (!mkdtemp(t_dir) || chdir(t_dir)) {
		perror("t_tmpdir");
		exit(99);
	}
}
__attribute__((unused)) static void t_done(void)
{
	if (chdir("/") || rmdir(t_dir))
		printf("left behind: %s\n", strerrorname_np(errno));
}

__attribute__((unused)) static void t_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || close(fd))
		printf("t_write %s: %s\n", path, strerrorname_np(errno));
}

__attribute__((unused)) static void t_cat(const char *path)
{
	char buf[4096];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf));

	if (n < 0)
		printf("%s: %s\n", path, strerrorname_np(errno));
	else
		printf("%s: \"%.*s\"\n", path, (int)n, buf);
	if (fd >= 0)
		close(fd);
}

#endif
