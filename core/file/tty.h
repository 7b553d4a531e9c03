/* Terminal structures as the program sees them (termios(3), ioctl_tty(2)), and what tty.c and tty_line.c share. */
#ifndef CORE_FILE_TTY_H
#define CORE_FILE_TTY_H

#include "core/wait.h"

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

#define TTY_IN   4096u /* a line has up to 4,095 characters and its end */
#define TTY_OUT  4096u
#define POST_MAX 8u    /* the most that one character becomes on output */

struct tty {
	bool present, input, hung;
	bool eof;             /* no more input will come; output goes on */
	int out_fd;           /* the platform's stream that output goes to */
	struct termios_k tio;
	struct winsize_k ws;
	int session, pgrp;    /* 0: no session has it */
	bool exclusive;       /* TIOCEXCL */

	unsigned char in[TTY_IN];
	uint64_t ends[TTY_IN / 64];
	unsigned tail, canon_head, head; /* modulo TTY_IN */
	unsigned line_column; /* where the line being edited starts on the screen */
	bool lnext;           /* the next character is literal */

	char out[TTY_OUT];
	unsigned out_tail, out_head;
	unsigned column;      /* of the cursor */
	bool stopped;         /* by ^S */
	struct mutex write_lock; /* one write(2) at a time: their bytes do not mix */
	struct waitq rd, wr;
};


extern struct tty tty; /* the one terminal */

static inline bool tty_lflag(uint32_t bit) { return (tty.tio.lflag & bit) != 0; }
static inline bool tty_iflag(uint32_t bit) { return (tty.tio.iflag & bit) != 0; }

/* Sends a signal to every process of a group. */
void tty_signal_group(int pgrp, int signo);

/* ---- tty_line.c: none of it sleeps ---- */

/* Hands buffered output to the platform as far as it takes it. */
void tty_out_flush(void);
static inline unsigned tty_out_used(void) { return tty.out_head - tty.out_tail; }
static inline unsigned tty_out_room(void) { return TTY_OUT - tty_out_used(); }
void tty_out_byte(char c); /* as it is; dropped when there is no room */
/* Through output processing: at most POST_MAX bytes. */
void tty_out_char(unsigned char c);

void tty_in_char(unsigned char c);  /* one character typed */
void tty_in_flush(void);            /* forgets what has not been read */
void tty_flow(bool stop);           /* ^S, ^Q */

/* Index i holds the end-of-file character that ended a line; the end of a line. */
static inline bool tty_end_at(unsigned i) { return tty.ends[i % TTY_IN / 64] >> (i % 64) & 1; }
static inline bool tty_eof_at(unsigned i) { return tty_end_at(i) && tty.in[i % TTY_IN] == 0; }

#endif
