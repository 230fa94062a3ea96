/*
 * Tests of the tables' functions: what goes in comes out, look-ups, orders, uniqueness, and that
 * no statement walks through a table that grows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/store_fixture.h"
#include "storage/sql.h"

static int begin_setup(void **state)
{
	fixture_setup(state);
	assert_int_equal(store_begin(((struct fixture *)*state)->store), OK);
	return 0;
}

static struct store *store_of(void **state)
{
	return ((struct fixture *)*state)->store;
}

static void alert_comes_back_as_it_went_in(void **state)
{
	struct store *store = store_of(state);
	struct message_row message = fixture_message("ops");
	struct alert_row in = fixture_alert(), out;

	assert_int_equal(messages_insert(store, &message), OK);
	in.ext_id = LENT("9b2c");
	in.run_id = LENT("r-81");
	in.resolved = 1;
	in.url = LENT("https://x/");
	in.room = LENT("ops");
	in.message_id = message.id;
	in.outbox_id = fixture_event(store, "ops", message.id);
	in.state = ALERT_GROUPED;
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
	assert_string_equal(out.title, in.title);
	assert_string_equal(out.fields, in.fields);
	assert_string_equal(out.url, in.url);
	assert_int_equal(out.at_ms, 1000);
	assert_int_equal(out.received_ms, 2000);
	assert_true(out.uid == -1);
	assert_int_equal(out.gid, 2);
	assert_int_equal(out.pid, 3);
	assert_string_equal(out.room, "ops");
	assert_int_equal(out.message_id, in.message_id);
	assert_int_equal(out.outbox_id, in.outbox_id);
	assert_int_equal(out.state, ALERT_GROUPED);
	assert_string_equal(out.reason, in.reason);
	alert_row_finish(&out);
	assert_int_equal(alerts_by_id(store, in.id + 1, &out), ERR_NOT_FOUND);
	alert_row_finish(&out); /* a zeroed row may be finished */
}

static void alert_without_optional_parts_keeps_null(void **state)
{
	struct store *store = store_of(state);
	struct alert_row in = fixture_alert(), out;

	assert_int_equal(alerts_insert(store, &in), OK);
	assert_int_equal(alerts_by_id(store, in.id, &out), OK);
	assert_null(out.ext_id);
	assert_null(out.run_id);
	assert_null(out.url);
	assert_null(out.room);
	assert_int_equal(out.message_id, 0);
	assert_int_equal(out.outbox_id, 0);
	alert_row_finish(&out);
}

static void alert_with_known_ext_id_is_refused_alone(void **state)
{
	struct store *store = store_of(state);
	struct alert_row in = fixture_alert(), out;
	int64_t first;

	in.ext_id = LENT("same");
	assert_int_equal(alerts_insert(store, &in), OK);
	first = in.id;
	assert_int_equal(alerts_insert(store, &in), ERR_EXISTS);
	assert_non_null(strstr(store_message(store), "ALERTS_INSERT"));
	assert_int_equal(in.id, first);
	in.ext_id = NULL; /* any number without one */
	assert_int_equal(alerts_insert(store, &in), OK);
	assert_int_equal(alerts_insert(store, &in), OK);
	assert_int_equal(store_commit(store), OK);
	assert_int_equal(alerts_by_ext_id(store, "same", &out), OK);
	assert_int_equal(out.id, first);
	alert_row_finish(&out);
	assert_int_equal(alerts_by_ext_id(store, "other", &out), ERR_NOT_FOUND);
}

static void alert_that_breaks_the_schema_is_refused(void **state)
{
	struct store *store = store_of(state);
	struct alert_row in = fixture_alert();

	in.severity = 3;
	assert_int_equal(alerts_insert(store, &in), ERR_INVALID);
	in = fixture_alert();
	in.title = NULL;
	assert_int_equal(alerts_insert(store, &in), ERR_INVALID);
	in = fixture_alert();
	in.message_id = 77; /* no such message */
	assert_int_equal(alerts_insert(store, &in), ERR_INVALID);
}

