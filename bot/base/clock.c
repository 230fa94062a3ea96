/*
 * clock.c - see clock.h.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "bot/base/clock.h"

int64_t clock_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Parses exactly `digits` decimal digits and moves *at past them; false unless min to max. */
static bool clock_digits(const char **at, int digits, int min, int max, int *out)
{
	int value = 0;

	for (; digits > 0; digits--, (*at)++) {
		if (**at < '0' || **at > '9')
			return false;
		value = value * 10 + (**at - '0');
	}
	*out = value;
	return value >= min && value <= max;
}

static bool clock_char(const char **at, const char *any)
{
	if (**at == '\0' || !strchr(any, **at))
		return false;
	(*at)++;
	return true;
}

static bool clock_offset(const char **at, int *minutes)
{
	int sign, hours, rest;

	*minutes = 0;
	if (clock_char(at, "Zz"))
		return true;
	if (**at != '+' && **at != '-')
		return false;
	sign = **at == '-' ? -1 : 1;
	(*at)++;
	if (!clock_digits(at, 2, 0, 23, &hours) || !clock_char(at, ":") ||
	        !clock_digits(at, 2, 0, 59, &rest))
		return false;
	*minutes = sign * (hours * 60 + rest);
	return true;
}

static int clock_month_days(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

bool clock_parse_rfc3339(const char *text, int64_t *ms)
{
	struct tm tm = {0};
	int year, month, fraction = 0, scale = 100, offset;

	if (!clock_digits(&text, 4, 1970, 9999, &year) || !clock_char(&text, "-") ||
	        !clock_digits(&text, 2, 1, 12, &month) || !clock_char(&text, "-") ||
	        !clock_digits(&text, 2, 1, 31, &tm.tm_mday) || !clock_char(&text, "Tt ") ||
	        !clock_digits(&text, 2, 0, 23, &tm.tm_hour) || !clock_char(&text, ":") ||
	        !clock_digits(&text, 2, 0, 59, &tm.tm_min) || !clock_char(&text, ":") ||
	        !clock_digits(&text, 2, 0, 60, &tm.tm_sec))
		return false;
	if (clock_char(&text, ".")) {
		if (*text < '0' || *text > '9')
			return false;
		for (; *text >= '0' && *text <= '9'; text++, scale /= 10)
			fraction += (*text - '0') * scale;
	}
	if (!clock_offset(&text, &offset) || *text || tm.tm_mday > clock_month_days(year, month))
		return false;
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	/* a leap second (60) becomes the first second of the next minute */
	*ms = ((int64_t)timegm(&tm) - (int64_t)offset * 60) * 1000 + fraction;
	return true;
}

static void clock_split(int64_t ms, struct tm *tm, int *rest)
{
	time_t seconds = (time_t)(ms / 1000);

	*rest = (int)(ms % 1000);
	if (*rest < 0) {
		*rest += 1000;
		seconds--;
	}
	gmtime_r(&seconds, tm);
}

void clock_format_rfc3339(int64_t ms, char *out, size_t size)
{
	struct tm tm;
	int rest;

	clock_split(ms, &tm, &rest);
	snprintf(out, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
	        tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, rest);
}

void clock_format_short(int64_t ms, int64_t now_ms, char *out, size_t size)
{
	static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char *const months[] = {
	        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	struct tm tm = {0}, now = {0};
	time_t seconds = (time_t)(ms / 1000), now_s = (time_t)(now_ms / 1000);
	char day[24] = "", year[8] = "";

	localtime_r(&now_s, &now);
	localtime_r(&seconds, &tm);
	if (tm.tm_year != now.tm_year && now_ms > 0)
		snprintf(year, sizeof(year), "%d ", (tm.tm_year + 1900) % 10000);
	if (tm.tm_year != now.tm_year || tm.tm_yday != now.tm_yday || now_ms <= 0)
		snprintf(day, sizeof(day), "%s %d %s ", days[tm.tm_wday], tm.tm_mday % 100,
		        months[tm.tm_mon]);
	snprintf(out, size, "%s%s%02d:%02d %s", day, year, tm.tm_hour, tm.tm_min, tm.tm_zone);
}

static const struct {
	const char *name;
	int64_t ms;
} units[] = {
        {"w", 7 * CLOCK_DAY_MS},
        {"d", CLOCK_DAY_MS},
        {"h", CLOCK_HOUR_MS},
        {"m", CLOCK_MINUTE_MS},
        {"s", CLOCK_SECOND_MS},
        {"ms", 1},
};

#define UNITS_LEN (sizeof(units) / sizeof(units[0]))
#define DURATION_MAX_MS (100 * 365 * CLOCK_DAY_MS)

bool clock_parse_duration(const char *text, int64_t *ms)
{
	int64_t total = 0;
	size_t next = 0;

	if (strcmp(text, "0") == 0) {
		*ms = 0;
		return true;
	}
	if (!*text)
		return false;
	while (*text) {
		int64_t value = 0;
		size_t len, i;

		if (*text < '0' || *text > '9')
			return false;
		for (; *text >= '0' && *text <= '9'; text++) {
			value = value * 10 + (*text - '0');
			if (value > DURATION_MAX_MS)
				return false;
		}
		len = strspn(text, "wdhms");
		for (i = next; i < UNITS_LEN; i++)
			if (strlen(units[i].name) == len && strncmp(text, units[i].name, len) == 0)
				break;
		if (i == UNITS_LEN || value > DURATION_MAX_MS / units[i].ms)
			return false;
		total += value * units[i].ms;
		if (total > DURATION_MAX_MS)
			return false;
		text += len;
		next = i + 1;
	}
	*ms = total;
	return true;
}

void clock_format_duration(int64_t ms, char *out, size_t size)
{
	size_t i;

	if (ms < 0)
		ms = 0;
	if (ms < CLOCK_MINUTE_MS) {
		/* a short but non-zero duration must not be shown as zero */
		int64_t tenths = ms > 0 && ms < 100 ? 1 : ms / 100;

		if (tenths % 10)
			snprintf(out, size, "%" PRId64 ".%" PRId64 " s", tenths / 10, tenths % 10);
		else
			snprintf(out, size, "%" PRId64 " s", tenths / 10);
		return;
	}
	for (i = 1; ms < units[i].ms; i++)
		;
	if (ms % units[i].ms >= units[i + 1].ms)
		snprintf(out, size, "%" PRId64 "%s %" PRId64 "%s", ms / units[i].ms, units[i].name,
		        ms % units[i].ms / units[i + 1].ms, units[i + 1].name);
	else
		snprintf(out, size, "%" PRId64 "%s", ms / units[i].ms, units[i].name);
}

void clock_write_duration(int64_t ms, char *out, size_t size)
{
	size_t used = 0;

	snprintf(out, size, "0");
	for (size_t i = 1; i < UNITS_LEN && ms > 0 && used < size; ms %= units[i].ms, i++)
		if (ms >= units[i].ms)
			used += (size_t)snprintf(out + used, size - used, "%" PRId64 "%s",
			        ms / units[i].ms, units[i].name);
}
