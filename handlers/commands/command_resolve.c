/*
 * command_resolve.c - !resolve: resolves failures whose app will never send `resolved`.
 */
#include <string.h>
#include "bot/base/alloc.h"
#include "handlers/commands/command.h"
#include "handlers/commands/command_whom.h"
#include "handlers/oncall/resolve.h"

static void say_result(
        struct command_call *call, const struct resolve_result *result, const char *what)
{
	int64_t before = json_integer_value(json_object_get(command_data(call), "changed"));

	if (result->changed == 0) {
		words_name(&call->text, what, WORDS_WHAT_POINTS);
		command_fail(call, ": nothing is firing.\n");
		return;
	}
	command_say(call, "✅ ");
	words_app_what(&call->text, result->what);
	if (result->changed > 1)
		command_say(call, " and %d more", result->changed - 1);
	command_say(call, " resolved\n");
	command_effect(call, "%sresolved %d: %s", call->effect.len ? "; " : "", result->changed,
	        result->what);
	json_object_set_new(command_data(call), "changed", json_integer(before + result->changed));
}

/* Resolves a run, else an app, else all. */
static enum err resolve_named(struct command_call *call, const char *what, const char *note)
{
	const struct deliver d = command_deliver(call);
	struct resolve_result result = {0};
	bool app = false, known = true;
	enum err err = resolve_run(&d, what, call->who, note, &result);

	if (err == ERR_NOT_FOUND) {
		err = command_is_app(call, what, &app);
		known = app || strcmp(what, "all") == 0;
		if (err == OK && known)
			err = resolve_app(&d, app ? what : NULL, call->who, note, &result);
		else if (err == OK)
			err = command_fail_name(call, what);
	}
	if (err == OK && known)
		say_result(call, &result, what);
	resolve_result_finish(&result);
	return err;
}

/* Resolves what the command replies to: that event, else the root of its thread. */
static enum err resolve_target(struct command_call *call, const char *note)
{
	const struct deliver d = command_deliver(call);
	struct resolve_result result = {0};
	enum err err = resolve_event(&d, call->target, call->who, note, &result);

	if (err == ERR_NOT_FOUND && call->thread)
		err = resolve_event(&d, call->thread, call->who, note, &result);
	if (err == OK)
		say_result(call, &result, "this");
	resolve_result_finish(&result);
	return err == ERR_NOT_FOUND ? command_fail(call, "That message is not an alert.") : err;
}

static enum err resolve_whom(struct command_call *call, const struct whom *whom)
{
	const char *note = whom->note[0] ? whom->note : NULL;
	json_t *run;
	size_t i;
	enum err err = OK;

	if (whom->all || whom->app)
		return resolve_named(call, whom->all ? "all" : whom->app, note);
	json_array_foreach(whom->runs, i, run)
	{
		if (err == OK)
			err = resolve_named(call, json_string_value(run), note);
	}
	if (err != OK || call->failed || json_array_size(whom->runs) > 0)
		return err;
	return call->target
	               ? resolve_target(call, note)
	               : command_fail(call,
	                         "Resolve what? Send `%sresolve <run_id|app|all>`, or reply to "
	                         "the alert.",
	                         command_prefix(call));
}

/* In a reply to an alert the words are its note, unless the first one names a run or an app. */
static enum err run_resolve(struct command_call *call)
{
	const char *what = command_arg(call, "what"), *note = command_arg(call, "note");
	struct whom whom = {0};
	struct input words;
	enum err err = OK;

	if (command_words(call, &words)) {
		err = whom_read(call, &words, true, &whom);
	} else {
		whom.runs = json_array();
		whom.note = x_strdup(note ? note : "");
		if (what && what[0])
			json_array_append_new(whom.runs, json_string(what));
	}
	if (err == OK && !call->failed)
		err = resolve_whom(call, &whom);
	whom_finish(&whom);
	return err;
}

const struct command command_resolve = {
        .name = "resolve",
        .help = "resolve alerts by hand\n"
                "For alerts whose app never reports that they are resolved, such as those of "
                "one-off scripts. No run id is needed in a reply to an alert or a reminder; a "
                "reaction with ☑️ does the same. With resolve_after in [app] or [kind], alerts "
                "resolve by "
                "themselves after a while.",
        .example = "resolve r-81 fixed by hand",
        .usage = "<run_id>…|<app>|all [note]",
        .where = COMMAND_ROOM | COMMAND_SOCKET | COMMAND_LINE,
        .right = COMMAND_CHANGES,
        .words = true,
        .run = run_resolve,
        .members = {{"what", MEMBER_TEXT, .required = true}, {"note", MEMBER_TEXT}},
};
