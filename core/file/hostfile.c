/* A standard stream that is a regular file on the host: `program <in >out 2>>log`.
 *
 * The open file is the host's, and others have it too: a shell whose next command goes on where the program stopped, a
 * job beside it that writes to the same log. So nothing is kept here that they would have to know: each operation is the
 * host's own (plat/stdfile.h), at the position that the host keeps. f->pos is what we believe of it, for /proc and locks;
 * `told` is the value of f->pos that stands for the host's position. Where somebody moved f->pos (file_copy() steps back
 * over what its output refused), the host's follows by the difference at the next operation, or at the last.
 *
 * Opened again through /proc/self/fd it is a file with a position of its own, served by pread(2) and pwrite(2); the host is
 * asked to open it again only when that is to be for more than it is open for.
 *
 * Mappings are the exception: their pages are in the inode's page cache, which is empty as long as nobody maps the file. What
 * they have written goes to the host before the program reads or writes otherwise, and at fsync, msync, close and exit; what
 * is written otherwise, here or (seen at the next fstat) on the host, drops the pages.
 *
 * fstat(2) shows the numbers of the same file in our own tree, if it is there under the same name: programs compare them
 * ("input file is output file").
 *
 * A directory is one as far as fstat(2) tells and read(2) fails (EISDIR). Its names are not to be had by this descriptor.
 *
 * Missing: extended attributes; locks are seen inside only. */
#include "core/file/hostfile.h"
#include "core/lib/string.h"
#include "core/mm/slab.h"
#include "plat/plat.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/stat.h"
#include "shim/abi/time.h"

#define HOSTFILE_MAGIC 0x686f7374ul /* statfs f_type: "host" */

struct hostfile {
	int fd;            /* the platform's name for it */
	int flags;         /* O_ACCMODE and O_APPEND as the host has them */
	int64_t told;
	struct file *file; /* the one that shares the host's position; NULL: closed */
	bool named;        /* the inode has its lasting numbers */
};

static struct waitq woken = WAITQ_INIT(woken);               /* by the platform */
static struct mutex calls = { .waiters = WAITQ_INIT(calls.waiters) }; /* one at a time */

void hostfile_irq(void) { waitq_wake_all(&woken, 0); }

/* No signal ends it, as none ends the wait for a disk. */
static long call(const struct hostfile *h, unsigned op, int64_t at, uint64_t len, void *buf)
{
	struct stdfile_call c = { .op = op, .fd = (uint32_t)h->fd, .at = at, .len = len };
	long r;

	mutex_lock(&calls);
	wait_event_uninterruptible(&woken, (r = plat_stdio_call(&c, buf)) != -EAGAIN);
	mutex_unlock(&calls);
	return r;
}

/* Brings the host's position and O_APPEND in line with f's. */
static long follow(struct file *f)
{
	struct hostfile *h = f->priv;
	long r;

	if ((f->flags ^ h->flags) & O_APPEND) {
		r = call(h, STDFILE_APPEND, 0, f->flags & O_APPEND, NULL);
		if (r)
			return r;
		h->flags ^= O_APPEND;
	}
	if (f->pos == h->told)
		return 0;
	r = call(h, STDFILE_SEEK, f->pos - h->told, SEEK_CUR, NULL);
	if (r < 0)
		return r;
	f->pos = h->told = r;
	return 0;
}

static bool here(struct file *f, const int64_t *pos)
{
	struct hostfile *h = f->priv;

	return h->file == f && pos == &f->pos;
}

static void moved(struct file *f, int64_t *pos, size_t n, bool own)
{
	struct hostfile *h = f->priv;

	*pos += (int64_t)n;
	if (own)
		h->told = *pos;
}

/* ---- mappings ---- */

/* What they have written goes out. */
static int settle(struct inode *i)
{
	return i->cache.dirty || i->cache.wb_error ? pagecache_sync(&i->cache, 0, UINT64_MAX >> PAGE_SHIFT) : 0;
}

/* What they see comes anew. */
static void renew(struct inode *i)
{
	if (i->cache.pages)
		pagecache_invalidate(&i->cache, 0, UINT64_MAX >> PAGE_SHIFT, false);
}

static int hostfile_read_pages(struct inode *i, struct page **pages, uint64_t index, unsigned n)
{
	size_t size, want;
	struct page *page = bounce_get(n * PAGE_SIZE, &size);
	char *buf = page ? page_va(page) : NULL;
	long got = page ? 0 : -ENOMEM;

	for (unsigned k = 0; k < n && got >= 0; k += (unsigned)(want / PAGE_SIZE)) {
		want = MIN(size, (n - k) * PAGE_SIZE);
		got = call(i->priv, STDFILE_READ, (int64_t)((index + k) << PAGE_SHIFT), want, buf);
		if (got >= 0)
			memset(buf + got, 0, want - (size_t)got);
		for (size_t at = 0; at < want; at += PAGE_SIZE)
			memcpy(page_va(pages[k + at / PAGE_SIZE]), buf + at, PAGE_SIZE);
	}
	if (page)
		page_put(page);
	return got < 0 ? (int)got : 0;
}

