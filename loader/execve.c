/* execve: from a path to a new image in the current process.
 *
 * Everything that can fail is done in a new address space that is current only for the time of building; on failure the
 * old one comes back and nothing has happened. Then the process sheds what does not survive (execve(2)): handlers,
 * close-on-exec descriptors, the old space.
 *
 * Layout, top down (docs/ARCHITECTURE.md): stack below USER_MAX, a gap for it to grow, mappings downwards from mmap_top, PIE
 * executables from PIE_BASE, ET_EXEC where they say, brk above the executable. Randomised like Linux does. */
#include "core/boot.h"
#include "core/cpu.h"
#include "core/lib/string.h"
#include "core/lib/util.h"
#include "core/main.h"
#include "core/mm/slab.h"
#include "core/printf.h"
#include "core/proc/proc.h"
#include "core/proc/thread.h"
#include "core/random.h"
#include "core/sched.h"
#include "loader/loader.h"
#include "plat/plat.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/mman.h"
#include "shim/abi/resource.h"
#include "shim/abi/signal.h"
#include "shim/abi/stat.h"

#define PIE_BASE 0x2aaaaaaaa000ul
#define STACK_GAP_MIN (128ul << 20)
#define STACK_INITIAL (128ul << 10)
#define ADDR_NO_RANDOMIZE 0x40000u

/* Up to 2^bits pages. */
static uint64_t random_pages(unsigned bits)
{
	char v[8];
	const char *aslr = boot_word("aslr", 0, v, sizeof(v));

	if ((aslr && !strcmp(aslr, "0")) || current_proc()->personality & ADDR_NO_RANDOMIZE)
		return 0;
	return (random_u64() & ((1ul << bits) - 1)) << PAGE_SHIFT;
}

/* Finds and checks an executable: search and execute permission, a regular file, nobody writing to it. */
static int open_exec(const char *path, struct path *at, struct file **out, const char **why)
{
	int r = vfs_lookup(AT_FDCWD, path, 0, at);

	*why = r == -EACCES ? "permission denied in a directory on the way" : NULL;
	if (r)
		return r;
	struct inode *inode = at->dentry->inode;

	r = S_ISREG(inode->mode) ? inode_permission(inode, MAY_EXEC) : -EACCES;
	*why = S_ISDIR(inode->mode) ? "is a directory" : NULL;
	if (!r)
		r = file_new_path(at, O_RDONLY, out);
	if (r)
		path_put(at);
	return r;
}

static long read_head(struct file *f, char *head)
{
	struct uio u;

	memset(head, 0, EXEC_HEAD);
	uio_kernel(&u, head, EXEC_HEAD, true);
	return file_pread(f, &u, 0);
}

/* What to run in the end: through `#!` lines, argv grows at its front. All strings are kmalloc'ed copies or the caller's. */
struct exec {
	struct path at;
	struct elf_image exe, interp;
	char *path;         /* of the file that is run: own copy */
	char **argv;        /* own array */
	unsigned argc;
	char *owned[2 * SCRIPT_DEPTH_MAX + 2];
	unsigned nowned;
	bool denied;        /* writing to the file is denied on our behalf, until the process takes that over */
	const char *why;
};

static char *own(struct exec *x, const char *s)
{
	char *copy = kstrdup(s);

	if (copy)
		x->owned[x->nowned++] = copy;
	return copy;
}

/* interp [arg] script argv[1…]: replaces argv[0]. */
static int script_arguments(struct exec *x, const char *interp, const char *arg)
{
	unsigned extra = arg ? 2 : 1;
	char **v = kmalloc((x->argc + extra + 2) * sizeof(*v));
	char *i = own(x, interp), *a = arg ? own(x, arg) : NULL;

	if (!v || !i || (arg && !a)) {
		kfree(v);
		return -ENOMEM;
	}
	unsigned n = 0;

	v[n++] = i;
	if (a)
		v[n++] = a;
	v[n++] = x->path;
	for (unsigned k = 1; k < x->argc; k++)
		v[n++] = x->argv[k];
	v[n] = NULL;
	kfree(x->argv);
	x->argv = v;
	x->argc = n;
	x->path = i;
	return 0;
}

/* The file that will run: nobody may write to it from now on (ETXTBSY, execve(2)). */
static int open_image(struct exec *x, struct file *f)
{
	int r = inode_deny_write(f->inode);

	if (r) {
		file_put(f);
		return r;
	}
	x->denied = true;
	return elf_open(f, &x->exe, &x->why);
}

