/*
 * command_ack.c - !ack and !unack, and the reactions that mean them.
 */
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/text.h"
#include "handlers/oncall/ack.h"
#include "handlers/commands/command.h"
#include "handlers/commands/command_text.h"
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

static enum err say_no_run(struct command_call *call, const char *run)
{
	char *near = NULL;
	enum err err = command_nearest_run(call, run, &near);

	command_fail(call, "there is no run ");
	text_add_plain(&call->text, run, 100, TEXT_FOLD_NEWLINES);
	if (near) {
		command_say(call, ". Did you mean ");
		text_add_plain(&call->text, near, 100, TEXT_FOLD_NEWLINES);
		command_say(call, "?");
	} else {
		command_say(call, "; %salerts lists the newest.", command_prefix(call));
	}
	free(near);
	return err;
}

/* Words up to the first that names no run, or to "--", are run ids; the rest is the note. */
static enum err read_runs(
        struct command_call *call, char *runs[RUNS_MAX], int *len, const char **note)
{
	const char *at = call->args;
	enum err err = OK;

	*len = 0;
	*note = at;
	while (*len < RUNS_MAX && err == OK) {
		struct alert_row row = {0};
		char *word = command_word_bare(&at);
		bool end = !word[0] || command_is_dash(word);

		if (end)
			*note = at;
		else
			err = alerts_by_run_id(call->env->store, word, &row);
		alert_row_finish(&row);
		if (end || err == ERR_NOT_FOUND) {
			if (!end && *len == 0 && !call->target)
				err = say_no_run(call, word);
			free(word);
			break;
		}
		runs[(*len)++] = word;
		*note = at;
	}
	*note += strspn(*note, " \t\n");
	return err == ERR_NOT_FOUND ? OK : err;
}

static enum err take_all(struct command_call *call, bool is_ack)
{
	struct ack ack = {.who = call->who};
	char *runs[RUNS_MAX];
	const char *note;
	bool found;
	int len;
	enum err err = read_runs(call, runs, &len, &note);
	char *bare = command_unquoted(note);

	ack.note = bare[0] ? bare : NULL;
	for (int i = 0; i < len; i++) {
		if (err == OK)
			err = take(call, runs[i], NULL, is_ack ? &ack : NULL, &found);
		free(runs[i]);
	}
	if (err == OK && len == 0 && !call->failed) {
		if (call->target)
			err = take_target(call, is_ack ? &ack : NULL);
		else
			command_fail(call, "which run? %s%s <run_id>%s, or answer to the alert",
			        command_prefix(call), is_ack ? "ack" : "unack",
			        is_ack ? " [note]" : "");
	}
	free(bare);
	return err;
}

enum err command_ack(struct command_call *call)
{
	return take_all(call, true);
}

enum err command_unack(struct command_call *call)
{
	return take_all(call, false);
}
