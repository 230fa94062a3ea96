/*
 * figures.h - what a chart shows: alerts by severity over time, by app, and how long
 * acknowledgements took; and the same in words, for those who cannot see the picture.
 */
#pragma once

#include <jansson.h>
#include "bot/base/buf.h"
#include "bot/base/severity.h"
#include "handlers/message/words.h"
#include "storage/chart_rows.h"

#define FIGURES_BARS_MAX 30
#define FIGURES_TOP_MAX 6
#define FIGURES_ACKS_MAX 10000 /* of more, the shortest */
#define FIGURES_STEPS 5        /* of the time to acknowledge */

struct figures_bar {
	int64_t start_ms;
	int64_t counts[SEVERITY_COUNT];
};

struct figures {
	int span;                   /* enum chart_span */
	int64_t since_ms, until_ms; /* from the beginning of the first bar on */
	char *app;                  /* NULL = all */
	struct figures_bar bars[FIGURES_BARS_MAX];
	size_t bars_len;
	int64_t totals[SEVERITY_COUNT];
	struct chart_top top[FIGURES_TOP_MAX]; /* apps, or of one app what failed */
	size_t top_len;
	int64_t top_total; /* how many there are */
	int64_t acked, median_ms, p90_ms;
	int64_t steps[FIGURES_STEPS]; /* acknowledgements by how long they took */
	int64_t unacked;              /* critical failures of that time, now */
};

/* "24h", "day", "7d", "week", …, whatever the case; false: it is none of them. */
bool figures_span(const char *text, enum chart_span *span);
/* When each bar begins: hours, or days in the zone (bot/base/zone.h); the last one holds the moment
 * before until_ms. Returns how many; starts has room for FIGURES_BARS_MAX. */
size_t figures_starts(enum chart_span span, int64_t until_ms, int64_t *starts);

/* figures_finish() follows on any result. app is copied. */
enum err figures_collect(struct store *store, enum chart_span span, int64_t until_ms,
        const char *app, struct figures *out);
void figures_finish(struct figures *figures);

int64_t figures_sum(const int64_t counts[SEVERITY_COUNT]);
/* "Alerts, last 7 days"; of a whole calendar week "Alerts, last week". */
void figures_title(const struct figures *figures, struct buf *out);
/* "Fri 20 Nov – Thu 26 Nov" */
void figures_dates(const struct figures *figures, struct buf *out);
/* Of a bar: "14:00", "Tue 24 Nov". */
void figures_bar_name(const struct figures *figures, size_t bar, struct buf *out);
/* The same below it, where there is room for little: "14:00", "Tue"; nothing for most of many. */
void figures_bar_label(const struct figures *figures, size_t bar, struct buf *out);
/* Of a step: "≤ 5 min", "> 4 h". */
const char *figures_step_name(size_t step);

/* What the picture shows, in a few lines. */
void figures_say(const struct figures *figures, struct words *out);
/* A new object. */
json_t *figures_json(const struct figures *figures);
