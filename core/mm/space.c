/* Address spaces: the tree of VMAs, placement, mmap, munmap, mprotect and brk. Behaviour and errors are those of the
 * manual pages of these calls on Linux.
 *
 * Invariants, under the space's lock:
 * - VMAs do not overlap, are not empty, and no two neighbours could be one (space_merge), but for those that a failed
 *   allocation left split, which is allowed.
 * - Every used page-table entry lies in a VMA; a VMA of a file is on the list of the file's page cache.
 * - total_pages is the sum of the VMAs' sizes.
 * A reservation costs one VMA whatever its size: tables and pages come with faults. Commitment is heuristic, as with
 * vm.overcommit_memory = 0: what alone is larger than RAM is refused, the rest is promised.
 *
 * Missing: huge pages; RLIMIT_DATA for anything but brk; RLIMIT_MEMLOCK (there is no swap to lock against). */
#include "core/boot.h"
#include "core/mm/space_impl.h"
#include "core/file/file.h"
#include "core/lib/string.h"
#include "core/mm/page.h"
#include "core/mm/slab.h"
#include "core/printf.h"
#include "core/proc/proc.h"
#include "core/sched.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/resource.h"

#define LOW_32BIT  0x40000000ul /* MAP_32BIT: as on Linux, in the second GiB */
#define HIGH_32BIT 0x80000000ul

/* ---- the tree ---- */

struct vma *vma_next(struct vma *v)
{
	struct rb_node *n = rb_next(&v->node);

	return n ? rb_entry(n, struct vma, node) : NULL;
}

static struct vma *vma_prev(struct vma *v)
{
	struct rb_node *n = rb_prev(&v->node);

	return n ? rb_entry(n, struct vma, node) : NULL;
}

struct vma *space_find(struct space *s, vaddr_t addr)
{
	struct vma *best = s->hint;

	if (best && best->start <= addr && addr < best->end)
		return best;
	best = NULL;
	for (struct rb_node *n = s->vmas.node; n;) {
		struct vma *v = rb_entry(n, struct vma, node);

		if (addr < v->end) {
			best = v;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	if (best && best->start <= addr)
		s->hint = best;
	return best;
}

struct vma *vma_below(struct space *s, vaddr_t addr)
{
	struct vma *best = NULL;

	for (struct rb_node *n = s->vmas.node; n;) {
		struct vma *v = rb_entry(n, struct vma, node);

		if (v->start < addr) {
			best = v;
			n = n->right;
		} else {
			n = n->left;
		}
	}
	return best;
}

void vma_insert(struct space *s, struct vma *v)
{
	struct rb_node **link = &s->vmas.node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = v->start < rb_entry(parent, struct vma, node)->start ? &parent->left : &parent->right;
	}
	rb_insert(&s->vmas, &v->node, parent, link);
	v->space = s;
	s->vma_count++;
	s->total_pages += vma_pages(v);
	if (v->file)
		list_append(&v->file->inode->cache.vmas, &v->inode_link);
}

static void vma_detach(struct vma *v)
{
	struct space *s = v->space;

	if (s->hint == v)
		s->hint = NULL;
	rb_remove(&s->vmas, &v->node);
	list_remove(&v->inode_link);
	s->vma_count--;
	s->total_pages -= vma_pages(v);
}

static void vma_free(struct vma *v)
{
	if (v->file)
		file_put(v->file);
	kfree(v);
}

void vma_free_list(struct list *dead)
{
	list_each_safe(l, dead) {
		list_remove(l);
		vma_free(list_entry(l, struct vma, inode_link));
	}
}

struct vma *vma_copy(const struct vma *v, vaddr_t start, vaddr_t end)
{
	struct vma *n = kmalloc(sizeof(*n));

