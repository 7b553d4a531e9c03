/* The control channel between tools/doppel and the kvm guest: frames over one virtio-serial port (a byte stream each way).
 * Every frame is a header and `len` bytes of payload, little endian. Both sides read a frame wholly before they act on it.
 *
 * Host → guest at start: CTL_BOOT (the boot blob, core/boot.h), then CTL_STDIO and, with a terminal, CTL_WINSIZE; data may
 * follow at once. Guest → host at the end: CTL_EXIT, after which the guest sends nothing more; the host then ends QEMU.
 * A standard stream that is a regular file is not streamed in: the guest asks for what it needs (CTL_CALL). Its output goes
 * by CTL_STDOUT and CTL_STDERR all the same; a call sees what was sent before it.
 * Flow control: the host sends standard input only against credit. The guest grants bytes with CTL_CREDIT; it starts with
 * CTL_STDIN_CREDIT bytes granted. Output needs none: the guest waits on its transmit queue. */
#ifndef PLAT_CTL_H
#define PLAT_CTL_H

#include "plat/stdfile.h"

#define CTL_STDIN_CREDIT 65536u
#define CTL_FRAME_MAX (8u << 20) /* a longer payload is a protocol error; arguments and environment may be 6 MiB (execve(2)) */

struct ctl_header {
	uint32_t type, len;
};

enum ctl_type {
	CTL_BOOT = 1,    /* h→g: struct boot_blob and strings */
	CTL_STDIO = 2,   /* h→g: three bytes for fds 0, 1, 2: CTL_KIND… */
	CTL_STDIN = 3,   /* h→g: bytes; an empty frame is end of file */
	CTL_WINSIZE = 4, /* h→g: uint16_t rows, cols */
	CTL_SIGNAL = 5,  /* h→g: uint32_t signal number */
	CTL_STDOUT = 6,  /* g→h: bytes for fd 1 */
	CTL_STDERR = 7,  /* g→h: bytes for fd 2 */
	CTL_CREDIT = 8,  /* g→h: uint32_t more bytes of standard input */
	CTL_EXIT = 9,    /* g→h: uint32_t wait status; or CTL_EXIT_PANIC */
	CTL_LOG = 10,    /* g→h: kernel message text, for doppel's stderr */
	CTL_CLOSED = 11, /* h→g: two bytes: fd (1 or 2) takes no more, and the error of writes to it (0: EPIPE, no reader) */
	CTL_TRACE = 12,  /* g→h: --trace text, for doppel's stderr or the trace file */
	CTL_TTY = 13,    /* g→h: bytes for the terminal on fd 0, when neither fd 1 nor fd 2 is one */
	CTL_CALL = 14,   /* g→h: struct stdfile_call and what it writes; one at a time */
	CTL_REPLY = 15,  /* h→g: int64_t result or -errno, and what was read */
	CTL_UNREAD = 16, /* g→h: uint32_t bytes that the program did not read: fd 0's position goes back */
	CTL_HANGUP = 17, /* h→g: the terminal on fd 0 is gone */
};

/* In a byte of CTL_STDIO. */
#define CTL_KIND   0x07u     /* enum plat_stdio_kind */
#define CTL_SAME(b) ((b) >> 3 & 3u) /* 1 + the lowest descriptor that is the same open file; 0: none is */
#define CTL_ACCESS(b) ((b) >> 5 & 3u) /* a file's O_ACCMODE */
#define CTL_APPEND 0x80u     /* a file with O_APPEND */
#define CTL_STDIO_BYTE(kind, same, access, append) \
	((uint8_t)((kind) | (same) << 3 | (access) << 5 | ((append) ? CTL_APPEND : 0)))

#define CTL_EXIT_PANIC 0xffffffffu

#endif
