/*
 * command_text.c - see command_text.h.
 */
#include "handlers/commands/command_text.h"

#include <ctype.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "handlers/commands/command_body.h"
#include "handlers/commands/table.h"

static const char *string_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

const char *command_relation(const json_t *content, const char *rel_type)
{
	const json_t *relates = json_object_get(content, "m.relates_to");
	const char *type = string_of(relates, "rel_type");

	return type && strcmp(type, rel_type) == 0 ? string_of(relates, "event_id") : NULL;
}

/* Finds the event that is replied to: in a thread its root, unless the reply names another one. */
static void read_relations(const struct room_event *event, struct command_text *out)
{
	const json_t *relates = json_object_get(event->content, "m.relates_to");
	const char *root = command_relation(event->content, "m.thread");
	const char *reply = string_of(json_object_get(relates, "m.in_reply_to"), "event_id");
	bool fallback = root && json_is_true(json_object_get(relates, "is_falling_back"));

	out->target = reply && !fallback ? reply : root;
	out->root = root ? root : event->event_id;
	out->thread = root;
}

bool command_text_read(
        const struct config *config, const struct room_event *event, struct command_text *out)
{
	const char *msgtype = string_of(event->content, "msgtype");
	char *body, *at;
	size_t len;

	memset(out, 0, sizeof(*out));
	if (strcmp(event->type, "m.room.message") != 0 || !msgtype ||
	        strcmp(msgtype, "m.text") != 0 || command_relation(event->content, "m.replace"))
		return false;
	body = command_body(config, event);
	at = body ? body + strspn(body, " ") : NULL;
	len = at ? strcspn(at, " \n") : 0;
	for (size_t i = 0; i < len && i < sizeof(out->name) - 1; i++)
		out->name[i] = (char)tolower((unsigned char)at[i]);
	/* behind a blank, as keyboards put it after a "!", only what is a command */
	if (!at || !isalpha((unsigned char)at[0]) ||
	        (at > body && !command_find(out->name, COMMAND_ROOM))) {
		free(body);
		return false;
	}
	out->words = arguments_split(at + len);
	out->said = x_asprintf("%s%s%s", config->commands.prefix, out->name, at + len);
	read_relations(event, out);
	free(body);
	return true;
}

void command_text_finish(struct command_text *text)
{
	free((char *)text->said);
	json_decref(text->words);
	json_decref(text->args);
}
