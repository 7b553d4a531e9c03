/* linuxu: the runner's start, its command line, and its end.
 *
 * The runner is a freestanding static executable at 0x600000000000; tools/doppel starts it:
 *
 *   doppel-linuxu [OPTIONS]
 *     --cmdline TEXT           the kernel's command line (core/boot.h)
 *     --blob-fd N              the boot blob: argv, environment, directory (core/boot.h); read to its end
 *     --initrd-fd N            a cpio archive; a regular file or memfd
 *     --ram SIZE               bytes, or with suffix K, M, G (default 1G); sparse
 *     --export TAG=DIR[:ro]    a host directory offered over 9P under TAG, with ":ro" read-only; may repeat
 *     --export-ro TAG=DIR      the same, read-only, for a DIR that may itself end in ":ro"
 *     --trace-fd N             where --trace output goes (default: with the messages)
 *     --log-fd N               where kernel messages go (default: 2)
 *     --tty                    the standard streams are a terminal to the program, whatever they are on the host
 *     --no-sud                 catch syscalls by seccomp even where Syscall User Dispatch works
 *     --no-patch               never rewrite syscall sites: each call traps
 *   SIZE and N are decimal. TEXT and DIR are taken as they are.
 *
 * Descriptors 0 to 2 are the program's standard streams; a closed one stays closed to the program. All others but
 * those named are closed. doppel puts a terminal into raw mode before and restores it afterwards; signals HUP, INT,
 * QUIT, TERM, USR1, USR2, ALRM and WINCH sent to the runner are the program's. The exit status is the program's
 * (128+n when signal n killed it), or 125 when the runner or the kernel failed. A runner leaves nothing behind. */
#include "core/lib/string.h"
#include "core/lib/util.h"
#include "plat/linuxu/linuxu.h"
#include "plat/linuxu/p9srv.h"
#include "shim/abi/elf.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/mman.h"
#include "shim/abi/resource.h"
#include "shim/abi/stat.h"

#define EXIT_CRASH 125
#define HWCAP2_FSGSBASE 2

struct options options = {
	.cmdline = "", .ram = 1ul << 30, .blob_fd = -1, .initrd_fd = -1, .trace_fd = -1, .log_fd = 2,
};

static const void *blob, *initrd;
static size_t blob_len, initrd_len;

_Noreturn void linuxu_main(const uint64_t *stack);

/* ---- the end ---- */

_Noreturn void host_die(const char *what, long err)
{
	char line[256];
	const char *why = err < 0 ? errno_text((int)-err) : NULL;
	int n = ksnprintf(line, sizeof(line), "doppel: %s%s%s\n", what, err < 0 ? ": " : "", why ? why : err < 0 ? "unknown error" : "");

	plat_log(line, MIN((size_t)n, sizeof(line) - 1));
	host_exit(EXIT_CRASH);
}

_Noreturn void plat_exit(int status)
{
	if (trace_error() && !status)
		status = EXIT_CRASH << 8;
	host_exit(status & 0x7f ? 128 + (status & 0x7f) : (status >> 8) & 0xff);
}

_Noreturn void plat_crash(void)
{
	host_exit(EXIT_CRASH);
}

/* ---- the command line ---- */

static uint64_t parse_number(const char *name, const char *s)
{
	uint64_t v = 0;
	const char *p = s;

	for (; *p >= '0' && *p <= '9' && v < 1ul << 56; p++)
		v = v * 10 + (uint64_t)(*p - '0');
	if (p == s || *p)
		host_die(name, -EINVAL);
	return v;
}

static uint64_t parse_size(const char *name, const char *s)
{
	static const char suffixes[] = "KMG";
	char digits[24];
	size_t n = strlen(s);
	const char *suffix = n ? strchr(suffixes, s[n - 1]) : NULL;

	if (n == 0 || n >= sizeof(digits))
		host_die(name, -EINVAL);
	memcpy(digits, s, n + 1);
	if (!suffix)
		return parse_number(name, digits);
	digits[n - 1] = 0;
	return parse_number(name, digits) << (10 * (suffix - suffixes + 1));
}

