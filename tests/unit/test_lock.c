/* Locks: POSIX and OFD record locks against a model, waiting, deadlock, F_GETLK, closing; flock. */
#include "core/lib/seqbuf.h"
#include "core/mm/slab.h"
#include "shim/abi/stat.h"
#include "tests/unit/filetest.h"

#define RAM (16ul << 20)

/* Three processes by their descriptor tables, each with the file open read-write. */
static struct fdtable *procs[3], *saved;
static struct file *f[3];
static struct inode *inode;
static const struct file_ops ops;

static struct file *open_file(int flags)
{
	struct file *g;

	ck_assert_int_eq(file_new_inode(&ops, inode, flags, NULL, &g), 0);
	return g;
}

static void setup(void)
{
	struct file *first;

	fake_boot(RAM);
	saved = current_proc()->files;
	ck_assert_int_eq(file_new_anon(&ops, S_IFREG | 0644, O_RDWR, NULL, &first), 0);
	inode = inode_get(first->inode);
	file_put(first);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(fdtable_new(&procs[i]), 0);
		f[i] = open_file(O_RDWR);
	}
	current_proc()->files = procs[0];
}

static void teardown(void)
{
	current_proc()->files = saved;
	for (int i = 0; i < 3; i++) {
		lock_close(f[i], procs[i]);
		file_put(f[i]);
		fdtable_put(procs[i]);
	}
	ck_assert_ptr_null(inode->locks);
	inode_put(inode);
	fake_check_leaks();
}

static int lock_cmd(int who, int cmd, short type, int64_t start, int64_t len)
{
	struct flock_k fl = { .type = type, .whence = SEEK_SET, .start = start, .len = len };

	current_proc()->files = procs[who];
	return lock_posix(f[who], cmd, &fl);
}

static int set(int who, short type, int64_t start, int64_t len) { return lock_cmd(who, F_SETLK, type, start, len); }

/* The lock that keeps `who` from locking: its range; false when there is none. */
static bool blocked(int who, short type, int64_t start, int64_t len, struct flock_k *out)
{
	*out = (struct flock_k){ .type = type, .whence = SEEK_SET, .start = start, .len = len, .pid = 999 };
	current_proc()->files = procs[who];
	ck_assert_int_eq(lock_posix(f[who], F_GETLK, out), 0);
	return out->type != F_UNLCK;
}

START_TEST(readers_share_and_writers_exclude)
{
	ck_assert_int_eq(set(0, F_RDLCK, 0, 10), 0);
	ck_assert_int_eq(set(1, F_RDLCK, 5, 10), 0);
	ck_assert_int_eq(set(1, F_WRLCK, 0, 1), -EAGAIN);
	ck_assert_int_eq(set(1, F_WRLCK, 10, 5), 0);
	ck_assert_int_eq(set(0, F_RDLCK, 10, 1), -EAGAIN);
	ck_assert_int_eq(set(0, F_UNLCK, 0, 0), 0);
	ck_assert_int_eq(set(1, F_WRLCK, 0, 0), 0);
}
END_TEST

START_TEST(getlk_describes_the_obstacle)
{
	struct flock_k fl;

	set(0, F_WRLCK, 100, 50);
	ck_assert(blocked(1, F_RDLCK, 0, 0, &fl));
	ck_assert_int_eq(fl.type, F_WRLCK);
	ck_assert_int_eq(fl.start, 100);
	ck_assert_int_eq(fl.len, 50);
	ck_assert_int_eq(fl.pid, current_proc()->pid);
	ck_assert(!blocked(1, F_RDLCK, 0, 100, &fl));
	ck_assert_int_eq(fl.pid, 999); /* the rest is left alone */
	ck_assert(!blocked(0, F_WRLCK, 0, 0, &fl)); /* one's own is none */
	set(0, F_WRLCK, 200, 0);
	ck_assert(blocked(1, F_WRLCK, 1000, 1, &fl));
	ck_assert_int_eq(fl.len, 0); /* to the end */
	/* Of several, the first by owner and then by start. */
	set(0, F_UNLCK, 0, 0);
	set(1, F_RDLCK, 500, 1);
	set(0, F_RDLCK, 300, 1);
	set(1, F_RDLCK, 400, 1);
	ck_assert(blocked(2, F_WRLCK, 0, 0, &fl));
	ck_assert_int_eq(fl.start, 400);
	fl.type = F_UNLCK;
	ck_assert_int_eq(lock_posix(f[1], F_GETLK, &fl), -EINVAL);
}
END_TEST

