/* Boot parameters: the command line's words, and boot blobs, good and malformed. */
#include <stdio.h>
#include <string.h>

#include "core/boot.h"
#include "core/main.h"
#include "core/mm/slab.h"
#include "tests/unit/unit.h"

#define BLOB_MAX 4096

/* The blob under construction, exactly as long as it says: the address sanitizer sees a look beyond its end. */
static char text[BLOB_MAX];
static size_t text_len;
static struct boot_blob header;
static struct boot_blob *blob;

static void setup(void)
{
	fake_boot(4ul << 20);
	fake_cmdline = "";
	header = (struct boot_blob){ .magic = BOOT_BLOB_MAGIC, .argc = 1, .uid = 1000, .gid = 100, .umask = 022 };
	text_len = 0;
	blob = NULL;
}

static void teardown(void)
{
	const struct boot *b = boot_params();

	/* What a panic left unfinished is still in the one instance. */
	if (b->blob) {
		kfree(b->argv);
		kfree(b->envp);
	}
	fake_check_leaks();
	fake_boot_blob(NULL, 0);
	boot_parse();
	free(blob);
	fake_cmdline = "";
}

static void add(const char *s)
{
	memcpy(text + text_len, s, strlen(s) + 1);
	text_len += strlen(s) + 1;
}

/* Hands over header and text, of which the last `cut` bytes are missing. */
static void give(size_t cut)
{
	size_t len = sizeof(header) + text_len - cut;

	header.size = (uint32_t)len;
	free(blob);
	blob = malloc(len);
	memcpy(blob, &header, sizeof(header));
	memcpy(blob + 1, text, text_len - cut);
	fake_boot_blob(blob, len);
}

/* ---- the command line ---- */

static const char *word(const char *name, unsigned nth)
{
	static char buf[64];

	return boot_word(name, nth, buf, sizeof(buf));
}

START_TEST(words)
{
	fake_cmdline = "root=9p:top ro  mount=9p:a:/a mount=9p:b:/b:ro\n uid=7 empty= trace\n";
	ck_assert_str_eq(word("root", 0), "9p:top");
	ck_assert_ptr_eq(word("root", 1), NULL);
	ck_assert_str_eq(word("ro", 0), "");
	ck_assert_str_eq(word("mount", 0), "9p:a:/a");
	ck_assert_str_eq(word("mount", 1), "9p:b:/b:ro");
	ck_assert_ptr_eq(word("mount", 2), NULL);
	ck_assert_str_eq(word("uid", 0), "7");
	ck_assert_str_eq(word("empty", 0), "");
	ck_assert_str_eq(word("trace", 0), "");
}
END_TEST

/* A name is a whole word up to '=': neither a part of another name nor a value. */
START_TEST(words_are_whole)
{
	fake_cmdline = "rooted=1 xroot=2 root-x=3 a=root b= root";
	ck_assert_str_eq(word("root", 0), "");
	ck_assert_ptr_eq(word("root", 1), NULL);
	ck_assert_ptr_eq(word("roo", 0), NULL);
	ck_assert_str_eq(word("a", 0), "root");
	fake_cmdline = "x=a=b";
	ck_assert_str_eq(word("x", 0), "a=b");
	fake_cmdline = "";
	ck_assert_ptr_eq(word("x", 0), NULL);
	fake_cmdline = " \n ";
	ck_assert_ptr_eq(word("x", 0), NULL);
}
END_TEST

START_TEST(long_values)
{
	char buf[4];

	fake_cmdline = "a=123 b=1234 c";
	ck_assert_str_eq(boot_word("a", 0, buf, sizeof(buf)), "123");
	ck_assert_str_eq(boot_word("c", 0, buf, 1), "");
	ck_assert_refusal(boot_word("b", 0, buf, sizeof(buf)), "the value of b is longer than 3 characters");
}
END_TEST

START_TEST(flags)
{
	fake_cmdline = "on yes=1 no=0 word=off zeroes=00";
	ck_assert(boot_flag("on"));
	ck_assert(boot_flag("yes"));
	ck_assert(!boot_flag("no"));
	ck_assert(!boot_flag("absent"));
	ck_assert(boot_flag("word"));
	ck_assert(boot_flag("zeroes"));
	fake_cmdline = "f f=0";
	ck_assert(boot_flag("f")); /* the first one counts */
}
END_TEST

/* ---- the blob ---- */

START_TEST(without_a_blob)
{
	const struct boot *b;

	fake_boot_blob(NULL, 0);
	boot_parse();
	b = boot_params();
	ck_assert_ptr_eq(b->blob, NULL);
	ck_assert_str_eq(b->path, "/init");
	ck_assert_uint_eq(b->argc, 1);
	ck_assert_str_eq(b->argv[0], "/init");
	ck_assert_ptr_eq(b->argv[1], NULL);
	ck_assert_uint_eq(b->envc, 0);
	ck_assert_ptr_eq(b->envp[0], NULL);
	ck_assert_str_eq(b->cwd, "/");
}
END_TEST