static void alerts_are_listed_newest_first(void **state)
{
	struct store *store = store_of(state);
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
	for (size_t i = 0; i < len; i++) {
		alert_row_finish(&rows[i]);
	}
	free(rows);
	assert_int_equal(alerts_list(store, "even", 3, &rows, &len), OK);
	assert_int_equal(len, 3);
	assert_int_equal(rows[0].id, in.id - 1);
	assert_int_equal(rows[2].id, in.id - 5);
	for (size_t i = 0; i < len; i++) {
		alert_row_finish(&rows[i]);
	}
	free(rows);
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
	struct store *store = store_of(state);
	struct message_row message = fixture_message("ops"), other = fixture_message("dev");
	struct alert_row a = fixture_alert(), b = fixture_alert(), c = fixture_alert(), out;
	struct outbox_row event;
	int64_t first, edit, sent_ms, received_ms;
	char *event_id;
	bool aside;

	assert_int_equal(messages_insert(store, &message), OK);
	assert_int_equal(messages_insert(store, &other), OK);
	first = fixture_event(store, "ops", message.id);
	edit = fixture_event(store, "ops", message.id);
	a.message_id = b.message_id = message.id;
	c.message_id = other.id;
	assert_int_equal(alerts_insert(store, &a), OK);
	assert_int_equal(alerts_insert(store, &c), OK);
	assert_int_equal(alerts_where(store, a.id, &event_id, &sent_ms, &received_ms, &aside), OK);
	assert_null(event_id);
	assert_int_equal(sent_ms, 0);
	assert_int_equal(received_ms, 2000);
	assert_false(aside);
	assert_int_equal(alerts_carry(store, message.id, first), OK);
	assert_int_equal(alerts_insert(store, &b), OK);
	assert_int_equal(alerts_carry(store, message.id, edit), OK);
	assert_int_equal(alerts_by_id(store, a.id, &out), OK);
	assert_int_equal(out.outbox_id, first);
	alert_row_finish(&out);
	assert_int_equal(alerts_by_id(store, b.id, &out), OK);
	assert_int_equal(out.outbox_id, edit);
	alert_row_finish(&out);
	assert_int_equal(alerts_by_id(store, c.id, &out), OK);
	assert_int_equal(out.outbox_id, 0);
	alert_row_finish(&out);

	assert_int_equal(outbox_by_id(store, first, &event), OK);
	event.state = OUTBOX_SENT;
	event.sent_ms = 3000;
	event.event_id = strdup("$e");
	assert_int_equal(outbox_update(store, &event), OK);
	outbox_row_finish(&event);
	fixture_event_state(store, edit, OUTBOX_ASIDE);
	assert_int_equal(alerts_where(store, a.id, &event_id, &sent_ms, &received_ms, &aside), OK);
	assert_string_equal(event_id, "$e");
	assert_int_equal(sent_ms, 3000);
	assert_false(aside);
	free(event_id);
	assert_int_equal(alerts_where(store, b.id, &event_id, &sent_ms, &received_ms, &aside), OK);
	assert_null(event_id);
	assert_true(aside);
	assert_int_equal(
	        alerts_where(store, 999, &event_id, &sent_ms, &received_ms, &aside), ERR_NOT_FOUND);
}

static void alerts_are_counted_by_severity(void **state)
{
	struct store *store = store_of(state);
	struct alert_row in = fixture_alert();
	int64_t counts[3];

	for (int i = 0; i < 6; i++) {
		in.severity = i < 1 ? 0 : i < 3 ? 1 : 2;
		in.received_ms = 5000;
		assert_int_equal(alerts_insert(store, &in), OK);
	}
	in.received_ms = 4999;
	assert_int_equal(alerts_insert(store, &in), OK);
	assert_int_equal(alerts_count_since(store, 5000, counts), OK);
	assert_int_equal(counts[0], 1);
	assert_int_equal(counts[1], 2);
	assert_int_equal(counts[2], 3);
}

