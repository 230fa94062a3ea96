/*
 * command_silence.c - !silence, !silences, !unsilence.
 */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/matcher.h"
#include "bot/base/text.h"
#include "handlers/commands/command.h"
#include "handlers/commands/command_what.h"
#include "handlers/commands/command_when.h"
#include "handlers/silences/quiet.h"
#include "handlers/silences/silence.h"
#include "handlers/silences/silence_scope.h"
#include "storage/alerts.h"
#include "storage/quiets.h"

#define SILENCE_MS CLOCK_HOUR_MS
#define SILENCES_MAX 1000 /* that hold: each alert is compared with all of them */
#define MATCHERS_TEXT_MAX (8 * 1024)

/* ---- what is meant ---- */

/* Nothing of that name was ever heard of: more likely a slip than meant. */
static enum err refuse_unknown(struct command_call *call, const char *word)
{
	char *near = NULL;
	enum err err = command_nearest_app(call, word, &near);

	if (err == OK && !near)
		err = command_nearest_run(call, word, &near);
	command_fail(call, "I know no app or run ");
	text_add_plain(&call->text, word, 100, TEXT_FOLD_NEWLINES);
	command_say(call, ".");
	if (near) {
		command_say(call, " Did you mean ");
		text_add_plain(&call->text, near, 100, TEXT_FOLD_NEWLINES);
		command_say(call, "?");
	}
	command_say(call, " For an app that never wrote: app=%s", word);
	free(near);
	return err;
}

static enum err is_known_app(struct command_call *call, const char *word, bool *known)
{
	struct alert_row *rows = NULL;
	size_t len = 0;
	enum err err = alerts_list(call->env->store, word, 1, &rows, &len);

	*known = len > 0 || config_app(call->env->config, word);
	alert_rows_free(rows, len);
	return err;
}

/* A bare word is a run (then its app), or an app. */
static enum err from_word(struct command_call *call, const char *word, struct buf *out)
{
	struct alert_row row = {0};
	bool known = false;
	enum err err;

	if (strcmp(word, "everything") == 0) {
		buf_add_str(out, "app=~\".*\"");
		return OK;
	}
	err = alerts_by_run_id(call->env->store, word, &row);
	if (err == OK) {
		buf_printf(out, "app=\"%s\"", row.app);
	} else if (err == ERR_NOT_FOUND) {
		err = is_known_app(call, word, &known);
		if (err == OK && known)
			buf_printf(out, "app=\"%s\"", word);
		else if (err == OK)
			err = refuse_unknown(call, word);
	}
	alert_row_finish(&row);
	return err;
}

static bool is_app(const char *word)
{
	return *word && strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	                             "0123456789_.-") == strlen(word);
}

/* A run id of whatever form; anything else than an app's name is asked for. */
static enum err is_run(struct command_call *call, const char *word, bool *run)
{
	struct alert_row row = {0};
	enum err err = *word ? alerts_by_run_id(call->env->store, word, &row) : ERR_NOT_FOUND;

	*run = err == OK;
	alert_row_finish(&row);
	return err == ERR_NOT_FOUND ? OK : err;
}

/* An app or a run, which is no list of them. */
static enum err read_name(
        struct command_call *call, const char *word, const char *next, struct buf *out)
{
	size_t len = strlen(word);
	bool run;
	enum err err = is_run(call, word, &run);

	if (err != OK)
		return err;
	if ((len > 0 && word[len - 1] == ',') || strcasecmp(next, "and") == 0)
		return command_fail(
		        call, "one app for each silence, or several as app=~\"etl|billing\"");
	if (run || is_app(word))
		return from_word(call, word, out);
	return command_fail(call, "what? An app, a run, or matchers. Like: %ssilence etl 2h deploy",
	        command_prefix(call));
}

/* Reads what is meant into out, as matchers. */
static enum err read_what(struct command_call *call, struct input *words, struct buf *out)
{
	char why[160], *word;
	enum err err;

	if (!command_what_read(words, out, why))
		return command_fail(call, "%s", why);
	if (out->len > 0)
		return OK;
	word = arguments_unquoted(input_next(words));
	err = read_name(call, word, input_peek(words, 0), out);
	free(word);
	return err;
}

