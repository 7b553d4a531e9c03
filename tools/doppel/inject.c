/* --inject: expressions in strace's syntax (strace(1), "inject=" and "fault="), turned into words of the kernel's command line
 * (core/boot.h), which know numbers only.
 *
 *   [inject=|fault=]SET:ACTION[:ACTION…]
 *
 * What SET and the actions may be is what strace 6.1 takes; docs/debugging.md lists it. Refused of that is only poke_enter=
 * and poke_exit=. Accepted beyond it: the C library's other names of errors and signals. Without effect are calls @32 and
 * @x32, since no program here makes any, and syscall=, whose call has no effects and whose answer nobody sees. */
#include "tools/doppel/doppel.h"

#include "core/boot.h"
#include "shim/syscall_flags.h"

#include <errno.h>
#include <regex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const struct call {
	const char *name;
	unsigned nr, flags;
} calls[] = {
#define SYSCALL(nr, name, status, flags, n, args, missing) { #name, nr, flags },
#include "shim/syscalls.def"
#undef SYSCALL
};
#define CALLS (sizeof(calls) / sizeof(calls[0])) /* in the order of their numbers */

/* By the flag of their calls, or by a pattern that all their names match. */
static const struct class {
	const char *name;
	unsigned flag;
	const char *pattern;
} classes[] = {
	{ "all", 0, "" }, { "%file", C_FILE, NULL }, { "%desc", C_DESC, NULL }, { "%memory", C_MEM, NULL },
	{ "%process", C_PROC, NULL }, { "%signal", C_SIG, NULL }, { "%network", C_NET, NULL }, { "%net", C_NET, NULL },
	{ "%ipc", C_IPC, NULL }, { "%clock", C_CLOCK, NULL },
	/* older versions' spelling of the first ones */
	{ "file", C_FILE, NULL }, { "desc", C_DESC, NULL }, { "memory", C_MEM, NULL }, { "process", C_PROC, NULL },
	{ "signal", C_SIG, NULL }, { "network", C_NET, NULL }, { "ipc", C_IPC, NULL },
	{ "%creds", 0, "^([gs]et(re|res|e|fs)?[ug]id|[gs]etgroups|cap[gs]et|prctl)$" },
	{ "%stat", 0, "^stat$" }, { "%lstat", 0, "^lstat$" }, { "%fstat", 0, "^(fstat|newfstatat|statx)$" },
	{ "%%stat", 0, "^([fl]?stat|newfstatat|statx)$" },
	{ "%statfs", 0, "^statfs$" }, { "%fstatfs", 0, "^fstatfs$" }, { "%%statfs", 0, "^(f?statfs|ustat)$" },
	{ "%pure", 0, "^(getp?pid|gettid|getpgrp|gete?[ug]id)$" },
};

/* One expression. */
struct inject {
	const char *expr; /* as given, for complaints */
	bool set[CALLS];
	bool answers;     /* `answer` instead of the call */
	uint64_t answer;
	uint64_t first, last, step;       /* calls first, first + step, … ≤ last */
	uint64_t delay_enter, delay_exit; /* ns */
	int signo;
	bool has_signal, has_enter, has_exit, has_syscall, has_when;
};

#define REFUSE(x, fmt, ...) die(EXIT_DOPPEL, "--inject '%s': " fmt, (x)->expr, ##__VA_ARGS__)

/* ---- SET ---- */

/* Adds the calls whose names match; is there one? */
static bool add_matching(struct inject *x, const char *pattern)
{
	char why[128];
	bool found = false;
	regex_t re;
	int r = regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB);

	if (r) {
		regerror(r, &re, why, sizeof(why));
		REFUSE(x, "/%s: %s (regex(7) says what a pattern may be)", pattern, why);
	}
	for (size_t i = 0; i < CALLS; i++)
		if (!regexec(&re, calls[i].name, 0, NULL, 0))
			x->set[i] = found = true;
	regfree(&re);
	return found;
}

static bool add_class(struct inject *x, const struct class *c)
{
	if (c->pattern)
		return add_matching(x, c->pattern);
	for (size_t i = 0; i < CALLS; i++)
		x->set[i] |= !!(calls[i].flags & c->flag);
	return true;
}

/* Adds what one word of SET names; does it name anything? */
static bool add_word(struct inject *x, const char *word)
{
	if (*word == '/')
		return add_matching(x, word + 1);
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (!strcmp(word, classes[i].name))
			return add_class(x, &classes[i]);
	bool number = *word && !word[strspn(word, "0123456789")];

	for (size_t i = 0; i < CALLS; i++)
		if (number ? strtoul(word, NULL, 10) == calls[i].nr : !strcmp(word, calls[i].name))
			return x->set[i] = true;
	return false;
}

/* Takes @64, @32 or @x32 off the word; is it about the calls of 64-bit programs? */
static bool cut_personality(struct inject *x, char *word)
{
	char *at = strrchr(word, '@');

	if (!at)
		return true;
	*at++ = 0;
	if (strcmp(at, "64") && strcmp(at, "32") && strcmp(at, "x32"))
		REFUSE(x, "\"@%s\": programs here make 64-bit calls; say @64, or leave it out", at);
	return *at == '6';
}

