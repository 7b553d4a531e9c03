/* Page tables: walking, making, splitting and freeing them. See pt.h for the format.
 *
 * Only the leaf entries mean anything to the rest of the kernel; an upper entry is 0 or a table with all rights, so that
 * the leaf alone decides. Tables are single pages. Tables are freed by pt_prune() only, whose caller knows that they are
 * empty, so a pointer to an entry stays good as long as the caller holds the space's lock. The upper half of the root
 * belongs to the platform (the kernel's own mappings) and is never looked at. */
#include "core/mm/pt.h"
#include "core/mm/page.h"
#include "core/printf.h"
#include "shim/abi/errno.h"

#define ENTRIES   512
#define TOP_SHIFT 39
#define HUGE_SHIFT 21
#define HUGE_SIZE (1ul << HUGE_SHIFT)

#define TABLE_BITS (PTE_P | PTE_W | PTE_U)

static pte_t *table(paddr_t pa)
{
	return pa_va(pa);
}

static unsigned slot(vaddr_t va, unsigned shift)
{
	return va >> shift & (ENTRIES - 1);
}

static bool is_table(pte_t e, unsigned shift)
{
	return shift > PAGE_SHIFT && (e & PTE_P) && !(e & PTE_HUGE);
}

pte_t *pt_walk(paddr_t root, vaddr_t va, bool create, bool *huge)
{
	pte_t *t = table(root);

	*huge = false;
	for (unsigned shift = TOP_SHIFT; shift > PAGE_SHIFT; shift -= 9) {
		pte_t *e = &t[slot(va, shift)];

		if (*e & PTE_HUGE) {
			*huge = true;
			return e;
		}
		if (!*e) {
			struct page *p = create ? page_alloc(0, PA_ZERO) : NULL;

			if (!p)
				return NULL;
			*e = page_to_pa(p) | TABLE_BITS;
		}
		t = table(pte_pa(*e));
	}
	return &t[slot(va, PAGE_SHIFT)];
}

int pt_split(paddr_t root, vaddr_t va)
{
	bool huge;
	pte_t *e = pt_walk(root, va, false, &huge), *t;
	struct page *p;

	if (!e || !huge)
		return 0;
	p = page_alloc(0, 0);
	if (!p)
		return -ENOMEM;
	/* A single reference of the block stood for the whole entry: each page gets its own. */
	struct page *block = pa_to_page(pte_pa(*e));

	kassert(block->refs == 1 && block->order == HUGE_SHIFT - PAGE_SHIFT);
	page_split(block, HUGE_SHIFT - PAGE_SHIFT);
	t = page_va(p);
	for (unsigned i = 0; i < ENTRIES; i++)
		t[i] = (*e & ~PTE_HUGE) + i * PAGE_SIZE;
	*e = page_to_pa(p) | TABLE_BITS;
	return 0;
}

pte_t *pt_next(paddr_t root, vaddr_t va, vaddr_t end, vaddr_t *at, bool *huge)
{
	end = MIN(end, USER_MAX);
	while (va < end) {
		pte_t *t = table(root), *e;
		unsigned shift = TOP_SHIFT;

		for (;; shift -= 9) {
			e = &t[slot(va, shift)];
			if (!is_table(*e, shift))
				break;
			t = table(pte_pa(*e));
		}
		/* A leaf, or nothing in the whole reach of e; until the next table further down no new walk is needed. */
		do {
			if (pte_used(*e)) {
				*huge = shift > PAGE_SHIFT;
				*at = *huge ? ALIGN_DOWN(va, 1ul << shift) : va;
				return e;
			}
			va = ALIGN_DOWN(va, 1ul << shift) + (1ul << shift);
			e++;
		} while (slot(va, shift) && va < end && !is_table(*e, shift));
	}
	return NULL;
}

pte_t *pt_step(paddr_t root, pte_t *e, vaddr_t *at, vaddr_t end)
{
	bool huge;

	/* The rest of this table first, without a walk. */
	for (*at += PAGE_SIZE; *at < end && (*at & (HUGE_SIZE - 1)); *at += PAGE_SIZE) {
		if (pte_used(*++e))
			return e;
	}
	return *at < end ? pt_next(root, *at, end, at, &huge) : NULL;
}

/* Prunes below table t, which maps from `base`. */
static void prune_in(pte_t *t, unsigned shift, vaddr_t base, vaddr_t va, vaddr_t end, vaddr_t low, vaddr_t high)
{
	vaddr_t step = 1ul << shift, first = MAX(va, base), last = MIN(end, base + step * ENTRIES);

	for (vaddr_t a = ALIGN_DOWN(first, step); a < last; a += step) {
		pte_t *e = &t[slot(a, shift)];

		if (!is_table(*e, shift))
			continue;
		if (shift - 9 > PAGE_SHIFT)
			prune_in(table(pte_pa(*e)), shift - 9, a, va, end, low, high);
		if (low <= a && a + step <= high) {
			page_put(pa_to_page(pte_pa(*e)));
			*e = 0;
		}
	}
}

void pt_prune(paddr_t root, vaddr_t va, vaddr_t end, vaddr_t low, vaddr_t high)
{
	vaddr_t from = MAX(ALIGN_DOWN(va, HUGE_SIZE), ALIGN_UP(low, HUGE_SIZE));
	vaddr_t to = MIN(ALIGN_UP(end, HUGE_SIZE), ALIGN_DOWN(high, HUGE_SIZE));

	if (from >= to) /* most often: a small range among others, and no table is only its own */
		return;
	prune_in(table(root), TOP_SHIFT, 0, va, MIN(end, USER_MAX), low, high);
}

paddr_t pt_new(void)
{
	struct page *p = page_alloc(0, PA_ZERO);

	return p ? page_to_pa(p) : 0;
}

void pt_free(paddr_t root)
{
	pt_prune(root, 0, USER_MAX, 0, USER_MAX);
	page_put(pa_to_page(root));
}
