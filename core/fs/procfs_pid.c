/* /proc/PID and /proc/PID/task/TID: proc(5). The formats of stat, status and their kin are in procfs_stat.c; here are
 * the directories, the magic links, and what is read from the process's memory.
 *
 * An inode knows only numbers: the process may be gone by the time it is asked, which is -ESRCH (-ENOENT for links).
 * What is looked at over a sleep is held by a reference.
 *
 * Missing: pagemap, map_files, ns, net; mem of what is mapped without any permission; mem looks up the process each time,
 * and so follows it through execve. */
#include "core/file/file.h"
#include "core/fs/procfs_pid.h"
#include "core/lib/string.h"
#include "core/lib/util.h"
#include "core/mm/page.h"
#include "core/mm/slab.h"
#include "core/mm/space.h"
#include "core/proc/proc.h"
#include "core/proc/thread.h"
#include "core/sched.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/mman.h"
#include "shim/abi/stat.h"

#define REG(perm) (S_IFREG | (perm))

struct proc *procfs_proc(const struct text_inode *t) { return proc_by_pid(t->pid); }

struct thread *procfs_thread(const struct text_inode *t)
{
	struct thread *th = thread_by_tid(t->tid);

	return th && th->proc && th->proc->pid == t->pid ? th : NULL;
}

void procfs_own(struct inode *inode)
{
	struct proc *p = procfs_proc(text_of(inode));

	inode->uid = p && p->dumpable ? p->cred->euid : 0;
	inode->gid = p && p->dumpable ? p->cred->egid : 0;
}

/* May the caller look into p? ptrace(2), "Ptrace access mode checking", without capabilities. */
static bool may_look(const struct proc *p)
{
	const struct cred *c = cred_current();

	if (p == current_proc() || c->fsuid == 0)
		return true;
	return c->fsuid == p->cred->ruid && c->fsuid == p->cred->euid && c->fsuid == p->cred->suid && p->dumpable;
}

/* The process, if it lives and the caller may look into it. */
static int look(const struct text_inode *t, struct proc **out)
{
	struct proc *p = procfs_proc(t);

	if (!p)
		return -ESRCH;
	if (!may_look(p))
		return -EACCES;
	*out = p;
	return 0;
}

/* ---- memory ---- */

/* The kernel's address of the page of s at va, good until the caller sleeps; NULL: there is none, or none that may be
 * written to. A private mapping gets a page of its own to write to even where the process may only read: breakpoints. */
static char *page_at(struct space *s, vaddr_t va, bool write)
{
	char *own = write ? space_private_page(s, va) : NULL;
	pte_t *e;
	bool huge;

	if (own)
		return own;
	if (space_fault(s, va, write ? PROT_WRITE : PROT_READ))
		return NULL;
	e = pt_walk(s->root, va, false, &huge);
	return e && pte_used(*e) ? pa_va(pte_pa(*e)) : NULL;
}

/* Copies between buf and the memory of any space: how much, as far as that is mapped. */
static size_t space_copy(struct space *s, vaddr_t va, char *buf, size_t len, bool write)
{
	size_t done = 0;

	while (done < len) {
		size_t off = (va + done) & PAGE_MASK, n = MIN(PAGE_SIZE - off, len - done);
		char *page = page_at(s, va + done, write);

		if (!page)
			break;
		memcpy(write ? page + off : buf + done, write ? buf + done : page + off, n);
		done += n;
	}
	return done;
}

/* Appends [start, end) of p's memory: 0, -ENOMEM. */
static int print_memory(struct proc *p, vaddr_t start, vaddr_t end, struct seqbuf *b)
{
	struct space *s = p->space;
	char *buf;

	if (!s || start >= end)
		return 0;
	buf = kmalloc(PAGE_SIZE);
	if (!buf)
		return -ENOMEM;
	space_get(s);
	while (start < end) {
		size_t want = MIN(PAGE_SIZE - (start & PAGE_MASK), end - start);
		size_t n = space_copy(s, start, buf, want, false);

		seqbuf_put(b, buf, n);
		start += n;
		if (n < want || sched_point())
			break;
	}
	space_put(s);
	kfree(buf);
	return 0;
}

