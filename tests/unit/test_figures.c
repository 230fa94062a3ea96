/*
 * test_figures.c - from alerts in a database to the figures of a chart, to words, to a picture.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bot/base/clock.h"
#include "bot/base/zone.h"
#include "bot/charts/draw.h"
#include "handlers/oncall/ack.h"
#include "tests/unit/handlers_fixture.h"

#define NOW INT64_C(1795602930000) /* 2026-11-25T10:35:30Z, a Wednesday */

static int setup(void **state)
{
	struct world *w = world_create("");

	zone_use("Europe/Madrid");
	w->now_ms = NOW;
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	world_destroy(*state);
	return 0;
}

/* An alert of another time, which nobody is told of. */
static void put(struct world *w, const char *app, const char *what, enum severity severity,
        int64_t received_ms)
{
	struct alert_row row = {
	        .app = (char *)app,
	        .kind = (char *)"message",
	        .severity = (int)severity,
	        .subject = (char *)"s",
	        .fingerprint = (char *)"f",
	        .identity = (char *)what,
	        .fields = (char *)"{}",
	        .reason = (char *)"r",
	        .received_ms = received_ms,
	};

	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(alerts_insert(w->store, &row), OK);
	assert_int_equal(store_commit(w->store), OK);
}

/* A message of an app that could be read at told_ms, and was acknowledged so long after. */
static void put_ack(struct world *w, const char *app, int64_t told_ms, int64_t took_ms)
{
	static int count;
	char fingerprint[32];
	struct message_row message = {
	        .room = (char *)"ops", .origin = (char *)app, .opened_ms = told_ms, .closed_ms = 1};
	struct entry_row entry = {
	        .severity = SEVERITY_CRITICAL,
	        .fingerprint = fingerprint,
	        .subject = fingerprint,
	        .app = (char *)app,
	        .kind = (char *)"message",
	        .identity = (char *)"x",
	        .run_ids = (char *)"[]",
	        .fields = (char *)"{}",
	        .told_ms = told_ms,
	        .last_ms = told_ms,
	        .acked_ms = took_ms < 0 ? 0 : told_ms + took_ms,
	        .acked_by = took_ms < 0 ? NULL : (char *)"@op:x",
	};

	snprintf(fingerprint, sizeof(fingerprint), "ack %d", count++);
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(messages_insert(w->store, &message), OK);
	entry.message_id = message.id;
	assert_int_equal(entries_insert(w->store, &entry), OK);
	assert_int_equal(store_commit(w->store), OK);
}

static void is_text(struct buf *text, const char *expected)
{
	assert_string_equal(buf_str(text), expected);
	buf_finish(text);
}

/* ---- bars ---- */

static void days_begin_at_midnight_of_the_zone(void **state)
{
	int64_t starts[FIGURES_BARS_MAX];
	char text[32];

	assert_int_equal(figures_starts(CHART_WEEK, NOW, starts), 7);
	clock_format_rfc3339(starts[6], text, sizeof(text));
	assert_string_equal(text, "2026-11-24T23:00:00.000Z");
	clock_format_rfc3339(starts[0], text, sizeof(text));
	assert_string_equal(text, "2026-11-18T23:00:00.000Z");
	/* over the change from summer time, whose day has 25 hours */
	assert_int_equal(figures_starts(CHART_MONTH, INT64_C(1793527200000), starts), 30);
	for (size_t i = 0; i < 30; i++) {
		struct zone_time local;

		zone_local(starts[i], &local);
		assert_int_equal(local.hour, 0);
		if (i > 0 && starts[i] - starts[i - 1] != CLOCK_DAY_MS)
			assert_int_equal(starts[i] - starts[i - 1], 25 * CLOCK_HOUR_MS);
	}
	/* what ends at midnight does not show the day that begins */
	assert_int_equal(figures_starts(CHART_WEEK, INT64_C(1795388400000), starts), 7);
	clock_format_rfc3339(starts[6], text, sizeof(text));
	assert_string_equal(text, "2026-11-21T23:00:00.000Z");
}

