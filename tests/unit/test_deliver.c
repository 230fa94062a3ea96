/*
 * test_deliver.c - one message for many alerts, over a real store and simulated time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "bot/base/clock.h"
#include "handlers/alerts/render.h"
#include "storage/known_rooms.h"
#include "storage/messages.h"
#include "tests/unit/handlers_fixture.h"

#define NODE                                                                                   \
	"{\"app\":\"%s\",\"kind\":\"node_failed\",\"run_id\":\"r%d\",\"fields\":{\"node_id\":" \
	"\"n%d\",\"duration_ms\":5321,\"error\":\"connection refused\"}}"

static void ten_equal_alerts_are_one_message(void **state)
{
	struct world *w = world_create("");
	char *body, run[8];
	size_t last = 0;

	for (int n = 0; n < 10; n++) {
		assert_string_equal(
		        world_alert(w, NODE, "data_factory", n, 1), n == 0 ? "queued" : "grouped");
		world_pass(w, 400);
	}
	world_pass(w, 5000);
	assert_int_equal(world_count(w, "send"), 1);
	for (size_t i = 1; i < w->len; i++) {
		assert_true(w->events[i].at_ms - w->events[last].at_ms >= 1000);
		last = i;
	}
	body = world_body(w, w->len - 1);
	assert_non_null(strstr(
	        body, "n1 FAILED ×10 in 5321ms\nerror: connection refused\n10 runs: r9 r8 r7 +7"));
	free(body);
	/* the data have them all */
	for (int n = 0; n < 10; n++) {
		snprintf(run, sizeof(run), "\"r%d\"", n);
		assert_non_null(strstr(w->events[w->len - 1].content, run));
	}
	world_destroy(w);
}

/* For hours of random alerts of one severity: no two new messages of an origin in a minute. */
/* A homeserver refuses an event with a fraction or over 53 bits in it. */
static void numbers_that_no_event_can_hold_are_text(void **state)
{
	struct world *w = world_create("");
	json_t *content;
	const json_t *fields;

	world_alert(w, "{\"app\":\"a\",\"severity\":\"critical\",\"title\":\"t\",\"fields\":"
	               "{\"rate\":0.15,\"big\":9007199254740993,\"small\":-7,\"yes\":true}}");
	world_pass(w, 1000);
	content = json_loads(w->events[0].content, 0, NULL);
	fields = json_object_get(
	        json_array_get(json_object_get(json_object_get(content, RENDER_KEY), "entries"), 0),
	        "fields");
	assert_string_equal(json_string_value(json_object_get(fields, "rate")), "0.15");
	assert_string_equal(json_string_value(json_object_get(fields, "big")), "9007199254740993");
	assert_int_equal(json_integer_value(json_object_get(fields, "small")), -7);
	assert_true(json_is_true(json_object_get(fields, "yes")));
	json_decref(content);
	world_destroy(w);
}

static void a_minute_has_one_new_message(void **state)
{
	struct world *w = world_create("[delivery]\nstorm = 0\n");
	int64_t last_ms[3] = {0};
	size_t seen = 0;
	int step;

	srand(7);
	for (step = 0; step < 1500; step++) {
		char app[8];
		int origin = rand() % 3;

		snprintf(app, sizeof(app), "app%d", origin);
		world_alert(w, NODE, app, step, rand() % 4);
		world_pass(w, 100 * (1 + rand() % 300));
		for (; seen < w->len; seen++) {
			json_t *content;
			const char *who;

			if (strcmp(w->events[seen].what, "send") != 0)
				continue;
			content = json_loads(w->events[seen].content, 0, NULL);
			who = json_string_value(json_object_get(content, "body"));
			origin = who && strstr(who, "app0") ? 0 : strstr(who, "app1") ? 1 : 2;
			assert_true(w->events[seen].at_ms - last_ms[origin] >= CLOCK_MINUTE_MS);
			last_ms[origin] = w->events[seen].at_ms;
			json_decref(content);
		}
		if (w->len > WORLD_EVENTS_MAX - 400)
			break;
	}
	assert_true(step > 200);
	world_destroy(w);
}

static void a_queue_drains_in_order(void **state)
{
	struct world *w = world_create("[delivery]\nstorm = 0\n");

	w->down = true;
	for (int n = 0; n < 500; n++) {
		char app[32];

		snprintf(app, sizeof(app), "app%03d", n / 10);
		world_alert(w, NODE, app, n, n);
		w->now_ms += 1000; /* over eight minutes */
	}
	w->down = false;
	world_send(w);
	assert_int_equal(w->len, 50);
	for (size_t i = 0; i < w->len; i++) {
		char app[32], *body = world_body(w, i);

		snprintf(app, sizeof(app), "app%03zu", i);
		assert_non_null(strstr(body, app));
		if (i < 40)
			assert_non_null(strstr(body, "happened at"));
		free(body);
	}
	world_destroy(w);
}

