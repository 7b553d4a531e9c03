/* The terminal: scripted input and the output it makes, in canonical and raw mode; signals, flow control, ioctls. */
#include "core/file/tty.h"
#include "core/timer.h"
#include "shim/abi/ioctl.h"
#include "shim/abi/stat.h"
#include "tests/unit/filetest.h"

#define RAM (16ul << 20)
#define IN  (POLLIN | POLLRDNORM)
#define OUT (POLLOUT | POLLWRNORM)
#define DS  (100 * NSEC_PER_MSEC)

static struct fdtable *t;
static struct file *f;
static char buf[10000];
static struct termios_k tio;

static void setup(void)
{
	fake_boot(RAM);
	for (int i = 0; i < 3; i++)
		fake_stdio_kind[i] = PLAT_STDIO_TTY;
	ck_assert_int_eq(fdtable_new(&t), 0);
	ck_assert_int_eq(stdio_init(t), 0);
	f = t->files[0];
	tty_attach(current_proc());
	f->flags |= O_NONBLOCK;
	ck_assert_int_eq(file_ioctl(f, TCGETS, &tio), 0);
}

static void teardown(void)
{
	fdtable_put(t);
	tty.present = false;
	fake_check_leaks();
}

static void type(const char *s)
{
	fake_stdin_put(s, strlen(s));
	plat_poll();
}

/* The screen since the last look. */
static const char *screen(void)
{
	static char text[20000];
	size_t n;
	const char *data = fake_out_data(1, &n);

	n = MIN(n, sizeof(text) - 1);
	memcpy(text, data, n);
	text[n] = '\0';
	fake_out_reset(1);
	return text;
}

#define ck_screen(s) ck_assert_str_eq(screen(), s)

#define ck_read(s) do { \
	memset(buf, '#', 100); \
	ck_assert_int_eq(f_read(f, buf, 100), (long)sizeof(s) - 1); \
	ck_assert_mem_eq(buf, s "#", sizeof(s)); \
} while (0)

#define ck_nothing() ck_assert_int_eq(f_read(f, buf, 100), -EAGAIN)

static void set(void) { ck_assert_int_eq(file_ioctl(f, TCSETS, &tio), 0); }

static void raw(uint8_t min, uint8_t time)
{
	tio.lflag &= ~(uint32_t)(ICANON | ECHO | ISIG);
	tio.cc[VMIN] = min;
	tio.cc[VTIME] = time;
	set();
}

/* ---- canonical mode ---- */

START_TEST(lines)
{
	type("hel");
	ck_screen("hel");
	ck_nothing();
	ck_assert_uint_eq(file_poll(f, NULL), OUT);
	type("lo\nwor");
	ck_screen("lo\r\nwor");
	ck_assert_uint_eq(file_poll(f, NULL), IN | OUT);
	ck_read("hello\n");
	ck_nothing();
	type("ld\ntwo\n");
	ck_read("world\n"); /* one line at a time */
	ck_read("two\n");
}
END_TEST

START_TEST(a_line_in_pieces)
{
	int n;

	type("abcdef\n");
	ck_assert_int_eq(file_ioctl(f, FIONREAD, &n), 0);
	ck_assert_int_eq(n, 7);
	ck_assert_int_eq(f_read(f, buf, 3), 3);
	ck_assert_int_eq(f_read(f, buf + 3, 4), 4);
	ck_assert_mem_eq(buf, "abcdef\n", 7);
	ck_nothing();
}
END_TEST

START_TEST(end_of_file_character)
{
	type("abc\x04");
	ck_read("abc");
	ck_nothing();
	type("\x04");
	ck_assert_int_eq(f_read(f, buf, 100), 0);
	ck_nothing();
	/* A buffer that the line fills exactly takes the end with it. */
	type("xyz\x04");
	ck_assert_int_eq(f_read(f, buf, 3), 3);
	ck_nothing();
	ck_screen("abcxyz"); /* ^D is not echoed */
}
END_TEST

START_TEST(erasing)
{
	type("abx\x7f" "c\n");
	ck_screen("abx\b \bc\r\n");
	ck_read("abc\n");
	type("\x7f\x7f" "a\n");
	ck_screen("a\r\n"); /* nothing to erase */
	ck_read("a\n");
	type("a\x01\x7f\x7f" "b\n");
	ck_screen("a^A\b \b\b \b\b \bb\r\n"); /* ^A takes two columns */
	ck_read("b\n");
	type("ab\tc\x7f\x7f" "d\n");
	ck_screen("ab\tc\b \b\b\b\b\b\b\bd\r\n"); /* back to where the tab began */
	ck_read("abd\n");
}
END_TEST

