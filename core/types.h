/* Basic types and helpers used by every file of the kernel. Freestanding: only the compiler's own headers. */
#ifndef CORE_TYPES_H
#define CORE_TYPES_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t paddr_t; /* physical address (guest physical; on linuxu an offset into the RAM memfd) */
typedef uint64_t vaddr_t; /* application virtual address */
typedef uint64_t uptr_t;  /* a pointer that the application passed: an address, never dereferenced */

#define PAGE_SHIFT 12
#define PAGE_SIZE  (1ul << PAGE_SHIFT)
#define PAGE_MASK  (PAGE_SIZE - 1)

/* Application addresses: USER_MIN … USER_MAX-1 on both platforms (docs/ARCHITECTURE.md). */
#define USER_MIN 0x10000ul
#define USER_MAX 0x400000000000ul

#define NSEC_PER_SEC  1000000000ul
#define NSEC_PER_MSEC 1000000ul
#define NSEC_PER_USEC 1000ul
#define TIME_NEVER    UINT64_MAX /* a deadline (ns, monotonic) that never comes */

#define ARRAY_SIZE(a)    (sizeof(a) / sizeof((a)[0]))
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a)-1))
#define ALIGN_UP(x, a)   ALIGN_DOWN((x) + ((a)-1), a)
#define MIN_(a, b, x, y) ({ __typeof__(a) x = (a); __typeof__(b) y = (b); x < y ? x : y; })
#define MAX_(a, b, x, y) ({ __typeof__(a) x = (a); __typeof__(b) y = (b); x > y ? x : y; })
#define UNIQUE__(p, n)   p##n
#define UNIQUE_(p, n)    UNIQUE__(p, n)
#define MIN(a, b)        MIN_(a, b, UNIQUE_(min_a_, __COUNTER__), UNIQUE_(min_b_, __COUNTER__)) /* may be nested */
#define MAX(a, b)        MAX_(a, b, UNIQUE_(max_a_, __COUNTER__), UNIQUE_(max_b_, __COUNTER__))
#define container_of(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))
#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#endif
