/* Changes of names on a writable 9P export: create, link, rename, remove.
 *
 * The directory is locked by the VFS. Cached attributes follow at once where they are known (link counts) and from the
 * server at the next stat. A file that loses its last name while it is open has an opened fid before that, and its
 * attributes live on here.
 *
 * Missing: O_TMPFILE without O_EXCL: a nameless file cannot be given a name. */
#include "core/fs/p9_node.h"
#include "core/lib/string.h"
#include "core/lib/util.h"
#include "core/mm/slab.h"
#include "core/proc/cred.h"
#include "core/random.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/stat.h"

/* The group of what is made in dir: inode(7), set-group-ID bit. */
static uint32_t made_gid(const struct inode *dir)
{
	return dir->mode & S_ISGID ? dir->gid : cred_current()->fsgid;
}

/* Begins a request whose first argument is dir's fid, which the caller puts back. */
static int dir_begin(struct inode *dir, uint8_t type, struct p9_fid **f, struct p9_slot **s)
{
	struct p9_node *n = p9_node_of(dir);
	int err = n->orphan ? -ENOENT : p9_node_fid(n, f); /* its name may be another directory's now */

	if (err)
		return err;
	*s = p9_begin(n->c, type);
	p9_put_u32(&(*s)->out, (*f)->num);
	return 0;
}

static int dir_end(struct inode *dir, struct p9_fid *f, struct p9_slot *s)
{
	struct p9_node *n = p9_node_of(dir);
	int err = p9_call_end(n->c, s);

	p9_fid_put(n->c, f);
	n->changes++;
	return err;
}

/* The server makes files as the user it runs as, or as the mount's: the new one goes to who made it here. Where the server
 * may not give it away (it is not root's), it stays, as on any export of that user's. */
static void give_to_maker(struct inode *inode)
{
	struct iattr a = { .valid = ATTR_UID, .uid = cred_current()->fsuid };
	struct iattr mode = { .valid = ATTR_MODE, .mode = inode->mode };

	if (inode->uid == a.uid)
		return;
	mutex_lock(&inode->lock);
	if (p9_rw_setattr(inode, &a) == 0) {
		inode->uid = a.uid;
		if (S_ISREG(mode.mode) && (mode.mode & (S_ISUID | S_ISGID)))
			(void)p9_rw_setattr(inode, &mode); /* chown(2) at the server took these bits away */
	}
	mutex_unlock(&inode->lock);
}

static int find_made(struct inode *dir, const struct name *name, struct inode **out)
{
	int err = p9_lookup(dir, name, out);

	if (!err)
		give_to_maker(*out);
	return err;
}

static int make_file(struct inode *dir, const struct name *name, uint32_t mode, struct inode **out)
{
	struct p9_node *n = p9_node_of(dir);
	struct p9_client *c = n->c;
	struct p9_fid *f;
	struct p9_slot *s;
	struct p9_qid qid;
	struct p9_attr a;
	struct inode *known;
	uint32_t iounit;
	int err = n->orphan ? -ENOENT : p9_node_clone(n, &f);

	if (err)
		return err;
	/* Turns the directory's fid into one of the new file, open. */
	s = p9_begin(c, P9_TLCREATE);
	p9_put_u32(&s->out, f->num);
	p9_put_str(&s->out, name->s, name->len);
	p9_put_u32(&s->out, O_CREAT | O_EXCL | O_RDWR);
	p9_put_u32(&s->out, mode & 07777);
	p9_put_u32(&s->out, made_gid(dir));
	err = p9_call(c, s);
	if (!err)
		err = p9_parse_open(&s->in, &qid, &iounit);
	p9_end(c, s);
	n->changes++;
	if (!err) {
		f->iounit = p9_data_max(c, iounit);
		err = p9_getattr(c, f, &a);
	}
	if (!err && (a.qid.path != qid.path || !S_ISREG(a.mode)))
		err = -EIO;
	if (err) {
		p9_fid_clunk(c, f);
		return err;
	}
	known = p9_inode_known(dir->super, &qid);
	if (known) { /* its number is a new file's now, so it is none */
		list_remove(&known->hash_link);
		inode_put(known);
	}
	err = p9_inode_make(dir->super, n, name, f, true, &a, out);
	if (!err)
		give_to_maker(*out);
	return err;
}

int p9_mknod(struct inode *dir, const struct name *name, uint32_t mode, uint64_t rdev, struct inode **out)
{
	bool is_dir = S_ISDIR(mode);
	struct p9_slot *s;
	struct p9_fid *f;
	int err;

	if (S_ISREG(mode))
		return make_file(dir, name, mode, out);
	err = dir_begin(dir, is_dir ? P9_TMKDIR : P9_TMKNOD, &f, &s);
	if (err)
		return err;
	p9_put_str(&s->out, name->s, name->len);
	p9_put_u32(&s->out, is_dir ? mode & 07777 : mode);
	if (!is_dir) {
		p9_put_u32(&s->out, DEV_MAJOR(rdev));
		p9_put_u32(&s->out, DEV_MINOR(rdev));
	}
	p9_put_u32(&s->out, made_gid(dir));
	err = dir_end(dir, f, s);
	if (err == -ENXIO && !is_dir)
		err = -EPERM; /* QEMU refuses special files so; mknod(2) has another name for it */
	return err ? err : find_made(dir, name, out);
}

