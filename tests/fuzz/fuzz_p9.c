/* libFuzzer target: replies of a 9P server. The first byte says which request they answer; the rest is the reply, whose
 * head may end anywhere, as where the data of a Rread begins. Needs core/fs/p9_msg.c alone. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs/p9_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse_body(uint8_t type, struct p9_in *in)
{
	struct p9_qid qids[P9_WALK_MAX];
	struct p9_attr attr;
	struct p9_statfs st;
	struct p9_dirent e;
	uint32_t n32;
	unsigned n;
	uint16_t len;

	switch (type) {
	case P9_TVERSION:
		(void)p9_parse_version(in, &n32);
		break;
	case P9_TWALK:
		if (p9_parse_walk(in, qids, P9_WALK_MAX, &n) == 0 && n > P9_WALK_MAX)
			abort();
		break;
	case P9_TGETATTR:
		if (p9_parse_attr(in, &attr) == 0 && (attr.size > INT64_MAX || attr.mtime_nsec >= NSEC_PER_SEC))
			abort();
		break;
	case P9_TSTATFS:
		(void)p9_parse_statfs(in, &st);
		break;
	case P9_TLOPEN:
	case P9_TLCREATE:
		(void)p9_parse_open(in, qids, &n32);
		break;
	case P9_TREADLINK: {
		const char *s = p9_get_str(in, &len);
		if (p9_in_done(in) && memchr(s, 0, len))
			abort();
		break;
	}
	default: /* directory entries, which follow the head of an Rreaddir */
		while (p9_parse_dirent(in, &e) > 0) {
			if (e.name_len == 0 || e.name_len > 255 || memchr(e.name, '/', e.name_len))
				abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct p9_in in;
	uint8_t *copy;
	int r;

	if (size < 2)
		return 0;
	/* A copy of just the right size, so that the sanitizer sees every byte too far. */
	copy = malloc(size - 1);
	memcpy(copy, data + 1, size - 1);
	r = p9_reply(&in, copy, size - 1, size - 1, data[0], 1);
	if (r > 0)
		abort();
	if (r == 0)
		parse_body(data[0], &in);
	p9_in_init(&in, copy, size - 1);
	parse_body(data[0], &in);
	free(copy);
	return 0;
}
