/*
 * silence.h - silences and quiet times: what they hold back, and the end of silences. Inside
 * writer jobs.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "handlers/message/words.h"
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

/* What holds back an alert that fires, with the link it shows, for that room; counts nothing. A
 * silence that cannot say is given up: it holds nothing back from then on, and the log and
 * !silences say why. */
enum err silence_find(const struct deliver *d, const struct alert *alert, const char *room,
        const char *url, struct silence_hold *hold);
/* One more that it holds back. */
enum err silence_count(const struct deliver *d, const struct silence_hold *hold, const char *room);
/* Says so in the alert's row. */
void silence_mark(struct alert_row *row, const struct silence_hold *hold);

/* Call it before the messages say that it is resolved: nothing holds the failure back any more, and
 * silences that lasted until then end. *was_held: something did. */
enum err silence_resolved(
        const struct deliver *d, const struct alert *alert, const char *url, bool *was_held);

/* Whether what is in a room already is not to be brought up again now. */
enum err silence_covers(const struct deliver *d, const struct entry_row *entry, bool *covers);

/* True when the time is between its start and its end, and it has no problem. */
bool silence_holds(const struct silence_row *row, int64_t now_ms);

/* Ends those whose time is over. The room of each is told how many it held back; of one that was
 * set on the host, the rooms that were spared something, or that of criticals. */
enum err silence_end_due(const struct deliver *d);
/* Ends one now; why: "expired", in the room's line. answered: the room that hears of it
 * in an answer, or NULL. */
enum err silence_end(
        const struct deliver *d, struct silence_row *row, const char *why, const char *answered);

/* "`app="etl"` · 2 silenced", and what it silenced and fires still. */
enum err silence_say_sum(const struct deliver *d, const struct silence_row *row, struct words *out);
