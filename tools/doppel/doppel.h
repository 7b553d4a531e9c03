/* The command line tool: what its files share. Hosted C; everything about the guest is in struct run. */
#ifndef TOOLS_DOPPEL_H
#define TOOLS_DOPPEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define VERSION "0.1"

/* Exit statuses of doppel itself, as Docker uses them. */
enum { EXIT_DOPPEL = 125, EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127 };

/* A growing vector of strings, NULL terminated once anything was added. */
struct strings {
	char **v;
	size_t n;
};
void strings_add(struct strings *s, const char *text);                                           /* copies */
void strings_addf(struct strings *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* -v: a host directory, or one file of it. */
struct share {
	char *host, *file, *guest; /* file: NULL, the directory itself */
	bool readonly;
};

enum body { ON_LINUXU, ON_KVM };
enum accel { ACCEL_AUTO, ACCEL_KVM, ACCEL_TCG };

struct run {
	enum body on;
	enum accel accel;
	uint64_t mem;        /* bytes */
	struct strings env;  /* the program's environment */
	char *cwd;           /* NULL: not decided yet */
	uint32_t uid, gid;
	uint32_t *groups;
	size_t ngroups;
	bool tty;
	struct share *shares;
	size_t nshares;
	char *root;          /* host directory, "/" by default; or NULL with cpio set */
	char *cpio;
	char *save;
	bool ring0, no_aslr, dry_run, verbose, quiet;
	bool trace;
	char *trace_file;    /* NULL: stderr */
	struct strings inject; /* values of inject= words */
	bool gdb;
	unsigned gdb_port;   /* 0: start gdb here */
	struct strings gdb_args; /* --x-gdb=ARG: further arguments for gdb, for tests */
	char *machine;       /* QEMU machine; NULL: microvm */
	struct strings qemu_args;    /* --x-qemu=ARG: further QEMU arguments, for measurements and tests */
	struct strings runner_flags; /* --x-runner=FLAG: further flags for the linuxu runner, for tests */
	char *connect;               /* --x-connect=PATH: the control channel of a QEMU that runs already */
	struct strings words;        /* all arguments as they were given, but for --dry-run */
	char **argv;         /* program and arguments */
	int argc;
};

/* Prints "doppel: …" and exits with status. */
_Noreturn void die(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void warn_(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void *xmalloc(size_t n);
void *xrealloc(void *p, size_t n);
char *xstrdup(const char *s);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Prints cmd as one line for a shell, without the newline. */
void print_command(FILE *to, const struct strings *cmd);

/* options.c: fills r from the arguments after `run`; exits on bad ones (125). */
void run_options(struct run *r, int argc, char **argv);
void usage(FILE *to);

/* inject.c: an expression of strace's as values of the kernel's inject= words, none when it is about no call; exits when it
 * is no good (125). */
void inject_add(struct strings *words, const char *expr);

/* boot.c: what the kernel is told. */
void caller_take(void);                                 /* what a program inherits; before anything else of a run */
char *boot_cmdline(const struct run *r);                /* words of core/boot.h; malloc'ed */
void *boot_blob(const struct run *r, size_t *len);      /* malloc'ed */
int boot_blob_fd(const struct run *r);                  /* a memfd that holds it, at offset 0, inherited */
char *boot_blob_file(const struct run *r);              /* a new file that holds it, in TMPDIR, for us only; malloc'ed */
/* enum plat_stdio_kind: that header is the kernel's */
enum { STDIO_CLOSED, STDIO_STREAM, STDIO_TTY, STDIO_NULL, STDIO_FILE, STDIO_ZERO, STDIO_FULL };
int stdio_kind(const struct run *r, int fd);
uint8_t stdio_byte(const struct run *r, int fd);        /* of CTL_STDIO: plat/ctl.h */

/* files.c: where our own files are (beside the doppel binary). */
char *own_file(const char *name);                       /* malloc'ed; exits with 125 when missing */

/* The ways to run: return the exit status. */
int run_linuxu(struct run *r);
void linuxu_command(const struct run *r, struct strings *cmd); /* appends the runner and its arguments, descriptors open */
int run_kvm(struct run *r);
int run_gdb(struct run *r);

/* kvm.c: the QEMU command line. Descriptors are inherited by QEMU; -1: no monitor, a log on stdout, and a control channel that
 * waits on a socket. */
void kvm_command(const struct run *r, struct strings *cmd, int ctl_fd, int monitor_fd, int log_fd, bool use_kvm);
bool kvm_usable(const char **why);                      /* CPU has vmx or svm and /dev/kvm opens */

/* broker.c: carries standard streams, signals and the wait status between our descriptors and the guest until it ends.
 * monitor_fd: QEMU's monitor (QMP), which says when it stops the guest; -1: none. Returns the wait status, or one of: */
enum {
	GUEST_GONE = -1,    /* the guest went away without a status */
	GUEST_PANIC = -2,   /* CTL_EXIT_PANIC */
	GUEST_STOPPED = -3, /* QEMU stopped it for good; the broker has said why */
	GUEST_DEAF = -4,    /* a signal that should end it got no hearing; the broker has said so */
};
int broker_run(const struct run *r, int ctl_fd, int monitor_fd);

/* tsc.c: the frequency of this host's time stamp counter, measured between the two calls; 0 when it cannot be told well. */
void tsc_start(void);
uint64_t tsc_hz(void);

/* tty.c */
void tty_raw(const struct run *r); /* host terminal to raw mode if the program's stdin is one; restored at exit */
void tty_restore(void);

int wait_status_to_exit(int status);

/* doctor.c: is there an executable of this name along PATH? */
bool in_path(const char *name);

/* Subcommands. */
int pack_main(int argc, char **argv);
int doctor_main(int argc, char **argv);

#endif
