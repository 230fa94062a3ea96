/*
 * test_absence.c - when is the heartbeat missing: tables of what happens at which time, and what is
 * to be told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/clock.h"
#include "bot/base/zone.h"
#include "handlers/heartbeats/absence.h"

enum what {
	SAW,   /* all that was in the room is known */
	FIRST, /* likewise, and the position was lost */
	BEAT,  /* a heartbeat, of the date in `date`, with the answer that follows */
	LOOKS, /* the room is seen each half minute until then */
	LATER, /* nothing but time: the watcher looks at the clock every half minute until then */
	SLEEP, /* nothing at all until then: it is off, or its machine sleeps */
	JUMP,  /* the clock is set */
};

struct step {
	const char *at; /* UTC, of 2026 */
	enum what what;
	const char *date;
	enum absence_action wanted; /* at this step, and at no other moment */
};

#define STEPS_MAX 16

struct story {
	const char *name, *zone, *daily;
	int64_t grace_ms;
	struct step steps[STEPS_MAX];
};

static int64_t when(const char *at)
{
	char text[40];
	int64_t ms;

	snprintf(text, sizeof(text), "2026-%sZ", at);
	if (!clock_parse_rfc3339(text, &ms))
		fail_msg("bad time %s", at);
	return ms;
}

/* Goes through the store each time, as the watcher does. */
static enum absence_action decide(
        struct absence *absence, const struct absence_rule *rule, int64_t now_ms)
{
	char *text = absence_dump(absence);
	enum absence_action action;

	absence_load(absence, text);
	free(text);
	action = absence_decide(absence, rule, now_ms, NULL);
	if (action != ABSENCE_NOTHING && absence_decide(absence, rule, now_ms, NULL) == action)
		fail_msg("told twice");
	return action;
}

static void expect(const struct story *story, const struct step *step, int64_t at_ms,
        enum absence_action got, enum absence_action wanted)
{
	char time[32];

	clock_format_rfc3339(at_ms, time, sizeof(time));
	if (got != wanted)
		fail_msg("%s, %s (step at %s): told %d, not %d", story->name, time, step->at,
		        (int)got, (int)wanted);
}

static void play(const struct story *story)
{
	struct absence_rule rule = {.grace_ms = story->grace_ms};
	struct absence absence = {0};
	int64_t now_ms = when(story->steps[0].at);

	zone_use(story->zone);
	assert_int_equal(schedule_daily(&rule.daily, story->daily), OK);
	for (const struct step *step = story->steps; step->at; step++) {
		int64_t at_ms = when(step->at);

		/* between two steps the watcher looks at the clock, and learns nothing new */
		for (now_ms += 30000;
		        (step->what == LATER || step->what == LOOKS) && now_ms < at_ms;
		        now_ms += 30000) {
			if (step->what == LOOKS)
				absence_saw(&absence, false, now_ms);
			expect(story, step, now_ms, decide(&absence, &rule, now_ms),
			        ABSENCE_NOTHING);
		}
		now_ms = at_ms;
		if (step->what == BEAT)
			assert_true(absence_heartbeat(&absence, &rule, step->date, now_ms));
		if (step->what == SAW || step->what == FIRST || step->what == LOOKS)
			absence_saw(&absence, step->what == FIRST, now_ms);
		expect(story, step, now_ms, decide(&absence, &rule, now_ms), step->wanted);
	}
}

/* Every day of a year and more: each tenth heartbeat stays away. */
static void test_whole_days(void **state)
{
	struct absence_rule rule = {.grace_ms = 5 * CLOCK_MINUTE_MS};
	static const char *const zones[] = {"UTC", "Europe/Madrid", "America/New_York",
	        "Australia/Lord_Howe", "Pacific/Auckland"};

	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
		struct absence absence = {0};
		int64_t due_ms = when("01-01T12:00:00");
		unsigned missing = 0, back = 0;

		zone_use(zones[i]);
		/* within the hour that is left out or comes twice in Madrid and New York */
		assert_int_equal(schedule_daily(&rule.daily, "02:30"), OK);
		for (unsigned day = 1; day <= 370; day++) {
			char date[ABSENCE_DATE];

			due_ms = schedule_next(&rule.daily, due_ms);
			schedule_date(due_ms, date);
			for (int64_t s = -90; s <= 420; s += 30) { /* a minute late */
				enum absence_action action;

				if (s == 60 && day % 10 != 0)
					assert_true(absence_heartbeat(
					        &absence, &rule, date, due_ms + s * 1000));
				absence_saw(&absence, false, due_ms + s * 1000);
				action = absence_decide(&absence, &rule, due_ms + s * 1000, NULL);
				assert_true(action == ABSENCE_NOTHING ||
				            (action == ABSENCE_MISSING && s == 300) ||
				            (action == ABSENCE_BACK && s == 60));
				missing += action == ABSENCE_MISSING;
				back += action == ABSENCE_BACK;
			}
		}
		assert_int_equal(missing, 37);
		assert_int_equal(back, 36);
	}
}

