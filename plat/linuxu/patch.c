/* linuxu: hot syscall sites become jumps.
 *
 * A `syscall` instruction traps (SIGSYS), at ten times the cost of a native call. A site that has trapped PATCH_AFTER
 * times is rewritten, in a copy of its page that is private to the space (the page cache never changes), so that it
 * jumps to a trampoline, which enters entry_syscall with the very state the instruction gives on kvm: number in rax,
 * return address in rcx, nothing pushed (the memory below rsp may be in use).
 *
 *   P1: `mov $nr,%eax; syscall` → `jmp trampoline; syscall`. The five bytes of the mov are replaced, and the
 *       trampoline begins with it; the syscall stays, for those that jump straight to it. One other instruction is
 *       known that can be moved so.
 *   P4: the two bytes of the syscall → `jmp` to five dead bytes of padding in reach, which hold `jmp trampoline`.
 *   Else the site keeps trapping.
 * Threads of the program may have been stopped at any instruction here; each intermediate instruction boundary stays
 * one.
 *
 * Only file-backed, private, executable pages that are not writable are patched. Decisions are made from the bytes at
 * the time of the trap, so the per-space records below are hints: stale ones (after munmap, dlclose, mprotect) only
 * make a site trap longer, or find its old trampoline again. A trampoline names its site and number, and is reused
 * when both match. Trampolines live in "[doppel]" mappings of the program, within reach of a 32-bit jump. */
#include "plat/linuxu/patch.h"
#include "core/lib/string.h"
#include "core/mm/page.h"
#include "core/mm/space.h"
#include "core/proc/proc.h"
#include "core/sched.h"
#include "plat/linuxu/linuxu.h"
#include "shim/abi/errno.h"
#include "shim/abi/mman.h"

#define PATCH_AFTER 4
#define PATCH_SITES 128
#define PATCH_WAYS 4
#define PATCH_PAGES 48
#define POKE_MAX 32
#define REACH 0x70000000ul /* of a rel32, with room for the distance inside the mappings */

#define TRAMP_FIRST 16 /* the page begins with the address of entry_syscall */
#define TRAMP_SIZE 24
#define TRAMPS ((PAGE_SIZE - TRAMP_FIRST) / TRAMP_SIZE)

/* How often the syscall that returns to `ret` has trapped. PATCH_WAYS entries share a hash; the least used one gives
 * way. */
struct patch_count {
	vaddr_t ret;
	uint64_t traps;
};

struct patch_state {
	struct patch_count sites[PATCH_SITES];
	struct {
		vaddr_t va;
		uint32_t used;
	} pages[PATCH_PAGES];
	unsigned npages;
};
_Static_assert(sizeof(struct patch_state) + PATCH_STATE_OFFSET <= PAGE_SIZE, "a struct plat_space is one page");

static bool enabled;

void patch_init(bool on)
{
	enabled = on;
}

void patch_state_init(struct patch_state *st)
{
	memset(st, 0, sizeof(*st));
}

/* ---- the program's pages, through the direct map ---- */

/* The kernel's address of va's page if it is there for reading (private: and belongs to this space alone); never
 * sleeps. */
static uint8_t *page_at(struct space *s, vaddr_t va, bool private)
{
	bool huge;
	pte_t *e = pt_walk(s->root, va, false, &huge);

	if (!e || !(*e & PTE_P) || huge)
		return NULL;
	if (private && (!(*e & PTE_ANON) || (*e & PTE_COW)))
		return NULL;
	return pa_va(pte_pa(*e));
}

/* Copies bytes of the program's memory; false when a page is not there. */
static bool peek(struct space *s, vaddr_t va, uint8_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t *p = page_at(s, va + i, false);

		if (!p)
			return false;
		out[i] = p[(va + i) & PAGE_MASK];
	}
	return true;
}

static bool patchable(struct vma *v)
{
	return v && v->file && (v->prot & PROT_EXEC) && !(v->prot & PROT_WRITE) && !(v->flags & (VMA_SHARED | VMA_KERNEL));
}

/* Writes n bytes at va of a patchable mapping, where `old` must still be found. Sleeps only before it looks. */
static bool poke(struct space *s, vaddr_t va, const uint8_t *old, const uint8_t *new_bytes, size_t n)
{
	uint8_t now[POKE_MAX], *a, *b;
	struct vma *v;

	if (!space_private_page(s, va))
		return false;
	if ((va ^ (va + n - 1)) & ~PAGE_MASK && !space_private_page(s, va + n - 1))
		return false;
	v = space_find(s, va);
	if (!patchable(v) || va < v->start || va + n > v->end)
		return false;
	a = page_at(s, va, true);
	b = page_at(s, va + n - 1, true);
	if (!a || !b || !peek(s, va, now, n) || memcmp(now, old, n))
		return false;
	for (size_t i = 0; i < n; i++)
		(((va + i) ^ va) & ~PAGE_MASK ? b : a)[(va + i) & PAGE_MASK] = new_bytes[i];
	return true;
}

