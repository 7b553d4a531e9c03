/* Contents of files in memory: the page cache is the storage.
 *
 * A page in the cache is the file's data; where there is none, the data is that of the lower inode or of the archive,
 * as far as `limit` goes, and zeroes beyond. limit only ever shrinks (truncation, holes up to the end), so bytes that
 * were cut off never come back. Pages of files with something below are clean until they are written and may be
 * dropped and read again; pages of other files exist nowhere else.
 *
 * Space is counted lazily: a file's pages are added to the file system's sum whenever somebody asks for room. What is
 * written through shared mappings is counted only then, and may exceed the limit.
 *
 * Missing: huge pages; swap. */
#include "core/fs/memfs.h"
#include "core/lib/string.h"
#include "core/mm/radix.h"
#include "core/sched.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"

#define INDEX_MAX (UINT64_MAX >> PAGE_SHIFT)

static uint64_t pages_of(uint64_t bytes) { return (bytes >> PAGE_SHIFT) + ((bytes & PAGE_MASK) != 0); }

/* Is there something below that read_pages would be asked for? */
static bool backed(const struct inode *i) { return i->ops->read_pages != NULL; }

/* ---- space ---- */

/* Pages that cannot be had again from below. */
static uint64_t own_pages(const struct inode *i) { return backed(i) ? i->cache.dirty : i->cache.pages; }

static void charge(struct memfs_node *node)
{
	uint64_t now = own_pages(node->inode);

	node->fs->used += now - node->charged;
	node->charged = now;
}

static void charge_all(struct memfs *fs)
{
	list_each(p, &fs->nodes)
		charge(list_entry(p, struct memfs_node, link));
}

/* Has the page at index its place already? */
static bool page_owned(struct inode *i, uint64_t index)
{
	struct page *p = pagecache_find(&i->cache, index);
	bool owned = p && (!backed(i) || (p->flags & PG_DIRTY));

	if (p)
		page_put(p);
	return owned;
}

/* The first index after `room` new pages from first on; at most end. */
static uint64_t room_end(struct inode *i, uint64_t first, uint64_t end, uint64_t room)
{
	for (; first < end; first++)
		if (!page_owned(i, first) && room-- == 0)
			break;
	return first;
}

int64_t memfs_reserve(struct inode *inode, uint64_t off, uint64_t len)
{
	struct memfs_node *node = memfs_node(inode);
	struct memfs *fs = node->fs;
	uint64_t first = off >> PAGE_SHIFT, end = pages_of(off + len), stop;

	if (fs->lower && len)
		memfs_change(node);
	else if (fs->lower)
		memfs_pin(node); /* its pages will tell whether it was written to */
	if (!len || !fs->max)
		return (int64_t)len;
	charge(node);
	if (fs->used + (end - first) <= fs->max)
		return (int64_t)len;
	charge_all(fs);
	stop = room_end(inode, first, end, fs->max > fs->used ? fs->max - fs->used : 0);
	if (stop == end)
		return (int64_t)len;
	return stop == first ? -ENOSPC : (int64_t)((stop << PAGE_SHIFT) - off);
}

int memfs_statfs(struct super *s, struct statfs_k *out)
{
	struct memfs *fs = memfs_of(s);
	struct page_stats st;

	charge_all(fs);
	page_stats(&st);
	out->type = s->magic;
	out->bsize = out->frsize = PAGE_SIZE;
	out->namelen = NAME_MAX;
	out->blocks = fs->max ? fs->max : st.total;
	out->bfree = out->bavail = out->blocks > fs->used ? out->blocks - fs->used : 0;
	out->files = st.total;
	out->ffree = st.total > s->inode_count ? st.total - s->inode_count : 0;
	return 0;
}

/* ---- what is below ---- */

static void zero_beyond(struct page *p, uint64_t index, uint64_t limit)
{
	uint64_t at = index << PAGE_SHIFT;
	size_t keep = at < limit ? MIN(limit - at, PAGE_SIZE) : 0;

	memset((char *)page_va(p) + keep, 0, PAGE_SIZE - keep);
}

static void read_archive(struct memfs_node *node, struct page *p, uint64_t index)
{
	uint64_t at = index << PAGE_SHIFT;

	if (at < node->limit)
		memcpy(page_va(p), node->data + at, MIN(node->limit - at, PAGE_SIZE));
}

/* A page that the lower inode has in its own cache (a tmpfs as lower: its only place). */
static bool copy_cached(struct inode *lower, struct page *p, uint64_t index)
{
	struct page *from = pagecache_find(&lower->cache, index);

	if (!from)
		return false;
	page_copy(page_va(p), page_va(from));
	page_put(from);
	return true;
}

/* The lower file system fills our pages directly: its own cache stays empty. */
static int read_lower(struct inode *lower, struct page **pages, uint64_t index, unsigned n)
{
	unsigned i = 0, run;
	int r = 0;

	while (i < n && !r) {
		if (copy_cached(lower, pages[i], index + i)) {
			i++;
			continue;
		}
		if (!lower->ops->read_pages) {
			page_zero(page_va(pages[i++]));
			continue;
		}
		for (run = 1; i + run < n && !copy_cached(lower, pages[i + run], index + i + run); run++)
			;
		r = lower->ops->read_pages(lower, pages + i, index + i, run);
		i += run + (i + run < n); /* the one that ended the run has been copied */
	}
	return r;
}