static void hours_begin_with_the_hour_that_the_clock_shows(void **state)
{
	int64_t starts[FIGURES_BARS_MAX];
	struct zone_time local;

	zone_use("Asia/Kathmandu"); /* 5 h 45 min */
	assert_int_equal(figures_starts(CHART_DAY, NOW, starts), 24);
	for (size_t i = 0; i < 24; i++) {
		zone_local(starts[i], &local);
		assert_int_equal(local.minute, 0);
		assert_int_equal(local.second, 0);
	}
	assert_in_range(NOW - starts[23], 1, CLOCK_HOUR_MS);
}

static void a_span_has_more_names_than_one(void **state)
{
	enum chart_span span;

	assert_true(figures_span("24h", &span) && span == CHART_DAY);
	assert_true(figures_span("Week", &span) && span == CHART_WEEK);
	assert_true(figures_span("30D", &span) && span == CHART_MONTH);
	assert_false(figures_span("2d", &span));
	assert_false(figures_span("", &span));
}

/* ---- figures ---- */

static void collect(struct world *w, enum chart_span span, const char *app, struct figures *out)
{
	assert_int_equal(figures_collect(w->store, span, w->now_ms, app, out), OK);
}

static void alerts_are_counted_where_they_belong(void **state)
{
	struct world *w = *state;
	struct figures f;

	put(w, "etl", "load", SEVERITY_CRITICAL, NOW - CLOCK_HOUR_MS);
	put(w, "etl", "load", SEVERITY_CRITICAL, NOW - CLOCK_DAY_MS);
	put(w, "etl", "clean", SEVERITY_WARNING, NOW - CLOCK_DAY_MS);
	put(w, "billing", "pdf", SEVERITY_INFO, NOW - 6 * CLOCK_DAY_MS);
	put(w, "billing", "pdf", SEVERITY_INFO, NOW - 7 * CLOCK_DAY_MS); /* too old */
	put(w, "billing", "pdf", SEVERITY_INFO, NOW);                    /* not yet */
	collect(w, CHART_WEEK, NULL, &f);
	assert_int_equal(f.totals[SEVERITY_CRITICAL], 2);
	assert_int_equal(f.totals[SEVERITY_WARNING], 1);
	assert_int_equal(f.totals[SEVERITY_INFO], 1);
	assert_int_equal(f.bars[6].counts[SEVERITY_CRITICAL], 1);
	assert_int_equal(f.bars[5].counts[SEVERITY_CRITICAL], 1);
	assert_int_equal(f.bars[5].counts[SEVERITY_WARNING], 1);
	assert_int_equal(f.bars[0].counts[SEVERITY_INFO], 1);
	assert_int_equal(f.top_len, 2);
	assert_int_equal(f.top_total, 2);
	assert_string_equal(f.top[0].name, "etl");
	assert_int_equal(figures_sum(f.top[0].counts), 3);
	figures_finish(&f);
	collect(w, CHART_DAY, "etl", &f); /* of one app what failed */
	assert_int_equal(figures_sum(f.totals), 1);
	assert_int_equal(f.bars[22].counts[SEVERITY_CRITICAL], 1);
	assert_string_equal(f.top[0].name, "load");
	figures_finish(&f);
}

static void only_the_noisiest_are_named(void **state)
{
	struct world *w = *state;
	struct figures f;
	char app[16];

	for (int i = 0; i < 9; i++)
		for (int k = 0; k <= i; k++) {
			snprintf(app, sizeof(app), "app%d", i);
			put(w, app, "x", SEVERITY_WARNING, NOW - CLOCK_HOUR_MS - k);
		}
	collect(w, CHART_DAY, NULL, &f);
	assert_int_equal(f.top_len, FIGURES_TOP_MAX);
	assert_int_equal(f.top_total, 9);
	assert_string_equal(f.top[0].name, "app8");
	figures_finish(&f);
}

