/* /proc and /sys: the texts parse as proc(5) says, the links lead where they say, and what is gone is gone. */
#include <stdio.h>
#include <string.h>

#include "core/file/file.h"
#include "core/fs/procfs.h"
#include "core/fs/walk.h"
#include "core/main.h"
#include "core/mm/page.h"
#include "core/mm/slab.h"
#include "core/mm/space.h"
#include "core/mm/uio.h"
#include "core/proc/proc.h"
#include "core/proc/thread.h"
#include "core/sched.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/resource.h"
#include "shim/abi/stat.h"
#include "tests/unit/unit.h"

static struct super *proc_fs, *sys_fs;
static struct inode *root;

static void setup(void)
{
	fake_boot(8ul << 20);
	ck_assert_int_eq(procfs_new(&proc_fs), 0);
	ck_assert_int_eq(sysfs_new(&sys_fs), 0);
	root = proc_fs->root->inode;
}

static void teardown(void)
{
	super_free(proc_fs);
	super_free(sys_fs);
	fake_check_leaks();
}

static int find(struct inode *dir, const char *path, struct inode **out)
{
	struct inode *at = inode_get(dir), *next;

	while (*path) {
		size_t len = strcspn(path, "/");
		struct name n = name_make(path, len);
		int err;
		mutex_lock(&at->lock);
		err = at->ops->lookup ? at->ops->lookup(at, &n, &next) : -ENOTDIR;
		mutex_unlock(&at->lock);
		inode_put(at);
		if (err)
			return err;
		at = next;
		path += len + (path[len] == '/');
	}
	*out = at;
	return 0;
}

static struct inode *get(struct inode *dir, const char *path)
{
	struct inode *i = NULL;
	int err = find(dir, path, &i);

	ck_assert_msg(err == 0, "%s: %d", path, err);
	return i;
}

/* "PID/" and more below it. */
static const char *of_pid(const char *rest)
{
	static char path[64];

	snprintf(path, sizeof(path), "%d/%s", current_proc()->pid, rest);
	return path;
}

static struct file *open_inode(struct inode *i, int flags)
{
	struct path p;
	struct file *f;

	ck_assert_int_eq(path_anon(i, "x", &p), 0);
	ck_assert_int_eq(file_new_path(&p, flags, &f), 0);
	path_put(&p);
	return f;
}

static char text[65536];

static long read_file(struct file *f, size_t step)
{
	size_t done = 0;
	long r;

	do {
		struct uio u;
		uio_kernel(&u, text + done, MIN(step, sizeof(text) - 1 - done), true);
		r = file_read(f, &u);
		if (r < 0)
			return r;
		done += (size_t)r;
	} while (r > 0);
	text[done] = 0;
	return (long)done;
}

static const char *content(struct inode *dir, const char *path)
{
	struct inode *i = get(dir, path);
	struct file *f;
	long r;

	ck_assert(S_ISREG(i->mode));
	f = open_inode(i, O_RDONLY);
	r = read_file(f, 7); /* small pieces must fit together */
	ck_assert_msg(r >= 0, "%s: %ld", path, r);
	file_put(f);
	inode_put(i);
	return text;
}

static long store(const char *path, const char *value)
{
	struct inode *i = get(root, path);
	struct file *f = open_inode(i, O_WRONLY);
	struct uio u;
	long r;

	uio_kernel(&u, (void *)value, strlen(value), false);
	r = file_write(f, &u);
	file_put(f);
	inode_put(i);
	return r;
}

static int link_of(const char *path, char *buf, size_t size)
{
	struct inode *i = get(root, path);
	int r;

	ck_assert(S_ISLNK(i->mode));
	r = i->ops->readlink(i, buf, size);
	if (r >= 0 && (size_t)r < size)
		buf[r] = 0;
	inode_put(i);
	return r;
}

/* ---- the whole system ---- */

START_TEST(self_is_the_current_process)
{
	char buf[64], want[64];

	ck_assert_int_gt(link_of("self", buf, sizeof(buf)), 0);
	snprintf(want, sizeof(want), "%d", current_proc()->pid);
	ck_assert_str_eq(buf, want);
	ck_assert_int_gt(link_of("thread-self", buf, sizeof(buf)), 0);
	snprintf(want, sizeof(want), "%d/task/%d", current_proc()->pid, current_thread()->tid);
	ck_assert_str_eq(buf, want);
	ck_assert_int_eq(link_of("thread-self", buf, 1), 1); /* cut, as readlink(2) does */
	ck_assert_int_gt(link_of("mounts", buf, sizeof(buf)), 0);
	ck_assert_str_eq(buf, "self/mounts");
}
END_TEST

