/*
 * test_expire.c - alerts that say when they end: told once, over by then, known across restarts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "bot/base/clock.h"
#include "handlers/alerts/expire.h"
#include "storage/expiries.h"
#include "storage/messages.h"
#include "tests/unit/handlers_fixture.h"

#define ALERT "{\"app\":\"prom\",\"title\":\"load\",\"key\":\"k1\",\"ends_at\":%lld}"

/* As Prometheus posts it: over in so many minutes. */
static const char *post(struct world *w, int minutes)
{
	return world_alert(w, ALERT, (long long)(w->now_ms + minutes * CLOCK_MINUTE_MS));
}

/* What fires. */
static size_t firing(struct world *w)
{
	struct entry_row *rows = NULL;
	size_t len = 0;

	assert_int_equal(entries_open(w->store, 0, 10, &rows, &len), OK);
	entry_rows_free(rows, len);
	return len;
}

static void look(struct world *w, int64_t started_ms)
{
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};

	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(expire_due(&d, started_ms), OK);
	assert_int_equal(store_commit(w->store), OK);
}

static void what_comes_again_goes_on_until_it_comes_no_more(void **state)
{
	struct world *w = world_create("");

	assert_string_equal(post(w, 4), "queued");
	for (int i = 0; i < 10; i++) {
		w->now_ms += CLOCK_MINUTE_MS;
		look(w, 0);
		assert_int_equal(firing(w), 1);
		assert_string_equal(post(w, 4), "duplicate");
	}
	w->now_ms += 4 * CLOCK_MINUTE_MS - 1;
	look(w, 0);
	assert_int_equal(firing(w), 1);
	w->now_ms++;
	look(w, 0);
	assert_int_equal(firing(w), 0);
	/* an episode of its own, whatever its id was */
	assert_string_not_equal(post(w, 4), "duplicate");
	assert_int_equal(firing(w), 1);
	world_destroy(w);
}

static void what_is_said_to_be_over_is(void **state)
{
	struct world *w = world_create("");

	post(w, 4);
	w->now_ms += CLOCK_MINUTE_MS;
	post(w, 0); /* ends now: resolved */
	assert_int_equal(firing(w), 0);
	assert_string_not_equal(post(w, 4), "duplicate");
	assert_int_equal(firing(w), 1);
	world_destroy(w);
}

/* What ended while nothing could come gets its whole time once more. */
static void a_restart_keeps_the_end_and_is_no_end(void **state)
{
	struct world *w = world_create("");

	post(w, 4);
	w->now_ms += CLOCK_HOUR_MS; /* the daemon was down */
	look(w, w->now_ms);
	assert_int_equal(firing(w), 1);
	w->now_ms += 4 * CLOCK_MINUTE_MS - 1;
	look(w, 0);
	assert_int_equal(firing(w), 1);
	w->now_ms++;
	look(w, 0);
	assert_int_equal(firing(w), 0);
	/* one that ends much later waits for no more than five minutes */
	post(w, 600);
	w->now_ms += 601 * CLOCK_MINUTE_MS;
	look(w, w->now_ms);
	w->now_ms += 5 * CLOCK_MINUTE_MS;
	look(w, 0);
	assert_int_equal(firing(w), 0);
	world_destroy(w);
}

/* Somebody closed it: what posts it goes on, and nobody hears of it before it ended once. */
static void what_a_person_closed_stays_closed(void **state)
{
	struct world *w = world_create("");
	struct alert *alert;
	struct alert_fault fault;
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
	struct deliver_receipt receipt;
	json_t *request = json_pack("{s:s, s:s, s:s, s:s}", "app", "prom", "key", "k1", "title",
	        "load", "status", "resolved");

	post(w, 4);
	assert_int_equal(alert_parse(request, w->config, w->now_ms, &alert, &fault), OK);
	alert->resolved_by = "@op:x";
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(deliver_accept(&d, alert, &receipt), OK);
	assert_int_equal(store_commit(w->store), OK);
	alert_destroy(alert);
	json_decref(request);
	assert_int_equal(firing(w), 0);
	assert_string_equal(post(w, 4), "duplicate");
	assert_int_equal(firing(w), 0);
	world_destroy(w);
}

static void a_silenced_one_ends_too(void **state)
{
	struct world *w = world_create("");

	world_silence(w, "app=prom", 0, w->now_ms + CLOCK_DAY_MS);
	assert_string_equal(post(w, 4), "silenced");
	assert_string_equal(post(w, 4), "duplicate");
	w->now_ms += 5 * CLOCK_MINUTE_MS;
	look(w, 0);
	assert_string_equal(post(w, 4), "silenced");
	world_destroy(w);
}

static void an_end_that_is_none_is_dropped(void **state)
{
	struct world *w = world_create("");
	struct alert_fault fault;
	struct alert *alert;
	json_t *request = json_pack("{s:s, s:s, s:s}", "app", "a", "title", "t", "ends_at", "soon");

	assert_int_equal(alert_parse(request, w->config, w->now_ms, &alert, &fault), OK);
	assert_int_equal(alert->ends_ms, 0);
	assert_false(alert->resolved);
	assert_int_equal(json_array_size(alert->warnings), 1);
	alert_destroy(alert);
	json_decref(request);
	world_destroy(w);
}

/* The same id is a duplicate until what it opened is over. */
static void an_id_is_open_again_when_it_is_said(void **state)
{
	struct world *w = world_create("");
	static const char fire[] =
	        "{\"app\":\"am\",\"title\":\"t\",\"id\":\"x f\",\"reopens\":\"x r\"}";
	static const char over[] =
	        "{\"app\":\"am\",\"title\":\"t\",\"id\":\"x r\",\"reopens\":\"x f\","
	        "\"status\":\"resolved\"}";

	assert_string_equal(world_alert(w, "%s", fire), "queued");
	assert_string_equal(world_alert(w, "%s", fire), "duplicate");
	assert_string_equal(world_alert(w, "%s", over), "grouped");
	assert_string_equal(world_alert(w, "%s", over), "duplicate");
	assert_int_equal(firing(w), 0);
	assert_string_not_equal(world_alert(w, "%s", fire), "duplicate");
	assert_int_equal(firing(w), 1);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_comes_again_goes_on_until_it_comes_no_more),
	        cmocka_unit_test(what_is_said_to_be_over_is),
	        cmocka_unit_test(a_restart_keeps_the_end_and_is_no_end),
	        cmocka_unit_test(what_a_person_closed_stays_closed),
	        cmocka_unit_test(a_silenced_one_ends_too),
	        cmocka_unit_test(an_end_that_is_none_is_dropped),
	        cmocka_unit_test(an_id_is_open_again_when_it_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
