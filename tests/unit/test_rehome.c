/*
 * What is for a room that the config does not name any more: nothing of it is stranded.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "bot/base/buf.h"
#include "storage/known_rooms.h"
#include "tests/unit/handlers_fixture.h"

#define NODE                                                                                   \
	"{\"app\":\"%s\",\"kind\":\"node_failed\",\"run_id\":\"r%d\",\"fields\":{\"node_id\":" \
	"\"n%d\",\"duration_ms\":5321,\"error\":\"connection refused\"}}"

/* Another config; the rooms that it does not name any more have lost their names. */
static void world_configure(struct world *w, const char *more)
{
	struct config *before = w->config;
	struct deliver d = {.store = w->store, .now_ms = w->now_ms};
	int64_t count;

	w->config = fixture_config(more);
	config_unref(before);
	d.config = w->config;
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(deliver_rehome(&d, &count), OK);
	assert_int_equal(deliver_rehome(&d, &count), OK);
	assert_int_equal(count, 0);
	assert_int_equal(store_commit(w->store), OK);
}

/* Chooses for a room; the event is the caller's. */
static struct deliver_event next_in(struct world *w, const char *name, const char *room_id)
{
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
	struct deliver_room room = {.name = name, .room_id = room_id, .device_id = "DEV"};
	struct deliver_event event = {.again = true};

	assert_int_equal(store_begin(w->store), OK);
	for (int turns = 0; event.again; turns++) {
		assert_true(turns < 5);
		memset(&event, 0, sizeof(event));
		assert_int_equal(deliver_next(&d, &room, 1, &event, &w->due_ms), OK);
	}
	assert_int_equal(store_commit(w->store), OK);
	return event;
}

/* What is sent to ops until nothing waits: all bodies, one a line; owned by the caller. */
static char *drained(struct world *w)
{
	size_t from = w->len;
	struct buf all;

	buf_init(&all, 1 << 20);
	world_send(w);
	for (size_t i = from; i < w->len; i++) {
		char *body = world_body(w, i);

		buf_add_str(&all, body);
		buf_add_char(&all, '\n');
		free(body);
	}
	return buf_take(&all);
}

/* What was sent until now is of no interest any more. */
static void world_forget(struct world *w)
{
	while (w->len > 0)
		free(w->events[--w->len].content);
}

#define OLD_ROOM "[rooms]\nold = #old:x\n[route]\ncritical = old\n"

/* A room was taken out of the config: what waited for it goes where such alerts go now. */
static void what_waits_for_a_room_that_is_gone_moves(void **state)
{
	struct world *w = world_create(OLD_ROOM);
	char *bodies;

	world_alert(w, NODE, "app", 1, 1);
	world_send(w);
	assert_int_equal(w->len, 0);
	world_configure(w, "");
	world_alert(w, NODE, "app", 2, 1); /* joins it where it is now */
	bodies = drained(w);
	assert_int_equal(w->len, 1);
	assert_non_null(strstr(bodies, "×2"));
	free(bodies);
	world_destroy(w);
}

/* It may be there: it is looked for, and said anew only if it is not. */
static void what_may_be_in_a_room_that_is_gone_is_looked_for_first(void **state)
{
	for (int there = 0; there < 2; there++) {
		struct world *w = world_create(OLD_ROOM);
		struct deliver_event event;
		char *bodies;

		world_alert(w, NODE, "app", 1, 1);
		event = next_in(w, "old", "!old:x");
		assert_int_not_equal(event.outbox_id, 0);
		world_finish(w, &event, DELIVER_RETRY);
		deliver_event_finish(&event);
		world_configure(w, "");
		event = next_in(w, "ops", "!ops:x");
		assert_true(event.look_first);
		assert_string_equal(event.room_id, "!old:x");
		world_finish(w, &event, there ? DELIVER_SENT : DELIVER_ABSENT);
		deliver_event_finish(&event);
		bodies = drained(w);
		assert_int_equal(strstr(bodies, "FAILED") != NULL, !there);
		free(bodies);
		world_destroy(w);
	}
}

/* What people had not read yet is told in the room that has the alerts now; what they had, is
 * brought up to date where it is. */
