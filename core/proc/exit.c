/* The end of a process, and of the machine.
 *
 * A process that ends lets go of everything that others could see at once (files, memory, timers) and stays as a zombie
 * until its parent asks; the kernel's own process asks never and its children are freed at once. When the program (pid 2)
 * has ended, the machine ends: files are written back, the overlay's changes saved or counted, the notices printed. */
#include "core/boot.h"
#include "core/cpu.h"
#include "core/file/file.h"
#include "core/lib/string.h"
#include "core/main.h"
#include "core/mm/pagecache.h"
#include "core/mm/slab.h"
#include "core/mm/space.h"
#include "core/printf.h"
#include "core/proc/itimer.h"
#include "core/proc/proc.h"
#include "core/proc/thread.h"
#include "core/sched.h"
#include "plat/plat.h"

#define PROGRAM_PID 2

/* Timers, files and memory: what others could see of a process. */
static void let_go(struct proc *p)
{
	struct fdtable *files = p->files;
	struct space *space = p->space;

	timer_cancel(&p->itimer_real);
	posix_timers_free(p);
	p->files = NULL;
	if (files)
		fdtable_put(files);
	p->space = NULL;
	if (space) {
		plat_space_switch(NULL);
		space_put(space);
	}
}

void proc_release(struct proc *p)
{
	let_go(p);
	if (p->exe->dentry)
		inode_allow_write(p->exe->dentry->inode);
	path_put(p->exe);
	fs_info_put(p->fs);
	p->fs = NULL;
}

static void adopt_children(struct proc *p)
{
	struct proc *init = p->parent;

	while (init && init->parent)
		init = init->parent;
	list_each_safe(l, &p->children) {
		struct proc *child = list_entry(l, struct proc, sibling);

		list_remove(&child->sibling);
		child->parent = init;
		if (init)
			list_append(&init->children, &child->sibling);
	}
}

/* Ends the machine. Runs on the program's last thread, which may sleep to write files back. When that fails, success would be a
 * lie: it becomes 125, as for all that doppel fails at. */
static _Noreturn void machine_exit(int status)
{
	stdio_drain();
	if (!vfs_shutdown() && !status)
		status = 125 << 8;
	shim_report(status);
	plat_exit(status);
}

void proc_exit(struct proc *p, int status)
{
	p->exiting = true;
	p->exit_status = status;
	shim_exit_trace(status);
	/* The program's own files must be closed before the file systems are shut down; the thread keeps its process for the
	 * cwd and identity that write-back may look at. */
	if (p->pid == PROGRAM_PID) {
		let_go(p);
		machine_exit(status);
	}
	proc_release(p);
	if (p->sid == p->pid)
		tty_session_exit(p);
	adopt_children(p);
	p->zombie = true;
	list_remove(&p->all_link);
	if (p->parent)
		waitq_wake_all(&p->parent->child_exit, 0);
}

_Noreturn void proc_exit_group(int status)
{
	struct proc *p = current_proc();

	if (!p->exiting) {
		p->exiting = true;
		p->exit_status = status;
		list_each(l, &p->threads) {
			struct thread *t = list_entry(l, struct thread, proc_link);

			t->killed = true;
			if (t != current_thread() && t->interruptible)
				sched_wake(t);
		}
	}
	thread_exit(p->exit_status);
}
