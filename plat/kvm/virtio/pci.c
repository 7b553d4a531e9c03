/* virtio over PCI, the modern interface: virtio 1.2, section 4.1, with MSI-X.
 *
 * Bus 0 only, found through configuration ports 0xcf8/0xcfc (PCI Local Bus 3.0, 3.2.2.3.2). MSI-X writes straight to
 * the local APIC, so no interrupt routing of any chipset has to be known, and there is nothing to acknowledge; all
 * queues of a device use table entry 0. Firmware that leaves BARs unassigned (qboot) is helped out: such BARs get
 * addresses from a window below the IOAPIC where neither pc nor q35 has RAM or anything else.
 *
 * Deliberately missing: legacy devices, INTx (a device without MSI-X is passed over with a message), bridges. */
#include "plat/kvm/kvm.h"
#include "plat/kvm/virtio/virtio.h"
#include "plat/plat.h"
#include "shim/abi/errno.h"

/* Configuration space. */
#define PCI_ID             0x00
#define PCI_COMMAND        0x04
#define PCI_HEADER         0x0c /* header type in bits 16–23 */
#define PCI_BAR0           0x10
#define PCI_SUBSYSTEM      0x2c
#define PCI_CAPS           0x34
#define PCI_COMMAND_MEMORY 2u
#define PCI_COMMAND_MASTER 4u
#define PCI_STATUS_CAPS    (1u << 20)
#define PCI_CAP_VENDOR     0x09
#define PCI_CAP_MSIX       0x11
#define PCI_VENDOR_VIRTIO  0x1af4u

/* Where BARs without an address go. */
#define BAR_WINDOW_START 0xfd000000u
#define BAR_WINDOW_END   0xfe000000u

/* struct virtio_pci_cap, cfg_type (4.1.4). */
enum { CAP_COMMON = 1, CAP_NOTIFY = 2, CAP_ISR = 3, CAP_DEVICE = 4, CAP_TYPES };

/* struct virtio_pci_common_cfg (4.1.4.3). */
enum {
	COMMON_DEVICE_FEATURE_SELECT = 0x00,
	COMMON_DEVICE_FEATURE = 0x04,
	COMMON_DRIVER_FEATURE_SELECT = 0x08,
	COMMON_DRIVER_FEATURE = 0x0c,
	COMMON_CONFIG_MSIX = 0x10,
	COMMON_STATUS = 0x14,
	COMMON_QUEUE_SELECT = 0x16,
	COMMON_QUEUE_SIZE = 0x18,
	COMMON_QUEUE_MSIX = 0x1a,
	COMMON_QUEUE_ENABLE = 0x1c,
	COMMON_QUEUE_NOTIFY_OFF = 0x1e,
	COMMON_QUEUE_DESC = 0x20,
	COMMON_QUEUE_DRIVER = 0x28,
	COMMON_QUEUE_DEVICE = 0x30,
	COMMON_SIZE = 0x38,
};
#define MSIX_NO_VECTOR 0xffffu

static uint32_t bar_next = BAR_WINDOW_START;

/* ---- configuration space ---- */

static uint32_t cfg_read(unsigned devfn, unsigned off)
{
	outl(0xcf8, 0x80000000u | devfn << 8 | (off & 0xfc));
	return inl(0xcfc);
}

static void cfg_write(unsigned devfn, unsigned off, uint32_t v)
{
	outl(0xcf8, 0x80000000u | devfn << 8 | (off & 0xfc));
	outl(0xcfc, v);
}

static uint8_t cfg_read8(unsigned devfn, unsigned off)
{
	return cfg_read(devfn, off) >> (off & 3) * 8;
}

/* ---- BARs ---- */

/* Gives memory BAR `reg` an address: naturally aligned, as its size demands. 0 when the window is full. */
static uint32_t bar_assign(unsigned devfn, unsigned reg, bool wide)
{
	uint32_t size, at;

	cfg_write(devfn, reg, ~0u);
	size = ~(cfg_read(devfn, reg) & ~0xfu) + 1;
	at = ALIGN_UP(bar_next, MAX(size, (uint32_t)PAGE_SIZE));
	if (size == 0 || size > BAR_WINDOW_END - BAR_WINDOW_START || at > BAR_WINDOW_END - size)
		at = 0;
	else
		bar_next = at + size;
	cfg_write(devfn, reg, at);
	if (wide)
		cfg_write(devfn, reg + 4, 0);
	return at;
}

