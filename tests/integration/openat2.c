/* openat2(2): restrictions on how a path resolves. */
#include "t.h"
#include <linux/openat2.h>
static long o2(int dfd, const char *p, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	struct open_how how = { flags, mode, resolve };
	long r = syscall(SYS_openat2, dfd, p, &how, sizeof(how));

	if (r >= 0) {
		close((int)r);
		return 0;
	}
	return r;
}
int main(void)
{
	t_tmpdir();
	mkdir("d", 0755), t_write("d/f", "x"), symlink("f", "d/in"), symlink("../out", "d/up"), symlink("/etc/passwd", "d/abs");
	t_write("out", "y");
	int d = open("d", O_RDONLY);
	SHOW(o2(d, "f", O_RDONLY, 0, 0));
	SHOW(o2(d, "../out", O_RDONLY, 0, RESOLVE_BENEATH));
	SHOW(o2(d, "/etc/passwd", O_RDONLY, 0, RESOLVE_BENEATH));
	SHOW(o2(d, "in", O_RDONLY, 0, RESOLVE_BENEATH));
	SHOW(o2(d, "up", O_RDONLY, 0, RESOLVE_BENEATH));
	SHOW(o2(d, "up", O_RDONLY, 0, 0));
	SHOW(o2(d, "in", O_RDONLY, 0, RESOLVE_NO_SYMLINKS));
	SHOW(o2(d, "abs", O_RDONLY, 0, RESOLVE_IN_ROOT));
	SHOW(o2(d, "../../f", O_RDONLY, 0, RESOLVE_IN_ROOT));
	SHOW(o2(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS));
	SHOW(o2(AT_FDCWD, "/proc/version", O_RDONLY, 0, RESOLVE_NO_XDEV));
	SHOW(o2(d, "f", O_RDONLY, 0, 0x1000));
	SHOW(o2(d, "f", O_RDONLY, 0600, 0));
	SHOW(o2(d, "new", O_RDWR | O_CREAT, 0600, RESOLVE_BENEATH));
	SHOW(o2(d, "f", 1ull << 40, 0, 0));
	SHOW(syscall(SYS_openat2, d, "f", BAD_PTR, 24));
	struct open_how how = { 0 };
	SHOW(syscall(SYS_openat2, d, "f", &how, 8));
	unlink("d/f"), unlink("d/in"), unlink("d/up"), unlink("d/abs"), unlink("d/new"), rmdir("d"), unlink("out");
	t_done();
	return 0;
}
