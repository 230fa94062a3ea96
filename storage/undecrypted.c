/*
 * undecrypted.c - the table `undecrypted`; see undecrypted.h.
 */
#include "storage/undecrypted.h"

#include "storage/sql.h"

#define SQL_STRUCT undecrypted_row
#define UNDECRYPTED_COLUMNS(FIRST, X) \
	FIRST(LONG, at_ms)            \
	X(LONG, told_ms)              \
	X(LONG, power)                \
	X(TEXT, room)                 \
	X(TEXT, room_id)              \
	X(TEXT, event_id)             \
	X(TEXT, event)

#define UNDECRYPTED_STATEMENTS(X)                                                                  \
	X(UNDECRYPTED_INSERT, SQL_INSERT("undecrypted", UNDECRYPTED_COLUMNS))                      \
	X(UNDECRYPTED_UPDATE, SQL_UPDATE("undecrypted", UNDECRYPTED_COLUMNS))                      \
	X(UNDECRYPTED_DELETE, "DELETE FROM undecrypted WHERE id = ?")                              \
	X(UNDECRYPTED_ALL,                                                                         \
	        SQL_SELECT("undecrypted", UNDECRYPTED_COLUMNS) "WHERE id > 0 ORDER BY id LIMIT ?") \
	X(UNDECRYPTED_COUNT, "SELECT count(*) FROM undecrypted")

SQL_STATEMENTS(sql_undecrypted, UNDECRYPTED_STATEMENTS);

SQL_ROWS(layout, UNDECRYPTED_COLUMNS);

enum err undecrypted_insert(struct store *store, struct undecrypted_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_UNDECRYPTED, UNDECRYPTED_INSERT);
	return sql_insert_row(&sql, &layout, row);
}

enum err undecrypted_update(struct store *store, const struct undecrypted_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_UNDECRYPTED, UNDECRYPTED_UPDATE);
	return sql_update_row(&sql, &layout, row);
}

enum err undecrypted_delete(struct store *store, int64_t id)
{
	struct sql sql;

	sql_use(&sql, store, SQL_UNDECRYPTED, UNDECRYPTED_DELETE);
	sql_bind_int(&sql, id);
	return sql_write(&sql);
}

enum err undecrypted_all(struct store *store, int limit, struct undecrypted_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_UNDECRYPTED, UNDECRYPTED_ALL);
	sql_bind_int(&sql, limit);
	return sql_all_rows(&sql, &layout, (void **)rows, len);
}

enum err undecrypted_count(struct store *store, int64_t *count)
{
	struct sql sql;

	sql_use(&sql, store, SQL_UNDECRYPTED, UNDECRYPTED_COUNT);
	return sql_one_int(&sql, count);
}
