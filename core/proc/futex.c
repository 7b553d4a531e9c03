/* futex(2): waiting on 32-bit words of user memory.
 *
 * Waiters hang in a hash table by key. A key is the word's place: inode and offset for a shared file mapping, space and
 * address otherwise. Looking at the word and queueing happen without a sleep in between, so no wake-up is lost: kernel
 * code is never preempted, and the application runs only when it sleeps.
 *
 * Priority inheritance futexes keep their owner's thread id in the word; the kernel hands the word itself to the waiter
 * that has waited longest. There are no priorities to inherit.
 *
 * Missing: FUTEX_WAIT_REQUEUE_PI, FUTEX_CMP_REQUEUE_PI, futex_waitv(2). */
#include "core/proc/futex.h"
#include "core/file/file.h"
#include "core/mm/space.h"
#include "core/mm/uio.h"
#include "core/printf.h"
#include "core/proc/proc.h"
#include "core/proc/thread.h"
#include "core/sched.h"
#include "core/timer.h"
#include "shim/abi/errno.h"
#include "shim/abi/futex.h"
#include "shim/abi/mman.h"

#define BUCKETS 64
#define ROBUST_LIST_MAX 2048 /* entries walked; a list may be made a circle */

struct futex_key {
	const void *object; /* struct inode or struct space */
	uint64_t offset;
	struct inode *inode; /* a reference is held while somebody waits; NULL for a private key */
};

/* On the stack of the thread that waits. Linked until it is woken or gives up. */
struct futex_waiter {
	struct list link;
	struct futex_key key;
	uint32_t bitset;
	struct thread *thread;
	bool pi;    /* waits to own the word: only futex_unlock_pi() and an owner's death wake it */
	bool woken;
	struct waitq q;
};

static struct list buckets[BUCKETS];

static struct list *bucket(const struct futex_key *k)
{
	uint64_t h = ((uintptr_t)k->object >> 4) + (k->offset >> 2) * 0x9e3779b97f4a7c15ul;
	struct list *b = &buckets[(h ^ h >> 32) % BUCKETS];

	if (unlikely(!b->next))
		list_init(b);
	return b;
}

static bool key_equal(const struct futex_key *a, const struct futex_key *b)
{
	return a->object == b->object && a->offset == b->offset;
}

/* The word's key. No reference is taken to the inode: key_hold() does, before a sleep. */
static int key_of(uptr_t uaddr, bool shared, struct futex_key *k)
{
	struct space *s = current_proc()->space;
	struct vma *v;

	*k = (struct futex_key){ s, uaddr, NULL };
	if (!shared)
		return uaddr < USER_MAX ? 0 : -EFAULT;
	v = s ? space_find(s, uaddr) : NULL;
	if (s && (!v || v->start > uaddr))
		return -EFAULT;
	if (v && v->file && (v->flags & VMA_SHARED)) {
		k->inode = v->file->inode;
		k->object = k->inode;
		k->offset = v->pgoff * PAGE_SIZE + (uaddr - v->start);
	}
	return 0;
}

static void key_hold(struct futex_key *k)
{
	if (k->inode)
		inode_get(k->inode);
}

static void key_drop(struct futex_key *k)
{
	if (k->inode)
		inode_put(k->inode);
	k->inode = NULL;
}

/* ---- the word ---- */

static int word_fault_in(uptr_t uaddr, unsigned access) { return space_fault_in(uaddr, 4, access) ? -EFAULT : 0; }

static int word_load(uptr_t uaddr, uint32_t *out)
{
	while (user_load32(uaddr, out))
		if (word_fault_in(uaddr, PROT_READ))
			return -EFAULT;
	return 0;
}

/* Stores `new` where `old` was; *seen is what the word held. May sleep, then looks again. */
static int word_cmpxchg(uptr_t uaddr, uint32_t old, uint32_t new, uint32_t *seen)
{
	while (user_cmpxchg32(uaddr, old, new, seen))
		if (word_fault_in(uaddr, PROT_WRITE))
			return -EFAULT;
	return 0;
}

