/* --inject: wrong answers, delays and signals on purpose. tools/doppel/inject.c reads strace's expressions; here come its
 * inject= words (core/boot.h).
 *
 * Each system call counts its own calls. Where several words name the same call, the last one holds. With an answer the call
 * is not made.
 *
 * inject_table() puts inject_call() in front of the calls that are named, and nothing in front of the others. */
#include "core/boot.h"
#include "core/lib/string.h"
#include "core/lib/util.h"
#include "core/proc/signal.h"
#include "shim/shim.h"

struct rule {
	uint64_t first, last, step;       /* calls first, first + step, … ≤ last */
	uint64_t signo;                   /* 0: none */
	uint64_t delay_enter, delay_exit; /* ns */
	bool answers;                     /* `answer` instead of the call */
	uint64_t answer;
};

static struct rule rules[BOOT_INJECTS];
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
		struct siginfo si = { .signo = (int)r->signo };

		signal_send_thread(current_thread(), &si);
	}
	ret = r->answers ? (long)r->answer : table_next[nr](a, b, c, d, e, f);
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

/* The number that ends at one of `stops`, which becomes *stop, or at the end; *at goes behind it. */
static bool number_cut(char **at, const char *stops, uint64_t *out, char *stop)
{
	char *s = *at, *end = s;

	while (*end && !strchr(stops, *end))
		end++;
	*stop = *end;
	*at = end + (*end != '\0');
	*end = '\0';
	return str_to_u64(s, out);
}

static int calls_parse(char *at)
{
	uint64_t from, to;
	char stop;

	do {
		if (!number_cut(&at, ",-", &from, &stop))
			return -EINVAL;
		to = from;
		if (stop == '-' && !number_cut(&at, ",", &to, &stop))
			return -EINVAL;
		for (; from <= to; from++) {
			if (from >= SYSCALL_MAX)
				return -EINVAL;
			rule_of[from] = (uint8_t)nrules;
		}
	} while (stop);
	return 0;
}

int inject_parse(char *word)
{
	if (nrules == BOOT_INJECTS)
		return -EINVAL;
	struct rule *r = &rules[nrules++];
	uint64_t *fields[] = { &r->first, &r->last, &r->step, &r->signo, &r->delay_enter, &r->delay_exit };
	char stop;

	for (unsigned i = 0; i < ARRAY_SIZE(fields); i++)
		if (!number_cut(&word, ":", fields[i], &stop))
			return -EINVAL;
	r->answers = number_cut(&word, ":", &r->answer, &stop);
	return r->step && r->signo <= NSIG ? calls_parse(word) : -EINVAL;
}
