/* Kernel messages. kprintf goes to plat_log(); messages for the user begin with "doppel: ". See plat.h for kprintf and
 * panic; this header adds what only core needs. */
#ifndef CORE_PRINTF_H
#define CORE_PRINTF_H

#include "core/types.h"

void kprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void panic(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

struct regs;
/* An exception in kernel code: panics with the registers. */
_Noreturn void panic_regs(const struct regs *r, unsigned vec, uint64_t err, uint64_t addr);

/* Kernel invariants: on in every build. */
#define kassert(cond) \
	do { \
		if (unlikely(!(cond))) \
			panic("%s:%d: assertion failed: %s", __FILE__, __LINE__, #cond); \
	} while (0)

#endif
