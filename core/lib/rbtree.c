/* Red-black tree.
 *
 * Invariants: the root is black; a red node has black children; every way from a node down to a missing child passes the
 * same number of black nodes. A missing child counts as black. Nodes carry parent pointers, so stepping to a neighbour
 * needs no stack. The tree never compares: the caller finds the place. */
#include "core/lib/rbtree.h"

static bool is_red(const struct rb_node *n)
{
	return n && n->red;
}

/* Makes `to` the child of from's parent in from's place. */
static void replace_child(struct rb_root *root, struct rb_node *from, struct rb_node *to)
{
	struct rb_node *p = from->parent;

	if (!p)
		root->node = to;
	else if (p->left == from)
		p->left = to;
	else
		p->right = to;
	if (to)
		to->parent = p;
}

/* n's right child takes n's place and n becomes its left child. */
static void rotate_left(struct rb_root *root, struct rb_node *n)
{
	struct rb_node *r = n->right;

	n->right = r->left;
	if (r->left)
		r->left->parent = n;
	replace_child(root, n, r);
	r->left = n;
	n->parent = r;
}

static void rotate_right(struct rb_root *root, struct rb_node *n)
{
	struct rb_node *l = n->left;

	n->left = l->right;
	if (l->right)
		l->right->parent = n;
	replace_child(root, n, l);
	l->right = n;
	n->parent = l;
}

void rb_insert(struct rb_root *root, struct rb_node *node, struct rb_node *parent, struct rb_node **link)
{
	node->parent = parent;
	node->left = node->right = NULL;
	node->red = true;
	*link = node;

	while (is_red(node->parent)) {
		struct rb_node *p = node->parent;
		struct rb_node *g = p->parent; /* p is red, so it is not the root */
		struct rb_node *uncle = g->left == p ? g->right : g->left;

		if (is_red(uncle)) {
			p->red = uncle->red = false;
			g->red = true;
			node = g;
			continue;
		}
		/* An inner grandchild is first turned into an outer one; then one rotation of g ends it. */
		if (p == g->left) {
			if (node == p->right) {
				rotate_left(root, p);
				p = node;
			}
			rotate_right(root, g);
		} else {
			if (node == p->left) {
				rotate_right(root, p);
				p = node;
			}
			rotate_left(root, g);
		}
		p->red = false;
		g->red = true;
		break;
	}
	root->node->red = false;
}

static void rotate(struct rb_root *root, struct rb_node *n, bool left)
{
	if (left)
		rotate_left(root, n);
	else
		rotate_right(root, n);
}

/* p's sibling side s (right if `left`) has a red child: one or two rotations give the other side its black node. */
static void borrow_black(struct rb_root *root, struct rb_node *p, struct rb_node *s, bool left)
{
	struct rb_node *outer = left ? s->right : s->left;

	if (!is_red(outer)) {
		(left ? s->left : s->right)->red = false;
		s->red = true;
		rotate(root, s, !left);
		outer = s;
		s = s->parent;
	}
	outer->red = false;
	s->red = p->red;
	p->red = false;
	rotate(root, p, left);
}

/* The ways through n (a child of p, perhaps missing) are one black node short. */
static void fix_removal(struct rb_root *root, struct rb_node *n, struct rb_node *p)
{
	while (p && !is_red(n)) {
		bool left = p->left == n;
		struct rb_node *s = left ? p->right : p->left; /* exists: its side has at least one black more */

		if (s->red) {
			s->red = false;
			p->red = true;
			rotate(root, p, left);
			s = left ? p->right : p->left;
		}
		if (is_red(s->left) || is_red(s->right)) {
			borrow_black(root, p, s, left);
			return;
		}
		s->red = true;
		n = p;
		p = n->parent;
	}
	if (n)
		n->red = false;
}

void rb_remove(struct rb_root *root, struct rb_node *node)
{
	struct rb_node *child, *p;
	bool was_red;

	if (node->left && node->right) {
		/* The next node, which has no left child, leaves its place and takes over node's. */
		struct rb_node *next = node->right;

		while (next->left)
			next = next->left;
		child = next->right;
		was_red = next->red;
		p = next->parent == node ? next : next->parent;
		replace_child(root, next, child);
		replace_child(root, node, next);
		next->red = node->red;
		next->left = node->left;
		next->left->parent = next;
		next->right = node->right;
		if (next->right)
			next->right->parent = next;
	} else {
		child = node->left ? node->left : node->right;
		was_red = node->red;
		p = node->parent;
		replace_child(root, node, child);
	}
	if (!was_red)
		fix_removal(root, child, p);
	node->parent = node->left = node->right = NULL;
}

struct rb_node *rb_first(const struct rb_root *root)
{
	struct rb_node *n = root->node;

	while (n && n->left)
		n = n->left;
	return n;
}

struct rb_node *rb_last(const struct rb_root *root)
{
	struct rb_node *n = root->node;

	while (n && n->right)
		n = n->right;
	return n;
}

struct rb_node *rb_next(const struct rb_node *node)
{
	if (node->right) {
		node = node->right;
		while (node->left)
			node = node->left;
		return (struct rb_node *)node;
	}
	while (node->parent && node == node->parent->right)
		node = node->parent;
	return node->parent;
}

struct rb_node *rb_prev(const struct rb_node *node)
{
	if (node->left) {
		node = node->left;
		while (node->right)
			node = node->right;
		return (struct rb_node *)node;
	}
	while (node->parent && node == node->parent->left)
		node = node->parent;
	return node->parent;
}