/* The same of a request, where it is a text of its own. */
static enum err read_what_text(struct command_call *call, const char *what, struct buf *out)
{
	json_t *list = arguments_split(what);
	struct input words = {list, 0};
	char why[160];
	enum err err = OK;

	if (!command_what_read(&words, out, why))
		err = command_fail(call, "%s", why);
	else if (out->len == 0)
		err = read_name(call, what, "", out);
	else if (input_left(&words))
		err = command_fail(call, "I do not understand %.60s", input_peek(&words, 0));
	json_decref(list);
	return err;
}

/* ---- saying it ---- */

/* What it means now, and would have meant in the last day. */
static void say_scope(struct command_call *call, const struct silence_scope *scope)
{
	if (scope->firing == 0)
		command_say(call, "Nothing of it is firing now.\n");
	else
		command_say(call, "Firing now (%zu): ", scope->firing);
	for (size_t i = 0; i < SILENCE_SCOPE_NAMES && scope->names[i]; i++)
		command_say(call, "%s%s", i ? ", " : "", scope->names[i]);
	if (scope->firing)
		command_say(call, "%s.\n", scope->firing > SILENCE_SCOPE_NAMES ? ", …" : "");
	command_say(call, "In the last 24 h it would have held back %s%zu alert%s.\n",
	        scope->last_day_cut ? "at least " : "", scope->last_day,
	        scope->last_day == 1 ? "" : "s");
}

static void say_times(struct command_call *call, const struct silence_row *row)
{
	int64_t now_ms = call->env->now_ms;
	int64_t start_ms = row->start_ms > now_ms ? row->start_ms : now_ms;
	char start[40], end[40], length[24];

	clock_format_short(start_ms, now_ms, start, sizeof(start));
	clock_format_short(row->end_ms, now_ms, end, sizeof(end));
	clock_format_duration(row->end_ms - start_ms, length, sizeof(length));
	if (start_ms > now_ms)
		command_say(call, "from %s ", start);
	if (row->until_resolved)
		command_say(call, "until it is resolved, at most to %s", end);
	else
		command_say(call, "until %s (%s)", end, length);
}

/* ---- !silence ---- */

/* What was asked for: what stands in words behind it, or the members of a request. */
struct wish {
	struct input words;
	json_t *list;       /* the words that were made of members; owned, or NULL */
	const char *reason; /* of the members */
	char *rest;         /* of the words; owned */
	struct command_when when;
};

static bool read_when(struct command_call *call, struct wish *wish)
{
	char why[160];

	if (!command_when_read(&wish->words, call->env->now_ms, SILENCE_MS,
	            call->env->config->commands.silence_max_ms, &wish->when, why)) {
		command_fail(call, "%s", why);
		return false;
	}
	for (struct input at = wish->words; !wish->when.reason && input_left(&at); at.at++)
		if (command_what_is(&at) || wish->list) {
			command_fail(call,
			        wish->list
			                ? "duration must be like 2h, until 07:00 or until resolved"
			                : "put matchers before the time, or -- before the reason");
			return false;
		}
	wish->rest = input_rest(&wish->words);
	return true;
}

static const char *wish_reason(const struct wish *wish)
{
	return wish->reason ? wish->reason : wish->rest;
}

static void wish_finish(struct wish *wish)
{
	json_decref(wish->list);
	free(wish->rest);
}

static void add_words(json_t *list, const char *text)
{
	json_t *words = arguments_split(text ? text : "");

	json_array_extend(list, words);
	json_decref(words);
}

/* From the members of a request: "from", start, duration. False: the start is none. */
static bool wish_from_members(struct command_call *call, struct wish *wish)
{
	const char *start = command_arg(call, "start");
	char why[160];

	wish->reason = command_arg(call, "reason") ? command_arg(call, "reason") : "";
	wish->list = json_array();
	if (start) {
		json_array_append_new(wish->list, json_string("from"));
		add_words(wish->list, start);
		wish->words = (struct input){wish->list, 0};
		call->field = "start";
		if (!command_when_read(&wish->words, call->env->now_ms, SILENCE_MS, INT64_MAX / 4,
		            &wish->when, why) ||
		        input_left(&wish->words)) {
			command_fail(call, "start must be like 22:00 or tomorrow 7am");
			return false;
		}
	}
	add_words(wish->list, command_arg(call, "duration"));
	wish->words = (struct input){wish->list, 0};
	call->field = "duration";
	return true;
}

