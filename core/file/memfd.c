/* memfd_create(2): a nameless regular file in memory, which may be sealed against changes (fcntl(2), F_ADD_SEALS).
 *
 * The files live in a tmpfs of their own that is mounted nowhere, made at the first use. Their inodes have the
 * tmpfs's operations but for those that a seal may forbid, so a file opened again through /proc/self/fd obeys the
 * seals as well. Seals only ever grow; F_SEAL_WRITE is refused while a mapping could write, so nothing has to be
 * looked at later.
 *
 * Missing: MFD_HUGETLB (-EINVAL, as a kernel without it); F_SEAL_EXEC. */
#include "core/file/file.h"
#include "core/lib/string.h"
#include "core/lib/util.h"
#include "core/mm/slab.h"
#include "core/mm/space.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/mman.h"
#include "shim/abi/stat.h"

#define MEMFD_NAME_MAX 249
#define NAME_PREFIX "/memfd:"
#define NAME_SUFFIX " (deleted)"
#define SEALS_ALL (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)
#define SEALS_WRITE (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)

static struct super *memfd_super;
static const struct inode_ops *tmpfs_ops;  /* what an inode of memfd_super had */
static struct inode_ops memfd_inode_ops;   /* the same, with the seals looked at */
static struct file_ops memfd_file_ops;     /* regular_file_ops, likewise */

/* ---- what seals forbid ---- */

/* Linux checks page by page, so a write across the end of a file that may not grow stops at the last whole page. */
static long memfd_write(struct file *f, struct uio *u, int64_t *pos)
{
	uint64_t size = f->inode->size, at = (uint64_t)*pos, whole = ALIGN_DOWN(size, PAGE_SIZE);

	if (f->inode->seals & SEALS_WRITE)
		return -EPERM;
	if ((f->inode->seals & F_SEAL_GROW) && at + u->resid > size) {
		if (at >= whole)
			return -EPERM;
		u->resid = whole - at;
	}
	return regular_file_ops.write(f, u, pos);
}

static int memfd_mmap(struct file *f, struct vma *v)
{
	if ((f->inode->seals & SEALS_WRITE) && (v->flags & VMA_SHARED)) {
		if (v->prot & PROT_WRITE)
			return -EPERM;
		v->flags &= ~(unsigned)VMA_MAYWRITE;
	}
	return regular_file_ops.mmap(f, v);
}

static int memfd_setattr(struct inode *inode, const struct iattr *a)
{
	if (a->valid & ATTR_SIZE) {
		if (a->size < inode->size && (inode->seals & F_SEAL_SHRINK))
			return -EPERM;
		if (a->size > inode->size && (inode->seals & F_SEAL_GROW))
			return -EPERM;
	}
	return tmpfs_ops->setattr(inode, a);
}

static int memfd_fallocate(struct inode *inode, int mode, uint64_t off, uint64_t len)
{
	if ((mode & FALLOC_FL_PUNCH_HOLE) && (inode->seals & SEALS_WRITE))
		return -EPERM;
	if ((inode->seals & F_SEAL_GROW) && off + len > inode->size && !(mode & FALLOC_FL_PUNCH_HOLE))
		return -EPERM;
	return tmpfs_ops->fallocate(inode, mode, off, len);
}

/* ---- seals ---- */

static bool is_memfd(const struct file *f) { return memfd_super && f->inode->super == memfd_super; }

/* A shared mapping through which the file can be written, now or after mprotect. */
static bool mapped_writable(struct inode *inode)
{
	list_each(p, &inode->cache.vmas) {
		struct vma *v = list_entry(p, struct vma, inode_link);

		if ((v->flags & VMA_SHARED) && ((v->prot & PROT_WRITE) || (v->flags & VMA_MAYWRITE)))
			return true;
	}
	return false;
}

int memfd_add_seals(struct file *f, unsigned seals)
{
	struct inode *inode = f->inode;

	if (!file_writable(f))
		return -EPERM;
	if (!is_memfd(f) || (seals & ~(unsigned)SEALS_ALL))
		return -EINVAL;
	if (inode->seals & F_SEAL_SEAL)
		return -EPERM;
	if ((seals & F_SEAL_WRITE) && !(inode->seals & F_SEAL_WRITE) && mapped_writable(inode))
		return -EBUSY;
	inode->seals |= seals;
	return 0;
}

int memfd_get_seals(struct file *f) { return is_memfd(f) ? (int)f->inode->seals : -EINVAL; }

/* ---- making one ---- */

static int memfd_setup(void)
{
	struct super *s;
	int r;

	if (memfd_super)
		return 0;
	r = tmpfs_new(&s, 0, S_IFDIR | 0777);
	if (r)
		return r;
	memfd_super = s;
	memfd_file_ops = regular_file_ops;
	memfd_file_ops.write = memfd_write;
	memfd_file_ops.mmap = memfd_mmap;
	return 0;
}

int memfd_inode(struct inode **out)
{
	struct inode *root, *inode;
	int r = memfd_setup();

	if (r)
		return r;
	root = memfd_super->root->inode;
	mutex_lock(&root->lock);
	r = root->ops->tmpfile(root, S_IFREG | 0777, false, &inode);
	mutex_unlock(&root->lock);
	if (r)
		return r;
	if (!tmpfs_ops) {
		tmpfs_ops = inode->ops;
		memfd_inode_ops = *inode->ops;
		memfd_inode_ops.setattr = memfd_setattr;
		memfd_inode_ops.fallocate = memfd_fallocate;
	}
	inode->ops = &memfd_inode_ops;
	inode->fops = &memfd_file_ops;
	*out = inode;
	return 0;
}

int memfd_new(const char *name, unsigned flags, struct file **out)
{
	char text[sizeof(NAME_PREFIX) + MEMFD_NAME_MAX + sizeof(NAME_SUFFIX)];
	struct inode *inode;
	struct path path;
	int r;

	if (flags & ~(unsigned)(MFD_CLOEXEC | MFD_ALLOW_SEALING))
		return -EINVAL;
	if (strnlen(name, MEMFD_NAME_MAX + 1) > MEMFD_NAME_MAX)
		return -EINVAL;
	r = memfd_inode(&inode);
	if (r)
		return r;
	inode->seals = flags & MFD_ALLOW_SEALING ? 0 : F_SEAL_SEAL;
	ksnprintf(text, sizeof(text), NAME_PREFIX "%s" NAME_SUFFIX, name);
	r = path_anon(inode, text, &path);
	if (!r) {
		r = file_new_path(&path, O_RDWR | O_LARGEFILE, out);
		path_put(&path);
	}
	inode_put(inode);
	return r;
}
