/* System V shared memory (sysvipc(7)). A segment is a nameless file in memory, as memfd's are, found by its id; attaching
 * opens it and maps the file shared, and what a process maps counts as attached, piece by piece, as on Linux. Each attachment
 * has a file of its own, whose end is the end of the attachment.
 *
 * What SHM_LOCK keeps from being swapped out stays here anyway. Missing: huge pages (-ENOMEM, as with none reserved). */
#include "core/file/shm.h"
#include "core/file/file.h"
#include "core/lib/seqbuf.h"
#include "core/lib/string.h"
#include "core/lib/util.h"
#include "core/mm/slab.h"
#include "core/mm/space_impl.h"
#include "core/proc/cred.h"
#include "core/proc/proc.h"
#include "core/sched.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/resource.h"
#include "shim/abi/shm.h"
#include "shim/abi/stat.h"

struct shm {
	struct list link;         /* segments */
	int id;
	unsigned files;           /* attachments; removed ones go with the last */
	uint32_t locker;          /* who has locked it, if it is SHM_LOCKED */
	struct inode *inode;      /* reference held */
	struct abi_shmid_ds ds;   /* all but nattch */
};

static struct list segments = LIST_INIT(segments);
static unsigned segment_count;
static struct file_ops shm_file_ops; /* regular_file_ops with a release */

static void shm_free(struct shm *s)
{
	list_remove(&s->link);
	segment_count--;
	inode_put(s->inode);
	kfree(s);
}

static void shm_release(struct file *f)
{
	struct shm *s = f->priv;

	s->ds.dtime = timespec_now().sec;
	s->ds.lpid = current_proc()->pid;
	if (!--s->files && (s->ds.mode & SHM_DEST))
		shm_free(s);
}

/* ipcperms: `want` has the rights in any of the three places of a mode. */
static int may(const struct shm *s, unsigned want)
{
	const struct cred *c = cred_current();
	unsigned mode = s->ds.mode;

	if (c->euid == s->ds.uid || c->euid == s->ds.cuid)
		mode >>= 6;
	else if (cred_in_group(c, s->ds.gid) || cred_in_group(c, s->ds.cgid))
		mode >>= 3;
	want |= want >> 3 | want >> 6;
	return (want & ~mode & 7) && !cred_is_root(c) ? -EACCES : 0;
}

static struct shm *shm_find(int id)
{
	list_each(p, &segments)
		if (list_entry(p, struct shm, link)->id == id)
			return list_entry(p, struct shm, link);
	return NULL;
}

/* ---- shmget ---- */

static int shm_new(int key, size_t size, int flags)
{
	static int next_id;
	const struct cred *c = cred_current();
	struct shm *s;
	int r;

	if (!size || size > SHMMAX)
		return -EINVAL;
	if (segment_count >= SHMMNI)
		return -ENOSPC;
	if (flags & SHM_HUGETLB)
		return cred_is_root(c) ? -ENOMEM : -EPERM;
	if ((int64_t)size < 0)
		return -EINVAL;
	if (!(flags & SHM_NORESERVE) && !space_enough_ram(ALIGN_UP(size, PAGE_SIZE) >> PAGE_SHIFT))
		return -ENOMEM;
	s = kzalloc(sizeof(*s));
	if (!s)
		return -ENOMEM;
	r = memfd_inode(&s->inode);
	if (r) {
		kfree(s);
		return r;
	}
	s->inode->size = size;
	s->id = next_id++ & INT32_MAX;
	s->ds = (struct abi_shmid_ds){ .key = key, .uid = c->euid, .cuid = c->euid, .gid = c->egid, .cgid = c->egid,
		.mode = (unsigned)flags & 0777, .segsz = size, .ctime = timespec_now().sec, .cpid = current_proc()->pid };
	list_append(&segments, &s->link);
	segment_count++;
	return s->id;
}

