/* ELF files: what is refused and why, and that what is accepted is mapped as its headers say. The files are made here,
 * byte by byte, in a tmpfs; each refusal is a good file with one thing wrong. */
#include "core/mm/space.h"
#include "core/mm/uio.h"
#include "loader/loader.h"
#include "shim/abi/mman.h"
#include "tests/unit/fstest.h"

#define P     PAGE_SIZE
#define INTERP "/lib/ld.so"

#define FILE_MAX 0x4000
#define TEXT 0x400000ul
/* The data segment starts and ends within pages. */
#define DATA_OFF    0x1100ul
#define DATA_VADDR  (TEXT + 0x3100)
#define DATA_FILESZ 0x1200ul
#define DATA_MEMSZ  0x3000ul

static struct space *s;
static uint8_t image[FILE_MAX];
static size_t image_len;
static struct elf64_ehdr *eh;
static struct elf64_phdr *ph;
static const char *why;
static struct elf_image e;

static void text_segment(struct elf64_phdr *p, uint64_t base)
{
	*p = (struct elf64_phdr){ PT_LOAD, PF_R | PF_X, 0, base, base, 0x1000, 0x1000, P };
}

static void data_segment(struct elf64_phdr *p, uint64_t vaddr)
{
	*p = (struct elf64_phdr){ PT_LOAD, PF_R | PF_W, DATA_OFF, vaddr, vaddr, DATA_FILESZ, DATA_MEMSZ, P };
}

/* A good static executable: text in the first page, data in the next two, three pages of bss. */
static void make_static(void)
{
	for (size_t i = 0; i < FILE_MAX; i++)
		image[i] = (uint8_t)(i % 251 + 1);
	memset(image, 0, sizeof(*eh) + 8 * sizeof(*ph));
	image_len = 0x3000;
	eh = (struct elf64_ehdr *)image;
	ph = (struct elf64_phdr *)(image + sizeof(*eh));
	memcpy(eh->e_ident, "\177ELF\2\1\1", 7);
	eh->e_type = ET_EXEC;
	eh->e_machine = EM_X86_64;
	eh->e_version = EV_CURRENT;
	eh->e_entry = TEXT + 0x800;
	eh->e_phoff = sizeof(*eh);
	eh->e_ehsize = sizeof(*eh);
	eh->e_phentsize = sizeof(*ph);
	eh->e_phnum = 3;
	text_segment(&ph[0], TEXT);
	data_segment(&ph[1], DATA_VADDR);
	ph[2] = (struct elf64_phdr){ .p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W };
}

/* The same, position independent and with an interpreter. */
static void make_dynamic(void)
{
	make_static();
	eh->e_type = ET_DYN;
	eh->e_entry -= TEXT;
	ph[0].p_vaddr -= TEXT;
	ph[1].p_vaddr -= TEXT;
	eh->e_phnum = 4;
	ph[3] = (struct elf64_phdr){ PT_INTERP, PF_R, 0x400, 0x400, 0x400, sizeof(INTERP), sizeof(INTERP), 1 };
	memcpy(image + 0x400, INTERP, sizeof(INTERP));
}

static void setup(void)
{
	fs_setup();
	s = fake_space();
	make_static();
	why = "unset";
}

static void teardown(void)
{
	fake_space_drop();
	fs_teardown();
}

static struct file *store(void)
{
	struct file *f;

	OK(t_open("/elf", O_RDWR | O_CREAT | O_TRUNC, 0755, &f));
	ck_assert_int_eq(f_pwrite(f, image, image_len, 0), (long)image_len);
	return f;
}

static int open_it(void) { return elf_open(store(), &e, &why); }

/* The file as it is now is refused because of `reason`, and nothing is kept of it. */
static void refused(const char *reason)
{
	ERR(ENOEXEC, open_it());
	ck_assert_msg(why && strstr(why, reason), "refused because '%s', not '%s'", why ? why : "(null)", reason);
	ck_assert_ptr_eq(e.file, NULL);
	ck_assert_ptr_eq(e.ph, NULL);
	ck_assert_ptr_eq(e.interp, NULL);
}

static void accepted(void)
{
	OK(open_it());
	ck_assert_ptr_eq(why, NULL);
}

