/* The control channel (plat/ctl.h) as the guest sees it: boot blob, standard streams, terminal size, signals, log,
 * exit.
 *
 * Without a channel — no virtio-serial device with a connected port: QEMU started by hand, Firecracker — standard
 * output and error go to the serial line, standard input is /dev/null, and there is no boot blob.
 *
 * Input frames are acted on when they are complete, except CTL_STDIN, whose bytes go to the stdin ring as they arrive.
 * The ring has as many bytes as the host may ever have credit for; a host that sends more, or a header beyond
 * CTL_FRAME_MAX, has lost the protocol: the channel is given up. A known frame of the wrong length and an unknown type
 * are ignored.
 *
 * Of a regular file on descriptor 0 the ring holds what was read ahead of the program: whatever depends on the position,
 * and the end, gives it back first (CTL_UNREAD).
 *
 * A host that goes away while the program runs is a hang-up: end of file, EPIPE and SIGHUP. */
#include "core/lib/string.h"
#include "plat/ctl.h"
#include "plat/kvm/kvm.h"
#include "plat/kvm/virtio/console.h"
#include "plat/kvm/virtio/frame.h"
#include "plat/plat.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/signal.h"

#define OUT_CHUNK    (32u << 10) /* payload of one output frame: some fit into the ring at a time, the host reads one
                                  * while the next is copied */
#define OUT_MIN      4096u       /* no crumbs: less room than this counts as none */
#define READ_AHEAD   4096u       /* at first; doubled while the program reads on */
#define CREDIT_CHUNK (CTL_STDIN_CREDIT / 2)
#define BOOT_WAIT_NS (30 * NSEC_PER_SEC)
#define LOG_WAIT_NS  NSEC_PER_SEC

static void frame_data(struct frame_parser *p, const void *bytes, size_t n);
static void frame_end(struct frame_parser *p);

static struct {
	struct frame_parser parser;
	bool open;                        /* there is a channel */
	bool gone;                        /* there was one */
	bool stuck;                       /* the last message for the log did not get through in time */
	bool have_blob, have_stdio, have_winsize;
	uint8_t kind[3];                  /* enum plat_stdio_kind */
	uint8_t same[3];                  /* 1 + the lowest descriptor that is the same open file, or 0 */
	int flags[3];                     /* of files: O_ACCMODE and O_APPEND */
	uint8_t closed[3];                /* the error of writes to this output, which the host has given up; 0: none */
	char *blob;
	size_t blob_len, blob_got;
	char *in;                         /* CTL_STDIN_CREDIT bytes: standard input not read yet */
	uint32_t in_head, in_tail;        /* free running */
	uint32_t ungranted;               /* bytes read for which the host has got no new credit */
	bool eof, hung;
	uint32_t window;                  /* a read of a file asks for so much; 0: nothing read since it was given back */
	enum { CALL_NONE, CALL_SENT, CALL_DONE } call;
	char *reply;                      /* where the data of a reply goes, and what fits there */
	size_t reply_room, reply_len;
	int64_t result;
	uint16_t rows, cols;
	uint64_t signals;                 /* bit n-1: signal n */
	unsigned events;                  /* IRQ_ bits not reported yet */
} ctl = {
	.parser = { .data = frame_data, .end = frame_end },
	.kind = { PLAT_STDIO_NULL, PLAT_STDIO_STREAM, PLAT_STDIO_STREAM },
};

/* ---- sending ---- */

static bool frame_send(enum ctl_type type, const void *payload, size_t len, bool use_reserve)
{
	struct ctl_header h = { .type = type, .len = len };

	return console_send(&h, sizeof h, payload, len, use_reserve);
}

/* The program has asked for its end from outside: output that nobody reads must not hold it up. */
static bool end_asked(void)
{
	uint64_t end = 1ull << (SIGINT - 1) | 1ull << (SIGQUIT - 1) | 1ull << (SIGTERM - 1) | 1ull << (SIGHUP - 1);

	return ctl.signals & end;
}