static void parse_set(struct inject *x, char *set)
{
	bool invert = false, any = false;
	char *save;

	for (; *set == '!'; set++)
		invert = !invert;
	if (!strcmp(set, "none"))
		any = true, *set = 0;
	for (char *word = strtok_r(set, ",", &save); word; word = strtok_r(NULL, ",", &save), any = true) {
		size_t optional = strspn(word, "?");

		if (cut_personality(x, word + optional) && !add_word(x, word + optional) && !optional)
			REFUSE(x, "%s \"%s\"; docs/debugging.md says what there is, and ?%s is no mistake",
			       *word == '%' ? "unknown class" : *word == '/' ? "no system call matches" : "unknown system call",
			       word, word);
	}
	if (!any)
		REFUSE(x, "no system calls; begin with a name, a %%class, /REGEX or all");
	for (size_t i = 0; invert && i < CALLS; i++)
		x->set[i] = !x->set[i];
}

/* ---- actions: false when the value is none ---- */

static bool decimal(const char *s, size_t len, uint64_t min, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(s[i] - '0');
		if (v > max)
			return false;
	}
	*out = v;
	return len && v >= min;
}

/* Names that strerrorname_np(3) does not give. */
static const struct {
	const char *name;
	int value;
} errors[] = {
	{ "EWOULDBLOCK", EWOULDBLOCK }, { "EDEADLOCK", EDEADLOCK }, { "ENOTSUP", ENOTSUP }, { "ERESTARTSYS", 512 },
	{ "ERESTARTNOINTR", 513 }, { "ERESTARTNOHAND", 514 }, { "ERESTART_RESTARTBLOCK", 516 },
};

static bool parse_error(struct inject *x, const char *s)
{
	uint64_t n = 0;

	if (!decimal(s, strlen(s), 1, 4095, &n)) {
		for (int i = 1; i < 256 && !n; i++)
			if (strerrorname_np(i) && !strcasecmp(s, strerrorname_np(i)))
				n = (uint64_t)i;
		for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
			if (!strcasecmp(s, errors[i].name))
				n = (uint64_t)errors[i].value;
	}
	x->answer = -n;
	return n;
}

static bool parse_retval(struct inject *x, const char *s)
{
	char *end;

	errno = 0;
	x->answer = strtoull(s, &end, 0);
	return end > s && !*end && !errno;
}

/* strace's names of the real-time signals are the kernel's: SIGRTMIN is 32, SIGRT_1 is 33. */
static bool parse_signal(struct inject *x, const char *s)
{
	uint64_t n = 0;

	if (!decimal(s, strlen(s), 1, 64, &n)) {
		const char *name = strncasecmp(s, "SIG", 3) ? s : s + 3;

		for (int i = 1; i < 32; i++)
			if (!strcasecmp(name, sigabbrev_np(i)))
				n = (uint64_t)i;
		if (!strcasecmp(name, "IO"))
			n = SIGIO;
		else if (!strcasecmp(name, "RTMIN"))
			n = 32;
		else if (!strncasecmp(name, "RT_", 3) && decimal(name + 3, strlen(name + 3), 1, 32, &n))
			n += 32;
	}
	x->signo = (int)n;
	return n;
}

static bool parse_delay(uint64_t *ns, const char *s)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = { { "", 1e3 }, { "s", 1e9 }, { "ms", 1e6 }, { "us", 1e3 }, { "ns", 1 } };
	char *end;
	double v = strtod(s, &end);

	if (end == s || strspn(s, "0123456789.eE+-") < (size_t)(end - s)) /* no "inf", no "0x1" */
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(end, units[i].name)) {
			v *= units[i].ns;
			*ns = (uint64_t)v;
			return v >= 0 && v < 9e18;
		}
	return false;
}

/* FIRST[..LAST][+[STEP]] */
static bool parse_when(struct inject *x, const char *s)
{
	size_t n = strcspn(s, ".+");

	x->step = 1;
	if (!decimal(s, n, 1, 65535, &x->first))
		return false;
	x->last = x->first;
	s += n;
	if (!strncmp(s, "..", 2)) {
		n = strcspn(s += 2, "+");
		if (!decimal(s, n, x->first, 65534, &x->last))
			return false;
		s += n;
	} else if (*s == '+') {
		x->last = UINT32_MAX;
	}
	return !*s || (*s == '+' && (!s[1] || decimal(s + 1, strlen(s + 1), 1, 65535, &x->step)));
}

static bool parse_syscall(const char *s)
{
	struct inject pure = { .expr = s };

	add_word(&pure, "%pure");
	for (size_t i = 0; i < CALLS; i++)
		if (pure.set[i] && !strcmp(calls[i].name, s))
			return true;
	return false;
}

static void once(struct inject *x, bool *has, const char *what)
{
	if (*has)
		REFUSE(x, "a second %s; give one each", what);
	*has = true;
}

