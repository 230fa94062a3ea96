/*
 * test_pace.c - the rate limit of a homeserver as the bot learns it, against a leaky bucket as
 * Synapse has it, in simulated time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "bot/base/clock.h"
#include "handlers/alerts/pace.h"

#define T INT64_C(1790000000000)

/* A homeserver's bucket for one account. */
struct bucket {
	int64_t burst, interval_ms, free_ms; /* interval 0 = no limit */
	int64_t refused, taken;
	int64_t pause_ms; /* a refusal is held back so long */
};

/* Asks at *now_ms, which becomes the time of the answer; true = taken. */
static bool bucket_ask(struct bucket *bucket, struct pace *pace, int64_t *now_ms)
{
	int64_t asked_ms = *now_ms;
	int64_t full_ms = bucket->free_ms > asked_ms ? bucket->free_ms - asked_ms : 0;

	if (bucket->interval_ms && full_ms > (bucket->burst - 1) * bucket->interval_ms) {
		*now_ms += bucket->pause_ms;
		pace_limited(pace, asked_ms, *now_ms,
		        full_ms - (bucket->burst - 1) * bucket->interval_ms);
		bucket->refused++;
		return false;
	}
	bucket->free_ms = asked_ms + full_ms + bucket->interval_ms;
	*now_ms += 30;
	pace_sent(pace, *now_ms);
	bucket->taken++;
	return true;
}

/* What status tells: not for longer than sends are slowed. */
static void a_limit_holds_until_it_slows_nothing(void **state)
{
	struct bucket bucket = {10, 5000};
	struct pace pace = {0}, again;
	int64_t now_ms = T, refused_ms;
	char text[80];

	assert_false(pace_holds(&pace, now_ms));
	while (bucket_ask(&bucket, &pace, &now_ms))
		assert_false(pace_holds(&pace, now_ms));
	refused_ms = now_ms;
	assert_true(pace_holds(&pace, now_ms));
	pace_print(&pace, text);
	pace_parse(&again, text); /* over a restart */
	assert_true(pace_holds(&again, now_ms));
	now_ms += pace_wait_ms(&pace, now_ms);
	assert_true(bucket_ask(&bucket, &pace, &now_ms)); /* after a wait: it is in force */
	assert_true(pace_holds(&pace, now_ms));
	assert_true(pace_holds(&pace, refused_ms + 20000));
	assert_false(pace_holds(&pace, refused_ms + 70000)); /* nothing is sent, nothing waits */
	now_ms = refused_ms + 40000;
	assert_true(pace_holds(&pace, now_ms));
	assert_true(bucket_ask(&bucket, &pace, &now_ms)); /* half of the burst was free */
	assert_false(pace_holds(&pace, now_ms));
	bucket.interval_ms =
	        0; /* lifted: it is forgotten after a burst that would have been refused */
	for (int i = 0; i < 12; i++) {
		assert_true(bucket_ask(&bucket, &pace, &now_ms));
		assert_false(pace_holds(&pace, now_ms));
	}
}

static void a_refusal_teaches_burst_and_interval(void **state)
{
	static const struct {
		int64_t burst, interval_ms;
	} cases[] = {{10, 5000}, {5, 10000}, {50, 1000}, {3, 2000}, {10, 200}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bucket bucket = {cases[i].burst, cases[i].interval_ms, .pause_ms = 500};
		struct pace pace = {0};
		int64_t now_ms = T, last_ms, slowest_ms = 0;

		while (bucket_ask(&bucket, &pace, &now_ms))
			assert_int_equal(pace_wait_ms(&pace, now_ms), 0);
		last_ms = now_ms;
		for (int n = 0; n < 10; n++) { /* there is always something to send */
			now_ms += pace_wait_ms(&pace, now_ms);
			if (!bucket_ask(&bucket, &pace, &now_ms))
				continue;
			if (now_ms - last_ms > slowest_ms)
				slowest_ms = now_ms - last_ms;
			last_ms = now_ms;
		}
		if (bucket.refused > 3 || slowest_ms > cases[i].interval_ms + 700)
			fail_msg("case %zu: %lld refusals, one event in %lld ms", i,
			        (long long)bucket.refused, (long long)slowest_ms);
		assert_true(pace_is_short(&pace, now_ms, 0));
	}
}

