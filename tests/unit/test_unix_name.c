/* Named AF_UNIX sockets: connections, sleepers, failures half-way, sockets that only messages hold. */
#include "core/net/socket.h"
#include "core/timer.h"
#include "shim/abi/poll.h"
#include "shim/abi/socket.h"
#include "tests/unit/fstest.h"
#include "tests/unit/filetest.h"

static struct file *server, *client, *accepted;

static void setup(void)
{
	fs_setup();
	server = client = accepted = NULL;
}

static void drop(struct file **f)
{
	if (*f)
		file_put(*f);
	*f = NULL;
}

static void teardown(void)
{
	drop(&server);
	drop(&client);
	drop(&accepted);
	fs_teardown();
}

static struct file *sock(int type)
{
	struct file *f;

	OK(socket_new(AF_UNIX, type, 0, O_NONBLOCK, &f));
	return f;
}

/* "@x" is the abstract name x. */
static struct sockaddr_k addr(const char *name)
{
	struct sockaddr_k a = { .len = 2 + (unsigned)strlen(name), .family = AF_UNIX };

	memcpy(a.data, name, strlen(name));
	if (*name == '@')
		a.data[0] = 0;
	return a;
}

static int bind_to(struct file *f, const char *name)
{
	struct sockaddr_k a = addr(name);

	return socket_of(f)->ops->bind(f, &a);
}

static int connect_to(struct file *f, const char *name)
{
	struct sockaddr_k a = addr(name);

	return socket_of(f)->ops->connect(f, &a);
}

static int listen_on(struct file *f, int n) { return socket_of(f)->ops->listen(f, n); }

static int accept_one(struct file **out)
{
	int r;

	drop(out);
	r = socket_of(server)->ops->accept(server, O_NONBLOCK, out);
	if (r)
		*out = NULL;
	return r;
}

static long send_to(struct file *f, const char *text, const char *name, struct file *passed)
{
	struct scm scm = { 0 };
	struct sockaddr_k a;
	struct uio u;
	long r;

	if (name)
		a = addr(name);
	if (passed) {
		scm.files = kmalloc(sizeof(*scm.files));
		if (!scm.files)
			return -ENOMEM;
		scm.files[0] = file_get(passed);
		scm.nfiles = 1;
	}
	uio_kernel(&u, (void *)text, strlen(text), false);
	r = socket_of(f)->ops->send(f, &u, 0, name ? &a : NULL, &scm);
	if (r < 0)
		scm_free(&scm);
	return r;
}

static void serve(int type, const char *name, int backlog)
{
	server = sock(type);
	OK(bind_to(server, name));
	OK(listen_on(server, backlog));
	client = sock(type);
}

START_TEST(a_connection)
{
	const int types[] = { SOCK_STREAM, SOCK_SEQPACKET };
	const char *names[] = { "/s", "@s" };
	char buf[8];

	for (int i = 0; i < 4; i++) {
		serve(types[i & 1], names[i >> 1], 0);
		ERR(EAGAIN, accept_one(&accepted));
		OK(connect_to(client, names[i >> 1]));
		ERR(EAGAIN, connect_to(client, names[i >> 1])); /* the backlog is looked at first */
		ck_assert_int_eq(send_to(client, "hello", NULL, NULL), 5);
		OK(accept_one(&accepted));
		ERR(EISCONN, connect_to(client, names[i >> 1]));
		ck_assert_int_eq(f_read(accepted, buf, 8), 5);
		drop(&server);
		ERR(ECONNREFUSED, connect_to(client, names[i >> 1]));
		drop(&client);
		ck_assert_int_eq(f_read(accepted, buf, 8), 0);
		drop(&accepted);
		if (i < 2)
			OK(t_unlink("/s"));
	}
}
END_TEST

START_TEST(rights_of_a_path)
{
	struct path p;

	serve(SOCK_STREAM, "/s", 5);
	OK(t_lookup("/s", &p));
	ck_assert_uint_eq(p.dentry->inode->mode, S_IFSOCK | 0755);
	path_put(&p);
	be(1000, 1000);
	ERR(EACCES, connect_to(client, "/s"));
	ERR(EACCES, bind_to(client, "/t"));
	be_root();
	OK(connect_to(client, "/s"));
}
END_TEST