START_TEST(ranges_from_everywhere)
{
	struct flock_k fl = { .type = F_WRLCK, .whence = SEEK_CUR, .start = -10, .len = 5 }, got;

	f[0]->pos = 110;
	ck_assert_int_eq(lock_posix(f[0], F_SETLK, &fl), 0);
	ck_assert(blocked(1, F_RDLCK, 0, 0, &got));
	ck_assert_int_eq(got.start, 100);
	ck_assert_int_eq(got.len, 5);
	set(0, F_UNLCK, 0, 0);
	current_proc()->files = procs[0];
	inode->size = 1000;
	fl = (struct flock_k){ .type = F_WRLCK, .whence = SEEK_END, .start = 0, .len = -100 };
	ck_assert_int_eq(lock_posix(f[0], F_SETLK, &fl), 0);
	ck_assert(blocked(1, F_RDLCK, 0, 0, &got));
	ck_assert_int_eq(got.start, 900);
	ck_assert_int_eq(got.len, 100);
}
END_TEST

START_TEST(bad_ranges)
{
	struct flock_k fl = { .type = F_WRLCK, .whence = 7 };

	ck_assert_int_eq(lock_posix(f[0], F_SETLK, &fl), -EINVAL);
	ck_assert_int_eq(set(0, F_WRLCK, -1, 1), -EINVAL);
	ck_assert_int_eq(set(0, F_WRLCK, 5, -6), -EINVAL);
	ck_assert_int_eq(set(0, F_WRLCK, INT64_MAX, 2), -EOVERFLOW);
	ck_assert_int_eq(set(0, F_WRLCK, INT64_MAX, 1), 0);
	ck_assert_int_eq(set(0, 7, 0, 1), -EINVAL);
	inode->size = 10;
	fl = (struct flock_k){ .type = F_WRLCK, .whence = SEEK_END, .start = INT64_MAX, .len = 1 };
	ck_assert_int_eq(lock_posix(f[0], F_SETLK, &fl), -EOVERFLOW);
}
END_TEST

START_TEST(modes_are_needed)
{
	struct file *r = open_file(O_RDONLY), *w = open_file(O_WRONLY);
	struct flock_k fl = { .type = F_WRLCK };

	ck_assert_int_eq(lock_posix(r, F_SETLK, &fl), -EBADF);
	fl.type = F_RDLCK;
	ck_assert_int_eq(lock_posix(w, F_SETLK, &fl), -EBADF);
	ck_assert_int_eq(lock_posix(r, F_SETLK, &fl), 0);
	fl.type = F_UNLCK;
	ck_assert_int_eq(lock_posix(w, F_SETLK, &fl), 0);
	file_put(r);
	file_put(w);
}
END_TEST

/* ---- splitting and merging against a map of bytes ---- */

#define BYTES 64

static char map[3][BYTES + 1];

static void check_map(void)
{
	struct flock_k fl;

	/* Process 2 never locks here, so it sees all locks of 0 and 1, byte by byte. */
	for (int b = 0; b < BYTES; b++) {
		bool writes = map[0][b] == 'w' || map[1][b] == 'w', any = map[0][b] != '-' || map[1][b] != '-';

		ck_assert_int_eq(blocked(2, F_RDLCK, b, 1, &fl), writes);
		ck_assert_int_eq(blocked(2, F_WRLCK, b, 1, &fl), any);
	}
}

