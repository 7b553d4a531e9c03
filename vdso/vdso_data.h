/* The page that the kernel shares with the vDSO: how the clocks follow from the time stamp counter. Written by the kernel
 * under the sequence count (odd: being written). */
#ifndef VDSO_VDSO_DATA_H
#define VDSO_VDSO_DATA_H

#include <stdint.h>

struct vdso_data {
	uint32_t seq;
	uint32_t ready;      /* 0: ask the kernel */
	uint64_t tsc, mono;  /* monotonic ns = mono + ((rdtsc - tsc) * mult >> 32) */
	uint64_t mult;
	uint64_t wall_offset; /* wall ns = monotonic ns + wall_offset */
};

#endif
