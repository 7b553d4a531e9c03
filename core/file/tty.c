/* The console terminal: the file behind /dev/console, its sessions and its ioctls (termios(3), ioctl_tty(2)), over the
 * platform's terminal stream. The line discipline is tty_line.c.
 *
 * There is one terminal. The host's end is in raw mode; everything a terminal does with a byte happens here. Input is
 * taken from the platform as it comes (tty_irq), so that ^C works when nobody reads; it is held back only while the
 * buffer is full of what a reader could take. Writers wait when the output buffer is full.
 *
 * A hang-up: reads return 0, writes EIO, and the session gets SIGHUP. End of input (-t with an input that is no terminal) is
 * as if ^D were typed again and again.
 * Missing: stopping jobs (SIGTTIN and SIGTTOU are sent, but signals that stop are ignored so far). */
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

#define OUT_LOW 256u /* poll: writable while less than this is waiting */

struct tty tty;

static bool canonical(void) { return tty_lflag(ICANON); }

/* ---- signals ---- */

void tty_signal_group(int pgrp, int signo)
{
	struct siginfo si = { .signo = signo, .code = SI_KERNEL };

	list_each(p, &proc_all) {
		struct proc *proc = list_entry(p, struct proc, all_link);

		if (pgrp > 0 && proc->pgid == pgrp)
			signal_send_proc(proc, &si);
	}
}

/* ---- input: from the platform ---- */

static bool line_ready(void) { return tty.tail != tty.canon_head; }

/* Something that read(2) returns at once; for_poll: that poll(2) should report. */
static bool in_ready(bool for_poll)
{
	unsigned min = for_poll && !tty.tio.cc[VTIME] && tty.tio.cc[VMIN] ? tty.tio.cc[VMIN] : 1;

	return canonical() ? line_ready() : tty.head - tty.tail >= min;
}

/* How many characters may be taken from the platform now. A line being edited with no other before it can always go on,
 * if only by one: its end, or ^C, must get through. */
static size_t in_room(void)
{
	unsigned used = tty.head - tty.tail;

	if (used < TTY_IN - 1)
		return TTY_IN - 1 - used;
	return canonical() && !line_ready();
}

static void hang_up(void)
{
	if (tty.hung)
		return;
	tty.hung = true;
	tty_signal_group(tty.session, SIGHUP);
	tty_signal_group(tty.session, SIGCONT);
	if (tty.pgrp != tty.session) {
		tty_signal_group(tty.pgrp, SIGHUP);
		tty_signal_group(tty.pgrp, SIGCONT);
	}
	waitq_wake_all(&tty.rd, 0);
	waitq_wake_all(&tty.wr, 0);
}

/* A line that was begun is all there will be of it. */
static void end_of_input(void)
{
	tty.input = false;
	tty.eof = true;
	if (canonical() && tty.head != tty.canon_head)
		tty_in_char(tty.tio.cc[VEOF]);
	waitq_wake_all(&tty.rd, POLLIN | POLLRDNORM);
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
		if (r < 0) {
			hang_up();
			break;
		}
		if (r == 0) {
			end_of_input();
			break;
		}
		for (long i = 0; i < r; i++)
			tty_in_char((unsigned char)buf[i]);
	}
	tty_out_flush();
	/* A reader that has some of its VMIN characters already waits for fewer than poll does. */
	if (in_ready(false))
		waitq_wake_all(&tty.rd, POLLIN | POLLRDNORM);
}

void tty_irq(void)
{
	if (!tty.present)
		return;
	tty_out_flush();
	in_pull();
	if (tty_out_used() < OUT_LOW)
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
	tty_signal_group(tty.pgrp, SIGWINCH);
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
	tty_signal_group(t->proc->pgid, signo);
	/* Signals that stop are ignored so far: the caller goes on rather than spin on -EINTR. */
	return signal_pending() ? -EINTR : 0;
}

/* ---- read ---- */