static int find_image(struct exec *x)
{
	char head[EXEC_HEAD], *interp, *arg;

	for (unsigned depth = 0;; depth++) {
		struct file *f;
		int r = open_exec(x->path, &x->at, &f, &x->why);

		if (r && depth)
			x->why = r == -ENOENT ? "the script's interpreter does not exist" : NULL;
		if (r)
			return r;
		long n = read_head(f, head);

		if (n == -EACCES) /* executable only, and the host reads it with its user's rights */
			x->why = "permission denied to read it";
		if (n < 2 || head[0] != '#' || head[1] != '!')
			return n < 0 ? (file_put(f), (int)n) : open_image(x, f);
		file_put(f);
		path_put(&x->at);
		if (depth >= SCRIPT_DEPTH_MAX) {
			x->why = "too many interpreters of interpreters (#! lines)";
			return -ELOOP;
		}
		r = script_parse(head, (size_t)n, &interp, &arg);
		if (r) {
			x->why = "no interpreter on its #! line";
			return r;
		}
		r = script_arguments(x, interp, arg);
		if (r)
			return r;
	}
}

static int find_interp(struct exec *x)
{
	struct path at;
	struct file *f;
	int r;

	if (!x->exe.interp)
		return 0;
	r = open_exec(x->exe.interp, &at, &f, &x->why);
	if (r) {
		x->why = r == -ENOENT ? "its ELF interpreter (dynamic loader) is not in the guest's root" : NULL;
		return r;
	}
	path_put(&at);
	r = elf_open(f, &x->interp, &x->why);
	return r == -ENOEXEC ? -ELIBBAD : r;
}

static void layout(struct space *s, uint64_t args)
{
	uint64_t limit = proc_rlimit(RLIMIT_STACK), gap;

	s->stack_top = USER_MAX - PAGE_SIZE - random_pages(22);
	gap = MAX(limit, STACK_GAP_MIN);
	gap = MIN(gap, USER_MAX / 6 * 5);
	s->stack_limit = ALIGN_DOWN(s->stack_top - MIN(limit, gap), PAGE_SIZE);
	s->mmap_top = ALIGN_DOWN(s->stack_top - gap - args, PAGE_SIZE) - (256 * PAGE_SIZE) - random_pages(28);
}

static int map_stack(struct exec *x, struct space *s, uint64_t args)
{
	uint64_t size = ALIGN_UP(args + STACK_INITIAL, PAGE_SIZE);
	unsigned prot = PROT_READ | PROT_WRITE | (x->exe.exec_stack ? PROT_EXEC : 0);
	long r;

	size = MIN(size, s->stack_top - s->stack_limit);
	r = space_mmap(s, s->stack_top - size, size, prot, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_GROWSDOWN, NULL, 0,
		       "[stack]");
	return r < 0 ? (int)r : 0;
}

/* Where a position-independent file of this size goes: the executable at PIE_BASE, its interpreter among the mappings. */
static int choose_bias(struct space *s, const struct elf_image *e, bool interp, uint64_t *bias)
{
	if (e->eh.e_type == ET_EXEC) {
		*bias = 0;
		return 0;
	}
	if (!interp && e->interp) {
		*bias = PIE_BASE + random_pages(28) - e->low;
		return 0;
	}
	long r = space_mmap(s, 0, e->high - e->low, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, NULL, 0, NULL);

	if (r < 0)
		return (int)r;
	*bias = (uint64_t)r - e->low;
	return space_munmap(s, (uint64_t)r, e->high - e->low);
}

static int map_images(struct exec *x, struct space *s)
{
	uint64_t bias;
	int r = choose_bias(s, &x->exe, false, &bias);

	if (!r)
		r = elf_map(&x->exe, s, bias);
	if (r)
		return r;
	s->code_start = bias + x->exe.low;
	s->code_end = bias + x->exe.high;
	s->brk_start = s->brk = bias + x->exe.high + random_pages(13);
	if (!x->interp.file)
		return 0;
	r = choose_bias(s, &x->interp, true, &bias);
	return r ? r : elf_map(&x->interp, s, bias);
}

