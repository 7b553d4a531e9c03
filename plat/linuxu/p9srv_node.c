/* The 9P server's tree of names, its cache of directory descriptors, and qids.
 *
 * A node is a name below an export; nodes exist for the names that fids refer to and for the directories above those.
 * The way to an object is always the nearest directory with an open descriptor, then one component at a time with
 * O_NOFOLLOW, so neither a symbolic link nor a ".." is ever followed, whatever happens to the directory on the host
 * meanwhile. Directory descriptors are O_PATH; at most DIR_FDS are kept, least recently used first to go. */
#include "core/lib/string.h"
#include "plat/linuxu/p9srv_int.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"

#define DIR_FDS 256
#define DIR_FDS_MIN 4 /* not even for want of descriptors: those that are being used */
#define QID_TABLE 1024
#define QID_INO_BITS 48

static struct srv_node **table;
static size_t table_size, node_count;
static struct list lru = LIST_INIT(lru); /* of nodes with a descriptor, oldest first */
static unsigned dir_fds;

/* ---- the table ---- */

static uint64_t name_hash(const struct srv_node *dir, const char *name, size_t len)
{
	uint64_t h = 0xcbf29ce484222325ul ^ (HP(dir) >> 4);

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)name[i]) * 0x100000001b3ul;
	return h ^ h >> 32;
}

void node_table_free(void)
{
	host_free(table, table_size * sizeof(*table));
	table = NULL;
	table_size = 0;
}

static void table_grow(void)
{
	size_t size = table_size ? table_size * 2 : 256;
	struct srv_node **t = host_alloc(size * sizeof(*t));

	if (!t)
		return; /* chains get longer */
	for (size_t i = 0; i < table_size; i++) {
		for (struct srv_node *n = table[i], *next; n; n = next) {
			size_t k = name_hash(n->parent, n->name, n->len) % size;

			next = n->hash_next;
			n->hash_next = t[k];
			t[k] = n;
		}
	}
	host_free(table, table_size * sizeof(*table));
	table = t;
	table_size = size;
}

static struct srv_node **table_slot(const struct srv_node *dir, const char *name, size_t len)
{
	struct srv_node **p = &table[name_hash(dir, name, len) % table_size];

	while (*p && !((*p)->parent == dir && (*p)->len == len && memcmp((*p)->name, name, len) == 0))
		p = &(*p)->hash_next;
	return p;
}

static void table_remove(struct srv_node *n)
{
	struct srv_node **p = table_slot(n->parent, n->name, n->len);

	if (*p == n)
		*p = n->hash_next;
}

static void table_insert(struct srv_node *n)
{
	struct srv_node **p = table_slot(n->parent, n->name, n->len);

	n->hash_next = *p;
	*p = n;
}

/* ---- nodes ---- */

static struct srv_node *node_new(struct srv_node *parent, const char *name, size_t len)
{
	struct srv_node *n = host_alloc(sizeof(*n));

	if (!n)
		return NULL;
	n->name = host_alloc(len + 1);
	if (!n->name) {
		host_free(n, sizeof(*n));
		return NULL;
	}
	n->parent = parent ? node_get(parent) : NULL;
	n->refs = 1;
	n->fd = -1;
	n->len = (uint16_t)len;
	memcpy(n->name, name, len);
	n->name[len] = 0;
	list_init(&n->lru);
	node_count++;
	return n;
}

struct srv_node *node_root_new(int fd)
{
	struct srv_node *n = node_new(NULL, "", 0);

	if (n)
		n->fd = fd; /* not on the list: never closed to make room */
	return n;
}

struct srv_node *node_get(struct srv_node *n)
{
	n->refs++;
	return n;
}

static void fd_close(struct srv_node *n)
{
	if (n->fd < 0)
		return;
	host_close(n->fd);
	n->fd = -1;
	if (n->parent) {
		list_remove(&n->lru);
		dir_fds--;
	}
}

void node_put(struct srv_node *n)
{
	while (n && --n->refs == 0) {
		struct srv_node *parent = n->parent;

		if (parent && !n->gone)
			table_remove(n);
		fd_close(n);
		host_free(n->name, n->len + 1u);
		host_free(n, sizeof(*n));
		node_count--;
		n = parent;
	}
}

struct srv_node *node_child(struct srv_node *dir, const char *name, size_t len)
{
	struct srv_node *n;

	if (node_count >= table_size)
		table_grow();
	if (!table_size)
		return NULL;
	n = *table_slot(dir, name, len);
	if (n)
		return node_get(n);
	n = node_new(dir, name, len);
	if (n)
		table_insert(n);
	return n;
}

