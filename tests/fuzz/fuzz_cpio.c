/* libFuzzer target: cpio archives. Reads every entry as core/fs/cpio.c does when it unpacks, and looks at all the bytes
 * that an entry claims to have. Needs core/fs/cpio.c alone; what that file's unpacking calls is never reached. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs/cpio.h"
#include "core/fs/tmpfs.h"
#include "core/mm/slab.h"
#include "core/printf.h"

struct inode *inode_get(struct inode *i) { abort(); }
void inode_put(struct inode *i) { abort(); }
void *kmalloc(size_t size) { abort(); }
void *kzalloc(size_t size) { abort(); }
void kfree(const void *p) { abort(); }
void kprintf(const char *fmt, ...) { abort(); }
void tmpfs_file_data(struct inode *inode, const void *data, size_t len) { abort(); }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(const struct cpio_entry *e)
{
	const char *p = e->name;

	if (e->name_len >= 4096 || strlen(p) < e->name_len || *p == '/')
		abort();
	while (*p) {
		size_t n = strcspn(p, "/");

		if (!n || n > 255 || !strncmp(p, "../", 3) || !strcmp(p, ".."))
			abort();
		p += n + (p[n] == '/');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
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
			if (r.off <= before || r.off > size)
				abort();
			check_name(&e);
			for (size_t i = 0; i < e.size; i++)
				sum = (uint8_t)(sum + e.data[i]);
		}
	} while (n > 0);
	if (n < 0 && !r.error)
		abort();
	return 0;
}
