/*
 * test_backoff.c - the wait before the next try.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "bot/matrix/backoff.h"

static void test_wait_doubles_up_to_the_cap(void **state)
{
	static const struct {
		unsigned tries;
		int64_t least, most;
	} cases[] = {
	        {1, 250, 500},
	        {2, 500, 1000},
	        {3, 1000, 2000},
	        {8, 30000, 60000},
	        {9, 30000, 60000},
	        {1000000, 30000, 60000},
	        {UINT32_MAX, 30000, 60000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(backoff_ms(cases[i].tries, -1, 0), cases[i].least);
		for (uint32_t random = 1; random < 4000000000U; random += 123456789U) {
			int64_t wait = backoff_ms(cases[i].tries, -1, random);

			assert_in_range(wait, cases[i].least, cases[i].most);
		}
	}
	assert_int_equal(backoff_ms(1, -1, 250), 500); /* all of it is reached */
}

static void test_server_is_obeyed_up_to_five_minutes(void **state)
{
	(void)state;
	assert_int_equal(backoff_ms(1, 7000, 9), 7000);
	assert_int_equal(backoff_ms(20, 70000, 9), 70000);
	assert_int_equal(backoff_ms(1, INT64_MAX, 9), 300000);
	assert_in_range(backoff_ms(8, 0, 9), 30000, 60000); /* never below our own */
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_wait_doubles_up_to_the_cap),
	        cmocka_unit_test(test_server_is_obeyed_up_to_five_minutes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