static void test_stories(void **state)
{
	static const struct story stories[] = {
	        {"in time", "UTC", "09:00", 300000,
	                {{"03-01T08:00:00", SAW}, {"03-02T08:59:50", SAW},
	                        {"03-02T09:00:10", BEAT, "2026-03-02"}, {"03-02T09:00:10", SAW},
	                        {"03-02T09:05:00", SAW}, {"03-02T23:00:00", SAW}}},
	        {"missing, back with the next one", "UTC", "09:00", 300000,
	                {{"03-01T08:00:00", SAW}, {"03-01T09:01:00", BEAT, "2026-03-01"},
	                        {"03-02T08:58:00", SAW}, {"03-02T08:59:30", SAW},
	                        {"03-02T09:01:00", SAW}, {"03-02T09:02:30", SAW},
	                        {"03-02T09:04:00", SAW}, {"03-02T09:04:59", SAW},
	                        {"03-02T09:05:00", SAW, NULL, ABSENCE_MISSING},
	                        {"03-02T09:06:00", SAW},
	                        {"03-03T09:00:01", BEAT, "2026-03-03", ABSENCE_BACK}}},
	        {"missing, back with that of the same day", "UTC", "09:00", 0,
	                {{"03-02T08:59:00", SAW}, {"03-02T09:00:00", SAW, NULL, ABSENCE_MISSING},
	                        {"03-02T09:00:20", BEAT, "2026-03-02", ABSENCE_BACK},
	                        {"03-02T09:00:20", SAW}}},
	        {"missing for days, told each day", "UTC", "09:00", 60000,
	                {{"03-02T08:59:30", SAW}, {"03-02T09:00:30", SAW},
	                        {"03-02T09:01:30", SAW, NULL, ABSENCE_MISSING},
	                        {"03-03T08:59:00", SAW}, {"03-03T09:00:30", SAW},
	                        {"03-03T09:01:00", SAW, NULL, ABSENCE_MISSING},
	                        {"03-03T09:02:00", BEAT, "2026-03-02"},
	                        {"03-03T09:02:30", BEAT, "2026-03-03", ABSENCE_BACK}}},
	        {"started for the first time after it was due", "UTC", "09:00", 300000,
	                {{"03-02T09:02:00", FIRST}, {"03-02T09:20:00", LOOKS},
	                        {"03-03T08:59:00", SAW},
	                        {"03-03T09:05:00", LOOKS, NULL, ABSENCE_MISSING}}},
	        {"the position was lost meanwhile", "UTC", "09:00", 300000,
	                {{"03-02T08:59:00", SAW}, {"03-02T09:02:00", FIRST},
	                        {"03-02T09:20:00", LOOKS}}},
	        {"never read the room", "UTC", "09:00", 300000,
	                {{"03-02T08:59:00", LATER}, {"03-02T09:04:00", LATER, NULL, ABSENCE_BLIND},
	                        {"03-02T12:00:00", LATER},
	                        {"03-02T12:00:10", SAW, NULL, ABSENCE_SIGHT},
	                        {"03-02T12:30:00", LOOKS}}},
	        {"never read the room, nor ran for long", "UTC", "09:00", 300000,
	                {{"03-02T07:00:00", LATER}, {"03-02T07:03:00", LATER},
	                        {"03-02T08:00:00", SLEEP}, {"03-02T08:04:00", LATER},
	                        {"03-02T08:04:10", SAW}}},
	        {"the homeserver is down over the deadline, the bot is well", "UTC", "09:00",
	                300000,
	                {{"03-02T08:58:00", SAW}, {"03-02T09:05:00", LATER, NULL, ABSENCE_BLIND},
	                        {"03-02T09:30:00", LATER},
	                        {"03-02T09:30:10", SAW, NULL, ABSENCE_SIGHT},
	                        {"03-02T09:30:30", SAW}, {"03-02T09:31:00", BEAT, "2026-03-02"},
	                        {"03-02T09:32:00", SAW}, {"03-02T09:36:00", SAW}}},
	        {"the same, and the heartbeat was there before it could be seen", "UTC", "09:00",
	                300000,
	                {{"03-02T08:58:00", SAW}, {"03-02T09:05:00", LATER, NULL, ABSENCE_BLIND},
	                        {"03-02T09:30:00", BEAT, "2026-03-02"},
	                        {"03-02T09:30:00", SAW, NULL, ABSENCE_SIGHT},
	                        {"03-02T09:31:30", SAW}}},
	        {"the same, and the bot is dead", "UTC", "09:00", 300000,
	                {{"03-02T08:58:00", SAW}, {"03-02T09:05:00", LATER, NULL, ABSENCE_BLIND},
	                        {"03-02T09:30:10", SAW, NULL, ABSENCE_SIGHT},
	                        {"03-02T09:31:30", SAW}, {"03-02T09:33:00", SAW},
	                        {"03-02T09:34:30", SAW},
	                        {"03-02T09:35:10", SAW, NULL, ABSENCE_MISSING}}},
	        {"down for minutes before the deadline: the grace begins anew", "UTC", "09:00",
	                300000,
	                {{"03-02T08:58:00", SAW}, {"03-02T09:04:00", LATER},
	                        {"03-02T09:04:30", SAW}, {"03-02T09:06:00", SAW},
	                        {"03-02T09:07:30", SAW}, {"03-02T09:09:00", SAW},
	                        {"03-02T09:09:30", SAW, NULL, ABSENCE_MISSING}}},
	        {"down and up again before it is due", "UTC", "09:00", 300000,
	                {{"03-02T06:00:00", SAW}, {"03-02T08:00:00", LATER},
	                        {"03-02T08:59:00", SAW}, {"03-02T09:00:30", SAW},
	                        {"03-02T09:02:00", SAW}, {"03-02T09:03:30", SAW},
	                        {"03-02T09:05:00", SAW, NULL, ABSENCE_MISSING}}},
	        {"a poll that comes back late is no outage", "UTC", "09:00", 30000,
	                {{"03-02T08:59:59", SAW}, {"03-02T09:01:30", LATER},
	                        {"03-02T09:01:50", SAW, NULL, ABSENCE_MISSING}}},
	        {"the watcher was off over the deadline, the bot is well", "UTC", "09:00", 300000,
	                {{"03-02T08:58:00", SAW}, {"03-02T11:00:00", SLEEP},
	                        {"03-02T11:00:05", BEAT, "2026-03-02"}, {"03-02T11:00:05", SAW},
	                        {"03-02T11:06:00", SAW}}},
	        {"the watcher was off over the deadline, the bot is dead", "UTC", "09:00", 60000,
	                {{"03-02T08:58:00", SAW}, {"03-02T11:00:00", SLEEP},
	                        {"03-02T11:00:05", SAW}, {"03-02T11:00:59", SAW},
	                        {"03-02T11:01:05", SAW, NULL, ABSENCE_MISSING}}},
	        {"the watcher was off, and now the homeserver is down", "UTC", "09:00", 60000,
	                {{"03-02T08:58:00", SAW}, {"03-02T11:00:00", SLEEP},
	                        {"03-02T11:02:00", LATER, NULL, ABSENCE_BLIND}}},
	        {"the watcher is restarted after the alarm", "UTC", "09:00", 60000,
	                {{"03-02T08:59:30", SAW}, {"03-02T09:01:00", SAW, NULL, ABSENCE_MISSING},
	                        {"03-02T09:30:00", SLEEP}, {"03-02T09:30:05", SAW},
	                        {"03-02T09:31:30", SAW},
	                        {"03-02T10:00:00", BEAT, "2026-03-02", ABSENCE_BACK}}},
	        {"it was off for days: only the last day counts", "UTC", "09:00", 60000,
	                {{"03-02T10:00:00", SAW}, {"03-06T10:00:00", SLEEP},
	                        {"03-06T10:00:05", SAW},
	                        {"03-06T10:01:05", SAW, NULL, ABSENCE_MISSING}}},
	        {"the clock is set back by a day", "UTC", "09:00", 60000,
	                {{"03-03T08:59:30", SAW}, {"03-03T09:00:30", BEAT, "2026-03-03"},
	                        {"03-03T09:00:50", SAW}, {"03-02T08:59:00", JUMP},
	                        {"03-02T08:59:20", SAW}, {"03-02T09:00:20", SAW},
	                        {"03-02T09:01:00", SAW, NULL, ABSENCE_MISSING}}},
	        {"a wrong clock is set back, the homeserver is down", "UTC", "09:00", 60000,
	                {{"03-03T08:00:00", FIRST}, {"03-02T08:58:30", JUMP},
	                        {"03-02T09:01:00", LATER, NULL, ABSENCE_BLIND},
	                        {"03-02T09:02:00", SAW, NULL, ABSENCE_SIGHT},
	                        {"03-02T09:03:00", SAW, NULL, ABSENCE_MISSING}}},
	        {"the clock is put right by a little", "UTC", "09:00", 60000,
	                {{"03-02T08:59:30", SAW}, {"03-02T09:00:40", SAW}, {"03-02T09:00:37", JUMP},
	                        {"03-02T09:00:38", SAW},
	                        {"03-02T09:01:00", SAW, NULL, ABSENCE_MISSING}}},
	        {"spring in Madrid: 02:30 is left out, due at 03:00", "Europe/Madrid", "02:30",
	                60000,
	                {{"03-29T00:59:00", SAW}, {"03-29T01:00:59", SAW},
	                        {"03-29T01:01:00", SAW, NULL, ABSENCE_MISSING},
	                        {"03-29T01:02:00", BEAT, "2026-03-29", ABSENCE_BACK}}},
	        {"autumn in Madrid: 02:30 comes twice, the first counts", "Europe/Madrid", "02:30",
	                60000,
	                {{"10-25T00:29:00", SAW}, {"10-25T00:30:30", SAW},
	                        {"10-25T00:31:00", SAW, NULL, ABSENCE_MISSING},
	                        {"10-25T00:32:00", BEAT, "2026-10-25", ABSENCE_BACK},
	                        {"10-25T01:30:00", SAW}, {"10-25T01:31:30", SAW}}},
	        {"a grace of a day", "UTC", "09:00", 86400000,
	                {{"03-02T08:59:00", SAW}, {"03-03T08:59:00", LATER},
	                        {"03-03T08:59:30", SAW}, {"03-03T09:00:30", SAW}}},
	};

	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++)
		play(&stories[i]);
}

