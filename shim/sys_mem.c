/* System calls on memory: mmap and its kin. Arguments are checked here as the man pages say; core/mm/space.c acts.
 *
 * There is no swap, so that locking memory means no more than faulting it in. Missing: huge pages by MAP_HUGETLB,
 * MAP_SYNC, protection keys, NUMA policy, remap_file_pages. */
#include "core/file/file.h"
#include "core/lib/string.h"
#include "core/mm/page.h"
#include "core/mm/space.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/mman.h"
#include "shim/abi/resource.h"
#include "shim/abi/stat.h"
#include "shim/shim.h"

#define PROT_ALL (PROT_READ | PROT_WRITE | PROT_EXEC)
#define LINUX_USER_MAX 0x7ffffffff000ul /* where its application addresses end, with four levels of page tables */

static struct space *current_space(void)
{
	return current_proc()->space;
}

static bool unaligned(uint64_t addr)
{
	return (addr & PAGE_MASK) != 0;
}

/* ---- mmap ---- */

#define MAP_KNOWN (MAP_TYPE | MAP_FIXED | MAP_ANONYMOUS | MAP_32BIT | MAP_GROWSDOWN | MAP_DENYWRITE | MAP_EXECUTABLE | \
		   MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB | \
		   MAP_FIXED_NOREPLACE)

static int mmap_flags_check(uint64_t flags)
{
	switch (flags & MAP_TYPE) {
	case MAP_SHARED: case MAP_PRIVATE:
		break;
	case MAP_SHARED_VALIDATE:
		if (flags & ~(uint64_t)MAP_KNOWN)
			return -EOPNOTSUPP;
		break;
	default:
		return -EINVAL;
	}
	/* As on a machine whose pool of huge pages is empty. */
	return flags & MAP_HUGETLB ? -ENOMEM : 0;
}

/* What the descriptor's mode must allow: mmap(2), EACCES. */
static int mmap_file_check(const struct file *f, uint64_t prot, uint64_t flags)
{
	bool shared = (flags & MAP_TYPE) != MAP_PRIVATE;

	if (!file_readable(f) || (shared && (prot & PROT_WRITE) && !file_writable(f)))
		return -EACCES;
	return 0;
}

/* Where the mapping is asked to be: *addr page aligned. */
static int mmap_place(vaddr_t *addr, size_t len, uint64_t flags)
{
	if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
		if (unaligned(*addr))
			return -EINVAL;
		if (user_range_bad(*addr, len)) {
			if (*addr + len > *addr && *addr + len <= LINUX_USER_MAX)
				space_tell_range(current_space());
			return -ENOMEM;
		}
		return *addr < USER_MIN ? -EPERM : 0;
	}
	*addr = *addr > USER_MAX ? 0 : ALIGN_UP(*addr, PAGE_SIZE);
	return 0;
}

long sys_mmap(uptr_t addr, size_t len, uint64_t prot, uint64_t flags, int fd, uint64_t off)
{
	struct file *f = NULL;
	long r;

	if (unaligned(off))
		return -EINVAL;
	if (!(flags & MAP_ANONYMOUS)) {
		r = fd_get(fd, &f);
		if (r)
			return r;
	}
	r = -EINVAL;
	if (!len)
		goto out;
	r = -ENOMEM;
	if (len > USER_MAX)
		goto out;
	len = ALIGN_UP(len, PAGE_SIZE);
	r = -EOVERFLOW;
	if (off + len < off)
		goto out;
	r = mmap_flags_check(flags);
	if (!r && f)
		r = mmap_file_check(f, prot, flags);
	if (!r)
		r = mmap_place(&addr, len, flags);
	if (r)
		goto out;
	if ((flags & MAP_TYPE) == MAP_SHARED_VALIDATE)
		flags = (flags & ~(uint64_t)MAP_TYPE) | MAP_SHARED;
	r = space_mmap(current_space(), addr, len, prot & PROT_ALL, (unsigned)flags, f, off >> PAGE_SHIFT, NULL);
out:
	if (f)
		file_put(f);
	return r;
}

long sys_munmap(uptr_t addr, size_t len)
{
	if (unaligned(addr) || !len || user_range_bad(addr, len))
		return -EINVAL;
	return space_munmap(current_space(), addr, ALIGN_UP(len, PAGE_SIZE));
}

/* mprotect(2) with PROT_GROWSDOWN reaches down to the start of the mapping, which must be one that grows. */
static int grows_down(uptr_t *addr, size_t *len)
{
	struct vma *v = space_find(current_space(), *addr);

	if (!v || v->start > *addr)
		return -ENOMEM;
	if (!(v->flags & VMA_GROWSDOWN))
		return -EINVAL;
	*len += *addr - v->start;
	*addr = v->start;
	return 0;
}

