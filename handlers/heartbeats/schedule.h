/*
 * schedule.h - when something is due: daily, by a cron line, or every so often. Pure but for the
 * process's time zone (bot/base/zone.h).
 *
 * Cron lines are those of Vixie cron: five fields (minute, hour, day of month, month, day of
 * week), each of numbers, ranges, lists and steps ("*", "1-5", "0,30", "10-50/10"), months and
 * days of the week also by name (jan, mon); Sunday is 0 and 7. When both days are restricted
 * (neither begins with "*"), either is enough.
 *
 * When the zone changes its offset: what has a fixed hour and minute happens once on each day
 * that exists. A time that comes twice counts the first time. One that is left out counts at the
 * first moment after the gap; where that is the next day already (America/Nuuk springs from 23:00
 * to midnight), in the last minute before the gap. A date that is left out altogether
 * (Pacific/Apia, 2011-12-30) has nothing. Cron lines with "*" in hour or minute follow the clock
 * as it is shown: nothing in the gap, and twice what comes twice.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "bot/base/err.h"

struct schedule {
	int64_t every_ms; /* not 0: every so often, and nothing else counts */
	uint64_t minutes; /* bit n: minute n; the same for the others */
	uint32_t hours, days, months, weekdays;
	bool fixed;  /* hour and minute do not begin with "*" */
	bool either; /* day of month or day of week, instead of both */
};

/* "HH:MM". ERR_INVALID when it is not. */
enum err schedule_daily(struct schedule *schedule, const char *time);
/* ERR_INVALID: why names the field. A line that never comes true (30 February) is refused. */
enum err schedule_cron(struct schedule *schedule, const char *line, char why[160]);
void schedule_every(struct schedule *schedule, int64_t every_ms);

/* The first time strictly after a moment; INT64_MAX when there is none within ten years. */
int64_t schedule_next(const struct schedule *schedule, int64_t after_ms);
/* The latest time not after a moment; INT64_MIN when there is none within ten years. Not for
 * schedule_every(). */
int64_t schedule_last(const struct schedule *schedule, int64_t now_ms);

/* The date in the zone: "2026-11-24". */
void schedule_date(int64_t ms, char out[11]);
