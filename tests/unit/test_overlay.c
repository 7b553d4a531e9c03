/* The overlay over a tmpfs: the same random operations as on tmpfs, with a part of them done below before; identity of
 * files, whiteouts, page sharing, counting and saving of changes. */
#include "core/mm/pagecache.h"
#include "core/mm/space.h"
#include "tests/unit/fsmodel.h"

static struct super *lower, *overlay;

/* The lower tree is made as a root of its own first. */
static void below_begin(void)
{
	fake_boot(FS_RAM);
	OK(tmpfs_new(&lower, 0, 0755));
	fs_mount(lower);
}

/* The lower super changes hands: it is not mounted any more, and the overlay is. */
static void below_end(void)
{
	struct proc *p = current_proc();

	path_put(p->fs->root);
	path_put(p->fs->cwd);
	dcache_drop_super(lower);
	OK(overlay_new(mount_release_root(), &overlay));
	fs_mount(overlay);
}

static void setup(void) { below_begin(); }
static void teardown(void)
{
	if (!overlay)
		overlay = lower;
	fs_teardown();
	overlay = NULL;
}

/* Looks at the lower tree in place of the overlay. */
static void as_lower(void (*fn)(void))
{
	struct proc *p = current_proc();
	struct mount m = { .super = lower };
	struct path root = *p->fs->root, cwd = *p->fs->cwd;

	*p->fs->root = *p->fs->cwd = (struct path){ &m, lower->root };
	fn();
	*p->fs->root = root;
	*p->fs->cwd = cwd;
	dcache_drop_super(lower);
}

static struct m_node *frozen;

static void compare_frozen(void)
{
	struct m_node *now = m_root;

	m_root = frozen;
	m_compare_all();
	m_root = now;
}

static void clear_refs(struct m_node *n)
{
	if (!n)
		return;
	n->refs = 0;
	for (unsigned i = 0; i < M_NAMES; i++)
		clear_refs(n->child[i]);
}

START_TEST(random_operations)
{
	static struct m_node *seen[4096];
	unsigned nseen = 0;

	m_seed = 2862933555777941757ul + (uint64_t)_i * 104729;
	m_root = m_new('d');
	for (unsigned i = 0; i < 150; i++)
		m_step();
	m_compare_all();
	frozen = m_copy(m_root, seen, &nseen);
	clear_refs(m_root);
	clear_refs(frozen);
	below_end();
	m_compare_all(); /* numbers are the lower one's */
	for (unsigned i = 0; i < 500; i++) {
		m_step();
		if (i % 50 == 49)
			m_compare_all();
	}
	as_lower(compare_frozen);
	m_free(m_root);
	m_free(frozen);
}
END_TEST

static void make_lower(void)
{
	static char big[10 * 4096];

	OK(t_mkdir("/etc", 0755));
	OK(t_mkdir("/etc/sub", 0755));
	ck_assert_int_eq(t_write("/etc/conf", "lower", 0), 5);
	ck_assert_int_eq(t_write("/etc/sub/deep", "deep", 0), 4);
	OK(t_link("/etc/conf", "/etc/conf2"));
	OK(t_symlink("conf", "/etc/link"));
	OK(t_mknod("/etc/pipe", S_IFIFO | 0600, 0));
	memset(big, 'B', sizeof(big));
	struct file *f;

	OK(t_open("/big", O_RDWR | O_CREAT, 0644, &f));
	ck_assert_int_eq(f_pwrite(f, big, sizeof(big), 0), sizeof(big));
	file_put(f);
	OK(t_chown("/etc/conf", 7, 8));
}

