/* A growing text buffer, for procfs files and the tracer. Running out of memory sets `failed`; later prints do nothing. */
#ifndef CORE_LIB_SEQBUF_H
#define CORE_LIB_SEQBUF_H

#include "core/types.h"

struct seqbuf {
	char *data; /* kmalloc'ed, not terminated */
	size_t len, cap;
	bool failed;
};

void seqbuf_init(struct seqbuf *b);
void seqbuf_free(struct seqbuf *b);
void seqbuf_put(struct seqbuf *b, const void *p, size_t n);
void seqbuf_str(struct seqbuf *b, const char *s);
void seqbuf_printf(struct seqbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void seqbuf_vprintf(struct seqbuf *b, const char *fmt, va_list ap);

#endif
