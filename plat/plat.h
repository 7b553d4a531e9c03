/* The platform boundary: everything the kernel needs from the machine it runs on.
 *
 * plat/linuxu (an ordinary Linux process) and plat/kvm (a QEMU, KVM or Firecracker guest) each implement these functions;
 * the linker chooses. core/, shim/ and loader/ are the same object file on both and know the platform only through this
 * header.
 *
 * Rules for the whole header:
 * - Functions return 0 or a count on success and a negative errno on failure, unless they say otherwise.
 * - No function here sleeps: it returns at once or, where it says so, waits with the CPU (plat_idle).
 * - All are called with interrupts deferred, on a kernel stack, by the one CPU that holds the kernel.
 * - Times are nanoseconds. Sizes are bytes. Buffers handed over for device transfers lie in RAM's direct map and are owned
 *   by the platform until the transfer is done.
 */
#ifndef PLAT_PLAT_H
#define PLAT_PLAT_H

#include "core/types.h"
#include "plat/stdfile.h"

struct cpu;
struct regs;
struct plat_space;

/* ---- CPU and application entry ---- */

/* A function that preserves every register but rax, so that calling it costs little, and functions that call nothing else
 * can be LIGHT (below). Hosted unit tests do without: gcc has no such functions beside SSE code. */
#ifdef __SSE__
#define KEEPS_REGS
#else
#define KEEPS_REGS __attribute__((no_caller_saved_registers))
#endif

/* The CPU this code runs on. Never NULL after boot. */
struct cpu *plat_cpu(void) KEEPS_REGS;

/* The same where every instruction counts: gcc 12 saves its registers around plat_cpu() all the same, and calls it anew
 * each time. One CPU: the result is the same before and after sleeping. */
static inline struct cpu *plat_cpu_fast(void)
{
#ifdef __SSE__
	return plat_cpu();
#else
	struct cpu *cpu;

	__asm__("call plat_cpu" : "=a"(cpu) : : "cc");
	return cpu;
#endif
}

/* Enters the application with every general register, rip, rsp and rflags from *r (a frame on the current kernel stack).
 * FS/GS bases and FPU state are those set last. Does not return: the application comes back through the upcalls. */
_Noreturn void plat_user_enter(struct regs *r);

/* The application's FS and GS base registers. */
uint64_t plat_fs_get(void);
void plat_fs_set(uint64_t base);
uint64_t plat_gs_get(void);
void plat_gs_set(uint64_t base);

/* ---- Memory ---- */

struct plat_region {
	paddr_t start, end; /* page aligned, end exclusive */
};

/* Usable RAM that nothing else occupies (kernel image, boot data and initrd are already taken out), in ascending order.
 * Writes at most `max` regions and returns how many. Every region is readable and writable at plat_direct_map() + paddr. */
size_t plat_ram(struct plat_region *regions, size_t max);

/* Kernel address of physical address 0 in the direct map, a multiple of 2 MiB. Constant after boot. */
char *plat_direct_map(void);

/* True when RAM that was never written reads as zeroes (a fresh memfd or a fresh QEMU guest). */
bool plat_ram_is_zeroed(void);

/* Tells the platform that a free extent's contents are no longer needed, so that the host may take the memory back.
 * Reads as zeroes or as before afterwards. May do nothing. */
void plat_ram_discard(paddr_t pa, size_t len);

/* What a page fault costs, in pages of memory that could be cleared or copied in the same time; at least 1, constant. core
 * balances by it how many pages a fault provides that nobody has asked for. */
unsigned plat_fault_pages(void);

/* An address space. The page table below `root` (one page, x86-64 4-level format, core/mm/pt.h) is built and owned by
 * core/mm and is the truth on both platforms. On kvm the hardware walks it. On linuxu the host's mappings are a cache of
 * it, filled on demand: the platform may forget any of them at any time, and the miss comes back as a page fault.
 *   new:     *out gets a handle for the table at root; the kernel's half is filled in. -ENOMEM.
 *   free:    forgets the space; it must not be current. The table's pages remain core's.
 *   map:     [va, va+len) has newly valid entries, none of which was valid before. A hint: doing nothing is correct.
 *            fresh: they name memory that was never used and may well stay so: nothing should be spent on it.
 *   unmap:   entries in [va, va+len) were made invalid, or now name another page. Must take effect before it returns.
 *   protect: permissions of valid entries in [va, va+len) changed, the pages did not. Must take effect.
 *   switch:  makes it the CPU's current space (NULL: the kernel half only). */