START_TEST(identity)
{
	struct inode *i;
	struct file *f, *g;
	uint64_t ino;
	char buf[8];

	make_lower();
	ino = t_inode("/etc/conf")->ino;
	below_end();
	i = t_inode("/etc/conf");
	ck_assert_uint_eq(i->ino, ino);
	ck_assert_uint_eq(i->uid, 7);
	ck_assert_uint_eq(i->gid, 8);
	ck_assert(i->super == overlay);
	ck_assert(t_inode("/etc/conf2") == i);
	/* A file that was open before the first write sees it; number and links stay. */
	OK(t_open("/etc/conf", O_RDONLY, 0, &f));
	ck_assert_int_eq(t_write("/etc/conf2", "L", 0), 1);
	ck_assert_int_eq(f_pread(f, buf, 8, 0), 5);
	ck_assert(!memcmp(buf, "Lower", 5));
	fs_objects();
	ck_assert_str_eq(t_read("/etc/conf2"), "Lower");
	ck_assert_uint_eq(t_inode("/etc/conf")->ino, ino);
	/* Both names gone: the open file has its contents still. */
	OK(t_unlink("/etc/conf"));
	OK(t_open("/etc/conf2", O_RDONLY, 0, &g));
	OK(t_unlink("/etc/conf2"));
	ck_assert_uint_eq(f->inode->nlink, 0);
	ck_assert(f->inode == g->inode);
	ck_assert_int_eq(f_pread(g, buf, 8, 0), 5);
	file_put(f);
	file_put(g);
	ck_assert_str_eq(t_ls("/etc"), "link pipe sub");
	ck_assert_str_eq(t_read("/etc/link"), "E2");
}
END_TEST

START_TEST(whiteouts_and_opaque_directories)
{
	make_lower();
	below_end();
	ERR(ENOTEMPTY, t_rmdir("/etc"));
	OK(t_unlink("/etc/sub/deep"));
	OK(t_rmdir("/etc/sub"));
	ERR(ENOENT, t_rmdir("/etc/sub"));
	fs_objects();
	ck_assert_str_eq(t_ls("/etc"), "conf conf2 link pipe");
	OK(t_mkdir("/etc/sub", 0700));
	ck_assert_str_eq(t_ls("/etc/sub"), "");
	ck_assert_str_eq(t_ls("/etc"), "conf conf2 link pipe sub");
	OK(t_create("/etc/sub/deep"));
	ck_assert_str_eq(t_read("/etc/sub/deep"), "");
	fs_objects();
	ck_assert_str_eq(t_read("/etc/sub/deep"), "");
	ck_assert_uint_eq(t_inode("/etc")->nlink, 3);
	/* A file in place of a lower one, and gone again. */
	OK(t_unlink("/etc/conf"));
	ck_assert_int_eq(t_write("/etc/conf", "new", 0), 3);
	ck_assert_str_eq(t_read("/etc/conf2"), "lower");
	OK(t_unlink("/etc/conf"));
	ck_assert_str_eq(t_ls("/etc"), "conf2 link pipe sub");
}
END_TEST

START_TEST(moved_directory_keeps_its_contents)
{
	make_lower();
	below_end();
	OK(t_rename("/etc", "/usr"));
	fs_objects();
	ck_assert_str_eq(t_ls("/"), "big usr");
	ck_assert_str_eq(t_read("/usr/sub/deep"), "deep");
	ck_assert_str_eq(t_read("/usr/link"), "lower");
	OK(t_mkdir("/etc", 0755));
	ck_assert_str_eq(t_ls("/etc"), "");
	OK(t_rename("/usr/sub", "/etc/sub"));
	ck_assert_str_eq(t_read("/etc/sub/deep"), "deep");
	ck_assert_str_eq(t_ls("/usr"), "conf conf2 link pipe");
	ERR(EINVAL, t_rename("/etc", "/etc/sub/x"));
	ERR(ENOTEMPTY, t_rename("/usr", "/etc"));
	OK(t_rename2("/usr", "/etc", RENAME_EXCHANGE));
	ck_assert_str_eq(t_ls("/usr"), "sub");
	ck_assert_str_eq(t_read("/etc/link"), "lower");
}
END_TEST

START_TEST(only_written_pages_are_copied)
{
	struct page_stats before, after;
	struct inode *i;
	struct file *f;
	char buf[2];

	make_lower();
	below_end();
	OK(t_open("/big", O_RDWR, 0, &f));
	i = f->inode;
	ck_assert_uint_eq(i->cache.pages, 0);
	ck_assert_int_eq(f_pwrite(f, "x", 1, 5 * 4096 + 1), 1);
	ck_assert_uint_eq(i->cache.dirty, 1);
	/* Clean pages come and go. */
	ck_assert_int_eq(f_pread(f, buf, 2, 9 * 4096), 2);
	ck_assert(!memcmp(buf, "BB", 2));
	page_stats(&before);
	fs_objects();
	page_stats(&after);
	ck_assert_uint_eq(i->cache.pages, 1);
	ck_assert_uint_gt(after.free, before.free);
	ck_assert_int_eq(f_pread(f, buf, 2, 5 * 4096), 2);
	ck_assert(!memcmp(buf, "Bx", 2));
	/* What is cut off does not come back, neither as a page nor as the rest of one. */
	OK(vfs_truncate(i, 2 * 4096 + 100));
	OK(vfs_truncate(i, 10 * 4096));
	fs_objects();
	ck_assert_int_eq(f_pread(f, buf, 2, 2 * 4096 + 99), 2);
	ck_assert(buf[0] == 'B' && buf[1] == 0);
	ck_assert_int_eq(f_pread(f, buf, 2, 5 * 4096), 2);
	ck_assert(buf[0] == 0 && buf[1] == 0);
	ck_assert_int_eq(file_seek(f, 0, SEEK_HOLE), 3 * 4096);
	file_put(f);
}
END_TEST