/* Copies whole-line input: up to a line's end or the uio's. Bytes (0: an end-of-file character alone), or -EFAULT. */
static long read_line(struct uio *u)
{
	size_t done = 0;

	while (line_ready()) {
		unsigned n = 0, at = tty.tail % TTY_IN, most = MIN(tty.canon_head - tty.tail, TTY_IN - at);
		size_t got;
		bool end = false;

		if (tty_eof_at(tty.tail)) {
			tty.tail++; /* ends the line, and is not part of it */
			break;
		}
		if (!u->resid)
			break;
		while (!end && n < u->resid && n < most && !tty_eof_at(tty.tail + n))
			end = tty_end_at(tty.tail + n++);
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
		unsigned at = tty.tail % TTY_IN;
		size_t run = MIN(tty.head - tty.tail, TTY_IN - at), n = MIN(run, u->resid);
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
	if (in_ready(false) || tty.hung || tty.eof)
		return 0;
	if (deadline == 0)
		return -ETIMEDOUT;
	if (file_nonblock(f))
		return -EAGAIN;
	return wait_event(&tty.rd, in_ready(false) || tty.hung || tty.eof, deadline);
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

static bool can_write(void) { return !tty.stopped && tty_out_room() >= POST_MAX; }

/* While ^S holds the output, only echo goes into the buffer. */
static int await_output(struct file *f)
{
	tty_out_flush();
	if (can_write())
		return 0;
	if (file_nonblock(f))
		return -EAGAIN;
	return wait_event(&tty.wr, can_write() || tty.hung, TIME_NEVER);
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
		for (i = 0; i < n && tty_out_room() >= POST_MAX; i++)
			tty_out_char((unsigned char)buf[i]);
		uio_rewind(u, n - i);
	}
	tty_out_flush();
	return u->resid < total ? (long)(total - u->resid) : r;
}

static long tty_write(struct file *f, struct uio *u, int64_t *pos)
{
	long r = tty_lflag(TOSTOP) ? background_check(SIGTTOU) : 0;

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
	if (in_ready(true) || tty.eof)
		ev |= POLLIN | POLLRDNORM;
	if (tty_out_used() < OUT_LOW && !tty.stopped)
		ev |= POLLOUT | POLLWRNORM;
	return ev;
}

/* ---- ioctl ---- */

/* Sleeps until everything written has gone out (tcdrain); echo that ^S holds is not waited for. */
static int drain(void)
{
	tty_out_flush();
	return wait_event(&tty.wr, !tty_out_used() || tty.stopped || tty.hung, TIME_NEVER);
}

void stdio_drain(void)
{
	if (tty.present)
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
			tty.ends[i % TTY_IN / 64] &= ~(1ul << (i % 64));
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
		tty_in_flush();
	tty.tio = *tio;
	if (!tty_iflag(IXON) && tty.stopped)
		tty_flow(false);
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
		tty_in_flush();
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
		tty_flow(true);
		return 0;
	case TCOON:
		tty_flow(false);
		return 0;
	case TCIOFF:
	case TCION:
		tty_out_byte((char)tty.tio.cc[action == TCIOFF ? VSTOP : VSTART]);
		tty_out_flush();
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
		n += !tty_eof_at(i);
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
	tty_signal_group(tty.pgrp, SIGWINCH);
	return 0;
}

static int job_ioctl(unsigned cmd, void *arg)
{
	switch (cmd) {
	case TIOCEXCL:
	case TIOCNXCL:
		tty.exclusive = cmd == TIOCEXCL;
		return 0;
	case TIOCGETD:
		*(int *)arg = 0; /* N_TTY */
		return 0;
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
		*(int *)arg = (int)tty_out_used();
		return 0;
	case TIOCSTI:
		tty_in_char(*(unsigned char *)arg);
		in_pull();
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

/* What Linux gives a fresh pseudo terminal, and IUTF8, which terminal emulators set. */
static const struct termios_k fresh = {
	.iflag = ICRNL | IXON | IUTF8,
	.oflag = OPOST | ONLCR,
	.cflag = B38400 | CS8 | CREAD,
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
	tty_signal_group(tty.pgrp, SIGHUP);
	tty_signal_group(tty.pgrp, SIGCONT);
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