	if (!n)
		return NULL;
	*n = *v;
	list_init(&n->inode_link);
	n->start = start;
	n->end = end;
	if (n->file)
		file_get(n->file);
	return n;
}

/* Splits v at `at`, which lies inside: v keeps the lower part. */
static int vma_split(struct space *s, struct vma *v, vaddr_t at)
{
	struct vma *upper = vma_copy(v, at, v->end);

	if (!upper)
		return -ENOMEM;
	upper->pgoff = vma_index(v, at);
	s->total_pages -= vma_pages(upper);
	v->end = at;
	vma_insert(s, upper);
	return 0;
}

static int split_at(struct space *s, vaddr_t at)
{
	struct vma *v = space_find(s, at);

	if (!v || v->start >= at)
		return 0;
	return s->vma_count < SPACE_MAX_VMAS ? vma_split(s, v, at) : -ENOMEM;
}

int space_isolate(struct space *s, vaddr_t start, vaddr_t end)
{
	int r = split_at(s, start);

	return r ? r : split_at(s, end);
}

static bool vma_alike(const struct vma *a, const struct vma *b)
{
	return a->end == b->start && a->prot == b->prot && a->flags == b->flags && a->file == b->file &&
	       a->name == b->name && (!a->file || vma_index(a, a->end) == b->pgoff);
}

void space_merge(struct space *s, vaddr_t start, vaddr_t end)
{
	struct vma *v = vma_below(s, start), *next;

	if (!v)
		v = space_find(s, 0);
	for (; v && v->start <= end; v = next) {
		next = vma_next(v);
		if (!next || !vma_alike(v, next))
			continue;
		vma_detach(next);
		s->total_pages += vma_pages(next);
		v->end = next->end;
		v->fault_next = next->fault_next;
		vma_free(next); /* v holds another reference to the file, so this does not sleep */
		next = v;
	}
}

/* ---- placement ---- */

/* Where the room below v ends. */
static vaddr_t vma_floor(const struct vma *v)
{
	if (v->flags & VMA_GROWSDOWN)
		return v->start > STACK_GUARD_GAP ? v->start - STACK_GUARD_GAP : 0;
	return v->start;
}

bool space_range_free(struct space *s, vaddr_t start, vaddr_t end)
{
	struct vma *v = space_find(s, start);

	return !v || end <= vma_floor(v);
}

/* The highest gap of len bytes in [low, high): its upper end's mapping address, or 0. Tells the caller about the longest
 * gap that it passed. */
static vaddr_t find_gap(struct space *s, size_t len, vaddr_t low, vaddr_t high, size_t *longest)
{
	struct vma *above = space_find(s, high), *v = vma_below(s, high);
	vaddr_t top = high;

	if (above)
		top = MIN(top, vma_floor(above));
	for (;; v = vma_prev(v)) {
		vaddr_t bottom = v ? MAX(v->end, low) : low;
		size_t gap = top > bottom ? top - bottom : 0;

		if (gap >= len)
			return top - len;
		*longest = MAX(*longest, gap);
		if (!v || v->start <= low)
			return 0;
		top = MIN(top, vma_floor(v));
	}
}

/* The usual place: below mmap_top. gap_from and gap_max save the walk over gaps that are known to be too short. */
static vaddr_t place_default(struct space *s, size_t len)
{
	vaddr_t addr;

	if (len <= s->gap_max) {
		s->gap_from = s->mmap_top;
		s->gap_max = 0;
	}
	addr = find_gap(s, len, USER_MIN, MIN(s->gap_from, s->mmap_top), &s->gap_max);
	if (addr)
		s->gap_from = addr;
	else
		addr = find_gap(s, len, USER_MIN, USER_MAX, &(size_t){ 0 }); /* above mmap_top, if need be */
	return addr;
}

/* The gap [start, end) has come into being: one that reaches below gap_from raises it, one above it counts. */
static void note_gap(struct space *s, vaddr_t start, vaddr_t end)
{
	if (end <= s->gap_from)
		return;
	if (start <= s->gap_from)
		s->gap_from = end;
	else
		s->gap_max = MAX(s->gap_max, end - start);
}

vaddr_t space_place(struct space *s, vaddr_t hint, size_t len, unsigned flags)
{
	vaddr_t end;

	hint = ALIGN_DOWN(hint, PAGE_SIZE);
	if (hint >= USER_MIN && !__builtin_add_overflow(hint, len, &end) && end <= USER_MAX &&
	    (!(flags & MAP_32BIT) || end <= HIGH_32BIT) && space_range_free(s, hint, end))
		return hint;
	if (flags & MAP_32BIT)
		return find_gap(s, len, LOW_32BIT, HIGH_32BIT, &(size_t){ 0 });
	return place_default(s, len);
}

/* ---- limits ---- */

void space_tell_range(struct space *s)
{
	if (!s->told_range)
		kprintf("doppel: %s needs addresses above the application range (0x%lx to 0x%lx), as all programs built with "
			"AddressSanitizer, ThreadSanitizer or MemorySanitizer do\n", current_proc()->comm, USER_MIN, USER_MAX - 1);
	s->told_range = true;
}

bool space_may_add(const struct space *s, size_t pages)
{
	uint64_t limit = proc_rlimit(RLIMIT_AS);

	return limit == RLIM_INFINITY || s->total_pages + pages <= limit >> PAGE_SHIFT;
}

bool space_enough_ram(size_t pages)
{
	struct page_stats st;

	page_stats(&st);
	return pages <= st.total;
}

/* ---- life ---- */

int space_new(struct space **out)
{
	struct space *s = kzalloc(sizeof(*s));
	int r = -ENOMEM;

	if (!s)
		return r;
	s->refs = 1;
	mutex_init(&s->lock);
	s->mmap_top = s->gap_from = USER_MAX - PAGE_SIZE;
	s->root = pt_new();
	if (!s->root)
		goto out_space;
	r = plat_space_new(s->root, &s->plat);
	if (r)
		goto out_root;
	*out = s;
	return 0;

out_root:
	pt_free(s->root);
out_space:
	kfree(s);
	return r;
}

struct space *space_get(struct space *s)
{
	s->refs++;
	return s;
}

void space_put(struct space *s)
{
	struct list dead = LIST_INIT(dead);

	kassert(s->refs > 0);
	if (--s->refs)
		return;
	mutex_lock(&s->lock);
	space_unmap(s, 0, USER_MAX, &dead); /* splits nothing, so it cannot fail */
	mutex_unlock(&s->lock);
	vma_free_list(&dead);
	kassert(s->rss_anon == 0 && s->rss_file == 0 && s->total_pages == 0);
	plat_space_free(s->plat);
	pt_free(s->root);
	kfree(s);
}

void space_activate(struct space *s)
{
	plat_space_switch(s->plat);
}

/* ---- munmap ---- */

/* The first and the last VMA in [start, end) once those at the edges have been split; *first NULL: there is none. */
static int cut_out(struct space *s, vaddr_t start, vaddr_t end, struct vma **first, struct vma **last)
{
	struct vma *v = space_find(s, start);
	int r;

	*first = NULL;
	if (!v || v->start >= end)
		return 0;
	if (v->start < start) {
		if (end < v->end && s->vma_count >= SPACE_MAX_VMAS)
			return -ENOMEM; /* two of one; everything else leaves no more than there were */
		r = vma_split(s, v, start);
		if (r)
			return r;
		v = vma_next(v);
		if (!v || v->start >= end)
			return 0;
	}
	*first = *last = v;
	if (v->end < end)
		*last = vma_below(s, end);
	if ((*last)->end <= end)
		return 0;
	r = vma_split(s, *last, end);
	if (r)
		space_merge(s, start, end);
	return r;
}

int space_unmap(struct space *s, vaddr_t start, vaddr_t end, struct list *dead)
{
	struct vma *first, *last, *prev, *after, *v, *next;
	vaddr_t low, high;
	int r = cut_out(s, start, end, &first, &last);

	if (r || !first)
		return r;
	prev = vma_prev(first);
	after = vma_next(last);
	low = prev ? prev->end : 0;
	high = after ? after->start : USER_MAX;
	for (v = first; v != after; v = next) {
		next = vma_next(v);
		vma_detach(v);
		list_append(dead, &v->inode_link);
	}
	entries_zap(s, start, end, ZAP_ANON | ZAP_FILE | ZAP_SLEEP);
	pt_prune(s->root, start, end, low, high);
	note_gap(s, low, high);
	return 0;
}

int space_munmap(struct space *s, vaddr_t addr, size_t len)
{
	struct list dead = LIST_INIT(dead);
	int r;

	if ((addr & PAGE_MASK) || len == 0 || addr > USER_MAX || len > USER_MAX - addr)
		return -EINVAL;
	mutex_lock(&s->lock);
	r = space_unmap(s, addr, addr + ALIGN_UP(len, PAGE_SIZE), &dead);
	mutex_unlock(&s->lock);
	vma_free_list(&dead);
	return r;
}

/* ---- mmap ---- */

/* Backs a shared mapping that has no file with a nameless one, so that it is shared like any other. */
static int share_anonymous(struct vma *v)
{
	struct file *f;
	int r = memfd_new("dev/zero", 0, &f);

	if (r)
		return r;
	f->inode->size = v->end - v->start; /* new and empty; not vfs_truncate(): RLIMIT_FSIZE does not count here */
	v->file = f;
	v->pgoff = 0;
	if (!v->name)
		v->name = "/dev/zero (deleted)";
	return 0;
}

int space_mmap_zero(struct file *f, struct vma *v)
{
	file_put(v->file);
	v->file = NULL;
	return v->flags & VMA_SHARED ? share_anonymous(v) : 0;
}

/* EACCES, EPERM and ENODEV of mmap(2). */
static int check_file(const struct file *f, unsigned prot, unsigned flags)
{
	bool shared = (flags & MAP_TYPE) != MAP_PRIVATE;

	if (!file_readable(f) || (shared && (prot & PROT_WRITE) && !file_writable(f)))
		return -EACCES;
	if ((prot & PROT_EXEC) && f->path.mnt && (f->path.mnt->flags & MS_NOEXEC))
		return -EPERM;
	return f->ops->mmap ? 0 : -ENODEV;
}

static unsigned vma_flags(unsigned flags, const struct file *f)
{
	unsigned r = 0;

	if ((flags & MAP_TYPE) != MAP_PRIVATE)
		r |= VMA_SHARED;
	if (!(r & VMA_SHARED) || !f || file_writable(f))
		r |= VMA_MAYWRITE;
	if (flags & MAP_GROWSDOWN)
		r |= VMA_GROWSDOWN;
	if (flags & MAP_NORESERVE)
		r |= VMA_NORESERVE;
	if (flags & MAP_LOCKED)
		r |= VMA_LOCKED;
	return r;
}

/* A VMA for what mmap(2) asks, with its file, at no place yet: [0, len). */
static int vma_make(size_t len, unsigned prot, unsigned flags, struct file *file, uint64_t pgoff, const char *name,
		    struct vma **out)
{
	struct vma *v = kzalloc(sizeof(*v));
	int r = 0;

