/* The fake platform's address spaces: page tables walked by a software MMU, and core/x86_64/copy.S's user copy through it.
 *
 * The MMU keeps every translation it has used, like a TLB of unlimited age, and panics when a page table was changed
 * without telling the platform: that is what breaks on real ones. Without a current space, user memory is a list of
 * buffers that the test registered (fake_user_map). */
#include <stdlib.h>
#include <string.h>

#include "core/main.h"
#include "core/mm/page.h"
#include "core/mm/pt.h"
#include "core/mm/uio.h"
#include "core/printf.h"
#include "shim/abi/errno.h"
#include "tests/unit/fakeplat.h"

/* ---- address spaces: a software MMU ---- */

struct plat_space {
	paddr_t root;
};

struct tlb_entry {
	struct plat_space *space;
	vaddr_t va;
	paddr_t pa;
	bool writable;
};

#define TLB_SIZE 4096

static struct tlb_entry tlb[TLB_SIZE];
static struct plat_space *current_space;
unsigned long fake_map_calls, fake_unmap_calls, fake_protect_calls, fake_fresh_calls;
unsigned fake_fault_pages;

static struct tlb_entry *tlb_slot(const struct plat_space *s, vaddr_t va)
{
	return &tlb[((va >> PAGE_SHIFT) ^ ((uintptr_t)s >> 4)) % TLB_SIZE];
}

static bool tlb_in(const struct tlb_entry *e, const struct plat_space *s, vaddr_t va, size_t len)
{
	return e->space == s && e->va >= va && e->va - va < len;
}

static void tlb_drop(struct plat_space *s, vaddr_t va, size_t len)
{
	for (size_t i = 0; i < TLB_SIZE; i++) {
		if (tlb_in(&tlb[i], s, va, len))
			tlb[i].space = NULL;
	}
}

int plat_space_new(paddr_t root, struct plat_space **out)
{
	struct plat_space *s;

	if (fake_alloc_fails())
		return -ENOMEM;
	s = malloc(sizeof(*s));
	s->root = root;
	*out = s;
	return 0;
}

void plat_space_free(struct plat_space *s)
{
	if (s == current_space)
		panic("the current space is freed");
	tlb_drop(s, 0, USER_MAX);
	free(s);
}

unsigned plat_fault_pages(void)
{
	return fake_fault_pages;
}

void plat_space_map(struct plat_space *s, vaddr_t va, size_t len, bool fresh)
{
	fake_map_calls++;
	fake_fresh_calls += fresh;
	for (size_t i = 0; i < TLB_SIZE; i++) {
		if (tlb_in(&tlb[i], s, va, len))
			panic("plat_space_map over a live translation at 0x%lx", tlb[i].va);
	}
}

void plat_space_unmap(struct plat_space *s, vaddr_t va, size_t len)
{
	fake_unmap_calls++;
	tlb_drop(s, va, len);
}

void plat_space_protect(struct plat_space *s, vaddr_t va, size_t len)
{
	fake_protect_calls++;
	tlb_drop(s, va, len);
}

void plat_space_switch(struct plat_space *s)
{
	current_space = s;
}

/* The leaf entry for va as the CPU finds it, or NULL; *pa is the byte's address. */
static pte_t *mmu_leaf(paddr_t root, vaddr_t va, paddr_t *pa, bool *writable)
{
	paddr_t table = root;

	*writable = true;
	for (int shift = 39;; shift -= 9) {
		pte_t *e = (pte_t *)pa_va(table) + (va >> shift & 511);

		if ((*e & (PTE_P | PTE_U)) != (PTE_P | PTE_U))
			return NULL;
		*writable = *writable && (*e & PTE_W);
		if (shift == 12 || (*e & PTE_HUGE)) {
			*pa = (pte_pa(*e) & ~((1ul << shift) - 1)) + (va & ((1ul << shift) - 1));
			return e;
		}
		table = pte_pa(*e);
	}
}