static void message_comes_back_as_it_went_in(void **state)
{
	struct store *store = store_of(state);
	struct message_row in = fixture_message("ops"), out;

	assert_int_equal(messages_insert(store, &in), OK);
	in.kind = MESSAGE_STORM;
	in.room = LENT("dev");
	in.room_id = LENT("!id");
	in.origin = LENT("*");
	in.event_id = LENT("$e");
	in.lead = LENT("lead");
	in.severity = 1;
	in.opened_ms = 11;
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
	assert_int_equal(messages_by_event(store, "$e", &out), OK);
	assert_int_equal(out.id, in.id);
	assert_int_equal(out.kind, MESSAGE_STORM);
	assert_string_equal(out.room, "dev");
	assert_string_equal(out.room_id, "!id");
	assert_string_equal(out.origin, "*");
	assert_string_equal(out.event_id, "$e");
	assert_string_equal(out.lead, "lead");
	assert_int_equal(out.severity, 1);
	assert_int_equal(out.opened_ms, 11);
	assert_int_equal(out.frozen_ms, 12);
	assert_int_equal(out.sent_ms, 13);
	assert_int_equal(out.edited_ms, 14);
	assert_int_equal(out.dirty_ms, 15);
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
	struct store *store = store_of(state);
	struct message_row closed = fixture_message("ops"), open = fixture_message("ops"),
	                   note = fixture_message("ops"), dev = fixture_message("dev"), out, *rows;
	size_t len;

	closed.closed_ms = 1;
	assert_int_equal(messages_insert(store, &closed), OK);
	assert_int_equal(messages_open(store, "ops", "data_factory", &out), ERR_NOT_FOUND);
	assert_int_equal(messages_insert(store, &open), OK);
	note.kind = MESSAGE_NOTE;
	assert_int_equal(messages_insert(store, &note), OK);
	assert_int_equal(messages_insert(store, &dev), OK);
	assert_int_equal(messages_open(store, "ops", "data_factory", &out), OK);
	assert_int_equal(out.id, open.id);
	message_row_finish(&out);
	assert_int_equal(messages_open(store, "ops", "other", &out), ERR_NOT_FOUND);
	assert_int_equal(messages_open_all(store, &rows, &len), OK);
	assert_int_equal(len, 3);
	assert_int_equal(rows[0].id, open.id);
	assert_int_equal(rows[2].id, dev.id);
	for (size_t i = 0; i < len; i++) {
		message_row_finish(&rows[i]);
	}
	free(rows);
}

static void dirty_messages_come_oldest_first(void **state)
{
	struct store *store = store_of(state);
	static const struct {
		const char *room, *event_id;
		int64_t dirty_ms, closed_ms;
	} cases[] = {
	        {"ops", "$a", 30, 0},
	        {"ops", "$b", 10, 99}, /* closed, but something to edit in */
	        {"ops", NULL, 5, 0},   /* not in the room yet */
	        {"ops", "$c", 0, 0},
	        {"dev", "$d", 1, 0},
	};
	struct message_row *rows;
	size_t len;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct message_row in = fixture_message(cases[i].room);

		in.event_id = LENT(cases[i].event_id);
		in.dirty_ms = cases[i].dirty_ms;
		in.closed_ms = cases[i].closed_ms;
		assert_int_equal(messages_insert(store, &in), OK);
	}
	assert_int_equal(messages_dirty(store, "ops", &rows, &len), OK);
	assert_int_equal(len, 2);
	assert_string_equal(rows[0].event_id, "$b");
	assert_string_equal(rows[1].event_id, "$a");
	message_row_finish(&rows[0]);
	message_row_finish(&rows[1]);
	free(rows);
}

static void opened_messages_are_counted_over_all_rooms(void **state)
{
	struct store *store = store_of(state);
	struct message_row in = fixture_message("ops");
	int64_t count;

	for (in.kind = MESSAGE_ALERTS; in.kind <= MESSAGE_NOTE; in.kind++) {
		in.opened_ms = 1000;
		assert_int_equal(messages_insert(store, &in), OK);
		in.opened_ms = 999;
		assert_int_equal(messages_insert(store, &in), OK);
	}
	assert_int_equal(messages_opened_since(store, 1000, &count), OK);
	assert_int_equal(count, 2);
}

static void entry_comes_back_as_it_went_in(void **state)
{
	struct store *store = store_of(state);
	struct message_row message = fixture_message("ops");
	struct entry_row in, out, *rows;
	size_t len;

	assert_int_equal(messages_insert(store, &message), OK);
	in = fixture_entry(message.id, "f1");
	assert_int_equal(entries_insert(store, &in), OK);
	in.count = 10;
	in.first_ms = 1;
	in.last_ms = 2;
	in.url = LENT("u");
	in.run_ids = LENT("[\"a\"]");
	in.fields = LENT("{\"x\":1}");
	in.resolved_ms = 3;
	in.severity = 1;
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
	assert_string_equal(out.body, in.body);
	assert_string_equal(out.html, in.html);
	assert_string_equal(out.url, "u");
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
	entry_row_finish(&rows[0]);
	entry_row_finish(&rows[1]);
	free(rows);
	in.id = 999;
	assert_int_equal(entries_update(store, &in), ERR_NOT_FOUND);
}

static void firing_entries_of_a_subject_come_newest_first(void **state)
{
	struct store *store = store_of(state);
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
	entry_row_finish(&rows[0]);
	entry_row_finish(&rows[1]);
	free(rows);
}