/* The inode outlives its name, and the name its socket. */
START_TEST(names_and_inodes)
{
	serve(SOCK_STREAM, "/s", 5);
	OK(t_rename("/s", "/t"));
	OK(connect_to(client, "/t"));
	OK(t_unlink("/t"));
	OK(bind_to(client, "/s"));
	drop(&client);
	client = sock(SOCK_STREAM);
	ERR(ECONNREFUSED, connect_to(client, "/s"));
	ERR(EADDRINUSE, bind_to(client, "/s"));
}
END_TEST

static void accept_now(void) { OK(accept_one(&accepted)); }
static void end_server(void) { drop(&server); }
static struct file *third;

static void connect_third(void)
{
	third = sock(SOCK_STREAM);
	OK(connect_to(third, "@s"));
}

START_TEST(connect_and_accept_wait)
{
	struct file *second = sock(SOCK_STREAM);

	serve(SOCK_STREAM, "@s", 0);
	OK(connect_to(client, "@s"));
	ERR(EAGAIN, connect_to(second, "@s"));
	second->flags &= ~O_NONBLOCK;
	ck_interrupted(connect_to(second, "@s"));
	meanwhile(accept_now);
	OK(connect_to(second, "@s"));
	OK(accept_one(&accepted));
	server->flags &= ~O_NONBLOCK;
	ck_interrupted(accept_one(&accepted));
	meanwhile(connect_third);
	OK(accept_one(&accepted));
	drop(&accepted);
	ck_assert_int_eq(f_read(third, &(char){ 0 }, 1), 0);
	drop(&third);
	drop(&client);
	drop(&second);
	client = sock(SOCK_STREAM);
	second = sock(SOCK_STREAM);
	OK(connect_to(client, "@s"));
	second->flags &= ~O_NONBLOCK;
	meanwhile(end_server);
	ERR(ECONNREFUSED, connect_to(second, "@s"));
	ck_assert_int_eq(f_read(client, &(char){ 0 }, 1), -ECONNRESET); /* it was never accepted */
	drop(&second);
}
END_TEST

static void read_one(void) { ck_assert_int_eq(f_read(server, &(char){ 0 }, 1), 1); }

START_TEST(datagram_queue_fills)
{
	unsigned out = POLLOUT | POLLWRNORM | POLLWRBAND;
	struct file *other = sock(SOCK_DGRAM);
	int n = 0;

	server = sock(SOCK_DGRAM);
	client = sock(SOCK_DGRAM);
	accepted = sock(SOCK_DGRAM);
	OK(bind_to(server, "@d"));
	OK(connect_to(client, "@d"));
	OK(connect_to(accepted, "@d"));
	while (send_to(client, "x", NULL, NULL) == 1)
		n++;
	ck_assert_uint_eq(file_poll(client, NULL), 0); /* all that it may send is on its way */
	for (; n < 500; n++)
		ck_assert_int_eq(send_to(other, "x", "@d", NULL), 1);
	while (send_to(accepted, "x", NULL, NULL) == 1)
		n++;
	ck_assert_int_eq(n, 513); /* net.unix.max_dgram_qlen, and one */
	ck_assert_uint_eq(file_poll(accepted, NULL), 0);
	read_one();
	ck_assert_uint_eq(file_poll(accepted, NULL), out);
	ck_assert_int_eq(send_to(accepted, "x", "@d", NULL), 1);
	accepted->flags &= ~O_NONBLOCK;
	meanwhile(read_one);
	ck_assert_int_eq(send_to(accepted, "x", "@d", NULL), 1);
	meanwhile(end_server);
	ERR(ECONNREFUSED, send_to(accepted, "x", "@d", NULL));
	drop(&other);
}
END_TEST

