/*
 * outbox.h - the delivery queue: events to be sent to the homeserver, in order for each room.
 *
 * A row is queued (its content may still change, or be NULL until its turn comes), then frozen
 * (content fixed; it may have been sent and is retried with the same transaction id), then sent or
 * undeliverable. Rows of a room are sent in the order of their ids; undeliverable ones are skipped.
 *
 * However many rows wait or were sent, a function reads by an index only those that it returns or
 * changes, unless its comment says more.
 */
#pragma once

#include <stddef.h>
#include "storage/store.h"

enum outbox_state { OUTBOX_QUEUED, OUTBOX_FROZEN, OUTBOX_SENT, OUTBOX_UNDELIVERABLE };
enum outbox_purpose {
	OUTBOX_NEW,       /* the new event of message_id */
	OUTBOX_EDIT,      /* an m.replace of it */
	OUTBOX_REPLY,     /* a message in its thread */
	OUTBOX_NOTE,      /* an event without a message row */
	OUTBOX_HEARTBEAT, /* a note: the bot's own heartbeat */
};

struct outbox_row {
	int64_t id;
	int state;          /* enum outbox_state */
	int purpose;        /* enum outbox_purpose */
	char *room;         /* room name */
	char *room_id;      /* fixed when frozen */
	int64_t message_id; /* 0 = none */
	char *txn_id;       /* unique; set by outbox_name() */
	char *type;         /* event type, "m.room.message" */
	char *content;      /* JSON or NULL while queued */
	char *wire_type;    /* event type sent when encrypted, or NULL */
	char *wire_content;
	char *device_id; /* device of the access token used when it was frozen */
	int64_t created_ms, frozen_ms, sent_ms;
	int64_t known_ms; /* when it was last certain whether the homeserver had it: frozen, or
	                     looked up and not found */
	int64_t tries;
	char *event_id;
	char *error; /* last failure, for people */
};

void outbox_row_finish(struct outbox_row *row);
void outbox_rows_free(struct outbox_row *rows, size_t len);

/* Sets the row's transaction id: random, never reused. */
enum err outbox_name(struct store *store, struct outbox_row *row);
/* Inserts, with its content if that is set; sets row->id, and row->txn_id if it has none. */
enum err outbox_insert(struct store *store, struct outbox_row *row);
/* Writes the delivery state: not the content, nor the columns that never change (purpose,
 * message_id, room, created_ms, txn_id, type). */
enum err outbox_update(struct store *store, const struct outbox_row *row);
/* Stores content and wire_content; content must be set. */
enum err outbox_say(struct store *store, const struct outbox_row *row);
/* Marks the row undeliverable; `why` becomes its error. */
enum err outbox_give_up(struct store *store, int64_t id, const char *why);
/* The first row after id `after` that is waiting or undeliverable and whose room is none of these
 * (a JSON array of names); ERR_NOT_FOUND when there is none. Scans all such rows. */
enum err outbox_stranded(struct store *store, const char *rooms, int64_t after, int64_t *id);
/* Moves the row to another room's queue. */
enum err outbox_rehome(struct store *store, int64_t id, const char *room);
enum err outbox_delete(struct store *store, int64_t id);
/* The queued row of a message (at most one); ERR_NOT_FOUND when there is none. */
enum err outbox_of_message(struct store *store, int64_t message_id, struct outbox_row *row);
/* The frozen edit of a message (at most one); ERR_NOT_FOUND when there is none. */
enum err outbox_edit_of(struct store *store, int64_t message_id, struct outbox_row *row);
/* Back to queued, as if it had never been frozen. Only for an event that the homeserver certainly
 * did not accept, so that its transaction id is unused. */
enum err outbox_thaw(struct store *store, struct outbox_row *row);
/* A frozen row of a room, which may or may not have been sent; ERR_NOT_FOUND when there is none.
 * Scans all waiting rows of the room. */
enum err outbox_frozen(struct store *store, const char *room, struct outbox_row *row);
/* The frozen row of a room with a transaction id. Scans all waiting rows of the room. */
enum err outbox_frozen_as(
        struct store *store, const char *room, const char *txn_id, struct outbox_row *row);
/* The first queued new message of a room, the worst severity first. Scans all waiting rows of the
 * room. */
enum err outbox_first_new(struct store *store, const char *room, struct outbox_row *row);
enum err outbox_by_id(struct store *store, int64_t id, struct outbox_row *row);
/* The row of an event sent by the bot; ERR_NOT_FOUND: not sent by it, or pruned. */
enum err outbox_by_event(struct store *store, const char *event_id, struct outbox_row *row);
/* The first queued or frozen row of a room, other than the rows `but` and `nor` (0 = none is left
 * out); ERR_NOT_FOUND when there is none. */
enum err outbox_head(
        struct store *store, const char *room, int64_t but, int64_t nor, struct outbox_row *row);
/* Counts for `status`; oldest_ms is 0 when the queue is empty. Scans all waiting and undeliverable
 * rows. */
enum err outbox_counts(
        struct store *store, int64_t *waiting, int64_t *undeliverable, int64_t *oldest_ms);
struct outbox_waiting {
	int64_t count, first_id; /* first_id 0: nothing is waiting */
};
/* The number of waiting rows of a room and the first of them. Scans an index of these. */
enum err outbox_waiting_in(struct store *store, const char *room, struct outbox_waiting *waiting);
/* Undeliverable rows, oldest first. */
enum err outbox_undeliverable(
        struct store *store, int limit, struct outbox_row **rows, size_t *len);
/* Requeues, as outbox_retry() does, undeliverable rows of a room that were frozen for another room
 * id than room_id, because the room was upgraded or its alias moved. Scans all undeliverable
 * rows once. */
enum err outbox_follow(struct store *store, const char *room, const char *room_id, int64_t *count);
/* Requeues undeliverable rows (id 0 = all) under new transaction ids; *count is their number. The
 * columns fixed by freezing are cleared, except content, which stays as a draft. A row that was
 * tried more than once may be in the room, since the answer to an earlier try may have been lost:
 * it becomes frozen again as it was, with known_ms 0; not so an edit, which is made anew. */
enum err outbox_retry(struct store *store, int64_t id, int64_t *count);
