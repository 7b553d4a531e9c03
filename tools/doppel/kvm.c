/* --on kvm: the QEMU command line and its life. Devices: root and -v exports by virtio-9p, one virtio-serial port as the
 * control channel (plat/ctl.h), virtio-rng. microvm by default, everything left out that the guest does not use. */
#include "tools/doppel/doppel.h"

#include "plat/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define QEMU "qemu-system-x86_64"
#define CONNECT_MS 30000 /* how long --x-connect waits for QEMU's socket */
#define CMDLINE_MAX 4095u     /* plat/kvm/mem.c's, without the NUL */
#define CMDLINE_DEVICES 400u /* what QEMU may add of it: a word for each of microvm's devices */
#define MICROVM_DEVICES 8u
#define GUEST_RAM_MIN (1792u << 10) /* below this the image itself does not fit, and its loader hangs */

bool kvm_usable(const char **why)
{
	char line[8192];
	bool virt = false;
	FILE *f = fopen("/proc/cpuinfo", "r");

	while (f && !virt && fgets(line, sizeof(line), f))
		virt = !strncmp(line, "flags", 5) && (strstr(line, " vmx") || strstr(line, " svm"));
	if (f)
		fclose(f);
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	*why = fd < 0 ? xasprintf("/dev/kvm: %s", strerror(errno)) : !virt ? "the CPU shows neither vmx nor svm" : "";
	if (fd >= 0)
		close(fd);
	return fd >= 0 && virt;
}

/* QEMU's option values end at a comma; a doubled one stands for itself. */
static char *escape(const char *s)
{
	char *out = xmalloc(2 * strlen(s) + 1), *p = out;

	for (; *s; s++) {
		if (*s == ',')
			*p++ = ',';
		*p++ = *s;
	}
	*p = 0;
	return out;
}

static void add_9p(struct strings *cmd, bool pci, const char *tag, const char *dir, bool readonly)
{
	char *path = escape(dir);

	strings_add(cmd, "-fsdev");
	strings_addf(cmd, "local,id=%s,path=%s,security_model=none,multidevs=remap%s", tag, path, readonly ? ",readonly=on" : "");
	strings_add(cmd, "-device");
	strings_addf(cmd, "virtio-9p-%s,fsdev=%s,mount_tag=%s", pci ? "pci" : "device", tag, tag);
	free(path);
}

static void add_words(struct strings *cmd, const char *const *words)
{
	for (; *words; words++)
		strings_add(cmd, *words);
}

static void add_machine(const struct run *r, struct strings *cmd, bool use_kvm, bool pci)
{
	strings_add(cmd, "-M");
	if (pci)
		strings_add(cmd, r->machine);
	else
		strings_addf(cmd, "microvm,acpi=off,x-option-roms=off,pit=off,pic=off,rtc=%s", use_kvm ? "off" : "on");
	strings_add(cmd, "-accel");
	strings_add(cmd, use_kvm ? "kvm" : "tcg");
	strings_add(cmd, "-cpu");
	/* arch-capabilities: QEMU 7.2 aborts on MSR 0x10a on some nested hosts */
	strings_add(cmd, use_kvm ? "host,-arch-capabilities" : "max");
	strings_add(cmd, "-m");
	strings_addf(cmd, "%lluk", (unsigned long long)(r->mem + 1023) / 1024);
	add_words(cmd, (const char *const[]){ "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-global",
					      "virtio-mmio.force-legacy=false", NULL });
}

/* KVM on a CPU without vmx or svm emulates kernel code, and does not know these instructions. */
#define EMULATED_WORDS " nosmap noxsave"

static bool kvm_emulated(void)
{
	const char *why;

	return !kvm_usable(&why);
}

/* Words for the platform: what the host knows about time, and about its KVM. An instruction-counting guest has a time stamp
 * counter of its own. */
