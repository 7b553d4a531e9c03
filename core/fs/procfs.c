/* /proc: what concerns the whole system. Processes are in procfs_pid.c, /proc/sys in procfs_sys.c. The formats are
 * those of proc(5), field by field; what we do not count is 0.
 *
 * Missing: kmsg, kcore, net but for unix, irq, tty, the counters of interrupts and disks. */
#include "core/fs/procfs.h"
#include "core/file/file.h"
#include "core/file/shm.h"
#include "core/lib/string.h"
#include "core/lib/util.h"
#include "core/main.h"
#include "core/mm/page.h"
#include "core/mm/slab.h"
#include "core/net/unix.h"
#include "core/proc/proc.h"
#include "core/proc/thread.h"
#include "core/sched.h"
#include "core/timer.h"
#include "plat/plat.h"
#include "shim/abi/errno.h"
#include "shim/abi/resource.h"
#include "shim/abi/stat.h"

#define PROC_MAGIC 0x9fa0
#define REG(perm)  (S_IFREG | (perm))
#define TICK       (NSEC_PER_SEC / 100) /* USER_HZ */

/* ---- self ---- */

static int self_readlink(const struct text_inode *t, char *buf, size_t size)
{
	char text[16];

	if (!current_proc())
		return -ENOENT;
	ksnprintf(text, sizeof(text), "%d", current_proc()->pid);
	return text_copy(buf, size, text);
}

static int thread_self_readlink(const struct text_inode *t, char *buf, size_t size)
{
	char text[32];

	if (!current_proc())
		return -ENOENT;
	ksnprintf(text, sizeof(text), "%d/task/%d", current_proc()->pid, current_thread()->tid);
	return text_copy(buf, size, text);
}

/* ---- mounts ---- */

void procfs_escaped(struct seqbuf *b, const char *s)
{
	for (; *s; s++) {
		if (*s == ' ' || *s == '\t' || *s == '\n' || *s == '\\')
			seqbuf_printf(b, "\\%03o", (unsigned)(uint8_t)*s);
		else
			seqbuf_put(b, s, 1);
	}
}

static void print_point(struct seqbuf *b, struct mount *m, char *buf)
{
	struct path p = { m, m->super->root };
	char *s;

	procfs_escaped(b, path_string(&p, buf, PATH_MAX, &s, true) ? "/" : s);
}

static void print_options(struct seqbuf *b, unsigned flags)
{
	seqbuf_str(b, flags & MS_RDONLY ? "ro" : "rw");
	if (flags & MS_NOSUID)
		seqbuf_str(b, ",nosuid");
	if (flags & MS_NODEV)
		seqbuf_str(b, ",nodev");
	if (flags & MS_NOEXEC)
		seqbuf_str(b, ",noexec");
}

static const char *mount_source(const struct mount *m) { return m->source[0] ? m->source : m->super->type; }

int procfs_mounts(const struct text_inode *t, struct seqbuf *b)
{
	char *buf = kmalloc(PATH_MAX);

	if (!buf)
		return -ENOMEM;
	list_each(p, &mount_all) {
		struct mount *m = list_entry(p, struct mount, link);
		procfs_escaped(b, mount_source(m));
		seqbuf_str(b, " ");
		print_point(b, m, buf);
		seqbuf_printf(b, " %s ", m->super->type);
		print_options(b, m->flags | m->super->flags);
		seqbuf_str(b, ",relatime 0 0\n");
	}
	kfree(buf);
	return 0;
}

/* Numbers follow the order of mounting, which does not change. */
unsigned procfs_mount_id(const struct mount *m)
{
	unsigned id = 20;

	list_each(p, &mount_all) {
		if (list_entry(p, struct mount, link) == m)
			return id;
		id++;
	}
	return 0;
}

int procfs_mountinfo(const struct text_inode *t, struct seqbuf *b)
{
	char *buf = kmalloc(PATH_MAX);

	if (!buf)
		return -ENOMEM;
	list_each(p, &mount_all) {
		struct mount *m = list_entry(p, struct mount, link);
		seqbuf_printf(b, "%u %u %u:%u / ", procfs_mount_id(m), m->parent ? procfs_mount_id(m->parent) : 1,
			      DEV_MAJOR(m->super->dev), DEV_MINOR(m->super->dev));
		print_point(b, m, buf);
		seqbuf_str(b, " ");
		print_options(b, m->flags | m->super->flags);
		seqbuf_printf(b, ",relatime - %s ", m->super->type);
		procfs_escaped(b, mount_source(m));
		seqbuf_printf(b, " %s\n", m->super->flags & MS_RDONLY ? "ro" : "rw");
	}
	kfree(buf);
	return 0;
}

/* ---- memory ---- */

