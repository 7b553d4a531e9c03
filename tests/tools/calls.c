/* Makes every system call of x86_64 once, with arguments that are no good, and prints the numbers of those that answered 77:
 * what `strace --inject SET:retval=77:when=1` takes SET to be, when another expression keeps the first call of all the others
 * from happening. Without libc, whose own calls would be the first ones. */
#include <stddef.h>

#define SYS_write      1
#define SYS_exit_group 231
#define CALLS          451

static long call(long nr, long a, long b, long c)
{
	register long d __asm__("r10") = -1;
	register long e __asm__("r8") = -1;
	register long f __asm__("r9") = -1;
	long r;

	__asm__ volatile("syscall" : "=a"(r) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(d), "r"(e), "r"(f) : "rcx", "r11", "memory");
	return r;
}

static char out[8 * CALLS];

__attribute__((used)) static void run(void)
{
	char *p = out;

	for (int nr = 0; nr < CALLS; nr++) {
		if ((nr >= 335 && nr < 424) || call(nr, -2, -1, -1) != 77)
			continue;
		if (nr >= 100)
			*p++ = (char)('0' + nr / 100);
		if (nr >= 10)
			*p++ = (char)('0' + nr / 10 % 10);
		*p++ = (char)('0' + nr % 10);
		*p++ = ' ';
	}
	*p++ = '\n';
	call(SYS_write, 1, (long)out, p - out);
	call(SYS_exit_group, 0, 0, 0);
}

__attribute__((naked)) void _start(void);
void _start(void) { __asm__("and $-16, %rsp\n\tcall run"); }