static void fired_and_resolved_while_down_is_one_message(void **state)
{
	struct world *w = world_create("");
	char *body;

	w->down = true;
	world_alert(w, NODE, "data_factory", 1, 1);
	w->now_ms += 12 * CLOCK_MINUTE_MS;
	assert_string_equal(world_alert(w, "{\"app\":\"data_factory\",\"kind\":\"node_failed\","
	                                   "\"status\":\"resolved\",\"node_id\":\"n1\"}"),
	        "grouped");
	w->down = false;
	world_pass(w, 5000);
	assert_int_equal(w->len, 1);
	body = world_body(w, 0);
	assert_non_null(strstr(body, "✅ data_factory · n1 resolved after 12m"));
	free(body);
	world_destroy(w);
}

static void resolved_edits_at_once_and_answers_in_the_thread(void **state)
{
	struct world *w = world_create("");

	world_alert(w, NODE, "data_factory", 1, 1);
	world_send(w);
	world_alert(w, "{\"app\":\"data_factory\",\"kind\":\"node_failed\",\"status\":\"resolved\","
	               "\"node_id\":\"n1\"}");
	world_send(w);
	assert_int_equal(w->len, 3);
	assert_int_equal(world_count(w, "edit"), 1);
	assert_int_equal(world_count(w, "reply"), 1);
	assert_string_equal(
	        world_alert(w, "{\"app\":\"x\",\"status\":\"resolved\",\"title\":\"t\"}"),
	        "ignored");
	world_destroy(w);
}

static void a_redacted_message_takes_no_more(void **state)
{
	struct world *w = world_create("");
	struct deliver d = {.store = w->store, .config = w->config};

	world_alert(w, NODE, "data_factory", 1, 1);
	world_send(w);
	d.now_ms = w->now_ms;
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(
	        deliver_redacted(&d, "!dev:x", "$1"), OK); /* by a member of another room */
	assert_int_equal(store_commit(w->store), OK);
	assert_string_equal(world_alert(w, NODE, "data_factory", 1, 1), "grouped");
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(deliver_redacted(&d, "!ops:x", "$1"), OK);
	assert_int_equal(deliver_redacted(&d, "!ops:x", "$nothing_of_ours"), OK);
	assert_int_equal(store_commit(w->store), OK);
	world_pass(w, 2000);
	assert_string_equal(world_alert(w, NODE, "data_factory", 2, 2), "queued");
	world_pass(w, 2000);
	assert_int_equal(world_count(w, "send"), 2);
	/* nothing is hung on what nobody sees */
	world_alert(w, "{\"app\":\"data_factory\",\"kind\":\"node_failed\",\"status\":\"resolved\","
	               "\"node_id\":\"n1\"}");
	world_pass(w, 2000);
	assert_int_equal(w->len, 2);
	world_destroy(w);
}

static void what_is_worse_starts_a_message(void **state)
{
	struct world *w = world_create("[route]\nwarning = ops\n");

	world_alert(w, "{\"app\":\"a\",\"title\":\"t\",\"severity\":\"warning\"}");
	world_send(w);
	assert_string_equal(
	        world_alert(w, "{\"app\":\"a\",\"title\":\"t\",\"severity\":\"critical\"}"),
	        "queued");
	assert_string_equal(
	        world_alert(w, "{\"app\":\"a\",\"title\":\"u\",\"severity\":\"warning\"}"),
	        "grouped");
	world_pass(w, 2000);
	assert_int_equal(world_count(w, "send"), 2);
	world_destroy(w);
}

static void silent_criticals_ring_at_the_end_of_the_minute(void **state)
{
	struct world *w = world_create("");
	char *body;

	world_alert(w, NODE, "data_factory", 1, 1);
	world_send(w);
	world_alert(w, NODE, "data_factory", 2, 2);
	world_alert(w, NODE, "data_factory", 3, 3);
	world_alert(w, NODE, "data_factory", 4, 3); /* the same again: told already */
	world_pass(w, 59000);
	assert_int_equal(world_count(w, "send"), 1);
	world_pass(w, 3000);
	assert_int_equal(world_count(w, "send"), 2);
	body = world_body(w, w->len - 1);
	assert_non_null(strstr(
	        body, "🚨 data_factory · 2 more critical failures: n2, n3 · see the message"));
	free(body);
	world_pass(w, 200000);
	assert_int_equal(world_count(w, "send"), 2); /* a ring rings once */
	world_destroy(w);
}

static void a_flood_of_origins_is_one_storm_message(void **state)
{
	struct world *w = world_create("[delivery]\nstorm = 5\n");
	char app[16], run[16], *body;

	for (int n = 0; n < 30; n++) {
		snprintf(app, sizeof(app), "app%d", n);
		world_alert(w, NODE, app, n, n);
		world_pass(w, 100);
	}
	world_pass(w, 3000);
	assert_int_equal(world_count(w, "send"), 6);
	body = world_body(w, w->len - 1);
	assert_non_null(strstr(body, "Alert storm: 25 critical from 25 apps"));
	for (int n = 5; n < 30; n++) {
		snprintf(run, sizeof(run), "\"r%d\"", n);
		assert_non_null(strstr(w->events[w->len - 1].content, run));
	}
	free(body);
	world_pass(w, 130000);
	body = world_body(w, w->len - 1);
	assert_non_null(strstr(body, "Alert storm over: 25 critical from 25 apps"));
	free(body);
	world_destroy(w);
}

