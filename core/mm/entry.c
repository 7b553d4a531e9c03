/* The page-table entries of an address space: taking them away, changing their rights, moving them.
 *
 * Every function tells the platform what it did before it returns, and before other threads can run. Rights of an entry
 * follow from its VMA and its page in one place, entry_make():
 * - A private page (PTE_ANON) is writable when this entry holds its only reference; else a write copies it (PTE_COW).
 * - A page of a file's cache is never writable in a private mapping (PTE_COW); in a shared one it is once it is dirty, so
 *   that the first write after a write-back comes to space_fault().
 * - PROT_NONE keeps the page and clears PTE_P.
 *
 * space_unmap_inode() and space_clean_inode() are called without the space's lock and out of page_alloc(): they change
 * leaf entries, free no table and never sleep. So after any allocation, entries of file pages may be gone. */
#include "core/file/file.h"
#include "core/mm/page.h"
#include "core/mm/pagecache.h"
#include "core/mm/space_impl.h"
#include "core/printf.h"
#include "core/sched.h"
#include "shim/abi/errno.h"

#define ZAP_BATCH 4096 /* entries between two points where others may run */

static struct page *entry_page(pte_t e)
{
	return pa_to_page(pte_pa(e));
}

/* All of an entry but its address. */
static pte_t entry_rights(const struct vma *v, const struct page *p, bool anon)
{
	bool shared = v->flags & VMA_SHARED, writable;
	pte_t e = PTE_U | PTE_A | (anon ? PTE_ANON : 0);

	if (!(v->prot & PROT_EXEC))
		e |= PTE_NX;
	if (!(v->prot & PROT_ANY))
		return e | PTE_NONE;
	e |= PTE_P;
	if (!(v->prot & PROT_WRITE))
		return e;
	writable = anon ? p->refs == 1 : shared && (p->flags & PG_DIRTY);
	if (writable)
		return e | PTE_W | PTE_D;
	return shared ? e : e | PTE_COW;
}

pte_t entry_make(const struct vma *v, const struct page *p, bool anon)
{
	return page_to_pa(p) | entry_rights(v, p, anon);
}

/* Takes one entry away: its page's reference and its place in the statistics. */
static void entry_clear(struct space *s, pte_t *e)
{
	pte_t old = *e;

	*e = 0;
	if (old & PTE_ANON)
		s->rss_anon--;
	else
		s->rss_file--;
	page_put(entry_page(old));
}

void entries_zap(struct space *s, vaddr_t start, vaddr_t end, unsigned what)
{
	vaddr_t at, low = end, high = start;
	size_t n = 0;
	bool huge;

	for (pte_t *e = pt_next(s->root, start, end, &at, &huge); e; e = pt_step(s->root, e, &at, end)) {
		kassert(!huge);
		if (!(what & (*e & PTE_ANON ? ZAP_ANON : ZAP_FILE)))
			continue;
		if (*e & PTE_P) {
			low = MIN(low, at);
			high = at + PAGE_SIZE;
		}
		entry_clear(s, e);
		if (++n % ZAP_BATCH == 0 && (what & ZAP_SLEEP)) {
			if (low < high)
				plat_space_unmap(s->plat, low, high - low);
			low = end;
			sched_point(); /* killed or not: what was begun is done */
		}
	}
	if (low < high)
		plat_space_unmap(s->plat, low, high - low);
}

void entries_protect(struct vma *v, vaddr_t start, vaddr_t end)
{
	struct space *s = v->space;
	vaddr_t at, low = end, high = start;
	bool gone = false, huge;

	for (pte_t *e = pt_next(s->root, start, end, &at, &huge); e; e = pt_step(s->root, e, &at, end)) {
		pte_t old = *e;

		*e = pte_pa(old) | entry_rights(v, entry_page(old), old & PTE_ANON);
		low = MIN(low, at);
		high = at + PAGE_SIZE;
		gone |= (old & PTE_P) && !(*e & PTE_P);
	}
	if (low >= high)
		return;
	if (gone)
		plat_space_unmap(s->plat, low, high - low);
	else
		plat_space_protect(s->plat, low, high - low);
}

int entries_move(struct space *s, vaddr_t from, vaddr_t to, size_t len)
{
	vaddr_t end = from + len, at, low = end, high = from;
	bool huge;

	/* All tables first: then nothing can fail half-way. The caller prunes them if it must. */
	for (pte_t *e = pt_next(s->root, from, end, &at, &huge); e; e = pt_step(s->root, e, &at, end)) {
		if (!pt_walk(s->root, at - from + to, true, &huge))
			return -ENOMEM;
	}
	for (pte_t *e = pt_next(s->root, from, end, &at, &huge); e; e = pt_step(s->root, e, &at, end)) {
		*pt_walk(s->root, at - from + to, false, &huge) = *e;
		*e = 0;
		low = MIN(low, at);
		high = at + PAGE_SIZE;
	}
	if (low < high) {
		plat_space_unmap(s->plat, low, high - low);
		plat_space_map(s->plat, low - from + to, high - low, false);
	}
	return 0;
}

/* ---- by inode ---- */

/* Addresses at which v maps pages [first, last] of its file. */
static bool vma_range(const struct vma *v, uint64_t first, uint64_t last, vaddr_t *start, vaddr_t *end)
{
	uint64_t v_last = v->pgoff + vma_pages(v) - 1;

	if (first > v_last || last < v->pgoff)
		return false;
	first = MAX(first, v->pgoff);
	last = MIN(last, v_last);
	*start = v->start + ((first - v->pgoff) << PAGE_SHIFT);
	*end = v->start + ((last - v->pgoff + 1) << PAGE_SHIFT);
	return true;
}

void space_unmap_inode(struct inode *inode, uint64_t first, uint64_t last, bool even_cow)
{
	vaddr_t start, end;

	list_each(l, &inode->cache.vmas) {
		struct vma *v = list_entry(l, struct vma, inode_link);

		if (vma_range(v, first, last, &start, &end))
			entries_zap(v->space, start, end, even_cow ? ZAP_FILE | ZAP_ANON : ZAP_FILE);
	}
}

static void vma_clean(struct vma *v, vaddr_t start, vaddr_t end)
{
	struct space *s = v->space;
	vaddr_t at, low = end, high = start;
	bool huge;

	for (pte_t *e = pt_next(s->root, start, end, &at, &huge); e; e = pt_step(s->root, e, &at, end)) {
		if (!(*e & PTE_W))
			continue;
		*e &= ~(PTE_W | PTE_D);
		low = MIN(low, at);
		high = at + PAGE_SIZE;
	}
	if (low < high)
		plat_space_protect(s->plat, low, high - low);
}

void space_clean_inode(struct inode *inode, uint64_t first, uint64_t last)
{
	vaddr_t start, end;

	list_each(l, &inode->cache.vmas) {
		struct vma *v = list_entry(l, struct vma, inode_link);

		if ((v->flags & VMA_SHARED) && vma_range(v, first, last, &start, &end))
			vma_clean(v, start, end);
	}
}
