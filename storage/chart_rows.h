/*
 * chart_rows.h - charts waiting to be drawn, and the figures in them.
 */
#pragma once

#include <stddef.h>
#include "storage/store.h"

enum chart_span { CHART_DAY, CHART_WEEK, CHART_MONTH };
/* "24h", "7d", "30d"; NULL-terminated. */
extern const char *const chart_span_names[];

struct chart_row {
	int64_t id;
	int span; /* enum chart_span */
	int64_t created_ms;
	int64_t until_ms;      /* end of the period shown */
	char *room;            /* room name */
	char *app;             /* NULL = all */
	char *root, *reply_to; /* event ids of the thread and of the request; NULL = not requested
	                          by anybody */
};

void chart_row_finish(struct chart_row *row);
void chart_rows_free(struct chart_row *rows, size_t len);
enum err charts_insert(struct store *store, struct chart_row *row); /* sets row->id */
enum err charts_delete(struct store *store, int64_t id);
enum err charts_count(struct store *store, int64_t *count);
/* The oldest row whose id is greater than after_id; ERR_NOT_FOUND: there is none. */
enum err charts_next(struct store *store, int64_t after_id, struct chart_row *row);

/*
 * Figures of the alerts received from since_ms until before until_ms; app NULL = all. Resolved
 * notices and tests are not counted. Counts by severity are arrays of 3. Each function reads what
 * is in the range by an index, of all apps, however much is stored beside it.
 */
struct chart_range {
	int64_t since_ms, until_ms;
	const char *app;
};

/* Counts for each hour from since_ms. */
enum err charts_by_hour(
        struct store *store, const struct chart_range *range, int64_t (*counts)[3], size_t hours);

struct chart_top {
	char *name; /* owned by the caller */
	int64_t counts[3];
};
/* The apps with the most alerts, or the most frequent identities of one app. *len: capacity of the
 * array, then the number filled; *total: how many exist. */
enum err charts_top(struct store *store, const struct chart_range *range, struct chart_top *tops,
        size_t *len, int64_t *total);

/* How long each acknowledgement in the range took from the moment its alert could be read, shortest
 * first. *len: as above. Acknowledgements that were removed, or whose alert fired again since, are
 * not stored any more and are missing here. */
enum err charts_ack_times(
        struct store *store, const struct chart_range *range, int64_t *times_ms, size_t *len);
/* Critical alerts of the range that are firing and unacknowledged. */
enum err charts_unacked(struct store *store, const struct chart_range *range, int64_t *count);
