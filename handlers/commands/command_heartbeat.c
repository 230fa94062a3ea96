/*
 * command_heartbeat.c - !heartbeat: heartbeats of the bot and of apps.
 */
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "handlers/heartbeats/app_heartbeat.h"
#include "handlers/commands/command.h"
#include "handlers/heartbeats/heartbeat.h"
#include "storage/heartbeats.h"

static enum err command_heartbeat_extra(struct command_call *call)
{
	const struct deliver d = command_deliver(call);
	enum err err = heartbeat_extra(&d, call->env->status);

	command_say(call, "💓 Heartbeat on request, in room %s", call->env->config->heartbeat.room);
	command_effect(call, "heartbeat on request");
	return err;
}

/* Stops expecting an app's heartbeats: an app that was removed cannot do so itself. */
static enum err command_heartbeat_stop(struct command_call *call)
{
	const struct deliver d = command_deliver(call);
	const char *app = command_arg(call, "app") ? command_arg(call, "app") : "";
	const char *name = command_arg(call, "name") ? command_arg(call, "name") : "";
	json_t *request = json_pack("{s:s, s:s, s:b}", "app", app, "name", name, "stop", 1);
	struct app_heartbeat_receipt receipt = {0};
	struct app_heartbeat beat;
	enum err err = app_heartbeat_parse(request, d.now_ms, &beat, &receipt.fault);

	if (err == OK)
		err = app_heartbeat_accept(&d, &beat, &receipt, call->env->happened);
	if (receipt.fault.field[0]) {
		command_fail(call, "%s. `%sheartbeat` lists them.", receipt.fault.message,
		        command_prefix(call));
		err = OK;
	} else if (err == OK) {
		words_name(&call->text, app, WORDS_NAME_POINTS);
		command_say(call, name[0] ? " · " : "");
		words_name(&call->text, name, WORDS_NAME_POINTS);
		command_say(call, ": heartbeats are no longer expected");
		command_effect(call, "stopped heartbeat %s %s", app, name);
	}
	app_heartbeat_finish(&beat);
	json_decref(request);
	return err;
}

/* The bot's last heartbeat as JSON; null when there was none. */
static enum err last_json(struct command_call *call)
{
	struct heartbeat_row row;
	enum err err = heartbeats_last(call->env->store, &row);

	json_object_set_new(command_data(call), "last_own",
	        err != OK ? json_null()
	                  : json_pack("{s:s, s:I, s:I, s:b, s:b}", "date", row.date, "due_ms",
	                            (json_int_t)row.due_ms, "confirmed_ms",
	                            (json_int_t)row.confirmed_ms, "late", row.late, "missed",
	                            row.alarmed_ms != 0));
	if (err == OK)
		heartbeat_row_finish(&row);
	return err == ERR_NOT_FOUND ? OK : err;
}

static enum err command_heartbeat_list(struct command_call *call)
{
	const struct command_env *env = call->env;
	int64_t next_ms = heartbeat_next_ms(env->config, env->now_ms);
	char *last = NULL;
	json_t *apps = json_array();
	enum err err = heartbeat_last_text(env->store, env->now_ms, &last);

	command_say(call, "💓 ");
	words_bold(&call->text, true);
	command_say(call, "Next heartbeat ");
	words_when(&call->text, next_ms, env->now_ms);
	words_bold(&call->text, false);
	command_say(call, " (in ");
	words_duration(&call->text, next_ms - env->now_ms);
	command_say(call, ")\nLast: %s", last ? last : "none yet");
	if (err == OK)
		err = app_heartbeat_list(env->store, env->now_ms,
		        call->room ? WORDS_LIST_MAX : SIZE_MAX, &call->text, apps);
	if (err == OK)
		err = last_json(call);
	if (json_array_size(apps) == 0)
		command_say(call, "\nNo app heartbeats registered");
	json_object_set_new(command_data(call), "last", last ? json_string(last) : json_null());
	json_object_set_new(command_data(call), "next_ms", json_integer(next_ms));
	json_object_set_new(command_data(call), "apps", apps);
	free(last);
	return err;
}

static enum err run_heartbeat(struct command_call *call)
{
	const char *action = command_arg(call, "action");

	if (!action)
		return command_heartbeat_list(call);
	return strcmp(action, "now") == 0 ? command_heartbeat_extra(call)
	                                  : command_heartbeat_stop(call);
}

const struct command command_heartbeat = {
        .name = "heartbeat",
        .help = "bot and app heartbeats\n"
                "`heartbeat now` sends the bot's heartbeat at once; after `heartbeat stop etl` "
                "those of that app are no longer expected.",
        .usage = "[now | stop <app> [name]]",
        .example = "heartbeat now",
        .where = COMMAND_ROOM | COMMAND_SOCKET | COMMAND_LINE,
        .right = COMMAND_SENDS,
        .run = run_heartbeat,
        .members = {{"action", MEMBER_WORD, .one_of = "now|stop"}, {"app", MEMBER_WORD},
                {"name", MEMBER_WORD}},
};
