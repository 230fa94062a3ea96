/*
 * test_escalate.c - which steps are due; what a failure that nobody takes on makes the bot say,
 * over a simulated day; and how acks and silences end that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "bot/base/clock.h"
#include "handlers/oncall/ack.h"
#include "handlers/oncall/escalate.h"
#include "handlers/silences/held.h"
#include "handlers/silences/silence.h"
#include "tests/unit/handlers_fixture.h"

#define MINUTE CLOCK_MINUTE_MS

/* Not in the order of their times. */
static const char steps[] = "[commands]\nremind = 30m\n[delivery]\nthrottle = 60s\n"
                            "[escalate boss]\nafter = 1h\nmention = @boss:x\n"
                            "[escalate lead]\nafter = 15m\nmention = @lead:x\n"
                            "[escalate board]\nafter = 4h\nroom = dev\n";

static const char failed[] = "{\"app\":\"%s\",\"kind\":\"node_failed\",\"severity\":\"%s\","
                             "\"run_id\":\"%s\",\"status\":\"%s\",\"fields\":{\"node_id\":\"%s\","
                             "\"duration_ms\":1,\"error\":\"e\"}}";

static void steps_are_due_each_once_in_their_order(void **state)
{
	static const struct {
		int64_t since, done, now;
		size_t len, first;
	} cases[] = {
	        {0, 0, 14 * MINUTE, 0, 0},
	        {0, 0, 15 * MINUTE, 1, 0},
	        {0, 15 * MINUTE, 59 * MINUTE, 0, 0},
	        {0, 15 * MINUTE, 60 * MINUTE, 1, 1},
	        {0, 0, 300 * MINUTE, 3, 0}, /* after a long sleep all that were missed */
	        {0, 60 * MINUTE, 300 * MINUTE, 1, 2},
	        {0, 240 * MINUTE, 9000 * MINUTE, 0, 0},
	        {100 * MINUTE, 0, 110 * MINUTE, 0, 0}, /* given back: it counts anew */
	        {100 * MINUTE, 0, 115 * MINUTE, 1, 0},
	};
	struct config *config = fixture_config(steps);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t first = 0;
		size_t len =
		        escalate_due(config, cases[i].since, cases[i].done, cases[i].now, &first);

		if (len != cases[i].len || first != cases[i].first)
			fail_msg("case %zu: %zu from %zu", i, len, first);
	}
	config_unref(config);
}

/* ---- over a store ---- */

static void duty(struct world *w)
{
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};

	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(silence_end_due(&d), OK);
	assert_int_equal(held_release(&d), OK);
	assert_int_equal(ack_end_due(&d), OK);
	assert_int_equal(escalate_duty(&d), OK);
	assert_int_equal(store_commit(w->store), OK);
}

/* Half minutes go by, with all that is due. */
static void pass(struct world *w, int64_t ms)
{
	int64_t end_ms = w->now_ms + ms;

	while (w->now_ms < end_ms) {
		world_send(w);
		duty(w);
		world_send(w);
		w->now_ms += MINUTE / 2;
	}
}

/* How many events begin with that. */
static size_t said(const struct world *w, const char *begin, const char *part)
{
	size_t count = 0;

	for (size_t i = 0; i < w->len; i++) {
		char *body = world_body(w, i);

		if (body && strncmp(body, begin, strlen(begin)) == 0 && strstr(body, part))
			count++;
		free(body);
	}
	return count;
}

static int ack(struct world *w, const char *run, const char *who)
{
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
	struct ack ack = {.who = who};
	struct ack_result result = {.by = "@x:x"};
	int changed;

	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(ack_run(&d, run, who ? &ack : NULL, &result), OK);
	assert_int_equal(store_commit(w->store), OK);
	changed = result.changed;
	ack_result_finish(&result);
	return changed;
}

static void fire(struct world *w, const char *app, const char *run, const char *name)
{
	world_alert(w, failed, app, "critical", run, "firing", name);
	world_send(w);
}

