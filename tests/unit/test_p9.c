/* The 9P client and its file system against a server that does what the protocol says. */
#include "tests/unit/p9test.h"

/* ---- reading ---- */

START_TEST(mount_and_attributes)
{
	struct inode *i;

	mount_it(true);
	ck_assert(S_ISDIR(root->mode));
	ck_assert(super->flags & MS_RDONLY);
	i = get(root, "hello");
	ck_assert_uint_eq(i->mode, S_IFREG | 0644);
	ck_assert_uint_eq(i->size, 13);
	ck_assert_uint_eq(i->uid, 1000);
	ck_assert_uint_eq(i->gid, 100);
	ck_assert_uint_eq(i->nlink, 1);
	ck_assert_int_eq(i->mtime.sec, 1000);
	ck_assert_int_eq(i->mtime.nsec, 5);
	ck_assert_uint_eq(total_calls, 2); /* walk, getattr */
	inode_put(i);
	ck_assert_int_eq(get_err(root, "nothing"), -ENOENT);
	ck_assert_int_eq(p9_new("test", NULL, true, &super), -EBUSY);
	ck_assert_int_eq(p9_new("other", NULL, true, &super), -ENODEV);
}
END_TEST

START_TEST(files_are_read_in_batches)
{
	static uint8_t buf[sizeof(big)];
	struct inode *i;

	mount_it(true);
	i = get(root, "big");
	ck_assert_int_eq(read_at(i, 0, buf, sizeof(buf)), sizeof(buf));
	ck_assert_mem_eq(buf, big, sizeof(big));
	ck_assert_uint_le(counts[P9_TREAD], 3); /* 128 KiB each */
	ck_assert_uint_eq(counts[P9_TLOPEN], 1);
	ck_assert_uint_eq(counts[P9_TWALK], 1); /* the fid of the lookup was opened */
	inode_put(i);
	i = get(root, "empty");
	ck_assert_int_eq(read_at(i, 0, buf, 10), 0);
	inode_put(i);
}
END_TEST

START_TEST(small_messages_and_short_answers)
{
	static uint8_t buf[sizeof(big)];
	struct inode *i;

	server_msize = 8192;
	mount_it(true);
	i = get(root, "big");
	ck_assert_int_eq(read_at(i, 100, buf, sizeof(buf)), sizeof(big) - 100);
	ck_assert_mem_eq(buf, big + 100, sizeof(big) - 100);
	inode_put(i);
	umount_it();
	server_msize = 1u << 20;
	server_iounit = 5000; /* not a multiple of anything */
	mount_it(true);
	i = get(root, "big");
	memset(buf, 0, sizeof(buf));
	ck_assert_int_eq(read_at(i, 0, buf, sizeof(buf)), sizeof(big));
	ck_assert_mem_eq(buf, big, sizeof(big));
	pagecache_invalidate(&i->cache, 0, 1000, true);
	stingy = true;
	ck_assert_int_eq(read_at(i, 0, buf, 20000), 20000);
	ck_assert_mem_eq(buf, big, 20000);
	inode_put(i);
}
END_TEST

START_TEST(file_shorter_than_it_said_reads_as_zeroes)
{
	uint8_t buf[13];
	struct inode *i;

	mount_it(true);
	i = get(root, "hello");
	sfind(sroot, "hello", 5)->size = 5;
	ck_assert_int_eq(read_at(i, 0, buf, 13), 13);
	ck_assert_mem_eq(buf, "hello\0\0\0\0\0\0\0\0", 13);
	inode_put(i);
}
END_TEST

START_TEST(symlinks)
{
	char buf[64];
	struct inode *i;

	mount_it(true);
	i = get(root, "link");
	ck_assert_int_eq(i->ops->readlink(i, buf, sizeof(buf)), 10);
	ck_assert_mem_eq(buf, "dir/target", 10);
	ck_assert_str_eq(i->link, "dir/target"); /* the VFS does not ask again */
	ck_assert_int_eq(i->ops->readlink(i, buf, 3), 3);
	inode_put(i);
}
END_TEST

START_TEST(directories_are_listed_once_and_answer_lookups)
{
	struct listing l = { .c.pos = 2 };

	mount_it(true);
	ck_assert_int_eq(list_some(root, NULL, &l, 2), 0);
	ck_assert_uint_eq(l.n, 2);
	ck_assert_int_eq(list_some(root, NULL, &l, 100), 0);
	ck_assert_str_eq(l.names, "dir link empty big hello ");
	ck_assert_int_eq(list_some(root, NULL, &l, 100), 0);
	ck_assert_uint_eq(l.n, 5);
	ck_assert_uint_eq(counts[P9_TREADDIR], 2); /* the names, the end */
	total_calls = 0;
	ck_assert_int_eq(get_err(root, "absent"), -ENOENT);
	ck_assert_uint_eq(total_calls, 0);
	ck_assert_int_eq(get_err(root, "hello"), 0);
	ck_assert_uint_le(total_calls, 3);
}
END_TEST

