/*
 * chart_post.h - what becomes of a chart that was asked for: its picture in the room, or, when
 * that cannot be had, its figures in words with the reason. Inside writer jobs.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "handlers/charts/figures.h"

/* What was tried. */
struct chart_result {
	const struct figures *figures; /* NULL: they could not be read */
	const char *room_id;           /* where it was for, or NULL */
	bool encrypted;                /* the picture was, before it was uploaded */
	enum err code;                 /* OK: it is uploaded */
	const char *error;             /* why not, in the homeserver's words; or NULL */
	const char *mxc;               /* its mxc:// URL */
	const json_t *file;            /* of an encrypted one: key, iv, hashes; else NULL */
	int width, height;
	size_t size; /* bytes */
};

/*
 * Puts the picture, or the words, into the delivery queue, and deletes the row: one transaction, so
 * that each chart is in its room once. *again: the room became encrypted meanwhile, and the picture
 * was uploaded as it is; nothing was done.
 */
enum err chart_post(const struct deliver *d, const struct chart_row *row,
        const struct chart_result *result, bool *again);

/* Whether to try once more after wait_ms; else the words are to be posted. Pure. */
bool chart_retry(const struct chart_row *row, enum err code, int64_t now_ms, int64_t wait_ms);

/* One more that is to be drawn. happened: array, or NULL; what is added also wakes who draws. */
enum err chart_ask(struct store *store, struct chart_row *row, json_t *happened);

/* On a Monday the week before it, for the room of heartbeats. */
enum err chart_of_week(const struct deliver *d, int64_t heartbeat_ms, json_t *happened);
