/*
 * silence.h - silences and quiet times: what they hold, and the end of silences. Inside writer
 * jobs.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "handlers/message/words.h"
#include "storage/alerts.h"
#include "storage/messages.h"
#include "storage/silences.h"

/* What holds an alert; all zero = nothing. */
struct silence_hold {
	int64_t silence;                  /* id, 0 = none */
	const struct config_quiet *quiet; /* borrowed from the config */
};

/* The problem of a silence or quiet time whose regular expression reached its cost limit. */
#define SILENCE_LIMIT "its regular expression reached the limit of its cost"

/* What holds a firing alert with that link in that room; counts nothing. A silence that cannot
 * be matched is disabled: it holds nothing from then on, and the log and !silences say why. */
enum err silence_find(const struct deliver *d, const struct alert *alert, const char *room,
        const char *url, struct silence_hold *hold);
/* Counts an alert that is held. */
enum err silence_count(const struct deliver *d, const struct silence_hold *hold, const char *room);
/* Records in the alert's row what holds it. */
void silence_mark(struct alert_row *row, const struct silence_hold *hold);

/* Ends what holds a failure that is resolved, and the silences that were set until then. Call it
 * before the messages are changed. *was_held: something held it. */
enum err silence_resolved(
        const struct deliver *d, const struct alert *alert, const char *url, bool *was_held);

/* What holds a firing failure now: no reminders about it are sent meanwhile. */
enum err silence_find_entry(
        const struct deliver *d, const struct entry_row *entry, struct silence_hold *hold);

/* True between the silence's start and its end, if it has no problem. */
bool silence_holds(const struct silence_row *row, int64_t now_ms);

/* Ends the silences that have expired. The room where each was set is told how many alerts it
 * held; if it was set on the host, the rooms of the alerts it held are told, or the room of
 * critical alerts. Reads only those, and of what each suppressed only what is told. */
enum err silence_end_due(const struct deliver *d);
/* Ends a silence now. why: "expired", say, for the notice in the room. answered: the room that
 * gets the notice as an answer, or NULL. */
enum err silence_end(
        const struct deliver *d, struct silence_row *row, const char *why, const char *answered);

/* Adds "`app="etl"` · 2 silenced", and the alerts it held that are still firing. */
enum err silence_say_sum(const struct deliver *d, const struct silence_row *row, struct words *out);
