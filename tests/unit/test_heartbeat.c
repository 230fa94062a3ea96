/*
 * test_heartbeat.c - the bot's own sign of life in simulated time, and its alarm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "handlers/heartbeats/digest.h"
#include "handlers/alerts/render.h"
#include "storage/chart_rows.h"
#include "tests/unit/heartbeat_fixture.h"

/* The heartbeats in the room: of a date, or all (NULL). */
static size_t heartbeats(const struct world *w, const char *date)
{
	size_t count = 0;

	for (size_t i = 0; i < w->len; i++) {
		json_t *content = json_loads(w->events[i].content, 0, NULL);
		const json_t *beat =
		        json_object_get(json_object_get(content, RENDER_KEY), "heartbeat");
		const char *found = json_string_value(json_object_get(beat, "date"));

		count += found && (!date || strcmp(found, date) == 0);
		json_decref(content);
	}
	return count;
}

static json_t *last_content(const struct world *w)
{
	assert_true(w->len > 0);
	return json_loads(w->events[w->len - 1].content, 0, NULL);
}

static void one_heartbeat_a_day_with_its_data(void **state)
{
	struct world *w = world_create("[meta]\nping_url = https://hc.example/1\n");
	struct daemon daemon;
	json_t *content;
	const json_t *beat;
	const char *body;

	w->now_ms = at("2026-11-24T12:00:00Z"); /* after 09:00: no fault of a new database */
	daemon_start(&daemon, w);
	run_until(&daemon, at("2026-11-25T08:59:55Z"));
	assert_int_equal(w->len, 0);
	world_silence(w, "app=\"x\"", 0, at("2026-11-25T23:00:00Z"));
	/* does not hold yet */
	world_silence(w, "app=\"y\"", at("2026-11-25T22:00:00Z"), at("2026-11-25T23:00:00Z"));
	world_alert(w,
	        "{\"op\":\"alert\",\"app\":\"etl\",\"kind\":\"node_failed\",\"run_id\":\"r-1\","
	        "\"fields\":{\"node_id\":\"users\"}}");
	/* what was resolved was one alert, not two */
	world_alert(w, "{\"op\":\"alert\",\"app\":\"b\",\"title\":\"t\"}");
	world_alert(w, "{\"op\":\"alert\",\"app\":\"b\",\"title\":\"t\",\"status\":\"resolved\"}");
	run_until(&daemon, at("2026-11-25T09:00:15Z"));
	assert_string_equal(w->events[w->len - 1].what, "heartbeat");
	assert_int_equal(heartbeats(w, "2026-11-25"), 1);
	content = last_content(w);
	body = json_string_value(json_object_get(content, "body"));
	assert_string_equal(body, "💓 Running · 🚨 1 unacknowledged · Wed 25 Nov 09:00 UTC\n"
	                          "Last 24 h: 1 critical, 1 warning "
	                          "▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁█\n"
	                          "• b 1 · etl 1\n"
	                          "• Unacknowledged: etl · users r-1\n"
	                          "up 21h · 1 silence · 1 in the delivery queue · "
	                          "version 1.2.3");
	assert_null(strstr(body, "late"));
	assert_string_equal(json_string_value(json_object_get(content, "msgtype")), "m.notice");
	assert_true(json_is_object(json_object_get(content, "m.mentions")));
	beat = json_object_get(json_object_get(content, RENDER_KEY), "heartbeat");
	assert_int_equal(
	        json_integer_value(json_object_get(beat, "due_ms")), at("2026-11-25T09:00:00Z"));
	assert_true(json_is_false(json_object_get(beat, "late")));
	assert_int_equal(json_array_size(json_object_get(beat, "hours")), 24);
	assert_int_equal(json_integer_value(json_object_get(beat, "unacked")), 1);
	json_decref(content);
	daemon.spool_bad = 2;
	run_until(&daemon, at("2026-11-27T09:00:15Z"));
	assert_non_null(strstr(w->events[w->len - 1].content, "2 rejected in the spool (*.bad)"));
	assert_int_equal(heartbeats(w, NULL), 3);
	assert_int_equal(daemon.pinged, 3);
	assert_int_equal(daemon.told, 0);
	daemon_end(&daemon);
	world_destroy(w);
}