START_TEST(many_misses_fetch_the_listing)
{
	char name[32];

	mount_it(true);
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "absent%d", i);
		ck_assert_int_eq(get_err(root, name), -ENOENT);
	}
	ck_assert_uint_le(total_calls, 15);
}
END_TEST

START_TEST(large_directories)
{
	static struct listing l = { .c.pos = 2 };
	struct snode *d = snode_new(sroot, "large", S_IFDIR | 0755);
	struct inode *dir;
	char name[64];

	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "entry-number-%d-of-a-large-directory", i);
		sfile(d, name, "", 0);
	}
	mount_it(true);
	dir = get(root, "large");
	struct listing count = { .c.pos = 2 };
	while (list_some(dir, NULL, &count, 50) == 0 && count.n % 50 == 0 && count.n < 3000)
		count.names[0] = 0;
	ck_assert_uint_eq(count.n, 3000);
	ck_assert_int_eq(get_err(dir, "entry-number-2999-of-a-large-directory"), 0);
	ck_assert_int_eq(get_err(dir, "entry-number-3000-of-a-large-directory"), -ENOENT);
	inode_put(dir);
	(void)l;
}
END_TEST

/* ---- fids ---- */

static struct inode *walk_down(int levels, struct inode **chain)
{
	struct inode *at = get(root, "dir");

	chain[0] = at;
	for (int i = 0; i < levels; i++) {
		char name[64];
		snprintf(name, sizeof(name), "level-%02d-with-a-rather-long-name-of-its-own", i);
		at = chain[i + 1] = get(at, name);
	}
	return at;
}

START_TEST(fids_are_bounded_and_come_back)
{
	struct inode *chain[41], *files[600], *bottom;
	char name[32], buf[32];

	for (int i = 0; i < 600; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		sfile(sroot, name, name, strlen(name));
	}
	mount_it(true);
	walk_down(40, chain);
	for (int i = 0; i < 600; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		files[i] = get(root, name);
		ck_assert_int_eq(read_at(files[i], 0, buf, sizeof(buf)), (long)strlen(name));
	}
	ck_assert_uint_le(server_fids(), P9_FID_SOFT + 8);
	/* All of the chain was given back; it is had again from the root, 16 names (or what fits) at a time. */
	counts[P9_TWALK] = 0;
	bottom = get(chain[40], "bottom");
	ck_assert_uint_le(counts[P9_TWALK], 5);
	ck_assert_int_eq(read_at(bottom, 0, buf, 9), 9);
	ck_assert_mem_eq(buf, "deep down", 9);
	inode_put(bottom);
	for (int i = 0; i < 600; i++) {
		pagecache_invalidate(&files[i]->cache, 0, 10, true);
		snprintf(name, sizeof(name), "f%d", i);
		ck_assert_int_eq(read_at(files[i], 0, buf, sizeof(buf)), (long)strlen(name));
		ck_assert_mem_eq(buf, name, strlen(name));
		inode_put(files[i]);
	}
	for (int i = 0; i <= 40; i++)
		inode_put(chain[i]);
}
END_TEST

START_TEST(nodes_outlive_the_inodes_on_the_way)
{
	struct inode *chain[41];
	char buf[16];
	struct inode *bottom;

	mount_it(true);
	walk_down(40, chain);
	bottom = get(chain[40], "bottom");
	for (int i = 0; i <= 40; i++)
		inode_put(chain[i]);
	ck_assert_uint_eq(server_fids(), 2);
	ck_assert_int_eq(read_at(bottom, 0, buf, 9), 9);
	p9_fid_drop(p9_node_of(bottom)->c, &p9_node_of(bottom)->rd);
	pagecache_invalidate(&bottom->cache, 0, 10, true);
	ck_assert_int_eq(read_at(bottom, 0, buf, 9), 9);
	inode_put(bottom);
}
END_TEST

START_TEST(another_file_under_the_same_name_is_stale)
{
	struct inode *i;
	char buf[16];

	mount_it(true);
	i = get(root, "hello");
	sfind(sroot, "hello", 5)->ino = 9999;
	p9_fid_drop(p9_node_of(i)->c, &p9_node_of(i)->walk);
	ck_assert_int_eq(read_at(i, 0, buf, 5), -ESTALE);
	inode_put(i);
}
END_TEST

/* ---- writing ---- */