START_TEST(special_objects)
{
	char buf[16];

	make_lower();
	below_end();
	ck_assert_int_eq(vfs_readlink(AT_FDCWD, "/etc/link", buf, sizeof(buf)), 4);
	ck_assert(!memcmp(buf, "conf", 4));
	ck_assert_int_eq(vfs_readlink(AT_FDCWD, "/etc/link", buf, 2), 2);
	ck_assert_uint_eq(t_inode("/etc/pipe")->mode, S_IFIFO | 0600);
	ERR(ENXIO, t_touch("/etc/pipe", O_WRONLY | O_NONBLOCK, 0));
	OK(t_mknod("/sock", S_IFSOCK | 0600, 0));
	ERR(ENXIO, t_touch("/sock", O_RDONLY, 0));
	OK(t_mknod("/null", S_IFCHR | 0666, DEV_MAKE(1, 3)));
	ck_assert_str_eq(t_read("/null"), "");
	OK(t_touch("/null", O_RDWR, 0));
}
END_TEST

START_TEST(changes_are_counted)
{
	uint64_t files, bytes;

	make_lower();
	below_end();
	ck_assert_str_eq(t_read("/etc/conf"), "lower");
	ck_assert_str_eq(t_ls("/etc"), "conf conf2 link pipe sub");
	OK(t_touch("/etc/conf", O_RDWR, 0));
	overlay_changes(overlay, &files, &bytes);
	ck_assert_uint_eq(files, 0);
	ck_assert_int_eq(t_write("/etc/conf", "x", 0), 1);
	overlay_changes(overlay, &files, &bytes);
	ck_assert_uint_eq(files, 1);
	ck_assert_uint_eq(bytes, 5);
	OK(t_mkdir("/tmp", 0755));
	overlay_changes(overlay, &files, &bytes);
	ck_assert_uint_eq(files, 2);
	ck_assert_int_eq(t_write("/tmp/new", "xyz", 0), 3);
	OK(t_unlink("/etc/link"));
	overlay_changes(overlay, &files, &bytes);
	ck_assert_uint_eq(files, 4);
	ck_assert_uint_eq(bytes, 8);
	OK(t_unlink("/tmp/new"));
	overlay_changes(overlay, &files, &bytes);
	ck_assert_uint_eq(files, 3);
	OK(t_chmod("/big", 0600));
	overlay_changes(overlay, &files, &bytes);
	ck_assert_uint_eq(files, 4);
}
END_TEST

START_TEST(mapped_file_is_not_forgotten)
{
	struct vma v = { .flags = VMA_SHARED };
	uint64_t files, bytes;
	struct page *p;
	struct file *f;

	make_lower();
	below_end();
	OK(t_open("/big", O_RDWR, 0, &f));
	OK(f->ops->mmap(f, &v));
	overlay_changes(overlay, &files, &bytes);
	ck_assert_uint_eq(files, 0);
	/* A store through the mapping. */
	OK(pagecache_get(&f->inode->cache, 3, &p));
	*(char *)page_va(p) = 'M';
	pagecache_dirty(p);
	page_put(p);
	overlay_changes(overlay, &files, &bytes);
	ck_assert_uint_eq(files, 1);
	ck_assert_uint_eq(bytes, 4096);
	file_put(f);
	fs_objects();
	OK(t_open("/big", O_RDONLY, 0, &f));
	char c;

	ck_assert_int_eq(f_pread(f, &c, 1, 3 * 4096), 1);
	ck_assert_int_eq(c, 'M');
	file_put(f);
}
END_TEST