/* ---- trampolines ---- */

static bool reaches(vaddr_t from, vaddr_t to)
{
	return (from > to ? from - to : to - from) < REACH;
}

/* A free page within reach of the site: below its mappings for preference, never where the heap or a stack grows. */
static vaddr_t find_gap(struct space *s, vaddr_t site)
{
	vaddr_t lowest = site > REACH ? site - REACH : 0, end = 0, best = 0;
	vaddr_t heap = ALIGN_DOWN(s->brk_start, PAGE_SIZE), heap_end = ALIGN_UP(s->brk, PAGE_SIZE) + PAGE_SIZE;

	lowest = MAX(lowest, USER_MIN + PAGE_SIZE);
	end = lowest;
	/* From below the reach upwards: the last gap below the site wins, else the first above it. */
	for (struct vma *v = space_find(s, lowest); end < site + REACH; v = vma_next(v)) {
		vaddr_t start = MAX(end, lowest), stop = v ? v->start : USER_MAX;
		bool stack = v && (v->flags & VMA_GROWSDOWN);

		if (stop > start + 3 * PAGE_SIZE && !stack) {
			vaddr_t at = stop - 2 * PAGE_SIZE;

			if (end > site) /* above: at its lower end */
				at = start + PAGE_SIZE;
			if ((at + PAGE_SIZE <= heap || start >= heap_end || heap == 0) && reaches(at, site)) {
				if (end > site)
					return best ? best : at;
				best = at;
			}
		}
		if (!v)
			break;
		if (v->start > site && best)
			return best;
		end = v->end;
	}
	return best;
}

/* The trampoline page's contents through the direct map, private and writable by the kernel; may sleep. */
static uint8_t *tramp_page(struct space *s, vaddr_t va)
{
	struct vma *v = space_find(s, va);

	if (!v || va < v->start || !(v->flags & VMA_KERNEL))
		return NULL; /* the program unmapped it, or put something else there */
	return space_private_page(s, va);
}

static int tramp_page_new(struct space *s, struct patch_state *st, vaddr_t site)
{
	vaddr_t va = find_gap(s, site);
	uint64_t slot = HP(entry_syscall);
	struct vma *v;
	uint8_t *p;
	long r;

	if (!va || st->npages == PATCH_PAGES)
		return -ENOMEM;
	r = space_mmap(s, va, PAGE_SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, NULL, 0,
		       "[doppel]");
	if (r < 0)
		return (int)r;
	v = space_find(s, va);
	if (!v || v->start > va)
		return -ENOMEM;
	v->flags |= VMA_KERNEL;
	p = tramp_page(s, va);
	if (!p) {
		space_munmap(s, va, PAGE_SIZE);
		return -ENOMEM;
	}
	memset(p, 0xcc, PAGE_SIZE);
	memcpy(p, &slot, sizeof(slot));
	st->pages[st->npages].va = va;
	st->pages[st->npages].used = 0;
	st->npages++;
	return 0;
}

/* The trampoline that runs the moved instruction (NULL: none), enters, and returns to `ret`: an old one or a new one.
 * 0 when there is none to be had. May sleep. */
static vaddr_t tramp_get(struct space *s, struct patch_state *st, vaddr_t ret, const uint8_t *moved)
{
	uint8_t code[TRAMP_SIZE];

	for (int attempt = 0; attempt < 2; attempt++) {
		for (unsigned i = 0; i < st->npages; i++) {
			vaddr_t va = st->pages[i].va;
			uint8_t *p;

			if (!reaches(va, ret) || !(p = tramp_page(s, va)))
				continue;
			for (unsigned k = 0; k <= st->pages[i].used && k < TRAMPS; k++) {
				vaddr_t at = va + TRAMP_FIRST + k * TRAMP_SIZE;

				patch_tramp_code(code, at, va, ret, moved);
				if (k == st->pages[i].used) {
					memcpy(p + (at - va), code, TRAMP_SIZE);
					st->pages[i].used++;
					return at;
				}
				if (memcmp(p + (at - va), code, TRAMP_SIZE) == 0)
					return at;
			}
		}
		if (tramp_page_new(s, st, ret))
			return 0;
	}
	return 0;
}

