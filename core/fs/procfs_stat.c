/* The numbers of a process and its threads: stat, statm, status, limits, io. Formats and order of fields are those of
 * proc(5) and of the kernel's Documentation/filesystems/proc.rst; what we do not have is 0.
 *
 * Missing: I/O counters, which would be the dearest instructions of the cheapest system calls; time spent runnable; oom_score_adj is kept for all processes together. */
#include "core/file/file.h"
#include "core/fs/procfs_pid.h"
#include "core/lib/string.h"
#include "core/lib/util.h"
#include "core/mm/page.h"
#include "core/mm/space.h"
#include "core/proc/proc.h"
#include "core/proc/thread.h"
#include "core/sched.h"
#include "shim/abi/errno.h"
#include "shim/abi/mman.h"
#include "shim/abi/resource.h"
#include "shim/abi/signal.h"
#include "shim/abi/stat.h"

#define TICK (NSEC_PER_SEC / 100)  /* USER_HZ */
#define CAPS_ALL 0x1fffffffffful   /* CAP_LAST_CAP is 40 */
#define PF_RANDOMIZE 0x400000u
#define TTY_DEV 0x8800             /* 136:0 */
#define STAT_SIGNALS 0x7ffffffful   /* stat shows the standard signals only */
#define KIB(pages) ((pages) * (PAGE_SIZE / 1024))

const char *procfs_comm(const struct proc *p, const struct thread *th)
{
	if (th && th->comm[0])
		return th->comm;
	return p->comm[0] || p->pid != 1 ? p->comm : "init"; /* the kernel's own process runs no program */
}

static int parent_pid(const struct proc *p) { return p->parent ? p->parent->pid : 0; }

static char state_of(const struct proc *p, const struct thread *th)
{
	if (p->zombie || (th && th->state == THREAD_DEAD))
		return 'Z';
	if (th == current_thread() || (th && th->state != THREAD_BLOCKED))
		return 'R';
	return th && !th->interruptible ? 'D' : 'S';
}

static const char *state_name(char c)
{
	return c == 'Z' ? "zombie" : c == 'R' ? "running" : c == 'D' ? "disk sleep" : "sleeping";
}

/* Sums over the mappings, in pages. */
struct vm_sums {
	size_t size, locked, data, stack, code, libs, rss_anon, rss_file, peak;
};

static void vm_sums(struct space *s, struct vm_sums *m)
{
	*m = (struct vm_sums){ 0 };
	if (!s)
		return;
	mutex_lock(&s->lock);
	for (struct vma *v = space_find(s, 0); v; v = vma_next(v)) {
		size_t n = (v->end - v->start) >> PAGE_SHIFT;
		m->size += n;
		if (v->flags & VMA_LOCKED)
			m->locked += n;
		if (v->flags & VMA_GROWSDOWN)
			m->stack += n;
		else if ((v->prot & PROT_WRITE) && !(v->flags & VMA_SHARED))
			m->data += n;
		if ((v->prot & PROT_EXEC) && v->file)
			m->libs += n;
	}
	m->code = (s->code_end - s->code_start + PAGE_MASK) >> PAGE_SHIFT;
	m->libs -= MIN(m->libs, m->code);
	m->rss_anon = s->rss_anon;
	m->rss_file = s->rss_file;
	m->peak = MAX(s->rss_peak, s->rss_anon + s->rss_file);
	mutex_unlock(&s->lock);
}

struct sig_sets {
	uint64_t ignored, caught;
};

static struct sig_sets sig_sets(const struct proc *p)
{
	struct sig_sets r = { 0 };

	for (int i = 0; p->sigactions && i < NSIG; i++) {
		uint64_t h = p->sigactions->action[i].handler;
		if (h == SIG_IGN)
			r.ignored |= 1ul << i;
		else if (h != SIG_DFL)
			r.caught |= 1ul << i;
	}
	return r;
}

static void times_of(struct proc *p, const struct thread *th, bool whole, uint64_t *user, uint64_t *system)
{
	proc_times(p, user, system);
	if (!whole && th) {
		*user = th->utime;
		*system = th->stime;
	}
}

