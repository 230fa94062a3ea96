/*
 * Tests of the tables of alerts, messages and entries: what goes in comes out, look-ups, orders,
 * uniqueness.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "storage/mended.h"
#include "tests/unit/store_fixture.h"

static void alert_comes_back_as_it_went_in(void **state)
{
	struct store *store = fixture_store(state);
	struct message_row message = fixture_message("ops");
	struct alert_row in = fixture_alert(), out;

	assert_int_equal(messages_insert(store, &message), OK);
	in.ext_id = LENT("9b2c");
	in.run_id = LENT("r-81");
	in.resolved = 1;
	in.url = LENT("https://x/");
	in.room = LENT("ops");
	in.message_id = message.id;
	in.state = ALERT_GROUPED;
	in.cause = ALERT_RESOLVED;
	in.uid = -1;
	assert_int_equal(alerts_insert(store, &in), OK);
	assert_true(in.id > 0);
	assert_int_equal(alerts_by_id(store, in.id, &out), OK);
	assert_int_equal(out.id, in.id);
	assert_string_equal(out.ext_id, "9b2c");
	assert_string_equal(out.app, in.app);
	assert_string_equal(out.kind, in.kind);
	assert_int_equal(out.severity, 2);
	assert_int_equal(out.resolved, 1);
	assert_string_equal(out.run_id, "r-81");
	assert_string_equal(out.subject, in.subject);
	assert_string_equal(out.fingerprint, in.fingerprint);
	assert_string_equal(out.identity, in.identity);
	assert_string_equal(out.fields, in.fields);
	assert_string_equal(out.url, in.url);
	assert_int_equal(out.at_ms, 1000);
	assert_int_equal(out.received_ms, 2000);
	assert_true(out.uid == -1);
	assert_int_equal(out.gid, 2);
	assert_int_equal(out.pid, 3);
	assert_string_equal(out.room, "ops");
	assert_int_equal(out.message_id, in.message_id);
	assert_int_equal(out.state, ALERT_GROUPED);
	assert_int_equal(out.cause, ALERT_RESOLVED);
	assert_string_equal(out.reason, in.reason);
	alert_row_finish(&out);
	assert_int_equal(alerts_by_id(store, in.id + 1, &out), ERR_NOT_FOUND);
	alert_row_finish(&out); /* a zeroed row may be finished */
}

static void alert_without_optional_parts_keeps_null(void **state)
{
	struct store *store = fixture_store(state);
	struct alert_row in = fixture_alert(), out;

	assert_int_equal(alerts_insert(store, &in), OK);
	assert_int_equal(alerts_by_id(store, in.id, &out), OK);
	assert_null(out.ext_id);
	assert_null(out.run_id);
	assert_null(out.url);
	assert_null(out.room);
	assert_int_equal(out.message_id, 0);
	alert_row_finish(&out);
}

static void alert_with_known_ext_id_is_refused_alone(void **state)
{
	struct store *store = fixture_store(state);
	struct alert_row in = fixture_alert(), out;
	int64_t first;

	in.ext_id = LENT("same");
	assert_int_equal(alerts_insert(store, &in), OK);
	first = in.id;
	assert_int_equal(alerts_insert(store, &in), ERR_EXISTS);
	assert_non_null(strstr(store_message(store), "ALERTS_INSERT"));
	assert_int_equal(in.id, first);
	in.app = LENT("another");
	assert_int_equal(alerts_insert(store, &in), OK);
	in.ext_id = NULL; /* any number without one */
	assert_int_equal(alerts_insert(store, &in), OK);
	assert_int_equal(alerts_insert(store, &in), OK);
	assert_int_equal(store_commit(store), OK);
	assert_int_equal(alerts_by_ext_id(store, "same", fixture_alert().app, &out), OK);
	assert_int_equal(out.id, first);
	alert_row_finish(&out);
	assert_int_equal(alerts_by_ext_id(store, "same", "another", &out), OK);
	assert_int_not_equal(out.id, first);
	alert_row_finish(&out);
	assert_int_equal(alerts_by_ext_id(store, "same", NULL, &out), OK);
	alert_row_finish(&out);
	assert_int_equal(alerts_by_ext_id(store, "same", "nobody", &out), ERR_NOT_FOUND);
	assert_int_equal(alerts_by_ext_id(store, "other", NULL, &out), ERR_NOT_FOUND);
}

