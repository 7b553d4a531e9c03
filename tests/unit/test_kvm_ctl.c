/* plat/kvm/ctl.c over a fake port: what the host sends comes from a script, what the guest sends is kept, and the
 * room for it is set by the test. The platform functions that ctl.c defines have names of their own here, since the
 * fake platform has the others. */
#define plat_boot_blob   ctl_blob
#define plat_stdio_kind  ctl_stdio_kind
#define plat_stdio_same  ctl_stdio_same
#define plat_stdio_flags ctl_stdio_flags
#define plat_stdio_call  ctl_stdio_call
#define plat_stdio_read  ctl_stdio_read
#define plat_stdio_write ctl_stdio_write
#define plat_tty_size    ctl_tty_size
#define plat_signal_next ctl_signal_next
#define plat_trace       ctl_trace

#include "tests/unit/unit.h"

#include "plat/kvm/ctl.c"
#include "plat/kvm/virtio/frame.c"

/* ---- the fake port ---- */

static uint8_t sent[1 << 20];    /* all that the guest sent … */
static size_t sent_len, checked; /* … and how much of it the test has looked at */
static size_t room;
static bool alive, drained, room_wanted, reserve_full;
static uint8_t script[1 << 20];  /* what the host sends, … */
static size_t script_len, script_at, script_piece; /* … so many bytes a pump */
static unsigned pumps;
static uint64_t pump_ns;         /* time that a pump takes */
static void (*on_pump)(void);

static uint8_t pages[512 * 4096] __attribute__((aligned(4096)));
static size_t pages_used, pages_max;
static char serial[100];
static size_t serial_len;

bool kvm_in_core;

void *kvm_boot_pages(size_t n)
{
	void *p = pages + pages_used * 4096;

	ck_assert(!kvm_in_core);
	ck_assert_uint_gt(n, 0);
	if (pages_used + n > pages_max)
		return NULL;
	pages_used += n;
	return p;
}

void serial_write(const char *text, size_t len)
{
	ck_assert_uint_le(serial_len + len, sizeof serial);
	memcpy(serial + serial_len, text, len);
	serial_len += len;
}

bool console_alive(void) { return alive; }
bool console_drained(void) { return drained; }
size_t console_room(void) { return alive ? room : 0; }

bool console_send(const void *a, size_t na, const void *b, size_t nb, bool use_reserve)
{
	if (!alive || (use_reserve ? reserve_full : na + nb > room))
		return false;
	if (!use_reserve)
		room -= na + nb;
	ck_assert_uint_le(sent_len + na + nb, sizeof sent);
	memcpy(sent + sent_len, a, na);
	if (nb)
		memcpy(sent + sent_len + na, b, nb);
	sent_len += na + nb;
	return true;
}

bool console_want_room(void)
{
	room_wanted = true;
	return false;
}

void console_pump(void)
{
	size_t n = MIN(script_piece, script_len - script_at);

	pumps++;
	fake_time_advance(pump_ns);
	if (n)
		ctl_input(script + script_at, n);
	script_at += n;
	if (on_pump)
		on_pump();
}

/* ---- helpers ---- */

static void host_sends(uint32_t type, const void *payload, uint32_t len)
{
	uint32_t head[2] = { type, len };

	memcpy(script + script_len, head, sizeof head);
	if (len)
		memcpy(script + script_len + 8, payload, len);
	script_len += 8 + len;
}

static void host_sends_now(uint32_t type, const void *payload, uint32_t len)
{
	host_sends(type, payload, len);
	while (script_at < script_len)
		console_pump();
	script_at = script_len = 0;
}

/* The next frame the guest sent: its type; payload and length by pointer. 0 when there is none. */
static uint32_t guest_sent(const uint8_t **payload, uint32_t *len)
{
	uint32_t head[2];

	if (checked == sent_len)
		return 0;
	memcpy(head, sent + checked, 8);
	*payload = sent + checked + 8;
	*len = head[1];
	checked += 8 + head[1];
	ck_assert_uint_le(checked, sent_len);
	return head[0];
}

#define ck_assert_sent(type_, text, n) do { \
	const uint8_t *payload_; \
	uint32_t len_; \
	ck_assert_uint_eq(guest_sent(&payload_, &len_), (type_)); \
	ck_assert_uint_eq(len_, (n)); \
	ck_assert_mem_eq(payload_, (text), len_); \
} while (0)

#define ck_assert_nothing_sent() ck_assert_uint_eq(checked, sent_len)

