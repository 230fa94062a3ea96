/*
 * test_notices.c - what the bot and the watcher say of themselves, in both forms: heartbeats in
 * time, late and missing; alerts that are not in their room; handovers; the ends of silences and
 * quiet times; all with the longest lists and with hostile values.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "handlers/alerts/render.h"
#include "handlers/alerts/undelivered_look.h"
#include "handlers/heartbeats/absence_room.h"
#include "handlers/oncall/handover.h"
#include "handlers/oncall/resolve.h"
#include "handlers/silences/quiet.h"
#include "handlers/silences/silence.h"
#include "tests/unit/heartbeat_fixture.h"
#include "tests/unit/snapshot.h"

#define HOSTILE "<b>@room</b> [x](https://evil.example) @op1:x **bold** `code`"
#define CONFIG                                                                                  \
	"[heartbeat]\ntimezone = Europe/Madrid\n[meta]\nroom = dev\n[delivery]\nstorm = 0\n"    \
	"[severity critical]\nmention = oncall:main\n[oncall main]\nusers = @ana:x, @ben:y\n"   \
	"rotate = weekly mon 09:00\nfrom = 2026-12-07\n[quiet night]\nwhat = app=calm\nfrom = " \
	"23:00\nto = 07:00\n"

/* Takes what was sent to a room since into the snapshot. */
static void take(struct snapshot *snapshot, struct world *w, const char *room, const char *name)
{
	size_t seen = w->len;

	w->room = room;
	world_send(w);
	for (; seen < w->len; seen++) {
		json_t *content = json_loads(w->events[seen].content, 0, NULL);

		assert_non_null(content);
		snapshot_add(snapshot, name, content);
		json_decref(content);
	}
	w->room = NULL;
}

/* What this room has waiting is of no interest. */
static void drop_waiting(struct world *w, const char *room)
{
	w->room = room;
	world_send(w);
	w->room = NULL;
}

/* Eleven apps, and twelve failures of one of them. */
static void fire(struct world *w)
{
	for (int i = 0; i < 12; i++)
		world_alert(w,
		        "{\"app\":\"etl\",\"severity\":\"critical\",\"run_id\":\"e-%d\","
		        "\"title\":\"load_%d\"}",
		        i, i);
	world_alert(w, "{\"app\":\"evil.example\",\"severity\":\"critical\",\"run_id\":\"" HOSTILE
	               "\",\"title\":\"" HOSTILE "\"}");
	for (int i = 0; i < 9; i++)
		world_alert(
		        w, "{\"app\":\"svc%d\",\"severity\":\"warning\",\"title\":\"slow\"}", i);
	world_send(w);
}

static struct deliver deliver_of(struct world *w)
{
	return (struct deliver){.store = w->store, .config = w->config, .now_ms = w->now_ms};
}

static void heartbeats(void **state)
{
	struct world *w = world_create(CONFIG);
	struct snapshot snapshot;
	struct daemon daemon;

	snapshot_init(&snapshot, "notices_heartbeat");
	w->now_ms = at("2026-12-08T07:00:00Z");
	daemon_start(&daemon, w);
	run_until(&daemon, at("2026-12-08T07:30:00Z"));
	w->len = 0;
	w->now_ms = at("2026-12-08T08:00:00Z");
	look(&daemon);
	take(&snapshot, w, "ops", "a quiet day");
	w->now_ms = at("2026-12-09T07:50:00Z");
	fire(w);
	drop_waiting(w, "dev");
	world_silence(w, "app=billing", 0, w->now_ms + 5 * CLOCK_HOUR_MS);
	w->now_ms = at("2026-12-09T08:00:00Z");
	look(&daemon);
	take(&snapshot, w, "ops", "a bad day");
	run_until(&daemon, at("2026-12-09T08:01:00Z"));
	w->down = true;
	w->now_ms = at("2026-12-10T07:59:00Z");
	run_until(&daemon, at("2026-12-10T08:06:00Z"));
	w->down = false;
	take(&snapshot, w, "dev", "missing: not confirmed");
	w->now_ms = at("2026-12-10T08:07:00Z");
	take(&snapshot, w, "ops", "confirmed after all");
	run_until(&daemon, at("2026-12-10T08:08:00Z"));
	daemon_end(&daemon);
	w->now_ms = at("2026-12-11T08:30:00Z");
	daemon_start(&daemon, w);
	look(&daemon);
	take(&snapshot, w, "ops", "late");
	take(&snapshot, w, "dev", "missing: the bot was down");
	daemon_end(&daemon);
	snapshot_check(&snapshot);
	world_destroy(w);
	zone_use(NULL);
}

static void watch(struct snapshot *snapshot, struct world *w, const char *now, const char *problem,
        const char *name)
{
	struct deliver d;
	struct absence_look look = {.saw = !*problem, .problem = problem};
	json_t *texts;

	w->now_ms = at(now);
	d = deliver_of(w);
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(absence_tick(&d, &look, &texts), OK);
	if (json_array_size(texts) > 0)
		assert_int_equal(absence_told(w->store), OK);
	assert_int_equal(store_commit(w->store), OK);
	if (name)
		take(snapshot, w, "ops", name);
	else if (json_array_size(texts) > 0) /* the room cannot hear of it */
		buf_printf(&snapshot->text, "=== by the other channels\n%s\n\n",
		        json_string_value(json_array_get(texts, 0)));
	json_decref(texts);
}

