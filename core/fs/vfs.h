/* The virtual file system: inodes, dentries, mounts, paths, and the operations that syscalls ask of them.
 *
 * Inodes hold data and attributes; dentries name them in a tree (a dentry without inode is a known absence); a path
 * is a dentry seen through a mount. Each is reference counted: x_get, x_put.
 * Locks: inode->lock is held over every change of a directory or of a file's size; order parent → child; rename takes
 * super->rename_lock first. Lookups that miss the cache take the directory's lock. */
#ifndef CORE_FS_VFS_H
#define CORE_FS_VFS_H

#include "core/lib/list.h"
#include "core/mm/pagecache.h"
#include "core/wait.h"

struct file;
struct file_ops;
struct inode;
struct dentry;
struct super;
struct mount;
struct flock_state;
struct path;

#define NAME_MAX 255
#define PATH_MAX 4096

struct timespec64 {
	int64_t sec;
	int64_t nsec;
};

/* A path component; not terminated. */
struct name {
	const char *s;
	uint32_t len;
	uint32_t hash; /* name_hash(); filled by the walker */
};

/* What setattr changes. */
struct iattr {
	unsigned valid; /* ATTR_ */
	uint32_t mode, uid, gid;
	uint64_t size;
	struct timespec64 atime, mtime;
};
enum {
	ATTR_MODE = 1, ATTR_UID = 2, ATTR_GID = 4, ATTR_SIZE = 8,
	ATTR_ATIME = 16, ATTR_MTIME = 32, ATTR_ATIME_NOW = 64, ATTR_MTIME_NOW = 128, ATTR_CTIME = 256,
	ATTR_CHOWN = 512, /* chown(2), perhaps of neither: set-user-ID bits go */
};

/* One entry handed out by readdir; returns false when the caller's buffer is full (the same entry comes again at
 * `pos`). Whoever calls emit stores next_pos in pos when it returned true: dir_emit() does both. */
struct dir_ctx {
	bool (*emit)(struct dir_ctx *c, const char *name, size_t len, uint64_t ino, unsigned dtype, int64_t next_pos);
	int64_t pos; /* where to go on: 0, 1 are "." and "..", emitted by the VFS; the file system's own start at 2 */
};

static inline bool dir_emit(struct dir_ctx *c, const char *name, size_t len, uint64_t ino, unsigned dtype,
			    int64_t next_pos)
{
	if (!c->emit(c, name, len, ino, dtype, next_pos))
		return false;
	c->pos = next_pos;
	return true;
}

struct statfs_k {
	uint64_t type, bsize, blocks, bfree, bavail, files, ffree, namelen, frsize, flags;
};

/* A file system's operations on an inode. A missing one answers with the default in brackets. All but the last group
 * are called with inode (dir) locked; all may sleep. New inodes are returned with one reference. */