static void setup(void)
{
	fake_boot(1 << 20);
	memset(&ctl, 0, sizeof ctl);
	ctl.parser.data = frame_data;
	ctl.parser.end = frame_end;
	ctl.kind[0] = PLAT_STDIO_NULL;
	ctl.kind[1] = ctl.kind[2] = PLAT_STDIO_STREAM;
	sent_len = checked = script_len = script_at = serial_len = pages_used = 0;
	script_piece = SIZE_MAX;
	pages_max = sizeof pages / 4096;
	room = 1 << 19;
	alive = drained = true;
	room_wanted = reserve_full = kvm_in_core = false;
	pumps = 0;
	pump_ns = 1000;
	on_pump = NULL;
}

static const uint8_t streams[3] = { PLAT_STDIO_STREAM, PLAT_STDIO_STREAM, PLAT_STDIO_STREAM };
static const uint8_t ttys[3] = { PLAT_STDIO_TTY, PLAT_STDIO_TTY, PLAT_STDIO_TTY };
static const uint16_t size2450[2] = { 24, 50 };

static void boot_with(const uint8_t kinds[3])
{
	host_sends(CTL_BOOT, "blobblob", 8);
	host_sends(CTL_STDIO, kinds, 3);
	host_sends(CTL_WINSIZE, size2450, 4);
	ctl_boot();
	kvm_in_core = true;
	script_at = script_len = 0;
	ctl_events(false);
}

/* ---- without a channel ---- */

START_TEST(no_channel)
{
	char b[4];
	size_t len = 1;
	uint16_t rows = 1, cols = 1;

	alive = false;
	ck_assert_ptr_null(plat_boot_blob(&len));
	ck_assert_uint_eq(len, 0);
	ck_assert_int_eq(plat_stdio_kind(0), PLAT_STDIO_NULL);
	ck_assert_int_eq(plat_stdio_kind(1), PLAT_STDIO_STREAM);
	ck_assert_int_eq(plat_stdio_kind(3), PLAT_STDIO_CLOSED);
	ck_assert_int_eq(plat_stdio_kind(-1), PLAT_STDIO_CLOSED);
	ck_assert_int_eq(plat_stdio_read(b, 4), 0);
	ck_assert_int_eq(plat_stdio_write(1, "out", 3), 3);
	ck_assert_int_eq(plat_stdio_write(2, "err", 3), 3);
	ck_assert_mem_eq(serial, "outerr", 6);
	ck_assert(!ctl_log("x", 1));
	plat_trace("trace", 5);
	ck_assert_ptr_nonnull(strstr(fake_log(), "trace"));
	plat_tty_size(&rows, &cols);
	ck_assert_uint_eq(rows + cols, 0);
	ck_assert_int_eq(plat_signal_next(), 0);
	ctl_exit(0);
	ck_assert_uint_eq(sent_len, 0);
}
END_TEST

/* ---- boot ---- */

START_TEST(boot_in_any_pieces_and_order)
{
	static uint8_t blob[100000];
	size_t len;

	for (size_t i = 0; i < sizeof blob; i++)
		blob[i] = i * 7 >> 3;
	for (int order = 0; order < 2; order++)
		for (script_piece = 1; script_piece < 200000; script_piece = script_piece * 7 + 1) {
			size_t piece = script_piece;

			setup();
			script_piece = piece;
			if (order)
				host_sends(CTL_STDIO, streams, 3);
			host_sends(CTL_BOOT, blob, sizeof blob);
			if (!order)
				host_sends(CTL_STDIO, streams, 3);
			ctl_boot();
			ck_assert_uint_eq(script_at, script_len);
			ck_assert_ptr_nonnull(plat_boot_blob(&len));
			ck_assert_uint_eq(len, sizeof blob);
			ck_assert(memcmp(plat_boot_blob(&len), blob, len) == 0);
			ck_assert_int_eq(plat_stdio_kind(0), PLAT_STDIO_STREAM);
		}
}
END_TEST

START_TEST(boot_waits_for_a_terminals_size)
{
	uint16_t rows, cols;

	script_piece = 3;
	host_sends(CTL_BOOT, "blob", 4);
	host_sends(CTL_STDIO, ttys, 3);
	host_sends(CTL_WINSIZE, size2450, 4);
	ctl_boot();
	plat_tty_size(&rows, &cols);
	ck_assert_uint_eq(rows, 24);
	ck_assert_uint_eq(cols, 50);
}
END_TEST

