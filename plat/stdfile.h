/* A standard stream that is a regular file on the host: what can be asked of it beside writing at its position. The
 * requests are the same from core to the platform (plat_stdio_call()) and from the kvm guest to tools/doppel (CTL_CALL in
 * plat/ctl.h); each is one call of the host on the descriptor that the program was given. */
#ifndef PLAT_STDFILE_H
#define PLAT_STDFILE_H

#include <stdint.h>

enum stdfile_op {
	STDFILE_READ,     /* read(2), or pread(2) at offset `at`, of at most `len` bytes */
	STDFILE_WRITE,    /* write(2), or pwrite(2) at offset `at` whatever O_APPEND says, of `len` bytes */
	STDFILE_SEEK,     /* lseek(2) to `at`; `len` is whence */
	STDFILE_TRUNCATE, /* ftruncate(2) to `at` */
	STDFILE_SYNC,     /* fsync(2); fdatasync(2) with a nonzero `len` */
	STDFILE_APPEND,   /* O_APPEND on or off, by `len` */
	STDFILE_STAT,     /* fstat(2) into a struct stdfile_stat; the result is the position */
	STDFILE_PATH,     /* the name of /proc/self/fd/N, not terminated, of at most `len` bytes */
	STDFILE_CHMOD,    /* fchmod(2) to `at` */
	STDFILE_CHOWN,    /* fchown(2) to user `at`, group `len`; UINT32_MAX: as it is */
	STDFILE_ATIME,    /* futimens(2) of this one: `at` seconds, `len` nanoseconds or UTIME_NOW */
	STDFILE_MTIME,
	STDFILE_REOPEN,   /* from now on the platform reads, writes and truncates at offsets through a second open file, O_RDWR */
	STDFILE_FALLOC,   /* fallocate(2) of `len` bytes from `at`, with the mode (STDFILE_MODE) above the op */
};

#define STDFILE_OP(op)     ((op) & 0xffu)
#define STDFILE_MODE(op)   ((op) >> 8)

#define STDFILE_HERE (-1) /* `at`: the file's own position, which moves */
#define STDFILE_END  (-2) /* `at` of a write: the end of the file; the position stays */
#define STDFILE_MAX  65536u /* bytes that one request carries */

struct stdfile_call {
	uint32_t op, fd;
	int64_t at;
	uint64_t len;
};

/* struct stat of the x86-64 ABI. */
struct stdfile_stat {
	uint64_t dev, ino, nlink;
	uint32_t mode, uid, gid, pad;
	uint64_t rdev;
	int64_t size, blksize, blocks;
	int64_t atime, atime_nsec, mtime, mtime_nsec, ctime, ctime_nsec, unused[3];
};
_Static_assert(sizeof(struct stdfile_stat) == 144, "struct stat");

#endif
