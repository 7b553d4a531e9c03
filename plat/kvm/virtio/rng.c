/* plat_random(): bytes from the host's entropy device (virtio 1.2, section 5.4) and from the CPU's own generator, one
 * XORed over the other, so that either suffices and neither is trusted alone. The time stamp counter is stirred in
 * where both are missing; then the kernel says so once.
 *
 * Nothing here waits without a limit: a device that does not answer in time keeps its buffer, is asked no more until
 * it has answered, and the CPU's bytes stand alone. */
#include "core/lib/string.h"
#include "plat/kvm/kvm.h"
#include "plat/kvm/virtio/virtio.h"
#include "plat/plat.h"

#define RNG_QUEUE   2u
#define RNG_BYTES   64u
#define RNG_WAIT_NS (20 * NSEC_PER_MSEC)
#define RDRAND_TRIES 16

enum rng_state { RNG_NEW, RNG_READY, RNG_ABSENT };

static struct {
	enum rng_state state;
	bool pending; /* the device has the buffer */
	uint32_t got; /* bytes of its last answer, from the start of buf */
	struct virtio_dev *dev;
	struct vq q;
	struct vq_slot slots[RNG_QUEUE];
	uint8_t ring[VQ_BYTES(RNG_QUEUE)] __attribute__((aligned(16)));
	uint8_t buf[RNG_BYTES] __attribute__((aligned(RNG_BYTES)));
} rng;

static unsigned rng_poll(struct virtio_dev *d)
{
	uint32_t len;

	if (vq_take(&rng.q, &len)) {
		rng.got = len;
		rng.pending = false;
	}
	return 0;
}

static void rng_start(void)
{
	struct virtio_dev *d = virtio_find(VIRTIO_ID_RNG, 0);

	rng.state = RNG_ABSENT;
	if (!d || virtio_start(d, 0) < 0)
		return;
	if (virtio_queue(d, &rng.q, 0, RNG_QUEUE, rng.ring, rng.slots) < 0) {
		virtio_stop(d);
		return;
	}
	vq_irq_disable(&rng.q);
	virtio_ready(d, rng_poll, NULL);
	rng.dev = d;
	rng.state = RNG_READY;
}

/* Up to RNG_BYTES from the device into buf; how many. */
static uint32_t device_bytes(void)
{
	struct vq_seg seg = { .pa = kvm_pa(rng.buf), .len = RNG_BYTES };
	uint64_t limit = plat_time_mono() + RNG_WAIT_NS;
	bool ask = !rng.pending; /* else it is late with an earlier answer */

	if (ask) {
		if (vq_add(&rng.q, &seg, 0, 1, &rng) < 0)
			return 0;
		rng.pending = true;
		virtio_kick(rng.dev, &rng.q);
	}
	for (;;) {
		rng_poll(rng.dev);
		if (!rng.pending)
			return rng.got;
		if (!ask || rng.q.broken || plat_time_mono() > limit)
			return 0;
		__builtin_ia32_pause();
	}
}

/* XORs bytes of the device over dst; how many. */
static size_t mix_device(uint8_t *dst, size_t len)
{
	size_t done = 0;

	if (rng.state == RNG_NEW)
		rng_start();
	while (rng.state == RNG_READY && done < len) {
		size_t n = MIN((size_t)device_bytes(), len - done);

		if (n == 0)
			break;
		for (size_t i = 0; i < n; i++)
			dst[done + i] ^= rng.buf[i];
		memset(rng.buf, 0, sizeof rng.buf);
		done += n;
	}
	return done;
}

/* Which instruction the CPU has: 2 RDSEED, 1 RDRAND, 0 none (SDM volume 1, 7.3.17). */
static int cpu_generator(void)
{
	static int which = -1;
	uint32_t r[4];

	if (which >= 0)
		return which;
	cpuid(1, 0, r);
	which = r[2] >> 30 & 1;
	cpuid(0, 0, r);
	if (r[0] >= 7) {
		cpuid(7, 0, r);
		if (r[1] >> 18 & 1)
			which = 2;
	}
	return which;
}

/* Both may fail for a while when many CPUs draw at once. */
static bool cpu_word(uint64_t *out)
{
	bool ok = false;

	for (int i = 0; i < RDRAND_TRIES && !ok; i++) {
		if (cpu_generator() == 2)
			__asm__ volatile("rdseed %0" : "=r"(*out), "=@ccc"(ok));
		else if (cpu_generator() == 1)
			__asm__ volatile("rdrand %0" : "=r"(*out), "=@ccc"(ok));
		else
			break;
		if (!ok)
			__builtin_ia32_pause();
	}
	return ok;
}

static size_t mix_cpu(uint8_t *dst, size_t len)
{
	size_t done = 0;
	uint64_t w;

	while (done < len && cpu_word(&w))
		for (unsigned i = 0; i < sizeof w && done < len; i++, done++)
			dst[done] ^= (uint8_t)(w >> 8 * i);
	return done;
}

void plat_random(void *buf, size_t len)
{
	static bool warned;
	uint8_t *dst = buf;
	size_t device, cpu;

	memset(dst, 0, len);
	device = mix_device(dst, len);
	cpu = mix_cpu(dst, len);
	if (device >= len || cpu >= len)
		return;
	for (size_t i = 0; i < len; i++) /* the low bits of the time between host events are all there is */
		dst[i] ^= (uint8_t)(rdtsc() * 0x9e3779b97f4a7c15ull >> 56);
	if (!warned)
		kprintf("doppel: no source of randomness: add -device virtio-rng-device (or -pci) to the machine\n");
	warned = true;
}
