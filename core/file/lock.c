/* Advisory locks: POSIX record locks (fcntl F_SETLK), open-file-description locks (F_OFD_SETLK) and flock(2).
 *
 * An inode with locks has a struct flock_state. Record locks of one owner never overlap or touch with the same type:
 * a change splits and merges. The owner of a POSIX lock is the descriptor table (the process), that of the other two
 * kinds the open file. Two records conflict when they overlap, the owners differ and one is for writing; POSIX and
 * OFD locks see each other, flock's are apart, as on Linux.
 *
 * A request that must wait sleeps on the inode's queue and looks again after every change. POSIX waiters are known by
 * owner, so that a wait which would close a circle fails with EDEADLK.
 *
 * Missing: leases, mandatory locks. */
#include "core/file/file.h"
#include "core/lib/seqbuf.h"
#include "core/mm/slab.h"
#include "core/printf.h"
#include "core/proc/proc.h"
#include "core/sched.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/stat.h"

enum lock_kind { LOCK_POSIX, LOCK_OFD, LOCK_FLOCK };

struct lock {
	struct list link;     /* in the inode's records or flocks */
	const void *owner;
	enum lock_kind kind;
	int pid;
	short type;           /* F_RDLCK, F_WRLCK */
	int64_t start, end;   /* inclusive; INT64_MAX: to the end of the file, whatever it grows to */
};

struct flock_state {
	struct inode *inode;
	/* Of struct lock: records of one owner together, by start, the owners in the order in which they came (F_GETLK and
	 * /proc/locks show it); flocks oldest first. */
	struct list records, flocks;
	struct lock *recent;  /* of the records: the last that was set, or is beside what was unlocked; NULL */
	struct waitq changed;
	unsigned waiting;     /* threads asleep on it */
	struct list all_link; /* states_all, for /proc/locks */
};

/* A POSIX request asleep, for the deadlock check. */
struct blocked {
	struct list link; /* blocked_all */
	const void *owner, *blocker;
};

static struct list states_all = LIST_INIT(states_all);
static struct list blocked_all = LIST_INIT(blocked_all);

/* ---- an inode's state ---- */

static struct flock_state *state_get(struct inode *inode)
{
	struct flock_state *s = inode->locks;

	if (s)
		return s;
	s = kmalloc(sizeof(*s));
	if (!s)
		return NULL;
	s->inode = inode;
	list_init(&s->records);
	list_init(&s->flocks);
	waitq_init(&s->changed);
	s->waiting = 0;
	s->recent = NULL;
	list_append(&states_all, &s->all_link);
	inode->locks = s;
	return s;
}

/* Goes with its last lock and waiter. */
static void state_trim(struct flock_state *s)
{
	if (s->waiting || !list_empty(&s->records) || !list_empty(&s->flocks))
		return;
	s->inode->locks = NULL;
	list_remove(&s->all_link);
	kfree(s);
}

static int state_sleep(struct flock_state *s)
{
	int r;

	s->waiting++;
	r = waitq_sleep(&s->changed, TIME_NEVER, true, false);
	s->waiting--;
	return r;
}

static void lock_drop(struct lock *l)
{
	list_remove(&l->link);
	kfree(l);
}

/* Removes what matches of one list; true when anything went. */
static bool drop_owned(struct list *locks, const void *owner, enum lock_kind kind)
{
	bool any = false;

	list_each_safe(p, locks) {
		struct lock *l = list_entry(p, struct lock, link);

		if (l->owner == owner && l->kind == kind) {
			lock_drop(l);
			any = true;
		}
	}
	return any;
}

void lock_close(struct file *f, const void *owner)
{
	struct flock_state *s = f->inode->locks;

	if (!s)
		return;
	s->recent = NULL;
	if (drop_owned(&s->records, owner, LOCK_POSIX))
		waitq_wake_all(&s->changed, 0);
	state_trim(s);
}

void lock_release(struct file *f)
{
	struct flock_state *s = f->inode->locks;
	bool any;

	if (!s)
		return;
	s->recent = NULL;
	any = drop_owned(&s->records, f, LOCK_OFD);
	any |= drop_owned(&s->flocks, f, LOCK_FLOCK);
	if (any)
		waitq_wake_all(&s->changed, 0);
	state_trim(s);
}