/* NAME=VALUE. */
static void parse_action(struct inject *x, char *action)
{
	char *value = strchr(action, '=');
	const char *want = NULL;

	if (!value)
		REFUSE(x, "no value in \"%s\"; write it as %s=VALUE", action, action);
	*value++ = 0;
	if (!strcmp(action, "error")) {
		once(x, &x->answers, "error= or retval=");
		want = parse_error(x, value) ? NULL : "an error's name, or a number from 1 to 4095";
	} else if (!strcmp(action, "retval")) {
		once(x, &x->answers, "error= or retval=");
		want = parse_retval(x, value) ? NULL : "a number of 64 bits, 0x… in base 16";
	} else if (!strcmp(action, "signal")) {
		once(x, &x->has_signal, "signal=");
		want = parse_signal(x, value) ? NULL : "a signal's name, SIGRTMIN, SIGRT_1 to SIGRT_32, or a number from 1 to 64";
	} else if (!strcmp(action, "delay_enter")) {
		once(x, &x->has_enter, "delay_enter=");
		want = parse_delay(&x->delay_enter, value) ? NULL : "microseconds, or a number with s, ms, us or ns";
	} else if (!strcmp(action, "delay_exit")) {
		once(x, &x->has_exit, "delay_exit=");
		want = parse_delay(&x->delay_exit, value) ? NULL : "microseconds, or a number with s, ms, us or ns";
	} else if (!strcmp(action, "when")) {
		once(x, &x->has_when, "when=");
		want = parse_when(x, value) ? NULL : "FIRST[..LAST][+[STEP]], from 1, FIRST and STEP up to 65535, LAST up to 65534";
	} else if (!strcmp(action, "syscall")) {
		once(x, &x->has_syscall, "syscall=");
		want = parse_syscall(value) ? NULL : "one of %pure: getpid, getppid, gettid, getuid …";
	} else if (!strcmp(action, "poke_enter") || !strcmp(action, "poke_exit")) {
		REFUSE(x, "%s: doppel does not write to the program's memory; use retval= or error=, or --gdb", action);
	} else {
		REFUSE(x, "unknown action \"%s\"; there are error=, retval=, signal=, syscall=, delay_enter=, delay_exit=, when=", action);
	}
	if (want)
		REFUSE(x, "bad value in \"%s=%s\"; want %s", action, value, want);
}

/* ---- the kernel's words ---- */

/* The numbers of calls from *i on, as many as fit into one word; *i goes behind them. */
static size_t put_numbers(const struct inject *x, size_t *i, char *out, size_t room)
{
	size_t n = 0;

	for (; *i < CALLS && n + 16 < room; (*i)++) {
		size_t last = *i;

		if (!x->set[*i])
			continue;
		while (last + 1 < CALLS && x->set[last + 1] && calls[last + 1].nr == calls[last].nr + 1)
			last++;
		n += (size_t)sprintf(out + n, "%s%u", n ? "," : "", calls[*i].nr);
		if (last > *i)
			n += (size_t)sprintf(out + n, "-%u", calls[last].nr);
		*i = last;
	}
	return n;
}

static void put_words(const struct inject *x, struct strings *words)
{
	char word[BOOT_INJECT_MAX + 1];
	int head = sprintf(word, "%llu:%llu:%llu:%d:%llu:%llu:", (unsigned long long)x->first, (unsigned long long)x->last,
			   (unsigned long long)x->step, x->signo, (unsigned long long)x->delay_enter,
			   (unsigned long long)x->delay_exit);

	if (x->answers)
		head += sprintf(word + head, "0x%llx", (unsigned long long)x->answer);
	word[head++] = ':';
	for (size_t i = 0; i < CALLS;)
		if (put_numbers(x, &i, word + head, sizeof(word) - (size_t)head))
			strings_add(words, word);
}

static char *skip_prefix(char *s, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(s, prefix, n) ? NULL : s + n;
}

void inject_add(struct strings *words, const char *expr)
{
	struct inject x = { .expr = expr, .first = 1, .last = UINT32_MAX, .step = 1 };
	char *copy = xstrdup(expr), *save, *fault = skip_prefix(copy, "fault="), *set = skip_prefix(copy, "inject=");

	set = fault ? fault : set ? set : copy;
	char *actions = set + strcspn(set, ":");

	if (*actions)
		*actions++ = 0;
	parse_set(&x, set);
	for (char *a = strtok_r(actions, ":", &save); a; a = strtok_r(NULL, ":", &save)) {
		if (fault && strncmp(a, "error=", 6) && strncmp(a, "when=", 5))
			REFUSE(&x, "\"%s\": after fault= go error= and when= only; say inject=", a);
		parse_action(&x, a);
	}
	if (fault && !x.answers)
		x.answers = parse_error(&x, "ENOSYS");
	if (!x.answers && !x.has_signal && !x.has_enter && !x.has_exit)
		REFUSE(&x, "nothing to inject; add error=, retval=, signal=, delay_enter= or delay_exit=");
	put_words(&x, words);
	if (words->n > BOOT_INJECTS)
		REFUSE(&x, "more than %d rules with it; give fewer, with more calls in each", BOOT_INJECTS);
	free(copy);
}