START_TEST(erasing_utf8)
{
	type("\xc3\xa9\xe2\x82\xac\x7f\x7f" "e\n");
	ck_screen("\xc3\xa9\xe2\x82\xac\b \b\b \be\r\n");
	ck_read("e\n");
	tio.iflag &= ~(uint32_t)IUTF8;
	set();
	type("\xc3\xa9\x7f\n");
	ck_screen("\xc3\xa9\b \b\r\n");
	ck_read("\xc3\n");
}
END_TEST

START_TEST(erasing_words_and_lines)
{
	type("one two  \x17three\n");
	ck_screen("one two  \b \b\b \b\b \b\b \b\b \bthree\r\n");
	ck_read("one three\n");
	type("junk\x15ok\n");
	ck_screen("junk\b \b\b \b\b \b\b \bok\r\n");
	ck_read("ok\n");
	tio.lflag &= ~(uint32_t)ECHOKE;
	set();
	type("junk\x15ok\n");
	ck_screen("junk^U\r\nok\r\n");
	ck_read("ok\n");
	tio.lflag &= ~(uint32_t)ECHOE;
	set();
	type("ax\x7f" "b\n");
	ck_screen("ax^?b\r\n");
	ck_read("ab\n");
}
END_TEST

START_TEST(reprint_and_literal)
{
	type("ab\x12" "c\n");
	ck_screen("ab^R\r\nabc\r\n");
	ck_read("abc\n");
	type("a\x16\x03" "b\n");
	ck_screen("a^\b^Cb\r\n");
	ck_read("a\x03" "b\n");
	ck_assert(!took_signal(SIGINT));
	type("x\x16\x04\n");
	ck_read("x\x04\n");
}
END_TEST

START_TEST(other_line_ends)
{
	tio.cc[VEOL] = ';';
	set();
	type("a;b\n");
	ck_read("a;");
	ck_read("b\n");
	ck_screen("a;b\r\n");
}
END_TEST

START_TEST(echo_modes)
{
	tio.lflag &= ~(uint32_t)ECHO;
	set();
	type("secret\n");
	ck_screen("");
	ck_read("secret\n");
	tio.lflag |= ECHONL;
	set();
	type("secret\n");
	ck_screen("\r\n");
	ck_read("secret\n");
	type("ab\x7f" "c\x15" "d\n");
	ck_read("d\n");
	tio.lflag = (tio.lflag | ECHO) & ~(uint32_t)(ECHOCTL | ECHONL);
	set();
	screen();
	type("\x01\n");
	ck_screen("\x01\r\n");
}
END_TEST

START_TEST(carriage_returns)
{
	type("a\r");
	ck_read("a\n");
	tio.iflag = (tio.iflag & ~(uint32_t)ICRNL) | INLCR;
	set();
	type("b\n\r");
	ck_nothing(); /* NL became CR, which ends no line */
	type("\x04");
	ck_read("b\r\r");
	tio.iflag = IGNCR;
	set();
	type("c\r\r\n");
	ck_read("c\n");
	tio.iflag = ISTRIP;
	set();
	type("\xe1\n");
	ck_read("a\n");
}
END_TEST

START_TEST(longest_line)
{
	char line[5000];

	memset(line, 'x', sizeof(line));
	tio.iflag |= IMAXBEL;
	set();
	fake_stdin_put(line, sizeof(line));
	plat_poll();
	ck_nothing();
	ck_assert_ptr_nonnull(strchr(screen(), '\a'));
	type("\nnext\n");
	ck_assert_int_eq(f_read(f, buf, sizeof(buf)), 4096); /* 4,095 and the newline */
	ck_assert_int_eq(buf[4094], 'x');
	ck_assert_int_eq(buf[4095], '\n');
	ck_read("next\n");
}
END_TEST

START_TEST(full_buffer_holds_input_back)
{
	for (int i = 0; i < 1000; i++)
		fake_stdin_put("0123456\n", 8);
	plat_poll();
	for (int i = 0; i < 1000; i++)
		ck_read("0123456\n"); /* not one is lost */
	ck_nothing();
}
END_TEST

