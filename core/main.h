/* What the parts of the kernel call each other for at boot and at the end, and facts about the system. */
#ifndef CORE_MAIN_H
#define CORE_MAIN_H

#include "core/types.h"

#define DOPPEL_VERSION "0.1"
/* uname(2): programs parse the release; it is the Linux whose interface is offered. */
#define UNAME_SYSNAME "Linux"
#define UNAME_RELEASE "6.1.0-doppel"
#define UNAME_VERSION "#1 Doppel " DOPPEL_VERSION
#define UNAME_MACHINE "x86_64"

/* core/fs/p9*.c: IRQ_9P arrived. */
void p9_irq(void);

const char *hostname_get(void);
int hostname_set(const char *name, size_t len); /* ≤ 64, -EINVAL */

/* The FPU: lazily saved XSAVE state (core/x86_64/fpu.c). */
void fpu_init(void);
size_t fpu_state_size(void);  /* of the XSAVE area in standard format; AT_MINSIGSTKSZ follows from it */
struct thread;
void fpu_switch(struct thread *to); /* on a thread switch */
void fpu_reset(struct thread *t);                        /* execve: initial state */
int fpu_alloc(struct thread *t);                         /* with the thread: 0 or -ENOMEM */
void fpu_free(struct thread *t);

/* core/x86_64/copy.S: if rip lies in a user copy, where to continue so that it ends short; else 0. */
uint64_t copy_fixup(uint64_t rip);
/* Set by kvm when SMAP is on: the user copy brackets itself with stac/clac. */
extern uint8_t copy_smap;
/* Set by copy_init() where `rep movsb` is the fastest way to move memory (FSRM, and not an emulator). */
extern uint8_t copy_fsrm;
void copy_init(void); /* called once at boot, before anything large is copied; safe not to call */

/* shim/ */
void shim_init(void);        /* --trace and --inject from the command line */
void shim_exec_trace(const char *path, char *const *argv); /* --trace: the program has been loaded */
void shim_exit_trace(int status); /* --trace: "+++ exited with N +++" */
void shim_report(int status); /* at exit: syscalls that answered ENOSYS, with counts */

/* loader/: replaces the current process's image. On success *thread_regs(current) holds the new start state and the old
 * space is gone. path is as execve's; argv and envp are kernel strings. -ENOENT, -EACCES, -ENOEXEC, -ELIBBAD, -ENOMEM, …; *why then says
 * in a few words what is wrong with the file, or is NULL. */
int exec_image(const char *path, char *const argv[], char *const envp[], const char **why);

/* vDSO image, linked into the kernel object (vdso/): page-aligned data, and the clock data page the kernel updates. */
extern const char vdso_start[], vdso_end[];
void vdso_init(void);
void vdso_update(void); /* the clocks' relation to the counter has changed, or may be known by now */
void vdso_renew(void);  /* the same, but at most twice a second: called whenever a clock is asked for by system call */
struct space;
int vdso_map(struct space *s); /* into a new space; sets s->vdso */

/* Seconds since boot etc. for sysinfo and /proc/uptime, loadavg. */
uint64_t boot_wall(void); /* wall time at boot, ns */

#endif
