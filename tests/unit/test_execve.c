/* execve into the fake platform's process: what a new image starts with, what it sheds, and that a failure leaves the
 * old one as it was. The executables are made here, in a tmpfs. */
#include "core/main.h"
#include "core/mm/space.h"
#include "core/mm/uio.h"
#include "core/proc/thread.h"
#include "loader/loader.h"
#include "shim/abi/mman.h"
#include "shim/abi/signal.h"
#include "tests/unit/fstest.h"

#define P         PAGE_SIZE
#define TEXT      0x400000ul
#define OLD       0x30000000ul /* a page of the old image */
#define PIE_BASE  0x2aaaaaaaa000ul

/* A page for the vDSO's image: the real one is not linked. */
__asm__(".pushsection .rodata\n\t.balign 4096\n\t.globl vdso_start, vdso_end\n"
	"vdso_start:\n\t.fill 4096, 1, 0x5d\nvdso_end:\n\t.byte 0\n\t.popsection");

static struct space *old;
static struct regs old_regs;
static const char *why;
static char *no_strings[] = { NULL };

/* ---- files ---- */

static void store(const char *path, const void *data, size_t len, uint32_t mode)
{
	struct file *f;

	OK(t_open(path, O_WRONLY | O_CREAT | O_TRUNC, mode, &f));
	ck_assert_int_eq(f_pwrite(f, data, len, 0), (long)len);
	file_put(f);
}

static void script(const char *path, const char *text) { store(path, text, strlen(text), 0755); }

/* An executable of one page of text and one of bss. interp: NULL for a static one. */
static void program(const char *path, unsigned type, const char *interp)
{
	static uint8_t image[2 * P];
	struct elf64_ehdr *eh = (struct elf64_ehdr *)image;
	struct elf64_phdr *ph = (struct elf64_phdr *)(eh + 1);
	uint64_t base = type == ET_EXEC ? TEXT : 0;

	memset(image, 0x11, sizeof(image));
	memset(image, 0, sizeof(*eh) + 3 * sizeof(*ph));
	*eh = (struct elf64_ehdr){ .e_type = (uint16_t)type, .e_machine = EM_X86_64, .e_version = EV_CURRENT,
				   .e_entry = base + 0x500, .e_phoff = sizeof(*eh), .e_ehsize = sizeof(*eh),
				   .e_phentsize = sizeof(*ph), .e_phnum = interp ? 3 : 2 };
	memcpy(eh->e_ident, "\177ELF\2\1\1", 7);
	ph[0] = (struct elf64_phdr){ PT_LOAD, PF_R | PF_X, 0, base, base, P, P, P };
	ph[1] = (struct elf64_phdr){ PT_LOAD, PF_R | PF_W, P, base + P, base + P, 0x10, P + 0x10, P };
	if (interp) {
		ph[2] = (struct elf64_phdr){ PT_INTERP, PF_R, 0x800, 0x800, 0, strlen(interp) + 1, strlen(interp) + 1, 1 };
		memcpy(image + 0x800, interp, strlen(interp) + 1);
	}
	store(path, image, sizeof(image), 0755);
}

/* ---- the process before ---- */

static void setup(void)
{
	static uint64_t stack[KSTACK_SIZE / 8] __attribute__((aligned(4096)));
	static bool booted;
	struct super *root;
	struct proc *p;
	long at;

	/* The vDSO's file stays for good: one machine for all tests. */
	if (!booted) {
		fake_boot(FS_RAM);
		fpu_init();
		OK(fpu_alloc(current_thread()));
		vdso_init();
		booted = true;
	}
	p = current_proc();
	fake_mark_leaks();
	OK(tmpfs_new(&root, 0, 0755));
	fs_mount(root);
	current_thread()->kstack = (char *)stack;
	stack[0] = KSTACK_CANARY;
	fake_cmdline = "aslr=0";
	p->rlimits[RLIMIT_STACK] = (struct rlimit){ 8ul << 20, RLIM_INFINITY };
	p->rlimits[RLIMIT_NOFILE] = (struct rlimit){ 64, 128 };
	old = fake_space();
	at = space_mmap(old, OLD, P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, NULL, 0, NULL);
	ck_assert_int_eq(at, (long)OLD);
	OK(copyout(OLD, "old", 4));
	old_regs = (struct regs){ .rip = 0x1111, .rsp = 0x2222, .rax = 3, .rbx = 4 };
	*thread_regs(current_thread()) = old_regs;
	strcpy(p->comm, "before");
	why = "unset";
}