/* Standard input may come right behind the boot frames, in the same buffer. */
START_TEST(stdin_with_the_boot_frames)
{
	char b[10];

	host_sends(CTL_STDIN, "first", 5);
	host_sends(CTL_BOOT, "blob", 4);
	host_sends(CTL_STDIO, streams, 3);
	host_sends(CTL_STDIN, "then", 4);
	host_sends(CTL_STDIN, NULL, 0);
	ctl_boot();
	ck_assert_int_eq(plat_stdio_read(b, sizeof b), 9);
	ck_assert_mem_eq(b, "firstthen", 9);
	ck_assert_int_eq(plat_stdio_read(b, sizeof b), 0);
	ck_assert_uint_eq(ctl_events(false), IRQ_STDIO);
}
END_TEST

START_TEST(boot_failures)
{
	static uint8_t big[3 * 4096];

	pump_ns = NSEC_PER_SEC;
	host_sends(CTL_BOOT, "blob", 4);
	ck_assert_panic(ctl_boot(), "no boot parameters"); /* no CTL_STDIO */
	setup();
	host_sends(CTL_STDIO, streams, 3);
	pump_ns = NSEC_PER_SEC;
	ck_assert_panic(ctl_boot(), "no boot parameters");
	setup();
	pages_max = 16 + 2;
	host_sends(CTL_BOOT, big, sizeof big);
	ck_assert_panic(ctl_boot(), "raise -m");
	setup();
	pages_max = 15;
	host_sends(CTL_BOOT, big, sizeof big);
	ck_assert_panic(ctl_boot(), "raise -m");
	setup();
	memset(script, 0xff, 64);
	script_len = 64;
	ck_assert_panic(ctl_boot(), "no boot parameters");
	ck_assert_ptr_nonnull(strstr(fake_log(), "frame too long"));
}
END_TEST

START_TEST(only_the_first_boot_and_stdio_count)
{
	static const uint8_t bad[3] = { 79, PLAT_STDIO_NULL, PLAT_STDIO_CLOSED };
	size_t len;

	host_sends(CTL_BOOT, "blob", 4);
	host_sends(CTL_BOOT, "other one", 9);
	host_sends(CTL_STDIO, bad, 2); /* wrong length */
	host_sends(CTL_STDIO, bad, 3);
	host_sends(CTL_STDIO, ttys, 3);
	ctl_boot();
	kvm_in_core = true;
	host_sends_now(CTL_BOOT, "too late", 8);
	ck_assert_mem_eq(plat_boot_blob(&len), "blob", 4);
	ck_assert_uint_eq(len, 4);
	ck_assert_int_eq(plat_stdio_kind(0), PLAT_STDIO_CLOSED); /* no such kind */
	ck_assert_int_eq(plat_stdio_kind(1), PLAT_STDIO_NULL);
	ck_assert_int_eq(plat_stdio_kind(2), PLAT_STDIO_CLOSED);
	ck_assert_int_eq(plat_stdio_write(1, "abc", 3), 3);
	ck_assert_int_eq(plat_stdio_write(2, "abc", 3), -EBADF);
	ck_assert_int_eq(plat_stdio_write(0, "abc", 3), -EBADF);
	ck_assert_nothing_sent();
}
END_TEST

START_TEST(an_empty_blob_is_none)
{
	size_t len = 1;

	host_sends(CTL_BOOT, NULL, 0);
	host_sends(CTL_STDIO, streams, 3);
	ctl_boot();
	kvm_in_core = true;
	host_sends_now(CTL_BOOT, "too late", 8);
	ck_assert_ptr_null(plat_boot_blob(&len));
	ck_assert_uint_eq(len, 0);
}
END_TEST

/* ---- input ---- */

START_TEST(stdin_and_credit)
{
	static uint8_t data[CTL_STDIN_CREDIT], back[CTL_STDIN_CREDIT + 1];
	uint64_t seed = 5;
	uint32_t credit = CTL_STDIN_CREDIT, granted;
	size_t in = 0, out = 0;

	boot_with(streams);
	ck_assert_int_eq(plat_stdio_read(back, 10), -EAGAIN);
	ck_assert_int_eq(plat_stdio_read(back, 0), 0);
	while (out < 2000000) {
		uint32_t n = unit_random(&seed) % (credit + 1);
		const uint8_t *payload;
		size_t max = unit_random(&seed) % sizeof back;
		long got;

		for (uint32_t i = 0; i < n; i++, in++)
			data[i] = in * 2654435761 >> 13;
		if (n)
			host_sends_now(CTL_STDIN, data, n);
		credit -= n;
		got = plat_stdio_read(back, max);
		if (got == -EAGAIN) {
			ck_assert_uint_eq(in, out);
			continue;
		}
		ck_assert_int_eq(got, MIN(max, in - out));
		for (long i = 0; i < got; i++, out++)
			if (back[i] != (uint8_t)(out * 2654435761 >> 13))
				ck_abort_msg("byte %zu differs", out);
		while (checked < sent_len) {
			ck_assert_uint_eq(guest_sent(&payload, &granted), CTL_CREDIT);
			memcpy(&granted, payload, 4);
			credit += granted;
		}
		/* Never starves, never gets more than the ring holds. */
		ck_assert(in != out || credit > CTL_STDIN_CREDIT / 2);
		ck_assert_uint_le(credit + (in - out), CTL_STDIN_CREDIT);
	}
	ck_assert(!ctl.gone);
}
END_TEST