static void alert_that_breaks_the_schema_is_refused(void **state)
{
	struct store *store = fixture_store(state);
	struct alert_row in = fixture_alert();

	in.severity = 3;
	assert_int_equal(alerts_insert(store, &in), ERR_INVALID);
	in = fixture_alert();
	in.identity = NULL;
	assert_int_equal(alerts_insert(store, &in), ERR_INVALID);
	in = fixture_alert();
	in.message_id = 77; /* no such message */
	assert_int_equal(alerts_insert(store, &in), ERR_INVALID);
}

static void alerts_are_listed_newest_first(void **state)
{
	struct store *store = fixture_store(state);
	struct alert_row in = fixture_alert(), *rows, out;
	size_t len;

	for (int i = 0; i < 20; i++) {
		in.app = LENT(i % 2 == 0 ? "even" : "odd");
		in.run_id = LENT("r-1");
		assert_int_equal(alerts_insert(store, &in), OK);
	}
	assert_int_equal(alerts_list(store, NULL, 100, &rows, &len), OK);
	assert_int_equal(len, 20);
	assert_int_equal(rows[0].id, in.id);
	assert_int_equal(rows[19].id, in.id - 19);
	alert_rows_free(rows, len);
	assert_int_equal(alerts_list(store, "even", 3, &rows, &len), OK);
	assert_int_equal(len, 3);
	assert_int_equal(rows[0].id, in.id - 1);
	assert_int_equal(rows[2].id, in.id - 5);
	alert_rows_free(rows, len);
	assert_int_equal(alerts_list(store, NULL, -1, &rows, &len), OK);
	assert_int_equal(len, 0);
	assert_null(rows);
	assert_int_equal(alerts_by_run_id(store, "r-1", &out), OK);
	assert_int_equal(out.id, in.id);
	alert_row_finish(&out);
	assert_int_equal(alerts_by_run_id(store, "r-2", &out), ERR_NOT_FOUND);
}

static void carry_marks_what_no_event_has_carried(void **state)
{
	struct store *store = fixture_store(state);
	struct message_row message = fixture_message("ops"), other = fixture_message("dev");
	struct alert_row a = fixture_alert(), b = fixture_alert(), c = fixture_alert();
	struct outbox_row event;
	int64_t first, edit, sent_ms, received_ms;
	char *event_id;
	bool undeliverable;

	assert_int_equal(messages_insert(store, &message), OK);
	assert_int_equal(messages_insert(store, &other), OK);
	first = fixture_event(store, "ops", message.id);
	edit = fixture_event(store, "ops", message.id);
	a.message_id = b.message_id = message.id;
	b.received_ms = 3000;
	c.message_id = other.id;
	assert_int_equal(alerts_insert(store, &a), OK);
	assert_int_equal(alerts_insert(store, &c), OK);
	assert_int_equal(
	        alerts_where(store, a.id, &event_id, &sent_ms, &received_ms, &undeliverable), OK);
	assert_null(event_id);
	assert_int_equal(sent_ms, 0);
	assert_int_equal(received_ms, 2000);
	assert_false(undeliverable);
	assert_int_equal(alerts_carry(store, message.id, first), OK);
	assert_int_equal(alerts_insert(store, &b), OK);
	assert_int_equal(alerts_carry(store, message.id, edit), OK);
	assert_int_equal(alerts_oldest_carried(store, message.id, edit, &received_ms), OK);
	assert_int_equal(received_ms, 3000);
	assert_int_equal(alerts_oldest_carried(store, other.id, edit, &received_ms), OK);
	assert_int_equal(received_ms, 0);

	assert_int_equal(outbox_by_id(store, first, &event), OK);
	event.state = OUTBOX_SENT;
	event.sent_ms = 3000;
	event.event_id = strdup("$e");
	assert_int_equal(outbox_update(store, &event), OK);
	outbox_row_finish(&event);
	fixture_event_state(store, edit, OUTBOX_UNDELIVERABLE);
	assert_int_equal(
	        alerts_where(store, a.id, &event_id, &sent_ms, &received_ms, &undeliverable), OK);
	assert_string_equal(event_id, "$e");
	assert_int_equal(sent_ms, 3000);
	assert_false(undeliverable);
	free(event_id);
	assert_int_equal(
	        alerts_where(store, b.id, &event_id, &sent_ms, &received_ms, &undeliverable), OK);
	assert_null(event_id);
	assert_true(undeliverable);
	assert_int_equal(
	        alerts_where(store, 999, &event_id, &sent_ms, &received_ms, &undeliverable),
	        ERR_NOT_FOUND);
}

