/* Socket pairs: streams, records, flow control, closing, shutdown, passed files, options. */
#include "core/mm/slab.h"
#include "core/mm/space.h"
#include "core/net/unix.h"
#include "core/timer.h"
#include "shim/abi/ioctl.h"
#include "shim/abi/mman.h"
#include "shim/abi/socket.h"
#include "shim/abi/stat.h"
#include "tests/unit/filetest.h"

#define RAM (32ul << 20)
#define IN  (POLLIN | POLLRDNORM)
#define OUT (POLLOUT | POLLWRNORM | POLLWRBAND)
#define BUF 212992

static struct file *a, *b;
static char big[300000], buf[300000];

static void pair(int type)
{
	if (a)
		file_put(a);
	if (b)
		file_put(b);
	ck_assert_int_eq(socket_pair(AF_UNIX, type, 0, 0, &a, &b), 0);
}

static void setup(void)
{
	fake_boot(RAM);
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 13 + i / 253);
	a = b = NULL;
	pair(SOCK_STREAM);
}

static void drop(struct file **f)
{
	if (*f)
		file_put(*f);
	*f = NULL;
}

static void teardown(void)
{
	drop(&a);
	drop(&b);
	fake_check_leaks();
}

static long snd(struct file *f, const void *p, size_t n, int flags)
{
	struct uio u;

	uio_kernel(&u, (void *)p, n, false);
	return socket_of(f)->ops->send(f, &u, flags, NULL, NULL);
}

static unsigned out_flags;

static long rcv(struct file *f, void *p, size_t n, int flags)
{
	struct uio u;

	out_flags = 0;
	uio_kernel(&u, p, n, true);
	return socket_of(f)->ops->recv(f, &u, flags, &out_flags, NULL, NULL);
}

/* ---- streams ---- */

START_TEST(stream_has_no_boundaries)
{
	ck_assert_int_eq(f_write(a, "hello", 5), 5);
	ck_assert_int_eq(f_write(a, " world", 6), 6);
	ck_assert_int_eq(f_read(b, buf, 8), 8);
	ck_assert_int_eq(f_read(b, buf + 8, 100), 3);
	ck_assert_mem_eq(buf, "hello world", 11);
	ck_assert_int_eq(f_write(b, "back", 4), 4);
	ck_assert_int_eq(f_read(a, buf, 100), 4);
	ck_assert_int_eq(f_read(a, buf, 0), 0);
	ck_assert_int_eq(f_write(a, buf, 0), 0);
	ck_assert_int_eq(rcv(b, buf, 1, MSG_DONTWAIT), -EAGAIN);
}
END_TEST

START_TEST(stream_carries_a_lot)
{
	size_t sent = 0, got = 0;
	long r;

	a->flags |= O_NONBLOCK;
	b->flags |= O_NONBLOCK;
	while (got < sizeof(big)) {
		r = f_write(a, big + sent, sizeof(big) - sent);
		ck_assert(r > 0 || r == -EAGAIN || sent == sizeof(big));
		sent += (size_t)(r > 0 ? r : 0);
		r = f_read(b, buf + got, 70001);
		ck_assert_int_gt(r, 0);
		got += (size_t)r;
	}
	ck_assert_mem_eq(big, buf, sizeof(big));
}
END_TEST

START_TEST(stream_peek_and_waitall)
{
	f_write(a, "abcdef", 6);
	ck_assert_int_eq(rcv(b, buf, 4, MSG_PEEK), 4);
	ck_assert_int_eq(rcv(b, buf, 100, MSG_PEEK | MSG_TRUNC), 6);
	ck_assert_mem_eq(buf, "abcdef", 6);
	snd(a, big, 40000, 0); /* several messages */
	ck_assert_int_eq(rcv(b, buf, 50000, MSG_PEEK), 40006);
	ck_assert_mem_eq(buf + 6, big, 40000);
	ck_assert_int_eq(rcv(b, buf, 50000, MSG_WAITALL | MSG_DONTWAIT), 40006);
	ck_assert_int_eq(rcv(b, buf, 1, MSG_PEEK | MSG_DONTWAIT), -EAGAIN);
	ck_assert_int_eq(rcv(b, buf, 0, MSG_DONTWAIT), -EAGAIN);
}
END_TEST

