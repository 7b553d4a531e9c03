/* A static program that at once says how far the time stamp counter had come: `first TICKS` (hexadecimal). Then it sleeps
 * for ever, so that the host can ask QEMU at leisure how many instructions the way here took; the host ends it. */
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
2:	movl	$7, %eax	/* poll: nothing, without end */
	xorl	%edi, %edi
	xorl	%esi, %esi
	movl	$-1, %edx
	syscall
	jmp	2b

	.data
text:	.ascii	"first ................\n"
digits:	.ascii	"0123456789abcdef"

	.section .note.GNU-stack, "", @progbits
