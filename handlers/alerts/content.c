/*
 * content.c - see content.h.
 */
#include <string.h>
#include "handlers/alerts/content.h"

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
