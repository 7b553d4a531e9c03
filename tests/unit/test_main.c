/* Starting the first program: what it is given, how what cannot be started is told, and that every allocation on the way may
 * fail: the machine then ends with a line that says so. */
#include "shim/abi/signal.h"
#include "tests/unit/fstest.h"

#include "core/main.c"

#define GROUPS 4
#define BIT_OF(sig) (1ul << ((sig)-1))

static struct {
	struct boot_blob head;
	char strings[28]; /* 27 and a byte to align what follows */
	uint32_t groups[GROUPS];
} blob;

/* "prog" along PATH=/one:/two: as user 1000, in four groups. */
static void give_blob(void)
{
	static const char strings[] = "prog\0prog\0PATH=/one:/two\0/"; /* path, argv, environment, directory */

	memset(&blob, 0, sizeof(blob));
	blob.head = (struct boot_blob){ .magic = BOOT_BLOB_MAGIC, .size = sizeof(blob), .argc = 1, .envc = 1, .uid = 1000, .gid = 100,
					.umask = 07027, .ngroups = GROUPS, .rlimit_nofile = 77, .rlimit_stack = 1 << 20,
					.fsize_cur = ~4096ul, .sig_ignored = BIT_OF(SIGHUP) | BIT_OF(NSIG), .sig_blocked = BIT_OF(SIGUSR1) };
	memcpy(blob.strings, strings, sizeof(strings));
	for (unsigned i = 0; i < GROUPS; i++)
		blob.groups[i] = 10 + i;
	fake_boot_blob(&blob, sizeof(blob));
	boot_parse();
}

static void drop_blob(void)
{
	kfree(boot_params()->argv);
	kfree(boot_params()->envp);
	fake_boot_blob(NULL, 0);
	boot_parse();
}

static void setup(void)
{
	fs_setup();
	give_blob();
}

static void teardown(void)
{
	drop_blob();
	fs_teardown();
}

/* Where a machine ended, everything stays: the next one has to begin anew. */
static void again(void)
{
	struct proc *me = current_proc();

	list_each_safe(l, &me->children) {
		struct proc *p = list_entry(l, struct proc, sibling);

		proc_release(p);
		list_remove(&p->all_link);
		list_remove(&p->sibling);
		proc_put(p);
	}
	drop_blob();
	fs_unmount();
	fs_setup();
	give_blob();
}

START_TEST(identity)
{
	struct proc *p = new_proc(current_proc());

	take_identity(p, boot_params());
	ck_assert_uint_eq(p->cred->ruid, 1000);
	ck_assert_uint_eq(p->cred->fsuid, 1000);
	ck_assert_uint_eq(p->cred->sgid, 100);
	ck_assert_uint_eq(p->cred->ngroups, GROUPS);
	ck_assert_uint_eq(p->cred->groups[2], 12);
	ck_assert_uint_eq(p->fs->umask, 027);
	ck_assert_uint_eq(p->rlimits[RLIMIT_NOFILE].cur, 77);
	ck_assert_uint_eq(p->rlimits[RLIMIT_STACK].cur, 1 << 20);
	ck_assert_uint_eq(p->rlimits[RLIMIT_FSIZE].cur, 4096);
	ck_assert_uint_eq(p->rlimits[RLIMIT_FSIZE].max, RLIM_INFINITY);
	again();
}
END_TEST

START_TEST(signals)
{
	struct sigactions actions = { .action[SIGTERM - 1] = { .handler = SIG_IGN } };
	struct proc p = { .sigactions = &actions };
	struct thread t = { .proc = &p };

	take_signals(&t, NULL);
	ck_assert_uint_eq(t.sig_mask, 0);
	take_signals(&t, &blob.head);
	ck_assert_uint_eq(t.sig_mask, BIT_OF(SIGUSR1));
	for (unsigned sig = 1; sig <= NSIG; sig++)
		ck_assert_uint_eq(actions.action[sig - 1].handler, sig == SIGHUP || sig == NSIG ? SIG_IGN : SIG_DFL);
}
END_TEST

/* ---- what cannot be started ---- */

static void it_said(const char *text, int status)
{
	ck_assert_int_eq(fake_exit_status, status << 8);
	ck_assert_msg(strstr(fake_log(), text) != NULL, "it said: %s", fake_log());
}