/* Physical address of memory BAR `bar`; 0 when it is none or has no place. */
static paddr_t bar_address(unsigned devfn, unsigned bar)
{
	unsigned reg = PCI_BAR0 + 4 * bar;
	uint32_t lo;
	paddr_t pa;
	bool wide;

	if (bar > 5)
		return 0;
	lo = cfg_read(devfn, reg);
	wide = (lo & 6) == 4;
	if ((lo & 1) || (wide && bar == 5))
		return 0;
	pa = lo & ~0xfu;
	if (wide)
		pa |= (paddr_t)cfg_read(devfn, reg + 4) << 32;
	return pa ? pa : bar_assign(devfn, reg, wide);
}

static volatile char *bar_map(unsigned devfn, unsigned bar, uint32_t off, uint32_t len)
{
	paddr_t pa = bar_address(devfn, bar);

	return pa ? kvm_map_mmio(pa + off, len) : NULL;
}

/* ---- the transport's functions ---- */

static uint8_t pci_status(struct virtio_dev *d)
{
	return mmio_read8(d->regs + COMMON_STATUS);
}

static void pci_set_status(struct virtio_dev *d, uint8_t status)
{
	mmio_write8(d->regs + COMMON_STATUS, status);
}

static uint64_t pci_features(struct virtio_dev *d)
{
	uint64_t lo;

	mmio_write32(d->regs + COMMON_DEVICE_FEATURE_SELECT, 0);
	lo = mmio_read32(d->regs + COMMON_DEVICE_FEATURE);
	mmio_write32(d->regs + COMMON_DEVICE_FEATURE_SELECT, 1);
	return lo | (uint64_t)mmio_read32(d->regs + COMMON_DEVICE_FEATURE) << 32;
}

static void pci_set_features(struct virtio_dev *d, uint64_t features)
{
	mmio_write32(d->regs + COMMON_DRIVER_FEATURE_SELECT, 0);
	mmio_write32(d->regs + COMMON_DRIVER_FEATURE, (uint32_t)features);
	mmio_write32(d->regs + COMMON_DRIVER_FEATURE_SELECT, 1);
	mmio_write32(d->regs + COMMON_DRIVER_FEATURE, features >> 32);
}

/* Points entry 0 of the MSI-X table at the vector and switches MSI-X on (PCI Local Bus 3.0, 6.8.2). */
static int pci_irq_route(struct virtio_dev *d)
{
	uint32_t table = cfg_read(d->devfn, d->msix + 4);
	volatile char *entry = bar_map(d->devfn, table & 7, table & ~7u, 16);

	if (!entry)
		return -ENODEV;
	mmio_write32(entry + 0, (uint32_t)msi_address());
	mmio_write32(entry + 4, msi_address() >> 32);
	mmio_write32(entry + 8, msi_data(d->vector));
	mmio_write32(entry + 12, 0); /* not masked */
	cfg_write(d->devfn, d->msix, (cfg_read(d->devfn, d->msix) & 0x3fffffffu) | 1u << 31);
	mmio_write16(d->regs + COMMON_CONFIG_MSIX, MSIX_NO_VECTOR);
	return 0;
}

static unsigned pci_queue_max(struct virtio_dev *d, unsigned index)
{
	mmio_write16(d->regs + COMMON_QUEUE_SELECT, index);
	return mmio_read16(d->regs + COMMON_QUEUE_SIZE);
}

/* 64-bit fields are written as two 32-bit halves (4.1.3.1). */
static void write_pa(struct virtio_dev *d, unsigned reg, const void *va)
{
	paddr_t pa = kvm_pa(va);

	mmio_write32(d->regs + reg, (uint32_t)pa);
	mmio_write32(d->regs + reg + 4, pa >> 32);
}

static int pci_queue_enable(struct virtio_dev *d, struct vq *q)
{
	uint64_t off;

	mmio_write16(d->regs + COMMON_QUEUE_SELECT, q->index);
	mmio_write16(d->regs + COMMON_QUEUE_SIZE, q->size);
	mmio_write16(d->regs + COMMON_QUEUE_MSIX, 0);
	if (mmio_read16(d->regs + COMMON_QUEUE_MSIX) != 0) /* the device lacks the resources (4.1.5.1.2) */
		return -EIO;
	off = (uint64_t)mmio_read16(d->regs + COMMON_QUEUE_NOTIFY_OFF) * d->notify_mult;
	if (off + 2 > d->notify_len)
		return -EIO;
	q->notify_off = off;
	write_pa(d, COMMON_QUEUE_DESC, q->desc);
	write_pa(d, COMMON_QUEUE_DRIVER, q->avail);
	write_pa(d, COMMON_QUEUE_DEVICE, q->used);
	mmio_write16(d->regs + COMMON_QUEUE_ENABLE, 1);
	return 0;
}

