/* A byte stream to and from the host: port 1 of a virtio-serial device (virtio 1.2, section 5.3, with F_MULTIPORT).
 *
 * Not the console port 0: QEMU drops what a console sends while the host end is full, but makes other ports wait.
 *
 * Output is a ring of bytes. Each console_send() copies to its head and queues the new piece as one buffer (two
 * segments over the ring's end), so that small writes take little and many pieces are under way at a time. Space is
 * taken back in order. Completion interrupts are off unless somebody waits for room; the host is notified only when it
 * has run dry.
 *
 * Input goes through page-sized buffers (QEMU reads at most 4 KiB at a time) that return to the device as soon as
 * ctl_input() has copied from them; the host's credit, not the lack of buffers, holds input back. The device interrupts for
 * each, but in the middle of a long frame only after as many as its rest is certain to fill.
 *
 * Start: DEVICE_READY; the device answers PORT_ADD for each port; PORT_READY and PORT_OPEN for ours; then its
 * PORT_OPEN tells that the host end is connected (5.3.6.2). Names are ignored: the first port with a number is the
 * channel. */
#include "plat/kvm/virtio/console.h"

#include "core/lib/string.h"
#include "plat/kvm/kvm.h"
#include "plat/kvm/virtio/virtio.h"
#include "plat/plat.h"

#define CONSOLE_F_MULTIPORT 2u
#define CONSOLE_MAX_PORTS   4 /* configuration: max_nr_ports */

/* Control messages (5.3.6.2) and those of them used here. */
enum { EV_DEVICE_READY = 0, EV_PORT_ADD = 1, EV_PORT_REMOVE = 2, EV_PORT_READY = 3, EV_PORT_OPEN = 6 };

struct control {
	uint32_t port;
	uint16_t event, value;
};

/* Queue numbers (5.3.2). */
enum { Q_CTL_RX = 2, Q_CTL_TX = 3, Q_PORT1_RX = 4, Q_PORT1_TX = 5 };
#define PORT 1u

#define TX_BYTES (128u << 10) /* a power of two */
#define TX_QUEUE 128u
#define TX_SPARE 8u           /* descriptors kept for the reserve */
#define RX_BUFS  16u
#define RX_BYTES 4096u
#define CTL_QUEUE 8u
#define CTL_BYTES 128u
#define OPEN_WAIT_NS (5 * NSEC_PER_SEC)

/* A piece of output that the device has, or has used out of order. */
struct piece {
	uint32_t len;
	bool used;
};

struct console {
	char tx_ring[TX_BYTES];
	char rx_buf[RX_BUFS][RX_BYTES];
	uint8_t tx_mem[VQ_BYTES(TX_QUEUE)] __attribute__((aligned(16)));
	uint8_t rx_mem[VQ_BYTES(RX_BUFS)] __attribute__((aligned(16)));
	uint8_t ctl_rx_mem[VQ_BYTES(CTL_QUEUE)] __attribute__((aligned(16)));
	uint8_t ctl_tx_mem[VQ_BYTES(CTL_QUEUE)] __attribute__((aligned(16)));
	char ctl_buf[CTL_QUEUE][CTL_BYTES];
	struct control ctl_out[CTL_QUEUE];
	struct vq_slot tx_slots[TX_QUEUE], rx_slots[RX_BUFS], ctl_rx_slots[CTL_QUEUE], ctl_tx_slots[CTL_QUEUE];
	struct vq tx, rx, ctl_rx, ctl_tx;
	struct virtio_dev *dev;
	struct piece piece[TX_QUEUE];
	uint32_t first, next;    /* pieces first … next-1 (modulo TX_QUEUE) are under way */
	uint64_t head, tail;     /* bytes ever queued, and ever taken back */
	unsigned ctl_sent;       /* control messages sent */
	bool open;               /* the host end is connected */
	bool gone;               /* and will never be again */
	bool want_room, sending, pumping;
};

static struct console *con; /* NULL: no such device */

static void console_lost(void)
{
	if (con->gone)
		return;
	con->gone = true;
	ctl_gone();
}

/* ---- the control queues ---- */

