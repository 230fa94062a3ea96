/*
 * Tests of what an alert and a choice cost, counted in steps of SQLite's machine and not by a
 * clock: as much with few messages open, alerts stored, silences, past overrides and recorded
 * commands as with many; and in proportion to the rooms.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bot/base/clock.h"
#include "handlers/oncall/escalate.h"
#include "handlers/oncall/resolve.h"
#include "tests/unit/handlers_fixture.h"
#include "tests/unit/steps.h"
#include "storage/command_log.h"
#include "storage/oncall_overrides.h"

/* One app's alert, and the choice after it, with so many messages of others open. */
static int64_t cost(int open, int64_t *choice)
{
	struct world *w = world_create("[delivery]\nstorm = 0\nthrottle = 1h\n");
	struct deliver_event event;
	int64_t accept, scanned;

	for (int i = 0; i < open; i++)
		world_alert(w,
		        "{\"app\":\"app%d\",\"severity\":\"critical\",\"title\":\"t\","
		        "\"run_id\":\"r-%d\"}",
		        i, i);
	world_send(w);
	w->now_ms += 2000;
	world_alert(w, "{\"app\":\"app0\",\"severity\":\"critical\",\"title\":\"t\","
	               "\"run_id\":\"again\"}");
	world_send(w);
	w->now_ms += 2000;
	steps(w, &scanned);
	world_alert(w, "{\"app\":\"app0\",\"severity\":\"critical\",\"title\":\"t\","
	               "\"run_id\":\"last\"}");
	accept = steps(w, &scanned);
	assert_int_equal(scanned, 0);
	assert_true(world_next(w, &event));
	*choice = steps(w, &scanned);
	assert_int_equal(scanned, 0);
	deliver_event_finish(&event);
	world_destroy(w);
	return accept;
}

static void what_is_open_makes_nothing_slower(void **state)
{
	int64_t few_choice, many_choice;
	int64_t few = cost(5, &few_choice), many = cost(400, &many_choice);

	assert_true(few > 0 && few_choice > 0);
	if (many > few + few / 10 || many_choice > few_choice + few_choice / 10)
		fail_msg("an alert %lld then %lld steps, a choice %lld then %lld", (long long)few,
		        (long long)many, (long long)few_choice, (long long)many_choice);
}

/* A look at reminders and escalations with so many criticals that fire; *scanned as for steps(). */
static int64_t bell_cost(struct world *w)
{
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
	int64_t scanned, sum;

	steps(w, &scanned);
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(escalate_duty(&d), OK);
	assert_int_equal(store_commit(w->store), OK);
	sum = steps(w, &scanned);
	assert_int_equal(scanned, 0);
	return sum;
}

/* All were told, the first steps of escalation are done, and nothing is due now. */
static struct world *bell_world(int firing)
{
	struct world *w = world_create("[commands]\nremind = 4h\n[delivery]\nstorm = 0\n"
	                               "[escalate lead]\nafter = 10m\nmention = @lead:x\n"
	                               "[escalate boss]\nafter = 2h\nmention = @boss:x\n");

	for (int i = 0; i < firing; i++) /* half of them the same in message after message */
		for (int k = 0; k < 2; k++) {
			world_alert(w,
			        "{\"app\":\"%s%d\",\"severity\":\"critical\","
			        "\"title\":\"t\",\"run_id\":\"r-%d\"}",
			        k ? "same" : "app", k ? 0 : i, i);
			w->now_ms += 100;
		}
	world_send(w);
	w->now_ms += 30 * CLOCK_MINUTE_MS;
	for (int i = 0; i < firing; i++) /* fifty at a time */
		if (i % 10 == 0)
			bell_cost(w);
	world_send(w);
	w->now_ms += CLOCK_MINUTE_MS;
	return w;
}

static void reminders_and_escalations_cost_what_is_due(void **state)
{
	struct world *few = bell_world(5), *many = bell_world(400);
	int64_t few_cost = bell_cost(few), many_cost = bell_cost(many);

	assert_true(few_cost > 0);
	if (many_cost > few_cost + few_cost / 10)
		fail_msg("%lld, then %lld steps", (long long)few_cost, (long long)many_cost);
	/* nor do those that are forgotten, and those of older messages */
	few->now_ms += 8 * CLOCK_DAY_MS;
	many->now_ms += 8 * CLOCK_DAY_MS;
	for (int i = 0; i < 8; i++) {
		bell_cost(few);
		bell_cost(many);
	}
	assert_int_equal(world_count(many, "note"), 1); /* the first step */
	few_cost = bell_cost(few);
	many_cost = bell_cost(many);
	if (many_cost > few_cost + few_cost / 10)
		fail_msg("forgotten: %lld, then %lld steps", (long long)few_cost,
		        (long long)many_cost);
	world_destroy(few);
	world_destroy(many);
}