int plat_space_new(paddr_t root, struct plat_space **out);
void plat_space_free(struct plat_space *s);
void plat_space_map(struct plat_space *s, vaddr_t va, size_t len, bool fresh);
void plat_space_unmap(struct plat_space *s, vaddr_t va, size_t len);
void plat_space_protect(struct plat_space *s, vaddr_t va, size_t len);
void plat_space_switch(struct plat_space *s);

/* ---- Time ---- */

uint64_t plat_time_mono(void); /* since boot, never goes back */
uint64_t plat_time_wall(void); /* since 1970-01-01 UTC */

/* How monotonic time follows from the time stamp counter: ns = mono + ((tsc_now - tsc) * mult >> 32), where tsc and mono are
 * of a moment just passed. Returns 0 and fills *out once known; -EAGAIN while the frequency is not known yet; -ENODEV where
 * there is no usable counter. */
struct plat_tsc {
	uint64_t tsc, mono, mult;
};
int plat_time_tsc(struct plat_tsc *out);

/* Arms the one timer: trap_irq(IRQ_TIMER) comes at or soon after the monotonic time `deadline`. TIME_NEVER disarms. */
void plat_timer_set(uint64_t deadline);

/* ---- Interrupts ---- */

enum {
	IRQ_TIMER = 1 << 0,  /* the deadline has passed */
	IRQ_STDIO = 1 << 1,  /* standard input has data or end of file, or output accepts bytes again */
	IRQ_SIGNAL = 1 << 2, /* plat_signal_next() or plat_tty_size() has news */
	IRQ_9P = 1 << 3,     /* a 9P request is done */
	IRQ_NET = 1 << 4,
	IRQ_BLK = 1 << 5,
};

/* Waits until at least one interrupt is pending, delivers what is pending through trap_irq() and returns. */
void plat_idle(void);

/* Delivers what is pending through trap_irq() without waiting. For long loops (sched_point()). */
void plat_poll(void);

/* ---- Standard streams, terminal, forwarded signals ---- */

enum plat_stdio_kind {
	PLAT_STDIO_CLOSED,  /* the program starts without this descriptor */
	PLAT_STDIO_STREAM,  /* a pipe, device or socket on the host: a byte stream to the program */
	PLAT_STDIO_TTY,     /* a terminal; the host's end is in raw mode, core/file/tty.c does the line discipline */
	PLAT_STDIO_NULL,    /* /dev/null */
	PLAT_STDIO_FILE,    /* a regular file or a directory; its position is the host's, where others may share it */
	PLAT_STDIO_ZERO,    /* /dev/zero */
	PLAT_STDIO_FULL,    /* /dev/full */
};

/* What the program's descriptor fd (0, 1 or 2) is. */
enum plat_stdio_kind plat_stdio_kind(int fd);

/* The lowest descriptor of the same kind that is the same open file on the host (`>log 2>&1`): fd itself if none is lower.
 * And with which of O_ACCMODE and O_APPEND it is open. */
int plat_stdio_same(int fd);
int plat_stdio_flags(int fd);

/* Takes bytes from the host's standard input: a count, 0 at end of file, -EAGAIN if there is none now (IRQ_STDIO will
 * tell), -EIO; the latter is a terminal's hang-up. */
long plat_stdio_read(void *buf, size_t len);

/* Hands bytes to the host's stream fd (1 or 2; for a terminal also 0): a count that may be short, -EAGAIN when the host
 * does not accept any now (IRQ_STDIO will tell), -EPIPE when the reader has gone, or another error of the host's, which may
 * be that of an earlier write. */
long plat_stdio_write(int fd, const void *buf, size_t len);

/* For PLAT_STDIO_FILE: one request; buf is read or written as it says. A count or position, an error of the host's call, or
 * -EAGAIN: the same call again after IRQ_STDIO, and no other one before it is answered. Comes after what plat_stdio_write()
 * has taken. */
long plat_stdio_call(const struct stdfile_call *c, void *buf);

/* The terminal's size in characters; 0 × 0 when there is none. */
void plat_tty_size(uint16_t *rows, uint16_t *cols);

/* Next signal number that the host side forwards to the program (SIGTERM, SIGINT, SIGHUP, SIGWINCH…), or 0. */
int plat_signal_next(void);

/* Kernel messages: to the log (stderr of the runner, the serial line of the guest), never to the program's streams. */
void plat_log(const char *text, size_t len);

/* Output of --trace: to the file the user named, else where plat_log() goes. */
void plat_trace(const char *text, size_t len);

/* ---- 9P2000.L transport ---- */

#define PLAT_9P_SEGS 36

struct plat_9p_seg {
	void *base; /* in the direct map; physically contiguous */
	size_t len;
};