static void a_storm_lasts_a_minute_without_a_throttle_too(void **state)
{
	struct world *w = world_create("[delivery]\nstorm = 5\nthrottle = 0\n");
	char app[16];

	for (int n = 0; n < 8; n++) {
		snprintf(app, sizeof(app), "app%d", n);
		world_alert(w, NODE, app, n, n);
		world_pass(w, 1000);
	}
	assert_int_equal(world_count(w, "send"), 6);
	world_pass(w, 130000);
	assert_int_equal(world_count(w, "send"), 7); /* the ring of what joined it in silence */
	world_destroy(w);
}

static void the_same_id_is_stored_once(void **state)
{
	struct world *w = world_create("");

	world_alert(w, "{\"app\":\"a\",\"title\":\"t\",\"id\":\"x\",\"severity\":\"critical\"}");
	assert_string_equal(world_alert(w, "{\"app\":\"a\",\"title\":\"t\",\"id\":\"x\","
	                                   "\"severity\":\"critical\"}"),
	        "duplicate");
	world_pass(w, 3000);
	assert_int_equal(w->len, 1);
	world_destroy(w);
}

/* An app that counts its own ids hides no other app's alert. An id that was made of an alert's
 * labels, as Alertmanager's are, is the same alert under whatever app. */
static void an_id_is_its_apps_own(void **state)
{
	static const char
	        one[] = "{\"app\":\"a\",\"title\":\"t\",\"severity\":\"critical\",\"id\":\"1\"}",
	        other[] = "{\"app\":\"b\",\"title\":\"t\",\"severity\":\"critical\",\"id\":\"1\"}",
	        moved[] = "{\"app\":\"c\",\"title\":\"t\",\"severity\":\"critical\",\"id\":\"1\","
	                  "\"reopens\":\"2\"}";
	struct world *w = world_create("");

	assert_string_equal(world_alert(w, "%s", one), "queued");
	assert_string_equal(world_alert(w, "%s", other), "queued");
	assert_string_equal(world_alert(w, "%s", other), "duplicate");
	assert_string_equal(world_alert(w, "%s", one), "duplicate");
	assert_string_equal(world_alert(w, "%s", moved), "duplicate");
	world_pass(w, 3000);
	assert_int_equal(w->len, 2);
	world_destroy(w);
}

static void a_crash_repeats_the_same_event(void **state)
{
	struct world *w = world_create("");
	struct deliver_event first, again;

	world_alert(w, NODE, "data_factory", 1, 1);
	assert_true(world_next(w, &first));
	world_alert(w, NODE, "data_factory", 2, 1); /* must not change what may be in the room */
	w->now_ms += 5000;
	assert_true(world_next(w, &again));
	assert_string_equal(first.txn_id, again.txn_id);
	assert_string_equal(first.content, again.content);
	assert_false(again.look_first);
	deliver_event_finish(&again);
	w->now_ms += 11 * CLOCK_MINUTE_MS;
	assert_true(world_next(w, &again));
	assert_true(again.look_first);
	world_finish(w, &again, DELIVER_SENT);
	deliver_event_finish(&again);
	deliver_event_finish(&first);
	world_pass(w, 3000);
	assert_int_equal(world_count(w, "send"), 1);
	assert_int_equal(world_count(w, "edit"), 1);
	world_destroy(w);
}

static void what_is_undeliverable_blocks_nothing(void **state)
{
	struct world *w = world_create("");
	struct deliver_event event;
	int64_t count;

	world_alert(w, NODE, "one", 1, 1);
	world_alert(w, NODE, "two", 2, 2);
	assert_true(world_next(w, &event));
	world_finish(w, &event, DELIVER_UNDELIVERABLE);
	deliver_event_finish(&event);
	world_send(w);
	assert_int_equal(w->len, 1);
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(outbox_retry(w->store, 0, &count), OK);
	assert_int_equal(store_commit(w->store), OK);
	assert_int_equal(count, 1);
	world_send(w);
	assert_int_equal(w->len, 2);
	world_destroy(w);
}

static void world_retry(struct world *w)
{
	int64_t count;

	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(outbox_retry(w->store, 0, &count), OK);
	assert_int_equal(store_commit(w->store), OK);
	assert_int_equal(count, 1);
}

/* An event whose first answer was lost and whose second try was refused, put back by `retry`. */
static void world_refuse_then_retry(struct world *w, struct deliver_event *event)
{
	struct deliver_event first, again;

	world_alert(w, NODE, "one", 1, 1);
	assert_true(world_next(w, &first));
	world_finish(w, &first, DELIVER_RETRY);
	assert_true(world_next(w, &again));
	assert_string_equal(again.txn_id, first.txn_id);
	world_finish(w, &again, DELIVER_UNDELIVERABLE);
	deliver_event_finish(&first);
	deliver_event_finish(&again);
	w->now_ms += 1000;
	world_alert(w, NODE, "one", 2, 1); /* joins what nobody has read */
	world_retry(w);
	assert_true(world_next(w, event));
	assert_true(event->look_first);
}

