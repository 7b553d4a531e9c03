/* Address spaces: placement, splitting and merging, errors, and random sequences against a model. */
#include "core/mm/space.h"
#include "core/lib/seqbuf.h"
#include "core/mm/page.h"
#include "core/mm/slab.h"
#include "core/mm/space_impl.h"
#include "core/mm/uio.h"
#include "core/proc/proc.h"
#include "core/sched.h"
#include "shim/abi/errno.h"
#include "shim/abi/mman.h"
#include "shim/abi/resource.h"
#include "tests/unit/unit.h"

#define RAM (32ul << 20)
#define BASE 0x10000000ul
#define P PAGE_SIZE
#define RW (PROT_READ | PROT_WRITE)
#define PRIV (MAP_PRIVATE | MAP_ANONYMOUS)

static struct space *s;

static void setup(void)
{
	fake_boot(RAM);
	s = fake_space();
}

static void teardown(void)
{
	fake_space_drop();
	fake_check_leaks();
}

static long map_at(vaddr_t addr, size_t pages, unsigned prot)
{
	return space_mmap(s, addr, pages * P, prot, PRIV | MAP_FIXED, NULL, 0, NULL);
}

static uint8_t get(vaddr_t va)
{
	uint8_t b = 0xee;

	ck_assert_int_eq(copyin(&b, va, 1), 0);
	return b;
}

static void put(vaddr_t va, uint8_t b)
{
	ck_assert_int_eq(copyout(va, &b, 1), 0);
}

/* ---- VMAs ---- */

START_TEST(neighbours_merge_and_split)
{
	ck_assert_int_eq(map_at(BASE, 4, RW), (long)BASE);
	ck_assert_int_eq(map_at(BASE + 4 * P, 4, RW), (long)(BASE + 4 * P));
	ck_assert_uint_eq(s->vma_count, 1);
	ck_assert_int_eq(space_mprotect(s, BASE + 2 * P, 2 * P, PROT_READ), 0);
	ck_assert_uint_eq(s->vma_count, 3);
	ck_assert_int_eq(space_mprotect(s, BASE + 2 * P, 2 * P, RW), 0);
	ck_assert_uint_eq(s->vma_count, 1);
	ck_assert_int_eq(space_munmap(s, BASE + P, P), 0);
	ck_assert_uint_eq(s->vma_count, 2);
	ck_assert_uint_eq(s->total_pages, 7);
	ck_assert_int_eq(map_at(BASE + P, 1, RW), (long)(BASE + P));
	ck_assert_uint_eq(s->vma_count, 1);
	ck_assert_uint_eq(s->total_pages, 8);
	ck_assert_ptr_eq(space_find(s, BASE + 8 * P), NULL);
	ck_assert_ptr_ne(space_find(s, BASE - 1), NULL);
}
END_TEST

START_TEST(memory_is_zeroed_and_kept)
{
	map_at(BASE, 16, RW);
	for (int i = 0; i < 16; i++) {
		ck_assert_uint_eq(get(BASE + i * P + 100), 0);
		put(BASE + i * P, (uint8_t)(i + 1));
	}
	for (int i = 0; i < 16; i++)
		ck_assert_uint_eq(get(BASE + i * P), i + 1);
	ck_assert_uint_eq(s->rss_anon, 16);
	space_munmap(s, BASE, 8 * P);
	ck_assert_uint_eq(s->rss_anon, 8);
	ck_assert_int_eq(copyout(BASE, "x", 1), -EFAULT);
	map_at(BASE, 8, RW);
	ck_assert_uint_eq(get(BASE), 0);
}
END_TEST

