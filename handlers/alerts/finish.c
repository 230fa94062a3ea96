/*
 * finish.c - records the result of sending an event (deliver.h).
 */
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "handlers/alerts/deliver_message.h"
#include "handlers/alerts/entry_words.h"
#include "storage/alerts.h"
#include "storage/calls.h"
#include "storage/known_rooms.h"

/* The event is readable now. If it was frozen before it became late (an outage, say), it does
 * not say when things happened: an edit adds that. */
static enum err message_shown(
        const struct deliver *d, struct message_row *message, const struct outbox_row *row)
{
	bool late = false;
	enum err err = entries_happened(d->store, message->id, row->frozen_ms,
	        row->frozen_ms - ENTRY_LATE_MS, d->now_ms - ENTRY_LATE_MS - 1, &late);

	if (err == OK && row->purpose == OUTBOX_NEW)
		err = entries_told(d->store, message->id, row->frozen_ms, d->now_ms);
	else if (err == OK)
		err = entries_shown(d->store, message->id, row->frozen_ms, d->now_ms);
	/* it was undeliverable meanwhile, so that what joined it did not ask for an edit */
	late = late || (row->purpose == OUTBOX_NEW && message->frozen_ms != row->frozen_ms);
	if (late && !message->dirty_ms) {
		message->dirty_ms = d->now_ms;
		if (err == OK)
			err = deliver_message_store(d, message);
	}
	return err;
}

enum err deliver_message_ended(
        const struct deliver *d, const struct outbox_row *row, const struct deliver_result *result)
{
	struct message_row message = {0};
	enum err err;

	if (!row->message_id || (row->purpose != OUTBOX_NEW && row->purpose != OUTBOX_EDIT))
		return OK;
	err = messages_find(d->store, row->message_id, &message);
	if (err != OK || !message.room)
		return err;
	if (result->outcome == DELIVER_SENT)
		err = message_shown(d, &message, row);
	if (err != OK || row->purpose == OUTBOX_EDIT)
		goto out;
	if (result->outcome == DELIVER_SENT) {
		message.sent_ms = d->now_ms;
		free(message.event_id);
		free(message.room_id);
		message.event_id = x_strdup(result->event_id);
		message.room_id = x_strdup_opt(row->room_id);
		message.frozen_ms = row->frozen_ms;
	} else { /* undeliverable: see group_undeliverable_ms() */
		message.frozen_ms = 0;
		message.edited_ms = d->now_ms;
	}
	if (err == OK)
		err = deliver_message_store(d, &message);
out:
	if (result->due_ms && message.edit_ms && message.edit_ms < *result->due_ms)
		*result->due_ms = message.edit_ms;
	if (result->due_ms && message.end_ms && message.end_ms < *result->due_ms)
		*result->due_ms = message.end_ms;
	message_row_finish(&message);
	return err;
}

static enum err finish_call(
        const struct deliver *d, const struct outbox_row *row, const struct deliver_result *result)
{
	struct call_row call = {
	        .at_ms = result->started_ms,
	        .what = result->what,
	        .room = result->room,
	        .room_id = result->room_id,
	        .outbox_id = result->outbox_id,
	        .duration_ms = result->duration_ms,
	        .latency_ms = -1,
	        .result = result->code == OK ? "ok" : err_name(result->code),
	        .http_status = result->http_status,
	        .event_id = result->event_id,
	        .error = result->error,
	};
	int64_t received_ms = 0;
	enum err err = OK;

	if (result->outcome == DELIVER_SENT && row->message_id)
		err = alerts_oldest_carried(d->store, row->message_id, row->id, &received_ms);
	if (received_ms)
		call.latency_ms = result->started_ms + result->duration_ms - received_ms;
	if (result->latency_ms)
		*result->latency_ms = call.latency_ms;
	return err == OK ? calls_insert(d->store, &call) : err;
}

/* Clients would reject an event that one device encrypted and another sends. wire_type is kept:
 * it records that the event was never sent as plain text. */
static enum err change_device(
        const struct deliver *d, struct outbox_row *row, const char *device_id)
{
	free(row->device_id);
	free(row->wire_content);
	row->device_id = x_strdup(device_id);
	row->wire_content = NULL;
	return outbox_say(d->store, row);
}