static void teardown(void)
{
	struct proc *p = current_proc();

	fd_close_range(0, ~0u, 0);
	if (p->exe->dentry)
		inode_allow_write(p->exe->dentry->inode);
	path_put(p->exe);
	memset(p->sigactions->action, 0, sizeof(p->sigactions->action));
	fake_space_drop();
	current_thread()->kstack = NULL;
	fake_cmdline = "";
	fs_unmount();
	fake_check_leaks();
}

static int run(const char *path, char *const argv[], char *const envp[])
{
	why = "unset";
	return exec_image(path, argv, envp, &why);
}

static void succeeds(const char *path, char *const argv[])
{
	int r = run(path, argv, no_strings);

	ck_assert_msg(r == 0, "%s: %d (%s)", path, r, why ? why : "no reason");
	ck_assert_ptr_eq(why, NULL);
}

static void check_old(void)
{
	char text[4];

	ck_assert_ptr_eq(current_proc()->space, old);
	OK(copyin(text, OLD, 4));
	ck_assert_str_eq(text, "old");
	ck_assert_mem_eq(thread_regs(current_thread()), &old_regs, sizeof(old_regs));
	ck_assert_str_eq(current_proc()->comm, "before");
	ck_assert_ptr_eq(current_proc()->exe->dentry, NULL);
}

static void fails(int err, const char *path, const char *reason)
{
	char *argv[] = { (char *)path, NULL };
	int r = run(path, argv, no_strings);

	ck_assert_msg(r == -err, "%s: %d, not %d", path, r, -err);
	if (reason)
		ck_assert_msg(why && strstr(why, reason), "%s: because '%s'", path, why ? why : "(null)");
	else
		ck_assert_msg(!why, "%s: because '%s'", path, why);
	check_old();
}

static uint64_t word_at(uint64_t va)
{
	uint64_t v = 0;

	OK(copyin(&v, va, 8));
	return v;
}

/* The new image's arguments, joined by '|' (static). */
static const char *arguments(void)
{
	static char text[4096];
	uint64_t sp = thread_regs(current_thread())->rsp, n = word_at(sp);

	text[0] = 0;
	for (uint64_t i = 1; i <= n; i++) {
		size_t len = strlen(text);

		ck_assert_int_ge(copyin_str(text + len, word_at(sp + 8 * i), sizeof(text) - len), 0);
		if (i < n)
			strcat(text, "|");
	}
	ck_assert_uint_eq(word_at(sp + 8 * (n + 1)), 0);
	return text;
}

static uint64_t aux(uint64_t type)
{
	for (uint64_t at = current_proc()->space->auxv_addr; word_at(at) != AT_NULL; at += 16) {
		if (word_at(at) == type)
			return word_at(at + 8);
	}
	return ~0ul;
}

/* ---- success ---- */

START_TEST(static_program)
{
	char *argv[] = { "a", "b c", NULL };
	struct regs *r = thread_regs(current_thread());
	struct space *s;

	program("/prog", ET_EXEC, NULL);
	succeeds("/prog", argv);
	s = current_proc()->space;
	ck_assert_uint_eq(r->rip, TEXT + 0x500);
	ck_assert_uint_eq(r->rsp % 16, 0);
	ck_assert_uint_eq(r->rax | r->rbx | r->rcx | r->rdx | r->rsi | r->rdi | r->rbp, 0);
	ck_assert_uint_eq(r->cs, USER_CS);
	ck_assert_uint_eq(r->ss, USER_SS);
	ck_assert_str_eq(arguments(), "a|b c");
	ck_assert_uint_eq(s->code_start, TEXT);
	ck_assert_uint_eq(s->code_end, TEXT + 3 * P);
	ck_assert_uint_eq(s->brk_start, TEXT + 3 * P);
	ck_assert_uint_eq(s->brk, s->brk_start);
	ck_assert_uint_eq(aux(AT_BASE), 0);
	ck_assert_uint_eq(aux(AT_ENTRY), TEXT + 0x500);
	ck_assert_uint_eq(aux(AT_SYSINFO_EHDR), s->vdso);
	ck_assert_uint_eq(word_at(s->vdso) & 0xff, 0x5d);
	ERR(EFAULT, copyin(&(char){ 0 }, OLD, 1)); /* the old image is gone */
	ck_assert_str_eq(current_proc()->comm, "prog");
	ck_assert_str_eq(current_thread()->comm, "prog");
	ck_assert_ptr_eq(current_proc()->exe->dentry->inode, t_inode("/prog"));
}
END_TEST

