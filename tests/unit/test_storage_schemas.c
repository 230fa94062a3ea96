/*
 * Databases of every earlier schema, as their versions wrote them (tests/unit/schemas/), opened by
 * this one: each row is there, and means what it meant.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/store_fixture.h"
#include "bot/base/severity.h"
#include "storage/calls.h"
#include "storage/command_log.h"
#include "storage/heartbeats.h"
#include "storage/history.h"
#include "storage/keys.h"
#include "storage/mended.h"
#include "storage/quiets.h"
#include "storage/known_rooms.h"
#include "storage/silences.h"
#include "storage/sql.h"
#include "storage/sql_watch_rows.h"
#include "storage/undecrypted.h"

/* Puts the database of a schema in the place of the fixture's, and opens it. */
static void load_as(struct fixture *f, int schema, enum err expected)
{
	struct fault fault = {0};
	char path[512], *text;
	size_t len;
	FILE *file;
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/tests/unit/schemas/%03d.sql", getenv("SOURCE_ROOT"),
	        schema);
	file = fopen(path, "r");
	if (!file)
		fail_msg("%s is missing: each schema but the newest needs one", path);
	text = calloc(1, 1 << 20);
	len = fread(text, 1, (1 << 20) - 1, file);
	assert_true(len > 0 && feof(file));
	fclose(file);
	store_close(f->store);
	f->store = NULL;
	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("schema %d: %s", schema, sqlite3_errmsg(db));
	sqlite3_close(db);
	free(text);
	if (store_open(&f->store, f->path, &fault) != expected)
		fail_msg("schema %d: %s", schema, fault.text);
}

static void load(struct fixture *f, int schema)
{
	load_as(f, schema, OK);
}

static void check_messages(struct store *store)
{
	struct message_row row;

	assert_int_equal(messages_by_event(store, "$m1", &row), OK);
	assert_int_equal(row.id, 1);
	assert_int_equal(row.kind, MESSAGE_ALERTS);
	assert_int_equal(row.severity, SEVERITY_CRITICAL);
	assert_int_equal(row.edited_ms, 1300);
	assert_int_equal(row.end_ms, 1200 + 60000);
	assert_int_equal(row.edit_ms, 1400);
	assert_int_equal(row.alerts, 3);
	assert_string_equal(row.origin, "data_factory");
	message_row_finish(&row);
	assert_int_equal(messages_by_id(store, 2, &row), OK);
	assert_int_equal(row.kind, MESSAGE_RING);
	assert_int_equal(row.end_ms, 0); /* not sent yet */
	assert_int_equal(row.rings_for, 1);
	assert_true(row.rings >= 1);
	message_row_finish(&row);
	assert_int_equal(messages_by_id(store, 3, &row), OK);
	assert_int_equal(row.kind, MESSAGE_STORM);
	assert_int_equal(row.severity, SEVERITY_WARNING);
	assert_int_equal(row.end_ms, 0); /* closed */
	message_row_finish(&row);
	assert_int_equal(messages_by_id(store, 4, &row), OK);
	assert_int_equal(row.severity, SEVERITY_INFO);
	assert_int_equal(row.end_ms, 4400 + 60000); /* undeliverable since 4400 */
	assert_int_equal(row.edit_ms, 0);
	message_row_finish(&row);
}

static void check_entries(struct store *store, int schema)
{
	struct entry_row row;
	bool known;

	assert_int_equal(entries_by_fingerprint(store, 1, "f1", &row), OK);
	assert_int_equal(row.id, 1);
	assert_int_equal(row.severity, SEVERITY_CRITICAL);
	assert_int_equal(row.count, 3);
	assert_int_equal(row.runs, 3);
	assert_string_equal(row.run_ids, "[\"r-1\",\"r-2\",\"r-3\"]");
	assert_string_equal(row.url, "https://x/");
	if (schema >= 12) {
		assert_string_equal(row.key, "k-1");
		assert_string_equal(row.ext_id, "ext-1");
	}
	assert_int_equal(row.acked_ms, schema >= 5 ? 1500 : 0);
	if (schema >= 5)
		assert_string_equal(row.ack_note, "mine");
	assert_int_equal(row.open_ms, schema >= 9 ? 1250 : 1350);
	entry_row_finish(&row);
	assert_int_equal(entries_by_id(store, 2, &row), OK);
	assert_int_equal(row.resolved_ms, 3150);
	assert_string_equal(row.run_ids, "[]");
	entry_row_finish(&row);
	assert_int_equal(entries_by_id(store, 3, &row), OK); /* its runs were no JSON, or many */
	assert_int_equal(row.runs, schema >= 22 ? 25 : 0);
	if (schema >= 22) {
		assert_memory_equal(row.run_ids, "[\"e-6\",\"e-7\",", 13);
		assert_non_null(strstr(row.run_ids, ",\"e-25\"]"));
		assert_int_equal(entries_knows_run(store, 3, "e-5", &known), OK);
		assert_true(known);
		assert_int_equal(entries_knows_run(store, 3, "e-6", &known), OK);
		assert_false(known);
	}
	entry_row_finish(&row);
}

