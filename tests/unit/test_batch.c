/*
 * Tests of batches: many alerts of one transaction leave the database as each of its own would, and
 * cost few statements.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sqlite3.h>
#include "handlers/alerts/batch.h"
#include "storage/sql.h"
#include "tests/unit/handlers_fixture.h"

#define BATCHES 30
#define BATCH_MAX 40

static void accept_one(struct world *w, const struct deliver *d, const char *text)
{
	struct deliver_receipt receipt;
	json_t *request = json_loads(text, 0, NULL);
	struct alert_fault fault;
	struct alert *alert;

	assert_non_null(request);
	assert_int_equal(alert_parse(request, w->config, w->now_ms, &alert, &fault), OK);
	assert_int_equal(deliver_accept(d, alert, &receipt), OK);
	alert_destroy(alert);
	json_decref(request);
}

static void accept_all(struct world *w, char **texts, size_t len, bool batch)
{
	struct deliver d = {.store = w->store,
	        .config = w->config,
	        .now_ms = w->now_ms,
	        .batch = batch ? batch_create() : NULL};

	assert_int_equal(store_begin(w->store), OK);
	for (size_t i = 0; i < len; i++)
		accept_one(w, &d, texts[i]);
	assert_int_equal(batch_store(&d), OK);
	assert_int_equal(store_commit(w->store), OK);
	batch_destroy(d.batch);
}

/* --- the same database ---------------------------------------------------------------------- */

/* All that does not differ by chance, as text. */
static char *dump(struct world *w)
{
	static const char *const queries[] = {"SELECT * FROM alerts ORDER BY 1",
	        "SELECT * FROM places ORDER BY 1", "SELECT * FROM messages ORDER BY 1",
	        "SELECT * FROM entries ORDER BY 1", "SELECT * FROM entry_runs ORDER BY 1, 2",
	        "SELECT id, state, purpose, message_id, room, created_ms FROM outbox ORDER BY 1"};
	struct buf out;
	sqlite3_stmt *stmt;

	buf_init(&out, 1 << 24);
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		assert_int_equal(
		        sqlite3_prepare_v2(w->store->db, queries[i], -1, &stmt, NULL), SQLITE_OK);
		while (sqlite3_step(stmt) == SQLITE_ROW) {
			for (int c = 0; c < sqlite3_column_count(stmt); c++)
				buf_printf(&out, "%s=%s ", sqlite3_column_name(stmt, c),
				        sqlite3_column_text(stmt, c)
				                ? (const char *)sqlite3_column_text(stmt, c)
				                : "-");
			buf_add_char(&out, '\n');
		}
		sqlite3_finalize(stmt);
	}
	return buf_take(&out);
}

static void assert_same(struct world *a, struct world *b)
{
	char *left = dump(a), *right = dump(b);
	size_t at = 0;

	while (left[at] && left[at] == right[at])
		at++;
	if (left[at] || right[at]) {
		while (at > 0 && left[at - 1] != '\n')
			at--;
		fail_msg("alone:\n%.700s\ntogether:\n%.700s", left + at, right + at);
	}
	free(left);
	free(right);
}

/* An alert of few apps that fail in few ways, so that all kinds of joining come up. */
static char *any_alert(int number)
{
	static const char *const severities[] = {"critical", "critical", "warning", "info"};
	int app = rand() % 40 ? rand() % 4 : rand() % 60;

	return x_asprintf("{\"app\":\"app_%d\",\"kind\":\"node_failed\",\"severity\":\"%s\","
	                  "\"status\":\"%s\",\"run_id\":\"r,\\\"%d\",\"fields\":"
	                  "{\"node_id\":\"n%d\",\"error\":\"%0*d\"}}",
	        app, severities[rand() % 4], rand() % 8 ? "firing" : "resolved",
	        rand() % 3 ? number : number / 30, rand() % 6, rand() % 20 ? 10 : 3000, number);
}

static void leave(struct world *w)
{
	struct deliver_event event;

	for (int i = 0; i < 3 && world_next(w, &event); i++) {
		world_finish(w, &event, DELIVER_SENT);
		deliver_event_finish(&event);
	}
}

static void play(const char *config, unsigned seed)
{
	struct world *alone = world_create(config), *together = world_create(config);
	char *texts[BATCH_MAX];

	srand(seed);
	for (int n = 0; n < BATCHES; n++) {
		size_t len = 1 + (size_t)(rand() % BATCH_MAX);
		int64_t step_ms = rand() % 3 ? 500 : 30000;

		for (size_t i = 0; i < len; i++)
			texts[i] = any_alert(n * BATCH_MAX + (int)i);
		accept_all(alone, texts, len, false);
		accept_all(together, texts, len, true);
		for (size_t i = 0; i < len; i++)
			free(texts[i]);
		leave(alone);
		leave(together);
		alone->now_ms += step_ms;
		together->now_ms += step_ms;
	}
	assert_same(alone, together);
	world_destroy(alone);
	world_destroy(together);
}

static void many_alerts_together_are_as_each_alone(void **state)
{
	play("[route]\nwarning = ops\ninfo = ops\n", 1);
	play("[route]\nwarning = ops\ninfo = ops\n[delivery]\nstorm = 3\ninhibit = yes\n", 2);
	play("[route]\nwarning = ops\ninfo = ops\n[delivery]\nthrottle = 2s\nstorm = 0\n", 3);
}

