/*
 * Tests of the courier and its lanes: what is under way at once, in which order, what becomes of
 * refusals and failures, and going offline, reloading and closing at any moment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/delivery/courier_internal.h"
#include "storage/state.h"
#include "tests/unit/loop_fixture.h"
#include "tests/unit/turn.h"

#define GRACE_MS 100
#define SEND_DEV "/v3/rooms/%21dev%3Afake.local/send/"
#define ALERT(app, severity)                                                                   \
	"{\"op\":\"alert\",\"app\":\"" app "\",\"severity\":\"" severity "\",\"title\":\"" app \
	" failed\"}"

struct sent {
	struct looped *l;
	struct courier *courier; /* NULL once closed */
	struct mirror *mirror;
	struct rooms *rooms;
	unsigned confirmed, failed, released;
	char last[64];
	bool awaited; /* results are */
	bool stopped;
	uv_sem_t gate; /* holds the writer */
};

static bool is_awaited(void *arg)
{
	const struct sent *s = arg;

	return s->awaited;
}

static void on_result(const char *what, const char *room, int64_t outbox_id, const char *event_id,
        enum err code, const char *error, void *arg)
{
	struct sent *s = arg;

	snprintf(s->last, sizeof(s->last), "%s", event_id ? event_id : err_name(code));
	if (event_id)
		s->confirmed++;
	else
		s->failed++;
}

static void on_released(void *arg)
{
	struct sent *s = arg;

	s->released++;
}

static void on_room(const struct room *room, void *arg)
{
}

static void on_encrypted(const char *room_id, const json_t *content, void *arg)
{
	fail_msg("%s is not encrypted", room_id);
}

static bool rooms_are_ready(void *arg)
{
	const struct sent *s = arg;

	return rooms_get(s->rooms, "ops")->ready && rooms_get(s->rooms, "dev")->ready;
}

static void online(struct sent *s)
{
	courier_set_online(s->courier, s->l->mx, s->rooms, FIXTURE_USER, "DEV1");
}

static enum err no_work(struct store *store, void *arg)
{
	return OK;
}

static int setup(void **state)
{
	struct sent *s = x_calloc(1, sizeof(*s));
	struct courier_events events = {on_result, is_awaited, on_released, s};
	struct rooms_events rooms_events = {on_room, on_encrypted, s};

	s->l = looped_begin("[delivery]\nedit_interval = 1s\n");
	looped_good_homeserver();
	looped_client(s->l);
	uv_sem_init(&s->gate, 0);
	s->mirror = mirror_create(&s->l->loop, s->l->config);
	s->courier = courier_create(&s->l->loop, s->l->writer, s->l->config, &events);
	courier_set_mirror(s->courier, s->mirror);
	s->rooms = rooms_create(&s->l->loop, s->l->mx, FIXTURE_USER, &rooms_events);
	rooms_configure(s->rooms, s->l->config);
	looped_wait(s->l, rooms_are_ready, s);
	online(s);
	looped_work(
	        s->l, no_work, NULL); /* with it the first choice, which finds nothing, is over */
	looped_work(s->l, no_work, NULL);
	*state = s;
	return 0;
}

static void stop(struct sent *s)
{
	courier_stop(s->courier, GRACE_MS, turn_set, &s->stopped);
}

static int teardown(void **state)
{
	struct sent *s = *state;
	bool closed = false, rooms_closed = false, mirror_closed = false;

	if (!s->stopped)
		stop(s);
	looped_until(s->l, &s->stopped);
	rooms_close(s->rooms, turn_set, &rooms_closed);
	looped_until(s->l, &rooms_closed);
	courier_close(s->courier, turn_set, &closed);
	looped_until(s->l, &closed);
	mirror_close(s->mirror, turn_set, &mirror_closed);
	looped_until(s->l, &mirror_closed);
	looped_end(s->l);
	uv_sem_destroy(&s->gate);
	free(s);
	return 0;
}

static void alert(struct sent *s, const char *json)
{
	looped_alert(s->l, json);
	courier_poke(s->courier);
}

static bool is_confirmed(void *arg)
{
	const struct sent *s = arg;

	return s->confirmed > 0;
}

static bool is_failed(void *arg)
{
	const struct sent *s = arg;

	return s->failed > 0;
}

static enum err wait_for_gate(struct store *store, void *arg)
{
	struct sent *s = arg;

