/*
 * steps.h - what statements cost, counted in steps of SQLite's machine. Include it after
 * handlers_fixture.h.
 */
#pragma once

#include "storage/sql.h"

/* Steps of all statements since the last call; *scanned: of these, rows of walks without an index.
 */
static inline int64_t steps(struct world *w, int64_t *scanned)
{
	int64_t sum = 0;
	sqlite3_stmt *stmt = NULL;

	*scanned = 0;
	while ((stmt = sqlite3_next_stmt(w->store->db, stmt))) {
		sum += sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 1);
		*scanned += sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_FULLSCAN_STEP, 1);
	}
	return sum;
}