START_TEST(protection)
{
	map_at(BASE, 3, RW);
	put(BASE, 1);
	put(BASE + P, 2); /* and its neighbour, as part of a run */
	space_mprotect(s, BASE, P, PROT_READ);
	ck_assert_uint_eq(get(BASE), 1);
	ck_assert_int_eq(copyout(BASE, "x", 1), -EFAULT);
	ck_assert_int_eq(space_fault(s, BASE, PROT_WRITE), -EACCES);
	ck_assert_int_eq(space_fault(s, BASE, PROT_EXEC), -EACCES);
	space_mprotect(s, BASE, P, PROT_NONE);
	ck_assert_int_eq(copyin(&(char){ 0 }, BASE, 1), -EFAULT);
	ck_assert_int_eq(space_fault(s, BASE, PROT_READ), -EACCES);
	ck_assert_uint_ge(s->rss_anon, 2); /* the pages are kept */
	space_mprotect(s, BASE, P, RW);
	ck_assert_uint_eq(get(BASE), 1);
	put(BASE, 3);
	ck_assert_uint_eq(get(BASE), 3);
	/* What may be written or executed may be read on x86. */
	space_mprotect(s, BASE, P, PROT_WRITE);
	ck_assert_uint_eq(get(BASE), 3);
	space_mprotect(s, BASE + 2 * P, P, PROT_EXEC);
	ck_assert_int_eq(space_fault(s, BASE + 2 * P, PROT_EXEC), 0);
	ck_assert_uint_eq(get(BASE + 2 * P), 0);
	ck_assert_int_eq(space_fault(s, BASE + 3 * P, PROT_READ), -EFAULT);
	ck_assert_int_eq(space_fault(s, USER_MAX, PROT_READ), -EFAULT);
	ck_assert_int_eq(space_fault(s, ~0ul, PROT_READ), -EFAULT);
}
END_TEST

START_TEST(mmap_errors)
{
	ck_assert_int_eq(space_mmap(s, 0, 0, RW, PRIV, NULL, 0, NULL), -EINVAL);
	ck_assert_int_eq(space_mmap(s, 0, P, RW, MAP_ANONYMOUS, NULL, 0, NULL), -EINVAL);
	ck_assert_int_eq(space_mmap(s, 0, P, RW, MAP_ANONYMOUS | MAP_SHARED_VALIDATE, NULL, 0, NULL), -EINVAL);
	ck_assert_int_eq(space_mmap(s, BASE + 1, P, RW, PRIV | MAP_FIXED, NULL, 0, NULL), -EINVAL);
	ck_assert_int_eq(space_mmap(s, 0, P, RW, PRIV | MAP_FIXED, NULL, 0, NULL), -EPERM);
	ck_assert_int_eq(space_mmap(s, USER_MIN - P, 2 * P, RW, PRIV | MAP_FIXED, NULL, 0, NULL), -EPERM);
	ck_assert_int_eq(space_mmap(s, USER_MAX - P, 2 * P, RW, PRIV | MAP_FIXED, NULL, 0, NULL), -ENOMEM);
	ck_assert_int_eq(space_mmap(s, USER_MAX, P, RW, PRIV | MAP_FIXED, NULL, 0, NULL), -ENOMEM);
	ck_assert_int_eq(space_mmap(s, ~0ul - P + 1, P, RW, PRIV | MAP_FIXED, NULL, 0, NULL), -ENOMEM);
	ck_assert_int_eq(space_mmap(s, 0, USER_MAX, PROT_NONE, PRIV, NULL, 0, NULL), -ENOMEM);
	ck_assert_int_eq(space_mmap(s, 0, ~0ul, PROT_NONE, PRIV, NULL, 0, NULL), -ENOMEM);
	map_at(BASE, 2, RW);
	ck_assert_int_eq(space_mmap(s, BASE + P, P, RW, PRIV | MAP_FIXED_NOREPLACE, NULL, 0, NULL), -EEXIST);
	ck_assert_int_eq(space_mmap(s, BASE - P, 2 * P, RW, PRIV | MAP_FIXED_NOREPLACE, NULL, 0, NULL), -EEXIST);
	ck_assert_int_eq(space_mmap(s, BASE + 2 * P, P, RW, PRIV | MAP_FIXED_NOREPLACE, NULL, 0, NULL), BASE + 2 * P);
	ck_assert_int_eq(space_mmap(s, USER_MIN, P, RW, PRIV | MAP_FIXED, NULL, 0, NULL), USER_MIN);
	ck_assert_int_eq(space_mmap(s, USER_MAX - P, P, RW, PRIV | MAP_FIXED, NULL, 0, NULL), USER_MAX - P);
	put(USER_MAX - 1, 7);
	ck_assert_uint_eq(get(USER_MAX - 1), 7);
	ck_assert_int_eq(copyout(USER_MAX - 1, "xy", 2), -EFAULT);
	ck_assert_uint_eq(get(USER_MAX - 1), 'x');
}
END_TEST