	uv_sem_wait(&s->gate);
	return OK;
}

static void nothing(enum err result, const char *message, void *arg)
{
}

/* The writer stands still until the gate is opened; what is submitted meanwhile waits. */
static void hold_writer(struct sent *s)
{
	writer_submit(s->l->writer, wait_for_gate, nothing, s);
	looped_turn(s->l, 2);
}

static void an_alert_is_sent_and_confirmed(void **state)
{
	struct sent *s = *state;
	struct http_request *put;

	alert(s, ALERT("etl", "critical"));
	put = script_wait("PUT", FIXTURE_SEND_OPS);
	assert_string_equal(script_bearer(put), "good");
	assert_non_null(strstr(script_member(put, "body"), "etl failed"));
	assert_int_equal(courier_counters(s->courier).in_flight, 1);
	script_answer(put, 200, "{\"event_id\":\"$1\"}");
	looped_wait(s->l, is_confirmed, s);
	assert_string_equal(s->last, "$1");
	assert_int_equal(courier_counters(s->courier).in_flight, 0);
	assert_int_equal(courier_counters(s->courier).sent, 1);
}

/* One at a time in a room, in order; another room does not wait. */
static void lanes_do_not_wait_for_each_other(void **state)
{
	struct sent *s = *state;
	struct http_request *first, *dev, *second;

	alert(s, ALERT("first", "critical"));
	first = script_wait("PUT", FIXTURE_SEND_OPS);
	alert(s, ALERT("second", "critical"));
	alert(s, ALERT("third", "warning"));
	dev = script_wait("PUT", SEND_DEV);
	assert_int_equal(script_open("PUT", FIXTURE_SEND_OPS), 1);
	script_answer(dev, 200, "{\"event_id\":\"$dev\"}");
	looped_wait(s->l, is_confirmed, s);
	assert_int_equal(script_open("PUT", FIXTURE_SEND_OPS), 1);
	script_answer(first, 200, "{\"event_id\":\"$1\"}");
	second = script_wait("PUT", FIXTURE_SEND_OPS);
	assert_non_null(strstr(script_member(second, "body"), "second"));
	script_answer(second, 200, "{\"event_id\":\"$2\"}");
}

static void a_lost_answer_is_asked_again_as_the_same_event(void **state)
{
	struct sent *s = *state;
	struct http_request *put;
	char *path;

	alert(s, ALERT("etl", "critical"));
	put = script_wait("PUT", FIXTURE_SEND_OPS);
	path = x_strdup(script_path(put));
	script_fail(put, ERR_NET, true);
	put = script_wait("PUT", FIXTURE_SEND_OPS);
	assert_string_equal(script_path(put), path);
	script_answer(put, 502, "<html>");
	put = script_wait("PUT", FIXTURE_SEND_OPS);
	assert_string_equal(script_path(put), path);
	assert_string_equal(courier_retrying(s->courier), "HTTP 502");
	script_answer(put, 200, "{\"event_id\":\"\"}"); /* says nothing */
	put = script_wait("PUT", FIXTURE_SEND_OPS);
	assert_string_equal(script_path(put), path);
	script_answer(put, 200, "{\"event_id\":\"$1\"}");
	looped_wait(s->l, is_confirmed, s);
	assert_int_equal(courier_counters(s->courier).retried, 3);
	assert_string_equal(courier_retrying(s->courier), "");
	free(path);
}

static void what_is_refused_does_not_block_what_follows(void **state)
{
	struct sent *s = *state;
	struct http_request *put;

	alert(s, ALERT("first", "critical"));
	put = script_wait("PUT", FIXTURE_SEND_OPS);
	alert(s, ALERT("second", "critical"));
	script_answer(put, 413, "{\"errcode\":\"M_TOO_LARGE\",\"error\":\"too large\"}");
	put = script_wait("PUT", FIXTURE_SEND_OPS);
	assert_non_null(strstr(script_member(put, "body"), "second"));
	assert_int_equal(s->failed, 1);
	script_answer(put, 200, "{\"event_id\":\"$2\"}");
	looped_wait(s->l, is_confirmed, s);
}

#define SUSPENDED "{\"errcode\":\"M_USER_SUSPENDED\",\"error\":\"suspended\"}"