static void write_two(void) { ck_assert_int_eq(f_write(a, "xy", 2), 2); }
static void drop_a(void) { drop(&a); }

START_TEST(stream_waits)
{
	meanwhile(write_two);
	ck_assert_int_eq(f_read(b, buf, 10), 2);
	f_write(a, "1", 1);
	meanwhile(write_two);
	ck_assert_int_eq(rcv(b, buf, 3, MSG_WAITALL), 3);
	ck_interrupted(f_read(b, buf, 10));
	f_write(a, "1", 1);
	meanwhile(drop_a);
	ck_assert_int_eq(rcv(b, buf, 3, MSG_WAITALL), 1);
	ck_assert_int_eq(f_read(b, buf, 10), 0);
}
END_TEST

static void read_all(void)
{
	b->flags |= O_NONBLOCK;
	while (f_read(b, buf, sizeof(buf)) > 0)
		;
	b->flags &= ~O_NONBLOCK;
}

static void drop_b(void) { drop(&b); }

START_TEST(sender_waits_for_room)
{
	a->flags |= O_NONBLOCK;
	ck_assert_int_gt(f_write(a, big, sizeof(big)), 150000);
	ck_assert_int_eq(f_write(a, big, 100), -EAGAIN);
	ck_assert_uint_eq(file_poll(a, NULL), 0);
	a->flags &= ~O_NONBLOCK;
	ck_interrupted(f_write(a, big, 100));
	meanwhile(read_all);
	ck_assert_int_eq(f_write(a, big, 100), 100);
	read_all();
	ck_assert_uint_eq(file_poll(a, NULL), OUT);
	snd(a, big, sizeof(big), MSG_DONTWAIT);
	meanwhile(drop_b);
	ck_assert_int_eq(f_write(a, big, 100), -EPIPE);
	ck_assert(took_signal(SIGPIPE));
}
END_TEST

START_TEST(timeouts)
{
	int64_t tv[2] = { 0, 20000 };
	uint64_t start = clock_mono();

	ck_assert_int_eq(socket_setsockopt(b, SOL_SOCKET, SO_RCVTIMEO, tv, sizeof(tv)), 0);
	ck_assert_int_eq(f_read(b, buf, 1), -EAGAIN);
	ck_assert_uint_eq(clock_mono(), start + 20 * NSEC_PER_MSEC);
	ck_assert_int_eq(socket_setsockopt(a, SOL_SOCKET, SO_SNDTIMEO, tv, sizeof(tv)), 0);
	snd(a, big, sizeof(big), MSG_DONTWAIT);
	ck_assert_int_eq(f_write(a, big, 1), -EAGAIN);
	ck_assert_uint_eq(clock_mono(), start + 40 * NSEC_PER_MSEC);
	tv[1] = 1000000;
	ck_assert_int_eq(socket_setsockopt(a, SOL_SOCKET, SO_SNDTIMEO, tv, sizeof(tv)), -EDOM);
}
END_TEST

START_TEST(peer_closes)
{
	f_write(a, "left", 4);
	drop(&a);
	ck_assert_uint_eq(file_poll(b, NULL), IN | OUT | POLLHUP | POLLRDHUP);
	ck_assert_int_eq(f_read(b, buf, 10), 4);
	ck_assert_int_eq(f_read(b, buf, 10), 0);
	ck_assert_int_eq(f_write(b, "x", 1), -EPIPE);
	ck_assert(took_signal(SIGPIPE));
	ck_assert_int_eq(snd(b, "x", 1, MSG_NOSIGNAL), -EPIPE);
	ck_assert(!took_signal(SIGPIPE));
}
END_TEST

