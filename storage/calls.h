/*
 * calls.h - one row for each request that sends an event: what, where, when, how long, result.
 *
 * The rows are in the order of time: figures since since_ms read none that are older.
 */
#pragma once

#include "storage/store.h"

struct call_row {
	int64_t at_ms;
	const char *what;    /* "send", "edit", "heartbeat", … (borrowed, as all strings here) */
	const char *room;    /* room name */
	const char *room_id; /* or NULL */
	int64_t outbox_id;
	int64_t duration_ms;
	int64_t latency_ms;   /* since its oldest alert was received; -1 = it carries none */
	const char *result;   /* "ok" or an err_name() */
	int http_status;      /* 0 = none */
	const char *event_id; /* or NULL */
	const char *error;    /* or NULL */
};

enum err calls_insert(struct store *store, const struct call_row *row);
/* p95 of latency_ms of the successful calls since since_ms, which are sorted; -1 when there are
 * none. */
enum err calls_latency_p95(struct store *store, int64_t since_ms, int64_t *p95_ms);

/* Counts the failed attempts since since_ms. */
enum err calls_faults(struct store *store, int64_t since_ms, int64_t *count);
/* When a request last succeeded; 0 = none since since_ms. Reads the failed attempts since then. */
enum err calls_last_ok(struct store *store, int64_t since_ms, int64_t *at_ms);

/*
 * The same rows copied into another app's SQLite database, whose table and columns are named in the
 * config. A copy has its own connection and must be used by one thread at a time. If the table is
 * missing or the database locked, only the copy is lost.
 */
struct calls_mirror;
/* columns: "ours=theirs,…" of at_ms, at (RFC 3339), what, room, duration_ms, result, error,
 * event_id. The database is opened with the first row. ERR_INVALID names the bad column. */
enum err calls_mirror_create(struct calls_mirror **out, const char *database, const char *table,
        const char *columns, struct fault *fault);
void calls_mirror_destroy(struct calls_mirror *mirror);
/* ERR_NOT_FOUND: the database, table or column is missing; fault->text is filled the first time
 * only, so that it is logged once, until a row is written again. Waits for a lock for at most 200
 * ms (ERR_BUSY). Do not call it inside a transaction of the store, which would be held open
 * meanwhile. */
enum err calls_mirror_insert(
        struct calls_mirror *mirror, const struct call_row *row, struct fault *fault);
