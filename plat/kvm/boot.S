/* From the boot loader to kvm_main() on our own page tables, GDT and stack.
 *
 * Two entries. boot32 is the PVH one (Xen's ELF note 18; xen/include/public/arch-x86/hvm/start_info.h): 32-bit
 * protected mode, paging off, flat segments, ebx = physical address of struct hvm_start_info. boot64 is the Linux
 * 64-bit boot protocol as Firecracker before 1.12 uses it (Documentation/arch/x86/boot.rst): long mode on the loader's
 * identity map, rsi = physical address of the zero page; CR0 may have CD and NW set.
 *
 * The tables made here map the first 16 MiB twice: at 0, where this code runs, and at KVM_IMAGE_BASE. The rest is
 * built by mem_init() in C, which also takes the identity map away. .bss is zero: the ELF loader did that. */
#include "plat/kvm/kvm.h"

#define PA(symbol) (symbol - KVM_IMAGE_BASE)

#define CR0_PE (1 << 0)
#define CR0_MP (1 << 1)
#define CR0_ET (1 << 4)
#define CR0_NE (1 << 5)
#define CR0_WP (1 << 16)
#define CR0_AM (1 << 18)
#define CR0_PG (1 << 31)
#define CR0_BOOT (CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG)
#define CR4_PAE (1 << 5)
#define CR4_PGE (1 << 7)
#define MSR_EFER 0xc0000080
#define EFER_BITS 0x901 /* SCE, LME, NXE */

#define TABLE 0x3     /* present, writable */
#define HUGE  0x83    /* and a 2 MiB page */

/* The same text assembles in 32-bit and 64-bit mode: absolute 32-bit addresses, upper halves already zero. */
.macro boot_tables
	movl	$PA(boot_low) + TABLE, PA(kernel_root)
	movl	$PA(image_pdpt) + TABLE, PA(kernel_root) + 511 * 8
	movl	$PA(image_pd) + TABLE, PA(boot_low)
	movl	$PA(image_pd) + TABLE, PA(image_pdpt) + 510 * 8
	.set	i, 0
	.rept	8
	movl	$(i << 21) + HUGE, PA(image_pd) + i * 8
	.set	i, i + 1
	.endr
.endm

	.section .note.pvh, "a", @note
	.balign	4
	.long	4, 8, 18
	.asciz	"Xen"
	.quad	PA(boot32)

	.section .boot.text, "ax", @progbits
	.code32
	.globl	boot32
boot32:
	cli
	cld
	movl	%ebx, %esi
	movl	$KVM_LOADER_PVH, %edi
	boot_tables
	movl	$CR4_PAE | CR4_PGE, %eax
	movl	%eax, %cr4
	movl	$PA(kernel_root), %eax
	movl	%eax, %cr3
	movl	$MSR_EFER, %ecx
	movl	$EFER_BITS, %eax
	xorl	%edx, %edx
	wrmsr
	movl	$CR0_BOOT, %eax
	movl	%eax, %cr0
	lgdt	PA(gdt_low)
	ljmp	$SEL_KERNEL_CS, $PA(boot_long)

	.code64
	.globl	boot64
boot64:
	cli
	cld
	movl	$KVM_LOADER_LINUX, %edi
	boot_tables
	movl	$CR4_PAE | CR4_PGE, %eax
	movq	%rax, %cr4
	movl	$PA(kernel_root), %eax
	movq	%rax, %cr3
	movl	$MSR_EFER, %ecx
	rdmsr
	orl	$EFER_BITS, %eax
	wrmsr
	movl	$CR0_BOOT, %eax
	movq	%rax, %cr0
	lgdt	PA(gdt_low)
	movl	$PA(boot_stack) + KVM_BOOT_STACK, %esp
	pushq	$SEL_KERNEL_CS
	pushq	$PA(boot_long)
	lretq

boot_long:
	movq	$boot_high, %rax
	jmp	*%rax
boot_high:
	lgdt	gdt_high(%rip)
	movl	$SEL_KERNEL_SS, %eax
	movl	%eax, %ss
	xorl	%eax, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %fs
	movl	%eax, %gs
	movq	$boot_stack + KVM_BOOT_STACK, %rsp
	xorl	%ebp, %ebp
	call	kvm_main
	ud2

	/* Selectors 0x20 and 0x38 stay empty: no 32-bit code segment, so an application cannot leave 64-bit mode. */
	.data
	.balign	16
	.globl	kvm_gdt
kvm_gdt:
	.quad	0, 0
	.quad	0x00af9b000000ffff	/* 0x10 kernel code */
	.quad	0x00cf93000000ffff	/* 0x18 kernel stack */
	.quad	0
	.quad	0x00cff3000000ffff	/* 0x2b user stack */
	.quad	0x00affb000000ffff	/* 0x33 user code */
	.quad	0
	.quad	0, 0			/* 0x40 TSS: trap_init() */
gdt_end:
gdt_low:
	.word	gdt_end - kvm_gdt - 1
	.quad	PA(kvm_gdt)	/* 32-bit code reads the lower half */
gdt_high:
	.word	gdt_end - kvm_gdt - 1
	.quad	kvm_gdt

	.section .bss.page_tables, "aw", @nobits
	.balign	4096
	.globl	kernel_root, image_pdpt, image_pd, direct_pdpt, boot_low
kernel_root:
	.skip	4096
image_pdpt:
	.skip	4096
image_pd:
	.skip	4096
direct_pdpt:
	.skip	4096
boot_low:			/* the identity map's; the MMIO page directory afterwards */
	.skip	4096
	.globl	boot_stack
boot_stack:
	.skip	KVM_BOOT_STACK

	.section .note.GNU-stack, "", @progbits