START_TEST(meminfo_adds_up)
{
	unsigned long total, free_kb, available;
	struct page_stats st;

	content(root, "meminfo");
	ck_assert_int_eq(sscanf(text, "MemTotal: %lu kB\nMemFree: %lu kB\nMemAvailable: %lu kB\n", &total, &free_kb,
				&available),
			 3);
	page_stats(&st);
	ck_assert_uint_eq(total, st.total * 4);
	ck_assert_uint_le(free_kb, total);
	ck_assert_uint_ge(available, free_kb);
	for (char *l = strtok(text, "\n"); l; l = strtok(NULL, "\n"))
		ck_assert_msg(strcspn(l, ":") < strlen(l) && strlen(l) >= 24, "line: %s", l);
}
END_TEST

START_TEST(times)
{
	double up, idle;
	unsigned long user, nice, sys, idle_ticks, btime;

	fake_time_set(12345 * NSEC_PER_MSEC);
	ck_assert_int_eq(sscanf(content(root, "uptime"), "%lf %lf\n", &up, &idle), 2);
	ck_assert(up > 12.33 && up < 12.36 && idle <= up);
	ck_assert_int_eq(sscanf(content(root, "stat"), "cpu  %lu %lu %lu %lu", &user, &nice, &sys, &idle_ticks), 4);
	ck_assert_uint_le(user + nice + sys + idle_ticks, 1235);
	const char *b = strstr(text, "\nbtime ");
	ck_assert_ptr_nonnull(b);
	ck_assert_int_eq(sscanf(b, "\nbtime %lu\n", &btime), 1);
	ck_assert_ptr_nonnull(strstr(text, "\ncpu0 "));
	ck_assert_ptr_nonnull(strstr(text, "\nctxt "));
	double l1, l5, l15;
	unsigned running, threads, last;
	content(root, "loadavg");
	ck_assert_int_eq(sscanf(text, "%lf %lf %lf %u/%u %u\n", &l1, &l5, &l15, &running, &threads, &last), 6);
	ck_assert_uint_ge(running, 1);
	ck_assert_uint_ge(threads, running);
}
END_TEST

START_TEST(cpuinfo_names_this_processor)
{
	const char *flags;

	content(root, "cpuinfo");
	ck_assert_ptr_eq(strstr(text, "processor\t: 0\nvendor_id\t: "), text);
	ck_assert_ptr_nonnull(strstr(text, "\nmodel name\t: "));
	flags = strstr(text, "\nflags\t\t: ");
	ck_assert_ptr_nonnull(flags);
	ck_assert_ptr_nonnull(strstr(flags, " fpu "));
	ck_assert_ptr_nonnull(strstr(flags, " sse2 "));
	ck_assert_ptr_nonnull(strstr(flags, " lm "));
	ck_assert_ptr_null(strstr(flags, "  "));
	ck_assert_ptr_null(strstr(flags, " - "));
	/* Every flag we show is one that the host's kernel shows as well, where it describes the same processor
	 * (Valgrind answers CPUID in its own way). */
	FILE *h = fopen("/proc/cpuinfo", "r");
	char line[8192] = "";
	while (h && fgets(line, sizeof(line), h) && strncmp(line, "flags", 5)) {
		if (!strncmp(line, "model name", 10) && !strstr(text, line)) {
			fclose(h);
			return;
		}
	}
	if (h)
		fclose(h);
	if (strncmp(line, "flags", 5))
		return;
	strcat(strtok(line, "\n"), " ");
	char ours[8192], word[64];
	snprintf(ours, sizeof(ours), "%.*s", (int)strcspn(flags + 11, "\n"), flags + 11);
	unsigned unknown = 0;
	for (char *w = strtok(ours, " "); w; w = strtok(NULL, " ")) {
		snprintf(word, sizeof(word), " %s ", w);
		unknown += strstr(line, word) == NULL;
	}
	ck_assert_uint_le(unknown, 4); /* a kernel may mask a few */
}
END_TEST

