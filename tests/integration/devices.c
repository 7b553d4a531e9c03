/* /dev: null, zero, full, random, links. */
#include "t.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
int main(void)
{
	char buf[64] = { 1 };
	struct termios t;
	int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR), full = open("/dev/full", O_RDWR),
	    rnd = open("/dev/urandom", O_RDONLY);

	SHOW(read(null, buf, 10));
	SHOW(write(null, buf, 10));
	SHOW(write(null, BAD_PTR, 10));
	SHOW(lseek(null, 5, SEEK_SET));
	SHOW(read(zero, buf, 64));
	SHOW(buf[0]);
	SHOW(write(zero, buf, 64));
	SHOW(read(zero, BAD_PTR, 10));
	SHOW(read(full, buf, 10));
	SHOW(write(full, buf, 10));
	SHOW(read(rnd, buf, 64));
	int same = 1;
	for (int i = 1; i < 64; i++)
		same &= buf[i] == buf[0];
	SHOW(same);
	char *z = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, zero, 0);
	FACT(z != MAP_FAILED && z[100] == 0);
	z[100] = 1;
	SHOW(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, null, 0));
	SHOW(ioctl(null, TCGETS, &t));
	SHOW(isatty(null));
	struct pollfd f = { null, POLLIN | POLLOUT, 0 };
	SHOW(poll(&f, 1, 0));
	printf("%x\n", f.revents);
	SHOW(readlink("/dev/stdin", buf, 64));
	SHOW(readlink("/dev/fd", buf, 64));
	SHOW(access("/dev/shm", W_OK));
	SHOW(ftruncate(null, 10));
	SHOW(fsync(null));
	SHOW(getentropy(buf, 257));
	SHOW(syscall(SYS_getrandom, buf, 64, 0));
	SHOW(syscall(SYS_getrandom, buf, 64, 99));
	SHOW(syscall(SYS_getrandom, BAD_PTR, 64, 0));
	return 0;
}
