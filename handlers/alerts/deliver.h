/*
 * deliver.h - what happens to an alert, as transactions over the store: accepting it, choosing and
 * freezing the next event of a room, and recording the result of sending it.
 *
 * These functions run inside a writer job (its thread, open transaction); group.h, route.h and
 * render.h make the decisions. After a crash the store alone determines the state.
 */
#pragma once

#include "handlers/alerts/alert.h"
#include "storage/alerts.h"
#include "storage/outbox.h"
#include "storage/store.h"

struct deliver_room;
struct deliver_batch;

/* Encrypts for rooms; see bot/crypto/crypto.h. Called inside the transaction that freezes the
 * event, so that a message index is never used twice. */
struct deliver_cipher {
	/* *ready: everybody who may read the room has its key. If not, the key requests that are
	 * needed have been stored, and the room waits. */
	enum err (*ready)(void *arg, const struct deliver_room *room, int64_t now_ms, bool *ready);
	/* Must directly follow ready(). *wire is the content of the m.room.encrypted event,
	 * owned by the caller. */
	enum err (*encrypt)(void *arg, const struct deliver_room *room, int64_t now_ms,
	        const char *type, const char *content, char **wire);
	void *arg;
};

struct deliver {
	struct store *store;
	const struct config *config;
	int64_t now_ms;
	const struct deliver_cipher *cipher; /* NULL: encrypted rooms wait */
	bool is_short;               /* the homeserver accepts only one event for now: see pace.h */
	json_t *happened;            /* array of events for subscribers, added to; or NULL */
	struct deliver_batch *batch; /* see batch.h; NULL: each alert is a batch of its own */
};

struct deliver_receipt {
	int64_t alert;      /* id of the stored alert (of the first, for a duplicate) */
	const char *state;  /* static: "queued", "grouped", "silenced", "ignored", "duplicate" */
	const char *reason; /* static: why it is ignored; else NULL */
};

/* Accepts one alert: stores it and decides where it goes. Costs some lookups by index and the
 * message that it joins, however much is stored, fires, waits or is silenced; it is matched against
 * each active silence, and once in a batch an index row is counted for each message that was opened
 * in the last minute. */
enum err deliver_accept(
        const struct deliver *d, const struct alert *alert, struct deliver_receipt *receipt);

/* The alert as it was received, rebuilt from its row; owned by the caller (alert_destroy()). */
struct alert *deliver_stored_alert(const struct alert_row *row);

/* Delivers an alert that was held until now as if it had just arrived; row is filled in, not
 * stored. */
enum err deliver_release(const struct deliver *d, const struct alert *alert, struct alert_row *row);

/* Whether a firing alert would be held now, by a silence, a quiet time or a critical failure of
 * the same identity ([delivery] inhibit); stores and counts nothing. */
enum err deliver_would_hold(const struct deliver *d, const struct alert *alert, bool *yes);

/*
 * Updates the newest message about a subject that is still firing, by an edit that notifies nobody
 * and counts nothing. again: the failure also counts as having happened now, so that it is not too
 * old for reminders. *found: there is such a message.
 */
enum err deliver_refresh(
        const struct deliver *d, const struct alert *alert, bool again, bool *found);

/*
 * Puts an event with fixed content into a room's queue: an answer to a command, a heartbeat, a
 * reminder. content is borrowed and must hold m.mentions; a txn_id is added to its RENDER_KEY. The
 * content of a verification event is not changed. If the config does not name the room any more,
 * deliver_room_now() replaces it. purpose: OUTBOX_REPLY with the message it belongs to, or
 * OUTBOX_NOTE with message_id 0. *outbox_id may be NULL.
 */
enum err deliver_post(const struct deliver *d, const char *room, enum outbox_purpose purpose,
        int64_t message_id, const char *type, const json_t *content, int64_t *outbox_id);

