/*
 * test_group.c - what joins, what starts a message, when a message is edited, rings or closes; as
 * tables over state and a given time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "bot/base/clock.h"
#include "handlers/alerts/group.h"

#define T INT64_C(1790000000000)
#define HOUR CLOCK_HOUR_MS

static const struct group_policy policy = {
        .throttle_ms = 60000, .edit_interval_ms = 1000, .storm = 20, .ring_on_close = true};

/* Confirmed at T, a warning, with 1000 bytes in it. */
static struct message_row sent(void)
{
	return (struct message_row){
	        .id = 1,
	        .kind = MESSAGE_ALERTS,
	        .event_id = (char *)"$e",
	        .severity = SEVERITY_WARNING,
	        .opened_ms = T - 50,
	        .frozen_ms = T - 40,
	        .sent_ms = T,
	        .bytes = 1000,
	};
}

static void an_alert_starts_a_message_or_joins_one(void **state)
{
	static const struct {
		const char *what;
		bool open;       /* there is an open message */
		int64_t sent_ms; /* 0 = not confirmed */
		int severity;
		int64_t size, opened;
		bool storm_open;
		int64_t now_ms;
		enum group_action action;
		bool close_open;
	} cases[] = {
	        {"first", false, 0, 1, 100, 0, false, T, GROUP_NEW, false},
	        {"within the minute", true, T, 1, 100, 1, false, T + 59999, GROUP_JOIN, false},
	        {"the minute is over", true, T, 1, 100, 1, false, T + 60000, GROUP_NEW, true},
	        {"unsent has no end", true, 0, 1, 100, 1, false, T + HOUR, GROUP_JOIN, false},
	        {"less bad joins", true, T, 0, 100, 1, false, T + 1, GROUP_JOIN, false},
	        {"worse passes", true, T, 2, 100, 1, false, T + 1, GROUP_NEW, true},
	        {"worse passes unsent", true, 0, 2, 100, 1, false, T + 1, GROUP_NEW, true},
	        {"fits just", true, T, 1, 9000, 1, false, T + 1, GROUP_JOIN, false},
	        {"is too much", true, T, 1, 9001, 1, false, T + 1, GROUP_COUNT, false},
	        {"is too much, unsent", true, 0, 1, 9001, 1, false, T + HOUR, GROUP_COUNT, false},
	        {"is too much, a minute on", true, T, 1, 9001, 1, false, T + 60000, GROUP_NEW,
	                true},
	        {"is too much in a storm", true, T, 1, 9001, 50, true, T + 1, GROUP_COUNT, false},
	        {"storm begins", false, 0, 1, 100, 20, false, T, GROUP_STORM, false},
	        {"one less is none", false, 0, 1, 100, 19, false, T, GROUP_NEW, false},
	        {"storm goes on", false, 0, 1, 100, 0, true, T, GROUP_STORM, false},
	        {"storm takes no joiner", true, T, 1, 100, 50, true, T + 1, GROUP_JOIN, false},
	        {"worse in a storm", true, T, 2, 100, 20, false, T + 1, GROUP_STORM, true},
	        {"clock set back", true, T, 1, 100, 1, false, T - HOUR, GROUP_NEW, true},
	        {"clock set back a bit", true, T, 1, 100, 1, false, T - 4000, GROUP_JOIN, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct message_row open = sent();
		struct group_decision got;

		open.sent_ms = cases[i].sent_ms;
		got = group_decide(&policy, cases[i].open ? &open : NULL,
		        (enum severity)cases[i].severity, cases[i].size, 10000, cases[i].opened,
		        cases[i].storm_open, cases[i].now_ms);
		if (got.action != cases[i].action || got.close_open != cases[i].close_open)
			fail_msg("%s: action %d, close %d (%s)", cases[i].what, got.action,
			        got.close_open, got.reason);
		assert_non_null(got.reason);
	}
}

static void edits_keep_their_interval(void **state)
{
	static const struct {
		const char *what;
		int64_t dirty_ms, edited_ms;
		int urgent;
		bool confirmed;
		int64_t now_ms, due_ms;
	} cases[] = {
	        {"nothing to edit in", 0, 0, 0, true, T + 9000, INT64_MAX},
	        {"not in the room yet", T + 100, 0, 0, false, T + 9000, INT64_MAX},
	        {"a second after the message", T + 100, 0, 0, true, T + 100, T + 1000},
	        {"a second after the last edit", T + 1500, T + 1200, 0, true, T + 1500, T + 2200},
	        {"long after: at once", T + 5000, T + 1200, 0, true, T + 5000, T + 5000},
	        {"urgent: at once", T + 100, T + 50, 1, true, T + 100, T + 100},
	        {"clock set back", T + 100, T, 0, true, T - HOUR, T - HOUR},
	        {"clock set back, urgent", T + 100, T, 1, true, T - HOUR, T - HOUR},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct message_row row = sent();

		row.dirty_ms = cases[i].dirty_ms;
		row.edited_ms = cases[i].edited_ms;
		row.urgent = cases[i].urgent;
		if (!cases[i].confirmed) {
			row.sent_ms = 0;
			row.event_id = NULL;
		}
		if (group_edit_due(&policy, &row, cases[i].now_ms) !=
		        (cases[i].due_ms <= cases[i].now_ms))
			fail_msg("%s", cases[i].what);
		/* to the millisecond */
		if (cases[i].due_ms > cases[i].now_ms && cases[i].due_ms != INT64_MAX)
			assert_true(!group_edit_due(&policy, &row, cases[i].due_ms - 1) &&
			            group_edit_due(&policy, &row, cases[i].due_ms));
	}
}

static void a_minute_ends_and_says_what_joined_in_silence(void **state)
{
	static const struct {
		const char *what;
		int kind;
		int64_t silent, sent_ms, frozen_ms, edited_ms, closed_ms, now_ms;
		bool over, ring;
	} cases[] = {
	        {"before", MESSAGE_ALERTS, 3, T, T, 0, 0, T + 59999, false, false},
	        {"at its end", MESSAGE_ALERTS, 3, T, T, 0, 0, T + 60000, true, true},
	        {"nothing joined", MESSAGE_ALERTS, 0, T, T, 0, 0, T + 60000, true, false},
	        {"closed already", MESSAGE_ALERTS, 3, T, T, 0, T, T + 60000, false, false},
	        {"not confirmed", MESSAGE_ALERTS, 3, 0, T, 0, 0, T + HOUR, false, false},
	        {"undeliverable: from then", MESSAGE_ALERTS, 0, 0, 0, T, 0, T + 60000, true, false},
	        {"a storm rings too", MESSAGE_STORM, 3, T, T, 0, 0, T + 60000, true, true},
	        {"a storm that is not sent has an age", MESSAGE_STORM, 3, 0, T, 0, 0, T + 60000,
	                true, true},
	        {"clock set back", MESSAGE_ALERTS, 3, T, T, 0, 0, T - HOUR, true, true},
	};
	struct group_policy none = policy;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct message_row row = sent();
		bool ring;

		row.kind = cases[i].kind;
		row.silent = cases[i].silent;
		row.sent_ms = cases[i].sent_ms;
		row.frozen_ms = cases[i].frozen_ms;
		row.edited_ms = cases[i].edited_ms;
		row.closed_ms = cases[i].closed_ms;
		if (group_over(&policy, &row, cases[i].now_ms, &ring) != cases[i].over ||
		        ring != cases[i].ring)
			fail_msg("%s: ring %d", cases[i].what, ring);
		none.ring_on_close = false;
		group_over(&none, &row, cases[i].now_ms, &ring);
		assert_false(ring);
	}
}

