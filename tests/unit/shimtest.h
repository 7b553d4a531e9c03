/* What the tests of the shim share: an entry frame, application memory, and calls through the active table. */
#ifndef TESTS_UNIT_SHIMTEST_H
#define TESTS_UNIT_SHIMTEST_H

#include "tests/unit/fstest.h"
#include "core/main.h"
#include "shim/shim.h"

#define U      0x100000ul   /* application memory: U_SIZE bytes from here, and nothing around it */
#define U_SIZE 0x10000ul
#define NOWHERE 0x50000000ul

static char *u_mem; /* the host's view of U */
static struct cred *cred_before; /* the program's identity, which tests may replace */

static inline uptr_t u_off(size_t off) { return U + off; }

/* A string in application memory at U + off. */
static inline uptr_t u_str(size_t off, const char *s)
{
	strcpy(u_mem + off, s);
	return U + off;
}

static inline uptr_t u_put(size_t off, const void *p, size_t n)
{
	memcpy(u_mem + off, p, n);
	return U + off;
}

/* The current thread gets a kernel stack for its entry frame; a root file system is mounted. */
static inline void shim_setup(void)
{
	static uint64_t stack[KSTACK_SIZE / 8] __attribute__((aligned(4096)));

	fs_setup();
	stack[0] = KSTACK_CANARY;
	current_thread()->kstack = (char *)stack;
	memset(thread_regs(current_thread()), 0, sizeof(struct regs));
	u_mem = fake_user_map(U, U_SIZE);
	cred_before = cred_get(current_proc()->cred);
	memcpy(syscall_active, syscall_table, sizeof(syscall_active));
	inject_reset();
	current_thread()->sig_mask = current_thread()->sig_pending = current_proc()->sig_pending = 0;
	current_proc()->rlimits[RLIMIT_NOFILE] = (struct rlimit){ 64, 128 };
}

static inline void shim_teardown(void)
{
	fd_close_range(0, ~0u, 0);
	cred_put(current_proc()->cred);
	current_proc()->cred = cred_before;
	current_thread()->kstack = NULL;
	memcpy(syscall_active, syscall_table, sizeof(syscall_active));
	inject_reset();
	fs_teardown();
}

/* A system call as the entry code makes it. */
static inline long call6(unsigned nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
	struct regs *r = thread_regs(current_thread());

	r->orig_rax = nr;
	r->rip = 0x401002;
	if (nr >= SYSCALL_MAX)
		return syscall_unknown(a, b, c, d, e, f);
	return syscall_active[nr](a, b, c, d, e, f);
}

#define CALL(nr, ...) CALL_(nr, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define CALL_(nr, a, b, c, d, e, f, ...) \
	call6(nr, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), (uint64_t)(e), (uint64_t)(f))

#endif
