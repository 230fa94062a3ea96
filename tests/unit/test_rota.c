/*
 * test_rota.c - who is on call, over years and every change of the clock of several zones, and with
 * overrides.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "bot/base/clock.h"
#include "bot/base/zone.h"
#include "handlers/oncall/rota.h"
#include "tests/unit/handlers_fixture.h"

#define THREE "users = @a:x, @b:x, @c:x\n"

static int64_t at(const char *text)
{
	int64_t ms;

	assert_true(clock_parse_rfc3339(text, &ms));
	return ms;
}

static void turns_begin_by_the_clock_of_the_zone(void **state)
{
	static const struct {
		const char *zone, *keys, *now, *user, *until, *next;
	} cases[] = {
	        /* 2026-12-07 is a Monday */
	        {"UTC", THREE "rotate = weekly mon 09:00\nfrom = 2026-12-07",
	                "2026-12-07T09:00:00Z", "@a:x", "2026-12-14T09:00:00Z", "@b:x"},
	        {"UTC", THREE "rotate = weekly mon 09:00\nfrom = 2026-12-07",
	                "2026-12-14T08:59:59Z", "@a:x", "2026-12-14T09:00:00Z", "@b:x"},
	        {"UTC", THREE "rotate = weekly mon 09:00\nfrom = 2026-12-07",
	                "2026-12-14T09:00:00Z", "@b:x", "2026-12-21T09:00:00Z", "@c:x"},
	        {"UTC", THREE "rotate = weekly mon 09:00\nfrom = 2026-12-07",
	                "2026-12-28T09:00:00Z", "@a:x", "2027-01-04T09:00:00Z", "@b:x"},
	        /* before the first turn */
	        {"UTC", THREE "rotate = weekly mon 09:00\nfrom = 2026-12-07",
	                "2026-11-01T00:00:00Z", "@a:x", "2026-12-14T09:00:00Z", "@b:x"},
	        {"UTC", THREE "rotate = weekly mon 09:00\nfrom = 2026-12-07",
	                "2026-12-07T08:00:00Z", "@a:x", "2026-12-14T09:00:00Z", "@b:x"},
	        /* from is no such day: the next one */
	        {"UTC", THREE "rotate = weekly fri 18:00\nfrom = 2026-12-07",
	                "2026-12-18T17:59:00Z", "@a:x", "2026-12-18T18:00:00Z", "@b:x"},
	        {"UTC", THREE "rotate = daily 08:00\nfrom = 2026-12-07", "2026-12-08T08:00:00Z",
	                "@b:x", "2026-12-09T08:00:00Z", "@c:x"},
	        {"UTC", THREE "rotate = daily 08:00\nfrom = 2026-12-07", "2026-12-08T07:59:00Z",
	                "@a:x", "2026-12-08T08:00:00Z", "@b:x"},
	        /* nobody else */
	        {"UTC", "users = @a:x\nrotate = daily 08:00\nfrom = 2026-12-07",
	                "2026-12-08T07:59:00Z", "@a:x", NULL, NULL},
	        {"UTC", THREE, "2026-12-08T07:59:00Z", "@a:x", NULL, NULL},
	        /* the same again does not count as a change */
	        {"UTC", "users = @a:x, @a:x, @b:x\nrotate = daily 08:00\nfrom = 2026-12-07",
	                "2026-12-07T12:00:00Z", "@a:x", "2026-12-09T08:00:00Z", "@b:x"},
	        {"Europe/Madrid", THREE "rotate = daily 02:30\nfrom = 2026-03-28",
	                "2026-03-29T00:59:59Z", "@a:x", "2026-03-29T01:00:00Z", "@b:x"},
	        {"Europe/Madrid", THREE "rotate = daily 02:30\nfrom = 2026-10-24",
	                "2026-10-25T00:30:00Z", "@b:x", "2026-10-26T01:30:00Z", "@c:x"},
	        /* a day that the calendar left out (30 December 2011): its turn is short */
	        {"Pacific/Apia", THREE "rotate = daily 08:00\nfrom = 2011-12-29",
	                "2011-12-30T09:59:59Z", "@a:x", "2011-12-30T10:00:00Z", "@b:x"},
	        {"Pacific/Apia", THREE "rotate = daily 08:00\nfrom = 2011-12-29",
	                "2011-12-30T10:00:00Z", "@b:x", "2011-12-30T18:00:00Z", "@c:x"},
	        {"Pacific/Apia", THREE "rotate = weekly fri 09:00\nfrom = 2011-12-23",
	                "2011-12-30T10:00:00Z", "@b:x", "2012-01-05T19:00:00Z", "@c:x"},
	        /* half an hour: 02:15 is left out, 01:45 comes twice */
	        {"Australia/Lord_Howe", THREE "rotate = daily 02:15\nfrom = 2026-10-03",
	                "2026-10-03T15:29:59Z", "@a:x", "2026-10-03T15:30:00Z", "@b:x"},
	        {"Australia/Lord_Howe", THREE "rotate = daily 02:15\nfrom = 2026-10-03",
	                "2026-10-03T15:30:00Z", "@b:x", "2026-10-04T15:15:00Z", "@c:x"},
	        {"Australia/Lord_Howe", THREE "rotate = daily 01:45\nfrom = 2027-04-03",
	                "2027-04-03T14:45:00Z", "@b:x", "2027-04-04T15:15:00Z", "@c:x"},
	        {"Australia/Lord_Howe", THREE "rotate = daily 01:45\nfrom = 2027-04-03",
	                "2027-04-03T15:05:00Z", "@b:x", "2027-04-04T15:15:00Z", "@c:x"},
	        /* midnight is left out, and the hour before it comes twice */
	        {"America/Santiago", THREE "rotate = daily 00:00\nfrom = 2026-09-05",
	                "2026-09-06T03:59:59Z", "@a:x", "2026-09-06T04:00:00Z", "@b:x"},
	        {"America/Santiago", THREE "rotate = daily 00:00\nfrom = 2026-09-05",
	                "2026-09-06T04:00:00Z", "@b:x", "2026-09-07T03:00:00Z", "@c:x"},
	        {"America/Santiago", THREE "rotate = weekly sat 23:30\nfrom = 2026-03-28",
	                "2026-04-05T03:15:00Z", "@b:x", "2026-04-12T03:30:00Z", "@c:x"},
	        /* back for the month of Ramadan, then forward again */
	        {"Africa/Casablanca", THREE "rotate = daily 02:30\nfrom = 2024-03-09",
	                "2024-03-10T02:15:00Z", "@b:x", "2024-03-11T02:30:00Z", "@c:x"},
	        {"Africa/Casablanca", THREE "rotate = daily 02:30\nfrom = 2024-04-13",
	                "2024-04-14T01:59:59Z", "@a:x", "2024-04-14T02:00:00Z", "@b:x"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = x_asprintf("[oncall o]\n%s\n", cases[i].keys);
		struct config *config = fixture_config(text);
		struct rota_turn turn;

		zone_use(cases[i].zone);
		rota_at(&config->oncalls[0], NULL, 0, at(cases[i].now), &turn);
		if (strcmp(turn.user, cases[i].user) != 0 ||
		        turn.until_ms != (cases[i].until ? at(cases[i].until) : INT64_MAX) ||
		        !turn.next != !cases[i].next ||
		        (turn.next && strcmp(turn.next, cases[i].next) != 0))
			fail_msg("case %zu: %s until %lld, then %s", i, turn.user,
			        (long long)turn.until_ms, turn.next ? turn.next : "nobody");
		config_unref(config);
		free(text);
	}
	zone_use(NULL);
}

