/*
 * group.c - see group.h.
 */
#include "handlers/alerts/group.h"

#include "bot/base/clock.h"

static int64_t group_later_of(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* The end of what began at start_ms and takes length_ms; now if the clock was set back since. */
static int64_t group_after(int64_t start_ms, int64_t length_ms, int64_t now_ms)
{
	return start_ms > now_ms + GROUP_SKEW_MS ? now_ms : start_ms + length_ms;
}

/* When the message's minute began; 0 = not yet. */
static int64_t group_minute_ms(const struct message_row *message)
{
	return message->sent_ms ? message->sent_ms : group_undeliverable_ms(message);
}

int64_t group_undeliverable_ms(const struct message_row *message)
{
	return message->sent_ms == 0 && message->frozen_ms == 0 ? message->edited_ms : 0;
}

const char *group_app(const char *origin)
{
	return *origin == *GROUP_TEST ? origin + 1 : origin;
}

struct group_policy group_policy(const struct config *config, const char *origin)
{
	const struct config_app *app = config_app(config, group_app(origin));
	struct group_policy policy = {
	        .throttle_ms = config->delivery.throttle_ms,
	        .edit_interval_ms = config->delivery.edit_interval_ms,
	        .storm = config->delivery.storm,
	        .ring_on_close = config->delivery.ring_on_close,
	};

	if (app && app->throttle_ms >= 0)
		policy.throttle_ms = app->throttle_ms;
	return policy;
}

static struct group_decision group_start(const struct group_policy *policy, int64_t opened,
        bool storm_open, const char *reason, bool close_open)
{
	if (storm_open || (policy->storm > 0 && opened >= (int64_t)policy->storm)) {
		return (struct group_decision){
		        GROUP_STORM, "storm: too many new messages", close_open};
	}
	return (struct group_decision){GROUP_NEW, reason, close_open};
}

struct group_decision group_decide(const struct group_policy *policy,
        const struct message_row *open, enum severity severity, int64_t size, int64_t budget,
        int64_t opened, bool storm_open, int64_t now_ms)
{
	bool ring;

	if (!open) {
		return group_start(
		        policy, opened, storm_open, "new message: first of its minute", false);
	}
	if (group_over(policy, open, now_ms, &ring)) {
		return group_start(
		        policy, opened, storm_open, "new message: first of its minute", true);
	}
	if ((int)severity > open->severity) {
		return group_start(
		        policy, opened, storm_open, "new message: worse than the open one", true);
	}
	if (open->bytes + size > budget)
		return (struct group_decision){
		        GROUP_COUNT, "counted: the message of this minute is full", false};
	return (struct group_decision){GROUP_JOIN,
	        open->sent_ms ? "joined: within its minute"
	                      : "joined: the open message is not sent yet",
	        false};
}

static int64_t group_edit_ms(
        const struct group_policy *policy, const struct message_row *message, int64_t now_ms)
{
	int64_t dirty_ms = group_after(message->dirty_ms, 0, now_ms);
	int64_t last_ms = group_later_of(message->edited_ms, message->sent_ms);

	if (message->dirty_ms == 0 || message->sent_ms == 0 || !message->event_id)
		return INT64_MAX;
	return message->urgent ? dirty_ms
	                       : group_later_of(dirty_ms,
	                                 group_after(last_ms, policy->edit_interval_ms, now_ms));
}

bool group_edit_due(
        const struct group_policy *policy, const struct message_row *message, int64_t now_ms)
{
	return group_edit_ms(policy, message, now_ms) <= now_ms;
}

/* Storms are measured over a minute, so a storm message is open for at least one, even without a
 * throttle. */
static int64_t group_length_ms(const struct group_policy *policy, const struct message_row *message)
{
	return message->kind == MESSAGE_STORM ? group_later_of(policy->throttle_ms, CLOCK_MINUTE_MS)
	                                      : policy->throttle_ms;
}

static int64_t group_end_ms(
        const struct group_policy *policy, const struct message_row *message, int64_t now_ms)
{
	int64_t start_ms = group_minute_ms(message);
	int64_t length_ms = group_length_ms(policy, message);

	/* A storm ages even if unsent: it must not absorb all alerts that come after an outage. */
	if (message->kind == MESSAGE_STORM && start_ms == 0)
		start_ms = message->opened_ms;
	if (start_ms == 0 || message->closed_ms)
		return INT64_MAX;
	return group_after(start_ms, length_ms, now_ms);
}

/* An end at which nothing is sent is only noted, and many of them in one commit: nobody waits for
 * it, since group_over() goes by the time itself. */
static int64_t group_tidy_ms(int64_t end_ms)
{
	return (end_ms + GROUP_TIDY_MS - 1) / GROUP_TIDY_MS * GROUP_TIDY_MS;
}

void group_schedule(const struct group_policy *policy, struct message_row *message)
{
	/* a "now" so late that none of the message's times counts as set by a clock ahead of it */
	int64_t edit_ms = group_edit_ms(policy, message, INT64_MAX - GROUP_SKEW_MS);
	int64_t end_ms = group_end_ms(policy, message, INT64_MAX - GROUP_SKEW_MS);

	message->edit_ms = edit_ms == INT64_MAX ? 0 : edit_ms;
	if (end_ms == INT64_MAX)
		message->end_ms = 0;
	else if (message->kind != MESSAGE_STORM) /* message_end() may have moved it */
		message->end_ms = group_rings(policy, message) ? end_ms : group_tidy_ms(end_ms);
	else
		message->end_ms = group_later_of(message->end_ms, end_ms);
}

/* True when set_ms has come, or lies further ahead than the ahead_ms with which it was set: then
 * the clock was set back. */
static bool group_has_come(int64_t set_ms, int64_t ahead_ms, int64_t now_ms)
{
	return set_ms > 0 && (set_ms <= now_ms || set_ms > now_ms + ahead_ms + GROUP_SKEW_MS);
}

bool group_end_due(
        const struct group_policy *policy, const struct message_row *message, int64_t now_ms)
{
	return group_has_come(
	        message->end_ms, group_length_ms(policy, message) + GROUP_TIDY_MS, now_ms);
}

bool group_next_edit_due(
        const struct group_policy *policy, const struct message_row *message, int64_t now_ms)
{
	return group_has_come(message->edit_ms, policy->edit_interval_ms, now_ms);
}

bool group_over(const struct group_policy *policy, const struct message_row *message,
        int64_t now_ms, bool *ring)
{
	bool over = group_end_ms(policy, message, now_ms) <= now_ms;

	*ring = over && group_rings(policy, message);
	return over;
}

bool group_rings(const struct group_policy *policy, const struct message_row *message)
{
	return policy->ring_on_close && message->silent > 0;
}

bool group_storm_starts_anew(const struct message_row *storm, enum severity severity, int64_t size,
        int64_t budget, int64_t now_ms)
{
	int64_t age_ms = now_ms - storm->opened_ms;

	if (storm->frozen_ms && (int)severity > storm->severity)
		return true;
	if (age_ms < 0 || age_ms >= GROUP_STORM_AGE_MS)
		return true;
	return storm->bytes + size > budget && age_ms >= CLOCK_MINUTE_MS;
}

bool group_storm_over(const struct group_policy *policy, int64_t origins)
{
	return origins < (int64_t)policy->storm;
}
