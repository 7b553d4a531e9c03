/* --trace: every system call on one line, in strace's format, so that a diff against the host's strace can be read.
 *
 * Tracing replaces the active table by one whose every entry is trace_call(), which prints what is known, calls the
 * real handler and prints the rest; while it is off it costs nothing. Arguments are printed from left to right up to
 * the first one that the call itself fills; that and the later ones follow when the call has returned. Calls that do
 * not return are printed before they are made. A line goes out whole, when its call has ended.
 *
 * When memory runs out, the line is as long as there was memory for. Missing: lines about signals, and the
 * "<unfinished" form of calls that are under way when their process dies. */
#include "shim/trace.h"
#include "core/lib/string.h"
#include "core/lib/util.h"
#include "core/main.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/resource.h"

#define RESULT_COLUMN 40 /* where "= result" stands, unless the call is longer */

/* ---- what syscalls.def and kinds.def say ---- */

enum { WHEN_IN, WHEN_OUT, WHEN_INOUT };

enum kind {
#define KIND(name, type, when, printer, param) K_##name,
#include "shim/kinds.def"
#undef KIND
};

static const struct {
	uint8_t when, size;
	trace_printer *print;
	const struct trace_names *param;
} kinds[] = {
#define KIND(name, type, when, printer, param) [K_##name] = { WHEN_##when, sizeof(type), trace_##printer, param },
#include "shim/kinds.def"
#undef KIND
};

#define KINDS_0()
#define KINDS_1(a) K_##a
#define KINDS_2(a, b) K_##a, K_##b
#define KINDS_3(a, b, c) K_##a, K_##b, K_##c
#define KINDS_4(a, b, c, d) K_##a, K_##b, K_##c, K_##d
#define KINDS_5(a, b, c, d, e) K_##a, K_##b, K_##c, K_##d, K_##e
#define KINDS_6(a, b, c, d, e, f) K_##a, K_##b, K_##c, K_##d, K_##e, K_##f

static const struct {
	uint8_t nargs;
	uint8_t kind[6];
} signatures[SYSCALL_MAX] = {
#define SYSCALL(nr, name, status, flags, n, args, missing) [nr] = { n, { KINDS_##n args } },
#include "shim/syscalls.def"
#undef SYSCALL
};

static syscall_fn *const *trace_next;

/* ---- arguments ---- */

/* Appends argument t->arg with its comma, unless its printer has nothing to say. */
static void print_arg(struct trace *t)
{
	enum kind k = signatures[t->nr].kind[t->arg];
	uint64_t v = t->args[t->arg];
	size_t mark = t->line.len, empty;

	if (t->arg)
		trace_put(t, ", ");
	empty = t->line.len;
	t->out = kinds[k].when != WHEN_IN;
	kinds[k].print(t, kinds[k].size == 4 ? (uint32_t)v : v, kinds[k].param);
	if (t->line.len == empty)
		t->line.len = mark;
}

/* The words that INOUT arguments point at, for "[before => after]". */
static void save_before(struct trace *t)
{
	for (unsigned i = 0; i < signatures[t->nr].nargs; i++)
		if (kinds[signatures[t->nr].kind[i]].when == WHEN_INOUT && t->args[i])
			t->had_before[i] = !copyin(&t->before[i], t->args[i], 8) ||
					   !copyin(&t->before[i], t->args[i], 4);
}

/* Prints from t->arg on. Before the call: as far as it can be known. */
static void print_args(struct trace *t, bool all)
{
	unsigned n = signatures[t->nr].nargs;

	for (; t->arg < n; t->arg++) {
		if (!all && kinds[signatures[t->nr].kind[t->arg]].when != WHEN_IN)
			return;
		print_arg(t);
	}
}

static void print_head(struct trace *t)
{
	const char *name = syscall_name(t->nr);

	if (name) {
		trace_put(t, "%s(", name);
		return;
	}
	trace_put(t, "syscall_%#x(", t->nr);
	for (int i = 0; i < 6; i++)
		trace_put(t, "%s%#lx", i ? ", " : "", t->args[i]);
}

/* ---- results ---- */

static void aux_put(struct trace *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	seqbuf_vprintf(&t->aux, fmt, ap);
	va_end(ap);
}

/* Runs a printer with its output in the brackets after the result. */
static void aux_flags(struct trace *t, const char *what, uint64_t v, const struct trace_names *modes,
		      const struct trace_names *names)
{
	struct seqbuf line = t->line;

	t->line = t->aux;
	trace_put(t, "%s", what);
	if (modes)
		trace_open_flags(t, v, NULL);
	else
		trace_flags_of(t, v, names);
	t->aux = t->line;
	t->line = line;
}

static void aux_date(struct trace *t, int64_t sec)
{
	struct seqbuf line = t->line;

	t->line = t->aux;
	trace_date_of(t, sec, 0, 0);
	t->aux = t->line;
	t->line = line;
}

static void fcntl_result(struct trace *t)
{
	switch ((int)t->args[1]) {
	case F_GETFL:
		t->ret_format = RET_HEX;
		aux_flags(t, "flags ", (uint64_t)t->ret, &names_open_modes, NULL);
		break;
	case F_GETFD:
		t->ret_format = RET_HEX;
		if (t->ret)
			aux_flags(t, "flags ", (uint64_t)t->ret, NULL, &names_fd_cloexec);
		break;
	case F_GET_SEALS:
		t->ret_format = RET_HEX;
		if (t->ret)
			aux_flags(t, "seals ", (uint64_t)t->ret, NULL, &names_seals);
	}
}

