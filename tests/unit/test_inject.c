/* inject= words: what the parser takes and refuses, and what a call then does. */
#include "tests/unit/shimtest.h"
#include "core/boot.h"
#include "shim/abi/signal.h"

static unsigned reached;

static long real(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
	reached++;
	return (long)a + 1;
}

static syscall_fn *table[SYSCALL_MAX];

/* Makes the expressions parsed so far active, with real() behind every entry. */
static void activate(void)
{
	for (int i = 0; i < SYSCALL_MAX; i++)
		table[i] = real;
	reached = 0;
	memcpy(syscall_active, inject_table(table), sizeof(syscall_active));
}

static int parse(const char *word)
{
	char text[BOOT_INJECT_MAX + 1];

	return inject_parse(strcpy(text, word));
}

static void inject(const char *word) { ck_assert_msg(parse(word) == 0, "%s was refused", word); }

START_TEST(nothing_injected_is_the_table_itself)
{
	ck_assert_ptr_eq(inject_table(table), table);
}
END_TEST

START_TEST(error_replaces_the_call)
{
	inject("1:9:1:0:0:0:0xffffffffffffffda:39");
	activate();
	ck_assert_int_eq(CALL(NR_getpid, 5), -ENOSYS);
	ck_assert(inject_was_applied());
	ck_assert(!inject_was_applied());
	ck_assert_uint_eq(reached, 0);
	ck_assert_int_eq(CALL(NR_getppid, 5), 6);
	ck_assert(!inject_was_applied());
	ck_assert_ptr_eq(syscall_active[NR_getppid], real);
}
END_TEST

START_TEST(numbers_of_all_kinds)
{
	inject("1:4294967295:1:0:0:0:18446744073709551611:0");
	inject("1:4294967295:1:0:0:0:42:1,3-5,8");
	inject("1:4294967295:1:0:0:0:0x10:17-18");
	activate();
	ck_assert_int_eq(CALL(NR_read), -5);
	ck_assert_int_eq(CALL(NR_write), 42);
	ck_assert_int_eq(CALL(NR_open), 1);
	ck_assert_int_eq(CALL(NR_close), 42);
	ck_assert_int_eq(CALL(NR_fstat), 42);
	ck_assert_int_eq(CALL(NR_lstat), 1);
	ck_assert_int_eq(CALL(NR_lseek), 42);
	ck_assert_int_eq(CALL(NR_pwrite64), 16);
}
END_TEST

START_TEST(the_last_word_holds)
{
	inject("1:9:1:0:0:0:5:0-1");
	inject("1:9:1:0:0:0:6:1");
	activate();
	ck_assert_int_eq(CALL(NR_read), 5);
	ck_assert_int_eq(CALL(NR_write), 6);
}
END_TEST

/* Calls 1 … 8: which are injected, as a string of x and dots. */
static const char *pattern(const char *when)
{
	static char out[9];
	char word[64];

	inject_reset();
	snprintf(word, sizeof(word), "%s:0:0:0:0xffffffffffffffff:39", when);
	inject(word);
	activate();
	for (int i = 0; i < 8; i++)
		out[i] = CALL(NR_getpid) == -EPERM ? 'x' : '.';
	return out;
}

START_TEST(when_picks_calls)
{
	ck_assert_str_eq(pattern("1:1:1"), "x.......");
	ck_assert_str_eq(pattern("3:3:1"), "..x.....");
	ck_assert_str_eq(pattern("3:4294967295:1"), "..xxxxxx");
	ck_assert_str_eq(pattern("2:4294967295:3"), ".x..x..x");
	ck_assert_str_eq(pattern("2:4:1"), ".xxx....");
	ck_assert_str_eq(pattern("2:6:2"), ".x.x.x..");
}
END_TEST

START_TEST(each_call_counts_for_itself)
{
	inject("2:2:1:0:0:0:0xfffffffffffffffb:0-1");
	activate();
	ck_assert_int_eq(CALL(NR_read), 1);
	ck_assert_int_eq(CALL(NR_write), 1);
	ck_assert_int_eq(CALL(NR_read), -EIO);
	ck_assert_int_eq(CALL(NR_write), -EIO);
	ck_assert_int_eq(CALL(NR_read), 1);
}
END_TEST

