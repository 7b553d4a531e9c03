/* The floor under every boot time: a PVH image that says how far the time stamp counter had come at its entry, and ends.
 * Prints `stub TICKS` (hexadecimal) on COM1; leaves through isa-debug-exit where there is one, halts otherwise. */
#define COM1       0x3f8
#define DEBUG_EXIT 0xf4

	.section .note.pvh, "a", @note
	.balign	4
	.long	4, 4, 18	/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.long	start

	.text
	.code32
	.globl	start
start:
	rdtsc
	movl	%edx, %ebp
	movl	%eax, %ebx
	movl	$prefix, %esi
	movl	$COM1, %edx
1:	lodsb
	testb	%al, %al
	jz	2f
	outb	%al, %dx
	jmp	1b
2:	movl	$16, %ecx
3:	movl	%ebp, %eax	/* the top four bits of ebp:ebx */
	shrl	$28, %eax
	movb	digits(%eax), %al
	outb	%al, %dx
	shldl	$4, %ebx, %ebp
	shll	$4, %ebx
	loop	3b
	movb	$'\n', %al
	outb	%al, %dx
	movl	$DEBUG_EXIT, %edx
	outb	%al, %dx
4:	cli
	hlt
	jmp	4b

prefix:	.asciz	"stub "
digits:	.ascii	"0123456789abcdef"

	.section .note.GNU-stack, "", @progbits
