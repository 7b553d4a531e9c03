/* The options of `doppel run`: parsed into struct run, with defaults taken from the caller's own surroundings. */
#include "tools/doppel/doppel.h"

#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

void usage(FILE *to)
{
	fputs("Usage: doppel run [OPTIONS] [--] PROGRAM [ARGS…]   run a Linux program on the Doppel kernel\n"
	      "       doppel pack PROGRAM… -o IMAGE.cpio [-v HOST:GUEST]…   make a self-contained root for --root, -v adds files\n"
	      "       doppel doctor                                 what this machine has and lacks\n"
	      "\n"
	      "Options of run:\n"
	      "  --on linuxu|kvm       in this host as a process (default), or as a QEMU guest\n"
	      "  --accel auto|kvm|tcg  QEMU's accelerator (default auto)\n"
	      "  -m SIZE               memory: bytes, or with K, M, G (default 1G; taken as it is used)\n"
	      "  -e K=V | -e K         set, or pass on, an environment variable (default: the caller's environment)\n"
	      "  -w DIR                working directory (default: the caller's)\n"
	      "  -u USER[:GROUP]       run as this user (default: the caller)\n"
	      "  -t                    give the program a terminal, though doppel has none (default: if doppel has one)\n"
	      "  -i                    accepted for habit: stdin is always the program's\n"
	      "  -v HOST:GUEST[:ro]    mount a host directory or file; writes reach the host\n"
	      "  --root DIR|CPIO       the root file system (default: the host's, read-only, under an overlay)\n"
	      "  --save DIR            at exit, write the overlay's changes below DIR\n"
	      "  --ring0               kvm: run the program in ring 0 (faster; one trusted program)\n"
	      "  --no-aslr             no address randomisation\n"
	      "  --trace[=FILE]        print every syscall in strace's format\n"
	      "  --inject SET:…        make syscalls fail, return or wait, in strace's syntax: SET is names, %classes, /REGEX, all,\n"
	      "                        !SET; then error=ENAME, retval=N, signal=SIG, delay_enter=T, delay_exit=T,\n"
	      "                        when=N[..M][+[STEP]]\n"
	      "  --gdb[=PORT]          debug kernel and program with gdb; with PORT (kvm) wait for a remote gdb\n"
	      "  --machine TYPE        kvm: QEMU machine microvm (default), q35 or pc\n"
	      "  --dry-run             print the command that would run, for a shell\n"
	      "  --quiet               no notice about discarded changes\n"
	      "  --verbose, --help, --version\n"
	      "\n"
	      "Exit status: the program's; 128+N when signal N killed it; 125 doppel failed, 126 the program cannot be run,\n"
	      "127 it was not found.\n", to);
}

static uint64_t parse_size(const char *s)
{
	char *end;
	unsigned shift = 0;

	errno = 0;
	unsigned long long v = strtoull(s, &end, 10);

	switch (*end) {
	case 'k': case 'K': shift = 10, end++; break;
	case 'm': case 'M': shift = 20, end++; break;
	case 'g': case 'G': shift = 30, end++; break;
	}
	if (*end == 'B' || *end == 'b')
		end++;
	if (errno || end == s || *end || !v || v > UINT64_MAX >> shift || *s == '-')
		die(EXIT_DOPPEL, "-m %s: not a size; give bytes or a number with K, M or G, for example -m 256M", s);
	return (uint64_t)v << shift;
}

static void env_set(struct strings *env, const char *entry)
{
	size_t name = strcspn(entry, "=");

	for (size_t i = 0; i < env->n; i++)
		if (!strncmp(env->v[i], entry, name) && env->v[i][name] == '=') {
			env->v[i] = xstrdup(entry);
			return;
		}
	strings_add(env, entry);
}

static void add_env(struct run *r, const char *arg)
{
	if (*arg == '=' || !*arg)
		die(EXIT_DOPPEL, "-e '%s': no variable name", arg);
	if (strchr(arg, '=')) {
		env_set(&r->env, arg);
		return;
	}
	const char *v = getenv(arg);

	if (v) {
		char *entry = xasprintf("%s=%s", arg, v);

		env_set(&r->env, entry);
		free(entry);
	}
}

/* A file is exported as one name of its directory: a file alone is nothing that QEMU can export. */
static void split_file(struct share *s)
{
	char *slash = strrchr(s->host, '/');

	s->file = xstrdup(slash + 1);
	slash[slash == s->host] = 0;
}

