/* The split virtqueue: virtio 1.2, section 2.7, with VIRTIO_F_EVENT_IDX (2.7.10) where the device has it.
 *
 * Order of memory accesses: x86 keeps loads and stores in order except that a load may pass an earlier store. So
 * release and acquire only hold the compiler back, and a real fence stands at the two places where both sides write one
 * word and then read the other's: publishing avail.idx before reading avail_event, and writing used_event before
 * reading used.idx. Without them each side could believe that the other will look.
 *
 * Indices run freely modulo 2^16; the queue's size is a power of two, so that masking works over the wrap.
 *
 * Deliberately missing: indirect descriptors (queues are as long as a request is scattered, and a second table would
 * cost memory), packed rings, in-order use, per-queue reset. */
#include "plat/kvm/virtio/ring.h"

#include "core/printf.h"
#include "shim/abi/errno.h"

#define DESC_F_NEXT          1
#define DESC_F_WRITE         2
#define AVAIL_F_NO_INTERRUPT 1
#define USED_F_NO_NOTIFY     1

struct vring_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

struct vring_avail {
	uint16_t flags;
	uint16_t idx;
	uint16_t ring[]; /* `size` heads, then used_event */
};

struct vring_used {
	uint16_t flags;
	uint16_t idx;
	struct {
		uint32_t id;
		uint32_t len;
	} ring[]; /* `size` entries, then avail_event */
};

static uint16_t *used_event(struct vq *q)
{
	return &q->avail->ring[q->size];
}

static uint16_t avail_event(struct vq *q)
{
	return __atomic_load_n((uint16_t *)&q->used->ring[q->size], __ATOMIC_RELAXED);
}

static uint16_t device_idx(struct vq *q)
{
	return __atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE);
}

void vq_init(struct vq *q, unsigned size, bool event_idx, void *mem, struct vq_slot *slots)
{
	kassert(size > 0 && size <= VQ_SIZE_MAX && (size & (size - 1)) == 0);
	*q = (struct vq){ .slots = slots, .size = size, .nfree = size, .event_idx = event_idx };
	q->desc = mem;
	q->avail = (void *)((char *)mem + VQ_AVAIL_OFF(size));
	q->used = (void *)((char *)mem + VQ_USED_OFF(size));
	for (unsigned i = 0; i < size; i++)
		slots[i] = (struct vq_slot){ .next = i + 1 };
}

/* Whether the segments can ever be queued; *in_cap gets the size of the writable part. */
static bool segs_valid(const struct vq *q, const struct vq_seg *segs, unsigned nout, unsigned nin, uint32_t *in_cap)
{
	uint64_t out = 0, in = 0;

	if (nout > q->size || nin > q->size || nout + nin == 0 || nout + nin > q->size)
		return false;
	for (unsigned i = 0; i < nout + nin; i++) {
		if (segs[i].len == 0)
			return false;
		*(i < nout ? &out : &in) += segs[i].len;
	}
	*in_cap = in;
	return out + in <= UINT32_MAX;
}

int vq_add(struct vq *q, const struct vq_seg *segs, unsigned nout, unsigned nin, void *cookie)
{
	uint32_t in_cap;
	unsigned n = nout + nin;
	uint16_t head = q->free_head, i = head;

	if (q->broken)
		return -EIO;
	if (!segs_valid(q, segs, nout, nin, &in_cap))
		return -EINVAL;
	if (n > q->nfree)
		return -EAGAIN;
	for (unsigned k = 0; k < n; k++) {
		struct vring_desc *d = &q->desc[i];
		uint16_t next = q->slots[i].next;

		d->addr = segs[k].pa;
		d->len = segs[k].len;
		d->flags = (k >= nout ? DESC_F_WRITE : 0) | (k + 1 < n ? DESC_F_NEXT : 0);
		d->next = k + 1 < n ? next : 0;
		if (k + 1 == n)
			q->free_head = next;
		i = next;
	}
	q->nfree -= n;
	q->inflight++;
	q->slots[head].cookie = cookie;
	q->slots[head].in_cap = in_cap;
	q->slots[head].count = n;
	q->avail->ring[q->avail_idx & (q->size - 1)] = head;
	q->avail_idx++;
	return 0;
}

bool vq_kick_due(struct vq *q)
{
	uint16_t old = q->kick_idx, new = q->avail_idx;

	if (old == new || q->broken)
		return false;
	q->kick_idx = new;
	__atomic_store_n(&q->avail->idx, new, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	/* 2.7.10.1: notify when the index the device waits for, avail_event, is among the new ones [old, new). */
	if (q->event_idx)
		return (uint16_t)(new - avail_event(q) - 1) < (uint16_t)(new - old);
	return !(__atomic_load_n(&q->used->flags, __ATOMIC_RELAXED) & USED_F_NO_NOTIFY);
}

/* Gives the chain's descriptors back to the free list. */
static void *chain_free(struct vq *q, uint16_t head)
{
	uint16_t last = head;

	for (unsigned k = 1; k < q->slots[head].count; k++)
		last = q->slots[last].next;
	q->slots[last].next = q->free_head;
	q->free_head = head;
	q->nfree += q->slots[head].count;
	q->slots[head].count = 0;
	q->inflight--;
	return q->slots[head].cookie;
}

void *vq_take(struct vq *q, uint32_t *len)
{
	uint16_t ready = device_idx(q) - q->used_idx;
	uint32_t id, got;

	if (ready == 0 || q->broken)
		return NULL;
	/* Each word is read once: the device could change it between a check and the use. */
	id = __atomic_load_n(&q->used->ring[q->used_idx & (q->size - 1)].id, __ATOMIC_RELAXED);
	got = __atomic_load_n(&q->used->ring[q->used_idx & (q->size - 1)].len, __ATOMIC_RELAXED);
	if (ready > q->inflight || id >= q->size || q->slots[id].count == 0) {
		q->broken = true;
		return NULL;
	}
	q->used_idx++;
	*len = MIN(got, q->slots[id].in_cap);
	return chain_free(q, id);
}

bool vq_irq_enable(struct vq *q, uint16_t after)
{
	if (q->event_idx)
		__atomic_store_n(used_event(q), (uint16_t)(q->used_idx + after - 1), __ATOMIC_RELAXED);
	else
		__atomic_store_n(&q->avail->flags, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return !q->broken && (uint16_t)(device_idx(q) - q->used_idx) >= after;
}

void vq_irq_disable(struct vq *q)
{
	/* An index that the device has just passed comes round again only after 65,535 more buffers. */
	if (q->event_idx)
		__atomic_store_n(used_event(q), (uint16_t)(q->used_idx - 1), __ATOMIC_RELAXED);
	else
		__atomic_store_n(&q->avail->flags, AVAIL_F_NO_INTERRUPT, __ATOMIC_RELAXED);
}

void *vq_abandon(struct vq *q)
{
	for (unsigned i = 0; q->inflight && i < q->size; i++)
		if (q->slots[i].count)
			return chain_free(q, i);
	return NULL;
}