static int hostfile_write_pages(struct inode *i, struct page **pages, uint64_t index, unsigned n)
{
	uint64_t from = index << PAGE_SHIFT;
	long r = 0;

	/* A full disk may take the first part of a page; why not the rest, it says when asked again. */
	for (uint64_t at = 0; r >= 0 && at < n * PAGE_SIZE && from + at < i->size; at += (uint64_t)r) {
		r = call(i->priv, STDFILE_WRITE, (int64_t)(from + at), MIN(i->size - from - at, PAGE_SIZE - (at & PAGE_MASK)),
			 (char *)page_va(pages[at >> PAGE_SHIFT]) + (at & PAGE_MASK));
		if (!r)
			r = -EIO;
	}
	return r < 0 ? (int)r : 0;
}

static int hostfile_mmap(struct file *f, struct vma *v)
{
	if (S_ISDIR(f->inode->mode))
		return -ENODEV;
	renew(f->inode);
	return vfs_getattr(f->inode);
}

/* ---- reading and writing ---- */

/* All n bytes to the user: how many came there before an address was bad. */
static size_t put_all(struct uio *u, const char *buf, size_t n)
{
	size_t done = uio_put(u, buf, n);

	while (done < n && !uio_fault_in(u, n - done))
		done += uio_put(u, buf + done, n - done);
	return done;
}

static long read_chunks(struct file *f, struct uio *u, int64_t *pos, char *buf, size_t size)
{
	struct hostfile *h = f->priv;
	size_t total = u->resid;
	bool own = here(f, pos);
	long r = own ? follow(f) : 0;

	while (!r && u->resid) {
		size_t want = MIN(u->resid, size), put;
		long got = call(h, STDFILE_READ, own ? STDFILE_HERE : *pos, want, buf);

		if (got <= 0) {
			r = got;
			break;
		}
		put = put_all(u, buf, (size_t)got);
		moved(f, pos, (size_t)got, own);
		*pos -= got - (long)put;
		if (put < (size_t)got)
			r = own ? follow(f) : 0;
		if (!r && put < (size_t)got)
			r = -EFAULT;
		if (put < want)
			break;
	}
	return u->resid < total ? (long)(total - u->resid) : r;
}

static long hostfile_read(struct file *f, struct uio *u, int64_t *pos)
{
	size_t size;
	struct page *page;
	long r = settle(f->inode);

	if (r)
		return r;
	page = bounce_get(u->resid, &size);
	if (!page)
		return -ENOMEM;
	r = read_chunks(f, u, pos, page_va(page), size);
	page_put(page);
	return r;
}

/* Output at the position need not wait for the host's answer: the platform may have only taken it when this returns. */
static long write_some(const struct hostfile *h, int64_t at, char *buf, size_t n)
{
	long r;

	if (h->fd == 0 || at != STDFILE_HERE)
		return call(h, STDFILE_WRITE, at, n, buf);
	wait_event_uninterruptible(&woken, (r = plat_stdio_write(h->fd, buf, n)) != -EAGAIN);
	return r == -EPIPE ? file_broken_pipe() : r;
}

static long write_chunks(struct file *f, struct uio *u, int64_t *pos, char *buf, size_t size)
{
	size_t total = u->resid;
	bool own = here(f, pos);
	bool fixed = own || (f->flags & O_APPEND);
	int64_t place = own ? STDFILE_HERE : STDFILE_END;
	long r = 0;

	while (u->resid) {
		size_t n = uio_take(u, buf, MIN(u->resid, size)), done = 0;

		if (!n && (r = uio_fault_in(u, MIN(u->resid, size))))
			break;
		while (done < n && (r = write_some(f->priv, fixed ? place : *pos, buf + done, n - done)) > 0) {
			moved(f, pos, (size_t)r, own);
			done += (size_t)r;
		}
		if (done < n) {
			uio_rewind(u, n - done);
			break;
		}
	}
	f->inode->size = MAX(f->inode->size, (uint64_t)*pos);
	return u->resid < total ? (long)(total - u->resid) : r;
}

