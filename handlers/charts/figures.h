/*
 * figures.h - the data of a chart: alerts by severity over time, by app, and how long
 * acknowledgements took; also as text, for people who cannot see the picture. What is outside of
 * the time shown costs nothing.
 */
#pragma once

#include <jansson.h>
#include "bot/base/buf.h"
#include "bot/base/severity.h"
#include "handlers/message/words.h"
#include "storage/chart_rows.h"

#define FIGURES_BARS_MAX 30
#define FIGURES_TOP_MAX 6
#define FIGURES_ACKS_MAX 10000 /* if there are more, only the shortest are counted */
#define FIGURES_STEPS 5        /* classes of the time to acknowledge */

struct figures_bar {
	int64_t start_ms;
	int64_t counts[SEVERITY_COUNT];
};

struct figures {
	int span;                   /* enum chart_span */
	int64_t since_ms, until_ms; /* since_ms: the beginning of the first bar */
	char *app;                  /* NULL = all */
	struct figures_bar bars[FIGURES_BARS_MAX];
	size_t bars_len;
	int64_t totals[SEVERITY_COUNT];
	struct chart_top top[FIGURES_TOP_MAX]; /* apps, or what failed if app is set */
	size_t top_len;
	int64_t top_total; /* number of all such apps or failures */
	int64_t acked, median_ms, p90_ms;
	int64_t steps[FIGURES_STEPS]; /* acknowledgements by the time they took */
	int64_t unacked; /* critical failures of the period that are unacknowledged now */
};

/* "24h", "day", "7d", "week", … in any case; false: unknown. */
bool figures_span(const char *text, enum chart_span *span);
/* The beginning of each bar: hours, or days in the zone (bot/base/zone.h); the last bar holds
 * the moment before until_ms. Returns the number of bars; starts has room for FIGURES_BARS_MAX. */
size_t figures_starts(enum chart_span span, int64_t until_ms, int64_t *starts);

/* Call figures_finish() whatever the result. app is copied. */
enum err figures_collect(struct store *store, enum chart_span span, int64_t until_ms,
        const char *app, struct figures *out);
void figures_finish(struct figures *figures);

int64_t figures_sum(const int64_t counts[SEVERITY_COUNT]);
/* "Alerts, last 7 days", or "Alerts, last week" for a whole calendar week. */
void figures_title(const struct figures *figures, struct buf *out);
/* "Fri 20 Nov – Thu 26 Nov" */
void figures_dates(const struct figures *figures, struct buf *out);
/* The name of a bar: "14:00", "Tue 24 Nov". */
void figures_bar_name(const struct figures *figures, size_t bar, struct buf *out);
/* The label below a bar, which is short: "14:00", "Tue"; empty for most bars if there are many. */
void figures_bar_label(const struct figures *figures, size_t bar, struct buf *out);
/* The name of a step: "≤ 5 min", "> 4 h". */
const char *figures_step_name(size_t step);

/* Describes the chart in a few lines. */
void figures_say(const struct figures *figures, struct words *out);
/* The figures as JSON; a new object. */
json_t *figures_json(const struct figures *figures);
