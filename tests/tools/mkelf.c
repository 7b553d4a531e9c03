/* Writes executables, good and bad in one way each, into a directory, and prints "NAME STATUS" for each: the exit status
 * that `doppel run` owes. Good ones exit with 42. */
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BASE 0x400000ul
#define CODE 0x200 /* file offset of the code */
#define SIZE 0x1800

struct image {
	unsigned char bytes[SIZE];
	size_t size;
};

static Elf64_Ehdr *eh(struct image *m) { return (Elf64_Ehdr *)m->bytes; }
static Elf64_Phdr *ph(struct image *m) { return (Elf64_Phdr *)(m->bytes + sizeof(Elf64_Ehdr)); }

/* mov $60,%eax; mov $42,%edi; syscall */
static const unsigned char code[] = { 0xb8, 60, 0, 0, 0, 0xbf, 42, 0, 0, 0, 0x0f, 0x05, 0xf4 };

/* Segments: 0 code, 1 data (page 1 of the file, with bss), 2 free for use (PT_NULL). */
static struct image good(void)
{
	static struct image m;

	memset(&m, 0, sizeof(m));
	m.size = SIZE;
	memcpy(eh(&m)->e_ident, ELFMAG, SELFMAG);
	eh(&m)->e_ident[EI_CLASS] = ELFCLASS64;
	eh(&m)->e_ident[EI_DATA] = ELFDATA2LSB;
	eh(&m)->e_ident[EI_VERSION] = EV_CURRENT;
	eh(&m)->e_type = ET_EXEC;
	eh(&m)->e_machine = EM_X86_64;
	eh(&m)->e_version = EV_CURRENT;
	eh(&m)->e_entry = BASE + CODE;
	eh(&m)->e_phoff = sizeof(Elf64_Ehdr);
	eh(&m)->e_ehsize = sizeof(Elf64_Ehdr);
	eh(&m)->e_phentsize = sizeof(Elf64_Phdr);
	eh(&m)->e_phnum = 3;
	ph(&m)[0] = (Elf64_Phdr){ PT_LOAD, PF_R | PF_X, 0, BASE, BASE, 0x1000, 0x1000, 0x1000 };
	ph(&m)[1] = (Elf64_Phdr){ PT_LOAD, PF_R | PF_W, 0x1000, BASE + 0x1000, BASE + 0x1000, 0x800, 0x3000, 0x1000 };
	ph(&m)[2] = (Elf64_Phdr){ .p_type = PT_NULL };
	memcpy(m.bytes + CODE, code, sizeof(code));
	return m;
}

static const char *dir;

static void put(const char *name, const struct image *m, int status)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);

	if (fd < 0 || write(fd, m->bytes, m->size) != (ssize_t)m->size) {
		perror(path);
		exit(1);
	}
	close(fd);
	chmod(path, 0755);
	printf("%s %d\n", name, status);
}

/* CHANGE is applied to m (a fresh good image), and the file written. */
#define CASE(NAME, STATUS, ...) \
	do { \
		struct image m = good(); \
		__VA_ARGS__; \
		put(NAME, &m, STATUS); \
	} while (0)

static void interp(struct image *m, const char *path, size_t len)
{
	ph(m)[2] = (Elf64_Phdr){ PT_INTERP, PF_R, 0x300, BASE + 0x300, BASE + 0x300, len, len, 1 };
	memcpy(m->bytes + 0x300, path, strlen(path) + 1);
}