START_TEST(sys_values)
{
	unsigned a, b;
	char uuid[64];

	ck_assert_str_eq(content(root, "sys/kernel/ostype"), "Linux\n");
	ck_assert_str_eq(content(root, "sys/kernel/osrelease"), UNAME_RELEASE "\n");
	ck_assert_str_eq(content(root, "sys/vm/max_map_count"), "65530\n");
	ck_assert_str_eq(content(root, "sys/fs/nr_open"), "1048576\n");
	ck_assert_str_eq(content(root, "sys/net/core/somaxconn"), "4096\n");
	strcpy(uuid, content(root, "sys/kernel/random/boot_id"));
	ck_assert_str_eq(content(root, "sys/kernel/random/boot_id"), uuid);
	strcpy(uuid, content(root, "sys/kernel/random/uuid"));
	ck_assert_str_ne(content(root, "sys/kernel/random/uuid"), uuid);
	ck_assert_int_eq(sscanf(uuid, "%8x-%*4x-4%*3x-%*4x-%12x\n", &a, &b), 2);
	ck_assert_uint_eq(strlen(uuid), 37);
	ck_assert_int_eq(store("sys/kernel/hostname", "newname\n"), 8);
	ck_assert_str_eq(content(root, "sys/kernel/hostname"), "newname\n");
	ck_assert_str_eq(hostname_get(), "newname");
	ck_assert_int_eq(store("sys/kernel/hostname", "doppel"), 6);
	ck_assert_int_eq(store("sys/kernel/pid_max", "1"), -EINVAL);
}
END_TEST

START_TEST(sysfs_values)
{
	struct inode *i;

	ck_assert_str_eq(content(sys_fs->root->inode, "devices/system/cpu/online"), "0\n");
	ck_assert_str_eq(content(sys_fs->root->inode, "kernel/mm/transparent_hugepage/hpage_pmd_size"), "2097152\n");
	i = get(sys_fs->root->inode, "devices/system/cpu/possible");
	ck_assert_uint_eq(i->size, 4096);
	ck_assert_uint_eq(i->mode, S_IFREG | 0444);
	inode_put(i);
	i = get(sys_fs->root->inode, "fs/cgroup");
	ck_assert(S_ISDIR(i->mode));
	inode_put(i);
	ck_assert_int_eq(find(sys_fs->root->inode, "devices/system/cpu/cpu1", &i), -ENOENT);
}
END_TEST

/* ---- processes ---- */

/* Fields of status that programs look for, in Linux's order. */
static const char *const status_fields[] = {
	"Name:\t", "Umask:\t", "State:\tR (running)", "Tgid:\t", "Ngid:\t0", "Pid:\t", "PPid:\t", "TracerPid:\t0",
	"Uid:\t", "Gid:\t", "FDSize:\t", "Groups:\t", "Threads:\t1", "SigQ:\t", "SigPnd:\t0000000000000000",
	"ShdPnd:\t", "SigBlk:\t", "SigIgn:\t", "SigCgt:\t", "CapInh:\t", "CapPrm:\t000001ffffffffff", "CapEff:\t",
	"CapBnd:\t", "CapAmb:\t", "NoNewPrivs:\t0", "Seccomp:\t0", "Cpus_allowed:\t1", "Cpus_allowed_list:\t0",
	"Mems_allowed:\t", "Mems_allowed_list:\t0", "voluntary_ctxt_switches:\t", "nonvoluntary_ctxt_switches:\t",
};

START_TEST(status_has_all_fields_in_order)
{
	const char *at;
	char want[64];

	fake_space();
	at = content(root, of_pid("status"));
	for (size_t i = 0; i < ARRAY_SIZE(status_fields); i++) {
		const char *found = strstr(at, status_fields[i]);
		ck_assert_msg(found && (found == text || found[-1] == '\n'), "no %s", status_fields[i]);
		at = found;
	}
	snprintf(want, sizeof(want), "\nPid:\t%d\nPPid:\t%d\n", current_proc()->pid, current_proc()->parent->pid);
	ck_assert_ptr_nonnull(strstr(text, want));
	ck_assert_ptr_nonnull(strstr(text, "\nVmRSS:\t       0 kB\n"));
	fake_space_drop();
}
END_TEST

START_TEST(stat_has_52_fields)
{
	int pid, fields = 0;
	char comm[32], state;
	const char *p;

	content(root, of_pid("stat"));
	ck_assert_int_eq(sscanf(text, "%d (%31[^)]) %c", &pid, comm, &state), current_thread()->comm[0] ? 3 : 1);
	ck_assert_int_eq(pid, current_proc()->pid);
	p = strrchr(text, ')') + 2;
	for (const char *q = p; *q; q++)
		fields += *q == ' ' || *q == '\n';
	ck_assert_int_eq(fields + 2, 52);
	ck_assert_int_eq(p[0], 'R');
}
END_TEST

