/*
 * pace.h - how quickly events may leave: the rate limit of the homeserver, as it was met. Pure
 * functions of state and a given time.
 *
 * A homeserver lets an account send a burst and then one event each interval (Synapse by default:
 * 10, then one in 5 s; rooms share it, edits count). It does not say so: the first refusal (429)
 * teaches both. What is known afterwards keeps one event of each burst for a message that collects
 * all that waits (collect.c), and is kept across restarts. A burst that passes although it should
 * have been refused shows that the limit was lifted: it is forgotten.
 *
 * Times are the wall clock's, so that they can be stored; a clock set back makes nothing wait
 * longer than PACE_WAIT_MAX_MS.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PACE_WAIT_MAX_MS 60000 /* no homeserver is believed more */

struct pace {
	int64_t interval_ms; /* between events when the burst is used up; 0 = no limit is known */
	int64_t burst;       /* events at once; likewise */
	int64_t free_ms;     /* when the whole burst is free again */
	int64_t sent_ms;     /* last event that was taken */
	int64_t limited_ms;  /* last refusal */
	bool tight;          /* refused in this burst: the interval is kept to */
	bool again;          /* the last answer was a refusal */
};

/* An event was taken. True when what is worth storing has changed. */
bool pace_sent(struct pace *pace, int64_t now_ms);
/* An event that was asked for at asked_ms was refused until retry_ms later; retry_ms -1 = the
 * homeserver did not say. */
void pace_limited(struct pace *pace, int64_t asked_ms, int64_t now_ms, int64_t retry_ms);

/* How long nothing may leave; 0 = now. */
int64_t pace_wait_ms(const struct pace *pace, int64_t now_ms);
/* True when only one event is left after `ahead` others, or none: it has to say everything that
 * waits. */
bool pace_is_short(const struct pace *pace, int64_t now_ms, int64_t ahead);

/* As text for the store, and back; text that is none leaves *pace zeroed. */
void pace_print(const struct pace *pace, char out[80]);
void pace_parse(struct pace *pace, const char *text);