/* It was accepted: it is not sent again, and an edit says what has joined it meanwhile. */
static void what_was_refused_after_a_lost_answer_is_looked_for(void **state)
{
	struct world *w = world_create("");
	struct deliver_event event;
	char *body;

	world_refuse_then_retry(w, &event);
	world_finish(w, &event, DELIVER_SENT);
	deliver_event_finish(&event);
	world_pass(w, 3000);
	assert_int_equal(world_count(w, "send"), 1);
	assert_int_equal(world_count(w, "edit"), 1);
	body = world_body(w, w->len - 1);
	assert_non_null(strstr(body, "r2"));
	free(body);
	world_destroy(w);
}

/* It was not: it is sent with what has joined it meanwhile. */
static void what_was_refused_and_is_not_there_is_made_anew(void **state)
{
	struct world *w = world_create("");
	struct deliver_event event;
	char *body;

	world_refuse_then_retry(w, &event);
	world_finish(w, &event, DELIVER_ABSENT);
	deliver_event_finish(&event);
	world_pass(w, 3000);
	assert_int_equal(w->len, 1);
	body = world_body(w, 0);
	assert_non_null(strstr(body, "r2"));
	free(body);
	world_destroy(w);
}

/* An edit that is there twice says nothing twice, and an old one must not follow a newer one. */
static void an_edit_is_made_anew_when_it_is_retried(void **state)
{
	struct world *w = world_create("");
	struct deliver_event first, again;

	world_alert(w, NODE, "one", 1, 1);
	world_pass(w, 3000);
	world_alert(w, NODE, "one", 2, 1);
	w->now_ms += 3000;
	assert_true(world_next(w, &first));
	assert_string_equal(first.what, "edit");
	world_finish(w, &first, DELIVER_RETRY);
	assert_true(world_next(w, &again));
	world_finish(w, &again, DELIVER_UNDELIVERABLE);
	deliver_event_finish(&again);
	world_alert(w, NODE, "one", 3, 1);
	w->now_ms += 3000;
	world_retry(w);
	assert_true(world_next(w, &again));
	assert_string_equal(again.what, "edit");
	assert_false(again.look_first);
	assert_string_not_equal(again.txn_id, first.txn_id);
	assert_non_null(strstr(again.content, "r3"));
	deliver_event_finish(&first);
	deliver_event_finish(&again);
	world_destroy(w);
}

/* /sync has shown it before the refusal came. */
static void what_sync_has_shown_is_not_undeliverable(void **state)
{
	struct world *w = world_create("");
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
	struct deliver_event event;
	int64_t waiting, undeliverable, oldest_ms;

	world_alert(w, NODE, "one", 1, 1);
	assert_true(world_next(w, &event));
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(deliver_echoed(&d, "ops", event.room_id, event.txn_id, "$echo"), OK);
	assert_int_equal(store_commit(w->store), OK);
	world_finish(w, &event, DELIVER_UNDELIVERABLE);
	deliver_event_finish(&event);
	assert_int_equal(outbox_counts(w->store, &waiting, &undeliverable, &oldest_ms), OK);
	assert_int_equal(waiting, 0);
	assert_int_equal(undeliverable, 0);
	world_destroy(w);
}

/* A cipher that counts, and writes what it was given in capitals. */
struct toy {
	bool ready, broken;
	int encrypted;
};

static enum err toy_ready(void *arg, const struct deliver_room *room, int64_t now_ms, bool *ready)
{
	struct toy *toy = arg;

	*ready = toy->ready;
	return OK;
}

static enum err toy_encrypt(void *arg, const struct deliver_room *room, int64_t now_ms,
        const char *type, const char *content, char **wire)
{
	struct toy *toy = arg;

	if (toy->broken)
		return ERR_CORRUPT;
	*wire = x_asprintf("{\"ciphertext\":\"%d\"}", ++toy->encrypted);
	return OK;
}

static void next_encrypted(struct world *w, struct toy *toy, const char *device_id, bool members,
        struct deliver_event *event)
{
	static const char *const users[] = {"@op:x"};
	struct deliver_cipher cipher = {toy_ready, toy_encrypt, toy};
	struct deliver d = {w->store, w->config, w->now_ms, toy ? &cipher : NULL};
	struct deliver_room room = {.name = "ops",
	        .room_id = "!ops:x",
	        .device_id = device_id,
	        .encrypted = true,
	        .users = members ? users : NULL,
	        .users_len = 1};

	memset(event, 0, sizeof(*event));
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(deliver_next(&d, &room, 1, event, &w->due_ms), OK);
	assert_int_equal(store_commit(w->store), OK);
}

static void an_encrypted_room_gets_no_plain_text(void **state)
{
	struct world *w = world_create("");
	struct toy toy = {.ready = false};
	struct deliver_event event, again;
	int64_t waiting, undeliverable, oldest_ms;

	world_alert(w, NODE, "one", 1, 1);
	next_encrypted(w, NULL, "DEV", true, &event); /* nothing that encrypts */
	assert_true(event.waits && event.outbox_id == 0);
	next_encrypted(w, &toy, "DEV", true, &event); /* keys are not shared */
	assert_true(event.waits && event.outbox_id == 0);
	toy.ready = true;
	next_encrypted(w, &toy, "DEV", false, &event); /* nobody knows who is in the room */
	assert_true(event.waits && event.outbox_id == 0);
	toy.broken = true;
	next_encrypted(w, &toy, "DEV", true, &event); /* undone, and tried again */
	assert_true(event.waits && event.outbox_id == 0);
	assert_true(w->due_ms > w->now_ms && w->due_ms < INT64_MAX);
	toy.broken = false;
	next_encrypted(w, &toy, "DEV", true, &event);
	assert_string_equal(event.type, "m.room.encrypted");
	assert_string_equal(event.content, "{\"ciphertext\":\"1\"}");
	assert_false(event.look_first);
	/* a retry sends the same bytes, whatever becomes of the keys */
	toy.ready = false;
	next_encrypted(w, &toy, "DEV", true, &again);
	assert_string_equal(again.content, event.content);
	assert_string_equal(again.txn_id, event.txn_id);
	assert_int_equal(toy.encrypted, 1);
	assert_int_equal(outbox_counts(w->store, &waiting, &undeliverable, &oldest_ms), OK);
	assert_int_equal(undeliverable, 0);
	deliver_event_finish(&again);
	deliver_event_finish(&event);
	world_destroy(w);
}

