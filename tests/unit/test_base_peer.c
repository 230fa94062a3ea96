/*
 * Tests of the names of local users.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bot/base/peer.h"

static void test_a_user_has_a_name_and_a_number(void **state)
{
	char name[80], cut[8];

	peer_name(0, name, sizeof(name));
	assert_string_equal(name, "root (uid 0)");
	peer_name(3999999999, name, sizeof(name));
	assert_string_equal(name, "uid 3999999999");
	peer_name(-1, name, sizeof(name));
	assert_string_equal(name, "uid -1");
	peer_name(0, cut, sizeof(cut));
	assert_string_equal(cut, "root (u");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_a_user_has_a_name_and_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
