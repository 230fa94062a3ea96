/*
 * test_absence_room.c - the watcher over a real store: which events it takes for heartbeats, what
 * it tells where, and that a crash between two commits tells twice rather than never.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "bot/base/clock.h"
#include "bot/base/zone.h"
#include "handlers/alerts/render.h"
#include "handlers/heartbeats/absence_room.h"
#include "storage/undecrypted.h"
#include "tests/unit/handlers_fixture.h"

#define WATCH                                                                                    \
	"[heartbeat]\nsender = @telemetry:x\nat = 09:00\ntimezone = Europe/Madrid\ngrace = 5m\n" \
	"[severity critical]\nmention = @oncall:x\n"
#define DATE "2026-09-22"

static int64_t when(const char *text)
{
	int64_t ms;

	assert_true(clock_parse_rfc3339(text, &ms));
	return ms;
}

/* One look at the clock; the texts for other channels are the caller's. */
static json_t *tick(struct world *w, const char *at, bool saw)
{
	struct deliver d = {.store = w->store, .config = w->config};
	struct absence_look look = {.saw = saw, .problem = saw ? "" : "no route\nto host"};
	json_t *texts;

	w->now_ms = d.now_ms = when(at);
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(absence_tick(&d, &look, &texts), OK);
	assert_int_equal(store_commit(w->store), OK);
	return texts;
}

static void tick_quiet(struct world *w, const char *at)
{
	json_t *texts = tick(w, at, true);

	assert_int_equal(json_array_size(texts), 0);
	json_decref(texts);
}

static void told(struct world *w)
{
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(absence_told(w->store), OK);
	assert_int_equal(store_commit(w->store), OK);
}

/* An event comes; true: it was taken for a heartbeat. */
static bool event(struct world *w, const struct room_event *base, const char *date)
{
	struct room_event event = *base;
	json_t *content = json_pack("{s:s, s:s, s:{s:{s:s, s:I}}}", "msgtype", "m.notice", "body",
	        "alive", RENDER_KEY, "heartbeat", "date", date, "due_ms",
	        (json_int_t)when("2026-09-22T07:00:00Z"));
	json_t *happened = json_array();
	struct command_env env = {
	        .store = w->store, .config = w->config, .now_ms = w->now_ms, .happened = happened};
	bool taken;

	event.content = content;
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(absence_event(&env, &event), OK);
	assert_int_equal(store_commit(w->store), OK);
	taken = json_array_size(happened) > 0;
	json_decref(content);
	json_decref(happened);
	return taken;
}

static const struct room_event heartbeat = {
        .room = "ops",
        .room_id = "!ops:x",
        .event_id = "$1",
        .sender = "@telemetry:x",
        .type = "m.room.message",
};

static struct world *begin(const char *more)
{
	struct world *w = world_create(more);

	zone_use("Europe/Madrid");
	return w;
}

static void test_missing_and_back(void **state)
{
	struct world *w = begin(WATCH);
	json_t *texts, *again, *content;
	const char *text;

	tick_quiet(w, "2026-09-22T06:59:00Z");
	tick_quiet(w, "2026-09-22T07:00:30Z");
	tick_quiet(w, "2026-09-22T07:02:00Z");
	tick_quiet(w, "2026-09-22T07:03:30Z");
	texts = tick(w, "2026-09-22T07:05:00Z", true);
	assert_int_equal(json_array_size(texts), 1);
	text = json_string_value(json_array_get(texts, 0));
	assert_non_null(
	        strstr(text, "No heartbeat from @telemetry:x · due Tue 22 Sep 09:00 CEST\n"));
	assert_non_null(strstr(text, ", more than 5m later."));
	assert_non_null(strstr(text, "not in #ops:x"));
	/* until it is known that it was told, it is handed out again */
	again = tick(w, "2026-09-22T07:05:05Z", true);
	assert_true(json_equal(texts, again));
	json_decref(again);
	told(w);
	tick_quiet(w, "2026-09-22T07:05:10Z");
	world_send(w);
	assert_int_equal(w->len, 1);
	content = json_loads(w->events[0].content, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(content, "body")), text);
	assert_string_equal(json_string_value(json_object_get(content, "msgtype")), "m.text");
	assert_string_equal(
	        json_string_value(json_array_get(
	                json_object_get(json_object_get(content, "m.mentions"), "user_ids"), 0)),
	        "@oncall:x");
	json_decref(content);
	json_decref(texts);

	assert_true(event(w, &heartbeat, DATE));
	texts = tick(w, "2026-09-22T07:20:00Z", true);
	assert_int_equal(json_array_size(texts), 1);
	text = json_string_value(json_array_get(texts, 0));
	assert_non_null(strstr(text, "@telemetry:x is back: its heartbeat due Tue 22 Sep 09:00 "
	                             "CEST has arrived\nIt was reported as missing 09:05 CEST"));
	world_send(w);
	assert_int_equal(w->len, 2);
	json_decref(texts);
	world_destroy(w);
}

