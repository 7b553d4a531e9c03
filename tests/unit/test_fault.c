/* Faults on file mappings: a file whose pages come from a scripted source, private and shared, with reads that sleep, fail,
 * or find the world changed; truncation, write-back, reclaim; mremap, madvise, msync and mincore on such mappings. */
#include <stdio.h>

#include "core/file/file.h"
#include "core/lib/seqbuf.h"
#include "core/mm/page.h"
#include "core/mm/pagecache.h"
#include "core/mm/slab.h"
#include "core/mm/space_impl.h"
#include "core/mm/uio.h"
#include "core/proc/proc.h"
#include "core/sched.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/mman.h"
#include "shim/abi/stat.h"
#include "tests/unit/unit.h"

#define BASE 0x10000000ul
#define P PAGE_SIZE
#define RW (PROT_READ | PROT_WRITE)
#define FILE_PAGES 40

static struct space *s;
static struct file *file;
static uint8_t stored[FILE_PAGES * P]; /* what the "disk" holds */
static unsigned reads, writes;
static int read_error;
static void (*read_hook)(void); /* runs inside a read, once */

static int src_read(struct inode *i, struct page **pages, uint64_t index, unsigned n)
{
	void (*hook)(void) = read_hook;

	reads++;
	read_hook = NULL;
	if (hook)
		hook();
	for (unsigned k = 0; k < n && !read_error; k++)
		memcpy(page_va(pages[k]), stored + (index + k) * P, P);
	return read_error;
}

static int src_write(struct inode *i, struct page **pages, uint64_t index, unsigned n)
{
	writes++;
	for (unsigned k = 0; k < n; k++)
		memcpy(stored + (index + k) * P, page_va(pages[k]), P);
	return 0;
}

static int src_fallocate(struct inode *i, int mode, uint64_t off, uint64_t len)
{
	memset(stored + off, 0, len);
	pagecache_invalidate(&i->cache, off / P, (off + len) / P - 1, true);
	return 0;
}

static const struct inode_ops src_ops = { .read_pages = src_read, .write_pages = src_write, .fallocate = src_fallocate };

static uint8_t at(size_t page)
{
	return (uint8_t)(page * 3 + 1);
}

static struct file *new_file(int flags)
{
	struct file *f;

	ck_assert_int_eq(file_new_anon(&regular_file_ops, S_IFREG | 0600, flags, NULL, &f), 0);
	f->inode->ops = &src_ops;
	f->inode->size = FILE_PAGES * P - 100;
	return f;
}

static void setup(void)
{
	fake_boot(8ul << 20);
	for (size_t i = 0; i < FILE_PAGES; i++)
		memset(stored + i * P, at(i), P);
	reads = writes = 0;
	read_error = 0;
	read_hook = NULL;
	file = new_file(O_RDWR);
	s = fake_space();
}

static void teardown(void)
{
	fake_space_drop();
	if (file) {
		pagecache_sync(&file->inode->cache, 0, ~0ul >> PAGE_SHIFT);
		file_put(file);
	}
	fake_check_leaks();
}

static long map(struct file *f, unsigned flags, unsigned prot, size_t pages, uint64_t pgoff)
{
	return space_mmap(s, BASE, pages * P, prot, flags | MAP_FIXED, f, pgoff, NULL);
}

static int peek(vaddr_t va)
{
	uint8_t b;

	return copyin(&b, va, 1) ? -1 : b;
}

static bool poke(vaddr_t va, uint8_t b)
{
	return copyout(va, &b, 1) == 0;
}

/* ---- private mappings ---- */

START_TEST(private_reads_and_copies)
{
	ck_assert_int_eq(map(file, MAP_PRIVATE, RW, 20, 2), BASE);
	ck_assert_int_eq(peek(BASE + 5 * P), at(7));
	ck_assert_uint_eq(reads, 1);
	ck_assert_uint_eq(s->rss_anon, 0);
	ck_assert_uint_gt(s->rss_file, 1); /* what was read with it is mapped with it */
	ck_assert(poke(BASE + 5 * P + 1, 0xee));
	ck_assert_int_eq(peek(BASE + 5 * P + 1), 0xee);
	ck_assert_int_eq(peek(BASE + 5 * P), at(7));
	ck_assert_uint_eq(s->rss_anon, 1);
	ck_assert_uint_eq(stored[7 * P + 1], at(7));
	ck_assert_uint_eq(file->inode->cache.dirty, 0);
	/* A write to a page that was never mapped copies at once. */
	ck_assert(poke(BASE + 19 * P, 0xdd));
	ck_assert_uint_eq(s->rss_anon, 2);
	ck_assert_int_eq(peek(BASE + 19 * P + 1), at(21));
	/* MADV_DONTNEED brings the file's bytes back. */
	ck_assert_int_eq(space_madvise(s, BASE, 20 * P, MADV_DONTNEED), 0);
	ck_assert_uint_eq(s->rss_anon + s->rss_file, 0);
	ck_assert_int_eq(peek(BASE + 5 * P + 1), at(7));
	ck_assert_uint_gt(s->faults_major, 0);
}
END_TEST