int shm_get(int key, size_t size, int flags)
{
	if (key != IPC_PRIVATE) {
		list_each(p, &segments) {
			struct shm *s = list_entry(p, struct shm, link);
			int r;

			if (s->ds.key != key)
				continue;
			if ((flags & (IPC_CREAT | IPC_EXCL)) == (IPC_CREAT | IPC_EXCL))
				return -EEXIST;
			r = size > s->ds.segsz ? -EINVAL : may(s, (unsigned)flags & 0777);
			return r ? r : s->id;
		}
		if (!(flags & IPC_CREAT))
			return -ENOENT;
	}
	return shm_new(key, size, flags);
}

/* ---- shmat, shmdt ---- */

static int shm_open(struct shm *s, int flags, struct file **out)
{
	char name[32];
	struct path path;
	int r;

	if (!shm_file_ops.release) {
		shm_file_ops = regular_file_ops;
		shm_file_ops.release = shm_release;
	}
	ksnprintf(name, sizeof(name), "/SYSV%08x (deleted)", (unsigned)s->ds.key);
	r = path_anon(s->inode, name, &path);
	if (r)
		return r;
	r = file_new_path(&path, flags, out);
	path_put(&path);
	if (r)
		return r;
	(*out)->ops = &shm_file_ops;
	(*out)->priv = s;
	s->files++;
	s->ds.atime = timespec_now().sec;
	s->ds.lpid = current_proc()->pid;
	return 0;
}

long shm_attach(int id, vaddr_t addr, int flags)
{
	unsigned prot = PROT_READ | (flags & SHM_RDONLY ? 0 : PROT_WRITE) | (flags & SHM_EXEC ? PROT_EXEC : 0);
	unsigned want = (flags & SHM_RDONLY ? 4 : 6) | (flags & SHM_EXEC ? 1 : 0), how = MAP_SHARED;
	struct shm *s = shm_find(id);
	struct file *f;
	size_t size;
	long r;

	if (addr && (flags & SHM_RND))
		addr = ALIGN_DOWN(addr, PAGE_SIZE);
	if (!s || (addr & PAGE_MASK) || (!addr && (flags & SHM_REMAP)))
		return -EINVAL;
	r = may(s, want);
	if (r)
		return r;
	size = ALIGN_UP(s->ds.segsz, PAGE_SIZE);
	if (addr)
		how |= flags & SHM_REMAP ? MAP_FIXED : MAP_FIXED_NOREPLACE;
	if (addr && (addr < USER_MIN || addr > USER_MAX || size > USER_MAX - addr))
		return addr < USER_MIN ? -EPERM : -EINVAL;
	if (size > USER_MAX)
		return -ENOMEM;
	r = shm_open(s, flags & SHM_RDONLY ? O_RDONLY : O_RDWR, &f);
	if (r)
		return r;
	r = space_mmap(current_proc()->space, addr, size, prot, how, f, 0, NULL);
	file_put(f);
	return r == -EEXIST ? -EINVAL : r;
}

/* The first piece at or above addr of a segment that was attached at addr: of file *f, or, if that is NULL, of any. */
static bool attached_piece(vaddr_t addr, struct file **f, vaddr_t *start, size_t *len)
{
	struct space *space = current_proc()->space;
	struct vma *v;

	mutex_lock(&space->lock);
	for (v = space_find(space, addr); v; v = vma_next(v))
		if (v->file && v->file->ops == &shm_file_ops && (!*f || v->file == *f) && v->start - addr == v->pgoff << PAGE_SHIFT)
			break;
	if (v) {
		if (!*f)
			*f = file_get(v->file);
		*start = v->start;
		*len = v->end - v->start;
	}
	mutex_unlock(&space->lock);
	return v != NULL;
}

int shm_detach(vaddr_t addr)
{
	struct file *f = NULL;
	vaddr_t start;
	size_t len;
	int r = -EINVAL;

	if (addr & PAGE_MASK)
		return -EINVAL;
	while (attached_piece(addr, &f, &start, &len)) {
		r = space_munmap(current_proc()->space, start, len);
		if (r)
			break;
	}
	if (f)
		file_put(f);
	return r;
}

