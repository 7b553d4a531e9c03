/* --inject: wrong answers, delays and signals on purpose, in strace's syntax (strace(1), "inject=").
 *
 *   SET:error=ENAME|retval=N[:signal=SIG][:delay_enter=T][:delay_exit=T][:when=FIRST[..LAST][+[STEP]]]
 *
 * SET is `all`, `none`, or names, numbers and %classes with commas between; a leading ! takes all the others; ?name may
 * be unknown. T is in microseconds, or has a unit (s, ms, us, ns). Each system call of a set counts its own calls;
 * without `when` every one is meant. Where several expressions name the same call, the last one holds. With error or
 * retval the call is not made.
 *
 * inject_table() puts inject_call() in front of the calls that are named, and nothing in front of the others. Missing
 * from strace: regular expressions, %creds, name@64, poke_enter, poke_exit, syscall=. */
#include "core/lib/string.h"
#include "core/lib/util.h"
#include "core/proc/signal.h"
#include "shim/shim.h"

#define RULES_MAX 32
#define WHEN_MAX  65535

struct rule {
	bool answers;  /* `answer` instead of the call */
	long answer;
	int signo;
	uint64_t delay_enter, delay_exit; /* ns */
	unsigned first, last, step;       /* calls first, first + step, … ≤ last */
};

static struct rule rules[RULES_MAX];
static unsigned nrules;
static uint8_t rule_of[SYSCALL_MAX];   /* index into rules + 1; 0: none */
static uint32_t calls[SYSCALL_MAX];
static syscall_fn *table[SYSCALL_MAX];
static syscall_fn *const *table_next;
static bool applied;

/* ---- a call ---- */

static bool rule_due(const struct rule *r, unsigned n)
{
	if (n < r->first || n > r->last)
		return false;
	return (n - r->first) % r->step == 0;
}

static void delay(uint64_t ns)
{
	struct waitq never;

	if (!ns)
		return;
	waitq_init(&never);
	(void)wait_event_flags(&never, false, clock_mono() + ns, false, false);
}

static long inject_call(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
	unsigned nr = syscall_number();
	const struct rule *r = &rules[rule_of[nr] - 1];
	long ret;

	applied = false;
	if (!rule_due(r, ++calls[nr]))
		return table_next[nr](a, b, c, d, e, f);
	delay(r->delay_enter);
	if (r->signo) {
		struct siginfo si = { .signo = r->signo };

		signal_send_thread(current_thread(), &si);
	}
	ret = r->answers ? r->answer : table_next[nr](a, b, c, d, e, f);
	delay(r->delay_exit);
	applied = r->answers;
	return ret;
}

bool inject_was_applied(void)
{
	bool was = applied;

	applied = false;
	return was;
}

syscall_fn *const *inject_table(syscall_fn *const *next)
{
	if (!nrules)
		return next;
	table_next = next;
	for (unsigned i = 0; i < SYSCALL_MAX; i++)
		table[i] = rule_of[i] ? inject_call : next[i];
	return table;
}

void inject_reset(void)
{
	nrules = 0;
	applied = false;
	memset(rule_of, 0, sizeof(rule_of));
	memset(calls, 0, sizeof(calls));
}

/* ---- parsing ---- */

/* Where the text is read, and where a complaint goes. */
struct parse {
	const char *at;
	char *err;
	size_t err_size;
};

static int complain(struct parse *p, const char *what, const char *text, size_t len)
{
	ksnprintf(p->err, p->err_size, "%s \"%.*s\"", what, (int)MIN(len, 60ul), text);
	return -EINVAL;
}

/* The text up to one of `stops` or the end; p->at goes to the stop. */
static size_t word_length(const char *s, const char *stops)
{
	size_t n = 0;

	while (s[n] && !strchr(stops, s[n]))
		n++;
	return n;
}

static bool number(const char *s, size_t len, uint64_t *out)
{
	char buf[24];

	if (!len || len >= sizeof(buf))
		return false;
	memcpy(buf, s, len);
	buf[len] = '\0';
	return str_to_u64(buf, out);
}

static bool equal(const char *s, size_t len, const char *word)
{
	return strlen(word) == len && !memcmp(s, word, len);
}

/* strace's classes: by the flag of their calls in syscalls.def, or by their names. The first seven are also known
 * without the sign, as older versions of strace took them. */
