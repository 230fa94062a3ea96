/*
 * zone.c - see zone.h.
 */
#include <stdlib.h>
#include <time.h>
#include "bot/base/zone.h"

#define STEP_S INT64_C(900)             /* the UTC offsets of today's zones are multiples of it */
#define FURTHEST_S (INT64_C(26) * 3600) /* more than any offset */

void zone_use(const char *name)
{
	setenv("TZ", name ? name : "UTC", 1);
	tzset();
}

static void zone_fill(const struct tm *tm, struct zone_time *out)
{
	struct tm copy = *tm;

	out->year = tm->tm_year + 1900;
	out->month = tm->tm_mon + 1;
	out->day = tm->tm_mday;
	out->hour = tm->tm_hour;
	out->minute = tm->tm_min;
	out->second = tm->tm_sec;
	out->weekday = tm->tm_wday;
	out->shown_s = (int64_t)timegm(&copy);
}

void zone_local(int64_t ms, struct zone_time *out)
{
	time_t seconds = (time_t)(ms / 1000 - (ms % 1000 < 0));
	struct tm tm = {0};

	localtime_r(&seconds, &tm);
	zone_fill(&tm, out);
}

void zone_civil(int year, int month, int day, int hour, int minute, struct zone_time *out)
{
	struct tm tm = {
	        .tm_year = year - 1900,
	        .tm_mon = month - 1,
	        .tm_mday = day,
	        .tm_hour = hour,
	        .tm_min = minute,
	};

	timegm(&tm);
	zone_fill(&tm, out);
}

static int64_t zone_printable(int64_t seconds)
{
	struct zone_time local;

	zone_local(seconds * 1000, &local);
	return local.shown_s;
}

int64_t zone_first_ms(const struct zone_time *time)
{
	int64_t wanted = time->shown_s, at;
	int64_t before = zone_printable(wanted - FURTHEST_S) - (wanted - FURTHEST_S);
	int64_t after = zone_printable(wanted + FURTHEST_S) - (wanted + FURTHEST_S);

	/* usually the UTC offset does not change around that day */
	if (before == after && zone_printable(wanted - before) == wanted)
		return (wanted - before) * 1000;
	for (at = wanted - FURTHEST_S; zone_printable(at) < wanted; at += STEP_S)
		;
	for (int64_t low = at - STEP_S; at - low > 1;) {
		int64_t middle = low + (at - low) / 2;

		if (zone_printable(middle) < wanted)
			low = middle;
		else
			at = middle;
	}
	return at * 1000;
}
