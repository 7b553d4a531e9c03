/* Memory system calls decoded, over a real address space; and every system call with arguments of every bad kind. */
#include "tests/unit/shimtest.h"
#include "core/mm/space.h"
#include "shim/abi/mman.h"
#include "shim/abi/shm.h"
#include "shim/abi/signal.h"

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static void setup(void)
{
	struct space *s;

	shim_setup();
	s = fake_space();
	s->brk_start = s->brk = 0x600000;
}

static void teardown(void)
{
	fd_close_range(0, ~0u, 0);
	fake_space_drop();
	shim_teardown();
}

static uptr_t map(size_t len)
{
	long r = CALL(NR_mmap, 0, len, RW, ANON, -1, 0);

	ck_assert_msg(r > 0, "mmap: %ld", r);
	return (uptr_t)r;
}

/* What Linux would grant is refused with a line, once; what it refuses, and a mere hint, without. */
START_TEST(mmap_above_the_range)
{
	const char *line;

	ck_assert_int_eq(CALL(NR_mmap, 1ul << 47, 4096, RW, ANON | MAP_FIXED, -1, 0), -ENOMEM);
	ck_assert_int_eq(CALL(NR_mmap, -8192ul, 8192, RW, ANON | MAP_FIXED, -1, 0), -ENOMEM);
	ck_assert_int_gt(CALL(NR_mmap, 0x600000000000, 4096, RW, ANON, -1, 0), 0);
	ck_assert_str_eq(fake_log(), "");
	ck_assert_int_eq(CALL(NR_mmap, 0x600000000000, 1ul << 42, 0, ANON | MAP_FIXED_NOREPLACE, -1, 0), -ENOMEM);
	line = strstr(fake_log(), "needs addresses above the application range (0x10000 to 0x3fffffffffff)");
	ck_assert_ptr_nonnull(line);
	ck_assert_int_eq(CALL(NR_mmap, 0x600000000000, 4096, RW, ANON | MAP_FIXED, -1, 0), -ENOMEM);
	ck_assert_ptr_null(strstr(line + 1, "needs addresses"));
}
END_TEST

START_TEST(mmap_checks)
{
	uptr_t p = map(4096);
	int fd;

	copyout(p, "/f", 3);
	ck_assert_int_eq(CALL(NR_mmap, 0, 0, RW, ANON, -1, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_mmap, 0, 4096, RW, ANON, -1, 1), -EINVAL);
	ck_assert_int_eq(CALL(NR_mmap, 0, ~0ul, RW, ANON, -1, 0), -ENOMEM);
	ck_assert_int_eq(CALL(NR_mmap, 0, USER_MAX, RW, ANON, -1, 0), -ENOMEM);
	ck_assert_int_eq(CALL(NR_mmap, 0, 4096, RW, MAP_ANONYMOUS, -1, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_mmap, 0, 4096, RW, MAP_PRIVATE, -1, 0), -EBADF);
	ck_assert_int_eq(CALL(NR_mmap, 0, 0, RW, MAP_PRIVATE, -1, 0), -EBADF);
	ck_assert_int_eq(CALL(NR_mmap, 0x10001, 4096, RW, ANON | MAP_FIXED, -1, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_mmap, 0x1000, 4096, RW, ANON | MAP_FIXED, -1, 0), -EPERM);
	ck_assert_int_eq(CALL(NR_mmap, USER_MAX - 4096, 8192, RW, ANON | MAP_FIXED, -1, 0), -ENOMEM);
	ck_assert_int_eq(CALL(NR_mmap, p, 4096, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0), -EEXIST);
	ck_assert_int_eq(CALL(NR_mmap, 0, 4096, RW, ANON | MAP_HUGETLB, -1, 0), -ENOMEM);
	ck_assert_int_eq(CALL(NR_mmap, 0, 4096, RW, MAP_SHARED_VALIDATE | MAP_ANONYMOUS | 0x4000000, -1, 0), -EOPNOTSUPP);
	fd = (int)CALL(NR_open, p, O_CREAT | O_WRONLY, 0600);
	ck_assert_int_eq(CALL(NR_mmap, 0, 4096, PROT_READ, MAP_PRIVATE, fd, 0), -EACCES);
	CALL(NR_close, fd);
	fd = (int)CALL(NR_open, p, O_RDONLY, 0);
	ck_assert_int_eq(CALL(NR_mmap, 0, 4096, RW, MAP_SHARED, fd, 0), -EACCES);
	ck_assert_int_gt(CALL(NR_mmap, 0, 4096, RW, MAP_PRIVATE, fd, 0), 0);
	ck_assert_int_eq(CALL(NR_mmap, 0, 8192, RW, MAP_PRIVATE, fd, ~0xffful), -EOVERFLOW);
	/* A hint is rounded up; one out of range is no error. */
	ck_assert_int_eq(CALL(NR_mmap, 0x30000001, 4096, RW, ANON, -1, 0), 0x30001000);
	ck_assert_int_gt(CALL(NR_mmap, ~0ul, 4096, RW, ANON, -1, 0), 0);
}
END_TEST

