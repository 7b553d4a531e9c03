/* plat/kvm/virtio/p9.c over fake devices: the virtio layer below is replaced by one that keeps the real ring and
 * lets the test play the device on it. */
#define plat_9p_find   virtio_9p_find
#define plat_9p_submit virtio_9p_submit
#define core_page_get  p9_page_get
#define core_page_put  p9_page_put

#include "tests/unit/unit.h"

#include "plat/kvm/virtio/p9.c"
#include "plat/kvm/virtio/ring.c"

/* ---- fake devices ---- */

#define DEVS 3

static struct fake {
	struct virtio_dev dev;
	char config[20]; /* length and tag */
	uint16_t seen, used;
	int started, stopped, kicks;
} fakes[DEVS];

static int start_err, queue_err;
static int pages_out, pages_left;
static uint8_t pages[8][4096] __attribute__((aligned(4096)));

/* Pages and buffers are host memory: physical addresses are those of the fake platform's direct map. */
paddr_t kvm_pa(const void *va) { return (paddr_t)((const char *)va - plat_direct_map()); }

paddr_t core_page_get(void)
{
	if (pages_left == 0)
		return 0;
	pages_left--;
	memset(pages[pages_out], 0, 4096);
	return kvm_pa(pages[pages_out++]);
}

void core_page_put(paddr_t pa)
{
	pages_out--;
	pages_left++;
}

struct virtio_dev *virtio_find(uint16_t type, unsigned nth)
{
	ck_assert_uint_eq(type, VIRTIO_ID_9P);
	return nth < DEVS ? &fakes[nth].dev : NULL;
}

static struct fake *fake_of(struct virtio_dev *d) { return container_of(d, struct fake, dev); }

int virtio_start(struct virtio_dev *d, uint64_t wanted)
{
	ck_assert_uint_eq(wanted, 1); /* VIRTIO_9P_MOUNT_TAG */
	fake_of(d)->started++;
	return start_err;
}

int virtio_queue(struct virtio_dev *d, struct vq *q, unsigned index, unsigned size, void *mem, struct vq_slot *slots)
{
	ck_assert_uint_eq(index, 0);
	if (!queue_err)
		vq_init(q, size, true, mem, slots);
	return queue_err;
}

void virtio_ready(struct virtio_dev *d, unsigned (*poll)(struct virtio_dev *d), void *driver)
{
	d->poll = poll;
	d->driver = driver;
	d->started = true;
}

void virtio_stop(struct virtio_dev *d)
{
	d->started = false;
	fake_of(d)->stopped++;
}

void virtio_kick(struct virtio_dev *d, struct vq *q)
{
	if (vq_kick_due(q))
		fake_of(d)->kicks++;
}

/* ---- the device's side of the ring ---- */

static struct vq *queue_of(int dev) { return &((struct p9 *)fakes[dev].dev.driver)->q; }

static uint16_t dev_pop(int dev)
{
	struct vq *q = queue_of(dev);

	ck_assert_uint_ne(q->avail->idx, fakes[dev].seen);
	return q->avail->ring[fakes[dev].seen++ % q->size];
}

static void dev_push(int dev, uint32_t id, uint32_t len)
{
	struct vq *q = queue_of(dev);

	q->used->ring[fakes[dev].used % q->size].id = id;
	q->used->ring[fakes[dev].used % q->size].len = len;
	q->used->idx = ++fakes[dev].used;
}

/* The chain from `head` as address and length; a device-writable segment's length is negative. */
static unsigned dev_chain(int dev, uint16_t head, uint64_t *addr, int64_t *len)
{
	struct vring_desc *d = &queue_of(dev)->desc[head];
	unsigned n = 0;

	for (;; d = &queue_of(dev)->desc[d->next]) {
		addr[n] = d->addr;
		len[n++] = d->flags & DESC_F_WRITE ? -(int64_t)d->len : (int64_t)d->len;
		if (!(d->flags & DESC_F_NEXT))
			return n;
	}
}

static void tag_set(int dev, const char *tag)
{
	uint16_t len = strlen(tag);

	memcpy(fakes[dev].config, &len, 2);
	memcpy(fakes[dev].config + 2, tag, len); /* not terminated */
	memset(fakes[dev].config + 2 + len, 'x', sizeof fakes[dev].config - 2 - len);
	fakes[dev].dev.config = fakes[dev].config;
}

static void setup(void)
{
	fake_boot(1 << 20);
	memset(fakes, 0, sizeof fakes);
	memset(p9s, 0, sizeof p9s);
	tag_set(0, "root");
	tag_set(1, "roo");
	tag_set(2, "data");
	start_err = queue_err = pages_out = 0;
	pages_left = 8;
}