/* A refusal that is about the account: the event waits, and goes out when that is over. */
static void what_the_account_may_not_do_waits(void **state)
{
	struct sent *s = *state;

	alert(s, ALERT("etl", "critical"));
	script_answer(script_wait("PUT", FIXTURE_SEND_OPS), 403, SUSPENDED);
	script_answer(script_wait("PUT", FIXTURE_SEND_OPS), 400,
	        "{\"errcode\":\"M_UNRECOGNIZED\",\"error\":\"what?\"}");
	assert_string_equal(s->last, "held"); /* it is in `calls` */
	script_answer(script_wait("PUT", FIXTURE_SEND_OPS), 200, "{\"event_id\":\"$1\"}");
	looped_wait(s->l, is_confirmed, s);
	assert_int_equal(courier_counters(s->courier).undeliverable, 0);
}

static bool both_are_held(void *arg)
{
	const struct sent *s = arg;

	return lane_get(s->courier, "ops")->held && lane_get(s->courier, "dev")->held;
}

/* The end may come at any time, so it is tried for every half a minute at least; and when one room
 * is served again, so are the others. */
static void the_end_of_a_refusal_is_noticed_soon(void **state)
{
	struct sent *s = *state;
	struct lane *ops = lane_get(s->courier, "ops");

	ops->failures = 40;
	alert(s, ALERT("etl", "critical"));
	alert(s, ALERT("other", "warning"));
	script_answer(script_wait("PUT", FIXTURE_SEND_OPS), 403, SUSPENDED);
	script_answer(script_wait("PUT", SEND_DEV), 403, SUSPENDED);
	looped_wait(s->l, both_are_held, s);
	assert_in_range(ops->retry_at_ms - clock_monotonic_ms(), 0, 32000);
	assert_non_null(strstr(courier_held(s->courier), "suspended"));
	ops->retry_at_ms += CLOCK_HOUR_MS;
	script_answer(script_wait("PUT", SEND_DEV), 200, "{\"event_id\":\"$dev\"}");
	script_answer(script_wait("PUT", FIXTURE_SEND_OPS), 200, "{\"event_id\":\"$ops\"}");
	looped_wait(s->l, is_confirmed, s);
	assert_string_equal(courier_held(s->courier), "");
	assert_int_equal(s->released, 1);
}

/* What was prepared as plain text for a room that is encrypted by now is not lost. */
static void what_is_put_back_is_chosen_again(void **state)
{
	struct sent *s = *state;
	struct room *ops = (struct room *)rooms_get(s->rooms, "ops");
	struct http_request *put;

	alert(s, ALERT("first", "critical"));
	put = script_wait("PUT", FIXTURE_SEND_OPS);
	looped_alert(s->l, ALERT("second", "critical"));
	hold_writer(s);
	courier_poke(s->courier);
	ops->encrypted = true;
	uv_sem_post(&s->gate);
	for (int i = 0; i < 3; i++) /* the choice, its return, and the choice after it */
		looped_work(s->l, no_work, NULL);
	ops->encrypted = false;
	script_answer(put, 200, "{\"event_id\":\"$1\"}");
	put = script_wait("PUT", FIXTURE_SEND_OPS);
	assert_non_null(strstr(script_member(put, "body"), "second"));
	script_answer(put, 200, "{\"event_id\":\"$2\"}");
}

/* --- the homeserver's rate limit ----------------------------------------------------------- */

static enum err read_pace(struct store *store, void *arg)
{
	enum err err = state_get(store, COURIER_PACE, arg);

	return err == ERR_NOT_FOUND ? OK : err;
}

static enum err write_pace(struct store *store, void *arg)
{
	return state_set(store, COURIER_PACE, arg);
}

