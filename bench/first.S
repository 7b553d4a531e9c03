/* A static program that says how far the time stamp counter had come at its first instruction: `first TICKS`
 * (hexadecimal). Under -icount shift=0, less the stub's number, that is the way from the kernel's entry to a program. */
	.text
	.globl	_start
_start:
	rdtsc
	shlq	$32, %rdx
	orq	%rax, %rdx
	leaq	text+6(%rip), %rdi
	leaq	digits(%rip), %rsi
	movl	$16, %ecx
1:	rolq	$4, %rdx
	movl	%edx, %eax
	andl	$15, %eax
	movb	(%rsi,%rax), %al
	stosb
	loop	1b
	movl	$1, %eax	/* write */
	movl	$1, %edi
	leaq	text(%rip), %rsi
	movl	$23, %edx
	syscall
	movl	$60, %eax	/* exit */
	xorl	%edi, %edi
	syscall

	.data
text:	.ascii	"first ................\n"
digits:	.ascii	"0123456789abcdef"

	.section .note.GNU-stack, "", @progbits
