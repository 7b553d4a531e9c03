/* The common part of all virtio devices: the list of them, the start-up sequence of virtio 1.2 section 3.1.1, and the
 * way from an interrupt to a driver.
 *
 * Interrupts carry no information beyond "look": the platform's entry code calls virtio_irq(), which only makes the
 * device take its line back, and then virtio_poll(), which asks each started driver. Drivers re-arm their queues'
 * interrupts when they have taken everything, so nothing is lost if an interrupt comes early, late or twice.
 *
 * Deliberately missing: hot plugging, configuration change interrupts (no driver here needs them), power management. */
#include "plat/kvm/virtio/virtio.h"

#include "plat/kvm/kvm.h"
#include "plat/kvm/virtio/console.h"
#include "plat/plat.h"
#include "shim/abi/errno.h"

static struct virtio_dev devs[VIRTIO_MAX_DEVS];
static unsigned ndevs;

struct virtio_dev *virtio_register(const struct virtio_ops *ops, uint16_t type)
{
	struct virtio_dev *d;

	if (ndevs == VIRTIO_MAX_DEVS)
		return NULL;
	d = &devs[ndevs];
	*d = (struct virtio_dev){ .ops = ops, .type = type, .vector = VECTOR_DEVICE + ndevs % VECTOR_DEVICES };
	ndevs++;
	return d;
}

struct virtio_dev *virtio_find(uint16_t type, unsigned nth)
{
	for (unsigned i = 0; i < ndevs; i++)
		if (devs[i].type == type && nth-- == 0)
			return &devs[i];
	return NULL;
}

/* A reset is complete when the status reads back as 0 (2.4.2); no device here takes long, but one may never answer. */
static bool dev_reset(struct virtio_dev *d)
{
	uint64_t limit = plat_time_mono() + NSEC_PER_SEC;

	d->ops->set_status(d, 0);
	while (d->ops->status(d) != 0)
		if (plat_time_mono() > limit)
			return false;
	return true;
}

int virtio_start(struct virtio_dev *d, uint64_t wanted)
{
	uint64_t offered;

	if (!dev_reset(d))
		return -ENODEV;
	d->ops->set_status(d, VIRTIO_S_ACKNOWLEDGE);
	d->ops->set_status(d, VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER);
	offered = d->ops->features(d);
	if (!(offered & VIRTIO_F_VERSION_1))
		goto out_failed;
	d->negotiated = offered & (wanted | VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX);
	d->ops->set_features(d, d->negotiated);
	d->ops->set_status(d, VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK);
	if (!(d->ops->status(d) & VIRTIO_S_FEATURES_OK) || d->ops->irq_route(d) < 0)
		goto out_failed;
	return 0;

out_failed:
	d->ops->set_status(d, VIRTIO_S_FAILED);
	return -ENODEV;
}

int virtio_queue(struct virtio_dev *d, struct vq *q, unsigned index, unsigned size, void *mem, struct vq_slot *slots)
{
	unsigned max = d->ops->queue_max(d, index);

	if (max == 0)
		return -ENODEV;
	while (size > max)
		size /= 2;
	vq_init(q, size, d->negotiated & VIRTIO_F_EVENT_IDX, mem, slots);
	q->index = index;
	return d->ops->queue_enable(d, q);
}

void virtio_ready(struct virtio_dev *d, unsigned (*poll)(struct virtio_dev *d), void *driver)
{
	d->driver = driver;
	d->poll = poll;
	d->started = true;
	d->ops->set_status(d, VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK | VIRTIO_S_DRIVER_OK);
}

void virtio_stop(struct virtio_dev *d)
{
	d->started = false;
	dev_reset(d);
}

void virtio_kick(struct virtio_dev *d, struct vq *q)
{
	if (vq_kick_due(q))
		d->ops->notify(d, q);
}

void virtio_irq(unsigned vector)
{
	for (unsigned i = 0; i < ndevs; i++)
		if (devs[i].started && devs[i].vector == vector)
			devs[i].ops->irq_ack(&devs[i]);
}

unsigned virtio_poll(void)
{
	unsigned irqs = 0;

	for (unsigned i = 0; i < ndevs; i++)
		if (devs[i].started)
			irqs |= devs[i].poll(&devs[i]);
	return irqs;
}

/* The PCI bus is scanned only where it can have devices of ours: microvm and Firecracker name theirs on the command
 * line. */
void virtio_init(void)
{
	if (mmio_scan() == 0 || kvm_flag("pci"))
		pci_scan();
	if (console_init())
		ctl_boot();
}