/* Sends text in frames, waiting with the CPU until `limit` for room. How much was taken. */
static size_t text_send(enum ctl_type type, const char *text, size_t len, uint64_t limit)
{
	size_t done = 0;

	while (done < len && !ctl.gone) {
		size_t n = MIN(len - done, (size_t)OUT_CHUNK);

		if (frame_send(type, text + done, n, false)) {
			done += n;
			continue;
		}
		console_pump();
		if (end_asked() || plat_time_mono() >= limit)
			break;
		__builtin_ia32_pause();
	}
	return done;
}

/* A host that has not read for LOG_WAIT_NS is not waited for again until a message gets through at once. */
bool ctl_log(const char *text, size_t len)
{
	if (!ctl.open || ctl.gone)
		return false;
	ctl.stuck = text_send(CTL_LOG, text, len, ctl.stuck ? 0 : plat_time_mono() + LOG_WAIT_NS) < len;
	return !ctl.stuck;
}

void plat_trace(const char *text, size_t len)
{
	if (!ctl.open || ctl.gone)
		plat_log(text, len);
	else
		text_send(CTL_TRACE, text, len, TIME_NEVER);
}

/* How much of a file's input lies in the ring. */
static uint32_t read_ahead(void) { return ctl.kind[0] == PLAT_STDIO_FILE ? ctl.in_head - ctl.in_tail : 0; }

/* False when there is no room to say it. */
static bool unread(void)
{
	uint32_t n = read_ahead();

	if (n && !frame_send(CTL_UNREAD, &n, sizeof n, true))
		return false;
	ctl.in_tail += n;
	if (n)
		ctl.window = 0;
	return true;
}

/* What the program has written is kept for a slow reader as a pipe would keep it; only a signal to end, or a panic,
 * cuts that short. */
void ctl_exit(uint32_t status)
{
	uint64_t limit = status == CTL_EXIT_PANIC ? plat_time_mono() + NSEC_PER_SEC : TIME_NEVER;
	bool sent = false;

	unread();
	ctl.signals = 0; /* those that come from here on count */
	while (console_alive()) {
		if (!sent)
			sent = frame_send(CTL_EXIT, &status, sizeof status, true);
		if ((sent && console_drained()) || end_asked() || plat_time_mono() > limit)
			break;
		console_pump();
		__builtin_ia32_pause();
	}
}

/* ---- receiving ---- */

static void protocol_error(const char *what)
{
	if (ctl.gone)
		return;
	ctl_gone();
	kprintf("doppel: control channel: %s\n", what);
}

static void stdin_put(struct frame_parser *p, const char *bytes, size_t n)
{
	uint32_t off = ctl.in_head % CTL_STDIN_CREDIT, first = MIN((uint32_t)n, CTL_STDIN_CREDIT - off);

	if (n > CTL_STDIN_CREDIT - (ctl.in_head - ctl.in_tail)) {
		protocol_error("more standard input than was granted");
		return;
	}
	memcpy(ctl.in + off, bytes, first);
	memcpy(ctl.in, bytes + first, n - first);
	ctl.in_head += n;
	ctl.events |= IRQ_STDIO;
}

/* The result comes first; it is in p->small at the end. */
static void reply_put(struct frame_parser *p, const char *bytes, size_t n)
{
	size_t skip = MIN(n, p->off < sizeof ctl.result ? sizeof ctl.result - p->off : 0), at = p->off + skip - sizeof ctl.result;

	if (n == skip)
		return;
	if (ctl.call != CALL_SENT || at + (n - skip) > ctl.reply_room) {
		protocol_error("an answer that was not asked for");
		return;
	}
	memcpy(ctl.reply + at, bytes + skip, n - skip);
}

