/*
 * tell.c - see tell.h.
 */
#include "handlers/alerts/content.h"
#include "handlers/alerts/render.h"
#include "handlers/oncall/oncall.h"
#include "handlers/oncall/tell.h"

enum err tell_room(const struct deliver *d, const char *room, const char *text,
        char *const *mentions, const json_t *about)
{
	char **whom = NULL;
	json_t *content;
	enum err err = mentions ? oncall_mention(d, mentions, &whom) : OK;

	content = content_plain(text, whom);
	oncall_mention_free(whom);
	if (about)
		json_object_set_new(
		        content, RENDER_KEY, json_pack("{s:i, s:O}", "v", 1, TELL_ABOUT, about));
	if (err == OK)
		err = deliver_post(d, room, OUTBOX_NOTE, 0, "m.room.message", content, NULL);
	json_decref(content);
	return err;
}
