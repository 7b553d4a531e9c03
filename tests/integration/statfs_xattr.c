/* statfs, fstatfs, extended attributes, sync. */
#include "t.h"
#include <stdbool.h>
#include <sys/statfs.h>
#include <sys/xattr.h>
/* A host's file system may have no user attributes; ours have. */
#define XFACT(cond) FACT(!have || (cond))
#define FAILS(err, call) XFACT((errno = 0, (call) == -1 && errno == (err)))

static void xattrs(int fd)
{
	static char big[65537];
	char buf[64];
	bool have = setxattr("f", "user.one", "1", 1, XATTR_CREATE) == 0;

	XFACT(getxattr("f", "user.one", NULL, 0) == 1);
	XFACT(fsetxattr(fd, "user.two", "two", 3, 0) == 0);
	XFACT(fgetxattr(fd, "user.two", buf, 64) == 3 && !memcmp(buf, "two", 3));
	XFACT(lsetxattr("f", "user.empty", "", 0, 0) == 0 && lgetxattr("f", "user.empty", buf, 64) == 0);
	XFACT(listxattr("f", NULL, 0) == 9 + 9 + 11 && flistxattr(fd, buf, 64) == 9 + 9 + 11 && memmem(buf, 29, "user.two", 9));
	FAILS(ERANGE, listxattr("f", buf, 9));
	FAILS(ERANGE, getxattr("f", "user.two", buf, 2));
	FAILS(EEXIST, setxattr("f", "user.one", "2", 1, XATTR_CREATE));
	FAILS(ENODATA, setxattr("f", "user.none", "2", 1, XATTR_REPLACE));
	FAILS(EINVAL, setxattr("f", "user.one", "2", 1, 4));
	FAILS(EINVAL, setxattr("f", "user.", "2", 1, 0));
	FAILS(ERANGE, setxattr("f", "", "2", 1, 0));
	FAILS(EOPNOTSUPP, setxattr("f", "nonsense", "2", 1, 0));
	FAILS(EOPNOTSUPP, getxattr("f", "nonsense.too", buf, 64));
	FAILS(E2BIG, setxattr("f", "user.big", big, sizeof(big), 0));
	FAILS(EFAULT, setxattr("f", "user.one", BAD_PTR, 4, 0));
	FAILS(EFAULT, setxattr("f", BAD_PTR, "2", 1, 0));
	FAILS(EFAULT, getxattr("f", "user.two", BAD_PTR, 64));
	FAILS(EFAULT, listxattr("f", BAD_PTR, 64));
	XFACT(rename("f", "g") == 0 && getxattr("g", "user.one", buf, 64) == 1 && rename("g", "f") == 0);
	XFACT(removexattr("f", "user.one") == 0 && fremovexattr(fd, "user.two") == 0 && lremovexattr("f", "user.empty") == 0);
	FAILS(ENODATA, removexattr("f", "user.one"));
	XFACT(listxattr("f", buf, 64) == 0);
	symlink("f", "l"), mkfifo("p", 0600), mkdir("d", 0755);
	XFACT(setxattr("l", "user.l", "1", 1, 0) == 0 && getxattr("f", "user.l", buf, 64) == 1);
	FAILS(EPERM, lsetxattr("l", "user.l", "1", 1, 0));
	FAILS(ENODATA, lgetxattr("l", "user.l", buf, 64));
	FAILS(EPERM, setxattr("p", "user.p", "1", 1, 0));
	XFACT(setxattr("d", "user.d", "1", 1, 0) == 0 && listxattr("d", buf, 64) == 7);
	FAILS(EBADF, fsetxattr(99, "user.x", "1", 1, 0));
	unlink("l"), unlink("p"), rmdir("d");
}

int main(void)
{
	struct statfs s;
	char buf[64];

	t_tmpdir();
	t_write("f", "x");
	int fd = open("f", O_RDONLY);
	SHOW(statfs("/", &s));
	FACT(s.f_bsize > 0 && s.f_namelen == 255);
	SHOW(statfs("/proc", &s));
	printf("%lx\n", (long)s.f_type);
	SHOW(statfs("none", &s));
	SHOW(fstatfs(fd, &s));
	SHOW(fstatfs(99, &s));
	SHOW(getxattr("f", "user.none", buf, 64) == -1);
	SHOW(getxattr("none", "user.none", buf, 64));
	SHOW(listxattr("none", buf, 64));
	xattrs(fd);
	sync();
	SHOW(syncfs(fd));
	SHOW(syncfs(99));
	unlink("f");
	t_done();
	return 0;
}