static void once_for_a_date_whatever_dies_and_however_the_clock_goes(void **state)
{
	struct world *w = world_create("[heartbeat]\ntimezone = Europe/Madrid\n");
	struct daemon daemon;

	w->now_ms = at("2026-10-22T20:00:00Z");
	daemon_start(&daemon, w);
	run_until(&daemon, at("2026-10-24T07:00:01Z"));
	daemon_end(&daemon);
	assert_int_equal(heartbeats(w, "2026-10-24"), 1);
	/* killed right after, started again */
	daemon_start(&daemon, w);
	run_until(&daemon, at("2026-10-24T07:10:00Z"));
	assert_int_equal(heartbeats(w, NULL), 2);
	/* set back by an hour: 09:00 comes again */
	w->now_ms -= CLOCK_HOUR_MS;
	run_until(&daemon, at("2026-10-24T07:20:00Z"));
	assert_int_equal(heartbeats(w, NULL), 2);
	/* set back by a day, and forth again while it was down */
	w->now_ms -= CLOCK_DAY_MS;
	run_until(&daemon, w->now_ms + CLOCK_HOUR_MS);
	daemon_end(&daemon);
	w->now_ms = at("2026-10-24T06:59:00Z");
	daemon_start(&daemon, w);
	run_until(&daemon, at("2026-10-24T07:20:00Z"));
	assert_int_equal(heartbeats(w, NULL), 2);
	/* the night in which 25 hours pass */
	run_until(&daemon, at("2026-10-25T07:59:55Z"));
	assert_int_equal(heartbeats(w, NULL), 2);
	run_until(&daemon, at("2026-10-25T08:00:15Z"));
	assert_int_equal(heartbeats(w, "2026-10-25"), 1);
	assert_int_equal(daemon.told, 0);
	daemon_end(&daemon);
	world_destroy(w);
}

static void down_over_the_time_is_late_and_told(void **state)
{
	struct world *w = world_create("[meta]\nroom = ops\nexec = true\n");
	struct daemon daemon;
	json_t *content;

	w->now_ms = at("2026-11-24T08:00:00Z");
	daemon_start(&daemon, w);
	run_until(&daemon, at("2026-11-24T08:30:30Z"));
	daemon_end(&daemon);
	w->now_ms = at("2026-11-26T09:02:00Z"); /* two were missed; within grace is no excuse */
	daemon_start(&daemon, w);
	run_until(&daemon, at("2026-11-26T09:10:00Z"));
	assert_int_equal(daemon.told, 1);
	assert_non_null(
	        strstr(daemon.last_told, "No heartbeat from @bot:x · due Thu 26 Nov 09:00 UTC"));
	assert_non_null(strstr(daemon.last_told, "The bot was down 2d (Tue 24 Nov 08:30 UTC – "
	                                         "Thu 26 Nov 09:02 UTC)"));
	assert_int_equal(heartbeats(w, NULL), 1);
	assert_int_equal(w->len, 2); /* the heartbeat, and the alarm in its room */
	content = json_loads(w->events[0].content, 0, NULL);
	assert_non_null(strstr(json_string_value(json_object_get(content, "body")),
	        "⚠️ I was down 2d (Tue 24 Nov 08:30 UTC – Thu 26 Nov 09:02 UTC); the 09:00 "
	        "heartbeat is late\n💓 Running"));
	assert_true(json_is_true(json_object_get(
	        json_object_get(json_object_get(content, RENDER_KEY), "heartbeat"), "late")));
	json_decref(content);
	content = last_content(w);
	assert_string_equal(json_string_value(json_object_get(content, "msgtype")), "m.text");
	json_decref(content);
	/* a restart tells nothing twice */
	daemon_end(&daemon);
	daemon_start(&daemon, w);
	run_until(&daemon, w->now_ms + CLOCK_MINUTE_MS);
	assert_int_equal(daemon.told, 0);
	assert_int_equal(w->len, 2);
	daemon_end(&daemon);
	world_destroy(w);
}

