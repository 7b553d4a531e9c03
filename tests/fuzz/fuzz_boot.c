/* libFuzzer target: what comes from outside at boot. The first byte chooses: the boot blob, the command line's words, one
 * inject= word. A panic or refusal that names what is wrong is an answer; anything else is not. */
#include "core/boot.h"
#include "core/main.h"
#include "core/mm/slab.h"
#include "shim/shim.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/unit.h"

static void blob(const uint8_t *data, size_t size)
{
	static volatile uint32_t sum;
	struct boot_blob *b;

	/* The header's size is mostly right, else nothing else would ever be looked at. */
	b = (struct boot_blob *)data;
	if (size >= sizeof(*b) && b->magic == BOOT_BLOB_MAGIC && b->size % 16)
		b->size = (uint32_t)size;
	fake_boot_blob(data, size);
	boot_parse();
	const struct boot *p = boot_params();

	for (uint32_t i = 0; i < p->argc; i++)
		sum += (uint32_t)strlen(p->argv[i]);
	for (uint32_t i = 0; i < p->envc; i++)
		sum += (uint32_t)strlen(p->envp[i]);
	for (uint32_t i = 0; i < b->ngroups; i++)
		sum += p->groups[i];
	sum += (uint32_t)(strlen(p->path) + strlen(p->cwd));
	fuzz_check(!p->argv[p->argc] && !p->envp[p->envc]);
	kfree(p->argv);
	kfree(p->envp);
}

static void words(char *text)
{
	char buf[64];

	fake_cmdline = text;
	for (unsigned i = 0; i < 3; i++) {
		const char *v = boot_word("root", i, buf, sizeof(buf));

		fuzz_check(!v || (v == buf && strlen(v) < sizeof(buf)));
	}
	(void)boot_word("mount", 0, buf, sizeof(buf));
	(void)boot_word("", 0, buf, sizeof(buf));
	(void)boot_flag("ro");
	(void)boot_flag("trace");
	(void)boot_flag("aslr");
}

static void inject(char *word)
{
	inject_reset();
	int r = inject_parse(word);

	fuzz_check(r == 0 || r == -22);
	(void)inject_table(syscall_table);
	inject_reset();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	unsigned what = fuzz_byte(&in);
	size_t n = in.len;
	uint8_t *copy = fuzz_copy(&in, &n);
	char *text = strndup((char *)copy, n);

	fake_boot(1 << 20);
	fake_catching = true;
	if (setjmp(fake_catch_env) == 0) {
		if (what % 3 == 0)
			blob(copy, n);
		else if (what % 3 == 1)
			words(text);
		else
			inject(text);
		fake_catching = false;
		fake_check_leaks();
	} else {
		/* Boot ends there, and so does what it had allocated. */
		fuzz_check((fake_exit_status == -1 || fake_exit_status == 125 << 8) &&
			   (strstr(fake_log(), "boot blob: ") || strstr(fake_log(), "command line: ")));
	}
	fake_cmdline = "";
	fake_boot_blob(NULL, 0);
	free(text);
	free(copy);
	return 0;
}
