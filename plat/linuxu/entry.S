/* linuxu: the ways into and out of the kernel.
 *
 * entry_syscall is where patched syscall sites arrive, with the state the `syscall` instruction would give on kvm:
 * number in rax, return address in rcx, nothing pushed, r11 free. Signals (SIGSYS for unpatched sites, faults, the
 * timer) arrive at signal_entry on the signal stack; what concerns the application is moved to its thread's kernel
 * stack, and the handler's frame is abandoned: no sigreturn.
 *
 * There are two ways out: exit_syscall restores what the C code does not keep and jumps; exit_full restores
 * everything and leaves by iretq. Both read only the saved frame (and the registers that C keeps) and change nothing
 * in it, so that a signal which hits one of them can send it back to its start (trap.c), where pending work is looked
 * at. On both, and at every call into C, rsp is 8 below the struct regs at the top of the kernel stack; FRAME(x) is a
 * member.
 *
 * As after the instruction, rflags survive a syscall: no flag may change before pushfq or after sahf. (popfq in place
 * of that makes the whole call a third dearer.)
 *
 * application_runs tells whose code the CPU is in: neither rip nor rsp can, since a program that runs astray may have
 * any of ours in them. It is set on both ways out and cleared on both ways in; the few instructions of ours that run
 * while it is set lie between labels for trap.c.
 *
 * The unwinding rules say where the application's registers are in that frame, so a debugger walks from the kernel
 * through the C library to main. */
#include "core/cpu.h"
#include "core/x86_64/regs.h"
#include "plat/linuxu/linuxu.h"

#define SYSCALL_MAX 512 /* plat.h; checked in trap.c */
#define SYSCALL_KIND_REGS 2
#define UC_FPSTATE 224
#define FP_MAGIC1 464     /* struct _fpx_sw_bytes in the FXSAVE area */
#define FP_XFEATURES 472
#define FP_XSTATE_MAGIC1 0x46505853

#define FRAME(x) (8 + REGS_##x)(%rsp)
#define CPU(x) (cpu_state + CPU_##x)(%rip)

/* Direction, nested task, alignment check: the kernel must not run with them. */
#define RFLAGS_ODD 0x44400
#define RFLAGS_TRAP 0x100

/* Added to rflags' second byte, where only the overflow flag (8), the interrupt flag (2, always set) and perhaps a
 * debugger's trap flag (1) are left once RFLAGS_ODD have gone the other way: overflows just when the first is set. */
#define OVERFLOW_AGAIN 0x76

	.cfi_sections .debug_frame

/* DW_CFA_expression: register `reg` is at rsp + off (two bytes of SLEB128). */
.macro SAVED reg, off
	.cfi_escape 0x10, \reg, 3, 0x77, ((8 + \off) & 0x7f) | 0x80, (8 + \off) >> 7
.endm

.macro APPLICATION_FRAME
	.cfi_escape 0x0f, 4, 0x77, ((8 + REGS_RSP) & 0x7f) | 0x80, (8 + REGS_RSP) >> 7, 0x06
	SAVED 16, REGS_RIP
	SAVED 3, REGS_RBX
	SAVED 6, REGS_RBP
	SAVED 12, REGS_R12
	SAVED 13, REGS_R13
	SAVED 14, REGS_R14
	SAVED 15, REGS_R15
	SAVED 5, REGS_RDI
	SAVED 4, REGS_RSI
	SAVED 1, REGS_RDX
	SAVED 10, REGS_R10
	SAVED 8, REGS_R8
	SAVED 9, REGS_R9
.endm

	.text

/* ---- the runner's start: the host's argc, argv, envp, auxv are at rsp ---- */
	.globl _start
	.type _start, @function
_start:
	.cfi_startproc
	.cfi_undefined rip
	mov	%rsp, %rdi
	lea	boot_stack_top(%rip), %rsp
	xor	%ebp, %ebp
	call	linuxu_main
	hlt
	.cfi_endproc
	.size _start, . - _start

/* ---- syscalls ---- */
	.p2align 6
	.globl entry_syscall
	.type entry_syscall, @function
entry_syscall:
	.cfi_startproc simple
	.cfi_signal_frame
	.cfi_def_cfa rsp, 0
	.cfi_register rip, rcx
	movl	$0, application_runs(%rip)
