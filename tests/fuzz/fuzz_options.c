/* libFuzzer target: the command line of `doppel run`. The input is its words, each ended by a NUL. What options.c asks of the
 * host is answered here: of paths, those with an 'x' do not exist, those with an 'f' are files; user 7 and user "u" are
 * known. A refusal is an exit with a status and one line; what is accepted must be whole. */
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tests/fuzz/fuzz.h"
#include "tools/doppel/doppel.h"

/* ---- memory: everything of one run goes at its end ---- */

struct block {
	struct block *next;
	size_t size;
	char data[];
};
static struct block *blocks;

static void *fuzz_alloc(size_t n)
{
	struct block *b = malloc(sizeof(*b) + n);

	fuzz_check(b);
	b->next = blocks;
	b->size = n;
	blocks = b;
	return b->data;
}

static char *fuzz_text(const char *s) { return strcpy(fuzz_alloc(strlen(s) + 1), s); }

/* ---- the host ---- */

static jmp_buf end;
static int end_status;
static unsigned lines;

static _Noreturn void fuzz_exit(int status)
{
	end_status = status;
	longjmp(end, 1);
}

static char *fuzz_realpath(const char *path, char *out)
{
	if (*path && !strchr(path, 'x') && strlen(path) < 4096)
		return xasprintf("%s%s", *path == '/' ? "" : "/here/", path);
	errno = ENOENT;
	return NULL;
}

static int fuzz_stat(const char *path, struct stat *st)
{
	*st = (struct stat){ .st_mode = strchr(path, 'f') ? S_IFREG | 0644 : S_IFDIR | 0755 };
	return 0;
}

static int fuzz_mkdir(const char *path, mode_t mode)
{
	errno = strchr(path, 'x') ? EACCES : EEXIST;
	return -1;
}

static struct passwd user = { .pw_name = (char *)"u", .pw_uid = 7, .pw_gid = 8 };
static struct group group = { .gr_name = (char *)"g", .gr_gid = 9 };

static struct passwd *fuzz_getpwuid(uid_t uid) { return uid == 7 ? &user : NULL; }
static struct passwd *fuzz_getpwnam(const char *name) { return strcmp(name, "u") ? NULL : &user; }
static struct group *fuzz_getgrnam(const char *name) { return strcmp(name, "g") ? NULL : &group; }

static int fuzz_getgrouplist(const char *name, gid_t gid, gid_t *groups, int *n)
{
	fuzz_check(*n >= 2);
	groups[0] = gid;
	groups[1] = 10;
	return *n = 2;
}

/* A pattern may be as large as it likes when repeated, or take for ever with back references: the C library's business. */
static int fuzz_regcomp(regex_t *re, const char *pattern, int flags)
{
	return strpbrk(pattern, "{\\") || strlen(pattern) > 64 ? REG_ESPACE : regcomp(re, pattern, flags);
}

#define exit fuzz_exit
#define regcomp fuzz_regcomp
#define free(p) ((void)(p))
#define realpath fuzz_realpath
#define stat(path, st) fuzz_stat(path, st)
#define mkdir fuzz_mkdir
#define getpwuid fuzz_getpwuid
#define getpwnam fuzz_getpwnam
#define getgrnam fuzz_getgrnam
#define getgrouplist fuzz_getgrouplist
#define getcwd(buf, size) fuzz_text("/here")
#define fputs(text, to) ((void)strlen(text))
#define puts(text) ((void)strlen(text))
#include "tools/doppel/inject.c"
#include "tools/doppel/options.c"
#undef exit
#undef free

/* ---- what main.c has for it ---- */

void die(int status, const char *fmt, ...)
{
	char text[16384];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fuzz_check(*text);
	lines++;
	fuzz_exit(status);
}

void *xmalloc(size_t n) { return fuzz_alloc(n); }
char *xstrdup(const char *s) { return fuzz_text(s); }

void *xrealloc(void *p, size_t n)
{
	void *q = fuzz_alloc(n);

	if (p) {
		size_t had = ((struct block *)((char *)p - offsetof(struct block, data)))->size;

		memcpy(q, p, had < n ? had : n);
	}
	return q;
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);

	va_end(ap);
	s = fuzz_alloc((size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(s, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return s;
}

void strings_add(struct strings *s, const char *text)
{
	s->v = xrealloc(s->v, (s->n + 2) * sizeof(*s->v));
	s->v[s->n++] = xstrdup(text);
	s->v[s->n] = NULL;
}

/* ---- the run ---- */

static void check_run(const struct run *r, char **words, int n)
{
	fuzz_check(r->argc > 0 && r->argv > words && r->argv + r->argc == words + n && *r->argv[0]);
	fuzz_check(r->mem && r->cwd && *r->cwd == '/' && !r->root == !!r->cpio);
	fuzz_check((r->on == ON_LINUXU || r->on == ON_KVM) && r->accel <= ACCEL_TCG && r->gdb_port <= 65535);
	fuzz_check(!r->ring0 || r->on == ON_KVM);
	for (size_t i = 0; i < r->env.n; i++) {
		fuzz_check(strchr(r->env.v[i], '=') > r->env.v[i]);
		for (size_t k = 0; k < i; k++) {
			size_t name = strcspn(r->env.v[i], "=") + 1;

			fuzz_check(strncmp(r->env.v[i], r->env.v[k], name));
		}
	}
	for (size_t i = 0; i < r->nshares; i++)
		fuzz_check(*r->shares[i].guest == '/' && !strchr(r->shares[i].guest, ':') && *r->shares[i].host);
	for (size_t i = 0; i < r->inject.n; i++)
		fuzz_check(strlen(r->inject.v[i]) <= BOOT_INJECT_MAX && inject_parse(r->inject.v[i]) == 0);
	inject_reset();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char *environment[] = { (char *)"HOME=/root", (char *)"A=", NULL };
	static struct run r;
	char *words[66] = { (char *)"run" };
	int n = 1;

	environ = environment;
	opterr = 0;
	optind = 0; /* glibc: begin anew */
	lines = 0;
	for (size_t at = 0; at < size && n < 65;) {
		size_t len = strnlen((const char *)data + at, size - at);
		char *word = fuzz_alloc(len + 1);

		memcpy(word, data + at, len);
		word[len] = 0;
		words[n++] = word;
		at += len + 1;
	}
	memset(&r, 0, sizeof(r));
	if (!setjmp(end)) {
		run_options(&r, n, words);
		check_run(&r, words, n);
	} else {
		fuzz_check(end_status == 0 || end_status == EXIT_DOPPEL || end_status == EXIT_NOT_FOUND);
		fuzz_check(lines <= 1);
	}
	while (blocks) {
		struct block *next = blocks->next;

		free(blocks);
		blocks = next;
	}
	return 0;
}
