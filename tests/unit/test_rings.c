/*
 * test_rings.c - failures that joined a message by edits are announced once, unless they are over
 * by then.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "bot/base/clock.h"
#include "handlers/oncall/ack.h"
#include "tests/unit/handlers_fixture.h"

/* One app's failure of node n<node>, in run r<node>. */
static void node(struct world *w, const char *app, int node, const char *status)
{
	world_alert(w,
	        "{\"app\":\"%s\",\"kind\":\"node_failed\",\"run_id\":\"r%d\",\"status\":\"%s\","
	        "\"fields\":{\"node_id\":\"n%d\"}}",
	        app, node, status, node);
}

static void last_says(const struct world *w, const char *words, const char *never)
{
	char *body = world_body(w, w->len - 1);

	if (!strstr(body, words) || (never && strstr(body, never)))
		fail_msg("%s", body);
	free(body);
}

/* The same of the last new message. */
static void last_send_says(struct world *w, const char *words, const char *never)
{
	size_t len = w->len;

	while (w->len > 1 && strcmp(w->events[w->len - 1].what, "send") != 0)
		w->len--;
	last_says(w, words, never);
	w->len = len;
}

/* n1 rings; n2 and n3 join it. */
static struct world *world_of_three(void)
{
	struct world *w = world_create("");

	node(w, "etl", 1, "firing");
	world_send(w);
	node(w, "etl", 2, "firing");
	node(w, "etl", 3, "firing");
	world_pass(w, 10000);
	return w;
}

static void what_is_over_by_then_rings_not(void **state)
{
	struct world *w = world_of_three();

	node(w, "etl", 2, "resolved");
	node(w, "etl", 3, "resolved");
	world_pass(w, 2 * CLOCK_MINUTE_MS);
	assert_int_equal(world_count(w, "send"), 1);
	world_destroy(w);
}

static void what_fires_still_rings(void **state)
{
	struct world *w = world_of_three();

	node(w, "etl", 1, "resolved"); /* had rung */
	node(w, "etl", 2, "resolved");
	world_pass(w, 2 * CLOCK_MINUTE_MS);
	assert_int_equal(world_count(w, "send"), 2);
	last_says(w, "🚨 etl · 1 more critical failure: n3 · see", "n2");
	world_destroy(w);
}

/* ack false: removes the acknowledgement. */
static void node_acked(struct world *w, const char *run, bool ack)
{
	const struct ack by = {.who = "@op1:x"};
	const struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
	struct ack_result result = {.by = "@op1:x"};

	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(ack_run(&d, run, ack ? &by : NULL, &result), OK);
	assert_int_equal(store_commit(w->store), OK);
	assert_int_equal(result.changed, 1);
	ack_result_finish(&result);
}

static void what_is_acknowledged_by_then_rings_not(void **state)
{
	struct world *w = world_of_three();

	node_acked(w, "r1", true); /* had rung */
	node_acked(w, "r2", true);
	node_acked(w, "r2", true); /* counts once */
	node(w, "etl", 2, "resolved");
	world_pass(w, 2 * CLOCK_MINUTE_MS);
	assert_int_equal(world_count(w, "send"), 2);
	last_says(w, "🚨 etl · 1 more critical failure: n3 · see", "n2");
	world_destroy(w);
	w = world_of_three();
	node_acked(w, "r2", true);
	node_acked(w, "r3", true);
	world_pass(w, 2 * CLOCK_MINUTE_MS);
	assert_int_equal(world_count(w, "send"), 1);
	world_destroy(w);
}

/* In the ring as it was sent, more joins by an edit. */
static void what_rang_stays_named_when_acknowledged(void **state)
{
	struct world *w = world_of_three();

	world_pass(w, CLOCK_MINUTE_MS - 5000);
	assert_int_equal(world_count(w, "send"), 2);
	node_acked(w, "r2", true);
	node(w, "etl", 4, "firing");
	world_pass(w, 2000);
	last_says(w, "2 more critical failures: n2, n3 · see", NULL);
	world_destroy(w);
}

/* The ring waits for the homeserver; what is acknowledged in an older message is known, too. */
static void what_is_acknowledged_in_an_outage_rings_not(void **state)
{
	struct world *w = world_of_three();

	w->down = true;
	for (int s = 0; s < 60; s++) {
		world_next(w, &(struct deliver_event){0});
		w->now_ms += CLOCK_SECOND_MS;
	}
	node_acked(w, "r2", true);
	w->down = false;
	world_send(w);
	assert_int_equal(world_count(w, "send"), 2);
	last_send_says(w, "1 more critical failure: n3 · see", "n2");
	w->now_ms += 10 * CLOCK_MINUTE_MS;
	node(w, "etl", 5, "firing");
	world_send(w);
	node(w, "etl", 2, "firing");
	world_pass(w, 2 * CLOCK_MINUTE_MS);
	assert_int_equal(world_count(w, "send"), 3);
	world_destroy(w);
}

