/* The vDSO's mapping and its data page.
 *
 * Image and data page are the pages of one memfd-like file, so mapping them needs nothing special: page 0 is the data page,
 * mapped shared and read-only, the image follows, mapped privately so that debuggers can write to it. */
#include "core/boot.h"
#include "core/file/file.h"
#include "core/lib/string.h"
#include "core/main.h"
#include "core/mm/space.h"
#include "core/printf.h"
#include "core/timer.h"
#include "plat/plat.h"
#include "shim/abi/mman.h"
#include "vdso/vdso_data.h"

static struct file *vdso_file;
static struct vdso_data *data;
static size_t image_size;
static uint64_t renew_at; /* monotonic; 0: the page says nothing yet */

/* How long the page holds, and from when on a clock that is asked for by system call renews it: the platform may have
 * learnt more about the counter or the wall clock. The vDSO itself comes that way when the page is too old. */
#define SPAN_NS  NSEC_PER_SEC
#define RENEW_NS (NSEC_PER_SEC / 2)

/* A zeroed page of the file, which stays as long as that. */
static struct page *file_page(uint64_t index)
{
	struct page *page;

	if (pagecache_get_write(&vdso_file->inode->cache, index, true, &page))
		boot_refuse("no memory for the vDSO; give the guest more with -m");
	pagecache_dirty(page);
	return page;
}

void vdso_init(void)
{
	image_size = (size_t)(vdso_end - vdso_start);
	if (memfd_new("vdso", 0, &vdso_file))
		boot_refuse("no memory for the vDSO; give the guest more with -m");
	vdso_file->inode->size = PAGE_SIZE + image_size;
	data = page_va(file_page(0)); /* the reference stays */
	for (size_t at = 0; at < image_size; at += PAGE_SIZE) {
		struct page *page = file_page(1 + at / PAGE_SIZE);

		memcpy(page_va(page), vdso_start + at, MIN(image_size - at, PAGE_SIZE));
		page_put(page);
	}
	vdso_update();
}

void vdso_update(void)
{
	volatile struct vdso_data *d = data;
	uint64_t wall_offset;
	struct plat_tsc t;

	if (!d || plat_time_tsc(&t))
		return;
	wall_offset = clock_wall() - clock_mono();
	d->seq++;
	__asm__ volatile("" ::: "memory");
	d->tsc = t.tsc;
	d->mult = t.mult;
	d->span = (SPAN_NS << 32) / t.mult;
	d->base[VDSO_MONO].sec = t.mono / NSEC_PER_SEC;
	d->base[VDSO_MONO].nsec = t.mono % NSEC_PER_SEC;
	d->base[VDSO_WALL].sec = (t.mono + wall_offset) / NSEC_PER_SEC;
	d->base[VDSO_WALL].nsec = (t.mono + wall_offset) % NSEC_PER_SEC;
	__asm__ volatile("" ::: "memory");
	d->seq++;
	renew_at = clock_mono() + RENEW_NS;
}

void vdso_renew(void)
{
	if (clock_mono() >= renew_at)
		vdso_update();
}

int vdso_map(struct space *s)
{
	size_t text = ALIGN_UP(image_size, PAGE_SIZE);
	long at = space_mmap(s, 0, PAGE_SIZE + text, PROT_READ | PROT_EXEC, MAP_PRIVATE, vdso_file, 0, "[vdso]");

	if (at < 0)
		return (int)at;
	long r = space_mmap(s, (vaddr_t)at, PAGE_SIZE, PROT_READ, MAP_SHARED | MAP_FIXED, vdso_file, 0, "[vvar]");

	if (r < 0)
		return (int)r;
	s->vdso = (vaddr_t)at + PAGE_SIZE;
	return 0;
}
