/* linuxu: a small heap for the runner's own records, in host memory outside the program's RAM.
 *
 * Sizes are rounded to powers of two. Up to 32 KiB they are cut from chunks and reused by free lists, which never
 * return memory to the host (what the 9P server keeps is bounded by its client's fids). Larger ones are mappings of
 * their own. */
#include "core/lib/string.h"
#include "plat/linuxu/linuxu.h"
#include "plat/linuxu/p9srv.h"
#include "shim/abi/mman.h"

#define MIN_SHIFT 5
#define MAX_SHIFT 15
#define CHUNK (256 * 1024ul)

struct free_block {
	struct free_block *next;
};

static struct free_block *free_lists[MAX_SHIFT + 1];
static char *chunk;
static size_t chunk_left;
static uint64_t next = HEAP_BASE; /* where the next mapping is asked for */

static unsigned size_shift(size_t size)
{
	unsigned shift = MIN_SHIFT;

	while (1ul << shift < size)
		shift++;
	return shift;
}

static void *map(size_t size)
{
	long r = host_mmap(next, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (host_failed(r))
		return NULL;
	if ((uint64_t)r < USER_MAX) { /* the application's, and so of no use */
		host_munmap((uint64_t)r, size);
		return NULL;
	}
	next = (uint64_t)r + size;
	return (void *)r;
}

static void unmap(uint64_t at, size_t size)
{
	host_munmap(at, size);
	if (at + size == next)
		next = at;
}

void *host_alloc(size_t size)
{
	unsigned shift = size_shift(size);
	struct free_block *b;

	if (shift > MAX_SHIFT)
		return map(ALIGN_UP(size, PAGE_SIZE));
	b = free_lists[shift];
	if (b) {
		free_lists[shift] = b->next;
	} else {
		if (chunk_left < 1ul << shift) {
			chunk = map(CHUNK);
			chunk_left = chunk ? CHUNK : 0;
			if (!chunk)
				return NULL;
		}
		b = (struct free_block *)chunk;
		chunk += 1ul << shift;
		chunk_left -= 1ul << shift;
	}
	return memset(b, 0, 1ul << shift);
}

void host_free(void *p, size_t size)
{
	unsigned shift = size_shift(size);
	struct free_block *b = p;

	if (!p)
		return;
	if (shift > MAX_SHIFT) {
		unmap(HP(p), ALIGN_UP(size, PAGE_SIZE));
		return;
	}
	b->next = free_lists[shift];
	free_lists[shift] = b;
}
