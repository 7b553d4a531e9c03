/* virtio over MMIO, register layout version 2: virtio 1.2, section 4.2. Devices are named on the command line, as
 * QEMU's microvm (acpi=off) and Firecracker do it for Linux's virtio_mmio.device= parameter: SIZE@ADDRESS:GSI[:ID].
 *
 * Interrupts are edge triggered there. The line stays up until InterruptACK was written for all that InterruptStatus
 * shows, and there is no edge before it has gone down, so every interrupt is acknowledged before the rings are looked
 * at. Both defined bits are written without reading the status first: that saves an exit to the host.
 *
 * Version 1 (legacy) devices are passed over with a message: QEMU has them unless virtio-mmio.force-legacy=false. */
#include "plat/kvm/kvm.h"
#include "plat/kvm/virtio/virtio.h"
#include "plat/plat.h"
#include "shim/abi/errno.h"

enum {
	MMIO_MAGIC = 0x000,
	MMIO_VERSION = 0x004,
	MMIO_DEVICE_ID = 0x008,
	MMIO_DEVICE_FEATURES = 0x010,
	MMIO_DEVICE_FEATURES_SEL = 0x014,
	MMIO_DRIVER_FEATURES = 0x020,
	MMIO_DRIVER_FEATURES_SEL = 0x024,
	MMIO_QUEUE_SEL = 0x030,
	MMIO_QUEUE_NUM_MAX = 0x034,
	MMIO_QUEUE_NUM = 0x038,
	MMIO_QUEUE_READY = 0x044,
	MMIO_QUEUE_NOTIFY = 0x050,
	MMIO_INTERRUPT_ACK = 0x064,
	MMIO_STATUS = 0x070,
	MMIO_QUEUE_DESC = 0x080,
	MMIO_QUEUE_DRIVER = 0x090,
	MMIO_QUEUE_DEVICE = 0x0a0,
	MMIO_CONFIG = 0x100,
};

#define MMIO_MAGIC_VALUE 0x74726976u /* "virt" */
#define MMIO_INT_ALL     3           /* used buffers, configuration change */

static uint32_t reg_read(struct virtio_dev *d, unsigned reg)
{
	return mmio_read32(d->regs + reg);
}

static void reg_write(struct virtio_dev *d, unsigned reg, uint32_t v)
{
	mmio_write32(d->regs + reg, v);
}

static void reg_write_pa(struct virtio_dev *d, unsigned reg, const void *va)
{
	paddr_t pa = kvm_pa(va);

	reg_write(d, reg, (uint32_t)pa);
	reg_write(d, reg + 4, pa >> 32);
}

static uint8_t mmio_status(struct virtio_dev *d)
{
	return reg_read(d, MMIO_STATUS);
}

static void mmio_set_status(struct virtio_dev *d, uint8_t status)
{
	reg_write(d, MMIO_STATUS, status);
}

static uint64_t mmio_features(struct virtio_dev *d)
{
	uint64_t lo;

	reg_write(d, MMIO_DEVICE_FEATURES_SEL, 0);
	lo = reg_read(d, MMIO_DEVICE_FEATURES);
	reg_write(d, MMIO_DEVICE_FEATURES_SEL, 1);
	return lo | (uint64_t)reg_read(d, MMIO_DEVICE_FEATURES) << 32;
}

static void mmio_set_features(struct virtio_dev *d, uint64_t features)
{
	reg_write(d, MMIO_DRIVER_FEATURES_SEL, 0);
	reg_write(d, MMIO_DRIVER_FEATURES, (uint32_t)features);
	reg_write(d, MMIO_DRIVER_FEATURES_SEL, 1);
	reg_write(d, MMIO_DRIVER_FEATURES, features >> 32);
}

static int mmio_irq_route(struct virtio_dev *d)
{
	return irq_enable(d->gsi, d->vector, false, false);
}

static unsigned mmio_queue_max(struct virtio_dev *d, unsigned index)
{
	reg_write(d, MMIO_QUEUE_SEL, index);
	return reg_read(d, MMIO_QUEUE_NUM_MAX);
}

