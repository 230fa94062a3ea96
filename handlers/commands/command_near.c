/*
 * command_near.c - "did you mean": run ids and apps like a word, among the newest alerts; see
 * command.h.
 */
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/text.h"
#include "handlers/commands/command.h"
#include "storage/alerts.h"

#define LOOK_AT 300   /* alerts */
#define SUGGEST_MAX 3 /* edits */

/* The best of a list of candidates, kept in *near when it is near enough. */
static void compare(const char *word, const char *candidate, unsigned *best, char **near)
{
	unsigned distance = candidate ? text_distance(word, candidate) : SUGGEST_MAX;

	/* half of it must be right */
	if (!candidate || distance >= *best || distance * 2 > strlen(candidate))
		return;
	*best = distance;
	free(*near);
	*near = x_strdup(candidate);
}

static enum err nearest(struct command_call *call, const char *word, bool app, char **near)
{
	const struct config *config = call->env->config;
	struct alert_row *rows = NULL;
	unsigned best = SUGGEST_MAX;
	size_t len = 0;
	enum err err = alerts_list(call->env->store, NULL, LOOK_AT, &rows, &len);

	*near = NULL;
	for (size_t i = 0; i < len; i++)
		compare(word, app ? rows[i].app : rows[i].run_id, &best, near);
	alert_rows_free(rows, len);
	for (size_t i = 0; app && i < config->apps_len; i++)
		compare(word, config->apps[i].name, &best, near);
	return err;
}

enum err command_nearest_run(struct command_call *call, const char *word, char **near)
{
	return nearest(call, word, false, near);
}

enum err command_nearest_app(struct command_call *call, const char *word, char **near)
{
	return nearest(call, word, true, near);
}