long sys_mprotect(uptr_t addr, size_t len, uint64_t prot)
{
	uint64_t grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP);
	int r;

	prot &= ~grows;
	if (unaligned(addr) || grows == (PROT_GROWSDOWN | PROT_GROWSUP))
		return -EINVAL;
	if (!len)
		return 0;
	if (len > USER_MAX || addr + ALIGN_UP(len, PAGE_SIZE) <= addr)
		return -ENOMEM;
	len = ALIGN_UP(len, PAGE_SIZE);
	if (prot & ~(uint64_t)(PROT_ALL | PROT_SEM))
		return -EINVAL;
	if (user_range_bad(addr, len))
		return -ENOMEM;
	if (grows & PROT_GROWSUP)
		return -EINVAL;
	if (grows) {
		r = grows_down(&addr, &len);
		if (r)
			return r;
	}
	return space_mprotect(current_space(), addr, len, prot & PROT_ALL);
}

long sys_mremap(uptr_t old, size_t old_len, size_t new_len, uint64_t flags, uptr_t new_addr)
{
	if (flags & ~(uint64_t)(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP))
		return -EINVAL;
	if ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) && !(flags & MREMAP_MAYMOVE))
		return -EINVAL;
	if ((flags & MREMAP_DONTUNMAP) && old_len != new_len)
		return -EINVAL;
	if (unaligned(old) || !new_len || new_len > USER_MAX || old_len > USER_MAX)
		return -EINVAL;
	old_len = ALIGN_UP(old_len, PAGE_SIZE);
	new_len = ALIGN_UP(new_len, PAGE_SIZE);
	if ((flags & MREMAP_FIXED) && (unaligned(new_addr) || user_range_bad(new_addr, new_len) || new_addr < USER_MIN))
		return -EINVAL;
	if (user_range_bad(old, old_len))
		return -EFAULT;
	return space_mremap(current_space(), old, old_len, new_len, (unsigned)flags, new_addr);
}

long sys_brk(uptr_t brk)
{
	return (long)space_brk(current_space(), brk);
}

/* ---- advice, write-back, residency ---- */

static bool advice_known(int advice)
{
	switch (advice) {
	case MADV_NORMAL ... MADV_DONTNEED:
	case MADV_FREE ... MADV_POPULATE_WRITE:
		return true;
	}
	return false;
}

long sys_madvise(uptr_t addr, size_t len, int advice)
{
	if (!advice_known(advice) || unaligned(addr))
		return -EINVAL;
	if (len > ALIGN_UP(len, PAGE_SIZE) || addr + ALIGN_UP(len, PAGE_SIZE) < addr)
		return -EINVAL;
	len = ALIGN_UP(len, PAGE_SIZE);
	if (!len)
		return 0;
	if (user_range_bad(addr, len))
		return -ENOMEM;
	return space_madvise(current_space(), addr, len, advice);
}

long sys_msync(uptr_t addr, size_t len, int flags)
{
	if (flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC) || unaligned(addr))
		return -EINVAL;
	if ((flags & MS_ASYNC) && (flags & MS_SYNC))
		return -EINVAL;
	if (len > ALIGN_UP(len, PAGE_SIZE) || addr + ALIGN_UP(len, PAGE_SIZE) < addr)
		return -ENOMEM;
	len = ALIGN_UP(len, PAGE_SIZE);
	if (!len)
		return 0;
	if (user_range_bad(addr, len))
		return -ENOMEM;
	return space_msync(current_space(), addr, len, (unsigned)flags);
}

#define MINCORE_CHUNK 512 /* pages asked for at once */

long sys_mincore(uptr_t addr, size_t len, uptr_t uvec)
{
	unsigned char vec[MINCORE_CHUNK];
	size_t pages;

	if (unaligned(addr))
		return -EINVAL;
	if (user_range_bad(addr, len))
		return -ENOMEM;
	pages = ALIGN_UP(len, PAGE_SIZE) >> PAGE_SHIFT;
	if (user_range_bad(uvec, pages))
		return -EFAULT;
	while (pages) {
		size_t n = MIN(pages, (size_t)MINCORE_CHUNK);
		int r = space_mincore(current_space(), addr, n << PAGE_SHIFT, vec);

		if (r)
			return r;
		if (copyout(uvec, vec, n))
			return -EFAULT;
		addr += n << PAGE_SHIFT;
		uvec += n;
		pages -= n;
		r = sched_point();
		if (r)
			return r;
	}
	return 0;
}

/* ---- locking ---- */

#define MLOCK_ONFAULT 1

/* RLIMIT_MEMLOCK: nothing may be locked with a limit of 0, nor more than the limit at once. */
static int mlock_limit(size_t len)
{
	uint64_t limit = proc_rlimit(RLIMIT_MEMLOCK);

	if (caller_is_root())
		return 0;
	if (!limit)
		return -EPERM;
	return len > limit ? -ENOMEM : 0;
}

