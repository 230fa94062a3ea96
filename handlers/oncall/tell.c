/*
 * tell.c - see tell.h.
 */
#include "handlers/alerts/content.h"
#include "handlers/alerts/render.h"
#include "handlers/oncall/oncall.h"
#include "handlers/oncall/tell.h"

#define TELL_DATA_MAX 4096 /* bytes of data and of what every event has */

static enum err tell_content(
        const struct deliver *d, const char *room, json_t *content, const json_t *about)
{
	enum err err;

	if (about)
		json_object_set_new(
		        content, RENDER_KEY, json_pack("{s:i, s:O}", "v", 1, TELL_ABOUT, about));
	err = deliver_post(d, room, OUTBOX_NOTE, 0, "m.room.message", content, NULL);
	json_decref(content);
	return err;
}

enum err tell_words(const struct deliver *d, const char *room, const char *msgtype,
        struct words *words, const json_t *about)
{
	words_fit(words, RENDER_ENCRYPTED_MAX - TELL_DATA_MAX, false);
	return tell_content(d, room, words_content(words, msgtype), about);
}

enum err tell_room(const struct deliver *d, const char *room, const char *text,
        char *const *mentions, const json_t *about)
{
	char **whom = NULL;
	enum err err = mentions ? oncall_mention(d, mentions, &whom) : OK;

	if (err == OK)
		err = tell_content(d, room, content_plain(text, whom), about);
	oncall_mention_free(whom);
	return err;
}
