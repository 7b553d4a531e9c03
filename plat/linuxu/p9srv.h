/* The 9P2000.L server in the runner's process: host directories for the program, synchronously.
 *
 * A request is answered before p9srv_call() returns. The server acts as the user who runs it and never leaves an
 * exported directory: names are single components, symbolic links are never followed (the client reads and resolves
 * them), and ".." goes by the server's own record of how it got somewhere. */
#ifndef PLAT_LINUXU_P9SRV_H
#define PLAT_LINUXU_P9SRV_H

#include "plat/plat.h"

#define P9SRV_EXPORTS 64
#define P9SRV_TAG_MAX 31
#define P9SRV_MSIZE (1u << 20) /* the most the server agrees to */

/* Offers directory `dir` under `tag`; ro: every change is -EROFS. The device number, or -errno. */
int p9srv_export(const char *tag, const char *dir, bool ro);

/* Device number of a tag, or -ENODEV. */
int p9srv_find(const char *tag);

/* Answers the request in out[] into in[]: length of the reply; 0 when there is no request to answer (too short, its
 * size field is wrong) or no room for a reply. */
size_t p9srv_call(int dev, const struct plat_9p_seg *out, unsigned nout, const struct plat_9p_seg *in, unsigned nin);

/* Forgets all exports and what clients had open; frees everything. For tests. */
void p9srv_reset(void);

/* Counts for tests. */
size_t p9srv_fids(void);
size_t p9srv_nodes(void);
size_t p9srv_open_dirs(void);

/* Memory of the runner's own, outside the program's RAM; zeroed. NULL when the host has none. (heap.c) */
void *host_alloc(size_t size);
void host_free(void *p, size_t size);

#endif
