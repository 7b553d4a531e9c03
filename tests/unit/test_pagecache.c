/* The page cache: against a model file system whose backing store is an array and whose transfers can be watched,
 * made to fail, or interrupted by other work. */
#include <string.h>

#include "core/fs/vfs.h"
#include "core/mm/page.h"
#include "core/mm/pagecache.h"
#include "core/mm/slab.h"
#include "core/mm/uio.h"
#include "shim/abi/errno.h"
#include "shim/abi/stat.h"
#include "tests/unit/unit.h"

#define RAM       (4ul << 20)
#define FILE_MAX  (512 * 1024)
#define USER_BUF  0x100000ul

static uint8_t disk[FILE_MAX];       /* what the file system has */
static uint64_t disk_size;
static unsigned reads, writes, pages_read, pages_written;
static uint64_t last_index;
static unsigned last_n;
static int read_error, write_error;
static uint64_t bad_page = UINT64_MAX; /* reading it fails */
static void (*during_read)(void), (*during_write)(void);

static int model_read(struct inode *inode, struct page **pages, uint64_t index, unsigned n)
{
	reads++;
	pages_read += n;
	last_index = index;
	last_n = n;
	ck_assert_uint_le(n, PAGECACHE_BATCH);
	if (during_read) {
		void (*fn)(void) = during_read;
		during_read = NULL;
		fn();
	}
	if (read_error || (bad_page >= index && bad_page < index + n))
		return read_error ? read_error : -EIO;
	for (unsigned i = 0; i < n; i++) {
		uint64_t at = (index + i) * PAGE_SIZE;
		ck_assert(pages[i]->flags & PG_BUSY);
		/* Zeroes up to the inode's end, if ours comes earlier; rubbish behind it must not be seen. */
		memset(page_va(pages[i]), 0x5a, PAGE_SIZE);
		if (at < inode->size)
			memset(page_va(pages[i]), 0, MIN(PAGE_SIZE, inode->size - at));
		if (at < disk_size)
			memcpy(page_va(pages[i]), disk + at, MIN(PAGE_SIZE, disk_size - at));
	}
	return 0;
}

static int model_write(struct inode *inode, struct page **pages, uint64_t index, unsigned n)
{
	writes++;
	pages_written += n;
	last_index = index;
	last_n = n;
	if (during_write) {
		void (*fn)(void) = during_write;
		during_write = NULL;
		fn();
	}
	if (write_error)
		return write_error;
	for (unsigned i = 0; i < n; i++) {
		uint64_t at = (index + i) * PAGE_SIZE;
		if (at >= inode->size)
			break;
		memcpy(disk + at, page_va(pages[i]), MIN(PAGE_SIZE, inode->size - at));
	}
	disk_size = MAX(disk_size, MIN(inode->size, (index + n) * PAGE_SIZE));
	return 0;
}

static const struct inode_ops backed_ops = { .read_pages = model_read, .write_pages = model_write };
static const struct inode_ops memory_ops;

static struct super *super;
static struct inode *file;

static void file_new(const struct inode_ops *ops, uint64_t size)
{
	file = inode_new(super, 1, S_IFREG | 0644, false);
	if (!file && fake_failed())
		return;
	ck_assert_ptr_nonnull(file);
	file->ops = ops;
	file->size = disk_size = size;
	file->cache.memory_only = ops == &memory_ops;
	for (size_t i = 0; i < FILE_MAX; i++)
		disk[i] = i < size ? (uint8_t)(i * 7 + i / 4096) : 0;
	reads = writes = pages_read = pages_written = 0;
}

static void setup(void)
{
	fake_boot(RAM);
	super = super_new("test", NULL, 0);
	ck_assert_ptr_nonnull(super);
	read_error = write_error = 0;
	bad_page = UINT64_MAX;
	during_read = during_write = NULL;
	file = NULL;
}

static void teardown(void)
{
	if (file) {
		(void)pagecache_sync_all();
		inode_put(file);
	}
	super_free(super);
	fake_check_leaks();
}

static long read_at(uint64_t pos, void *buf, size_t n)
{
	struct uio u;
	int64_t p = (int64_t)pos;
	long r;

	uio_kernel(&u, buf, n, true);
	r = pagecache_read(file, &u, &p);
	if (r >= 0)
		ck_assert_int_eq(p, (int64_t)pos + r);
	return r;
}

