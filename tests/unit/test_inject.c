/* --inject: what the parser takes and refuses, and what a call then does. */
#include "tests/unit/shimtest.h"
#include "shim/abi/signal.h"

static char err[128];
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

static void inject(const char *expr)
{
	ck_assert_msg(inject_parse(expr, err, sizeof(err)) == 0, "%s: %s", expr, err);
}

static void refused(const char *expr, const char *why)
{
	err[0] = 0;
	ck_assert_msg(inject_parse(expr, err, sizeof(err)) == -EINVAL, "%s was accepted", expr);
	ck_assert_msg(strstr(err, why) != NULL, "%s: %s", expr, err);
}

START_TEST(nothing_injected_is_the_table_itself)
{
	ck_assert_ptr_eq(inject_table(table), table);
}
END_TEST

START_TEST(error_replaces_the_call)
{
	inject("getpid:error=ENOSYS");
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

START_TEST(values_of_all_kinds)
{
	inject("inject=read:error=5");
	inject("write:retval=42");
	inject("close:retval=-7");
	inject("lseek:retval=0x10");
	activate();
	ck_assert_int_eq(CALL(NR_read), -5);
	ck_assert_int_eq(CALL(NR_write), 42);
	ck_assert_int_eq(CALL(NR_close), -7);
	ck_assert_int_eq(CALL(NR_lseek), 16);
}
END_TEST

START_TEST(the_last_expression_holds)
{
	inject("read,write:error=EIO");
	inject("write:error=ENOSPC");
	activate();
	ck_assert_int_eq(CALL(NR_read), -EIO);
	ck_assert_int_eq(CALL(NR_write), -ENOSPC);
}
END_TEST

/* Calls 1 … 8: which are injected, as a string of x and dots. */
static const char *pattern(const char *when)
{
	static char out[9];
	char expr[64];

	inject_reset();
	snprintf(expr, sizeof(expr), "getpid:error=EPERM:when=%s", when);
	inject(expr);
	activate();
	for (int i = 0; i < 8; i++)
		out[i] = CALL(NR_getpid) == -EPERM ? 'x' : '.';
	return out;
}

START_TEST(when_picks_calls)
{
	ck_assert_str_eq(pattern("1"), "x.......");
	ck_assert_str_eq(pattern("3"), "..x.....");
	ck_assert_str_eq(pattern("3+"), "..xxxxxx");
	ck_assert_str_eq(pattern("2+3"), ".x..x..x");
	ck_assert_str_eq(pattern("2..4"), ".xxx....");
	ck_assert_str_eq(pattern("2..6+2"), ".x.x.x..");
	ck_assert_str_eq(pattern("2..5+"), ".xxxx...");
}
END_TEST

START_TEST(each_call_counts_for_itself)
{
	inject("read,write:error=EIO:when=2");
	activate();
	ck_assert_int_eq(CALL(NR_read), 1);
	ck_assert_int_eq(CALL(NR_write), 1);
	ck_assert_int_eq(CALL(NR_read), -EIO);
	ck_assert_int_eq(CALL(NR_write), -EIO);
	ck_assert_int_eq(CALL(NR_read), 1);
}
END_TEST

START_TEST(sets)
{
	static const struct {
		const char *set;
		unsigned in, out;
	} cases[] = {
		{ "%file", NR_openat, NR_read }, { "%desc", NR_read, NR_getpid }, { "%memory", NR_mmap, NR_open },
		{ "%process", NR_exit, NR_read }, { "%signal", NR_kill, NR_read }, { "%network", NR_socket, NR_read },
		{ "%net", NR_bind, NR_read }, { "%ipc", NR_shmget, NR_read }, { "%clock", NR_clock_gettime, NR_read },
		{ "!read,write", NR_open, NR_write }, { "!%file", NR_read, NR_open }, { "?nonesuch,read", NR_read, NR_write },
		{ "file", NR_openat, NR_read }, { "desc", NR_read, NR_getpid }, { "memory", NR_mmap, NR_open },
		{ "process", NR_exit, NR_read }, { "signal", NR_kill, NR_read }, { "network", NR_socket, NR_read },
		{ "ipc", NR_shmget, NR_read }, { "?%file", NR_openat, NR_read }, { "?%nonesuch,0", NR_read, NR_write },
		{ "%stat", NR_stat, NR_lstat }, { "%lstat", NR_lstat, NR_stat }, { "%fstat", NR_statx, NR_stat },
		{ "%%stat", NR_statx, NR_read }, { "%statfs", NR_statfs, NR_fstatfs }, { "%fstatfs", NR_fstatfs, NR_statfs },
		{ "%%statfs", NR_ustat, NR_stat }, { "%pure", NR_getegid, NR_getresuid }, { "39,close", NR_getpid, NR_read },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char expr[64];

		inject_reset();
		snprintf(expr, sizeof(expr), "%s:error=EIO", cases[i].set);
		inject(expr);
		activate();
		ck_assert_msg(CALL(cases[i].in) == -EIO, "%s: not in", cases[i].set);
		ck_assert_msg(CALL(cases[i].out) == 1, "%s: not out", cases[i].set);
	}
	inject_reset();
	inject("all:error=EIO");
	activate();
	for (unsigned i = 0; i < SYSCALL_MAX; i++)
		ck_assert_int_eq(CALL(i), syscall_name(i) ? -EIO : 1);
	inject_reset();
	inject("none:error=EIO");
	activate();
	ck_assert_int_eq(CALL(NR_read), 1);
}
END_TEST

START_TEST(delays_take_time)
{
	uint64_t before = plat_time_mono();

	inject("read:delay_enter=1000");
	inject("write:delay_exit=3ms:error=EIO");
	inject("close:delay_enter=2s:delay_exit=500ns");
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
	inject("read:signal=SIGUSR1");
	inject("write:signal=TERM:retval=3");
	inject("close:signal=34");
	activate();
	ck_assert_int_eq(CALL(NR_read), 1);
	ck_assert_uint_eq(current_thread()->sig_pending, 1ul << (SIGUSR1 - 1));
	ck_assert_int_eq(CALL(NR_write), 3);
	ck_assert_uint_eq(current_thread()->sig_pending, 1ul << (SIGUSR1 - 1) | 1ul << (SIGTERM - 1));
	ck_assert_int_eq(CALL(NR_close), 1);
	ck_assert(current_thread()->sig_pending & 1ul << 33);
}
END_TEST

START_TEST(bad_syntax_is_refused)
{
	refused("", "unknown system call");
	refused("read", "nothing to inject");
	refused("read:", "no value");
	refused("nonesuch:error=EIO", "unknown system call \"nonesuch\"");
	refused("read,:error=EIO", "unknown system call");
	refused("%nonesuch:error=EIO", "unknown class \"%nonesuch\"");
	refused("clock:error=EIO", "unknown system call \"clock\"");
	refused("%creds:error=EIO", "unknown class \"%creds\"");
	refused("/^read:error=EIO", "regular expressions are not supported: \"/^read\"");
	refused("400:error=EIO", "unknown system call \"400\"");
	refused("99999:error=EIO", "unknown system call \"99999\"");
	refused("read:when=1", "nothing to inject");
	refused("read:error", "no value in \"error\"");
	refused("read:error=", "bad value in \"error=\"");
	refused("read:error=ENONESUCH", "bad value");
	refused("read:error=0", "bad value");
	refused("read:error=4096", "bad value");
	refused("read:error=EIO:retval=1", "bad value");
	refused("read:retval=x", "bad value");
	refused("read:retval=", "bad value");
	refused("read:retval=99999999999999999999999", "bad value");
	refused("read:signal=SIGNONE", "bad value");
	refused("read:signal=0", "bad value");
	refused("read:signal=65", "bad value");
	refused("read:delay_enter=abc", "bad value");
	refused("read:delay_enter=", "bad value");
	refused("read:delay_enter=99999999999999999999s", "bad value");
	refused("read:poke_enter=@arg1=00", "unknown option \"poke_enter\"");
	refused("read:error=EIO:when=0", "bad value");
	refused("read:error=EIO:when=", "bad value");
	refused("read:error=EIO:when=5..3", "bad value");
	refused("read:error=EIO:when=1+0", "bad value");
	refused("read:error=EIO:when=1..", "bad value");
	refused("read:error=EIO:when=65536", "bad value");
	refused("read:error=EIO:when=1x", "bad value");
	refused("read:error=EIO:", "no value");
	/* Nothing of the refused ones is left. */
	ck_assert_ptr_eq(inject_table(table), table);
}
END_TEST

START_TEST(too_many_are_refused)
{
	for (int i = 0; i < 32; i++)
		inject("read:error=EIO");
	refused("read:error=EIO", "too many");
}
END_TEST

/* shim_init(): a bad word on the command line ends the machine with status 125 and says why. */
START_TEST(command_line)
{
	fake_cmdline = "inject=read:error=EIO inject=write:retval=9";
	shim_init();
	ck_assert_int_eq(CALL(NR_read, -1), -EIO);
	ck_assert_int_eq(CALL(NR_write, -1), 9);
	ck_assert_int_eq(CALL(NR_close, -1), -EBADF);
	inject_reset();
	fake_cmdline = "inject=read:nonsense";
	ck_assert_exit(shim_init(), 125 << 8);
	ck_assert_ptr_nonnull(strstr(fake_log(), "doppel: inject=read:nonsense: no value in \"nonsense\"\n"));
	fake_cmdline = "";
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("inject", &tc, shim_setup, shim_teardown);

	tcase_add_test(tc, nothing_injected_is_the_table_itself);
	tcase_add_test(tc, error_replaces_the_call);
	tcase_add_test(tc, values_of_all_kinds);
	tcase_add_test(tc, the_last_expression_holds);
	tcase_add_test(tc, when_picks_calls);
	tcase_add_test(tc, each_call_counts_for_itself);
	tcase_add_test(tc, sets);
	tcase_add_test(tc, delays_take_time);
	tcase_add_test(tc, signals_are_sent);
	tcase_add_test(tc, bad_syntax_is_refused);
	tcase_add_test(tc, too_many_are_refused);
	tcase_add_test(tc, command_line);
	return s;
}
