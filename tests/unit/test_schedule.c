/*
 * test_schedule.c - when something is due, over every change of the clock of several zones for
 * twenty years and more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "bot/base/clock.h"
#include "bot/base/zone.h"
#include "handlers/heartbeats/schedule.h"

static int64_t at(const char *rfc3339)
{
	int64_t ms;

	assert_true(clock_parse_rfc3339(rfc3339, &ms));
	return ms;
}

static void assert_at(int64_t ms, const char *rfc3339)
{
	char text[32];

	clock_format_rfc3339(ms, text, sizeof(text));
	text[19] = 'Z';
	text[20] = '\0';
	assert_string_equal(text, rfc3339);
}

static const char *const zones[] = {"UTC", "Europe/Madrid", "America/New_York",
        "Australia/Lord_Howe", "Africa/Casablanca", "America/Santiago", "Asia/Kathmandu",
        "Pacific/Apia", "America/Nuuk", "America/Havana", "America/St_Johns", "Asia/Gaza"};

/* Walks 2005 to 2027 by next(): every date that exists has exactly one, in order, and it is at
 * the wanted time but in a gap. */
static void walk(const char *zone, const char *time)
{
	struct schedule schedule;
	int64_t end = at("2028-01-01T00:00:00Z"), now = at("2005-01-01T00:00:00Z"), gaps = 0;
	int hour, minute;
	char date[11] = "";

	zone_use(zone);
	assert_int_equal(schedule_daily(&schedule, time), OK);
	assert_int_equal(sscanf(time, "%d:%d", &hour, &minute), 2);
	for (now = schedule_next(&schedule, now); now < end;) {
		int64_t next = schedule_next(&schedule, now);
		char next_date[11];
		struct zone_time local;

		zone_local(now, &local);
		if (local.hour != hour || local.minute != minute || local.second != 0)
			gaps++;
		schedule_date(now, date);
		schedule_date(next, next_date);
		/* 22 to 26 hours, or a date that was left out */
		assert_true(next > now);
		assert_true(strcmp(next_date, date) > 0);
		if (strcmp(next_date, "2011-12-31") == 0 && strcmp(zone, "Pacific/Apia") == 0)
			assert_string_equal(date, "2011-12-29");
		else
			for (int64_t between = now; between < next; between += CLOCK_HOUR_MS) {
				char other[11];

				schedule_date(between, other);
				assert_true(
				        strcmp(other, date) == 0 || strcmp(other, next_date) == 0);
			}
		now = next;
	}
	assert_true(gaps < 60);
}

static void each_day_has_exactly_one(void **state)
{
	static const char *const times[] = {"09:00", "02:30", "00:00", "00:30", "02:00", "23:30"};

	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++)
		for (size_t j = 0; j < sizeof(times) / sizeof(times[0]); j++)
			walk(zones[i], times[j]);
	zone_use(NULL);
	(void)state;
}

/* last() agrees with next() at, just before and between, around every change of a zone. */
static void the_last_is_the_one_before_the_next(void **state)
{
	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
		struct schedule schedule;
		int64_t due, next;

		zone_use(zones[i]);
		assert_int_equal(schedule_daily(&schedule, "02:30"), OK);
		due = schedule_next(&schedule, at("2010-01-01T00:00:00Z"));
		for (; due < at("2013-01-01T00:00:00Z"); due = next) {
			next = schedule_next(&schedule, due);
			assert_int_equal(schedule_last(&schedule, due), due);
			assert_int_equal(schedule_last(&schedule, next - 1), due);
			assert_int_equal(schedule_next(&schedule, due - 1), due);
		}
	}
	zone_use(NULL);
	(void)state;
}