static void unconfirmed_is_told_once_with_the_reason(void **state)
{
	struct world *w = world_create("[heartbeat]\ngrace = 2m\n"
	                               "[meta]\nexec = true\nping_url = https://hc.example/1\n");
	struct daemon daemon;

	w->now_ms = at("2026-11-24T08:00:00Z");
	daemon_start(&daemon, w);
	run_until(&daemon, at("2026-11-24T08:59:00Z"));
	w->down = true;
	run_until(&daemon, at("2026-11-24T09:01:55Z"));
	assert_int_equal(daemon.told, 0);
	run_until(&daemon, at("2026-11-24T09:30:00Z"));
	assert_int_equal(daemon.told, 1);
	assert_non_null(strstr(daemon.last_told, "has not confirmed it 2m after it was due"));
	assert_non_null(strstr(daemon.last_told, "homeserver: connection refused"));
	assert_non_null(strstr(daemon.last_told, "room: gone away"));
	assert_int_equal(daemon.pinged, 0);
	w->down = false;
	run_until(&daemon, at("2026-11-24T09:31:00Z"));
	assert_int_equal(daemon.told, 1);
	assert_int_equal(daemon.pinged, 1);
	assert_int_equal(heartbeats(w, "2026-11-24"), 1);
	daemon_end(&daemon);
	world_destroy(w);
}

/* What was to be told and is not marked as told when the process dies is told by the next. */
static void a_crash_before_telling_tells_again(void **state)
{
	struct world *w = world_create("[heartbeat]\ngrace = 2m\n[meta]\nexec = true\n");
	struct daemon daemon;

	w->now_ms = at("2026-11-24T08:58:00Z");
	daemon_start(&daemon, w);
	w->down = true;
	while (daemon.told == 0) {
		look(&daemon);
		w->now_ms += TICK_MS;
		assert_true(w->now_ms < at("2026-11-24T09:10:00Z"));
	}
	daemon_end(&daemon);
	daemon_start(&daemon, w);
	look(&daemon);
	assert_int_equal(daemon.told, 1);
	look(&daemon);
	assert_int_equal(daemon.told, 1);
	daemon_end(&daemon);
	daemon_start(&daemon, w);
	look(&daemon);
	assert_int_equal(daemon.told, 0);
	daemon_end(&daemon);
	world_destroy(w);
}

static void a_sleep_over_the_time_fires_at_once_and_says_so(void **state)
{
	struct world *w = world_create("[meta]\nexec = true\n");
	struct daemon daemon;
	char *body;

	w->now_ms = at("2026-11-24T08:00:00Z");
	daemon_start(&daemon, w);
	run_until(&daemon, at("2026-11-24T08:10:00Z"));
	/* within grace: late, and no alarm */
	w->now_ms = at("2026-11-24T09:03:00Z");
	run_until(&daemon, at("2026-11-24T09:10:00Z"));
	assert_int_equal(heartbeats(w, "2026-11-24"), 1);
	assert_int_equal(daemon.told, 0);
	body = world_body(w, 0);
	assert_non_null(strstr(body, "⚠️ I stood still 53m"));
	assert_non_null(strstr(body, "–09:03 UTC; machine asleep, clock changed, or database not "
	                             "writable); the 09:00 heartbeat is late\n💓 Running"));
	free(body);
	w->now_ms = at("2026-11-25T11:00:00Z");
	run_until(&daemon, at("2026-11-25T11:01:00Z"));
	assert_int_equal(heartbeats(w, "2026-11-25"), 1);
	assert_int_equal(daemon.told, 1);
	assert_non_null(strstr(daemon.last_told, "stood still"));
	daemon_end(&daemon);
	world_destroy(w);
}

static void a_changed_time_counts_from_then_on(void **state)
{
	struct world *w = world_create("[meta]\nexec = true\n");
	struct daemon daemon;

	w->now_ms = at("2026-11-23T10:00:00Z");
	daemon_start(&daemon, w);
	run_until(&daemon, at("2026-11-24T08:30:00Z"));
	config_unref(w->config);
	w->config = fixture_config("[heartbeat]\nat = 07:00\n[meta]\nexec = true\n");
	run_until(&daemon, at("2026-11-25T07:00:10Z"));
	assert_int_equal(daemon.told, 0);
	assert_int_equal(heartbeats(w, NULL), 1);
	assert_int_equal(heartbeats(w, "2026-11-25"), 1);
	daemon_end(&daemon);
	world_destroy(w);
}

