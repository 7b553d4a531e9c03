/* Archives as root file systems: cpio in the newc format, unpacked into a tmpfs.
 *
 * The archive is read once for its names and attributes; the contents of regular files stay where they are and are
 * copied a page at a time when somebody reads them. The reader (cpio_next) is apart from the unpacking: it touches
 * nothing but the buffer, and every number in it is checked against the buffer's end before it is used.
 *
 * Hard links have equal device and inode numbers and a link count above one; their contents come with one of them,
 * usually the last. Directories that are missing are made. A later entry of the same name replaces an earlier one, as
 * the Linux kernel has it; a directory stays and takes the later attributes.
 *
 * Missing: checksums of the "crc" format are not verified; compressed archives; the old formats. */
#include "core/fs/cpio.h"
#include "core/fs/tmpfs.h"
#include "core/fs/walk.h"
#include "core/mm/slab.h"
#include "core/printf.h"
#include "shim/abi/errno.h"
#include "shim/abi/stat.h"

#define HEADER_SIZE 110 /* magic and 13 fields of 8 hexadecimal digits */
#define TRAILER     "TRAILER!!!"
#define LINK_BUCKETS 64

enum {
	F_INO, F_MODE, F_UID, F_GID, F_NLINK, F_MTIME, F_SIZE, F_DEVMAJOR, F_DEVMINOR, F_RDEVMAJOR, F_RDEVMINOR,
	F_NAMESIZE, F_CHECK, F_COUNT
};

/* ---- the reader ---- */

static int bad(struct cpio_reader *r, const char *why)
{
	r->error = why;
	return -EINVAL;
}

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_fields(const uint8_t *p, uint32_t f[F_COUNT])
{
	for (unsigned i = 0; i < F_COUNT; i++) {
		f[i] = 0;
		for (unsigned k = 0; k < 8; k++) {
			int d = hex_digit(*p++);

			if (d < 0)
				return false;
			f[i] = f[i] << 4 | (uint32_t)d;
		}
	}
	return true;
}

/* Zeroes may follow a trailer, up to the next archive or the end. */
static void skip_padding(struct cpio_reader *r)
{
	while (r->off < r->len && r->data[r->off] == 0)
		r->off++;
}

static const char *magic_problem(const uint8_t *p, size_t len)
{
	if (len >= 6 && !memcmp(p, "07070", 5) && (p[5] == '1' || p[5] == '2'))
		return NULL;
	if (len >= 2 && (!memcmp(p, "\x1f\x8b", 2) || !memcmp(p, "\xfd\x37", 2) || !memcmp(p, "\x28\xb5", 2)))
		return "it is compressed; unpack it first";
	if (len >= 6 && !memcmp(p, "070707", 6))
		return "it is in the old format; make it with cpio -H newc";
	return "bad magic number";
}

/* "./" at the front says nothing; what remains must stay within the root. */
static const char *check_name(struct cpio_entry *e)
{
	const char *p = e->name;

	while (p[0] == '.' && (p[1] == '/' || !p[1])) {
		p += p[1] ? 2 : 1;
		while (p != e->name && *p == '/' && p[-1] == '/')
			p++;
	}
	e->name_len -= (size_t)(p - e->name);
	e->name = p;
	if (*p == '/')
		return "absolute name";
	if (e->name_len >= PATH_MAX)
		return "name too long";
	while (*p) {
		const char *end = strchr(p, '/');
		struct name n = name_make(p, end ? (size_t)(end - p) : strlen(p));

		if (name_is_dotdot(&n))
			return "name with \"..\"";
		if (!n.len || name_is_dot(&n))
			return "name with an empty component";
		if (n.len > NAME_MAX)
			return "name too long";
		p += n.len + (end != NULL);
		if (end && !*p)
			e->name_len--; /* one slash at the end of a directory's name; the walk stops there, too */
	}
	return NULL;
}

