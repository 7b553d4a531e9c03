/* The 9P file system's data: opened fids, pages in and out, directory listings.
 *
 * A file is opened on the server when its first page is read or when it is opened for writing, once per inode and
 * direction, however many programs have it open. Directories are read whole: the server's offsets are opaque 64-bit
 * numbers that need not fit lseek(2), a position in a listing always does, and on a read-only export the listing
 * answers later lookups of absent names, too.
 *
 * Missing: locks on the server (fcntl and flock work among our own processes), preallocation, SEEK_DATA; writing
 * parts of pages of a file that we may not read. */
#include "core/file/file.h"
#include "core/fs/p9_node.h"
#include "core/lib/string.h"
#include "core/lib/util.h"
#include "core/mm/slab.h"
#include "core/sched.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/stat.h"

#define DIR_BUF_ORDER 3        /* 32 KiB for each Treaddir, less when RAM is short */
#define DIR_MAX (64ul << 20)   /* bytes of names: more is a server that sends them in a circle */

/* ---- opened fids ---- */

/* A fid of n for the caller alone: its walk fid if that is idle (a file's is not needed for walking), else a clone. */
static int fid_to_open(struct p9_node *n, bool keep_walk, struct p9_fid **out)
{
	struct p9_fid *from;
	int err = p9_node_fid(n, &from);

	if (err)
		return err;
	if (!keep_walk && from->users == 1 && from->owner == &n->walk && !from->pinned) {
		n->walk = NULL;
		from->owner = NULL;
		*out = from;
		return 0;
	}
	p9_fid_put(n->c, from);
	return p9_node_clone(n, out);
}

int p9_open_fid(struct p9_node *n, bool write, struct p9_fid **out)
{
	struct p9_fid **slot = write || (n->wr && n->wr_reads) ? &n->wr : &n->rd;
	struct p9_fid *f;
	bool reads = true;
	int err;

	if (*slot) {
		p9_fid_use(*slot);
		*out = *slot;
		return 0;
	}
	err = fid_to_open(n, false, &f);
	if (err)
		return err;
	err = p9_lopen(n->c, f, write ? O_RDWR : O_RDONLY);
	if (err == -EACCES && write) {
		reads = false;
		err = p9_lopen(n->c, f, O_WRONLY);
	}
	if (err) {
		/* Refused, it still is a walk fid; after an answer that made no sense it may be anything. */
		if (n->walk || err == -EIO)
			p9_fid_clunk(n->c, f);
		else
			p9_fid_give(n->c, f, &n->walk);
		return err;
	}
	if (*slot) { /* somebody else was faster while we slept */
		p9_fid_clunk(n->c, f);
		f = *slot;
		p9_fid_use(f);
	} else {
		*slot = f;
		f->owner = slot;
		if (write)
			n->wr_reads = reads;
		/* What may change or go away at the server cannot simply be opened again. */
		f->pinned = write || (n->inode && !p9_fs_of(n->inode)->readonly);
	}
	*out = f;
	return 0;
}

/* ---- pages ---- */

static void zero_from(struct page **pages, size_t from, size_t end)
{
	while (from < end) {
		size_t off = from & PAGE_MASK;
		memset((char *)page_va(pages[from >> PAGE_SHIFT]) + off, 0, PAGE_SIZE - off);
		from += PAGE_SIZE - off;
	}
}

int p9_read_pages(struct inode *inode, struct page **pages, uint64_t index, unsigned n)
{
	struct p9_node *node = p9_node_of(inode);
	uint64_t off = index << PAGE_SHIFT, size = MIN(inode->size, node->valid);
	size_t room = (size_t)n << PAGE_SHIFT, done = 0;
	size_t len = off < size ? MIN(room, size - off) : 0;
	struct p9_fid *f;
	int err = len ? p9_open_fid(node, false, &f) : 0;

	if (err)
		return err;
	while (done < len) {
		long r = p9_read(node->c, f, pages + (done >> PAGE_SHIFT), done & PAGE_MASK, off + done, len - done);
		if (r < 0)
			err = (int)r;
		if (r <= 0)
			break;
		done += (size_t)r;
	}
	if (len)
		p9_fid_put(node->c, f);
	if (!err && done < len && size == PAGE_SIZE && !node->wr)
		node->claims = true;
	zero_from(pages, done, room);
	return err;
}