/* ---- shmctl ---- */

static void stat_out(const struct shm *s, struct abi_shmid_ds *out)
{
	*out = s->ds;
	list_each(p, &s->inode->cache.vmas)
		out->nattch++;
}

int shm_stat(int id, struct abi_shmid_ds *out)
{
	struct shm *s = shm_find(id);
	int r = s ? may(s, 4) : -EINVAL;

	if (!r)
		stat_out(s, out);
	return r;
}

int shm_stat_index(int index, bool any, struct abi_shmid_ds *out)
{
	list_each(p, &segments) {
		struct shm *s = list_entry(p, struct shm, link);

		if (index-- > 0)
			continue;
		if (!any && may(s, 4))
			return -EACCES;
		stat_out(s, out);
		return s->id;
	}
	return -EINVAL;
}

static size_t shm_pages(const struct shm *s) { return ALIGN_UP(s->ds.segsz, PAGE_SIZE) >> PAGE_SHIFT; }

/* RLIMIT_MEMLOCK bounds what a user has locked, all segments together. */
static int shm_lock(struct shm *s)
{
	const struct cred *c = cred_current();
	uint64_t limit = proc_rlimit(RLIMIT_MEMLOCK), pages = shm_pages(s);

	list_each(p, &segments) {
		const struct shm *o = list_entry(p, struct shm, link);

		if (o != s && (o->ds.mode & SHM_LOCKED) && o->locker == c->ruid)
			pages += shm_pages(o);
	}
	if (!cred_is_root(c) && (!limit || (pages > limit >> PAGE_SHIFT && !(s->ds.mode & SHM_LOCKED))))
		return limit ? -ENOMEM : -EPERM;
	if (!(s->ds.mode & SHM_LOCKED))
		s->locker = c->ruid;
	s->ds.mode |= SHM_LOCKED;
	return 0;
}

int shm_control(int id, int cmd, const struct abi_shmid_ds *set)
{
	const struct cred *c = cred_current();
	struct shm *s = shm_find(id);

	if (!s)
		return -EINVAL;
	if (!cred_is_root(c) && c->euid != s->ds.uid && c->euid != s->ds.cuid)
		return -EPERM;
	switch (cmd) {
	case IPC_RMID:
		s->ds.key = IPC_PRIVATE;
		s->ds.mode |= SHM_DEST;
		if (!s->files)
			shm_free(s);
		return 0;
	case IPC_SET:
		s->ds.uid = set->uid;
		s->ds.gid = set->gid;
		s->ds.mode = (s->ds.mode & ~0777u) | (set->mode & 0777);
		s->ds.ctime = timespec_now().sec;
		return 0;
	case SHM_LOCK:
		return shm_lock(s);
	case SHM_UNLOCK:
		s->ds.mode &= ~(unsigned)SHM_LOCKED;
		return 0;
	}
	return -EINVAL;
}

unsigned shm_usage(uint64_t *pages, uint64_t *resident)
{
	*pages = *resident = 0;
	list_each(p, &segments) {
		struct shm *s = list_entry(p, struct shm, link);

		*pages += shm_pages(s);
		*resident += s->inode->cache.pages;
	}
	return segment_count;
}

void shm_print(struct seqbuf *b)
{
	seqbuf_str(b, "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime"
		      "      ctime                   rss                  swap\n");
	list_each(p, &segments) {
		const struct shm *s = list_entry(p, struct shm, link);
		struct abi_shmid_ds d;

		stat_out(s, &d);
		seqbuf_printf(b, "%10d %10d  %4o %21lu %5d %5d  %5lu %5u %5u %5u %5u %10ld %10ld %10ld %21lu %21u\n", d.key, s->id,
			      d.mode, d.segsz, d.cpid, d.lpid, d.nattch, d.uid, d.gid, d.cuid, d.cgid, d.atime, d.dtime,
			      d.ctime, s->inode->cache.pages << PAGE_SHIFT, 0);
	}
}
