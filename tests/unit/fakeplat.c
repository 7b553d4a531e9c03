/* The fake platform: plat/plat.h for unit tests, and panic(). Address spaces are in fakemmu.c, devices in fakeio.c.
 *
 * RAM is one host mapping. There is one thread and no concurrency: interrupts are delivered where the kernel asks for
 * them (plat_idle, plat_poll).
 *
 * It belongs to Check tests only. They are linked with -Wl,--wrap=page_alloc, so that allocations can be made to fail. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <valgrind/valgrind.h>

#include "core/cpu.h"
#include "core/file/file.h"
#include "core/lib/util.h"
#include "core/main.h"
#include "core/mm/page.h"
#include "core/mm/pagecache.h"
#include "core/mm/slab.h"
#include "core/mm/space.h"
#include "core/printf.h"
#include "core/proc/proc.h"
#include "core/proc/thread.h"
#include "core/sched.h"
#include "shim/abi/errno.h"
#include "shim/abi/stat.h"
#include "tests/unit/fakeplat.h"

/* ---- ends: panic, exit, crash ---- */

jmp_buf fake_catch_env;
bool fake_catching;
int fake_exit_status;

static char log_text[65536];
static size_t log_len;

const char *fake_log(void)
{
	return log_text;
}

void plat_log(const char *text, size_t len)
{
	size_t room = sizeof(log_text) - 1 - log_len;

	memcpy(log_text + log_len, text, len < room ? len : room);
	log_len += len < room ? len : room;
	log_text[log_len] = '\0';
}

void plat_trace(const char *text, size_t len)
{
	plat_log(text, len);
}

static _Noreturn void fake_end(const char *what, int status)
{
	fake_exit_status = status;
	if (fake_catching) {
		fake_catching = false;
		longjmp(fake_catch_env, 1);
	}
	fprintf(stderr, "fakeplat: %s (%d); kernel log:\n%s\n", what, status, log_text);
	abort();
}

_Noreturn void plat_exit(int status)
{
	fake_end("plat_exit", status);
}

_Noreturn void plat_crash(void)
{
	fake_end("panic", -1);
}

_Noreturn void panic(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	kvsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	kprintf("panic: %s\n", text);
	plat_crash();
}

_Noreturn void panic_regs(const struct regs *r, unsigned vec, uint64_t err, uint64_t addr);
_Noreturn void panic_regs(const struct regs *r, unsigned vec, uint64_t err, uint64_t addr)
{
	panic("exception %u, error 0x%lx, address 0x%lx, rip 0x%lx", vec, err, addr, r->rip);
}

/* ---- failing allocations ---- */

static unsigned fail_left; /* allocations until the one that fails; 0: none will */
static bool fail_done;

void fake_fail_after(unsigned n)
{
	fail_left = n;
	fail_done = false;
}

bool fake_failed(void)
{
	return fail_done;
}

bool fake_alloc_fails(void)
{
	if (fail_left == 0 || --fail_left)
		return false;
	fail_done = true;
	return true;
}

bool fake_fail_loop(unsigned n)
{
	bool more = n == 1 || fail_done;

	fake_fail_after(more ? n : 0);
	return more;
}

struct page *__real_page_alloc(unsigned order, unsigned flags);
struct page *__wrap_page_alloc(unsigned order, unsigned flags);
struct page *__wrap_page_alloc(unsigned order, unsigned flags)
{
	struct page *p = fake_alloc_fails() ? NULL : __real_page_alloc(order, flags);

	/* It may become a kernel stack: Valgrind must know one to follow a switch to it. */
	if (p && order == KSTACK_ORDER)
		VALGRIND_STACK_REGISTER(page_va(p), (char *)page_va(p) + KSTACK_SIZE);
	return p;
}

/* ---- RAM ---- */

#define FAKE_REGIONS 64

static char *ram;
static size_t ram_size;
static struct plat_region ram_regions[FAKE_REGIONS];
static size_t ram_nregions;
static bool ram_zeroed = true;
unsigned long fake_discarded;

void fake_ram_regions(const struct plat_region *r, size_t n)
{
	for (ram_nregions = 0; ram_nregions < n; ram_nregions++)
		ram_regions[ram_nregions] = r[ram_nregions];
}

