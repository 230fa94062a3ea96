/*
 * undelivered_look.h - reports to the other channels of [meta] when a critical alert is not
 * delivered to its room in time, and when it is delivered after all. Inside a writer job.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "handlers/commands/report.h"

/* What was reported since the last call; the next call stores it. Zeroed at the start of the
 * process: after a crash in between, a text is reported twice rather than not at all. */
struct undelivered_memory {
	int64_t told_id; /* the last alert that was reported; 0 = none */
	bool recovered;  /* the recovery was reported */
};

/* Checks everything once, which reads all that waits or is undeliverable. *text: what to report,
 * owned by the caller, or NULL; *memory is what to pass to the next call once it was reported. */
enum err undelivered_look(const struct deliver *d, const struct report_status *status,
        struct undelivered_memory *memory, char **text);