static void edits_in_an_encrypted_room_are_encrypted(void **state)
{
	struct world *w = world_create("");
	struct toy toy = {.ready = true};
	struct deliver_event event;

	world_alert(w, NODE, "one", 1, 1);
	next_encrypted(w, &toy, "DEV", true, &event);
	world_finish(w, &event, DELIVER_SENT);
	deliver_event_finish(&event);
	world_alert(w, NODE, "one", 2, 2);
	w->now_ms += 1500;
	next_encrypted(w, &toy, "DEV", true, &event);
	assert_string_equal(event.what, "edit");
	assert_string_equal(event.type, "m.room.encrypted");
	assert_int_equal(toy.encrypted, 2);
	deliver_event_finish(&event);
	world_destroy(w);
}

static void another_device_looks_first_and_encrypts_anew(void **state)
{
	struct world *w = world_create("");
	struct toy toy = {.ready = true};
	struct deliver_event event;
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
	struct deliver_result absent = {.room = "ops",
	        .room_id = "!ops:x",
	        .device_id = "NEW",
	        .outcome = DELIVER_ABSENT,
	        .what = "send"};

	world_alert(w, NODE, "one", 1, 1);
	next_encrypted(w, &toy, "DEV", true, &event);
	deliver_event_finish(&event);
	next_encrypted(w, &toy, "NEW", true, &event);
	assert_true(event.look_first);
	assert_string_equal(event.content, "{\"ciphertext\":\"1\"}"); /* to be looked for */
	absent.outbox_id = event.outbox_id;
	deliver_event_finish(&event);
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(deliver_finish(&d, &absent), OK);
	assert_int_equal(store_commit(w->store), OK);
	next_encrypted(w, &toy, "NEW", true, &event);
	assert_false(event.look_first);
	assert_string_equal(event.content, "{\"ciphertext\":\"2\"}");
	deliver_event_finish(&event);
	world_destroy(w);
}

static void a_posted_event_waits_its_turn_and_can_be_found_again(void **state)
{
	struct world *w = world_create("");
	json_t *content = json_pack("{s:s, s:s, s:{}, s:{s:s}}", "msgtype", "m.notice", "body",
	        "alive", "m.mentions", RENDER_KEY, "kind", "heartbeat");
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
	int64_t outbox_id = 0;
	json_t *sent;

	world_alert(w, "{\"app\":\"a\",\"severity\":\"critical\",\"title\":\"first\"}");
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(
	        deliver_post(&d, "ops", OUTBOX_NOTE, 0, "m.room.message", content, &outbox_id), OK);
	assert_int_equal(store_commit(w->store), OK);
	assert_true(outbox_id > 0);
	world_pass(w, 1000);
	assert_int_equal(w->len, 2);
	assert_string_equal(w->events[1].what, "note");
	sent = json_loads(w->events[1].content, 0, NULL);
	assert_string_equal(
	        json_string_value(json_object_get(json_object_get(sent, RENDER_KEY), "txn_id")),
	        w->events[1].txn_id);
	assert_string_equal(
	        json_string_value(json_object_get(json_object_get(sent, RENDER_KEY), "kind")),
	        "heartbeat");
	assert_null(json_object_get(json_object_get(content, RENDER_KEY), "txn_id"));
	json_decref(sent);
	json_decref(content);
	world_destroy(w);
}

static void a_firing_critical_mutes_warnings_of_the_same(void **state)
{
	struct world *w = world_create("[delivery]\ninhibit = yes\n");
	static const char form[] = "{\"app\":\"%s\",\"kind\":\"message\",\"severity\":\"%s\","
	                           "\"title\":\"%s\",\"status\":\"%s\"}";

	assert_string_equal(world_alert(w, form, "a", "warning", "disk", "firing"), "queued");
	world_alert(w, form, "a", "critical", "disk", "firing");
	assert_string_equal(world_alert(w, form, "a", "warning", "disk", "firing"), "silenced");
	assert_string_equal(world_alert(w, form, "a", "warning", "net", "firing"), "grouped");
	assert_string_equal(world_alert(w, form, "b", "warning", "disk", "firing"), "queued");
	world_alert(w, form, "a", "critical", "disk", "resolved");
	assert_string_equal(world_alert(w, form, "a", "warning", "disk", "firing"), "grouped");
	world_destroy(w);
}

