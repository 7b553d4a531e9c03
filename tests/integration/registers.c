/* A syscall clobbers rax, rcx and r11 only; the red zone, all other registers, vectors included, and the flags survive.
 * rcx and r11 are the return address and the flags. */
#include "t.h"

/* in[0…10]: rdi rsi rdx r10 r8 r9 r12 r13 r14 rbp rbx; in[11]: the red zone; xin: xmm5, xmm15. */
struct regs_io {
	unsigned long nr, in[12], out[12], xin[4], xout[4], saved_rsp;
};
void one_syscall(struct regs_io *io);
__asm__(".globl one_syscall\n"
	"one_syscall:\n"
	"push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15\n"
	"mov %rdi, %r15\n"
	"movups 200(%r15), %xmm5; movups 216(%r15), %xmm15\n"
	"mov 96(%r15), %rax; mov %rax, -8(%rsp)\n"
	"mov 8(%r15), %rdi; mov 16(%r15), %rsi; mov 24(%r15), %rdx; mov 32(%r15), %r10; mov 40(%r15), %r8\n"
	"mov 48(%r15), %r9; mov 56(%r15), %r12; mov 64(%r15), %r13; mov 72(%r15), %r14; mov 80(%r15), %rbp\n"
	"mov 88(%r15), %rbx; mov 0(%r15), %rax\n"
	"syscall\n"
	"mov %rdi, 104(%r15); mov %rsi, 112(%r15); mov %rdx, 120(%r15); mov %r10, 128(%r15); mov %r8, 136(%r15)\n"
	"mov %r9, 144(%r15); mov %r12, 152(%r15); mov %r13, 160(%r15); mov %r14, 168(%r15); mov %rbp, 176(%r15)\n"
	"mov %rbx, 184(%r15); mov -8(%rsp), %rax; mov %rax, 192(%r15)\n"
	"movups %xmm5, 232(%r15); movups %xmm15, 248(%r15)\n"
	"pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp\n"
	"ret\n");

static int check(long nr)
{
	struct regs_io io = { .nr = (unsigned long)nr, .xin = { 11, 12, 13, 14 } };

	for (int i = 0; i < 12; i++)
		io.in[i] = 0x0101010101010101ul * (unsigned long)(i + 1);
	one_syscall(&io);
	return memcmp(io.in, io.out, sizeof(io.in)) || memcmp(io.xin, io.xout, sizeof(io.xin));
}

/* Syscall sites with the flags of *rdi before and after, and what rcx and r11 are then. They come in the shapes that
 * decide what becomes of a site that is used often: the number in the instruction before it, dead bytes behind it, or
 * neither. */
struct flags_io {
	unsigned long in, out, rcx, r11;
};
#define SITE(name, call, padding) \
	void name(struct flags_io *io); \
	extern const char name##_next[]; \
	__asm__(".balign 16; .globl " #name ", " #name "_next\n" \
		#name ":\n" \
		"mov %rdi, %r8; mov $-100, %edi; xor %edx, %edx; mov $39, %eax; pushq (%r8); popfq\n" \
		call "\n" \
		#name "_next: pushfq; cld\n" \
		"pop %rax; mov %rax, 8(%r8); mov %rcx, 16(%r8); mov %r11, 24(%r8)\n" \
		"pushq $0x202; popfq\n" \
		"ret\n" padding)
SITE(site_number, "mov $39, %eax; syscall", ".balign 16");
SITE(site_padding, "syscall", ".balign 16, 0xcc; .fill 16, 1, 0xcc");
SITE(site_plain, "syscall", ".byte 0x0f, 0xff, 0xc0; .fill 13, 1, 0xc3");
SITE(site_yield, "mov $24, %eax; syscall", ".balign 16");
SITE(site_unknown, "mov $9999, %eax; syscall", ".balign 16");

static int flags_lost(void (*site)(struct flags_io *), const char *next)
{
	/* CF PF AF ZF SF OF, DF, AC */
	static const unsigned long flags[] = { 1, 4, 0x10, 0x40, 0x80, 0x800, 0x400, 0x40000 };
	struct flags_io io;
	int bad = 0;

	for (int round = 0; round < 4; round++) {
		for (unsigned set = 0; set < 256; set++) {
			io.in = 0x202;
			for (unsigned i = 0; i < 8; i++)
				io.in |= set >> i & 1 ? flags[i] : 0;
			site(&io);
			bad += io.out != io.in || io.r11 != io.in || io.rcx != (unsigned long)next;
		}
	}
	return bad;
}

int main(void)
{
	int bad = 0;

	for (int i = 0; i < 1000; i++)
		bad += check(SYS_getppid) + check(9999) + check(SYS_sched_yield);
	SHOW(bad);
	SHOW(flags_lost(site_number, site_number_next));
	SHOW(flags_lost(site_padding, site_padding_next));
	SHOW(flags_lost(site_plain, site_plain_next));
	SHOW(flags_lost(site_yield, site_yield_next));
	SHOW(flags_lost(site_unknown, site_unknown_next));
	return 0;
}