static void tell_subscribers(struct command_call *call, const struct silence_row *row)
{
	if (call->env->happened)
		json_array_append_new(call->env->happened,
		        json_pack("{s:s, s:I, s:s, s:s, s:I, s:s}", "event", "silenced", "id",
		                (json_int_t)row->id, "by", call->who, "matchers", row->matchers,
		                "end_ms", (json_int_t)row->end_ms, "reason", row->reason));
}

static enum err change(struct command_call *call, struct silence_row *row, struct wish *wish)
{
	enum err err;

	if (!read_when(call, wish))
		return OK;
	row->start_ms = wish->when.start_ms ? wish->when.start_ms : row->start_ms;
	row->end_ms = wish->when.end_ms;
	row->until_resolved = wish->when.until_resolved;
	err = silences_update(call->env->store, row);
	command_say(call, "🔕 silence %" PRId64 " (%s) now holds ", row->id, row->matchers);
	say_times(call, row);
	command_effect(call, "extended silence %" PRId64, row->id);
	tell_subscribers(call, row);
	json_object_set_new(command_data(call), "id", json_integer(row->id));
	return err;
}

static enum err check_room_for_more(struct command_call *call)
{
	struct silence_row *rows = NULL;
	size_t len = 0;
	enum err err = silences_active(call->env->store, &rows, &len);

	silence_rows_free(rows, len);
	if (err == OK && len >= SILENCES_MAX)
		command_fail(call, "there are %d silences already: end some", SILENCES_MAX);
	return err;
}

static enum err store_and_say(struct command_call *call, struct silence_row *row)
{
	enum err err = silences_insert(call->env->store, row);

	if (err != OK)
		return err;
	command_say(call, "🔕 silence %" PRId64 ": %s, ", row->id, row->matchers);
	say_times(call, row);
	if (row->reason[0]) {
		command_say(call, " · reason: ");
		text_add_plain(&call->text, row->reason, 200, TEXT_FOLD_NEWLINES);
	}
	command_say(call, "\n");
	command_effect(call, "silence %" PRId64 ": %s", row->id, row->matchers);
	json_object_set_new(command_data(call), "id", json_integer(row->id));
	tell_subscribers(call, row);
	return OK;
}

static enum err add(struct command_call *call, const struct matchers *matchers,
        const struct silence_scope *scope, struct wish *wish)
{
	struct silence_row row = {
	        .at_ms = call->env->now_ms,
	        .author = (char *)call->who,
	        .room = (char *)call->room,
	};
	struct buf text;
	enum err err;

	if (!read_when(call, wish))
		return OK;
	err = check_room_for_more(call);
	if (err != OK || call->failed)
		return err;
	row.start_ms = wish->when.start_ms;
	row.end_ms = wish->when.end_ms;
	row.until_resolved = wish->when.until_resolved;
	buf_init(&text, MATCHERS_TEXT_MAX);
	matchers_text(matchers, &text);
	row.matchers = (char *)buf_str(&text);
	row.reason = (char *)wish_reason(wish);
	err = store_and_say(call, &row);
	if (err == OK)
		say_scope(call, scope);
	buf_finish(&text);
	return err;
}

static enum err add_from(struct command_call *call, const char *what, struct wish *wish)
{
	bool all = strcasecmp(what ? what : input_peek(&wish->words, 0), "everything") == 0;
	struct silence_scope scope = {0};
	struct matchers *matchers = NULL;
	struct buf text;
	char why[160];
	enum err err;

	buf_init(&text, MATCHERS_TEXT_MAX);
	err = what ? read_what_text(call, what, &text) : read_what(call, &wish->words, &text);
	if (err == OK && !call->failed && matchers_parse(buf_str(&text), &matchers, why) != OK)
		command_fail(call, "%s", why);
	if (matchers)
		err = silence_scope(call->env->store, matchers, call->env->now_ms, &scope);
	if (scope.limit)
		command_fail(call, "%s on alerts that came in already: it is to be simpler",
		        SILENCE_LIMIT);
	else if (scope.all && !all)
		command_fail(call,
		        "that would hold back everything. If you mean it: %ssilence "
		        "everything <duration>",
		        command_prefix(call));
	if (call->failed)
		call->field = "what";
	else if (err == OK)
		err = add(call, matchers, &scope, wish);
	silence_scope_finish(&scope);
	matchers_free(matchers);
	buf_finish(&text);
	return err;
}