static void platform_words(const struct run *r, FILE *f, bool use_kvm)
{
	struct timespec now;
	uint64_t hz = use_kvm ? 0 : tsc_hz();

	for (size_t i = 0; i < r->qemu_args.n; i++)
		if (!strcmp(r->qemu_args.v[i], "-icount"))
			hz = 0;
	if (hz)
		fprintf(f, " tsc=%llu", (unsigned long long)hz);
	if (use_kvm && kvm_emulated())
		fputs(EMULATED_WORDS, f);
	clock_gettime(CLOCK_REALTIME, &now);
	if (!r->dry_run) /* which runs later: the guest asks its clock chip */
		fprintf(f, " epoch=%lld%09ld", (long long)now.tv_sec, now.tv_nsec);
}

static char *append_words(const struct run *r, bool use_kvm)
{
	char *words = boot_cmdline(r), *s = NULL;
	size_t n;
	FILE *f = open_memstream(&s, &n);

	if (!f)
		die(EXIT_DOPPEL, "out of memory");
	fputs(words, f);
	free(words);
	platform_words(r, f, use_kvm);
	fclose(f);
	if (n > CMDLINE_MAX - CMDLINE_DEVICES)
		die(EXIT_DOPPEL, "mounts and --inject take %zu bytes of kernel command line, and only %u fit", n,
		    CMDLINE_MAX - CMDLINE_DEVICES);
	return s;
}

/* Where QEMU waits for the other end of the control channel, in the command of --dry-run. */
static char *dry_socket(void)
{
	return xasprintf("%s/doppel-ctl.%d", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", getpid());
}

/* The control channel or the monitor: one end of a socket pair, inherited; without one a socket by name. */
static void add_socket(struct strings *cmd, const char *id, int fd)
{
	char *path = fd < 0 ? dry_socket() : NULL, *word = path ? escape(path) : NULL;

	strings_add(cmd, "-chardev");
	if (path)
		strings_addf(cmd, "socket,id=%s,path=%s,server=on,wait=on", id, word);
	else
		strings_addf(cmd, "socket,id=%s,fd=%d", id, fd);
	free(path);
	free(word);
}

void kvm_command(const struct run *r, struct strings *cmd, int ctl_fd, int monitor_fd, int log_fd, bool use_kvm)
{
	bool pci = r->machine && strcmp(r->machine, "microvm");
	char *words = append_words(r, use_kvm);

	strings_add(cmd, QEMU);
	add_machine(r, cmd, use_kvm, pci);
	strings_add(cmd, "-kernel");
	strings_add(cmd, own_file("doppel-kvm"));
	strings_add(cmd, "-append");
	strings_add(cmd, words);
	free(words);
	if (r->cpio)
		strings_add(cmd, "-initrd"), strings_add(cmd, r->cpio);
	strings_add(cmd, "-serial");
	if (log_fd >= 0)
		strings_addf(cmd, "file:/proc/self/fd/%d", log_fd);
	else
		strings_add(cmd, "stdio");
	strings_add(cmd, "-device");
	strings_add(cmd, "isa-debug-exit,iobase=0xf4,iosize=1");
	add_socket(cmd, "ctl", ctl_fd);
	strings_add(cmd, "-device");
	strings_add(cmd, pci ? "virtio-serial-pci,max_ports=2" : "virtio-serial-device,max_ports=2");
	strings_add(cmd, "-device");
	strings_add(cmd, "virtserialport,chardev=ctl,name=doppel");
	if (monitor_fd >= 0) {
		add_socket(cmd, "monitor", monitor_fd);
		strings_add(cmd, "-mon"), strings_add(cmd, "chardev=monitor,mode=control");
	}
	strings_add(cmd, "-device");
	strings_add(cmd, pci ? "virtio-rng-pci" : "virtio-rng-device");
	if (r->root)
		add_9p(cmd, pci, "root", r->root, true);
	for (size_t i = 0; i < r->nshares; i++) {
		char tag[32];

		snprintf(tag, sizeof(tag), "v%zu", i);
		add_9p(cmd, pci, tag, r->shares[i].host, r->shares[i].readonly);
	}
	if (r->save)
		add_9p(cmd, pci, "save", r->save, false);
	for (size_t i = 0; i < r->qemu_args.n; i++)
		strings_add(cmd, r->qemu_args.v[i]);
	if (r->gdb_port)
		strings_add(cmd, "-gdb"), strings_addf(cmd, "tcp:127.0.0.1:%u", r->gdb_port), strings_add(cmd, "-S");
}

static bool choose_kvm(const struct run *r)
{
	const char *why;
	bool usable = kvm_usable(&why), use = r->accel == ACCEL_KVM || (r->accel == ACCEL_AUTO && usable);

	if (r->verbose)
		warn_("accelerator %s%s%s", use ? "kvm" : "tcg", r->accel == ACCEL_AUTO && !use ? ": " : "",
		      r->accel == ACCEL_AUTO && !use ? why : "");
	if (use && !usable && access("/dev/kvm", R_OK | W_OK))
		die(EXIT_DOPPEL, "--accel kvm: %s; use --accel tcg (doppel doctor)", why);
	if (use && !usable && r->ring0)
		die(EXIT_DOPPEL, "--ring0 with --accel kvm: %s, so KVM emulates ring 0 and cannot run programs there", why);
	if (use && !usable && r->verbose)
		warn_("%s: KVM emulates kernel code; kernel words added:" EMULATED_WORDS, why);
	return use;
}

/* microvm's devices: the control channel, the random source, and every export. */
static void check_exports(const struct run *r)
{
	size_t exports = (r->root != NULL) + (r->save != NULL) + r->nshares;

	if ((!r->machine || !strcmp(r->machine, "microvm")) && exports > MICROVM_DEVICES - 2)
		die(EXIT_DOPPEL, "microvm has room for %zu mounts with -v here, not %zu; --machine q35 takes more",
		    MICROVM_DEVICES - 2 - (exports - r->nshares), r->nshares);
}

/* What is known before anything starts, rather than guessed from QEMU's end. */
static void check_before(const struct run *r)
{
	check_exports(r);
	if (r->mem < GUEST_RAM_MIN)
		die(EXIT_DOPPEL, "-m: a guest needs at least %u KiB", GUEST_RAM_MIN >> 10);
	if (!in_path(QEMU))
		die(EXIT_DOPPEL, QEMU " is not installed; apt-get install qemu-system-x86 (doppel doctor)");
}

static pid_t start_qemu(const struct strings *cmd, int err_fd)
{
	pid_t self = getpid(), pid = fork();

	if (pid < 0)
		die(EXIT_DOPPEL, "fork: %s", strerror(errno));
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != self)
		_exit(EXIT_DOPPEL);
	setpgid(0, 0); /* ^C is for the program in the guest, not for QEMU */
	int null = open("/dev/null", O_RDWR);

	dup2(null, 0);
	dup2(null, 1);
	dup2(err_fd, 2);
	execvp(cmd->v[0], cmd->v);
	dprintf(2, "doppel: %s: %s\n", cmd->v[0], strerror(errno));
	_exit(EXIT_DOPPEL);
}