entry_syscall_taken:
	mov	%rsp, %r11
	.cfi_def_cfa_register r11
	mov	CPU(KSTACK), %rsp
	lea	-(REGS_SIZE - REGS_RFLAGS - 8)(%rsp), %rsp
	pushfq
	lea	-(8 + REGS_RFLAGS)(%rsp), %rsp
	mov	%r11, FRAME(RSP)
	mov	%rcx, FRAME(RIP)
	mov	%rax, FRAME(ORIG_RAX)
	mov	%rdi, FRAME(RDI)
	mov	%rsi, FRAME(RSI)
	mov	%rdx, FRAME(RDX)
	mov	%r10, FRAME(R10)
	mov	%r8, FRAME(R8)
	mov	%r9, FRAME(R9)
	mov	%rbx, FRAME(RBX)
	mov	%rbp, FRAME(RBP)
	mov	%r12, FRAME(R12)
	mov	%r13, FRAME(R13)
	mov	%r14, FRAME(R14)
	mov	%r15, FRAME(R15)
	APPLICATION_FRAME
	testl	$RFLAGS_ODD, FRAME(RFLAGS)
	jnz	entry_odd_flags
dispatch:
	mov	%r10, %rcx
	cmp	$SYSCALL_MAX, %rax
	jae	dispatch_large
	lea	syscall_kind(%rip), %r11
	cmpb	$SYSCALL_KIND_REGS, (%r11,%rax)
	je	dispatch_regs
	lea	syscall_active(%rip), %r11
	call	*(%r11,%rax,8)
syscall_done:
	mov	%rax, FRAME(RAX)
	/* The order of the next two labels matters: signals rewind from inside to exit_syscall. */
exit_syscall:
	cmpq	$0, CPU(WORK)
	jne	exit_work
	mov	FRAME(RFLAGS), %eax
	add	$OVERFLOW_AGAIN, %ah
	mov	%al, %ah
	sahf
	mov	FRAME(RAX), %rax
	mov	FRAME(RDI), %rdi
	mov	FRAME(RSI), %rsi
	mov	FRAME(RDX), %rdx
	mov	FRAME(R10), %r10
	mov	FRAME(R8), %r8
	mov	FRAME(R9), %r9
	mov	FRAME(RFLAGS), %r11
	mov	FRAME(RIP), %rcx
	movl	$1, application_runs(%rip)
	mov	FRAME(RSP), %rsp
	.cfi_remember_state
	.cfi_def_cfa rsp, 0
	.cfi_register rip, rcx
	jmp	*%rcx
exit_syscall_end:
	.cfi_restore_state

	/* As on Linux, only the lower half of rax counts. */
dispatch_large:
	mov	%eax, %eax
	cmp	$SYSCALL_MAX, %rax
	jae	1f
	mov	%rax, FRAME(ORIG_RAX)
	jmp	dispatch
1:	call	syscall_unknown
	jmp	syscall_done

	/* The function reads or changes the whole frame. */
dispatch_regs:
	lea	8(%rsp), %rdi
	call	user_syscall_slow
	jmp	exit_full

	/* Leave by trap_return(): the frame is made complete. rcx and r11 are as after a syscall instruction; a trap
	 * flag in the frame is a debugger's single step that pushfq saw, not the application's. */
exit_work:
	andl	$~RFLAGS_TRAP, FRAME(RFLAGS)
	mov	FRAME(RIP), %rcx
	mov	%rcx, FRAME(RCX)
	mov	FRAME(RFLAGS), %r11
	mov	%r11, FRAME(R11)
	movq	$USER_CS, FRAME(CS)
	movq	$USER_SS, FRAME(SS)
	jmp	exit_full

	/* The C code needs a clear direction flag and no alignment check; only iretq brings the application's back. */
entry_odd_flags:
	pushq	$2
	popfq
	lea	8(%rsp), %rdi
	call	user_syscall_slow
	jmp	exit_full

exit_full_work:
	lea	8(%rsp), %rdi
	call	user_return
exit_full:
	cmpq	$0, CPU(WORK)
	jne	exit_full_work
	movl	$1, application_runs(%rip)
	mov	FRAME(R15), %r15
	mov	FRAME(R14), %r14
	mov	FRAME(R13), %r13
	mov	FRAME(R12), %r12
	mov	FRAME(RBP), %rbp
	mov	FRAME(RBX), %rbx
	mov	FRAME(R11), %r11
	mov	FRAME(R10), %r10
	mov	FRAME(R9), %r9
	mov	FRAME(R8), %r8
	mov	FRAME(RAX), %rax
	mov	FRAME(RCX), %rcx
	mov	FRAME(RDX), %rdx
	mov	FRAME(RSI), %rsi
	mov	FRAME(RDI), %rdi
	add	$(8 + REGS_RIP), %rsp
	iretq