static void what_is_held_back_together_is_as_each_alone(void **state)
{
	struct world *alone = world_create(""), *together = world_create("");
	char *texts[40];

	for (int i = 0; i < 2; i++)
		world_silence(i ? alone : together, "node_id=\"n1\"", 0, alone->now_ms + 60000);
	srand(4);
	for (size_t i = 0; i < 40; i++)
		texts[i] = any_alert((int)i);
	accept_all(alone, texts, 40, false);
	accept_all(together, texts, 40, true);
	assert_same(alone, together);
	for (size_t i = 0; i < 40; i++)
		free(texts[i]);
	world_destroy(alone);
	world_destroy(together);
}

/* --- runs ------------------------------------------------------------------------------------ */

/* Each run is counted once, however many there are; the newest are shown. */
static void runs_are_counted_once(void **state)
{
	struct world *w = world_create("");
	struct entry_row *rows;
	size_t len;

	for (int i = 0; i < 3 * ENTRY_RUNS_MAX; i++)
		world_alert(w,
		        "{\"app\":\"etl\",\"kind\":\"node_failed\",\"run_id\":\"a\\\",\\\\%d\"}",
		        i % (ENTRY_RUNS_MAX + 2));
	assert_int_equal(entries_of(w->store, 1, &rows, &len), OK);
	assert_int_equal(len, 1);
	assert_int_equal(rows[0].count, 3 * ENTRY_RUNS_MAX);
	assert_int_equal(rows[0].runs, ENTRY_RUNS_MAX + 2);
	assert_memory_equal(rows[0].run_ids, "[\"a\\\",\\\\2\",\"a\\\",\\\\3\",", 20);
	assert_non_null(strstr(rows[0].run_ids, ",\"a\\\",\\\\21\"]"));
	entry_rows_free(rows, len);
	world_destroy(w);
}

static void damaged_runs_are_begun_anew(void **state)
{
	static const char *const damaged[] = {"", "[", "x", "[\"", "[\"]", "{}", "[\"a]"};
	struct world *w = world_create("");
	struct entry_row row;

	world_alert(w, "{\"app\":\"etl\",\"kind\":\"node_failed\",\"run_id\":\"a\"}");
	for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
		char *sql =
		        sqlite3_mprintf("UPDATE entries SET run_ids = %Q, runs = 20", damaged[i]);

		assert_int_equal(sqlite3_exec(w->store->db, sql, NULL, NULL, NULL), SQLITE_OK);
		sqlite3_free(sql);
		world_alert(w, "{\"app\":\"etl\",\"kind\":\"node_failed\",\"run_id\":\"r\"}");
		assert_int_equal(entries_by_id(w->store, 1, &row), OK);
		assert_string_equal(row.run_ids, "[\"r\"]");
		assert_int_equal(row.runs, 1);
		entry_row_finish(&row);
	}
	world_destroy(w);
}

/* --- what it costs --------------------------------------------------------------------------- */

struct cost {
	int statements;
	int64_t steps; /* of SQLite's machine that walk through rows */
};

static int on_statement(unsigned what, void *arg, void *stmt, void *nanoseconds)
{
	struct cost *cost = arg;

	cost->statements++;
	cost->steps += sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 1);
	return 0;
}

/* So many alerts of an app, with ever new run ids, in one batch. */
static struct cost cost_of(struct world *w, const char *app, const char *run, int count)
{
	struct cost cost = {0};
	char **texts = x_calloc((size_t)count, sizeof(*texts));

	for (int i = 0; i < count; i++)
		texts[i] =
		        x_asprintf("{\"app\":\"%s\",\"kind\":\"node_failed\",\"run_id\":\"%s-%d\"}",
		                app, run, i);
	for (sqlite3_stmt *stmt = NULL; (stmt = sqlite3_next_stmt(w->store->db, stmt));)
		sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 1);
	sqlite3_trace_v2(w->store->db, SQLITE_TRACE_PROFILE, on_statement, &cost);
	accept_all(w, texts, (size_t)count, true);
	sqlite3_trace_v2(w->store->db, 0, NULL, NULL);
	for (int i = 0; i < count; i++)
		free(texts[i]);
	free(texts);
	return cost;
}

/* An alert that joins costs four statements at most (itself, its place, the run that is not shown
 * any more and whether it was there), whatever is open and stored. */
static void an_alert_that_joins_costs_few_statements(void **state)
{
	struct world *w = world_create("[delivery]\nstorm = 0\n");
	struct cost few, many;

	cost_of(w, "etl", "a", 100);
	few = cost_of(w, "etl", "b", 200);
	assert_true(few.statements <= 4 * 200 + 15);
	for (int i = 0; i < 300; i++)
		world_alert(w, "{\"app\":\"other_%d\",\"kind\":\"node_failed\"}", i);
	many = cost_of(w, "etl", "c", 200);
	assert_true(many.statements <= 4 * 200 + 15);
	assert_true(many.steps < few.steps + few.steps / 4);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(many_alerts_together_are_as_each_alone),
	        cmocka_unit_test(what_is_held_back_together_is_as_each_alone),
	        cmocka_unit_test(runs_are_counted_once),
	        cmocka_unit_test(damaged_runs_are_begun_anew),
	        cmocka_unit_test(an_alert_that_joins_costs_few_statements),
	};

	x_alloc_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