/* ---- waiting and waking ---- */

static void waiter_init(struct futex_waiter *w, uint32_t bitset)
{
	w->bitset = bitset;
	w->thread = current_thread();
	w->pi = w->woken = false;
	waitq_init(&w->q);
	list_init(&w->link);
}

static void waiter_wake(struct futex_waiter *w)
{
	list_remove(&w->link);
	w->woken = true;
	waitq_wake_all(&w->q, 0);
}

/* Queues w and sleeps: 0 when woken; else -ETIMEDOUT or -EINTR. */
static int waiter_sleep(struct futex_waiter *w, uint64_t deadline)
{
	int r;

	key_hold(&w->key);
	list_append(bucket(&w->key), &w->link);
	r = wait_event(&w->q, w->woken, deadline);
	list_remove(&w->link);
	key_drop(&w->key);
	return w->woken ? 0 : r;
}

int futex_wait(uptr_t uaddr, bool shared, uint32_t val, uint64_t deadline, uint32_t bitset)
{
	struct futex_waiter w;
	uint32_t seen;
	int r;

	waiter_init(&w, bitset);
	r = word_load(uaddr, &seen); /* what it sees is current: nothing below sleeps before the queueing */
	if (!r)
		r = key_of(uaddr, shared, &w.key);
	if (r)
		return r;
	if (seen != val)
		return -EAGAIN;
	return waiter_sleep(&w, deadline);
}

static int wake_key(const struct futex_key *k, unsigned nr, uint32_t bitset)
{
	unsigned n = 0;

	list_each_safe(p, bucket(k)) {
		struct futex_waiter *w = list_entry(p, struct futex_waiter, link);

		if (n >= nr)
			break;
		if (!key_equal(&w->key, k) || !(w->bitset & bitset))
			continue;
		if (w->pi)
			return n ? (int)n : -EINVAL; /* a FUTEX_WAKE on what others lock with FUTEX_LOCK_PI */
		waiter_wake(w);
		n++;
	}
	return (int)n;
}

/* The address need not be mapped for a private key: nobody then waits there. */
int futex_wake(uptr_t uaddr, bool shared, unsigned nr, uint32_t bitset)
{
	struct futex_key k;
	int r = key_of(uaddr, shared, &k);

	return r ? r : wake_key(&k, nr, bitset);
}

static void waiter_move(struct futex_waiter *w, const struct futex_key *to)
{
	key_drop(&w->key);
	w->key = *to;
	key_hold(&w->key);
	list_remove(&w->link);
	list_append(bucket(to), &w->link);
}

int futex_requeue(uptr_t uaddr, uptr_t uaddr2, bool shared, unsigned nr_wake, unsigned nr_requeue, bool cmp,
		  uint32_t val)
{
	struct futex_key from, to;
	unsigned woken = 0, moved = 0;
	uint32_t seen;
	int r;

	if (cmp) {
		r = word_load(uaddr, &seen);
		if (r)
			return r;
		if (seen != val)
			return -EAGAIN;
	}
	r = key_of(uaddr, shared, &from);
	if (!r)
		r = key_of(uaddr2, shared, &to);
	if (r)
		return r;
	list_each_safe(p, bucket(&from)) {
		struct futex_waiter *w = list_entry(p, struct futex_waiter, link);

		if (!key_equal(&w->key, &from) || w->pi)
			continue;
		if (woken < nr_wake) {
			waiter_wake(w);
			woken++;
			continue;
		}
		if (moved >= nr_requeue)
			break;
		if (!key_equal(&from, &to))
			waiter_move(w, &to);
		moved++;
	}
	return (int)(woken + moved);
}

/* ---- FUTEX_WAKE_OP ---- */

/* futex(2): op and its shift flag in bits 31…28, the comparison in 27…24, then two signed 12-bit arguments. */
struct wake_op {
	unsigned op, cmp;
	int32_t oparg, cmparg;
};

