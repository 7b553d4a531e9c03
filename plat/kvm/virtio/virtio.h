/* virtio devices on kvm: what transports (mmio.c, pci.c), the common part (dev.c) and drivers (p9.c, rng.c, console.c)
 * share.
 *
 * A transport finds devices at boot and registers them; nothing else is touched until a driver starts its device.
 * One interrupt vector may serve several devices: virtio_irq() only acknowledges, virtio_poll() asks every started
 * driver. */
#ifndef PLAT_KVM_VIRTIO_VIRTIO_H
#define PLAT_KVM_VIRTIO_VIRTIO_H

#include "plat/kvm/virtio/ring.h"

/* Device IDs (virtio 1.2, section 5). */
#define VIRTIO_ID_CONSOLE 3
#define VIRTIO_ID_RNG     4
#define VIRTIO_ID_9P      9

/* Device-independent feature bits (section 6). */
#define VIRTIO_F_EVENT_IDX (1ull << 29)
#define VIRTIO_F_VERSION_1 (1ull << 32)

/* Device status (section 2.1). */
#define VIRTIO_S_ACKNOWLEDGE 1
#define VIRTIO_S_DRIVER      2
#define VIRTIO_S_DRIVER_OK   4
#define VIRTIO_S_FEATURES_OK 8
#define VIRTIO_S_NEEDS_RESET 64
#define VIRTIO_S_FAILED      128

#define VIRTIO_MAX_DEVS 32

struct virtio_dev;

struct virtio_ops {
	uint8_t (*status)(struct virtio_dev *d);
	void (*set_status)(struct virtio_dev *d, uint8_t status);
	uint64_t (*features)(struct virtio_dev *d);
	void (*set_features)(struct virtio_dev *d, uint64_t features);
	/* Brings the device's interrupt to d->vector. 0 or a negative errno. */
	int (*irq_route)(struct virtio_dev *d);
	/* Largest size of queue `index`; 0 when the device does not have it. */
	unsigned (*queue_max)(struct virtio_dev *d, unsigned index);
	/* Tells the device where q lies and switches it on. 0 or -EIO. */
	int (*queue_enable)(struct virtio_dev *d, struct vq *q);
	void (*notify)(struct virtio_dev *d, struct vq *q);
	void (*irq_ack)(struct virtio_dev *d);
};

struct virtio_dev {
	const struct virtio_ops *ops;
	uint16_t type;            /* VIRTIO_ID_ */
	bool started;             /* a driver has it */
	unsigned vector;
	uint64_t negotiated;      /* features */
	volatile char *regs;      /* mmio: all registers; pci: common configuration */
	volatile char *config;    /* device-specific configuration */
	volatile char *notify;    /* pci: notification area … */
	uint32_t notify_len;      /* … its length … */
	uint32_t notify_mult;     /* … and its stride */
	unsigned gsi;             /* mmio: its interrupt */
	unsigned devfn, msix;     /* pci: its place, and that of its MSI-X capability */
	unsigned (*poll)(struct virtio_dev *d); /* the driver's: takes what is done, returns IRQ_ bits */
	void *driver;             /* the driver's */
};

/* ---- transports ---- */

/* Registers every device that virtio_mmio.device= words name; how many words there were. */
unsigned mmio_scan(void);
/* Registers every modern virtio device on PCI bus 0. */
void pci_scan(void);

/* A zeroed entry with a vector of its own or shared, or NULL when there are too many. Stays registered. */
struct virtio_dev *virtio_register(const struct virtio_ops *ops, uint16_t type);

/* ---- drivers ---- */

/* The nth registered device of a type, or NULL. */
struct virtio_dev *virtio_find(uint16_t type, unsigned nth);

/* Resets the device and negotiates VERSION_1, EVENT_IDX (if it has it) and those of `wanted` it has (3.1.1 steps 1–6).
 * Its interrupt is routed. 0; -ENODEV when it is no modern device, refuses, or has no interrupt. */
int virtio_start(struct virtio_dev *d, uint64_t wanted);

/* Sets up queue `index` with `size` descriptors or the device's maximum if that is less (step 7). mem and slots are for
 * `size`, as vq_init() wants them. 0, -ENODEV (no such queue), -EIO. */
int virtio_queue(struct virtio_dev *d, struct vq *q, unsigned index, unsigned size, void *mem, struct vq_slot *slots);

/* Lets it run (step 8); poll is called from then on. */
void virtio_ready(struct virtio_dev *d, unsigned (*poll)(struct virtio_dev *d), void *driver);

/* Resets it for good, so that it touches no memory any more: after a broken queue. */
void virtio_stop(struct virtio_dev *d);

/* Publishes what was added to q and notifies the device if it wants that. */
void virtio_kick(struct virtio_dev *d, struct vq *q);

#endif