static long write_at(uint64_t pos, const void *buf, size_t n)
{
	struct uio u;
	int64_t p = (int64_t)pos;
	long r;

	uio_kernel(&u, (void *)buf, n, false);
	r = pagecache_write(file, &u, &p);
	if (r >= 0)
		ck_assert_int_eq(p, (int64_t)pos + r);
	return r;
}

/* ---- reading ---- */

START_TEST(read_returns_the_file_and_stops_at_its_end)
{
	uint8_t buf[9000];

	file_new(&backed_ops, 10000);
	ck_assert_int_eq(read_at(0, buf, sizeof(buf)), 9000);
	ck_assert_mem_eq(buf, disk, 9000);
	ck_assert_int_eq(read_at(9000, buf, sizeof(buf)), 1000);
	ck_assert_mem_eq(buf, disk + 9000, 1000);
	ck_assert_int_eq(read_at(10000, buf, 1), 0);
	ck_assert_int_eq(read_at(UINT64_MAX >> 2, buf, 1), 0);
	ck_assert_int_eq(read_at(0, buf, 0), 0);
	ck_assert_uint_eq(reads, 1); /* three pages, read ahead together */
}
END_TEST

START_TEST(last_page_is_zero_behind_the_end)
{
	struct page *p;

	file_new(&backed_ops, 5000);
	ck_assert_int_eq(pagecache_get(&file->cache, 1, &p), 0);
	for (size_t i = 5000 - PAGE_SIZE; i < PAGE_SIZE; i++)
		ck_assert_uint_eq(((uint8_t *)page_va(p))[i], 0);
	page_put(p);
	ck_assert_int_eq(pagecache_get(&file->cache, 2, &p), -ENXIO);
}
END_TEST

START_TEST(sequential_reads_grow_to_whole_batches)
{
	uint8_t buf[PAGE_SIZE];

	file_new(&backed_ops, FILE_MAX);
	for (uint64_t pos = 0; pos < FILE_MAX; pos += PAGE_SIZE) {
		ck_assert_int_eq(read_at(pos, buf, PAGE_SIZE), PAGE_SIZE);
		ck_assert_mem_eq(buf, disk + pos, PAGE_SIZE);
	}
	ck_assert_uint_eq(pages_read, FILE_MAX / PAGE_SIZE);
	ck_assert_uint_le(reads, 8); /* 4 8 16 32 32 32 4 */
}
END_TEST

START_TEST(random_reads_fetch_only_what_is_asked_for)
{
	uint8_t buf[2 * PAGE_SIZE];

	file_new(&backed_ops, FILE_MAX);
	ck_assert_int_eq(read_at(50 * PAGE_SIZE, buf, 100), 100);
	ck_assert_uint_eq(pages_read, 1);
	ck_assert_int_eq(read_at(20 * PAGE_SIZE + 100, buf, 2 * PAGE_SIZE), 2 * PAGE_SIZE);
	ck_assert_mem_eq(buf, disk + 20 * PAGE_SIZE + 100, 2 * PAGE_SIZE);
	ck_assert_uint_eq(pages_read, 4);
	ck_assert_uint_eq(reads, 2);
	file->cache.ra_random = true;
	ck_assert_int_eq(read_at(23 * PAGE_SIZE, buf, 1), 1);
	ck_assert_uint_eq(pages_read, 5);
}
END_TEST

START_TEST(faults_read_around)
{
	struct page *p;

	file_new(&backed_ops, FILE_MAX);
	ck_assert_int_eq(pagecache_get(&file->cache, 37, &p), 0);
	page_put(p);
	ck_assert_uint_eq(last_index, 32);
	ck_assert_uint_eq(last_n, 32);
	p = pagecache_find(&file->cache, 63);
	ck_assert_ptr_nonnull(p);
	page_put(p);
	ck_assert_ptr_null(pagecache_find(&file->cache, 64));
	/* Around a page that is there already, the rest. */
	ck_assert_int_eq(pagecache_get(&file->cache, 64 + 5, &p), 0);
	page_put(p);
	pagecache_invalidate(&file->cache, 64 + 8, 64 + 31, false);
	ck_assert_int_eq(pagecache_get(&file->cache, 64 + 20, &p), 0);
	page_put(p);
	ck_assert_uint_eq(last_index, 64 + 8);
	ck_assert_uint_eq(last_n, 24);
}
END_TEST

