/* The fake platform: plat/plat.h for unit tests, plus the user copy (core/x86_64/copy.S) as a software MMU, plus panic().
 *
 * RAM is one host mapping. There is one thread and no concurrency: interrupts are delivered where the kernel asks for
 * them (plat_idle, plat_poll). The software MMU keeps every translation it has used, like a TLB of unlimited age, and
 * panics when the page table was changed without telling the platform: that is what breaks on real ones.
 *
 * It belongs to Check tests only. They are linked with -Wl,--wrap=page_alloc, so that allocations can be made to fail. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/cpu.h"
#include "core/file/file.h"
#include "core/lib/util.h"
#include "core/main.h"
#include "core/mm/page.h"
#include "core/mm/pagecache.h"
#include "core/mm/pt.h"
#include "core/mm/slab.h"
#include "core/mm/space.h"
#include "core/mm/uio.h"
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
	return fake_alloc_fails() ? NULL : __real_page_alloc(order, flags);
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
	if (ram)
		munmap(ram, ram_size);
	ram = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ram == MAP_FAILED)
		abort();
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
unsigned long fake_map_calls, fake_unmap_calls, fake_protect_calls;

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

void plat_space_map(struct plat_space *s, vaddr_t va, size_t len)
{
	fake_map_calls++;
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

/* ---- time and interrupts ---- */

static uint64_t now_mono, now_wall, timer_deadline;
static unsigned irq_pending;
bool (*fake_idle_hook)(void);
unsigned long fake_idle_calls;

static void p9_answer_all(void);

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

	p9_answer_all();
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
	p9_answer_all();
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

/* ---- standard streams, signals, terminal ---- */

struct fake_stream {
	char *data;
	size_t len, room;
	bool closed;
};

enum plat_stdio_kind fake_stdio_kind[3];
static char *stdin_data;
static size_t stdin_len, stdin_off;
static bool stdin_end;
static struct fake_stream streams[3];
static int signals[64];
static unsigned nsignals;
static uint16_t tty_rows, tty_cols;

enum plat_stdio_kind plat_stdio_kind(int fd)
{
	return fake_stdio_kind[fd];
}

void fake_stdin_put(const void *data, size_t len)
{
	stdin_data = realloc(stdin_data, stdin_len + len + 1);
	memcpy(stdin_data + stdin_len, data, len);
	stdin_len += len;
	fake_irq(IRQ_STDIO);
}

void fake_stdin_eof(void)
{
	stdin_end = true;
	fake_irq(IRQ_STDIO);
}

long plat_stdio_read(void *buf, size_t len)
{
	size_t n = stdin_len - stdin_off;

	if (n == 0)
		return stdin_end ? 0 : -EAGAIN;
	n = n < len ? n : len;
	memcpy(buf, stdin_data + stdin_off, n);
	stdin_off += n;
	return (long)n;
}

long plat_stdio_write(int fd, const void *buf, size_t len)
{
	struct fake_stream *s = &streams[fd];

	if (s->closed)
		return -EPIPE;
	if (len > s->room)
		len = s->room;
	if (len == 0)
		return -EAGAIN;
	s->data = realloc(s->data, s->len + len + 1);
	memcpy(s->data + s->len, buf, len);
	s->len += len;
	s->data[s->len] = '\0';
	if (s->room != SIZE_MAX)
		s->room -= len;
	return (long)len;
}

const char *fake_out_data(int fd, size_t *len)
{
	if (len)
		*len = streams[fd].len;
	return streams[fd].data ? streams[fd].data : "";
}

void fake_out_reset(int fd)
{
	free(streams[fd].data);
	streams[fd] = (struct fake_stream){ .room = SIZE_MAX };
}

void fake_out_room(int fd, size_t room)
{
	streams[fd].room = room;
	if (room)
		fake_irq(IRQ_STDIO);
}

void fake_out_close(int fd)
{
	streams[fd].closed = true;
	fake_irq(IRQ_STDIO);
}

