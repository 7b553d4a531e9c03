/* A file system on a 9P2000.L server: lookup, inodes and the super. Ways and attributes are in p9_node.c, changes of
 * names in p9_name.c, data and listings in p9_data.c, the session in p9_client.c, the messages in p9_msg.c.
 *
 * Inodes key on the qid path. A read-only export is taken as immutable while it is mounted: attributes, listings and
 * absent names are cached for good, and the server is asked twice for a new file: a walk and its attributes. On a
 * writable one every lookup walks.
 *
 * Missing: ACLs and extended attributes but the user's; a file's other hard links, once the one it was found by is gone at the
 * host. */
#include "core/fs/p9_node.h"
#include "core/lib/string.h"
#include "core/mm/slab.h"
#include "shim/abi/errno.h"
#include "shim/abi/resource.h"
#include "shim/abi/stat.h"

#define V9FS_MAGIC 0x01021997
#define MISSES_LIST 6 /* absent names in a directory before its listing is worth having */

static const struct inode_ops file_ops_ro, dir_ops_ro, link_ops_ro, special_ops_ro;
static const struct inode_ops file_ops_rw, dir_ops_rw, link_ops_rw, special_ops_rw;

/* ---- lookup ---- */

static const struct inode_ops *ops_for(const struct p9_fs *fs, uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return fs->readonly ? &file_ops_ro : &file_ops_rw;
	case S_IFDIR:
		return fs->readonly ? &dir_ops_ro : &dir_ops_rw;
	case S_IFLNK:
		return fs->readonly ? &link_ops_ro : &link_ops_rw;
	}
	return fs->readonly ? &special_ops_ro : &special_ops_rw;
}

/* Makes the inode for attributes a, with fid f (in use, consumed, also when this fails). opened: f is open for
 * writing. */
int p9_inode_make(struct super *s, struct p9_node *dir, const struct name *name, struct p9_fid *f, bool opened,
		      const struct p9_attr *a, struct inode **out)
{
	const struct p9_fs *fs = s->priv;
	struct p9_node *n = p9_node_new(fs->c, dir, name->s, name->len);
	struct inode *inode = n ? inode_new(s, a->qid.path, a->mode, true) : NULL;

	if (!inode) {
		p9_fid_clunk(fs->c, f);
		p9_node_put(n);
		return -ENOMEM;
	}
	inode->priv = n;
	inode->ops = ops_for(fs, a->mode);
	inode->fops = p9_file_ops_for(a->mode);
	p9_attr_store(inode, a);
	inode->size = a->size;
	inode->mtime = p9_attr_time(a->mtime_sec, a->mtime_nsec);
	inode->btime = p9_attr_time(a->btime_sec, a->btime_nsec);
	n->inode = inode;
	n->path = a->qid.path;
	p9_attr_remember(n, a);
	n->fresh = true;
	if (opened)
		f->pinned = n->wr_reads = true;
	p9_fid_give(fs->c, f, opened ? &n->wr : &n->walk);
	*out = inode;
	return 0;
}

/* Is qid's file the one that inode stands for? Numbers are used again once a file is gone. */
static bool inode_same(const struct inode *inode, const struct p9_qid *qid)
{
	return !p9_node_of(inode)->orphan && S_ISDIR(inode->mode) == !!(qid->type & P9_QTDIR) &&
	       S_ISLNK(inode->mode) == !!(qid->type & P9_QTSYMLINK);
}

/* The inode that is known for qid, with a reference; one that has lost the number to another file leaves the table. */
struct inode *p9_inode_known(struct super *s, const struct p9_qid *qid)
{
	struct inode *inode = inode_find(s, qid->path);

	if (inode && !inode_same(inode, qid)) {
		list_remove(&inode->hash_link);
		inode_put(inode);
		return NULL;
	}
	return inode;
}

/* A known file was found as `name` in dir by fid f (in use, consumed). */
static void inode_found(struct inode *inode, struct p9_node *dir, const struct name *name, struct p9_fid *f)
{
	struct p9_node *n = p9_node_of(inode);

	if (!p9_fs_of(inode)->readonly && n->parent) {
		/* The newest name is the one to trust. */
		p9_node_move(n, dir, name);
		p9_fid_drop(n->c, &n->walk);
	}
	if (n->walk || n->rd)
		p9_fid_clunk(n->c, f);
	else
		p9_fid_give(n->c, f, &n->walk);
}

/* The inode of the file that f (in use, consumed) has been walked to. */
static int inode_obtain(struct super *s, struct p9_node *dir, const struct name *name, struct p9_fid *f,
			const struct p9_qid *qid, struct inode **out)
{
	const struct p9_fs *fs = s->priv;
	struct inode *inode = p9_inode_known(s, qid);
	struct p9_attr a;
	int err;

	if (!inode) {
		err = p9_getattr(fs->c, f, &a);
		if (!err && a.qid.path != qid->path)
			err = -EIO;
		if (err) {
			p9_fid_clunk(fs->c, f);
			return err;
		}
		inode = p9_inode_known(s, &a.qid); /* another name may have led somebody here meanwhile */
		if (!inode)
			return p9_inode_make(s, dir, name, f, false, &a, out);
	}
	inode_found(inode, dir, name, f);
	*out = inode;
	return 0;
}

