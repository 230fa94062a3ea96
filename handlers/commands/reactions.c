/*
 * reactions.c - commands given as reactions; see command.h. Clients send reactions unencrypted even
 * in encrypted rooms, so no device vouches for them: there they can acknowledge and resolve, but
 * not silence.
 */
#include <string.h>
#include "bot/base/alloc.h"
#include "handlers/oncall/ack.h"
#include "handlers/oncall/resolve.h"
#include "handlers/commands/command.h"
#include "handlers/commands/command_body.h"
#include "storage/command_log.h"
#include "storage/messages.h"

/* In the audit: the result that marks a reaction that acknowledged something. */
#define RESULT "reaction"

typedef enum err (*reaction_fn)(
        const struct command_env *env, const struct room_event *event, const char *target);

static struct deliver deliver_of(const struct command_env *env)
{
	return (struct deliver){.store = env->store,
	        .config = env->config,
	        .now_ms = env->now_ms,
	        .happened = env->happened};
}

/* *ours: the event is an alert of ours, or a line about alerts. */
static enum err is_ours(const struct command_env *env, const char *target, bool *ours)
{
	struct message_row message = {0};
	struct outbox_row sent = {0};
	enum err err = messages_by_event(env->store, target, &message);

	if (err == ERR_NOT_FOUND)
		err = outbox_by_event(env->store, target, &sent);
	*ours = err == OK;
	message_row_finish(&message);
	outbox_row_finish(&sent);
	return err == ERR_NOT_FOUND ? OK : err;
}

static enum err reactions_silence(
        const struct command_env *env, const struct room_event *event, const char *target)
{
	struct command_text text = {
	        .name = "silence", .said = "🔕", .root = target, .target = target};
	enum err err;

	text.args = json_pack("{s:s, s:s}", "duration", "1h", "reason", "by 🔕");
	err = command_carry_out(env, event, &text);
	json_decref(text.args);
	return err;
}

static enum err reactions_acknowledge(
        const struct command_env *env, const struct room_event *event, const char *target)
{
	const struct deliver d = deliver_of(env);
	struct ack ack = {.who = event->sender};
	struct ack_result result = {.by = event->sender};
	char *effect;
	enum err err = ack_event(&d, target, &ack, NULL, &result);

	if (err == OK) {
		effect = x_asprintf("acked %d: %s", result.changed, result.what ? result.what : "");
		err = command_audit(env, event, target, RESULT, effect);
		free(effect);
	}
	ack_result_finish(&result);
	return err == ERR_NOT_FOUND ? OK : err;
}

/* Resolves what the event is about. There is no answer: the line in its thread is enough. */
static enum err close_it(
        const struct command_env *env, const struct room_event *event, const char *target)
{
	const struct deliver d = deliver_of(env);
	struct resolve_result result = {0};
	char *effect;
	enum err err = resolve_event(&d, target, event->sender, NULL, &result);

	if (err == OK) {
		effect = x_asprintf(
		        "resolved %d: %s", result.changed, result.what ? result.what : "");
		err = command_audit(env, event, "☑️", "done", effect);
		free(effect);
	}
	resolve_result_finish(&result);
	return err == ERR_NOT_FOUND ? OK : err;
}

static enum err reactions_tell_late(const struct command_env *env, const struct room_event *event,
        const char *target, const char *key)
{
	char ago[24], *answer;
	enum err err;

	clock_format_duration(event->late_ms, ago, sizeof(ago));
	answer = x_asprintf("Not carried out: %s was sent %s ago and was received only now. React "
	                    "again, or reply with %sack, if you still want it.",
	        key, ago, env->config->commands.prefix);
	err = command_audit(env, event, key, "late", ago);
	if (err == OK)
		err = command_post(env, event->room, target, target, answer);
	free(answer);
	return err;
}

/* NULL: the reaction has no meaning. */
static reaction_fn find_reaction(const char *key)
{
	static const struct {
		const char *emoji;
		reaction_fn run;
	} known[] = {{"✅", reactions_acknowledge}, {"👍", reactions_acknowledge},
	        {"👀", reactions_acknowledge}, {"🔕", reactions_silence}, {"☑️", close_it}};

	for (size_t i = 0; key && i < sizeof(known) / sizeof(known[0]); i++)
		if (command_same_emoji(key, known[i].emoji))
			return known[i].run;
	return NULL;
}

static enum err reactions_refuse(const struct command_env *env, const struct room_event *event,
        const char *target, const char *key)
{
	char *why = command_may(env->config, event)
	                    ? x_asprintf("reactions are not encrypted, so they cannot silence "
	                                 "here: send %ssilence",
	                              env->config->commands.prefix)
	                    : command_no_power(env->config);
	enum err err = command_refuse(env, event, target, key, why);

	free(why);
	return err;
}

static const char *reaction_key(const struct room_event *event)
{
	const json_t *relates = json_object_get(event->content, "m.relates_to");

	return json_string_value(json_object_get(relates, "key"));
}

bool reaction_concerns(const struct room_event *event)
{
	return command_relation(event->content, "m.annotation") &&
	       find_reaction(reaction_key(event));
}

enum err reaction_take(const struct command_env *env, const struct room_event *event)
{
	const char *key = reaction_key(event);
	const char *target = command_relation(event->content, "m.annotation");
	reaction_fn run = find_reaction(key);
	bool ours;
	enum err err;

	if (!target || !run)
		return OK;
	err = is_ours(env, target, &ours);
	if (err != OK || !ours)
		return err;
	if (!command_may(env->config, event) ||
	        (run == reactions_silence && event->encrypted && !event->obey))
		return reactions_refuse(env, event, target, key);
	if (event->late_ms > COMMAND_LATE_MS)
		return reactions_tell_late(env, event, target, key);
	return run(env, event, target);
}

enum err reaction_redacted(const struct command_env *env, const struct room_event *event)
{
	const struct deliver d = deliver_of(env);
	struct ack_result result = {.by = event->sender};
	struct command_row row = {0};
	enum err err = commands_by_event(env->store, event->redacts, &row);

	/* if somebody else acknowledged it later, that stays */
	if (err == OK && strcmp(row.result, RESULT) == 0)
		err = ack_event(&d, row.command, NULL, row.sender, &result);
	if (err == OK && result.changed)
		err = command_audit(
		        env, event, row.command, "done", "unacked by removing the reaction");
	command_row_finish(&row);
	ack_result_finish(&result);
	return err == ERR_NOT_FOUND ? OK : err;
}
