/* RAM, the kernel's page tables, address spaces.
 *
 * The loader's memory map (PVH start_info version 1, or the zero page's e820 table) is read through a window of two 2
 * MiB pages, since nothing else is mapped yet; command line and map are copied, so that their memory is free
 * afterwards. RAM is then the map's usable ranges minus page 0, the image and the initrd, and is mapped at
 * KVM_DIRECT_MAP, in 1 GiB pages where the CPU has them: one table whatever the size. Nothing of RAM is touched.
 *
 * The kernel's half of the root is the same in every space: RAM from entry 256, image and device registers in entry
 * 511. Its entries never change after boot, so a new space copies them once. All of it is global (no flush on a
 * switch).
 *
 * Deliberately missing: RAM above 512 GiB, and rights in the direct map (its alias of the image's text is writable). */
#include "core/cpu.h"
#include "core/lib/string.h"
#include "core/mm/pt.h"
#include "plat/kvm/kvm.h"
#include "plat/plat.h"

#define PTE_PWT (1ul << 3)
#define PTE_PCD (1ul << 4)
#define PTE_G   (1ul << 8)

#define SIZE_2M (1ul << 21)
#define SIZE_1G (1ul << 30)

#define CR4_PGE (1ul << 7)

/* The direct map has one page directory pointer table. */
#define DIRECT_MAX (512 * SIZE_1G)

/* Slots of image_pd for mem_window(), and what boot.S maps of it: boot pages of the 2 MiB fallback lie in there. */
#define WINDOW_SLOT 508
#define BOOT_MAPPED (8 * SIZE_2M)

/* PVH: xen/include/public/arch-x86/hvm/start_info.h. */
#define PVH_MAGIC 0x336ec578u

struct pvh_start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modlist, cmdline, rsdp;
	uint64_t memmap; /* from version 1 on */
	uint32_t memmap_entries, reserved;
};

struct pvh_module {
	uint64_t pa, size, cmdline, reserved;
};

struct pvh_memmap {
	uint64_t addr, size;
	uint32_t type, reserved;
};

/* Linux's zero page (Documentation/arch/x86/zero-page.rst): offsets of what we read. */
#define ZP_EXT_RAMDISK_IMAGE 0x0c0
#define ZP_EXT_RAMDISK_SIZE  0x0c4
#define ZP_EXT_CMDLINE       0x0c8
#define ZP_RSDP              0x070
#define ZP_E820_COUNT        0x1e8
#define ZP_RAMDISK_IMAGE     0x218
#define ZP_RAMDISK_SIZE      0x21c
#define ZP_CMDLINE           0x228
#define ZP_E820              0x2d0

struct e820_entry {
	uint64_t addr, size;
	uint32_t type;
} __attribute__((packed));

#define E820_RAM 1

#define REGIONS_MAX 32
#define CMDLINE_MAX 4096

static struct plat_region regions[REGIONS_MAX];
static size_t region_count;
static paddr_t ram_top; /* end of the highest RAM, before anything was taken out */
static paddr_t initrd_pa;
static size_t initrd_len;
static bool ram_zeroed;

static uint64_t *mmio_pt; /* the newest table of the device window */
static size_t mmio_pages; /* pages of the window in use */

char kvm_cmdline[CMDLINE_MAX];
paddr_t kvm_rsdp;

static inline void invlpg(uint64_t va) { __asm__ volatile("invlpg (%0)" : : "r"(va) : "memory"); }

static inline uint64_t cr3_read(void)
{
	uint64_t v;
	__asm__ volatile("mov %%cr3, %0" : "=r"(v));
	return v;
}

static inline void cr3_write(uint64_t v) { __asm__ volatile("mov %0, %%cr3" : : "r"(v) : "memory"); }

/* ---- The loader's information ---- */

const void *mem_window(paddr_t pa)
{
	char *base = (char *)(KVM_IMAGE_BASE + WINDOW_SLOT * SIZE_2M);

	for (unsigned i = 0; i < 2; i++) {
		image_pd[WINDOW_SLOT + i] = (ALIGN_DOWN(pa, SIZE_2M) + i * SIZE_2M) | PTE_P | PTE_HUGE | PTE_NX;
		invlpg((uint64_t)base + i * SIZE_2M);
	}
	return base + pa % SIZE_2M;
}