static void event_comes_back_as_it_went_in(void **state)
{
	struct store *store = store_of(state);
	struct outbox_row row = {
	        .purpose = OUTBOX_REPLY,
	        .state = OUTBOX_SENT, /* not heeded: an insert is queued */
	        .room = LENT("ops"),
	        .type = LENT("m.room.message"),
	        .created_ms = 5,
	};
	struct outbox_row in, out;

	assert_int_equal(outbox_insert(store, &row), OK);
	assert_int_equal(row.state, OUTBOX_QUEUED);
	assert_int_equal(strlen(row.txn_id), 3 + 32);
	assert_memory_equal(row.txn_id, "mtb", 3);
	assert_int_equal(strspn(row.txn_id + 3, "0123456789abcdef"), 32);
	in = row;
	in.state = OUTBOX_FROZEN;
	in.room_id = LENT("!id");
	in.content = LENT("{}");
	in.wire_type = LENT("m.room.encrypted");
	in.wire_content = LENT("{\"c\":1}");
	in.device_id = LENT("DEV");
	in.frozen_ms = 6;
	in.sent_ms = 7;
	in.known_ms = 8;
	in.tries = 9;
	in.event_id = LENT("$e");
	in.error = LENT("no");
	assert_int_equal(outbox_update(store, &in), OK);
	assert_int_equal(outbox_by_id(store, row.id, &out), OK);
	assert_int_equal(out.id, in.id);
	assert_int_equal(out.state, OUTBOX_FROZEN);
	assert_int_equal(out.purpose, OUTBOX_REPLY);
	assert_string_equal(out.room, "ops");
	assert_string_equal(out.room_id, "!id");
	assert_int_equal(out.message_id, 0);
	assert_string_equal(out.txn_id, row.txn_id);
	assert_string_equal(out.type, "m.room.message");
	assert_string_equal(out.content, "{}");
	assert_string_equal(out.wire_type, "m.room.encrypted");
	assert_string_equal(out.wire_content, "{\"c\":1}");
	assert_string_equal(out.device_id, "DEV");
	assert_int_equal(out.created_ms, 5);
	assert_int_equal(out.frozen_ms, 6);
	assert_int_equal(out.sent_ms, 7);
	assert_int_equal(out.known_ms, 8);
	assert_int_equal(out.tries, 9);
	assert_string_equal(out.event_id, "$e");
	assert_string_equal(out.error, "no");
	outbox_row_finish(&out);
	assert_int_equal(outbox_by_id(store, 999, &out), ERR_NOT_FOUND);
	free(row.txn_id);
}

static void expect_head(struct store *store, const char *room, int64_t id)
{
	struct outbox_row row;

	assert_int_equal(outbox_head(store, room, &row), id == 0 ? ERR_NOT_FOUND : OK);
	assert_int_equal(row.id, id);
	outbox_row_finish(&row);
}

static void head_is_the_oldest_that_waits_and_skips_what_is_aside(void **state)
{
	struct store *store = store_of(state);
	int64_t a = fixture_event(store, "ops", 0), other = fixture_event(store, "dev", 0),
	        b = fixture_event(store, "ops", 0), c = fixture_event(store, "ops", 0);
	int64_t waiting, aside, oldest_ms, count;
	struct outbox_row *rows;
	char **names;
	size_t len;

	expect_head(store, "ops", a);
	fixture_event_state(store, a, OUTBOX_FROZEN);
	expect_head(store, "ops", a);
	fixture_event_state(store, a, OUTBOX_ASIDE);
	expect_head(store, "ops", b);
	fixture_event_state(store, b, OUTBOX_SENT);
	expect_head(store, "ops", c);
	expect_head(store, "dev", other);
	assert_int_equal(outbox_counts(store, &waiting, &aside, &oldest_ms), OK);
	assert_int_equal(waiting, 2);
	assert_int_equal(aside, 1);
	assert_int_equal(oldest_ms, 2000);
	assert_int_equal(outbox_rooms(store, &names, &len), OK);
	assert_int_equal(len, 2);
	assert_string_equal(names[0], "dev");
	assert_string_equal(names[1], "ops");
	free(names[0]);
	free(names[1]);
	free(names);
	fixture_event_state(store, c, OUTBOX_ASIDE);
	fixture_event_state(store, other, OUTBOX_SENT);
	expect_head(store, "ops", 0);
	assert_int_equal(outbox_rooms(store, &names, &len), OK);
	assert_int_equal(len, 0);
	assert_int_equal(outbox_counts(store, &waiting, &aside, &oldest_ms), OK);
	assert_int_equal(waiting, 0);
	assert_int_equal(oldest_ms, 0);
	assert_int_equal(outbox_aside(store, 10, &rows, &len), OK);
	assert_int_equal(len, 2);
	assert_int_equal(rows[0].id, a);
	assert_int_equal(rows[1].id, c);
	outbox_row_finish(&rows[0]);
	outbox_row_finish(&rows[1]);
	free(rows);
	assert_int_equal(outbox_retry(store, 0, &count), OK);
	assert_int_equal(count, 2);
	expect_head(store, "ops", a);
}

