/* FPU state of application threads: XSAVE in standard format.
 *
 * The kernel uses no FPU register, so state stays in the registers through every entry and is saved only when another
 * application thread runs. cpu->fpu_owner says whose state the registers hold. */
#include "core/cpu.h"
#include "core/lib/string.h"
#include "core/main.h"
#include "core/mm/page.h"
#include "core/printf.h"
#include "core/proc/thread.h"
#include "plat/plat.h"
#include "shim/abi/errno.h"

#define MXCSR_DEFAULT 0x1f80u
#define FCW_DEFAULT 0x37fu
#define CPUID_1_ECX_OSXSAVE (1u << 27)

static size_t state_size = 512; /* FXSAVE where the platform has not enabled XSAVE */
static uint64_t state_mask;     /* XCR0; 0: FXSAVE */
static unsigned state_order;

static void cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4])
{
	__asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(sub));
}

void fpu_init(void)
{
	uint32_t r[4], lo, hi;

	cpuid(1, 0, r);
	if (r[2] & CPUID_1_ECX_OSXSAVE) {
		__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
		state_mask = (uint64_t)hi << 32 | lo;
		cpuid(0xd, 0, r);
		state_size = r[1];
	}
	while ((PAGE_SIZE << state_order) < state_size)
		state_order++;
}

size_t fpu_state_size(void) { return state_size; }

static void save(void *area)
{
	if (state_mask)
		__asm__ volatile("xsave64 (%0)" ::"r"(area), "a"((uint32_t)state_mask), "d"((uint32_t)(state_mask >> 32))
				 : "memory");
	else
		__asm__ volatile("fxsave64 (%0)" ::"r"(area) : "memory");
}

static void load(const void *area)
{
	if (state_mask)
		__asm__ volatile("xrstor64 (%0)" ::"r"(area), "a"((uint32_t)state_mask),
				 "d"((uint32_t)(state_mask >> 32))
				 : "memory");
	else
		__asm__ volatile("fxrstor64 (%0)" ::"r"(area) : "memory");
}

/* A new thread's state: an XSAVE header of zeroes means initial for every component but MXCSR, which is read from the
 * legacy area all the same. */
static void set_initial(void *area)
{
	memset(area, 0, MAX(state_size, (size_t)576));
	*(uint16_t *)area = FCW_DEFAULT;
	*(uint32_t *)((char *)area + 24) = MXCSR_DEFAULT;
}

/* The area is allocated with the thread, so that a switch cannot fail. */
int fpu_alloc(struct thread *t)
{
	struct page *p = page_alloc(state_order, 0);

	if (!p)
		return -ENOMEM;
	t->fpu = page_va(p);
	set_initial(t->fpu);
	return 0;
}

void fpu_free(struct thread *t)
{
	if (plat_cpu()->fpu_owner == t)
		plat_cpu()->fpu_owner = NULL;
	if (t->fpu)
		page_put(va_to_page(t->fpu));
	t->fpu = NULL;
}

void fpu_switch(struct thread *to)
{
	struct cpu *cpu = plat_cpu();

	if (!to->fpu || cpu->fpu_owner == to)
		return;
	if (cpu->fpu_owner)
		save(cpu->fpu_owner->fpu);
	load(to->fpu);
	cpu->fpu_owner = to;
}

void fpu_reset(struct thread *t)
{
	set_initial(t->fpu);
	load(t->fpu);
	plat_cpu()->fpu_owner = t;
}
