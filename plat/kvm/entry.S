/* Between the application and the kernel: syscalls, exceptions, interrupts.
 *
 * The application's registers go to a struct regs at the top of its thread's kernel stack (struct cpu kstack_top). A
 * plain syscall saves rip, rsp, rflags, its number and the argument registers there and leaves by sysretq, or in ring
 * 0 by a jump; the callee-saved registers live on in the C code's frames. When cpu->work is set, and for the calls
 * that want to see or change all registers, the frame is completed and everything is loaded from it by iretq.
 *
 * Every vector enters on an IST stack, so that it is safe wherever rsp points (the red zone of an application in ring
 * 0, the first instructions of syscall_entry). What comes from the application moves to its kernel stack at once,
 * since it may sleep; what comes from the kernel stays on the IST stack and never sleeps. Interrupts are off in all of
 * this file.
 *
 * One CPU: per-CPU data is addressed directly and GS belongs to the application. SMP would put swapgs at the three
 * places where the application is entered or left and make CPU() a %gs: reference. */
#include "core/cpu.h"
#include "core/x86_64/regs.h"
#include "plat/kvm/kvm.h"

#define CPU(field) kvm_cpu0 + (field)(%rip)

/* While C runs for the application, rsp + 8 is the frame: the stack is then 16-byte aligned at each call. */
#define FRAME(reg) 8 + (reg)(%rsp)

/* DWARF's register numbers. */
#define DW_RAX 0
#define DW_RDX 1
#define DW_RCX 2
#define DW_RBX 3
#define DW_RSI 4
#define DW_RDI 5
#define DW_RBP 6
#define DW_RSP 7
#define DW_RIP 16

	.cfi_sections .debug_frame

/* gdb's `bt` walks from the kernel into the application by these rules: the frame's end is the CFA. */
.macro cfi_frame_start
	.cfi_startproc simple
	.cfi_signal_frame
	.cfi_def_cfa rsp, 8 + REGS_SIZE
	.cfi_offset DW_RIP, REGS_RIP - REGS_SIZE
	.cfi_offset DW_RSP, REGS_RSP - REGS_SIZE
.endm

.macro cfi_frame_callee kept
	.ifnc	\kept, saved
	.cfi_same_value DW_RBX
	.cfi_same_value DW_RBP
	.cfi_same_value 12
	.cfi_same_value 13
	.cfi_same_value 14
	.cfi_same_value 15
	.else
	.cfi_offset DW_RBX, REGS_RBX - REGS_SIZE
	.cfi_offset DW_RBP, REGS_RBP - REGS_SIZE
	.cfi_offset 12, REGS_R12 - REGS_SIZE
	.cfi_offset 13, REGS_R13 - REGS_SIZE
	.cfi_offset 14, REGS_R14 - REGS_SIZE
	.cfi_offset 15, REGS_R15 - REGS_SIZE
	.endif
.endm

.macro cfi_frame_args kept
	.ifnc	\kept, saved
	.cfi_same_value DW_RDI
	.cfi_same_value DW_RSI
	.cfi_same_value DW_RDX
	.cfi_same_value 10
	.cfi_same_value 8
	.cfi_same_value 9
	.else
	.cfi_offset DW_RDI, REGS_RDI - REGS_SIZE
	.cfi_offset DW_RSI, REGS_RSI - REGS_SIZE
	.cfi_offset DW_RDX, REGS_RDX - REGS_SIZE
	.cfi_offset 10, REGS_R10 - REGS_SIZE
	.cfi_offset 8, REGS_R8 - REGS_SIZE
	.cfi_offset 9, REGS_R9 - REGS_SIZE
	.endif
.endm

.macro cfi_frame_scratch
	.cfi_offset DW_RAX, REGS_RAX - REGS_SIZE
	.cfi_offset DW_RCX, REGS_RCX - REGS_SIZE
	.cfi_offset 11, REGS_R11 - REGS_SIZE
.endm

.macro save_args
	movq	%rdi, FRAME(REGS_RDI)
	movq	%rsi, FRAME(REGS_RSI)
	movq	%rdx, FRAME(REGS_RDX)
	movq	%r10, FRAME(REGS_R10)
	movq	%r8, FRAME(REGS_R8)
	movq	%r9, FRAME(REGS_R9)
.endm

