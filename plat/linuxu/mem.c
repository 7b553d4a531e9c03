/* linuxu: RAM, and the mirror of the current space's page table in host mappings.
 *
 * RAM is one sparse memfd, mapped whole at DIRECT_MAP; physical address = offset in it. (The initrd follows RAM: a
 * private mapping of its file.) The page table of a space is the truth; host mappings below USER_MAX are a cache of
 * it, like a TLB. `mirrored` is the space they belong to. Entries get in when core says that they are valid
 * (plat_space_map) and on a miss (mem_fill, 64 KiB around); they leave before core's plat_space_unmap returns, on a
 * change of space, and all at once when the host's max_map_count is reached.
 *
 * A bitmap knows exactly which pages are mirrored, so that nothing is mapped twice and that no host munmap is made
 * for what was never touched. It and the table of 2 MiB chunks above it are sparse memory.
 *
 * Pages that are executable and not writable are mapped MAP_PRIVATE: a debugger can then put breakpoints there.
 * Nothing else ever writes to them through the mapping, so they show what RAM holds, as MAP_SHARED ones do. */
#include "plat/linuxu/linuxu.h"
#include "core/lib/string.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/mman.h"

#define CHUNK_SHIFT 21
#define CHUNK_SIZE (1ul << CHUNK_SHIFT)
#define CHUNK_PAGES (CHUNK_SIZE / PAGE_SIZE)
#define CHUNKS (USER_MAX >> CHUNK_SHIFT)
#define GIB_SHIFT 30
#define FILL_SIZE (64 * 1024ul)
#define POPULATE_MAX (256 * 1024ul)

enum {
	CHUNK_ANY = 1,     /* some page of the chunk may be mirrored */
	CHUNK_PRIVATE = 2, /* some page may be mapped MAP_PRIVATE */
};

static struct mirror {
	uint8_t gib[USER_MAX >> GIB_SHIFT]; /* some chunk of the GiB may hold something */
	uint8_t chunk[CHUNKS];
	uint64_t page[CHUNKS][CHUNK_PAGES / 64];
} *const mirror = (struct mirror *)MIRROR_BASE;

static int ram_fd = -1;
static uint64_t ram_size, direct_size;
static struct plat_space *mirrored, *current;
static uint64_t bits_valid_from = USER_MAX, bits_valid_to; /* hull of what was ever mirrored since the last drop */

/* ---- RAM ---- */