/* The blob goes to memory of its own size: the first frame is the only one, and comes before core_main(). */
static void boot_put(struct frame_parser *p, const void *bytes, size_t n)
{
	if (p->off == 0 && !ctl.blob && !kvm_in_core) {
		ctl.blob = kvm_boot_pages(ALIGN_UP(p->head.len, (uint32_t)PAGE_SIZE) / PAGE_SIZE);
		if (!ctl.blob)
			panic("RAM is too short for the boot parameters (%u bytes): raise -m", p->head.len);
		ctl.blob_len = p->head.len;
		ctl.blob_got = 0;
	}
	if (ctl.blob_got == p->off && p->off + n <= ctl.blob_len) {
		memcpy(ctl.blob + p->off, bytes, n);
		ctl.blob_got += n;
	}
}

static void frame_data(struct frame_parser *p, const void *bytes, size_t n)
{
	if (p->head.type == CTL_STDIN)
		stdin_put(p, bytes, n);
	else if (p->head.type == CTL_REPLY)
		reply_put(p, bytes, n);
	else if (p->head.type == CTL_BOOT)
		boot_put(p, bytes, n);
}

static uint32_t small32(const struct frame_parser *p)
{
	uint32_t v;

	memcpy(&v, p->small, sizeof v);
	return v;
}

static void stdio_set(const uint8_t kind[3])
{
	if (ctl.have_stdio)
		return;
	for (int i = 0; i < 3; i++) {
		ctl.kind[i] = (kind[i] & CTL_KIND) <= PLAT_STDIO_FULL ? kind[i] & CTL_KIND : PLAT_STDIO_CLOSED;
		ctl.same[i] = CTL_SAME(kind[i]);
		ctl.flags[i] = CTL_ACCESS(kind[i]) | (kind[i] & CTL_APPEND ? O_APPEND : 0);
	}
	ctl.have_stdio = true;
}

static void frame_end(struct frame_parser *p)
{
	uint32_t v = small32(p), len = p->head.len;

	switch (p->head.type) {
	case CTL_BOOT:
		ctl.have_blob = ctl.blob_got == ctl.blob_len;
		break;
	case CTL_STDIO:
		if (len == 3)
			stdio_set(p->small);
		break;
	case CTL_STDIN:
		if (len == 0) {
			ctl.eof = true;
			ctl.events |= IRQ_STDIO;
		}
		break;
	case CTL_HANGUP:
		ctl.hung = true;
		ctl.events |= IRQ_STDIO;
		break;
	case CTL_WINSIZE:
		if (len == 4) {
			ctl.rows = (uint16_t)v;
			ctl.cols = v >> 16;
			ctl.have_winsize = true;
			ctl.events |= IRQ_SIGNAL;
		}
		break;
	case CTL_SIGNAL:
		if (len == 4 && v >= 1 && v <= 64) {
			ctl.signals |= 1ull << (v - 1);
			ctl.events |= IRQ_SIGNAL;
		}
		break;
	case CTL_CLOSED:
		if (len == 2 && (p->small[0] == 1 || p->small[0] == 2)) {
			ctl.closed[p->small[0]] = p->small[1] ? p->small[1] : EPIPE;
			ctl.events |= IRQ_STDIO;
		}
		break;
	case CTL_REPLY:
		if (len >= sizeof ctl.result && ctl.call == CALL_SENT) {
			memcpy(&ctl.result, p->small, sizeof ctl.result);
			ctl.reply_len = len - sizeof ctl.result;
			ctl.call = CALL_DONE;
			ctl.events |= IRQ_STDIO;
		}
		break;
	default:
		break;
	}
}

void ctl_input(const void *bytes, size_t n)
{
	if (!ctl.in) /* the first bytes come before core_main() */
		ctl.in = kvm_boot_pages(CTL_STDIN_CREDIT / PAGE_SIZE);
	if (!ctl.in)
		panic("RAM is too short for the control channel: raise -m");
	if (!ctl.gone && frame_feed(&ctl.parser, bytes, n) < 0)
		protocol_error("a frame too long");
}

