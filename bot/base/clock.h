/*
 * clock.h - times and durations as text. All times are int64_t milliseconds since 1970 (UTC), names
 * end in _ms. Only clock_now_ms() and clock_monotonic_ms() read a clock; functions that decide take
 * the time as an argument.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLOCK_SECOND_MS INT64_C(1000)
#define CLOCK_MINUTE_MS (60 * CLOCK_SECOND_MS)
#define CLOCK_HOUR_MS (60 * CLOCK_MINUTE_MS)
#define CLOCK_DAY_MS (24 * CLOCK_HOUR_MS)

int64_t clock_now_ms(void);       /* CLOCK_REALTIME */
int64_t clock_monotonic_ms(void); /* CLOCK_MONOTONIC, for measuring durations */

/* Parses RFC 3339 ("2026-11-24T09:00:00.250+01:00"); on false *ms is unchanged. */
bool clock_parse_rfc3339(const char *text, int64_t *ms);
/* Formats as "2026-11-24T08:00:00.250Z"; size >= 25. */
void clock_format_rfc3339(int64_t ms, char *out, size_t size);
/* Formats for people, in the zone of zone.h: "10:31 CET" the same day as now_ms, else "Tue 24 Nov
 * 10:31 CET", or "Mon 24 Nov 2025 10:31 CET" of another year. now_ms 0: with the day but without
 * the year. */
void clock_format_short(int64_t ms, int64_t now_ms, char *out, size_t size);

/* Parses "30m", "1d12h", "90s", "250ms", "0"; units ms s m h d w, each at most once, in descending
 * order. A number without a unit (other than 0), a sign or trailing text is rejected. */
bool clock_parse_duration(const char *text, int64_t *ms);
/* Formats for people: "0.4 s", "5.3 s", and from a minute on with the two largest units: "12m",
 * "7m 47s", "1d 12h"; size >= 24. */
void clock_format_duration(int64_t ms, char *out, size_t size);
/* Formats so that clock_parse_duration() returns the same value: "1d12h", "100ms", "0"; size >=
 * 48. */
void clock_write_duration(int64_t ms, char *out, size_t size);
