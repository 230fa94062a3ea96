/*
 * test_collect.c - when the homeserver takes one event only: what waits becomes one message, in
 * which order things leave, and what becomes of an event that was refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "bot/base/clock.h"
#include "tests/unit/handlers_fixture.h"

#define FAIL                                                                              \
	"{\"app\":\"%s\",\"kind\":\"node_failed\",\"severity\":\"%s\",\"run_id\":\"%s\"," \
	"\"fields\":{\"node_id\":\"%s\",\"error\":\"no\"}}"

/* One event is chosen, sent, and gone; its text is the caller's, NULL = there was none. */
static char *send_one(struct world *w)
{
	struct deliver_event event;

	if (!world_next(w, &event))
		return NULL;
	world_finish(w, &event, DELIVER_SENT);
	deliver_event_finish(&event);
	return world_body(w, w->len - 1);
}

static void check_one(struct world *w, const char *const *there, const char *missing)
{
	char *body = send_one(w);

	assert_non_null(body);
	for (; *there; there++)
		if (!strstr(body, *there))
			fail_msg("%s is not in %s", *there, body);
	if (missing && strstr(body, missing))
		fail_msg("%s is in %s", missing, body);
	free(body);
}

static void what_waits_becomes_one_message(void **state)
{
	struct world *w = world_create("[route]\nwarning = ops\n");
	const char *all[] = {"app0", "app7", "run-0", "run-7", "n3", NULL};

	for (int i = 0; i < 8; i++) {
		char app[8], run[8], node[8];

		snprintf(app, sizeof(app), "app%d", i);
		snprintf(run, sizeof(run), "run-%d", i);
		snprintf(node, sizeof(node), "n%d", i);
		world_alert(w, FAIL, app, i % 2 ? "warning" : "critical", run, node);
	}
	w->is_short = true;
	check_one(w, all, NULL);
	assert_null(send_one(w));
	assert_int_equal(world_count(w, "send"), 1);
	/* the same app joins it while its minute lasts, another starts a new one */
	assert_string_equal(world_alert(w, FAIL, "app2", "critical", "run-9", "n9"), "grouped");
	w->now_ms += 1500;
	check_one(w, (const char *[]){"run-9", "run-7", NULL}, NULL);
	assert_int_equal(world_count(w, "edit"), 1);
	assert_string_equal(world_alert(w, FAIL, "fresh", "critical", "run-10", "n"), "queued");
	check_one(w, (const char *[]){"run-10", NULL}, "run-9");
	assert_int_equal(world_count(w, "send"), 2);
	world_destroy(w);
}

/* What joined several messages in the room is edited into one. */
static void edits_of_many_become_one(void **state)
{
	struct world *w = world_create("");
	size_t before;

	for (int i = 0; i < 3; i++)
		world_alert(w, FAIL, i == 0 ? "a" : i == 1 ? "b" : "c", "critical", "old", "n");
	world_send(w);
	assert_int_equal(world_count(w, "send"), 3);
	world_alert(w, FAIL, "a", "critical", "run-a", "m");
	world_alert(w, FAIL, "b", "critical", "run-b", "m");
	world_alert(w, FAIL, "c", "critical", "run-c", "n"); /* nothing new but its run */
	w->is_short = true;
	w->now_ms += 1500;
	before = w->len;
	check_one(w, (const char *[]){"run-a", "run-b", NULL}, "run-c");
	assert_string_equal(w->events[before].what, "send"); /* both ring */
	check_one(w, (const char *[]){"run-c", NULL}, NULL);
	world_pass(w, CLOCK_MINUTE_MS + 1000);
	assert_int_equal(world_count(w, "send"), 4); /* nothing rings twice */
	world_destroy(w);
}

static void criticals_are_not_behind_anything(void **state)
{
	struct world *w = world_create("[route]\nwarning = ops\n");
	json_t *note = json_pack(
	        "{s:s, s:s, s:{}}", "msgtype", "m.notice", "body", "an answer", "m.mentions");
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};

	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(deliver_post(&d, "ops", OUTBOX_NOTE, 0, "m.room.message", note, NULL), OK);
	assert_int_equal(store_commit(w->store), OK);
	json_decref(note);
	world_alert(w, "{\"app\":\"t\",\"kind\":\"node_failed\",\"severity\":\"warning\","
	               "\"fields\":{\"node_id\":\"tested\",\"test\":true}}");
	world_alert(w, FAIL, "a", "critical", "run-a", "m");
	w->is_short = true;
	check_one(w, (const char *[]){"run-a", NULL}, "tested");
	check_one(w, (const char *[]){"tested", NULL}, NULL);
	check_one(w, (const char *[]){"an answer", NULL}, NULL);
	assert_null(send_one(w));
	world_destroy(w);
}

