/* The terminal's line discipline: what happens to a character that is typed (termios(3), c_iflag and c_lflag: editing,
 * echo, signals, flow control) and to one that is written (c_oflag).
 *
 * In canonical mode [tail, canon_head) of the input are whole lines, their last characters marked in `ends` (an
 * end-of-file character as a marked NUL), and [canon_head, head) is the line being edited. Echo and output share one
 * buffer; echo that finds it full is dropped.
 *
 * Missing: ECHOPRT; PARMRK and breaks (there is no line that breaks); output delays. */
#include "core/file/tty.h"
#include "core/file/file.h"
#include "plat/plat.h"
#include "shim/abi/errno.h"
#include "shim/abi/ioctl.h"
#include "shim/abi/poll.h"
#include "shim/abi/signal.h"

static bool oflag(uint32_t bit) { return (tty.tio.oflag & bit) != 0; }

/* c is the control character `which`, unless that is disabled. */
static bool is_cc(unsigned char c, unsigned which) { return tty.tio.cc[which] == c && c != 0; }

static bool is_control(unsigned char c) { return c < 0x20 || c == 0x7f; }
static bool is_continuation(unsigned char c) { return tty_iflag(IUTF8) && (c & 0xc0) == 0x80; }
/* Letters as Linux's line discipline has them, whatever the locale: those of ASCII and of Latin-1. */
static bool is_upper(unsigned char c) { return (c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7); }
static bool is_lower(unsigned char c) { return (c >= 'a' && c <= 'z') || (c >= 0xdf && c != 0xf7); }
static bool is_word(unsigned char c) { return (c >= '0' && c <= '9') || is_upper(c) || is_lower(c) || c == '_'; }

static unsigned char in_at(unsigned i) { return tty.in[i % TTY_IN]; }

/* ---- output ---- */

/* Hands the buffer to the platform as far as it takes it. */
void tty_out_flush(void)
{
	while (tty_out_used() && !tty.stopped) {
		unsigned at = tty.out_tail % TTY_OUT;
		size_t n = MIN(tty_out_used(), TTY_OUT - at);
		long r = plat_stdio_write(tty.out_fd, tty.out + at, n);

		if (r == -EAGAIN)
			return;
		/* A terminal that is gone takes everything. */
		tty.out_tail += r > 0 ? (unsigned)r : (unsigned)n;
	}
}

void tty_out_byte(char c)
{
	if (tty_out_room())
		tty.out[tty.out_head++ % TTY_OUT] = c;
}

static void out_newline(void)
{
	if (oflag(ONLCR)) {
		tty_out_byte('\r');
		tty.column = 0;
	}
	if (oflag(ONLRET))
		tty.column = 0;
	tty_out_byte('\n');
}

static void out_return(void)
{
	if (oflag(ONOCR) && tty.column == 0)
		return;
	if (!oflag(OCRNL)) {
		tty.column = 0;
		tty_out_byte('\r');
		return;
	}
	if (oflag(ONLRET))
		tty.column = 0;
	tty_out_byte('\n');
}

static void out_tab(void)
{
	unsigned n = 8 - tty.column % 8;

	tty.column += n;
	if ((tty.tio.oflag & TABDLY) != XTABS)
		tty_out_byte('\t');
	else
		while (n--)
			tty_out_byte(' ');
}

/* One character through output processing: at most POST_MAX bytes. */
void tty_out_char(unsigned char c)
{
	if (!oflag(OPOST)) {
		tty_out_byte((char)c);
		return;
	}
	switch (c) {
	case '\n':
		out_newline();
		return;
	case '\r':
		out_return();
		return;
	case '\t':
		out_tab();
		return;
	case '\b':
		if (tty.column)
			tty.column--;
		break;
	default:
		if (is_control(c))
			break;
		if (oflag(OLCUC) && is_lower(c) && is_upper(c - 0x20))
			c -= 0x20;
		if (!is_continuation(c))
			tty.column++;
	}
	tty_out_byte((char)c);
}

static void out_str(const char *s)
{
	while (*s)
		tty_out_char((unsigned char)*s++);
}

/* ---- echo ---- */

/* A newline too where it ends no line: in raw mode, or typed literally. */
static bool shown_as_caret(unsigned char c) { return tty_lflag(ECHOCTL) && is_control(c) && c != '\t'; }

static void echo_char(unsigned char c)
{
	if (shown_as_caret(c)) {
		tty_out_char('^');
		c ^= 0x40;
	}
	tty_out_char(c);
}

/* Columns that the line being edited takes up to index `end`. */
static unsigned column_at(unsigned end)
{
	unsigned col = tty.line_column;

	for (unsigned i = tty.canon_head; i != end; i++) {
		unsigned char c = in_at(i);

		if (c == '\t')
			col = (col | 7) + 1;
		else if (shown_as_caret(c))
			col += 2;
		else if (!is_control(c) && !is_continuation(c))
			col++;
	}
	return col;
}

/* ---- input: editing ---- */

/* Where the last character (of several bytes with IUTF8) of the line starts. */
static unsigned last_start(void)
{
	unsigned i = tty.head;

	do
		i--;
	while (i != tty.canon_head && is_continuation(in_at(i)));
	return i;
}

/* Takes the last character off the line and off the screen. */
static void erase_one(bool visibly)
{
	unsigned before = column_at(tty.head), after;

	tty.head = last_start();
	if (!visibly)
		return;
	after = column_at(tty.head);
	if (in_at(tty.head) == '\t') {
		for (; before > after; before--)
			tty_out_char('\b'); /* a tab left nothing to wipe out */
		return;
	}
	for (; before > after; before--)
		out_str("\b \b");
}

static bool line_empty(void) { return tty.head == tty.canon_head; }

