/*
 * check_sql_watches.c - part of `check`: whether the query of each watch runs, and its rows are
 * valid alerts.
 */
#include <stdio.h>
#include <sysexits.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/setup/check.h"
#include "handlers/watches/sql_watch.h"

/* The number of the first row that needs corrections to be an alert, and the reason; 0 = none. */
static size_t find_bad(const struct check *check, const struct sql_watch *watch,
        const struct query_rows *rows, char **why)
{
	struct alert_fault fault;
	size_t bad = 0;

	for (size_t i = 0; i < rows->rows && !bad; i++) {
		json_t *request = sql_watch_request(check->config, watch, rows, i);
		struct alert *alert;

		if (alert_parse(request, check->config, clock_now_ms(), &alert, &fault) == OK &&
		        alert->warnings) {
			const char *field, *message;

			json_unpack(alert->warnings, "[{s:s, s:s}]", "field", &field, "message",
			        &message);
			*why = x_asprintf("%s: %s", field, message);
			bad = i + 1;
		}
		alert_destroy(alert);
		json_decref(request);
	}
	return bad;
}

static void look_at_rows(struct check *check, const struct sql_watch *watch, const char *what,
        const struct query_rows *rows, int64_t took_ms)
{
	char *why = NULL;
	size_t bad = find_bad(check, watch, rows, &why);
	char took[24];

	clock_format_duration(took_ms, took, sizeof(took));
	if (bad > 0) {
		check_fault(check, EX_CONFIG, what, "row %zu: %s", bad, why);
		check_fix(check, "adapt %s", watch->key);
	} else if (rows->more) {
		check_warning(check, what, "over %d rows: the others are ignored", QUERY_ROWS_MAX);
		check_fix(check, "add a condition or a LIMIT (%s)", watch->key);
	} else {
		check_good(check, what, "returns %zu row%s now, in %s", rows->rows,
		        rows->rows == 1 ? "" : "s", took);
	}
	free(why);
}

static void look_at_watch(struct check *check, const struct sql_watch *watch)
{
	int64_t started_ms = clock_monotonic_ms();
	struct query_ask ask = sql_watch_ask(watch, clock_now_ms());
	struct query *query = query_create(&ask);
	struct query_rows rows;
	struct fault fault;
	char *what = x_asprintf("watch %s", watch->name);
	enum err err = query_run(query, &rows, &fault);

	if (err == OK) {
		look_at_rows(check, watch, what, &rows, clock_monotonic_ms() - started_ms);
	} else {
		check_fault(check, err == ERR_BUSY || err == ERR_TIMEOUT ? EX_TEMPFAIL : EX_CONFIG,
		        what, "%s", fault.text);
		check_fix(check, "%s (%s)", sql_watch_fix(err), watch->key);
	}
	query_rows_finish(&rows);
	query_destroy(query);
	free(what);
}

void check_watches(struct check *check)
{
	struct sql_watch *list;
	size_t len;

	sql_watch_list(check->config, &list, &len);
	for (size_t i = 0; i < len; i++)
		look_at_watch(check, &list[i]);
	sql_watch_list_free(list, len);
}
