/* The page that the kernel shares with the vDSO: how the clocks follow from the time stamp counter. Written by the kernel
 * under the sequence count (odd: being written).
 *
 * A clock's time is its base plus (rdtsc - tsc) * mult >> 32 nanoseconds. `span` bounds the ticks since tsc for which this
 * holds; the kernel is asked afterwards and renews the page. 0: ask the kernel. */
#ifndef VDSO_VDSO_DATA_H
#define VDSO_VDSO_DATA_H

#include <stdint.h>

enum { VDSO_MONO, VDSO_WALL };

struct vdso_data {
	uint32_t seq;
	uint64_t tsc, mult, span;
	struct {
		uint64_t sec, nsec;
	} base[2];
};

#endif