int p9_write_pages(struct inode *inode, struct page **pages, uint64_t index, unsigned n)
{
	struct p9_node *node = p9_node_of(inode);
	uint64_t off = index << PAGE_SHIFT;
	size_t done = 0, len = off < inode->size ? MIN((size_t)n << PAGE_SHIFT, inode->size - off) : 0;
	struct p9_fid *f;
	int err = len ? p9_open_fid(node, true, &f) : 0;

	if (err || !len)
		return err;
	while (done < len) {
		long r = p9_write(node->c, f, pages + (done >> PAGE_SHIFT), done & PAGE_MASK, off + done, len - done);
		if (r < 0) {
			err = (int)r;
			break;
		}
		done += (size_t)r;
	}
	p9_fid_put(node->c, f);
	node->wrote = true;
	node->changes++;
	return err;
}

static int send_fsync(struct p9_node *n, struct p9_fid *f, bool data_only)
{
	struct p9_slot *s = p9_begin(n->c, P9_TFSYNC);

	p9_put_u32(&s->out, f->num);
	p9_put_u32(&s->out, data_only);
	return p9_call_end(n->c, s);
}

int p9_fsync(struct inode *inode, bool data_only)
{
	struct p9_node *node = p9_node_of(inode);
	struct p9_fid *f;
	int err = pagecache_sync(&inode->cache, 0, UINT64_MAX >> PAGE_SHIFT);

	if (err || p9_fs_of(inode)->readonly)
		return err;
	if (!S_ISDIR(inode->mode)) {
		err = p9_open_fid(node, node->wr != NULL, &f);
		if (!err) {
			err = send_fsync(node, f, data_only);
			p9_fid_put(node->c, f);
		}
		return err;
	}
	err = fid_to_open(node, true, &f); /* Tfsync wants an opened fid */
	if (err)
		return err;
	err = p9_lopen(node->c, f, O_RDONLY | O_DIRECTORY);
	if (!err)
		err = send_fsync(node, f, data_only);
	p9_fid_clunk(node->c, f);
	return err;
}

/* ---- open files ---- */

static struct file_ops rw_file_ops, rw_dir_ops; /* the common ones, with ours over them; filled at the first use */

/* Would the server's host let us read this directory? */
static int dir_try(struct inode *dir)
{
	struct p9_node *n = p9_node_of(dir);
	struct p9_dir *d;
	int err;

	if (n->listing)
		return 0;
	err = p9_dir_fetch(n, &d);
	if (!err && p9_fs_of(dir)->readonly && !n->listing)
		n->listing = d;
	else if (!err)
		p9_dir_put(d);
	return err;
}

int p9_open(struct inode *inode, struct file *f)
{
	struct p9_node *node = p9_node_of(inode);
	struct p9_fid *fid;
	bool write = file_writable(f);
	int err = 0;

	/* The server's host may refuse what the mode allows (we are somebody else there), and open(2) must say so;
	 * for what everybody may read the question can wait until the first page is wanted. */
	if (S_ISREG(inode->mode) && (write || !(inode->mode & S_IROTH))) {
		err = p9_open_fid(node, write, &fid);
		if (!err)
			p9_fid_put(node->c, fid);
	} else if (S_ISDIR(inode->mode) && !(inode->mode & S_IROTH)) {
		err = dir_try(inode);
	}
	if (err)
		return err;
	if (f->inode == inode && f->ops == &rw_file_ops)
		node->opens++;
	return 0;
}

/* The kernel below writes its files of /proc and /sys when they are read; until then it says that each has 0 or 4096 bytes.
 * What those are can only be seen by reading. */
static bool size_is_claimed(struct inode *i)
{
	struct p9_node *node = p9_node_of(i);
	struct page *p;

	if (!i->size)
		return node->valid != 0;
	if (i->size != PAGE_SIZE || node->wr)
		return false;
	if (!node->claims && pagecache_get(&i->cache, 0, &p) == 0)
		page_put(p);
	return node->claims;
}

static long read_uncached(struct inode *i, struct uio *u, int64_t *pos)
{
	struct p9_node *node = p9_node_of(i);
	struct page *p = page_alloc(0, 0);
	struct p9_fid *f;
	long r;

	if (!p)
		return -ENOMEM;
	r = p9_open_fid(node, false, &f);
	if (!r) {
		r = p9_read(node->c, f, &p, 0, (uint64_t)*pos, MIN(u->resid, PAGE_SIZE));
		p9_fid_put(node->c, f);
	}
	if (r > 0 && uio_put_all(u, page_va(p), (size_t)r))
		r = -EFAULT;
	page_put(p);
	if (r > 0)
		*pos += r;
	return r;
}