static char *mmu_translate(vaddr_t va, bool write)
{
	struct tlb_entry *t = tlb_slot(current_space, va);
	bool writable = false;
	paddr_t pa = 0;
	pte_t *e = mmu_leaf(current_space->root, va, &pa, &writable);

	if (t->space == current_space && t->va == (va & ~PAGE_MASK)) {
		if (!e || t->pa != (pa & ~PAGE_MASK) || (t->writable && !writable))
			panic("stale translation of 0x%lx: the platform was not told", va);
	}
	if (!e || (write && !writable))
		return NULL;
	*e |= PTE_A | (write ? PTE_D : 0);
	*t = (struct tlb_entry){ current_space, va & ~PAGE_MASK, pa & ~PAGE_MASK, writable };
	return pa_va(pa);
}

/* ---- user buffers without a space ---- */

struct user_buf {
	struct user_buf *next;
	uptr_t addr;
	size_t len;
	bool readonly;
	char *data;
};

static struct user_buf *user_bufs;

static struct user_buf *user_buf_find(uptr_t addr)
{
	for (struct user_buf *b = user_bufs; b; b = b->next) {
		if (addr >= b->addr && addr - b->addr < b->len)
			return b;
	}
	return NULL;
}

void *fake_user_map(uptr_t addr, size_t len)
{
	struct user_buf *b = malloc(sizeof(*b));

	*b = (struct user_buf){ user_bufs, addr, len, false, calloc(1, len) };
	user_bufs = b;
	return b->data;
}

void *fake_user_ptr(uptr_t addr)
{
	struct user_buf *b = user_buf_find(addr);

	return b ? b->data + (addr - b->addr) : NULL;
}

void fake_user_readonly(uptr_t addr)
{
	user_buf_find(addr)->readonly = true;
}

void fake_user_reset(void)
{
	while (user_bufs) {
		struct user_buf *b = user_bufs;

		user_bufs = b->next;
		free(b->data);
		free(b);
	}
}

/* ---- the user copy ---- */

/* Host address of user address va and how many bytes from there lie in one piece (*run); NULL on a fault. */
static char *user_at(uptr_t va, bool write, size_t *run)
{
	struct user_buf *b;

	if (va < USER_MIN || va >= USER_MAX)
		return NULL;
	if (current_space) {
		*run = PAGE_SIZE - (va & PAGE_MASK);
		return mmu_translate(va, write);
	}
	b = user_buf_find(va);
	if (!b || (write && b->readonly))
		return NULL;
	*run = b->len - (va - b->addr);
	return b->data + (va - b->addr);
}

size_t user_copy_in(void *dst, uptr_t src, size_t len)
{
	size_t run;

	for (char *d = dst, *p; len && (p = user_at(src, false, &run)); len -= run, src += run, d += run) {
		run = run < len ? run : len;
		memcpy(d, p, run);
	}
	return len;
}

size_t user_copy_out(uptr_t dst, const void *src, size_t len)
{
	size_t run;

	for (char *p; len && (p = user_at(dst, true, &run)); len -= run, dst += run, src = (const char *)src + run) {
		run = run < len ? run : len;
		memcpy(p, src, run);
	}
	return len;
}

size_t user_zero(uptr_t dst, size_t len)
{
	size_t run;

	for (char *p; len && (p = user_at(dst, true, &run)); len -= run, dst += run) {
		run = run < len ? run : len;
		memset(p, 0, run);
	}
	return len;
}

int user_load32(uptr_t src, uint32_t *out)
{
	return user_copy_in(out, src, sizeof(*out)) ? -EFAULT : 0;
}

int user_cmpxchg32(uptr_t dst, uint32_t old, uint32_t new_val, uint32_t *seen)
{
	size_t run;
	char *p = user_at(dst, true, &run);

	if (!p || run < sizeof(*seen))
		return -EFAULT;
	memcpy(seen, p, sizeof(*seen));
	if (*seen == old)
		memcpy(p, &new_val, sizeof(new_val));
	return 0;
}

uint8_t copy_smap, copy_fsrm;

void copy_init(void)
{
}

uint64_t copy_fixup(uint64_t rip)
{
	return 0;
}

void fake_mmu_reset(void)
{
	fake_fault_pages = FAKE_FAULT_PAGES;
	static const struct tlb_entry none;

	current_space = NULL;
	for (size_t i = 0; i < TLB_SIZE; i++)
		tlb[i] = none;
	fake_user_reset();
	fake_map_calls = fake_unmap_calls = fake_protect_calls = 0;
}
