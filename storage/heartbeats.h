/*
 * heartbeats.h - heartbeats: the bot's own, one for each date, and those that apps registered. Each
 * function reads by an index only the rows that it returns or counts.
 */
#pragma once

#include <stddef.h>
#include "storage/store.h"

struct heartbeat_row {
	int64_t id;
	int64_t due_ms;
	int64_t posted_ms;    /* put into the delivery queue */
	int64_t confirmed_ms; /* by the homeserver; 0 = not yet */
	int64_t alarmed_ms;   /* found missing; 0 = not missing */
	int64_t outbox_id;    /* the row may be deleted: then the heartbeat was sent */
	int late;             /* put into the queue after its time */
	int ping;             /* 1 = ping_url is still to be called */
	int tell;             /* 1 = the channels outside the queue are still to be notified */
	char *date;           /* in the zone, "2026-11-24"; unique */
	char *alarm;          /* text of the notification, or NULL */
};

void heartbeat_row_finish(struct heartbeat_row *row);
void heartbeat_rows_free(struct heartbeat_row *rows, size_t len);
/* Sets row->id. ERR_EXISTS: there is one for that date. */
enum err heartbeats_insert(struct store *store, struct heartbeat_row *row);
enum err heartbeats_update(struct store *store, const struct heartbeat_row *row); /* all columns */
enum err heartbeats_by_date(struct store *store, const char *date, struct heartbeat_row *row);
/* The newest of all; ERR_NOT_FOUND when there is none. */
enum err heartbeats_last(struct store *store, struct heartbeat_row *row);
/* Those that are unconfirmed, or still need a ping or a notification; newest first, at most
 * limit. */
enum err heartbeats_open(struct store *store, int limit, struct heartbeat_row **rows, size_t *len);

struct app_heartbeat_row {
	int64_t id;
	int64_t every_ms; /* 0 = by schedule */
	int64_t grace_ms;
	int64_t first_ms, seen_ms;
	int64_t due_ms;      /* when the next one is due */
	int64_t deadline_ms; /* from then on it counts as missed */
	int64_t missed_ms;   /* missed since then; 0 = not missed */
	int held;            /* 1 = missed, and its alert was silenced */
	char *app, *name;    /* together unique; name "" = the app's only one */
	char *schedule;      /* cron line, or NULL */
};

void app_heartbeat_row_finish(struct app_heartbeat_row *row);
void app_heartbeat_rows_free(struct app_heartbeat_row *rows, size_t len);
enum err app_heartbeats_insert(struct store *store, struct app_heartbeat_row *row);
enum err app_heartbeats_update(struct store *store, const struct app_heartbeat_row *row);
enum err app_heartbeats_delete(struct store *store, int64_t id);
enum err app_heartbeats_by_name(
        struct store *store, const char *app, const char *name, struct app_heartbeat_row *row);
enum err app_heartbeats_count(struct store *store, int64_t *count);
enum err app_heartbeats_count_missed(struct store *store, int64_t *count);
/* All by app and name, at most limit. */
enum err app_heartbeats_list(
        struct store *store, int limit, struct app_heartbeat_row **rows, size_t *len);
/* Those whose deadline has passed at now_ms and that are not marked missed yet, at most limit. */
enum err app_heartbeats_overdue(struct store *store, int64_t now_ms, int limit,
        struct app_heartbeat_row **rows, size_t *len);
/* Those that are missed and whose alert was silenced, at most limit. */
enum err app_heartbeats_held(
        struct store *store, int limit, struct app_heartbeat_row **rows, size_t *len);