/* Refused at the first try it is in no room: it is made anew, with what came meanwhile. */
static void what_was_refused_is_collected_too(void **state)
{
	struct world *w = world_create("");
	struct deliver_event event;
	char txn_id[64];

	world_alert(w, FAIL, "a", "critical", "run-a", "m");
	world_alert(w, FAIL, "b", "critical", "run-b", "m");
	assert_true(world_next(w, &event));
	snprintf(txn_id, sizeof(txn_id), "%s", event.txn_id);
	world_finish(w, &event, DELIVER_LIMITED);
	deliver_event_finish(&event);
	w->is_short = true;
	check_one(w, (const char *[]){"run-a", "run-b", NULL}, NULL);
	assert_string_equal(w->events[0].txn_id, txn_id);
	assert_null(send_one(w));
	world_destroy(w);
}

/* After a try of unknown fate it may be there: it is never changed. */
static void what_may_have_been_taken_stays_as_it_is(void **state)
{
	struct world *w = world_create("");
	struct deliver_event event;
	char *content, txn_id[64];

	world_alert(w, FAIL, "a", "critical", "run-a", "m");
	assert_true(world_next(w, &event));
	snprintf(txn_id, sizeof(txn_id), "%s", event.txn_id);
	content = x_strdup(event.content);
	world_finish(w, &event, DELIVER_RETRY);
	deliver_event_finish(&event);
	assert_true(world_next(w, &event));
	world_finish(w, &event, DELIVER_LIMITED);
	deliver_event_finish(&event);
	world_alert(w, FAIL, "b", "critical", "run-b", "m");
	w->is_short = true;
	check_one(w, (const char *[]){"run-a", NULL}, "run-b");
	assert_string_equal(w->events[0].txn_id, txn_id);
	assert_string_equal(w->events[0].content, content);
	check_one(w, (const char *[]){"run-b", NULL}, NULL);
	free(content);
	world_destroy(w);
}

static void a_refused_edit_is_made_anew(void **state)
{
	struct world *w = world_create("");
	struct deliver_event event;

	world_alert(w, FAIL, "a", "critical", "run-a", "m");
	world_send(w);
	world_alert(w, FAIL, "a", "critical", "run-b", "n");
	w->now_ms += 1500;
	assert_true(world_next(w, &event));
	assert_string_equal(event.what, "edit");
	world_finish(w, &event, DELIVER_LIMITED);
	deliver_event_finish(&event);
	world_alert(w, FAIL, "a", "critical", "run-c", "o");
	w->now_ms += 5000;
	check_one(w, (const char *[]){"run-a", "run-b", "run-c", NULL}, NULL);
	assert_null(send_one(w));
	world_destroy(w);
}

/* Somebody redacts the newest message. */
static void redact(struct world *w, const struct deliver_event *event)
{
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
	char event_id[64];

	snprintf(event_id, sizeof(event_id), "$%lld", (long long)event->outbox_id);
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(deliver_redacted(&d, "!ops:x", event_id), OK);
	assert_int_equal(store_commit(w->store), OK);
}

/* What waits for an edit of a message that is redacted, or is in an edit on its way, is told in a
 * message of its own; what was readable before is not. */
static void what_waits_for_an_edit_of_a_redacted_message_is_told(void **state)
{
	for (int way = 0; way < 4; way++) {
		struct world *w = world_create("[delivery]\nstorm = 5\n");
		struct deliver_event event, edit = {0};

		for (int i = 0; way == 3 && i < 5; i++) {
			world_alert(w, FAIL, (char[]){(char)('p' + i), '\0'}, "critical", "r", "m");
			world_send(w);
		}
		w->is_short = way == 2;
		world_alert(w, FAIL, "a", "critical", "run-a", "m");
		assert_true(world_next(w, &event));
		world_finish(w, &event, DELIVER_SENT);
		world_alert(w, FAIL, "a", "critical", "run-b", "n");
		w->now_ms += way == 1 ? 1500 : 100;
		assert_true(world_next(w, &edit) == (way == 1));
		redact(w, &event);
		deliver_event_finish(&event);
		if (edit.outbox_id) /* the answer to it comes after that */
			world_finish(w, &edit, DELIVER_SENT);
		deliver_event_finish(&edit);
		check_one(w, (const char *[]){way == 3 ? "1 critical from 1 app" : "run-b", NULL},
		        "run-a");
		world_alert(w, FAIL, "a", "critical", "run-c", "o");
		w->now_ms += 1500;
		check_one(w,
		        (const char *[]){way == 3 ? "2 critical from 1 app" : "run-b",
		                way == 3 ? "Alert storm" : "run-c", NULL},
		        NULL);
		assert_null(send_one(w));
		world_destroy(w);
	}
}

