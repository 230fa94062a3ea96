/*
 * deliver.h - what happens to an alert, as transactions over the store: taking it in, choosing
 * and freezing the next event of a room, and taking note of what became of it.
 *
 * These functions run inside a writer job (its thread, open transaction); everything they
 * decide comes from group.h, route.h and render.h. After a crash the store alone says where
 * things stand.
 */
#pragma once

#include "handlers/alerts/alert.h"
#include "storage/alerts.h"
#include "storage/outbox.h"
#include "storage/store.h"

struct deliver_room;
struct deliver_batch;

/* Encrypts for rooms; see bot/crypto/crypto.h. Called inside the transaction that freezes the
 * event, so that a message index that was used is never used again. */
struct deliver_cipher {
	/* *ready: everybody who may read the room has its key. If not, what must be asked for
	 * is stored, and the room waits. */
	enum err (*ready)(void *arg, const struct deliver_room *room, int64_t now_ms, bool *ready);
	/* Right after ready(); *wire is the content of the m.room.encrypted event, owned by the
	 * caller. */
	enum err (*encrypt)(void *arg, const struct deliver_room *room, int64_t now_ms,
	        const char *type, const char *content, char **wire);
	void *arg;
};

struct deliver {
	struct store *store;
	const struct config *config;
	int64_t now_ms;
	const struct deliver_cipher *cipher; /* NULL: encrypted rooms wait */
	bool is_short;    /* the homeserver takes one event and no more for now: see pace.h */
	json_t *happened; /* array: what subscribers are told is added; or NULL */
	struct deliver_batch *batch; /* see batch.h; NULL: every alert is one of its own */
};

struct deliver_receipt {
	int64_t alert;      /* id of the stored alert (of the first, for a duplicate) */
	const char *state;  /* static: "queued", "grouped", "silenced", "ignored", "duplicate" */
	const char *reason; /* static: why it is ignored; else NULL */
};

/* Takes in one alert: stores it and decides where it goes. */
enum err deliver_accept(
        const struct deliver *d, const struct alert *alert, struct deliver_receipt *receipt);

/* What was handed in, of what is stored of it; alert_destroy() it. */
struct alert *deliver_stored_alert(const struct alert_row *row);

/* Delivers what was held back until now, as if it had just come; row is filled in, not stored. */
enum err deliver_release(const struct deliver *d, const struct alert *alert, struct alert_row *row);

/* Whether an alert that fires would be held back now, by a silence, a quiet time or a critical
 * failure of the same ([delivery] inhibit); stores and counts nothing. */
enum err deliver_would_hold(const struct deliver *d, const struct alert *alert, bool *yes);

/*
 * Brings the newest message about something that still fires up to date, by an edit that rings
 * nowhere, and counts nothing. again: it counts as having happened now, so that it stays among
 * what is brought up. *found: there is one.
 */
enum err deliver_refresh(
        const struct deliver *d, const struct alert *alert, bool again, bool *found);

/*
 * Puts an event with fixed content into a room's queue: an answer to a command, a heartbeat, a
 * reminder. content (borrowed, without RENDER_KEY's txn_id, which is added) must hold m.mentions;
 * a verification's event is sent as it is.
 * A room that the config does not name any more: deliver_room_now().
 * purpose: OUTBOX_REPLY with the message it belongs to, or OUTBOX_NOTE with message_id 0.
 * *outbox_id may be NULL.
 */
enum err deliver_post(const struct deliver *d, const char *room, enum outbox_purpose purpose,
        int64_t message_id, const char *type, const json_t *content, int64_t *outbox_id);

/* A room that can take an event now. */
struct deliver_room {
	const char *name;      /* of the config */
	const char *room_id;   /* what it resolves to */
	const char *device_id; /* of the access token */
	bool encrypted;
	int64_t served_ms; /* its last event left; any clock */
	bool noted;        /* and that was no alert */
	int64_t busy;      /* the event that is being sent to it, 0 = none: the next is only made
	                      ready, if it comes from the queue */
	const char *const *users; /* joined and invited; NULL = not known now: waits if encrypted */
	size_t users_len;
};

/* One event to send, copied out of the store. */
struct deliver_event {
	int64_t outbox_id;
	char room[64];                           /* name */
	char *room_id, *txn_id, *type, *content; /* owned */
	char what[16]; /* "send", "edit", "reply", … for the calls table */
	int64_t created_ms;
	bool look_first;   /* its fate is unknown for too long, or it is of another device */
	int64_t frozen_ms; /* first try not before this */
	bool more;         /* something else waits in the room's queue */
	bool waits;        /* nothing to send (outbox_id 0) until the room's keys are shared */
	bool again; /* nothing to send, as what came next turned out undeliverable: ask again */
};

void deliver_event_finish(struct deliver_event *event);

/*
 * For each room given: closes what is over, then chooses the next event in order (the head of
 * its queue, or a due edit if that waited longer), fixes its content and marks it frozen. Fills
 * events[] (one a room at most, zeroed where there is none: outbox_id 0) and *due_ms, the next
 * time anything in any room becomes due by itself (INT64_MAX = never).
 *
 * If the homeserver takes one event only: one for all rooms, of the room with the worst that
 * waits, and it says all that waits there; notes and answers come after alerts.
 */
enum err deliver_next(const struct deliver *d, const struct deliver_room *rooms, size_t rooms_len,
        struct deliver_event *events, int64_t *due_ms);

/* Moves what is for a room that the config does not name to where the route names now; *count
 * events. */
enum err deliver_rehome(const struct deliver *d, int64_t *count);

/* That room, or where critical alerts go if the config does not name it (any more). */
const char *deliver_room_now(const struct config *config, const char *room);

/* Gives up an event that waits or is undeliverable; ERR_NOT_FOUND: none has that number. What it
 * was to say stays in `!alerts`. */
enum err deliver_discard(const struct deliver *d, int64_t outbox_id);

enum deliver_outcome {
	DELIVER_SENT,          /* confirmed; event_id is set */
	DELIVER_LIMITED,       /* refused for now (rate limit, account): surely not taken */
	DELIVER_RETRY,         /* unsure or temporary; stays at the head */
	DELIVER_UNDELIVERABLE, /* refused for good, for the reason given */
	DELIVER_ABSENT, /* looked for in the room and not there: may be sent with the same content,
	                   encrypted anew if the device is another */
};

struct deliver_result {
	int64_t outbox_id;
	const char *room, *room_id; /* borrowed */
	const char *device_id;      /* of the access token */
	enum deliver_outcome outcome;
	const char *what;
	const char *event_id; /* or NULL */
	int64_t started_ms, duration_ms;
	enum err code;
	int http_status;
	const char *error;   /* or NULL */
	bool untried;        /* it was made ready and not sent */
	int64_t *latency_ms; /* since the oldest alert that it carries was taken in, for the caller
	                        to see, -1 = it carries none; or NULL */
};

/* Somebody removed an event from a room. If it was a message, that is closed, nothing hangs on it
 * any more, and the next alert is a new message. */
enum err deliver_redacted(const struct deliver *d, const char *event_id);

/* Takes note of a try, and writes its row in `calls`. */
enum err deliver_finish(const struct deliver *d, const struct deliver_result *result);