static void test_blind_is_told_elsewhere(void **state)
{
	struct world *w = begin(WATCH);
	json_t *texts;
	const char *text;

	tick_quiet(w, "2026-09-22T06:59:00Z");
	for (int minute = 0; minute < 5; minute++) {
		char at[32];

		snprintf(at, sizeof(at), "2026-09-22T07:%02d:00Z", minute);
		texts = tick(w, at, false);
		assert_int_equal(json_array_size(texts), 0);
		json_decref(texts);
	}
	texts = tick(w, "2026-09-22T07:05:00Z", false);
	assert_int_equal(json_array_size(texts), 1);
	text = json_string_value(json_array_get(texts, 0));
	assert_non_null(strstr(text, "The watcher cannot read #ops:x"));
	assert_non_null(strstr(text, "Last read 08:59 CEST (6m ago): no route"));
	json_decref(texts);
	told(w);
	texts = tick(w, "2026-09-22T07:06:00Z", true);
	assert_int_equal(json_array_size(texts), 1);
	assert_non_null(strstr(
	        json_string_value(json_array_get(texts, 0)), "The watcher can read #ops:x again"));
	json_decref(texts);
	world_send(w);
	assert_int_equal(w->len, 0);
	world_destroy(w);
}

/* An encrypted heartbeat whose key is not here: the alarm says that it may be that. */
static void test_missing_or_not_readable(void **state)
{
	struct world *w = begin(WATCH);
	struct undecrypted_row row = {
	        .at_ms = when("2026-09-22T07:00:10Z"),
	        .room = (char *)"ops",
	        .room_id = (char *)"!ops:x",
	        .event_id = (char *)"$e",
	        .event = (char *)"{}",
	};
	json_t *texts;

	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(undecrypted_insert(w->store, &row), OK);
	assert_int_equal(store_commit(w->store), OK);
	tick_quiet(w, "2026-09-22T06:59:00Z");
	tick_quiet(w, "2026-09-22T07:00:30Z");
	tick_quiet(w, "2026-09-22T07:02:00Z");
	tick_quiet(w, "2026-09-22T07:03:30Z");
	texts = tick(w, "2026-09-22T07:05:00Z", true);
	assert_non_null(strstr(json_string_value(json_array_get(texts, 0)),
	        "cannot decrypt 1 message of the last day"));
	json_decref(texts);
	world_destroy(w);
}

static void test_another_room_of_meta_is_told_too(void **state)
{
	struct world *w = begin(WATCH "[meta]\nroom = dev\n");
	struct deliver d = {.store = w->store, .config = w->config};
	struct deliver_room room = {.name = "dev", .room_id = "!dev:x", .device_id = "DEV"};
	struct deliver_event sent = {0};
	int64_t due_ms;

	tick_quiet(w, "2026-09-22T06:59:00Z");
	tick_quiet(w, "2026-09-22T07:00:30Z");
	tick_quiet(w, "2026-09-22T07:02:00Z");
	tick_quiet(w, "2026-09-22T07:03:30Z");
	json_decref(tick(w, "2026-09-22T07:05:00Z", true));
	world_send(w);
	assert_int_equal(w->len, 1);
	d.now_ms = w->now_ms;
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(deliver_next(&d, &room, 1, &sent, &due_ms), OK);
	assert_int_equal(store_commit(w->store), OK);
	assert_int_not_equal(sent.outbox_id, 0);
	assert_non_null(strstr(sent.content, "No heartbeat from"));
	deliver_event_finish(&sent);
	world_destroy(w);
}

static void test_whose_word_is_taken(void **state)
{
	struct world *w = begin(WATCH);
	struct room_event other;

	w->now_ms = when("2026-09-22T07:00:10Z");
	other = heartbeat;
	other.sender = "@other:x";
	assert_false(event(w, &other, DATE));
	other = heartbeat;
	other.room = "dev";
	assert_false(event(w, &other, DATE));
	other = heartbeat;
	other.type = "m.reaction";
	assert_false(event(w, &other, DATE));
	other = heartbeat;
	other.encrypted = true; /* in the clear there, or by a device that nobody signed */
	assert_false(event(w, &other, DATE));
	assert_false(event(w, &heartbeat, "2026-09-23"));
	assert_false(event(w, &heartbeat, "2026-9-22"));
	other.obey = true;
	assert_true(event(w, &other, DATE));
	assert_false(event(w, &heartbeat, DATE)); /* again: no news */
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_missing_and_back),
	        cmocka_unit_test(test_blind_is_told_elsewhere),
	        cmocka_unit_test(test_missing_or_not_readable),
	        cmocka_unit_test(test_another_room_of_meta_is_told_too),
	        cmocka_unit_test(test_whose_word_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