/* The account was on hold after the event was made: nobody could read it when it happened. */
static void what_was_held_says_when_it_happened(void **state)
{
	struct world *w = world_create("[heartbeat]\ntimezone = UTC\n");
	struct deliver_event event;

	world_alert(w, FAIL, "a", "critical", "run-a", "m");
	for (int minutes = 0; minutes < 10; minutes++) {
		assert_true(world_next(w, &event));
		world_finish(w, &event, DELIVER_LIMITED);
		deliver_event_finish(&event);
		w->now_ms += CLOCK_MINUTE_MS;
	}
	check_one(w, (const char *[]){"run-a", "happened at", NULL}, NULL);
	world_alert(w, FAIL, "a", "critical", "run-b", "n");
	for (int minutes = 0; minutes < 10; minutes++) {
		w->now_ms += 5000;
		assert_true(world_next(w, &event));
		assert_string_equal(event.what, "edit");
		world_finish(w, &event, DELIVER_LIMITED);
		deliver_event_finish(&event);
		w->now_ms += CLOCK_MINUTE_MS;
	}
	w->is_short = false;
	check_one(w, (const char *[]){"run-b · happened at", NULL}, NULL);
	world_destroy(w);
}

/* Chooses for both rooms. */
static size_t choose(struct world *w, bool noted, struct deliver_event events[2])
{
	struct deliver d = {
	        .store = w->store, .config = w->config, .now_ms = w->now_ms, .is_short = true};
	const struct deliver_room rooms[2] = {
	        {.name = "dev", .room_id = "!other:x", .device_id = "DEV", .noted = noted},
	        {.name = "ops", .room_id = "!ops:x", .device_id = "DEV", .noted = noted}};

	memset(events, 0, 2 * sizeof(*events));
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(deliver_next(&d, rooms, 2, events, &w->due_ms), OK);
	assert_int_equal(store_commit(w->store), OK);
	return (events[0].outbox_id != 0) + (size_t)(events[1].outbox_id != 0);
}

/* The event for ops, which was chosen alone, is sent; then comes the message for dev. */
static void ops_then_dev(struct world *w, struct deliver_event events[2])
{
	world_finish(w, &events[1], DELIVER_SENT);
	deliver_event_finish(&events[1]);
	assert_int_equal(choose(w, false, events), 1);
	assert_string_equal(events[0].what, "send");
	deliver_event_finish(&events[0]);
}

static void one_event_goes_to_the_room_with_the_worst(void **state)
{
	struct world *w = world_create("");
	struct deliver_event events[2];

	world_alert(w, FAIL, "a", "warning", "run-a", "m");
	world_alert(w, FAIL, "b", "critical", "run-b", "m");
	assert_int_equal(choose(w, false, events), 1);
	assert_string_equal(events[1].what, "send");
	assert_true(events[1].more); /* what the other room has */
	ops_then_dev(w, events);
	world_destroy(w);
}

/* What waits for an edit counts as much as what waits for a message of its own. */
static void one_edit_goes_to_the_room_with_the_worst(void **state)
{
	struct world *w = world_create("");
	struct deliver_event events[2];

	world_alert(w, FAIL, "b", "critical", "run-b", "m");
	world_send(w);
	world_alert(w, FAIL, "b", "critical", "run-c", "n");
	w->now_ms += 5000;
	world_alert(w, FAIL, "a", "warning", "run-a", "m");
	assert_int_equal(choose(w, false, events), 1);
	assert_string_equal(events[1].what, "edit");
	assert_non_null(strstr(events[1].content, "run-c"));
	ops_then_dev(w, events);
	world_destroy(w);
}

