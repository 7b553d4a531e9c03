/* epoll: triggering modes, control errors, fairness, nesting, files that go away, many files. */
#include "core/lib/seqbuf.h"
#include "core/mm/slab.h"
#include "core/net/socket.h"
#include "core/timer.h"
#include "shim/abi/stat.h"
#include "tests/unit/filetest.h"

#define RAM (64ul << 20)
#define MS NSEC_PER_MSEC
#define ADD EPOLL_CTL_ADD
#define MOD EPOLL_CTL_MOD
#define DEL EPOLL_CTL_DEL

static struct file *ep, *rd, *wr, *ev;
static struct epoll_event_k got[16];

static void setup(void)
{
	fake_boot(RAM);
	ck_assert_int_eq(epoll_new(0, &ep), 0);
	ck_assert_int_eq(pipe_new(O_NONBLOCK, &rd, &wr), 0);
	ck_assert_int_eq(eventfd_new(0, O_NONBLOCK, &ev), 0);
}

static void drop(struct file **f)
{
	if (*f)
		file_put(*f);
	*f = NULL;
}

static void teardown(void)
{
	drop(&ep);
	drop(&rd);
	drop(&wr);
	drop(&ev);
	fake_check_leaks();
}

static int ctl(int op, struct file *f, int fd, uint32_t events)
{
	struct epoll_event_k e = { events, (uint64_t)fd + 100 };

	return epoll_change(ep, op, fd, f, &e);
}

static int now(void) { return epoll_collect(ep, got, 16, 0); }
static void put(int n) { ck_assert_int_eq(f_write(wr, "xxxxxxxxxx", (size_t)n), n); }
static void take(int n) { ck_assert_int_eq(f_read(rd, &(char[10]){ 0 }, (size_t)n), n); }

START_TEST(level_triggered)
{
	ck_assert_int_eq(ctl(ADD, rd, 3, POLLIN), 0);
	ck_assert_int_eq(now(), 0);
	put(2);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(now(), 1);
		ck_assert_uint_eq(got[0].events, POLLIN);
		ck_assert_uint_eq(got[0].data, 103);
	}
	take(1);
	ck_assert_int_eq(now(), 1);
	take(1);
	ck_assert_int_eq(now(), 0);
}
END_TEST

START_TEST(edge_triggered)
{
	put(1);
	ck_assert_int_eq(ctl(ADD, rd, 3, POLLIN | EPOLLET), 0);
	ck_assert_int_eq(now(), 1); /* ready when it was added */
	ck_assert_int_eq(now(), 0);
	put(1);
	ck_assert_int_eq(now(), 1); /* each arrival is an edge */
	ck_assert_int_eq(now(), 0);
	take(1);
	ck_assert_int_eq(now(), 0);
	/* An edge that is gone by the time of the wait is not reported. */
	put(1);
	take(2);
	ck_assert_int_eq(now(), 0);
}
END_TEST

START_TEST(one_shot)
{
	ck_assert_int_eq(ctl(ADD, rd, 3, POLLIN | EPOLLONESHOT), 0);
	put(1);
	ck_assert_int_eq(now(), 1);
	put(1);
	ck_assert_int_eq(now(), 0);
	ck_assert_int_eq(ctl(MOD, rd, 3, POLLIN | EPOLLONESHOT), 0);
	ck_assert_int_eq(now(), 1);
	ck_assert_int_eq(now(), 0);
}
END_TEST

START_TEST(hangups_and_errors_are_always_told)
{
	ck_assert_int_eq(ctl(ADD, rd, 3, 0), 0);
	put(1);
	ck_assert_int_eq(now(), 0);
	drop(&wr);
	ck_assert_int_eq(now(), 1);
	ck_assert_uint_eq(got[0].events, POLLHUP);
}
END_TEST

