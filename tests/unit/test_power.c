/*
 * Power levels as rooms of each version may have them: never more than the homeserver gives.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include "bot/matrix/power.h"

#define CREATE(version) "{\"sender\":\"@a:x\",\"content\":{\"room_version\":\"" version "\"}}"
#define UNNAMED "{\"sender\":\"@a:x\",\"content\":{}}" /* version 1 */

static json_t *parse(const char *text)
{
	json_t *json = json_loads(text, 0, NULL);

	assert_int_equal(!text, !json);
	return json;
}

static void levels_are_what_the_rooms_version_allows(void **state)
{
	static const struct {
		const char *value, *create;
		int64_t level;
	} cases[] = {
	        {"50", UNNAMED, 50},
	        {"50", CREATE("12"), 50},
	        {"50", NULL, 50},
	        {"-1", CREATE("11"), -1},
	        /* strings, below version 10 */
	        {"\"50\"", UNNAMED, 50},
	        {"\"50\"", CREATE("9"), 50},
	        {"\"50\"", CREATE("10"), POWER_LEAST},
	        {"\"50\"", CREATE("12"), POWER_LEAST},
	        {"\"50\"", CREATE("org.example.mine"), POWER_LEAST},
	        {"\"50\"", CREATE("9b"), POWER_LEAST},
	        {"\"50\"", "{\"content\":{\"room_version\":9}}", POWER_LEAST},
	        {"\"50\"", NULL, POWER_LEAST},
	        {"\" +050\\n\"", CREATE("6"), 50},
	        {"\"-5\"", CREATE("6"), -5},
	        {"\"50x\"", CREATE("6"), POWER_LEAST},
	        {"\"50.0\"", CREATE("1"), POWER_LEAST},
	        {"\"5 0\"", CREATE("1"), POWER_LEAST},
	        {"\"1e2\"", CREATE("1"), POWER_LEAST},
	        {"\"0x64\"", CREATE("1"), POWER_LEAST},
	        {"\"inf\"", CREATE("1"), POWER_LEAST},
	        {"\"- 5\"", CREATE("1"), POWER_LEAST},
	        {"\"+\"", CREATE("1"), POWER_LEAST},
	        {"\"\"", CREATE("1"), POWER_LEAST},
	        {"\"99999999999999999999999\"", CREATE("1"), POWER_MOST},
	        {"\"-99999999999999999999999\"", CREATE("1"), POWER_LEAST},
	        /* fractions, below version 6 */
	        {"50.0", CREATE("5"), 50},
	        {"49.99", CREATE("5"), 49},
	        {"-0.5", CREATE("5"), 0},
	        {"1e300", CREATE("5"), POWER_MOST},
	        {"-1e300", CREATE("5"), POWER_LEAST},
	        {"50.0", CREATE("6"), POWER_LEAST},
	        {"50.0", CREATE("12"), POWER_LEAST},
	        {"9223372036854775807", CREATE("1"), POWER_MOST},
	        /* not a level anywhere; null counts as absent */
	        {"true", CREATE("1"), POWER_LEAST},
	        {"[50]", CREATE("1"), POWER_LEAST},
	        {"{}", CREATE("1"), POWER_LEAST},
	        {"null", CREATE("1"), 20},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *create = cases[i].create ? parse(cases[i].create) : NULL;
		char text[160];
		json_t *levels;

		snprintf(text, sizeof(text), "{\"users\":{\"@op:x\":%s},\"users_default\":20}",
		        cases[i].value);
		levels = parse(text);
		if (power_of(create, levels, "@op:x") != cases[i].level)
			fail_msg("%s in %s: %lld", cases[i].value, cases[i].create,
			        (long long)power_of(create, levels, "@op:x"));
		assert_int_equal(power_of(create, levels, "@other:x"), 20);
		json_decref(levels);
		json_decref(create);
	}
}

/* Without levels the creator has 100: whom the content names, in old rooms. */
static void a_room_without_levels_has_its_creator(void **state)
{
	static const struct {
		const char *create, *user;
		int64_t level;
	} cases[] = {
	        {UNNAMED, "@a:x", 100}, {UNNAMED, "@b:x", 0}, {CREATE("12"), "@a:x", POWER_CREATOR},
	        {"{\"sender\":\"@a:x\",\"content\":{\"creator\":\"@b:x\"}}", "@a:x", 0},
	        {"{\"sender\":\"@a:x\",\"content\":{\"creator\":\"@b:x\"}}", "@b:x", 100},
	        {"{\"sender\":\"@a:x\",\"content\":{\"creator\":\"@b:x\",\"room_version\":\"11\"}}",
	                "@b:x", 0},
	        {"{\"creator\":\"@b:x\",\"room_version\":\"10\"}", "@b:x",
	                100}, /* the content alone */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *create = parse(cases[i].create);

		assert_int_equal(power_of(create, NULL, cases[i].user), cases[i].level);
		json_decref(create);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(levels_are_what_the_rooms_version_allows),
	        cmocka_unit_test(a_room_without_levels_has_its_creator),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
