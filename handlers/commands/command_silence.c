/*
 * command_silence.c - !silence.
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
#include "handlers/commands/command_silence.h"
#include "handlers/commands/command_what.h"
#include "handlers/commands/command_when.h"
#include "handlers/silences/quiet.h"
#include "handlers/silences/silence.h"
#include "handlers/silences/silence_scope.h"
#include "storage/alerts.h"
#include "storage/quiets.h"

#define SILENCE_MS CLOCK_HOUR_MS
#define SILENCES_MAX 1000 /* active ones: each alert is compared with all of them */
#define WHAT_TEXT_MAX (2 * MATCHERS_TEXT_MAX)

/* ---- saying it ---- */

/* Says which alerts this covers now, and would have covered in the last 24 hours. */
static void say_scope(struct command_call *call, const struct silence_scope *scope)
{
	size_t shown = 0;

	if (!scope->firing && !scope->last_day) {
		command_say(call, "\nIt matches nothing, now or in the last 24 h");
		return;
	}
	command_say(call, "\nFiring now: ");
	command_say(call, scope->firing ? "%zu" : "nothing", scope->firing);
	for (; shown < SILENCE_SCOPE_NAMES && scope->names[shown]; shown++) {
		command_say(call, shown ? ", " : " (");
		words_app_what(&call->text, scope->names[shown]);
	}
	if (scope->firing > shown && shown > 0)
		command_say(call, ", +%zu", scope->firing - shown);
	command_say(call, "%s · last 24 h: %s%zu", shown ? ")" : "",
	        scope->last_day_cut ? "at least " : "", scope->last_day);
}

void command_silence_say(struct command_call *call, const struct silence_row *row)
{
	int64_t now_ms = call->env->now_ms;
	int64_t start_ms = row->start_ms > now_ms ? row->start_ms : now_ms;

	words_code(&call->text, row->matchers, TEXT_NO_LIMIT);
	if (start_ms > now_ms) {
		command_say(call, " from ");
		words_when(&call->text, start_ms, now_ms);
	}
	command_say(call, row->until_resolved ? " until resolved, at most " : " until ");
	words_bold(&call->text, true);
	words_when(&call->text, row->end_ms, now_ms);
	words_bold(&call->text, false);
	command_say(call, " (");
	words_duration(&call->text, row->end_ms - start_ms);
	command_say(call, ")");
	if (row->reason[0]) {
		command_say(call, " · reason: ");
		words_code(&call->text, row->reason, 200);
	}
}

static void command_silence_say_headline(struct command_call *call, const struct silence_row *row)
{
	command_say(call, "🔕 ");
	words_bold(&call->text, true);
	command_say(call, "Silence %" PRId64, row->id);
	words_bold(&call->text, false);
	command_say(call, ": ");
	command_silence_say(call, row);
}

/* ---- !silence ---- */

/* The parsed arguments: from the words after the command, or from the members of a request. */
struct wish {
	struct input words;
	json_t *list;       /* words made from members; owned, or NULL */
	const char *reason; /* from the members; borrowed */
	char *rest;         /* the words after the time; owned */
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
			                ? "The duration must be like 2h, until 07:00 or until "
			                  "resolved."
			                : "Put matchers before the time, or -- before the reason.");
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

static void command_silence_add_words(json_t *list, const char *text)
{
	json_t *words = arguments_split(text ? text : "");

	json_array_extend(list, words);
	json_decref(words);
}

/* From the members of a request: "from", start, duration. False: the start is invalid. */
static bool wish_from_members(struct command_call *call, struct wish *wish)
{
	const char *start = command_arg(call, "start");
	char why[160];

	wish->reason = command_arg(call, "reason") ? command_arg(call, "reason") : "";
	wish->list = json_array();
	if (start) {
		json_array_append_new(wish->list, json_string("from"));
		command_silence_add_words(wish->list, start);
		wish->words = (struct input){wish->list, 0};
		call->field = "start";
		if (!command_when_read(&wish->words, call->env->now_ms, SILENCE_MS, INT64_MAX / 4,
		            &wish->when, why) ||
		        input_left(&wish->words)) {
			command_fail(call, "The start must be like 22:00 or tomorrow 7am.");
			return false;
		}
	}
	command_silence_add_words(wish->list, command_arg(call, "duration"));
	wish->words = (struct input){wish->list, 0};
	call->field = "duration";
	return true;
}

