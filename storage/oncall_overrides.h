/*
 * oncall_overrides.h - temporary on-call overrides: a user who is on call in place of the one whose
 * turn it is. See handlers/oncall/rota.h. Those that are over cost nothing.
 */
#pragma once

#include <stddef.h>
#include "storage/store.h"

struct oncall_override_row {
	int64_t id; /* set by oncall_overrides_insert(); a later override takes precedence */
	int64_t at_ms, start_ms, end_ms;
	char *name;   /* of the on-call schedule */
	char *user;   /* who is on call meanwhile: a Matrix user id */
	char *author; /* who made the override: a Matrix user id, or "uid N" */
};

void oncall_override_row_finish(struct oncall_override_row *row);
void oncall_override_rows_free(struct oncall_override_row *rows, size_t len);
enum err oncall_overrides_insert(struct store *store, struct oncall_override_row *row);
/* The overrides of all schedules that end after a given time (few), in the order in which they were
 * made. The caller frees the rows. */
enum err oncall_overrides_after(
        struct store *store, int64_t ms, struct oncall_override_row **rows, size_t *len);
