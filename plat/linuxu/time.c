/* linuxu: clocks, the time stamp counter, the one timer, and the FS and GS bases.
 *
 * Monotonic time is the host's CLOCK_MONOTONIC less its value at start. Once the counter's frequency is known, both
 * plat_time_mono() and the program's vDSO compute it from the same parameters, so they always agree; each call of
 * plat_time_tsc() steers the parameters towards the host's clock without a step, so time never goes back. The host's
 * own vDSO is not used: it may use vector registers, which hold the application's values while the kernel runs.
 *
 * The timer is a POSIX timer that sends SIGALRM. It is armed only when a deadline exists; one that was armed too
 * early is left alone and set again when it fires, which spares a host call for each sleep that ends before its
 * deadline. */
#include "plat/linuxu/linuxu.h"
#include "core/lib/string.h"
#include "shim/abi/elf.h"
#include "shim/abi/errno.h"
#include "shim/abi/resource.h"
#include "shim/abi/signal.h"
#include "shim/abi/time.h"

#define CALIBRATE_NS (10 * NSEC_PER_MSEC)
#define WALL_NS (100 * NSEC_PER_MSEC)
#define STEER_NS NSEC_PER_SEC
#define STEER_MAX ((int64_t)STEER_NS / 2000) /* 500 ppm, as NTP slews */

static uint64_t mono_base; /* host monotonic time at start */
static int host_timer;
static uint64_t deadline = TIME_NEVER, tick = TIME_NEVER, armed = TIME_NEVER;

static struct {
	bool invariant;   /* the CPU says that the counter runs at a constant rate */
	bool valid;       /* now is usable */
	uint64_t tsc0, mono0; /* first sample: the rate is measured over the whole run */
	struct plat_tsc now;
} counter;

/* ---- clocks ---- */

static uint64_t host_time(int clock)
{
	struct host_timespec ts;

	host_clock_gettime(clock, &ts);
	return (uint64_t)ts.sec * NSEC_PER_SEC + (uint64_t)ts.nsec;
}

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

static uint64_t scale(uint64_t ticks, uint64_t mult)
{
	return (uint64_t)(((unsigned __int128)ticks * mult) >> 32);
}

/* (a << 32) / b, where the result fits 64 bits. */
static uint64_t shifted_ratio(uint64_t a, uint64_t b)
{
	uint64_t q, rem;

	__asm__("divq %4" : "=a"(q), "=d"(rem) : "a"(a << 32), "d"(a >> 32), "r"(b) : "cc");
	return q;
}

/* A counter value and the monotonic time that belongs to it: the tightest of a few pairs. The counter is read first, so
 * time computed from it is never behind what the host has told before. */
static void sample(uint64_t *tsc, uint64_t *mono)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 4; i++) {
		uint64_t a = rdtsc(), t = host_time(CLOCK_MONOTONIC) - mono_base, b = rdtsc();

		if (b - a < best) {
			best = b - a;
			*tsc = a;
			*mono = t;
		}
	}
}

uint64_t plat_time_mono(void)
{
	struct plat_tsc unused;
	uint64_t now;

	if (counter.valid)
		return counter.now.mono + scale(rdtsc() - counter.now.tsc, counter.now.mult);
	now = host_time(CLOCK_MONOTONIC) - mono_base;
	if (counter.invariant && now - counter.mono0 >= CALIBRATE_NS && plat_time_tsc(&unused) == 0)
		return plat_time_mono();
	return now;
}

/* The host's wall clock may be set at any moment; how far it is from our own time is asked again ten times a second. */
uint64_t plat_time_wall(void)
{
	static uint64_t offset, asked = TIME_NEVER;
	uint64_t now = plat_time_mono();

	if (!counter.valid)
		return host_time(CLOCK_REALTIME);
	if (asked == TIME_NEVER || now - asked > WALL_NS) {
		offset = host_time(CLOCK_REALTIME) - now;
		asked = now;
	}
	return now + offset;
}

