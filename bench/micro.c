/* Microbenchmarks of the syscall surface, one static program for every system under test.
 *
 * Prints `op NAME NS TICKS` per operation: wall nanoseconds and time stamp counter ticks of one operation, the minimum
 * over several short rounds, without the cost of the empty loop. Under QEMU's -icount shift=0 a tick is a guest
 * instruction. `micro-begin` and `micro-end NS` frame the whole, so that the host can check the guest's clock by its own.
 *
 * micro [-n ROUNDS] [NAME…]   runs all, or the named ones; without -n each for a second at least, since a shared machine
 * is slow for a while now and then and the least is what counts. Keep every operation as a program would do it: through libc,
 * no inline syscalls, since patched call sites are part of what is measured. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define AREA (64u << 20)
#define FILE_NAME "/tmp/doppel-micro"

static int zero, null, file, pipes[2];
static char buf[4096];
static volatile char *area;

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

static void must(int ok)
{
	if (!ok) {
		perror("micro");
		abort();
	}
}

/* A function per operation with the loop inside: n operations, one after the other. */
#define OP(name, body)                         \
	static void op_##name(unsigned n)      \
	{                                      \
		for (; n; n--) {               \
			body;                  \
			__asm__ volatile("" ::: "memory"); \
		}                              \
	}

static struct timespec ts;
static struct stat st;

OP(empty, )
OP(null, getppid())
OP(clock, clock_gettime(CLOCK_MONOTONIC, &ts))
OP(read_zero, must(read(zero, buf, 1) == 1))
OP(read_zero_4k, must(read(zero, buf, 4096) == 4096))
OP(write_null, must(write(null, buf, 1) == 1))
OP(open_close, int fd = open(FILE_NAME, O_RDONLY); must(fd >= 0); close(fd))
OP(fstat, must(!fstat(file, &st)))
OP(stat, must(!stat(FILE_NAME, &st)))
OP(pread, must(pread(file, buf, 4096, 0) == 4096))
OP(pwrite, must(pwrite(file, buf, 4096, 0) == 4096))
OP(pipe, must(write(pipes[1], buf, 1) == 1 && read(pipes[0], buf, 1) == 1))
OP(mmap, char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); must(p != MAP_FAILED);
   *p = 1; munmap(p, 4096))

/* A page of each 128 KiB: apart enough for no kernel to have mapped it with its neighbour. */
static void op_fault(unsigned n)
{
	for (size_t at = 0; n; n--, at += 128 << 10)
		area[at] = 1;
}

static void op_fault_next(unsigned n)
{
	for (size_t at = 0; n; n--, at += 4096)
		area[at] = 1;
}

static const struct op {
	const char *name;
	void (*op)(unsigned n);
	unsigned count; /* operations a round */
	int faults;     /* the area is given back before each round */
} ops[] = {
	{ "null-syscall", op_null, 10000, 0 },
	{ "clock_gettime", op_clock, 10000, 0 },
	{ "read-zero-1", op_read_zero, 10000, 0 },
	{ "read-zero-4k", op_read_zero_4k, 2000, 0 },
	{ "write-null-1", op_write_null, 10000, 0 },
	{ "openat-close", op_open_close, 2000, 0 },
	{ "fstat", op_fstat, 10000, 0 },
	{ "stat", op_stat, 2000, 0 },
	{ "pread-4k", op_pread, 2000, 0 },
	{ "pwrite-4k", op_pwrite, 2000, 0 },
	{ "mmap-touch-munmap", op_mmap, 1000, 0 },
	{ "page-fault", op_fault, AREA / (128 << 10), 1 },
	{ "page-fault-next", op_fault_next, 4096, 1 },
	{ "pipe-write-read", op_pipe, 5000, 0 },
};

#define ROUNDS_MIN 15
#define TIME_MIN   1000000000ul /* ns */

/* rounds 0: as many as the time allows. */
static void measure(const struct op *o, int rounds, double *best_ns, double *best_ticks)
{
	uint64_t start = now_ns();

	*best_ns = *best_ticks = 1e18;
	for (int r = 0; rounds ? r < rounds : r < ROUNDS_MIN || now_ns() - start < TIME_MIN; r++) {
		if (o->faults)
			madvise((void *)area, AREA, MADV_DONTNEED);
		uint64_t ns = now_ns(), ticks = rdtsc();

		o->op(o->count);
		ticks = rdtsc() - ticks;
		ns = now_ns() - ns;
		if ((double)ns / o->count < *best_ns)
			*best_ns = (double)ns / o->count;
		if ((double)ticks / o->count < *best_ticks)
			*best_ticks = (double)ticks / o->count;
	}
}

static int wanted(const char *name, char **names)
{
	if (!*names)
		return 1;
	for (; *names; names++)
		if (!strcmp(*names, name))
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	const struct op empty = { "empty", op_empty, 10000, 0 };
	double ns, ticks, base_ns, base_ticks;
	int rounds = 0;

	if (argc > 2 && !strcmp(argv[1], "-n"))
		rounds = atoi(argv[2]), argv += 2;
	zero = open("/dev/zero", O_RDONLY);
	null = open("/dev/null", O_WRONLY);
	file = open(FILE_NAME, O_RDWR | O_CREAT | O_TRUNC, 0600);
	area = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(zero >= 0 && null >= 0 && file >= 0 && !pipe(pipes) && area != MAP_FAILED && write(file, buf, 4096) == 4096);
	madvise((void *)area, AREA, MADV_NOHUGEPAGE); /* 4 KiB pages everywhere */
	puts("micro-begin");
	fflush(stdout);
	uint64_t begin = now_ns();

	measure(&empty, rounds, &base_ns, &base_ticks);
	for (unsigned i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (!wanted(ops[i].name, argv + 1))
			continue;
		measure(&ops[i], rounds, &ns, &ticks);
		printf("op %s %.1f %.1f\n", ops[i].name, ns - base_ns, ticks - base_ticks);
		fflush(stdout);
	}
	printf("micro-end %.0f\n", (double)(now_ns() - begin));
	unlink(FILE_NAME);
	return 0;
}
