/* libFuzzer target: replies of a 9P server. The server of the unit tests (tests/unit/p9test.h) answers; the input spoils
 * its replies: an error instead, other bytes somewhere, another length, or bytes of its own from the head on. Meanwhile the
 * client's file system is mounted and used in every way. The input is also parsed as a reply by itself. */
#include "tests/fuzz/fuzz.h"

#define unit_suite p9_unit_suite
#include "tests/unit/test_p9_hostile.c"

/* The suite at that file's end is never made. */
Suite *unit_suite_new(const char *name, TCase **tc, void (*setup_fn)(void), void (*teardown_fn)(void)) { return NULL; }
void tcase_set_timeout(TCase *tc, double timeout) { }
void _tcase_add_test(TCase *tc, const TTest *t, int signal, int exit_value, int start, int end) { }

static struct fuzz_in in;

static int spoil_reply(uint8_t *reply, size_t len, size_t max)
{
	if (!in.len)
		return (int)len;
	switch (fuzz_byte(&in) % 8) {
	case 1: { /* Rlerror */
		uint32_t err = fuzz_byte(&in) & 1 ? fuzz_word(&in) << 16 | fuzz_word(&in) : fuzz_byte(&in);

		if (max < 11)
			return (int)len;
		reply[4] = P9_RLERROR;
		memcpy(reply + 7, &err, 4);
		len = 11;
		break;
	}
	case 2: /* bytes somewhere behind the head */
		for (unsigned n = 1 + fuzz_byte(&in) % 8, at = 7 + fuzz_word(&in) % 160; n--; at++)
			if (at < len)
				reply[at] = fuzz_byte(&in);
		break;
	case 3: /* cut off, with the right size field */
		len -= fuzz_word(&in) % (len - 6);
		break;
	case 4: /* cut off, with the old one */
		return (int)(len - fuzz_word(&in) % (len + 1));
	case 5: /* a body of the input's */
		len = 7 + fuzz_word(&in) % 600;
		len = MIN(len, max);
		for (size_t i = 7; i < len; i++)
			reply[i] = fuzz_byte(&in);
		break;
	case 6: /* the head */
		reply[fuzz_byte(&in) % 7] = fuzz_byte(&in);
		return (int)len;
	default:
		return (int)len;
	}
	reply[0] = (uint8_t)len;
	reply[1] = (uint8_t)(len >> 8);
	reply[2] = (uint8_t)(len >> 16);
	reply[3] = (uint8_t)(len >> 24);
	return (int)len;
}

/* ---- the parsers alone ---- */

static void parse_body(uint8_t type, struct p9_in *p)
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
		(void)p9_parse_version(p, &n32);
		break;
	case P9_TWALK:
		fuzz_check(p9_parse_walk(p, qids, P9_WALK_MAX, &n) || n <= P9_WALK_MAX);
		break;
	case P9_TGETATTR:
		fuzz_check(p9_parse_attr(p, &attr) || (attr.size <= INT64_MAX && attr.mtime_nsec < NSEC_PER_SEC));
		break;
	case P9_TSTATFS:
		(void)p9_parse_statfs(p, &st);
		break;
	case P9_TLOPEN:
	case P9_TLCREATE:
		(void)p9_parse_open(p, qids, &n32);
		break;
	case P9_TREADLINK: {
		const char *s = p9_get_str(p, &len);
		fuzz_check(!p9_in_done(p) || !memchr(s, 0, len));
		break;
	}
	default: /* directory entries, which follow the head of an Rreaddir */
		while (p9_parse_dirent(p, &e) > 0)
			fuzz_check(e.name_len > 0 && e.name_len <= 255 && !memchr(e.name, '/', e.name_len));
	}
}

static void parse(struct fuzz_in all)
{
	uint8_t type = fuzz_byte(&all);
	size_t n = all.len;
	uint8_t *copy = fuzz_copy(&all, &n);
	struct p9_in p;
	int r = p9_reply(&p, copy, n, n, type, 1);

	fuzz_check(r <= 0);
	if (r == 0)
		parse_body(type, &p);
	p9_in_init(&p, copy, n);
	parse_body(type, &p);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool readonly;

	in = (struct fuzz_in){ data, size };
	if (size > 2)
		parse(in);
	readonly = fuzz_byte(&in) & 1;
	fake_boot(RAM);
	server_start();
	spoil = spoil_reply;
	spoil_type = 0;
	scenario(readonly);
	spoil = NULL;
	server_stop();
	fake_check_leaks();
	return 0;
}
