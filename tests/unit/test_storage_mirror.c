/*
 * Tests of the copy of calls in another app's database.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/store_fixture.h"
#include <sqlite3.h>
#include "bot/base/clock.h"

#define COLUMNS "at=called_at,what=function, duration_ms = ms ,result=status,error=error"

struct mirrored {
	struct fixture *store; /* only for its folder */
	char path[160];
	sqlite3 *theirs;
	struct calls_mirror *mirror;
};

static const struct call_row row = {
        .at_ms = 1500,
        .what = "send",
        .room = "ops",
        .duration_ms = 42,
        .result = "ok",
        .event_id = "$e",
};

static void exec(struct mirrored *m, const char *text)
{
	assert_int_equal(sqlite3_exec(m->theirs, text, NULL, NULL, NULL), SQLITE_OK);
}

static void theirs_open(struct mirrored *m)
{
	assert_int_equal(sqlite3_open(m->path, &m->theirs), SQLITE_OK);
	exec(m, "PRAGMA journal_mode = WAL;"
	        "CREATE TABLE \"the \"\"calls\" (id INTEGER PRIMARY KEY, called_at TEXT NOT NULL, "
	        "function TEXT, ms INTEGER, status TEXT, error TEXT)");
}

static int setup(void **state)
{
	struct mirrored *m = calloc(1, sizeof(*m));
	void *store;
	struct fault fault;

	assert_non_null(m);
	fixture_setup(&store);
	m->store = store;
	snprintf(m->path, sizeof(m->path), "%s/theirs.db", m->store->folder);
	theirs_open(m);
	assert_int_equal(
	        calls_mirror_create(&m->mirror, m->path, "the \"calls", COLUMNS, &fault), OK);
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	struct mirrored *m = *state;
	void *store = m->store;

	calls_mirror_destroy(m->mirror);
	sqlite3_close(m->theirs);
	fixture_teardown(&store);
	free(m);
	return 0;
}