/* Fills the new space, which is current: images, vDSO, stack. */
static int build(struct exec *x, struct space *s, char *const envp[], uint64_t *sp)
{
	struct stack_args a = { .argv = x->argv, .argc = x->argc, .envp = envp, .execfn = x->path, .exe = &x->exe };
	int r;

	while (envp && envp[a.envc])
		a.envc++;
	uint64_t size = stack_args_size(&a);

	if (size > MAX(proc_rlimit(RLIMIT_STACK) / 4, STACK_INITIAL))
		return -E2BIG;
	layout(s, size);
	r = map_stack(x, s, size);
	if (!r)
		r = map_images(x, s);
	if (!r)
		r = vdso_map(s);
	if (r)
		return r;
	a.vdso = s->vdso;
	a.interp_base = x->interp.file ? x->interp.bias + x->interp.low : 0;
	return stack_build(s, &a, sp);
}

static void reset_signals(struct proc *p)
{
	for (int i = 0; i < NSIG; i++) {
		struct sigaction_k *a = &p->sigactions->action[i];
		uint64_t handler = a->handler == SIG_IGN ? SIG_IGN : SIG_DFL;

		*a = (struct sigaction_k){ .handler = handler };
	}
}

static void take_over(struct exec *x, struct proc *p, struct thread *t, uint64_t sp)
{
	struct elf_image *start = x->interp.file ? &x->interp : &x->exe;
	const char *name = strrchr(x->path, '/');

	if (p->exe->dentry)
		inode_allow_write(p->exe->dentry->inode);
	path_put(p->exe);
	*p->exe = x->at;
	x->at = (struct path){ 0 };
	x->denied = false;
	str_copy(p->comm, name ? name + 1 : x->path, sizeof(p->comm));
	memcpy(t->comm, p->comm, sizeof(t->comm));
	reset_signals(p);
	fdtable_close_on_exec(p->files);
	t->altstack_sp = t->altstack_size = 0;
	t->altstack_flags = SS_DISABLE;
	t->clear_child_tid = t->robust_list = 0;
	t->fs_base = t->gs_base = 0;
	plat_fs_set(0);
	plat_gs_set(0);
	fpu_reset(t);
	*thread_regs(t) = (struct regs){ .rip = start->bias + start->eh.e_entry, .rsp = sp, .rflags = RFLAGS_IF,
					 .cs = USER_CS, .ss = USER_SS, .orig_rax = (uint64_t)-1 };
}

static int replace(struct exec *x, char *const envp[])
{
	struct proc *p = current_proc();
	struct space *old = p->space, *s;
	uint64_t sp;
	int r = space_new(&s);

	if (r)
		return r;
	p->space = s;
	space_activate(s);
	r = build(x, s, envp, &sp);
	if (r) {
		p->space = old;
		if (old)
			space_activate(old);
		else
			plat_space_switch(NULL);
		space_put(s);
		return r;
	}
	if (old)
		space_put(old);
	take_over(x, p, current_thread(), sp);
	return 0;
}

static int copy_argv(struct exec *x, char *const argv[])
{
	unsigned n = 0;

	while (argv[n])
		n++;
	x->argv = kmalloc((n + 2) * sizeof(*x->argv));
	if (!x->argv)
		return -ENOMEM;
	/* Without an argv[0] Linux supplies an empty one (execve(2), NOTES). */
	x->argv[0] = (char *)"";
	for (unsigned i = 0; i < n; i++)
		x->argv[i] = argv[i];
	x->argc = MAX(n, 1u);
	x->argv[x->argc] = NULL;
	return 0;
}

int exec_image(const char *path, char *const argv[], char *const envp[], const char **why)
{
	struct exec *x = kzalloc(sizeof(*x));
	int r = -ENOMEM;

	*why = NULL;
	if (!x)
		return r;
	x->path = own(x, path);
	if (x->path)
		r = copy_argv(x, argv);
	if (!r)
		r = find_image(x);
	if (!r)
		r = find_interp(x);
	if (!r)
		r = replace(x, envp);
	/* It looks where it has been loaded and gives up; the other sanitizers ask for their memory (sys_mmap). */
	if (!r && elf_defines(&x->exe, "__msan_init"))
		space_tell_range(current_proc()->space);
	*why = x->why;
	elf_close(&x->exe);
	elf_close(&x->interp);
	if (x->denied)
		inode_allow_write(x->at.dentry->inode);
	path_put(&x->at);
	for (unsigned i = 0; i < x->nowned; i++)
		kfree(x->owned[i]);
	kfree(x->argv);
	kfree(x);
	return r;
}