/* A note goes after alerts, but each time after half a minute it has its turn. */
static void a_note_waits_for_alerts_and_not_for_ever(void **state)
{
	static const struct {
		int64_t after_ms;
		bool noted;
		const char *what;
	} turns[] = {{0, false, "send"}, {40000, true, "send"}, {40000, false, "note"}};
	json_t *content = json_pack("{s:s, s:{}}", "body", "hello", "m.mentions");

	for (size_t i = 0; i < sizeof(turns) / sizeof(turns[0]); i++) {
		struct world *w = world_create("");
		struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
		struct deliver_event events[2];

		assert_int_equal(store_begin(w->store), OK);
		assert_int_equal(
		        deliver_post(&d, "ops", OUTBOX_NOTE, 0, "m.room.message", content, NULL),
		        OK);
		assert_int_equal(store_commit(w->store), OK);
		world_alert(w, FAIL, "a", "critical", "run-a", "m");
		w->now_ms += turns[i].after_ms;
		assert_int_equal(choose(w, turns[i].noted, events), 1);
		assert_string_equal(events[1].what, turns[i].what);
		deliver_event_finish(&events[1]);
		world_destroy(w);
	}
	json_decref(content);
}

/* Four messages in the room, of which two get more, then the other two: the first two become a
 * message, and what is added to that by an edit rings at its minute's end. */
static struct world *collected(void)
{
	struct world *w = world_create("[delivery]\nstorm = 0\n");
	static const char *const apps[] = {"a", "b", "c", "d"};

	for (size_t i = 0; i < 4; i++)
		world_alert(w, FAIL, apps[i], "critical", "run-1", "m");
	world_send(w);
	w->is_short = true;
	for (size_t i = 0; i < 2; i++)
		world_alert(w, FAIL, apps[i], "critical", "run-2", "n");
	w->now_ms += 1500;
	check_one(w, (const char *[]){"a · n", "b · n", NULL}, "c · ");
	return w;
}

static void what_is_added_to_the_collected_rings(void **state)
{
	struct world *w = collected();

	world_alert(w, FAIL, "c", "critical", "run-3", "o");
	world_alert(w, FAIL, "d", "critical", "run-4", "p");
	w->now_ms += 1500;
	check_one(w, (const char *[]){"a · n", "c · o", "d · p", NULL}, NULL);
	assert_string_equal(w->events[w->len - 1].what, "edit");
	w->now_ms += CLOCK_MINUTE_MS;
	check_one(w, (const char *[]){"2 more critical failures: c · o, d · p", NULL}, NULL);
	world_destroy(w);
}

static void a_test_joins_nothing_collected(void **state)
{
	struct world *w = collected();

	assert_string_equal(world_alert(w, FAIL, "a", "critical", "run-5", "o"),
	        "grouped"); /* as a failure does */
	assert_string_equal(
	        world_alert(w, "{\"app\":\"a\",\"kind\":\"node_failed\",\"run_id\":\"t\","
	                       "\"fields\":{\"node_id\":\"t\",\"test\":true}}"),
	        "queued");
	check_one(w, (const char *[]){"TEST · a · t", NULL}, "run-5");
	world_destroy(w);
}

/* What joined an older message by edits, and is announced by one that is collected. */
static void what_is_announced_by_the_collected_is(void **state)
{
	struct world *w = world_create("");

	world_alert(w, FAIL, "a", "critical", "run-1", "m");
	world_send(w);
	world_alert(w, FAIL, "a", "critical", "run-2", "n");
	world_pass(w, 2000);
	w->now_ms += CLOCK_MINUTE_MS;
	world_alert(w, FAIL, "b", "critical", "run-3", "m");
	world_alert(w, FAIL, "a", "critical", "run-4", "o");
	w->is_short = true;
	check_one(w, (const char *[]){"b · m", "a · o", "1 more critical failure: n", NULL}, NULL);
	world_destroy(w);
}

/* What waited for an edit of the older message and is in the new one now is not announced too. */
static void what_is_collected_is_not_announced(void **state)
{
	struct world *w = world_create("");

	world_alert(w, FAIL, "a", "critical", "run-1", "m");
	world_send(w);
	world_alert(w, FAIL, "a", "critical", "run-2", "n");
	world_pass(w, 2000);
	world_alert(w, FAIL, "a", "critical", "run-3", "o"); /* its edit does not leave any more */
	w->now_ms += CLOCK_MINUTE_MS;
	world_alert(w, FAIL, "b", "critical", "run-4", "m");
	world_alert(w, FAIL, "a", "critical", "run-5", "p");
	w->is_short = true;
	check_one(w,
	        (const char *[]){
	                "a · o", "a · p", "b · m", "1 more critical failure: n · see", NULL},
	        NULL);
	world_destroy(w);
}