/* The number of rows that meet a condition. */
static int rows(struct mirrored *m, const char *where)
{
	char *text = sqlite3_mprintf("SELECT count(*) FROM \"the \"\"calls\" WHERE %s", where);
	sqlite3_stmt *stmt;
	int count;

	assert_int_equal(sqlite3_prepare_v2(m->theirs, text, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	count = sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_free(text);
	return count;
}

static void row_arrives_under_their_names(void **state)
{
	struct mirrored *m = *state;
	struct fault fault;

	assert_int_equal(calls_mirror_insert(m->mirror, &row, &fault), OK);
	assert_int_equal(calls_mirror_insert(m->mirror, &row, &fault), OK);
	assert_int_equal(rows(m, "called_at = '1970-01-01T00:00:01.500Z' AND function = 'send' "
	                         "AND ms = 42 AND status = 'ok' AND error IS NULL"),
	        2);
}

static void all_our_columns_can_be_named(void **state)
{
	struct mirrored *m = *state;
	struct calls_mirror *mirror;
	struct fault fault;

	exec(m, "CREATE TABLE full (a, b, c, d, e, f, g, h)");
	assert_int_equal(calls_mirror_create(&mirror, m->path, "full",
	                         "at_ms=a,at=b,what=c,room=d,duration_ms=e,result=f,error=g,"
	                         "event_id=h",
	                         &fault),
	        OK);
	assert_int_equal(calls_mirror_insert(mirror, &row, &fault), OK);
	calls_mirror_destroy(mirror);
	exec(m, "INSERT INTO \"the \"\"calls\" (called_at) SELECT 'yes' FROM full WHERE a = 1500 "
	        "AND b = '1970-01-01T00:00:01.500Z' AND c = 'send' AND d = 'ops' AND e = 42 "
	        "AND f = 'ok' AND g IS NULL AND h = '$e'");
	assert_int_equal(rows(m, "called_at = 'yes'"), 1);
}

/* As the config's own default has them. */
static void a_name_alone_is_theirs_too(void **state)
{
	struct mirrored *m = *state;
	struct calls_mirror *mirror;
	struct fault fault = {0};

	exec(m, "CREATE TABLE calls (at TEXT, what TEXT, room TEXT, duration_ms INTEGER, result "
	        "TEXT, error TEXT)");
	assert_int_equal(calls_mirror_create(&mirror, m->path, "calls",
	                         "at, what,room,duration_ms=duration_ms, result, error", &fault),
	        OK);
	assert_int_equal(calls_mirror_insert(mirror, &row, &fault), OK);
	calls_mirror_destroy(mirror);
	exec(m, "INSERT INTO \"the \"\"calls\" (called_at, function, ms) SELECT at, what, "
	        "duration_ms "
	        "FROM calls WHERE room = 'ops' AND result = 'ok'");
	assert_int_equal(rows(m, "function = 'send' AND ms = 42"), 1);
}

static void bad_columns_are_named(void **state)
{
	static const struct {
		const char *columns, *named;
	} cases[] = {
	        {"", "\"\""},
	        {"nope", "\"nope\""},
	        {"what=a,nope=b", "\"nope\""},
	        {"what=a,what=b", "\"what\""},
	        {"what=", "\"what\""},
	        {"what=a,", "\"\""},
	        {"=a", "\"\""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct calls_mirror *mirror;
		struct fault fault = {0};

		assert_int_equal(
		        calls_mirror_create(&mirror, "/none", "t", cases[i].columns, &fault),
		        ERR_INVALID);
		assert_null(mirror);
		if (!strstr(fault.text, cases[i].named))
			fail_msg("%s: %s", cases[i].columns, fault.text);
	}
}

/* A name from the config stays a name. */
static void names_cannot_be_more_than_names(void **state)
{
	struct mirrored *m = *state;
	struct calls_mirror *mirror;
	struct fault fault = {0};

	assert_int_equal(
	        calls_mirror_create(&mirror, m->path, "the \"calls",
	                "what=function\") VALUES (1); DROP TABLE \"the \"\"calls\"; --", &fault),
	        OK);
	assert_int_equal(calls_mirror_insert(mirror, &row, &fault), ERR_NOT_FOUND);
	calls_mirror_destroy(mirror);
	assert_int_equal(rows(m, "1"), 0);
}

static void missing_table_is_told_once(void **state)
{
	struct mirrored *m = *state;
	struct fault fault = {0};

	exec(m, "ALTER TABLE \"the \"\"calls\" RENAME TO gone");
	assert_int_equal(calls_mirror_insert(m->mirror, &row, &fault), ERR_NOT_FOUND);
	assert_non_null(strstr(fault.text, "no such table"));
	assert_int_equal(calls_mirror_insert(m->mirror, &row, &fault), ERR_NOT_FOUND);
	assert_string_equal(fault.text, "");
	exec(m, "ALTER TABLE gone RENAME TO \"the \"\"calls\"");
	assert_int_equal(calls_mirror_insert(m->mirror, &row, &fault), OK);
	exec(m, "ALTER TABLE \"the \"\"calls\" RENAME TO gone"); /* under a prepared statement */
	assert_int_equal(calls_mirror_insert(m->mirror, &row, &fault), ERR_NOT_FOUND);
	assert_non_null(strstr(fault.text, "no such table"));
	exec(m, "ALTER TABLE gone RENAME TO \"the \"\"calls\"");
	assert_int_equal(calls_mirror_insert(m->mirror, &row, &fault), OK);
	assert_int_equal(rows(m, "1"), 2);
}

static void missing_database_is_not_created(void **state)
{
	struct mirrored *m = *state;
	struct calls_mirror *mirror;
	struct fault fault = {0};
	char path[200];

	snprintf(path, sizeof(path), "%s.none", m->path);
	assert_int_equal(calls_mirror_create(&mirror, path, "t", "what=a", &fault), OK);
	assert_int_equal(calls_mirror_insert(mirror, &row, &fault), ERR_NOT_FOUND);
	assert_non_null(strstr(fault.text, path));
	assert_int_equal(calls_mirror_insert(mirror, &row, &fault), ERR_NOT_FOUND);
	assert_string_equal(fault.text, "");
	assert_int_not_equal(access(path, F_OK), 0);
	calls_mirror_destroy(mirror);
}

static void locked_database_costs_a_bounded_wait(void **state)
{
	struct mirrored *m = *state;
	struct fault fault = {0};
	int64_t start;

	exec(m, "BEGIN IMMEDIATE");
	start = clock_monotonic_ms();
	assert_int_equal(calls_mirror_insert(m->mirror, &row, &fault), ERR_BUSY);
	assert_true(clock_monotonic_ms() - start < 2000);
	exec(m, "COMMIT");
	assert_int_equal(calls_mirror_insert(m->mirror, &row, &fault), OK);
	assert_int_equal(rows(m, "1"), 1);
}

static void replaced_database_is_opened_again(void **state)
{
	struct mirrored *m = *state;
	struct fault fault = {0};
	char wal[200], shm[200];

	assert_int_equal(calls_mirror_insert(m->mirror, &row, &fault), OK);
	sqlite3_close(m->theirs);
	snprintf(wal, sizeof(wal), "%s-wal", m->path);
	snprintf(shm, sizeof(shm), "%s-shm", m->path);
	unlink(wal);
	unlink(shm);
	assert_int_equal(unlink(m->path), 0);
	theirs_open(m);
	assert_int_equal(calls_mirror_insert(m->mirror, &row, &fault), OK);
	assert_int_equal(rows(m, "1"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(row_arrives_under_their_names),
	        TEST(all_our_columns_can_be_named),
	        cmocka_unit_test(bad_columns_are_named),
	        cmocka_unit_test_setup_teardown(a_name_alone_is_theirs_too, setup, teardown),
	        TEST(names_cannot_be_more_than_names),
	        TEST(missing_table_is_told_once),
	        TEST(missing_database_is_not_created),
	        TEST(locked_database_costs_a_bounded_wait),
	        TEST(replaced_database_is_opened_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