/* -ENOMEM unless every page of [addr, end) is mapped. */
static int range_mapped(vaddr_t addr, vaddr_t end)
{
	struct vma *v = space_find(current_space(), addr);

	while (addr < end) {
		if (!v || v->start > addr)
			return -ENOMEM;
		addr = v->end;
		v = vma_next(v);
	}
	return 0;
}

static int lock_range(uptr_t *addr, size_t *len)
{
	size_t whole = *len + (*addr & PAGE_MASK);

	if (whole < *len || ALIGN_UP(whole, PAGE_SIZE) < whole)
		return -EINVAL;
	*len = ALIGN_UP(whole, PAGE_SIZE);
	*addr = ALIGN_DOWN(*addr, PAGE_SIZE);
	if (*addr + *len < *addr)
		return -EINVAL;
	return user_range_bad(*addr, *len) ? -ENOMEM : 0;
}

long sys_mlock2(uptr_t addr, size_t len, uint64_t flags)
{
	int r;

	if (flags & ~(uint64_t)MLOCK_ONFAULT)
		return -EINVAL;
	r = lock_range(&addr, &len);
	if (!r)
		r = mlock_limit(len);
	if (!r)
		r = range_mapped(addr, addr + len);
	if (r || !len || (flags & MLOCK_ONFAULT))
		return r;
	r = space_madvise(current_space(), addr, len, MADV_POPULATE_READ);
	return r == -EFAULT || r == -EINVAL ? -ENOMEM : r;
}

long sys_mlock(uptr_t addr, size_t len)
{
	return sys_mlock2(addr, len, 0);
}

long sys_munlock(uptr_t addr, size_t len)
{
	int r = lock_range(&addr, &len);

	return r ? r : range_mapped(addr, addr + len);
}

long sys_mlockall(int flags)
{
	if (!flags || (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) || flags == MCL_ONFAULT)
		return -EINVAL;
	if (!caller_is_root() && !proc_rlimit(RLIMIT_MEMLOCK))
		return -EPERM;
	if (!caller_is_root() && (flags & MCL_CURRENT) &&
	    current_space()->total_pages > proc_rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT)
		return -ENOMEM;
	return 0;
}

long sys_munlockall(void)
{
	return 0;
}

/* ---- memory that is a file; barriers ---- */

#define MFD_NAME_MAX 249

long sys_memfd_create(uptr_t uname, uint32_t flags)
{
	char name[MFD_NAME_MAX + 1];
	struct file *f;
	long r;

	if (flags & ~(unsigned)(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB))
		return -EINVAL;
	r = copyin_str(name, uname, sizeof(name));
	if (r < 0)
		return r == -ENAMETOOLONG ? -EINVAL : r;
	if (flags & MFD_HUGETLB)
		return -ENOSYS;
	r = memfd_new(name, flags, &f);
	return r ? r : fd_publish(f, (flags & MFD_CLOEXEC) != 0);
}

/* membarrier(2). With one CPU, threads are ordered by the switch between them, so there is nothing to wait for. */
enum {
	MB_GLOBAL = 1 << 0,
	MB_GLOBAL_EXPEDITED = 1 << 1,
	MB_REGISTER_GLOBAL_EXPEDITED = 1 << 2,
	MB_PRIVATE_EXPEDITED = 1 << 3,
	MB_REGISTER_PRIVATE_EXPEDITED = 1 << 4,
	MB_PRIVATE_SYNC_CORE = 1 << 5,
	MB_REGISTER_PRIVATE_SYNC_CORE = 1 << 6,
};
#define MB_ALL 0x7f

long sys_membarrier(int cmd, uint64_t flags, int cpu)
{
	unsigned *registered = &current_proc()->attrs.membarrier;

	if (flags)
		return -EINVAL;
	switch (cmd) {
	case 0:
		return MB_ALL;
	case MB_GLOBAL: case MB_GLOBAL_EXPEDITED:
		return 0;
	case MB_REGISTER_GLOBAL_EXPEDITED: case MB_REGISTER_PRIVATE_EXPEDITED: case MB_REGISTER_PRIVATE_SYNC_CORE:
		*registered |= (unsigned)cmd;
		return 0;
	case MB_PRIVATE_EXPEDITED:
		return *registered & MB_REGISTER_PRIVATE_EXPEDITED ? 0 : -EPERM;
	case MB_PRIVATE_SYNC_CORE:
		return *registered & MB_REGISTER_PRIVATE_SYNC_CORE ? 0 : -EPERM;
	}
	return -EINVAL;
}

/* ---- protection keys (pkeys(7)): none, as on a CPU without them, where only key -1 is valid ---- */

long sys_pkey_alloc(uint32_t flags, uint32_t rights) { return flags || (rights & ~3u) ? -EINVAL : -ENOSPC; }

long sys_pkey_free(int key) { return -EINVAL; }

long sys_pkey_mprotect(uptr_t addr, size_t len, uint64_t prot, int key)
{
	return key == -1 || unaligned(addr) || !len ? sys_mprotect(addr, len, prot) : -EINVAL;
}