START_TEST(control_errors)
{
	struct epoll_event_k e = { POLLIN, 0 };
	static const struct file_ops regular = { .anon_name = "x" };
	struct file *f;

	ck_assert_int_eq(file_new_anon(&regular, S_IFREG, O_RDWR, NULL, &f), 0);
	ck_assert_int_eq(ctl(ADD, f, 9, POLLIN), -EPERM);
	file_put(f);
	ck_assert_int_eq(ctl(ADD, ep, 9, POLLIN), -EINVAL);
	ck_assert_int_eq(epoll_change(rd, ADD, 3, wr, &e), -EINVAL);
	ck_assert_int_eq(ctl(9, rd, 3, POLLIN), -EINVAL);
	ck_assert_int_eq(ctl(MOD, rd, 3, POLLIN), -ENOENT);
	ck_assert_int_eq(epoll_change(ep, DEL, 3, rd, NULL), -ENOENT);
	ck_assert_int_eq(ctl(ADD, rd, 3, POLLIN), 0);
	ck_assert_int_eq(ctl(ADD, rd, 3, POLLIN), -EEXIST);
	ck_assert_int_eq(ctl(ADD, rd, 4, POLLIN), 0); /* another descriptor of the same file */
	ck_assert_int_eq(epoll_change(ep, DEL, 3, rd, NULL), 0);
	put(1);
	ck_assert_int_eq(now(), 1);
	ck_assert_uint_eq(got[0].data, 104);
	ck_assert_int_eq(epoll_collect(ep, got, 0, 0), -EINVAL);
	ck_assert_int_eq(epoll_collect(rd, got, 1, 0), -EINVAL);
	ck_assert_int_eq(epoll_new(1, &f), -EINVAL);
	ck_assert_int_eq(f_read(ep, got, 8), -EINVAL);
}
END_TEST

START_TEST(modifying_looks_again)
{
	ck_assert_int_eq(ctl(ADD, ev, 3, POLLIN), 0);
	ck_assert_int_eq(now(), 0);
	ck_assert_int_eq(ctl(MOD, ev, 3, POLLIN | POLLOUT), 0);
	ck_assert_int_eq(now(), 1);
	ck_assert_uint_eq(got[0].events, POLLOUT);
	ck_assert_int_eq(ctl(MOD, ev, 3, POLLIN), 0);
	ck_assert_int_eq(now(), 0);
}
END_TEST

START_TEST(exclusive)
{
	ck_assert_int_eq(ctl(ADD, rd, 3, POLLIN | EPOLLEXCLUSIVE | POLLRDHUP), -EINVAL);
	ck_assert_int_eq(ctl(ADD, rd, 3, POLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT), -EINVAL);
	ck_assert_int_eq(ctl(ADD, rd, 3, POLLIN | EPOLLEXCLUSIVE | EPOLLET), 0);
	ck_assert_int_eq(ctl(MOD, rd, 3, POLLIN), -EINVAL);
	ck_assert_int_eq(ctl(ADD, ev, 4, POLLIN), 0);
	ck_assert_int_eq(ctl(MOD, ev, 4, POLLIN | EPOLLEXCLUSIVE), -EINVAL);
	put(1);
	ck_assert_int_eq(now(), 1);
}
END_TEST

static void write_one(void) { put(1); }
static void write_event(void) { f_write(ev, &(uint64_t){ 1 }, 8); }

START_TEST(waiting)
{
	uint64_t start = clock_mono();

	ck_assert_int_eq(ctl(ADD, rd, 3, POLLIN), 0);
	ck_assert_int_eq(epoll_collect(ep, got, 16, start + 10 * MS), 0);
	ck_assert_uint_eq(clock_mono(), start + 10 * MS);
	ck_interrupted(epoll_collect(ep, got, 16, TIME_NEVER));
	meanwhile(write_one);
	ck_assert_int_eq(epoll_collect(ep, got, 16, TIME_NEVER), 1);
	take(1);
	/* Added while somebody waits. */
	meanwhile(write_one);
	ck_assert_int_eq(epoll_collect(ep, got, 16, start + 100 * MS), 1);
}
END_TEST