/* Data that is written in sequence, or densely, is copied several pages at a time where faults are dear. */
START_TEST(copies_run)
{
	unsigned long before;

	fake_fault_pages = _i ? 4 : 1;
	map(file, MAP_PRIVATE, RW, 30, 0);
	before = s->faults_minor + s->faults_major;
	for (size_t k = 0; k < 16; k++)
		ck_assert(poke(BASE + k * P + 1, 0xee));
	before = s->faults_minor + s->faults_major - before;
	if (_i)
		ck_assert_uint_le(before, 5); /* 1 + 2 + 4 + 8 + 16 */
	else
		ck_assert_uint_eq(before, 16);
	ck_assert_uint_ge(s->rss_anon, 16);
	ck_assert_uint_le(s->rss_anon, _i ? 30 : 16);
	for (size_t k = 0; k < 30; k++) {
		ck_assert_int_eq(peek(BASE + k * P), at(k));
		ck_assert_int_eq(peek(BASE + k * P + 1), k < 16 ? 0xee : at(k));
	}
	ck_assert_uint_eq(s->rss_anon + s->rss_file, 30);
	/* Far from any other: one page. */
	map(file, MAP_PRIVATE, RW, 30, 0);
	ck_assert(poke(BASE + 20 * P, 0xee));
	ck_assert_uint_eq(s->rss_anon, 1);
	ck_assert(poke(BASE + 5 * P, 0xee));
	ck_assert_uint_eq(s->rss_anon, 2);
	ck_assert_uint_eq(stored[P + 1], at(1));
}
END_TEST

START_TEST(beyond_the_end)
{
	ck_assert_int_eq(map(file, MAP_PRIVATE, RW, FILE_PAGES + 5, 0), BASE);
	ck_assert_int_eq(peek(BASE + (FILE_PAGES - 1) * P + P - 101), at(FILE_PAGES - 1));
	ck_assert_int_eq(peek(BASE + (FILE_PAGES - 1) * P + P - 100), 0); /* the rest of the last page */
	ck_assert_int_eq(space_fault(s, BASE + FILE_PAGES * P, PROT_READ), -EIO);
	ck_assert_int_eq(space_fault(s, BASE + FILE_PAGES * P, PROT_WRITE), -EIO);
	ck_assert_int_eq(peek(BASE + FILE_PAGES * P), -1);
	read_error = -EIO;
	pagecache_invalidate(&file->inode->cache, 0, FILE_PAGES, true);
	ck_assert_int_eq(space_fault(s, BASE, PROT_READ), -EIO);
	read_error = -ENOMEM;
	ck_assert_int_eq(space_fault(s, BASE, PROT_READ), -ENOMEM);
}
END_TEST

START_TEST(mprotect_of_file_pages)
{
	map(file, MAP_PRIVATE, PROT_READ, 4, 0);
	ck_assert_int_eq(peek(BASE), at(0));
	ck_assert(!poke(BASE, 1));
	ck_assert_int_eq(space_mprotect(s, BASE, 4 * P, RW), 0);
	ck_assert(poke(BASE, 1));
	ck_assert_uint_eq(stored[0], at(0));
	ck_assert_int_eq(peek(BASE + 1), at(0));
	ck_assert_int_eq(space_mprotect(s, BASE, 4 * P, PROT_NONE), 0);
	ck_assert_int_eq(peek(BASE), -1);
	ck_assert_int_eq(space_mprotect(s, BASE, 4 * P, PROT_READ), 0);
	ck_assert_int_eq(peek(BASE), 1);
	ck_assert_int_eq(peek(BASE + P), at(1));
}
END_TEST

