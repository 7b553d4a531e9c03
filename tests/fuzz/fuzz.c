/* Linked into every fuzz target: the fake platform's and the tests' assertions end the process, as the fuzzer wants it. */
#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void _ck_assert_failed(const char *file, int line, const char *expr, const char *msg, ...)
{
	va_list ap;

	va_start(ap, msg);
	fprintf(stderr, "%s:%d: %s: ", file, line, expr);
	if (msg)
		vfprintf(stderr, msg, ap);
	fprintf(stderr, "\n");
	abort();
}

void _mark_point(const char *file, int line) { }
