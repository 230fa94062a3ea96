/*
 * Tests of the schema's steps: each is kept whole or not at all, and what is not ours is left
 * alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "tests/unit/store_fixture.h"
#include "storage/migrate.h"

static int memory_setup(void **state)
{
	return sqlite3_open(":memory:", (sqlite3 **)state);
}

static int memory_teardown(void **state)
{
	return sqlite3_close(*state);
}

static void exec(sqlite3 *db, const char *text)
{
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
}

static bool table_exists(sqlite3 *db, const char *name)
{
	return sqlite3_table_column_metadata(db, NULL, name, NULL, NULL, NULL, NULL, NULL, NULL) ==
	       SQLITE_OK;
}

static int version_of(sqlite3 *db)
{
	struct fault fault;
	int version = -1;

	assert_int_equal(migrate_version(db, &version, &fault), OK);
	return version;
}

static const char *const steps[] = {
        "CREATE TABLE a (x INTEGER PRIMARY KEY); INSERT INTO a VALUES (1)",
        "CREATE TABLE b (x INTEGER REFERENCES a (x)); INSERT INTO b VALUES (1)",
        "ALTER TABLE b ADD COLUMN y",
};

static void steps_run_once_from_wherever_the_database_is(void **state)
{
	sqlite3 *db = *state;
	struct fault fault = {0};

	assert_int_equal(version_of(db), 0);
	assert_int_equal(migrate_run(db, steps, 1, &fault), OK);
	assert_int_equal(version_of(db), 1);
	assert_false(table_exists(db, "b"));
	assert_int_equal(migrate_run(db, steps, 3, &fault), OK);
	assert_int_equal(version_of(db), 3);
	assert_int_equal(migrate_run(db, steps, 3, &fault), OK);
	assert_int_equal(version_of(db), 3);
	assert_int_equal(sqlite3_get_autocommit(db), 1);
}

static void failing_step_is_rolled_back_whole(void **state)
{
	static const char *const broken[] = {
	        "CREATE TABLE a (x INTEGER PRIMARY KEY)",
	        "CREATE TABLE b (x); CREATE TABLE c (x); INSERT INTO nowhere VALUES (1)",
	};
	sqlite3 *db = *state;
	struct fault fault = {0};

	assert_int_not_equal(migrate_run(db, broken, 2, &fault), OK);
	assert_non_null(strstr(fault.text, "migration 2: no such table: nowhere"));
	assert_int_equal(version_of(db), 1);
	assert_true(table_exists(db, "a"));
	assert_false(table_exists(db, "b"));
	assert_int_equal(sqlite3_get_autocommit(db), 1);
}

static void step_that_leaves_orphans_is_rolled_back(void **state)
{
	static const char *const orphan[] = {
	        "CREATE TABLE a (x INTEGER PRIMARY KEY);"
	        "CREATE TABLE b (x INTEGER REFERENCES a (x)); INSERT INTO b VALUES (7)",
	};
	sqlite3 *db = *state;
	struct fault fault = {0};

	exec(db, "PRAGMA foreign_keys = OFF");
	assert_int_equal(migrate_run(db, orphan, 1, &fault), ERR_CORRUPT);
	assert_int_equal(version_of(db), 0);
	assert_false(table_exists(db, "a"));
}

static void newer_schema_is_refused(void **state)
{
	sqlite3 *db = *state;
	struct fault fault = {0};

	assert_int_equal(migrate_run(db, steps, 3, &fault), OK);
	assert_int_equal(migrate_run(db, steps, 2, &fault), ERR_UNSUPPORTED);
	assert_non_null(strstr(fault.text, "schema 3"));
	assert_int_equal(version_of(db), 3);
}

static void database_of_another_program_is_refused(void **state)
{
	static const char *const others[] = {
	        "CREATE TABLE entities (x)",
	        "PRAGMA application_id = 5",
	        "PRAGMA user_version = 1",
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct fault fault = {0};
		sqlite3 *db;

		assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
		exec(db, others[i]);
		assert_int_equal(migrate_run(db, steps, 3, &fault), ERR_UNSUPPORTED);
		assert_false(table_exists(db, "a"));
		sqlite3_close(db);
	}
}

static void store_refuses_a_newer_database(void **state)
{
	struct fixture *f = *state;
	struct fault fault = {0};
	sqlite3 *db;

	store_close(f->store);
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	exec(db, "PRAGMA user_version = 999");
	sqlite3_close(db);
	assert_int_equal(store_open(&f->store, f->path, &fault), ERR_UNSUPPORTED);
	assert_null(f->store);
	assert_non_null(strstr(fault.text, "schema 999"));
	assert_int_equal(store_open_readonly(&f->store, f->path, &fault), ERR_UNSUPPORTED);
	assert_null(f->store);
}

static void store_leaves_another_programs_database_alone(void **state)
{
	struct fixture *f = *state;
	struct fault fault = {0};
	char path[160];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/other.db", f->folder);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	exec(db, "CREATE TABLE entities (x)");
	store_close(f->store);
	assert_int_equal(store_open(&f->store, path, &fault), ERR_UNSUPPORTED);
	assert_null(f->store);
	assert_non_null(strstr(fault.text, "another program"));
	exec(db, "INSERT INTO entities SELECT 1 FROM pragma_journal_mode "
	         "WHERE journal_mode = 'delete'");
	assert_int_equal(sqlite3_changes(db), 1); /* not even its journal was changed */
	sqlite3_close(db);
}

