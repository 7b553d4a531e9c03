/* `#!` lines: what is the interpreter, what its argument, and which lines are refused. */
#include <string.h>

#include "loader/loader.h"
#include "shim/abi/errno.h"
#include "tests/unit/unit.h"

/* As find_image() does: the file's first bytes, at most EXEC_HEAD of them, in a zeroed buffer. */
static char head[EXEC_HEAD];
static char *interp, *arg;

static int parse_bytes(const char *text, size_t len)
{
	size_t n = len < EXEC_HEAD ? len : EXEC_HEAD;

	memset(head, 0, sizeof(head));
	memcpy(head, text, n);
	interp = arg = NULL;
	return script_parse(head, n, &interp, &arg);
}

static int parse(const char *text) { return parse_bytes(text, strlen(text)); }

static void expect(const char *text, const char *want, const char *want_arg)
{
	int r = parse(text);

	ck_assert_msg(r == 0, "'%s' was refused: %d", text, r);
	ck_assert_msg(!strcmp(interp, want), "'%s': interpreter '%s'", text, interp);
	if (want_arg)
		ck_assert_msg(arg && !strcmp(arg, want_arg), "'%s': argument '%s'", text, arg ? arg : "(none)");
	else
		ck_assert_msg(!arg, "'%s': argument '%s'", text, arg);
}

START_TEST(interpreter_alone)
{
	expect("#!/bin/sh\n", "/bin/sh", NULL);
	expect("#! /bin/sh\n", "/bin/sh", NULL);
	expect("#! \t /bin/sh\nexit 0\n", "/bin/sh", NULL);
	expect("#!/bin/sh  \t\n", "/bin/sh", NULL);
	expect("#!sh\n", "sh", NULL);
	expect("#!x\n", "x", NULL);
}
END_TEST

START_TEST(one_argument)
{
	expect("#!/bin/sh -e\n", "/bin/sh", "-e");
	expect("#!/bin/sh\t-e\n", "/bin/sh", "-e");
	expect("#!  /usr/bin/env \t python3\nprint(1)\n", "/usr/bin/env", "python3");
	/* The rest of the line is one argument. */
	expect("#!/usr/bin/env -S a b\n", "/usr/bin/env", "-S a b");
	expect("#!/bin/x a \t b  \t\n", "/bin/x", "a \t b");
	expect("#!/bin/x #!/bin/y\n", "/bin/x", "#!/bin/y");
}
END_TEST

START_TEST(no_newline)
{
	expect("#!/bin/sh", "/bin/sh", NULL);
	expect("#!/bin/sh -x", "/bin/sh", "-x");
	expect("#! /bin/sh -x  ", "/bin/sh", "-x");
	expect("#!/bin/sh ", "/bin/sh", NULL);
}
END_TEST

/* Linux takes the carriage return for a part of the name. */
START_TEST(carriage_return)
{
	expect("#!/bin/sh\r\n", "/bin/sh\r", NULL);
	expect("#!/bin/sh -e\r\n", "/bin/sh", "-e\r");
}
END_TEST

START_TEST(no_interpreter)
{
	ck_assert_int_eq(parse("#!"), -ENOEXEC);
	ck_assert_int_eq(parse("#!\n"), -ENOEXEC);
	ck_assert_int_eq(parse("#!  \t \n"), -ENOEXEC);
	ck_assert_int_eq(parse("#!  "), -ENOEXEC);
	ck_assert_int_eq(parse("#!\n/bin/sh\n"), -ENOEXEC);
	ck_assert_int_eq(parse_bytes("#!\0/bin/sh\n", 11), -ENOEXEC);
}
END_TEST

START_TEST(nul_ends_the_line)
{
	ck_assert_int_eq(parse_bytes("#!/bin/sh\0 -e\n", 14), 0);
	ck_assert_str_eq(interp, "/bin/sh");
	ck_assert_ptr_eq(arg, NULL);
	ck_assert_int_eq(parse_bytes("#!/bin/sh -e\0f\n", 15), 0);
	ck_assert_str_eq(interp, "/bin/sh");
	ck_assert_str_eq(arg, "-e");
}
END_TEST

