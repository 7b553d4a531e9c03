/* madvise(2), msync(2) and mincore(2): what programs say and ask about ranges of mapped memory.
 *
 * All three go through the VMAs of a range, do what they can, and report a hole with ENOMEM at the end. What concerns
 * files may sleep and is done without the space's lock, on a reference to the file; the next VMA is then looked up by
 * address. MADV_FREE discards at once, which the manual page allows; hints that would only change speed are accepted and
 * have no effect. */
#include "core/file/file.h"
#include "core/lib/string.h"
#include "core/mm/page.h"
#include "core/mm/pagecache.h"
#include "core/mm/space_impl.h"
#include "core/sched.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"

#define WILLNEED_MAX 512 /* pages */

/* Advice that a VMA carries: flags to set and to clear. */
static bool advice_flags(int advice, unsigned *set, unsigned *clear)
{
	*set = *clear = 0;
	switch (advice) {
	case MADV_DONTFORK: *set = VMA_DONTFORK; return true;
	case MADV_DOFORK: *clear = VMA_DONTFORK; return true;
	case MADV_DONTDUMP: *set = VMA_DONTDUMP; return true;
	case MADV_DODUMP: *clear = VMA_DONTDUMP; return true;
	case MADV_WIPEONFORK: *set = VMA_WIPEONFORK; return true;
	case MADV_KEEPONFORK: *clear = VMA_WIPEONFORK; return true;
	}
	return false;
}

static bool advice_known(int advice)
{
	return (advice >= MADV_NORMAL && advice <= MADV_DONTNEED) ||
	       (advice >= MADV_FREE && advice <= MADV_DONTNEED_LOCKED);
}

/* Reads pages of a file, as many as a hint is worth. */
static void will_need(struct file *f, uint64_t first, uint64_t n)
{
	struct page *p;

	for (uint64_t i = first; i < first + MIN(n, (uint64_t)WILLNEED_MAX); i++) {
		if (pagecache_get(&f->inode->cache, i, &p))
			return;
		page_put(p);
		if (sched_point())
			return;
	}
}

static int punch_hole(struct file *f, uint64_t off, uint64_t len)
{
	struct inode *inode = f->inode;
	int r = -EOPNOTSUPP;

	mutex_lock(&inode->lock);
	if (inode->ops->fallocate)
		r = inode->ops->fallocate(inode, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, len);
	mutex_unlock(&inode->lock);
	return r;
}

/* MADV_WILLNEED, MADV_REMOVE on [start, end) of v: gives the lock back meanwhile. */
static int advise_file(struct space *s, struct vma *v, vaddr_t start, vaddr_t end, int advice)
{
	uint64_t index = vma_index(v, start), n = (end - start) >> PAGE_SHIFT;
	struct file *f = v->file;
	int r = 0;

	if (!f)
		return advice == MADV_REMOVE ? -EINVAL : 0;
	if (advice == MADV_REMOVE && (!(v->flags & VMA_SHARED) || !(v->flags & VMA_MAYWRITE)))
		return -EACCES;
	file_get(f);
	mutex_unlock(&s->lock);
	if (advice == MADV_REMOVE)
		r = punch_hole(f, index << PAGE_SHIFT, n << PAGE_SHIFT);
	else
		will_need(f, index, n);
	file_put(f);
	mutex_lock(&s->lock);
	return r;
}

/* One VMA's part of the range. */
static int advise(struct space *s, struct vma *v, vaddr_t start, vaddr_t end, int advice)
{
	bool private_anon = !v->file && !(v->flags & VMA_SHARED);
	unsigned set, clear;
	int r;

	if (advice_flags(advice, &set, &clear)) {
		if (advice == MADV_WIPEONFORK && !private_anon)
			return -EINVAL;
		r = space_isolate(s, start, end);
		if (r)
			return r;
		v = space_find(s, start);
		v->flags = (v->flags & ~clear) | set;
		space_merge(s, start, end);
		return 0;
	}
	switch (advice) {
	case MADV_FREE:
		if (!private_anon)
			return -EINVAL;
		/* fall through */
	case MADV_DONTNEED:
		if (v->flags & VMA_LOCKED)
			return -EINVAL;
		/* fall through */
	case MADV_DONTNEED_LOCKED:
		entries_zap(s, start, end, ZAP_ANON | ZAP_FILE | ZAP_SLEEP);
		return 0;
	case MADV_REMOVE:
		if (v->flags & VMA_LOCKED)
			return -EINVAL;
		return advise_file(s, v, start, end, advice);
	case MADV_WILLNEED:
		return advise_file(s, v, start, end, advice);
	}
	return 0;
}

/* The part of [at, end) in one VMA, which must allow the access by name: -EINVAL, -ENOMEM for a hole. */
static int populate_part(struct space *s, vaddr_t at, vaddr_t end, unsigned access, vaddr_t *stop)
{
	struct vma *v;
	int r = -ENOMEM;

	mutex_lock(&s->lock);
	v = space_find(s, at);
	if (v && v->start <= at) {
		*stop = MIN(v->end, end);
		r = v->prot & access ? 0 : -EINVAL;
	}
	mutex_unlock(&s->lock);
	return r ? r : space_populate(s, at, *stop, access);
}