struct inode_ops {
	int (*lookup)(struct inode *dir, const struct name *n, struct inode **out);                  /* [-ENOENT] */
	/* mode holds the type: regular, directory, FIFO, socket, device [-EPERM] */
	int (*mknod)(struct inode *dir, const struct name *n, uint32_t mode, uint64_t rdev, struct inode **out);
	int (*symlink)(struct inode *dir, const struct name *n, const char *target, struct inode **out); /* [-EPERM] */
	int (*link)(struct inode *dir, const struct name *n, struct inode *inode);                   /* [-EPERM] */
	int (*unlink)(struct inode *dir, const struct name *n, struct inode *inode);                 /* [-EPERM] */
	int (*rmdir)(struct inode *dir, const struct name *n, struct inode *inode);                  /* [-EPERM] */
	/* target is the inode that is replaced, or NULL; flags: RENAME_NOREPLACE (checked already), RENAME_EXCHANGE */
	int (*rename)(struct inode *odir, const struct name *on, struct inode *inode, struct inode *ndir,
		      const struct name *nn, struct inode *target, unsigned flags);                  /* [-EPERM] */
	/* Carries a change out at the source. The VFS has checked the right to it, has filled in the times
	 * (ATTR_ATIME and ATTR_MTIME are set beside ATTR_…_NOW), and stores the new attributes in the inode
	 * (inode_apply) after a 0; for ATTR_SIZE it also stores the size and truncates the page cache. */
	int (*setattr)(struct inode *inode, const struct iattr *a);                                  /* [-EPERM] */
	int (*readdir)(struct inode *dir, struct file *f, struct dir_ctx *c);                        /* [-ENOTDIR] */
	int (*fallocate)(struct inode *inode, int mode, uint64_t off, uint64_t len);                 /* [-EOPNOTSUPP] */
	/* A nameless regular file with nlink 0, for O_TMPFILE. */
	/* linkable: link() may give it a name later; it has i->linkable then */
	int (*tmpfile)(struct inode *dir, uint32_t mode, bool linkable, struct inode **out);         /* [-EOPNOTSUPP] */
	/* Before bytes [off, off + len) are written (len 0: before a writable shared mapping): how many of them there
	 * is room for, at least one, or -ENOSPC. */
	int64_t (*reserve)(struct inode *inode, uint64_t off, uint64_t len);                         /* [len] */
	/* value (kmalloc'ed) NULL: removes. flags XATTR_CREATE, XATTR_REPLACE. -ENODATA, -EEXIST, -ENOSPC, … */
	int (*setxattr)(struct inode *inode, const char *name, const void *value, size_t size, unsigned flags); /* [-EOPNOTSUPP] */
	/* lseek(2) SEEK_DATA (SEEK_HOLE when hole is set) from off < size; never beyond size. -ENXIO: no data there. */
	int64_t (*seek_data)(struct inode *inode, uint64_t off, bool hole);                          /* [all is data] */

	/* not locked: */
	int (*readlink)(struct inode *inode, char *buf, size_t size); /* length; not terminated */    /* [-EINVAL] */
	int (*follow)(struct inode *inode, struct path *out); /* magic links (/proc/self/fd/N) */    /* [readlink] */
	int (*getattr)(struct inode *inode); /* refreshes the fields below from the source */         /* [nothing] */
	int (*revalidate)(struct inode *inode); /* at open: 0, or -ESTALE: look it up again */        /* [0] */
	int (*open)(struct inode *inode, struct file *f); /* may set f->ops and f->priv */            /* [by type] */
	/* page cache: fills / writes n consecutive busy pages from index; a short file's rest is zeroed by the cache */
	int (*read_pages)(struct inode *inode, struct page **pages, uint64_t index, unsigned n);
	int (*write_pages)(struct inode *inode, struct page **pages, uint64_t index, unsigned n);
	int (*fsync)(struct inode *inode, bool data_only);                                           /* [0] */
	/* xattr(7), names of the user namespace: the length of a value, or of the names when name is "" (others may be among
	 * them), copied unless size is 0; buf is kmalloc'ed. -ENODATA, -ERANGE */
	long (*getxattr)(struct inode *inode, const char *name, void *buf, size_t size);             /* [-EOPNOTSUPP] */
	void (*evict)(struct inode *inode); /* last reference gone: frees what is the file system's */
};

struct inode {
	const struct inode_ops *ops;
	const struct file_ops *fops; /* for opened files of special kinds; NULL: by type */
	struct super *super;
	unsigned refs;
	uint64_t ino;
	uint32_t mode;  /* type and permissions, S_IF… */
	uint32_t uid, gid, nlink;
	uint64_t rdev;
	uint64_t size;
	uint64_t blocks; /* of 512 bytes; 0: computed from size; BLOCKS_NONE: none */
	struct timespec64 atime, mtime, ctime, btime;
	struct mutex lock;
	struct pagecache cache;
	struct list hash_link;  /* super->inodes, for inode_find */
	const char *link;       /* a symlink's target, in memory as long as the inode; NULL: readlink() is asked */
	bool linkable;          /* O_TMPFILE: nlink 0, but linkat(2) may name it */
	void *priv;             /* the file system's */
	void *special;          /* FIFO: its pipe; bound unix socket: its socket */
	struct flock_state *locks; /* core/file/lock.c; NULL: none */
	unsigned writers;       /* open for writing, for ETXTBSY; negative use: deny_write */
	unsigned deny_write;
	unsigned seals;         /* memfd: F_SEAL_… (core/file/memfd.c) */
};