/* ---- stat ---- */

int procfs_stat_show(const struct text_inode *t, struct seqbuf *b)
{
	struct proc *p = procfs_proc(t);
	struct thread *th = procfs_thread(t);
	struct vm_sums m;
	uint64_t user, system;

	if (!p)
		return -ESRCH;
	proc_get(p);
	vm_sums(p->space, &m); /* may sleep */
	const struct space *s = p->space;
	struct sig_sets sig = sig_sets(p);
	bool tty = tty_present() && p->sid == tty_session();
	times_of(p, th, t->tid == t->pid, &user, &system);

	seqbuf_printf(b, "%d (%s) %c ", t->tid, procfs_comm(p, th), state_of(p, th));
	seqbuf_printf(b, "%d %d %d ", parent_pid(p), p->pgid, p->sid);
	seqbuf_printf(b, "%d %d %u ", tty ? TTY_DEV : 0, tty ? tty_pgrp() : -1, PF_RANDOMIZE);
	seqbuf_printf(b, "%lu 0 %lu 0 %lu %lu 0 0 ", s ? s->faults_minor : 0, s ? s->faults_major : 0, user / TICK,
		      system / TICK);
	seqbuf_printf(b, "%d %d %u 0 %lu ", 20 + p->attrs.nice, p->attrs.nice, MAX(p->nthreads, 1u),
		      p->start_time / TICK);
	seqbuf_printf(b, "%lu %lu %lu ", m.size << PAGE_SHIFT, m.rss_anon + m.rss_file, p->rlimits[RLIMIT_RSS].cur);
	seqbuf_printf(b, "%lu %lu %lu 0 0 ", s ? s->code_start : 0, s ? s->code_end : 0, s ? s->stack_top : 0);
	seqbuf_printf(b, "%lu %lu ", (th ? th->sig_pending : 0) & STAT_SIGNALS, (th ? th->sig_mask : 0) & STAT_SIGNALS);
	seqbuf_printf(b, "%lu %lu ", sig.ignored & STAT_SIGNALS, sig.caught & STAT_SIGNALS);
	seqbuf_printf(b, "0 0 0 %d 0 %d %d 0 0 0 ", SIGCHLD, p->attrs.sched_priority, p->attrs.sched_policy);
	seqbuf_printf(b, "0 0 %lu %lu %lu %lu %lu %d\n", s ? s->brk_start : 0, s ? s->arg_start : 0, s ? s->arg_end : 0,
		      s ? s->env_start : 0, s ? s->env_end : 0, p->exit_status);
	proc_put(p);
	return 0;
}

int procfs_statm_show(const struct text_inode *t, struct seqbuf *b)
{
	struct proc *p = procfs_proc(t);
	struct vm_sums m;

	if (!p)
		return -ESRCH;
	proc_get(p);
	vm_sums(p->space, &m);
	proc_put(p);
	seqbuf_printf(b, "%lu %lu %lu %lu 0 %lu 0\n", m.size, m.rss_anon + m.rss_file, m.rss_file, m.code,
		      m.data + m.stack);
	return 0;
}

/* ---- status ---- */

static void print_identity(struct seqbuf *b, const struct proc *p)
{
	const struct cred *c = p->cred;

	seqbuf_printf(b, "Uid:\t%u\t%u\t%u\t%u\n", c->ruid, c->euid, c->suid, c->fsuid);
	seqbuf_printf(b, "Gid:\t%u\t%u\t%u\t%u\n", c->rgid, c->egid, c->sgid, c->fsgid);
	seqbuf_printf(b, "FDSize:\t%u\nGroups:\t", p->files ? p->files->size : 0);
	for (uint32_t i = 0; i < c->ngroups; i++)
		seqbuf_printf(b, "%u ", c->groups[i]);
	seqbuf_printf(b, "%s\n", c->ngroups ? "" : " ");
}

static void print_kib(struct seqbuf *b, const char *name, size_t pages)
{
	seqbuf_printf(b, "%s:\t%8lu kB\n", name, KIB(pages));
}

