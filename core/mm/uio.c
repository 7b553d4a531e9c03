/* User memory: copyin, copyout and struct uio.
 *
 * All of it stands on the raw copies of core/x86_64/copy.S, which end short at a page that is not there. What may sleep
 * (copyin and copyout, uio_fault_in) then has space_fault_in() provide the page and goes on; what may not (uio_put,
 * uio_take) reports the short count. A range that is not the application's at all fails in the same way: first short,
 * then -EFAULT. Progress: space_fault_in() succeeds only if the page can be accessed, so a copy that is interrupted again
 * at the same byte without an error is one whose page was reclaimed meanwhile, and is simply repeated. */
#include "core/mm/uio.h"
#include "core/fs/vfs.h"
#include "core/lib/string.h"
#include "core/mm/slab.h"
#include "core/mm/space.h"
#include "shim/abi/errno.h"
#include "shim/abi/mman.h"

#define STR_CHUNK 256 /* bytes of a string copied at a time */
#define IOV_MAX   1024
#define MAX_RW_COUNT 0x7ffff000ul /* read(2): the most that one call transfers */
#define LINUX_TASK_SIZE 0x7ffffffff000ul /* a vector that reaches beyond it fails as a whole */

/* ---- whole objects ---- */

/* Makes the page that holds addr accessible: 0 or -EFAULT. */
static int fault_in_page(uptr_t addr, unsigned access)
{
	return space_fault_in(addr, 1, access) ? -EFAULT : 0;
}

int copyin(void *dst, uptr_t src, size_t len)
{
	size_t left;

	while (unlikely((left = user_copy_in(dst, src, len)) != 0)) {
		dst = (char *)dst + (len - left);
		src += len - left;
		len = left;
		if (fault_in_page(src, PROT_READ))
			return -EFAULT;
	}
	return 0;
}

int copyout(uptr_t dst, const void *src, size_t len)
{
	size_t left;

	while (unlikely((left = user_copy_out(dst, src, len)) != 0)) {
		dst += len - left;
		src = (const char *)src + (len - left);
		len = left;
		if (fault_in_page(dst, PROT_WRITE))
			return -EFAULT;
	}
	return 0;
}

int copyout_zero(uptr_t dst, size_t len)
{
	size_t left;

	while (unlikely((left = user_zero(dst, len)) != 0)) {
		dst += len - left;
		len = left;
		if (fault_in_page(dst, PROT_WRITE))
			return -EFAULT;
	}
	return 0;
}

/* ---- strings ---- */

long copyin_str(char *dst, uptr_t src, size_t max)
{
	size_t len = 0;

	while (len < max) {
		/* Up to the end of the page: what lies behind the NUL need not exist. */
		size_t n = MIN(max - len, PAGE_SIZE - ((src + len) & PAGE_MASK)), left;
		char *end;

		n = MIN(n, (size_t)STR_CHUNK);
		left = user_copy_in(dst + len, src + len, n);
		end = memchr(dst + len, '\0', n - left);
		if (end)
			return end - dst;
		len += n - left;
		if (left && fault_in_page(src + len, PROT_READ))
			return -EFAULT;
	}
	return -ENAMETOOLONG;
}

int copyin_strdup(char **out, uptr_t src, size_t max)
{
	size_t cap = MIN(max, (size_t)STR_CHUNK);
	char *s = NULL;

	for (;;) {
		char *bigger = krealloc(s, cap);
		long n;

		if (!bigger) {
			kfree(s);
			return -ENOMEM;
		}
		s = bigger;
		n = copyin_str(s, src, cap);
		if (n >= 0) {
			*out = s;
			return 0;
		}
		if (n == -EFAULT || cap == max) {
			kfree(s);
			return (int)n;
		}
		cap = MIN(max, cap * 8);
	}
}

int copyin_path(char **out, uptr_t src)
{
	return copyin_strdup(out, src, PATH_MAX);
}

/* ---- uio ---- */

void uio_kernel(struct uio *u, void *base, size_t len, bool to_user)
{
	u->iov = NULL;
	u->iovcnt = 0;
	u->off = 0;
	u->resid = len;
	u->kbuf = base;
	u->to_user = to_user;
}

/* readv(2): a negative length, or a sum that is no ssize_t, is EINVAL; the sum is cut at MAX_RW_COUNT. */
static int iovec_total(const struct abi_iovec *v, unsigned n, size_t *total)
{
	size_t sum = 0;

	for (unsigned i = 0; i < n; i++) {
		if (v[i].len > INT64_MAX || __builtin_add_overflow(sum, v[i].len, &sum) || sum > INT64_MAX)
			return -EINVAL;
		if (v[i].len > LINUX_TASK_SIZE || v[i].base > LINUX_TASK_SIZE - v[i].len)
			return -EFAULT;
	}
	*total = MIN(sum, (size_t)MAX_RW_COUNT);
	return 0;
}