START_TEST(patching_is_private)
{
	uint8_t *k;

	map(file, MAP_PRIVATE, PROT_READ | PROT_EXEC, 4, 0);
	ck_assert_int_eq(peek(BASE + P), at(1));
	k = space_private_page(s, BASE + P + 3);
	k[3] = 0xcc;
	ck_assert_int_eq(peek(BASE + P + 3), 0xcc);
	ck_assert_int_eq(peek(BASE + P + 4), at(1));
	ck_assert(!poke(BASE + P, 1));
	ck_assert_ptr_eq(space_private_page(s, BASE + P), k);
	ck_assert_uint_eq(file->inode->cache.dirty, 0);
	/* Never where others would see it. */
	map(file, MAP_SHARED, RW, 4, 0);
	ck_assert_ptr_eq(space_private_page(s, BASE), NULL);
	FAKE_EACH_FAILURE(n) {
		map(file, MAP_PRIVATE, PROT_READ | PROT_EXEC, 4, 0);
		ck_assert_int_eq(space_private_page(s, BASE) == NULL, fake_failed());
	}
}
END_TEST

/* ---- shared mappings ---- */

START_TEST(shared_writes_reach_the_file)
{
	struct timespec64 before;

	map(file, MAP_SHARED, RW, 10, 0);
	ck_assert_int_eq(peek(BASE + 2 * P), at(2));
	ck_assert_uint_eq(file->inode->cache.dirty, 0);
	fake_time_advance(5 * NSEC_PER_SEC);
	before = file->inode->mtime;
	ck_assert(poke(BASE + 2 * P, 0x42));
	ck_assert_uint_eq(file->inode->cache.dirty, 1);
	ck_assert_int_eq(file->inode->mtime.sec, before.sec + 5);
	ck_assert_int_eq(space_msync(s, BASE, 10 * P, MS_SYNC), 0);
	ck_assert_uint_eq(stored[2 * P], 0x42);
	ck_assert_uint_eq(file->inode->cache.dirty, 0);
	/* Clean again: the next write is noticed again. */
	ck_assert(poke(BASE + 2 * P, 0x43));
	ck_assert_uint_eq(file->inode->cache.dirty, 1);
	ck_assert_int_eq(space_munmap(s, BASE, 10 * P), 0);
	ck_assert_int_eq(pagecache_sync(&file->inode->cache, 0, FILE_PAGES), 0);
	ck_assert_uint_eq(stored[2 * P], 0x43);
	/* A write as the first access. */
	map(file, MAP_SHARED, RW, 10, 0);
	ck_assert(poke(BASE + 5 * P, 0x44));
	ck_assert_uint_eq(file->inode->cache.dirty, 1);
	ck_assert_uint_eq(s->rss_anon, 0);
}
END_TEST

START_TEST(access_modes)
{
	struct file *ro = new_file(O_RDONLY), *wo = new_file(O_WRONLY);

	ck_assert_int_eq(map(ro, MAP_SHARED, RW, 1, 0), -EACCES);
	ck_assert_int_eq(map(ro, MAP_PRIVATE, RW, 1, 0), BASE);
	ck_assert_int_eq(map(wo, MAP_PRIVATE, PROT_READ, 1, 0), -EACCES);
	ck_assert_int_eq(map(wo, MAP_SHARED, PROT_WRITE, 1, 0), -EACCES);
	ck_assert_int_eq(map(ro, MAP_SHARED, PROT_READ, 1, 0), BASE);
	ck_assert_int_eq(space_mprotect(s, BASE, P, RW), -EACCES);
	ck_assert_int_eq(map(file, MAP_SHARED, PROT_READ, 1, 0), BASE);
	ck_assert_int_eq(space_mprotect(s, BASE, P, RW), 0);
	ck_assert_int_eq(map(file, MAP_SHARED, RW, 2, ~0ul), -EOVERFLOW);
	file_put(ro); /* its mapping has been replaced */
	file_put(wo);
	/* The mapping keeps the file. */
	ck_assert(poke(BASE, 9));
	ck_assert_int_eq(pagecache_sync(&file->inode->cache, 0, FILE_PAGES), 0);
	file_put(file);
	file = NULL;
	ck_assert_int_eq(peek(BASE), 9);
}
END_TEST

