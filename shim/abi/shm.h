/* System V shared memory, shmctl(2): commands, flags and structures of x86_64. */
#ifndef ABI_SHM_H
#define ABI_SHM_H

#include "core/types.h"

#define IPC_PRIVATE 0
#define IPC_CREAT 01000
#define IPC_EXCL 02000
#define SHM_HUGETLB 04000
#define SHM_NORESERVE 010000
#define SHM_RDONLY 010000
#define SHM_RND 020000
#define SHM_REMAP 040000
#define SHM_EXEC 0100000
#define SHM_DEST 01000   /* in the mode */
#define SHM_LOCKED 02000
#define IPC_RMID 0
#define IPC_SET 1
#define IPC_STAT 2
#define IPC_INFO 3
#define SHM_LOCK 11
#define SHM_UNLOCK 12
#define SHM_STAT 13
#define SHM_INFO 14
#define SHM_STAT_ANY 15

#define SHMMNI 4096
#define SHMMAX (~0ul - (1ul << 24))

struct abi_shmid_ds {
	int32_t key;
	uint32_t uid, gid, cuid, cgid, mode;
	uint64_t pad[3];
	uint64_t segsz;
	int64_t atime, dtime, ctime;
	int32_t cpid, lpid;
	uint64_t nattch, pad2[2];
};
_Static_assert(sizeof(struct abi_shmid_ds) == 112, "struct shmid_ds");

#endif
