/* Boot parameters: the command line's words and the boot blob's format, shared with tools/doppel.
 *
 * Command line: words separated by spaces, `name` or `name=value`. Kernel words:
 *   root=9p:TAG | cpio | tmpfs   the root file system: an export, the initrd archive, or empty
 *   ro                           writes to the root go nowhere: EROFS (else a tmpfs overlay takes them)
 *   mount=9p:TAG[/FILE]:PATH[:ro]   another export, or one file of its top directory, mounted at PATH (made if missing);
 *                                may repeat. In FILE and PATH blanks, colons and backslashes are written as \ooo (octal)
 *   save=9p:TAG                  at exit, the overlay's changes are written to this export
 *   uid=N gid=N                  identity of the program (default: the boot blob's)
 *   trace                        print every syscall (to the trace stream: the log)
 *   aslr=0                       no address randomisation
 *   inject=FIRST:LAST:STEP:SIGNAL:ENTER:EXIT:[ANSWER]:CALLS   a rule for the calls FIRST, FIRST+STEP, … ≤ LAST of each of
 *                                CALLS, numbers and ranges (0,17-20): wait ENTER ns, send SIGNAL (0: none), answer ANSWER
 *                                or make the call, wait EXIT ns. May repeat; tools/doppel makes it of strace's expressions
 *   debug                        a debugger is attached: map executable files eagerly
 *   verbose                      boot messages on the log
 *   ring0 tsc=HZ epoch=NS …      platform words, ignored by core
 *
 * The blob: header, then NUL-terminated strings: the program's path, argc arguments, envc "K=V" entries, the working
 * directory, then the extra groups as uint32_t (4-byte aligned from the blob's start). */
#ifndef CORE_BOOT_H
#define CORE_BOOT_H

#include <stdint.h>

#define BOOT_BLOB_MAGIC 0x31504f44u /* "DOP1" */

#define BOOT_WORD_MAX 1023  /* characters of a mount= word */
#define BOOT_INJECT_MAX 255 /* of an inject= word */
#define BOOT_INJECTS 32     /* inject= words */

struct boot_blob {
	uint32_t magic;
	uint32_t size; /* of the whole blob, this header included */
	uint32_t argc, envc;
	uint32_t uid, gid;
	uint32_t umask;
	uint32_t ngroups;
	uint64_t rlimit_nofile, rlimit_stack;
	uint64_t fsize_cur, fsize_max; /* complements of RLIMIT_FSIZE's: 0 is no limit */
	uint64_t sig_ignored, sig_blocked; /* bit n-1: signal n */
	char hostname[64];
	uint8_t seed[32]; /* for the random generator (RANDOM_SEED); zeroes: none, the platform is asked instead */
};

#ifdef DOPPEL_KERNEL
#include "core/types.h"

struct boot {
	const char *path;
	char **argv, **envp; /* NULL terminated */
	uint32_t argc, envc;
	const char *cwd;
	const uint32_t *groups; /* blob->ngroups of them */
	const struct boot_blob *blob; /* NULL when there is none: argv is {"/init"} */
};

/* The guest cannot start with what it was given: one line that says why, then exit status 125 as `doppel run` gives for its
 * own failures. For mistakes of the person at the command line; a panic is for the kernel's. */
_Noreturn void boot_refuse(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Parses command line and blob into the one instance; bad input panics with a message that names it. */
void boot_parse(void);
const struct boot *boot_params(void);

/* Value of word `name=` on the command line ("" for a bare word, NULL if absent), copied into buf. nth counts repeats. */
const char *boot_word(const char *name, unsigned nth, char *buf, size_t size);
bool boot_flag(const char *name);
#endif

#endif