START_TEST(peer_closes_without_reading)
{
	f_write(a, "lost", 4);
	drop(&b);
	ck_assert_uint_eq(file_poll(a, NULL), IN | OUT | POLLERR | POLLHUP | POLLRDHUP);
	ck_assert_int_eq(f_read(a, buf, 10), -ECONNRESET);
	ck_assert_int_eq(f_read(a, buf, 10), 0);
}
END_TEST

START_TEST(shutting_down)
{
	f_write(a, "last", 4);
	ck_assert_int_eq(socket_of(a)->ops->shutdown(a, 3), -EINVAL);
	ck_assert_int_eq(socket_of(a)->ops->shutdown(a, SHUT_WR), 0);
	ck_assert_int_eq(f_write(a, "x", 1), -EPIPE);
	ck_assert(took_signal(SIGPIPE));
	ck_assert_uint_eq(file_poll(b, NULL), IN | OUT | POLLRDHUP);
	ck_assert_int_eq(f_read(b, buf, 10), 4);
	ck_assert_int_eq(f_read(b, buf, 10), 0);
	ck_assert_int_eq(f_write(b, "still", 5), 5); /* the other way is open */
	ck_assert_int_eq(f_read(a, buf, 10), 5);
	ck_assert_int_eq(socket_of(a)->ops->shutdown(a, SHUT_RD), 0);
	ck_assert_uint_eq(file_poll(a, NULL) & POLLHUP, POLLHUP);
	ck_assert_int_eq(f_write(b, "x", 1), -EPIPE);
	ck_assert(took_signal(SIGPIPE));
}
END_TEST

/* ---- records ---- */

static void records(int type)
{
	pair(type);
	f_write(a, "abcdefghij", 10);
	f_write(a, "", 0);
	f_write(a, "second", 6);
	ck_assert_int_eq(rcv(b, buf, 4, MSG_PEEK), 4);
	ck_assert_uint_eq(out_flags, MSG_TRUNC);
	ck_assert_int_eq(rcv(b, buf, 4, MSG_PEEK | MSG_TRUNC), 10);
	ck_assert_int_eq(rcv(b, buf, 4, 0), 4);
	ck_assert_int_eq(rcv(b, buf, 10, 0), 0);
	ck_assert_uint_eq(out_flags, 0);
	ck_assert_int_eq(rcv(b, buf, 10, 0), 6);
	ck_assert_mem_eq(buf, "second", 6);
	ck_assert_int_eq(rcv(b, buf, 10, MSG_DONTWAIT), -EAGAIN);
	ck_assert_int_eq(snd(a, big, BUF - 31, 0), -EMSGSIZE);
	ck_assert_int_eq(snd(a, big, BUF - 32, 0), BUF - 32);
	ck_assert_int_eq(snd(a, big, 1, MSG_DONTWAIT), -EAGAIN);
	ck_assert_int_eq(rcv(b, buf, sizeof(buf), 0), BUF - 32);
	ck_assert_mem_eq(buf, big, BUF - 32);
}

START_TEST(seqpacket)
{
	records(SOCK_SEQPACKET);
	f_write(a, "x", 1);
	drop(&a);
	ck_assert_int_eq(f_read(b, buf, 2), 1);
	ck_assert_int_eq(f_read(b, buf, 2), 0);
	ck_assert_int_eq(f_write(b, "x", 1), -EPIPE);
	ck_assert(!took_signal(SIGPIPE)); /* streams only */
	ck_assert_uint_eq(file_poll(b, NULL), IN | OUT | POLLHUP | POLLRDHUP);
}
END_TEST

