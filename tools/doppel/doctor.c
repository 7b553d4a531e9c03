/* doppel doctor: what this machine has and lacks for running and developing, and how to get it. */
#include "tools/doppel/doppel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/auxv.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif

static int missing;

static void line(bool ok, const char *what, const char *detail, const char *remedy)
{
	printf("%-4s %-22s %s", ok ? "ok" : "--", what, detail);
	if (!ok && *remedy)
		printf("%s%s", *detail ? "; " : "", remedy);
	putchar('\n');
	missing += !ok;
}

bool in_path(const char *name)
{
	const char *path = getenv("PATH") ? getenv("PATH") : "/bin:/usr/bin"; /* as execvp(3) */
	char file[4096];

	while (path && *path) {
		size_t n = strcspn(path, ":");

		snprintf(file, sizeof(file), "%.*s/%s", (int)n, path, name);
		if (!access(file, X_OK))
			return true;
		path += n + (path[n] == ':');
	}
	return false;
}

static void program(const char *name, const char *package, const char *use)
{
	char remedy[128];

	snprintf(remedy, sizeof(remedy), "apt-get install %s", package);
	line(in_path(name), name, use, remedy);
}

int doctor_main(int argc, char **argv)
{
	struct utsname u;
	const char *why;
	/* Off with invalid arguments is EINVAL only where the prctl exists and refuses; turning it off is harmless. */
	bool sud = !prctl(PR_SET_SYSCALL_USER_DISPATCH, 0, 0, 0, 0);

	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		puts("Usage: doppel doctor   what this machine has and lacks; exit status 1 if it lacks something");
		return 0;
	}
	if (argc > 1)
		die(EXIT_DOPPEL, "doctor takes no arguments");
	uname(&u);
	line(true, "host kernel", u.release, "");
	line(sud, "syscall user dispatch", "linuxu's fast way to catch syscalls",
	     "this kernel is older than 5.11: linuxu falls back to seccomp, slower");
	line(getauxval(AT_HWCAP2) & 2, "FSGSBASE", "cheap thread switches on linuxu", "arch_prctl is used instead, slower");
	bool kvm = kvm_usable(&why);

	bool denied = access("/dev/kvm", R_OK | W_OK) && errno == EACCES;

	line(kvm, "KVM", *why ? why : "--on kvm runs at hardware speed",
	     denied ? "--on kvm uses TCG; usermod -aG kvm USER usually gives access" : "--on kvm uses TCG, QEMU's emulator");
	program("qemu-system-x86_64", "qemu-system-x86", "--on kvm");
	program("gdb", "gdb", "--gdb");
	program("valgrind", "valgrind", "make unit-valgrind");
	program("gcc", "gcc", "building");
	program("musl-gcc", "musl-tools", "tests");
	program("strace", "strace", "comparing --trace with the host");
	line(!access(own_file("doppel-linuxu"), X_OK), "doppel-linuxu", "the runner", "run make");
	line(!access(own_file("doppel-kvm"), R_OK), "doppel-kvm", "the guest image", "run make");
	return missing ? 1 : 0;
}
