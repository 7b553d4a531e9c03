/* The kernel's random generator: ChaCha20 (RFC 8439) with fast key erasure.
 *
 * Each refill makes a few blocks; the first 32 bytes become the next key, so what was handed out cannot be computed from
 * the state afterwards. Seeded by the boot blob, else by the platform at first use, which makes it look for a device; the
 * platform is asked again every 64 refills. */
#include "core/random.h"
#include "core/lib/string.h"
#include "plat/plat.h"

#define BLOCKS 4

static uint32_t key[8];
static unsigned char pool[BLOCKS * 64];
static size_t pool_used = sizeof(pool);
static unsigned refills;
static bool seeded; /* by random_seed(), and not refilled since */

static inline uint32_t rotl(uint32_t x, int n) { return x << n | x >> (32 - n); }

static inline void quarter(uint32_t *x, int a, int b, int c, int d)
{
	x[a] += x[b], x[d] = rotl(x[d] ^ x[a], 16);
	x[c] += x[d], x[b] = rotl(x[b] ^ x[c], 12);
	x[a] += x[b], x[d] = rotl(x[d] ^ x[a], 8);
	x[c] += x[d], x[b] = rotl(x[b] ^ x[c], 7);
}

static void chacha_block(uint32_t counter, unsigned char *out)
{
	uint32_t in[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 }, x[16];

	memcpy(in + 4, key, sizeof(key));
	in[12] = counter;
	memcpy(x, in, sizeof(x));
	for (int i = 0; i < 10; i++) {
		quarter(x, 0, 4, 8, 12), quarter(x, 1, 5, 9, 13), quarter(x, 2, 6, 10, 14), quarter(x, 3, 7, 11, 15);
		quarter(x, 0, 5, 10, 15), quarter(x, 1, 6, 11, 12), quarter(x, 2, 7, 8, 13), quarter(x, 3, 4, 9, 14);
	}
	for (int i = 0; i < 16; i++)
		x[i] += in[i];
	memcpy(out, x, sizeof(x));
}

static void refill(void)
{
	if (refills++ % 64 == 0 && !seeded) {
		uint32_t seed[8];

		plat_random(seed, sizeof(seed));
		for (int i = 0; i < 8; i++)
			key[i] ^= seed[i];
	}
	seeded = false;
	for (unsigned i = 0; i < BLOCKS; i++)
		chacha_block(i, pool + i * 64);
	memcpy(key, pool, sizeof(key));
	memset(pool, 0, sizeof(key));
	pool_used = sizeof(key);
}

void random_seed(const uint8_t seed[RANDOM_SEED])
{
	memcpy(key, seed, sizeof(key));
	seeded = true;
}

void random_bytes(void *buf, size_t len)
{
	unsigned char *p = buf;

	while (len) {
		size_t n = sizeof(pool) - pool_used;

		if (!n) {
			refill();
			continue;
		}
		n = MIN(n, len);
		memcpy(p, pool + pool_used, n);
		memset(pool + pool_used, 0, n);
		pool_used += n;
		p += n;
		len -= n;
	}
}

uint64_t random_u64(void)
{
	uint64_t v;

	random_bytes(&v, sizeof(v));
	return v;
}

void random_mix(const void *buf, size_t len)
{
	const unsigned char *p = buf;

	for (size_t i = 0; i < len; i++)
		((unsigned char *)key)[i % sizeof(key)] ^= p[i];
	refill();
}
