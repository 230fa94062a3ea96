/*
 * alerts.h - every alert that was received, and its state.
 *
 * However many alerts are stored, a function reads by an index only those that it returns, changes
 * or counts, unless its comment says more.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>
#include "storage/store.h"

enum alert_state { ALERT_QUEUED, ALERT_GROUPED, ALERT_SILENCED, ALERT_IGNORED };
/* "queued", "grouped", …: used in the database and in answers; NULL-terminated. */
extern const char *const alert_state_names[];

/* Why the alert is in its state. */
enum alert_cause {
	ALERT_NEW,       /* queued: opened a new message */
	ALERT_JOINED,    /* grouped: joined the open message */
	ALERT_STORM,     /* queued or grouped: in the storm's message */
	ALERT_RESOLVED,  /* grouped: resolves an alert that was firing */
	ALERT_UNMATCHED, /* resolved, but no matching alert was firing */
	ALERT_SILENCE,   /* silenced by the silence silence_id */
	ALERT_QUIET,     /* silenced by a quiet time of the config */
	ALERT_INHIBITED, /* silenced: a critical alert of the same app and identity fires */
	ALERT_COLLECTED, /* moved into a message that collects waiting alerts */
};

struct alert_row {
	int64_t id;   /* set by alerts_insert() */
	char *ext_id; /* the sender's idempotency key or NULL; unique in its app */
	char *key;    /* identity given by the sender instead of the default, or NULL */
	char *app, *kind;
	int severity;          /* enum severity */
	int resolved;          /* 0 firing, 1 resolved */
	int test;              /* 1: sent by `test`, not counted anywhere */
	char *run_id;          /* or NULL */
	char *subject;         /* hex digest of app, kind and identity, without severity */
	char *fingerprint;     /* hex digest, as subject but with severity */
	char *identity;        /* what failed, for people */
	char *fields;          /* JSON object: all fields of the request */
	char *url;             /* link or NULL */
	int64_t at_ms;         /* when it happened */
	int64_t received_ms;   /* when it was received */
	int64_t uid, gid, pid; /* of the peer; -1 = unknown */
	char *room;            /* room name it was routed to, or NULL */
	int64_t message_id;    /* the message it is in, 0 = none */
	int64_t silence_id;    /* the silence that suppressed it, 0 = none */
	char *quiet;           /* the quiet time that suppressed it, or NULL */
	int held;              /* 1 = firing and still suppressed */
	int state;             /* enum alert_state */
	int cause;             /* enum alert_cause */
	char *reason;          /* the cause in words */
};

void alert_row_finish(struct alert_row *row);
void alert_rows_free(struct alert_row *rows, size_t len);

/* Inserts; sets row->id. ERR_EXISTS when the app's ext_id is known. */
enum err alerts_insert(struct store *store, struct alert_row *row);
/* app: NULL = of any app. ERR_NOT_FOUND when there is none. Fills *row. */
enum err alerts_by_ext_id(
        struct store *store, const char *ext_id, const char *app, struct alert_row *row);
/* Clears the ext_id, of whatever app: a later alert with it is not a duplicate. */
enum err alerts_forget_ext_id(struct store *store, const char *ext_id);
enum err alerts_by_id(struct store *store, int64_t id, struct alert_row *row);
/* The newest alert with that run id; resolved notices only when there is no other. Reads all alerts
 * of the run. */
enum err alerts_by_run_id(struct store *store, const char *run_id, struct alert_row *row);

/* The newest firing alert of a failure in a message; reads all alerts of the message. */
enum err alerts_newest_in(
        struct store *store, int64_t message_id, const char *fingerprint, struct alert_row *row);

/* All alerts of a run, newest first, at most limit. The caller frees the rows. */
enum err alerts_of_run(
        struct store *store, const char *run_id, int limit, struct alert_row **rows, size_t *len);
/* The firing alerts that a silence suppresses, one row for each fingerprint, newest first. */
enum err alerts_held(
        struct store *store, int64_t silence_id, int limit, struct alert_row **rows, size_t *len);

