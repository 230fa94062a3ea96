/*
 * group.h - one message for many alerts: what joins, what starts a message, when a message is
 * edited, rings or closes. Pure functions of state and a given time.
 *
 * The minute of a message lasts until `throttle` after it was confirmed; while it is unsent it
 * has no end, so that a queue that waits for the homeserver holds at most one message that is
 * still open for each origin and room. When its event turns out undeliverable, the minute counts
 * from then: an origin whose room refuses it makes no more messages than any other.
 *
 * Times are the wall clock's, which may be set back. A time that lies ahead of now by more than
 * GROUP_SKEW_MS was taken before that, and what it began counts as over: nothing waits for the
 * clock to come by again.
 */
#pragma once

#include "bot/base/clock.h"
#include "handlers/alerts/alert.h"
#include "storage/messages.h"

#define GROUP_SKEW_MS 5000
#define GROUP_STORM_AGE_MS (10 * CLOCK_MINUTE_MS) /* then a storm that goes on is told anew */

enum group_action {
	GROUP_NEW,   /* a new message */
	GROUP_JOIN,  /* another entry, or ×N, of the open message */
	GROUP_COUNT, /* counted in the open message, which is full: its texts are in the store */
	GROUP_STORM, /* joins, or opens, the storm message of its room */
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
 * size: bytes that the alert would add; budget: most bytes of a message in that room. opened:
 * messages opened in the last minute over all origins; storm_open: a storm message is open in
 * that room.
 */
struct group_decision group_decide(const struct group_policy *policy,
        const struct message_row *open, enum severity severity, int64_t size, int64_t budget,
        int64_t opened, bool storm_open, int64_t now_ms);

/* Begins the origin of a message of tests, which holds nothing else; the app follows. */
#define GROUP_TEST "?"

/* The app of an origin. */
const char *group_app(const char *origin);

/* The policy for an origin. */
struct group_policy group_policy(const struct config *config, const char *origin);

/* When the message wants attention next: an edit that is due, or its minute's end; INT64_MAX =
 * never. A message that is not confirmed waits. */
int64_t group_due_ms(
        const struct group_policy *policy, const struct message_row *message, int64_t now_ms);

/* Sets end_ms and edit_ms, when its minute ends and its next edit is due, by the rest: what the
 * store finds the next one by. A reloaded policy counts from the next change on. */
void group_schedule(const struct group_policy *policy, struct message_row *message);

/* True when the time at which that sets end_ms or edit_ms has come, or lies so far ahead that the
 * clock was set back since. */
bool group_end_due(
        const struct group_policy *policy, const struct message_row *message, int64_t now_ms);
bool group_next_edit_due(
        const struct group_policy *policy, const struct message_row *message, int64_t now_ms);

/* True when an edit may be made now. */
bool group_edit_due(
        const struct group_policy *policy, const struct message_row *message, int64_t now_ms);

/* True when its minute is over. *ring: one more message must say what joined in silence. */
bool group_over(const struct group_policy *policy, const struct message_row *message,
        int64_t now_ms, bool *ring);

/* True when what joined in silence still has to be said, by a message of its own or by the lead
 * of the one that follows. */
bool group_rings(const struct group_policy *policy, const struct message_row *message);

/* When the new event of a message turned out undeliverable (kept in edited_ms while nothing is
 * frozen); 0 = it was not. */
int64_t group_undeliverable_ms(const struct message_row *message);

/* True when an alert does not join the storm message but starts the next, which rings: it is worse
 * than all in it, or that message is old, or was full for a minute. */
bool group_storm_starts_anew(const struct message_row *storm, enum severity severity, int64_t size,
        int64_t budget, int64_t now_ms);

/* True when a storm has passed: fewer origins were heard in its room in the last minute than
 * make a storm. Each origin starts at most one message a minute, so this bounds them. Asked
 * when the storm message's minute is over. */
bool group_storm_over(const struct group_policy *policy, int64_t origins);