static void what_fails_again_rings_once(void **state)
{
	struct world *w = world_of_three();

	for (int times = 0; times < 3; times++) {
		node(w, "etl", 2, "resolved");
		world_pass(w, 2000);
		node(w, "etl", 2, "firing");
		world_pass(w, 2000);
	}
	node(w, "etl", 3, "resolved");
	world_pass(w, CLOCK_MINUTE_MS);
	assert_int_equal(world_count(w, "send"), 2);
	last_says(w, "1 more critical failure: n2 · see", "n3");
	world_destroy(w);
}

/* What is over after it rang takes nothing from what joins later. */
static void what_was_told_takes_no_ring_away(void **state)
{
	struct world *w = world_of_three();

	world_pass(w, CLOCK_MINUTE_MS - 5000);
	assert_int_equal(world_count(w, "send"), 2); /* the ring, in whose minute more joins */
	node(w, "etl", 4, "firing");
	world_pass(w, 2000);
	node(w, "etl", 2, "resolved");
	node(w, "etl", 3, "resolved");
	world_pass(w, CLOCK_MINUTE_MS);
	assert_int_equal(world_count(w, "send"), 3);
	last_says(w, "1 more critical failure: n4 · see", "n3");
	world_destroy(w);
}

/* The ring waits for the homeserver, and is not needed any more when that is back. */
static void what_is_over_in_an_outage_rings_not(void **state)
{
	for (int resolved = 2; resolved <= 4; resolved++) {
		struct world *w = world_of_three();

		w->down = true;
		for (int s = 0; s < 60; s++) {
			world_next(w, &(struct deliver_event){0});
			w->now_ms += CLOCK_SECOND_MS;
		}
		if (resolved == 4) /* joins the ring that waits */
			node(w, "etl", 4, "firing");
		for (int n = 2; n <= resolved && n <= 3; n++)
			node(w, "etl", n, "resolved");
		w->down = false;
		world_send(w);
		assert_int_equal(world_count(w, "send"), resolved == 3 ? 1 : 2);
		world_destroy(w);
	}
}

/* A message that starts because it is worse, or as the minute is over, says what joined the one
 * before. */
static void what_the_next_message_announces_is_left_out_too(void **state)
{
	struct world *w = world_of_three();
	struct deliver_event event;

	w->now_ms += CLOCK_MINUTE_MS;
	node(w, "etl", 5, "firing");
	node(w, "etl", 2, "resolved");
	assert_true(world_next(w, &event));
	world_finish(w, &event, DELIVER_SENT);
	assert_string_equal(event.what, "send");
	deliver_event_finish(&event);
	last_says(w, "1 more critical failure: n3 · see", "n2");
	world_destroy(w);
}

static void each_ring_of_a_storm_names_what_is_new(void **state)
{
	struct world *w = world_create("[delivery]\nstorm = 5\n");
	char app[16], name[24];
	int named[90] = {0}, rings = 0;

	for (int n = 0; n < 90; n++) {
		snprintf(app, sizeof(app), "s%d", n);
		node(w, app, n, "firing");
		world_pass(w, 2000);
		if (n > 5 && n % 10 > 2)
			node(w, app, n, "resolved");
	}
	for (size_t i = 0; i < w->len; i++) {
		char *body = world_body(w, i);

		rings += strstr(body, "more critical") != NULL;
		for (int n = 0; strstr(body, "more critical") && n < 90; n++) {
			snprintf(name, sizeof(name), "s%d · n%d", n, n);
			named[n] += strstr(body, name) != NULL;
		}
		free(body);
	}
	assert_int_equal(rings, 2); /* what joined since then has not rung yet */
	for (int n = 0; n < 90; n++)
		assert_in_range(named[n], 0, n % 10 <= 2);
	assert_int_equal(named[10] + named[11] + named[12], 3);
	assert_int_equal(named[50] + named[51], 2); /* each ring names five */
	world_destroy(w);
}

/* Other apps' failures are neither added to a storm's ring, which nobody is told of, nor to a storm
 * that is over. */
