/*
 * pace.c - see pace.h. The state is a leaky bucket: each event that is sent fills it by one
 * interval, and free_ms is the time at which it is empty.
 */
#include "handlers/alerts/pace.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Assumed until the first refusal has shown the interval. */
#define PACE_INTERVAL_MS 5000
#define PACE_BURST 10
#define PACE_BURST_LEAST \
	3 /* with fewer events before a refusal, other senders probably used up the limit */
#define PACE_COUNT_MAX 1000
#define PACE_INTERVAL_MIN_MS 50
#define PACE_MARGIN_MS 20 /* clocks run at different speeds */
#define PACE_BEYOND 2     /* events over the burst that prove that the limit is gone */
#define PACE_ASK_MS 60000 /* after the last refusal: whether the limit is still in force */

static int64_t at_most(int64_t value, int64_t most)
{
	return value < most ? value : most;
}

static int64_t at_least(int64_t value, int64_t least)
{
	return value > least ? value : least;
}

static int64_t pace_interval_ms(const struct pace *pace)
{
	return pace->interval_ms ? pace->interval_ms : PACE_INTERVAL_MS;
}

/* Milliseconds until the whole burst is available; bounded, so that a clock that was set back
 * does not stop sending. */
static int64_t pace_filled_ms(const struct pace *pace, int64_t now_ms)
{
	int64_t interval_ms = pace_interval_ms(pace);
	int64_t most_ms = pace->burst * interval_ms +
	                  at_least((PACE_BEYOND + 1) * interval_ms, PACE_WAIT_MAX_MS);

	if (pace->interval_ms == 0)
		most_ms = PACE_COUNT_MAX * PACE_INTERVAL_MS;
	return at_most(at_least(pace->free_ms - now_ms, 0), most_ms);
}

/* Events sent in this burst so far. */
static int64_t pace_count(const struct pace *pace, int64_t now_ms)
{
	int64_t interval_ms = pace_interval_ms(pace);

	return (pace_filled_ms(pace, now_ms) + interval_ms - 1) / interval_ms;
}

bool pace_sent(struct pace *pace, int64_t now_ms)
{
	int64_t filled_ms = pace_filled_ms(pace, now_ms);
	bool lifted;

	if (pace->tight && filled_ms * 2 <= pace->burst * pace->interval_ms)
		pace->tight = false;
	pace->again = false;
	pace->sent_ms = now_ms;
	pace->free_ms = now_ms + filled_ms + pace_interval_ms(pace);
	lifted = pace->burst && pace_count(pace, now_ms) > pace->burst + PACE_BEYOND;
	if (lifted)
		*pace = (struct pace){.sent_ms = now_ms};
	return lifted;
}

/* Where there is always something to send, nothing else would show that the limit was lifted or
 * has changed. */
static bool pace_asks(const struct pace *pace, int64_t now_ms)
{
	return now_ms < pace->limited_ms || now_ms - pace->limited_ms >= PACE_ASK_MS;
}

/* How long the known limit allows nothing; at most 0: it allows an event. */
static int64_t pace_full_ms(const struct pace *pace, int64_t now_ms)
{
	return pace_filled_ms(pace, now_ms) - (pace->burst - 1) * pace->interval_ms;
}

void pace_limited(struct pace *pace, int64_t asked_ms, int64_t now_ms, int64_t retry_ms)
{
	int64_t count = pace_count(pace, now_ms), allowed_ms;
	int64_t full_ms = pace_full_ms(pace, now_ms);
	bool known = pace->tight && full_ms > 0 && full_ms <= pace->interval_ms;

	/* Some homeservers delay the refusal itself, so the wait counts from the request, unless
	 * a retry based on that was too early. */
	if (pace->again || asked_ms > now_ms)
		asked_ms = now_ms;
	if (retry_ms < 0)
		retry_ms = pace_interval_ms(pace);
	retry_ms = at_most(retry_ms, PACE_WAIT_MAX_MS);
	allowed_ms = at_least(asked_ms + retry_ms + PACE_MARGIN_MS, now_ms);
	if (count >= PACE_BURST_LEAST && !pace->tight)
		pace->burst = count;
	else if (!pace->burst)
		pace->burst = PACE_BURST;
	/* Assumes that the bucket was full after our last event, which is wrong if others sent
	 * events since. After a burst that took a while the result is too short; the next
	 * refusal corrects it. A refusal that the known limit explains tells nothing new. */
	if (!known && pace->sent_ms <= now_ms && now_ms - pace->sent_ms < PACE_WAIT_MAX_MS)
		pace->interval_ms = allowed_ms - pace->sent_ms;
	else if (!pace->interval_ms)
		pace->interval_ms = retry_ms;
	pace->interval_ms =
	        at_most(at_least(pace->interval_ms, PACE_INTERVAL_MIN_MS), PACE_WAIT_MAX_MS);
	pace->free_ms = allowed_ms + (pace->burst - 1) * pace->interval_ms;
	pace->limited_ms = now_ms;
	pace->tight = pace->again = true;
}

void pace_ask(struct pace *pace)
{
	pace->limited_ms = 0;
}

int64_t pace_wait_ms(const struct pace *pace, int64_t now_ms)
{
	if (!pace->tight || pace_asks(pace, now_ms))
		return 0;
	return at_most(at_least(pace_full_ms(pace, now_ms), 0), PACE_WAIT_MAX_MS);
}

bool pace_holds(const struct pace *pace, int64_t now_ms)
{
	return pace->tight && pace_filled_ms(pace, now_ms) > 0;
}

bool pace_is_short(const struct pace *pace, int64_t now_ms, int64_t ahead)
{
	return pace->burst &&
	       pace_filled_ms(pace, now_ms) > (pace->burst - 2 - ahead) * pace->interval_ms;
}

void pace_print(const struct pace *pace, char out[80])
{
	snprintf(out, 80, "%" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %d", pace->interval_ms,
	        pace->burst, pace->free_ms, pace->limited_ms, pace->tight);
}

void pace_parse(struct pace *pace, const char *text)
{
	struct pace read = {0};
	int tight = 0;

	*pace = read;
	if (sscanf(text, "%" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %d", &read.interval_ms,
	            &read.burst, &read.free_ms, &read.limited_ms, &tight) != 5)
		return;
	if (read.interval_ms < PACE_INTERVAL_MIN_MS || read.interval_ms > PACE_WAIT_MAX_MS ||
	        read.burst < 1 || read.burst > 100000)
		return;
	read.tight = tight != 0;
	*pace = read;
}
