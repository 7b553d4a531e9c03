/* The radix tree of the page cache. Every node has a bit per slot for "something is below" and one for "something
 * dirty is below", so that searches skip what they do not want.
 *
 * No pointer into the tree is kept over an allocation, which may reclaim pages of this very tree and so free nodes:
 * insertion allocates a node when it finds one missing and then walks from the root again, as often as needed. */
#include "core/mm/radix.h"
#include "core/mm/page.h"
#include "core/mm/slab.h"
#include "core/printf.h"
#include "shim/abi/errno.h"

#define RADIX_SHIFT 6
#define RADIX_SLOTS (1u << RADIX_SHIFT)
#define RADIX_MAX   9 /* levels for 52 bits of page index */

struct radix_node {
	uint64_t present, dirty; /* a bit per slot */
	void *slot[RADIX_SLOTS];
};

static unsigned radix_slot(uint64_t index, unsigned level)
{
	return (index >> (level * RADIX_SHIFT)) & (RADIX_SLOTS - 1);
}

/* Does a tree of this height have a place for index? Height 0 is one page in the root itself. */
static bool radix_covers(unsigned height, uint64_t index)
{
	return height * RADIX_SHIFT >= 64 || (index >> (height * RADIX_SHIFT)) == 0;
}

struct page *radix_lookup(const struct radix *t, uint64_t index)
{
	void *p = t->root;

	if (!p || !radix_covers(t->height, index))
		return NULL;
	for (unsigned level = t->height; p && level > 0; level--)
		p = ((struct radix_node *)p)->slot[radix_slot(index, level - 1)];
	return p;
}

struct page *radix_next(const struct radix *t, uint64_t from, bool dirty)
{
	struct radix_node *path[RADIX_MAX + 1];
	unsigned level = t->height;
	uint64_t index = from;

	if (!t->root || !radix_covers(t->height, from))
		return NULL;
	if (t->height == 0) {
		struct page *p = t->root;
		return !dirty || (p->flags & PG_DIRTY) ? p : NULL;
	}
	path[level] = t->root;
	for (;;) {
		struct radix_node *n = path[level];
		unsigned slot = radix_slot(index, level - 1);
		uint64_t bits = (dirty ? n->dirty : n->present) & (~0ul << slot);
		if (bits) {
			unsigned found = (unsigned)__builtin_ctzl(bits);
			if (found != slot) { /* skipped: everything below starts at zero */
				unsigned shift = (level - 1) * RADIX_SHIFT;
				index = (((index >> shift) & ~(uint64_t)(RADIX_SLOTS - 1)) | found) << shift;
			}
			if (level == 1)
				return n->slot[found];
			path[level - 1] = n->slot[found];
			level--;
			continue;
		}
		/* Nothing in the rest of this node: on to the parent's next slot. Where that one is slot 0, it was a
		 * carry, and the parent has been left as well. */
		if (level == t->height)
			return NULL;
		index = ((index >> (level * RADIX_SHIFT)) + 1) << (level * RADIX_SHIFT);
		level++;
		while (radix_slot(index, level - 1) == 0) {
			if (level == t->height)
				return NULL;
			level++;
		}
	}
}

/* Walks towards index: path[level] is the node of that level, path[1] the leaf. Returns the lowest level there is. */
static unsigned radix_path(const struct radix *t, uint64_t index, struct radix_node *path[RADIX_MAX + 1])
{
	void *n = t->root;
	unsigned level = t->height;

	for (; n && level > 0; level--) {
		path[level] = n;
		n = path[level]->slot[radix_slot(index, level - 1)];
	}
	return level + 1;
}

/* Frees the nodes on the way to index that hold nothing (any more). */
static void radix_prune(struct radix *t, uint64_t index)
{
	struct radix_node *path[RADIX_MAX + 1];

	if (t->root && !radix_covers(t->height, index))
		return;
	for (unsigned level = radix_path(t, index, path); level <= t->height; level++) {
		if (path[level]->present)
			return;
		kfree(path[level]);
		if (level < t->height) {
			unsigned slot = radix_slot(index, level);
			path[level + 1]->slot[slot] = NULL;
			path[level + 1]->present &= ~(1ul << slot);
		} else {
			t->root = NULL;
		}
	}
	if (!t->root)
		t->height = 0;
}

int radix_insert(struct radix *t, uint64_t index, struct page *p)
{
	struct radix_node *spare = NULL;

again:
	if (!radix_covers(t->height, index) && !t->root) {
		while (!radix_covers(t->height, index))
			t->height++;
	}
	while (!radix_covers(t->height, index)) {
		if (!spare)
			goto more;
		bool dirty = t->height ? ((struct radix_node *)t->root)->dirty != 0
				       : (((struct page *)t->root)->flags & PG_DIRTY) != 0;
		spare->slot[0] = t->root;
		spare->present = 1;
		spare->dirty = dirty;
		t->root = spare;
		t->height++;
		spare = NULL;
	}
	void **link = &t->root;
	struct radix_node *parent = NULL;
	for (unsigned level = t->height; level > 0; level--) {
		if (!*link) {
			if (!spare)
				goto more;
			*link = spare;
			if (parent)
				parent->present |= 1ul << radix_slot(index, level);
			spare = NULL;
		}
		parent = *link;
		link = &parent->slot[radix_slot(index, level - 1)];
	}
	kassert(!*link);
	*link = p;
	if (parent)
		parent->present |= 1ul << radix_slot(index, 0);
	kfree(spare);
	return 0;

more:
	spare = kzalloc(sizeof *spare);
	if (spare)
		goto again;
	radix_prune(t, index);
	return -ENOMEM;
}

void radix_mark(struct radix *t, uint64_t index, bool dirty)
{
	struct radix_node *path[RADIX_MAX + 1];

	radix_path(t, index, path);
	for (unsigned level = 1; level <= t->height; level++) {
		uint64_t bit = 1ul << radix_slot(index, level - 1);
		if (dirty) {
			path[level]->dirty |= bit;
		} else {
			path[level]->dirty &= ~bit;
			if (path[level]->dirty)
				break;
		}
	}
}

void radix_remove(struct radix *t, uint64_t index)
{
	struct radix_node *path[RADIX_MAX + 1];

	radix_path(t, index, path);
	if (t->height == 0) {
		t->root = NULL;
	} else {
		unsigned slot = radix_slot(index, 0);
		path[1]->slot[slot] = NULL;
		path[1]->present &= ~(1ul << slot);
		radix_prune(t, index);
	}
}