uint32_t ctl_expects(void)
{
	return ctl.parser.nhead == sizeof ctl.parser.head ? ctl.parser.head.len - ctl.parser.off : 0;
}

void ctl_gone(void)
{
	ctl.gone = true;
	ctl.eof = true;
	ctl.hung = ctl.kind[0] == PLAT_STDIO_TTY;
	ctl.signals |= 1ull << (SIGHUP - 1);
	ctl.events |= IRQ_STDIO | IRQ_SIGNAL;
}

unsigned ctl_events(bool got_room)
{
	unsigned irqs = ctl.events | (got_room ? IRQ_STDIO : 0);

	ctl.events = 0;
	return irqs;
}

/* All boot frames are there; a terminal's size is one of them. */
static bool boot_complete(void)
{
	bool tty = ctl.kind[0] == PLAT_STDIO_TTY || ctl.kind[1] == PLAT_STDIO_TTY || ctl.kind[2] == PLAT_STDIO_TTY;

	return ctl.have_blob && ctl.have_stdio && (!tty || ctl.have_winsize);
}

void ctl_boot(void)
{
	uint64_t limit = plat_time_mono() + BOOT_WAIT_NS;

	ctl.open = true;
	while (!boot_complete()) {
		console_pump();
		if (ctl.gone || plat_time_mono() > limit)
			panic("no boot parameters from the host");
		__builtin_ia32_pause();
	}
}

/* ---- plat.h ---- */

const void *plat_boot_blob(size_t *len)
{
	*len = ctl.blob_len;
	return ctl.blob;
}

enum plat_stdio_kind plat_stdio_kind(int fd)
{
	return fd >= 0 && fd <= 2 ? ctl.kind[fd] : PLAT_STDIO_CLOSED;
}

int plat_stdio_same(int fd)
{
	return ctl.same[fd] && ctl.same[fd] <= fd ? ctl.same[fd] - 1 : fd;
}

int plat_stdio_flags(int fd) { return ctl.flags[fd]; }

/* Credit goes back in large pieces: the host always has at least the other half. */
static void credit_grant(size_t n)
{
	ctl.ungranted += n;
	if (ctl.ungranted >= CREDIT_CHUNK && frame_send(CTL_CREDIT, &ctl.ungranted, sizeof ctl.ungranted, true))
		ctl.ungranted = 0;
}

long plat_stdio_read(void *buf, size_t len)
{
	uint32_t off = ctl.in_tail % CTL_STDIN_CREDIT, n = ctl.in_head - ctl.in_tail, first;

	if (len == 0)
		return 0;
	if (n == 0 && ctl.hung)
		return -EIO;
	if (n == 0)
		return ctl.eof || !ctl.open ? 0 : -EAGAIN;
	n = MIN(len, (size_t)n);
	first = MIN(n, CTL_STDIN_CREDIT - off);
	memcpy(buf, ctl.in + off, first);
	memcpy((char *)buf + first, ctl.in, n - first);
	ctl.in_tail += n;
	if (ctl.kind[0] != PLAT_STDIO_FILE)
		credit_grant(n);
	return n;
}

/* ---- calls ---- */

static bool reads_here(const struct stdfile_call *c) { return c->op == STDFILE_READ && c->at == STDFILE_HERE && c->fd == 0; }

/* A frame of the call and what it writes; true when it went. */
static bool call_send(struct stdfile_call c, const void *buf)
{
	struct {
		struct ctl_header h;
		struct stdfile_call c;
	} frame = { { CTL_CALL, sizeof c }, c };
	size_t data = 0;

	if (c.op == STDFILE_WRITE)
		frame.c.len = data = MIN(c.len, (uint64_t)OUT_CHUNK);
	frame.h.len += data;
	while (!console_send(&frame, sizeof frame, buf, data, false))
		if (!console_want_room())
			return false;
	return true;
}

