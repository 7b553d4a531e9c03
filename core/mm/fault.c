/* The page fault, and what else needs pages at once: kernel access, populating, private copies for code patching.
 *
 * A fault holds the space's lock, but not while a page is read: the VMA is then looked up again, and the fault starts over
 * unless everything is as it was. Allocation never sleeps, but may reclaim pages of files, which takes their entries away
 * (never a table: entry pointers stay good, their values do not).
 *
 * Fault-around. Anonymous memory: a run of faults at ascending addresses gets twice as many pages each time, up to
 * ANON_MAX, in physically contiguous pieces; any other fault gets ANON_FIRST pages. Files: what is cached of the aligned 64 KiB
 * around the fault is mapped with it, but only for reading, and never on a write to a private mapping, which copies. */
#include "core/file/file.h"
#include "core/mm/page.h"
#include "core/mm/pagecache.h"
#include "core/mm/space_impl.h"
#include "core/printf.h"
#include "core/proc/proc.h"
#include "core/sched.h"
#include "shim/abi/errno.h"
#include "shim/abi/resource.h"

#define WRITEBACK_PAGES 32 /* written back at once when a fault finds no memory */

/* Anonymous memory, pages: for a fault out of sequence, and the most for a sequential run. A fault costs linuxu a host
 * signal and a mapping, far more than a page that is provided and not used. */
#define ANON_FIRST 4
#define ANON_MAX   128

#define AROUND_MAX 16 /* pages */
#define TABLE_SPAN (512 * PAGE_SIZE)
#define FAULT_AGAIN 1 /* something slept: look everything up again */

struct fault {
	struct space *s;
	struct vma *v;
	vaddr_t va;      /* page aligned */
	unsigned access; /* PROT_ */
	pte_t *e;        /* the entry for va */
	bool read;       /* a page had to be read: a major fault */
};

static struct page *entry_page(pte_t e)
{
	return pa_to_page(pte_pa(e));
}

/* ---- access rights and growing stacks ---- */

/* x86 cannot forbid reading of what may be written or executed. */
static bool vma_allows(const struct vma *v, unsigned access)
{
	return (v->prot & (access == PROT_READ ? PROT_ANY : access)) != 0;
}

static bool entry_allows(pte_t e, unsigned access)
{
	if (!(e & PTE_P))
		return false;
	return access == PROT_WRITE ? (e & PTE_W) != 0 : access == PROT_EXEC ? !(e & PTE_NX) : true;
}

/* v grows down to hold va: RLIMIT_STACK, RLIMIT_AS and the guard gap above the next mapping allow it, or not. */
static bool vma_grow_down(struct vma *v, vaddr_t va)
{
	struct space *s = v->space;
	struct vma *below = vma_below(s, v->start);
	size_t more = v->start - va;

	if (v->end - va > proc_rlimit(RLIMIT_STACK) || !space_may_add(s, more >> PAGE_SHIFT) || va < USER_MIN)
		return false;
	if (below && (below->end > va || ((below->prot & PROT_ANY) && va - below->end < STACK_GUARD_GAP)))
		return false;
	v->pgoff -= more >> PAGE_SHIFT;
	v->start = va;
	s->total_pages += more >> PAGE_SHIFT;
	return true;
}

/* The VMA for a fault at va with these rights: 0, -EFAULT or -EACCES. */
static int find_vma(struct space *s, vaddr_t va, unsigned access, struct vma **out)
{
	struct vma *v = space_find(s, va);

	if (!v || (v->start > va && !((v->flags & VMA_GROWSDOWN) && !v->file && vma_grow_down(v, va))))
		return -EFAULT;
	*out = v;
	return vma_allows(v, access) ? 0 : -EACCES;
}

/* ---- anonymous memory ---- */

/* How many pages to provide from f->va on, of which f->va's is missing. */
static unsigned anon_window(struct fault *f)
{
	struct vma *v = f->v;
	vaddr_t end = MIN(v->end, ALIGN_DOWN(f->va, TABLE_SPAN) + TABLE_SPAN);
	unsigned run = ANON_FIRST, n;

	if (f->va == v->fault_next)
		run = MIN(v->fault_run * 2, (unsigned)ANON_MAX);
	for (n = 1; n < run && f->va + n * PAGE_SIZE < end && !pte_used(f->e[n]); n++)
		;
	v->fault_run = run;
	v->fault_next = f->va + n * PAGE_SIZE;
	return n;
}

/* Up to n zeroed pages, a power of two, in one piece: the first, and how many in *got. Only the first page is worth
 * reclaiming for. NULL when RAM is short. */
static struct page *anon_pages(unsigned n, unsigned flags, unsigned *got)
{
	unsigned order = 31 - (unsigned)__builtin_clz(n);
	struct page *p = order ? page_alloc(order, PA_ZERO | PA_NORECLAIM) : NULL;