.macro load_args
	movq	FRAME(REGS_RDI), %rdi
	movq	FRAME(REGS_RSI), %rsi
	movq	FRAME(REGS_RDX), %rdx
	movq	FRAME(REGS_R10), %r10
	movq	FRAME(REGS_R8), %r8
	movq	FRAME(REGS_R9), %r9
.endm

.macro save_callee
	movq	%rbx, FRAME(REGS_RBX)
	movq	%rbp, FRAME(REGS_RBP)
	movq	%r12, FRAME(REGS_R12)
	movq	%r13, FRAME(REGS_R13)
	movq	%r14, FRAME(REGS_R14)
	movq	%r15, FRAME(REGS_R15)
.endm

/* What the SYSCALL instruction took from the application: rcx and r11 read as it left them. */
.macro save_syscall_rest
	movq	FRAME(REGS_RIP), %rcx
	movq	%rcx, FRAME(REGS_RCX)
	movq	FRAME(REGS_RFLAGS), %r11
	movq	%r11, FRAME(REGS_R11)
	movq	$USER_CS, FRAME(REGS_CS)
	movq	$USER_SS, FRAME(REGS_SS)
.endm

/* rflags bits with which the last instructions had better not run. */
#define RFLAGS_ODD (RFLAGS_DF | RFLAGS_TF | RFLAGS_AC | 0x4000)

/* Back to the application from a syscall; rax is the result. In ring 0 the one instruction after sti cannot be
 * interrupted, so the next interrupt already finds the application's rip. */
.macro leave_fast ring0
	movq	FRAME(REGS_RIP), %rcx
	.if	\ring0 == 0
	movq	FRAME(REGS_RFLAGS), %r11
	movq	FRAME(REGS_RSP), %rsp
	sysretq
	.else
	pushq	%r11
	andl	$~RFLAGS_IF, (%rsp)
	popfq
	movq	FRAME(REGS_RSP), %rsp
	sti
	jmp	*%rcx
	.endif
.endm

/* In ring 0, these flags take the slow way; r11 becomes rflags. */
.macro check_flags ring0, slow
	.if	\ring0
	movq	FRAME(REGS_RFLAGS), %r11
	testl	$RFLAGS_ODD, %r11d
	jnz	\slow
	.endif
.endm

/* rax = number, rcx = return address, r11 = rflags, arguments in rdi, rsi, rdx, r10, r8, r9. syscall_kind
 * (plat.h) tells three kinds of call apart: plain ones; light ones, whose functions preserve the argument registers,
 * so that these need no saving; and those that want the full frame. */
.macro define_syscall_entry name, ring0
	.globl	\name
	.balign	64
\name:
	.cfi_startproc simple
	.cfi_signal_frame
	.cfi_def_cfa rsp, 0
	.cfi_val_offset DW_RSP, 0
	.cfi_register DW_RIP, DW_RCX
	movq	%rsp, CPU(CPU_USER_RSP)
	movq	CPU(CPU_KSTACK_SP), %rsp
	.cfi_endproc

	cfi_frame_start
	cfi_frame_callee kept
	cfi_frame_args kept
	movq	%rcx, FRAME(REGS_RIP)
	movq	%r11, FRAME(REGS_RFLAGS)
	movq	CPU(CPU_USER_RSP), %rcx
	movq	%rcx, FRAME(REGS_RSP)
	movq	%rax, FRAME(REGS_ORIG_RAX)
	cmpq	$KVM_SYSCALL_MAX, %rax
	jae	30f
10:	cmpb	$KVM_SYSCALL_LIGHT, syscall_kind(%rax)
	je	20f
	save_args		/* leaves the flags alone */
	ja	40f
	.cfi_endproc

	cfi_frame_start
	cfi_frame_callee kept
	cfi_frame_args saved
	movq	%r10, %rcx
	call	*syscall_active(, %rax, 8)
11:	cmpl	$0, CPU(CPU_WORK)
	jne	12f
	check_flags \ring0, 12f
	load_args
	leave_fast \ring0
12:	save_callee
	movq	%rax, FRAME(REGS_RAX)
	save_syscall_rest
	jmp	resume

	/* A number out of range: as on Linux, only the lower half of rax counts. */
30:	save_args
	movl	%eax, %ecx
	cmpl	$KVM_SYSCALL_MAX, %ecx
	jae	31f
	movl	%eax, %eax
	movq	%rax, FRAME(REGS_ORIG_RAX)
	jmp	10b
31:	movq	%r10, %rcx
	call	syscall_unknown
	jmp	11b
	.cfi_endproc

	/* Light. */
	cfi_frame_start
	cfi_frame_callee kept
	cfi_frame_args kept
