/*
 * commands.c - see commands.h: checks who may use a command, and does what all commands have in
 * common.
 */
#include <stdarg.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/base/text.h"
#include "handlers/commands/command.h"
#include "handlers/commands/command_text.h"
#include "handlers/alerts/content.h"
#include "handlers/alerts/render.h"
#include "handlers/alerts/template.h"
#include "storage/command_log.h"

#define REFUSALS_TOLD 1 /* a minute, for each sender */
#define UNKNOWN_TOLD 10 /* a minute, for each sender */
/* For each room, so that answers to many strangers cannot delay alerts. */
#define ROOM_REFUSALS_TOLD 5
#define ROOM_REFUSALS_KEPT 50
#define REFUSALS_KEPT 20
#define AUDIT_TEXT_MAX 500 /* code points */
#define EFFECT_MAX 4096

/* --- for the commands --------------------------------------------------------------------- */

const char *command_arg(const struct command_call *call, const char *name)
{
	return json_string_value(json_object_get(call->args, name));
}

int64_t command_number(const struct command_call *call, const char *name)
{
	return json_integer_value(json_object_get(call->args, name));
}

bool command_flag(const struct command_call *call, const char *name)
{
	return json_is_true(json_object_get(call->args, name));
}

bool command_words(const struct command_call *call, struct input *words)
{
	*words = (struct input){json_object_get(call->args, ARGUMENTS_WORDS), 0};
	return words->list;
}

void command_say(struct command_call *call, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	words_vlines(&call->text, format, args);
	va_end(args);
}

enum err command_fail(struct command_call *call, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	words_vlines(&call->text, format, args);
	va_end(args);
	call->failed = true;
	return OK;
}

void command_effect(struct command_call *call, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	buf_add_str(&call->effect, text);
	free(text);
}

json_t *command_data(struct command_call *call)
{
	if (!call->data)
		call->data = json_object();
	return call->data;
}

struct deliver command_deliver(const struct command_call *call)
{
	return (struct deliver){.store = call->env->store,
	        .config = call->env->config,
	        .now_ms = call->env->now_ms,
	        .happened = call->env->happened};
}

const char *command_prefix(const struct command_call *call)
{
	return call->room ? call->env->config->commands.prefix : "";
}

static enum err commands_post(const struct command_env *env, const char *room, const char *root,
        const char *reply_to, struct words *answer)
{
	const struct deliver d = {
	        .store = env->store, .config = env->config, .now_ms = env->now_ms};
	json_t *content;
	enum err err;

	words_trim(answer);
	words_fit(answer, RENDER_EVENT_MAX, false);
	content = words_content(answer, "m.notice");
	content_answer(content, env->config->commands.answers, root, reply_to);
	err = deliver_post(&d, room, OUTBOX_NOTE, 0, "m.room.message", content, NULL);
	json_decref(content);
	return err;
}

enum err command_post(const struct command_env *env, const char *room, const char *root,
        const char *reply_to, const char *text)
{
	struct words answer;
	enum err err;

	words_init(&answer);
	words_lines(&answer, "%s", text);
	err = commands_post(env, room, root, reply_to, &answer);
	words_finish(&answer);
	return err;
}

/* --- who and when ------------------------------------------------------------------------- */

static bool in_list(char *const *list, const char *name)
{
	for (size_t i = 0; list[i]; i++)
		if (strcmp(list[i], name) == 0)
			return true;
	return false;
}

bool command_may(const struct config *config, const struct room_event *event)
{
	return in_list(config->commands.users, event->sender) ||
	       event->power >= config->commands.power_level;
}

char *command_no_power(const struct config *config)
{
	return x_asprintf("you need power level %d in this room to use commands",
	        config->commands.power_level);
}

