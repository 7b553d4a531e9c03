/* Time: the time stamp counter, the wall clock, the one timer.
 *
 * Monotonic time is the TSC scaled. Its frequency comes from, in this order: the word tsc=HZ (the launcher has measured
 * it), kvmclock (Documentation/virt/kvm/x86/msr.rst), CPUID 0x15, the hypervisors' timing leaf 0x40000010. Without any
 * of them it is guessed from CPUID 0x16 or a glance at the local APIC's timer, which runs at 1 GHz, and measured
 * against that while the program runs: until 20 ms have been seen, plat_time_tsc() says -EAGAIN.
 *
 * The timer is lazy: the hardware is armed only for deadlines earlier than what it is armed for already, and an
 * interrupt that comes too early arms it again. Most deadlines are taken back before they pass, and each arming is an
 * exit to the host. */
#include "plat/kvm/kvm.h"
#include "plat/plat.h"
#include "shim/abi/errno.h"

#define MSR_TSC_DEADLINE 0x6e0
#define MSR_KVM_WALL_CLOCK 0x4b564d00
#define MSR_KVM_SYSTEM_TIME 0x4b564d01

#define GUESS_NS 50000           /* how long the first glance takes */
#define MEASURE_NS 20000000      /* and the measurement, */
#define LOOK_NS 1000000          /* which looks at the timer no more often than this */
#define APIC_TIMER_MAX 0xffffffffu

/* pvclock-abi: what the host keeps at the address given to MSR_KVM_SYSTEM_TIME. */
struct pvclock_time {
	volatile uint32_t version;
	uint32_t pad;
	uint64_t tsc, system_time;
	uint32_t mul;
	int8_t shift;
	uint8_t flags, pad2[2];
} __attribute__((aligned(32)));

struct pvclock_wall {
	volatile uint32_t version;
	uint32_t sec, nsec;
};

/* ns = mono + (tsc_now - tsc) * mult / 2^32. */
static struct plat_tsc clock;
static bool clock_exact;
static uint64_t wall_base; /* wall time at monotonic 0 */

/* Measuring: what the local APIC's and the TSC's clock have counted side by side, and where the last look found them.
 * An interval is one run of the timer. */
static uint64_t seen_ns, seen_tsc, interval_tsc;
static uint32_t interval_ns;

static bool deadline_mode;
static uint64_t wanted = TIME_NEVER; /* the deadline the kernel asked for */
static uint64_t armed = TIME_NEVER;  /* when the hardware will interrupt */

/* a * b / c without overflow in between; the quotient must fit. */
static uint64_t mul_div(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t lo, hi;

	__asm__("mulq %3\n\tdivq %4" : "=&a"(lo), "=&d"(hi) : "0"(a), "r"(b), "r"(c) : "cc");
	return lo;
}

static void clock_set_hz(uint64_t hz) { clock.mult = mul_div(NSEC_PER_SEC, 1ul << 32, hz); }

static uint64_t scale(uint64_t ticks, uint64_t mult) { return (uint64_t)((unsigned __int128)ticks * mult >> 32); }

static uint64_t clock_at(uint64_t tsc)
{
	return (int64_t)(tsc - clock.tsc) < 0 ? clock.mono : clock.mono + scale(tsc - clock.tsc, clock.mult);
}

/* ---- The frequency ---- */

static bool word_u64(const char *name, uint64_t *out)
{
	size_t len;
	const char *s = kvm_word(name, 0, &len);

	if (s == NULL || len == 0 || len > 19)
		return false;
	*out = 0;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		*out = *out * 10 + (uint64_t)(s[i] - '0');
	}
	return true;
}