/* The message is as severe as the worst in it. */
static void the_collected_is_as_bad_as_its_worst(void **state)
{
	struct world *w = world_create("[route]\ninfo = ops\n");

	world_alert(w, FAIL, "a", "info", "run-1", "m");
	world_alert(w, FAIL, "b", "critical", "run-2", "m");
	w->is_short = true;
	check_one(w, (const char *[]){"a · m", "b · m", NULL}, NULL);
	assert_non_null(strstr(w->events[0].content, "\"m.text\""));
	world_destroy(w);
}

/* Fails again while the homeserver is away; what is a minute old or less was not late. */
static void what_fails_again_is_late_anew(void **state)
{
	struct world *w = world_create("[heartbeat]\ntimezone = UTC\n");

	world_alert(w, FAIL, "a", "critical", "run-1", "m");
	w->now_ms += CLOCK_MINUTE_MS;
	check_one(w, (const char *[]){"a · m", NULL}, "happened");
	world_alert(w, "{\"app\":\"a\",\"kind\":\"node_failed\",\"status\":\"resolved\","
	               "\"fields\":{\"node_id\":\"m\"}}");
	world_send(w);
	world_alert(w, FAIL, "a", "critical", "run-2", "m");
	w->now_ms += 10 * CLOCK_MINUTE_MS;
	for (char *body; (body = send_one(w));) {
		if (strcmp(w->events[w->len - 1].what, "edit") == 0)
			assert_non_null(strstr(body, "happened at"));
		free(body);
	}
	world_destroy(w);
}

/* What does not fit into one event waits for the next, the criticals first. */
static void too_much_for_one_event_is_several(void **state)
{
	struct world *w = world_create("[delivery]\nstorm = 0\n[route]\nwarning = ops\n");
	char *error = x_calloc(1, 4001), app[16], run[16];
	size_t seen = 0;

	memset(error, 'x', 4000);
	for (int i = 0; i < 120; i++) {
		snprintf(app, sizeof(app), "app%d", i);
		world_alert(w,
		        "{\"app\":\"%s\",\"kind\":\"node_failed\",\"severity\":\"%s\",\"run_id\":"
		        "\"run-%d-\",\"fields\":{\"node_id\":\"n\",\"error\":\"%s\"}}",
		        app, i < 119 ? "warning" : "critical", i, error);
	}
	w->is_short = true;
	for (char *body; (body = send_one(w));) {
		assert_true(strlen(w->events[w->len - 1].content) <= 40 * 1024);
		if (w->len == 1)
			assert_non_null(strstr(body, "run-119-"));
		for (int i = 0; i < 120; i++) {
			snprintf(run, sizeof(run), "run-%d-", i);
			seen += strstr(body, run) != NULL;
		}
		free(body);
	}
	assert_int_equal(seen, 120);
	assert_in_range(w->len, 2, 20);
	free(error);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_waits_becomes_one_message),
	        cmocka_unit_test(edits_of_many_become_one),
	        cmocka_unit_test(criticals_are_not_behind_anything),
	        cmocka_unit_test(what_was_refused_is_collected_too),
	        cmocka_unit_test(what_may_have_been_taken_stays_as_it_is),
	        cmocka_unit_test(a_refused_edit_is_made_anew),
	        cmocka_unit_test(what_waits_for_an_edit_of_a_redacted_message_is_told),
	        cmocka_unit_test(what_was_held_says_when_it_happened),
	        cmocka_unit_test(one_event_goes_to_the_room_with_the_worst),
	        cmocka_unit_test(one_edit_goes_to_the_room_with_the_worst),
	        cmocka_unit_test(a_note_waits_for_alerts_and_not_for_ever),
	        cmocka_unit_test(what_is_added_to_the_collected_rings),
	        cmocka_unit_test(a_test_joins_nothing_collected),
	        cmocka_unit_test(what_is_announced_by_the_collected_is),
	        cmocka_unit_test(what_is_collected_is_not_announced),
	        cmocka_unit_test(the_collected_is_as_bad_as_its_worst),
	        cmocka_unit_test(what_fails_again_is_late_anew),
	        cmocka_unit_test(too_much_for_one_event_is_several),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
