/*
 * messages.h - messages in rooms, and the entries grouped in them.
 *
 * A message is one new event in a room (later changed by edits). An entry is one fingerprint in
 * it, with the text of its newest alert.
 */
#pragma once

#include <stddef.h>
#include "storage/store.h"

/*
 * What is due next (messages_end_first(), messages_edit_first()) and the open message of a room and
 * origin cost one row each, however many messages there are and however many are open.
 */
enum message_kind { MESSAGE_ALERTS, MESSAGE_RING, MESSAGE_STORM };

#define ENTRY_RUNS_MAX 20 /* runs in an entry's row; all are kept */

struct message_row {
	int64_t id;
	int kind;          /* enum message_kind */
	char *room;        /* room name */
	char *room_id;     /* where it was sent, or NULL */
	char *origin;      /* app, "*" for a storm, "?" and the app for tests */
	char *event_id;    /* of the new event, NULL until confirmed */
	int64_t rings_for; /* the message whose failures joined in silence and are told here, 0 =
	                      none */
	int64_t rings;     /* how many they are */
	int severity;      /* the worst of its entries when it was opened or frozen */
	int64_t opened_ms; /* first alert taken in */
	int64_t frozen_ms; /* content of the new event fixed; it may be in the room from then on */
	int64_t sent_ms;   /* confirmed by the homeserver */
	int64_t edited_ms; /* last edit frozen */
	int64_t dirty_ms;  /* since when there is something to edit in; 0 = nothing */
	int urgent;        /* edit at once, without waiting for the edit interval */
	int64_t closed_ms; /* takes no more alerts */
	int64_t end_ms;    /* when its minute is over; 0 = nothing ends it by itself now */
	int64_t edit_ms;   /* when its next edit is due; 0 = none is */
	int64_t bytes;     /* upper bound of its event's size */
	int64_t silent;    /* criticals that joined by edit and rang nowhere */
	int64_t alerts;    /* alerts in it */
};

struct entry_row {
	int64_t id;
	int64_t message_id;
	char *fingerprint, *subject;
	char *app, *kind, *identity;
	int severity;
	int64_t count;
	int64_t first_ms, last_ms; /* when it happened, first and last */
	char *url;                 /* link of the newest, or NULL */
	char *key, *ext_id;        /* of the newest, as of struct alert_row; or NULL */
	int64_t runs;              /* how many there are */
	char *run_ids;             /* the newest of them: JSON array of strings, oldest first */
	char *fields;              /* JSON object of the newest */
	int64_t resolved_ms;       /* 0 = firing */
	int64_t acked_ms;          /* 0 = nobody took it on */
	int64_t reminded_ms;       /* when the room was told of it last */
	int64_t open_ms;           /* since when the room knows and nobody has it; 0 = not yet */
	int64_t escalated_ms;      /* `after` of the last step of escalation it went through */
	char *acked_by, *ack_note; /* or NULL */
	char *resolved_by;         /* who closed it by hand, NULL = its app did */
	char *resolve_note;        /* or NULL */
	int64_t silent_ms;         /* when it joined by an edit, which rings nowhere; 0 = it rang */
	int64_t told_ms;           /* when it could first be read; 0 = not yet */
	int test;                  /* 1: of `test`; in no count, no reminder, nobody's list */
};

void message_row_finish(struct message_row *row);
void message_rows_free(struct message_row *rows, size_t len);
void entry_row_finish(struct entry_row *row);
void entry_rows_free(struct entry_row *rows, size_t len);

enum err messages_insert(struct store *store, struct message_row *row); /* sets row->id */
/* All but kind, opened_ms and room. */
enum err messages_update(struct store *store, const struct message_row *row);
enum err messages_by_id(struct store *store, int64_t id, struct message_row *row);
enum err messages_by_event(struct store *store, const char *event_id, struct message_row *row);
/* The open (closed_ms = 0) message of kind ALERTS, RING or STORM for a room and origin;
 * ERR_NOT_FOUND when there is none. */
enum err messages_open(
        struct store *store, const char *room, const char *origin, struct message_row *row);
/* Of the open messages of kind ALERTS the newest that has an entry of an app. */
enum err messages_open_with(struct store *store, const char *room, const char *origin,
        const char *app, struct message_row *row);
/* Messages of a room whose new event is in the queue and not frozen; worst first, at most limit. */
enum err messages_queued(
        struct store *store, const char *room, int limit, struct message_row **rows, size_t *len);
/* Those of a room that have an edit to come, that which is due first at the front. */
enum err messages_edits(
        struct store *store, const char *room, int limit, struct message_row **rows, size_t *len);
/* Messages of none of these rooms (a JSON array of names) that are open, have an edit to come or
 * something that fires; at most limit. Walks through all such messages. */
enum err messages_stranded(
        struct store *store, const char *names, int limit, struct message_row **rows, size_t *len);
