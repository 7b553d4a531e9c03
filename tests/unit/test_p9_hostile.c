/* The 9P client against servers that answer nonsense, allocations that fail, and the messages alone. */
#include "tests/unit/p9test.h"

/* ---- hostile servers ---- */

static unsigned spoil_at, spoil_how;
static bool spoil_hit;

static int spoil_byte(uint8_t *reply, size_t len, size_t max)
{
	static const uint8_t values[] = { 0x00, 0xff, 0x7f, 0x80 };

	if (spoil_at >= len)
		return (int)len;
	spoil_hit = true;
	switch (spoil_how) {
	case 4:
		return (int)spoil_at; /* cut */
	case 5:
		reply[spoil_at] ^= 1;
		break;
	case 6: { /* a field's worth of ones */
		for (size_t i = spoil_at; i < len && i < spoil_at + 4; i++)
			reply[i] = 0xff;
		break;
	}
	default:
		reply[spoil_at] = values[spoil_how];
	}
	return (int)len;
}

static void ignore(struct inode *i)
{
	if (i)
		inode_put(i);
}

static struct inode *try(struct inode *dir, const char *name)
{
	struct name n = name_make(name, strlen(name));
	struct inode *i = NULL;

	if (!dir || !dir->ops->lookup)
		return NULL;
	mutex_lock(&dir->lock);
	if (dir->ops->lookup(dir, &n, &i))
		i = NULL;
	mutex_unlock(&dir->lock);
	return i;
}

static void try_xattrs(struct inode *i)
{
	char buf[300];
	long n;

	if (i->ops->setxattr)
		(void)i->ops->setxattr(i, "user.a", "one", 3, 0);
	if (!i->ops->getxattr)
		return;
	(void)i->ops->getxattr(i, "user.a", buf, sizeof(buf));
	n = i->ops->getxattr(i, "", buf, sizeof(buf));
	ck_assert(n <= 0 || (n <= (long)sizeof(buf) && !buf[n - 1])); /* whoever goes through the names stops */
	if (i->ops->setxattr)
		(void)i->ops->setxattr(i, "user.a", NULL, 0, 0);
}

/* A bit of everything; whatever it answers, it must end, and leave nothing behind. */
static void scenario(bool readonly)
{
	struct listing l = { .c.pos = 2 };
	struct statfs_k st;
	struct inode *i, *j;
	char buf[300];

	if (p9_new("test", NULL, readonly, &super)) {
		super = NULL;
		return;
	}
	root = super->root->inode;
	i = try(root, "hello");
	if (i && i->ops->read_pages && i->size < (1ul << 40))
		(void)read_at(i, 0, buf, sizeof(buf));
	if (i && !readonly && S_ISREG(i->mode) && i->size < (1ul << 40)) {
		(void)write_at(i, 0, "x", 1);
		(void)pagecache_sync(&i->cache, 0, 1000);
		(void)i->ops->revalidate(i);
	}
	if (i)
		try_xattrs(i);
	ignore(i);
	i = try(root, "link");
	if (i && i->ops->readlink)
		(void)i->ops->readlink(i, buf, sizeof(buf));
	ignore(i);
	i = try(root, "dir");
	j = try(i, "a");
	ignore(j);
	ignore(i);
	(void)list_some(root, NULL, &l, 20);
	if (!readonly) {
		i = NULL;
		if (make(root, "new", S_IFREG | 0600, &i) == 0)
			(void)drop(root, "new", i);
		ignore(i);
	}
	(void)super->ops->statfs(super, &st);
	umount_it();
}

/* Every byte of every kind of reply, spoilt in seven ways (in one of them where that takes too long). */
START_TEST(spoilt_replies_do_no_harm)
{
	static const int types[] = {
		P9_TVERSION, P9_TATTACH, P9_TWALK, P9_TGETATTR, P9_TLOPEN, P9_TREAD, P9_TREADDIR, P9_TREADLINK,
		P9_TCLUNK, P9_TSTATFS, P9_TWRITE, P9_TLCREATE, P9_TUNLINKAT, P9_TXATTRWALK, P9_TXATTRCREATE,
	};

	for (spoil_how = 0; spoil_how < 7; spoil_how++) {
		spoil_hit = true;
		for (spoil_at = unit_slow() ? spoil_how : 0; spoil_hit && spoil_at < 400; spoil_at += unit_slow() ? 7 : 1) {
			server_stop();
			server_start();
			spoil = spoil_byte;
			spoil_type = types[_i];
			spoil_hit = false;
			scenario(true);
			server_stop();
			server_start();
			spoil = spoil_byte;
			spoil_type = types[_i];
			scenario(false);
		}
	}
	spoil = NULL;
}
END_TEST

