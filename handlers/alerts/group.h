/*
 * group.h - grouping: which alerts join an open message or start a new one, and when a message is
 * edited, notifies again or closes. Pure functions of state and a given time.
 *
 * The minute of a message lasts until `throttle` after it was confirmed. While the message is
 * unsent it has no end, so that a queue that waits for the homeserver holds at most one open
 * message for each origin and room. If its event turns out undeliverable, the minute starts then:
 * an origin whose room rejects events makes no more messages than any other.
 *
 * Times come from the wall clock, which may be set back. A time more than GROUP_SKEW_MS ahead of
 * now was taken before that, and what began then counts as over, so that nothing waits for the
 * clock to catch up.
 */
#pragma once

#include "bot/base/clock.h"
#include "handlers/alerts/alert.h"
#include "storage/messages.h"

#define GROUP_SKEW_MS 5000
#define GROUP_TIDY_MS 10000 /* ends at which nothing is sent come together, this often */
#define GROUP_STORM_AGE_MS (10 * CLOCK_MINUTE_MS) /* a longer storm is announced again */

enum group_action {
	GROUP_NEW,
	GROUP_JOIN,  /* adds an entry, or ×N, to the open message */
	GROUP_COUNT, /* only counted: the open message is full; the texts are in the store */
	GROUP_STORM, /* joins the room's storm message, or opens one */
};

struct group_policy {
	int64_t throttle_ms; /* of the origin */
	int64_t edit_interval_ms;
	unsigned storm; /* 0 = off */
	bool ring_on_close;
};

struct group_decision {
	enum group_action action;
	const char *reason; /* static: "first of its minute", "worse than the open message", … */
	bool close_open;    /* the open message takes no more */
};

/*
 * Decides where a firing alert goes. open: the open message of its room and origin, NULL = none.
 * size: bytes that the alert would add; budget: maximum size of a message in that room. opened:
 * messages opened in the last minute over all origins; storm_open: the room has an open storm
 * message.
 */
struct group_decision group_decide(const struct group_policy *policy,
        const struct message_row *open, enum severity severity, int64_t size, int64_t budget,
        int64_t opened, bool storm_open, int64_t now_ms);

/* Prefix of the origin of test messages, before the app; tests have messages of their own. */
#define GROUP_TEST "?"

/* The app of an origin. */
const char *group_app(const char *origin);

/* The policy for an origin. */
struct group_policy group_policy(const struct config *config, const char *origin);

/* Sets end_ms (end of the minute; up to GROUP_TIDY_MS later if nothing is sent then) and edit_ms
 * (next edit), by which the store finds the next due message. After a reload a changed policy
 * applies from the message's next change on. */
void group_schedule(const struct group_policy *policy, struct message_row *message);

/* True when the time in end_ms or edit_ms has come, or is so far ahead that the clock must have
 * been set back. */
bool group_end_due(
        const struct group_policy *policy, const struct message_row *message, int64_t now_ms);
bool group_next_edit_due(
        const struct group_policy *policy, const struct message_row *message, int64_t now_ms);

/* True when an edit may be made now. */
bool group_edit_due(
        const struct group_policy *policy, const struct message_row *message, int64_t now_ms);

/* True when its minute is over. *ring: another message must announce what joined by edits, which
 * notify nobody. */
bool group_over(const struct group_policy *policy, const struct message_row *message,
        int64_t now_ms, bool *ring);

/* True when failures that joined by edits still have to be announced, by a message of its own or
 * at the start of the next one. */
bool group_rings(const struct group_policy *policy, const struct message_row *message);

/* When the message's first event turned out undeliverable (kept in edited_ms while nothing is
 * frozen); 0 = it did not. */
int64_t group_undeliverable_ms(const struct message_row *message);

/* True when the alert starts a new storm message, which notifies, instead of joining the open
 * one: it is more severe than everything in that, or that message is old or has been full for a
 * minute. */
bool group_storm_starts_anew(const struct message_row *storm, enum severity severity, int64_t size,
        int64_t budget, int64_t now_ms);

/* True when a storm has ended: fewer origins had alerts in the room in the last minute than make
 * a storm. Each origin opens at most one message a minute, so this limits the number of
 * messages. Called when the storm message's minute is over. */
bool group_storm_over(const struct group_policy *policy, int64_t origins);
