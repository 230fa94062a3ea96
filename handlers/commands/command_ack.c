/*
 * command_ack.c - !ack and !unack.
 */
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/text.h"
#include "handlers/oncall/ack.h"
#include "handlers/commands/command.h"
#include "handlers/commands/command_whom.h"
#include "storage/alerts.h"
#include "storage/messages.h"

#define OPEN_MAX 500
#define OPEN_MS (7 * CLOCK_DAY_MS)

/* Says why nothing changed. */
static void say_not_done(
        struct command_call *call, const struct ack_result *result, const char *run, bool ack)
{
	words_app_what(&call->text, result->what ? result->what : run ? run : "this");
	if (result->resolved_ms) {
		command_say(call, " was resolved at ");
		words_when(&call->text, result->resolved_ms, call->env->now_ms);
		command_say(call, "\n");
	} else if (result->held) {
		command_say(call, " is in no message (%s)\n", result->held);
	} else {
		command_say(call, ack ? " is not firing\n" : " is not acknowledged\n");
	}
}

static void say_done(struct command_call *call, const struct ack_result *result, bool ack)
{
	command_say(call, ack ? "👀 " : "↩️ ");
	words_app_what(&call->text, result->what);
	if (result->changed > 1)
		command_say(call, " and %d more", result->changed - 1);
	command_say(call, ack ? " acknowledged by you" : ": acknowledgement removed");
	if (ack && result->before) {
		command_say(call, " (before: ");
		words_name(&call->text, result->before, 128);
		command_say(call, ")");
	}
	command_say(call, "\n");
	command_effect(call, "%s%s %d: %s", call->effect.len ? "; " : "", ack ? "acked" : "unacked",
	        result->changed, result->what);
}

/* Acknowledges one run, or what an event is about. *found: there is such a run or event. */
static enum err command_ack_take(struct command_call *call, const char *run, const char *event_id,
        const struct ack *ack, bool *found)
{
	struct deliver d = command_deliver(call);
	struct ack_result result = {.by = call->who};
	enum err err =
	        run ? ack_run(&d, run, ack, &result) : ack_event(&d, event_id, ack, NULL, &result);

	*found = err == OK;
	if (err == OK && result.changed)
		say_done(call, &result, ack);
	else if (err == OK)
		say_not_done(call, &result, run, ack);
	json_object_set_new(command_data(call), "changed",
	        json_integer(result.changed +
	                     json_integer_value(json_object_get(command_data(call), "changed"))));
	ack_result_finish(&result);
	return err == ERR_NOT_FOUND ? OK : err;
}

/* Acknowledges what the command replies to: that event, else the root of its thread. */
static enum err take_target(struct command_call *call, const struct ack *ack)
{
	bool found;
	enum err err = command_ack_take(call, NULL, call->target, ack, &found);

	if (err == OK && !found && call->thread && strcmp(call->thread, call->target) != 0)
		err = command_ack_take(call, NULL, call->thread, ack, &found);
	if (err == OK && !found)
		command_fail(call, "That message is not an alert.");
	return err;
}

/* Acknowledges everything unacknowledged of an app; NULL: of all apps. */
static enum err ack_app(struct command_call *call, const char *app, const struct ack *ack)
{
	const struct deliver d = command_deliver(call);
	struct ack_result result = {.by = call->who};
	struct entry_row *rows = NULL;
	size_t len = 0;
	enum err err = entries_unacked(
	        call->env->store, call->env->now_ms - OPEN_MS, OPEN_MAX, &rows, &len);

	for (size_t i = 0; i < len && err == OK; i++)
		if (!app || strcmp(rows[i].app, app) == 0)
			err = ack_entry(&d, &rows[i], ack, &result);
	if (err == OK && result.changed)
		say_done(call, &result, true);
	else if (err == OK)
		command_fail(call,
		        app ? "Nothing of %s is unacknowledged." : "Nothing is unacknowledged.",
		        app);
	json_object_set_new(command_data(call), "changed", json_integer(result.changed));
	entry_rows_free(rows, len);
	ack_result_finish(&result);
	return err;
}

/* One failure, by its number in the answer of the socket's `firing`. */
static enum err command_ack_entry(struct command_call *call, int64_t number, const struct ack *ack)
{
	const struct deliver d = command_deliver(call);
	struct ack_result result = {.by = call->who};
	struct entry_row row = {0};
	enum err err = entries_by_id(call->env->store, number, &row);