static void retry_gives_new_transaction_ids(void **state)
{
	struct store *store = store_of(state);
	int64_t a = fixture_event(store, "ops", 0), b = fixture_event(store, "ops", 0), count;
	struct outbox_row before, after;

	assert_int_equal(outbox_by_id(store, a, &before), OK);
	before.state = OUTBOX_ASIDE;
	before.frozen_ms = before.known_ms = before.tries = 4;
	before.content = strdup("{}");
	before.room_id = strdup("!x");
	before.device_id = strdup("D");
	before.wire_type = strdup("t");
	before.wire_content = strdup("c");
	before.error = strdup("forbidden");
	assert_int_equal(outbox_update(store, &before), OK);
	assert_int_equal(outbox_retry(store, b, &count), OK); /* not set aside */
	assert_int_equal(count, 0);
	assert_int_equal(outbox_retry(store, 999, &count), OK);
	assert_int_equal(count, 0);
	assert_int_equal(outbox_retry(store, a, &count), OK);
	assert_int_equal(count, 1);
	assert_int_equal(outbox_by_id(store, a, &after), OK);
	assert_string_not_equal(after.txn_id, before.txn_id);
	assert_int_equal(after.state, OUTBOX_QUEUED);
	assert_int_equal(after.frozen_ms, 0);
	assert_int_equal(after.known_ms, 0);
	assert_int_equal(after.tries, 0);
	assert_string_equal(after.content, "{}");
	assert_null(after.room_id);
	assert_null(after.device_id);
	assert_null(after.wire_type);
	assert_null(after.wire_content);
	assert_null(after.error);
	outbox_row_finish(&before);
	outbox_row_finish(&after);
}

static void state_keeps_values(void **state)
{
	struct store *store = store_of(state);
	char *value;

	assert_int_equal(state_get(store, "sync.since", &value), ERR_NOT_FOUND);
	assert_null(value);
	assert_int_equal(state_set(store, "sync.since", "s1"), OK);
	assert_int_equal(state_set(store, "sync.since", "s2"), OK);
	assert_int_equal(state_get(store, "sync.since", &value), OK);
	assert_string_equal(value, "s2");
	free(value);
	assert_int_equal(state_delete(store, "sync.since"), OK);
	assert_int_equal(state_delete(store, "sync.since"), OK);
	assert_int_equal(state_get(store, "sync.since", &value), ERR_NOT_FOUND);
}

static void room_stays_encrypted(void **state)
{
	struct store *store = store_of(state);
	struct room_row in = {.room_id = LENT("!a"), .address = LENT("#ops")}, out;

	assert_int_equal(rooms_get_row(store, "!a", &out), ERR_NOT_FOUND);
	assert_int_equal(rooms_put(store, &in), OK);
	in.encrypted = 1;
	in.encryption = LENT("{\"first\":1}");
	in.replaced_by = LENT("!b");
	assert_int_equal(rooms_put(store, &in), OK);
	in.encrypted = 0;
	in.encryption = LENT("{\"second\":1}");
	in.replaced_by = NULL;
	assert_int_equal(rooms_put(store, &in), OK);
	assert_int_equal(rooms_get_row(store, "!a", &out), OK);
	assert_int_equal(out.encrypted, 1);
	assert_string_equal(out.encryption, "{\"first\":1}");
	assert_string_equal(out.address, "#ops");
	assert_null(out.replaced_by);
	room_row_finish(&out);
}

static void address_belongs_to_one_room(void **state)
{
	struct store *store = store_of(state);
	struct room_row old = {.room_id = LENT("!a"), .address = LENT("#ops")},
	                successor = {.room_id = LENT("!b"), .address = LENT("#ops")}, out;

	assert_int_equal(rooms_put(store, &old), OK);
	assert_int_equal(rooms_put(store, &successor), OK);
	assert_int_equal(rooms_by_address(store, "#ops", &out), OK);
	assert_string_equal(out.room_id, "!b");
	room_row_finish(&out);
	assert_int_equal(rooms_get_row(store, "!a", &out), OK);
	assert_null(out.address);
	room_row_finish(&out);
	assert_int_equal(rooms_by_address(store, "#dev", &out), ERR_NOT_FOUND);
}