static int cmdline_show(const struct text_inode *t, struct seqbuf *b)
{
	struct proc *p = procfs_proc(t);
	struct space *s = p ? p->space : NULL;
	int err;

	if (!p)
		return -ESRCH;
	if (!s)
		return 0;
	vaddr_t env_start = s->env_start, env_end = s->env_end, arg_end = s->arg_end;
	err = print_memory(p, s->arg_start, arg_end, b);
	/* A program that has written over the end of its arguments (setproctitle) means one string, up to its NUL,
	 * which may lie in the environment. */
	if (err || b->failed || b->len == 0 || b->data[b->len - 1] == 0)
		return err;
	if (env_start == arg_end)
		err = print_memory(p, env_start, env_end, b);
	if (!err && !b->failed) {
		const char *nul = memchr(b->data, 0, b->len);
		if (nul)
			b->len = (size_t)(nul - b->data) + 1;
	}
	return err;
}

static int environ_show(const struct text_inode *t, struct seqbuf *b)
{
	struct proc *p;
	int err = look(t, &p);

	return err || !p->space ? err : print_memory(p, p->space->env_start, p->space->env_end, b);
}

static int auxv_show(const struct text_inode *t, struct seqbuf *b)
{
	struct proc *p;
	const struct space *s;
	int err = look(t, &p);

	if (err || !p->space)
		return err;
	s = p->space;
	return print_memory(p, s->auxv_addr, s->auxv_addr + s->auxv_len, b);
}

static int print_space(const struct text_inode *t, struct seqbuf *b, void (*print)(struct space *, struct seqbuf *))
{
	struct proc *p;
	struct space *s;
	int err = look(t, &p);

	if (err || !p->space)
		return err;
	s = space_get(p->space);
	print(s, b);
	space_put(s);
	return 0;
}

/* mem: the process's memory at the position that is its address. What is not mapped is EIO, if nothing was before it. */
static long mem_copy(struct space *s, struct uio *u, int64_t *pos, char *buf, bool write)
{
	long done = 0, err = 0;

	while (u->resid && !err) {
		size_t want = MIN(u->resid, PAGE_SIZE), n;

		err = write ? uio_take_all(u, buf, want) : 0;
		n = err ? 0 : space_copy(s, (vaddr_t)*pos, buf, want, write);
		if (!err && n < want)
			err = -EIO;
		if (!write && n && uio_put_all(u, buf, n))
			err = -EFAULT, n = 0;
		*pos += (int64_t)n;
		done += (long)n;
		if (!err)
			err = sched_point();
	}
	return done ? done : err;
}

static long mem_access(struct file *f, struct uio *u, int64_t *pos, bool write)
{
	char *buf = kmalloc(PAGE_SIZE);
	struct proc *p;
	struct space *s;
	long r = buf ? look(text_of(f->inode), &p) : -ENOMEM;

	if (!r && p->space) {
		s = space_get(p->space);
		r = mem_copy(s, u, pos, buf, write);
		space_put(s);
	}
	kfree(buf);
	return r;
}

static long mem_read(struct file *f, struct uio *u, int64_t *pos) { return mem_access(f, u, pos, false); }
static long mem_write(struct file *f, struct uio *u, int64_t *pos) { return mem_access(f, u, pos, true); }

static const struct file_ops mem_ops = { .read = mem_read, .write = mem_write, .seek = text_seek };

static int maps_show(const struct text_inode *t, struct seqbuf *b) { return print_space(t, b, space_print_maps); }
static int smaps_show(const struct text_inode *t, struct seqbuf *b) { return print_space(t, b, space_print_smaps); }
static int rollup_show(const struct text_inode *t, struct seqbuf *b) { return print_space(t, b, space_print_rollup); }

/* ---- names ---- */

static int comm_show(const struct text_inode *t, struct seqbuf *b)
{
	struct thread *th = procfs_thread(t);
	struct proc *p = procfs_proc(t);

	if (!p)
		return -ESRCH;
	seqbuf_printf(b, "%s\n", procfs_comm(p, th));
	return 0;
}

static int comm_store(const struct text_inode *t, char *text, size_t len)
{
	struct thread *th = procfs_thread(t);

	if (!th)
		return -ESRCH;
	if (th->proc != current_proc())
		return -EINVAL;
	if (len && text[len - 1] == '\n')
		text[len - 1] = 0;
	(void)str_copy(th->comm, text, sizeof(th->comm));
	if (th->tid == th->proc->pid)
		(void)str_copy(th->proc->comm, text, sizeof(th->proc->comm));
	return 0;
}

