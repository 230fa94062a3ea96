/*
 * send.c - chooses and freezes the next event (deliver.h).
 *
 * Invariant: content that may have been sent is never changed. Freezing an event fixes its content,
 * marks the alerts it carries, and is committed before the first byte is sent.
 */
#include <stdio.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "handlers/alerts/deliver_message.h"
#include "handlers/alerts/freeze.h"
#include "handlers/alerts/group.h"
#include "handlers/alerts/render.h"
#include "handlers/oncall/about.h"
#include "storage/alerts.h"
#include "storage/known_rooms.h"

/* Homeservers forget transaction ids, Synapse after about 30 minutes. */
#define DELIVER_FATE_MS (10 * CLOCK_MINUTE_MS)
#define DELIVER_NOTE_WAIT_MS (30 * CLOCK_SECOND_MS) /* for alerts, while the rate is limited */
#define DELIVER_EDITS_MAX 200 /* edits looked through while the rate is limited */
#define DELIVER_STORM_LOOK_MS (5 * CLOCK_SECOND_MS)
/* Whoever receives the keys wakes the room that waits for them; this is the fallback. */
#define DELIVER_KEYS_LOOK_MS (30 * CLOCK_SECOND_MS)
#define DELIVER_NO_MESSAGE "the database is damaged: its message is missing"

void deliver_event_finish(struct deliver_event *event)
{
	free(event->room_id);
	free(event->txn_id);
	free(event->type);
	free(event->content);
	memset(event, 0, sizeof(*event));
}

static void send_earlier(int64_t *due_ms, int64_t ms)
{
	if (ms < *due_ms)
		*due_ms = ms;
}

/* --- minutes that end --------------------------------------------------------------------- */

/* *over: alerts no longer come from many apps. */
static enum err storm_over(const struct deliver *d, const struct message_row *message, bool *over)
{
	struct group_policy policy = group_policy(d->config, message->origin);
	struct entry_row *entries;
	int64_t recent = 0;
	size_t len, j;
	enum err err = entries_of(d->store, message->id, &entries, &len);

	if (err != OK)
		return err;
	for (size_t i = 0; i < len; i++) {
		for (j = 0; j < i && strcmp(entries[j].app, entries[i].app) != 0; j++)
			;
		recent += j == i && d->now_ms - entries[i].last_ms < CLOCK_MINUTE_MS;
	}
	*over = group_storm_over(&policy, recent);
	entry_rows_free(entries, len);
	return OK;
}

/* Closes a message whose end has come, unless it is a storm that continues. */
static enum err message_end(const struct deliver *d, struct message_row *message)
{
	struct group_policy policy = group_policy(d->config, message->origin);
	bool rings, over = true;
	enum err err = OK;

	/* The throttle was raised or the clock was changed: compute the end again. */
	if (!group_over(&policy, message, d->now_ms, &rings)) {
		message->end_ms = 0;
		return deliver_message_store(d, message);
	}
	if (message->kind == MESSAGE_STORM) {
		err = storm_over(d, message, &over);
		if (err != OK)
			return err;
		if (!over && rings) { /* the next one is a minute later at the earliest */
			err = deliver_message_ring(d, message);
			message->silent = 0;
		}
		if (!over) {
			message->end_ms =
			        d->now_ms + (rings ? CLOCK_MINUTE_MS : DELIVER_STORM_LOOK_MS);
			return err == OK ? messages_update(d->store, message) : err;
		}
		message->dirty_ms = message->dirty_ms ? message->dirty_ms : d->now_ms;
	}
	message->closed_ms = d->now_ms;
	err = deliver_message_store(d, message);
	return err == OK && rings ? deliver_message_ring(d, message) : err;
}

/* Reads the message with the earliest end if that has come (*due); else lowers *due_ms to it. */
static enum err next_end(
        const struct deliver *d, struct message_row *message, bool *due, int64_t *due_ms)
{
	struct group_policy policy;
	int64_t first_ms;
	enum err err = messages_end_first(d->store, message);

	*due = false;
	if (err != OK)
		return err == ERR_NOT_FOUND ? OK : err;
	policy = group_policy(d->config, message->origin);
	*due = group_end_due(&policy, message, d->now_ms);
	if (*due)
		return OK;
	first_ms = message->end_ms;
	message_row_finish(message);
	err = messages_end_last(d->store, message); /* too far ahead: the clock was set back */
	if (err != OK)
		return err;
	policy = group_policy(d->config, message->origin);
	*due = group_end_due(&policy, message, d->now_ms);
	if (!*due)
		send_earlier(due_ms, first_ms);
	return OK;
}