void fake_ram_zeroed(bool zeroed)
{
	ram_zeroed = zeroed;
}

static void ram_new(size_t size)
{
	static char *mapping;
	static size_t mapped;

	if (mapping)
		munmap(mapping, mapped);
	mapped = size + (2ul << 20); /* the direct map's alignment */
	mapping = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mapping == MAP_FAILED)
		abort();
	ram = (char *)ALIGN_UP((uint64_t)mapping - FAKE_RAM_BASE, 2ul << 20) + FAKE_RAM_BASE;
	ram_size = size;
	if (!ram_zeroed)
		memset(ram, 0xa5, size);
}

size_t plat_ram(struct plat_region *regions, size_t max)
{
	size_t n = ram_nregions < max ? ram_nregions : max;

	if (ram_nregions == 0 && max) {
		regions[0] = (struct plat_region){ FAKE_RAM_BASE, FAKE_RAM_BASE + ram_size };
		return 1;
	}
	memcpy(regions, ram_regions, n * sizeof(*regions));
	return n;
}

char *plat_direct_map(void)
{
	return ram - FAKE_RAM_BASE;
}

bool plat_ram_is_zeroed(void)
{
	return ram_zeroed;
}

void plat_ram_discard(paddr_t pa, size_t len)
{
	fake_discarded += len;
	madvise(pa_va(pa), len, MADV_DONTNEED);
}

/* ---- time and interrupts ---- */

static uint64_t now_mono, now_wall, timer_deadline;
static unsigned irq_pending;
bool (*fake_idle_hook)(void);
unsigned long fake_idle_calls;

uint64_t plat_time_mono(void)
{
	return now_mono;
}

uint64_t plat_time_wall(void)
{
	return now_wall;
}

int plat_time_tsc(struct plat_tsc *out)
{
	return -ENODEV;
}

void plat_timer_set(uint64_t deadline)
{
	timer_deadline = deadline;
}

void fake_time_set(uint64_t mono)
{
	while (timer_deadline <= mono && timer_deadline != TIME_NEVER) {
		if (timer_deadline > now_mono) {
			now_wall += timer_deadline - now_mono;
			now_mono = timer_deadline;
		}
		timer_deadline = TIME_NEVER;
		trap_irq(IRQ_TIMER);
	}
	if (mono > now_mono) {
		now_wall += mono - now_mono;
		now_mono = mono;
	}
}

void fake_time_advance(uint64_t ns)
{
	fake_time_set(now_mono + ns);
}

void fake_wall_set(uint64_t wall)
{
	now_wall = wall;
}

void fake_irq(unsigned irqs)
{
	irq_pending |= irqs;
}

void plat_poll(void)
{
	unsigned irqs;

	fake_io_poll();
	irqs = irq_pending;
	irq_pending = 0;
	if (timer_deadline <= now_mono) {
		timer_deadline = TIME_NEVER;
		irqs |= IRQ_TIMER;
	}
	if (irqs)
		trap_irq(irqs);
}

void plat_idle(void)
{
	fake_idle_calls++;
	fake_io_poll();
	if (irq_pending || timer_deadline <= now_mono) {
		plat_poll();
		return;
	}
	if (fake_idle_hook && fake_idle_hook())
		plat_poll();
	else if (timer_deadline != TIME_NEVER)
		fake_time_set(timer_deadline);
	else
		panic("deadlock: the only thread sleeps and nothing can wake it");
}

/* ---- CPU ---- */

static struct cpu the_cpu;
static uint64_t fs_base, gs_base;

struct cpu *plat_cpu(void)
{
	return &the_cpu;
}

_Noreturn void plat_user_enter(struct regs *r)
{
	panic("plat_user_enter in a unit test");
}

uint64_t plat_fs_get(void)
{
	return fs_base;
}

void plat_fs_set(uint64_t base)
{
	fs_base = base;
}

uint64_t plat_gs_get(void)
{
	return gs_base;
}

void plat_gs_set(uint64_t base)
{
	gs_base = base;
}

/* ---- parameters ---- */

const char *fake_cmdline = "";
static const void *boot_blob, *initrd;
static size_t boot_blob_len, initrd_len;
static uint64_t random_state;