/* ---- refusals: the header ---- */

START_TEST(not_elf)
{
	image[0] = 'E';
	refused("not an ELF file");
	make_static();
	image[3] = 'f';
	refused("not an ELF file");
}
END_TEST

START_TEST(short_files)
{
	for (image_len = 0; image_len < sizeof(*eh); image_len++)
		refused("truncated ELF: no whole header");
	for (; image_len < sizeof(*eh) + 3 * sizeof(*ph); image_len += 8)
		refused("the program headers lie beyond the end of the file");
}
END_TEST

START_TEST(other_machines)
{
	eh->e_ident[EI_CLASS] = 1;
	refused("not a 64-bit ELF file");
	make_static();
	eh->e_ident[EI_DATA] = 2;
	refused("another machine than x86-64");
	make_static();
	eh->e_machine = 183;
	refused("another machine than x86-64");
}
END_TEST

START_TEST(other_types)
{
	static const uint16_t types[] = { 0, 1, 4, 0xffff };

	for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
		eh->e_type = types[i];
		refused("no executable (wrong type)");
	}
}
END_TEST

START_TEST(program_header_table)
{
	eh->e_phentsize--;
	refused("wrong size of program headers");
	make_static();
	eh->e_phnum = 0;
	refused("no program headers, or too many");
	eh->e_phnum = ELF_PHNUM_MAX + 1;
	refused("no program headers, or too many");
	eh->e_phnum = ELF_PHNUM_MAX;
	refused("the program headers lie beyond the end of the file");
}
END_TEST

START_TEST(program_header_offset)
{
	const uint64_t offsets[] = { image_len, image_len - 8, 1ul << 40, INT64_MAX - 100, INT64_MAX, 1ul << 63, ~0ul };

	for (unsigned i = 0; i < ARRAY_SIZE(offsets); i++) {
		eh->e_phoff = offsets[i];
		refused("the program headers lie beyond the end of the file");
	}
}
END_TEST

/* ---- refusals: segments ---- */

START_TEST(larger_in_the_file)
{
	ph[1].p_memsz = ph[1].p_filesz - 1;
	refused("larger in the file than in memory");
}
END_TEST

START_TEST(beyond_the_file)
{
	ph[1].p_offset += 0x1000;
	refused("a segment lies beyond the end of the file");
	ph[1].p_offset = ~0ul - 0xeff;
	refused("a segment lies beyond the end of the file");
	make_static();
	image_len = DATA_OFF + DATA_FILESZ - 1;
	refused("a segment lies beyond the end of the file");
	image_len++;
	accepted();
	elf_close(&e);
}
END_TEST

START_TEST(addresses)
{
	data_segment(&ph[1], ALIGN_DOWN(USER_MAX, P) - P + 0x100);
	refused("above the application range (a sanitizer build?)");
	data_segment(&ph[1], 0xffffffffffffe100);
	refused("a segment's address is out of range");
	make_static();
	ph[1].p_memsz = ~0ul;
	refused("a segment's address is out of range");
	make_static();
	text_segment(&ph[0], USER_MIN - P);
	refused("a segment's address is out of range");
	text_segment(&ph[0], USER_MIN);
	data_segment(&ph[1], USER_MAX - DATA_MEMSZ - 0xf00);
	accepted();
	ck_assert_uint_eq(e.low, USER_MIN);
	ck_assert_uint_le(e.high, USER_MAX);
	elf_close(&e);
}
END_TEST

START_TEST(misaligned)
{
	ph[1].p_offset++;
	refused("not aligned with its file offset");
	/* Only what comes from the file has to be. */
	ph[1].p_filesz = 0;
	accepted();
	elf_close(&e);
}
END_TEST

START_TEST(order)
{
	struct elf64_phdr first = ph[0];

	ph[0] = ph[1];
	ph[1] = first;
	refused("segments overlap or do not ascend");
	make_static();
	data_segment(&ph[1], TEXT + 0x100);
	refused("segments overlap or do not ascend");
	make_static();
	ph[2] = ph[1];
	refused("segments overlap or do not ascend");
}
END_TEST

