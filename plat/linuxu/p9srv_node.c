/* The 9P server's tree of names, its cache of directory descriptors, and qids.
 *
 * A node is a name below an export; nodes exist for the names that fids refer to and for the directories above those. The
 * way to an object is always the nearest directory with an open descriptor, then one component at a time with O_NOFOLLOW,
 * so neither a symbolic link nor a ".." is ever followed, whatever happens to the directory on the host meanwhile.
 * Directory descriptors are O_PATH; at most DIR_FDS are kept, least recently used first to go. */
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
	struct srv_node *n = host_alloc(sizeof(*n) + len + 1);

	if (!n)
		return NULL;
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
		host_free(n, sizeof(*n) + n->len + 1u);
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

/* A node's name is stored in it, so a node that gets a longer one is moved by replacing its contents is no option (fids
 * point at it): names keep their room, and a longer one is put into a node of its own, to which the old one's place in the
 * tree cannot be given. Therefore nodes have room for any name from the first rename on: see node_rename_room(). */