/* ---- the sites ---- */

static bool patch_p1(struct space *s, struct patch_state *st, vaddr_t ret, uint32_t nr)
{
	vaddr_t site = ret - 2 - 5, tramp;
	uint8_t code[PATCH_BACK], jump[5];

	if (!peek(s, ret - 2 - PATCH_BACK, code, PATCH_BACK) || !patch_can_move(code, nr))
		return false;
	tramp = tramp_get(s, st, ret, code + PATCH_BACK - 5);
	if (!tramp)
		return false;
	patch_jump_code(jump, site, tramp);
	return poke(s, site, code + PATCH_BACK - 5, jump, sizeof(jump));
}

/* Only pages that are there are looked at. */
static bool function_crashes(void *space, vaddr_t function)
{
	uint8_t code[16];
	size_t n = 0;

	while (n < sizeof(code) && peek(space, function + n, code + n, 1))
		n++;
	return patch_crashes(code, n);
}

static void patch_p4(struct space *s, struct patch_state *st, vaddr_t ret, size_t len)
{
	static const uint8_t syscall_insn[2] = { 0x0f, 0x05 };
	uint8_t code[PATCH_WINDOW], jump[POKE_MAX], hop[2];
	size_t n = 0, pad_len;
	vaddr_t tramp;
	long off;

	len = MIN(len, sizeof(code));
	while (n < len && peek(s, ret + n, code + n, 1))
		n++;
	off = patch_find_padding(code, n, ret, function_crashes, s, &pad_len);
	if (off < 0)
		return;
	tramp = tramp_get(s, st, ret, NULL);
	if (!tramp)
		return;
	/* What is left over becomes int3: padding again, should another site look for some. */
	pad_len = MIN(pad_len, sizeof(jump));
	memset(jump, 0xcc, sizeof(jump));
	patch_jump_code(jump, ret + (uint64_t)off, tramp);
	hop[0] = 0xeb;
	hop[1] = (uint8_t)off;
	if (poke(s, ret + (uint64_t)off, code + off, jump, pad_len))
		poke(s, ret - 2, syscall_insn, hop, sizeof(hop));
}

static void rewrite(struct space *s, struct patch_state *st, vaddr_t ret, uint32_t nr)
{
	struct vma *v = space_find(s, ret - 2);

	if (!patchable(v) || ret - 2 - PATCH_BACK < v->start || ret >= v->end)
		return;
	if (!patch_p1(s, st, ret, nr))
		patch_p4(s, st, ret, v->end - ret);
}

/* Counts one more trap: true when it is time to do something about the site, which is said once. */
static bool site_is_hot(struct patch_state *st, vaddr_t ret)
{
	struct patch_count *set = &st->sites[ret * 0x9e3779b97f4a7c15ul >> 32 & (PATCH_SITES - PATCH_WAYS)], *c = set;

	for (unsigned i = 0; i < PATCH_WAYS; i++) {
		if (set[i].ret == ret) {
			c = &set[i];
			break;
		}
		if (set[i].traps < c->traps)
			c = &set[i];
	}
	if (c->ret != ret) {
		c->ret = ret;
		c->traps = 0;
	}
	return ++c->traps == PATCH_AFTER;
}

void patch_site(struct regs *r)
{
	struct plat_space *ps = mem_current();
	struct proc *p = current_proc();

	if (!enabled || !ps || !p || !p->space || p->space->plat != ps || r->orig_rax >= SYSCALL_MAX)
		return;
	if (site_is_hot(ps->patch, r->rip))
		rewrite(p->space, ps->patch, r->rip, (uint32_t)r->orig_rax);
}

/* Signal frames never show a trampoline: one that was interrupted has not done anything yet. */
void patch_rewind(struct regs *r)
{
	struct plat_space *ps = mem_current();
	struct proc *p = current_proc();
	vaddr_t page = ALIGN_DOWN(r->rip, PAGE_SIZE), at, restart;
	uint8_t *code;

	if (!ps || !p || !p->space || p->space->plat != ps || (r->rip & PAGE_MASK) < TRAMP_FIRST)
		return;
	for (unsigned i = 0; i < ps->patch->npages; i++) {
		if (ps->patch->pages[i].va != page)
			continue;
		code = page_at(p->space, page, true);
		at = page + TRAMP_FIRST + ((r->rip & PAGE_MASK) - TRAMP_FIRST) / TRAMP_SIZE * TRAMP_SIZE;
		restart = code ? patch_tramp_restart(code + (at - page), at) : 0;
		if (restart)
			r->rip = restart;
		return;
	}
}