static enum err end_minutes(const struct deliver *d, int64_t *due_ms)
{
	bool due = true;
	enum err err = OK;

	while (due && err == OK) {
		struct message_row message = {0};

		err = next_end(d, &message, &due, due_ms);
		if (err == OK && due)
			err = message_end(d, &message);
		message_row_finish(&message);
	}
	return err;
}

/* --- one event ---------------------------------------------------------------------------- */

static void event_make(const struct outbox_row *row, struct deliver_event *event)
{
	static const char *const what[] = {"send", "edit", "reply", "note", "heartbeat"};

	event->outbox_id = row->id;
	snprintf(event->room, sizeof(event->room), "%s", row->room);
	event->room_id = x_strdup(row->room_id);
	event->txn_id = x_strdup(row->txn_id);
	event->type = x_strdup(row->wire_content ? row->wire_type : row->type);
	event->content = x_strdup(row->wire_content ? row->wire_content : row->content);
	snprintf(event->what, sizeof(event->what), "%s", what[row->purpose]);
	event->created_ms = row->created_ms;
	event->frozen_ms = row->frozen_ms;
}

/* The transaction id may be forgotten (or the clock was changed), or is another device's. */
static bool fate_is_unknown(
        const struct deliver *d, const struct outbox_row *row, const char *device_id)
{
	int64_t age_ms = d->now_ms - row->known_ms;

	return age_ms > DELIVER_FATE_MS || age_ms < -GROUP_SKEW_MS || !row->device_id ||
	       strcmp(row->device_id, device_id) != 0;
}

/*
 * The event was for another room than its name means now: the config names another, or the room was
 * upgraded. It is sent to the new room, unless it may have been sent to the old one: then it is
 * looked for there first (*look), and unfrozen if it is not there. A line in the thread of a
 * message in the old room is dropped. *moved: the event must not be sent as it is.
 */
static enum err event_follow(const struct deliver *d, const struct deliver_room *room,
        struct outbox_row *head, bool *moved, bool *look)
{
	struct message_row message = {0};
	bool frozen = head->state == OUTBOX_FROZEN;
	bool elsewhere = frozen && strcmp(head->room_id, room->room_id) != 0;
	enum err err = OK;

	*moved = *look = false;
	if (head->purpose == OUTBOX_REPLY) {
		err = messages_find(d->store, head->message_id, &message);
		*moved = message.room_id && strcmp(message.room_id, room->room_id) != 0;
		message_row_finish(&message);
		return err == OK && *moved ? outbox_delete(d->store, head->id) : err;
	}
	*look = elsewhere && head->tries > 0;
	/* a queued edit was put back by `retry`: it is made again from the current message */
	*moved = (elsewhere && !*look) || (!frozen && head->purpose == OUTBOX_EDIT);
	err = *moved ? deliver_put_back(d, head) : OK;
	return err == ERR_NOT_FOUND ? outbox_give_up(d->store, head->id, DELIVER_NO_MESSAGE) : err;
}

static enum err next_of_queue(const struct deliver *d, const struct deliver_room *room,
        struct outbox_row *head, struct deliver_event *event)
{
	bool again = head->state == OUTBOX_FROZEN, encrypted = false, late = false, said, look;
	enum err err = event_follow(d, room, head, &event->again, &look);

	if (err == OK && !event->again)
		err = about_drop(d->store, head, &event->again);
	if (err != OK || event->again)
		return err;
	if (look) {
		head->tries++;
		event_make(head, event);
		event->look_first = true;
		return outbox_update(d->store, head);
	}
	/* clients cannot read encrypted reactions, and a reaction reveals only an emoji */
	if (strcmp(head->type, "m.reaction") != 0)
		err = freeze_is_encrypted(d, room, room->room_id, &encrypted);
	if (err == OK && encrypted && !head->wire_content) {
		late = again && !head->wire_type;
		err = freeze_must_wait(d, room, &event->waits);
	}
	if (err != OK || event->waits)
		return err;
	head->tries++;
	said = again && (!encrypted || head->wire_content);
	if (!again)
		err = freeze_event(d, head, room, room->room_id, encrypted);
	if (err == ERR_NOT_FOUND) {
		event->again = true;
		return outbox_give_up(d->store, head->id, DELIVER_NO_MESSAGE);
	}
	if (err == OK && encrypted)
		err = freeze_encrypt(d, room, head);
	if (late) /* an earlier try, whose answer was lost, may have sent it as plain text */
		head->known_ms = 0;
	if (err == OK && !said)
		err = outbox_say(d->store, head);
	if (err == OK)
		err = outbox_update(d->store, head);
	if (err != OK)
		return err;
	event_make(head, event);
	event->look_first = again && fate_is_unknown(d, head, room->device_id);
	return OK;
}