START_TEST(write_goes_to_the_server_at_close)
{
	struct inode *i;
	struct file *f;

	mount_it(false);
	i = get(root, "hello");
	f = open_file(i, O_RDWR);
	ck_assert_int_eq(write_at(i, 7, "there", 5), 5);
	ck_assert_uint_eq(counts[P9_TWRITE], 0);
	ck_assert_int_eq(write_at(i, 12, " and more", 9), 9);
	close_file(f);
	ck_assert_uint_eq(counts[P9_TWRITE], 1);
	struct snode *s = sfind(sroot, "hello", 5);
	ck_assert_uint_eq(s->size, 21);
	ck_assert_mem_eq(s->data, "hello, there and more", 21);
	inode_put(i);
}
END_TEST

START_TEST(large_writes_with_short_answers)
{
	struct inode *i;
	struct snode *s;

	mount_it(false);
	stingy = true;
	ck_assert_int_eq(make(root, "new", S_IFREG | 0640, &i), 0);
	s = sfind(sroot, "new", 3);
	ck_assert_uint_eq(s->mode, S_IFREG | 0640);
	ck_assert_int_eq(write_at(i, 0, big, 50000), 50000);
	ck_assert_int_eq(i->ops->fsync(i, false), 0);
	ck_assert_uint_eq(s->size, 50000);
	ck_assert_mem_eq(s->data, big, 50000);
	ck_assert_uint_eq(counts[P9_TFSYNC], 1);
	inode_put(i);
}
END_TEST

START_TEST(write_errors_reach_the_writer)
{
	struct inode *i;

	mount_it(false);
	sfind(sroot, "hello", 5)->mode = S_IFREG | 0444;
	i = get(root, "hello");
	ck_assert_int_eq(write_at(i, 0, "x", 1), 1);
	ck_assert_int_eq(pagecache_sync(&i->cache, 0, 10), -EACCES);
	ck_assert_uint_eq(i->cache.dirty, 0);
	inode_put(i);
}
END_TEST

START_TEST(sizes_and_times_are_set_after_the_data)
{
	struct inode *i;
	struct snode *s;
	struct iattr a = { .valid = ATTR_MTIME, .mtime = { 77, 0 } };

	mount_it(false);
	i = get(root, "hello");
	s = sfind(sroot, "hello", 5);
	ck_assert_int_eq(write_at(i, 0, "H", 1), 1);
	mutex_lock(&i->lock);
	ck_assert_int_eq(i->ops->setattr(i, &a), 0);
	inode_apply(i, &a);
	mutex_unlock(&i->lock);
	ck_assert_uint_eq(s->mtime, 77);
	ck_assert_uint_eq(s->data[0], 'H');
	ck_assert_int_eq(set_size(i, 5), 0);
	ck_assert_uint_eq(s->size, 5);
	ck_assert_int_eq(set_size(i, 50), 0);
	ck_assert_uint_eq(s->size, 50);
	uint8_t buf[50];
	ck_assert_int_eq(read_at(i, 0, buf, 50), 50);
	ck_assert_mem_eq(buf, "Hello\0\0\0", 8);
	inode_put(i);
}
END_TEST

START_TEST(changes_at_the_host_are_seen_at_open)
{
	struct inode *i;
	struct snode *s = sfind(sroot, "hello", 5);
	char buf[32];

	mount_it(false);
	i = get(root, "hello");
	ck_assert_int_eq(read_at(i, 0, buf, 32), 13);
	memcpy(s->data, "HELLO", 5);
	s->version++;
	fake_time_advance(10 * NSEC_PER_MSEC);
	ck_assert_int_eq(i->ops->revalidate(i), 0);
	ck_assert_int_eq(read_at(i, 0, buf, 32), 13);
	ck_assert_mem_eq(buf, "HELLO", 5);
	sresize(s, 3);
	ck_assert_int_eq(i->ops->revalidate(i), 0);
	ck_assert_uint_eq(i->size, 3);
	ck_assert_int_eq(read_at(i, 0, buf, 32), 3);
	/* Nothing has changed: the pages stay. */
	unsigned n = counts[P9_TREAD];
	ck_assert_int_eq(i->ops->revalidate(i), 0);
	ck_assert_int_eq(read_at(i, 0, buf, 32), 3);
	ck_assert_uint_eq(counts[P9_TREAD], n);
	inode_put(i);
}
END_TEST

START_TEST(own_writes_do_not_drop_the_pages)
{
	struct inode *i;
	char buf[32];

	mount_it(false);
	i = get(root, "hello");
	ck_assert_int_eq(write_at(i, 13, "more", 4), 4);
	ck_assert_int_eq(i->ops->getattr(i), 0);
	ck_assert_uint_eq(i->size, 17); /* the server's 13 do not count yet */
	ck_assert_int_eq(pagecache_sync(&i->cache, 0, 10), 0);
	fake_time_advance(10 * NSEC_PER_MSEC);
	unsigned n = counts[P9_TREAD];
	ck_assert_int_eq(i->ops->revalidate(i), 0);
	ck_assert_uint_eq(i->size, 17);
	ck_assert_int_eq(read_at(i, 0, buf, 32), 17);
	ck_assert_mem_eq(buf, "hello, world\nmore", 17);
	ck_assert_uint_eq(counts[P9_TREAD], n);
	inode_put(i);
}
END_TEST