/* Copies what QEMU or the guest's serial line said to our stderr. */
static void show(int fd)
{
	char buf[4096];
	ssize_t n;

	lseek(fd, 0, SEEK_SET);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		fwrite(buf, 1, (size_t)n, stderr);
}

static int end_qemu(pid_t pid, bool at_once)
{
	int status = 0;

	/* The guest powers off by itself; a stuck QEMU must not keep us. */
	for (int i = 0; i < 200 && !at_once; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
		nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return status;
}

/* A pair of sockets: ours stays with us, theirs gets the number that the command names. */
static int open_channel(int *theirs)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		die(EXIT_DOPPEL, "cannot set up the guest's channel: %s", strerror(errno));
	fcntl(pair[1], F_SETFD, 0);
	*theirs = pair[1];
	return pair[0];
}

/* What a guest that ended badly left behind: our exit status. */
static int post_mortem(const struct run *r, int status, int qemu_status, int log_fd, int err_fd)
{
	show(log_fd);
	show(err_fd);
	if (status != GUEST_GONE)
		return EXIT_DOPPEL;
	if (WIFSIGNALED(qemu_status))
		warn_("the guest ended without a status: QEMU was killed by signal %d", WTERMSIG(qemu_status));
	else if (WEXITSTATUS(qemu_status) == 0 && r->mem < 8u << 20)
		warn_("the guest ended without a status; its memory is small: give it more with -m");
	else if (r->mem / 4096 > (uint64_t)sysconf(_SC_PHYS_PAGES))
		warn_("the guest did not start; -m asks for more than this host's memory");
	else
		warn_("the guest ended without a status (QEMU's exit status %d)", WEXITSTATUS(qemu_status));
	return EXIT_DOPPEL;
}

