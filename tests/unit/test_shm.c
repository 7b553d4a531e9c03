/* System V shared memory: keys, rights, attaching and what stays of a removed segment. */
#include "core/file/shm.h"
#include "core/mm/space.h"
#include "shim/abi/mman.h"
#include "shim/abi/shm.h"
#include "tests/unit/fstest.h"
#include "tests/unit/filetest.h"

#define AT 0x10000000ul

static void setup(void)
{
	fs_setup();
	fake_space();
}

static void teardown(void)
{
	fake_space_drop();
	fs_teardown();
}

static struct abi_shmid_ds ds;

static size_t attached(int id)
{
	OK(shm_stat(id, &ds));
	return ds.nattch;
}

START_TEST(life)
{
	int id = shm_get(5, 3 * PAGE_SIZE - 7, IPC_CREAT | 0600);
	uint64_t pages, resident;

	ck_assert_int_ge(id, 0);
	ck_assert_int_eq(shm_get(5, 1, 0), id);
	ERR(EEXIST, shm_get(5, 1, IPC_CREAT | IPC_EXCL));
	ERR(EINVAL, shm_get(5, 3 * PAGE_SIZE, 0));
	ERR(ENOENT, shm_get(6, 1, 0));
	ck_assert_int_eq(shm_attach(id, AT, 0), (long)AT);
	ck_assert_int_eq(shm_attach(id, AT + 0x100007, SHM_RND | SHM_RDONLY), (long)AT + 0x100000);
	ck_assert_uint_eq(attached(id), 2);
	OK(copyout(AT + PAGE_SIZE, "text", 4));
	OK(space_munmap(current_proc()->space, AT + PAGE_SIZE, PAGE_SIZE));
	ck_assert_uint_eq(attached(id), 3);
	ck_assert_uint_eq(shm_usage(&pages, &resident), 1);
	ck_assert(pages == 3 && resident >= 1);
	OK(shm_control(id, IPC_RMID, NULL));
	ck_assert_uint_eq(attached(id), 3);
	ck_assert(ds.mode == (0600 | SHM_DEST) && ds.key == IPC_PRIVATE);
	ERR(ENOENT, shm_get(5, 1, 0));
	OK(shm_detach(AT));
	ERR(EINVAL, shm_detach(AT));
	ck_assert_uint_eq(attached(id), 1);
	OK(shm_detach(AT + 0x100000));
	ERR(EINVAL, shm_stat(id, &ds));
	ck_assert_uint_eq(shm_usage(&pages, &resident), 0);
}
END_TEST

START_TEST(rights)
{
	int id = shm_get(IPC_PRIVATE, 1, 0640);

	be(1000, 0);
	ck_assert_int_eq(shm_attach(id, AT, SHM_RDONLY), (long)AT);
	ERR(EACCES, shm_attach(id, 0, 0));
	ERR(EPERM, shm_control(id, IPC_RMID, NULL));
	be(1000, 1000);
	ERR(EACCES, shm_stat(id, &ds));
	ERR(EACCES, shm_stat_index(0, false, &ds));
	ck_assert_int_eq(shm_stat_index(0, true, &ds), id);
	ERR(EPERM, shm_get(IPC_PRIVATE, 1, SHM_HUGETLB));
	be_root();
	ERR(ENOMEM, shm_get(IPC_PRIVATE, 1, SHM_HUGETLB));
	ERR(ENOMEM, shm_get(IPC_PRIVATE, 1ul << 50, 0));
	OK(shm_control(id, IPC_SET, &(struct abi_shmid_ds){ .uid = 1000, .mode = 07777 }));
	be(1000, 1000);
	OK(shm_stat(id, &ds));
	ck_assert_uint_eq(ds.mode, 0777);
	OK(shm_control(id, IPC_RMID, NULL));
	OK(shm_detach(AT));
}
END_TEST

START_TEST(each_allocation_fails)
{
	FAKE_EACH_FAILURE(n) {
		int id = shm_get(7, 100, IPC_CREAT | 0600);
		long r = id;

		if (id >= 0) {
			r = shm_attach(id, AT, 0);
			ck_assert(r == (long)AT || r == -ENOMEM);
			OK(shm_control(id, IPC_RMID, NULL));
			if (r > 0)
				OK(shm_detach(AT));
		}
		ck_assert(r >= 0 || r == -ENOMEM);
		ERR(ENOENT, shm_get(7, 1, 0));
	}
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("shm", &tc, setup, teardown);

	tcase_add_test(tc, life);
	tcase_add_test(tc, rights);
	tcase_add_test(tc, each_allocation_fails);
	return s;
}