static void region_add(paddr_t start, paddr_t end)
{
	size_t i = region_count;

	start = ALIGN_UP(start, PAGE_SIZE);
	end = ALIGN_DOWN(MIN(end, DIRECT_MAX), PAGE_SIZE);
	if (start >= end)
		return;
	if (region_count == REGIONS_MAX)
		panic("the memory map has more than %d usable ranges", REGIONS_MAX);
	for (; i > 0 && regions[i - 1].start > start; i--)
		regions[i] = regions[i - 1];
	regions[i] = (struct plat_region){ start, end };
	region_count++;
}

/* Takes [start, end) out of the usable regions. */
static void region_remove(paddr_t start, paddr_t end)
{
	start = ALIGN_DOWN(start, PAGE_SIZE);
	end = ALIGN_UP(end, PAGE_SIZE);
	for (size_t i = 0; i < region_count; i++) {
		struct plat_region r = regions[i];

		if (r.end <= start || r.start >= end)
			continue;
		region_count--;
		memmove(&regions[i], &regions[i + 1], (region_count - i) * sizeof(r));
		if (r.start < start) {
			region_add(r.start, start);
			i++;
		}
		if (r.end > end)
			region_add(end, r.end);
		i--;
	}
}

static void cmdline_copy(paddr_t pa)
{
	const char *s;
	size_t n;

	if (pa == 0)
		return;
	s = mem_window(pa);
	n = strnlen(s, CMDLINE_MAX);
	if (n == CMDLINE_MAX)
		panic("the command line is longer than %d bytes", CMDLINE_MAX - 1);
	memcpy(kvm_cmdline, s, n);
}

static void pvh_read(paddr_t info)
{
	struct pvh_start_info si = *(const struct pvh_start_info *)mem_window(info);
	const struct pvh_memmap *map;

	if (si.magic != PVH_MAGIC || si.version < 1 || si.memmap_entries == 0)
		panic("the boot loader gave no PVH memory map");
	kvm_rsdp = si.rsdp;
	cmdline_copy(si.cmdline);
	if (si.nr_modules > 0) {
		const struct pvh_module *m = mem_window(si.modlist);

		initrd_pa = m->pa;
		initrd_len = m->size;
	}
	map = mem_window(si.memmap);
	for (uint32_t i = 0; i < si.memmap_entries; i++)
		if (map[i].type == E820_RAM)
			region_add(map[i].addr, map[i].addr + map[i].size);
}

static void zero_page_read(paddr_t info)
{
	const char *zp = mem_window(info);
	const struct e820_entry *map = (const void *)(zp + ZP_E820);
	unsigned count = *(const uint8_t *)(zp + ZP_E820_COUNT);
	uint64_t cmdline;

	for (unsigned i = 0; i < count; i++)
		if (map[i].type == E820_RAM)
			region_add(map[i].addr, map[i].addr + map[i].size);
	kvm_rsdp = *(const uint64_t *)(zp + ZP_RSDP);
	initrd_pa = *(const uint32_t *)(zp + ZP_RAMDISK_IMAGE) |
		    (uint64_t)*(const uint32_t *)(zp + ZP_EXT_RAMDISK_IMAGE) << 32;
	initrd_len = *(const uint32_t *)(zp + ZP_RAMDISK_SIZE) |
		     (uint64_t)*(const uint32_t *)(zp + ZP_EXT_RAMDISK_SIZE) << 32;
	cmdline = *(const uint32_t *)(zp + ZP_CMDLINE) | (uint64_t)*(const uint32_t *)(zp + ZP_EXT_CMDLINE) << 32;
	cmdline_copy(cmdline);
}

/* Zeroed, physically contiguous pages from right behind the image: mapped from the start, and below 16 MiB as long as
 * few are asked for. 0 when RAM is short. */
static paddr_t boot_take(size_t pages)
{
	for (size_t i = 0; i < region_count; i++) {
		struct plat_region *r = &regions[i];
		paddr_t pa = r->start;

		if (pa < kvm_pa(image_start) || r->end - pa < pages * PAGE_SIZE)
			continue;
		r->start += pages * PAGE_SIZE;
		return pa;
	}
	return 0;
}

void *kvm_boot_pages(size_t pages)
{
	paddr_t pa;

	if (kvm_in_core)
		panic("kvm_boot_pages() after boot");
	pa = boot_take(pages);
	return pa == 0 ? NULL : memset((char *)KVM_DIRECT_MAP + pa, 0, pages * PAGE_SIZE);
}

/* ---- The kernel's half ---- */

