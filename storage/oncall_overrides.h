/*
 * oncall_overrides.h - who is on call for a while in place of whose turn it is. What that means is
 * the business of handlers/oncall/rota.h.
 */
#pragma once

#include <stddef.h>
#include "storage/store.h"

struct oncall_override_row {
	int64_t id; /* set by oncall_overrides_insert(); a later one goes before an earlier one */
	int64_t at_ms, start_ms, end_ms;
	char *name;   /* of the schedule */
	char *user;   /* who has it meanwhile: a Matrix user id */
	char *author; /* who said so: a Matrix user id, or "uid N" */
};

void oncall_override_row_finish(struct oncall_override_row *row);
void oncall_override_rows_free(struct oncall_override_row *rows, size_t len);
enum err oncall_overrides_insert(struct store *store, struct oncall_override_row *row);
/* Those that end after a moment, of all schedules (few), in the order in which they were made. The
 * caller frees the rows. */
enum err oncall_overrides_after(
        struct store *store, int64_t ms, struct oncall_override_row **rows, size_t *len);
