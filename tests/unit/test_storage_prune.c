/*
 * Tests of store_prune(): what is old and over goes, what still waits or is open stays.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/store_fixture.h"
#include "storage/heartbeats.h"
#include "storage/silences.h"
#include "storage/sql.h"

#define BEFORE_MS 10000 /* the fixture's rows are older */

static int64_t count(struct store *store, const char *table)
{
	char *text = sqlite3_mprintf("SELECT count(*) FROM %s", table);
	sqlite3_stmt *stmt;
	int64_t value;

	assert_int_equal(sqlite3_prepare_v2(store->db, text, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	value = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_free(text);
	return value;
}

/* True when there is more to do. */
static bool prune(struct store *store, int64_t before_ms)
{
	bool more;

	assert_int_equal(store_begin(store), OK);
	assert_int_equal(store_prune(store, before_ms, &more), OK);
	assert_int_equal(store_commit(store), OK);
	return more;
}

struct thread {
	int64_t closed_ms, dirty_ms, received_ms, resolved_ms;
	enum outbox_state event;
	bool kept;
};

/* A message with one alert, one entry and one event. */
static void add_thread(struct store *store, const struct thread *t)
{
	struct message_row message = fixture_message("ops");
	struct alert_row alert = fixture_alert();
	struct entry_row entry;
	int64_t event;

	message.closed_ms = t->closed_ms;
	message.dirty_ms = t->dirty_ms;
	assert_int_equal(store_begin(store), OK);
	assert_int_equal(messages_insert(store, &message), OK);
	entry = fixture_entry(message.id, "f");
	entry.resolved_ms = t->resolved_ms;
	assert_int_equal(entries_insert(store, &entry), OK);
	alert.message_id = message.id;
	event = fixture_event(store, "ops", message.id);
	fixture_event_state(store, event, t->event);
	alert.received_ms = t->received_ms;
	assert_int_equal(alerts_insert(store, &alert), OK);
	assert_int_equal(alerts_carry(store, message.id, event), OK);
	assert_int_equal(store_commit(store), OK);
}

static void only_what_is_over_goes(void **state)
{
	static const struct thread threads[] = {
	        {5000, 0, 2000, 1, OUTBOX_SENT, false},
	        {5000, 0, 2000, 0, OUTBOX_SENT, false}, /* firing, but nothing is open any more */
	        {5000, 0, 2000, 1, OUTBOX_QUEUED, true}, {5000, 0, 2000, 1, OUTBOX_FROZEN, true},
	        {5000, 0, 2000, 1, OUTBOX_UNDELIVERABLE, true},
	        {5000, 7000, 2000, 1, OUTBOX_SENT, true},   /* something to edit in */
	        {0, 0, 2000, 0, OUTBOX_SENT, true},         /* open and firing */
	        {5000, 0, BEFORE_MS, 1, OUTBOX_SENT, true}, /* joined later */
	};
	static const char *const tables[] = {"alerts", "outbox", "entries", "messages"};

	for (size_t i = 0; i < sizeof(threads) / sizeof(threads[0]); i++) {
		void *each;
		struct store *store;

		fixture_setup(&each);
		store = fixture_store(&each);
		add_thread(store, &threads[i]);
		prune(store, 2000); /* exactly as old: not older */
		for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
			assert_int_equal(count(store, tables[t]), 1);
		prune(store, BEFORE_MS);
		for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
			if (count(store, tables[t]) != threads[i].kept)
				fail_msg("case %zu: %s", i, tables[t]);
		fixture_teardown(&each);
	}
}

static void what_has_no_message_goes_by_age(void **state)
{
	struct store *store = fixture_store(state);
	struct alert_row alert = fixture_alert();
	struct call_row call = {.at_ms = 2000, .what = "send", .room = "ops", .result = "ok"};
	int64_t waits;

	assert_int_equal(store_begin(store), OK);
	assert_int_equal(alerts_insert(store, &alert), OK); /* silenced, say */
	alert.received_ms = BEFORE_MS;
	assert_int_equal(alerts_insert(store, &alert), OK);
	assert_int_equal(calls_insert(store, &call), OK);
	call.at_ms = BEFORE_MS;
	assert_int_equal(calls_insert(store, &call), OK);
	fixture_event_state(store, fixture_event(store, "ops", 0), OUTBOX_SENT);
	waits = fixture_event(store, "ops", 0);
	assert_int_equal(store_commit(store), OK);
	prune(store, BEFORE_MS);
	assert_int_equal(count(store, "alerts"), 1);
	assert_int_equal(count(store, "calls"), 1);
	assert_int_equal(count(store, "outbox"), 1);
	assert_int_equal(store_begin(store), OK);
	fixture_event_state(store, waits, OUTBOX_SENT);
	assert_int_equal(store_commit(store), OK);
	prune(store, BEFORE_MS);
	assert_int_equal(count(store, "outbox"), 0);
}

static void a_call_takes_a_bounded_batch(void **state)
{
	struct store *store = fixture_store(state);
	struct call_row call = {.at_ms = 1, .what = "send", .room = "ops", .result = "ok"};

	assert_int_equal(store_begin(store), OK);
	for (int i = 0; i < STORE_PRUNE_MAX + 5; i++)
		assert_int_equal(calls_insert(store, &call), OK);
	assert_int_equal(store_commit(store), OK);
	assert_true(prune(store, BEFORE_MS));
	assert_int_equal(count(store, "calls"), 5);
	assert_false(prune(store, BEFORE_MS));
	assert_int_equal(count(store, "calls"), 0);
}

/* Ids that people were told never mean something else later. */
static void ids_are_not_given_again(void **state)
{
	struct store *store = fixture_store(state);
	struct alert_row alert = fixture_alert();
	int64_t last;

	assert_int_equal(store_begin(store), OK);
	assert_int_equal(alerts_insert(store, &alert), OK);
	assert_int_equal(store_commit(store), OK);
	last = alert.id;
	prune(store, BEFORE_MS);
	assert_int_equal(count(store, "alerts"), 0);
	assert_int_equal(store_begin(store), OK);
	assert_int_equal(alerts_insert(store, &alert), OK);
	assert_int_equal(store_commit(store), OK);
	assert_true(alert.id > last);
}

/* A heartbeat stays while it is not confirmed or somebody is still to be told. */
static void heartbeats_that_are_over_go(void **state)
{
	static const struct {
		const char *date;
		int64_t due_ms, confirmed_ms;
		int tell, ping;
		bool kept;
	} rows[] = {
	        {"2026-11-01", 1000, 1100, 0, 0, false},
	        {"2026-11-02", 2000, 0, 0, 0, true},
	        {"2026-11-03", 3000, 3100, 1, 0, true},
	        {"2026-11-04", 4000, 4100, 0, 1, true},
	        {"2026-11-05", 9000, 9100, 0, 0, true},
	};
	struct store *store = fixture_store(state);
	struct heartbeat_row row;

	assert_int_equal(store_begin(store), OK);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		row = (struct heartbeat_row){.date = LENT(rows[i].date),
		        .due_ms = rows[i].due_ms,
		        .confirmed_ms = rows[i].confirmed_ms,
		        .tell = rows[i].tell,
		        .ping = rows[i].ping};
		assert_int_equal(heartbeats_insert(store, &row), OK);
	}
	assert_int_equal(heartbeats_insert(store, &row), ERR_EXISTS);
	assert_int_equal(store_commit(store), OK);
	prune(store, 5000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum err err = heartbeats_by_date(store, rows[i].date, &row);

		assert_int_equal(err, rows[i].kept ? OK : ERR_NOT_FOUND);
		heartbeat_row_finish(&row);
	}
}

/* A silence that holds or is to come stays, however old. */
static void silences_that_are_over_go(void **state)
{
	static const int64_t ended_ms[] = {0, 1, 4999, 5000};
	struct store *store = fixture_store(state);

	assert_int_equal(store_begin(store), OK);
	for (size_t i = 0; i < sizeof(ended_ms) / sizeof(ended_ms[0]); i++) {
		struct silence_row row = {
		        .at_ms = 1,
		        .ended_ms = ended_ms[i],
		        .author = LENT("me"),
		        .matchers = LENT("app=\"a\""),
		        .reason = LENT(""),
		};

		assert_int_equal(silences_insert(store, &row), OK);
	}
	assert_int_equal(store_commit(store), OK);
	prune(store, 5000);
	for (size_t i = 0; i < sizeof(ended_ms) / sizeof(ended_ms[0]); i++) {
		struct silence_row row = {0};
		bool kept = ended_ms[i] == 0 || ended_ms[i] == 5000;

		assert_int_equal(
		        silences_by_id(store, (int64_t)i + 1, &row), kept ? OK : ERR_NOT_FOUND);
		silence_row_finish(&row);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(only_what_is_over_goes),
	        TEST(what_has_no_message_goes_by_age),
	        TEST(a_call_takes_a_bounded_batch),
	        TEST(ids_are_not_given_again),
	        TEST(heartbeats_that_are_over_go),
	        TEST(silences_that_are_over_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
