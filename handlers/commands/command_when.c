/*
 * command_when.c - see command_when.h.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "bot/base/clock.h"
#include "bot/base/zone.h"
#include "handlers/commands/command_when.h"

#define TOKEN_MAX 40
#define MOST_MS (3650 * CLOCK_DAY_MS)
#define LEN(array) (sizeof(array) / sizeof((array)[0]))

struct reader {
	struct input *words;
	int64_t now_ms, length_ms, until_ms; /* 0 = not given */
	struct command_when *out;
	char *why;
};

/* A word in lower case, without a trailing comma; "" after the end. */
static void command_when_token(const struct input *words, size_t ahead, char out[TOKEN_MAX])
{
	const char *word = input_peek(words, ahead);
	size_t len = strlen(word);

	while (len > 0 && strchr(",;", word[len - 1]))
		len--;
	if (len >= TOKEN_MAX)
		len = 0; /* too long to be a known word */
	for (size_t i = 0; i < len; i++)
		out[i] = (char)tolower((unsigned char)word[i]);
	out[len] = '\0';
}

static bool is_any(const char *word, const char *const *list, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (strcmp(word, list[i]) == 0)
			return true;
	return false;
}

static bool next_is(const struct input *words, size_t ahead, const char *wanted)
{
	char word[TOKEN_MAX];

	command_when_token(words, ahead, word);
	return strcmp(word, wanted) == 0;
}

/* ---- durations ---- */

static const struct {
	const char *const names[5];
	int64_t ms;
} units[] = {
        {{"w", "wk", "wks", "week", "weeks"}, 7 * CLOCK_DAY_MS},
        {{"d", "day", "days"}, CLOCK_DAY_MS},
        {{"h", "hr", "hrs", "hour", "hours"}, CLOCK_HOUR_MS},
        {{"m", "min", "mins", "minute", "minutes"}, CLOCK_MINUTE_MS},
        {{"s", "sec", "secs", "second", "seconds"}, CLOCK_SECOND_MS},
};

/* The index of a unit, or -1. */
static int find_unit(const char *name, size_t len)
{
	for (size_t i = 0; i < LEN(units); i++)
		for (size_t j = 0; j < LEN(units[i].names) && units[i].names[j]; j++)
			if (strlen(units[i].names[j]) == len &&
			        strncmp(units[i].names[j], name, len) == 0)
				return (int)i;
	return -1;
}

/* A number, as "1.5" or "1,5"; advances *text. */
static bool read_amount(const char **text, double *amount)
{
	double place = 1;
	size_t len = strspn(*text, "0123456789");

	if (len == 0 || len > 9)
		return false;
	*amount = (double)strtol(*text, NULL, 10);
	*text += len;
	if ((**text != '.' && **text != ',') || !isdigit((unsigned char)(*text)[1]))
		return true;
	for (++*text; isdigit((unsigned char)**text); ++*text)
		*amount += (**text - '0') * (place /= 10);
	return true;
}

/* "1d12h", "90min", or "2" with its unit in the next word. *unit: the last unit, which must get
 * smaller. Returns the number of words used; 0 = not a duration. */
static size_t read_amounts(const struct input *words, int *unit, double *total_ms)
{
	char word[TOKEN_MAX], next[TOKEN_MAX];
	const char *at = word;
	size_t taken = 1;

	command_when_token(words, 0, word);
	command_when_token(words, 1, next);
	do {
		double amount;
		const char *name;
		size_t len;
		int found;

		if (!read_amount(&at, &amount))
			return 0;
		name = at;
		for (len = 0; isalpha((unsigned char)name[len]); len++)
			;
		at += len;
		if (len == 0 && !*at && taken == 1 && *next) {
			name = next;
			len = strlen(next);
			taken = 2;
		}
		found = find_unit(name, len);
		if (found <= *unit)
			return 0;
		*unit = found;
		*total_ms += amount * (double)units[found].ms;
	} while (*at);
	return taken;
}

