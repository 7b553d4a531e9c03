/* copyin, copyout, strings and struct uio: short counts at every boundary, in plain buffers and in a real space. */
#include "core/file/file.h"
#include "core/mm/uio.h"
#include "core/mm/slab.h"
#include "core/mm/space.h"
#include "shim/abi/errno.h"
#include "shim/abi/mman.h"
#include "tests/unit/unit.h"

#define A 0x100000ul
#define P PAGE_SIZE

static void setup(void)
{
	fake_boot(4ul << 20);
}

static void teardown(void)
{
	fake_user_reset();
	fake_check_leaks();
}

START_TEST(whole_objects)
{
	char *u = fake_user_map(A, 100), b[200] = "kernel";

	ck_assert_int_eq(copyout(A, b, 100), 0);
	ck_assert_mem_eq(u, b, 100);
	ck_assert_int_eq(copyout(A, b, 101), -EFAULT);
	ck_assert_int_eq(copyin(b + 100, A, 100), 0);
	ck_assert_mem_eq(b + 100, u, 100);
	ck_assert_int_eq(copyin(b, A + 1, 100), -EFAULT);
	ck_assert_int_eq(copyin(b, A + 100, 0), 0);
	ck_assert_int_eq(copyin(b, 0, 1), -EFAULT);
	ck_assert_int_eq(copyin(b, ~0ul, 1), -EFAULT);
	ck_assert_int_eq(copyin(b, ~0ul, 2), -EFAULT);
	ck_assert_int_eq(copyin(b, USER_MAX - 1, 2), -EFAULT);
	ck_assert_int_eq(copyout_zero(A + 2, 98), 0);
	ck_assert_str_eq(u, "ke");
	ck_assert_int_eq(copyout_zero(A + 2, 99), -EFAULT);
	fake_user_readonly(A);
	ck_assert_int_eq(copyout(A, b, 1), -EFAULT);
	ck_assert_int_eq(copyin(b, A, 1), 0);
}
END_TEST

START_TEST(strings)
{
	char *u = fake_user_map(A, P + 10), b[64], *s;

	memset(u, 'x', P + 10);
	memcpy(u, "hello", 6);
	ck_assert_int_eq(copyin_str(b, A, sizeof(b)), 5);
	ck_assert_str_eq(b, "hello");
	ck_assert_int_eq(copyin_str(b, A, 6), 5);
	ck_assert_int_eq(copyin_str(b, A, 5), -ENAMETOOLONG);
	ck_assert_int_eq(copyin_str(b, A, 0), -ENAMETOOLONG);
	ck_assert_int_eq(copyin_str(b, A + 6, sizeof(b)), -ENAMETOOLONG);
	ck_assert_int_eq(copyin_str(b, 0, sizeof(b)), -EFAULT);
	ck_assert_int_eq(copyin_strdup(&s, A + 6, 100), -ENAMETOOLONG);
	/* Runs into the end of the buffer without a NUL; with one in the last byte. */
	ck_assert_int_eq(copyin_strdup(&s, A + 6, 100000), -EFAULT);
	u[P + 9] = 0;
	ck_assert_int_eq(copyin_strdup(&s, A + 6, 100000), 0);
	ck_assert_uint_eq(strlen(s), P + 3);
	kfree(s);
	ck_assert_int_eq(copyin_strdup(&s, A + 6, P + 4), 0);
	kfree(s);
	ck_assert_int_eq(copyin_strdup(&s, A + 6, P + 3), -ENAMETOOLONG);
	ck_assert_int_eq(copyin_path(&s, A + 6), -ENAMETOOLONG);
	ck_assert_int_eq(copyin_path(&s, A + 14), 0);
	kfree(s);
	/* What lies behind the NUL's page is not looked at. */
	fake_user_reset();
	u = fake_user_map(2 * P + A, P);
	memcpy(u + P - 4, "end", 4);
	ck_assert_int_eq(copyin_str(b, A + 3 * P - 4, sizeof(b)), 3);
	FAKE_EACH_FAILURE(n) {
		int r = copyin_strdup(&s, A + 3 * P - 4, 500);

		ck_assert_int_eq(r, fake_failed() ? -ENOMEM : 0);
		if (!r)
			kfree(s);
	}
}
END_TEST

