/*
 * commands.c - see commands.h: the table, who may, and the frame around each command.
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
#define REFUSALS_KEPT 20
#define SUGGEST_MAX 3
#define AUDIT_TEXT_MAX 500 /* code points */
#define EFFECT_MAX 4096

const struct command commands[] = {
        {"ack", "ack <run_id> … [note]",
                "take failures on\n"
                "As an answer to an alert or a reminder, or as ✅ or 👍 on it: without a run id. "
                "Stops reminders; ends when it is resolved or after a while.",
                "ack r-81 rolling back", command_ack},
        {"alert", "alert <run_id>", "what became of it, and why", "alert r-81", command_alert,
                true},
        {"alerts", "alerts [app] [n]", "the newest", "alerts etl 10", command_alerts, true},
        {"heartbeat", "heartbeat [now | stop <app> [name]]",
                "my signs of life and those of apps\nNow: one more, at once. Stop: forget an "
                "app's.",
                "heartbeat now", command_heartbeat},
        {"help", "help [command]", "what there is", "help silence", command_help, true},
        {"retry", "retry [number]", "send again what was undeliverable", "retry", command_retry},
        {"silence", "silence <what> [2h | until 07:00 | until resolved] [reason]",
                "hold alerts back\n"
                "What: an app, a run (then its app), or matchers like app=etl, "
                "node_id=~\"etl.*\", severity!=critical, joined by commas. For an hour unless "
                "you say: 30m, 1d12h, until 07:00, until resolved. Later: from 22:00, or in 30m. "
                "A number gives that silence another end. 🔕 on an alert: its app, for an hour.",
                "silence etl from 22:00 2h deploy", command_silence},
        {"silences", "silences", "what is held back", "silences", command_silences, true},
        {"status", "status", "how I am", "status", command_status, true},
        {"test", "test [node | dag | violation | all]",
                "a made-up failure, end to end\nIt is never brought up again.", "test node",
                command_test},
        {"unack", "unack <run_id> …", "give failures back\nOr take your ✅ away.", "unack r-81",
                command_unack},
        {"unsilence", "unsilence <number>", "end a silence", "unsilence 3", command_unsilence},
};

const size_t commands_len = sizeof(commands) / sizeof(commands[0]);

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < commands_len; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

const char *command_nearest(const char *name)
{
	unsigned best = SUGGEST_MAX, distance;
	const char *found = NULL;

	for (size_t i = 0; i < commands_len; i++) {
		distance = text_distance(name, commands[i].name);
		if (distance < best && distance < strlen(commands[i].name)) {
			best = distance;
			found = commands[i].name;
		}
	}
	return found;
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
	return (struct deliver){.store = call->env->store,
	        .config = call->env->config,
	        .now_ms = call->env->now_ms,
	        .happened = call->env->happened};
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

/* As HTML, line by line: what a client might take for a link stands in <code>. */
static void add_lines_html(struct buf *out, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		char *line = x_strndup(text, len);

		template_add_value_html(out, line, TEXT_NO_LIMIT, false);
		free(line);
		text += len;
		if (*text) {
			buf_add_str(out, "<br>");
			text++;
		}
	}
}