static void each_step_comes_once_and_reminders_between(void **state)
{
	struct world *w = world_create(steps);
	struct outbox_row dev = {0};

	fire(w, "etl", "r-1", "n");
	world_alert(w, failed, "calm", "warning", "r-2", "firing", "n"); /* not critical */
	pass(w, 15 * MINUTE);
	assert_int_equal(said(w, "⏫", ""), 0);
	pass(w, 2 * MINUTE);
	assert_int_equal(
	        said(w, "⏫ Escalation “lead”: 1 unacknowledged critical alert for 15m", "etl · n"),
	        1);
	assert_int_equal(said(w, "⏰", ""), 0); /* the step rang just now */
	pass(w, 40 * MINUTE);
	assert_int_equal(said(w, "⏰", "etl · n"), 1);
	pass(w, 5 * 60 * MINUTE);
	assert_int_equal(said(w, "⏫", "etl"), 2);
	assert_int_equal(said(w, "⏫", "calm"), 0);
	assert_int_equal(outbox_head(w->store, "dev", 0, 0, &dev), OK); /* the warning's */
	outbox_row_finish(&dev);
	world_destroy(w);
}

static void it_waits_for_the_message_to_be_in_the_room(void **state)
{
	struct world *w = world_create(steps);

	w->down = true;
	fire(w, "etl", "r-1", "n");
	pass(w, 90 * MINUTE);
	w->down = false;
	pass(w, 14 * MINUTE);
	assert_int_equal(said(w, "⏫", "") + said(w, "⏰", ""), 0);
	pass(w, 3 * MINUTE);
	assert_int_equal(said(w, "⏫", ""), 1);
	world_destroy(w);
}

static void steps_with_the_same_time_are_all_taken(void **state)
{
	struct world *w = world_create("[commands]\nremind = 0\n"
	                               "[escalate lead]\nafter = 15m\nmention = @lead:x\n"
	                               "[escalate other]\nafter = 15m\nmention = @other:x\n"
	                               "[escalate boss]\nafter = 1h\nmention = @boss:x\n");

	fire(w, "etl", "r-1", "n");
	pass(w, 17 * MINUTE);
	assert_int_equal(said(w, "⏫ Escalation “lead”", "etl"), 1);
	assert_int_equal(said(w, "⏫ Escalation “other”", "etl"), 1);
	pass(w, 300 * MINUTE);
	assert_int_equal(said(w, "⏫", ""), 3);
	world_destroy(w);
}

static void what_fails_within_a_minute_is_one_escalation(void **state)
{
	struct world *w = world_create("[commands]\nremind = 0\n"
	                               "[escalate lead]\nafter = 15m\nmention = @lead:x\n");

	fire(w, "etl", "r-1", "n");
	pass(w, MINUTE / 2);
	fire(w, "billing", "r-2", "n");
	pass(w, MINUTE / 2);
	fire(w, "shop", "r-3", "n");
	pass(w, 5 * MINUTE);
	fire(w, "late", "r-4", "n");
	pass(w, 30 * MINUTE);
	assert_int_equal(said(w, "⏫ Escalation “lead”: 3 unacknowledged", "shop"), 1);
	assert_int_equal(said(w, "⏫ Escalation “lead”: 1 unacknowledged", "late"), 1);
	assert_int_equal(said(w, "⏫", ""), 2);
	world_destroy(w);
}

static void reminders_do_not_pile_up_while_none_can_be_sent(void **state)
{
	struct world *w = world_create("[commands]\nremind = 30m\n");

	fire(w, "etl", "r-1", "n");
	fire(w, "billing", "r-2", "n");
	w->down = true;
	pass(w, 10 * 60 * MINUTE);
	assert_int_equal(ack(w, "r-2", "@op:x"), 1); /* by a command of the host */
	w->down = false;
	pass(w, 2 * MINUTE);
	assert_int_equal(said(w, "⏰", "etl"), 2);
	assert_int_equal(said(w, "⏰ 2 unacknowledged", "billing"), 1); /* made before the ack */
	assert_int_equal(said(w, "⏰ 1 unacknowledged", "etl · n"), 1); /* as it is now */
	pass(w, 31 * MINUTE);
	assert_int_equal(said(w, "⏰", "etl"), 3);
	world_destroy(w);
}

