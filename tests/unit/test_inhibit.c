/*
 * What a critical failure inhibits, and that people hear of it when that is over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "bot/base/clock.h"
#include "handlers/silences/held.h"
#include "tests/unit/handlers_fixture.h"

#define INHIBIT "[delivery]\ninhibit = yes\n[route]\nwarning = ops\n"
#define FORM                                                                                 \
	"{\"app\":\"a\",\"kind\":\"%s\",\"severity\":\"%s\",\"title\":\"disk\",\"fields\":{" \
	"\"node_id\":\"disk\",\"function\":\"disk\"},\"status\":\"%s\"}"

static void release(struct world *w)
{
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};

	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(held_release(&d), OK);
	assert_int_equal(store_commit(w->store), OK);
	world_pass(w, 2000);
}

/* How many events of those since `from` say that; fails unless that is so. */
static void said(struct world *w, size_t from, const char *text, size_t times)
{
	size_t count = 0;

	for (size_t i = from; i < w->len; i++) {
		char *body = world_body(w, i);

		count += strstr(body, text) != NULL;
		free(body);
	}
	assert_int_equal(count, times);
}

static void a_warning_that_fires_still_is_told_when_the_critical_is_over(void **state)
{
	struct world *w = world_create(INHIBIT);
	size_t before;

	world_alert(w, FORM, "node_failed", "critical", "firing");
	world_send(w);
	assert_string_equal(world_alert(w, FORM, "error_rate", "warning", "firing"), "silenced");
	assert_string_equal(world_alert(w, FORM, "error_rate", "warning", "firing"), "silenced");
	release(w);
	said(w, 0, "error_rate", 0); /* the critical fires still */
	w->now_ms += 10 * CLOCK_MINUTE_MS;
	world_alert(w, FORM, "node_failed", "critical", "resolved");
	world_send(w);
	before = w->len;
	release(w);
	said(w, before, "error_rate", 1);
	said(w, before, "happened at", 1); /* it is ten minutes old */
	before = w->len;
	release(w); /* once */
	assert_int_equal(w->len, before);
	world_destroy(w);
}

/* A test is over when it has been seen, or not: it is not told later. */
static void a_test_is_not_kept(void **state)
{
	struct world *w = world_create(INHIBIT);

	world_alert(w, FORM, "node_failed", "critical", "firing");
	world_send(w);
	assert_string_equal(
	        world_alert(w, "{\"app\":\"a\",\"kind\":\"error_rate\",\"severity\":\"warning\","
	                       "\"fields\":{\"node_id\":\"disk\",\"function\":\"disk\","
	                       "\"test\":true}}"),
	        "silenced");
	world_alert(w, FORM, "node_failed", "critical", "resolved");
	world_send(w);
	release(w);
	said(w, 0, "error_rate", 0);
	world_destroy(w);
}

static void what_is_over_or_in_the_room_already_is_not_told(void **state)
{
	struct world *w = world_create(INHIBIT);
	size_t before;

	world_alert(w, FORM, "error_rate", "warning", "firing"); /* told before the critical */
	world_send(w);
	world_alert(w, FORM, "node_failed", "critical", "firing");
	assert_string_equal(world_alert(w, FORM, "error_rate", "warning", "firing"), "silenced");
	assert_string_equal(world_alert(w, FORM, "message", "warning", "firing"), "silenced");
	assert_string_equal(world_alert(w, FORM, "message", "warning", "resolved"), "silenced");
	world_alert(w, FORM, "node_failed", "critical", "resolved");
	world_send(w);
	before = w->len;
	release(w);
	said(w, before, "error_rate", 0);
	said(w, before, "⚠️ a · disk", 0);
	world_destroy(w);
}

static void a_silence_takes_over_and_a_config_without_inhibition_ends_it(void **state)
{
	struct world *w = world_create(INHIBIT);
	struct config *before;
	int64_t silence;
	size_t from;

	world_alert(w, FORM, "node_failed", "critical", "firing");
	world_alert(w, FORM, "error_rate", "warning", "firing");
	silence = world_silence(w, "kind=\"error_rate\"", 0, w->now_ms + CLOCK_HOUR_MS);
	world_alert(w, FORM, "message", "warning", "firing");
	world_send(w);
	world_alert(w, FORM, "node_failed", "critical", "resolved");
	world_pass(w, 2 * CLOCK_MINUTE_MS);
	world_alert(w, FORM, "node_failed", "critical", "firing"); /* another inhibits by now */
	release(w);
	from = w->len;
	before = w->config;
	w->config = fixture_config("[route]\nwarning = ops\n");
	config_unref(before);
	release(w);
	said(w, 0, "error_rate", 0);
	said(w, from, "2 failing", 1); /* with the warning that nothing silences */
	assert_int_equal(world_held(w, silence), 1);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_warning_that_fires_still_is_told_when_the_critical_is_over),
	        cmocka_unit_test(a_test_is_not_kept),
	        cmocka_unit_test(what_is_over_or_in_the_room_already_is_not_told),
	        cmocka_unit_test(a_silence_takes_over_and_a_config_without_inhibition_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