/* ---- record locks ---- */

static bool same_owner(const struct lock *a, const struct lock *b)
{
	return a->owner == b->owner && a->kind == b->kind;
}

/* p's lock if it is want's owner's, else NULL. */
static struct lock *own(const struct flock_state *s, struct list *p, const struct lock *want)
{
	struct lock *l = list_entry(p, struct lock, link);

	return p != &s->records && same_owner(l, want) ? l : NULL;
}

static bool conflicts(const struct lock *held, const struct lock *want)
{
	if (same_owner(held, want) || held->end < want->start || want->end < held->start)
		return false;
	return held->type == F_WRLCK || want->type == F_WRLCK;
}

static struct lock *find_conflict(const struct flock_state *s, const struct lock *want)
{
	/* The first and the last are the asker's own: then all are. */
	if (own(s, s->records.next, want) && own(s, s->records.prev, want))
		return NULL;
	list_each(p, &s->records) {
		struct lock *l = list_entry(p, struct lock, link);

		if (conflicts(l, want))
			return l;
	}
	return NULL;
}

/* Whether `owner` would wait, through others, for itself: blocker waits for …, who waits for owner. */
static bool would_deadlock(const void *owner, const void *blocker)
{
	for (unsigned steps = 0; steps < 1000; steps++) {
		const void *next = NULL;

		if (blocker == owner)
			return true;
		list_each(p, &blocked_all) {
			struct blocked *b = list_entry(p, struct blocked, link);

			if (b->owner == blocker) {
				next = b->blocker;
				break;
			}
		}
		if (!next)
			return false;
		blocker = next;
	}
	return false;
}

static struct lock *own_any(const struct flock_state *s, const struct lock *want)
{
	if (s->recent && same_owner(s->recent, want))
		return s->recent;
	list_each(p, &s->records)
		if (own(s, p, want))
			return list_entry(p, struct lock, link);
	return NULL;
}

/* The first lock of want's owner that may touch want, or one before it; NULL when it has none. Programs with many locks mostly
 * go on close to where they were, so the way begins there. */
static struct lock *own_begin(const struct flock_state *s, const struct lock *want)
{
	struct lock *l = own_any(s, want), *n;

	if (!l)
		return NULL;
	while ((n = own(s, l->link.next, want)) && n->start <= want->start)
		l = n;
	while (l->start > want->start && (n = own(s, l->link.prev, want)))
		l = n;
	n = own(s, l->link.prev, want); /* may end right before want */
	return n ? n : l;
}

static bool touch(int64_t start, int64_t end, const struct lock *l)
{
	return (l->end == INT64_MAX || l->end + 1 >= start) && (end == INT64_MAX || end + 1 >= l->start);
}

/* Takes want's range away from l, a lock of the same owner; in the middle of it, `rest` becomes the part behind. True when
 * rest was used. */
static bool cut_out(struct lock *l, const struct lock *want, struct lock *rest)
{
	if (l->end < want->start || l->start > want->end)
		return false;
	if (l->start < want->start && l->end > want->end) {
		*rest = *l;
		rest->start = want->end + 1;
		list_insert_before(l->link.next, &rest->link);
		l->end = want->start - 1;
		return true;
	}
	if (l->start < want->start)
		l->end = want->start - 1;
	else if (l->end > want->end)
		l->start = want->end + 1;
	else
		lock_drop(l);
	return false;
}

/* Puts l in its place among its owner's, which are behind `before`. */
static void record_insert(struct flock_state *s, struct lock *l, struct list *before)
{
	struct list *p = before->next;
	struct lock *old;

	while ((old = own(s, p, l)) && old->start <= l->start)
		p = p->next;
	list_insert_before(p, &l->link);
}

/* Makes [want->start, want->end] the owner's with want's type (F_UNLCK: nobody's). a and b are fresh locks for what a
 * split or the request itself needs; the unused ones are freed. */