START_TEST(kernel_buffer)
{
	char b[10] = "abcdefghi", c[10];
	struct uio u;

	uio_kernel(&u, b, 10, false);
	ck_assert_uint_eq(uio_take(&u, c, 4), 4);
	uio_skip(&u, 2);
	ck_assert_uint_eq(uio_take(&u, c + 4, 100), 4);
	ck_assert_mem_eq(c, "abcdghi", 8);
	ck_assert_uint_eq(u.resid, 0);
	ck_assert_int_eq(uio_fault_in(&u, 10), 0);
	uio_kernel(&u, b, 10, true);
	ck_assert_uint_eq(uio_put(&u, "XY", 2), 2);
	ck_assert_uint_eq(uio_put_zero(&u, 3), 3);
	ck_assert_mem_eq(b, "XY\0\0\0f", 6);
	ck_assert_uint_eq(u.resid, 5);
}
END_TEST

static void put_iov(uptr_t at, unsigned i, uptr_t base, uint64_t len)
{
	struct abi_iovec v = { base, len };

	ck_assert_int_eq(copyout(at + i * sizeof(v), &v, sizeof(v)), 0);
}

START_TEST(vectors)
{
	struct abi_iovec *heap;
	struct uio u;
	char *p = fake_user_map(A, 100), *q = fake_user_map(A + 0x10000, 50);
	uptr_t iov = A + 0x20000;

	fake_user_map(iov, 2000 * 16);
	put_iov(iov, 0, A, 3);
	put_iov(iov, 1, 0, 0); /* an empty segment may point anywhere */
	put_iov(iov, 2, A + 0x10000, 5);
	put_iov(iov, 3, A + 10, 2);
	ck_assert_int_eq(uio_iovec(&u, iov, 4, true, &heap), 0);
	ck_assert_uint_eq(u.resid, 10);
	ck_assert_uint_eq(uio_put(&u, "0123456789ab", 12), 10);
	ck_assert_mem_eq(p, "012", 3);
	ck_assert_mem_eq(q, "34567", 5);
	ck_assert_mem_eq(p + 10, "89", 2);
	ck_assert_uint_eq(u.resid, 0);
	kfree(heap);
	/* In steps that end where segments do, and back again. */
	ck_assert_int_eq(uio_iovec(&u, iov, 4, true, &heap), 0);
	ck_assert_uint_eq(uio_put(&u, "abc", 3), 3);
	uio_rewind(&u, 2);
	ck_assert_uint_eq(u.resid, 9);
	ck_assert_uint_eq(uio_put(&u, "BC", 2), 2);
	uio_skip(&u, 0);
	ck_assert_uint_eq(uio_put_zero(&u, 1), 1);
	uio_skip(&u, 4);
	uio_rewind(&u, 1);
	ck_assert_uint_eq(uio_put(&u, "defg", 4), 3);
	ck_assert_mem_eq(p, "aBC", 3);
	ck_assert_mem_eq(q, "\0" "456d", 5);
	ck_assert_mem_eq(p + 10, "ef", 2);
	ck_assert_uint_eq(u.resid, 0);
	ck_assert_uint_eq(uio_put(&u, "x", 1), 0);
	kfree(heap);
	/* Short at a bad segment, and exactly there. */
	put_iov(iov, 2, A + 0x10000 + 48, 5);
	ck_assert_int_eq(uio_iovec(&u, iov, 4, true, &heap), 0);
	ck_assert_uint_eq(uio_put(&u, "0123456789", 10), 5);
	ck_assert_uint_eq(u.resid, 5);
	ck_assert_int_eq(uio_fault_in(&u, 5), -EFAULT);
	uio_skip(&u, 3);
	ck_assert_uint_eq(uio_put(&u, "xy", 2), 2);
	ck_assert_mem_eq(p + 10, "xy", 2);
	kfree(heap);
	/* Errors of readv(2). */
	ck_assert_int_eq(uio_iovec(&u, iov, 1025, true, &heap), -EINVAL);
	ck_assert_int_eq(uio_iovec(&u, iov, 1024, true, &heap), 0);
	kfree(heap);
	ck_assert_int_eq(uio_iovec(&u, iov + 2000 * 16 - 16, 2, true, &heap), -EFAULT);
	ck_assert_int_eq(uio_iovec(&u, 0, 1, true, &heap), -EFAULT);
	ck_assert_int_eq(uio_iovec(&u, 0, 0, true, &heap), 0);
	ck_assert_uint_eq(u.resid, 0);
	ck_assert_uint_eq(uio_put(&u, "x", 1), 0);
	ck_assert_ptr_eq(heap, NULL);
	put_iov(iov, 0, A, 1ul << 63);
	ck_assert_int_eq(uio_iovec(&u, iov, 1, true, &heap), -EINVAL);
	put_iov(iov, 0, A, INT64_MAX);
	ck_assert_int_eq(uio_iovec(&u, iov, 1, true, &heap), -EFAULT);
	put_iov(iov, 0, A, 1ul << 46);
	ck_assert_int_eq(uio_iovec(&u, iov, 1, true, &heap), 0);
	ck_assert_uint_eq(u.resid, 0x7ffff000); /* MAX_RW_COUNT */
	FAKE_EACH_FAILURE(n) {
		int r = uio_iovec(&u, iov, 4, true, &heap);

		ck_assert_int_eq(r, fake_failed() ? -ENOMEM : 0);
		if (!r)
			kfree(heap);
	}
}
END_TEST