/* A file of `len` bytes: "#!/", then x up to the end, with a newline as its last byte if asked for. */
static int parse_long(size_t len, bool newline)
{
	static char text[2 * EXEC_HEAD];

	memset(text, 'x', sizeof(text));
	memcpy(text, "#!/", 3);
	if (newline)
		text[len - 1] = '\n';
	return parse_bytes(text, len);
}

/* Beyond the bytes looked at a name may go on: a piece of it must not be run. */
START_TEST(a_cut_name_is_refused)
{
	ck_assert_int_eq(parse_long(EXEC_HEAD + 40, true), -ENOEXEC);
	ck_assert_int_eq(parse_long(2 * EXEC_HEAD, false), -ENOEXEC);
	ck_assert_int_eq(parse_long(EXEC_HEAD + 1, true), -ENOEXEC);
	ck_assert_int_eq(parse_long(EXEC_HEAD, false), -ENOEXEC);
	/* The longest that is whole: its newline, or the file's end, is still seen. */
	ck_assert_int_eq(parse_long(EXEC_HEAD, true), 0);
	ck_assert_uint_eq(strlen(interp), EXEC_HEAD - 3);
	ck_assert_int_eq(parse_long(EXEC_HEAD - 1, false), 0);
	ck_assert_uint_eq(strlen(interp), EXEC_HEAD - 3);
	ck_assert_ptr_eq(arg, NULL);
}
END_TEST

/* An argument is cut silently, as by Linux. */
START_TEST(a_cut_argument_is_kept)
{
	static char text[2 * EXEC_HEAD];

	memset(text, 'a', sizeof(text));
	memcpy(text, "#!/bin/sh ", 10);
	ck_assert_int_eq(parse_bytes(text, sizeof(text)), 0);
	ck_assert_str_eq(interp, "/bin/sh");
	ck_assert_uint_eq(strlen(arg), EXEC_HEAD - 1 - 10);
	ck_assert_uint_eq(strspn(arg, "a"), strlen(arg));
	/* Nothing but blanks after the name: it is whole. */
	memset(text + 9, ' ', sizeof(text) - 9);
	ck_assert_int_eq(parse_bytes(text, sizeof(text)), 0);
	ck_assert_str_eq(interp, "/bin/sh");
	ck_assert_ptr_eq(arg, NULL);
	/* Nothing but blanks before it: it is not known. */
	memset(text + 2, ' ', sizeof(text) - 2);
	ck_assert_int_eq(parse_bytes(text, sizeof(text)), -ENOEXEC);
}
END_TEST

/* Whatever a file holds, the answers are strings within the head. */
START_TEST(random_heads)
{
	static const char alphabet[] = " \t\n\r/ab\0#!";
	uint64_t seed = 0x5eed;
	char text[EXEC_HEAD];

	for (int i = 0; i < 20000; i++) {
		size_t len = 2 + unit_random(&seed) % (EXEC_HEAD - 1);

		for (size_t k = 2; k < len; k++)
			text[k] = alphabet[unit_random(&seed) % (sizeof(alphabet) - 1)];
		memcpy(text, "#!", 2);
		int r = parse_bytes(text, len);

		ck_fast(r == 0 || r == -ENOEXEC);
		if (r)
			continue;
		ck_fast(interp >= head + 2 && *interp && !strpbrk(interp, " \t\n"));
		ck_fast(interp + strlen(interp) < head + EXEC_HEAD);
		ck_fast(!arg || (arg > interp + strlen(interp) && *arg && arg + strlen(arg) < head + EXEC_HEAD));
		ck_fast(!arg || !strchr(arg, '\n'));
	}
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *suite = unit_suite_new("script", &tc, NULL, NULL);

	tcase_add_test(tc, interpreter_alone);
	tcase_add_test(tc, one_argument);
	tcase_add_test(tc, no_newline);
	tcase_add_test(tc, carriage_return);
	tcase_add_test(tc, no_interpreter);
	tcase_add_test(tc, nul_ends_the_line);
	tcase_add_test(tc, a_cut_name_is_refused);
	tcase_add_test(tc, a_cut_argument_is_kept);
	tcase_add_test(tc, random_heads);
	return suite;
}