/* Neighbours of one type are one lock: each run in the map is described whole. */
static void check_runs(int who)
{
	for (int b = 0; b < BYTES;) {
		int e = b;
		struct flock_k fl;

		while (e < BYTES && map[who][e] == map[who][b])
			e++;
		if (map[who][b] == 'w') {
			ck_assert(blocked(2, F_RDLCK, b, 1, &fl));
			ck_assert_int_eq(fl.start, b);
			ck_assert_int_eq(fl.len, e - b);
		}
		b = e;
	}
}

START_TEST(random_locks_against_a_model)
{
	static const struct { short type; char c; } types[] = { { F_RDLCK, 'r' }, { F_WRLCK, 'w' }, { F_UNLCK, '-' } };
	uint64_t seed = 42;

	memset(map, '-', sizeof(map));
	for (int round = 0; round < 3000; round++) {
		int who = (int)(unit_random(&seed) % 2), t = (int)(unit_random(&seed) % 3);
		int start = (int)(unit_random(&seed) % BYTES), len = (int)(unit_random(&seed) % (BYTES - (unsigned)start)) + 1;
		bool conflict = false;

		for (int b = start; b < start + len && t < 2; b++)
			conflict |= map[!who][b] == 'w' || (map[!who][b] == 'r' && t == 1);
		ck_assert_int_eq(set(who, types[t].type, start, len), conflict ? -EAGAIN : 0);
		if (!conflict)
			memset(map[who] + start, types[t].c, (size_t)len);
		if (round % 50 == 0) {
			check_map();
			check_runs(0);
			check_runs(1);
		}
	}
}
END_TEST

/* Time that grew with the square of their number would be longer than this test may take. */
START_TEST(many_locks)
{
	const int n = 60000;

	for (int i = 0; i < n; i++)
		ck_assert_int_eq(set(0, F_WRLCK, 10 * i, 5), 0);
	for (int i = n - 1; i >= 0; i--) /* in the middle of each */
		ck_assert_int_eq(set(0, F_RDLCK, 10 * i + 2, 1), 0);
	ck_assert_int_eq(set(1, F_RDLCK, 10 * (n - 1) + 2, 1), 0);
	ck_assert_int_eq(set(1, F_WRLCK, 10 * (n - 1) + 2, 1), -EAGAIN);
	ck_assert_int_eq(set(1, F_UNLCK, 0, 0), 0);
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(set(0, F_UNLCK, 10 * i, 4), 0);
	ck_assert_int_eq(set(1, F_WRLCK, 10 * (n - 1), 4), 0);
	ck_assert_int_eq(set(1, F_WRLCK, 10 * (n - 1) + 4, 1), -EAGAIN);
	ck_assert_int_eq(set(0, F_UNLCK, 0, 0), 0);
	ck_assert_int_eq(set(1, F_WRLCK, 0, 0), 0);
}
END_TEST

/* ---- waiting ---- */

static void unlock_one(void) { ck_assert_int_eq(set(1, F_UNLCK, 0, 0), 0); current_proc()->files = procs[0]; }

START_TEST(waits_for_the_lock)
{
	struct flock_k fl;

	set(1, F_WRLCK, 0, 10);
	meanwhile(unlock_one);
	ck_assert_int_eq(lock_cmd(0, F_SETLKW, F_WRLCK, 5, 10), 0);
	ck_assert(blocked(1, F_RDLCK, 0, 0, &fl));
	set(0, F_UNLCK, 0, 0);
	set(1, F_WRLCK, 0, 10);
	ck_interrupted(lock_cmd(0, F_SETLKW, F_WRLCK, 5, 10));
	ck_assert(!blocked(1, F_WRLCK, 0, 0, &fl));
}
END_TEST

/* Process 0 sleeps for process 1's lock; process 1 then asks for process 0's. */
static int circle_result;

static void close_circle(void)
{
	circle_result = lock_cmd(1, F_SETLKW, F_WRLCK, 0, 1);
	unlock_one();
}