START_TEST(two_mappings_one_page)
{
	map(file, MAP_SHARED, RW, 4, 0);
	ck_assert_int_eq(space_mmap(s, BASE + 0x100000, 4 * P, PROT_READ, MAP_SHARED | MAP_FIXED, file, 1, NULL), BASE + 0x100000);
	ck_assert_int_eq(space_mmap(s, BASE + 0x200000, 4 * P, RW, MAP_PRIVATE | MAP_FIXED, file, 1, NULL), BASE + 0x200000);
	ck_assert_int_eq(peek(BASE + 0x200000), at(1));
	ck_assert(poke(BASE + P, 0x51));
	ck_assert_int_eq(peek(BASE + 0x100000), 0x51);
	ck_assert_int_eq(peek(BASE + 0x200000), 0x51); /* not copied yet */
	ck_assert(poke(BASE + 0x200000, 0x52));
	ck_assert_int_eq(peek(BASE + P), 0x51);
}
END_TEST

START_TEST(truncation_unmaps)
{
	map(file, MAP_SHARED, RW, 10, 0);
	ck_assert_int_eq(space_mmap(s, BASE + 0x100000, 10 * P, RW, MAP_PRIVATE | MAP_FIXED, file, 0, NULL), BASE + 0x100000);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(peek(BASE + i * P), at((size_t)i));
	ck_assert(poke(BASE + 0x100000 + 8 * P, 1)); /* a private copy goes, too */
	pagecache_truncate(&file->inode->cache, 5 * P + 10);
	file->inode->size = 5 * P + 10;
	ck_assert_int_eq(peek(BASE + 5 * P + 9), at(5));
	ck_assert_int_eq(peek(BASE + 5 * P + 10), 0);
	ck_assert_int_eq(space_fault(s, BASE + 6 * P, PROT_READ), -EIO);
	ck_assert_int_eq(space_fault(s, BASE + 0x100000 + 8 * P, PROT_READ), -EIO);
}
END_TEST

START_TEST(reclaim_takes_mapped_pages)
{
	map(file, MAP_SHARED, PROT_READ, 30, 0);
	for (int i = 0; i < 30; i++)
		ck_assert_int_eq(peek(BASE + i * P), at((size_t)i));
	ck_assert_uint_eq(s->rss_file, 30);
	while (pagecache_reclaim(1000))
		;
	ck_assert_uint_eq(s->rss_file, 0);
	ck_assert_uint_eq(file->inode->cache.pages, 0);
	for (int i = 0; i < 30; i++)
		ck_assert_int_eq(peek(BASE + i * P), at((size_t)i));
}
END_TEST

/* More file than RAM, mapped and written: everything arrives. */
START_TEST(thrashing)
{
	struct page_stats st;
	struct page *hog[4096];
	unsigned n = 0;

	page_stats(&st);
	while (st.free > 24) {
		hog[n++] = page_alloc(0, 0);
		page_stats(&st);
	}
	map(file, MAP_PRIVATE, PROT_READ, FILE_PAGES, 0);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < FILE_PAGES; i++)
			ck_assert_int_eq(peek(BASE + (i * 7 % FILE_PAGES) * P), at((size_t)(i * 7 % FILE_PAGES)));
	}
	while (n)
		page_put(hog[--n]);
}
END_TEST

/* ---- what may happen while a page is read ---- */

static void hook_unmap(void) { space_munmap(s, BASE, 40 * P); }
static void hook_replace(void) { space_mmap(s, BASE, 40 * P, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL, 0, NULL); }
static void hook_move(void)
{
	ck_assert_int_eq(space_mmap(s, BASE, 20 * P, PROT_READ, MAP_PRIVATE | MAP_FIXED, file, 3, NULL), BASE);
}
static void hook_protect(void) { space_mprotect(s, BASE, 20 * P, PROT_NONE); }
static void hook_last_reference(void)
{
	space_munmap(s, BASE, 20 * P);
	file_put(file);
	file = NULL;
}