	*got = 1;
	if (!p)
		return page_alloc(0, PA_ZERO | flags);
	page_split(p, order);
	*got = 1u << order;
	return p;
}

static int fault_anon(struct fault *f)
{
	unsigned n = anon_window(f), done = 0, got;

	while (done < n) {
		struct page *p = anon_pages(n - done, done ? PA_NORECLAIM : 0, &got);

		if (!p)
			break;
		for (unsigned i = 0; i < got; i++, done++)
			f->e[done] = entry_make(f->v, p + i, true);
	}
	if (!done)
		return -ENOMEM;
	f->s->rss_anon += done;
	plat_space_map(f->s->plat, f->va, done * PAGE_SIZE);
	return 0;
}

/* ---- private copies ---- */

/* Puts a private copy of page `from` in the entry, in place of what it holds. */
static int entry_copy(struct fault *f, struct page *from)
{
	bool shown = (*f->e & PTE_P) != 0;
	struct page *p;

	page_get(from); /* the allocation may take it out of its cache */
	p = page_alloc(0, 0);
	if (p)
		page_copy(page_va(p), page_va(from));
	page_put(from);
	if (!p)
		return -ENOMEM;
	if (pte_used(*f->e)) {
		if (*f->e & PTE_ANON)
			f->s->rss_anon--;
		else
			f->s->rss_file--;
		page_put(entry_page(*f->e));
	}
	*f->e = entry_make(f->v, p, true);
	f->s->rss_anon++;
	if (shown)
		plat_space_unmap(f->s->plat, f->va, PAGE_SIZE);
	plat_space_map(f->s->plat, f->va, PAGE_SIZE);
	return 0;
}

/* ---- pages of files ---- */

/* The page of the file for f->va, with a reference. FAULT_AGAIN when it had to be read and things have changed. */
static int file_page(struct fault *f, struct page **out)
{
	struct file *file = f->v->file;
	struct pagecache *c = &file->inode->cache;
	uint64_t index = vma_index(f->v, f->va);
	struct vma *v;
	int r;

	*out = pagecache_find(c, index);
	if (*out)
		return 0;
	file_get(file);
	mutex_unlock(&f->s->lock);
	r = pagecache_get(c, index, out);
	mutex_lock(&f->s->lock);
	f->read = true;
	v = space_find(f->s, f->va);
	if (!r && (!v || v != f->v || v->file != file || v->start > f->va || vma_index(v, f->va) != index ||
		   !vma_allows(v, f->access) || (*out)->cache != c)) {
		page_put(*out);
		r = FAULT_AGAIN;
	}
	/* The reference may be the last one by now, and giving that up may sleep. */
	if (file->refs == 1) {
		if (!r)
			page_put(*out);
		mutex_unlock(&f->s->lock);
		file_put(file);
		mutex_lock(&f->s->lock);
		return r < 0 ? r : FAULT_AGAIN;
	}
	file_put(file);
	return r;
}

/* Maps p, whose reference becomes the entry's. */
static void file_map(struct fault *f, pte_t *e, struct page *p)
{
	p->flags |= PG_MAPPED;
	*e = entry_make(f->v, p, false);
	f->s->rss_file++;
}

/* Maps what is cached around f->va, which has its page already, and tells the platform: of runs of new entries only. */
static void file_around(struct fault *f)
{
	struct inode *inode = f->v->file->inode;
	vaddr_t window = ALIGN_DOWN(f->va, AROUND_MAX * PAGE_SIZE);
	vaddr_t start = MAX(f->v->start, window), end = MIN(f->v->end, window + AROUND_MAX * PAGE_SIZE), run = start;
	uint64_t beyond = ALIGN_UP(inode->size, PAGE_SIZE) >> PAGE_SHIFT;
	pte_t *e = f->e - ((f->va - start) >> PAGE_SHIFT);

	for (vaddr_t va = start; va < end; va += PAGE_SIZE, e++) {
		uint64_t index = vma_index(f->v, va);
		struct page *p;

		if (va == f->va)
			continue;
		p = pte_used(*e) || index >= beyond ? NULL : pagecache_find(&inode->cache, index);
		if (p) {
			file_map(f, e, p);
			continue;
		}
		if (run < va)
			plat_space_map(f->s->plat, run, va - run);
		run = va + PAGE_SIZE;
	}
	if (run < end)
		plat_space_map(f->s->plat, run, end - run);
}

/* A write to a shared page: the cache and the file system learn that it changes. */
static void file_written(struct fault *f, struct page *p)
{
	if (p->flags & PG_DIRTY)
		return;
	pagecache_dirty(p);
	inode_now(f->v->file->inode, ATTR_MTIME | ATTR_CTIME);
}

