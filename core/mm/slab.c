/* The kernel heap: slabs of one page for sizes up to 2 KiB, whole pages above.
 *
 * A slab page belongs to one class of object size. Its struct page is its header: `cache` is reused as the list of free
 * objects (each holds the next one's address), `index` as the number of objects in use, slab_class as the class. So an
 * object's class is found from its address alone and objects of 2^n bytes fill their page wholly. Classes are powers of
 * two and one step between each two of them; all are multiples of 16, which is the alignment promised.
 *
 * Pages with free objects are on their class's list, full ones on none. One empty page stays in each class, so that a
 * single object made and freed in turn does not cost a page each time; slab_reclaim() gives these back.
 *
 * Larger requests are whole blocks of pages (order in the struct page); at most PAGE_MAX_ORDER. */
#include "core/mm/slab.h"
#include "core/lib/string.h"
#include "core/mm/page.h"
#include "core/printf.h"

#define SLAB_MAX 2048
#define GRAIN    16

static const uint16_t class_size[] = { 16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1360, 2048 };
#define NCLASSES ARRAY_SIZE(class_size)

/* Class by size in grains, rounded up: one byte for each 16 bytes of size. */
static uint8_t class_of[SLAB_MAX / GRAIN + 1];

struct slab_class {
	struct list partial; /* pages with a free object; an empty page is last */
	struct page *empty;  /* the one page without objects in use, NULL if none; it is on partial, too */
};

static struct slab_class classes[NCLASSES];
static size_t live, pages;

/* A free object is linked through its first word. */
static void **free_list(struct page *p)
{
	return (void **)(void *)&p->cache;
}

/* Classes are made on first use; boot calls nothing. */
static void slab_init(void)
{
	unsigned c = 0;

	for (unsigned i = 0; i < NCLASSES; i++)
		list_init(&classes[i].partial);
	for (unsigned grains = 0; grains < ARRAY_SIZE(class_of); grains++) {
		if (grains * GRAIN > class_size[c])
			c++;
		class_of[grains] = (uint8_t)c;
	}
}

static struct page *slab_new(unsigned c)
{
	struct page *p = page_alloc(0, 0);
	unsigned size = class_size[c];
	char *first, *last;

	if (!p)
		return NULL;
	first = page_va(p);
	last = first + (PAGE_SIZE / size - 1) * size;
	for (char *o = first; o < last; o += size)
		*(void **)o = o + size;
	*(void **)last = NULL;
	*free_list(p) = first;
	p->flags |= PG_SLAB;
	p->slab_class = (uint8_t)c;
	p->index = 0;
	list_append(&classes[c].partial, &p->link);
	classes[c].empty = p;
	pages++;
	return p;
}

static void slab_free_page(struct page *p)
{
	list_remove(&p->link);
	pages--;
	page_put(p);
}

static void *large_alloc(size_t size)
{
	unsigned order = 0;
	struct page *p;

	while (order <= PAGE_MAX_ORDER && PAGE_SIZE << order < size)
		order++;
	p = order <= PAGE_MAX_ORDER ? page_alloc(order, 0) : NULL;
	if (!p)
		return NULL;
	live++;
	return page_va(p);
}

void *kmalloc(size_t size)
{
	struct slab_class *class;
	struct page *p;
	void *o;

	if (unlikely(size > SLAB_MAX))
		return large_alloc(size);
	if (unlikely(!classes[0].partial.next))
		slab_init();
	class = &classes[class_of[(size + GRAIN - 1) / GRAIN]];
	if (likely(!list_empty(&class->partial)))
		p = list_entry(class->partial.next, struct page, link);
	else if (!(p = slab_new((unsigned)(class - classes))))
		return NULL;
	o = *free_list(p);
	*free_list(p) = *(void **)o;
	if (p->index++ == 0 && class->empty == p)
		class->empty = NULL;
	if (!*free_list(p))
		list_remove(&p->link);
	live++;
	return o;
}

void kfree(const void *ptr)
{
	struct slab_class *class;
	struct page *p;

	if (!ptr)
		return;
	p = va_to_page(ptr);
	kassert(p && p->refs == 1 && live > 0);
	live--;
	if (unlikely(!(p->flags & PG_SLAB))) {
		page_put(p);
		return;
	}
	class = &classes[p->slab_class];
	kassert(p->index > 0);
	if (!*free_list(p))
		list_push(&class->partial, &p->link);
	*(void **)(void *)ptr = *free_list(p);
	*free_list(p) = (void *)ptr;
	if (--p->index)
		return;
	if (class->empty) {
		slab_free_page(p);
		return;
	}
	/* Used last, so that a page in use fills up before it. */
	class->empty = p;
	list_remove(&p->link);
	list_append(&class->partial, &p->link);
}

void *kzalloc(size_t size)
{
	void *p = kmalloc(size);

	if (p)
		memset(p, 0, size);
	return p;
}

size_t kmalloc_usable(const void *ptr)
{
	struct page *p = va_to_page(ptr);

	return p->flags & PG_SLAB ? class_size[p->slab_class] : PAGE_SIZE << p->order;
}

void *krealloc(void *ptr, size_t size)
{
	size_t have;
	void *q;

	if (!ptr)
		return kmalloc(size);
	have = kmalloc_usable(ptr);
	if (size <= have && size * 4 >= have) /* much smaller: the memory is worth a copy */
		return ptr;
	q = kmalloc(size);
	if (!q)
		return size <= have ? ptr : NULL;
	memcpy(q, ptr, MIN(have, size));
	kfree(ptr);
	return q;
}

char *kstrdup(const char *s)
{
	size_t n = strlen(s) + 1;
	char *p = kmalloc(n);

	return p ? memcpy(p, s, n) : NULL;
}

size_t kmalloc_live(void)
{
	return live;
}

size_t slab_pages(void)
{
	return pages;
}

size_t slab_reclaim(void)
{
	size_t n = 0;

	for (struct slab_class *class = classes; class < classes + NCLASSES; class++) {
		if (class->empty) {
			slab_free_page(class->empty);
			class->empty = NULL;
			n++;
		}
	}
	return n;
}
