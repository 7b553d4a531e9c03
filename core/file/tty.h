/* Terminal structures as the program sees them: termios(3), ioctl_tty(2). */
#ifndef CORE_FILE_TTY_H
#define CORE_FILE_TTY_H

#include "core/types.h"

#define TTY_NCC 19

struct termios_k {
	uint32_t iflag, oflag, cflag, lflag;
	uint8_t line;
	uint8_t cc[TTY_NCC];
};
_Static_assert(sizeof(struct termios_k) == 36, "struct termios of TCGETS");

struct winsize_k {
	uint16_t rows, cols, xpixel, ypixel;
};

#endif