static size_t firing_len(struct world *w)
{
	struct entry_row *rows;
	size_t len;

	assert_int_equal(entries_open(w->store, 0, 1000, &rows, &len), OK);
	entry_rows_free(rows, len);
	return len;
}

/* What a look at what resolves by itself costs. */
static int64_t resolve_cost(struct world *w)
{
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
	int64_t scanned;

	steps(w, &scanned);
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(resolve_due(&d), OK);
	assert_int_equal(store_commit(w->store), OK);
	return steps(w, &scanned);
}

/* The cost with so many failures that fire, half of them without a limit and the others with one
 * that has not passed. */
static int64_t resolve_cost_beside(int firing)
{
	struct world *w = world_create("[delivery]\nstorm = 0\n[app slow]\nresolve_after = 2h\n");
	int64_t cost;

	for (int i = 0; i < firing; i++)
		for (int k = 0; k < 2; k++)
			world_alert(w,
			        "{\"app\":\"%s\",\"title\":\"t%d\",\"severity\":\"warning\"}",
			        k ? "slow" : "etl", i);
	w->now_ms += CLOCK_HOUR_MS;
	resolve_cost(w); /* finds that the limits are new */
	cost = resolve_cost(w);
	assert_int_equal(firing_len(w), 2 * firing);
	w->now_ms += 3 * CLOCK_HOUR_MS;
	resolve_cost(w);
	assert_int_equal(firing_len(w), firing); /* those without a limit are left */
	world_destroy(w);
	return cost;
}

static void what_resolves_by_itself_costs_what_is_due(void **state)
{
	int64_t few = resolve_cost_beside(3), many = resolve_cost_beside(80);

	if (few == 0 || many > few)
		fail_msg("%lld, then %lld steps", (long long)few, (long long)many);
}

/* One app's alert while so many silences hold others. */
static int64_t cost_beside_silences(int silences)
{
	struct world *w = world_create("[delivery]\nstorm = 0\nthrottle = 1h\n");
	char matchers[64];
	int64_t scanned, sum;

	for (int i = 0; i < silences; i++) {
		snprintf(matchers, sizeof(matchers), "app=\"other%d\"", i);
		world_silence(w, matchers, 0, w->now_ms + CLOCK_HOUR_MS);
	}
	for (int i = 0; i < 2; i++) { /* the first one reads the silences */
		steps(w, &scanned);
		assert_string_equal(world_alert(w, "{\"app\":\"app0\",\"title\":\"t\"}"),
		        i ? "grouped" : "queued");
		sum = steps(w, &scanned);
	}
	assert_int_equal(scanned, 0);
	world_destroy(w);
	return sum;
}

static void silences_make_no_alert_read_more(void **state)
{
	int64_t few = cost_beside_silences(3), many = cost_beside_silences(300);

	if (few == 0 || many > few)
		fail_msg("%lld, then %lld steps", (long long)few, (long long)many);
}

/* One app's critical alert, and the choice after it, when so many overrides of the on-call schedule
 * have ended and so many commands been recorded. */
static int64_t cost_after(int rows)
{
	struct world *w = world_create(
	        "[severity critical]\nmention = oncall:lead\n"
	        "[oncall lead]\nusers = @a:x, @b:x\nrotate = daily 09:00\nfrom = 2026-01-01\n");
	struct deliver_event event;
	int64_t scanned, sum;

	assert_int_equal(store_begin(w->store), OK);
	for (int i = 0; i < rows; i++) {
		struct oncall_override_row turn = {.at_ms = i,
		        .start_ms = i,
		        .end_ms = i + 1,
		        .name = (char[]){"lead"},
		        .user = (char[]){"@b:x"},
		        .author = (char[]){"@a:x"}};
		struct command_row command = {.at_ms = w->now_ms,
		        .result = (char[]){"done"},
		        .sender = (char[]){"@a:x"},
		        .command = (char[]){"!status"},
		        .effect = (char[]){"answered"}};

		assert_int_equal(oncall_overrides_insert(w->store, &turn), OK);
		assert_int_equal(commands_insert(w->store, &command), OK);
	}
	assert_int_equal(store_commit(w->store), OK);
	steps(w, &scanned);
	world_alert(w, "{\"app\":\"etl\",\"severity\":\"critical\",\"title\":\"t\"}");
	assert_true(world_next(w, &event));
	sum = steps(w, &scanned);
	assert_int_equal(scanned, 0);
	deliver_event_finish(&event);
	world_destroy(w);
	return sum;
}