static void type_line(void) { fake_stdin_put("typed\n", 6); }
static void type_char(void) { fake_stdin_put("x", 1); }
static void type_start(void) { fake_stdin_put("\x11", 1); }
static void hang_up(void) { fake_stdin_hangup(); }
static void end_input(void) { fake_stdin_eof(); }

START_TEST(reader_waits)
{
	f->flags &= ~O_NONBLOCK;
	meanwhile(type_line);
	ck_read("typed\n");
	ck_interrupted(f_read(f, buf, 100));
}
END_TEST

/* ---- raw mode ---- */

START_TEST(raw_minimum)
{
	int n;

	raw(3, 0);
	type("ab");
	ck_assert_uint_eq(file_poll(f, NULL), OUT);
	ck_assert_int_eq(f_read(f, buf, 100), 2); /* O_NONBLOCK takes what there is */
	ck_nothing();
	type("ab");
	f->flags &= ~O_NONBLOCK;
	meanwhile(type_char);
	ck_read("abx");
	type("12345");
	ck_assert_int_eq(file_ioctl(f, FIONREAD, &n), 0);
	ck_assert_int_eq(n, 5);
	ck_assert_uint_eq(file_poll(f, NULL), IN | OUT);
	ck_assert_int_eq(f_read(f, buf, 2), 2); /* less than VMIN was asked for */
	ck_read("345");
	ck_screen("");
}
END_TEST

START_TEST(raw_timeouts)
{
	uint64_t start = clock_mono();

	f->flags &= ~O_NONBLOCK;
	raw(0, 0);
	ck_assert_int_eq(f_read(f, buf, 100), 0);
	ck_assert_uint_eq(clock_mono(), start);
	raw(0, 5);
	ck_assert_int_eq(f_read(f, buf, 100), 0);
	ck_assert_uint_eq(clock_mono(), start + 5 * DS);
	type("a");
	ck_read("a");
	ck_assert_uint_eq(clock_mono(), start + 5 * DS);
	/* With a minimum, the clock runs between characters only. */
	raw(10, 2);
	meanwhile(type_char);
	ck_read("x");
	ck_assert_uint_eq(clock_mono(), start + 7 * DS);
	ck_interrupted(f_read(f, buf, 100));
}
END_TEST

START_TEST(raw_nonblocking)
{
	raw(0, 0);
	ck_assert_int_eq(f_read(f, buf, 100), 0); /* not -EAGAIN, as on Linux */
	raw(0, 1);
	ck_nothing();
	raw(1, 0);
	ck_nothing();
	type("\x03\x04\r\x7f");
	ck_read("\x03\x04\n\x7f"); /* ICRNL is still on */
}
END_TEST

START_TEST(raw_echo)
{
	raw(1, 0);
	tio.lflag |= ECHO;
	set();
	type("a\n\x7f\t\r");
	ck_screen("a^J^?\t\r\n"); /* a newline is a character like others, but for Return's */
	ck_read("a\n\x7f\t\n");
}
END_TEST

START_TEST(changing_mode_keeps_what_was_typed)
{
	type("half");
	raw(1, 0);
	ck_read("half");
	type("more");
	tio.lflag |= ICANON;
	set();
	ck_read("more");
	ck_nothing();
	type("line\npart");
	tio.lflag &= ~(uint32_t)ICANON;
	ck_assert_int_eq(file_ioctl(f, TCSETSF, &tio), 0); /* flushes */
	ck_nothing();
}
END_TEST

/* ---- signals and flow ---- */

START_TEST(signal_characters)
{
	type("junk");
	type("\x03");
	ck_assert(took_signal(SIGINT));
	ck_screen("junk^C");
	ck_nothing();
	type("ok\n");
	ck_read("ok\n"); /* what was typed before is gone */
	type("\x1c");
	ck_assert(took_signal(SIGQUIT));
	current_thread()->sig_mask = 1ul << (SIGTSTP - 1); /* else ignored: there is no job control yet */
	type("\x1a");
	ck_assert(took_signal(SIGTSTP));
	current_thread()->sig_mask = 0;
	tio.lflag |= NOFLSH;
	set();
	type("kept\x03\n");
	ck_assert(took_signal(SIGINT));
	ck_read("kept\n");
	tio.lflag &= ~(uint32_t)ISIG;
	set();
	type("\x03\n");
	ck_assert(!took_signal(SIGINT));
	ck_read("\x03\n");
}
END_TEST

