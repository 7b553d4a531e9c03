/* ELF files: checking and mapping (System V ABI, x86-64 psABI, elf(5)).
 *
 * elf_open() believes nothing: the headers must lie within the file, segments must ascend without sharing pages wrongly,
 * and addresses must stay in the application's range. elf_map() then only maps: file pages privately, the rest of each
 * segment anonymously, and zeroes what follows the file's bytes in the last shared page. PT_TLS is libc's business. */
#include "core/lib/string.h"
#include "core/mm/slab.h"
#include "core/mm/uio.h"
#include "loader/loader.h"
#include "shim/abi/errno.h"
#include "shim/abi/mman.h"

static int read_exactly(struct file *f, void *buf, size_t len, uint64_t off)
{
	struct uio u;
	long n;

	if (off > INT64_MAX - len)
		return -ENOEXEC;
	uio_kernel(&u, buf, len, true);
	n = file_pread(f, &u, (int64_t)off);
	if (n < 0)
		return (int)n;
	return (size_t)n == len ? 0 : -ENOEXEC;
}

static int check_header(const struct elf64_ehdr *h, const char **why)
{
	if (memcmp(h->e_ident, "\177ELF", 4))
		*why = "not an ELF file";
	else if (h->e_ident[EI_CLASS] != ELFCLASS64)
		*why = "not a 64-bit ELF file";
	else if (h->e_ident[EI_DATA] != ELFDATA2LSB || h->e_machine != EM_X86_64)
		*why = "an ELF file for another machine than x86-64";
	else if (h->e_type != ET_EXEC && h->e_type != ET_DYN)
		*why = "an ELF file that is no executable (wrong type)";
	else if (h->e_phentsize != sizeof(struct elf64_phdr))
		*why = "malformed ELF: wrong size of program headers";
	else if (!h->e_phnum || h->e_phnum > ELF_PHNUM_MAX)
		*why = "malformed ELF: no program headers, or too many";
	else
		return 0;
	return -ENOEXEC;
}

/* One PT_LOAD after another: ascending, within the file, within the address range; *prev_end is where the last one ended. */
static int check_load(struct elf_image *e, const struct elf64_phdr *p, uint64_t file_size, uint64_t *prev_end, const char **why)
{
	uint64_t end = p->p_vaddr + p->p_memsz;

	if (p->p_filesz > p->p_memsz)
		*why = "malformed ELF: a segment is larger in the file than in memory";
	else if (p->p_offset > file_size || p->p_filesz > file_size - p->p_offset)
		*why = "truncated ELF: a segment lies beyond the end of the file";
	else if (end < p->p_vaddr || end > USER_MAX || (e->eh.e_type == ET_EXEC && p->p_vaddr < USER_MIN))
		*why = end > USER_MAX && end >= p->p_vaddr ? "its addresses are above the application range (a sanitizer build?)"
							   : "malformed ELF: a segment's address is out of range";
	else if ((p->p_vaddr ^ p->p_offset) & PAGE_MASK && p->p_filesz)
		*why = "malformed ELF: a segment is not aligned with its file offset";
	else if (p->p_vaddr < *prev_end)
		*why = "malformed ELF: segments overlap or do not ascend";
	else {
		*prev_end = end;
		return 0;
	}
	return -ENOEXEC;
}

static int read_interp(struct elf_image *e, const struct elf64_phdr *p, const char **why)
{
	*why = "malformed ELF: bad interpreter path";
	if (e->interp || p->p_filesz < 2 || p->p_filesz > PATH_MAX)
		return -ENOEXEC;
	e->interp = kmalloc(p->p_filesz);
	if (!e->interp)
		return -ENOMEM;
	int r = read_exactly(e->file, e->interp, p->p_filesz, p->p_offset);

	if (!r && e->interp[p->p_filesz - 1])
		r = -ENOEXEC;
	return r;
}

static int check_segments(struct elf_image *e, const char **why)
{
	uint64_t prev_end = 0;
	bool any = false;
	int r = 0;

	for (unsigned i = 0; i < e->eh.e_phnum && !r; i++) {
		const struct elf64_phdr *p = &e->ph[i];

		switch (p->p_type) {
		case PT_LOAD:
			if (!p->p_memsz)
				break;
			r = check_load(e, p, e->file->inode->size, &prev_end, why);
			if (!any)
				e->low = ALIGN_DOWN(p->p_vaddr, PAGE_SIZE);
			any = true;
			e->high = ALIGN_UP(prev_end, PAGE_SIZE);
			break;
		case PT_INTERP:
			r = read_interp(e, p, why);
			break;
		case PT_GNU_STACK:
			e->exec_stack = p->p_flags & PF_X;
			break;
		}
	}
	if (!r && !any) {
		*why = "malformed ELF: nothing to load";
		r = -ENOEXEC;
	}
	return r;
}

int elf_open(struct file *file, struct elf_image *e, const char **why)
{
	size_t size;
	int r;

	*e = (struct elf_image){ .file = file };
	*why = "truncated ELF: no whole header";
	r = read_exactly(file, &e->eh, sizeof(e->eh), 0);
	if (!r)
		r = check_header(&e->eh, why);
	if (r)
		goto out;
	size = e->eh.e_phnum * sizeof(*e->ph);
	e->ph = kmalloc(size);
	r = -ENOMEM;
	if (!e->ph)
		goto out;
	*why = "truncated ELF: the program headers lie beyond the end of the file";
	r = read_exactly(file, e->ph, size, e->eh.e_phoff);
	if (!r)
		r = check_segments(e, why);
out:
	if (r)
		elf_close(e);
	if (r != -ENOEXEC) /* nothing is wrong with the file */
		*why = NULL;
	return r;
}