static void an_edit_for_a_room_that_is_gone_reaches_somebody(void **state)
{
	struct world *w = world_create(OLD_ROOM);
	struct deliver_event event;
	char *bodies;

	world_alert(w, NODE, "app", 1, 1);
	event = next_in(w, "old", "!old:x");
	world_finish(w, &event, DELIVER_SENT);
	deliver_event_finish(&event);
	world_forget(w);
	world_alert(w, NODE, "app", 2, 2); /* joins by an edit that is not sent yet */
	world_configure(w, "");
	world_alert(w, NODE, "app", 3, 3); /* joins nothing over there */
	world_pass(w, 2000);
	bodies = drained(w);
	free(bodies);
	assert_int_equal(world_count(w, "edit"), 0);
	assert_int_equal(world_count(w, "send"), 2);
	world_alert(w, "{\"app\":\"app\",\"kind\":\"node_failed\",\"status\":\"resolved\","
	               "\"fields\":{\"node_id\":\"n1\"}}");
	world_pass(w, 2000);
	assert_true(world_count(w, "edit") > 0);
	world_destroy(w);
}

/* `retry` of what the old room refused goes to the new one, and an edit is made anew. */
static void what_a_room_that_is_gone_refused_can_be_retried(void **state)
{
	struct world *w = world_create(OLD_ROOM);
	struct deliver_event event;
	int64_t count = 0;
	char *bodies;

	world_alert(w, NODE, "app", 1, 1);
	event = next_in(w, "old", "!old:x");
	world_finish(w, &event, DELIVER_SENT);
	deliver_event_finish(&event);
	world_forget(w);
	world_alert(w, NODE, "app", 2, 2);
	w->now_ms += 2000;
	event = next_in(w, "old", "!old:x");
	assert_string_equal(event.what, "edit");
	world_finish(w, &event, DELIVER_UNDELIVERABLE);
	deliver_event_finish(&event);
	world_configure(w, "");
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(outbox_retry(w->store, 0, &count), OK);
	assert_int_equal(store_commit(w->store), OK);
	assert_int_equal(count, 1);
	event = next_in(w, "ops", "!ops:x");
	assert_string_equal(event.what, "send");
	assert_string_equal(event.room_id, "!ops:x");
	assert_non_null(strstr(event.content, "n2"));
	world_finish(w, &event, DELIVER_SENT);
	deliver_event_finish(&event);
	bodies = drained(w);
	assert_string_equal(bodies, "");
	free(bodies);
	world_destroy(w);
}

static void knows_room(struct world *w, const char *room_id, const char *address)
{
	struct room_row row = {.room_id = (char *)room_id, .address = (char *)address};

	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(rooms_put(w->store, &row), OK);
	assert_int_equal(store_commit(w->store), OK);
}

/* A message in a room, the room's upgrade, and an edit that the closed room refuses: how many are
 * undeliverable then. */
static int64_t refused_after_upgrade(struct world *w, const char *change)
{
	struct deliver_event event;
	int64_t waiting, undeliverable, oldest_ms;

	knows_room(w, "!ops:x", "#ops:x");
	world_alert(w, NODE, "app", 1, 1);
	event = next_in(w, "ops", "!ops:x");
	world_finish(w, &event, DELIVER_SENT);
	deliver_event_finish(&event);
	world_alert(w, "%s", change);
	w->now_ms += 2000;
	event = next_in(w, "ops", "!ops:x");
	if (strcmp(event.what, "reply") == 0) { /* the edit follows it */
		world_finish(w, &event, DELIVER_SENT);
		deliver_event_finish(&event);
		event = next_in(w, "ops", "!ops:x");
	}
	assert_string_equal(event.what, "edit");
	knows_room(w, "!new:x", "#ops:x");
	world_finish(w, &event, DELIVER_UNDELIVERABLE);
	deliver_event_finish(&event);
	assert_int_equal(outbox_counts(w->store, &waiting, &undeliverable, &oldest_ms), OK);
	assert_int_equal(waiting, 0);
	return undeliverable;
}

static void an_edit_that_a_closed_room_refuses_is_dropped(void **state)
{
	struct world *w = world_create("");

	assert_int_equal(refused_after_upgrade(w,
	                         "{\"app\":\"app\",\"kind\":\"node_failed\","
	                         "\"status\":\"resolved\",\"fields\":{\"node_id\":\"n1\"}}"),
	        0);
	assert_int_equal(next_in(w, "ops", "!new:x").outbox_id, 0);
	world_destroy(w);
}

