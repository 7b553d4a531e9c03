/* Processes: making, finding, and what a process holds. Ending one is in exit.c.
 *
 * Pid 1 is the kernel's own: it owns the boot thread, mounts the file systems and adopts orphans. Pid 2 is the program. */
#include "core/proc/proc.h"
#include "core/file/file.h"
#include "core/lib/string.h"
#include "core/mm/slab.h"
#include "core/mm/space.h"
#include "core/printf.h"
#include "core/proc/itimer.h"
#include "core/proc/thread.h"
#include "core/sched.h"
#include "shim/abi/errno.h"
#include "shim/abi/resource.h"

struct list proc_all = LIST_INIT(proc_all);

static const struct rlimit default_rlimits[RLIM_NLIMITS] = {
	[RLIMIT_CPU] = { RLIM_INFINITY, RLIM_INFINITY },    [RLIMIT_FSIZE] = { RLIM_INFINITY, RLIM_INFINITY },
	[RLIMIT_DATA] = { RLIM_INFINITY, RLIM_INFINITY },   [RLIMIT_STACK] = { 8ul << 20, RLIM_INFINITY },
	[RLIMIT_CORE] = { 0, RLIM_INFINITY },               [RLIMIT_RSS] = { RLIM_INFINITY, RLIM_INFINITY },
	[RLIMIT_NPROC] = { 4096, 4096 },                    [RLIMIT_NOFILE] = { 1024, 1048576 },
	[RLIMIT_MEMLOCK] = { 8ul << 20, 8ul << 20 },        [RLIMIT_AS] = { RLIM_INFINITY, RLIM_INFINITY },
	[RLIMIT_LOCKS] = { RLIM_INFINITY, RLIM_INFINITY },  [RLIMIT_SIGPENDING] = { 4096, 4096 },
	[RLIMIT_MSGQUEUE] = { 819200, 819200 },             [RLIMIT_NICE] = { 0, 0 },
	[RLIMIT_RTPRIO] = { 0, 0 },                         [RLIMIT_RTTIME] = { RLIM_INFINITY, RLIM_INFINITY },
};

static int fs_info_new(const struct fs_info *from, struct fs_info **out)
{
	struct fs_info *fs = kzalloc(sizeof(*fs) + 2 * sizeof(struct path));

	if (!fs)
		return -ENOMEM;
	fs->refs = 1;
	fs->cwd = (struct path *)(fs + 1);
	fs->root = fs->cwd + 1;
	fs->umask = 022;
	if (from) {
		fs->umask = from->umask;
		*fs->cwd = *from->cwd;
		*fs->root = *from->root;
		path_get(fs->cwd);
		path_get(fs->root);
	}
	*out = fs;
	return 0;
}

void fs_info_put(struct fs_info *fs)
{
	if (!fs || --fs->refs)
		return;
	path_put(fs->cwd);
	path_put(fs->root);
	kfree(fs);
}

static void inherit(struct proc *p, struct proc *parent)
{
	p->parent = parent;
	if (!parent)
		return;
	list_append(&parent->children, &p->sibling);
	p->pgid = parent->pgid;
	p->sid = parent->sid;
	memcpy(p->rlimits, parent->rlimits, sizeof(p->rlimits));
	memcpy(p->comm, parent->comm, sizeof(p->comm));
}

int proc_new(struct proc *parent, struct proc **out)
{
	struct proc *p = kzalloc(sizeof(*p) + sizeof(struct path));
	int r = -ENOMEM;

	if (!p)
		return r;
	p->refs = 1;
	list_init(&p->children);
	list_init(&p->sibling);
	list_init(&p->threads);
	list_init(&p->posix_timers);
	waitq_init(&p->child_exit);
	timer_init(&p->itimer_real, NULL);
	p->exe = (struct path *)(p + 1);
	p->dumpable = 1;
	memcpy(p->rlimits, default_rlimits, sizeof(p->rlimits));
	p->sigactions = kzalloc(sizeof(*p->sigactions));
	if (!p->sigactions)
		goto out_proc;
	p->sigactions->refs = 1;
	p->cred = parent ? cred_get(parent->cred) : cred_new();
	if (!p->cred)
		goto out_actions;
	r = fs_info_new(parent ? parent->fs : NULL, &p->fs);
	if (r)
		goto out_cred;
	r = fdtable_new(&p->files);
	if (r)
		goto out_fs;
	p->pid = p->pgid = p->sid = tid_alloc();
	p->start_time = clock_mono();
	inherit(p, parent);
	list_append(&proc_all, &p->all_link);
	*out = p;
	return 0;

out_fs:
	fs_info_put(p->fs);
out_cred:
	cred_put(p->cred);
out_actions:
	kfree(p->sigactions);
out_proc:
	kfree(p);
	return r;
}

struct proc *proc_get(struct proc *p)
{
	p->refs++;
	return p;
}

void proc_put(struct proc *p)
{
	kassert(p->refs > 0);
	if (--p->refs)
		return;
	kassert(!p->files && !p->fs && !p->space); /* proc_release() has run */
	cred_put(p->cred);
	kfree(p->sigactions);
	kfree(p);
}

struct proc *proc_by_pid(int pid)
{
	list_each(l, &proc_all) {
		struct proc *p = list_entry(l, struct proc, all_link);

		if (p->pid == pid)
			return p;
	}
	return NULL;
}

void proc_times(struct proc *p, uint64_t *utime, uint64_t *stime)
{
	*utime = p->dead_utime;
	*stime = p->dead_stime;
	list_each(l, &p->threads) {
		struct thread *t = list_entry(l, struct thread, proc_link);

		*utime += t->utime;
		*stime += t->stime;
		if (t == current_thread())
			*utime += clock_mono() - t->last_stamp;
	}
}

uint64_t proc_rlimit(unsigned which)
{
	struct proc *p = current_proc();

	return p ? p->rlimits[which].cur : RLIM_INFINITY;
}