START_TEST(every_file_gets_its_turn)
{
	struct file *f[5];
	unsigned seen = 0;

	for (int i = 0; i < 5; i++) {
		ck_assert_int_eq(eventfd_new(1, 0, &f[i]), 0);
		ck_assert_int_eq(ctl(ADD, f[i], i, POLLIN), 0);
	}
	for (int i = 0; i < 5; i++) {
		ck_assert_int_eq(epoll_collect(ep, got, 1, 0), 1);
		seen |= 1u << (got[0].data - 100);
	}
	ck_assert_uint_eq(seen, 31);
	ck_assert_int_eq(epoll_collect(ep, got, 3, 0), 3);
	ck_assert_uint_ne(got[0].data, got[1].data);
	for (int i = 0; i < 5; i++)
		file_put(f[i]);
	ck_assert_int_eq(now(), 0);
}
END_TEST

START_TEST(closed_files_disappear)
{
	struct file *dup = file_get(rd);

	ck_assert_int_eq(ctl(ADD, rd, 3, POLLIN), 0);
	put(1);
	file_put(dup);
	ck_assert_int_eq(now(), 1); /* one descriptor is still open */
	drop(&rd);
	ck_assert_int_eq(now(), 0);
	ck_assert_int_eq(ctl(ADD, ev, 3, POLLIN), 0);
	drop(&ep); /* with an item in it */
	ck_assert(list_empty(&ev->epoll_items));
}
END_TEST

/* ---- nesting ---- */

static struct file *chain[8];

static int watch(struct file *who, struct file *what)
{
	struct epoll_event_k e = { POLLIN, 0 };

	return epoll_change(who, ADD, 50, what, &e);
}

static void chain_new(void)
{
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(epoll_new(0, &chain[i]), 0);
}

static void chain_drop(void)
{
	for (int i = 0; i < 8; i++)
		drop(&chain[i]);
}

START_TEST(nested)
{
	chain_new();
	ck_assert_int_eq(watch(chain[0], rd), 0);
	ck_assert_int_eq(watch(chain[1], chain[0]), 0);
	ck_assert_int_eq(ctl(ADD, chain[1], 5, POLLIN), 0);
	ck_assert_int_eq(now(), 0);
	meanwhile(write_one);
	ck_assert_int_eq(epoll_collect(ep, got, 16, TIME_NEVER), 1);
	ck_assert_uint_eq(got[0].events, POLLIN);
	ck_assert_uint_eq(file_poll(chain[0], NULL), POLLIN | POLLRDNORM);
	take(1);
	ck_assert_int_eq(now(), 0);
	ck_assert_uint_eq(file_poll(chain[0], NULL), 0);
	chain_drop();
}
END_TEST

START_TEST(nesting_limits)
{
	chain_new();
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(watch(chain[i + 1], chain[i]), 0);
	ck_assert_int_eq(watch(chain[5], chain[4]), -ELOOP);
	ck_assert_int_eq(watch(chain[0], chain[4]), -ELOOP);
	ck_assert_int_eq(watch(chain[0], chain[1]), -ELOOP);
	ck_assert_int_eq(watch(chain[0], chain[6]), -ELOOP); /* six in a row, from below */
	ck_assert_int_eq(watch(chain[1], chain[6]), 0);
	chain_drop();
	chain_new();
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(watch(chain[i], chain[i + 1]), 0);
	ck_assert_int_eq(watch(chain[4], chain[5]), -ELOOP);
	chain_drop();
	/* Two chains of three are one of six. */
	chain_new();
	ck_assert_int_eq(watch(chain[0], chain[1]), 0);
	ck_assert_int_eq(watch(chain[1], chain[2]), 0);
	ck_assert_int_eq(watch(chain[3], chain[4]), 0);
	ck_assert_int_eq(watch(chain[4], chain[5]), 0);
	ck_assert_int_eq(watch(chain[2], chain[3]), -ELOOP);
	ck_assert_int_eq(watch(chain[2], chain[4]), 0);
	chain_drop();
}
END_TEST

START_TEST(inner_goes_away_first)
{
	chain_new();
	ck_assert_int_eq(watch(chain[0], ev), 0);
	ck_assert_int_eq(ctl(ADD, chain[0], 5, POLLIN), 0);
	write_event();
	ck_assert_int_eq(now(), 1);
	chain_drop();
	ck_assert_int_eq(now(), 0);
}
END_TEST

