/*
 * command_near.c - whether a word is a run or an app, and suggestions for one that is neither
 * (command.h).
 */
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/text.h"
#include "handlers/commands/command.h"
#include "storage/alerts.h"

#define LOOK_AT 300 /* alerts */

/* Compares one candidate with the best one so far, which is kept in *near. */
static void command_near_compare(
        const char *word, const char *candidate, unsigned *best, char **near)
{
	unsigned unlike = candidate ? command_unlike(word, candidate) : COMMAND_UNLIKE;

	if (unlike >= *best)
		return;
	*best = unlike;
	free(*near);
	*near = x_strdup(candidate);
}

static enum err command_near_nearest(
        struct command_call *call, const char *word, bool app, char **near)
{
	const struct config *config = call->env->config;
	struct alert_row *rows = NULL;
	unsigned best = COMMAND_UNLIKE;
	size_t len = 0;
	enum err err = alerts_list(call->env->store, NULL, LOOK_AT, &rows, &len);

	*near = NULL;
	for (size_t i = 0; i < len; i++)
		command_near_compare(word, app ? rows[i].app : rows[i].run_id, &best, near);
	alert_rows_free(rows, len);
	for (size_t i = 0; app && i < config->apps_len; i++)
		command_near_compare(word, config->apps[i].name, &best, near);
	return err;
}

enum err command_is_app(struct command_call *call, const char *word, bool *yes)
{
	struct alert_row *rows = NULL;
	size_t len = 0;
	enum err err = alerts_list(call->env->store, word, 1, &rows, &len);

	*yes = len > 0 || config_app(call->env->config, word);
	alert_rows_free(rows, len);
	return err;
}

enum err command_is_run(struct command_call *call, const char *word, bool *yes)
{
	struct alert_row row = {0};
	enum err err = *word ? alerts_by_run_id(call->env->store, word, &row) : ERR_NOT_FOUND;

	*yes = err == OK;
	alert_row_finish(&row);
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err command_names(struct command_call *call, const char *word, bool *yes)
{
	enum err err = command_is_run(call, word, yes);

	if (err == OK && !*yes && *word)
		err = command_is_app(call, word, yes);
	*yes = *yes || strcmp(word, "all") == 0;
	return err;
}

enum err command_nearest_run(struct command_call *call, const char *word, char **near)
{
	return command_near_nearest(call, word, false, near);
}

enum err command_nearest_app(struct command_call *call, const char *word, char **near)
{
	return command_near_nearest(call, word, true, near);
}

static enum err command_near_fail(struct command_call *call, const char *word, bool app)
{
	char *near = NULL;
	enum err err = command_nearest_run(call, word, &near);

	app = app && !near;
	if (err == OK && app)
		err = command_nearest_app(call, word, &near);
	command_fail(call, "There is no run %s", app && near ? "or app " : "");
	words_name(&call->text, word, 100);
	if (near) {
		command_say(call, ". Did you mean ");
		words_name(&call->text, near, 100);
		command_say(call, "?\n");
	} else {
		command_say(call, ". `%salerts` lists recent ones.\n", command_prefix(call));
	}
	free(near);
	return err;
}

enum err command_fail_run(struct command_call *call, const char *run)
{
	return command_near_fail(call, run, false);
}

enum err command_fail_name(struct command_call *call, const char *name)
{
	return command_near_fail(call, name, true);
}
