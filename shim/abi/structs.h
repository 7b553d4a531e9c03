/* Structures that system calls pass, as x86_64 Linux lays them out: stat(2), statx(2), statfs(2), getdents(2),
 * sysinfo(2), getrusage(2), times(2), uname(2), capget(2), sigaltstack(2), timer_create(2), recvmsg(2). */
#ifndef ABI_STRUCTS_H
#define ABI_STRUCTS_H

#include <stdint.h>

struct abi_stat {
	uint64_t dev, ino, nlink;
	uint32_t mode, uid, gid, pad;
	uint64_t rdev;
	int64_t size, blksize, blocks;
	int64_t atime, atime_nsec, mtime, mtime_nsec, ctime, ctime_nsec;
	int64_t unused[3];
};
_Static_assert(sizeof(struct abi_stat) == 144, "struct stat");

struct abi_statx_time {
	int64_t sec;
	uint32_t nsec;
	int32_t pad;
};

struct abi_statx {
	uint32_t mask, blksize;
	uint64_t attributes;
	uint32_t nlink, uid, gid;
	uint16_t mode, pad0;
	uint64_t ino, size, blocks, attributes_mask;
	struct abi_statx_time atime, btime, ctime, mtime;
	uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
	uint64_t mnt_id;
	uint32_t dio_mem_align, dio_offset_align;
	uint64_t spare[12];
};
_Static_assert(sizeof(struct abi_statx) == 256, "struct statx");

struct abi_statfs {
	uint64_t type, bsize, blocks, bfree, bavail, files, ffree;
	int32_t fsid[2];
	uint64_t namelen, frsize, flags, spare[4];
};
_Static_assert(sizeof(struct abi_statfs) == 120, "struct statfs");

struct abi_timeval {
	int64_t sec, usec;
};

struct abi_rusage {
	struct abi_timeval utime, stime;
	int64_t maxrss, ixrss, idrss, isrss, minflt, majflt, nswap, inblock, oublock, msgsnd, msgrcv, nsignals,
		nvcsw, nivcsw;
};
_Static_assert(sizeof(struct abi_rusage) == 144, "struct rusage");

/* clone3(2), version 0 */
struct abi_clone_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
};

struct abi_sysinfo {
	int64_t uptime;
	uint64_t loads[3], totalram, freeram, sharedram, bufferram, totalswap, freeswap;
	uint16_t procs, pad;
	uint32_t pad2;
	uint64_t totalhigh, freehigh;
	uint32_t mem_unit, pad3;
};
_Static_assert(sizeof(struct abi_sysinfo) == 112, "struct sysinfo");

#define UTSNAME_LEN 65
struct abi_utsname {
	char sysname[UTSNAME_LEN], nodename[UTSNAME_LEN], release[UTSNAME_LEN], version[UTSNAME_LEN],
		machine[UTSNAME_LEN],
		domainname[UTSNAME_LEN];
};

struct abi_tms {
	int64_t utime, stime, cutime, cstime;
};

struct abi_cap_header {
	uint32_t version;
	int32_t pid;
};
struct abi_cap_data {
	uint32_t effective, permitted, inheritable;
};
#define CAP_VERSION_1 0x19980330u
#define CAP_VERSION_2 0x20071026u
#define CAP_VERSION_3 0x20080522u
#define CAP_LAST 40 /* CAP_CHECKPOINT_RESTORE */

struct abi_stack {
	uint64_t sp;
	int32_t flags, pad;
	uint64_t size;
};

struct abi_siginfo {
	int32_t signo, err, code, pad;
	int32_t pid;
	uint32_t uid;
	uint64_t value;
	uint8_t rest[96];
};
_Static_assert(sizeof(struct abi_siginfo) == 128, "siginfo_t");

#define SIGEV_SIGNAL 0
#define SIGEV_NONE 1
#define SIGEV_THREAD 2
#define SIGEV_THREAD_ID 4
struct abi_sigevent {
	uint64_t value;
	int32_t signo, notify, tid;
	uint8_t pad[44];
};
_Static_assert(sizeof(struct abi_sigevent) == 64, "struct sigevent");

struct abi_itimerval {
	struct abi_timeval interval, value;
};

struct abi_msghdr {
	uint64_t name;
	uint32_t namelen, pad;
	uint64_t iov, iovlen;
	uint64_t control, controllen;
	uint32_t flags, pad2;
};
_Static_assert(sizeof(struct abi_msghdr) == 56, "struct msghdr");

struct abi_mmsghdr {
	struct abi_msghdr hdr;
	uint32_t len, pad;
};

struct abi_cmsghdr {
	uint64_t len;
	int32_t level, type;
};

/* struct sched_attr, sched_setattr(2), first published size. */
struct abi_sched_attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};
_Static_assert(sizeof(struct abi_sched_attr) == 48, "struct sched_attr");

#endif