START_TEST(munmap_and_mprotect_errors)
{
	ck_assert_int_eq(space_munmap(s, BASE + 1, P), -EINVAL);
	ck_assert_int_eq(space_munmap(s, BASE, 0), -EINVAL);
	ck_assert_int_eq(space_munmap(s, USER_MAX, P), -EINVAL);
	ck_assert_int_eq(space_munmap(s, P, ~0ul - P), -EINVAL);
	ck_assert_int_eq(space_munmap(s, BASE, P), 0);
	ck_assert_int_eq(space_mprotect(s, BASE + 1, P, RW), -EINVAL);
	ck_assert_int_eq(space_mprotect(s, BASE, 0, RW), 0);
	ck_assert_int_eq(space_mprotect(s, BASE, P, 0x100), -EINVAL);
	ck_assert_int_eq(space_mprotect(s, BASE, P, RW), -ENOMEM);
	ck_assert_int_eq(space_mprotect(s, BASE, ~0ul, RW), -ENOMEM);
	/* What precedes the hole is changed, what follows is not. */
	map_at(BASE, 1, RW);
	map_at(BASE + 2 * P, 1, RW);
	ck_assert_int_eq(space_mprotect(s, BASE, 3 * P, PROT_READ), -ENOMEM);
	ck_assert_uint_eq(space_find(s, BASE)->prot, PROT_READ);
	ck_assert_uint_eq(space_find(s, BASE + 2 * P)->prot, RW);
}
END_TEST

START_TEST(placement)
{
	vaddr_t a = (vaddr_t)space_mmap(s, 0, 4 * P, RW, PRIV, NULL, 0, NULL);
	vaddr_t b = (vaddr_t)space_mmap(s, 0, P, PROT_READ, PRIV, NULL, 0, NULL);
	vaddr_t c;

	ck_assert_uint_eq(a + 4 * P, s->mmap_top);
	ck_assert_uint_eq(b, a - P);
	/* A hole is found again, whatever was found since. */
	space_munmap(s, a + P, 2 * P);
	c = (vaddr_t)space_mmap(s, 0, 3 * P, PROT_READ, PRIV, NULL, 0, NULL);
	ck_assert_uint_eq(c, b - 3 * P);
	ck_assert_uint_eq((vaddr_t)space_mmap(s, 0, 2 * P, PROT_READ, PRIV, NULL, 0, NULL), a + P);
	/* Hints: taken when free, aligned down, ignored otherwise. */
	ck_assert_uint_eq((vaddr_t)space_mmap(s, BASE + 5, P, RW, PRIV, NULL, 0, NULL), BASE);
	ck_assert_uint_eq((vaddr_t)space_mmap(s, BASE, P, RW, PRIV, NULL, 0, NULL), c - P);
	ck_assert_uint_gt((vaddr_t)space_mmap(s, USER_MAX, P, RW, PRIV, NULL, 0, NULL), BASE);
	ck_assert_uint_gt((vaddr_t)space_mmap(s, P, P, RW, PRIV, NULL, 0, NULL), BASE);
	/* MAP_32BIT */
	a = (vaddr_t)space_mmap(s, 0, P, RW, PRIV | MAP_32BIT, NULL, 0, NULL);
	ck_assert_uint_eq(a, 0x80000000ul - P);
	a = (vaddr_t)space_mmap(s, 0, P, PROT_READ, PRIV | MAP_32BIT, NULL, 0, NULL);
	ck_assert_uint_eq(a, 0x80000000ul - 2 * P);
	ck_assert_int_eq(space_mmap(s, 0, 0x40000000ul, PROT_NONE, PRIV | MAP_32BIT, NULL, 0, NULL), -ENOMEM);
}
END_TEST

START_TEST(reservations_cost_nothing)
{
	struct page_stats before, after;
	long a;

	page_stats(&before);
	a = space_mmap(s, 0, 500ul << 30, PROT_NONE, PRIV | MAP_NORESERVE, NULL, 0, NULL);
	ck_assert_int_gt(a, 0);
	page_stats(&after);
	ck_assert_uint_eq(before.free, after.free);
	ck_assert_int_eq(space_mprotect(s, (vaddr_t)a + (200ul << 30), P, RW), 0);
	put((vaddr_t)a + (200ul << 30), 1);
	ck_assert_int_eq(space_munmap(s, (vaddr_t)a, 500ul << 30), 0);
	page_stats(&after);
	ck_assert_uint_eq(before.free, after.free);
	/* What could never be filled is refused at once, as by Linux's heuristic. */
	ck_assert_int_eq(space_mmap(s, 0, 2 * RAM, RW, PRIV, NULL, 0, NULL), -ENOMEM);
	ck_assert_int_gt(space_mmap(s, 0, 2 * RAM, RW, PRIV | MAP_NORESERVE, NULL, 0, NULL), 0);
	a = space_mmap(s, 0, 2 * RAM, PROT_READ, PRIV, NULL, 0, NULL);
	ck_assert_int_gt(a, 0);
	ck_assert_int_eq(space_mprotect(s, (vaddr_t)a, 2 * RAM, RW), -ENOMEM);
}
END_TEST