/* T is a multiple of ten seconds. */
static void ends_without_a_ring_come_together(void **state)
{
	static const struct {
		const char *what;
		int kind;
		int64_t silent, sent_ms, end_ms;
	} cases[] = {
	        {"on the ten seconds", MESSAGE_ALERTS, 0, T, T + 60000},
	        {"after them", MESSAGE_ALERTS, 0, T + 1, T + 70000},
	        {"before the next", MESSAGE_ALERTS, 0, T + 9999, T + 70000},
	        {"it rings: at once", MESSAGE_ALERTS, 1, T + 1, T + 60001},
	        {"a storm: at once", MESSAGE_STORM, 0, T + 1, T + 60001},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct message_row row = sent();

		row.kind = cases[i].kind;
		row.silent = cases[i].silent;
		row.sent_ms = cases[i].sent_ms;
		group_schedule(&policy, &row);
		if (row.end_ms != cases[i].end_ms)
			fail_msg("%s: %lld", cases[i].what, (long long)row.end_ms - T);
		/* and is not taken for one of a clock that was set back */
		assert_false(group_end_due(&policy, &row, cases[i].sent_ms));
		assert_false(group_end_due(&policy, &row, row.end_ms - 1));
		assert_true(group_end_due(&policy, &row, row.end_ms));
		assert_true(group_end_due(&policy, &row, T - HOUR));
	}
}