START_TEST(read_errors_leave_nothing_behind)
{
	uint8_t buf[PAGE_SIZE];
	struct page *p;

	file_new(&backed_ops, 20 * PAGE_SIZE);
	read_error = -EIO;
	ck_assert_int_eq(read_at(0, buf, PAGE_SIZE), -EIO);
	ck_assert_int_eq(pagecache_get(&file->cache, 3, &p), -EIO);
	ck_assert_uint_eq(file->cache.pages, 0);
	read_error = 0;
	/* A bad page does not spoil the others that were read with it. */
	bad_page = 5;
	ck_assert_int_eq(read_at(4 * PAGE_SIZE, buf, PAGE_SIZE), PAGE_SIZE);
	ck_assert_mem_eq(buf, disk + 4 * PAGE_SIZE, PAGE_SIZE);
	ck_assert_int_eq(read_at(5 * PAGE_SIZE, buf, PAGE_SIZE), -EIO);
	uint8_t all[4 * PAGE_SIZE];
	ck_assert_int_eq(read_at(3 * PAGE_SIZE, all, sizeof(all)), 2 * PAGE_SIZE); /* short, before the bad one */
}
END_TEST

/* ---- writing ---- */

START_TEST(whole_pages_are_not_read_before_they_are_written)
{
	static uint8_t buf[8 * PAGE_SIZE];

	file_new(&backed_ops, 8 * PAGE_SIZE);
	memset(buf, 1, sizeof(buf));
	ck_assert_int_eq(write_at(0, buf, sizeof(buf)), sizeof(buf));
	ck_assert_uint_eq(reads, 0);
	ck_assert_uint_eq(file->cache.dirty, 8);
	ck_assert_int_eq(pagecache_sync(&file->cache, 0, UINT64_MAX >> PAGE_SHIFT), 0);
	ck_assert_uint_eq(writes, 1);
	ck_assert_uint_eq(pages_written, 8);
	ck_assert_mem_eq(disk, buf, sizeof(buf));
	ck_assert_uint_eq(file->cache.dirty, 0);
}
END_TEST

START_TEST(part_of_a_page_is_merged_with_the_rest)
{
	uint8_t buf[PAGE_SIZE];

	file_new(&backed_ops, 2 * PAGE_SIZE);
	ck_assert_int_eq(write_at(100, "hello", 5), 5);
	ck_assert_int_eq(read_at(0, buf, PAGE_SIZE), PAGE_SIZE);
	ck_assert_mem_eq(buf, disk, 100);
	ck_assert_mem_eq(buf + 100, "hello", 5);
	ck_assert_mem_eq(buf + 105, disk + 105, PAGE_SIZE - 105);
	ck_assert_int_eq(pagecache_sync(&file->cache, 1, 5), 0);
	ck_assert_uint_eq(writes, 0); /* not in that range */
	ck_assert_int_eq(pagecache_sync(&file->cache, 0, 0), 0);
	ck_assert_uint_eq(writes, 1);
	ck_assert_mem_eq(disk + 100, "hello", 5);
}
END_TEST

START_TEST(writing_beyond_the_end_leaves_zeroes_between)
{
	uint8_t buf[3 * PAGE_SIZE];
	struct page *p;

	file_new(&backed_ops, 10);
	/* A mapping may have written behind the end. */
	ck_assert_int_eq(pagecache_get(&file->cache, 0, &p), 0);
	memset((char *)page_va(p) + 10, 0xff, 50);
	page_put(p);
	ck_assert_int_eq(write_at(2 * PAGE_SIZE + 1, "x", 1), 1);
	ck_assert_uint_eq(file->size, 2 * PAGE_SIZE + 2);
	ck_assert_int_eq(read_at(0, buf, sizeof(buf)), 2 * PAGE_SIZE + 2);
	for (size_t i = 10; i < 2 * PAGE_SIZE + 1; i++)
		ck_assert_uint_eq(buf[i], 0);
	ck_assert_uint_eq(buf[2 * PAGE_SIZE + 1], 'x');
}
END_TEST