	if (!v)
		return -ENOMEM;
	list_init(&v->inode_link);
	v->end = len;
	v->prot = prot;
	v->flags = vma_flags(flags, file);
	v->name = name;
	v->fault_run = 1;
	if (file) {
		v->file = file_get(file);
		v->pgoff = pgoff;
		r = file->ops->mmap(file, v);
	} else if (v->flags & VMA_SHARED) {
		r = share_anonymous(v);
	}
	if (r)
		vma_free(v);
	else
		*out = v;
	return r;
}

/* Pages mapped in [start, end). */
static size_t mapped_pages(struct space *s, vaddr_t start, vaddr_t end)
{
	size_t n = 0;

	for (struct vma *v = space_find(s, start); v && v->start < end; v = vma_next(v))
		n += (MIN(v->end, end) - MAX(v->start, start)) >> PAGE_SHIFT;
	return n;
}

/* Finds v's place and clears it: an address or -errno. */
static long vma_place(struct space *s, const struct vma *v, vaddr_t addr, unsigned flags, struct list *dead)
{
	size_t len = v->end, pages = len >> PAGE_SHIFT;
	int r;

	if (s->vma_count >= SPACE_MAX_VMAS)
		return -ENOMEM;
	if (!space_may_add(s, pages) && (!(flags & MAP_FIXED) || !space_may_add(s, pages - mapped_pages(s, addr, addr + len))))
		return -ENOMEM;
	if ((v->flags & (VMA_SHARED | VMA_NORESERVE)) == 0 && (v->prot & PROT_WRITE) && !space_enough_ram(pages))
		return -ENOMEM;
	if (!(flags & (MAP_FIXED | MAP_FIXED_NOREPLACE))) {
		addr = space_place(s, addr, len, flags);
		return addr ? (long)addr : -ENOMEM;
	}
	if (flags & MAP_FIXED_NOREPLACE) {
		struct vma *old = space_find(s, addr);

		return old && old->start < addr + len ? -EEXIST : (long)addr;
	}
	r = space_unmap(s, addr, addr + len, dead);
	return r ? r : (long)addr;
}

/* Nothing happens here: debuggers stop on it to take the symbols of what was mapped (tools/gdb/doppel.py). */
__attribute__((noinline)) void debug_file_mapped(void) { __asm__ volatile("" ::: "memory"); }

/* A debugger reads code before it places a breakpoint, and then writes there: the pages must be present. */
static void code_mapped(struct space *s, vaddr_t start, vaddr_t end)
{
	if (boot_flag("debug"))
		space_populate(s, start, end, PROT_READ);
	debug_file_mapped();
}

static int check_fixed(vaddr_t addr, size_t len)
{
	if (addr & PAGE_MASK)
		return -EINVAL;
	if (len > USER_MAX || addr > USER_MAX - len)
		return -ENOMEM;
	return addr < USER_MIN ? -EPERM : 0; /* as vm.mmap_min_addr */
}

/* What can be said about mmap(2)'s arguments without looking at the space. */
static int check_mmap(vaddr_t addr, size_t len, unsigned prot, unsigned flags, const struct file *file, uint64_t pgoff)
{
	unsigned type = flags & MAP_TYPE;
	int r = 0;

	if (len == 0 || (type != MAP_SHARED && type != MAP_PRIVATE && (type != MAP_SHARED_VALIDATE || !file)))
		return -EINVAL;
	if (len > USER_MAX)
		return -ENOMEM;
	if (file && pgoff + (ALIGN_UP(len, PAGE_SIZE) >> PAGE_SHIFT) < pgoff)
		return -EOVERFLOW;
	if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE))
		r = check_fixed(addr, ALIGN_UP(len, PAGE_SIZE));
	return !r && file ? check_file(file, prot, flags) : r;
}