static long rw_read(struct file *f, struct uio *u, int64_t *pos)
{
	return u->resid && size_is_claimed(f->inode) ? read_uncached(f->inode, u, pos) : regular_file_ops.read(f, u, pos);
}

/* The last close, munmap or exit of this open file: what a mapping changed since the last flush goes out. */
static void rw_release(struct file *f)
{
	struct p9_node *node = p9_node_of(f->inode);

	if (file_writable(f))
		pagecache_lost |= pagecache_sync(&f->inode->cache, 0, UINT64_MAX >> PAGE_SHIFT) != 0;
	if (node->opens)
		node->opens--;
	if (regular_file_ops.release)
		regular_file_ops.release(f);
}

static void dir_release(struct file *f)
{
	p9_dir_put(f->priv);
	f->priv = NULL;
	if (directory_file_ops.release)
		directory_file_ops.release(f);
}

const struct file_ops *p9_file_ops_for(uint32_t mode)
{
	if (!rw_file_ops.release) {
		rw_file_ops = regular_file_ops;
		rw_file_ops.release = rw_release;
		rw_file_ops.read = rw_read;
		rw_dir_ops = directory_file_ops;
		rw_dir_ops.release = dir_release;
	}
	return S_ISREG(mode) ? &rw_file_ops : S_ISDIR(mode) ? &rw_dir_ops : NULL;
}

/* ---- directory listings ---- */

#define REC_HEAD 10 /* ino, type, length of the name */

void p9_dir_put(struct p9_dir *d)
{
	if (!d || --d->refs)
		return;
	kfree(d->data);
	kfree(d->at);
	kfree(d->hash);
	kfree(d);
}

static int dir_add(struct p9_dir *d, const struct p9_dirent *e)
{
	size_t need = d->len + REC_HEAD + e->name_len;
	char *p;

	if (need > DIR_MAX)
		return -EIO;
	if (need > d->cap) {
		size_t cap = MAX(d->cap * 2, (size_t)1024);
		p = krealloc(d->data, cap);
		if (!p)
			return -ENOMEM;
		d->data = p;
		d->cap = cap;
	}
	p = d->data + d->len;
	memcpy(p, &e->qid.path, 8);
	p[8] = (char)e->type;
	p[9] = (char)e->name_len;
	memcpy(p + REC_HEAD, e->name, e->name_len);
	d->len = need;
	d->n++;
	return 0;
}

static size_t rec_name_len(const char *rec) { return (uint8_t)rec[9]; }

/* Indexes a complete listing by number and by name. */
static int dir_index(struct p9_dir *d)
{
	uint32_t size = 8;
	size_t at = 0;

	while (size < d->n * 2)
		size *= 2;
	d->at = kmalloc((d->n + 1) * sizeof(*d->at));
	d->hash = kzalloc(size * sizeof(*d->hash));
	if (!d->at || !d->hash)
		return -ENOMEM;
	d->mask = size - 1;
	for (uint32_t k = 0; k < d->n; k++) {
		const char *rec = d->data + at;
		uint32_t h = (uint32_t)hash_bytes(rec + REC_HEAD, rec_name_len(rec)) & d->mask;
		while (d->hash[h])
			h = (h + 1) & d->mask;
		d->hash[h] = k + 1;
		d->at[k] = (uint32_t)at;
		at += REC_HEAD + rec_name_len(rec);
	}
	return 0;
}

bool p9_dir_has(const struct p9_dir *d, const char *name, size_t len)
{
	uint32_t h = (uint32_t)hash_bytes(name, len) & d->mask;

	for (; d->hash[h]; h = (h + 1) & d->mask) {
		const char *rec = d->data + d->at[d->hash[h] - 1];
		if (rec_name_len(rec) == len && memcmp(rec + REC_HEAD, name, len) == 0)
			return true;
	}
	return false;
}

/* The largest buffer to be had without pressing anybody, down to one page. */
static struct page *dir_buffer(size_t *size)
{
	struct page *p = NULL;
	unsigned order;