/* No room even for the credit's frame: it goes with the next read. */
START_TEST(credit_is_not_lost)
{
	static uint8_t data[CTL_STDIN_CREDIT];
	uint32_t all = CTL_STDIN_CREDIT;

	boot_with(streams);
	host_sends_now(CTL_STDIN, data, sizeof data);
	reserve_full = true;
	ck_assert_int_eq(plat_stdio_read(data, sizeof data - 1), sizeof data - 1);
	ck_assert_nothing_sent();
	reserve_full = false;
	ck_assert_int_eq(plat_stdio_read(data, 1), 1);
	ck_assert_sent(CTL_CREDIT, &all, 4);
}
END_TEST

START_TEST(stdin_overflow_ends_the_channel)
{
	static uint8_t data[CTL_STDIN_CREDIT + 1];

	boot_with(streams);
	host_sends_now(CTL_STDIN, data, sizeof data);
	ck_assert_ptr_nonnull(strstr(fake_log(), "more standard input"));
	ck_assert_int_eq(plat_stdio_write(1, "x", 1), -EPIPE);
	ck_assert_int_eq(plat_signal_next(), SIGHUP);
}
END_TEST

START_TEST(end_of_file)
{
	char b[8];

	boot_with(streams);
	host_sends_now(CTL_STDIN, "last", 4);
	host_sends_now(CTL_STDIN, NULL, 0);
	ck_assert_uint_eq(ctl_events(false), IRQ_STDIO);
	ck_assert_uint_eq(ctl_events(false), 0);
	ck_assert_int_eq(plat_stdio_read(b, 3), 3);
	ck_assert_int_eq(plat_stdio_read(b, 3), 1);
	ck_assert_nothing_sent(); /* not worth a credit yet */
	ck_assert_int_eq(plat_stdio_read(b, 3), 0);
	ck_assert_int_eq(plat_stdio_read(b, 3), 0);
}
END_TEST

START_TEST(hang_up_of_the_terminal)
{
	char b[8];

	boot_with(ttys);
	host_sends_now(CTL_STDIN, "last", 4);
	host_sends_now(CTL_HANGUP, NULL, 0);
	ck_assert_uint_eq(ctl_events(false), IRQ_STDIO);
	ck_assert_int_eq(plat_stdio_read(b, 8), 4);
	ck_assert_int_eq(plat_stdio_read(b, 8), -EIO);
	setup();
	boot_with(ttys);
	host_sends_now(CTL_STDIN, NULL, 0);
	ck_assert_int_eq(plat_stdio_read(b, 8), 0);
	ctl_gone();
	ck_assert_int_eq(plat_stdio_read(b, 8), -EIO);
}
END_TEST

START_TEST(signals_and_sizes)
{
	static const uint32_t bad[] = { 0, 65, 0xffffffff };
	static const uint16_t other[2] = { 50, 132 };
	uint32_t sig;
	uint16_t rows, cols;

	boot_with(ttys);
	for (unsigned i = 0; i < 3; i++)
		host_sends_now(CTL_SIGNAL, &bad[i], 4);
	sig = SIGINT;
	host_sends_now(CTL_SIGNAL, &sig, 3); /* wrong lengths */
	host_sends_now(CTL_SIGNAL, &sig, 0);
	host_sends_now(CTL_WINSIZE, other, 3);
	host_sends_now(99, other, 4); /* no such type */
	host_sends_now(CTL_STDOUT, "x", 1); /* not for the guest */
	ck_assert_uint_eq(ctl_events(false), 0);
	ck_assert_int_eq(plat_signal_next(), 0);

	sig = 64;
	host_sends_now(CTL_SIGNAL, &sig, 4);
	sig = SIGTERM;
	host_sends_now(CTL_SIGNAL, &sig, 4);
	host_sends_now(CTL_SIGNAL, &sig, 4);
	ck_assert_uint_eq(ctl_events(false), IRQ_SIGNAL);
	ck_assert_int_eq(plat_signal_next(), SIGTERM);
	ck_assert_int_eq(plat_signal_next(), 64);
	ck_assert_int_eq(plat_signal_next(), 0);

	host_sends_now(CTL_WINSIZE, other, 4);
	ck_assert_uint_eq(ctl_events(false), IRQ_SIGNAL);
	plat_tty_size(&rows, &cols);
	ck_assert_uint_eq(rows, 50);
	ck_assert_uint_eq(cols, 132);
}
END_TEST