long space_mmap(struct space *s, vaddr_t addr, size_t len, unsigned prot, unsigned flags, struct file *file, uint64_t pgoff,
		const char *name)
{
	struct list dead = LIST_INIT(dead);
	struct vma *v = NULL;
	long r = check_mmap(addr, len, prot, flags, file, pgoff);

	len = ALIGN_UP(len, PAGE_SIZE);
	if (!r)
		r = vma_make(len, prot & PROT_ANY, flags, file, pgoff, name, &v);
	if (r)
		return r;

	mutex_lock(&s->lock);
	r = vma_place(s, v, addr, flags, &dead);
	if (r > 0) {
		v->start = (vaddr_t)r;
		v->end = v->start + len;
		vma_insert(s, v);
		space_merge(s, v->start, v->end);
	}
	mutex_unlock(&s->lock);
	vma_free_list(&dead);
	if (r < 0) {
		vma_free(v);
		return r;
	}
	if (file && (prot & PROT_EXEC))
		code_mapped(s, (vaddr_t)r, (vaddr_t)r + len);
	if ((flags & (MAP_POPULATE | MAP_LOCKED)) && !(flags & MAP_NONBLOCK) && (prot & PROT_ANY))
		space_populate(s, (vaddr_t)r, (vaddr_t)r + len, prot & PROT_WRITE ? PROT_WRITE : PROT_READ);
	return r;
}

