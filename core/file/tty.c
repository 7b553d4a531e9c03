/* The console terminal: N_TTY's line discipline (termios(3), ioctl_tty(2)) over the platform's terminal stream.
 *
 * There is one terminal, /dev/console. The host's end is in raw mode; everything a terminal does with a byte happens
 * here. Input is taken from the platform as it comes (tty_irq), so that ^C works when nobody reads; it is held back only
 * while the buffer is full of what a reader could take. In canonical mode [tail, canon_head) are whole lines, their last
 * characters marked in `ends` (an end-of-file character as a marked NUL), and [canon_head, head) is the line being
 * edited. Echo and output share one buffer; echo that finds it full is dropped, writers wait.
 *
 * End of input is a hang-up: reads then return 0, writes EIO, and the session gets SIGHUP.
 * Missing: ECHOPRT, PARMRK and breaks (there is no line that breaks), output delays, stopping jobs (SIGTTIN is sent, but
 * signals that stop are ignored so far). */
#include "core/file/tty.h"
#include "core/file/file.h"
#include "core/lib/string.h"
#include "core/printf.h"
#include "core/proc/cred.h"
#include "core/proc/proc.h"
#include "core/proc/signal.h"
#include "core/proc/thread.h"
#include "core/sched.h"
#include "core/timer.h"
#include "plat/plat.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/ioctl.h"
#include "shim/abi/poll.h"
#include "shim/abi/signal.h"
#include "shim/abi/stat.h"

#define IN_SIZE  4096u /* a line has up to 4,095 characters and its end */
#define OUT_SIZE 4096u
#define OUT_LOW  256u  /* poll: writable while less than this is waiting */
#define POST_MAX 8u    /* the most that one character becomes on output */

struct tty {
	bool present, input, hung;
	int out_fd;           /* the platform's stream that output goes to */
	struct termios_k tio;
	struct winsize_k ws;
	int session, pgrp;    /* 0: no session has it */
	bool exclusive;       /* TIOCEXCL */

	unsigned char in[IN_SIZE];
	uint64_t ends[IN_SIZE / 64];
	unsigned tail, canon_head, head; /* modulo IN_SIZE */
	unsigned line_column; /* where the line being edited starts on the screen */
	bool lnext;           /* the next character is literal */

	char out[OUT_SIZE];
	unsigned out_tail, out_head;
	unsigned column;      /* of the cursor */
	bool stopped;         /* by ^S */
	struct mutex write_lock; /* one write(2) at a time: their bytes do not mix */
	struct waitq rd, wr;
};

static struct tty tty;

static bool lflag(uint32_t bit) { return (tty.tio.lflag & bit) != 0; }
static bool iflag(uint32_t bit) { return (tty.tio.iflag & bit) != 0; }
static bool oflag(uint32_t bit) { return (tty.tio.oflag & bit) != 0; }
static bool canonical(void) { return lflag(ICANON); }

/* c is the control character `which`, unless that is disabled. */
static bool is_cc(unsigned char c, unsigned which) { return tty.tio.cc[which] == c && c != 0; }

static bool is_control(unsigned char c) { return c < 0x20 || c == 0x7f; }
static bool is_continuation(unsigned char c) { return iflag(IUTF8) && (c & 0xc0) == 0x80; }
static bool is_word(unsigned char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';
}

static unsigned char in_at(unsigned i) { return tty.in[i % IN_SIZE]; }
static bool end_at(unsigned i) { return tty.ends[i % IN_SIZE / 64] >> (i % 64) & 1; }
static bool eof_at(unsigned i) { return end_at(i) && in_at(i) == 0; }

/* ---- signals ---- */

static bool pgrp_signal(int pgrp, int signo)
{
	struct siginfo si = { .signo = signo, .code = SI_KERNEL };
	bool any = false;

	list_each(p, &proc_all) {
		struct proc *proc = list_entry(p, struct proc, all_link);

		if (pgrp > 0 && proc->pgid == pgrp) {
			signal_send_proc(proc, &si);
			any = true;
		}
	}
	return any;
}

