/* Small helpers of our own beside the C library's names. */
#ifndef CORE_LIB_UTIL_H
#define CORE_LIB_UTIL_H

#include "core/types.h"

/* Formats into buf (size bytes, always terminated when size > 0); returns the length the whole text has.
 * Knows %d %i %u %x %X %o %c %s %p %% with flags - 0 + # space, width, precision, *, and h hh l ll z t j. */
int kvsnprintf(char *buf, size_t size, const char *fmt, va_list ap);
int ksnprintf(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Copies src with its NUL into dst (size bytes). 0, or -ENAMETOOLONG when it does not fit (dst is then cut, terminated). */
int str_copy(char *dst, const char *src, size_t size);

/* Parses a decimal or 0x… number: true and *out when all of s is one. */
bool str_to_u64(const char *s, uint64_t *out);

/* A string hash for tables (FNV-1a, 64 bits). */
uint64_t hash_bytes(const void *p, size_t n);

#endif