static const struct {
	const char *name;
	unsigned flag;
	const char *calls;
} classes[] = {
	{ "%file", C_FILE, NULL }, { "%desc", C_DESC, NULL }, { "%memory", C_MEM, NULL }, { "%process", C_PROC, NULL },
	{ "%signal", C_SIG, NULL }, { "%network", C_NET, NULL }, { "%ipc", C_IPC, NULL },
	{ "%net", C_NET, NULL }, { "%clock", C_CLOCK, NULL },
	{ "%stat", 0, "stat" }, { "%lstat", 0, "lstat" }, { "%fstat", 0, "fstat,newfstatat,statx" },
	{ "%%stat", 0, "stat,lstat,fstat,newfstatat,statx" }, { "%statfs", 0, "statfs" }, { "%fstatfs", 0, "fstatfs" },
	{ "%%statfs", 0, "statfs,fstatfs,ustat" },
	{ "%pure", 0, "getpid,gettid,getppid,getpgrp,getuid,geteuid,getgid,getegid" },
};
#define BARE_CLASSES 7

/* Index into classes, or -1. */
static int class_by_name(const char *s, size_t len)
{
	for (unsigned i = 0; i < ARRAY_SIZE(classes); i++)
		if (equal(s, len, classes[i].name) || (i < BARE_CLASSES && equal(s, len, classes[i].name + 1)))
			return (int)i;
	return -1;
}

static void set_add_flag(bool *set, unsigned flag)
{
	for (unsigned i = 0; i < SYSCALL_MAX; i++)
		set[i] |= syscall_name(i) && (syscall_flags(i) & flag) == flag;
}

static void set_add_calls(bool *set, const char *names)
{
	for (size_t len; *names; names += len + (names[len] == ',')) {
		len = word_length(names, ",");
		set[syscall_by_name(names, len)] = true;
	}
}

/* Adds what one word of SET names. */
static int set_add(struct parse *p, bool *set, const char *s, size_t len)
{
	bool optional = len && *s == '?';
	int i = class_by_name(s + optional, len - optional);
	uint64_t nr;

	if (equal(s, len, "none"))
		return 0;
	if (len && *s == '/')
		return complain(p, "regular expressions are not supported:", s, len);
	if (i >= 0 && classes[i].calls) {
		set_add_calls(set, classes[i].calls);
	} else if (i >= 0 || equal(s, len, "all")) {
		set_add_flag(set, i >= 0 ? classes[i].flag : 0);
	} else {
		if (!number(s + optional, len - optional, &nr))
			nr = (uint64_t)syscall_by_name(s + optional, len - optional);
		if (nr < SYSCALL_MAX && syscall_name((unsigned)nr))
			set[nr] = true;
		else if (!optional)
			return complain(p, len && *s == '%' ? "unknown class" : "unknown system call", s, len);
	}
	return 0;
}

static int set_parse(struct parse *p, bool *set)
{
	bool invert = *p->at == '!';

	p->at += invert;
	do {
		size_t len;
		int r;

		p->at += *p->at == ',';
		len = word_length(p->at, ",:");
		r = set_add(p, set, p->at, len);
		if (r)
			return r;
		p->at += len;
	} while (*p->at == ',');
	for (unsigned i = 0; invert && i < SYSCALL_MAX; i++)
		set[i] = syscall_name(i) && !set[i];
	return 0;
}

static bool error_parse(struct rule *r, const char *s, size_t len)
{
	uint64_t n;

	if (r->answers)
		return false;
	if (!number(s, len, &n))
		n = (uint64_t)errno_by_name(s, len);
	r->answers = true;
	r->answer = -(long)n;
	return n >= 1 && n <= 4095;
}

static bool retval_parse(struct rule *r, const char *s, size_t len)
{
	bool negative = len && *s == '-';
	uint64_t n;

	if (r->answers || !number(s + negative, len - negative, &n) || n > INT64_MAX)
		return false;
	r->answers = true;
	r->answer = negative ? -(long)n : (long)n;
	return true;
}

static bool signal_parse(struct rule *r, const char *s, size_t len)
{
	uint64_t n;

	if (number(s, len, &n)) {
		r->signo = n <= NSIG ? (int)n : 0;
		return r->signo > 0;
	}
	for (int sig = 1; sig < 32; sig++) {
		const char *name = signal_name(sig);

		if (equal(s, len, name) || equal(s, len, name + 3)) {
			r->signo = sig;
			return true;
		}
	}
	return false;
}

