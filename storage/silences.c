/*
 * silences.c - the table `silences`; see silences.h.
 */
#include "storage/silences.h"

#include "storage/sql.h"

#define SQL_STRUCT silence_row
#define SILENCE_COLUMNS(FIRST, X) \
	FIRST(LONG, at_ms)        \
	X(LONG, start_ms)         \
	X(LONG, end_ms)           \
	X(LONG, ended_ms)         \
	X(LONG, held)             \
	X(INT, until_resolved)    \
	X(TEXT, author)           \
	X(OPT, room)              \
	X(TEXT, matchers)         \
	X(TEXT, reason)

#define SELECT SQL_SELECT("silences", SILENCE_COLUMNS)
#define SILENCES_STATEMENTS(X)                                      \
	X(SILENCES_INSERT, SQL_INSERT("silences", SILENCE_COLUMNS)) \
	X(SILENCES_UPDATE, SQL_UPDATE("silences", SILENCE_COLUMNS)) \
	X(SILENCES_BY_ID, SELECT "WHERE id = ?")                    \
	X(SILENCES_ACTIVE, SELECT "WHERE ended_ms = 0 ORDER BY id")

SQL_STATEMENTS(sql_silences, SILENCES_STATEMENTS);

SQL_ROWS(layout, SILENCE_COLUMNS);

enum err silences_insert(struct store *store, struct silence_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_SILENCES, SILENCES_INSERT);
	return sql_insert_row(&sql, &layout, row);
}

enum err silences_update(struct store *store, const struct silence_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_SILENCES, SILENCES_UPDATE);
	return sql_update_row(&sql, &layout, row);
}

enum err silences_by_id(struct store *store, int64_t id, struct silence_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_SILENCES, SILENCES_BY_ID);
	sql_bind_int(&sql, id);
	return sql_one_row(&sql, &layout, row);
}

enum err silences_active(struct store *store, struct silence_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_SILENCES, SILENCES_ACTIVE);
	return sql_all_rows(&sql, &layout, (void **)rows, len);
}