static int fault_file(struct fault *f)
{
	bool write = f->access == PROT_WRITE;
	struct page *p;
	int r = file_page(f, &p);

	if (r)
		return r == -ENOMEM || r == FAULT_AGAIN ? r : -EIO;
	/* The table may have been unmapped and the entry filled while the page was read. */
	f->e = pt_walk(f->s->root, f->va, true, &(bool){ 0 });
	if (!f->e || pte_used(*f->e)) {
		page_put(p);
		return f->e ? FAULT_AGAIN : -ENOMEM;
	}
	if (p->cache != &f->v->file->inode->cache) { /* reclaimed by that allocation */
		page_put(p);
		return FAULT_AGAIN;
	}
	if (write && !(f->v->flags & VMA_SHARED)) {
		r = entry_copy(f, p);
		page_put(p);
		return r;
	}
	if (write)
		file_written(f, p);
	file_map(f, f->e, p);
	file_around(f);
	return 0;
}

/* ---- the fault ---- */

/* The entry has a page, but does not allow the access that the VMA allows. */
static int fault_rights(struct fault *f)
{
	struct page *p = entry_page(*f->e);

	if (f->access == PROT_WRITE && !(f->v->flags & VMA_SHARED) && (!(*f->e & PTE_ANON) || p->refs > 1))
		return entry_copy(f, p);
	if (f->access == PROT_WRITE && !(*f->e & PTE_ANON))
		file_written(f, p);
	*f->e = entry_make(f->v, p, *f->e & PTE_ANON);
	plat_space_protect(f->s->plat, f->va, PAGE_SIZE);
	return 0;
}

static int fault_once(struct fault *f)
{
	bool huge;
	int r = find_vma(f->s, f->va, f->access, &f->v);

	if (r)
		return r;
	f->e = pt_walk(f->s->root, f->va, true, &huge);
	if (!f->e)
		return -ENOMEM;
	kassert(!huge);
	if (entry_allows(*f->e, f->access))
		return 0;
	if (pte_used(*f->e))
		return fault_rights(f);
	return f->v->file ? fault_file(f) : fault_anon(f);
}

int space_fault(struct space *s, vaddr_t addr, unsigned access)
{
	struct fault f = { .s = s, .va = ALIGN_DOWN(addr, PAGE_SIZE), .access = access };
	int r;

	if (addr >= USER_MAX)
		return -EFAULT;
retry:
	mutex_lock(&s->lock);
	do
		r = fault_once(&f);
	while (r == FAULT_AGAIN);
	if (r == -ENOMEM) {
		/* Dirty pages of files could make room: written back, they can be reclaimed. */
		mutex_unlock(&s->lock);
		if (pagecache_writeback(WRITEBACK_PAGES))
			goto retry;
		return r;
	}
	s->rss_peak = MAX(s->rss_peak, s->rss_anon + s->rss_file);
	if (f.read)
		s->faults_major++;
	else
		s->faults_minor++;
	mutex_unlock(&s->lock);
	return r;
}

/* ---- for the kernel ---- */

int space_fault_in(vaddr_t addr, size_t len, unsigned access)
{
	struct proc *p = current_proc();
	vaddr_t end;

	if (len == 0)
		return 0;
	if (!p || !p->space || __builtin_add_overflow(addr, len, &end) || end > USER_MAX)
		return -EFAULT;
	for (vaddr_t va = ALIGN_DOWN(addr, PAGE_SIZE); va < end; va += PAGE_SIZE) {
		bool huge;
		pte_t *e = pt_walk(p->space->root, va, false, &huge);

		if (e && entry_allows(*e, access))
			continue;
		if (space_fault(p->space, va, access))
			return -EFAULT;
	}
	return 0;
}

int space_populate(struct space *s, vaddr_t start, vaddr_t end, unsigned access)
{
	unsigned n = 0;
	int r;

	for (vaddr_t va = start; va < end; va += PAGE_SIZE) {
		bool huge;
		pte_t *e = pt_walk(s->root, va, false, &huge);

		if (!(e && entry_allows(*e, access))) {
			r = space_fault(s, va, access);
			if (r)
				return r;
		}
		if (++n % 64 == 0 && sched_point())
			return -EINTR;
	}
	return 0;
}

void *space_private_page(struct space *s, vaddr_t va)
{
	struct fault f = { .s = s, .va = ALIGN_DOWN(va, PAGE_SIZE), .access = PROT_READ };
	struct page *p = NULL;
	bool huge;

	/* Make it present, then private; again if it has left before the lock is taken. */
	for (;;) {
		if (space_fault(s, va, PROT_READ))
			return NULL;
		mutex_lock(&s->lock);
		f.e = pt_walk(s->root, f.va, false, &huge);
		if (f.e && pte_used(*f.e))
			break;
		mutex_unlock(&s->lock);
	}
	f.v = space_find(s, f.va);
	if (!(f.v->flags & VMA_SHARED)) {
		p = entry_page(*f.e);
		if (!(*f.e & PTE_ANON) || p->refs > 1)
			p = entry_copy(&f, p) ? NULL : entry_page(*f.e);
	}
	mutex_unlock(&s->lock);
	return p ? page_va(p) : NULL;
}