START_TEST(write_errors_are_reported_and_the_pages_become_clean)
{
	file_new(&backed_ops, PAGE_SIZE);
	ck_assert_int_eq(write_at(0, "a", 1), 1);
	write_error = -ENOSPC;
	ck_assert_int_eq(pagecache_sync(&file->cache, 0, 100), -ENOSPC);
	ck_assert_uint_eq(file->cache.dirty, 0);
	ck_assert_int_eq(pagecache_sync(&file->cache, 0, 100), 0);
	/* A failure that nobody waited for is told to the next who does. */
	ck_assert_int_eq(write_at(0, "b", 1), 1);
	ck_assert_int_eq(pagecache_sync_all(), -ENOSPC);
	ck_assert_int_eq(pagecache_sync(&file->cache, 0, 100), -ENOSPC);
	ck_assert_int_eq(pagecache_sync(&file->cache, 0, 100), 0);
	/* ... or writes more. */
	ck_assert_int_eq(write_at(0, "c", 1), 1);
	ck_assert_int_eq(pagecache_sync_all(), -ENOSPC);
	ck_assert_int_eq(write_at(0, "d", 1), -ENOSPC);
	ck_assert_uint_eq(file->cache.dirty, 0);
	ck_assert_int_eq(write_at(0, "e", 1), 1);
}
END_TEST

/* A program that writes and never asks (yes >file) comes to an end on a full disk, also within one call. */
START_TEST(writing_ends_when_nothing_can_be_written_back)
{
	static uint8_t chunk[16 * PAGE_SIZE], large[64 * 16 * PAGE_SIZE];
	int64_t pos = 0;
	long r;

	file_new(&backed_ops, 0);
	write_error = -ENOSPC;
	do {
		r = write_at(pos, chunk, sizeof(chunk));
		pagecache_balance();
		pos += r;
	} while (r == sizeof(chunk) && pos < 1 << 30);
	ck_assert_int_eq(r, -ENOSPC);
	r = write_at(0, large, sizeof(large));
	ck_assert_int_gt(r, 0);
	ck_assert_int_lt(r, sizeof(large));
	ck_assert_int_eq(write_at(r, large, 1), -ENOSPC);
}
END_TEST

START_TEST(dirty_pages_keep_the_inode_alive)
{
	file_new(&backed_ops, 0);
	ck_assert_int_eq(write_at(0, "data", 4), 4);
	ck_assert_uint_eq(file->refs, 2);
	inode_put(file);
	ck_assert_int_eq(pagecache_sync_all(), 0); /* and frees it */
	ck_assert_mem_eq(disk, "data", 4);
	file = NULL;
}
END_TEST

static void dirty_again(void)
{
	struct page *p = pagecache_find(&file->cache, 0);

	ck_assert_ptr_nonnull(p);
	ck_assert(p->flags & PG_BUSY);
	ck_assert(!(p->flags & PG_DIRTY));
	memcpy(page_va(p), "later", 5);
	pagecache_dirty(p);
	page_put(p);
}

START_TEST(a_page_changed_while_it_is_written_stays_dirty)
{
	file_new(&backed_ops, 0);
	ck_assert_int_eq(write_at(0, "first", 5), 5);
	during_write = dirty_again;
	ck_assert_int_eq(pagecache_sync(&file->cache, 0, 0), 0);
	ck_assert_uint_eq(file->cache.dirty, 1);
	ck_assert_int_eq(pagecache_sync(&file->cache, 0, 0), 0);
	ck_assert_uint_eq(file->cache.dirty, 0);
	ck_assert_mem_eq(disk, "later", 5);
}
END_TEST

START_TEST(balance_bounds_what_is_dirty)
{
	static uint8_t buf[64 * 1024];
	size_t pages, dirty;

	file_new(&backed_ops, 0);
	/* The same 64 KiB to many places: more than RAM. */
	for (unsigned i = 0; i < 200; i++) {
		ck_assert_int_eq(write_at((uint64_t)(i % 8) * sizeof(buf), buf, sizeof(buf)), sizeof(buf));
		pagecache_balance();
		pagecache_stats(&pages, &dirty);
		ck_assert_uint_le(dirty, RAM / PAGE_SIZE / 5 + 16);
	}
}
END_TEST

/* ---- user buffers ---- */

