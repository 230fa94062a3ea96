/*
 * tell.c - see tell.h.
 */
#include "handlers/alerts/render.h"
#include "handlers/oncall/oncall.h"
#include "handlers/oncall/tell.h"

#define TELL_DATA_MAX 8192 /* bytes of data and of the parts that every event has */

static enum err tell_content(const struct deliver *d, const char *room, const char *msgtype,
        struct words *words, const json_t *about, int64_t *outbox_id)
{
	json_t *content;
	enum err err;

	words_fit(words, RENDER_ENCRYPTED_MAX - TELL_DATA_MAX, false);
	content = words_content(words, msgtype);
	if (about)
		json_object_set_new(
		        content, RENDER_KEY, json_pack("{s:i, s:O}", "v", 1, TELL_ABOUT, about));
	err = deliver_post(d, room, OUTBOX_NOTE, 0, "m.room.message", content, outbox_id);
	json_decref(content);
	return err;
}

enum err tell_words(
        const struct deliver *d, const char *room, const char *msgtype, struct words *words)
{
	return tell_content(d, room, msgtype, words, NULL, NULL);
}

enum err tell_about(const struct deliver *d, const char *room, struct words *words,
        const json_t *about, int64_t *outbox_id)
{
	return tell_content(d, room, "m.text", words, about, outbox_id);
}

enum err tell_mention_critical(const struct deliver *d, struct words *words)
{
	char **whom = NULL;
	enum err err = oncall_mention(d, d->config->severity[SEVERITY_CRITICAL].mention, &whom);

	words_mention_silently(words, whom);
	oncall_mention_free(whom);
	return err;
}
