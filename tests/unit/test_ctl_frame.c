/* plat/kvm/virtio/frame.c: the stream in any pieces gives the same frames; what is malformed breaks it and nothing
 * else. */
#include "tests/unit/unit.h"

#include "plat/kvm/virtio/frame.c"

/* What the parser delivered, as text of its own: type, length, payload. */
static struct {
	uint8_t bytes[CTL_FRAME_MAX + 64];
	size_t len;
	unsigned frames;
	size_t payload;     /* of the current frame */
	uint32_t last_type;
	uint8_t small[FRAME_SMALL];
} got;

static void on_data(struct frame_parser *p, const void *bytes, size_t n)
{
	if (n == 0 || p->off != got.payload || got.payload + n > p->head.len || got.len + n > sizeof got.bytes)
		ck_abort_msg("%zu bytes at %u of %u", n, p->off, p->head.len);
	memcpy(got.bytes + got.len, bytes, n);
	got.len += n;
	got.payload += n;
}

static void on_end(struct frame_parser *p)
{
	uint32_t mark[2] = { p->head.type, p->head.len };

	ck_assert_uint_eq(got.payload, p->head.len);
	memcpy(got.bytes + got.len, mark, sizeof mark);
	got.len += sizeof mark;
	got.payload = 0;
	got.frames++;
	got.last_type = p->head.type;
	memcpy(got.small, p->small, sizeof got.small);
}

static struct frame_parser parser;

static void start(void)
{
	parser = (struct frame_parser){ .data = on_data, .end = on_end };
	memset(&got, 0, sizeof got);
}

static size_t frame_put(uint8_t *to, uint32_t type, const void *payload, uint32_t len)
{
	uint32_t head[2] = { type, len };

	memcpy(to, head, sizeof head);
	if (len)
		memcpy(to + sizeof head, payload, len);
	return sizeof head + len;
}

/* A stream of frames of all kinds of lengths and types; its size. */
static size_t stream_make(uint8_t *to, unsigned frames)
{
	static uint8_t payload[5000];
	uint64_t seed = 7;
	size_t len = 0;

	for (unsigned i = 0; i < frames; i++) {
		uint32_t n = i % 3 ? unit_random(&seed) % (i % 3 == 1 ? 20 : sizeof payload) : 0;

		for (uint32_t k = 0; k < n; k++)
			payload[k] = unit_random(&seed);
		len += frame_put(to + len, unit_random(&seed) % 20, payload, n);
	}
	return len;
}

START_TEST(any_pieces)
{
	static uint8_t stream[400000], whole[400000];
	size_t len = stream_make(stream, 100), whole_len;
	uint64_t seed = 3;

	start();
	ck_assert_int_eq(frame_feed(&parser, stream, len), 0);
	ck_assert_uint_eq(got.frames, 100);
	whole_len = got.len;
	memcpy(whole, got.bytes, whole_len);

	start();
	for (size_t i = 0; i < len; i++)
		if (frame_feed(&parser, stream + i, 1) < 0)
			ck_abort_msg("byte %zu", i);
	ck_assert_uint_eq(got.len, whole_len);
	ck_assert_mem_eq(got.bytes, whole, whole_len);

	for (unsigned max = 2; max < 20000; max = max * 3 / 2 + 1) {
		start();
		for (size_t i = 0, n; i < len; i += n) {
			n = MIN((size_t)(unit_random(&seed) % max), len - i); /* also pieces of no bytes */
			if (frame_feed(&parser, stream + i, n) < 0)
				ck_abort_msg("byte %zu", i);
		}
		ck_assert_uint_eq(got.frames, 100);
		ck_assert_uint_eq(got.len, whole_len);
		ck_assert_mem_eq(got.bytes, whole, whole_len);
	}
}
END_TEST

START_TEST(small_payload_is_collected)
{
	static const uint8_t bytes[20] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20 };
	static const uint8_t zero[FRAME_SMALL];
	uint8_t f[64];

	for (uint32_t len = 0; len <= sizeof bytes; len++) {
		size_t n = frame_put(f, CTL_SIGNAL, bytes, len), keep = MIN(len, (uint32_t)FRAME_SMALL);

		start();
		memset(parser.small, 0xff, sizeof parser.small); /* of a frame before */
		for (size_t i = 0; i < n; i++)
			frame_feed(&parser, f + i, 1);
		ck_assert_uint_eq(got.frames, 1);
		ck_assert_mem_eq(got.small, bytes, keep);
		ck_assert_mem_eq(got.small + keep, zero, FRAME_SMALL - keep);
	}
}
END_TEST

START_TEST(empty_frame_ends_at_its_header)
{
	uint8_t f[8];

	start();
	frame_put(f, CTL_STDIN, NULL, 0);
	ck_assert_int_eq(frame_feed(&parser, f, 7), 0);
	ck_assert_uint_eq(got.frames, 0);
	ck_assert_int_eq(frame_feed(&parser, f + 7, 1), 0);
	ck_assert_uint_eq(got.frames, 1);
	ck_assert_uint_eq(got.last_type, CTL_STDIN);
}
END_TEST

/* The longest frame passes; one byte more breaks the stream for good, whatever follows, and in whatever pieces. */
START_TEST(too_long)
{
	static uint8_t f[CTL_FRAME_MAX + 64];
	size_t n;

	start();
	n = frame_put(f, CTL_BOOT, f + 8, CTL_FRAME_MAX);
	ck_assert_int_eq(frame_feed(&parser, f, n), 0);
	ck_assert_uint_eq(got.frames, 1);

	for (size_t piece = 1; piece <= 40; piece++) {
		uint8_t bad[40];
		int err = 0;

		start();
		n = frame_put(bad, CTL_WINSIZE, "abcd", 4);
		n += frame_put(bad + n, CTL_STDIN, NULL, 0);
		*(uint32_t *)(bad + n - 4) = CTL_FRAME_MAX + 1;
		n += frame_put(bad + n, CTL_WINSIZE, "abcd", 4);
		for (size_t i = 0; i < n; i += piece)
			err = frame_feed(&parser, bad + i, MIN(piece, n - i));
		ck_assert_int_eq(err, -EPROTO);
		ck_assert_uint_eq(got.frames, 1); /* the good one before */
		ck_assert_int_eq(frame_feed(&parser, bad, n), -EPROTO);
		ck_assert_uint_eq(got.frames, 1);
	}
	start();
	memset(f, 0xff, 8);
	ck_assert_int_eq(frame_feed(&parser, f, 8), -EPROTO);
	ck_assert_uint_eq(got.frames, 0);
	ck_assert_uint_eq(got.len, 0);
}
END_TEST

/* Rubbish never makes the parser hand on more than a header promised (on_data asserts it). */
START_TEST(rubbish)
{
	uint64_t seed = 99;

	for (unsigned round = 0; round < unit_rounds(2000); round++) {
		uint8_t junk[256];

		start();
		for (size_t i = 0; i < sizeof junk; i++)
			junk[i] = unit_random(&seed) % 4 ? 0 : unit_random(&seed);
		for (size_t i = 0; i < sizeof junk; i += 16)
			if (frame_feed(&parser, junk + i, 16) < 0)
				ck_assert(parser.broken);
	}
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("ctl_frame", &tc, NULL, NULL);

	tcase_add_test(tc, any_pieces);
	tcase_add_test(tc, small_payload_is_collected);
	tcase_add_test(tc, empty_frame_ends_at_its_header);
	tcase_add_test(tc, too_long);
	tcase_add_test(tc, rubbish);
	return s;
}