static void records_apply(struct flock_state *s, const struct lock *want, struct lock *a, struct lock *b)
{
	int64_t start = want->start, end = want->end;
	struct lock *l = own_begin(s, want), *next;
	struct list *before = l ? l->link.prev : s->records.prev;

	for (; l && (l->start <= end || touch(start, end, l)); l = next) {
		next = own(s, l->link.next, want);
		if (l->type != want->type) {
			if (cut_out(l, want, b))
				b = NULL;
		} else if (touch(start, end, l)) {
			start = MIN(start, l->start); /* becomes part of the new one */
			end = MAX(end, l->end);
			lock_drop(l);
		}
	}
	if (want->type != F_UNLCK) {
		*a = *want;
		a->start = start;
		a->end = end;
		record_insert(s, a, before);
		s->recent = a;
		a = NULL;
	} else {
		l = own(s, before->next, want);
		s->recent = l ? l : own(s, before, want);
	}
	kfree(a);
	kfree(b);
}

/* Sleeps until nothing conflicts. 0, -EAGAIN, -EDEADLK, -EINTR. */
static int records_wait(struct flock_state *s, const struct lock *want, bool wait)
{
	struct lock *l;

	while (want->type != F_UNLCK && (l = find_conflict(s, want))) {
		struct blocked me = { .owner = want->owner, .blocker = l->owner };
		int r;

		if (!wait)
			return -EAGAIN;
		if (want->kind == LOCK_POSIX) {
			if (would_deadlock(me.owner, me.blocker))
				return -EDEADLK;
			list_append(&blocked_all, &me.link);
		}
		r = state_sleep(s);
		if (want->kind == LOCK_POSIX)
			list_remove(&me.link);
		if (r)
			return r;
	}
	return 0;
}

static int records_set(struct inode *inode, const struct lock *want, bool wait)
{
	struct flock_state *s = inode->locks;
	struct lock *a, *b;
	int r = -ENOLCK;

	if (!s && want->type == F_UNLCK)
		return 0;
	s = state_get(inode);
	a = kmalloc(sizeof(*a));
	b = kmalloc(sizeof(*b));
	if (!s || !a || !b)
		goto out_free;
	r = records_wait(s, want, wait);
	if (r)
		goto out_free;
	records_apply(s, want, a, b);
	waitq_wake_all(&s->changed, 0);
	state_trim(s);
	return 0;

out_free:
	kfree(a);
	kfree(b);
	if (s)
		state_trim(s);
	return r;
}

/* fcntl(2): l_start from l_whence, l_len 0 to the end, negative for the bytes before l_start. */
static int range(struct file *f, const struct flock_k *fl, struct lock *out)
{
	int64_t base = 0, start, end;

	switch (fl->whence) {
	case SEEK_SET:
		break;
	case SEEK_CUR:
		base = f->pos;
		break;
	case SEEK_END:
		base = (int64_t)f->inode->size;
		break;
	default:
		return -EINVAL;
	}
	if (__builtin_add_overflow(base, fl->start, &start))
		return -EOVERFLOW;
	if (start < 0)
		return -EINVAL;
	end = INT64_MAX;
	if (fl->len > 0) {
		if (__builtin_add_overflow(start, fl->len - 1, &end))
			return -EOVERFLOW;
	} else if (fl->len < 0) {
		end = start - 1;
		if (__builtin_add_overflow(start, fl->len, &start) || start < 0)
			return -EINVAL;
	}
	out->start = start;
	out->end = end;
	return 0;
}

static int describe(const struct lock *l, struct flock_k *fl)
{
	if (!l) {
		fl->type = F_UNLCK;
		return 0;
	}
	fl->type = l->type;
	fl->whence = SEEK_SET;
	fl->start = l->start;
	fl->len = l->end == INT64_MAX ? 0 : l->end - l->start + 1;
	fl->pid = l->kind == LOCK_OFD ? -1 : l->pid;
	return 0;
}