static int mmio_queue_enable(struct virtio_dev *d, struct vq *q)
{
	reg_write(d, MMIO_QUEUE_SEL, q->index);
	reg_write(d, MMIO_QUEUE_NUM, q->size);
	reg_write_pa(d, MMIO_QUEUE_DESC, q->desc);
	reg_write_pa(d, MMIO_QUEUE_DRIVER, q->avail);
	reg_write_pa(d, MMIO_QUEUE_DEVICE, q->used);
	reg_write(d, MMIO_QUEUE_READY, 1);
	return 0;
}

static void mmio_notify(struct virtio_dev *d, struct vq *q)
{
	reg_write(d, MMIO_QUEUE_NOTIFY, q->index);
}

static void mmio_irq_ack(struct virtio_dev *d)
{
	reg_write(d, MMIO_INTERRUPT_ACK, MMIO_INT_ALL);
}

static const struct virtio_ops mmio_ops = {
	.status = mmio_status,
	.set_status = mmio_set_status,
	.features = mmio_features,
	.set_features = mmio_set_features,
	.irq_route = mmio_irq_route,
	.queue_max = mmio_queue_max,
	.queue_enable = mmio_queue_enable,
	.notify = mmio_notify,
	.irq_ack = mmio_irq_ack,
};

/* Reads a number (decimal, 0x…; with K, M or G behind it) from *s up to `end` and moves *s behind it. */
static bool number(const char **s, const char *end, uint64_t *out)
{
	const char *p = *s;
	unsigned base = 10;
	uint64_t v = 0;

	if (end - p > 2 && p[0] == '0' && (p[1] | 0x20) == 'x') {
		base = 16;
		p += 2;
	}
	*s = p;
	for (; p < end; p++) {
		unsigned c = (unsigned char)*p, letter = c | 0x20, digit;

		if (c >= '0' && c <= '9')
			digit = c - '0';
		else if (base == 16 && letter >= 'a' && letter <= 'f')
			digit = letter - 'a' + 10;
		else
			break;
		v = v * base + digit;
	}
	if (p == *s)
		return false;
	if (p < end && ((*p | 0x20) == 'k' || (*p | 0x20) == 'm' || (*p | 0x20) == 'g')) {
		v <<= (*p | 0x20) == 'k' ? 10 : (*p | 0x20) == 'm' ? 20 : 30;
		p++;
	}
	*s = p;
	*out = v;
	return true;
}

static bool skip(const char **s, const char *end, char c)
{
	if (*s == end || **s != c)
		return false;
	++*s;
	return true;
}

static void mmio_probe(paddr_t base, unsigned gsi, size_t size)
{
	volatile char *regs = kvm_map_mmio(base, MAX(size, 0x200ul));
	struct virtio_dev *d;
	uint32_t type;

	if (!regs || mmio_read32(regs + MMIO_MAGIC) != MMIO_MAGIC_VALUE)
		return;
	type = mmio_read32(regs + MMIO_DEVICE_ID);
	if (type == 0) /* an empty slot (4.2.2.2) */
		return;
	if (mmio_read32(regs + MMIO_VERSION) != 2) {
		kprintf("doppel: virtio device at 0x%lx is a legacy one (QEMU: virtio-mmio.force-legacy=false)\n",
			(unsigned long)base);
		return;
	}
	d = virtio_register(&mmio_ops, type);
	if (!d)
		return;
	d->regs = regs;
	d->config = regs + MMIO_CONFIG;
	d->gsi = gsi;
}

unsigned mmio_scan(void)
{
	const char *s;
	size_t len;
	unsigned n;

	for (n = 0; (s = kvm_word("virtio_mmio.device", n, &len)) != NULL; n++) {
		const char *end = s + len;
		uint64_t size, base, gsi;

		if (number(&s, end, &size) && skip(&s, end, '@') && number(&s, end, &base) && skip(&s, end, ':') &&
		    number(&s, end, &gsi) && gsi <= UINT32_MAX && size <= 1ul << 20)
			mmio_probe(base, gsi, size);
		else
			kprintf("doppel: cannot read virtio_mmio.device word %u\n", n);
	}
	return n;
}