START_TEST(open_asks_the_server_where_it_may_refuse)
{
	struct inode *i;
	struct path p;
	struct file *f;

	sfind(sroot, "hello", 5)->mode = S_IFREG | 0200;
	mount_it(true);
	i = get(root, "hello");
	ck_assert_int_eq(path_anon(i, "x", &p), 0);
	ck_assert_int_eq(file_new_path(&p, O_RDONLY, &f), 0);
	path_put(&p);
	ck_assert_int_eq(i->ops->open(i, f), -EACCES);
	file_put(f);
	inode_put(i);
}
END_TEST

START_TEST(directories_the_host_hides)
{
	struct inode *i;
	struct path p;
	struct file *f;

	sfind(sroot, "dir", 3)->mode = S_IFDIR | 0300;
	mount_it(true);
	i = get(root, "dir");
	ck_assert_int_eq(path_anon(i, "x", &p), 0);
	ck_assert_int_eq(file_new_path(&p, O_RDONLY | O_DIRECTORY, &f), 0);
	path_put(&p);
	ck_assert_int_eq(i->ops->open(i, f), -EACCES);
	file_put(f);
	inode_put(i);
	/* Hidden from most, but not from us: the listing that was the proof is kept. */
	sfind(sroot, "dir", 3)->mode = S_IFDIR | 0700;
	umount_it();
	mount_it(true);
	i = get(root, "dir");
	f = open_file(i, O_RDONLY | O_DIRECTORY);
	struct listing l = { .c.pos = 2 };
	unsigned n = counts[P9_TREADDIR];
	ck_assert_int_eq(list_some(i, f, &l, 100), 0);
	ck_assert_uint_eq(l.n, 3);
	ck_assert_uint_eq(counts[P9_TREADDIR], n);
	close_file(f);
	inode_put(i);
}
END_TEST

/* ---- one file as the root ---- */

START_TEST(a_file_can_be_the_root)
{
	struct statfs_k st = { 0 };
	char buf[32];

	for (int readonly = 0; readonly < 2; readonly++) {
		ck_assert_int_eq(p9_new("test", "hello", readonly, &super), 0);
		root = super->root->inode;
		ck_assert_uint_eq(root->mode, S_IFREG | 0644);
		ck_assert(!root->ops->lookup && !root->ops->readdir);
		ck_assert_int_eq(read_at(root, 0, buf, 32), 13);
		ck_assert_mem_eq(buf, "hello, world\n", 13);
		ck_assert_int_eq(super->ops->statfs(super, &st), 0);
		if (readonly)
			continue;
		struct file *f = open_file(root, O_RDWR);
		ck_assert_int_eq(write_at(root, 0, "J", 1), 1);
		close_file(f);
		ck_assert_mem_eq(sfind(sroot, "hello", 5)->data, "Jello", 5);
		sfind(sroot, "hello", 5)->data[0] = 'h';
		umount_it();
	}
}
END_TEST

START_TEST(no_other_kind_of_root)
{
	static const struct {
		const char *name;
		int err;
	} cases[] = { { "missing", -ENOENT }, { "dir", -EINVAL }, { "link", -EINVAL } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ck_assert_int_eq(p9_new("test", cases[i].name, false, &super), cases[i].err);
		ck_assert_uint_eq(server_fids(), 0);
	}
	super = NULL;
	for (unsigned n = 1; super == NULL; n++) {
		fake_fail_after(n);
		if (p9_new("test", "hello", false, &super))
			super = NULL;
		fake_fail_after(0);
	}
}
END_TEST

