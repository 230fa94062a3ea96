/*
 * Tests of the queue of events, of single values and rooms, and of calls.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/store_fixture.h"
#include "storage/known_rooms.h"

static void event_comes_back_as_it_went_in(void **state)
{
	struct store *store = fixture_store(state);
	struct outbox_row row = {
	        .purpose = OUTBOX_REPLY,
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
	assert_int_equal(outbox_say(store, &in), OK);
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

	assert_int_equal(outbox_head(store, room, 0, 0, &row), id == 0 ? ERR_NOT_FOUND : OK);
	assert_int_equal(row.id, id);
	outbox_row_finish(&row);
}

static void head_is_the_oldest_that_waits_and_skips_the_undeliverable(void **state)
{
	struct store *store = fixture_store(state);
	int64_t a = fixture_event(store, "ops", 0), other = fixture_event(store, "dev", 0),
	        b = fixture_event(store, "ops", 0), c = fixture_event(store, "ops", 0);
	int64_t waiting, undeliverable, oldest_ms, count;
	struct outbox_row *rows;
	size_t len;

	expect_head(store, "ops", a);
	fixture_event_state(store, a, OUTBOX_FROZEN);
	expect_head(store, "ops", a);
	fixture_event_state(store, a, OUTBOX_UNDELIVERABLE);
	expect_head(store, "ops", b);
	fixture_event_state(store, b, OUTBOX_SENT);
	expect_head(store, "ops", c);
	expect_head(store, "dev", other);
	assert_int_equal(outbox_counts(store, &waiting, &undeliverable, &oldest_ms), OK);
	assert_int_equal(waiting, 2);
	assert_int_equal(undeliverable, 1);
	assert_int_equal(oldest_ms, 2000);
	fixture_event_state(store, c, OUTBOX_UNDELIVERABLE);
	fixture_event_state(store, other, OUTBOX_SENT);
	expect_head(store, "ops", 0);
	assert_int_equal(outbox_counts(store, &waiting, &undeliverable, &oldest_ms), OK);
	assert_int_equal(waiting, 0);
	assert_int_equal(oldest_ms, 0);
	assert_int_equal(outbox_undeliverable(store, 10, &rows, &len), OK);
	assert_int_equal(len, 2);
	assert_int_equal(rows[0].id, a);
	assert_int_equal(rows[1].id, c);
	outbox_rows_free(rows, len);
	assert_int_equal(outbox_retry(store, 0, &count), OK);
	assert_int_equal(count, 2);
	expect_head(store, "ops", a);
}

/* Makes an event one that was encrypted and refused at the last of so many tries; *row is the
 * caller's. */
static void refuse(struct store *store, int64_t id, int64_t tries, struct outbox_row *row)
{
	assert_int_equal(outbox_by_id(store, id, row), OK);
	row->state = OUTBOX_UNDELIVERABLE;
	row->frozen_ms = row->known_ms = 4;
	row->tries = tries;
	row->room_id = strdup("!x");
	row->device_id = strdup("D");
	row->wire_type = strdup("t");
	row->wire_content = strdup("c");
	row->error = strdup("forbidden");
	assert_int_equal(outbox_update(store, row), OK);
	assert_int_equal(outbox_say(store, row), OK);
}

static void retry_gives_new_transaction_ids(void **state)
{
	struct store *store = fixture_store(state);
	int64_t a = fixture_event(store, "ops", 0), b = fixture_event(store, "ops", 0), count;
	struct outbox_row before, after;

	refuse(store, a, 1, &before);
	assert_int_equal(outbox_retry(store, b, &count), OK); /* not undeliverable */
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

/* The answer to an earlier try may have been lost. */
static void what_may_be_in_the_room_is_retried_as_it_was(void **state)
{
	struct store *store = fixture_store(state);
	int64_t a = fixture_event(store, "ops", 0), count;
	struct outbox_row before, after;

	refuse(store, a, 2, &before);
	assert_int_equal(outbox_retry(store, 0, &count), OK);
	assert_int_equal(count, 1);
	assert_int_equal(outbox_by_id(store, a, &after), OK);
	assert_string_equal(after.txn_id, before.txn_id);
	assert_int_equal(after.state, OUTBOX_FROZEN);
	assert_int_equal(after.frozen_ms, 4);
	assert_int_equal(after.known_ms, 0);
	assert_int_equal(after.tries, 2);
	assert_string_equal(after.wire_content, "c");
	outbox_row_finish(&before);
	outbox_row_finish(&after);
}

static void state_keeps_values(void **state)
{
	struct store *store = fixture_store(state);
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
	struct store *store = fixture_store(state);
	struct room_row in = {.room_id = LENT("!a"), .address = LENT("#ops")}, out;

	assert_int_equal(rooms_by_room_id(store, "!a", &out), ERR_NOT_FOUND);
	assert_int_equal(rooms_put(store, &in), OK);
	in.encrypted = 1;
	in.encryption = LENT("{\"first\":1}");
	in.replaced_by = LENT("!b");
	assert_int_equal(rooms_put(store, &in), OK);
	in.encrypted = 0;
	in.encryption = LENT("{\"second\":1}");
	in.replaced_by = NULL;
	assert_int_equal(rooms_put(store, &in), OK);
	assert_int_equal(rooms_by_room_id(store, "!a", &out), OK);
	assert_int_equal(out.encrypted, 1);
	assert_string_equal(out.encryption, "{\"first\":1}");
	assert_string_equal(out.address, "#ops");
	assert_null(out.replaced_by);
	room_row_finish(&out);
}

static void address_belongs_to_one_room(void **state)
{
	struct store *store = fixture_store(state);
	struct room_row old = {.room_id = LENT("!a"), .address = LENT("#ops")},
	                successor = {.room_id = LENT("!b"), .address = LENT("#ops")}, out;

	assert_int_equal(rooms_put(store, &old), OK);
	assert_int_equal(rooms_put(store, &successor), OK);
	assert_int_equal(rooms_by_room_id(store, "!b", &out), OK);
	assert_string_equal(out.address, "#ops");
	room_row_finish(&out);
	assert_int_equal(rooms_by_room_id(store, "!a", &out), OK);
	assert_null(out.address);
	room_row_finish(&out);
}

static void latency_percentile_is_the_nearest_rank(void **state)
{
	struct store *store = fixture_store(state);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup_begin, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(event_comes_back_as_it_went_in),
	        TEST(head_is_the_oldest_that_waits_and_skips_the_undeliverable),
	        TEST(retry_gives_new_transaction_ids),
	        TEST(what_may_be_in_the_room_is_retried_as_it_was),
	        TEST(state_keeps_values),
	        TEST(room_stays_encrypted),
	        TEST(address_belongs_to_one_room),
	        TEST(latency_percentile_is_the_nearest_rank),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