START_TEST(dynamic_program)
{
	struct space *s;
	uint64_t base;

	program("/prog", ET_DYN, "/ld.so");
	program("/ld.so", ET_DYN, NULL);
	succeeds("/prog", no_strings);
	s = current_proc()->space;
	base = aux(AT_BASE);
	ck_assert_uint_eq(s->code_start, PIE_BASE);
	ck_assert_uint_eq(aux(AT_ENTRY), PIE_BASE + 0x500);
	ck_assert_uint_eq(aux(AT_PHDR), PIE_BASE + 64);
	ck_assert_uint_gt(base, PIE_BASE);
	ck_assert_uint_lt(base, s->mmap_top);
	ck_assert_uint_eq(thread_regs(current_thread())->rip, base + 0x500);
	ck_assert_uint_eq(word_at(base) & 0xffffffff, 0x464c457f);
	ck_assert_ptr_eq(current_proc()->exe->dentry->inode, t_inode("/prog"));
}
END_TEST

START_TEST(static_pie)
{
	program("/prog", ET_DYN, NULL);
	succeeds("/prog", no_strings);
	ck_assert_uint_ne(current_proc()->space->code_start, PIE_BASE);
	ck_assert_uint_eq(thread_regs(current_thread())->rip, current_proc()->space->code_start + 0x500);
	ck_assert_uint_eq(aux(AT_BASE), 0);
}
END_TEST

/* Without an argv[0] there is an empty one. */
START_TEST(no_arguments)
{
	program("/prog", ET_EXEC, NULL);
	succeeds("/prog", no_strings);
	ck_assert_uint_eq(word_at(thread_regs(current_thread())->rsp), 1);
	ck_assert_str_eq(arguments(), "");
}
END_TEST

START_TEST(randomised)
{
	uint64_t stack[2], code[2];

	fake_cmdline = "";
	program("/prog", ET_DYN, "/ld.so");
	program("/ld.so", ET_DYN, NULL);
	for (int i = 0; i < 2; i++) {
		succeeds("/prog", no_strings);
		stack[i] = current_proc()->space->stack_top;
		code[i] = current_proc()->space->code_start;
		ck_assert_uint_ge(code[i], PIE_BASE);
		ck_assert_uint_lt(stack[i], USER_MAX);
	}
	ck_assert_uint_ne(stack[0], stack[1]);
	ck_assert_uint_ne(code[0], code[1]);
}
END_TEST

START_TEST(a_long_name_is_cut)
{
	program("/a-name-of-more-than-fifteen", ET_EXEC, NULL);
	succeeds("/a-name-of-more-than-fifteen", no_strings);
	ck_assert_str_eq(current_proc()->comm, "a-name-of-more-");
}
END_TEST

/* ---- what does not survive ---- */

START_TEST(handlers)
{
	struct sigaction_k *a = current_proc()->sigactions->action;

	a[0].handler = 0x12345;
	a[1].handler = SIG_IGN;
	a[2].handler = SIG_DFL;
	a[0].mask = ~0ul;
	program("/prog", ET_EXEC, NULL);
	fails(ENOENT, "/none", NULL);
	ck_assert_uint_eq(a[0].handler, 0x12345);
	succeeds("/prog", no_strings);
	ck_assert_uint_eq(a[0].handler, SIG_DFL);
	ck_assert_uint_eq(a[0].mask, 0);
	ck_assert_uint_eq(a[1].handler, SIG_IGN);
	ck_assert_uint_eq(a[2].handler, SIG_DFL);
}
END_TEST

