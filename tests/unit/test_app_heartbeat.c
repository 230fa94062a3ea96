/*
 * test_app_heartbeat.c - signs of life of apps in simulated time: missed, back, and no false
 * alarms.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/unit/heartbeat_fixture.h"

static enum err parse(
        const char *text, int64_t now_ms, struct app_heartbeat *beat, struct alert_fault *fault)
{
	json_t *request = json_loads(text, 0, NULL);
	enum err err;

	assert_non_null(request);
	memset(fault, 0, sizeof(*fault));
	err = app_heartbeat_parse(request, now_ms, beat, fault);
	json_decref(request);
	return err;
}

/* Returns the state of the receipt, or the field of its fault. */
static const char *beat(struct world *w, const char *text)
{
	static struct app_heartbeat_receipt receipt;
	struct deliver d = {w->store, w->config, w->now_ms};
	json_t *happened = json_array();
	struct app_heartbeat in;
	struct alert_fault fault;
	enum err err;

	memset(&receipt, 0, sizeof(receipt));
	assert_int_equal(parse(text, w->now_ms, &in, &fault), OK);
	assert_int_equal(store_begin(w->store), OK);
	err = app_heartbeat_accept(&d, &in, &receipt, happened);
	/* what it is, behind the alert that fires or is resolved */
	assert_int_equal(json_array_size(happened) > 0, err == OK);
	if (json_array_size(happened) > 1)
		assert_string_equal(
		        json_string_value(json_object_get(json_array_get(happened, 0), "event")),
		        strcmp(receipt.state, "failed") == 0 && json_array_size(happened) == 2
		                ? "alert"
		                : "resolved");
	if (err == OK)
		assert_int_equal(store_commit(w->store), OK);
	else
		store_rollback(w->store);
	app_heartbeat_finish(&in);
	json_decref(happened);
	return err == OK ? receipt.state : receipt.fault.field;
}

#define HOURLY "{\"op\":\"heartbeat\",\"app\":\"etl\",\"every\":\"1h\",\"grace\":\"10m\"}"

static struct world *app_world(struct daemon *daemon)
{
	struct world *w = world_create("");

	w->now_ms = at("2026-11-24T12:00:00Z");
	daemon_start(daemon, w);
	look(daemon);
	return w;
}

static void missed_once_and_back(void **state)
{
	struct daemon daemon;
	struct world *w = app_world(&daemon);
	char *body;

	assert_string_equal(beat(w, HOURLY), "new");
	run_until(&daemon, at("2026-11-24T12:50:00Z"));
	assert_string_equal(beat(w, HOURLY), "seen");
	run_until(&daemon, at("2026-11-24T13:59:50Z"));
	assert_int_equal(w->len, 0);
	run_until(&daemon, at("2026-11-24T15:00:00Z"));
	assert_int_equal(w->len, 1);
	body = world_body(w, 0);
	assert_non_null(strstr(
	        body, "🚨 etl · heartbeat missed (last seen Tue 24 Nov 12:50 UTC, every 1h)"));
	free(body);
	assert_string_equal(beat(w, HOURLY), "back");
	run_until(&daemon, at("2026-11-24T15:01:00Z"));
	assert_int_equal(world_count(w, "edit"), 1);
	assert_int_equal(world_count(w, "send"), 1);
	body = world_body(w, 1);
	assert_non_null(strstr(body, "resolved"));
	free(body);
	daemon_end(&daemon);
	world_destroy(w);
}

/* It is missed all the while: what held it back counts it once, and then it is told. */
static void missed_in_a_silence_is_told_after_it(void **state)
{
	struct daemon daemon;
	struct world *w = app_world(&daemon);
	int64_t id;
	char *body;

	assert_string_equal(beat(w, HOURLY), "new");
	id = world_silence(w, "app=\"etl\"", 0, at("2026-11-24T15:00:00Z"));
	run_until(&daemon, at("2026-11-24T14:59:55Z"));
	assert_int_equal(w->len, 0);
	assert_int_equal(world_held(w, id), 1);
	/* over a restart too */
	daemon_end(&daemon);
	daemon_start(&daemon, w);
	run_until(&daemon, at("2026-11-24T15:30:00Z"));
	assert_int_equal(w->len, 1);
	body = world_body(w, 0);
	assert_non_null(strstr(body, "🚨 etl · heartbeat missed (last seen Tue 24 Nov 12:00"));
	assert_null(strstr(body, "×"));
	assert_non_null(strstr(body, "happened at 13:10")); /* not when it was told */
	free(body);
	/* back in a second silence: nothing is told later */
	assert_string_equal(beat(w, HOURLY), "back");
	world_silence(w, "app=\"etl\"", 0, at("2026-11-24T18:00:00Z"));
	run_until(&daemon, at("2026-11-24T17:00:00Z"));
	assert_string_equal(beat(w, HOURLY), "back");
	run_until(&daemon, at("2026-11-24T18:05:00Z"));
	assert_int_equal(world_count(w, "send"), 1);
	daemon_end(&daemon);
	world_destroy(w);
}

