/* The vDSO's data page and mapping. The source is included, so that the platform's counter can be the test's. */
#include "plat/plat.h"

static int test_tsc(struct plat_tsc *out);
#define plat_time_tsc test_tsc
#include "core/vdso.c"

#include "core/mm/page.h"
#include "core/mm/pagecache.h"
#include "tests/unit/filetest.h"

#define RAM (16ul << 20)
#define S NSEC_PER_SEC
#define TWO_GHZ (1ul << 31) /* mult: half a nanosecond per tick */
#define IMAGE 5000

/* The image: two pages, the second one not full. */
__asm__(".pushsection .rodata\n"
	".globl vdso_start, vdso_end\n"
	".balign 4096\n"
	"vdso_start: .fill 4996, 1, 0x5a\n"
	".ascii \"last\"\n"
	"vdso_end:\n"
	".popsection");

static struct plat_tsc tsc;
static int tsc_error;

static int test_tsc(struct plat_tsc *out)
{
	*out = tsc;
	return tsc_error;
}

static void setup(void)
{
	fake_boot(RAM);
	fake_time_set(3 * S + 7);
	fake_wall_set(1700000000 * S + 5);
	clock_wall_set(plat_time_wall());
	tsc = (struct plat_tsc){ .tsc = 1000, .mono = 3 * S + 2, .mult = TWO_GHZ };
	tsc_error = 0;
	renew_at = 0;
	vdso_init();
}

static void teardown(void)
{
	page_put(va_to_page(data));
	data = NULL;
	file_put(vdso_file);
	fake_check_leaks();
}

START_TEST(data_page)
{
	ck_assert_uint_eq(data->seq, 2); /* even: whole */
	ck_assert_uint_eq(data->tsc, 1000);
	ck_assert_uint_eq(data->mult, TWO_GHZ);
	ck_assert_uint_eq(data->span, 2 * S); /* a second in ticks */
	ck_assert_uint_eq(data->base[VDSO_MONO].sec, 3);
	ck_assert_uint_eq(data->base[VDSO_MONO].nsec, 2);
	/* the wall clock at the same moment: 5 ns before it was read */
	ck_assert_uint_eq(data->base[VDSO_WALL].sec, 1700000000);
	ck_assert_uint_eq(data->base[VDSO_WALL].nsec, 0);
}
END_TEST

START_TEST(updates)
{
	tsc = (struct plat_tsc){ .tsc = 5000, .mono = 4 * S + 999999999, .mult = TWO_GHZ / 2 };
	vdso_update();
	ck_assert_uint_eq(data->seq, 4);
	ck_assert_uint_eq(data->tsc, 5000);
	ck_assert_uint_eq(data->span, 4 * S);
	ck_assert_uint_eq(data->base[VDSO_MONO].sec, 4);
	ck_assert_uint_eq(data->base[VDSO_MONO].nsec, 999999999);
	tsc_error = -ENODEV; /* nothing known: the page stays */
	tsc.tsc = 9;
	vdso_update();
	ck_assert_uint_eq(data->seq, 4);
	ck_assert_uint_eq(data->tsc, 5000);
}
END_TEST

START_TEST(wall_clock_is_set)
{
	clock_wall_set(50 * S);
	ck_assert_uint_eq(data->base[VDSO_WALL].sec, 49);
	ck_assert_uint_eq(data->base[VDSO_WALL].nsec, S - 5);
	ck_assert_uint_eq(data->base[VDSO_MONO].sec, 3);
	clock_wall_set(plat_time_wall());
}
END_TEST

START_TEST(renewed_at_most_twice_a_second)
{
	vdso_renew();
	ck_assert_uint_eq(data->seq, 2);
	fake_time_advance(S / 2 - 1);
	vdso_renew();
	ck_assert_uint_eq(data->seq, 2);
	fake_time_advance(1);
	vdso_renew();
	ck_assert_uint_eq(data->seq, 4);
	vdso_renew();
	ck_assert_uint_eq(data->seq, 4);
}
END_TEST