/* Follows all turns of years from change to change: each begins at its time of day by the zone's
 * clock, on its day, users come in their order, and nothing changes in between. */
static void turns_follow_each_other_over_all_changes_of_clocks(void **state)
{
	static const char *const zones[] = {"UTC", "Europe/Madrid", "America/New_York",
	        "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu", "Pacific/Apia",
	        "America/Santiago", "Africa/Cairo"};
	static const struct {
		const char *rotate;
		int hour, minute, days;
	} rotas[] = {{"daily 00:00", 0, 0, 1}, {"daily 02:30", 2, 30, 1}, {"daily 02:00", 2, 0, 1},
	        {"weekly sun 02:00", 2, 0, 7}, {"weekly sat 23:45", 23, 45, 7},
	        {"daily 08:00", 8, 0, 1}};

	for (size_t z = 0; z < sizeof(zones) / sizeof(zones[0]); z++)
		for (size_t r = 0; r < sizeof(rotas) / sizeof(rotas[0]); r++) {
			char *text =
			        x_asprintf("[oncall o]\n" THREE "rotate = %s\nfrom = 2024-01-01\n",
			                rotas[r].rotate);
			struct config *config = fixture_config(text);
			int64_t ms = at("2024-01-20T12:00:00Z"),
			        end_ms = at("2028-01-01T00:00:00Z");
			struct rota_turn turn, before, then;
			size_t turns = 0;

			zone_use(zones[z]);
			while (ms < end_ms) {
				struct zone_time day, wanted;

				rota_at(&config->oncalls[0], NULL, 0, ms, &turn);
				rota_at(&config->oncalls[0], NULL, 0, turn.until_ms - 1, &before);
				rota_at(&config->oncalls[0], NULL, 0, turn.until_ms, &then);
				if (strcmp(before.user, turn.user) != 0 ||
				        strcmp(then.user, turn.next) != 0 ||
				        then.user[1] != 'a' + (turn.user[1] - 'a' + 1) % 3)
					fail_msg("%s, %s: %s, %s, %s", zones[z], rotas[r].rotate,
					        turn.user, before.user, then.user);
				zone_local(turn.until_ms, &day);
				zone_civil(day.year, day.month, day.day, rotas[r].hour,
				        rotas[r].minute, &wanted);
				/* where the clock leaves it out, it shows something later */
				if (day.shown_s != wanted.shown_s &&
				        zone_first_ms(&wanted) != turn.until_ms)
					fail_msg("%s, %s: a turn begins at %02d:%02d", zones[z],
					        rotas[r].rotate, day.hour, day.minute);
				if (turn.until_ms <= ms ||
				        turn.until_ms - ms > (rotas[r].days + 1) * CLOCK_DAY_MS)
					fail_msg("%s, %s: %lld ms", zones[z], rotas[r].rotate,
					        (long long)(turn.until_ms - ms));
				ms = turn.until_ms;
				turns++;
			}
			/* none is left out */
			assert_in_range(turns, (1461 - 20) / rotas[r].days - 1,
			        (1461 - 19) / rotas[r].days + 1);
			config_unref(config);
			free(text);
		}
	zone_use(NULL);
}