static void an_extra_one_is_not_the_days(void **state)
{
	struct world *w = world_create("");
	struct report_status status = {.started_ms = w->now_ms, .version = "1", .problem = ""};
	struct deliver d = {w->store, w->config, w->now_ms};
	json_t *content;

	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(heartbeat_extra(&d, &status), OK);
	assert_int_equal(store_commit(w->store), OK);
	world_send(w);
	assert_int_equal(w->len, 1);
	assert_int_equal(heartbeats(w, NULL), 0);
	content = last_content(w);
	assert_non_null(json_object_get(json_object_get(content, RENDER_KEY), "extra_heartbeat"));
	json_decref(content);
	world_destroy(w);
}

static void sparkline(void **state)
{
	static const int64_t numbers[] = {0, 1, 50, 100, -1}, none[] = {0, 0};
	struct buf out;

	buf_init(&out, 1024);
	digest_sparkline(numbers, 5, &out);
	assert_string_equal(buf_str(&out), "▁▂▅█▁");
	buf_reset(&out);
	digest_sparkline(none, 2, &out);
	assert_string_equal(buf_str(&out), "▁▁");
	buf_finish(&out);
}

static int64_t charts_waiting(struct world *w)
{
	int64_t count;

	assert_int_equal(charts_count(w->store, &count), OK);
	return count;
}

/* It is of the calendar week, in the zone, and asked for once, however often the daemon starts. */
static void on_mondays_the_week_follows_as_a_chart(void **state)
{
	struct world *w = world_create("[heartbeat]\ntimezone = Europe/Madrid\n");
	struct daemon daemon;
	struct chart_row row;

	w->now_ms = at("2026-11-28T12:00:00Z"); /* a Saturday */
	daemon_start(&daemon, w);
	run_until(&daemon, at("2026-11-29T09:00:00Z"));
	assert_int_equal(heartbeats(w, "2026-11-29"), 1);
	assert_int_equal(charts_waiting(w), 0);
	w->now_ms = at("2026-11-30T07:59:00Z");
	run_until(&daemon, at("2026-11-30T08:01:00Z"));
	daemon_end(&daemon);
	daemon_start(&daemon, w);
	run_until(&daemon, at("2026-11-30T08:02:00Z"));
	assert_int_equal(heartbeats(w, "2026-11-30"), 1);
	assert_int_equal(charts_waiting(w), 1);
	assert_int_equal(charts_next(w->store, 0, &row), OK);
	assert_int_equal(row.span, CHART_WEEK);
	assert_int_equal(row.until_ms, at("2026-11-29T23:00:00Z"));
	assert_string_equal(row.room, "ops");
	assert_null(row.root);
	assert_null(row.app);
	chart_row_finish(&row);
	w->now_ms = at("2026-12-01T07:59:00Z");
	run_until(&daemon, at("2026-12-01T08:01:00Z"));
	assert_int_equal(heartbeats(w, "2026-12-01"), 1);
	assert_int_equal(charts_waiting(w), 1);
	daemon_end(&daemon);
	world_destroy(w);
}

static void the_chart_of_the_week_can_be_switched_off(void **state)
{
	struct world *w = world_create("[heartbeat]\nchart = no\n");
	struct daemon daemon;

	w->now_ms = at("2026-11-29T12:00:00Z");
	daemon_start(&daemon, w);
	w->now_ms = at("2026-11-30T08:59:00Z");
	run_until(&daemon, at("2026-11-30T09:01:00Z"));
	assert_int_equal(heartbeats(w, "2026-11-30"), 1);
	assert_int_equal(charts_waiting(w), 0);
	daemon_end(&daemon);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(one_heartbeat_a_day_with_its_data),
	        cmocka_unit_test(on_mondays_the_week_follows_as_a_chart),
	        cmocka_unit_test(the_chart_of_the_week_can_be_switched_off),
	        cmocka_unit_test(once_for_a_date_whatever_dies_and_however_the_clock_goes),
	        cmocka_unit_test(down_over_the_time_is_late_and_told),
	        cmocka_unit_test(unconfirmed_is_told_once_with_the_reason),
	        cmocka_unit_test(a_crash_before_telling_tells_again),
	        cmocka_unit_test(a_sleep_over_the_time_fires_at_once_and_says_so),
	        cmocka_unit_test(a_changed_time_counts_from_then_on),
	        cmocka_unit_test(an_extra_one_is_not_the_days),
	        cmocka_unit_test(sparkline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
