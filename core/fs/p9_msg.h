/* 9P2000.L messages: encoding and decoding, nothing else. No message from the server is trusted: a reader never goes
 * beyond its buffer, and one bad field makes every later read yield zero and p9_in_ok() false.
 * The format: 9P2000 (Plan 9 manual, section 5) with the .L extension (the Linux kernel's Documentation/filesystems/9p
 * and the diod project's protocol.md). All integers are little-endian. */
#ifndef CORE_FS_P9_MSG_H
#define CORE_FS_P9_MSG_H

#include "core/types.h"

/* A reply's type is its request's plus one. */
enum {
	P9_RLERROR = 7,
	P9_TSTATFS = 8,
	P9_TLOPEN = 12,
	P9_TLCREATE = 14,
	P9_TSYMLINK = 16,
	P9_TMKNOD = 18,
	P9_TRENAME = 20,
	P9_TREADLINK = 22,
	P9_TGETATTR = 24,
	P9_TSETATTR = 26,
	P9_TXATTRWALK = 30,
	P9_TXATTRCREATE = 32,
	P9_TREADDIR = 40,
	P9_TFSYNC = 50,
	P9_TLINK = 70,
	P9_TMKDIR = 72,
	P9_TRENAMEAT = 74,
	P9_TUNLINKAT = 76,
	P9_TVERSION = 100,
	P9_TATTACH = 104,
	P9_TWALK = 110,
	P9_TREAD = 116,
	P9_TWRITE = 118,
	P9_TCLUNK = 120,
};

#define P9_NOTAG 0xffffu
#define P9_NOFID 0xffffffffu
#define P9_HDR 7        /* size[4] type[1] tag[2] */
#define P9_IOHDR 24     /* what a Twrite or Rread may need beside its data */
#define P9_WALK_MAX 16  /* names in one Twalk */
#define P9_VERSION "9P2000.L"

#define P9_QTDIR 0x80
#define P9_QTSYMLINK 0x02
#define P9_QTFILE 0x00

#define P9_GETATTR_BASIC 0x7fful

enum {
	P9_SETATTR_MODE = 1, P9_SETATTR_UID = 2, P9_SETATTR_GID = 4, P9_SETATTR_SIZE = 8, P9_SETATTR_ATIME = 16,
	P9_SETATTR_MTIME = 32, P9_SETATTR_CTIME = 64, P9_SETATTR_ATIME_SET = 128, P9_SETATTR_MTIME_SET = 256,
};

struct p9_qid {
	uint8_t type;
	uint32_t version;
	uint64_t path;
};

struct p9_attr {
	uint64_t valid;
	struct p9_qid qid;
	uint32_t mode, uid, gid;
	uint64_t nlink, rdev, size, blksize, blocks;
	uint64_t atime_sec, atime_nsec, mtime_sec, mtime_nsec, ctime_sec, ctime_nsec, btime_sec, btime_nsec;
};

struct p9_statfs {
	uint32_t type, bsize;
	uint64_t blocks, bfree, bavail, files, ffree, fsid;
	uint32_t namelen;
};

struct p9_dirent {
	struct p9_qid qid;
	uint64_t offset; /* where the next entry is */
	uint8_t type;    /* DT_ */
	const char *name;
	uint16_t name_len;
};

/* ---- writing ---- */

struct p9_out {
	uint8_t *buf;
	size_t len, cap;
	bool overflow;
};

/* Begins a message; p9_out_end() fills in its size plus `extra` bytes that follow in other segments. */
void p9_out_begin(struct p9_out *o, void *buf, size_t cap, uint8_t type, uint16_t tag);
bool p9_out_end(struct p9_out *o, size_t extra);
void p9_put_u8(struct p9_out *o, uint8_t v);
void p9_put_u16(struct p9_out *o, uint16_t v);
void p9_put_u32(struct p9_out *o, uint32_t v);
void p9_put_u64(struct p9_out *o, uint64_t v);
void p9_put_str(struct p9_out *o, const char *s, size_t len);

/* ---- reading ---- */

struct p9_in {
	const uint8_t *buf;
	size_t len, pos;
	bool bad;
};

void p9_in_init(struct p9_in *i, const void *buf, size_t len);
/* Everything asked for was there, and nothing is left over. */
bool p9_in_done(const struct p9_in *i);
uint8_t p9_get_u8(struct p9_in *i);
uint16_t p9_get_u16(struct p9_in *i);
uint32_t p9_get_u32(struct p9_in *i);
uint64_t p9_get_u64(struct p9_in *i);
/* A string in place, not terminated; without NULs. */
const char *p9_get_str(struct p9_in *i, uint16_t *len);
struct p9_qid p9_get_qid(struct p9_in *i);

/* The header of a reply of in_len bytes to a request of type `type`: 0 and *i behind the header, up to the reply's end;
 * the -errno that an Rlerror carries; -EIO for anything malformed. buf holds its first buf_len bytes; data may lie in
 * other segments. */
int p9_reply(struct p9_in *i, const void *buf, size_t buf_len, size_t in_len, uint8_t type, uint16_t tag);

/* Whole bodies: 0 or -EIO. */
int p9_parse_version(struct p9_in *i, uint32_t *msize);
int p9_parse_walk(struct p9_in *i, struct p9_qid *qids, unsigned max, unsigned *n);
int p9_parse_attr(struct p9_in *i, struct p9_attr *a);
int p9_parse_statfs(struct p9_in *i, struct p9_statfs *s);
int p9_parse_open(struct p9_in *i, struct p9_qid *qid, uint32_t *iounit);
/* One entry of an Rreaddir's data: 1, 0 at its end, -EIO. Names are 1 to 255 bytes without '/' or NUL. */
int p9_parse_dirent(struct p9_in *i, struct p9_dirent *d);

#endif