static int walk_name(struct p9_node *dir, const struct name *name, struct p9_fid **out, struct p9_qid *qid)
{
	struct p9_str str = { name->s, name->len };
	struct p9_fid *from, *to;
	int err = p9_fid_new(dir->c, &to);

	if (err)
		return err;
	err = p9_node_fid(dir, &from);
	if (err) {
		p9_fid_discard(dir->c, to);
		return err;
	}
	err = p9_walk(dir->c, from, to, &str, 1, qid);
	p9_fid_put(dir->c, from);
	if (!err)
		*out = to;
	return err;
}

int p9_lookup(struct inode *dir, const struct name *name, struct inode **out)
{
	struct p9_node *n = p9_node_of(dir);
	bool readonly = p9_fs_of(dir)->readonly;
	struct p9_qid qid;
	struct p9_fid *f;
	int err;

	if (n->orphan) /* a server that goes by names would look into what has the name now */
		return -ENOENT;
	if (readonly && n->listing && !p9_dir_has(n->listing, name->s, name->len))
		return -ENOENT;
	err = walk_name(n, name, &f, &qid);
	if (!err)
		return inode_obtain(dir->super, n, name, f, &qid, out);
	/* A program that looks for many absent names here (a search path) is better served by the listing. */
	if (err == -ENOENT && readonly && !n->listing && ++n->misses == MISSES_LIST) {
		struct p9_dir *d;
		if (p9_dir_fetch(n, &d) == 0) {
			p9_dir_put(n->listing);
			n->listing = d;
		}
	}
	return err;
}

/* ---- symlinks ---- */

static int p9_readlink(struct inode *inode, char *buf, size_t size)
{
	struct p9_node *n = p9_node_of(inode);
	const size_t room = PATH_MAX + P9_HDR + 2;
	uint8_t *reply = kmalloc(room);
	struct p9_slot *s;
	struct p9_fid *f;
	const char *target;
	uint16_t len = 0;
	char *copy;
	int err;

	if (!reply)
		return -ENOMEM;
	err = p9_node_any_fid(n, &f);
	if (err)
		goto out;
	s = p9_begin(n->c, P9_TREADLINK);
	p9_put_u32(&s->out, f->num);
	p9_reply_buffer(s, reply, room);
	err = p9_call(n->c, s);
	if (!err) {
		target = p9_get_str(&s->in, &len);
		if (!p9_in_done(&s->in) || len == 0 || len >= PATH_MAX)
			err = -EIO;
		else
			memcpy(buf, target, MIN((size_t)len, size));
	}
	p9_end(n->c, s);
	p9_fid_put(n->c, f);
	if (!err && p9_fs_of(inode)->readonly && !inode->link && len <= size && (copy = kmalloc(len + 1u))) {
		memcpy(copy, buf, len);
		copy[len] = 0;
		inode->link = copy;
	}
out:
	kfree(reply);
	return err ? err : (int)MIN((size_t)len, size);
}

/* ---- the end of an inode, the super ---- */

/* Does not sleep: clunks are sent and not waited for. */
static void p9_evict(struct inode *inode)
{
	struct p9_node *n = p9_node_of(inode);

	if (!n)
		return;
	inode->priv = NULL;
	n->inode = NULL;
	p9_fid_drop(n->c, &n->walk);
	p9_fid_drop(n->c, &n->rd);
	p9_fid_drop(n->c, &n->wr);
	p9_dir_put(n->listing);
	n->listing = NULL;
	kfree(inode->link);
	inode->link = NULL;
	p9_node_put(n);
}

#define COMMON_OPS .evict = p9_evict, .open = p9_open
#define ATTR_RW    .getattr = p9_rw_getattr, .setattr = p9_rw_setattr
#define XATTR_RO   .getxattr = p9_getxattr
#define XATTR_RW   XATTR_RO, .setxattr = p9_setxattr
#define COMMON_RW  COMMON_OPS, ATTR_RW, .revalidate = p9_rw_revalidate, .fsync = p9_fsync

static const struct inode_ops file_ops_ro = { COMMON_OPS, XATTR_RO, .read_pages = p9_read_pages };
static const struct inode_ops file_ops_rw = {
	COMMON_RW, XATTR_RW, .read_pages = p9_read_pages, .write_pages = p9_write_pages
};
static const struct inode_ops dir_ops_ro = {
	COMMON_OPS, XATTR_RO, .lookup = p9_lookup, .readdir = p9_readdir
};
static const struct inode_ops dir_ops_rw = {
	COMMON_RW,
	XATTR_RW,
	.lookup = p9_lookup,
	.readdir = p9_readdir,
	.mknod = p9_mknod,
	.symlink = p9_symlink,
	.link = p9_link,
	.unlink = p9_unlink,
	.rmdir = p9_rmdir,
	.rename = p9_rename,
	.tmpfile = p9_tmpfile,
};
static const struct inode_ops link_ops_ro = { .evict = p9_evict, .readlink = p9_readlink };
static const struct inode_ops link_ops_rw = { .evict = p9_evict, .readlink = p9_readlink, ATTR_RW };
static const struct inode_ops special_ops_ro = { .evict = p9_evict };
static const struct inode_ops special_ops_rw = { .evict = p9_evict, ATTR_RW };

