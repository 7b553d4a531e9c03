/* The memory and string functions that freestanding code (and the compiler itself) needs, with their ISO C and POSIX
 * meanings. Hosted unit tests link the host's instead, so that sanitizers see them. */
#ifndef CORE_LIB_STRING_H
#define CORE_LIB_STRING_H

#include "core/types.h"

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
char *strstr(const char *hay, const char *needle);

#endif
