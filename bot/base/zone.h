/*
 * zone.h - the time zone of the process, from the system's zone database.
 *
 * zone_use() sets TZ and calls tzset() on the loop's thread: at start, before there are other
 * threads, and when a reload sets another zone. That is safe although other threads may be
 * converting times: the C library protects its zone data with a lock, localtime_r() reads nothing
 * but that data, and replacing an existing TZ swaps one pointer in the environment while the old
 * text stays allocated. Nothing else in the process uses local time. A conversion during the change
 * uses either the old or the new zone.
 */
#pragma once

#include <stdint.h>

struct zone_time {
	int year, month, day; /* 2026, 1 to 12, 1 to 31 */
	int hour, minute, second;
	int weekday;     /* 0 = Sunday */
	int64_t shown_s; /* the local time, as if it were UTC */
};

/* name: as in the system's database, validated by the config; NULL = UTC. */
void zone_use(const char *name);

/* The local time in the zone. */
void zone_local(int64_t ms, struct zone_time *out);

/* The same for "HH:MM" on a date that need not exist (32 January): normalized, weekday set. */
void zone_civil(int year, int month, int day, int hour, int minute, struct zone_time *out);

/* The first moment at which the local time is this or later: the first one when a time occurs
 * twice, the end of the gap when it is skipped. */
int64_t zone_first_ms(const struct zone_time *time);