START_TEST(limits)
{
	struct proc *p = current_proc();
	struct rlimit old = p->rlimits[RLIMIT_AS];
	vaddr_t a = BASE;

	p->rlimits[RLIMIT_AS].cur = 10 * P + 5;
	ck_assert_int_eq(map_at(BASE, 11, RW), -ENOMEM);
	ck_assert_int_eq(map_at(BASE, 10, RW), BASE);
	ck_assert_int_eq(space_mmap(s, 0, P, RW, PRIV, NULL, 0, NULL), -ENOMEM);
	ck_assert_int_eq(map_at(BASE + 9 * P, 1, PROT_READ), BASE + 9 * P); /* in the place of another: no more than before */
	ck_assert_int_eq(map_at(BASE + 9 * P, 2, PROT_READ), -ENOMEM);
	ck_assert_int_eq(map_at(BASE + 9 * P, 1, RW), BASE + 9 * P);
	ck_assert_int_eq(space_mremap(s, BASE, 10 * P, 11 * P, MREMAP_MAYMOVE, 0), -ENOMEM);
	p->rlimits[RLIMIT_AS] = old;
	space_munmap(s, BASE, 10 * P);

	for (unsigned i = 0; i < SPACE_MAX_VMAS; i++, a += 2 * P)
		ck_assert_int_eq(map_at(a, 1, PROT_NONE), (long)a);
	ck_assert_int_eq(map_at(a, 1, PROT_NONE), -ENOMEM);
	ck_assert_int_eq(space_munmap(s, BASE, 1000 * P), 0);
	ck_assert_int_eq(map_at(BASE, 3, PROT_NONE), BASE);
	for (unsigned i = 0; i < 499; i++, a += 2 * P)
		ck_assert_int_eq(map_at(a, 1, PROT_NONE), (long)a);
	ck_assert_int_eq(space_munmap(s, BASE + P, P), -ENOMEM); /* would make two of one */
	ck_assert_int_eq(space_munmap(s, BASE, P), 0);
}
END_TEST

START_TEST(heap)
{
	vaddr_t b = BASE + 0x123;

	s->brk_start = s->brk = b;
	ck_assert_uint_eq(space_brk(s, 0), b);
	ck_assert_uint_eq(space_brk(s, b - 1), b);
	ck_assert_uint_eq(space_brk(s, b + 10 * P), b + 10 * P);
	ck_assert_uint_eq(s->vma_count, 1);
	put(BASE + P, 5);
	put(b + 10 * P - 1, 6);
	ck_assert_uint_eq(space_brk(s, b + 20 * P), b + 20 * P);
	ck_assert_uint_eq(s->vma_count, 1);
	ck_assert_uint_eq(space_brk(s, b + P), b + P);
	ck_assert_uint_eq(get(BASE + P), 5);
	ck_assert_uint_eq(s->total_pages, 1);
	ck_assert_uint_eq(space_brk(s, b + 10 * P), b + 10 * P);
	ck_assert_uint_eq(get(b + 9 * P), 0);
	/* Another mapping stops it, one page before. */
	map_at(BASE + 20 * P, 1, RW);
	ck_assert_uint_eq(space_brk(s, BASE + 20 * P), b + 10 * P);
	ck_assert_uint_eq(space_brk(s, BASE + 19 * P), BASE + 19 * P);
	ck_assert_uint_eq(space_brk(s, USER_MAX), BASE + 19 * P);
	ck_assert_uint_eq(space_brk(s, ~0ul), BASE + 19 * P);
	ck_assert_str_eq(space_find(s, BASE + P)->name, "[heap]");
	FAKE_EACH_FAILURE(n) {
		vaddr_t r = space_brk(s, b + 2 * P);

		if (r == b + 2 * P)
			r = space_brk(s, b + 12 * P);
		ck_assert(r == b + 12 * P || fake_failed());
		space_brk(s, BASE + 19 * P);
	}
}
END_TEST

