/* main() of every unit test: runs the file's suite in this process (no fork, so that Valgrind and gdb see it). */
#include "tests/unit/unit.h"

Suite *unit_suite_new(const char *name, TCase **tc, void (*setup)(void), void (*teardown)(void))
{
	Suite *s = suite_create(name);

	*tc = tcase_create(name);
	tcase_add_checked_fixture(*tc, setup, teardown);
	suite_add_tcase(s, *tc);
	return s;
}

int main(void)
{
	SRunner *r = srunner_create(unit_suite());
	int failed;

	srunner_set_fork_status(r, CK_NOFORK);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