struct super_ops {
	int (*statfs)(struct super *s, struct statfs_k *out);
	int (*sync)(struct super *s);
	void (*umount)(struct super *s);
};

struct super {
	const struct super_ops *ops;
	const char *type;      /* "tmpfs", "9p", "overlay", "proc", "devtmpfs" */
	uint64_t dev;          /* st_dev, unique */
	uint64_t magic;        /* statfs f_type */
	unsigned flags;        /* MS_RDONLY, … as in mount(2) */
	struct dentry *root;
	struct mutex rename_lock;
	struct list *inodes;   /* [inode_buckets], by ino, for inode_find; grows */
	unsigned inode_buckets, inode_count;
	uint64_t next_ino;
	struct list link;      /* all supers */
	bool no_dcache;        /* names come and go by themselves (procfs): never cache lookups */
	bool no_negative;      /* names may appear behind our back (a host directory): never cache that one is absent */
	bool no_new;           /* no names can be made (procfs): looking for one that is absent is the error ENOENT */
	bool evict_nosleep;    /* ops->evict never sleeps: dcache_reclaim() may free inodes under memory pressure */
	void *priv;
};

struct dentry {
	struct dentry *parent; /* reference held; the root's is itself (no reference) */
	struct inode *inode;   /* reference held; NULL: the name does not exist */
	struct super *super;
	unsigned refs;
	struct list hash_link; /* dcache */
	struct list children, sibling;
	struct list lru_link;  /* entries that were unused when the reclaimer last looked, oldest first */
	struct mount *mounted; /* a mount that covers this dentry */
	uint32_t hash;
	uint32_t name_len;
	bool unlinked;         /* removed: no new lookups find it; getcwd says so */
	bool young;            /* used since the reclaimer last looked */
	char *name;            /* terminated; inline_name, or kmalloc'ed by a rename to a longer one */
	char inline_name[];
};

struct mount {
	struct super *super;
	struct mount *parent;  /* NULL: the root mount */
	struct dentry *point;  /* in parent */
	struct list link;      /* mount_all */
	unsigned flags;
	char source[64];
};
extern struct list mount_all;

struct path {
	struct mount *mnt;
	struct dentry *dentry;
};
void path_get(struct path *p); /* NULL fields are fine */
void path_put(struct path *p); /* NULL fields are fine; clears them */

/* ---- inodes ---- */
/* One reference, locked by nobody, all times now, ino as given; hashed when hash is set. NULL when RAM is short. */
struct inode *inode_new(struct super *s, uint64_t ino, uint32_t mode, bool hash);
struct inode *inode_find(struct super *s, uint64_t ino); /* with a reference; NULL */
struct inode *inode_get(struct inode *i);
void inode_put(struct inode *i); /* the last one may sleep: writes dirty pages back, evicts */
void inode_now(struct inode *i, unsigned attrs); /* ATTR_ATIME | ATTR_MTIME | ATTR_CTIME set to the current time */
struct timespec64 timespec_now(void);
/* Stores what a->valid names in the inode (ATTR_…_NOW: the current time; ATTR_SIZE: the page cache is truncated too)
 * and sets ctime. */
void inode_apply(struct inode *i, const struct iattr *a);
/* A new inode in dir (NULL: none) belongs to the caller, its group is the directory's when that is setgid: inode(7). */
void inode_init_owner(struct inode *i, const struct inode *dir);
/* After a write by other than root: setuid goes, and setgid of an executable. Locked. */
void inode_drop_privileges(struct inode *i);
static inline unsigned mode_dtype(uint32_t mode) { return (mode >> 12) & 15; } /* S_IF… → DT_… */
#define BLOCKS_NONE UINT64_MAX
/* st_blocks. */
static inline uint64_t inode_blocks(const struct inode *i)
{
	if (i->blocks)
		return i->blocks == BLOCKS_NONE ? 0 : i->blocks;
	return i->cache.memory_only ? i->cache.dirty * (PAGE_SIZE / 512) : (i->size + 511) / 512;
}
/* ETXTBSY (open(2), execve(2)): a file is either open for writing or being executed. 0 or -ETXTBSY. */
int inode_write_get(struct inode *i);
static inline void inode_write_put(struct inode *i) { i->writers--; }
int inode_deny_write(struct inode *i);
static inline void inode_allow_write(struct inode *i) { i->deny_write--; }