static void times_to_acknowledge(void **state)
{
	struct world *w = *state;
	struct figures f;

	for (int i = 1; i <= 10; i++)
		put_ack(w, "etl", NOW - CLOCK_DAY_MS, i * CLOCK_MINUTE_MS);
	put_ack(w, "etl", NOW - 2 * CLOCK_DAY_MS, 5 * CLOCK_HOUR_MS);
	put_ack(w, "etl", NOW - 20 * CLOCK_DAY_MS, CLOCK_MINUTE_MS); /* too old */
	put_ack(w, "billing", NOW - CLOCK_HOUR_MS, -1);
	collect(w, CHART_WEEK, NULL, &f);
	assert_int_equal(f.acked, 11);
	assert_int_equal(f.median_ms, 6 * CLOCK_MINUTE_MS);
	assert_int_equal(f.p90_ms, 10 * CLOCK_MINUTE_MS);
	assert_int_equal(f.steps[0], 5);
	assert_int_equal(f.steps[1], 5);
	assert_int_equal(f.steps[2], 0);
	assert_int_equal(f.steps[4], 1);
	assert_int_equal(f.unacked, 1);
	figures_finish(&f);
	collect(w, CHART_WEEK, "billing", &f);
	assert_int_equal(f.acked, 0);
	assert_int_equal(f.unacked, 1);
	figures_finish(&f);
}

/* What an operator does is what is measured. */
static void an_acknowledgement_from_the_room_counts(void **state)
{
	struct world *w = *state;
	struct figures f;
	struct deliver d = {.store = w->store, .config = w->config};
	struct ack ack = {.who = "@op:x"};
	struct ack_result result = {0};

	world_alert(w,
	        "{\"app\":\"etl\",\"severity\":\"critical\",\"run_id\":\"r-1\",\"title\":\"x\"}");
	world_send(w);
	w->now_ms += 3 * CLOCK_MINUTE_MS;
	d.now_ms = w->now_ms;
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(ack_run(&d, "r-1", &ack, &result), OK);
	assert_int_equal(store_commit(w->store), OK);
	ack_result_finish(&result);
	w->now_ms += 1000;
	collect(w, CHART_DAY, NULL, &f);
	assert_int_equal(f.acked, 1);
	assert_int_equal(f.median_ms, 3 * CLOCK_MINUTE_MS);
	assert_int_equal(f.unacked, 0);
	figures_finish(&f);
}

/* ---- words ---- */

static char *words_of(const struct figures *f, bool html)
{
	struct words words;
	char *text;

	words_init(&words);
	figures_say(f, &words);
	text = html ? words_html(&words) : words_body(&words);
	words_finish(&words);
	return text;
}

static void the_words_say_the_figures(void **state)
{
	struct world *w = *state;
	struct figures f;
	struct buf text;
	char *body;

	put(w, "etl", "load", SEVERITY_CRITICAL, NOW - CLOCK_DAY_MS);
	put(w, "etl", "load", SEVERITY_CRITICAL, NOW - CLOCK_DAY_MS);
	put(w, "billing", "pdf", SEVERITY_WARNING, NOW - CLOCK_HOUR_MS);
	put_ack(w, "etl", NOW - CLOCK_DAY_MS, 4 * CLOCK_MINUTE_MS);
	put_ack(w, "etl", NOW - CLOCK_HOUR_MS, -1);
	collect(w, CHART_WEEK, NULL, &f);
	body = words_of(&f, false);
	assert_string_equal(body,
	        "📊 Alerts, last 7 days: 2 critical, 1 warning\n"
	        "Thu 19 Nov – Wed 25 Nov · busiest day Tue 24 Nov: 2\n"
	        "etl 2 · billing 1\n"
	        "Acknowledged: 1, half within 4m, 90% within 4m · 1 unacknowledged");
	free(body);
	buf_init(&text, 256);
	figures_title(&f, &text);
	is_text(&text, "Alerts, last 7 days");
	figures_finish(&f);
	collect(w, CHART_DAY, "etl", &f);
	body = words_of(&f, false);
	assert_non_null(strstr(body, "📊 etl · Alerts, last 24 hours: none\n"));
	free(body);
	figures_finish(&f);
	/* a week that ends with it */
	assert_int_equal(
	        figures_collect(w->store, CHART_WEEK, INT64_C(1795388400000), NULL, &f), OK);
	body = words_of(&f, false);
	assert_non_null(strstr(body, "Alerts, last week: none\nMon 16 Nov – Sun 22 Nov"));
	free(body);
	figures_finish(&f);
}