START_TEST(nothing_to_load)
{
	ph[0].p_type = ph[1].p_type = PT_NOTE;
	refused("nothing to load");
	make_static();
	ph[0].p_memsz = ph[0].p_filesz = ph[1].p_memsz = ph[1].p_filesz = 0;
	refused("nothing to load");
}
END_TEST

START_TEST(interpreter_paths)
{
	static const struct { uint64_t off, size; } bad[] = {
		{ 0x400, 0 }, { 0x400, 1 }, { 0x400, sizeof(INTERP) - 1 }, { 0x400, PATH_MAX + 1 }, { 0x400, ~0ul },
		{ 0x2fff, 2 }, { 1ul << 50, 20 }, { ~0ul, 20 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		make_dynamic();
		ph[3].p_offset = bad[i].off;
		ph[3].p_filesz = bad[i].size;
		refused("bad interpreter path");
	}
	make_dynamic();
	ph[2] = ph[3];
	refused("bad interpreter path");
}
END_TEST

/* ---- good files ---- */

START_TEST(static_file)
{
	accepted();
	ck_assert_uint_eq(e.low, TEXT);
	ck_assert_uint_eq(e.high, ALIGN_UP(DATA_VADDR + DATA_MEMSZ, P));
	ck_assert_ptr_eq(e.interp, NULL);
	ck_assert(!e.exec_stack);
	elf_close(&e);
	ck_assert_ptr_eq(e.file, NULL);
	ph[2].p_flags |= PF_X;
	accepted();
	ck_assert(e.exec_stack);
	elf_close(&e);
}
END_TEST

START_TEST(dynamic_file)
{
	make_dynamic();
	accepted();
	ck_assert_uint_eq(e.low, 0);
	ck_assert_uint_eq(e.high, ALIGN_UP(DATA_VADDR - TEXT + DATA_MEMSZ, P));
	ck_assert_str_eq(e.interp, INTERP);
	elf_close(&e);
}
END_TEST

static uint8_t get(uint64_t va)
{
	uint8_t b = 0xee;

	OK(copyin(&b, va, 1));
	return b;
}

/* Everything at bias, as the headers say. */
static void check_mapping(uint64_t text, uint64_t data)
{
	uint64_t bss = data + DATA_FILESZ;

	for (uint64_t i = 0; i < 0x1000; i += 7)
		ck_fast(get(text + i) == image[i]);
	for (uint64_t i = 0; i < DATA_FILESZ; i++)
		ck_fast(get(data + i) == image[DATA_OFF + i]);
	for (uint64_t a = bss; a < ALIGN_UP(data + DATA_MEMSZ, P); a += a < bss + P ? 1 : 31)
		ck_fast(get(a) == 0);
	/* Text is not writable, data is; writing stays private. */
	ERR(EFAULT, copyout(text, "x", 1));
	OK(copyout(data, "\377", 1));
	ck_assert_uint_eq(get(data), 0xff);
	ERR(EACCES, space_fault(s, data, PROT_EXEC));
	OK(space_fault(s, text, PROT_EXEC));
	/* The gap between them, and what is around. */
	ERR(EFAULT, space_fault(s, text + 0x1000, PROT_READ));
	ERR(EFAULT, space_fault(s, text - 1, PROT_READ));
	ERR(EFAULT, space_fault(s, ALIGN_UP(data + DATA_MEMSZ, P), PROT_READ));
}

START_TEST(map_static)
{
	uint8_t b;

	accepted();
	OK(elf_map(&e, s, 0));
	check_mapping(TEXT, DATA_VADDR);
	ck_assert_uint_eq(elf_phdr_address(&e), TEXT + sizeof(*eh));
	/* The file itself has not changed: neither by the write, nor by the zeroing. */
	ck_assert_int_eq(f_pread(e.file, &b, 1, DATA_OFF), 1);
	ck_assert_uint_eq(b, image[DATA_OFF]);
	ck_assert_int_eq(f_pread(e.file, &b, 1, DATA_OFF + DATA_FILESZ), 1);
	ck_assert_uint_eq(b, image[DATA_OFF + DATA_FILESZ]);
	elf_close(&e);
	ck_assert_uint_eq(get(TEXT + 8), image[8]); /* mappings keep the file */
}
END_TEST

START_TEST(map_at_a_bias)
{
	const uint64_t bias = 0x2aaaaaaaa000;

	make_dynamic();
	accepted();
	OK(elf_map(&e, s, bias));
	ck_assert_uint_eq(e.bias, bias);
	check_mapping(bias, bias + DATA_VADDR - TEXT);
	ck_assert_uint_eq(elf_phdr_address(&e), bias + sizeof(*eh));
	elf_close(&e);
}
END_TEST

/* Program headers that no segment holds have no address. */
START_TEST(headers_not_loaded)
{
	memmove(image + 0x2f00, ph, 3 * sizeof(*ph));
	eh->e_phoff = 0x2f00;
	accepted();
	ck_assert_uint_eq(elf_phdr_address(&e), 0);
	elf_close(&e);
	memmove(image + DATA_OFF + 0x40, image + 0x2f00, 3 * sizeof(*ph));
	eh->e_phoff = DATA_OFF + 0x40;
	accepted();
	ck_assert_uint_eq(elf_phdr_address(&e), DATA_VADDR + 0x40);
	elf_close(&e);
}
END_TEST

START_TEST(bss_alone)
{
	ph[1].p_filesz = 0;
	accepted();
	OK(elf_map(&e, s, 0));
	elf_close(&e);
	for (uint64_t a = ALIGN_DOWN(DATA_VADDR, P); a < ALIGN_UP(DATA_VADDR + DATA_MEMSZ, P); a += 64)
		ck_fast(get(a) == 0);
	OK(copyout(DATA_VADDR, "x", 1));
}
END_TEST

/* A segment without write permission keeps the file's bytes after its end, and one without bss is left alone. */
START_TEST(no_zeroing)
{
	ph[1].p_memsz = DATA_FILESZ;
	accepted();
	OK(elf_map(&e, s, 0));
	elf_close(&e);
	ck_assert_uint_eq(get(DATA_VADDR + DATA_FILESZ), image[DATA_OFF + DATA_FILESZ]);
	make_static();
	ph[1].p_flags = PF_R;
	accepted();
	OK(elf_map(&e, s, 0));
	elf_close(&e);
	ck_assert_uint_eq(get(DATA_VADDR + DATA_FILESZ), image[DATA_OFF + DATA_FILESZ]);
	ck_assert_uint_eq(get(ALIGN_UP(DATA_VADDR + DATA_FILESZ, P)), 0);
}
END_TEST

/* Two segments in one page, as lld makes them without separate-code: the later one has the page. */
START_TEST(segments_share_a_page)
{
	text_segment(&ph[0], TEXT);
	ph[0].p_filesz = ph[0].p_memsz = 0x300;
	ph[1] = (struct elf64_phdr){ PT_LOAD, PF_R | PF_W, 0x300, TEXT + 0x300, 0, 0x100, 0x100, P };
	accepted();
	OK(elf_map(&e, s, 0));
	elf_close(&e);
	ck_assert_uint_eq(get(TEXT + 0x2ff), image[0x2ff]);
	ck_assert_uint_eq(get(TEXT + 0x300), image[0x300]);
	OK(copyout(TEXT + 0x300, "x", 1));
}
END_TEST

START_TEST(no_room)
{
	make_dynamic();
	accepted();
	ERR(ENOMEM, elf_map(&e, s, ALIGN_DOWN(USER_MAX, P) - P));
	elf_close(&e);
}
END_TEST

/* A file that has shrunk since it was checked. */
START_TEST(cut_after_the_check)
{
	accepted();
	OK(t_truncate("/elf", 0x1000));
	ERR(EFAULT, elf_map(&e, s, 0));
	elf_close(&e);
}
END_TEST

/* ---- symbols ---- */

#define HASH_ABC 0x0b885c8bu /* of "abc": ((5381 · 33 + 'a') · 33 + 'b') · 33 + 'c'; in the second of two buckets */

/* Symbols 3 to 6 in 2 buckets, 3 and 4 in the first, 5 and 6 in the second; the bloom filter has 2 words. */
static uint32_t *make_hash(void)
{
	static const uint32_t table[] = { 2, 3, 2, 6, 0, 0, 0, 0, 3, 5, HASH_ABC & ~1u, 3, 4, HASH_ABC | 1 };
	static const uint64_t dynamic[] = { 1, 0x77, DT_GNU_HASH, 0x600, 0, 0 };

	make_dynamic();
	eh->e_phnum = 5;
	ph[4] = (struct elf64_phdr){ PT_DYNAMIC, PF_R, 0x500, 0x500, 0x500, sizeof(dynamic), sizeof(dynamic), 8 };
	memcpy(image + 0x500, dynamic, sizeof(dynamic));
	memcpy(image + 0x600, table, sizeof(table));
	return (uint32_t *)(image + 0x600);
}

static bool defines(const char *name)
{
	bool r;

	OK(open_it());
	r = elf_defines(&e, name);
	elf_close(&e);
	return r;
}

START_TEST(symbols)
{
	uint32_t *table = make_hash();

	ck_assert(defines("abc"));
	ck_assert(!defines("abd"));
	table[12] |= 1; /* its bucket's chain ends before it */
	ck_assert(!defines("abc"));
	table[9] = 6; /* begins with it */
	ck_assert(defines("abc"));
	table[9] = 0; /* its bucket is empty */
	ck_assert(!defines("abc"));
	make_static();
	ck_assert(!defines("abc"));
}
END_TEST

START_TEST(symbols_of_bad_tables)
{
	uint32_t *table = make_hash();
	uint64_t *dynamic = (uint64_t *)(image + 0x500);

	memset(&table[10], 0, sizeof(image) - 0x600 - 10 * sizeof(*table)); /* a chain without an end */
	ck_assert(!defines("abc"));
	table[8] = ~0u; /* beyond the file */
	ck_assert(!defines("abc"));
	table[2] = ~0u;
	ck_assert(!defines("abc"));
	table[0] = 0; /* no bucket */
	ck_assert(!defines("abc"));
	dynamic[3] = 0x5ffffff; /* in no segment */
	ck_assert(!defines("abc"));
	ph[4].p_offset = ~0ul; /* no dynamic section there */
	ck_assert(!defines("abc"));
	ph[4].p_filesz = ~0ul;
	ck_assert(!defines("abc"));
}
END_TEST

START_TEST(allocation_failures)
{
	make_dynamic();
	file_put(store());
	FAKE_EACH_FAILURE(n) {
		struct file *f;
		int r = t_open("/elf", O_RDONLY, 0, &f);

		why = NULL;
		if (!r)
			r = elf_open(f, &e, &why);
		if (!r) {
			r = elf_map(&e, s, 0x10000000);
			elf_close(&e);
		} else
			ck_assert_ptr_eq(e.file, NULL);
		ck_assert_msg(r == 0 || (fake_failed() && (r == -ENOMEM || r == -EFAULT)), "failure %u: %d", n, r);
		if (r == -ENOMEM)
			ck_assert_ptr_eq(why, NULL);
		OK(space_munmap(s, 0x10000000, 0x100000));
	}
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *suite = unit_suite_new("elf", &tc, setup, teardown);

	tcase_add_test(tc, not_elf);
	tcase_add_test(tc, short_files);
	tcase_add_test(tc, other_machines);
	tcase_add_test(tc, other_types);
	tcase_add_test(tc, program_header_table);
	tcase_add_test(tc, program_header_offset);
	tcase_add_test(tc, larger_in_the_file);
	tcase_add_test(tc, beyond_the_file);
	tcase_add_test(tc, addresses);
	tcase_add_test(tc, misaligned);
	tcase_add_test(tc, order);
	tcase_add_test(tc, nothing_to_load);
	tcase_add_test(tc, interpreter_paths);
	tcase_add_test(tc, static_file);
	tcase_add_test(tc, dynamic_file);
	tcase_add_test(tc, map_static);
	tcase_add_test(tc, map_at_a_bias);
	tcase_add_test(tc, headers_not_loaded);
	tcase_add_test(tc, bss_alone);
	tcase_add_test(tc, no_zeroing);
	tcase_add_test(tc, segments_share_a_page);
	tcase_add_test(tc, no_room);
	tcase_add_test(tc, cut_after_the_check);
	tcase_add_test(tc, symbols);
	tcase_add_test(tc, symbols_of_bad_tables);
	tcase_add_test(tc, allocation_failures);
	return suite;
}
