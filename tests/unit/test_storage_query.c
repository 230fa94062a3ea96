/*
 * Tests of the read-only query on another app's database: what runs, what is refused, and that
 * the app does not notice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/store_fixture.h"
#include <pthread.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include "bot/base/clock.h"
#include "storage/query.h"

struct theirs {
	void *folder; /* a fixture, for its folder alone */
	char path[160];
	sqlite3 *db; /* the app's own connection; may be closed by a test */
	struct query_rows rows;
	struct fault fault;
};

static void exec(sqlite3 *db, const char *text)
{
	char *message = NULL;

	if (sqlite3_exec(db, text, NULL, NULL, &message) != SQLITE_OK)
		fail_msg("%s: %s", text, message);
}

static int setup(void **state)
{
	struct theirs *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	fixture_setup(&t->folder);
	snprintf(t->path, sizeof(t->path), "%s/their s?#%%.db",
	        ((struct fixture *)t->folder)->folder);
	assert_int_equal(sqlite3_open(t->path, &t->db), SQLITE_OK);
	exec(t->db, "CREATE TABLE goods (name TEXT, stock INTEGER); "
	            "INSERT INTO goods VALUES ('apple', 3), ('pear', 70)");
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct theirs *t = *state;

	query_rows_finish(&t->rows);
	sqlite3_close(t->db);
	fixture_teardown(&t->folder);
	free(t);
	return 0;
}

static enum err run_for(struct theirs *t, const char *sql, int64_t limit_ms)
{
	struct query_ask ask = {
	        .database = t->path,
	        .sql = sql,
	        .params = {{":threshold", 50}, {":rate", 0.1}},
	        .params_len = 2,
	        .limit_ms = limit_ms,
	};
	struct query *query = query_create(&ask);
	enum err err;

	query_rows_finish(&t->rows);
	err = query_run(query, &t->rows, &t->fault);
	assert_int_equal(t->fault.code, err);
	assert_true((err == OK) == (t->fault.text[0] == '\0'));
	query_destroy(query);
	return err;
}

static enum err run(struct theirs *t, const char *sql)
{
	return run_for(t, sql, QUERY_LIMIT_MS);
}

static bool there_is(const struct theirs *t, const char *suffix)
{
	char path[200];

	snprintf(path, sizeof(path), "%s%s", t->path, suffix);
	return access(path, F_OK) == 0;
}

static void a_select_gives_names_and_values(void **state)
{
	struct theirs *t = *state;

	assert_int_equal(run(t, "SELECT name, stock * 1.5 AS half, :threshold AS t, :rate, NULL, "
	                        "x'00ff' FROM goods ORDER BY 1; -- and a comment"),
	        OK);
	assert_int_equal(t->rows.rows, 2);
	assert_int_equal(t->rows.columns, 6);
	assert_string_equal(t->rows.names[1], "half");
	assert_string_equal(t->rows.values[0].text, "apple");
	assert_true(t->rows.values[1].type == QUERY_REAL && t->rows.values[1].real == 4.5);
	assert_true(t->rows.values[2].type == QUERY_INT && t->rows.values[2].integer == 50);
	assert_true(t->rows.values[3].type == QUERY_REAL && t->rows.values[3].real == 0.1);
	assert_int_equal(t->rows.values[4].type, QUERY_NULL);
	assert_true(t->rows.values[5].type == QUERY_BLOB && t->rows.values[5].integer == 2);
	assert_string_equal(t->rows.values[6].text, "pear");
	assert_int_equal(run(t, "WITH a(x) AS (VALUES (1), (2)) SELECT x FROM a"), OK);
	assert_int_equal(t->rows.rows, 2);
}

static void everything_but_one_select_is_refused(void **state)
{
	static const char *const denied[] = {
	        "DELETE FROM goods",
	        "INSERT INTO goods VALUES ('x', 1)",
	        "UPDATE goods SET stock = 0 RETURNING name",
	        "DROP TABLE goods",
	        "CREATE TEMP TABLE t (x)",
	        "ATTACH ':memory:' AS other",
	        "PRAGMA journal_mode = DELETE",
	        "PRAGMA table_info(goods)",
	        "SELECT * FROM pragma_table_info('goods')",
	        "SELECT load_extension('x.so')",
	        "BEGIN IMMEDIATE",
	        "VACUUM",
	        "EXPLAIN SELECT 1",
	        "SELECT 1; SELECT 2",
	        "SELECT 1; DELETE FROM goods",
	        "SELECT 1; nonsense",
	};
	struct theirs *t = *state;

	for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++) {
		if (run(t, denied[i]) != ERR_DENIED)
			fail_msg("%s: %s", denied[i], t->fault.text);
		assert_int_equal(t->rows.rows, 0);
	}
	assert_int_equal(run(t, "SELECT sum(stock) FROM goods"), OK);
	assert_int_equal(t->rows.values[0].integer, 73);
}

