/* Our vDSO (vdso(7), x86-64): clock_gettime, gettimeofday, time, clock_getres and getcpu without entering the kernel, the
 * same image on both platforms. Whatever it cannot answer goes the ordinary way, through the syscall instruction. */
#include "vdso/vdso_data.h"

#define NSEC 1000000000ul
#define SYS_gettimeofday 96
#define SYS_clock_gettime 228
#define SYS_clock_getres 229

enum { REALTIME = 0, MONOTONIC = 1, MONOTONIC_RAW = 4, REALTIME_COARSE = 5, MONOTONIC_COARSE = 6, BOOTTIME = 7, TAI = 11 };

extern const struct vdso_data vdso_data __attribute__((visibility("hidden")));

struct timespec {
	int64_t sec, nsec;
};
struct timeval {
	int64_t sec, usec;
};

static inline long syscall2(long nr, long a, long b)
{
	long r;

	__asm__ volatile("syscall" : "=a"(r) : "a"(nr), "D"(a), "S"(b) : "rcx", "r11", "memory");
	return r;
}

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	/* lfence: no reading of the counter before what came first in the program. */
	__asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi)::"memory");
	return (uint64_t)hi << 32 | lo;
}

/* Monotonic and wall time, ns; 0 when the kernel must be asked. */
static inline int clocks(uint64_t *mono, uint64_t *wall)
{
	const volatile struct vdso_data *d = &vdso_data;
	uint32_t seq;

	do {
		seq = d->seq;
		if (!d->ready)
			return 0;
		__asm__ volatile("" ::: "memory");
		*mono = d->mono + (uint64_t)((unsigned __int128)(rdtsc() - d->tsc) * d->mult >> 32);
		*wall = *mono + d->wall_offset;
		__asm__ volatile("" ::: "memory");
	} while (seq & 1 || seq != d->seq);
	return 1;
}

static int get_clock(int clock, struct timespec *ts)
{
	uint64_t mono, wall, t;

	if ((unsigned)clock > TAI || !clocks(&mono, &wall))
		return (int)syscall2(SYS_clock_gettime, clock, (long)ts);
	switch (clock) {
	case REALTIME: case REALTIME_COARSE: case TAI:
		t = wall;
		break;
	case MONOTONIC: case MONOTONIC_RAW: case MONOTONIC_COARSE: case BOOTTIME:
		t = mono;
		break;
	default:
		return (int)syscall2(SYS_clock_gettime, clock, (long)ts);
	}
	ts->sec = (int64_t)(t / NSEC);
	ts->nsec = (int64_t)(t % NSEC);
	return 0;
}

int __vdso_clock_gettime(int clock, struct timespec *ts);
int __vdso_clock_gettime(int clock, struct timespec *ts) { return get_clock(clock, ts); }

int __vdso_gettimeofday(struct timeval *tv, int32_t *tz);
int __vdso_gettimeofday(struct timeval *tv, int32_t *tz)
{
	uint64_t mono, wall;

	if (!clocks(&mono, &wall))
		return (int)syscall2(SYS_gettimeofday, (long)tv, (long)tz);
	if (tv) {
		tv->sec = (int64_t)(wall / NSEC);
		tv->usec = (int64_t)(wall % NSEC / 1000);
	}
	if (tz)
		tz[0] = tz[1] = 0;
	return 0;
}

int64_t __vdso_time(int64_t *out);
int64_t __vdso_time(int64_t *out)
{
	struct timespec ts;

	get_clock(REALTIME, &ts);
	if (out)
		*out = ts.sec;
	return ts.sec;
}

int __vdso_clock_getres(int clock, struct timespec *ts);
int __vdso_clock_getres(int clock, struct timespec *ts) { return (int)syscall2(SYS_clock_getres, clock, (long)ts); }

int __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused);
int __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused)
{
	if (cpu)
		*cpu = 0;
	if (node)
		*node = 0;
	return 0;
}

int clock_gettime(int, struct timespec *) __attribute__((weak, alias("__vdso_clock_gettime")));
int gettimeofday(struct timeval *, int32_t *) __attribute__((weak, alias("__vdso_gettimeofday")));
int64_t time(int64_t *) __attribute__((weak, alias("__vdso_time")));
int clock_getres(int, struct timespec *) __attribute__((weak, alias("__vdso_clock_getres")));
int getcpu(unsigned *, unsigned *, void *) __attribute__((weak, alias("__vdso_getcpu")));
