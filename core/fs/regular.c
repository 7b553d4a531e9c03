/* Open regular files and directories on the page cache: what every disk-like file system and tmpfs share.
 *
 * Writes hold the inode's lock, so that they are atomic against each other and against truncation; reads do not, as
 * on Linux. What holds for all kinds of files (access modes, limits, O_APPEND's position, O_SYNC) is done in
 * core/file/file.c before this is called; O_APPEND is looked at again here, under the lock.
 *
 * Access times follow relatime: mount(8). They are kept in memory only; a server keeps its own.
 *
 * Missing: O_DIRECT goes through the cache; FIEMAP and the other ioctls of disk file systems. */
#include "core/file/file.h"
#include "core/fs/walk.h"
#include "core/mm/space.h"
#include "core/proc/cred.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/mman.h"
#include "shim/abi/stat.h"

#define DAY_SECONDS (24 * 60 * 60)

static bool time_before(const struct timespec64 *a, const struct timespec64 *b)
{
	return a->sec < b->sec || (a->sec == b->sec && a->nsec < b->nsec);
}

/* relatime: only when the access time is no newer than a change, or a day old. */
static void accessed(struct file *f)
{
	struct inode *i = f->inode;
	struct timespec64 now;

	if ((f->flags & O_NOATIME) || (i->super->flags & 1))
		return;
	now = timespec_now();
	if (!time_before(&i->mtime, &i->atime) || !time_before(&i->ctime, &i->atime) ||
	    now.sec - i->atime.sec >= DAY_SECONDS)
		i->atime = now;
}

static long regular_read(struct file *f, struct uio *u, int64_t *pos)
{
	long r = pagecache_read(f->inode, u, pos);

	if (r >= 0)
		accessed(f);
	return r;
}

/* Under the inode's lock. The file system may have room for less than is asked for. */
static long write_locked(struct file *f, struct uio *u, int64_t *pos)
{
	struct inode *i = f->inode;
	int64_t room = (int64_t)u->resid;
	size_t cut;
	long r;

	if (f->flags & O_APPEND)
		*pos = (int64_t)i->size;
	if (!u->resid)
		return 0;
	if (i->ops->reserve) {
		room = i->ops->reserve(i, (uint64_t)*pos, u->resid);
		if (room < 0)
			return room;
	}
	cut = u->resid - (size_t)room;
	u->resid -= cut;
	r = pagecache_write(i, u, pos);
	u->resid += cut;
	if (r > 0) {
		inode_now(i, ATTR_MTIME | ATTR_CTIME);
		inode_drop_privileges(i);
	}
	return r;
}

static long regular_write(struct file *f, struct uio *u, int64_t *pos)
{
	struct inode *i = f->inode;
	long r;

	mutex_lock(&i->lock);
	r = write_locked(f, u, pos);
	mutex_unlock(&i->lock);
	if (r > 0 && !i->cache.memory_only)
		pagecache_balance();
	return r;
}

/* SEEK_DATA and SEEK_HOLE: file systems without holes say that all is data (lseek(2)). */
static int64_t seek_data(struct inode *i, int64_t off, bool hole)
{
	int64_t r;

	if (off < 0 || (uint64_t)off >= i->size)
		return -ENXIO;
	if (!i->ops->seek_data)
		return hole ? (int64_t)i->size : off;
	mutex_lock(&i->lock);
	r = i->ops->seek_data(i, (uint64_t)off, hole);
	mutex_unlock(&i->lock);
	return r;
}

static int64_t regular_seek(struct file *f, int64_t off, int whence)
{
	if (whence == SEEK_DATA || whence == SEEK_HOLE)
		return seek_data(f->inode, off, whence == SEEK_HOLE);
	return file_seek_size(f, off, whence, f->inode->size);
}

/* The pages come from the inode's cache as they are touched. */
static int regular_mmap(struct file *f, struct vma *v)
{
	struct inode *i = f->inode;
	int64_t r;

	if ((v->flags & VMA_SHARED) && file_writable(f) && i->ops->reserve) {
		mutex_lock(&i->lock);
		r = i->ops->reserve(i, 0, 0);
		mutex_unlock(&i->lock);
		if (r < 0)
			return (int)r;
	}
	accessed(f);
	return 0;
}

static int regular_fsync(struct file *f, bool data_only)
{
	struct inode *i = f->inode;
	int r = pagecache_sync(&i->cache, 0, UINT64_MAX >> PAGE_SHIFT);

	if (!r && i->ops->fsync)
		r = i->ops->fsync(i, data_only);
	return r;
}

/* What a program has written is on the host once it has closed the file. */
static int regular_flush(struct file *f)
{
	return file_writable(f) ? pagecache_sync(&f->inode->cache, 0, UINT64_MAX >> PAGE_SHIFT) : 0;
}

/* ---- directories ---- */

static long directory_read(struct file *f, struct uio *u, int64_t *pos) { return -EISDIR; }

static int64_t directory_seek(struct file *f, int64_t off, int whence)
{
	if (whence != SEEK_SET && whence != SEEK_CUR)
		return -EINVAL;
	return file_seek_size(f, off, whence, 0);
}

/* "." and "..", whose numbers are those of this file system, as Linux's are. */
static bool emit_dots(struct file *f, struct dir_ctx *c)
{
	struct inode *up = f->inode;

	if (f->path.dentry && f->path.dentry->parent->inode)
		up = f->path.dentry->parent->inode;
	if (c->pos == 0 && !dir_emit(c, ".", 1, f->inode->ino, DT_DIR, 1))
		return false;
	return c->pos != 1 || dir_emit(c, "..", 2, up->ino, DT_DIR, 2);
}

static int directory_readdir(struct file *f, struct dir_ctx *c)
{
	struct inode *i = f->inode;
	int r = 0;

	if (!i->ops->readdir)
		return -ENOTDIR;
	mutex_lock(&i->lock);
	if (f->path.dentry && f->path.dentry->unlinked)
		r = -ENOENT;
	else if (emit_dots(f, c))
		r = i->ops->readdir(i, f, c);
	mutex_unlock(&i->lock);
	if (!r)
		accessed(f);
	return r;
}

static int directory_fsync(struct file *f, bool data_only)
{
	return f->inode->ops->fsync ? f->inode->ops->fsync(f->inode, data_only) : 0;
}

const struct file_ops regular_file_ops = {
	.read = regular_read,
	.write = regular_write,
	.seek = regular_seek,
	.mmap = regular_mmap,
	.fsync = regular_fsync,
	.flush = regular_flush,
};

const struct file_ops directory_file_ops = {
	.read = directory_read,
	.seek = directory_seek,
	.readdir = directory_readdir,
	.fsync = directory_fsync,
};
