/* libFuzzer target: cpio archives, unpacked as the root file system is. First every entry is read and what the reader
 * promises of it is checked; then the archive is unpacked into a tmpfs, and the tree walked, read and taken down. */
#include "core/fs/cpio.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/fstest.h"

static void check_name(const struct cpio_entry *e)
{
	const char *p = e->name;

	fuzz_check(e->name_len < 4096 && strlen(p) >= e->name_len && *p != '/');
	while (*p) {
		size_t n = strcspn(p, "/");

		fuzz_check(n && n <= 255 && !(n == 2 && p[0] == '.' && p[1] == '.'));
		p += n + (p[n] == '/');
	}
}

static void read_entries(const uint8_t *data, size_t size)
{
	volatile uint8_t sum = 0;
	struct cpio_reader r;
	struct cpio_entry e;
	size_t before;
	int n;

	cpio_init(&r, data, size);
	do {
		before = r.off;
		n = cpio_next(&r, &e);
		if (n > 0) {
			fuzz_check(r.off > before && r.off <= size);
			check_name(&e);
			for (size_t i = 0; i < e.size; i++)
				sum = (uint8_t)(sum + e.data[i]);
		}
	} while (n > 0);
	fuzz_check(n == 0 || r.error);
}

static void walk(const char *dir, unsigned depth)
{
	struct t_entry e[40];
	char path[PATH_MAX], text[512];
	struct file *f;
	int n;

	if (depth > 6 || t_open(dir, O_RDONLY | O_DIRECTORY, 0, &f))
		return;
	n = t_readdir(f, e, ARRAY_SIZE(e));
	fuzz_check(n >= 0);
	for (int i = 0; i < n; i++) {
		struct file *g;

		if (!strcmp(e[i].name, ".") || !strcmp(e[i].name, "..") ||
		    (size_t)snprintf(path, sizeof(path), "%s/%s", dir, e[i].name) >= sizeof(path))
			continue;
		fuzz_check(t_inode(path));
		walk(path, depth + 1);
		if (!S_ISREG(t_inode(path)->mode) || t_open(path, O_RDWR, 0, &g))
			continue;
		(void)f_pread(g, text, sizeof(text), 0);
		fuzz_check(f_pwrite(g, "x", 1, 1) == 1);
		file_put(g);
		if (i % 2)
			(void)t_unlink(path);
	}
	file_put(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	uint8_t *copy = fuzz_copy(&in, &size);
	struct super *super;

	read_entries(copy, size);
	fake_boot(FUZZ_RAM);
	OK(tmpfs_new(&super, 0, 0755));
	fs_mount(super);
	(void)cpio_unpack(super, copy, size);
	walk("", 0);
	fs_teardown();
	free(copy);
	return 0;
}