/* In a space, pages come only with uio_fault_in(): what pipe_write and its like rely on. */
START_TEST(missing_pages)
{
	struct space *s = fake_space();
	char data[3 * P], back[3 * P];
	struct uio u;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 13 + i / 256);
	ck_assert_int_gt(space_mmap(s, A, 3 * P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL, 0, NULL), 0);
	/* A mapping of its own, lest the fault provide the pages behind it, too. */
	ck_assert_int_eq(space_mprotect(s, A + P, 2 * P, PROT_READ), 0);
	uio_user(&u, A + 10, 2 * P, true);
	ck_assert_uint_eq(uio_put(&u, data, 2 * P), 0);
	ck_assert_int_eq(uio_fault_in(&u, 1), 0);
	ck_assert_uint_eq(uio_put(&u, data, 2 * P), P - 10);
	ck_assert_int_eq(space_mprotect(s, A + P, 2 * P, PROT_READ | PROT_WRITE), 0);
	ck_assert_int_eq(uio_fault_in(&u, 2 * P), 0);
	ck_assert_uint_eq(uio_put(&u, data + P - 10, 2 * P), P + 10);
	ck_assert_uint_eq(u.resid, 0);
	uio_user(&u, A + 10, 2 * P, false);
	ck_assert_uint_eq(uio_take(&u, back, 3 * P), 2 * P);
	ck_assert_mem_eq(back, data, 2 * P);
	/* A range that begins well and ends badly is accessible as far as it goes. */
	uio_user(&u, A + 2 * P, 2 * P, true);
	ck_assert_int_eq(uio_fault_in(&u, 2 * P), 0);
	ck_assert_uint_eq(uio_put(&u, data, 2 * P), P);
	ck_assert_int_eq(uio_fault_in(&u, 2 * P), -EFAULT);
	space_mprotect(s, A, P, PROT_READ);
	uio_user(&u, A, 10, true);
	ck_assert_int_eq(uio_fault_in(&u, 10), -EFAULT);
	uio_user(&u, A, 10, false);
	ck_assert_int_eq(uio_fault_in(&u, 10), 0);
	/* copyin and copyout do it by themselves. */
	space_munmap(s, A, 3 * P);
	space_mmap(s, A, 3 * P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL, 0, NULL);
	ck_assert_int_eq(copyout(A + 1, data, 3 * P - 1), 0);
	ck_assert_int_eq(copyin(back, A + 1, 3 * P - 1), 0);
	ck_assert_mem_eq(back, data, 3 * P - 1);
	ck_assert_int_eq(copyin(back, A + 1, 3 * P), -EFAULT);
	ck_assert_int_eq(copyout_zero(A, 3 * P + 1), -EFAULT);
	ck_assert_int_eq(copyin(back, USER_MAX - 5, 10), -EFAULT);
	fake_space_drop();
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("uio", &tc, setup, teardown);

	tcase_add_test(tc, whole_objects);
	tcase_add_test(tc, strings);
	tcase_add_test(tc, kernel_buffer);
	tcase_add_test(tc, vectors);
	tcase_add_test(tc, missing_pages);
	return s;
}
