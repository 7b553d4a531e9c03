/* A split virtqueue, the driver's side (virtio 1.2, section 2.7). Knows memory only: no registers, no interrupts.
 *
 * The caller provides the shared memory, hands physical addresses in, and does the notification when vq_kick_due()
 * says so. The device is not trusted: everything needed to take a buffer back is kept in private memory (struct
 * vq_slot), and what the device writes is checked. A device that breaks the rules makes the queue `broken`: it
 * yields nothing more, and vq_abandon() hands the buffers in flight back. */
#ifndef PLAT_KVM_VIRTIO_RING_H
#define PLAT_KVM_VIRTIO_RING_H

#include "core/types.h"

#define VQ_SIZE_MAX 256u

/* Bytes of shared memory for a queue of n descriptors: table, available ring, used ring (the latter 4-byte aligned).
 * The memory must be zeroed, 16-byte aligned and physically contiguous. 128 descriptors fit into one page. */
#define VQ_AVAIL_OFF(n) (16ul * (n))
#define VQ_USED_OFF(n)  ALIGN_UP(VQ_AVAIL_OFF(n) + 6 + 2ul * (n), 4ul)
#define VQ_BYTES(n)     (VQ_USED_OFF(n) + 6 + 8ul * (n))

struct vq_seg {
	paddr_t pa;
	uint32_t len;
};

/* Private state of one descriptor. cookie, in_cap and count mean something in the head of a chain in flight. */
struct vq_slot {
	void *cookie;
	uint32_t in_cap; /* bytes that the device may write */
	uint16_t next;   /* in the chain, or in the free list */
	uint16_t count;  /* descriptors in the chain; 0: no head in flight */
};

struct vring_desc;
struct vring_avail;
struct vring_used;

struct vq {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	struct vq_slot *slots;
	uint16_t size;      /* power of two, ≤ VQ_SIZE_MAX */
	uint16_t free_head;
	uint16_t nfree;     /* free descriptors */
	uint16_t inflight;  /* chains the device has */
	uint16_t avail_idx; /* next index in the available ring; what was published may lag behind */
	uint16_t kick_idx;  /* avail_idx when vq_kick_due() was last asked */
	uint16_t used_idx;  /* next entry of the used ring to take */
	bool event_idx;     /* VIRTIO_F_EVENT_IDX was negotiated */
	bool broken;
	uint16_t index;     /* the queue's number in its device: the transport's */
	uint32_t notify_off; /* the transport's */
};

/* size: a power of two in 1…VQ_SIZE_MAX. mem: VQ_BYTES(size), zeroed. slots: `size` entries. Interrupts start
 * enabled. */
void vq_init(struct vq *q, unsigned size, bool event_idx, void *mem, struct vq_slot *slots);

/* Queues one buffer: nout device-readable segments, then nin device-writable ones, under a non-NULL cookie. The
 * device may not see it before vq_kick_due(). 0; -EAGAIN when there are too few free descriptors; -EINVAL when it
 * can never fit, is empty, has an empty segment (QEMU gives up a device that is sent one) or is of 4 GiB or more
 * (2.7.5.1); -EIO when broken. */
int vq_add(struct vq *q, const struct vq_seg *segs, unsigned nout, unsigned nin, void *cookie);

/* Publishes what was added; true when the device wants to be notified of it. */
bool vq_kick_due(struct vq *q);

/* The cookie of the next buffer that the device has used, its descriptors free again, or NULL if there is none.
 * *len: how many bytes the device wrote, at most the room it had. */
void *vq_take(struct vq *q, uint32_t *len);

/* Asks for an interrupt once `after` more buffers (at least 1) beyond those taken are used. True if that is already so:
 * then there may be no interrupt, and the caller must take them (the race in 2.7.7). */
bool vq_irq_enable(struct vq *q, uint16_t after);

/* Asks for no interrupts. A hint: they may come nevertheless. */
void vq_irq_disable(struct vq *q);

/* The cookie of some buffer in flight, which is given up, or NULL when none is left. Only for a broken queue or a
 * device that was reset. */
void *vq_abandon(struct vq *q);

#endif