START_TEST(a_mounted_file_is_its_name)
{
	struct snode *s;
	struct file *f;
	char buf[32];

	ck_assert_int_eq(p9_new("test", "hello", false, &super), 0);
	root = super->root->inode;
	f = open_file(root, O_RDONLY);
	ck_assert_int_eq(read_at(root, 0, buf, 32), 13);
	/* The host puts another file there: who has the old one open keeps it, and nobody gets a mixture. */
	sunlink(sfind(sroot, "hello", 5));
	s = sfile(sroot, "hello", "another", 7);
	fake_time_advance(10 * NSEC_PER_MSEC);
	pagecache_reclaim(1000);
	ck_assert_int_eq(read_at(root, 0, buf, 32), 13);
	ck_assert_mem_eq(buf, "hello, world\n", 13);
	close_file(f);
	ck_assert_int_eq(root->ops->revalidate(root), 0);
	ck_assert_uint_eq(root->ino, s->ino);
	ck_assert_uint_eq(root->size, 7);
	f = open_file(root, O_RDWR);
	ck_assert_int_eq(read_at(root, 0, buf, 32), 7);
	ck_assert_mem_eq(buf, "another", 7);
	ck_assert_int_eq(write_at(root, 0, "A", 1), 1);
	close_file(f);
	ck_assert_mem_eq(s->data, "Another", 7);
	/* Gone, and back. */
	sunlink(s);
	fake_time_advance(10 * NSEC_PER_MSEC);
	ck_assert_int_eq(root->ops->revalidate(root), -ESTALE);
	sfile(sroot, "hello", "third", 5);
	ck_assert_int_eq(root->ops->revalidate(root), 0);
	ck_assert_int_eq(read_at(root, 0, buf, 32), 5);
}
END_TEST

/* ---- names ---- */

START_TEST(names_can_be_made_and_removed)
{
	struct name n = name_make("sym", 3);
	struct inode *dir, *i;

	mount_it(false);
	ck_assert(super->no_dcache);
	ck_assert_int_eq(make(root, "newdir", S_IFDIR | 0700, &dir), 0);
	ck_assert(S_ISDIR(dir->mode));
	ck_assert_int_eq(make(root, "newdir", S_IFDIR | 0700, &i), -EEXIST);
	ck_assert_int_eq(make(dir, "fifo", S_IFIFO | 0600, &i), 0);
	ck_assert(S_ISFIFO(i->mode));
	ck_assert_int_eq(drop(root, "newdir", dir), -ENOTEMPTY);
	ck_assert_int_eq(drop(dir, "fifo", i), 0);
	ck_assert_uint_eq(i->nlink, 0);
	inode_put(i);
	ck_assert_int_eq(make(dir, "dev", S_IFCHR | 0600, &i), 0);
	ck_assert_uint_eq(i->rdev, DEV_MAKE(3, 4));
	ck_assert_int_eq(drop(dir, "dev", i), 0);
	inode_put(i);
	mutex_lock(&dir->lock);
	char target[PATH_MAX];
	memset(target, 't', sizeof(target) - 1);
	target[sizeof(target) - 1] = 0;
	ck_assert_int_eq(dir->ops->symlink(dir, &n, target, &i), 0);
	mutex_unlock(&dir->lock);
	char buf[PATH_MAX];
	ck_assert_int_eq(i->ops->readlink(i, buf, sizeof(buf)), PATH_MAX - 1);
	ck_assert_mem_eq(buf, target, PATH_MAX - 1);
	ck_assert_int_eq(drop(dir, "sym", i), 0);
	inode_put(i);
	ck_assert_int_eq(drop(root, "newdir", dir), 0);
	ck_assert_int_eq(make(dir, "late", S_IFREG | 0600, &i), -ENOENT);
	inode_put(dir);
	ck_assert_int_eq(get_err(root, "newdir"), -ENOENT);
}
END_TEST

/* The server makes files as uid 1000; we are root. */
START_TEST(new_files_belong_to_their_maker)
{
	static const uint32_t modes[] = { S_IFREG | 0600, S_IFDIR | 0700, S_IFIFO | 0600 };
	struct name n = name_make("sym", 3);
	struct inode *i;

	mount_it(false);
	for (int may = 1; may >= 0; may--) {
		server_may_give = may;
		for (unsigned k = 0; k < ARRAY_SIZE(modes); k++) {
			ck_assert_int_eq(make(root, may ? "given" : "kept", modes[k], &i), 0);
			ck_assert_uint_eq(i->uid, may ? 0 : 1000);
			ck_assert_int_eq(i->ops->getattr(i), 0);
			ck_assert_uint_eq(i->uid, may ? 0 : 1000); /* so says the server, too */
			ck_assert_int_eq(drop(root, may ? "given" : "kept", i), 0);
			inode_put(i);
		}
	}
	server_may_give = true;
	root->mode |= S_ISGID;
	ck_assert_int_eq(make(root, "grouped", S_IFREG | 0600, &i), 0);
	ck_assert_uint_eq(made_gid, root->gid);
	ck_assert_uint_ne(made_gid, 0);
	inode_put(i);
	ck_assert_int_eq(make(root, "groupdir", S_IFDIR | 0700, &i), 0);
	ck_assert_uint_eq(made_gid, root->gid);
	inode_put(i);
	mutex_lock(&root->lock);
	ck_assert_int_eq(root->ops->symlink(root, &n, "there", &i), 0);
	mutex_unlock(&root->lock);
	ck_assert_uint_eq(i->uid, 0);
	inode_put(i);
}
END_TEST