/* ---- magic links ---- */

/* The text of a magic link to path p. */
static int link_text(const struct path *p, char *buf, size_t size)
{
	char *text = kmalloc(PATH_MAX), *s;
	int r;

	if (!text)
		return -ENOMEM;
	r = path_string(p, text, PATH_MAX, &s, true);
	if (!r)
		r = text_copy(buf, size, s);
	kfree(text);
	return r;
}

enum proc_link { LINK_EXE, LINK_CWD, LINK_ROOT };

static int proc_link(const struct text_inode *t, enum proc_link which, struct path *out)
{
	struct proc *p;
	const struct path *path;
	int err = look(t, &p);

	if (err)
		return err == -ESRCH ? -ENOENT : err;
	path = which == LINK_EXE ? p->exe : !p->fs ? NULL : which == LINK_CWD ? p->fs->cwd : p->fs->root;
	if (!path || !path->dentry)
		return -ENOENT;
	*out = *path;
	path_get(out);
	return 0;
}

static int proc_link_text(const struct text_inode *t, enum proc_link which, char *buf, size_t size)
{
	struct path p;
	int r = proc_link(t, which, &p);

	if (r)
		return r;
	r = link_text(&p, buf, size);
	path_put(&p);
	return r;
}

static int exe_follow(const struct text_inode *t, struct path *out) { return proc_link(t, LINK_EXE, out); }
static int cwd_follow(const struct text_inode *t, struct path *out) { return proc_link(t, LINK_CWD, out); }
static int root_follow(const struct text_inode *t, struct path *out) { return proc_link(t, LINK_ROOT, out); }

static int exe_readlink(const struct text_inode *t, char *buf, size_t size)
{
	return proc_link_text(t, LINK_EXE, buf, size);
}

static int cwd_readlink(const struct text_inode *t, char *buf, size_t size)
{
	return proc_link_text(t, LINK_CWD, buf, size);
}

static int root_readlink(const struct text_inode *t, char *buf, size_t size)
{
	return proc_link_text(t, LINK_ROOT, buf, size);
}

/* ---- descriptors ---- */

/* The open file, without a reference; NULL. */
static struct file *fd_file(const struct proc *p, int fd)
{
	const struct fdtable *files = p->files;

	return files && fd >= 0 && (unsigned)fd < files->size ? files->files[fd] : NULL;
}

static int fd_look(const struct text_inode *t, struct file **out)
{
	struct proc *p;
	int err = look(t, &p);

	if (err)
		return err == -ESRCH ? -ENOENT : err;
	*out = fd_file(p, t->fd);
	return *out ? 0 : -ENOENT;
}

static int fd_readlink(const struct text_inode *t, char *buf, size_t size)
{
	const char *kind;
	struct file *f;
	char text[64];
	int r = fd_look(t, &f);

	if (r)
		return r;
	if (f->path.dentry)
		return link_text(&f->path, buf, size);
	kind = f->ops->anon_name ? f->ops->anon_name : "anon_inode:[file]";
	/* Objects of a kind are told apart by number: "pipe:[17]"; what has its brackets or its path already is not. */
	if (kind[0] == '/' || strchr(kind, '['))
		return text_copy(buf, size, kind);
	ksnprintf(text, sizeof(text), "%s:[%lu]", kind, f->inode->ino);
	return text_copy(buf, size, text);
}

static int fd_follow(const struct text_inode *t, struct path *out)
{
	char name[64];
	struct file *f;
	int r = fd_look(t, &f);

	if (r)
		return r;
	if (f->path.dentry) {
		*out = f->path;
		path_get(out);
		return 0;
	}
	r = fd_readlink(t, name, sizeof(name) - 1);
	if (r < 0)
		return r;
	name[r] = 0;
	return path_anon(f->inode, name, out);
}

static int fdinfo_show(const struct text_inode *t, struct seqbuf *b)
{
	const struct proc *p = procfs_proc(t);
	struct file *f;
	int r = fd_look(t, &f);

	if (r)
		return r;
	bool cloexec = p->files->cloexec[t->fd / 64] >> (t->fd % 64) & 1;
	seqbuf_printf(b, "pos:\t%ld\nflags:\t0%o\nmnt_id:\t%u\nino:\t%lu\n", f->pos,
		      (unsigned)f->flags | (cloexec ? O_CLOEXEC : 0), f->path.mnt ? procfs_mount_id(f->path.mnt) : 15,
		      f->inode->ino);
	if (f->ops->fdinfo)
		f->ops->fdinfo(f, b);
	return 0;
}

