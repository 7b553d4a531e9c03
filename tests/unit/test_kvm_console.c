/* plat/kvm/virtio/console.c over a fake device: the handshake, the byte ring and its room, input, and ends. The virtio
 * layer below is replaced by one that keeps the real rings; the device is played on them here. */
#include "tests/unit/unit.h"

#include "plat/kvm/virtio/console.c"
#include "plat/kvm/virtio/ring.c"

#define QUEUES 6

/* ---- the fake device ---- */

static struct virtio_dev dev;
static uint32_t config[3];
static struct vq *queues[QUEUES];
static uint16_t seen[QUEUES], used[QUEUES];
static unsigned stopped, kicks[QUEUES];
static bool present, no_multiport, queue_fails;

/* How the device answers the handshake. */
static bool has_port, host_connected, console_too;
static uint32_t handshake[8]; /* port << 16 | event << 8 | value of what the driver said */
static unsigned nhandshake;

static uint8_t arena[80 * 4096] __attribute__((aligned(4096)));
static size_t arena_pages;

static uint8_t got[4 << 20]; /* what the host read */
static size_t got_len;
static uint8_t input[1 << 17];
static size_t input_len;
static unsigned gone_calls;

void *kvm_boot_pages(size_t n)
{
	if (n > arena_pages)
		return NULL;
	memset(arena, 0, sizeof arena);
	return arena;
}

paddr_t kvm_pa(const void *va) { return (uintptr_t)va; }
struct virtio_dev *virtio_find(uint16_t type, unsigned nth) { return present && type == 3 && nth == 0 ? &dev : NULL; }

int virtio_start(struct virtio_dev *d, uint64_t wanted)
{
	d->negotiated = no_multiport ? 0 : wanted & CONSOLE_F_MULTIPORT;
	return 0;
}

int virtio_queue(struct virtio_dev *d, struct vq *q, unsigned index, unsigned size, void *mem, struct vq_slot *slots)
{
	ck_assert_uint_lt(index, QUEUES);
	if (queue_fails)
		return -EIO;
	vq_init(q, size, true, mem, slots);
	q->index = index;
	queues[index] = q;
	return 0;
}

void virtio_ready(struct virtio_dev *d, unsigned (*poll)(struct virtio_dev *d), void *driver)
{
	d->poll = poll;
	d->driver = driver;
}

void virtio_stop(struct virtio_dev *d) { stopped++; }

static bool dev_has(unsigned q) { return queues[q]->avail->idx != seen[q]; }

static uint16_t dev_pop(unsigned q)
{
	uint16_t head = queues[q]->avail->ring[seen[q]++ % queues[q]->size];

	*(uint16_t *)&queues[q]->used->ring[queues[q]->size] = seen[q]; /* avail_event: notify me of the next */
	return head;
}

static void dev_push(unsigned q, uint32_t id, uint32_t len)
{
	queues[q]->used->ring[used[q] % queues[q]->size].id = id;
	queues[q]->used->ring[used[q] % queues[q]->size].len = len;
	queues[q]->used->idx = ++used[q];
}

/* Puts bytes into the next buffer of a receive queue: false when the driver has given none. */
static bool dev_gives(unsigned q, const void *bytes, size_t n)
{
	uint16_t head;

	if (!dev_has(q))
		return false;
	head = dev_pop(q);
	ck_assert_uint_le(n, queues[q]->desc[head].len);
	ck_assert(queues[q]->desc[head].flags == DESC_F_WRITE);
	memcpy((void *)queues[q]->desc[head].addr, bytes, n);
	dev_push(q, head, n);
	return true;
}

static void dev_says(uint32_t port, uint16_t event, uint16_t value)
{
	struct control c = { port, event, value };

	ck_assert(dev_gives(Q_CTL_RX, &c, sizeof c));
}

/* QEMU's side of 5.3.6.2. */
static void dev_control(const struct control *c)
{
	handshake[nhandshake++] = c->port << 16 | c->event << 8 | c->value;
	if (c->event == 0 && console_too)
		dev_says(0, 1, 1);
	if (c->event == 0 && has_port)
		dev_says(1, 1, 1);
	if (c->event == 3 && host_connected) {
		dev_gives(Q_CTL_RX, "\1\0\0\0\7\0\1\0name", 12);
		dev_says(1, 6, 1);
	}
}

