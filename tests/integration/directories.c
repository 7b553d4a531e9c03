/* mkdir, rmdir, getdents64, chdir, getcwd. */
#include "t.h"
#include <dirent.h>
static int by_name(const void *a, const void *b) { return strcmp(*(char **)a, *(char **)b); }
static void list(const char *path)
{
	char *names[600];
	int n = 0;
	DIR *d = opendir(path);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (asprintf(&names[n++], "%s:%d", e->d_name, e->d_type) < 0)
			return;
	qsort(names, n, sizeof(*names), by_name);
	printf("%s: %d entries:", path, n);
	for (int i = 0; i < n; i++)
		if (i < 5 || i > n - 3)
			printf(" %s", names[i]);
	printf("\n");
	if (d)
		closedir(d);
}
int main(void)
{
	char buf[4096], name[32];

	t_tmpdir();
	SHOW(mkdir("a", 0755));
	SHOW(mkdir("a", 0755));
	SHOW(mkdir("a/", 0755));
	SHOW(mkdir("b/", 0755));
	SHOW(mkdir("x/y", 0755));
	SHOW(mkdir("", 0755));
	SHOW(mkdir("/", 0755));
	SHOW(mkdir(".", 0755));
	SHOW(mkdir("a/..", 0755));
	for (int i = 0; i < 500; i++) {
		sprintf(name, "a/f%03d", i);
		t_write(name, "");
	}
	symlink("x", "a/link"), mkdir("a/sub", 0700), mkfifo("a/pipe", 0600);
	list("a");
	list("b");
	SHOW(rmdir("a"));
	SHOW(rmdir("a/f000"));
	SHOW(rmdir("none"));
	SHOW(rmdir("a/."));
	SHOW(rmdir("a/sub/.."));
	SHOW(rmdir("/"));
	SHOW(unlink("a/sub"));
	/* removing while reading must not skip or repeat */
	DIR *d = opendir("a");
	struct dirent *e;
	int removed = 0;
	while ((e = readdir(d)))
		if (e->d_name[0] == 'f')
			removed += !unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
	SHOW(removed);
	list("a");
	SHOW(chdir("a/sub"));
	getcwd(buf, sizeof(buf));
	printf("%s\n", buf + strlen(t_dir));
	SHOW(chdir("../.."));
	SHOW(chdir("none"));
	t_write("file", "");
	SHOW(chdir("file"));
	SHOW(fchdir(999));
	int fd = open("a", O_RDONLY);
	SHOW(fchdir(fd));
	getcwd(buf, sizeof(buf));
	printf("%s\n", buf + strlen(t_dir));
	SHOW(syscall(SYS_getcwd, buf, 3));
	SHOW(syscall(SYS_getdents64, fd, buf, 4));
	SHOW(syscall(SYS_getdents64, fd, BAD_PTR, 4096));
	SHOW(syscall(SYS_getdents64, 999, buf, 4096));
	SHOW(chdir(".."));
	SHOW(mkdir("gone", 0755));
	SHOW(chdir("gone"));
	SHOW(rmdir("../gone"));
	SHOW(syscall(SYS_getcwd, buf, sizeof(buf)));
	SHOW(open("x", O_CREAT | O_RDWR, 0600));
	SHOW(chdir(".."));
	SHOW(chdir(t_dir));
	unlink("a/link"), rmdir("a/sub"), unlink("a/pipe"), rmdir("a"), rmdir("b"), unlink("file");
	t_done();
	return 0;
}