START_TEST(statm_and_limits)
{
	unsigned v[7];
	char line[128];

	content(root, of_pid("statm"));
	ck_assert_int_eq(sscanf(text, "%u %u %u %u %u %u %u\n", v, v + 1, v + 2, v + 3, v + 4, v + 5, v + 6), 7);
	content(root, of_pid("limits"));
	snprintf(line, sizeof(line), "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
	ck_assert_ptr_eq(strstr(text, line), text);
	current_proc()->rlimits[RLIMIT_NOFILE] = (struct rlimit){ 123, RLIM_INFINITY };
	snprintf(line, sizeof(line), "\nMax open files            %-20s %-20s files     \n", "123", "unlimited");
	ck_assert_ptr_nonnull(strstr(content(root, of_pid("limits")), line));
	current_proc()->rlimits[RLIMIT_NOFILE] = (struct rlimit){ 1024, 4096 };
}
END_TEST

START_TEST(comm_can_be_set)
{
	ck_assert_int_eq(store(of_pid("comm"), "a-long-name-for-a-thread\n"), 25);
	ck_assert_str_eq(content(root, of_pid("comm")), "a-long-name-for\n");
	ck_assert_str_eq(current_thread()->comm, "a-long-name-for");
	ck_assert_int_eq(store("1/comm", "x"), -ESRCH); /* no thread of its own, and not ours */
}
END_TEST

START_TEST(oom_score_adj_is_kept)
{
	ck_assert_int_eq(store(of_pid("oom_score_adj"), "-500\n"), 5);
	ck_assert_str_eq(content(root, of_pid("oom_score_adj")), "-500\n");
	ck_assert_int_eq(store(of_pid("oom_score_adj"), "1001"), -EINVAL);
	ck_assert_int_eq(store(of_pid("oom_score_adj"), "x"), -EINVAL);
	ck_assert_int_eq(store(of_pid("oom_score_adj"), "0"), 1);
}
END_TEST

START_TEST(processes_without_memory_have_empty_texts)
{
	static const char *const names[] = { "cmdline", "environ", "auxv", "maps", "smaps", "smaps_rollup" };
	char path[32];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "1/%s", names[i]);
		ck_assert_str_eq(content(root, path), "");
	}
}
END_TEST

START_TEST(arguments_come_from_the_process)
{
	struct space *s = fake_space();
	long at = space_mmap(s, 0, 4 * PAGE_SIZE, 3, 0x22, NULL, 0, NULL);
	static const char args[] = "prog\0-x\0last", env[] = "A=1\0B=2";

	ck_assert_int_gt(at, 0);
	s->arg_start = (vaddr_t)at + PAGE_SIZE - 6; /* over a page's end */
	s->arg_end = s->env_start = s->arg_start + sizeof(args);
	s->env_end = s->env_start + sizeof(env);
	ck_assert_int_eq(copyout(s->arg_start, args, sizeof(args)), 0);
	ck_assert_int_eq(copyout(s->env_start, env, sizeof(env)), 0);
	content(root, of_pid("cmdline"));
	ck_assert_mem_eq(text, args, sizeof(args));
	content(root, of_pid("environ"));
	ck_assert_mem_eq(text, env, sizeof(env));
	/* setproctitle(3) writes over the end. */
	ck_assert_int_eq(copyout(s->arg_start, "a title that runs on", 21), 0);
	ck_assert_str_eq(content(root, of_pid("cmdline")), "a title that runs on");
	/* An address where nothing is. */
	s->arg_start = 0x7000000;
	s->arg_end = 0x7001000;
	ck_assert_str_eq(content(root, of_pid("cmdline")), "");
	fake_space_drop();
}
END_TEST

static const struct file_ops thing_ops = { .anon_name = "thing" }, named_ops = { .anon_name = "anon_inode:[named]" };

