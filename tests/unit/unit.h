/* Included by every unit test: Check, the fake platform and a few assertions of our own. */
#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H

#include <check.h>
#include <stdlib.h>

#include "tests/unit/fakeplat.h"

/* Each test file defines this; unit_main.c runs it. */
Suite *unit_suite(void);

/* A suite of one test case with fixtures. setup may be NULL. */
Suite *unit_suite_new(const char *name, TCase **tc, void (*setup)(void), void (*teardown)(void));

/* As ck_assert(), for loops: Check notes the place of every assertion in a file, this one only that of a failure. */
#define ck_fast(cond) do { \
	if (!(cond)) \
		ck_abort_msg("'%s' failed", #cond); \
} while (0)

/* stmt must panic with a message that contains text. */
#define ck_assert_panic(stmt, text) do { \
	fake_catching = true; \
	if (setjmp(fake_catch_env) == 0) { \
		stmt; \
		fake_catching = false; \
		ck_abort_msg("no panic: %s", #stmt); \
	} \
	fake_catching = false; \
	ck_assert_msg(strstr(fake_log(), (text)) != NULL, "panic said: %s", fake_log()); \
} while (0)

/* stmt must end the machine with this wait status. */
#define ck_assert_exit(stmt, status) do { \
	fake_catching = true; \
	if (setjmp(fake_catch_env) == 0) { \
		stmt; \
		fake_catching = false; \
		ck_abort_msg("no exit: %s", #stmt); \
	} \
	fake_catching = false; \
	ck_assert_int_eq(fake_exit_status, (status)); \
} while (0)

/* stmt must end the machine as boot_refuse() does, with a line that contains text. */
#define ck_assert_refusal(stmt, text) do { \
	ck_assert_exit(stmt, 125 << 8); \
	ck_assert_msg(strstr(fake_log(), (text)) != NULL, "it said: %s", fake_log()); \
} while (0)

/* Under Valgrind, some thirty times as slow (tests/unit/run sets UNIT_SLOW): long repetitions are cut to an eighth there, as
 * the other two runs do them in full. */
static inline bool unit_slow(void) { return getenv("UNIT_SLOW") != NULL; }
static inline unsigned unit_rounds(unsigned n) { return unit_slow() ? n / 8 + 1 : n; }

/* Small deterministic generator for random tests. */
static inline uint32_t unit_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)(*state >> 16);
}

#endif