START_TEST(deadlock)
{
	set(0, F_WRLCK, 0, 1);
	set(1, F_WRLCK, 1, 1);
	meanwhile(close_circle);
	ck_assert_int_eq(lock_cmd(0, F_SETLKW, F_WRLCK, 1, 1), 0);
	ck_assert_int_eq(circle_result, -EDEADLK);
}
END_TEST

START_TEST(closing_any_descriptor_releases)
{
	struct file *other = open_file(O_RDONLY);
	struct flock_k fl;

	set(0, F_WRLCK, 0, 10);
	ck_assert(blocked(1, F_RDLCK, 0, 0, &fl));
	lock_close(other, procs[0]);
	ck_assert(!blocked(1, F_RDLCK, 0, 0, &fl));
	file_put(other);
	ck_assert_ptr_null(inode->locks);
}
END_TEST

START_TEST(close_syscall_releases)
{
	struct flock_k fl;

	current_proc()->files = procs[0];
	ck_assert_int_eq(fd_install(file_get(f[0]), 0, false), 0);
	ck_assert_int_eq(fd_install(open_file(O_RDONLY), 0, false), 1);
	set(0, F_WRLCK, 0, 10);
	ck_assert_int_eq(fd_close(1), 0);
	ck_assert(!blocked(1, F_RDLCK, 0, 0, &fl));
	current_proc()->files = procs[0];
}
END_TEST

/* ---- open file description locks ---- */

static int ofd(struct file *g, int cmd, short type, int64_t start, int64_t len)
{
	struct flock_k fl = { .type = type, .start = start, .len = len };

	return lock_posix(g, cmd, &fl);
}

START_TEST(ofd_locks_belong_to_the_file)
{
	struct file *g = open_file(O_RDWR);
	struct flock_k fl = { .type = F_WRLCK };

	ck_assert_int_eq(ofd(f[0], F_OFD_SETLK, F_WRLCK, 0, 10), 0);
	ck_assert_int_eq(ofd(g, F_OFD_SETLK, F_RDLCK, 5, 1), -EAGAIN); /* same process */
	ck_assert_int_eq(set(0, F_RDLCK, 5, 1), -EAGAIN);              /* even its POSIX locks */
	ck_assert_int_eq(lock_posix(g, F_OFD_GETLK, &fl), 0);
	ck_assert_int_eq(fl.pid, -1);
	ck_assert_int_eq(fl.len, 10);
	lock_close(f[0], procs[0]); /* closing another descriptor changes nothing */
	ck_assert_int_eq(ofd(g, F_OFD_SETLK, F_RDLCK, 5, 1), -EAGAIN);
	ck_assert_int_eq(ofd(f[0], F_OFD_SETLK, F_UNLCK, 0, 0), 0);
	ck_assert_int_eq(ofd(g, F_OFD_SETLK, F_WRLCK, 5, 1), 0);
	fl.pid = 1;
	ck_assert_int_eq(lock_posix(g, F_OFD_SETLK, &fl), -EINVAL);
	file_put(g); /* the last reference releases */
	ck_assert_ptr_null(inode->locks);
}
END_TEST

/* ---- flock ---- */

static void flock_unlock_one(void) { ck_assert_int_eq(lock_flock(f[1], LOCK_UN), 0); }

