/*
 * schedule.c - see schedule.h.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "bot/base/clock.h"
#include "bot/base/zone.h"
#include "handlers/heartbeats/schedule.h"

#define QUARTER_MS (15 * CLOCK_MINUTE_MS)
#define DAYS_MAX 3660 /* ten years: 29 February recurs after eight years at most */
#define SEARCH_MAX_MS (3660 * CLOCK_DAY_MS)
#define LINE_MAX_BYTES 200

static const char *const month_names[] = {
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const day_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

static const struct field {
	const char *name;
	int min, max;
	const char *const *words; /* of min, min + 1, … */
} fields[] = {
        {"minute", 0, 59, NULL},
        {"hour", 0, 23, NULL},
        {"day of month", 1, 31, NULL},
        {"month", 1, 12, month_names},
        {"day of week", 0, 7, day_names},
};

#define FIELDS (sizeof(fields) / sizeof(fields[0]))

static bool schedule_has_number(uint64_t set, int number)
{
	return set >> number & 1;
}

/* Reads a number or a name and advances *at; -1 = neither. */
static int schedule_read_value(const struct field *field, const char **at)
{
	int value = 0, digits;

	for (int i = 0; field->words && field->words[i]; i++)
		if (strncasecmp(*at, field->words[i], 3) == 0) {
			*at += 3;
			return field->min + i;
		}
	for (digits = 0; **at >= '0' && **at <= '9' && digits < 4; digits++, (*at)++)
		value = value * 10 + (**at - '0');
	return digits > 0 ? value : -1;
}

static enum err field_fault(const struct field *field, const char *text, char why[160])
{
	snprintf(why, 160,
	        "%s: \"%.40s\" is not valid: numbers from %d to %d%s, ranges 1-5, lists 1,3, "
	        "steps */2",
	        field->name, text, field->min, field->max, field->words ? " or names" : "");
	return ERR_INVALID;
}

static enum err schedule_read_field(
        const struct field *field, const char *text, uint64_t *set, char why[160])
{
	const char *at = text;

	*set = 0;
	do {
		int low = field->min, high = field->max, step = 1;
		bool range = true;

		if (*at == '*') {
			at++;
		} else {
			low = high = schedule_read_value(field, &at);
			range = *at == '-';
			if (range) {
				at++;
				high = schedule_read_value(field, &at);
			}
		}
		if (*at == '/') {
			static const struct field steps = {"step", 1, 999, NULL};

			at++;
			step = schedule_read_value(&steps, &at);
			if (!range)
				high = field->max; /* 5/10: from 5 on */
		}
		if (low < 0 || low < field->min || high > field->max || low > high || step < 1)
			return field_fault(field, text, why);
		for (; low <= high; low += step)
			*set |= UINT64_C(1) << low;
	} while (*at == ',' && *++at);
	/* a comma at the end, or anything else */
	return *at || at[-1] == ',' ? field_fault(field, text, why) : OK;
}

static bool schedule_can_fire(const struct schedule *schedule)
{
	static const int lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	if (schedule->either)
		return true;
	for (int month = 1; month <= 12; month++)
		for (int day = 1; day <= lengths[month - 1]; day++)
			if (schedule_has_number(schedule->months, month) &&
			        schedule_has_number(schedule->days, day))
				return true;
	return false;
}

enum err schedule_cron(struct schedule *schedule, const char *line, char why[160])
{
	char words[FIELDS][LINE_MAX_BYTES + 1];
	uint64_t sets[FIELDS];
	size_t count = 0;

	memset(schedule, 0, sizeof(*schedule));
	for (const char *at = line; *at; at++)
		if (*at < ' ' || *at > '~' || at - line >= LINE_MAX_BYTES) {
			snprintf(why, 160, "must be at most %d printable ASCII characters",
			        LINE_MAX_BYTES);
			return ERR_INVALID;
		}
	for (const char *at = line + strspn(line, " "); *at; at += strspn(at, " ")) {
		size_t len = strcspn(at, " ");

		if (count < FIELDS) {
			memcpy(words[count], at, len);
			words[count][len] = '\0';
		}
		count++;
		at += len;
	}
	if (count != FIELDS) {
		snprintf(why, 160,
		        "has %zu fields; wanted are five: minute, hour, day of month, month, day "
		        "of "
		        "week",
		        count);
		return ERR_INVALID;
	}
	for (size_t i = 0; i < FIELDS; i++)
		if (schedule_read_field(&fields[i], words[i], &sets[i], why) != OK)
			return ERR_INVALID;
	schedule->minutes = sets[0];
	schedule->hours = (uint32_t)sets[1];
	schedule->days = (uint32_t)sets[2];
	schedule->months = (uint32_t)sets[3];
	schedule->weekdays = (uint32_t)(sets[4] | (sets[4] >> 7 & 1));
	schedule->fixed = *words[0] != '*' && *words[1] != '*';
	schedule->either = *words[2] != '*' && *words[4] != '*';
	if (schedule_can_fire(schedule))
		return OK;
	snprintf(why, 160, "day of month: \"%.40s\" never comes in these months", words[2]);
	return ERR_INVALID;
}

enum err schedule_daily(struct schedule *schedule, const char *time)
{
	char line[32], why[160];
	int hour, minute, end = 0;

	memset(schedule, 0, sizeof(*schedule));
	if (strlen(time) != 5 || strspn(time, "0123456789:") != 5 ||
	        sscanf(time, "%2d:%2d%n", &hour, &minute, &end) != 2 || end != 5)
		return ERR_INVALID;
	snprintf(line, sizeof(line), "%d %d * * *", minute, hour);
	return schedule_cron(schedule, line, why);
}

void schedule_every(struct schedule *schedule, int64_t every_ms)
{
	assert(every_ms > 0);
	memset(schedule, 0, sizeof(*schedule));
	schedule->every_ms = every_ms;
}

static bool day_matches(const struct schedule *schedule, const struct zone_time *day)
{
	bool date = schedule_has_number(schedule->days, day->day),
	     weekday = schedule_has_number(schedule->weekdays, day->weekday);

	return schedule_has_number(schedule->months, day->month) &&
	       (schedule->either ? date || weekday : date && weekday);
}

/* The moment of a fixed time on a day; INT64_MIN: that date does not exist. */
static int64_t fixed_ms(const struct zone_time *day, int hour, int minute)
{
	struct zone_time wanted, local;
	int64_t ms;

	zone_civil(day->year, day->month, day->day, hour, minute, &wanted);
	ms = zone_first_ms(&wanted);
	zone_local(ms, &local);
	if (local.day == day->day)
		return ms;
	ms -= CLOCK_MINUTE_MS;
	zone_local(ms, &local);
	return local.day == day->day ? ms : INT64_MIN;
}

static int64_t next_fixed(const struct schedule *schedule, int64_t after_ms)
{
	struct zone_time start, day;

	zone_local(after_ms, &start);
	for (int i = 0; i < DAYS_MAX; i++) {
		zone_civil(start.year, start.month, start.day + i, 0, 0, &day);
		if (!day_matches(schedule, &day))
			continue;
		for (int hour = 0; hour < 24; hour++)
			for (int minute = 0;
			        minute < 60 && schedule_has_number(schedule->hours, hour);
			        minute++) {
				int64_t ms;

				if (!schedule_has_number(schedule->minutes, minute))
					continue;
				ms = fixed_ms(&day, hour, minute);
				if (ms > after_ms)
					return ms;
			}
	}
	return INT64_MAX;
}

static int64_t next_shown(const struct schedule *schedule, int64_t after_ms)
{
	int64_t ms = after_ms - after_ms % CLOCK_MINUTE_MS + CLOCK_MINUTE_MS;

	for (; ms - after_ms < SEARCH_MAX_MS;) {
		struct zone_time local;

		zone_local(ms, &local);
		if (!day_matches(schedule, &local)) {
			ms += QUARTER_MS - ms % QUARTER_MS;
			continue;
		}
		if (schedule_has_number(schedule->hours, local.hour) &&
		        schedule_has_number(schedule->minutes, local.minute))
			return ms;
		ms += CLOCK_MINUTE_MS;
	}
	return INT64_MAX;
}

int64_t schedule_next(const struct schedule *schedule, int64_t after_ms)
{
	if (schedule->every_ms)
		return after_ms + schedule->every_ms;
	return schedule->fixed ? next_fixed(schedule, after_ms) : next_shown(schedule, after_ms);
}

int64_t schedule_last(const struct schedule *schedule, int64_t now_ms)
{
	assert(!schedule->every_ms);
	/* goes back in growing steps, so that few due times have to be skipped */
	for (int64_t back = CLOCK_HOUR_MS; back < SEARCH_MAX_MS; back *= 2) {
		int64_t last = INT64_MIN, next = schedule_next(schedule, now_ms - back);

		for (; next <= now_ms; next = schedule_next(schedule, next))
			last = next;
		if (last != INT64_MIN)
			return last;
	}
	return INT64_MIN;
}

void schedule_date(int64_t ms, char out[11])
{
	struct zone_time local;

	zone_local(ms, &local);
	snprintf(out, 11, "%04u-%02u-%02u", (unsigned)local.year % 10000,
	        (unsigned)local.month % 100, (unsigned)local.day % 100);
}