START_TEST(host_gone)
{
	char b[8];

	boot_with(streams);
	host_sends_now(CTL_STDIN, "rest", 4);
	ctl_gone();
	alive = false;
	ck_assert_uint_eq(ctl_events(false), IRQ_STDIO | IRQ_SIGNAL);
	ck_assert_int_eq(plat_stdio_read(b, 8), 4);
	ck_assert_int_eq(plat_stdio_read(b, 8), 0);
	ck_assert_int_eq(plat_stdio_write(1, "x", 1), -EPIPE);
	ck_assert_int_eq(plat_signal_next(), SIGHUP);
	ck_assert(!ctl_log("x", 1));
	ctl_exit(0);
	ck_assert_nothing_sent();
}
END_TEST

/* ---- output ---- */

START_TEST(stdout_and_stderr)
{
	static char big[100000];

	boot_with(streams);
	for (size_t i = 0; i < sizeof big; i++)
		big[i] = i * 13 >> 2;
	ck_assert_int_eq(plat_stdio_write(1, "hello", 5), 5);
	ck_assert_sent(CTL_STDOUT, "hello", 5);
	ck_assert_int_eq(plat_stdio_write(2, "error", 5), 5);
	ck_assert_sent(CTL_STDERR, "error", 5);
	ck_assert_int_eq(plat_stdio_write(1, big, 0), 0);
	ck_assert_nothing_sent();
	ck_assert_int_eq(plat_stdio_write(0, "x", 1), -EBADF); /* a pipe's read end */
	ck_assert_int_eq(plat_stdio_write(3, "x", 1), -EBADF);
	ck_assert_int_eq(plat_stdio_write(1, big, sizeof big), sizeof big);
	for (size_t at = 0; at < sizeof big; at += OUT_CHUNK)
		ck_assert_sent(CTL_STDOUT, big + at, MIN(sizeof big - at, (size_t)OUT_CHUNK));
	ck_assert_nothing_sent();
}
END_TEST

START_TEST(stdout_short_of_room)
{
	static char big[100000];

	boot_with(streams);
	room = OUT_CHUNK + 8 + 8 + OUT_MIN - 1; /* one frame, and too little for a second */
	ck_assert_int_eq(plat_stdio_write(1, big, sizeof big), OUT_CHUNK);
	ck_assert(!room_wanted);
	ck_assert_int_eq(plat_stdio_write(1, big, sizeof big), -EAGAIN);
	ck_assert(room_wanted);
	ck_assert_int_eq(plat_stdio_write(1, big, OUT_MIN - 1), OUT_MIN - 1); /* but enough for this */
	ck_assert_int_eq(plat_stdio_write(1, "x", 1), -EAGAIN);
	room = 8 + OUT_MIN;
	ck_assert_int_eq(plat_stdio_write(1, big, sizeof big), OUT_MIN);
	ck_assert_uint_eq(ctl_events(true), IRQ_STDIO);
}
END_TEST

START_TEST(closed_readers)
{
	static const uint8_t fds[] = { 1, 0, 2, ENOSPC, 0, 0, 3, 0 };

	boot_with(streams);
	host_sends_now(CTL_CLOSED, fds + 4, 2);
	host_sends_now(CTL_CLOSED, fds + 6, 2);
	host_sends_now(CTL_CLOSED, fds, 1); /* wrong length */
	ck_assert_uint_eq(ctl_events(false), 0);
	host_sends_now(CTL_CLOSED, fds, 2);
	ck_assert_uint_eq(ctl_events(false), IRQ_STDIO);
	ck_assert_int_eq(plat_stdio_write(1, "x", 1), -EPIPE);
	ck_assert_int_eq(plat_stdio_write(2, "x", 1), 1);
	host_sends_now(CTL_CLOSED, fds + 2, 2);
	ck_assert_int_eq(plat_stdio_write(2, "x", 1), -ENOSPC);
}
END_TEST

/* ---- streams that are files ---- */

static const uint8_t files[3] = { CTL_STDIO_BYTE(PLAT_STDIO_FILE, 0, O_RDONLY, 0), CTL_STDIO_BYTE(PLAT_STDIO_FILE, 0, O_WRONLY, 1),
				  CTL_STDIO_BYTE(PLAT_STDIO_FILE, 2, O_WRONLY, 1) };

