/*
 * ack.h - acknowledging failures, and removing acknowledgements. An acknowledgement applies to a
 * failure (a fingerprint) in all messages where it is firing, and carries over to the next message
 * about it. Inside writer jobs.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "storage/messages.h"

struct ack {
	const char *who, *note; /* note may be NULL */
};

/* Zeroed by the caller except for `by`; results of several calls add up. */
struct ack_result {
	const char *by;      /* who removes the acknowledgement; borrowed */
	int found;           /* failures found */
	int changed;         /* of these, failures that were changed */
	char *what;          /* the first one's name, or NULL */
	char *before;        /* who had acknowledged it before, if somebody else; or NULL */
	char *held;          /* why an alert of the run is in no message, or NULL */
	int64_t resolved_ms; /* of a failure that is resolved, so did not change; 0 = none */
};

void ack_result_finish(struct ack_result *result);

/*
 * Acknowledges the failures of a run, or those that an event of the bot is about (about.h). ack
 * NULL: removes the acknowledgement, with only_of only if it is this user's (NULL = anybody's).
 * ERR_NOT_FOUND: no such run or event. Call ack_result_finish() at the end.
 */
enum err ack_run(const struct deliver *d, const char *run_id, const struct ack *ack,
        struct ack_result *result);
enum err ack_event(const struct deliver *d, const char *event_id, const struct ack *ack,
        const char *only_of, struct ack_result *result);

/* The same for one entry. */
enum err ack_entry(const struct deliver *d, const struct entry_row *entry, const struct ack *ack,
        struct ack_result *result);

/* Removes acknowledgements that are older than ack_timeout. Reads no others. */
enum err ack_end_due(const struct deliver *d);
