/* Red-black tree, embedded in its members. The caller walks and compares; the tree balances.
 *
 * To insert: walk from root->node down to the free link and call rb_insert(root, node, parent, link). */
#ifndef CORE_LIB_RBTREE_H
#define CORE_LIB_RBTREE_H

#include "core/types.h"

struct rb_node {
	struct rb_node *parent, *left, *right;
	bool red;
};

struct rb_root {
	struct rb_node *node;
};

#define rb_entry(p, type, member) container_of(p, type, member)

void rb_insert(struct rb_root *root, struct rb_node *node, struct rb_node *parent, struct rb_node **link);
void rb_remove(struct rb_root *root, struct rb_node *node);
struct rb_node *rb_first(const struct rb_root *root);
struct rb_node *rb_last(const struct rb_root *root);
struct rb_node *rb_next(const struct rb_node *node);
struct rb_node *rb_prev(const struct rb_node *node);

#endif
