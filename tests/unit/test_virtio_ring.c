/* plat/kvm/virtio/ring.c against a device written here from the layout in virtio 1.2, section 2.7: an honest one that
 * completes in any order and notifies exactly when EVENT_IDX says so, and dishonest ones. */
#include "tests/unit/unit.h"

#include "plat/kvm/virtio/ring.c"

#define MAX_SIZE 256u

/* For loops of many thousands: Check writes a record for each assertion of its own. */
#define require(cond) \
	do { \
		if (!(cond)) \
			ck_abort_msg("%s", #cond); \
	} while (0)

/* The device's view: offsets into the shared memory, free-running indices of its own. */
struct dev {
	uint8_t *mem;
	unsigned size;
	bool event_idx;
	uint16_t avail_seen, used;
	uint16_t irq_base; /* used index at the last interrupt decision */
};

static uint8_t mem[VQ_BYTES(MAX_SIZE)] __attribute__((aligned(16)));
static struct vq_slot slots[MAX_SIZE];
static struct vq q;
static struct dev dev;

static void start(unsigned size, bool event_idx)
{
	memset(mem, 0, sizeof mem);
	memset(slots, 0xee, sizeof slots);
	vq_init(&q, size, event_idx, mem, slots);
	dev = (struct dev){ .mem = mem, .size = size, .event_idx = event_idx };
}

static uint16_t *dev_u16(size_t off)
{
	return (uint16_t *)(dev.mem + off);
}

static uint16_t *avail_at(unsigned i) { return dev_u16(16 * dev.size + 2 * i); } /* flags, idx, ring…, used_event */
static uint16_t *used_at(unsigned i) { return dev_u16(((16 * dev.size + 6 + 2 * dev.size + 3) & ~3u) + 2 * i); }
static uint16_t *dev_avail_event(void) { return used_at(2 + 4 * dev.size); }
static uint16_t *dev_used_event(void) { return avail_at(2 + dev.size); }

static bool dev_has_work(void)
{
	return dev.avail_seen != *avail_at(1);
}

static uint16_t dev_pop(void)
{
	return *avail_at(2 + dev.avail_seen++ % dev.size);
}

/* An honest device sets avail_event to what it waits for before it goes to sleep. */
static void dev_sleep(void)
{
	*dev_avail_event() = dev.avail_seen;
}

static void dev_push(uint32_t id, uint32_t len)
{
	uint16_t *e = used_at(2 + 4 * (dev.used % dev.size));

	memcpy(e, &id, 4);
	memcpy(e + 2, &len, 4);
	*used_at(1) = ++dev.used;
}

/* 2.7.10: whether the completions since the last question are to be notified. */
static bool dev_interrupts(void)
{
	uint16_t old = dev.irq_base, new = dev.used;

	dev.irq_base = new;
	if (!dev.event_idx)
		return old != new && !(*avail_at(0) & 1);
	return (uint16_t)(new - *dev_used_event() - 1) < (uint16_t)(new - old);
}

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

static struct desc dev_desc(unsigned i)
{
	struct desc d;

	memcpy(&d, dev.mem + 16 * i, sizeof d);
	return d;
}

static void *cookie(uintptr_t n)
{
	return (void *)n;
}

static const struct vq_seg seg4[4] = { { 0x1000, 10 }, { 0x2000, 20 }, { 0x3000, 30 }, { 0x4000, 40 } };

START_TEST(layout)
{
	ck_assert_uint_eq(VQ_BYTES(1), 16 + 8 + 14);
	ck_assert_uint_eq(VQ_USED_OFF(1), 24);
	ck_assert_uint_le(VQ_BYTES(128), 4096);
	start(4, true);
	ck_assert_int_eq(vq_add(&q, seg4, 2, 2, cookie(1)), 0);
	ck_assert(!dev_has_work()); /* not before it is published */
	ck_assert(vq_kick_due(&q));
	ck_assert(dev_has_work());
	for (unsigned i = dev_pop(), k = 0; k < 4; k++) {
		struct desc d = dev_desc(i);

		ck_assert_uint_eq(d.addr, seg4[k].pa);
		ck_assert_uint_eq(d.len, seg4[k].len);
		ck_assert_uint_eq(d.flags, (k < 3 ? 1 : 0) | (k >= 2 ? 2 : 0));
		i = d.next;
	}
	ck_assert_int_eq(dev_has_work(), false);
}
END_TEST

START_TEST(init_rejects_bad_sizes)
{
	ck_assert_panic(vq_init(&q, 0, true, mem, slots), "assert");
	ck_assert_panic(vq_init(&q, 3, true, mem, slots), "assert");
	ck_assert_panic(vq_init(&q, 512, true, mem, slots), "assert");
}
END_TEST

START_TEST(add_limits)
{
	struct vq_seg many[MAX_SIZE + 1], big[2] = { { 0, 0xffffffff }, { 0, 1 } }, empty[2] = { { 0, 5 }, { 0, 0 } };

	for (unsigned i = 0; i <= MAX_SIZE; i++)
		many[i] = (struct vq_seg){ i * 4096, 4096 };
	start(4, true);
	ck_assert_int_eq(vq_add(&q, many, 0, 0, cookie(1)), -EINVAL);
	ck_assert_int_eq(vq_add(&q, many, 5, 0, cookie(1)), -EINVAL);
	ck_assert_int_eq(vq_add(&q, many, 2, 3, cookie(1)), -EINVAL);
	ck_assert_int_eq(vq_add(&q, many, ~0u, 2, cookie(1)), -EINVAL); /* the sum wraps */
	ck_assert_int_eq(vq_add(&q, big, 1, 1, cookie(1)), -EINVAL);
	ck_assert_int_eq(vq_add(&q, big, 2, 0, cookie(1)), -EINVAL);
	ck_assert_int_eq(vq_add(&q, empty, 1, 1, cookie(1)), -EINVAL);
	ck_assert_int_eq(vq_add(&q, empty, 2, 0, cookie(1)), -EINVAL);
	ck_assert_int_eq(vq_add(&q, many, 3, 0, cookie(1)), 0);
	ck_assert_int_eq(vq_add(&q, many, 2, 0, cookie(2)), -EAGAIN);
	ck_assert_int_eq(vq_add(&q, many, 1, 0, cookie(2)), 0);
	ck_assert_int_eq(vq_add(&q, many, 1, 0, cookie(3)), -EAGAIN);
	ck_assert_uint_eq(q.nfree, 0);
	start(256, false);
	ck_assert_int_eq(vq_add(&q, many, 128, 128, cookie(1)), 0);
	ck_assert_int_eq(vq_add(&q, many, 1, 0, cookie(2)), -EAGAIN);
}
END_TEST

START_TEST(lengths_are_clipped)
{
	uint32_t len = 99;

	start(4, true);
	ck_assert_ptr_null(vq_take(&q, &len));
	vq_add(&q, seg4, 1, 2, cookie(7)); /* 50 bytes of room */
	vq_kick_due(&q);
	dev_push(dev_pop(), 0xffffffff);
	ck_assert_ptr_eq(vq_take(&q, &len), cookie(7));
	ck_assert_uint_eq(len, 50);
	vq_add(&q, seg4, 1, 0, cookie(8)); /* none */
	vq_kick_due(&q);
	dev_push(dev_pop(), 4);
	ck_assert_ptr_eq(vq_take(&q, &len), cookie(8));
	ck_assert_uint_eq(len, 0);
	vq_add(&q, seg4, 0, 1, cookie(9));
	vq_kick_due(&q);
	dev_push(dev_pop(), 4);
	ck_assert_ptr_eq(vq_take(&q, &len), cookie(9));
	ck_assert_uint_eq(len, 4);
	ck_assert_uint_eq(q.nfree, 4);
	ck_assert_uint_eq(q.inflight, 0);
}
END_TEST

/* A device that reports what it must not: the queue gives nothing more and hands every cookie back once. */
static void expect_broken(unsigned inflight)
{
	uint32_t len;
	unsigned long sum = 0, want = 0;

	ck_assert_ptr_null(vq_take(&q, &len));
	ck_assert(q.broken);
	ck_assert_ptr_null(vq_take(&q, &len));
	ck_assert_int_eq(vq_add(&q, seg4, 1, 0, cookie(9)), -EIO);
	ck_assert(!vq_kick_due(&q));
	ck_assert(!vq_irq_enable(&q, 1)); /* or a caller would loop for ever */
	for (unsigned i = 1; i <= inflight; i++) {
		sum += (uintptr_t)vq_abandon(&q);
		want += i;
	}
	ck_assert_uint_eq(sum, want);
	ck_assert_ptr_null(vq_abandon(&q));
	ck_assert_uint_eq(q.nfree, q.size);
}

static void start_two(void)
{
	start(8, true);
	ck_assert_int_eq(vq_add(&q, seg4, 1, 2, cookie(1)), 0);
	ck_assert_int_eq(vq_add(&q, seg4, 1, 2, cookie(2)), 0);
	vq_kick_due(&q);
}

START_TEST(bad_ids)
{
	uint32_t len;
	uint16_t head;

	start_two();
	dev_push(8, 0); /* beyond the table */
	expect_broken(2);
	start_two();
	dev_push(0x10000, 0); /* valid only if cut to 16 bits */
	expect_broken(2);
	start_two();
	dev_push(0xffffffff, 0);
	expect_broken(2);
	start_two();
	dev_push(dev_desc(dev_pop()).next, 0); /* within a chain */
	expect_broken(2);
	start_two();
	dev_push(7, 0); /* a free descriptor */
	expect_broken(2);

	start_two();
	vq_add(&q, seg4, 1, 0, cookie(3));
	vq_kick_due(&q);
	head = dev_pop();
	dev_push(head, 0); /* the same one twice */
	dev_push(head, 0);
	ck_assert_ptr_eq(vq_take(&q, &len), cookie(1));
	ck_assert_ptr_null(vq_take(&q, &len));
	ck_assert(q.broken);
	ck_assert_uint_eq((uintptr_t)vq_abandon(&q) + (uintptr_t)vq_abandon(&q), 5);
	ck_assert_ptr_null(vq_abandon(&q));
}
END_TEST

START_TEST(bad_used_index)
{
	start_two();
	dev_push(dev_pop(), 0);
	*used_at(1) = 3; /* more than are out */
	expect_broken(2);
	start_two();
	*used_at(1) = 0xffff; /* backwards */
	expect_broken(2);
}
END_TEST

/* The device may write to the descriptor table and the available ring as it likes: the driver never reads them. */
START_TEST(shared_memory_is_not_trusted)
{
	uint64_t seed = 42;
	uint32_t len;

	start(8, true);
	for (unsigned n = 1; n < 1000; n++) {
		uint16_t a, b;

		require(vq_add(&q, seg4, 2, 1, cookie(n)) == 0);
		require(vq_add(&q, seg4, 2, 2, cookie(n + 1)) == 0);
		vq_kick_due(&q);
		a = dev_pop();
		b = dev_pop();
		for (unsigned i = 0; i < VQ_AVAIL_OFF(8); i++)
			mem[i] = unit_random(&seed);
		dev_push(b, 1);
		dev_push(a, 2);
		require(vq_take(&q, &len) == cookie(n + 1));
		require(vq_take(&q, &len) == cookie(n));
		require(q.nfree == 8);
	}
}
END_TEST

START_TEST(kick_only_when_awaited)
{
	start(8, true);
	for (unsigned round = 0; round < 70000; round++) { /* over the wrap of the 16-bit index */
		uint32_t len;

		vq_add(&q, seg4, 1, 0, cookie(1));
		require(vq_kick_due(&q)); /* the device sleeps */
		require(!vq_kick_due(&q)); /* nothing new */
		vq_add(&q, seg4, 1, 0, cookie(2));
		require(!vq_kick_due(&q)); /* it is awake: avail_event is behind */
		while (dev_has_work())
			dev_push(dev_pop(), 0);
		dev_sleep();
		while (vq_take(&q, &len))
			;
	}
	/* Two buffers published at once, the device waiting for the second of them. */
	*dev_avail_event() = dev.avail_seen + 1;
	vq_add(&q, seg4, 1, 0, cookie(1));
	ck_assert(!vq_kick_due(&q));
	vq_add(&q, seg4, 1, 0, cookie(2));
	ck_assert(vq_kick_due(&q));
}
END_TEST

START_TEST(irq_enable_counts_and_sees_the_race)
{
	uint32_t len;

	start(8, true);
	for (unsigned round = 0; round < 17000; round++) {
		for (unsigned i = 1; i <= 4; i++)
			vq_add(&q, seg4, 1, 0, cookie(i));
		vq_kick_due(&q);
		require(!vq_irq_enable(&q, 3));
		dev.irq_base = dev.used;
		dev_push(dev_pop(), 0);
		require(!dev_interrupts());
		dev_push(dev_pop(), 0);
		require(!dev_interrupts());
		require(!vq_irq_enable(&q, 3));
		require(vq_irq_enable(&q, 2));
		require(vq_irq_enable(&q, 1));
		require(!vq_irq_enable(&q, 3));
		dev_push(dev_pop(), 0);
		require(dev_interrupts());
		require(vq_irq_enable(&q, 3));
		while (vq_take(&q, &len))
			;
		vq_irq_disable(&q);
		dev_push(dev_pop(), 0);
		require(!dev_interrupts());
		while (vq_take(&q, &len))
			;
	}
}
END_TEST

START_TEST(flags_without_event_idx)
{
	uint32_t len;

	start(4, false);
	vq_add(&q, seg4, 1, 0, cookie(1));
	ck_assert(vq_kick_due(&q));
	*used_at(0) = 1; /* VIRTQ_USED_F_NO_NOTIFY */
	vq_add(&q, seg4, 1, 0, cookie(1));
	ck_assert(!vq_kick_due(&q));
	vq_irq_disable(&q);
	dev_push(dev_pop(), 0);
	ck_assert(!dev_interrupts());
	ck_assert(vq_irq_enable(&q, 1));
	vq_take(&q, &len);
	ck_assert(!vq_irq_enable(&q, 1));
	dev_push(dev_pop(), 0);
	ck_assert(dev_interrupts());
}
END_TEST

#define RUN_MAX 70000u /* over the wrap of the 16-bit indices */

/* Driver and device run at random; each acts only when the other's notification woke it. Had one been suppressed
 * wrongly, both would sleep with work left. Buffers complete in random order and with random lengths; every one
 * comes back once. */
static void random_run(unsigned size, bool event_idx, uint64_t seed, unsigned total)
{
	uint16_t held[MAX_SIZE];
	static uint32_t room[RUN_MAX + 1], wrote[RUN_MAX + 1];
	static bool back[RUN_MAX + 1];
	unsigned nheld = 0, added = 0, taken = 0, idle = 0;
	bool dev_awake = false, drv_awake = true;
	struct vq_seg segs[4];

	memset(back, 0, sizeof back);
	start(size, event_idx);
	dev_sleep();
	while (taken < total) {
		if (drv_awake && (unit_random(&seed) & 1)) {
			unsigned burst = unit_random(&seed) % 5;
			uint32_t len;
			void *c;

			idle = 0;
			while (added < total && burst--) {
				unsigned nout = unit_random(&seed) % 3, nin = unit_random(&seed) % 3 + !nout;
				uint32_t cap = 0;

				for (unsigned i = 0; i < nout + nin; i++) {
					segs[i] = (struct vq_seg){ unit_random(&seed), unit_random(&seed) % 1000 + 1 };
					cap += i >= nout ? segs[i].len : 0;
				}
				if (nout + nin > size || vq_add(&q, segs, nout, nin, cookie(added + 1)) < 0)
					break;
				room[++added] = cap;
			}
			if (vq_kick_due(&q))
				dev_awake = true;
			while ((c = vq_take(&q, &len)) != NULL) {
				require(!back[(uintptr_t)c]);
				back[(uintptr_t)c] = true;
				require(len == MIN(wrote[(uintptr_t)c], room[(uintptr_t)c]));
				taken++;
			}
			require(!q.broken);
			if (added == total || q.nfree < 4) /* only waiting is left */
				drv_awake = vq_irq_enable(&q, q.inflight > 2 && (unit_random(&seed) & 1) ? 2 : 1) ||
					    q.inflight == 0; /* the request drawn was too long for the queue */
		}
		if (dev_awake && (unit_random(&seed) & 1)) {
			idle = 0;
			while (dev_has_work() && unit_random(&seed) % 4)
				held[nheld++] = dev_pop();
			while (nheld && unit_random(&seed) % 4) {
				unsigned pick = unit_random(&seed) % nheld;
				uint32_t len = unit_random(&seed) % 3000;

				wrote[(uintptr_t)slots[held[pick]].cookie] = len;
				dev_push(held[pick], len);
				held[pick] = held[--nheld];
			}
			if (dev_interrupts())
				drv_awake = true;
			if (!nheld) {
				dev_sleep();
				dev_awake = dev_has_work(); /* its own re-check of the race */
			}
		}
		if (!dev_awake && !drv_awake && idle++)
			ck_abort_msg("both sides sleep: %u of %u taken", taken, added);
	}
	require(q.nfree == size);
	require(q.inflight == 0);
}

START_TEST(random_order_and_notification)
{
	static const unsigned sizes[] = { 1, 2, 4, 16, 128, 256 };

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		random_run(sizes[i], true, 1000 + i, i % 2 ? RUN_MAX : 3000);
		random_run(sizes[i], false, 2000 + i, 3000);
	}
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("virtio_ring", &tc, NULL, NULL);

	tcase_add_test(tc, layout);
	tcase_add_test(tc, init_rejects_bad_sizes);
	tcase_add_test(tc, add_limits);
	tcase_add_test(tc, lengths_are_clipped);
	tcase_add_test(tc, bad_ids);
	tcase_add_test(tc, bad_used_index);
	tcase_add_test(tc, shared_memory_is_not_trusted);
	tcase_add_test(tc, kick_only_when_awaited);
	tcase_add_test(tc, irq_enable_counts_and_sees_the_race);
	tcase_add_test(tc, flags_without_event_idx);
	tcase_add_test(tc, random_order_and_notification);
	return s;
}