static void check_outbox(struct store *store)
{
	static const struct {
		int64_t id;
		enum outbox_state state;
		enum outbox_purpose purpose;
		int64_t message_id;
		const char *content;
	} rows[] = {
	        {1, OUTBOX_SENT, OUTBOX_NEW, 1, "{\"body\":\"one\"}"},
	        {2, OUTBOX_FROZEN, OUTBOX_EDIT, 1, "{\"body\":\"edit\"}"},
	        {3, OUTBOX_QUEUED, OUTBOX_NEW, 2, NULL},
	        {4, OUTBOX_UNDELIVERABLE, OUTBOX_REPLY, 4, "{\"body\":\"reply\"}"},
	        {5, OUTBOX_SENT, OUTBOX_HEARTBEAT, 0,
	                "{\"body\":\"alive\",\"org.matrix-telemetry-bot.alert\":"
	                "{\"heartbeat\":{\"date\":\"2026-11-24\"}}}"},
	        {6, OUTBOX_QUEUED, OUTBOX_NOTE, 0,
	                "{\"body\":\"answer\",\"org.matrix-telemetry-bot.alert\":"
	                "{\"txn_id\":\"mtb06\"}}"},
	        {8, OUTBOX_SENT, OUTBOX_NEW, 3, "{\"body\":\"storm\"}"},
	};
	struct outbox_row row;
	int64_t waiting, undeliverable, oldest_ms;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char txn_id[8];

		snprintf(txn_id, sizeof(txn_id), "mtb%02d", (int)rows[i].id);
		assert_int_equal(outbox_by_id(store, rows[i].id, &row), OK);
		assert_int_equal(row.state, rows[i].state);
		assert_int_equal(row.purpose, rows[i].purpose);
		assert_int_equal(row.message_id, rows[i].message_id);
		assert_string_equal(row.txn_id, txn_id);
		if (rows[i].content)
			assert_string_equal(row.content, rows[i].content);
		else
			assert_null(row.content);
		outbox_row_finish(&row);
	}
	assert_int_equal(outbox_head(store, "ops", 0, 0, &row), OK);
	assert_int_equal(row.id, 2);
	assert_string_equal(row.wire_content, "{\"ciphertext\":\"c\"}");
	assert_string_equal(row.wire_type, "m.room.encrypted");
	assert_string_equal(row.error, "timeout");
	assert_int_equal(row.tries, 2);
	outbox_row_finish(&row);
	assert_int_equal(outbox_counts(store, &waiting, &undeliverable, &oldest_ms), OK);
	assert_int_equal(waiting, 3);
	assert_int_equal(undeliverable, 1);
	assert_int_equal(oldest_ms, 1300);
}

static void check_alerts(struct store *store, int schema)
{
	static const struct {
		enum severity severity;
		bool resolved;
		enum alert_state state;
		enum alert_cause cause;
		int64_t message_id;
	} rows[] = {
	        {SEVERITY_CRITICAL, false, ALERT_QUEUED, ALERT_NEW, 1},
	        {SEVERITY_CRITICAL, false, ALERT_GROUPED, ALERT_JOINED, 1},
	        {SEVERITY_WARNING, false, ALERT_QUEUED, ALERT_STORM, 3},
	        {SEVERITY_WARNING, true, ALERT_GROUPED, ALERT_RESOLVED, 3},
	        {SEVERITY_WARNING, true, ALERT_SILENCED, ALERT_UNMATCHED, 0},
	        {SEVERITY_WARNING, false, ALERT_SILENCED, ALERT_INHIBITED, 0},
	        {SEVERITY_INFO, false, ALERT_SILENCED, ALERT_SILENCE, 0},
	        {SEVERITY_INFO, false, ALERT_SILENCED, ALERT_QUIET, 0},
	        {SEVERITY_INFO, false, ALERT_QUEUED, ALERT_NEW, 4},
	};
	struct alert_row row;
	int64_t sent_ms, received_ms, inhibited;
	char *event_id;
	bool undeliverable;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(alerts_by_id(store, (int64_t)i + 1, &row), OK);
		assert_int_equal(row.severity, rows[i].severity);
		assert_int_equal(row.resolved, rows[i].resolved);
		assert_int_equal(row.state, rows[i].state);
		assert_int_equal(row.cause, rows[i].cause);
		assert_int_equal(row.message_id, rows[i].message_id);
		assert_int_equal(row.held, i == 7 && schema >= 14);
		assert_int_equal(row.silence_id, i == 6 && schema >= 9 ? 1 : 0);
		alert_row_finish(&row);
	}
	assert_int_equal(alerts_by_ext_id(store, "ext-1", NULL, &row), OK);
	assert_int_equal(row.id, 1);
	assert_int_equal(row.pid, 77);
	if (schema >= 12)
		assert_string_equal(row.key, "k-1");
	assert_string_equal(row.run_id, "r-1");
	assert_string_equal(row.fields, "{\"node_id\":\"etl_users\"}");
	alert_row_finish(&row);
	assert_int_equal(
	        alerts_where(store, 1, &event_id, &sent_ms, &received_ms, &undeliverable), OK);
	assert_string_equal(event_id, "$m1");
	assert_int_equal(sent_ms, 1200);
	free(event_id);
	assert_int_equal(
	        alerts_where(store, 2, &event_id, &sent_ms, &received_ms, &undeliverable), OK);
	assert_null(event_id); /* no event has carried it yet */
	assert_int_equal(alerts_oldest_carried(store, 3, 8, &received_ms), OK);
	assert_int_equal(received_ms, 3000);
	assert_int_equal(alerts_count_inhibited(store, 0, &inhibited), OK);
	assert_int_equal(inhibited, 1);
}

