/* panic: what happened, registers, a symbolised backtrace, and the end of the machine.
 *
 * The backtrace follows frame pointers (the kernel is built with them) as long as they stay on the current kernel stack
 * or the boot stack and go upwards; every step checks that, since memory may be broken. */
#include "core/cpu.h"
#include "core/lib/util.h"
#include "core/main.h"
#include "core/printf.h"
#include "core/proc/thread.h"
#include "plat/plat.h"

#define MAX_FRAMES 32
#define MAX_STACK (1ul << 20)

static bool panicking;

static void print_address(uint64_t addr)
{
	uint64_t off = 0;
	const char *name = plat_symbol(addr, &off);

	kprintf("  %016lx %s+0x%lx\n", addr, name ? name : "?", off);
}

static void backtrace(uint64_t rip, uint64_t rbp)
{
	uint64_t low = rbp;

	kprintf("Backtrace:\n");
	print_address(rip);
	for (int i = 0; i < MAX_FRAMES && rbp >= low && rbp < low + MAX_STACK && !(rbp & 7) && rbp >= USER_MAX; i++) {
		uint64_t next = ((uint64_t *)rbp)[0], ret = ((uint64_t *)rbp)[1];

		if (!plat_symbol(ret, &(uint64_t){ 0 }))
			break;
		print_address(ret - 1);
		if (next <= rbp)
			break;
		rbp = next;
	}
}

static void begin(void)
{
	if (panicking)
		plat_crash();
	panicking = true;
}

static void where(void)
{
	struct cpu *cpu = plat_cpu();
	struct thread *t = cpu ? cpu->current : NULL;

	if (t)
		kprintf("doppel: on thread %d (%s), platform %s\n", t->tid, t->comm, plat_name());
}

_Noreturn void panic(const char *fmt, ...)
{
	char text[256];
	va_list ap;

	begin();
	va_start(ap, fmt);
	kvsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	kprintf("doppel: kernel panic: %s\n", text);
	where();
	backtrace((uint64_t)__builtin_return_address(0) - 1, *(uint64_t *)__builtin_frame_address(0));
	plat_crash();
}

_Noreturn void panic_regs(const struct regs *r, unsigned vec, uint64_t err, uint64_t addr)
{
	begin();
	kprintf("doppel: kernel panic: exception %u, error 0x%lx, address 0x%lx\n", vec, err, addr);
	where();
	kprintf("rip %016lx  rsp %016lx  rflags %lx\n", r->rip, r->rsp, r->rflags);
	kprintf("rax %016lx  rbx %016lx  rcx %016lx  rdx %016lx\n", r->rax, r->rbx, r->rcx, r->rdx);
	kprintf("rsi %016lx  rdi %016lx  rbp %016lx  r8  %016lx\n", r->rsi, r->rdi, r->rbp, r->r8);
	kprintf("r9  %016lx  r10 %016lx  r11 %016lx  r12 %016lx\n", r->r9, r->r10, r->r11, r->r12);
	kprintf("r13 %016lx  r14 %016lx  r15 %016lx\n", r->r13, r->r14, r->r15);
	backtrace(r->rip, r->rbp);
	plat_crash();
}
