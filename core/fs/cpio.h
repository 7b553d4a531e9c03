/* Reader for cpio archives in the "new ASCII" format (newc, cpio(5); the Linux kernel's buffer-format.rst). */
#ifndef CORE_FS_CPIO_H
#define CORE_FS_CPIO_H

#include "core/types.h"

struct cpio_reader {
	const uint8_t *data;
	size_t len, off;
	const char *error; /* what is wrong, after -EINVAL; static */
};

struct cpio_entry {
	const char *name; /* terminated, within the archive; without leading "./"; "" for the root itself */
	size_t name_len;
	uint32_t ino, mode, uid, gid, nlink, mtime;
	uint32_t dev_major, dev_minor, rdev_major, rdev_minor;
	const uint8_t *data; /* within the archive */
	size_t size;
};

static inline void cpio_init(struct cpio_reader *r, const void *data, size_t len)
{
	*r = (struct cpio_reader){ data, len, 0, NULL };
}

/* The next entry: 1; 0 at the end (the trailer of the last archive: several may follow each other, with zeroes
 * between); -EINVAL. Names are checked: relative, no "..", no empty or overlong component. */
int cpio_next(struct cpio_reader *r, struct cpio_entry *e);

#endif