START_TEST(stack_grows)
{
	vaddr_t top = BASE + 4096 * P;
	struct proc *p = current_proc();
	struct rlimit old = p->rlimits[RLIMIT_STACK];
	vaddr_t near;

	ck_assert_int_gt(space_mmap(s, top - 4 * P, 4 * P, RW, PRIV | MAP_FIXED | MAP_GROWSDOWN, NULL, 0, "[stack]"), 0);
	p->rlimits[RLIMIT_STACK].cur = 1000 * P;
	put(top - 10 * P, 1);
	ck_assert_uint_eq(space_find(s, top - 1)->start, top - 10 * P);
	ck_assert_uint_eq(s->total_pages, 10);
	put(top - 1000 * P, 1);
	ck_assert_int_eq(space_fault(s, top - 1000 * P - 1, PROT_WRITE), -EFAULT);
	/* Nothing is placed, by hint or otherwise, in the guard gap; what is there already stops the growth. */
	p->rlimits[RLIMIT_STACK].cur = 4000 * P;
	near = top - 1000 * P - 256 * P;
	ck_assert_int_ne(space_mmap(s, near, P, RW, PRIV, NULL, 0, NULL), (long)near);
	map_at(near - P, 1, RW);
	ck_assert_int_eq(space_fault(s, top - 1000 * P - 1, PROT_WRITE), -EFAULT);
	space_mprotect(s, near - P, P, PROT_NONE); /* an inaccessible neighbour is guard enough */
	ck_assert_int_eq(space_fault(s, top - 1000 * P - 1, PROT_WRITE), 0);
	p->rlimits[RLIMIT_STACK] = old;
}
END_TEST

/* ---- sharing ---- */

START_TEST(shared_anonymous)
{
	long a = space_mmap(s, 0, 4 * P, RW, MAP_SHARED | MAP_ANONYMOUS, NULL, 0, NULL), b;

	ck_assert_int_gt(a, 0);
	put((vaddr_t)a + P, 9);
	/* The same pages at a second place: what fork will do. */
	b = space_mremap(s, (vaddr_t)a, 0, 4 * P, MREMAP_MAYMOVE, 0);
	ck_assert_int_gt(b, 0);
	ck_assert_int_ne(a, b);
	ck_assert_uint_eq(get((vaddr_t)b + P), 9);
	put((vaddr_t)b + 2 * P, 8);
	ck_assert_uint_eq(get((vaddr_t)a + 2 * P), 8);
	ck_assert_int_eq(space_madvise(s, (vaddr_t)a, 4 * P, MADV_DONTNEED), 0);
	ck_assert_uint_eq(get((vaddr_t)a + 2 * P), 8);
	space_munmap(s, (vaddr_t)a, 4 * P);
	ck_assert_uint_eq(get((vaddr_t)b + P), 9);
}
END_TEST

START_TEST(copy_on_write_by_references)
{
	bool huge;
	pte_t *e;
	struct page *p;

	map_at(BASE, 1, RW);
	put(BASE, 1);
	e = pt_walk(s->root, BASE, false, &huge);
	p = pa_to_page(pte_pa(*e));
	/* As after a fork: a second owner, and no right to write. */
	page_get(p);
	*e = entry_make(space_find(s, BASE), p, true);
	ck_assert_uint_eq(*e & (PTE_W | PTE_COW), PTE_COW);
	plat_space_protect(s->plat, BASE, P);
	put(BASE, 2);
	ck_assert_uint_eq(*(char *)page_va(p), 1);
	ck_assert_ptr_ne(pa_to_page(pte_pa(*e)), p);
	ck_assert_uint_eq(p->refs, 1);
	page_put(p);
	/* The last owner claims the page without a copy. */
	p = pa_to_page(pte_pa(*e));
	*e = (*e & ~PTE_W) | PTE_COW;
	plat_space_protect(s->plat, BASE, P);
	put(BASE, 3);
	ck_assert_ptr_eq(pa_to_page(pte_pa(*e)), p);
}
END_TEST