const void *mem_init(uint64_t ram, size_t initrd_len)
{
	long r = host_call3(HOST_memfd_create, HP("doppel-ram"), MFD_CLOEXEC | 0x10 /* MFD_EXEC */, 0);

	if (r < 0)
		r = host_call3(HOST_memfd_create, HP("doppel-ram"), MFD_CLOEXEC, 0);
	if (r < 0)
		host_die("memfd_create", r);
	ram_fd = (int)r;
	ram_size = ALIGN_DOWN(ram, PAGE_SIZE);
	direct_size = ram_size;
	r = host_call3(HOST_ftruncate, (uint64_t)ram_fd, ram_size, 0);
	if (r < 0)
		host_die("cannot make RAM, -m may be too much", r);
	r = host_mmap(DIRECT_MAP, ram_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, ram_fd, 0);
	if (host_failed(r))
		host_die("cannot map RAM, -m may be too much", r);
	if (initrd_len) {
		size_t len = ALIGN_UP(initrd_len, PAGE_SIZE);

		r = host_mmap(DIRECT_MAP + ram_size, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE,
			      options.initrd_fd, 0);
		if (host_failed(r))
			host_die("cannot map the initrd", r);
		direct_size += len;
	}
	r = host_mmap(MIRROR_BASE, sizeof(*mirror), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
	if (host_failed(r))
		host_die("cannot reserve address space", r);
	host_madvise(MIRROR_BASE, sizeof(*mirror), MADV_DONTDUMP);
	return initrd_len ? (const void *)(DIRECT_MAP + ram_size) : NULL;
}

uint64_t mem_ram_size(void)
{
	return ram_size;
}

bool mem_in_direct_map(uint64_t va)
{
	return va - DIRECT_MAP < direct_size;
}

size_t plat_ram(struct plat_region *regions, size_t max)
{
	if (max == 0)
		return 0;
	regions[0].start = 0;
	regions[0].end = ram_size;
	return 1;
}

char *plat_direct_map(void)
{
	return (char *)DIRECT_MAP;
}

bool plat_ram_is_zeroed(void)
{
	return true;
}

/* Giving a page back and faulting it in anew costs more than it saves, so only large extents go. */
void plat_ram_discard(paddr_t pa, size_t len)
{
	uint64_t start = ALIGN_UP(pa, PAGE_SIZE), end = ALIGN_DOWN(pa + len, PAGE_SIZE);

	if (end <= start || end - start < CHUNK_SIZE || end > ram_size)
		return;
	host_call4(HOST_fallocate, (uint64_t)ram_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, start, end - start);
}

/* ---- the record of what is mirrored ---- */

static bool page_mirrored(uint64_t va)
{
	uint64_t c = va >> CHUNK_SHIFT, p = (va >> PAGE_SHIFT) % CHUNK_PAGES;

	return mirror->chunk[c] && ((mirror->page[c][p / 64] >> (p % 64)) & 1);
}

static bool entry_mirrored(uint64_t va, bool huge)
{
	if (!huge)
		return page_mirrored(va);
	for (size_t i = 0; i < CHUNK_PAGES / 64; i++)
		if (~mirror->page[va >> CHUNK_SHIFT][i])
			return false;
	return true;
}

static void record_set(uint64_t va, size_t len, bool private)
{
	uint64_t end = va + len;

	bits_valid_from = MIN(bits_valid_from, va);
	bits_valid_to = MAX(bits_valid_to, end);
	while (va < end) {
		uint64_t c = va >> CHUNK_SHIFT, p = (va >> PAGE_SHIFT) % CHUNK_PAGES;

		mirror->gib[va >> GIB_SHIFT] = 1;
		mirror->chunk[c] |= CHUNK_ANY | (private ? CHUNK_PRIVATE : 0);
		if (p % 64 == 0 && end - va >= 64 * PAGE_SIZE) {
			mirror->page[c][p / 64] = ~0ul;
			va += 64 * PAGE_SIZE;
		} else {
			mirror->page[c][p / 64] |= 1ul << (p % 64);
			va += PAGE_SIZE;
		}
	}
}

static void mirror_drop_all(void)
{
	if (bits_valid_to == 0)
		return;
	host_munmap(bits_valid_from, bits_valid_to - bits_valid_from);
	host_madvise(MIRROR_BASE, sizeof(*mirror), MADV_DONTNEED);
	bits_valid_from = USER_MAX;
	bits_valid_to = 0;
}

/* True when some page of [va, end) is mirrored; with clear, none is afterwards. */
static bool record_scan(uint64_t va, uint64_t end, bool clear)
{
	uint64_t from = va = MAX(va, bits_valid_from);
	bool any = false;

	end = MIN(end, bits_valid_to);
	while (va < end && (clear || !any)) {
		uint64_t c = va >> CHUNK_SHIFT, p = (va >> PAGE_SHIFT) % CHUNK_PAGES;
		uint64_t *w = &mirror->page[c][p / 64];
		uint64_t n, mask;

		if (!mirror->gib[va >> GIB_SHIFT]) {
			va = ((va >> GIB_SHIFT) + 1) << GIB_SHIFT;
			continue;
		}
		if (!mirror->chunk[c]) {
			va = (c + 1) << CHUNK_SHIFT;
			continue;
		}
		n = MIN(64 - p % 64, (end - va) >> PAGE_SHIFT);
		mask = (n == 64 ? ~0ul : (1ul << n) - 1) << (p % 64);
		any |= (*w & mask) != 0;
		va += n << PAGE_SHIFT;
		if (!clear)
			continue;
		*w &= ~mask;
		if (va == (c + 1) << CHUNK_SHIFT && from <= c << CHUNK_SHIFT)
			mirror->chunk[c] = 0;
	}
	return any;
}

/* Takes [va, end) out of the mirror. */
static void mirror_drop(uint64_t va, uint64_t end)
{
	if (va <= bits_valid_from && end >= bits_valid_to)
		mirror_drop_all();
	else if (record_scan(va, end, true))
		host_munmap(va, end - va);
}

/* ---- putting entries in ---- */

struct extent {
	uint64_t va, pa, len;
	int prot;
	bool populate;
};

static int prot_of(pte_t e)
{
	if (!(e & PTE_P))
		return PROT_NONE;
	return PROT_READ | (e & PTE_W ? PROT_WRITE : 0) | (e & PTE_NX ? 0 : PROT_EXEC);
}

static long extent_try(const struct extent *x)
{
	bool private = (x->prot & PROT_EXEC) && !(x->prot & PROT_WRITE);
	int flags = MAP_FIXED | MAP_NORESERVE | (private ? MAP_PRIVATE : MAP_SHARED);
	int fd = ram_fd;
	uint64_t off = x->pa;
	long r;

	if (x->pa >= ram_size) {
		fd = options.initrd_fd;
		off -= ram_size;
		flags = MAP_FIXED | MAP_NORESERVE | MAP_PRIVATE;
	}
	if (x->populate && x->len <= POPULATE_MAX)
		flags |= MAP_POPULATE;
	r = host_mmap(x->va, x->len, x->prot, flags, fd, off);
	if (!host_failed(r))
		record_set(x->va, x->len, private);
	return host_failed(r) ? r : 0;
}

static void extent_map(const struct extent *x)
{
	long r;

	if (x->len == 0)
		return;
	r = extent_try(x);
	if (r == -ENOMEM) { /* max_map_count: start again from nothing */
		mirror_drop_all();
		r = extent_try(x);
	}
	if (r < 0)
		host_die("cannot map a page of the program", r);
}

/* Maps every valid entry in [va, end) that is not mirrored, in as few extents as there are. populate: RAM holds something
 * there, which is mapped at once; else the host provides what the program touches. */
static void mirror_range(paddr_t root, uint64_t va, uint64_t end, bool populate)
{
	struct extent x = { 0 };

	while (va < end) {
		bool huge = false;
		uint64_t at, len;
		pte_t *e = pt_next(root, va, end, &at, &huge);

		if (!e)
			break;
		len = huge ? CHUNK_SIZE : PAGE_SIZE;
		va = at + len;
		if (!(*e & PTE_P) || entry_mirrored(at, huge))
			continue;
		if (x.len && x.va + x.len == at && x.pa + x.len == pte_pa(*e) && x.prot == prot_of(*e)) {
			x.len += len;
			continue;
		}
		extent_map(&x);
		x = (struct extent){ at, pte_pa(*e), len, prot_of(*e), populate };
	}
	extent_map(&x);
}

/* Makes s the mirrored space. */
static void mirror_own(struct plat_space *s)
{
	if (mirrored == s)
		return;
	mirror_drop_all();
	mirrored = s;
}

bool mem_allowed(uint64_t addr, unsigned access, bool *present)
{
	bool huge;
	pte_t *e;

	*present = false;
	if (!current || addr < USER_MIN || addr >= USER_MAX)
		return false;
	e = pt_walk(current->root, addr, false, &huge);
	if (!e || !(*e & PTE_P))
		return false;
	*present = true;
	return !((access & PF_WRITE) && !(*e & PTE_W)) && !((access & PF_INSTR) && (*e & PTE_NX));
}

bool mem_fill(uint64_t addr, unsigned access, uint64_t rip)
{
	static uint64_t last_addr, last_rip;
	static unsigned repeats;
	uint64_t va = ALIGN_DOWN(addr, PAGE_SIZE);

	/* The same instruction again at the same address: the record is wrong or the host refuses; do it afresh. */
	repeats = addr == last_addr && rip == last_rip ? repeats + 1 : 0;
	last_addr = addr;
	last_rip = rip;
	if (repeats > 1000)
		host_die("the host does not let the program reach its memory", 0);
	if (page_mirrored(va))
		mirror_drop(va, va + PAGE_SIZE);
	va = ALIGN_DOWN(addr, FILL_SIZE);
	mirror_range(current->root, MAX(va, USER_MIN), va + FILL_SIZE, true);
	return true;
}

/* ---- plat.h ---- */

struct plat_space *mem_current(void)
{
	return current;
}

int plat_space_new(paddr_t root, struct plat_space **out)
{
	paddr_t pa = core_page_get();
	struct plat_space *s;

	if (!pa)
		return -ENOMEM;
	s = (struct plat_space *)(plat_direct_map() + pa);
	s->root = root;
	s->patch = (struct patch_state *)((char *)s + PATCH_STATE_OFFSET);
	patch_state_init(s->patch);
	*out = s;
	return 0;
}

void plat_space_free(struct plat_space *s)
{
	if (mirrored == s) {
		mirror_drop_all();
		mirrored = NULL;
	}
	if (current == s)
		current = NULL;
	core_page_put((paddr_t)((char *)s - plat_direct_map()));
}

/* A signal, a mapping and the way back, against clearing a page and mapping it with others. */
unsigned plat_fault_pages(void)
{
	return 4;
}

void plat_space_map(struct plat_space *s, vaddr_t va, size_t len, bool fresh)
{
	if (s == mirrored)
		mirror_range(s->root, va, va + len, !fresh);
}

/* Copies of pages take the others' places by one call to the host instead of two. */
static bool mirror_replace(paddr_t root, uint64_t va, uint64_t end)
{
	bool huge = false;
	uint64_t at = va;
	pte_t *e;

	for (; at < end; at += PAGE_SIZE) {
		e = pt_walk(root, at, false, &huge);
		if (!e || huge || !(*e & PTE_P))
			return false;
	}
	if (record_scan(va, end, true))
		mirror_range(root, va, end, true);
	return true;
}

void plat_space_unmap(struct plat_space *s, vaddr_t va, size_t len)
{
	if (s == mirrored && !(len <= FILL_SIZE && mirror_replace(s->root, va, va + len)))
		mirror_drop(va, va + len);
}

/* One run of entries with equal rights. mprotect stops at the first hole; then, and where pages that were MAP_PRIVATE
 * become writable, the run is dropped and comes back by misses. */
static void protect_run(uint64_t va, uint64_t len, int prot)
{
	uint64_t c = va >> CHUNK_SHIFT, last = (va + len - 1) >> CHUNK_SHIFT;
	bool private = false;

	if (prot & PROT_WRITE)
		for (; c <= last; c++)
			private |= mirror->chunk[c] & CHUNK_PRIVATE;
	if (!private && prot != PROT_NONE && host_mprotect(va, len, prot) == 0)
		return;
	mirror_drop(va, va + len);
}

void plat_space_protect(struct plat_space *s, vaddr_t va, size_t len)
{
	uint64_t end = va + len, start = va;
	struct extent x = { 0 };
	unsigned runs = 0;

	if (s != mirrored || !record_scan(va, end, false))
		return;
	while (va < end && runs < 16) {
		bool huge = false;
		uint64_t at, n;
		pte_t *e = pt_next(s->root, va, end, &at, &huge);

		if (!e)
			break;
		n = huge ? CHUNK_SIZE : PAGE_SIZE;
		va = at + n;
		if (x.len && x.va + x.len == at && x.prot == prot_of(*e)) {
			x.len += n;
			continue;
		}
		if (x.len) {
			protect_run(x.va, x.len, x.prot);
			runs++;
		}
		x = (struct extent){ .va = at, .len = n, .prot = prot_of(*e) };
	}
	if (runs >= 16)
		plat_space_unmap(s, start, len);
	else if (x.len)
		protect_run(x.va, MIN(x.len, end - x.va), x.prot);
}

/* Mappings of the old space go only when a different one needs the addresses: a kernel thread in between costs
 * nothing. */
void plat_space_switch(struct plat_space *s)
{
	current = s;
	if (s)
		mirror_own(s);
}