static void add_share(struct run *r, const char *arg)
{
	char *host = xstrdup(arg), *guest = strchr(host, ':');
	struct share s = { .host = host };
	struct stat st;

	if (!guest || guest == host || guest[1] != '/')
		die(EXIT_DOPPEL, "-v %s: want HOST:GUEST or HOST:GUEST:ro, GUEST an absolute path", arg);
	*guest++ = 0;
	char *flag = strrchr(guest, ':');

	if (flag && (!strcmp(flag, ":ro") || !strcmp(flag, ":rw"))) {
		s.readonly = !strcmp(flag, ":ro");
		*flag = 0;
	}
	if (!guest[strspn(guest, "/.")])
		die(EXIT_DOPPEL, "-v %s: not on the root itself, which is what --root chooses", arg);
	if (strchr(guest, ':'))
		die(EXIT_DOPPEL, "-v %s: a guest path cannot contain colons", arg);
	s.guest = guest;
	s.host = realpath(host, NULL);
	if (!s.host || stat(s.host, &st))
		die(EXIT_DOPPEL, "-v %s: %s: %s", arg, host, strerror(errno));
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		die(EXIT_DOPPEL, "-v %s: %s is neither a directory nor a regular file", arg, host);
	if (S_ISREG(st.st_mode))
		split_file(&s);
	r->shares = xrealloc(r->shares, (r->nshares + 1) * sizeof(s));
	r->shares[r->nshares++] = s;
}

static void set_root(struct run *r, const char *arg)
{
	struct stat st;
	char *path = realpath(arg, NULL);

	if (!path || stat(path, &st))
		die(EXIT_DOPPEL, "--root %s: %s", arg, strerror(errno));
	if (!S_ISDIR(st.st_mode) && (!S_ISREG(st.st_mode) || !st.st_size))
		die(EXIT_DOPPEL, "--root %s: neither a directory nor a cpio archive (doppel pack makes one)", arg);
	if (access(path, R_OK))
		die(EXIT_DOPPEL, "--root %s: %s", arg, strerror(errno));
	r->root = S_ISDIR(st.st_mode) ? path : NULL;
	r->cpio = S_ISDIR(st.st_mode) ? NULL : path;
	if (!r->cwd)
		r->cwd = xstrdup("/");
}

static void set_save(struct run *r, const char *arg)
{
	struct stat st;

	if (mkdir(arg, 0777) && errno != EEXIST)
		die(EXIT_DOPPEL, "--save %s: %s", arg, strerror(errno));
	r->save = realpath(arg, NULL);
	if (!r->save || stat(r->save, &st) || !S_ISDIR(st.st_mode))
		die(EXIT_DOPPEL, "--save %s: not a directory", arg);
}

static bool number(const char *s, uint32_t *out)
{
	char *end;
	unsigned long v = strtoul(s, &end, 10);

	*out = (uint32_t)v;
	return *s >= '0' && *s <= '9' && !*end && v < UINT32_MAX;
}

/* Name or number, from the host's user database (or the root's own when --root is a directory: numbers only there). */
static void set_user(struct run *r, const char *arg)
{
	char *user = xstrdup(arg), *group = strchr(user, ':');

	if (group)
		*group++ = 0;
	struct passwd *pw = NULL;

	if (number(user, &r->uid))
		pw = getpwuid(r->uid);
	else if (!(pw = getpwnam(user)))
		die(EXIT_DOPPEL, "-u %s: no such user; give a name in /etc/passwd or a number", user);
	if (pw)
		r->uid = pw->pw_uid;
	r->gid = pw ? pw->pw_gid : r->uid;
	r->ngroups = 0;
	if (group && !number(group, &r->gid)) {
		struct group *gr = getgrnam(group);

		if (!gr)
			die(EXIT_DOPPEL, "-u %s: no such group '%s'", arg, group);
		r->gid = gr->gr_gid;
	} else if (!group && pw) {
		int n = 64;

		r->groups = xrealloc(r->groups, 64 * sizeof(gid_t));
		if (getgrouplist(pw->pw_name, r->gid, r->groups, &n) >= 0)
			r->ngroups = (size_t)n;
	}
	free(user);
}

static void defaults(struct run *r)
{
	r->mem = 1ul << 30;
	r->root = xstrdup("/");
	r->uid = geteuid();
	r->gid = getegid();
	int n = getgroups(0, NULL);

	if (n > 0) {
		r->groups = xmalloc((size_t)n * sizeof(gid_t));
		n = getgroups(n, r->groups);
		r->ngroups = n > 0 ? (size_t)n : 0;
	}
	for (char **e = environ; *e; e++)
		strings_add(&r->env, *e);
}

enum { OPT_ON = 256, OPT_ACCEL, OPT_ROOT, OPT_SAVE, OPT_RING0, OPT_NO_ASLR, OPT_TRACE, OPT_INJECT, OPT_GDB, OPT_DRY_RUN,
       OPT_VERBOSE, OPT_HELP, OPT_VERSION, OPT_MACHINE, OPT_QUIET, OPT_X_RUNNER, OPT_X_GDB, OPT_X_QEMU, OPT_X_CONNECT };

