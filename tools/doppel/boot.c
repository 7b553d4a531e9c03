/* What the kernel is told at boot: the command line's words and the boot blob (core/boot.h). */
#include "tools/doppel/doppel.h"

#include "core/boot.h"
#include "plat/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <linux/kcmp.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* The caller's. */
static struct rlimit fsize = { RLIM_INFINITY, RLIM_INFINITY };
static uint64_t sig_ignored, sig_blocked;

/* By the system calls: libc hides two signals of its own, which posix_spawn(3), and so make(1), hands on ignored. */
static void signals_take(void)
{
	struct {
		void (*handler)(int);
		uint64_t flags;
		void (*restorer)(void);
		uint64_t mask;
	} sa;

	syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &sig_blocked, sizeof(sig_blocked));
	for (int n = 1; n <= 64; n++)
		if (!syscall(SYS_rt_sigaction, n, NULL, &sa, sizeof(sa.mask)) && sa.handler == SIG_IGN)
			sig_ignored |= 1ull << (n - 1);
	signal(SIGCHLD, SIG_DFL); /* we wait for children */
}

/* RLIMIT_FSIZE is for the program, and its kernel sees to it. It must not stop files of our own, such as linuxu's memory. */
static void file_limit_take(void)
{
	getrlimit(RLIMIT_FSIZE, &fsize);
	if (fsize.rlim_cur == RLIM_INFINITY)
		return;
	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY }))
		setrlimit(RLIMIT_FSIZE, &(struct rlimit){ fsize.rlim_max, fsize.rlim_max });
}

void caller_take(void)
{
	signals_take();
	file_limit_take();
}

/* A name within a word of the command line. */
static void put_escaped(FILE *f, const char *s)
{
	for (; *s; s++)
		if (strchr(" \t\n:\\", *s))
			fprintf(f, "\\%03o", *s);
		else
			fputc(*s, f);
}

static void put_mount(FILE *f, const struct share *s, size_t i)
{
	long start = ftell(f);

	fprintf(f, " mount=9p:v%zu", i);
	if (s->file) {
		fputc('/', f);
		put_escaped(f, s->file);
	}
	fputc(':', f);
	put_escaped(f, s->guest);
	if (s->readonly)
		fputs(":ro", f);
	if (ftell(f) - start > BOOT_WORD_MAX)
		die(EXIT_DOPPEL, "-v %s%s%s:%s: the names are too long", s->host, s->file ? "/" : "", s->file ? s->file : "", s->guest);
}

char *boot_cmdline(const struct run *r)
{
	char *s = NULL;
	size_t n;
	FILE *f = open_memstream(&s, &n);

	if (!f)
		die(EXIT_DOPPEL, "out of memory");
	fputs(r->cpio ? "root=cpio" : "root=9p:root", f);
	for (size_t i = 0; i < r->nshares; i++)
		put_mount(f, &r->shares[i], i);
	if (r->save)
		fputs(" save=9p:save", f);
	if (r->trace)
		fputs(" trace", f);
	for (size_t i = 0; i < r->inject.n; i++)
		fprintf(f, " inject=%s", r->inject.v[i]);
	if (r->no_aslr)
		fputs(" aslr=0", f);
	if (r->verbose)
		fputs(" verbose", f);
	if (r->quiet)
		fputs(" quiet", f);
	if (r->gdb)
		fputs(" debug", f);
	if (r->ring0)
		fputs(" ring0", f);
	fclose(f);
	return s;
}

static void put_string(char **at, const char *s)
{
	size_t n = strlen(s) + 1;

	memcpy(*at, s, n);
	*at += n;
}