/* Takes the device's share of the work on one transmit buffer. */
static uint16_t dev_reads(unsigned q)
{
	uint16_t head = dev_pop(q);

	for (struct vring_desc *d = &queues[q]->desc[head];; d = &queues[q]->desc[d->next]) {
		ck_assert(!(d->flags & DESC_F_WRITE));
		if (q == Q_CTL_TX) {
			ck_assert_uint_eq(d->len, 8);
			dev_control((struct control *)d->addr);
		} else {
			ck_assert_uint_le(got_len + d->len, sizeof got);
			memcpy(got + got_len, (void *)d->addr, d->len);
			got_len += d->len;
		}
		if (!(d->flags & DESC_F_NEXT))
			return head;
	}
}

void virtio_kick(struct virtio_dev *d, struct vq *q)
{
	if (!vq_kick_due(q))
		return;
	kicks[q->index]++;
	while (q->index == Q_CTL_TX && dev_has(Q_CTL_TX))
		dev_push(Q_CTL_TX, dev_reads(Q_CTL_TX), 0);
}

static void host_reads(unsigned buffers)
{
	while (buffers-- && dev_has(Q_PORT1_TX))
		dev_push(Q_PORT1_TX, dev_reads(Q_PORT1_TX), 0);
}

/* ---- ctl.c's side ---- */

static bool pump_in_input;

void ctl_input(const void *bytes, size_t n)
{
	if (pump_in_input)
		console_pump(); /* as a kernel message from in there would */
	ck_assert_uint_le(input_len + n, sizeof input);
	memcpy(input + input_len, bytes, n);
	input_len += n;
}

static uint32_t expects; /* of a frame's rest */
uint32_t ctl_expects(void) { return expects; }
void ctl_gone(void) { gone_calls++; }
unsigned ctl_events(bool got_room) { return got_room ? IRQ_STDIO : 0; }

static void setup(void)
{
	fake_boot(1 << 20);
	con = NULL;
	memset(&dev, 0, sizeof dev);
	memset(queues, 0, sizeof queues);
	memset(seen, 0, sizeof seen);
	memset(used, 0, sizeof used);
	memset(kicks, 0, sizeof kicks);
	config[1] = 2; /* max_nr_ports */
	dev.config = (volatile char *)config;
	stopped = nhandshake = got_len = input_len = gone_calls = expects = 0;
	present = has_port = host_connected = true;
	no_multiport = queue_fails = console_too = pump_in_input = false;
	arena_pages = sizeof arena / 4096;
}

static unsigned poll_dev(void) { return dev.poll(&dev); }

/* ---- tests ---- */

START_TEST(handshake_opens_port_1)
{
	console_too = true;
	ck_assert(console_init());
	ck_assert(console_alive());
	ck_assert_uint_eq(nhandshake, 3);
	ck_assert_uint_eq(handshake[0], 0 << 16 | 0 << 8 | 1); /* DEVICE_READY */
	ck_assert_uint_eq(handshake[1], 1 << 16 | 3 << 8 | 1); /* PORT_READY */
	ck_assert_uint_eq(handshake[2], 1 << 16 | 6 << 8 | 1); /* PORT_OPEN */
	ck_assert_uint_eq(kicks[Q_PORT1_RX], 1);
	dev_says(1, 1, 1); /* once more: nothing happens */
	console_pump();
	ck_assert_uint_eq(nhandshake, 3);
}
END_TEST

START_TEST(no_channel)
{
	present = false;
	ck_assert(!console_init());
	ck_assert_uint_eq(stopped, 0);
	ck_assert_uint_eq(console_room(), 0);
	ck_assert(!console_send("x", 1, NULL, 0, true));
	ck_assert(console_drained());
	ck_assert(!console_alive());
	console_pump();

	setup();
	no_multiport = true;
	ck_assert(!console_init());
	ck_assert_uint_eq(stopped, 1);
	setup();
	config[1] = 1; /* only port 0 */
	ck_assert(!console_init());
	ck_assert_uint_eq(stopped, 1);
	setup();
	dev.config = NULL;
	ck_assert(!console_init());
	setup();
	queue_fails = true;
	ck_assert(!console_init());
	ck_assert_uint_eq(stopped, 1);
	ck_assert(!console_alive());
	setup();
	arena_pages = 3;
	ck_assert(!console_init());
	ck_assert_uint_eq(stopped, 1);
}
END_TEST

