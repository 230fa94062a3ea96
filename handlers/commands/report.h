/*
 * report.h - what `status` and `alerts` answer, the same in a room, on the command line and over
 * the socket. Pure.
 */
#pragma once

#include <jansson.h>
#include "handlers/message/words.h"
#include "handlers/alerts/alert.h"
#include "storage/alerts.h"
#include "storage/mended.h"
#include "storage/messages.h"
#include "storage/outbox.h"

struct report_room {
	const char *name, *address, *room_id; /* room_id may be NULL */
	const char *problem;                  /* "" = none */
	const char *mute; /* why the bot may not write there, "" = it may or it is not known */
	bool pending;     /* the first check has not ended, and the problem says only that */
	bool encrypted;
	const json_t *members; /* users in the room (array), if they are needed; or NULL */
	bool denied; /* the homeserver now says that this encrypted room is not encrypted */
	const json_t *readers; /* of an encrypted room, see report_readers.h; NULL = not known */
};

struct report_watch {
	const char *name, *problem; /* "" = none */
	int64_t last_ms;            /* 0 = has not run yet */
	size_t firing;              /* subjects it has found that are firing */
};

/* All pointers are borrowed. */
struct report_status {
	int64_t now_ms, started_ms;
	const char *version;
	const char *homeserver; /* base URL, or the setting in the config before it is known */
	const char *problem;    /* why nothing can be sent now, "" = online */
	const char *limit;      /* the homeserver's rate limit in words; "" = none */
	const char *held;       /* why the account may send nothing for now; "" = it may */
	const char *retrying;   /* why a send failed that is being retried; "" = none is */
	int64_t last_sync_ms;   /* 0 = never */
	int64_t skew_ms;        /* this machine's clock ahead of the homeserver's */
	const struct report_room *rooms;
	size_t rooms_len;
	const struct report_watch *watches;
	size_t watches_len;
	uint64_t sent, retried; /* since the start */
	unsigned in_flight, clients;
	unsigned spool_bad; /* files in the spool that could not be accepted */
	/* encryption: the state of our device, why encrypted rooms wait ("" = they do not), its
	 * fingerprint, and what was rejected (array of strings, or NULL) */
	const char *identity, *encryption_problem, *fingerprint;
	const json_t *notices;
	/* users whose identity was verified (array of strings), and the result of
	 * crypto_verifications(); or NULL */
	const json_t *verified, *verifications;
	/* from storage: */
	int64_t waiting, undeliverable, oldest_ms;
	int64_t counts[3];                    /* alerts of the last 24 h by severity */
	int64_t p95_ms;                       /* -1 = no sends */
	char *heartbeat;                      /* the last one, as text; NULL = none */
	struct outbox_waiting *rooms_waiting; /* one for each of rooms */
	struct outbox_row *undeliverable_rows;
	size_t undeliverable_len;
	struct entry_row *open_rows; /* unacknowledged critical failures */
	size_t open_len;
	size_t silences, silences_later; /* active ones; those that start later */
	size_t silences_failed;          /* silences and quiet times disabled by an error */
	int64_t muted;                   /* alerts of the last 24 h that were inhibited */
	int64_t beats, beats_missed;     /* app heartbeats: registered; missed */
	const char *damage;              /* of the database, found last; "" = none */
	const char *unwritten;           /* why the database cannot be written; "" = it can */
	struct mended_row *mended_rows;  /* corrected alerts of the last 24 h */
	size_t mended_len;
	const char *quiet; /* the active quiet time, or NULL */
	int64_t quiet_until_ms;
};

/* Makes a copy of what the event loop knows that owns its strings and lists, for another thread;
 * members from storage are not copied. The lists of *from are freed. Costs a copy of the users of
 * the on-call schedules' rooms, and of what is told about encrypted rooms. */
void report_status_take(struct report_status *from, struct report_status *to);
void report_status_finish(struct report_status *copy); /* a zeroed one is allowed */

/* Lines for a phone or a terminal, at most a screen. prefix: of commands, "" on the command
 * line. */
void report_status_text(const struct report_status *status, const char *prefix, struct words *out);
/* The same as JSON; a new reference. */
json_t *report_status_json(const struct report_status *status);

/* The event for subscribers about an accepted alert; a new reference. */
json_t *report_taken(const struct alert *alert, int64_t id, const char *state);

/* One line without a line break at the end. entry may be NULL; the count is the entry's. */
void report_alert_text(const struct config *config, const struct alert_row *row,
        const struct entry_row *entry, int64_t now_ms, struct words *out);
/* The same as JSON; a new reference. entry: gives the member "message", the state of the
 * message. */
json_t *report_alert_json(
        const struct config *config, const struct alert_row *row, const struct entry_row *entry);
