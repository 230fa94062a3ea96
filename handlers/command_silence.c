/*
 * command_silence.c - !silence, !silences, !unsilence.
 */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/text.h"
#include "handlers/command.h"
#include "handlers/command_text.h"
#include "handlers/matcher.h"
#include "handlers/silence.h"
#include "storage/alerts.h"

#define SILENCE_MS CLOCK_HOUR_MS
#define PREVIEW_MAX 1000
#define SILENCES_MAX 100 /* that hold: each alert is compared with all of them */
#define MATCHERS_TEXT_MAX (8 * 1024)

bool silence_duration(const char *text, int64_t *ms)
{
	static const struct {
		char unit;
		int64_t ms;
	} units[] = {{'s', 1000}, {'m', CLOCK_MINUTE_MS}, {'h', CLOCK_HOUR_MS}, {'d', CLOCK_DAY_MS},
	        {'w', 7 * CLOCK_DAY_MS}};
	int64_t sum = 0;

	if (!*text)
		return false;
	while (*text) {
		char *end;
		long long number = strtoll(text, &end, 10);
		size_t i;

		if (end == text || !isdigit((unsigned char)*text) || number > 100000)
			return false;
		for (i = 0; i < sizeof(units) / sizeof(units[0]) && units[i].unit != *end; i++)
			;
		if (i == sizeof(units) / sizeof(units[0]))
			return false;
		sum += number * units[i].ms;
		text = end + 1;
	}
	*ms = sum;
	return sum > 0;
}

/* ---- what is meant ---- */

/* A bare word is a run (then its app and what failed), or an app. */
static enum err from_word(struct command_call *call, const char *word, struct buf *out)
{
	struct alert_row row = {0};
	enum err err;

	if (strcmp(word, "everything") == 0) {
		buf_add_str(out, "app=~\".*\"");
		return OK;
	}
	err = alerts_by_run_id(call->env->store, word, &row);
	if (err == OK)
		buf_printf(out, "app=\"%s\"", row.app);
	else if (err == ERR_NOT_FOUND)
		buf_printf(out, "app=\"%s\"", word);
	alert_row_finish(&row);
	return err == ERR_NOT_FOUND ? OK : err;
}

static bool is_app(const char *word)
{
	return *word && strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	                             "0123456789_.-") == strlen(word);
}

/* Reads the matchers at *text into out, which then holds them as text. */
static enum err read_what(struct command_call *call, const char **text, struct buf *out)
{
	const char *at = *text;
	char *word = command_word(&at);
	enum err err = OK;

	if (matcher_is(word)) {
		while (matcher_is(word)) {
			buf_printf(out, "%s%s", out->len ? " " : "", word);
			*text = at;
			free(word);
			word = command_word(&at);
		}
	} else if (is_app(word)) {
		*text = at;
		err = from_word(call, word, out);
	} else {
		command_fail(call, "what? %ssilence <app | run | matchers> <duration> [reason]",
		        command_prefix(call));
	}
	free(word);
	return err;
}

/* The end: "until resolved" (0), a duration, or the default. */
static void read_end(struct command_call *call, const char **text, int64_t *end_ms)
{
	const char *at = *text;
	char *word = command_word(&at), *next;
	int64_t ms = SILENCE_MS, most_ms = call->env->config->commands.silence_max_ms;

	if (strcmp(word, "until") == 0) {
		next = command_word(&at);
		if (strcmp(next, "resolved") == 0) {
			*text = at;
			*end_ms = 0;
			free(next);
			free(word);
			return;
		}
		free(next);
	} else if (silence_duration(word, &ms)) {
		*text = at;
	} else if (isdigit((unsigned char)word[0])) {
		command_fail(call, "a duration looks like 30m or 1d12h");
	}
	free(word);
	if (ms > most_ms) {
		char most[24];

		clock_format_duration(most_ms, most, sizeof(most));
		command_fail(call, "that is longer than silence_max (%s)", most);
	}
	*end_ms = call->env->now_ms + ms;
}

/* ---- saying it ---- */

struct lookup {
	const struct alert_row *row;
	const json_t *fields;
};