START_TEST(datagrams)
{
	records(SOCK_DGRAM);
	f_write(a, "x", 1);
	drop(&a);
	ck_assert_uint_eq(file_poll(b, NULL), IN | OUT);
	ck_assert_int_eq(f_write(b, "x", 1), -ECONNREFUSED);
	ck_assert_int_eq(f_write(b, "x", 1), -ENOTCONN);
	ck_assert_int_eq(rcv(b, buf, 2, MSG_DONTWAIT), -EAGAIN); /* disconnecting emptied the queue */
}
END_TEST

START_TEST(datagram_shutdown)
{
	pair(SOCK_DGRAM);
	ck_assert_int_eq(socket_of(a)->ops->shutdown(a, SHUT_RD), 0);
	ck_assert_int_eq(f_write(b, "x", 1), -EPIPE);
	ck_assert_int_eq(rcv(a, buf, 1, MSG_DONTWAIT), -EAGAIN);
	ck_assert_int_eq(rcv(a, buf, 1, 0), 0);
	ck_assert_int_eq(socket_of(a)->ops->shutdown(a, SHUT_WR), 0);
	ck_assert_int_eq(f_write(a, "x", 1), -EPIPE);
	ck_assert_int_eq(rcv(b, buf, 1, MSG_DONTWAIT), -EAGAIN);
}
END_TEST

/* ---- files in messages ---- */

static struct scm one_file(struct file *f)
{
	struct scm scm = { .files = kmalloc(sizeof(struct file *)), .nfiles = 1 };

	scm.files[0] = file_get(f);
	return scm;
}

static long snd_scm(struct file *f, const char *text, struct scm *scm)
{
	struct uio u;

	uio_kernel(&u, (void *)text, strlen(text), false);
	return socket_of(f)->ops->send(f, &u, 0, NULL, scm);
}

static long rcv_scm(struct file *f, size_t n, int flags, struct scm *scm)
{
	struct uio u;

	*scm = (struct scm){ 0 };
	out_flags = 0;
	uio_kernel(&u, buf, n, true);
	return socket_of(f)->ops->recv(f, &u, flags, &out_flags, NULL, scm);
}

START_TEST(files_travel)
{
	struct file *e;
	struct scm scm, got;

	ck_assert_int_eq(eventfd_new(7, 0, &e), 0);
	scm = one_file(e);
	f_write(a, "before", 6);
	ck_assert_int_eq(snd_scm(a, "with", &scm), 4);
	ck_assert_ptr_null(scm.files);
	f_write(a, "after", 5);
	file_put(e);
	/* Data before the file comes alone; the file comes with the first byte of its message. */
	ck_assert_int_eq(rcv_scm(b, 100, 0, &got), 6);
	ck_assert_uint_eq(got.nfiles, 0);
	ck_assert_int_eq(rcv_scm(b, 2, MSG_PEEK, &got), 2);
	ck_assert_uint_eq(got.nfiles, 1);
	scm_free(&got);
	ck_assert_int_eq(rcv_scm(b, 2, 0, &got), 2);
	ck_assert_uint_eq(got.nfiles, 1);
	ck_assert_int_eq(got.pid, current_proc()->pid);
	ck_assert_int_eq(f_read(got.files[0], &(uint64_t){ 0 }, 8), 8);
	scm_free(&got);
	ck_assert_int_eq(rcv_scm(b, 100, 0, &got), 7);
	ck_assert_uint_eq(got.nfiles, 0);
}
END_TEST

START_TEST(credentials_travel)
{
	struct scm scm = { .pid = 4711, .uid = 1, .gid = 2 }, got;

	ck_assert_int_eq(snd_scm(a, "a", &scm), 1);
	scm.pid = 0;
	ck_assert_int_eq(snd_scm(a, "b", &scm), 1);
	ck_assert_int_eq(socket_setsockopt(b, SOL_SOCKET, SO_PASSCRED, &(int){ 1 }, 4), 0);
	/* Who asks for them does not get the bytes of two senders in one. */
	ck_assert_int_eq(rcv_scm(b, 10, 0, &got), 1);
	ck_assert(got.pid == 4711 && got.uid == 1 && got.gid == 2);
	ck_assert_int_eq(rcv_scm(b, 10, 0, &got), 1);
	ck_assert(got.pid == current_proc()->pid && got.uid == 0);
}
END_TEST