static char buf[8][4096];

static struct plat_9p_req *req_simple(struct plat_9p_req *r, char *out, char *in)
{
	memset(r, 0, sizeof *r);
	r->out[0] = (struct plat_9p_seg){ out, 10 };
	r->in[0] = (struct plat_9p_seg){ in, 100 };
	r->nout = r->nin = 1;
	return r;
}

START_TEST(finds_by_whole_tag)
{
	ck_assert_int_eq(plat_9p_find("nothing"), -ENODEV);
	ck_assert_int_eq(plat_9p_find(""), -ENODEV);
	ck_assert_int_eq(plat_9p_find("ro"), -ENODEV);
	ck_assert_int_eq(plat_9p_find("roott"), -ENODEV);
	ck_assert_int_eq(pages_out, 0); /* nothing was started */
	ck_assert_int_eq(plat_9p_find("data"), 2);
	ck_assert_int_eq(plat_9p_find("roo"), 1);
	ck_assert_int_eq(plat_9p_find("data"), 2);
	ck_assert_int_eq(fakes[0].started, 0);
	ck_assert_int_eq(fakes[2].started, 1); /* once */
	fakes[0].dev.config = NULL; /* PCI without a device configuration */
	ck_assert_int_eq(plat_9p_find("root"), -ENODEV);
}
END_TEST

START_TEST(failing_start_leaks_nothing)
{
	start_err = -ENODEV;
	ck_assert_int_eq(plat_9p_find("root"), -ENODEV);
	ck_assert_int_eq(pages_out, 0);
	start_err = 0;
	queue_err = -EIO;
	ck_assert_int_eq(plat_9p_find("root"), -ENODEV);
	ck_assert_int_eq(pages_out, 0);
	ck_assert_int_eq(fakes[0].stopped, 1);
	queue_err = 0;
	for (int left = 0; left < 2; left++) {
		pages_left = left;
		ck_assert_int_eq(plat_9p_find("root"), -ENODEV);
		ck_assert_int_eq(pages_left, left);
	}
	pages_left = 2;
	ck_assert_int_eq(plat_9p_find("root"), 0);
}
END_TEST

START_TEST(bad_requests)
{
	struct plat_9p_req r;
	int dev = plat_9p_find("root");

	ck_assert_int_eq(plat_9p_submit(-1, req_simple(&r, buf[0], buf[1])), -EINVAL);
	ck_assert_int_eq(plat_9p_submit(1, &r), -EINVAL); /* not found yet */
	ck_assert_int_eq(plat_9p_submit(P9_DEVS, &r), -EINVAL);
	r.nout = PLAT_9P_SEGS + 1;
	ck_assert_int_eq(plat_9p_submit(dev, &r), -EINVAL);
	r.nout = 0;
	ck_assert_int_eq(plat_9p_submit(dev, &r), -EINVAL);
	req_simple(&r, buf[0], buf[1])->nin = 0;
	ck_assert_int_eq(plat_9p_submit(dev, &r), -EINVAL);
	req_simple(&r, buf[0], buf[1])->in[0].len = 0;
	ck_assert_int_eq(plat_9p_submit(dev, &r), -EINVAL);
	req_simple(&r, buf[0], buf[1])->in[0].len = (1ul << 32) + 5;
	ck_assert_int_eq(plat_9p_submit(dev, &r), -EINVAL);
	ck_assert_uint_eq(queue_of(0)->inflight, 0);
}
END_TEST

START_TEST(segments)
{
	struct plat_9p_req r;
	uint64_t addr[80];
	int64_t len[80];

	plat_9p_find("root");
	req_simple(&r, buf[0], buf[1]);
	r.nout = 3; /* two neighbours and an empty one between */
	r.out[1] = (struct plat_9p_seg){ buf[5], 0 };
	r.out[2] = (struct plat_9p_seg){ buf[0] + 10, 20 };
	r.nin = 4; /* the first continues where out ended: another direction, not joined */
	r.in[0] = (struct plat_9p_seg){ buf[0] + 30, 11 };
	r.in[1] = (struct plat_9p_seg){ buf[2], 4096 };
	r.in[2] = (struct plat_9p_seg){ buf[3], 4096 };
	r.in[3] = (struct plat_9p_seg){ buf[2], 1 };
	ck_assert_int_eq(plat_9p_submit(0, &r), 0);
	ck_assert_int_eq(fakes[0].kicks, 1);
	ck_assert_uint_eq(dev_chain(0, dev_pop(0), addr, len), 4);
	ck_assert(addr[0] == kvm_pa(buf[0]) && len[0] == 30);
	ck_assert(addr[1] == kvm_pa(buf[0] + 30) && len[1] == -11);
	ck_assert(addr[2] == kvm_pa(buf[2]) && len[2] == -8192);
	ck_assert(addr[3] == kvm_pa(buf[2]) && len[3] == -1);

	req_simple(&r, buf[0], buf[1]); /* the most there can be */
	r.nout = r.nin = PLAT_9P_SEGS;
	for (int i = 0; i < PLAT_9P_SEGS; i++) {
		r.out[i] = (struct plat_9p_seg){ buf[0] + 2 * i, 1 };
		r.in[i] = (struct plat_9p_seg){ buf[1] + 2 * i, 1 };
	}
	ck_assert_int_eq(plat_9p_submit(0, &r), 0);
	ck_assert_uint_eq(dev_chain(0, dev_pop(0), addr, len), 2 * PLAT_9P_SEGS);
	ck_assert_int_eq(plat_9p_submit(0, &r), -EAGAIN);
}
END_TEST