enum err deliver_put_back(const struct deliver *d, struct outbox_row *row)
{
	struct message_row message = {0};
	enum err err;

	if (row->purpose != OUTBOX_NEW && row->purpose != OUTBOX_EDIT)
		return outbox_thaw(d->store, row);
	err = messages_find(d->store, row->message_id, &message);
	if (err == OK && !message.room)
		err = ERR_NOT_FOUND;
	if (err == OK)
		err = alerts_uncarry(d->store, row->message_id, row->id);
	if (err == OK) /* nobody could read them then */
		err = entries_shown(d->store, row->message_id, row->frozen_ms, 0);
	if (err == OK && row->purpose == OUTBOX_NEW) {
		message.frozen_ms = message.dirty_ms = message.silent = 0;
		err = outbox_thaw(d->store, row);
	} else if (err == OK) {
		message.dirty_ms = row->created_ms;
		message.urgent = 1; /* the edit may have been urgent; that was not stored */
		err = outbox_delete(d->store, row->id);
	}
	if (err == OK)
		err = deliver_message_store(d, &message);
	message_row_finish(&message);
	return err;
}

/* An event that was rejected at its first try is in no room, so it may change again and be
 * collected. After further tries that is unknown. */
static enum err finish_limited(const struct deliver *d, struct outbox_row *row)
{
	enum err err = ERR_NOT_FOUND;

	if (row->tries <= 1 && row->state == OUTBOX_FROZEN)
		err = deliver_put_back(d, row);
	return err == ERR_NOT_FOUND ? outbox_update(d->store, row) : err;
}

/* The message was undeliverable for a while, so that its event says too little. */
static enum err finish_is_old(const struct deliver *d, const struct outbox_row *row, bool *old)
{
	struct message_row message = {0};
	enum err err = OK;

	*old = false;
	if (row->purpose != OUTBOX_NEW)
		return OK;
	err = messages_find(d->store, row->message_id, &message);
	*old = err == OK && message.room && message.frozen_ms != row->frozen_ms;
	message_row_finish(&message);
	return err;
}

/* An event that is in no room, though it may have been. */
static enum err finish_absent(
        const struct deliver *d, struct outbox_row *row, const char *device_id)
{
	bool old;
	enum err err = finish_is_old(d, row, &old);

	if (err == OK && old)
		return deliver_put_back(d, row);
	row->known_ms = d->now_ms;
	row->tries = 0;
	if (err == OK && (!row->device_id || strcmp(row->device_id, device_id) != 0))
		err = change_device(d, row, device_id);
	return err == OK ? outbox_update(d->store, row) : err;
}

/* Whether the room is no configured one any more: another has its address. */
static enum err finish_is_left(const struct deliver *d, const struct outbox_row *row, bool *left)
{
	struct room_row room = {0};
	enum err err = rooms_by_room_id(d->store, row->room_id, &room);

	*left = err == OK && !room.address;
	room_row_finish(&room);
	return err == ERR_NOT_FOUND ? OK : err;
}

/* A room that was upgraded refuses what would be changed in it. Nobody misses that, unless it says
 * what nobody has read: then the message is dirty again, and is said anew in the room of today. */
static enum err finish_left_edit(const struct deliver *d, struct outbox_row *row)
{
	struct message_row message = {0};
	struct entry_row *untold = NULL;
	size_t len = 0;
	enum err err = deliver_put_back(d, row);

	if (err == ERR_NOT_FOUND)
		return outbox_delete(d->store, row->id);
	if (err == OK)
		err = entries_untold(d->store, row->message_id, &untold, &len);
	if (err == OK && len == 0)
		err = messages_find(d->store, row->message_id, &message);
	if (err == OK && len == 0) {
		message.dirty_ms = message.urgent = 0;
		err = deliver_message_store(d, &message);
	}
	entry_rows_free(untold, len);
	message_row_finish(&message);
	return err;
}

static enum err finish_undeliverable(const struct deliver *d, struct outbox_row *row)
{
	bool left = false;
	enum err err = row->purpose == OUTBOX_EDIT ? finish_is_left(d, row, &left) : OK;