/* ^C gets through even when a line fills the buffer. */
START_TEST(interrupt_of_a_full_line)
{
	char line[6000];

	memset(line, 'x', sizeof(line));
	fake_stdin_put(line, sizeof(line));
	type("\x03");
	ck_assert(took_signal(SIGINT));
}
END_TEST

START_TEST(stop_and_start)
{
	int n;

	type("\x13");
	ck_assert_int_eq(f_write(f, "held", 4), -EAGAIN);
	ck_assert_uint_eq(file_poll(f, NULL), 0);
	f->flags &= ~O_NONBLOCK;
	meanwhile(type_start);
	ck_assert_int_eq(f_write(f, "held", 4), 4);
	f->flags |= O_NONBLOCK;
	ck_screen("held");
	type("\x13x");
	ck_screen(""); /* echo is held as well, */
	ck_assert_int_eq(file_ioctl(f, TIOCOUTQ, &n), 0);
	ck_assert_int_eq(n, 1);
	ck_assert_int_eq(file_ioctl(f, TCSBRK, &(uint64_t){ 1 }), 0); /* but not waited for */
	tio.iflag |= IXANY;
	set();
	type("y");
	ck_screen("xy");
	ck_assert_int_eq(file_ioctl(f, TCXONC, &(uint64_t){ TCOOFF }), 0);
	ck_assert_int_eq(f_write(f, "z", 1), -EAGAIN);
	ck_assert_int_eq(file_ioctl(f, TCXONC, &(uint64_t){ TCOON }), 0);
	ck_assert_int_eq(f_write(f, "z", 1), 1);
	ck_screen("z");
	ck_assert_int_eq(file_ioctl(f, TCXONC, &(uint64_t){ 9 }), -EINVAL);
	tio.iflag &= ~(uint32_t)IXON;
	set();
	type("\x13\n");
	ck_read("xy\x13\n");
}
END_TEST

START_TEST(resizing)
{
	struct winsize_k ws;

	current_thread()->sig_mask = 1ul << (SIGWINCH - 1);
	fake_tty_resize(40, 100);
	plat_poll();
	ck_assert(took_signal(SIGWINCH));
	ck_assert_int_eq(file_ioctl(f, TIOCGWINSZ, &ws), 0);
	ck_assert_uint_eq(ws.rows, 40);
	ck_assert_uint_eq(ws.cols, 100);
	fake_irq(IRQ_SIGNAL);
	plat_poll();
	ck_assert(!took_signal(SIGWINCH)); /* nothing changed */
	ws.rows = 50;
	ck_assert_int_eq(file_ioctl(f, TIOCSWINSZ, &ws), 0);
	ck_assert(took_signal(SIGWINCH));
	ck_assert_int_eq(file_ioctl(f, TIOCSWINSZ, &ws), 0);
	ck_assert(!took_signal(SIGWINCH));
	current_thread()->sig_mask = 0;
}
END_TEST

/* ---- output ---- */

START_TEST(output_processing)
{
	f_write(f, "a\nb\tc\r\n", 7);
	ck_screen("a\r\nb\tc\r\r\n");
	tio.oflag |= XTABS;
	set();
	f_write(f, "ab\tc\n\tx\n", 8);
	ck_screen("ab      c\r\n        x\r\n");
	tio.oflag = OPOST | OCRNL;
	set();
	f_write(f, "a\rb\nc", 5);
	ck_screen("a\nb\nc");
	tio.oflag = OPOST | ONOCR | ONLRET;
	set();
	f_write(f, "\n\rd\r", 4);
	ck_screen("\nd\r");
	tio.oflag = OPOST | OLCUC;
	set();
	f_write(f, "aZ", 2);
	ck_screen("AZ");
	tio.oflag = ONLCR;
	set();
	f_write(f, "raw\n", 4);
	ck_screen("raw\n");
}
END_TEST

static void accept_all(void) { fake_out_room(1, SIZE_MAX); }

