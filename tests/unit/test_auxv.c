/* The initial stack: the psABI's layout from the stack pointer up, where the strings are, what the auxiliary vector
 * says. */
#include "core/main.h"
#include "core/mm/space.h"
#include "core/mm/uio.h"
#include "loader/loader.h"
#include "shim/abi/mman.h"
#include "tests/unit/fstest.h"

#define P    PAGE_SIZE
#define TOP  0x7f0000000ul
#define SIZE (64 * P)

static struct space *s;
static struct elf64_phdr ph[2];
static struct elf_image exe;
static struct stack_args args;
static uint64_t sp;

static char *const some_argv[] = { "prog", "", "two words", NULL };
static char *const some_envp[] = { "A=1", "EMPTY=", NULL };
static char *const nothing[] = { NULL };

static void map_stack(uint64_t size)
{
	long at = space_mmap(s, TOP - size, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, NULL, 0,
			     "[stack]");

	ck_assert_int_eq(at, (long)(TOP - size));
}

static void setup(void)
{
	fs_setup();
	s = fake_space();
	s->stack_top = TOP;
	ph[0] = (struct elf64_phdr){ PT_LOAD, PF_R, 0, 0x1000, 0, 0x1000, 0x1000, P };
	exe = (struct elf_image){ .ph = ph, .bias = 0x555500000000 };
	exe.eh = (struct elf64_ehdr){ .e_type = ET_DYN, .e_entry = 0x1234, .e_phoff = 64, .e_phnum = 2 };
	args = (struct stack_args){ some_argv, some_envp, 3, 2, "/bin/prog", &exe, 0x7e0000000, 0x7d0001000 };
	sp = 0;
}

static void teardown(void)
{
	fake_space_drop();
	fs_teardown();
}

static uint64_t word_at(uint64_t va)
{
	uint64_t v = 0;

	OK(copyin(&v, va, 8));
	return v;
}

static const char *string_at(uint64_t va)
{
	static char buf[4096];
	long n = copyin_str(buf, va, sizeof(buf));

	ck_assert_int_ge(n, 0);
	return buf;
}

/* The value of an entry of the auxiliary vector; it must be there just once. */
static uint64_t aux(uint64_t type)
{
	uint64_t value = 0;
	unsigned found = 0;

	for (uint64_t at = s->auxv_addr; word_at(at) != AT_NULL; at += 16) {
		if (word_at(at) != type)
			continue;
		value = word_at(at + 8);
		found++;
	}
	ck_assert_msg(found == 1, "AT_ %lu is there %u times", type, found);
	return value;
}

static bool has_aux(uint64_t type)
{
	for (uint64_t at = s->auxv_addr; word_at(at) != AT_NULL; at += 16) {
		if (word_at(at) == type)
			return true;
	}
	return false;
}

/* argc, the argument pointers, NULL, the environment's, NULL: from the stack pointer up to the auxiliary vector. */
static void check_frame(void)
{
	uint64_t at = sp;

	ck_assert_uint_eq(sp % 16, 0);
	ck_assert_uint_eq(word_at(at), args.argc);
	for (unsigned i = 0; i < args.argc; i++)
		ck_assert_str_eq(string_at(word_at(at += 8)), args.argv[i]);
	ck_assert_uint_eq(word_at(at += 8), 0);
	for (unsigned i = 0; i < args.envc; i++)
		ck_assert_str_eq(string_at(word_at(at += 8)), args.envp[i]);
	ck_assert_uint_eq(word_at(at += 8), 0);
	ck_assert_uint_eq(s->auxv_addr, at + 8);
	/* The vector ends with AT_NULL, where the space says. */
	ck_assert_uint_eq(s->auxv_len % 16, 0);
	ck_assert_uint_eq(word_at(s->auxv_addr + s->auxv_len - 16), AT_NULL);
	ck_assert_uint_eq(word_at(s->auxv_addr + s->auxv_len - 8), 0);
	for (uint64_t a = s->auxv_addr; a < s->auxv_addr + s->auxv_len - 16; a += 16)
		ck_assert_uint_ne(word_at(a), AT_NULL);
}