static void add_export(const char *arg, bool ro, bool may_suffix)
{
	char tag[32], dir[4096];
	const char *eq = strchr(arg, '=');
	size_t n;
	int r;

	if (!eq || (size_t)(eq - arg) >= sizeof(tag) || strlen(eq + 1) >= sizeof(dir))
		host_die("--export wants TAG=DIR", -EINVAL);
	memcpy(tag, arg, (size_t)(eq - arg));
	tag[eq - arg] = 0;
	n = strlen(eq + 1);
	memcpy(dir, eq + 1, n + 1);
	if (may_suffix && n > 3 && strcmp(dir + n - 3, ":ro") == 0) {
		dir[n - 3] = 0;
		ro = true;
	}
	r = p9srv_export(tag, dir, ro);
	if (r < 0)
		host_die(arg, r);
}

/* Options that take a value: true if argv[0] was one (and used argv[1]). */
static bool parse_valued(const char *name, const char *value)
{
	if (strcmp(name, "--cmdline") == 0)
		options.cmdline = value;
	else if (strcmp(name, "--blob-fd") == 0)
		options.blob_fd = (int)parse_number(name, value);
	else if (strcmp(name, "--initrd-fd") == 0)
		options.initrd_fd = (int)parse_number(name, value);
	else if (strcmp(name, "--trace-fd") == 0)
		options.trace_fd = (int)parse_number(name, value);
	else if (strcmp(name, "--log-fd") == 0)
		options.log_fd = (int)parse_number(name, value);
	else if (strcmp(name, "--ram") == 0)
		options.ram = parse_size(name, value);
	else
		return strcmp(name, "--export") == 0 || strcmp(name, "--export-ro") == 0; /* see add_exports() */
	return true;
}

static void parse_options(char **argv)
{
	for (argv++; *argv; argv++) {
		if (strcmp(*argv, "--tty") == 0) {
			options.tty = true;
		} else if (strcmp(*argv, "--no-sud") == 0) {
			options.no_sud = true;
		} else if (strcmp(*argv, "--no-patch") == 0) {
			options.no_patch = true;
		} else if (argv[1] && parse_valued(argv[0], argv[1])) {
			argv++;
		} else {
			host_die(*argv, -EINVAL);
		}
	}
}

static void add_exports(char **argv)
{
	for (argv++; *argv; argv++) {
		if (strcmp(*argv, "--export") == 0)
			add_export(*++argv, false, true);
		else if (strcmp(*argv, "--export-ro") == 0)
			add_export(*++argv, true, false);
		else if (strcmp(*argv, "--tty") && strcmp(*argv, "--no-sud") && strcmp(*argv, "--no-patch"))
			argv++;
	}
}

/* ---- descriptors and limits ---- */

/* The first descriptor at or above `from` that we were told about, or -1. */
static int next_named_fd(int from)
{
	const int named[] = { options.blob_fd, options.initrd_fd, options.trace_fd, options.log_fd };
	int best = -1;

	for (size_t i = 0; i < ARRAY_SIZE(named); i++)
		if (named[i] >= from && (best < 0 || named[i] < best))
			best = named[i];
	return best;
}

static void close_range(int first, unsigned last)
{
	if (host_call3(HOST_close_range, (uint64_t)first, last, 0) == -ENOSYS) /* before Linux 5.9 */
		for (int fd = first; fd < 1024 && (unsigned)fd <= last; fd++)
			host_close(fd);
}

/* Closes what we inherited and were not told about. */
static void close_others(void)
{
	int first = 3, named;

	while ((named = next_named_fd(first)) >= 0) {
		if (named > first)
			close_range(first, (unsigned)named - 1);
		first = named + 1;
	}
	close_range(first, ~0u);
}

