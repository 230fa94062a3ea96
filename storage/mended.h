/*
 * mended.h - the apps whose alerts needed corrections (handlers/alerts/alert.h): how many alerts
 * within a day, and the newest warning, so that somebody can fix the app.
 */
#pragma once

#include <stddef.h>
#include "storage/store.h"

#define MENDED_APPS_MAX 200 /* further apps are not counted: app names come from outside */

struct mended_row {
	int64_t id;
	int64_t count;   /* alerts since the last day without one */
	int64_t last_ms; /* when the newest was received */
	char *app;
	char *note; /* the first warning of the newest */
};

void mended_row_finish(struct mended_row *row);
void mended_rows_free(struct mended_row *rows, size_t len);
/* Counts one more alert of that app; a count that ended before since_ms starts again. */
enum err mended_count(
        struct store *store, const char *app, const char *note, int64_t now_ms, int64_t since_ms);
/* The apps with such an alert since since_ms, the highest count first, at most limit. The caller
 * frees the rows. */
enum err mended_since(
        struct store *store, int64_t since_ms, int limit, struct mended_row **rows, size_t *len);
