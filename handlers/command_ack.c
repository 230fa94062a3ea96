/*
 * command_ack.c - !ack and !unack, and the reactions that mean them.
 */
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/text.h"
#include "handlers/ack.h"
#include "handlers/command.h"
#include "handlers/command_text.h"
#include "storage/alerts.h"

#define RUNS_MAX 20

static void say_done(struct command_call *call, const char *what, int count, bool ack)
{
	if (count == 0) {
		command_say(
		        call, ack ? "nothing to take on: it is over\n" : "it was not taken on\n");
		return;
	}
	command_say(call, "%s", ack ? "✅ " : "↩️ ");
	text_add_plain(&call->text, what, 200, TEXT_FOLD_NEWLINES);
	if (count > 1)
		command_say(call, " and %d more", count - 1);
	command_say(call, ack ? " is yours now\n" : " is open again\n");
	command_effect(call, "%s %d: %s; ", ack ? "acked" : "unacked", count, what);
}

static void happened(struct command_call *call, const char *run, bool ack)
{
	if (call->env->happened)
		json_array_append_new(call->env->happened,
		        json_pack("{s:s, s:s, s:s?}", "event", ack ? "acked" : "unacked", "by",
		                call->who, "run_id", run));
}

static enum err take(struct command_call *call, const char *run, const char *event_id,
        const struct ack *ack, bool *found)
{
	struct deliver d = command_deliver(call);
	char *what = NULL;
	int count = 0;
	enum err err = run ? ack_run(&d, run, ack, &count, &what)
	                   : ack_event(&d, event_id, ack, &count, &what);

	*found = err == OK;
	if (err == OK) {
		say_done(call, what, count, ack != NULL);
		if (count > 0)
			happened(call, run, ack != NULL);
	}
	free(what);
	return err == ERR_NOT_FOUND ? OK : err;
}

/* Words up to the first that names no run are run ids; the rest is the note. */
static enum err take_runs(struct command_call *call, bool is_ack)
{
	const char *at = call->args, *rest = at;
	char *runs[RUNS_MAX];
	int len = 0;
	struct ack ack = {.who = call->who};
	bool found = true;
	enum err err = OK;

	while (len < RUNS_MAX && err == OK && found) {
		char *word = command_word_bare(&at);
		struct alert_row row = {0};

		if (!word[0]) {
			free(word);
			break;
		}
		err = alerts_by_run_id(call->env->store, word, &row);
		found = err == OK;
		err = err == ERR_NOT_FOUND ? OK : err;
		alert_row_finish(&row);
		if (found) {
			runs[len++] = word;
			rest = at;
		} else {
			if (len == 0 && err == OK && !call->target) {
				command_fail(call, "there is no run ");
				text_add_plain(&call->text, word, 100, TEXT_FOLD_NEWLINES);
				command_say(
				        call, "; %salerts lists the newest.", command_prefix(call));
			}
			free(word);
		}
	}
	rest += strspn(rest, " \t\n");
	ack.note = *rest ? rest : NULL;
	for (int i = 0; i < len; i++) {
		if (err == OK)
			err = take(call, runs[i], NULL, is_ack ? &ack : NULL, &found);
		free(runs[i]);
	}
	if (err == OK && len == 0 && call->target && !call->failed) {
		err = take(call, NULL, call->target, is_ack ? &ack : NULL, &found);
		if (err == OK && !found)
			command_fail(call, "what you answer to is no alert of mine");
	} else if (err == OK && len == 0 && !call->failed) {
		command_fail(call, "which run? %s%s <run_id> [note], or answer to the alert",
		        command_prefix(call), is_ack ? "ack" : "unack");
	}
	return err;
}

enum err command_ack(struct command_call *call)
{
	return take_runs(call, true);
}

enum err command_unack(struct command_call *call)
{
	return take_runs(call, false);
}
