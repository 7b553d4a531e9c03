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
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define QEMU "qemu-system-x86_64"

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

	*why = fd < 0 ? "/dev/kvm cannot be opened" : !virt ? "the CPU shows neither vmx nor svm" : "";
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

void kvm_command(const struct run *r, struct strings *cmd, int ctl_fd, int log_fd, bool use_kvm)
{
	bool pci = r->machine && strcmp(r->machine, "microvm");
	struct timespec now;
	char *words = boot_cmdline(r);

	strings_add(cmd, QEMU);
	add_machine(r, cmd, use_kvm, pci);
	clock_gettime(CLOCK_REALTIME, &now);
	strings_add(cmd, "-kernel");
	strings_add(cmd, own_file("doppel-kvm"));
	strings_add(cmd, "-append");
	strings_addf(cmd, "%s epoch=%lld%09ld", words, (long long)now.tv_sec, now.tv_nsec);
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
	if (ctl_fd >= 0) {
		strings_add(cmd, "-chardev");
		strings_addf(cmd, "socket,id=ctl,fd=%d", ctl_fd);
		strings_add(cmd, "-device");
		strings_add(cmd, pci ? "virtio-serial-pci,max_ports=2" : "virtio-serial-device,max_ports=2");
		strings_add(cmd, "-device");
		strings_add(cmd, "virtserialport,chardev=ctl,name=doppel");
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
	return use;
}

static void print_command(const struct strings *cmd)
{
	for (size_t i = 0; i < cmd->n; i++)
		printf(strpbrk(cmd->v[i], " ;|&$") ? "%s'%s'" : "%s%s", i ? " " : "", cmd->v[i]);
	putchar('\n');
}

static pid_t start_qemu(const struct strings *cmd, int err_fd)
{
	pid_t pid = fork();

	if (pid < 0)
		die(EXIT_DOPPEL, "fork: %s", strerror(errno));
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0); /* ^C is for the program in the guest, not for QEMU */
	int null = open("/dev/null", O_RDWR);

	dup2(null, 0);
	dup2(null, 1);
	dup2(err_fd, 2);
	execvp(cmd->v[0], cmd->v);
	dprintf(2, "%s: %s; install qemu-system-x86 (doppel doctor)\n", cmd->v[0], strerror(errno));
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

static int end_qemu(pid_t pid)
{
	int status = 0;

	/* The guest powers off by itself; a stuck QEMU must not keep us. */
	for (int i = 0; i < 200; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
		nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return status;
}

int run_kvm(struct run *r)
{
	struct strings cmd = { 0 };
	int pair[2], log_fd = memfd_create("doppel-serial", 0), err_fd = memfd_create("doppel-qemu", 0);
	bool use_kvm = choose_kvm(r);

	if (r->dry_run) {
		kvm_command(r, &cmd, 3, -1, use_kvm);
		print_command(&cmd);
		return 0;
	}
	if (log_fd < 0 || err_fd < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		die(EXIT_DOPPEL, "cannot set up the guest's channel: %s", strerror(errno));
	fcntl(pair[1], F_SETFD, 0);
	kvm_command(r, &cmd, pair[1], log_fd, use_kvm);
	if (r->verbose) {
		fputs("doppel: ", stderr);
		for (size_t i = 0; i < cmd.n; i++)
			fprintf(stderr, "%s ", cmd.v[i]);
		fputc('\n', stderr);
	}
	if (r->gdb_port)
		warn_("waiting for gdb: target remote 127.0.0.1:%u", r->gdb_port);
	tty_raw(r);
	pid_t pid = start_qemu(&cmd, err_fd);

	close(pair[1]);
	int status = broker_run(r, pair[0], pid);

	tty_restore();
	if (status >= 0) {
		kill(pid, SIGKILL); /* its work is done: what it would do now is only tear down */
		waitpid(pid, NULL, 0);
		return wait_status_to_exit(status);
	}
	int qemu_status = end_qemu(pid);

	show(log_fd);
	show(err_fd);
	if (status == -2)
		return EXIT_DOPPEL;
	warn_("the guest ended without a status (QEMU %s %d)", WIFSIGNALED(qemu_status) ? "killed by signal" : "exit status",
	      WIFSIGNALED(qemu_status) ? WTERMSIG(qemu_status) : WEXITSTATUS(qemu_status));
	return EXIT_DOPPEL;
}