static int read_entry(struct cpio_reader *r, struct cpio_entry *e)
{
	const uint8_t *p = r->data + r->off;
	size_t left = r->len - r->off, name_end, data_end;
	uint32_t f[F_COUNT];
	const char *why = magic_problem(p, left);

	if (why)
		return bad(r, why);
	if (left < HEADER_SIZE)
		return bad(r, "truncated header");
	if (!read_fields(p + 6, f))
		return bad(r, "bad digit in a header");
	*e = (struct cpio_entry){ .name = (const char *)p + HEADER_SIZE, .ino = f[F_INO], .mode = f[F_MODE],
		.uid = f[F_UID], .gid = f[F_GID], .nlink = f[F_NLINK], .mtime = f[F_MTIME], .size = f[F_SIZE],
		.dev_major = f[F_DEVMAJOR], .dev_minor = f[F_DEVMINOR], .rdev_major = f[F_RDEVMAJOR],
		.rdev_minor = f[F_RDEVMINOR] };
	if (!f[F_NAMESIZE] || f[F_NAMESIZE] > left - HEADER_SIZE)
		return bad(r, "name beyond the end");
	e->name_len = f[F_NAMESIZE] - 1;
	if (memchr(e->name, 0, f[F_NAMESIZE]) != e->name + e->name_len)
		return bad(r, "name not terminated");
	name_end = ALIGN_UP(HEADER_SIZE + (size_t)f[F_NAMESIZE], 4);
	data_end = name_end + e->size;
	/* The padding of the last entry may be cut off. */
	if (e->size && data_end > left)
		return bad(r, "contents beyond the end");
	e->data = p + MIN(name_end, left);
	r->off += MIN(ALIGN_UP(data_end, 4), left);
	return 1;
}

int cpio_next(struct cpio_reader *r, struct cpio_entry *e)
{
	const char *why;
	int n;

	for (;;) {
		if (r->off >= r->len)
			return bad(r, "no trailer");
		n = read_entry(r, e);
		if (n < 0)
			return n;
		if (strcmp(e->name, TRAILER))
			break;
		skip_padding(r);
		if (r->off >= r->len)
			return 0;
	}
	why = check_name(e);
	return why ? bad(r, why) : 1;
}

/* ---- unpacking ---- */

/* A file with more than one name, by its numbers in the archive. */
struct link {
	struct link *next;
	uint32_t ino, dev_major, dev_minor;
	struct inode *inode; /* with reference */
};

struct unpack {
	struct super *super;
	struct cpio_reader reader;
	struct link *links[LINK_BUCKETS];
	const char *error;
};

static struct link **link_bucket(struct unpack *u, const struct cpio_entry *e)
{
	return &u->links[(e->ino ^ e->dev_minor) % LINK_BUCKETS];
}

static struct inode *link_find(struct unpack *u, const struct cpio_entry *e)
{
	for (struct link *l = *link_bucket(u, e); l; l = l->next)
		if (l->ino == e->ino && l->dev_major == e->dev_major && l->dev_minor == e->dev_minor)
			return l->inode;
	return NULL;
}

static int link_remember(struct unpack *u, const struct cpio_entry *e, struct inode *inode)
{
	struct link *l = kmalloc(sizeof(*l));

	if (!l)
		return -ENOMEM;
	*l = (struct link){ *link_bucket(u, e), e->ino, e->dev_major, e->dev_minor, inode_get(inode) };
	*link_bucket(u, e) = l;
	return 0;
}

static void links_free(struct unpack *u)
{
	for (unsigned i = 0; i < LINK_BUCKETS; i++)
		while (u->links[i]) {
			struct link *l = u->links[i];

			u->links[i] = l->next;
			inode_put(l->inode);
			kfree(l);
		}
}

/* The directory that holds the last component, which goes to *last; missing directories are made. With a reference. */
static int find_parent(struct unpack *u, const struct cpio_entry *e, struct inode **out, struct name *last)
{
	struct inode *dir = inode_get(u->super->root->inode), *next;
	const char *p = e->name, *end = e->name + e->name_len;
	int r = 0;

	for (;;) {
		const char *slash = memchr(p, '/', (size_t)(end - p));

		*last = name_make(p, (size_t)((slash ? slash : end) - p));
		if (!slash)
			break;
		r = dir->ops->lookup(dir, last, &next);
		if (r == -ENOENT) {
			struct timespec64 mtime = dir->mtime;

			r = dir->ops->mknod(dir, last, S_IFDIR | 0755, 0, &next);
			dir->mtime = mtime;
			if (!r)
				next->uid = next->gid = 0;
		}
		inode_put(dir);
		if (r)
			return r;
		dir = next;
		if (!S_ISDIR(dir->mode)) {
			inode_put(dir);
			u->error = "a file is used as a directory";
			return -EINVAL;
		}
		p = slash + 1;
	}
	*out = dir;
	return 0;
}

