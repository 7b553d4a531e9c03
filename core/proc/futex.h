/* futex(2): waiting on a 32-bit word of user memory. Keys: (space, address) for private futexes and private mappings,
 * (inode, offset) for shared file mappings. Addresses were checked for alignment by the shim; all may sleep to fault
 * the word in. */
#ifndef CORE_PROC_FUTEX_H
#define CORE_PROC_FUTEX_H

#include "core/types.h"

struct thread;

/* 0 woken; -EAGAIN *uaddr != val; -ETIMEDOUT; -EINTR; -EFAULT. deadline: ns, monotonic. */
int futex_wait(uptr_t uaddr, bool shared, uint32_t val, uint64_t deadline, uint32_t bitset);
/* Number woken (≤ nr) or -EFAULT. */
int futex_wake(uptr_t uaddr, bool shared, unsigned nr, uint32_t bitset);
/* FUTEX_REQUEUE / CMP_REQUEUE (cmp: compare *uaddr with val first, -EAGAIN). Woken + requeued. */
int futex_requeue(uptr_t uaddr, uptr_t uaddr2, bool shared, unsigned nr_wake, unsigned nr_requeue, bool cmp,
		  uint32_t val);
int futex_wake_op(uptr_t uaddr, uptr_t uaddr2, bool shared, unsigned nr_wake, unsigned nr_wake2, uint32_t op);
int futex_lock_pi(uptr_t uaddr, bool shared, uint64_t deadline, bool trylock);
int futex_unlock_pi(uptr_t uaddr, bool shared);
/* A thread ends: walks its robust list (get_robust_list(2)); then clear_child_tid is zeroed and woken by thread_exit.
 */
void futex_exit_robust(struct thread *t);

#endif
