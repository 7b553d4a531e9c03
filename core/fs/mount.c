/* Mounts, and the file systems the machine begins with.
 *
 * A mount covers one dentry (dentry->mounted) with the root of a super; every super is mounted once. The root mount
 * covers nothing. Mounts stay until the end: there is no umount(2).
 *
 * Boot: the root as the command line says (core/boot.h), the kernel's own file systems over it, then the exports.
 * Their mount points are made where the root can be written; where something is missing that cannot be made, the
 * machine ends with a line that says what.
 *
 * An export may be mounted whole, or one file of its top directory: the mount's root is that file then, and the guest sees
 * nothing of the directory around it.
 *
 * Missing: bind mounts, propagation, mount namespaces, remounting. */
#include "core/boot.h"
#include "core/fs/walk.h"
#include "core/lib/util.h"
#include "core/mm/slab.h"
#include "core/printf.h"
#include "core/proc/proc.h"
#include "core/sched.h"
#include "plat/plat.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/resource.h"
#include "shim/abi/stat.h"

#define WORD_MAX (BOOT_WORD_MAX + 1u)

struct list mount_all = LIST_INIT(mount_all);
static struct mount *root_mount;

struct mount *mount_root(void) { return root_mount; }

bool mount_covers(const struct inode *i)
{
	list_each(p, &mount_all) {
		const struct dentry *d = list_entry(p, struct mount, link)->point;

		for (; d; d = d == d->parent ? NULL : d->parent)
			if (d->inode == i)
				return true;
	}
	return false;
}

void mount_root_path(struct path *out)
{
	*out = (struct path){ root_mount, root_mount->super->root };
	path_get(out);
}

