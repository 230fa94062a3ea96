/*
 * Times and durations as text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "bot/base/clock.h"
#include "bot/base/zone.h"

static void test_rfc3339_is_parsed(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = {
	        {"1970-01-01T00:00:00Z", 0},
	        {"2026-11-24T09:00:00Z", 1795510800000},
	        {"2026-11-24t09:00:00z", 1795510800000},
	        {"2026-11-24 09:00:00Z", 1795510800000},
	        {"2026-11-24T09:00:00.250+01:00", 1795507200250},
	        {"2026-11-24T09:00:00.2509999-00:30", 1795512600250},
	        {"2026-11-24T09:00:00.2Z", 1795510800200},
	        {"2024-02-29T00:00:00Z", 1709164800000},
	        {"2000-02-29T00:00:00Z", 951782400000},
	        {"2016-12-31T23:59:60Z", 1483228800000},
	        {"9999-12-31T23:59:59.999Z", 253402300799999},
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		int64_t ms = -1;

		if (!clock_parse_rfc3339(good[i].text, &ms) || ms != good[i].ms)
			fail_msg("%s: %lld", good[i].text, (long long)ms);
	}
}

static void test_wrong_times_are_refused(void **state)
{
	static const char *const bad[] = {"", "x", "2026", "2026-11-24", "2026-11-24T09:00:00",
	        "2026-11-24T09:00Z", "2026-13-24T09:00:00Z", "2026-00-24T09:00:00Z",
	        "2026-11-00T09:00:00Z", "2026-11-31T09:00:00Z", "2026-02-29T00:00:00Z",
	        "2100-02-29T00:00:00Z", "2026-02-30T23:59:60Z", "2026-11-24T24:00:00Z",
	        "2026-11-24T09:60:00Z", "2026-11-24T09:00:61Z", "2026-11-24T09:00:00.Z",
	        "2026-11-24T09:00:00+24:00", "2026-11-24T09:00:00+01:60",
	        "2026-11-24T09:00:00+0100", "2026-11-24T09:00:00Z ", " 2026-11-24T09:00:00Z",
	        "2026-11-24T09:00:00ZZ", "+026-11-24T09:00:00Z", "2026-11-24X09:00:00Z",
	        "2026-11-24T09:00:00\xC2\xA0Z"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int64_t ms = 7;

		if (clock_parse_rfc3339(bad[i], &ms) || ms != 7)
			fail_msg("\"%s\" was taken", bad[i]);
	}
}

static void test_what_is_formatted_is_parsed_again(void **state)
{
	static const int64_t times[] = {0, 999, 1709164800000, 1795510800250, 253402300799999};
	char text[25];

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		int64_t ms = -1;

		clock_format_rfc3339(times[i], text, sizeof(text));
		assert_int_equal(strlen(text), 24);
		assert_true(clock_parse_rfc3339(text, &ms));
		assert_int_equal(ms, times[i]);
	}
	clock_format_rfc3339(1795510800250, text, sizeof(text));
	assert_string_equal(text, "2026-11-24T09:00:00.250Z");
}

static void test_short_times(void **state)
{
	char text[32];
	const int64_t nine = 1795510800000;

	zone_use(NULL);
	clock_format_short(nine, nine + CLOCK_HOUR_MS, text, sizeof(text));
	assert_string_equal(text, "09:00 UTC");
	clock_format_short(nine, nine + 15 * CLOCK_HOUR_MS, text, sizeof(text));
	assert_string_equal(text, "Tue 24 Nov 09:00 UTC");
	/* the same day of another year is another day */
	clock_format_short(nine, nine + 365 * CLOCK_DAY_MS, text, sizeof(text));
	assert_string_equal(text, "Tue 24 Nov 2026 09:00 UTC");
	zone_use("Europe/Madrid");
	clock_format_short(nine, nine + CLOCK_HOUR_MS, text, sizeof(text));
	assert_string_equal(text, "10:00 CET");
	clock_format_short(nine + 14 * CLOCK_HOUR_MS, nine, text, sizeof(text));
	assert_string_equal(text, "Wed 25 Nov 00:00 CET");
	clock_format_short(nine, 0, text, sizeof(text));
	assert_string_equal(text, "Tue 24 Nov 10:00 CET");
	zone_use(NULL);
}

static void test_durations_are_parsed(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = {
	        {"0", 0},
	        {"0s", 0},
	        {"250ms", 250},
	        {"90s", 90000},
	        {"30m", 1800000},
	        {"1h", 3600000},
	        {"1d12h", 129600000},
	        {"2w", 1209600000},
	        {"1w2d3h4m5s6ms", 788645006},
	        {"1m1ms", 60001},
	        {"007s", 7000},
	};
	char text[48];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		int64_t ms = -1;

		if (!clock_parse_duration(good[i].text, &ms) || ms != good[i].ms)
			fail_msg("%s: %lld", good[i].text, (long long)ms);
		clock_write_duration(ms, text, sizeof(text));
		if (!clock_parse_duration(text, &ms) || ms != good[i].ms)
			fail_msg("%s became %s", good[i].text, text);
	}
}

static void test_wrong_durations_are_refused(void **state)
{
	static const char *const bad[] = {"", "5", "00", "s", "-5s", "+5s", " 5s", "5s ", "5 s",
	        "5x", "5S", "5mm", "5sm", "1m1h", "1m1m", "1ms1s", "1.5h", "1h30", "1h 30m", "0x5s",
	        "99999999999999999999s", "9223372036854775807w", "1\xC2\xB5s", "forever"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int64_t ms = 7;

		if (clock_parse_duration(bad[i], &ms) || ms != 7)
			fail_msg("\"%s\" was taken", bad[i]);
	}
}

static void test_durations_for_people(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} cases[] = {
	        {-5, "0 s"},
	        {0, "0 s"},
	        {1, "0.1 s"},
	        {340, "0.3 s"},
	        {1000, "1 s"},
	        {1999, "1.9 s"},
	        {22000, "22 s"},
	        {59999, "59.9 s"},
	        {60000, "1m"},
	        {61500, "1m 1s"},
	        {720000, "12m"},
	        {3600000, "1h"},
	        {467999, "7m 47s"},
	        {129600000, "1d 12h"},
	        {86400000 + 59000, "1d"},
	        {1209600000, "14d"},
	};
	char text[24];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		clock_format_duration(cases[i].ms, text, sizeof(text));
		assert_string_equal(text, cases[i].text);
	}
	clock_format_duration(INT64_MAX, text, sizeof(text));
	assert_in_range(strlen(text), 1, 23);
}

static void test_clocks_go_on(void **state)
{
	int64_t first = clock_monotonic_ms();

	assert_true(clock_monotonic_ms() >= first);
	assert_true(clock_now_ms() > 1600000000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_rfc3339_is_parsed),
	        cmocka_unit_test(test_wrong_times_are_refused),
	        cmocka_unit_test(test_what_is_formatted_is_parsed_again),
	        cmocka_unit_test(test_short_times),
	        cmocka_unit_test(test_durations_are_parsed),
	        cmocka_unit_test(test_wrong_durations_are_refused),
	        cmocka_unit_test(test_durations_for_people),
	        cmocka_unit_test(test_clocks_go_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