START_TEST(changes_during_a_read)
{
	map(file, MAP_PRIVATE, PROT_READ, 20, 0);
	read_hook = hook_unmap;
	ck_assert_int_eq(space_fault(s, BASE, PROT_READ), -EFAULT);
	pagecache_invalidate(&file->inode->cache, 0, FILE_PAGES, true);

	map(file, MAP_PRIVATE, PROT_READ, 20, 0);
	read_hook = hook_replace;
	ck_assert_int_eq(peek(BASE), 0);
	pagecache_invalidate(&file->inode->cache, 0, FILE_PAGES, true);

	map(file, MAP_PRIVATE, PROT_READ, 20, 0);
	read_hook = hook_move;
	ck_assert_int_eq(peek(BASE), at(3));
	pagecache_invalidate(&file->inode->cache, 0, FILE_PAGES, true);

	map(file, MAP_PRIVATE, PROT_READ, 20, 0);
	read_hook = hook_protect;
	ck_assert_int_eq(space_fault(s, BASE, PROT_READ), -EACCES);
	pagecache_invalidate(&file->inode->cache, 0, FILE_PAGES, true);

	map(file, MAP_PRIVATE, PROT_READ, 20, 0);
	read_hook = hook_last_reference;
	ck_assert_int_eq(space_fault(s, BASE, PROT_READ), -EFAULT);
}
END_TEST

/* ---- mremap ---- */

START_TEST(mremap_errors)
{
	map(file, MAP_PRIVATE, RW, 4, 0);
	ck_assert_int_eq(space_mremap(s, BASE + 1, P, 2 * P, MREMAP_MAYMOVE, 0), -EINVAL);
	ck_assert_int_eq(space_mremap(s, BASE, P, 0, MREMAP_MAYMOVE, 0), -EINVAL);
	ck_assert_int_eq(space_mremap(s, BASE, P, P, 8, 0), -EINVAL);
	ck_assert_int_eq(space_mremap(s, BASE, P, P, MREMAP_FIXED, BASE + 0x100000), -EINVAL);
	ck_assert_int_eq(space_mremap(s, BASE, P, 2 * P, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0), -EINVAL);
	ck_assert_int_eq(space_mremap(s, BASE, 2 * P, 2 * P, MREMAP_MAYMOVE | MREMAP_FIXED, BASE + P), -EINVAL);
	ck_assert_int_eq(space_mremap(s, BASE, P, P, MREMAP_MAYMOVE | MREMAP_FIXED, BASE + 0x100001), -EINVAL);
	ck_assert_int_eq(space_mremap(s, BASE, P, P, MREMAP_MAYMOVE | MREMAP_FIXED, USER_MAX), -EINVAL);
	ck_assert_int_eq(space_mremap(s, BASE + 0x100000, P, 2 * P, MREMAP_MAYMOVE, 0), -EFAULT);
	ck_assert_int_eq(space_mremap(s, BASE + 0x100000, P, P, 0, 0), -EFAULT);
	ck_assert_int_eq(space_mremap(s, BASE + 0x100000, 2 * P, P, 0, 0), -EFAULT);
	ck_assert_int_eq(space_mremap(s, BASE, 5 * P, 6 * P, MREMAP_MAYMOVE, 0), -EFAULT);
	ck_assert_int_eq(space_mremap(s, BASE, 0, 4 * P, MREMAP_MAYMOVE, 0), -EINVAL); /* private */
	ck_assert_int_eq(space_mremap(s, BASE, P, 2 * P, 0, 0), -ENOMEM); /* the next page is taken */
	ck_assert_int_eq(space_mremap(s, BASE, 4 * P, ~0ul - 3 * P, MREMAP_MAYMOVE, 0), -ENOMEM);
	ck_assert_int_eq(space_mremap(s, BASE, 4 * P, 4 * P, 0, 0), BASE);
}
END_TEST