static void kib(struct seqbuf *b, const char *name, size_t pages)
{
	seqbuf_printf(b, "%s:%*lu kB\n", name, 23 - (int)strlen(name), pages * (PAGE_SIZE / 1024));
}

static int meminfo_show(const struct text_inode *t, struct seqbuf *b)
{
	struct page_stats st;
	size_t anon;

	page_stats(&st);
	anon = st.total - st.free - st.cache - st.slab;
	kib(b, "MemTotal", st.total);
	kib(b, "MemFree", st.free);
	kib(b, "MemAvailable", st.free + (st.cache - MIN(st.dirty, st.cache)) * 3 / 4);
	kib(b, "Buffers", 0);
	kib(b, "Cached", st.cache);
	kib(b, "SwapCached", 0);
	kib(b, "Active", anon);
	kib(b, "Inactive", st.cache);
	kib(b, "Unevictable", 0);
	kib(b, "Mlocked", 0);
	kib(b, "SwapTotal", 0);
	kib(b, "SwapFree", 0);
	kib(b, "Dirty", st.dirty);
	kib(b, "Writeback", 0);
	kib(b, "AnonPages", anon);
	kib(b, "Mapped", 0);
	kib(b, "Shmem", 0);
	kib(b, "KReclaimable", 0);
	kib(b, "Slab", st.slab);
	kib(b, "SReclaimable", 0);
	kib(b, "SUnreclaim", st.slab);
	kib(b, "PageTables", 0);
	kib(b, "CommitLimit", st.total);
	kib(b, "Committed_AS", anon);
	seqbuf_printf(b, "VmallocTotal:%14lu kB\n", 34359738367ul);
	kib(b, "VmallocUsed", 0);
	kib(b, "VmallocChunk", 0);
	kib(b, "AnonHugePages", 0);
	seqbuf_str(b, "HugePages_Total:       0\nHugePages_Free:        0\nHugePages_Rsvd:        0\n"
		      "HugePages_Surp:        0\nHugepagesize:       2048 kB\nHugetlb:               0 kB\n");
	return 0;
}

static int vmstat_show(const struct text_inode *t, struct seqbuf *b)
{
	struct page_stats st;

	page_stats(&st);
	seqbuf_printf(b, "nr_free_pages %lu\nnr_file_pages %lu\nnr_dirty %lu\n", st.free, st.cache, st.dirty);
	seqbuf_printf(b, "nr_writeback 0\nnr_slab_unreclaimable %lu\n", st.slab);
	seqbuf_str(b, "pgpgin 0\npgpgout 0\npswpin 0\npswpout 0\noom_kill 0\n");
	return 0;
}

/* ---- time and load ---- */

struct load {
	uint64_t user, system, switches;
	unsigned processes, threads, running;
	int last;
};

static void load_get(struct load *l)
{
	*l = (struct load){ 0 };
	list_each(p, &proc_all) {
		struct proc *proc = list_entry(p, struct proc, all_link);
		uint64_t user, system;
		proc_times(proc, &user, &system);
		l->user += user;
		l->system += system;
		l->processes++;
		list_each(q, &proc->threads) {
			const struct thread *th = list_entry(q, struct thread, proc_link);
			l->threads++;
			l->running += th->state == THREAD_RUNNING || th->state == THREAD_READY;
			l->switches += th->voluntary_switches + th->involuntary_switches;
			l->last = MAX(l->last, th->tid);
		}
		l->last = MAX(l->last, proc->pid);
	}
}

/* ns that nobody used since boot. */
static uint64_t idle_time(const struct load *l)
{
	uint64_t up = clock_mono(), used = l->user + l->system;

	return up > used ? up - used : 0;
}

static int stat_show(const struct text_inode *t, struct seqbuf *b)
{
	struct load l;

	load_get(&l);
	for (int i = 0; i < 2; i++)
		seqbuf_printf(b, "%s %lu 0 %lu %lu 0 0 0 0 0 0\n", i ? "cpu0" : "cpu ", l.user / TICK, l.system / TICK,
			      idle_time(&l) / TICK);
	seqbuf_printf(b, "intr 0\nctxt %lu\nbtime %lu\nprocesses %d\nprocs_running %u\nprocs_blocked 0\n", l.switches,
		      boot_wall() / NSEC_PER_SEC, l.last, MAX(l.running, 1u));
	seqbuf_str(b, "softirq 0 0 0 0 0 0 0 0 0 0 0\n");
	return 0;
}

static void print_centi(struct seqbuf *b, uint64_t ns, const char *end)
{
	seqbuf_printf(b, "%lu.%02lu%s", ns / NSEC_PER_SEC, ns % NSEC_PER_SEC / (NSEC_PER_SEC / 100), end);
}