exit_full_end:
	.globl entry_syscall_taken, exit_syscall, exit_syscall_end, exit_full, exit_full_end
	.cfi_endproc
	.size entry_syscall, . - entry_syscall

	.globl user_enter_frame
	.type user_enter_frame, @function
user_enter_frame:
	.cfi_startproc
	.cfi_undefined rip
	mov	CPU(KSTACK), %rsp
	sub	$(REGS_SIZE + 8), %rsp
	jmp	exit_full
	.cfi_endproc
	.size user_enter_frame, . - user_enter_frame

/* ---- signals: rdi number, rsi siginfo, rdx ucontext; on the signal stack ---- */
	.p2align 4
	.globl signal_entry, signal_entry_taken, signal_leave, signal_leave_end
	.type signal_entry, @function
signal_entry:
	.cfi_startproc
	xor	%ecx, %ecx
	xchg	%ecx, application_runs(%rip)
signal_entry_taken:
	pushq	$2
	popfq
	mov	%ecx, %ebx
	push	%rdx
	.cfi_adjust_cfa_offset 8
	call	signal_dispatch
	pop	%rdx
	.cfi_adjust_cfa_offset -8
	cmp	$LEAVE_REWOUND, %eax
	ja	1f
	je	2f
signal_leave:
	mov	%ebx, application_runs(%rip)
2:	ret
signal_leave_end:
	.cfi_endproc

	/* The host put the FPU into its initial state; the application's registers are in the signal frame. */
	.cfi_startproc simple
	.cfi_signal_frame
	.cfi_undefined rip
1:	mov	%eax, %esi
	mov	UC_FPSTATE(%rdx), %rdi
	cmpl	$FP_XSTATE_MAGIC1, FP_MAGIC1(%rdi)
	jne	5f
	mov	FP_XFEATURES(%rdi), %eax
	mov	(FP_XFEATURES + 4)(%rdi), %edx
	xrstor64 (%rdi)
	jmp	3f
5:	fxrstor64 (%rdi)
3:	mov	CPU(KSTACK), %rsp
	sub	$(REGS_SIZE + 8), %rsp
	APPLICATION_FRAME
	lea	8(%rsp), %rdi
	cmp	$LEAVE_FAULT, %esi
	je	4f
	ja	exit_full_work

	/* LEAVE_SYSCALL */
	call	user_syscall_trapped
	mov	FRAME(ORIG_RAX), %rax
	mov	FRAME(RDI), %rdi
	mov	FRAME(RSI), %rsi
	mov	FRAME(RDX), %rdx
	mov	FRAME(R10), %r10
	mov	FRAME(R8), %r8
	mov	FRAME(R9), %r9
	testl	$RFLAGS_ODD, FRAME(RFLAGS)
	jnz	entry_odd_flags
	/* The C code kept the handler's callee-saved registers, not the application's. */
	mov	FRAME(RBX), %rbx
	mov	FRAME(RBP), %rbp
	mov	FRAME(R12), %r12
	mov	FRAME(R13), %r13
	mov	FRAME(R14), %r14
	mov	FRAME(R15), %r15
	jmp	dispatch

4:	call	user_fault
	jmp	exit_full
	.cfi_endproc
	.size signal_entry, . - signal_entry

/* What the host's signal frame returns to, at __restore_rt. Debuggers know a signal frame by these very bytes under this name. */
	.p2align 4
	nop
	.globl __restore_rt
	.type __restore_rt, @function
__restore_rt:
	mov	$15, %rax
	syscall
__restore_rt_end:
	.globl __restore_rt_end
	.size __restore_rt, . - __restore_rt

/* ---- idle_wait(fds, n, timeout): a signal between the test and the end of ppoll sends us to idle_wait_out ---- */
	.p2align 4
	.globl idle_wait, idle_wait_begin, idle_wait_end, idle_wait_out
	.type idle_wait, @function
idle_wait:
	.cfi_startproc
	xor	%r10d, %r10d
	mov	$8, %r8d
idle_wait_begin:
	cmpl	$0, CPU(IN_KERNEL)
	jne	idle_wait_out
	mov	$271, %eax
	syscall
idle_wait_end:
	ret
idle_wait_out:
	mov	$-4, %rax
	ret
	.cfi_endproc
	.size idle_wait, . - idle_wait

	.bss
	.p2align 6
	.globl application_runs
	.type application_runs, @object
	.size application_runs, 4
application_runs:
	.skip	4
	.p2align 12
	.globl cpu_state
	.type cpu_state, @object
	.size cpu_state, 4096
cpu_state:
	.skip	4096
boot_stack:
	.skip	65536
boot_stack_top:

	.section .note.GNU-stack, "", @progbits
