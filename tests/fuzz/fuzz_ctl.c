/* libFuzzer target: the control channel's frames (plat/kvm/virtio/frame.c). The stream, cut into pieces as the input says,
 * must give what it gives in one piece, byte for byte. */
#include "plat/kvm/virtio/frame.h"
#include "tests/fuzz/fuzz.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole = { .p = { .data = on_data, .end = on_end } }, cut = whole;
	struct fuzz_in in = { data, size };
	unsigned step = fuzz_byte(&in);
	const uint8_t *stream = in.data;
	size_t total = in.len;
	int r = frame_feed(&whole.p, stream, total), q = 0;

	while (in.len && !q) {
		size_t n = 1 + (step = step * 13 + 7) % 23;
		uint8_t *piece = fuzz_copy(&in, &n);

		q = frame_feed(&cut.p, piece, n);
		free(piece);
	}
	fuzz_check(r == q && whole.hash == cut.hash);
	fuzz_check(r == 0 || frame_feed(&whole.p, "x", 1) == r);
	return 0;
}