START_TEST(slow_terminal)
{
	char text[9000], *p;
	size_t n;

	memset(text, 'o', sizeof(text));
	fake_out_room(1, 100);
	n = (size_t)f_write(f, text, sizeof(text));
	ck_assert_uint_ge(n, 4096);
	ck_assert_uint_lt(n, 4300);
	ck_assert_int_eq(f_write(f, text, 10), -EAGAIN);
	ck_assert_uint_eq(file_poll(f, NULL), 0);
	f->flags &= ~O_NONBLOCK;
	meanwhile(accept_all);
	ck_assert_int_eq(f_write(f, text, sizeof(text)), sizeof(text));
	p = (char *)fake_out_data(1, &n);
	ck_assert_uint_ge(n, sizeof(text) + 4096);
	ck_assert_int_eq(p[n - 1], 'o');
	fake_out_room(1, 0);
	f_write(f, "tail", 4);
	meanwhile(accept_all);
	ck_assert_int_eq(file_ioctl(f, TCSBRK, &(uint64_t){ 1 }), 0); /* tcdrain */
	ck_assert(memcmp(fake_out_data(1, &n) + n - 4, "tail", 4) == 0);
}
END_TEST

START_TEST(flushing)
{
	int n;

	type("typed\n");
	ck_assert_int_eq(file_ioctl(f, TCFLSH, &(uint64_t){ TCIFLUSH }), 0);
	ck_nothing();
	screen();
	fake_out_room(1, 0);
	f_write(f, "lost", 4);
	ck_assert_int_eq(file_ioctl(f, TCFLSH, &(uint64_t){ TCOFLUSH }), 0);
	ck_assert_int_eq(file_ioctl(f, TIOCOUTQ, &n), 0);
	ck_assert_int_eq(n, 0);
	fake_out_room(1, SIZE_MAX);
	f_write(f, "seen", 4);
	ck_screen("seen");
	ck_assert_int_eq(file_ioctl(f, TCFLSH, &(uint64_t){ 3 }), -EINVAL);
}
END_TEST

/* ---- hang-up ---- */

START_TEST(hang_up_ends_all)
{
	int n;

	type("last\n");
	fake_stdin_hangup();
	plat_poll();
	ck_assert(took_signal(SIGHUP));
	ck_assert_uint_eq(file_poll(f, NULL), IN | OUT | POLLERR | POLLHUP);
	ck_read("last\n");
	ck_assert_int_eq(f_read(f, buf, 100), 0);
	ck_assert_int_eq(f_write(f, "x", 1), -EIO);
	ck_assert_int_eq(file_ioctl(f, TCGETS, &tio), -EIO);
	ck_assert_int_eq(file_ioctl(f, TIOCSPGRP, &n), -ENOTTY);
}
END_TEST

START_TEST(hang_up_wakes_a_reader)
{
	f->flags &= ~O_NONBLOCK;
	current_thread()->sig_mask = 1ul << (SIGHUP - 1);
	meanwhile(hang_up);
	ck_assert_int_eq(f_read(f, buf, 100), 0);
	current_thread()->sig_mask = 0;
	ck_assert(took_signal(SIGHUP));
}
END_TEST

/* An input that is no terminal ends, and the program goes on. */
START_TEST(end_of_input)
{
	type("line\nunfinished");
	fake_stdin_eof();
	plat_poll();
	ck_assert(!took_signal(SIGHUP));
	ck_read("line\n");
	ck_read("unfinished");
	ck_assert_uint_eq(file_poll(f, NULL), IN | OUT);
	f->flags &= ~O_NONBLOCK;
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(f_read(f, buf, 100), 0);
	tio.lflag &= ~(uint32_t)ICANON;
	set();
	ck_assert_int_eq(f_read(f, buf, 100), 0);
	ck_assert_int_eq(f_write(f, "x", 1), 1);
}
END_TEST

START_TEST(end_of_input_wakes_a_reader)
{
	f->flags &= ~O_NONBLOCK;
	meanwhile(end_input);
	ck_assert_int_eq(f_read(f, buf, 100), 0);
}
END_TEST

/* ---- sessions ---- */

