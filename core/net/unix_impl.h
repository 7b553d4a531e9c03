/* What unix.c (messages), unix_name.c (addresses and connections) and unix_gc.c share. */
#ifndef CORE_NET_UNIX_IMPL_H
#define CORE_NET_UNIX_IMPL_H

#include "core/lib/list.h"
#include "core/net/unix.h"

struct ucred_k {
	int pid;
	uint32_t uid, gid;
};

/* A name, shared by a listener and the connections it made. a.len 111 is that of a path of 108 bytes. */
struct uaddr {
	unsigned refs;
	struct sockaddr_k a;
};

struct usock {
	struct socket sk;
	unsigned refs;         /* its file, its peer, messages that it sent, the queue of the listener that made it */
	struct list all;       /* unix_all */
	struct file *file;     /* no reference; NULL: not accepted yet, or closed */
	struct usock *peer;    /* reference held; NULL: disconnected */
	struct msg *oob;       /* of a stream's rcvq: the urgent byte that nobody took yet; NULL: none */
	struct list rcvq;      /* of struct msg; a listener's: of the usocks to be accepted, by `pending` */
	struct list pending;
	unsigned qlen;         /* entries of rcvq, */
	unsigned backlog;      /* which is full when there are more than this: for listeners and datagrams */
	struct waitq room;     /* who waits for it not to be full; holds a reference */
	size_t charged;        /* bytes of mine in others' queues */
	bool closed;           /* its file is gone */
	bool shut_rd, shut_wr;
	bool bound;            /* addr is my own: it finds me */
	bool doubt;            /* unix_collect(): on its list, not in unix_all */
	unsigned inflight;     /* unix_collect() */
	struct uaddr *addr;    /* NULL: no name */
	struct inode *inode;   /* bound to a path: inode->special is me; reference held */
	struct ucred_k cred;   /* SO_PEERCRED: who made the other end (or made it listen) */
};

/* Lives on one queue, or on none for as long as it is being filled or copied out. */
struct msg {
	struct list link;
	struct usock *from;    /* reference held */
	size_t charge;
	size_t cap, off, len;  /* bytes of data; first one not received; end. off == len on a queue: its urgent byte was taken */
	struct scm scm;
	char data[];
};

extern struct list unix_all;
extern unsigned unix_passing; /* messages with files on queues */
extern const struct file_ops unix_file_ops;

/* ---- unix.c ---- */
struct usock *usock_new(int type); /* NULL: no RAM */
/* The file of a new socket, which takes over its reference (and drops it when it fails). */
int usock_file(struct usock *s, int flags, struct file **out);
void usock_put(struct usock *s);   /* NULL is fine */
struct ucred_k ucred_now(void);    /* the caller's, as SO_PEERCRED tells them */
/* Its file is gone, or (embryo) the listener that was to accept it. Puts the file's reference. */
void usock_close(struct usock *s, bool embryo);
void usock_purge(struct usock *s); /* empties the queue */
/* The queue of s has room, or never will: wakes senders, those who connect, and pollers. */
void usock_room(struct usock *s);
void usock_wake(struct usock *s);  /* everybody who waits on s itself */
/* No longer connected to `old`: its queue may hold what it sent; it learns it when it is connected back. */
void usock_disconnected(struct usock *s, struct usock *old);
static inline bool usock_full(const struct usock *s) { return s->qlen > s->backlog; }

/* ---- unix_name.c ---- */
int unix_bind(struct file *f, const struct sockaddr_k *a);
int unix_connect(struct file *f, const struct sockaddr_k *a);
int unix_listen(struct file *f, int backlog);
int unix_accept(struct file *f, int flags, struct file **out);
int unix_name(struct file *f, bool peer, struct sockaddr_k *out);
/* The open socket of type `type` that has this name, with a reference: -ECONNREFUSED, -EPROTOTYPE, -EINVAL, or why the
 * path leads to none. May sleep. */
int unix_find(const struct sockaddr_k *a, int type, struct usock **out);
/* With SO_PASSCRED, a socket gets a name of its own before it sends: 0, -ENOMEM, -ENOSPC. */
int unix_autobind(struct usock *s, bool passcred_only);
void uaddr_put(struct uaddr *a); /* NULL is fine */

/* ---- unix_gc.c ---- */
/* Frees sockets that are only reachable through messages on their own queues. */
void unix_collect(void);

#endif