static void a_limit_is_stored_and_told_until_it_is_lifted(void **state)
{
	struct sent *s = *state;
	char *stored = NULL, expected[80];

	assert_string_equal(courier_limit(s->courier), "");
	alert(s, ALERT("etl", "critical"));
	script_answer(script_wait("PUT", FIXTURE_SEND_OPS), 429,
	        "{\"errcode\":\"M_LIMIT_EXCEEDED\",\"error\":\"later\",\"retry_after_ms\":200}");
	script_answer(script_wait("PUT", FIXTURE_SEND_OPS), 200, "{\"event_id\":\"$1\"}");
	assert_non_null(strstr(courier_limit(s->courier),
	        "about one event in 0.2 s after 10 at once; its admin can lift the limit: POST "
	        "/_synapse/admin/v1/users/" FIXTURE_USER "/override_ratelimit"));
	pace_print(&s->courier->pace, expected);
	looped_wait(s->l, is_confirmed, s);
	assert_int_equal(looped_work(s->l, read_pace, &stored), OK);
	assert_string_equal(stored, expected);
	free(stored);
	stored = NULL;
	/* more events at once than it allowed, and none was refused */
	s->courier->pace.tight = false;
	s->courier->pace.free_ms = clock_now_ms() + 20 * s->courier->pace.interval_ms;
	alert(s, ALERT("other", "critical"));
	s->awaited = true;
	script_answer(script_wait("PUT", FIXTURE_SEND_OPS), 200, "{\"event_id\":\"$2\"}");
	for (int turns = 0; s->confirmed < 2 && turns < 1000; turns++)
		looped_turn(s->l, 1);
	assert_int_equal(looped_work(s->l, read_pace, &stored), OK);
	assert_null(stored);
	assert_string_equal(courier_limit(s->courier), "");
}

static bool pace_is_known(void *arg)
{
	const struct sent *s = arg;

	return s->courier->pace_known;
}

/* One event at a time over all rooms, of which the last is still left in this burst. */
static void limit(struct sent *s)
{
	s->courier->pace = (struct pace){
	        .interval_ms = 10000,
	        .burst = 10,
	        .free_ms = clock_now_ms() + 89000,
	        .limited_ms = clock_now_ms(),
	        .tight = true,
	};
}

#define LATER "{\"errcode\":\"M_LIMIT_EXCEEDED\",\"error\":\"later\",\"retry_after_ms\":60000}"

/* The room's wait is over. */
static void try_again(struct sent *s, const char *room)
{
	lane_get(s->courier, room)->retry_at_ms = 0;
	courier_arm(s->courier);
	looped_turn(s->l, 3);
}

static bool two_are_failed(void *arg)
{
	const struct sent *s = arg;

	return s->failed == 2;
}

/* Whether the account is limited, another room shows. */
static void what_limits_one_room_holds_up_no_other(void **state)
{
	struct sent *s = *state;
	unsigned sent = 0;

	alert(s, ALERT("etl", "critical"));
	script_answer(script_wait("PUT", FIXTURE_SEND_OPS), 429, LATER);
	for (const char *alerts[] = {ALERT("a", "warning"), ALERT("b", "warning"),
	             ALERT("c", "warning"), ALERT("d", "warning"), ALERT("e", "warning")};
	        sent < 5; sent++) {
		alert(s, alerts[sent]);
		script_answer(script_wait("PUT", SEND_DEV), 200, "{\"event_id\":\"$%u\"}", sent);
	}
	assert_string_equal(courier_limit(s->courier), "");
	try_again(s, "ops");
	script_answer(script_wait("PUT", FIXTURE_SEND_OPS), 429, LATER);
	alert(s, ALERT("f", "warning"));
	script_answer(script_wait("PUT", SEND_DEV), 200, "{\"event_id\":\"$f\"}");
	assert_string_equal(courier_limit(s->courier), "");
	assert_non_null(strstr(courier_retrying(s->courier), "later"));
}

static void what_limits_two_rooms_limits_all(void **state)
{
	struct sent *s = *state;

	alert(s, ALERT("etl", "critical"));
	script_answer(script_wait("PUT", FIXTURE_SEND_OPS), 429, LATER);
	alert(s, ALERT("other", "warning"));
	script_answer(script_wait("PUT", SEND_DEV), 429, LATER);
	looped_wait(s->l, two_are_failed, s);
	try_again(s, "ops");
	for (int i = 0; i < 3; i++)
		looped_work(s->l, no_work, NULL);
	assert_int_equal(script_count("PUT", FIXTURE_SEND_OPS), 1);
	assert_int_equal(script_count("PUT", SEND_DEV), 1);
	assert_in_range(pace_wait_ms(&s->courier->pace, clock_now_ms()), 50000, 60000);
}