static void test_dates_that_are_not_taken(void **state)
{
	struct absence_rule rule = {.grace_ms = 60000};
	struct absence absence = {0};
	int64_t now_ms = when("03-02T08:40:00");

	zone_use("UTC");
	assert_int_equal(schedule_daily(&rule.daily, "09:00"), OK);
	assert_false(absence_heartbeat(&absence, &rule, "2026-03-02", now_ms));
	assert_true(absence_heartbeat(&absence, &rule, "2026-03-01", now_ms));
	assert_true(
	        absence_heartbeat(&absence, &rule, "2026-02-01", now_ms)); /* an old one: no news */
	assert_string_equal(absence.seen, "2026-03-01");
	now_ms = when("03-02T08:46:00"); /* the bot's clock is ahead of ours */
	assert_true(absence_heartbeat(&absence, &rule, "2026-03-02", now_ms));
	assert_false(absence_heartbeat(&absence, &rule, "2026-03-03", now_ms));
	assert_false(absence_heartbeat(&absence, &rule, "9999-99-99", now_ms));
	assert_false(absence_heartbeat(&absence, &rule, "tomorrow!!", now_ms));
	assert_string_equal(absence.seen, "2026-03-02");
	assert_false(absence_is_date("2026-03-02 "));
	assert_false(absence_is_date("2026-03-2"));
	assert_false(absence_is_date("2026/03/02"));
	assert_false(absence_is_date(""));
	assert_false(absence_is_date(NULL));
}

static void test_what_is_stored_by_somebody_else(void **state)
{
	static const char *const texts[] = {NULL, "", "[]", "{", "{\"seen\":7,\"ok_ms\":\"x\"}",
	        "{\"seen\":\"2026-03-02-and-more\"}"};
	static const struct absence nothing;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct absence absence;

		absence_load(&absence, texts[i]);
		assert_memory_equal(&absence, &nothing, sizeof(absence));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_stories),
	        cmocka_unit_test(test_whole_days),
	        cmocka_unit_test(test_dates_that_are_not_taken),
	        cmocka_unit_test(test_what_is_stored_by_somebody_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
