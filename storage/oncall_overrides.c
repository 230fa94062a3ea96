/*
 * oncall_overrides.c - the table `oncall_overrides`; see oncall_overrides.h.
 */
#include "storage/oncall_overrides.h"

#include "storage/sql.h"

#define SQL_STRUCT oncall_override_row
#define ONCALL_OVERRIDE_COLUMNS(FIRST, X) \
	FIRST(LONG, at_ms)                \
	X(LONG, start_ms)                 \
	X(LONG, end_ms)                   \
	X(TEXT, name)                     \
	X(TEXT, user)                     \
	X(TEXT, author)

#define ONCALL_OVERRIDES_STATEMENTS(X)                                                             \
	X(ONCALL_OVERRIDES_INSERT, SQL_INSERT("oncall_overrides", ONCALL_OVERRIDE_COLUMNS))        \
	X(ONCALL_OVERRIDES_AFTER,                                                                  \
	        SQL_SELECT("oncall_overrides",                                                     \
	                ONCALL_OVERRIDE_COLUMNS) "INDEXED BY oncall_overrides_end WHERE end_ms > " \
	                                         "? ORDER BY id")

SQL_STATEMENTS(sql_oncall_overrides, ONCALL_OVERRIDES_STATEMENTS);

SQL_ROWS(layout, ONCALL_OVERRIDE_COLUMNS);

enum err oncall_overrides_insert(struct store *store, struct oncall_override_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ONCALL_OVERRIDES, ONCALL_OVERRIDES_INSERT);
	return sql_insert_row(&sql, &layout, row);
}

enum err oncall_overrides_after(
        struct store *store, int64_t ms, struct oncall_override_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ONCALL_OVERRIDES, ONCALL_OVERRIDES_AFTER);
	sql_bind_int(&sql, ms);
	return sql_all_rows(&sql, &layout, (void **)rows, len);
}