START_TEST(fault_runs)
{
	unsigned long calls, fresh = fake_fresh_calls;

	fake_fault_pages = 1;
	map_at(BASE, 64, RW);
	ck_assert_int_eq(space_fault(s, BASE, PROT_READ), 0);
	ck_assert_uint_eq(s->rss_anon, 1);
	for (int i = 0; i < 64; i++)
		put(BASE + i * P, 1);
	ck_assert_uint_eq(s->rss_anon, 64);
	ck_assert_uint_le(s->faults_minor, 7); /* 1 + 2 + 4 + 8 + … */
	/* A random access gets one page, however many are used around it. */
	map_at(BASE + 1000 * P, 64, PROT_READ);
	calls = fake_map_calls;
	get(BASE + 1030 * P);
	get(BASE + 1028 * P);
	ck_assert_uint_eq(s->rss_anon, 66);
	ck_assert_uint_eq(fake_map_calls, calls + 2);
	ck_assert_uint_eq(fake_fresh_calls, fresh);
}
END_TEST

/* Where faults are dear: memory that was never used is provided by the piece, since it costs nothing until it is touched. */
START_TEST(fault_fresh)
{
	unsigned long calls = fake_fresh_calls;

	map_at(BASE, 64, RW);
	ck_assert_int_eq(space_fault(s, BASE, PROT_READ), 0);
	ck_assert_uint_eq(s->rss_anon, 16);
	for (int i = 0; i < 64; i++)
		put(BASE + i * P, 1);
	ck_assert_uint_eq(s->rss_anon, 64);
	ck_assert_uint_eq(s->faults_minor, 3); /* 16 + 32 + the rest */
	ck_assert_uint_eq(fake_fresh_calls, calls + 3);
	map_at(BASE + 1000 * P, 64, PROT_READ);
	get(BASE + 1030 * P);
	ck_assert_uint_eq(s->rss_anon, 80);
}
END_TEST

/* Other memory must be cleared: an isolated access gets one page, a dense use of the surroundings gets more. */
START_TEST(fault_dense)
{
	struct page *held[RAM / P / 64], *p;
	unsigned n = 0;
	unsigned long calls;

	while ((p = page_alloc(0, PA_FRESH))) {
		page_put(p);
		held[n++] = page_alloc(6, PA_NORECLAIM);
		ck_assert_ptr_nonnull(held[n - 1]);
	}
	calls = fake_fresh_calls;
	map_at(BASE, 64, RW);
	get(BASE + 40 * P);
	ck_assert_uint_eq(s->rss_anon, 1);
	get(BASE + 8 * P);
	ck_assert_uint_eq(s->rss_anon, 2);
	for (int i = 0; i < 16; i++)
		get(BASE + (i < 8 ? 2 * i : 2 * i - 15) * P);
	ck_assert_uint_ge(s->rss_anon, 17);
	ck_assert_uint_lt(s->faults_minor, 14);
	ck_assert_uint_eq(fake_fresh_calls, calls);
	while (n)
		page_put(held[--n]);
}
END_TEST

START_TEST(out_of_memory)
{
	size_t pages = 0;
	struct page_stats st;
	int r;

	map_at(BASE, RAM / P, RW);
	ck_assert_uint_eq(s->vma_count, 0); /* larger than RAM without the struct pages */
	page_stats(&st);
	ck_assert_int_gt(map_at(BASE, st.total, RW), 0);
	while ((r = space_fault(s, BASE + pages * P, PROT_WRITE)) == 0)
		pages++;
	ck_assert_int_eq(r, -ENOMEM);
	ck_assert_uint_gt(pages, st.total * 9 / 10);
	ck_assert_int_eq(copyout(BASE + pages * P, "x", 1), -EFAULT);
	space_munmap(s, BASE, P);
	ck_assert_int_eq(space_fault(s, BASE + pages * P, PROT_WRITE), 0);
}
END_TEST

START_TEST(private_page)
{
	char *k;

	ck_assert_ptr_eq(space_private_page(s, BASE), NULL);
	map_at(BASE, 1, PROT_NONE);
	ck_assert_ptr_eq(space_private_page(s, BASE), NULL);
	map_at(BASE, 1, PROT_READ | PROT_EXEC);
	k = space_private_page(s, BASE + 5);
	ck_assert_ptr_ne(k, NULL);
	k[5] = 'A';
	ck_assert_uint_eq(get(BASE + 5), 'A');
	ck_assert_ptr_eq(space_private_page(s, BASE), k);
}
END_TEST

