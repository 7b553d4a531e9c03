/* Descriptor tables: small integers to open files.
 *
 * Two bitmaps beside the array of files say which descriptors are open and which close on exec; `next` bounds the
 * search for the lowest free one. A table starts with NR_OPEN_DEFAULT slots and doubles. Limits: RLIMIT_NOFILE of the
 * current process for new descriptors (EMFILE), NR_OPEN_MAX for the array. One table may serve several processes
 * (CLONE_FILES).
 *
 * A slot is emptied before its file is let go of, since that may sleep. */
#include "core/file/file.h"
#include "core/lib/string.h"
#include "core/mm/slab.h"
#include "core/printf.h"
#include "core/proc/proc.h"
#include "core/proc/thread.h"
#include "core/sched.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/resource.h"

#define WORD(fd) ((fd) / 64)
#define BIT(fd)  (1ul << ((fd) % 64))

static bool bit_get(const uint64_t *map, unsigned fd) { return (map[WORD(fd)] & BIT(fd)) != 0; }

static void bit_set(uint64_t *map, unsigned fd, bool on)
{
	if (on)
		map[WORD(fd)] |= BIT(fd);
	else
		map[WORD(fd)] &= ~BIT(fd);
}

/* ---- the table itself ---- */

/* Arrays for `size` descriptors (a multiple of 64) in one block: files, open, cloexec. */
static struct file **arrays_new(unsigned size) { return kzalloc(size * sizeof(struct file *) + 2 * (size / 8)); }

static void arrays_use(struct fdtable *t, struct file **files, unsigned size)
{
	t->files = files;
	t->open = (uint64_t *)(files + size);
	t->cloexec = t->open + size / 64;
	t->size = size;
}

static int table_grow(struct fdtable *t, unsigned fd)
{
	struct file **old = t->files, **files;
	uint64_t *old_open = t->open, *old_cloexec = t->cloexec;
	unsigned old_size = t->size, size = old_size;

	while (size <= fd)
		size *= 2;
	files = arrays_new(size);
	if (!files)
		return -ENOMEM;
	arrays_use(t, files, size);
	memcpy(t->files, old, old_size * sizeof(*old));
	memcpy(t->open, old_open, old_size / 8);
	memcpy(t->cloexec, old_cloexec, old_size / 8);
	kfree(old);
	return 0;
}

static int table_new(unsigned size, struct fdtable **out)
{
	struct fdtable *t = kzalloc(sizeof(*t));
	struct file **files;

	if (!t)
		return -ENOMEM;
	files = arrays_new(size);
	if (!files) {
		kfree(t);
		return -ENOMEM;
	}
	arrays_use(t, files, size);
	t->refs = 1;
	*out = t;
	return 0;
}

int fdtable_new(struct fdtable **out) { return table_new(NR_OPEN_DEFAULT, out); }

int fdtable_copy(struct fdtable *from, struct fdtable **out)
{
	struct fdtable *t;
	unsigned words = from->size / 64, size = NR_OPEN_DEFAULT;
	int r;

	while (words > 1 && !from->open[words - 1])
		words--;
	while (size < words * 64)
		size *= 2;
	r = table_new(size, &t);
	if (r)
		return r;
	memcpy(t->open, from->open, words * 8);
	memcpy(t->cloexec, from->cloexec, words * 8);
	for (unsigned fd = 0; fd < words * 64; fd++)
		if (from->files[fd])
			t->files[fd] = file_get(from->files[fd]);
	t->next = from->next;
	*out = t;
	return 0;
}

/* Takes descriptor fd out; the table's reference is the caller's. */
static struct file *table_remove(struct fdtable *t, unsigned fd)
{
	struct file *f = t->files[fd];

	t->files[fd] = NULL;
	bit_set(t->open, fd, false);
	bit_set(t->cloexec, fd, false);
	if (fd < t->next)
		t->next = fd;
	return f;
}

static void table_insert(struct fdtable *t, unsigned fd, struct file *f, bool cloexec)
{
	t->files[fd] = f;
	bit_set(t->open, fd, true);
	bit_set(t->cloexec, fd, cloexec);
}

/* What close(2) does with a file taken out of t. */
static int close_file(struct fdtable *t, struct file *f)
{
	int r = 0;

	if (f->ops->flush)
		r = f->ops->flush(f);
	if (f->inode->locks)
		lock_close(f, t);
	file_put(f);
	return r;
}

/* The same where the program cannot be told of an error: at exit, exec, dup2(2) and close_range(2). */
static void drop_file(struct fdtable *t, struct file *f) { pagecache_lost |= close_file(t, f) != 0; }

