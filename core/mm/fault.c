/* The page fault, and what else needs pages at once: kernel access, populating, private copies for code patching.
 *
 * A fault holds the space's lock, but not while a page is read: the VMA is then looked up again, and the fault starts over
 * unless everything is as it was. Allocation never sleeps, but may reclaim pages of files, which takes their entries away
 * (never a table: entry pointers stay good, their values do not).
 *
 * Fault-around. What a fault costs beside a page is the platform's to say (plat_fault_pages()); how many pages it provides
 * follows from that and from what the program did before:
 *   in sequence   a run of faults at ascending addresses gets twice as many pages each time, up to ANON_MAX;
 *   dear faults   out of sequence, the more the denser the surroundings are in use;
 *   fresh memory  with dear faults, at least ANON_FRESH pages, for what is not touched of them costs nothing.
 * Anonymous memory comes in physically contiguous pieces. Private copies of pages of files follow the same rules, where
 * faults are dear. For reading, what is cached of the aligned 64 KiB around the fault is mapped with it. */
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

#define FAULT_DEAR 2u   /* a fault costs this many pages or more */
#define ANON_FRESH 16u  /* pages */
#define ANON_MAX   128u
#define AROUND_MAX 16u
#define TABLE_SPAN (512 * PAGE_SIZE)
#define FAULT_AGAIN 1 /* something slept: look everything up again */

struct fault {
	struct space *s;
	struct vma *v;
	vaddr_t va;      /* page aligned */
	unsigned access; /* PROT_ */
	pte_t *e;        /* the entry for va */
	bool read;       /* a page had to be read: a major fault */
	unsigned cost;   /* plat_fault_pages() */
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

/* ---- how much at once ---- */

/* How many pages this fault is worth, if there are so many to provide. Out of sequence, each page of the surroundings that
 * is in use makes it likelier that the next ones will be; a fault saved pays for f->cost of them. */
static unsigned fault_run(const struct fault *f)
{
	vaddr_t block, start, end;
	unsigned used = 0;

	if (f->va == f->v->fault_next)
		return MIN(f->v->fault_run * 2, ANON_MAX);
	if (f->cost < FAULT_DEAR)
		return 1;
	block = ALIGN_DOWN(f->va, AROUND_MAX * PAGE_SIZE);
	start = MAX(block, f->v->start);
	end = MIN(block + AROUND_MAX * PAGE_SIZE, f->v->end);
	for (const pte_t *e = f->e - ((f->va - start) >> PAGE_SHIFT); start < end; start += PAGE_SIZE, e++)
		used += (*e & PTE_ANON) != 0;
	return 1 + used * f->cost / AROUND_MAX;
}

/* The fault asked for `run` pages and got `done`: where it would go on, and with how many. */
static void fault_ran(struct fault *f, unsigned run, unsigned done)
{
	f->v->fault_run = run;
	f->v->fault_next = f->va + done * PAGE_SIZE;
}

/* Up to where entries can be reached from f->e and belong to the VMA. */
static vaddr_t fault_end(const struct fault *f)
{
	return MIN(f->v->end, ALIGN_DOWN(f->va, TABLE_SPAN) + TABLE_SPAN);
}

/* Up to n pages, a power of two, in one piece: the first, and how many in *got. Only a single page is worth reclaiming
 * for. NULL when RAM is short. */
static struct page *pages_get(unsigned n, unsigned flags, unsigned *got)
{
	unsigned order = 31 - (unsigned)__builtin_clz(n);
	struct page *p = order ? page_alloc(order, PA_NORECLAIM | flags) : NULL;