static void pci_notify(struct virtio_dev *d, struct vq *q)
{
	mmio_write16(d->notify + q->notify_off, q->index);
}

static void pci_irq_ack(struct virtio_dev *d)
{
}

static const struct virtio_ops pci_ops = {
	.status = pci_status,
	.set_status = pci_set_status,
	.features = pci_features,
	.set_features = pci_set_features,
	.irq_route = pci_irq_route,
	.queue_max = pci_queue_max,
	.queue_enable = pci_queue_enable,
	.notify = pci_notify,
	.irq_ack = pci_irq_ack,
};

/* ---- finding devices ---- */

/* Where a virtio structure lies. */
struct place {
	volatile char *at; /* NULL: not found */
	uint32_t len;
	unsigned cap;      /* its capability */
};

/* Notes the place of a structure (4.1.4); of several of one type the first that can be mapped counts. */
static void cap_virtio(unsigned devfn, unsigned cap, struct place where[CAP_TYPES])
{
	unsigned type = cfg_read8(devfn, cap + 3);
	uint32_t off = cfg_read(devfn, cap + 8), len = cfg_read(devfn, cap + 12);

	if (type < CAP_COMMON || type >= CAP_TYPES || type == CAP_ISR || where[type].at || len == 0 || len > 1u << 24)
		return;
	where[type] = (struct place){ bar_map(devfn, cfg_read8(devfn, cap + 4), off, len), len, cap };
}

static void pci_probe(unsigned devfn, uint16_t type)
{
	struct place where[CAP_TYPES] = { { NULL, 0, 0 } };
	uint32_t command = cfg_read(devfn, PCI_COMMAND);
	unsigned cap, msix = 0, left = 48; /* more capabilities than fit are a loop */
	struct virtio_dev *d;

	if (!(command & PCI_STATUS_CAPS))
		return;
	for (cap = cfg_read8(devfn, PCI_CAPS) & 0xfc; cap && left--; cap = cfg_read8(devfn, cap + 1) & 0xfc) {
		if (cfg_read8(devfn, cap) == PCI_CAP_VENDOR)
			cap_virtio(devfn, cap, where);
		else if (cfg_read8(devfn, cap) == PCI_CAP_MSIX)
			msix = cap;
	}
	if (!where[CAP_COMMON].at || where[CAP_COMMON].len < COMMON_SIZE || !where[CAP_NOTIFY].at || !msix) {
		kprintf("doppel: PCI device %02x.%u: virtio without %s is not supported\n", devfn >> 3, devfn & 7,
			msix ? "the modern interface" : "MSI-X");
		return;
	}
	d = virtio_register(&pci_ops, type);
	if (!d)
		return;
	d->regs = where[CAP_COMMON].at;
	d->config = where[CAP_DEVICE].at;
	d->notify = where[CAP_NOTIFY].at;
	d->notify_len = where[CAP_NOTIFY].len;
	d->notify_mult = cfg_read(devfn, where[CAP_NOTIFY].cap + 16);
	d->devfn = devfn;
	d->msix = msix;
	/* Memory decoding on. The status half of the register is write-1-to-clear: zeroes. */
	cfg_write(devfn, PCI_COMMAND, (command & 0xffff) | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

/* The virtio device type of a function (4.1.2), 0 when it is none. Transitional IDs leave the type to the subsystem. */
static uint16_t pci_type(unsigned devfn, uint32_t id)
{
	uint16_t device = id >> 16;

	if ((id & 0xffff) != PCI_VENDOR_VIRTIO || device < 0x1000 || device > 0x107f)
		return 0;
	if (device >= 0x1040)
		return device - 0x1040;
	return cfg_read(devfn, PCI_SUBSYSTEM) >> 16;
}

void pci_scan(void)
{
	for (unsigned slot = 0; slot < 32; slot++) {
		unsigned functions = 1;

		for (unsigned fn = 0; fn < functions; fn++) {
			unsigned devfn = slot << 3 | fn;
			uint32_t id = cfg_read(devfn, PCI_ID);
			uint16_t type;

			if ((id & 0xffff) == 0xffff)
				continue;
			if (fn == 0 && (cfg_read(devfn, PCI_HEADER) >> 16 & 0x80))
				functions = 8;
			type = pci_type(devfn, id);
			if (type)
				pci_probe(devfn, type);
		}
	}
}