static const struct option long_options[] = {
	{ "on", required_argument, NULL, OPT_ON },          { "accel", required_argument, NULL, OPT_ACCEL },
	{ "root", required_argument, NULL, OPT_ROOT },      { "save", required_argument, NULL, OPT_SAVE },
	{ "ring0", no_argument, NULL, OPT_RING0 },          { "no-aslr", no_argument, NULL, OPT_NO_ASLR },
	{ "trace", optional_argument, NULL, OPT_TRACE },    { "inject", required_argument, NULL, OPT_INJECT },
	{ "gdb", optional_argument, NULL, OPT_GDB },        { "dry-run", no_argument, NULL, OPT_DRY_RUN },
	{ "verbose", no_argument, NULL, OPT_VERBOSE },      { "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },      { "machine", required_argument, NULL, OPT_MACHINE },
	{ "quiet", no_argument, NULL, OPT_QUIET },          { "memory", required_argument, NULL, 'm' },
	{ "env", required_argument, NULL, 'e' },            { "workdir", required_argument, NULL, 'w' },
	{ "user", required_argument, NULL, 'u' },           { "volume", required_argument, NULL, 'v' },
	{ "x-runner", required_argument, NULL, OPT_X_RUNNER },
	{ "x-qemu", required_argument, NULL, OPT_X_QEMU },
	{ "x-connect", required_argument, NULL, OPT_X_CONNECT },
	{ "x-gdb", required_argument, NULL, OPT_X_GDB },
	{ 0 },
};

static int choice(const char *option, const char *arg, const char *const *names)
{
	for (int i = 0; names[i]; i++)
		if (!strcmp(names[i], arg))
			return i;
	char list[128] = "";

	for (int i = 0; names[i]; i++) {
		strcat(list, i ? ", " : "");
		strcat(list, names[i]);
	}
	die(EXIT_DOPPEL, "%s %s: must be one of %s", option, arg, list);
}

static void set_gdb(struct run *r, const char *arg)
{
	uint32_t port = 0;

	r->gdb = true;
	if (arg && (!number(arg, &port) || !port || port > 65535))
		die(EXIT_DOPPEL, "--gdb=%s: not a port number", arg);
	r->gdb_port = port;
}

static void take_option(struct run *r, int c, const char *arg)
{
	static const char *const bodies[] = { "linuxu", "kvm", NULL }, *const accels[] = { "auto", "kvm", "tcg", NULL },
				*const machines[] = { "microvm", "q35", "pc", NULL };

	switch (c) {
	case OPT_ON: r->on = (enum body)choice("--on", arg, bodies); break;
	case OPT_ACCEL: r->accel = (enum accel)choice("--accel", arg, accels); break;
	case OPT_MACHINE: r->machine = xstrdup(machines[choice("--machine", arg, machines)]); break;
	case 'm': r->mem = parse_size(arg); break;
	case 'e': add_env(r, arg); break;
	case 'w':
		if (*arg != '/')
			die(EXIT_DOPPEL, "-w %s: the working directory must be an absolute path", arg);
		r->cwd = xstrdup(arg);
		break;
	case 'u': set_user(r, arg); break;
	case 'i': break;
	case 't': r->tty = true; break;
	case 'v': add_share(r, arg); break;
	case OPT_ROOT: set_root(r, arg); break;
	case OPT_SAVE: set_save(r, arg); break;
	case OPT_RING0: r->ring0 = true; break;
	case OPT_NO_ASLR: r->no_aslr = true; break;
	case OPT_TRACE: r->trace = true, r->trace_file = arg ? xstrdup(arg) : NULL; break;
	case OPT_INJECT: inject_add(&r->inject, arg); break;
	case OPT_GDB: set_gdb(r, arg); break;
	case OPT_DRY_RUN: r->dry_run = true; break;
	case OPT_VERBOSE: r->verbose = true; break;
	case OPT_QUIET: r->quiet = true; break;
	case OPT_X_QEMU: strings_add(&r->qemu_args, arg); break;
	case OPT_X_CONNECT: r->connect = xstrdup(arg); break;
	case OPT_X_GDB: strings_add(&r->gdb_args, arg); break;
	case OPT_X_RUNNER: strings_add(&r->runner_flags, arg); break;
	case OPT_HELP: usage(stdout); exit(0);
	case OPT_VERSION: puts("doppel " VERSION); exit(0);
	default: exit(EXIT_DOPPEL); /* getopt has said why */
	}
}

void run_options(struct run *r, int argc, char **argv)
{
	int c;

	defaults(r);
	argv[0] = (char *)"doppel";
	while ((c = getopt_long(argc, argv, "+m:e:w:u:itv:", long_options, NULL)) >= 0)
		take_option(r, c, optarg);
	if (optind >= argc)
		die(EXIT_DOPPEL, "no program given; usage: doppel run [OPTIONS] [--] PROGRAM [ARGS…] (doppel --help)");
	for (int i = 1; i < argc; i++)
		if (i >= optind || strcmp(argv[i], "--dry-run"))
			strings_add(&r->words, argv[i]);
	r->argv = argv + optind;
	r->argc = argc - optind;
	if (!*r->argv[0])
		die(EXIT_NOT_FOUND, "the program's name is empty");
	if (r->ring0 && r->on != ON_KVM)
		die(EXIT_DOPPEL, "--ring0 goes with --on kvm");
	if (r->gdb_port && r->on != ON_KVM)
		die(EXIT_DOPPEL, "--gdb=PORT goes with --on kvm; on linuxu use --gdb, or gdbserver on the printed command");
	if (!r->cwd)
		r->cwd = getcwd(NULL, 0);
	if (!r->cwd || r->cwd[0] != '/') /* removed, or not below this root: getcwd(3) */
		die(EXIT_CANNOT_RUN, "the current directory cannot be found any more; choose one with -w");
}
