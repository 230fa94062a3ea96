/*
 * command_silence_what.c - which alerts !silence means: an app, a run, matchers, or what it replies
 * to (command_silence.h).
 */
#include <string.h>
#include <strings.h>
#include "bot/base/alloc.h"
#include "bot/base/severity.h"
#include "handlers/commands/command_silence.h"
#include "handlers/commands/command_what.h"
#include "handlers/commands/command_when.h"
#include "storage/alerts.h"

/* A name that never occurred is more likely a typing error than an app to come. */
static enum err refuse_unknown(struct command_call *call, const char *word)
{
	char *near = NULL;
	enum err err = command_nearest_app(call, word, &near);

	if (err == OK && !near)
		err = command_nearest_run(call, word, &near);
	command_fail(call, "There is no app or run ");
	words_name(&call->text, word, 100);
	command_say(call, ".");
	if (near) {
		command_say(call, " Did you mean ");
		words_name(&call->text, near, 100);
		command_say(call, "?");
	}
	command_say(call, " For an app that has not sent an alert yet: `app=%s`", word);
	if (call->target)
		command_say(call,
		        ". To silence the app of this alert, give the time first: `%ssilence 1h`",
		        command_prefix(call));
	free(near);
	return err;
}

/* A single word is a run (which means its app), or an app. */
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
		err = command_is_app(call, word, &known);
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

/* Reads one app or run; a list of several is refused with a hint. */
static enum err read_name(
        struct command_call *call, const char *word, const char *next, struct buf *out)
{
	size_t len = strlen(word);
	bool run;
	enum err err = command_is_run(call, word, &run);

	if (err != OK)
		return err;
	if ((len > 0 && word[len - 1] == ',') || strcasecmp(next, "and") == 0)
		return command_fail(
		        call, "One app for each silence, or several as `app=~\"etl|billing\"`.");
	if (run || is_app(word))
		return from_word(call, word, out);
	return command_fail(call,
	        "Silence what? An app, a run, or matchers. Example: `%ssilence etl 2h deploy`",
	        command_prefix(call));
}

void command_silence_check(struct command_call *call, const struct matchers *matchers)
{
	const char *app = matchers_value(matchers, "app");
	const char *severity = matchers_value(matchers, "severity");
	enum severity any;

	if (app && !is_app(app)) {
		command_fail(call, "No app can have the name ");
		words_code(&call->text, app, WORDS_NAME_POINTS);
		command_say(call, ". For several apps: `app=~\"etl|billing\"`");
	} else if (severity && !severity_parse(severity, &any)) {
		command_fail(call, "A severity is critical, warning or info.");
	}
}

enum err command_silence_what(struct command_call *call, struct input *words, struct buf *out)
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

enum err command_silence_what_text(struct command_call *call, const char *what, struct buf *out)
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
		err = command_fail(call, "Not understood: %.60s", input_peek(&words, 0));
	json_decref(list);
	return err;
}

/* The words begin with a time, or there are none. */
static enum err says_no_what(struct command_call *call, const struct input *words, bool *yes)
{
	char *word = arguments_unquoted(input_peek(words, 0));
	bool named = false;
	enum err err = command_names(call, word, &named);

	*yes = !named && (!*word || input_is_dash(word) || command_when_is(words));
	free(word);
	return err;
}

/* The app of all rows, as a matcher. */
static enum err what_app(
        struct command_call *call, const struct entry_row *rows, size_t len, char **what)
{
	for (size_t i = 1; i < len; i++)
		if (strcmp(rows[i].app, rows[0].app) != 0) {
			command_fail(call,
			        "That message is about several apps. Name one: `%ssilence ",
			        command_prefix(call));
			words_name(&call->text, rows[0].app, WORDS_NAME_POINTS);
			return command_fail(call, " 1h`");
		}
	*what = x_asprintf("app=\"%s\"", rows[0].app);
	return OK;
}

enum err command_silence_what_target(
        struct command_call *call, const struct input *words, char **what)
{
	struct entry_row *rows = NULL;
	size_t len = 0;
	bool meant = false;
	enum err err = call->target ? says_no_what(call, words, &meant) : OK;

	if (err == OK && meant)
		err = command_target(call, &rows, &len);
	if (err == OK && len > 0)
		err = what_app(call, rows, len, what);
	else if (err == OK && meant)
		command_fail(call,
		        "That message is not an alert. Silence what? An app, a run, or matchers. "
		        "Example: `%ssilence etl 2h deploy`",
		        command_prefix(call));
	entry_rows_free(rows, len);
	return err;
}