void node_removed(struct srv_node *dir, const char *name, size_t len)
{
	struct srv_node *n = table_size ? *table_slot(dir, name, len) : NULL;

	if (!n)
		return;
	table_remove(n);
	n->gone = true;
}

/* Everything at and below the old name is at the new one now. The node of what was replaced loses its name. */
void node_renamed(struct srv_node *dir, const struct srv_name *name, struct srv_node *ndir, const struct srv_name *nname)
{
	struct srv_node *n = table_size ? *table_slot(dir, name->s, name->len) : NULL;
	struct srv_node *target = table_size ? *table_slot(ndir, nname->s, nname->len) : NULL;
	char *copy;

	if (n && n == target)
		return;
	if (target)
		node_removed(ndir, nname->s, nname->len);
	if (!n)
		return;
	table_remove(n);
	copy = host_alloc(nname->len + 1u);
	if (!copy) { /* nobody finds the way there any more */
		n->gone = true;
		return;
	}
	memcpy(copy, nname->s, nname->len);
	host_free(n->name, n->len + 1u);
	n->name = copy;
	n->len = nname->len;
	node_get(ndir);
	node_put(n->parent);
	n->parent = ndir;
	table_insert(n);
}

size_t p9srv_nodes(void)
{
	return node_count;
}

size_t p9srv_open_dirs(void)
{
	return dir_fds;
}

/* ---- the way to an object ---- */

bool node_close_one(void)
{
	struct srv_node *n = list_first(&lru, struct srv_node, lru);

	if (!n || dir_fds <= DIR_FDS_MIN)
		return false;
	fd_close(n);
	return true;
}

int srv_openat(int dirfd, const char *name, int flags, unsigned mode)
{
	long r;

	do
		r = host_openat(dirfd, name, flags | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_LARGEFILE, mode);
	while (r == -EINTR || ((r == -EMFILE || r == -ENFILE) && node_close_one()));
	return (int)r;
}

/* Opens n, whose parent has a descriptor. */
static int node_open(struct srv_node *n)
{
	int fd;

	if (n->gone)
		return -ENOENT;
	if (dir_fds >= DIR_FDS)
		node_close_one();
	fd = srv_openat(n->parent->fd, n->name, O_PATH | O_DIRECTORY, 0);
	if (fd < 0)
		return fd == -ELOOP ? -ENOTDIR : fd;
	n->fd = fd;
	dir_fds++;
	list_append(&lru, &n->lru);
	return 0;
}

int node_dirfd(struct srv_node *n)
{
	while (n->fd < 0) {
		struct srv_node *a = n;
		int r;

		while (a->parent->fd < 0)
			a = a->parent;
		if (a->parent->parent) { /* so that opening a does not close it */
			list_remove(&a->parent->lru);
			list_append(&lru, &a->parent->lru);
		}
		r = node_open(a);
		if (r < 0)
			return r;
	}
	if (n->parent) {
		list_remove(&n->lru);
		list_append(&lru, &n->lru);
	}
	return n->fd;
}

int node_at(struct srv_node *n, int *dirfd, const char **name)
{
	int fd = n->gone ? -ENOENT : node_dirfd(n->parent ? n->parent : n);

	if (fd < 0)
		return fd;
	*dirfd = fd;
	*name = n->name;
	return 0;
}

int node_stat(struct srv_node *n, struct host_stat *st)
{
	const char *name;
	int dirfd, r;

	if (n->fd >= 0)
		return (int)host_fstat(n->fd, st);
	r = node_at(n, &dirfd, &name);
	return r ? r : (int)host_fstatat(dirfd, name, st, AT_SYMLINK_NOFOLLOW);
}

/* ---- qids ---- */

/* A qid path is 64 bits for a device and an inode number. The low 48 bits of the inode number stay; the upper 16
 * number the pairs of device and upper inode bits that have been seen, so the first device's files keep their inode
 * numbers and no two files are the same. Beyond QID_TABLE pairs, numbers may collide. */
uint64_t srv_qid_path(uint64_t dev, uint64_t ino)
{
	static struct {
		uint64_t dev, high;
	} seen[QID_TABLE];
	static unsigned count;
	uint64_t high = ino >> QID_INO_BITS, low = ino & ((1ul << QID_INO_BITS) - 1);
	unsigned i = 0;

	while (i < count && !(seen[i].dev == dev && seen[i].high == high))
		i++;
	if (i == count && count < QID_TABLE) {
		seen[count].dev = dev;
		seen[count].high = high;
		count++;
	}
	if (i == QID_TABLE)
		i += (unsigned)((dev * 0x9e3779b97f4a7c15ul ^ high * 0xff51afd7ed558ccdul) >> 50);
	return (uint64_t)i << QID_INO_BITS | low;
}
