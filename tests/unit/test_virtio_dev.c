/* plat/kvm/virtio/dev.c and mmio.c: finding devices by command line words, the start-up sequence against devices that
 * refuse, and the way from vectors to drivers. Registers are plain memory; a device of its own making stands behind a
 * fake transport where registers must act. */
#include "tests/unit/unit.h"

#include "plat/kvm/virtio/dev.c"
#include "plat/kvm/virtio/mmio.c"
#include "plat/kvm/virtio/ring.c"

static const char *words[16];
static uint32_t regs[16][0x200 / 4];
static paddr_t mapped[16];
static size_t mapped_len[16];
static unsigned nmapped, pci_scans, boots;
static bool map_fails, channel, pci_word;

const char *kvm_word(const char *name, unsigned nth, size_t *len)
{
	ck_assert_str_eq(name, "virtio_mmio.device");
	if (!words[nth])
		return NULL;
	*len = strcspn(words[nth], " ");
	return words[nth];
}

volatile void *kvm_map_mmio(paddr_t pa, size_t len)
{
	mapped[nmapped] = pa;
	mapped_len[nmapped] = len;
	return map_fails ? NULL : regs[nmapped++];
}

bool kvm_flag(const char *name) { return strcmp(name, "pci") == 0 && pci_word; }
paddr_t kvm_pa(const void *va) { return (uintptr_t)va; }
int irq_enable(unsigned gsi, unsigned vector, bool level, bool low) { return gsi == 99 ? -ENODEV : 0; }
void pci_scan(void) { pci_scans++; }
bool console_init(void) { return channel; }
void ctl_boot(void) { boots++; }

static void setup(void)
{
	fake_boot(1 << 20);
	memset(words, 0, sizeof words);
	memset(regs, 0, sizeof regs);
	ndevs = nmapped = pci_scans = boots = 0;
	map_fails = channel = pci_word = false;
}

static void regs_set(unsigned i, uint32_t magic, uint32_t version, uint32_t id)
{
	regs[i][0] = magic;
	regs[i][1] = version;
	regs[i][2] = id;
}

/* ---- command line words ---- */

START_TEST(words_name_devices)
{
	words[0] = "512@0xfeb00e00:12 root=x";
	words[1] = "4K@0xd0001000:5:3";
	words[2] = "1k@3489660928:23";
	words[3] = "0x200@0xFEB00C00:0xb";
	for (unsigned i = 0; i < 4; i++)
		regs_set(i, MMIO_MAGIC_VALUE, 2, i + 1);
	ck_assert_uint_eq(mmio_scan(), 4);
	ck_assert_uint_eq(nmapped, 4);
	ck_assert_uint_eq(mapped[0], 0xfeb00e00);
	ck_assert_uint_eq(mapped_len[0], 512);
	ck_assert_uint_eq(mapped[1], 0xd0001000);
	ck_assert_uint_eq(mapped_len[1], 4096);
	ck_assert_uint_eq(mapped[2], 0xd0000000);
	ck_assert_uint_eq(mapped_len[2], 1024);
	ck_assert_uint_eq(mapped[3], 0xfeb00c00);
	ck_assert_uint_eq(devs[0].gsi, 12);
	ck_assert_uint_eq(devs[1].gsi, 5);
	ck_assert_uint_eq(devs[3].gsi, 11);
	ck_assert_ptr_eq(virtio_find(1, 0), &devs[0]);
	ck_assert_ptr_eq(virtio_find(4, 0), &devs[3]);
	ck_assert_ptr_null(virtio_find(1, 1));
	ck_assert_ptr_null(virtio_find(9, 0));
}
END_TEST

START_TEST(bad_words)
{
	static const char *const bad[] = { "", "512", "512@", "512@0x", "512@0xfeb00e00", "512@0xfeb00e00:", "@0xfeb00e00:1",
		"512@x:1", "512@0xfeb00e00,1", "512@0xfeb00e00:4294967296", "2M@0xfeb00e00:1", "-1@0xfeb00e00:1" };

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		setup();
		words[0] = bad[i];
		ck_assert_uint_eq(mmio_scan(), 1);
		ck_assert_msg(nmapped == 0, "%s", bad[i]);
		ck_assert_ptr_nonnull(strstr(fake_log(), "cannot read"));
	}
}
END_TEST

