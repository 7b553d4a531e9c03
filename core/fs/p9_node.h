/* What the files of the 9P file system share: its view of one file on the server. */
#ifndef CORE_FS_P9_NODE_H
#define CORE_FS_P9_NODE_H

#include "core/fs/p9_client.h"
#include "core/fs/vfs.h"

struct file_ops;

struct p9_fs {
	struct p9_client *c;
	bool readonly; /* taken as immutable: attributes, listings and absences are cached for good */
};

/* The names and kinds in a directory at one moment. */
struct p9_dir {
	unsigned refs;
	uint32_t n;
	size_t len, cap;      /* of data */
	char *data;           /* records: ino[8] type[1] len[1] name */
	uint32_t *at;         /* [n]: where each record begins; only once complete */
	uint32_t *hash;       /* [mask + 1]: record number + 1 by name, open addressing */
	uint32_t mask;
};

/* Belongs to an inode (inode->priv), and outlives it while nodes below it need the way: a fid that was given back to
 * the server is had again by walking the names from the nearest node that still has one. */
struct p9_node {
	unsigned refs;           /* the inode's, those of nodes below, and temporary ones */
	struct p9_node *parent;  /* reference held; NULL: the root */
	struct p9_client *c;
	struct inode *inode;     /* NULL: it has been evicted */
	uint64_t path;           /* qid path, which is the inode number */
	struct p9_fid *walk;     /* not opened */
	struct p9_fid *rd, *wr;  /* opened, for the page cache */
	bool wr_reads;           /* wr is open for reading, too */
	bool orphan;             /* has no name any more: no fid can be had by walking */
	bool mounted;            /* a file that is the root of a mount: stands for its name, whatever the host puts there */
	bool fresh;              /* attributes have just come from the server and nobody has looked at them */
	bool wrote;              /* the next change of version is our own */
	bool claims;             /* read, it ends before the size that its attributes claim */
	unsigned opens;          /* open files */
	unsigned changes;        /* counts what makes attributes under way from the server outdated */
	unsigned misses;         /* names not found in this directory */
	uint64_t fetched;        /* when the attributes came, ns monotonic */
	uint64_t valid;          /* bytes of the server's copy that count: an orphan cannot be truncated there */
	uint32_t version;        /* the file as the cache knows it: qid version, size, mtime */
	uint64_t seen_size;
	struct timespec64 seen_mtime;
	struct p9_dir *listing;
	uint16_t name_len;
	char *name;
};

static inline struct p9_node *p9_node_of(const struct inode *inode) { return inode->priv; }
static inline const struct p9_fs *p9_fs_of(const struct inode *inode) { return inode->super->priv; }

/* core/fs/p9.c */
/* Makes the inode for attributes a, with fid f (in use, consumed, also when this fails). opened: f is open for
 * writing. */
int p9_inode_make(struct super *s, struct p9_node *dir, const struct name *name, struct p9_fid *f, bool opened,
		  const struct p9_attr *a, struct inode **out);
/* The inode that is known for qid, with a reference, or NULL; one that has lost the number to another file leaves the
 * table. */
struct inode *p9_inode_known(struct super *s, const struct p9_qid *qid);
int p9_lookup(struct inode *dir, const struct name *name, struct inode **out);

/* core/fs/p9_name.c: inode operations of directories */
int p9_mknod(struct inode *dir, const struct name *name, uint32_t mode, uint64_t rdev, struct inode **out);
int p9_symlink(struct inode *dir, const struct name *name, const char *target, struct inode **out);
int p9_link(struct inode *dir, const struct name *name, struct inode *inode);
int p9_unlink(struct inode *dir, const struct name *name, struct inode *inode);
int p9_rmdir(struct inode *dir, const struct name *name, struct inode *inode);
int p9_rename(struct inode *odir, const struct name *on, struct inode *inode, struct inode *ndir, const struct name *nn,
	      struct inode *target, unsigned flags);
int p9_tmpfile(struct inode *dir, uint32_t mode, bool linkable, struct inode **out);

/* core/fs/p9_xattr.c */
long p9_getxattr(struct inode *inode, const char *name, void *buf, size_t size);
int p9_setxattr(struct inode *inode, const char *name, const void *value, size_t size, unsigned flags);

/* core/fs/p9_node.c */
/* One reference; NULL when RAM is short. The name is copied. */
struct p9_node *p9_node_new(struct p9_client *c, struct p9_node *parent, const char *name, size_t len);
void p9_node_put(struct p9_node *n);
void p9_node_move(struct p9_node *n, struct p9_node *parent, const struct name *name);
struct timespec64 p9_attr_time(uint64_t sec, uint64_t nsec);
void p9_attr_store(struct inode *inode, const struct p9_attr *a);        /* but size and mtime */
void p9_attr_remember(struct p9_node *n, const struct p9_attr *a);       /* what the cached pages belong to */
/* Inode operations of writable exports. */
int p9_rw_getattr(struct inode *inode);
int p9_rw_revalidate(struct inode *inode);
int p9_rw_setattr(struct inode *inode, const struct iattr *a);
/* A fid that is not opened, in use by the caller (p9_fid_put). -ENOENT: nameless; -ESTALE: the name is another
 * file's. */
int p9_node_fid(struct p9_node *n, struct p9_fid **out);
/* A fid of the caller's own for n, not opened. */
int p9_node_clone(struct p9_node *n, struct p9_fid **out);
/* Any fid, in use, for attributes. */
int p9_node_any_fid(struct p9_node *n, struct p9_fid **out);

/* core/fs/p9_data.c */
int p9_open_fid(struct p9_node *n, bool write, struct p9_fid **out);
int p9_read_pages(struct inode *inode, struct page **pages, uint64_t index, unsigned n);
int p9_write_pages(struct inode *inode, struct page **pages, uint64_t index, unsigned n);
int p9_fsync(struct inode *inode, bool data_only);
int p9_open(struct inode *inode, struct file *f);
int p9_readdir(struct inode *dir, struct file *f, struct dir_ctx *c);
/* The directory's names as they are now, with a reference. -ENOMEM, -EINTR, the server's error. */
int p9_dir_fetch(struct p9_node *n, struct p9_dir **out);
bool p9_dir_has(const struct p9_dir *d, const char *name, size_t len);
void p9_dir_put(struct p9_dir *d);
/* struct file_ops of a writable export's files and directories. */
const struct file_ops *p9_file_ops_for(uint32_t mode);

#endif