static void host_answers(int64_t result, const char *data, uint32_t n)
{
	char frame[8 + 70000];

	memcpy(frame, &result, 8);
	memcpy(frame + 8, data, n);
	host_sends_now(CTL_REPLY, frame, 8 + n);
}

START_TEST(files_are_described)
{
	static const uint8_t wild[3] = { 0xff, CTL_STDIO_BYTE(PLAT_STDIO_STREAM, 3, 0, 0), PLAT_STDIO_STREAM };

	boot_with(files);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(plat_stdio_kind(i), PLAT_STDIO_FILE);
		ck_assert_int_eq(plat_stdio_same(i), i == 2 ? 1 : i);
		ck_assert_int_eq(plat_stdio_flags(i), i ? O_WRONLY | O_APPEND : O_RDONLY);
	}
	setup();
	boot_with(wild);
	ck_assert_int_eq(plat_stdio_kind(0), PLAT_STDIO_CLOSED);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(plat_stdio_same(i), i);
}
END_TEST

START_TEST(calls_and_answers)
{
	struct stdfile_call seek = { STDFILE_SEEK, 1, 7, SEEK_SET }, w = { STDFILE_WRITE, 1, 5, 3 }, st = { STDFILE_STAT, 1, 0, 144 };
	char b[200], both[sizeof w + 3];

	for (script_piece = 1; script_piece < 40; script_piece++) {
		size_t piece = script_piece;

		setup();
		boot_with(files);
		script_piece = piece;
		ck_assert_int_eq(plat_stdio_call(&seek, NULL), -EAGAIN);
		ck_assert_sent(CTL_CALL, &seek, sizeof seek);
		ck_assert_int_eq(plat_stdio_call(&seek, NULL), -EAGAIN);
		ck_assert_nothing_sent(); /* once */
		host_answers(7, "", 0);
		ck_assert_uint_eq(ctl_events(false), IRQ_STDIO);
		ck_assert_int_eq(plat_stdio_call(&seek, NULL), 7);
		memcpy(both, &w, sizeof w);
		memcpy(both + sizeof w, "abc", 3);
		ck_assert_int_eq(plat_stdio_call(&w, both + sizeof w), -EAGAIN);
		ck_assert_sent(CTL_CALL, both, sizeof both);
		host_answers(-ENOSPC, "", 0);
		ck_assert_int_eq(plat_stdio_call(&w, b), -ENOSPC);
		memset(both, 's', sizeof both);
		ck_assert_int_eq(plat_stdio_call(&st, b), -EAGAIN);
		host_answers(99, both, sizeof both);
		ck_assert_int_eq(plat_stdio_call(&st, b), 99);
		ck_assert_mem_eq(b, both, sizeof both);
	}
}
END_TEST

START_TEST(a_call_waits_for_room)
{
	struct stdfile_call seek = { STDFILE_SEEK, 1, 7, SEEK_SET };

	boot_with(files);
	room = 10;
	ck_assert_int_eq(plat_stdio_call(&seek, NULL), -EAGAIN);
	ck_assert(room_wanted);
	ck_assert_nothing_sent();
	room = 1000;
	ck_assert_int_eq(plat_stdio_call(&seek, NULL), -EAGAIN);
	ck_assert_sent(CTL_CALL, &seek, sizeof seek);
	ctl_gone();
	ck_assert_int_eq(plat_stdio_call(&seek, NULL), -EIO);
}
END_TEST

START_TEST(small_reads_are_served_from_a_large_one)
{
	struct stdfile_call one = { STDFILE_READ, 0, STDFILE_HERE, 2 }, sent_ = one, seek = { STDFILE_SEEK, 0, 1, SEEK_CUR };
	uint32_t left = 2;
	char b[10000];

	boot_with(files);
	sent_.len = READ_AHEAD;
	ck_assert_int_eq(plat_stdio_call(&one, b), -EAGAIN);
	ck_assert_sent(CTL_CALL, &sent_, sizeof sent_);
	host_answers(6, "abcdef", 6);
	ck_assert_int_eq(plat_stdio_call(&one, b), 2);
	ck_assert_mem_eq(b, "ab", 2);
	ck_assert_int_eq(plat_stdio_call(&one, b), 2);
	ck_assert_mem_eq(b, "cd", 2);
	ck_assert_nothing_sent(); /* no credit, no call */
	ck_assert_int_eq(plat_stdio_call(&seek, NULL), -EAGAIN);
	ck_assert_sent(CTL_UNREAD, &left, 4);
	ck_assert_sent(CTL_CALL, &seek, sizeof seek);
	host_answers(5, "", 0);
	ck_assert_int_eq(plat_stdio_call(&seek, NULL), 5);
	one.len = sent_.len = 5000; /* a large one has its own buffer */
	ck_assert_int_eq(plat_stdio_call(&one, b), -EAGAIN);
	ck_assert_sent(CTL_CALL, &sent_, sizeof sent_);
	host_answers(3, "xyz", 3);
	ck_assert_int_eq(plat_stdio_call(&one, b), 3);
	ck_assert_mem_eq(b, "xyz", 3);
	one.len = 1; /* it goes on: more at a time */
	sent_.len = 2 * READ_AHEAD;
	ck_assert_int_eq(plat_stdio_call(&one, b), -EAGAIN);
	ck_assert_sent(CTL_CALL, &sent_, sizeof sent_);
	host_answers(3, "123", 3);
	ck_assert_int_eq(plat_stdio_call(&one, b), 1);
	ctl_exit(0); /* the end gives back what was not read */
	ck_assert_sent(CTL_UNREAD, &left, 4);
	ck_assert_sent(CTL_EXIT, "\0\0\0", 4);
}
END_TEST

