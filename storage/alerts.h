/*
 * alerts.h - every alert that was taken in, and what became of it.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>
#include "storage/store.h"

enum alert_state { ALERT_QUEUED, ALERT_GROUPED, ALERT_SILENCED, ALERT_IGNORED };
/* "queued", "grouped", …: in the database and in answers; NULL ends them. */
extern const char *const alert_state_names[];

/* What decided on its state. */
enum alert_cause {
	ALERT_NEW,       /* queued: a new message */
	ALERT_JOINED,    /* grouped: into the open message */
	ALERT_STORM,     /* queued or grouped: into the storm's message */
	ALERT_RESOLVED,  /* grouped: ends what fires */
	ALERT_UNMATCHED, /* resolved, and nothing of this was firing */
	ALERT_SILENCE,   /* silenced: by silence_id */
	ALERT_QUIET,     /* silenced: by a quiet time of the config */
	ALERT_INHIBITED, /* silenced: a critical failure of the same fires */
	ALERT_COLLECTED, /* moved into a message that collects what waits */
};

struct alert_row {
	int64_t id;   /* set by alerts_insert() */
	char *ext_id; /* the sender's idempotency key or NULL; unique */
	char *key;    /* what it gave in place of what failed, or NULL */
	char *app, *kind;
	int severity;          /* enum severity */
	int resolved;          /* 0 firing, 1 resolved */
	int test;              /* 1: of `test`; in no count */
	char *run_id;          /* or NULL */
	char *subject;         /* app, kind and what failed: hex digest, without severity */
	char *fingerprint;     /* the same with severity */
	char *identity;        /* what failed, for people */
	char *title;           /* the text's first line, for lists */
	char *fields;          /* JSON object: everything that was handed in */
	char *url;             /* link or NULL */
	int64_t at_ms;         /* when it happened */
	int64_t received_ms;   /* when it was taken in */
	int64_t uid, gid, pid; /* of the peer; -1 = unknown */
	char *room;            /* room name it was routed to, or NULL */
	int64_t message_id;    /* the message it went into, 0 = none */
	int64_t silence_id;    /* what held it back, 0 = no silence */
	char *quiet;           /* the quiet time that held it back, or NULL */
	int held;              /* 1 = it fires, and is held back still */
	int state;             /* enum alert_state */
	int cause;             /* enum alert_cause */
	char *reason;          /* the cause in words */
};

void alert_row_finish(struct alert_row *row);
void alert_rows_free(struct alert_row *rows, size_t len);

/* Inserts; sets row->id. ERR_EXISTS when ext_id is known. */
enum err alerts_insert(struct store *store, struct alert_row *row);
/* ERR_NOT_FOUND when there is none. Fills *row. */
enum err alerts_by_ext_id(struct store *store, const char *ext_id, struct alert_row *row);
/* An alert with that ext_id is no duplicate any more. */
enum err alerts_forget_ext_id(struct store *store, const char *ext_id);
enum err alerts_by_id(struct store *store, int64_t id, struct alert_row *row);
/* The newest alert with that run id, of those that fired if there is one. */
enum err alerts_by_run_id(struct store *store, const char *run_id, struct alert_row *row);

/* All of a run, newest first; at most limit. The caller frees the rows. */
enum err alerts_of_run(
        struct store *store, const char *run_id, int limit, struct alert_row **rows, size_t *len);
/* What a silence holds back and fires, one row a fingerprint, newest first. */
enum err alerts_held(
        struct store *store, int64_t silence_id, int limit, struct alert_row **rows, size_t *len);

/* Alerts of a message that no event has carried yet. */
enum err alerts_count_untold(struct store *store, int64_t message_id, int64_t *count);
/* The event that carried them was refused and is made anew. */
enum err alerts_uncarry(struct store *store, int64_t message_id, int64_t outbox_id);
/* What no event carries yet goes from one message to another; fingerprint NULL = all. */
enum err alerts_move(
        struct store *store, int64_t from, const char *fingerprint, int64_t to, const char *reason);
/* Whether anything fires and is held back. */
enum err alerts_any_held(struct store *store, bool *any);
/* The same of a quiet time; of a subject; of all silences that have ended or have a problem. */
enum err alerts_held_quiet(
        struct store *store, const char *quiet, int limit, struct alert_row **rows, size_t *len);
enum err alerts_held_of(
        struct store *store, const char *subject, int limit, struct alert_row **rows, size_t *len);
enum err alerts_held_over(struct store *store, int limit, struct alert_row **rows, size_t *len);
/* What a critical failure inhibited that is over, or all that one did if none inhibits now. */
enum err alerts_held_inhibited(
        struct store *store, bool inhibits, int limit, struct alert_row **rows, size_t *len);
/* The quiet times that hold something back, and the rooms for which a silence held something back,
 * by an index from 0 on; ERR_NOT_FOUND behind the last. The text is the caller's. */
enum err alerts_held_quiets(struct store *store, int index, char **name);
enum err alerts_held_rooms(struct store *store, int64_t silence_id, int index, char **room);
/* Nothing holds the failure back any more, or it is over; fingerprint NULL: whatever its severity.
 */
enum err alerts_unhold(struct store *store, const char *subject, const char *fingerprint);
/* What decided and what came of it: state, cause, reason, silence_id, quiet, held, room,
 * message_id. */
enum err alerts_update(struct store *store, const struct alert_row *row);

/* All alerts of the message that no event has carried yet are carried by outbox_id first. */
enum err alerts_carry(struct store *store, int64_t message_id, int64_t outbox_id);
/* When the oldest alert that an event of the message carried first was taken in; 0 = it carried
 * none. */
enum err alerts_oldest_carried(
        struct store *store, int64_t message_id, int64_t outbox_id, int64_t *received_ms);

/* Newest first, at most limit; app NULL = all; *rows is an array the caller finishes and frees. */
enum err alerts_list(
        struct store *store, const char *app, int limit, struct alert_row **rows, size_t *len);
/* The same of those whose number is below `before`. */
enum err alerts_before(struct store *store, const char *app, int64_t before, int limit,
        struct alert_row **rows, size_t *len);

/* Where an alert is: event_id and sent_ms of the event that carried it, if confirmed.
 * ERR_NOT_FOUND: no such alert. *event_id is owned by the caller, NULL when not in the room yet.
 * *undeliverable says that its event is. */
enum err alerts_where(struct store *store, int64_t id, char **event_id, int64_t *sent_ms,
        int64_t *received_ms, bool *undeliverable);

/* Those since since_ms that [delivery] inhibit held back. */
enum err alerts_count_inhibited(struct store *store, int64_t since_ms, int64_t *count);

/* Alerts since since_ms, counted by severity (array of 3); what said "resolved" is none. */
enum err alerts_count_since(struct store *store, int64_t since_ms, int64_t counts[3]);

/* The same for each hour from since_ms on; array of hours. */
enum err alerts_by_hour(struct store *store, int64_t since_ms, int64_t *counts, size_t hours);

struct alert_count {
	char *app; /* owned by the caller */
	int64_t alerts, criticals;
};
/* The same for each app, the noisiest first; *len: room in the array, then how many there are. */
enum err alerts_by_app(
        struct store *store, int64_t since_ms, struct alert_count *counts, size_t *len);