START_TEST(special_files_that_the_server_refuses)
{
	struct inode *i;

	mount_it(false);
	server_no_special = true;
	ck_assert_int_eq(make(root, "fifo", S_IFIFO | 0600, &i), -EPERM);
	ck_assert_int_eq(make(root, "new", S_IFDIR | 0700, &i), 0);
	inode_put(i);
}
END_TEST

/* Another directory may have got the name, and this server goes by names. */
START_TEST(removed_directories_have_nothing_in_them)
{
	struct listing l = { .n = 0 };
	struct name n = name_make("sym", 3);
	struct inode *dir, *again, *i;

	mount_it(false);
	ck_assert_int_eq(make(root, "gone", S_IFDIR | 0700, &dir), 0);
	ck_assert_int_eq(drop(root, "gone", dir), 0);
	ck_assert_int_eq(make(root, "gone", S_IFDIR | 0700, &again), 0);
	ck_assert_int_eq(make(again, "inside", S_IFREG | 0600, &i), 0);
	inode_put(i);
	ck_assert_int_eq(get_err(dir, "inside"), -ENOENT);
	ck_assert_int_eq(make(dir, "new", S_IFREG | 0600, &i), -ENOENT);
	ck_assert_int_eq(make(dir, "new", S_IFDIR | 0700, &i), -ENOENT);
	mutex_lock(&dir->lock);
	ck_assert_int_eq(dir->ops->symlink(dir, &n, "there", &i), -ENOENT);
	mutex_unlock(&dir->lock);
	ck_assert_int_eq(list_some(dir, NULL, &l, 10), -ENOENT);
	inode_put(again);
	inode_put(dir);
}
END_TEST

START_TEST(rename_takes_the_way_along)
{
	struct inode *dir, *a, *target;
	struct name on = name_make("dir", 3), nn = name_make("moved", 5);
	struct name na = name_make("a", 1), nh = name_make("hello", 5);
	char buf[16];

	mount_it(false);
	dir = get(root, "dir");
	a = get(dir, "a");
	mutex_lock(&root->lock);
	ck_assert_int_eq(root->ops->rename(root, &on, dir, root, &nn, NULL, 0), 0);
	mutex_unlock(&root->lock);
	/* Every fid is lost, and had again by the new names. */
	p9_fid_drop(p9_node_of(a)->c, &p9_node_of(a)->walk);
	p9_fid_drop(p9_node_of(a)->c, &p9_node_of(dir)->walk);
	ck_assert_int_eq(read_at(a, 0, buf, 16), 1);
	target = get(root, "hello");
	mutex_lock(&root->lock);
	ck_assert_int_eq(dir->ops->rename(dir, &na, a, root, &nh, target, 0), 0);
	mutex_unlock(&root->lock);
	ck_assert_uint_eq(target->nlink, 0);
	ck_assert_int_eq(get_err(dir, "a"), -ENOENT);
	struct inode *again = get(root, "hello");
	ck_assert_ptr_eq(again, a);
	inode_put(again);
	inode_put(target);
	inode_put(a);
	inode_put(dir);
}
END_TEST

static int exchange(struct inode *od, const char *o, struct inode *oi, struct inode *nd, const char *n, struct inode *ni)
{
	struct name on = name_make(o, strlen(o)), nn = name_make(n, strlen(n));

	return od->ops->rename(od, &on, oi, nd, &nn, ni, RENAME_EXCHANGE);
}

START_TEST(two_names_change_places)
{
	struct inode *dir, *a, *hello, *again;
	char buf[32];

	mount_it(false);
	dir = get(root, "dir");
	a = get(dir, "a");
	hello = get(root, "hello");
	ck_assert_int_eq(exchange(root, "hello", hello, dir, "a", a), 0);
	for (unsigned n = 1; n <= 3; n++) { /* whichever rename fails, nothing has changed and no other name is left */
		refuse_rename = n;
		ck_assert_int_eq(exchange(root, "hello", a, dir, "a", hello), -EIO);
		refuse_rename = 0;
	}
	for (struct snode *n = sroot->children; n; n = n->next)
		ck_assert(strncmp(n->name, ".doppel", 7));
	ck_assert_uint_eq(a->nlink, 1);
	ck_assert_uint_eq(hello->nlink, 1);
	ck_assert_ptr_eq(again = get(root, "hello"), a);
	inode_put(again);
	ck_assert_ptr_eq(again = get(dir, "a"), hello);
	inode_put(again);
	/* The new ways are known. */
	p9_fid_drop(p9_node_of(a)->c, &p9_node_of(a)->walk);
	p9_fid_drop(p9_node_of(a)->c, &p9_node_of(hello)->walk);
	ck_assert_int_eq(read_at(a, 0, buf, 16), 1);
	ck_assert_int_eq(read_at(hello, 0, buf, 16), 13);
	inode_put(hello);
	inode_put(a);
	inode_put(dir);
}
END_TEST

