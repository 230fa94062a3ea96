/*
 * messages.h - messages in rooms, and the entries grouped in them.
 *
 * A message is one new event in a room, later changed by edits. An entry is one fingerprint in it,
 * with the text of its newest alert.
 */
#pragma once

#include <stddef.h>
#include "bot/base/severity.h"
#include "storage/store.h"

/*
 * Finding what is due next (messages_end_first(), messages_edit_first()) and the open message of a
 * room and origin reads one row each, however many messages exist or are open. The other functions
 * read by an index the rows that they return, change or count, or those of one message or subject,
 * unless their comment says more.
 */
enum message_kind { MESSAGE_ALERTS, MESSAGE_RING, MESSAGE_STORM };

#define ENTRY_RUNS_MAX 20 /* runs in an entry's row; older ones are in entry_runs */

struct message_row {
	int64_t id;
	int kind;          /* enum message_kind */
	char *room;        /* room name */
	char *room_id;     /* where it was sent, or NULL */
	char *origin;      /* app; "*" for a storm, "?" and the app for tests */
	char *event_id;    /* of the new event, NULL until confirmed */
	int64_t rings_for; /* the message whose silent alerts this one announces, 0 = none */
	int64_t rings;     /* number of alerts it announces */
	int severity;      /* the worst of its entries when it was opened or frozen */
	int64_t opened_ms; /* when its first alert was received */
	int64_t frozen_ms; /* when the content of the new event was fixed; it may be in the room
	                      since then */
	int64_t sent_ms;   /* when the homeserver confirmed it */
	int64_t edited_ms; /* when the last edit was fixed */
	int64_t dirty_ms;  /* since when an edit is pending; 0 = none */
	int urgent;        /* edit at once, without waiting for the edit interval */
	int64_t closed_ms; /* since then it takes no more alerts */
	int64_t end_ms;    /* when its grouping window ends; 0 = none is running */
	int64_t edit_ms;   /* when its next edit is due; 0 = none */
	int64_t bytes;     /* upper bound of its event's size */
	int64_t silent;    /* critical alerts that joined by an edit and did not notify anybody */
	int64_t alerts;    /* number of alerts in it */
};

struct entry_row {
	int64_t id;
	int64_t message_id;
	char *fingerprint, *subject;
	char *app, *kind, *identity;
	int severity;
	int64_t count;
	int64_t first_ms, last_ms; /* first and last occurrence */
	char *url;                 /* link of the newest, or NULL */
	char *key, *ext_id;        /* of the newest alert, as in struct alert_row; or NULL */
	int64_t runs;              /* number of runs */
	char *run_ids;             /* the newest run ids: JSON array of strings, oldest first */
	char *fields;              /* JSON object of the newest */
	int64_t resolved_ms;       /* 0 = firing */
	int64_t acked_ms;          /* 0 = unacknowledged */
	int64_t reminded_ms;       /* when the last reminder was sent */
	int64_t open_ms;      /* since when it is in the room and unacknowledged; 0 = it is not */
	int64_t escalated_ms; /* `after` of the last escalation step it went through */
	char *acked_by, *ack_note; /* or NULL */
	char *resolved_by;         /* who resolved it by hand, NULL = its app */
	char *resolve_note;        /* or NULL */
	int64_t silent_ms; /* when it joined by an edit, which notifies nobody; 0 = it notified */
	int64_t told_ms;   /* when it could first be read; 0 = not yet */
	int test;          /* 1: sent by `test`: no count, reminder or list includes it */
	int64_t due_ms;    /* resolve_after has not passed before; 0 = never */
};

void message_row_finish(struct message_row *row);
void message_rows_free(struct message_row *rows, size_t len);
void entry_row_finish(struct entry_row *row);
void entry_rows_free(struct entry_row *rows, size_t len);

