/*
 * tell.c - see tell.h.
 */
#include <string.h>
#include "bot/base/text.h"
#include "handlers/render.h"
#include "handlers/tell.h"

#define TELL_MAX (24 * 1024)

static json_t *mentions_json(char *const *mentions)
{
	json_t *object = json_object(), *users = json_array();

	for (size_t i = 0; mentions && mentions[i]; i++) {
		if (strcmp(mentions[i], "room") == 0)
			json_object_set_new(object, "room", json_true());
		else
			json_array_append_new(users, json_string(mentions[i]));
	}
	if (json_array_size(users) > 0)
		json_object_set(object, "user_ids", users);
	json_decref(users);
	return object;
}

enum err tell_room(const struct deliver *d, const char *room, const char *text,
        char *const *mentions, const json_t *about)
{
	struct buf body, html;
	json_t *content;
	enum err err;

	buf_init(&body, TELL_MAX * 2);
	buf_init(&html, TELL_MAX * 8);
	text_add_plain(&body, text, TEXT_NO_LIMIT, TEXT_KEEP_NEWLINES);
	text_add_html(&html, text, TEXT_NO_LIMIT, TEXT_KEEP_NEWLINES);
	content =
	        json_pack("{s:s, s:s, s:s, s:s, s:o}", "msgtype", mentions ? "m.text" : "m.notice",
	                "body", buf_str(&body), "format", "org.matrix.custom.html",
	                "formatted_body", buf_str(&html), "m.mentions", mentions_json(mentions));
	if (about)
		json_object_set_new(
		        content, RENDER_KEY, json_pack("{s:i, s:O}", "v", 1, TELL_ABOUT, about));
	err = deliver_post(d, room, OUTBOX_NOTE, 0, "m.room.message", content, NULL);
	json_decref(content);
	buf_finish(&body);
	buf_finish(&html);
	return err;
}
