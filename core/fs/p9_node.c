/* The 9P file system's nodes, which know the way to a file on the server, and its attributes.
 *
 * A node is parent node and name. It lets fids be given back under pressure and be had again with one Twalk of up to
 * 16 names from the nearest node above that still has one.
 *
 * Attributes of a writable export come from the server at every stat and open. A changed version, size or time drops
 * the clean cached pages, unless the change was our own; while data of ours is not all there, the server's size and
 * times do not count. */
#include "core/fs/p9_node.h"
#include "core/lib/string.h"
#include "core/mm/slab.h"
#include "core/timer.h"
#include "shim/abi/errno.h"
#include "shim/abi/stat.h"

#define FRESH_NS (1 * NSEC_PER_MSEC) /* attributes of a lookup serve the open or stat that caused it */

/* ---- nodes ---- */

struct p9_node *p9_node_new(struct p9_client *c, struct p9_node *parent, const char *name, size_t len)
{
	struct p9_node *n = kzalloc(sizeof(*n));

	if (!n)
		return NULL;
	n->name = kmalloc(len + 1);
	if (!n->name) {
		kfree(n);
		return NULL;
	}
	memcpy(n->name, name, len);
	n->name[len] = 0;
	n->name_len = (uint16_t)len;
	n->refs = 1;
	n->c = c;
	n->valid = UINT64_MAX;
	n->parent = parent;
	if (parent)
		parent->refs++;
	return n;
}

void p9_node_put(struct p9_node *n)
{
	while (n && --n->refs == 0) {
		struct p9_node *parent = n->parent;
		p9_fid_drop(n->c, &n->walk);
		p9_fid_drop(n->c, &n->rd);
		p9_fid_drop(n->c, &n->wr);
		kfree(n->name);
		kfree(n);
		n = parent;
	}
}

static bool node_has_name(const struct p9_node *n, const struct p9_node *parent, const struct name *name)
{
	return n->parent == parent && n->name_len == name->len && memcmp(n->name, name->s, name->len) == 0;
}

/* n was found, or is now, under another name. Without memory for it the old one stays: at worst a later walk fails. */
void p9_node_move(struct p9_node *n, struct p9_node *parent, const struct name *name)
{
	struct p9_node *old = n->parent;
	char *s;

	if (!old || node_has_name(n, parent, name))
		return;
	for (struct p9_node *a = parent; a; a = a->parent) {
		if (a == n)
			return; /* a directory below itself: the server is confused, our tree stays one */
	}
	s = kmalloc(name->len + 1u);
	if (!s)
		return;
	memcpy(s, name->s, name->len);
	s[name->len] = 0;
	kfree(n->name);
	n->name = s;
	n->name_len = (uint16_t)name->len;
	parent->refs++;
	n->parent = parent;
	p9_node_put(old);
}

/* One Twalk from the nearest node above n that has a fid, as far towards n as one message goes. */
static int node_approach(struct p9_node *n)
{
	struct p9_node *chain[P9_WALK_MAX], *a, *target = n;
	struct p9_str names[P9_WALK_MAX];
	char text[P9_SMALL];
	struct p9_fid *from, *to;
	struct p9_qid qid = { 0 };
	size_t used = 0;
	unsigned depth = 0, k;
	int err = p9_fid_new(n->c, &to); /* first: it may take other fids away */

	if (err)
		return err;
	for (a = n; !a->walk; a = a->parent) {
		if (a->orphan || !a->parent) {
			p9_fid_discard(n->c, to);
			return -ENOENT;
		}
		chain[depth++ % P9_WALK_MAX] = a;
	}
	/* Names are copied: they may change while the message waits for its turn. */
	for (k = 0; k < MIN(depth, (unsigned)P9_WALK_MAX); k++) {
		struct p9_node *next = chain[(depth - 1 - k) % P9_WALK_MAX];
		if (used + next->name_len + 2 > sizeof(text) - 32)
			break;
		memcpy(text + used, next->name, next->name_len);
		names[k] = (struct p9_str){ text + used, next->name_len };
		used += next->name_len + 2u;
		target = next;
	}
	from = a->walk;
	p9_fid_use(from);
	target->refs++;
	err = p9_walk(n->c, from, to, names, k, &qid);
	p9_fid_put(n->c, from);
	if (!err && qid.path != target->path)
		err = -ESTALE;
	if (err == -ESTALE || (!err && target->walk))
		p9_fid_clunk(n->c, to);
	else if (!err)
		p9_fid_give(n->c, to, &target->walk);
	p9_node_put(target);
	return err;
}

