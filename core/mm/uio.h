/* User memory: copyin, copyout, strings, and struct uio for read and write.
 *
 * The raw copy (core/x86_64/copy.S) never sleeps; a fault in it ends it short. copyin and copyout fault the page in and go
 * on; they may sleep, so callers hold nothing that must not be held over a sleep. uio_read/uio_write (to and from kernel
 * buffers) do NOT sleep and may be short: the caller lets go of what it holds, calls uio_fault_in() and goes on. */
#ifndef CORE_MM_UIO_H
#define CORE_MM_UIO_H

#include "core/types.h"

/* 0 or -EFAULT. */
int copyin(void *dst, uptr_t src, size_t len);
int copyout(uptr_t dst, const void *src, size_t len);
int copyout_zero(uptr_t dst, size_t len);

/* NUL-terminated string: its length without the NUL, -EFAULT, or -ENAMETOOLONG when no NUL is within max bytes. */
long copyin_str(char *dst, uptr_t src, size_t max);
/* As a new kmalloc'ed string of at most max-1 characters; *out is the caller's to kfree. */
int copyin_strdup(char **out, uptr_t src, size_t max);
/* A path: at most PATH_MAX with its NUL; -ENOENT is the walker's business. */
int copyin_path(char **out, uptr_t src);

/* Raw, never sleep: bytes NOT copied (0: all), exact to the byte at the end of a page that can be accessed. What lies
 * outside the application's addresses is never touched and counts as not copied. */
size_t user_copy_in(void *dst, uptr_t src, size_t len);
size_t user_copy_out(uptr_t dst, const void *src, size_t len);
size_t user_zero(uptr_t dst, size_t len);
/* 32-bit atomics for futex, raw: 0 or -EFAULT (fault in and retry). */
int user_load32(uptr_t src, uint32_t *out);
int user_cmpxchg32(uptr_t dst, uint32_t old, uint32_t new_val, uint32_t *seen);

struct abi_iovec {
	uptr_t base;
	uint64_t len;
};

/* Where a transfer's bytes go to or come from: user iovecs, or one kernel buffer. Not to be copied elsewhere: iov may
 * point at `one` (saving one and putting it back in the same place is fine). */
struct uio {
	const struct abi_iovec *iov; /* NULL for a kernel buffer */
	unsigned iovcnt;
	size_t off;      /* into iov[0]; may be its end */
	size_t resid;    /* bytes left */
	char *kbuf;      /* for a kernel buffer: next byte */
	bool to_user;    /* the transfer writes to it (read(2)) */
	struct abi_iovec one; /* storage for the plain case */
};

/* A single user buffer; a kernel buffer. */
static inline void uio_user(struct uio *u, uptr_t base, size_t len, bool to_user)
{
	u->one.base = base;
	u->one.len = len;
	u->iov = &u->one;
	u->iovcnt = 1;
	u->off = 0;
	u->resid = len;
	u->kbuf = NULL;
	u->to_user = to_user;
}
void uio_kernel(struct uio *u, void *base, size_t len, bool to_user);
/* readv/writev: copies the vector in (iovcnt ≤ IOV_MAX; *heap is to be kfree'd afterwards, may be NULL), checks lengths:
 * 0, -EINVAL, -EFAULT, -ENOMEM. */
int uio_iovec(struct uio *u, uptr_t iov, unsigned iovcnt, bool to_user, struct abi_iovec **heap);

/* Copy up to n bytes into (put) or out of (take) the uio and advance it. Return the bytes moved: fewer than
 * min(n, resid) only when a page is missing. Never sleep. */
size_t uio_put(struct uio *u, const void *src, size_t n);
size_t uio_take(struct uio *u, void *dst, size_t n);
size_t uio_put_zero(struct uio *u, size_t n);
void uio_skip(struct uio *u, size_t n);

/* Makes the next bytes (up to n) accessible: 0 or -EFAULT when not even one is. May sleep. */
int uio_fault_in(struct uio *u, size_t n);

#endif
