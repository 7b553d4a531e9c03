/* What the files of shim/ share: the handlers' prototypes, made from syscalls.def, and the helpers for decoding
 * arguments.
 *
 * A handler sys_NAME takes the arguments in the C types of their kinds, copies in and checks what they say, and calls
 * core, which acts and never sees a user pointer but through struct uio and futex. It returns 0, a count or -errno. */
#ifndef SHIM_SHIM_H
#define SHIM_SHIM_H

#include "core/fs/vfs.h"
#include "core/mm/slab.h"
#include "core/mm/uio.h"
#include "core/proc/proc.h"
#include "core/proc/thread.h"
#include "core/sched.h"
#include "plat/plat.h"
#include "shim/abi/errno.h"
#include "shim/syscall_flags.h"

/* ---- the C types of argument kinds, T_NAME ---- */
#define KIND(name, type, when, printer, param) typedef type T_##name;
#include "shim/kinds.def"
#undef KIND

/* ARGS_n (A, B, …) expands to n types. */
#define TYPES_0() void
#define TYPES_1(a) T_##a
#define TYPES_2(a, b) T_##a, T_##b
#define TYPES_3(a, b, c) T_##a, T_##b, T_##c
#define TYPES_4(a, b, c, d) T_##a, T_##b, T_##c, T_##d
#define TYPES_5(a, b, c, d, e) T_##a, T_##b, T_##c, T_##d, T_##e
#define TYPES_6(a, b, c, d, e, f) T_##a, T_##b, T_##c, T_##d, T_##e, T_##f

#define PROTO_FULL(name, n, args) long sys_##name(TYPES_##n args);
#define PROTO_PARTIAL PROTO_FULL
#define PROTO_STUB    PROTO_FULL
#define PROTO_NONE(name, n, args)
#define PROTO_QUIET PROTO_NONE
#define SYSCALL(nr, name, status, flags, n, args, missing) PROTO_##status(name, n, args)
#include "shim/syscalls.def"
#undef SYSCALL

/* NR_name: the numbers. */
enum {
#define SYSCALL(nr, name, status, flags, n, args, missing) NR_##name = nr,
#include "shim/syscalls.def"
#undef SYSCALL
};

/* ---- table.c ---- */
extern syscall_fn *const syscall_table[SYSCALL_MAX];
/* The number of the system call that the current thread is in. */
static inline unsigned syscall_number(void) { return (unsigned)thread_regs(current_thread())->orig_rax; }
/* Name of a system call, or NULL. */
const char *syscall_name(unsigned nr);
/* X_ flags. */
unsigned syscall_flags(unsigned nr);

/* ---- errno_names.c (and errno_text(), plat/plat.h): NULL when there is none ---- */
const char *errno_name(int err);

/* ---- trace.c, inject.c ---- */
/* A table that prints every call and calls `next`'s. */
syscall_fn *const *trace_table(syscall_fn *const *next);
/* Parses one inject= word of the command line, cutting it up. 0 or -EINVAL, with rules that are good for nothing. */
int inject_parse(char *word);
/* The table that applies the parsed words and else calls `next`'s; `next` itself when there are none. */
syscall_fn *const *inject_table(syscall_fn *const *next);
/* Whether the call of the current thread that has just returned was answered by --inject. */
bool inject_was_applied(void);
/* Forgets every rule (tests). */
void inject_reset(void);

/* ---- decoding ---- */

/* read(2), write(2) and relatives transfer at most this many bytes at once. */
#define RW_MAX   0x7ffff000ul
#define IOV_MAX  1024
#define SIGSET_SIZE 8

/* True when [addr, addr+len) cannot be application memory, whatever is mapped. */
static inline bool user_range_bad(uptr_t addr, size_t len)
{
	return addr > USER_MAX || len > USER_MAX - addr;
}

/* A timespec whose fields are in range, or -EFAULT, -EINVAL. */
int timespec_in(struct timespec64 *ts, uptr_t src);
int timeval_in(struct timespec64 *ts, uptr_t src);    /* microseconds become nanoseconds */
int timeval_out(uptr_t dst, uint64_t ns);
int timespec_out(uptr_t dst, uint64_t ns);
struct timespec64 timespec_of_ns(uint64_t ns);
/* ns, clamped below TIME_NEVER; ts must be valid and not negative. */
uint64_t timespec_ns(const struct timespec64 *ts);
/* An interval from now as a monotonic deadline: NULL pointer (src 0) is TIME_NEVER. 0, -EFAULT, -EINVAL. */
int deadline_in(uint64_t *deadline, uptr_t src);
/* From milliseconds; negative is TIME_NEVER. */
uint64_t deadline_ms(int64_t ms);

/* Temporary signal masks (ppoll, pselect, epoll_pwait, sigsuspend). sigmask_swap: src 0 changes nothing; -EFAULT,
 * -EINVAL. sigmask_restore takes what is pending under the temporary mask first, so it may not return. */
struct sigmask_save {
	uint64_t old;
	bool swapped;
};
int sigmask_swap(struct sigmask_save *save, uptr_t src, size_t size);
void sigmask_restore(const struct sigmask_save *save);

/* The object that (dirfd, path, AT_ flags) names, with references: 0 or -errno. */
int lookup_in(int dirfd, uptr_t upath, int at_flags, struct path *out);

/* A structure that may be shorter or longer than we know (openat2, sched_setattr): the missing rest is zero, unknown
 * bytes must be. 0, -EFAULT, -E2BIG. */
int struct_in(void *dst, size_t known, uptr_t src, size_t size);

/* Installs f at the lowest free descriptor and returns that; drops f's reference when it cannot. */
long fd_publish(struct file *f, bool cloexec);
/* Two new descriptors, written to the program's int[2]; takes over both references. 0 or -errno with neither open. */
long fd_pair_publish(struct file *a, struct file *b, bool cloexec, uptr_t out);

/* Identity 0: what Linux calls CAP_SYS_ADMIN and its relatives, of which uid 0 has all. */
bool caller_is_root(void);

/* A process by pid as the *_pid calls mean it (0: the caller's), or NULL. */
struct proc *proc_arg(int pid);
/* A thread likewise. */
struct thread *thread_arg(int tid);
/* A thread's process, for what its threads share. Processes without threads, like the kernel's own, are found, too. */
struct proc *task_arg(int tid);

/* The device-independent part of mknod's and open's mode argument. */
#define MODE_BITS 07777u

#endif
