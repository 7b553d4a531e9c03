/* futex(2) from one thread: mismatches, time-outs, wakes, errors. */
#include "t.h"
#include <linux/futex.h>
#include <time.h>
static long futex(void *p, int op, uint32_t v, void *t, void *p2, uint32_t v3) { return syscall(SYS_futex, p, op, v, t, p2, v3); }
int main(void)
{
	uint32_t w = 5, w2 = 6;
	struct timespec ts = { 0, 10000000 }, bad = { 0, -1 };

	SHOW(futex(&w, FUTEX_WAIT, 4, NULL, NULL, 0));
	SHOW(futex(&w, FUTEX_WAIT, 5, &ts, NULL, 0));
	SHOW(futex(&w, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 5, &ts, NULL, 0));
	SHOW(futex(&w, FUTEX_WAIT, 5, &bad, NULL, 0));
	SHOW(futex(&w, FUTEX_WAKE, 1, NULL, NULL, 0));
	SHOW(futex((char *)&w + 1, FUTEX_WAKE, 1, NULL, NULL, 0));
	SHOW(futex(BAD_PTR, FUTEX_WAIT, 5, &ts, NULL, 0));
	SHOW(futex(KERNEL_PTR, FUTEX_WAIT, 5, &ts, NULL, 0));
	clock_gettime(CLOCK_MONOTONIC, &ts);
	SHOW(futex(&w, FUTEX_WAIT_BITSET, 5, &ts, NULL, ~0u));
	SHOW(futex(&w, FUTEX_WAIT_BITSET, 5, &ts, NULL, 0));
	clock_gettime(CLOCK_REALTIME, &ts);
	SHOW(futex(&w, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 5, &ts, NULL, 1));
	SHOW(futex(&w, FUTEX_CMP_REQUEUE, 1, (void *)1, &w2, 4));
	SHOW(futex(&w, FUTEX_CMP_REQUEUE, 1, (void *)1, &w2, 5));
	SHOW(futex(&w, FUTEX_REQUEUE, 1, (void *)1, &w2, 0));
	SHOW(futex(&w, FUTEX_WAKE_OP, 1, (void *)1, &w2, FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 6)));
	SHOW(w2);
	SHOW(futex(&w, 77, 1, NULL, NULL, 0));
	uint32_t pi = 0;
	SHOW(futex(&pi, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	FACT(pi == (uint32_t)getpid());
	SHOW(futex(&pi, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	SHOW(futex(&pi, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	SHOW(pi);
	SHOW(futex(&pi, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	return 0;
}