/* A room that can take an event now. */
struct deliver_room {
	const char *name;      /* of the config */
	const char *room_id;   /* what it resolves to */
	const char *device_id; /* of the access token */
	bool encrypted;
	int64_t served_ms; /* when its last event was sent; any clock */
	bool noted;        /* its last event was neither an alert nor an edit of one */
	int64_t busy; /* outbox id of the event that is being sent, 0 = none: the next one is then
	                 only prepared, and only if it comes from the queue */
	const char *const *users; /* joined and invited; NULL = unknown: encrypted rooms wait */
	size_t users_len;
};

/* One event to send; a copy that does not refer to the store. */
struct deliver_event {
	int64_t outbox_id;
	char room[64];                           /* name */
	char *room_id, *txn_id, *type, *content; /* owned */
	char what[16]; /* "send", "edit", "reply", … for the calls table */
	int64_t created_ms;
	bool look_first;   /* may have been sent already: look for it in the room first */
	int64_t frozen_ms; /* when its content was fixed; no try was earlier */
	bool more;         /* another event can follow at once */
	bool waits;        /* nothing to send (outbox_id 0) until the room's keys are shared */
	bool again; /* nothing to send: the next event turned out undeliverable; call again */
};

void deliver_event_finish(struct deliver_event *event);

/*
 * For each room given: closes messages whose time is over, then chooses the next event in order
 * (the head of its queue, or a due edit that has waited longer), fixes its content and marks it
 * frozen. Fills events[] (at most one for each room; outbox_id 0 where there is none) and *due_ms,
 * the next time at which anything in any room becomes due (INT64_MAX = never). Each room costs a
 * few lookups by index, however many messages and events it has.
 *
 * While the homeserver accepts only one event (is_short): one event for all rooms, in the room with
 * the most severe waiting alert. It carries everything that waits there; notes and answers come
 * after alerts. Then each call reads all events that wait.
 */
enum err deliver_next(const struct deliver *d, const struct deliver_room *rooms, size_t rooms_len,
        struct deliver_event *events, int64_t *due_ms);

/* Moves events of rooms that the config does not name any more to the rooms of the current
 * route; *count: how many. Reads all that is open, fires, waits or is undeliverable. */
enum err deliver_rehome(const struct deliver *d, int64_t *count);

/* The room itself, or the room of critical alerts if the config does not name it (any more). */
const char *deliver_room_now(const struct config *config, const char *room);

/* Deletes an event that waits or is undeliverable. Its alerts stay in `!alerts`. ERR_NOT_FOUND:
 * no such event. */
enum err deliver_discard(const struct deliver *d, int64_t outbox_id);

enum deliver_outcome {
	DELIVER_SENT,          /* confirmed; event_id is set */
	DELIVER_LIMITED,       /* rejected for now (rate limit, account): certainly not accepted */
	DELIVER_RETRY,         /* unknown or temporary; stays at the head of the queue */
	DELIVER_UNDELIVERABLE, /* rejected permanently, for the reason given */
	DELIVER_ABSENT, /* looked for in the room and not found: may be sent with the same content,
	                   encrypted again if the device has changed */
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
	bool untried;        /* it was prepared and not sent */
	int64_t *latency_ms; /* out: time since the oldest alert in it was accepted, -1 = it carries
	                        none; may be NULL */
	int64_t *due_ms; /* out: when its message is due next, for an edit or its end; unchanged if
	                    never; may be NULL */
};

/* Somebody redacted an event of the room. If it was a message, it is closed and not edited any
 * more, and the next alert starts a new message, as does at once what waited for an edit. */
enum err deliver_redacted(const struct deliver *d, const char *room_id, const char *event_id);

/* The homeserver showed an event in the room before it answered the request that sent it: what
 * people do with the event takes effect although its result is not known. Reads the events that
 * wait in the room. */
enum err deliver_echoed(const struct deliver *d, const char *room, const char *room_id,
        const char *txn_id, const char *event_id);

/* Records the result of a try, and adds its row to `calls`. Costs some lookups and the entries of
 * the event's message. */
enum err deliver_finish(const struct deliver *d, const struct deliver_result *result);