int plat_time_tsc(struct plat_tsc *out)
{
	uint64_t tsc, mono, rate, ours;
	int64_t lead;

	if (!counter.invariant)
		return -ENODEV;
	sample(&tsc, &mono);
	if (mono - counter.mono0 < CALIBRATE_NS || tsc <= counter.tsc0)
		return -EAGAIN;
	rate = shifted_ratio(mono - counter.mono0, tsc - counter.tsc0);
	if (!counter.valid) {
		counter.now = (struct plat_tsc){ tsc, mono, rate };
		counter.valid = true;
	} else if (mono - counter.now.mono > CALIBRATE_NS || mono < counter.now.mono) {
		/* Go on from our own time, at a rate that meets the host's in about a second; a jump of the host's
		 * clock (a suspended machine) forwards is followed at once. */
		ours = counter.now.mono + scale(tsc - counter.now.tsc, counter.now.mult);
		lead = (int64_t)(ours - mono);
		if (lead < -(int64_t)STEER_NS)
			ours = mono, lead = 0;
		lead = MIN(lead, STEER_MAX);
		lead = MAX(lead, -STEER_MAX);
		counter.now = (struct plat_tsc){ tsc, ours, rate - (uint64_t)((int64_t)rate * lead / (int64_t)STEER_NS) };
	}
	*out = counter.now;
	return 0;
}

/* ---- the timer ---- */

static void timer_arm(void)
{
	uint64_t at = MIN(deadline, tick);
	struct host_itimerspec its = { 0 };

	if (at >= armed)
		return;
	armed = at;
	at += mono_base;
	its.value.sec = (int64_t)(at / NSEC_PER_SEC);
	its.value.nsec = (int64_t)(at % NSEC_PER_SEC);
	host_call4(HOST_timer_settime, (uint64_t)host_timer, TIMER_ABSTIME, HP(&its), 0);
}

void plat_timer_set(uint64_t at)
{
	deadline = at;
	timer_arm();
}

void time_tick(uint64_t at)
{
	if (at != TIME_NEVER && tick <= at)
		return;
	tick = at;
	timer_arm();
}

bool time_timer_fired(void)
{
	uint64_t now = plat_time_mono();
	bool due = now >= deadline;

	armed = TIME_NEVER;
	if (due)
		deadline = TIME_NEVER;
	if (now >= tick)
		tick = TIME_NEVER;
	/* Our clock and the host's may be some nanoseconds apart: a deadline just missed must not be armed in the
	 * past of one and the future of the other for ever; settime in the past fires at once, which is right. */
	timer_arm();
	return due;
}

/* ---- FS and GS ---- */

static bool fsgsbase; /* the host lets user mode use wrfsbase and its kin (AT_HWCAP2 bit 1) */

uint64_t plat_fs_get(void)
{
	uint64_t v;

	if (fsgsbase)
		__asm__ volatile("rdfsbase %0" : "=r"(v));
	else
		host_call3(HOST_arch_prctl, ARCH_GET_FS, HP(&v), 0);
	return v;
}

void plat_fs_set(uint64_t base)
{
	if (fsgsbase)
		__asm__ volatile("wrfsbase %0" : : "r"(base));
	else
		host_call3(HOST_arch_prctl, ARCH_SET_FS, base, 0);
}

uint64_t plat_gs_get(void)
{
	uint64_t v;

	if (fsgsbase)
		__asm__ volatile("rdgsbase %0" : "=r"(v));
	else
		host_call3(HOST_arch_prctl, ARCH_GET_GS, HP(&v), 0);
	return v;
}

void plat_gs_set(uint64_t base)
{
	if (fsgsbase)
		__asm__ volatile("wrgsbase %0" : : "r"(base));
	else
		host_call3(HOST_arch_prctl, ARCH_SET_GS, base, 0);
}

/* ---- */

void time_init(bool user_fsgsbase)
{
	struct host_sigevent ev = { .signo = SIGALRM };
	long r;

	fsgsbase = user_fsgsbase;
	mono_base = host_time(CLOCK_MONOTONIC);
	counter.invariant = cpu_has(0x80000007, 3, 8);
	sample(&counter.tsc0, &counter.mono0);
	r = host_call3(HOST_timer_create, CLOCK_MONOTONIC, HP(&ev), HP(&host_timer));
	if (r < 0)
		host_die("timer_create", r);
}
