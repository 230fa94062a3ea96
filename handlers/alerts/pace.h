/*
 * pace.h - how quickly events may be sent: the homeserver's rate limit, as observed. Pure functions
 * of state and a given time.
 *
 * A homeserver lets an account send a burst and then one event each interval (Synapse by default:
 * 10, then one in 5 s; shared by all rooms, edits count). It does not announce these numbers: the
 * first refusal (429) reveals both. Once they are known, the last event of each burst is reserved
 * for a message that collects everything that waits (collect.c); the state survives restarts. A
 * minute after the last refusal events are sent without a wait until one is refused, which costs
 * nothing. If so many pass that some should have been refused, the limit has been lifted or
 * changed, and the state is reset.
 *
 * Times come from the wall clock, so that they can be stored; after a clock was set back, nothing
 * waits longer than PACE_WAIT_MAX_MS.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PACE_WAIT_MAX_MS 60000 /* longer waits that a homeserver asks for are cut to this */

struct pace {
	int64_t interval_ms; /* between events when the burst is used up; 0 = no limit is known */
	int64_t burst;       /* events at once; 0 = unknown */
	int64_t free_ms;     /* when the whole burst is free again */
	int64_t sent_ms;     /* last event that was accepted */
	int64_t limited_ms;  /* last refusal; 0 = ask again at once */
	bool tight;          /* refused in this burst: only one event each interval */
	bool again;          /* the last answer was a refusal */
};

/* Records that an event was accepted. True when the change is worth storing. */
bool pace_sent(struct pace *pace, int64_t now_ms);
/* Records that an event requested at asked_ms was refused for retry_ms from then on; retry_ms -1
 * = the homeserver did not say. */
void pace_limited(struct pace *pace, int64_t asked_ms, int64_t now_ms, int64_t retry_ms);

/* Lets the next event be sent without a wait, to see whether the limit is there for it, too. */
void pace_ask(struct pace *pace);

/* How long nothing may be sent, in milliseconds; 0 = send now. */
int64_t pace_wait_ms(const struct pace *pace, int64_t now_ms);
/* True while a refusal still slows sending: until a send found half of the burst free again, or all
 * of it must be free. */
bool pace_holds(const struct pace *pace, int64_t now_ms);
/* True when at most one event is left after `ahead` others: it has to carry everything that
 * waits. */
bool pace_is_short(const struct pace *pace, int64_t now_ms, int64_t ahead);

/* As text for the store, and back; pace_parse() zeroes *pace if the text is invalid. */
void pace_print(const struct pace *pace, char out[80]);
void pace_parse(struct pace *pace, const char *text);