static void see(struct world *w, const char *date)
{
	struct room_event event = {.room = "ops",
	        .room_id = "!ops:x",
	        .event_id = "$1",
	        .sender = "@telemetry:x",
	        .type = "m.room.message"};
	json_t *content = json_pack("{s:{s:{s:s}}}", RENDER_KEY, "heartbeat", "date", date);
	struct command_env env = {.store = w->store,
	        .config = w->config,
	        .now_ms = w->now_ms,
	        .happened = json_array()};

	event.content = content;
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(absence_event(&env, &event), OK);
	assert_int_equal(store_commit(w->store), OK);
	json_decref(content);
	json_decref(env.happened);
}

static void watcher(void **state)
{
	struct world *w = world_create(
	        "[heartbeat]\nsender = @telemetry:x\ntimezone = Europe/Madrid\n[severity "
	        "critical]\nmention = @op1:x\n");
	struct snapshot snapshot;

	snapshot_init(&snapshot, "notices_watcher");
	zone_use("Europe/Madrid");
	watch(&snapshot, w, "2026-12-08T07:59:00Z", "", NULL);
	watch(&snapshot, w, "2026-12-08T08:00:30Z", "", NULL);
	watch(&snapshot, w, "2026-12-08T08:02:20Z", "", NULL);
	watch(&snapshot, w, "2026-12-08T08:04:10Z", "", NULL);
	watch(&snapshot, w, "2026-12-08T08:05:30Z", "", "missing, never seen");
	w->now_ms = at("2026-12-08T08:20:00Z");
	see(w, "2026-12-08");
	watch(&snapshot, w, "2026-12-08T08:20:30Z", "", "back");
	for (int i = 0; i < 7; i++) {
		char now[32];

		snprintf(now, sizeof(now), "2026-12-09T08:0%d:00Z", i);
		watch(&snapshot, w, now, "", i == 6 ? "missing, seen before" : NULL);
	}
	for (int i = 0; i < 10; i++) {
		char now[32];

		snprintf(now, sizeof(now), "2026-12-10T08:0%d:00Z", i);
		watch(&snapshot, w, now, i < 9 ? "HTTP 502: " HOSTILE : "", NULL);
	}
	snapshot_check(&snapshot);
	world_destroy(w);
	zone_use(NULL);
}

static void undelivered(struct snapshot *snapshot, struct world *w, const char *name)
{
	struct report_room rooms[] = {
	        {.name = "ops", .address = "#ops:x", .problem = "banned by <b>@mod:x</b>"},
	        {.name = "dev", .address = "#dev:x", .problem = ""}};
	const struct report_status status = {
	        .rooms = rooms, .rooms_len = 2, .problem = "", .limit = ""};
	struct undelivered_memory memory = {0};
	struct deliver d = deliver_of(w);

	for (int i = 0; i < 2; i++) { /* the second look stores what the first has told */
		char *text;

		assert_int_equal(store_begin(w->store), OK);
		assert_int_equal(undelivered_look(&d, &status, &memory, &text), OK);
		assert_int_equal(store_commit(w->store), OK);
		free(text);
	}
	take(snapshot, w, "dev", name);
}

static void handover(struct world *w, const json_t *members)
{
	struct report_room room = {
	        .name = "ops", .address = "#ops:x", .members = (json_t *)members};
	const struct report_status status = {.rooms = &room, .rooms_len = 1};
	const struct deliver d = deliver_of(w);

	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(handover_look(&d, &status), OK);
	assert_int_equal(silence_end_due(&d), OK);
	assert_int_equal(quiet_end_due(&d), OK);
	assert_int_equal(store_commit(w->store), OK);
}

static void rooms_and_people(void **state)
{
	struct world *w = world_create(CONFIG);
	json_t *members = json_pack("[s]", "@ana:x");
	struct snapshot snapshot;

	snapshot_init(&snapshot, "notices");
	zone_use("Europe/Madrid");
	w->now_ms = at("2026-12-13T23:00:00Z");
	handover(w, NULL);
	handover(w, members);
	take(&snapshot, w, "ops", "on call, but not in the room");
	w->down = true;
	fire(w);
	world_alert(w, "{\"app\":\"calm\",\"severity\":\"warning\",\"title\":\"" HOSTILE "\"}");
	w->now_ms += 6 * CLOCK_MINUTE_MS;
	w->down = false;
	drop_waiting(w, "dev");
	undelivered(&snapshot, w, "not in the room in time");
	world_send(w);
	undelivered(&snapshot, w, "recovered");
	world_silence(w, "app=~\"bill.*\"", 0, w->now_ms + 10 * CLOCK_HOUR_MS);
	world_silence(w, "app=\"held\"", 0, w->now_ms + CLOCK_HOUR_MS);
	world_alert(w, "{\"app\":\"held\",\"severity\":\"critical\",\"title\":\"" HOSTILE "\"}");
	w->now_ms += 2 * CLOCK_HOUR_MS;
	handover(w, members);
	take(&snapshot, w, "ops", "a silence expires");
	w->now_ms = at("2026-12-14T07:00:00Z");
	handover(w, members);
	take(&snapshot, w, "dev", "a quiet time is over");
	take(&snapshot, w, "ops", "a quiet time is over");
	w->now_ms = at("2026-12-14T08:00:00Z");
	handover(w, members);
	take(&snapshot, w, "ops", "handover");
	snapshot_check(&snapshot);
	json_decref(members);
	world_destroy(w);
	zone_use(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(heartbeats),
	        cmocka_unit_test(watcher),
	        cmocka_unit_test(rooms_and_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
