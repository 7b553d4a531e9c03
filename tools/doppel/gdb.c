/* --gdb: gdb on the linuxu runner, or on the guest through QEMU's stub, with the symbols of kernel, program and libraries
 * loaded by tools/gdb/doppel.py. gdb has the terminal; on kvm the program's standard input is empty. */
#include "tools/doppel/doppel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static char *script(void)
{
	char *image = own_file("doppel-linuxu"), *dir;

	*strrchr(image, '/') = 0;
	dir = xasprintf("%s/../tools/gdb/doppel.py", image);
	if (access(dir, R_OK))
		dir = xasprintf("%s/doppel.py", image);
	if (access(dir, R_OK))
		die(EXIT_DOPPEL, "tools/gdb/doppel.py is neither in the source tree nor beside doppel-linuxu");
	return dir;
}

static _Noreturn void become_gdb(struct strings *cmd)
{
	execvp(cmd->v[0], cmd->v);
	die(EXIT_DOPPEL, "gdb: %s; install it with apt-get install gdb", strerror(errno));
}

static unsigned free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof(a)) || getsockname(s, (struct sockaddr *)&a, &len))
		die(EXIT_DOPPEL, "no port for gdb: %s", strerror(errno));
	close(s);
	return ntohs(a.sin_port);
}

/* The guest runs in a child of its own, stopped at its first instruction until gdb lets it go. */
static void start_guest(struct run *r)
{
	pid_t pid = fork();

	if (pid < 0)
		die(EXIT_DOPPEL, "fork: %s", strerror(errno));
	if (pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* gdb's end is the guest's, which may be stopped and hear nothing */
	setpgid(0, 0);
	int null = open("/dev/null", O_RDONLY);

	dup2(null, 0);
	r->quiet = true;
	_exit(run_kvm(r));
}

static void add_user_args(const struct run *r, struct strings *cmd)
{
	for (size_t i = 0; i < r->gdb_args.n; i++)
		strings_add(cmd, r->gdb_args.v[i]);
}

int run_gdb(struct run *r)
{
	struct strings cmd = { 0 };

	setenv("DOPPEL_ROOT", r->root ? r->root : "/", 1);
	strings_add(&cmd, "gdb");
	strings_add(&cmd, "-q");
	if (r->on == ON_LINUXU) {
		strings_add(&cmd, "-x");
		strings_add(&cmd, script());
		add_user_args(r, &cmd);
		strings_add(&cmd, "--args");
		linuxu_command(r, &cmd);
		become_gdb(&cmd);
	}
	r->gdb_port = free_port();
	start_guest(r);
	strings_add(&cmd, own_file("doppel-kvm"));
	strings_add(&cmd, "-x");
	strings_add(&cmd, script());
	strings_add(&cmd, "-ex");
	strings_add(&cmd, "set tcp connect-timeout 20");
	strings_add(&cmd, "-ex");
	strings_addf(&cmd, "target remote 127.0.0.1:%u", r->gdb_port);
	add_user_args(r, &cmd);
	become_gdb(&cmd);
}
