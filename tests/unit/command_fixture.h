/*
 * command_fixture.h - somebody in the room ops of a world (handlers_fixture.h), and what the bot
 * answers. Include after cmocka.h.
 */
#pragma once

#include "handlers/commands/command_text.h"
#include "handlers/commands/commands.h"
#include "tests/unit/handlers_fixture.h"

#define OP "@op1:x"
#define STRANGER "@stranger:x"

/* What is left out is that of an operator, now, in a room that is not encrypted. */
struct said {
	const char *sender, *type, *body;
	json_t *content; /* instead of body; the reference is taken */
	const char *redacts;
	int64_t late_ms;
	bool encrypted, clear, deaf; /* deaf: from a device that nobody signed */
};

static inline void say_event(struct world *w, const char *event_id, const struct said *said)
{
	const struct report_status status = {.now_ms = w->now_ms, .version = "0", .problem = ""};
	const struct command_env env = {
	        .store = w->store, .config = w->config, .now_ms = w->now_ms, .status = &status};
	const char *sender = said->sender ? said->sender : OP;
	json_t *content = said->content ? said->content
	                                : json_pack("{s:s, s:s}", "msgtype", "m.text", "body",
	                                          said->body ? said->body : "");
	const struct room_event event = {
	        .room = "ops",
	        .room_id = "!ops:x",
	        .event_id = event_id,
	        .sender = sender,
	        .type = said->type ? said->type : "m.room.message",
	        .content = content,
	        .redacts = said->redacts,
	        .power = strcmp(sender, OP) == 0 ? 50 : 0,
	        .sent_ms = w->now_ms - said->late_ms,
	        .late_ms = said->late_ms,
	        .encrypted = said->encrypted,
	        .clear = said->clear || !said->encrypted,
	        .obey = !said->deaf && !said->clear,
	};

	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(commands_event(&env, &event), OK);
	assert_int_equal(store_commit(w->store), OK);
	json_decref(content);
	world_send(w);
}

/* The body of the only answer to an event since there were `before`, or NULL; owned by the caller.
 */
static inline char *answer_since(struct world *w, size_t before)
{
	char *found = NULL;

	for (size_t i = before; i < w->len; i++) {
		json_t *content = json_loads(w->events[i].content, 0, NULL);
		const char *body = json_string_value(json_object_get(content, "body"));

		if (body && strcmp(w->events[i].what, "note") == 0) {
			free(found);
			found = x_strdup(body);
		}
		json_decref(content);
	}
	return found;
}

/* What an operator gets for an answer; "" for none. Owned by the caller. */
static inline char *ask(struct world *w, const char *body)
{
	static int count;
	char event_id[32], *answer;
	size_t before;

	world_send(w);
	before = w->len;
	snprintf(event_id, sizeof(event_id), "$ask%d", count++);
	say_event(w, event_id, &(struct said){.body = body});
	answer = answer_since(w, before);
	return answer ? answer : x_strdup("");
}

/* Fails unless each text stands in the answer. */
static inline void asked(struct world *w, const char *body, const char *part)
{
	char *answer = ask(w, body);

	if (!strstr(answer, part))
		fail_msg("%s: %s (wanted: %s)", body, answer, part);
	free(answer);
}

static inline void react(struct world *w, const char *event_id, const char *target, const char *key,
        const char *sender)
{
	say_event(w, event_id,
	        &(struct said){.sender = sender,
	                .type = "m.reaction",
	                .content = json_pack("{s:{s:s, s:s, s:s}}", "m.relates_to", "rel_type",
	                        "m.annotation", "event_id", target, "key", key)});
}