START_TEST(files_nobody_takes_are_closed)
{
	struct file *e;
	struct scm scm;

	ck_assert_int_eq(eventfd_new(7, 0, &e), 0);
	scm = one_file(e);
	ck_assert_int_eq(snd_scm(a, "x", &scm), 1);
	ck_assert_uint_eq(e->refs, 2);
	ck_assert_int_eq(rcv(b, buf, 1, 0), 1);
	ck_assert_uint_eq(out_flags, MSG_CTRUNC);
	ck_assert_uint_eq(e->refs, 1);
	scm = one_file(e);
	ck_assert_int_eq(snd_scm(a, "x", &scm), 1);
	drop(&b);
	ck_assert_uint_eq(e->refs, 1);
	scm = one_file(e);
	ck_assert_int_eq(snd_scm(a, "x", &scm), -EPIPE);
	ck_assert(took_signal(SIGPIPE));
	ck_assert_uint_eq(scm.nfiles, 1); /* still the caller's */
	scm_free(&scm);
	file_put(e);
}
END_TEST

/* A chain of sockets, each in flight in the next one's queue, must not recurse when it is let go of. */
START_TEST(long_chain_of_sockets_in_flight)
{
	struct file *inner = NULL;

	for (unsigned i = 0; i < unit_rounds(20000); i++) {
		struct file *x, *y;

		ck_assert_int_eq(socket_pair(AF_UNIX, SOCK_DGRAM, 0, 0, &x, &y), 0);
		if (inner) {
			struct scm scm = one_file(inner);

			ck_assert_int_eq(snd_scm(x, "x", &scm), 1);
			file_put(inner);
		}
		file_put(x);
		inner = y;
	}
	file_put(inner);
}
END_TEST

/* ---- the rest ---- */