/* ---- mprotect ---- */

/* Changes v, which lies wholly in the range. */
static int vma_protect(struct vma *v, unsigned prot)
{
	bool newly_writable = (prot & PROT_WRITE) && !(v->prot & PROT_WRITE);

	if (newly_writable && !(v->flags & VMA_MAYWRITE))
		return -EACCES;
	if ((prot & PROT_EXEC) && v->file && v->file->path.mnt && (v->file->path.mnt->flags & MS_NOEXEC))
		return -EACCES;
	if (newly_writable && !(v->flags & (VMA_SHARED | VMA_NORESERVE)) && !space_enough_ram(vma_pages(v)))
		return -ENOMEM;
	if (v->prot != prot) {
		v->prot = prot;
		entries_protect(v, v->start, v->end);
	}
	return 0;
}

int space_mprotect(struct space *s, vaddr_t addr, size_t len, unsigned prot)
{
	vaddr_t end, at = addr;
	struct vma *v;
	int r;

	if ((addr & PAGE_MASK) || (prot & ~(unsigned)PROT_ANY))
		return -EINVAL;
	if (len == 0)
		return 0;
	if (len > USER_MAX || addr > USER_MAX - len)
		return -ENOMEM;
	end = addr + ALIGN_UP(len, PAGE_SIZE);
	mutex_lock(&s->lock);
	v = space_find(s, addr);
	r = v && v->start <= addr ? space_isolate(s, addr, end) : -ENOMEM;
	/* What comes before a hole or a refusal stays changed, as on Linux. */
	for (v = space_find(s, addr); !r && at < end; v = vma_next(v)) {
		if (!v || v->start > at) {
			r = -ENOMEM;
			break;
		}
		at = v->end;
		r = vma_protect(v, prot);
	}
	space_merge(s, addr, end);
	mutex_unlock(&s->lock);
	return r;
}