START_TEST(sessions)
{
	struct proc *p = current_proc();
	int sid = p->sid, pgid = p->pgid, pid = p->pid, n = 0, bad = 12345, neg = -1;

	p->sid = p->pgid = p->pid;
	tty_attach(p);
	ck_assert_int_eq(file_ioctl(f, TIOCGPGRP, &n), 0);
	ck_assert_int_eq(n, p->pid);
	ck_assert_int_eq(file_ioctl(f, TIOCGSID, &n), 0);
	ck_assert_int_eq(n, p->pid);
	ck_assert_int_eq(file_ioctl(f, TIOCSPGRP, &pid), 0);
	ck_assert_int_eq(file_ioctl(f, TIOCSPGRP, &bad), -ESRCH);
	ck_assert_int_eq(file_ioctl(f, TIOCSPGRP, &neg), -EINVAL);
	ck_assert_int_eq(file_ioctl(f, TIOCSCTTY, &(uint64_t){ 0 }), 0);
	ck_assert_int_eq(file_ioctl(f, TIOCNOTTY, &(uint64_t){ 0 }), 0);
	took_signal(SIGHUP);
	ck_assert_int_eq(tty_session(), 0);
	ck_assert_int_eq(file_ioctl(f, TIOCGPGRP, &n), -ENOTTY);
	ck_assert_int_eq(file_ioctl(f, TIOCNOTTY, &(uint64_t){ 0 }), -ENOTTY);
	p->sid = 999; /* not a leader */
	ck_assert_int_eq(file_ioctl(f, TIOCSCTTY, &(uint64_t){ 0 }), -EPERM);
	p->sid = p->pid;
	ck_assert_int_eq(file_ioctl(f, TIOCSCTTY, &(uint64_t){ 0 }), 0);
	ck_assert_int_eq(tty_session(), p->pid);
	ck_assert_int_eq(tty_pgrp(), p->pgid);
	p->sid = sid;
	p->pgid = pgid;
}
END_TEST

/* A background group may not read, nor (with TOSTOP) write; who cannot be stopped gets an error, or may write. */
START_TEST(background)
{
	struct proc *p = current_proc();
	int pgid = p->pgid;

	type("line\n");
	tio.lflag |= TOSTOP;
	set();
	p->pgid = 999;
	p->sigactions->action[SIGTTIN - 1].handler = SIG_IGN;
	ck_assert_int_eq(f_read(f, buf, 100), -EIO);
	p->sigactions->action[SIGTTIN - 1].handler = SIG_DFL;
	current_thread()->sig_mask = 1ul << (SIGTTOU - 1);
	ck_assert_int_eq(f_write(f, "x", 1), 1);
	ck_assert(!took_signal(SIGTTOU));
	current_thread()->sig_mask = 0;
	/* Stopping is not there yet: the signal is sent, and the call goes on. */
	ck_assert_int_eq(f_write(f, "x", 1), 1);
	p->pgid = pgid;
	ck_read("line\n");
}
END_TEST

START_TEST(opening_by_name)
{
	struct file *g;
	static const struct file_ops none;
	struct proc *p = current_proc();
	int sid = p->sid;

	ck_assert_int_eq(file_new_anon(&none, S_IFCHR | 0666, O_RDWR, NULL, &g), 0);
	g->inode->rdev = DEV_MAKE(5, 0);
	ck_assert_int_eq(tty_open(g), 0);
	ck_assert_ptr_eq(g->ops, &tty_file_ops);
	p->sid = 999; /* of a session without the terminal */
	ck_assert_int_eq(tty_open(g), -ENXIO);
	g->inode->rdev = DEV_MAKE(5, 1);
	ck_assert_int_eq(tty_open(g), 0);
	p->sid = sid;
	tty.present = false;
	ck_assert_int_eq(tty_open(g), -ENXIO);
	tty.present = true;
	file_put(g);
}
END_TEST

START_TEST(small_ioctls)
{
	int n = 5;

	ck_assert_int_eq(file_ioctl(f, TIOCGETD, &n), 0);
	ck_assert_int_eq(n, 0);
	ck_assert_int_eq(file_ioctl(f, 0x5460, &n), -ENOTTY);
	ck_assert_int_eq(file_ioctl(f, TIOCEXCL, &(uint64_t){ 0 }), 0);
	ck_assert(tty.exclusive);
	ck_assert_int_eq(file_ioctl(f, TIOCNXCL, &(uint64_t){ 0 }), 0);
	ck_assert_int_eq(file_ioctl(f, TCXONC, &(uint64_t){ TCIOFF }), 0);
	ck_assert_int_eq(file_ioctl(f, TCXONC, &(uint64_t){ TCION }), 0);
	ck_screen("\x13\x11"); /* to the other side */
	ck_assert_int_eq(file_ioctl(f, TIOCSTI, "i"), 0);
	type("n\n");
	ck_read("in\n");
	ck_assert_int_eq(file_seek(f, 0, SEEK_SET), -ESPIPE);
	ck_assert_uint_eq(tio.iflag, ICRNL | IXON | IUTF8);
	ck_assert_uint_eq(tio.lflag, ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN);
	ck_assert_uint_eq(tio.cc[VINTR], 3);
}
END_TEST

