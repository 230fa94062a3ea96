/*
 * Tests of damaged rows: each is undeliverable, or left out, alone; what is beside it goes on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/handlers_fixture.h"
#include "storage/alerts.h"
#include "storage/messages.h"
#include "storage/sql.h"

static int setup(void **state)
{
	*state = world_create("");
	return 0;
}

static int teardown(void **state)
{
	world_destroy(*state);
	return 0;
}

/* What no statement of ours would write. */
static void damage(struct world *w, const char *sql)
{
	char *message = NULL;

	sqlite3_exec(w->store->db,
	        "PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF", NULL, NULL,
	        NULL);
	if (sqlite3_exec(w->store->db, sql, NULL, NULL, &message) != SQLITE_OK)
		fail_msg("%s: %s", sql, message);
	assert_true(sqlite3_changes(w->store->db) > 0);
	sqlite3_exec(w->store->db,
	        "PRAGMA ignore_check_constraints = OFF; PRAGMA foreign_keys = ON", NULL, NULL,
	        NULL);
}

static void alert(struct world *w, const char *app)
{
	assert_string_equal(world_alert(w,
	                            "{\"op\":\"alert\",\"app\":\"%s\",\"severity\":"
	                            "\"critical\",\"title\":\"%s\"}",
	                            app, app),
	        "queued");
}

static const char *run(struct world *w, int n)
{
	return world_alert(w,
	        "{\"op\":\"alert\",\"app\":\"a\",\"severity\":\"critical\",\"title\":\"a\","
	        "\"run_id\":\"r-%d\",\"id\":\"%d\"}",
	        n, n);
}

static int64_t count_undeliverable(struct world *w)
{
	int64_t waiting, undeliverable, oldest_ms;

	assert_int_equal(outbox_counts(w->store, &waiting, &undeliverable, &oldest_ms), OK);
	assert_int_equal(waiting, 0);
	return undeliverable;
}