static bool read_number(const char *word, int64_t *number)
{
	char *end;

	*number = strtoll(word, &end, 10);
	return isdigit((unsigned char)word[0]) && *end == '\0' && *number > 0;
}

static enum err fail_no_silence(struct command_call *call, int64_t number)
{
	call->field = "id";
	return command_fail(call,
	        "there is no silence %" PRId64 " that holds; %ssilences lists them", number,
	        command_prefix(call));
}

/* A silence that holds or will; zeroed when there is none by that number. */
static enum err find_silence(struct command_call *call, int64_t number, struct silence_row *row)
{
	enum err err = silences_by_id(call->env->store, number, row);

	if (err == OK && row->ended_ms)
		silence_row_finish(row);
	if (err != OK || row->ended_ms)
		*row = (struct silence_row){0};
	return err == ERR_NOT_FOUND ? OK : err;
}

/* A number is a silence's, or else a run's. */
static enum err change_or_add(struct command_call *call, int64_t number, struct wish *wish)
{
	struct silence_row row = {0};
	bool run = false;
	enum err err = find_silence(call, number, &row);

	if (err == OK && !row.id && input_left(&wish->words))
		err = is_run(call, input_peek(&wish->words, 0), &run);
	if (err == OK && run) {
		err = add_from(call, NULL, wish);
	} else if (err == OK && !row.id) {
		err = fail_no_silence(call, number);
	} else if (err == OK) {
		input_next(&wish->words);
		err = change(call, &row, wish);
	}
	silence_row_finish(&row);
	return err;
}

static enum err run_silence(struct command_call *call)
{
	struct wish wish = {0};
	int64_t number = command_number(call, "id");
	enum err err = OK;

	if (command_words(call, &wish.words)) {
		if (read_number(input_peek(&wish.words, 0), &number))
			err = change_or_add(call, number, &wish);
		else
			err = add_from(call, NULL, &wish);
	} else if (!number && !command_arg(call, "what")) {
		command_fail(call, "what is missing");
	} else if (wish_from_members(call, &wish)) {
		struct silence_row row = {0};

		if (number)
			err = find_silence(call, number, &row);
		if (err == OK && !number)
			err = add_from(call, command_arg(call, "what"), &wish);
		else if (err == OK)
			err = row.id ? change(call, &row, &wish) : fail_no_silence(call, number);
		silence_row_finish(&row);
	}
	wish_finish(&wish);
	return err;
}

/* ---- !silences, !unsilence ---- */

static void say_silence(struct command_call *call, const struct silence_row *row)
{
	command_say(call, "%" PRId64 ": %s\n  ", row->id, row->matchers);
	say_times(call, row);
	command_say(call, "\n  by ");
	text_add_plain(&call->text, row->author, 128, TEXT_FOLD_NEWLINES);
	command_say(call, ", held back %" PRId64, row->held);
	if (row->reason[0]) {
		command_say(call, ": ");
		text_add_plain(&call->text, row->reason, 200, TEXT_FOLD_NEWLINES);
	}
	if (row->problem)
		command_say(call, "\n  ⚠️ silences nothing: %s", row->problem);
	command_say(call, "\n");
}

/* Those that were given up since they began. */
static enum err say_quiets_failed(struct command_call *call)
{
	struct quiet_row *rows = NULL;
	size_t len = 0;
	enum err err = quiets_all(call->env->store, &rows, &len);

	for (size_t i = 0; i < len; i++)
		if (rows[i].problem)
			command_say(call, "⚠️ quiet time %s silences nothing: %s\n",
			        rows[i].name, rows[i].problem);
	quiet_rows_free(rows, len);
	return err;
}

