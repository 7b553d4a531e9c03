/* Switching kernel stacks. A thread that does not run has its callee-saved registers on its kernel stack and its stack
 * pointer in thread->ksp; everything else a C caller expects to be gone anyway. FPU state: core/x86_64/fpu.c. */

	.text

/* void context_switch(uint64_t *save, uint64_t load) */
	.globl	context_switch
	.hidden	context_switch
	.type	context_switch, @function
context_switch:
	.cfi_startproc
	push	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	push	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	push	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r12, 0
	push	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r13, 0
	push	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r14, 0
	push	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r15, 0
	mov	%rsp, (%rdi)
	mov	%rsi, %rsp
	pop	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r15
	pop	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r14
	pop	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r13
	pop	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r12
	pop	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	pop	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbp
	ret
	.cfi_endproc
	.size	context_switch, . - context_switch

/* Where a new thread's first context_switch returns to: thread_setup() put the function in rbx, its argument in r12. */
	.globl	thread_entry_trampoline
	.hidden	thread_entry_trampoline
	.type	thread_entry_trampoline, @function
thread_entry_trampoline:
	.cfi_startproc
	.cfi_undefined %rip
	xor	%ebp, %ebp
	mov	%rbx, %rdi
	mov	%r12, %rsi
	call	thread_first_run
	ud2
	.cfi_endproc
	.size	thread_entry_trampoline, . - thread_entry_trampoline

	.section .note.GNU-stack, "", @progbits