20:	call	*syscall_active(, %rax, 8)
	cmpl	$0, CPU(CPU_WORK)
	jne	21f
	check_flags \ring0, 21f
	leave_fast \ring0
21:	save_args
	jmp	12b
	.cfi_endproc

	/* Full frame. */
	cfi_frame_start
	cfi_frame_callee saved
	cfi_frame_args saved
	cfi_frame_scratch
40:	save_callee
	save_syscall_rest
	movq	%rax, FRAME(REGS_RAX)
	movq	%r10, %rcx
	call	*syscall_active(, %rax, 8)
	movq	%rax, FRAME(REGS_RAX)
	jmp	resume
	.cfi_endproc
	.size	\name, . - \name
.endm

	.section .entry.text, "ax", @progbits
	.type	syscall_entry, @function
	.type	syscall_entry_ring0, @function
	define_syscall_entry syscall_entry, 0
	define_syscall_entry syscall_entry_ring0, 1

/* struct cpu *plat_cpu(void), which changes no register but rax. */
	.globl	plat_cpu
	.type	plat_cpu, @function
	.balign	16
plat_cpu:
	.cfi_startproc
	leaq	kvm_cpu0(%rip), %rax
	ret
	.cfi_endproc
	.size	plat_cpu, . - plat_cpu

/* void plat_user_enter(struct regs *r) */
	.globl	plat_user_enter
	.type	plat_user_enter, @function
	.balign	16
plat_user_enter:
	leaq	-8(%rdi), %rsp
	/* fall through */

/* A complete frame at rsp + 8: do what is pending, then leave. The words iretq takes are put below the frame's own:
 * those keep the selectors that programs see. */
	cfi_frame_start
	cfi_frame_callee saved
	cfi_frame_args saved
	cfi_frame_scratch
	.type	resume, @function
resume:
	leaq	8(%rsp), %rdi
	call	kvm_resume
	movq	FRAME(REGS_R15), %r15
	movq	FRAME(REGS_R14), %r14
	movq	FRAME(REGS_R13), %r13
	movq	FRAME(REGS_R12), %r12
	movq	FRAME(REGS_RBP), %rbp
	movq	FRAME(REGS_RBX), %rbx
	movq	FRAME(REGS_R11), %r11
	movq	FRAME(REGS_R10), %r10
	movq	FRAME(REGS_R9), %r9
	movq	FRAME(REGS_R8), %r8
	movq	FRAME(REGS_RAX), %rax
	movq	FRAME(REGS_RCX), %rcx
	movq	FRAME(REGS_RDX), %rdx
	movq	FRAME(REGS_RSI), %rsi
	movq	FRAME(REGS_RDI), %rdi
	addq	$8 + REGS_ORIG_RAX, %rsp
	pushq	kvm_user_ss(%rip)
	pushq	8 + REGS_RSP - REGS_ORIG_RAX(%rsp)
	pushq	16 + REGS_RFLAGS - REGS_ORIG_RAX(%rsp)
	pushq	kvm_user_cs(%rip)
	pushq	32 + REGS_RIP - REGS_ORIG_RAX(%rsp)
	iretq
	.cfi_endproc
	.size	resume, . - resume

/* One stub of 16 bytes for each vector from 0 to 0x3f: they leave [vector] [error code] [what the CPU pushed]. */
	.globl	trap_stubs
	.balign	16
trap_stubs:
	.set	vector, 0
	.rept	64
	.balign	16
	.if	!(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)
	pushq	$0
	.endif
	pushq	$vector
	.if	vector == VEC_NMI || vector == VEC_DF || vector == VEC_MC
	jmp	trap_fatal
	.else
	jmp	trap_common
	.endif
	.set	vector, vector + 1
	.endr

	.globl	trap_spurious
	.balign	16
trap_spurious:
	iretq

/* Stack offsets after the stub and the two pushes below. */
#define T_RCX 0
#define T_RAX 8
#define T_VECTOR 16
#define T_ERROR 24
#define T_RIP 32
#define T_CS 40
#define T_RFLAGS 48
#define T_RSP 56

	.type	trap_common, @function
	.balign	64