static void what_is_wrong_is_named(void **state)
{
	struct theirs *t = *state;

	assert_int_equal(run(t, "SELECT * FROM calls"), ERR_NOT_FOUND);
	assert_string_equal(t->fault.text, "no such table: calls");
	assert_int_equal(run(t, "SELECT price FROM goods"), ERR_NOT_FOUND);
	assert_string_equal(t->fault.text, "no such column: price");
	assert_int_equal(run(t, "SELECT \"price\" FROM goods"), ERR_NOT_FOUND);
	assert_int_equal(run(t, "SELEKT 1"), ERR_INVALID);
	assert_non_null(strstr(t->fault.text, "syntax error"));
	assert_int_equal(run(t, "  -- nothing\n"), ERR_INVALID);
	assert_int_equal(run(t, "SELECT :other"), ERR_INVALID);
	assert_string_equal(t->fault.text, "there is no parameter :other here");
	strcat(t->path, ".gone");
	assert_int_equal(run(t, "SELECT 1"), ERR_NOT_FOUND);
	assert_non_null(strstr(t->fault.text, "No such file"));
	assert_false(there_is(t, ""));
}

static void what_is_no_database_is_told(void **state)
{
	struct theirs *t = *state;
	FILE *file;

	strcat(t->path, ".txt");
	file = fopen(t->path, "w");
	assert_non_null(file);
	for (int i = 0; i < 1000; i++)
		fputs("this is no database, whatever its name\n", file);
	fclose(file);
	assert_int_equal(run(t, "SELECT * FROM goods"), ERR_CORRUPT);
	unlink(t->path);
	assert_int_equal(mkdir(t->path, 0700), 0);
	assert_int_not_equal(run(t, "SELECT * FROM goods"), OK);
	rmdir(t->path);
}

static void an_endless_query_ends_in_time(void **state)
{
	struct theirs *t = *state;
	int64_t started_ms = clock_monotonic_ms();

	assert_int_equal(run_for(t,
	                         "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM "
	                         "c) SELECT count(*) FROM c",
	                         200),
	        ERR_TIMEOUT);
	assert_true(clock_monotonic_ms() - started_ms >= 200);
	assert_true(clock_monotonic_ms() - started_ms < 20000);
	assert_int_equal(run_for(t, "SELECT 1", 200), OK);
}

static void *interrupt_later(void *query)
{
	usleep(50 * 1000);
	query_interrupt(query);
	return NULL;
}

static void another_thread_can_end_it(void **state)
{
	struct theirs *t = *state;
	struct query_ask ask = {
	        .database = t->path,
	        .sql = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) "
	               "SELECT count(*) FROM c",
	        .limit_ms = 600000,
	};
	struct query *query = query_create(&ask);
	pthread_t thread;

	sqlite3_close(t->db);
	t->db = NULL;
	assert_int_equal(pthread_create(&thread, NULL, interrupt_later, query), 0);
	assert_int_equal(query_run(query, &t->rows, &t->fault), ERR_CANCELED);
	pthread_join(thread, NULL);
	assert_int_equal(query_run(query, &t->rows, &t->fault), ERR_CANCELED);
	query_destroy(query);
}

static void rows_columns_and_values_are_bounded(void **state)
{
	struct theirs *t = *state;
	char sql[1024] = "SELECT 1";

	assert_int_equal(run(t, "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) "
	                        "SELECT x FROM c"),
	        OK);
	assert_int_equal(t->rows.rows, QUERY_ROWS_MAX);
	assert_true(t->rows.more);
	assert_int_equal(run(t, "SELECT printf('%.*c', 1000000, 'x')"), OK);
	assert_int_equal(strlen(t->rows.values[0].text), QUERY_TEXT_MAX);
	assert_int_equal(run(t, "SELECT zeroblob(100000000)"), ERR_TOO_LARGE);
	for (int i = 0; i < QUERY_COLUMNS_MAX; i++)
		strcat(sql, ", 1");
	assert_int_equal(run(t, sql), ERR_TOO_LARGE);
}

static void hostile_bytes_become_text(void **state)
{
	struct theirs *t = *state;

	exec(t->db, "DELETE FROM goods; INSERT INTO goods VALUES (CAST(x'61ff00e28262' AS TEXT), "
	            "0)");
	assert_int_equal(run(t, "SELECT name, 1 AS \"a\nb\" FROM goods"), OK);
	assert_string_equal(t->rows.values[0].text, "a\uFFFD\uFFFD\uFFFD\uFFFD"
	                                            "b");
	assert_string_equal(t->rows.names[1], "a\nb");
}