enum err messages_insert(struct store *store, struct message_row *row); /* sets row->id */
/* Writes all columns but kind, opened_ms and room. */
enum err messages_update(struct store *store, const struct message_row *row);
enum err messages_by_id(struct store *store, int64_t id, struct message_row *row);
/* The message that another row refers to. If it is missing or damaged, the result is OK and *row is
 * zeroed (it has no room): one bad row must not stop what is about others. */
enum err messages_find(struct store *store, int64_t id, struct message_row *row);
enum err messages_by_event(struct store *store, const char *event_id, struct message_row *row);
/* The open (closed_ms = 0) message of kind ALERTS, RING or STORM for a room and origin;
 * ERR_NOT_FOUND when there is none. */
enum err messages_open(
        struct store *store, const char *room, const char *origin, struct message_row *row);
/* The newest open message of kind ALERTS that has an entry of an app. */
enum err messages_open_with(struct store *store, const char *room, const char *origin,
        const char *app, struct message_row *row);
/* Messages of a room whose new event is queued and not frozen; worst severity first, at most
 * limit. Reads all events that wait in the room. */
enum err messages_queued(
        struct store *store, const char *room, int limit, struct message_row **rows, size_t *len);
/* Messages of a room with a pending edit, the earliest due first, at most limit. */
enum err messages_edits(
        struct store *store, const char *room, int limit, struct message_row **rows, size_t *len);
/* Messages in none of these rooms (a JSON array of names) that are open, have a pending edit or a
 * firing entry; at most limit. Scans all such messages. */
enum err messages_stranded(
        struct store *store, const char *names, int limit, struct message_row **rows, size_t *len);
/* The newest message before before_id that announces what joined another one by edits;
 * ERR_NOT_FOUND: there is none. */
enum err messages_ringing(
        struct store *store, int64_t rings_for, int64_t before_id, struct message_row *row);
/* Moves the message to another room. */
enum err messages_rehome(struct store *store, int64_t id, const char *room);
/* Deletes a message that nothing refers to. */
enum err messages_delete(struct store *store, int64_t id);
/* The message whose grouping window ends first, or last, in all rooms; ERR_NOT_FOUND: there is
 * none. */
enum err messages_end_first(struct store *store, struct message_row *row);
enum err messages_end_last(struct store *store, struct message_row *row);
/* The message of a room whose edit is due first, or last; ERR_NOT_FOUND: there is none. */
enum err messages_edit_first(struct store *store, const char *room, struct message_row *row);
enum err messages_edit_last(struct store *store, const char *room, struct message_row *row);
/* Counts the alerts of open storms that are in no entry. Reads all open messages. */
enum err messages_count_untold(struct store *store, int64_t *count);
/* Counts messages of kind ALERTS or RING opened from since_ms to until_ms in all rooms, to detect a
 * storm. */
enum err messages_count_opened(
        struct store *store, int64_t since_ms, int64_t until_ms, int64_t *count);

/* ERR_EXISTS: that fingerprint is in the message already. */
enum err entries_insert(struct store *store, struct entry_row *row); /* sets row->id */
/* Writes all columns but what identifies the entry: message_id, severity, fingerprint, subject,
 * app, kind, identity. */
enum err entries_update(struct store *store, const struct entry_row *row);
/* Keeps a run that is no longer among the newest in the row; and whether a run is kept. Both access
 * one row. */
enum err entries_keep_run(struct store *store, int64_t id, const char *run_id);
enum err entries_knows_run(struct store *store, int64_t id, const char *run_id, bool *known);
enum err entries_by_fingerprint(
        struct store *store, int64_t message_id, const char *fingerprint, struct entry_row *row);
/* A message's entries in the order in which they arrived. */
enum err entries_of(struct store *store, int64_t message_id, struct entry_row **rows, size_t *len);
/* Counts the entries of an app in a message. */
enum err entries_count_app(
        struct store *store, int64_t message_id, const char *app, int64_t *count);
/* The entries that no event carries yet, the most severe first, then the oldest. For each entry of
 * the message, reads all its alerts that no event carries. */
