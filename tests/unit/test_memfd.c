/* memfd: contents, name, and what each seal forbids. */
#include "core/mm/slab.h"
#include "core/mm/space.h"
#include "shim/abi/mman.h"
#include "shim/abi/stat.h"
#include "tests/unit/filetest.h"

#define RAM (16ul << 20)
#define BASE 0x10000000ul

static struct file *f;
static char buf[16384];

static void setup(void)
{
	fake_boot(RAM);
	ck_assert_int_eq(memfd_new("warm", 0, &f), 0); /* its tmpfs is made at the first use and stays */
	file_put(f);
	fake_mark_leaks();
	ck_assert_int_eq(memfd_new("test", MFD_ALLOW_SEALING, &f), 0);
}

static void teardown(void)
{
	file_put(f);
	fake_check_leaks();
}

static int truncate_to(uint64_t size) { return vfs_truncate(f->inode, size); }

START_TEST(is_a_regular_file)
{
	char text[64], *at;

	ck_assert_uint_eq(f->inode->mode, S_IFREG | 0777);
	ck_assert_uint_eq(f->inode->nlink, 0);
	ck_assert_int_eq(f->flags & O_ACCMODE, O_RDWR);
	ck_assert_int_eq(f_write(f, "hello", 5), 5);
	ck_assert_int_eq(file_seek(f, 0, SEEK_SET), 0);
	ck_assert_int_eq(f_read(f, buf, 100), 5);
	ck_assert_mem_eq(buf, "hello", 5);
	ck_assert_int_eq(path_string(&f->path, text, sizeof(text), &at, true), 0);
	ck_assert_str_eq(at, "/memfd:test (deleted)");
}
END_TEST

START_TEST(names_and_flags)
{
	char name[251];
	struct file *g;

	memset(name, 'n', 249);
	name[249] = '\0';
	ck_assert_int_eq(memfd_new(name, 0, &g), 0);
	file_put(g);
	memset(name, 'n', 250);
	name[250] = '\0';
	ck_assert_int_eq(memfd_new(name, 0, &g), -EINVAL);
	ck_assert_int_eq(memfd_new("a/b", MFD_CLOEXEC, &g), 0);
	file_put(g);
	ck_assert_int_eq(memfd_new("x", 0x100, &g), -EINVAL);
}
END_TEST

START_TEST(seals_add_up)
{
	ck_assert_int_eq(memfd_get_seals(f), 0);
	ck_assert_int_eq(memfd_add_seals(f, F_SEAL_GROW), 0);
	ck_assert_int_eq(memfd_add_seals(f, F_SEAL_SHRINK), 0);
	ck_assert_int_eq(memfd_get_seals(f), F_SEAL_GROW | F_SEAL_SHRINK);
	ck_assert_int_eq(memfd_add_seals(f, 64), -EINVAL);
	ck_assert_int_eq(memfd_add_seals(f, F_SEAL_SEAL), 0);
	ck_assert_int_eq(memfd_add_seals(f, F_SEAL_WRITE), -EPERM);
}
END_TEST

START_TEST(seals_need_a_memfd_that_allows_them)
{
	struct file *g, *e;

	ck_assert_int_eq(memfd_new("x", 0, &g), 0);
	ck_assert_int_eq(memfd_get_seals(g), F_SEAL_SEAL);
	ck_assert_int_eq(memfd_add_seals(g, F_SEAL_GROW), -EPERM);
	file_put(g);
	ck_assert_int_eq(eventfd_new(0, 0, &e), 0);
	ck_assert_int_eq(memfd_get_seals(e), -EINVAL);
	ck_assert_int_eq(memfd_add_seals(e, F_SEAL_GROW), -EINVAL);
	file_put(e);
	ck_assert_int_eq(file_new_path(&f->path, O_RDONLY, &g), 0);
	ck_assert_int_eq(memfd_add_seals(g, F_SEAL_GROW), -EPERM);
	ck_assert_int_eq(memfd_get_seals(g), 0);
	file_put(g);
}
END_TEST