static void a_locked_database_is_told_soon(void **state)
{
	struct theirs *t = *state;
	int64_t started_ms = clock_monotonic_ms();

	exec(t->db, "BEGIN EXCLUSIVE");
	assert_int_equal(run(t, "SELECT * FROM goods"), ERR_BUSY);
	assert_non_null(strstr(t->fault.text, "is locked"));
	assert_true(clock_monotonic_ms() - started_ms < 10000);
	exec(t->db, "ROLLBACK");
	assert_int_equal(run(t, "SELECT * FROM goods"), OK);
}

/* The writer has no patience at all (busy timeout 0), and does not notice. */
static void a_live_writer_is_not_disturbed(void **state)
{
	struct theirs *t = *state;

	exec(t->db, "PRAGMA journal_mode = WAL; BEGIN IMMEDIATE; INSERT INTO goods VALUES ('fig', "
	            "1)");
	assert_int_equal(run(t, "SELECT count(*) FROM goods"), OK);
	assert_int_equal(t->rows.values[0].integer, 2);
	exec(t->db, "COMMIT");
	assert_int_equal(run(t, "SELECT count(*) FROM goods"), OK);
	assert_int_equal(t->rows.values[0].integer, 3);
	exec(t->db, "PRAGMA wal_checkpoint(TRUNCATE); INSERT INTO goods VALUES ('plum', 1)");
	assert_int_equal(run(t, "SELECT count(*) FROM goods"), OK);
	assert_int_equal(t->rows.values[0].integer, 4);
	assert_true(there_is(t, "-wal"));
}

/* Opening it in the usual way would leave -wal and -shm of the wrong owner beside it. */
static void nothing_is_left_beside_a_database_that_nobody_has_open(void **state)
{
	struct theirs *t = *state;

	exec(t->db, "PRAGMA journal_mode = WAL; INSERT INTO goods VALUES ('fig', 1)");
	sqlite3_close(t->db);
	t->db = NULL;
	assert_false(there_is(t, "-wal"));
	assert_int_equal(run(t, "SELECT count(*) FROM goods"), OK);
	assert_int_equal(t->rows.values[0].integer, 3);
	assert_false(there_is(t, "-wal"));
	assert_false(there_is(t, "-shm"));
	assert_false(there_is(t, "-journal"));
}

/* A log that a dead app left is never recovered by us: that writes. */
static void a_log_that_was_left_behind_is_told(void **state)
{
	struct theirs *t = *state;
	char path[200];
	FILE *file;

	exec(t->db, "PRAGMA journal_mode = WAL");
	sqlite3_close(t->db);
	t->db = NULL;
	snprintf(path, sizeof(path), "%s-wal", t->path);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs("some frames", file);
	fclose(file);
	assert_int_equal(run(t, "SELECT * FROM goods"), ERR_BUSY);
	assert_non_null(strstr(t->fault.text, "its app must open it once"));
	assert_false(there_is(t, "-shm"));
}

static void *write_later(void *arg)
{
	struct theirs *t = arg;
	sqlite3 *db;

	usleep(20 * 1000);
	assert_int_equal(sqlite3_open(t->path, &db), SQLITE_OK);
	exec(db, "INSERT INTO goods VALUES ('fig', 1)");
	sqlite3_close(db);
	return NULL;
}

/* An app that opens, writes and closes while the file is read as it lies: read again. */
static void a_write_meanwhile_is_noticed(void **state)
{
	struct theirs *t = *state;
	pthread_t thread;

	exec(t->db, "PRAGMA journal_mode = WAL");
	sqlite3_close(t->db);
	t->db = NULL;
	assert_int_equal(pthread_create(&thread, NULL, write_later, t), 0);
	/* goods is read first, then time passes */
	assert_int_equal(run_for(t,
	                         "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c "
	                         "LIMIT 2000000) SELECT (SELECT count(*) FROM goods), (SELECT "
	                         "count(*) FROM c)",
	                         100000),
	        OK);
	pthread_join(thread, NULL);
	assert_int_equal(t->rows.values[0].integer, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(a_select_gives_names_and_values),
	        TEST(everything_but_one_select_is_refused),
	        TEST(what_is_wrong_is_named),
	        TEST(what_is_no_database_is_told),
	        TEST(an_endless_query_ends_in_time),
	        TEST(another_thread_can_end_it),
	        TEST(rows_columns_and_values_are_bounded),
	        TEST(hostile_bytes_become_text),
	        TEST(a_locked_database_is_told_soon),
	        TEST(a_live_writer_is_not_disturbed),
	        TEST(nothing_is_left_beside_a_database_that_nobody_has_open),
	        TEST(a_log_that_was_left_behind_is_told),
	        TEST(a_write_meanwhile_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