/* One request and the room for its reply. The submitter owns the structure and the buffers again once done is set. */
struct plat_9p_req {
	struct plat_9p_seg out[PLAT_9P_SEGS], in[PLAT_9P_SEGS];
	unsigned nout, nin;
	volatile bool done;
	size_t in_len; /* bytes of reply written; 0 with done: the transport failed */
	void *owner;   /* the submitter's */
};

/* Finds the export with this mount tag: a device number, or -ENODEV. */
int plat_9p_find(const char *tag);

/* Queues a request. 0, or -EAGAIN when the queue is full (retry after the next IRQ_9P), or -EINVAL. IRQ_9P follows once it
 * is done, unless it was done before this returned (check req->done). */
int plat_9p_submit(int dev, struct plat_9p_req *req);

/* ---- Boot parameters, random, end ---- */

/* Command line (NUL terminated; "" if none): see core/boot.h for its words. */
const char *plat_cmdline(void);

/* The boot blob: argv, environment and working directory (core/boot.h has the format); NULL and 0 if none. */
const void *plat_boot_blob(size_t *len);

/* A cpio archive for the root file system in the direct map; NULL and 0 if none. */
const void *plat_initrd(size_t *len);

/* Unpredictable bytes from the host, for seeding. */
void plat_random(void *buf, size_t len);

/* Name of the platform for uname-like output and messages: "linuxu" or "kvm". */
const char *plat_name(void);

/* Ends the machine. status is the program's wait(2) status word: exit code << 8, or the signal that killed it. */
_Noreturn void plat_exit(int status);

/* Ends the machine after a panic whose message has been logged. The host sees exit status 125. */
_Noreturn void plat_crash(void);

/* Name of the kernel function that holds addr, with the offset into it; NULL if none. For backtraces. */
const char *plat_symbol(uint64_t addr, uint64_t *offset);

/* ---- Upcalls: what the platform calls in core ---- */

struct regs; /* core/x86_64/regs.h */

/* Boots the kernel; called once on the boot stack. */
_Noreturn void core_main(void);

/* Syscalls: the platform's entry code fills a struct regs at the top of the thread's kernel stack (struct cpu kstack_top)
 * — at least rip, rsp, rflags, orig_rax and the argument registers —, calls syscall_active[nr](args…) with the six
 * arguments in the C convention's registers, or syscall_unknown() when nr >= SYSCALL_MAX, and puts the result in rax. */
typedef long syscall_fn(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
#define SYSCALL_MAX 512
extern syscall_fn *syscall_active[SYSCALL_MAX]; /* filled in before the first plat_user_enter() */
syscall_fn syscall_unknown;

/* How syscall_active[nr] wants to be called; shim fills it in before the first plat_user_enter().
 *   PLAIN: as above.
 *   LIGHT: the function is KEEPS_REGS, takes no arguments and does not look at the frame: the platform may leave the
 *          argument registers out of it. Never set while tracing or injection stand in front of the function.
 *   REGS:  the function reads or changes the whole frame (fork, clone, execve, rt_sigreturn): the platform stores all
 *          registers before the call and loads all of them after it; rax becomes the result as always. */
enum { SYSCALL_PLAIN, SYSCALL_LIGHT, SYSCALL_REGS };
extern uint8_t syscall_kind[SYSCALL_MAX];

/* An exception in the application; *r is its full frame at the top of the thread's kernel stack. vec is the x86 vector,
 * err the error code (as from ring 3), addr the faulting address for #PF. May sleep, kill the program, change *r. */
void trap_fault(struct regs *r, unsigned vec, uint64_t err, uint64_t addr);

/* An exception in kernel code: true if *r was changed so that execution may go on (a fault in the user copy); else it
 * panics and does not return. Must be called before any state is lost; does not sleep. */
bool trap_kernel_fault(struct regs *r, unsigned vec, uint64_t err, uint64_t addr);

/* Interrupts `irqs` (IRQ_ bits) came in. Called from application context (then trap_return follows) or from plat_idle /
 * plat_poll. Does not sleep. */
void trap_irq(unsigned irqs);

/* Called before the application is resumed whenever plat_cpu()->work != 0, with a complete frame: switches threads,
 * delivers signals. May sleep, may not return. */
void trap_return(struct regs *r);

/* For page tables and device buffers of the platform: one zeroed page (physical address), or 0 when RAM is short. */
paddr_t core_page_get(void);
void core_page_put(paddr_t pa);

/* printf to plat_log; and the end of everything. */
void kprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void panic(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* What an error number means, as strerror(3) says it; NULL if none. */
const char *errno_text(int err);

#endif