#define FAILED "{\"op\":\"heartbeat\",\"app\":\"etl\",\"failed\":\"exit 3\"}"

static void a_failure_is_told_each_time_until_all_is_well(void **state)
{
	struct daemon daemon;
	struct world *w = app_world(&daemon);
	struct entry_row *firing;
	size_t len;
	char *body;

	assert_string_equal(beat(w, FAILED), "every");
	assert_string_equal(beat(w, HOURLY), "new");
	run_until(&daemon, at("2026-11-24T12:50:00Z"));
	assert_string_equal(beat(w, FAILED), "failed");
	run_until(&daemon, at("2026-11-24T13:00:00Z"));
	assert_int_equal(w->len, 1);
	body = world_body(w, 0);
	assert_non_null(strstr(body, "🚨 etl · heartbeat FAILED\nexit 3"));
	free(body);
	/* that none comes after it, everybody knows */
	run_until(&daemon, at("2026-11-24T16:00:00Z"));
	assert_int_equal(w->len, 1);
	assert_string_equal(beat(w, FAILED), "failed");
	run_until(&daemon, at("2026-11-24T16:05:00Z"));
	body = world_body(w, w->len - 1);
	assert_non_null(strstr(body, "🚨 etl · heartbeat FAILED"));
	free(body);
	/* an older one out of the spool changes nothing */
	assert_string_equal(beat(w, HOURLY), "back");
	assert_string_equal(
	        beat(w, "{\"app\":\"etl\",\"failed\":\"\",\"at\":\"2026-11-24T15:00:00Z\"}"),
	        "seen");
	run_until(&daemon, at("2026-11-24T16:10:00Z"));
	body = world_body(w, w->len - 1);
	assert_non_null(strstr(body, "✅ etl · heartbeat resolved"));
	free(body);
	/* one that is missing and comes with a failure is no longer missing */
	run_until(&daemon, at("2026-11-24T18:00:00Z"));
	body = world_body(w, w->len - 1);
	assert_non_null(strstr(body, "🚨 etl · heartbeat missed"));
	free(body);
	assert_string_equal(beat(w, FAILED), "failed");
	assert_string_equal(beat(w, "{\"app\":\"etl\",\"stop\":true}"), "stopped");
	run_until(&daemon, at("2026-11-24T18:05:00Z"));
	assert_int_equal(entries_open(w->store, 0, 10, &firing, &len), OK);
	assert_int_equal(len, 0);
	entry_rows_free(firing, len);
	daemon_end(&daemon);
	world_destroy(w);
}

/* Subscribers hear of the alert as of any other. */
static void subscribers_hear_of_the_alert(void **state)
{
	struct daemon daemon;
	struct world *w = app_world(&daemon);
	const json_t *event;

	assert_string_equal(beat(w, HOURLY), "new");
	run_until(&daemon, at("2026-11-24T13:15:00Z"));
	assert_int_equal(json_array_size(daemon.happened), 2);
	event = json_array_get(daemon.happened, 0);
	assert_string_equal(json_string_value(json_object_get(event, "event")), "alert");
	assert_string_equal(json_string_value(json_object_get(event, "kind")), "heartbeat_missed");
	event = json_array_get(daemon.happened, 1);
	assert_string_equal(json_string_value(json_object_get(event, "state")), "missed");
	daemon_end(&daemon);
	world_destroy(w);
}

