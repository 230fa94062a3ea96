/*
 * freeze.c - see freeze.h.
 */
#include "handlers/alerts/freeze.h"

#include <string.h>
#include "bot/base/alloc.h"
#include "handlers/alerts/deliver_message.h"
#include "handlers/alerts/render.h"
#include "handlers/oncall/oncall.h"
#include "storage/alerts.h"
#include "storage/known_rooms.h"

/* Names the failures that the message announces, those that joined another message by edits since
 * the one before it was opened, and are still firing. The names are the caller's. */
static enum err ring_collect(const struct deliver *d, const struct message_row *message,
        struct message_row *of, struct entry_row **entries, size_t *len, struct render_ring *ring)
{
	struct message_row before = {0};
	int64_t since_ms;
	bool of_apps;
	char **names;
	enum err err;

	ring->more = message->rings;
	if (!message->rings_for)
		return OK;
	err = messages_ringing(d->store, message->rings_for, message->id, &before);
	since_ms = before.opened_ms;
	message_row_finish(&before);
	if (err == OK || err == ERR_NOT_FOUND)
		err = messages_find(d->store, message->rings_for, of);
	if (err == OK)
		err = entries_of(d->store, of->id, entries, len);
	if (err != OK)
		return err == ERR_NOT_FOUND ? OK : err;
	of_apps = of->kind == MESSAGE_STORM || strcmp(of->origin, DELIVER_COLLECTED) == 0;
	names = x_calloc(*len + 1, sizeof(*names));
	for (size_t i = 0; i < *len; i++) {
		const struct entry_row *entry = &(*entries)[i];

		if (entry->silent_ms > since_ms && entry->silent_ms <= message->opened_ms &&
		        !entry->resolved_ms)
			names[ring->names_len++] =
			        of_apps ? x_asprintf("%s · %s", entry->app, entry->identity)
			                : x_strdup(entry->identity);
	}
	ring->names = (const char *const *)names;
	ring->room_id = of->room_id;
	ring->event_id = of->event_id;
	return OK;
}

static enum err freeze_content(const struct deliver *d, struct message_row *message,
        struct outbox_row *row, bool edit, bool encrypted)
{
	struct message_row rings_for = {0};
	struct entry_row *rung = NULL;
	size_t rung_len = 0;
	struct render_message in = {
	        .max = encrypted ? RENDER_ENCRYPTED_MAX : RENDER_PLAIN_MAX,
	        .message = message,
	        .now_ms = d->now_ms,
	        .txn_id = row->txn_id,
	        .edit = edit,
	};
	char **mention = NULL;
	struct entry_row *entries = NULL;
	size_t len = 0;
	enum err err = entries_of(d->store, message->id, &entries, &len);

	if (err == OK && message->rings)
		err = ring_collect(d, message, &rings_for, &rung, &rung_len, &in.ring);
	if (err == OK)
		err = oncall_mention(d, d->config->severity[message->severity].mention, &mention);
	if (err == OK) {
		in.mention = mention;
		in.entries = entries;
		in.entries_len = len;
		in.more = message->alerts;
		for (size_t i = 0; i < len; i++)
			in.more -= entries[i].count;
		free(row->content);
		row->content = render_message(d->config, &in);
		err = entries_show(d->store, message->id, d->now_ms);
	}
	oncall_mention_free(mention);
	for (size_t i = 0; i < in.ring.names_len; i++)
		free((char *)in.ring.names[i]);
	free((void *)in.ring.names);
	entry_rows_free(rung, rung_len);
	message_row_finish(&rings_for);
	entry_rows_free(entries, len);
	if (err != OK)
		return err;
	if (edit)
		message->edited_ms = d->now_ms;
	else
		message->frozen_ms = d->now_ms;
	message->dirty_ms = 0;
	message->urgent = 0;
	if (err == OK)
		err = alerts_carry(d->store, message->id, row->id);
	return err == OK ? deliver_message_store(d, message) : err;
}

enum err freeze_is_encrypted(const struct deliver *d, const struct deliver_room *room,
        const char *room_id, bool *encrypted)
{
	struct room_row row = {0};
	enum err err;

	*encrypted = room->encrypted && strcmp(room->room_id, room_id) == 0;
	if (*encrypted)
		return OK;
	err = rooms_by_room_id(d->store, room_id, &row);
	*encrypted = err == OK && row.encrypted;
	room_row_finish(&row);
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err freeze_must_wait(const struct deliver *d, const struct deliver_room *room, bool *waits)
{
	bool ready = false;
	enum err err = OK;

	if (d->cipher && room->users)
		err = d->cipher->ready(d->cipher->arg, room, d->now_ms, &ready);
	*waits = !ready;
	return err;
}

enum err freeze_encrypt(
        const struct deliver *d, const struct deliver_room *room, struct outbox_row *row)
{
	enum err err;

	if (row->wire_content)
		return OK;
	err = d->cipher->encrypt(
	        d->cipher->arg, room, d->now_ms, row->type, row->content, &row->wire_content);
	if (err == OK && !row->wire_type)
		row->wire_type = x_strdup("m.room.encrypted");
	return err;
}

enum err freeze_event(const struct deliver *d, struct outbox_row *row,
        const struct deliver_room *room, const char *room_id, bool encrypted)
{
	struct message_row message = {0};
	enum err err = OK;

	if (row->purpose == OUTBOX_NEW || row->purpose == OUTBOX_EDIT) {
		err = messages_find(d->store, row->message_id, &message);
		if (err == OK && !message.room)
			err = ERR_NOT_FOUND;
		if (err == OK)
			err = freeze_content(
			        d, &message, row, row->purpose == OUTBOX_EDIT, encrypted);
		message_row_finish(&message);
	}
	free(row->room_id);
	free(row->device_id);
	row->room_id = x_strdup(room_id);
	row->device_id = x_strdup(room->device_id);
	row->state = OUTBOX_FROZEN;
	row->frozen_ms = row->known_ms = d->now_ms;
	return err;
}