/* ---- output ---- */

static unsigned out_used(void) { return tty.out_head - tty.out_tail; }
static unsigned out_room(void) { return OUT_SIZE - out_used(); }

/* Hands the buffer to the platform as far as it takes it. */
static void out_flush(void)
{
	while (out_used() && !tty.stopped) {
		unsigned at = tty.out_tail % OUT_SIZE;
		size_t n = MIN(out_used(), OUT_SIZE - at);
		long r = plat_stdio_write(tty.out_fd, tty.out + at, n);

		if (r == -EAGAIN)
			return;
		/* A terminal that is gone takes everything. */
		tty.out_tail += r > 0 ? (unsigned)r : (unsigned)n;
	}
}

static void out_byte(char c)
{
	if (out_room())
		tty.out[tty.out_head++ % OUT_SIZE] = c;
}

static void out_newline(void)
{
	if (oflag(ONLCR)) {
		out_byte('\r');
		tty.column = 0;
	}
	if (oflag(ONLRET))
		tty.column = 0;
	out_byte('\n');
}

static void out_return(void)
{
	if (oflag(ONOCR) && tty.column == 0)
		return;
	if (!oflag(OCRNL)) {
		tty.column = 0;
		out_byte('\r');
		return;
	}
	if (oflag(ONLRET))
		tty.column = 0;
	out_byte('\n');
}

static void out_tab(void)
{
	unsigned n = 8 - tty.column % 8;

	tty.column += n;
	if ((tty.tio.oflag & TABDLY) != XTABS)
		out_byte('\t');
	else
		while (n--)
			out_byte(' ');
}

/* One character through output processing: at most POST_MAX bytes. */
static void out_char(unsigned char c)
{
	if (!oflag(OPOST)) {
		out_byte((char)c);
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
		if (oflag(OLCUC) && c >= 'a' && c <= 'z')
			c -= 0x20;
		if (!is_continuation(c))
			tty.column++;
	}
	out_byte((char)c);
}

static void out_str(const char *s)
{
	while (*s)
		out_char((unsigned char)*s++);
}

/* ---- echo ---- */

static bool shown_as_caret(unsigned char c) { return lflag(ECHOCTL) && is_control(c) && c != '\t' && c != '\n'; }