static void print_memory_use(struct seqbuf *b, const struct vm_sums *m)
{
	size_t rss = m->rss_anon + m->rss_file;

	print_kib(b, "VmPeak", m->size);
	print_kib(b, "VmSize", m->size);
	print_kib(b, "VmLck", m->locked);
	print_kib(b, "VmPin", 0);
	print_kib(b, "VmHWM", m->peak);
	print_kib(b, "VmRSS", rss);
	print_kib(b, "RssAnon", m->rss_anon);
	print_kib(b, "RssFile", m->rss_file);
	print_kib(b, "RssShmem", 0);
	print_kib(b, "VmData", m->data);
	print_kib(b, "VmStk", m->stack);
	print_kib(b, "VmExe", m->code);
	print_kib(b, "VmLib", m->libs);
	print_kib(b, "VmPTE", rss / 512 + 3);
	print_kib(b, "VmSwap", 0);
	print_kib(b, "HugetlbPages", 0);
	seqbuf_printf(b, "CoreDumping:\t0\nTHP_enabled:\t0\n");
}

static void print_signals(struct seqbuf *b, const struct proc *p, const struct thread *th)
{
	struct sig_sets sig = sig_sets(p);
	uint64_t pending = (th ? th->sig_pending : 0) | p->sig_pending;

	seqbuf_printf(b, "Threads:\t%u\nSigQ:\t%d/%lu\n", MAX(p->nthreads, 1u), __builtin_popcountl(pending),
		      p->rlimits[RLIMIT_SIGPENDING].cur);
	seqbuf_printf(b, "SigPnd:\t%016lx\nShdPnd:\t%016lx\nSigBlk:\t%016lx\nSigIgn:\t%016lx\nSigCgt:\t%016lx\n",
		      th ? th->sig_pending : 0, p->sig_pending, th ? th->sig_mask : 0, sig.ignored, sig.caught);
}

static void print_capabilities(struct seqbuf *b, const struct proc *p)
{
	const struct cred *c = p->cred;
	uint64_t permitted = c->ruid == 0 || c->euid == 0 || c->suid == 0 ? CAPS_ALL : 0;
	uint64_t effective = c->euid == 0 ? CAPS_ALL : 0;

	seqbuf_printf(b, "CapInh:\t%016x\nCapPrm:\t%016lx\nCapEff:\t%016lx\n", 0, permitted, effective);
	seqbuf_printf(b, "CapBnd:\t%016lx\nCapAmb:\t%016x\n", CAPS_ALL, 0);
	seqbuf_printf(b, "NoNewPrivs:\t%d\nSeccomp:\t0\nSeccomp_filters:\t0\n", p->attrs.no_new_privs);
}

int procfs_status_show(const struct text_inode *t, struct seqbuf *b)
{
	struct proc *p = procfs_proc(t);
	struct thread *th = procfs_thread(t);
	struct vm_sums m;
	char state;

	if (!p)
		return -ESRCH;
	proc_get(p);
	state = state_of(p, th);
	seqbuf_printf(b, "Name:\t%s\n", procfs_comm(p, th));
	if (p->fs)
		seqbuf_printf(b, "Umask:\t%04o\n", p->fs->umask);
	seqbuf_printf(b, "State:\t%c (%s)\nTgid:\t%d\nNgid:\t0\n", state, state_name(state), p->pid);
	seqbuf_printf(b, "Pid:\t%d\nPPid:\t%d\nTracerPid:\t0\n", t->tid, parent_pid(p));
	print_identity(b, p);
	seqbuf_printf(b, "NStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\n", p->pid, t->tid, p->pgid, p->sid);
	vm_sums(p->space, &m); /* may sleep */
	th = procfs_thread(t);
	if (p->space)
		print_memory_use(b, &m);
	print_signals(b, p, th);
	print_capabilities(b, p);
	seqbuf_str(b, "Cpus_allowed:\t1\nCpus_allowed_list:\t0\nMems_allowed:\t1\nMems_allowed_list:\t0\n");
	seqbuf_printf(b, "voluntary_ctxt_switches:\t%lu\n", th ? th->voluntary_switches : 0);
	seqbuf_printf(b, "nonvoluntary_ctxt_switches:\t%lu\n", th ? th->involuntary_switches : 0);
	proc_put(p);
	return 0;
}