START_TEST(missing_user_pages)
{
	struct uio u;
	int64_t pos = 0;

	file_new(&backed_ops, 3 * PAGE_SIZE);
	/* No address space: nothing can be faulted in. */
	uio_user(&u, USER_BUF, 100, true);
	ck_assert_int_eq(pagecache_read(file, &u, &pos), -EFAULT);
	uio_user(&u, USER_BUF, 100, false);
	ck_assert_int_eq(pagecache_write(file, &u, &pos), -EFAULT);
	ck_assert_int_eq(pos, 0);
	/* Half of the buffer is there: so much is done. */
	fake_user_map(USER_BUF, PAGE_SIZE + 100);
	uio_user(&u, USER_BUF, 2 * PAGE_SIZE, true);
	ck_assert_int_eq(pagecache_read(file, &u, &pos), PAGE_SIZE + 100);
	ck_assert_mem_eq(fake_user_ptr(USER_BUF), disk, PAGE_SIZE + 100);
	pos = 0;
	memset(fake_user_ptr(USER_BUF), 0xee, PAGE_SIZE + 100);
	uio_user(&u, USER_BUF, 2 * PAGE_SIZE, false);
	ck_assert_int_eq(pagecache_write(file, &u, &pos), PAGE_SIZE + 100);
	ck_assert_int_eq(pos, PAGE_SIZE + 100);
	/* The half-filled second page kept its old rest. */
	uint8_t buf[PAGE_SIZE];
	ck_assert_int_eq(read_at(PAGE_SIZE, buf, PAGE_SIZE), PAGE_SIZE);
	ck_assert_uint_eq(buf[99], 0xee);
	ck_assert_mem_eq(buf + 100, disk + PAGE_SIZE + 100, PAGE_SIZE - 100);
}
END_TEST

/* ---- truncation, invalidation ---- */

START_TEST(truncate_drops_pages_and_clears_the_tail)
{
	uint8_t buf[4 * PAGE_SIZE];

	file_new(&backed_ops, 4 * PAGE_SIZE);
	ck_assert_int_eq(read_at(0, buf, sizeof(buf)), sizeof(buf));
	pagecache_truncate(&file->cache, PAGE_SIZE + 10);
	ck_assert_uint_eq(file->cache.pages, 2);
	ck_assert_uint_eq(file->size, PAGE_SIZE + 10);
	disk_size = PAGE_SIZE + 10;
	memset(disk + disk_size, 0, sizeof(disk) - disk_size);
	pagecache_truncate(&file->cache, 4 * PAGE_SIZE);
	file->size = 4 * PAGE_SIZE;
	ck_assert_int_eq(read_at(0, buf, sizeof(buf)), sizeof(buf));
	ck_assert_mem_eq(buf, disk, sizeof(buf));
	pagecache_truncate(&file->cache, 0);
	ck_assert_uint_eq(file->cache.pages, 0);
}
END_TEST

START_TEST(truncate_drops_dirty_pages)
{
	static uint8_t buf[4 * PAGE_SIZE];

	file_new(&backed_ops, 0);
	ck_assert_int_eq(write_at(0, buf, sizeof(buf)), sizeof(buf));
	pagecache_truncate(&file->cache, 1);
	ck_assert_uint_eq(file->cache.dirty, 1);
	pagecache_truncate(&file->cache, 0);
	ck_assert_uint_eq(file->cache.dirty, 0);
	ck_assert_uint_eq(file->refs, 1);
	ck_assert_int_eq(pagecache_sync_all(), 0);
	ck_assert_uint_eq(writes, 0);
}
END_TEST

static void shrink(void)
{
	file->size = 0;
}

START_TEST(a_file_cut_while_it_is_read_ends_there)
{
	uint8_t buf[PAGE_SIZE];

	file_new(&backed_ops, 4 * PAGE_SIZE);
	during_read = shrink;
	ck_assert_int_eq(read_at(0, buf, PAGE_SIZE), PAGE_SIZE); /* the page was wanted while it was there */
	for (size_t i = 0; i < PAGE_SIZE; i++)
		ck_assert_uint_eq(buf[i], 0);
	ck_assert_int_eq(read_at(0, buf, PAGE_SIZE), 0);
}
END_TEST

START_TEST(invalidate_keeps_dirty_pages_unless_told)
{
	uint8_t buf[4 * PAGE_SIZE];

	file_new(&backed_ops, 4 * PAGE_SIZE);
	ck_assert_int_eq(read_at(0, buf, sizeof(buf)), sizeof(buf));
	ck_assert_int_eq(write_at(PAGE_SIZE, "x", 1), 1);
	disk[0] ^= 1;
	pagecache_invalidate(&file->cache, 0, 2, false);
	ck_assert_uint_eq(file->cache.pages, 2); /* the dirty one, and page 3 */
	ck_assert_int_eq(read_at(0, buf, 1), 1);
	ck_assert_uint_eq(buf[0], disk[0]);
	pagecache_invalidate(&file->cache, 0, UINT64_MAX >> PAGE_SHIFT, true);
	ck_assert_uint_eq(file->cache.pages, 0);
	ck_assert_uint_eq(file->cache.dirty, 0);
}
END_TEST