START_TEST(ranges)
{
	uptr_t p = map(4 * 4096), byte = map(4096);

	ck_assert_int_eq(CALL(NR_munmap, p + 1, 4096), -EINVAL);
	ck_assert_int_eq(CALL(NR_munmap, p, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_munmap, p, ~0ul), -EINVAL);
	ck_assert_int_eq(CALL(NR_mprotect, p, 0, 0x1000), 0);
	ck_assert_int_eq(CALL(NR_mprotect, p, 4096, 0x1000), -EINVAL);
	ck_assert_int_eq(CALL(NR_mprotect, p + 1, 4096, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_mprotect, p, ~0ul, 0), -ENOMEM);
	ck_assert_int_eq(CALL(NR_mprotect, p, 4096, PROT_READ | PROT_GROWSDOWN), -EINVAL);
	ck_assert_int_eq(CALL(NR_mprotect, p, 4096, PROT_READ), 0);
	ck_assert_int_eq(CALL(NR_read, -1, p, 1), -EBADF);
	ck_assert_int_eq(CALL(NR_getrandom, p, 1, 0), -EFAULT);
	ck_assert_int_eq(CALL(NR_mprotect, p, 4096, RW), 0);
	ck_assert_int_eq(CALL(NR_madvise, p, 4096, 99), -EINVAL);
	ck_assert_int_eq(CALL(NR_madvise, p + 1, 4096, MADV_DONTNEED), -EINVAL);
	ck_assert_int_eq(CALL(NR_madvise, p, 0, MADV_DONTNEED), 0);
	ck_assert_int_eq(CALL(NR_madvise, p, ~0ul, MADV_DONTNEED), -EINVAL);
	ck_assert_int_eq(CALL(NR_msync, p, 4096, MS_ASYNC | MS_SYNC), -EINVAL);
	ck_assert_int_eq(CALL(NR_msync, p, 4096, 8), -EINVAL);
	ck_assert_int_eq(CALL(NR_msync, p + 1, 4096, MS_SYNC), -EINVAL);
	ck_assert_int_eq(CALL(NR_msync, p, 4 * 4096, MS_SYNC), 0);
	ck_assert_int_eq(CALL(NR_mincore, p + 1, 4096, byte), -EINVAL);
	ck_assert_int_eq(CALL(NR_mincore, p, ~0ul, byte), -ENOMEM);
	ck_assert_int_eq(CALL(NR_mincore, p, 4096, NOWHERE), -EFAULT);
	ck_assert_int_eq(CALL(NR_mincore, p, 4096, byte), 0);
	ck_assert_int_eq(CALL(NR_mremap, p, 4096, 0, 0, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_mremap, p, 4096, 8192, MREMAP_FIXED, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_mremap, p, 4096, 8192, 0x10, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_mremap, p + 1, 4096, 8192, 0, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_mremap, 0x7000000, 4096, 8192, 0, 0), -EFAULT);
	ck_assert_int_eq(CALL(NR_mlock, p + 5, 4096), 0);
	ck_assert_int_eq(CALL(NR_mlock, 0x7000000, 4096), -ENOMEM);
	ck_assert_int_eq(CALL(NR_mlock, p, ~0ul), -EINVAL);
	ck_assert_int_eq(CALL(NR_mlock2, p, 4096, 2), -EINVAL);
	ck_assert_int_eq(CALL(NR_munlock, 0x7000000, 4096), -ENOMEM);
	ck_assert_int_eq(CALL(NR_mlockall, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_mlockall, MCL_ONFAULT), -EINVAL);
	ck_assert_int_eq(CALL(NR_mlockall, MCL_CURRENT), 0);
	CALL(NR_setresuid, -1, 1000, -1);
	current_proc()->rlimits[RLIMIT_MEMLOCK] = (struct rlimit){ 0, 0 };
	ck_assert_int_eq(CALL(NR_mlock, p, 4096), -EPERM);
	current_proc()->rlimits[RLIMIT_MEMLOCK] = (struct rlimit){ 4096, 4096 };
	ck_assert_int_eq(CALL(NR_mlock, p, 8192), -ENOMEM);
	ck_assert_int_eq(CALL(NR_mlock, p, 4096), 0);
}
END_TEST

