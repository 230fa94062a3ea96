/*
 * test_quiet.c - when quiet times hold, across changes of the clock, and what they hold back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "bot/base/clock.h"
#include "bot/base/zone.h"
#include "handlers/silences/held.h"
#include "handlers/silences/quiet.h"
#include "storage/outbox.h"
#include "tests/unit/handlers_fixture.h"

static int64_t at(const char *text)
{
	int64_t ms;

	assert_true(clock_parse_rfc3339(text, &ms));
	return ms;
}

static void they_hold_by_the_clock_of_the_zone(void **state)
{
	static const struct {
		const char *zone, *keys, *now;
		bool holds;
		const char *until;
	} cases[] = {
	        /* Tuesday */
	        {"UTC", "days = mon-fri\nfrom = 23:00\nto = 07:00", "2026-11-24T22:59:59Z", false,
	                "2026-11-24T23:00:00Z"},
	        {"UTC", "days = mon-fri\nfrom = 23:00\nto = 07:00", "2026-11-24T23:00:00Z", true,
	                "2026-11-25T07:00:00Z"},
	        {"UTC", "days = mon-fri\nfrom = 23:00\nto = 07:00", "2026-11-25T06:59:59Z", true,
	                "2026-11-25T07:00:00Z"},
	        {"UTC", "days = mon-fri\nfrom = 23:00\nto = 07:00", "2026-11-25T07:00:00Z", false,
	                "2026-11-25T23:00:00Z"},
	        /* Friday's reaches into Saturday, Sunday's there is none of */
	        {"UTC", "days = mon-fri\nfrom = 23:00\nto = 07:00", "2026-11-28T03:00:00Z", true,
	                "2026-11-28T07:00:00Z"},
	        {"UTC", "days = mon-fri\nfrom = 23:00\nto = 07:00", "2026-11-29T23:30:00Z", false,
	                "2026-11-30T23:00:00Z"},
	        {"UTC", "days = sat, sun\nfrom = 00:00\nto = 23:59", "2026-11-29T12:00:00Z", true,
	                "2026-11-29T23:59:00Z"},
	        {"UTC", "days = fri-mon\nfrom = 12:00\nto = 13:00", "2026-11-30T12:30:00Z", true,
	                "2026-11-30T13:00:00Z"},
	        {"UTC", "days = fri-mon\nfrom = 12:00\nto = 13:00", "2026-12-01T12:30:00Z", false,
	                "2026-12-04T12:00:00Z"},
	        {"UTC", "days = tue\nfrom = 12:00\nto = 13:00", "2026-11-24T13:00:00Z", false,
	                "2026-12-01T12:00:00Z"},
	        /* Madrid is at +1 in winter, +2 in summer; 2026-03-29 has 23 hours, 2026-10-25 has
	           25 */
	        {"Europe/Madrid", "from = 23:00\nto = 07:00", "2026-11-24T22:00:00Z", true,
	                "2026-11-25T06:00:00Z"},
	        {"Europe/Madrid", "from = 23:00\nto = 07:00", "2026-03-28T22:30:00Z", true,
	                "2026-03-29T05:00:00Z"},
	        {"Europe/Madrid", "from = 23:00\nto = 07:00", "2026-10-24T21:30:00Z", true,
	                "2026-10-25T06:00:00Z"},
	        /* 02:30 is left out: it begins where the gap ends; it comes twice: the first time
	         */
	        {"Europe/Madrid", "from = 02:30\nto = 04:00", "2026-03-29T01:00:00Z", true,
	                "2026-03-29T02:00:00Z"},
	        {"Europe/Madrid", "from = 02:30\nto = 04:00", "2026-03-29T00:59:59Z", false,
	                "2026-03-29T01:00:00Z"},
	        {"Europe/Madrid", "from = 01:00\nto = 02:30", "2026-10-25T00:29:59Z", true,
	                "2026-10-25T00:30:00Z"},
	        {"Europe/Madrid", "from = 01:00\nto = 02:30", "2026-10-25T01:29:59Z", false,
	                "2026-10-26T00:00:00Z"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = x_asprintf("[quiet q]\n%s\n", cases[i].keys), until[32];
		struct config *config = fixture_config(text);
		int64_t until_ms;
		bool holds;

		zone_use(cases[i].zone);
		holds = quiet_holds(&config->quiets[0], at(cases[i].now), &until_ms);
		clock_format_rfc3339(until_ms, until, sizeof(until));
		if (holds != cases[i].holds || until_ms != at(cases[i].until))
			fail_msg("case %zu: %s until %s", i, holds ? "holds" : "does not hold",
			        until);
		config_unref(config);
		free(text);
	}
	zone_use(NULL);
}