static void alerts_are_counted_by_severity(void **state)
{
	struct store *store = fixture_store(state);
	struct alert_row in = fixture_alert();
	int64_t counts[3];

	for (int i = 0; i < 6; i++) {
		in.severity = i < 1 ? 0 : i < 3 ? 1 : 2;
		in.received_ms = 5000;
		assert_int_equal(alerts_insert(store, &in), OK);
	}
	in.resolved = 1; /* the end of one, not another */
	assert_int_equal(alerts_insert(store, &in), OK);
	in.resolved = 0;
	in.received_ms = 4999;
	assert_int_equal(alerts_insert(store, &in), OK);
	assert_int_equal(alerts_count_since(store, 5000, counts), OK);
	assert_int_equal(counts[0], 1);
	assert_int_equal(counts[1], 2);
	assert_int_equal(counts[2], 3);
}

static void message_comes_back_as_it_went_in(void **state)
{
	struct store *store = fixture_store(state);
	struct message_row in = fixture_message("dev"), out;
	struct outbox_row event;

	in.kind = MESSAGE_STORM;
	in.opened_ms = 11;
	assert_int_equal(messages_insert(store, &in), OK);
	in.room_id = LENT("!id");
	in.origin = LENT("*");
	in.event_id = LENT("$e");
	in.rings_for = 0;
	in.rings = 3;
	in.severity = 1;
	in.end_ms = 10;
	in.edit_ms = 11;
	in.frozen_ms = 12;
	in.sent_ms = 13;
	in.edited_ms = 14;
	in.dirty_ms = 15;
	in.urgent = 1;
	in.closed_ms = 16;
	in.bytes = 17;
	in.silent = 18;
	in.alerts = INT64_C(1) << 40;
	assert_int_equal(messages_update(store, &in), OK);
	assert_int_equal(outbox_by_id(store, fixture_event(store, "dev", in.id), &event), OK);
	event.event_id = strdup("$e");
	assert_int_equal(outbox_update(store, &event), OK);
	outbox_row_finish(&event);
	assert_int_equal(messages_by_event(store, "$e", &out), OK);
	assert_int_equal(out.id, in.id);
	assert_int_equal(out.kind, MESSAGE_STORM);
	assert_string_equal(out.room, "dev");
	assert_string_equal(out.room_id, "!id");
	assert_string_equal(out.origin, "*");
	assert_string_equal(out.event_id, "$e");
	assert_int_equal(out.rings, 3);
	assert_int_equal(out.severity, 1);
	assert_int_equal(out.opened_ms, 11);
	assert_int_equal(out.frozen_ms, 12);
	assert_int_equal(out.sent_ms, 13);
	assert_int_equal(out.edited_ms, 14);
	assert_int_equal(out.dirty_ms, 15);
	assert_int_equal(out.end_ms, 10);
	assert_int_equal(out.edit_ms, 11);
	assert_int_equal(out.urgent, 1);
	assert_int_equal(out.closed_ms, 16);
	assert_int_equal(out.bytes, 17);
	assert_int_equal(out.silent, 18);
	assert_true(out.alerts == INT64_C(1) << 40);
	message_row_finish(&out);
	assert_int_equal(messages_by_id(store, in.id, &out), OK);
	message_row_finish(&out);
	assert_int_equal(messages_by_id(store, in.id + 1, &out), ERR_NOT_FOUND);
	assert_int_equal(messages_by_event(store, "$f", &out), ERR_NOT_FOUND);
	in.id++;
	assert_int_equal(messages_update(store, &in), ERR_NOT_FOUND);
}

static void open_message_is_found_by_room_and_origin(void **state)
{
	struct store *store = fixture_store(state);
	struct message_row closed = fixture_message("ops"), open = fixture_message("ops"),
	                   dev = fixture_message("dev"), out;

	closed.closed_ms = 1;
	assert_int_equal(messages_insert(store, &closed), OK);
	assert_int_equal(messages_open(store, "ops", "data_factory", &out), ERR_NOT_FOUND);
	assert_int_equal(messages_insert(store, &open), OK);
	assert_int_equal(messages_insert(store, &dev), OK);
	assert_int_equal(messages_open(store, "ops", "data_factory", &out), OK);
	assert_int_equal(out.id, open.id);
	message_row_finish(&out);
	assert_int_equal(messages_open(store, "ops", "other", &out), ERR_NOT_FOUND);
}