static void a_room_that_waited_does_not_ask_each_time(void **state)
{
	struct sent *s = *state;

	alert(s, ALERT("etl", "critical"));
	script_answer(script_wait("PUT", FIXTURE_SEND_OPS), 429, LATER);
	looped_wait(s->l, is_failed, s);
	try_again(s, "ops");
	script_answer(script_wait("PUT", FIXTURE_SEND_OPS), 200, "{\"event_id\":\"$1\"}");
	looped_wait(s->l, is_confirmed, s);
	alert(s, ALERT("other", "critical"));
	for (int i = 0; i < 3; i++)
		looped_work(s->l, no_work, NULL);
	assert_int_equal(script_count("PUT", FIXTURE_SEND_OPS), 2);
}

static void under_a_limit_a_room_that_fails_holds_up_no_other(void **state)
{
	struct sent *s = *state;

	lane_get(s->courier, "ops")->failures = 40; /* its backoff is long */
	limit(s);
	looped_alert(s->l, ALERT("etl", "critical"));
	alert(s, ALERT("other", "warning"));
	script_fail(script_wait("PUT", FIXTURE_SEND_OPS), ERR_NET, true);
	script_answer(script_wait("PUT", SEND_DEV), 200, "{\"event_id\":\"$dev\"}");
	looped_wait(s->l, is_confirmed, s);
}

static void under_a_limit_what_comes_during_a_send_that_fails_is_not_left(void **state)
{
	struct sent *s = *state;
	struct http_request *put;

	lane_get(s->courier, "ops")->failures = 40;
	limit(s);
	alert(s, ALERT("etl", "critical"));
	put = script_wait("PUT", FIXTURE_SEND_OPS);
	alert(s, ALERT("other", "warning"));
	script_answer(put, 502, "<html>");
	script_answer(script_wait("PUT", SEND_DEV), 200, "{\"event_id\":\"$dev\"}");
	looped_wait(s->l, is_confirmed, s);
}

static void under_a_limit_a_send_that_hangs_holds_up_no_other_for_long(void **state)
{
	struct sent *s = *state;
	struct http_request *put;

	limit(s);
	alert(s, ALERT("etl", "critical"));
	put = script_wait("PUT", FIXTURE_SEND_OPS);
	alert(s, ALERT("other", "warning"));
	looped_turn(s->l, 10);
	assert_int_equal(script_open("PUT", SEND_DEV), 0);
	lane_get(s->courier, "ops")->started_mono_ms -= COURIER_TURN_MS - 100;
	courier_poke(s->courier);
	script_answer(script_wait("PUT", SEND_DEV), 200, "{\"event_id\":\"$dev\"}");
	looped_wait(s->l, is_confirmed, s);
	assert_int_equal(script_open("PUT", FIXTURE_SEND_OPS), 1);
	script_answer(put, 200, "{\"event_id\":\"$ops\"}");
}

/* A restart does not begin with refusals. */
static void a_stored_limit_is_kept_to(void **state)
{
	struct sent *s = *state;
	struct pace pace = {.interval_ms = 60000, .burst = 10, .tight = true};
	char text[80];

	pace.limited_ms = clock_now_ms();
	pace.free_ms = clock_now_ms() + 10 * pace.interval_ms;
	pace_print(&pace, text);
	assert_int_equal(looped_work(s->l, write_pace, text), OK);
	s->courier->pace_known = false; /* as it is when it is created */
	alert(s, ALERT("etl", "critical"));
	looped_wait(s->l, pace_is_known, s);
	looped_turn(s->l, 10);
	assert_int_equal(script_count("PUT", FIXTURE_SEND_OPS), 0);
	assert_non_null(strstr(courier_limit(s->courier), "about one event in 1m"));
}

/* --- results ------------------------------------------------------------------------------- */

/* The result is in memory until something else is stored: then it is there before that. */
static void a_result_is_stored_with_what_is_stored_next(void **state)
{
	struct sent *s = *state;
	struct http_request *put;
	uint64_t batches;

	alert(s, ALERT("first", "critical"));
	put = script_wait("PUT", FIXTURE_SEND_OPS);
	looped_turn(s->l, 2);
	batches = writer_batches(s->l->writer);
	script_answer(put, 200, "{\"event_id\":\"$1\"}");
	looped_turn(s->l, 5);
	assert_int_equal(courier_counters(s->courier).in_flight, 0);
	assert_int_equal(s->confirmed, 0);
	alert(s, ALERT("second", "critical"));
	put = script_wait("PUT", FIXTURE_SEND_OPS);
	assert_non_null(strstr(script_member(put, "body"), "second"));
	assert_int_equal(s->confirmed, 1);
	assert_string_equal(s->last, "$1");
	assert_true(writer_batches(s->l->writer) <= batches + 2);
	script_answer(put, 200, "{\"event_id\":\"$2\"}");
	looped_wait(s->l, is_confirmed, s);
}