START_TEST(what_is_no_device)
{
	for (unsigned i = 0; i < 4; i++)
		words[i] = "512@0xfeb00e00:12";
	regs_set(0, 0xffffffff, 2, 4);
	regs_set(1, MMIO_MAGIC_VALUE, 2, 0); /* an empty slot: no message */
	regs_set(2, MMIO_MAGIC_VALUE, 2, 4);
	regs_set(3, MMIO_MAGIC_VALUE, 1, 4);
	mmio_scan();
	ck_assert_uint_eq(ndevs, 1);
	ck_assert(devs[0].regs == (volatile char *)regs[2]);
	ck_assert_ptr_nonnull(strstr(fake_log(), "legacy"));
	setup();
	words[0] = "512@0xfeb00e00:12";
	map_fails = true;
	ck_assert_uint_eq(mmio_scan(), 1);
	ck_assert_uint_eq(ndevs, 0);
}
END_TEST

START_TEST(pci_only_where_it_may_be)
{
	virtio_init();
	ck_assert_uint_eq(pci_scans, 1);
	ck_assert_uint_eq(boots, 0);
	setup();
	words[0] = "512@0xfeb00e00:12";
	channel = true;
	virtio_init();
	ck_assert_uint_eq(pci_scans, 0);
	ck_assert_uint_eq(boots, 1);
	pci_word = true;
	virtio_init();
	ck_assert_uint_eq(pci_scans, 1);
}
END_TEST

/* ---- starting a device ---- */

static struct {
	uint8_t status, writes[16];
	unsigned nwrites, max, acks, notified;
	uint64_t offered, accepted;
	bool never_resets, refuses, no_irq;
} f;

static uint8_t f_status(struct virtio_dev *d)
{
	fake_time_advance(NSEC_PER_MSEC);
	return f.never_resets && f.status == 0 ? 1 : f.refuses ? f.status & ~VIRTIO_S_FEATURES_OK : f.status;
}

static void f_set_status(struct virtio_dev *d, uint8_t status) { f.writes[f.nwrites++] = f.status = status; }
static uint64_t f_features(struct virtio_dev *d) { return f.offered; }
static void f_set_features(struct virtio_dev *d, uint64_t features) { f.accepted = features; }
static int f_irq_route(struct virtio_dev *d) { return f.no_irq ? -ENODEV : 0; }
static unsigned f_queue_max(struct virtio_dev *d, unsigned index) { return f.max; }
static int f_queue_enable(struct virtio_dev *d, struct vq *q) { return 0; }
static void f_notify(struct virtio_dev *d, struct vq *q) { f.notified++; }
static void f_irq_ack(struct virtio_dev *d) { f.acks++; }

static const struct virtio_ops f_ops = {
	f_status, f_set_status, f_features, f_set_features, f_irq_route, f_queue_max, f_queue_enable, f_notify, f_irq_ack,
};

static struct virtio_dev *f_new(void)
{
	memset(&f, 0, sizeof f);
	f.offered = VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX | 7;
	f.max = 64;
	return virtio_register(&f_ops, 5);
}

START_TEST(start_sequence)
{
	static const uint8_t sequence[] = { 0, 1, 3, 11, 15 }; /* 3.1.1 */
	struct virtio_dev *d = f_new();

	ck_assert_int_eq(virtio_start(d, 2 | 8), 0);
	ck_assert_uint_eq(f.accepted, VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX | 2); /* not 8: not offered */
	ck_assert_uint_eq(d->negotiated, f.accepted);
	ck_assert(!d->started);
	virtio_ready(d, NULL, NULL);
	ck_assert(d->started);
	ck_assert_uint_eq(f.nwrites, sizeof sequence);
	ck_assert_mem_eq(f.writes, sequence, sizeof sequence);
}
END_TEST

