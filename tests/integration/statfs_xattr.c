/* statfs, fstatfs, extended attributes that are not there, sync. */
#include "t.h"
#include <sys/statfs.h>
#include <sys/xattr.h>
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
	sync();
	SHOW(syncfs(fd));
	SHOW(syncfs(99));
	unlink("f");
	t_done();
	return 0;
}