/* NULL: allowed. Otherwise the reason, for people; owned by the caller. */
static char *why_refused(const struct config *config, const struct room_event *event)
{
	if (!command_may(config, event) && event->power == ROOM_POWER_UNKNOWN)
		return x_strdup("the homeserver does not answer with the room's power levels right "
		                "now; send it again in a minute");
	if (!command_may(config, event))
		return command_no_power(config);
	if (event->encrypted && event->clear)
		return x_strdup(
		        "this was sent unencrypted in an encrypted room: anybody could have "
		        "sent it");
	if (event->encrypted && !event->obey && strcmp(config->encryption.trust, "verified") == 0)
		return x_strdup("you are not verified: verify the bot (in Element: its profile, "
		                "Verify), with somebody at \"matrix-telemetry-bot verify\" on its "
		                "host, from a device that you have verified");
	if (event->encrypted && !event->obey)
		return x_strdup("your device is not verified: verify it (in Element: Settings, "
		                "Sessions), then send the command again");
	return NULL;
}

enum err command_audit(const struct command_env *env, const struct room_event *event,
        const char *command, const char *result, const char *effect)
{
	struct command_row row = {
	        .at_ms = env->now_ms,
	        .result = (char *)result,
	        .sender = (char *)event->sender,
	        .device_id = (char *)event->device_id,
	        .room = (char *)event->room,
	        .room_id = (char *)event->room_id,
	        .event_id = (char *)event->event_id,
	        .effect = (char *)effect,
	};
	struct buf text;
	enum err err;

	buf_init(&text, AUDIT_TEXT_MAX * 4);
	text_add_plain(&text, command, AUDIT_TEXT_MAX, TEXT_FOLD_NEWLINES);
	row.command = (char *)buf_str(&text);
	err = commands_insert(env->store, &row);
	buf_finish(&text);
	return err == ERR_EXISTS ? OK : err;
}

/* A sender whose device is not cross-signed cannot read an encrypted answer: a 🔏 reaction, which
 * is not encrypted, tells them. */
static enum err mark_unread(const struct command_env *env, const struct room_event *event)
{
	const struct deliver d = {
	        .store = env->store, .config = env->config, .now_ms = env->now_ms};
	json_t *content = json_pack("{s:{s:s, s:s, s:s}}", "m.relates_to", "rel_type",
	        "m.annotation", "event_id", event->event_id, "key", "🔏");
	enum err err = deliver_post(&d, event->room, OUTBOX_NOTE, 0, "m.reaction", content, NULL);

	json_decref(content);
	return err;
}

/* How many commands were refused in the last minute: of the sender, and in the room. */
static enum err refusals_count(const struct command_env *env, const struct room_event *event,
        int64_t *of_sender, int64_t *in_room)
{
	int64_t since_ms = env->now_ms - CLOCK_MINUTE_MS;
	enum err err = commands_count(env->store, event->sender, "refused", since_ms, of_sender);

	return err == OK
	               ? commands_count_room(env->store, event->room, "refused", since_ms, in_room)
	               : err;
}

enum err command_refuse(const struct command_env *env, const struct room_event *event,
        const char *root, const char *command, const char *why)
{
	bool reaction = strcmp(event->type, "m.reaction") == 0;
	int64_t count, in_room;
	enum err err = refusals_count(env, event, &count, &in_room);
	char *text;

	if (err != OK || count >= REFUSALS_KEPT)
		return err;
	log_seldom(LOG_WARNING, "commands", event->room, "refused in %s to %s: %s", event->room,
	        event->sender, why);
	if (in_room >= ROOM_REFUSALS_KEPT)
		return OK;
	err = command_audit(env, event, command, "refused", why);
	if (err != OK || count >= REFUSALS_TOLD || in_room >= ROOM_REFUSALS_TOLD)
		return err;
	text = x_asprintf("Sorry, %s.", why);
	err = command_post(env, event->room, root, reaction ? root : event->event_id, text);
	free(text);
	if (err == OK && event->encrypted && !event->clear && !event->obey)
		err = mark_unread(env, event);
	return err;
}

