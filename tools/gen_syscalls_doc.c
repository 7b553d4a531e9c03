/* Writes docs/syscalls.md: what Doppel does with each system call, from shim/syscalls.def. */
#include <stdio.h>
#include <string.h>

struct line {
	int nr;
	const char *name, *status, *missing;
};

static const struct line lines[] = {
#define SYSCALL(nr, name, status, flags, n, args, missing) { nr, #name, #status, missing },
#include "shim/syscalls.def"
#undef SYSCALL
};
#define LINES (sizeof(lines) / sizeof(lines[0]))

/* QUIET is NONE for the reader. */
static const char *status_of(const struct line *l)
{
	return strcmp(l->status, "QUIET") ? l->status : "NONE";
}

static unsigned count(const char *status)
{
	unsigned n = 0;

	for (size_t i = 0; i < LINES; i++)
		n += !strcmp(status_of(&lines[i]), status);
	return n;
}

int main(void)
{
	printf("# System calls\n\n"
	       "Generated from `shim/syscalls.def` by `tools/gen_syscalls_doc.c`; do not edit.\n\n"
	       "| status | calls | meaning |\n| --- | ---: | --- |\n"
	       "| FULL | %u | as its man page says |\n"
	       "| PARTIAL | %u | works, but for what is named |\n"
	       "| STUB | %u | accepted or refused with a fixed answer, without effect |\n"
	       "| NONE | %u | ENOSYS; named once on the log, counted at exit |\n"
	       "| all | %zu | x86_64 Linux 6.1: 0 to 334 and 424 to 450 |\n\n",
	       count("FULL"), count("PARTIAL"), count("STUB"), count("NONE"), LINES);
	printf("| number | name | status | missing, or what it does instead |\n| ---: | --- | --- | --- |\n");
	for (size_t i = 0; i < LINES; i++)
		printf("| %d | %s | %s | %s |\n", lines[i].nr, lines[i].name, status_of(&lines[i]),
		       !strcmp(lines[i].status, "QUIET") && !*lines[i].missing ? "libcs probe for it; not reported" :
										 lines[i].missing);
	return 0;
}
