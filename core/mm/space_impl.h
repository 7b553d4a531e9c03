/* What the files that implement core/mm/space.h share. All of it wants the space's lock, unless it says otherwise. */
#ifndef CORE_MM_SPACE_IMPL_H
#define CORE_MM_SPACE_IMPL_H

#include "core/mm/space.h"
#include "shim/abi/mman.h"

struct page;

#define PROT_ANY (PROT_READ | PROT_WRITE | PROT_EXEC)

static inline size_t vma_pages(const struct vma *v) { return (v->end - v->start) >> PAGE_SHIFT; }
static inline uint64_t vma_index(const struct vma *v, vaddr_t va) { return v->pgoff + ((va - v->start) >> PAGE_SHIFT); }

/* ---- the tree of VMAs (space.c) ---- */

/* The VMA with the greatest start below addr; NULL if none. */
struct vma *vma_below(struct space *s, vaddr_t addr);

/* Splits the VMAs at start and at end, so that each lies either inside or outside. 0 or -ENOMEM. */
int space_isolate(struct space *s, vaddr_t start, vaddr_t end);

/* Merges neighbours that are alike, from the one before start to the one after end. */
void space_merge(struct space *s, vaddr_t start, vaddr_t end);

/* A copy of v (with its own file reference) for [start, end), not yet in the tree; v->start maps to start. NULL when RAM
 * is short. */
struct vma *vma_copy(const struct vma *v, vaddr_t start, vaddr_t end);
void vma_insert(struct space *s, struct vma *v);

/* Takes all mappings of [start, end) away. The VMAs go to `dead`, to be freed by vma_free_list() after the lock has been
 * given back, since the last reference to a file may sleep on locks that come before the space's. */
int space_unmap(struct space *s, vaddr_t start, vaddr_t end, struct list *dead);
void vma_free_list(struct list *dead);

/* Where a mapping of len bytes goes: hint if there is room, else the highest gap; 0 when there is none. */
vaddr_t space_place(struct space *s, vaddr_t hint, size_t len, unsigned flags);
/* Nothing is mapped in [start, end), nor grows down close above it. */
bool space_range_free(struct space *s, vaddr_t start, vaddr_t end);

/* Whether so many more pages are within RLIMIT_AS, and reasonable for the RAM there is (accounted ones). */
bool space_may_add(const struct space *s, size_t pages);
bool space_enough_ram(size_t pages);

/* Faults [start, end) in, without the lock: 0 or the first error of space_fault(); -EINTR when killed. */
int space_populate(struct space *s, vaddr_t start, vaddr_t end, unsigned access);

/* A breakpoint for debuggers: called when a file has been mapped with PROT_EXEC. */
void debug_file_mapped(void);

/* ---- page-table entries (entry.c) ---- */

enum {
	ZAP_ANON = 1,  /* private pages */
	ZAP_FILE = 2,  /* pages of a page cache */
	ZAP_SLEEP = 4, /* may let others run now and then */
};
void entries_zap(struct space *s, vaddr_t start, vaddr_t end, unsigned what);
/* v->prot has changed: brings its entries in [start, end) into line. */
void entries_protect(struct vma *v, vaddr_t start, vaddr_t end);
/* Moves the entries of [from, from + len) to `to`. 0 or -ENOMEM (nothing was moved). */
int entries_move(struct space *s, vaddr_t from, vaddr_t to, size_t len);
/* The entry for page p in v, with the rights that v's protection and the page's state allow. anon: it is private. */
pte_t entry_make(const struct vma *v, const struct page *p, bool anon);

#endif