int p9_symlink(struct inode *dir, const struct name *name, const char *target, struct inode **out)
{
	size_t len = strlen(target), size = len + name->len + 32;
	struct p9_slot *s;
	struct p9_fid *f;
	uint8_t *buf = kmalloc(size);
	int err;

	if (!buf)
		return -ENOMEM;
	err = dir_begin(dir, P9_TSYMLINK, &f, &s);
	if (!err) {
		p9_out_begin(&s->out, buf, size, P9_TSYMLINK, s->tag);
		p9_put_u32(&s->out, f->num);
		p9_put_str(&s->out, name->s, name->len);
		p9_put_str(&s->out, target, len);
		p9_put_u32(&s->out, made_gid(dir));
		err = dir_end(dir, f, s);
	}
	kfree(buf);
	return err ? err : find_made(dir, name, out);
}

int p9_link(struct inode *dir, const struct name *name, struct inode *inode)
{
	struct p9_node *n = p9_node_of(inode);
	struct p9_fid *target, *f;
	struct p9_slot *s;
	int err = p9_node_fid(n, &target);

	if (err)
		return err;
	err = dir_begin(dir, P9_TLINK, &f, &s);
	if (!err) {
		p9_put_u32(&s->out, target->num);
		p9_put_str(&s->out, name->s, name->len);
		err = dir_end(dir, f, s);
	}
	p9_fid_put(n->c, target);
	if (!err) {
		inode->nlink++;
		n->changes++;
	}
	return err;
}

/* A name of inode is about to go. Programs that have it open keep it: an opened fid must be there before. */
static void hold_open(struct inode *inode)
{
	struct p9_node *n = p9_node_of(inode);
	struct p9_fid *f;

	if (S_ISREG(inode->mode) && n->opens && inode->nlink <= 1 && p9_open_fid(n, false, &f) == 0)
		p9_fid_put(n->c, f);
}

static void name_gone(struct inode *inode)
{
	struct p9_node *n = p9_node_of(inode);

	if (S_ISDIR(inode->mode))
		inode->nlink = 0;
	else if (inode->nlink)
		inode->nlink--;
	n->changes++;
	if (inode->nlink)
		return;
	n->orphan = true;
	list_remove(&inode->hash_link);
	inode_now(inode, ATTR_CTIME);
}

static int remove_name(struct inode *dir, const struct name *name, struct inode *inode, uint32_t flags)
{
	struct p9_slot *s;
	struct p9_fid *f;
	int err;

	hold_open(inode);
	err = dir_begin(dir, P9_TUNLINKAT, &f, &s);
	if (err)
		return err;
	p9_put_str(&s->out, name->s, name->len);
	p9_put_u32(&s->out, flags);
	err = dir_end(dir, f, s);
	if (!err)
		name_gone(inode);
	return err;
}

int p9_unlink(struct inode *dir, const struct name *name, struct inode *inode)
{
	return remove_name(dir, name, inode, 0);
}

int p9_rmdir(struct inode *dir, const struct name *name, struct inode *inode)
{
	return remove_name(dir, name, inode, AT_REMOVEDIR);
}

static int send_rename(struct inode *odir, const struct name *on, struct inode *ndir, const struct name *nn)
{
	struct p9_node *to = p9_node_of(ndir);
	struct p9_fid *f, *nf;
	struct p9_slot *s;
	int err = to->orphan ? -ENOENT : p9_node_fid(to, &nf);

	if (err)
		return err;
	err = dir_begin(odir, P9_TRENAMEAT, &f, &s);
	if (!err) {
		p9_put_str(&s->out, on->s, on->len);
		p9_put_u32(&s->out, nf->num);
		p9_put_str(&s->out, nn->s, nn->len);
		err = dir_end(odir, f, s);
	}
	p9_fid_put(to->c, nf);
	to->changes++;
	return err;
}

#define TEMP_NAME 24 /* characters */

/* A name that nobody else uses. */
static struct name temp_name(char buf[TEMP_NAME])
{
	int n = ksnprintf(buf, TEMP_NAME, ".doppel-%lx", random_u64() >> 8);

	return (struct name){ .s = buf, .len = (uint32_t)n };
}

/* The protocol has no exchange: three renames, taken back when one fails. With both directories locked no program here sees
 * anything in between. */
static int exchange(struct inode *odir, const struct name *on, struct inode *ndir, const struct name *nn)
{
	char buf[TEMP_NAME];
	struct name temp = temp_name(buf);
	int err = send_rename(odir, on, odir, &temp);

	if (err)
		return err;
	err = send_rename(ndir, nn, odir, on);
	if (!err) {
		err = send_rename(odir, &temp, ndir, nn);
		if (err)
			(void)send_rename(odir, on, ndir, nn);
	}
	if (err)
		(void)send_rename(odir, &temp, odir, on);
	return err;
}

int p9_rename(struct inode *odir, const struct name *on, struct inode *inode, struct inode *ndir,
		     const struct name *nn, struct inode *target, unsigned flags)
{
	bool swap = (flags & RENAME_EXCHANGE) != 0;
	int err;

	if (target && !swap)
		hold_open(target);
	err = swap ? exchange(odir, on, ndir, nn) : send_rename(odir, on, ndir, nn);
	if (err)
		return err;
	if (swap) {
		p9_node_move(p9_node_of(target), p9_node_of(odir), on);
		p9_node_of(target)->changes++;
	} else if (target && target != inode) {
		name_gone(target);
	}
	p9_node_move(p9_node_of(inode), p9_node_of(ndir), nn);
	p9_node_of(inode)->changes++;
	return 0;
}

/* A file that is made and loses its name at once. Nothing could give it one again. */
int p9_tmpfile(struct inode *dir, uint32_t mode, bool linkable, struct inode **out)
{
	char buf[TEMP_NAME];
	struct name temp = temp_name(buf);
	int err;

	if (linkable)
		return -EOPNOTSUPP;
	err = make_file(dir, &temp, mode, out);
	if (err)
		return err;
	err = remove_name(dir, &temp, *out, 0);
	if (err)
		inode_put(*out);
	return err;
}