static void truncated(void)
{
	static const unsigned at[] = { 0, 1, 3, 4, 15, 16, 63, 64, 65, 119, 120, 175, 176, 231, 0x201, 0x17ff & ~0x7ff };

	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		char name[32];

		snprintf(name, sizeof(name), "truncated-%u", at[i]);
		CASE(name, 126, m.size = at[i]);
	}
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	dir = argv[1];
	CASE("good", 42, (void)0);
	CASE("good-unsorted-null", 42, ph(&m)[2] = ph(&m)[1]; ph(&m)[1] = (Elf64_Phdr){ .p_type = PT_NULL });
	CASE("good-empty-segment", 42, ph(&m)[2] = (Elf64_Phdr){ PT_LOAD, PF_R, 0, BASE + 0x9000, 0, 0, 0, 0x1000 });
	CASE("good-bss-only", 42, ph(&m)[1].p_filesz = 0);
	CASE("good-pie", 42, eh(&m)->e_type = ET_DYN; eh(&m)->e_entry = CODE; ph(&m)[0].p_vaddr = 0; ph(&m)[1].p_vaddr = 0x1000);
	truncated();
	CASE("bad-magic", 126, m.bytes[0] = 0x7e);
	CASE("bad-class", 126, eh(&m)->e_ident[EI_CLASS] = ELFCLASS32);
	CASE("bad-data", 126, eh(&m)->e_ident[EI_DATA] = ELFDATA2MSB);
	CASE("bad-machine", 126, eh(&m)->e_machine = EM_AARCH64);
	CASE("bad-type-rel", 126, eh(&m)->e_type = ET_REL);
	CASE("bad-type-core", 126, eh(&m)->e_type = ET_CORE);
	CASE("bad-phentsize", 126, eh(&m)->e_phentsize = 55);
	CASE("phnum-0", 126, eh(&m)->e_phnum = 0);
	CASE("phnum-huge", 126, eh(&m)->e_phnum = 0xffff);
	CASE("phnum-1171", 126, eh(&m)->e_phnum = 1171);
	CASE("phoff-beyond", 126, eh(&m)->e_phoff = 1ul << 40);
	CASE("phoff-wraps", 126, eh(&m)->e_phoff = -8ul);
	CASE("nothing-to-load", 126, ph(&m)[0].p_type = ph(&m)[1].p_type = PT_NOTE);
	CASE("beyond-file", 126, ph(&m)[1].p_offset = 0x100000);
	CASE("filesz-beyond-file", 126, ph(&m)[1].p_filesz = 0x2000);
	CASE("filesz-above-memsz", 126, ph(&m)[1].p_memsz = 0x10);
	CASE("offset-wraps", 126, ph(&m)[1].p_offset = -0x1000ul);
	CASE("memsz-wraps", 126, ph(&m)[1].p_memsz = -0x2000ul);
	CASE("memsz-huge", 126, ph(&m)[1].p_memsz = 1ul << 46);
	CASE("overlap", 126, ph(&m)[1].p_vaddr = BASE);
	CASE("descending", 126, ph(&m)[1].p_vaddr = BASE - 0x10000);
	CASE("unaligned", 126, ph(&m)[1].p_vaddr += 0x123);
	CASE("address-0", 126, ph(&m)[0].p_vaddr = 0);
	CASE("address-high", 126, ph(&m)[1].p_vaddr = 0x400000000000);
	CASE("address-kernel", 126, ph(&m)[1].p_vaddr = 0xffffffff80000000);
	CASE("entry-nowhere", 139, eh(&m)->e_entry = 0x12345678);
	CASE("entry-kernel", 139, eh(&m)->e_entry = 0xffffffff80000000);
	CASE("entry-noncanonical", 139, eh(&m)->e_entry = 0x8000000000000000);
	CASE("interp-missing", 127, interp(&m, "/no/such/ld.so", 15));
	CASE("interp-directory", 126, interp(&m, "/tmp", 5));
	CASE("interp-no-elf", 126, interp(&m, "/etc/passwd", 12));
	CASE("interp-unterminated", 126, interp(&m, "/lib64/ld.so", 5));
	CASE("interp-empty", 126, interp(&m, "", 1));
	CASE("interp-beyond-file", 126, interp(&m, "/lib64/ld.so", 13); ph(&m)[2].p_offset = 0x7fffffff);
	CASE("interp-long", 126, interp(&m, "/lib64/ld.so", 5000));
	return 0;
}
