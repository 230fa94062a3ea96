/*
 * command_when.c - see command_when.h.
 */
#include "handlers/commands/command_when.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "bot/base/clock.h"
#include "bot/base/zone.h"
#include "handlers/commands/command_text.h"

struct reader {
	const char *text;
	int64_t now_ms, length_ms, until_ms; /* 0 = not said */
	struct command_when *out;
	char *why;
};

/* "30m", "1d12h"; false: it is no duration, or 0. */
static bool command_duration(const char *text, int64_t *ms)
{
	return clock_parse_duration(text, ms) && *ms > 0;
}

/* "22:00" or "9:30"; the next time that a clock shows it after a moment. */
static bool read_time(const char *word, int64_t after_ms, int64_t *ms)
{
	struct zone_time today, at;
	int hour, minute, used = 0;

	if (!isdigit((unsigned char)word[0]) ||
	        sscanf(word, "%2d:%2d%n", &hour, &minute, &used) != 2 || word[used] ||
	        !isdigit((unsigned char)word[used - 2]) || hour > 23 || minute < 0 || minute > 59)
		return false;
	zone_local(after_ms, &today);
	for (int later = 0; later < 3; later++) {
		zone_civil(today.year, today.month, today.day + later, hour, minute, &at);
		*ms = zone_first_ms(&at);
		if (*ms > after_ms)
			return true;
	}
	return false;
}

static bool fail(struct reader *r, const char *why)
{
	snprintf(r->why, 160, "%s", why);
	return false;
}

static bool read_from(struct reader *r)
{
	char *word = command_word(&r->text);
	bool good = read_time(word, r->now_ms, &r->out->start_ms);

	free(word);
	return good || fail(r, "from when? Like: from 22:00, or: in 30m");
}

static bool read_in(struct reader *r)
{
	char *word = command_word(&r->text);
	int64_t ms = 0;
	bool good = command_duration(word, &ms);

	free(word);
	r->out->start_ms = r->now_ms + ms;
	return good || fail(r, "in what time? Like: in 30m");
}

static bool read_until(struct reader *r)
{
	char *word = command_word(&r->text);
	bool resolved = strcasecmp(word, "resolved") == 0, good;

	r->out->until_resolved = resolved;
	good = resolved ||
	       read_time(word, r->out->start_ms ? r->out->start_ms : r->now_ms, &r->until_ms);
	free(word);
	return good || fail(r, "until when? Like: until 07:00, or: until resolved");
}

static bool read_length(struct reader *r, const char *word)
{
	return command_duration(word, &r->length_ms) ||
	       fail(r, "a duration looks like 30m, 2h or 1d12h");
}

/* What has no end on purpose. */
static bool is_endless(const char *word)
{
	static const char *const words[] = {
	        "forever", "always", "indefinitely", "permanently", "infinity", "∞"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(word, words[i]) == 0)
			return true;
	return false;
}

/* One clause. *more: there was one, there may be another. */
static bool read_clause(struct reader *r, bool *more)
{
	const char *before = r->text;
	char *word = command_word(&r->text);
	bool said = r->length_ms || r->until_ms || r->out->until_resolved, good = true;

	*more = true;
	if (strcasecmp(word, "from") == 0 && !r->out->start_ms &&
	        isdigit((unsigned char)*(r->text + strspn(r->text, " \t"))))
		good = read_from(r);
	else if (strcasecmp(word, "in") == 0 && !r->out->start_ms && !said)
		good = read_in(r);
	else if (strcasecmp(word, "until") == 0 && !said)
		good = read_until(r);
	else if (!said && is_endless(word))
		good = fail(r, "no silence without an end: give a duration, or until resolved");
	else if (!said && (isdigit((unsigned char)word[0]) || strchr("+-", word[0])) && word[0] &&
	         !command_is_dash(word))
		good = read_length(r, word);
	else if (strcasecmp(word, "for") == 0 && !said &&
	         isdigit((unsigned char)*(r->text + strspn(r->text, " \t"))))
		; /* "for 2h": what follows is read next */
	else
		*more = false;
	if (!*more && !command_is_dash(word))
		r->text = before;
	free(word);
	return good;
}

bool command_when_read(const char **text, int64_t now_ms, int64_t usual_ms, int64_t most_ms,
        struct command_when *out, char why[160])
{
	struct reader r = {.text = *text, .now_ms = now_ms, .out = out, .why = why};
	int64_t start_ms;
	char most[24];
	bool more = true;

	*out = (struct command_when){0};
	while (more)
		if (!read_clause(&r, &more))
			return false;
	*text = r.text;
	start_ms = out->start_ms ? out->start_ms : now_ms;
	if (out->until_resolved)
		out->end_ms = start_ms + most_ms;
	else if (r.until_ms)
		/* "until 07:00 from 22:00": after its start, whatever came first */
		for (out->end_ms = r.until_ms; out->end_ms <= start_ms;)
			out->end_ms += CLOCK_DAY_MS;
	else
		out->end_ms = start_ms + (r.length_ms ? r.length_ms : usual_ms);
	if (out->end_ms - start_ms <= most_ms && start_ms - now_ms <= most_ms)
		return true;
	clock_format_duration(most_ms, most, sizeof(most));
	snprintf(why, 160, "that is longer than silences may be here (%s)", most);
	return false;
}
