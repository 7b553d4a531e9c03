/* File systems in memory: what tmpfs and the overlay share (core/fs/memfs.c).
 *
 * A node hangs on every inode (inode->priv). A directory's entries name inodes:
 *   ENT_HARD      holds a reference to its inode: the entry exists here and nowhere else;
 *   ENT_WEAK      a name of the directory's lower one that was looked up; holds no reference to its inode, and goes
 *                 with it. Nothing has changed yet that must not be forgotten;
 *   ENT_WHITEOUT  the lower directory has this name, but it was removed here.
 * An inode is pinned when it differs from its lower one: then its entries are hard, and those of the directories
 * above it, so that it is reachable from the root. tmpfs has hard entries only. */
#ifndef CORE_FS_MEMFS_H
#define CORE_FS_MEMFS_H

#include "core/fs/vfs.h"

enum memfs_kind { ENT_HARD, ENT_WEAK, ENT_WHITEOUT };

struct memfs_entry {
	struct list hash_link, order_link; /* in dir: by name, by cookie */
	struct list name_link;             /* in the inode's node: all its names */
	struct memfs_node *dir;
	struct inode *inode;               /* NULL: whiteout */
	uint64_t cookie;                   /* place in the order of readdir; never used again */
	uint32_t hash;
	uint8_t kind;
	uint8_t len;
	bool covers;                       /* the lower directory has this name */
	bool origin;                       /* and inode is what it names there; holds a reference to dir's inode */
	char name[];
};

/* An extended attribute; its name lies behind its value. */
struct xattr {
	struct xattr *next;
	uint32_t size;
	const char *name;
	char value[];
};

struct memfs_node {
	struct inode *inode;
	struct memfs *fs;
	struct list link;       /* fs->nodes */
	struct list names;      /* entries that name this inode */
	/* directories */
	struct list order;      /* entries by cookie */
	struct list *table;     /* [table_mask + 1] by hash; NULL while there are few */
	unsigned table_mask, entries;
	unsigned fresh;         /* hard entries that are not `origin` */
	uint64_t next_cookie;
	struct memfs_entry *cursor; /* where the last readdir stopped, to find it again quickly; NULL: unknown */
	/* where data comes from that is not in the page cache: bytes [0, limit) of one of these */
	struct inode *lower;    /* reference held; also a merged directory's lower one */
	const uint8_t *data;    /* in an archive, which stays where it is */
	uint64_t limit;
	char *target;           /* symlink; owned */
	struct xattr *xattrs;   /* owned */
	bool own_xattrs;        /* they count, not those of the lower inode */
	uint64_t charged;       /* pages counted in fs->used */
	bool pinned;
	bool changed;           /* attributes or size differ from the lower inode's, or data may */
	bool orphan;            /* no known name although nlink > 0 (a lower file's other links): holds a reference */
};

struct memfs {
	struct super *super;
	struct super *lower;    /* owned; NULL: tmpfs */
	struct inode *root;     /* reference held: the tree does not go before memfs_umount() */
	uint64_t max, used;     /* pages; max 0: no limit */
	struct list nodes;
	/* A new inode of this file system, without a name; dir (NULL: none) decides the owner. NULL when RAM is short. */
	struct inode *(*new_inode)(struct super *s, const struct inode *dir, uint32_t mode);
	/* Called with the directory locked: entries of its lower directory that show, for rmdir. -errno. */
	int (*lower_entries)(struct memfs_node *dir);
};

static inline struct memfs_node *memfs_node(const struct inode *i) { return i->priv; }
static inline struct memfs *memfs_of(const struct super *s) { return s->priv; }

/* ---- life ---- */
struct memfs *memfs_new(const char *type, const struct super_ops *ops, uint64_t magic, uint64_t max_bytes);
int memfs_set_root(struct memfs *fs, struct inode *root); /* consumes the reference. 0 or -ENOMEM */
void memfs_umount(struct super *s);
/* inode_ops of new files, through fs->new_inode. */
int memfs_mknod(struct inode *dir, const struct name *n, uint32_t mode, uint64_t rdev, struct inode **out);
int memfs_symlink(struct inode *dir, const struct name *n, const char *target, struct inode **out);
int memfs_tmpfile(struct inode *dir, uint32_t mode, bool linkable, struct inode **out);
int memfs_statfs(struct super *s, struct statfs_k *out);
/* An inode with its node, ops still to be set; NULL when RAM is short. */
struct inode *memfs_inode(struct memfs *fs, uint64_t ino, uint32_t mode, bool hash);
void memfs_evict(struct inode *inode);

/* ---- entries; the directory is locked ---- */
/* Allocations may free other entries (weak ones, through the dentry reclaimer): an entry is found after them. */
struct memfs_entry *memfs_find(struct memfs_node *dir, const struct name *n);
/* A new entry without inode, or NULL. The caller fills it in: entry_set_…() */
struct memfs_entry *memfs_entry_new(struct memfs_node *dir, const struct name *n);
void memfs_entry_hard(struct memfs_entry *e, struct inode *inode); /* a new name for inode; takes a reference */
/* The lower directory's own name for inode: weak, or hard if that is pinned. */
void memfs_entry_lower(struct memfs_entry *e, struct inode *inode);
/* The inode differs from its lower one from now on. Nothing to do in a tmpfs. Cannot fail. */
void memfs_pin(struct memfs_node *node);
static inline void memfs_change(struct memfs_node *node)
{
	node->changed = true;
	if (!node->pinned)
		memfs_pin(node);
}
/* The first entry at or after cookie; NULL. */
struct memfs_entry *memfs_next(struct memfs_node *dir, uint64_t cookie);
struct memfs_entry *memfs_after(struct memfs_node *dir, struct memfs_entry *e);

/* Makes inode (just created, nlink 0) an entry of dir: links, times. 0 or -ENOMEM. */
int memfs_add(struct inode *dir, const struct name *n, struct inode *inode);

/* ---- inode operations ---- */
int memfs_link(struct inode *dir, const struct name *n, struct inode *inode);
int memfs_unlink(struct inode *dir, const struct name *n, struct inode *inode);
int memfs_rmdir(struct inode *dir, const struct name *n, struct inode *inode);
int memfs_rename(struct inode *odir, const struct name *on, struct inode *inode, struct inode *ndir,
		 const struct name *nn, struct inode *target, unsigned flags);
int memfs_setattr(struct inode *inode, const struct iattr *a);
int memfs_readdir(struct inode *dir, struct file *f, struct dir_ctx *c);
int memfs_fallocate(struct inode *inode, int mode, uint64_t off, uint64_t len);
int64_t memfs_reserve(struct inode *inode, uint64_t off, uint64_t len);
int64_t memfs_seek_data(struct inode *inode, uint64_t off, bool hole);
int memfs_read_pages(struct inode *inode, struct page **pages, uint64_t index, unsigned n);

long memfs_getxattr(struct inode *inode, const char *name, void *buf, size_t size);
int memfs_setxattr(struct inode *inode, const char *name, const void *value, size_t size, unsigned flags);
/* From now on node->xattrs are the inode's. Locked. 0, -ENOMEM, or why the lower ones could not be read. */
int memfs_xattrs_own(struct inode *inode);
void memfs_xattrs_free(struct memfs_node *node);

#define MEMFS_DIR_SIZE   40 /* of an empty tmpfs directory, and for each entry: what Linux's tmpfs shows */
#define MEMFS_ENTRY_SIZE 20

#endif
