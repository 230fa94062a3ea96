/*
 * command_silences.c - !silences and !unsilence.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/text.h"
#include "handlers/commands/command.h"
#include "handlers/commands/command_silence.h"
#include "handlers/silences/held.h"
#include "handlers/silences/quiet.h"
#include "handlers/silences/silence.h"
#include "storage/quiets.h"

#define LIST_MAX 20                 /* in a room */
#define ENDED_MS (5 * CLOCK_DAY_MS) /* for so long Alertmanager lists what has expired */

static void say_silence_rest(struct command_call *call, const struct silence_row *row)
{
	command_say(call, " · by ");
	words_user(&call->text, row->author, call->env->config->matrix.user);
	if (row->held)
		command_say(call, " · %" PRId64 " silenced", row->held);
	if (row->problem)
		command_say(call, " · ⚠️ has no effect: %s", row->problem);
}

static void say_silence(struct command_call *call, const struct silence_row *row)
{
	words_item(&call->text);
	command_say(call, "%" PRId64 ": ", row->id);
	command_silence_say(call, row);
	say_silence_rest(call, row);
}

/* Lists quiet times that were disabled since they began, because of an error. */
static enum err say_quiets_failed(struct command_call *call)
{
	struct quiet_row *rows = NULL;
	size_t len = 0;
	enum err err = quiets_all(call->env->store, &rows, &len);

	for (size_t i = 0; i < len; i++)
		if (rows[i].problem)
			command_say(call, "⚠️ Quiet time %s has no effect: %s\n", rows[i].name,
			        rows[i].problem);
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
		command_say(call, "Quiet time %s: ", config->quiets[i].name);
		quiet_text(&config->quiets[i], call->env->now_ms, &call->text);
		words_break(&call->text);
		holds = quiet_holds(&config->quiets[i], call->env->now_ms, &until_ms);
		json_array_append_new(
		        list, json_pack("{s:s, s:b, s:I}", "name", config->quiets[i].name, "holds",
		                      holds, holds ? "until_ms" : "from_ms", (json_int_t)until_ms));
	}
	json_object_set_new(command_data(call), "quiet_times", list);
}

static json_t *silence_data(const struct silence_row *row)
{
	return json_pack("{s:I, s:s, s:I, s:I, s:b, s:s, s:I, s:s, s:s*}", "id",
	        (json_int_t)row->id, "matchers", row->matchers, "start_ms",
	        (json_int_t)(row->start_ms ? row->start_ms : row->at_ms), "end_ms",
	        (json_int_t)(row->ended_ms ? row->ended_ms : row->end_ms), "until_resolved",
	        row->until_resolved, "by", row->author, "held", (json_int_t)row->held, "reason",
	        row->reason, "problem", row->problem);
}

/* For a client that asks for them: the silences that ended lately. */
static enum err add_ended(struct command_call *call)
{
	struct silence_row *rows = NULL;
	json_t *list = json_array();
	size_t len = 0;
	enum err err = silences_ended(call->env->store, call->env->now_ms - ENDED_MS, &rows, &len);

	words_bold(&call->text, true);
	command_say(call, "Ended in the last 5 days: %zu", len);
	words_bold(&call->text, false);
	if (len > 0)
		words_list(&call->text, SIZE_MAX, NULL);
	else
		words_break(&call->text);
	for (size_t i = 0; i < len; i++) {
		words_item(&call->text);
		command_say(call, "%" PRId64 ": ", rows[i].id);
		words_code(&call->text, rows[i].matchers, TEXT_NO_LIMIT);
		command_say(call, " ended ");
		words_when(&call->text, rows[i].ended_ms, call->env->now_ms);
		say_silence_rest(call, &rows[i]);
		json_array_append_new(list, silence_data(&rows[i]));
	}
	if (len > 0)
		words_list_end(&call->text);
	json_object_set_new(command_data(call), "ended", list);
	silence_rows_free(rows, len);
	return err;
}

static enum err run_silences(struct command_call *call)
{
	const char *which = command_arg(call, "which");
	bool ended = which && strcasecmp(which, "ended") == 0;
	struct silence_row *rows = NULL;
	json_t *list = json_array();
	size_t len = 0;
	enum err err = silences_active(call->env->store, &rows, &len);

	words_bold(&call->text, true);
	if (len == 0)
		command_say(call, "No silences");
	else
		words_count(&call->text, (int64_t)len, "silence", "silences");
	words_bold(&call->text, false);
	if (len > 0)
		words_list(&call->text, call->room ? LIST_MAX : SIZE_MAX, NULL);
	else
		words_break(&call->text);
	for (size_t i = 0; i < len; i++) {
		struct silence_row *row = &rows[i];

		say_silence(call, row);
		json_array_append_new(list, silence_data(row));
	}
	if (len > 0)
		words_list_end(&call->text);
	say_quiets(call);
	json_object_set_new(command_data(call), "silences", list);
	silence_rows_free(rows, len);
	if (err == OK && ended)
		err = add_ended(call);
	return err == OK ? say_quiets_failed(call) : err;
}

/* At once, since somebody waits for it. What a damaged row makes impossible does not undo the end
 * of the silence. */
static enum err release_now(const struct deliver *d)
{
	bool undone;
	enum err err = store_savepoint(d->store);

	return err == OK ? store_settle(d->store, held_release(d), &undone) : err;
}

static enum err end_now(struct command_call *call, struct silence_row *row)
{
	struct deliver d = command_deliver(call);
	enum err err = silence_end(&d, row, "cancelled", call->room);

	command_say(call, "🔔 ");
	words_bold(&call->text, true);
	command_say(call, "Silence %" PRId64 " cancelled", row->id);
	words_bold(&call->text, false);
	command_say(call, ": ");
	if (err == OK)
		err = silence_say_sum(&d, row, &call->text);
	command_effect(call, "ended silence %" PRId64, row->id);
	json_object_set_new(command_data(call), "held", json_integer(row->held));
	return err == OK ? release_now(&d) : err;
}

static enum err run_unsilence(struct command_call *call)
{
	const char *what = command_arg(call, "id");
	struct silence_row row = {0};
	int64_t number;
	enum err err;

	if (command_silence_number(what, &number)) {
		err = command_silence_find(call, number, &row);
		if (err == OK && !row.id)
			err = command_silence_missing(call, number);
	} else {
		err = command_silence_of_app(call, what, &row);
	}
	if (err == OK && row.id)
		err = end_now(call, &row);
	silence_row_finish(&row);
	return err;
}

const struct command command_silences = {
        .name = "silences",
        .help = "list silences\nWith `ended` also those that ended in the last five days.",
        .example = "silences",
        .usage = "[ended]",
        .where = COMMAND_ROOM | COMMAND_SOCKET | COMMAND_LINE,
        .run = run_silences,
        .members = {{"which", MEMBER_WORD}},
};

const struct command command_unsilence = {
        .name = "unsilence",
        .help = "end a silence",
        .example = "unsilence 3",
        .usage = "<number|app>",
        .where = COMMAND_ROOM | COMMAND_SOCKET | COMMAND_LINE,
        .right = COMMAND_CHANGES,
        .run = run_unsilence,
        .members = {{"id", MEMBER_WORD, .required = true}},
};