static void several_of_an_app_and_by_schedule(void **state)
{
	struct daemon daemon;
	struct world *w = app_world(&daemon);
	char *body;
	struct words text;

	assert_string_equal(
	        beat(w, "{\"app\":\"etl\",\"name\":\"nightly\",\"schedule\":\"0 3 * * *\"}"),
	        "new");
	assert_string_equal(
	        beat(w, "{\"app\":\"etl\",\"name\":\"other\",\"every\":\"1d\"}"), "new");
	assert_string_equal(beat(w, "{\"app\":\"etl\",\"name\":\"third\"}"), "every");
	run_until(&daemon, at("2026-11-25T03:09:55Z"));
	assert_int_equal(w->len, 0);
	run_until(&daemon, at("2026-11-25T03:10:10Z"));
	assert_int_equal(w->len, 1);
	body = world_body(w, 0);
	assert_non_null(strstr(body, "etl · heartbeat nightly missed"));
	assert_non_null(strstr(body, "schedule 0 3 * * *)"));
	free(body);
	words_init(&text);
	assert_int_equal(app_heartbeat_list(w->store, w->now_ms, 10, &text, NULL), OK);
	body = words_body(&text);
	assert_non_null(strstr(body, "🚨 etl · nightly · schedule 0 3 * * *, received "));
	assert_non_null(strstr(body, "✅ etl · other · every 1d, received "));
	free(body);
	words_finish(&text);
	/* stopped: resolved, and expected no more */
	assert_string_equal(
	        beat(w, "{\"app\":\"etl\",\"name\":\"nightly\",\"stop\":true}"), "stopped");
	assert_string_equal(
	        beat(w, "{\"app\":\"etl\",\"name\":\"nightly\",\"stop\":true}"), "name");
	run_until(&daemon, at("2026-11-25T03:11:00Z"));
	assert_int_equal(world_count(w, "edit"), 1);
	run_until(&daemon, at("2026-11-25T08:00:00Z"));
	assert_int_equal(world_count(w, "send"), 1);
	daemon_end(&daemon);
	world_destroy(w);
}

static void no_false_alarm_after_the_daemon_was_down(void **state)
{
	struct daemon daemon;
	struct world *w = app_world(&daemon);

	assert_string_equal(beat(w, HOURLY), "new");
	run_until(&daemon, at("2026-11-24T12:30:00Z"));
	daemon_end(&daemon);
	w->now_ms = at("2026-11-24T16:05:00Z");
	daemon_start(&daemon, w);
	run_until(&daemon, at("2026-11-24T17:14:50Z"));
	assert_int_equal(w->len, 0);
	/* what stays away after that is missed */
	run_until(&daemon, at("2026-11-24T17:15:10Z"));
	assert_int_equal(w->len, 1);
	/* and a start does not take that back */
	daemon_end(&daemon);
	w->now_ms += CLOCK_HOUR_MS;
	daemon_start(&daemon, w);
	run_until(&daemon, w->now_ms + CLOCK_MINUTE_MS);
	assert_int_equal(w->len, 1);
	daemon_end(&daemon);
	world_destroy(w);
}

/* A schedule is forgiven only for what was due while nothing could arrive. */
static void a_short_restart_does_not_excuse_a_schedule(void **state)
{
	struct daemon daemon;
	struct world *w = app_world(&daemon);

	assert_string_equal(beat(w, "{\"app\":\"etl\",\"schedule\":\"0 3 * * *\"}"), "new");
	run_until(&daemon, at("2026-11-25T02:00:00Z"));
	daemon_end(&daemon);
	w->now_ms += 10 * CLOCK_SECOND_MS;
	daemon_start(&daemon, w);
	run_until(&daemon, at("2026-11-25T03:10:10Z"));
	assert_int_equal(w->len, 1);
	daemon_end(&daemon);
	world_destroy(w);
}

static void no_false_alarms_when_the_clock_leaps(void **state)
{
	struct daemon daemon;
	struct world *w = app_world(&daemon);

	assert_string_equal(beat(w, HOURLY), "new");
	run_until(&daemon, at("2026-11-24T12:30:00Z"));
	w->now_ms = at("2026-11-24T20:00:00Z"); /* set forth, or asleep */
	run_until(&daemon, at("2026-11-24T20:30:00Z"));
	assert_int_equal(w->len, 0);
	assert_string_equal(beat(w, HOURLY), "seen");
	w->now_ms = at("2026-11-24T12:31:00Z"); /* set back: not silent for all that time */
	run_until(&daemon, at("2026-11-24T13:40:50Z"));
	assert_int_equal(w->len, 0);
	run_until(&daemon, at("2026-11-24T13:41:10Z"));
	assert_int_equal(w->len, 1);
	daemon_end(&daemon);
	world_destroy(w);
}