static void control_send(uint16_t event, uint16_t value, uint32_t port)
{
	struct control *c = &con->ctl_out[con->ctl_sent++ % CTL_QUEUE];
	struct vq_seg seg = { .pa = kvm_pa(c), .len = sizeof *c };
	uint32_t len;

	while (vq_take(&con->ctl_tx, &len))
		;
	*c = (struct control){ .port = port, .event = event, .value = value };
	if (vq_add(&con->ctl_tx, &seg, 1, 0, c) == 0) /* the handshake has three messages: there is room */
		virtio_kick(con->dev, &con->ctl_tx);
}

static void control_handle(const struct control *c)
{
	if (c->port != PORT)
		return;
	switch (c->event) {
	case EV_PORT_ADD:
		if (con->ctl_sent == 1) { /* once */
			control_send(EV_PORT_READY, 1, PORT);
			control_send(EV_PORT_OPEN, 1, PORT);
			/* The first input buffers come last: QEMU looks whether it may read from its end of the channel
			 * when it is notified of them, and else only when something wakes it. */
			virtio_kick(con->dev, &con->rx);
		}
		break;
	case EV_PORT_OPEN:
		if (c->value)
			con->open = true;
		else if (con->open)
			console_lost();
		break;
	case EV_PORT_REMOVE:
		console_lost();
		break;
	default:
		break;
	}
}

/* Gives the device a buffer to write to; the cookie is the buffer itself. */
static void rx_post(struct vq *q, void *buf, uint32_t len)
{
	struct vq_seg seg = { .pa = kvm_pa(buf), .len = len };

	vq_add(q, &seg, 0, 1, buf);
}

static void control_pump(void)
{
	uint32_t len;
	bool any = false;
	char *buf;

	do {
		while ((buf = vq_take(&con->ctl_rx, &len)) != NULL) {
			struct control c;

			memcpy(&c, buf, sizeof c);
			if (len >= sizeof c)
				control_handle(&c);
			rx_post(&con->ctl_rx, buf, CTL_BYTES);
			any = true;
		}
	} while (any && vq_irq_enable(&con->ctl_rx, 1));
	if (any)
		virtio_kick(con->dev, &con->ctl_rx);
}

/* ---- input ---- */

static void rx_pump(void)
{
	uint32_t len, rest;
	bool any = false;
	char *buf;

	do {
		while ((buf = vq_take(&con->rx, &len)) != NULL) {
			if (len && !con->gone)
				ctl_input(buf, len);
			rx_post(&con->rx, buf, RX_BYTES);
			any = true;
		}
		rest = (ctl_expects() + RX_BYTES - 1) / RX_BYTES;
	} while (any && vq_irq_enable(&con->rx, MAX(MIN(rest, con->rx.size), 1u)));
	if (any)
		virtio_kick(con->dev, &con->rx);
}

/* ---- output ---- */

static void tx_reap(void)
{
	struct piece *p;
	uint32_t len;

	while ((p = vq_take(&con->tx, &len)) != NULL)
		p->used = true;
	while (con->first != con->next && con->piece[con->first % TX_QUEUE].used)
		con->tail += con->piece[con->first++ % TX_QUEUE].len;
}

static size_t tx_free(bool use_reserve)
{
	size_t bytes = TX_BYTES - (size_t)(con->head - con->tail), keep = use_reserve ? 0 : CONSOLE_RESERVE;
	unsigned descs = use_reserve ? 2 : 2 + TX_SPARE;

	if (!con->open || con->gone || con->tx.nfree < descs || con->next - con->first >= TX_QUEUE || bytes < keep)
		return 0;
	return bytes - keep;
}

size_t console_room(void)
{
	if (!con)
		return 0;
	if (tx_free(false) < TX_BYTES / 4)
		tx_reap();
	return tx_free(false);
}

static void ring_copy(uint64_t at, const void *from, size_t n)
{
	size_t off = at % TX_BYTES, first = MIN(n, (size_t)(TX_BYTES - off));

	if (n == 0)
		return;
	memcpy(con->tx_ring + off, from, first);
	memcpy(con->tx_ring, (const char *)from + first, n - first);
}