START_TEST(sockets_that_only_messages_hold)
{
	struct file *a, *b, *c, *d;
	size_t before = file_count();

	OK(socket_pair(AF_UNIX, SOCK_STREAM, 0, O_NONBLOCK, &a, &b));
	ck_assert_int_eq(send_to(a, "x", NULL, b), 1); /* in its own queue */
	drop(&b);
	drop(&a);
	ck_assert_uint_eq(file_count(), before);
	OK(socket_pair(AF_UNIX, SOCK_DGRAM, 0, O_NONBLOCK, &a, &b));
	OK(socket_pair(AF_UNIX, SOCK_DGRAM, 0, O_NONBLOCK, &c, &d));
	ck_assert_int_eq(send_to(a, "x", NULL, d), 1); /* in each other's */
	ck_assert_int_eq(send_to(c, "x", NULL, b), 1);
	drop(&b);
	drop(&d);
	drop(&a);
	ck_assert_uint_eq(file_count(), before + 1); /* c can send, but nobody can read */
	drop(&c);
	serve(SOCK_STREAM, "@l", 5);
	OK(connect_to(client, "@l"));
	ck_assert_int_eq(send_to(client, "x", NULL, server), 1); /* with a connection not accepted yet */
	drop(&server);
	ck_assert_uint_eq(file_count(), before + 2);
	drop(&client);
	for (int i = 0; i < 20 && file_count() != before; i++) {
		a = sock(SOCK_STREAM);
		drop(&a);
	}
	ck_assert_uint_eq(file_count(), before);
}
END_TEST

START_TEST(automatic_names)
{
	struct sockaddr_k a = { .len = 2, .family = AF_UNIX }, n = { 0 };

	server = sock(SOCK_DGRAM);
	client = sock(SOCK_DGRAM);
	OK(socket_of(server)->ops->bind(server, &a));
	OK(socket_of(server)->ops->bind(server, &a));
	OK(socket_of(client)->ops->bind(client, &a));
	OK(socket_of(server)->ops->name(server, false, &n));
	ck_assert(n.len == 8 && n.data[0] == 0);
	OK(socket_of(client)->ops->connect(client, &n));
	a = n;
	OK(socket_of(client)->ops->name(client, false, &n));
	ck_assert(memcmp(a.data, n.data, 6) != 0);
}
END_TEST

START_TEST(each_allocation_fails)
{
	FAKE_EACH_FAILURE(n) {
		struct file *s = NULL, *c = NULL, *x = NULL;
		struct scm scm = { 0 };
		struct uio u;
		char buf[4];
		long r = socket_new(AF_UNIX, SOCK_STREAM, 0, O_NONBLOCK, &s);

		if (!r)
			r = bind_to(s, "/s");
		if (!r)
			r = listen_on(s, 1);
		if (!r)
			r = socket_new(AF_UNIX, SOCK_STREAM, 0, O_NONBLOCK, &c);
		if (!r)
			r = connect_to(c, "/s");
		if (!r)
			r = send_to(c, "x", NULL, s) == 1 ? 0 : -ENOMEM;
		if (!r)
			r = socket_of(s)->ops->accept(s, O_NONBLOCK, &x);
		if (!r) {
			uio_kernel(&u, buf, 4, true);
			r = socket_of(x)->ops->recv(x, &u, MSG_PEEK, &(unsigned){ 0 }, NULL, &scm);
			scm_free(&scm);
			r = r < 0 ? r : 0;
			file_put(x);
		}
		ck_assert(r == 0 || r == -ENOMEM);
		drop(&c);
		drop(&s);
		t_unlink("/s");
	}
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("unix_name", &tc, setup, teardown);

	tcase_add_test(tc, a_connection);
	tcase_add_test(tc, rights_of_a_path);
	tcase_add_test(tc, names_and_inodes);
	tcase_add_test(tc, connect_and_accept_wait);
	tcase_add_test(tc, datagram_queue_fills);
	tcase_add_test(tc, sockets_that_only_messages_hold);
	tcase_add_test(tc, automatic_names);
	tcase_add_test(tc, each_allocation_fails);
	return s;
}
