/*
 * test_damage_sweep.c - every column of every table of the schema holds what it never should, a
 * value of another kind in each row: alerts about something else arrive, commands are answered, and
 * nothing stops or hangs. The columns are read from the database, so that a new one is covered.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bot/base/clock.h"
#include "bot/base/zone.h"
#include "handlers/alerts/expire.h"
#include "handlers/alerts/undelivered_look.h"
#include "handlers/charts/figures.h"
#include "handlers/commands/status.h"
#include "handlers/heartbeats/app_heartbeat.h"
#include "handlers/heartbeats/heartbeat.h"
#include "handlers/oncall/ack.h"
#include "handlers/oncall/escalate.h"
#include "handlers/oncall/handover.h"
#include "handlers/oncall/resolve.h"
#include "handlers/silences/held.h"
#include "handlers/silences/quiet.h"
#include "handlers/silences/silence.h"
#include "storage/sql.h"
#include "tests/unit/command_fixture.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))
#define COLUMNS_MAX 512
#define ROWS_MAX 24
#define CONFIG                                                                              \
	"[delivery]\ninhibit = yes\nstorm = 0\n[oncall main]\nusers = @op1:x, @op2:x\n"     \
	"rotate = weekly mon 09:00\nfrom = 2026-01-05\n[severity critical]\n"               \
	"mention = oncall:main\n[escalate lead]\nafter = 5m\nmention = @op2:x\n"            \
	"[quiet nightly]\nwhat = app=quiet\nfrom = 00:01\nto = 23:59\n[meta]\nroom = dev\n" \
	"[commands]\nremind = 1m\nack_timeout = 1h\n"

static const char *const numbers[] = {"-1", "0", "9223372036854775807",
        "(-9223372036854775807 - 1)", "999999999", "NULL", "'x'", "x'ff'", "1.5e300"};
static const char *const texts[] = {"NULL", "''", "'x'", "'{'", "CAST(x'ff41c080' AS TEXT)",
        "x'00ff'", "CAST(hex(zeroblob(40000)) AS TEXT)",
        "CAST(replace(hex(zeroblob(2000)), '0', '[') AS TEXT)", "'a' || char(0) || 'b'",
        "'12345678901234567890'", "'[1, null, {}]'"};

struct column {
	char table[64], name[64];
	bool text;
};

static void must(sqlite3 *db, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void must(sqlite3 *db, const char *format, ...)
{
	char *sql, *message = NULL;
	va_list args;

	va_start(args, format);
	assert_true(vasprintf(&sql, format, args) > 0);
	va_end(args);
	if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
		fail_msg("%s: %s", sql, message);
	free(sql);
}

static char *path_of(const struct world *w)
{
	return x_asprintf("%s/operations.db", w->folder);
}

/* A connection that may write what the schema forbids. */
static sqlite3 *damage_open(const char *path)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	must(db, "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; "
	         "PRAGMA synchronous = OFF; PRAGMA writable_schema = ON");
	return db;
}

static size_t columns_read(const char *path, struct column columns[COLUMNS_MAX])
{
	sqlite3 *db = damage_open(path);
	sqlite3_stmt *stmt;
	size_t len = 0;

	assert_int_equal(sqlite3_prepare_v2(db,
	                         "SELECT m.name, c.name, c.type = 'TEXT' FROM sqlite_schema m, "
	                         "pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name "
	                         "NOT LIKE 'sqlite!_%' ESCAPE '!'",
	                         -1, &stmt, NULL),
	        SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		struct column *column = &columns[len++];

		assert_true(len < COLUMNS_MAX);
		snprintf(column->table, sizeof(column->table), "%s", sqlite3_column_text(stmt, 0));
		snprintf(column->name, sizeof(column->name), "%s", sqlite3_column_text(stmt, 1));
		column->text = sqlite3_column_int(stmt, 2);
	}
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return len;
}