/* Sends the current message as a new one, in the room that has the name now. */
static enum err say_anew(
        const struct deliver *d, struct message_row *message, struct outbox_row *row)
{
	row->purpose = OUTBOX_NEW;
	free(message->event_id);
	free(message->room_id);
	message->event_id = message->room_id = NULL;
	message->sent_ms = 0;
	return deliver_message_store(d, message);
}

/* *left: the message is in a room that its name does not mean any more, and an edit does not help:
 * that room is encrypted, so that it cannot be written to, or the edit adds unread entries. */
static enum err edit_is_left(const struct deliver *d, const struct deliver_room *room,
        const struct message_row *message, bool encrypted, bool *left)
{
	struct entry_row *untold = NULL;
	size_t len = 0;
	enum err err = OK;

	*left = strcmp(message->room_id, room->room_id) != 0;
	if (*left && !encrypted) {
		err = entries_untold(d->store, message->id, &untold, &len);
		*left = len > 0;
		entry_rows_free(untold, len);
	}
	return err;
}

static enum err next_edit(const struct deliver *d, const struct deliver_room *room,
        struct message_row *message, struct deliver_event *event)
{
	struct outbox_row row = {
	        .purpose = OUTBOX_EDIT,
	        .room = message->room,
	        .message_id = message->id,
	        .type = (char *)"m.room.message",
	        .created_ms = message->dirty_ms,
	};
	bool encrypted, left = false;
	enum err err;

	if (!message->event_id) { /* its row is damaged: there is nothing to edit */
		event->again = true;
		return deliver_message_store(d, message);
	}
	if (!message->room_id)
		message->room_id = x_strdup(room->room_id);
	err = freeze_is_encrypted(d, room, message->room_id, &encrypted);
	if (err == OK)
		err = edit_is_left(d, room, message, encrypted, &left);
	if (err == OK && left)
		err = freeze_is_encrypted(d, room, room->room_id, &encrypted);
	if (err == OK && encrypted)
		err = freeze_must_wait(d, room, &event->waits);
	if (err != OK || event->waits)
		return err;
	if (left)
		err = say_anew(d, message, &row);
	if (err != OK)
		return err;
	row.tries = 1;
	err = outbox_name(d->store, &row);
	if (err == OK)
		err = outbox_insert(d->store, &row);
	if (err == OK)
		err = freeze_event(d, &row, room,
		        message->room_id ? message->room_id : room->room_id, encrypted);
	if (err == OK && encrypted)
		err = freeze_encrypt(d, room, &row);
	if (err == OK)
		err = outbox_say(d->store, &row);
	if (err == OK)
		err = outbox_update(d->store, &row);
	if (err == OK)
		event_make(&row, event);
	free(row.txn_id);
	free(row.content);
	free(row.wire_type);
	free(row.wire_content);
	free(row.room_id);
	free(row.device_id);
	return err;
}

/* The message whose edit is due first, if it is due (*due); else *due_ms is when it will be. */
static enum err due_edit(const struct deliver *d, const char *room, struct message_row *message,
        bool *due, int64_t *due_ms)
{
	struct group_policy policy;
	int64_t first_ms;
	enum err err = messages_edit_first(d->store, room, message);

	*due = false;
	if (err != OK)
		return err == ERR_NOT_FOUND ? OK : err;
	policy = group_policy(d->config, message->origin);
	*due = group_next_edit_due(&policy, message, d->now_ms);
	if (*due)
		return OK;
	first_ms = message->edit_ms;
	message_row_finish(message);
	err = messages_edit_last(d->store, room, message); /* as in next_end() */
	if (err != OK)
		return err;
	policy = group_policy(d->config, message->origin);
	*due = group_next_edit_due(&policy, message, d->now_ms);
	if (!*due)
		send_earlier(due_ms, first_ms);
	return OK;
}

/* The due edit of a room that adds the most severe entry which is in no event yet, the first among
 * equals; *rank: its severity, -1 = there is none. */