static void set_attributes(struct inode *i, const struct cpio_entry *e)
{
	i->mode = (i->mode & S_IFMT) | (e->mode & 07777);
	i->uid = e->uid;
	i->gid = e->gid;
	i->atime = i->mtime = i->ctime = i->btime = (struct timespec64){ e->mtime, 0 };
}

static int make_symlink(struct inode *dir, const struct name *n, const struct cpio_entry *e, struct inode **out)
{
	char *text;
	int r;

	if (!e->size || e->size >= PATH_MAX || memchr(e->data, 0, e->size))
		return -EINVAL;
	text = kmalloc(e->size + 1);
	if (!text)
		return -ENOMEM;
	memcpy(text, e->data, e->size);
	text[e->size] = 0;
	r = dir->ops->symlink(dir, n, text, out);
	kfree(text);
	return r;
}

static int make_file(struct unpack *u, struct inode *dir, const struct name *n, const struct cpio_entry *e,
		     struct inode **out)
{
	struct inode *known = e->nlink > 1 ? link_find(u, e) : NULL;
	int r;

	if (known) {
		r = dir->ops->link(dir, n, known);
		if (r)
			return r;
		*out = inode_get(known);
	} else {
		r = dir->ops->mknod(dir, n, S_IFREG | 0600, 0, out);
		if (!r && e->nlink > 1)
			r = link_remember(u, e, *out);
		if (r)
			return r;
	}
	if (e->size)
		tmpfs_file_data(*out, e->data, e->size);
	return 0;
}

/* Makes the object that e describes; out gets a reference. */
static int make_object(struct unpack *u, struct inode *dir, const struct name *n, const struct cpio_entry *e,
		       struct inode **out)
{
	switch (e->mode & S_IFMT) {
	case S_IFREG:
		return make_file(u, dir, n, e, out);
	case S_IFLNK:
		return make_symlink(dir, n, e, out);
	case S_IFDIR:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		return dir->ops->mknod(dir, n, e->mode & (S_IFMT | 07777), DEV_MAKE(e->rdev_major, e->rdev_minor), out);
	}
	return -EINVAL;
}

/* What is there already under this name: a directory is kept for a directory (*out is it), anything else goes. */
static int make_way(struct unpack *u, struct inode *dir, const struct name *n, const struct cpio_entry *e,
		    struct inode **out)
{
	struct inode *old;
	int r = dir->ops->lookup(dir, n, &old);

	*out = NULL;
	if (r)
		return r == -ENOENT ? 0 : r;
	if (S_ISDIR(old->mode) && S_ISDIR(e->mode)) {
		*out = old;
		return 0;
	}
	r = S_ISDIR(old->mode) ? dir->ops->rmdir(dir, n, old) : dir->ops->unlink(dir, n, old);
	inode_put(old);
	if (r)
		u->error = "a file takes the place of a directory that is not empty";
	return r ? -EINVAL : 0;
}

static int unpack_entry(struct unpack *u, const struct cpio_entry *e)
{
	struct inode *dir, *inode;
	struct name n;
	int r;

	if (!e->name_len) {
		if (S_ISDIR(e->mode))
			set_attributes(u->super->root->inode, e);
		return 0;
	}
	r = find_parent(u, e, &dir, &n);
	if (r)
		return r;
	struct timespec64 mtime = dir->mtime; /* as its own entry has it, however many come into it */

	r = make_way(u, dir, &n, e, &inode);
	if (!r && !inode) {
		r = make_object(u, dir, &n, e, &inode);
		if (r == -EINVAL)
			u->error = "an entry of no known type, or a bad symbolic link";
	}
	if (!r)
		set_attributes(inode, e);
	dir->mtime = mtime;
	inode_put(inode);
	inode_put(dir);
	return r;
}

int cpio_unpack(struct super *tmpfs, const void *data, size_t len)
{
	struct unpack *u = kzalloc(sizeof(*u));
	struct cpio_entry e = { .name = "" };
	size_t at = 0;
	int r;

	if (!u)
		return -ENOMEM;
	u->super = tmpfs;
	cpio_init(&u->reader, data, len);
	while ((r = cpio_next(&u->reader, &e)) > 0) {
		r = unpack_entry(u, &e);
		if (r)
			break;
		at = u->reader.off;
	}
	if (r == -EINVAL)
		kprintf("doppel: cpio archive: %s (at byte %zu)\n", u->error ? u->error : u->reader.error, at);
	links_free(u);
	kfree(u);
	return r;
}