static void echo_char(unsigned char c)
{
	if (shown_as_caret(c)) {
		out_char('^');
		c ^= 0x40;
	}
	out_char(c);
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

/* Takes the last character (of several bytes with IUTF8) off the line and off the screen. */
static void erase_one(bool visibly)
{
	unsigned before = column_at(tty.head), after;

	do
		tty.head--;
	while (tty.head != tty.canon_head && is_continuation(in_at(tty.head)));
	if (!visibly)
		return;
	after = column_at(tty.head);
	if (in_at(tty.head) == '\t') {
		for (; before > after; before--)
			out_char('\b'); /* a tab left nothing to wipe out */
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
	erase_one(lflag(ECHO) && lflag(ECHOE));
	if (lflag(ECHO) && !lflag(ECHOE))
		echo_char(c);
}

static void edit_word(void)
{
	bool visibly = lflag(ECHO), seen = false;

	while (!line_empty()) {
		bool word = is_word(in_at(tty.head - 1)) || is_continuation(in_at(tty.head - 1));

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
	if (lflag(ECHO) && lflag(ECHOK) && lflag(ECHOKE) && lflag(ECHOE)) {
		while (!line_empty())
			erase_one(true);
		return;
	}
	tty.head = tty.canon_head;
	if (!lflag(ECHO))
		return;
	echo_char(c);
	if (lflag(ECHOK))
		out_char('\n');
}

static void edit_reprint(unsigned char c)
{
	echo_char(c);
	out_char('\n');
	tty.line_column = tty.column;
	for (unsigned i = tty.canon_head; i != tty.head; i++)
		echo_char(in_at(i));
}

/* ---- input: one character ---- */

static void in_put(unsigned char c, bool end)
{
	unsigned i = tty.head++ % IN_SIZE;

	tty.in[i] = c;
	tty.ends[i / 64] &= ~(1ul << (i % 64));
	if (!end)
		return;
	tty.ends[i / 64] |= 1ul << (i % 64);
	tty.canon_head = tty.head;
	tty.line_column = tty.column;
}

/* An ordinary character. A line that is full takes no more but its end. */
static void in_text(unsigned char c)
{
	if (tty.head - tty.tail >= IN_SIZE - 1) {
		if (iflag(IMAXBEL))
			out_char('\a');
		return;
	}
	if (line_empty())
		tty.line_column = tty.column;
	if (lflag(ECHO))
		echo_char(c);
	in_put(c, false);
}

static void in_flush(void)
{
	tty.tail = tty.canon_head = tty.head = 0;
	tty.lnext = false;
}

static void flow(bool stop)
{
	tty.stopped = stop;
	if (!stop) {
		out_flush();
		waitq_wake_all(&tty.wr, POLLOUT | POLLWRNORM);
	}
}

static void in_signal(unsigned char c, int signo)
{
	if (!lflag(NOFLSH)) {
		in_flush();
		tty.out_tail = tty.out_head;
	}
	if (iflag(IXON))
		flow(false);
	if (lflag(ECHO))
		echo_char(c);
	pgrp_signal(tty.pgrp, signo);
}

/* True when c was a character that edits or ends a line. */
static bool in_canonical(unsigned char c)
{
	if (is_cc(c, VERASE)) {
		edit_erase(c);
	} else if (is_cc(c, VKILL)) {
		edit_kill(c);
	} else if (is_cc(c, VWERASE) && lflag(IEXTEN)) {
		edit_word();
	} else if (is_cc(c, VLNEXT) && lflag(IEXTEN)) {
		tty.lnext = true;
		if (lflag(ECHO) && lflag(ECHOCTL))
			out_str("^\b");
	} else if (is_cc(c, VREPRINT) && lflag(ECHO) && lflag(IEXTEN)) {
		edit_reprint(c);
	} else if (c == '\n') {
		if (lflag(ECHO) || lflag(ECHONL))
			out_char('\n');
		in_put(c, true);
	} else if (is_cc(c, VEOF)) {
		in_put(0, true);
	} else if (is_cc(c, VEOL) || (is_cc(c, VEOL2) && lflag(IEXTEN))) {
		if (lflag(ECHO))
			echo_char(c);
		in_put(c, true);
	} else {
		return false;
	}
	return true;
}

static bool in_special(unsigned char c)
{
	if (iflag(IXON) && (is_cc(c, VSTART) || is_cc(c, VSTOP))) {
		flow(!is_cc(c, VSTART));
		return true;
	}
	if (!lflag(ISIG))
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

static void in_char(unsigned char c)
{
	if (iflag(ISTRIP))
		c &= 0x7f;
	if (iflag(IUCLC) && lflag(IEXTEN) && c >= 'A' && c <= 'Z')
		c += 0x20;
	if (tty.lnext) {
		tty.lnext = false;
		in_text(c);
		return;
	}
	if (in_special(c))
		return;
	if (tty.stopped && iflag(IXON) && iflag(IXANY))
		flow(false);
	if (c == '\r') {
		if (iflag(IGNCR))
			return;
		if (iflag(ICRNL))
			c = '\n';
	} else if (c == '\n' && iflag(INLCR)) {
		c = '\r';
	}
	if (canonical() && in_canonical(c))
		return;
	if (c == '\n' && !lflag(ECHO) && lflag(ECHONL))
		out_char(c);
	in_text(c);
}

/* ---- input: from the platform ---- */

static bool line_ready(void) { return tty.tail != tty.canon_head; }

/* Something that read(2) returns at once; for_poll: that poll(2) should report. */
static bool in_ready(bool for_poll)
{
	unsigned min = for_poll && !tty.tio.cc[VTIME] && tty.tio.cc[VMIN] ? tty.tio.cc[VMIN] : 1;

	return canonical() ? line_ready() : tty.head - tty.tail >= min;
}

/* How many characters may be taken from the platform now. A line being edited with no other before it can always go on:
 * its end, or ^C, must get through. */
static size_t in_room(void)
{
	if (canonical() && !line_ready())
		return IN_SIZE;
	return IN_SIZE - 1 - MIN(tty.head - tty.tail, IN_SIZE - 1);
}

static void hang_up(void)
{
	if (tty.hung)
		return;
	tty.hung = true;
	pgrp_signal(tty.session, SIGHUP);
	pgrp_signal(tty.session, SIGCONT);
	if (tty.pgrp != tty.session) {
		pgrp_signal(tty.pgrp, SIGHUP);
		pgrp_signal(tty.pgrp, SIGCONT);
	}
	waitq_wake_all(&tty.rd, 0);
	waitq_wake_all(&tty.wr, 0);
}

static void in_pull(void)
{
	char buf[128];

	while (tty.input && !tty.hung) {
		size_t room = in_room();
		long r;

		if (!room)
			break;
		r = plat_stdio_read(buf, MIN(room, sizeof(buf)));
		if (r == -EAGAIN)
			break;
		if (r <= 0) {
			hang_up();
			break;
		}
		for (long i = 0; i < r; i++)
			in_char((unsigned char)buf[i]);
	}
	out_flush();
	if (in_ready(true))
		waitq_wake_all(&tty.rd, POLLIN | POLLRDNORM);
}

void tty_irq(void)
{
	if (!tty.present)
		return;
	out_flush();
	in_pull();
	if (out_used() < OUT_LOW)
		waitq_wake_all(&tty.wr, POLLOUT | POLLWRNORM);
}

void tty_resized(void)
{
	struct winsize_k ws = { 0 };

	if (!tty.present)
		return;
	plat_tty_size(&ws.rows, &ws.cols);
	if (ws.rows == tty.ws.rows && ws.cols == tty.ws.cols)
		return;
	tty.ws = ws;
	pgrp_signal(tty.pgrp, SIGWINCH);
}

/* ---- job control ---- */

static bool has_controlling(void) { return tty.present && tty.session && current_proc()->sid == tty.session; }

/* A process of a background group asks for something that only the foreground may do: 0 when it may go on. */
static int background_check(int signo)
{
	struct thread *t = current_thread();
	uint64_t bit = 1ul << (signo - 1);
	bool deaf;

	if (!has_controlling() || t->proc->pgid == tty.pgrp || !tty.pgrp)
		return 0;
	deaf = (t->sig_mask & bit) || t->proc->sigactions->action[signo - 1].handler == SIG_IGN;
	if (deaf)
		return signo == SIGTTIN ? -EIO : 0;
	pgrp_signal(t->proc->pgid, signo);
	/* Signals that stop are ignored so far: the caller goes on rather than spin on -EINTR. */
	return signal_pending() ? -EINTR : 0;
}

/* ---- read ---- */

/* Copies whole-line input: up to a line's end or the uio's. *eof: the line ended by the end-of-file character. Bytes, or
 * -EFAULT. */
static long read_line(struct uio *u)
{
	size_t done = 0;

	while (line_ready()) {
		unsigned n = 0, at = tty.tail % IN_SIZE;
		size_t got;
		bool end = false;

		if (eof_at(tty.tail)) {
			tty.tail++; /* ends the line, and is not part of it */
			break;
		}
		if (!u->resid)
			break;
		while (!end && n < u->resid && at + n < IN_SIZE && tty.tail + n != tty.canon_head && !eof_at(tty.tail + n))
			end = end_at(tty.tail + n++);
		got = uio_put(u, tty.in + at, n);
		tty.tail += (unsigned)got;
		done += got;
		if (got < n && uio_fault_in(u, n - got))
			return done ? (long)done : -EFAULT;
		if (end && got == n)
			break;
	}
	return (long)done;
}

static long read_raw(struct uio *u)
{
	size_t done = 0;

	while (u->resid && tty.head != tty.tail) {
		unsigned at = tty.tail % IN_SIZE;
		size_t n = MIN(MIN((size_t)(tty.head - tty.tail), (size_t)(IN_SIZE - at)), u->resid);
		size_t got = uio_put(u, tty.in + at, n);

		tty.tail += (unsigned)got;
		done += got;
		if (got < n && uio_fault_in(u, n - got))
			return done ? (long)done : -EFAULT;
	}
	tty.canon_head = tty.tail; /* so that nothing counts as a line when canonical mode comes back */
	return (long)done;
}

/* Sleeps for input: 0, -EAGAIN, -EINTR, -ETIMEDOUT. */
static int await_input(struct file *f, uint64_t deadline)
{
	if (in_ready(false) || tty.hung)
		return 0;
	if (deadline == 0)
		return -ETIMEDOUT;
	if (file_nonblock(f))
		return -EAGAIN;
	return wait_event(&tty.rd, in_ready(false) || tty.hung, deadline);
}

static uint64_t deciseconds(unsigned n) { return n ? clock_mono() + n * 100 * NSEC_PER_MSEC : TIME_NEVER; }

/* termios(3), "Canonical and noncanonical mode": VMIN and VTIME. */
static long read_noncanonical(struct file *f, struct uio *u)
{
	unsigned min = tty.tio.cc[VMIN], time = tty.tio.cc[VTIME];
	uint64_t deadline = min ? TIME_NEVER : time ? deciseconds(time) : 0;
	size_t done = 0;

	for (;;) {
		long r = await_input(f, deadline);

		if (r == 0)
			r = read_raw(u);
		if (r <= 0) /* also at a hang-up */
			return done ? (long)done : r == -ETIMEDOUT ? 0 : r;
		done += (size_t)r;
		if (done >= min || !u->resid || canonical())
			return (long)done;
		deadline = deciseconds(time);
	}
}

static long tty_read(struct file *f, struct uio *u, int64_t *pos)
{
	long r = background_check(SIGTTIN);

	if (r || !u->resid)
		return r;
	in_pull();
	if (canonical()) {
		r = await_input(f, TIME_NEVER);
		if (!r)
			r = read_line(u);
	} else {
		r = read_noncanonical(f, u);
	}
	in_pull(); /* there may be room again for what was held back */
	return r;
}

/* ---- write ---- */

static int await_output(struct file *f)
{
	out_flush();
	if (out_room() >= POST_MAX)
		return 0;
	if (file_nonblock(f))
		return -EAGAIN;
	return wait_event(&tty.wr, out_room() >= POST_MAX || tty.hung, TIME_NEVER);
}

static long write_locked(struct file *f, struct uio *u)
{
	size_t total = u->resid;
	long r = 0;

	while (u->resid) {
		char buf[256];
		size_t n, i;

		r = await_output(f);
		if (!r && tty.hung)
			r = -EIO;
		if (r)
			break;
		n = uio_take(u, buf, sizeof(buf));
		if (!n) {
			r = uio_fault_in(u, sizeof(buf));
			if (r)
				break;
		}
		for (i = 0; i < n && out_room() >= POST_MAX; i++)
			out_char((unsigned char)buf[i]);
		uio_rewind(u, n - i);
	}
	out_flush();
	return u->resid < total ? (long)(total - u->resid) : r;
}

static long tty_write(struct file *f, struct uio *u, int64_t *pos)
{
	long r = lflag(TOSTOP) ? background_check(SIGTTOU) : 0;

	if (r)
		return r;
	if (tty.hung)
		return -EIO;
	if (!mutex_trylock(&tty.write_lock)) {
		if (file_nonblock(f))
			return -EAGAIN;
		mutex_lock(&tty.write_lock);
	}
	r = write_locked(f, u);
	mutex_unlock(&tty.write_lock);
	return r;
}

static unsigned tty_poll(struct file *f, struct poll_table *pt)
{
	unsigned ev = 0;

	poll_wait(pt, &tty.rd);
	poll_wait(pt, &tty.wr);
	if (tty.hung)
		return POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDNORM | POLLWRNORM;
	if (in_ready(true))
		ev |= POLLIN | POLLRDNORM;
	if (out_used() < OUT_LOW && !tty.stopped)
		ev |= POLLOUT | POLLWRNORM;
	return ev;
}

/* ---- ioctl ---- */

/* Sleeps until everything written has gone out (tcdrain). */
static int drain(void)
{
	out_flush();
	return wait_event(&tty.wr, !out_used() || tty.hung, TIME_NEVER);
}

void stdio_drain(void)
{
	if (tty.present && !tty.stopped)
		drain();
}

/* What was typed in the other mode stays readable: as one line, or as characters. */
static void mode_changed(bool was_canonical)
{
	if (was_canonical == canonical())
		return;
	tty.canon_head = tty.head;
	tty.line_column = tty.column;
	if (canonical())
		for (unsigned i = tty.tail; i != tty.head; i++)
			tty.ends[i % IN_SIZE / 64] &= ~(1ul << (i % 64));
	waitq_wake_all(&tty.rd, POLLIN | POLLRDNORM);
}

static int set_termios(const struct termios_k *tio, bool wait, bool flush)
{
	bool was_canonical = canonical();
	int r = background_check(SIGTTOU);

	if (!r && wait)
		r = drain();
	if (r)
		return r;
	if (flush)
		in_flush();
	tty.tio = *tio;
	if (!iflag(IXON) && tty.stopped)
		flow(false);
	mode_changed(was_canonical);
	in_pull();
	return 0;
}

static int flush_queues(uint64_t which)
{
	int r = background_check(SIGTTOU);

	if (r)
		return r;
	if (which > TCIOFLUSH)
		return -EINVAL;
	if (which != TCOFLUSH) {
		in_flush();
		in_pull();
	}
	if (which != TCIFLUSH) {
		tty.out_tail = tty.out_head;
		waitq_wake_all(&tty.wr, POLLOUT | POLLWRNORM);
	}
	return 0;
}

static int flow_control(uint64_t action)
{
	switch (action) {
	case TCOOFF:
		flow(true);
		return 0;
	case TCOON:
		flow(false);
		return 0;
	case TCIOFF:
	case TCION:
		out_byte((char)tty.tio.cc[action == TCIOFF ? VSTOP : VSTART]);
		out_flush();
		return 0;
	}
	return -EINVAL;
}

static int in_count(void)
{
	int n = 0;

	if (!canonical())
		return (int)(tty.head - tty.tail);
	for (unsigned i = tty.tail; i != tty.canon_head; i++)
		n += !eof_at(i);
	return n;
}

static int take_session(uint64_t steal)
{
	struct proc *p = current_proc();

	if (p->sid == p->pid && tty.session == p->sid)
		return 0;
	if (p->sid != p->pid)
		return -EPERM;
	if (tty.session && !(steal == 1 && cred_is_root(cred_current())))
		return -EPERM;
	tty.session = p->sid;
	tty.pgrp = p->pgid;
	return 0;
}

static int leave_session(void)
{
	struct proc *p = current_proc();

	if (!has_controlling())
		return -ENOTTY;
	if (p->sid == p->pid)
		tty_session_exit(p);
	return 0;
}

static int set_pgrp(int pgrp)
{
	int r = background_check(SIGTTOU);

	if (r)
		return r;
	if (!has_controlling())
		return -ENOTTY;
	if (pgrp < 0)
		return -EINVAL;
	r = -ESRCH;
	list_each(l, &proc_all) {
		struct proc *p = list_entry(l, struct proc, all_link);

		if (p->pgid != pgrp)
			continue;
		if (p->sid == tty.session) {
			tty.pgrp = pgrp;
			return 0;
		}
		r = -EPERM;
	}
	return r;
}

static int set_size(const struct winsize_k *ws)
{
	if (!memcmp(ws, &tty.ws, sizeof(*ws)))
		return 0;
	tty.ws = *ws;
	pgrp_signal(tty.pgrp, SIGWINCH);
	return 0;
}

static int job_ioctl(unsigned cmd, void *arg)
{
	switch (cmd) {
	case TIOCSCTTY:
		return take_session(*(uint64_t *)arg);
	case TIOCNOTTY:
		return leave_session();
	case TIOCSPGRP:
		return set_pgrp(*(int *)arg);
	case TIOCGPGRP:
	case TIOCGSID:
		if (!has_controlling())
			return -ENOTTY;
		*(int *)arg = cmd == TIOCGSID ? tty.session : tty.pgrp;
		return 0;
	}
	return -ENOTTY;
}

static long tty_ioctl(struct file *f, unsigned cmd, void *arg)
{
	if (tty.hung)
		return cmd == TIOCSPGRP ? -ENOTTY : -EIO;
	switch (cmd) {
	case TCGETS:
		*(struct termios_k *)arg = tty.tio;
		return 0;
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
		return set_termios(arg, cmd != TCSETS, cmd == TCSETSF);
	case TCSBRK:
	case TCSBRKP:
		return drain();
	case TCXONC:
		return flow_control(*(uint64_t *)arg);
	case TCFLSH:
		return flush_queues(*(uint64_t *)arg);
	case TIOCGWINSZ:
		*(struct winsize_k *)arg = tty.ws;
		return 0;
	case TIOCSWINSZ:
		return set_size(arg);
	case FIONREAD:
		*(int *)arg = in_count();
		return 0;
	case TIOCOUTQ:
		*(int *)arg = (int)out_used();
		return 0;
	case TIOCSTI:
		in_char(*(unsigned char *)arg);
		in_pull();
		return 0;
	case TIOCEXCL:
	case TIOCNXCL:
		tty.exclusive = cmd == TIOCEXCL;
		return 0;
	case TIOCGETD:
		*(int *)arg = 0; /* N_TTY */
		return 0;
	}
	return job_ioctl(cmd, arg);
}

/* ---- opening, sessions ---- */

const struct file_ops tty_file_ops = {
	.read = tty_read,
	.write = tty_write,
	.poll = tty_poll,
	.ioctl = tty_ioctl,
	.anon_name = "/dev/console",
};

/* Linux's termios of a fresh terminal. */
static const struct termios_k fresh = {
	.iflag = ICRNL | IXON,
	.oflag = OPOST | ONLCR,
	.cflag = B38400 | CS8 | CREAD | HUPCL,
	.lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
	.cc = { [VINTR] = 3, [VQUIT] = 28, [VERASE] = 127, [VKILL] = 21, [VEOF] = 4, [VMIN] = 1, [VSTART] = 17,
		[VSTOP] = 19, [VSUSP] = 26, [VREPRINT] = 18, [VDISCARD] = 15, [VWERASE] = 23, [VLNEXT] = 22 },
};

void tty_init(int out_fd, bool input)
{
	memset(&tty, 0, sizeof(tty));
	tty.present = true;
	tty.out_fd = out_fd;
	tty.input = input;
	tty.tio = fresh;
	mutex_init(&tty.write_lock);
	waitq_init(&tty.rd);
	waitq_init(&tty.wr);
	plat_tty_size(&tty.ws.rows, &tty.ws.cols);
}

bool tty_present(void) { return tty.present; }
int tty_session(void) { return tty.session; }
int tty_pgrp(void) { return tty.pgrp; }

void tty_attach(struct proc *p)
{
	tty.session = p->sid;
	tty.pgrp = p->pgid;
}

void tty_session_exit(struct proc *p)
{
	if (!tty.present || !tty.session || tty.session != p->pid)
		return;
	pgrp_signal(tty.pgrp, SIGHUP);
	pgrp_signal(tty.pgrp, SIGCONT);
	tty.session = tty.pgrp = 0;
}

int tty_open(struct file *f)
{
	struct proc *p = current_proc();

	if (!tty.present || (f->inode->rdev == DEV_MAKE(5, 0) && !has_controlling()))
		return -ENXIO;
	if (tty.hung)
		return -EIO;
	if (tty.exclusive && !cred_is_root(cred_current()))
		return -EBUSY;
	f->ops = &tty_file_ops;
	if (!tty.session && p->sid == p->pid)
		take_session(0);
	return 0;
}