START_TEST(memfds)
{
	uptr_t p = map(4096);
	char name[251];

	memset(name, 'n', 250);
	name[250] = 0;
	copyout(p, name, 251);
	ck_assert_int_eq(CALL(NR_memfd_create, p, 0), -EINVAL);
	ck_assert_int_eq(CALL(NR_memfd_create, p + 1, 8), -EINVAL);
	ck_assert_int_eq(CALL(NR_memfd_create, NOWHERE, 0), -EFAULT);
	ck_assert_int_eq(CALL(NR_memfd_create, p + 1, MFD_CLOEXEC | MFD_ALLOW_SEALING), 0);
	ck_assert_int_eq(CALL(NR_fcntl, 0, F_GETFD), 1);
	ck_assert_int_eq(CALL(NR_fcntl, 0, F_ADD_SEALS, 0x100), -EINVAL);
	ck_assert_int_eq(CALL(NR_fcntl, 0, F_ADD_SEALS, F_SEAL_GROW), 0);
	ck_assert_int_eq(CALL(NR_fcntl, 0, F_GET_SEALS), F_SEAL_GROW);
	ck_assert_int_eq(CALL(NR_ftruncate, 0, 4096), -EPERM);
}
END_TEST

/* Ends any sleep that nothing else would end. */
static bool interrupt(void)
{
	current_thread()->sig_pending |= 1ul << (SIGUSR1 - 1);
	sched_wake(current_thread());
	return true;
}

static bool is_harmful(unsigned nr)
{
	return (syscall_flags(nr) & X_NORETURN) || nr == NR_reboot || nr == NR_rt_sigreturn;
}

/* What must hold whatever a program passes: an answer in range, no panic, and (teardown) nothing lost. */
START_TEST(any_argument)
{
	uptr_t p = map(16 * 4096);
	const uint64_t values[] = { 0, 1, 2, 3, 4, 8, 100, 4096, p, p + 4095, p + 16 * 4096 - 1, NOWHERE, USER_MAX, ~0ul, 1ul << 63,
				    (uint64_t)AT_FDCWD, 0x7fffffff, 0x80000000, 0x1000, O_CREAT | O_RDWR };
	uint64_t state = 77;

	fake_idle_hook = interrupt;
	for (unsigned round = 0; round < 60; round++)
		for (unsigned nr = 0; nr < 452; nr++) {
			uint64_t a[6];
			long r;

			if (is_harmful(nr) || nr == NR_mprotect || nr == NR_munmap || nr == NR_mremap || nr == NR_brk)
				continue;
			for (int k = 0; k < 6; k++)
				a[k] = values[unit_random(&state) % (sizeof(values) / sizeof(values[0]))];
			/* Mappings at addresses of its own choice only, or the test's memory would go. */
			if (nr == NR_mmap)
				a[3] &= ~(uint64_t)MAP_FIXED;
			if (nr == NR_shmat)
				a[2] &= ~(uint64_t)SHM_REMAP;
			if (nr == NR_openat || nr == NR_open || nr == NR_mkdir)
				copyout(p, "/a", 3);
			r = call6(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
			ck_assert_msg(r >= -133 || r < -4095, "%s: %ld", syscall_name(nr), r);
			current_thread()->sig_pending = current_proc()->sig_pending = 0;
			current_thread()->sig_mask = 0;
			current_proc()->cred->euid = current_proc()->cred->fsuid = 0;
			current_proc()->rlimits[RLIMIT_NOFILE] = (struct rlimit){ 64, 64 };
		}
	fake_idle_hook = NULL;
	CALL(NR_alarm, 0);
	for (int id = 0; id < 1000; id++) /* they would outlive the process */
		CALL(NR_shmctl, id, IPC_RMID, 0);
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("shim_mem", &tc, setup, teardown);

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, mmap_checks);
	tcase_add_test(tc, mmap_above_the_range);
	tcase_add_test(tc, ranges);
	tcase_add_test(tc, memfds);
	tcase_add_test(tc, any_argument);
	return s;
}