static void what_is_over_makes_nothing_slower(void **state)
{
	int64_t few = cost_after(3), many = cost_after(300);

	if (few == 0 || many > few)
		fail_msg("%lld, then %lld steps", (long long)few, (long long)many);
}

#define ROOMS 60

/* A choice for so many rooms that have nothing to send. */
static int64_t cost_of_rooms(size_t len)
{
	struct world *w = world_create("");
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
	struct deliver_room rooms[ROOMS];
	struct deliver_event events[ROOMS];
	char names[ROOMS][32];
	int64_t scanned, sum = 0;

	memset(rooms, 0, sizeof(rooms));
	for (size_t i = 0; i < len; i++) {
		snprintf(names[i], sizeof(names[i]), "r%zu", i);
		rooms[i].name = names[i];
		rooms[i].room_id = "!r:x";
		rooms[i].device_id = "DEV";
	}
	for (int i = 0; i < 2; i++) {
		memset(events, 0, sizeof(events));
		steps(w, &scanned);
		assert_int_equal(store_begin(w->store), OK);
		assert_int_equal(deliver_next(&d, rooms, len, events, &w->due_ms), OK);
		assert_int_equal(store_commit(w->store), OK);
		sum = steps(w, &scanned);
	}
	assert_int_equal(scanned, 0);
	world_destroy(w);
	return sum;
}

static void each_room_costs_a_choice_the_same(void **state)
{
	int64_t one = cost_of_rooms(1), two = cost_of_rooms(2), many = cost_of_rooms(ROOMS);

	if (two <= one || many > one + (ROOMS - 1) * (two - one))
		fail_msg("%lld, %lld, then %lld steps", (long long)one, (long long)two,
		        (long long)many);
}

/* A choice while the homeserver takes one event only, and so many messages wait. */
static int64_t cost_while_limited(int waiting)
{
	struct world *w = world_create("[delivery]\nstorm = 0\n");
	struct deliver_event event;
	int64_t scanned, sum;

	for (int i = 0; i < waiting; i++)
		world_alert(w, "{\"app\":\"app%d\",\"severity\":\"critical\",\"title\":\"t\"}", i);
	w->is_short = true;
	steps(w, &scanned);
	assert_true(world_next(w, &event));
	sum = steps(w, &scanned);
	assert_int_equal(scanned, 0);
	deliver_event_finish(&event);
	world_destroy(w);
	return sum;
}

static void a_choice_while_the_rate_is_limited_costs_what_waits(void **state)
{
	int64_t few = cost_while_limited(50), many = cost_while_limited(150);

	if (few == 0 || many > 3 * few)
		fail_msg("%lld, then %lld steps", (long long)few, (long long)many);
}

/* Requeues what is undeliverable in a room that moved, beside as much in another. */
static int64_t cost_of_following(int count)
{
	struct world *w = world_create("[delivery]\nstorm = 0\n");
	static const char *const rooms[] = {"ops", "dev"};
	struct deliver_event event;
	int64_t scanned, sum, followed;

	for (int i = 0; i < 2 * count; i++)
		world_alert(w, "{\"app\":\"app%d\",\"severity\":\"%s\",\"title\":\"t\"}", i,
		        i < count ? "critical" : "warning");
	for (int i = 0; i < 2; i++)
		for (w->room = i ? rooms[i] : NULL; world_next(w, &event);) {
			world_finish(w, &event, DELIVER_UNDELIVERABLE);
			deliver_event_finish(&event);
		}
	steps(w, &scanned);
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(outbox_follow(w->store, rooms[1], "!new:x", &followed), OK);
	assert_int_equal(store_commit(w->store), OK);
	assert_int_equal(followed, count);
	sum = steps(w, &scanned);
	world_destroy(w);
	return sum;
}

static void following_a_room_costs_what_is_undeliverable(void **state)
{
	int64_t few = cost_of_following(10), many = cost_of_following(100);

	if (few == 0 || many > 10 * few)
		fail_msg("%lld, then %lld steps", (long long)few, (long long)many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_is_open_makes_nothing_slower),
	        cmocka_unit_test(reminders_and_escalations_cost_what_is_due),
	        cmocka_unit_test(what_resolves_by_itself_costs_what_is_due),
	        cmocka_unit_test(silences_make_no_alert_read_more),
	        cmocka_unit_test(what_is_over_makes_nothing_slower),
	        cmocka_unit_test(each_room_costs_a_choice_the_same),
	        cmocka_unit_test(a_choice_while_the_rate_is_limited_costs_what_waits),
	        cmocka_unit_test(following_a_room_costs_what_is_undeliverable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