static bool delay_parse(uint64_t *ns, const char *s, size_t len)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {
		{ "ms", NSEC_PER_MSEC }, { "us", NSEC_PER_USEC }, { "ns", 1 }, { "s", NSEC_PER_SEC }, { "", NSEC_PER_USEC },
	};

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		size_t unit = strlen(units[i].name);
		uint64_t n;

		if (len < unit || memcmp(s + len - unit, units[i].name, unit))
			continue;
		if (!number(s, len - unit, &n) || n > INT64_MAX / units[i].ns)
			return false;
		*ns = n * units[i].ns;
		return true;
	}
	return false;
}

/* FIRST, FIRST+, FIRST+STEP, FIRST..LAST, FIRST..LAST+, FIRST..LAST+STEP. */
static bool when_parse(struct rule *r, const char *s, size_t len)
{
	size_t n = 0, plus;
	uint64_t v;

	while (n < len && s[n] != '.' && s[n] != '+')
		n++;
	if (!number(s, n, &v) || v < 1 || v > WHEN_MAX)
		return false;
	r->first = r->last = (unsigned)v;
	r->step = 1;
	if (n + 1 < len && s[n] == '.' && s[n + 1] == '.') {
		size_t end = n + 2;

		while (end < len && s[end] != '+')
			end++;
		if (!number(s + n + 2, end - n - 2, &v) || v < r->first || v > WHEN_MAX)
			return false;
		r->last = (unsigned)v;
		n = end;
		plus = 0;
	} else {
		plus = 1;
	}
	if (n == len)
		return true;
	if (s[n] != '+')
		return false;
	if (plus)
		r->last = UINT32_MAX;
	if (n + 1 == len)
		return true;
	if (!number(s + n + 1, len - n - 1, &v) || v < 1 || v > WHEN_MAX)
		return false;
	r->step = (unsigned)v;
	return true;
}

static int option_parse(struct parse *p, struct rule *r, const char *s, size_t len)
{
	size_t name = 0;
	const char *value;
	bool ok;

	while (name < len && s[name] != '=')
		name++;
	if (name == len)
		return complain(p, "no value in", s, len);
	value = s + name + 1;
	if (equal(s, name, "error"))
		ok = error_parse(r, value, len - name - 1);
	else if (equal(s, name, "retval"))
		ok = retval_parse(r, value, len - name - 1);
	else if (equal(s, name, "signal"))
		ok = signal_parse(r, value, len - name - 1);
	else if (equal(s, name, "delay_enter"))
		ok = delay_parse(&r->delay_enter, value, len - name - 1);
	else if (equal(s, name, "delay_exit"))
		ok = delay_parse(&r->delay_exit, value, len - name - 1);
	else if (equal(s, name, "when"))
		ok = when_parse(r, value, len - name - 1);
	else
		return complain(p, "unknown option", s, name);
	return ok ? 0 : complain(p, "bad value in", s, len);
}

int inject_parse(const char *expr, char *err, size_t err_size)
{
	struct parse p = { expr, err, err_size };
	struct rule r = { .first = 1, .last = UINT32_MAX, .step = 1 };
	bool set[SYSCALL_MAX] = { false };
	int res;

	if (!strncmp(p.at, "inject=", 7))
		p.at += 7;
	res = set_parse(&p, set);
	if (res)
		return res;
	if (*p.at != ':')
		return complain(&p, "nothing to inject in", expr, strlen(expr));
	while (*p.at == ':') {
		size_t len = word_length(++p.at, ":");

		res = option_parse(&p, &r, p.at, len);
		if (res)
			return res;
		p.at += len;
	}
	if (!r.answers && !r.signo && !r.delay_enter && !r.delay_exit)
		return complain(&p, "nothing to inject in", expr, strlen(expr));
	if (nrules == RULES_MAX)
		return complain(&p, "too many expressions at", expr, strlen(expr));
	rules[nrules++] = r;
	for (unsigned i = 0; i < SYSCALL_MAX; i++)
		if (set[i])
			rule_of[i] = (uint8_t)nrules;
	return 0;
}