/* Maps the GiB at pa in the direct map: with one entry, or with a table of 2 MiB pages. */
static void direct_map_gib(paddr_t pa)
{
	uint64_t flags = PTE_P | PTE_W | PTE_A | PTE_D | PTE_G | PTE_HUGE | PTE_NX;
	paddr_t table_pa;
	uint64_t *table;

	if (direct_pdpt[pa / SIZE_1G] != 0)
		return;
	if (cpu_has(CPU_PAGE_1G)) {
		direct_pdpt[pa / SIZE_1G] = pa | flags;
		return;
	}
	table_pa = boot_take(1);
	if (table_pa == 0 || table_pa >= BOOT_MAPPED)
		panic("no memory for page tables");
	table = (uint64_t *)(KVM_IMAGE_BASE + table_pa);
	for (unsigned i = 0; i < 512; i++)
		table[i] = (pa + i * SIZE_2M) | flags;
	direct_pdpt[pa / SIZE_1G] = table_pa | PTE_P | PTE_W | PTE_A;
}

static void direct_map_build(const struct plat_region *ram, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (paddr_t pa = ALIGN_DOWN(ram[i].start, SIZE_1G); pa < ram[i].end; pa += SIZE_1G)
			direct_map_gib(pa);
	kernel_root[256] = kvm_pa(direct_pdpt) | PTE_P | PTE_W | PTE_A;
}

/* RAM below 1 MiB is where firmware and loaders leave things, so it has to be cleared. That is worth it only when
 * there is little else (and costs more instructions than all the rest of boot). */
#define LOW_END (1ul << 20)
#define LOW_WORTH (32ul << 20)

static void low_memory_sort_out(void)
{
	if (ram_top > LOW_WORTH) {
		region_remove(0, LOW_END);
		return;
	}
	region_remove(0, PAGE_SIZE); /* physical address 0 means none */
	for (size_t i = 0; i < region_count && regions[i].start < LOW_END; i++)
		memset((char *)KVM_IMAGE_BASE + regions[i].start, 0, MIN(regions[i].end, LOW_END) - regions[i].start);
}

/* SeaBIOS uses RAM that its map then calls usable, qboot and Firecracker do not. SeaBIOS shows the date that IBM's AT
 * had at its fixed address. */
static bool firmware_left_traces(void)
{
	return memcmp((const char *)mem_window(0xffff5), "06/23/99", 8) == 0;
}

void mem_init(uint32_t loader, paddr_t info)
{
	struct plat_region ram[REGIONS_MAX];
	size_t ram_count;

	if (loader == KVM_LOADER_PVH)
		pvh_read(info);
	else
		zero_page_read(info);
	ram_zeroed = !firmware_left_traces();

	ram_count = region_count;
	memcpy(ram, regions, sizeof(regions));
	ram_top = ram_count == 0 ? 0 : ram[ram_count - 1].end;
	region_remove(kvm_pa(image_start), kvm_pa(image_end));
	if (initrd_len != 0) {
		if (initrd_pa >= ram_top || initrd_len > ram_top - initrd_pa)
			panic("the initrd lies outside RAM");
		region_remove(initrd_pa, initrd_pa + initrd_len);
	}
	low_memory_sort_out();
	direct_map_build(ram, ram_count);
}

static uint64_t image_rights(const char *va)
{
	if (va < text_end)
		return PTE_P;
	if (va >= data_start && va < ksyms_start)
		return PTE_P | PTE_W | PTE_D | PTE_NX;
	return PTE_P | PTE_NX;
}

void mem_protect(void)
{
	uint64_t cr4;

	for (const char *va = (const char *)ALIGN_DOWN((uint64_t)image_start, SIZE_2M); va < image_end; va += SIZE_2M) {
		uint64_t *pt = kvm_boot_pages(1);

		if (pt == NULL)
			panic("no memory for page tables");
		for (unsigned i = 0; i < 512; i++) {
			const char *page = va + i * PAGE_SIZE;

			if (page >= image_start && page < image_end)
				pt[i] = kvm_pa(page) | image_rights(page) | PTE_A | PTE_G;
		}
		image_pd[kvm_pa(va) / SIZE_2M] = kvm_pa(pt) | PTE_P | PTE_W | PTE_A;
	}
	for (unsigned i = ALIGN_UP(kvm_pa(image_end), SIZE_2M) / SIZE_2M; i < BOOT_MAPPED / SIZE_2M; i++)
		image_pd[i] = 0;

	/* The identity map goes; its table becomes the device window's directory. */
	kernel_root[0] = 0;
	memset(boot_low, 0, PAGE_SIZE);
	image_pdpt[511] = kvm_pa(boot_low) | PTE_P | PTE_W | PTE_A;

	/* The boot mappings were not global, but flush whatever the loader may have left as such. */
	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4 & ~CR4_PGE) : "memory");
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_PGE) : "memory");
	cr3_write(kvm_pa(kernel_root));
}