static int op_decode(uint32_t bits, struct wake_op *o)
{
	o->op = bits >> 28 & 7;
	o->cmp = bits >> 24 & 15;
	o->oparg = (int32_t)(bits << 8) >> 20;
	o->cmparg = (int32_t)(bits << 20) >> 20;
	if (bits & 1u << 31)
		o->oparg = (int32_t)(1u << (o->oparg & 31));
	return o->op > 4 || o->cmp > 5 ? -ENOSYS : 0;
}

static uint32_t op_apply(const struct wake_op *o, uint32_t old)
{
	uint32_t arg = (uint32_t)o->oparg;

	switch (o->op) {
	case 0: return arg;
	case 1: return old + arg;
	case 2: return old | arg;
	case 3: return old & ~arg;
	default: return old ^ arg;
	}
}

static bool op_compare(const struct wake_op *o, uint32_t word)
{
	int32_t old = (int32_t)word;

	switch (o->cmp) {
	case 0: return old == o->cmparg;
	case 1: return old != o->cmparg;
	case 2: return old < o->cmparg;
	case 3: return old <= o->cmparg;
	case 4: return old > o->cmparg;
	default: return old >= o->cmparg;
	}
}

int futex_wake_op(uptr_t uaddr, uptr_t uaddr2, bool shared, unsigned nr_wake, unsigned nr_wake2, uint32_t bits)
{
	struct futex_key k1, k2;
	struct wake_op o;
	uint32_t old, seen;
	int r, n;

	r = key_of(uaddr, shared, &k1);
	if (!r)
		r = key_of(uaddr2, shared, &k2);
	if (!r)
		r = op_decode(bits, &o);
	if (!r)
		r = word_load(uaddr2, &old);
	if (r)
		return r;
	for (;;) {
		r = word_cmpxchg(uaddr2, old, op_apply(&o, old), &seen);
		if (r)
			return r;
		if (seen == old)
			break;
		old = seen;
	}
	/* It may have slept: the keys are looked up anew. */
	r = key_of(uaddr, shared, &k1);
	if (!r)
		r = key_of(uaddr2, shared, &k2);
	if (r)
		return r;
	n = wake_key(&k1, nr_wake, FUTEX_BITSET_MATCH_ANY);
	if (n >= 0 && op_compare(&o, old)) {
		r = wake_key(&k2, nr_wake2, FUTEX_BITSET_MATCH_ANY);
		n = r < 0 ? r : n + r;
	}
	return n;
}

/* ---- priority inheritance futexes ---- */

static struct futex_waiter *pi_first(const struct futex_key *k)
{
	list_each(p, bucket(k)) {
		struct futex_waiter *w = list_entry(p, struct futex_waiter, link);

		if (w->pi && key_equal(&w->key, k))
			return w;
	}
	return NULL;
}

static bool pi_others(const struct futex_key *k, const struct futex_waiter *but)
{
	list_each(p, bucket(k)) {
		struct futex_waiter *w = list_entry(p, struct futex_waiter, link);

		if (w != but && w->pi && key_equal(&w->key, k))
			return true;
	}
	return false;
}

/* Gives the word to the longest waiter, or to nobody. `died` marks an owner that ended without unlocking. */
static int pi_hand_over(uptr_t uaddr, const struct futex_key *k, uint32_t old, uint32_t died)
{
	struct futex_waiter *w = pi_first(k);
	uint32_t word = died, seen;
	int r;

	if (w) {
		word |= (uint32_t)w->thread->tid;
		if (pi_others(k, w))
			word |= FUTEX_WAITERS;
	}
	r = user_cmpxchg32(uaddr, old, word, &seen);
	if (r)
		return -EFAULT;
	if (seen != old)
		return -EAGAIN;
	if (w)
		waiter_wake(w);
	return 0;
}