START_TEST(layout)
{
	map_stack(SIZE);
	OK(stack_build(s, &args, &sp));
	check_frame();
	ck_assert_uint_le(TOP - sp, ALIGN_UP(stack_args_size(&args), 16));
	/* On top: a zero word and the path, below it the environment, then the arguments. */
	ck_assert_uint_eq(word_at(TOP - 8), 0);
	ck_assert_uint_eq(aux(AT_EXECFN), TOP - 8 - sizeof("/bin/prog"));
	ck_assert_uint_eq(s->env_end, aux(AT_EXECFN));
	ck_assert_uint_eq(s->arg_end, s->env_start);
	ck_assert_uint_eq(s->env_end - s->env_start, sizeof("A=1") + sizeof("EMPTY="));
	ck_assert_uint_eq(s->arg_end - s->arg_start, sizeof("prog") + 1 + sizeof("two words"));
}
END_TEST

/* /proc/PID/cmdline and environ are read from these ranges: the strings ascend without gaps. */
START_TEST(strings_are_contiguous)
{
	static const char want[] = "prog\0\0two words\0A=1\0EMPTY=\0/bin/prog";
	char buf[sizeof(want)];

	map_stack(SIZE);
	OK(stack_build(s, &args, &sp));
	OK(copyin(buf, s->arg_start, sizeof(buf)));
	ck_assert_mem_eq(buf, want, sizeof(want));
	ck_assert_uint_eq(word_at(sp + 8), s->arg_start);
	ck_assert_uint_eq(word_at(sp + 8 * 5), s->env_start);
}
END_TEST

START_TEST(auxiliary_vector)
{
	map_stack(SIZE);
	OK(stack_build(s, &args, &sp));
	ck_assert_uint_eq(aux(AT_SYSINFO_EHDR), 0x7d0001000);
	ck_assert_uint_eq(aux(AT_PAGESZ), 4096);
	ck_assert_uint_eq(aux(AT_CLKTCK), 100);
	ck_assert_uint_eq(aux(AT_PHDR), 0x555500001040);
	ck_assert_uint_eq(aux(AT_PHENT), 56);
	ck_assert_uint_eq(aux(AT_PHNUM), 2);
	ck_assert_uint_eq(aux(AT_BASE), 0x7e0000000);
	ck_assert_uint_eq(aux(AT_FLAGS), 0);
	ck_assert_uint_eq(aux(AT_ENTRY), 0x555500001234);
	ck_assert_uint_eq(aux(AT_HWCAP2), 0);
	ck_assert_uint_ne(aux(AT_HWCAP) & 1u << 26, 0); /* SSE2: every x86-64 */
	ck_assert_uint_ge(aux(AT_MINSIGSTKSZ), fpu_state_size() + 1024);
	ck_assert_str_eq(string_at(aux(AT_EXECFN)), "/bin/prog");
	ck_assert_str_eq(string_at(aux(AT_PLATFORM)), "x86_64");
}
END_TEST

START_TEST(static_without_vdso)
{
	args.vdso = args.interp_base = 0;
	map_stack(SIZE);
	OK(stack_build(s, &args, &sp));
	check_frame();
	ck_assert(!has_aux(AT_SYSINFO_EHDR));
	ck_assert_uint_eq(aux(AT_BASE), 0);
	ck_assert_uint_eq(aux(AT_PAGESZ), 4096);
}
END_TEST

START_TEST(random_bytes_differ)
{
	uint8_t first[16], second[16], zero[16] = { 0 };
	uint64_t at;

	map_stack(SIZE);
	OK(stack_build(s, &args, &sp));
	at = aux(AT_RANDOM);
	ck_assert_uint_ge(at, s->auxv_addr + s->auxv_len);
	ck_assert_uint_le(at + 16, s->arg_start);
	OK(copyin(first, at, 16));
	OK(stack_build(s, &args, &sp));
	ck_assert_uint_eq(aux(AT_RANDOM), at);
	OK(copyin(second, at, 16));
	ck_assert_mem_ne(first, second, 16);
	ck_assert_mem_ne(first, zero, 16);
}
END_TEST

START_TEST(identity)
{
	struct cred *c = current_proc()->cred;

	map_stack(SIZE);
	be(1000, 100);
	OK(stack_build(s, &args, &sp));
	ck_assert_uint_eq(aux(AT_UID), 1000);
	ck_assert_uint_eq(aux(AT_EUID), 1000);
	ck_assert_uint_eq(aux(AT_GID), 100);
	ck_assert_uint_eq(aux(AT_EGID), 100);
	ck_assert_uint_eq(aux(AT_SECURE), 0);
	c->euid = 0;
	OK(stack_build(s, &args, &sp));
	ck_assert_uint_eq(aux(AT_UID), 1000);
	ck_assert_uint_eq(aux(AT_EUID), 0);
	ck_assert_uint_eq(aux(AT_SECURE), 1);
	c->euid = 1000;
	c->egid = 7;
	OK(stack_build(s, &args, &sp));
	ck_assert_uint_eq(aux(AT_GID), 100);
	ck_assert_uint_eq(aux(AT_EGID), 7);
	ck_assert_uint_eq(aux(AT_SECURE), 1);
	be_root();
}
END_TEST

