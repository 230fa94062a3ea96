/*
 * content.c - see content.h.
 */
#include <string.h>
#include "handlers/alerts/content.h"

json_t *content_text(const char *msgtype, const char *body, const char *html, json_t *mentions)
{
	json_t *content = json_pack("{s:s, s:s}", "msgtype", msgtype, "body", body);

	if (html) {
		json_object_set_new(content, "format", json_string("org.matrix.custom.html"));
		json_object_set_new(content, "formatted_body", json_string(html));
	}
	json_object_set_new(content, "m.mentions", mentions);
	return content;
}

json_t *content_mentions(char *const *names)
{
	json_t *mentions = json_object(), *users = json_array();

	for (size_t i = 0; names && names[i]; i++)
		if (strcmp(names[i], "room") == 0)
			json_object_set_new(mentions, "room", json_true());
		else
			json_array_append_new(users, json_string(names[i]));
	if (json_array_size(users) > 0)
		json_object_set(mentions, "user_ids", users);
	json_decref(users);
	return mentions;
}

void content_thread(json_t *content, const char *root, const char *reply_to)
{
	json_object_set_new(content, "m.relates_to",
	        json_pack("{s:s, s:s, s:b, s:{s:s}}", "rel_type", "m.thread", "event_id", root,
	                "is_falling_back", 1, "m.in_reply_to", "event_id", reply_to));
}

void content_answer(json_t *content, const char *answers, const char *root, const char *reply_to)
{
	/* a command that was written in a thread is answered there */
	if (strcmp(answers, "reply") == 0 && strcmp(root, reply_to) == 0)
		json_object_set_new(content, "m.relates_to",
		        json_pack("{s:{s:s}}", "m.in_reply_to", "event_id", reply_to));
	else
		content_thread(content, root, reply_to);
}
