/* What does not exist says so, and large numbers do no harm. */
#include "t.h"
int main(void)
{
	SHOW(syscall(9999));
	SHOW(syscall(-1));
	SHOW(syscall(512));
	SHOW(syscall(1l << 40));
	SHOW(syscall(INT64_MAX));
	SHOW(syscall(SYS_tuxcall));
	SHOW(syscall(SYS_arch_prctl, 0x9999, 0));
	SHOW(syscall(SYS_arch_prctl, 0x1002, 1ul << 63));
	return 0;
}