/* Results that are not plain numbers. */
static void result_special(struct trace *t)
{
	const char *name = syscall_name(t->nr);

	if (!name || t->ret < 0)
		return;
	switch (t->nr) {
	case NR_mmap: case NR_mremap: case NR_brk: case NR_shmat:
		t->ret_format = RET_HEX;
		break;
	case NR_umask:
		t->ret_format = RET_OCT;
		break;
	case NR_fcntl:
		fcntl_result(t);
		break;
	case NR_poll: case NR_ppoll:
		trace_poll_result(t);
		break;
	case NR_select: case NR_pselect6:
		trace_select_result(t);
		break;
	case NR_sched_getscheduler:
		aux_put(t, "%s", trace_name_of((uint64_t)t->ret, &names_sched));
		break;
	case NR_time:
		aux_date(t, t->ret);
		break;
	case NR_personality:
		t->ret_format = RET_HEX;
		if (t->ret == 0)
			aux_put(t, "PER_LINUX");
		break;
	case NR_prctl:
		if ((int)t->args[0] == PR_GET_DUMPABLE && trace_name_of((uint64_t)t->ret, &names_dumpable))
			aux_put(t, "%s", trace_name_of((uint64_t)t->ret, &names_dumpable));
		break;
	case NR_membarrier:
		if ((int)t->args[0] == 0) {
			t->ret_format = RET_HEX;
			aux_flags(t, "", (uint64_t)t->ret, NULL, &names_membarrier);
		}
	}
}

static void print_result(struct trace *t)
{
	const char *err = errno_name((int)-t->ret);

	trace_put(t, ")");
	trace_put(t, "%*s= ", (int)(t->line.len < RESULT_COLUMN - 1 ? RESULT_COLUMN - t->line.len : 1), "");
	if (t->ret < 0 && t->ret > -4096) {
		if (err)
			trace_put(t, "-1 %s (%s)", err, errno_text((int)-t->ret));
		else
			trace_put(t, "-1 ERRNO_%ld", -t->ret);
	} else if (t->ret_format == RET_HEX) {
		trace_put(t, t->ret ? "%#lx" : "%ld", t->ret);
	} else if (t->ret_format == RET_OCT) {
		trace_mode(t, (uint64_t)t->ret, NULL);
	} else {
		trace_put(t, "%ld", t->ret);
	}
	if (t->aux.len)
		trace_put(t, " (%.*s)", (int)t->aux.len, t->aux.data);
	if (inject_was_applied())
		trace_put(t, " (INJECTED)");
	trace_put(t, "\n");
}

static void flush(struct trace *t)
{
	if (t->line.len)
		plat_trace(t->line.data, t->line.len);
	t->line.len = 0;
}

/* ---- the table ---- */

static long call_next(unsigned nr, const uint64_t *a)
{
	return trace_next[nr](a[0], a[1], a[2], a[3], a[4], a[5]);
}

static long trace_call(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
	uint64_t args[6] = { a, b, c, d, e, f };
	struct trace t = { .nr = syscall_number(), .args = args };

	seqbuf_init(&t.line);
	seqbuf_init(&t.aux);
	print_head(&t);
	if (syscall_flags(t.nr) & X_NORETURN) {
		print_args(&t, true);
		trace_put(&t, ")");
		trace_put(&t, "%*s= ?\n", (int)(t.line.len < RESULT_COLUMN - 1 ? RESULT_COLUMN - t.line.len : 1), "");
		flush(&t);
		seqbuf_free(&t.line);
		return call_next(t.nr, args);
	}
	print_args(&t, false);
	save_before(&t);
	t.ret = call_next(t.nr, args);
	t.after = true;
	print_args(&t, true);
	result_special(&t);
	print_result(&t);
	flush(&t);
	seqbuf_free(&t.line);
	seqbuf_free(&t.aux);
	return t.ret;
}

syscall_fn *const *trace_table(syscall_fn *const *next)
{
	static syscall_fn *table[SYSCALL_MAX]; /* filled when it is wanted: the image is smaller for it */

	for (unsigned i = 0; i < SYSCALL_MAX; i++)
		table[i] = trace_call;
	trace_next = next;
	return table;
}

/* The start of the program is the first line: the only execve without a caller. Addresses are those of the new stack. */
void shim_exec_trace(const char *path, char *const *argv)
{
	struct trace t = { .nr = NR_execve };
	uptr_t sp = thread_regs(current_thread())->rsp;
	uint64_t argc = 0;

	if (!trace_next)
		return;
	trace_put(&t, "execve(");
	trace_quote(&t, path, strlen(path), PATH_MAX, false);
	for (unsigned i = 0; argv[i] && i <= ARRAY_MAX; i++) {
		trace_put(&t, i ? ", " : ", [");
		if (i < ARRAY_MAX)
			trace_quote(&t, argv[i], strlen(argv[i]), STRING_MAX, false);
		else
			trace_put(&t, "...");
	}
	trace_put(&t, argv[0] ? "], " : ", [], ");
	(void)copyin(&argc, sp, sizeof(argc));
	trace_envp(&t, sp + (argc + 2) * sizeof(sp), NULL);
	print_result(&t);
	flush(&t);
	seqbuf_free(&t.line);
}

void shim_exit_trace(int status)
{
	char line[64];
	int sig = status & 0x7f, n;

	if (!trace_next)
		return;
	if (sig && trace_name_of((uint64_t)sig, &names_signal))
		n = ksnprintf(line, sizeof(line), "+++ killed by %s +++\n", trace_name_of((uint64_t)sig,
			&names_signal));
	else if (sig)
		n = ksnprintf(line, sizeof(line), "+++ killed by SIGRT_%d +++\n", sig - 32);
	else
		n = ksnprintf(line, sizeof(line), "+++ exited with %d +++\n", status >> 8 & 0xff);
	plat_trace(line, (size_t)n);
}