/* ---- every allocation failing in turn ---- */

START_TEST(failures_leak_nothing)
{
	fake_space_drop();
	fake_check_leaks();
	FAKE_EACH_FAILURE(n) {
		struct space *t;

		if (space_new(&t))
			continue;
		current_proc()->space = t;
		space_activate(t);
		if (space_mmap(t, BASE, 8 * P, RW, PRIV | MAP_FIXED, NULL, 0, NULL) > 0) {
			copyout(BASE + 3 * P, "x", 1);
			space_mprotect(t, BASE + 2 * P, 2 * P, PROT_READ);
			space_mremap(t, BASE + 2 * P, 2 * P, 5 * P, MREMAP_MAYMOVE, 0);
			space_mremap(t, BASE, P, P, MREMAP_MAYMOVE | MREMAP_FIXED, 0x70000000);
			space_munmap(t, BASE + 5 * P, P);
			space_mmap(t, 0, 2 * P, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, NULL, 0, NULL);
			space_private_page(t, BASE + 3 * P);
		}
		fake_space_drop();
		fake_check_leaks();
	}
	s = fake_space();
}
END_TEST

/* ---- random sequences against a model ---- */

#define MODEL_PAGES 64

struct model {
	bool mapped;
	unsigned prot;
	uint8_t value;
};

static void check_model(const struct model *m)
{
	size_t total = 0;
	vaddr_t end = 0;
	unsigned count = 0;

	for (int i = 0; i < MODEL_PAGES; i++) {
		struct vma *v = space_find(s, BASE + i * P);
		bool mapped = v && v->start <= BASE + i * P;

		ck_assert_int_eq(mapped, m[i].mapped);
		if (!mapped)
			continue;
		ck_assert_uint_eq(v->prot, m[i].prot);
		if (m[i].prot)
			ck_assert_uint_eq(get(BASE + i * P), m[i].value);
		if (m[i].prot & PROT_WRITE)
			put(BASE + i * P, m[i].value);
		else
			ck_assert_int_eq(copyout(BASE + i * P, "x", 1), -EFAULT);
	}
	for (struct vma *v = space_find(s, 0); v; v = vma_next(v)) {
		ck_assert_uint_ge(v->start, end);
		ck_assert_uint_lt(v->start, v->end);
		end = v->end;
		total += (v->end - v->start) / P;
		count++;
	}
	ck_assert_uint_eq(total, s->total_pages);
	ck_assert_uint_eq(count, s->vma_count);
}

/* Expected result of mprotect on the model: what precedes a hole changes. */
static int model_protect(struct model *m, int i, int n, unsigned prot)
{
	for (int k = i; k < i + n; k++) {
		if (!m[k].mapped)
			return -ENOMEM;
		m[k].prot = prot;
	}
	return 0;
}

static void model_move(struct model *m, int i, int n, int to)
{
	struct model copy[MODEL_PAGES];

	/* The range lies in one VMA only if all of it has one protection; the caller checks. */
	for (int k = 0; k < n; k++)
		copy[k] = m[i + k];
	for (int k = 0; k < n; k++)
		m[i + k].mapped = false;
	for (int k = 0; k < n; k++)
		m[to + k] = copy[k];
}

static bool one_vma(const struct model *m, int i, int n)
{
	for (int k = i; k < i + n; k++) {
		if (!m[k].mapped || m[k].prot != m[i].prot)
			return false;
	}
	return true;
}