void fake_signal(int sig)
{
	signals[nsignals++] = sig;
	fake_irq(IRQ_SIGNAL);
}

int plat_signal_next(void)
{
	int sig = signals[0];

	if (nsignals == 0)
		return 0;
	memmove(signals, signals + 1, --nsignals * sizeof(*signals));
	return sig;
}

void fake_tty_resize(uint16_t rows, uint16_t cols)
{
	tty_rows = rows;
	tty_cols = cols;
	fake_irq(IRQ_SIGNAL);
}

void plat_tty_size(uint16_t *rows, uint16_t *cols)
{
	*rows = tty_rows;
	*cols = tty_cols;
}

/* ---- 9P ---- */

#define P9_DEFERRED 64

static const char *p9_tag;
static fake_9p_fn *p9_fn;
static bool p9_deferred;
static struct plat_9p_req *p9_queue[P9_DEFERRED];
static unsigned p9_queued;

void fake_9p(const char *tag, fake_9p_fn *fn, bool deferred)
{
	p9_tag = tag;
	p9_fn = fn;
	p9_deferred = deferred;
}

int plat_9p_find(const char *tag)
{
	return p9_tag && strcmp(tag, p9_tag) == 0 ? 0 : -ENODEV;
}

static void p9_answer(struct plat_9p_req *r)
{
	size_t len = 0, max = 0, n, off = 0;
	uint8_t *req, *reply;

	for (unsigned i = 0; i < r->nout; i++)
		len += r->out[i].len;
	for (unsigned i = 0; i < r->nin; i++)
		max += r->in[i].len;
	req = malloc(len + 1);
	reply = malloc(max + 1);
	for (unsigned i = 0; i < r->nout; off += r->out[i++].len)
		memcpy(req + off, r->out[i].base, r->out[i].len);
	n = p9_fn(req, len, reply, max);
	if (n > max)
		panic("fake 9P server: reply too long");
	r->in_len = n;
	off = 0;
	for (unsigned i = 0; i < r->nin && off < n; off += r->in[i++].len)
		memcpy(r->in[i].base, reply + off, n - off < r->in[i].len ? n - off : r->in[i].len);
	free(req);
	free(reply);
	r->done = true;
}

static void p9_answer_all(void)
{
	unsigned n = p9_queued;

	if (n == 0)
		return;
	p9_queued = 0;
	for (unsigned i = 0; i < n; i++)
		p9_answer(p9_queue[i]);
	irq_pending |= IRQ_9P;
}

int plat_9p_submit(int dev, struct plat_9p_req *req)
{
	req->done = false;
	if (dev != 0 || !p9_fn)
		return -EINVAL;
	if (!p9_deferred)
		p9_answer(req);
	else if (p9_queued == P9_DEFERRED)
		return -EAGAIN;
	else
		p9_queue[p9_queued++] = req;
	return 0;
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
	static const struct tlb_entry none;

	current_space = NULL;
	for (size_t i = 0; i < TLB_SIZE; i++)
		tlb[i] = none;
	fake_user_reset();
	fake_fail_after(0);
	now_mono = 0;
	now_wall = 1700000000ul * NSEC_PER_SEC;
	timer_deadline = TIME_NEVER;
	irq_pending = 0;
	fake_idle_hook = NULL;
	fake_map_calls = fake_unmap_calls = fake_protect_calls = fake_discarded = fake_idle_calls = 0;
	log_len = 0;
	log_text[0] = '\0';
	for (int fd = 0; fd < 3; fd++) {
		fake_out_reset(fd);
		fake_stdio_kind[fd] = PLAT_STDIO_STREAM;
	}
	free(stdin_data);
	stdin_data = NULL;
	stdin_len = stdin_off = 0;
	stdin_end = false;
	nsignals = 0;
	tty_rows = tty_cols = 0;
	fake_9p(NULL, NULL, false);
	p9_queued = 0;
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
