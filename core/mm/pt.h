/* Page tables: x86-64, 4 levels, 4 KiB pages (and 2 MiB where PTE_HUGE is set in a level-2 entry).
 *
 * They are the truth about which page is where in an address space, on both platforms: on kvm the hardware walks them, on
 * linuxu the platform mirrors them into host mappings on demand. Bits 9 to 11 are the kernel's own. */
#ifndef CORE_MM_PT_H
#define CORE_MM_PT_H

#include "core/types.h"

typedef uint64_t pte_t;

#define PTE_P    (1ul << 0)
#define PTE_W    (1ul << 1)
#define PTE_U    (1ul << 2)
#define PTE_A    (1ul << 5)
#define PTE_D    (1ul << 6)
#define PTE_HUGE (1ul << 7)
#define PTE_ANON (1ul << 9)  /* the page belongs to this space alone or by copy-on-write; else it is the page cache's */
#define PTE_COW  (1ul << 10) /* write-protected although the VMA allows writing: a write copies or claims it */
#define PTE_NONE (1ul << 11) /* present in the kernel's view, but PROT_NONE: PTE_P is clear, the page is kept */
#define PTE_NX   (1ul << 63)
#define PTE_ADDR 0x000ffffffffff000ul

static inline paddr_t pte_pa(pte_t e) { return e & PTE_ADDR; }
/* The entry holds a page (even if the access rights are none). */
static inline bool pte_used(pte_t e) { return (e & (PTE_P | PTE_NONE)) != 0; }

/* The entry for va in the table below root, or NULL when create is false and a table is missing, or RAM is short.
 * A huge entry is returned as it is (level 2) with *huge = true; pt_split() turns it into 512 small ones. */
pte_t *pt_walk(paddr_t root, vaddr_t va, bool create, bool *huge);
int pt_split(paddr_t root, vaddr_t va);

/* The first used entry at or after va and before end: its address through *at (huge: its start), or NULL. Skips empty
 * tables, so a sparse space is cheap to scan. */
pte_t *pt_next(paddr_t root, vaddr_t va, vaddr_t end, vaddr_t *at, bool *huge);

/* From the used small entry e at *at to the next one before end; NULL at the end. Cheaper than pt_next(). */
pte_t *pt_step(paddr_t root, pte_t *e, vaddr_t *at, vaddr_t end);

/* The entries of [va, end) have been cleared and nothing is mapped in [low, high), which contains it: frees the tables for
 * [va, end) that lie wholly in [low, high). */
void pt_prune(paddr_t root, vaddr_t va, vaddr_t end, vaddr_t low, vaddr_t high);

/* A root table without entries: its physical address, or 0 when RAM is short; and back, with every table below it. */
paddr_t pt_new(void);
void pt_free(paddr_t root);

#endif