int p9_node_fid(struct p9_node *n, struct p9_fid **out)
{
	while (!n->walk) {
		int err = node_approach(n);
		if (err)
			return err;
	}
	p9_fid_use(n->walk);
	*out = n->walk;
	return 0;
}

int p9_node_clone(struct p9_node *n, struct p9_fid **out)
{
	struct p9_fid *from, *to;
	int err = p9_node_fid(n, &from);

	if (err)
		return err;
	err = p9_fid_new(n->c, &to);
	if (!err)
		err = p9_walk(n->c, from, to, NULL, 0, NULL);
	p9_fid_put(n->c, from);
	if (!err)
		*out = to;
	return err;
}

int p9_node_any_fid(struct p9_node *n, struct p9_fid **out)
{
	struct p9_fid *f = n->rd ? n->rd : n->wr ? n->wr : n->walk;

	if (!f)
		return p9_node_fid(n, out);
	p9_fid_use(f);
	*out = f;
	return 0;
}

/* ---- attributes ---- */

struct timespec64 p9_attr_time(uint64_t sec, uint64_t nsec)
{
	return (struct timespec64){ (int64_t)sec, (int64_t)nsec };
}

/* Is the file at the server another one than the page cache has pages of? */
static bool attr_changed(const struct p9_node *n, const struct p9_attr *a)
{
	return n->version != a->qid.version || n->seen_size != a->size || n->seen_mtime.sec != (int64_t)a->mtime_sec ||
	       n->seen_mtime.nsec != (int64_t)a->mtime_nsec;
}

void p9_attr_remember(struct p9_node *n, const struct p9_attr *a)
{
	n->version = a->qid.version;
	n->seen_size = a->size;
	n->seen_mtime = p9_attr_time(a->mtime_sec, a->mtime_nsec);
	n->wrote = false;
	n->fetched = clock_mono();
}

void p9_attr_store(struct inode *inode, const struct p9_attr *a)
{
	inode->mode = a->mode;
	inode->uid = a->uid;
	inode->gid = a->gid;
	inode->nlink = (uint32_t)a->nlink;
	inode->rdev = a->rdev;
	inode->blocks = a->blocks ? a->blocks : BLOCKS_NONE;
	inode->atime = p9_attr_time(a->atime_sec, a->atime_nsec);
	inode->ctime = p9_attr_time(a->ctime_sec, a->ctime_nsec);
}

/* The server's size and times do not count while our own changes are not all there. */
static bool data_pending(const struct inode *inode)
{
	return inode->cache.dirty || inode->cache.writing;
}

/* The host has another file under a mounted file's name now (an editor has saved it), and nobody has the old one open. */
static void mounted_replaced(struct inode *inode, uint64_t path)
{
	struct p9_node *n = p9_node_of(inode);

	p9_fid_drop(n->c, &n->rd);
	p9_fid_drop(n->c, &n->wr);
	n->wr_reads = n->wrote = false;
	list_remove(&inode->hash_link);
	n->path = inode->ino = path;
	n->seen_mtime.nsec = -1; /* whatever is cached is the old one's */
}

/* Asks the server again. -ESTALE: it is no longer the same file. */
static int attr_refresh(struct inode *inode)
{
	struct p9_node *n = p9_node_of(inode);
	unsigned changes = n->changes;
	uint64_t size = inode->size;
	struct p9_attr a;
	struct p9_fid *f;
	int err = n->mounted && !n->opens ? p9_node_fid(n, &f) : p9_node_any_fid(n, &f);

	if (err)
		return err;
	err = p9_getattr(n->c, f, &a);
	p9_fid_put(n->c, f);
	if (!err && n->mounted && !n->opens && a.qid.path != n->path && S_ISREG(a.mode))
		mounted_replaced(inode, a.qid.path);
	if (!err && (a.qid.path != n->path || ((a.mode ^ inode->mode) & S_IFMT)))
		err = -ESTALE;
	if (err == -ESTALE || err == -ENOENT)
		list_remove(&inode->hash_link); /* its number may be another file's now */
	if (err)
		return err;
	p9_attr_store(inode, &a);
	if (data_pending(inode) || n->changes != changes || inode->size != size)
		return 0;
	inode->mtime = p9_attr_time(a.mtime_sec, a.mtime_nsec);
	if (!attr_changed(n, &a)) {
		n->fetched = clock_mono();
		return 0;
	}
	bool own = n->wrote && a.size == inode->size;
	p9_attr_remember(n, &a);
	if (own || !S_ISREG(inode->mode)) {
		inode->size = a.size;
		return 0;
	}
	pagecache_truncate(&inode->cache, a.size);
	inode->size = a.size;
	pagecache_invalidate(&inode->cache, 0, UINT64_MAX >> PAGE_SHIFT, false);
	return 0;
}