START_TEST(start_refused)
{
	struct virtio_dev *d = f_new();

	f.offered = VIRTIO_F_EVENT_IDX;
	ck_assert_int_eq(virtio_start(d, 0), -ENODEV);
	ck_assert(f.status & VIRTIO_S_FAILED);
	d = f_new();
	f.refuses = true;
	ck_assert_int_eq(virtio_start(d, 0), -ENODEV);
	d = f_new();
	f.no_irq = true;
	ck_assert_int_eq(virtio_start(d, 0), -ENODEV);
	d = f_new();
	f.never_resets = true;
	ck_assert_int_eq(virtio_start(d, 0), -ENODEV); /* and comes back */
	ck_assert_uint_eq(f.nwrites, 1);
	virtio_stop(d);
}
END_TEST

START_TEST(queues_are_no_larger_than_the_device_has)
{
	static uint8_t mem[VQ_BYTES(128)] __attribute__((aligned(16)));
	static struct vq_slot slots[128];
	struct virtio_dev *d = f_new();
	struct vq q;

	virtio_start(d, 0);
	ck_assert_int_eq(virtio_queue(d, &q, 3, 128, mem, slots), 0);
	ck_assert_uint_eq(q.size, 64);
	ck_assert_uint_eq(q.index, 3);
	ck_assert(q.event_idx);
	f.max = 5; /* not even a power of two */
	virtio_queue(d, &q, 0, 128, mem, slots);
	ck_assert_uint_eq(q.size, 4);
	f.max = 1024;
	virtio_queue(d, &q, 0, 128, mem, slots);
	ck_assert_uint_eq(q.size, 128);
	f.max = 0;
	ck_assert_int_eq(virtio_queue(d, &q, 0, 128, mem, slots), -ENODEV);
}
END_TEST

/* ---- interrupts ---- */

static unsigned poll_9p(struct virtio_dev *d) { return IRQ_9P; }
static unsigned poll_stdio(struct virtio_dev *d) { return IRQ_STDIO | *(unsigned *)d->driver; }

START_TEST(vectors_and_polling)
{
	static unsigned more = IRQ_SIGNAL;
	struct virtio_dev *a = f_new(), *b = f_new(), *idle = f_new();

	ck_assert_uint_ne(a->vector, b->vector);
	ck_assert_uint_eq(virtio_poll(), 0); /* none has a driver */
	virtio_irq(a->vector);
	ck_assert_uint_eq(f.acks, 0);
	virtio_ready(a, poll_9p, NULL);
	virtio_ready(b, poll_stdio, &more);
	virtio_irq(a->vector);
	ck_assert_uint_eq(f.acks, 1);
	virtio_irq(idle->vector);
	ck_assert_uint_eq(f.acks, 1);
	ck_assert_uint_eq(virtio_poll(), IRQ_9P | IRQ_STDIO | IRQ_SIGNAL);
	virtio_stop(b);
	ck_assert_uint_eq(virtio_poll(), IRQ_9P);
	b->vector = a->vector; /* shared */
	virtio_ready(b, poll_9p, NULL);
	virtio_irq(a->vector);
	ck_assert_uint_eq(f.acks, 3);
}
END_TEST

START_TEST(many_devices)
{
	struct virtio_dev *d;
	unsigned n = 0;

	while ((d = f_new()) != NULL) {
		ck_assert_uint_ge(d->vector, VECTOR_DEVICE);
		ck_assert_uint_lt(d->vector, VECTOR_DEVICE + VECTOR_DEVICES);
		n++;
	}
	ck_assert_uint_eq(n, VIRTIO_MAX_DEVS);
	ck_assert_ptr_nonnull(virtio_find(5, n - 1));
	ck_assert_ptr_null(virtio_find(5, n));
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("virtio_dev", &tc, setup, NULL);

	tcase_add_test(tc, words_name_devices);
	tcase_add_test(tc, bad_words);
	tcase_add_test(tc, what_is_no_device);
	tcase_add_test(tc, pci_only_where_it_may_be);
	tcase_add_test(tc, start_sequence);
	tcase_add_test(tc, start_refused);
	tcase_add_test(tc, queues_are_no_larger_than_the_device_has);
	tcase_add_test(tc, vectors_and_polling);
	tcase_add_test(tc, many_devices);
	return s;
}