/* In a plain room an event may be as large as the homeserver takes it; in one that is encrypted by
 * then, its ciphertext may. */
static void a_plain_room_has_room_for_more(void **state)
{
	int64_t bytes[2];

	for (int encrypted = 0; encrypted < 2; encrypted++) {
		struct room_row room = {.room_id = (char *)"!ops:x", .encrypted = encrypted};
		struct world *w = world_create("");
		struct message_row message = {0};

		world_alert(w, NODE, "app", 0, 0);
		world_send(w);
		assert_int_equal(store_begin(w->store), OK);
		assert_int_equal(rooms_put(w->store, &room), OK);
		assert_int_equal(store_commit(w->store), OK);
		for (int i = 1; i < 150; i++)
			assert_string_equal(world_alert(w, NODE, "app", i, i), "grouped");
		assert_int_equal(messages_by_id(w->store, 1, &message), OK);
		bytes[encrypted] = message.bytes;
		message_row_finish(&message);
		world_destroy(w);
	}
	assert_true(bytes[0] > 32 * 1024 && bytes[0] <= 40 * 1024);
	assert_true(bytes[1] > 24 * 1024 && bytes[1] < 30 * 1024);
}

static void no_event_passes_its_limit(void **state)
{
	struct world *w = world_create("");
	char *error = x_calloc(1, 60001), *body;

	memset(error, '<', 60000); /* five bytes each in HTML */
	for (int n = 0; n < 200; n++)
		world_alert(w,
		        "{\"app\":\"data_factory\",\"kind\":\"node_failed\",\"run_id\":\"r%d\","
		        "\"fields\":{\"node_id\":\"n%d\",\"error\":\"%s\"}}",
		        n, n, error);
	world_pass(w, 10000);
	assert_int_equal(world_count(w, "send"), 1); /* what is full does not pass the throttle */
	body = world_body(w, w->len - 1);
	assert_non_null(strstr(body, " more: !alerts data_factory"));
	free(body);
	for (size_t i = 0; i < w->len; i++)
		assert_true(strlen(w->events[i].content) <= RENDER_EVENT_MAX);
	free(error);
	world_destroy(w);
}

/* One app in a loop, each time another failure: one message, one ring, and the number goes on. */
static void a_loop_is_one_message_a_minute(void **state)
{
	struct world *w = world_create("[delivery]\nstorm = 5\n");
	char *body;

	for (int n = 0; n < 1500; n++) {
		world_alert(w, NODE, "loop", n, n);
		if (n % 50 == 0)
			world_pass(w, 1000);
	}
	world_pass(w, 20000);
	assert_int_equal(world_count(w, "send"), 1);
	body = world_body(w, w->len - 1);
	assert_non_null(strstr(body, " more: !alerts loop"));
	free(body);
	world_alert(w, NODE, "other", 1, 1);
	world_send(w);
	assert_int_equal(world_count(w, "send"), 2);
	world_pass(w, CLOCK_MINUTE_MS);
	body = world_body(w, w->len - 1);
	assert_non_null(strstr(body, "more critical failures")); /* and one ring says how many */
	free(body);
	for (size_t i = 0; i < w->len; i++)
		assert_true(strlen(w->events[i].content) <= RENDER_EVENT_MAX);
	world_destroy(w);
}

static void storm_of(struct world *w, const char *severity, int from, int to)
{
	for (int n = from; n < to; n++)
		world_alert(w,
		        "{\"app\":\"s%d\",\"kind\":\"node_failed\",\"severity\":\"%s\","
		        "\"run_id\":\"r%d\",\"fields\":{\"node_id\":\"n\"}}",
		        n, severity, n);
}

static void criticals_of_a_storm_ring_at_its_minutes_end(void **state)
{
	struct world *w = world_create("[delivery]\nstorm = 5\n");
	size_t sends;

	storm_of(w, "critical", 0, 10); /* five messages and the storm */
	world_pass(w, 5000);
	assert_int_equal(world_count(w, "send"), 6);
	for (int minute = 0; minute < 3; minute++) { /* it goes on */
		sends = world_count(w, "send");
		storm_of(w, "critical", 10 + 10 * minute, 20 + 10 * minute);
		world_pass(w, CLOCK_MINUTE_MS + 5000);
		assert_int_equal(world_count(w, "send"), sends + 1); /* one ring a minute */
	}
	world_destroy(w);
}

static void a_critical_joins_no_storm_of_warnings_in_silence(void **state)
{
	struct world *w = world_create("[route]\nwarning = ops\n[delivery]\nstorm = 5\n");

	storm_of(w, "warning", 0, 10);
	world_pass(w, 5000);
	assert_int_equal(world_count(w, "send"), 6);
	storm_of(w, "critical", 50, 51);
	world_send(w);
	assert_int_equal(world_count(w, "send"), 7); /* at once */
	storm_of(w, "critical", 60, 70);
	world_pass(w, 5000);
	assert_int_equal(world_count(w, "send"), 7);
	world_destroy(w);
}

