/*
 * silence.h - silences and quiet times: what they hold back, and the end of silences. Inside
 * writer jobs.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "storage/alerts.h"
#include "storage/messages.h"
#include "storage/silences.h"

/* What holds an alert back; all zero = nothing does. */
struct silence_hold {
	int64_t silence;                  /* id */
	const struct config_quiet *quiet; /* of the config */
};

/* The problem of a silence or quiet time whose regular expression took too long. */
#define SILENCE_LIMIT "its regular expression reached the limit of its cost"

/* Whether an alert, with the link it shows, is held back: then it is counted there, for that room.
 * A resolved one never is; it may end silences that lasted until then. A silence that cannot say
 * is given up: it holds nothing back from then on, and the log and !silences say why. */
enum err silence_check(const struct deliver *d, const struct alert *alert, const char *room,
        const char *url, struct silence_hold *hold);

/* Whether an alert that fires would be held back now; counts nothing. */
enum err silence_would_hold(
        const struct deliver *d, const struct alert *alert, const char *url, bool *yes);

/* Whether what is in a room already is not to be brought up again now. */
enum err silence_covers(const struct deliver *d, const struct entry_row *entry, bool *covers);

/* True when the time is between its start and its end, and it has no problem. */
bool silence_holds(const struct silence_row *row, int64_t now_ms);

/* Ends those whose time is over; the room of each is told how many it held back. */
enum err silence_end_due(const struct deliver *d);
/* Ends one now; why: "its time is over", in the room's line. */
enum err silence_end(const struct deliver *d, struct silence_row *row, const char *why);

/* "It held back 2 alerts. Not resolved since: etl · etl_users." Owned by the caller. */
enum err silence_sum(const struct deliver *d, const struct silence_row *row, char **text);
