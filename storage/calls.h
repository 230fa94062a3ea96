/*
 * calls.h - a row for each send: what, where, when, how long, with what result.
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
	int64_t latency_ms;   /* since the oldest alert it carries was taken in; -1 = not one */
	const char *result;   /* "ok" or an err_name() */
	int http_status;      /* 0 = none */
	const char *event_id; /* or NULL */
	const char *error;    /* or NULL */
};

enum err calls_insert(struct store *store, const struct call_row *row);
/* p95 of latency_ms of the successful calls since since_ms; -1 when there are none. */
enum err calls_latency_p95(struct store *store, int64_t since_ms, int64_t *p95_ms);

/* Tries since since_ms that failed. */
enum err calls_faults(struct store *store, int64_t since_ms, int64_t *count);
/* When something got through last; 0 = not since since_ms. */
enum err calls_last_ok(struct store *store, int64_t since_ms, int64_t *at_ms);

/*
 * The same rows in another app's SQLite database, whose table and columns are named in the
 * config. It has its own connection and thread affinity: one user at a time. A missing table or
 * a locked database loses only that copy.
 */
struct calls_mirror;
/* columns: "ours=theirs,…" of at_ms, at (RFC 3339), what, room, duration_ms, result, error,
 * event_id. Nothing is opened before the first row. ERR_INVALID names the bad column. */
enum err calls_mirror_create(struct calls_mirror **out, const char *database, const char *table,
        const char *columns, struct fault *fault);
void calls_mirror_destroy(struct calls_mirror *mirror);
/* ERR_NOT_FOUND: database, table or column is missing; fault->text says so the first time and is
 * empty after that, until a row got through. Waits for a lock at most 200 ms (ERR_BUSY). Not
 * inside a transaction of our own, which would wait along. */
enum err calls_mirror_insert(
        struct calls_mirror *mirror, const struct call_row *row, struct fault *fault);
