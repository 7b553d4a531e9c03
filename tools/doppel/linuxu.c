/* --on linuxu: runs the runner beside us. Without a terminal it simply becomes this process; with one, doppel stays as
 * the parent that restores the terminal. */
#include "tools/doppel/doppel.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t child;

static void forward(int sig, siginfo_t *si, void *uc)
{
	/* What the terminal sends goes to the whole foreground group: the runner has it already. */
	if (child > 0 && si->si_code != SI_KERNEL)
		kill(child, sig);
}

static void runner_command(const struct run *r, struct strings *cmd)
{
	strings_add(cmd, own_file("doppel-linuxu"));
	strings_add(cmd, "--cmdline");
	strings_add(cmd, boot_cmdline(r));
	strings_add(cmd, "--ram");
	strings_addf(cmd, "%llu", (unsigned long long)r->mem);
	if (r->root)
		strings_add(cmd, "--export"), strings_addf(cmd, "root=%s:ro", r->root);
	for (size_t i = 0; i < r->nshares; i++) {
		strings_add(cmd, "--export");
		strings_addf(cmd, "v%zu=%s%s", i, r->shares[i].host, r->shares[i].readonly ? ":ro" : "");
	}
	if (r->save)
		strings_add(cmd, "--export"), strings_addf(cmd, "save=%s", r->save);
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
	int status;

	tty_raw(r);
	child = fork();
	if (child < 0)
		die(EXIT_DOPPEL, "fork: %s", strerror(errno));
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		become(cmd);
	}
	for (size_t i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++)
		sigaction(forwarded[i], &sa, NULL);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			die(EXIT_DOPPEL, "waitpid: %s", strerror(errno));
	tty_restore();
	return wait_status_to_exit(status);
}

int run_linuxu(struct run *r)
{
	struct strings cmd = { 0 };

	if (r->dry_run) {
		runner_command(r, &cmd);
		for (size_t i = 0; i < cmd.n; i++)
			printf(strpbrk(cmd.v[i], " ") ? "%s'%s'" : "%s%s", i ? " " : "", cmd.v[i]);
		putchar('\n');
		return 0;
	}
	linuxu_command(r, &cmd);
	if (isatty(0))
		return supervise(r, &cmd);
	become(&cmd);
}