/* The next burst keeps the last event but one for what collects the rest, and is never refused. */
static void a_known_limit_is_kept_to(void **state)
{
	struct bucket bucket = {10, 5000, .pause_ms = 500};
	struct pace pace = {0}, stored;
	int64_t now_ms = T, singles = 0;
	char text[80];

	while (bucket_ask(&bucket, &pace, &now_ms))
		;
	pace_print(&pace, text);
	pace_parse(&stored, text);
	assert_int_equal(stored.burst, 10);
	assert_in_range(stored.interval_ms, 4500, 5500);
	assert_int_equal(pace_wait_ms(&stored, now_ms), pace_wait_ms(&pace, now_ms));
	now_ms += 60000;
	assert_false(pace_is_short(&stored, now_ms, 0));
	bucket.refused = 0;
	for (; !pace_is_short(&stored, now_ms, 0); singles++)
		assert_true(bucket_ask(&bucket, &stored, &now_ms));
	assert_in_range(singles, 8, 9);
	assert_true(bucket_ask(&bucket, &stored, &now_ms)); /* the one that collects */
	assert_int_equal(bucket.refused, 0);
}

static void a_limit_that_was_lifted_is_forgotten(void **state)
{
	struct bucket bucket = {10, 5000};
	struct pace pace = {0};
	int64_t now_ms = T;
	int n;

	while (bucket_ask(&bucket, &pace, &now_ms))
		;
	now_ms += 60000;
	bucket.interval_ms = 0;
	for (n = 0; n < 20 && pace.burst; n++)
		bucket_ask(&bucket, &pace, &now_ms);
	assert_in_range(n, 11, 14);
	assert_false(pace_is_short(&pace, now_ms, 0));
	assert_int_equal(pace_wait_ms(&pace, now_ms), 0);
}

/* Sends without a pause for so long, as with a queue that never ends; returns how many were taken.
 */
static int64_t keep_sending(
        struct bucket *bucket, struct pace *pace, int64_t *now_ms, int64_t for_ms)
{
	int64_t end_ms = *now_ms + for_ms, taken = bucket->taken;

	while (*now_ms < end_ms) {
		*now_ms += pace_wait_ms(pace, *now_ms);
		bucket_ask(bucket, pace, now_ms);
	}
	return bucket->taken - taken;
}

/* The admin changes the limit; what was counted stays counted. */
static void bucket_change(struct bucket *bucket, int64_t now_ms, int64_t burst, int64_t interval_ms)
{
	int64_t full_ms = bucket->free_ms > now_ms ? bucket->free_ms - now_ms : 0;

	if (bucket->interval_ms)
		bucket->free_ms = now_ms + full_ms * interval_ms / bucket->interval_ms;
	bucket->burst = burst;
	bucket->interval_ms = interval_ms;
}

static void a_limit_that_is_lifted_amid_traffic_is_noticed(void **state)
{
	struct bucket bucket = {10, 5000, .pause_ms = 500};
	struct pace pace = {0};
	int64_t now_ms = T;

	keep_sending(&bucket, &pace, &now_ms, 3 * CLOCK_MINUTE_MS);
	assert_true(pace_holds(&pace, now_ms));
	bucket.interval_ms = 0;
	keep_sending(&bucket, &pace, &now_ms, CLOCK_MINUTE_MS + 10000);
	assert_false(pace_holds(&pace, now_ms));
	assert_int_equal(pace_wait_ms(&pace, now_ms), 0);
	assert_false(pace_is_short(&pace, now_ms, 0));
}

