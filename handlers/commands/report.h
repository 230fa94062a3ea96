/*
 * report.h - answers for people: what `status` and `alerts` say, the same in a room, on the
 * command line and over the socket. Pure.
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
	const char *problem;                  /* "" = ready */
	bool encrypted;
	const json_t *members; /* users that are in it (array), where it is asked for; or NULL */
	bool denied;           /* that it is encrypted, by the homeserver */
	const json_t *readers; /* of an encrypted room, see report_readers.h; NULL = not known */
};

struct report_watch {
	const char *name, *problem; /* "" = none */
	int64_t last_ms;            /* 0 = not run yet */
	size_t firing;              /* what it found */
};

/* All pointers are borrowed. */
struct report_status {
	int64_t now_ms, started_ms;
	const char *version;
	const char *homeserver; /* base URL or what the config says */
	const char *problem;    /* why nothing is sent now, "" = online */
	const char *limit;      /* that the homeserver limits the rate; "" = it does not */
	const char *held;       /* why it takes nothing from this account for now; "" = it does */
	int64_t last_sync_ms;   /* 0 = never */
	const struct report_room *rooms;
	size_t rooms_len;
	const struct report_watch *watches;
	size_t watches_len;
	uint64_t sent, retried; /* since the start */
	unsigned in_flight, clients;
	unsigned spool_bad; /* files of the spool that could not be taken in */
	/* encryption: how our device stands, why encrypted rooms wait ("" = they do not), its
	 * fingerprint, and what was refused (array of strings, or NULL) */
	const char *identity, *encryption_problem, *fingerprint;
	const json_t *notices;
	/* users whose identity was verified (array of strings), and what crypto_verifications()
	 * tells; or NULL */
	const json_t *verified, *verifications;
	/* from storage */
	int64_t waiting, undeliverable, oldest_ms;
	int64_t counts[3];                    /* alerts of the last 24 h by severity */
	int64_t p95_ms;                       /* -1 = no sends */
	char *heartbeat;                      /* the last one, for people; NULL = there was none */
	struct outbox_waiting *rooms_waiting; /* for each of rooms */
	struct outbox_row *undeliverable_rows;
	size_t undeliverable_len;
	struct entry_row *open_rows; /* criticals that nobody took on */
	size_t open_len;
	size_t silences, silences_later; /* that hold; that begin later */
	size_t silences_failed; /* silences and quiet times that hold nothing back, for a problem */
	int64_t muted; /* alerts of the last 24 h that a critical failure of the same muted */
	int64_t beats, beats_missed;    /* expected of apps; of these missed */
	struct mended_row *mended_rows; /* of the last 24 h */
	size_t mended_len;
	const char *quiet; /* a quiet time that holds, or NULL */
	int64_t quiet_until_ms;
};

/* Makes of what the loop knows a copy that owns its strings and lists, for another thread; rows
 * from storage are left out. The lists of *from are freed. */
void report_status_take(struct report_status *from, struct report_status *to);
void report_status_finish(struct report_status *copy); /* a zeroed one is allowed */

/* Lines for a phone or a terminal: one screen. prefix: of commands, "" on the command line. */
void report_status_text(const struct report_status *status, const char *prefix, struct words *out);
/* The same as data; a new reference. */
json_t *report_status_json(const struct report_status *status);

/* What subscribers are told of an alert that was taken in; a new reference. */
json_t *report_taken(const struct alert *alert, int64_t id, const char *state);

/* One line, which is not ended; count: of its entry. */
void report_alert_text(const struct config *config, const struct alert_row *row,
        const struct entry_row *entry, int64_t now_ms, struct words *out);
/* The same as data; a new reference. entry: its member "message" says how it stands there. */
json_t *report_alert_json(const struct alert_row *row, const struct entry_row *entry);