/* Frozen as the homeserver went away, a storm must not swallow what comes in the hours after. */
static void a_storm_from_before_an_outage_ends(void **state)
{
	struct world *w = world_create("[delivery]\nstorm = 5\n");
	struct deliver_event event;

	storm_of(w, "critical", 0, 5);
	world_send(w);
	storm_of(w, "critical", 5, 8);
	assert_true(world_next(w, &event)); /* and no answer comes */
	w->down = true;
	storm_of(w, "critical", 8, 10); /* join in silence */
	for (int minutes = 0; minutes < 30; minutes++) {
		world_next(w, &(struct deliver_event){0});
		w->now_ms += CLOCK_MINUTE_MS;
	}
	assert_string_equal(world_alert(w, NODE, "later", 1, 1), "queued"); /* its own message */
	w->down = false;
	world_finish(w, &event, DELIVER_SENT);
	deliver_event_finish(&event);
	world_pass(w, 5000);
	assert_int_equal(world_count(w, "send"), 5 + 1 + 1 + 1); /* storm, ring, later */
	world_destroy(w);
}

#define LONG                                                                                 \
	"{\"app\":\"loop\",\"kind\":\"node_failed\",\"run_id\":\"r%d\",\"node_id\":\"n%d\"," \
	"\"error\":\"%01500d\"}"

/* What fires again in a message that is full of others is announced as anywhere else. */
static void failing_again_in_a_full_message_is_told(void **state)
{
	struct world *w = world_create("");
	size_t replies;
	char *body;

	for (int n = 0; n < 40; n++)
		world_alert(w, LONG, n, n, 0);
	world_send(w);
	world_alert(w, "{\"app\":\"loop\",\"kind\":\"node_failed\",\"status\":\"resolved\","
	               "\"node_id\":\"n1\"}");
	world_pass(w, 2000);
	replies = world_count(w, "reply");
	for (int n = 40; n < 80; n++) /* there is more place in a room that is not encrypted */
		world_alert(w, LONG, n, n, 0);
	world_alert(w, LONG, 2000, 1, 0);
	world_pass(w, 2000);
	assert_int_equal(world_count(w, "reply"), replies + 1);
	assert_int_equal(world_count(w, "send"), 1);
	world_pass(w, CLOCK_MINUTE_MS);
	assert_int_equal(world_count(w, "send"), 2);
	body = world_body(w, w->len - 1);
	assert_non_null(strstr(body, "41 more critical failures"));
	free(body);
	world_destroy(w);
}

/* Its app has no place left in a storm message that is not sent yet: it notifies all the same. */
static void a_critical_is_counted_in_no_storm_of_notices_in_silence(void **state)
{
	struct world *w = world_create("[route]\ninfo = ops\n[delivery]\nstorm = 1\n");

	storm_of(w, "info", 0, 1);
	for (int n = 0; n < 15; n++)
		world_alert(w, "{\"app\":\"loud\",\"title\":\"t%d\",\"severity\":\"info\"}", n);
	world_alert(w, NODE, "loud", 1, 1);
	world_send(w);
	assert_int_equal(world_count(w, "send"), 2);
	assert_non_null(strstr(w->events[0].content, "m.notice"));
	assert_non_null(strstr(w->events[1].content, "m.text"));
	world_destroy(w);
}

/* A message that gives way to a storm as its minute ends takes its ring along. */
static void what_joined_a_message_before_a_storm_rings(void **state)
{
	for (int fresh = 0; fresh < 2; fresh++) {
		struct world *w = world_create("[delivery]\nstorm = 3\n");
		size_t len;
		char *body = NULL;

		world_alert(w, NODE, "a", 1, 1);
		world_send(w);
		world_alert(w, NODE, "a", 2, 2); /* by an edit */
		world_pass(w, CLOCK_MINUTE_MS - 1000);
		storm_of(w, "critical", 0, fresh ? 2 : 5);
		world_send(w);
		w->now_ms += 1500; /* the minute is over, and nobody looked yet */
		len = w->len;
		if (fresh) /* opens the storm */
			storm_of(w, "critical", 5, 6);
		world_alert(w, NODE, "a", 3, 3);
		world_pass(w, fresh ? 5000 : 2 * CLOCK_MINUTE_MS);
		for (; len < w->len; len++) {
			body = world_body(w, len);
			if (strstr(body,
			            fresh ? "1 more critical failure" : "2 more critical failures"))
				break;
			free(body);
		}
		assert_true(len < w->len);
		free(body);
		world_destroy(w);
	}
}

/* A test and a failure of the same app are messages of their own, whichever came first. */
static void a_test_and_a_failure_share_no_message(void **state)
{
	static const char test[] = "{\"app\":\"a\",\"kind\":\"node_failed\",\"run_id\":\"test-1\","
	                           "\"fields\":{\"node_id\":\"n0\",\"test\":true}}";
	struct world *w;

	(void)state;
	for (int first = 0; first < 2; first++) {
		w = world_create("");
		for (int i = 0; i < 2; i++)
			assert_string_equal(
			        i == first ? world_alert(w, test) : world_alert(w, NODE, "a", 1, 1),
			        "queued");
		world_send(w);
		assert_int_equal(world_count(w, "send"), 2);
		world_destroy(w);
	}
}

/* An app in a loop: the count goes on, the row of its entry does not grow, and no run is forgotten.
 */