static void out_of_the_spool_it_counts_by_its_time(void **state)
{
	struct daemon daemon;
	struct world *w = app_world(&daemon);

	assert_string_equal(beat(w, HOURLY), "new");
	run_until(&daemon, at("2026-11-24T12:30:00Z"));
	daemon_end(&daemon);
	w->now_ms = at("2026-11-24T16:05:00Z");
	daemon_start(&daemon, w);
	look(&daemon);
	/* the first of several: the later ones must find nothing missed */
	assert_string_equal(beat(w, "{\"app\":\"etl\",\"at\":\"2026-11-24T13:00:00Z\"}"), "seen");
	look(&daemon);
	assert_string_equal(beat(w, "{\"app\":\"etl\",\"at\":\"2026-11-24T16:00:00Z\"}"), "seen");
	assert_string_equal(beat(w, "{\"app\":\"new\",\"every\":\"1h\",\"at\":"
	                            "\"2026-11-24T13:00:00Z\"}"),
	        "new");
	run_until(&daemon, at("2026-11-24T17:14:50Z"));
	assert_int_equal(w->len, 0);
	/* 16:00 and not 16:05: but what was granted at the start stays */
	run_until(&daemon, at("2026-11-24T17:15:10Z"));
	assert_int_equal(world_count(w, "send"), 2);
	daemon_end(&daemon);
	world_destroy(w);
}

static void bad_requests_name_the_field(void **state)
{
	static const struct {
		const char *text, *field;
	} cases[] = {
	        {"{}", "app"},
	        {"{\"app\":\"a b\"}", "app"},
	        {"{\"app\":5}", "app"},
	        {"{\"app\":\"a\",\"name\":\"a/b\"}", "name"},
	        {"{\"app\":\"a\",\"every\":\"5\"}", "every"},
	        {"{\"app\":\"a\",\"every\":\"1s\"}", "every"},
	        {"{\"app\":\"a\",\"every\":3600}", "every"},
	        {"{\"app\":\"a\",\"every\":\"500d\"}", "every"},
	        {"{\"app\":\"a\",\"every\":\"1h\",\"grace\":\"x\"}", "grace"},
	        {"{\"app\":\"a\",\"schedule\":\"0 25 * * *\"}", "schedule"},
	        {"{\"app\":\"a\",\"schedule\":\"0 3 * * *\",\"every\":\"1h\"}", "schedule"},
	        {"{\"app\":\"a\",\"at\":\"yesterday\"}", "at"},
	        {"{\"app\":\"a\",\"stop\":\"yes\"}", "stop"},
	        {"{\"app\":\"a\",\"failed\":true}", "failed"},
	};
	struct app_heartbeat in;
	struct alert_fault fault;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(parse(cases[i].text, 0, &in, &fault), ERR_INVALID);
		assert_string_equal(fault.field, cases[i].field);
		assert_true(fault.message[0] != '\0');
		app_heartbeat_finish(&in);
	}
}

static void only_so_many(void **state)
{
	struct daemon daemon;
	struct world *w = app_world(&daemon);
	char text[128];

	for (int i = 0; i < APP_HEARTBEATS_MAX; i++) {
		snprintf(
		        text, sizeof(text), "{\"app\":\"a\",\"name\":\"n%d\",\"every\":\"1h\"}", i);
		assert_string_equal(beat(w, text), "new");
	}
	assert_string_equal(beat(w, HOURLY), "name");
	assert_string_equal(beat(w, "{\"app\":\"a\",\"name\":\"n1\"}"), "seen");
	daemon_end(&daemon);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(missed_once_and_back),
	        cmocka_unit_test(missed_in_a_silence_is_told_after_it),
	        cmocka_unit_test(a_failure_is_told_each_time_until_all_is_well),
	        cmocka_unit_test(subscribers_hear_of_the_alert),
	        cmocka_unit_test(several_of_an_app_and_by_schedule),
	        cmocka_unit_test(no_false_alarm_after_the_daemon_was_down),
	        cmocka_unit_test(a_short_restart_does_not_excuse_a_schedule),
	        cmocka_unit_test(no_false_alarms_when_the_clock_leaps),
	        cmocka_unit_test(out_of_the_spool_it_counts_by_its_time),
	        cmocka_unit_test(bad_requests_name_the_field),
	        cmocka_unit_test(only_so_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