	if (err == OK && left)
		return finish_left_edit(d, row);
	row->state = OUTBOX_UNDELIVERABLE;
	return err == OK ? outbox_update(d->store, row) : err;
}

static enum err finish_row(
        const struct deliver *d, const struct deliver_result *result, struct outbox_row *row)
{
	free(row->error);
	row->error = x_strdup_opt(result->outcome == DELIVER_SENT ? NULL : result->error);
	switch (result->outcome) {
	case DELIVER_SENT:
		row->state = OUTBOX_SENT;
		row->sent_ms = d->now_ms;
		free(row->event_id);
		row->event_id = x_strdup(result->event_id);
		break;
	case DELIVER_UNDELIVERABLE:
		return finish_undeliverable(d, row);
	case DELIVER_ABSENT:
		return finish_absent(d, row, result->device_id);
	case DELIVER_LIMITED:
		return finish_limited(d, row);
	case DELIVER_RETRY:
		break;
	}
	return outbox_update(d->store, row);
}

enum err deliver_finish(const struct deliver *d, const struct deliver_result *given)
{
	struct deliver_result result = *given;
	struct outbox_row row = {0};
	char *echoed = NULL;
	enum err err = outbox_by_id(d->store, result.outbox_id, &row);

	if (err != OK)
		return err == ERR_NOT_FOUND ? OK : err; /* discarded in the meantime */
	if (result.outcome == DELIVER_UNDELIVERABLE && row.event_id) {
		/* /sync has shown it: an earlier try was accepted, and its answer lost */
		result.event_id = echoed = x_strdup(row.event_id);
		result.outcome = DELIVER_SENT;
	}
	err = finish_row(d, &result, &row);
	if (err == OK &&
	        (result.outcome == DELIVER_SENT || result.outcome == DELIVER_UNDELIVERABLE))
		err = deliver_message_ended(d, &row, &result);
	if (err == OK && result.outcome != DELIVER_ABSENT && !result.untried)
		err = finish_call(d, &row, &result);
	free(echoed);
	outbox_row_finish(&row);
	return err;
}

/* An edit on its way changes what nobody sees. */
static enum err redacted_edit(const struct deliver *d, int64_t message_id)
{
	struct outbox_row row = {0};
	enum err err = outbox_edit_of(d->store, message_id, &row);

	if (err == OK)
		err = deliver_put_back(d, &row);
	outbox_row_finish(&row);
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err deliver_redacted(const struct deliver *d, const char *room_id, const char *event_id)
{
	struct message_row message = {0};
	enum err err = messages_by_event(d->store, event_id, &message);

	if (err == ERR_NOT_FOUND)
		return OK;
	/* the event of another room stays, whatever the redaction says */
	if (err == OK && message.room_id && strcmp(message.room_id, room_id) == 0) {
		free(message.event_id);
		message.event_id = NULL;
		if (!message.closed_ms)
			message.closed_ms = d->now_ms;
		err = redacted_edit(d, message.id);
		if (err == OK)
			err = deliver_tell_anew(d, &message);
		message.dirty_ms = message.silent = 0;
		if (err == OK)
			err = deliver_message_store(d, &message);
	}
	message_row_finish(&message);
	return err;
}

enum err deliver_echoed(const struct deliver *d, const char *room, const char *room_id,
        const char *txn_id, const char *event_id)
{
	struct message_row message = {0};
	struct outbox_row row = {0};
	enum err err = outbox_frozen_as(d->store, room, txn_id, &row);

	if (err != OK || row.event_id || strcmp(row.room_id, room_id) != 0)
		goto out;
	row.event_id = x_strdup(event_id);
	err = outbox_update(d->store, &row);
	if (err == OK && row.purpose == OUTBOX_NEW)
		err = messages_find(d->store, row.message_id, &message);
	if (err != OK || !message.room)
		goto out;
	free(message.event_id);
	free(message.room_id);
	message.event_id = x_strdup(event_id);
	message.room_id = x_strdup(room_id);
	err = deliver_message_store(d, &message);
out:
	message_row_finish(&message);
	outbox_row_finish(&row);
	return err == ERR_NOT_FOUND ? OK : err;
}