const char *plat_cmdline(void)
{
	return fake_cmdline;
}

void fake_boot_blob(const void *blob, size_t len)
{
	boot_blob = blob;
	boot_blob_len = len;
}

const void *plat_boot_blob(size_t *len)
{
	*len = boot_blob_len;
	return boot_blob;
}

void fake_initrd(const void *data, size_t len)
{
	initrd = data;
	initrd_len = len;
}

const void *plat_initrd(size_t *len)
{
	*len = initrd_len;
	return initrd;
}

void plat_random(void *buf, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		random_state = random_state * 6364136223846793005ul + 1442695040888963407ul;
		((uint8_t *)buf)[i] = (uint8_t)(random_state >> 56);
	}
}

const char *plat_name(void)
{
	return "fake";
}

const char *plat_symbol(uint64_t addr, uint64_t *offset)
{
	return NULL;
}

/* An empty vDSO image, unless the test links the real one. */
__attribute__((weak)) const char vdso_start[1], vdso_end[1];

/* ---- boot and teardown ---- */

static size_t mark_free, mark_objects;

static void reset_platform(void)
{
	fake_mmu_reset();
	fake_io_reset();
	fake_fail_after(0);
	now_mono = 0;
	now_wall = 1700000000ul * NSEC_PER_SEC;
	timer_deadline = TIME_NEVER;
	irq_pending = 0;
	fake_idle_hook = NULL;
	fake_discarded = fake_idle_calls = 0;
	log_len = 0;
	log_text[0] = '\0';
	random_state = 1;
	fake_catching = false;
}

#pragma weak memfd_new /* warmed up only in tests that link it */

/* What the kernel makes on first use and keeps is made before the first mark. */
static void warm_up(void)
{
	static const struct file_ops no_ops;
	struct file *f;

	if (file_new_anon(&no_ops, S_IFIFO, 0, NULL, &f))
		abort();
	file_put(f);
	if (file_new_anon(&no_ops, 0, 0, NULL, &f))
		abort();
	file_put(f);
	if (memfd_new && !memfd_new("warm-up", 0, &f))
		file_put(f);
}

/* The kernel's process and the program, which the one thread belongs to, are made once and live for all tests. */
static void make_processes(void)
{
	static struct proc *init, *program;
	struct thread *t = current_thread();

	if (program) {
		program->zombie = program->exiting = false;
		program->sig_pending = 0;
		t->sig_pending = t->sig_mask = 0;
		t->killed = false;
		the_cpu.work = 0;
		return;
	}
	if (proc_new(NULL, &init) || proc_new(init, &program))
		abort();
	t->proc = program;
	t->tid = program->pid;
	list_append(&program->threads, &t->proc_link);
	program->nthreads = 1;
	warm_up();
}

void fake_boot(size_t size)
{
	static bool booted;

	reset_platform();
	ram_new(size);
	the_cpu.self = &the_cpu;
	page_init();
	if (!booted)
		sched_init();
	booted = true;
	make_processes();
	fake_mark_leaks();
}

struct space *fake_space(void)
{
	struct space *s;

	if (space_new(&s))
		panic("fake_space: no memory");
	current_proc()->space = s;
	space_activate(s);
	return s;
}

void fake_space_drop(void)
{
	struct space *s = current_proc()->space;

	current_proc()->space = NULL;
	plat_space_switch(NULL);
	space_put(s);
}

/* Unused cached objects are no leak. */
static void drop_caches(void)
{
	while (dcache_reclaim(1024))
		;
	while (pagecache_reclaim(1024))
		;
}

void fake_mark_leaks(void)
{
	struct page_stats st;

	drop_caches();
	page_stats(&st);
	mark_free = st.free;
	mark_objects = kmalloc_live();
}

void fake_check_leaks(void)
{
	struct page_stats st;

	fail_left = 0; /* fake_failed() still tells */
	drop_caches();
	page_stats(&st);
	if (st.free != mark_free || kmalloc_live() != mark_objects)
		ck_abort_msg("leaked: %ld pages, %ld objects", (long)(mark_free - st.free),
			     (long)(kmalloc_live() - mark_objects));
}
