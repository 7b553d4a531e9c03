/* --on linuxu: runs the runner beside us. Without a terminal it simply becomes this process; with one, doppel stays as
 * the parent that restores the terminal. */
#include "tools/doppel/doppel.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define RAM_MIN (1u << 20)

/* Descriptors in the command that --dry-run prints. */
enum { DRY_BLOB_FD = 3, DRY_INITRD_FD, DRY_TRACE_FD };

static pid_t child;

static void forward(int sig, siginfo_t *si, void *uc)
{
	/* What the terminal sends goes to the whole foreground group: the runner has it already. */
	if (child > 0 && si->si_code != SI_KERNEL)
		kill(child, sig);
}

/* A trailing slash keeps a directory whose name ends in ":ro" from looking like the runner's flag. */
static void add_export(struct strings *cmd, const char *tag, const char *dir, bool readonly)
{
	size_t n = strlen(dir);

	strings_add(cmd, readonly ? "--export-ro" : "--export");
	strings_addf(cmd, "%s=%s%s", tag, dir, !readonly && n > 3 && !strcmp(dir + n - 3, ":ro") ? "/" : "");
}

static void runner_command(const struct run *r, struct strings *cmd)
{
	strings_add(cmd, own_file("doppel-linuxu"));
	strings_add(cmd, "--cmdline");
	strings_add(cmd, boot_cmdline(r));
	strings_add(cmd, "--ram");
	strings_addf(cmd, "%llu", (unsigned long long)r->mem);
	if (r->root)
		add_export(cmd, "root", r->root, true);
	for (size_t i = 0; i < r->nshares; i++) {
		char tag[32];

		snprintf(tag, sizeof(tag), "v%zu", i);
		add_export(cmd, tag, r->shares[i].host, r->shares[i].readonly);
	}
	if (r->save)
		add_export(cmd, "save", r->save, false);
	for (size_t i = 0; i < r->runner_flags.n; i++)
		strings_add(cmd, r->runner_flags.v[i]);
}

/* Opens path and hands its descriptor over as `--option N`. */
static void pass_fd(struct strings *cmd, const char *option, int fd, const char *what)
{
	if (fd < 0)
		die(EXIT_DOPPEL, "%s: %s", what, strerror(errno));
	strings_add(cmd, option);
	strings_addf(cmd, "%d", fd);
}

void linuxu_command(const struct run *r, struct strings *cmd)
{
	runner_command(r, cmd);
	if (r->cpio)
		pass_fd(cmd, "--initrd-fd", open(r->cpio, O_RDONLY), r->cpio);
	if (r->trace_file)
		pass_fd(cmd, "--trace-fd", open(r->trace_file, O_WRONLY | O_CREAT | O_TRUNC, 0666), r->trace_file);
	pass_fd(cmd, "--blob-fd", boot_blob_fd(r), "boot data");
	if (r->tty)
		strings_add(cmd, "--tty");
}

static _Noreturn void become(const struct strings *cmd)
{
	execv(cmd->v[0], cmd->v);
	die(EXIT_DOPPEL, "%s: %s", cmd->v[0], strerror(errno));
}

static int supervise(const struct run *r, const struct strings *cmd)
{
	static const int forwarded[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGWINCH, SIGUSR1, SIGUSR2 };
	struct sigaction sa = { .sa_sigaction = forward, .sa_flags = SA_SIGINFO | SA_RESTART };
	pid_t self = getpid();
	sigset_t all, old;
	int status;

	/* From here to waitpid() no signal may end us: the terminal must be restored. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	tty_raw(r);
	child = fork();
	if (child < 0)
		die(EXIT_DOPPEL, "fork: %s", strerror(errno));
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != self)
			_exit(EXIT_DOPPEL);
		sigprocmask(SIG_SETMASK, &old, NULL);
		become(cmd);
	}
	for (size_t i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++)
		sigaction(forwarded[i], &sa, NULL);
	sigprocmask(SIG_SETMASK, &old, NULL);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			die(EXIT_DOPPEL, "waitpid: %s", strerror(errno));
	tty_restore();
	return wait_status_to_exit(status);
}

static void print_redirection(int fd, const char *op, const char *path)
{
	struct strings word = { 0 };

	strings_add(&word, path);
	printf(" %d%s", fd, op);
	print_command(stdout, &word);
}

/* The command with the files that it needs, for a shell. A terminal it takes as it is: somebody has to make it raw. */
static void dry_run(const struct run *r)
{
	struct strings cmd = { 0 };
	char *blob = boot_blob_file(r);

	runner_command(r, &cmd);
	pass_fd(&cmd, "--blob-fd", DRY_BLOB_FD, "boot data");
	if (r->cpio)
		pass_fd(&cmd, "--initrd-fd", DRY_INITRD_FD, r->cpio);
	if (r->trace_file)
		pass_fd(&cmd, "--trace-fd", DRY_TRACE_FD, r->trace_file);
	if (r->tty)
		strings_add(&cmd, "--tty");
	print_command(stdout, &cmd);
	print_redirection(DRY_BLOB_FD, "<", blob);
	if (r->cpio)
		print_redirection(DRY_INITRD_FD, "<", r->cpio);
	if (r->trace_file)
		print_redirection(DRY_TRACE_FD, ">", r->trace_file);
	putchar('\n');
	warn_("arguments, environment and directory are in %s; remove it when done", blob);
	free(blob);
}

int run_linuxu(struct run *r)
{
	struct strings cmd = { 0 };
	struct rlimit limit;

	if (r->dry_run) {
		dry_run(r);
		return 0;
	}
	if (r->mem < RAM_MIN)
		die(EXIT_DOPPEL, "-m: the kernel needs at least %u KiB", RAM_MIN >> 10);
	if (!getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur < r->mem)
		die(EXIT_DOPPEL, "the guest's memory is a file here, and ulimit -f is too low for it (%llu KiB): raise it, or use --on kvm",
		    (unsigned long long)limit.rlim_cur / 1024);
	linuxu_command(r, &cmd);
	if (r->verbose) {
		fputs("doppel: ", stderr);
		print_command(stderr, &cmd);
		fputc('\n', stderr);
	}
	if (isatty(0))
		return supervise(r, &cmd);
	become(&cmd);
}
