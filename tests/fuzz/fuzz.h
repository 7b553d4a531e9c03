/* What the fuzz targets share: bytes of the input one after the other, failure, the fake machine. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_RAM (16ul << 20)

#define fuzz_check(cond) do { \
	if (!(cond)) { \
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
		abort(); \
	} \
} while (0)

/* The input; zeroes follow its end. */
struct fuzz_in {
	const uint8_t *data;
	size_t len;
};

static inline uint8_t fuzz_byte(struct fuzz_in *in)
{
	if (!in->len)
		return 0;
	in->len--;
	return *in->data++;
}

static inline unsigned fuzz_word(struct fuzz_in *in)
{
	unsigned low = fuzz_byte(in);

	return low | (unsigned)fuzz_byte(in) << 8;
}

/* A copy of just the right size of the next n bytes (or what there is), so that the sanitizer sees every byte too far. */
static inline uint8_t *fuzz_copy(struct fuzz_in *in, size_t *n)
{
	*n = *n < in->len ? *n : in->len;
	uint8_t *copy = malloc(*n ? *n : 1);

	memcpy(copy, in->data, *n);
	in->data += *n;
	in->len -= *n;
	return copy;
}

#endif