static void command_silence_tell_subscribers(
        struct command_call *call, const struct silence_row *row)
{
	if (call->env->happened)
		json_array_append_new(call->env->happened,
		        json_pack("{s:s, s:I, s:s, s:s, s:I, s:s}", "event", "silenced", "id",
		                (json_int_t)row->id, "by", call->who, "matchers", row->matchers,
		                "end_ms", (json_int_t)row->end_ms, "reason", row->reason));
}

static void say_change(struct command_call *call, const struct silence_row *row)
{
	command_silence_say_headline(call, row);
	command_effect(call, "changed silence %" PRId64 ": %s", row->id, row->matchers);
	command_silence_tell_subscribers(call, row);
	json_object_set_new(command_data(call), "id", json_integer(row->id));
}

static enum err check_room_for_more(struct command_call *call)
{
	struct silence_row *rows = NULL;
	size_t len = 0;
	enum err err = silences_active(call->env->store, &rows, &len);

	silence_rows_free(rows, len);
	if (err == OK && len >= SILENCES_MAX)
		command_fail(call, "There are %d silences already: end some first.", SILENCES_MAX);
	return err;
}

static enum err store_and_say(struct command_call *call, struct silence_row *row)
{
	enum err err = silences_insert(call->env->store, row);

	if (err != OK)
		return err;
	command_silence_say_headline(call, row);
	command_effect(call, "silence %" PRId64 ": %s", row->id, row->matchers);
	json_object_set_new(command_data(call), "id", json_integer(row->id));
	command_silence_tell_subscribers(call, row);
	return OK;
}

static enum err command_silence_add(struct command_call *call, const struct matchers *matchers,
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
	if (err == OK) {
		command_say(call, "\nTo end it: `%sunsilence %" PRId64 "`", command_prefix(call),
		        row.id);
	}
	buf_finish(&text);
	return err;
}

/* Reads what is to be silenced; what NULL: from the words. Refuses what would silence everything.
 */
static enum err read_matchers(struct command_call *call, const char *what, struct wish *wish,
        struct matchers **matchers, struct silence_scope *scope)
{
	bool all = strcasecmp(what ? what : input_peek(&wish->words, 0), "everything") == 0;
	struct buf text;
	char why[160];
	enum err err;

	buf_init(&text, WHAT_TEXT_MAX);
	err = what ? command_silence_what_text(call, what, &text)
	           : command_silence_what(call, &wish->words, &text);
	if (err == OK && !call->failed && matchers_parse(buf_str(&text), matchers, why) != OK)
		command_fail(call, "%s", why);
	if (*matchers) {
		command_silence_check(call, *matchers);
		err = silence_scope(call->env->store, *matchers, call->env->now_ms, scope);
	}
	if (scope->limit)
		command_fail(call, "%s on alerts received before: make it simpler.", SILENCE_LIMIT);
	else if (scope->all && !all)
		command_fail(call,
		        "That would silence everything. If you mean it, send `%ssilence "
		        "everything <duration>`.",
		        command_prefix(call));
	if (call->failed)
		call->field = "what";
	buf_finish(&text);
	return err;
}

static enum err add_from(struct command_call *call, const char *what, struct wish *wish)
{
	struct silence_scope scope = {0};
	struct matchers *matchers = NULL;
	enum err err = read_matchers(call, what, wish, &matchers, &scope);

	if (err == OK && !call->failed)
		err = command_silence_add(call, matchers, &scope, wish);
	silence_scope_finish(&scope);
	matchers_free(matchers);
	return err;
}

/* Changes what a silence covers; what NULL: nothing. */
static enum err change_what(
        struct command_call *call, const char *what, struct wish *wish, struct silence_row *row)
{
	struct silence_scope scope = {0};
	struct matchers *matchers = NULL;
	struct buf text;
	enum err err = what ? read_matchers(call, what, wish, &matchers, &scope) : OK;

