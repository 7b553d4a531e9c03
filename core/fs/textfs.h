/* File systems of small generated texts: procfs and sysfs. The tree is made of tables of struct text_node;
 * directories whose content changes (processes, descriptors) have functions instead.
 *
 * A file's text is made at the first read of an open file, and again when it is read from the start, as Linux's
 * seq_file does. Nothing is cached: every lookup makes an inode and the last user frees it. */
#ifndef CORE_FS_TEXTFS_H
#define CORE_FS_TEXTFS_H

#include "core/fs/vfs.h"
#include "core/lib/seqbuf.h"

struct text_inode;

struct text_node {
	const char *name;   /* NULL ends a table */
	uint32_t mode;      /* with type */
	const char *text;   /* a file's whole content, or a symlink's target */
	/* Prints the content: 0 or -errno (-ESRCH: the process is gone). May sleep. */
	int (*show)(const struct text_inode *t, struct seqbuf *b);
	/* A write: `text` is terminated. 0 or -errno. */
	int (*store)(const struct text_inode *t, char *text, size_t len);
	const struct text_node *children; /* of a directory */
	union {
		const struct text_dir *dir;    /* further entries of a directory */
		const struct file_ops *fops;   /* of a file that is no text; the inode is text_of()'s all the same */
	};
	int (*readlink)(const struct text_inode *t, char *buf, size_t size);
	int (*follow)(const struct text_inode *t, struct path *out); /* magic link */
};

/* Entries that are not in a table. */
struct text_dir {
	/* -ENOENT or a new inode by text_inode_new(). */
	int (*lookup)(struct inode *dir, const char *name, size_t len, struct inode **out);
	/* Calls dir_emit() from c->pos on; positions ≥ TEXT_DYNAMIC are its own. */
	int (*readdir)(struct inode *dir, struct dir_ctx *c);
};
#define TEXT_DYNAMIC 1024

/* inode->priv */
struct text_inode {
	const struct text_node *node;
	int pid, tid, fd; /* what a node of procfs is about; 0: nothing */
};

static inline const struct text_inode *text_of(const struct inode *inode) { return inode->priv; }

/* NULL when RAM is short. pid is also the owner, if it is not 0 (of such a process's files). */
struct inode *text_inode_new(struct super *s, const struct text_node *node, uint64_t ino, int pid, int tid, int fd);
/* A super with `root` as its root node, and texts of st_size `size`. -ENOMEM. */
int text_super_new(const char *type, uint64_t magic, const struct text_node *root, struct super **out);
/* Inode number of the entry `name` of the directory with number dir. */
uint64_t text_ino(uint64_t dir, const char *name, size_t len);
/* A decimal number without leading zeroes (a pid or a descriptor): its value, or -1. */
int text_number(const char *name, size_t len);

/* Position of a file without a size: SEEK_SET and SEEK_CUR. */
int64_t text_seek(struct file *f, int64_t off, int whence);

/* For readlink: copies what fits, returns how much. */
int text_copy(char *buf, size_t size, const char *text);

/* procfs fills these in: ownership of a process's files. */
struct text_super {
	const struct text_node *root;
	void (*own)(struct inode *inode); /* sets uid and gid; NULL: root's */
	uint64_t size;
};

#endif
