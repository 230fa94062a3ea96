/*
 * schedule.h - due times: daily, by a cron line, or at an interval. Pure except for the process's
 * time zone (bot/base/zone.h).
 *
 * Cron lines are those of Vixie cron: five fields (minute, hour, day of month, month, day of week),
 * each with numbers, ranges, lists and steps ("*", "1-5", "0,30", "10-50/10"), months and days of
 * the week also by name (jan, mon); Sunday is 0 and 7. If both day fields are restricted (neither
 * begins with "*"), a day has to match only one of them.
 *
 * When the zone changes its offset, a schedule with a fixed hour and minute is due once on each
 * date that exists. A time that occurs twice is due the first time. A time that is skipped is due
 * at the first moment after the gap; if that is the next day already (America/Nuuk springs from
 * 23:00 to midnight), in the last minute before the gap. On a date that is skipped altogether
 * (Pacific/Apia, 2011-12-30) nothing is due. Cron lines with "*" in hour or minute follow the
 * displayed time: not due in the gap, and due twice if a time occurs twice.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "bot/base/err.h"

struct schedule {
	int64_t every_ms; /* not 0: due at this interval, other members are ignored */
	uint64_t minutes; /* bit n: minute n; the same for the others */
	uint32_t hours, days, months, weekdays;
	bool fixed;  /* hour and minute do not begin with "*" */
	bool either; /* day of month or day of week is enough */
};

/* "HH:MM"; ERR_INVALID for anything else. */
enum err schedule_daily(struct schedule *schedule, const char *time);
/* ERR_INVALID: why names the field. A line that is never due (30 February) is invalid. */
enum err schedule_cron(struct schedule *schedule, const char *line, char why[160]);
void schedule_every(struct schedule *schedule, int64_t every_ms);

/* The first time strictly after a moment; INT64_MAX when there is none within ten years. */
int64_t schedule_next(const struct schedule *schedule, int64_t after_ms);
/* The latest time not after a moment; INT64_MIN when there is none within ten years. Not for
 * schedule_every(). */
int64_t schedule_last(const struct schedule *schedule, int64_t now_ms);

/* The date in the zone: "2026-11-24". */
void schedule_date(int64_t ms, char out[11]);