/* ---- limits ---- */

static const struct {
	const char *name, *unit;
} limit_names[RLIM_NLIMITS] = {
	[RLIMIT_CPU] = { "Max cpu time", "seconds" },
	[RLIMIT_FSIZE] = { "Max file size", "bytes" },
	[RLIMIT_DATA] = { "Max data size", "bytes" },
	[RLIMIT_STACK] = { "Max stack size", "bytes" },
	[RLIMIT_CORE] = { "Max core file size", "bytes" },
	[RLIMIT_RSS] = { "Max resident set", "bytes" },
	[RLIMIT_NPROC] = { "Max processes", "processes" },
	[RLIMIT_NOFILE] = { "Max open files", "files" },
	[RLIMIT_MEMLOCK] = { "Max locked memory", "bytes" },
	[RLIMIT_AS] = { "Max address space", "bytes" },
	[RLIMIT_LOCKS] = { "Max file locks", "locks" },
	[RLIMIT_SIGPENDING] = { "Max pending signals", "signals" },
	[RLIMIT_MSGQUEUE] = { "Max msgqueue size", "bytes" },
	[RLIMIT_NICE] = { "Max nice priority", NULL },
	[RLIMIT_RTPRIO] = { "Max realtime priority", NULL },
	[RLIMIT_RTTIME] = { "Max realtime timeout", "us" },
};

static void print_limit(struct seqbuf *b, uint64_t v)
{
	if (v == RLIM_INFINITY)
		seqbuf_printf(b, "%-20s ", "unlimited");
	else
		seqbuf_printf(b, "%-20lu ", v);
}

int procfs_limits_show(const struct text_inode *t, struct seqbuf *b)
{
	const struct proc *p = procfs_proc(t);

	if (!p)
		return -ESRCH;
	seqbuf_printf(b, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		seqbuf_printf(b, "%-25s ", limit_names[i].name);
		print_limit(b, p->rlimits[i].cur);
		print_limit(b, p->rlimits[i].max);
		if (limit_names[i].unit)
			seqbuf_printf(b, "%-10s", limit_names[i].unit);
		seqbuf_str(b, "\n");
	}
	return 0;
}

/* ---- small ones ---- */

/* Time on the CPU, time waiting for it, turns. */
int procfs_schedstat_show(const struct text_inode *t, struct seqbuf *b)
{
	struct proc *p = procfs_proc(t);
	const struct thread *th = procfs_thread(t);
	uint64_t user, system;

	if (!p)
		return -ESRCH;
	times_of(p, th, t->tid == t->pid, &user, &system);
	seqbuf_printf(b, "%lu 0 %lu\n", user + system, th ? th->voluntary_switches + th->involuntary_switches + 1 : 0);
	return 0;
}

int procfs_io_show(const struct text_inode *t, struct seqbuf *b)
{
	seqbuf_str(b, "rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\n"
		      "read_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n");
	return 0;
}

int procfs_personality_show(const struct text_inode *t, struct seqbuf *b)
{
	const struct proc *p = procfs_proc(t);

	if (!p)
		return -ESRCH;
	seqbuf_printf(b, "%08x\n", p->personality);
	return 0;
}

static int oom_score_adj;

int procfs_oom_show(const struct text_inode *t, struct seqbuf *b)
{
	seqbuf_printf(b, "%d\n", oom_score_adj);
	return 0;
}

int procfs_oom_store(const struct text_inode *t, char *text, size_t len)
{
	bool minus = text[0] == '-';
	uint64_t v;

	if (len && text[len - 1] == '\n')
		text[len - 1] = 0;
	if (!str_to_u64(text + minus, &v) || v > 1000)
		return -EINVAL;
	if (minus && !cred_is_root(cred_current()))
		return -EACCES;
	oom_score_adj = minus ? -(int)v : (int)v;
	return 0;
}
