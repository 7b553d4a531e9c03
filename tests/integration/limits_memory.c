/* RLIMIT_AS and RLIMIT_DATA: mmap and brk fail, nothing dies. */
#include "t.h"
#include <sys/resource.h>
int main(void)
{
	struct rlimit rl = { 300 << 20, 300 << 20 };

	SHOW(setrlimit(RLIMIT_AS, &rl));
	WORKS(mmap(NULL, 100 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	SHOW(mmap(NULL, 300 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	FACT(malloc(400 << 20) == NULL);
	void *p = malloc(1000);
	FACT(p != NULL);
	rl.rlim_cur = 1 << 20;
	SHOW(setrlimit(RLIMIT_STACK, &rl));
	rl = (struct rlimit){ 0, 0 };
	SHOW(setrlimit(RLIMIT_CORE, &rl));
	return 0;
}