/* With no throttle each alert is a message; a storm still lasts the minute it is measured over. */
static void no_throttle_and_storms(void **state)
{
	struct group_policy none = policy;
	struct message_row row = sent();
	bool ring;

	none.throttle_ms = 0;
	assert_true(group_over(&none, &row, T, &ring));
	row.kind = MESSAGE_STORM;
	assert_false(group_over(&none, &row, T + 59999, &ring));
	assert_true(group_over(&none, &row, T + 60000, &ring));
	assert_true(group_storm_over(&policy, 19));
	assert_false(group_storm_over(&policy, 20));
}

static void a_storm_message_has_an_age(void **state)
{
	static const struct {
		const char *what;
		int severity; /* of the storm */
		int64_t frozen_ms, bytes;
		enum severity of_alert;
		int64_t now_ms;
		bool anew;
	} cases[] = {
	        {"joins", SEVERITY_CRITICAL, T, 1000, SEVERITY_CRITICAL, T + 1000, false},
	        {"a critical in a storm of warnings", SEVERITY_WARNING, T, 1000, SEVERITY_CRITICAL,
	                T + 1000, true},
	        {"which is not sent yet", SEVERITY_WARNING, 0, 1000, SEVERITY_CRITICAL, T + 1000,
	                false},
	        {"full", SEVERITY_CRITICAL, T, 9500, SEVERITY_CRITICAL, T + 1000, false},
	        {"full for a minute", SEVERITY_CRITICAL, T, 9500, SEVERITY_CRITICAL, T + 61000,
	                true},
	        {"old", SEVERITY_CRITICAL, T, 1000, SEVERITY_WARNING, T + HOUR, true},
	        {"clock set back", SEVERITY_CRITICAL, T, 1000, SEVERITY_WARNING, T - HOUR, true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct message_row storm = sent();

		storm.kind = MESSAGE_STORM;
		storm.severity = cases[i].severity;
		storm.frozen_ms = cases[i].frozen_ms;
		storm.bytes = cases[i].bytes;
		if (group_storm_starts_anew(&storm, cases[i].of_alert, 1000, 10000,
		            cases[i].now_ms) != cases[i].anew)
			fail_msg("%s", cases[i].what);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(an_alert_starts_a_message_or_joins_one),
	        cmocka_unit_test(edits_keep_their_interval),
	        cmocka_unit_test(a_minute_ends_and_says_what_joined_in_silence),
	        cmocka_unit_test(ends_without_a_ring_come_together),
	        cmocka_unit_test(no_throttle_and_storms),
	        cmocka_unit_test(a_storm_message_has_an_age),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