static void what_is_held_back_is_told_at_the_end(void **state)
{
	static const char warn[] = "{\"app\":\"%s\",\"severity\":\"%s\",\"title\":\"t%d\"}";
	struct world *w = world_create("[route]\nwarning = ops\n[quiet night]\nwhat = etl\n"
	                               "from = 23:00\nto = 07:00\n[quiet all]\ncritical = yes\n"
	                               "what = severity=critical, app=hush\n"
	                               "from = 23:00\nto = 07:00\n");
	struct deliver d = {.store = w->store, .config = w->config};
	char *body;
	size_t before;

	zone_use(NULL);
	w->now_ms = at("2026-11-24T23:30:00Z");
	assert_string_equal(world_alert(w, warn, "etl", "warning", 1), "silenced");
	assert_string_equal(world_alert(w, warn, "etl", "info", 2), "silenced");
	assert_string_equal(world_alert(w, warn, "etl", "critical", 3), "queued");
	assert_string_equal(world_alert(w, warn, "hush", "critical", 3), "silenced");
	assert_string_equal(world_alert(w, warn, "hush", "warning", 3), "queued");
	for (int i = 0; i < 2; i++) {
		d.now_ms = w->now_ms = at(i ? "2026-11-25T07:00:00Z" : "2026-11-25T06:59:00Z");
		world_send(w);
		before = w->len;
		assert_int_equal(store_begin(w->store), OK);
		assert_int_equal(quiet_end_due(&d), OK);
		assert_int_equal(store_commit(w->store), OK);
		world_send(w);
		if (i == 0)
			assert_int_equal(w->len, before);
	}
	assert_int_equal(w->len, before + 2); /* the info's room is another */
	body = world_body(w, before);
	assert_string_equal(body, "🔔 Quiet time night is over · 1 silenced, !alerts shows it\n"
	                          "Still firing:\n• etl · t1");
	free(body);
	assert_string_equal(world_alert(w, warn, "etl", "warning", 4), "queued");
	world_destroy(w);
}

static const char wide[] = "[quiet night]\ncritical = yes\nfrom = 23:00\nto = 07:00\n";

/* The config is replaced, and what is held is looked at. */
static void reload(struct world *w, const char *more)
{
	struct deliver d = {.store = w->store, .now_ms = w->now_ms};

	config_unref(w->config);
	d.config = w->config = fixture_config(more);
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(quiet_end_due(&d), OK);
	assert_int_equal(held_release(&d), OK);
	assert_int_equal(store_commit(w->store), OK);
	world_send(w);
}

static void a_critical_alert_that_it_holds_no_longer_is_delivered(void **state)
{
	static const char crit[] = "{\"app\":\"%s\",\"severity\":\"critical\",\"title\":\"t\"}";
	static const char *const narrow[] = {"[quiet night]\nfrom = 23:00\nto = 07:00\n",
	        "[quiet night]\ncritical = yes\nwhat = other\nfrom = 23:00\nto = 07:00\n"};

	zone_use(NULL);
	for (size_t i = 0; i < sizeof(narrow) / sizeof(narrow[0]); i++) {
		struct world *w = world_create(wide);
		char *body;

		w->now_ms = at("2026-11-24T23:30:00Z");
		reload(w, wide);
		assert_string_equal(world_alert(w, crit, "etl"), "silenced");
		reload(w, wide);
		assert_int_equal(w->len, 0);
		reload(w, narrow[i]);
		assert_int_equal(w->len, 1);
		body = world_body(w, 0);
		assert_string_equal(body, "🚨 etl · t");
		free(body);
		reload(w, narrow[i]);
		assert_int_equal(w->len, 1);
		world_destroy(w);
	}
}

static void what_it_held_is_delivered_in_the_order_in_which_it_came(void **state)
{
	static const char crit[] = "{\"app\":\"%s\",\"severity\":\"critical\",\"title\":\"t\"}";
	struct world *w = world_create(wide);

	zone_use(NULL);
	w->now_ms = at("2026-11-24T23:30:00Z");
	reload(w, wide);
	assert_string_equal(world_alert(w, crit, "first"), "silenced");
	assert_string_equal(world_alert(w, crit, "second"), "silenced");
	assert_string_equal(world_alert(w, crit, "third"), "silenced");
	w->now_ms = at("2026-11-25T07:00:00Z");
	reload(w, wide);
	assert_int_equal(w->len, 4);
	for (size_t i = 1; i < 4; i++) {
		static const char *const begin[] = {"🔔", "🚨 first", "🚨 second", "🚨 third"};
		char *body = world_body(w, i);

		assert_int_equal(strncmp(body, begin[i], strlen(begin[i])), 0);
		free(body);
	}
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(they_hold_by_the_clock_of_the_zone),
	        cmocka_unit_test(what_is_held_back_is_told_at_the_end),
	        cmocka_unit_test(what_it_held_is_delivered_in_the_order_in_which_it_came),
	        cmocka_unit_test(a_critical_alert_that_it_holds_no_longer_is_delivered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
