/* Boot parameters: the command line and the boot blob (core/boot.h).
 *
 * Both come from outside and are checked: the blob's strings must be terminated within it and their counts agree. */
#include "core/boot.h"
#include "core/lib/string.h"
#include "core/lib/util.h"
#include "core/main.h"
#include "core/mm/slab.h"
#include "core/printf.h"
#include "core/random.h"
#include "plat/plat.h"
#include "shim/abi/errno.h"

#define MAX_STRINGS 65536u

static struct boot boot;
static char *no_args[2];
static char *no_env[1];

_Noreturn void boot_refuse(const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	kvsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	kprintf("doppel: %s\n", text);
	plat_exit(125 << 8);
}

/* Next string of the blob: advances *at. */
static char *next_string(char **at, char *end)
{
	char *s = *at;
	char *nul = memchr(s, 0, (size_t)(end - s));

	if (!nul)
		panic("boot blob: a string is not terminated");
	*at = nul + 1;
	return s;
}

static void string_array(char ***out, uint32_t n, char **at, char *end)
{
	char **v = kmalloc((n + 1) * sizeof(*v));

	if (!v)
		boot_refuse("boot: no memory for %u arguments; give the guest more with -m", n);
	*out = v;
	for (uint32_t i = 0; i < n; i++)
		v[i] = next_string(at, end);
	v[n] = NULL;
}

/* The seed is erased: who reads the blob later must not learn what was handed out. */
static void take_seed(const uint8_t *seed)
{
	static const uint8_t none[RANDOM_SEED];

	if (!memcmp(seed, none, sizeof(none)))
		return;
	random_seed(seed);
	memset((void *)(uintptr_t)seed, 0, sizeof(none));
}

static void parse_blob(const struct boot_blob *b, size_t len)
{
	char *at = (char *)(b + 1), *end = (char *)b + len;

	if (len < sizeof(*b) || b->magic != BOOT_BLOB_MAGIC || b->size != len)
		panic("boot blob: bad header (%zu bytes)", len);
	if (!b->argc || b->argc > MAX_STRINGS || b->envc > MAX_STRINGS)
		panic("boot blob: %u arguments and %u environment entries", b->argc, b->envc);
	boot = (struct boot){ .blob = b, .argc = b->argc, .envc = b->envc };
	boot.path = next_string(&at, end);
	string_array(&boot.argv, b->argc, &at, end);
	string_array(&boot.envp, b->envc, &at, end);
	boot.cwd = next_string(&at, end);
	/* Without groups the padding before them may be missing, too. */
	size_t groups = ALIGN_UP((size_t)(at - (char *)b), 4);

	if (b->ngroups > 65536 || (b->ngroups && groups + b->ngroups * sizeof(uint32_t) > len))
		panic("boot blob: %u groups", b->ngroups);
	boot.groups = (const uint32_t *)((const char *)b + groups);
	hostname_set(b->hostname, strnlen(b->hostname, sizeof(b->hostname)));
	take_seed(b->seed);
}

void boot_parse(void)
{
	size_t len;
	const struct boot_blob *b = plat_boot_blob(&len);

	if (b) {
		parse_blob(b, len);
		return;
	}
	no_args[0] = (char *)"/init";
	boot = (struct boot){ .path = "/init", .argv = no_args, .envp = no_env, .argc = 1, .cwd = "/" };
}

const struct boot *boot_params(void) { return &boot; }

const char *boot_word(const char *name, unsigned nth, char *buf, size_t size)
{
	const char *p = plat_cmdline();
	size_t want = strlen(name);

	for (;;) {
		while (*p == ' ' || *p == '\n')
			p++;
		if (!*p)
			return NULL;
		const char *word = p;

		while (*p && *p != ' ' && *p != '\n')
			p++;
		size_t len = (size_t)(p - word);

		if (len < want || memcmp(word, name, want) || (len > want && word[want] != '=') || nth-- > 0)
			continue;
		size_t skip = len > want ? want + 1 : want;

		if (len - skip >= size)
			boot_refuse("command line: the value of %s is longer than %zu characters", name, size - 1);
		memcpy(buf, word + skip, len - skip);
		buf[len - skip] = 0;
		return buf;
	}
}

bool boot_flag(const char *name)
{
	char buf[16];
	const char *v = boot_word(name, 0, buf, sizeof(buf));

	return v && strcmp(v, "0") != 0;
}
