/*
 * figures.c - reads the figures from the database (figures.h). Their text is made in
 * figures_words.c.
 */
#include "handlers/charts/figures.h"

#include <string.h>
#include <strings.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/zone.h"

#define DAYS_MAX 30
#define HOURS_MAX ((DAYS_MAX + 2) * 24) /* a day may have more than 24 */

bool figures_span(const char *text, enum chart_span *span)
{
	static const struct {
		const char *name;
		enum chart_span span;
	} names[] = {
	        {"24h", CHART_DAY},
	        {"1d", CHART_DAY},
	        {"day", CHART_DAY},
	        {"7d", CHART_WEEK},
	        {"1w", CHART_WEEK},
	        {"week", CHART_WEEK},
	        {"30d", CHART_MONTH},
	        {"month", CHART_MONTH},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcasecmp(text, names[i].name) == 0) {
			*span = names[i].span;
			return true;
		}
	return false;
}

/* Midnight at the beginning of the day that is days_before days before the one of ms. */
static int64_t figures_midnight(int64_t ms, int days_before)
{
	struct zone_time local, day;

	zone_local(ms, &local);
	zone_civil(local.year, local.month, local.day - days_before, 0, 0, &day);
	return zone_first_ms(&day);
}

size_t figures_starts(enum chart_span span, int64_t until_ms, int64_t *starts)
{
	int64_t last_ms = until_ms - 1;
	size_t len = span == CHART_WEEK ? 7 : span == CHART_MONTH ? DAYS_MAX : 24;
	struct zone_time local;

	zone_local(last_ms, &local);
	last_ms -= local.minute * CLOCK_MINUTE_MS + last_ms % CLOCK_MINUTE_MS;
	for (size_t i = 0; i < len; i++)
		starts[i] = span == CHART_DAY ? last_ms - (int64_t)(len - 1 - i) * CLOCK_HOUR_MS
		                              : figures_midnight(until_ms - 1, (int)(len - 1 - i));
	return len;
}

int64_t figures_sum(const int64_t counts[SEVERITY_COUNT])
{
	int64_t sum = 0;

	for (int i = 0; i < SEVERITY_COUNT; i++)
		sum += counts[i];
	return sum;
}

static enum err figures_collect_bars(
        struct store *store, const struct chart_range *range, struct figures *out)
{
	int64_t hours[HOURS_MAX][SEVERITY_COUNT];
	size_t bar = 0;
	enum err err = charts_by_hour(store, range, hours, HOURS_MAX);

	for (size_t i = 0; i < HOURS_MAX && err == OK; i++) {
		int64_t at_ms = range->since_ms + (int64_t)i * CLOCK_HOUR_MS;

		while (bar + 1 < out->bars_len && out->bars[bar + 1].start_ms <= at_ms)
			bar++;
		for (int k = 0; k < SEVERITY_COUNT; k++) {
			out->bars[bar].counts[k] += hours[i][k];
			out->totals[k] += hours[i][k];
		}
	}
	return err;
}

static enum err figures_collect_acks(
        struct store *store, const struct chart_range *range, struct figures *out)
{
	static const int64_t ends_ms[FIGURES_STEPS] = {5 * CLOCK_MINUTE_MS, 15 * CLOCK_MINUTE_MS,
	        CLOCK_HOUR_MS, 4 * CLOCK_HOUR_MS, INT64_MAX};
	size_t len = FIGURES_ACKS_MAX, step = 0;
	int64_t *times_ms = x_calloc(len, sizeof(*times_ms));
	enum err err = charts_ack_times(store, range, times_ms, &len);

	for (size_t i = 0; i < len; i++) {
		while (times_ms[i] > ends_ms[step])
			step++;
		out->steps[step]++;
	}
	out->acked = (int64_t)len;
	if (len > 0) {
		out->median_ms = times_ms[(len - 1) / 2];
		out->p90_ms = times_ms[(len * 9 + 9) / 10 - 1];
	}
	free(times_ms);
	return err;
}

enum err figures_collect(struct store *store, enum chart_span span, int64_t until_ms,
        const char *app, struct figures *out)
{
	int64_t starts[FIGURES_BARS_MAX];
	struct chart_range range;
	enum err err;

	memset(out, 0, sizeof(*out));
	out->span = (int)span;
	out->until_ms = until_ms;
	out->app = x_strdup_opt(app);
	out->bars_len = figures_starts(span, until_ms, starts);
	out->since_ms = starts[0];
	for (size_t i = 0; i < out->bars_len; i++)
		out->bars[i].start_ms = starts[i];
	range = (struct chart_range){out->since_ms, until_ms, app};
	out->top_len = FIGURES_TOP_MAX;
	err = figures_collect_bars(store, &range, out);
	if (err == OK)
		err = charts_top(store, &range, out->top, &out->top_len, &out->top_total);
	else
		out->top_len = 0;
	if (err == OK)
		err = figures_collect_acks(store, &range, out);
	return err == OK ? charts_unacked(store, &range, &out->unacked) : err;
}

void figures_finish(struct figures *figures)
{
	for (size_t i = 0; i < figures->top_len; i++)
		free(figures->top[i].name);
	free(figures->app);
	memset(figures, 0, sizeof(*figures));
}
