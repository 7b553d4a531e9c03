/* The frequency of the host's time stamp counter, for the guest's clock under TCG, whose rdtsc is the host's: measured over
 * doppel's own start-up, a millisecond or two, without waiting for it. The clock is read between two readings of the
 * counter; the closest pair of a few counts. Some 20 ns in 0.2 ms are no worse than what the guest would measure itself. */
#include "tools/doppel/doppel.h"

#include <time.h>
#include <x86intrin.h>

#define TRIES 8
#define CLOSE_TICKS 2000    /* about a microsecond: a wider pair was interrupted */
#define SHORTEST_NS 200000

struct moment {
	uint64_t tsc, ns, width;
};

static struct moment started;

static struct moment now(void)
{
	struct moment best = { .width = UINT64_MAX };
	struct timespec t;

	for (int i = 0; i < TRIES; i++) {
		uint64_t before = __rdtsc();

		clock_gettime(CLOCK_MONOTONIC, &t);
		uint64_t width = __rdtsc() - before;

		if (width < best.width)
			best = (struct moment){ before + width / 2, (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec, width };
	}
	return best;
}

void tsc_start(void) { started = now(); }

uint64_t tsc_hz(void)
{
	struct moment end = now();
	uint64_t ns = end.ns - started.ns;

	if (started.width > CLOSE_TICKS || end.width > CLOSE_TICKS || ns < SHORTEST_NS || end.tsc <= started.tsc)
		return 0;
	return (uint64_t)((unsigned __int128)(end.tsc - started.tsc) * 1000000000 / ns);
}