START_TEST(completion_in_any_order)
{
	struct plat_9p_req a, b;
	uint16_t ha, hb;

	plat_9p_find("root");
	ck_assert_int_eq(plat_9p_submit(0, req_simple(&a, buf[0], buf[1])), 0);
	ck_assert_int_eq(plat_9p_submit(0, req_simple(&b, buf[2], buf[3])), 0);
	ck_assert_uint_eq(fakes[0].dev.poll(&fakes[0].dev), 0);
	ha = dev_pop(0);
	hb = dev_pop(0);
	dev_push(0, hb, 7);
	ck_assert_uint_eq(fakes[0].dev.poll(&fakes[0].dev), IRQ_9P);
	ck_assert(b.done && b.in_len == 7 && !a.done);
	ck_assert_uint_eq(fakes[0].dev.poll(&fakes[0].dev), 0);
	dev_push(0, ha, 5000);
	ck_assert_uint_eq(fakes[0].dev.poll(&fakes[0].dev), IRQ_9P);
	ck_assert(a.done && a.in_len == 100); /* no more than there was room for */
}
END_TEST

START_TEST(queue_full_and_on)
{
	static struct plat_9p_req r[P9_QUEUE];
	unsigned n = 0, done = 0;

	plat_9p_find("root");
	while (n < P9_QUEUE && plat_9p_submit(0, req_simple(&r[n], buf[0], buf[1])) == 0)
		n++;
	ck_assert_uint_eq(n, P9_QUEUE / 2);
	for (unsigned i = 0; i < 10; i++)
		dev_push(0, dev_pop(0), 1);
	ck_assert_int_eq(plat_9p_submit(0, &r[n]), -EAGAIN); /* not before they were taken */
	ck_assert_uint_eq(fakes[0].dev.poll(&fakes[0].dev), IRQ_9P);
	for (unsigned i = 0; i < n; i++)
		done += r[i].done;
	ck_assert_uint_eq(done, 10);
	ck_assert_int_eq(plat_9p_submit(0, req_simple(&r[0], buf[0], buf[1])), 0);
	ck_assert(!r[0].done);
}
END_TEST

START_TEST(broken_device_fails_all)
{
	struct plat_9p_req r[3];

	plat_9p_find("root");
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(plat_9p_submit(0, req_simple(&r[i], buf[0], buf[1])), 0);
	dev_push(0, dev_pop(0), 9);
	dev_push(0, 999, 9);
	ck_assert_uint_eq(fakes[0].dev.poll(&fakes[0].dev), IRQ_9P);
	ck_assert_int_eq(fakes[0].stopped, 1); /* before the buffers went back */
	ck_assert(r[0].done && r[0].in_len == 9);
	ck_assert(r[1].done && r[1].in_len == 0);
	ck_assert(r[2].done && r[2].in_len == 0);
	ck_assert_ptr_nonnull(strstr(fake_log(), "9P device"));
	req_simple(&r[0], buf[0], buf[1])->in_len = 55;
	ck_assert_int_eq(plat_9p_submit(0, &r[0]), 0); /* fails at once */
	ck_assert(r[0].done && r[0].in_len == 0);
	ck_assert_int_eq(plat_9p_find("root"), 0);
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("kvm_p9", &tc, setup, NULL);

	tcase_add_test(tc, finds_by_whole_tag);
	tcase_add_test(tc, failing_start_leaks_nothing);
	tcase_add_test(tc, bad_requests);
	tcase_add_test(tc, segments);
	tcase_add_test(tc, completion_in_any_order);
	tcase_add_test(tc, queue_full_and_on);
	tcase_add_test(tc, broken_device_fails_all);
	return s;
}