static void edit_erase(unsigned char c)
{
	if (line_empty())
		return;
	erase_one(tty_lflag(ECHO) && tty_lflag(ECHOE));
	if (tty_lflag(ECHO) && !tty_lflag(ECHOE))
		echo_char(c);
}

static void edit_word(void)
{
	bool visibly = tty_lflag(ECHO), seen = false;

	while (!line_empty()) {
		bool word = is_word(in_at(last_start()));

		if (!word && seen)
			break;
		seen |= word;
		erase_one(visibly);
	}
}

static void edit_kill(unsigned char c)
{
	if (line_empty())
		return;
	if (tty_lflag(ECHO) && tty_lflag(ECHOK) && tty_lflag(ECHOKE) && tty_lflag(ECHOE)) {
		while (!line_empty())
			erase_one(true);
		return;
	}
	tty.head = tty.canon_head;
	if (!tty_lflag(ECHO))
		return;
	echo_char(c);
	if (tty_lflag(ECHOK))
		tty_out_char('\n');
}

static void edit_reprint(unsigned char c)
{
	echo_char(c);
	tty_out_char('\n');
	tty.line_column = tty.column;
	for (unsigned i = tty.canon_head; i != tty.head; i++)
		echo_char(in_at(i));
}

/* ---- input: one character ---- */

static void in_put(unsigned char c, bool end)
{
	unsigned i = tty.head % TTY_IN;

	if (tty.head - tty.tail >= TTY_IN)
		return;
	tty.head++;
	tty.in[i] = c;
	tty.ends[i / 64] &= ~(1ul << (i % 64));
	if (!end)
		return;
	tty.ends[i / 64] |= 1ul << (i % 64);
	tty.canon_head = tty.head;
	tty.line_column = tty.column;
}

/* An ordinary character. A line that is full takes no more but its end. In raw mode the newline that Return was turned
 * into moves the cursor, one that was typed as such shows as ^J. */
static void in_text(unsigned char c, bool mapped_newline)
{
	if (tty.head - tty.tail >= TTY_IN - 1) {
		if (tty_iflag(IMAXBEL))
			tty_out_char('\a');
		return;
	}
	if (line_empty())
		tty.line_column = tty.column;
	if (tty_lflag(ECHO)) {
		if (mapped_newline)
			tty_out_char(c);
		else
			echo_char(c);
	}
	in_put(c, false);
}

void tty_in_flush(void)
{
	tty.tail = tty.canon_head = tty.head = 0;
	tty.lnext = false;
}

void tty_flow(bool stop)
{
	tty.stopped = stop;
	if (!stop) {
		tty_out_flush();
		waitq_wake_all(&tty.wr, POLLOUT | POLLWRNORM);
	}
}

static void in_signal(unsigned char c, int signo)
{
	if (!tty_lflag(NOFLSH)) {
		tty_in_flush();
		tty.out_tail = tty.out_head;
	}
	if (tty_iflag(IXON))
		tty_flow(false);
	if (tty_lflag(ECHO))
		echo_char(c);
	tty_signal_group(tty.pgrp, signo);
}

/* True when c was a character that edits or ends a line. */
static bool in_canonical(unsigned char c)
{
	if (is_cc(c, VERASE)) {
		edit_erase(c);
	} else if (is_cc(c, VKILL)) {
		edit_kill(c);
	} else if (is_cc(c, VWERASE) && tty_lflag(IEXTEN)) {
		edit_word();
	} else if (is_cc(c, VLNEXT) && tty_lflag(IEXTEN)) {
		tty.lnext = true;
		if (tty_lflag(ECHO) && tty_lflag(ECHOCTL))
			out_str("^\b");
	} else if (is_cc(c, VREPRINT) && tty_lflag(ECHO) && tty_lflag(IEXTEN)) {
		edit_reprint(c);
	} else if (c == '\n') {
		if (tty_lflag(ECHO) || tty_lflag(ECHONL))
			tty_out_char('\n');
		in_put(c, true);
	} else if (is_cc(c, VEOF)) {
		in_put(0, true);
	} else if (is_cc(c, VEOL) || (is_cc(c, VEOL2) && tty_lflag(IEXTEN))) {
		if (tty_lflag(ECHO))
			echo_char(c);
		in_put(c, true);
	} else {
		return false;
	}
	return true;
}

static bool in_special(unsigned char c)
{
	if (tty_iflag(IXON) && (is_cc(c, VSTART) || is_cc(c, VSTOP))) {
		tty_flow(!is_cc(c, VSTART));
		return true;
	}
	if (!tty_lflag(ISIG))
		return false;
	if (is_cc(c, VINTR))
		in_signal(c, SIGINT);
	else if (is_cc(c, VQUIT))
		in_signal(c, SIGQUIT);
	else if (is_cc(c, VSUSP))
		in_signal(c, SIGTSTP);
	else
		return false;
	return true;
}

void tty_in_char(unsigned char c)
{
	bool mapped = false;

	if (tty_iflag(ISTRIP))
		c &= 0x7f;
	if (tty_iflag(IUCLC) && tty_lflag(IEXTEN) && is_upper(c))
		c += 0x20;
	if (tty.lnext) {
		tty.lnext = false;
		in_text(c, false);
		return;
	}
	if (in_special(c))
		return;
	if (tty.stopped && tty_iflag(IXON) && tty_iflag(IXANY))
		tty_flow(false);
	if (c == '\r') {
		if (tty_iflag(IGNCR))
			return;
		if (tty_iflag(ICRNL)) {
			c = '\n';
			mapped = true;
		}
	} else if (c == '\n' && tty_iflag(INLCR)) {
		c = '\r';
	}
	if (tty_lflag(ICANON) && in_canonical(c))
		return;
	in_text(c, mapped);
}