int uio_iovec(struct uio *u, uptr_t iov, unsigned iovcnt, bool to_user, struct abi_iovec **heap)
{
	struct abi_iovec *v = &u->one;
	int r;

	*heap = NULL;
	u->one = (struct abi_iovec){ 0 }; /* what a vector of none points at */
	if (iovcnt > IOV_MAX)
		return -EINVAL;
	if (iovcnt > 1) {
		v = kmalloc(iovcnt * sizeof(*v));
		if (!v)
			return -ENOMEM;
	}
	r = copyin(v, iov, iovcnt * sizeof(*v));
	if (!r)
		r = iovec_total(v, iovcnt, &u->resid);
	if (r) {
		if (v != &u->one)
			kfree(v);
		return r;
	}
	if (v != &u->one)
		*heap = v;
	u->iov = v;
	u->iovcnt = iovcnt;
	u->off = 0;
	u->kbuf = NULL;
	u->to_user = to_user;
	return 0;
}

static void next_segment(struct uio *u)
{
	u->off -= u->iov->len;
	u->iov++;
	u->iovcnt--;
}

void uio_skip(struct uio *u, size_t n)
{
	n = MIN(n, u->resid);
	u->resid -= n;
	if (!u->iov) {
		u->kbuf += n;
		return;
	}
	u->off += n;
	while (unlikely(u->off > u->iov->len))
		next_segment(u);
}

enum transfer { PUT, TAKE, ZERO };

/* Moves n ≤ resid bytes between the uio and buf; the bytes moved. */
static size_t transfer(struct uio *u, enum transfer what, char *buf, size_t n)
{
	size_t done = 0;

	while (done < n) {
		size_t len, left = 0;
		uptr_t at;

		if (!u->iov) {
			len = n - done;
			if (what == PUT)
				memcpy(u->kbuf, buf, len);
			else if (what == TAKE)
				memcpy(buf, u->kbuf, len);
			else
				memset(u->kbuf, 0, len);
		} else {
			while (u->off == u->iov->len)
				next_segment(u);
			len = MIN(n - done, u->iov->len - u->off);
			at = u->iov->base + u->off;
			if (what == PUT)
				left = user_copy_out(at, buf + done, len);
			else if (what == TAKE)
				left = user_copy_in(buf + done, at, len);
			else
				left = user_zero(at, len);
		}
		uio_skip(u, len - left);
		done += len - left;
		if (left)
			break;
	}
	return done;
}

/* Most often all bytes lie in one segment of the application's: then there is nothing to loop over. */
static bool in_segment(const struct uio *u, size_t n) { return likely(u->iov && n <= u->iov->len - u->off); }

static uptr_t segment_at(const struct uio *u) { return u->iov->base + u->off; }

static size_t advance(struct uio *u, size_t n)
{
	u->off += n;
	u->resid -= n;
	return n;
}

size_t uio_put(struct uio *u, const void *src, size_t n)
{
	n = MIN(n, u->resid);
	if (in_segment(u, n))
		return advance(u, n - user_copy_out(segment_at(u), src, n));
	return transfer(u, PUT, (char *)src, n);
}

size_t uio_take(struct uio *u, void *dst, size_t n)
{
	n = MIN(n, u->resid);
	if (in_segment(u, n))
		return advance(u, n - user_copy_in(dst, segment_at(u), n));
	return transfer(u, TAKE, dst, n);
}

size_t uio_put_zero(struct uio *u, size_t n)
{
	n = MIN(n, u->resid);
	if (in_segment(u, n))
		return advance(u, n - user_zero(segment_at(u), n));
	return transfer(u, ZERO, NULL, n);
}

int uio_fault_in(struct uio *u, size_t n)
{
	unsigned access = u->to_user ? PROT_WRITE : PROT_READ;
	const struct abi_iovec *v = u->iov;
	size_t off = u->off, got = 0;

	n = MIN(n, u->resid);
	if (!v || n == 0)
		return 0;
	while (got < n) {
		uptr_t at = v->base + off;
		size_t len = MIN(n - got, v->len - off), step = MIN(len, PAGE_SIZE - (at & PAGE_MASK));

		if (step && space_fault_in(at, step, access))
			return got ? 0 : -EFAULT;
		got += step;
		off += step;
		if (off >= v->len) {
			v++;
			off = 0;
		}
	}
	return 0;
}