static char *row_value(const char *name, const void *arg)
{
	const struct lookup *lookup = arg;
	const struct alert_row *row = lookup->row;
	const json_t *field;

	if (strcmp(name, "app") == 0)
		return x_strdup(row->app);
	if (strcmp(name, "kind") == 0)
		return x_strdup(row->kind);
	if (strcmp(name, "severity") == 0)
		return x_strdup(severity_name((enum severity)row->severity));
	if (strcmp(name, "run_id") == 0)
		return x_strdup_opt(row->run_id);
	field = json_object_get(lookup->fields, name);
	return field ? alert_scalar_text(field) : NULL;
}

static enum err say_preview(struct command_call *call, const struct matchers *matchers)
{
	struct alert_row *rows = NULL;
	size_t len = 0, i;
	int count = 0;
	enum err err = alerts_list(call->env->store, NULL, PREVIEW_MAX, &rows, &len);

	for (i = 0; i < len; i++) {
		json_t *fields = json_loads(rows[i].fields, 0, NULL);
		struct lookup lookup = {&rows[i], fields};

		if (rows[i].received_ms > call->env->now_ms - CLOCK_DAY_MS && !rows[i].resolved)
			count += matchers_match(matchers, row_value, &lookup);
		json_decref(fields);
		alert_row_finish(&rows[i]);
	}
	free(rows);
	command_say(call, "In the last 24 h it would have held back %d alert%s.\n", count,
	        count == 1 ? "" : "s");
	return err;
}

static void say_end(struct command_call *call, int64_t end_ms)
{
	char when[40], left[24];

	if (end_ms == 0) {
		command_say(call, "until it is resolved");
		return;
	}
	clock_format_short(end_ms, call->env->now_ms, when, sizeof(when));
	clock_format_duration(end_ms - call->env->now_ms, left, sizeof(left));
	command_say(call, "until %s (%s)", when, left);
}

static enum err extend(struct command_call *call, struct silence_row *row, const char *rest)
{
	int64_t end_ms;
	enum err err;

	read_end(call, &rest, &end_ms);
	if (call->failed)
		return OK;
	row->end_ms = end_ms;
	err = silences_update(call->env->store, row);
	command_say(call, "🔕 silence %" PRId64 " (%s) now holds ", row->id, row->matchers);
	say_end(call, end_ms);
	command_effect(call, "extended silence %" PRId64, row->id);
	return err;
}

static enum err check_room_for_more(struct command_call *call)
{
	struct silence_row *rows = NULL;
	size_t len = 0, i;
	enum err err = silences_active(call->env->store, &rows, &len);

	for (i = 0; i < len; i++)
		silence_row_finish(&rows[i]);
	free(rows);
	if (err == OK && len >= SILENCES_MAX)
		command_fail(call, "there are %d silences already: end some", SILENCES_MAX);
	return err;
}

static enum err add(struct command_call *call, const struct matchers *matchers, const char *rest)
{
	struct silence_row row = {
	        .at_ms = call->env->now_ms,
	        .author = (char *)call->who,
	        .room = (char *)call->room,
	};
	struct buf text;
	enum err err;

	read_end(call, &rest, &row.end_ms);
	err = check_room_for_more(call);
	if (err != OK || call->failed)
		return err;
	rest += strspn(rest, " \t\n");
	buf_init(&text, MATCHERS_TEXT_MAX);
	matchers_text(matchers, &text);
	row.matchers = (char *)buf_str(&text);
	row.reason = (char *)rest;
	err = silences_insert(call->env->store, &row);
	if (err == OK) {
		command_say(call, "🔕 silence %" PRId64 ": %s, ", row.id, row.matchers);
		say_end(call, row.end_ms);
		command_say(call, ".\n");
		command_effect(call, "silence %" PRId64 ": %s", row.id, row.matchers);
		json_object_set_new(command_data(call), "id", json_integer(row.id));
		if (call->env->happened)
			json_array_append_new(call->env->happened,
			        json_pack("{s:s, s:I, s:s, s:s}", "event", "silenced", "id",
			                (json_int_t)row.id, "by", call->who, "matchers",
			                row.matchers));
		err = say_preview(call, matchers);
	}
	buf_finish(&text);
	return err;
}