static enum err untold_edit(
        const struct deliver *d, const char *room, struct message_row *message, int *rank)
{
	struct message_row *rows = NULL;
	size_t len = 0;
	enum err err = messages_edits(d->store, room, DELIVER_EDITS_MAX, &rows, &len);

	*rank = -1;
	for (size_t i = 0; i < len && *rank < SEVERITY_CRITICAL && err == OK; i++) {
		struct group_policy policy = group_policy(d->config, rows[i].origin);
		struct entry_row *entries = NULL;
		size_t untold = 0;

		if (!group_edit_due(&policy, &rows[i], d->now_ms))
			continue;
		err = entries_untold(d->store, rows[i].id, &entries, &untold);
		if (untold > 0 && entries[0].severity > *rank) {
			*rank = entries[0].severity;
			message_row_finish(message);
			*message = rows[i];
			rows[i] = (struct message_row){0};
		}
		entry_rows_free(entries, untold);
	}
	message_rows_free(rows, len);
	return err;
}

/*
 * Chooses what is sent first while the homeserver accepts only one event: a frozen event; a note or
 * an answer that has waited too long, alternating with alerts; new messages, the most severe first;
 * edits that add entries. Changes *edit (*edits) or *head (*queued) if that differs from what the
 * caller chose.
 */
static enum err first_of_few(const struct deliver *d, const struct deliver_room *room,
        struct outbox_row *head, bool *queued, struct message_row *edit, bool *edits)
{
	bool note = *queued && head->purpose != OUTBOX_NEW && head->purpose != OUTBOX_EDIT;
	struct outbox_row first = {0};
	int untold;
	enum err err = outbox_frozen(d->store, room->name, &first);

	if (err == ERR_NOT_FOUND && note && !room->noted &&
	        d->now_ms - head->created_ms > DELIVER_NOTE_WAIT_MS) {
		*edits = false;
		return OK;
	}
	if (err == ERR_NOT_FOUND)
		err = outbox_first_new(d->store, room->name, &first);
	if (err == OK) {
		outbox_row_finish(head);
		*head = first;
		*queued = true;
		*edits = false;
		return OK;
	}
	if (err != ERR_NOT_FOUND)
		return err;
	err = untold_edit(d, room->name, edit, &untold);
	if (untold >= 0) {
		*edits = true;
		*queued = false;
	}
	return err;
}

/* Sets event->more: the room's queue has another event, or an edit is due. */
static enum err event_look_ahead(const struct deliver *d, const struct deliver_room *room,
        struct deliver_event *event, int64_t *due_ms)
{
	struct message_row edit = {0};
	struct outbox_row next = {0};
	int64_t edits_ms = INT64_MAX;
	bool edits = false;
	enum err err = outbox_head(d->store, room->name, room->busy, event->outbox_id, &next);

	event->more = err == OK;
	if (err == OK || err == ERR_NOT_FOUND)
		err = due_edit(d, room->name, &edit, &edits, &edits_ms);
	event->more = event->more || edits;
	send_earlier(due_ms, edits_ms);
	message_row_finish(&edit);
	outbox_row_finish(&next);
	return err;
}

/* Prepares the event that follows the one being sent, so that no write delays it: only the next
 * one of the queue. Sets event->more also without an event: there is one that must wait until the
 * other is sent. */
static enum err next_ahead(const struct deliver *d, const struct deliver_room *room,
        struct deliver_event *event, int64_t *due_ms)
{
	struct outbox_row head = {0};
	struct message_row edit = {0};
	int64_t edits_ms = INT64_MAX;
	bool queued, edits = false;
	enum err err = outbox_head(d->store, room->name, room->busy, 0, &head);

	queued = err == OK;
	if (err == OK || err == ERR_NOT_FOUND)
		err = due_edit(d, room->name, &edit, &edits, &edits_ms);
	if (err == OK && queued && head.state == OUTBOX_QUEUED &&
	        !(edits && edit.dirty_ms < head.created_ms))
		err = next_of_queue(d, room, &head, event);
	event->more = queued || edits;
	send_earlier(due_ms, edits_ms);
	message_row_finish(&edit);
	outbox_row_finish(&head);
	return err;
}

static enum err next_of_room(const struct deliver *d, const struct deliver_room *room,
        struct deliver_event *event, int64_t *due_ms)
{
	struct outbox_row head = {0};
	struct message_row edit = {0};
	int64_t edits_ms = INT64_MAX;
	bool queued, edits;
	enum err err = d->is_short ? deliver_collect(d, room->name) : OK;

