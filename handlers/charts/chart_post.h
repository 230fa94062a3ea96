/*
 * chart_post.h - posts a requested chart: the picture, or its figures as text with the reason if
 * there is no picture. Inside writer jobs.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "handlers/charts/figures.h"

/* The result of drawing and uploading a chart. */
struct chart_result {
	const struct figures *figures; /* NULL: they could not be read */
	const char *room_id;           /* room it was uploaded for, or NULL */
	bool encrypted;                /* the picture was encrypted before the upload */
	enum err code;                 /* OK: uploaded */
	const char *error;             /* the homeserver's reason; or NULL */
	const char *mxc;               /* its mxc:// URL */
	const json_t *file;            /* of an encrypted picture: key, iv, hashes; else NULL */
	int width, height;
	size_t size; /* bytes */
};

/*
 * Adds the picture, or the text, to the delivery queue and deletes the chart's row, in one
 * transaction, so that each chart is posted once. *again: the room was encrypted in the meantime
 * and the picture was uploaded unencrypted; nothing was done, draw and upload it again.
 */
enum err chart_post(const struct deliver *d, const struct chart_row *row,
        const struct chart_result *result, bool *again);

/* Whether to try again in wait_ms milliseconds; otherwise post the text. Pure. */
bool chart_retry(const struct chart_row *row, enum err code, int64_t now_ms, int64_t wait_ms);

/* Requests a chart. happened: array of events for subscribers, or NULL; the event that is added
 * also wakes the part that draws. */
enum err chart_ask(struct store *store, struct chart_row *row, json_t *happened);

/* Requests the chart of the past week when the heartbeat is a Monday's, for the heartbeat's
 * room. */
enum err chart_of_week(const struct deliver *d, int64_t heartbeat_ms, json_t *happened);
