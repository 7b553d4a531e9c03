/* 9P2000.L over virtio: device ID 9 of virtio 1.2, section 5, which has no chapter on it; configuration and use of the
 * queue are as in Linux's uapi header linux/virtio_9p.h and in QEMU. What the messages say is core/fs/'s.
 *
 * One request is one buffer: the device reads the T-message and writes the R-message. A device is started when its
 * mount tag is first asked for; exports that nobody mounts cost nothing. Requests complete in any order.
 *
 * When the device breaks the rules of the queue it is reset, so that it cannot write into buffers any more, and
 * every request in flight ends with in_len 0. */
#include "core/lib/string.h"
#include "plat/kvm/kvm.h"
#include "plat/kvm/virtio/virtio.h"
#include "plat/plat.h"
#include "shim/abi/errno.h"

#define P9_F_MOUNT_TAG 1u /* feature bit 0: the configuration has the tag */
#define P9_QUEUE       128u
#define P9_DEVS        16

struct p9 {
	struct virtio_dev *dev; /* NULL until its tag was asked for */
	struct vq q;
};

static struct p9 p9s[P9_DEVS];

/* struct virtio_9p_config: a 16-bit length and the tag, not terminated. */
static bool tag_is(struct virtio_dev *d, const char *tag)
{
	size_t len = strlen(tag);

	if (!d->config || mmio_read16(d->config) != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (mmio_read8(d->config + 2 + i) != (uint8_t)tag[i])
			return false;
	return true;
}

/* Takes what is done. A request's owner may reuse it as soon as `done` is set. */
static unsigned p9_poll(struct virtio_dev *d)
{
	struct p9 *p = d->driver;
	struct plat_9p_req *r;
	uint32_t len;
	bool any = false;

	do {
		while ((r = vq_take(&p->q, &len)) != NULL) {
			r->in_len = len;
			r->done = true;
			any = true;
		}
	} while (any && vq_irq_enable(&p->q, 1));
	if (!p->q.broken)
		return any ? IRQ_9P : 0;
	kprintf("doppel: 9P device broke its queue: switched off\n");
	virtio_stop(d);
	while ((r = vq_abandon(&p->q)) != NULL) {
		r->in_len = 0;
		r->done = true;
	}
	return IRQ_9P;
}

static int p9_start(struct p9 *p, struct virtio_dev *d)
{
	_Static_assert(VQ_BYTES(P9_QUEUE) <= PAGE_SIZE, "the ring must fit into a page");
	_Static_assert(P9_QUEUE * sizeof(struct vq_slot) <= PAGE_SIZE, "so must its slots");
	paddr_t ring = core_page_get(), slots = core_page_get();
	int err = -ENOMEM;

	if (!ring || !slots)
		goto out_pages;
	err = virtio_start(d, P9_F_MOUNT_TAG);
	if (err)
		goto out_pages;
	err = virtio_queue(d, &p->q, 0, P9_QUEUE, plat_direct_map() + ring, (void *)(plat_direct_map() + slots));
	if (err)
		goto out_stop;
	virtio_ready(d, p9_poll, p);
	p->dev = d;
	return 0;

out_stop:
	virtio_stop(d);
out_pages:
	if (ring)
		core_page_put(ring);
	if (slots)
		core_page_put(slots);
	return err;
}

int plat_9p_find(const char *tag)
{
	for (unsigned i = 0; i < P9_DEVS; i++) {
		struct virtio_dev *d = virtio_find(VIRTIO_ID_9P, i);

		if (!d)
			break;
		if (!tag_is(d, tag))
			continue;
		return p9s[i].dev || p9_start(&p9s[i], d) == 0 ? (int)i : -ENODEV;
	}
	return -ENODEV;
}

/* Appends segments as the queue wants them: empty ones left out, neighbours in memory joined (a device maps each one by
 * itself). The count, or 0 with *ok false. */
static unsigned segs_build(struct vq_seg *to, const struct plat_9p_seg *from, unsigned n, bool *ok)
{
	unsigned k = 0;

	for (unsigned i = 0; i < n; i++) {
		paddr_t pa;

		if (from[i].len == 0)
			continue;
		if (from[i].len > 1u << 30) {
			*ok = false;
			return 0;
		}
		pa = kvm_pa(from[i].base);
		if (k && to[k - 1].pa + to[k - 1].len == pa && to[k - 1].len <= 1u << 30)
			to[k - 1].len += from[i].len;
		else
			to[k++] = (struct vq_seg){ .pa = pa, .len = from[i].len };
	}
	return k;
}

int plat_9p_submit(int dev, struct plat_9p_req *req)
{
	static struct vq_seg segs[2 * PLAT_9P_SEGS]; /* one CPU, no sleeping in here */
	unsigned nout, nin;
	struct p9 *p;
	bool ok = true;
	int err;

	if (dev < 0 || dev >= P9_DEVS || !p9s[dev].dev || req->nout > PLAT_9P_SEGS || req->nin > PLAT_9P_SEGS)
		return -EINVAL;
	p = &p9s[dev];
	nout = segs_build(segs, req->out, req->nout, &ok);
	nin = segs_build(segs + nout, req->in, req->nin, &ok);
	if (!ok || nout == 0 || nin == 0)
		return -EINVAL;
	req->done = false;
	req->in_len = 0;
	err = vq_add(&p->q, segs, nout, nin, req);
	if (err == -EIO) { /* broken: the transport has failed, as in_len 0 says */
		req->done = true;
		return 0;
	}
	if (err)
		return err;
	virtio_kick(p->dev, &p->q);
	return 0;
}