static void check_rooms(struct store *store)
{
	struct room_row row;
	char *value;

	assert_int_equal(rooms_by_room_id(store, "!ops:x", &row), OK);
	assert_int_equal(row.encrypted, 1);
	assert_string_equal(row.address, "#ops:x");
	assert_string_equal(row.encryption, "{\"algorithm\":\"m.megolm.v1.aes-sha2\"}");
	room_row_finish(&row);
	assert_int_equal(rooms_by_room_id(store, "!dev:x", &row), OK);
	assert_int_equal(row.encrypted, 0);
	assert_string_equal(row.replaced_by, "!dev2:x");
	room_row_finish(&row);
	assert_int_equal(state_get(store, "sync.since", &value), OK);
	assert_string_equal(value, "s72_1");
	free(value);
}

static void check_mended(struct store *store)
{
	struct mended_row *rows;
	size_t len;

	assert_int_equal(mended_since(store, 0, 10, &rows, &len), OK);
	assert_int_equal(len, 1);
	assert_int_equal(rows[0].count, 3);
	mended_rows_free(rows, len);
}

static void check_later_tables(struct store *store, int schema)
{
	struct sql_watch_row *watches;
	struct app_heartbeat_row *apps;
	struct heartbeat_row heartbeat;
	struct undecrypted_row *undecrypted;
	struct command_row command;
	struct silence_row silence;
	const struct history_episode episode = {0, INT64_MAX};
	struct history_row *history;
	struct quiet_row *quiets;
	int64_t at_ms;
	char *value;
	size_t len;

	assert_int_equal(calls_last_ok(store, 1150, &at_ms), OK);
	assert_int_equal(at_ms, 1150);
	if (schema >= 2) {
		assert_int_equal(keys_get(store, "account", "", &value), OK);
		assert_string_equal(value, "secret");
		free(value);
		assert_int_equal(keys_get(store, "inbound", "!ops:x\x1fS1\x1f@op:x", &value), OK);
		free(value);
	}
	if (schema >= 3) {
		assert_int_equal(commands_by_event(store, "$c1", &command), OK);
		assert_string_equal(command.effect, "acked 1");
		command_row_finish(&command);
	}
	if (schema >= 4) {
		assert_int_equal(undecrypted_all(store, 10, &undecrypted, &len), OK);
		assert_int_equal(len, 1);
		undecrypted_rows_free(undecrypted, len);
	}
	if (schema >= 5) {
		assert_int_equal(silences_by_id(store, 1, &silence), OK);
		assert_string_equal(silence.reason, "deploy");
		silence_row_finish(&silence);
		assert_int_equal(silences_by_id(store, 2, &silence), OK);
		assert_int_equal(silence.until_resolved, 1);
		if (schema >= 12)
			assert_string_equal(silence.problem, "too many steps");
		assert_int_equal(silence.end_ms, 3100 + 604800000);
		silence_row_finish(&silence);
	}
	if (schema >= 7) {
		assert_int_equal(sql_watches_of(store, "stock", &watches, &len), OK);
		assert_int_equal(len, 2);
		assert_int_equal(watches[0].severity, SEVERITY_CRITICAL);
		assert_string_equal(watches[0].subject, "bolts");
		assert_int_equal(watches[1].fault, 1);
		sql_watch_rows_free(watches, len);
	}
	if (schema >= 8) {
		assert_int_equal(heartbeats_by_date(store, "2026-11-24", &heartbeat), OK);
		assert_int_equal(heartbeat.ping, 1);
		heartbeat_row_finish(&heartbeat);
		assert_int_equal(app_heartbeats_list(store, 10, &apps, &len), OK);
		assert_int_equal(len, 1);
		assert_int_equal(apps[0].missed_ms, 5);
		assert_int_equal(apps[0].held, schema >= 11);
		app_heartbeat_rows_free(apps, len);
	}
	if (schema >= 9) {
		assert_int_equal(quiets_all(store, &quiets, &len), OK);
		assert_int_equal(len, 1);
		assert_int_equal(quiets[0].held, 4);
		quiet_rows_free(quiets, len);
		assert_int_equal(history_of(store, "f1", &episode, 10, &history, &len), OK);
		assert_int_equal(len, 1);
		assert_false(history[0].ended);
		history_rows_free(history, len);
	}
}