	*got = 1;
	if (!p)
		return page_alloc(0, flags);
	page_split(p, order);
	*got = 1u << order;
	return p;
}

/* ---- anonymous memory ---- */

/* How many entries from f->va on are empty, up to n, of which the first is. */
static unsigned anon_missing(const struct fault *f, unsigned n)
{
	vaddr_t end = fault_end(f);
	unsigned i = 1;

	while (i < n && f->va + i * PAGE_SIZE < end && !pte_used(f->e[i]))
		i++;
	return i;
}

static void anon_fill(struct fault *f, unsigned at, struct page *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		f->e[at + i] = entry_make(f->v, p + i, true);
	f->s->rss_anon += n;
}

/* Never used memory, where that is worth it: how many pages. */
static unsigned anon_fresh(struct fault *f, unsigned run)
{
	unsigned got;
	struct page *p = pages_get(anon_missing(f, MAX(run, ANON_FRESH)), PA_FRESH, &got);

	if (!p)
		return 0;
	anon_fill(f, 0, p, got);
	return got;
}

static int fault_anon(struct fault *f)
{
	unsigned run = fault_run(f), fresh = f->cost < FAULT_DEAR ? 0 : anon_fresh(f, run), done = fresh, n, got;

	for (n = fresh ? fresh : anon_missing(f, run); done < n; done += got) {
		struct page *p = pages_get(n - done, PA_ZERO | (done ? PA_NORECLAIM : 0), &got);

		if (!p)
			break;
		anon_fill(f, done, p, got);
	}
	if (!done)
		return -ENOMEM;
	fault_ran(f, MAX(run, fresh), done);
	plat_space_map(f->s->plat, f->va, done * PAGE_SIZE, fresh);
	return 0;
}

/* ---- private copies ---- */

/* The page that a private copy of the entry for f->va + i pages would be made of, with a reference; NULL if none is at
 * hand. */
static struct page *copy_source(const struct fault *f, unsigned i)
{
	pte_t e = f->e[i];

	if (!pte_used(e))
		return pagecache_find(&f->v->file->inode->cache, vma_index(f->v, f->va) + i);
	if (!(e & PTE_P) || (e & PTE_ANON))
		return NULL;
	page_get(entry_page(e));
	return entry_page(e);
}

/* How many pages to copy from f->va on, of which the first is known. */
static unsigned copy_window(const struct fault *f)
{
	unsigned run = f->v->file && f->cost >= FAULT_DEAR ? MIN(fault_run(f), AROUND_MAX) : 1, n;
	vaddr_t end = fault_end(f);

	for (n = 1; n < run && f->va + n * PAGE_SIZE < end; n++) {
		struct page *p = copy_source(f, n);

		if (!p)
			break;
		page_put(p);
	}
	return n;
}

/* Puts p in the place of what the entry for f->va + i pages holds. True when the old page was there for the program. */
static bool entry_replace(struct fault *f, unsigned i, struct page *p)
{
	pte_t old = f->e[i];

	f->e[i] = entry_make(f->v, p, true);
	f->s->rss_anon++;
	if (pte_used(old)) {
		if (old & PTE_ANON)
			f->s->rss_anon--;
		else
			f->s->rss_file--;
		page_put(entry_page(old));
	}
	return old & PTE_P;
}

/* Puts a private copy of page `from` in the entry, in place of what it holds; and copies of what follows, if it is likely to
 * be written, too. */
static int entry_copy(struct fault *f, struct page *from)
{
	unsigned n = copy_window(f), got;
	struct page *p;
	bool shown;

	page_get(from); /* the allocation may take it out of its cache */
	p = pages_get(n, 0, &got);
	if (p)
		page_copy(page_va(p), page_va(from));
	page_put(from);
	if (!p)
		return -ENOMEM;
	shown = entry_replace(f, 0, p);
	for (unsigned i = 1; i < got; i++) { /* more than one page: nothing was reclaimed for them */
		from = copy_source(f, i);
		page_copy(page_va(p + i), page_va(from));
		page_put(from);
		shown |= entry_replace(f, i, p + i);
	}
	fault_ran(f, n, got);
	if (shown)
		plat_space_unmap(f->s->plat, f->va, got * PAGE_SIZE);
	plat_space_map(f->s->plat, f->va, got * PAGE_SIZE, false);
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
			plat_space_map(f->s->plat, run, va - run, false);
		run = va + PAGE_SIZE;
	}
	if (run < end)
		plat_space_map(f->s->plat, run, end - run, false);
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
	struct fault f = { .s = s, .va = ALIGN_DOWN(addr, PAGE_SIZE), .access = access, .cost = plat_fault_pages() };
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
	struct fault f = { .s = s, .va = ALIGN_DOWN(va, PAGE_SIZE), .access = PROT_READ, .cost = 1 };
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
