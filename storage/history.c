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

static const struct sql_column columns[] = {HISTORY_COLUMNS(SQL_COLUMN, SQL_COLUMN)};
static const struct sql_rows rows_type = {
        columns,
        sizeof(columns) / sizeof(columns[0]),
        offsetof(struct history_row, id),
        sizeof(struct history_row),
};

void history_row_finish(struct history_row *row)
{
	sql_finish_row(&rows_type, row);
}

enum err history_add(struct store *store, const char *fingerprint, const char *what, int64_t at_ms)
{
	struct history_row row = {
	        .at_ms = at_ms, .fingerprint = (char *)fingerprint, .what = (char *)what};
	struct sql sql;

	sql_use(&sql, store, SQL_HISTORY, HISTORY_ADD);
	return sql_insert_row(&sql, &rows_type, &row);
}

enum err history_of(struct store *store, const char *fingerprint, int limit,
        struct history_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_HISTORY, HISTORY_OF);
	sql_bind_text(&sql, fingerprint);
	sql_bind_int(&sql, limit);
	return sql_all_rows(&sql, &rows_type, (void **)rows, len);
}