int mount_add(struct super *s, const struct path *at, unsigned flags, const char *source)
{
	struct mount *m;

	if (at ? at->dentry->mounted != NULL : root_mount != NULL)
		return -EBUSY;
	if (at && S_ISDIR(at->dentry->inode->mode) != S_ISDIR(s->root->inode->mode))
		return -ENOTDIR;
	m = kzalloc(sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->super = s;
	m->flags = flags;
	s->flags |= flags;
	(void)str_copy(m->source, source, sizeof(m->source));
	if (at) {
		m->parent = at->mnt;
		m->point = dentry_get(at->dentry);
		m->point->mounted = m;
		dentry_remember(m->point);
	} else {
		root_mount = m;
	}
	list_append(&mount_all, &m->link);
	return 0;
}

struct super *mount_release_root(void)
{
	struct mount *m = root_mount;
	struct super *s = m->super;

	list_remove(&m->link);
	root_mount = NULL;
	kfree(m);
	return s;
}

void mount_drop_all(void)
{
	while (!list_empty(&mount_all)) {
		struct mount *m = list_entry(mount_all.prev, struct mount, link);
		struct super *s = m->super;

		list_remove(&m->link);
		if (m->point) {
			m->point->mounted = NULL;
			dentry_put(m->point);
		}
		if (m == root_mount)
			root_mount = NULL;
		kfree(m);
		super_free(s);
	}
}

/* ---- boot ---- */

/* Makes what is missing of an absolute path: directories, and at its end a file if that is asked for. */
static int make_point(char *path, bool dir)
{
	int r = 0;

	for (char *p = path + 1; !r; p++) {
		char c = *p;

		if (c != '/' && c)
			continue;
		*p = 0;
		r = dir || c ? vfs_mkdir(AT_FDCWD, path, 0755) : vfs_mknod(AT_FDCWD, path, S_IFREG | 0644, 0, NULL);
		*p = c;
		if (r == -EEXIST)
			r = 0;
		if (!c)
			break;
	}
	return r;
}

/* Docker's exit status for a container that cannot be made as it was asked for. */
static _Noreturn void no_mount_point(const char *what, const char *where, int r, bool dir)
{
	const char *why = r == -EROFS ? "missing in the guest, and its file system is read-only"
			: r == -ENOTDIR && dir ? "not a directory in the guest"
			: r == -ENOTDIR ? "a part of the path is not a directory in the guest"
			: r == -EISDIR ? "a directory in the guest, which a file cannot be mounted on"
			: r == -EBUSY ? "something is mounted there already"
			: r == -ENOENT ? "a symbolic link in the guest that leads nowhere"
			: r == -EPERM ? "missing in the guest, and it cannot be made in this file system"
				      : NULL;

	if (why)
		boot_refuse("%s%s: %s", what, where, why);
	boot_refuse("%s%s: cannot be mounted on: error %d", what, where, -r);
}

/* What a file system with such a root is mounted on: `where`, made if it is missing. */
static int mount_point(const char *where, bool dir, struct path *out)
{
	unsigned flags = WALK_FOLLOW | (dir ? WALK_DIRECTORY : 0);
	int r = path_walk(NULL, where, flags, out);

	if (r == -ENOENT) {
		char *path = kstrdup(where);

		r = path ? make_point(path, dir) : -ENOMEM;
		kfree(path);
		if (!r)
			r = path_walk(NULL, where, flags, out);
	}
	if (!r && !dir && S_ISDIR(out->dentry->inode->mode)) {
		path_put(out);
		r = -EISDIR;
	}
	return r;
}

/* Ends the machine when that cannot be. what: how the user named it, before `where`. */
static void mount_over(struct super *s, const char *what, const char *where, unsigned flags, const char *source)
{
	bool dir = S_ISDIR(s->root->inode->mode);
	struct path at;
	int r = mount_point(where, dir, &at);

	if (!r) {
		r = mount_add(s, &at, flags, source);
		path_put(&at);
	}
	if (r)
		no_mount_point(what, where, r, dir);
}

static struct super *export_new(const char *tag, const char *file, bool readonly)
{
	struct super *s;
	int r = p9_new(tag, file, readonly, &s);

	if (r == -ENODEV)
		boot_refuse("9p:%s: the host exports nothing under this tag", tag);
	if (r)
		boot_refuse("9p:%s: cannot be mounted: error %d", tag, -r);
	return s;
}

/* *s is read after the call that fills it in, wherever the compiler puts that. */
static struct super *must(int r, struct super **s, const char *what)
{
	if (r)
		boot_refuse("%s: error %d; give the guest more memory with -m", what, -r);
	return *s;
}

static uint64_t ram_share(unsigned percent)
{
	struct page_stats st;

	page_stats(&st);
	return ((uint64_t)st.total << PAGE_SHIFT) / 100 * percent;
}

static struct super *new_tmpfs(unsigned percent, uint32_t mode)
{
	struct super *s = NULL;

	return must(tmpfs_new(&s, ram_share(percent), mode), &s, "tmpfs");
}

static struct super *root_cpio(void)
{
	struct super *s = new_tmpfs(75, 0755);
	size_t len;
	const void *data = plat_initrd(&len);

	if (!data)
		boot_refuse("root=cpio: there is no archive (initrd)");
	if (cpio_unpack(s, data, len))
		boot_refuse("root=cpio: the archive is unusable");
	return s;
}

static struct super *root_9p(const char *tag, bool readonly)
{
	struct super *lower = export_new(tag, NULL, true), *s = NULL;

	if (readonly)
		return lower;
	return must(overlay_new(lower, &s), &s, "overlay");
}

static void mount_root_fs(char *word)
{
	bool readonly = boot_flag("ro");
	const char *root = boot_word("root", 0, word, WORD_MAX);
	struct super *s;
	size_t len;

	if (!root)
		root = plat_initrd(&len) ? "cpio" : "tmpfs";
	if (!strncmp(root, "9p:", 3))
		s = root_9p(root + 3, readonly);
	else if (!strcmp(root, "cpio"))
		s = root_cpio();
	else if (!strcmp(root, "tmpfs"))
		s = new_tmpfs(75, 0755);
	else
		boot_refuse("root=%s: not 9p:TAG, cpio or tmpfs", root);
	if (mount_add(s, NULL, 0, !strncmp(root, "9p:", 3) ? root + 3 : root))
		boot_refuse("no memory for the root mount; give the guest more with -m");
	if (!strcmp(s->type, "tmpfs") && !vfs_mkdir(AT_FDCWD, "/tmp", 0777)) {
		struct path tmp;

		if (!path_walk(NULL, "/tmp", 0, &tmp)) {
			tmp.dentry->inode->mode = S_IFDIR | 01777;
			path_put(&tmp);
		}
	}
}

static void mount_kernel_fs(void)
{
	struct super *s = NULL;

	mount_over(must(procfs_new(&s), &s, "proc"), "", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "proc");
	mount_over(must(sysfs_new(&s), &s, "sysfs"), "", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, "sysfs");
	mount_over(must(devfs_new(&s), &s, "devtmpfs"), "", "/dev", MS_NOSUID, "udev");
	mount_over(new_tmpfs(50, 01777), "", "/dev/shm", MS_NOSUID | MS_NODEV, "tmpfs");
	mount_over(new_tmpfs(20, 0755), "", "/run", MS_NOSUID | MS_NODEV, "tmpfs");
}

/* \ooo becomes the character, in place, as in /proc/mounts. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++, to++) {
		*to = *s;
		if (*s == '\\' && s[1] && s[2] && s[3]) {
			*to = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		}
	}
	*to = 0;
}

/* mount=9p:TAG[/FILE]:PATH[:ro] */
static void mount_export(char *word)
{
	char *tag = word + 3, *path, *file;
	size_t len;
	bool readonly;

	path = strncmp(word, "9p:", 3) ? NULL : strchr(tag, ':');
	if (!path || path[1] != '/')
		boot_refuse("mount=%s: not 9p:TAG[/FILE]:PATH[:ro]", word);
	*path++ = 0;
	len = strlen(path);
	readonly = len > 3 && !strcmp(path + len - 3, ":ro");
	if (readonly)
		path[len - 3] = 0;
	unescape(path);
	file = strchr(tag, '/');
	if (file) {
		*file++ = 0;
		unescape(file);
	}
	mount_over(export_new(tag, file, readonly), "-v HOST:", path, readonly ? MS_RDONLY : 0, tag);
}

void vfs_boot_dirs(struct path *root, struct path *cwd)
{
	const char *dir = boot_params()->cwd;
	int r;

	if (!dir || !*dir)
		dir = "/";
	mount_root_path(root);
	r = path_walk(root, dir, WALK_FOLLOW | WALK_DIRECTORY, cwd);
	if (!r)
		return;
	/* Docker's exit status for a container that cannot be started. */
	if (r == -ENOENT)
		kprintf("doppel: %s: no such directory in the guest's root; add -v or --root\n", dir);
	else
		kprintf("doppel: %s: %s in the guest's root (error %d)\n", dir,
			r == -ENOTDIR ? "is not a directory" : "cannot be the working directory", -r);
	plat_exit(126 << 8);
}

void vfs_init(void)
{
	struct proc *p = current_proc();
	char word[WORD_MAX];

	mount_root_fs(word);
	mount_kernel_fs();
	for (unsigned i = 0; boot_word("mount", i, word, WORD_MAX); i++)
		mount_export(word);
	if (boot_flag("ro"))
		root_mount->super->flags |= MS_RDONLY; /* now that every mount point is in it */
	if (p && p->fs) {
		path_put(p->fs->root);
		path_put(p->fs->cwd);
		vfs_boot_dirs(p->fs->root, p->fs->cwd);
	}
}
