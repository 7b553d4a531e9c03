/* The initial stack: strings at the top, below them the auxiliary vector, environment and argument pointers, argc
 * (x86-64 psABI, "Initial Stack and Register State"; getauxval(3)).
 *
 * Built in kernel memory as one block and copied out in one go, so that a failing page cannot leave half of it. */
#include "core/lib/string.h"
#include "core/main.h"
#include "core/mm/slab.h"
#include "core/mm/uio.h"
#include "core/proc/cred.h"
#include "core/random.h"
#include "loader/loader.h"
#include "shim/abi/errno.h"

#define AUX_MAX 24
#define PLATFORM "x86_64"
/* uc, siginfo and alignment around the XSAVE area in a signal frame: what the kernel needs besides it. */
#define SIGFRAME_FIXED 1024u

size_t stack_args_size(const struct stack_args *a)
{
	size_t n = (a->argc + a->envc + 3 + 2 * AUX_MAX) * 8 + 16 + sizeof(PLATFORM) + strlen(a->execfn) + 1 + 64;

	for (unsigned i = 0; i < a->argc; i++)
		n += strlen(a->argv[i]) + 1;
	for (unsigned i = 0; i < a->envc; i++)
		n += strlen(a->envp[i]) + 1;
	return n;
}

/* The block grows down from the stack's top; addresses are those it will have. */
struct block {
	char *mem;
	uint64_t base; /* address of mem[0] */
	size_t at;     /* lowest byte used so far */
};

static uint64_t push(struct block *b, const void *p, size_t n)
{
	b->at -= n;
	memcpy(b->mem + b->at, p, n);
	return b->base + b->at;
}

static uint64_t push_str(struct block *b, const char *s) { return push(b, s, strlen(s) + 1); }

static uint32_t cpuid_edx1(void)
{
	uint32_t a = 1, b, c = 0, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return d;
}

static unsigned fill_auxv(uint64_t (*v)[2], const struct stack_args *a, uint64_t random, uint64_t platform, uint64_t execfn)
{
	const struct cred *c = cred_current();
	unsigned n = 0;
	uint64_t all[AUX_MAX][2] = {
		{ AT_SYSINFO_EHDR, a->vdso },
		{ AT_MINSIGSTKSZ, fpu_state_size() + SIGFRAME_FIXED },
		{ AT_HWCAP, cpuid_edx1() },
		{ AT_PAGESZ, PAGE_SIZE },
		{ AT_CLKTCK, 100 },
		{ AT_PHDR, elf_phdr_address(a->exe) },
		{ AT_PHENT, sizeof(struct elf64_phdr) },
		{ AT_PHNUM, a->exe->eh.e_phnum },
		{ AT_BASE, a->interp_base },
		{ AT_FLAGS, 0 },
		{ AT_ENTRY, a->exe->bias + a->exe->eh.e_entry },
		{ AT_UID, c->ruid },
		{ AT_EUID, c->euid },
		{ AT_GID, c->rgid },
		{ AT_EGID, c->egid },
		{ AT_SECURE, c->ruid != c->euid || c->rgid != c->egid },
		{ AT_RANDOM, random },
		{ AT_HWCAP2, 0 },
		{ AT_EXECFN, execfn },
		{ AT_PLATFORM, platform },
	};

	for (unsigned i = 0; i < AUX_MAX && (all[i][0] || all[i][1]); i++)
		if (all[i][0] != AT_SYSINFO_EHDR || a->vdso)
			v[n][0] = all[i][0], v[n][1] = all[i][1], n++;
	v[n][0] = AT_NULL, v[n][1] = 0;
	return n + 1;
}

/* Pushes the strings of v from the last to the first, so that they ascend in memory as on Linux; their addresses go to
 * ptrs. Returns the address of the first. */
static void push_strings(struct block *b, char *const *v, unsigned n, uint64_t *ptrs)
{
	while (n-- > 0)
		ptrs[n] = push_str(b, v[n]);
}

int stack_build(struct space *s, const struct stack_args *a, uint64_t *sp)
{
	size_t size = ALIGN_UP(stack_args_size(a), 16);
	size_t words = 1 + a->argc + 1 + a->envc + 1;
	struct block b = { kmalloc(size), s->stack_top - size, size };
	uint64_t *table = kmalloc((words + 2 * AUX_MAX) * 8), random, platform, execfn;
	unsigned char seed[16];
	int r = -ENOMEM;

	if (!b.mem || !table)
		goto out;
	memset(b.mem, 0, size);
	b.at -= 8; /* the last word stays zero, as on Linux */
	execfn = push_str(&b, a->execfn);
	s->env_end = b.base + b.at;
	push_strings(&b, a->envp, a->envc, table + 1 + a->argc + 1);
	s->env_start = s->arg_end = b.base + b.at;
	push_strings(&b, a->argv, a->argc, table + 1);
	s->arg_start = b.base + b.at;
	platform = push_str(&b, PLATFORM);
	b.at = ALIGN_DOWN(b.at, 16);
	random_bytes(seed, sizeof(seed));
	random = push(&b, seed, sizeof(seed));

	table[0] = a->argc;
	table[1 + a->argc] = 0;
	table[words - 1] = 0;
	unsigned naux = fill_auxv((uint64_t(*)[2])(table + words), a, random, platform, execfn);
	size_t total = (words + 2 * naux) * 8;

	b.at = ALIGN_DOWN(b.at - total, 16);
	memcpy(b.mem + b.at, table, total);
	*sp = b.base + b.at;
	s->auxv_addr = *sp + words * 8;
	s->auxv_len = naux * 16;
	r = copyout(*sp, b.mem + b.at, size - b.at);
out:
	kfree(b.mem);
	kfree(table);
	return r;
}