/* What is certain to follow lets the port interrupt less: the rest of a frame once its header is there. */
START_TEST(the_rest_of_a_frame_is_expected)
{
	static const struct {
		size_t more;
		uint32_t expected;
	} steps[] = { { 7, 0 }, { 1, 10000 }, { 1, 9999 }, { 9998, 1 }, { 1, 0 }, { 8, 0 } };
	static char text[10000];

	boot_with(streams);
	ck_assert_uint_eq(ctl_expects(), 0);
	host_sends(CTL_STDIN, text, sizeof text);
	host_sends(CTL_STDIN, text, 0);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		script_piece = steps[i].more;
		console_pump();
		ck_assert_uint_eq(ctl_expects(), steps[i].expected);
	}
}
END_TEST

START_TEST(wrong_answers)
{
	struct stdfile_call rd = { STDFILE_READ, 0, 0, 100 };
	char b[100];

	boot_with(files);
	host_answers(5, "", 0); /* nobody asked: ignored */
	host_sends_now(CTL_REPLY, "1234", 4);
	ck_assert_int_eq(plat_stdio_call(&rd, b), -EAGAIN);
	host_sends_now(CTL_REPLY, "1234", 4); /* too short: ignored */
	ck_assert_int_eq(plat_stdio_call(&rd, b), -EAGAIN);
	host_answers(200, "abc", 3);
	ck_assert_int_eq(plat_stdio_call(&rd, b), -EIO);
	ck_assert_int_eq(plat_stdio_call(&rd, b), -EAGAIN);
	ck_assert(!ctl.gone);
	host_answers(101, (char *)sent, 101); /* more than there is room for */
	ck_assert(ctl.gone);
	ck_assert_int_eq(plat_stdio_call(&rd, b), -EIO);
}
END_TEST

START_TEST(terminal_on_descriptor_0)
{
	uint8_t kinds[3] = { PLAT_STDIO_TTY, PLAT_STDIO_TTY, PLAT_STDIO_STREAM };

	boot_with(kinds);
	plat_stdio_write(0, "a", 1);
	ck_assert_sent(CTL_STDOUT, "a", 1);
	setup();
	kinds[1] = PLAT_STDIO_STREAM;
	kinds[2] = PLAT_STDIO_TTY;
	boot_with(kinds);
	plat_stdio_write(0, "b", 1);
	ck_assert_sent(CTL_STDERR, "b", 1);
	setup();
	kinds[2] = PLAT_STDIO_STREAM;
	boot_with(kinds);
	plat_stdio_write(0, "c", 1);
	ck_assert_sent(CTL_TTY, "c", 1);
}
END_TEST

/* ---- log, trace, exit ---- */

static void room_after_10(void)
{
	if (pumps == 10)
		room = 100000;
}

static void term_after_10(void)
{
	uint32_t sig = SIGTERM;

	if (pumps == 10) {
		on_pump = NULL;
		host_sends_now(CTL_SIGNAL, &sig, 4);
	}
}