	for (order = DIR_BUF_ORDER; order > 0 && !p; order--)
		p = page_alloc(order, PA_NORECLAIM);
	if (p)
		order++;
	else
		p = page_alloc(0, 0);
	*size = PAGE_SIZE << order;
	return p;
}

/* One Treaddir at *offset: adds its entries. 1 when there may be more, 0 at the end. */
static int dir_read(struct p9_node *n, struct p9_fid *f, void *buf, size_t size, uint64_t *offset, struct p9_dir *d)
{
	struct p9_slot *s = p9_begin(n->c, P9_TREADDIR);
	struct p9_dirent e = { .offset = *offset };
	struct p9_in in;
	uint32_t count = 0;
	int r;

	size = MIN(size, (size_t)(n->c->msize - P9_IOHDR));
	p9_put_u32(&s->out, f->num);
	p9_put_u64(&s->out, *offset);
	p9_put_u32(&s->out, (uint32_t)size);
	p9_add_in(s, P9_HDR + 4, buf, size);
	r = p9_call(n->c, s);
	if (!r) {
		count = p9_get_u32(&s->in);
		if (!p9_in_done(&s->in) || count > size || s->req.in_len != P9_HDR + 4 + count)
			r = -EIO;
	}
	p9_end(n->c, s);
	if (r || count == 0)
		return r;
	p9_in_init(&in, buf, count);
	while ((r = p9_parse_dirent(&in, &e)) > 0) {
		bool dots = e.name[0] == '.' && (e.name_len == 1 || (e.name_len == 2 && e.name[1] == '.'));
		r = dots ? 0 : dir_add(d, &e);
		if (r)
			return r;
	}
	if (r)
		return r;
	if (e.offset == *offset)
		return -EIO; /* the same again and again */
	*offset = e.offset;
	return 1;
}

int p9_dir_fetch(struct p9_node *n, struct p9_dir **out)
{
	struct p9_dir *d = kzalloc(sizeof(*d));
	struct p9_fid *f = NULL;
	uint64_t offset = 0;
	size_t size;
	struct page *buf;
	int r;

	if (!d)
		return -ENOMEM;
	d->refs = 1;
	buf = dir_buffer(&size);
	r = buf ? fid_to_open(n, true, &f) : -ENOMEM;
	if (!r)
		r = p9_lopen(n->c, f, O_RDONLY | O_DIRECTORY);
	if (!r) {
		do
			r = dir_read(n, f, page_va(buf), size, &offset, d);
		while (r > 0 && (r = sched_point() ? -EINTR : 1) > 0);
	}
	if (!r)
		r = dir_index(d);
	if (f)
		p9_fid_clunk(n->c, f);
	if (buf)
		page_put(buf);
	if (r)
		p9_dir_put(d);
	else
		*out = d;
	return r;
}

/* The listing that f reads, with a reference: the directory's for good when it cannot change; else the one that was
 * made when f was opened or rewound, so that positions keep their meaning. */
static int dir_listing(struct inode *dir, struct file *f, int64_t pos, struct p9_dir **out)
{
	struct p9_node *n = p9_node_of(dir);
	bool ours = f && f->inode == dir && f->ops == &rw_dir_ops;
	struct p9_dir **keep = p9_fs_of(dir)->readonly ? &n->listing : ours ? (struct p9_dir **)&f->priv : NULL;
	int r;

	if (keep && keep != &n->listing && pos <= 2) {
		p9_dir_put(*keep);
		*keep = NULL;
	}
	if (keep && *keep) {
		*out = *keep;
		(*out)->refs++;
		return 0;
	}
	r = p9_dir_fetch(n, out);
	if (!r && keep && !*keep) {
		*keep = *out;
		(*out)->refs++;
	}
	return r;
}

int p9_readdir(struct inode *dir, struct file *f, struct dir_ctx *c)
{
	struct p9_dir *d;
	int r = p9_node_of(dir)->orphan ? -ENOENT : dir_listing(dir, f, c->pos, &d);

	if (r)
		return r;
	for (uint64_t k = c->pos < 2 ? 0 : (uint64_t)c->pos - 2; k < d->n; k++) {
		const char *rec = d->data + d->at[k];
		uint64_t ino;
		memcpy(&ino, rec, 8);
		if (!dir_emit(c, rec + REC_HEAD, rec_name_len(rec), ino, (uint8_t)rec[8], (int64_t)k + 3))
			break;
	}
	p9_dir_put(d);
	return 0;
}
