/* Exceptions and interrupts behind entry.S, the descriptor tables, and the way into the application.
 *
 * entry.S decides where a vector came from. kvm_trap_user() runs on the thread's kernel stack and may sleep;
 * kvm_trap_kernel() runs on an IST stack and must not. Interrupts reach kernel code only in plat_idle() and
 * plat_poll(), where they are noted and nothing else. */
#include "core/cpu.h"
#include "core/x86_64/regs.h"
#include "plat/kvm/kvm.h"
#include "plat/plat.h"

#define MSR_STAR   0xc0000081
#define MSR_LSTAR  0xc0000082
#define MSR_FMASK  0xc0000084
#define MSR_FSBASE 0xc0000100
#define MSR_GSBASE 0xc0000101

#define RFLAGS_NT 0x4000
#define RFLAGS_FIXED 0x2
#define RFLAGS_USER 0x254dd5 /* CF PF AF ZF SF TF DF OF NT RF AC ID: what a program may choose */

#define GATE_INTERRUPT 0x8e
#define GATE_DPL3 0x60

/* IST stacks: exceptions (in kernel code handled there, hence the room for a panic), interrupts, and what must not
 * land on a stack in use: NMI, double fault, machine check. */
enum { IST_EXCEPTION = 1, IST_INTERRUPT, IST_FATAL };

#define IST_SIZE 8192

struct tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t ist[8]; /* [0] is reserved */
	uint64_t reserved1;
	uint16_t reserved2, iomap;
} __attribute__((packed, aligned(8)));
_Static_assert(sizeof(struct tss) == 104, "Intel SDM volume 3, figure 8-11");

struct gate {
	uint16_t offset0, selector;
	uint8_t ist, type;
	uint16_t offset1;
	uint32_t offset2, reserved;
};

