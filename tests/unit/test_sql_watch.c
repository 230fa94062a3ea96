/*
 * test_sql_watch.c - the SQL watches: when each is due, what a row is as an alert, and what becomes
 * of what is found, over a real store and simulated time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include "bot/base/clock.h"
#include "handlers/watches/sql_watch.h"
#include "storage/alerts.h"
#include "storage/messages.h"
#include "tests/unit/handlers_fixture.h"

#define STOCK                                                                                     \
	"[watch stock]\ndatabase = shop.db\nsql = SELECT 1\nevery = 1h\n[route]\nwarning = ops\n" \
	"info = ops\n"

/* --- when ----------------------------------------------------------------------------------- */

static void first_runs_are_soon_and_spread(void **state)
{
	int64_t last_ms = 0;

	assert_int_equal(sql_watch_first_ms(0, 1, 5000), 6000);
	for (size_t i = 0; i < 100; i++) {
		int64_t ms = sql_watch_first_ms(i, 100, 5000);

		assert_true(ms > 5000 && ms <= 5000 + 10000 && ms >= last_ms + (i > 0));
		last_ms = ms;
	}
}

static void due_by_every_with_clocks_that_jump(void **state)
{
	struct sql_watch_times times = {.first_ms = 6000};
	const int64_t hour = CLOCK_HOUR_MS;

	assert_int_equal(sql_watch_due_ms(&times, hour, 5000), 6000);
	assert_true(sql_watch_due_ms(&times, hour, 7000) <= 7000);
	assert_true(sql_watch_due_ms(&times, hour, 6000 - 2 * hour) <= 6000 - 2 * hour);
	times.last_ms = 10 * hour;
	assert_int_equal(sql_watch_due_ms(&times, hour, 10 * hour + 1), 11 * hour);
	assert_int_equal(sql_watch_due_ms(&times, 2 * hour, 10 * hour + 1), 12 * hour);
	assert_true(sql_watch_due_ms(&times, hour, 15 * hour) <= 15 * hour); /* slept */
	assert_true(sql_watch_due_ms(&times, hour, 9 * hour) <= 9 * hour);   /* set back */
	times.failed = true;
	assert_int_equal(
	        sql_watch_due_ms(&times, hour, 10 * hour + 1), 10 * hour + CLOCK_MINUTE_MS);
	assert_int_equal(sql_watch_due_ms(&times, 1000, 10 * hour + 1), 10 * hour + 1000);
}

/* --- decisions ------------------------------------------------------------------------------ */

static void decisions(void **state)
{
	const int64_t now = INT64_C(1790000000000);
	static const struct {
		bool known;
		int was, is;
		int64_t told, tried, shown; /* ago; -1 = never */
		bool changed, acked, reminded;
		int64_t repeat;
		enum sql_watch_action action;
	} table[] = {
	        {false, 1, 1, -1, -1, -1, false, false, true, 24 * 3600000, SQL_WATCH_FIRE},
	        {true, 1, 1, 3600000, 3600000, 3600000, false, false, true, 24 * 3600000,
	                SQL_WATCH_NOTHING},
	        /* new details: an edit, at most one a minute */
	        {true, 1, 1, 3600000, 3600000, 3600000, true, false, true, 24 * 3600000,
	                SQL_WATCH_REFRESH},
	        {true, 1, 1, 3600000, 3600000, 59000, true, false, true, 24 * 3600000,
	                SQL_WATCH_NOTHING},
	        /* not forgotten */
	        {true, 1, 1, 24 * 3600000, 0, 0, false, false, true, 24 * 3600000, SQL_WATCH_FIRE},
	        {true, 1, 1, 24 * 3600000, 0, 0, false, true, true, 24 * 3600000,
	                SQL_WATCH_NOTHING},
	        {true, 1, 1, 24 * 3600000, 0, 0, false, false, true, 0, SQL_WATCH_NOTHING},
	        {true, 2, 2, 24 * 3600000, 0, 0, false, false, true, 24 * 3600000, SQL_WATCH_TOUCH},
	        {true, 2, 2, 24 * 3600000, 0, 0, false, false, false, 24 * 3600000, SQL_WATCH_FIRE},
	        /* another severity is news */
	        {true, 1, 2, 1000, 1000, 1000, false, true, true, 0, SQL_WATCH_FIRE},
	        {true, 2, 1, 1000, 1000, 1000, false, false, true, 0, SQL_WATCH_FIRE},
	        /* silenced: tried again, not each second */
	        {true, 1, 1, -1, 299000, 299000, true, false, true, 24 * 3600000,
	                SQL_WATCH_NOTHING},
	        {true, 1, 1, -1, 300000, 300000, false, false, true, 0, SQL_WATCH_FIRE},
	        /* the clock was set back since */
	        {true, 1, 1, -3600000, 0, 0, false, false, true, 24 * 3600000, SQL_WATCH_FIRE},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct sql_watch_row row = {
		        .severity = table[i].was,
		        .told_ms = table[i].told == -1 ? 0 : now - table[i].told,
		        .tried_ms = now - table[i].tried,
		        .shown_ms = now - table[i].shown,
		};
		struct sql_watch_seen seen = {
		        .severity = (enum severity)table[i].is,
		        .changed = table[i].changed,
		        .acked = table[i].acked,
		        .now_ms = now,
		        .repeat_ms = table[i].repeat,
		        .reminded = table[i].reminded,
		};

		if (sql_watch_decide(table[i].known ? &row : NULL, &seen) != table[i].action)
			fail_msg("row %zu of the table", i);
	}
}

