/*
 * Tests of all statements together: none writes outside a transaction, none walks through a table
 * that grows, and none costs memory before it is used.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/store_fixture.h"
#include "storage/sql.h"

static void writing_outside_a_transaction_is_refused(void **state)
{
	struct store *store = fixture_store(state);
	struct alert_row in = fixture_alert();

	store_rollback(store);
	assert_int_equal(alerts_insert(store, &in), ERR_INVALID);
	assert_int_equal(state_set(store, "a", "b"), ERR_INVALID);
	assert_int_equal(store_savepoint(store), ERR_INVALID);
}

/* A plan may walk through the partial indexes of what is open, waiting or undeliverable: those do
 * not grow with time. */
static bool plan_line_is_bounded(const char *detail)
{
	static const char *const small[] = {"USING INDEX messages_open",
	        "USING INDEX outbox_waiting", "USING COVERING INDEX outbox_waiting",
	        "USING INDEX outbox_undeliverable", "USING COVERING INDEX outbox_undeliverable",
	        "CONSTANT ROW",
	        /* one for each step of escalation that something went through */
	        "SCAN levels",
	        /* one for each silence, quiet time or room of what is held */
	        "SCAN each",
	        /* the rooms of the config */
	        "SCAN json_each VIRTUAL TABLE INDEX 1:",
	        /* never more than a thousand, see handlers/commands/command_silence.c */
	        "USING INDEX silences_active", "USING COVERING INDEX messages_open",
	        "USING COVERING INDEX messages_edit", /* with something to edit in */
	        "SCAN u", "SCAN undelivered",         /* told of elsewhere, until it recovers */
	        /* what fires and is held back */
	        "USING INDEX alerts_held", "USING COVERING INDEX alerts_held",
	        "USING INDEX alerts_inhibited_now", "USING COVERING INDEX alerts_quiet",
	        "SCAN (subquery-2)", /* what ALERTS_APPS grouped: a row for each app */
	        /* a row for each quiet time that holds and room */
	        "SCAN quiets",
	        /* never more than MENDED_APPS_MAX rows */
	        "SCAN mended", "USING COVERING INDEX sqlite_autoindex_mended_1",
	        /* never more than HEARTBEATS_MAX rows, see handlers/heartbeats/app_heartbeat.h */
	        "USING INDEX sqlite_autoindex_app_heartbeats_1",
	        "USING COVERING INDEX sqlite_autoindex_app_heartbeats_1",
	        "USING COVERING INDEX app_heartbeats_deadline", "USING INDEX app_heartbeats_held",
	        "USING INDEX app_heartbeats_missed",
	        /* never more than a thousand rows, see bot/timeline/timeline_read.c */
	        "USING COVERING INDEX sqlite_autoindex_undecrypted_1",
	        /* never more than a few hundred a watch, see handlers/watches/sql_watch.h */
	        "USING COVERING INDEX sqlite_autoindex_sql_watches_1"};

	if (strncmp(detail, "SCAN", 4) != 0)
		return true;
	for (size_t i = 0; i < sizeof(small) / sizeof(small[0]); i++) {
		const char *end = strstr(detail, small[i]);

		if (end && end[strlen(small[i])] == '\0')
			return true;
	}
	return false;
}

static void no_statement_walks_through_a_growing_table(void **state)
{
	struct store *store = fixture_store(state);
	int seen = 0;

	for (int family = SQL_ALERTS; family < SQL_FAMILIES; family++) {
		for (const struct sql_statement *s = sql_statements(family); s->name; s++) {
			char *explain = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", s->text);
			bool listing = strcmp(s->name, "ALERTS_LIST") == 0;
			bool once = strcmp(s->name, "MESSAGES_STRANDED") == 0 ||
			            strcmp(s->name, "ENTRIES_SET_ALL_DUE") == 0;
			sqlite3_stmt *stmt;

			assert_int_equal(
			        sqlite3_prepare_v2(store->db, explain, -1, &stmt, NULL), SQLITE_OK);
			while (sqlite3_step(stmt) == SQLITE_ROW) {
				const char *detail = (const char *)sqlite3_column_text(stmt, 3);

				/* the newest ones, backwards from the end, up to its limit */
				if (listing && strcmp(detail, "SCAN alerts") == 0)
					continue;
				/* what fires, once for each config */
				if (once && strstr(detail, "SCAN entries USING INDEX entries_open"))
					continue;
				if (!plan_line_is_bounded(detail))
					fail_msg("%s: %s", s->name, detail);
				seen++;
			}
			sqlite3_finalize(stmt);
			sqlite3_free(explain);
		}
	}
	assert_true(seen > 30);
	assert_false(plan_line_is_bounded("SCAN alerts")); /* the gate itself can fail */
	assert_false(plan_line_is_bounded("SCAN messages USING INDEX messages_opened"));
}

/* A row that is deleted is looked for in each table that refers to it. */
static void each_reference_is_found_by_an_index(void **state)
{
	struct store *store = fixture_store(state);
	sqlite3_stmt *stmt, *plan;
	int seen = 0;

	assert_int_equal(sqlite3_prepare_v2(store->db,
	                         "SELECT m.name, f.\"from\" FROM sqlite_schema m, "
	                         "pragma_foreign_key_list(m.name) f WHERE m.type = 'table'",
	                         -1, &stmt, NULL),
	        SQLITE_OK);
	for (; sqlite3_step(stmt) == SQLITE_ROW; seen++) {
		const char *table = (const char *)sqlite3_column_text(stmt, 0);
		const char *column = (const char *)sqlite3_column_text(stmt, 1);
		char *explain = sqlite3_mprintf(
		        "EXPLAIN QUERY PLAN SELECT 1 FROM %w WHERE %w = ?", table, column);

		assert_int_equal(
		        sqlite3_prepare_v2(store->db, explain, -1, &plan, NULL), SQLITE_OK);
		assert_int_equal(sqlite3_step(plan), SQLITE_ROW);
		if (strncmp((const char *)sqlite3_column_text(plan, 3), "SEARCH", 6) != 0)
			fail_msg("%s.%s", table, column);
		sqlite3_finalize(plan);
		sqlite3_free(explain);
	}
	sqlite3_finalize(stmt);
	assert_true(seen > 5);
}

static int prepared(struct store *store)
{
	int count = 0;

	for (sqlite3_stmt *stmt = NULL; (stmt = sqlite3_next_stmt(store->db, stmt));)
		count++;
	return count;
}

static void statements_are_prepared_when_they_are_used_first(void **state)
{
	struct store *store = fixture_store(state);
	int at_first = 0;

	while (sql_store[at_first].name)
		at_first++;
	assert_int_equal(prepared(store), at_first);
	assert_int_equal(state_set(store, "a", "b"), OK);
	assert_int_equal(prepared(store), at_first + 1);
	assert_int_equal(state_set(store, "a", "c"), OK);
	assert_int_equal(prepared(store), at_first + 1);
	store_rest(store);
	assert_int_equal(prepared(store), at_first);
	assert_int_equal(state_set(store, "a", "d"), OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup_begin, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(writing_outside_a_transaction_is_refused),
	        TEST(statements_are_prepared_when_they_are_used_first),
	        TEST(no_statement_walks_through_a_growing_table),
	        TEST(each_reference_is_found_by_an_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