static const struct text_node fd_node = { .mode = S_IFLNK | 0700, .readlink = fd_readlink, .follow = fd_follow };
static const struct text_node fdinfo_node = { .mode = REG(0444), .show = fdinfo_show };

static int fds_lookup(struct inode *dir, const struct text_node *node, const char *name, size_t len, struct inode **out)
{
	const struct text_inode *t = text_of(dir);
	struct proc *p;
	struct file *f;
	int fd = text_number(name, len), err = look(t, &p);

	if (err)
		return err == -ESRCH ? -ENOENT : err;
	f = fd_file(p, fd);
	if (!f)
		return -ENOENT;
	*out = text_inode_new(dir->super, node, text_ino(dir->ino, name, len), t->pid, t->tid, fd);
	if (!*out)
		return -ENOMEM;
	if (node == &fd_node)
		(*out)->mode = S_IFLNK | 0100 | (file_readable(f) ? 0400 : 0) | (file_writable(f) ? 0200 : 0);
	return 0;
}

static int fd_dir_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	return fds_lookup(dir, &fd_node, name, len, out);
}

static int fdinfo_dir_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	return fds_lookup(dir, &fdinfo_node, name, len, out);
}

static bool emit_number(struct inode *dir, struct dir_ctx *c, int n, unsigned dtype)
{
	char name[16];
	int len = ksnprintf(name, sizeof(name), "%d", n);

	return dir_emit(c, name, (size_t)len, text_ino(dir->ino, name, (size_t)len), dtype, TEXT_DYNAMIC + n + 1);
}

static int fds_readdir(struct inode *dir, struct dir_ctx *c)
{
	const struct text_inode *t = text_of(dir);
	unsigned dtype = t->node->dir->lookup == fd_dir_lookup ? DT_LNK : DT_REG;
	struct proc *p;
	int err = look(t, &p);

	if (err)
		return err == -ESRCH ? -ENOENT : err;
	for (int fd = (int)(c->pos - TEXT_DYNAMIC); p->files && (unsigned)fd < p->files->size; fd++) {
		if (fd_file(p, fd) && !emit_number(dir, c, fd, dtype))
			break;
	}
	return 0;
}

static const struct text_dir fd_dir = { fd_dir_lookup, fds_readdir };
static const struct text_dir fdinfo_dir = { fdinfo_dir_lookup, fds_readdir };

/* ---- a process's directory ---- */

#define COMMON_FILES \
	{ .name = "auxv", .mode = REG(0400), .show = auxv_show }, \
	{ .name = "cgroup", .mode = REG(0444), .text = "0::/\n" }, \
	{ .name = "cmdline", .mode = REG(0444), .show = cmdline_show }, \
	{ .name = "comm", .mode = REG(0644), .show = comm_show, .store = comm_store }, \
	{ .name = "cwd", .mode = S_IFLNK | 0777, .readlink = cwd_readlink, .follow = cwd_follow }, \
	{ .name = "environ", .mode = REG(0400), .show = environ_show }, \
	{ .name = "exe", .mode = S_IFLNK | 0777, .readlink = exe_readlink, .follow = exe_follow }, \
	{ .name = "fd", .mode = S_IFDIR | 0500, .dir = &fd_dir }, \
	{ .name = "fdinfo", .mode = S_IFDIR | 0555, .dir = &fdinfo_dir }, \
	{ .name = "gid_map", .mode = REG(0644), .text = "         0          0 4294967295\n" }, \
	{ .name = "io", .mode = REG(0400), .show = procfs_io_show }, \
	{ .name = "limits", .mode = REG(0444), .show = procfs_limits_show }, \
	{ .name = "loginuid", .mode = REG(0644), .text = "4294967295" }, \
	{ .name = "maps", .mode = REG(0444), .show = maps_show }, \
	{ .name = "mem", .mode = REG(0600), .fops = &mem_ops }, \
	{ .name = "mountinfo", .mode = REG(0444), .show = procfs_mountinfo }, \
	{ .name = "mounts", .mode = REG(0444), .show = procfs_mounts }, \
	{ .name = "net", .mode = S_IFDIR | 0555, .children = procfs_net }, \
	{ .name = "oom_score", .mode = REG(0444), .text = "0\n" }, \
	{ .name = "oom_score_adj", .mode = REG(0644), .show = procfs_oom_show, .store = procfs_oom_store }, \
	{ .name = "personality", .mode = REG(0400), .show = procfs_personality_show }, \
	{ .name = "root", .mode = S_IFLNK | 0777, .readlink = root_readlink, .follow = root_follow }, \
	{ .name = "schedstat", .mode = REG(0444), .show = procfs_schedstat_show }, \
	{ .name = "sessionid", .mode = REG(0444), .text = "4294967295" }, \
	{ .name = "setgroups", .mode = REG(0644), .text = "allow\n" }, \
	{ .name = "smaps", .mode = REG(0444), .show = smaps_show }, \
	{ .name = "smaps_rollup", .mode = REG(0444), .show = rollup_show }, \
	{ .name = "stat", .mode = REG(0444), .show = procfs_stat_show }, \
	{ .name = "statm", .mode = REG(0444), .show = procfs_statm_show }, \
	{ .name = "status", .mode = REG(0444), .show = procfs_status_show }, \
	{ .name = "uid_map", .mode = REG(0644), .text = "         0          0 4294967295\n" }, \
	{ .name = "wchan", .mode = REG(0444), .text = "0" }