/* Reads kvmclock once and switches it off again: the scale it gives holds as long as the TSC is stable. */
static bool kvmclock_init(void)
{
	static struct pvclock_time t;
	static struct pvclock_wall w;
	uint64_t tsc, host;

	if (!cpu_has(CPU_KVM))
		return false;
	wrmsr(MSR_KVM_SYSTEM_TIME, kvm_pa(&t) | 1);
	wrmsr(MSR_KVM_WALL_CLOCK, kvm_pa(&w));
	wrmsr(MSR_KVM_SYSTEM_TIME, 0);
	tsc = rdtsc();
	if (t.mul == 0)
		return false;
	clock.mult = t.shift >= 0 ? (uint64_t)t.mul << t.shift : (uint64_t)t.mul >> -t.shift;
	/* system_time is the host's clock at t.tsc; the wall clock is that of its zero. */
	host = t.system_time + (tsc > t.tsc ? scale(tsc - t.tsc, clock.mult) : 0);
	if (w.sec != 0)
		wall_base = w.sec * NSEC_PER_SEC + w.nsec + host - clock_at(tsc);
	return true;
}

static uint64_t cpuid_hz(void)
{
	uint32_t r[4], max;

	cpuid(0, 0, r);
	max = r[0];
	if (max >= 0x15) {
		cpuid(0x15, 0, r);
		if (r[0] != 0 && r[1] != 0 && r[2] != 0)
			return (uint64_t)r[2] * r[1] / r[0];
	}
	cpuid(1, 0, r);
	if (!(r[2] & 1u << 31))
		return 0; /* no hypervisor, no leaves of theirs */
	cpuid(0x40000000, 0, r);
	if (r[0] >= 0x40000010 && r[0] < 0x40010000) {
		cpuid(0x40000010, 0, r);
		return (uint64_t)r[0] * 1000;
	}
	return 0;
}

/* Both clocks at one moment. Anything may come between the two readings (under TCG the first passes through this code
 * take long), so the closest of a few tries counts. */
static uint32_t look(uint64_t *tsc)
{
	uint64_t best = UINT64_MAX;
	uint32_t left = 0;

	for (unsigned i = 0; i < 4; i++) {
		uint64_t before = rdtsc();
		uint32_t now = apic_timer_left();
		uint64_t after = rdtsc();

		if (after - before < best) {
			best = after - before;
			*tsc = before + best / 2;
			left = now;
		}
	}
	return left;
}

static void interval_start(uint32_t ns)
{
	apic_timer_start(ns);
	interval_ns = look(&interval_tsc);
}

/* Adds what the current interval has shown since the last look; it goes on from here. One that has run out shows
 * nothing more, since its end was not seen. Settles the frequency once enough was seen. */
static void measure(void)
{
	uint64_t tsc = 0;
	uint32_t left = interval_ns == 0 ? 0 : look(&tsc);

	if (left != 0) {
		seen_ns += interval_ns - left;
		seen_tsc += tsc - interval_tsc;
	}
	interval_ns = left;
	interval_tsc = tsc;
	if (seen_ns < MEASURE_NS)
		return;
	/* Go on from the time already told. */
	tsc = rdtsc();
	clock.mono = clock_at(tsc);
	clock.tsc = tsc;
	clock_set_hz(mul_div(seen_tsc, NSEC_PER_SEC, seen_ns));
	clock_exact = true;
}

/* A frequency to begin with, and the start of the measurement. */
static void guess(void)
{
	uint32_t r[4], seen = 0, patience = 1u << 22;
	uint64_t tsc = 0;

	interval_start(APIC_TIMER_MAX);
	cpuid(0, 0, r);
	if (r[0] >= 0x16) {
		cpuid(0x16, 0, r);
		if ((r[0] & 0xffff) != 0) {
			clock_set_hz((uint64_t)(r[0] & 0xffff) * 1000000);
			return;
		}
	}
	while (seen < GUESS_NS && --patience != 0)
		seen = interval_ns - look(&tsc);
	if (seen < GUESS_NS)
		panic("the local APIC's timer stands still");
	clock_set_hz(mul_div(tsc - interval_tsc, NSEC_PER_SEC, seen));
}

/* ---- Wall clock ---- */

static uint8_t cmos_read(uint8_t reg)
{
	outb(0x70, reg);
	return inb(0x71);
}

static unsigned cmos_number(uint8_t reg, bool binary)
{
	unsigned v = cmos_read(reg);

	return binary ? v : (v >> 4) * 10 + (v & 15);
}

