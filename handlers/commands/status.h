/*
 * status.h - the part of a status that storage knows. Inside jobs that may read.
 */
#pragma once

#include "bot/config/config.h"
#include "handlers/commands/report.h"
#include "storage/store.h"

/* Fills it in; status_unload() is wanted after a failure too. */
enum err status_load(
        struct store *store, const struct config *config, struct report_status *status);
void status_unload(struct report_status *status);