START_TEST(files_without_a_name)
{
	struct inode *i;
	struct file *f;
	char buf[16];

	mount_it(false);
	ck_assert_int_eq(root->ops->tmpfile(root, S_IFREG | 0600, true, &i), -EOPNOTSUPP);
	ck_assert_int_eq(root->ops->tmpfile(root, S_IFREG | 0400, false, &i), 0);
	for (struct snode *n = sroot->children; n; n = n->next)
		ck_assert(strncmp(n->name, ".doppel", 7));
	ck_assert_uint_eq(i->nlink, 0);
	f = open_file(i, O_RDWR);
	ck_assert_int_eq(write_at(i, 0, "0123", 4), 4);
	ck_assert_int_eq(pagecache_sync(&i->cache, 0, 10), 0);
	pagecache_reclaim(1000);
	ck_assert_int_eq(read_at(i, 0, buf, 16), 4);
	ck_assert_mem_eq(buf, "0123", 4);
	ck_assert_int_eq(set_size(i, 2), 0);
	ck_assert_int_eq(read_at(i, 0, buf, 16), 2);
	close_file(f);
	inode_put(i);
}
END_TEST

START_TEST(open_files_survive_their_names)
{
	struct inode *i;
	struct file *f;
	char buf[64];

	mount_it(false);
	i = get(root, "hello");
	f = open_file(i, O_RDONLY); /* nothing read yet */
	ck_assert_int_eq(drop(root, "hello", i), 0);
	ck_assert_int_eq(read_at(i, 0, buf, 64), 13);
	ck_assert_mem_eq(buf, "hello, world\n", 13);
	ck_assert_int_eq(i->ops->getattr(i), 0);
	ck_assert_uint_eq(i->nlink, 0);
	close_file(f);
	inode_put(i);

	ck_assert_int_eq(make(root, "tmp", S_IFREG | 0600, &i), 0);
	f = open_file(i, O_RDWR);
	ck_assert_int_eq(write_at(i, 0, "0123456789", 10), 10);
	ck_assert_int_eq(pagecache_sync(&i->cache, 0, 10), 0);
	ck_assert_int_eq(drop(root, "tmp", i), 0);
	ck_assert_int_eq(write_at(i, 4, "x", 1), 1);
	ck_assert_int_eq(pagecache_sync(&i->cache, 0, 10), 0);
	/* The server cannot cut it any more. */
	ck_assert_int_eq(set_size(i, 6), 0);
	ck_assert_int_eq(set_size(i, 12), 0);
	pagecache_reclaim(1000);
	ck_assert_int_eq(read_at(i, 0, buf, 64), 12);
	ck_assert_mem_eq(buf, "0123x5\0\0\0\0\0\0", 12);
	ck_assert_int_eq(write_at(i, 8, "end", 3), 3);
	pagecache_reclaim(1000);
	ck_assert_int_eq(read_at(i, 0, buf, 64), 12);
	ck_assert_mem_eq(buf, "0123x5\0\0end\0", 12);
	close_file(f);
	inode_put(i);
}
END_TEST

START_TEST(a_reused_number_is_another_file)
{
	struct inode *i, *j;
	struct snode *s = sfind(sroot, "hello", 5);
	uint64_t ino = s->ino;

	mount_it(false);
	i = get(root, "hello");
	sunlink(s);
	s = snode_new(sroot, "hello", S_IFDIR | 0755);
	s->ino = ino;
	j = get(root, "hello");
	ck_assert_ptr_ne(i, j);
	ck_assert(S_ISDIR(j->mode));
	inode_put(i);
	inode_put(j);
}
END_TEST