enum err command_post(const struct command_env *env, const char *room, const char *root,
        const char *reply_to, const char *text, const char *link)
{
	const struct deliver d = {
	        .store = env->store, .config = env->config, .now_ms = env->now_ms};
	char *whole = trimmed(text);
	struct buf body, html;
	json_t *content;
	bool fits;
	enum err err;

	buf_init(&body, RENDER_EVENT_MAX);
	buf_init(&html, RENDER_EVENT_MAX);
	text_add_plain(&body, whole, TEXT_NO_LIMIT, TEXT_KEEP_NEWLINES);
	add_lines_html(&html, whole);
	if (link) {
		buf_add_str(&body, "\n");
		text_add_plain(&body, link, TEXT_NO_LIMIT, TEXT_FOLD_NEWLINES);
		buf_add_str(&html, "<br><a href=\"");
		text_add_html(&html, link, TEXT_NO_LIMIT, TEXT_FOLD_NEWLINES);
		buf_add_str(&html, "\">dashboard</a>");
	}
	/* the plain text alone where both would not fit into an encrypted event */
	fits = !html.overflow && body.len + text_json_size(buf_str(&html)) < RENDER_EVENT_MAX;
	content = content_text(
	        "m.notice", buf_str(&body), fits ? buf_str(&html) : NULL, json_object());
	content_thread(content, root, reply_to);
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

/* NULL: obeyed. Else why not, for people. */
static const char *why_refused(const struct config *config, const struct room_event *event)
{
	if (!command_may(config, event))
		return "you are not among those who may command me here";
	if (event->encrypted && event->clear)
		return "it came unencrypted into an encrypted room: anybody may have put it "
		       "there";
	if (event->encrypted && !event->obey && strcmp(config->encryption.trust, "verified") == 0)
		return "I do not know that it is you: verify me (in Element: my profile, Verify), "
		       "with "
		       "somebody at \"matrix-telemetry-bot verify\" on my host, from a device that "
		       "you "
		       "have signed";
	if (event->encrypted && !event->obey)
		return "this device of yours is not verified by you: sign it (in Element: "
		       "Settings, "
		       "Sessions), then write again";
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

	buf_init(&text, COMMAND_TEXT_MAX * 4);
	text_add_plain(&text, command, AUDIT_TEXT_MAX, TEXT_FOLD_NEWLINES);
	row.command = (char *)buf_str(&text);
	err = commands_insert(env->store, &row);
	buf_finish(&text);
	return err == ERR_EXISTS ? OK : err;
}

/* Politely, and not more often than anybody wants to read it. */
enum err command_refuse(const struct command_env *env, const struct room_event *event,
        const char *root, const char *command, const char *why)
{
	/* what nobody is told of does not count as told */
	const char *result = root ? "refused" : "ignored";
	int64_t count;
	enum err err = commands_count(
	        env->store, event->sender, result, env->now_ms - CLOCK_MINUTE_MS, &count);
	char *text;

	if (err != OK || count >= REFUSALS_KEPT)
		return err;
	log_warning("commands", "refused in %s to %s: %s", event->room, event->sender, why);
	err = command_audit(env, event, command, result, why);
	if (err != OK || !root || count >= REFUSALS_TOLD)
		return err;
	text = x_asprintf("Sorry, %s.", why);
	err = command_post(env, event->room, root, event->event_id, text, NULL);
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
	err = command_audit(env, event, command, "late", ago);
	if (err == OK)
		err = command_post(env, event->room, text->root, event->event_id, answer, NULL);
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
	free(call->link);
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

enum err command_carry_out(const struct command_env *env, const struct room_event *event,
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
	        .thread = text->thread,
	        .args = text->args,
	};
	const char *result;
	enum err err;

	call_init(&call);
	err = call_run(&call, text->name, &result);
	if (err == OK)
		err = command_audit(
		        env, event, command, result, call.effect.len ? buf_str(&call.effect) : "");
	if (err == OK && call.text.len > 0)
		err = command_post(env, event->room, text->root, event->event_id,
		        buf_str(&call.text), call.link);
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
		err = command_refuse(env, event, text.root, command, why);
	else if (env->now_ms - event->sent_ms > COMMAND_LATE_MS)
		err = tell_late(env, event, &text, command);
	else
		err = command_carry_out(env, event, &text, command);
	free(command);
	command_text_finish(&text);
	return err;
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
		return reaction_take(env, event);
	if (event->redacts)
		return reaction_redacted(env, event);
	return OK;
}

/* --- from the socket ---------------------------------------------------------------------- */

enum err commands_request(const struct command_env *env, const char *who, const char *name,
        const char *args, struct command_reply *reply)
{
	struct command_call call = {.env = env, .who = who, .args = args};
	const struct room_event event = {.sender = who};
	const struct command *known = command_find(name);
	char *command = x_asprintf("%s%s", name, args);
	const char *result;
	enum err err;

	call_init(&call);
	err = call_run(&call, name, &result);
	if (err == OK && !(known && known->reads))
		err = command_audit(
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