/* QEMU waits on its socket for what the guest is told and where its output goes: that is ours, by the same words. */
static void dry_run(const struct run *r, bool use_kvm)
{
	struct strings cmd = { 0 }, other = { 0 };
	char *path = dry_socket();

	kvm_command(r, &cmd, -1, -1, -1, use_kvm);
	print_command(stdout, &cmd);
	putchar('\n');
	strings_add(&other, own_file("doppel"));
	strings_add(&other, "run");
	strings_addf(&other, "--x-connect=%s", path);
	for (size_t i = 0; i < r->words.n; i++)
		strings_add(&other, r->words.v[i]);
	fputs("doppel: it waits for the other end of its control channel; in another shell:\n", stderr);
	print_command(stderr, &other);
	fputc('\n', stderr);
	free(path);
}

/* --x-connect: QEMU runs elsewhere and offers its end of the channel by name. */
static int run_connected(const struct run *r)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int ctl = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), status = -1;

	if (ctl < 0 || strlen(r->connect) >= sizeof(a.sun_path))
		die(EXIT_DOPPEL, "--x-connect=%s: %s", r->connect, strerror(ctl < 0 ? errno : ENAMETOOLONG));
	strcpy(a.sun_path, r->connect);
	for (int ms = 0; ms < CONNECT_MS && (status = connect(ctl, (void *)&a, sizeof(a))); ms += 10)
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	if (status)
		die(EXIT_DOPPEL, "--x-connect=%s: %s", r->connect, strerror(errno));
	tty_raw(r);
	status = broker_run(r, ctl, -1);
	tty_restore();
	unlink(r->connect); /* QEMU leaves it when the guest ends by its exit port */
	if (status < 0)
		die(EXIT_DOPPEL, "the guest ended without a status");
	return wait_status_to_exit(status);
}

int run_kvm(struct run *r)
{
	struct strings cmd = { 0 };
	int ctl_qemu, monitor_qemu = -1, monitor = -1;
	bool use_kvm = choose_kvm(r);

	if (r->dry_run) {
		dry_run(r, use_kvm);
		return 0;
	}
	if (r->connect)
		return run_connected(r);
	check_before(r);
	int ctl = open_channel(&ctl_qemu);

	/* Under a debugger the guest is stopped all the time, and that is no failure. */
	if (!r->gdb)
		monitor = open_channel(&monitor_qemu);
	int log_fd = memfd_create("doppel-serial", 0), err_fd = memfd_create("doppel-qemu", MFD_CLOEXEC);

	if (log_fd < 0 || err_fd < 0)
		die(EXIT_DOPPEL, "cannot set up the guest's log: %s", strerror(errno));
	kvm_command(r, &cmd, ctl_qemu, monitor_qemu, log_fd, use_kvm);
	if (r->verbose) {
		fputs("doppel: ", stderr);
		print_command(stderr, &cmd);
		fputc('\n', stderr);
	}
	if (r->gdb_port)
		warn_("waiting for gdb: target remote 127.0.0.1:%u", r->gdb_port);
	tty_raw(r);
	pid_t pid = start_qemu(&cmd, err_fd);

	close(ctl_qemu);
	if (monitor_qemu >= 0)
		close(monitor_qemu);
	int status = broker_run(r, ctl, monitor);

	tty_restore();
	/* Otherwise its work is done: what it would do now is only tear down. */
	int qemu_status = end_qemu(pid, status != GUEST_GONE && status != GUEST_PANIC);

	return status >= 0 ? wait_status_to_exit(status) : post_mortem(r, status, qemu_status, log_fd, err_fd);
}