/* ---- saving ---- */

static struct super *target;

static void save(void)
{
	struct mount m = { 0 };
	struct path to;

	if (!target)
		OK(tmpfs_new(&target, 0, 0755));
	m.super = target;
	to = (struct path){ &m, target->root };
	OK(overlay_save(overlay, &to));
}

static void look_at_target(void (*fn)(void))
{
	struct super *was = lower;

	lower = target;
	as_lower(fn);
	lower = was;
}

static void check_first_save(void)
{
	ck_assert_str_eq(t_ls("/"), ".wh.big etc moved new");
	ck_assert_str_eq(t_ls("/etc"), ".wh.link .wh.pipe .wh.sub conf conf2 p");
	ck_assert_str_eq(t_read("/etc/conf"), "xower");
	ck_assert(t_inode("/etc/conf") == t_inode("/etc/conf2"));
	ck_assert_uint_eq(t_inode("/etc/conf")->mode, S_IFREG | 0604);
	ck_assert_uint_eq(t_inode("/etc/conf")->uid, 7);
	ck_assert_uint_eq(t_inode("/etc/p")->mode, S_IFIFO | 0644);
	ck_assert_str_eq(t_ls("/moved"), "deep");
	ck_assert_str_eq(t_read("/moved/deep"), "deep");
	ck_assert_str_eq(t_read("/new"), "N");
	ck_assert_uint_eq(t_inode("/new")->size, 100000);
}

static void check_second_save(void)
{
	ck_assert_str_eq(t_ls("/"), "big etc moved new");
	ck_assert_str_eq(t_ls("/etc"), ".wh.link .wh.pipe conf conf2 p sub");
	ck_assert_str_eq(t_ls("/etc/sub"), ".wh..wh..opq x");
	ck_assert_str_eq(t_read("/big"), "small");
	ck_assert_str_eq(t_ls("/moved"), ".wh.deep");
}

START_TEST(saving)
{
	make_lower();
	below_end();
	ck_assert_int_eq(t_write("/etc/conf2", "x", 0), 1);
	OK(t_chmod("/etc/conf", 0604));
	ck_assert(t_inode("/etc/conf") == t_inode("/etc/conf2"));
	OK(t_unlink("/etc/link"));
	OK(t_unlink("/etc/pipe"));
	OK(t_mknod("/etc/p", S_IFIFO | 0644, 0));
	OK(t_rename("/etc/sub", "/moved"));
	ck_assert_int_eq(t_write("/new", "N", 0), 1);
	OK(t_truncate("/new", 100000));
	OK(t_unlink("/big"));
	save();
	look_at_target(check_first_save);
	/* Again, over what is there. */
	OK(t_mkdir("/etc/sub", 0755));
	OK(t_create("/etc/sub/x"));
	ck_assert_int_eq(t_write("/big", "small", 0), 5);
	OK(t_unlink("/moved/deep"));
	save();
	look_at_target(check_second_save);
	super_free(target);
	target = NULL;
}
END_TEST

/* ---- a lower file system that is no tmpfs ---- */

static unsigned lower_reads, lower_opens, lower_readlinks;
static int lower_read_error, lower_open_error;
static const struct inode_ops odd_dir_ops, odd_file_ops, odd_link_ops;

/* "file": 5 pages and a bit; "link": to "file"; "same": another file with the number of the first inode made above. */
static int odd_lookup(struct inode *dir, const struct name *n, struct inode **out)
{
	static const struct {
		const char *name;
		uint64_t ino;
		uint32_t mode;
		uint64_t size;
	} files[] = {
		{ "file", 10, S_IFREG | 0600, 5 * 4096 + 10 },
		{ "link", 11, S_IFLNK | 0777, 4 },
		{ "same", (1ul << 56) + 1, S_IFREG | 0644, 0 },
	};

	for (unsigned k = 0; k < ARRAY_SIZE(files); k++) {
		if (n->len != strlen(files[k].name) || memcmp(n->s, files[k].name, n->len))
			continue;
		*out = inode_find(dir->super, files[k].ino);
		if (!*out) {
			*out = inode_new(dir->super, files[k].ino, files[k].mode, true);
			if (!*out)
				return -ENOMEM;
			(*out)->ops = S_ISLNK(files[k].mode) ? &odd_link_ops : &odd_file_ops;
			(*out)->fops = S_ISREG(files[k].mode) ? &regular_file_ops : NULL;
			(*out)->size = files[k].size;
		}
		return 0;
	}
	return -ENOENT;
}