static bool is_prepared(void *arg)
{
	const struct sent *s = arg;

	return lane_get(s->courier, "ops")->ahead.outbox_id != 0;
}

/* An alert that is taken in while another is sent is chosen in the same commit, and goes out as
 * soon as the other is accepted, before anything else is stored. */
static void what_is_taken_in_meanwhile_follows_without_a_commit(void **state)
{
	struct sent *s = *state;
	struct http_request *put;
	uint64_t batches;

	alert(s, ALERT("first", "critical"));
	put = script_wait("PUT", FIXTURE_SEND_OPS);
	alert(s, ALERT("second", "critical"));
	looped_wait(s->l, is_prepared, s);
	looped_turn(s->l, 2);
	batches = writer_batches(s->l->writer);
	hold_writer(s);
	script_answer(put, 200, "{\"event_id\":\"$1\"}");
	put = script_wait("PUT", FIXTURE_SEND_OPS);
	assert_non_null(strstr(script_member(put, "body"), "second"));
	assert_int_equal(writer_pending(s->l->writer), 2); /* the gate, and the result */
	assert_int_equal(writer_batches(s->l->writer), batches);
	uv_sem_post(&s->gate);
	script_answer(put, 200, "{\"event_id\":\"$2\"}");
	looped_wait(s->l, is_confirmed, s);
}

/* An answer that takes long leaves what comes meanwhile in the queue, where it can still change. */
static void what_comes_late_during_a_send_is_not_prepared(void **state)
{
	struct sent *s = *state;
	struct lane *lane = lane_get(s->courier, "ops");
	struct http_request *put;

	alert(s, ALERT("first", "critical"));
	put = script_wait("PUT", FIXTURE_SEND_OPS);
	lane->started_mono_ms -= CLOCK_SECOND_MS;
	alert(s, ALERT("second", "critical"));
	looped_work(s->l, no_work, NULL);
	assert_int_equal(lane->ahead.outbox_id, 0);
	script_answer(put, 200, "{\"event_id\":\"$1\"}");
	put = script_wait("PUT", FIXTURE_SEND_OPS);
	assert_non_null(strstr(script_member(put, "body"), "second"));
	script_answer(put, 200, "{\"event_id\":\"$2\"}");
}

/* Another failure of the first alert's origin, which is added to its message by an edit. */
#define ADDED "{\"op\":\"alert\",\"app\":\"first\",\"severity\":\"critical\",\"title\":\"added\"}"

static void expect_edit(void)
{
	struct http_request *put = script_wait("PUT", FIXTURE_SEND_OPS);

	assert_non_null(strstr(script_body(put), "m.replace"));
	assert_non_null(strstr(script_body(put), "added"));
	script_answer(put, 200, "{\"event_id\":\"$edit\"}");
}

static void an_edit_comes_in_time_although_another_message_was_chosen(void **state)
{
	struct sent *s = *state;

	alert(s, ALERT("first", "critical"));
	script_answer(script_wait("PUT", FIXTURE_SEND_OPS), 200, "{\"event_id\":\"$1\"}");
	looped_wait(s->l, is_confirmed, s);
	alert(s, ADDED);
	looped_work(s->l, no_work, NULL);
	alert(s, ALERT("second", "critical"));
	script_answer(script_wait("PUT", FIXTURE_SEND_OPS), 200, "{\"event_id\":\"$2\"}");
	expect_edit();
}

static void an_edit_comes_in_time_although_another_message_was_prepared(void **state)
{
	struct sent *s = *state;
	struct http_request *put;

	alert(s, ALERT("first", "critical"));
	put = script_wait("PUT", FIXTURE_SEND_OPS);
	alert(s, ADDED);
	looped_work(s->l, no_work, NULL);
	alert(s, ALERT("second", "critical"));
	looped_wait(s->l, is_prepared, s);
	script_answer(put, 200, "{\"event_id\":\"$1\"}");
	script_answer(script_wait("PUT", FIXTURE_SEND_OPS), 200, "{\"event_id\":\"$2\"}");
	expect_edit();
}

