/* The frame parser of the control channel: see frame.h and plat/ctl.h.
 *
 * The stream may be cut anywhere, also within a header. Payload is handed on as it arrives, so that nothing here needs
 * memory for the longest frame; short payloads are collected as well, because most frames are a few bytes and mean
 * something only as a whole. What a type means, and whether its length is right, is for the owner to judge. */
#include "plat/kvm/virtio/frame.h"

#include "core/lib/string.h"
#include "shim/abi/errno.h"

/* Collects header bytes; returns how many were used. */
static size_t feed_head(struct frame_parser *p, const uint8_t *b, size_t n)
{
	size_t take = MIN(n, sizeof p->head - p->nhead);

	memcpy((char *)&p->head + p->nhead, b, take);
	p->nhead += take;
	if (p->nhead == sizeof p->head) {
		p->off = 0;
		memset(p->small, 0, sizeof p->small);
		p->broken = p->head.len > CTL_FRAME_MAX;
	}
	return take;
}

static size_t feed_payload(struct frame_parser *p, const uint8_t *b, size_t n)
{
	size_t take = MIN(n, (size_t)(p->head.len - p->off));

	if (take == 0)
		return 0;
	if (p->off < FRAME_SMALL)
		memcpy(p->small + p->off, b, MIN(take, (size_t)(FRAME_SMALL - p->off)));
	p->data(p, b, take);
	p->off += take;
	return take;
}

int frame_feed(struct frame_parser *p, const void *bytes, size_t n)
{
	const uint8_t *b = bytes, *stop = b + n;

	while (!p->broken && b < stop) {
		if (p->nhead < sizeof p->head) {
			b += feed_head(p, b, stop - b);
			if (p->nhead < sizeof p->head || p->broken)
				continue;
		}
		b += feed_payload(p, b, stop - b);
		if (p->off == p->head.len) {
			p->nhead = 0;
			p->end(p);
		}
	}
	return p->broken ? -EPROTO : 0;
}
