/* The user copy: the only code that touches the application's memory by its own addresses.
 *
 * Never sleeps and never fails loudly. Each access to user memory lies in a range of the table at the end; a fault there
 * is continued at the range's second half by copy_fixup(). Word moves go on byte by byte from the start of the block they
 * were in, so the count of bytes not copied is exact; a fault in the byte loop ends the copy. That works because
 *  - rdi, rsi and rdx name the block, and are advanced only once all of it is done;
 *  - the bytes moved in vain are moved again, and no byte behind the first inaccessible one is ever written: stores go
 *    upwards, and the last of them ends the block.
 * Addresses below USER_MIN are never mapped and fault; those from USER_MAX on are cut off here and counted as not copied.
 *
 * With SMAP (copy_smap) user accesses are allowed between stac and clac only. `rep movsb` is used where copy_fsrm says it
 * is fast: an emulator takes six times as long for it as for moves of 64 bits. */
#include "shim/abi/errno.h"

#define USER_MAX 0x400000000000 /* core/types.h */
#define REP_MIN 256

	.cfi_sections .debug_frame

.macro FUNC name
	.globl	\name
	.hidden	\name
	.type	\name, @function
	.p2align 4
\name:
	.cfi_startproc
.endm

.macro END name
	.cfi_endproc
	.size	\name, . - \name
.endm

.macro USER_BEGIN
	cmpb	$0, copy_smap(%rip)
	je	777f
	stac
777:
.endm

.macro USER_END
	cmpb	$0, copy_smap(%rip)
	je	778f
	clac
778:
.endm

/* r8 = how much of [\addr, \addr + \len) lies beyond USER_MAX; \len becomes the rest. */
.macro CLAMP addr, len
	movabs	$USER_MAX, %rax
	xor	%r8d, %r8d
	sub	\addr, %rax
	jb	779f
	cmp	%rax, \len
	jbe	780f
	mov	\len, %r8
	sub	%rax, %r8
	mov	%rax, \len
	jmp	780f
779:	mov	\len, %rax
	ret
780:
.endm

	.text

/* size_t user_copy_in(void *dst, uptr_t src, size_t len): the bytes not copied. */
FUNC user_copy_in
	CLAMP	%rsi, %rdx
	jmp	copy
END user_copy_in

/* size_t user_copy_out(uptr_t dst, const void *src, size_t len): the bytes not copied. */
FUNC user_copy_out
	CLAMP	%rdi, %rdx
	/* falls through */
END user_copy_out

/* rdi to, rsi from, rdx bytes; r8 more count as not copied. */
	.type	copy, @function
copy:
	.cfi_startproc
	USER_BEGIN
copy_words:
	cmp	$64, %rdx
	ja	.Lcopy_long
.Lcopy_short:
	cmp	$16, %rdx
	ja	.Lcopy_17_64
	cmp	$8, %edx
	jae	.Lcopy_8_16
	cmp	$4, %edx
	jae	.Lcopy_4_7
	jmp	copy_bytes

.Lcopy_8_16:
	mov	(%rsi), %rax
	mov	-8(%rsi, %rdx), %rcx
	mov	%rax, (%rdi)
	mov	%rcx, -8(%rdi, %rdx)
	jmp	.Lcopy_done

.Lcopy_4_7:
	mov	(%rsi), %eax
	mov	-4(%rsi, %rdx), %ecx
	mov	%eax, (%rdi)
	mov	%ecx, -4(%rdi, %rdx)
	jmp	.Lcopy_done

.Lcopy_17_64:
	mov	(%rsi), %rax
	mov	8(%rsi), %rcx
	mov	-16(%rsi, %rdx), %r9
	mov	-8(%rsi, %rdx), %r10
	mov	%rax, (%rdi)
	mov	%rcx, 8(%rdi)
	cmp	$32, %edx
	jbe	1f
	mov	16(%rsi), %rax
	mov	24(%rsi), %rcx
	mov	%rax, 16(%rdi)
	mov	%rcx, 24(%rdi)
	mov	-32(%rsi, %rdx), %rax
	mov	-24(%rsi, %rdx), %rcx
	mov	%rax, -32(%rdi, %rdx)
	mov	%rcx, -24(%rdi, %rdx)
1:	mov	%r9, -16(%rdi, %rdx)
	mov	%r10, -8(%rdi, %rdx)
	jmp	.Lcopy_done

.Lcopy_long:
	cmp	$REP_MIN, %rdx
	jb	2f
	cmpb	$0, copy_fsrm(%rip)
	jne	copy_rep
2:	mov	(%rsi), %rax
	mov	8(%rsi), %rcx
	mov	16(%rsi), %r9
	mov	24(%rsi), %r10
	mov	%rax, (%rdi)
	mov	%rcx, 8(%rdi)
	mov	%r9, 16(%rdi)
	mov	%r10, 24(%rdi)
	mov	32(%rsi), %rax
	mov	40(%rsi), %rcx
	mov	48(%rsi), %r9
	mov	56(%rsi), %r10
	mov	%rax, 32(%rdi)
	mov	%rcx, 40(%rdi)
	mov	%r9, 48(%rdi)
	mov	%r10, 56(%rdi)
	add	$64, %rsi
	add	$64, %rdi
	sub	$64, %rdx
	cmp	$64, %rdx
	jae	2b
	jmp	.Lcopy_short

copy_rep:
	mov	%rdx, %rcx
	rep movsb
.Lcopy_done:
	xor	%edx, %edx
	jmp	copy_end

copy_rep_faulted:
	mov	%rcx, %rdx
copy_bytes:
	test	%rdx, %rdx
	jz	copy_end