int lock_posix(struct file *f, int cmd, struct flock_k *fl)
{
	bool ofd = cmd == F_OFD_GETLK || cmd == F_OFD_SETLK || cmd == F_OFD_SETLKW;
	struct lock want = { .type = fl->type };
	int r;

	if (ofd && fl->pid)
		return -EINVAL;
	want.kind = ofd ? LOCK_OFD : LOCK_POSIX;
	want.owner = ofd ? (const void *)f : current_proc()->files;
	want.pid = current_proc()->pid;
	if (cmd == F_GETLK || cmd == F_OFD_GETLK) {
		if (fl->type != F_RDLCK && fl->type != F_WRLCK && !(ofd && fl->type == F_UNLCK))
			return -EINVAL;
		r = range(f, fl, &want);
		if (r)
			return r;
		return describe(f->inode->locks ? find_conflict(f->inode->locks, &want) : NULL, fl);
	}
	r = range(f, fl, &want);
	if (r)
		return r;
	switch (fl->type) {
	case F_RDLCK:
		if (!file_readable(f))
			return -EBADF;
		break;
	case F_WRLCK:
		if (!file_writable(f))
			return -EBADF;
		break;
	case F_UNLCK:
		break;
	default:
		return -EINVAL;
	}
	return records_set(f->inode, &want, cmd == F_SETLKW || cmd == F_OFD_SETLKW);
}

/* ---- flock ---- */

static struct lock *flock_find(const struct flock_state *s, const struct file *f, short want)
{
	list_each(p, &s->flocks) {
		struct lock *l = list_entry(p, struct lock, link);

		if (want < 0 ? l->owner == f : l->owner != f && (l->type == F_WRLCK || want == F_WRLCK))
			return l;
	}
	return NULL;
}

static struct lock *flock_held(const struct flock_state *s, const struct file *f) { return flock_find(s, f, -1); }

static int flock_unlock(struct file *f)
{
	struct flock_state *s = f->inode->locks;

	if (s && drop_owned(&s->flocks, f, LOCK_FLOCK)) {
		waitq_wake_all(&s->changed, 0);
		state_trim(s);
	}
	return 0;
}

static int flock_lock(struct file *f, short type, bool wait)
{
	struct flock_state *s = state_get(f->inode);
	struct lock *l = kmalloc(sizeof(*l));
	int r = -ENOLCK;

	if (!s || !l)
		goto out_free;
	r = 0;
	while (!r && flock_find(s, f, type))
		r = wait ? state_sleep(s) : -EAGAIN;
	if (r)
		goto out_free;
	*l = (struct lock){ .owner = f, .kind = LOCK_FLOCK, .pid = current_proc()->pid, .type = type };
	l->end = INT64_MAX;
	list_append(&s->flocks, &l->link);
	return 0;

out_free:
	kfree(l);
	if (s)
		state_trim(s);
	return r;
}

int lock_flock(struct file *f, int op)
{
	struct flock_state *s = f->inode->locks;
	struct lock *mine = s ? flock_held(s, f) : NULL;
	short type;

	switch (op & ~LOCK_NB) {
	case LOCK_SH:
		type = F_RDLCK;
		break;
	case LOCK_EX:
		type = F_WRLCK;
		break;
	case LOCK_UN:
		return flock_unlock(f);
	default:
		return -EINVAL;
	}
	if (mine && mine->type == type)
		return 0;
	/* flock(2): a conversion is not atomic; the old lock is gone even when the new one is not to be had. */
	if (mine)
		flock_unlock(f);
	return flock_lock(f, type, !(op & LOCK_NB));
}

/* ---- /proc/locks ---- */

static void print_list(const struct flock_state *s, const struct list *locks, struct seqbuf *out, unsigned *n)
{
	static const char *const kinds[] = { "POSIX ", "OFDLCK", "FLOCK " };

	list_each(p, locks) {
		struct lock *l = list_entry(p, struct lock, link);
		uint64_t dev = s->inode->super->dev;

		seqbuf_printf(out, "%u: %s ADVISORY  %s %d %02x:%02x:%lu %ld ", ++*n, kinds[l->kind],
			      l->type == F_WRLCK ? "WRITE" : "READ ", l->kind == LOCK_OFD ? -1 : l->pid, DEV_MAJOR(dev),
			      DEV_MINOR(dev), s->inode->ino, l->start);
		if (l->end == INT64_MAX)
			seqbuf_str(out, "EOF\n");
		else
			seqbuf_printf(out, "%ld\n", l->end);
	}
}

void lock_print_all(struct seqbuf *out)
{
	unsigned n = 0;

	list_each(p, &states_all) {
		struct flock_state *s = list_entry(p, struct flock_state, all_link);

		print_list(s, &s->records, out, &n);
		print_list(s, &s->flocks, out, &n);
	}
}