START_TEST(everything)
{
	const uint32_t groups[] = { 4, 0xfffffffe };
	const struct boot *b;

	header.argc = 3;
	header.envc = 2;
	header.ngroups = 2;
	strcpy(header.hostname, "box");
	add("/bin/prog");
	add("prog");
	add("");
	add("-x y");
	add("A=1");
	add("B=");
	add("/home/me");
	while ((sizeof(header) + text_len) % 4)
		text[text_len++] = 0;
	memcpy(text + text_len, groups, sizeof(groups));
	text_len += sizeof(groups);
	give(0);
	boot_parse();
	b = boot_params();
	ck_assert_ptr_eq(b->blob, blob);
	ck_assert_str_eq(b->path, "/bin/prog");
	ck_assert_uint_eq(b->argc, 3);
	ck_assert_str_eq(b->argv[0], "prog");
	ck_assert_str_eq(b->argv[1], "");
	ck_assert_str_eq(b->argv[2], "-x y");
	ck_assert_ptr_eq(b->argv[3], NULL);
	ck_assert_uint_eq(b->envc, 2);
	ck_assert_str_eq(b->envp[0], "A=1");
	ck_assert_str_eq(b->envp[1], "B=");
	ck_assert_ptr_eq(b->envp[2], NULL);
	ck_assert_str_eq(b->cwd, "/home/me");
	ck_assert_uint_eq(b->groups[0], 4);
	ck_assert_uint_eq(b->groups[1], 0xfffffffe);
	ck_assert_str_eq(hostname_get(), "box");
}
END_TEST

static void simple(const char *cwd)
{
	text_len = 0;
	add("/p");
	add("p");
	add(cwd);
}

/* Whatever the length of the last string: a blob without groups may end right after it. */
START_TEST(unpadded_end)
{
	static const char *const cwd[] = { "/", "/a", "/ab", "/abc", "/abcd" };

	simple(cwd[_i]);
	give(0);
	boot_parse();
	ck_assert_str_eq(boot_params()->cwd, cwd[_i]);
	ck_assert_uint_eq(boot_params()->envc, 0);
	ck_assert_ptr_eq(boot_params()->envp[0], NULL);
}
END_TEST

START_TEST(a_full_host_name)
{
	simple("/");
	memset(header.hostname, 'h', sizeof(header.hostname));
	give(0);
	boot_parse();
	ck_assert_uint_eq(strlen(hostname_get()), sizeof(header.hostname));
}
END_TEST

START_TEST(bad_headers)
{
	simple("/");
	give(0);
	fake_boot_blob(blob, sizeof(header) - 1);
	ck_assert_panic(boot_parse(), "boot blob: bad header (");
	fake_boot_blob(blob, 0);
	ck_assert_panic(boot_parse(), "boot blob: bad header (0 bytes)");
	blob->size++;
	fake_boot_blob(blob, blob->size - 1);
	ck_assert_panic(boot_parse(), "boot blob: bad header (");
	blob->size -= 2;
	ck_assert_panic(boot_parse(), "boot blob: bad header (");
	header.magic ^= 1;
	give(0);
	ck_assert_panic(boot_parse(), "boot blob: bad header (");
}
END_TEST

START_TEST(bad_counts)
{
	simple("/");
	header.argc = 0;
	give(0);
	ck_assert_panic(boot_parse(), "boot blob: 0 arguments and 0 environment entries");
	header.argc = 65537;
	give(0);
	ck_assert_panic(boot_parse(), "boot blob: 65537 arguments");
	header.argc = 1;
	header.envc = ~0u;
	give(0);
	ck_assert_panic(boot_parse(), "and 4294967295 environment entries");
}
END_TEST

/* However much of the end is missing, some string is not terminated. */
START_TEST(cut_strings)
{
	simple("/cwd");
	give(text_len - (size_t)_i);
	ck_assert_panic(boot_parse(), "boot blob: a string is not terminated");
}
END_TEST

/* Counts that eat up later strings are found out. */
START_TEST(more_strings_than_there_are)
{
	simple("/");
	header.argc = 3;
	give(0);
	ck_assert_panic(boot_parse(), "boot blob: a string is not terminated");
}
END_TEST

START_TEST(more_environment_than_there_is)
{
	simple("/");
	header.envc = 65536;
	give(0);
	ck_assert_panic(boot_parse(), "boot blob: a string is not terminated");
}
END_TEST

static const uint32_t bad_groups[] = { 2, 65536, 65537, 0x40000000, 0x40000001, ~0u };

START_TEST(more_groups_than_there_are)
{
	char want[64];

	simple("/");
	while ((sizeof(header) + text_len) % 4)
		text[text_len++] = 0;
	text_len += 4; /* room for one */
	header.ngroups = bad_groups[_i];
	give(0);
	snprintf(want, sizeof(want), "boot blob: %u groups", bad_groups[_i]);
	ck_assert_panic(boot_parse(), want);
}
END_TEST

START_TEST(no_memory)
{
	simple("/");
	give(0);
	fake_fail_after((unsigned)_i);
	ck_assert_refusal(boot_parse(), "boot: no memory for ");
	ck_assert(fake_failed());
	ck_assert(strstr(fake_log(), "-m") != NULL);
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *suite = unit_suite_new("boot", &tc, setup, teardown);

	tcase_add_test(tc, words);
	tcase_add_test(tc, words_are_whole);
	tcase_add_test(tc, long_values);
	tcase_add_test(tc, flags);
	tcase_add_test(tc, without_a_blob);
	tcase_add_test(tc, everything);
	tcase_add_loop_test(tc, unpadded_end, 0, 5);
	tcase_add_test(tc, a_full_host_name);
	tcase_add_test(tc, bad_headers);
	tcase_add_test(tc, bad_counts);
	tcase_add_loop_test(tc, cut_strings, 0, 10); /* "/p", "p" and "/cwd" are ten bytes */
	tcase_add_test(tc, more_strings_than_there_are);
	tcase_add_test(tc, more_environment_than_there_is);
	tcase_add_loop_test(tc, more_groups_than_there_are, 0, 6);
	tcase_add_loop_test(tc, no_memory, 1, 3);
	return suite;
}
