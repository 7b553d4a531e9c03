/* doppel: runs unmodified Linux programs on the Doppel kernel, in a process or in a QEMU guest. */
#include "tools/doppel/doppel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void die(int status, const char *fmt, ...)
{
	va_list ap;

	tty_restore();
	fputs("doppel: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(status);
}

void warn_(const char *fmt, ...)
{
	va_list ap;

	fputs("doppel: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static void *checked(void *p)
{
	if (!p)
		die(EXIT_DOPPEL, "out of memory");
	return p;
}

void *xmalloc(size_t n) { return checked(malloc(n ? n : 1)); }
void *xrealloc(void *p, size_t n) { return checked(realloc(p, n ? n : 1)); }
char *xstrdup(const char *s) { return checked(strdup(s)); }

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		s = NULL;
	va_end(ap);
	return checked(s);
}

void strings_add(struct strings *s, const char *text)
{
	s->v = xrealloc(s->v, (s->n + 2) * sizeof(*s->v));
	s->v[s->n++] = xstrdup(text);
	s->v[s->n] = NULL;
}

void strings_addf(struct strings *s, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	strings_add(s, checked(text));
	free(text);
}

int wait_status_to_exit(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Beside the doppel binary, as the build leaves them, or in ../lib/doppel, as `make install` does. */
char *own_file(const char *name)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		die(EXIT_DOPPEL, "cannot read /proc/self/exe: %s", strerror(errno));
	self[n] = 0;
	*strrchr(self, '/') = 0;
	for (int installed = 0; installed < 2; installed++) {
		char *path = xasprintf("%s/%s%s", self, installed ? "../lib/doppel/" : "", name);

		if (!access(path, R_OK))
			return path;
		free(path);
	}
	die(EXIT_DOPPEL, "%s is not beside %s/doppel; run make", name, self);
}

/* The shell's single quotes, only where they are needed. */
void print_command(FILE *to, const struct strings *cmd)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%";

	for (size_t i = 0; i < cmd->n; i++) {
		const char *s = cmd->v[i];

		if (i)
			fputc(' ', to);
		if (*s && !s[strspn(s, plain)]) {
			fputs(s, to);
			continue;
		}
		fputc('\'', to);
		for (; *s; s++)
			fputs(*s == '\'' ? "'\\''" : (char[]){ *s, 0 }, to);
		fputc('\'', to);
	}
}

/* A standard stream that the caller closed stays closed to the program, and none of our own descriptors may take its
 * number: it is held by one that is good for nothing, by which stdio_kind() and the runner know it. */
static void hold_closed_streams(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/", O_PATH) != fd)
			exit(EXIT_DOPPEL);
}

/* At exit: what we print ourselves (--help, doctor, --dry-run) must arrive. The program's output does not come this way. */
static void check_stdout(void)
{
	if (!fflush(stdout) && !ferror(stdout))
		return;
	warn_("standard output: %s", strerror(errno));
	_exit(EXIT_DOPPEL);
}

static int run_main(int argc, char **argv)
{
	struct run r = { 0 };

	caller_take();
	run_options(&r, argc, argv);
	if (r.gdb && !r.gdb_port)
		return run_gdb(&r);
	return r.on == ON_KVM ? run_kvm(&r) : run_linuxu(&r);
}

int main(int argc, char **argv)
{
	const char *cmd = argc > 1 ? argv[1] : "--help";

	tsc_start();
	hold_closed_streams();
	atexit(check_stdout);
	if (!strcmp(cmd, "run"))
		return run_main(argc - 1, argv + 1);
	if (!strcmp(cmd, "pack"))
		return pack_main(argc - 1, argv + 1);
	if (!strcmp(cmd, "doctor"))
		return doctor_main(argc - 1, argv + 1);
	if (!strcmp(cmd, "--version") || !strcmp(cmd, "version")) {
		puts("doppel " VERSION);
		return 0;
	}
	if (!strcmp(cmd, "--help") || !strcmp(cmd, "-h") || !strcmp(cmd, "help")) {
		usage(stdout);
		return argc > 1 ? 0 : EXIT_DOPPEL;
	}
	die(EXIT_DOPPEL, "unknown command '%s'; the commands are run, pack, doctor (doppel --help)", cmd);
}