START_TEST(options)
{
	static const struct { int opt, value; bool settable; } plain[] = {
		{ SO_DOMAIN, AF_UNIX, false }, { SO_PROTOCOL, 0, false }, { SO_ACCEPTCONN, 0, false }, { SO_RCVLOWAT, 1, true },
		{ SO_KEEPALIVE, 0, true }, { SO_REUSEADDR, 0, true }, { SO_BROADCAST, 0, true }, { SO_PASSCRED, 1, true },
	};
	int64_t tv[2];
	int v = 0;
	unsigned len = 4;
	struct { int pid; uint32_t uid, gid; } cred;

	ck_assert_int_eq(socket_getsockopt(a, SOL_SOCKET, SO_TYPE, &v, &len), 0);
	ck_assert_int_eq(v, SOCK_STREAM);
	ck_assert_int_eq(socket_getsockopt(a, SOL_SOCKET, SO_SNDBUF, &v, &len), 0);
	ck_assert_int_eq(v, BUF);
	v = 5000;
	ck_assert_int_eq(socket_setsockopt(a, SOL_SOCKET, SO_SNDBUF, &v, 4), 0);
	socket_getsockopt(a, SOL_SOCKET, SO_SNDBUF, &v, &len);
	ck_assert_int_eq(v, 10000);
	v = 1;
	socket_setsockopt(a, SOL_SOCKET, SO_SNDBUF, &v, 4);
	socket_getsockopt(a, SOL_SOCKET, SO_SNDBUF, &v, &len);
	ck_assert_int_eq(v, 4608);
	v = 1;
	socket_setsockopt(a, SOL_SOCKET, SO_RCVBUF, &v, 4);
	socket_getsockopt(a, SOL_SOCKET, SO_RCVBUF, &v, &len);
	ck_assert_int_eq(v, 2304);
	v = 1;
	ck_assert_int_eq(socket_setsockopt(a, SOL_SOCKET, SO_PASSCRED, &v, 4), 0);
	ck_assert(socket_flag(socket_of(a), SO_PASSCRED));
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
		v = 77;
		len = 4;
		ck_assert_int_eq(socket_getsockopt(a, SOL_SOCKET, plain[i].opt, &v, &len), 0);
		ck_assert_int_eq(v, plain[i].value);
		v = 1;
		if (plain[i].settable)
			ck_assert_int_eq(socket_setsockopt(a, SOL_SOCKET, plain[i].opt, &v, 4), 0);
		else
			ck_assert_int_eq(socket_setsockopt(a, SOL_SOCKET, plain[i].opt, &v, 4), -ENOPROTOOPT);
	}
	tv[0] = 3;
	tv[1] = 5000;
	ck_assert_int_eq(socket_setsockopt(a, SOL_SOCKET, SO_RCVTIMEO, tv, 16), 0);
	memset(tv, 0, sizeof(tv));
	len = 16;
	ck_assert_int_eq(socket_getsockopt(a, SOL_SOCKET, SO_RCVTIMEO, tv, &len), 0);
	ck_assert(tv[0] == 3 && tv[1] == 5000 && len == 16);
	ck_assert_int_eq(socket_getsockopt(a, SOL_SOCKET, SO_SNDTIMEO, tv, &len), 0);
	ck_assert(tv[0] == 0 && tv[1] == 0);
	ck_assert_int_eq(socket_setsockopt(a, SOL_SOCKET, SO_SNDTIMEO, tv, 8), -EINVAL);
	len = 8;
	ck_assert_int_eq(socket_getsockopt(a, SOL_SOCKET, SO_LINGER, tv, &len), 0);
	f_write(b, "x", 1);
	drop(&a);
	len = 4;
	ck_assert_int_eq(socket_getsockopt(b, SOL_SOCKET, SO_ERROR, &v, &len), 0);
	ck_assert_int_eq(v, ECONNRESET);
	ck_assert_int_eq(socket_getsockopt(b, SOL_SOCKET, SO_ERROR, &v, &len), 0);
	ck_assert_int_eq(v, 0);
	pair(SOCK_STREAM);
	len = sizeof(cred);
	ck_assert_int_eq(socket_getsockopt(a, SOL_SOCKET, SO_PEERCRED, &cred, &len), 0);
	ck_assert_int_eq(cred.pid, current_proc()->pid);
	ck_assert_int_eq(socket_setsockopt(a, SOL_SOCKET, SO_SNDBUF, &v, 2), -EINVAL);
	ck_assert_int_eq(socket_setsockopt(a, SOL_SOCKET, 9999, &v, 4), -ENOPROTOOPT);
	ck_assert_int_eq(socket_getsockopt(a, SOL_SOCKET, 9999, &v, &len), -ENOPROTOOPT);
	ck_assert_int_eq(socket_getsockopt(a, 6, 1, &v, &len), -EOPNOTSUPP);
	ck_assert_int_eq(socket_setsockopt(a, 6, 1, &v, 4), -EOPNOTSUPP);
	len = 2;
	v = -1;
	ck_assert_int_eq(socket_getsockopt(a, SOL_SOCKET, SO_TYPE, &v, &len), 0);
	ck_assert_uint_eq(len, 2);
}
END_TEST

