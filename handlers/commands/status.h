/*
 * status.h - fills in the part of a status that comes from storage. Inside jobs that may read.
 * Costs an index row for each alert and a row for each call of the last day, and what waits and
 * fires now; nothing for what is older.
 */
#pragma once

#include "bot/config/config.h"
#include "handlers/commands/report.h"
#include "storage/store.h"

/* Fills in the members from storage. Call status_unload() also after a failure. */
enum err status_load(
        struct store *store, const struct config *config, struct report_status *status);
void status_unload(struct report_status *status);
