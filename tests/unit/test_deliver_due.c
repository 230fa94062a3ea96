/*
 * test_deliver_due.c - whether what deliver_next() says of later events (more, due_ms) is enough to
 * be in time: here it is called as the courier calls it, and not again and again, while alerts
 * come at random and sends take their time.
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
#define STEPS 6000
#define SEND_MAX_MS 300

/* A room's way to the homeserver, as in the courier. */
struct way {
	struct deliver_event event, ahead; /* outbox_id 0 = none */
	bool missed;
	int64_t until_ms; /* when the answer to `event` comes */
};

static void way_start(struct world *w, struct way *way, struct deliver_event *event)
{
	way->event = *event;
	memset(event, 0, sizeof(*event));
	way->missed = false;
	way->until_ms = w->now_ms + STEP_MS * (1 + rand() % (SEND_MAX_MS / STEP_MS));
}

static void way_choose(struct world *w, struct way *way)
{
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
	bool sends = way->event.outbox_id != 0;
	struct deliver_room room = {
	        .name = "ops",
	        .room_id = "!ops:x",
	        .device_id = "DEV",
	        .busy = way->ahead.outbox_id ? 0 : way->event.outbox_id,
	};
	struct deliver_event event = {0};

	way->missed = sends && !room.busy;
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(deliver_next(&d, &room, !way->missed, &event, &w->due_ms), OK);
	assert_int_equal(store_commit(w->store), OK);
	if (sends && event.outbox_id)
		way->ahead = event;
	else if (event.outbox_id)
		way_start(w, way, &event);
	else if (sends)
		way->missed = way->missed || event.more;
}

static void way_answered(struct world *w, struct way *way)
{
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
	bool more = way->missed || (way->ahead.outbox_id ? way->ahead.more : way->event.more);
	int64_t due_ms = INT64_MAX;
	struct deliver_result result = {
	        .outbox_id = way->event.outbox_id,
	        .room = "ops",
	        .room_id = "!ops:x",
	        .device_id = "DEV",
	        .outcome = DELIVER_SENT,
	        .what = way->event.what,
	        .event_id = way->event.txn_id,
	        .started_ms = w->now_ms,
	        .due_ms = &due_ms,
	};

	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(deliver_finish(&d, &result), OK);
	assert_int_equal(store_commit(w->store), OK);
	if (due_ms < w->due_ms)
		w->due_ms = due_ms;
	deliver_event_finish(&way->event);
	if (way->ahead.outbox_id)
		way_start(w, way, &way->ahead);
	if (more)
		way_choose(w, way);
}

/* Nothing that could be sent now is left. */
static void expect_nothing_late(struct world *w, const struct way *way)
{
	struct message_row message = {0};
	struct outbox_row row = {0};

	if (way->event.outbox_id)
		return;
	assert_int_equal(outbox_head(w->store, "ops", 0, 0, &row), ERR_NOT_FOUND);
	if (messages_edit_first(w->store, "ops", &message) == OK)
		assert_true(message.edit_ms >= w->now_ms - STEP_MS);
	message_row_finish(&message);
}

static void what_is_due_is_chosen_in_time(void **state)
{
	struct world *w =
	        world_create("[delivery]\nstorm = 0\nedit_interval = 1s\nthrottle = 10s\n");
	struct way way = {0};
	int number = 0;

	srand(14);
	w->due_ms = INT64_MAX;
	for (int step = 0; step < STEPS; step++, w->now_ms += STEP_MS) {
		if (way.event.outbox_id && way.until_ms <= w->now_ms)
			way_answered(w, &way);
		if (rand() % 20 == 0) {
			world_alert(w,
			        "{\"app\":\"app%d\",\"severity\":\"critical\",\"title\":\"t%d\","
			        "\"run_id\":\"r%d\"}",
			        rand() % 4, rand() % 3, number++);
			way_choose(w, &way);
		} else if (w->due_ms <= w->now_ms) {
			way_choose(w, &way);
		}
		expect_nothing_late(w, &way);
	}
	assert_true(number > STEPS / 40);
	deliver_event_finish(&way.event);
	deliver_event_finish(&way.ahead);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_is_due_is_chosen_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
