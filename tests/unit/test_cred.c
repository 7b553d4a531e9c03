/* Identity: copies, groups, references, and the permission checks that use it. */
#include "core/fs/vfs.h"
#include "core/mm/slab.h"
#include "core/proc/cred.h"
#include "shim/abi/stat.h"
#include "tests/unit/filetest.h"

#define RAM (16ul << 20)

static struct cred *saved, *mine;

/* The process gets an identity of its own for the test. */
static void setup(void)
{
	fake_boot(RAM);
	saved = current_proc()->cred;
	mine = cred_new();
	ck_assert_ptr_nonnull(mine);
	current_proc()->cred = mine;
}

static void teardown(void)
{
	current_proc()->cred = saved;
	cred_put(mine);
	fake_check_leaks();
}

static void be(uint32_t uid, uint32_t gid)
{
	mine->ruid = mine->euid = mine->suid = mine->fsuid = uid;
	mine->rgid = mine->egid = mine->sgid = mine->fsgid = gid;
}

static void groups(uint32_t a, uint32_t b)
{
	kfree(mine->groups);
	mine->groups = kmalloc(2 * sizeof(uint32_t));
	ck_assert_ptr_nonnull(mine->groups);
	mine->groups[0] = a;
	mine->groups[1] = b;
	mine->ngroups = 2;
}

START_TEST(new_is_root)
{
	ck_assert(cred_is_root(mine));
	ck_assert_uint_eq(mine->ruid | mine->suid | mine->fsuid | mine->rgid | mine->egid | mine->sgid | mine->fsgid, 0);
	ck_assert_uint_eq(mine->ngroups, 0);
	ck_assert_uint_eq(mine->refs, 1);
	ck_assert_ptr_eq(cred_current(), mine);
}
END_TEST

START_TEST(copies_are_independent)
{
	struct cred *c;

	be(1000, 100);
	mine->suid = 7;
	groups(5, 6);
	cred_get(mine);
	c = cred_copy(mine);
	ck_assert_ptr_nonnull(c);
	ck_assert_uint_eq(c->refs, 1);
	ck_assert_uint_eq(c->euid, 1000);
	ck_assert_uint_eq(c->suid, 7);
	ck_assert_uint_eq(c->fsgid, 100);
	ck_assert_uint_eq(c->ngroups, 2);
	ck_assert_ptr_ne(c->groups, mine->groups);
	ck_assert_uint_eq(c->groups[1], 6);
	c->groups[1] = 9;
	ck_assert_uint_eq(mine->groups[1], 6);
	cred_put(mine); /* one of two */
	cred_put(c);
	ck_assert_uint_eq(mine->refs, 1);
	cred_put(NULL);
}
END_TEST

START_TEST(memory_is_short)
{
	groups(5, 6);
	FAKE_EACH_FAILURE(n) {
		struct cred *c = cred_copy(mine);

		ck_assert_int_eq(c == NULL, fake_failed());
		cred_put(c);
	}
	fake_fail_after(1);
	ck_assert_ptr_null(cred_new());
}
END_TEST

START_TEST(membership)
{
	be(1000, 100);
	groups(5, 6);
	ck_assert(cred_in_group(mine, 100));
	ck_assert(cred_in_group(mine, 5));
	ck_assert(cred_in_group(mine, 6));
	ck_assert(!cred_in_group(mine, 7));
	ck_assert(!cred_in_group(mine, 0));
	mine->fsgid = 7; /* what counts for files */
	ck_assert(cred_in_group(mine, 7));
	ck_assert(!cred_in_group(mine, 100));
	ck_assert(!cred_is_root(mine));
	mine->ruid = 0;
	ck_assert(!cred_is_root(mine));
	mine->euid = 0;
	ck_assert(cred_is_root(mine));
}
END_TEST

/* path_resolution(7): the first class that fits decides. Every mode, every request, each class. */
START_TEST(permission_matrix)
{
	static const struct { uint32_t uid, gid, extra; int shift; } who[] = {
		{ 1000, 100, 1, 6 },  /* owner, and in the group */
		{ 1000, 200, 1, 6 },  /* owner */
		{ 2000, 100, 1, 3 },  /* group */
		{ 2000, 200, 100, 3 }, /* group, as a supplementary one */
		{ 2000, 200, 1, 0 },  /* others */
	};
	struct inode i = { .uid = 1000, .gid = 100 };

	for (size_t w = 0; w < ARRAY_SIZE(who); w++) {
		be(who[w].uid, who[w].gid);
		groups(1, who[w].extra);
		for (unsigned mode = 0; mode < 01000; mode++) {
			i.mode = S_IFREG | mode;
			for (unsigned may = 0; may < 8; may++) {
				int expected = may & ~(mode >> who[w].shift) ? -EACCES : 0;

				ck_fast(inode_permission(&i, may) == expected);
				ck_fast(inode_permission_real(&i, may) == expected);
			}
		}
	}
}
END_TEST

START_TEST(root_passes)
{
	struct inode i = { .uid = 1000, .gid = 100, .mode = S_IFREG };

	ck_assert_int_eq(inode_permission(&i, MAY_READ | MAY_WRITE), 0);
	ck_assert_int_eq(inode_permission(&i, MAY_EXEC), -EACCES); /* nobody may execute it */
	i.mode = S_IFREG | 0001;
	ck_assert_int_eq(inode_permission(&i, MAY_EXEC), 0);
	i.mode = S_IFDIR;
	ck_assert_int_eq(inode_permission(&i, MAY_READ | MAY_WRITE | MAY_EXEC), 0);
}
END_TEST

START_TEST(which_ids_count)
{
	struct inode i = { .uid = 1000, .gid = 100, .mode = S_IFREG | 0600 };

	be(2000, 200);
	mine->euid = mine->suid = 1000; /* neither counts */
	ck_assert_int_eq(inode_permission(&i, MAY_READ), -EACCES);
	ck_assert_int_eq(inode_permission_real(&i, MAY_READ), -EACCES);
	mine->fsuid = 1000;
	ck_assert_int_eq(inode_permission(&i, MAY_READ), 0);
	ck_assert_int_eq(inode_permission_real(&i, MAY_READ), -EACCES);
	mine->fsuid = 2000;
	mine->ruid = 1000;
	ck_assert_int_eq(inode_permission(&i, MAY_READ), -EACCES);
	ck_assert_int_eq(inode_permission_real(&i, MAY_READ), 0);
	mine->ruid = 2000;
	i.mode = S_IFREG | 0060;
	mine->rgid = 100;
	ck_assert_int_eq(inode_permission(&i, MAY_READ), -EACCES);
	ck_assert_int_eq(inode_permission_real(&i, MAY_READ), 0);
}
END_TEST

START_TEST(owners)
{
	struct inode i = { .uid = 1000, .mode = S_IFREG };

	ck_assert_int_eq(inode_owner_check(&i), 0);
	be(1000, 5);
	ck_assert_int_eq(inode_owner_check(&i), 0);
	be(1001, 5);
	ck_assert_int_eq(inode_owner_check(&i), -EPERM);
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *suite = unit_suite_new("cred", &tc, setup, teardown);

	tcase_add_test(tc, new_is_root);
	tcase_add_test(tc, copies_are_independent);
	tcase_add_test(tc, memory_is_short);
	tcase_add_test(tc, membership);
	tcase_add_test(tc, permission_matrix);
	tcase_add_test(tc, root_passes);
	tcase_add_test(tc, which_ids_count);
	tcase_add_test(tc, owners);
	return suite;
}