static const struct text_node task_children[] = { COMMON_FILES, { 0 } };
static const struct text_node task_node = { .mode = S_IFDIR | 0555, .children = task_children };

static int task_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	const struct text_inode *t = text_of(dir);
	int tid = text_number(name, len);
	struct thread *th = tid > 0 ? thread_by_tid(tid) : NULL;

	if (!th || !th->proc || th->proc->pid != t->pid)
		return -ENOENT;
	*out = text_inode_new(dir->super, &task_node, text_ino(dir->ino, name, len), t->pid, tid, 0);
	return *out ? 0 : -ENOMEM;
}

/* Threads in order of their ids, so that a position stays good when some come and go. */
static int task_readdir(struct inode *dir, struct dir_ctx *c)
{
	const struct text_inode *t = text_of(dir);

	for (;;) {
		const struct proc *p = procfs_proc(t);
		int from = (int)(c->pos - TEXT_DYNAMIC), next = 0;
		if (!p)
			return -ENOENT;
		list_each(l, &p->threads) {
			int tid = list_entry(l, struct thread, proc_link)->tid;
			if (tid >= from && (!next || tid < next))
				next = tid;
		}
		if (!next || !emit_number(dir, c, next, DT_DIR))
			return 0;
	}
}

static const struct text_dir task_dir = { task_lookup, task_readdir };

static const struct text_node pid_children[] = {
	COMMON_FILES,
	{ .name = "coredump_filter", .mode = REG(0644), .text = "00000033\n" },
	{ .name = "task", .mode = S_IFDIR | 0555, .dir = &task_dir },
	{ .name = "timerslack_ns", .mode = REG(0666), .text = "50000\n" },
	{ 0 },
};
static const struct text_node pid_node = { .mode = S_IFDIR | 0555, .children = pid_children };

/* A thread's id names its process, too, but is not listed. */
static int pids_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	int n = text_number(name, len);
	struct proc *p = n > 0 ? proc_by_pid(n) : NULL;
	struct thread *th = n > 0 && !p ? thread_by_tid(n) : NULL;

	if (th)
		p = th->proc;
	if (!p)
		return -ENOENT;
	*out = text_inode_new(dir->super, &pid_node, text_ino(dir->ino, name, len), p->pid, n, 0);
	return *out ? 0 : -ENOMEM;
}

static int pids_readdir(struct inode *dir, struct dir_ctx *c)
{
	for (;;) {
		int from = (int)(c->pos - TEXT_DYNAMIC), next = 0;
		list_each(l, &proc_all) {
			int pid = list_entry(l, struct proc, all_link)->pid;
			if (pid >= from && (!next || pid < next))
				next = pid;
		}
		if (!next || !emit_number(dir, c, next, DT_DIR))
			return 0;
	}
}

const struct text_dir procfs_pids = { pids_lookup, pids_readdir };