START_TEST(mremap_moves_and_grows)
{
	long r;

	map(file, MAP_PRIVATE, RW, 4, 0);
	ck_assert(poke(BASE + P, 0x61));
	ck_assert_int_eq(peek(BASE + 3 * P), at(3));
	/* In place. */
	ck_assert_int_eq(space_mremap(s, BASE, 4 * P, 6 * P, 0, 0), BASE);
	ck_assert_int_eq(peek(BASE + 5 * P), at(5));
	ck_assert_int_eq(space_mremap(s, BASE, 6 * P, 3 * P, 0, 0), BASE);
	ck_assert_int_eq(peek(BASE + 3 * P), -1);
	/* Blocked: moved, with the private copy. */
	space_mmap(s, BASE + 3 * P, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL, 0, NULL);
	reads = 0;
	r = space_mremap(s, BASE, 3 * P, 8 * P, MREMAP_MAYMOVE, 0);
	ck_assert_int_gt(r, 0);
	ck_assert_int_ne(r, BASE);
	ck_assert_int_eq(peek(BASE), -1);
	ck_assert_int_eq(peek((vaddr_t)r + P), 0x61);
	ck_assert_int_eq(peek((vaddr_t)r + 7 * P), at(7));
	/* To a fixed place, out of the middle, over something else. */
	ck_assert_int_eq(space_mremap(s, (vaddr_t)r + P, 2 * P, P, MREMAP_MAYMOVE | MREMAP_FIXED, BASE + 3 * P), BASE + 3 * P);
	ck_assert_int_eq(peek(BASE + 3 * P), 0x61);
	ck_assert_int_eq(peek((vaddr_t)r), at(0));
	ck_assert_int_eq(peek((vaddr_t)r + P), -1);
	ck_assert_int_eq(peek((vaddr_t)r + 2 * P), -1);
	ck_assert_int_eq(peek((vaddr_t)r + 3 * P), at(3));
	ck_assert_uint_eq(s->total_pages, 7);
	/* MREMAP_DONTUNMAP leaves an empty mapping behind. */
	r = space_mremap(s, BASE + 3 * P, P, P, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
	ck_assert_int_gt(r, 0);
	ck_assert_int_eq(peek((vaddr_t)r), 0x61);
	ck_assert_int_eq(peek(BASE + 3 * P), at(1));
}
END_TEST

START_TEST(mremap_failures)
{
	FAKE_EACH_FAILURE(n) {
		long r;

		if (map(file, MAP_PRIVATE, RW, 8, 0) > 0 && poke(BASE + 3 * P, 0x77)) {
			r = space_mremap(s, BASE + 2 * P, 4 * P, 9 * P, MREMAP_MAYMOVE | MREMAP_FIXED, 0x7000000000);
			if (r < 0) {
				ck_assert_int_eq(r, -ENOMEM);
				ck_assert(fake_failed());
				/* Nothing has moved. */
				ck_assert_int_eq(peek(BASE + 3 * P), 0x77);
				ck_assert_uint_eq(s->total_pages, 8);
				ck_assert_uint_eq(s->vma_count, 1);
			} else {
				ck_assert(peek(0x7000001000) == 0x77);
			}
		}
		space_munmap(s, USER_MIN, USER_MAX - USER_MIN);
		ck_assert_uint_eq(s->vma_count, 0);
	}
}
END_TEST

/* ---- madvise, msync, mincore ---- */

START_TEST(madvise_errors_and_hints)
{
	static const int hints[] = { MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_HUGEPAGE, MADV_NOHUGEPAGE,
				     MADV_MERGEABLE, MADV_UNMERGEABLE, MADV_COLD, MADV_PAGEOUT, MADV_DONTDUMP, MADV_DODUMP,
				     MADV_DONTFORK, MADV_DOFORK };

	map(file, MAP_PRIVATE, RW, 4, 0);
	for (size_t i = 0; i < ARRAY_SIZE(hints); i++) {
		ck_assert_int_eq(space_madvise(s, BASE, 4 * P, hints[i]), 0);
		ck_assert_int_eq(space_madvise(s, BASE + P, 4 * P, hints[i]), -ENOMEM);
		ck_assert_int_eq(space_madvise(s, BASE + 1, P, hints[i]), -EINVAL);
		ck_assert_int_eq(space_madvise(s, BASE, ~0ul, hints[i]), -EINVAL);
		ck_assert_int_eq(space_madvise(s, BASE, 0, hints[i]), 0);
	}
	ck_assert_uint_eq(s->vma_count, 1);
	ck_assert_uint_ge(file->inode->cache.pages, 4); /* WILLNEED */
	ck_assert_int_eq(space_madvise(s, BASE, P, 5), -EINVAL);
	ck_assert_int_eq(space_madvise(s, BASE, P, -1), -EINVAL);
	ck_assert_int_eq(space_madvise(s, BASE, P, 100), -EINVAL);
	ck_assert_int_eq(space_madvise(s, BASE, 0, 100), -EINVAL);
	ck_assert_int_eq(space_madvise(s, BASE, P, MADV_FREE), -EINVAL);
	ck_assert_int_eq(space_madvise(s, BASE, P, MADV_WIPEONFORK), -EINVAL);
	ck_assert_int_eq(space_madvise(s, BASE, P, MADV_REMOVE), -EACCES);
	/* Flags stay with their part of the mapping. */
	ck_assert_int_eq(space_madvise(s, BASE + P, P, MADV_DONTFORK), 0);
	ck_assert_uint_eq(s->vma_count, 3);
	ck_assert_int_eq(space_madvise(s, BASE, 4 * P, MADV_DOFORK), 0);
	ck_assert_uint_eq(s->vma_count, 1);
}
END_TEST

START_TEST(madvise_free_and_remove)
{
	space_mmap(s, BASE, 4 * P, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL, 0, NULL);
	ck_assert(poke(BASE, 5));
	ck_assert_int_eq(space_madvise(s, BASE, P, MADV_FREE), 0);
	ck_assert_int_eq(peek(BASE), 0);
	ck_assert_int_eq(space_madvise(s, BASE, P, MADV_REMOVE), -EINVAL);
	map(file, MAP_SHARED, RW, 4, 0);
	ck_assert_int_eq(peek(BASE + P), at(1));
	ck_assert_int_eq(space_madvise(s, BASE + P, P, MADV_REMOVE), 0);
	ck_assert_int_eq(peek(BASE + P), 0);
	ck_assert_int_eq(peek(BASE), at(0));
	ck_assert_int_eq(peek(BASE + 2 * P), at(2));
}
END_TEST

START_TEST(madvise_populates)
{
	map(file, MAP_PRIVATE, RW, FILE_PAGES + 1, 0);
	ck_assert_int_eq(space_madvise(s, BASE, 4 * P, MADV_POPULATE_READ), 0);
	ck_assert_uint_eq(s->rss_anon, 0);
	ck_assert_uint_ge(s->rss_file, 4);
	ck_assert_int_eq(space_madvise(s, BASE, 4 * P, MADV_POPULATE_WRITE), 0);
	ck_assert_uint_ge(s->rss_anon, 4);
	ck_assert_int_eq(space_madvise(s, BASE + FILE_PAGES * P, P, MADV_POPULATE_READ), -EFAULT);
	ck_assert_int_eq(space_madvise(s, BASE + (FILE_PAGES + 1) * P, P, MADV_POPULATE_READ), -ENOMEM);
	space_mprotect(s, BASE, P, PROT_READ);
	ck_assert_int_eq(space_madvise(s, BASE, P, MADV_POPULATE_WRITE), -EINVAL);
}
END_TEST

START_TEST(mmap_populate)
{
	ck_assert_int_gt(space_mmap(s, BASE, 8 * P, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_POPULATE, NULL, 0, NULL), 0);
	ck_assert_uint_eq(s->rss_anon, 8);
	ck_assert_int_eq(map(file, MAP_SHARED | MAP_POPULATE, PROT_READ, FILE_PAGES + 2, 0), BASE); /* SIGBUS part: no error */
	ck_assert_uint_eq(s->rss_file, FILE_PAGES);
}
END_TEST

START_TEST(msync_and_mincore)
{
	unsigned char vec[8];

	map(file, MAP_SHARED, RW, 4, 0);
	ck_assert_int_eq(space_msync(s, BASE + 1, P, MS_SYNC), -EINVAL);
	ck_assert_int_eq(space_msync(s, BASE, P, MS_SYNC | MS_ASYNC), -EINVAL);
	ck_assert_int_eq(space_msync(s, BASE, P, 0x80), -EINVAL);
	ck_assert_int_eq(space_msync(s, BASE, ~0ul, MS_SYNC), -ENOMEM);
	ck_assert_int_eq(space_msync(s, BASE, 0, MS_SYNC), 0);
	ck_assert(poke(BASE + P, 3));
	ck_assert_int_eq(space_msync(s, BASE, 4 * P, MS_ASYNC), 0);
	ck_assert_int_eq(space_msync(s, BASE, 5 * P, MS_SYNC | MS_INVALIDATE), -ENOMEM);
	ck_assert_uint_eq(stored[P], 3); /* what is mapped was written all the same */
	space_mmap(s, BASE + 8 * P, P, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_LOCKED, NULL, 0, NULL);
	ck_assert_int_eq(space_msync(s, BASE + 8 * P, P, MS_INVALIDATE), -EBUSY);
	ck_assert_int_eq(space_madvise(s, BASE + 8 * P, P, MADV_DONTNEED), -EINVAL);

	pagecache_invalidate(&file->inode->cache, 0, FILE_PAGES, true);
	ck_assert_int_eq(space_mincore(s, BASE, 4 * P, vec), 0);
	ck_assert_uint_eq(vec[0] | vec[1] | vec[2] | vec[3], 0);
	ck_assert_int_eq(peek(BASE), at(0));
	ck_assert_int_eq(space_mincore(s, BASE, 4 * P, vec), 0);
	ck_assert_uint_eq(vec[0], 1);
	ck_assert_int_eq(space_mincore(s, BASE, 5 * P, vec), -ENOMEM);
	ck_assert_int_eq(space_mincore(s, BASE + 1, P, vec), -EINVAL);
	ck_assert_int_eq(space_mincore(s, BASE + 8 * P, P, vec), 0);
	ck_assert_uint_eq(vec[0], 1);
}
END_TEST

/* ---- /proc/PID/maps ---- */

START_TEST(maps)
{
	struct seqbuf b;
	char want[600];
	uint64_t dev = file->inode->super->dev;

	seqbuf_init(&b);
	map(file, MAP_SHARED, PROT_READ, 4, 3);
	space_find(s, BASE)->name = "named";
	space_mmap(s, BASE + 4 * P, P, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL, 0, NULL);
	space_mmap(s, BASE + 5 * P, P, RW | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL, 0, "[stack]");
	space_mmap(s, 0x3ffff0000000, P, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL, 0, NULL);
	space_print_maps(s, &b);
	snprintf(want, sizeof(want), "10000000-10004000 r--s 00003000 %02x:%02x %lu", DEV_MAJOR(dev), DEV_MINOR(dev), file->inode->ino);
	snprintf(want + strlen(want), 400, "%*s%s\n10004000-10005000 rw-p 00000000 00:00 0 \n"
		 "10005000-10006000 rwxp 00000000 00:00 0                                  [stack]\n"
		 "3ffff0000000-3ffff0001000 ---p 00000000 00:00 0 \n", 73 - (int)strlen(want), "", "named");
	ck_assert_uint_eq(b.len, strlen(want));
	ck_assert_mem_eq(b.data, want, b.len);
	seqbuf_free(&b);
	space_print_smaps(s, &b);
	ck_assert(!b.failed);
	seqbuf_free(&b);
	FAKE_EACH_FAILURE(n) {
		space_print_smaps(s, &b);
		ck_assert_int_eq(b.failed, fake_failed());
		seqbuf_free(&b);
		b.failed = false;
	}
}
END_TEST

START_TEST(failures_leak_nothing)
{
	FAKE_EACH_FAILURE(n) {
		if (map(file, MAP_PRIVATE, RW, 20, 0) > 0) {
			peek(BASE);
			poke(BASE + 7 * P, 1);
			space_mmap(s, BASE + 0x100000, 4 * P, RW, MAP_SHARED | MAP_FIXED | MAP_POPULATE, file, 0, NULL);
			poke(BASE + 0x100000, 2);
			space_msync(s, BASE + 0x100000, P, MS_SYNC);
			space_madvise(s, BASE + P, P, MADV_DONTFORK);
		}
		space_munmap(s, USER_MIN, USER_MAX - USER_MIN);
		pagecache_sync(&file->inode->cache, 0, FILE_PAGES);
		pagecache_invalidate(&file->inode->cache, 0, FILE_PAGES, true);
		ck_assert_uint_eq(s->rss_anon + s->rss_file + s->vma_count, 0);
	}
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *suite = unit_suite_new("fault", &tc, setup, teardown);

	tcase_add_test(tc, private_reads_and_copies);
	tcase_add_loop_test(tc, copies_run, 0, 2);
	tcase_add_test(tc, beyond_the_end);
	tcase_add_test(tc, mprotect_of_file_pages);
	tcase_add_test(tc, patching_is_private);
	tcase_add_test(tc, shared_writes_reach_the_file);
	tcase_add_test(tc, access_modes);
	tcase_add_test(tc, two_mappings_one_page);
	tcase_add_test(tc, truncation_unmaps);
	tcase_add_test(tc, reclaim_takes_mapped_pages);
	tcase_add_test(tc, thrashing);
	tcase_add_test(tc, changes_during_a_read);
	tcase_add_test(tc, mremap_errors);
	tcase_add_test(tc, mremap_moves_and_grows);
	tcase_add_test(tc, mremap_failures);
	tcase_add_test(tc, madvise_errors_and_hints);
	tcase_add_test(tc, madvise_free_and_remove);
	tcase_add_test(tc, madvise_populates);
	tcase_add_test(tc, mmap_populate);
	tcase_add_test(tc, msync_and_mincore);
	tcase_add_test(tc, maps);
	tcase_add_test(tc, failures_leak_nothing);
	return suite;
}
