/* System V IPC: shared memory. Missing: semaphores and message queues. */
#include "core/file/shm.h"
#include "core/lib/string.h"
#include "shim/abi/shm.h"
#include "shim/shim.h"

long sys_shmget(int key, size_t size, int flags) { return shm_get(key, size, flags); }

long sys_shmat(int id, uptr_t addr, int flags) { return shm_attach(id, addr, flags); }

long sys_shmdt(uptr_t addr) { return shm_detach(addr); }

/* IPC_INFO and SHM_INFO: the limits or what is used; the highest index. */
static long shm_info(int cmd, uptr_t buf)
{
	uint64_t info[9] = { SHMMAX, 1, SHMMNI, SHMMNI, SHMMAX }, pages, resident;
	unsigned n = shm_usage(&pages, &resident);

	if (cmd == SHM_INFO) {
		memset(info, 0, sizeof(info));
		info[0] = n;
		info[1] = pages;
		info[2] = resident;
	}
	if (copyout(buf, info, cmd == SHM_INFO ? 48 : 72))
		return -EFAULT;
	return n ? (long)n - 1 : 0;
}

long sys_shmctl(int id, int cmd, uptr_t buf)
{
	struct abi_shmid_ds ds;
	long r;

	if (id < 0 || cmd < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_INFO: case SHM_INFO:
		return shm_info(cmd, buf);
	case IPC_STAT:
		r = shm_stat(id, &ds);
		break;
	case SHM_STAT: case SHM_STAT_ANY:
		r = shm_stat_index(id, cmd == SHM_STAT_ANY, &ds);
		break;
	case IPC_SET:
		if (copyin(&ds, buf, sizeof(ds)))
			return -EFAULT;
		/* fall through */
	default:
		return shm_control(id, cmd, &ds);
	}
	return r >= 0 && copyout(buf, &ds, sizeof(ds)) ? -EFAULT : r;
}