START_TEST(descriptors)
{
	struct proc *p = current_proc();
	struct file *a, *b;
	struct inode *i;
	struct path path;
	char buf[64], want[64];
	int fd_a, fd_b;

	ck_assert_int_eq(file_new_anon(&thing_ops, S_IFIFO | 0600, O_RDONLY, NULL, &a), 0);
	ck_assert_int_eq(file_new_anon(&named_ops, 0, O_RDWR, NULL, &b), 0);
	snprintf(want, sizeof(want), "thing:[%lu]", a->inode->ino);
	fd_a = fd_install(a, 0, true);
	fd_b = fd_install(b, 10, false);
	ck_assert_int_ge(fd_a, 0);
	ck_assert_int_ge(fd_b, 10);

	char rel[32];
	snprintf(rel, sizeof(rel), "fd/%d", fd_a);
	ck_assert_int_gt(link_of(of_pid(rel), buf, sizeof(buf)), 0);
	ck_assert_str_eq(buf, want);
	i = get(root, of_pid(rel));
	ck_assert_uint_eq(i->mode, S_IFLNK | 0500);
	ck_assert_int_eq(i->ops->follow(i, &path), 0);
	ck_assert_ptr_eq(path.dentry->inode, a->inode);
	path_put(&path);
	snprintf(rel, sizeof(rel), "fdinfo/%d", fd_a);
	ck_assert_ptr_eq(strstr(content(root, of_pid(rel)), "pos:\t0\nflags:\t02000000\nmnt_id:\t"), text);
	snprintf(rel, sizeof(rel), "fd/%d", fd_b);
	ck_assert_int_gt(link_of(of_pid(rel), buf, sizeof(buf)), 0);
	ck_assert_str_eq(buf, "anon_inode:[named]");
	ck_assert_int_eq(fd_close(fd_a), 0);
	/* The link that was looked up before is dead now. */
	ck_assert_int_eq(i->ops->readlink(i, buf, sizeof(buf)), -ENOENT);
	ck_assert_int_eq(i->ops->follow(i, &path), -ENOENT);
	inode_put(i);
	ck_assert_int_eq(fd_close(fd_b), 0);
	ck_assert_int_eq(find(root, of_pid("fd/4711"), &i), -ENOENT);
	ck_assert_int_eq(find(root, of_pid("fd/-1"), &i), -ENOENT);
	ck_assert_int_eq(find(root, of_pid("fd/00"), &i), -ENOENT);
	(void)p;
}
END_TEST

START_TEST(what_is_not_there)
{
	static const char *const names[] = {
		"4711", "0", "02", "nothing", "self2", "1x", "99999999999999999999", "sys/kernel/x",
	};
	struct inode *i;

	for (size_t k = 0; k < ARRAY_SIZE(names); k++)
		ck_assert_msg(find(root, names[k], &i) == -ENOENT, "%s", names[k]);
	ck_assert_int_eq(find(root, of_pid("task/1"), &i), -ENOENT);
	ck_assert_int_eq(find(root, of_pid("task"), &i), 0);
	inode_put(i);
	char buf[8];
	ck_assert_int_eq(link_of(of_pid("exe"), buf, sizeof(buf)), -ENOENT);
}
END_TEST

/* ---- directories ---- */

struct listing {
	struct dir_ctx c;
	char names[4096];
	unsigned n, max;
	struct inode *dir;
	bool check;
};

static bool emit(struct dir_ctx *c, const char *name, size_t len, uint64_t ino, unsigned dtype, int64_t next)
{
	struct listing *l = container_of(c, struct listing, c);

	if (l->n == l->max)
		return false;
	strcat(l->names, " ");
	strncat(l->names, name, len);
	l->n++;
	return true;
}

/* d_ino and d_type agree with what stat says. */
static bool emit_checked(struct dir_ctx *c, const char *name, size_t len, uint64_t ino, unsigned dtype, int64_t next)
{
	struct listing *l = container_of(c, struct listing, c);
	struct name n = name_make(name, len);
	struct inode *i;

	ck_assert_int_eq(l->dir->ops->lookup(l->dir, &n, &i), 0);
	ck_assert_uint_eq(i->ino, ino);
	ck_assert_uint_eq(mode_dtype(i->mode), dtype);
	inode_put(i);
	return emit(c, name, len, ino, dtype, next);
}

static void list(struct inode *dir, struct listing *l, unsigned max)
{
	l->c.emit = emit_checked;
	l->dir = dir;
	l->max = l->n + max;
	mutex_lock(&dir->lock);
	ck_assert_int_eq(dir->ops->readdir(dir, NULL, &l->c), 0);
	mutex_unlock(&dir->lock);
}

