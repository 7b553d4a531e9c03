/* What the tests of file systems share: a root for the current process, identities, short forms of calls. */
#ifndef TESTS_UNIT_FSTEST_H
#define TESTS_UNIT_FSTEST_H

#include <stdio.h>
#include <string.h>
/* The host's header has them, too. */
#undef RENAME_NOREPLACE
#undef RENAME_EXCHANGE
#undef RENAME_WHITEOUT

#include "core/file/file.h"
#include "core/fs/walk.h"
#include "core/mm/page.h"
#include "core/mm/slab.h"
#include "core/proc/proc.h"
#include "core/sched.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/resource.h"
#include "shim/abi/stat.h"
#include "tests/unit/unit.h"

#define FS_RAM (64ul << 20)

#define OK(call)       ck_assert_int_eq((call), 0)
#define ERR(err, call) ck_assert_int_eq((call), -(err))

/* ---- identity ---- */

static inline void be(uint32_t uid, uint32_t gid)
{
	struct cred *c = current_proc()->cred;

	c->ruid = c->euid = c->suid = c->fsuid = uid;
	c->rgid = c->egid = c->sgid = c->fsgid = gid;
}

static inline void be_root(void) { be(0, 0); }

/* ---- the root ---- */

/* s becomes the root file system and the process's root and working directory. */
static inline void fs_mount(struct super *s)
{
	struct proc *p = current_proc();

	OK(mount_add(s, NULL, 0, "test"));
	mount_root_path(p->fs->root);
	mount_root_path(p->fs->cwd);
	p->fs->umask = 022;
	be_root();
}

static inline void fs_unmount(void)
{
	struct proc *p = current_proc();

	be_root();
	path_put(p->fs->root);
	path_put(p->fs->cwd);
	mount_drop_all();
}

static inline void fs_setup(void)
{
	struct super *s;

	fake_boot(FS_RAM);
	OK(tmpfs_new(&s, 0, 0755));
	fs_mount(s);
}

static inline void fs_teardown(void)
{
	fs_unmount();
	fake_check_leaks();
}

/* Kernel objects alive, without what is only cached; pages count, too. */
static inline size_t fs_objects(void)
{
	struct page_stats st;

	while (dcache_reclaim(1024))
		;
	while (pagecache_reclaim(1024))
		;
	page_stats(&st);
	return kmalloc_live() + st.total - st.free;
}

/* ---- short forms ---- */

static inline int t_mkdir(const char *p, uint32_t mode) { return vfs_mkdir(AT_FDCWD, p, mode); }
static inline int t_rmdir(const char *p) { return vfs_unlink(AT_FDCWD, p, true); }
static inline int t_unlink(const char *p) { return vfs_unlink(AT_FDCWD, p, false); }
static inline int t_symlink(const char *target, const char *p) { return vfs_symlink(target, AT_FDCWD, p); }
static inline int t_link(const char *o, const char *n) { return vfs_link(AT_FDCWD, o, AT_FDCWD, n, 0); }
static inline int t_rename(const char *o, const char *n) { return vfs_rename(AT_FDCWD, o, AT_FDCWD, n, 0); }
static inline int t_rename2(const char *o, const char *n, unsigned flags)
{
	return vfs_rename(AT_FDCWD, o, AT_FDCWD, n, flags);
}
static inline int t_mknod(const char *p, uint32_t mode, uint64_t dev) { return vfs_mknod(AT_FDCWD, p, mode, dev, NULL); }
static inline int t_lookup(const char *p, struct path *out) { return vfs_lookup(AT_FDCWD, p, 0, out); }

static inline int t_open(const char *p, int flags, uint32_t mode, struct file **f)
{
	return vfs_open(AT_FDCWD, p, flags, mode, 0, f);
}

/* Opens and closes: 0 or -errno. */
static inline int t_touch(const char *p, int flags, uint32_t mode)
{
	struct file *f;
	int r = t_open(p, flags, mode, &f);

	if (!r)
		file_put(f);
	return r;
}

static inline int t_create(const char *p) { return t_touch(p, O_CREAT | O_EXCL | O_WRONLY, 0644); }

static inline long f_pread(struct file *f, void *buf, size_t n, int64_t pos)
{
	struct uio u;

	uio_kernel(&u, buf, n, true);
	return file_pread(f, &u, pos);
}

static inline long f_pwrite(struct file *f, const void *buf, size_t n, int64_t pos)
{
	struct uio u;

	uio_kernel(&u, (void *)buf, n, false);
	return file_pwrite(f, &u, pos);
}