static void a_result_that_is_awaited_is_stored_at_once(void **state)
{
	struct sent *s = *state;
	struct http_request *put;

	s->awaited = true;
	alert(s, ALERT("etl", "critical"));
	put = script_wait("PUT", FIXTURE_SEND_OPS);
	hold_writer(s);
	script_answer(put, 200, "{\"event_id\":\"$1\"}");
	looped_turn(s->l, 2);
	assert_int_equal(writer_pending(s->l->writer), 2); /* the gate, and the result */
	uv_sem_post(&s->gate);
	looped_wait(s->l, is_confirmed, s);
}

/* What was prepared meanwhile must not overtake an event that the homeserver refused for now. */
static void a_refused_event_is_not_overtaken(void **state)
{
	struct sent *s = *state;
	struct http_request *put;

	looped_alert(s->l, ALERT("first", "critical"));
	looped_alert(s->l, ALERT("second", "critical"));
	courier_poke(s->courier);
	put = script_wait("PUT", FIXTURE_SEND_OPS);
	hold_writer(s);
	courier_poke(s->courier);
	script_answer(put, 429,
	        "{\"errcode\":\"M_LIMIT_EXCEEDED\",\"error\":\"later\",\"retry_after_ms\":1}");
	uv_sem_post(&s->gate);
	put = script_wait("PUT", FIXTURE_SEND_OPS);
	assert_non_null(strstr(script_member(put, "body"), "first"));
	script_answer(put, 200, "{\"event_id\":\"$1\"}");
	looped_wait(s->l, is_confirmed, s);
}

/* A homeserver that asks for a very long wait is believed for a minute. */
static void no_wait_is_longer_than_a_minute(void **state)
{
	struct sent *s = *state;
	const struct lane *lane;

	alert(s, ALERT("etl", "critical"));
	script_answer(script_wait("PUT", FIXTURE_SEND_OPS), 503,
	        "{\"errcode\":\"M_UNKNOWN\",\"error\":\"later\",\"retry_after_ms\":280000}");
	lane = lane_get(s->courier, "ops");
	for (int turns = 0; lane->state != LANE_WAITING && turns < 1000; turns++)
		looped_turn(s->l, 1);
	assert_int_equal(lane->state, LANE_WAITING);
	assert_in_range(lane->retry_at_ms - clock_monotonic_ms(), 0, 61000);
}

/* --- lifetime ------------------------------------------------------------------------------ */

static void close_during_put(void **state)
{
	struct sent *s = *state;
	struct http_request *put;

	alert(s, ALERT("etl", "critical"));
	put = script_wait("PUT", FIXTURE_SEND_OPS);
	stop(s);
	looped_turn(s->l, 5);
	assert_false(s->stopped);
	script_answer(put, 200, "{\"event_id\":\"$1\"}");
	looped_until(s->l, &s->stopped);
	assert_int_equal(s->confirmed, 1); /* and written down */
	courier_poke(s->courier);          /* deaf, but there */
	looped_turn(s->l, 5);
	assert_int_equal(script_open("PUT", "/v3/rooms/"), 0);
}

static void close_during_put_that_hangs(void **state)
{
	struct sent *s = *state;

	alert(s, ALERT("etl", "critical"));
	script_wait("PUT", FIXTURE_SEND_OPS);
	stop(s);
	looped_until(s->l, &s->stopped); /* when the grace is over */
	assert_int_equal(s->confirmed + s->failed, 0);
	assert_int_equal(script_open("PUT", FIXTURE_SEND_OPS), 0);
}

static void close_during_choice(void **state)
{
	struct sent *s = *state;

	looped_alert(s->l, ALERT("etl", "critical"));
	hold_writer(s);
	courier_poke(s->courier);
	stop(s);
	looped_turn(s->l, 5);
	assert_false(s->stopped);
	uv_sem_post(&s->gate);
	looped_until(s->l, &s->stopped);
	assert_int_equal(script_count("PUT", FIXTURE_SEND_OPS), 0);
}

static void close_during_outcome(void **state)
{
	struct sent *s = *state;
	struct http_request *put;

	alert(s, ALERT("etl", "critical"));
	put = script_wait("PUT", FIXTURE_SEND_OPS);
	hold_writer(s);
	script_answer(put, 200, "{\"event_id\":\"$1\"}");
	looped_turn(s->l, 5);
	stop(s);
	looped_turn(s->l, 5);
	assert_false(s->stopped);
	uv_sem_post(&s->gate);
	looped_until(s->l, &s->stopped);
	assert_int_equal(s->confirmed, 1);
}