START_TEST(listings_are_stable)
{
	struct listing all = { .c.pos = 2 }, parts = { .c.pos = 2 };
	char want[32];

	list(root, &all, 1000);
	for (unsigned n = 0; n < all.n + 3; n++)
		list(root, &parts, 1);
	ck_assert_str_eq(all.names, parts.names);
	ck_assert_ptr_nonnull(strstr(all.names, " self"));
	snprintf(want, sizeof(want), " 1 %d", current_proc()->pid);
	ck_assert_ptr_nonnull(strstr(all.names, want));
	struct inode *dir = get(root, of_pid(""));
	struct listing pid = { .c.pos = 2 }, tasks = { .c.pos = 2 };
	list(dir, &pid, 1000);
	ck_assert_ptr_nonnull(strstr(pid.names, " maps"));
	inode_put(dir);
	dir = get(root, of_pid("task"));
	list(dir, &tasks, 1000);
	snprintf(want, sizeof(want), " %d", current_thread()->tid);
	ck_assert_str_eq(tasks.names, want);
	inode_put(dir);
}
END_TEST

/* ---- reading ---- */

START_TEST(reading_again_from_the_start_makes_a_new_text)
{
	struct inode *i = get(root, "sys/kernel/random/uuid");
	struct file *f = open_inode(i, O_RDONLY);
	char first[64];

	ck_assert_uint_eq(i->size, 0);
	ck_assert_int_eq(read_file(f, 10), 37);
	strcpy(first, text);
	ck_assert_int_eq(file_seek(f, 5, SEEK_SET), 5);
	ck_assert_int_eq(read_file(f, 100), 32);
	ck_assert_str_eq(text, first + 5);
	ck_assert_int_eq(file_seek(f, 0, SEEK_SET), 0);
	ck_assert_int_eq(read_file(f, 100), 37);
	ck_assert_str_ne(text, first);
	ck_assert_int_eq(file_seek(f, 0, SEEK_END), -EINVAL);
	ck_assert_int_eq(file_seek(f, 1000, SEEK_SET), 1000);
	ck_assert_int_eq(read_file(f, 100), 0);
	file_put(f);
	inode_put(i);
}
END_TEST

static void read_everything(struct inode *dir, unsigned depth);

static bool emit_and_read(struct dir_ctx *c, const char *name, size_t len, uint64_t ino, unsigned dtype, int64_t next)
{
	struct listing *l = container_of(c, struct listing, c);
	struct name n = name_make(name, len);
	struct inode *i;
	char buf[64];

	if (l->dir->ops->lookup(l->dir, &n, &i))
		return true;
	if (S_ISDIR(i->mode) && l->max < 6)
		read_everything(i, l->max + 1);
	else if (S_ISLNK(i->mode))
		(void)i->ops->readlink(i, buf, sizeof(buf));
	else if (S_ISREG(i->mode)) {
		struct path p;
		struct file *f;
		if (path_anon(i, "x", &p) == 0) {
			if (file_new_path(&p, O_RDONLY, &f) == 0) {
				(void)read_file(f, sizeof(text) - 1);
				file_put(f);
			}
			path_put(&p);
		}
	}
	inode_put(i);
	return true;
}

static void read_everything(struct inode *dir, unsigned depth)
{
	struct listing l = { .c = { .emit = emit_and_read, .pos = 2 }, .dir = dir, .max = depth };

	(void)dir->ops->readdir(dir, NULL, &l.c);
}

START_TEST(each_allocation_failure_is_survived)
{
	struct super *s;

	fake_space();
	FAKE_EACH_FAILURE(n) {
		if (_i == 1) {
			read_everything(root, 0);
		} else {
			int err = procfs_new(&s);
			ck_assert(err == 0 || err == -ENOMEM);
			if (!err)
				super_free(s);
		}
	}
	fake_space_drop();
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("procfs", &tc, setup, teardown);

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, self_is_the_current_process);
	tcase_add_test(tc, meminfo_adds_up);
	tcase_add_test(tc, times);
	tcase_add_test(tc, cpuinfo_names_this_processor);
	tcase_add_test(tc, sys_values);
	tcase_add_test(tc, sysfs_values);
	tcase_add_test(tc, status_has_all_fields_in_order);
	tcase_add_test(tc, stat_has_52_fields);
	tcase_add_test(tc, statm_and_limits);
	tcase_add_test(tc, comm_can_be_set);
	tcase_add_test(tc, oom_score_adj_is_kept);
	tcase_add_test(tc, processes_without_memory_have_empty_texts);
	tcase_add_test(tc, arguments_come_from_the_process);
	tcase_add_test(tc, descriptors);
	tcase_add_test(tc, what_is_not_there);
	tcase_add_test(tc, listings_are_stable);
	tcase_add_test(tc, reading_again_from_the_start_makes_a_new_text);
	tcase_add_loop_test(tc, each_allocation_failure_is_survived, 0, 2);
	return s;
}