#define UBASE 0x10000000ul

START_TEST(bad_user_buffers)
{
	memcpy(fake_user_map(UBASE, 10), "0123456789", 10);
	ck_assert_int_eq(f_write_user(f, 0, 10), -EFAULT);
	ck_assert_int_eq(f_write_user(f, UBASE + 5, 10), 5);
	ck_screen("56789");
	type("abcdef\n");
	ck_assert_int_eq(f_read_user(f, 0, 10), -EFAULT);
	ck_assert_int_eq(f_read_user(f, UBASE + 7, 10), 3);
	ck_read("def\n");
}
END_TEST

/* Whatever is typed and set, nothing overflows and every read ends. */
START_TEST(random_typing)
{
	uint64_t seed = 7;

	for (int round = 0; round < 3000; round++) {
		char text[200];
		size_t n = unit_random(&seed) % sizeof(text);

		for (size_t i = 0; i < n; i++)
			text[i] = (char)(unit_random(&seed) % 3 ? unit_random(&seed) % 40 : unit_random(&seed));
		fake_stdin_put(text, n);
		plat_poll();
		if (unit_random(&seed) % 4 == 0) {
			tio.lflag = unit_random(&seed);
			tio.iflag = unit_random(&seed);
			tio.oflag = unit_random(&seed);
			tio.cc[VMIN] = (uint8_t)unit_random(&seed);
			tio.cc[VTIME] = 0;
			set();
		}
		if (unit_random(&seed) % 2)
			f_read(f, buf, unit_random(&seed) % 300);
		f_write(f, text, n);
		ck_assert_uint_le(tty.head - tty.tail, TTY_IN);
		ck_assert_uint_le(tty_out_used(), TTY_OUT);
		screen();
	}
	tty_flow(false);
	current_thread()->sig_pending = current_proc()->sig_pending = 0;
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("tty", &tc, setup, teardown);

	tcase_add_test(tc, lines);
	tcase_add_test(tc, a_line_in_pieces);
	tcase_add_test(tc, end_of_file_character);
	tcase_add_test(tc, erasing);
	tcase_add_test(tc, erasing_utf8);
	tcase_add_test(tc, erasing_words_and_lines);
	tcase_add_test(tc, reprint_and_literal);
	tcase_add_test(tc, other_line_ends);
	tcase_add_test(tc, echo_modes);
	tcase_add_test(tc, carriage_returns);
	tcase_add_test(tc, longest_line);
	tcase_add_test(tc, full_buffer_holds_input_back);
	tcase_add_test(tc, reader_waits);
	tcase_add_test(tc, raw_minimum);
	tcase_add_test(tc, raw_timeouts);
	tcase_add_test(tc, raw_nonblocking);
	tcase_add_test(tc, raw_echo);
	tcase_add_test(tc, changing_mode_keeps_what_was_typed);
	tcase_add_test(tc, signal_characters);
	tcase_add_test(tc, interrupt_of_a_full_line);
	tcase_add_test(tc, stop_and_start);
	tcase_add_test(tc, resizing);
	tcase_add_test(tc, output_processing);
	tcase_add_test(tc, slow_terminal);
	tcase_add_test(tc, flushing);
	tcase_add_test(tc, hang_up_ends_all);
	tcase_add_test(tc, hang_up_wakes_a_reader);
	tcase_add_test(tc, end_of_input);
	tcase_add_test(tc, end_of_input_wakes_a_reader);
	tcase_add_test(tc, sessions);
	tcase_add_test(tc, background);
	tcase_add_test(tc, opening_by_name);
	tcase_add_test(tc, small_ioctls);
	tcase_add_test(tc, bad_user_buffers);
	tcase_add_test(tc, random_typing);
	return s;
}