START_TEST(polled_by_poll)
{
	struct fdtable *saved = current_proc()->files;
	struct pollfd_k p = { 0, POLLIN, 0 };

	ck_assert_int_eq(fdtable_new(&current_proc()->files), 0);
	ck_assert_int_eq(fd_install(file_get(ep), 0, false), 0);
	ck_assert_int_eq(ctl(ADD, rd, 3, POLLIN), 0);
	ck_assert_int_eq(poll_fds(&p, 1, 0), 0);
	meanwhile(write_one);
	ck_assert_int_eq(poll_fds(&p, 1, TIME_NEVER), 1);
	fdtable_put(current_proc()->files);
	current_proc()->files = saved;
}
END_TEST

/* ---- many ---- */

#define MANY 10000

START_TEST(ten_thousand_files)
{
	struct file **f = calloc(MANY, sizeof(*f));

	for (int i = 0; i < MANY; i++) {
		ck_assert_int_eq(eventfd_new(0, 0, &f[i]), 0);
		ck_assert_int_eq(ctl(ADD, f[i], i, POLLIN), 0);
	}
	for (int i = 0; i < 200; i++) {
		int k = i * 7919 % MANY;

		ck_assert_int_eq(f_write(f[k], &(uint64_t){ 1 }, 8), 8);
		ck_assert_int_eq(now(), 1);
		ck_assert_uint_eq(got[0].data, (uint64_t)k + 100);
		ck_assert_int_eq(f_read(f[k], &(uint64_t){ 0 }, 8), 8);
		ck_assert_int_eq(now(), 0);
	}
	for (int i = 0; i < MANY; i++)
		file_put(f[i]);
	free(f);
}
END_TEST

START_TEST(shown_in_fdinfo)
{
	struct seqbuf b;

	ck_assert_int_eq(ctl(ADD, rd, 7, POLLIN | EPOLLET), 0);
	seqbuf_init(&b);
	ep->ops->fdinfo(ep, &b);
	seqbuf_put(&b, "", 1);
	ck_assert_msg(strstr(b.data, "tfd:        7 events: 80000019 data:               6b") != NULL, "%s", b.data);
	seqbuf_free(&b);
}
END_TEST

START_TEST(each_allocation_fails)
{
	struct file *tty_like, *w;

	ck_assert_int_eq(socket_pair(1, 1, 0, 0, &tty_like, &w), 0); /* has two queues, so a second hook is allocated */
	FAKE_EACH_FAILURE(n) {
		struct file *e;
		int r = epoll_new(0, &e);

		if (r) {
			ck_assert_int_eq(r, -ENOMEM);
			continue;
		}
		r = watch(e, tty_like);
		ck_assert(r == 0 || r == -ENOMEM);
		r = watch(e, rd);
		ck_assert(r == 0 || r == -ENOMEM);
		file_put(e);
		ck_assert(list_empty(&rd->epoll_items));
	}
	file_put(tty_like);
	file_put(w);
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("epoll", &tc, setup, teardown);

	tcase_add_test(tc, level_triggered);
	tcase_add_test(tc, edge_triggered);
	tcase_add_test(tc, one_shot);
	tcase_add_test(tc, hangups_and_errors_are_always_told);
	tcase_add_test(tc, control_errors);
	tcase_add_test(tc, modifying_looks_again);
	tcase_add_test(tc, exclusive);
	tcase_add_test(tc, waiting);
	tcase_add_test(tc, every_file_gets_its_turn);
	tcase_add_test(tc, closed_files_disappear);
	tcase_add_test(tc, nested);
	tcase_add_test(tc, nesting_limits);
	tcase_add_test(tc, inner_goes_away_first);
	tcase_add_test(tc, polled_by_poll);
	tcase_add_test(tc, ten_thousand_files);
	tcase_add_test(tc, shown_in_fdinfo);
	tcase_add_test(tc, each_allocation_fails);
	return s;
}