static int odd_read_pages(struct inode *i, struct page **pages, uint64_t index, unsigned n)
{
	lower_reads += n;
	for (unsigned k = 0; k < n; k++)
		memset(page_va(pages[k]), 'a' + (int)(index + k), 4096); /* beyond the end, too */
	return lower_read_error;
}

static int odd_open(struct inode *i, struct file *f)
{
	ck_assert(f->inode == i && f->flags == O_RDONLY);
	lower_opens++;
	return lower_open_error;
}

static int odd_readlink(struct inode *i, char *buf, size_t size)
{
	lower_readlinks++;
	memcpy(buf, "file", MIN(size, 4ul));
	return (int)MIN(size, 4ul);
}

static int odd_readdir(struct inode *dir, struct file *f, struct dir_ctx *c)
{
	ck_assert(f->inode == dir);
	if (c->pos == 2 && !dir_emit(c, "file", 4, 10, DT_REG, 7))
		return 0;
	if (c->pos == 7 && !dir_emit(c, "link", 4, 11, DT_LNK, 1000))
		return 0;
	if (c->pos == 1000)
		dir_emit(c, "same", 4, (1ul << 56) + 1, DT_REG, 1001);
	return 0;
}

static const struct inode_ops odd_dir_ops = { .lookup = odd_lookup, .readdir = odd_readdir };
static const struct inode_ops odd_file_ops = { .read_pages = odd_read_pages, .open = odd_open };
static const struct inode_ops odd_link_ops = { .readlink = odd_readlink };

static void odd_setup(void)
{
	struct inode *root;

	fake_boot(FS_RAM);
	lower_reads = lower_opens = lower_readlinks = 0;
	lower_read_error = lower_open_error = 0;
	lower = super_new("odd", NULL, 1);
	lower->evict_nosleep = true;
	root = inode_new(lower, 1, S_IFDIR | 0755, true);
	root->ops = &odd_dir_ops;
	root->nlink = 1; /* does not count its directories */
	lower->root = dentry_root(root);
	OK(overlay_new(lower, &overlay));
	fs_mount(overlay);
}

START_TEST(pages_come_from_below)
{
	struct file *f;
	struct inode *low;
	static char buf[8 * 4096];

	OK(t_open("/file", O_RDWR, 0, &f));
	ck_assert_uint_eq(lower_opens, 1);
	ck_assert_int_eq(f_pread(f, buf, sizeof(buf), 0), 5 * 4096 + 10);
	ck_assert(buf[0] == 'a' && buf[3 * 4096] == 'd' && buf[5 * 4096 + 9] == 'f');
	ck_assert_uint_eq(lower_reads, 6);
	low = inode_find(lower, 10);
	ck_assert_uint_eq(low->cache.pages, 0); /* not twice in memory */
	inode_put(low);
	/* What the lower page has beyond the file's end is not seen. */
	OK(vfs_truncate(f->inode, 8 * 4096));
	fs_objects();
	ck_assert_int_eq(f_pread(f, buf, sizeof(buf), 0), 8 * 4096);
	ck_assert(buf[5 * 4096 + 9] == 'f' && !buf[5 * 4096 + 10] && !buf[6 * 4096] && !buf[8 * 4096 - 1]);
	/* A hole in the middle hides what is below for good. */
	OK(vfs_fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096 - 1, 2 * 4096 + 2));
	fs_objects();
	ck_assert_int_eq(f_pread(f, buf, sizeof(buf), 0), 8 * 4096);
	ck_assert(buf[4094] == 'a' && !buf[4095] && !buf[4096] && !buf[3 * 4096] && buf[3 * 4096 + 1] == 'd');
	/* A hole to the end of what is below. */
	OK(vfs_fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4 * 4096, 4 * 4096));
	fs_objects();
	lower_reads = 0;
	ck_assert_int_eq(f_pread(f, buf, sizeof(buf), 0), 8 * 4096);
	ck_assert(buf[4 * 4096 - 1] == 'd' && !buf[4 * 4096] && !buf[5 * 4096]);
	ck_assert_uint_eq(lower_reads, 0); /* all that shows is our own now */
	ck_assert_int_eq(file_seek(f, 0, SEEK_HOLE), 4 * 4096);
	file_put(f);
}
END_TEST

