/* The control channel between tools/doppel and the kvm guest: frames over one virtio-serial port (a byte stream each way).
 * Every frame is a header and `len` bytes of payload, little endian. Both sides read a frame wholly before they act on it.
 *
 * Host → guest at start: CTL_BOOT (the boot blob, core/boot.h), then CTL_STDIO and, with a terminal, CTL_WINSIZE; data may
 * follow at once. Guest → host at the end: CTL_EXIT, after which the guest sends nothing more; the host then ends QEMU.
 * Flow control: the host sends standard input only against credit. The guest grants bytes with CTL_CREDIT; it starts with
 * CTL_STDIN_CREDIT bytes granted. Output needs none: the guest waits on its transmit queue. */
#ifndef PLAT_CTL_H
#define PLAT_CTL_H

#include <stdint.h>

#define CTL_STDIN_CREDIT 65536u
#define CTL_FRAME_MAX (8u << 20) /* a longer payload is a protocol error; arguments and environment may be 6 MiB (execve(2)) */

struct ctl_header {
	uint32_t type, len;
};

enum ctl_type {
	CTL_BOOT = 1,    /* h→g: struct boot_blob and strings */
	CTL_STDIO = 2,   /* h→g: three bytes, enum plat_stdio_kind of fds 0, 1, 2 */
	CTL_STDIN = 3,   /* h→g: bytes; an empty frame is end of file (for a terminal: hang-up) */
	CTL_WINSIZE = 4, /* h→g: uint16_t rows, cols */
	CTL_SIGNAL = 5,  /* h→g: uint32_t signal number */
	CTL_STDOUT = 6,  /* g→h: bytes for fd 1 */
	CTL_STDERR = 7,  /* g→h: bytes for fd 2 */
	CTL_CREDIT = 8,  /* g→h: uint32_t more bytes of standard input */
	CTL_EXIT = 9,    /* g→h: uint32_t wait status; or CTL_EXIT_PANIC */
	CTL_LOG = 10,    /* g→h: kernel message text, for doppel's stderr */
	CTL_CLOSED = 11, /* h→g: one byte: fd (1 or 2) has no reader any more: writes are -EPIPE */
	CTL_TRACE = 12,  /* g→h: --trace text, for doppel's stderr or the trace file */
	CTL_TTY = 13,    /* g→h: bytes for the terminal on fd 0, when neither fd 1 nor fd 2 is one */
};

#define CTL_EXIT_PANIC 0xffffffffu

#endif