static enum err add_from(struct command_call *call, const char *text)
{
	bool all = strncmp(text + strspn(text, " \t"), "everything", 10) == 0;
	struct matchers *matchers = NULL;
	struct buf what;
	char why[160];
	enum err err;

	buf_init(&what, MATCHERS_TEXT_MAX);
	err = read_what(call, &text, &what);
	if (err == OK && !call->failed && matchers_parse(buf_str(&what), &matchers, why) != OK)
		command_fail(call, "%s", why);
	if (matchers && matchers_match_all(matchers) && !all)
		command_fail(call,
		        "that would hold back everything. If you mean it: %ssilence "
		        "everything <duration>",
		        command_prefix(call));
	if (err == OK && !call->failed)
		err = add(call, matchers, text);
	matchers_free(matchers);
	buf_finish(&what);
	return err;
}

static bool read_number(const char *word, int64_t *number)
{
	char *end;

	*number = strtoll(word, &end, 10);
	return isdigit((unsigned char)word[0]) && *end == '\0' && *number > 0;
}

enum err command_silence(struct command_call *call)
{
	const char *text = call->args;
	char *word = command_word(&text);
	struct silence_row row = {0};
	int64_t number;
	enum err err;

	if (!read_number(word, &number)) {
		err = add_from(call, call->args);
	} else {
		err = silences_by_id(call->env->store, number, &row);
		if (err == OK && row.ended_ms == 0)
			err = extend(call, &row, text);
		else if (err == OK || err == ERR_NOT_FOUND)
			err = command_fail(
			        call, "there is no silence %" PRId64 " that holds", number);
	}
	silence_row_finish(&row);
	free(word);
	return err;
}

enum err command_silences(struct command_call *call)
{
	struct silence_row *rows = NULL;
	json_t *list = json_array();
	size_t len = 0, i;
	enum err err = silences_active(call->env->store, &rows, &len);

	if (err == OK && len == 0)
		command_say(call, "nothing is silenced\n");
	for (i = 0; i < len; i++) {
		struct silence_row *row = &rows[i];

		command_say(call, "%" PRId64 ": %s\n  ", row->id, row->matchers);
		say_end(call, row->end_ms);
		command_say(call, ", by %s, held back %" PRId64, row->author, row->held);
		if (row->reason[0]) {
			command_say(call, "\n  ");
			text_add_plain(&call->text, row->reason, 200, TEXT_FOLD_NEWLINES);
		}
		command_say(call, "\n");
		json_array_append_new(list,
		        json_pack("{s:I, s:s, s:I, s:s, s:I, s:s}", "id", (json_int_t)row->id,
		                "matchers", row->matchers, "end_ms", (json_int_t)row->end_ms, "by",
		                row->author, "held", (json_int_t)row->held, "reason", row->reason));
		silence_row_finish(row);
	}
	json_object_set_new(command_data(call), "silences", list);
	free(rows);
	return err;
}

enum err command_unsilence(struct command_call *call)
{
	struct deliver d = command_deliver(call);
	const char *text = call->args;
	char *word = command_word(&text), *room = NULL;
	struct silence_row row = {0};
	int64_t number;
	enum err err;

	if (!read_number(word, &number)) {
		err = command_fail(call, "which one? %sunsilence <number>; %ssilences lists them",
		        command_prefix(call), command_prefix(call));
	} else {
		err = silences_by_id(call->env->store, number, &row);
		if (err == OK && row.ended_ms == 0) {
			room = row.room; /* the answer says it: no line of its own */
			row.room = NULL;
			err = silence_end(&d, &row, "taken back");
			row.room = room;
			command_say(call,
			        "🔔 silence %" PRId64 " is over: it held back %" PRId64 " alert%s\n",
			        row.id, row.held, row.held == 1 ? "" : "s");
			command_effect(call, "ended silence %" PRId64, row.id);
		} else if (err == OK || err == ERR_NOT_FOUND) {
			err = command_fail(
			        call, "there is no silence %" PRId64 " that holds", number);
		}
	}
	silence_row_finish(&row);
	free(word);
	return err;
}
