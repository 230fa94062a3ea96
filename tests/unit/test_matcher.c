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
#include "bot/base/clock.h"
#include "bot/base/matcher.h"

static const char *value(const char *name, void *arg)
{
	if (strcmp(name, "app") == 0)
		return "etl";
	return strcmp(name, "node_id") == 0 ? "etl_users" : NULL;
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
	        {"app='etl'", true},
	        {"app=‘etl’", true},
	        {"app=“etl”", true},
	        {"app=”etl”", true},
	        {"app=«etl»", true},
	        {"app=«etl» node_id='etl users'", false},
	        {"node_id=~\"etl_(?:users|x)\"", true},
	        {"node_id=~\"(?=etl).*\"", true},
	        {"node_id=~\"etl_users|\"", true},
	        {"node_id=~\"etl|users\"", false},
	        {"node_id=~\"(*ACCEPT)etl\"", false}, /* all of it, whatever the pattern says */
	        {"node_id=~\"etl\\\\K_users\"", true},
	};
	char why[160];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct matchers *matchers, *again;
		struct buf text;

		assert_int_equal(matchers_parse(cases[i].text, &matchers, why), OK);
		assert_int_equal(matchers_match(matchers, value, NULL),
		        cases[i].match ? MATCH_YES : MATCH_NO);
		buf_init(&text, 4096);
		matchers_text(matchers, &text);
		assert_int_equal(matchers_parse(buf_str(&text), &again, why), OK);
		assert_int_equal(
		        matchers_match(again, value, NULL), cases[i].match ? MATCH_YES : MATCH_NO);
		buf_finish(&text);
		matchers_free(matchers);
		matchers_free(again);
	}
}

static void what_is_no_matcher_is_refused_with_a_reason(void **state)
{
	static const char *const bad[] = {"", "etl", "=x", "app", "app=\"open", "app=~\"(\"",
	        "a=~1 b=~1 c=~1 d=~1 e=~1 f=~1 g=~1 h=~1 i!~1", "app~x", "app==etl", "app!==etl",
	        "app=", "app= etl", "app='etl", "app=«etl", "app=“etl'",
	        /* too much to compile, or to match */
	        "title=~\"(.*)(.*)(.*)(.*)\\\\5\\\\4\\\\3\\\\2x\"", "title=~\"(a)\\\\1\"",
	        "title=~\"(?<n>a)\\\\k<n>\"", "title=~\"(?|(a)|(b))\\\\1\"",
	        "title=~\"a\\\\g{-1}\"", "title=~\"(((a{255}){255}){255})\"",
	        "app=~\"((a{1,100}){1,100}){1,100}\"", "title=~\"(?:(?:(?:a{1,50}){1,50}){1,20})\"",
	        "title=~\"a{1,70000}\"", "title=~\"a++++++++++++++++++++++\"", "title=~\"\\\\C\"",
	        "title=~\"[\"", "title=~\"((((((((((((((((((((((((((a))))))))))))))))))))))))))\"",
	        "title=~\"(?<=a+)b\"", "title=~\"\xff\"", "title=~\"a\\\\\"", "title=~\"(?P>x)\""};
	char why[160];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct matchers *matchers;

		why[0] = '\0';
		assert_int_equal(matchers_parse(bad[i], &matchers, why), ERR_INVALID);
		assert_null(matchers);
		assert_true(strlen(why) > 0);
	}
}

/* A client makes a silence of all labels of an alert. */
static void many_matchers_are_taken_up_to_a_limit(void **state)
{
	struct buf text;
	struct matchers *matchers;
	char why[160];

	buf_init(&text, (size_t)64 * 1024);
	for (int i = 0; i < MATCHERS_MAX; i++)
		buf_printf(&text, "label_%d!=\"value\" ", i);
	assert_int_equal(matchers_parse(buf_str(&text), &matchers, why), OK);
	assert_int_equal(matchers_match(matchers, value, NULL), MATCH_YES);
	matchers_free(matchers);
	buf_add_str(&text, "one=more");
	assert_int_equal(matchers_parse(buf_str(&text), &matchers, why), ERR_INVALID);
	assert_string_equal(why, "more than 32 matchers");
	buf_reset(&text);
	for (int i = 0; i < MATCHERS_MAX; i++) /* each may be, but not all */
		buf_printf(&text, "label_%d!=\"%0*d\" ", i, MATCHER_VALUE_MAX, 0);
	assert_int_equal(matchers_parse(buf_str(&text), &matchers, why), ERR_INVALID);
	assert_string_equal(why, "the matchers are over 4096 bytes long");
	buf_finish(&text);
}

