/*
 * ack.h - who takes care of what: acks of entries, their end, reminders. Inside writer jobs.
 */
#pragma once

#include "handlers/deliver.h"
#include "storage/messages.h"

struct ack {
	const char *who, *note; /* note may be NULL */
};

/*
 * Acks (ack NULL: takes back) what a run id or an event of ours names; *count of entries that
 * changed, the first one's name in *what (owned by the caller, NULL when there is none).
 * ERR_NOT_FOUND: nothing by that name.
 */
enum err ack_run(const struct deliver *d, const char *run_id, const struct ack *ack, int *count,
        char **what);
enum err ack_event(const struct deliver *d, const char *event_id, const struct ack *ack, int *count,
        char **what);

/* Ends acks that are over ack_timeout, and brings up what nobody acked for `remind`. */
enum err ack_duty(const struct deliver *d);