START_TEST(errors_from_below)
{
	struct file *f;
	char c;

	lower_read_error = -EIO;
	OK(t_open("/file", O_RDWR, 0, &f));
	ERR(EIO, f_pread(f, &c, 1, 0));
	ERR(EIO, f_pwrite(f, "x", 1, 100)); /* the rest of the page is needed */
	lower_read_error = 0;
	ck_assert_int_eq(f_pread(f, &c, 1, 0), 1);
	file_put(f);
	lower_open_error = -EACCES;
	ERR(EACCES, t_touch("/file", O_RDONLY, 0));
	ERR(EACCES, t_touch("/file", O_RDWR, 0));
	OK(t_touch("/file", O_WRONLY, 0));
	OK(t_touch("/file", O_WRONLY | O_TRUNC, 0));
	OK(t_touch("/file", O_RDONLY, 0)); /* nothing of it is below any more */
}
END_TEST

START_TEST(links_are_read_once)
{
	char buf[8];

	ck_assert_int_eq(vfs_readlink(AT_FDCWD, "/link", buf, 2), 2);
	ck_assert_uint_eq(lower_readlinks, 1);
	OK(t_touch("/link", O_RDONLY, 0));
	OK(t_touch("/link", O_RDONLY, 0));
	ck_assert_int_eq(vfs_readlink(AT_FDCWD, "/link", buf, 8), 4);
	ck_assert_uint_eq(lower_readlinks, 2);
}
END_TEST

START_TEST(numbers_are_unique)
{
	struct t_entry e[8];
	struct file *f;
	uint64_t ino;

	OK(t_create("/new"));
	ino = t_inode("/new")->ino;
	ck_assert_uint_eq(ino, (1ul << 56) + 1);
	ck_assert_uint_ne(t_inode("/same")->ino, ino);
	OK(t_open("/", O_RDONLY, 0, &f));
	ck_assert_int_eq(t_readdir(f, e, 8), 6);
	for (unsigned i = 2; i < 6; i++) {
		char path[16];

		snprintf(path, sizeof(path), "/%s", e[i].name);
		ck_assert_uint_eq(t_inode(path)->ino, e[i].ino);
		/* Every position can be gone back to. */
		ck_assert_int_eq(file_seek(f, e[i].next, SEEK_SET), e[i].next);
		ck_assert_int_eq(t_readdir(f, &e[7], 1), i < 5);
		if (i < 5)
			ck_assert_str_eq(e[7].name, e[i + 1].name);
	}
	file_put(f);
	/* The root below has one link whatever is in it, and so it stays. */
	OK(t_mkdir("/d", 0755));
	ck_assert_uint_eq(t_inode("/")->nlink, 1);
	OK(t_rmdir("/d"));
	ck_assert_uint_eq(t_inode("/")->nlink, 1);
}
END_TEST

START_TEST(nameless_file)
{
	struct file *f;

	OK(t_open("/", O_TMPFILE | O_RDWR, 0600, &f));
	ck_assert_int_eq(f_pwrite(f, "x", 1, 0), 1);
	ck_assert_int_eq(fd_install(f, 3, false), 3);
	OK(vfs_link(3, "", AT_FDCWD, "/named", AT_EMPTY_PATH));
	OK(fd_close(3));
	ck_assert_str_eq(t_read("/named"), "x");
}
END_TEST

static void check_link(void)
{
	char buf[8];

	ck_assert_str_eq(t_ls("/"), ".wh.link l2 same");
	ck_assert_int_eq(vfs_readlink(AT_FDCWD, "/l2", buf, 8), 4);
	ck_assert_uint_eq(t_inode("/same")->mode, S_IFREG | 0600);
}

static void check_dir(void) { ck_assert(S_ISDIR(t_inode("/l2")->mode)); }

/* What was a link in an earlier save is a directory now, and the other way round. */
START_TEST(saving_over_something_else)
{
	OK(t_rename("/link", "/l2"));
	OK(t_chmod("/same", 0600));
	save();
	look_at_target(check_link);
	OK(t_unlink("/l2"));
	OK(t_mkdir("/l2", 0755));
	save();
	look_at_target(check_dir);
	OK(t_rmdir("/l2"));
	OK(t_symlink("file", "/l2"));
	save();
	look_at_target(check_link);
	super_free(target);
	target = NULL;
}
END_TEST

