/*
 * commands.c - see commands.h: the table, who may, and the frame around each command.
 */
#include <stdarg.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/base/text.h"
#include "handlers/command.h"
#include "handlers/command_text.h"
#include "handlers/ack.h"
#include "handlers/render.h"
#include "storage/commands.h"
#include "storage/messages.h"

#define LATE_MS (5 * CLOCK_MINUTE_MS)
#define REFUSALS_TOLD 1 /* a minute, for each sender */
#define REFUSALS_KEPT 20
#define SUGGEST_MAX 3
#define AUDIT_TEXT_MAX 500 /* code points */
#define EFFECT_MAX 4096

const struct command commands[] = {
        {"ack", "ack <run_id> … [note]", "take a failure on; or answer to it, or ✅ it",
                command_ack},
        {"alert", "alert <run_id>", "what became of it, and why", command_alert},
        {"alerts", "alerts [app] [n]", "the newest", command_alerts},
        {"help", "help [command]", "what there is", command_help},
        {"retry", "retry", "send again what was set aside", command_retry},
        {"silence", "silence <app | run | matchers> [1h30m | until resolved] [reason]",
                "hold alerts back: app=etl, node_id=~\"etl.*\", !=, !~", command_silence},
        {"silences", "silences", "what is held back", command_silences},
        {"status", "status", "how I am", command_status},
        {"unack", "unack <run_id> …", "give a failure back", command_unack},
        {"unsilence", "unsilence <number>", "end a silence", command_unsilence},
};

const size_t commands_len = sizeof(commands) / sizeof(commands[0]);

