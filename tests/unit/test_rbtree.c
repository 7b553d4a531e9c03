/* Red-black tree: order, balance and colours after every change of random sequences. */
#include "core/lib/rbtree.h"
#include "tests/unit/unit.h"

struct item {
	struct rb_node node;
	unsigned key;
	bool in;
};

#define ITEMS 200

static struct rb_root root;
static struct item items[ITEMS];

static void setup(void)
{
	root.node = NULL;
	memset(items, 0, sizeof(items));
	for (unsigned i = 0; i < ITEMS; i++)
		items[i].key = i;
}

static void teardown(void)
{
}

static void insert(struct item *n)
{
	struct rb_node **link = &root.node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = n->key < rb_entry(parent, struct item, node)->key ? &parent->left : &parent->right;
	}
	rb_insert(&root, &n->node, parent, link);
	n->in = true;
}

/* Number of black nodes on every way down; fails on a broken rule. */
static int check_node(const struct rb_node *n, const struct rb_node *parent)
{
	int left, right;

	if (!n)
		return 1;
	ck_fast(n->parent == parent);
	if (n->red) {
		ck_fast(!n->left || !n->left->red);
		ck_fast(!n->right || !n->right->red);
	}
	left = check_node(n->left, n);
	right = check_node(n->right, n);
	ck_fast(left == right);
	return left + !n->red;
}

static void check_tree(void)
{
	struct rb_node *n = rb_first(&root), *back = rb_last(&root);

	ck_fast(!root.node || !root.node->red);
	check_node(root.node, NULL);
	for (unsigned i = 0; i < ITEMS; i++) {
		if (!items[i].in)
			continue;
		ck_fast(n == &items[i].node);
		n = rb_next(n);
	}
	ck_fast(n == NULL);
	for (unsigned i = ITEMS; i-- > 0;) {
		if (!items[i].in)
			continue;
		ck_fast(back == &items[i].node);
		back = rb_prev(back);
	}
	ck_fast(back == NULL);
}

START_TEST(empty)
{
	ck_assert_ptr_eq(rb_first(&root), NULL);
	ck_assert_ptr_eq(rb_last(&root), NULL);
	insert(&items[0]);
	check_tree();
	rb_remove(&root, &items[0].node);
	ck_assert_ptr_eq(root.node, NULL);
}
END_TEST

START_TEST(ascending_and_descending)
{
	for (unsigned i = 0; i < ITEMS; i++) {
		insert(&items[i]);
		check_tree();
	}
	for (unsigned i = 0; i < ITEMS; i++) {
		rb_remove(&root, &items[i].node);
		items[i].in = false;
		check_tree();
	}
	for (unsigned i = ITEMS; i-- > 0;) {
		insert(&items[i]);
		check_tree();
	}
}
END_TEST

START_TEST(random_changes)
{
	uint64_t seed = 7 + (uint64_t)_i;

	for (int round = 0; round < 3000; round++) {
		struct item *n = &items[unit_random(&seed) % ITEMS];

		if (n->in) {
			rb_remove(&root, &n->node);
			n->in = false;
		} else {
			insert(n);
		}
		check_tree();
	}
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("rbtree", &tc, setup, teardown);

	tcase_add_test(tc, empty);
	tcase_add_test(tc, ascending_and_descending);
	tcase_add_loop_test(tc, random_changes, 0, 4);
	return s;
}