	if (err == OK && !call->failed && matchers) {
		buf_init(&text, MATCHERS_TEXT_MAX);
		matchers_text(matchers, &text);
		free(row->matchers);
		row->matchers = x_strdup(buf_str(&text));
		buf_finish(&text);
	}
	silence_scope_finish(&scope);
	matchers_free(matchers);
	return err;
}

static enum err command_silence_change(
        struct command_call *call, struct silence_row *row, const char *what, struct wish *wish)
{
	enum err err = change_what(call, what, wish, row);

	if (err != OK || call->failed || !read_when(call, wish))
		return err;
	row->start_ms = wish->when.start_ms ? wish->when.start_ms : row->start_ms;
	row->end_ms = wish->when.end_ms;
	row->until_resolved = wish->when.until_resolved;
	if (*wish_reason(wish)) {
		free(row->reason);
		row->reason = x_strdup(wish_reason(wish));
	}
	err = silences_update(call->env->store, row);
	say_change(call, row);
	return err;
}

bool command_silence_number(const char *word, int64_t *number)
{
	char *end;

	*number = strtoll(word, &end, 10);
	return isdigit((unsigned char)word[0]) && *end == '\0' && *number > 0;
}

enum err command_silence_missing(struct command_call *call, int64_t number)
{
	call->field = "id";
	return command_fail(call,
	        "There is no active silence %" PRId64 ". `%ssilences` lists them.", number,
	        command_prefix(call));
}

enum err command_silence_find(struct command_call *call, int64_t number, struct silence_row *row)
{
	enum err err = silences_by_id(call->env->store, number, row);

	if (err == OK && row->ended_ms)
		silence_row_finish(row);
	if (err != OK || row->ended_ms)
		*row = (struct silence_row){0};
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err command_silence_of_app(struct command_call *call, const char *app, struct silence_row *row)
{
	char *wanted = x_asprintf("app=\"%s\"", app);
	struct silence_row *rows = NULL;
	size_t len = 0, found = 0;
	int64_t id = 0;
	enum err err = silences_active(call->env->store, &rows, &len);

	for (size_t i = 0; i < len; i++)
		if (strncmp(rows[i].matchers, wanted, strlen(wanted)) == 0) {
			id = rows[i].id;
			found++;
		}
	silence_rows_free(rows, len);
	free(wanted);
	if (err == OK && found == 1)
		return silences_by_id(call->env->store, id, row);
	words_name(&call->text, app, WORDS_NAME_POINTS);
	return err != OK ? err
	                 : command_fail(call,
	                           found ? ": there are several silences. `%ssilences` lists them."
	                                 : ": no silence is active. `%ssilences` lists them.",
	                           command_prefix(call));
}

/* "extend 2h": ends that much later. */
static enum err command_silence_extend(
        struct command_call *call, struct silence_row *row, struct wish *wish)
{
	int64_t ms, most_ms = call->env->config->commands.silence_max_ms;
	char most[24];
	enum err err;

	input_next(&wish->words);
	if (!command_duration_read(&wish->words, &ms) || input_left(&wish->words))
		return command_fail(call,
		        "Extend by how long? Example: `%ssilence %" PRId64 " extend 2h`",
		        command_prefix(call), row->id);
	if (row->end_ms + ms - call->env->now_ms > most_ms) {
		clock_format_duration(most_ms, most, sizeof(most));
		return command_fail(
		        call, "That is longer than a silence may last here (%s).", most);
	}
	row->end_ms += ms;
	err = silences_update(call->env->store, row);
	say_change(call, row);
	return err;
}

static bool is_extend(const struct wish *wish, size_t ahead)
{
	return strcasecmp(input_peek(&wish->words, ahead), "extend") == 0;
}

/* "etl extend 2h" */
static enum err extend_app(struct command_call *call, struct wish *wish)
{
	char *app = arguments_unquoted(input_next(&wish->words));
	struct silence_row row = {0};
	enum err err = command_silence_of_app(call, app, &row);

