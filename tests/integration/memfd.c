/* memfd_create(2) and seals. */
#include "t.h"
int main(void)
{
	int m = memfd_create("name", MFD_ALLOW_SEALING | MFD_CLOEXEC), plain = memfd_create("", 0);
	char buf[8];
	struct stat st;

	FACT(m >= 0 && plain >= 0);
	SHOW(write(m, "0123456789", 10));
	SHOW(ftruncate(m, 8192));
	SHOW(fcntl(m, F_GET_SEALS));
	SHOW(fcntl(m, F_ADD_SEALS, F_SEAL_SHRINK));
	SHOW(ftruncate(m, 100));
	SHOW(ftruncate(m, 9000));
	SHOW(fcntl(m, F_ADD_SEALS, F_SEAL_GROW));
	SHOW(ftruncate(m, 10000));
	SHOW(pwrite(m, "x", 1, 9000));
	SHOW(pwrite(m, "x", 1, 0));
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0);
	SHOW(fcntl(m, F_ADD_SEALS, F_SEAL_WRITE));
	munmap(p, 4096);
	SHOW(fcntl(m, F_ADD_SEALS, F_SEAL_WRITE));
	SHOW(pwrite(m, "x", 1, 0));
	SHOW(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0));
	SHOW(fcntl(m, F_ADD_SEALS, F_SEAL_SEAL));
	SHOW(fcntl(m, F_ADD_SEALS, F_SEAL_SHRINK));
	SHOW(fcntl(m, F_GET_SEALS));
	SHOW(fcntl(plain, F_ADD_SEALS, F_SEAL_WRITE));
	SHOW(pread(m, buf, 3, 7));
	SHOW(fstat(m, &st));
	printf("%o %ld\n", st.st_mode, (long)st.st_nlink);
	char link[64] = "", path[64];
	sprintf(path, "/proc/self/fd/%d", m);
	SHOW(readlink(path, link, 64));
	puts(link);
	SHOW(memfd_create(NULL, 0));
	SHOW(memfd_create("x", 0x100));
	char name[300];
	memset(name, 'n', 299), name[299] = 0;
	SHOW(memfd_create(name, 0));
	return 0;
}
