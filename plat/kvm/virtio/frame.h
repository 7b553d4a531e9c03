/* Splits a byte stream into the frames of plat/ctl.h. Knows no device and no frame's meaning. */
#ifndef PLAT_KVM_VIRTIO_FRAME_H
#define PLAT_KVM_VIRTIO_FRAME_H

#include "core/types.h"
#include "plat/ctl.h"

#define FRAME_SMALL 16

/* The owner sets the two functions and zeroes the rest. */
struct frame_parser {
	/* `n` more bytes of the payload, the first of them at offset `off`. Never called with n == 0. The bytes are the
	 * caller's of frame_feed() and valid only during the call. */
	void (*data)(struct frame_parser *p, const void *bytes, size_t n);
	/* The frame is complete (also one without payload). */
	void (*end)(struct frame_parser *p);

	struct ctl_header head; /* of the current frame */
	uint32_t nhead;         /* bytes of it that are there */
	uint32_t off;           /* bytes of payload that were handed on */
	bool broken;            /* a header beyond CTL_FRAME_MAX: the stream makes no sense any more */
	uint8_t small[FRAME_SMALL]; /* at end(): the payload's first bytes, zeroes behind them */
};

/* Takes the next bytes of the stream. 0, or -EPROTO once the stream is broken; the frames before that were
 * delivered. */
int frame_feed(struct frame_parser *p, const void *bytes, size_t n);

#endif