	if (err == ERR_NOT_FOUND || (err == OK && row.resolved_ms))
		err = command_fail(call, "that is no longer firing");
	else if (err == OK)
		err = ack_entry(&d, &row, ack, &result);
	if (err == OK && result.changed)
		say_done(call, &result, true);
	else if (err == OK && !call->failed)
		say_not_done(call, &result, NULL, true);
	ack_result_finish(&result);
	entry_row_finish(&row);
	return err;
}

/* Without an argument the command is unambiguous only if exactly one alert is unacknowledged. */
static enum err ack_only_one(struct command_call *call, const struct ack *ack)
{
	struct entry_row *rows = NULL;
	size_t len = 0;
	enum err err = entries_unacked(
	        call->env->store, call->env->now_ms - OPEN_MS, OPEN_MAX, &rows, &len);

	entry_rows_free(rows, len);
	if (err == OK && len == 1)
		err = ack_app(call, NULL, ack);
	else if (err == OK && len == 0)
		command_fail(call, "Nothing is unacknowledged.");
	else if (err == OK)
		command_fail(call,
		        "Which of the %zu unacknowledged alerts? Send `%sack <run_id>` or "
		        "`%sack all`, or reply to the alert. `%sunacked` lists them.",
		        len, command_prefix(call), command_prefix(call), command_prefix(call));
	return err;
}

static enum err take_runs(struct command_call *call, const json_t *runs, const struct ack *ack)
{
	json_t *run;
	bool found;
	size_t i;
	enum err err = OK;

	json_array_foreach((json_t *)runs, i, run)
	{
		if (err == OK)
			err = command_ack_take(call, json_string_value(run), NULL, ack, &found);
		if (err == OK && !found)
			err = command_fail_name(call, json_string_value(run));
	}
	if (json_array_size(runs) > 0 || call->failed || err != OK)
		return err;
	if (call->target)
		return take_target(call, ack);
	if (ack)
		return ack_only_one(call, ack);
	return command_fail(call, "Which run? Send `%sunack <run_id>`, or reply to the alert.",
	        command_prefix(call));
}

static enum err take_all(struct command_call *call, bool is_ack)
{
	struct ack ack = {.who = call->who};
	struct whom whom = {.runs = json_incref(json_object_get(call->args, "run_id")),
	        .app = x_strdup_opt(command_arg(call, "app")),
	        .all = command_flag(call, "all"),
	        .note = x_strdup_opt(command_arg(call, "note"))};
	struct input words;
	enum err err = OK;

	if (command_words(call, &words))
		err = whom_read(call, &words, is_ack, &whom);
	ack.note = whom.note && whom.note[0] ? whom.note : NULL;
	if (command_number(call, "entry"))
		err = command_ack_entry(call, command_number(call, "entry"), &ack);
	else if (err == OK && (whom.all || whom.app))
		err = ack_app(call, whom.app, &ack);
	else if (err == OK)
		err = take_runs(call, whom.runs, is_ack ? &ack : NULL);
	whom_finish(&whom);
	return err;
}

static enum err run_ack(struct command_call *call)
{
	return take_all(call, true);
}

static enum err run_unack(struct command_call *call)
{
	return take_all(call, false);
}

const struct command command_ack = {
        .name = "ack",
        .help = "acknowledge alerts\n"
                "No run id is needed in a reply to an alert or a reminder, or when only one alert "
                "is unacknowledged. `ack all` acknowledges all, `ack etl` those of an app; a "
                "reaction with ✅, 👍 or 👀 does the same for one message.\n"
                "An acknowledgement stops reminders. It ends when the alert is resolved, or after "
                "ack_timeout in [commands].",
        .example = "ack r-81 rolling back",
        .usage = "[<run_id>… | <app> | all] [note]",
        .where = COMMAND_ROOM | COMMAND_SOCKET | COMMAND_LINE,
        .right = COMMAND_CHANGES,
        .words = true,
        .run = run_ack,
        .members = {{"run_id", MEMBER_WORDS}, {"app", MEMBER_WORD}, {"all", MEMBER_FLAG},
                {"note", MEMBER_TEXT}, {"entry", MEMBER_NUMBER, .request = true}},
};

const struct command command_unack = {
        .name = "unack",
        .help = "remove an acknowledgement\nRemoving your ✅ from the message does the same.",
        .example = "unack r-81",
        .where = COMMAND_ROOM | COMMAND_SOCKET | COMMAND_LINE,
        .right = COMMAND_CHANGES,
        .words = true,
        .run = run_unack,
        .members = {{"run_id", MEMBER_WORDS, .required = true}},
};
