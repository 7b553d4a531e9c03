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

/* The time of base `which`; false when the kernel must be asked. */
static inline int read_clock(int which, struct timespec *ts)
{
	const volatile struct vdso_data *d = &vdso_data;
	uint64_t ticks, sec, ns;
	uint32_t seq;

	do {
		seq = d->seq;
		__asm__ volatile("" ::: "memory");
		ticks = rdtsc() - d->tsc;
		if (ticks >= d->span)
			return 0;
		sec = d->base[which].sec;
		ns = d->base[which].nsec + (uint64_t)((unsigned __int128)ticks * d->mult >> 32);
		__asm__ volatile("" ::: "memory");
	} while (seq & 1 || seq != d->seq);
	for (; ns >= NSEC; ns -= NSEC) /* once or twice: span is about a second */
		sec++;
	ts->sec = (int64_t)sec;
	ts->nsec = (int64_t)ns;
	return 1;
}

#define MONO_CLOCKS (1 << MONOTONIC | 1 << MONOTONIC_RAW | 1 << MONOTONIC_COARSE | 1 << BOOTTIME)
#define WALL_CLOCKS (1 << REALTIME | 1 << REALTIME_COARSE | 1 << TAI)

static int get_clock(int clock, struct timespec *ts)
{
	unsigned bit = (unsigned)clock > TAI ? 0 : 1u << clock;

	if (bit & (MONO_CLOCKS | WALL_CLOCKS) && read_clock(bit & WALL_CLOCKS ? VDSO_WALL : VDSO_MONO, ts))
		return 0;
	return (int)syscall2(SYS_clock_gettime, clock, (long)ts);
}

int __vdso_clock_gettime(int clock, struct timespec *ts);
int __vdso_clock_gettime(int clock, struct timespec *ts) { return get_clock(clock, ts); }

int __vdso_gettimeofday(struct timeval *tv, int32_t *tz);
int __vdso_gettimeofday(struct timeval *tv, int32_t *tz)
{
	struct timespec ts;

	if (!read_clock(VDSO_WALL, &ts))
		return (int)syscall2(SYS_gettimeofday, (long)tv, (long)tz);
	if (tv) {
		tv->sec = ts.sec;
		tv->usec = (int64_t)((uint64_t)ts.nsec / 1000);
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
