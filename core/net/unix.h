/* AF_UNIX sockets: unix(7). Everything is asked through the operations; see core/net/socket.h. */
#ifndef CORE_NET_UNIX_H
#define CORE_NET_UNIX_H

#include "core/net/socket.h"

struct seqbuf;

extern const struct socket_ops unix_socket_ops;

void unix_print(struct seqbuf *b); /* as /proc/net/unix */

#endif