/* Ids that people were told never mean something else later, also those of deleted rows. */
static void check_new_ids(struct store *store)
{
	struct message_row message = fixture_message("ops");
	struct alert_row alert = fixture_alert();

	assert_int_equal(store_begin(store), OK);
	assert_int_equal(messages_insert(store, &message), OK);
	assert_int_equal(message.id, 10);
	assert_int_equal(alerts_insert(store, &alert), OK);
	assert_int_equal(alert.id, 100);
	assert_int_equal(fixture_event(store, "ops", 0), 9);
	assert_int_equal(store_commit(store), OK);
}

static void every_earlier_schema_is_migrated(void **state)
{
	struct fixture *f = *state;

	for (int schema = 1; schema < store_schema(); schema++) {
		load(f, schema);
		check_messages(f->store);
		check_entries(f->store, schema);
		check_outbox(f->store);
		check_alerts(f->store, schema);
		check_rooms(f->store);
		check_later_tables(f->store, schema);
		if (schema >= 13)
			check_mended(f->store);
		check_new_ids(f->store);
	}
}

/* That and where is told, before and after; a database of the newest schema needs no word. */
static void a_migration_is_logged(void **state)
{
	struct fixture *f = *state;
	char log[4096] = "", before[256], after[256];
	int saved = dup(STDERR_FILENO), file = memfd_create("log", MFD_CLOEXEC);

	assert_true(saved >= 0 && file >= 0 && dup2(file, STDERR_FILENO) >= 0);
	load(f, 7);
	store_close(f->store);
	fixture_open(f);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
	assert_true(pread(file, log, sizeof(log) - 1, 0) > 0);
	close(file);
	snprintf(before, sizeof(before),
	        "migrating to schema %d; it is kept as it was in %s.schema-7", store_schema(),
	        f->path);
	snprintf(after, sizeof(after), "migrated to schema %d", store_schema());
	assert_non_null(strstr(log, before));
	assert_non_null(strstr(strstr(log, before), after));
	assert_null(strstr(strstr(strstr(log, before), after) + strlen(after), "schema"));
}

/* Beside it, readable by its owner alone, whole, and once for each schema it had. */
static void what_was_there_is_kept_beside_it(void **state)
{
	struct fixture *f = *state;
	char copy[160];
	struct stat st;
	sqlite3 *db;
	sqlite3_stmt *stmt;

	snprintf(copy, sizeof(copy), "%s.schema-7", f->path);
	assert_int_equal(symlink("/dev/null", copy), 0);
	load_as(f, 7, ERR_IO); /* a link of somebody else's is not followed */
	assert_int_equal(unlink(copy), 0);
	fclose(fopen(copy, "w")); /* of an earlier try */
	fixture_open(f);
	assert_int_equal(stat(copy, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(sqlite3_open_v2(copy, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db,
	                         "SELECT (SELECT user_version FROM pragma_user_version), count(*) "
	                         "FROM alerts WHERE state = 0",
	                         -1, &stmt, NULL),
	        SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	assert_int_equal(sqlite3_column_int(stmt, 0), 7);
	assert_int_equal(sqlite3_column_int(stmt, 1), 3);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	store_close(f->store);
	assert_int_equal(unlink(copy), 0);
	fixture_open(f); /* of the newest schema: nothing to keep */
	assert_int_equal(access(copy, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(
	                a_migration_is_logged, fixture_setup, fixture_teardown),
	        cmocka_unit_test_setup_teardown(
	                what_was_there_is_kept_beside_it, fixture_setup, fixture_teardown),
	        cmocka_unit_test_setup_teardown(
	                every_earlier_schema_is_migrated, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