/* MADV_POPULATE_READ and _WRITE have errors of their own. */
static int advise_populate(struct space *s, vaddr_t start, vaddr_t end, int advice)
{
	unsigned access = advice == MADV_POPULATE_WRITE ? PROT_WRITE : PROT_READ;
	int r = 0;

	for (vaddr_t at = start; at < end && !r; at = start)
		r = populate_part(s, at, end, access, &start);
	return r == -EIO ? -EFAULT : r == -EACCES ? -EINVAL : r;
}

/* The end of a range as the three calls check it: -EINVAL when it begins in a page, `overflow` when it wraps around. What
 * lies beyond the application's addresses is a hole like others. */
static int check_range(vaddr_t addr, size_t len, int overflow, vaddr_t *end)
{
	if (addr & PAGE_MASK)
		return -EINVAL;
	if (len > ALIGN_UP(len, PAGE_SIZE) || __builtin_add_overflow(addr, ALIGN_UP(len, PAGE_SIZE), end))
		return overflow;
	return 0;
}

int space_madvise(struct space *s, vaddr_t addr, size_t len, int advice)
{
	bool hole = false;
	vaddr_t end, at;
	int r;

	if (!advice_known(advice))
		return -EINVAL;
	r = check_range(addr, len, -EINVAL, &end);
	if (r || addr == end)
		return r;
	if (advice == MADV_POPULATE_READ || advice == MADV_POPULATE_WRITE)
		return advise_populate(s, addr, end, advice);
	mutex_lock(&s->lock);
	for (at = addr; at < end && !r;) {
		struct vma *v = space_find(s, at);
		vaddr_t stop;

		if (!v || v->start >= end) {
			hole = true;
			break;
		}
		hole |= v->start > at;
		at = MAX(at, v->start);
		stop = MIN(v->end, end);
		r = advise(s, v, at, stop, advice);
		at = stop;
	}
	mutex_unlock(&s->lock);
	return r ? r : hole ? -ENOMEM : 0;
}

/* ---- msync ---- */

int space_msync(struct space *s, vaddr_t addr, size_t len, unsigned flags)
{
	bool hole = false;
	vaddr_t end, at;
	int r, err = 0;

	if ((flags & ~(unsigned)(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) || (flags & MS_ASYNC && flags & MS_SYNC))
		return -EINVAL;
	r = check_range(addr, len, -ENOMEM, &end);
	if (r)
		return r;
	mutex_lock(&s->lock);
	for (at = addr; at < end && !err;) {
		struct vma *v = space_find(s, at);
		struct file *f;
		uint64_t first, last;

		if (!v || v->start >= end) {
			hole = true;
			break;
		}
		hole |= v->start > at;
		if ((flags & MS_INVALIDATE) && (v->flags & VMA_LOCKED)) {
			err = -EBUSY;
			break;
		}
		at = MAX(at, v->start);
		first = vma_index(v, at);
		at = MIN(v->end, end);
		last = vma_index(v, at) - 1;
		f = v->file;
		if (!f || !(flags & MS_SYNC) || !(v->flags & VMA_SHARED))
			continue;
		file_get(f);
		mutex_unlock(&s->lock);
		err = pagecache_sync(&f->inode->cache, first, last);
		file_put(f);
		mutex_lock(&s->lock);
	}
	mutex_unlock(&s->lock);
	return err ? err : hole ? -ENOMEM : 0;
}

/* ---- mincore ---- */

/* One byte a page of [start, end), which v maps. */
static void residency(struct space *s, struct vma *v, vaddr_t start, vaddr_t end, unsigned char *vec)
{
	for (vaddr_t va = start; va < end; va += PAGE_SIZE) {
		bool huge;
		pte_t *e = pt_walk(s->root, va, false, &huge);
		bool here = e && pte_used(*e);

		if (!here && v->file) {
			struct page *p = pagecache_find(&v->file->inode->cache, vma_index(v, va));

			here = p != NULL;
			if (p)
				page_put(p);
		}
		*vec++ = here;
	}
}

int space_mincore(struct space *s, vaddr_t addr, size_t len, unsigned char *vec)
{
	vaddr_t end, at;
	int r = check_range(addr, len, -ENOMEM, &end);

	if (r)
		return r;
	mutex_lock(&s->lock);
	for (at = addr; at < end;) {
		struct vma *v = space_find(s, at);
		vaddr_t stop;

		if (!v || v->start > at) {
			r = -ENOMEM;
			break;
		}
		stop = MIN(v->end, end);
		residency(s, v, at, stop, vec + ((at - addr) >> PAGE_SHIFT));
		at = stop;
	}
	mutex_unlock(&s->lock);
	return r;
}