static void a_long_pattern_is_refused(void **state)
{
	char *text = x_asprintf("app=~\"%0*d\"", MATCHER_VALUE_MAX + 1, 0), why[160];
	struct matchers *matchers;

	assert_int_equal(matchers_parse(text, &matchers, why), ERR_INVALID);
	free(text);
	text = x_asprintf("app=~\"%0*d\"", MATCHER_VALUE_MAX, 0);
	assert_int_equal(matchers_parse(text, &matchers, why), OK);
	matchers_free(matchers);
	free(text);
}

static const char *same(const char *name, void *arg)
{
	return arg;
}

static void what_costs_too_much_is_given_up_soon(void **state)
{
	static const char *const patterns[] = {"(a*)*b|(a|aa)+$", "(a|aa)+b|c", "(?:a?){100}a{100}",
	        ".*.*.*.*[xy]", "(?R)a|b", "(a|b(?1)|(?1)c)*[xy]", "(?:[^x]*[^y]*)*[zb]",
	        "(?:\\\\p{L}|\\\\p{M})*[zb]", "(?i)(?:A|a|aA|Aa)*[bc]", "\\\\X*\\\\X*\\\\X*[zb]",
	        "(*LIMIT_MATCH=4000000000)(a|aa)+[bc]", "(?:.*(?:.*(?:.*(?:.*[qz]))))",
	        "(?:a|a|a|a|a|a|a|a|a|a|a|a|a|a|a|a|a|a)*[bc]", "(?=(?:a|aa)*[bc]).*"};
	char text[6001], why[160];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		for (int i_not = 0; i_not < 2; i_not++) {
			char *what = x_asprintf("x%s\"%s\"", i_not ? "!~" : "=~", patterns[i]);
			int64_t start_ms = clock_monotonic_ms();
			struct matchers *matchers;

			if (matchers_parse(what, &matchers, why) != OK)
				fail_msg("%s: %s", what, why);
			if (matchers_match(matchers, same, text) != MATCH_LIMIT)
				fail_msg("%s: no limit", what);
			assert_in_range(clock_monotonic_ms() - start_ms, 0, 2000);
			matchers_free(matchers);
			free(what);
		}
}

/* The number of steps is what ends it: the same pattern is answered for a shorter text, and takes
 * neither depth nor memory for a longer one. */
static void the_number_of_steps_is_limited(void **state)
{
	char text[] = "aaaaaaaaaaaaaaaaaaaaaaaaaa", why[160];
	struct matchers *matchers;

	assert_int_equal(matchers_parse("x=~\"(?:a|aa)+[bc]\"", &matchers, why), OK);
	assert_int_equal(matchers_match(matchers, same, text), MATCH_LIMIT);
	assert_int_equal(matchers_match(matchers, same, text + 16), MATCH_NO);
	matchers_free(matchers);
}

static void odd_values_are_compared_and_none_is_cut(void **state)
{
	char *longer = x_asprintf("%0*d", 20000, 0), why[160];
	struct matchers *like, *unlike;

	assert_int_equal(matchers_parse("x=~\"(?s).*\"", &like, why), OK);
	assert_int_equal(matchers_parse("x!~\"never\"", &unlike, why), OK);
	assert_int_equal(matchers_match(like, same, (char *)"a\nb\n"), MATCH_YES);
	assert_int_equal(matchers_match(like, same, (char *)""), MATCH_YES);
	assert_int_equal(matchers_match(like, same, (char *)"\xf0\x9f\x9a\xa8"), MATCH_YES);
	/* what is no UTF-8, or too long, is like nothing and unlike nothing */
	assert_int_equal(matchers_match(like, same, (char *)"\xf0\x9f\x9a"), MATCH_NO);
	assert_int_equal(matchers_match(unlike, same, (char *)"\xff"), MATCH_NO);
	assert_int_equal(matchers_match(like, same, longer), MATCH_NO);
	assert_int_equal(matchers_match(unlike, same, longer), MATCH_NO);
	matchers_free(like);
	matchers_free(unlike);
	free(longer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(matchers_mean_what_they_say),
	        cmocka_unit_test(what_is_no_matcher_is_refused_with_a_reason),
	        cmocka_unit_test(many_matchers_are_taken_up_to_a_limit),
	        cmocka_unit_test(a_long_pattern_is_refused),
	        cmocka_unit_test(what_costs_too_much_is_given_up_soon),
	        cmocka_unit_test(the_number_of_steps_is_limited),
	        cmocka_unit_test(odd_values_are_compared_and_none_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
