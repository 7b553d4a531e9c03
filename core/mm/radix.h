/* A radix tree of pages by index, 64 slots to a node, with a mark for dirty pages: what the page cache finds pages
 * with. One page at index 0 needs no node, as most small files are. */
#ifndef CORE_MM_RADIX_H
#define CORE_MM_RADIX_H

#include "core/types.h"

struct page;

struct radix {
	void *root;      /* height 0: the page at index 0; else a node */
	unsigned height; /* levels of nodes */
};

struct page *radix_lookup(const struct radix *t, uint64_t index);
/* The first page at or after `from` (dirty: that is marked), or NULL. */
struct page *radix_next(const struct radix *t, uint64_t from, bool dirty);
/* index must be free; 0 or -ENOMEM. Allocating may reclaim pages of this tree; never sleeps. */
int radix_insert(struct radix *t, uint64_t index, struct page *p);
/* The page must be there, and not marked. Frees nodes that become empty. */
void radix_remove(struct radix *t, uint64_t index);
/* Marks the page at index, which must be there, as dirty, or takes the mark away. PG_DIRTY itself is the caller's. */
void radix_mark(struct radix *t, uint64_t index, bool dirty);

#endif