/* Whatever else there is: closed ones have no end, and what is not in its room has no edit. */
static void what_is_due_first_and_last_is_found(void **state)
{
	struct store *store = fixture_store(state);
	static const struct {
		const char *room;
		int64_t end_ms, edit_ms;
	} cases[] = {
	        {"ops", 0, 30}, {"ops", 50, 10}, {"ops", 0, 0}, {"dev", 20, 1}, {"ops", 40, 20}};
	struct message_row out;

	assert_int_equal(messages_end_first(store, &out), ERR_NOT_FOUND);
	assert_int_equal(messages_edit_last(store, "ops", &out), ERR_NOT_FOUND);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct message_row in = fixture_message(cases[i].room);

		in.end_ms = cases[i].end_ms;
		in.edit_ms = cases[i].edit_ms;
		assert_int_equal(messages_insert(store, &in), OK);
	}
	assert_int_equal(messages_end_first(store, &out), OK);
	assert_int_equal(out.end_ms, 20);
	message_row_finish(&out);
	assert_int_equal(messages_end_last(store, &out), OK);
	assert_int_equal(out.end_ms, 50);
	message_row_finish(&out);
	assert_int_equal(messages_edit_first(store, "ops", &out), OK);
	assert_int_equal(out.edit_ms, 10);
	message_row_finish(&out);
	assert_int_equal(messages_edit_last(store, "ops", &out), OK);
	assert_int_equal(out.edit_ms, 30);
	message_row_finish(&out);
}

static void opened_messages_are_counted_over_all_rooms(void **state)
{
	struct store *store = fixture_store(state);
	struct message_row in = fixture_message("ops");
	int64_t count;

	for (in.kind = MESSAGE_ALERTS; in.kind <= MESSAGE_STORM; in.kind++) {
		in.opened_ms = 1000;
		assert_int_equal(messages_insert(store, &in), OK);
		in.opened_ms = 999;
		assert_int_equal(messages_insert(store, &in), OK);
		in.opened_ms = 2001;
		assert_int_equal(messages_insert(store, &in), OK);
	}
	assert_int_equal(messages_count_opened(store, 1000, 2000, &count), OK);
	assert_int_equal(count, 2);
}

static void entry_comes_back_as_it_went_in(void **state)
{
	struct store *store = fixture_store(state);
	struct message_row message = fixture_message("ops");
	struct entry_row in, out, *rows;
	size_t len;

	assert_int_equal(messages_insert(store, &message), OK);
	in = fixture_entry(message.id, "f1");
	in.severity = 1;
	assert_int_equal(entries_insert(store, &in), OK);
	in.count = 10;
	in.first_ms = 1;
	in.last_ms = 2;
	in.url = LENT("u");
	in.fields = LENT("{\"x\":1}");
	in.resolved_ms = 3;
	in.runs = 1;
	in.run_ids = LENT("[\"a\"]");
	assert_int_equal(entries_update(store, &in), OK);
	assert_int_equal(entries_by_fingerprint(store, message.id, "f1", &out), OK);
	assert_int_equal(out.id, in.id);
	assert_int_equal(out.message_id, message.id);
	assert_string_equal(out.subject, in.subject);
	assert_string_equal(out.app, in.app);
	assert_string_equal(out.kind, in.kind);
	assert_string_equal(out.identity, in.identity);
	assert_int_equal(out.severity, 1);
	assert_int_equal(out.count, 10);
	assert_int_equal(out.first_ms, 1);
	assert_int_equal(out.last_ms, 2);
	assert_string_equal(out.url, "u");
	assert_int_equal(out.runs, 1);
	assert_string_equal(out.run_ids, "[\"a\"]");
	assert_string_equal(out.fields, "{\"x\":1}");
	assert_int_equal(out.resolved_ms, 3);
	entry_row_finish(&out);
	assert_int_equal(entries_insert(store, &in), ERR_EXISTS);
	assert_int_equal(entries_by_fingerprint(store, message.id, "f2", &out), ERR_NOT_FOUND);
	in.fingerprint = LENT("a0"); /* sorts before, arrives after */
	assert_int_equal(entries_insert(store, &in), OK);
	assert_int_equal(entries_of(store, message.id, &rows, &len), OK);
	assert_int_equal(len, 2);
	assert_string_equal(rows[0].fingerprint, "f1");
	assert_string_equal(rows[1].fingerprint, "a0");
	entry_rows_free(rows, len);
	in.id = 999;
	assert_int_equal(entries_update(store, &in), ERR_NOT_FOUND);
}

