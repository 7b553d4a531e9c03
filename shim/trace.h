/* The tracer's own interface: how its printers get at a call and at its line. Private to shim/trace*.c. */
#ifndef SHIM_TRACE_H
#define SHIM_TRACE_H

#include "core/lib/seqbuf.h"
#include "shim/shim.h"

/* One call being printed. The line grows in `line` from left to right: what is known before the call first. */
struct trace {
	struct seqbuf line;
	struct seqbuf aux;     /* what stands in brackets after the result */
	unsigned nr;
	const uint64_t *args;  /* six */
	unsigned arg;          /* index of the argument being printed */
	bool after;            /* the call has returned `ret` */
	bool out;              /* the argument being printed is one that the call fills */
	long ret;
	uint64_t before[6];    /* for INOUT kinds: the word the argument pointed at before the call */
	bool had_before[6];
	enum { RET_DEC, RET_HEX, RET_OCT } ret_format;
};

/* Names of values or flags: n values, and their names one after the other, each with its NUL. */
struct trace_names {
	const uint32_t *values;
	const char *names;
	unsigned n;
	const char *unknown; /* "O_???" */
};

/* A printer appends argument number t->arg, whose value is v. Printing nothing hides the argument and its comma. */
typedef void trace_printer(struct trace *t, uint64_t v, const struct trace_names *names);

#define KIND(name, type, when, printer, param) trace_printer trace_##printer;
#include "shim/kinds.def"
#undef KIND

/* Building blocks. */
void trace_put(struct trace *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void trace_flags_of(struct trace *t, uint64_t v, const struct trace_names *names);
void trace_value_of(struct trace *t, uint64_t v, const struct trace_names *names);
const char *trace_name_of(uint64_t v, const struct trace_names *names); /* NULL: none */
/* Bytes in quotes as C text, cut at `max` with "..." after the quotes; more: the text goes on beyond n. */
void trace_quote(struct trace *t, const char *p, size_t n, size_t max, bool more);
/* len bytes of user memory in quotes, or the address when they cannot be read. */
void trace_user_bytes(struct trace *t, uptr_t addr, size_t len);
/* Copies a structure in; false, with the address (or NULL) printed, when there is none, it cannot be read, or the call
 * that should have filled it failed. */
bool trace_fetch(struct trace *t, void *dst, uptr_t addr, size_t size);
void trace_ptr_of(struct trace *t, uint64_t v);
void trace_sigset_of(struct trace *t, uint64_t set);
void trace_signo_of(struct trace *t, int sig);
void trace_iovecs(struct trace *t, uptr_t addr, uint64_t count, uint64_t limit);
void trace_date_of(struct trace *t, int64_t sec, int64_t fraction, int digits);
void trace_timespec_of(struct trace *t, const struct timespec64 *ts, const char *sub);

/* What poll, select and others say about their result (trace_net.c). */
void trace_poll_result(struct trace *t);
void trace_select_result(struct trace *t);

#define STRING_MAX 32   /* as strace's -s */
#define ARRAY_MAX  32   /* longest list printed whole */

/* The tables, trace_names.c. */
extern const struct trace_names names_open, names_open_modes, names_access, names_at, names_faccess, names_unlink,
	names_rename, names_falloc, names_rwf, names_splice, names_close_range, names_mfd, names_mount, names_umount,
	names_statx, names_statx_sync, names_whence, names_fadvice, names_flock, names_fcntl, names_ioctl,
		names_resolve,
	names_fd_cloexec, names_seals, names_lock_type, names_file_type, names_fs_magic, names_statfs,
	names_prot, names_mmap, names_mmap_type, names_mremap, names_msync, names_sync_range, names_madvise, names_mlockall,
	names_pkey, names_ipc_key, names_shmget, names_shmat, names_shmctl,
	names_clone, names_cld, names_wait, names_waitid, names_rlimit, names_rusage, names_prio, names_sched, names_prctl, names_arch,
		names_cap,
	names_caps, names_dumpable, names_owner,
	names_futex, names_membarrier, names_grnd,
	names_signal, names_sig_how, names_sa, names_ss, names_sfd, names_sigev, names_si_code,
	names_clock, names_timer, names_tfd, names_tfd_timer, names_itimer,
	names_poll, names_epoll, names_epoll_op, names_epoll_create, names_efd,
	names_domain, names_sock_type, names_sock, names_sol, names_so, names_shut, names_msg, names_scm,
	names_c_iflag, names_c_oflag, names_c_cflag, names_c_lflag;

#endif