/* ---- files in memory ---- */

START_TEST(memory_files_keep_their_pages)
{
	uint8_t buf[3 * PAGE_SIZE];

	file_new(&memory_ops, 0);
	ck_assert_int_eq(write_at(PAGE_SIZE, "abc", 3), 3);
	ck_assert_uint_eq(pagecache_reclaim(100), 0);
	ck_assert_int_eq(pagecache_sync(&file->cache, 0, 100), 0);
	ck_assert_uint_eq(file->cache.dirty, 1);
	ck_assert_uint_eq(file->refs, 1);
	ck_assert_int_eq(read_at(0, buf, sizeof(buf)), PAGE_SIZE + 3);
	ck_assert_uint_eq(buf[0], 0);
	ck_assert_uint_eq(file->cache.pages, 1); /* reading a hole costs nothing */
	ck_assert_mem_eq(buf + PAGE_SIZE, "abc", 3);
}
END_TEST

/* ---- reclaim ---- */

START_TEST(reclaim_frees_clean_pages_and_no_others)
{
	uint8_t buf[8 * PAGE_SIZE];
	struct page *held;

	file_new(&backed_ops, 8 * PAGE_SIZE);
	ck_assert_int_eq(read_at(0, buf, sizeof(buf)), sizeof(buf));
	ck_assert_int_eq(write_at(0, "x", 1), 1);
	held = pagecache_find(&file->cache, 5);
	ck_assert_ptr_nonnull(held);
	ck_assert_uint_eq(pagecache_reclaim(3), 3);
	ck_assert_uint_eq(file->cache.pages, 5);
	ck_assert_uint_eq(pagecache_reclaim(100), 3);
	ck_assert_uint_eq(file->cache.pages, 2);
	ck_assert_ptr_eq(held->cache, &file->cache);
	page_put(held);
	ck_assert_uint_eq(pagecache_reclaim(100), 1);
	memset(buf, 0, sizeof(buf));
	ck_assert_int_eq(read_at(0, buf, sizeof(buf)), sizeof(buf));
	ck_assert_uint_eq(buf[0], 'x');
	ck_assert_mem_eq(buf + 1, disk + 1, sizeof(buf) - 1);
}
END_TEST

START_TEST(pages_used_twice_outlive_a_stream)
{
	uint8_t buf[PAGE_SIZE];

	file_new(&backed_ops, 64 * PAGE_SIZE);
	ck_assert_int_eq(read_at(0, buf, 10), 10);
	ck_assert_int_eq(read_at(PAGE_SIZE, buf, 10), 10);
	ck_assert_int_eq(read_at(0, buf, 10), 10); /* the second use of page 0 */
	for (uint64_t i = 2; i < 64; i++)
		ck_assert_int_eq(read_at(i * PAGE_SIZE, buf, PAGE_SIZE), PAGE_SIZE);
	ck_assert_uint_ge(pagecache_reclaim(40), 40);
	struct page *p = pagecache_find(&file->cache, 0);
	ck_assert_ptr_nonnull(p);
	page_put(p);
	ck_assert_ptr_null(pagecache_find(&file->cache, 1));
}
END_TEST

/* The page allocator reclaims by itself, so a file of any size passes through little RAM. */
static int endless_read(struct inode *inode, struct page **pages, uint64_t index, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		memset(page_va(pages[i]), (int)((index + i) % 251), PAGE_SIZE);
	return 0;
}

START_TEST(a_file_larger_than_ram_streams_through)
{
	static const struct inode_ops endless_ops = { .read_pages = endless_read };
	uint8_t buf[PAGE_SIZE];
	uint64_t n = 4 * RAM / PAGE_SIZE;

	file_new(&backed_ops, 0);
	file->ops = &endless_ops;
	file->size = n * PAGE_SIZE;
	for (uint64_t i = 0; i < n; i++) {
		ck_assert_int_eq(read_at(i * PAGE_SIZE, buf, PAGE_SIZE), PAGE_SIZE);
		ck_assert_uint_eq(buf[i % PAGE_SIZE], i % 251);
	}
	ck_assert_uint_le(file->cache.pages, RAM / PAGE_SIZE);
	file->size = 0;
}
END_TEST

static int endless_write(struct inode *inode, struct page **pages, uint64_t index, unsigned n)
{
	pages_written += n;
	return 0;
}

/* A mapping that writes to every page of a file larger than RAM: what is dirty stays bounded without a write(2), and
 * what is read ahead stays until it is used. */
