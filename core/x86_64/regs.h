/* The application's general registers as the entry code saves them at the top of the thread's kernel stack.
 *
 * Shared by both platforms' assembly (the REGS_ offsets) and by C. The last five words are what iretq pops. A syscall
 * saves only what it must (rip, rsp, rflags, orig_rax and the argument registers); the callee-saved ones live on in the
 * C code's frames, and are in the frame only when trap_return(), trap_fault() or a handler marked REGS in
 * shim/syscalls.def runs. */
#ifndef CORE_X86_64_REGS_H
#define CORE_X86_64_REGS_H

#define REGS_R15 0
#define REGS_R14 8
#define REGS_R13 16
#define REGS_R12 24
#define REGS_RBP 32
#define REGS_RBX 40
#define REGS_R11 48
#define REGS_R10 56
#define REGS_R9 64
#define REGS_R8 72
#define REGS_RAX 80
#define REGS_RCX 88
#define REGS_RDX 96
#define REGS_RSI 104
#define REGS_RDI 112
#define REGS_ORIG_RAX 120
#define REGS_RIP 128
#define REGS_CS 136
#define REGS_RFLAGS 144
#define REGS_RSP 152
#define REGS_SS 160
#define REGS_SIZE 168

/* What the application sees as its segment selectors, as on Linux, whatever ring it runs in. */
#define USER_CS 0x33
#define USER_SS 0x2b

#define RFLAGS_CF 0x1
#define RFLAGS_TF 0x100
#define RFLAGS_IF 0x200
#define RFLAGS_DF 0x400
#define RFLAGS_AC 0x40000

/* x86 exception vectors. */
#define VEC_DE 0
#define VEC_DB 1
#define VEC_NMI 2
#define VEC_BP 3
#define VEC_OF 4
#define VEC_BR 5
#define VEC_UD 6
#define VEC_NM 7
#define VEC_DF 8
#define VEC_TS 10
#define VEC_NP 11
#define VEC_SS 12
#define VEC_GP 13
#define VEC_PF 14
#define VEC_MF 16
#define VEC_AC 17
#define VEC_MC 18
#define VEC_XM 19

/* Page fault error code. */
#define PF_PRESENT 1u
#define PF_WRITE 2u
#define PF_USER 4u
#define PF_INSTR 16u

#ifndef __ASSEMBLER__
#include "core/types.h"

struct regs {
	uint64_t r15, r14, r13, r12, rbp, rbx;
	uint64_t r11, r10, r9, r8;
	uint64_t rax, rcx, rdx, rsi, rdi;
	uint64_t orig_rax; /* the syscall's number; -1 when the frame is not from a syscall */
	uint64_t rip, cs, rflags, rsp, ss;
};
_Static_assert(sizeof(struct regs) == REGS_SIZE, "struct regs and REGS_SIZE differ");
_Static_assert(offsetof(struct regs, rax) == REGS_RAX, "REGS_RAX");
_Static_assert(offsetof(struct regs, orig_rax) == REGS_ORIG_RAX, "REGS_ORIG_RAX");
_Static_assert(offsetof(struct regs, ss) == REGS_SS, "REGS_SS");

#endif
#endif