/* Row n gets odd value n + from; what an index forbids is left as it is. */
static void damage_rows(sqlite3 *db, const struct column *column, size_t from)
{
	const char *const *values = column->text ? texts : numbers;
	size_t len = column->text ? LEN(texts) : LEN(numbers);
	bool keyless = strcmp(column->table, "entry_runs") == 0;

	for (size_t i = 0; i < ROWS_MAX; i++) {
		char *sql = x_asprintf("UPDATE OR IGNORE %s SET %s = %s WHERE %s = (SELECT %s FROM "
		                       "%s ORDER BY 1 DESC LIMIT 1 OFFSET %zu)",
		        column->table, column->name, values[(i + from) % len],
		        keyless ? "run_id" : "rowid", keyless ? "run_id" : "rowid", column->table,
		        i);

		sqlite3_exec(db, sql, NULL, NULL, NULL);
		free(sql);
	}
}

/* Takes NOT NULL and STRICT off the table for the moment of the damage. */
static void damage_column(const char *path, const struct column *column, size_t from)
{
	sqlite3 *db = damage_open(path);
	sqlite3_stmt *stmt;
	char *kept;

	sqlite3_prepare_v2(db, "SELECT sql FROM sqlite_schema WHERE name = ?", -1, &stmt, NULL);
	sqlite3_bind_text(stmt, 1, column->table, -1, SQLITE_STATIC);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	kept = x_strdup((const char *)sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
	must(db,
	        "UPDATE sqlite_schema SET sql = replace(replace(replace(sql, ' NOT NULL', ''), "
	        "') STRICT, ', ') '), ') STRICT', ')') WHERE name = '%s'",
	        column->table);
	sqlite3_close(db);
	db = damage_open(path);
	damage_rows(db, column, from);
	sqlite3_prepare_v2(db, "UPDATE sqlite_schema SET sql = ? WHERE name = ?", -1, &stmt, NULL);
	sqlite3_bind_text(stmt, 1, kept, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 2, column->table, -1, SQLITE_STATIC);
	assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	free(kept);
}

/* --- a bot at work ------------------------------------------------------------------------ */

/* What is not found or damaged is said; anything else concerns more than that row. */
static void settle(struct world *w, enum err result, const char *what)
{
	bool undone;

	if (store_settle(w->store, result, &undone) != OK)
		fail_msg("%s: %s: %s", what, err_name(result), store_message(w->store));
}

static void look_at_heartbeats(const struct deliver *d, struct world *w)
{
	struct report_room rooms[] = {{.name = "ops", .address = "#ops:x", .problem = ""}};
	struct report_status status = {.now_ms = w->now_ms,
	        .version = "1",
	        .problem = "",
	        .limit = "",
	        .rooms = rooms,
	        .rooms_len = 1};
	struct heartbeat_memory memory = {0};
	struct heartbeat_result result = {.happened = json_array()};
	struct undelivered_memory late = {0};
	char *text = NULL;

	assert_int_equal(store_savepoint(w->store), OK);
	settle(w, heartbeat_look(d, &status, &memory, &result), "heartbeat");
	assert_int_equal(store_savepoint(w->store), OK);
	settle(w, handover_look(d, &status), "handover");
	assert_int_equal(store_savepoint(w->store), OK);
	settle(w, undelivered_look(d, &status, &late, &text), "undelivered");
	assert_int_equal(store_savepoint(w->store), OK);
	settle(w, app_heartbeat_look(d, true, result.happened), "heartbeats of apps");
	heartbeat_result_finish(&result);
	json_decref(result.happened);
	free(text);
}

static void work(struct world *w)
{
	static const struct {
		const char *name;
		enum err (*step)(const struct deliver *d);
	} steps[] = {{"silences", silence_end_due}, {"quiet times", quiet_end_due},
	        {"held", held_release}, {"acknowledgements", ack_end_due}, {"resolve", resolve_due},
	        {"escalate", escalate_duty}};
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
	struct figures figures;
	bool more;

	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(store_savepoint(w->store), OK);
	settle(w, expire_due(&d, w->now_ms), "expiries");
	for (size_t i = 0; i < LEN(steps); i++) {
		assert_int_equal(store_savepoint(w->store), OK);
		settle(w, steps[i].step(&d), steps[i].name);
	}
	look_at_heartbeats(&d, w);
	assert_int_equal(store_savepoint(w->store), OK);
	settle(w, figures_collect(w->store, CHART_WEEK, w->now_ms, NULL, &figures), "figures");
	figures_finish(&figures);
	assert_int_equal(store_savepoint(w->store), OK);
	settle(w, store_prune(w->store, w->now_ms - CLOCK_DAY_MS, &more), "prune");
	assert_int_equal(store_commit(w->store), OK);
	world_send(w);
}

static void beat(struct world *w, const char *app)
{
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
	struct app_heartbeat_receipt receipt;
	json_t *happened = json_array();
	struct app_heartbeat in = {.every_ms = CLOCK_HOUR_MS, .grace_ms = -1, .at_ms = w->now_ms};

	snprintf(in.app, sizeof(in.app), "%s", app);
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(app_heartbeat_accept(&d, &in, &receipt, happened), OK);
	assert_int_equal(store_commit(w->store), OK);
	json_decref(happened);
}

static void say(struct world *w, const char *body)
{
	free(ask(w, body));
}

static void alerts(struct world *w, const char *what, int count)
{
	static const char *const severities[] = {"critical", "warning", "info"};

	for (int i = 0; i < count; i++) {
		world_alert(w,
		        "{\"app\":\"%s%d\",\"severity\":\"%s\",\"title\":\"%s\",\"key\":\"k%d\","
		        "\"run_id\":\"%s-%d\",\"url\":\"https://x/\",\"fields\":{\"error\":\"e\"},"
		        "\"ends_at\":\"2026-09-22T00:00:00Z\"}",
		        what, i, severities[i % 3], what, i, what, i);
		world_send(w);
	}
}

/* Leaves rows in every table that a day of use fills. */
static struct world *world_lived(void)
{
	struct world *w = world_create(CONFIG);

	must(w->store->db, "PRAGMA synchronous = OFF");
	zone_use(NULL);
	alerts(w, "app", 9);
	for (int i = 0; i < 30; i++)
		world_alert(w,
		        "{\"app\":\"loop\",\"severity\":\"critical\",\"title\":\"l\",\"run_id\":"
		        "\"l-%d\"}",
		        i);
	for (int i = 0; i < 8; i++) {
		char *what = x_asprintf(i % 2 ? "!silence app=s%d 1h why"
		                              : "!silence app=~\"s%d.*\" until resolved",
		             i),
		     app[8];

		say(w, what);
		snprintf(app, sizeof(app), "s%d", i);
		world_alert(w, "{\"app\":\"s%d\",\"severity\":\"critical\",\"title\":\"t\"}", i);
		world_alert(w, "{\"app\":\"quiet\",\"severity\":\"warning\",\"title\":\"q%d\"}", i);
		beat(w, app);
		free(what);
	}
	say(w, "!ack app-0 on it");
	say(w, "!resolve app-6 done");
	say(w, "!oncall take 2h");
	say(w, "!oncall take 3h");
	say(w, "!nonsense");
	work(w);
	w->now_ms += CLOCK_DAY_MS;
	work(w);
	alerts(w, "late", 3);
	w->down = true;
	alerts(w, "waits", 8);
	w->now_ms += 10 * CLOCK_MINUTE_MS;
	work(w);
	w->down = false;
	return w;
}

/* Rows for the tables that are still empty. */
static void fill_empty(const char *path, const struct column *columns, size_t len)
{
	sqlite3 *db = damage_open(path);

	for (size_t i = 0; i < len; i++) {
		struct buf names, values;

		if (i > 0 && strcmp(columns[i].table, columns[i - 1].table) == 0)
			continue;
		buf_init(&names, 4096);
		buf_init(&values, 4096);
		for (size_t j = i; j < len && strcmp(columns[j].table, columns[i].table) == 0;
		        j++) {
			buf_printf(&names, "%s%s", j > i ? ", " : "", columns[j].name);
			buf_printf(&values, "%s%s", j > i ? ", " : "",
			        columns[j].text ? "'x' || value" : "value");
		}
		must(db,
		        "INSERT OR IGNORE INTO %s (%s) SELECT %s FROM (SELECT 1 AS value UNION ALL "
		        "SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4) WHERE NOT EXISTS (SELECT "
		        "1 "
		        "FROM %s)",
		        columns[i].table, buf_str(&names), buf_str(&values), columns[i].table);
		buf_finish(&names);
		buf_finish(&values);
	}
	must(db, "PRAGMA wal_checkpoint(TRUNCATE)");
	sqlite3_close(db);
}

static void copy_file(const char *from, const char *to)
{
	FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
	char bytes[65536];
	size_t len;

	assert_non_null(in);
	assert_non_null(out);
	while ((len = fread(bytes, 1, sizeof(bytes), in)) > 0)
		assert_int_equal(fwrite(bytes, 1, len, out), len);
	fclose(in);
	assert_int_equal(fclose(out), 0);
}

/* The same life, with a database of its own. */
static struct world *world_again(const struct world *lived,
        void (*damage)(const char *path, const struct column *column, size_t from),
        const struct column *column, size_t from)
{
	struct world *w = x_calloc(1, sizeof(*w));
	char *source = path_of(lived), *path;
	struct fault fault = {0};

	strcpy(w->folder, "/tmp/mtb-unit-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	path = path_of(w);
	copy_file(source, path);
	damage(path, column, from);
	w->config = config_ref(lived->config);
	w->now_ms = lived->now_ms;
	if (store_open(&w->store, path, &fault) != OK)
		fail_msg("%s.%s: %s", column->table, column->name, fault.text);
	must(w->store->db, "PRAGMA synchronous = OFF");
	free(source);
	free(path);
	return w;
}

static bool was_sent(const struct world *w, const char *part)
{
	for (size_t i = 0; i < w->len; i++)
		if (strstr(w->events[i].content, part))
			return true;
	return false;
}

/* As a client does, which comes again when it is told to. */
static void alert_again(struct world *w, const char *app, const char *more)
{
	char *text = x_asprintf(
	        "{\"app\":\"%s\",\"severity\":\"critical\",\"title\":\"%s\"%s}", app, app, more);
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
	json_t *request = json_loads(text, 0, NULL);
	struct deliver_receipt receipt;
	struct alert_fault fault;
	struct alert *alert;
	enum err err = ERR_FULL;

	assert_int_equal(alert_parse(request, w->config, w->now_ms, &alert, &fault), OK);
	for (int tries = 0; err == ERR_FULL && tries < 4; tries++) {
		assert_int_equal(store_begin(w->store), OK);
		err = deliver_accept(&d, alert, &receipt);
		if (err == OK)
			err = store_commit(w->store);
		else
			store_rollback(w->store);
	}
	if (err != OK)
		fail_msg("%s: %s: %s", text, err_name(err), store_message(w->store));
	alert_destroy(alert);
	json_decref(request);
	free(text);
}

static void live_on(struct world *w)
{
	static const char *const commands[] = {"!unacked", "!alerts", "!alert app-3", "!alert loop",
	        "!silences", "!oncall", "!heartbeat", "!ack app-3 mine", "!resolve app3",
	        "!unsilence 1", "!silence app=app1 1h", "!oncall take 1h", "!retry", "!discard 3"};

	alert_again(w, "fresh", "");
	alert_again(w, "app0", ",\"run_id\":\"again\",\"key\":\"k0\"");
	alert_again(w, "loop", ",\"run_id\":\"l-99\"");
	alert_again(w, "s1", "");
	world_send(w);
	assert_true(was_sent(w, "fresh"));
	asked(w, "!status", "Last 24 h");
	for (size_t i = 0; i < LEN(commands); i++)
		say(w, commands[i]);
	beat(w, "s2");
	alert_again(w, "app0", ",\"key\":\"k0\",\"status\":\"resolved\"");
	alert_again(w, "loop", ",\"status\":\"resolved\"");
	work(w);
	w->now_ms += 2 * CLOCK_HOUR_MS;
	work(w);
	alert_again(w, "evening", "");
	world_send(w);
	assert_true(was_sent(w, "evening"));
}

/* Each test has all of the first life. */
struct sweep {
	struct world *lived;
	struct column columns[COLUMNS_MAX];
	size_t len;
};

static int sweep_setup(void **state)
{
	struct sweep *sweep = x_calloc(1, sizeof(*sweep));
	char *path;

	sweep->lived = world_lived();
	path = path_of(sweep->lived);
	sweep->len = columns_read(path, sweep->columns);
	store_close(sweep->lived->store);
	sweep->lived->store = NULL;
	fill_empty(path, sweep->columns, sweep->len);
	free(path);
	*state = sweep;
	return 0;
}

static int sweep_teardown(void **state)
{
	struct sweep *sweep = *state;

	world_destroy(sweep->lived);
	free(sweep);
	return 0;
}

/* Of two tables at once, which takes half of the time. */
static void damage_columns(const char *path, const struct column *column, size_t half)
{
	damage_column(path, column, half);
	damage_column(path, column + half, 0);
}

static void every_column_is_damaged(void **state)
{
	const struct sweep *sweep = *state;
	size_t half = sweep->len / 2;

	assert_true(sweep->len > 200);
	for (size_t i = 0; i < half; i++) {
		const struct column *first = &sweep->columns[i], *second = first + half;
		struct world *w;

		print_message(
		        "%s.%s %s.%s\n", first->table, first->name, second->table, second->name);
		w = world_again(sweep->lived, damage_columns, first, half);
		live_on(w);
		world_destroy(w);
	}
}

/* Every second row is missing. */
static void rows_lost(const char *path, const struct column *column, size_t from)
{
	sqlite3 *db = damage_open(path);

	must(db, "DELETE FROM %s WHERE %s %% 2 = 0", column->table, column->name);
	sqlite3_close(db);
}

/* All rows are there twice, as far as the indexes allow it. */
static void rows_doubled(const char *path, const struct column *column, size_t from)
{
	sqlite3 *db = damage_open(path);
	struct buf names;

	buf_init(&names, 4096);
	for (const struct column *c = column + 1; strcmp(c->table, column->table) == 0; c++)
		buf_printf(&names, "%s%s", c > column + 1 ? ", " : "", c->name);
	must(db, "INSERT OR IGNORE INTO %s (%s) SELECT %s FROM %s", column->table, buf_str(&names),
	        buf_str(&names), column->table);
	buf_finish(&names);
	sqlite3_close(db);
}

static void rows_are_lost_or_doubled(void **state)
{
	static void (*const damages[])(const char *path, const struct column *column,
	        size_t from) = {rows_lost, rows_doubled};
	const struct sweep *sweep = *state;

	for (size_t i = 0; i < sweep->len; i++)
		for (size_t j = 0; j < LEN(damages); j++) {
			struct world *w;

			if (strcmp(sweep->columns[i].name, "id") != 0) /* stands first */
				continue;
			print_message("%s %zu\n", sweep->columns[i].table, j);
			w = world_again(sweep->lived, damages[j], &sweep->columns[i], 0);
			live_on(w);
			world_destroy(w);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(
	                every_column_is_damaged, sweep_setup, sweep_teardown),
	        cmocka_unit_test_setup_teardown(
	                rows_are_lost_or_doubled, sweep_setup, sweep_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