/* What asks whether a limit is still there is refused once a minute, and nothing is sent later. */
static void a_limit_that_stays_costs_one_refusal_a_minute(void **state)
{
	struct bucket bucket = {10, 5000, .pause_ms = 500};
	struct pace pace = {0};
	int64_t now_ms = T;

	keep_sending(&bucket, &pace, &now_ms, CLOCK_MINUTE_MS);
	bucket.refused = 0;
	assert_in_range(keep_sending(&bucket, &pace, &now_ms, 20 * CLOCK_MINUTE_MS), 235, 241);
	assert_in_range(bucket.refused, 15, 21);
	assert_in_range(pace.interval_ms, 4900, 5200);
	assert_int_equal(pace.burst, 10);
}

/* A limit that is changed amid traffic, or set: soon one event is sent each time one is allowed. */
static void a_limit_that_changes_amid_traffic_is_followed(void **state)
{
	static const struct {
		int64_t burst, interval_ms;
	} cases[] = {{10, 1000}, {10, 20000}, {3, 5000}, {50, 5000}, {50, 500}, {0, 0}, {5, 2000}};
	struct bucket bucket = {10, 5000, .pause_ms = 500};
	struct pace pace = {0};
	int64_t now_ms = T;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t taken, most;

		keep_sending(&bucket, &pace, &now_ms, 3 * CLOCK_MINUTE_MS);
		bucket_change(&bucket, now_ms, cases[i].burst, cases[i].interval_ms);
		keep_sending(&bucket, &pace, &now_ms, 5 * CLOCK_MINUTE_MS);
		bucket.refused = 0;
		taken = keep_sending(&bucket, &pace, &now_ms, 10 * CLOCK_MINUTE_MS);
		most = bucket.interval_ms ? 10 * CLOCK_MINUTE_MS / bucket.interval_ms : 20000;
		if (taken < most * 8 / 10 || bucket.refused > 40)
			fail_msg("case %zu: %lld of %lld, %lld refusals", i, (long long)taken,
			        (long long)most, (long long)bucket.refused);
	}
}

static void no_homeserver_is_believed_everything(void **state)
{
	static const int64_t retries[] = {0, 1, 3600000, INT64_C(1000000000000000000), INT64_MAX};

	for (size_t i = 0; i < sizeof(retries) / sizeof(retries[0]); i++) {
		struct pace pace = {0};

		pace_limited(&pace, T, T, retries[i]);
		assert_in_range(pace_wait_ms(&pace, T), 0, PACE_WAIT_MAX_MS);
		/* a clock set back by a year */
		assert_in_range(pace_wait_ms(&pace, T - INT64_C(31536000000)), 0, PACE_WAIT_MAX_MS);
		assert_int_equal(pace_wait_ms(&pace, T + 2 * PACE_WAIT_MAX_MS), 0);
	}
}

static void damaged_text_is_no_limit(void **state)
{
	static const char *const texts[] = {"", "x", "5000", "5000 10 1 1", "-5 10 1 1 1",
	        "5000 0 1 1 1", "5000 99999999999 1 1 1", "99999999 10 1 1 1"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct pace pace, none = {0};

		pace_parse(&pace, texts[i]);
		assert_memory_equal(&pace, &none, sizeof(pace));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_limit_holds_until_it_slows_nothing),
	        cmocka_unit_test(a_refusal_teaches_burst_and_interval),
	        cmocka_unit_test(a_known_limit_is_kept_to),
	        cmocka_unit_test(a_limit_that_was_lifted_is_forgotten),
	        cmocka_unit_test(a_limit_that_is_lifted_amid_traffic_is_noticed),
	        cmocka_unit_test(a_limit_that_stays_costs_one_refusal_a_minute),
	        cmocka_unit_test(a_limit_that_changes_amid_traffic_is_followed),
	        cmocka_unit_test(no_homeserver_is_believed_everything),
	        cmocka_unit_test(damaged_text_is_no_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