static enum err commands_tell_late(const struct command_env *env, const struct room_event *event,
        const struct command_text *text)
{
	char ago[32], *answer;
	enum err err;

	clock_format_duration(event->late_ms, ago, sizeof(ago));
	answer = x_asprintf("Not carried out: this was sent %s ago and was received only now. Send "
	                    "it again if you still want it.",
	        ago);
	err = command_audit(env, event, text->said, "late", ago);
	if (err == OK)
		err = command_post(env, event->room, text->root, event->event_id, answer);
	free(answer);
	return err;
}

/* --- carrying out ------------------------------------------------------------------------- */

static void call_init(struct command_call *call)
{
	words_init(&call->text);
	buf_init(&call->effect, EFFECT_MAX);
}

static void call_finish(struct command_call *call)
{
	words_finish(&call->text);
	buf_finish(&call->effect);
	json_decref(call->args);
	json_decref(call->data);
}

static const char *call_result(const struct command_call *call)
{
	return call->failed ? "failed" : "done";
}

static void call_unknown(struct command_call *call, const char *name)
{
	const struct command *near = command_nearest(name, COMMAND_ROOM);

	command_fail(call, "There is no command %s", command_prefix(call));
	words_name(&call->text, name, COMMAND_NAME_MAX);
	if (near)
		command_say(call, ". Did you mean `%s%s`?", command_prefix(call), near->name);
	else
		command_say(call, ". `%shelp` lists them.", command_prefix(call));
}

static enum err commands_call_run(
        struct command_call *call, const struct command_text *text, const char **result)
{
	char why[160];
	enum err err = OK;

	call->command = command_find(text->name, COMMAND_ROOM);
	call->args = json_incref(text->args);
	if (!call->command) {
		call_unknown(call, text->name);
		*result = "unknown";
		return OK;
	}
	if (!call->args && call->command->reply && call->target &&
	        json_array_size(text->words) == 0)
		call->args = json_object();
	if (call->args || arguments_from_words(call->command, text->words, &call->args, why) == OK)
		err = call->command->run(call);
	else
		command_fail(call, "%s. Example: `%s%s`", why, command_prefix(call),
		        call->command->example);
	*result = call_result(call);
	return err;
}

/* A program that keeps writing text like commands (a bridge, say) is not answered every time. */
static enum err unknown_is_one_of_many(
        const struct command_env *env, const struct room_event *event, bool *many)
{
	int64_t count;
	enum err err = commands_count(
	        env->store, event->sender, "unknown", env->now_ms - CLOCK_MINUTE_MS, &count);

	*many = count >= UNKNOWN_TOLD;
	return err;
}

enum err command_carry_out(const struct command_env *env, const struct room_event *event,
        const struct command_text *text)
{
	struct command_call call = {
	        .env = env,
	        .who = event->sender,
	        .device_id = event->device_id,
	        .room = event->room,
	        .room_id = event->room_id,
	        .event_id = event->event_id,
	        .encrypted = event->encrypted,
	        .target = text->target,
	        .thread = text->thread,
	        .root = text->root,
	};
	const char *result;
	bool many = false;
	enum err err;

	call_init(&call);
	err = commands_call_run(&call, text, &result);
	if (err == OK && !call.command)
		err = unknown_is_one_of_many(env, event, &many);
	if (err == OK)
		err = command_audit(env, event, text->said, result, buf_str(&call.effect));
	if (err == OK && !call.later && !many)
		err = commands_post(env, event->room, text->root, event->event_id, &call.text);
	call_finish(&call);
	return err;
}

static enum err take_text(const struct command_env *env, const struct room_event *event)
{
	struct command_text text;
	char *why;
	enum err err;

	if (!command_text_read(env->config, event, &text))
		return OK;
	why = why_refused(env->config, event);
	if (why)
		err = command_refuse(env, event, text.root, text.said, why);
	else if (event->late_ms > COMMAND_LATE_MS)
		err = commands_tell_late(env, event, &text);
	else
		err = command_carry_out(env, event, &text);
	command_text_finish(&text);
	free(why);
	return err;
}