/* "an hour", "half an hour", "half a day"; returns the number of words used. */
static size_t read_article(const struct input *words, double *total_ms)
{
	char word[TOKEN_MAX];
	size_t half = next_is(words, 0, "half");
	int unit;

	if (!next_is(words, half, "a") && !next_is(words, half, "an"))
		return 0;
	command_when_token(words, half + 1, word);
	unit = find_unit(word, strlen(word));
	if (unit < 0 || strlen(word) < 3)
		return 0;
	*total_ms = (double)units[unit].ms / (half ? 2 : 1);
	return half + 2;
}

bool command_duration_read(struct input *words, int64_t *ms)
{
	struct input at = *words;
	double total_ms = 0;
	int unit = -1;
	size_t taken = read_article(&at, &total_ms);

	if (taken == 0)
		taken = read_amounts(&at, &unit, &total_ms);
	if (taken == 0)
		return false;
	/* "1 hour 30 minutes", "1 hour and 30 minutes" */
	while (taken > 0 && unit >= 0) {
		struct input more = at;

		more.at += taken;
		at = more;
		more.at += next_is(&more, 0, "and");
		taken = read_amounts(&more, &unit, &total_ms);
		if (taken > 0)
			at = more;
	}
	at.at += taken;
	if (total_ms < 1 || total_ms > (double)MOST_MS)
		return false;
	*ms = (int64_t)total_ms;
	*words = at;
	return true;
}

/* ---- moments ---- */