static void nobody_is_called_for_what_is_taken_care_of_meanwhile(void **state)
{
	struct world *w = world_create("[commands]\nremind = 0\n"
	                               "[escalate lead]\nafter = 15m\nmention = @lead:x\n");

	fire(w, "etl", "r-1", "n");
	fire(w, "shop", "r-2", "n");
	pass(w, 5 * MINUTE);
	fire(w, "billing", "r-3", "n");
	w->down = true;
	pass(w, 60 * MINUTE);
	assert_int_equal(ack(w, "r-1", "@op:x"), 1);
	world_alert(w, failed, "shop", "critical", "r-2", "resolved", "n");
	pass(w, MINUTE);
	w->down = false;
	pass(w, 30 * MINUTE);
	assert_int_equal(said(w, "⏫", "etl"), 0);
	assert_int_equal(said(w, "⏫ Escalation “lead”: 1 unacknowledged", "billing"), 1);
	world_destroy(w);
}

static void all_that_is_due_at_a_time_is_one_reminder(void **state)
{
	struct world *w = world_create("[commands]\nremind = 30m\n[delivery]\nstorm = 0\n");
	char name[16];

	for (int i = 0; i < 120; i++) {
		snprintf(name, sizeof(name), "app%d", i);
		fire(w, name, name, "n");
	}
	pass(w, 32 * MINUTE);
	assert_int_equal(said(w, "⏰", ""), 1);
	assert_int_equal(said(w, "⏰ 120 unacknowledged critical alerts", "+110 more"), 1);
	world_destroy(w);
}

static void new_messages_of_the_same_failure_do_not_begin_anew(void **state)
{
	struct world *w = world_create(steps);

	for (int i = 0; i < 20; i++) { /* a new message each: the minute is over */
		fire(w, "etl", "r-1", "n");
		pass(w, 5 * MINUTE);
	}
	assert_int_equal(world_count(w, "send"), 20);
	assert_int_equal(said(w, "⏫", "for 15m"), 1);
	assert_int_equal(said(w, "⏫", "for 1h"), 1);
	assert_int_equal(ack(w, "r-1", "@op:x"), 1); /* one failure, in all its messages */
	pass(w, 60 * MINUTE);
	assert_int_equal(said(w, "⏫", ""), 2);
	assert_int_equal(said(w, "⏰", ""), 0);
	world_destroy(w);
}

static void an_ack_stops_it_and_giving_back_counts_anew(void **state)
{
	struct world *w = world_create(steps);

	fire(w, "etl", "r-1", "n");
	pass(w, 10 * MINUTE);
	assert_int_equal(ack(w, "r-1", "@op:x"), 1);
	pass(w, 120 * MINUTE);
	assert_int_equal(said(w, "⏫", "") + said(w, "⏰", ""), 0);
	assert_int_equal(ack(w, "r-1", NULL), 1);
	assert_int_equal(ack(w, "r-1", NULL), 0);
	pass(w, 14 * MINUTE);
	assert_int_equal(said(w, "⏫", ""), 0);
	pass(w, 3 * MINUTE);
	assert_int_equal(said(w, "⏫", ""), 1);
	world_alert(w, failed, "etl", "critical", "r-1", "resolved", "n");
	assert_int_equal(ack(w, "r-1", "@op:x"), 0);
	pass(w, 300 * MINUTE);
	assert_int_equal(said(w, "⏫", ""), 1);
	assert_int_equal(said(w, "⏰", ""), 0);
	world_destroy(w);
}