/* ---- dentries ---- */
static inline struct dentry *dentry_get(struct dentry *d)
{
	d->refs++;
	return d;
}
void dentry_put(struct dentry *d);
struct dentry *dentry_root(struct inode *root); /* new root dentry; consumes the inode reference */
/* Frees up to n unused dentries; called under memory pressure. */
size_t dcache_reclaim(size_t n);
void dcache_drop_super(struct super *s);
/* No new lookup finds d (it went away behind our back); holders keep it. */
void dentry_drop(struct dentry *d);
/* A path for an object without a name (a pipe, a memfd), for magic links and AT_EMPTY_PATH; takes its own references.
 * `name` is what path_string() shows. -ENOMEM. */
int path_anon(struct inode *inode, const char *name, struct path *out);

/* ---- supers and mounts ---- */
struct super *super_new(const char *type, const struct super_ops *ops, uint64_t magic);
/* A super that was never mounted, or in unit tests: drops cached names, root and super. Inodes still in use must be
 * gone. */
void super_free(struct super *s);
/* Mounts s over `at` (NULL: the root of all); both are directories, or neither is. The mount takes over the super. 0, -ENOMEM,
 * -EBUSY, -ENOTDIR. */
int mount_add(struct super *s, const struct path *at, unsigned flags, const char *source);
struct super *mount_release_root(void); /* unit tests: the root's super is the caller's again */
void mount_drop_all(void); /* unit tests: the end of all mounts and their supers */
bool mount_covers(const struct inode *i); /* is something mounted on it, or below it in its file system? */
struct mount *mount_root(void); /* NULL: nothing is mounted yet */
void mount_root_path(struct path *out); /* with references */

/* ---- walking (core/fs/path.c) ---- */
enum {
	WALK_FOLLOW = 1 << 0,    /* follow a symlink in the last component */
	WALK_PARENT = 1 << 1,    /* stop before the last component: w->last is its name */
	WALK_DIRECTORY = 1 << 2, /* the result must be a directory */
	WALK_EMPTY = 1 << 3,     /* "" names the start itself (AT_EMPTY_PATH) */
	WALK_BENEATH = 1 << 4,   /* openat2 RESOLVE_… */
	WALK_NO_SYMLINKS = 1 << 5,
	WALK_NO_MAGICLINKS = 1 << 6,
	WALK_IN_ROOT = 1 << 7,
	WALK_NO_XDEV = 1 << 8,
	WALK_CACHED = 1 << 9,    /* RESOLVE_CACHED: -EAGAIN when the file system would have to be asked */
};

/* Where a dirfd argument points: AT_FDCWD → cwd; else the directory's path. References taken. -EBADF, -ENOTDIR. */
int walk_start(int dirfd, const char *path, struct path *out);

/* Resolves path from `start` (absolute ones from the process's root). *out gets references.
 * -ENOENT, -ENOTDIR, -EACCES, -ELOOP, -ENAMETOOLONG, … as path_resolution(7). */
int path_walk(const struct path *start, const char *path, unsigned flags, struct path *out);

/* Resolves the parent directory: *parent gets references, *last the last component (pointing into path, hash filled;
 * len 0 for "/" itself; "." and ".." are handed out as they are); trailing slashes are reported in *slash. */
int path_walk_parent(const struct path *start, const char *path, unsigned flags, struct path *parent, struct name *last,
		     bool *slash);

/* One lookup in a directory that is not locked (…_locked: is): *out is a dentry with a reference, possibly negative.
 * -ENAMETOOLONG, -EIO, -ENOMEM; -ENOENT where the super has no_new. */
