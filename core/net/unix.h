/* AF_UNIX sockets. Today: connected pairs (socketpair(2)) of the three types; bind and connect come with the sockets of
 * the network. What sendmsg(2) and recvmsg(2) carry beside bytes travels in struct unix_scm, in kernel form: the shim
 * turns control messages into it and back. */
#ifndef CORE_NET_UNIX_H
#define CORE_NET_UNIX_H

#include "core/file/file.h"

#define SCM_MAX_FD 253

/* Ancillary data of one message. As an argument of unix_send() the file references are consumed on success only; after
 * unix_recv() they belong to the caller. */
struct unix_scm {
	struct file **files; /* kmalloc'ed; NULL: none */
	unsigned nfiles;
	int pid; /* of the sender; 0: not known */
	uint32_t uid, gid;
};
void unix_scm_free(struct unix_scm *scm); /* puts the files; harmless on an empty one */

/* Is f a socket of this file? */
bool file_is_unix(const struct file *f);

/* send(2) family: bytes or -errno. flags: MSG_DONTWAIT, MSG_NOSIGNAL, MSG_EOR, MSG_MORE, MSG_OOB (-EOPNOTSUPP).
 * has_dest: an address was given (-EISCONN for a connected stream). scm may be NULL. May sleep. */
long unix_send(struct file *f, struct uio *u, int flags, bool has_dest, struct unix_scm *scm);

/* recv(2) family: bytes, 0 at the end of a stream. flags: MSG_PEEK, MSG_DONTWAIT, MSG_WAITALL, MSG_TRUNC (a record's
 * whole length is returned), MSG_OOB (-EOPNOTSUPP). *out_flags gets MSG_TRUNC, MSG_EOR; scm (zeroed by the caller)
 * may be NULL: files then are closed and *out_flags gets MSG_CTRUNC. May sleep. */
long unix_recv(struct file *f, struct uio *u, int flags, unsigned *out_flags, struct unix_scm *scm);

int unix_shutdown(struct file *f, int how); /* SHUT_: 0, -EINVAL, -ENOTCONN */

/* Socket options of SOL_SOCKET as integers or structures in kernel memory, in and out *len. -ENOPROTOOPT, -EINVAL. */
int unix_getsockopt(struct file *f, int level, int opt, void *val, unsigned *len);
int unix_setsockopt(struct file *f, int level, int opt, const void *val, unsigned len);
/* getsockname, getpeername: a pair has no names, so a bare AF_UNIX family. The address length, -ENOTCONN. */
int unix_getname(struct file *f, bool peer, void *addr, unsigned max);

bool unix_passcred(struct file *f); /* SO_PASSCRED: recvmsg adds SCM_CREDENTIALS */

#endif