/* It belongs to another room from now on. */
enum err messages_rehome(struct store *store, int64_t id, const char *room);
/* One that nothing refers to any more. */
enum err messages_delete(struct store *store, int64_t id);
/* The message whose minute ends first, or last, of all; ERR_NOT_FOUND: none ends by itself. */
enum err messages_end_first(struct store *store, struct message_row *row);
enum err messages_end_last(struct store *store, struct message_row *row);
/* The message of a room whose edit is due first, or last; ERR_NOT_FOUND: there is none. */
enum err messages_edit_first(struct store *store, const char *room, struct message_row *row);
enum err messages_edit_last(struct store *store, const char *room, struct message_row *row);
/* Messages of kind ALERTS or RING opened from since_ms to until_ms, over all rooms: the storm's
 * measure. */
enum err messages_count_opened(
        struct store *store, int64_t since_ms, int64_t until_ms, int64_t *count);

/* ERR_EXISTS: that fingerprint is in the message already. */
enum err entries_insert(struct store *store, struct entry_row *row); /* sets row->id */
/* Not what the entry is about: message_id, severity, fingerprint, subject, app, kind, identity. */
enum err entries_update(struct store *store, const struct entry_row *row);
/* A run that is not among the newest any more is kept; and whether one is kept. One row each. */
enum err entries_keep_run(struct store *store, int64_t id, const char *run_id);
enum err entries_knows_run(struct store *store, int64_t id, const char *run_id, bool *known);
enum err entries_by_fingerprint(
        struct store *store, int64_t message_id, const char *fingerprint, struct entry_row *row);
/* A message's entries in order of arrival. */
enum err entries_of(struct store *store, int64_t message_id, struct entry_row **rows, size_t *len);
/* Entries of an app in a message. */
enum err entries_count_app(
        struct store *store, int64_t message_id, const char *app, int64_t *count);
/* Those that no event carries yet, oldest first. */
enum err entries_untold(
        struct store *store, int64_t message_id, struct entry_row **rows, size_t *len);
/* Into another message; ERR_NOT_FOUND: that has one of the same fingerprint, nothing is changed. */
enum err entries_move(struct store *store, int64_t id, int64_t message_id, int64_t silent_ms);
enum err entries_by_id(struct store *store, int64_t id, struct entry_row *row);
/* Firing criticals that nobody took on and that happened last after since_ms, each fingerprint
 * once, in the newest of its messages. Oldest first, at most limit. */
enum err entries_unacked(
        struct store *store, int64_t since_ms, int limit, struct entry_row **rows, size_t *len);
/* Of these, the ones in the room since before_ms of which it was not told again since; that for the
 * longest time first. Costs what is due, not what fires. */
enum err entries_remind(struct store *store, int64_t since_ms, int64_t before_ms, int limit,
        struct entry_row **rows, size_t *len);
/* What is due for a reminder, and never in these rows, counts as reminded of: it is not looked at
 * again at once. Some of them at a time. */
enum err entries_pass_reminder(
        struct store *store, int64_t since_ms, int64_t before_ms, int64_t now_ms);
/* Of these, the ones in the room and without anybody since before_ms, which did not go through
 * the step with that `after`. Costs what is due. */
enum err entries_escalate(struct store *store, int64_t since_ms, int64_t before_ms,
        int64_t after_ms, int limit, struct entry_row **rows, size_t *len);
/* As entries_pass_reminder(). */
enum err entries_pass_step(
        struct store *store, int64_t since_ms, int64_t before_ms, int64_t after_ms);
/* The entries of a message are in the room from now on. */
enum err entries_told(struct store *store, int64_t message_id, int64_t now_ms);
/* Those of a message that nobody could read yet are fixed in an event at frozen_ms; and what was
 * fixed then is readable from now_ms on. */
enum err entries_show(struct store *store, int64_t message_id, int64_t frozen_ms);
enum err entries_shown(struct store *store, int64_t message_id, int64_t frozen_ms, int64_t now_ms);
/* All firing ones that happened last after since_ms, newest first; at most limit. */
enum err entries_open(
        struct store *store, int64_t since_ms, int limit, struct entry_row **rows, size_t *len);
/* Those that happened last up to before_ms, the oldest first, behind the row that since_ms and
 * since_id are of; at most limit. */
enum err entries_stale(struct store *store, int64_t since_ms, int64_t since_id, int64_t before_ms,
        int limit, struct entry_row **rows, size_t *len);
/* A firing critical of an app about one thing (identity), if there is one: at most one row. */
enum err entries_critical(struct store *store, const char *app, const char *identity,
        struct entry_row **rows, size_t *len);
/* Firing ones that were acked before before_ms. */
enum err entries_acked_before(
        struct store *store, int64_t before_ms, int limit, struct entry_row **rows, size_t *len);
/* Firing entries of a subject, newest first, in any message; at most limit. */
enum err entries_firing(
        struct store *store, const char *subject, int limit, struct entry_row **rows, size_t *len);