/* Acts on an event of somebody who may be listened to. */
static enum err commands_act(const struct command_env *env, const struct room_event *event)
{
	if (strcmp(event->type, "m.room.message") == 0)
		return take_text(env, event);
	if (strcmp(event->type, "m.reaction") == 0)
		return reaction_take(env, event);
	return event->redacts ? reaction_redacted(env, event) : OK;
}

/* What was done in part is undone, so that a damaged row holds up neither the other events nor the
 * other rooms; who gave a command is told. */
static enum err commands_give_up(
        const struct command_env *env, const struct room_event *event, size_t happened)
{
	struct command_text text;
	char *why =
	        x_asprintf("Not carried out, because of a database error: %s. See also the log.",
	                store_message(env->store));
	enum err err = OK;

	while (json_array_size(env->happened) > happened)
		json_array_remove(env->happened, happened);
	log_seldom(LOG_ERROR, "commands", event->room, "an event of %s in %s is not handled: %s",
	        event->sender, event->room, why);
	if (strcmp(event->type, "m.room.message") == 0 &&
	        command_text_read(env->config, event, &text)) {
		err = command_audit(env, event, text.said, "failed", why);
		if (err == OK)
			err = command_post(env, event->room, text.root, event->event_id, why);
		command_text_finish(&text);
	}
	free(why);
	return err;
}

enum err commands_event(const struct command_env *env, const struct room_event *event)
{
	const struct deliver d = {
	        .store = env->store, .config = env->config, .now_ms = env->now_ms};
	size_t happened = json_array_size(env->happened);
	bool known, undone;
	enum err err = event->redacts ? deliver_redacted(&d, event->room_id, event->redacts) : OK;

	if (err != OK)
		return err;
	if (strcmp(event->sender, env->config->matrix.user) == 0 ||
	        (env->config->commands.rooms[0] &&
	                !in_list(env->config->commands.rooms, event->room)))
		return OK;
	err = commands_known(env->store, event->event_id, &known);
	if (err == OK && !known)
		err = store_savepoint(env->store);
	if (err != OK || known)
		return err;
	err = store_settle(env->store, commands_act(env, event), &undone);
	return err == OK && undone ? commands_give_up(env, event, happened) : err;
}

bool commands_concern(const struct config *config, const struct room_event *event)
{
	struct command_text text;

	if (strcmp(event->type, "m.reaction") == 0)
		return reaction_concerns(event);
	if (strcmp(event->type, "m.room.message") != 0)
		return true;
	if (!command_text_read(config, event, &text))
		return false;
	command_text_finish(&text);
	return true;
}

/* --- from the socket ---------------------------------------------------------------------- */

/* The command as text for the audit, "ack r-81 on it", or its arguments as given. */
static char *request_text(const struct command *command, const json_t *args)
{
	struct input words = {json_object_get(args, ARGUMENTS_WORDS), 0};
	char *rest = words.list ? input_rest(&words) : json_dumps(args, JSON_COMPACT);
	char *text = x_asprintf("%s %s", command->name, rest);

	free(rest);
	return text;
}

enum err commands_request(const struct command_env *env, const char *who,
        const struct command *command, json_t *args, struct command_reply *reply)
{
	struct command_call call = {
	        .env = env, .command = command, .who = who, .args = json_incref(args)};
	const struct room_event event = {.sender = who};
	char *text = request_text(command, args);
	enum err err;

	call_init(&call);
	err = command->run(&call);
	if (err == OK && arguments_right(command, args) != COMMAND_READS)
		err = command_audit(env, &event, text, call_result(&call), buf_str(&call.effect));
	reply->ok = !call.failed;
	reply->field = call.field ? call.field : command->members[0].name;
	words_trim(&call.text);
	reply->text = words_body(&call.text);
	reply->data = call.data;
	call.data = NULL;
	call_finish(&call);
	free(text);
	return err;
}

void command_reply_finish(struct command_reply *reply)
{
	free(reply->text);
	json_decref(reply->data);
	*reply = (struct command_reply){0};
}