/* Sends it, with a reader's ring or the caller's buffer for the data. */
static void call_start(struct stdfile_call c, void *buf)
{
	uint32_t window = MAX(ctl.window, READ_AHEAD);
	bool ahead = reads_here(&c) && c.len < window;

	if (!unread())
		return;
	c.len = ahead ? window : MIN(c.len, (uint64_t)STDFILE_MAX);
	if (!call_send(c, buf))
		return;
	if (ahead)
		ctl.in_head = ctl.in_tail = 0;
	if (reads_here(&c))
		ctl.window = MIN(window * 2, STDFILE_MAX);
	ctl.reply = ahead ? ctl.in : buf;
	ctl.reply_room = c.op == STDFILE_READ || c.op == STDFILE_STAT || c.op == STDFILE_PATH ? c.len : 0;
	ctl.call = CALL_SENT;
}

long plat_stdio_call(const struct stdfile_call *c, void *buf)
{
	if (reads_here(c) && read_ahead())
		return plat_stdio_read(buf, c->len);
	if (ctl.gone)
		return -EIO;
	if (ctl.call == CALL_NONE)
		call_start(*c, buf);
	if (ctl.call != CALL_DONE)
		return -EAGAIN;
	ctl.call = CALL_NONE;
	if ((c->op == STDFILE_READ || c->op == STDFILE_PATH) && ctl.result > (int64_t)ctl.reply_len)
		return -EIO; /* bytes that never came */
	if (ctl.reply != ctl.in || ctl.result <= 0)
		return ctl.result;
	ctl.in_head = (uint32_t)ctl.result;
	return plat_stdio_read(buf, c->len);
}

/* The stream that carries what is written to fd. A write to a terminal on descriptor 0 goes by the output that is
 * the same terminal; when only descriptor 0 is one, by frames of its own type. */
static enum ctl_type stream_of(int fd)
{
	if (fd == 1 || (fd == 0 && ctl.kind[1] == PLAT_STDIO_TTY))
		return CTL_STDOUT;
	if (fd == 2 || ctl.kind[2] == PLAT_STDIO_TTY)
		return CTL_STDERR;
	return CTL_TTY;
}

static long stream_write(enum ctl_type type, const char *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		size_t n = MIN(len - done, (size_t)OUT_CHUNK), room = console_room();

		if (room < sizeof(struct ctl_header) + MIN(n, (size_t)OUT_MIN)) {
			if (done || !console_want_room())
				break;
			continue;
		}
		n = MIN(n, room - sizeof(struct ctl_header));
		if (!frame_send(type, buf + done, n, false))
			break;
		done += n;
	}
	return done || len == 0 ? (long)done : -EAGAIN;
}

long plat_stdio_write(int fd, const void *buf, size_t len)
{
	enum plat_stdio_kind kind = plat_stdio_kind(fd);
	enum ctl_type type;

	if (kind == PLAT_STDIO_CLOSED || (fd == 0 && kind == PLAT_STDIO_STREAM))
		return -EBADF;
	if (kind == PLAT_STDIO_NULL)
		return len;
	if (!ctl.open) {
		serial_write(buf, len);
		return len;
	}
	type = stream_of(fd);
	if (ctl.gone)
		return -EPIPE;
	if (type != CTL_TTY && ctl.closed[type == CTL_STDOUT ? 1 : 2])
		return -(long)ctl.closed[type == CTL_STDOUT ? 1 : 2];
	return stream_write(type, buf, len);
}

void plat_tty_size(uint16_t *rows, uint16_t *cols)
{
	*rows = ctl.rows;
	*cols = ctl.cols;
}

int plat_signal_next(void)
{
	int n;

	if (!ctl.signals)
		return 0;
	n = __builtin_ctzll(ctl.signals) + 1;
	ctl.signals &= ctl.signals - 1;
	return n;
}