START_TEST(extended_attributes)
{
	static char big_value[8000], buf[9000];
	struct inode *i;

	memset(big_value, 'v', sizeof(big_value));
	mount_it(false);
	for (int round = 0; round < 2; round++) {
		const char *where = round ? "dir" : "hello";

		stingy = round;
		i = get(root, where);
		mutex_lock(&i->lock);
		ck_assert_int_eq(i->ops->getxattr(i, "", buf, sizeof(buf)), 0);
		ck_assert_int_eq(i->ops->getxattr(i, "user.a", buf, sizeof(buf)), -ENODATA);
		ck_assert_int_eq(i->ops->setxattr(i, "user.a", "one", 3, 0), 0);
		ck_assert_int_eq(i->ops->setxattr(i, "user.a", "one", 3, 1), -EEXIST);
		ck_assert_int_eq(i->ops->setxattr(i, "user.b", "two", 3, 2), -ENODATA);
		ck_assert_int_eq(i->ops->setxattr(i, "user.big", big_value, sizeof(big_value), 0), 0);
		ck_assert_int_eq(i->ops->setxattr(i, "user.big", big_value, 10000, 0), -ENOSPC);
		ck_assert_int_eq(i->ops->setxattr(i, "user.b", "", 0, 0), -EOPNOTSUPP); /* no such message */
		ck_assert_int_eq(i->ops->getxattr(i, "user.a", NULL, 0), 3);
		ck_assert_int_eq(i->ops->getxattr(i, "user.a", buf, 2), -ERANGE);
		ck_assert_int_eq(i->ops->getxattr(i, "user.a", buf, 3), 3);
		ck_assert_mem_eq(buf, "one", 3);
		ck_assert_int_eq(i->ops->getxattr(i, "user.big", buf, sizeof(buf)), sizeof(big_value));
		ck_assert_mem_eq(buf, big_value, sizeof(big_value));
		ck_assert_int_eq(i->ops->getxattr(i, "", buf, sizeof(buf)), sizeof("user.a") + sizeof("user.big"));
		ck_assert_str_eq(buf, "user.a");
		ck_assert_int_eq(i->ops->setxattr(i, "user.a", NULL, 0, 0), 0);
		ck_assert_int_eq(i->ops->setxattr(i, "user.a", NULL, 0, 0), -ENODATA);
		ck_assert_int_eq(i->ops->getxattr(i, "", NULL, 0), sizeof("user.big"));
		mutex_unlock(&i->lock);
		inode_put(i);
	}
}
END_TEST

START_TEST(statfs_passes_through)
{
	struct statfs_k st = { 0 };

	mount_it(true);
	ck_assert_int_eq(super->ops->statfs(super, &st), 0);
	ck_assert_uint_eq(st.type, 0xef53);
	ck_assert_uint_eq(st.blocks, 100);
	ck_assert_uint_eq(st.ffree, 500);
	ck_assert_uint_eq(st.namelen, 255);
}
END_TEST

START_TEST(replies_that_come_later)
{
	struct inode *i;
	char buf[16];

	fake_9p("test", server, true);
	mount_it(false);
	i = get(root, "hello");
	ck_assert_int_eq(read_at(i, 0, buf, 16), 13);
	ck_assert_int_eq(write_at(i, 0, "J", 1), 1);
	ck_assert_int_eq(pagecache_sync(&i->cache, 0, 1), 0);
	inode_put(i);
	ck_assert_uint_eq(get_err(root, "none"), -ENOENT);
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("p9", &tc, setup, teardown);

	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, mount_and_attributes);
	tcase_add_test(tc, files_are_read_in_batches);
	tcase_add_test(tc, small_messages_and_short_answers);
	tcase_add_test(tc, file_shorter_than_it_said_reads_as_zeroes);
	tcase_add_test(tc, symlinks);
	tcase_add_test(tc, directories_are_listed_once_and_answer_lookups);
	tcase_add_test(tc, many_misses_fetch_the_listing);
	tcase_add_test(tc, large_directories);
	tcase_add_test(tc, fids_are_bounded_and_come_back);
	tcase_add_test(tc, nodes_outlive_the_inodes_on_the_way);
	tcase_add_test(tc, another_file_under_the_same_name_is_stale);
	tcase_add_test(tc, write_goes_to_the_server_at_close);
	tcase_add_test(tc, large_writes_with_short_answers);
	tcase_add_test(tc, write_errors_reach_the_writer);
	tcase_add_test(tc, sizes_and_times_are_set_after_the_data);
	tcase_add_test(tc, changes_at_the_host_are_seen_at_open);
	tcase_add_test(tc, own_writes_do_not_drop_the_pages);
	tcase_add_test(tc, open_asks_the_server_where_it_may_refuse);
	tcase_add_test(tc, directories_the_host_hides);
	tcase_add_test(tc, a_file_can_be_the_root);
	tcase_add_test(tc, no_other_kind_of_root);
	tcase_add_test(tc, a_mounted_file_is_its_name);
	tcase_add_test(tc, names_can_be_made_and_removed);
	tcase_add_test(tc, removed_directories_have_nothing_in_them);
	tcase_add_test(tc, new_files_belong_to_their_maker);
	tcase_add_test(tc, special_files_that_the_server_refuses);
	tcase_add_test(tc, rename_takes_the_way_along);
	tcase_add_test(tc, two_names_change_places);
	tcase_add_test(tc, files_without_a_name);
	tcase_add_test(tc, open_files_survive_their_names);
	tcase_add_test(tc, a_reused_number_is_another_file);
	tcase_add_test(tc, extended_attributes);
	tcase_add_test(tc, statfs_passes_through);
	tcase_add_test(tc, replies_that_come_later);
	return s;
}
