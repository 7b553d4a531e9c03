/* System V shared memory: shmget(2), shmop(2), shmctl(2). Ids, addresses, or -errno. */
#ifndef CORE_FILE_SHM_H
#define CORE_FILE_SHM_H

#include "core/types.h"

struct abi_shmid_ds;
struct seqbuf;

/* -EINVAL, -ENOENT, -EEXIST, -EACCES, -ENOSPC, -ENOMEM. */
int shm_get(int key, size_t size, int flags);
/* Maps it into the current process: the address. May sleep. */
long shm_attach(int id, vaddr_t addr, int flags);
int shm_detach(vaddr_t addr);
/* shmctl's commands on one segment. IPC_STAT: out; IPC_SET: uid, gid and mode of *set. -EPERM unless owner or root; SHM_LOCK
 * also -ENOMEM. */
int shm_stat(int id, struct abi_shmid_ds *out);
int shm_control(int id, int cmd, const struct abi_shmid_ds *set);
/* SHM_STAT: the id of the index-th segment, or -EINVAL; everybody may ask (any) or who may read it. */
int shm_stat_index(int index, bool any, struct abi_shmid_ds *out);
/* Segments, the pages they may have and those they have. */
unsigned shm_usage(uint64_t *pages, uint64_t *resident);
void shm_print(struct seqbuf *b); /* as /proc/sysvipc/shm */

#endif