static void daily_times_in_gaps_and_overlaps(void **state)
{
	static const struct {
		const char *zone, *time, *after, *next;
	} cases[] = {
	        {"UTC", "09:00", "2026-11-24T09:00:00Z", "2026-11-25T09:00:00Z"},
	        {"UTC", "09:00", "2026-11-24T08:59:59.999Z", "2026-11-24T09:00:00Z"},
	        {"UTC", "09:00", "2028-02-28T10:00:00Z", "2028-02-29T09:00:00Z"},
	        {"Europe/Madrid", "09:00", "2026-03-28T12:00:00Z", "2026-03-29T07:00:00Z"},
	        {"Europe/Madrid", "09:00", "2026-10-24T12:00:00Z", "2026-10-25T08:00:00Z"},
	        /* 02:00 becomes 03:00 */
	        {"Europe/Madrid", "02:30", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"},
	        /* 02:30 comes at 00:30 UTC and at 01:30 UTC */
	        {"Europe/Madrid", "02:30", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"},
	        {"Europe/Madrid", "02:30", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},
	        {"Europe/Madrid", "02:30", "2026-10-25T01:29:00Z", "2026-10-26T01:30:00Z"},
	        /* half an hour is left out: 02:00 becomes 02:30 */
	        {"Australia/Lord_Howe", "02:15", "2026-10-03T00:00:00Z", "2026-10-03T15:30:00Z"},
	        {"Australia/Lord_Howe", "02:30", "2026-10-03T00:00:00Z", "2026-10-03T15:30:00Z"},
	        /* no midnight: 00:00 becomes 01:00 */
	        {"America/Santiago", "00:00", "2026-09-05T12:00:00Z", "2026-09-06T04:00:00Z"},
	        /* the gap reaches to midnight: the last minute before it */
	        {"America/Nuuk", "23:30", "2026-03-28T12:00:00Z", "2026-03-29T00:59:00Z"},
	        {"Pacific/Apia", "09:00", "2011-12-29T20:00:00Z", "2011-12-30T19:00:00Z"},
	        /* far ahead of the table's end */
	        {"Europe/Madrid", "02:30", "2099-03-28T12:00:00Z", "2099-03-29T01:00:00Z"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct schedule schedule;

		zone_use(cases[i].zone);
		assert_int_equal(schedule_daily(&schedule, cases[i].time), OK);
		assert_at(schedule_next(&schedule, at(cases[i].after)), cases[i].next);
	}
	zone_use(NULL);
	(void)state;
}

static void cron_lines(void **state)
{
	static const struct {
		const char *zone, *line, *after, *next;
	} cases[] = {
	        {"UTC", "0 3 * * *", "2026-11-24T09:00:00Z", "2026-11-25T03:00:00Z"},
	        {"UTC", "* * * * *", "2026-11-24T09:00:30Z", "2026-11-24T09:01:00Z"},
	        {"UTC", "*/15 * * * *", "2026-11-24T09:45:00Z", "2026-11-24T10:00:00Z"},
	        {"UTC", "5/20 8-9 * * *", "2026-11-24T09:25:00Z", "2026-11-24T09:45:00Z"},
	        {"UTC", "0,30 8-18/5 * * mon-fri", "2026-11-20T18:30:00Z", "2026-11-23T08:00:00Z"},
	        {"UTC", "0 0 29 feb *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"},
	        {"UTC", "*/5 * 29 2 *", "2097-01-01T00:00:00Z", "2104-02-29T00:00:00Z"},
	        {"UTC", "0 0 * * 7", "2026-11-24T00:00:00Z", "2026-11-29T00:00:00Z"},
	        {"UTC", "0 0 * * SUN", "2026-11-24T00:00:00Z", "2026-11-29T00:00:00Z"},
	        {"UTC", "0 0 31 * *", "2026-11-01T00:00:00Z", "2026-12-31T00:00:00Z"},
	        /* either day is enough when both are given */
	        {"UTC", "0 0 1 * mon", "2026-11-24T00:00:00Z", "2026-11-30T00:00:00Z"},
	        {"UTC", "0 0 1 * mon", "2026-11-30T00:00:00Z", "2026-12-01T00:00:00Z"},
	        {"UTC", "0 0 */2 * mon", "2026-11-24T00:00:00Z", "2026-12-07T00:00:00Z"},
	        {"UTC", "  1  2  3  4  *  ", "2026-11-24T00:00:00Z", "2027-04-03T02:01:00Z"},
	        {"Asia/Kathmandu", "0 3 * * *", "2026-11-24T00:00:00Z", "2026-11-24T21:15:00Z"},
	        /* a fixed time in the gap comes at its end, once, a shown one not */
	        {"Europe/Madrid", "30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"},
	        {"Europe/Madrid", "15,30 2 * * *", "2026-03-29T01:00:00Z", "2026-03-30T00:15:00Z"},
	        {"Europe/Madrid", "*/30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-30T00:00:00Z"},
	        /* what comes twice: once when fixed, twice when shown */
	        {"Europe/Madrid", "30 2 * * *", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},
	        {"Europe/Madrid", "30 * * * *", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"},
	};
	char why[160];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct schedule schedule;
		int64_t next;

		zone_use(cases[i].zone);
		assert_int_equal(schedule_cron(&schedule, cases[i].line, why), OK);
		next = schedule_next(&schedule, at(cases[i].after));
		assert_at(next, cases[i].next);
		assert_int_equal(schedule_last(&schedule, next), next);
		assert_true(schedule_last(&schedule, next - 1) <= at(cases[i].after));
	}
	zone_use(NULL);
	(void)state;
}

static void refused_with_the_field(void **state)
{
	static const struct {
		const char *line, *why;
	} cases[] = {
	        {"", "has 0 fields"},
	        {"0 3 * *", "has 4 fields"},
	        {"0 3 * * * *", "has 6 fields"},
	        {"60 * * * *", "minute:"},
	        {"-1 * * * *", "minute:"},
	        {"*/0 * * * *", "minute:"},
	        {"1, * * * *", "minute:"},
	        {"1,,2 * * * *", "minute:"},
	        {"99999999999 * * * *", "minute:"},
	        {"0 24 * * *", "hour:"},
	        {"0 9-5 * * *", "hour:"},
	        {"0 3 0 * *", "day of month:"},
	        {"0 3 30,31 2 *", "day of month: \"30,31\" never comes"},
	        {"0 3 * jam *", "month:"},
	        {"0 3 * 13 *", "month:"},
	        {"0 3 * * monday", "day of week:"},
	        {"0 3 * * 8", "day of week:"},
	        {"0 3 * * 1\xc3\xa9", "must be at most"},
	};
	static const char *const times[] = {
	        "", "9:00", "24:00", "09:60", "09:00:00", "ab:cd", "09-00", "::::9", "+9:00"};
	struct schedule schedule;
	char why[160];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(schedule_cron(&schedule, cases[i].line, why), ERR_INVALID);
		assert_ptr_equal(strstr(why, cases[i].why), why);
	}
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		assert_int_equal(schedule_daily(&schedule, times[i]), ERR_INVALID);
	(void)state;
}

static void every_so_often(void **state)
{
	struct schedule schedule;

	schedule_every(&schedule, CLOCK_HOUR_MS);
	assert_int_equal(schedule_next(&schedule, 5), CLOCK_HOUR_MS + 5);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(each_day_has_exactly_one),
	        cmocka_unit_test(the_last_is_the_one_before_the_next),
	        cmocka_unit_test(daily_times_in_gaps_and_overlaps),
	        cmocka_unit_test(cron_lines),
	        cmocka_unit_test(refused_with_the_field),
	        cmocka_unit_test(every_so_often),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
