/*
 * test_quiet.c - when quiet times hold, across changes of the clock, and what they hold back; and
 * times as people write them in !silence.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "bot/base/clock.h"
#include "bot/base/zone.h"
#include "handlers/commands/command_when.h"
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
	assert_string_equal(body, "🔔 The quiet time night is over: it held back 1 alert here. "
	                          "!alerts lists them.");
	free(body);
	assert_string_equal(world_alert(w, warn, "etl", "warning", 4), "queued");
	world_destroy(w);
}

static void times_are_read_as_people_write_them(void **state)
{
	static const struct {
		const char *text, *start, *end, *rest; /* start NULL: at once; end NULL: refused */
	} cases[] = {
	        {"", NULL, "2026-11-24T13:00:00Z", ""},
	        {"2h", NULL, "2026-11-24T14:00:00Z", ""},
	        {"1d12h deploy of 2 things", NULL, "2026-11-26T00:00:00Z", "deploy of 2 things"},
	        {"deploy", NULL, "2026-11-24T13:00:00Z", "deploy"},
	        {"for 2h deploy", NULL, "2026-11-24T14:00:00Z", "deploy"},
	        {"for maintenance", NULL, "2026-11-24T13:00:00Z", "for maintenance"},
	        {"from 22:00", "2026-11-24T22:00:00Z", "2026-11-24T23:00:00Z", ""},
	        {"from 22:00 2h x", "2026-11-24T22:00:00Z", "2026-11-25T00:00:00Z", "x"},
	        {"2h from 22:00 x", "2026-11-24T22:00:00Z", "2026-11-25T00:00:00Z", "x"},
	        {"from 9:00 until 8:30", "2026-11-25T09:00:00Z", "2026-11-26T08:30:00Z", ""},
	        {"until 07:00", NULL, "2026-11-25T07:00:00Z", ""},
	        {"until 07:00 from 22:00", "2026-11-24T22:00:00Z", "2026-11-25T07:00:00Z", ""},
	        {"until 12:30", NULL, "2026-11-24T12:30:00Z", ""},
	        {"in 30m for 2h", "2026-11-24T12:30:00Z", "2026-11-24T14:30:00Z", ""},
	        {"until resolved now", NULL, "2026-12-01T12:00:00Z", "now"},
	        {"-- 2h is in the reason", NULL, "2026-11-24T13:00:00Z", "2h is in the reason"},
	        {"— 2h too", NULL, "2026-11-24T13:00:00Z", "2h too"},
	        {"2h -- until then", NULL, "2026-11-24T14:00:00Z", "until then"},
	        {"7d", NULL, "2026-12-01T12:00:00Z", ""},
	        {"8d", NULL, NULL, ""},
	        {"in 8d", NULL, NULL, ""},
	        {"3x", NULL, NULL, ""},
	        {"30", NULL, NULL, ""},
	        {"0m", NULL, NULL, ""},
	        {"-1h", NULL, NULL, ""},
	        {"+1h", NULL, NULL, ""},
	        {"1h30", NULL, NULL, ""},
	        {"99999999999999999999m", NULL, NULL, ""},
	        {"forever", NULL, NULL, ""},
	        {"Always", NULL, NULL, ""},
	        {"until tomorrow", NULL, NULL, ""},
	        {"until 25:00", NULL, NULL, ""},
	        {"until 7", NULL, NULL, ""},
	        {"from 9x", NULL, NULL, ""},
	        {"in a while", NULL, NULL, ""},
	};

	zone_use(NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *rest = cases[i].text;
		int64_t now_ms = at("2026-11-24T12:00:00Z");
		struct command_when when;
		char why[160] = "";
		bool good = command_when_read(
		        &rest, now_ms, CLOCK_HOUR_MS, 7 * CLOCK_DAY_MS, &when, why);

		if (!cases[i].end) {
			if (good || !why[0])
				fail_msg("%s: taken", cases[i].text);
			continue;
		}
		rest += strspn(rest, " ");
		if (!good || when.end_ms != at(cases[i].end) ||
		        when.start_ms != (cases[i].start ? at(cases[i].start) : 0) ||
		        strcmp(rest, cases[i].rest) != 0)
			fail_msg("%s: %s, rest %s", cases[i].text, why, rest);
		assert_int_equal(
		        when.until_resolved, strstr(cases[i].text, "until resolved") != NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(they_hold_by_the_clock_of_the_zone),
	        cmocka_unit_test(what_is_held_back_is_told_at_the_end),
	        cmocka_unit_test(times_are_read_as_people_write_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