/* No allocation that fails leaves anything behind, except that something is not saved. */
START_TEST(saving_with_little_memory)
{
	size_t objects;
	bool failed = true;

	OK(t_rename("/link", "/l2"));
	OK(t_mkdir("/d", 0755));
	OK(t_link("/file", "/d/file"));
	ck_assert_int_eq(t_write("/file", "x", 0), 1);
	objects = fs_objects();
	for (unsigned n = 1; failed; n++) {
		struct mount m = { 0 };
		struct path to;
		int r;

		OK(tmpfs_new(&target, 0, 0755));
		m.super = target;
		to = (struct path){ &m, target->root };
		fake_fail_after(n);
		r = overlay_save(overlay, &to);
		failed = fake_failed();
		fake_fail_after(0);
		ck_assert(r == 0 || (failed && r == -ENOMEM));
		super_free(target);
		/* Links that were read are kept. */
		ck_assert_uint_le(fs_objects(), objects + 1);
	}
	target = NULL;
}
END_TEST

/* ---- allocations fail ---- */

static int scenario(void)
{
	struct file *f;
	long n;
	int r;

#define STEP(call) do { r = (call); if (r) return r; } while (0)
	STEP(t_open("/etc/conf", O_RDWR, 0, &f));
	n = f_pwrite(f, "X", 1, 0);
	file_put(f);
	if (n < 0)
		return (int)n;
	STEP(t_unlink("/etc/link"));
	STEP(t_mkdir("/etc/new", 0755));
	STEP(t_rename("/etc/sub", "/etc/new/a-longer-name-than-before"));
	STEP(t_unlink("/etc/new/a-longer-name-than-before/deep"));
	STEP(t_rmdir("/etc/new/a-longer-name-than-before"));
	STEP(t_rename2("/etc/new", "/etc/pipe", RENAME_EXCHANGE));
	STEP(t_link("/etc/conf", "/etc/conf3"));
	STEP(t_truncate("/big", 5000));
	return 0;
#undef STEP
}

START_TEST(failing_allocations)
{
	bool failed = true;
	unsigned n;

	for (n = 1; failed; n++) {
		int r;

		if (n > 1)
			below_begin();
		make_lower();
		below_end();
		fake_fail_after(n);
		r = scenario();
		failed = fake_failed();
		fake_fail_after(0);
		ck_assert_msg(r == 0 || (failed && r == -ENOMEM), "allocation %u: %d", n, r);
		if (failed)
			teardown();
	}
	ck_assert_uint_gt(n, 20);
}
END_TEST

START_TEST(new_fails_cleanly)
{
	bool failed = true;
	struct super *l, *s;
	size_t objects;
	int r;

	OK(tmpfs_new(&l, 0, 0755));
	objects = fs_objects();
	for (unsigned n = 1; failed; n++) {
		fake_fail_after(n);
		r = overlay_new(l, &s);
		failed = fake_failed();
		fake_fail_after(0);
		if (!r) {
			super_free(s);
			break;
		}
		ck_assert_int_eq(r, -ENOMEM);
		ck_assert_uint_eq(fs_objects(), objects);
	}
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("overlay", &tc, setup, teardown);

	tcase_add_loop_test(tc, random_operations, 0, 16);
	tcase_add_test(tc, identity);
	tcase_add_test(tc, whiteouts_and_opaque_directories);
	tcase_add_test(tc, moved_directory_keeps_its_contents);
	tcase_add_test(tc, only_written_pages_are_copied);
	tcase_add_test(tc, special_objects);
	tcase_add_test(tc, changes_are_counted);
	tcase_add_test(tc, mapped_file_is_not_forgotten);
	tcase_add_test(tc, saving);
	tcase_add_test(tc, failing_allocations);
	tcase_add_test(tc, new_fails_cleanly);
	tc = tcase_create("odd");
	tcase_add_checked_fixture(tc, odd_setup, teardown);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, pages_come_from_below);
	tcase_add_test(tc, errors_from_below);
	tcase_add_test(tc, links_are_read_once);
	tcase_add_test(tc, numbers_are_unique);
	tcase_add_test(tc, nameless_file);
	tcase_add_test(tc, saving_over_something_else);
	tcase_add_test(tc, saving_with_little_memory);
	return s;
}