static void say_quiets(struct command_call *call)
{
	const struct config *config = call->env->config;
	json_t *list = json_array();
	int64_t until_ms;
	bool holds;

	for (size_t i = 0; i < config->quiets_len; i++) {
		command_say(call, "quiet time %s: ", config->quiets[i].name);
		quiet_text(&config->quiets[i], call->env->now_ms, &call->text);
		command_say(call, "\n");
		holds = quiet_holds(&config->quiets[i], call->env->now_ms, &until_ms);
		json_array_append_new(
		        list, json_pack("{s:s, s:b, s:I}", "name", config->quiets[i].name, "holds",
		                      holds, holds ? "until_ms" : "from_ms", (json_int_t)until_ms));
	}
	json_object_set_new(command_data(call), "quiet_times", list);
}

static enum err run_silences(struct command_call *call)
{
	struct silence_row *rows = NULL;
	json_t *list = json_array();
	size_t len = 0;
	enum err err = silences_active(call->env->store, &rows, &len);

	if (err == OK && len == 0)
		command_say(call, "nothing is silenced\n");
	for (size_t i = 0; i < len; i++) {
		struct silence_row *row = &rows[i];

		say_silence(call, row);
		json_array_append_new(list,
		        json_pack("{s:I, s:s, s:I, s:I, s:b, s:s, s:I, s:s, s:s*}", "id",
		                (json_int_t)row->id, "matchers", row->matchers, "start_ms",
		                (json_int_t)(row->start_ms ? row->start_ms : row->at_ms), "end_ms",
		                (json_int_t)row->end_ms, "until_resolved", row->until_resolved,
		                "by", row->author, "held", (json_int_t)row->held, "reason",
		                row->reason, "problem", row->problem));
	}
	say_quiets(call);
	json_object_set_new(command_data(call), "silences", list);
	silence_rows_free(rows, len);
	return err == OK ? say_quiets_failed(call) : err;
}

static enum err end_now(struct command_call *call, struct silence_row *row)
{
	struct deliver d = command_deliver(call);
	char *sum = NULL;
	enum err err = silence_end(&d, row, "taken back", call->room);

	if (err == OK)
		err = silence_sum(&d, row, &sum);
	command_say(call, "🔔 silence %" PRId64 " (%s) is over: %s\n", row->id, row->matchers,
	        sum ? sum : "");
	command_effect(call, "ended silence %" PRId64, row->id);
	json_object_set_new(command_data(call), "held", json_integer(row->held));
	free(sum);
	return err;
}

static enum err run_unsilence(struct command_call *call)
{
	struct silence_row row = {0};
	enum err err = find_silence(call, command_number(call, "id"), &row);

	if (err == OK)
		err = row.id ? end_now(call, &row)
		             : fail_no_silence(call, command_number(call, "id"));
	silence_row_finish(&row);
	return err;
}

const struct command command_silence = {
        .name = "silence",
        .help = "silence alerts\n"
                "What: an app, a run (then its app), or matchers like app=etl, node_id=~\"etl.*\", "
                "severity!=critical, joined by commas. For an hour unless you say: 30m, 1d12h, "
                "until 07:00, until resolved. Later: from 22:00, or in 30m. A number gives that "
                "silence another end.",
        .plain = " 🔕 on an alert: its app, for an hour.",
        .example = "silence etl 2h deploy",
        .usage = "<what> [from 22:00] [2h | until 07:00 | until resolved] [reason]",
        .where = COMMAND_ROOM | COMMAND_SOCKET | COMMAND_LINE,
        .right = COMMAND_CHANGES,
        .words = true,
        .run = run_silence,
        .members = {{"what", MEMBER_TEXT}, {"id", MEMBER_NUMBER}, {"start", MEMBER_TEXT},
                {"duration", MEMBER_TEXT}, {"reason", MEMBER_TEXT}},
};

const struct command command_silences = {
        .name = "silences",
        .help = "list silences",
        .example = "silences",
        .where = COMMAND_ROOM | COMMAND_SOCKET | COMMAND_LINE,
        .run = run_silences,
};

const struct command command_unsilence = {
        .name = "unsilence",
        .help = "end a silence",
        .example = "unsilence 3",
        .where = COMMAND_ROOM | COMMAND_SOCKET | COMMAND_LINE,
        .right = COMMAND_CHANGES,
        .run = run_unsilence,
        .members = {{"id", MEMBER_NUMBER, .required = true}},
};