void elf_close(struct elf_image *e)
{
	if (e->file)
		file_put(e->file);
	kfree(e->ph);
	kfree(e->interp);
	*e = (struct elf_image){ 0 };
}

static unsigned segment_prot(const struct elf64_phdr *p)
{
	return (p->p_flags & PF_R ? PROT_READ : 0) | (p->p_flags & PF_W ? PROT_WRITE : 0) | (p->p_flags & PF_X ? PROT_EXEC : 0);
}

static int map_fixed(struct space *s, uint64_t from, uint64_t to, unsigned prot, struct file *f, uint64_t pgoff)
{
	long r;

	if (from >= to)
		return 0;
	r = space_mmap(s, from, to - from, prot, MAP_PRIVATE | MAP_FIXED | (f ? 0 : MAP_ANONYMOUS), f, pgoff, NULL);
	return r < 0 ? (int)r : 0;
}

static int map_segment(struct elf_image *e, struct space *s, const struct elf64_phdr *p)
{
	uint64_t start = e->bias + p->p_vaddr, file_end = start + p->p_filesz, end = start + p->p_memsz;
	uint64_t first = ALIGN_DOWN(start, PAGE_SIZE), anon = ALIGN_UP(file_end, PAGE_SIZE), last = ALIGN_UP(end, PAGE_SIZE);
	unsigned prot = segment_prot(p);
	int r;

	if (!p->p_filesz)
		return map_fixed(s, first, last, prot, NULL, 0);
	r = map_fixed(s, first, anon, prot, e->file, p->p_offset >> PAGE_SHIFT);
	if (!r)
		r = map_fixed(s, anon, last, prot, NULL, 0);
	/* What follows the file's bytes in their last page reads as zero. Without write permission it keeps the file's
	 * bytes, as on Linux. */
	if (!r && end > file_end && anon > file_end && (prot & PROT_WRITE))
		r = copyout_zero(file_end, anon - file_end);
	return r;
}

int elf_map(struct elf_image *e, struct space *s, uint64_t bias)
{
	e->bias = bias;
	for (unsigned i = 0; i < e->eh.e_phnum; i++) {
		const struct elf64_phdr *p = &e->ph[i];
		int r = p->p_type == PT_LOAD && p->p_memsz ? map_segment(e, s, p) : 0;

		if (r)
			return r;
	}
	return 0;
}

/* ---- symbols ---- */

/* Where in the file the byte at an address of the image is; 0: nowhere. */
static uint64_t file_offset(const struct elf_image *e, uint64_t vaddr)
{
	for (unsigned i = 0; i < e->eh.e_phnum; i++) {
		const struct elf64_phdr *p = &e->ph[i];

		if (p->p_type == PT_LOAD && vaddr >= p->p_vaddr && vaddr - p->p_vaddr < p->p_filesz)
			return p->p_offset + (vaddr - p->p_vaddr);
	}
	return 0;
}

/* The table that finds the dynamic symbols by hash: its place in the file, or 0. */
static uint64_t hash_table(const struct elf_image *e)
{
	struct { uint64_t tag, value; } d[64];

	for (unsigned i = 0; i < e->eh.e_phnum; i++) {
		const struct elf64_phdr *p = &e->ph[i];
		size_t n = MIN(p->p_filesz / sizeof(*d), ARRAY_SIZE(d));

		if (p->p_type != PT_DYNAMIC || read_exactly(e->file, d, n * sizeof(*d), p->p_offset))
			continue;
		for (size_t k = 0; k < n && d[k].tag; k++)
			if (d[k].tag == DT_GNU_HASH)
				return file_offset(e, d[k].value);
	}
	return 0;
}

bool elf_defines(const struct elf_image *e, const char *name)
{
	struct { uint32_t buckets, first, bloom, shift; } h;
	uint64_t at = hash_table(e), bucket;
	uint32_t hash = 5381, word;

	if (!at || read_exactly(e->file, &h, sizeof(h), at) || !h.buckets)
		return false;
	while (*name)
		hash = hash * 33 + (unsigned char)*name++;
	bucket = at + sizeof(h) + 8ul * h.bloom;
	if (read_exactly(e->file, &word, sizeof(word), bucket + 4ul * (hash % h.buckets)) || word < h.first)
		return false;
	/* The hashes of the bucket's symbols; the last has its lowest bit set. They are as good as the names here. */
	at = bucket + 4ul * h.buckets + 4ul * (word - h.first);
	for (int n = 0; n < 64 && !read_exactly(e->file, &word, sizeof(word), at); n++, at += sizeof(word)) {
		if ((word | 1) == (hash | 1))
			return true;
		if (word & 1)
			break;
	}
	return false;
}

uint64_t elf_phdr_address(const struct elf_image *e)
{
	for (unsigned i = 0; i < e->eh.e_phnum; i++) {
		const struct elf64_phdr *p = &e->ph[i];

		if (p->p_type == PT_LOAD && e->eh.e_phoff >= p->p_offset && e->eh.e_phoff - p->p_offset < p->p_filesz)
			return e->bias + p->p_vaddr + (e->eh.e_phoff - p->p_offset);
	}
	return 0;
}
