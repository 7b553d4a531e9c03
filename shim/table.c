/* The system call table, and what happens to calls that nobody handles.
 *
 * syscall_active is what the platforms' entry code indexes: normally the handlers themselves, so tracing and injection
 * cost nothing while they are off; shim_init() fills it in, with their functions in front when the command line asks for
 * them.
 *
 * A call without handler answers ENOSYS. Each such name is told once on the log, with the place of the call, and
 * counted; shim_report() prints the counts at exit. Calls that libraries probe (QUIET in syscalls.def) are not
 * reported. */
#include "core/boot.h"
#include "core/file/file.h"
#include "core/lib/string.h"
#include "core/lib/util.h"
#include "core/main.h"
#include "core/mm/space.h"
#include "core/printf.h"
#include "shim/shim.h"

/* The handlers' own types differ; the entry code passes six registers and the C convention lets each take what it
 * needs. */
#define FN_FULL(name) (syscall_fn *)(void *)sys_##name
#define FN_PARTIAL    FN_FULL
#define FN_STUB       FN_FULL
#define FN_NONE(name) syscall_unknown
#define FN_QUIET      FN_NONE

syscall_fn *const syscall_table[SYSCALL_MAX] = {
#define SYSCALL(nr, name, status, flags, n, args, missing) [nr] = FN_##status(name),
#include "shim/syscalls.def"
#undef SYSCALL
	/* Numbers that Linux has not given to anyone. */
	[335 ... 423] = syscall_unknown,
	[451 ... SYSCALL_MAX - 1] = syscall_unknown,
};

syscall_fn *syscall_active[SYSCALL_MAX];

uint8_t syscall_kind[SYSCALL_MAX] = {
#define SYSCALL(nr, name, status, flags, n, args, missing) \
	[nr] = (flags) & X_REGS ? SYSCALL_REGS : (flags) & X_LIGHT ? SYSCALL_LIGHT : SYSCALL_PLAIN,
#include "shim/syscalls.def"
#undef SYSCALL
};

#define QUIET_FULL    0
#define QUIET_PARTIAL 0
#define QUIET_STUB    0
#define QUIET_NONE    0
#define QUIET_QUIET   1

/* All names in one text, and where each begins: pointers would take more room than the names. */
struct name_text {
#define SYSCALL(nr, name, status, flags, n, args, missing) char of_##name[sizeof(#name)];
#include "shim/syscalls.def"
#undef SYSCALL
};
static const struct name_text names = {
#define SYSCALL(nr, name, status, flags, n, args, missing) #name,
#include "shim/syscalls.def"
#undef SYSCALL
};

/* One more than the place in names; 0: no name. As flags_of, ends with the last number that Linux has given away. */
static const uint16_t name_at[] = {
#define SYSCALL(nr, name, status, flags, n, args, missing) [nr] = offsetof(struct name_text, of_##name) + 1,
#include "shim/syscalls.def"
#undef SYSCALL
};

#define QUIET (1u << 7) /* beside the X_ flags */
static const uint8_t flags_of[] = {
#define SYSCALL(nr, name, status, flags, n, args, missing) [nr] = (uint8_t)(flags) | (QUIET_##status ? QUIET : 0),
#include "shim/syscalls.def"
#undef SYSCALL
};

const char *syscall_name(unsigned nr)
{
	return nr < ARRAY_SIZE(name_at) && name_at[nr] ? (const char *)&names + name_at[nr] - 1 : NULL;
}

unsigned syscall_flags(unsigned nr)
{
	return nr < ARRAY_SIZE(flags_of) ? flags_of[nr] & ~QUIET : 0;
}

/* ---- ENOSYS, told and counted ---- */

/* Calls of each unhandled number; the last entry is for numbers beyond the table. */
static uint32_t unknown_calls[SYSCALL_MAX + 1];

/* The file that is mapped at the application address pc and the offset of pc in it, as "libc.so.6+0x1234". */
static void place_name(uint64_t pc, char *buf, size_t size)
{
	struct space *s = current_proc()->space;
	struct vma *v = s ? space_find(s, pc) : NULL;
	const char *name = NULL;
	uint64_t off = pc;

	if (v && v->start <= pc) {
		if (v->file && v->file->path.dentry) {
			name = v->file->path.dentry->name;
			off = pc - v->start + (v->pgoff << PAGE_SHIFT);
		} else if (v->name) {
			name = v->name;
			off = pc - v->start;
		}
	}
	if (name)
		ksnprintf(buf, size, "%s+%#lx", name, off);
	else
		ksnprintf(buf, size, "%#lx", pc);
}

static void unknown_report(uint64_t nr, uint64_t pc)
{
	char place[128], number[40];
	const char *name = nr < SYSCALL_MAX ? syscall_name((unsigned)nr) : NULL;

	if (!name) {
		ksnprintf(number, sizeof(number), "number %lu", nr);
		name = number;
	}
	place_name(pc, place, sizeof(place));
	kprintf("doppel: syscall %s not implemented (pc %s)\n", name, place);
}

long syscall_unknown(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
	struct regs *r = thread_regs(current_thread());
	uint64_t nr = r->orig_rax;
	uint32_t *calls = &unknown_calls[MIN(nr, (uint64_t)SYSCALL_MAX)];

	if (nr < ARRAY_SIZE(flags_of) && flags_of[nr] & QUIET)
		return -ENOSYS;
	if ((*calls)++ == 0)
		unknown_report(nr, r->rip - 2);
	return -ENOSYS;
}

void shim_report(int status)
{
	for (unsigned i = 0; i <= SYSCALL_MAX; i++) {
		const char *plural = unknown_calls[i] == 1 ? "" : "s";

		if (!unknown_calls[i])
			continue;
		if (syscall_name(i))
			kprintf("doppel: %u call%s of %s answered ENOSYS\n", unknown_calls[i], plural, syscall_name(i));
		else
			kprintf("doppel: %u call%s of number %u%s answered ENOSYS\n", unknown_calls[i], plural, i,
				i == SYSCALL_MAX ? " and above" : "");
	}
}

/* ---- the command line's wishes ---- */

void shim_init(void)
{
	syscall_fn *const *table = syscall_table;
	char word[BOOT_INJECT_MAX + 1];

	for (unsigned i = 0; boot_word("inject", i, word, sizeof(word)); i++)
		if (inject_parse(word))
			boot_refuse("command line: word %u of inject= is none that tools/doppel makes (core/boot.h)", i + 1);
	table = inject_table(table);
	if (boot_flag("trace"))
		table = trace_table(table);
	memcpy(syscall_active, table, sizeof(syscall_active));
	/* The wrappers preserve nothing. */
	for (unsigned i = 0; table != syscall_table && i < SYSCALL_MAX; i++)
		if (syscall_kind[i] == SYSCALL_LIGHT)
			syscall_kind[i] = SYSCALL_PLAIN;
}