/* Days since 1970-01-01 of a date in the Gregorian calendar: years are counted from March, so that leap days come
 * last. */
static uint64_t days_since_epoch(unsigned year, unsigned month, unsigned day)
{
	unsigned y = month <= 2 ? year - 1 : year;
	unsigned m = month <= 2 ? month + 9 : month - 3;

	return 365ul * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

/* MC146818: seconds since 1970 (UTC), 0 when there is no clock. Read until two readings agree, as it may tick
 * meanwhile. */
static uint64_t rtc_read(void)
{
	uint64_t last = 0;

	if (cmos_read(0x0d) == 0xff)
		return 0;
	for (unsigned tries = 0; tries < 100; tries++) {
		bool binary = cmos_read(0x0b) & 4;
		uint64_t t;

		if (cmos_read(0x0a) & 0x80)
			continue;
		t = days_since_epoch(2000 + cmos_number(9, binary), cmos_number(8, binary), cmos_number(7, binary)) * 86400 +
		    cmos_number(4, binary) * 3600ul + cmos_number(2, binary) * 60ul + cmos_number(0, binary);
		if (t == last)
			return t;
		last = t;
	}
	return last;
}

void time_init(void)
{
	uint64_t hz;
	bool kvmclock;

	clock.tsc = rdtsc();
	kvmclock = kvmclock_init();
	clock_exact = true;
	if (word_u64("tsc", &hz) && hz >= 1000000)
		clock_set_hz(hz);
	else if (!kvmclock && (hz = cpuid_hz()) >= 1000000)
		clock_set_hz(hz);
	else if (!kvmclock)
		clock_exact = false;
	if (!clock_exact)
		guess();
	else if (cpu_has(CPU_TSC_DEADLINE)) {
		deadline_mode = true;
		apic_timer_deadline();
	}
	if (wall_base == 0 && !word_u64("epoch", &wall_base))
		wall_base = rtc_read() * NSEC_PER_SEC;
}

/* ---- The boundary ---- */

uint64_t plat_time_mono(void)
{
	uint64_t tsc = rdtsc();

	if (unlikely(!clock_exact) && interval_ns != 0 && scale(tsc - interval_tsc, clock.mult) >= LOOK_NS)
		measure();
	return clock_at(tsc);
}

uint64_t plat_time_wall(void) { return wall_base + plat_time_mono(); }

int plat_time_tsc(struct plat_tsc *out)
{
	uint64_t tsc = rdtsc();

	if (!clock_exact)
		return -EAGAIN;
	*out = (struct plat_tsc){ tsc, clock_at(tsc), clock.mult };
	return 0;
}

static void timer_arm(uint64_t deadline)
{
	uint64_t now = plat_time_mono();
	uint64_t delta = deadline > now ? deadline - now : 1;

	if (deadline_mode) {
		/* Scaled back: a year's worth of nanoseconds is far from overflowing, later ones come early. */
		delta = MIN(delta, 1ul << 55);
		armed = now + delta;
		wrmsr(MSR_TSC_DEADLINE, clock.tsc + mul_div(armed - clock.mono, 1ul << 32, clock.mult) + 1);
		return;
	}
	delta = MIN(delta, (uint64_t)APIC_TIMER_MAX);
	armed = now + delta;
	if (!clock_exact)
		measure();
	if (!clock_exact)
		interval_start((uint32_t)delta);
	else
		apic_timer_start((uint32_t)delta);
}

void plat_timer_set(uint64_t deadline)
{
	wanted = deadline;
	if (wanted < armed)
		timer_arm(wanted);
}

bool time_timer_fired(void)
{
	armed = TIME_NEVER;
	if (!clock_exact)
		interval_start(APIC_TIMER_MAX); /* the measurement goes on, whether or not somebody waits */
	if (wanted == TIME_NEVER)
		return false;
	if (plat_time_mono() >= wanted) {
		wanted = TIME_NEVER;
		return true;
	}
	timer_arm(wanted);
	return false;
}