START_TEST(random_operations)
{
	static const unsigned prots[] = { PROT_NONE, PROT_READ, RW, RW | PROT_EXEC, PROT_READ | PROT_EXEC };
	struct model m[MODEL_PAGES] = { 0 };
	uint64_t seed = 12345 + (uint64_t)_i;

	for (unsigned round = 0; round < unit_rounds(400); round++) {
		int i = (int)(unit_random(&seed) % MODEL_PAGES);
		int n = 1 + (int)(unit_random(&seed) % (uint32_t)(MODEL_PAGES - i < 12 ? MODEL_PAGES - i : 12));
		unsigned prot = prots[unit_random(&seed) % ARRAY_SIZE(prots)];
		vaddr_t at = BASE + i * P;

		switch (unit_random(&seed) % 7) {
		case 0: case 1:
			ck_assert_int_eq(map_at(at, (size_t)n, prot), (long)at);
			for (int k = i; k < i + n; k++)
				m[k] = (struct model){ true, prot, 0 };
			break;
		case 2:
			ck_assert_int_eq(space_munmap(s, at, n * P), 0);
			for (int k = i; k < i + n; k++)
				m[k].mapped = false;
			break;
		case 3:
			ck_assert_int_eq(space_mprotect(s, at, n * P, prot), model_protect(m, i, n, prot));
			break;
		case 4:
			if (m[i].mapped && (m[i].prot & PROT_WRITE))
				put(at, m[i].value = (uint8_t)unit_random(&seed));
			break;
		case 5: {
			int to = (int)(unit_random(&seed) % (uint32_t)(MODEL_PAGES - n + 1));
			bool overlap = to < i + n && i < to + n, one = one_vma(m, i, n);
			long r = space_mremap(s, at, n * P, n * P, MREMAP_MAYMOVE | MREMAP_FIXED, BASE + to * P);

			ck_assert_int_eq(r, overlap ? -EINVAL : one ? (long)(BASE + to * P) : -EFAULT);
			if (r > 0)
				model_move(m, i, n, to);
			break;
		}
		case 6: {
			bool hole = false;

			for (int k = i; k < i + n; k++) {
				hole |= !m[k].mapped;
				m[k].value = 0;
			}
			ck_assert_int_eq(space_madvise(s, at, n * P, MADV_DONTNEED), hole ? -ENOMEM : 0);
			break;
		}
		}
		if (round % 8 == 0)
			check_model(m);
	}
	check_model(m);
	/* Adjacent alike mappings are one, so the count is what the model says. */
	unsigned runs = 0;

	for (int i = 0; i < MODEL_PAGES; i++)
		runs += m[i].mapped && (i == 0 || !m[i - 1].mapped || m[i - 1].prot != m[i].prot);
	ck_assert_uint_eq(s->vma_count, runs);
}
END_TEST

/* Placement against a plain search, with many sizes, unmaps in between and hints. */
START_TEST(random_placement)
{
	uint64_t seed = 99 + (uint64_t)_i;
	vaddr_t addr[40] = { 0 };
	size_t len[40] = { 0 };

	for (unsigned round = 0; round < unit_rounds(600); round++) {
		unsigned k = unit_random(&seed) % 40;
		vaddr_t top, expect = 0;

		if (addr[k]) {
			ck_assert_int_eq(space_munmap(s, addr[k], len[k]), 0);
			addr[k] = 0;
			continue;
		}
		len[k] = (1 + unit_random(&seed) % 9) * P;
		for (top = s->mmap_top; !expect; ) {
			vaddr_t lowest = 0;

			for (int j = 0; j < 40; j++) {
				if (addr[j] && addr[j] < top && addr[j] + len[j] > top - len[k])
					lowest = lowest && lowest < addr[j] ? lowest : addr[j];
			}
			if (!lowest)
				expect = top - len[k];
			top = lowest;
		}
		addr[k] = (vaddr_t)space_mmap(s, 0, len[k], round & 1 ? RW : PROT_READ, PRIV, NULL, 0, NULL);
		ck_assert_uint_eq(addr[k], expect);
	}
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *suite = unit_suite_new("space", &tc, setup, teardown);

	tcase_add_test(tc, neighbours_merge_and_split);
	tcase_add_test(tc, memory_is_zeroed_and_kept);
	tcase_add_test(tc, protection);
	tcase_add_test(tc, mmap_errors);
	tcase_add_test(tc, munmap_and_mprotect_errors);
	tcase_add_test(tc, placement);
	tcase_add_test(tc, reservations_cost_nothing);
	tcase_add_test(tc, limits);
	tcase_add_test(tc, heap);
	tcase_add_test(tc, stack_grows);
	tcase_add_test(tc, shared_anonymous);
	tcase_add_test(tc, copy_on_write_by_references);
	tcase_add_test(tc, fault_runs);
	tcase_add_test(tc, fault_fresh);
	tcase_add_test(tc, fault_dense);
	tcase_add_test(tc, out_of_memory);
	tcase_add_test(tc, private_page);
	tcase_add_test(tc, failures_leak_nothing);
	tcase_add_loop_test(tc, random_operations, 0, 20);
	tcase_add_loop_test(tc, random_placement, 0, 5);
	return suite;
}