/* A platform that learns its counter's rate later: the page says "ask" until then. */
START_TEST(unknown_at_first)
{
	teardown();
	tsc_error = -ENODEV;
	renew_at = 0;
	vdso_init();
	ck_assert_uint_eq(data->seq, 0);
	ck_assert_uint_eq(data->span, 0);
	tsc_error = 0;
	vdso_renew();
	ck_assert_uint_eq(data->seq, 2);
	ck_assert_uint_eq(data->span, 2 * S);
}
END_TEST

START_TEST(mapping)
{
	struct space *s = fake_space();
	struct vdso_data seen;
	char text[IMAGE], c = 1;

	ck_assert_int_eq(vdso_map(s), 0);
	ck_assert_uint_eq(s->vdso % PAGE_SIZE, 0);
	ck_assert_int_eq(copyin(text, s->vdso, IMAGE), 0);
	ck_assert_mem_eq(text, vdso_start, IMAGE);
	ck_assert_mem_eq(text + IMAGE - 4, "last", 4);
	ck_assert_int_eq(copyin(&c, s->vdso + IMAGE, 1), 0); /* the rest of the page is zero */
	ck_assert_int_eq(c, 0);
	ck_assert_int_eq(copyin(&c, s->vdso + 2 * PAGE_SIZE, 1), -EFAULT);
	ck_assert_int_eq(copyin(&c, s->vdso - PAGE_SIZE - 1, 1), -EFAULT);
	ck_assert_int_eq(copyin(&seen, s->vdso - PAGE_SIZE, sizeof(seen)), 0); /* the page before it is the data */
	ck_assert_mem_eq(&seen, data, sizeof(seen));
	tsc.tsc = 77;
	vdso_update();
	ck_assert_int_eq(copyin(&seen, s->vdso - PAGE_SIZE, sizeof(seen)), 0); /* the same page */
	ck_assert_uint_eq(seen.tsc, 77);
	ck_assert_int_eq(copyout(s->vdso, &c, 1), -EFAULT);
	ck_assert_int_eq(copyout(s->vdso - PAGE_SIZE, &c, 1), -EFAULT);
	fake_space_drop();
}
END_TEST

/* A debugger writes to the code: its copy alone changes. */
START_TEST(code_is_private)
{
	struct space *s = fake_space();
	char c = 1;

	ck_assert_int_eq(vdso_map(s), 0);
	ck_assert_int_eq(space_mprotect(s, s->vdso, PAGE_SIZE, PROT_READ | PROT_WRITE), 0);
	ck_assert_int_eq(copyout(s->vdso, &c, 1), 0);
	fake_space_drop();
	s = fake_space();
	ck_assert_int_eq(vdso_map(s), 0);
	ck_assert_int_eq(copyin(&c, s->vdso, 1), 0);
	ck_assert_int_eq(c, 0x5a);
	fake_space_drop();
}
END_TEST

START_TEST(memory_is_short)
{
	bool failed = true;

	for (unsigned n = 1; failed; n++) {
		struct space *s = fake_space();
		int r;

		fake_fail_after(n);
		r = vdso_map(s);
		failed = fake_failed();
		fake_fail_after(0);
		ck_assert_int_eq(r, failed ? -ENOMEM : 0);
		fake_space_drop();
	}
}
END_TEST

Suite *unit_suite(void)
{
	TCase *tc;
	Suite *suite = unit_suite_new("vdso", &tc, setup, teardown);

	tcase_add_test(tc, data_page);
	tcase_add_test(tc, updates);
	tcase_add_test(tc, wall_clock_is_set);
	tcase_add_test(tc, renewed_at_most_twice_a_second);
	tcase_add_test(tc, unknown_at_first);
	tcase_add_test(tc, mapping);
	tcase_add_test(tc, code_is_private);
	tcase_add_test(tc, memory_is_short);
	return suite;
}