static void raise_limits(void)
{
	struct host_rlimit lim;

	if (host_call4(HOST_prlimit64, 0, RLIMIT_NOFILE, 0, HP(&lim)) < 0 || lim.cur >= lim.max)
		return;
	lim.cur = lim.max;
	host_call4(HOST_prlimit64, 0, RLIMIT_NOFILE, HP(&lim), 0);
}

/* ---- what we are given ---- */

/* All of a descriptor's bytes, in memory of the runner's own. */
static void *read_all(int fd, size_t *len)
{
	size_t size = 64 * 1024, n = 0;
	char *buf = (char *)host_mmap(BLOB_BASE, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long r;

	for (;;) {
		if (host_failed((long)buf))
			host_die("cannot read the boot blob", (long)buf);
		r = host_read(fd, buf + n, size - n);
		if (r == -EINTR)
			continue;
		if (r < 0)
			host_die("cannot read the boot blob", r);
		if (r == 0)
			break;
		n += (size_t)r;
		if (n < size)
			continue;
		buf = (char *)host_call5(25 /* mremap */, HP(buf), size, size * 2, MREMAP_MAYMOVE, 0);
		size *= 2;
	}
	*len = n;
	host_close(fd);
	return buf;
}

static void take_initrd(void)
{
	struct host_stat st;
	long r = host_fstat(options.initrd_fd, &st);

	if (r < 0 || !S_ISREG(st.mode))
		host_die("--initrd-fd wants a regular file", r < 0 ? r : -EINVAL);
	initrd_len = (size_t)st.size;
}

const char *plat_cmdline(void)
{
	return options.cmdline;
}

const void *plat_boot_blob(size_t *len)
{
	*len = blob_len;
	return blob;
}

const void *plat_initrd(size_t *len)
{
	*len = initrd_len;
	return initrd;
}

const char *plat_name(void)
{
	return "linuxu";
}

struct cpu *plat_cpu(void)
{
	return &cpu_state;
}

void plat_random(void *buf, size_t len)
{
	char *p = buf;

	while (len) {
		long r = host_call3(HOST_getrandom, HP(p), len, 0);

		if (r < 0 && r != -EINTR)
			host_die("getrandom", r);
		p += r > 0 ? r : 0;
		len -= r > 0 ? (size_t)r : 0;
	}
}

/* ---- 9P: requests are answered before submit returns ---- */

int plat_9p_find(const char *tag)
{
	return p9srv_find(tag);
}

int plat_9p_submit(int dev, struct plat_9p_req *req)
{
	if (req->nout > PLAT_9P_SEGS || req->nin > PLAT_9P_SEGS)
		return -EINVAL;
	req->in_len = p9srv_call(dev, req->out, req->nout, req->in, req->nin);
	req->done = true;
	return 0;
}

/* ---- the start ---- */

_Noreturn void linuxu_main(const uint64_t *stack)
{
	char **argv = (char **)(uintptr_t)(stack + 1);
	const uint64_t *aux = stack + 1 + stack[0] + 1;
	bool fsgsbase = false;

	while (*aux++) /* the environment */
		;
	for (; aux[0] != AT_NULL; aux += 2)
		if (aux[0] == AT_HWCAP2)
			fsgsbase = aux[1] & HWCAP2_FSGSBASE;
	cpu_state.self = &cpu_state;
	parse_options(argv);
	close_others();
	streams_init();
	raise_limits();
	trap_init();
	host_call3(HOST_umask, 0, 0, 0);
	if (options.blob_fd >= 0)
		blob = read_all(options.blob_fd, &blob_len);
	if (options.initrd_fd >= 0)
		take_initrd();
	time_init(fsgsbase);
	if (streams_waiting())
		streams_tick();
	initrd = mem_init(options.ram, initrd_len);
	add_exports(argv);
	patch_init(!options.no_patch);
	core_main();
}