START_TEST(a_mapping_may_write_more_than_ram)
{
	static const struct inode_ops endless_ops = { .read_pages = endless_read, .write_pages = endless_write };
	uint64_t n = 4 * RAM / PAGE_SIZE;
	size_t pages, dirty;

	file_new(&backed_ops, 0);
	file->ops = &endless_ops;
	file->size = n * PAGE_SIZE;
	for (uint64_t i = 0; i < n; i++) {
		struct page *p;
		ck_assert_int_eq(pagecache_get(&file->cache, i, &p), 0);
		ck_assert_uint_eq(*(uint8_t *)page_va(p), i % 251);
		pagecache_dirty(p);
		page_put(p);
		pagecache_stats(&pages, &dirty);
		ck_assert_uint_le(dirty, RAM / PAGE_SIZE / 5 + 2 * PAGECACHE_BATCH);
	}
	ck_assert_int_eq(pagecache_sync(&file->cache, 0, n), 0);
	ck_assert_uint_eq(pages_written, n);
}
END_TEST

/* ---- everything at once, against a model ---- */

static uint8_t model[FILE_MAX];
static uint64_t model_size;

static void model_op(uint64_t *seed)
{
	static uint8_t buf[5 * PAGE_SIZE];
	uint64_t pos = unit_random(seed) % (FILE_MAX - sizeof(buf));
	size_t n = unit_random(seed) % sizeof(buf);
	struct page *p;
	long r;

	switch (unit_random(seed) % 16) {
	case 0: case 1: case 2: case 3:
		for (size_t i = 0; i < n; i++)
			buf[i] = (uint8_t)unit_random(seed);
		ck_assert_int_eq(write_at(pos, buf, n), (long)n);
		if (n && pos > model_size)
			memset(model + model_size, 0, pos - model_size);
		memcpy(model + pos, buf, n);
		if (n)
			model_size = MAX(model_size, pos + n);
		break;
	case 4:
		pagecache_truncate(&file->cache, pos);
		if (pos < model_size)
			disk_size = MIN(disk_size, pos);
		else
			memset(model + model_size, 0, pos - model_size);
		file->size = model_size = pos;
		memset(disk + disk_size, 0, sizeof(disk) - disk_size);
		break;
	case 5:
		ck_assert_int_eq(pagecache_sync(&file->cache, pos / PAGE_SIZE, (pos + n) / PAGE_SIZE), 0);
		break;
	case 6:
		pagecache_reclaim(unit_random(seed) % 20);
		break;
	case 7:
		pagecache_invalidate(&file->cache, pos / PAGE_SIZE, (pos + n) / PAGE_SIZE, false);
		break;
	case 8: case 9: /* as a shared mapping does */
		r = pagecache_get(&file->cache, pos / PAGE_SIZE, &p);
		if (pos / PAGE_SIZE >= (model_size + PAGE_MASK) / PAGE_SIZE) {
			ck_assert_int_eq(r, -ENXIO);
			break;
		}
		ck_assert_int_eq(r, 0);
		if (pos < model_size) {
			((uint8_t *)page_va(p))[pos % PAGE_SIZE] = model[pos] = (uint8_t)n;
			pagecache_dirty(p);
		}
		page_put(p);
		break;
	default:
		r = read_at(pos, buf, n);
		ck_assert_int_eq(r, pos < model_size ? (long)MIN(n, model_size - pos) : 0);
		ck_assert_mem_eq(buf, model + pos, (size_t)r);
	}
}

START_TEST(random_operations_agree_with_a_model)
{
	uint64_t seed = 0x1234567 + (uint64_t)_i;

	file_new(&backed_ops, 100000);
	memcpy(model, disk, sizeof(model));
	model_size = 100000;
	for (int i = 0; i < 3000; i++)
		model_op(&seed);
	ck_assert_int_eq(pagecache_sync(&file->cache, 0, UINT64_MAX >> PAGE_SHIFT), 0);
	pagecache_invalidate(&file->cache, 0, UINT64_MAX >> PAGE_SHIFT, false);
	ck_assert_uint_eq(file->cache.pages, 0);
	ck_assert_mem_eq(disk, model, disk_size);
	for (uint64_t i = disk_size; i < model_size; i++)
		ck_assert_uint_eq(model[i], 0);
}
END_TEST

