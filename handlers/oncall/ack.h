/*
 * ack.h - who takes care of what: acks of failures, and their end. An ack holds for a failure (a
 * fingerprint) in all messages where it fires, and goes over to the next message about it. Inside
 * writer jobs.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "storage/messages.h"

struct ack {
	const char *who, *note; /* note may be NULL */
};

/* Begins zeroed but for `by`; results of several calls add up. */
struct ack_result {
	const char *by;      /* who takes an ack back; borrowed */
	int found;           /* failures that were meant */
	int changed;         /* of these */
	char *what;          /* the first one's name, or NULL */
	char *before;        /* who had it, when that was somebody else */
	char *held;          /* why an alert of the run is in no message, or NULL */
	int64_t resolved_ms; /* of one that did not change because it is over; 0 = none is */
};

void ack_result_finish(struct ack_result *result);

/*
 * Acks (ack NULL: takes back) what a run id, or an event of ours, is about: a message, a reminder,
 * or something in a message's thread. ERR_NOT_FOUND: nothing by that name. only_of: takes back
 * only what this user acked; NULL = whatever.
 */
enum err ack_run(const struct deliver *d, const char *run_id, const struct ack *ack,
        struct ack_result *result);
enum err ack_event(const struct deliver *d, const char *event_id, const struct ack *ack,
        const char *only_of, struct ack_result *result);

/* The same of an entry. */
enum err ack_entry(const struct deliver *d, const struct entry_row *entry, const struct ack *ack,
        struct ack_result *result);

/* Ends acks that are over ack_timeout. */
enum err ack_end_due(const struct deliver *d);