static uint64_t noise_seed;

static int noise(uint8_t *reply, size_t len, size_t max)
{
	unsigned n = unit_random(&noise_seed) % 4;

	for (unsigned i = 0; i < n; i++)
		reply[unit_random(&noise_seed) % len] = (uint8_t)unit_random(&noise_seed);
	return (int)(unit_random(&noise_seed) % 16 ? len : unit_random(&noise_seed) % (max + 1));
}

START_TEST(noise_does_no_harm)
{
	noise_seed = 0x9876543 + (uint64_t)_i * 77;
	for (unsigned k = 0; k < unit_rounds(300); k++) {
		server_stop();
		server_start();
		spoil = noise;
		scenario(k & 1);
	}
}
END_TEST

START_TEST(directory_in_a_circle)
{
	struct inode *dir, *inner;

	/* The server says that dir/loop is dir itself, on a writable export, where names follow what was found. */
	mount_it(false);
	struct snode *d = sfind(sroot, "dir", 3), *c = snode_new(d, "loop", S_IFDIR | 0755);
	c->ino = d->ino;
	dir = get(root, "dir");
	inner = get(dir, "loop");
	ck_assert_ptr_eq(inner, dir);
	p9_fid_drop(p9_node_of(dir)->c, &p9_node_of(dir)->walk);
	ck_assert_int_eq(get_err(dir, "x"), -ENOENT);
	inode_put(inner);
	inode_put(dir);
}
END_TEST

START_TEST(each_allocation_failure_is_survived)
{
	FAKE_EACH_FAILURE(n) {
		server_stop();
		server_start();
		scenario(n & 1);
		ck_assert_uint_eq(server_fids(), 0);
	}
	FAKE_EACH_FAILURE(n) {
		server_stop();
		server_start();
		scenario(!(n & 1));
		ck_assert_uint_eq(server_fids(), 0);
	}
}
END_TEST

/* ---- messages alone ---- */

START_TEST(readers_stop_at_the_end)
{
	uint8_t b[4] = { 1, 2, 3, 4 };
	struct p9_in i;
	uint16_t len;

	p9_in_init(&i, b, 4);
	ck_assert_uint_eq(p9_get_u16(&i), 0x0201);
	ck_assert_uint_eq(p9_get_u32(&i), 0);
	ck_assert(i.bad);
	ck_assert_uint_eq(p9_get_u8(&i), 0);
	ck_assert(!p9_in_done(&i));
	uint8_t s[] = { 3, 0, 'a', 0, 'b' };
	p9_in_init(&i, s, sizeof(s));
	p9_get_str(&i, &len);
	ck_assert(i.bad); /* a NUL inside */
	ck_assert_uint_eq(len, 0);
}
END_TEST

START_TEST(writers_notice_overflow)
{
	uint8_t b[16];
	struct p9_out o;

	p9_out_begin(&o, b, sizeof(b), P9_TWALK, 7);
	p9_put_u64(&o, 1);
	ck_assert(!o.overflow);
	p9_put_u16(&o, 1);
	ck_assert(o.overflow);
	ck_assert(!p9_out_end(&o, 0));
	p9_out_begin(&o, b, sizeof(b), P9_TWALK, 7);
	p9_put_u8(&o, 9);
	ck_assert(p9_out_end(&o, 100));
	ck_assert_mem_eq(b, "\x6c\0\0\0\x6e\x07\0\x09", 8);
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("p9 hostile", &tc, setup, teardown);

	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc, spoilt_replies_do_no_harm, 0, 13);
	tcase_add_loop_test(tc, noise_does_no_harm, 0, 4);
	tcase_add_test(tc, directory_in_a_circle);
	tcase_add_test(tc, each_allocation_failure_is_survived);
	tcase_add_test(tc, readers_stop_at_the_end);
	tcase_add_test(tc, writers_notice_overflow);
	return s;
}
