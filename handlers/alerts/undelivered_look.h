/*
 * undelivered_look.h - what the other channels of [meta] are told when a critical alert is not in
 * its room in time, and when it is there after all. Inside a writer job.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "handlers/commands/report.h"

/* What was told since the last look, which is written down then; zeroed at the start: a text may be
 * told twice when the process ends in between, but never not at all. */
struct undelivered_memory {
	int64_t told_id; /* the last alert that was told; 0 = none was */
	bool recovered;  /* recovery was told */
};

/* Looks at everything once. *text: what is to be told, owned by the caller, or NULL; *memory then
 * says what to remember once that was done. */
enum err undelivered_look(const struct deliver *d, const struct report_status *status,
        struct undelivered_memory *memory, char **text);