/* Counts the alerts of a message that no event has carried yet. */
enum err alerts_count_untold(struct store *store, int64_t message_id, int64_t *count);
/* After the event was refused: its alerts count as not carried by any event again. */
enum err alerts_uncarry(struct store *store, int64_t message_id, int64_t outbox_id);
/* Moves the alerts that no event carries yet from one message to another; fingerprint NULL =
 * all. */
enum err alerts_move(
        struct store *store, int64_t from, const char *fingerprint, int64_t to, const char *reason);
/* Whether any alert is firing and suppressed. */
enum err alerts_any_held(struct store *store, bool *any);
/* As alerts_held(), for a quiet time; for a subject; for all silences that have ended or have a
 * problem, without reading what other silences suppress. */
enum err alerts_held_quiet(
        struct store *store, const char *quiet, int limit, struct alert_row **rows, size_t *len);
enum err alerts_held_of(
        struct store *store, const char *subject, int limit, struct alert_row **rows, size_t *len);
enum err alerts_held_over(struct store *store, int limit, struct alert_row **rows, size_t *len);
/* Inhibited alerts whose critical alert is no longer firing; all inhibited ones if inhibits is
 * false (inhibition is switched off). Reads all inhibited ones. */
enum err alerts_held_inhibited(
        struct store *store, bool inhibits, int limit, struct alert_row **rows, size_t *len);
/* The quiet times that suppress an alert, and the rooms in which a silence suppressed one, by an
 * index from 0; ERR_NOT_FOUND past the last. Costs a lookup for each of them, however many alerts
 * they have. The text is owned by the caller. */
enum err alerts_held_quiets(struct store *store, int index, char **name);
enum err alerts_held_rooms(struct store *store, int64_t silence_id, int index, char **room);
/* Marks alerts as no longer suppressed, because they were released or resolved; fingerprint NULL =
 * of every severity. */
enum err alerts_unhold(struct store *store, const char *subject, const char *fingerprint);
/* Writes the decision on an alert: state, cause, reason, silence_id, quiet, held, room,
 * message_id. */
enum err alerts_update(struct store *store, const struct alert_row *row);

/* Records outbox_id as the first event that carries the message's alerts not carried yet. */
enum err alerts_carry(struct store *store, int64_t message_id, int64_t outbox_id);
/* When the oldest alert that this event of the message was the first to carry was received; 0 =
 * there is none. */
enum err alerts_oldest_carried(
        struct store *store, int64_t message_id, int64_t outbox_id, int64_t *received_ms);

/* Newest first, at most limit; app NULL = all. The caller finishes the rows and frees the array. */
enum err alerts_list(
        struct store *store, const char *app, int limit, struct alert_row **rows, size_t *len);
/* As alerts_list(), for ids below `before`. */
enum err alerts_before(struct store *store, const char *app, int64_t before, int limit,
        struct alert_row **rows, size_t *len);

/* Where an alert can be read: event_id and sent_ms of the event that carried it, if confirmed.
 * ERR_NOT_FOUND: no such alert. *event_id is owned by the caller, NULL while it is not in the room.
 * *undeliverable: its event is undeliverable. */
enum err alerts_where(struct store *store, int64_t id, char **event_id, int64_t *sent_ms,
        int64_t *received_ms, bool *undeliverable);

/* Whether the message with the alert has no event any more, neither waiting nor sent. */
enum err alerts_discarded(struct store *store, int64_t id, bool *discarded);

/* Counts the alerts since since_ms that [delivery] inhibit suppressed. */
enum err alerts_count_inhibited(struct store *store, int64_t since_ms, int64_t *count);

/* Counts the alerts since since_ms by severity (array of 3), resolved notices excluded. */
enum err alerts_count_since(struct store *store, int64_t since_ms, int64_t counts[3]);

/* The same for each hour from since_ms; `counts` has `hours` elements. */
enum err alerts_by_hour(struct store *store, int64_t since_ms, int64_t *counts, size_t hours);

struct alert_count {
	char *app; /* owned by the caller */
	int64_t alerts, criticals;
};
/* The same for each app, the noisiest first. *len: capacity of the array, then the number of
 * elements filled. *apps: the number of all apps. */
enum err alerts_by_app(struct store *store, int64_t since_ms, struct alert_count *counts,
        size_t *len, int64_t *apps);