/* The stack pointer is aligned whatever the number of pointers and the length of the strings. */
START_TEST(alignment)
{
	static const char fill[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
	char *v[8];

	map_stack(SIZE);
	for (unsigned argc = 0; argc < 4; argc++) {
		for (unsigned envc = 0; envc < 3; envc++) {
			for (unsigned len = 0; len < 33; len++) {
				for (unsigned i = 0; i < ARRAY_SIZE(v); i++)
					v[i] = (char *)fill + sizeof(fill) - 1 - (len + i) % 35;
				args.argv = v;
				args.envp = v + 4;
				args.argc = argc;
				args.envc = envc;
				OK(stack_build(s, &args, &sp));
				check_frame();
				ck_fast(sp >= TOP - ALIGN_UP(stack_args_size(&args), 16));
			}
		}
	}
}
END_TEST

START_TEST(nothing_at_all)
{
	args.argv = args.envp = nothing;
	args.argc = args.envc = 0;
	args.execfn = "";
	map_stack(SIZE);
	OK(stack_build(s, &args, &sp));
	check_frame();
	ck_assert_uint_eq(s->arg_start, s->arg_end);
	ck_assert_uint_eq(s->env_start, s->env_end);
}
END_TEST

/* More than a page of strings and of pointers. */
START_TEST(many)
{
	static char *v[2001];
	static char long_string[4000];

	memset(long_string, 'l', sizeof(long_string) - 1);
	for (unsigned i = 0; i < 2000; i++)
		v[i] = "word";
	v[1000] = long_string;
	args.argv = args.envp = v;
	args.argc = args.envc = 2000;
	map_stack(SIZE);
	OK(stack_build(s, &args, &sp));
	ck_assert_uint_eq(word_at(sp), 2000);
	ck_assert_str_eq(string_at(word_at(sp + 8 * 1001)), long_string);
	ck_assert_str_eq(string_at(word_at(sp + 8 * 2000)), "word");
	ck_assert_uint_eq(word_at(sp + 8 * 2001), 0);
	ck_assert_str_eq(string_at(word_at(sp + 8 * 3002)), long_string);
	ck_assert_uint_eq(word_at(sp + 8 * 4002), 0);
	ck_assert_uint_eq(s->auxv_addr, sp + 8 * 4003);
}
END_TEST

START_TEST(unwritable)
{
	ERR(EFAULT, stack_build(s, &args, &sp)); /* nothing is mapped */
	map_stack(SIZE);
	OK(space_mprotect(s, TOP - SIZE, SIZE, PROT_READ));
	ERR(EFAULT, stack_build(s, &args, &sp));
}
END_TEST

START_TEST(allocation_failures)
{
	unsigned failures = 0;

	map_stack(SIZE);
	FAKE_EACH_FAILURE(n) {
		int r = stack_build(s, &args, &sp);

		if (!fake_failed()) {
			OK(r);
			check_frame();
			continue;
		}
		/* A fault may find another way (no page table ahead, say); else it is one of these. */
		ck_assert_msg(r == 0 || r == -ENOMEM || r == -EFAULT, "failure %u: %d", n, r);
		failures += r != 0;
		OK(space_munmap(s, TOP - SIZE, SIZE));
		map_stack(SIZE);
	}
	ck_assert_uint_ge(failures, 3); /* two blocks and the page */
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *suite = unit_suite_new("auxv", &tc, setup, teardown);

	tcase_add_test(tc, layout);
	tcase_add_test(tc, strings_are_contiguous);
	tcase_add_test(tc, auxiliary_vector);
	tcase_add_test(tc, static_without_vdso);
	tcase_add_test(tc, random_bytes_differ);
	tcase_add_test(tc, identity);
	tcase_add_test(tc, alignment);
	tcase_add_test(tc, nothing_at_all);
	tcase_add_test(tc, many);
	tcase_add_test(tc, unwritable);
	tcase_add_test(tc, allocation_failures);
	return suite;
}
