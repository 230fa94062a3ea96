/*
 * test_deliver_due.c - whether what deliver_next() says of later events (more, due_ms) is enough to
 * be in time: here it is called as the courier calls it, and not again and again, while alerts
 * come at random in two rooms, and sends take their time, fail, or are limited.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "storage/messages.h"
#include "storage/outbox.h"
#include "tests/unit/handlers_fixture.h"

#define STEP_MS 10
#define STEPS 3000
#define SEND_MAX_MS 300
#define RETRY_MS 700
#define ROOMS 2

/* A room's way to the homeserver, as in the courier. */
struct way {
	const char *name, *room_id;
	struct deliver_event event, ahead; /* outbox_id 0 = none */
	bool missed;
	int64_t until_ms; /* when the answer to `event` comes */
	int64_t retry_ms; /* the end of its backoff; 0 = none */
};

struct ways {
	struct world *w;
	struct way ways[ROOMS];
	bool wanted;
	int64_t held_ms; /* the homeserver accepts nothing before; 0 = it does */
};

static bool ways_are_sending(const struct ways *ways)
{
	return ways->ways[0].event.outbox_id || ways->ways[1].event.outbox_id;
}

static bool ways_are_held(const struct ways *ways)
{
	return ways->held_ms || (ways->w->is_short && ways_are_sending(ways));
}

static void way_start(struct world *w, struct way *way, struct deliver_event *event)
{
	way->event = *event;
	memset(event, 0, sizeof(*event));
	way->missed = false;
	way->until_ms = w->now_ms + STEP_MS * (1 + rand() % (SEND_MAX_MS / STEP_MS));
}

static void ways_choose(struct ways *ways)
{
	struct world *w = ways->w;
	struct deliver d = {.store = w->store,
	        .config = w->config,
	        .now_ms = w->now_ms,
	        .is_short = w->is_short};
	struct deliver_room rooms[ROOMS];
	struct deliver_event events[ROOMS] = {0};
	struct way *chosen[ROOMS];
	size_t len = 0;

	ways->wanted = ways_are_held(ways);
	if (ways->wanted)
		return;
	for (size_t i = 0; i < ROOMS; i++) {
		struct way *way = &ways->ways[i];
		int64_t busy = way->ahead.outbox_id ? 0 : way->event.outbox_id;

		way->missed = way->event.outbox_id && !busy;
		if (way->missed || way->retry_ms)
			continue;
		chosen[len] = way;
		rooms[len++] = (struct deliver_room){.name = way->name,
		        .room_id = way->room_id,
		        .device_id = "DEV",
		        .busy = busy};
	}
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(deliver_next(&d, rooms, len, events, &w->due_ms), OK);
	assert_int_equal(store_commit(w->store), OK);
	for (size_t i = 0; i < len; i++)
		if (rooms[i].busy && events[i].outbox_id)
			chosen[i]->ahead = events[i];
		else if (events[i].outbox_id)
			way_start(w, chosen[i], &events[i]);
		else if (rooms[i].busy)
			chosen[i]->missed = events[i].more;
}

static void way_finish(struct world *w, const struct way *way, struct deliver_event *event,
        enum deliver_outcome outcome)
{
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
	bool sent = outcome == DELIVER_SENT;
	int64_t due_ms = INT64_MAX;
	struct deliver_result result = {
	        .outbox_id = event->outbox_id,
	        .room = way->name,
	        .room_id = way->room_id,
	        .device_id = "DEV",
	        .outcome = outcome,
	        .what = event->what,
	        .event_id = sent ? event->txn_id : NULL,
	        .code = sent ? OK : ERR_NET,
	        .started_ms = w->now_ms,
	        .untried = event == &way->ahead,
	        .due_ms = &due_ms,
	};

	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(deliver_finish(&d, &result), OK);
	assert_int_equal(store_commit(w->store), OK);
	if (due_ms < w->due_ms)
		w->due_ms = due_ms;
	deliver_event_finish(event);
}

static void way_accepted(struct ways *ways, struct way *way)
{
	bool more = way->missed || ways->wanted || ways->w->is_short ||
	            (way->ahead.outbox_id ? way->ahead.more : way->event.more);

	way_finish(ways->w, way, &way->event, DELIVER_SENT);
	if (way->ahead.outbox_id)
		way_start(ways->w, way, &way->ahead);
	if (more)
		ways_choose(ways);
}