START_TEST(close_on_exec)
{
	struct file *f;
	int fd[2];

	program("/prog", ET_EXEC, NULL);
	for (int i = 0; i < 2; i++) {
		OK(t_open("/prog", O_RDONLY, 0, &f));
		fd[i] = fd_install(f, 0, i == 1);
		ck_assert_int_ge(fd[i], 0);
	}
	fails(ENOENT, "/none", NULL);
	ck_assert_int_eq(fd_cloexec_get(fd[1]), 1);
	succeeds("/prog", no_strings);
	ck_assert_int_eq(fd_cloexec_get(fd[0]), 0);
	ERR(EBADF, fd_cloexec_get(fd[1]));
}
END_TEST

/* ---- failures ---- */

START_TEST(not_found)
{
	fails(ENOENT, "/none", NULL);
	fails(ENOENT, "", NULL);
	script("/dangling", "#!/none\n");
	fails(ENOENT, "/dangling", "the script's interpreter does not exist");
	program("/dynamic", ET_DYN, "/none.so");
	fails(ENOENT, "/dynamic", "its ELF interpreter (dynamic loader) is not in the guest's root");
	fails(ENOTDIR, "/dynamic/x", NULL);
}
END_TEST

START_TEST(not_allowed)
{
	OK(t_mkdir("/dir", 0755));
	fails(EACCES, "/dir", "is a directory");
	program("/prog", ET_EXEC, NULL);
	OK(t_chmod("/prog", 0644));
	fails(EACCES, "/prog", NULL); /* not even for root */
	OK(t_chmod("/prog", 0700));
	be(1000, 1000);
	fails(EACCES, "/prog", NULL);
	be_root();
	OK(t_mkdir("/closed", 0700));
	program("/closed/prog", ET_EXEC, NULL);
	be(1000, 1000);
	fails(EACCES, "/closed/prog", "permission denied in a directory on the way");
	be_root();
	script("/s", "#!/dir\n");
	fails(EACCES, "/s", NULL);
	program("/dynamic", ET_DYN, "/dir");
	fails(EACCES, "/dynamic", NULL);
}
END_TEST

START_TEST(no_executables)
{
	store("/empty", "", 0, 0755);
	fails(ENOEXEC, "/empty", "truncated ELF: no whole header");
	store("/one", "#", 1, 0755);
	fails(ENOEXEC, "/one", "truncated ELF: no whole header");
	script("/s", "#!\n");
	fails(ENOEXEC, "/s", "no interpreter on its #! line");
	script("/text", "echo a shell script without its first line: long enough to hold a header\n");
	fails(ENOEXEC, "/text", "not an ELF file");
}
END_TEST

START_TEST(bad_interpreters)
{
	program("/dynamic", ET_DYN, "/ld.so");
	store("/ld.so", "short", 5, 0755);
	fails(ELIBBAD, "/dynamic", "truncated ELF: no whole header");
	script("/ld.so", "#!/bin/sh: no interpreter of an ELF file, but as long as a header, and more\n");
	fails(ELIBBAD, "/dynamic", "not an ELF file");
}
END_TEST

/* Scripts nest: each puts its interpreter and itself in front. */
START_TEST(nested_scripts)
{
	char *argv[] = { "me", "x", "y", NULL };

	program("/prog", ET_EXEC, NULL);
	script("/s1", "#!/prog -a b\n");
	succeeds("/s1", argv);
	ck_assert_str_eq(arguments(), "/prog|-a b|/s1|x|y");
	ck_assert_str_eq(current_proc()->comm, "prog");
	script("/s2", "#! /s1 two\n");
	script("/s3", "#!/s2");
	succeeds("/s3", argv);
	ck_assert_str_eq(arguments(), "/prog|-a b|/s1|two|/s2|/s3|x|y");
	succeeds("/s1", no_strings);
	ck_assert_str_eq(arguments(), "/prog|-a b|/s1");
}
END_TEST