/* One queued event is damaged: it is undeliverable with its reason, the two beside it arrive. */
static void damaged_event_stops_only_itself(void **state)
{
	static const struct {
		const char *sql, *reason;
	} cases[] = {
	        {"UPDATE outbox SET message_id = 999 WHERE id = 2", "its message is missing"},
	        {"UPDATE outbox SET message_id = NULL WHERE id = 2", "no message"},
	        {"UPDATE outbox SET purpose = '7' WHERE id = 2", "column purpose"},
	        {"UPDATE outbox SET purpose = 'reply' WHERE id = 2", "no content"},
	        {"UPDATE outbox SET txn_id = '' WHERE id = 2", "no transaction id"},
	        {"UPDATE outbox SET state = '9' WHERE id = 2", NULL},
	        {"UPDATE outbox SET state = 'frozen' WHERE id = 2", "no room id"},
	        {"UPDATE outbox SET state = 'frozen', room_id = '!x' WHERE id = 2", "no content"},
	        {"UPDATE messages SET kind = 'none' WHERE id = 2", "its message is missing"},
	        {"UPDATE messages SET severity = '3' WHERE id = 2", "its message is missing"},
	        {"DELETE FROM messages WHERE id = 2", "its message is missing"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		void *each;
		struct world *w;
		struct outbox_row *rows;
		size_t len;
		int64_t count;

		setup(&each);
		w = each;
		alert(w, "a");
		alert(w, "b");
		alert(w, "c");
		damage(w, cases[i].sql);
		world_send(w);
		world_send(w); /* what turned out undeliverable asks again at once */
		if (w->len != 2 || count_undeliverable(w) != 1)
			fail_msg("%s: %zu sent", cases[i].sql, w->len);
		assert_non_null(strstr(w->events[0].content, "a"));
		assert_non_null(strstr(w->events[1].content, "c"));
		assert_int_equal(store_begin(w->store), OK);
		assert_int_equal(outbox_undeliverable(w->store, 10, &rows, &len), OK);
		if (cases[i].reason) {
			assert_int_equal(len, 1);
			if (!strstr(rows[0].error, cases[i].reason))
				fail_msg("%s: %s", cases[i].sql, rows[0].error);
		}
		outbox_rows_free(rows, len);
		assert_int_equal(outbox_retry(w->store, 0, &count), OK); /* ends, whatever it is */
		assert_int_equal(store_commit(w->store), OK);
		world_send(w);
		teardown(&each);
	}
}

/* Rows in the room, or firing, are damaged: alerts about the same and about others go on. */
static void damaged_rows_refuse_no_alert(void **state)
{
	static const char *const cases[] = {
	        "UPDATE messages SET kind = 'none'",
	        "UPDATE messages SET severity = ''",
	        "UPDATE entries SET severity = '5'",
	        "UPDATE entries SET fields = '{', message_id = message_id",
	        "UPDATE entries SET message_id = 999",
	        "DELETE FROM messages",
	        "UPDATE alerts SET state = 'x', cause = 'y'",
	        "UPDATE outbox SET state = 'x'",
	        "DELETE FROM contents",
	        "DELETE FROM places",
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		void *each;
		struct world *w;
		const char *again;

		setup(&each);
		w = each;
		run(w, 1);
		world_send(w);
		run(w, 2);
		damage(w, cases[i]);
		again = run(w, 3);
		assert_true(strcmp(again, "grouped") == 0 || strcmp(again, "queued") == 0);
		assert_string_equal(run(w, 1), "duplicate");
		alert(w, "b");
		w->now_ms += 120000;
		world_send(w);
		world_alert(w, "{\"op\":\"alert\",\"app\":\"a\",\"title\":\"a\",\"severity\":"
		               "\"critical\",\"status\":\"resolved\"}");
		world_send(w);
		if (!strstr(w->events[w->len - 1].content, "b") &&
		        !strstr(w->events[1].content, "b") && w->len < 2)
			fail_msg("%s: b did not arrive", cases[i]);
		teardown(&each);
	}
}

/* The answer to an event whose message is gone is written down all the same. */
/* It can be given up, and moved to another room, like any other. */
static void damaged_event_can_be_discarded_and_moved(void **state)
{
	/* the second, a page with a wrong type in it, cannot be mended */
	static const char *const damages[] = {"UPDATE outbox SET purpose = '7'",
	        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, "
	        "'STRICT', '') "
	        "WHERE name = 'outbox'; PRAGMA writable_schema = RESET; "
	        "UPDATE outbox SET message_id = 'x'"};

	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		struct world *w = world_create("");
		struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
		int64_t count;

		alert(w, "a");
		alert(w, "b");
		sqlite3_db_config(w->store->db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
		damage(w, damages[i]);
		damage(w, "UPDATE outbox SET room = 'gone' WHERE id = 1");
		assert_int_equal(store_begin(w->store), OK);
		assert_int_equal(deliver_discard(&d, 2), OK);
		assert_int_equal(deliver_rehome(&d, &count), OK);
		assert_int_equal(count, 1);
		assert_int_equal(deliver_rehome(&d, &count), OK); /* it is not stranded any more */
		assert_int_equal(count, 0);
		assert_int_equal(store_commit(w->store), OK);
		world_send(w);
		assert_int_equal(count_undeliverable(w), 1);
		world_destroy(w);
	}
}

static void lost_message_holds_up_no_answer(void **state)
{
	struct world *w = *state;
	struct deliver_event event;

	alert(w, "a");
	assert_true(world_next(w, &event));
	damage(w, "DELETE FROM messages");
	world_finish(w, &event, DELIVER_SENT);
	deliver_event_finish(&event);
	alert(w, "b");
	world_send(w);
	assert_int_equal(w->len, 2);
}

/* A clock that leapt ahead for a moment while a storm was looked at, or a damaged row: the end of
 * the storm is looked at again, once. */
static void an_end_far_ahead_is_set_anew(void **state)
{
	static const char *const kinds[] = {"alerts", "storm", "ring"};

	for (size_t i = 0; i < 3; i++) {
		struct world *w = world_create("");
		char *damage =
		        x_asprintf("UPDATE messages SET end_ms = 4611686018427387904, kind = "
		                   "'%s' WHERE id = 1",
		                kinds[i]);

		world_alert(w, "{\"app\":\"a\",\"severity\":\"critical\",\"title\":\"one\"}");
		world_send(w);
		assert_int_equal(sqlite3_exec(w->store->db, damage, NULL, NULL, NULL), SQLITE_OK);
		world_alert(w, "{\"app\":\"b\",\"severity\":\"critical\",\"title\":\"two\"}");
		world_pass(w, 3000);
		assert_true(world_count(w, "send") >= 2);
		free(damage);
		world_destroy(w);
	}
}

static void damage_run(struct world *w, const char *sql)
{
	assert_int_equal(sqlite3_exec(w->store->db, sql, NULL, NULL, NULL), SQLITE_OK);
}

/* Due for an edit without being in the room, or in no room that is known. */
static void an_edit_of_nothing_stops_nothing(void **state)
{
	static const char *const damages[] = {
	        "UPDATE messages SET rings_for = 99, edit_ms = 1, dirty_ms = 1",
	        "UPDATE messages SET edit_ms = 1, dirty_ms = 1 WHERE id = 1",
	        "UPDATE messages SET edit_ms = 1, event_id = NULL, room_id = NULL, dirty_ms = 1",
	        "UPDATE messages SET edit_ms = 1, dirty_ms = 1, room_id = NULL WHERE id = 1",
	};

	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++)
		for (int sent = 0; sent < 2; sent++) {
			struct world *w = world_create("");

			world_alert(
			        w, "{\"app\":\"a\",\"severity\":\"critical\",\"title\":\"one\"}");
			if (sent)
				world_send(w);
			damage_run(w, "PRAGMA foreign_keys = OFF"); /* for the one that rings */
			damage_run(w, damages[i]);
			damage_run(w, "PRAGMA foreign_keys = ON");
			world_alert(
			        w, "{\"app\":\"b\",\"severity\":\"critical\",\"title\":\"two\"}");
			world_pass(w, 3000);
			assert_true(world_count(w, "send") >= 2);
			world_destroy(w);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(damaged_event_stops_only_itself),
	        cmocka_unit_test(damaged_rows_refuse_no_alert),
	        cmocka_unit_test(an_edit_of_nothing_stops_nothing),
	        cmocka_unit_test(an_end_far_ahead_is_set_anew),
	        cmocka_unit_test_setup_teardown(lost_message_holds_up_no_answer, setup, teardown),
	        cmocka_unit_test(damaged_event_can_be_discarded_and_moved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
