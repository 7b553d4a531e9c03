/* Protection keys: what holds with and without a CPU that has them. */
#include "t.h"

int main(void)
{
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long key;

	SHOW(syscall(SYS_pkey_alloc, 1, 0));
	SHOW(syscall(SYS_pkey_alloc, 0, 8));
	SHOW(syscall(SYS_pkey_free, 5));
	SHOW(syscall(SYS_pkey_free, -1));
	SHOW(syscall(SYS_pkey_mprotect, p, 4096, PROT_READ, -1));
	SHOW(read(open("/dev/zero", O_RDONLY), p, 1));
	SHOW(syscall(SYS_pkey_mprotect, p, 4096, PROT_READ | PROT_WRITE, -1));
	SHOW(read(open("/dev/zero", O_RDONLY), p, 1));
	SHOW(syscall(SYS_pkey_mprotect, p, 4096, PROT_READ, 7));
	SHOW(syscall(SYS_pkey_mprotect, p + 1, 4096, PROT_READ, 7));
	SHOW(syscall(SYS_pkey_mprotect, p, 0, PROT_READ, 7));
	SHOW(syscall(SYS_pkey_mprotect, (void *)0x10000, 4096, PROT_READ, -1));
	errno = 0;
	key = syscall(SYS_pkey_alloc, 0, 0);
	FACT(key > 0 || errno == ENOSPC || errno == EINVAL);
	return 0;
}