void *boot_blob(const struct run *r, size_t *len)
{
	size_t size = sizeof(struct boot_blob) + strlen(r->argv[0]) + 1 + strlen(r->cwd) + 1;
	struct rlimit rl;

	for (int i = 0; i < r->argc; i++)
		size += strlen(r->argv[i]) + 1;
	for (size_t i = 0; i < r->env.n; i++)
		size += strlen(r->env.v[i]) + 1;
	size = (size + 3) & ~(size_t)3;
	size_t groups = size;

	size += r->ngroups * sizeof(uint32_t);
	struct boot_blob *b = xmalloc(size);

	memset(b, 0, size);
	*b = (struct boot_blob){ .magic = BOOT_BLOB_MAGIC, .size = (uint32_t)size, .argc = (uint32_t)r->argc,
				 .envc = (uint32_t)r->env.n, .uid = r->uid, .gid = r->gid, .ngroups = (uint32_t)r->ngroups,
				 .fsize_cur = ~fsize.rlim_cur, .fsize_max = ~fsize.rlim_max,
				 .sig_ignored = sig_ignored, .sig_blocked = sig_blocked };
	b->umask = umask(0);
	umask((mode_t)b->umask);
	if (!getrlimit(RLIMIT_NOFILE, &rl))
		b->rlimit_nofile = rl.rlim_cur;
	if (!getrlimit(RLIMIT_STACK, &rl))
		b->rlimit_stack = rl.rlim_cur;
	if (gethostname(b->hostname, sizeof(b->hostname) - 1))
		strcpy(b->hostname, "doppel");
	if (getrandom(b->seed, sizeof(b->seed), 0) != sizeof(b->seed))
		memset(b->seed, 0, sizeof(b->seed));
	char *at = (char *)(b + 1);

	put_string(&at, r->argv[0]);
	for (int i = 0; i < r->argc; i++)
		put_string(&at, r->argv[i]);
	for (size_t i = 0; i < r->env.n; i++)
		put_string(&at, r->env.v[i]);
	put_string(&at, r->cwd);
	for (size_t i = 0; i < r->ngroups; i++)
		((uint32_t *)((char *)b + groups))[i] = r->groups[i];
	*len = size;
	return b;
}

int boot_blob_fd(const struct run *r)
{
	size_t len;
	void *blob = boot_blob(r, &len);
	int fd = memfd_create("doppel-boot", 0);

	if (fd < 0 || write(fd, blob, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET))
		die(EXIT_DOPPEL, "boot data: %s", strerror(errno));
	free(blob);
	return fd;
}

char *boot_blob_file(const struct run *r)
{
	char *path = xasprintf("%s/doppel-boot.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	int fd = mkstemp(path);
	size_t len;
	void *blob = boot_blob(r, &len);

	if (fd < 0 || write(fd, blob, len) != (ssize_t)len || close(fd))
		die(EXIT_DOPPEL, "%s: %s", path, strerror(errno));
	free(blob);
	return path;
}

int stdio_kind(const struct run *r, int fd)
{
	struct stat st;

	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || (flags & O_PATH) || fstat(fd, &st))
		return STDIO_CLOSED;
	if (r->tty || isatty(fd))
		return STDIO_TTY;
	if (S_ISCHR(st.st_mode) && major(st.st_rdev) == 1)
		switch (minor(st.st_rdev)) {
		case 3: return STDIO_NULL;
		case 5: return STDIO_ZERO;
		case 7: return STDIO_FULL;
		}
	return S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) ? STDIO_FILE : STDIO_STREAM;
}

/* Are descriptors a and b one open file? Where nobody may ask (kcmp(2), which sandboxes like to forbid), the same place in
 * the same file, opened alike, is taken for it. */
static bool same_file(int a, int b)
{
	pid_t pid = getpid();
	long r = syscall(SYS_kcmp, pid, pid, KCMP_FILE, a, b);
	struct stat sa, sb;

	if (r >= 0)
		return r == 0;
	return !fstat(a, &sa) && !fstat(b, &sb) && S_ISREG(sa.st_mode) && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino &&
	       fcntl(a, F_GETFL) == fcntl(b, F_GETFL) && lseek(a, 0, SEEK_CUR) == lseek(b, 0, SEEK_CUR);
}

uint8_t stdio_byte(const struct run *r, int fd)
{
	int kind = stdio_kind(r, fd), flags = fcntl(fd, F_GETFL), same = 0;

	while (same < fd && (stdio_kind(r, same) != kind || !same_file(same, fd)))
		same++;
	return CTL_STDIO_BYTE(kind, kind != STDIO_CLOSED && same < fd ? same + 1 : 0, flags & O_ACCMODE, flags & O_APPEND);
}
