/* The vDSO image as data of the kernel object. */
	.section .rodata
	.balign 64
	.globl vdso_start, vdso_end
	.hidden vdso_start, vdso_end
vdso_start:
	.incbin VDSO_IMAGE
vdso_end:
	.section .note.GNU-stack, "", @progbits