static void what_follows_a_ring_of_a_storm_rings(void **state)
{
	struct world *w = world_create("[delivery]\nstorm = 5\n");
	char app[16];
	size_t sends;

	for (int n = 0; n < 8; n++) {
		snprintf(app, sizeof(app), "s%d", n);
		node(w, app, n, "firing");
		world_pass(w, 500); /* the storm begins with s5; s6 and s7 join it */
	}
	world_pass(w, CLOCK_MINUTE_MS);
	assert_int_equal(world_count(w, "send"), 7);
	last_says(w, "Alert storm over: 3 critical", NULL);
	w->len--; /* before that */
	last_says(w, "2 more critical failures: s6 · n6, s7 · n7 · see", NULL);
	w->len++;
	sends = world_count(w, "send");
	node(w, "later", 9, "firing");
	world_send(w);
	assert_int_equal(world_count(w, "send"), sends + 1);
	last_says(w, "later · n9 FAILED", "more");
	world_destroy(w);
}

/* While it goes on, they are in the storm's message. */
static void a_storm_goes_on_in_its_message(void **state)
{
	struct world *w = world_create("[delivery]\nstorm = 5\n");
	char app[16];

	for (int n = 0; n < 40; n++) {
		snprintf(app, sizeof(app), "s%d", n);
		node(w, app, n, "firing");
		world_pass(w, 3000);
	}
	last_says(w, "Alert storm: 35 critical from 35 apps", NULL);
	assert_int_equal(world_count(w, "send"), 5 + 1 + 1);
	world_destroy(w);
}

/* Ten apps are named: the one that is critical is not among "+2 apps". */
static void a_storm_names_the_critical_first(void **state)
{
	struct world *w = world_create("[delivery]\nstorm = 5\n[route]\nwarning = ops\n");

	for (int n = 0; n < 16; n++)
		world_alert(w, "{\"app\":\"a%d\",\"severity\":\"warning\",\"title\":\"disk\"}", n);
	world_alert(w, "{\"app\":\"z\",\"severity\":\"critical\",\"title\":\"disk\"}");
	world_send(w);
	last_says(w, "Alert storm: 1 critical, 11 warning from 12 apps\n• z 1 · a1", NULL);
	world_destroy(w);
}

#define TEST_OF \
	"{\"app\":\"%s\",\"kind\":\"node_failed\",\"fields\":{\"node_id\":\"t\",\"test\":true}}"

/* Tests have messages of their own in a storm, and are none. */
static void a_test_is_in_no_storm(void **state)
{
	struct world *w = world_create("[delivery]\nstorm = 3\n");

	for (int n = 0; n < 5; n++) {
		world_alert(w, TEST_OF, (char[]){(char)('p' + n), '\0'});
		world_send(w);
	}
	for (int n = 0; n < 3; n++) {
		node(w, (char[]){(char)('a' + n), '\0'}, n, "firing");
		world_send(w);
		last_says(w, "FAILED", "Alert storm");
	}
	world_alert(w, TEST_OF, "u");
	world_send(w);
	last_says(w, "TEST · u", "Alert storm");
	node(w, "d", 3, "firing");
	world_send(w);
	last_says(w, "Alert storm: 1 critical from 1 app", NULL);
	world_alert(w, TEST_OF, "v");
	world_send(w);
	last_says(w, "TEST · v", "Alert storm");
	world_destroy(w);
}

/* What a full message only counts cannot be told apart, so it rings. */
static void what_is_only_counted_rings(void **state)
{
	struct world *w = world_create("");

	node(w, "etl", 1, "firing");
	world_send(w);
	for (int n = 2; n < 900; n++)
		node(w, "etl", n, "firing");
	world_pass(w, 10000);
	for (int n = 2; n < 900; n++)
		node(w, "etl", n, "resolved");
	world_pass(w, CLOCK_MINUTE_MS);
	last_says(w, "more critical failure", NULL);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_is_over_by_then_rings_not),
	        cmocka_unit_test(what_fires_still_rings),
	        cmocka_unit_test(what_is_acknowledged_by_then_rings_not),
	        cmocka_unit_test(what_rang_stays_named_when_acknowledged),
	        cmocka_unit_test(what_is_acknowledged_in_an_outage_rings_not),
	        cmocka_unit_test(what_fails_again_rings_once),
	        cmocka_unit_test(what_was_told_takes_no_ring_away),
	        cmocka_unit_test(what_is_over_in_an_outage_rings_not),
	        cmocka_unit_test(what_the_next_message_announces_is_left_out_too),
	        cmocka_unit_test(each_ring_of_a_storm_names_what_is_new),
	        cmocka_unit_test(what_follows_a_ring_of_a_storm_rings),
	        cmocka_unit_test(a_storm_goes_on_in_its_message),
	        cmocka_unit_test(a_storm_names_the_critical_first),
	        cmocka_unit_test(a_test_is_in_no_storm),
	        cmocka_unit_test(what_is_only_counted_rings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
