/* mremap(2): shrinking and growing in place, and moving. Moving takes page-table entries along, not data.
 *
 * A move is: a VMA for the new place, its tables, the entries, then the old VMA goes. The new VMA is inserted only when
 * nothing can fail any more. Growing takes what lies behind the old end; the new pages come with faults. */
#include "core/file/file.h"
#include "core/mm/slab.h"
#include "core/mm/space_impl.h"
#include "core/printf.h"
#include "shim/abi/errno.h"

struct remap {
	struct space *s;
	struct vma *v; /* holds the old range */
	vaddr_t old;
	size_t old_len, new_len;
	unsigned flags;
	vaddr_t new_addr;
	struct list dead;
};

/* EINVAL of mremap(2): what can be said without looking. */
static int check_arguments(const struct remap *m)
{
	bool dontunmap = m->flags & MREMAP_DONTUNMAP, fixed = m->flags & MREMAP_FIXED;

	if (m->flags & ~(unsigned)(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP))
		return -EINVAL;
	if ((fixed || dontunmap) && !(m->flags & MREMAP_MAYMOVE))
		return -EINVAL;
	if ((m->old & PAGE_MASK) || m->new_len == 0 || (dontunmap && m->old_len != m->new_len))
		return -EINVAL;
	if (m->old > USER_MAX || m->old_len > USER_MAX - m->old)
		return -EFAULT;
	if (m->new_len > USER_MAX)
		return fixed ? -EINVAL : -ENOMEM;
	if (!fixed)
		return 0;
	if ((m->new_addr & PAGE_MASK) || m->new_addr > USER_MAX - m->new_len)
		return -EINVAL;
	if (m->new_addr < USER_MIN)
		return -EPERM;
	if (m->old < m->new_addr + m->new_len && m->new_addr < m->old + m->old_len)
		return -EINVAL;
	return 0;
}

/* Finds the VMA; growing or moving needs the whole old range in it: EFAULT. */
static int find_vma(struct remap *m)
{
	struct vma *v = space_find(m->s, m->old);
	size_t more = m->new_len > m->old_len ? (m->new_len - m->old_len) >> PAGE_SHIFT : 0;

	if (!v || v->start > m->old)
		return -EFAULT;
	m->v = v;
	if (m->old_len == 0 && !(v->flags & VMA_SHARED))
		return -EINVAL;
	if (m->old_len > v->end - m->old)
		return -EFAULT;
	if (more && v->file && vma_index(v, m->old) + (m->new_len >> PAGE_SHIFT) < vma_index(v, m->old))
		return -EINVAL;
	if (more && (!space_may_add(m->s, more) ||
		     (!(v->flags & (VMA_SHARED | VMA_NORESERVE)) && (v->prot & PROT_WRITE) && !space_enough_ram(more))))
		return -ENOMEM;
	return 0;
}

static int check_mapped(const struct remap *m)
{
	struct vma *v = space_find(m->s, m->old);

	return v && v->start <= m->old ? 0 : -EFAULT;
}

static bool grow_in_place(struct remap *m)
{
	struct vma *v = m->v;
	vaddr_t end = m->old + m->new_len;

	if (v->end != m->old + m->old_len || end > USER_MAX || !space_range_free(m->s, v->end, end))
		return false;
	m->s->total_pages += (end - v->end) >> PAGE_SHIFT;
	v->end = end;
	space_merge(m->s, v->start, end);
	return true;
}

/* Where the old mapping goes: MREMAP_FIXED clears the place first. */
static long find_place(struct remap *m)
{
	vaddr_t addr;
	int r;

	if (!(m->flags & MREMAP_FIXED)) {
		addr = space_place(m->s, (m->flags & MREMAP_DONTUNMAP) ? m->new_addr : 0, m->new_len, 0);
		return addr ? (long)addr : -ENOMEM;
	}
	r = space_unmap(m->s, m->new_addr, m->new_addr + m->new_len, &m->dead);
	return r ? r : (long)m->new_addr;
}

/* The new VMA with the old one's entries; nothing else has changed when this fails. */
static int move_entries(struct remap *m, vaddr_t to, struct vma **out)
{
	struct vma *n = vma_copy(m->v, to, to + m->new_len);
	size_t moved = MIN(m->old_len, m->new_len);
	int r;

	if (!n)
		return -ENOMEM;
	n->pgoff = vma_index(m->v, m->old);
	n->fault_next = 0;
	r = entries_move(m->s, m->old, to, moved);
	if (r) {
		struct vma *below = vma_below(m->s, to), *above = space_find(m->s, to);

		pt_prune(m->s->root, to, to + moved, below ? below->end : 0, above ? above->start : USER_MAX);
		list_append(&m->dead, &n->inode_link);
		return r;
	}
	*out = n;
	return 0;
}

static long move(struct remap *m)
{
	bool unmap = m->old_len && !(m->flags & MREMAP_DONTUNMAP);
	struct vma *n;
	long to;
	int r = 0;

	if (m->s->vma_count + 3 > SPACE_MAX_VMAS) /* two splits and the new one */
		return -ENOMEM;
	to = find_place(m);
	if (to < 0)
		return to;
	/* The part that goes becomes a VMA of its own first, so that taking it away cannot fail. */
	if (unmap)
		r = space_isolate(m->s, m->old, m->old + m->old_len);
	m->v = space_find(m->s, m->old);
	if (!r)
		r = move_entries(m, (vaddr_t)to, &n);
	if (!r) {
		vma_insert(m->s, n);
		if (unmap && space_unmap(m->s, m->old, m->old + m->old_len, &m->dead))
			panic("mremap: a whole VMA could not be unmapped");
		space_merge(m->s, n->start, n->end);
	}
	space_merge(m->s, m->old, m->old + m->old_len);
	return r ? r : to;
}

static long remap_locked(struct remap *m)
{
	bool moving = m->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP);
	size_t cut = m->old_len > m->new_len ? m->old_len - m->new_len : 0;
	bool only_cut;
	int r;

	/* What is cut off may span several mappings; what stays only when it does not move. */
	m->old_len -= cut;
	only_cut = m->old_len == m->new_len && !moving;
	r = only_cut ? check_mapped(m) : find_vma(m);
	if (!r && cut)
		r = space_unmap(m->s, m->old + m->new_len, m->old + m->new_len + cut, &m->dead);
	if (r)
		return r;
	if (only_cut || (!moving && m->old_len && grow_in_place(m)))
		return (long)m->old;
	return m->flags & MREMAP_MAYMOVE ? move(m) : -ENOMEM;
}

long space_mremap(struct space *s, vaddr_t old, size_t old_len, size_t new_len, unsigned flags, vaddr_t new_addr)
{
	struct remap m = { s, NULL, old, ALIGN_UP(old_len, PAGE_SIZE), ALIGN_UP(new_len, PAGE_SIZE), flags, new_addr,
			   LIST_INIT(m.dead) };
	long r = check_arguments(&m);

	if (r)
		return r;
	mutex_lock(&s->lock);
	r = remap_locked(&m);
	mutex_unlock(&s->lock);
	vma_free_list(&m.dead);
	if (r >= 0 && new_len > old_len) {
		struct vma *v = space_find(s, (vaddr_t)r);

		if (v && (v->flags & VMA_LOCKED) && (v->prot & PROT_ANY))
			space_populate(s, (vaddr_t)r, (vaddr_t)r + m.new_len, PROT_READ);
	}
	return r;
}