static long hostfile_write(struct file *f, struct uio *u, int64_t *pos)
{
	struct hostfile *h = f->priv;
	struct page *page;
	size_t size;
	long r = settle(f->inode);

	if (r)
		return r;
	if (here(f, pos)) {
		if (f->flags & O_APPEND)
			h->told = *pos; /* the inode's size, set by the caller: the host will find the end */
		r = follow(f);
	} else if (h->file != f && (f->flags & O_APPEND)) {
		r = vfs_getattr(f->inode);
		*pos = (int64_t)f->inode->size;
	}
	if (r)
		return r;
	page = bounce_get(u->resid, &size);
	if (!page)
		return -ENOMEM;
	r = write_chunks(f, u, pos, page_va(page), size);
	page_put(page);
	renew(f->inode);
	return r;
}

/* ---- the rest of an open file ---- */

static int64_t hostfile_seek(struct file *f, int64_t off, int whence)
{
	struct hostfile *h = f->priv;
	int64_t r;

	if (h->file != f) {
		r = vfs_getattr(f->inode);
		return r ? r : file_seek_size(f, off, whence, f->inode->size);
	}
	r = follow(f);
	if (!r)
		r = call(h, STDFILE_SEEK, off, (uint64_t)whence, NULL);
	if (r >= 0)
		h->told = r;
	return r;
}

static int hostfile_fsync(struct file *f, bool data_only)
{
	int r = settle(f->inode);

	return r ? r : (int)call(f->priv, STDFILE_SYNC, 0, data_only, NULL);
}

static int hostfile_flush(struct file *f) { return settle(f->inode); }

static void hostfile_release(struct file *f)
{
	struct hostfile *h = f->priv;

	pagecache_lost |= settle(f->inode) != 0;
	if (h->file != f)
		return;
	(void)follow(f);
	h->file = NULL;
}

static const struct file_ops hostfile_ops = {
	.read = hostfile_read,
	.write = hostfile_write,
	.seek = hostfile_seek,
	.mmap = hostfile_mmap,
	.fsync = hostfile_fsync,
	.flush = hostfile_flush,
	.release = hostfile_release,
};

/* ---- the inode ---- */

static bool same_file(const struct inode *i, const struct stdfile_stat *st)
{
	return S_ISREG(i->mode) && i->size == (uint64_t)st->size && i->uid == st->uid && i->mtime.sec == st->mtime &&
	       i->mtime.nsec == st->mtime_nsec && i->ctime.sec == st->ctime && i->ctime.nsec == st->ctime_nsec;
}

/* Looks the file up in our own tree, where a stat(2) of its name shows these numbers. */
static void take_numbers(struct inode *i, const char *name, const struct stdfile_stat *st)
{
	struct path root, p;

	if (*name != '/' || !mount_root())
		return;
	mount_root_path(&root);
	if (!path_walk(&root, name, 0, &p)) {
		if (p.dentry->inode && !vfs_getattr(p.dentry->inode) && same_file(p.dentry->inode, st)) {
			i->ino = p.dentry->inode->ino;
			i->super->dev = p.dentry->inode->super->dev;
		}
		path_put(&p);
	}
	path_put(&root);
}

static int refresh(struct inode *i, struct stdfile_stat *st)
{
	struct hostfile *h = i->priv;
	long pos = call(h, STDFILE_STAT, 0, sizeof(*st), st);

	if (pos < 0)
		return (int)pos;
	if (i->size != (uint64_t)st->size || i->mtime.sec != st->mtime || i->mtime.nsec != st->mtime_nsec)
		renew(i);
	i->mode = st->mode;
	i->uid = st->uid;
	i->gid = st->gid;
	i->nlink = (uint32_t)st->nlink;
	i->size = (uint64_t)st->size;
	i->blocks = st->blocks ? (uint64_t)st->blocks : BLOCKS_NONE;
	i->atime = (struct timespec64){ st->atime, st->atime_nsec };
	i->mtime = (struct timespec64){ st->mtime, st->mtime_nsec };
	i->ctime = (struct timespec64){ st->ctime, st->ctime_nsec };
	if (h->file && h->file->pos == h->told && mutex_trylock(&h->file->pos_lock)) {
		h->file->pos = h->told = pos;
		mutex_unlock(&h->file->pos_lock);
	}
	return 0;
}

static int hostfile_getattr(struct inode *i)
{
	struct hostfile *h = i->priv;
	struct stdfile_stat st;
	int r = refresh(i, &st);

	if (!r && !h->named && h->file) {
		h->named = true;
		i->ino = st.ino;
		take_numbers(i, h->file->path.dentry->name, &st);
	}
	return r;
}

static long set_time(const struct hostfile *h, unsigned op, const struct timespec64 *t, bool now)
{
	return call(h, op, t->sec, now ? UTIME_NOW : (uint64_t)t->nsec, NULL);
}