static void the_runs_of_a_failure_are_many_and_its_row_is_small(void **state)
{
	struct world *w = world_create("");
	struct entry_row *entries;
	json_t *runs;
	size_t len;
	bool known;

	(void)state;
	for (int run = 0; run < 3 * ENTRY_RUNS_MAX; run++)
		world_alert(w, NODE, "a", run, 1);
	assert_int_equal(entries_open(w->store, 0, 2, &entries, &len), OK);
	assert_int_equal(len, 1);
	assert_int_equal(entries[0].count, 3 * ENTRY_RUNS_MAX);
	runs = json_loads(entries[0].run_ids, 0, NULL);
	assert_int_equal(json_array_size(runs), ENTRY_RUNS_MAX);
	json_decref(runs);
	assert_int_equal(entries_knows_run(w->store, entries[0].id, "r0", &known), OK);
	assert_true(known);
	entry_rows_free(entries, len);
	world_destroy(w);
}

/* A run that ended well names what failed in it by its id alone; another's failure goes on. */
static void a_run_id_alone_resolves_what_failed_in_it(void **state)
{
	struct world *w = world_create("");
	struct entry_row *entries;
	size_t len;

	(void)state;
	world_alert(w, NODE, "a", 1, 1);
	world_alert(w, NODE, "a", 2, 2);
	world_send(w);
	assert_string_equal(world_alert(w, "{\"app\":\"a\",\"kind\":\"node_failed\","
	                                   "\"status\":\"resolved\",\"run_id\":\"r3\"}"),
	        "ignored");
	/* another app's run of that name; another failure of the run, by its name */
	assert_string_equal(world_alert(w, "{\"app\":\"b\",\"kind\":\"node_failed\","
	                                   "\"status\":\"resolved\",\"run_id\":\"r1\"}"),
	        "ignored");
	assert_string_equal(
	        world_alert(w, "{\"app\":\"a\",\"kind\":\"node_failed\",\"status\":\"resolved\","
	                       "\"run_id\":\"r1\",\"node_id\":\"n9\"}"),
	        "ignored");
	assert_string_equal(world_alert(w, "{\"app\":\"a\",\"kind\":\"node_failed\","
	                                   "\"status\":\"resolved\",\"run_id\":\"r1\"}"),
	        "grouped");
	assert_int_equal(entries_open(w->store, 0, 3, &entries, &len), OK);
	assert_int_equal(len, 1);
	assert_string_equal(entries[0].identity, "n2");
	entry_rows_free(entries, len);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(ten_equal_alerts_are_one_message),
	        cmocka_unit_test(numbers_that_no_event_can_hold_are_text),
	        cmocka_unit_test(a_minute_has_one_new_message),
	        cmocka_unit_test(a_run_id_alone_resolves_what_failed_in_it),
	        cmocka_unit_test(a_test_and_a_failure_share_no_message),
	        cmocka_unit_test(the_runs_of_a_failure_are_many_and_its_row_is_small),
	        cmocka_unit_test(a_queue_drains_in_order),
	        cmocka_unit_test(fired_and_resolved_while_down_is_one_message),
	        cmocka_unit_test(resolved_edits_at_once_and_answers_in_the_thread),
	        cmocka_unit_test(a_redacted_message_takes_no_more),
	        cmocka_unit_test(what_is_worse_starts_a_message),
	        cmocka_unit_test(silent_criticals_ring_at_the_end_of_the_minute),
	        cmocka_unit_test(a_flood_of_origins_is_one_storm_message),
	        cmocka_unit_test(a_storm_lasts_a_minute_without_a_throttle_too),
	        cmocka_unit_test(the_same_id_is_stored_once),
	        cmocka_unit_test(an_id_is_its_apps_own),
	        cmocka_unit_test(a_crash_repeats_the_same_event),
	        cmocka_unit_test(what_is_undeliverable_blocks_nothing),
	        cmocka_unit_test(what_was_refused_after_a_lost_answer_is_looked_for),
	        cmocka_unit_test(what_was_refused_and_is_not_there_is_made_anew),
	        cmocka_unit_test(an_edit_is_made_anew_when_it_is_retried),
	        cmocka_unit_test(what_sync_has_shown_is_not_undeliverable),
	        cmocka_unit_test(an_encrypted_room_gets_no_plain_text),
	        cmocka_unit_test(edits_in_an_encrypted_room_are_encrypted),
	        cmocka_unit_test(another_device_looks_first_and_encrypts_anew),
	        cmocka_unit_test(a_posted_event_waits_its_turn_and_can_be_found_again),
	        cmocka_unit_test(a_firing_critical_mutes_warnings_of_the_same),
	        cmocka_unit_test(a_plain_room_has_room_for_more),
	        cmocka_unit_test(no_event_passes_its_limit),
	        cmocka_unit_test(a_loop_is_one_message_a_minute),
	        cmocka_unit_test(criticals_of_a_storm_ring_at_its_minutes_end),
	        cmocka_unit_test(a_critical_joins_no_storm_of_warnings_in_silence),
	        cmocka_unit_test(a_storm_from_before_an_outage_ends),
	        cmocka_unit_test(failing_again_in_a_full_message_is_told),
	        cmocka_unit_test(a_critical_is_counted_in_no_storm_of_notices_in_silence),
	        cmocka_unit_test(what_joined_a_message_before_a_storm_rings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
