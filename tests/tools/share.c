/* What a program does with the files of a -v directory: `share DIR` works in DIR and prints what it sees, the same natively
 * and on our bodies. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* A call's result, or the error's name. */
#define SHOW(call) \
	do { \
		errno = 0; \
		long _r = (long)(call); \
		printf("%s = %ld %s\n", #call, _r, _r < 0 ? strerrorname_np(errno) : ""); \
	} while (0)

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	if (f)
		fputs(text, f), fclose(f);
}

static void show(const char *path)
{
	char text[64] = "";
	FILE *f = fopen(path, "r");

	printf("%s: %s\n", path, !f ? strerrorname_np(errno) : fgets(text, sizeof(text), f) ? text : "empty");
	if (f)
		fclose(f);
}

static void exchange(void)
{
	mkdir("d", 0755), mkdir("d/e", 0755);
	put("a", "A"), put("d/b", "B"), put("d/e/deep", "deep");
	SHOW(renameat2(AT_FDCWD, "a", AT_FDCWD, "d/b", RENAME_EXCHANGE));
	show("a"), show("d/b");
	SHOW(renameat2(AT_FDCWD, "a", AT_FDCWD, "d/e", RENAME_EXCHANGE));
	show("a/deep"), show("d/e");
	SHOW(renameat2(AT_FDCWD, "a", AT_FDCWD, "none", RENAME_EXCHANGE));
	SHOW(renameat2(AT_FDCWD, "d", AT_FDCWD, "d/b", RENAME_EXCHANGE));
	SHOW(renameat2(AT_FDCWD, "d/b", AT_FDCWD, "d/e", RENAME_NOREPLACE));
	int fd = open("d/b", O_RDWR);
	SHOW(renameat2(AT_FDCWD, "d/b", AT_FDCWD, "d/e", RENAME_EXCHANGE));
	SHOW(pwrite(fd, "open", 4, 0));
	close(fd);
	show("d/b"), show("d/e");
}

static void nameless(void)
{
	struct stat st;
	char buf[8];
	int fd = open("d", O_RDWR | O_TMPFILE | O_EXCL, 0600);

	SHOW(write(fd, "secret", 6));
	SHOW(pread(fd, buf, 8, 0));
	SHOW(ftruncate(fd, 3));
	SHOW(fstat(fd, &st));
	printf("nlink %ld size %ld mode %o\n", (long)st.st_nlink, (long)st.st_size, st.st_mode);
	char link[64];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	SHOW(linkat(AT_FDCWD, link, AT_FDCWD, "linked", AT_SYMLINK_FOLLOW));
	close(fd);
}

/* Where the host's file system has extended attributes, ours are its. */
static void attributes(void)
{
	char big[3000], buf[4000];

	memset(big, 'x', sizeof(big));
	put("x", "X");
	if (setxattr("x", "user.a", "one", 3, 0) && errno == EOPNOTSUPP)
		return;
	SHOW(setxattr("x", "user.a", "uno!", 4, XATTR_REPLACE));
	SHOW(setxattr("x", "user.a", "1", 1, XATTR_CREATE));
	SHOW(setxattr("d", "user.big", big, sizeof(big), 0));
	SHOW(getxattr("d", "user.big", buf, sizeof(buf)));
	printf("%d\n", memcmp(big, buf, sizeof(big)));
	SHOW(getxattr("x", "user.a", buf, 2));
	SHOW(getxattr("x", "user.none", buf, 2));
	SHOW(listxattr("x", buf, sizeof(buf)));
	int fd = open("x", O_RDONLY);
	SHOW(fsetxattr(fd, "user.b", "b", 1, 0));
	SHOW(flistxattr(fd, buf, sizeof(buf)));
	SHOW(fremovexattr(fd, "user.b"));
	SHOW(removexattr("x", "user.b"));
	close(fd);
}

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static void list(const char *path)
{
	struct dirent **e;
	int n = scandir(path, &e, NULL, by_name);

	printf("%s:", path);
	for (int i = 0; i < n; i++)
		printf(" %s", e[i]->d_name);
	puts("");
}

int main(int argc, char **argv)
{
	if (argc != 2 || chdir(argv[1])) {
		perror("share");
		return 99;
	}
	exchange();
	nameless();
	attributes();
	list("."), list("d"), list("a");
	return 0;
}