static int p9_statfs(struct super *s, struct statfs_k *out)
{
	const struct p9_fs *fs = s->priv;
	struct p9_node *root = p9_node_of(s->root->inode); /* whose walk fid is pinned */
	struct p9_slot *slot = p9_begin(fs->c, P9_TSTATFS);
	struct p9_statfs st;
	int err;

	p9_put_u32(&slot->out, root->walk->num);
	err = p9_call(fs->c, slot);
	if (!err)
		err = p9_parse_statfs(&slot->in, &st);
	p9_end(fs->c, slot);
	if (err)
		return err;
	*out = (struct statfs_k){
		.type = st.type, .bsize = st.bsize, .frsize = st.bsize, .blocks = st.blocks, .bfree = st.bfree,
		.bavail = st.bavail, .files = st.files, .ffree = st.ffree, .namelen = st.namelen,
	};
	return 0;
}

static void p9_umount(struct super *s)
{
	struct p9_fs *fs = s->priv;

	p9_client_free(fs->c);
	kfree(fs);
	s->priv = NULL;
}

static const struct super_ops p9_super_ops = { .statfs = p9_statfs, .umount = p9_umount };

/* The fid of the export's top directory becomes that of one name in it. *dir is a node without inode that remembers the way
 * (the caller's reference; NULL on failure). */
static int root_file(struct p9_client *c, struct p9_fid **f, const struct name *file, struct p9_node **dir)
{
	struct p9_node *n = p9_node_new(c, NULL, "", 0);
	struct p9_qid qid;
	int err;

	if (!n) {
		p9_fid_clunk(c, *f);
		return -ENOMEM;
	}
	(*f)->pinned = true;
	p9_fid_give(c, *f, &n->walk);
	err = walk_name(n, file, f, &qid);
	if (err) {
		p9_node_put(n);
		return err;
	}
	*dir = n;
	return 0;
}

/* The root's inode from its fid (in use, consumed), which stays for good. */
static int root_inode(struct super *s, struct p9_node *dir, const struct name *name, struct p9_fid *f)
{
	const struct p9_fs *fs = s->priv;
	struct inode *inode;
	struct p9_attr a;
	int err = p9_getattr(fs->c, f, &a);

	if (!err && (a.mode & S_IFMT) != (dir ? S_IFREG : S_IFDIR))
		err = dir ? -EINVAL : -ENOTDIR;
	if (err) {
		p9_fid_clunk(fs->c, f);
		return err;
	}
	f->pinned = true;
	err = p9_inode_make(s, dir, name, f, false, &a, &inode);
	if (err)
		return err;
	p9_node_of(inode)->mounted = dir != NULL;
	s->root = dentry_root(inode);
	return s->root ? 0 : -ENOMEM;
}

/* Attaches and makes the root. */
static int root_make(struct super *s, const char *file)
{
	const struct p9_fs *fs = s->priv;
	struct name name = { .s = file ? file : "", .len = file ? (uint32_t)strlen(file) : 0 };
	struct p9_node *dir = NULL;
	struct p9_fid *f;
	struct p9_qid qid;
	int err = p9_fid_new(fs->c, &f);

	if (err)
		return err;
	err = p9_attach(fs->c, f, &qid);
	if (err)
		p9_fid_clunk(fs->c, f);
	else if (file)
		err = root_file(fs->c, &f, &name, &dir);
	if (!err)
		err = root_inode(s, dir, &name, f);
	p9_node_put(dir);
	return err;
}

int p9_new(const char *tag, const char *file, bool readonly, struct super **out)
{
	struct p9_fs *fs = kzalloc(sizeof(*fs));
	struct super *s;
	int err;

	if (!fs)
		return -ENOMEM;
	fs->readonly = readonly;
	err = p9_client_new(tag, &fs->c);
	if (err)
		goto out_fs;
	s = super_new("9p", &p9_super_ops, V9FS_MAGIC);
	if (!s) {
		err = -ENOMEM;
		goto out_client;
	}
	s->priv = fs;
	s->evict_nosleep = true;
	if (readonly)
		s->flags |= MS_RDONLY;
	else
		s->no_dcache = s->no_negative = true;
	err = root_make(s, file);
	if (err) {
		super_free(s); /* with client and fs */
		return err;
	}
	*out = s;
	return 0;

out_client:
	p9_client_free(fs->c);
out_fs:
	kfree(fs);
	return err;
}