int dentry_lookup(struct dentry *dir, const struct name *n, struct dentry **out);
int dentry_lookup_locked(struct dentry *dir, const struct name *n, struct dentry **out);

/* Absolute path from the process's root, written at the end of buf: *start points into buf. -ENAMETOOLONG; unlinked
 * ones get " (deleted)" appended when mark_deleted is set, else -ENOENT. */
int path_string(const struct path *p, char *buf, size_t size, char **start, bool mark_deleted);

/* ---- what syscalls ask (core/fs/namei.c): names relative to dirfd, 0 or -errno ---- */
int vfs_open(int dirfd, const char *path, int flags, uint32_t mode, unsigned resolve, struct file **out);
int vfs_open_path(const struct path *p, int flags, struct file **out); /* an existing object, permissions checked */
/* made: NULL, or gets the new inode with a reference. */
int vfs_mknod(int dirfd, const char *path, uint32_t mode, uint64_t rdev, struct inode **made);
int vfs_mkdir(int dirfd, const char *path, uint32_t mode);
int vfs_symlink(const char *target, int dirfd, const char *path);
int vfs_link(int odirfd, const char *opath, int ndirfd, const char *npath, int flags);
int vfs_unlink(int dirfd, const char *path, bool rmdir);
int vfs_rename(int odirfd, const char *opath, int ndirfd, const char *npath, unsigned flags);
int vfs_readlink(int dirfd, const char *path, char *buf, size_t size);
/* The object a (dirfd, path, AT_ flags) triple names. */
int vfs_lookup(int dirfd, const char *path, int at_flags, struct path *out);
/* truncate(2) and ftruncate(2) of a regular file, the right to write checked by the caller: -EINVAL, -EISDIR, -EFBIG,
 * -EROFS, -ETXTBSY when it is being executed. */
int vfs_truncate(struct inode *inode, uint64_t size);
int vfs_fallocate(struct file *f, int mode, int64_t off, int64_t len); /* fallocate(2), all checks */
/* chmod, chown, utimes after checks of ownership (chmod(2), chown(2), utimensat(2)). */
int vfs_setattr(struct inode *inode, struct iattr *a);
int vfs_getattr(struct inode *inode); /* refreshes */
int vfs_access(const struct path *p, unsigned may, bool real_ids);
int vfs_statfs(const struct path *p, struct statfs_k *out);
int vfs_sync(void); /* sync(2): every dirty page and every super; the first error */
int vfs_syncfs(struct super *s);

/* ---- file systems ---- */
int tmpfs_new(struct super **out, uint64_t max_bytes, uint32_t root_mode); /* max_bytes 0: no limit */
int tmpfs_file(struct super *s, uint32_t mode, struct inode **out); /* nameless, nlink 0 (memfd): -ENOMEM, -ENOSPC */
int overlay_new(struct super *lower, struct super **out);
int devfs_new(struct super **out);
int procfs_new(struct super **out);
int sysfs_new(struct super **out);
/* file: the root is this regular file in the export's top directory; NULL: that directory. -ENODEV: no such export. */
int p9_new(const char *tag, const char *file, bool readonly, struct super **out);
int cpio_unpack(struct super *tmpfs, const void *data, size_t len); /* lazily: regular files refer to data in place */
/* Writes every change of the overlay below `to` (a directory on a writable 9P mount). */
int overlay_save(struct super *overlay, const struct path *to);
/* Files changed or made in the overlay (for the notice at exit), and their bytes. */
void overlay_changes(struct super *overlay, uint64_t *files, uint64_t *bytes);

/* Boot: mounts everything that boot_params() and the command line ask for. Panics with a clear line when it cannot.
 * When there is a current process with an fs_info, also sets its root and working directory. */
void vfs_init(void);
/* The root and the working directory the program begins with (references for the caller). Without the latter the
 * machine ends with a message and exit status 126. */
void vfs_boot_dirs(struct path *root, struct path *cwd);
/* The end: writes everything back, saves the overlay's changes (save=) or prints the notice that counts them. False, after a
 * message, when something is lost that was to be kept. */
bool vfs_shutdown(void);

#endif