static void latency_percentile_is_the_nearest_rank(void **state)
{
	struct store *store = store_of(state);
	struct call_row row = {
	        .at_ms = 1000,
	        .what = "send",
	        .room = "ops",
	        .outbox_id = 1,
	        .result = "ok",
	        .http_status = 200,
	};
	int64_t p95;

	assert_int_equal(calls_latency_p95(store, 0, &p95), OK);
	assert_int_equal(p95, -1);
	for (int i = 1; i <= 100; i++) {
		row.latency_ms = i * 10;
		assert_int_equal(calls_insert(store, &row), OK);
	}
	row.latency_ms = 99999;
	row.at_ms = 999; /* too old */
	assert_int_equal(calls_insert(store, &row), OK);
	row.at_ms = 1000;
	row.result = "timeout"; /* failed */
	assert_int_equal(calls_insert(store, &row), OK);
	row.result = "ok";
	row.latency_ms = -1; /* not one */
	assert_int_equal(calls_insert(store, &row), OK);
	assert_int_equal(calls_latency_p95(store, 1000, &p95), OK);
	assert_int_equal(p95, 950);
	assert_int_equal(calls_latency_p95(store, 1001, &p95), OK);
	assert_int_equal(p95, -1);
}

static void writing_outside_a_transaction_is_refused(void **state)
{
	struct store *store = store_of(state);
	struct alert_row in = fixture_alert();

	store_rollback(store);
	assert_int_equal(alerts_insert(store, &in), ERR_INVALID);
	assert_int_equal(state_set(store, "a", "b"), ERR_INVALID);
	assert_int_equal(store_savepoint(store), ERR_INVALID);
}

/* A plan may walk through the partial indexes of what is open, waiting or set aside: those do not
 * grow with time. */
static bool plan_line_is_bounded(const char *detail)
{
	static const char *const small[] = {"USING INDEX messages_open",
	        "USING INDEX outbox_waiting", "USING COVERING INDEX outbox_waiting",
	        "USING INDEX outbox_set_aside", "USING COVERING INDEX outbox_set_aside",
	        "CONSTANT ROW"};

	if (strncmp(detail, "SCAN", 4) != 0) {
		return true;
	}
	for (size_t i = 0; i < sizeof(small) / sizeof(small[0]); i++) {
		const char *end = strstr(detail, small[i]);

		if (end != NULL && end[strlen(small[i])] == '\0') {
			return true;
		}
	}
	return false;
}

static void no_statement_walks_through_a_growing_table(void **state)
{
	struct store *store = store_of(state);
	int seen = 0;

	for (int family = SQL_ALERTS; family < SQL_FAMILIES; family++) {
		for (const struct sql_statement *s = sql_statements(family); s->name != NULL; s++) {
			char *explain = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", s->text);
			bool listing = strcmp(s->name, "ALERTS_LIST") == 0;
			sqlite3_stmt *stmt;

			assert_int_equal(
			        sqlite3_prepare_v2(store->db, explain, -1, &stmt, NULL), SQLITE_OK);
			while (sqlite3_step(stmt) == SQLITE_ROW) {
				const char *detail = (const char *)sqlite3_column_text(stmt, 3);

				/* the newest ones, backwards from the end, up to its limit */
				if (listing && strcmp(detail, "SCAN alerts") == 0) {
					continue;
				}
				if (!plan_line_is_bounded(detail)) {
					fail_msg("%s: %s", s->name, detail);
				}
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_setup, fixture_teardown)

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
	        TEST(dirty_messages_come_oldest_first),
	        TEST(opened_messages_are_counted_over_all_rooms),
	        TEST(entry_comes_back_as_it_went_in),
	        TEST(firing_entries_of_a_subject_come_newest_first),
	        TEST(event_comes_back_as_it_went_in),
	        TEST(head_is_the_oldest_that_waits_and_skips_what_is_aside),
	        TEST(retry_gives_new_transaction_ids),
	        TEST(state_keeps_values),
	        TEST(room_stays_encrypted),
	        TEST(address_belongs_to_one_room),
	        TEST(latency_percentile_is_the_nearest_rank),
	        TEST(writing_outside_a_transaction_is_refused),
	        TEST(no_statement_walks_through_a_growing_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