static struct oncall_override_row override(
        const char *name, const char *user, const char *from, const char *to)
{
	return (struct oncall_override_row){
	        .name = (char *)name, .user = (char *)user, .start_ms = at(from), .end_ms = at(to)};
}

static void the_last_override_counts_while_it_lasts(void **state)
{
	const struct oncall_override_row list[] = {
	        override("o", "@c:x", "2026-12-08T10:00:00Z", "2026-12-08T12:00:00Z"),
	        override("other", "@x:x", "2026-12-08T00:00:00Z", "2026-12-09T00:00:00Z"),
	        override("o", "@d:x", "2026-12-08T11:00:00Z", "2026-12-08T11:30:00Z"),
	        /* over the change at 08:00, for whom it is then anyhow */
	        override("o", "@b:x", "2026-12-15T07:00:00Z", "2026-12-15T09:30:00Z"),
	};
	static const struct {
		const char *now, *user, *until, *next;
	} cases[] = {
	        {"2026-12-08T09:59:00Z", "@a:x", "2026-12-08T10:00:00Z", "@c:x"},
	        {"2026-12-08T10:00:00Z", "@c:x", "2026-12-08T11:00:00Z", "@d:x"},
	        {"2026-12-08T11:10:00Z", "@d:x", "2026-12-08T11:30:00Z", "@c:x"},
	        {"2026-12-08T11:30:00Z", "@c:x", "2026-12-08T12:00:00Z", "@a:x"},
	        {"2026-12-08T12:00:00Z", "@a:x", "2026-12-15T07:00:00Z", "@b:x"},
	        {"2026-12-15T07:00:00Z", "@b:x", "2026-12-22T08:00:00Z", "@a:x"},
	};
	struct config *config = fixture_config("[oncall o]\nusers = @a:x, @b:x\n"
	                                       "rotate = weekly tue 08:00\nfrom = 2026-12-08\n");

	zone_use(NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rota_turn turn;

		rota_at(&config->oncalls[0], list, 4, at(cases[i].now), &turn);
		if (strcmp(turn.user, cases[i].user) != 0 || turn.until_ms != at(cases[i].until) ||
		        strcmp(turn.next, cases[i].next) != 0)
			fail_msg("case %zu: %s until %lld, then %s", i, turn.user,
			        (long long)turn.until_ms, turn.next ? turn.next : "nobody");
	}
	config_unref(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(turns_begin_by_the_clock_of_the_zone),
	        cmocka_unit_test(turns_follow_each_other_over_all_changes_of_clocks),
	        cmocka_unit_test(the_last_override_counts_while_it_lasts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
