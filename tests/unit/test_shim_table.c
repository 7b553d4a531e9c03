/* The system call table: complete, true to the host's numbers; calls without handler are told once and counted. */
#include "tests/unit/shimtest.h"

/* Linux's own list, as the host's headers have it; the table is Linux 6.1's, what newer headers add is not in it. */
static FILE *host_list(void)
{
	FILE *f = fopen("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "r");

	return f ? f : fopen("/usr/include/asm/unistd_64.h", "r");
}

START_TEST(numbers_are_the_hosts)
{
	FILE *f = host_list();
	char line[256], name[128];
	unsigned nr, seen = 0;

	ck_assert_msg(f != NULL, "asm/unistd_64.h is missing (linux-libc-dev)");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "#define __NR_%127s %u", name, &nr) != 2 || nr > 450 || nr == 335)
			continue;
		ck_assert_msg(syscall_name(nr) != NULL, "%s (%u) is missing", name, nr);
		ck_assert_str_eq(syscall_name(nr), name);
		seen++;
	}
	fclose(f);
	ck_assert_uint_eq(seen, 362);
}
END_TEST

START_TEST(every_entry_is_callable)
{
	unsigned named = 0;

	for (unsigned i = 0; i < SYSCALL_MAX; i++) {
		ck_assert_msg(syscall_table[i] != NULL, "no entry %u", i);
		named += syscall_name(i) != NULL;
		if (!syscall_name(i))
			ck_assert_ptr_eq(syscall_table[i], syscall_unknown);
	}
	ck_assert_uint_eq(named, 362);
}
END_TEST

/* A number that appears twice would overwrite the first line's entry, which the compiler accepts. */
START_TEST(each_number_once)
{
	static const unsigned numbers[] = {
#define SYSCALL(nr, name, status, flags, n, args, missing) nr,
#include "shim/syscalls.def"
#undef SYSCALL
	};

	for (size_t i = 1; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		ck_assert_uint_lt(numbers[i - 1], numbers[i]);
}
END_TEST

START_TEST(every_partial_says_what_is_missing)
{
	static const struct {
		const char *name, *status, *missing;
	} lines[] = {
#define SYSCALL(nr, name, status, flags, n, args, missing) { #name, #status, missing },
#include "shim/syscalls.def"
#undef SYSCALL
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (!strcmp(lines[i].status, "FULL"))
			ck_assert_msg(!*lines[i].missing, "%s is FULL, yet misses something", lines[i].name);
		if (!strcmp(lines[i].status, "PARTIAL") || !strcmp(lines[i].status, "STUB"))
			ck_assert_msg(*lines[i].missing, "%s does not say what is missing", lines[i].name);
	}
}
END_TEST

START_TEST(names_are_found)
{
	ck_assert_str_eq(syscall_name(257), "openat");
	ck_assert_str_eq(syscall_name(0), "read");
	ck_assert_ptr_null(syscall_name(400));
	ck_assert_ptr_null(syscall_name(SYSCALL_MAX));
	ck_assert_uint_eq(syscall_flags(NR_openat), 0);
	ck_assert_uint_eq(syscall_flags(NR_exit), X_NORETURN);
}
END_TEST

static unsigned occurrences(const char *text)
{
	unsigned n = 0;

	for (const char *p = fake_log(); (p = strstr(p, text)); p++)
		n++;
	return n;
}

START_TEST(unknown_is_told_once_and_counted)
{
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(CALL(NR_keyctl), -ENOSYS);
	ck_assert_uint_eq(occurrences("doppel: syscall keyctl not implemented (pc 0x401000)\n"), 1);
	ck_assert_int_eq(CALL(400), -ENOSYS);
	ck_assert_uint_eq(occurrences("doppel: syscall number 400 not implemented"), 1);
	ck_assert_int_eq(CALL(1u << 20), -ENOSYS);
	ck_assert_uint_eq(occurrences("doppel: syscall number 1048576 not implemented"), 1);
	ck_assert_int_eq(CALL(NR_rseq), -ENOSYS);
	ck_assert_int_eq(CALL(NR_clone3), -ENOSYS);
	ck_assert_int_eq(CALL(NR_get_mempolicy), -ENOSYS);
	ck_assert_uint_eq(occurrences("rseq"), 0);
	ck_assert_uint_eq(occurrences("get_mempolicy"), 0);
	shim_report(0);
	ck_assert_uint_eq(occurrences("doppel: 3 calls of keyctl answered ENOSYS\n"), 1);
	ck_assert_uint_eq(occurrences("doppel: 1 call of number 400 answered ENOSYS\n"), 1);
	ck_assert_uint_eq(occurrences("doppel: 1 call of number 512 and above answered ENOSYS\n"), 1);
	ck_assert_uint_eq(occurrences("clone3"), 0);
}
END_TEST

START_TEST(errors_have_names)
{
	ck_assert_str_eq(errno_name(ENOENT), "ENOENT");
	ck_assert_str_eq(errno_text(ENOENT), "No such file or directory");
	ck_assert_ptr_null(errno_name(0));
	ck_assert_ptr_null(errno_name(41));
	ck_assert_ptr_null(errno_name(134));
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("shim_table", &tc, shim_setup, shim_teardown);

	tcase_add_test(tc, numbers_are_the_hosts);
	tcase_add_test(tc, every_entry_is_callable);
	tcase_add_test(tc, each_number_once);
	tcase_add_test(tc, every_partial_says_what_is_missing);
	tcase_add_test(tc, names_are_found);
	tcase_add_test(tc, unknown_is_told_once_and_counted);
	tcase_add_test(tc, errors_have_names);
	return s;
}