static void offline_during_job(void **state)
{
	struct sent *s = *state;
	struct http_request *put;

	looped_alert(s->l, ALERT("etl", "critical"));
	hold_writer(s);
	courier_poke(s->courier);
	courier_set_offline(s->courier);
	uv_sem_post(&s->gate);
	looped_turn(s->l, 50);
	assert_int_equal(script_count("PUT", FIXTURE_SEND_OPS), 0);
	online(s);
	put = script_wait("PUT", FIXTURE_SEND_OPS);
	script_answer(put, 200, "{\"event_id\":\"$1\"}");
	looped_wait(s->l, is_confirmed, s);
}

static void offline_during_put(void **state)
{
	struct sent *s = *state;
	struct http_request *put;
	char *path;

	alert(s, ALERT("etl", "critical"));
	put = script_wait("PUT", FIXTURE_SEND_OPS);
	path = x_strdup(script_path(put));
	courier_set_offline(s->courier);
	script_fail(put, ERR_TIMEOUT, true);
	looped_wait(s->l, is_failed, s);
	assert_int_equal(script_count("PUT", FIXTURE_SEND_OPS), 1);
	online(s);
	put = script_wait("PUT", FIXTURE_SEND_OPS);
	assert_string_equal(script_path(put), path);
	script_answer(put, 200, "{\"event_id\":\"$1\"}");
	looped_wait(s->l, is_confirmed, s);
	free(path);
}

static void reload_during_batch(void **state)
{
	struct sent *s = *state;
	struct config *fresh = looped_config(s->l, "[app etl]\ncritical = dev\n");
	struct http_request *put;

	looped_alert(s->l, ALERT("etl", "critical")); /* routed by the old config */
	hold_writer(s);
	courier_poke(s->courier);
	courier_configure(s->courier, fresh);
	config_unref(s->l->config);
	s->l->config = fresh;
	uv_sem_post(&s->gate);
	put = script_wait("PUT", FIXTURE_SEND_OPS);
	script_answer(put, 200, "{\"event_id\":\"$1\"}");
	looped_wait(s->l, is_confirmed, s);
	alert(s, ALERT("etl", "critical")); /* and this one by the new */
	put = script_wait("PUT", SEND_DEV);
	script_answer(put, 200, "{\"event_id\":\"$2\"}");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(an_alert_is_sent_and_confirmed),
	        TEST(lanes_do_not_wait_for_each_other),
	        TEST(a_lost_answer_is_asked_again_as_the_same_event),
	        TEST(what_is_refused_does_not_block_what_follows),
	        TEST(what_the_account_may_not_do_waits),
	        TEST(the_end_of_a_refusal_is_noticed_soon),
	        TEST(a_limit_is_stored_and_told_until_it_is_lifted),
	        TEST(what_is_put_back_is_chosen_again),
	        TEST(what_limits_one_room_holds_up_no_other),
	        TEST(what_limits_two_rooms_limits_all),
	        TEST(a_room_that_waited_does_not_ask_each_time),
	        TEST(under_a_limit_a_room_that_fails_holds_up_no_other),
	        TEST(under_a_limit_what_comes_during_a_send_that_fails_is_not_left),
	        TEST(under_a_limit_a_send_that_hangs_holds_up_no_other_for_long),
	        TEST(a_stored_limit_is_kept_to),
	        TEST(a_result_is_stored_with_what_is_stored_next),
	        TEST(what_is_taken_in_meanwhile_follows_without_a_commit),
	        TEST(what_comes_late_during_a_send_is_not_prepared),
	        TEST(an_edit_comes_in_time_although_another_message_was_chosen),
	        TEST(an_edit_comes_in_time_although_another_message_was_prepared),
	        TEST(a_result_that_is_awaited_is_stored_at_once),
	        TEST(a_refused_event_is_not_overtaken),
	        TEST(no_wait_is_longer_than_a_minute),
	        TEST(close_during_put),
	        TEST(close_during_put_that_hangs),
	        TEST(close_during_choice),
	        TEST(close_during_outcome),
	        TEST(offline_during_job),
	        TEST(offline_during_put),
	        TEST(reload_during_batch),
	};

	x_alloc_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