START_TEST(sparse_indexes)
{
	static const unsigned shifts[] = { 0, 1, 6, 7, 12, 13, 18, 24, 30, 36, 42, 48, 50 };
	struct page *p;

	file_new(&memory_ops, 0);
	file->size = INT64_MAX;
	for (size_t i = 0; i < ARRAY_SIZE(shifts); i++) {
		ck_assert_int_eq(pagecache_get(&file->cache, 1ul << shifts[i], &p), 0);
		memcpy(page_va(p), &shifts[i], sizeof(shifts[i]));
		pagecache_dirty(p);
		page_put(p);
	}
	ck_assert_uint_eq(file->cache.pages, ARRAY_SIZE(shifts));
	for (size_t i = 0; i < ARRAY_SIZE(shifts); i++) {
		p = pagecache_find(&file->cache, 1ul << shifts[i]);
		ck_assert_ptr_nonnull(p);
		ck_assert_mem_eq(page_va(p), &shifts[i], sizeof(shifts[i]));
		page_put(p);
		ck_assert_ptr_null(pagecache_find(&file->cache, (1ul << shifts[i]) + 3));
	}
	pagecache_truncate(&file->cache, PAGE_SIZE << 20);
	ck_assert_uint_eq(file->cache.pages, 7);
	pagecache_invalidate(&file->cache, 2, 64, true);
	ck_assert_uint_eq(file->cache.pages, 5);
}
END_TEST

START_TEST(each_allocation_failure_is_survived)
{
	static uint8_t buf[6 * PAGE_SIZE];

	FAKE_EACH_FAILURE(n) {
		file_new(&backed_ops, 80 * PAGE_SIZE);
		if (!file)
			continue;
		long r = read_at(70 * PAGE_SIZE, buf, 2 * PAGE_SIZE);
		ck_assert(r == -ENOMEM || (r > 0 && r <= 2 * (long)PAGE_SIZE));
		if (r > 0)
			ck_assert_mem_eq(buf, disk + 70 * PAGE_SIZE, (size_t)r);
		memset(buf, 3, sizeof(buf));
		r = write_at(100, buf, sizeof(buf));
		ck_assert(r == -ENOMEM || (r > 0 && r <= (long)sizeof(buf)));
		ck_assert_int_eq(pagecache_sync(&file->cache, 0, 1000), 0);
		if (r > 0)
			ck_assert_mem_eq(disk + 100, buf, (size_t)r);
		inode_put(file);
		file = NULL;
	}
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *s = unit_suite_new("pagecache", &tc, setup, teardown);

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, read_returns_the_file_and_stops_at_its_end);
	tcase_add_test(tc, last_page_is_zero_behind_the_end);
	tcase_add_test(tc, sequential_reads_grow_to_whole_batches);
	tcase_add_test(tc, random_reads_fetch_only_what_is_asked_for);
	tcase_add_test(tc, faults_read_around);
	tcase_add_test(tc, read_errors_leave_nothing_behind);
	tcase_add_test(tc, whole_pages_are_not_read_before_they_are_written);
	tcase_add_test(tc, part_of_a_page_is_merged_with_the_rest);
	tcase_add_test(tc, writing_beyond_the_end_leaves_zeroes_between);
	tcase_add_test(tc, write_errors_are_reported_and_the_pages_become_clean);
	tcase_add_test(tc, writing_ends_when_nothing_can_be_written_back);
	tcase_add_test(tc, dirty_pages_keep_the_inode_alive);
	tcase_add_test(tc, a_page_changed_while_it_is_written_stays_dirty);
	tcase_add_test(tc, balance_bounds_what_is_dirty);
	tcase_add_test(tc, missing_user_pages);
	tcase_add_test(tc, truncate_drops_pages_and_clears_the_tail);
	tcase_add_test(tc, truncate_drops_dirty_pages);
	tcase_add_test(tc, a_file_cut_while_it_is_read_ends_there);
	tcase_add_test(tc, invalidate_keeps_dirty_pages_unless_told);
	tcase_add_test(tc, memory_files_keep_their_pages);
	tcase_add_test(tc, reclaim_frees_clean_pages_and_no_others);
	tcase_add_test(tc, pages_used_twice_outlive_a_stream);
	tcase_add_test(tc, a_file_larger_than_ram_streams_through);
	tcase_add_test(tc, a_mapping_may_write_more_than_ram);
	tcase_add_loop_test(tc, random_operations_agree_with_a_model, 0, 4);
	tcase_add_test(tc, sparse_indexes);
	tcase_add_test(tc, each_allocation_failure_is_survived);
	return s;
}