static void assert_one(sqlite3 *db, const char *where)
{
	char text[256];
	sqlite3_stmt *stmt = NULL;

	snprintf(text, sizeof(text), "SELECT count(*) FROM crypto WHERE %s", where);
	assert_int_equal(sqlite3_prepare_v2(db, text, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	assert_int_equal(sqlite3_column_int(stmt, 0), 1);
	sqlite3_finalize(stmt);
}

/* What was kept before a key had its giver in its name is found by that name. */
static void room_keys_of_earlier_versions_stay_of_use(void **state)
{
	sqlite3 *db = *state;
	struct fault fault = {0};

	assert_int_equal(migrate_run(db, migrations, 9, &fault), OK);
	exec(db, "INSERT INTO crypto (kind, key, value) VALUES "
	         "('inbound', '!r:x' || char(31) || 'S+/1', '{\"user\":\"@op:x\",\"n\":1}'),"
	         "('inbound', '!r:x' || char(31) || 'S2', '{\"user\":\"@op:x\",\"n\":2}'),"
	         "('inbound', '!r:x' || char(31) || 'S2' || char(31) || '@op:x', '{\"user\":"
	         "\"@op:x\",\"n\":3}'),"
	         "('inbound', '!r:x' || char(31) || 'S3', 'rubbish'),"
	         "('index', 'S+/1' || char(31) || '7', '{\"event\":\"$7\"}'),"
	         "('index', 'gone' || char(31) || '8', '{\"event\":\"$8\"}'),"
	         "('ask', '!r:x' || char(31) || 'S4', '{\"user\":\"@op:x\"}')");
	assert_int_equal(migrate_run(db, migrations, migrations_len, &fault), OK);
	assert_one(db, "kind = 'inbound' AND json_valid(value) AND value ->> 'n' = 1 AND "
	               "key = '!r:x' || char(31) || 'S+/1' || char(31) || '@op:x'");
	assert_one(db, "kind = 'inbound' AND json_valid(value) AND value ->> 'n' = 2 AND "
	               "key = '!r:x' || char(31) || 'S2' || char(31) || '@op:x'");
	assert_one(db, "kind = 'inbound' AND value = 'rubbish'");
	assert_one(db, "kind = 'index' AND value LIKE '%$7%' AND "
	               "key = 'S+/1' || char(31) || '@op:x' || char(31) || '7'");
	assert_one(db, "kind = 'ask' AND key = '!r:x' || char(31) || 'S4'");
}

#define MEMORY(name) cmocka_unit_test_setup_teardown(name, memory_setup, memory_teardown)
#define STORE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

/* a: held and firing; b: told again since, the older one; c: resolved since; d: the silence is
 * over; e: never held */
static void what_silences_of_earlier_versions_hold_back_is_known(void **state)
{
	static const struct {
		int id, state, resolved, silence;
		const char *subject;
	} rows[] = {{1, 2, 0, 1, "a"}, {2, 2, 0, 1, "b"}, {3, 2, 0, 1, "b"}, {4, 2, 0, 1, "c"},
	        {5, 2, 1, 0, "c"}, {6, 2, 0, 2, "d"}, {7, 0, 0, 0, "e"}};
	sqlite3 *db = *state;
	struct fault fault = {0};
	char text[600];

	assert_int_equal(migrate_run(db, migrations, 13, &fault), OK);
	exec(db, "INSERT INTO silences (id, at_ms, end_ms, ended_ms, held, author, matchers, "
	         "reason) "
	         "VALUES (1, 1, 9, 0, 4, 'me', 'app=x', ''), (2, 1, 2, 2, 1, 'me', 'app=x', '')");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text),
		        "INSERT INTO alerts (id, severity, resolved, state, at_ms, received_ms, "
		        "uid, "
		        "gid, pid, app, kind, subject, fingerprint, reason, identity, title, "
		        "fields, "
		        "silence_id) VALUES (%d, 2, %d, %d, 1, 1, 0, 0, 0, 'x', 'message', '%s', "
		        "'%s', 'silence 1', 'i', 't', '{}', nullif(%d, 0))",
		        rows[i].id, rows[i].resolved, rows[i].state, rows[i].subject,
		        rows[i].subject, rows[i].silence);
		exec(db, text);
	}
	assert_int_equal(migrate_run(db, migrations, migrations_len, &fault), OK);
	exec(db, "CREATE TABLE held AS SELECT id FROM alerts WHERE held = 1");
	exec(db,
	        "CREATE TABLE wrong (x CHECK (x = '1,3'));"
	        "INSERT INTO wrong SELECT group_concat(id) FROM (SELECT id FROM held ORDER BY id)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        MEMORY(steps_run_once_from_wherever_the_database_is),
	        MEMORY(failing_step_is_rolled_back_whole),
	        MEMORY(step_that_leaves_orphans_is_rolled_back),
	        MEMORY(newer_schema_is_refused),
	        MEMORY(room_keys_of_earlier_versions_stay_of_use),
	        MEMORY(what_silences_of_earlier_versions_hold_back_is_known),
	        MEMORY(database_of_another_program_is_refused),
	        STORE(store_refuses_a_newer_database),
	        STORE(store_leaves_another_programs_database_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