/* Random writes and a host that reads now and then: every byte arrives once, in order, over many laps of the ring. */
START_TEST(output_ring)
{
	static uint8_t out[40000];
	uint64_t seed = 11;
	size_t put = 0;

	console_init();
	while (put < (3u << 20)) {
		size_t n = unit_random(&seed) % 4 ? unit_random(&seed) % 100 + 1 : unit_random(&seed) % sizeof out + 1;
		size_t first = unit_random(&seed) % (n + 1), room = console_room();

		for (size_t i = 0; i < n; i++)
			out[i] = (put + i) * 2654435761u >> 11;
		if (console_send(out, first, out + first, n - first, false))
			put += n;
		else if (n <= room)
			ck_abort_msg("%zu bytes refused with a room of %zu", n, room);
		if (unit_random(&seed) % 8 == 0)
			host_reads(unit_random(&seed) % 200);
	}
	ck_assert(!console_drained());
	host_reads(~0u);
	ck_assert(console_drained());
	ck_assert_uint_eq(got_len, put);
	for (size_t i = 0; i < put; i++)
		if (got[i] != (uint8_t)(i * 2654435761u >> 11))
			ck_abort_msg("byte %zu differs", i);
}
END_TEST

START_TEST(reserve_is_for_small_frames)
{
	static uint8_t big[TX_BYTES];
	unsigned small = 0;

	console_init();
	ck_assert_uint_eq(console_room(), TX_BYTES - CONSOLE_RESERVE);
	ck_assert(!console_send(big, TX_BYTES - CONSOLE_RESERVE + 1, NULL, 0, false));
	ck_assert(console_send(big, TX_BYTES - CONSOLE_RESERVE, NULL, 0, false));
	ck_assert_uint_eq(console_room(), 0);
	ck_assert(!console_send("x", 1, NULL, 0, false));
	ck_assert(console_send("head", 4, "payload", 7, true));
	host_reads(~0u);

	while (console_send("x", 1, NULL, 0, false)) /* many small ones: descriptors run out first */
		small++;
	ck_assert_uint_gt(small, TX_QUEUE / 2);
	ck_assert_uint_gt(console_room() + 1, 0);
	ck_assert(console_send("head", 4, "payload", 7, true));
	ck_assert(console_send("head", 4, "payload", 7, true));
}
END_TEST

/* Buffers that come back in another order free their space only when those before them have come back. */
START_TEST(output_out_of_order)
{
	static uint8_t big[1000];
	uint16_t head[3];

	console_init();
	for (int i = 0; i < 3; i++) {
		ck_assert(console_send(big, 1000, NULL, 0, false));
		head[i] = dev_reads(Q_PORT1_TX);
	}
	dev_push(Q_PORT1_TX, head[2], 0);
	dev_push(Q_PORT1_TX, head[1], 0);
	console_pump();
	ck_assert_uint_eq(tx_free(true), TX_BYTES - 3000);
	dev_push(Q_PORT1_TX, head[0], 0);
	console_pump();
	ck_assert_uint_eq(tx_free(true), TX_BYTES);
}
END_TEST

START_TEST(room_is_reported_once)
{
	static uint8_t big[TX_BYTES / 16];
	uint16_t event;

	console_init();
	ck_assert_uint_eq(*used_event(&con->tx), 0xffff);
	ck_assert(console_want_room()); /* there is */
	ck_assert_uint_eq(poll_dev(), 0);
	event = *used_event(&con->tx);
	while (console_send(big, sizeof big, NULL, 0, false))
		ck_assert_uint_eq(*used_event(&con->tx), event); /* no interrupts while nobody waits */
	ck_assert(!console_want_room());
	ck_assert_uint_eq((uint16_t)(*used_event(&con->tx) + 1 - used[Q_PORT1_TX]), 15 / 2); /* at half of the pieces */
	ck_assert_uint_eq(poll_dev(), 0);
	host_reads(7);
	ck_assert_uint_eq(poll_dev(), 0); /* not half of the bytes yet */
	host_reads(3);
	ck_assert_uint_eq(poll_dev(), IRQ_STDIO);
	host_reads(3);
	ck_assert_uint_eq(poll_dev(), 0);
	while (console_send(big, sizeof big, NULL, 0, false))
		;
	host_reads(~0u); /* all at once, before it is asked for */
	ck_assert(console_want_room());
}
END_TEST