/* Tries to own the word: 0; 1 when somebody else does, and FUTEX_WAITERS is set in it; -errno. */
static int pi_try(uptr_t uaddr, uint32_t tid, bool trylock)
{
	uint32_t old, new, seen;
	int r = word_load(uaddr, &old);

	while (!r) {
		uint32_t owner = old & FUTEX_TID_MASK;

		if (owner == tid)
			return -EDEADLK;
		if (!owner)
			new = tid | (old & FUTEX_OWNER_DIED) | (old & FUTEX_WAITERS);
		else if (trylock)
			return -EAGAIN;
		else if (!thread_by_tid((int)owner))
			return -ESRCH;
		else
			new = old | FUTEX_WAITERS;
		r = word_cmpxchg(uaddr, old, new, &seen);
		if (r)
			return r;
		if (seen == old)
			return owner != 0;
		old = seen;
	}
	return r;
}

int futex_lock_pi(uptr_t uaddr, bool shared, uint64_t deadline, bool trylock)
{
	struct futex_waiter w;
	int r;

	waiter_init(&w, FUTEX_BITSET_MATCH_ANY);
	w.pi = true;
	r = pi_try(uaddr, (uint32_t)w.thread->tid, trylock);
	if (r <= 0)
		return r;
	r = key_of(uaddr, shared, &w.key);
	return r ? r : waiter_sleep(&w, deadline); /* woken as the owner */
}

int futex_unlock_pi(uptr_t uaddr, bool shared)
{
	struct futex_key k;
	uint32_t word, tid = (uint32_t)current_thread()->tid;
	int r;

	for (;;) {
		r = word_load(uaddr, &word);
		if (r)
			return r;
		if ((word & FUTEX_TID_MASK) != tid)
			return -EPERM;
		r = key_of(uaddr, shared, &k);
		if (r)
			return r;
		r = pi_hand_over(uaddr, &k, word, 0);
		if (r == -EFAULT)
			r = word_fault_in(uaddr, PROT_WRITE) ? -EFAULT : -EAGAIN;
		if (r != -EAGAIN)
			return r;
	}
}

/* ---- robust lists ---- */

/* A futex that the ending thread held: get_robust_list(2), and the kernel's robust-futexes document. pending: an
 * operation on it was under way, so that the word may be free already. */
static void robust_release(uptr_t uaddr, bool pi, bool pending, uint32_t tid)
{
	struct futex_key k;
	uint32_t word, seen;

	if (uaddr % 4 || word_load(uaddr, &word))
		return;
	for (;;) {
		if (pending && !pi && !word) {
			futex_wake(uaddr, true, 1, FUTEX_BITSET_MATCH_ANY);
			return;
		}
		if ((word & FUTEX_TID_MASK) != tid)
			return;
		if (pi) {
			if (key_of(uaddr, true, &k) || word_fault_in(uaddr, PROT_WRITE))
				return;
			if (pi_hand_over(uaddr, &k, word, FUTEX_OWNER_DIED) != -EAGAIN || word_load(uaddr, &word))
				return;
			continue;
		}
		if (word_cmpxchg(uaddr, word, (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED, &seen))
			return;
		if (seen == word)
			break;
		word = seen;
	}
	if (word & FUTEX_WAITERS)
		futex_wake(uaddr, true, 1, FUTEX_BITSET_MATCH_ANY);
}

struct robust_list_head {
	uptr_t next;
	int64_t offset;
	uptr_t pending;
};

void futex_exit_robust(struct thread *t)
{
	struct robust_list_head head;
	uptr_t entry;

	if (!t->robust_list || copyin(&head, t->robust_list, sizeof(head)))
		return;
	/* Bit 0 of an entry's address says that it is a PI futex. */
	entry = head.next;
	for (unsigned n = 0; n < ROBUST_LIST_MAX && (entry & ~1ul) != t->robust_list; n++) {
		uptr_t next;

		if (copyin(&next, entry & ~1ul, sizeof(next)))
			return;
		if (entry != head.pending)
			robust_release((entry & ~1ul) + (uptr_t)head.offset, entry & 1, false, (uint32_t)t->tid);
		entry = next;
		sched_point(); /* that the thread was killed is no reason to stop */
	}
	if (head.pending & ~1ul)
		robust_release((head.pending & ~1ul) + (uptr_t)head.offset, head.pending & 1, true, (uint32_t)t->tid);
	t->robust_list = 0;
}
