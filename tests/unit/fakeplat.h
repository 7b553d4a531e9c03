/* The fake platform of the unit tests: plat.h on a hosted process, with everything that a test may want to set or see.
 *
 * A test calls fake_boot() first and fake_check_leaks() last (FAKE_TEST in unit.h does both). There is one thread; a sleep
 * in it advances the fake clock to the armed timer, or runs fake_idle_hook, and panics when neither can end it. */
#ifndef TESTS_UNIT_FAKEPLAT_H
#define TESTS_UNIT_FAKEPLAT_H

#include <setjmp.h>

#include "core/types.h"
#include "plat/plat.h"

/* ---- boot and teardown ---- */

#define FAKE_RAM_BASE 0x100000ul /* physical address of the first byte of RAM */

/* A fresh machine with `size` bytes of zeroed RAM, time 0 and a current thread and process without an address space. */
void fake_boot(size_t size);
/* Regions that the next fake_boot() reports instead of one (within [FAKE_RAM_BASE, FAKE_RAM_BASE + size)). */
void fake_ram_regions(const struct plat_region *r, size_t n);
/* What the next fake_boot() answers to plat_ram_is_zeroed(); if false, RAM is filled with rubbish. Default true. */
void fake_ram_zeroed(bool zeroed);
/* Fails the test unless free pages and kernel objects are what they were after fake_boot() (or fake_mark_leaks()). */
void fake_check_leaks(void);
void fake_mark_leaks(void);

/* ---- failing allocations ---- */

/* The n-th kmalloc or page_alloc from now on fails (once); 0: none. */
void fake_fail_after(unsigned n);
/* True when the armed failure has happened. */
bool fake_failed(void);
/* Runs its body with the first, second, … allocation failing, until the body comes through without reaching the n-th. */
#define FAKE_EACH_FAILURE(n) for (unsigned n = 1; fake_fail_loop(n); n++)
bool fake_fail_loop(unsigned n);
bool fake_alloc_fails(void); /* for the fake allocators: counts one allocation */

/* ---- user memory ---- */

/* Without a current space: user addresses [addr, addr + len) exist and are backed by host memory (zeroed). */
void *fake_user_map(uptr_t addr, size_t len);
void *fake_user_ptr(uptr_t addr); /* its host address; NULL if there is none */
void fake_user_readonly(uptr_t addr); /* the buffer that holds addr cannot be written from now on */
void fake_user_reset(void);           /* forgets them all (fake_boot does it too) */
/* With a current space: user_copy_* walk its page table as the CPU would. A translation that was used and then changed
 * without plat_space_unmap/protect panics ("stale translation"). */
struct space *fake_space(void);       /* makes a new space current (the process's); fake_space_drop() puts it */
void fake_space_drop(void);
extern unsigned long fake_map_calls, fake_unmap_calls, fake_protect_calls;
extern unsigned long fake_fresh_calls; /* of fake_map_calls: for memory that was never used */
#define FAKE_FAULT_PAGES 4
extern unsigned fake_fault_pages;      /* what plat_fault_pages() answers; fake_boot() sets FAKE_FAULT_PAGES */
extern unsigned long fake_discarded; /* bytes given to plat_ram_discard() */

/* ---- time and interrupts ---- */

void fake_time_set(uint64_t mono);      /* forwards; fires timers on the way, in order */
void fake_time_advance(uint64_t ns);
void fake_wall_set(uint64_t wall);
void fake_irq(unsigned irqs);           /* delivered by the next plat_idle() or plat_poll() */
extern bool (*fake_idle_hook)(void);    /* called by plat_idle() when nothing is pending; true: it made something happen */
extern unsigned long fake_idle_calls;

/* ---- standard streams, signals, terminal ---- */

extern enum plat_stdio_kind fake_stdio_kind[3];
void fake_stdin_put(const void *data, size_t len); /* raises IRQ_STDIO */
void fake_stdin_eof(void);
void fake_stdin_hangup(void);                      /* of a terminal */
const char *fake_out_data(int fd, size_t *len);    /* what was written to fd 1 or 2 (0: a terminal's) */
void fake_out_reset(int fd);
void fake_out_room(int fd, size_t room);           /* accepts so many more bytes, then -EAGAIN */
void fake_out_close(int fd);                       /* -EPIPE from now on */
/* Descriptor fd is a file of the host (a memfd with these contents), open with `flags`; returns the host's descriptor. For
 * `fake_stdio_same` see plat_stdio_same(). Slow: each call is answered after a sleep only. */
int fake_file(int fd, int flags, const void *data, size_t len);
extern int fake_stdio_same[3];
extern bool fake_file_slow;
extern long fake_file_fail;                        /* the next call's or write's error; 0: none */
void fake_signal(int sig);                         /* forwarded by the host: raises IRQ_SIGNAL */
void fake_tty_resize(uint16_t rows, uint16_t cols);
const char *fake_log(void);                        /* kernel messages since boot */

/* ---- 9P ---- */

/* Answers one request of len bytes with a reply of up to max bytes: its length, 0 for a broken transport. */
typedef size_t fake_9p_fn(const uint8_t *req, size_t len, uint8_t *reply, size_t max);
/* deferred: replies come through IRQ_9P at the next plat_idle/plat_poll, else before plat_9p_submit() returns. */
void fake_9p(const char *tag, fake_9p_fn *fn, bool deferred);

/* ---- between the fake platform's files ---- */

void fake_mmu_reset(void);
void fake_io_reset(void);
void fake_io_poll(void); /* answers deferred 9P requests */

/* ---- parameters, ends ---- */

extern const char *fake_cmdline;
void fake_boot_blob(const void *blob, size_t len);
void fake_initrd(const void *data, size_t len);

/* Catches a panic or plat_exit(): `if (fake_catch() == 0) { …; fake_uncatch(); }`. Use the macros in unit.h. */
extern jmp_buf fake_catch_env;
extern bool fake_catching;
extern int fake_exit_status; /* of the plat_exit() caught; -1 for a panic */

#endif