START_TEST(input_is_handed_on)
{
	char chunk[RX_BYTES];
	unsigned n = 0;

	pump_in_input = true;
	console_init();
	while (dev_gives(Q_PORT1_RX, memset(chunk, 'a' + n, sizeof chunk), 1000))
		n++;
	ck_assert_uint_eq(n, RX_BUFS);
	ck_assert_uint_eq(input_len, 0);
	ck_assert_uint_eq(poll_dev(), 0);
	ck_assert_uint_eq(input_len, n * 1000);
	for (unsigned i = 0; i < n; i++)
		ck_assert_uint_eq(input[i * 1000 + 999], 'a' + i);
	for (n = 0; dev_gives(Q_PORT1_RX, chunk, RX_BYTES); n++) /* the buffers are the device's again */
		;
	ck_assert_uint_eq(n, RX_BUFS);
	poll_dev();
	ck_assert_uint_eq(input_len, RX_BUFS * (1000 + RX_BYTES));
	dev_gives(Q_PORT1_RX, chunk, 0); /* an empty one */
	poll_dev();
	ck_assert_uint_eq(input_len, RX_BUFS * (1000 + RX_BYTES));
}
END_TEST

/* The buffer after which the device interrupts, counted from those that it has used. */
static unsigned irq_after(void) { return (uint16_t)(*used_event(&con->rx) + 1 - used[Q_PORT1_RX]); }

/* Of a long frame one interrupt comes for as many buffers as it fills for certain. */
START_TEST(long_frames_interrupt_once)
{
	static const struct {
		uint32_t rest;
		unsigned after;
	} cases[] = { { 0, 1 }, { 1, 1 }, { RX_BYTES, 1 }, { RX_BYTES + 1, 2 }, { 15 * RX_BYTES + 8, 16 }, { 8 << 20, RX_BUFS } };
	char chunk[RX_BYTES] = "";

	console_init();
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		ck_assert(dev_gives(Q_PORT1_RX, chunk, 100));
		expects = cases[i].rest;
		poll_dev();
		ck_assert_uint_eq(irq_after(), cases[i].after);
	}
	expects = 3 * RX_BYTES;
	for (unsigned i = 0; i < RX_BUFS; i++) /* all that there are, and it is not over */
		ck_assert(dev_gives(Q_PORT1_RX, chunk, 1));
	poll_dev();
	ck_assert_uint_eq(irq_after(), 3);
	ck_assert(dev_gives(Q_PORT1_RX, chunk, 1));
}
END_TEST

START_TEST(host_closes)
{
	console_init();
	ck_assert(console_send("x", 1, NULL, 0, false));
	dev_says(0, 6, 0); /* another port */
	poll_dev();
	ck_assert_uint_eq(gone_calls, 0);
	con->want_room = true;
	dev_says(1, 6, 0);
	ck_assert_uint_eq(poll_dev(), IRQ_STDIO); /* writers shall see it */
	ck_assert_uint_eq(gone_calls, 1);
	ck_assert(!console_alive());
	ck_assert(console_drained());
	ck_assert_uint_eq(console_room(), 0);
	ck_assert(!console_send("x", 1, NULL, 0, true));
	dev_says(1, 6, 1); /* does not come back */
	dev_says(1, 2, 1);
	ck_assert_uint_eq(poll_dev(), 0);
	ck_assert_uint_eq(gone_calls, 1);
	ck_assert(!console_alive());
}
END_TEST

START_TEST(bad_device)
{
	static const unsigned which[] = { Q_CTL_RX, Q_PORT1_RX, Q_PORT1_TX };

	for (unsigned i = 0; i < ARRAY_SIZE(which); i++) {
		setup();
		console_init();
		dev_push(which[i], 9999, 1);
		poll_dev();
		ck_assert_uint_eq(gone_calls, 1);
		ck_assert_uint_eq(stopped, 1);
		ck_assert(!console_alive());
		poll_dev();
		ck_assert_uint_eq(gone_calls, 1);
	}
	setup();
	console_init();
	dev_gives(Q_CTL_RX, "\1\0\0\0\6\0\0", 7); /* too short for a message */
	poll_dev();
	ck_assert(console_alive());
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("kvm_console", &tc, setup, NULL);

	tcase_add_test(tc, handshake_opens_port_1);
	tcase_add_test(tc, no_channel);
	tcase_add_test(tc, output_ring);
	tcase_add_test(tc, reserve_is_for_small_frames);
	tcase_add_test(tc, output_out_of_order);
	tcase_add_test(tc, room_is_reported_once);
	tcase_add_test(tc, input_is_handed_on);
	tcase_add_test(tc, long_frames_interrupt_once);
	tcase_add_test(tc, host_closes);
	tcase_add_test(tc, bad_device);
	return s;
}
