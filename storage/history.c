/*
 * history.c - the table `history`; see history.h.
 */
#include "storage/history.h"

#include "storage/sql.h"

#define SQL_STRUCT history_row
#define HISTORY_COLUMNS(FIRST, X) \
	FIRST(LONG, at_ms)        \
	X(TEXT, fingerprint)      \
	X(TEXT, what)

#define HISTORY_STATEMENTS(X)                                                                     \
	X(HISTORY_ADD, SQL_INSERT("history", HISTORY_COLUMNS))                                    \
	X(HISTORY_OF, SQL_SELECT("history", HISTORY_COLUMNS) "WHERE fingerprint = ? ORDER BY id " \
	                                                     "DESC LIMIT ?")

SQL_STATEMENTS(sql_history, HISTORY_STATEMENTS);

SQL_ROWS(layout, HISTORY_COLUMNS);

enum err history_add(struct store *store, const char *fingerprint, const char *what, int64_t at_ms)
{
	struct history_row row = {
	        .at_ms = at_ms, .fingerprint = (char *)fingerprint, .what = (char *)what};
	struct sql sql;

	sql_use(&sql, store, SQL_HISTORY, HISTORY_ADD);
	return sql_insert_row(&sql, &layout, &row);
}

enum err history_of(struct store *store, const char *fingerprint, int limit,
        struct history_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_HISTORY, HISTORY_OF);
	sql_bind_text(&sql, fingerprint);
	sql_bind_int(&sql, limit);
	return sql_all_rows(&sql, &layout, (void **)rows, len);
}