/* What joined the message is told in the new room. */
static void what_a_closed_room_refuses_and_nobody_has_read_is_said_anew(void **state)
{
	struct world *w = world_create("");
	struct deliver_event event;

	assert_int_equal(refused_after_upgrade(w,
	                         "{\"app\":\"app\",\"kind\":\"node_failed\",\"run_id\":\"r2\","
	                         "\"fields\":{\"node_id\":\"n2\"}}"),
	        0);
	w->now_ms += 2000;
	event = next_in(w, "ops", "!new:x");
	assert_string_equal(event.what, "send");
	assert_non_null(strstr(event.content, "n2"));
	world_finish(w, &event, DELIVER_SENT);
	deliver_event_finish(&event);
	world_destroy(w);
}

/* An event goes where its message goes, not where critical alerts do. */
static void what_was_refused_moves_by_its_severity(void **state)
{
	struct world *w = world_create("[rooms]\nold = #old:x\n[route]\nwarning = old\n");
	struct deliver_event event;
	int64_t count = 0;

	world_alert(w, "{\"app\":\"app\",\"severity\":\"warning\",\"title\":\"disk\"}");
	event = next_in(w, "old", "!old:x");
	world_finish(w, &event, DELIVER_UNDELIVERABLE);
	deliver_event_finish(&event);
	world_configure(w, "");
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(outbox_retry(w->store, 0, &count), OK);
	assert_int_equal(store_commit(w->store), OK);
	event = next_in(w, "dev", "!dev:x");
	assert_string_equal(event.what, "send");
	world_finish(w, &event, DELIVER_SENT);
	deliver_event_finish(&event);
	world_destroy(w);
}

/* What is posted later, by something that remembers the old name. */
static void a_name_that_is_gone_means_the_room_of_critical_alerts(void **state)
{
	struct world *w = world_create("");
	json_t *content = json_pack(
	        "{s:s, s:s, s:{}}", "msgtype", "m.notice", "body", "silence expired", "m.mentions");
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
	char *bodies;

	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(
	        deliver_post(&d, "old", OUTBOX_NOTE, 0, "m.room.message", content, NULL), OK);
	assert_int_equal(store_commit(w->store), OK);
	bodies = drained(w);
	assert_string_equal(bodies, "silence expired\n");
	free(bodies);
	json_decref(content);
	world_destroy(w);
}

/* An event that waits is given up: nothing joins it, and what comes next is a message. */
static void what_waits_can_be_discarded(void **state)
{
	struct world *w = world_create("");
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
	struct outbox_waiting waiting;
	char *bodies;

	world_alert(w, NODE, "app", 1, 1);
	assert_int_equal(outbox_waiting_in(w->store, "ops", &waiting), OK);
	assert_int_equal(waiting.count, 1);
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(deliver_discard(&d, waiting.first_id), OK);
	assert_int_equal(deliver_discard(&d, waiting.first_id), ERR_NOT_FOUND);
	assert_int_equal(store_commit(w->store), OK);
	world_alert(w, NODE, "app", 2, 2);
	bodies = drained(w);
	assert_null(strstr(bodies, "n1"));
	assert_non_null(strstr(bodies, "n2"));
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(deliver_discard(&d, waiting.first_id + 1), ERR_NOT_FOUND); /* sent */
	assert_int_equal(store_commit(w->store), OK);
	free(bodies);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_waits_for_a_room_that_is_gone_moves),
	        cmocka_unit_test(what_may_be_in_a_room_that_is_gone_is_looked_for_first),
	        cmocka_unit_test(an_edit_for_a_room_that_is_gone_reaches_somebody),
	        cmocka_unit_test(what_a_room_that_is_gone_refused_can_be_retried),
	        cmocka_unit_test(an_edit_that_a_closed_room_refuses_is_dropped),
	        cmocka_unit_test(what_a_closed_room_refuses_and_nobody_has_read_is_said_anew),
	        cmocka_unit_test(what_was_refused_moves_by_its_severity),
	        cmocka_unit_test(a_name_that_is_gone_means_the_room_of_critical_alerts),
	        cmocka_unit_test(what_waits_can_be_discarded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
