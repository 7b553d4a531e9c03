/* Microbenchmarks of the syscall surface, one static program for every system under test.
 *
 * Prints `NAME NS TSC` per operation: wall nanoseconds and time stamp counter ticks, the minimum over several rounds.
 * Under QEMU's -icount shift=0 a tick is a guest instruction. `micro NAME…` runs some; `micro -q` few rounds. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int zero, null, file, pipes[2];
static char buf[4096];
static char *area;
static size_t area_at;

static uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi)::"memory");
	return (uint64_t)hi << 32 | lo;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void op_null(void) { syscall(SYS_getppid); }
static void op_clock(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); }
static void op_read_zero(void) { if (read(zero, buf, 1) != 1) abort(); }
static void op_read_zero_4k(void) { if (read(zero, buf, 4096) != 4096) abort(); }
static void op_write_null(void) { if (write(null, buf, 1) != 1) abort(); }
static void op_open_close(void) { int fd = open("/tmp/micro", O_RDONLY); if (fd < 0) abort(); close(fd); }
static void op_fstat(void) { struct stat st; if (fstat(file, &st)) abort(); }
static void op_stat(void) { struct stat st; if (stat("/tmp/micro", &st)) abort(); }
static void op_pread(void) { if (pread(file, buf, 4096, 0) != 4096) abort(); }
static void op_pwrite(void) { if (pwrite(file, buf, 4096, 0) != 4096) abort(); }
static void op_pipe(void)
{
	if (write(pipes[1], buf, 1) != 1 || read(pipes[0], buf, 1) != 1)
		abort();
}
static void op_mmap(void)
{
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	*p = 1;
	munmap(p, 4096);
}
/* One page further on each call, never the next one, so that each is a fault of its own. */
static void op_fault(void)
{
	if (area_at >= 64 << 20) {
		madvise(area, 64 << 20, MADV_DONTNEED);
		area_at = 0;
	}
	area[area_at] = 1;
	area_at += 131072;
}
static void op_fault_sequential(void)
{
	if (area_at >= 16 << 20) {
		madvise(area, 64 << 20, MADV_DONTNEED);
		area_at = 0;
	}
	area[area_at] = 1;
	area_at += 4096;
}

static const struct {
	const char *name;
	void (*op)(void);
	unsigned count;
} ops[] = {
	{ "null-syscall", op_null, 20000 },     { "clock_gettime", op_clock, 20000 },   { "read-zero-1", op_read_zero, 20000 },
	{ "read-zero-4k", op_read_zero_4k, 5000 }, { "write-null-1", op_write_null, 20000 }, { "open-close", op_open_close, 5000 },
	{ "fstat", op_fstat, 20000 },           { "stat", op_stat, 5000 },              { "pread-4k", op_pread, 5000 },
	{ "pwrite-4k", op_pwrite, 5000 },       { "mmap-touch-munmap", op_mmap, 2000 }, { "page-fault", op_fault, 512 },
	{ "page-fault-seq", op_fault_sequential, 4096 }, { "pipe-write-read", op_pipe, 10000 },
};

static void measure(unsigned i, int rounds)
{
	uint64_t best_ns = UINT64_MAX, best_tsc = UINT64_MAX;

	area_at = 0;
	madvise(area, 64 << 20, MADV_DONTNEED);
	for (int r = 0; r < rounds; r++) {
		uint64_t ns = now_ns(), tsc = rdtsc();

		for (unsigned n = 0; n < ops[i].count; n++)
			ops[i].op();
		tsc = rdtsc() - tsc;
		ns = now_ns() - ns;
		best_ns = ns < best_ns ? ns : best_ns;
		best_tsc = tsc < best_tsc ? tsc : best_tsc;
	}
	printf("%s %.1f %.1f\n", ops[i].name, (double)best_ns / ops[i].count, (double)best_tsc / ops[i].count);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 && !strcmp(argv[1], "-q") ? 2 : 11, first = rounds == 2 ? 2 : 1;

	zero = open("/dev/zero", O_RDONLY);
	null = open("/dev/null", O_WRONLY);
	file = open("/tmp/micro", O_RDWR | O_CREAT | O_TRUNC, 0600);
	area = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (zero < 0 || null < 0 || file < 0 || pipe(pipes) || area == MAP_FAILED || write(file, buf, 4096) != 4096) {
		perror("micro");
		return 1;
	}
	madvise(area, 64 << 20, MADV_NOHUGEPAGE);
	for (unsigned i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		int wanted = first >= argc;

		for (int a = first; a < argc; a++)
			wanted |= !strcmp(argv[a], ops[i].name);
		if (wanted)
			measure(i, rounds);
	}
	unlink("/tmp/micro");
	return 0;
}