static const char *const weekdays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
static const char *const months[] = {
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"};

/* "mon", "monday", "tues": the index in a list of names of three letters, or -1. */
static int find_name(const char *word, const char *const *names, size_t len)
{
	static const char *const rests[] = {"", "day", "sday", "nesday", "rsday", "urday", "s",
	        "rs", "uary", "ruary", "ch", "il", "e", "y", "ust", "t", "tember", "ober", "ember"};

	for (size_t i = 0; i < len; i++)
		if (strncmp(word, names[i], 3) == 0 && is_any(word + 3, rests, LEN(rests)))
			return (int)i;
	return -1;
}

/* "07:00", "7pm", "7:30 p.m.", "noon"; returns the number of words used. */
static size_t read_clock(const struct input *words, int *hour, int *minute)
{
	static const char *const am[] = {"am", "a.m.", "a.m"}, *const pm[] = {"pm", "p.m.", "p.m"};
	char word[TOKEN_MAX], next[TOKEN_MAX];
	const char *half = word;
	int used = 0;
	size_t taken = 1;
	bool whole;

	command_when_token(words, 0, word);
	command_when_token(words, 1, next);
	*minute = 0;
	*hour = strcmp(word, "noon") == 0 ? 12 : 0;
	if (*hour || strcmp(word, "midnight") == 0)
		return 1;
	if (!isdigit((unsigned char)word[0]) || sscanf(word, "%2d%n", hour, &used) != 1)
		return 0;
	half += used;
	whole = *half == ':' || *half == '.';
	if (whole && (!isdigit((unsigned char)half[1]) || !isdigit((unsigned char)half[2])))
		return 0;
	if (whole) {
		*minute = (half[1] - '0') * 10 + half[2] - '0';
		half += 3;
	}
	if (!*half && (is_any(next, am, LEN(am)) || is_any(next, pm, LEN(pm)))) {
		half = next;
		taken = 2;
	}
	if (*half ? *hour < 1 || *hour > 12 : !whole)
		return 0; /* "7" alone may be am or pm */
	if (is_any(half, am, LEN(am)))
		*hour %= 12;
	else if (is_any(half, pm, LEN(pm)))
		*hour = *hour % 12 + 12;
	else if (*half)
		return 0;
	return *hour <= 23 && *minute <= 59 ? taken : 0;
}

struct day {
	int year, month, day;
	bool said, weekly; /* weekly: a day of the week */
};

/* "tomorrow", "mon", "2026-12-01", "1 Dec", "Dec 1"; returns the number of words used. */
static size_t read_day(const struct input *words, const struct zone_time *today, struct day *day)
{
	char word[TOKEN_MAX], next[TOKEN_MAX];
	const char *number;
	int used = 0, name;

	*day = (struct day){today->year, today->month, today->day, .said = true};
	command_when_token(words, 0, word);
	command_when_token(words, 1, next);
	if (strcmp(word, "today") == 0)
		return 1;
	if (strcmp(word, "tomorrow") == 0) {
		day->day++;
		return 1;
	}
	name = find_name(word, weekdays, LEN(weekdays));
	if (name >= 0) {
		day->day += (name - today->weekday + 7) % 7;
		day->weekly = true;
		return 1;
	}
	if (strlen(word) == 10 &&
	        sscanf(word, "%4d-%2d-%2d%n", &day->year, &day->month, &day->day, &used) == 3 &&
	        used == 10)
		return 1;
	name = find_name(word, months, LEN(months));
	number = name >= 0 ? next : word;
	name = name >= 0 ? name : find_name(next, months, LEN(months));
	if (name >= 0 && sscanf(number, "%2d%n", &day->day, &used) == 1 && !number[used]) {
		day->month = name + 1;
		return 2;
	}
	day->said = false;
	return 0;
}

/* Skips the name of our own zone after a time, as this program prints it; other zones are
 * refused. */
static bool read_zone(struct input *words, int64_t ms)
{
	static const char *const others[] = {"utc", "gmt", "bst", "wet", "west", "cet", "cest",
	        "eet", "eest", "msk", "ist", "jst", "est", "edt", "cst", "cdt", "mst", "mdt", "pst",
	        "pdt"};
	char word[TOKEN_MAX], shown[40];
	const char *zone;
	bool ours;

	command_when_token(words, 0, word);
	clock_format_short(ms, ms, shown, sizeof(shown));
	zone = strrchr(shown, ' ');
	ours = word[0] && zone && strcasecmp(word, zone + 1) == 0;
	words->at += ours;
	return ours || !is_any(word, others, LEN(others));
}

/* A moment after after_ms. *said: the words are meant as a moment, valid or not. */
static bool read_moment(
        struct input *words, int64_t now_ms, int64_t after_ms, int64_t *ms, bool *said)
{
	struct input at = *words;
	struct zone_time today, time;
	struct day day;
	int hour, minute;
	size_t taken;

	*said = true;
	if (clock_parse_rfc3339(input_peek(&at, 0), ms)) {
		words->at++;
		return *ms > after_ms;
	}
	zone_local(now_ms, &today);
	at.at += read_day(&at, &today, &day);
	at.at += next_is(&at, 0, "at");
	taken = read_clock(&at, &hour, &minute);
	at.at += taken;
	if (taken > 0 && !day.said) /* "18:00 tomorrow" */
		at.at += read_day(&at, &today, &day);
	*said = day.said || taken > 0;
	if (taken == 0 || day.month < 1 || day.month > 12 || day.day < 1)
		return false;
	for (int later = 0; later < (day.said && !day.weekly ? 1 : 9); later++) {
		int days = day.weekly ? 7 * later : later;

		zone_civil(day.year, day.month, day.day + days, hour, minute, &time);
		*ms = zone_first_ms(&time);
		if (*ms > after_ms) {
			*words = at;
			return read_zone(words, *ms);
		}
	}
	return false;
}

/* ---- clauses ---- */

static bool command_when_refuse(struct reader *r, const char *why)
{
	snprintf(r->why, 160, "%s", why);
	return false;
}

static bool has_end(const struct reader *r)
{
	return r->length_ms || r->until_ms || r->out->until_resolved;
}

static bool is_until(const struct input *words)
{
	return next_is(words, 0, "until") || next_is(words, 0, "till") || next_is(words, 0, "til");
}

static bool is_time(const struct input *words, int64_t now_ms)
{
	struct input at = *words;
	int64_t ms;
	bool said;

	return read_moment(&at, now_ms, now_ms, &ms, &said) || said;
}

static bool command_when_read_from(struct reader *r)
{
	bool said;

	r->words->at++;
	return read_moment(r->words, r->now_ms, r->now_ms, &r->out->start_ms, &said) ||
	       command_when_refuse(r, "From when? Example: from 22:00, or in 30m");
}

static bool read_in(struct reader *r)
{
	int64_t ms = 0;

	r->words->at++;
	if (!command_duration_read(r->words, &ms))
		return command_when_refuse(r, "In how long? Example: in 30m");
	r->out->start_ms = r->now_ms + ms;
	return true;
}

static bool read_until(struct reader *r)
{
	int64_t after_ms = r->out->start_ms ? r->out->start_ms : r->now_ms;
	bool said;

	r->words->at++;
	if (next_is(r->words, 0, "resolved")) {
		r->words->at++;
		r->out->until_resolved = true;
		return true;
	}
	return read_moment(r->words, r->now_ms, after_ms, &r->until_ms, &said) ||
	       command_when_refuse(
	               r, "Until when? Example: until 07:00, until tomorrow 7pm, until resolved");
}

static bool read_length(struct reader *r)
{
	return command_duration_read(r->words, &r->length_ms) ||
	       command_when_refuse(r, "A duration looks like 30m, 2h or 1d12h.");
}

/* "from 22:00 to 06:00", "from 22:00 - 06:00": words begin with the second. */
static bool is_range(const struct reader *r, const char *word, const struct input *words)
{
	return r->out->start_ms && (strcmp(word, "to") == 0 || input_is_dash(word)) &&
	       is_time(words, r->now_ms);
}

/* Words that ask for no end. */
static bool is_endless(const char *word)
{
	static const char *const names[] = {
	        "forever", "always", "indefinitely", "permanently", "infinity", "∞"};

	return is_any(word, names, LEN(names));
}

/* Reads one clause. *more: one was read, and another may follow. */
static bool read_clause(struct reader *r, bool *more)
{
	struct input next = *r->words;
	char word[TOKEN_MAX], after[TOKEN_MAX];
	bool said = has_end(r);

	command_when_token(r->words, 0, word);
	command_when_token(r->words, 1, after);
	next.at++;
	*more = true;
	if (strcmp(word, "from") == 0 && !r->out->start_ms &&
	        (isdigit((unsigned char)after[0]) || is_time(&next, r->now_ms)))
		return command_when_read_from(r);
	if (strcmp(word, "in") == 0 && !r->out->start_ms && !said)
		return read_in(r);
	if (!said && (is_until(r->words) || is_range(r, word, &next)))
		return read_until(r);
	if (!said && is_endless(word))
		return command_when_refuse(
		        r, "A silence needs an end: give a duration, or until resolved.");
	if (!said && word[0] && (isdigit((unsigned char)word[0]) || strchr("+-", word[0])) &&
	        !input_is_dash(word))
		return read_length(r);
	if (strcmp(word, "for") == 0 && !said &&
	        (isdigit((unsigned char)after[0]) || command_duration_read(&next, &r->length_ms))) {
		r->words->at++;
		return read_length(r);
	}
	*more = !said && command_duration_read(r->words, &r->length_ms); /* "half an hour" */
	return true;
}

bool command_when_is(const struct input *words)
{
	struct input at = *words;
	char word[TOKEN_MAX];
	int64_t ms;

	command_when_token(words, 0, word);
	at.at += next_is(words, 0, "for");
	return is_until(words) || next_is(words, 0, "from") || next_is(words, 0, "in") ||
	       is_endless(word) || command_duration_read(&at, &ms);
}

/* Words about a time that are not understood: "two hours", "½h", "~2h", "next week", "PT2H",
 * "between 22:00 and 23:00". */
static bool is_about_time(const struct input *words)
{
	static const char *const parts[] = {"½", "¼", "¾"};
	char word[TOKEN_MAX] = "";
	int hour, minute;

	command_when_token(words, 0, word);
	for (size_t i = 0; i < LEN(parts); i++)
		if (strncmp(word, parts[i], strlen(parts[i])) == 0)
			return true;
	if (word[0] && strchr("~<>(", word[0]) && isdigit((unsigned char)word[1]))
		return true;
	return (strlen(word) > 2 && find_unit(word, strlen(word)) >= 0) ||
	       (strpbrk(word, ":m") && read_clock(words, &hour, &minute) > 0) ||
	       (strncmp(word, "pt", 2) == 0 && isdigit((unsigned char)word[2]));
}

/* True when the words are a time that would be taken for free text. */
static bool is_lost(const struct reader *r, const struct input *words)
{
	static const char *const days[] = {"tonight", "today", "tomorrow", "weekend", "eod"};
	struct input next = *words;
	char word[TOKEN_MAX];
	int64_t ms;

	next.at++;
	if (is_until(words) || next_is(words, 0, "from"))
		return next_is(&next, 0, "resolved") || is_time(&next, r->now_ms);
	command_when_token(words, 0, word);
	return is_any(word, days, LEN(days)) ||
	       command_duration_read(&(struct input){words->list, words->at}, &ms);
}

/* The rest is the reason: refuses it if it contains a time that was probably meant as one. */
static bool check_rest(struct reader *r)
{
	struct input at = *r->words;
	bool said = has_end(r), lost = is_lost(r, &at) || is_time(&at, r->now_ms);

	for (; !said && !lost && input_left(&at); at.at++)
		lost = is_lost(r, &at) || is_about_time(&at);
	return !lost ||
	       command_when_refuse(
	               r, said ? "There are two ends. Put -- before the reason."
	                       : "Until when? Put a time like 2h, until 07:00 or until tomorrow "
	                         "7pm before the reason, or -- before both.");
}

/* "etl - 2h": that is no reason. Behind "--", which is typed on purpose, it would be one. */
static void skip_dash(struct reader *r)
{
	struct input next = *r->words;

	next.at++;
	if (next_is(r->words, 0, "-") && (is_lost(r, &next) || is_about_time(&next)))
		r->words->at++;
}

bool command_when_read(struct input *words, int64_t now_ms, int64_t usual_ms, int64_t most_ms,
        struct command_when *out, char why[160])
{
	struct reader r = {.words = words, .now_ms = now_ms, .out = out, .why = why};
	int64_t start_ms;
	char most[24];
	bool more = true;

	*out = (struct command_when){0};
	skip_dash(&r);
	while (more)
		if (!read_clause(&r, &more))
			return false;
	out->reason = input_is_dash(input_peek(words, 0));
	words->at += out->reason;
	if (!out->reason && input_left(words) && !check_rest(&r))
		return false;
	start_ms = out->start_ms ? out->start_ms : now_ms;
	if (out->until_resolved)
		out->end_ms = start_ms + most_ms;
	else if (r.until_ms)
		/* "until 07:00 from 22:00": the end is after the start, in whatever order they
		 * were given */
		for (out->end_ms = r.until_ms; out->end_ms <= start_ms;)
			out->end_ms += CLOCK_DAY_MS;
	else
		out->end_ms = start_ms + (r.length_ms ? r.length_ms : usual_ms);
	if (out->end_ms - start_ms <= most_ms && start_ms - now_ms <= most_ms)
		return true;
	clock_format_duration(most_ms, most, sizeof(most));
	snprintf(why, 160, "That is longer than a silence may last here (%s).", most);
	return false;
}