trap_common:
	.cfi_startproc simple
	.cfi_signal_frame
	.cfi_def_cfa rsp, 56
	.cfi_offset DW_RIP, -40
	.cfi_offset DW_RSP, -16
	pushq	%rax
	.cfi_adjust_cfa_offset 8
	pushq	%rcx
	.cfi_adjust_cfa_offset 8
	pushq	$2		/* DF, AC, NT, TF: none of the application's are for us */
	popfq
	testb	$3, T_CS(%rsp)
	jnz	from_user
	cmpb	$0, kvm_ring0(%rip)
	je	from_kernel

	/* An application in ring 0: rip and rsp decide. rsp tells a wild jump of the kernel from one of the application. */
	movq	T_RIP(%rsp), %rax
	cmpq	$KVM_IMAGE_BASE, %rax
	jae	from_kernel
	cmpq	$0, T_RSP(%rsp)
	jl	from_kernel

from_user:
	movq	CPU(CPU_KSTACK), %rax
	subq	$REGS_SIZE, %rax
	movq	%r15, REGS_R15(%rax)
	movq	%r14, REGS_R14(%rax)
	movq	%r13, REGS_R13(%rax)
	movq	%r12, REGS_R12(%rax)
	movq	%rbp, REGS_RBP(%rax)
	movq	%rbx, REGS_RBX(%rax)
	movq	%r11, REGS_R11(%rax)
	movq	%r10, REGS_R10(%rax)
	movq	%r9, REGS_R9(%rax)
	movq	%r8, REGS_R8(%rax)
	movq	%rdx, REGS_RDX(%rax)
	movq	%rsi, REGS_RSI(%rax)
	movq	%rdi, REGS_RDI(%rax)
	movq	T_RAX(%rsp), %rcx
	movq	%rcx, REGS_RAX(%rax)
	movq	T_RCX(%rsp), %rcx
	movq	%rcx, REGS_RCX(%rax)
	movq	$-1, REGS_ORIG_RAX(%rax)
	movq	T_RIP(%rsp), %rcx
	movq	%rcx, REGS_RIP(%rax)
	movq	T_RFLAGS(%rsp), %rcx
	movq	%rcx, REGS_RFLAGS(%rax)
	movq	T_RSP(%rsp), %rcx
	movq	%rcx, REGS_RSP(%rax)
	movq	$USER_CS, REGS_CS(%rax)
	movq	$USER_SS, REGS_SS(%rax)
	movq	T_VECTOR(%rsp), %rsi
	movq	T_ERROR(%rsp), %rdx
	.cfi_endproc

	cfi_frame_start
	cfi_frame_callee saved
	cfi_frame_args saved
	cfi_frame_scratch
	leaq	-8(%rax), %rsp
	movq	%rax, %rdi
	call	kvm_trap_user
	jmp	resume
	.cfi_endproc
	.size	trap_common, . - trap_common

	.type	trap_fatal, @function
	.balign	16
trap_fatal:
	pushq	%rax
	pushq	%rcx
	pushq	$2
	popfq

/* From the kernel (or fatal): a struct regs around what the CPU pushed; the error code is where orig_rax belongs, the
 * vector, rax and rcx are where rdi, rsi and rdx do. */
from_kernel:
	cfi_frame_start
	cfi_frame_callee saved
	cfi_frame_args saved
	cfi_frame_scratch
	subq	$8 + REGS_RDX, %rsp
	movq	FRAME(REGS_RDX), %rax
	movq	%rax, FRAME(REGS_RCX)
	movq	FRAME(REGS_RSI), %rax
	movq	%rax, FRAME(REGS_RAX)
	movq	FRAME(REGS_RDI), %rax
	movq	FRAME(REGS_ORIG_RAX), %rcx
	movq	$-1, FRAME(REGS_ORIG_RAX)
	save_args
	save_callee
	movq	%r11, FRAME(REGS_R11)
	leaq	8(%rsp), %rdi
	movq	%rax, %rsi
	movq	%rcx, %rdx
	call	kvm_trap_kernel
	load_args
	movq	FRAME(REGS_R15), %r15
	movq	FRAME(REGS_R14), %r14
	movq	FRAME(REGS_R13), %r13
	movq	FRAME(REGS_R12), %r12
	movq	FRAME(REGS_RBP), %rbp
	movq	FRAME(REGS_RBX), %rbx
	movq	FRAME(REGS_R11), %r11
	movq	FRAME(REGS_RCX), %rcx
	movq	FRAME(REGS_RAX), %rax
	addq	$8 + REGS_RIP, %rsp
	iretq
	.cfi_endproc
	.size	trap_fatal, . - trap_fatal

	.section .note.GNU-stack, "", @progbits
