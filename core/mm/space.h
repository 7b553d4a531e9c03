/* Address spaces and VMAs: mmap, munmap, mprotect, mremap, madvise, brk and the page fault.
 *
 * Order of sleeping locks: rename → inode (parent, child) → space → page. A fault on a file page may sleep to read it; it
 * then looks the VMA up again. */
#ifndef CORE_MM_SPACE_H
#define CORE_MM_SPACE_H

#include "core/lib/list.h"
#include "core/lib/rbtree.h"
#include "core/mm/pt.h"
#include "core/wait.h"

struct file;
struct inode;
struct plat_space;
struct seqbuf;

/* A range of one space. Touched only under the space's lock, except the inode list (the inode's). */
struct vma {
	struct rb_node node;
	vaddr_t start, end; /* page aligned */
	struct space *space;
	unsigned prot;      /* PROT_ */
	unsigned flags;     /* VMA_ */
	struct file *file;  /* reference held; NULL for anonymous */
	uint64_t pgoff;     /* page index in file of `start` */
	struct list inode_link; /* in the inode's page cache: all VMAs that may map its pages */
	vaddr_t fault_next; /* adaptive fault-around: where a sequential run would fault next, */
	uint32_t fault_run; /* and how many pages the next one takes */
	const char *name;   /* "[heap]", "[stack]", "[vdso]", … for maps; NULL otherwise; static */
};

enum {
	VMA_SHARED = 1 << 0,
	VMA_MAYWRITE = 1 << 1,  /* mprotect may add PROT_WRITE (a shared file opened read-write, or any private mapping) */
	VMA_GROWSDOWN = 1 << 2,
	VMA_NORESERVE = 1 << 3,
	VMA_DONTFORK = 1 << 4,
	VMA_WIPEONFORK = 1 << 5,
	VMA_LOCKED = 1 << 6,
	VMA_KERNEL = 1 << 7,    /* trampolines, vDSO: the program may unmap or protect it as on Linux, but pages are ours */
	VMA_DONTDUMP = 1 << 8,
};

struct space {
	unsigned refs;
	struct mutex lock;
	struct rb_root vmas;
	struct vma *hint;      /* found last */
	unsigned vma_count;
	paddr_t root;
	struct plat_space *plat;
	vaddr_t brk_start, brk; /* brk: current break, not aligned */
	vaddr_t mmap_top;       /* mappings are placed downwards from here */
	vaddr_t stack_top, stack_limit;
	/* for /proc: set by the loader */
	vaddr_t code_start, code_end, arg_start, arg_end, env_start, env_end, vdso;
	vaddr_t auxv_addr; size_t auxv_len;
	vaddr_t gap_from;       /* placement: every gap between here and mmap_top is known to be */
	size_t gap_max;         /* at most this long */
	size_t total_pages, rss_anon, rss_file; /* pages mapped in VMAs; resident */
	size_t rss_peak;
	uint64_t faults_minor, faults_major;
	bool told_range;        /* by space_tell_range() */
};

int space_new(struct space **out);
struct space *space_get(struct space *s);
void space_put(struct space *s); /* unmaps and frees at the last reference; may sleep */
void space_activate(struct space *s); /* makes it current on this CPU */

/* Most VMAs in a space: as Linux's vm.max_map_count. */
#define SPACE_MAX_VMAS 65530
/* Kept free below a mapping that grows down. */
#define STACK_GUARD_GAP (256 * PAGE_SIZE)

/* mmap(2) after decoding: addr, len page aligned (len rounded up by the caller). flags are MAP_ bits. file may be NULL;
 * the new VMA takes its own reference. Returns the address or -errno.
 *
 * file->ops->mmap(f, v) is called before the VMA has its place, without the space's lock (it may sleep): v->prot, flags,
 * file (a reference) and pgoff are set, end - start is the length. It may refuse, change v->flags, and replace v->file by
 * another file's reference. space_mmap_zero() is the operation of /dev/zero: private mappings become anonymous, shared ones
 * get a nameless file of their own. */
int space_mmap_zero(struct file *f, struct vma *v);
long space_mmap(struct space *s, vaddr_t addr, size_t len, unsigned prot, unsigned flags, struct file *file, uint64_t pgoff,
		const char *name);
int space_munmap(struct space *s, vaddr_t addr, size_t len);
int space_mprotect(struct space *s, vaddr_t addr, size_t len, unsigned prot);
long space_mremap(struct space *s, vaddr_t old, size_t old_len, size_t new_len, unsigned flags, vaddr_t new_addr);
int space_madvise(struct space *s, vaddr_t addr, size_t len, int advice);
vaddr_t space_brk(struct space *s, vaddr_t brk); /* the break now in force, as the raw syscall returns it */
int space_msync(struct space *s, vaddr_t addr, size_t len, unsigned flags);
int space_mincore(struct space *s, vaddr_t addr, size_t len, unsigned char *vec); /* len/4096 bytes */

/* Tells once that the current program, whose space this is, needs addresses that Linux has and this kernel has not: its own
 * words seldom name the reason. */
void space_tell_range(struct space *s);

/* The VMA that holds addr, or the next above (NULL: none). */
struct vma *space_find(struct space *s, vaddr_t addr);
struct vma *vma_next(struct vma *v);

/* Resolves a fault at addr: access is PROT_READ, PROT_WRITE or PROT_EXEC. May sleep. 0 when the access can be tried again;
 * -EFAULT: no mapping (SEGV_MAPERR); -EACCES: not allowed (SEGV_ACCERR); -EIO: beyond the file's end or unreadable
 * (SIGBUS); -ENOMEM: RAM is short. */
int space_fault(struct space *s, vaddr_t addr, unsigned access);

/* Makes [addr, addr+len) of the current space accessible (PROT_READ or PROT_WRITE), page by page: 0, or -EFAULT where
 * the range is not (whole). May sleep. */
int space_fault_in(vaddr_t addr, size_t len, unsigned access);

/* Removes every mapping of pages [first, last] of an inode (truncate, invalidate); private copies stay unless `even_cow`. */
void space_unmap_inode(struct inode *inode, uint64_t first, uint64_t last, bool even_cow);
/* Write-protects them, so that the next write marks the page dirty again (write-back). */
void space_clean_inode(struct inode *inode, uint64_t first, uint64_t last);

/* /proc/…/maps, smaps, smaps_rollup. */
void space_print_maps(struct space *s, struct seqbuf *out);
void space_print_smaps(struct space *s, struct seqbuf *out);
void space_print_rollup(struct space *s, struct seqbuf *out);

/* A private copy of the page at va that the kernel may write to (code patching): its kernel address, or NULL. May sleep. */
void *space_private_page(struct space *s, vaddr_t va);

#endif
