/*
 * chart_rows.h - charts that are to be drawn, and the figures in them.
 */
#pragma once

#include <stddef.h>
#include "storage/store.h"

enum chart_span { CHART_DAY, CHART_WEEK, CHART_MONTH };
/* "24h", "7d", "30d"; NULL ends them. */
extern const char *const chart_span_names[];

struct chart_row {
	int64_t id;
	int span; /* enum chart_span */
	int64_t created_ms;
	int64_t until_ms;      /* the end of what it shows */
	char *room;            /* room name */
	char *app;             /* NULL = all */
	char *root, *reply_to; /* event ids that it answers; NULL = nobody asked for it */
};

void chart_row_finish(struct chart_row *row);
void chart_rows_free(struct chart_row *rows, size_t len);
enum err charts_insert(struct store *store, struct chart_row *row); /* sets row->id */
enum err charts_delete(struct store *store, int64_t id);
enum err charts_count(struct store *store, int64_t *count);
/* The oldest whose id is greater; ERR_NOT_FOUND: there is none. */
enum err charts_next(struct store *store, int64_t after_id, struct chart_row *row);

/*
 * Figures of the alerts that were received from since_ms on and before until_ms; app NULL = all.
 * What said "resolved" is none, nor is a test. Counts are by severity, arrays of 3.
 */
struct chart_range {
	int64_t since_ms, until_ms;
	const char *app;
};

/* For each hour from since_ms on. */
enum err charts_by_hour(
        struct store *store, const struct chart_range *range, int64_t (*counts)[3], size_t hours);

struct chart_top {
	char *name; /* owned by the caller */
	int64_t counts[3];
};
/* Those with most: apps, or of one app what failed. *len: room in the array, then how many are in
 * it; *total: how many there are. */
enum err charts_top(struct store *store, const struct chart_range *range, struct chart_top *tops,
        size_t *len, int64_t *total);

/* How long each acknowledgement in that time took since its failure could be read, the shortest
 * first. *len: as above. An acknowledgement that ended, and one of a failure that came back since,
 * are not known any more. */
enum err charts_ack_times(
        struct store *store, const struct chart_range *range, int64_t *times_ms, size_t *len);
/* Critical failures of that time that fire and that nobody has acknowledged. */
enum err charts_unacked(struct store *store, const struct chart_range *range, int64_t *count);
