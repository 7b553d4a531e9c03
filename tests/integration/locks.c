/* fcntl record locks, open file description locks, flock. */
#include "t.h"
#include <sys/file.h>
static int lk(int fd, int cmd, int type, long start, long len)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
	int r = fcntl(fd, cmd, &l);

	if (r == 0 && (cmd == F_GETLK || cmd == F_OFD_GETLK))
		printf("  type %d start %ld len %ld\n", l.l_type, (long)l.l_start, (long)l.l_len);
	return r;
}
int main(void)
{
	t_tmpdir();
	int a = open("f", O_RDWR | O_CREAT, 0600), b = open("f", O_RDWR), ro = open("f", O_RDONLY);

	SHOW(lk(a, F_SETLK, F_WRLCK, 0, 100));
	SHOW(lk(b, F_SETLK, F_WRLCK, 50, 100));
	SHOW(lk(b, F_GETLK, F_WRLCK, 0, 0));
	SHOW(lk(ro, F_SETLK, F_WRLCK, 0, 1));
	SHOW(lk(ro, F_SETLK, F_RDLCK, 0, 1));
	SHOW(lk(a, F_SETLK, 77, 0, 1));
	SHOW(lk(a, F_SETLK, F_RDLCK, -5, 1));
	SHOW(fcntl(a, F_SETLK, BAD_PTR));
	SHOW(lk(a, F_SETLK, F_UNLCK, 0, 0));
	SHOW(lk(a, F_OFD_SETLK, F_WRLCK, 10, 10));
	SHOW(lk(b, F_OFD_SETLK, F_WRLCK, 15, 10));
	SHOW(lk(b, F_OFD_GETLK, F_RDLCK, 0, 0));
	SHOW(lk(b, F_OFD_SETLK, F_RDLCK, 20, 10));
	SHOW(lk(b, F_SETLK, F_WRLCK, 12, 1));
	SHOW(lk(a, F_OFD_SETLK, F_UNLCK, 0, 0));
	SHOW(lk(b, F_SETLKW, F_WRLCK, 12, 1));
	SHOW(flock(a, LOCK_EX));
	SHOW(flock(b, LOCK_EX | LOCK_NB));
	SHOW(flock(b, LOCK_SH | LOCK_NB));
	SHOW(flock(a, LOCK_SH));
	SHOW(flock(b, LOCK_SH | LOCK_NB));
	SHOW(flock(a, LOCK_EX | LOCK_NB));
	SHOW(close(b));
	SHOW(flock(a, LOCK_EX | LOCK_NB));
	SHOW(flock(a, 77));
	SHOW(flock(99, LOCK_SH));
	unlink("f");
	t_done();
	return 0;
}
