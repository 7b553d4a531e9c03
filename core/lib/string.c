/* Memory and string functions with their ISO C and POSIX meanings.
 *
 * The compiler itself calls memcpy, memmove, memset and memcmp. No FPU registers: copies move 64-bit words, unaligned
 * where they must be, four at a time, and use `rep movsb`/`rep stosb` only for long ones where copy_fsrm says that the
 * hardware does them well (an emulator does not: docs/ARCHITECTURE.md). A block's loads come before its stores, and the
 * odd end is loaded before the loop, so the same code serves memmove.
 *
 * Hosted unit tests use the host's functions, so that sanitizers see the accesses, and test these under other names. */
#pragma GCC optimize("no-tree-loop-distribute-patterns") /* or the compiler turns these loops into calls of themselves */

#include "core/lib/string.h"
#include "core/main.h"

typedef uint64_t word64 __attribute__((aligned(1), may_alias));
typedef uint32_t word32 __attribute__((aligned(1), may_alias));
typedef uint16_t word16 __attribute__((aligned(1), may_alias));

#define BLOCK 32   /* bytes the loops move at a time */
#define REP_MIN 256 /* shorter ones do not pay for the start-up of a string instruction */

struct block {
	uint64_t a, b, c, d;
};

static inline struct block block_load(const char *s)
{
	const word64 *w = (const word64 *)s;

	return (struct block){ w[0], w[1], w[2], w[3] };
}

static inline void block_store(char *d, struct block b)
{
	word64 *w = (word64 *)d;

	w[0] = b.a;
	w[1] = b.b;
	w[2] = b.c;
	w[3] = b.d;
}

/* Up to BLOCK bytes, overlapping or not: two accesses of one size meet or overlap in the middle. */
static inline void copy_short(char *d, const char *s, size_t n)
{
	if (n >= 16) {
		uint64_t a = *(const word64 *)s, b = *(const word64 *)(s + 8);
		uint64_t y = *(const word64 *)(s + n - 16), z = *(const word64 *)(s + n - 8);

		*(word64 *)d = a;
		*(word64 *)(d + 8) = b;
		*(word64 *)(d + n - 16) = y;
		*(word64 *)(d + n - 8) = z;
	} else if (n >= 8) {
		uint64_t a = *(const word64 *)s, z = *(const word64 *)(s + n - 8);

		*(word64 *)d = a;
		*(word64 *)(d + n - 8) = z;
	} else if (n >= 4) {
		uint32_t a = *(const word32 *)s, z = *(const word32 *)(s + n - 4);

		*(word32 *)d = a;
		*(word32 *)(d + n - 4) = z;
	} else if (n >= 2) {
		uint16_t a = *(const word16 *)s, z = *(const word16 *)(s + n - 2);

		*(word16 *)d = a;
		*(word16 *)(d + n - 2) = z;
	} else if (n) {
		*d = *s;
	}
}

/* Lowest address first: right when dst is below src or they do not overlap. n > BLOCK. */
static inline void copy_up(char *d, const char *s, size_t n)
{
	char *end = d + n - BLOCK;
	struct block tail = block_load(s + n - BLOCK);

	for (; end - d >= 2 * BLOCK; d += 2 * BLOCK, s += 2 * BLOCK) {
		block_store(d, block_load(s));
		block_store(d + BLOCK, block_load(s + BLOCK));
	}
	for (; d < end; d += BLOCK, s += BLOCK)
		block_store(d, block_load(s));
	block_store(end, tail);
}

/* Highest address first: right when dst is above src. n > BLOCK. */
static void copy_down(char *d, const char *s, size_t n)
{
	struct block head = block_load(s);

	for (; n > BLOCK; n -= BLOCK)
		block_store(d + n - BLOCK, block_load(s + n - BLOCK));
	block_store(d, head);
}

void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
	void *d = dst;

	if (n <= BLOCK)
		copy_short(dst, src, n);
	else if (n >= REP_MIN && copy_fsrm)
		__asm__ volatile("rep movsb" : "+D"(d), "+S"(src), "+c"(n) : : "memory");
	else
		copy_up(dst, src, n);
	return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
	size_t ahead = (uintptr_t)dst - (uintptr_t)src; /* wraps when dst is below */

	if (n <= BLOCK)
		copy_short(dst, src, n);
	else if (ahead < n)
		copy_down(dst, src, n);
	else
		copy_up(dst, src, n);
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	char *d = dst, *end = d + n;
	uint64_t w = 0x0101010101010101ul * (unsigned char)c;

	if (n >= BLOCK) {
		struct block b = { w, w, w, w };

		if (n >= REP_MIN && copy_fsrm) {
			__asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
			return dst;
		}
		for (; end - d >= 2 * BLOCK; d += 2 * BLOCK) {
			block_store(d, b);
			block_store(d + BLOCK, b);
		}
		if (end - d >= BLOCK)
			block_store(d, b);
		block_store(end - BLOCK, b);
	} else if (n >= 8) {
		for (; d < end - 8; d += 8)
			*(word64 *)d = w;
		*(word64 *)(end - 8) = w;
	} else {
		while (d < end)
			*d++ = (char)c;
	}
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *p = a, *q = b;

	for (; n >= 8; p += 8, q += 8, n -= 8) {
		uint64_t x = *(const word64 *)p, y = *(const word64 *)q;

		if (x != y) /* big-endian order is the order of bytes in memory */
			return __builtin_bswap64(x) < __builtin_bswap64(y) ? -1 : 1;
	}
	for (; n; p++, q++, n--) {
		if (*p != *q)
			return *p - *q;
	}
	return 0;
}

void *memchr(const void *s, int c, size_t n)
{
	for (const unsigned char *p = s; n; p++, n--) {
		if (*p == (unsigned char)c)
			return (void *)p;
	}
	return NULL;
}

size_t strlen(const char *s)
{
	const char *p = s;

	while (*p)
		p++;
	return (size_t)(p - s);
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n])
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	for (; *a && *a == *b; a++, b++)
		;
	return (unsigned char)*a - (unsigned char)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n && *a && *a == *b; a++, b++, n--)
		;
	return n ? (unsigned char)*a - (unsigned char)*b : 0;
}

char *strchr(const char *s, int c)
{
	for (; *s != (char)c; s++) {
		if (!*s)
			return NULL;
	}
	return (char *)s;
}

char *strrchr(const char *s, int c)
{
	const char *last = NULL;

	for (;; s++) {
		if (*s == (char)c)
			last = s;
		if (!*s)
			return (char *)last;
	}
}

char *strstr(const char *hay, const char *needle)
{
	size_t n = strlen(needle);

	for (;; hay++) {
		if (strncmp(hay, needle, n) == 0)
			return (char *)hay;
		if (!*hay)
			return NULL;
	}
}

/* gcc calls this for __builtin_popcountl() where the instruction may be missing. */
int __popcountdi2(uint64_t x);
int __popcountdi2(uint64_t x)
{
	x -= x >> 1 & 0x5555555555555555ul;
	x = (x & 0x3333333333333333ul) + (x >> 2 & 0x3333333333333333ul);
	x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0ful;
	return (int)(x * 0x0101010101010101ul >> 56);
}