/* ---- brk ---- */

/* Grows the heap's pages from `from` to `to`. */
static bool brk_grow(struct space *s, vaddr_t from, vaddr_t to)
{
	struct vma *next = space_find(s, from), *v;
	size_t pages = (to - from) >> PAGE_SHIFT;

	if (next && to + PAGE_SIZE > vma_floor(next))
		return false;
	if (!space_may_add(s, pages) || !space_enough_ram(pages) || s->vma_count >= SPACE_MAX_VMAS)
		return false;
	v = kzalloc(sizeof(*v));
	if (!v)
		return false;
	list_init(&v->inode_link);
	v->start = from;
	v->end = to;
	v->prot = PROT_READ | PROT_WRITE;
	v->flags = VMA_MAYWRITE;
	v->name = "[heap]";
	v->fault_run = 1;
	vma_insert(s, v);
	space_merge(s, from, to);
	return true;
}

vaddr_t space_brk(struct space *s, vaddr_t brk)
{
	struct list dead = LIST_INIT(dead);
	vaddr_t from, to;
	bool ok = true;

	mutex_lock(&s->lock);
	if (brk < s->brk_start || brk > USER_MAX - PAGE_SIZE || brk - s->brk_start > proc_rlimit(RLIMIT_DATA))
		goto out;
	from = ALIGN_UP(s->brk, PAGE_SIZE);
	to = ALIGN_UP(brk, PAGE_SIZE);
	if (to > from)
		ok = brk_grow(s, from, to);
	else if (to < from)
		ok = space_unmap(s, to, from, &dead) == 0;
	if (ok)
		s->brk = brk;
out:
	brk = s->brk;
	mutex_unlock(&s->lock);
	vma_free_list(&dead);
	return brk;
}