const struct command *command_find(const char *name)
{
	size_t i;

	for (i = 0; i < commands_len; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

const char *command_nearest(const char *name)
{
	unsigned best = SUGGEST_MAX, distance;
	const char *found = NULL;
	size_t i;

	for (i = 0; i < commands_len; i++) {
		distance = text_distance(name, commands[i].name);
		if (distance < best && distance < strlen(commands[i].name)) {
			best = distance;
			found = commands[i].name;
		}
	}
	return found;
}

bool commands_known_name(const char *name)
{
	return command_find(name) != NULL;
}

/* --- for the commands --------------------------------------------------------------------- */

static void add_formatted(struct buf *out, const char *format, va_list args)
        __attribute__((format(printf, 2, 0)));

static void add_formatted(struct buf *out, const char *format, va_list args)
{
	char *text;

	if (vasprintf(&text, format, args) < 0)
		abort();
	buf_add_str(out, text);
	free(text);
}

void command_say(struct command_call *call, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_formatted(&call->text, format, args);
	va_end(args);
}

enum err command_fail(struct command_call *call, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_formatted(&call->text, format, args);
	va_end(args);
	call->failed = true;
	return OK;
}

void command_effect(struct command_call *call, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_formatted(&call->effect, format, args);
	va_end(args);
}

json_t *command_data(struct command_call *call)
{
	if (!call->data)
		call->data = json_object();
	return call->data;
}

struct deliver command_deliver(const struct command_call *call)
{
	return (struct deliver){call->env->store, call->env->config, call->env->now_ms};
}

const char *command_prefix(const struct command_call *call)
{
	return call->room ? call->env->config->commands.prefix : "";
}

/* Text without the line ends at its end. */
static char *trimmed(const char *text)
{
	size_t len = strlen(text);

	while (len > 0 && text[len - 1] == '\n')
		len--;
	return x_strndup(text, len);
}

enum err command_post(const struct command_env *env, const char *room, const char *root,
        const char *reply_to, const char *text)
{
	const struct deliver d = {env->store, env->config, env->now_ms};
	char *whole = trimmed(text);
	struct buf body, html;
	json_t *content;
	enum err err;

	buf_init(&body, COMMAND_ANSWER_MAX * 2);
	buf_init(&html, COMMAND_ANSWER_MAX * 8);
	text_add_plain(&body, whole, TEXT_NO_LIMIT, TEXT_KEEP_NEWLINES);
	text_add_html(&html, whole, TEXT_NO_LIMIT, TEXT_KEEP_NEWLINES);
	content = json_pack("{s:s, s:s, s:s, s:s, s:{}, s:{s:s, s:s, s:b, s:{s:s}}}", "msgtype",
	        "m.notice", "body", buf_str(&body), "format", "org.matrix.custom.html",
	        "formatted_body", buf_str(&html), "m.mentions", "m.relates_to", "rel_type",
	        "m.thread", "event_id", root, "is_falling_back", 1, "m.in_reply_to", "event_id",
	        reply_to);
	err = deliver_post(&d, room, OUTBOX_NOTE, 0, "m.room.message", content, NULL);
	json_decref(content);
	buf_finish(&body);
	buf_finish(&html);
	free(whole);
	return err;
}

/* --- who and when ------------------------------------------------------------------------- */

static bool in_list(char *const *list, const char *name)
{
	size_t i;

	for (i = 0; list[i]; i++)
		if (strcmp(list[i], name) == 0)
			return true;
	return false;
}

/* NULL: obeyed. Else why not, for people. */
static const char *why_refused(const struct config *config, const struct room_event *event)
{
	if (!in_list(config->commands.users, event->sender) &&
	        event->power < config->commands.power_level)
		return "you are not among those who may command me here";
	if (event->encrypted && event->clear)
		return "it came unencrypted into an encrypted room: anybody may have put it "
		       "there";
	if (event->encrypted && !event->obey)
		return "this device of yours is not verified by you: sign it (in Element: "
		       "Settings, "
		       "Sessions), then write again";
	return NULL;
}

static enum err audit(const struct command_env *env, const struct room_event *event,
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

	buf_init(&text, COMMAND_TEXT_MAX * 4);
	text_add_plain(&text, command, AUDIT_TEXT_MAX, TEXT_FOLD_NEWLINES);
	row.command = (char *)buf_str(&text);
	err = commands_insert(env->store, &row);
	buf_finish(&text);
	return err == ERR_EXISTS ? OK : err;
}

/* Politely, and not more often than anybody wants to read it. */
static enum err refuse(const struct command_env *env, const struct room_event *event,
        const char *root, const char *command, const char *why)
{
	int64_t count;
	enum err err = commands_count(
	        env->store, event->sender, "refused", env->now_ms - CLOCK_MINUTE_MS, &count);
	char *text;

	if (err != OK || count >= REFUSALS_KEPT)
		return err;
	log_warning("commands", "refused in %s to %s: %s", event->room, event->sender, why);
	err = audit(env, event, command, "refused", why);
	if (err != OK || !root || count >= REFUSALS_TOLD)
		return err;
	text = x_asprintf("Sorry, %s.", why);
	err = command_post(env, event->room, root, event->event_id, text);
	free(text);
	return err;
}

static enum err tell_late(const struct command_env *env, const struct room_event *event,
        const struct command_text *text, const char *command)
{
	char ago[32], *answer;
	enum err err;

	clock_format_duration(env->now_ms - event->sent_ms, ago, sizeof(ago));
	answer = x_asprintf("Not carried out: this was written %s ago, and I saw it only now. "
	                    "Write it again if it still holds.",
	        ago);
	err = audit(env, event, command, "late", ago);
	if (err == OK)
		err = command_post(env, event->room, text->root, event->event_id, answer);
	free(answer);
	return err;
}

/* --- carrying out ------------------------------------------------------------------------- */

static void call_init(struct command_call *call)
{
	buf_init(&call->text, COMMAND_ANSWER_MAX);
	buf_init(&call->effect, EFFECT_MAX);
}

static void call_finish(struct command_call *call)
{
	buf_finish(&call->text);
	buf_finish(&call->effect);
	json_decref(call->data);
}

static enum err call_run(struct command_call *call, const char *name, const char **result)
{
	const struct command *command = command_find(name);
	const char *near = command_nearest(name);
	enum err err = OK;

	if (command) {
		err = command->run(call);
		*result = call->failed ? "failed" : "done";
		return err;
	}
	*result = "unknown";
	command_fail(call, "I don't know %s", command_prefix(call));
	text_add_plain(&call->text, name, COMMAND_NAME_MAX, TEXT_FOLD_NEWLINES);
	if (near)
		command_say(call, ". Did you mean %s%s?", command_prefix(call), near);
	else
		command_say(call, "; %shelp lists what I know.", command_prefix(call));
	return OK;
}

static enum err carry_out(const struct command_env *env, const struct room_event *event,
        const struct command_text *text, const char *command)
{
	struct command_call call = {
	        .env = env,
	        .who = event->sender,
	        .device_id = event->device_id,
	        .room = event->room,
	        .room_id = event->room_id,
	        .event_id = event->event_id,
	        .target = text->target,
	        .args = text->args,
	};
	const char *result;
	enum err err;

	call_init(&call);
	err = call_run(&call, text->name, &result);
	if (err == OK)
		err = audit(
		        env, event, command, result, call.effect.len ? buf_str(&call.effect) : "");
	if (err == OK && call.text.len > 0)
		err = command_post(
		        env, event->room, text->root, event->event_id, buf_str(&call.text));
	call_finish(&call);
	return err;
}

static enum err take_text(const struct command_env *env, const struct room_event *event)
{
	struct command_text text;
	const char *why;
	char *command;
	enum err err;

	if (!command_text_read(env->config, event, &text))
		return OK;
	why = why_refused(env->config, event);
	command = x_asprintf("%s%s%s", env->config->commands.prefix, text.name, text.args);
	if (why)
		err = refuse(env, event, text.root, command, why);
	else if (env->now_ms - event->sent_ms > LATE_MS)
		err = tell_late(env, event, &text, command);
	else
		err = carry_out(env, event, &text, command);
	free(command);
	command_text_finish(&text);
	return err;
}

/* 🔕: the app of the message, for an hour. */
static enum err silence_by_reaction(
        const struct command_env *env, const struct room_event *event, const char *target)
{
	struct message_row message = {0};
	struct command_text text = {.name = "silence", .root = (char *)target};
	enum err err = messages_by_event(env->store, target, &message);

	if (err == OK && strcmp(message.origin, "*") != 0) {
		text.args = x_asprintf(" %s 1h by reaction", message.origin);
		err = carry_out(env, event, &text, "🔕");
		free(text.args);
	}
	message_row_finish(&message);
	return err == ERR_NOT_FOUND ? OK : err;
}

/* --- reactions ---------------------------------------------------------------------------- */

/* Without the variation selector that some clients add. */
static bool is_emoji(const char *key, const char *emoji)
{
	size_t len = strlen(emoji);

	return key && strncmp(key, emoji, len) == 0 &&
	       (key[len] == '\0' || strcmp(key + len, "\xef\xb8\x8f") == 0);
}

static bool may(const struct config *config, const struct room_event *event)
{
	return in_list(config->commands.users, event->sender) ||
	       event->power >= config->commands.power_level;
}

/*
 * ✅ and 👍 ack what they are put on. Clients send reactions in the clear also where the room is
 * encrypted, so that no device stands behind them: they can take on, but not hold back.
 */
static enum err take_reaction(const struct command_env *env, const struct room_event *event)
{
	const struct deliver d = {
	        .store = env->store, .config = env->config, .now_ms = env->now_ms};
	const json_t *relates = json_object_get(event->content, "m.relates_to");
	const char *key = json_string_value(json_object_get(relates, "key"));
	const char *target = command_relation(event->content, "m.annotation");
	struct ack ack = {.who = event->sender};
	char *what = NULL, *effect;
	int count = 0;
	enum err err;

	if (!target || !may(env->config, event) || env->now_ms - event->sent_ms > LATE_MS)
		return OK;
	if (is_emoji(key, "🔕") && !event->encrypted)
		return silence_by_reaction(env, event, target);
	if (!is_emoji(key, "✅") && !is_emoji(key, "👍"))
		return OK;
	err = ack_event(&d, target, &ack, &count, &what);
	if (err != OK)
		return err == ERR_NOT_FOUND ? OK : err;
	effect = x_asprintf("acked %d: %s", count, what ? what : "");
	err = audit(env, event, target, "reaction", effect);
	if (err == OK && count > 0 && env->happened)
		json_array_append_new(
		        env->happened, json_pack("{s:s, s:s, s:s}", "event", "acked", "by",
		                               event->sender, "event_id", target));
	free(effect);
	free(what);
	return err;
}

/* A reaction that acked is taken away: so is the ack. */
static enum err take_redaction(const struct command_env *env, const struct room_event *event)
{
	const struct deliver d = {
	        .store = env->store, .config = env->config, .now_ms = env->now_ms};
	struct command_row row = {0};
	char *what = NULL;
	int count = 0;
	enum err err = commands_by_event(env->store, event->redacts, &row);

	if (err == OK && strcmp(row.result, "reaction") == 0)
		err = ack_event(&d, row.command, NULL, &count, &what);
	if (err == OK && count > 0)
		err = audit(env, event, row.command, "done", "unacked by taking the reaction away");
	command_row_finish(&row);
	free(what);
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err commands_event(const struct command_env *env, const struct room_event *event)
{
	bool known;
	enum err err;

	if (strcmp(event->sender, env->config->matrix.user) == 0 ||
	        (env->config->commands.rooms[0] &&
	                !in_list(env->config->commands.rooms, event->room)))
		return OK;
	err = commands_known(env->store, event->event_id, &known);
	if (err != OK || known)
		return err;
	if (strcmp(event->type, "m.room.message") == 0)
		return take_text(env, event);
	if (strcmp(event->type, "m.reaction") == 0)
		return take_reaction(env, event);
	if (event->redacts)
		return take_redaction(env, event);
	return OK;
}

/* --- from the socket ---------------------------------------------------------------------- */

enum err commands_request(const struct command_env *env, const char *who, const char *name,
        const char *args, struct command_reply *reply)
{
	struct command_call call = {.env = env, .who = who, .args = args};
	const struct room_event event = {.sender = who};
	char *command = x_asprintf("%s %s", name, args);
	const char *result;
	enum err err;

	call_init(&call);
	err = call_run(&call, name, &result);
	if (err == OK)
		err = audit(
		        env, &event, command, result, call.effect.len ? buf_str(&call.effect) : "");
	reply->ok = !call.failed;
	reply->text = trimmed(buf_str(&call.text));
	reply->data = call.data;
	call.data = NULL;
	call_finish(&call);
	free(command);
	return err;
}

void command_reply_finish(struct command_reply *reply)
{
	free(reply->text);
	json_decref(reply->data);
	*reply = (struct command_reply){0};
}