/* A byte of its own, and a mark that stops readers until they stand at it. */
START_TEST(urgent_bytes)
{
	int mark;

	ck_assert_int_eq(snd(a, "", 0, MSG_OOB), -EOPNOTSUPP);
	ck_assert_int_eq(rcv(b, buf, 1, MSG_OOB), -EINVAL);
	ck_assert_int_eq(snd(a, "abc", 3, MSG_OOB), 3);
	ck_assert_uint_eq(file_poll(b, NULL) & POLLPRI, POLLPRI);
	f_write(a, "de", 2);
	ck_assert_int_eq(rcv(b, buf, 10, MSG_PEEK), 2);
	ck_assert_int_eq(rcv(b, buf, 10, MSG_WAITALL), 2);
	ck_assert_int_eq(file_ioctl(b, SIOCATMARK, &mark), 0);
	ck_assert_int_eq(mark, 1);
	ck_assert_int_eq(rcv(b, buf, 10, MSG_OOB | MSG_PEEK), 1);
	ck_assert(buf[0] == 'c' && out_flags == MSG_OOB);
	ck_assert_int_eq(rcv(b, buf, 10, MSG_OOB), 1);
	ck_assert_int_eq(rcv(b, buf, 10, MSG_OOB), -EINVAL);
	ck_assert_uint_eq(file_poll(b, NULL) & POLLPRI, 0);
	ck_assert_int_eq(rcv(b, buf, 10, 0), 2);
	ck_assert(!memcmp(buf, "de", 2));
	/* Not taken, and not alone: dropped; alone and peeked at: nothing there. */
	snd(a, "x", 1, MSG_OOB);
	ck_assert_int_eq(rcv(b, buf, 10, MSG_PEEK | MSG_DONTWAIT), -EAGAIN);
	f_write(a, "y", 1);
	ck_assert_int_eq(rcv(b, buf, 10, 0), 1);
	ck_assert_int_eq(buf[0], 'y');
	/* Of two, the first is data.. */
	snd(a, "1", 1, MSG_OOB);
	snd(a, "2", 1, MSG_OOB);
	ck_assert_int_eq(rcv(b, buf, 10, 0), 1);
	ck_assert_int_eq(buf[0], '1');
}
END_TEST

START_TEST(names_and_errors)
{
	struct sockaddr_k name = { .family = 9 };
	struct uio u;
	int n;

	ck_assert_int_eq(socket_of(a)->ops->name(a, false, &name), 0);
	ck_assert(name.family == AF_UNIX && name.len == 2);
	ck_assert_int_eq(socket_of(a)->ops->name(a, true, &name), 0);
	ck_assert_uint_eq(name.len, 2);
	uio_kernel(&u, buf, 1, false);
	ck_assert_int_eq(socket_of(a)->ops->send(a, &u, 0, &name, NULL), -EISCONN);
	ck_assert(file_is_socket(a));
	ck_assert_uint_eq(a->inode->mode, S_IFSOCK | 0777);
	ck_assert_int_eq(file_seek(a, 0, SEEK_SET), -ESPIPE);
	f_write(a, "abc", 3);
	f_write(a, "def", 3);
	ck_assert_int_eq(file_ioctl(b, FIONREAD, &n), 0);
	ck_assert_int_eq(n, 6);
	ck_assert_int_eq(file_ioctl(a, TIOCOUTQ, &n), 0);
	ck_assert_int_gt(n, 0);
	ck_assert_int_eq(file_ioctl(a, TCGETS, buf), -ENOTTY);
	ck_assert_int_eq(socket_pair(AF_UNIX, 4, 0, 0, &(struct file *){ 0 }, &(struct file *){ 0 }), -ESOCKTNOSUPPORT);
	pair(SOCK_RAW); /* a datagram socket, as on Linux */
	f_write(a, "abc", 3);
	ck_assert_int_eq(f_read(b, buf, 2), 2);
	ck_assert_int_eq(rcv(b, buf, 2, MSG_DONTWAIT), -EAGAIN);
}
END_TEST

#define UBASE 0x10000000ul