START_TEST(whole_file_locks)
{
	ck_assert_int_eq(lock_flock(f[0], LOCK_SH), 0);
	ck_assert_int_eq(lock_flock(f[1], LOCK_SH | LOCK_NB), 0);
	ck_assert_int_eq(lock_flock(f[1], LOCK_SH), 0);
	ck_assert_int_eq(lock_flock(f[2], LOCK_EX | LOCK_NB), -EAGAIN);
	meanwhile(flock_unlock_one);
	ck_assert_int_eq(lock_flock(f[0], LOCK_EX), 0);
	ck_assert_int_eq(lock_flock(f[1], LOCK_SH | LOCK_NB), -EAGAIN);
	ck_interrupted(lock_flock(f[1], LOCK_SH));
	/* flock and record locks do not see each other. */
	ck_assert_int_eq(set(1, F_WRLCK, 0, 0), 0);
	ck_assert_int_eq(lock_flock(f[0], LOCK_SH), 0);
	ck_assert_int_eq(lock_flock(f[1], LOCK_SH | LOCK_NB), 0);
	/* A conversion that fails has lost the old lock. */
	ck_assert_int_eq(lock_flock(f[0], LOCK_EX | LOCK_NB), -EAGAIN);
	ck_assert_int_eq(lock_flock(f[1], LOCK_EX | LOCK_NB), 0);
	ck_assert_int_eq(lock_flock(f[1], LOCK_UN | LOCK_NB), 0);
	ck_assert_int_eq(lock_flock(f[1], LOCK_UN), 0);
	ck_assert_int_eq(lock_flock(f[1], 3), -EINVAL);
	ck_assert_int_eq(lock_flock(f[1], 0), -EINVAL);
}
END_TEST

START_TEST(flock_goes_with_the_file)
{
	struct file *g = open_file(O_RDONLY);

	ck_assert_int_eq(lock_flock(g, LOCK_EX), 0);
	ck_assert_int_eq(lock_flock(f[0], LOCK_SH | LOCK_NB), -EAGAIN);
	file_put(g);
	ck_assert_int_eq(lock_flock(f[0], LOCK_SH | LOCK_NB), 0);
}
END_TEST

START_TEST(listed_in_proc_locks)
{
	struct seqbuf b;

	set(0, F_WRLCK, 5, 10);
	set(1, F_RDLCK, 100, 0);
	lock_flock(f[2], LOCK_SH);
	seqbuf_init(&b);
	lock_print_all(&b);
	seqbuf_put(&b, "", 1);
	ck_assert_msg(strstr(b.data, "1: POSIX  ADVISORY  WRITE ") == b.data, "%s", b.data);
	ck_assert_ptr_nonnull(strstr(b.data, " 5 14\n2: POSIX  ADVISORY  READ  "));
	ck_assert_ptr_nonnull(strstr(b.data, " 100 EOF\n3: FLOCK  ADVISORY  READ  "));
	seqbuf_free(&b);
}
END_TEST

START_TEST(each_allocation_fails)
{
	FAKE_EACH_FAILURE(n) {
		int r = set(0, F_WRLCK, 0, 10);

		ck_assert(r == 0 || r == -ENOLCK);
		r = set(0, F_UNLCK, 3, 2);
		ck_assert(r == 0 || r == -ENOLCK);
		r = lock_flock(f[1], LOCK_EX);
		ck_assert(r == 0 || r == -ENOLCK);
		lock_flock(f[1], LOCK_UN);
		lock_close(f[0], procs[0]);
		ck_assert_ptr_null(inode->locks);
	}
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("lock", &tc, setup, teardown);

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, readers_share_and_writers_exclude);
	tcase_add_test(tc, getlk_describes_the_obstacle);
	tcase_add_test(tc, ranges_from_everywhere);
	tcase_add_test(tc, bad_ranges);
	tcase_add_test(tc, modes_are_needed);
	tcase_add_test(tc, random_locks_against_a_model);
	tcase_add_test(tc, many_locks);
	tcase_add_test(tc, waits_for_the_lock);
	tcase_add_test(tc, deadlock);
	tcase_add_test(tc, closing_any_descriptor_releases);
	tcase_add_test(tc, close_syscall_releases);
	tcase_add_test(tc, ofd_locks_belong_to_the_file);
	tcase_add_test(tc, whole_file_locks);
	tcase_add_test(tc, flock_goes_with_the_file);
	tcase_add_test(tc, listed_in_proc_locks);
	tcase_add_test(tc, each_allocation_fails);
	return s;
}