static int uptime_show(const struct text_inode *t, struct seqbuf *b)
{
	struct load l;

	load_get(&l);
	print_centi(b, clock_mono(), " ");
	print_centi(b, idle_time(&l), "\n");
	return 0;
}

static int loadavg_show(const struct text_inode *t, struct seqbuf *b)
{
	struct load l;

	load_get(&l);
	seqbuf_printf(b, "0.00 0.00 0.00 %u/%u %d\n", MAX(l.running, 1u), l.threads, l.last);
	return 0;
}

/* ---- the rest ---- */

static int version_show(const struct text_inode *t, struct seqbuf *b)
{
	seqbuf_printf(b, "%s version %s (doppel@%s) (gcc %s) %s\n", UNAME_SYSNAME, UNAME_RELEASE, plat_name(),
		      __VERSION__, UNAME_VERSION);
	return 0;
}

static int cmdline_show(const struct text_inode *t, struct seqbuf *b)
{
	seqbuf_printf(b, "%s\n", plat_cmdline());
	return 0;
}

static int cpuinfo_show(const struct text_inode *t, struct seqbuf *b)
{
	cpuinfo_print(b);
	return 0;
}

static int locks_show(const struct text_inode *t, struct seqbuf *b)
{
	lock_print_all(b);
	return 0;
}

static int unix_show(const struct text_inode *t, struct seqbuf *b)
{
	unix_print(b);
	return 0;
}

const struct text_node procfs_net[] = { { .name = "unix", .mode = REG(0444), .show = unix_show }, { 0 } };

static int shm_show(const struct text_inode *t, struct seqbuf *b)
{
	shm_print(b);
	return 0;
}

static const struct text_node sysvipc[] = {
	{ .name = "msg", .mode = REG(0444), .text = "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid"
						    "  cgid      stime      rtime      ctime\n" },
	{ .name = "sem", .mode = REG(0444), .text = "       key      semid perms      nsems   uid   gid  cuid  cgid      otime"
						    "      ctime\n" },
	{ .name = "shm", .mode = REG(0444), .show = shm_show },
	{ 0 },
};

static const struct text_node root_children[] = {
	{ .name = "cgroups", .mode = REG(0444), .text = "#subsys_name\thierarchy\tnum_cgroups\tenabled\n" },
	{ .name = "cmdline", .mode = REG(0444), .show = cmdline_show },
	{ .name = "cpuinfo", .mode = REG(0444), .show = cpuinfo_show },
	{ .name = "devices", .mode = REG(0444), .text = "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n"
							"136 pts\n\nBlock devices:\n" },
	{ .name = "diskstats", .mode = REG(0444), .text = "" },
	{ .name = "filesystems", .mode = REG(0444), .text = "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tdevtmpfs\n"
							    "nodev\toverlay\nnodev\t9p\n" },
	{ .name = "interrupts", .mode = REG(0444), .text = "           CPU0       \n" },
	{ .name = "loadavg", .mode = REG(0444), .show = loadavg_show },
	{ .name = "locks", .mode = REG(0444), .show = locks_show },
	{ .name = "meminfo", .mode = REG(0444), .show = meminfo_show },
	{ .name = "modules", .mode = REG(0444), .text = "" },
	{ .name = "mounts", .mode = S_IFLNK | 0777, .text = "self/mounts" },
	{ .name = "net", .mode = S_IFLNK | 0777, .text = "self/net" },
	{ .name = "partitions", .mode = REG(0444), .text = "major minor  #blocks  name\n\n" },
	{ .name = "self", .mode = S_IFLNK | 0777, .readlink = self_readlink },
	{ .name = "stat", .mode = REG(0444), .show = stat_show },
	{ .name = "swaps", .mode = REG(0444), .text = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n" },
	{ .name = "sys", .mode = S_IFDIR | 0555, .children = procfs_sys },
	{ .name = "sysvipc", .mode = S_IFDIR | 0555, .children = sysvipc },
	{ .name = "thread-self", .mode = S_IFLNK | 0777, .readlink = thread_self_readlink },
	{ .name = "uptime", .mode = REG(0444), .show = uptime_show },
	{ .name = "version", .mode = REG(0444), .show = version_show },
	{ .name = "vmstat", .mode = REG(0444), .show = vmstat_show },
	{ 0 },
};

static const struct text_node root = {
	.name = "", .mode = S_IFDIR | 0555, .children = root_children, .dir = &procfs_pids
};

int procfs_new(struct super **out)
{
	struct super *s;
	int err = text_super_new("proc", PROC_MAGIC, &root, &s);

	if (err)
		return err;
	((struct text_super *)s->priv)->own = procfs_own;
	s->no_new = true;
	*out = s;
	return 0;
}
