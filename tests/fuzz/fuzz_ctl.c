/* libFuzzer target: the control channel's frames (plat/kvm/virtio/frame.c). The stream, cut into pieces as the input says,
 * must give what it gives in one piece, byte for byte. Then the guest's end of the channel (plat/kvm/ctl.c) takes the same
 * pieces while calls about its files and reads are under way: nothing is written past a buffer. */
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

#include "tests/fuzz/fuzz.h"

#include "plat/kvm/ctl.c"

/* ---- a port that takes everything ---- */

bool kvm_in_core;
static char *blob_pages;

void *kvm_boot_pages(size_t n)
{
	static char in[CTL_STDIN_CREDIT];

	if (n * PAGE_SIZE == sizeof(in))
		return in;
	free(blob_pages);
	return blob_pages = malloc(n * PAGE_SIZE);
}

void serial_write(const char *text, size_t len) {}
bool console_alive(void) { return true; }
bool console_drained(void) { return true; }
size_t console_room(void) { return 1 << 20; }
bool console_send(const void *a, size_t na, const void *b, size_t nb, bool use_reserve) { return true; }
bool console_want_room(void) { return false; }
void console_pump(void) {}

/* ---- the target ---- */

struct seen {
	struct frame_parser p;
	uint64_t hash;
	size_t payload;
};

static void mix(struct seen *s, uint8_t byte) { s->hash = (s->hash ^ byte) * 0x100000001b3ul; }

static void on_data(struct frame_parser *p, const void *bytes, size_t n)
{
	struct seen *s = container_of(p, struct seen, p);

	fuzz_check(n && p->off == s->payload && s->payload + n <= p->head.len && p->head.len <= CTL_FRAME_MAX);
	for (size_t i = 0; i < n; i++)
		mix(s, ((const uint8_t *)bytes)[i]);
	s->payload += n;
}

static void on_end(struct frame_parser *p)
{
	struct seen *s = container_of(p, struct seen, p);

	fuzz_check(s->payload == p->head.len);
	for (unsigned i = 0; i < FRAME_SMALL; i++) {
		fuzz_check(i < p->head.len || !p->small[i]);
		mix(s, p->small[i]);
	}
	mix(s, (uint8_t)p->head.type);
	s->payload = 0;
}

static void guest_reset(void)
{
	memset(&ctl, 0, sizeof ctl);
	ctl.parser.data = frame_data;
	ctl.parser.end = frame_end;
	ctl.open = true;
	kvm_in_core = false;
}

/* One step of a program: the call that is under way, or the next; and a read of a stream. */
static void guest_step(struct stdfile_call *c, char **buf, unsigned n)
{
	static const unsigned len[] = { 1, 100, 5000, STDFILE_MAX };
	char some[100];
	long r;

	if (!*buf) {
		*c = (struct stdfile_call){ n % (STDFILE_PATH + 1), n % 3, n & 4 ? STDFILE_HERE : 8, len[n >> 3 & 3] };
		if (c->op == STDFILE_STAT)
			c->len = sizeof(struct stdfile_stat);
		*buf = malloc(c->len);
	}
	r = plat_stdio_call(c, *buf);
	if (r != -EAGAIN) {
		fuzz_check((c->op != STDFILE_READ && c->op != STDFILE_PATH) || r <= (long)c->len);
		free(*buf);
		*buf = NULL;
	}
	if (plat_stdio_kind(0) != PLAT_STDIO_FILE)
		fuzz_check(plat_stdio_read(some, sizeof some) <= (long)sizeof some);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole = { .p = { .data = on_data, .end = on_end } }, cut = whole;
	struct fuzz_in in = { data, size };
	unsigned step = fuzz_byte(&in), kinds = fuzz_byte(&in);
	struct stdfile_call call;
	char *buf = NULL;
	const uint8_t *stream = in.data;
	size_t total = in.len;
	int r = frame_feed(&whole.p, stream, total), q = 0;

	guest_reset();
	ctl.kind[0] = kinds & 1 ? PLAT_STDIO_FILE : PLAT_STDIO_STREAM;
	ctl.kind[1] = kinds & 2 ? PLAT_STDIO_FILE : PLAT_STDIO_STREAM;
	ctl.have_stdio = kinds & 4;
	while (in.len && !q) {
		size_t n = 1 + (step = step * 13 + 7) % 23;
		uint8_t *piece = fuzz_copy(&in, &n);

		q = frame_feed(&cut.p, piece, n);
		guest_step(&call, &buf, step);
		ctl_input(piece, n);
		free(piece);
	}
	free(buf);
	fuzz_check(r == q && whole.hash == cut.hash);
	fuzz_check(r == 0 || frame_feed(&whole.p, "x", 1) == r);
	return 0;
}