START_TEST(delays_take_time)
{
	uint64_t before = plat_time_mono();

	inject("1:9:1:0:1000000:0::0");
	inject("1:9:1:0:0:3000000:0xfffffffffffffffb:1");
	inject("1:9:1:0:2000000000:500::3");
	activate();
	ck_assert_int_eq(CALL(NR_read), 1);
	ck_assert_uint_eq(plat_time_mono() - before, 1000000);
	ck_assert(!inject_was_applied());
	ck_assert_int_eq(CALL(NR_write), -EIO);
	ck_assert_uint_eq(plat_time_mono() - before, 4000000);
	ck_assert_int_eq(CALL(NR_close), 1);
	ck_assert_uint_eq(plat_time_mono() - before, 2004000500ul);
}
END_TEST

START_TEST(signals_are_sent)
{
	current_thread()->sig_mask = ~0ul;
	inject("1:9:1:10:0:0::0");
	inject("1:9:1:15:0:0:3:1");
	inject("1:9:1:34:0:0::3");
	activate();
	ck_assert_int_eq(CALL(NR_read), 1);
	ck_assert_uint_eq(current_thread()->sig_pending, 1ul << (SIGUSR1 - 1));
	ck_assert_int_eq(CALL(NR_write), 3);
	ck_assert_uint_eq(current_thread()->sig_pending, 1ul << (SIGUSR1 - 1) | 1ul << (SIGTERM - 1));
	ck_assert_int_eq(CALL(NR_close), 1);
	ck_assert(current_thread()->sig_pending & 1ul << 33);
}
END_TEST

START_TEST(bad_words_are_refused)
{
	static const char *const bad[] = {
		"", ":", "read:error=EIO", "1:9:1:0:0:0", "1:9:1:0:0:0:", "1:9:1:0:0:0::", "1:9:1:0:0:0:5:", "1:9:1:0:0:0:5:x",
		"1:9:0:0:0:0::0", "x:9:1:0:0:0::0", ":9:1:0:0:0::0", "1:9:1:65:0:0::0", "1:9:1:0:0:0::-", "1:9:1:0:0:0::1-",
		"1:9:1:0:0:0::-1", "1:9:1:0:0:0::1,", "1:9:1:0:0:0::,1", "1:9:1:0:0:0::1-2-3", "1:9:1:0:0:0::512",
		"1:9:1:0:0:0::0-18446744073709551615", "1:9:1:0:0:0::99999999999999999999",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_msg(parse(bad[i]) == -EINVAL, "%s was accepted", bad[i]);
		inject_reset();
	}
}
END_TEST

START_TEST(too_many_are_refused)
{
	for (int i = 0; i < BOOT_INJECTS; i++)
		inject("1:9:1:0:0:0::0");
	ck_assert_int_eq(parse("1:9:1:0:0:0::0"), -EINVAL);
}
END_TEST

/* shim_init(): a bad word on the command line ends the machine with status 125 and says why. */
START_TEST(command_line)
{
	fake_cmdline = "inject=1:9:1:0:0:0:0xfffffffffffffffb:0 inject=1:9:1:0:0:0:9:1";
	shim_init();
	ck_assert_int_eq(CALL(NR_read, -1), -EIO);
	ck_assert_int_eq(CALL(NR_write, -1), 9);
	ck_assert_int_eq(CALL(NR_close, -1), -EBADF);
	inject_reset();
	fake_cmdline = "inject=1:9:1:0:0:0:9:1 inject=read:nonsense";
	ck_assert_exit(shim_init(), 125 << 8);
	ck_assert_ptr_nonnull(strstr(fake_log(), "doppel: command line: word 2 of inject= is none"));
	fake_cmdline = "";
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("inject", &tc, shim_setup, shim_teardown);

	tcase_add_test(tc, nothing_injected_is_the_table_itself);
	tcase_add_test(tc, error_replaces_the_call);
	tcase_add_test(tc, numbers_of_all_kinds);
	tcase_add_test(tc, the_last_word_holds);
	tcase_add_test(tc, when_picks_calls);
	tcase_add_test(tc, each_call_counts_for_itself);
	tcase_add_test(tc, delays_take_time);
	tcase_add_test(tc, signals_are_sent);
	tcase_add_test(tc, bad_words_are_refused);
	tcase_add_test(tc, too_many_are_refused);
	tcase_add_test(tc, command_line);
	return s;
}