struct table_pointer {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

_Static_assert(KVM_SYSCALL_MAX == SYSCALL_MAX && KVM_SYSCALL_LIGHT == SYSCALL_LIGHT, "kvm.h");
_Static_assert(SYSCALL_PLAIN < SYSCALL_LIGHT && SYSCALL_LIGHT < SYSCALL_REGS, "entry.S compares in this order");

struct cpu kvm_cpu0 = { .self = &kvm_cpu0 };
bool kvm_ring0;

uint64_t kvm_user_cs = USER_CS, kvm_user_ss = USER_SS;

static struct tss tss;
static struct gate idt[256];
static char ist_stacks[3][IST_SIZE] __attribute__((aligned(16)));

void kvm_resume(struct regs *r);
void kvm_trap_user(struct regs *r, unsigned vec, uint64_t err);
void kvm_trap_kernel(struct regs *r, unsigned vec, uint64_t err);

static inline uint64_t cr2_read(void)
{
	uint64_t v;
	__asm__ volatile("mov %%cr2, %0" : "=r"(v));
	return v;
}

/* ---- Set-up ---- */

static void gate_set(unsigned vector, const char *target, unsigned ist)
{
	uint64_t a = (uint64_t)target;

	idt[vector] = (struct gate){
		.offset0 = (uint16_t)a,
		.offset1 = (uint16_t)(a >> 16),
		.offset2 = (uint32_t)(a >> 32),
		.selector = SEL_KERNEL_CS,
		.ist = (uint8_t)ist,
		.type = GATE_INTERRUPT | (vector == VEC_BP || vector == VEC_OF ? GATE_DPL3 : 0),
	};
}

static unsigned vector_ist(unsigned vector)
{
	if (vector == VEC_NMI || vector == VEC_DF || vector == VEC_MC)
		return IST_FATAL;
	return vector < 32 ? IST_EXCEPTION : IST_INTERRUPT;
}

static void tss_load(void)
{
	uint64_t base = (uint64_t)&tss;

	for (unsigned i = 0; i < ARRAY_SIZE(ist_stacks); i++)
		tss.ist[i + 1] = (uint64_t)ist_stacks[i] + IST_SIZE;
	tss.iomap = sizeof(tss); /* beyond the limit: no port is allowed */
	kvm_gdt[SEL_TSS / 8] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 | 0x89ul << 40 | (base >> 24 & 0xff) << 56;
	kvm_gdt[SEL_TSS / 8 + 1] = base >> 32;
	__asm__ volatile("ltr %w0" : : "r"(SEL_TSS));
}

void trap_init(void)
{
	struct table_pointer p = { sizeof(idt) - 1, (uint64_t)idt };

	for (unsigned v = 0; v < 64; v++)
		gate_set(v, trap_stubs + v * 16, vector_ist(v));
	gate_set(VECTOR_SPURIOUS, trap_spurious, IST_INTERRUPT);
	__asm__ volatile("lidt %0" : : "m"(p));
	tss_load();

	kvm_ring0 = kvm_flag("ring0");
	if (kvm_ring0) {
		kvm_user_cs = SEL_KERNEL_CS;
		kvm_user_ss = SEL_KERNEL_SS;
	}
	/* SYSCALL loads CS and SS from bits 47:32 and the next selector; SYSRET adds 16 and 8 to bits 63:48. */
	wrmsr(MSR_STAR, (uint64_t)(USER_SS - 8) << 48 | (uint64_t)SEL_KERNEL_CS << 32);
	wrmsr(MSR_LSTAR, (uint64_t)(kvm_ring0 ? syscall_entry_ring0 : syscall_entry));
	wrmsr(MSR_FMASK, RFLAGS_IF | RFLAGS_DF | RFLAGS_TF | RFLAGS_AC | RFLAGS_NT);
}

/* ---- Into the application ---- */

/* Called by entry.S with a complete frame before every iretq into the application. */
void kvm_resume(struct regs *r)
{
	for (;;) {
		while (kvm_cpu0.work != 0)
			trap_return(r);
		if (r->rip >> 47 == 0)
			break;
		/* iretq to such an address would fault in the kernel. */
		trap_fault(r, VEC_GP, 0, 0);
	}
	r->rflags = (r->rflags & RFLAGS_USER) | RFLAGS_IF | RFLAGS_FIXED;
}

uint64_t plat_fs_get(void)
{
	uint64_t v;

	if (!cpu_has(CPU_FSGSBASE))
		return rdmsr(MSR_FSBASE);
	__asm__ volatile("rdfsbase %0" : "=r"(v));
	return v;
}

void plat_fs_set(uint64_t base)
{
	if (cpu_has(CPU_FSGSBASE))
		__asm__ volatile("wrfsbase %0" : : "r"(base));
	else
		wrmsr(MSR_FSBASE, base);
}

uint64_t plat_gs_get(void)
{
	uint64_t v;

	if (!cpu_has(CPU_FSGSBASE))
		return rdmsr(MSR_GSBASE);
	__asm__ volatile("rdgsbase %0" : "=r"(v));
	return v;
}

void plat_gs_set(uint64_t base)
{
	if (cpu_has(CPU_FSGSBASE))
		__asm__ volatile("wrgsbase %0" : : "r"(base));
	else
		wrmsr(MSR_GSBASE, base);
}

/* ---- From the application ---- */

/* Some KVMs without hardware support (nested, deprivileged) let SYSCALL arrive at LSTAR still in ring 3: the fetch of
 * supervisor code then faults with rcx and r11 as SYSCALL left them. On other CPUs a program gets here only by jumping
 * to that address, which is then a system call too and gives it nothing it does not have. */
static bool is_misdelivered_syscall(const struct regs *r, unsigned vec, uint64_t err)
{
	return vec == VEC_PF && (err & PF_INSTR) != 0 && r->rip == (uint64_t)syscall_entry && !kvm_ring0;
}

static void misdelivered_syscall(struct regs *r)
{
	uint32_t nr = (uint32_t)r->rax;
	syscall_fn *fn = nr < SYSCALL_MAX ? syscall_active[nr] : syscall_unknown;

	r->rip = r->rcx;
	r->rflags = r->r11;
	r->orig_rax = r->rax;
	r->rax = (uint64_t)fn(r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9);
}

void kvm_trap_user(struct regs *r, unsigned vec, uint64_t err)
{
	if (vec >= 32) {
		unsigned irqs;

		irq_note(vec);
		irqs = irq_collect();
		if (irqs != 0)
			trap_irq(irqs);
		return;
	}
	if (is_misdelivered_syscall(r, vec, err)) {
		misdelivered_syscall(r);
		return;
	}
	if (vec == VEC_PF && kvm_ring0)
		err |= PF_USER;
	trap_fault(r, vec, err, vec == VEC_PF ? cr2_read() : 0);
}

/* ---- From the kernel ---- */

void kvm_trap_kernel(struct regs *r, unsigned vec, uint64_t err)
{
	if (vec >= 32) {
		irq_note(vec);
		return;
	}
	if (!trap_kernel_fault(r, vec, err, vec == VEC_PF ? cr2_read() : 0))
		panic("exception %u in the kernel at %#lx", vec, (unsigned long)r->rip);
}
