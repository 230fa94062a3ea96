/*
 * outbox.h - events on their way to the homeserver, in order for each room.
 *
 * A row is queued (content may still change or be NULL: made when its turn comes), then frozen
 * (content fixed, may have been sent, is retried with the same transaction id), then sent or
 * undeliverable. Rows of one room leave in the order of their ids; a row that is undeliverable is
 * skipped.
 */
#pragma once

#include <stddef.h>
#include "storage/store.h"

enum outbox_state { OUTBOX_QUEUED, OUTBOX_FROZEN, OUTBOX_SENT, OUTBOX_UNDELIVERABLE };
enum outbox_purpose {
	OUTBOX_NEW,       /* the new event of message_id */
	OUTBOX_EDIT,      /* an m.replace of it */
	OUTBOX_REPLY,     /* something in its thread */
	OUTBOX_NOTE,      /* an event without a message row */
	OUTBOX_HEARTBEAT, /* such a one: the bot's own sign of life */
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
	char *wire_type;    /* what is sent when encrypted, or NULL */
	char *wire_content;
	char *device_id; /* of the access token it was frozen under */
	int64_t created_ms, frozen_ms, sent_ms;
	int64_t known_ms; /* last time its fate was certain: frozen, or looked for and not there */
	int64_t tries;
	char *event_id;
	char *error; /* last failure, for people */
};

void outbox_row_finish(struct outbox_row *row);
void outbox_rows_free(struct outbox_row *rows, size_t len);

/* Gives the row its transaction id: random, never given again. */
enum err outbox_name(struct store *store, struct outbox_row *row);
/* Inserts, with its content if that is set; sets row->id, and row->txn_id if it has none. */
enum err outbox_insert(struct store *store, struct outbox_row *row);
/* What becomes of an event: not its content, nor what never changes (purpose, message_id, room,
 * created_ms, txn_id, type). */
enum err outbox_update(struct store *store, const struct outbox_row *row);
/* Stores content and wire_content; content must be set. */
enum err outbox_say(struct store *store, const struct outbox_row *row);
/* It is undeliverable, for that reason. */
enum err outbox_give_up(struct store *store, int64_t id, const char *why);
/* The first event behind `after` that waits or is undeliverable, for none of these rooms (a JSON
 * array of names); ERR_NOT_FOUND when there is none. Walks through all of these. */
enum err outbox_stranded(struct store *store, const char *rooms, int64_t after, int64_t *id);
/* Into another room's queue. */
enum err outbox_rehome(struct store *store, int64_t id, const char *room);
enum err outbox_delete(struct store *store, int64_t id);
/* The one event of a message that is queued; ERR_NOT_FOUND when there is none. */
enum err outbox_of_message(struct store *store, int64_t message_id, struct outbox_row *row);
/* Back to queued, as if it had never been frozen: the homeserver surely did not take it, so its
 * transaction id is unused. */
enum err outbox_thaw(struct store *store, struct outbox_row *row);
/* An event of a room whose fate is not known; ERR_NOT_FOUND when there is none. Walks through all
 * that waits there. */
enum err outbox_frozen(struct store *store, const char *room, struct outbox_row *row);
/* The first new message of a room that is queued, the worst first. */
enum err outbox_first_new(struct store *store, const char *room, struct outbox_row *row);
enum err outbox_by_id(struct store *store, int64_t id, struct outbox_row *row);
/* What an event of ours was; ERR_NOT_FOUND: it is not ours, or forgotten. */
enum err outbox_by_event(struct store *store, const char *event_id, struct outbox_row *row);
/* First row of a room that is queued or frozen; ERR_NOT_FOUND when the queue is empty. */
enum err outbox_head(struct store *store, const char *room, int64_t but, struct outbox_row *row);
/* Counts for `status`; oldest_ms is 0 when nothing waits. */
enum err outbox_counts(
        struct store *store, int64_t *waiting, int64_t *undeliverable, int64_t *oldest_ms);
struct outbox_waiting {
	int64_t count, first_id; /* first_id 0: nothing waits */
};
/* What waits for a room. */
enum err outbox_waiting_in(struct store *store, const char *room, struct outbox_waiting *waiting);
/* Undeliverable rows, oldest first. */
enum err outbox_undeliverable(
        struct store *store, int limit, struct outbox_row **rows, size_t *len);
/* Puts rows of a room back that were undeliverable in another room id than the one the name means
 * now: the room was upgraded, or its alias moved. As outbox_retry(). */
enum err outbox_follow(struct store *store, const char *room, const char *room_id, int64_t *count);
/* Puts undeliverable rows (id 0 = all) back as queued under new transaction ids; *count of them.
 * What was fixed when they were frozen is cleared, except content: it stays as a draft. */
enum err outbox_retry(struct store *store, int64_t id, int64_t *count);