static void runs_of_an_entry_are_kept_once(void **state)
{
	struct store *store = fixture_store(state);
	struct message_row message = fixture_message("ops");
	struct entry_row entry;
	bool known;

	assert_int_equal(messages_insert(store, &message), OK);
	entry = fixture_entry(message.id, "f1");
	assert_int_equal(entries_insert(store, &entry), OK);
	assert_int_equal(entries_knows_run(store, entry.id, "a", &known), OK);
	assert_false(known);
	for (int i = 0; i < 2; i++)
		assert_int_equal(entries_keep_run(store, entry.id, "a"), OK);
	assert_int_equal(entries_knows_run(store, entry.id, "a", &known), OK);
	assert_true(known);
	assert_int_equal(entries_knows_run(store, entry.id + 1, "a", &known), OK);
	assert_false(known);
}

static void firing_entries_of_a_subject_come_newest_first(void **state)
{
	struct store *store = fixture_store(state);
	struct entry_row in, *rows;
	int64_t last = 0;
	size_t len;

	for (int i = 0; i < 4; i++) {
		struct message_row message = fixture_message("ops");

		assert_int_equal(messages_insert(store, &message), OK);
		in = fixture_entry(message.id, "f");
		in.resolved_ms = i == 2 ? 1 : 0;
		assert_int_equal(entries_insert(store, &in), OK);
		last = in.id;
	}
	in.fingerprint = LENT("g");
	in.subject = LENT("other");
	assert_int_equal(entries_insert(store, &in), OK);
	assert_int_equal(entries_firing(store, "5b", 2, &rows, &len), OK);
	assert_int_equal(len, 2);
	assert_int_equal(rows[0].id, last);
	assert_int_equal(rows[1].id, last - 2);
	entry_rows_free(rows, len);
}

static void mended_alerts_are_counted_by_app(void **state)
{
	struct store *store = fixture_store(state);
	struct mended_row *rows;
	char app[16];
	size_t len;

	assert_int_equal(mended_count(store, "old", "n", 50, 0), OK);
	assert_int_equal(mended_count(store, "a", "first", 100, 60), OK); /* the old one goes */
	assert_int_equal(mended_count(store, "b", "n", 110, 60), OK);
	assert_int_equal(mended_count(store, "a", "second", 120, 60), OK);
	assert_int_equal(mended_since(store, 0, 9, &rows, &len), OK);
	assert_int_equal(len, 2);
	assert_string_equal(rows[0].app, "a");
	assert_int_equal(rows[0].count, 2);
	assert_string_equal(rows[0].note, "second");
	mended_rows_free(rows, len);
	for (int i = 0; i < MENDED_APPS_MAX + 10; i++) {
		snprintf(app, sizeof(app), "app%d", i);
		assert_int_equal(mended_count(store, app, "n", 200, 60), OK);
	}
	assert_int_equal(mended_since(store, 0, 1000, &rows, &len), OK);
	assert_int_equal(len, MENDED_APPS_MAX);
	mended_rows_free(rows, len);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup_begin, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(alert_comes_back_as_it_went_in),
	        TEST(alert_without_optional_parts_keeps_null),
	        TEST(alert_with_known_ext_id_is_refused_alone),
	        TEST(alert_that_breaks_the_schema_is_refused),
	        TEST(alerts_are_listed_newest_first),
	        TEST(carry_marks_what_no_event_has_carried),
	        TEST(alerts_are_counted_by_severity),
	        TEST(message_comes_back_as_it_went_in),
	        TEST(open_message_is_found_by_room_and_origin),
	        TEST(what_is_due_first_and_last_is_found),
	        TEST(opened_messages_are_counted_over_all_rooms),
	        TEST(entry_comes_back_as_it_went_in),
	        TEST(mended_alerts_are_counted_by_app),
	        TEST(runs_of_an_entry_are_kept_once),
	        TEST(firing_entries_of_a_subject_come_newest_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