static void names_from_outside_are_no_markup(void **state)
{
	struct world *w = *state;
	struct figures f;
	char *html, *body;

	put(w, "evil.example", "<b>x</b>\xE2\x80\xAE", SEVERITY_CRITICAL, NOW - CLOCK_HOUR_MS);
	collect(w, CHART_DAY, NULL, &f);
	html = words_of(&f, true);
	assert_non_null(strstr(html, "<code>evil.example</code>")); /* no link to a client */
	free(html);
	figures_finish(&f);
	collect(w, CHART_DAY, "evil.example", &f);
	html = words_of(&f, true);
	body = words_of(&f, false);
	assert_non_null(strstr(html, "&lt;b&gt;x&lt;/b&gt;"));
	assert_null(strstr(body, "\xE2\x80\xAE"));
	free(html);
	free(body);
	figures_finish(&f);
}

static void the_data_say_the_figures(void **state)
{
	struct world *w = *state;
	struct figures f;
	json_t *data;

	put(w, "etl", "load", SEVERITY_CRITICAL, NOW - CLOCK_HOUR_MS);
	collect(w, CHART_DAY, NULL, &f);
	data = figures_json(&f);
	assert_string_equal(json_string_value(json_object_get(data, "span")), "24h");
	assert_int_equal(json_array_size(json_object_get(data, "bars")), 24);
	assert_int_equal(
	        json_integer_value(json_object_get(json_object_get(data, "alerts"), "critical")),
	        1);
	assert_string_equal(json_string_value(json_object_get(
	                            json_array_get(json_object_get(data, "apps"), 0), "name")),
	        "etl");
	json_decref(data);
	figures_finish(&f);
}

/* ---- the picture ---- */

/* Big-endian, as in a PNG. */
static int number_at(const struct buf *png, size_t at)
{
	const unsigned char *bytes = (const unsigned char *)png->data + at;

	return bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3];
}

/* $MTB_PICTURES: a folder to keep them in, for people. */
static void keep(const struct drawing *drawing, const char *name)
{
	const char *folder = getenv("MTB_PICTURES");
	char path[512];
	FILE *file;

	if (!folder)
		return;
	snprintf(path, sizeof(path), "%s/%s.png", folder, name);
	file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(drawing->png.data, 1, drawing->png.len, file), drawing->png.len);
	fclose(file);
}

static void is_picture(const struct figures *f, const char *name)
{
	struct drawing drawing;
	enum err err = draw_chart(f, &drawing, NULL);

	if (err == ERR_UNSUPPORTED) { /* built without cairo */
		drawing_finish(&drawing);
		skip();
	}
	assert_int_equal(err, OK);
	assert_true(drawing.png.len > 1000);
	assert_memory_equal(drawing.png.data, "\x89PNG\r\n\x1a\n", 8);
	assert_int_equal(drawing.width, DRAW_WIDTH);
	assert_int_equal(number_at(&drawing.png, 16), drawing.width);
	assert_int_equal(number_at(&drawing.png, 20), drawing.height);
	assert_in_range(drawing.height, 400, 2400);
	assert_memory_equal(drawing.png.data + drawing.png.len - 8, "IEND", 4);
	keep(&drawing, name);
	drawing_finish(&drawing);
}

