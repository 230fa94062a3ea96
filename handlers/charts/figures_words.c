/*
 * figures_words.c - the figures as text and as JSON (figures.h).
 */
#include <inttypes.h>
#include "bot/base/clock.h"
#include "bot/base/zone.h"
#include "handlers/charts/figures.h"

static const char *const figures_days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const figures_months[] = {
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static void figures_date(int64_t ms, struct buf *out)
{
	struct zone_time local;

	zone_local(ms, &local);
	buf_printf(out, "%s %d %s", figures_days[local.weekday], local.day,
	        figures_months[local.month - 1]);
}

void figures_bar_label(const struct figures *figures, size_t bar, struct buf *out)
{
	struct zone_time local;

	zone_local(figures->bars[bar].start_ms, &local);
	if (figures->span == CHART_DAY && local.hour % 6 == 0)
		buf_printf(out, "%02d:00", local.hour);
	else if (figures->span == CHART_WEEK)
		buf_add_str(out, figures_days[local.weekday]);
	else if (figures->span == CHART_MONTH && local.weekday == 1)
		buf_printf(out, "%d %s", local.day, figures_months[local.month - 1]);
}

static bool figures_is_calendar_week(const struct figures *figures)
{
	struct zone_time first, end;

	zone_local(figures->since_ms, &first);
	zone_local(figures->until_ms, &end);
	return figures->span == CHART_WEEK && first.weekday == 1 && end.hour == 0 &&
	       end.minute == 0 && end.weekday == 1;
}

static const char *figures_span_name(const struct figures *figures)
{
	static const char *const names[] = {"last 24 hours", "last 7 days", "last 30 days"};

	return figures_is_calendar_week(figures) ? "last week" : names[figures->span];
}

void figures_title(const struct figures *figures, struct buf *out)
{
	buf_printf(out, "Alerts, %s", figures_span_name(figures));
}

void figures_dates(const struct figures *figures, struct buf *out)
{
	char from[40], to[40];

	if (figures->span != CHART_DAY) {
		figures_date(figures->since_ms, out);
		buf_add_str(out, " – ");
		figures_date(figures->until_ms - 1, out);
		return;
	}
	clock_format_short(figures->since_ms, 0, from, sizeof(from));
	clock_format_short(figures->until_ms, figures->since_ms, to, sizeof(to));
	buf_printf(out, "%s – %s", from, to);
}

void figures_bar_name(const struct figures *figures, size_t bar, struct buf *out)
{
	struct zone_time local;

	zone_local(figures->bars[bar].start_ms, &local);
	if (figures->span == CHART_DAY)
		buf_printf(out, "%02d:%02d", local.hour, local.minute);
	else
		figures_date(figures->bars[bar].start_ms, out);
}

const char *figures_step_name(size_t step)
{
	static const char *const names[FIGURES_STEPS] = {
	        "≤ 5 min", "≤ 15 min", "≤ 1 h", "≤ 4 h", "> 4 h"};

	return names[step];
}

/* --- in words ----------------------------------------------------------------------------- */

static void figures_say_counts(const struct figures *figures, struct words *out)
{
	const char *comma = "";

	for (int i = SEVERITY_COUNT - 1; i >= 0; i--)
		if (figures->totals[i]) {
			words_say(out, "%s%" PRId64 " %s", comma, figures->totals[i],
			        severity_names[i]);
			comma = ", ";
		}
	if (!*comma)
		words_say(out, "none");
}

static void figures_say_most(const struct figures *figures, struct words *out)
{
	struct buf text;
	size_t most = 0;

	buf_init(&text, 256);
	figures_dates(figures, &text);
	for (size_t i = 1; i < figures->bars_len; i++)
		if (figures_sum(figures->bars[i].counts) > figures_sum(figures->bars[most].counts))
			most = i;
	if (figures_sum(figures->totals)) {
		buf_add_str(
		        &text, figures->span == CHART_DAY ? " · busiest hour " : " · busiest day ");
		figures_bar_name(figures, most, &text);
		buf_printf(&text, ": %" PRId64, figures_sum(figures->bars[most].counts));
	}
	words_break(out);
	words_say(out, "%s", buf_str(&text));
	buf_finish(&text);
}

static void figures_say_top(const struct figures *figures, struct words *out)
{
	if (figures->top_len == 0)
		return;
	words_break(out);
	for (size_t i = 0; i < figures->top_len; i++) {
		words_say(out, "%s", i ? " · " : "");
		if (figures->app)
			words_what(out, figures->top[i].name);
		else
			words_name(out, figures->top[i].name, WORDS_NAME_POINTS);
		words_say(out, " %" PRId64, figures_sum(figures->top[i].counts));
	}
	if (figures->top_total > (int64_t)figures->top_len)
		words_say(out, " · +%" PRId64 " %s", figures->top_total - (int64_t)figures->top_len,
		        figures->app ? "more" : "apps");
}

static void figures_say_acks(const struct figures *figures, struct words *out)
{
	if (figures->acked == 0 && figures->unacked == 0)
		return;
	words_break(out);
	if (figures->acked) {
		words_say(out, "Acknowledged: %" PRId64 ", half within ", figures->acked);
		words_duration(out, figures->median_ms);
		words_say(out, ", 90%% within ");
		words_duration(out, figures->p90_ms);
	}
	if (figures->unacked)
		words_say(out, "%s%" PRId64 " unacknowledged", figures->acked ? " · " : "",
		        figures->unacked);
}

void figures_say(const struct figures *figures, struct words *out)
{
	words_say(out, "📊 ");
	words_bold(out, true);
	if (figures->app) {
		words_name(out, figures->app, WORDS_NAME_POINTS);
		words_say(out, " · ");
	}
	words_say(out, "Alerts, %s: ", figures_span_name(figures));
	figures_say_counts(figures, out);
	words_bold(out, false);
	figures_say_most(figures, out);
	figures_say_top(figures, out);
	figures_say_acks(figures, out);
}

/* --- as data ------------------------------------------------------------------------------ */

static json_t *figures_counts_json(const int64_t counts[SEVERITY_COUNT])
{
	json_t *object = json_object();

	for (int i = 0; i < SEVERITY_COUNT; i++)
		json_object_set_new(object, severity_names[i], json_integer(counts[i]));
	return object;
}

json_t *figures_json(const struct figures *figures)
{
	json_t *bars = json_array(), *top = json_array();

	for (size_t i = 0; i < figures->bars_len; i++) {
		json_t *bar = figures_counts_json(figures->bars[i].counts);

		json_object_set_new(bar, "start_ms", json_integer(figures->bars[i].start_ms));
		json_array_append_new(bars, bar);
	}
	for (size_t i = 0; i < figures->top_len; i++) {
		json_t *counts = figures_counts_json(figures->top[i].counts);

		json_object_set_new(counts, "name", json_string(figures->top[i].name));
		json_array_append_new(top, counts);
	}
	return json_pack("{s:s, s:s*, s:I, s:I, s:o, s:o, s:o, s:I, s:{s:I, s:I, s:I}, s:I}",
	        "span", chart_span_names[figures->span], "app", figures->app, "since_ms",
	        (json_int_t)figures->since_ms, "until_ms", (json_int_t)figures->until_ms, "alerts",
	        figures_counts_json(figures->totals), "bars", bars,
	        figures->app ? "failures" : "apps", top, "more",
	        (json_int_t)(figures->top_total - (int64_t)figures->top_len), "acknowledged",
	        "count", (json_int_t)figures->acked, "median_ms", (json_int_t)figures->median_ms,
	        "p90_ms", (json_int_t)figures->p90_ms, "unacknowledged",
	        (json_int_t)figures->unacked);
}
