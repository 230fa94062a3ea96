/*
 * command_ack.c - !ack and !unack, and the reactions that mean them.
 */
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/text.h"
#include "handlers/oncall/ack.h"
#include "handlers/commands/command.h"
#include "storage/alerts.h"

#define RUNS_MAX 20

/* Why nothing changed. */
static void say_not_done(
        struct command_call *call, const struct ack_result *result, const char *run, bool ack)
{
	char when[40];

	text_add_plain(&call->text,
	        result->what ? result->what
	        : run        ? run
	                     : "this",
	        200, TEXT_FOLD_NEWLINES);
	if (result->resolved_ms) {
		clock_format_short(result->resolved_ms, call->env->now_ms, when, sizeof(when));
		command_say(call, " is over: resolved at %s\n", when);
	} else if (result->held) {
		command_say(call, " is in no message (%s)\n", result->held);
	} else {
		command_say(call, ack ? " is not firing\n" : " was not taken on\n");
	}
}

static void say_done(struct command_call *call, const struct ack_result *result, bool ack)
{
	command_say(call, "%s", ack ? "✅ " : "↩️ ");
	text_add_plain(&call->text, result->what, 200, TEXT_FOLD_NEWLINES);
	if (result->changed > 1)
		command_say(call, " and %d more", result->changed - 1);
	command_say(call, ack ? result->changed > 1 ? " are yours now" : " is yours now"
	                  : result->changed > 1 ? " are open again"
	                                        : " is open again");
	if (ack && result->before) {
		command_say(call, " (so far of ");
		text_add_plain(&call->text, result->before, 128, TEXT_FOLD_NEWLINES);
		command_say(call, ")");
	}
	command_say(call, "\n");
	command_effect(call, "%s%s %d: %s", call->effect.len ? "; " : "", ack ? "acked" : "unacked",
	        result->changed, result->what);
}

/* One run, or what an event is about. *found: there is such a thing. */
static enum err take(struct command_call *call, const char *run, const char *event_id,
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

/* By what is answered to: that event, else the thread it is in. */
static enum err take_target(struct command_call *call, const struct ack *ack)
{
	bool found;
	enum err err = take(call, NULL, call->target, ack, &found);

	if (err == OK && !found && call->thread && strcmp(call->thread, call->target) != 0)
		err = take(call, NULL, call->thread, ack, &found);
	if (err == OK && !found)
		command_fail(call, "what you answer to is no alert of mine");
	return err;
}

/* *known: there is an alert with that run id. */
static enum err is_run(struct command_call *call, const char *word, bool *known)
{
	struct alert_row row = {0};
	enum err err = alerts_by_run_id(call->env->store, word, &row);

	*known = err == OK;
	alert_row_finish(&row);
	return err == ERR_NOT_FOUND ? OK : err;
}

/* Adds the runs that a text names: one, or several with commas between them. *known: it does. */
static enum err add_runs(struct command_call *call, const char *text, json_t *runs, bool *known)
{
	char *copy = arguments_unquoted(text), *at = NULL;
	json_t *found = json_array();
	enum err err = is_run(call, copy, known);

	if (err == OK && *known)
		json_array_append_new(found, json_string(copy));
	for (char *run = *known ? NULL : strtok_r(copy, ",;", &at); run && err == OK;
	        run = *known ? strtok_r(NULL, ",;", &at) : NULL) {
		err = is_run(call, run, known);
		json_array_append_new(found, json_string(run));
	}
	if (*known)
		json_array_extend(runs, found);
	json_decref(found);
	free(copy);
	return err;
}

/* Words up to the first that names no run, or to a dash, are run ids; the rest is the note. A run
 * id with blanks may also be all there is. */
static enum err read_words(
        struct command_call *call, struct input *words, json_t *runs, char **note)
{
	struct input all = *words;
	bool known = true;
	char *whole;
	enum err err = OK;

	while (err == OK && known && input_left(words) && json_array_size(runs) < RUNS_MAX) {
		err = add_runs(call, input_peek(words, 0), runs, &known);
		if (err == OK && (known || input_is_dash(input_peek(words, 0))))
			input_next(words);
	}
	if (err == OK && json_array_size(runs) == 0 && input_left(words)) {
		whole = input_rest(&all);
		err = add_runs(call, whole, runs, &known);
		if (err == OK && known)
			*words = all;
		else if (err == OK && !call->target)
			err = command_fail_run(call, input_peek(words, 0));
		free(whole);
	}
	*note = input_rest(words);
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
			err = take(call, json_string_value(run), NULL, ack, &found);
		if (err == OK && !found && !call->failed)
			err = command_fail_run(call, json_string_value(run));
	}
	if (json_array_size(runs) > 0 || call->failed || err != OK)
		return err;
	if (call->target)
		return take_target(call, ack);
	return command_fail(call, "which run? %s%s <run_id>%s, or answer to the alert",
	        command_prefix(call), call->command->name, ack ? " [note]" : "");
}

static enum err take_all(struct command_call *call, bool is_ack)
{
	struct ack ack = {.who = call->who};
	json_t *runs = json_incref(json_object_get(call->args, "run_id"));
	const char *given = command_arg(call, "note");
	char *note = given ? x_strdup(given) : NULL;
	struct input words;
	enum err err = OK;

	if (command_words(call, &words)) {
		runs = json_array();
		err = read_words(call, &words, runs, &note);
	}
	ack.note = note && note[0] ? note : NULL;
	if (err == OK)
		err = take_runs(call, runs, is_ack ? &ack : NULL);
	json_decref(runs);
	free(note);
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
                "As an answer to an alert or a reminder, or as ✅ or 👍 on it: without a run id. "
                "Stops reminders; ends when it is resolved or after a while.",
        .example = "ack r-81 rolling back",
        .where = COMMAND_ROOM | COMMAND_SOCKET | COMMAND_LINE,
        .right = COMMAND_CHANGES,
        .words = true,
        .run = run_ack,
        .members = {{"run_id", MEMBER_WORDS, .required = true}, {"note", MEMBER_TEXT}},
};

const struct command command_unack = {
        .name = "unack",
        .help = "remove an acknowledgement\nOr take your ✅ away.",
        .example = "unack r-81",
        .where = COMMAND_ROOM | COMMAND_SOCKET | COMMAND_LINE,
        .right = COMMAND_CHANGES,
        .words = true,
        .run = run_unack,
        .members = {{"run_id", MEMBER_WORDS, .required = true}},
};
