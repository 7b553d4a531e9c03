/* The flags of a line of syscalls.def. The kernel keeps those below C_FILE; the classes are for --inject (tools/doppel/inject.c). */
#ifndef SHIM_SYSCALL_FLAGS_H
#define SHIM_SYSCALL_FLAGS_H

enum {
	X_NORETURN = 1 << 0, /* ends its caller */
	X_REGS = 1 << 1,     /* needs the complete register frame */
	X_LIGHT = 1 << 2,    /* KEEPS_REGS and without arguments (plat.h, syscall_kind) */
	C_FILE = 1 << 8,
	C_DESC = 1 << 9,
	C_MEM = 1 << 10,
	C_PROC = 1 << 11,
	C_SIG = 1 << 12,
	C_NET = 1 << 13,
	C_IPC = 1 << 14,
	C_CLOCK = 1 << 15,
};

#endif
