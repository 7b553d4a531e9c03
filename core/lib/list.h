/* Circular doubly linked list, embedded in its members. An empty list and an unlinked member point at themselves. */
#ifndef CORE_LIB_LIST_H
#define CORE_LIB_LIST_H

#include "core/types.h"

struct list {
	struct list *next, *prev;
};

#define LIST_INIT(l) { &(l), &(l) }

static inline void list_init(struct list *l) { l->next = l->prev = l; }
static inline bool list_empty(const struct list *l) { return l->next == l; }

static inline void list_insert_before(struct list *pos, struct list *n)
{
	n->next = pos;
	n->prev = pos->prev;
	pos->prev->next = n;
	pos->prev = n;
}

static inline void list_push(struct list *head, struct list *n) { list_insert_before(head->next, n); }   /* at the front */
static inline void list_append(struct list *head, struct list *n) { list_insert_before(head, n); }       /* at the end */

/* Unlinks n and leaves it pointing at itself, so that removing twice is harmless. */
static inline void list_remove(struct list *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}

#define list_entry(p, type, member) container_of(p, type, member)
#define list_first(head, type, member) (list_empty(head) ? NULL : list_entry((head)->next, type, member))
#define list_each(p, head) for (struct list *p = (head)->next; p != (head); p = p->next)
/* Survives removal of p itself. */
#define list_each_safe(p, head) \
	for (struct list *p = (head)->next, *p##_next = p->next; p != (head); p = p##_next, p##_next = p->next)

#endif