void fdtable_put(struct fdtable *t)
{
	kassert(t->refs > 0);
	if (--t->refs)
		return;
	for (unsigned w = 0; w < t->size / 64; w++)
		while (t->open[w])
			drop_file(t, table_remove(t, w * 64 + (unsigned)__builtin_ctzl(t->open[w])));
	kfree(t->files);
	kfree(t);
}

void fdtable_close_on_exec(struct fdtable *t)
{
	for (unsigned w = 0; w < t->size / 64; w++)
		while (t->cloexec[w])
			drop_file(t, table_remove(t, w * 64 + (unsigned)__builtin_ctzl(t->cloexec[w])));
}

/* ---- of the current process ---- */

static struct fdtable *table(void) { return current_thread()->proc->files; }

static struct file *slot(int fd)
{
	struct fdtable *t = table();

	return (unsigned)fd < t->size ? t->files[fd] : NULL;
}

int fd_get(int fd, struct file **out)
{
	struct file *f = slot(fd);

	if (unlikely(!f || (f->flags & O_PATH)))
		return -EBADF;
	*out = file_get(f);
	return 0;
}

int fd_get_path(int fd, struct file **out)
{
	struct file *f = slot(fd);

	if (!f)
		return -EBADF;
	*out = file_get(f);
	return 0;
}

static unsigned fd_limit(void)
{
	uint64_t limit = proc_rlimit(RLIMIT_NOFILE);

	return (unsigned)MIN(limit, (uint64_t)NR_OPEN_MAX);
}

/* The lowest free descriptor ≥ min, which may be just beyond the table. */
static unsigned lowest_free(const struct fdtable *t, unsigned min)
{
	unsigned fd = MAX(min, t->next);

	while (fd < t->size) {
		uint64_t free = ~t->open[WORD(fd)] & ~(BIT(fd) - 1);

		if (free)
			return (fd & ~63u) + (unsigned)__builtin_ctzl(free);
		fd = (fd & ~63u) + 64;
	}
	return fd;
}

int fd_room(void) { return lowest_free(table(), 0) >= fd_limit() ? -EMFILE : 0; }

int fd_install(struct file *f, int min, bool cloexec)
{
	struct fdtable *t = table();
	unsigned limit = fd_limit(), fd;
	int r;

	if (min && (min < 0 || (unsigned)min >= limit))
		return -EINVAL;
	fd = lowest_free(t, (unsigned)min);
	if (fd >= limit)
		return -EMFILE;
	if (fd >= t->size) {
		r = table_grow(t, fd);
		if (r)
			return r;
	}
	if ((unsigned)min <= t->next)
		t->next = fd + 1;
	table_insert(t, fd, f, cloexec);
	return (int)fd;
}

int fd_install_at(struct file *f, int fd, bool cloexec)
{
	struct fdtable *t = table();
	struct file *old;
	int r;

	if (fd < 0 || (unsigned)fd >= fd_limit())
		return -EBADF;
	if ((unsigned)fd >= t->size) {
		r = table_grow(t, (unsigned)fd);
		if (r)
			return r;
	}
	old = t->files[fd];
	table_insert(t, (unsigned)fd, f, cloexec);
	if (old)
		drop_file(t, old);
	return fd;
}

int fd_close(int fd)
{
	if (!slot(fd))
		return -EBADF;
	return close_file(table(), table_remove(table(), (unsigned)fd));
}

/* CLOSE_RANGE_UNSHARE: a table of our own first. */
static int unshare(void)
{
	struct fdtable *old = table(), *copy;
	int r;

	if (old->refs == 1)
		return 0;
	r = fdtable_copy(old, &copy);
	if (r)
		return r;
	current_proc()->files = copy;
	fdtable_put(old);
	return 0;
}

int fd_close_range(unsigned first, unsigned last, unsigned flags)
{
	struct fdtable *t;

	if ((flags & ~(unsigned)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) || first > last)
		return -EINVAL;
	if (flags & CLOSE_RANGE_UNSHARE) {
		int r = unshare();

		if (r)
			return r;
	}
	/* The table may grow while a close sleeps: its size is read anew. */
	t = table();
	for (unsigned fd = first; fd < t->size && fd <= last; fd++) {
		if (!t->files[fd])
			continue;
		if (flags & CLOSE_RANGE_CLOEXEC)
			bit_set(t->cloexec, fd, true);
		else
			drop_file(t, table_remove(t, fd));
	}
	return 0;
}

int fd_cloexec_get(int fd)
{
	if (!slot(fd))
		return -EBADF;
	return bit_get(table()->cloexec, (unsigned)fd);
}

int fd_cloexec_set(int fd, bool on)
{
	if (!slot(fd))
		return -EBADF;
	bit_set(table()->cloexec, (unsigned)fd, on);
	return 0;
}