enum err entries_untold(
        struct store *store, int64_t message_id, struct entry_row **rows, size_t *len);
/* Moves an entry to another message. ERR_NOT_FOUND: that one has an entry of the same fingerprint;
 * nothing is changed. */
enum err entries_move(struct store *store, int64_t id, int64_t message_id, int64_t silent_ms);
enum err entries_by_id(struct store *store, int64_t id, struct entry_row *row);
/* Unacknowledged firing critical entries that last happened after since_ms, each fingerprint once,
 * in the newest of its messages. Oldest first, at most limit. Reads all that fires since then. */
enum err entries_unacked(
        struct store *store, int64_t since_ms, int limit, struct entry_row **rows, size_t *len);
/* Of these, the ones in the room since before_ms without a reminder since then; the longest wait
 * first. Reads the rows that are due only, not all that fire. */
enum err entries_remind(struct store *store, int64_t since_ms, int64_t before_ms, int limit,
        struct entry_row **rows, size_t *len);
/* Marks entries as reminded that are due for a reminder but never returned by entries_remind(), so
 * that they are not read again at once. Handles a limited number in each call. */
enum err entries_pass_reminder(
        struct store *store, int64_t since_ms, int64_t before_ms, int64_t now_ms);
/* Of these, the ones in the room and unacknowledged since before_ms that have not gone through the
 * escalation step with that `after`. Reads the rows that are due only. */
enum err entries_escalate(struct store *store, int64_t since_ms, int64_t before_ms,
        int64_t after_ms, int limit, struct entry_row **rows, size_t *len);
/* As entries_pass_reminder(), for an escalation step. */
enum err entries_pass_step(
        struct store *store, int64_t since_ms, int64_t before_ms, int64_t after_ms);
/* Records that the message's entries that could not be read yet are in an event fixed at
 * frozen_ms. */
enum err entries_show(struct store *store, int64_t message_id, int64_t frozen_ms);
/* Records that the entries fixed at frozen_ms can be read since now_ms. */
enum err entries_shown(struct store *store, int64_t message_id, int64_t frozen_ms, int64_t now_ms);
/* The same, and that the message, with all its entries, is in the room since then. */
enum err entries_told(struct store *store, int64_t message_id, int64_t frozen_ms, int64_t now_ms);
/* Whether one of the entries fixed at frozen_ms first happened between these times. */
enum err entries_happened(struct store *store, int64_t message_id, int64_t frozen_ms,
        int64_t from_ms, int64_t to_ms, bool *any);
/* Firing entries that last happened after since_ms, each fingerprint once, in the newest of its
 * messages. Newest first, at most limit. */
enum err entries_open(
        struct store *store, int64_t since_ms, int limit, struct entry_row **rows, size_t *len);
/* How many failures of an app are firing, by severity, each once. */
struct firing_count {
	char *app; /* owned by the caller */
	int64_t firing[SEVERITY_COUNT];
};

/* Of those that last happened after since_ms; the apps with the most first, at most *len of them,
 * which becomes their number. Reads all of them. */
enum err entries_count_firing(
        struct store *store, int64_t since_ms, struct firing_count *counts, size_t *len);
/* Firing entries with due_ms up to now_ms, the earliest first, at most limit. Reads these only. */
enum err entries_due(
        struct store *store, int64_t now_ms, int limit, struct entry_row **rows, size_t *len);
/* Of everything that fires. */
enum err entries_set_all_due(struct store *store, int64_t due_ms);
/* A firing critical entry of an app with that identity, no test: at most one row. */
enum err entries_critical(struct store *store, const char *app, const char *identity,
        struct entry_row **rows, size_t *len);
/* Firing entries that were acknowledged before before_ms. */
enum err entries_acked_before(
        struct store *store, int64_t before_ms, int limit, struct entry_row **rows, size_t *len);
/* Firing entries of a subject in any message, newest first, at most limit. */
enum err entries_firing(
        struct store *store, const char *subject, int limit, struct entry_row **rows, size_t *len);
