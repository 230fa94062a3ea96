/*
 * zone.h - the one time zone the process works in, from the system's zone database.
 *
 * zone_use() sets TZ and calls tzset(), on the loop's thread: at start, before there are other
 * threads, and when a reload names another zone. That is safe although other threads may convert
 * times meanwhile: the C library guards its zone data with a lock, localtime_r() reads that data
 * alone, and a TZ that is there already is replaced by swapping one pointer in the environment,
 * the old text stays. Nothing else in the process looks at local time. A conversion at that very
 * moment uses the old zone or the new one.
 */
#pragma once

#include <stdint.h>

struct zone_time {
	int year, month, day; /* 2026, 1 to 12, 1 to 31 */
	int hour, minute, second;
	int weekday;     /* 0 = Sunday */
	int64_t shown_s; /* what the clock shows, as if it were UTC */
};

/* name: as in the system's database, checked by the config already; NULL = UTC. */
void zone_use(const char *name);

/* What a clock in the zone shows then. */
void zone_local(int64_t ms, struct zone_time *out);

/* The same for "HH:MM" of a date that need not exist: normalized, weekday set. */
void zone_civil(int year, int month, int day, int hour, int minute, struct zone_time *out);

/* The first moment at which a clock in the zone shows this or anything later: of a time that
 * comes twice the first, of one that is left out the end of the gap. */
int64_t zone_first_ms(const struct zone_time *time);
