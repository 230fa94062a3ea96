/*
 * about.c - see about.h.
 */
#include "handlers/oncall/about.h"

#include <string.h>
#include "bot/base/alloc.h"
#include "handlers/alerts/render.h"
#include "handlers/oncall/tell.h"

/* Adds to *rows; takes those that are added. */
static void about_add(
        struct entry_row **rows, size_t *len, struct entry_row *added, size_t added_len)
{
	*rows = x_realloc(*rows, (*len + added_len + 1) * sizeof(**rows));
	memcpy(*rows + *len, added, added_len * sizeof(**rows));
	*len += added_len;
}

static enum err about_message(
        struct store *store, int64_t message_id, struct entry_row **rows, size_t *len)
{
	struct entry_row *added = NULL;
	size_t added_len = 0;
	enum err err = entries_of(store, message_id, &added, &added_len);

	if (err == OK && added_len > 0)
		about_add(rows, len, added, added_len);
	free(added);
	return err;
}

/* A reminder: its data has the ids of the entries that it is about. */
static enum err about_listed(
        struct store *store, const char *content, struct entry_row **rows, size_t *len)
{
	json_t *whole = json_loads(content ? content : "{}", 0, NULL);
	const json_t *about = json_object_get(json_object_get(whole, RENDER_KEY), TELL_ABOUT);
	enum err err = json_array_size(about) ? OK : ERR_NOT_FOUND;

	for (size_t i = 0; i < json_array_size(about) && err == OK; i++) {
		struct entry_row row = {0};

		err = entries_by_id(store, json_integer_value(json_array_get(about, i)), &row);
		if (err == OK)
			about_add(rows, len, &row, 1);
		else if (err == ERR_NOT_FOUND)
			err = OK;
	}
	json_decref(whole);
	return err;
}

enum err about_event(
        struct store *store, const char *event_id, struct entry_row **rows, size_t *len)
{
	struct message_row message = {0};
	struct outbox_row sent = {0};
	enum err err = messages_by_event(store, event_id, &message);

	*rows = NULL;
	*len = 0;
	if (err == ERR_NOT_FOUND) {
		err = outbox_by_event(store, event_id, &sent);
		if (err == OK && !sent.message_id)
			err = about_listed(store, sent.content, rows, len);
		else if (err == OK)
			err = messages_find(store, sent.message_id, &message);
	}
	if (err == OK && message.room)
		err = about_message(store, message.id, rows, len);
	if (err == OK && message.kind == MESSAGE_RING && message.rings_for)
		err = about_message(store, message.rings_for, rows, len);
	outbox_row_finish(&sent);
	message_row_finish(&message);
	return err;
}

/* *open: one of the entries still needs somebody. */
static enum err about_is_open(struct store *store, const char *content, bool *open)
{
	struct entry_row *rows = NULL;
	size_t len = 0;
	enum err err = about_listed(store, content, &rows, &len);

	*open = err == ERR_NOT_FOUND; /* it is about none */
	for (size_t i = 0; i < len; i++)
		*open = *open || (!rows[i].resolved_ms && !rows[i].acked_ms);
	entry_rows_free(rows, len);
	return *open ? OK : err;
}

enum err about_drop(struct store *store, const struct outbox_row *row, bool *dropped)
{
	bool open = true;
	enum err err = OK;

	if (row->purpose == OUTBOX_NOTE && row->state == OUTBOX_QUEUED)
		err = about_is_open(store, row->content, &open);
	*dropped = err == OK && !open;
	return *dropped ? outbox_delete(store, row->id) : err;
}