static void many(struct world *w)
{
	static const char *const apps[] = {"data_factory", "dag_engine", "call_monitor", "billing",
	        "etl", "search", "mailer", "geocoder", "importer"};

	for (int i = 0; i < 160; i++)
		put(w, apps[(i * i) % 9], i % 3 ? "etl_users" : "orders",
		        i % 4 == 0   ? SEVERITY_CRITICAL
		        : i % 4 == 3 ? SEVERITY_INFO
		                     : SEVERITY_WARNING,
		        NOW - 1 - (int64_t)(i * i * 97 % 29) * CLOCK_DAY_MS -
		                (int64_t)(i * 7 % 24) * CLOCK_HOUR_MS);
	for (int i = 0; i < 40; i++)
		put(w, apps[i % 3], "etl_users", i % 2 ? SEVERITY_CRITICAL : SEVERITY_WARNING,
		        NOW - 1 - (int64_t)(i * 37 % 30) * CLOCK_HOUR_MS);
	for (int i = 0; i < 24; i++)
		put_ack(w, apps[i % 3], NOW - (int64_t)i * 7 * CLOCK_HOUR_MS - CLOCK_HOUR_MS,
		        (int64_t)(i * i % 37) * CLOCK_MINUTE_MS +
		                (i % 8 == 0 ? 5 * CLOCK_HOUR_MS : 0));
	for (int i = 0; i < 3; i++)
		put_ack(w, "etl", NOW - CLOCK_HOUR_MS, -1);
}

static void each_span_is_a_picture(void **state)
{
	struct world *w = *state;
	struct figures f;

	many(w);
	for (enum chart_span span = CHART_DAY; span <= CHART_MONTH; span++) {
		collect(w, span, NULL, &f);
		is_picture(&f, chart_span_names[span]);
		figures_finish(&f);
	}
	collect(w, CHART_WEEK, "data_factory", &f);
	is_picture(&f, "app");
	figures_finish(&f);
}

static void what_is_odd_is_a_picture_too(void **state)
{
	struct world *w = *state;
	struct figures f;
	char *wide = x_calloc(1, 2001);

	memset(wide, 'W', 2000);
	collect(w, CHART_DAY, NULL, &f);
	is_picture(&f, "nothing");
	figures_finish(&f);
	put(w, "evil", wide, SEVERITY_CRITICAL, NOW - CLOCK_HOUR_MS);
	put(w, "evil",
	        "\xF0\x9F\x94\xA5 caf\xC3\xA9 \xE6\x97\xA5\xE6\x9C\xAC \xE2\x80\xAE "
	        "txt.exe\x1b[31m\n2nd",
	        SEVERITY_WARNING, NOW - CLOCK_HOUR_MS);
	put(w, "evil", "\xFF\xFE broken \xC3", SEVERITY_INFO, NOW - CLOCK_HOUR_MS);
	put(w, "evil", "", SEVERITY_INFO, NOW - CLOCK_HOUR_MS);
	collect(w, CHART_DAY, "evil", &f);
	for (int i = 0; i < SEVERITY_COUNT; i++) /* as many as nobody can read */
		f.totals[i] = f.bars[7].counts[i] = INT64_C(1234567);
	f.top[0].counts[SEVERITY_CRITICAL] = INT64_C(9000000);
	is_picture(&f, "odd");
	figures_finish(&f);
	free(wide);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(days_begin_at_midnight_of_the_zone),
	        TEST(hours_begin_with_the_hour_that_the_clock_shows),
	        TEST(a_span_has_more_names_than_one),
	        TEST(alerts_are_counted_where_they_belong),
	        TEST(only_the_noisiest_are_named),
	        TEST(times_to_acknowledge),
	        TEST(an_acknowledgement_from_the_room_counts),
	        TEST(the_words_say_the_figures),
	        TEST(names_from_outside_are_no_markup),
	        TEST(the_data_say_the_figures),
	        TEST(each_span_is_a_picture),
	        TEST(what_is_odd_is_a_picture_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