/* What was prepared is put back; the event is sent again, may change again, or is given up. */
static void way_failed(struct ways *ways, struct way *way)
{
	static const enum deliver_outcome outcomes[] = {
	        DELIVER_RETRY, DELIVER_LIMITED, DELIVER_UNDELIVERABLE};
	enum deliver_outcome outcome = outcomes[rand() % 3];
	bool ahead = way->ahead.outbox_id, others = way->event.more || ways->wanted;

	if (ahead)
		way_finish(ways->w, way, &way->ahead, DELIVER_LIMITED);
	way_finish(ways->w, way, &way->event, outcome);
	if (outcome == DELIVER_RETRY)
		way->retry_ms = ways->w->now_ms + RETRY_MS;
	if (outcome == DELIVER_LIMITED)
		ways->held_ms = ways->w->now_ms + RETRY_MS;
	if (ahead || others || outcome != DELIVER_RETRY)
		ways_choose(ways);
}

static void ways_step(struct ways *ways, bool fails, bool came)
{
	struct world *w = ways->w;
	bool over = ways->held_ms && ways->held_ms <= w->now_ms;

	if (over)
		ways->held_ms = 0;
	for (size_t i = 0; i < ROOMS; i++) {
		struct way *way = &ways->ways[i];

		if (way->retry_ms && way->retry_ms <= w->now_ms) {
			way->retry_ms = 0;
			over = true;
		}
		if (!way->event.outbox_id || way->until_ms > w->now_ms)
			continue;
		if (fails && rand() % 4 == 0)
			way_failed(ways, way);
		else
			way_accepted(ways, way);
	}
	if (over || came || (w->due_ms <= w->now_ms && !ways_are_held(ways)))
		ways_choose(ways);
}

/* Nothing that could be sent now is left. */
static void expect_nothing_late(const struct ways *ways)
{
	struct world *w = ways->w;

	for (size_t i = 0; i < ROOMS && !ways_are_held(ways); i++) {
		const struct way *way = &ways->ways[i];
		struct message_row message = {0};
		struct outbox_row row = {0};

		if (way->event.outbox_id || way->retry_ms)
			continue;
		assert_int_equal(outbox_head(w->store, way->name, 0, 0, &row), ERR_NOT_FOUND);
		if (messages_edit_first(w->store, way->name, &message) == OK)
			assert_true(message.edit_ms >= w->now_ms - STEP_MS);
		message_row_finish(&message);
		if (messages_end_first(w->store, &message) == OK)
			assert_true(message.end_ms >= w->now_ms - STEP_MS);
		message_row_finish(&message);
	}
}

static void traffic(struct world *w, int number)
{
	static const char *const severities[] = {"critical", "critical", "warning", "info"};

	world_alert(w,
	        "{\"app\":\"app%d\",\"severity\":\"%s\",\"title\":\"t%d\",\"status\":\"%s\","
	        "\"run_id\":\"r%d\"}",
	        rand() % 4, severities[rand() % 4], rand() % 3,
	        rand() % 5 == 0 ? "resolved" : "firing", number);
}

static void run(const char *config, bool is_short, bool fails, int every)
{
	struct world *w = world_create(config);
	struct ways ways = {.w = w,
	        .ways = {{.name = "ops", .room_id = "!ops:x"},
	                {.name = "dev", .room_id = "!dev:x"}}};
	int number = 0;

	srand(14);
	w->due_ms = INT64_MAX;
	w->is_short = is_short;
	for (int step = 0; step < STEPS; step++, w->now_ms += STEP_MS) {
		bool came = rand() % every == 0;

		for (int burst = came ? 1 + rand() % 4 : 0; burst > 0; burst--)
			traffic(w, number++);
		ways_step(&ways, fails, came);
		expect_nothing_late(&ways);
	}
	assert_true(number > STEPS / every / 2);
	for (size_t i = 0; i < ROOMS; i++) {
		deliver_event_finish(&ways.ways[i].event);
		deliver_event_finish(&ways.ways[i].ahead);
	}
	world_destroy(w);
}

#define DELIVERY "[delivery]\nstorm = 0\nedit_interval = 1s\nthrottle = 5s\n"

static void what_is_due_is_chosen_in_time(void **state)
{
	run(DELIVERY, false, false, 30);
	run(DELIVERY, false, false, 100);
}

static void what_is_due_is_chosen_in_time_after_failures(void **state)
{
	run(DELIVERY, false, true, 50);
}

static void what_is_due_is_chosen_in_time_under_a_limit(void **state)
{
	run(DELIVERY, true, true, 50);
}

static void what_is_due_is_chosen_in_time_in_a_storm(void **state)
{
	run("[delivery]\nstorm = 2\nedit_interval = 1s\nthrottle = 5s\n", false, true, 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_is_due_is_chosen_in_time),
	        cmocka_unit_test(what_is_due_is_chosen_in_time_after_failures),
	        cmocka_unit_test(what_is_due_is_chosen_in_time_under_a_limit),
	        cmocka_unit_test(what_is_due_is_chosen_in_time_in_a_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