	if (err == OK)
		err = outbox_head(d->store, room->name, 0, 0, &head);
	queued = err == OK;
	if (err == OK || err == ERR_NOT_FOUND)
		err = due_edit(d, room->name, &edit, &edits, &edits_ms);
	if (err != OK)
		goto out;
	if (queued && head.state == OUTBOX_QUEUED && edits && edit.dirty_ms < head.created_ms)
		queued = false;
	if (d->is_short)
		err = first_of_few(d, room, &head, &queued, &edit, &edits);
	if (err != OK)
		goto out;
	if (queued)
		err = next_of_queue(d, room, &head, event);
	else if (edits)
		err = next_edit(d, room, &edit, event);
	if (event->outbox_id == 0) {
		/* The end of an event leads to another call; without an event only *due_ms does. */
		send_earlier(due_ms, edits_ms);
		if (event->waits)
			send_earlier(due_ms, d->now_ms + DELIVER_KEYS_LOOK_MS);
		if (event->again)
			send_earlier(due_ms, d->now_ms);
	}
out:
	message_row_finish(&edit);
	outbox_row_finish(&head);
	return err;
}

static enum err next_or_ahead(const struct deliver *d, const struct deliver_room *room,
        struct deliver_event *event, int64_t *due_ms)
{
	enum err err = room->busy ? next_ahead(d, room, event, due_ms)
	                          : next_of_room(d, room, event, due_ms);

	return err == OK && event->outbox_id ? event_look_ahead(d, room, event, due_ms) : err;
}

/* A room whose encryption fails delays no other: its changes are rolled back until later. */
static enum err next_apart(const struct deliver *d, const struct deliver_room *room,
        struct deliver_event *event, int64_t *due_ms)
{
	enum err err, end;

	if (!room->encrypted)
		return next_or_ahead(d, room, event, due_ms);
	err = store_savepoint(d->store);
	if (err != OK)
		return err;
	err = next_or_ahead(d, room, event, due_ms);
	end = err == OK ? store_release(d->store) : store_undo(d->store);
	if (err != OK && end == OK) {
		log_seldom(LOG_ERROR, "deliver", room->name, "%s: cannot encrypt, retrying: %s",
		        room->name, err_text(err));
		deliver_event_finish(event);
		event->waits = true;
		send_earlier(due_ms, d->now_ms + DELIVER_KEYS_LOOK_MS);
	}
	return end;
}

/* The severity of the worst that waits in a room, in a new message or for an edit; -1 = none. */
static enum err rank_of_room(const struct deliver *d, const struct deliver_room *room, int *rank)
{
	struct message_row *rows = NULL, edit = {0};
	size_t len = 0;
	enum err err = untold_edit(d, room->name, &edit, rank);

	message_row_finish(&edit);
	if (err == OK && *rank < SEVERITY_CRITICAL)
		err = messages_queued(d->store, room->name, 1, &rows, &len);
	if (len > 0 && rows[0].severity > *rank)
		*rank = rows[0].severity;
	message_rows_free(rows, len);
	return err;
}

/* One event, for the room with the most severe waiting message; among equals, the one served
 * longest ago. */
static enum err next_of_few(const struct deliver *d, const struct deliver_room *rooms, size_t len,
        struct deliver_event *events, int64_t *due_ms)
{
	int *ranks = x_calloc(len + 1, sizeof(*ranks));
	enum err err = OK;

	for (size_t i = 0; i < len && err == OK; i++)
		err = rank_of_room(d, &rooms[i], &ranks[i]);
	for (size_t n = 0; n < len && err == OK; n++) {
		size_t best = 0;

		for (size_t i = 1; i < len; i++)
			if (ranks[i] > ranks[best] ||
			        (ranks[i] == ranks[best] &&
			                rooms[i].served_ms < rooms[best].served_ms))
				best = i;
		err = next_apart(d, &rooms[best], &events[best], due_ms);
		if (events[best].outbox_id) {
			events[best].more = true; /* the other rooms were not looked at */
			break;
		}
		ranks[best] = -2;
	}
	free(ranks);
	return err;
}

enum err deliver_next(const struct deliver *d, const struct deliver_room *rooms, size_t rooms_len,
        struct deliver_event *events, int64_t *due_ms)
{
	enum err err;

	*due_ms = INT64_MAX;
	err = end_minutes(d, due_ms);
	if (err == OK && d->is_short)
		return next_of_few(d, rooms, rooms_len, events, due_ms);
	for (size_t i = 0; i < rooms_len && err == OK; i++)
		err = next_apart(d, &rooms[i], &events[i], due_ms);
	return err;
}
