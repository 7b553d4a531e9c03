/* What the files of the 9P server share. */
#ifndef PLAT_LINUXU_P9SRV_INT_H
#define PLAT_LINUXU_P9SRV_INT_H

#include "core/lib/list.h"
#include "plat/linuxu/host.h"
#include "plat/linuxu/p9srv.h"

#define SRV_NAME_MAX 255
#define SRV_NOFID 0xffffffffu

enum {
	TSTATFS = 8, TLOPEN = 12, TLCREATE = 14, TSYMLINK = 16, TMKNOD = 18, TRENAME = 20, TREADLINK = 22, TGETATTR = 24,
	TSETATTR = 26, TXATTRWALK = 30, TXATTRCREATE = 32, TREADDIR = 40, TFSYNC = 50, TLOCK = 52, TGETLOCK = 54, TLINK = 70,
	TMKDIR = 72, TRENAMEAT = 74, TUNLINKAT = 76, TVERSION = 100, TAUTH = 102, TATTACH = 104, TFLUSH = 108, TWALK = 110,
	TREAD = 116, TWRITE = 118, TCLUNK = 120, TREMOVE = 122,
	RLERROR = 7,
};

/* ---- messages ---- */

struct srv_in {
	const uint8_t *p, *end;
	bool bad; /* read beyond the end */
};

struct srv_out {
	uint8_t *buf;
	size_t len, cap;
	bool overflow;
};

struct srv_name {
	char s[SRV_NAME_MAX + 1];
	uint16_t len;
};

uint64_t srv_get(struct srv_in *m, unsigned bytes);
/* A string without NUL bytes, at most size-1 long; *len is its length. 0, -EINVAL (bad message), -ENAMETOOLONG. */
int srv_get_string(struct srv_in *m, char *buf, size_t size, size_t *len);
/* A directory entry's name: also not empty, no slash, and neither "." nor "..". -EINVAL, -ENAMETOOLONG. */
int srv_get_name(struct srv_in *m, struct srv_name *n);
void srv_put(struct srv_out *m, uint64_t v, unsigned bytes);
void srv_put_string(struct srv_out *m, const char *s, size_t len);
void srv_put_qid(struct srv_out *m, const struct host_stat *st);

/* ---- exports, nodes (p9srv_node.c) ---- */

struct srv_export {
	char tag[P9SRV_TAG_MAX + 1];
	bool ro;
	struct srv_node *root; /* holds the export's descriptor for good */
};

/* One name in an export's tree that some fid refers to, or that lies above one. There is at most one node for a name,
 * so a rename moves all fids at or below it. fd is a cache (O_PATH, directories only), except the root's. */
struct srv_node {
	struct srv_node *parent; /* reference held; NULL: the root */
	struct srv_node *hash_next;
	struct list lru; /* on the list while fd >= 0 */
	unsigned refs;
	int fd;
	bool gone; /* removed or replaced: the name is another's now */
	uint16_t len;
	char *name;
};

struct srv_node *node_get(struct srv_node *n);
void node_put(struct srv_node *n);
/* The node for a name in dir (made if missing), with a reference; NULL: no memory. */
struct srv_node *node_child(struct srv_node *dir, const char *name, size_t len);
/* A descriptor for a directory node, valid until the next-but-one call of this; -ENOTDIR, -ENOENT, … */
int node_dirfd(struct srv_node *n);
/* Where the object is: *dirfd and *name for the *at calls; for the root name is "" (AT_EMPTY_PATH). 0 or -errno. */
int node_at(struct srv_node *n, int *dirfd, const char **name);
int node_stat(struct srv_node *n, struct host_stat *st);
/* The entry (dir, name) does not exist any more; the entry was moved to (ndir, nname), replacing what was there. */
void node_removed(struct srv_node *dir, const char *name, size_t len);
void node_renamed(struct srv_node *dir, const struct srv_name *name, struct srv_node *ndir, const struct srv_name *nname);
struct srv_node *node_root_new(int fd);
void node_table_free(void);
/* Makes room for a descriptor by closing a cached one: false when there is none to close. */
bool node_close_one(void);
uint64_t srv_qid_path(uint64_t dev, uint64_t ino);

/* ---- fids (p9srv.c) ---- */

/* A value that is read, or written to be set (create). */
struct srv_xattr {
	bool create;
	uint32_t flags;
	size_t size, len; /* of data; bytes that are there */
	char name[256];
	uint8_t data[];
};

struct srv_fid {
	struct srv_fid *next;
	struct srv_node *node;
	uint32_t num;
	uint32_t uid;    /* who attached: owner of what it creates */
	int fd;          /* when opened; else -1 */
	bool is_dir, writable;
	uint64_t dir_pos; /* the directory descriptor's position */
	struct srv_xattr *xattr; /* the fid is for an extended attribute; else NULL */
};

/* One request being answered. */
struct srv_req {
	int dev;
	struct srv_export *ex;
	struct srv_in in;
	struct srv_out out;
	/* bulk data: Twrite's after the fixed part, Tread's after the reply's head */
	const struct plat_9p_seg *out_segs, *in_segs;
	unsigned nout, nin;
	size_t msg_len, room; /* of the whole request; for the whole reply */
	size_t data_len;      /* Tread: bytes already put into in_segs behind the head */
};

struct srv_fid *fid_find(int dev, uint32_t num);
/* NULL: no memory. Consumes the node reference. */
struct srv_fid *fid_new(int dev, uint32_t num, struct srv_node *node, uint32_t uid);
int fid_stat(struct srv_fid *f, struct host_stat *st);
/* Opens name in dirfd, closing cached descriptors when the host has no more. */
int srv_openat(int dirfd, const char *name, int flags, unsigned mode);

/* A descriptor for the object itself: the opened one, or an O_PATH one that the caller closes (*own). */
int srv_object_fd(struct srv_fid *f, bool *own);
/* Extended attributes (p9srv_xattr.c). */
void srv_xattr_free(struct srv_xattr *x);
long srv_xattr_io(struct srv_xattr *x, uint64_t off, const struct plat_9p_seg *segs, unsigned n, size_t skip, size_t count,
		  bool write);
int srv_xattr_end(struct srv_fid *f);

/* ---- operations: 0 or -errno (p9srv_file.c, p9srv_attr.c, p9srv_xattr.c) ---- */
typedef int srv_op(struct srv_req *r);
srv_op srv_lopen, srv_lcreate, srv_read, srv_write, srv_readdir, srv_fsync, srv_lock, srv_getlock;
srv_op srv_statfs, srv_getattr, srv_setattr, srv_readlink, srv_symlink, srv_mknod, srv_mkdir, srv_link;
srv_op srv_xattrwalk, srv_xattrcreate;
srv_op srv_rename, srv_renameat, srv_unlinkat, srv_remove_node;

#endif