START_TEST(reasons)
{
	static const struct {
		int err, status;
		const char *text;
	} cases[] = {
		{ ENOENT, 127, "doppel: /p: no such file" }, { EACCES, 126, "permission denied" }, { ENOEXEC, 126, "not an x86-64 ELF" },
		{ ELIBBAD, 126, "its interpreter" }, { ENOMEM, 126, "not enough memory; give the guest more with -m" },
		{ E2BIG, 126, "too long" }, { EIO, 126, "cannot be started: error 5" },
	};

	for (volatile size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ck_assert_exit(cannot_start("/p", -cases[i].err, NULL), cases[i].status << 8);
		it_said(cases[i].text, cases[i].status);
	}
	ck_assert_exit(cannot_start("/p", -ENOENT, "because"), 127 << 8);
	it_said("doppel: /p: because\n", 127);
}
END_TEST

static int along_path(const char **why)
{
	struct attempt a = { 0 };

	exec_along_path(boot_params(), &a);
	*why = a.why;
	kfree(a.path);
	return a.err;
}

static void put_program(const char *path, const char *text, uint32_t mode)
{
	struct file *f;

	OK(t_open(path, O_WRONLY | O_CREAT | O_TRUNC, mode, &f));
	ck_assert_int_eq(f_pwrite(f, text, strlen(text), 0), (long)strlen(text));
	file_put(f);
}

/* As execvp(3): what cannot be executed is passed over, and told when there is nothing else. */
START_TEST(search)
{
	const char *why;

	ERR(ENOENT, along_path(&why));
	OK(t_mkdir("/one", 0755));
	ERR(ENOENT, along_path(&why));
	put_program("/one/prog", "text", 0644);
	ERR(EACCES, along_path(&why));
	OK(t_create("/two"));
	ERR(EACCES, along_path(&why)); /* ENOTDIR is passed over, too */
	OK(t_unlink("/two"));
	OK(t_mkdir("/two", 0755));
	put_program("/two/prog", "text", 0755);
	ERR(ENOEXEC, along_path(&why));
	put_program("/two/prog", "#!/gone\n", 0755);
	ERR(EACCES, along_path(&why)); /* of the first one, which was more */
	OK(t_unlink("/one/prog"));
	ERR(ENOENT, along_path(&why));
	ck_assert_ptr_nonnull(strstr(why, "interpreter does not exist"));
}
END_TEST

/* ---- out of memory ---- */

/* Runs stmt with its n-th allocation failing: true if it was refused, with a line that contains text. */
#define REFUSED(n, stmt, text) ({ \
	volatile bool _refused = true; \
	fake_fail_after(n); \
	fake_catching = true; \
	if (setjmp(fake_catch_env) == 0) { \
		stmt; \
		_refused = false; \
	} \
	fake_catching = false; \
	ck_assert(_refused == fake_failed()); \
	fake_fail_after(0); \
	if (_refused) \
		it_said(text, 125); \
	_refused; \
})

START_TEST(no_memory_for_the_identity)
{
	volatile unsigned n = 1, told = 0;

	for (; REFUSED(n, take_identity(new_proc(current_proc()), boot_params()), "no memory for "); n++) {
		told |= strstr(fake_log(), "the program's credentials") ? 1 : strstr(fake_log(), "4 groups") ? 2 : 0;
		again();
	}
	ck_assert_uint_eq(told, 3);
	again();
}
END_TEST

START_TEST(no_memory_for_the_first_process)
{
	struct proc *volatile p = NULL;
	volatile unsigned n = 1;

	for (; REFUSED(n, p = new_proc(current_proc()), "no memory for the first processes; give the guest more with -m"); n++)
		again();
	ck_assert_uint_gt(n, 1);
	ck_assert_int_gt(p->pid, 1);
	again();
}
END_TEST

START_TEST(no_memory_for_the_first_thread)
{
	volatile unsigned n = 1;

	for (; REFUSED(n, start_program(current_proc()), "no memory for "); n++)
		again();
	ck_assert_uint_gt(n, 5);
	again(); /* it would run now */
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("main", &tc, setup, teardown);

	tcase_add_test(tc, identity);
	tcase_add_test(tc, signals);
	tcase_add_test(tc, reasons);
	tcase_add_test(tc, search);
	tcase_add_test(tc, no_memory_for_the_identity);
	tcase_add_test(tc, no_memory_for_the_first_process);
	tcase_add_test(tc, no_memory_for_the_first_thread);
	return s;
}
