/* Sockets of every family: what the system calls ask of them (struct socket_ops), the state that all have (struct socket)
 * and the options of SOL_SOCKET that only set and tell it.
 *
 * A socket is a file whose inode is a socket (S_IFSOCK) and whose f->priv is the family's structure, which begins with its
 * struct socket. Addresses and what travels beside a message are in kernel form here; the shim copies them in and out. */
#ifndef CORE_NET_SOCKET_H
#define CORE_NET_SOCKET_H

#include "core/file/file.h"
#include "shim/abi/stat.h"

#define SOCKADDR_MAX 128 /* sizeof(struct sockaddr_storage) */
#define SCM_MAX_FD 253

/* An address as the program gives it; the bytes behind `len` are zero. */
struct sockaddr_k {
	unsigned len; /* of family and data; 0: none */
	uint16_t family;
	char data[SOCKADDR_MAX - 2];
};

/* What travels beside one message. As an argument of send() the file references are consumed on success only; after
 * recv() they belong to the caller. */
struct scm {
	struct file **files; /* kmalloc'ed; NULL: none */
	unsigned nfiles;
	int pid; /* of the sender; 0: not known */
	uint32_t uid, gid;
};
void scm_free(struct scm *scm); /* puts the files; harmless on an empty one */

/* A family's operations. Those without a default in brackets are there. They return 0 (send, recv: bytes) or -errno and,
 * but for name, shutdown and the options, may sleep unless the file (or MSG_DONTWAIT) says not to. */
struct socket_ops {
	uint16_t family; /* AF_ */
	/* type is a SOCK_ without flags; flags are O_NONBLOCK or none. -ESOCKTNOSUPPORT, -EPROTONOSUPPORT. */
	int (*create)(int type, int protocol, int flags, struct file **out);
	int (*pair)(int type, int protocol, int flags, struct file **a, struct file **b); /* [-EOPNOTSUPP] */
	int (*bind)(struct file *f, const struct sockaddr_k *a);
	int (*connect)(struct file *f, const struct sockaddr_k *a);
	int (*listen)(struct file *f, int backlog);
	int (*accept)(struct file *f, int flags, struct file **out);
	int (*name)(struct file *f, bool peer, struct sockaddr_k *out); /* getsockname, getpeername */
	/* to: where sendto(2) wants it, or NULL. scm may be NULL. */
	long (*send)(struct file *f, struct uio *u, int flags, const struct sockaddr_k *to, struct scm *scm);
	/* *out_flags gets MSG_TRUNC, MSG_CTRUNC…; from the sender's address. All three may be NULL; files that came are
	 * closed without scm (MSG_CTRUNC). scm and *from come in zeroed. */
	long (*recv)(struct file *f, struct uio *u, int flags, unsigned *out_flags, struct sockaddr_k *from,
		     struct scm *scm);
	int (*shutdown)(struct file *f, int how);
	/* Options that socket_getsockopt() and socket_setsockopt() do not know, of any level. */
	int (*getsockopt)(struct file *f, int level, int opt, void *val, unsigned *len);
	int (*setsockopt)(struct file *f, int level, int opt, const void *val, unsigned len);
};

enum socket_state { SS_CLOSED, SS_LISTENING, SS_CONNECTED };

struct socket {
	const struct socket_ops *ops;
	int type;             /* SOCK_ */
	enum socket_state state; /* of connection-oriented types */
	int err;              /* SO_ERROR: told once */
	uint64_t flags;       /* bit SO_x: that option is on */
	int priority, linger[2];
	size_t sndbuf, rcvbuf;
	int rcvlowat;
	uint64_t rcvtimeo, sndtimeo; /* ns; TIME_NEVER */
	struct waitq rd, wr;  /* poll waits on both */
};

void socket_init(struct socket *s, const struct socket_ops *ops, int type);

/* Only of files that are sockets and were opened (no O_PATH, which fd_get() refuses). */
static inline bool file_is_socket(const struct file *f) { return S_ISSOCK(f->inode->mode); }
static inline struct socket *socket_of(const struct file *f) { return f->priv; }
static inline bool socket_flag(const struct socket *s, int opt) { return s->flags >> opt & 1; }

/* socket(2), socketpair(2): -EAFNOSUPPORT, or the family's answer. */
int socket_new(int family, int type, int protocol, int flags, struct file **out);
int socket_pair(int family, int type, int protocol, int flags, struct file **a, struct file **b);

/* Options as integers or structures in kernel memory, in and out *len. -ENOPROTOOPT, -EINVAL, -EDOM. */
int socket_getsockopt(struct file *f, int level, int opt, void *val, unsigned *len);
int socket_setsockopt(struct file *f, int level, int opt, const void *val, unsigned len);
int socket_put_opt(void *val, unsigned *len, const void *src, unsigned size); /* as much as *len allows; 0 */

/* The pending error as 0 or -errno; it is told once. */
int socket_take_err(struct socket *s);
/* When a sleep that SO_RCVTIMEO or SO_SNDTIMEO bounds ends. */
uint64_t socket_deadline(uint64_t timeo);

#endif
