/*
 * post.c - adds the bot's own events to the queue, and removes any event from it (deliver.h).
 */
#include <string.h>
#include "bot/base/alloc.h"
#include "handlers/alerts/deliver_message.h"

enum err deliver_post(const struct deliver *d, const char *room, enum outbox_purpose purpose,
        int64_t message_id, const char *type, const json_t *content, int64_t *outbox_id)
{
	struct outbox_row row = {
	        .purpose = purpose,
	        .room = (char *)deliver_room_now(d->config, room),
	        .message_id = message_id,
	        .type = (char *)type,
	        .created_ms = d->now_ms,
	};
	enum err err = outbox_name(d->store, &row);

	if (err == OK) {
		json_t *copy = json_deep_copy(content);
		json_t *data = json_object_get(copy, RENDER_KEY);

		/* the other side hashes a verification's events, so they must not be changed */
		if (strncmp(type, "m.key.verification.", 19) != 0) {
			if (!json_is_object(data)) {
				data = json_object();
				json_object_set_new(copy, RENDER_KEY, data);
			}
			json_object_set_new(data, "txn_id", json_string(row.txn_id));
		}
		row.content = json_dumps(copy, JSON_COMPACT);
		json_decref(copy);
		err = outbox_insert(d->store, &row);
	}
	if (outbox_id)
		*outbox_id = row.id;
	free(row.content);
	free(row.txn_id);
	return err;
}

enum err deliver_message_ring(const struct deliver *d, const struct message_row *message)
{
	struct message_row fresh = {
	        .kind = MESSAGE_RING,
	        .room = message->room,
	        .origin = message->origin,
	        .severity = SEVERITY_CRITICAL,
	        .closed_ms = message->kind == MESSAGE_STORM ? d->now_ms : 0,
	        .rings_for = message->id,
	        .rings = message->silent,
	};

	return deliver_message_open(d, &fresh);
}

enum err deliver_message_remove(const struct deliver *d, int64_t id)
{
	struct outbox_row row = {0};
	enum err err = outbox_of_message(d->store, id, &row);

	if (err == OK)
		err = outbox_delete(d->store, row.id);
	if (err == OK)
		err = messages_delete(d->store, id);
	outbox_row_finish(&row);
	return err;
}

/* Takes a failure back from the message that announces it and still waits. */
static enum err ring_without(
        const struct deliver *d, struct message_row *ring, struct entry_row *entry)
{
	if (ring->frozen_ms || ring->rings == 0)
		return OK;
	entry->silent_ms = 0;
	ring->rings--;
	return ring->kind == MESSAGE_RING && ring->rings == 0 && ring->alerts == 0
	               ? deliver_message_remove(d, ring->id)
	               : deliver_message_store(d, ring);
}

enum err deliver_message_unring(
        const struct deliver *d, struct message_row *message, struct entry_row *entry)
{
	struct message_row ring = {0};
	enum err err = OK;

	if (!entry->silent_ms)
		return OK;
	err = messages_ringing(d->store, message->id, INT64_MAX, &ring);
	if (err == OK && ring.opened_ms >= entry->silent_ms) {
		err = ring_without(d, &ring, entry);
	} else {
		entry->silent_ms = 0;
		message->silent -= message->silent > 0;
	}
	message_row_finish(&ring);
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err deliver_discard(const struct deliver *d, int64_t outbox_id)
{
	struct message_row message = {0};
	struct outbox_row row = {0};
	enum err err = outbox_by_id(d->store, outbox_id, &row);

	if (err == ERR_DAMAGED) /* an event that cannot be read cannot be sent either */
		return outbox_delete(d->store, outbox_id);
	if (err == OK && row.state == OUTBOX_SENT)
		err = ERR_NOT_FOUND;
	if (err == OK && row.purpose == OUTBOX_NEW)
		err = messages_find(d->store, row.message_id, &message);
	if (err == OK && message.id) { /* nothing may join a message that nobody will read */
		message.dirty_ms = message.silent = 0;
		if (!message.closed_ms)
			message.closed_ms = d->now_ms;
		err = deliver_message_store(d, &message);
	}
	if (err == OK)
		err = outbox_delete(d->store, outbox_id);
	outbox_row_finish(&row);
	message_row_finish(&message);
	return err;
}