paddr_t kvm_pa(const void *va)
{
	uint64_t a = (uint64_t)va;

	return a >= KVM_IMAGE_BASE ? a - KVM_IMAGE_BASE : a - KVM_DIRECT_MAP;
}

/* The window's entry for its page number n, or NULL. Tables are filled in order. */
static uint64_t *mmio_entry(size_t n)
{
	if (n >= 512 * 512)
		return NULL;
	if (boot_low[n / 512] == 0) {
		paddr_t pa;

		if (kvm_in_core) {
			pa = core_page_get();
		} else {
			void *page = kvm_boot_pages(1);
			pa = page == NULL ? 0 : kvm_pa(page);
		}
		if (pa == 0)
			return NULL;
		boot_low[n / 512] = pa | PTE_P | PTE_W | PTE_A;
	}
	mmio_pt = (uint64_t *)(KVM_DIRECT_MAP + pte_pa(boot_low[n / 512]));
	return &mmio_pt[n % 512];
}

volatile void *kvm_map_mmio(paddr_t pa, size_t len)
{
	paddr_t first = ALIGN_DOWN(pa, PAGE_SIZE);
	size_t pages = (ALIGN_UP(pa + len, PAGE_SIZE) - first) / PAGE_SIZE;
	size_t start = mmio_pages;

	/* Virtio-mmio devices lie several to a page: look for a mapping of a single page. */
	for (size_t n = 0; pages == 1 && n < mmio_pages; n++)
		if (pte_pa(*mmio_entry(n)) == first)
			return (char *)KVM_MMIO_BASE + n * PAGE_SIZE + pa % PAGE_SIZE;

	for (size_t n = 0; n < pages; n++) {
		uint64_t *e = mmio_entry(start + n);

		if (e == NULL)
			return NULL;
		*e = (first + n * PAGE_SIZE) | PTE_P | PTE_W | PTE_A | PTE_D | PTE_G | PTE_PCD | PTE_PWT | PTE_NX;
	}
	mmio_pages += pages;
	return (char *)KVM_MMIO_BASE + start * PAGE_SIZE + pa % PAGE_SIZE;
}

/* ---- The boundary ---- */

size_t plat_ram(struct plat_region *out, size_t max)
{
	size_t n = MIN(region_count, max);

	memcpy(out, regions, n * sizeof(*out));
	return n;
}

char *plat_direct_map(void) { return (char *)KVM_DIRECT_MAP; }
bool plat_ram_is_zeroed(void) { return ram_zeroed; }
void plat_ram_discard(paddr_t pa, size_t len) {}

const void *plat_initrd(size_t *len)
{
	*len = initrd_len;
	return initrd_len == 0 ? NULL : (const char *)KVM_DIRECT_MAP + initrd_pa;
}

/* A space needs nothing but its root: the handle is the root's address in the direct map. */
int plat_space_new(paddr_t root, struct plat_space **out)
{
	uint64_t *table = (uint64_t *)(KVM_DIRECT_MAP + root);

	memcpy(&table[256], &kernel_root[256], 256 * sizeof(*table));
	*out = (struct plat_space *)table;
	return 0;
}

void plat_space_free(struct plat_space *s) {}

/* A fault is about as many instructions as clearing a page. */
unsigned plat_fault_pages(void) { return 1; }

/* The CPU does not cache entries that are not present. */
void plat_space_map(struct plat_space *s, vaddr_t va, size_t len, bool fresh) {}

/* Forgets translations of [va, va+len): one by one, or, where that costs more than refilling, all but the global ones.
 * A space that is not current has none: every switch drops them. */
static void space_flush(struct plat_space *s, vaddr_t va, size_t len)
{
	uint64_t cr3 = cr3_read();

	if (cr3 != kvm_pa(s))
		return;
	if (len > 32 * PAGE_SIZE) {
		cr3_write(cr3);
		return;
	}
	for (vaddr_t end = va + len; va < end; va += PAGE_SIZE)
		invlpg(va);
}

void plat_space_unmap(struct plat_space *s, vaddr_t va, size_t len) { space_flush(s, va, len); }
void plat_space_protect(struct plat_space *s, vaddr_t va, size_t len) { space_flush(s, va, len); }

void plat_space_switch(struct plat_space *s)
{
	uint64_t cr3 = s == NULL ? kvm_pa(kernel_root) : kvm_pa(s);

	if (cr3_read() != cr3)
		cr3_write(cr3);
}
