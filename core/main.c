/* Boot, in one screen, and a few facts about the system.
 *
 * core_main() runs on the platform's boot stack as the kernel's own process (pid 1), which mounts the file systems, starts
 * the program (pid 2) and then adopts orphans. */
#include "core/main.h"
#include "core/boot.h"
#include "core/cpu.h"
#include "core/file/file.h"
#include "core/fs/vfs.h"
#include "core/lib/string.h"
#include "core/lib/util.h"
#include "core/mm/page.h"
#include "core/mm/slab.h"
#include "core/printf.h"
#include "core/proc/proc.h"
#include "core/proc/thread.h"
#include "core/sched.h"
#include "plat/plat.h"
#include "shim/abi/errno.h"
#include "shim/abi/resource.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static char hostname[65] = "doppel";
static uint64_t wall_at_boot;

const char *hostname_get(void) { return hostname; }

int hostname_set(const char *name, size_t len)
{
	if (len > 64)
		return -EINVAL;
	if (len)
		memcpy(hostname, name, len);
	hostname[len] = 0;
	return 0;
}

uint64_t boot_wall(void) { return wall_at_boot; }

static struct proc *new_proc(struct proc *parent)
{
	struct proc *p;

	if (proc_new(parent, &p))
		boot_refuse("no memory for the first processes; give the guest more with -m");
	return p;
}

/* Identity and limits that the caller of `doppel run` has, or that -u asked for. */
static void take_identity(struct proc *p, const struct boot *b)
{
	struct cred *c;

	if (!b->blob)
		return;
	c = cred_copy(p->cred);
	if (!c)
		boot_refuse("no memory for the program's credentials");
	cred_put(p->cred);
	p->cred = c;
	c->ruid = c->euid = c->suid = c->fsuid = b->blob->uid;
	c->rgid = c->egid = c->sgid = c->fsgid = b->blob->gid;
	if (b->blob->ngroups) {
		c->groups = kmalloc(b->blob->ngroups * sizeof(*c->groups));
		if (!c->groups)
			boot_refuse("no memory for %u groups", b->blob->ngroups);
		c->ngroups = b->blob->ngroups;
		memcpy(c->groups, b->groups, c->ngroups * sizeof(*c->groups));
	}
	p->fs->umask = b->blob->umask & 0777;
	if (b->blob->rlimit_nofile)
		p->rlimits[RLIMIT_NOFILE].cur = MIN(b->blob->rlimit_nofile, p->rlimits[RLIMIT_NOFILE].max);
	if (b->blob->rlimit_stack)
		p->rlimits[RLIMIT_STACK].cur = b->blob->rlimit_stack;
	p->rlimits[RLIMIT_FSIZE] = (struct rlimit){ ~b->blob->fsize_cur, ~b->blob->fsize_max };
}

/* Ignored and blocked signals stay so across an execve, and the caller's reach the program in the same way. */
static void take_signals(struct thread *t, const struct boot_blob *b)
{
	if (!b)
		return;
	t->sig_mask = b->sig_blocked;
	for (unsigned i = 0; i < NSIG; i++)
		t->proc->sigactions->action[i].handler = b->sig_ignored >> i & 1 ? SIG_IGN : SIG_DFL;
}

/* Docker's exit codes: 127 the program is not there, 126 it cannot be run. */
static _Noreturn void cannot_start(const char *path, int err, const char *why)
{
	if (!why)
		why = err == -ENOENT ? "no such file in the guest's root; add -v or --root"
			  : err == -EACCES ? "permission denied (not an executable file)"
			  : err == -ENOEXEC ? "not an x86-64 ELF executable or script"
			  : err == -ELIBBAD ? "its interpreter is not a usable ELF file"
			  : err == -ENOMEM ? "not enough memory; give the guest more with -m"
			  : err == -E2BIG ? "arguments and environment are too long"
					   : NULL;

	if (why)
		kprintf("doppel: %s: %s\n", path, why);
	else
		kprintf("doppel: %s: cannot be started: error %d\n", path, -err);
	plat_exit((err == -ENOENT ? 127 : 126) << 8);
}

static const char *find_variable(const struct boot *b, const char *name)
{
	size_t n = strlen(name);

	for (uint32_t i = 0; i < b->envc; i++)
		if (!strncmp(b->envp[i], name, n) && b->envp[i][n] == '=')
			return b->envp[i] + n + 1;
	return NULL;
}

static int exec(const char *path, const struct boot *b, const char **why)
{
	int r = exec_image(path, b->argv, b->envp, why);

	if (!r)
		shim_exec_trace(path, b->argv);
	return r;
}

/* What became of starting a program: the file and the reason that are told. */
struct attempt {
	int err;
	const char *why;
	char *path; /* kmalloc'ed; NULL: as the caller named it */
};

/* A failure that is worth telling if nothing better comes: the first file that may not be executed, else the first that is
 * there but whose interpreter is not. */
static void remember_failure(struct attempt *a, int err, const char *why, const char *file)
{
	if (a->path && (a->err == -EACCES || err != -EACCES))
		return;
	kfree(a->path);
	*a = (struct attempt){ err, why, kstrdup(file) };
}

/* A name without a slash is looked for along PATH, as execvp(3) does: what is not there, or not executable, is passed over.
 * An empty entry is the working directory. */
static void exec_along_path(const struct boot *b, struct attempt *a)
{
	const char *path = find_variable(b, "PATH"), *end, *why;
	char file[PATH_MAX];
	bool last = false;

	a->err = -ENOENT;
	for (path = path ? path : DEFAULT_PATH; !last; path = end + 1) {
		for (end = path; *end && *end != ':';)
			end++;
		last = !*end;
		int n = (int)(end - path);

		if ((size_t)ksnprintf(file, sizeof(file), "%.*s/%s", n ? n : 1, n ? path : ".", b->path) >= sizeof(file))
			continue;
		int r = exec(file, b, &why);

		if (r == -ENOTDIR || (r == -ENOENT && !why))
			continue;
		if (r == -EACCES || r == -ENOENT) {
			remember_failure(a, r, why, file);
			continue;
		}
		kfree(a->path);
		*a = (struct attempt){ r, why, r ? kstrdup(file) : NULL };
		return;
	}
}

static void program_main(void *arg)
{
	const struct boot *b = boot_params();
	struct attempt a = { 0 };

	if (strchr(b->path, '/'))
		a.err = exec(b->path, b, &a.why);
	else
		exec_along_path(b, &a);
	if (a.err)
		cannot_start(a.path ? a.path : b->path, a.err, a.why);
	plat_user_enter(thread_regs(current_thread()));
}

static void start_program(struct proc *init)
{
	struct proc *p = new_proc(init);
	struct thread *t;

	p->pgid = p->sid = p->pid;
	take_identity(p, boot_params());
	if (stdio_init(p->files) || thread_new_main(p, program_main, &t))
		boot_refuse("no memory for the program's first thread; give the guest more with -m");
	take_signals(t, boot_params()->blob);
	thread_start(t);
}

_Noreturn void core_main(void)
{
	struct proc *init;

	page_init();
	sched_init();
	boot_parse();
	fpu_init();
	wall_at_boot = clock_wall() - clock_mono();
	init = new_proc(NULL);
	current_thread()->proc = init;
	vfs_init();
	vdso_init();
	shim_init();
	start_program(init);
	for (;;)
		wait_event_uninterruptible(&init->child_exit, false);
}