START_TEST(too_many_scripts)
{
	program("/s0", ET_EXEC, NULL);
	script("/self", "#!/self\n");
	script("/s1", "#!/s0 1\n");
	script("/s2", "#!/s1 2\n");
	script("/s3", "#!/s2 3\n");
	script("/s4", "#!/s3 4\n");
	script("/s5", "#!/s4 5\n");
	script("/s6", "#!/s5 6\n");
	fails(ELOOP, "/self", "too many interpreters");
	fails(ELOOP, "/s6", "too many interpreters");
	succeeds("/s5", no_strings);
	ck_assert_str_eq(arguments(), "/s0|1|/s1|2|/s2|3|/s3|4|/s4|5|/s5");
}
END_TEST

START_TEST(too_much)
{
	static char text[16000];
	char *argv[200] = { "p" };

	memset(text, 'x', sizeof(text) - 1);
	program("/prog", ET_EXEC, NULL);
	for (int i = 1; i < 140; i++)
		argv[i] = text; /* more than a quarter of 8 MiB */
	ERR(E2BIG, run("/prog", argv, no_strings));
	check_old();
	ERR(E2BIG, run("/prog", no_strings, argv));
	check_old();
	argv[100] = NULL;
	succeeds("/prog", argv);
	ck_assert_uint_eq(word_at(thread_regs(current_thread())->rsp), 100);
}
END_TEST

START_TEST(text_busy)
{
	struct file *f;

	program("/prog", ET_EXEC, NULL);
	OK(t_open("/prog", O_WRONLY, 0, &f));
	fails(ETXTBSY, "/prog", NULL);
	file_put(f);
	program("/dynamic", ET_DYN, "/none");
	fails(ENOENT, "/dynamic", "ELF interpreter");
	OK(t_touch("/dynamic", O_WRONLY, 0)); /* a failure denies writing no longer */
	succeeds("/prog", no_strings);
	ERR(ETXTBSY, t_touch("/prog", O_WRONLY, 0));
	program("/other", ET_EXEC, NULL);
	succeeds("/other", no_strings);
	OK(t_touch("/prog", O_WRONLY, 0));
	ERR(ETXTBSY, t_touch("/other", O_RDWR, 0));
}
END_TEST

/* Each allocation in turn fails: the old image is whole, or the new one runs. */
START_TEST(allocation_failures)
{
	char *argv[] = { "s", "x", NULL };

	program("/prog", ET_DYN, "/ld.so");
	program("/ld.so", ET_DYN, NULL);
	script("/s", "#!/prog arg\n");
	FAKE_EACH_FAILURE(n) {
		int r = run("/s", argv, no_strings);
		bool failed = fake_failed();

		if (r) {
			ck_assert_msg(failed && (r == -ENOMEM || r == -EFAULT), "failure %u: %d", n, r);
			check_old();
			continue;
		}
		ck_assert_str_eq(arguments(), "/prog|arg|/s|x");
		if (!failed)
			break;
		/* It came through all the same; the next round starts as the first. */
		teardown();
		setup();
		program("/prog", ET_DYN, "/ld.so");
		program("/ld.so", ET_DYN, NULL);
		script("/s", "#!/prog arg\n");
		fake_fail_after(1);
		kfree(kmalloc(1)); /* for the loop: there was a failure */
	}
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *suite = unit_suite_new("execve", &tc, setup, teardown);

	tcase_add_test(tc, static_program);
	tcase_add_test(tc, dynamic_program);
	tcase_add_test(tc, static_pie);
	tcase_add_test(tc, no_arguments);
	tcase_add_test(tc, randomised);
	tcase_add_test(tc, a_long_name_is_cut);
	tcase_add_test(tc, handlers);
	tcase_add_test(tc, close_on_exec);
	tcase_add_test(tc, not_found);
	tcase_add_test(tc, not_allowed);
	tcase_add_test(tc, no_executables);
	tcase_add_test(tc, bad_interpreters);
	tcase_add_test(tc, nested_scripts);
	tcase_add_test(tc, too_many_scripts);
	tcase_add_test(tc, too_much);
	tcase_add_test(tc, text_busy);
	tcase_add_test(tc, allocation_failures);
	return suite;
}