static inline long t_write(const char *p, const char *text, int64_t pos)
{
	struct file *f;
	long r = t_open(p, O_WRONLY | O_CREAT, 0644, &f);

	if (r)
		return r;
	r = f_pwrite(f, text, strlen(text), pos);
	file_put(f);
	return r;
}

/* The file's contents as a string (static), or "E<errno>". */
static inline const char *t_read(const char *p)
{
	static char buf[8192];
	struct file *f;
	long r = t_open(p, O_RDONLY, 0, &f);

	if (!r) {
		r = f_pread(f, buf, sizeof(buf) - 1, 0);
		file_put(f);
		if (r >= 0) {
			buf[r] = 0;
			return buf;
		}
	}
	snprintf(buf, sizeof(buf), "E%ld", -r);
	return buf;
}

/* The inode that a path names (nofollow), without a reference; NULL. For looking at attributes at once. */
static inline struct inode *t_inode(const char *p)
{
	struct path path;
	struct inode *i;

	if (vfs_lookup(AT_FDCWD, p, AT_SYMLINK_NOFOLLOW, &path))
		return NULL;
	i = path.dentry->inode;
	path_put(&path);
	return i;
}

static inline int t_chmod(const char *p, uint32_t mode)
{
	struct iattr a = { .valid = ATTR_MODE, .mode = mode };
	struct path path;
	int r = t_lookup(p, &path);

	if (r)
		return r;
	r = vfs_setattr(path.dentry->inode, &a);
	path_put(&path);
	return r;
}

static inline int t_chown(const char *p, uint32_t uid, uint32_t gid)
{
	struct iattr a = { .valid = (uid == ~0u ? 0 : ATTR_UID) | (gid == ~0u ? 0 : ATTR_GID), .uid = uid, .gid = gid };
	struct path path;
	int r = t_lookup(p, &path);

	if (r)
		return r;
	r = vfs_setattr(path.dentry->inode, &a);
	path_put(&path);
	return r;
}

static inline int t_truncate(const char *p, uint64_t size)
{
	struct path path;
	int r = t_lookup(p, &path);

	if (r)
		return r;
	r = vfs_truncate(path.dentry->inode, size);
	path_put(&path);
	return r;
}

/* ---- directory listings ---- */

struct t_entry {
	char name[NAME_MAX + 1];
	uint64_t ino;
	unsigned dtype;
	int64_t next;
};

struct t_list {
	struct dir_ctx ctx;
	struct t_entry *e;
	unsigned n, max; /* takes no more than max at a time */
};

static inline bool t_list_emit(struct dir_ctx *c, const char *name, size_t len, uint64_t ino, unsigned dtype,
			       int64_t next)
{
	struct t_list *l = container_of(c, struct t_list, ctx);

	if (l->n == l->max)
		return false;
	memcpy(l->e[l->n].name, name, len);
	l->e[l->n].name[len] = 0;
	l->e[l->n].ino = ino;
	l->e[l->n].dtype = dtype;
	l->e[l->n++].next = next;
	return true;
}

/* Up to max more entries of an open directory: how many, or -errno. */
static inline int t_readdir(struct file *f, struct t_entry *e, unsigned max)
{
	struct t_list l = { { t_list_emit, 0 }, e, 0, max };
	int r = file_readdir(f, &l.ctx);

	return r ? r : (int)l.n;
}

/* All names but the dots, sorted, joined by spaces (static). */
static inline const char *t_ls(const char *path)
{
	static char text[16384];
	static struct t_entry e[512];
	struct file *f;
	unsigned n = 0;
	int r = t_open(path, O_RDONLY | O_DIRECTORY, 0, &f);

	if (!r) {
		while ((r = t_readdir(f, e + n, 7)) > 0)
			n += (unsigned)r;
		file_put(f);
	}
	if (r < 0) {
		snprintf(text, sizeof(text), "E%d", -r);
		return text;
	}
	text[0] = 0;
	for (;;) {
		struct t_entry *least = NULL;

		for (unsigned i = 0; i < n; i++)
			if (e[i].name[0] && strcmp(e[i].name, ".") && strcmp(e[i].name, "..") &&
			    (!least || strcmp(e[i].name, least->name) < 0))
				least = &e[i];
		if (!least)
			return text;
		if (text[0])
			strcat(text, " ");
		strcat(text, least->name);
		least->name[0] = 0;
	}
}

#endif