static void what_fires_again_after_it_was_resolved_is_nobodys(void **state)
{
	struct world *w = world_create(steps);
	char *body;

	fire(w, "etl", "r-1", "n");
	assert_int_equal(ack(w, "r-1", "@op:x"), 1);
	world_alert(w, failed, "etl", "critical", "r-1", "resolved", "n");
	world_pass(w, 2000);
	fire(w, "etl", "r-2", "n"); /* within the minute: in the same message */
	world_pass(w, 2000);
	assert_int_equal(world_count(w, "send"), 1);
	body = world_body(w, w->len - 1);
	assert_non_null(strstr(body, "×2"));
	assert_null(strstr(body, "acked"));
	free(body);
	pass(w, 17 * MINUTE);
	assert_int_equal(said(w, "⏫", "etl"), 1);
	world_destroy(w);
}

static void an_ack_ends_after_its_time(void **state)
{
	struct world *w = world_create("[commands]\nremind = 30m\nack_timeout = 2h\n");

	fire(w, "etl", "r-1", "n");
	assert_int_equal(ack(w, "r-1", "@op:x"), 1);
	pass(w, 140 * MINUTE);
	assert_int_equal(said(w, "⏰", ""), 0);
	pass(w, 15 * MINUTE);
	assert_int_equal(said(w, "⏰", "etl"), 1);
	world_destroy(w);
}

static void a_silence_stops_it_while_it_holds(void **state)
{
	struct world *w = world_create(steps);
	struct silence_row row = {.author = (char *)"@op:x",
	        .matchers = (char *)"run_id=\"r-1\"",
	        .reason = (char *)"",
	        .at_ms = w->now_ms,
	        .end_ms = w->now_ms + 120 * MINUTE};

	fire(w, "etl", "r-1", "n");
	fire(w, "loud", "r-2", "n");
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(silences_insert(w->store, &row), OK);
	assert_int_equal(store_commit(w->store), OK);
	pass(w, 120 * MINUTE);
	assert_int_equal(said(w, "⏫", "etl") + said(w, "⏰", "etl"), 0);
	assert_int_equal(said(w, "⏫", "loud"), 2);
	pass(w, 31 * MINUTE);
	assert_int_equal(said(w, "⏫", "etl"), 1);
	world_destroy(w);
}

static void all_failures_of_a_run_are_acked_and_tests_are_left_alone(void **state)
{
	struct world *w = world_create(steps);

	fire(w, "etl", "r-1", "a");
	fire(w, "etl", "r-1", "b");
	fire(w, "other", "r-1", "a");
	world_alert(w, "{\"app\":\"made_up\",\"severity\":\"critical\",\"title\":\"t\","
	               "\"fields\":{\"test\":true}}");
	assert_int_equal(ack(w, "r-1", "@op:x"), 3);
	pass(w, 120 * MINUTE);
	assert_int_equal(said(w, "⏫", "") + said(w, "⏰", ""), 0);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(steps_are_due_each_once_in_their_order),
	        cmocka_unit_test(each_step_comes_once_and_reminders_between),
	        cmocka_unit_test(it_waits_for_the_message_to_be_in_the_room),
	        cmocka_unit_test(steps_with_the_same_time_are_all_taken),
	        cmocka_unit_test(what_fails_within_a_minute_is_one_escalation),
	        cmocka_unit_test(reminders_do_not_pile_up_while_none_can_be_sent),
	        cmocka_unit_test(nobody_is_called_for_what_is_taken_care_of_meanwhile),
	        cmocka_unit_test(all_that_is_due_at_a_time_is_one_reminder),
	        cmocka_unit_test(new_messages_of_the_same_failure_do_not_begin_anew),
	        cmocka_unit_test(an_ack_stops_it_and_giving_back_counts_anew),
	        cmocka_unit_test(what_fires_again_after_it_was_resolved_is_nobodys),
	        cmocka_unit_test(an_ack_ends_after_its_time),
	        cmocka_unit_test(a_silence_stops_it_while_it_holds),
	        cmocka_unit_test(all_failures_of_a_run_are_acked_and_tests_are_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