START_TEST(bad_user_buffers)
{
	memcpy(fake_user_map(UBASE, 10), "0123456789", 10);
	ck_assert_int_eq(f_write_user(a, UBASE + 5, 10), -EFAULT);
	ck_assert_int_eq(f_write_user(a, UBASE, 10), 10);
	ck_assert_int_eq(f_read_user(b, 0, 10), -EFAULT);
	ck_assert_int_eq(f_read_user(b, UBASE + 6, 10), 4);
	ck_assert_int_eq(f_read(b, buf, 10), 6);
	pair(SOCK_DGRAM);
	ck_assert_int_eq(f_write_user(a, UBASE + 5, 10), -EFAULT);
	ck_assert_int_eq(rcv(b, buf, 1, MSG_DONTWAIT), -EAGAIN);
	f_write(a, "lost", 4);
	f_write(a, "next", 4);
	ck_assert_int_eq(f_read_user(b, UBASE + 8, 4), -EFAULT); /* takes the record with it, as on Linux */
	ck_assert_int_eq(f_read(b, buf, 10), 4);
	ck_assert_mem_eq(buf, "next", 4);
}

/* Records and streams into pages that must be faulted in. */
START_TEST(user_pages_are_faulted_in)
{
	struct space *s = fake_space();
	uptr_t at = UBASE;

	ck_assert_int_eq(space_mmap(s, UBASE, 64 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				    NULL, 0, NULL), (long)UBASE);
	for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++, at += 32 * PAGE_SIZE) {
		struct uio u;

		pair(type);
		ck_assert_int_eq(f_write(a, big, 9000), 9000);
		uio_user(&u, at + 100, 9000, true);
		ck_assert_int_eq(socket_of(b)->ops->recv(b, &u, MSG_PEEK, &out_flags, NULL, NULL), 9000);
		ck_assert_int_eq(f_read_user(b, at + 16 * PAGE_SIZE - 50, 9000), 9000);
		ck_assert_int_eq(copyin(buf, at + 16 * PAGE_SIZE - 50, 9000), 0);
		ck_assert_mem_eq(buf, big, 9000);
		ck_assert_int_eq(f_write_user(a, at + 24 * PAGE_SIZE - 1, 2), 2);
		ck_assert_int_eq(f_read(b, buf, 10), 2);
	}
	fake_space_drop();
}
END_TEST

START_TEST(each_allocation_fails)
{
	FAKE_EACH_FAILURE(n) {
		struct file *x, *y;
		long r = socket_pair(AF_UNIX, SOCK_STREAM, 0, 0, &x, &y);

		if (r) {
			ck_assert_int_eq(r, -ENOMEM);
			continue;
		}
		r = snd(x, big, 50000, MSG_DONTWAIT);
		ck_assert(r > 0 || r == -ENOMEM);
		file_put(x);
		file_put(y);
	}
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("unix", &tc, setup, teardown);

	tcase_add_test(tc, stream_has_no_boundaries);
	tcase_add_test(tc, stream_carries_a_lot);
	tcase_add_test(tc, stream_peek_and_waitall);
	tcase_add_test(tc, stream_waits);
	tcase_add_test(tc, sender_waits_for_room);
	tcase_add_test(tc, timeouts);
	tcase_add_test(tc, peer_closes);
	tcase_add_test(tc, peer_closes_without_reading);
	tcase_add_test(tc, shutting_down);
	tcase_add_test(tc, seqpacket);
	tcase_add_test(tc, datagrams);
	tcase_add_test(tc, datagram_shutdown);
	tcase_add_test(tc, files_travel);
	tcase_add_test(tc, credentials_travel);
	tcase_add_test(tc, files_nobody_takes_are_closed);
	tcase_add_test(tc, long_chain_of_sockets_in_flight);
	tcase_add_test(tc, options);
	tcase_add_test(tc, urgent_bytes);
	tcase_add_test(tc, names_and_errors);
	tcase_add_test(tc, bad_user_buffers);
	tcase_add_test(tc, user_pages_are_faulted_in);
	tcase_add_test(tc, each_allocation_fails);
	return s;
}