bool console_send(const void *a, size_t na, const void *b, size_t nb, bool use_reserve)
{
	size_t len = na + nb, off, part;
	struct vq_seg seg[2];
	struct piece *p;

	if (!con || con->sending || len == 0)
		return false;
	if (tx_free(use_reserve) < len)
		tx_reap();
	if (tx_free(use_reserve) < len)
		return false;
	con->sending = true;
	ring_copy(con->head, a, na);
	ring_copy(con->head + na, b, nb);
	off = con->head % TX_BYTES;
	part = MIN(len, (size_t)(TX_BYTES - off));
	seg[0] = (struct vq_seg){ .pa = kvm_pa(con->tx_ring + off), .len = part };
	seg[1] = (struct vq_seg){ .pa = kvm_pa(con->tx_ring), .len = len - part };
	p = &con->piece[con->next % TX_QUEUE];
	*p = (struct piece){ .len = len };
	if (vq_add(&con->tx, seg, part < len ? 2 : 1, 0, p) == 0) {
		con->head += len;
		con->next++;
		virtio_kick(con->dev, &con->tx);
	}
	con->sending = false;
	return true;
}

bool console_want_room(void)
{
	tx_reap();
	if (tx_free(false) >= TX_BYTES / 2)
		return true;
	con->want_room = true;
	/* The device may have used that many meanwhile: then there is no interrupt, and the count starts anew. */
	while (vq_irq_enable(&con->tx, MAX(con->tx.inflight / 2, 1))) {
		tx_reap();
		if (tx_free(false) >= TX_BYTES / 2) {
			con->want_room = false;
			vq_irq_disable(&con->tx);
			return true;
		}
	}
	return false;
}

bool console_alive(void)
{
	return con && con->open && !con->gone;
}

bool console_drained(void)
{
	if (!console_alive())
		return true;
	tx_reap();
	return con->first == con->next;
}

/* ---- both ---- */

void console_pump(void)
{
	if (!con || con->pumping)
		return;
	con->pumping = true;
	control_pump();
	rx_pump();
	tx_reap();
	if (con->rx.broken || con->tx.broken || con->ctl_rx.broken) {
		console_lost();
		virtio_stop(con->dev);
	}
	con->pumping = false;
}

static unsigned console_poll(struct virtio_dev *d)
{
	bool room;

	console_pump();
	room = con->want_room && (con->gone || console_want_room());
	if (room)
		con->want_room = false;
	return ctl_events(room);
}

static int queues_init(struct virtio_dev *d)
{
	int err = virtio_queue(d, &con->ctl_rx, Q_CTL_RX, CTL_QUEUE, con->ctl_rx_mem, con->ctl_rx_slots);

	if (!err)
		err = virtio_queue(d, &con->ctl_tx, Q_CTL_TX, CTL_QUEUE, con->ctl_tx_mem, con->ctl_tx_slots);
	if (!err)
		err = virtio_queue(d, &con->rx, Q_PORT1_RX, RX_BUFS, con->rx_mem, con->rx_slots);
	if (!err)
		err = virtio_queue(d, &con->tx, Q_PORT1_TX, TX_QUEUE, con->tx_mem, con->tx_slots);
	if (err)
		return err;
	vq_irq_disable(&con->tx);
	vq_irq_disable(&con->ctl_tx);
	for (unsigned i = 0; i < con->ctl_rx.size; i++)
		rx_post(&con->ctl_rx, con->ctl_buf[i], CTL_BYTES);
	for (unsigned i = 0; i < con->rx.size; i++)
		rx_post(&con->rx, con->rx_buf[i], RX_BYTES);
	return 0;
}

bool console_init(void)
{
	struct virtio_dev *d = virtio_find(VIRTIO_ID_CONSOLE, 0);
	uint64_t limit;

	if (!d || virtio_start(d, CONSOLE_F_MULTIPORT) < 0)
		return false;
	if (!(d->negotiated & CONSOLE_F_MULTIPORT) || !d->config || mmio_read32(d->config + CONSOLE_MAX_PORTS) <= PORT)
		goto out_stop;
	con = kvm_boot_pages(ALIGN_UP(sizeof *con, PAGE_SIZE) / PAGE_SIZE);
	if (!con || queues_init(d) < 0)
		goto out_stop;
	con->dev = d;
	virtio_ready(d, console_poll, con);
	virtio_kick(d, &con->ctl_rx);
	control_send(EV_DEVICE_READY, 1, 0);
	limit = plat_time_mono() + OPEN_WAIT_NS;
	while (!con->open && plat_time_mono() < limit) {
		console_pump();
		__builtin_ia32_pause();
	}
	if (con->open)
		return true;
	kprintf("doppel: the virtio-serial device has no connected port 1\n");

out_stop:
	virtio_stop(d);
	con = NULL;
	return false;
}