int memfs_read_pages(struct inode *inode, struct page **pages, uint64_t index, unsigned n)
{
	struct memfs_node *node = memfs_node(inode);
	uint64_t end = pages_of(node->limit);
	unsigned below = index < end ? (unsigned)MIN(end - index, (uint64_t)n) : 0;
	int r = 0;

	if (node->data) {
		for (unsigned i = 0; i < below; i++)
			read_archive(node, pages[i], index + i);
	} else if (node->lower && below) {
		r = read_lower(node->lower, pages, index, below);
	}
	for (unsigned i = 0; i < n && r >= 0; i++)
		zero_beyond(pages[i], index + i, node->limit);
	return r;
}

/* ---- size, holes ---- */

int memfs_setattr(struct inode *inode, const struct iattr *a)
{
	struct memfs_node *node = memfs_node(inode);

	if (node->fs->lower)
		memfs_change(node);
	if ((a->valid & ATTR_SIZE) && a->size < node->limit)
		node->limit = a->size;
	return 0;
}

/* Data or hole at index? */
static bool has_data(struct inode *i, uint64_t index)
{
	return index < pages_of(memfs_node(i)->limit) || page_owned(i, index);
}

/* The first index at or after `index` with data; UINT64_MAX: none. */
static uint64_t next_data(struct inode *i, uint64_t index)
{
	struct page *p;

	if (index < pages_of(memfs_node(i)->limit))
		return index;
	p = radix_next(&i->cache.tree, index, backed(i));
	return p ? p->index : UINT64_MAX;
}

int64_t memfs_seek_data(struct inode *inode, uint64_t off, bool hole)
{
	uint64_t end = pages_of(inode->size), index = off >> PAGE_SHIFT;

	if (!hole)
		index = next_data(inode, index);
	else
		while (index < end && has_data(inode, index))
			index++;
	if (index >= end)
		return hole ? (int64_t)inode->size : -ENXIO;
	return (int64_t)MAX(off, index << PAGE_SHIFT);
}

/* Zeroes bytes of one page, which becomes the file's own. */
static int zero_page_part(struct inode *i, uint64_t index, size_t from, size_t to)
{
	struct page *p;
	int r;

	if (from >= to || !has_data(i, index))
		return 0;
	r = pagecache_get_write(&i->cache, index, from == 0 && to == PAGE_SIZE, &p);
	if (r)
		return r;
	memset((char *)page_va(p) + from, 0, to - from);
	pagecache_dirty(p);
	page_put(p);
	return 0;
}

/* Pages [first, end) become a hole; where there is data below, pages of zeroes hide it. */
static int zero_pages(struct inode *i, uint64_t first, uint64_t end)
{
	struct memfs_node *node = memfs_node(i);
	uint64_t below = pages_of(node->limit);
	int r = 0;

	if (end >= below && (first << PAGE_SHIFT) < node->limit)
		node->limit = first << PAGE_SHIFT;
	pagecache_invalidate(&i->cache, first, end - 1, true);
	for (below = MIN(pages_of(node->limit), end); first < below && !r; first++) {
		r = zero_page_part(i, first, 0, PAGE_SIZE);
		if (!r && (first & 63) == 63)
			r = sched_point();
	}
	return r;
}

static int punch(struct inode *i, uint64_t off, uint64_t end)
{
	uint64_t first = off >> PAGE_SHIFT, last = end >> PAGE_SHIFT;
	int r;

	if (first == last)
		return zero_page_part(i, first, off & PAGE_MASK, end & PAGE_MASK);
	if (off & PAGE_MASK) {
		r = zero_page_part(i, first, off & PAGE_MASK, PAGE_SIZE);
		if (r)
			return r;
		first++;
	}
	r = first < last ? zero_pages(i, first, last) : 0;
	return r ? r : zero_page_part(i, last, 0, end & PAGE_MASK);
}

/* Pages of zeroes wherever there is no data yet. */
static int fill(struct inode *i, uint64_t first, uint64_t end)
{
	int r = 0;

	for (; first < end && !r; first++) {
		struct page *p;

		if (has_data(i, first))
			continue;
		r = pagecache_get_write(&i->cache, first, true, &p);
		if (r)
			break;
		pagecache_dirty(p);
		page_put(p);
		if ((first & 63) == 63)
			r = sched_point();
	}
	return r;
}

/* fallocate(2). Space beyond the end that is to be kept invisible is only checked for, not taken. */
int memfs_fallocate(struct inode *inode, int mode, uint64_t off, uint64_t len)
{
	struct memfs_node *node = memfs_node(inode);
	uint64_t end = off + len, old = inode->size;
	int64_t room;
	int r;

	if (node->fs->lower)
		memfs_change(node);
	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) {
		r = off < old ? punch(inode, off, MIN(end, ALIGN_UP(old, PAGE_SIZE))) : 0;
		if (!r && !(mode & FALLOC_FL_KEEP_SIZE) && end > old)
			inode_apply(inode, &(struct iattr){ .valid = ATTR_SIZE, .size = end });
		return r;
	}
	room = memfs_reserve(inode, off, len);
	if (room < (int64_t)len)
		return -ENOSPC;
	if (mode & FALLOC_FL_KEEP_SIZE)
		end = MIN(end, old);
	else if (end > old)
		inode_apply(inode, &(struct iattr){ .valid = ATTR_SIZE, .size = end });
	r = off < end ? fill(inode, off >> PAGE_SHIFT, pages_of(end)) : 0;
	if (r && inode->size > old)
		inode_apply(inode, &(struct iattr){ .valid = ATTR_SIZE, .size = old });
	return r;
}