START_TEST(log_waits_a_second_once)
{
	uint64_t t0;

	boot_with(streams);
	ck_assert(ctl_log("one", 3));
	ck_assert_sent(CTL_LOG, "one", 3);
	pumps = 0;
	room = 0;
	on_pump = room_after_10;
	ck_assert(ctl_log("two", 3));
	ck_assert_sent(CTL_LOG, "two", 3);
	room = 0;
	on_pump = NULL;
	pump_ns = 10 * NSEC_PER_MSEC;
	t0 = plat_time_mono();
	ck_assert(!ctl_log("three", 5));
	ck_assert_uint_ge(plat_time_mono() - t0, NSEC_PER_SEC);
	t0 = plat_time_mono();
	ck_assert(!ctl_log("four", 4)); /* not again, … */
	ck_assert_uint_lt(plat_time_mono() - t0, NSEC_PER_SEC / 10);
	room = 1000;
	ck_assert(ctl_log("five", 4)); /* … until it works again */
	ck_assert_sent(CTL_LOG, "five", 4);
	room = 0;
	t0 = plat_time_mono();
	ck_assert(!ctl_log("six", 3));
	ck_assert_uint_ge(plat_time_mono() - t0, NSEC_PER_SEC);
}
END_TEST

START_TEST(trace_waits_for_room_but_not_past_a_signal)
{
	static char big[OUT_CHUNK + 5];

	boot_with(streams);
	pump_ns = NSEC_PER_SEC;
	pumps = 0;
	room = 0;
	on_pump = room_after_10;
	plat_trace(big, sizeof big);
	ck_assert_sent(CTL_TRACE, big, OUT_CHUNK);
	ck_assert_sent(CTL_TRACE, big, 5);
	pumps = 0;
	room = 0;
	on_pump = term_after_10;
	plat_trace("lost", 4);
	ck_assert_nothing_sent();
	ck_assert_int_eq(plat_signal_next(), SIGTERM);
}
END_TEST

static void drained_after_10(void)
{
	drained = pumps >= 10;
}

START_TEST(exit_waits_until_all_is_taken)
{
	uint32_t status = 0x2a00;

	boot_with(streams);
	ctl.signals = 1ull << (SIGINT - 1); /* one that came before the end does not count */
	drained = false;
	pumps = 0;
	on_pump = drained_after_10;
	room = 0; /* the reserve is for it */
	ctl_exit(status);
	ck_assert_sent(CTL_EXIT, &status, 4);
	ck_assert_nothing_sent(); /* once */
	ck_assert_uint_ge(pumps, 10);
}
END_TEST

START_TEST(exit_gives_up)
{
	uint64_t t0;

	boot_with(streams);
	drained = false;
	pumps = 0;
	on_pump = term_after_10;
	ctl_exit(0); /* a signal ends the wait */
	ck_assert_uint_eq(pumps, 11);

	setup();
	boot_with(streams);
	drained = false;
	reserve_full = true;
	pump_ns = NSEC_PER_MSEC;
	t0 = plat_time_mono();
	ctl_exit(CTL_EXIT_PANIC); /* a second, whatever the host does */
	ck_assert_uint_ge(plat_time_mono() - t0, NSEC_PER_SEC);
	ck_assert_uint_lt(plat_time_mono() - t0, 2 * NSEC_PER_SEC);
	ck_assert_nothing_sent();
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("kvm_ctl", &tc, setup, NULL);

	tcase_add_test(tc, no_channel);
	tcase_add_test(tc, boot_in_any_pieces_and_order);
	tcase_add_test(tc, boot_waits_for_a_terminals_size);
	tcase_add_test(tc, stdin_with_the_boot_frames);
	tcase_add_test(tc, boot_failures);
	tcase_add_test(tc, only_the_first_boot_and_stdio_count);
	tcase_add_test(tc, an_empty_blob_is_none);
	tcase_add_test(tc, stdin_and_credit);
	tcase_add_test(tc, credit_is_not_lost);
	tcase_add_test(tc, stdin_overflow_ends_the_channel);
	tcase_add_test(tc, end_of_file);
	tcase_add_test(tc, hang_up_of_the_terminal);
	tcase_add_test(tc, signals_and_sizes);
	tcase_add_test(tc, host_gone);
	tcase_add_test(tc, stdout_and_stderr);
	tcase_add_test(tc, stdout_short_of_room);
	tcase_add_test(tc, closed_readers);
	tcase_add_test(tc, files_are_described);
	tcase_add_test(tc, calls_and_answers);
	tcase_add_test(tc, a_call_waits_for_room);
	tcase_add_test(tc, small_reads_are_served_from_a_large_one);
	tcase_add_test(tc, the_rest_of_a_frame_is_expected);
	tcase_add_test(tc, wrong_answers);
	tcase_add_test(tc, terminal_on_descriptor_0);
	tcase_add_test(tc, log_waits_a_second_once);
	tcase_add_test(tc, trace_waits_for_room_but_not_past_a_signal);
	tcase_add_test(tc, exit_waits_until_all_is_taken);
	tcase_add_test(tc, exit_gives_up);
	return s;
}