/* The lookup that led here has just brought the attributes. */
static bool attr_fresh(struct p9_node *n)
{
	bool fresh = n->fresh && clock_mono() - n->fetched < FRESH_NS;

	n->fresh = false;
	return fresh;
}

int p9_rw_getattr(struct inode *inode)
{
	struct p9_node *n = p9_node_of(inode);
	int err;

	if (n->orphan || attr_fresh(n))
		return 0;
	err = attr_refresh(inode);
	/* Removed at the host while it is open here: what we know must do. */
	return (err == -ENOENT || err == -ESTALE) && n->opens ? 0 : err;
}

int p9_rw_revalidate(struct inode *inode)
{
	struct p9_node *n = p9_node_of(inode);
	int err;

	if (n->orphan || attr_fresh(n))
		return 0;
	err = attr_refresh(inode);
	return err == -ENOENT ? -ESTALE : err;
}

static int send_setattr(struct p9_node *n, struct p9_fid *f, const struct iattr *a)
{
	static const struct {
		unsigned attr, valid;
	} map[] = {
		{ ATTR_MODE, P9_SETATTR_MODE }, { ATTR_UID, P9_SETATTR_UID },
		{ ATTR_GID, P9_SETATTR_GID },	{ ATTR_SIZE, P9_SETATTR_SIZE },
		{ ATTR_ATIME, P9_SETATTR_ATIME | P9_SETATTR_ATIME_SET },
		{ ATTR_MTIME, P9_SETATTR_MTIME | P9_SETATTR_MTIME_SET },
	};
	struct p9_slot *s = p9_begin(n->c, P9_TSETATTR);
	unsigned valid = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(map); i++) {
		if (a->valid & map[i].attr)
			valid |= map[i].valid;
	}
	/* The server's own clock, which also is what somebody who may write but does not own the file may set. */
	if (a->valid & ATTR_ATIME_NOW)
		valid = (valid | P9_SETATTR_ATIME) & ~(unsigned)P9_SETATTR_ATIME_SET;
	if (a->valid & ATTR_MTIME_NOW)
		valid = (valid | P9_SETATTR_MTIME) & ~(unsigned)P9_SETATTR_MTIME_SET;
	p9_put_u32(&s->out, f->num);
	p9_put_u32(&s->out, valid);
	p9_put_u32(&s->out, a->mode & 07777);
	p9_put_u32(&s->out, a->uid);
	p9_put_u32(&s->out, a->gid);
	p9_put_u64(&s->out, a->size);
	p9_put_u64(&s->out, (uint64_t)a->atime.sec);
	p9_put_u64(&s->out, (uint64_t)a->atime.nsec);
	p9_put_u64(&s->out, (uint64_t)a->mtime.sec);
	p9_put_u64(&s->out, (uint64_t)a->mtime.nsec);
	return p9_call_end(n->c, s);
}

/* A nameless file's attributes are ours alone. Cutting it cannot be told to a server that goes by names: what it has
 * beyond the new end does not count any more, and what is written from now on stays in memory. */
static int orphan_setattr(struct inode *inode, const struct iattr *a)
{
	struct p9_node *n = p9_node_of(inode);

	if (!(a->valid & ATTR_SIZE))
		return 0;
	do {
		int err = pagecache_sync(&inode->cache, 0, UINT64_MAX >> PAGE_SHIFT);
		if (err)
			return err;
	} while (inode->cache.dirty && !inode->cache.memory_only);
	uint64_t end = MIN(inode->size, a->size);

	n->valid = MIN(n->valid, end);
	inode->cache.memory_only = true;
	return 0;
}

/* Locked. Data goes out first, lest it overtake: it would bring the old size or a newer time back. */
int p9_rw_setattr(struct inode *inode, const struct iattr *a)
{
	struct p9_node *n = p9_node_of(inode);
	struct p9_fid *f;
	int err = pagecache_sync(&inode->cache, 0, UINT64_MAX >> PAGE_SHIFT);

	if (err)
		return err;
	if (n->orphan)
		return orphan_setattr(inode, a);
	err = p9_node_any_fid(n, &f);
	if (err)
		return err;
	err = send_setattr(n, f, a);
	p9_fid_put(n->c, f);
	n->changes++;
	n->wrote = true;
	n->fresh = false;
	return err;
}
