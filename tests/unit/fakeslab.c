/* kmalloc for unit tests: the host's malloc, so that AddressSanitizer and Valgrind watch every object, with a count of
 * live objects and with failures on demand. Replaces core/mm/slab.c, which has a test of its own. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "core/mm/slab.h"
#include "tests/unit/fakeplat.h"

static size_t live;

void *kmalloc(size_t size)
{
	void *p;

	if (fake_alloc_fails())
		return NULL;
	if (size > (1ul << 32))
		return NULL;
	p = size >= PAGE_SIZE ? aligned_alloc(PAGE_SIZE, ALIGN_UP(size, PAGE_SIZE)) : malloc(size ? size : 1);
	if (p)
		live++;
	return p;
}

void *kzalloc(size_t size)
{
	void *p = kmalloc(size);

	if (p)
		memset(p, 0, size);
	return p;
}

void kfree(const void *p)
{
	if (p)
		live--;
	free((void *)p);
}

void *krealloc(void *p, size_t size)
{
	size_t old = p ? malloc_usable_size(p) : 0;
	void *q = kmalloc(size);

	/* Always moves: code that keeps the old pointer is found out. */
	if (q && p) {
		memcpy(q, p, old < size ? old : size);
		kfree(p);
	}
	return q;
}

char *kstrdup(const char *s)
{
	size_t n = strlen(s) + 1;
	char *p = kmalloc(n);

	return p ? memcpy(p, s, n) : NULL;
}

size_t kmalloc_usable(const void *p)
{
	return malloc_usable_size((void *)p);
}

size_t kmalloc_live(void)
{
	return live;
}

size_t slab_pages(void)
{
	return 0;
}

size_t slab_reclaim(void)
{
	return 0;
}
