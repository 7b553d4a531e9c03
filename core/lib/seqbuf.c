/* A growing text buffer.
 *
 * Capacity doubles, so that printing n bytes costs O(n). The first failed allocation frees the text and sets `failed`:
 * half a procfs file is worse than none. The caller checks `failed` once, at the end. */
#include "core/lib/seqbuf.h"
#include "core/lib/string.h"
#include "core/lib/util.h"
#include "core/mm/slab.h"

#define SEQBUF_MIN 256

void seqbuf_init(struct seqbuf *b)
{
	b->data = NULL;
	b->len = b->cap = 0;
	b->failed = false;
}

void seqbuf_free(struct seqbuf *b)
{
	kfree(b->data);
	seqbuf_init(b);
}

/* Makes room for n more bytes. */
static bool seqbuf_reserve(struct seqbuf *b, size_t n)
{
	size_t cap = b->cap ? b->cap : SEQBUF_MIN;
	char *data;

	if (b->failed)
		return false;
	if (n <= b->cap - b->len)
		return true;
	while (cap - b->len < n)
		cap *= 2;
	data = krealloc(b->data, cap);
	if (!data) {
		seqbuf_free(b);
		b->failed = true;
		return false;
	}
	b->data = data;
	b->cap = cap;
	return true;
}

void seqbuf_put(struct seqbuf *b, const void *p, size_t n)
{
	if (n == 0 || !seqbuf_reserve(b, n))
		return;
	memcpy(b->data + b->len, p, n);
	b->len += n;
}

void seqbuf_str(struct seqbuf *b, const char *s)
{
	seqbuf_put(b, s, strlen(s));
}

void seqbuf_vprintf(struct seqbuf *b, const char *fmt, va_list ap)
{
	size_t n;

	/* One try in the room there is; if the text is longer, its length is known then. */
	if (!seqbuf_reserve(b, 1))
		return;
	n = (size_t)kvsnprintf(b->data + b->len, b->cap - b->len, fmt, ap);
	if (n >= b->cap - b->len) {
		if (!seqbuf_reserve(b, n + 1)) /* the formatter adds a NUL */
			return;
		kvsnprintf(b->data + b->len, b->cap - b->len, fmt, ap);
	}
	b->len += n;
}

void seqbuf_printf(struct seqbuf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	seqbuf_vprintf(b, fmt, ap);
	va_end(ap);
}
