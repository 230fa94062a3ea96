/*
 * mended.h - which apps hand in alerts that had to be mended (handlers/alerts/alert.h): how many
 * within a day, and the newest warning, so that somebody mends the app.
 */
#pragma once

#include <stddef.h>
#include "storage/store.h"

#define MENDED_APPS_MAX 200 /* more are not counted: names of apps come from outside */

struct mended_row {
	int64_t id;
	int64_t count;   /* alerts since the last day without one */
	int64_t last_ms; /* when the newest came */
	char *app;
	char *note; /* its first warning */
};

void mended_row_finish(struct mended_row *row);
void mended_rows_free(struct mended_row *rows, size_t len);
/* One more of that app; counts from before `since_ms` are forgotten. */
enum err mended_count(
        struct store *store, const char *app, const char *note, int64_t now_ms, int64_t since_ms);
/* Those with one since since_ms, the most first, at most limit. The caller frees the rows. */
enum err mended_since(
        struct store *store, int64_t since_ms, int limit, struct mended_row **rows, size_t *len);