static int hostfile_setattr(struct inode *i, const struct iattr *a)
{
	const struct hostfile *h = i->priv;
	unsigned what = a->valid;
	long r = 0;

	if (what & ATTR_SIZE) /* times and set-user-ID bits are the host's work then */
		return (int)call(h, STDFILE_TRUNCATE, (int64_t)a->size, 0, NULL);
	if (what & (ATTR_UID | ATTR_GID))
		r = call(h, STDFILE_CHOWN, what & ATTR_UID ? a->uid : UINT32_MAX, what & ATTR_GID ? a->gid : UINT32_MAX, NULL);
	if (!r && (what & ATTR_MODE))
		r = call(h, STDFILE_CHMOD, a->mode & 07777, 0, NULL);
	if (!r && (what & ATTR_ATIME))
		r = set_time(h, STDFILE_ATIME, &a->atime, what & ATTR_ATIME_NOW);
	if (!r && (what & ATTR_MTIME))
		r = set_time(h, STDFILE_MTIME, &a->mtime, what & ATTR_MTIME_NOW);
	return (int)r;
}

static int hostfile_fallocate(struct inode *i, int mode, uint64_t off, uint64_t len)
{
	long r = settle(i);

	if (!r)
		r = call(i->priv, STDFILE_FALLOC | (unsigned)mode << 8, (int64_t)off, len, NULL);
	renew(i);
	return r ? (int)r : vfs_getattr(i);
}

static int hostfile_open(struct inode *i, struct file *f)
{
	struct hostfile *h = i->priv;
	int have = h->flags & O_ACCMODE;
	long r;

	if (have != O_RDWR && (f->flags & O_ACCMODE) != have) {
		r = call(h, STDFILE_REOPEN, 0, 0, NULL);
		if (r)
			return (int)r;
		h->flags = (h->flags & ~O_ACCMODE) | O_RDWR; /* another may have been here while this one slept */
	}
	f->ops = &hostfile_ops;
	f->priv = i->priv;
	return 0;
}

static void hostfile_evict(struct inode *i)
{
	super_free(i->super);
	kfree(i->priv);
}

static const struct inode_ops hostfile_inode_ops = {
	.getattr = hostfile_getattr,
	.revalidate = hostfile_getattr,
	.setattr = hostfile_setattr,
	.fallocate = hostfile_fallocate,
	.read_pages = hostfile_read_pages,
	.write_pages = hostfile_write_pages,
	.open = hostfile_open,
	.evict = hostfile_evict,
};

static int hostfile_statfs(struct super *s, struct statfs_k *out)
{
	*out = (struct statfs_k){ .type = s->magic, .bsize = PAGE_SIZE, .namelen = NAME_MAX };
	return 0;
}

static const struct super_ops hostfile_super_ops = { .statfs = hostfile_statfs };

/* The super is the file's own: st_dev is kept there. */
static struct inode *hostfile_inode(int fd)
{
	struct hostfile *h = kzalloc(sizeof(*h));
	struct super *s = h ? super_new("hostfile", &hostfile_super_ops, HOSTFILE_MAGIC) : NULL;
	struct inode *i = s ? inode_new(s, (uint64_t)fd + 1, S_IFREG | 0600, false) : NULL;

	if (!i) {
		super_free(s);
		kfree(h);
		return NULL;
	}
	*h = (struct hostfile){ .fd = fd, .flags = plat_stdio_flags(fd) };
	i->ops = &hostfile_inode_ops;
	i->priv = h;
	i->nlink = 1;
	return i;
}

/* Its path is a nameless object's, with the name that the host has for the file: so /proc shows it. */
static int open_named(struct inode *i, struct file **out)
{
	const struct hostfile *h = i->priv;
	char *name = kmalloc(PATH_MAX);
	struct path p;
	long n;
	int r;

	if (!name)
		return -ENOMEM;
	n = call(h, STDFILE_PATH, 0, PATH_MAX - 1, name);
	name[MAX(n, 0l)] = 0;
	r = path_anon(i, name, &p);
	kfree(name);
	if (r)
		return r;
	r = file_new_path(&p, h->flags | O_LARGEFILE, out);
	path_put(&p);
	return r;
}

int hostfile_new(int fd, struct file **out)
{
	struct inode *i = hostfile_inode(fd);
	struct stdfile_stat st;
	struct hostfile *h;
	int r;

	if (!i)
		return -ENOMEM;
	h = i->priv;
	r = open_named(i, out);
	if (!r) {
		(*out)->ops = &hostfile_ops;
		(*out)->priv = h;
		h->file = *out;
		(void)refresh(i, &st); /* it may be a directory */
	}
	inode_put(i);
	return r;
}