START_TEST(sealed_size)
{
	ck_assert_int_eq(truncate_to(5000), 0);
	ck_assert_int_eq(memfd_add_seals(f, F_SEAL_GROW), 0);
	ck_assert_int_eq(truncate_to(5001), -EPERM);
	ck_assert_int_eq(truncate_to(5000), 0);
	ck_assert_int_eq(f_write(f, buf, 5000), 5000);
	ck_assert_int_eq(f_write(f, buf, 1), -EPERM);
	f->pos = 100;
	ck_assert_int_eq(f_write(f, buf, 6000), 4096 - 100); /* the last page would have to grow */
	ck_assert_int_eq(f->inode->ops->fallocate(f->inode, 0, 4000, 2000), -EPERM);
	ck_assert_int_eq(truncate_to(4000), 0);
	ck_assert_int_eq(memfd_add_seals(f, F_SEAL_SHRINK), 0);
	ck_assert_int_eq(truncate_to(3999), -EPERM);
}
END_TEST

START_TEST(sealed_contents)
{
	struct file *again;

	ck_assert_int_eq(f_write(f, "abc", 3), 3);
	ck_assert_int_eq(memfd_add_seals(f, F_SEAL_WRITE), 0);
	ck_assert_int_eq(f_write(f, "abc", 3), -EPERM);
	ck_assert_int_eq(f->inode->ops->fallocate(f->inode, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1), -EPERM);
	ck_assert_int_eq(truncate_to(2), 0);
	ck_assert_int_eq(truncate_to(20), 0);
	/* Opened again, it is the same file. */
	ck_assert_int_eq(file_new_path(&f->path, O_RDWR, &again), 0);
	ck_assert_int_eq(f_write(again, "abc", 3), -EPERM);
	file_put(again);
}
END_TEST

START_TEST(sealed_mappings)
{
	struct space *s = fake_space();

	ck_assert_int_eq(truncate_to(4096), 0);
	ck_assert_int_eq(space_mmap(s, BASE, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, f, 0, NULL), (long)BASE);
	ck_assert_int_eq(memfd_add_seals(f, F_SEAL_WRITE), -EBUSY);
	ck_assert_int_eq(memfd_add_seals(f, F_SEAL_FUTURE_WRITE), 0);
	ck_assert_int_eq(space_munmap(s, BASE, 4096), 0);
	ck_assert_int_eq(memfd_add_seals(f, F_SEAL_WRITE), 0);
	ck_assert_int_eq(space_mmap(s, BASE, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, f, 0, NULL), -EPERM);
	ck_assert_int_eq(space_mmap(s, BASE, 4096, PROT_READ, MAP_SHARED | MAP_FIXED, f, 0, NULL), (long)BASE);
	ck_assert_int_eq(space_mprotect(s, BASE, 4096, PROT_READ | PROT_WRITE), -EACCES);
	ck_assert_int_eq(space_munmap(s, BASE, 4096), 0);
	ck_assert_int_eq(space_mmap(s, BASE, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, f, 0, NULL), (long)BASE);
	fake_space_drop();
}
END_TEST

START_TEST(each_allocation_fails)
{
	FAKE_EACH_FAILURE(n) {
		struct file *g;
		int r = memfd_new("x", 0, &g);

		if (r)
			ck_assert_int_eq(r, -ENOMEM);
		else
			file_put(g);
	}
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("memfd", &tc, setup, teardown);

	tcase_add_test(tc, is_a_regular_file);
	tcase_add_test(tc, names_and_flags);
	tcase_add_test(tc, seals_add_up);
	tcase_add_test(tc, seals_need_a_memfd_that_allows_them);
	tcase_add_test(tc, sealed_size);
	tcase_add_test(tc, sealed_contents);
	tcase_add_test(tc, sealed_mappings);
	tcase_add_test(tc, each_allocation_fails);
	return s;
}