/* --- a row as a request --------------------------------------------------------------------- */

static struct query_value text(const char *text)
{
	return (struct query_value){.type = QUERY_TEXT, .text = (char *)text};
}

static struct query_value integer(int64_t value)
{
	return (struct query_value){.type = QUERY_INT, .integer = value};
}

static json_t *request_of(
        const char *config_text, const char **names, struct query_value *values, size_t columns)
{
	struct config *config = fixture_config(config_text);
	struct query_rows rows = {(char **)names, columns, values, 1, false};
	struct sql_watch *list;
	struct alert_fault fault;
	struct alert *alert;
	json_t *request;
	size_t len;

	sql_watch_list(config, &list, &len);
	assert_int_equal(len, 1);
	request = sql_watch_request(config, &list[0], &rows, 0);
	assert_non_null(request);
	if (alert_parse(request, config, 0, &alert, &fault) != OK)
		fail_msg("%s", fault.message);
	alert_destroy(alert);
	sql_watch_list_free(list, len);
	config_unref(config);
	return request;
}

static const char *at(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

static void columns_become_fields_title_and_text(void **state)
{
	const char *names[] = {"name", "stock", "nothing", "blob", "huge", "endless"};
	struct query_value values[] = {text("app\nle"), integer(3), {.type = QUERY_NULL},
	        {.type = QUERY_BLOB, .integer = 7}, text(NULL),
	        {.type = QUERY_REAL, .real = INFINITY}};
	char huge[QUERY_TEXT_MAX + 1];
	json_t *request, *fields;

	memset(huge, 'x', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	values[4].text = huge;
	request = request_of(STOCK, names, values, 6);
	fields = json_object_get(request, "fields");
	assert_string_equal(at(request, "app"), "stock");
	assert_string_equal(at(request, "severity"), "warning");
	assert_non_null(strstr(at(request, "title"), "stock: app"));
	assert_null(strchr(at(request, "title"), '\n'));
	assert_non_null(strstr(at(request, "text"), "stock: 3, blob: (7 bytes), huge: xxx"));
	assert_int_equal(json_integer_value(json_object_get(fields, "stock")), 3);
	assert_null(json_object_get(fields, "nothing"));
	assert_string_equal(at(fields, "endless"), "inf");
	assert_true(strlen(at(fields, "huge")) < 1100);
	json_decref(request);
}

static void named_columns_override(void **state)
{
	const char *names[] = {"app", "kind", "severity", "run_id", "title", "text", "key", "url"};
	struct query_value values[] = {text("shop"), text("node_failed"), text("critical"),
	        integer(81), text("t"), text("words"), text("k"), text("https://x.example/")};
	json_t *request = request_of(STOCK, names, values, 8);

	for (size_t i = 0; i < 8; i++)
		if (i != 3)
			assert_string_equal(at(request, names[i]), values[i].text);
	assert_string_equal(at(request, "run_id"), "81");
	assert_int_equal(json_object_size(json_object_get(request, "fields")), 0);
	json_decref(request);
	/* empty and NULL ones are none */
	values[0] = text("");
	values[1] = (struct query_value){.type = QUERY_NULL};
	values[4] = values[5] = text("");
	request = request_of(STOCK, names, values, 8);
	assert_string_equal(at(request, "app"), "stock");
	assert_string_equal(at(request, "kind"), "message");
	assert_string_equal(at(request, "title"), "stock");
	json_decref(request);
}

static void the_built_in_ones_are_there_with_a_database(void **state)
{
	struct config *config = fixture_config(
	        "[call_monitor]\ndatabase = cm.db\nviolations_threshold = 7\nevery = 2h\n");
	struct sql_watch *list;
	struct query_ask ask;
	size_t len;

	sql_watch_list(config, &list, &len);
	assert_int_equal(len, 2);
	assert_string_equal(list[0].kind, "violations");
	assert_string_equal(list[1].app, "call_monitor");
	assert_int_equal(list[0].every_ms, 2 * CLOCK_HOUR_MS);
	ask = sql_watch_ask(&list[0], 2 * CLOCK_DAY_MS);
	assert_string_equal(ask.params[0].name, ":threshold");
	assert_true(ask.params[0].real == 7);
	assert_true(ask.params[1].real == (double)CLOCK_DAY_MS);
	assert_true(ask.params[2].real == (double)(CLOCK_DAY_MS / 1000));
	sql_watch_list_free(list, len);
	config_unref(config);
	config = fixture_config("[call_monitor]\ndatabase = cm.db\nviolations_sql = off\n");
	sql_watch_list(config, &list, &len);
	assert_int_equal(len, 1);
	sql_watch_list_free(list, len);
	config_unref(config);
	config = fixture_config("");
	sql_watch_list(config, &list, &len);
	assert_int_equal(len, 0);
	config_unref(config);
}

/* --- runs ----------------------------------------------------------------------------------- */

/* A run that found these goods with this stock; NULL ends. Returns what was handed in. */
static size_t found(struct world *w, const char *severity, int stock, ...)
{
	const char *names[] = {"name", "stock", "severity"};
	struct query_value values[3 * 300];
	struct query_rows rows = {(char **)names, 3, values, 0, false};
	struct sql_watch_result result = {OK, "", &rows};
	struct sql_watch_report report = {0};
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
	struct sql_watch *list;
	size_t len, events;
	const char *name;
	va_list args;

	va_start(args, stock);
	while ((name = va_arg(args, const char *))) {
		values[3 * rows.rows] = text(name);
		values[3 * rows.rows + 1] = integer(stock);
		values[3 * rows.rows + 2] = text(strcmp(severity, "mixed") != 0 ? severity
		                                 : rows.rows % 2                ? "warning"
		                                                                : "critical");
		rows.rows++;
	}
	va_end(args);
	sql_watch_list(w->config, &list, &len);
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(sql_watch_apply(&d, &list[0], &result, &report), OK);
	assert_int_equal(store_commit(w->store), OK);
	events = json_array_size(report.events);
	sql_watch_report_finish(&report);
	sql_watch_list_free(list, len);
	world_pass(w, 3000);
	return events;
}

static size_t failed(struct world *w, enum err err, const char *why)
{
	struct query_rows rows = {0};
	struct sql_watch_result result = {err, why, &rows};
	struct sql_watch_report report = {0};
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
	struct sql_watch *list;
	size_t len, events;

	sql_watch_list(w->config, &list, &len);
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(sql_watch_apply(&d, &list[0], &result, &report), OK);
	assert_int_equal(store_commit(w->store), OK);
	assert_string_equal(report.problem, why);
	events = json_array_size(report.events);
	sql_watch_report_finish(&report);
	sql_watch_list_free(list, len);
	world_pass(w, 3000);
	return events;
}

static bool last_has(const struct world *w, const char *part)
{
	char *body = world_body(w, w->len - 1);
	bool has = strstr(body, part);

	free(body);
	return has;
}

static void an_hourly_watch_rings_once_a_day(void **state)
{
	struct world *w = world_create(STOCK);

	assert_int_equal(found(w, "warning", 3, "apple", "pear", NULL), 2);
	for (size_t i = 1; i < 24; i++) { /* the same, hour by hour */
		w->now_ms += CLOCK_HOUR_MS - 3000;
		assert_int_equal(found(w, "warning", 3, "apple", "pear", NULL), 0);
	}
	assert_int_equal(world_count(w, "send"), 1);
	w->now_ms += CLOCK_HOUR_MS;
	assert_int_equal(found(w, "warning", 3, "apple", "pear", NULL), 2);
	assert_int_equal(world_count(w, "send"), 2);
	w->now_ms += CLOCK_HOUR_MS;
	assert_int_equal(found(w, "warning", 3, "pear", NULL), 1);
	assert_int_equal(found(w, "warning", 3, NULL), 1);
	assert_int_equal(found(w, "warning", 3, NULL), 0);
	assert_int_equal(world_count(w, "send"), 2);
	world_destroy(w);
}

/* It fires all the while: the silence counts it once, and nothing but it is stored. */
static void what_a_silence_holds_back_counts_once(void **state)
{
	struct world *w = world_create(STOCK);
	int64_t id;
	struct alert_row *alerts;
	size_t len;

	id = world_silence(w, "app=\"stock\"", 0, w->now_ms + CLOCK_HOUR_MS);
	assert_int_equal(found(w, "warning", 3, "apple", NULL), 1);
	for (size_t i = 0; i < 11; i++) {
		w->now_ms += 5 * CLOCK_MINUTE_MS;
		assert_int_equal(found(w, "warning", 3, "apple", NULL), 0);
	}
	assert_int_equal(world_held(w, id), 1);
	assert_int_equal(alerts_list(w->store, NULL, 99, &alerts, &len), OK);
	assert_int_equal(len, 1);
	alert_rows_free(alerts, len);
	assert_int_equal(world_count(w, "send"), 0);
	/* worse is news, and counts again */
	assert_int_equal(found(w, "critical", 0, "apple", NULL), 1);
	w->now_ms += 10 * CLOCK_MINUTE_MS;
	assert_int_equal(found(w, "critical", 0, "apple", NULL), 1);
	assert_int_equal(world_count(w, "send"), 1);
	world_destroy(w);
}

static void new_details_are_an_edit(void **state)
{
	struct world *w = world_create(STOCK);
	size_t edits;

	found(w, "warning", 3, "apple", NULL);
	w->now_ms += CLOCK_HOUR_MS;
	edits = world_count(w, "edit");
	assert_int_equal(found(w, "warning", 2, "apple", NULL), 0);
	assert_int_equal(world_count(w, "edit"), edits + 1);
	assert_int_equal(world_count(w, "send"), 1);
	assert_true(last_has(w, "stock: 2"));
	assert_false(last_has(w, "×"));
	assert_int_equal(found(w, "warning", 1, "apple", NULL), 0); /* within the minute */
	assert_int_equal(world_count(w, "edit"), edits + 1);
	w->now_ms += CLOCK_MINUTE_MS;
	found(w, "warning", 1, "apple", NULL);
	assert_true(last_has(w, "stock: 1"));
	world_destroy(w);
}

static void a_failure_resolves_nothing_and_is_told_once(void **state)
{
	struct world *w = world_create(STOCK);

	assert_int_equal(found(w, "warning", 3, "apple", NULL), 1);
	assert_int_equal(failed(w, ERR_NOT_FOUND, "no such table: goods"), 1);
	assert_true(last_has(w, "matrix-telemetry-bot · watch stock: no such table: goods"));
	assert_int_equal(failed(w, ERR_NOT_FOUND, "no such table: goods"), 0);
	w->now_ms += CLOCK_MINUTE_MS;
	assert_int_equal(failed(w, ERR_BUSY, "shop.db is locked"), 0);
	assert_true(last_has(w, "watch stock: shop.db is locked"));
	assert_int_equal(found(w, "warning", 3, "apple", NULL), 1); /* it has recovered */
	assert_int_equal(found(w, "warning", 3, NULL), 1);
	world_destroy(w);
}

static void severities_that_change_are_news(void **state)
{
	struct world *w = world_create(STOCK);
	struct entry_row *entries;
	size_t len;

	assert_int_equal(found(w, "warning", 3, "apple", NULL), 1);
	assert_int_equal(found(w, "critical", 0, "apple", NULL), 1);
	assert_int_equal(world_count(w, "send"), 2);
	/* down again: the critical one is over, or its reminders would go on */
	w->now_ms += 2 * CLOCK_MINUTE_MS;
	assert_int_equal(found(w, "warning", 3, "apple", NULL), 2);
	assert_int_equal(entries_unacked(w->store, 0, 9, &entries, &len), OK);
	assert_int_equal(len, 0);
	entry_rows_free(entries, len);
	world_destroy(w);
}

static void an_odd_row_is_an_alert_all_the_same(void **state)
{
	struct world *w = world_create(STOCK);

	assert_int_equal(found(w, "loud", 3, "apple", NULL), 1);
	assert_true(last_has(w, "apple"));
	assert_int_equal(found(w, "warning", 3, "apple", NULL), 0);
	world_destroy(w);
}

static void rows_of_one_subject_are_one_alert(void **state)
{
	struct world *w = world_create(STOCK);

	assert_int_equal(found(w, "warning", 3, "apple", "apple", "apple", NULL), 1);
	assert_int_equal(found(w, "warning", 3, "apple", "apple", NULL), 0);
	/* the first row says how bad it is */
	assert_int_equal(found(w, "mixed", 3, "pear", "pear", "apple", NULL), 2);
	world_destroy(w);
}

/* Over 100 rows that are others each time: what fires is bounded. */
static void a_flood_is_bounded(void **state)
{
	struct world *w = world_create(STOCK "[delivery]\nstorm = 0\n");
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
	struct sql_watch_row *known;
	struct sql_watch *list;
	size_t len, known_len;

	sql_watch_list(w->config, &list, &len);
	for (size_t round = 0; round < 4; round++) {
		const char *names[] = {"name"};
		struct query_value values[QUERY_ROWS_MAX];
		struct query_rows rows = {(char **)names, 1, values, QUERY_ROWS_MAX, true};
		struct sql_watch_result result = {OK, "", &rows};
		struct sql_watch_report report = {0};

		for (size_t i = 0; i < QUERY_ROWS_MAX; i++)
			values[i] = integer((int64_t)(round * QUERY_ROWS_MAX + i));
		assert_int_equal(store_begin(w->store), OK);
		assert_int_equal(sql_watch_apply(&d, &list[0], &result, &report), OK);
		assert_int_equal(store_commit(w->store), OK);
		assert_true(report.problem[0]);
		sql_watch_report_finish(&report);
	}
	assert_int_equal(sql_watches_of(w->store, "stock", &known, &known_len), OK);
	assert_in_range(known_len, SQL_WATCH_FIRING_MAX, SQL_WATCH_FIRING_MAX + 1);
	sql_watch_rows_free(known, known_len);
	sql_watch_list_free(list, len);
	world_destroy(w);
}

static void what_a_removed_watch_left_is_resolved(void **state)
{
	struct world *w = world_create(STOCK);
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
	struct sql_watch_report report = {0};
	struct sql_watch *list;
	size_t len;

	found(w, "warning", 3, "apple", "pear", NULL);
	sql_watch_list(w->config, &list, &len);
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(sql_watch_forget(&d, list, len, &report), OK);
	assert_int_equal(json_array_size(report.events), 0);
	sql_watch_report_finish(&report);
	assert_int_equal(sql_watch_forget(&d, NULL, 0, &report), OK);
	assert_int_equal(json_array_size(report.events), 2);
	sql_watch_report_finish(&report);
	assert_int_equal(store_commit(w->store), OK);
	world_pass(w, 3000);
	assert_int_equal(found(w, "warning", 3, NULL), 0);
	sql_watch_list_free(list, len);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(first_runs_are_soon_and_spread),
	        cmocka_unit_test(due_by_every_with_clocks_that_jump),
	        cmocka_unit_test(decisions),
	        cmocka_unit_test(columns_become_fields_title_and_text),
	        cmocka_unit_test(named_columns_override),
	        cmocka_unit_test(the_built_in_ones_are_there_with_a_database),
	        cmocka_unit_test(an_hourly_watch_rings_once_a_day),
	        cmocka_unit_test(what_a_silence_holds_back_counts_once),
	        cmocka_unit_test(new_details_are_an_edit),
	        cmocka_unit_test(a_failure_resolves_nothing_and_is_told_once),
	        cmocka_unit_test(severities_that_change_are_news),
	        cmocka_unit_test(an_odd_row_is_an_alert_all_the_same),
	        cmocka_unit_test(rows_of_one_subject_are_one_alert),
	        cmocka_unit_test(a_flood_is_bounded),
	        cmocka_unit_test(what_a_removed_watch_left_is_resolved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