	if (err == OK && row.id)
		err = command_silence_extend(call, &row, wish);
	silence_row_finish(&row);
	free(app);
	return err;
}

/* A number is the id of a silence, or else a run id. */
static enum err change_or_add(struct command_call *call, int64_t number, struct wish *wish)
{
	struct silence_row row = {0};
	bool run = false;
	enum err err = command_silence_find(call, number, &row);

	if (err == OK && !row.id && input_left(&wish->words))
		err = command_is_run(call, input_peek(&wish->words, 0), &run);
	if (err == OK && run) {
		err = add_from(call, NULL, wish);
	} else if (err == OK && !row.id) {
		err = command_silence_missing(call, number);
	} else if (err == OK) {
		input_next(&wish->words);
		err = is_extend(wish, 0) ? command_silence_extend(call, &row, wish)
		                         : command_silence_change(call, &row, NULL, wish);
	}
	silence_row_finish(&row);
	return err;
}

static enum err command_silence_is_ended(struct command_call *call, int64_t number, bool *ended)
{
	struct silence_row row = {0};
	enum err err = silences_by_id(call->env->store, number, &row);

	*ended = err == OK && row.ended_ms > 0;
	if (err == OK)
		silence_row_finish(&row);
	return err == ERR_NOT_FOUND ? OK : err;
}

static enum err run_silence(struct command_call *call)
{
	struct wish wish = {0};
	int64_t number = command_number(call, "id");
	bool typed = command_words(call, &wish.words);
	char *what = x_strdup_opt(command_arg(call, "what"));
	enum err err = OK;

	if (!what && !number)
		err = command_silence_what_target(call, &wish.words, &what);
	if (err != OK || call->failed)
		goto out;
	if (typed) {
		if (what)
			err = add_from(call, what, &wish);
		else if (command_silence_number(input_peek(&wish.words, 0), &number))
			err = change_or_add(call, number, &wish);
		else if (is_extend(&wish, 1))
			err = extend_app(call, &wish);
		else
			err = add_from(call, NULL, &wish);
	} else if (!number && !what) {
		command_fail(call, "What to silence is missing.");
	} else if (wish_from_members(call, &wish)) {
		struct silence_row row = {0};
		bool again = false; /* as Alertmanager does: a new one for one that ended */

		if (number)
			err = command_silence_find(call, number, &row);
		if (err == OK && !row.id && number && what)
			err = command_silence_is_ended(call, number, &again);
		if (err == OK && (!number || again))
			err = add_from(call, what, &wish);
		else if (err == OK)
			err = row.id ? command_silence_change(call, &row, what, &wish)
			             : command_silence_missing(call, number);
		silence_row_finish(&row);
	}
out:
	free(what);
	wish_finish(&wish);
	return err;
}

const struct command command_silence = {
        .name = "silence",
        .help = "silence alerts\n"
                "What: an app, a run (which means its app), or matchers such as `app=etl`, "
                "`node_id=~\"etl.*\"` and `severity!=critical`, separated by commas.\n"
                "How long: `30m`, `1d12h`, `until 07:00` or `until resolved`; an hour by default. "
                "To begin later: `from 22:00`, or `in 30m`.\n"
                "In a reply to an alert, or in its thread, the time alone silences the alert's "
                "app: `silence 2h`.\n"
                "The number of a silence changes its end: `silence 3 extend 1h`, or `silence 3 "
                "2h`, "
                "with another reason if one follows.",
        .plain = "\nA reaction with 🔕 to an alert silences its app for an hour.",
        .example = "silence etl 2h deploy",
        .usage = "<what> [from 22:00] [2h | until 07:00 | until resolved] [reason]",
        .where = COMMAND_ROOM | COMMAND_SOCKET | COMMAND_LINE,
        .right = COMMAND_CHANGES,
        .words = true,
        .run = run_silence,
        .members = {{"what", MEMBER_TEXT}, {"id", MEMBER_NUMBER}, {"start", MEMBER_TEXT},
                {"duration", MEMBER_TEXT}, {"reason", MEMBER_TEXT}},
};