3:	mov	(%rsi), %al
	mov	%al, (%rdi)
	inc	%rsi
	inc	%rdi
	dec	%rdx
	jnz	3b
copy_end:
	USER_END
	lea	(%rdx, %r8), %rax
	ret
	.cfi_endproc
	.size	copy, . - copy

/* size_t user_zero(uptr_t dst, size_t len): the bytes not zeroed. */
FUNC user_zero
	CLAMP	%rdi, %rsi
	mov	%rsi, %rdx
	xor	%eax, %eax
	USER_BEGIN
zero_words:
	cmp	$32, %rdx
	jb	zero_bytes
	cmp	$REP_MIN, %rdx
	jb	2f
	cmpb	$0, copy_fsrm(%rip)
	jne	zero_rep
2:	mov	%rax, (%rdi)
	mov	%rax, 8(%rdi)
	mov	%rax, 16(%rdi)
	mov	%rax, 24(%rdi)
	add	$32, %rdi
	sub	$32, %rdx
	cmp	$32, %rdx
	jae	2b
	jmp	zero_bytes

zero_rep:
	mov	%rdx, %rcx
	rep stosb
	xor	%edx, %edx
	jmp	zero_end

zero_rep_faulted:
	mov	%rcx, %rdx
zero_bytes:
	cmp	$8, %rdx
	jb	4f
3:	mov	%rax, (%rdi)
	add	$8, %rdi
	sub	$8, %rdx
	cmp	$8, %rdx
	jae	3b
4:
zero_single:
	test	%rdx, %rdx
	jz	zero_end
5:	mov	%al, (%rdi)
	inc	%rdi
	dec	%rdx
	jnz	5b
zero_end:
	USER_END
	lea	(%rdx, %r8), %rax
	ret
END user_zero

/* int user_load32(uptr_t src, uint32_t *out): 0 or -EFAULT. */
FUNC user_load32
	movabs	$USER_MAX - 4, %rax
	cmp	%rax, %rdi
	ja	bad_address
	USER_BEGIN
load32:
	mov	(%rdi), %edx
load32_end:
	USER_END
	mov	%edx, (%rsi)
	xor	%eax, %eax
	ret
END user_load32

/* int user_cmpxchg32(uptr_t dst, uint32_t old, uint32_t new_val, uint32_t *seen): 0 or -EFAULT. */
FUNC user_cmpxchg32
	movabs	$USER_MAX - 4, %rax
	cmp	%rax, %rdi
	ja	bad_address
	mov	%esi, %eax
	USER_BEGIN
cmpxchg32:
	lock cmpxchg %edx, (%rdi)
cmpxchg32_end:
	USER_END
	mov	%eax, (%rcx)
	xor	%eax, %eax
	ret
atomic_faulted:
	USER_END
bad_address:
	mov	$-EFAULT, %eax
	ret
END user_cmpxchg32

/* uint64_t copy_fixup(uint64_t rip): where to go on after a fault at rip; 0 when that is no access of ours. */
FUNC copy_fixup
	lea	fixups(%rip), %rdx
	mov	$(fixups_end - fixups) / 12, %ecx
	sub	%rdx, %rdi
1:	movslq	(%rdx), %rax
	cmp	%rax, %rdi
	jl	2f
	movslq	4(%rdx), %rax
	cmp	%rax, %rdi
	jge	2f
	movslq	8(%rdx), %rax
	lea	fixups(%rip), %rdx
	add	%rdx, %rax
	ret
2:	add	$12, %rdx
	dec	%ecx
	jnz	1b
	xor	%eax, %eax
	ret
END copy_fixup

/* void copy_init(void): sets copy_fsrm from CPUID. TCG claims the feature and does not have it. */
FUNC copy_init
	push	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	xor	%eax, %eax
	cpuid
	cmp	$7, %eax
	jb	1f
	mov	$1, %eax
	cpuid
	test	%ecx, %ecx /* bit 31: there is a hypervisor, with leaf 0x40000000 */
	jns	2f
	mov	$0x40000000, %eax
	cpuid
	cmp	$0x54474354, %ebx /* "TCGT" of "TCGTCGTCGTCG" */
	je	1f
2:	mov	$7, %eax
	xor	%ecx, %ecx
	cpuid
	shr	$4, %edx
	and	$1, %edx
	mov	%dl, copy_fsrm(%rip)
1:	pop	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	ret
END copy_init

	.section .rodata.copy_fixups, "a", @progbits
	.p2align 2
/* first byte, end, and where a fault between them is continued; all relative to the table */
fixups:
	.long	copy_words - fixups, copy_rep - fixups, copy_bytes - fixups
	.long	copy_rep - fixups, copy_rep_faulted - fixups, copy_rep_faulted - fixups
	.long	copy_bytes - fixups, copy_end - fixups, copy_end - fixups
	.long	zero_words - fixups, zero_rep - fixups, zero_bytes - fixups
	.long	zero_rep - fixups, zero_rep_faulted - fixups, zero_rep_faulted - fixups
	.long	zero_bytes - fixups, zero_single - fixups, zero_single - fixups
	.long	zero_single - fixups, zero_end - fixups, zero_end - fixups
	.long	load32 - fixups, load32_end - fixups, atomic_faulted - fixups
	.long	cmpxchg32 - fixups, cmpxchg32_end - fixups, atomic_faulted - fixups
fixups_end:

	.bss
	.globl	copy_smap, copy_fsrm
	.hidden	copy_smap, copy_fsrm
copy_smap:
	.zero	1
copy_fsrm:
	.zero	1
	.section .note.GNU-stack, "", @progbits
