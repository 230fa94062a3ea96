/*
 * test_matcher.c - which alerts a matcher means, what is refused, and that its text means the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/matcher.h"

static char *value(const char *name, const void *arg)
{
	if (strcmp(name, "app") == 0)
		return x_strdup("etl");
	return strcmp(name, "node_id") == 0 ? x_strdup("etl_users") : NULL;
}

static void matchers_mean_what_they_say(void **state)
{
	static const struct {
		const char *text;
		bool match;
	} cases[] = {
	        {"app=etl", true},
	        {"app=\"etl\"", true},
	        {"app=other", false},
	        {"app!=other", true},
	        {"app!=etl", false},
	        {"node_id=~etl.*", true},
	        {"node_id=~\"users\"", false}, /* anchored */
	        {"node_id=~\"a|etl_users\"", true},
	        {"node_id!~\"etl.*\"", false},
	        {"app=etl, node_id=etl_users", true},
	        {"app=etl node_id=x", false},
	        {"missing=\"\"", true},
	        {"missing=x", false},
	        {"missing!~x", true},
	};
	char why[160];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct matchers *matchers, *again;
		struct buf text;

		assert_int_equal(matchers_parse(cases[i].text, &matchers, why), OK);
		assert_int_equal(matchers_match(matchers, value, NULL), cases[i].match);
		buf_init(&text, 4096);
		matchers_text(matchers, &text);
		assert_int_equal(matchers_parse(buf_str(&text), &again, why), OK);
		assert_int_equal(matchers_match(again, value, NULL), cases[i].match);
		buf_finish(&text);
		matchers_free(matchers);
		matchers_free(again);
	}
}

static void what_is_no_matcher_is_refused_with_a_reason(void **state)
{
	static const char *const bad[] = {"", "etl", "=x", "app", "app=\"open", "app=~\"(\"",
	        "a=1 b=1 c=1 d=1 e=1 f=1 g=1 h=1 i=1", "app~x"};
	char why[160];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct matchers *matchers;

		why[0] = '\0';
		assert_int_equal(matchers_parse(bad[i], &matchers, why), ERR_INVALID);
		assert_null(matchers);
		assert_true(strlen(why) > 0);
	}
}

static void what_matches_everything_is_known(void **state)
{
	static const struct {
		const char *text;
		bool all;
	} cases[] = {{"app=~\".*\"", true}, {"app!=x", true}, {"run_id!~\"z\"", true},
	        {"app=etl", false}, {"app=~\".* app=etl\"", false}, {"severity=~\"w.*\"", false}};
	char why[160];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct matchers *matchers;

		assert_int_equal(matchers_parse(cases[i].text, &matchers, why), OK);
		assert_int_equal(matchers_match_all(matchers), cases[i].all);
		matchers_free(matchers);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(matchers_mean_what_they_say),
	        cmocka_unit_test(what_is_no_matcher_is_refused_with_a_reason),
	        cmocka_unit_test(what_matches_everything_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
