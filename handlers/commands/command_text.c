/*
 * command_text.c - see command_text.h.
 */
#include "handlers/commands/command_text.h"

#include <ctype.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/text.h"

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

/* Old clients put what they reply to in front: lines with "> ", then an empty one. */
static const char *skip_fallback(const char *body)
{
	const char *at = body;

	while (strncmp(at, "> ", 2) == 0) {
		at += strcspn(at, "\n");
		at += *at == '\n';
	}
	return at != body && *at == '\n' ? at + 1 : body;
}

/* What is replied to: in a thread its root, unless a message of it is named. */
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

/* What stands behind the name. Phones make curly quotes of straight ones. */
static char *straight_quotes(const char *text)
{
	static const char *const curly[] = {"“", "”", "„"};
	struct buf out;

	buf_init(&out, ARGUMENTS_MAX);
	while (*text) {
		size_t len = 1, i;

		for (i = 0; i < sizeof(curly) / sizeof(curly[0]); i++)
			if (strncmp(text, curly[i], strlen(curly[i])) == 0)
				len = strlen(curly[i]);
		if (len > 1)
			buf_add_char(&out, '"');
		else
			buf_add_char(&out, *text);
		text += len;
	}
	if (out.overflow) /* cut: not inside a character */
		out.data[text_whole(out.data, out.len)] = '\0';
	return buf_take(&out);
}

bool command_text_read(
        const struct config *config, const struct room_event *event, struct command_text *out)
{
	const char *msgtype = string_of(event->content, "msgtype");
	const char *body = string_of(event->content, "body");
	size_t prefix = strlen(config->commands.prefix), len, i;
	char *rest;

	memset(out, 0, sizeof(*out));
	if (strcmp(event->type, "m.room.message") != 0 || !msgtype || !body ||
	        strcmp(msgtype, "m.text") != 0 || command_relation(event->content, "m.replace"))
		return false;
	body = skip_fallback(body);
	if (strncmp(body, config->commands.prefix, prefix) != 0)
		return false;
	body += prefix;
	len = strcspn(body, " \t\r\n");
	if (len == 0 || !isalpha((unsigned char)body[0]))
		return false;
	for (i = 0; i < len && i < sizeof(out->name) - 1; i++)
		out->name[i] = (char)tolower((unsigned char)body[i]);
	rest = straight_quotes(body + len);
	out->words = arguments_split(rest);
	out->said = x_asprintf("%s%s%s", config->commands.prefix, out->name, rest);
	free(rest);
	read_relations(event, out);
	return true;
}

void command_text_finish(struct command_text *text)
{
	free((char *)text->said);
	json_decref(text->words);
	json_decref(text->args);
}
